//! Certificates of servers that have expired: the Bootstrap-Server may have others (TS 7.1.9).

use std::collections::BTreeMap;

use lwm2m_core::Instant;
use lwm2m_objects::{Typed as _, typed};
use lwm2m_statemachine::{
    AccountId, ConnectionId,
    client::{AccountRole, BootstrapState},
};

use super::SecureClient;
use crate::secure::session::DtlsStack;

/// The certificates that a bootstrap was begun for, by their accounts.
pub(super) type Expired = BTreeMap<AccountId, Vec<u8>>;

impl<D: DtlsStack> SecureClient<D> {
    /// The account of a LwM2M Server that a connection is of. For that of a Bootstrap-Server there is nobody to ask.
    pub(super) fn server_of(&self, connection: ConnectionId) -> Option<AccountId> {
        let mut accounts = self.client.accounts();
        let account = accounts.find(|account| account.connection == Some(connection))?;
        matches!(account.role, AccountRole::Server(_)).then_some(account.id)
    }

    /// The certificate of a server has expired: begins a bootstrap. If that brings no other certificate, no further
    /// one follows; the Bootstrap Sequence goes on as after any failure (TS 5.2.4).
    pub(super) fn renew(&mut self, now: Instant, account: AccountId) {
        let state = self.client.bootstrapping().state(now);
        let is_begun = matches!(
            state,
            BootstrapState::Beginning { .. } | BootstrapState::UnderWay { .. }
        );
        let tree = self.client.tree().settled();
        let security = typed::Security::load(tree, account.instance());
        let Some(security) = security.filter(|_| !is_begun) else {
            return;
        };
        let certificate = security.server_public_key;
        if self.expired.get(&account) != Some(&certificate)
            && self.client.bootstrapping().begin(now).is_ok()
        {
            // No more than there are accounts.
            self.expired
                .retain(|id, _| self.client.accounts().any(|account| account.id == *id));
            self.expired.insert(account, certificate);
        }
    }
}
