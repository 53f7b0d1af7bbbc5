//! Which clients the server wakes by short messages, and how (TS 8.4).

use alloc::collections::BTreeMap;

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId};

use super::{
    event::Outcome,
    id::{OperationId, RegistrationId},
    registrar::Registration,
};

/// Registration Update Trigger of the Server Object (TS E.2).
const UPDATE_TRIGGER: ResourceId = ResourceId::new(8);

/// How a client that is asleep is woken: see [`Waiting::set_trigger`](super::Waiting::set_trigger).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UpdateTrigger<P> {
    /// The name of the client's [number](Registration::sms_number).
    pub peer: P,
    /// The Server Object Instance of this server. `None` is the one that the client
    /// [lists](Registration::server_instance), if it lists a single one.
    pub server_instance: Option<InstanceId>,
}

impl<P> UpdateTrigger<P> {
    /// A trigger to this peer, for the only Server Object Instance of the client.
    pub const fn new(peer: P) -> Self {
        Self {
            peer,
            server_instance: None,
        }
    }

    /// Where it is executed at this client.
    pub(super) fn path<Q>(&self, client: &Registration<Q>) -> Option<Path> {
        let instance = self.server_instance.or_else(|| client.server_instance());
        instance.map(path)
    }
}

/// The Registration Update Trigger of this Server Object Instance.
pub(super) const fn path(server_instance: InstanceId) -> Path {
    Path::Resource(ObjectId::SERVER, server_instance, UPDATE_TRIGGER)
}

/// Which clients are woken, and how, and what was sent to whom.
#[derive(Debug)]
pub(super) struct Triggers<P> {
    clients: BTreeMap<RegistrationId, Triggered<P>>,
    sent: u64,
}

/// What is known of a client. What was sent outlives what the application has set.
#[derive(Debug)]
struct Triggered<P> {
    /// How it is woken, if it is.
    by: Option<UpdateTrigger<P>>,
    /// The trigger that was sent in this sleep, by the server or by the application, unless it has ended without
    /// an answer.
    sent: Option<OperationId>,
    /// The one that the server has sent by itself and that is under way.
    own: Option<OperationId>,
}

impl<P> Default for Triggered<P> {
    fn default() -> Self {
        Self {
            by: None,
            sent: None,
            own: None,
        }
    }
}

impl<P> Triggered<P> {
    const fn is_empty(&self) -> bool {
        self.by.is_none() && self.sent.is_none() && self.own.is_none()
    }
}

/// How clients are woken.
impl<P> Triggers<P> {
    pub(super) const fn new() -> Self {
        Self {
            clients: BTreeMap::new(),
            sent: 0,
        }
    }

    pub(super) fn set(&mut self, client: RegistrationId, by: UpdateTrigger<P>) {
        self.clients.entry(client).or_default().by = Some(by);
    }

    /// A client isn't to be woken any more.
    pub(super) fn unset(&mut self, client: RegistrationId) {
        self.change(client, |triggered| triggered.by = None);
    }

    /// How a client is to be woken, unless it was in this sleep and has answered or still may.
    pub(super) fn unsent(&self, client: RegistrationId) -> Option<&UpdateTrigger<P>> {
        let triggered = self.clients.get(&client)?;
        let by = triggered.by.as_ref();
        by.filter(|_| triggered.sent.is_none())
    }

    /// How a client is to be woken, and the trigger that was sent in this sleep.
    pub(super) fn of(
        &self,
        client: RegistrationId,
    ) -> (Option<&UpdateTrigger<P>>, Option<OperationId>) {
        let triggered = self.clients.get(&client);
        triggered.map_or((None, None), |known| (known.by.as_ref(), known.sent))
    }

    /// The same, after a restart. Nothing is under way then.
    pub(super) fn restore(
        &mut self,
        client: RegistrationId,
        (by, sent): (Option<UpdateTrigger<P>>, Option<OperationId>),
    ) {
        if by.is_some() || sent.is_some() {
            let own = None;
            self.clients.insert(client, Triggered { by, sent, own });
        }
    }

    /// A registration takes the place of another one of the same client. What is under way ends with the old
    /// one.
    pub(super) fn replace(&mut self, old: RegistrationId, new: RegistrationId) {
        if let Some(triggered) = self.clients.remove(&old) {
            self.clients.insert(new, triggered);
            self.change(new, |triggered| triggered.own = None);
        }
    }

    /// A registration has ended.
    pub(super) fn forget(&mut self, client: RegistrationId) {
        self.clients.remove(&client);
    }

    /// Changes what is known of a client, and forgets it once that is nothing.
    fn change(&mut self, client: RegistrationId, change: impl FnOnce(&mut Triggered<P>)) {
        if let Some(triggered) = self.clients.get_mut(&client) {
            change(triggered);
            if triggered.is_empty() {
                self.clients.remove(&client);
            }
        }
    }
}

/// What was sent.
impl<P> Triggers<P> {
    /// The server has sent one by itself. Returns the one before, if it is still under way.
    pub(super) fn was_sent(
        &mut self,
        client: RegistrationId,
        now: OperationId,
    ) -> Option<OperationId> {
        self.sent = self.sent.saturating_add(1);
        let triggered = self.clients.entry(client).or_default();
        triggered.sent = Some(now);
        triggered.own.replace(now)
    }

    /// The application has sent one to a client that is asleep.
    pub(super) fn was_sent_by_application(&mut self, client: RegistrationId, now: OperationId) {
        self.clients.entry(client).or_default().sent = Some(now);
    }

    /// The trigger that the server has sent to a client by itself, while it is under way.
    pub(super) fn under_way(&self, client: RegistrationId) -> Option<OperationId> {
        self.clients.get(&client)?.own
    }

    /// An operation of a client has ended, perhaps a trigger. One without an answer was perhaps lost, so that
    /// the next operation may have another one sent.
    pub(super) fn ended(
        &mut self,
        client: RegistrationId,
        operation: OperationId,
        outcome: &Outcome,
    ) {
        self.change(client, |triggered| {
            triggered.own.take_if(|own| *own == operation);
            if is_unanswered(outcome) {
                triggered.sent.take_if(|sent| *sent == operation);
            }
        });
    }

    /// A client has woken, or doesn't sleep any more.
    pub(super) fn woken(&mut self, client: RegistrationId) {
        self.change(client, |triggered| triggered.sent = None);
    }

    /// How many the server has sent by itself.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }
}

/// Whether nothing has come from the client.
const fn is_unanswered(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Timeout
            | Outcome::Failed { .. }
            | Outcome::DeadlinePassed { .. }
            | Outcome::Cancelled { .. }
            | Outcome::PeerGone
            | Outcome::Restarted { .. }
    )
}
