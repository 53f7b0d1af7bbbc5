//! Finding an entry by its key, with one look into memory however many there are.

use alloc::{vec, vec::Vec};
use core::mem;

use super::table::KEEP;

/// Where entries are, by the hashes of their keys: a table of open addressing. Each of its words
/// holds half of a hash and the index of the entry, and lies where that half says, or in the next
/// place that is free: mostly in the same line of the cache. The entry itself is looked at only
/// where the half matches, and never to make room.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    words: Vec<u64>,
    length: usize,
}

/// A free place: no slab gets that far.
const EMPTY: u64 = u64::MAX;

const fn word(hash: u64, entry: u32) -> u64 {
    hash & !(u32::MAX as u64) | entry as u64
}

impl Index {
    /// The entry of this hash that `is_it`.
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
        // At most two thirds are in use, so that free places are near everywhere.
        if self.length >= self.words.len() / 3 * 2 {
            self.grow();
        }
        self.put(word(hash, entry));
        self.length += 1;
    }

    /// Takes an entry out, if it is there.
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
        // What follows must be found from where it belongs without a gap.
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

    /// Writes a word where it belongs, or in the next free place.
    fn put(&mut self, word: u64) {
        let mut place = self.home(word);
        while self.at(place) != EMPTY {
            place = self.next(place);
        }
        self.set(place, word);
    }

    /// The place of a hash, or of a word: the same share of the table that its upper half is of
    /// 2^32.
    fn home(&self, hash: u64) -> usize {
        let places = self.words.len() as u64;
        usize::try_from((hash >> 32).wrapping_mul(places) >> 32).unwrap_or(0)
    }

    fn next(&self, place: usize) -> usize {
        let next = place + 1;
        if next < self.words.len() { next } else { 0 }
    }

    /// How many places `to` comes after `from`.
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

    /// Few halves of hashes, at both ends and in the middle: they collide, and run over the end.
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
