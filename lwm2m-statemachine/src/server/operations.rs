//! The operations that a server offers, as calls (TS 5.4, 5.5).

use lwm2m_core::{
    Arguments, AttributesUpdate, ContentFormat, InstanceId, Instant, ObjectId, Path, Transport,
    WriteMode, codec::Content,
};

use super::{
    calls::CallError,
    definitions::ClientDefinitions,
    event::EndReason,
    id::{ObservationId, OperationId, RegistrationId},
    parts::Server,
    sending,
};
use crate::{
    coap::RequestId,
    downlink::{Call, QueuedRequest},
    machine::{Channel, Peer},
};

/// Where a call goes.
#[derive(Clone, Copy)]
pub(super) enum Way<P> {
    /// To where the client is registered.
    Registered,
    /// There, too; the observation of this request ends with it.
    Observing(RequestId),
    /// To this peer, over SMS.
    Sms(P),
}

/// The operations (TS 5.4, 5.5). All requests are confirmable (TS 8.2) and go to paths below the
/// client's alternate path (TS 8.2.2).
///
/// Each call returns the handle of an operation, which ends with exactly one
/// [`Answered`](super::ServerEvent::Answered) event; or an error, and then nothing has changed, except
/// that a registration whose time is over [expires](super::ServerEvent::Expired).
///
/// For a client in Queue Mode, an operation may have to [wait](Self::queued) until the client is awake.
impl<P: Peer> Server<P> {
    /// Reads an Object, an Object Instance or a Resource, in this format or in one that the client
    /// chooses (TS 5.4.1).
    pub fn read(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        format: Option<ContentFormat>,
    ) -> Result<OperationId, CallError> {
        self.call(
            now,
            registration,
            &Call::Read(path, format),
            Way::Registered,
        )
    }

    /// Asks for the Object Instances, Resources and attributes at and below an Object, an Object
    /// Instance or a Resource (TS 5.4.2).
    pub fn discover(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
    ) -> Result<OperationId, CallError> {
        self.call(now, registration, &Call::Discover(path), Way::Registered)
    }

    /// Writes an Object Instance or a Resource, in TLV unless another format is given (TS 5.4.3).
    ///
    /// `content` has values at and below `path`, of the types that the Resources have in the
    /// [client's version](Self::definitions) of the Object.
    pub fn write(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        mode: WriteMode,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        let call = Call::Write(path, mode, format, content);
        self.call(now, registration, &call, Way::Registered)
    }

    /// Sets and unsets the attributes of an Object, an Object Instance or a Resource that govern
    /// notifications to this server (TS 5.4.4).
    pub fn write_attributes(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        update: &AttributesUpdate,
    ) -> Result<OperationId, CallError> {
        let call = Call::WriteAttributes(path, update);
        self.call(now, registration, &call, Way::Registered)
    }

    /// Executes a Resource (TS 5.4.5).
    pub fn execute(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        arguments: &Arguments<'_>,
    ) -> Result<OperationId, CallError> {
        let call = Call::Execute(path, *arguments);
        self.call(now, registration, &call, Way::Registered)
    }

    /// Creates an Object Instance, in TLV unless another format is given (TS 5.4.6).
    ///
    /// `instance` is its identifier, and `content` has values below it. Without an `instance`, the
    /// client chooses the identifier, and `content` has values below any one Object Instance of the
    /// Object. The types of the values are those for a [`write`](Self::write).
    pub fn create(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        object: ObjectId,
        instance: Option<InstanceId>,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        let call = Call::Create(object, instance, format, content);
        self.call(now, registration, &call, Way::Registered)
    }

    /// Deletes an Object Instance (TS 5.4.7).
    pub fn delete(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
    ) -> Result<OperationId, CallError> {
        self.call(now, registration, &Call::Delete(path), Way::Registered)
    }

    /// Observes an Object, an Object Instance or a Resource, in this format or in one that the
    /// client chooses (TS 5.5.1).
    ///
    /// If the client accepts, the outcome is [`Observing`](super::Outcome::Observing), and
    /// [`Notification`](super::ServerEvent::Notification)s follow. An observation ends with its
    /// registration: when the client registers anew, observe again. It goes on when a client with a
    /// proven identity moves to another peer.
    pub fn observe(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        format: Option<ContentFormat>,
    ) -> Result<OperationId, CallError> {
        self.call(
            now,
            registration,
            &Call::Observe(path, format),
            Way::Registered,
        )
    }

    /// Cancels an observation with a request (TS 5.5.3, Observe: 1), whose answer has the current
    /// values. The observation ends at once.
    ///
    /// It goes to where the client is reached. If the blocks of a notification were still arriving from
    /// another peer, they are lost, and the application is told, also if the call fails.
    pub fn cancel_observation(
        &mut self,
        now: Instant,
        observation: ObservationId,
    ) -> Result<OperationId, CallError> {
        let observed = self.calls.observation(observation);
        let observed = *observed.ok_or(CallError::UnknownObservation)?;
        let call = Call::Cancel(observed.path, observed.accept);
        let registration = observation.registration();
        let way = Way::Observing(observed.request);
        let operation = self.call(now, registration, &call, way)?;
        // While the request waits, notifications of the observation still tell that the client is awake.
        let was_there = if self.calls.is_waiting(operation) {
            self.calls.end_observing(observation)
        } else {
            self.calls.take_observation(observation).is_some()
        };
        if was_there {
            self.end_observation(observation, EndReason::Cancelled);
        }
        Ok(operation)
    }

    /// Cancels an observation without a request: the client's next notification is answered with
    /// a Reset (TS 8.2.6). The observation ends at once.
    pub fn drop_observation(
        &mut self,
        now: Instant,
        observation: ObservationId,
    ) -> Result<(), CallError> {
        let taken = self.calls.observation(observation).copied();
        let taken = taken.ok_or(CallError::UnknownObservation)?;
        self.calls.take_observation(observation);
        self.endpoint.cancel(now, taken.request);
        self.end_observation(observation, EndReason::Cancelled);
        Ok(())
    }

    /// Queues a call and sends it, or holds it until its client is awake. What goes over SMS to a client
    /// that has registered elsewhere isn't held.
    pub(super) fn call(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        call: &Call<'_>,
        way: Way<&P>,
    ) -> Result<OperationId, CallError> {
        self.keeping.set_now(now);
        if self.registrar.expire_if_due(now, registration) {
            self.tell_departures(now);
        }
        let client = self.registrar.get(registration);
        let client = client.ok_or(CallError::UnknownRegistration)?;
        let (peer, channel) = match way {
            Way::Sms(_) if !client.has_sms() => return Err(CallError::NoSms),
            Way::Sms(peer) => (peer, Channel::Sms),
            Way::Registered | Way::Observing(_) => (client.peer(), client.channel()),
        };
        let is_by_sms = matches!(way, Way::Sms(_));
        // With SQ a client sleeps over SMS, too (TS Table 8).
        let may_wait = !is_by_sms || client.binding().queues(Transport::Sms);
        let is_held = may_wait && client.is_in_queue_mode();
        if !is_by_sms && !is_held && !client.is_reachable() {
            return Err(CallError::PeerGone);
        }
        let cancels = match way {
            Way::Observing(request) => Some(request),
            Way::Registered | Way::Sms(_) => None,
        };
        let trigger = self.triggers.under_way(registration);
        self.calls.check_room(registration, call, trigger)?;
        let definitions = ClientDefinitions::new(&self.registry, client);
        let message = call.message(client.alternate_path(), &definitions)?;
        if is_held {
            let pending = call.pending();
            let mut sleepers = self.sleepers(now);
            let operation = sleepers.hold(registration, pending, message, cancels)?;
            self.handle_endpoint_events(now);
            return Ok(operation);
        }
        let queued = QueuedRequest { message, cancels };
        let parts = (&mut self.calls, &mut self.endpoint);
        let call = (registration, call.pending());
        let peer = peer.clone();
        let sent = sending::call(now, parts, (&peer, channel), call, queued);
        if sent.is_ok() {
            self.records().note_to(registration, &peer);
        }
        // Blocks of a notification are lost if the observation has moved.
        self.handle_endpoint_events(now);
        sent
    }
}
