//! Randomness from the one seed of a machine.

use core::{fmt, hash::BuildHasher};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use siphasher::sip::SipHasher13;

/// A cryptographically strong generator: its output so far doesn't reveal what follows.
#[derive(Clone)]
pub(crate) struct Random {
    generator: ChaCha12Rng,
}

impl Random {
    /// The generator of this seed.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            generator: ChaCha12Rng::from_seed(seed),
        }
    }

    /// A seed for a part of the machine.
    #[cfg(any(feature = "client", feature = "server", feature = "bootstrap-server"))]
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.generator.fill_bytes(&mut seed);
        seed
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        self.generator.next_u32()
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }

    pub(crate) fn next_u16(&mut self) -> u16 {
        let [low, high, ..] = self.next_u32().to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// A number from 0 to `limit`, both included.
    pub(crate) fn up_to(&mut self, limit: u64) -> u64 {
        let scaled = (u128::from(self.next_u64()) * (u128::from(limit) + 1)) >> 64;
        u64::try_from(scaled).unwrap_or(limit)
    }

    /// Keys for hash maps whose keys peers choose.
    pub(crate) fn hash_keys(&mut self) -> KeyedState {
        KeyedState {
            keys: (self.next_u64(), self.next_u64()),
        }
    }
}

impl fmt::Debug for Random {
    /// Without its state: that is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

/// Hashes with keys from the seed: peers can't aim at collisions, and a run can be repeated.
#[derive(Clone, Copy)]
pub(crate) struct KeyedState {
    keys: (u64, u64),
}

impl fmt::Debug for KeyedState {
    /// Without the keys: they are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedState").finish_non_exhaustive()
    }
}

impl KeyedState {
    /// The hash of two numbers of which peers choose few bits, in one multiplication.
    pub(crate) fn hash_numbers(self, a: u64, b: u64) -> u64 {
        let product = u128::from(a ^ self.keys.0).wrapping_mul(u128::from(b ^ self.keys.1));
        let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
        u64::try_from(low ^ high).unwrap_or(0)
    }
}

impl BuildHasher for KeyedState {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.keys.0, self.keys.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_all() {
        let (mut a, mut b) = (Random::new([7; 32]), Random::new([7; 32]));
        assert_eq!(a.next_u64(), b.next_u64());
        #[cfg(any(feature = "client", feature = "server", feature = "bootstrap-server"))]
        assert_eq!(a.seed(), b.seed());
        assert_eq!(a.hash_keys().hash_one(3_u8), b.hash_keys().hash_one(3_u8));
        let mut c = Random::new([8; 32]);
        assert_ne!(a.next_u64(), c.next_u64());
    }

    #[test]
    fn numbers_stay_within_their_limit() {
        let mut random = Random::new([1; 32]);
        let mut seen = [false; 4];
        for _ in 0..200 {
            let number = random.up_to(3);
            seen[usize::try_from(number).unwrap()] = true;
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!(random.up_to(0), 0);
        random.up_to(u64::MAX);
    }
}
