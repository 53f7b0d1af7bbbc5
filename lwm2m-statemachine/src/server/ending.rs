//! How operations and observations end, and how the application is told.

use lwm2m_core::Instant;

use super::{
    calls::Ended,
    event::{EndReason, Outcome, ServerEvent},
    id::{ObservationId, RegistrationId},
    parts::Server,
};
use crate::{coap::RequestId, machine::Peer};

impl<P: Peer> Server<P> {
    /// Ends what belongs to registrations that have expired or were evicted, and tells the
    /// application.
    pub(super) fn tell_departures(&mut self, now: Instant) {
        for departure in self.registrar.take_departures() {
            let (registration, was) = (departure.registration, departure.was);
            self.end_all_of(now, registration);
            self.records().note_gone(registration, &was);
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

    /// Ends the registration that this request was sent to, if its time is over.
    pub(super) fn expire_client_of(&mut self, now: Instant, request: RequestId) {
        let registration = self.calls.registration_of(request);
        if registration.is_some_and(|id| self.registrar.expire_if_due(now, id)) {
            self.tell_departures(now);
        }
    }

    /// Ends the operations and observations of a registration that has ended.
    pub(super) fn end_all_of(&mut self, now: Instant, registration: RegistrationId) {
        while let Some(ended) = self.calls.take_operation_of(registration) {
            self.give_up(now, ended, Outcome::ClientGone);
        }
        while let Some((observation, taken)) = self.calls.take_observation_of(registration) {
            self.endpoint.cancel(now, taken.request);
            if !taken.is_over {
                self.end_observation(observation, EndReason::RegistrationGone);
            }
        }
        self.queue.forget(registration);
        self.triggers.forget(registration);
    }

    /// Ends an operation without its answer, which isn't awaited any more.
    pub(super) fn give_up(&mut self, now: Instant, ended: Ended, outcome: Outcome) {
        if let Some(request) = ended.request {
            self.endpoint.cancel(now, request);
        }
        self.answered(now, ended, outcome);
    }

    /// Ends the operation of this request, which the endpoint no longer has.
    pub(super) fn end_operation(&mut self, now: Instant, request: RequestId, outcome: Outcome) {
        if let Some(ended) = self.calls.take_operation(request) {
            self.answered(now, ended, outcome);
        }
    }

    /// Tells how an operation has ended. If it was to cancel an observation, and that wasn't sent, the
    /// client's next notification is answered with a Reset instead (TS 8.2.6).
    pub(super) fn answered(&mut self, now: Instant, ended: Ended, outcome: Outcome) {
        self.queue.set_deadline(ended.key, None);
        self.triggers
            .ended(ended.key.client, ended.operation, &outcome);
        if let Some(observed) = ended.cancels
            && let Some((observation, _)) = self.calls.observation_by_request(observed)
        {
            self.calls.take_observation(observation);
            self.endpoint.cancel(now, observed);
        }
        self.events.push_back(ServerEvent::Answered {
            registration: ended.key.client,
            operation: ended.operation,
            outcome,
        });
        self.records().note(ended.key.client);
    }

    pub(super) fn end_observation(&mut self, observation: ObservationId, reason: EndReason) {
        self.events.push_back(ServerEvent::ObservationEnded {
            registration: observation.registration(),
            observation,
            reason,
        });
        self.records().note(observation.registration());
    }
}
