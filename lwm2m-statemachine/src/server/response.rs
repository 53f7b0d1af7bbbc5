//! Answers and notifications of clients, on their way to the application.

use lwm2m_core::{Code, ContentFormat, Instant, Operation, Path};

use super::{
    Server,
    definitions::ClientDefinitions,
    event::{EndReason, ObservationId, OperationId, Outcome, ServerEvent},
    registration::RegistrationId,
};
use crate::{
    coap::{Event, FailureReason, Incoming, MessageRef, RequestId},
    downlink::{self, AnswerError, Key, Pending},
    machine::Peer,
};

/// What is remembered of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) path: Path,
    /// The format that was asked for: a cancellation asks for the same.
    pub(super) accept: Option<ContentFormat>,
}

impl<P: Peer> Server<P> {
    /// Takes anything but a request.
    pub(super) fn handle_incoming(&mut self, now: Instant, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Response {
                request,
                response,
                body,
                observing,
            } => self.handle_response(now, request, &response, &body, observing),
            Incoming::Notification {
                request,
                response,
                body,
                observing,
            } => self.handle_notification(request, &response, &body, observing),
            Incoming::RequestReset { request } => self.end_operation(request, Outcome::Reset),
            // A server notifies nobody.
            _ => {}
        }
    }

    /// What the endpoint has to say of its own accord.
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
                // A server sends no notifications, and what became of its answers is for the
                // client to find out.
                _ => {}
            }
        }
    }

    fn lose_observation(&mut self, request: RequestId, reason: FailureReason) {
        if let Some((key, _)) = self.observations.take_by_request(request) {
            self.end_observation(ObservationId(key), EndReason::Lost(reason));
        }
    }

    /// The blocks of a notification did not come; others will follow.
    fn lose_notification(&mut self, request: RequestId, reason: FailureReason) {
        if let Some((key, _)) = self.observations.by_request(request) {
            self.events.push_back(ServerEvent::Notification {
                registration: key.client,
                observation: ObservationId(key),
                content: Err(AnswerError::Lost(reason)),
            });
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        request: RequestId,
        response: &MessageRef<'_>,
        body: &[u8],
        observing: bool,
    ) {
        let Some((key, pending)) = self.take_operation(request) else {
            // Nobody waits for it, so nobody listens to what would follow.
            if observing {
                self.endpoint.cancel(now, request);
            }
            return;
        };
        self.confirm(key.client);
        let outcome = if observing {
            self.begin_observation(now, key, pending, request, response, body)
        } else {
            self.outcome(key, pending, response, body)
        };
        self.answered(key, outcome);
    }

    fn outcome(
        &self,
        key: Key<RegistrationId>,
        pending: Pending,
        response: &MessageRef<'_>,
        body: &[u8],
    ) -> Outcome {
        let Some(client) = self.registrations.get(key.client) else {
            return Outcome::RegistrationGone;
        };
        let definitions = ClientDefinitions::new(&self.settings.registry, client);
        let limit = self.settings.bounds.answer;
        pending.outcome(response, body, client.alternate_path(), &definitions, limit)
    }

    /// The client took up an Observe.
    fn begin_observation(
        &mut self,
        now: Instant,
        key: Key<RegistrationId>,
        pending: Pending,
        request: RequestId,
        response: &MessageRef<'_>,
        body: &[u8],
    ) -> Outcome {
        let content = match self.outcome(key, pending, response, body) {
            Outcome::Content(content) if pending.operation == Operation::Observe => Ok(content),
            Outcome::Undecodable(error) if pending.operation == Operation::Observe => Err(error),
            // Whatever the client believes to have taken up, it was not asked for.
            outcome => {
                self.endpoint.cancel(now, request);
                return outcome;
            }
        };
        let observed = Observed {
            path: pending.path,
            accept: pending.accept,
        };
        let key = self.observations.insert(key.client, request, observed);
        Outcome::Observing {
            observation: ObservationId(key),
            content,
        }
    }

    /// TS 5.5.2. What is late or repeated does not come here: the endpoint knows the order.
    fn handle_notification(
        &mut self,
        request: RequestId,
        response: &MessageRef<'_>,
        body: &[u8],
        observing: bool,
    ) {
        let Some((key, observed)) = self.observations.by_request(request) else {
            return;
        };
        let observation = ObservationId(key);
        let code = response.code();
        if code == Code::CONTENT
            && let Some(client) = self.registrations.get(key.client)
        {
            let definitions = ClientDefinitions::new(&self.settings.registry, client);
            let limit = self.settings.bounds.answer;
            let content = downlink::content(response, body, observed.path, &definitions, limit);
            self.events.push_back(ServerEvent::Notification {
                registration: key.client,
                observation,
                content,
            });
        }
        if !observing {
            self.observations.take(key);
            let reason = if code.is_success() {
                EndReason::Completed
            } else {
                EndReason::Refused(code)
            };
            self.end_observation(observation, reason);
        }
    }

    fn end_operation(&mut self, request: RequestId, outcome: Outcome) {
        if let Some((key, _)) = self.take_operation(request) {
            self.answered(key, outcome);
        }
    }

    fn answered(&mut self, key: Key<RegistrationId>, outcome: Outcome) {
        self.events.push_back(ServerEvent::Answered {
            registration: key.client,
            operation: OperationId(key),
            outcome,
        });
    }
}
