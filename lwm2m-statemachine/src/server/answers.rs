//! What the server does with the answers and notifications of clients.

use lwm2m_core::{Code, Instant, Operation};

use super::{
    calls::Observation,
    definitions::ClientDefinitions,
    event::{EndReason, Outcome, ServerEvent},
    id::RegistrationId,
    parts::Server,
};
use crate::{
    coap::{Incoming, MessageRef, RequestId},
    downlink::{self, Origin, PendingCall},
    machine::Peer,
};

impl<P: Peer> Server<P> {
    /// Handles anything but a request. If the lifetime of its client is over, nothing is awaited from it
    /// any more.
    pub(super) fn handle_incoming(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        incoming: Incoming<'_>,
    ) {
        if let Incoming::Response { request, .. }
        | Incoming::Notification { request, .. }
        | Incoming::RequestReset { request } = incoming
        {
            self.expire_client_of(now, request);
        }
        match incoming {
            Incoming::Response {
                request,
                response,
                body,
                observing,
            } => self.handle_response(now, origin, request, (&response, &body), observing),
            Incoming::Notification {
                request,
                response,
                body,
                observing,
            } => {
                self.heard(now, origin, request);
                self.handle_notification(request, &response, &body, observing);
            }
            Incoming::RequestReset { request } => {
                let registration = self.calls.operation_of(request);
                self.end_operation(now, request, Outcome::Reset);
                if let Some(registration) = registration
                    && self.registrar.is_reached_at(origin, registration)
                {
                    self.sleepers(now).heard_from(registration);
                }
            }
            // A server sends no notifications.
            _ => {}
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: RequestId,
        (response, body): (&MessageRef<'_>, &[u8]),
        observing: bool,
    ) {
        let Some(ended) = self.calls.take_operation(request) else {
            // The operation has ended, so nobody waits for notifications.
            if observing {
                self.endpoint.cancel(now, request);
            }
            return;
        };
        let (registration, call) = (ended.key.client, ended.call);
        // An answer over SMS shows neither that the address of the Register is true, nor that the client
        // listens there.
        let is_there = self.registrar.is_reached_at(origin, registration);
        if is_there {
            self.registrar.confirm(registration);
        }
        let outcome = match self.registrar.get(registration) {
            None => Outcome::ClientGone,
            Some(client) => {
                let definitions = ClientDefinitions::new(&self.registry, client);
                let types = definitions.types_for(&call.path);
                let (root, limit) = (client.alternate_path(), self.largest_answer);
                call.outcome(response, body, root, &types, limit)
            }
        };
        let outcome = if observing {
            self.begin_observation(now, registration, call, request, outcome)
        } else {
            outcome
        };
        self.answered(now, ended, outcome);
        if is_there {
            self.sleepers(now).heard_from(registration);
        }
    }

    /// The client will send notifications. `outcome` is what its answer means apart from that.
    fn begin_observation(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        call: PendingCall,
        request: RequestId,
        outcome: Outcome,
    ) -> Outcome {
        let content = match outcome {
            Outcome::Content(content) if call.operation == Operation::Observe => Ok(content),
            Outcome::Undecodable(error) if call.operation == Operation::Observe => Err(error),
            // It wasn't asked to observe, or refused.
            outcome => {
                self.endpoint.cancel(now, request);
                return outcome;
            }
        };
        let observation = Observation {
            request,
            path: call.path,
            accept: call.accept,
            is_over: false,
        };
        Outcome::Observing {
            observation: self.calls.observe(registration, observation),
            content,
        }
    }

    /// A notification (TS 5.5.2). The endpoint passes late and repeated ones over.
    fn handle_notification(
        &mut self,
        request: RequestId,
        response: &MessageRef<'_>,
        body: &[u8],
        observing: bool,
    ) {
        let Some((observation, observed)) = self.calls.observation_by_request(request) else {
            return;
        };
        let registration = observation.registration();
        let (code, is_over) = (response.code(), observed.is_over);
        if code == Code::CONTENT
            && !is_over
            && let Some(client) = self.registrar.get(registration)
        {
            let definitions = ClientDefinitions::new(&self.registry, client);
            let (path, limit) = (observed.path, self.largest_answer);
            let types = definitions.types_for(&path);
            let content = downlink::content(response, body, path, &types, limit);
            self.events.push_back(ServerEvent::Notification {
                registration,
                observation,
                content,
            });
        }
        if !observing {
            self.calls.take_observation(observation);
            if is_over {
                self.records().note(registration);
                return;
            }
            let reason = if code.is_success() {
                EndReason::Completed
            } else {
                EndReason::Refused(code)
            };
            self.end_observation(observation, reason);
        }
    }
}
