//! Times in a snapshot. It has no moments, because the clock begins anew with a restart.

use core::time::Duration;

use lwm2m_core::Instant;

use crate::machine::Past;

/// How long something takes, or has taken, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub(super) struct Span(u64);

/// A restart: the clock of now, and for how long nothing ran, if that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Downtime {
    pub(super) now: Instant,
    pub(super) elapsed: Option<Duration>,
}

impl Span {
    /// What is left until then.
    pub(super) fn until(then: Instant, now: Instant) -> Self {
        Self::of(then.saturating_duration_since(now))
    }

    pub(super) fn of(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Downtime {
    /// When it will be over, if so much was left of it; `None` if it is over, or perhaps is.
    pub(super) fn until(self, left: Span) -> Option<Instant> {
        let left = left.as_duration().checked_sub(self.elapsed?)?;
        (!left.is_zero()).then(|| self.now + left)
    }

    /// The same, but what wasn't over then isn't over now if nobody knows.
    pub(super) fn until_at_latest(self, left: Span) -> Instant {
        let elapsed = self.elapsed.unwrap_or_default();
        self.now + left.as_duration().saturating_sub(elapsed)
    }

    /// When it was, if it had this age.
    pub(super) fn past(self, age: Span) -> Past {
        let elapsed = self.elapsed.unwrap_or_default();
        Past::before(self.now, age.as_duration().saturating_add(elapsed))
    }
}
