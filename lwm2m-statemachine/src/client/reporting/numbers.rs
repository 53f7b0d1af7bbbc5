//! The Observe numbers of answers and notifications (RFC 7641 §3.4, §4.4).

/// Holds the last number used. One sequence is for all observations, so that the numbers of each grow,
/// even when a new request reuses a token.
#[derive(Debug, Default)]
pub(super) struct Numbers(u32);

impl Numbers {
    /// The next number: 24 bits.
    pub(super) const fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(1) & 0x00ff_ffff;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7641 §3.4, §4.4: numbers rise within 24 bits, and begin anew after them.
    #[test]
    fn numbers_begin_anew_after_24_bits() {
        let mut numbers = Numbers(0x00ff_fffe);
        let numbers = [(); 3].map(|()| numbers.next());
        assert_eq!(numbers, [0x00ff_ffff, 0, 1]);
    }
}
