//! Moments of the machines' clock and of reported values.

use core::{
    fmt,
    ops::{Add, AddAssign, Sub},
    time::Duration,
};

/// A moment, in milliseconds since one of the caller's choice.
///
/// The machines never read a clock: every call that depends on time takes the time. The caller's
/// clock must not run backwards. If it does, a machine waits until the clock has caught up, and stays
/// sound.
///
/// ```
/// use core::time::Duration;
/// use lwm2m_core::Instant;
///
/// let now = Instant::from_millis(1_500);
/// let later = now + Duration::from_secs(2);
/// assert_eq!(later.saturating_duration_since(now), Duration::from_secs(2));
/// assert_eq!(now.saturating_duration_since(later), Duration::ZERO);
///
/// // Where there is a `std` clock:
/// let start = std::time::Instant::now();
/// let clock = || Instant::ZERO + start.elapsed();
/// assert!(clock() <= clock());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Instant {
    millis: u64,
}

impl Instant {
    /// The moment that the caller counts from.
    pub const ZERO: Self = Self::from_millis(0);
    /// The last moment: later than any deadline.
    pub const MAX: Self = Self::from_millis(u64::MAX);

    /// The moment this many milliseconds after [`ZERO`](Self::ZERO).
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// The moment this many seconds after [`ZERO`](Self::ZERO).
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_millis(seconds.saturating_mul(1_000))
    }

    /// Milliseconds since [`ZERO`](Self::ZERO).
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// The time since `earlier`; zero if that is later than this moment.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.millis.saturating_sub(earlier.millis))
    }
}

/// Full milliseconds of a duration, rounded up: a deadline is never early.
fn millis(duration: Duration) -> u64 {
    let part = duration.subsec_nanos().div_ceil(1_000_000);
    duration
        .as_secs()
        .saturating_mul(1_000)
        .saturating_add(u64::from(part))
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::MAX`]; a part of a millisecond is rounded up.
    fn add(self, duration: Duration) -> Self {
        Self::from_millis(self.millis.saturating_add(millis(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::ZERO`]; a part of a millisecond is rounded up.
    fn sub(self, duration: Duration) -> Self {
        Self::from_millis(self.millis.saturating_sub(millis(duration)))
    }
}

impl fmt::Display for Instant {
    /// Seconds with three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.millis / 1_000, self.millis % 1_000)
    }
}

/// When a reported value was valid (TS 6.4.4, Base Time plus Time), in seconds.
///
/// A time is one or the other, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Timestamp {
    /// Seconds since 1970-01-01 UTC; above zero.
    Absolute(f64),
    /// Seconds relative to the moment of the report; zero or below.
    Relative(f64),
}

impl Timestamp {
    /// The moment of the report itself.
    pub const NOW: Self = Self::Relative(0.0);

    /// The sum of Base Time and Time (TS 6.4.4): above zero, seconds since 1970-01-01 UTC;
    /// zero or below, seconds relative to the moment of the report. `None` if their sum isn't
    /// finite.
    ///
    /// ```
    /// use lwm2m_core::Timestamp;
    ///
    /// let reported = Timestamp::from_seconds(1_367_491_215.0);
    /// assert_eq!(reported, Some(Timestamp::Absolute(1_367_491_215.0)));
    /// assert_eq!(Timestamp::from_seconds(-5.0), Some(Timestamp::Relative(-5.0)));
    /// assert_eq!(Timestamp::from_seconds(f64::NAN), None);
    /// ```
    pub const fn from_seconds(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() {
            None
        } else if seconds > 0.0 {
            Some(Self::Absolute(seconds))
        } else {
            Some(Self::Relative(seconds))
        }
    }

    /// The seconds, as [`from_seconds`](Self::from_seconds) takes them.
    pub const fn seconds(self) -> f64 {
        match self {
            Self::Absolute(seconds) | Self::Relative(seconds) => seconds,
        }
    }
}

impl fmt::Display for Timestamp {
    /// Seconds: `1367491215` since 1970, `-5 from the report`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(seconds) => write!(f, "{seconds}"),
            Self::Relative(seconds) => write!(f, "{seconds} from the report"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn timestamps_are_told_in_seconds() {
        assert_eq!(
            Timestamp::Absolute(1_367_491_215.5).to_string(),
            "1367491215.5"
        );
        assert_eq!(Timestamp::Relative(-5.0).to_string(), "-5 from the report");
    }

    #[test]
    fn seconds_above_zero_are_absolute_and_others_relative() {
        for (seconds, timestamp) in [
            (1.0, Some(Timestamp::Absolute(1.0))),
            (
                f64::MIN_POSITIVE,
                Some(Timestamp::Absolute(f64::MIN_POSITIVE)),
            ),
            (f64::MAX, Some(Timestamp::Absolute(f64::MAX))),
            (0.0, Some(Timestamp::NOW)),
            (-0.5, Some(Timestamp::Relative(-0.5))),
            (f64::MIN, Some(Timestamp::Relative(f64::MIN))),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (f64::NEG_INFINITY, None),
        ] {
            assert_eq!(Timestamp::from_seconds(seconds), timestamp, "{seconds}");
            if let Some(timestamp) = timestamp {
                assert_eq!(timestamp.seconds().to_bits(), seconds.to_bits());
            }
        }
    }

    #[test]
    fn arithmetic_saturates_and_is_never_early() {
        assert_eq!(Instant::MAX + Duration::from_millis(1), Instant::MAX);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::ZERO - Duration::from_millis(1), Instant::ZERO);
        assert_eq!(
            Instant::ZERO + Duration::from_nanos(1),
            Instant::from_millis(1)
        );
        assert_eq!(
            Instant::ZERO + Duration::new(7, 999_000_001),
            Instant::from_millis(8_000)
        );
        assert_eq!(
            Instant::from_millis(1) + Duration::new(u64::MAX / 1_000, 615_000_000),
            Instant::MAX
        );
    }
}
