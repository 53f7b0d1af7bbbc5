//! Which notification is newer (RFC 7641 §3.4).

use core::time::Duration;

use lwm2m_core::Instant;

/// The newest answer of an observation so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    sequence: u32,
    /// Until when sequence numbers decide whether another answer is newer. After that any answer is
    /// newer.
    ordered_until: Instant,
}

impl Newest {
    /// How long the sequence numbers of two answers can be compared.
    const ORDERED: Duration = Duration::from_secs(128);

    pub(crate) fn new(sequence: u32, now: Instant) -> Self {
        Self {
            sequence,
            ordered_until: now + Self::ORDERED,
        }
    }

    /// An answer that arrived `age` ago, maybe by another clock; `None` if any answer is newer.
    pub(crate) fn aged(sequence: u32, age: Duration, now: Instant) -> Option<Self> {
        let rest = Self::ORDERED.checked_sub(age)?;
        Some(Self {
            sequence,
            ordered_until: now + rest,
        })
    }

    pub(crate) const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// How long ago it arrived.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        let rest = self.ordered_until.saturating_duration_since(now);
        let over = now.saturating_duration_since(self.ordered_until);
        Self::ORDERED.saturating_sub(rest).saturating_add(over)
    }

    /// Whether an answer that arrives now is newer.
    pub(crate) fn is_before(&self, sequence: u32, now: Instant) -> bool {
        const HALF: u32 = 1 << 23;
        let ahead = sequence.wrapping_sub(self.sequence) & 0x00ff_ffff;
        (ahead > 0 && ahead < HALF) || now > self.ordered_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Instant = Instant::from_secs;

    /// The rule of RFC 7641 §3.4 as it is written there.
    #[test]
    fn newer_is_what_the_rfc_says() {
        let numbers = [
            0,
            1,
            2,
            (1 << 23) - 1,
            1 << 23,
            (1 << 23) + 1,
            (1 << 24) - 1,
        ];
        for v1 in numbers {
            for v2 in numbers {
                for t2 in [0, 128, 129] {
                    let rule = (v1 < v2 && v2 - v1 < 1 << 23)
                        || (v1 > v2 && v1 - v2 > 1 << 23)
                        || t2 > 128;
                    let newest = Newest::new(v1, AT(0));
                    assert_eq!(newest.is_before(v2, AT(t2)), rule, "{v1} {v2} {t2}");
                }
            }
        }
    }

    /// Whatever the clock shows: it may begin anew.
    #[test]
    fn an_age_is_as_good_as_the_moment() {
        for (began, age) in [(1000, 0), (1000, 100), (1000, 128), (0, 100)] {
            let newest = Newest::aged(7, Duration::from_secs(age), AT(began)).unwrap();
            let rest = 128 - age;
            assert!(!newest.is_before(7, AT(began + rest)));
            assert!(newest.is_before(7, AT(began + rest + 1)));
            assert!(newest.is_before(8, AT(began)));
            for later in [0, 1, 300] {
                let expected = Duration::from_secs(age + later);
                assert_eq!(newest.age(AT(began + later)), expected);
            }
        }
        assert_eq!(Newest::aged(7, Duration::from_secs(129), AT(1000)), None);
    }
}
