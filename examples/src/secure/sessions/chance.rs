//! Choices that nobody can foresee who doesn't know the seed.

/// Numbers that look random (SplitMix64).
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any of them.
    pub(super) fn pick(&mut self, all: &[u64]) -> Option<u64> {
        let count = u64::try_from(all.len()).ok()?;
        let index = self.next().checked_rem(count)?;
        all.get(usize::try_from(index).ok()?).copied()
    }
}
