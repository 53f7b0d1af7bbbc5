//! The calls for peers as they come and go.

use lwm2m_core::Instant;

use super::machine::Endpoint;
use crate::machine::Peer;

impl<P: Peer> Endpoint<P> {
    /// Forgets a peer with all that is kept of it. Every request and confirmable notification to it
    /// that has no outcome yet gets one.
    ///
    /// That includes which messages came from it and which message ids were used with it. Where a
    /// datagram of before may still arrive, under this name or another, it is not known to be a
    /// repetition, and what it asks for is done once more: there,
    /// [`close_peer`](Self::close_peer) is right.
    pub fn drop_peer(&mut self, now: Instant, peer: &P) {
        if let Some(peer) = self.layers.messages.find(peer) {
            self.layers.forget_peer(now, peer);
        }
    }

    /// The connection to a peer is closed, and a copy of what was sent on it may still arrive: on
    /// the next connection, if that uses the same addresses and no security.
    ///
    /// Everything under way ends as with [`drop_peer`](Self::drop_peer). Requests that were not
    /// answered have no answer any more. Which requests were run stays remembered for as long as a
    /// copy of them may arrive (RFC 7252 §4.8.2), and with them which message ids were used; if
    /// none was, nothing is left. If the next connection has another name,
    /// [`rename_peer`](Self::rename_peer) takes it over.
    pub fn close_peer(&mut self, now: Instant, peer: &P) {
        if let Some(peer) = self.layers.messages.find(peer) {
            self.layers.close_peer(now, peer);
        }
    }

    /// A peer has another name from now on: what is kept of it goes on under that. Drain
    /// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) before, which
    /// hold the old one. False, and nothing has changed, if there is no such peer, or if something
    /// is kept under the new name already.
    pub fn rename_peer(&mut self, from: &P, to: P) -> bool {
        self.layers.messages.rename(from, to)
    }
}
