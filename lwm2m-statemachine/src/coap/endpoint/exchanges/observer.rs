//! The application's entry of an observer (RFC 7641 §4.1), which decides which notifications are
//! confirmable (RFC 7641 §4.5).

use core::time::Duration;

use lwm2m_core::Instant;

use crate::{
    coap::{
        endpoint::{
            body::Resource,
            event::{NotificationId, Responder},
            options::NotifyOptions,
        },
        token::Token,
    },
    machine::Past,
};

/// An entry of the list of observers, which the application stores together with the peer (RFC 7641
/// §4.1); see [`Endpoint::observer`](crate::coap::Endpoint::observer).
///
/// The endpoint keeps no state for it: an observation takes no memory there while nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observer {
    token: Token,
    resource: Resource,
    /// The first notification that may belong to this observation.
    since: NotificationId,
    /// When the last confirmable notification was sent, or the observation began.
    confirmed: Past,
    /// The notification sent then, and the previous value of `confirmed`.
    last: Option<(NotificationId, Past)>,
}

impl Observer {
    /// How long the notifications to one observer may all be non-confirmable: 24 hours
    /// (RFC 7641 §4.5).
    pub const CONFIRM_AFTER: Duration = Duration::from_secs(24 * 3600);

    /// Creates an observer from `now` on for this request.
    pub(crate) fn new(now: Instant, responder: &Responder, since: NotificationId) -> Self {
        Self::since(now.into(), (responder.token(), responder.resource()), since)
    }

    /// Creates the entry of an observer that was confirmed then.
    pub(crate) const fn since(
        confirmed: Past,
        (token, resource): (Token, Resource),
        since: NotificationId,
    ) -> Self {
        Self {
            token,
            resource,
            since,
            confirmed,
            last: None,
        }
    }

    /// How long ago the last confirmable notification was sent, or the observation began.
    #[cfg(feature = "client")]
    pub(crate) fn unconfirmed(&self, now: Instant) -> Duration {
        self.confirmed.age(now)
    }

    /// The token of the request; together with the peer it identifies the observer.
    pub const fn token(&self) -> Token {
        self.token
    }

    /// The observed resource.
    pub const fn resource(&self) -> Resource {
        self.resource
    }

    /// Whether a notification to this peer with this token belongs to this observation, and not to
    /// an earlier one with the same token.
    pub fn has_sent(&self, notification: NotificationId) -> bool {
        notification >= self.since
    }

    /// The last notification to this observer that was confirmable; `None` if none was yet.
    pub fn last_confirmable(&self) -> Option<NotificationId> {
        self.last.map(|(notification, _)| notification)
    }

    /// To be called if a notification was not sent after all, which
    /// [`Event::NotificationFailed`](crate::coap::Event::NotificationFailed) reports with
    /// [`Aborted`](crate::coap::FailureReason::Aborted) or
    /// [`NotSent`](crate::coap::FailureReason::NotSent): if it was the confirmable one that was
    /// due, the next notification is confirmable instead.
    pub fn was_not_sent(&mut self, notification: NotificationId) {
        // If another one replaced it before it was sent, that one was confirmable instead.
        if let Some((_, before)) = self.last.take_if(|(last, _)| notification >= *last) {
            self.confirmed = before;
        }
    }

    /// The options for a notification at `now`.
    pub(crate) fn options(&self, now: Instant, options: NotifyOptions) -> NotifyOptions {
        let unconfirmed = self.confirmed.age(now);
        NotifyOptions {
            confirmable: options.confirmable || unconfirmed >= Self::CONFIRM_AFTER,
            resource: Some(self.resource),
            ..options
        }
    }

    /// Records that a notification was sent at `now` with these options.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        notification: NotificationId,
        options: NotifyOptions,
    ) {
        if options.confirmable {
            self.last = Some((notification, self.confirmed));
            self.confirmed = now.into();
        }
    }
}
