//! LwM2M Server Accounts (TS 3.2, 5.2.2).

use alloc::vec::Vec;

use lwm2m_core::{InstanceId, ObjectId, ShortServerId};

use crate::{
    tree::ObjectTree,
    typed::{Security, Server, Typed},
};

/// A LwM2M Server Account: a Security Object Instance that is no Bootstrap-Server's, and the Server
/// Object Instance of the same Short Server ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Account {
    /// Which server.
    pub server: ShortServerId,
    /// The Security Object Instance.
    pub security_instance: InstanceId,
    /// The Server Object Instance.
    pub server_instance: InstanceId,
}

/// All accounts, in the order of their Security Object Instances. Where a Short Server ID is
/// there twice, the first instance counts.
pub fn accounts(tree: &ObjectTree) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    let servers: Vec<(ShortServerId, InstanceId)> = tree
        .instances(ObjectId::SERVER)
        .filter_map(|instance| Some((Server::load(tree, instance)?.short_server_id, instance)))
        .collect();
    for security_instance in tree.instances(ObjectId::SECURITY) {
        let Some(Security {
            bootstrap_server: false,
            short_server_id: Some(server),
            ..
        }) = Security::load(tree, security_instance)
        else {
            continue;
        };
        let paired = servers.iter().find(|(id, _)| *id == server);
        if let Some((_, server_instance)) = paired
            && accounts.iter().all(|account| account.server != server)
        {
            let server_instance = *server_instance;
            accounts.push(Account {
                server,
                security_instance,
                server_instance,
            });
        }
    }
    accounts
}
