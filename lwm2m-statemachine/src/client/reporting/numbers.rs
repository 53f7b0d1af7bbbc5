//! The Observe numbers of answers and notifications (RFC 7641 §3.4, §4.4).

use super::super::span::Downtime;

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

/// How many more numbers are passed over after a restart. A clock may tell whole seconds only.
const MARGIN: u32 = 4096;

impl Numbers {
    /// The last number used.
    pub(super) const fn record(&self) -> u32 {
        self.0
    }

    /// Goes on after a restart. The device may have sent notifications after it has saved the number, but none more
    /// often than once in a millisecond: so all of these are older than the next one, as are those sent after another
    /// restart with the same number. The numbers of 128 seconds, after which a server takes any number for newer, are
    /// far from half of all (RFC 7641 §3.4).
    pub(super) fn restored(number: u32, downtime: Downtime) -> Self {
        let elapsed = downtime.elapsed.unwrap_or_default().as_millis() & 0x00ff_ffff;
        let elapsed = u32::try_from(elapsed).unwrap_or(0);
        let passed = number.wrapping_add(MARGIN).wrapping_add(elapsed);
        Self(passed & 0x00ff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use lwm2m_core::Instant;

    use super::*;

    /// RFC 7641 §3.4.
    fn is_newer(new: u32, old: u32) -> bool {
        let half = 1 << 23;
        new > old && new - old < half || old > new && old - new > half
    }

    /// Whatever was sent between the snapshot and the power cut, and after another restart from it.
    #[test]
    fn a_number_after_a_restart_is_newer_than_all_before() {
        for saved in [0, 1, 0x007f_ffff, 0x00ff_fffe, 0x00ff_ffff] {
            let mut newest = Numbers(saved);
            for millis in [0, 1, 1_000, 60_000, 127_000, 127_900] {
                let restored = || {
                    let downtime = Downtime {
                        now: Instant::ZERO,
                        elapsed: Some(Duration::from_millis(millis)),
                    };
                    Numbers::restored(saved, downtime)
                };
                // Those of a second, which a coarse clock doesn't tell.
                let mut next = restored();
                if millis > 0 {
                    assert!(is_newer(next.next(), newest.record()), "{saved} {millis}");
                } else {
                    assert!(is_newer(next.next(), saved));
                }
                newest = restored();
                newest.next();
            }
        }
    }

    #[test]
    fn more_numbers_are_passed_over_than_can_be_sent() {
        let downtime = |millis| Downtime {
            now: Instant::ZERO,
            elapsed: Some(Duration::from_millis(millis)),
        };
        for sent in [0, 1, 4000, 64_000] {
            let mut before = Numbers(0x00ff_fff0);
            for _ in 0..sent {
                before.next();
            }
            let mut after = Numbers::restored(0x00ff_fff0, downtime(sent));
            assert!(is_newer(after.next(), before.record()), "{sent}");
        }
        // The application doesn't know.
        let unknown = Downtime {
            now: Instant::ZERO,
            elapsed: None,
        };
        assert!(is_newer(Numbers::restored(7, unknown).next(), 7));
    }

    /// RFC 7641 §3.4, §4.4: numbers rise within 24 bits, and begin anew after them.
    #[test]
    fn numbers_begin_anew_after_24_bits() {
        let mut numbers = Numbers(0x00ff_fffe);
        let numbers = [(); 3].map(|()| numbers.next());
        assert_eq!(numbers, [0x00ff_ffff, 0, 1]);
    }
}
