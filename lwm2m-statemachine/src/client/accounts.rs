//! The LwM2M Server Accounts of a Client (TS 3.2, 5.2.2), and the caller of a request.

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};
use lwm2m_objects::{Account, ObjectTree, accounts};

use super::config::ClientError;

/// The Resources that identify the server of an account (TS E.1, E.2).
const BOOTSTRAP_SERVER: ResourceId = ResourceId::new(1);
const OF_SECURITY: ResourceId = ResourceId::new(10);
const OF_SERVER: ResourceId = ResourceId::new(0);

/// The peer of a connection. It decides which requests are allowed, and by which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A LwM2M Server: Device Management and Information Reporting, with access control (TS 5.4,
    /// 5.5, 7.3).
    Server(ShortServerId),
    /// The Bootstrap-Server: its own interface, and no access control (TS 5.2).
    BootstrapServer,
}

impl Caller {
    /// The peer that a Security Object Instance is for. The Short Server ID of a Bootstrap-Server
    /// doesn't count.
    fn of(tree: &ObjectTree, security: InstanceId) -> Option<Self> {
        let is_bootstrap_server = Path::Resource(ObjectId::SECURITY, security, BOOTSTRAP_SERVER);
        if tree.get(is_bootstrap_server) == Some(Value::Boolean(true)) {
            return Some(Self::BootstrapServer);
        }
        short_server_id(tree, ObjectId::SECURITY, security, OF_SECURITY).map(Self::Server)
    }

    /// The server, if it is one.
    const fn server(self) -> Option<ShortServerId> {
        match self {
            Self::Server(server) => Some(server),
            Self::BootstrapServer => None,
        }
    }
}

/// The accounts of servers. There may be none until a bootstrap brings them (TS 5.2.4). Each Short
/// Server ID is unique (TS 5.2.2).
pub(super) fn of(tree: &ObjectTree) -> Result<Vec<Account>, ClientError> {
    let securities = tree.instances(ObjectId::SECURITY);
    unique(securities.filter_map(|security| Caller::of(tree, security)?.server()))?;
    let servers = tree.instances(ObjectId::SERVER);
    unique(servers.filter_map(|id| short_server_id(tree, ObjectId::SERVER, id, OF_SERVER)))?;
    Ok(accounts(tree))
}

/// Whether there is a Security Object Instance of this server.
pub(super) fn has_account(tree: &ObjectTree, server: ShortServerId) -> bool {
    let mut securities = tree.instances(ObjectId::SECURITY);
    securities.any(|security| Caller::of(tree, security) == Some(Caller::Server(server)))
}

fn short_server_id(
    tree: &ObjectTree,
    object: ObjectId,
    instance: InstanceId,
    resource: ResourceId,
) -> Option<ShortServerId> {
    match tree.get(Path::Resource(object, instance, resource))? {
        Value::Integer(number) => ShortServerId::new(u16::try_from(number).ok()?),
        _ => None,
    }
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
