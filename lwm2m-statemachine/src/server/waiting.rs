//! What waits for clients in Queue Mode, as the application sees it (TS 8.3).

use core::time::Duration;

use lwm2m_core::{Instant, Operation, Path};

use super::{
    calls::{CallError, CallKey},
    event::Outcome,
    id::{OperationId, RegistrationId},
    parts::Server,
    queue::Presence,
    triggers::UpdateTrigger,
};
use crate::machine::Peer;

/// An operation that is held for a client in Queue Mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedOperation {
    /// Its handle.
    pub operation: OperationId,
    /// What it is.
    pub kind: Operation,
    /// Where.
    pub path: Path,
    /// When it ends at the latest, with [`Outcome::DeadlinePassed`].
    pub deadline: Instant,
    /// Whether it was sent and waits for its answer. There is one at most.
    pub is_under_way: bool,
    /// Whether the client may have received it, now or before.
    pub was_sent: bool,
}

/// Clients in Queue Mode, and operations that wait.
///
/// ```
/// use core::time::Duration;
/// use lwm2m_core::Instant;
/// use lwm2m_statemachine::{Server, server::{CallError, Presence, RegistrationId}};
///
/// /// Reads something that is of no use in an hour.
/// fn read_soon(
///     now: Instant,
///     server: &mut Server<u32>,
///     client: RegistrationId,
/// ) -> Result<(), CallError> {
///     let battery = "/3/0/9".parse().expect("a path");
///     let operation = server.read(now, client, battery, None)?;
///     server.waiting().set_deadline(operation, now + Duration::from_secs(3600))?;
///     if server.presence(client) == Some(Presence::Asleep) {
///         for queued in server.queued(client) {
///             println!("{:?} {} until {}", queued.kind, queued.path, queued.deadline);
///         }
///     }
///     Ok(())
/// }
/// ```
impl<P: Peer> Server<P> {
    /// Whether a client can be sent requests now; `None` if there is no such registration.
    pub fn presence(&self, registration: RegistrationId) -> Option<Presence> {
        let client = self.registrar.get(registration)?;
        if !client.is_in_queue_mode() {
            return Some(Presence::Always);
        }
        let until = self.queue.awake_until(registration);
        Some(until.map_or(Presence::Asleep, |until| Presence::Awake { until }))
    }

    /// The operations that are held for a client in Queue Mode, in the order in which they are sent.
    pub fn queued(&self, registration: RegistrationId) -> impl Iterator<Item = QueuedOperation> {
        let held = self.calls.held_for(registration);
        held.filter_map(|(key, call, held)| {
            Some(QueuedOperation {
                operation: self.calls.handle(key)?,
                kind: call.operation,
                path: call.path,
                deadline: self.queue.deadline(key)?,
                is_under_way: held.request.is_some(),
                was_sent: held.was_sent || held.request.is_some(),
            })
        })
    }

    /// Calls about operations that wait for their answer or for their client.
    pub fn waiting(&mut self) -> Waiting<'_, P> {
        Waiting { server: self }
    }
}

/// Calls about operations that wait: see [`Server::waiting`].
#[derive(Debug)]
pub struct Waiting<'a, P> {
    server: &'a mut Server<P>,
}

impl<P: Peer> Waiting<'_, P> {
    /// Sets when an operation ends at the latest, with [`Outcome::DeadlinePassed`].
    ///
    /// For a client in Queue Mode, [`QueueMode::deadline`](super::QueueMode::deadline) holds unless this is
    /// called. Any other operation has no deadline unless this is called.
    pub fn set_deadline(
        &mut self,
        operation: OperationId,
        deadline: Instant,
    ) -> Result<(), CallError> {
        let key = self.find(operation)?;
        self.server.queue.set_deadline(key, Some(deadline));
        self.server.records().note(key.client);
        Ok(())
    }

    /// Cancels an operation, which ends at once with [`Outcome::Cancelled`]. If it was sent, its answer is
    /// rejected.
    pub fn cancel(&mut self, now: Instant, operation: OperationId) -> Result<(), CallError> {
        let key = self.find(operation)?;
        self.end(now, key);
        self.server.sleepers(now).go_on(key.client);
        self.server.handle_endpoint_events(now);
        Ok(())
    }

    /// Cancels all operations, so that each has its outcome before the server is dropped.
    pub fn cancel_all(&mut self, now: Instant) {
        while let Some(key) = self.server.calls.first() {
            self.end(now, key);
        }
    }

    /// Sets how long after its last message this client is awake, if it is in Queue Mode: from its next
    /// message on, also if it registers anew. `None` is as long as [`QueueMode::awake`](super::QueueMode::awake)
    /// says. The client may have told it in a parameter of its own, or it is known of the model.
    pub fn set_awake_time(
        &mut self,
        registration: RegistrationId,
        time: Option<Duration>,
    ) -> Result<(), CallError> {
        let client = self.server.registrar.get(registration);
        client.ok_or(CallError::UnknownRegistration)?;
        self.server.queue.set_awake_time(registration, time);
        self.server.records().note(registration);
        Ok(())
    }

    /// Has the server execute the Registration Update Trigger of a client over SMS by itself, when an operation
    /// waits and the client is asleep; `None`, the default, has it send no short messages by itself.
    ///
    /// It is for a client that has registered over UDP with the Binding UQS, and nothing is sent while it has
    /// another one. A short message costs, and the number is what the client says. So there is one
    /// under way at most, one in a sleep if it is answered, and one for each operation that waits: if the client
    /// wakes and then doesn't answer, it isn't woken again for the same. A trigger isn't sent again (TS 8.6.2).
    /// If it ends without an answer, perhaps as it was lost, the next operation that has to wait has another one
    /// sent; what waited before goes on until the client wakes, or until its deadline.
    ///
    /// [`ServerEvent::Triggered`](super::ServerEvent::Triggered) tells of each. It isn't bounded by
    /// [`ServerBounds::operations`](super::ServerBounds::operations), and the next one ends it if it is still
    /// without an answer. Without room at the endpoint it isn't sent; the next operation tries again.
    ///
    /// This holds until the registration ends, and also for the one that replaces it. It is forgotten when the
    /// client has told [another number](super::Changes::sms_number). That a trigger was sent in this sleep, by
    /// the server or [by the application](super::BySms::trigger_update), is not: a call with `None` and then
    /// with a trigger has no second one sent.
    ///
    /// ```
    /// # use lwm2m_core::Instant;
    /// # use lwm2m_statemachine::{RegistrationId, Server, server::{CallError, UpdateTrigger}};
    /// /// To be called when a client has registered, or has told another number.
    /// fn wake_when_something_waits(
    ///     server: &mut Server<String>,
    ///     now: Instant,
    ///     registration: RegistrationId,
    /// ) -> Result<(), CallError> {
    ///     let client = server.registration(registration);
    ///     if let Some(number) = client.and_then(|client| client.trigger_number()) {
    ///         let trigger = UpdateTrigger::new(number.as_str().to_owned());
    ///         server.waiting().set_trigger(now, registration, Some(trigger))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError::NoSms`] if the binding has no SMS, and [`CallError::NoServerInstance`] if the Server Object
    /// Instance isn't given and can't be told from what the client lists.
    pub fn set_trigger(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        trigger: Option<UpdateTrigger<P>>,
    ) -> Result<(), CallError> {
        let client = self.server.registrar.get(registration);
        let client = client.ok_or(CallError::UnknownRegistration)?;
        let Some(trigger) = trigger else {
            self.server.triggers.unset(registration);
            self.server.records().note(registration);
            return Ok(());
        };
        if !client.has_sms() {
            return Err(CallError::NoSms);
        }
        trigger.path(client).ok_or(CallError::NoServerInstance)?;
        self.server.triggers.set(registration, trigger);
        self.server.records().note(registration);
        self.server.sleepers(now).trigger(registration);
        self.server.handle_endpoint_events(now);
        Ok(())
    }

    fn find(&self, operation: OperationId) -> Result<CallKey, CallError> {
        let there = self.server.registrar.in_place_of(operation.registration());
        let key = self.server.calls.find(operation, there);
        key.ok_or(CallError::UnknownOperation)
    }

    fn end(&mut self, now: Instant, key: CallKey) {
        if let Some(ended) = self.server.calls.take(key) {
            let sent = ended.was_sent;
            self.server.give_up(now, ended, Outcome::Cancelled { sent });
        }
    }
}
