//! Servers whose accounts come from a smartcard (TS 5.2.3.2).

use alloc::collections::{BTreeMap, BTreeSet};
use core::{mem, time::Duration};

#[cfg(feature = "smartcard")]
use lwm2m_core::{InstanceId, ObjectId};
use lwm2m_core::{Instant, Path};

use super::super::{accounts::Account, event::AccountId};
#[cfg(feature = "smartcard")]
use super::super::{
    retry::{Attempts, Retry},
    timers::{Timer, Timers},
};
#[cfg(feature = "smartcard")]
use crate::smartcard::CardContents;

/// How long a look at the card before a connection counts for the Register or the Update on it: a handshake that loses
/// two flights takes 7 seconds (RFC 6347 §4.2.4.1).
const COUNTS_FOR: Duration = Duration::from_secs(10);

/// Holds back what would be sent to a server from the card until the application has looked at the card:
/// the connection, and each Register and Update. The first of these on a connection that is up soon needs no look of
/// its own.
#[derive(Debug, Default)]
pub(in crate::client) struct CardWatch {
    #[cfg(feature = "smartcard")]
    contents: CardContents,
    /// The accounts that wait for a look at the card.
    waiting: BTreeSet<AccountId>,
    /// Those that the look has cleared for what they send now.
    cleared: BTreeSet<AccountId>,
    /// Until when the look before a connection counts for what is sent on it first.
    connecting: BTreeMap<AccountId, Instant>,
    /// Whether the application knows that it is to look.
    is_asked: bool,
    /// When the application is asked again, as the card couldn't be read.
    #[cfg(feature = "smartcard")]
    again: Attempts,
    #[cfg(feature = "smartcard")]
    armed: Option<Instant>,
}

impl CardWatch {
    /// Whether a connection to the server of an account may be asked for. If not, the account waits.
    pub(super) fn allows_connection(&mut self, account: &Account, now: Instant) -> bool {
        let allows = self.allows_unseen(account);
        if allows && self.provides(account) {
            self.connecting.insert(account.id, now + COUNTS_FOR);
        }
        allows
    }

    /// Whether a Register or an Update may be sent to the server of an account. If not, the account waits.
    pub(super) fn allows(&mut self, account: &Account, now: Instant) -> bool {
        let until = self.connecting.remove(&account.id);
        until.is_some_and(|until| now < until) || self.allows_unseen(account)
    }

    fn allows_unseen(&mut self, account: &Account) -> bool {
        if !self.provides(account) || self.cleared.remove(&account.id) {
            return true;
        }
        self.waiting.insert(account.id);
        false
    }

    /// Whether an account waits for a look at the card.
    pub(super) fn holds(&self, account: AccountId) -> bool {
        self.waiting.contains(&account)
    }

    /// Whether the application is to be asked, once.
    pub(super) fn asks(&mut self) -> bool {
        !self.waiting.is_empty() && !mem::replace(&mut self.is_asked, true)
    }
}

/// Without a smartcard.
#[cfg(not(feature = "smartcard"))]
#[expect(clippy::unused_self, reason = "it has no contents")]
impl CardWatch {
    pub(in crate::client) const fn supersede(&self, _: &[Path]) {}

    const fn provides(&self, _: &Account) -> bool {
        false
    }
}

#[cfg(feature = "smartcard")]
impl CardWatch {
    /// What the tree has from the card.
    pub(in crate::client) const fn contents(&self) -> &CardContents {
        &self.contents
    }

    pub(in crate::client) fn set_contents(&mut self, contents: CardContents) {
        self.contents = contents;
    }

    /// The application has just looked, so what now waits needs no other look.
    pub(in crate::client) fn looked(&mut self, timers: &mut Timers, contents: CardContents) {
        self.contents = contents;
        self.is_asked = true;
        self.again = Attempts::default();
        timers.set(Timer::Smartcard, &mut self.armed, None);
    }

    /// The application couldn't look. What waits goes on waiting, and the application is asked again at the moment
    /// that is returned.
    pub(super) fn unread(
        &mut self,
        now: Instant,
        retry: &mut Retry,
        timers: &mut Timers,
    ) -> Instant {
        self.is_asked = true;
        let next = self.again.fail(now, retry, false, Duration::ZERO);
        timers.set(Timer::Smartcard, &mut self.armed, Some(next));
        next
    }

    /// It is the moment. Returns whether the application is asked: it is if it wants registrations.
    pub(super) const fn asks_again(&mut self, is_started: bool) -> bool {
        self.armed = None;
        self.is_asked = is_started;
        is_started
    }

    /// Object Instances that others have deleted or written, though the card has them.
    pub(in crate::client) fn supersede(&mut self, paths: &[Path]) {
        for path in paths {
            if let Path::Instance(object, instance) = path {
                self.contents.supersede(*object, *instance);
            }
        }
    }

    /// The application has looked: those that wait may send what they wait to send, and nothing later.
    pub(super) fn clear(&mut self, now: Instant) -> BTreeSet<AccountId> {
        self.connecting.retain(|_, until| now < *until);
        self.is_asked = false;
        self.cleared = mem::take(&mut self.waiting);
        self.cleared.clone()
    }

    /// They have sent it.
    pub(super) fn end_clearance(&mut self) {
        self.cleared.clear();
    }

    fn provides(&self, account: &Account) -> bool {
        let provides = |object, instance: InstanceId| self.contents.provides(object, instance);
        provides(ObjectId::SECURITY, account.id.instance())
            || account
                .server_instance
                .is_some_and(|instance| provides(ObjectId::SERVER, instance))
    }
}
