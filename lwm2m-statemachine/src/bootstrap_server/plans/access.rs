//! Access control, and whether a client will find it consistent (TS 7.3.1).

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{AccessRights, ObjectId, ShortServerId};
use lwm2m_objects::typed::{AccessControl, AclTarget};

use super::{super::found::Discovered, error::PlanError};

/// Who may do what with an Object or an Object Instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the Resources of TS E.3 in every version"
)]
pub struct Rights {
    /// The Short Server ID of the owner of an Object Instance; [`AccessControl::NOBODY`] if it belongs
    /// to no server. An Object is always owned by the Bootstrap interface (TS 7.3.1.2.1).
    pub owner: u16,
    /// Rights by Short Server ID; those of 0 are for servers without rights of their own.
    pub acl: Vec<(u16, AccessRights)>,
}

impl Rights {
    /// The owner has all rights on it, and nobody else has any.
    pub const fn owned_by(owner: ShortServerId) -> Self {
        Self {
            owner: owner.get(),
            acl: Vec::new(),
        }
    }
}

/// The Short Server ID of the default rights (TS E.3).
const DEFAULT: u16 = 0;

/// Whether there is access control on the Instances of an Object: those of Object 0 are for nobody,
/// and rights on rights have to end somewhere.
fn controlled(object: ObjectId) -> bool {
    ![ObjectId::SECURITY, ObjectId::ACCESS_CONTROL].contains(&object)
}

/// Access control on all that a Discover found, and on the Server Object Instance that is new.
pub(super) fn on_all(
    found: &Discovered,
    new: AclTarget,
    mut rights: impl FnMut(AclTarget) -> Rights,
) -> Vec<AccessControl> {
    let objects = found.objects().into_iter().map(AclTarget::Object);
    let instances = found.instances();
    let instances: BTreeSet<_> = instances
        .map(|(object, instance, _)| AclTarget::Instance(object, instance))
        .chain([new])
        .collect();
    let mut access = Vec::new();
    for target in objects.chain(instances) {
        let (AclTarget::Object(object) | AclTarget::Instance(object, _)) = target;
        if !controlled(object) {
            continue;
        }
        let Rights { mut owner, acl } = rights(target);
        if let AclTarget::Object(_) = target {
            if acl.is_empty() {
                continue;
            }
            owner = AccessControl::NOBODY;
        }
        access.push(AccessControl { target, acl, owner });
    }
    access
}

/// Whether a client with these servers will find access control consistent.
pub(super) fn check(
    access: &[AccessControl],
    servers: &BTreeSet<ShortServerId>,
) -> Result<(), PlanError> {
    let known = |server: u16| ShortServerId::new(server).is_some_and(|id| servers.contains(&id));
    let mut targets = BTreeSet::new();
    for AccessControl { target, acl, owner } in access {
        let target = *target;
        let (AclTarget::Object(object) | AclTarget::Instance(object, _)) = target;
        if !targets.insert(target) || !controlled(object) {
            return Err(PlanError::Target(target));
        }
        if matches!(target, AclTarget::Object(_)) && *owner != AccessControl::NOBODY {
            return Err(PlanError::Owner(object));
        }
        let owner = (*owner != AccessControl::NOBODY).then_some(*owner);
        let named = acl.iter().map(|(server, _)| *server);
        let named = named.filter(|server| *server != DEFAULT).chain(owner);
        for server in named {
            if !known(server) {
                return Err(PlanError::UnknownServer { target, server });
            }
        }
    }
    Ok(())
}
