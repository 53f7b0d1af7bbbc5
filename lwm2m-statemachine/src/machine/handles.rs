//! Hashing for maps whose keys are handles that the machine itself gives out.

use core::{
    fmt,
    hash::{BuildHasher, Hasher},
};

use super::random::Random;

/// Hashes handles in one multiplication for each number. Peers don't choose them, so they can't aim at
/// collisions.
#[derive(Clone, Copy)]
pub(crate) struct HandleState {
    key: u64,
}

impl HandleState {
    pub(crate) fn new(random: &mut Random) -> Self {
        let key = random.next_u64();
        Self { key }
    }
}

impl fmt::Debug for HandleState {
    /// Without the key, which is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleState").finish_non_exhaustive()
    }
}

impl BuildHasher for HandleState {
    type Hasher = HandleHasher;

    fn build_hasher(&self) -> HandleHasher {
        HandleHasher { hash: self.key }
    }
}

pub(crate) struct HandleHasher {
    hash: u64,
}

impl Hasher for HandleHasher {
    fn finish(&self) -> u64 {
        self.hash
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        /// An odd number whose bits are spread evenly: 2^64 over the golden ratio.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.hash ^ number).wrapping_mul(FACTOR.into());
        let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
        self.hash = u64::try_from(low ^ high).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn neighbours_have_hashes_that_differ_above_and_below() {
        let state = HandleState::new(&mut Random::new([7; 32]));
        let hashes = (0..1000_u32).map(|n| state.hash_one((n, n / 7)));
        let all: BTreeSet<u64> = hashes.collect();
        assert_eq!(all.len(), 1000);
        // Where a map of 1,024 places and the tags of its entries look.
        let low: BTreeSet<u64> = all.iter().map(|hash| hash % 1024).collect();
        let high: BTreeSet<u64> = all.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 500, "{}", low.len());
        assert!(high.len() > 100, "{}", high.len());
    }
}
