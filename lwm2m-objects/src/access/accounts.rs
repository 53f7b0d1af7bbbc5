//! LwM2M Server Accounts (TS 3.2, 5.2.2).

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};

use crate::{
    tree::ObjectTree,
    typed::{Security, Server, Typed},
};

/// A LwM2M Server Account: a Security Object Instance that isn't a Bootstrap-Server's, and the Server
/// Object Instance with the same Short Server ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Account {
    /// The Short Server ID.
    pub server: ShortServerId,
    /// The Security Object Instance.
    pub security_instance: InstanceId,
    /// The Server Object Instance.
    pub server_instance: InstanceId,
}

/// All usable accounts, in the order of their Security Object Instances. Both instances have their
/// mandatory Resources, and the keys that the [mode](crate::typed::SecurityMode::key_resources)
/// needs. If a Short Server ID is there twice, the first instance counts.
///
/// There may be other accounts that cannot be read. They must not grant rights to the rest, so
/// [access control](crate::access) counts every Security Object Instance that may not be a
/// Bootstrap-Server's, and every Server Object Instance.
pub fn accounts(tree: &ObjectTree) -> Vec<Account> {
    let mut servers = BTreeMap::new();
    for instance in tree.instances(ObjectId::SERVER) {
        if let Some(read) = Server::load(tree, instance) {
            servers.entry(read.short_server_id).or_insert(instance);
        }
    }
    let securities = tree.instances(ObjectId::SECURITY).filter_map(|instance| {
        let read = Security::load(tree, instance)?;
        let server = read.short_server_id.filter(|_| !read.bootstrap_server)?;
        // Of two with the same number, the first gets the Server Object Instance.
        let server_instance = servers.remove(&server)?;
        Some(Account {
            server,
            security_instance: instance,
            server_instance,
        })
    });
    securities.collect()
}

/// Whether this server has the only account. The account must be usable, and other accounts count
/// even if they can't be read.
pub(crate) fn is_only(tree: &ObjectTree, server: ShortServerId) -> bool {
    tree.only_server(|| only(tree)) == Some(server)
}

/// Whether any server has the only account.
pub(crate) fn is_single(tree: &ObjectTree) -> bool {
    tree.only_server(|| only(tree)).is_some()
}

/// The server with the only account, if there is one.
fn only(tree: &ObjectTree) -> Option<ShortServerId> {
    let mut securities = security_instances(tree);
    let (Some((Some(only), security_instance)), None) = (securities.next(), securities.next())
    else {
        return None;
    };
    let mut has_server_instance = false;
    let mut of_others = server_instances(tree).filter(|(number, instance)| {
        has_server_instance |= *number == Some(only) && Server::load(tree, *instance).is_some();
        *number != Some(only)
    });
    let is_alone = of_others.next().is_none()
        && has_server_instance
        && Security::load(tree, security_instance).is_some();
    is_alone.then_some(only)
}

/// The Server Object Instances and their Short Server IDs, even if nothing else of them can be read.
pub(crate) fn server_instances(
    tree: &ObjectTree,
) -> impl Iterator<Item = (Option<ShortServerId>, InstanceId)> {
    const SHORT_SERVER_ID: ResourceId = ResourceId::new(0);

    tree.instances(ObjectId::SERVER).map(|instance| {
        let at = Path::Resource(ObjectId::SERVER, instance, SHORT_SERVER_ID);
        (short_server_id(tree, at), instance)
    })
}

/// The Security Object Instances that aren't known to be a Bootstrap-Server's and their Short Server
/// IDs, even if nothing else of them can be read.
pub(crate) fn security_instances(
    tree: &ObjectTree,
) -> impl Iterator<Item = (Option<ShortServerId>, InstanceId)> {
    const BOOTSTRAP_SERVER: ResourceId = ResourceId::new(1);
    const SHORT_SERVER_ID: ResourceId = ResourceId::new(10);

    let at = |instance, resource| Path::Resource(ObjectId::SECURITY, instance, resource);
    let is_bootstrap_server =
        move |instance| tree.get(at(instance, BOOTSTRAP_SERVER)) == Some(Value::Boolean(true));
    tree.instances(ObjectId::SECURITY)
        .filter(move |instance| !is_bootstrap_server(*instance))
        .map(move |instance| {
            (
                short_server_id(tree, at(instance, SHORT_SERVER_ID)),
                instance,
            )
        })
}

fn short_server_id(tree: &ObjectTree, at: Path) -> Option<ShortServerId> {
    match tree.get(at)? {
        Value::Integer(number) => ShortServerId::new(u16::try_from(number).ok()?),
        _ => None,
    }
}
