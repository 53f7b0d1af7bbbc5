//! The calls that drop, close and rename peers.

use lwm2m_core::Instant;

use super::{event::RequestId, exchanges::RestoreError, machine::Endpoint};
use crate::machine::{Channel, Peer};

impl<P: Peer> Endpoint<P> {
    /// Removes a peer and all its state. Every request and confirmable notification to it that has
    /// no outcome yet gets one.
    ///
    /// This includes the records of messages from it and of the message ids used with it. If an old
    /// datagram may still arrive, under this name or another, use [`close_peer`](Self::close_peer)
    /// instead: after `drop_peer` a duplicate isn't recognised, and its request is processed again.
    pub fn drop_peer(&mut self, now: Instant, peer: &P) {
        if let Some(peer) = self.layers.messages.find(peer) {
            self.layers.forget_peer(now, peer);
        }
    }

    /// To be called when the connection to a peer is closed, but duplicates of messages sent on it
    /// may still arrive on the next connection, if that uses the same addresses and no security.
    ///
    /// Everything pending ends as with [`drop_peer`](Self::drop_peer). Unanswered requests can no
    /// longer be answered. Records of processed requests are kept as long as a duplicate may arrive
    /// (RFC 7252 §4.8.2), and so are those of notifications, as long as a Reset may
    /// (RFC 7641 §3.6), and with them the message ids used; if there are none, no state is left.
    /// If the next connection has a different name, [`rename_peer`](Self::rename_peer) transfers
    /// the state.
    pub fn close_peer(&mut self, now: Instant, peer: &P) {
        if let Some(peer) = self.layers.messages.find(peer) {
            self.layers.close_peer(now, peer);
        }
    }

    /// To be called when the secure session with a peer has ended, for good: the peer won't be heard
    /// under this name again.
    ///
    /// Everything pending ends as with [`drop_peer`](Self::drop_peer), and records are dropped. Only
    /// observations that have begun stay. They can be [moved](Self::move_observation) to the next
    /// session; until then the name of the peer and its message ids are kept for them.
    pub fn end_session(&mut self, now: Instant, peer: &P) {
        if let Some(peer) = self.layers.messages.find(peer) {
            self.layers.end_session(now, peer);
        }
    }

    /// Moves an observation to another peer: the same device, in a new session or at another address.
    /// Its notifications are expected from there, and its request id and token stay. The order of
    /// notifications goes on (RFC 7641 §3.4): an older one isn't newer because it comes from there.
    ///
    /// If the blocks of a notification were still arriving,
    /// [`Event::NotificationLost`](super::Event::NotificationLost) follows. After an error the
    /// observation is where it was; unless that event says that it is over.
    pub fn move_observation(
        &mut self,
        now: Instant,
        request: RequestId,
        to: P,
        channel: Channel,
    ) -> Result<(), RestoreError> {
        self.layers.move_observation(now, request.0, (to, channel))
    }

    /// Renames a peer and keeps its state. Drain [`poll_transmit`](Self::poll_transmit) and
    /// [`poll_event`](Self::poll_event) first, because they hold the old name. Returns false and
    /// changes nothing if there is no such peer, or if the new name already has state.
    pub fn rename_peer(&mut self, from: &P, to: P) -> bool {
        self.layers.messages.rename(from, to)
    }
}
