//! Tables of entries that belong to peers, with access by handle and iteration over one peer's
//! entries.

use crate::coap::endpoint::keys::PeerIndex;
use alloc::collections::VecDeque;

use lwm2m_core::Instant;
use slab::Slab;

/// No entry.
const NONE: u32 = u32::MAX;

/// Containers larger than this are freed when they are empty; smaller ones are kept, so that a
/// single exchange does not allocate each time.
pub(super) const KEEP: usize = 32;

/// Removes stale entries from a queue once they are more than half of it. The queue is therefore
/// never much longer than its table, at negligible cost per entry.
pub(super) fn compact<T>(queue: &mut VecDeque<T>, entries: usize, is_there: impl Fn(&T) -> bool) {
    if queue.len() > entries.saturating_mul(2).saturating_add(KEEP) {
        queue.retain(is_there);
        if queue.capacity() / 4 > queue.len() + KEEP {
            queue.shrink_to(queue.len().saturating_mul(2) + KEEP);
        }
    }
}

/// By how many entries a full container grows: a quarter, so that little memory is unused when
/// there are many peers.
fn growth(entries: usize) -> usize {
    (entries / 4).max(4)
}

/// Appends to a queue that may become long.
pub(super) fn push<T>(queue: &mut VecDeque<T>, value: T) {
    if queue.len() == queue.capacity() {
        queue.reserve_exact(growth(queue.len()));
    }
    queue.push_back(value);
}

/// Takes the first entry of a queue that is ordered by time, if it is due.
pub(super) fn pop_due(queue: &mut VecDeque<(Instant, Key)>, now: Instant) -> Option<Key> {
    let (due, key) = *queue.front()?;
    if due > now {
        return None;
    }
    queue.pop_front();
    Some(key)
}

/// Reserves space in a slab that may become large.
pub(super) fn make_room<T>(slab: &mut Slab<T>) {
    if slab.len() == slab.capacity() {
        slab.reserve_exact(growth(slab.len()));
    }
}

/// A handle of one entry. It never refers to a later entry in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    serial: u32,
    index: u32,
}

impl Key {
    pub(super) const MIN: Self = Self {
        serial: 0,
        index: 0,
    };

    pub(super) const MAX: Self = Self {
        serial: u32::MAX,
        index: u32::MAX,
    };

    pub(super) const fn index(self) -> u32 {
        self.index
    }
}

/// The entries of one peer, from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    newest: u32,
    oldest: u32,
    length: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            newest: NONE,
            oldest: NONE,
            length: 0,
        }
    }
}

impl Chain {
    pub(super) const fn is_empty(self) -> bool {
        self.length == 0
    }

    pub(super) const fn len(self) -> usize {
        self.length as usize
    }
}

#[derive(Clone, Debug)]
struct Entry<T> {
    serial: u32,
    peer: PeerIndex,
    newer: u32,
    older: u32,
    value: T,
}

/// Entries with handles, chained by peer.
#[derive(Clone, Debug)]
pub(super) struct Table<T> {
    entries: Slab<Entry<T>>,
    serial: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            entries: Slab::new(),
            serial: 0,
        }
    }
}

impl<T> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry of this peer, whose chain is `chain`.
    pub(super) fn insert(&mut self, peer: PeerIndex, chain: &mut Chain, value: T) -> Key {
        let serial = self.serial;
        self.serial = serial.wrapping_add(1);
        let older = chain.newest;
        make_room(&mut self.entries);
        let index = self.entries.insert(Entry {
            serial,
            peer,
            newer: NONE,
            older,
            value,
        });
        let index = u32::try_from(index).unwrap_or(NONE);
        self.link(index, chain);
        Key { serial, index }
    }

    /// Takes an entry out of the chain of its peer.
    pub(super) fn remove(&mut self, key: Key, chain: &mut Chain) -> Option<T> {
        self.get(key)?;
        let entry = self.entries.try_remove(key.index as usize)?;
        self.unlink((entry.older, entry.newer), chain);
        if self.entries.is_empty() && self.entries.capacity() > KEEP {
            self.entries = Slab::new();
        }
        Some(entry.value)
    }

    /// Moves an entry from the chain of its peer to the end of that of another one. Its handle stays
    /// the same. Returns whether there is such an entry.
    pub(super) fn move_to(
        &mut self,
        key: Key,
        from: &mut Chain,
        (peer, to): (PeerIndex, &mut Chain),
    ) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        let Some(entry) = self.entry_mut(key.index) else {
            return false;
        };
        let neighbours = (entry.older, entry.newer);
        self.unlink(neighbours, from);
        if let Some(entry) = self.entry_mut(key.index) {
            (entry.peer, entry.older, entry.newer) = (peer, to.newest, NONE);
        }
        self.link(key.index, to);
        true
    }

    /// Takes an entry with these neighbours, `(older, newer)`, out of a chain.
    fn unlink(&mut self, (older, newer): (u32, u32), chain: &mut Chain) {
        match self.entry_mut(older) {
            Some(older) => older.newer = newer,
            None => chain.oldest = newer,
        }
        match self.entry_mut(newer) {
            Some(newer) => newer.older = older,
            None => chain.newest = older,
        }
        chain.length = chain.length.saturating_sub(1);
    }

    /// Puts an entry, whose older neighbour is the newest one of a chain, at the end of it.
    fn link(&mut self, index: u32, chain: &mut Chain) {
        match self.entry_mut(chain.newest) {
            Some(entry) => entry.newer = index,
            None => chain.oldest = index,
        }
        chain.newest = index;
        chain.length = chain.length.saturating_add(1);
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.entries
            .get(key.index as usize)
            .filter(|entry| entry.serial == key.serial)
            .map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries
            .get_mut(key.index as usize)
            .filter(|entry| entry.serial == key.serial)
            .map(|entry| &mut entry.value)
    }

    /// The peer that the entry belongs to.
    pub(super) fn peer(&self, key: Key) -> Option<PeerIndex> {
        self.entries
            .get(key.index as usize)
            .filter(|entry| entry.serial == key.serial)
            .map(|entry| entry.peer)
    }

    /// The entry at this index, and its peer.
    pub(super) fn at(&self, index: u32) -> Option<(PeerIndex, &T)> {
        let entry = self.entries.get(index as usize)?;
        Some((entry.peer, &entry.value))
    }

    /// The handle of the entry at this index.
    pub(super) fn key(&self, index: u32) -> Option<Key> {
        let serial = self.entries.get(index as usize)?.serial;
        Some(Key { serial, index })
    }

    /// The oldest entry of a chain.
    pub(super) fn oldest(&self, chain: Chain) -> Option<Key> {
        self.key(chain.oldest)
    }

    /// The next entry of the same chain.
    pub(super) fn newer(&self, key: Key) -> Option<Key> {
        let entry = self.entries.get(key.index as usize)?;
        self.key(entry.newer).filter(|_| entry.serial == key.serial)
    }

    /// The entries of a chain, the oldest first.
    pub(super) fn of(&self, chain: Chain) -> impl Iterator<Item = (Key, &T)> {
        let mut next = chain.oldest;
        core::iter::from_fn(move || {
            let index = next;
            let entry = self.entries.get(index as usize)?;
            next = entry.newer;
            let key = Key {
                serial: entry.serial,
                index,
            };
            Some((key, &entry.value))
        })
    }

    fn entry_mut(&mut self, index: u32) -> Option<&mut Entry<T>> {
        self.entries.get_mut(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn chains_keep_peers_apart() {
        let mut table = Table::default();
        let (mut a, mut b) = (Chain::default(), Chain::default());
        let a1 = table.insert(PeerIndex(1), &mut a, 'a');
        let b1 = table.insert(PeerIndex(2), &mut b, 'b');
        let a2 = table.insert(PeerIndex(1), &mut a, 'c');
        let a3 = table.insert(PeerIndex(1), &mut a, 'd');
        let values = |table: &Table<char>, chain| {
            table.of(chain).map(|(_, value)| *value).collect::<Vec<_>>()
        };
        assert_eq!(values(&table, a), ['a', 'c', 'd']);
        assert_eq!(table.remove(a2, &mut a), Some('c'));
        assert_eq!(table.remove(a2, &mut a), None);
        assert_eq!(values(&table, a), ['a', 'd']);
        assert_eq!(table.remove(a3, &mut a), Some('d'));
        assert_eq!(table.remove(a1, &mut a), Some('a'));
        assert!(a.is_empty());
        assert_eq!(values(&table, b), ['b']);
        assert_eq!((table.peer(b1), table.len()), (Some(PeerIndex(2)), 1));
    }

    #[test]
    fn an_entry_moves_to_another_peer_under_its_handle() {
        let mut table = Table::default();
        let (mut a, mut b) = (Chain::default(), Chain::default());
        let [a1, a2, a3] = ['a', 'b', 'c'].map(|value| table.insert(PeerIndex(1), &mut a, value));
        let b1 = table.insert(PeerIndex(2), &mut b, 'd');
        let values = |table: &Table<char>, chain| {
            table.of(chain).map(|(_, value)| *value).collect::<Vec<_>>()
        };
        // From the middle, from the beginning, and the last one.
        for (key, left, right) in [
            (a2, &['a', 'c'][..], &['d', 'b'][..]),
            (a1, &['c'], &['d', 'b', 'a']),
            (a3, &[], &['d', 'b', 'a', 'c']),
        ] {
            assert!(table.move_to(key, &mut a, (PeerIndex(2), &mut b)));
            assert_eq!((&*values(&table, a), &*values(&table, b)), (left, right));
            assert_eq!(table.peer(key), Some(PeerIndex(2)));
            assert_eq!((a.len(), b.len()), (left.len(), right.len()));
        }
        assert!(a.is_empty() && table.oldest(b) == Some(b1));
        assert_eq!(table.remove(a1, &mut b), Some('a'));
        assert!(!table.move_to(a1, &mut b, (PeerIndex(1), &mut a)));
        assert_eq!(values(&table, b), ['d', 'b', 'c']);
    }

    #[test]
    fn a_handle_is_of_one_entry_only() {
        let mut table = Table::default();
        let mut chain = Chain::default();
        let first = table.insert(PeerIndex(1), &mut chain, 1);
        table.remove(first, &mut chain);
        let second = table.insert(PeerIndex(1), &mut chain, 2);
        assert_eq!(first.index(), second.index());
        assert_eq!((table.get(first), table.get(second)), (None, Some(&2)));
    }
}
