//! The calls that drop, close and rename peers.

use lwm2m_core::Instant;

use super::machine::Endpoint;
use crate::machine::Peer;

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

    /// Renames a peer and keeps its state. Drain [`poll_transmit`](Self::poll_transmit) and
    /// [`poll_event`](Self::poll_event) first, because they hold the old name. Returns false and
    /// changes nothing if there is no such peer, or if the new name already has state.
    pub fn rename_peer(&mut self, from: &P, to: P) -> bool {
        self.layers.messages.rename(from, to)
    }
}
