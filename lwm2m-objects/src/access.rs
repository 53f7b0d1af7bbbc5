//! Access control: the rights of servers (TS 7.3, E.1.3, E.3).
//!
//! These are functions over the tree. Rights are those of a [`TreeView`]; a `&ObjectTree` is the view of
//! now. Changes that follow from an operation are returned as
//! [`Change`]s, for [`Transaction::change`] in the transaction of that operation.
//!
//! The tree keeps an index of what each Access Control Object Instance is about, and which server
//! has the only account. So an application that implements the Security, Server or Access Control
//! Object itself has to [report](crate::Object::poll_changed) values that the Object changes by
//! itself. Until then, the previous rights apply.
//!
//! With a single LwM2M Server Account, that server has every right (TS 7.3), except to decide who
//! may create instances of an Object, which is up to the Bootstrap-Server (TS 7.3.1.2.1). With
//! several accounts, the rights are in the Access Control Object: one instance for each Object that
//! may be instantiated (its `Object Instance ID` is 65535), and one for each Object Instance.
//!
//! Where the specification is silent:
//!
//! - The owner has full rights if there is "no ACL Resource Instance" (TS 7.3.2.1, A). This means no
//!   ACL Resource Instance for the owner.
//! - No server has a right on an Object Instance without an Access Control Object Instance.
//! - An account that cannot be read counts: a server is alone only if there is no other Security
//!   Object Instance that could be a server's, and no other Server Object Instance.
//! - No Access Control Object Instance is about another one. Every server may read them, their owner
//!   may write them, and they are created and deleted with what they are about.
//!
//! [`Transaction::change`]: crate::Transaction::change

pub(crate) mod accounts;
pub(crate) mod unbootstrapping;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use lwm2m_core::{
    AccessRights, InstanceId, ObjectId, Operation, Path, ResourceId, ResourceInstanceId,
    ShortServerId, Value, ValueRef,
};
use thiserror::Error;

pub use self::unbootstrapping::unbootstrapped;
use crate::{
    access::accounts::{accounts, is_only, is_single},
    tree::{Change, Object, ObjectTree, Target, TreeView, WriteError},
    typed::{AccessControl, AclTarget},
};

/// Why an operation is refused (TS 7.3.2). The response codes are those of TS 8.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The server has no right to do it (4.01).
    #[error("the server has no right to do this")]
    Denied,
    /// The target is not there (4.04).
    #[error("the target is not there")]
    NotFound,
    /// The target does not support the operation (4.05).
    #[error("the target does not support the operation")]
    NotSupported,
}

/// Whether a server may perform an operation on a target (TS 7.3.2, 8.5). Of several refusals it
/// returns the first in this order: the target is in the Security Object, it is not there, the server
/// has no right, the target doesn't support the operation.
///
/// An Object may be read by every server; [`ObjectTree::read`] then selects the Object Instances on
/// which it has the right. Payloads are checked by the [`Transaction`].
///
/// ```
/// use lwm2m_core::Operation;
/// use lwm2m_objects::{access, example};
///
/// let tree = example::client();
/// let reboot = "/3/0/4".parse()?;
/// let may = |server| access::authorize(&tree, server, Operation::Execute, reboot);
/// assert_eq!(may(example::SERVER_1), Ok(()));
/// assert_eq!(may(example::SERVER_2), Err(access::Refusal::Denied));
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
///
/// [`Transaction`]: crate::Transaction
pub fn authorize<'t>(
    tree: impl Into<TreeView<'t>>,
    server: ShortServerId,
    operation: Operation,
    path: Path,
) -> Result<(), Refusal> {
    let tree = tree.into();
    authorize_target(tree, &tree.target(path), server, operation)
}

/// Like [`authorize`], for a target that was looked up in this view already.
pub fn authorize_target<'t>(
    tree: impl Into<TreeView<'t>>,
    target: &Target<'_>,
    server: ShortServerId,
    operation: Operation,
) -> Result<(), Refusal> {
    let path = target.path();
    if path.object() == Some(ObjectId::SECURITY) {
        // Only the Bootstrap interface accesses it (TS E.1).
        return Err(Refusal::Denied);
    }
    if !target.exists_for(operation) {
        return Err(Refusal::NotFound);
    }
    if !has_right(tree.into(), server, operation, path) {
        return Err(Refusal::Denied);
    }
    if !target.supports(operation) {
        return Err(Refusal::NotSupported);
    }
    Ok(())
}

/// Whether a server has the right that an operation needs: on the Object for a Create, on the Object
/// Instance for the others. On an Object, the others need no right.
fn has_right(tree: TreeView<'_>, server: ShortServerId, operation: Operation, path: Path) -> bool {
    let needed = operation.minimum_right();
    match (path.object(), path.instance()) {
        (Some(object), _) if needed == AccessRights::CREATE => may_create(tree, server, object),
        (Some(object), Some(instance)) if needed != AccessRights::NONE => {
            rights(tree, server, object, instance).contains(needed)
        }
        _ => true,
    }
}

/// The rights of a server on an Object Instance (TS 7.3.2.1).
pub fn rights<'t>(
    tree: impl Into<TreeView<'t>>,
    server: ShortServerId,
    object: ObjectId,
    instance: InstanceId,
) -> AccessRights {
    let tree = tree.into();
    if object == ObjectId::ACCESS_CONTROL {
        return rights_on_access_control(tree, server, instance);
    }
    if is_only(tree, server) {
        return AccessControl::OWNER_RIGHTS;
    }
    let mut found = about(tree, AclTarget::Instance(object, instance), server);
    found
        .next()
        .map_or(AccessRights::NONE, |granted| granted.rights())
}

/// The rights of a server on an Access Control Object Instance (TS 7.3.1.2).
fn rights_on_access_control(
    tree: TreeView<'_>,
    server: ShortServerId,
    instance: InstanceId,
) -> AccessRights {
    // Only the Bootstrap-Server says who may create instances of an Object (7.3.1.2.1). An instance
    // that can't be read may be one about that.
    let Some(AclTarget::Instance(..)) = tree.access_target(instance) else {
        return AccessRights::READ;
    };
    if is_only(tree, server) {
        return AccessControl::OWNER_RIGHTS;
    }
    if owner(tree, instance) == Some(server.get()) {
        AccessRights::from_bits(AccessRights::READ.bits() | AccessRights::WRITE.bits())
    } else {
        AccessRights::READ
    }
}

/// Whether a server may create instances of an Object (TS 7.3.2.1). Only Access Control Object
/// Instances without an owner count: they were provisioned during a Bootstrap Phase.
pub fn may_create<'t>(
    tree: impl Into<TreeView<'t>>,
    server: ShortServerId,
    object: ObjectId,
) -> bool {
    let tree = tree.into();
    is_only(tree, server)
        || about(tree, AclTarget::Object(object), server).any(|granted| {
            let own = granted.own;
            granted.owner == AccessControl::NOBODY
                && own.is_some_and(|rights| rights.contains(AccessRights::CREATE))
        })
}

/// The changes that follow from what a server creates in a transaction. Each new Object Instance gets
/// an Access Control Object Instance with the server as owner and with full rights, which replaces any
/// that an earlier one has left (TS 5.4.6, 7.3.1.2.2). There are none if there is a single server and
/// access control is not in use (TS 7.3), nor for Access Control Object Instances themselves. The ACL
/// is optional (TS E.3): where it isn't supported, the owner has full rights without it.
///
/// Ask once, after the last operation, with all [changes](crate::Transaction::changes) so far, and
/// [add](crate::Transaction::change) the result to the same transaction.
///
/// # Errors
///
/// [`WriteError::TooMany`] if no Object Instance ID is free.
pub fn created(
    tree: &ObjectTree,
    server: ShortServerId,
    changes: &[Change],
) -> Result<Vec<Change>, WriteError> {
    with_owners(tree, |_, _| Some(server), changes)
}

/// The Access Control Object Instances of new Object Instances, whose owner depends on the Object.
fn with_owners(
    tree: &ObjectTree,
    owner: impl Fn(ObjectId, InstanceId) -> Option<ShortServerId>,
    changes: &[Change],
) -> Result<Vec<Change>, WriteError> {
    let in_use = tree.instances(ObjectId::ACCESS_CONTROL).next().is_some();
    let needed = in_use || !is_single(tree.view());
    let controls = tree.object(ObjectId::ACCESS_CONTROL);
    let Some(controls) = controls.filter(|_| needed) else {
        return Ok(Vec::new());
    };
    let acl = ResourceId::new(AccessControl::ACL);
    let has_acl = controls.supports(acl);
    let after = instances_after(changes);
    let control_after = |id| after.get(&(ObjectId::ACCESS_CONTROL, id));
    let controlled = controlled(changes);
    let mut free = free_instances(controls).filter(|id| control_after(*id) != Some(&true));
    let mut added = Vec::new();
    for ((object, instance), is_there) in &after {
        // The Security Object has no rights, and those of Access Control are what they are about.
        let has_rights = ![ObjectId::SECURITY, ObjectId::ACCESS_CONTROL].contains(object);
        let has_one = controlled.contains(&(*object, *instance));
        if !is_there || !has_rights || has_one {
            continue;
        }
        let Some(owner) = owner(*object, *instance) else {
            continue;
        };
        let left = deleted(tree, *object, *instance).into_iter();
        let untouched = |change: &Change| {
            let id = change.path().instance();
            id.and_then(control_after).is_none()
        };
        added.extend(left.filter(untouched));
        let too_many = WriteError::TooMany(Path::Object(ObjectId::ACCESS_CONTROL));
        let id = free.next().ok_or(too_many)?;
        let control = AccessControl {
            target: AclTarget::Instance(*object, *instance),
            acl: [(owner.get(), AccessControl::OWNER_RIGHTS)].into(),
            owner: owner.get(),
        };
        let of_acl = |change: &Change| change.path().resource() == Some(acl);
        let control = control.changes(id).into_iter();
        added.extend(control.filter(|change| has_acl || !of_acl(change)));
    }
    Ok(added)
}

/// The changes that follow from what the Client creates by itself: like [`created`], and the owner is a
/// server that may create instances of the Object; of several, or if there is none, the one with the
/// lowest Short Server ID. A Server Object Instance is owned by the server that it is about. Without an
/// account of a server there are none.
///
/// The specification is silent about them. They need an owner all the same, as only the owner gives
/// others rights (TS 7.3.1.2.2). An Object Instance whose Access Control Object Instance is among the
/// changes already gets no other one.
///
/// # Errors
///
/// Those of [`created`].
pub fn created_by_client(tree: &ObjectTree, changes: &[Change]) -> Result<Vec<Change>, WriteError> {
    let mut servers: Vec<_> = accounts(tree)
        .iter()
        .map(|account| account.server)
        .collect();
    servers.sort_unstable();
    let owner = |object, instance| -> Option<ShortServerId> {
        if object == ObjectId::SERVER {
            return short_server_id(changes, instance);
        }
        let may_create = |server: &&ShortServerId| may_create(tree, **server, object);
        let owner = servers.iter().find(may_create).or(servers.first());
        owner.copied()
    };
    with_owners(tree, owner, changes)
}

/// The Short Server ID that these changes give a Server Object Instance (TS E.2, Resource 0).
fn short_server_id(changes: &[Change], instance: InstanceId) -> Option<ShortServerId> {
    let at = Path::Resource(ObjectId::SERVER, instance, accounts::SERVER_ID);
    changes.iter().find_map(|change| match change {
        Change::Set { path, value } if *path == at => accounts::short_server_id(value),
        _ => None,
    })
}

/// What the Access Control Object Instances among these changes are about.
fn controlled(changes: &[Change]) -> BTreeSet<(ObjectId, InstanceId)> {
    let mut numbers: BTreeMap<InstanceId, [Option<u16>; 2]> = BTreeMap::new();
    for change in changes {
        if let Change::Set { path, value } = change
            && let Path::Resource(ObjectId::ACCESS_CONTROL, id, resource) = path
            && let Value::Integer(number) = value
            && let Some(slot) = numbers
                .entry(*id)
                .or_default()
                .get_mut(usize::from(resource.get()))
        {
            *slot = u16::try_from(*number).ok();
        }
    }
    let targets = numbers.into_values().filter_map(|[object, instance]| {
        let instance = InstanceId::new(instance?)?;
        Some((ObjectId::new(object?), instance))
    });
    targets.collect()
}

/// The Object Instances that are created or deleted, and whether they are there afterwards.
fn instances_after(changes: &[Change]) -> BTreeMap<(ObjectId, InstanceId), bool> {
    let mut after = BTreeMap::new();
    for change in changes {
        let (is_there, path) = match change {
            Change::Create { path } => (true, path),
            Change::Delete { path } => (false, path),
            _ => continue,
        };
        if let Path::Instance(object, instance) = path {
            after.insert((*object, *instance), is_there);
        }
    }
    after
}

/// The Object Instance IDs that are free, in ascending order.
pub(crate) fn free_instances(object: &dyn Object) -> impl Iterator<Item = InstanceId> {
    let mut from = Some(InstanceId::ZERO);
    core::iter::from_fn(move || {
        // An Object that returns an earlier identifier has no free one.
        let free = object
            .free_instance(from?)
            .filter(|free| Some(*free) >= from)?;
        from = free.get().checked_add(1).and_then(InstanceId::new);
        Some(free)
    })
}

/// The changes that follow from a Delete: the Access Control Object Instances about the Object
/// Instance are deleted too (TS 7.3.1.2.2).
pub fn deleted(tree: &ObjectTree, object: ObjectId, instance: InstanceId) -> Vec<Change> {
    // Even if the rest of it can't be read.
    let about = tree.access_controls(AclTarget::Instance(object, instance));
    about
        .map(|id| Change::Delete {
            path: Path::Instance(ObjectId::ACCESS_CONTROL, id),
        })
        .collect()
}

/// The Object Instances of an Object that Access Control Object Instances are about but that aren't there,
/// for example because the Object has lost them by itself. Each is named once for each of these.
pub fn orphaned(tree: &ObjectTree, object: ObjectId) -> impl Iterator<Item = InstanceId> {
    let controls = tree.instances(ObjectId::ACCESS_CONTROL);
    controls.filter_map(move |id| match tree.access_target(id)? {
        AclTarget::Instance(of, instance) if of == object => {
            let target = tree.target(Path::Instance(object, instance));
            (!target.exists()).then_some(instance)
        }
        _ => None,
    })
}

/// What an Access Control Object Instance says of one server.
struct Granted {
    owner: u16,
    owns: bool,
    /// The ACL Resource Instance of the server.
    own: Option<AccessRights>,
    /// The one of the servers that have none.
    default: Option<AccessRights>,
}

impl Granted {
    /// Reads it in place: nothing is allocated.
    fn read(tree: TreeView<'_>, id: InstanceId, server: ShortServerId) -> Option<Self> {
        let owner = owner(tree, id)?;
        let mut granted = Self {
            owner,
            owns: owner == server.get(),
            own: None,
            default: None,
        };
        let acl = Path::Resource(ObjectId::ACCESS_CONTROL, id, AccessControl::ACL.into());
        tree.visit(acl, |at, value| {
            let entry = at.resource_instance().map(ResourceInstanceId::get);
            let rights = match value {
                ValueRef::Integer(bits) => u16::try_from(bits).ok().map(AccessRights::from_bits),
                _ => None,
            };
            if entry == Some(server.get()) {
                granted.own = rights;
            } else if entry == Some(AccessControl::DEFAULT) {
                granted.default = rights;
            }
        });
        Some(granted)
    }

    /// The rights of the server (TS 7.3.2.1, A to C).
    fn rights(&self) -> AccessRights {
        let default = if self.owns {
            Some(AccessControl::OWNER_RIGHTS)
        } else {
            self.default
        };
        self.own.or(default).unwrap_or(AccessRights::NONE)
    }
}

/// The Access Control Owner (TS E.3, Resource 3).
fn owner(tree: TreeView<'_>, id: InstanceId) -> Option<u16> {
    let path = Path::Resource(ObjectId::ACCESS_CONTROL, id, AccessControl::OWNER.into());
    match tree.get(path)? {
        Value::Integer(owner) => u16::try_from(owner).ok(),
        _ => None,
    }
}

/// What the Access Control Object Instances about a target say of a server; there should be one.
fn about(
    tree: TreeView<'_>,
    target: AclTarget,
    server: ShortServerId,
) -> impl Iterator<Item = Granted> {
    let about = tree.access_controls(target);
    about.filter_map(move |id| Granted::read(tree, id, server))
}
