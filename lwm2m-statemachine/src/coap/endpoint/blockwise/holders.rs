//! Who holds bodies while room for them is bounded, and who gives way when it is short.
//!
//! A peer can begin a body and stop, or make it last as long as it likes, and it may not be the one
//! that its address says. So nobody is refused because others hold all there is: someone gives way,
//! in this order.
//!
//! 1. Who was not heard of for as long as a client waits before it sends a message again: the
//!    largest of them, and of those that are equally large the one that is silent the longest.
//! 2. Who has sent no more than the first block of a body: the one that is silent the longest. That
//!    is all that a flood of first blocks has to show, so it displaces itself.
//! 3. Who holds more than whoever needs room will: the largest.
//!
//! Two that are equally busy and equally large do not displace each other: none of them would get
//! its body through. The newcomer is refused.

use crate::coap::endpoint::keys::PeerIndex;
use alloc::collections::{BTreeMap, BTreeSet};

use lwm2m_core::Instant;

use super::held::Held;
use crate::coap::endpoint::config::after;

/// What a peer may hold in bytes without being larger than another: a list of a thousand Object
/// Instances takes less. Beyond it, twice as much is larger.
const SMALL: usize = 1 << 15;

/// The peers that hold bodies of a kind.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Holders {
    held: Held,
    bodies: usize,
    peers: BTreeMap<PeerIndex, Holder>,
    /// By class, and in it by when they were heard of, the one longest silent first.
    order: BTreeSet<(u8, u64, PeerIndex)>,
    /// Of whom no more than first blocks have come, the one longest silent first.
    beginners: BTreeSet<(u64, PeerIndex)>,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    bodies: u32,
    beginner: bool,
    class: u8,
    /// When it was heard of last: the moment, and the place in the order.
    heard: Instant,
    place: u64,
}

/// Who needs room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) peer: PeerIndex,
    /// How many more bytes it needs now.
    pub(super) needed: usize,
    /// How large the body is that they are of, if that was announced.
    pub(super) announced: usize,
}

/// How large a holder is, so that holders that differ by less than twice are mostly equal.
fn class(bytes: usize) -> u8 {
    let class = (bytes / SMALL).checked_ilog2().map_or(0, |log| log + 1);
    u8::try_from(class).unwrap_or(u8::MAX)
}

impl Holders {
    /// How many bodies there are.
    pub(in crate::coap::endpoint) const fn bodies(&self) -> usize {
        self.bodies
    }

    /// How many bytes they take.
    pub(in crate::coap::endpoint) const fn bytes(&self) -> usize {
        self.held.all()
    }

    /// How many of them are this peer's.
    pub(super) fn bodies_of(&self, peer: PeerIndex) -> usize {
        self.peers
            .get(&peer)
            .map_or(0, |holder| holder.bodies as usize)
    }

    /// How many bytes those of this peer take.
    pub(super) fn bytes_of(&self, peer: PeerIndex) -> usize {
        self.held.of(peer)
    }

    /// Whether a body of this peer comes on: more of one came than its first block, and not longer
    /// than `silence` milliseconds ago.
    pub(super) fn comes_on(&self, now: Instant, peer: PeerIndex, silence: u64) -> bool {
        self.peers
            .get(&peer)
            .is_some_and(|holder| !holder.beginner && after(holder.heard, silence) > now)
    }

    /// A body of this peer begins.
    pub(super) fn enter(&mut self, now: Instant, peer: PeerIndex) {
        self.bodies = self.bodies.saturating_add(1);
        let holder = self.peers.get(&peer).copied().unwrap_or(Holder {
            bodies: 0,
            beginner: true,
            class: 0,
            heard: now,
            place: 0,
        });
        let bodies = holder.bodies.saturating_add(1);
        self.put(peer, Holder { bodies, ..holder });
        self.hear(now, peer, false);
    }

    /// A body of this peer has ended; it takes nothing any more.
    pub(super) fn leave(&mut self, peer: PeerIndex) {
        let Some(holder) = self.peers.get(&peer).copied() else {
            return;
        };
        self.bodies = self.bodies.saturating_sub(1);
        let bodies = holder.bodies.saturating_sub(1);
        if bodies > 0 {
            self.put(peer, Holder { bodies, ..holder });
        } else {
            self.take(peer);
        }
    }

    /// A body of this peer that took `before` bytes takes `after`.
    pub(super) fn change(&mut self, peer: PeerIndex, before: usize, after: usize) {
        self.held.change(peer, before, after);
        let class = class(self.held.of(peer));
        if let Some(holder) = self.peers.get(&peer).copied()
            && holder.class != class
        {
            self.put(peer, Holder { class, ..holder });
        }
    }

    /// This peer was heard of; with a later block of a body than the first.
    pub(super) fn hear(&mut self, now: Instant, peer: PeerIndex, later: bool) {
        let Some(holder) = self.peers.get(&peer).copied() else {
            return;
        };
        self.clock = self.clock.wrapping_add(1);
        let heard = Holder {
            beginner: holder.beginner && !later,
            heard: now,
            place: self.clock,
            ..holder
        };
        self.put(peer, heard);
    }

    /// Who gives way to a newcomer; none if that is refused. Whoever was not heard of for `silence`
    /// milliseconds is silent.
    pub(super) fn to_give_way(
        &self,
        now: Instant,
        newcomer: Newcomer,
        silence: u64,
    ) -> Option<PeerIndex> {
        let is_silent = |peer: &PeerIndex| {
            self.peers
                .get(peer)
                .is_some_and(|holder| after(holder.heard, silence) <= now)
        };
        let held = self.bytes_of(newcomer.peer);
        let needed = held.saturating_add(newcomer.needed);
        let own = class(needed.max(newcomer.announced));
        let others = || {
            self.classes()
                .filter_map(|class| self.first_but(class, newcomer.peer))
        };
        let silent = others().map(|(_, peer)| peer).find(is_silent);
        silent
            .or_else(|| {
                let beginners = self.beginners.iter().map(|(_, peer)| *peer);
                beginners.take(2).find(|peer| *peer != newcomer.peer)
            })
            .or_else(|| {
                let largest = others().next().filter(|(class, _)| *class > own);
                largest.map(|(_, peer)| peer)
            })
    }

    /// The classes that there are, the largest first.
    fn classes(&self) -> impl Iterator<Item = u8> {
        let largest = self.order.last().map(|(class, ..)| *class);
        core::iter::successors(largest, |class| {
            let mut below = self.order.range(..(*class, 0, PeerIndex(0)));
            below.next_back().map(|(class, ..)| *class)
        })
    }

    /// The one of a class that is silent the longest, but for this peer.
    fn first_but(&self, class: u8, peer: PeerIndex) -> Option<(u8, PeerIndex)> {
        self.order
            .range((class, 0, PeerIndex(0))..=(class, u64::MAX, PeerIndex::MAX))
            .take(2)
            .find(|(.., other)| *other != peer)
            .map(|(class, _, other)| (*class, *other))
    }

    /// Keeps this of a peer, in its places.
    fn put(&mut self, peer: PeerIndex, holder: Holder) {
        self.take(peer);
        self.order.insert((holder.class, holder.place, peer));
        if holder.beginner {
            self.beginners.insert((holder.place, peer));
        }
        self.peers.insert(peer, holder);
    }

    fn take(&mut self, peer: PeerIndex) {
        if let Some(holder) = self.peers.remove(&peer) {
            self.order.remove(&(holder.class, holder.place, peer));
            self.beginners.remove(&(holder.place, peer));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const SILENCE: u64 = 3000;

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    /// A holder of so many bytes, that was heard of then; with more than a first block, or not.
    fn hold(holders: &mut Holders, peer: u32, bytes: usize, heard: u64, later: bool) {
        let peer = PeerIndex(peer);
        holders.enter(at(heard), peer);
        holders.change(peer, 0, bytes);
        if later {
            holders.hear(at(heard), peer, true);
        }
    }

    fn newcomer(needed: usize) -> Newcomer {
        Newcomer {
            peer: PeerIndex(99),
            needed,
            announced: 0,
        }
    }

    /// Who gives way one after the other, if each gives up all it holds.
    fn all(holders: &mut Holders, now: u64, newcomer: Newcomer) -> Vec<u32> {
        let mut all = Vec::new();
        while let Some(peer) = holders.to_give_way(at(now), newcomer, SILENCE) {
            all.push(peer.0);
            holders.change(peer, holders.bytes_of(peer), 0);
            while holders.bodies_of(peer) > 0 {
                holders.leave(peer);
            }
        }
        all
    }

    #[test]
    fn the_largest_of_the_silent_gives_way_then_beginners_then_who_is_larger() {
        let mut holders = Holders::default();
        hold(&mut holders, 1, 16, 4, true);
        hold(&mut holders, 2, SMALL, 5, true);
        hold(&mut holders, 3, 10, 6, false);
        hold(&mut holders, 4, 8 * SMALL, 7, true);
        hold(&mut holders, 5, 16, 8, false);
        hold(&mut holders, 6, 16, 8, true);
        hold(&mut holders, 7, 16, 9, false);
        hold(&mut holders, 8, 100 * SMALL, 10, true);
        assert_eq!(holders.bodies(), 8);
        // At 10 s those are silent that were heard of at 7 s or before.
        assert_eq!(
            all(&mut holders, 10, newcomer(16)),
            [4, 2, 1, 3, 5, 7, 8],
            "6 is as busy and as large as the newcomer"
        );
        assert_eq!((holders.bodies(), holders.bytes()), (1, 16));
        assert_eq!(
            holders.to_give_way(at(11), newcomer(16), SILENCE),
            Some(PeerIndex(6))
        );
    }

    #[test]
    fn nobody_gives_way_to_one_that_is_as_large_or_will_be() {
        let mut holders = Holders::default();
        hold(&mut holders, 1, 4 * SMALL, 10, true);
        let give_way = |newcomer| holders.to_give_way(at(10), newcomer, SILENCE);
        assert_eq!(give_way(newcomer(16)), Some(PeerIndex(1)));
        assert_eq!(give_way(newcomer(4 * SMALL)), None);
        let announced = 4 * SMALL;
        assert_eq!(
            give_way(Newcomer {
                announced,
                ..newcomer(16)
            }),
            None
        );
    }

    #[test]
    fn nobody_gives_way_to_itself() {
        let mut holders = Holders::default();
        hold(&mut holders, 99, 4 * SMALL, 0, true);
        hold(&mut holders, 99, 16, 0, false);
        assert_eq!(holders.bodies_of(PeerIndex(99)), 2);
        assert_eq!(holders.to_give_way(at(100), newcomer(0), SILENCE), None);
        hold(&mut holders, 1, 16, 100, false);
        assert_eq!(
            holders.to_give_way(at(100), newcomer(0), SILENCE),
            Some(PeerIndex(1))
        );
    }

    #[test]
    fn what_is_known_of_a_peer_ends_with_its_last_body() {
        let mut holders = Holders::default();
        hold(&mut holders, 1, 16, 0, true);
        hold(&mut holders, 1, 16, 0, false);
        holders.change(PeerIndex(1), 32, 16);
        holders.leave(PeerIndex(1));
        assert_eq!(
            (
                holders.bodies_of(PeerIndex(1)),
                holders.bytes_of(PeerIndex(1))
            ),
            (1, 16)
        );
        holders.change(PeerIndex(1), 16, 0);
        holders.leave(PeerIndex(1));
        holders.leave(PeerIndex(1));
        assert_eq!((holders.bodies(), holders.bytes()), (0, 0));
        assert!(holders.order.is_empty() && holders.beginners.is_empty());
        // It is a beginner again.
        hold(&mut holders, 1, 16, 50, false);
        assert_eq!(
            holders.to_give_way(at(50), newcomer(0), SILENCE),
            Some(PeerIndex(1))
        );
    }
}
