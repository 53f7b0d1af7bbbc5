//! Peers as they come and go.

use lwm2m_core::Instant;

use super::{
    Endpoint, TimerKey,
    event::FailureReason,
    keys::PeerIndex,
    messages::peers::{PeerState, Sending},
};
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
        if let Some(peer) = self.peers.find(peer) {
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
        let Some(peer) = self.peers.find(peer) else {
            return;
        };
        self.end_exchanges(now, peer);
        self.forget_bodies(now, peer);
        self.close_records(peer);
        let is_empty = |state: &PeerState<P>| state.records.is_empty();
        if self.peers.get(peer).is_none_or(is_empty) {
            self.forget_peer(now, peer);
        } else {
            self.watch(now, peer);
        }
    }

    /// A peer has another name from now on: what is kept of it goes on under that. Drain
    /// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) before, which
    /// hold the old one. False, and nothing has changed, if there is no such peer, or if something
    /// is kept under the new name already.
    pub fn rename_peer(&mut self, from: &P, to: P) -> bool {
        self.peers.rename(from, to)
    }

    /// The peer of this name, made if there is none; `None` if it would be one too many. Strangers
    /// do not fill the table: for who is new, one of them is forgotten.
    pub(super) fn enter(&mut self, now: Instant, name: P) -> Option<PeerIndex> {
        let bound = self.config.bounds.peers;
        if self.peers.len() >= bound && self.peers.find(&name).is_none() {
            self.displace(now);
        }
        self.peers.enter(name, bound)
    }

    /// Forgets a stranger, if one is found soon.
    fn displace(&mut self, now: Instant) {
        /// Where one peer in ten is a stranger, one is found nearly always.
        const LOOKS: usize = 64;
        for _ in 0..LOOKS {
            let peer = self.peers.next_in_turn();
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
        let begun = first_blocks.filter(|key| self.records.is_kept(*key));
        self.peers.is_stranger(peer, begun.count())
    }

    fn forget_peer(&mut self, now: Instant, peer: PeerIndex) {
        self.end_exchanges(now, peer);
        self.peers.stop_sending(peer);
        self.forget_bodies(now, peer);
        while let Some(state) = self.peers.get(peer)
            && let Some(key) = self.records.oldest(state.records)
        {
            self.forget_record(key);
        }
        self.peers.release(peer);
    }

    /// Takes back all that is being sent to a peer, or waits for its answer.
    fn end_exchanges(&mut self, now: Instant, peer: PeerIndex) {
        let reason = FailureReason::PeerDropped;
        self.uploads.forget(peer);
        // Nothing of the peer that waits for its turn is to be sent meanwhile.
        let waiting = self.peers.sending_mut(peer).map(Sending::take_waiting);
        for key in waiting.into_iter().flatten().rev() {
            let failed = self.end_transmission(now, key);
            if let Some(transmission) = failed {
                self.transmission_failed(now, peer, transmission.purpose, reason);
            }
        }
        while let Some(sending) = self.peers.sending(peer) {
            let shares = [&sending.own, &sending.answers];
            let request = self.requests.oldest(sending.requests);
            let transmission = shares.map(|share| self.transmissions.oldest(share.transmissions));
            let notification = shares.map(|share| self.notifications.oldest(share.notifications));
            if let Some(key) = request {
                self.fail_request(now, key, reason);
            } else if let Some(key) = transmission.into_iter().flatten().next() {
                if let Some(transmission) = self.end_transmission(now, key) {
                    self.transmission_failed(now, peer, transmission.purpose, reason);
                }
            } else if let Some(key) = notification.into_iter().flatten().next() {
                self.forget_notification(now, key, reason);
            } else {
                break;
            }
        }
        if let Some(sending) = self.peers.sending_mut(peer) {
            self.timers
                .set(TimerKey::Peer(peer), &mut sending.deadline, None);
        }
    }
}
