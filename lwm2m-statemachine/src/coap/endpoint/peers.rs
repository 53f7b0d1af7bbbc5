//! Peers as they come and go, in all layers.

use lwm2m_core::Instant;

use super::{
    event::FailureReason, exchanges::OpenExchange, keys::PeerIndex, layers::Layers, table::Key,
};
use crate::machine::Peer;

impl<P: Peer> Layers<P> {
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

    /// Forgets a peer with all that is kept of it.
    pub(super) fn forget_peer(&mut self, now: Instant, peer: PeerIndex) {
        self.end_exchanges(now, peer);
        self.forget_bodies(now, peer);
        self.messages.forget_peer(peer);
    }

    /// Ends all that is under way with a peer. What must not run again stays remembered.
    pub(super) fn close_peer(&mut self, now: Instant, peer: PeerIndex) {
        self.end_exchanges(now, peer);
        self.forget_bodies(now, peer);
        if self.messages.close_records(peer) {
            self.forget_peer(now, peer);
        } else {
            self.messages.settle(now, peer);
        }
    }

    /// Forgets all bodies from and to a peer; not the peer.
    fn forget_bodies(&mut self, now: Instant, peer: PeerIndex) {
        self.blockwise.forget_peer(peer);
        let _ = self.do_steps(now);
    }

    /// Takes back all that is being sent to a peer, or waits for its answer.
    fn end_exchanges(&mut self, now: Instant, peer: PeerIndex) {
        let reason = FailureReason::PeerDropped;
        self.blockwise.forget_uploads(peer);
        // Nothing of the peer that waits for its turn is to be sent meanwhile.
        for key in self.messages.take_waiting(peer).rev() {
            self.drop_transmission(now, peer, key);
        }
        while let Some(open) = self.exchanges.first_open(&self.messages, peer) {
            match open {
                OpenExchange::Request(key) => self.fail_request(now, key, reason),
                OpenExchange::Transmission(key) => self.drop_transmission(now, peer, key),
                OpenExchange::Notification(key) => {
                    let (exchanges, mut below) = self.exchanges();
                    let notifications = &mut exchanges.notifications;
                    notifications.forget(now, &mut below, key, reason);
                }
            }
        }
    }

    fn drop_transmission(&mut self, now: Instant, peer: PeerIndex, key: Key) {
        if let Some(transmission) = self.end_transmission(now, key) {
            self.transmission_failed(now, peer, transmission, FailureReason::PeerDropped);
        }
    }
}
