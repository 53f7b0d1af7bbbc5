//! LwM2M Server Accounts (TS 3.2, 5.2.2).

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};

use crate::{
    tree::TreeView,
    typed::{Security, Server, Typed},
};

/// Bootstrap-Server (TS E.1).
pub(crate) const BOOTSTRAP_SERVER: ResourceId = ResourceId::new(1);
/// Short Server ID of a Security Object Instance (TS E.1).
pub(crate) const SECURITY_SERVER_ID: ResourceId = ResourceId::new(10);
/// Short Server ID of a Server Object Instance (TS E.2).
pub(crate) const SERVER_ID: ResourceId = ResourceId::new(0);

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
pub fn accounts<'t>(tree: impl Into<TreeView<'t>>) -> Vec<Account> {
    let tree = tree.into();
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
pub(crate) fn is_only(tree: TreeView<'_>, server: ShortServerId) -> bool {
    tree.only_server(|| only(tree)) == Some(server)
}

/// Whether any server has the only account.
pub(crate) fn is_single(tree: TreeView<'_>) -> bool {
    tree.only_server(|| only(tree)).is_some()
}

/// The server with the only account, if there is one.
fn only(tree: TreeView<'_>) -> Option<ShortServerId> {
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
pub(crate) fn server_instances<'t>(
    tree: impl Into<TreeView<'t>>,
) -> impl Iterator<Item = (Option<ShortServerId>, InstanceId)> {
    let tree = tree.into();
    let instances = tree.instances(ObjectId::SERVER);
    instances.map(move |instance| (server_id(tree, instance), instance))
}

/// The Security Object Instances that aren't known to be a Bootstrap-Server's and their Short Server
/// IDs, even if nothing else of them can be read.
pub(crate) fn security_instances<'t>(
    tree: impl Into<TreeView<'t>>,
) -> impl Iterator<Item = (Option<ShortServerId>, InstanceId)> {
    let tree = tree.into();
    tree.instances(ObjectId::SECURITY)
        .filter(move |instance| !is_bootstrap_server(tree, *instance))
        .map(move |instance| (security_id(tree, instance), instance))
}

/// Whether a Security Object Instance is known to be a Bootstrap-Server's.
pub(crate) fn is_bootstrap_server<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> bool {
    let at = Path::Resource(ObjectId::SECURITY, instance, BOOTSTRAP_SERVER);
    tree.into().get(at) == Some(Value::Boolean(true))
}

/// The Short Server ID of a Security Object Instance. That of a Bootstrap-Server means nothing.
pub(crate) fn security_id<'t>(
    tree: impl Into<TreeView<'t>>,
    instance: InstanceId,
) -> Option<ShortServerId> {
    let at = Path::Resource(ObjectId::SECURITY, instance, SECURITY_SERVER_ID);
    short_server_id(&tree.into().get(at)?)
}

/// The Short Server ID of a Server Object Instance.
pub(crate) fn server_id<'t>(
    tree: impl Into<TreeView<'t>>,
    instance: InstanceId,
) -> Option<ShortServerId> {
    let at = Path::Resource(ObjectId::SERVER, instance, SERVER_ID);
    short_server_id(&tree.into().get(at)?)
}

/// The Short Server ID that a value is, if it is one.
pub(crate) fn short_server_id(value: &Value) -> Option<ShortServerId> {
    match value {
        Value::Integer(number) => ShortServerId::new(u16::try_from(*number).ok()?),
        _ => None,
    }
}
