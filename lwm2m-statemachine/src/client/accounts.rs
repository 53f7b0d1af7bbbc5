//! The LwM2M Server Accounts of a tree (TS 3.2, 5.2.2).

use alloc::vec::Vec;

use lwm2m_core::{InstanceId, ObjectId, ShortServerId};
use lwm2m_objects::{ObjectTree, Security, Server, Typed};

use super::config::ClientError;

/// A Security Object Instance and the Server Object Instance of the same Short Server ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) server: ShortServerId,
    pub(super) security_instance: InstanceId,
    pub(super) server_instance: InstanceId,
}

/// All accounts, by the order of their Security Object Instances.
pub(super) fn of(tree: &ObjectTree) -> Result<Vec<Account>, ClientError> {
    let mut accounts: Vec<Account> = Vec::new();
    let mut servers: Vec<(ShortServerId, InstanceId)> = Vec::new();
    for instance in tree.instances(ObjectId::SERVER) {
        let Some(server) = Server::load(tree, instance) else {
            continue;
        };
        let id = server.short_server_id;
        if servers.iter().any(|(other, _)| *other == id) {
            return Err(ClientError::DuplicateServer(id));
        }
        servers.push((id, instance));
    }
    for security_instance in tree.instances(ObjectId::SECURITY) {
        let Some(security) = Security::load(tree, security_instance) else {
            continue;
        };
        let (false, Some(server)) = (security.bootstrap_server, security.short_server_id) else {
            continue;
        };
        if accounts.iter().any(|account| account.server == server) {
            return Err(ClientError::DuplicateServer(server));
        }
        if let Some((_, server_instance)) = servers.iter().find(|(id, _)| *id == server) {
            let server_instance = *server_instance;
            accounts.push(Account {
                server,
                security_instance,
                server_instance,
            });
        }
    }
    if accounts.is_empty() {
        Err(ClientError::NoAccount)
    } else {
        Ok(accounts)
    }
}
