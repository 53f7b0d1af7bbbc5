//! The LwM2M Server Accounts that a Client is made with (TS 3.2, 5.2.2).

use alloc::vec::Vec;

use lwm2m_core::{ObjectId, ShortServerId};
use lwm2m_objects::{Account, ObjectTree, Security, Server, Typed, accounts};

use super::config::ClientError;

/// All accounts; a Short Server ID is unique in a Client (TS 5.2.2).
pub(super) fn of(tree: &ObjectTree) -> Result<Vec<Account>, ClientError> {
    unique(
        tree.instances(ObjectId::SERVER)
            .filter_map(|instance| Some(Server::load(tree, instance)?.short_server_id)),
    )?;
    unique(
        tree.instances(ObjectId::SECURITY)
            .filter_map(|instance| Security::load(tree, instance)?.short_server_id),
    )?;
    let accounts = accounts(tree);
    if accounts.is_empty() {
        Err(ClientError::NoAccount)
    } else {
        Ok(accounts)
    }
}

fn unique(servers: impl Iterator<Item = ShortServerId>) -> Result<(), ClientError> {
    let mut seen = Vec::new();
    for server in servers {
        if seen.contains(&server) {
            return Err(ClientError::DuplicateServer(server));
        }
        seen.push(server);
    }
    Ok(())
}
