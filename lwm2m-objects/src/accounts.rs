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
    let servers: Vec<(ShortServerId, InstanceId)> = server_instances(tree).collect();
    for (server, security_instance) in security_instances(tree) {
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

/// The Server Object Instances, and of which server each is.
pub(crate) fn server_instances(
    tree: &ObjectTree,
) -> impl Iterator<Item = (ShortServerId, InstanceId)> {
    tree.instances(ObjectId::SERVER)
        .filter_map(|instance| Some((Server::load(tree, instance)?.short_server_id, instance)))
}

/// The Security Object Instances that are no Bootstrap-Server's, and of which server each is.
pub(crate) fn security_instances(
    tree: &ObjectTree,
) -> impl Iterator<Item = (ShortServerId, InstanceId)> {
    tree.instances(ObjectId::SECURITY).filter_map(|instance| {
        let security = Security::load(tree, instance)?;
        let server = security.short_server_id?;
        (!security.bootstrap_server).then_some((server, instance))
    })
}
