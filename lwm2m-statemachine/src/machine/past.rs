//! Moments that have passed, perhaps before the clock began.

use core::time::Duration;

use lwm2m_core::Instant;

/// A moment that has passed. After a restart of the device it may lie before the moment that its clock counts
/// from, where there is no [`Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Past {
    /// Milliseconds after [`Instant::ZERO`], or before it.
    millis: i64,
}

impl Past {
    /// So long before this moment.
    #[cfg(any(feature = "client", feature = "server"))]
    pub(crate) fn before(now: Instant, age: Duration) -> Self {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let Self { millis } = now.into();
        Self {
            millis: millis.saturating_sub(age),
        }
    }

    /// How long ago it was; zero if it is to come.
    pub(crate) fn age(self, now: Instant) -> Duration {
        let Self { millis } = now.into();
        let age = millis.saturating_sub(self.millis);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    /// The moment that is so much later; [`Instant::ZERO`] if that was before the clock began.
    #[cfg(any(feature = "client", feature = "server"))]
    pub(crate) fn after(self, duration: Duration) -> Instant {
        if let Ok(millis) = u64::try_from(self.millis) {
            return Instant::from_millis(millis) + duration;
        }
        let missing = Duration::from_millis(self.millis.unsigned_abs());
        Instant::ZERO + duration.saturating_sub(missing)
    }
}

impl From<Instant> for Past {
    fn from(instant: Instant) -> Self {
        Self {
            millis: i64::try_from(instant.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

#[cfg(all(test, any(feature = "client", feature = "server")))]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_moment_before_the_clock_began_has_its_age() {
        let now = Instant::from_secs(5);
        let past = Past::before(now, seconds(60));
        assert_eq!(past.age(now), seconds(60));
        assert_eq!(past.age(now + seconds(3)), seconds(63));
        assert_eq!(past.after(seconds(60)), now);
        assert_eq!(past.after(seconds(100)), now + seconds(40));
        assert_eq!(past.after(seconds(10)), Instant::ZERO);
        assert!(past < Past::from(Instant::ZERO));
    }

    #[test]
    fn a_moment_of_the_clock_is_what_it_was() {
        let then = Instant::from_secs(100);
        let past = Past::from(then);
        assert_eq!(past.after(Duration::ZERO), then);
        assert_eq!(past.age(Instant::from_secs(90)), Duration::ZERO);
        assert_eq!(past.age(Instant::from_secs(130)), seconds(30));
        assert_eq!(
            Past::before(then, seconds(20)).after(seconds(5)),
            Instant::from_secs(85)
        );
    }

    #[test]
    fn what_is_beyond_every_clock_is_held_at_its_ends() {
        let ages = [Duration::MAX, Duration::ZERO];
        for now in [Instant::ZERO, Instant::MAX] {
            for age in ages {
                let past = Past::before(now, age);
                for more in ages {
                    assert!(past.after(more) <= Instant::MAX);
                }
                assert!(past.age(now) <= Duration::from_millis(u64::MAX));
            }
        }
    }
}
