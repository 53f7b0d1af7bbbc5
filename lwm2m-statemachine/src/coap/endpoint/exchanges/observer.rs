//! What the application keeps of one who observes (RFC 7641 §4.1), and which of the notifications
//! to him are confirmable (RFC 7641 §4.5).

use core::time::Duration;

use lwm2m_core::Instant;

use crate::coap::endpoint::{
    Endpoint, NotifyOptions,
    body::{Resource, Source},
    event::{NotificationId, Responder, SendError},
};
use crate::{
    coap::{message_buf::MessageBuf, token::Token},
    machine::Peer,
};

/// An entry of the list of observers, which the application keeps beside the name of the peer
/// (RFC 7641 §4.1); see [`Endpoint::observer`].
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
    /// [`Event::NotificationFailed`](super::Event::NotificationFailed) tells with
    /// [`Aborted`](super::FailureReason::Aborted) or [`NotSent`](super::FailureReason::NotSent): if
    /// it was to be the confirmable one, the next one is.
    pub fn was_not_sent(&mut self, notification: NotificationId) {
        // One that took its place before it was sent was confirmable in its stead.
        if let Some((_, before)) = self.last.take_if(|(last, _)| notification >= *last) {
            self.confirmed = before;
        }
    }

    /// How the notification at `now` is sent.
    fn options(&self, now: Instant, options: NotifyOptions) -> NotifyOptions {
        let unconfirmed = now.saturating_duration_since(self.confirmed);
        NotifyOptions {
            confirmable: options.confirmable || unconfirmed >= Self::CONFIRM_AFTER,
            resource: Some(self.resource),
            ..options
        }
    }

    /// A notification was sent at `now`, like this.
    const fn note(&mut self, now: Instant, notification: NotificationId, options: NotifyOptions) {
        if options.confirmable {
            self.last = Some((notification, self.confirmed));
            self.confirmed = now;
        }
    }
}

impl<P: Peer> Endpoint<P> {
    /// Who observes from `now` on: by a request with Observe: 0, before it is answered with
    /// success and an Observe option.
    pub const fn observer(&self, now: Instant, responder: &Responder) -> Observer {
        Observer {
            token: responder.token(),
            resource: responder.resource(),
            since: self.next_notification(),
            confirmed: now,
            last: None,
        }
    }

    /// Sends a notification like [`notify`](Self::notify) to one of the list of observers. It is
    /// confirmable if `options` say so, or if none was for [24 hours](Observer::CONFIRM_AFTER):
    /// so a client that went away does not stay in the list for ever (RFC 7641 §4.5). What is
    /// observed is known, whatever `options` say of it.
    pub fn notify_observer(
        &mut self,
        now: Instant,
        to: P,
        observer: &mut Observer,
        message: MessageBuf,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        let options = observer.options(now, options);
        let sent = self.notify(now, to, observer.token, message, options)?;
        observer.note(now, sent, options);
        Ok(sent)
    }

    /// Sends a notification like [`notify_observer`](Self::notify_observer); its body comes from a
    /// source, as with [`notify_from`](Self::notify_from). If it does not come, tell the observer:
    /// [`Observer::was_not_sent`].
    pub fn notify_observer_from(
        &mut self,
        now: Instant,
        to: P,
        observer: &mut Observer,
        message: MessageBuf,
        source: Source,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        let options = observer.options(now, options);
        let sent = self.notify_from(now, to, observer.token, message, source, options)?;
        observer.note(now, sent, options);
        Ok(sent)
    }
}
