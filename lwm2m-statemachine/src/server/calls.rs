//! Operations that wait for their answer, and observations.

use alloc::boxed::Box;

use lwm2m_core::{ContentFormat, Operation, Path};
use thiserror::Error;

use super::{
    config::{QueueMode, ServerBounds},
    id::{ObservationId, OperationId, RegistrationId},
};
use crate::{
    coap::{self, RequestId, SendError},
    downlink::{
        Call, CallState, Cancelled, Entry, HeldRequest, InvalidCall, Key, Ledger, PendingCall,
        PlacedCall, QueuedRequest,
    },
    machine::{HandleState, Random},
};

/// Why an operation can't be sent. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The registration doesn't exist, or no longer exists.
    #[error("no such registration")]
    UnknownRegistration,
    /// The observation doesn't exist, or no longer exists.
    #[error("no such observation")]
    UnknownObservation,
    /// The operation doesn't exist, or has had its outcome.
    #[error("no such operation")]
    UnknownOperation,
    /// The client's peer is [gone](crate::Server::peer_gone), and the client wasn't heard from another
    /// one since. The same call may succeed once it is. For a client in Queue Mode the operation waits
    /// instead.
    #[error("the peer of the client is gone")]
    PeerGone,
    /// The binding of the client has no SMS (TS 5.3.1.1).
    #[error("the client isn't reached over SMS")]
    NoSms,
    /// Several Server Object Instances of the client may be the one of this server, or it lists none.
    #[error("the Server Object Instance of this server isn't known")]
    NoServerInstance,
    /// The call isn't valid; the same call fails again.
    #[error("{0}")]
    Invalid(#[from] InvalidCall),
    /// There is no room; the same call may succeed later.
    #[error("{0}")]
    Overload(#[from] Overload),
}

/// Why there is no room for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Overload {
    /// As many operations of the registration wait for their answer as
    /// [`ServerBounds::operations`] allows.
    #[error("{0} operations of the registration wait for their answer")]
    Operations(usize),
    /// As many operations are held for clients in Queue Mode as
    /// [`QueueMode::operations`](super::QueueMode::operations) allows.
    #[error("{0} operations are held for clients in Queue Mode")]
    Held(usize),
    /// With this one, operations that are held for clients in Queue Mode would take more than
    /// [`QueueMode::bytes`](super::QueueMode::bytes) or
    /// [`bytes_per_client`](super::QueueMode::bytes_per_client) allows.
    #[error("what is held in Queue Mode would take more than {0} bytes")]
    HeldBytes(usize),
    /// The registration has as many observations, with those that are asked for, as
    /// [`ServerBounds::observations`] allows.
    #[error("the registration has {0} observations")]
    Observations(usize),
    /// The CoAP endpoint has no room.
    #[error("{0}")]
    Endpoint(#[from] coap::Overload),
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Invalid(error) => Self::Invalid(error.into()),
            SendError::Overload(overload) => Self::Overload(overload.into()),
            // The last two aren't about requests.
            SendError::NoObservation | SendError::NotOpen | SendError::NoSource => {
                Self::UnknownObservation
            }
        }
    }
}

/// An observation, as long as notifications may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    /// The request that began it.
    pub(super) request: RequestId,
    pub(super) path: Path,
    /// The format that was asked for: a cancellation asks for the same.
    pub(super) accept: Option<ContentFormat>,
    /// It has ended for the application; the request that cancels it at the client waits.
    pub(super) is_over: bool,
}

/// What a call is kept under.
pub(super) type CallKey = Key<RegistrationId>;

/// An operation that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) operation: OperationId,
    /// Of the registration that it is for now: its own, or the one that has replaced it.
    pub(super) key: CallKey,
    pub(super) call: PendingCall,
    /// The request that it was sent with, if it waited for its answer.
    pub(super) request: Option<RequestId>,
    /// Whether the client may have received it.
    pub(super) was_sent: bool,
    /// The request of the observation that it would have cancelled.
    pub(super) cancels: Option<RequestId>,
}

impl Entry for Observation {
    fn request(&self) -> Option<RequestId> {
        Some(self.request)
    }
}

/// The operations that wait for their answer or for the client to wake, and the observations.
#[derive(Debug)]
pub(super) struct Calls {
    operations: Ledger<RegistrationId, PlacedCall<RegistrationId>>,
    observations: Ledger<RegistrationId, Observation>,
    most_operations: usize,
    most_observations: usize,
    /// How many operations are held, and the bytes that they take.
    held: (usize, usize),
    queue_mode: QueueMode,
}

impl Calls {
    pub(super) fn new(bounds: &ServerBounds, queue_mode: QueueMode, random: &mut Random) -> Self {
        Self {
            operations: Ledger::new(HandleState::new(random)),
            observations: Ledger::new(HandleState::new(random)),
            most_operations: bounds.operations,
            most_observations: bounds.observations,
            held: (0, 0),
            queue_mode,
        }
    }

    /// Whether there is room for this call to a client, apart from its trigger that the server has sent by
    /// itself. An Observe counts as an observation from the start.
    pub(super) fn check_room(
        &self,
        registration: RegistrationId,
        call: &Call<'_>,
        trigger: Option<OperationId>,
    ) -> Result<(), Overload> {
        let operations = self.operations.of(registration);
        let (mut count, mut observes) = (0, 0);
        for operation in operations {
            count += 1;
            observes += usize::from(operation.call.operation == Operation::Observe);
        }
        let triggers = usize::from(trigger.is_some_and(|id| self.handle(id.0).is_some()));
        if count >= self.most_operations.saturating_add(triggers) {
            return Err(Overload::Operations(self.most_operations));
        }
        if matches!(call, Call::Observe(..)) {
            let observations = self.observations.of(registration).count();
            if observations.saturating_add(observes) >= self.most_observations {
                return Err(Overload::Observations(self.most_observations));
            }
        }
        Ok(())
    }

    /// Queues a call, to be [sent](Self::send).
    pub(super) fn queue(
        &mut self,
        registration: RegistrationId,
        call: PendingCall,
        request: QueuedRequest,
    ) -> OperationId {
        OperationId(self.operations.queue(registration, call, request))
    }

    /// Hands a queued call to the endpoint with `send`. If that fails, the operation is gone.
    pub(super) fn send<E>(
        &mut self,
        operation: OperationId,
        send: impl FnOnce(QueuedRequest) -> Result<RequestId, E>,
    ) -> Result<(), E> {
        self.operations.send(operation.0, send)
    }

    /// Takes the operation of this request, which is answered or never will be.
    pub(super) fn take_operation(&mut self, request: RequestId) -> Option<Ended> {
        let (key, placed) = self.operations.take_by_request(request)?;
        Some(self.ended(key, &placed))
    }

    /// Takes the first operation of a registration.
    pub(super) fn take_operation_of(&mut self, registration: RegistrationId) -> Option<Ended> {
        let (key, placed) = self.operations.take_of(registration)?;
        Some(self.ended(key, &placed))
    }

    /// Takes this operation.
    pub(super) fn take(&mut self, key: CallKey) -> Option<Ended> {
        let placed = self.operations.take(key)?;
        Some(self.ended(key, &placed))
    }

    fn ended(&mut self, key: CallKey, placed: &PlacedCall<RegistrationId>) -> Ended {
        let held = placed.held();
        if let Some(held) = held {
            let (operations, bytes) = &mut self.held;
            *operations = operations.saturating_sub(1);
            *bytes = bytes.saturating_sub(held.size());
        }
        Ended {
            operation: handle(key, placed),
            key,
            call: placed.call,
            request: placed.request(),
            was_sent: held.is_none_or(|held| held.was_sent || held.request.is_some()),
            cancels: held.and_then(observed),
        }
    }

    /// A client accepted an Observe.
    pub(super) fn observe(
        &mut self,
        registration: RegistrationId,
        observation: Observation,
    ) -> ObservationId {
        ObservationId(self.observations.insert(registration, observation))
    }

    /// An observation, unless it is over.
    pub(super) fn observation(&self, id: ObservationId) -> Option<&Observation> {
        let observation = self.observations.get(id.0);
        observation.filter(|observation| !observation.is_over)
    }

    /// An observation is over: the request that cancels it waits. Returns whether there was one.
    pub(super) fn end_observing(&mut self, id: ObservationId) -> bool {
        let observation = self.observations.get_mut(id.0);
        let observation = observation.filter(|observation| !observation.is_over);
        observation
            .map(|observation| observation.is_over = true)
            .is_some()
    }

    /// The observation that this request began.
    pub(super) fn observation_by_request(
        &self,
        request: RequestId,
    ) -> Option<(ObservationId, &Observation)> {
        let (key, observation) = self.observations.by_request(request)?;
        Some((ObservationId(key), observation))
    }

    /// The registration of the operation or the observation of this request.
    pub(super) fn registration_of(&self, request: RequestId) -> Option<RegistrationId> {
        let operation = self.operation_of(request);
        let observation = || {
            self.observations
                .by_request(request)
                .map(|(key, _)| key.client)
        };
        operation.or_else(observation)
    }

    /// The requests of the observations of a registration.
    pub(super) fn observed_by(
        &self,
        registration: RegistrationId,
    ) -> impl Iterator<Item = RequestId> {
        let observations = self.observations.of(registration);
        observations.map(|observation| observation.request)
    }

    pub(super) fn take_observation(&mut self, id: ObservationId) -> Option<Observation> {
        self.observations.take(id.0)
    }

    /// Takes the first observation of a registration.
    pub(super) fn take_observation_of(
        &mut self,
        registration: RegistrationId,
    ) -> Option<(ObservationId, Observation)> {
        let (key, observation) = self.observations.take_of(registration)?;
        Some((ObservationId(key), observation))
    }

    /// The number of operations.
    pub(super) fn operations(&self) -> usize {
        self.operations.len()
    }

    /// How many operations are held for clients in Queue Mode, and the bytes that they take.
    pub(super) fn usage(&self) -> (usize, usize) {
        self.held
    }

    /// The number of observations.
    pub(super) fn observations(&self) -> usize {
        self.observations.len()
    }
}

/// A restart of the server.
impl Calls {
    /// All operations of a registration, in the order in which they were made.
    pub(super) fn all_of(
        &self,
        registration: RegistrationId,
    ) -> impl Iterator<Item = (CallKey, &PlacedCall<RegistrationId>)> {
        self.operations.entries_of(registration)
    }

    /// All observations of a registration, in the order in which they began.
    pub(super) fn all_observations_of(
        &self,
        registration: RegistrationId,
    ) -> impl Iterator<Item = (ObservationId, &Observation)> {
        let observations = self.observations.entries_of(registration);
        observations.map(|(key, observation)| (ObservationId(key), observation))
    }

    /// The serial numbers of the next operation, and of the next observation.
    pub(super) const fn serials(&self) -> (u64, u64) {
        (self.operations.serial(), self.observations.serial())
    }

    /// Leaves out the serial numbers that were given out before the restart.
    pub(super) fn begin_at(&mut self, (operations, observations): (u64, u64)) {
        self.operations.begin_at(operations);
        self.observations.begin_at(observations);
    }

    /// Whether a registration may have one more observation.
    pub(super) fn has_room_to_observe(&self, registration: RegistrationId) -> bool {
        self.observations.of(registration).count() < self.most_observations
    }

    /// The request of an observation, also if it is over for the application.
    pub(super) fn request_of(&self, ObservationId(key): ObservationId) -> Option<RequestId> {
        Some(self.observations.get(key)?.request)
    }

    /// Adds an observation from before the restart.
    pub(super) fn restore_observation(
        &mut self,
        ObservationId(key): ObservationId,
        observation: Observation,
    ) {
        self.observations.restore(key, observation);
    }

    /// Adds a held operation from before the restart, if there is room.
    pub(super) fn restore_held(
        &mut self,
        key: CallKey,
        call: PendingCall,
        held: HeldRequest<RegistrationId>,
    ) -> Result<(), Overload> {
        let size = held.size();
        self.check_held(key.client, size)?;
        if self.operations.of(key.client).count() >= self.most_operations {
            return Err(Overload::Operations(self.most_operations));
        }
        self.held = (self.held.0 + 1, self.held.1 + size);
        let state = CallState::Held(Box::new(held));
        self.operations.restore(key, PlacedCall { call, state });
        Ok(())
    }
}

/// Operations that are held for clients in Queue Mode (TS 8.3).
impl Calls {
    /// Holds a call, if there is room, behind the others of the client.
    pub(super) fn hold(
        &mut self,
        registration: RegistrationId,
        call: PendingCall,
        held: HeldRequest<RegistrationId>,
    ) -> Result<CallKey, Overload> {
        let size = held.size();
        self.check_held(registration, size)?;
        self.held = (self.held.0 + 1, self.held.1 + size);
        Ok(self.operations.hold(registration, call, held))
    }

    /// Whether there is room for a call to a client that takes so many bytes while it is held.
    fn check_held(&self, registration: RegistrationId, size: usize) -> Result<(), Overload> {
        let QueueMode {
            operations,
            bytes,
            bytes_per_client,
            ..
        } = self.queue_mode;
        let others = self.operations.of(registration);
        let others: usize = others
            .filter_map(PlacedCall::held)
            .map(HeldRequest::size)
            .sum();
        if self.held.0 >= operations {
            return Err(Overload::Held(operations));
        }
        for (held, bound) in [(others, bytes_per_client), (self.held.1, bytes)] {
            if held.saturating_add(size) > bound {
                return Err(Overload::HeldBytes(bound));
            }
        }
        Ok(())
    }

    /// The operations that are held for a client, in the order in which they were made.
    pub(super) fn held_for(
        &self,
        registration: RegistrationId,
    ) -> impl Iterator<Item = (CallKey, &PendingCall, &HeldRequest<RegistrationId>)> {
        let entries = self.operations.entries_of(registration);
        entries.filter_map(|(key, placed)| Some((key, &placed.call, placed.held()?)))
    }

    /// The operation that is to be sent next to a client: the first that is held for it, unless that is
    /// under way already.
    pub(super) fn next_for(&self, registration: RegistrationId) -> Option<CallKey> {
        let (key, _, first) = self.held_for(registration).next()?;
        first.request.is_none().then_some(key)
    }

    /// An operation, and what is held of it.
    pub(super) fn held(&self, key: CallKey) -> Option<(PendingCall, &HeldRequest<RegistrationId>)> {
        let placed = self.operations.get(key)?;
        Some((placed.call, placed.held()?))
    }

    /// The endpoint has this operation, with this request. What it cancels is kept in case that it is put
    /// back.
    pub(super) fn held_sent(&mut self, key: CallKey, request: RequestId, saved: Option<Cancelled>) {
        self.operations.held_sent(key, request);
        self.set_cancelled(key, saved);
    }

    /// The endpoint no longer has this operation: it waits again. `has_left` tells whether the client may
    /// have received it. Returns what it was to cancel.
    pub(super) fn put_back(&mut self, key: CallKey, has_left: bool) -> Option<Cancelled> {
        self.operations.put_back(key, has_left)?.cancels.take()
    }

    /// Sets what an operation cancels.
    pub(super) fn set_cancelled(&mut self, key: CallKey, cancels: Option<Cancelled>) {
        if let Some(held) = self.operations.held_mut(key) {
            held.cancels = cancels;
        }
    }

    /// The operation of this request, if it is held.
    pub(super) fn held_by_request(&self, request: RequestId) -> Option<CallKey> {
        let (key, placed) = self.operations.by_request(request)?;
        placed.held().map(|_| key)
    }

    /// The requests of the operations of a client that are under way.
    pub(super) fn requests_to(
        &self,
        registration: RegistrationId,
    ) -> impl Iterator<Item = RequestId> {
        self.operations.of(registration).filter_map(Entry::request)
    }

    /// The registration whose operation has this request.
    pub(super) fn operation_of(&self, request: RequestId) -> Option<RegistrationId> {
        let (key, _) = self.operations.by_request(request)?;
        Some(key.client)
    }

    /// Gives an operation that waits to the registration that replaces its own.
    pub(super) fn hand_over(&mut self, key: CallKey, to: RegistrationId) -> Option<CallKey> {
        self.operations.hand_over(key, to)
    }

    /// The operation with this handle, if its registration, or the one in its place, has it.
    pub(super) fn find(
        &self,
        OperationId(key): OperationId,
        now_there: Option<RegistrationId>,
    ) -> Option<CallKey> {
        let there = now_there.map(|client| Key { client, ..key });
        let mut keys = [Some(key), there].into_iter().flatten();
        keys.find(|place| self.handle(*place) == Some(OperationId(key)))
    }

    /// Whether an operation waits for a client for which it wasn't woken by SMS.
    pub(super) fn waits_untriggered(&self, registration: RegistrationId) -> bool {
        let mut held = self.held_for(registration);
        held.any(|(_, _, held)| held.request.is_none() && !held.is_triggered)
    }

    /// A client was woken by SMS for all that waits for it.
    pub(super) fn note_triggered(&mut self, registration: RegistrationId) {
        for held in self.operations.all_held(registration) {
            held.is_triggered = true;
        }
    }

    /// Whether an operation is held and not under way.
    pub(super) fn is_waiting(&self, OperationId(key): OperationId) -> bool {
        let held = self.held(key);
        held.is_some_and(|(_, held)| held.request.is_none())
    }

    /// The handle of this operation.
    pub(super) fn handle(&self, key: CallKey) -> Option<OperationId> {
        Some(handle(key, self.operations.get(key)?))
    }

    /// The first operation of all.
    pub(super) fn first(&self) -> Option<CallKey> {
        self.operations.first()
    }
}

/// The handle that an operation was given out with.
fn handle(key: CallKey, placed: &PlacedCall<RegistrationId>) -> OperationId {
    let client = placed.held().map_or(key.client, |held| held.called_for);
    OperationId(Key { client, ..key })
}

/// The request of the observation that a held call is to cancel.
fn observed(held: &HeldRequest<RegistrationId>) -> Option<RequestId> {
    match held.cancels {
        Some(Cancelled::Observed(request)) => Some(request),
        Some(Cancelled::Saved(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::{Instant, Method};

    use super::*;
    use crate::{
        coap::{Config, Endpoint, MessageBuf},
        machine::Channel,
    };

    const CLIENT: RegistrationId = RegistrationId {
        index: 3,
        serial: 5,
    };

    fn calls(operations: usize, observations: usize) -> Calls {
        let bounds = ServerBounds {
            operations,
            observations,
            ..ServerBounds::default()
        };
        Calls::new(&bounds, QueueMode::default(), &mut Random::new([1; 32]))
    }

    fn queue(calls: &mut Calls, call: &Call<'_>) -> OperationId {
        let request = QueuedRequest {
            message: MessageBuf::request(Method::Get),
            cancels: None,
        };
        calls.queue(CLIENT, call.pending(), request)
    }

    fn battery() -> Path {
        Path::of(&[3, 0, 9]).unwrap()
    }

    #[test]
    fn queued_and_sent_calls_take_room_alike_and_an_observe_that_of_an_observation() {
        let mut endpoint = Endpoint::new(Config::new([1; 32]));
        let mut request = || endpoint.ping(Instant::ZERO, "peer", Channel::Udp).unwrap();
        let mut calls = calls(3, 2);
        let (read, observe) = (Call::Read(battery(), None), Call::Observe(battery(), None));
        let (sent, begun) = (request(), request());
        let first = queue(&mut calls, &read);
        assert_eq!(calls.send(first, |_| Ok::<_, ()>(sent)), Ok(()));
        let second = queue(&mut calls, &observe);
        calls.observe(
            CLIENT,
            Observation {
                request: begun,
                path: battery(),
                accept: None,
                is_over: false,
            },
        );
        let full = Err(Overload::Observations(2));
        assert_eq!(calls.check_room(CLIENT, &observe, None), full);
        assert_eq!(calls.check_room(CLIENT, &read, None), Ok(()));
        let third = queue(&mut calls, &read);
        let full = Err(Overload::Operations(3));
        assert_eq!(calls.check_room(CLIENT, &read, None), full);

        // They end in the order in which they were made; only what was sent has a request.
        let mut next = || {
            let ended = calls.take_operation_of(CLIENT)?;
            Some((ended.operation, ended.request))
        };
        assert_eq!(next(), Some((first, Some(sent))));
        assert_eq!(next(), Some((second, None)));
        assert_eq!(next(), Some((third, None)));
        assert_eq!(calls.take_operation(sent), None);
        assert_eq!((calls.operations(), calls.observations()), (0, 1));
        assert_eq!(calls.check_room(CLIENT, &observe, None), Ok(()));
    }

    #[test]
    fn errors_of_the_endpoint_are_misuse_or_overload() {
        let (invalid, full) = (coap::InvalidSend::TooLarge, coap::Overload::Messages);
        for (error, expected) in [
            (
                SendError::Invalid(invalid),
                CallError::Invalid(InvalidCall::Send(invalid)),
            ),
            (
                SendError::Overload(full),
                CallError::Overload(Overload::Endpoint(full)),
            ),
            (SendError::NoObservation, CallError::UnknownObservation),
        ] {
            assert_eq!(CallError::from(error), expected);
        }
    }
}
