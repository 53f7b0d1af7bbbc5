//! The calls that send notifications.

use lwm2m_core::Instant;

use super::{
    blockwise::ServingEnd,
    body::Outgoing,
    event::{NotificationId, Responder, SendError},
    exchanges::Observer,
    machine::Endpoint,
    options::NotifyOptions,
};
use crate::{coap::token::Token, machine::Peer};
#[cfg(feature = "client")]
use crate::{
    coap::{
        endpoint::body::Resource,
        message::{MessageRef, MessageType},
        message_buf::MessageBuf,
    },
    machine::{Channel, Past},
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
    /// with [`Overload::Answer`](super::Overload::Answer): the answer that begins an observation
    /// leaves before its notifications (RFC 7641 §4.4).
    ///
    /// The body of a success other than 2.31 may come from a [`Source`](super::Source).
    /// [`Event::BlockWanted`](super::Event::BlockWanted) then requests the first block immediately,
    /// and the notification is sent once that block is supplied. The client requests the other
    /// blocks. They come from the same source if [`NotifyOptions::resource`] is set; otherwise the
    /// source is closed, and the client's requests are passed to the application. A newer
    /// notification with the same token replaces one that still waits for its first block.
    /// [`Event::NotificationFailed`](super::Event::NotificationFailed) reports a confirmable
    /// notification that cannot be supplied.
    pub fn notify(
        &mut self,
        now: Instant,
        to: P,
        token: Token,
        message: impl Into<Outgoing>,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        self.layers.notify(now, to, token, message.into(), options)
    }

    /// Cancels all pending notifications of an observation that has ended. No event follows.
    pub fn end_notifications(&mut self, now: Instant, peer: &P, token: Token) {
        let Some(peer) = self.layers.messages.find(peer) else {
            return;
        };
        let layers = &mut self.layers;
        let exchanges = &mut layers.exchanges;
        exchanges.end_transmissions(now, &mut layers.messages, peer, |sent| {
            sent.purpose.notifies(token)
        });
        let end = ServingEnd::Unwanted;
        layers.blockwise.end_notification(peer, token, end);
        let _ = layers.do_steps(now);
        layers.messages.release(peer);
    }

    /// Cancels all separate responses and notifications to a peer that are being sent or wait. No event
    /// follows.
    pub fn end_answers(&mut self, now: Instant, peer: &P) {
        let Some(peer) = self.layers.messages.find(peer) else {
            return;
        };
        let messages = &mut self.layers.messages;
        let exchanges = &mut self.layers.exchanges;
        exchanges.end_transmissions(now, messages, peer, |sent| sent.purpose.answers());
        messages.release(peer);
    }

    /// Ends all separate responses and notifications to a peer like [`end_answers`](Self::end_answers), but a
    /// response that waits is sent once now, as a non-confirmable message (RFC 7252 §5.2.2), as its request has
    /// been carried out; not so one that begins an observation. No event follows.
    pub fn finish_answers(&mut self, now: Instant, peer: &P) {
        let Some(peer) = self.layers.messages.find(peer) else {
            return;
        };
        let messages = &mut self.layers.messages;
        let exchanges = &mut self.layers.exchanges;
        exchanges.finish_answers(now, messages, peer);
        messages.release(peer);
    }

    /// Whether a separate response or a confirmable notification to a peer is being sent or waits.
    pub fn is_answering(&self, peer: &P) -> bool {
        let messages = &self.layers.messages;
        let peer = messages.find(peer);
        let under_way =
            peer.and_then(|peer| messages.last_under_way(peer, |sent| sent.purpose.answers()));
        under_way.is_some()
    }

    /// Creates the entry of an observer from `now` on. To be called for a request with Observe: 0,
    /// before it is answered with a success that has an Observe option.
    pub fn observer(&self, now: Instant, responder: &Responder) -> Observer {
        let since = self.layers.exchanges.notifications.next_id();
        Observer::new(now, responder, since)
    }

    /// The resource that this request addresses.
    #[cfg(feature = "client")]
    pub(crate) fn resource_of(&self, request: MessageBuf) -> Resource {
        let wire = request.finish(MessageType::Confirmable, 0, Token::EMPTY);
        let request = MessageRef::parse(wire.as_ref());
        request.map_or(Resource::NONE, |request| {
            let context = self.layers.blockwise.context(&request, Channel::Udp);
            context.resource()
        })
    }

    /// The entry of an observer from before a restart, whose last confirmable notification was sent then.
    #[cfg(feature = "client")]
    pub(crate) const fn observer_again(
        &self,
        confirmed: Past,
        token: Token,
        resource: Resource,
    ) -> Observer {
        let since = self.layers.exchanges.notifications.next_id();
        Observer::since(confirmed, (token, resource), since)
    }

    /// Sends a notification like [`notify`](Self::notify) to an observer. It is confirmable if
    /// `options` require it, or if no confirmable one was sent for [24
    /// hours](Observer::CONFIRM_AFTER), so that a client that has gone away does not stay in the
    /// list for ever (RFC 7641 §4.5). The resource is taken from the observer, not from `options`.
    ///
    /// If the body comes from a source and
    /// [`Event::NotificationFailed`](super::Event::NotificationFailed) says that the
    /// notification was not sent, call [`Observer::was_not_sent`].
    pub fn notify_observer(
        &mut self,
        now: Instant,
        to: P,
        observer: &mut Observer,
        message: impl Into<Outgoing>,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        let options = observer.options(now, options);
        let (token, message) = (observer.token(), message.into());
        let sent = self.layers.notify(now, to, token, message, options)?;
        observer.note(now, sent, options);
        Ok(sent)
    }
}
