//! What servers would have been notified of while they were disabled, until they observe the same again.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::time::Duration;

use lwm2m_core::{ContentFormat, Instant, Path};

use super::{super::event::AccountId, schedule::Told, stored::Stored};
use crate::machine::Past;

/// What is kept for all accounts.
#[derive(Debug, Default)]
pub(super) struct Kept {
    by_account: BTreeMap<AccountId, KeptFor>,
}

/// What is kept for the server of one account.
#[derive(Debug, Default)]
pub(super) struct KeptFor {
    /// One for each path and format.
    pub(super) all: Vec<KeptObservation>,
    /// How many had to go.
    pub(super) dropped: u64,
    /// When the next of them goes, as the machine's timer queue has it.
    pub(super) armed: Option<Instant>,
}

/// The notifications of an observation that the server had.
#[derive(Debug)]
pub(super) struct KeptObservation {
    pub(super) path: Path,
    /// Of the payloads: all notifications of an observation have one (RFC 7641 §4.2).
    pub(super) format: ContentFormat,
    /// For how long after a Register they wait, and until when they do.
    pub(super) within: Duration,
    pub(super) until: Instant,
    /// The oldest first.
    pub(super) notifications: VecDeque<KeptNotification>,
}

/// A notification that was stored.
#[derive(Debug)]
pub(super) struct KeptNotification {
    /// When it would have been sent.
    pub(super) at: Past,
    pub(super) payload: Vec<u8>,
    pub(super) told: Told,
}

impl Kept {
    /// How many are kept for an account, and how many had to go.
    pub(super) fn count(&self, account: AccountId) -> (usize, u64) {
        let kept = self.by_account.get(&account);
        kept.map_or((0, 0), |kept| (kept.len(), kept.dropped))
    }

    /// How many are kept for all accounts.
    pub(super) fn len(&self) -> usize {
        self.by_account.values().map(KeptFor::len).sum()
    }

    /// The server has registered at `now`: these are kept for it, with those that it hasn't asked for yet. Others had to
    /// go before.
    pub(super) fn begin(
        &mut self,
        account: AccountId,
        new: Vec<KeptObservation>,
        dropped: u64,
        now: Instant,
    ) {
        let kept = self.by_account.entry(account).or_default();
        kept.add(new, dropped);
        for known in &mut kept.all {
            known.until = now + known.within;
        }
    }

    /// These were kept before a restart.
    pub(super) fn restore(&mut self, account: AccountId, all: Vec<KeptObservation>, dropped: u64) {
        let kept = self.by_account.entry(account).or_default();
        kept.add(all, dropped);
    }

    /// What is stored and what is kept for an account have the bounds together: over them, the oldest ones go. Returns
    /// whether any that were kept have gone.
    pub(super) fn bound(&mut self, stored: &mut Stored, account: AccountId) -> bool {
        let mut kept = self.by_account.get_mut(&account);
        let mut has_gone = false;
        while stored.is_over(account, kept.as_deref().map_or((0, 0), KeptFor::size)) {
            let first_kept = kept.as_deref().and_then(KeptFor::first_at);
            let first_stored = stored.first_at(account);
            match (&mut kept, first_kept) {
                (Some(kept), Some(at)) if first_stored.is_none_or(|stored| at <= stored) => {
                    kept.drop_oldest();
                    has_gone = true;
                }
                _ => stored.drop_first(account),
            }
        }
        if let Some(kept) = kept {
            kept.all.retain(|known| !known.notifications.is_empty());
        }
        has_gone
    }

    /// Whether something that is kept for an account waits for the next Register.
    pub(super) fn waits_for_register(&self, account: AccountId) -> bool {
        let kept = self.by_account.get(&account);
        kept.is_some_and(|kept| kept.armed.is_none() && !kept.all.is_empty())
    }

    /// What is kept for each account.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AccountId, &KeptFor)> {
        self.by_account
            .iter()
            .map(|(account, kept)| (*account, kept))
    }

    /// The server observes a path in a format: what is kept of it.
    pub(super) fn take(
        &mut self,
        account: AccountId,
        path: Path,
        format: ContentFormat,
    ) -> Option<KeptObservation> {
        let kept = self.by_account.get_mut(&account)?;
        let is_meant = |known: &mut KeptObservation| known.is_of(path, format);
        kept.all.extract_if(.., is_meant).next()
    }

    /// What the server hasn't asked for in time goes.
    pub(super) fn expire(&mut self, account: AccountId, now: Instant) {
        if let Some(kept) = self.by_account.get_mut(&account) {
            kept.drop_those(|known| known.until <= now);
        }
    }

    /// All that is kept for an account goes.
    pub(super) fn drop_all(&mut self, account: AccountId) {
        if let Some(kept) = self.by_account.get_mut(&account) {
            kept.drop_those(|_| true);
        }
    }

    /// When the next of them goes.
    pub(super) fn next(&self, account: AccountId) -> Option<Instant> {
        let kept = self.by_account.get(&account)?;
        kept.all.iter().map(|known| known.until).min()
    }

    /// What is kept for an account, for its timer.
    pub(super) fn get_mut(&mut self, account: AccountId) -> Option<&mut KeptFor> {
        self.by_account.get_mut(&account)
    }

    /// If nothing is kept for an account any more: how many had to go.
    pub(super) fn end(&mut self, account: AccountId) -> Option<u64> {
        let is_empty = |kept: &KeptFor| kept.all.is_empty();
        self.by_account
            .get(&account)
            .filter(|kept| is_empty(kept))?;
        Some(self.by_account.remove(&account)?.dropped)
    }
}

impl KeptObservation {
    fn is_of(&self, path: Path, format: ContentFormat) -> bool {
        self.path == path && self.format == format
    }

    fn first_at(&self) -> Option<Past> {
        self.notifications.front().map(|first| first.at)
    }
}

impl KeptFor {
    fn add(&mut self, all: Vec<KeptObservation>, dropped: u64) {
        self.dropped = self.dropped.saturating_add(dropped);
        for new in all {
            match self.find_mut(new.path, new.format) {
                Some(known) => {
                    known.within = new.within;
                    known.notifications.extend(new.notifications);
                }
                None => self.all.push(new),
            }
        }
    }

    fn find_mut(&mut self, path: Path, format: ContentFormat) -> Option<&mut KeptObservation> {
        let mut all = self.all.iter_mut();
        all.find(|known| known.is_of(path, format))
    }

    fn len(&self) -> usize {
        let each = self.all.iter().map(|known| known.notifications.len());
        each.sum()
    }

    /// How many there are, and how many bytes of payload they have.
    fn size(&self) -> (usize, usize) {
        let all = self.all.iter().flat_map(|known| &known.notifications);
        let bytes = all.map(|stored| stored.payload.len()).sum();
        (self.len(), bytes)
    }

    /// When the oldest one would have been sent.
    fn first_at(&self) -> Option<Past> {
        self.all.iter().filter_map(KeptObservation::first_at).min()
    }

    fn drop_oldest(&mut self) {
        let all = self.all.iter_mut();
        let all = all.filter(|known| !known.notifications.is_empty());
        let oldest = all.min_by_key(|known| known.first_at());
        let dropped = oldest.and_then(|known| known.notifications.pop_front());
        self.dropped = self.dropped.saturating_add(dropped.is_some().into());
    }

    fn drop_those(&mut self, go: impl Fn(&KeptObservation) -> bool) {
        let gone = self.all.extract_if(.., |known| go(known));
        for known in gone {
            let count = u64::try_from(known.notifications.len()).unwrap_or(u64::MAX);
            self.dropped = self.dropped.saturating_add(count);
        }
    }
}
