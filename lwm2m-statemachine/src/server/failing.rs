//! What the server does when the endpoint tells that an exchange has failed.

use lwm2m_core::Instant;

use super::{
    event::{EndReason, ServerEvent},
    parts::Server,
};
use crate::{
    coap::{Event, FailureReason, RequestId},
    downlink::AnswerError,
    machine::Peer,
};

impl<P: Peer> Server<P> {
    /// Handles the events of the endpoint.
    pub(super) fn handle_endpoint_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::RequestFailed {
                    request,
                    peer,
                    reason,
                } => {
                    self.sleepers(now).operation_failed(request, &peer, reason);
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
        if let Some((observation, observed)) = self.calls.observation_by_request(request) {
            let is_over = observed.is_over;
            self.calls.take_observation(observation);
            if !is_over {
                self.end_observation(observation, EndReason::Lost(reason));
            }
        }
    }

    /// The blocks of a notification couldn't be fetched; other notifications will follow.
    fn lose_notification(&mut self, request: RequestId, reason: FailureReason) {
        if let Some((observation, observed)) = self.calls.observation_by_request(request)
            && !observed.is_over
        {
            self.events.push_back(ServerEvent::Notification {
                registration: observation.registration(),
                observation,
                content: Err(AnswerError::Lost(reason)),
            });
        }
    }
}
