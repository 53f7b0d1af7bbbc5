//! Which servers have failed (TS 5.2.4, step 4).

use alloc::collections::BTreeMap;

use super::super::{
    accounts::Access,
    event::{AccountId, AccountStatus, FailureKind, RegistrationFailure, RegistrationState},
};

/// The failed attempts to register, in a row, of each server that is not registered.
#[derive(Debug)]
pub(super) struct Failures {
    of: BTreeMap<AccountId, Failed>,
    /// So many make a server a failed one.
    most: u32,
}

/// What has failed with one account.
#[derive(Clone, Copy, Debug)]
struct Failed {
    /// How the server was reached, or wasn't.
    access: Option<Access>,
    count: u32,
}

impl Failures {
    pub(super) const fn new(most: u32) -> Self {
        Self {
            of: BTreeMap::new(),
            most: if most == 0 { 1 } else { most },
        }
    }

    /// A server has accepted a Register.
    pub(super) fn registered(&mut self, account: AccountId) {
        self.of.remove(&account);
    }

    /// An attempt to register has failed, with this access.
    pub(super) fn failed(
        &mut self,
        account: AccountId,
        access: Option<Access>,
        reason: RegistrationFailure,
    ) {
        let counts = match reason {
            // The fault is the Client's, and passes.
            RegistrationFailure::Overload(_) => 0,
            reason if reason.kind() == FailureKind::Refused => self.most,
            _ => 1,
        };
        let failed = self.of.entry(account);
        let failed = failed.or_insert(Failed { access, count: 0 });
        failed.count = failed.count.saturating_add(counts);
    }

    /// The servers are others, or reached in another way: they may succeed now.
    pub(super) fn forget(&mut self) {
        self.of.clear();
    }

    /// Forgets accounts that are gone, and those that are reached in another way now: they may succeed.
    pub(super) fn retain(&mut self, access: impl Fn(AccountId) -> Option<Access>) {
        self.of.retain(|account, failed| {
            let access = access(*account);
            access.is_some() && access == failed.access
        });
    }

    /// Whether all have failed, or there is none. A server that is registered or disabled has not failed, nor has one
    /// with fewer failures than that; an account that can't be used has nothing to register with.
    pub(super) fn are_of_all(&self, accounts: &[AccountStatus]) -> bool {
        let stands = |account: &AccountStatus| {
            let failed = self.of.get(&account.id);
            let failures = failed.map_or(0, |failed| failed.count);
            match account.state {
                RegistrationState::Registered | RegistrationState::Disabled => true,
                RegistrationState::Resting => false,
                _ => account.server_instance.is_some() && failures < self.most,
            }
        };
        !accounts.iter().any(stands)
    }
}

/// What of it outlasts a restart.
impl Failures {
    /// How often each account has failed.
    pub(super) fn counts(&self) -> impl Iterator<Item = (AccountId, u32)> {
        self.of
            .iter()
            .map(|(account, failed)| (*account, failed.count))
    }

    /// An account has failed so often before a restart, and is reached in this way.
    pub(super) fn restore(&mut self, account: AccountId, access: Option<Access>, count: u32) {
        self.of.insert(account, Failed { access, count });
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::{Code, InstanceId};

    use super::*;
    use crate::client::event::AccountRole;

    fn account(id: u16) -> AccountId {
        AccountId::new(InstanceId::new(id).unwrap())
    }

    fn status(id: u16, state: RegistrationState) -> AccountStatus {
        AccountStatus {
            id: account(id),
            role: AccountRole::Unknown,
            server_instance: Some(InstanceId::ZERO),
            state,
            connection: None,
            queue_mode: None,
        }
    }

    #[test]
    fn a_server_has_failed_after_one_refusal_or_three_silences() {
        use RegistrationFailure::{Disconnected, Refused, Timeout};

        let one = [status(0, RegistrationState::Registering)];
        for code in [
            Code::BAD_REQUEST,
            Code::FORBIDDEN,
            Code::PRECONDITION_FAILED,
        ] {
            let mut failures = Failures::new(3);
            assert!(!failures.are_of_all(&one));
            failures.failed(account(0), None, Refused(code));
            assert!(failures.are_of_all(&one), "{code}");
        }
        let mut failures = Failures::new(3);
        let unavailable = Refused(Code::SERVICE_UNAVAILABLE);
        for reason in [Timeout, unavailable, Disconnected] {
            assert!(!failures.are_of_all(&one), "before {reason}");
            failures.failed(account(0), None, reason);
        }
        assert!(failures.are_of_all(&one));
        failures.registered(account(0));
        assert!(!failures.are_of_all(&one));
    }

    #[test]
    fn one_of_two_that_stands_is_enough() {
        let mut failures = Failures::new(1);
        let two = |second| [status(0, RegistrationState::Registering), status(1, second)];
        failures.failed(account(0), None, RegistrationFailure::Timeout);
        assert!(!failures.are_of_all(&two(RegistrationState::Registered)));
        assert!(!failures.are_of_all(&two(RegistrationState::Registering)));
        assert!(!failures.are_of_all(&two(RegistrationState::Disabled)));
        assert!(failures.are_of_all(&two(RegistrationState::Resting)));
        failures.failed(account(1), None, RegistrationFailure::Timeout);
        assert!(!failures.are_of_all(&two(RegistrationState::Registered)));
        assert!(failures.are_of_all(&two(RegistrationState::Registering)));
    }
}
