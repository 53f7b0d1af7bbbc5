//! What of the Bootstrap interface outlasts a restart: the decision that a bootstrap is needed, and when the account of
//! the Bootstrap-Server is purged. A bootstrap that is under way doesn't: it is rolled back.

use alloc::vec::Vec;
use core::time::Duration;

use lwm2m_core::{InstanceId, Instant};
use lwm2m_objects::{ObjectTree, Typed as _, typed::Security};

use super::{
    super::{
        accounts,
        event::AccountId,
        mark::Mark,
        span::{Downtime, Span},
    },
    advancing::bootstrap_server,
    context::Context,
    parts::Bootstrap,
    sequence::SequenceRecord,
};

/// The Bootstrap interface, in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in crate::client) struct BootstrapRecord {
    sequence: SequenceRecord,
    failures: Vec<FailedRecord>,
    timeout: Option<TimeoutRecord>,
}

/// How often an account has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct FailedRecord {
    account: InstanceId,
    mark: Mark,
    count: u32,
}

/// For how long the account of the Bootstrap-Server is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct TimeoutRecord {
    account: InstanceId,
    mark: Mark,
    left: Span,
}

impl Bootstrap {
    /// The Endpoint Client Name.
    pub(in crate::client) fn endpoint(&self) -> &str {
        self.terms.endpoint.as_str()
    }

    /// What outlasts a restart. While a bootstrap is under way, that is what was before.
    pub(in crate::client) fn record(&self, tree: &ObjectTree, now: Instant) -> BootstrapRecord {
        let mark = |account| Mark::of(tree.settled(), account);
        let failures = self.failures.counts().filter_map(|(account, count)| {
            Some(FailedRecord {
                account: account.instance(),
                mark: mark(account)?,
                count,
            })
        });
        let timeout = self.timeout.account().zip(self.timeout.remaining(now));
        let timeout = timeout.and_then(|(account, left)| {
            Some(TimeoutRecord {
                account: account.instance(),
                mark: mark(account)?,
                left: Span::of(left),
            })
        });
        BootstrapRecord {
            sequence: self.sequence.record(now),
            failures: failures.collect(),
            timeout,
        }
    }

    /// Goes on with what was kept, as far as it is about accounts that are still what they were.
    pub(in crate::client) fn restore(
        &mut self,
        context: &mut Context<'_>,
        record: &BootstrapRecord,
        downtime: Downtime,
    ) {
        for failed in &record.failures {
            let account = AccountId::new(failed.account);
            let key = self.terms.digest_key;
            let access = accounts::access(&*context.tree, account, key);
            if Mark::of(&*context.tree, account) == Some(failed.mark) {
                self.failures.restore(account, access, failed.count);
            }
        }
        if let Some((_, security)) = bootstrap_server(context) {
            let hold_off = Duration::from_secs(security.client_hold_off_time.unwrap_or(0).into());
            self.sequence.restore(&record.sequence, downtime, hold_off);
        }
        if let Some(timeout) = &record.timeout {
            self.restore_timeout(context, timeout, downtime);
        }
        self.rearm(context);
    }

    /// The account is kept no longer than it would be after a bootstrap of now.
    fn restore_timeout(
        &mut self,
        context: &Context<'_>,
        timeout: &TimeoutRecord,
        downtime: Downtime,
    ) {
        let account = AccountId::new(timeout.account);
        let security = Security::load(&*context.tree, account.instance());
        let longest = security
            .filter(|security| security.bootstrap_server)
            .and_then(|security| security.bootstrap_account_timeout)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into()));
        if let Some(longest) = longest
            && Mark::of(&*context.tree, account) == Some(timeout.mark)
        {
            let due = downtime.until_at_latest(timeout.left);
            let remaining = due.saturating_duration_since(context.now).min(longest);
            self.timeout.resume(context.now, account, remaining);
        }
    }
}
