//! When what has failed is tried again: a registration, a bootstrap.

use core::time::Duration;

use lwm2m_core::{Code, Instant};

use super::{
    config::Backoff,
    span::{Downtime, Span},
};
use crate::{coap::MessageRef, machine::Random};

/// How long to wait after failures in a row.
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) backoff: Backoff,
    pub(crate) random: Random,
}

impl Retry {
    /// How long to wait after a failure that follows this many others. Half of it is random, so
    /// that a fleet does not come back all at once.
    fn after(&mut self, failures: u32) -> Duration {
        let doubled = self.backoff.first.saturating_mul(1 << failures.min(20));
        let full = doubled.min(self.backoff.most);
        let jitter = u32::try_from(self.random.next_u64() >> 48).unwrap_or(0);
        let wait = full / 2 + (full / 2).saturating_mul(jitter) / 0x1_0000;
        // Never zero, whatever the configuration says: a request that can't be sent would be
        // retried in an endless loop.
        wait.max(Duration::from_millis(1))
    }
}

/// The longest wait that a server can ask for. Max-Age has 32 bits, and a device that came back only after 136
/// years would be lost by one wrong answer.
const LONGEST_ASKED: Duration = Duration::from_secs(86_400);

/// How many other failures a refusal counts for.
const REFUSAL: u32 = 4;

/// The failures in a row of one registration, or of bootstraps.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: u32,
    /// When the next attempt begins.
    next: Option<Instant>,
    /// Until when the server wants none (RFC 7252 §5.9.3.4).
    not_before: Option<Instant>,
}

impl Attempts {
    /// One more has failed. The next one begins after a wait, which is at least as long as the server asks for,
    /// up to a day. After a refusal it is as long as after a row of other failures: the server has judged, and
    /// won't soon judge otherwise.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        retry: &mut Retry,
        is_refused: bool,
        at_least: Duration,
    ) -> Instant {
        let row = if is_refused { REFUSAL } else { 0 };
        let own = now + retry.after(self.failures.saturating_add(row));
        if !at_least.is_zero() {
            self.not_before = Some(now + at_least.min(LONGEST_ASKED));
        }
        let next = self.not_before.map_or(own, |at| at.max(own));
        self.failures = self.failures.saturating_add(1);
        self.next = Some(next);
        next
    }

    /// When the next attempt begins, if one is waited for.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whether the next attempt is still waited for.
    pub(super) fn waits(&mut self, now: Instant) -> bool {
        if self.next.is_some_and(|next| next <= now) {
            self.next = None;
        }
        if self.not_before.is_some_and(|at| at <= now) {
            self.not_before = None;
        }
        self.next.is_some()
    }

    /// The next attempt may begin, if the server doesn't want it to wait. It is still one more in the row.
    pub(super) const fn end_wait(&mut self) {
        self.next = self.not_before;
    }

    /// The server itself asks for the next attempt, whatever it has said before. It is still one more in the row.
    pub(super) const fn take_back_wait(&mut self) {
        self.not_before = None;
        self.next = None;
    }

    /// What has failed says nothing of the next attempt, but what the server has said counts.
    pub(super) const fn forget_failures(&mut self) {
        self.failures = 0;
        self.end_wait();
    }
}

/// What of [`Attempts`] outlasts a restart: not the wait that the Client has chosen, since a start doesn't wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct AttemptsRecord {
    failures: u32,
    /// For how long the server wants no further request.
    not_for: Option<Span>,
}

impl Attempts {
    pub(super) fn record(&self, now: Instant) -> AttemptsRecord {
        AttemptsRecord {
            failures: self.failures,
            not_for: self.not_before.map(|at| Span::until(at, now)),
        }
    }

    /// If it isn't known how long nothing ran, what the server has asked for isn't known to be still of worth.
    pub(super) fn restored(record: AttemptsRecord, downtime: Downtime) -> Self {
        let longest = downtime.now + LONGEST_ASKED;
        let not_before = record.not_for.and_then(|left| downtime.until(left));
        let not_before = not_before.map(|at| at.min(longest));
        Self {
            failures: record.failures,
            next: not_before,
            not_before,
        }
    }
}

/// For how long a server wants no further request (RFC 7252 §5.9.3.4).
pub(super) fn retry_after(response: &MessageRef<'_>) -> Duration {
    if response.code() == Code::SERVICE_UNAVAILABLE {
        Duration::from_secs(response.max_age().into())
    } else {
        Duration::ZERO
    }
}
