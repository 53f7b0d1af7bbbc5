//! A table from numbers to places, with lookups in constant time and without allocation.

use alloc::{vec, vec::Vec};

/// A hash table with open addressing, at most half full. Its keys come from definitions and not from
/// peers, so mixing their bits is a good enough hash.
#[derive(Clone, Debug)]
pub(super) struct Index<T> {
    /// Their number is a power of two, or 0.
    slots: Vec<Option<(u32, T)>>,
    used: usize,
}

impl<T: Copy> Index<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            used: 0,
        }
    }

    pub(super) fn get(&self, key: u32) -> Option<T> {
        self.probe(key)
            .map_while(|at| self.slots.get(at).copied().flatten())
            .find_map(|(found, value)| (found == key).then_some(value))
    }

    /// Sets the value of a key.
    pub(super) fn insert(&mut self, key: u32, value: T) {
        if self.used.saturating_mul(2) >= self.slots.len() {
            self.grow();
        }
        let free = self.probe(key).find(|at| match self.slots.get(*at) {
            Some(Some((found, _))) => *found == key,
            _ => true,
        });
        if let Some(slot) = free.and_then(|at| self.slots.get_mut(at))
            && slot.replace((key, value)).is_none()
        {
            self.used = self.used.saturating_add(1);
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(None);
        self.used = 0;
    }

    fn grow(&mut self) {
        let size = self.slots.len().saturating_mul(2).max(16);
        let slots = core::mem::replace(&mut self.slots, vec![None; size]);
        self.used = 0;
        for (key, value) in slots.into_iter().flatten() {
            self.insert(key, value);
        }
    }

    /// Where a key may be, in the order of probing.
    fn probe(&self, key: u32) -> impl Iterator<Item = usize> + use<T> {
        let size = self.slots.len();
        let mask = size.wrapping_sub(1);
        let first = usize::try_from(mix(key)).unwrap_or(0);
        (0..size).map(move |step| first.wrapping_add(step) & mask)
    }
}

/// Spreads close keys: each bit of the result depends on all bits of the key.
fn mix(key: u32) -> u32 {
    let key = (key ^ key >> 16).wrapping_mul(0x85EB_CA6B);
    let key = (key ^ key >> 13).wrapping_mul(0xC2B2_AE35);
    key ^ key >> 16
}
