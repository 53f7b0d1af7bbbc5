//! Maps in vectors, sorted by key: half the size of trees of nodes, where there are few entries.

use alloc::vec::Vec;
use core::mem;

/// The entry of `key` in a sorted vector.
pub(crate) fn find<K: Ord, V>(entries: &[(K, V)], key: &K) -> Option<usize> {
    entries.binary_search_by(|(entry, _)| entry.cmp(key)).ok()
}

/// The value of `key` in a sorted vector, made if it is not there.
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

/// Sets many values, in whatever order they come: one by one, each of many in descending order
/// would move all that are there.
pub(crate) fn put_all<K: Ord + Copy, V>(
    entries: &mut Vec<(K, V)>,
    more: impl Iterator<Item = (K, V)>,
) {
    entries.extend(more);
    entries.sort_by_key(|(key, _)| *key);
    // The sort is stable: of two with one key, the later one counts.
    entries.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            mem::swap(later, earlier);
        }
        same
    });
}
