//! Whether the access rights fit the accounts (TS 7.3.1, E.3).

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceInstanceId, ShortServerId, Value};

use super::{accounts::Servers, mandatory};
use crate::{
    bootstrap::inconsistency::{Expected, Inconsistency},
    tree::{AclTarget, TreeView},
    typed::AccessControl,
};

/// Checks the Access Control Object.
pub(super) fn check(tree: TreeView<'_>, servers: &Servers) -> Result<(), Inconsistency> {
    let mut controls = tree.instances(ObjectId::ACCESS_CONTROL).peekable();
    if servers.len() > 1 && controls.peek().is_none() {
        let path = Path::Object(ObjectId::ACCESS_CONTROL);
        return Err(Inconsistency::at(path, Expected::AccessControl));
    }
    controls.try_for_each(|instance| check_one(tree, servers, instance))
}

fn check_one(
    tree: TreeView<'_>,
    servers: &Servers,
    instance: InstanceId,
) -> Result<(), Inconsistency> {
    mandatory::check(tree, ObjectId::ACCESS_CONTROL, instance)?;
    let is_server = |id: u16| ShortServerId::new(id).is_some_and(|id| servers.contains_key(&id));
    let path = |resource: u16| Path::Resource(ObjectId::ACCESS_CONTROL, instance, resource.into());
    let owner = match tree.get(path(AccessControl::OWNER)) {
        Some(Value::Integer(owner)) => u16::try_from(owner).ok(),
        _ => None,
    };
    let is_nobody = owner == Some(AccessControl::NOBODY);
    let on_object = matches!(tree.access_target(instance), Some(AclTarget::Object(_)));
    let expected = match owner {
        _ if is_nobody => None,
        _ if on_object => Some(Expected::NoOwner),
        Some(owner) if is_server(owner) => None,
        _ => Some(Expected::Owner),
    };
    let mut found = None;
    tree.visit(path(AccessControl::ACL), |at, _| {
        let entry = at.resource_instance().map(ResourceInstanceId::get);
        let known = entry.is_some_and(|id| id == AccessControl::DEFAULT || is_server(id));
        if !known && found.is_none() {
            found = Some(Inconsistency::at(at, Expected::AclEntry));
        }
    });
    let of_owner = expected.map(|expected| Inconsistency::at(path(AccessControl::OWNER), expected));
    found.or(of_owner).map_or(Ok(()), Err)
}
