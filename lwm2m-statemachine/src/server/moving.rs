//! Clients that are reached at another peer from now on.
//!
//! A new secure session is a new peer, and so is another address. If it proves the identity of a client
//! (TS 7.1.5), the registration follows: by an Update, or, once its peer is gone, by a notification.
//! The client remembers observations until it registers anew (TS 5.5.1), so they follow, too.

use alloc::vec::Vec;

use lwm2m_core::Instant;

use super::{
    event::{EndReason, ServerEvent},
    id::RegistrationId,
    parts::Server,
    registrar::{Changes, Registration},
};
use crate::{
    coap::{RequestId, RestoreError},
    downlink::Origin,
    machine::Peer,
};

/// What the driver of secure sessions asks and tells, when a client [has left](ServerEvent::PeerLeft) one.
impl<P: Peer> Server<P> {
    /// Whether a client with a proven identity is reached at this peer, other than that of this
    /// registration.
    pub fn is_reached_by_others(&self, peer: &P, registration: RegistrationId) -> bool {
        self.registrar.is_reached_by_others(peer, registration)
    }

    /// To be called when a client isn't where its registration says, while the peer there goes on: it
    /// was led back to a session in which others are reached.
    ///
    /// It is for this client as if [its peer were gone](Self::peer_gone): its requests under way end with
    /// [`Outcome::PeerGone`](super::Outcome::PeerGone), and calls fail with
    /// [`CallError::PeerGone`](super::CallError::PeerGone) until its next Update or notification. For a client
    /// in Queue Mode, calls wait until then, and so does what was under way and may be repeated. Nothing
    /// happens to a client without a proven identity.
    pub fn client_gone(&mut self, now: Instant, registration: RegistrationId) {
        if self.registrar.client_gone(registration) {
            self.records().note(registration);
            let mut sleepers = self.sleepers(now);
            sleepers.leave_peer(registration);
            sleepers.go_on(registration);
        }
    }
}

impl<P: Peer> Server<P> {
    /// A client is reached at another peer from now on, or over another channel. What waits for an
    /// answer from the old peer ends: none will come from there. Over another channel one may: an
    /// Update trigger by SMS is answered by SMS, while the Update comes over UDP (TS 8.4).
    pub(super) fn follow(&mut self, now: Instant, registration: RegistrationId, changes: Changes) {
        if changes.peer && !changes.channel {
            self.sleepers(now).leave_peer(registration);
        }
        if changes.peer || changes.channel {
            self.move_observations(now, registration);
        }
    }

    /// The peer that a client has left with the registration that replaces this one.
    pub(super) fn left_by(&self, was: &Registration<P>, by: RegistrationId) -> Option<P> {
        let now = self.registrar.get(by)?;
        was.left_for(now.peer(), now.channel())
    }

    /// Tells the application that the client of this registration has left a peer.
    pub(super) fn tell_left(&mut self, registration: RegistrationId, peer: Option<P>) {
        if let Some(peer) = peer {
            self.events
                .push_back(ServerEvent::PeerLeft { registration, peer });
        }
    }

    /// A notification came from there. If the peer of its client was gone, the client is reached there
    /// from now on. A client in Queue Mode is awake (TS 8.3).
    pub(super) fn heard(&mut self, now: Instant, origin: &Origin<'_, P>, request: RequestId) {
        let Some(registration) = self.calls.registration_of(request) else {
            return;
        };
        if self.registrar.heard(origin, registration) {
            self.move_observations(now, registration);
            self.records().note(registration);
            self.events
                .push_back(ServerEvent::Reachable { registration });
        }
        self.sleepers(now).heard_from(registration);
    }

    /// Expects the notifications of a client where it is reached now.
    fn move_observations(&mut self, now: Instant, registration: RegistrationId) {
        let Some(client) = self.registrar.get(registration) else {
            return;
        };
        let (peer, channel) = (client.peer().clone(), client.channel());
        let requests: Vec<RequestId> = self.calls.observed_by(registration).collect();
        for request in requests {
            let moved = self
                .endpoint
                .move_observation(now, request, peer.clone(), channel);
            match moved {
                // If it is over, there is an event of the endpoint, or its last notification is about to
                // be handled.
                Ok(()) | Err(RestoreError::NotAnObservation) => {}
                Err(RestoreError::TokenInUse | RestoreError::Overload(_)) => {
                    self.lose_place(now, request);
                }
            }
        }
    }

    /// There is no room for an observation at the new peer of its client.
    fn lose_place(&mut self, now: Instant, request: RequestId) {
        if let Some((observation, observed)) = self.calls.observation_by_request(request) {
            let is_over = observed.is_over;
            self.calls.take_observation(observation);
            self.endpoint.cancel(now, request);
            if !is_over {
                self.end_observation(observation, EndReason::PeerChanged);
            }
        }
    }
}
