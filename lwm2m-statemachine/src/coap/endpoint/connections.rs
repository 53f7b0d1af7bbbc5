//! Peers as they come and go.

use lwm2m_core::Instant;

use super::{Endpoint, event::FailureReason, keys::PeerIndex, messages::Share};
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
        if let Some(peer) = self.messages.find(peer) {
            self.forget_peer(now, peer);
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
        let Some(peer) = self.messages.find(peer) else {
            return;
        };
        self.end_exchanges(now, peer);
        self.forget_bodies(now, peer);
        if self.messages.close_records(peer) {
            self.forget_peer(now, peer);
        } else {
            self.messages.settle(now, peer);
        }
    }

    /// A peer has another name from now on: what is kept of it goes on under that. Drain
    /// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) before, which
    /// hold the old one. False, and nothing has changed, if there is no such peer, or if something
    /// is kept under the new name already.
    pub fn rename_peer(&mut self, from: &P, to: P) -> bool {
        self.messages.rename(from, to)
    }

    /// The peer of this name, made if there is none; `None` if it would be one too many. Strangers
    /// do not fill the table: for who is new, one of them is forgotten.
    pub(super) fn enter(&mut self, now: Instant, name: P) -> Option<PeerIndex> {
        if self.messages.is_full_for(&name) {
            self.displace(now);
        }
        self.messages.enter(name)
    }

    /// Forgets a stranger, if one is found soon.
    fn displace(&mut self, now: Instant) {
        /// Where one peer in ten is a stranger, one is found nearly always.
        const LOOKS: usize = 64;
        for _ in 0..LOOKS {
            let peer = self.messages.next_in_turn();
            if self.may_displace(now, peer) {
                self.forget_peer(now, peer);
                return;
            }
        }
    }

    /// Whether a peer is a stranger of whom no body comes on. One that began gives way.
    fn may_displace(&self, now: Instant, peer: PeerIndex) -> bool {
        if self.blockwise.comes_on(now, peer) {
            return false;
        }
        let first_blocks = self.blockwise.first_blocks(peer);
        self.messages.is_stranger(peer, first_blocks)
    }

    fn forget_peer(&mut self, now: Instant, peer: PeerIndex) {
        self.end_exchanges(now, peer);
        self.messages.stop_sending(peer);
        self.forget_bodies(now, peer);
        self.messages.forget_records(peer);
        self.messages.release(peer);
    }

    /// Takes back all that is being sent to a peer, or waits for its answer.
    fn end_exchanges(&mut self, now: Instant, peer: PeerIndex) {
        let reason = FailureReason::PeerDropped;
        self.blockwise.forget_uploads(peer);
        // Nothing of the peer that waits for its turn is to be sent meanwhile.
        for key in self.messages.take_waiting(peer).rev() {
            if let Some(transmission) = self.end_transmission(now, key) {
                self.transmission_failed(now, peer, transmission, reason);
            }
        }
        while let Some(exchanges) = self.messages.exchanges(peer) {
            let notification = [Share::Initiated, Share::Answers]
                .into_iter()
                .find_map(|share| self.notifications.oldest(exchanges.notifications(share)));
            if let Some(key) = self.requests.oldest(exchanges.requests) {
                self.fail_request(now, key, reason);
            } else if let Some(key) = self.messages.oldest_transmission(peer) {
                if let Some(transmission) = self.end_transmission(now, key) {
                    self.transmission_failed(now, peer, transmission, reason);
                }
            } else if let Some(key) = notification {
                self.forget_notification(now, key, reason);
            } else {
                break;
            }
        }
    }
}
