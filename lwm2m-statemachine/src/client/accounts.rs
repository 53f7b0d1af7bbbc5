//! The LwM2M Server Accounts that a Client is made with (TS 3.2, 5.2.2).

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};
use lwm2m_objects::{Account, ObjectTree, accounts};

use super::config::ClientError;

/// Which Resource of an Object tells the Short Server ID (TS E.1, E.2).
const OF_SECURITY: ResourceId = ResourceId::new(10);
const OF_SERVER: ResourceId = ResourceId::new(0);
const BOOTSTRAP_SERVER: ResourceId = ResourceId::new(1);

/// All accounts of servers, of which there may be none: a bootstrap brings them (TS 5.2.4).
///
/// A Short Server ID is unique among them (TS 5.2.2). A Bootstrap-Server has none, and what is
/// written there does not count.
pub(super) fn of(tree: &ObjectTree) -> Result<Vec<Account>, ClientError> {
    let id = |object, resource| {
        move |instance: InstanceId| {
            let value = tree.get(Path::Resource(object, instance, resource))?;
            let Value::Integer(number) = value else {
                return None;
            };
            ShortServerId::new(u16::try_from(number).ok()?)
        }
    };
    let is_bootstrap_server = |instance: &InstanceId| {
        let at = Path::Resource(ObjectId::SECURITY, *instance, BOOTSTRAP_SERVER);
        tree.get(at) == Some(Value::Boolean(true))
    };
    let securities = tree.instances(ObjectId::SECURITY);
    let securities = securities.filter(|instance| !is_bootstrap_server(instance));
    unique(securities.filter_map(id(ObjectId::SECURITY, OF_SECURITY)))?;
    let servers = tree.instances(ObjectId::SERVER);
    unique(servers.filter_map(id(ObjectId::SERVER, OF_SERVER)))?;
    Ok(accounts(tree))
}

fn unique(servers: impl Iterator<Item = ShortServerId>) -> Result<(), ClientError> {
    let mut seen = BTreeSet::new();
    for server in servers {
        if !seen.insert(server) {
            return Err(ClientError::DuplicateServer(server));
        }
    }
    Ok(())
}
