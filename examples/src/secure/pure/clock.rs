//! The time of the machines as the library takes it.

use core::time::Duration;
use std::time;

use lwm2m_core::Instant;

/// Maps the one onto the other. The library wants the operating system's type, but never asks it for
/// the time: so virtual time works.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// What the machines call zero.
    zero: time::Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            zero: time::Instant::now(),
        }
    }

    /// The library's name for this moment.
    pub(super) fn moment(self, now: Instant) -> time::Instant {
        let passed = Duration::from_millis(now.as_millis());
        self.zero.checked_add(passed).unwrap_or(self.zero)
    }

    /// The machines' name for a moment; the first that isn't before it.
    pub(super) fn instant(self, moment: time::Instant) -> Instant {
        let passed = moment.saturating_duration_since(self.zero);
        let millis = passed.as_nanos().div_ceil(1_000_000);
        Instant::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_never_called_earlier_than_it_is() {
        let clock = Clock::start();
        for millis in [0, 1, 999, 1 << 40] {
            let now = Instant::from_millis(millis);
            assert_eq!(clock.instant(clock.moment(now)), now);
            let later = clock.moment(now) + Duration::from_nanos(1);
            assert_eq!(clock.instant(later), Instant::from_millis(millis + 1));
        }
        assert_eq!(clock.moment(Instant::MAX), clock.moment(Instant::MAX));
    }
}
