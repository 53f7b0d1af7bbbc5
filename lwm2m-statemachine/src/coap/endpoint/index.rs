//! Lookup of entries by key, usually with a single memory access however many entries there are.

use alloc::{vec, vec::Vec};
use core::mem;

use super::table::KEEP;

/// An open-addressing hash table from the hashes of keys to the indices of entries. Each word holds
/// half of a hash and the index of the entry. It is stored in the slot given by that half, or in
/// the next free slot, usually in the same cache line. The entry itself is accessed only if the
/// half matches, and never when the table grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    words: Vec<u64>,
    length: usize,
}

/// A free slot: no slab has this index.
const EMPTY: u64 = u64::MAX;

const fn word(hash: u64, entry: u32) -> u64 {
    hash & !(u32::MAX as u64) | entry as u64
}

impl Index {
    /// The entry with this hash for which `is_it` returns true.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut place = self.home(hash);
        loop {
            let word = self.at(place);
            let [half, entry] = [word >> 32, word & u64::from(u32::MAX)];
            if word == EMPTY {
                return None;
            }
            let entry = u32::try_from(entry).ok()?;
            if half == hash >> 32 && is_it(entry) {
                return Some(entry);
            }
            place = self.next(place);
        }
    }

    /// Adds an entry, which must not be there yet.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, entry: u32) {
        // At most two thirds of the slots are in use, so that a free one is always near.
        if self.length >= self.words.len() / 3 * 2 {
            self.grow();
        }
        self.put(word(hash, entry));
        self.length += 1;
    }

    /// Removes an entry, if it is there.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, entry: u32) {
        let word = word(hash, entry);
        let mut hole = self.home(hash);
        loop {
            match self.at(hole) {
                EMPTY => return,
                other if other == word => break,
                _ => hole = self.next(hole),
            }
        }
        // The following entries must stay reachable from their home slots without a gap.
        let mut place = self.next(hole);
        loop {
            let other = self.at(place);
            if other == EMPTY {
                break;
            }
            if self.distance(self.home(other), place) >= self.distance(hole, place) {
                self.set(hole, other);
                hole = place;
            }
            place = self.next(place);
        }
        self.set(hole, EMPTY);
        self.length -= 1;
        if self.length == 0 && self.words.len() > KEEP {
            self.words = Vec::new();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let places = self.words.len() / 2 * 3 + 6;
        let old = mem::replace(&mut self.words, vec![EMPTY; places]);
        for word in old {
            if word != EMPTY {
                self.put(word);
            }
        }
    }

    /// Writes a word to its home slot, or to the next free slot.
    fn put(&mut self, word: u64) {
        let mut place = self.home(word);
        while self.at(place) != EMPTY {
            place = self.next(place);
        }
        self.set(place, word);
    }

    /// The home slot of a hash or of a word: its upper half divided by 2^32, scaled to the table
    /// size.
    fn home(&self, hash: u64) -> usize {
        let places = self.words.len() as u64;
        usize::try_from((hash >> 32).wrapping_mul(places) >> 32).unwrap_or(0)
    }

    fn next(&self, place: usize) -> usize {
        let next = place + 1;
        if next < self.words.len() { next } else { 0 }
    }

    /// How many slots `to` is after `from`.
    fn distance(&self, from: usize, to: usize) -> usize {
        let to = if to < from { to + self.words.len() } else { to };
        to - from
    }

    fn at(&self, place: usize) -> u64 {
        self.words.get(place).copied().unwrap_or(EMPTY)
    }

    fn set(&mut self, place: usize, word: u64) {
        if let Some(place) = self.words.get_mut(place) {
            *place = word;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A few hash halves at both ends and in the middle, which collide and wrap around.
    fn hash() -> impl Strategy<Value = u64> {
        let half = prop_oneof![
            0_u32..4,
            0x7fff_fffe_u32..0x8000_0002,
            0xffff_fffc..=u32::MAX
        ];
        half.prop_map(|half| u64::from(half) << 32 | u64::from(half % 3))
    }

    proptest! {
        #[test]
        fn an_index_is_a_map(steps in prop::collection::vec((hash(), 0_u32..6, any::<bool>()), 0..300)) {
            let mut index = Index::default();
            let mut model = BTreeMap::new();
            for (hash, entry, adds) in steps {
                let key = (hash >> 32, entry);
                if adds && !model.contains_key(&key) {
                    index.insert(hash, entry);
                    model.insert(key, hash);
                } else if !adds {
                    index.remove(hash, entry);
                    model.remove(&key);
                }
                prop_assert_eq!(index.length, model.len());
                for ((_, entry), hash) in &model {
                    prop_assert_eq!(index.find(*hash, |other| other == *entry), Some(*entry));
                }
                prop_assert_eq!(index.find(hash, |_| true).is_some(), model.keys().any(|key| key.0 == hash >> 32));
            }
            for ((_, entry), hash) in &model {
                index.remove(*hash, *entry);
                prop_assert_eq!(index.find(*hash, |other| other == *entry), None);
            }
            prop_assert_eq!(index.length, 0);
            prop_assert!(index.words.len() <= KEEP);
            prop_assert!(index.words.iter().all(|word| *word == EMPTY));
        }
    }

    #[test]
    fn many_entries_take_little_room_and_none_when_they_are_gone() {
        let hash = |entry: u32| u64::from(entry).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut index = Index::default();
        for entry in 0..100_000 {
            index.insert(hash(entry), entry);
            assert!(index.words.len() <= index.length * 5 / 2 + 8);
        }
        for entry in 0..100_000 {
            assert_eq!(index.find(hash(entry), |other| other == entry), Some(entry));
            index.remove(hash(entry), entry);
            assert_eq!(index.find(hash(entry), |other| other == entry), None);
        }
        assert_eq!(index.words.capacity(), 0);
    }
}
