//! Maps in ascending order of their keys.
//!
//! With few entries, a vector takes half the memory of a B-tree. With many, each insertion would move
//! half of them. [`SortedMap`] is one or the other.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, btree_map},
    vec::Vec,
};
use core::{mem, ops::Bound, slice};

/// More entries than this are in a B-tree.
const FEW: usize = 64;

/// A map in ascending order of its keys, small with few entries and fast with many.
#[derive(Clone)]
pub(crate) enum SortedMap<K, V> {
    Few(Vec<(K, V)>),
    #[expect(
        clippy::box_collection,
        reason = "so that it takes no more room than a vector"
    )]
    Many(Box<BTreeMap<K, V>>),
}

impl<K: Ord + Copy, V> SortedMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self::Few(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(entries) => entries.len(),
            Self::Many(tree) => tree.len(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self {
            Self::Few(entries) => {
                let at = find(entries, key)?;
                entries.get(at).map(|(_, value)| value)
            }
            Self::Many(tree) => tree.get(key),
        }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self {
            Self::Few(entries) => {
                let at = find(entries, key)?;
                entries.get_mut(at).map(|(_, value)| value)
            }
            Self::Many(tree) => tree.get_mut(key),
        }
    }

    /// The first entry whose key is greater than `key`, or the first of all.
    pub(crate) fn after(&self, key: Option<&K>) -> Option<(&K, &V)> {
        match self {
            Self::Few(entries) => {
                let at = entries.partition_point(|(entry, _)| key.is_some_and(|key| entry <= key));
                entries.get(at).map(|(key, value)| (key, value))
            }
            Self::Many(tree) => {
                let from = key.map_or(Bound::Unbounded, Bound::Excluded);
                tree.range((from, Bound::Unbounded)).next()
            }
        }
    }

    /// The last entry whose key is not greater than `key`.
    pub(crate) fn up_to(&self, key: &K) -> Option<(&K, &V)> {
        match self {
            Self::Few(entries) => {
                let at = entries.partition_point(|(entry, _)| entry <= key);
                let last = entries.get(at.checked_sub(1)?);
                last.map(|(key, value)| (key, value))
            }
            Self::Many(tree) => tree.range(..=key).next_back(),
        }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.make_room();
        match self {
            Self::Few(entries) => put(entries, key, value),
            Self::Many(tree) => {
                tree.insert(key, value);
            }
        }
    }

    /// The value of `key`, created if it doesn't exist.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.make_room();
        match self {
            Self::Few(entries) => entry(entries, key, make),
            Self::Many(tree) => tree.entry(key).or_insert_with(make),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (removed, few) = match self {
            Self::Few(entries) => return find(entries, key).map(|at| entries.remove(at).1),
            Self::Many(tree) => (tree.remove(key), tree.len() <= FEW / 2),
        };
        if few && let Self::Many(tree) = mem::replace(self, Self::new()) {
            *self = Self::Few(tree.into_iter().collect());
        }
        removed
    }

    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        match self {
            Self::Few(entries) => Iter::Few(entries.iter()),
            Self::Many(tree) => Iter::Many(tree.iter()),
        }
    }

    /// Makes room for one more entry.
    fn make_room(&mut self) {
        if let Self::Few(entries) = self
            && entries.len() >= FEW
        {
            let entries = mem::take(entries).into_iter();
            *self = Self::Many(Box::new(entries.collect()));
        }
    }
}

impl<K: Ord + Copy, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        entries
            .into_iter()
            .for_each(|(key, value)| map.insert(key, value));
        map
    }
}

/// The entries of a [`SortedMap`], in ascending order.
pub(crate) enum Iter<'m, K, V> {
    Few(slice::Iter<'m, (K, V)>),
    Many(btree_map::Iter<'m, K, V>),
}

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(entries) => entries.next().map(|(key, value)| (key, value)),
            Self::Many(tree) => tree.next(),
        }
    }
}

/// The entry of `key` in a sorted vector.
fn find<K: Ord, V>(entries: &[(K, V)], key: &K) -> Option<usize> {
    entries.binary_search_by(|(entry, _)| entry.cmp(key)).ok()
}

/// The value of `key` in a sorted vector, created if it doesn't exist.
#[cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "it is the place of an entry: found, or just inserted"
    )
)]
pub(crate) fn entry<K: Ord, V>(
    entries: &mut Vec<(K, V)>,
    key: K,
    make: impl FnOnce() -> V,
) -> &mut V {
    let at = entries.partition_point(|(entry, _)| *entry < key);
    if entries.get(at).is_none_or(|(entry, _)| *entry != key) {
        entries.insert(at, (key, make()));
    }
    &mut entries[at].1
}

/// Sets the value of `key` in a sorted vector.
pub(crate) fn put<K: Ord, V>(entries: &mut Vec<(K, V)>, key: K, value: V) {
    match entries.binary_search_by(|(entry, _)| entry.cmp(&key)) {
        Ok(at) => {
            if let Some((_, old)) = entries.get_mut(at) {
                *old = value;
            }
        }
        Err(at) => entries.insert(at, (key, value)),
    }
}

#[cfg(test)]
mod tests;
