//! Operations that wait for their answer, and observations.

use lwm2m_core::{ContentFormat, Operation, Path};
use thiserror::Error;

use super::{
    config::ServerBounds,
    id::{ObservationId, OperationId, RegistrationId},
};
use crate::{
    coap::{self, RequestId, SendError},
    downlink::{Call, Entry, InvalidCall, Ledger, PendingCall, PlacedCall, QueuedRequest},
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
    /// The client's peer is [gone](crate::Server::peer_gone), and the client wasn't heard from another
    /// one since. The same call may succeed once it is.
    #[error("the peer of the client is gone")]
    PeerGone,
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
}

impl Entry for Observation {
    fn request(&self) -> Option<RequestId> {
        Some(self.request)
    }
}

/// The operations that wait for their answer, and the observations.
#[derive(Debug)]
pub(super) struct Calls {
    operations: Ledger<RegistrationId, PlacedCall>,
    observations: Ledger<RegistrationId, Observation>,
    most_operations: usize,
    most_observations: usize,
}

impl Calls {
    pub(super) fn new(bounds: &ServerBounds, random: &mut Random) -> Self {
        Self {
            operations: Ledger::new(HandleState::new(random)),
            observations: Ledger::new(HandleState::new(random)),
            most_operations: bounds.operations,
            most_observations: bounds.observations,
        }
    }

    /// Whether there is room for this call to a client. An Observe counts as an observation from the
    /// start.
    pub(super) fn check_room(
        &self,
        registration: RegistrationId,
        call: &Call<'_>,
    ) -> Result<(), Overload> {
        let operations = self.operations.of(registration);
        let (mut count, mut observes) = (0, 0);
        for operation in operations {
            count += 1;
            observes += usize::from(operation.call.operation == Operation::Observe);
        }
        if count >= self.most_operations {
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
    pub(super) fn take_operation(
        &mut self,
        request: RequestId,
    ) -> Option<(OperationId, PendingCall)> {
        let (key, placed) = self.operations.take_by_request(request)?;
        Some((OperationId(key), placed.call))
    }

    /// Takes the first operation of a registration, with its request if it was sent.
    pub(super) fn take_operation_of(
        &mut self,
        registration: RegistrationId,
    ) -> Option<(OperationId, Option<RequestId>)> {
        let (key, placed) = self.operations.take_of(registration)?;
        Some((OperationId(key), placed.request()))
    }

    /// A client accepted an Observe.
    pub(super) fn observe(
        &mut self,
        registration: RegistrationId,
        observation: Observation,
    ) -> ObservationId {
        ObservationId(self.observations.insert(registration, observation))
    }

    pub(super) fn observation(&self, id: ObservationId) -> Option<&Observation> {
        self.observations.get(id.0)
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
        let operation = self
            .operations
            .by_request(request)
            .map(|(key, _)| key.client);
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

    /// The number of observations.
    pub(super) fn observations(&self) -> usize {
        self.observations.len()
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
        Calls::new(&bounds, &mut Random::new([1; 32]))
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
            },
        );
        let full = Err(Overload::Observations(2));
        assert_eq!(calls.check_room(CLIENT, &observe), full);
        assert_eq!(calls.check_room(CLIENT, &read), Ok(()));
        let third = queue(&mut calls, &read);
        let full = Err(Overload::Operations(3));
        assert_eq!(calls.check_room(CLIENT, &read), full);

        // They end in the order in which they were made; only what was sent has a request.
        assert_eq!(calls.take_operation_of(CLIENT), Some((first, Some(sent))));
        assert_eq!(calls.take_operation_of(CLIENT), Some((second, None)));
        assert_eq!(calls.take_operation_of(CLIENT), Some((third, None)));
        assert_eq!(calls.take_operation(sent), None);
        assert_eq!((calls.operations(), calls.observations()), (0, 1));
        assert_eq!(calls.check_room(CLIENT, &observe), Ok(()));
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
