//! What the application keeps of one who observes (RFC 7641 §4.1), and which of the notifications
//! to it are confirmable (RFC 7641 §4.5).

use core::time::Duration;

use lwm2m_core::Instant;

use crate::coap::{
    endpoint::{
        body::Resource,
        event::{NotificationId, Responder},
        options::NotifyOptions,
    },
    token::Token,
};

/// An entry of the list of observers, which the application keeps beside the name of the peer
/// (RFC 7641 §4.1); see
/// [`Endpoint::observer`](crate::coap::Endpoint::observer).
///
/// The endpoint keeps nothing of it: an observation costs it no memory while nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observer {
    token: Token,
    resource: Resource,
    /// The first notification that may be one of this observation.
    since: NotificationId,
    /// When the last confirmable notification was sent, or the observation began.
    confirmed: Instant,
    /// Which notification that was, and what `confirmed` was before.
    last: Option<(NotificationId, Instant)>,
}

impl Observer {
    /// How long the notifications to one observer may all be non-confirmable: 24 hours
    /// (RFC 7641 §4.5).
    pub const CONFIRM_AFTER: Duration = Duration::from_secs(24 * 3600);

    /// Who observes from `now` on, by this request.
    pub(crate) const fn new(now: Instant, responder: &Responder, since: NotificationId) -> Self {
        Self {
            token: responder.token(),
            resource: responder.resource(),
            since,
            confirmed: now,
            last: None,
        }
    }

    /// The token of the request: with the peer, what tells observers apart.
    pub const fn token(&self) -> Token {
        self.token
    }

    /// What is observed.
    pub const fn resource(&self) -> Resource {
        self.resource
    }

    /// Whether a notification to this peer and with this token is one of this observation, and
    /// not of an earlier one that had the token.
    pub fn has_sent(&self, notification: NotificationId) -> bool {
        notification >= self.since
    }

    /// This notification was not sent after all, as
    /// [`Event::NotificationFailed`](crate::coap::Event::NotificationFailed) tells with
    /// [`Aborted`](crate::coap::FailureReason::Aborted) or [`NotSent`](crate::coap::FailureReason::NotSent): if
    /// it was to be the confirmable one, the next one is.
    pub fn was_not_sent(&mut self, notification: NotificationId) {
        // One that took its place before it was sent was confirmable in its stead.
        if let Some((_, before)) = self.last.take_if(|(last, _)| notification >= *last) {
            self.confirmed = before;
        }
    }

    /// How the notification at `now` is sent.
    pub(crate) fn options(&self, now: Instant, options: NotifyOptions) -> NotifyOptions {
        let unconfirmed = now.saturating_duration_since(self.confirmed);
        NotifyOptions {
            confirmable: options.confirmable || unconfirmed >= Self::CONFIRM_AFTER,
            resource: Some(self.resource),
            ..options
        }
    }

    /// A notification was sent at `now`, like this.
    pub(crate) const fn note(
        &mut self,
        now: Instant,
        notification: NotificationId,
        options: NotifyOptions,
    ) {
        if options.confirmable {
            self.last = Some((notification, self.confirmed));
            self.confirmed = now;
        }
    }
}
