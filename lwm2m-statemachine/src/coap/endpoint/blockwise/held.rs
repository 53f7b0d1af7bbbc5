//! How many bytes the bodies of each peer take.

use crate::coap::endpoint::keys::PeerIndex;
use alloc::{collections::BTreeMap, vec::Vec};

/// The bytes that bodies take, in total and per peer. A peer without bodies has no entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    all: usize,
    of_peers: BTreeMap<PeerIndex, usize>,
}

impl Held {
    pub(super) const fn all(&self) -> usize {
        self.all
    }

    pub(super) fn of(&self, peer: PeerIndex) -> usize {
        self.of_peers.get(&peer).copied().unwrap_or(0)
    }

    /// A body of this peer took `before` bytes and now takes `after`.
    pub(super) fn change(&mut self, peer: PeerIndex, before: usize, after: usize) {
        if before == after {
            return;
        }
        let changed = |held: usize| held.saturating_sub(before).saturating_add(after);
        self.all = changed(self.all);
        let of_peer = self.of_peers.entry(peer).or_default();
        *of_peer = changed(*of_peer);
        if *of_peer == 0 {
            self.of_peers.remove(&peer);
        }
    }
}

/// Appends a block to a body whose final length is at most `largest` bytes, unless that takes more
/// than `room` bytes beyond its present capacity. Returns whether the block was appended. Memory is
/// counted as capacity, which is at most twice the length.
#[must_use]
pub(super) fn append(body: &mut Vec<u8>, block: &[u8], largest: usize, room: usize) -> bool {
    let length = body.len().saturating_add(block.len());
    let most = body.capacity().saturating_add(room);
    if length > most {
        return false;
    }
    if length > body.capacity() {
        let twice = body.capacity().saturating_mul(2);
        let wanted = twice.min(largest).min(most).max(length);
        body.reserve_exact(wanted.saturating_sub(body.len()));
    }
    body.extend_from_slice(block);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_no_more_than_it_may_need_nor_than_there_is_room() {
        let block = [0; 64];
        for (largest, room) in [(1000, usize::MAX), (usize::MAX, 1000), (10, 1000)] {
            let mut body = Vec::new();
            let mut moves = 0;
            loop {
                let (before, held) = (body.len(), body.capacity());
                if body.len() + block.len() > 1000 {
                    break;
                }
                assert!(append(&mut body, &block, largest, room - held.min(room)));
                assert_eq!(body.len(), before + block.len());
                assert!(body.capacity() <= largest.min(room).max(body.len()));
                moves += usize::from(body.capacity() != held);
            }
            // No more reallocations than a vector makes by itself.
            assert!(largest < 1000 || moves <= 6, "{moves}");
        }
        let mut body = Vec::from([1; 64]);
        assert!(!append(&mut body, &block, 1000, 63));
        assert_eq!((body.len(), body.capacity()), (64, 64));
        assert!(append(&mut body, &block, 1000, 64));
        assert_eq!(body.capacity(), 128);
    }

    #[test]
    fn what_is_held_is_known_of_each_peer() {
        let mut held = Held::default();
        held.change(PeerIndex(1), 0, 100);
        held.change(PeerIndex(2), 0, 50);
        held.change(PeerIndex(1), 100, 150);
        assert_eq!(
            (held.all(), held.of(PeerIndex(1)), held.of(PeerIndex(2))),
            (200, 150, 50)
        );
        held.change(PeerIndex(1), 150, 0);
        assert_eq!(
            (held.all(), held.of(PeerIndex(1)), held.of(PeerIndex(2))),
            (50, 0, 50)
        );
        assert_eq!(held.of_peers.len(), 1);
    }
}
