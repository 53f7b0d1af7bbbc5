//! Room for the bodies of requests. A peer has its share, and in it only bodies of its own give way;
//! of all room, [`holders`](super::super::holders) says who does.

use lwm2m_core::Instant;

use super::{Inbound, Newcomer, Receiving};
use crate::{
    coap::endpoint::{
        Endpoint,
        config::after,
        event::FailureReason,
        keys::{BodyKey, PeerIndex},
    },
    machine::Peer,
};

impl Receiving {
    /// The bodies of this peer that are held, with their keys.
    fn held_of(&self, peer: PeerIndex) -> impl Iterator<Item = (BodyKey, &Inbound)> {
        self.bodies
            .range(BodyKey::all_of(peer))
            .filter(|(_, inbound)| inbound.is_held())
            .map(|(key, inbound)| (*key, inbound))
    }

    /// The body of this peer that did not come on for the longest time.
    fn longest_silent_of(&self, peer: PeerIndex) -> Option<BodyKey> {
        let longest_silent = self
            .held_of(peer)
            .min_by_key(|(_, inbound)| inbound.last_came());
        longest_silent.map(|(key, _)| key)
    }

    /// The body that gives way to another one of its peer: one that has been silent for that long,
    /// or else one of which there is only the first block. First blocks may be sent in the name of
    /// the peer, and they do not keep out its own.
    fn own_to_give_way(&self, now: Instant, key: BodyKey, silence: u64) -> Option<BodyKey> {
        self.held_of(key.peer)
            .filter(|(own, inbound)| {
                *own != key && (inbound.is_begun_only() || after(inbound.heard, silence) <= now)
            })
            .min_by_key(|(_, inbound)| (after(inbound.heard, silence) > now, inbound.last_came()))
            .map(|(own, _)| own)
    }
}

impl<P: Peer> Endpoint<P> {
    /// The largest body of a request that is put together.
    pub(super) fn largest_request(&self) -> usize {
        let bounds = &self.config.bounds;
        bounds.body.min(bounds.request_body)
    }

    /// The share of one peer in bytes. One body has room in it in any case.
    fn share_of_requests(&self) -> usize {
        let share = self.config.bounds.receiving_bytes_per_peer;
        share.max(self.largest_request())
    }

    /// How many more bytes this peer may hold.
    pub(super) fn room_for_bytes(&self, peer: PeerIndex) -> usize {
        let holders = &self.receiving.holders;
        let all = self.config.bounds.receiving_bytes;
        let room = all.saturating_sub(holders.bytes());
        let share = self.share_of_requests();
        room.min(share.saturating_sub(holders.bytes_of(peer)))
    }

    /// Makes room for one more body, and its first bytes; says whether there is.
    pub(super) fn make_place_for(
        &mut self,
        now: Instant,
        key: BodyKey,
        newcomer: Newcomer,
    ) -> bool {
        let bounds = self.config.bounds;
        if bounds.receiving.min(bounds.receiving_per_peer) == 0 {
            return false;
        }
        while self.receiving.holders.bodies_of(key.peer) >= bounds.receiving_per_peer {
            if !self.let_own_go(now, key) {
                return false;
            }
        }
        while self.receiving.holders.bodies() >= bounds.receiving {
            if !self.let_other_go(now, newcomer) {
                return false;
            }
        }
        self.make_bytes_for(now, key, newcomer)
    }

    /// Makes room for more bytes of a body; says whether there is.
    pub(super) fn make_bytes_for(
        &mut self,
        now: Instant,
        key: BodyKey,
        newcomer: Newcomer,
    ) -> bool {
        let (share, all) = (self.share_of_requests(), self.config.bounds.receiving_bytes);
        let over = |held: usize, bound| held.saturating_add(newcomer.needed) > bound;
        if newcomer.needed > share.min(all) {
            return false;
        }
        while over(self.receiving.holders.bytes_of(key.peer), share) {
            if !self.let_own_go(now, key) {
                return false;
            }
        }
        while over(self.receiving.holders.bytes(), all) {
            if !self.let_other_go(now, newcomer) {
                return false;
            }
        }
        true
    }

    /// Forgets a body of the same peer that gives way; says whether there was one.
    fn let_own_go(&mut self, now: Instant, key: BodyKey) -> bool {
        let Some(own) = self.receiving.own_to_give_way(now, key, self.spans.silence) else {
            return false;
        };
        self.lose_receiving(own, FailureReason::NoRoom);
        true
    }

    /// Forgets a body of whoever gives way to a newcomer; says whether there was one.
    fn let_other_go(&mut self, now: Instant, newcomer: Newcomer) -> bool {
        let holders = &self.receiving.holders;
        let body = holders
            .to_give_way(now, newcomer, self.spans.silence)
            .and_then(|peer| self.receiving.longest_silent_of(peer));
        let Some(body) = body else {
            return false;
        };
        self.lose_receiving(body, FailureReason::NoRoom);
        self.peers.release(body.peer);
        true
    }
}
