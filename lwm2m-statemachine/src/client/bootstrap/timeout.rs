//! Bootstrap-Server Account Timeout (TS E.1, Resource 12).

use core::time::Duration;

use lwm2m_core::Instant;

use super::super::event::AccountId;

/// When the account of the Bootstrap-Server is purged.
#[derive(Debug, Default)]
pub(super) struct AccountTimeout(Option<(AccountId, Instant)>);

impl AccountTimeout {
    /// A bootstrap has succeeded: the time begins, if there is one.
    pub(super) fn begin(&mut self, now: Instant, account: AccountId, seconds: Option<u32>) {
        let seconds = seconds.filter(|seconds| *seconds > 0);
        self.0 = seconds.map(|seconds| (account, now + Duration::from_secs(seconds.into())));
    }

    /// It goes on after a restart.
    pub(super) fn resume(&mut self, now: Instant, account: AccountId, remaining: Duration) {
        self.0 = Some((account, now + remaining));
    }

    /// The account is gone, or there is nothing to purge any more.
    pub(super) const fn end(&mut self) {
        self.0 = None;
    }

    pub(super) const fn account(&self) -> Option<AccountId> {
        match self.0 {
            Some((account, _)) => Some(account),
            None => None,
        }
    }

    pub(super) const fn due(&self) -> Option<Instant> {
        match self.0 {
            Some((_, due)) => Some(due),
            None => None,
        }
    }

    /// How long it still runs.
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.due().map(|due| due.saturating_duration_since(now))
    }
}
