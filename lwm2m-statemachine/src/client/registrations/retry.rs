//! When a registration that failed is tried again.

use core::time::Duration;

use crate::machine::Random;

/// How long to wait after failures in a row.
#[derive(Debug)]
pub(crate) struct Retry {
    /// After the first failure; it doubles with each further one.
    pub(crate) first: Duration,
    /// The longest wait.
    pub(crate) most: Duration,
    pub(crate) random: Random,
}

impl Retry {
    /// How long to wait after a failure that follows this many others. Half of it is random, so
    /// that a fleet does not come back all at once.
    pub(super) fn after(&mut self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.min(20));
        let full = doubled.min(self.most);
        let jitter = u32::try_from(self.random.next_u64() >> 48).unwrap_or(0);
        let wait = full / 2 + (full / 2).saturating_mul(jitter) / 0x1_0000;
        // Never zero, whatever the configuration says: a request that can't be sent would be
        // retried in an endless loop.
        wait.max(Duration::from_millis(1))
    }
}
