//! Access Control (TS E.3).

use alloc::vec::Vec;

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};

use super::{Typed, Values};
use crate::{
    definition::{ObjectDefinition, builtin::ACCESS_CONTROL},
    tree::{AclTarget, Change, Store, TreeView},
};

/// An instance of the Access Control Object: the rights on an Object or an Object Instance.
///
/// ```
/// use lwm2m_core::{AccessRights, InstanceId, ObjectId, ShortServerId};
/// use lwm2m_objects::{Store, typed::AccessControl};
///
/// let [first, second] = [101, 102].map(|id| ShortServerId::new(id).unwrap());
/// // The first server owns the Device, the second one may read and execute, all others may read.
/// let device = AccessControl::on_instance(ObjectId::DEVICE, InstanceId::ZERO, first)
///     .with(second, AccessRights::READ | AccessRights::EXECUTE)
///     .with_default(AccessRights::READ);
/// assert_eq!(device.rights_of(first), AccessControl::OWNER_RIGHTS);
/// // The first server may create instances of Object 26241.
/// let creators = AccessControl::on_object(ObjectId::new(26241)).with(first, AccessRights::CREATE);
/// let ids = (0..).filter_map(InstanceId::new);
/// let object = Store::of(ids.zip([device, creators]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccessControl {
    /// What the rights are on (Resources 0 and 1).
    pub target: AclTarget,
    /// The rights by Short Server ID; those of 0 are for servers without rights of their own
    /// (Resource 2).
    pub acl: Vec<(u16, AccessRights)>,
    /// The Short Server ID of the server that may change this; 65535 if only the Bootstrap-Server
    /// may (Resource 3).
    pub owner: u16,
}

impl AccessControl {
    /// The owner of instances that belong to the Bootstrap interface and to no LwM2M Server.
    pub const NOBODY: u16 = u16::MAX;
    /// The rights of a server on an Object Instance that it owns, or if it is the only server: all
    /// but Create, which is a right on Objects.
    pub const OWNER_RIGHTS: AccessRights =
        AccessRights::from_bits(AccessRights::FULL.bits() & !AccessRights::CREATE.bits());
    /// The Short Server ID of the default rights.
    pub(crate) const DEFAULT: u16 = 0;
    pub(crate) const ACL: u16 = 2;
    pub(crate) const OWNER: u16 = 3;

    /// On an Object Instance, with a server as its owner, and without rights of others (TS 7.3.1).
    pub const fn on_instance(object: ObjectId, instance: InstanceId, owner: ShortServerId) -> Self {
        Self {
            target: AclTarget::Instance(object, instance),
            acl: Vec::new(),
            owner: owner.get(),
        }
    }

    /// On an Object: who may create instances of it. Only the Bootstrap-Server may change that
    /// (TS 7.3.1.2.1).
    pub const fn on_object(object: ObjectId) -> Self {
        Self {
            target: AclTarget::Object(object),
            acl: Vec::new(),
            owner: Self::NOBODY,
        }
    }

    /// Gives a server these rights, in place of others that it has here.
    #[must_use]
    pub fn with(self, server: ShortServerId, rights: AccessRights) -> Self {
        self.giving(server.get(), rights)
    }

    /// Gives these rights to all servers without rights of their own here.
    #[must_use]
    pub fn with_default(self, rights: AccessRights) -> Self {
        self.giving(Self::DEFAULT, rights)
    }

    fn giving(mut self, server: u16, rights: AccessRights) -> Self {
        self.acl.retain(|(known, _)| *known != server);
        self.acl.push((server, rights));
        self
    }

    /// The rights that this instance gives a server (TS 7.3.2.1, A to C).
    pub fn rights_of(&self, server: ShortServerId) -> AccessRights {
        rights_of(&self.acl, self.owner == server.get(), server)
    }

    /// The changes that create this instance.
    pub(crate) fn changes(&self, id: InstanceId) -> Vec<Change> {
        let object = ObjectId::ACCESS_CONTROL;
        let set = |resource: u16, value: u16| Change::Set {
            path: Path::Resource(object, id, resource.into()),
            value: Value::Integer(value.into()),
        };
        let (target, instance) = self.target.numbers();
        let acl = ResourceId::new(Self::ACL);
        let mut changes = Vec::from([
            Change::Create {
                path: Path::Instance(object, id),
            },
            set(0, target),
            set(1, instance),
            Change::Clear {
                path: Path::Resource(object, id, acl),
            },
        ]);
        changes.extend(self.acl.iter().map(|(server, rights)| Change::Set {
            path: Path::ResourceInstance(object, id, acl, (*server).into()),
            value: Value::Integer(rights.bits().into()),
        }));
        changes.push(set(Self::OWNER, self.owner));
        changes
    }
}

/// The rights that these entries give a server, which may be the owner.
fn rights_of(acl: &[(u16, AccessRights)], owns: bool, server: ShortServerId) -> AccessRights {
    let entry = |id: u16| {
        let found = acl.iter().find(|(entry, _)| *entry == id);
        found.map(|(_, rights)| *rights)
    };
    match entry(server.get()) {
        Some(rights) => rights,
        None if owns => AccessControl::OWNER_RIGHTS,
        None => entry(AccessControl::DEFAULT).unwrap_or(AccessRights::NONE),
    }
}

/// The readable part of an Access Control Object Instance that may lack some of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartialAccessControl {
    pub(crate) target: Option<AclTarget>,
    pub(crate) acl: Vec<(u16, AccessRights)>,
    pub(crate) owner: Option<u16>,
}

impl PartialAccessControl {
    pub(crate) fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Self {
        let tree = tree.into();
        let values = Values::new(tree, ObjectId::ACCESS_CONTROL, instance);
        let acl = values
            .as_ref()
            .map(|values| values.numbers(AccessControl::ACL));
        let acl = acl.into_iter().flatten().filter_map(|(id, bits)| {
            let rights = AccessRights::from_bits(u16::try_from(bits).ok()?);
            Some((id.get(), rights))
        });
        Self {
            target: tree.access_target(instance),
            acl: acl.collect(),
            owner: values.and_then(|values| values.number(AccessControl::OWNER)),
        }
    }

    /// The rights that the readable part gives a server.
    pub(crate) fn rights_of(&self, server: ShortServerId) -> AccessRights {
        rights_of(&self.acl, self.owner == Some(server.get()), server)
    }
}

impl Typed for AccessControl {
    const DEFINITION: &'static ObjectDefinition = &ACCESS_CONTROL;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let (target, target_instance) = self.target.numbers();
        let acl = self
            .acl
            .iter()
            .map(|(server, rights)| (*server, i64::from(rights.bits())));
        store
            .with(instance, 0, i64::from(target))
            .with(instance, 1, i64::from(target_instance))
            .with_instances(instance, Self::ACL, acl)
            .with(instance, Self::OWNER, i64::from(self.owner))
            .supporting([Self::ACL])
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let read = PartialAccessControl::load(tree, instance);
        Some(Self {
            target: read.target?,
            acl: read.acl,
            owner: read.owner?,
        })
    }
}
