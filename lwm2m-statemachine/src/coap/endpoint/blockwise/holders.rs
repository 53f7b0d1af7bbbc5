//! Which peers hold bodies, and which of them gives way when room is short.
//!
//! A peer can begin a body and stop, or stretch it for as long as it likes, and its address may be
//! forged. So a newcomer isn't refused just because others hold all the room: a peer gives way, in
//! this order.
//!
//! 1. Silent peers, not heard from for as long as a client waits before it retransmits: the largest
//!    first, and among equally large ones the longest silent.
//! 2. Peers that have sent only first blocks: the longest silent first. A flood of first blocks never
//!    gets beyond this stage, so it displaces only itself.
//! 3. Peers that hold more than the newcomer will: the largest first.
//!
//! Two peers that are equally busy and equally large don't displace each other, because neither
//! would then complete its body. The newcomer is refused.

use alloc::collections::{BTreeMap, BTreeSet};

use lwm2m_core::Instant;

use super::held::Held;
use crate::coap::endpoint::{config::after, keys::PeerIndex};

/// All peers that hold fewer bytes than this count as equally large: a list of a thousand Object
/// Instances takes less. Above it, a peer is larger if it holds about twice as much.
const SMALL: usize = 1 << 15;

/// The peers that hold bodies of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    held: Held,
    bodies: usize,
    peers: BTreeMap<PeerIndex, Holder>,
    /// Peers by size class, and within a class the longest silent first.
    order: BTreeSet<(u8, u64, PeerIndex)>,
    /// Peers that have sent only first blocks, the longest silent first.
    beginners: BTreeSet<(u64, PeerIndex)>,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    bodies: u32,
    beginner: bool,
    class: u8,
    /// When it was last heard from: the moment, and its position in the order.
    heard: Instant,
    place: u64,
}

/// A peer that needs room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) peer: PeerIndex,
    /// How many more bytes it needs now.
    pub(super) needed: usize,
    /// The announced size of its body; 0 if there is none.
    pub(super) announced: usize,
}

/// The size class of a peer. Peers whose sizes differ by less than a factor of two are mostly in
/// the same class.
fn class(bytes: usize) -> u8 {
    let class = (bytes / SMALL).checked_ilog2().map_or(0, |log| log + 1);
    u8::try_from(class).unwrap_or(u8::MAX)
}

impl Holders {
    /// How many bodies there are.
    pub(super) const fn bodies(&self) -> usize {
        self.bodies
    }

    /// How many bytes they take.
    pub(super) const fn bytes(&self) -> usize {
        self.held.all()
    }

    /// How many bodies this peer has.
    pub(super) fn bodies_of(&self, peer: PeerIndex) -> usize {
        self.peers
            .get(&peer)
            .map_or(0, |holder| holder.bodies as usize)
    }

    /// How many bytes the bodies of this peer take.
    pub(super) fn bytes_of(&self, peer: PeerIndex) -> usize {
        self.held.of(peer)
    }

    /// Whether a body of this peer is making progress: a later block than the first has come, and
    /// the peer was heard from within the last `silence` milliseconds.
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

    /// A body of this peer has ended. Its bytes must have been [given back](Self::change) before.
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

    /// A body of this peer took `before` bytes and now takes `after`.
    pub(super) fn change(&mut self, peer: PeerIndex, before: usize, after: usize) {
        self.held.change(peer, before, after);
        let class = class(self.held.of(peer));
        if let Some(holder) = self.peers.get(&peer).copied()
            && holder.class != class
        {
            self.put(peer, Holder { class, ..holder });
        }
    }

    /// This peer was heard from. `later`: with a later block of a body than the first.
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

    /// The peer that gives way to a newcomer; `None` if the newcomer is refused. A peer that wasn't
    /// heard from for `silence` milliseconds is silent.
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

    /// The classes in use, the largest first.
    fn classes(&self) -> impl Iterator<Item = u8> {
        let largest = self.order.last().map(|(class, ..)| *class);
        core::iter::successors(largest, |class| {
            let mut below = self.order.range(..(*class, 0, PeerIndex(0)));
            below.next_back().map(|(class, ..)| *class)
        })
    }

    /// The longest silent peer of a class, other than this one.
    fn first_but(&self, class: u8, peer: PeerIndex) -> Option<(u8, PeerIndex)> {
        self.order
            .range((class, 0, PeerIndex(0))..=(class, u64::MAX, PeerIndex::MAX))
            .take(2)
            .find(|(.., other)| *other != peer)
            .map(|(class, _, other)| (*class, *other))
    }

    /// Stores the state of a peer, and adds it to the orders.
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

    /// A peer that holds this many bytes and was last heard from at `heard`.
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

    /// Which peers give way one after the other, if each gives up all it holds.
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
        // At 10 s, peers last heard from at 7 s or before are silent.
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
