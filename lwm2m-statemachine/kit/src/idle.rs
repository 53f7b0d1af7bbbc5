//! What a Client may keep when it has left all servers.

use alloc::collections::BTreeSet;

use lwm2m_statemachine::{
    Client,
    client::{AccountRole, ClientUsage},
};

/// Checks that a Client that has left all its servers, and has told everything, keeps nothing but its
/// accounts and attributes, which outlive registrations (TS 5.1.1): attributes of servers that have an
/// account, on Objects, Object Instances and Resources that are there.
///
/// # Panics
///
/// If something else is left.
#[track_caller]
pub fn assert_only_accounts_left(client: &Client) {
    assert!(client.is_idle(), "the Client is busy");
    let mut servers = BTreeSet::new();
    for account in client.accounts() {
        if let AccountRole::Server(server) = account.role {
            servers.insert(server);
        }
    }
    let mut left = ClientUsage::default();
    left.accounts = client.accounts().count();
    for server in servers {
        for (path, set) in client.reporting().attributes(server) {
            assert!(
                client.tree().target(path).exists(),
                "{set:?} of server {server:?} on {path}, which is not there"
            );
            left.attributes += 1;
        }
    }
    assert_eq!(client.usage(), left);
}
