//! The calls that send notifications.

use lwm2m_core::{CodeKind, Instant};

use super::{
    blockwise::{ServingEnd, SuppliedNotification, may_be_split},
    body::{Resource, Source},
    context::RequestContext,
    event::{InvalidSend, NotificationId, Overload, Responder, SendError},
    exchanges::Observer,
    keys::{BodyKey, PeerIndex},
    machine::Endpoint,
    messages::Purpose,
    notice::Notice,
    options::NotifyOptions,
};
use crate::{
    coap::{message_buf::MessageBuf, option::OptionNumber, token::Token},
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
    /// Sends a notification: a response to the request with that token, which carried Observe: 0.
    /// The caller adds the Observe option with the sequence number to the message.
    ///
    /// A confirmable notification has one outcome:
    /// [`Incoming::Acknowledged`](super::Incoming::Acknowledged),
    /// [`Incoming::NotificationReset`](super::Incoming::NotificationReset) or
    /// [`Event::NotificationFailed`](super::Event::NotificationFailed). A non-confirmable
    /// notification may still be rejected. While a confirmable notification has no outcome yet, a
    /// newer one with the same token waits for it, or replaces it at the next retransmission, and
    /// is then confirmable too: the newest value wins (RFC 7641 §4.5.2).
    ///
    /// The caller decides whether a notification is confirmable; with an
    /// [`Observer`](super::Observer), [`notify_observer`](Self::notify_observer) decides. The
    /// caller must also limit the rate of non-confirmable notifications (RFC 7641 §4.5.1: on
    /// average at most one every 3 seconds to a client), because a delayed notification must carry
    /// the state at the time it is sent, which only the application knows. The endpoint limits
    /// outstanding confirmable notifications to NSTART.
    ///
    /// While a separate response with the token waits for other messages (NSTART), the call fails
    /// with [`Overload::Answer`]: the answer that begins an observation leaves before its
    /// notifications (RFC 7641 §4.4).
    pub fn notify(
        &mut self,
        now: Instant,
        to: P,
        token: Token,
        message: MessageBuf,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        if message.code().kind() != CodeKind::Response {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        let peer = self
            .layers
            .enter(now, to)
            .ok_or(SendError::Overload(Overload::Peers))?;
        let resource = options.resource.unwrap_or(Resource::NONE);
        let context = RequestContext::of_notification(token, resource, options.channel);
        let message = self.layers.blockwise.notify(now, peer, &context, message);
        let _ = self.layers.do_steps(now);
        let in_blocks = message.has(OptionNumber::BLOCK2);
        let notice = self.new_notice(peer, token, options);
        if let Err(error) = self.layers.send_notification(now, peer, notice, message) {
            if in_blocks {
                let body = BodyKey::new(peer, resource.key);
                self.layers.blockwise.notification_not_sent(body);
                let _ = self.layers.do_steps(now);
            }
            return Err(error);
        }
        self.end_awaited(now, peer, token, ServingEnd::Replaced);
        Ok(NotificationId(notice.id))
    }

    /// Sends a successful notification like [`notify`](Self::notify); its body comes from a source.
    /// [`Event::BlockWanted`](super::Event::BlockWanted) requests the first block immediately, and
    /// the notification is sent once that block is supplied. The client then requests the other
    /// blocks. They come from the same source if `options.resource` is set; otherwise the source is
    /// closed, and the client's requests are passed to the application.
    ///
    /// A newer notification with the same token replaces one that still waits for its first block.
    /// [`Event::NotificationFailed`](super::Event::NotificationFailed) reports a confirmable
    /// notification that cannot be supplied.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one body")]
    pub fn notify_from(
        &mut self,
        now: Instant,
        to: P,
        token: Token,
        message: MessageBuf,
        source: Source,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        if !may_be_split(message.code()) {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        let resource = options.resource.unwrap_or(Resource::NONE);
        let context = RequestContext::of_notification(token, resource, options.channel);
        let block = self
            .layers
            .blockwise
            .first_block(&context, &message, &source)
            .ok_or(SendError::Invalid(InvalidSend::TooLarge))?;
        let peer = self
            .layers
            .enter(now, to)
            .ok_or(SendError::Overload(Overload::Peers))?;
        let notice = self.new_notice(peer, token, options);
        let notification = SuppliedNotification {
            notice,
            resource: options.resource,
            block,
        };
        let (random, _) = self.layers.messages.random_and_records();
        let is_kept =
            self.layers
                .blockwise
                .notify_from(now, peer, notification, (&message, &source), random);
        self.layers.do_steps(now)?;
        if is_kept {
            return Ok(NotificationId(notice.id));
        }
        self.layers.messages.release(peer);
        Err(SendError::Overload(Overload::Messages))
    }

    /// Whether a body of this resource is kept for a peer because some of its blocks have not been
    /// requested yet. If so, [`Event::BodyReleased`](super::Event::BodyReleased) reports once that it
    /// is not kept any more.
    ///
    /// A notification in several blocks is acknowledged with its first one; the client then fetches the
    /// others (RFC 7959 §2.6). Another notification, or any response with a body of the same resource,
    /// replaces what it fetches. A caller that wants each notification to arrive whole therefore
    /// watches its body after the call that sends it, and sends the next one when both the
    /// acknowledgement and the event have come.
    ///
    /// A body is kept until its last block was served, until no block of it was requested for
    /// [`Config::transfer_lifetime`](super::Config::transfer_lifetime), for
    /// [`Config::transfer_deadline`](super::Config::transfer_deadline) at most, and as long as there
    /// is room.
    pub fn watch_body(&mut self, peer: &P, resource: Resource) -> bool {
        let peer = self.layers.messages.find(peer);
        peer.is_some_and(|peer| self.layers.blockwise.watch_body(peer, resource))
    }

    /// A notification that is about to be sent.
    fn new_notice(&mut self, peer: PeerIndex, token: Token, options: NotifyOptions) -> Notice {
        let replaced = self.layers.blockwise.awaited_notification(peer, token);
        let notifications = &mut self.layers.exchanges.notifications;
        notifications.begin(token, options, replaced)
    }

    /// Cancels all pending notifications of an observation that has ended. No event follows.
    pub fn end_notifications(&mut self, now: Instant, peer: &P, token: Token) {
        let Some(peer) = self.layers.messages.find(peer) else {
            return;
        };
        while let Some(key) = self
            .layers
            .messages
            .last_under_way(peer, |purpose| purpose.notifies(token))
        {
            self.layers.end_transmission(now, key);
        }
        self.end_awaited(now, peer, token, ServingEnd::Unwanted);
        self.layers.messages.release(peer);
    }

    /// Cancels all separate responses and notifications to a peer that are being sent or wait. No event
    /// follows.
    pub fn end_answers(&mut self, now: Instant, peer: &P) {
        let Some(peer) = self.layers.messages.find(peer) else {
            return;
        };
        // The last ones first: what waits isn't sent in the meantime.
        while let Some(key) = self.layers.messages.last_under_way(peer, Purpose::answers) {
            self.layers.end_transmission(now, key);
        }
        self.layers.messages.release(peer);
    }

    /// Cancels the notification to this observer that waits for its first block.
    fn end_awaited(&mut self, now: Instant, peer: PeerIndex, token: Token, end: ServingEnd) {
        self.layers.blockwise.end_notification(peer, token, end);
        let _ = self.layers.do_steps(now);
    }

    /// Creates the entry of an observer from `now` on. To be called for a request with Observe: 0,
    /// before it is answered with a success that has an Observe option.
    pub const fn observer(&self, now: Instant, responder: &Responder) -> Observer {
        let since = self.layers.exchanges.notifications.next_id();
        Observer::new(now, responder, since)
    }

    /// Sends a notification like [`notify`](Self::notify) to an observer. It is confirmable if
    /// `options` require it, or if no confirmable one was sent for [24
    /// hours](Observer::CONFIRM_AFTER), so that a client that has gone away does not stay in the
    /// list for ever (RFC 7641 §4.5). The resource is taken from the observer, not from `options`.
    pub fn notify_observer(
        &mut self,
        now: Instant,
        to: P,
        observer: &mut Observer,
        message: MessageBuf,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        let options = observer.options(now, options);
        let sent = self.notify(now, to, observer.token(), message, options)?;
        observer.note(now, sent, options);
        Ok(sent)
    }

    /// Sends a notification like [`notify_observer`](Self::notify_observer); its body comes from a
    /// source, as with [`notify_from`](Self::notify_from). If the notification is not sent, call
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
        let sent = self.notify_from(now, to, observer.token(), message, source, options)?;
        observer.note(now, sent, options);
        Ok(sent)
    }
}
