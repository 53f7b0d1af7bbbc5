//! The names of accounts.

use core::fmt;

use lwm2m_core::InstanceId;

/// The name of an account: its Security Object Instance. A Short Server ID could not be the name, as the
/// account of a Bootstrap-Server has none (TS 5.2.2, E.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(InstanceId);

impl AccountId {
    /// The account of this Security Object Instance.
    pub const fn new(security_instance: InstanceId) -> Self {
        Self(security_instance)
    }

    /// Its Security Object Instance.
    pub const fn instance(self) -> InstanceId {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {}", self.0)
    }
}
