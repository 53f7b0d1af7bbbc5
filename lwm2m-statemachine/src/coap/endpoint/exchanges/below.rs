//! What the layer of exchanges borrows for a call.

use crate::{
    coap::{
        endpoint::{
            event::{Event, FailureReason, NotificationId},
            events::Events,
            keys::PeerIndex,
            messages::Messages,
        },
        token::Token,
    },
    machine::Peer,
};

/// The message layer, and the events for the application.
#[derive(Debug)]
pub(crate) struct Below<'a, P> {
    pub(crate) messages: &'a mut Messages<P>,
    pub(crate) events: &'a mut Events<P>,
}

impl<P: Peer> Below<'_, P> {
    /// Reports an event about a peer to the application.
    pub(crate) fn tell(&mut self, peer: PeerIndex, event: impl FnOnce(P) -> Event<P>) {
        if let Some(peer) = self.messages.name(peer) {
            self.events.push(event(peer));
        }
    }

    /// Reports that a confirmable notification has failed.
    pub(crate) fn tell_notification_failed(
        &mut self,
        peer: PeerIndex,
        (id, token): (u64, Token),
        reason: FailureReason,
    ) {
        self.tell(peer, |peer| Event::NotificationFailed {
            notification: NotificationId(id),
            peer,
            token,
            reason,
        });
    }
}
