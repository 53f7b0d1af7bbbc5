//! How operations and observations end, and how the application is told.

use lwm2m_core::Instant;

use super::{
    event::{EndReason, Outcome, ServerEvent},
    id::{ObservationId, OperationId, RegistrationId},
    parts::Server,
};
use crate::{
    coap::{Event, FailureReason, RequestId},
    downlink::AnswerError,
    machine::Peer,
};

impl<P: Peer> Server<P> {
    /// Ends what belongs to registrations that have expired or were evicted, and tells the
    /// application.
    pub(super) fn tell_departures(&mut self, now: Instant) {
        for departure in self.registrar.take_departures() {
            let (registration, was) = (departure.registration, departure.was);
            self.end_all_of(now, registration);
            self.events.push_back(match departure.evicted {
                None => ServerEvent::Expired { registration, was },
                Some(reason) => ServerEvent::Evicted {
                    registration,
                    was,
                    reason,
                },
            });
        }
    }

    /// Handles the events of the endpoint.
    pub(super) fn handle_endpoint_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::RequestFailed {
                    request, reason, ..
                } => {
                    self.end_operation(request, reason.into());
                    self.lose_observation(request, reason);
                }
                Event::NotificationLost {
                    request,
                    reason,
                    observing: true,
                    ..
                } => self.lose_notification(request, reason),
                Event::NotificationLost {
                    request, reason, ..
                } => self.lose_observation(request, reason),
                // A server sends no notifications, and if an answer is lost, the client asks again.
                _ => {}
            }
        }
    }

    fn lose_observation(&mut self, request: RequestId, reason: FailureReason) {
        if let Some((observation, _)) = self.calls.observation_by_request(request) {
            self.calls.take_observation(observation);
            self.end_observation(observation, EndReason::Lost(reason));
        }
    }

    /// The blocks of a notification couldn't be fetched; other notifications will follow.
    fn lose_notification(&mut self, request: RequestId, reason: FailureReason) {
        if let Some((observation, _)) = self.calls.observation_by_request(request) {
            self.events.push_back(ServerEvent::Notification {
                registration: observation.registration(),
                observation,
                content: Err(AnswerError::Lost(reason)),
            });
        }
    }

    /// Ends the registration that this request was sent to, if its time is over.
    pub(super) fn expire_client_of(&mut self, now: Instant, request: RequestId) {
        let registration = self.calls.registration_of(request);
        if registration.is_some_and(|id| self.registrar.expire_if_due(now, id)) {
            self.tell_departures(now);
        }
    }

    /// Ends the operations and observations of a registration that has ended.
    pub(super) fn end_all_of(&mut self, now: Instant, registration: RegistrationId) {
        self.end_operations(now, registration, &Outcome::ClientGone);
        while let Some((observation, taken)) = self.calls.take_observation_of(registration) {
            self.endpoint.cancel(now, taken.request);
            self.end_observation(observation, EndReason::RegistrationGone);
        }
    }

    /// Ends the operations of a registration with this outcome.
    pub(super) fn end_operations(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        outcome: &Outcome,
    ) {
        while let Some((operation, request)) = self.calls.take_operation_of(registration) {
            if let Some(request) = request {
                self.endpoint.cancel(now, request);
            }
            self.answered(operation, outcome.clone());
        }
    }

    pub(super) fn end_operation(&mut self, request: RequestId, outcome: Outcome) {
        if let Some((operation, _)) = self.calls.take_operation(request) {
            self.answered(operation, outcome);
        }
    }

    pub(super) fn answered(&mut self, operation: OperationId, outcome: Outcome) {
        self.events.push_back(ServerEvent::Answered {
            registration: operation.registration(),
            operation,
            outcome,
        });
    }

    pub(super) fn end_observation(&mut self, observation: ObservationId, reason: EndReason) {
        self.events.push_back(ServerEvent::ObservationEnded {
            registration: observation.registration(),
            observation,
            reason,
        });
    }
}
