//! Whether the access rights fit the accounts (TS 7.3.1, E.3).

use alloc::collections::BTreeSet;

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceInstanceId, ShortServerId, Value};

use super::{accounts::Servers, judge::Judge, mandatory};
use crate::{
    access::accounts::security_instances,
    bootstrap::inconsistency::{Expected, Inconsistency},
    tree::{AclTarget, ObjectTree, TreeView},
    typed::AccessControl,
};

/// Checks the Access Control Object.
///
/// Servers write owners and entries, too, and may name anybody. So an unknown one that was there
/// before the bootstrap, and was unknown then, is not for the bootstrap to mend.
pub(super) fn check(
    tree: &ObjectTree,
    servers: &Servers,
    judge: &mut Judge<'_>,
) -> Result<(), Inconsistency> {
    let mut controls = tree.instances(ObjectId::ACCESS_CONTROL).peekable();
    if servers.len() > 1 && controls.peek().is_none() {
        let path = Path::Object(ObjectId::ACCESS_CONTROL);
        judge(Err(Inconsistency::at(path, Expected::AccessControl)))?;
    }
    let before = security_instances(tree.settled()).filter_map(|(id, _)| id);
    let rights = Rights {
        tree,
        servers,
        before: before.collect(),
    };
    controls.try_for_each(|instance| judge(rights.check_one(instance)))
}

struct Rights<'t> {
    tree: &'t ObjectTree,
    servers: &'t Servers,
    /// The servers that there were before the bootstrap.
    before: BTreeSet<ShortServerId>,
}

impl Rights<'_> {
    fn check_one(&self, instance: InstanceId) -> Result<(), Inconsistency> {
        mandatory::check(self.tree, ObjectId::ACCESS_CONTROL, instance)?;
        let (now, before) = (self.tree.view(), self.tree.settled());
        let target = now.access_target(instance);
        // Of what was about something else nothing is as before.
        let before = Some(before).filter(|before| before.access_target(instance) == target);
        let mut others = target.into_iter().flat_map(|at| now.access_controls(at));
        if before.is_none() && others.any(|id| id != instance) {
            let path = Path::Instance(ObjectId::ACCESS_CONTROL, instance);
            return Err(Inconsistency::at(path, Expected::AnotherTarget));
        }
        self.check_entries(instance, before)?;
        self.check_owner(instance, target, before)
    }

    fn check_entries(
        &self,
        instance: InstanceId,
        before: Option<TreeView<'_>>,
    ) -> Result<(), Inconsistency> {
        let mut found = None;
        self.tree
            .visit(resource(instance, AccessControl::ACL), |at, _| {
                let entry = at.resource_instance().map(ResourceInstanceId::get);
                let is_known = entry.is_some_and(|id| id == AccessControl::DEFAULT || self.has(id));
                let had = || before.is_some_and(|before| before.get(at).is_some());
                let was_unknown = || entry.is_some_and(|id| !self.had(id)) && had();
                if !is_known && found.is_none() && !was_unknown() {
                    found = Some(Inconsistency::at(at, Expected::AclEntry));
                }
            });
        found.map_or(Ok(()), Err)
    }

    fn check_owner(
        &self,
        instance: InstanceId,
        target: Option<AclTarget>,
        before: Option<TreeView<'_>>,
    ) -> Result<(), Inconsistency> {
        let path = resource(instance, AccessControl::OWNER);
        let of = |view: TreeView<'_>| match view.get(path) {
            Some(Value::Integer(owner)) => u16::try_from(owner).ok(),
            _ => None,
        };
        let owner = of(self.tree.view());
        let was = before.and_then(of);
        let on_object = matches!(target, Some(AclTarget::Object(_)));
        let expected = match owner {
            Some(AccessControl::NOBODY) => return Ok(()),
            _ if on_object => Expected::NoOwner,
            Some(owner) if self.has(owner) => return Ok(()),
            Some(owner) if was == Some(owner) && !self.had(owner) => return Ok(()),
            _ => Expected::Owner,
        };
        Err(Inconsistency::at(path, expected))
    }

    /// Whether the Client has this server.
    fn has(&self, id: u16) -> bool {
        ShortServerId::new(id).is_some_and(|id| self.servers.contains_key(&id))
    }

    /// Whether the Client had this server before the bootstrap.
    fn had(&self, id: u16) -> bool {
        ShortServerId::new(id).is_some_and(|id| self.before.contains(&id))
    }
}

fn resource(instance: InstanceId, resource: impl Into<lwm2m_core::ResourceId>) -> Path {
    Path::Resource(ObjectId::ACCESS_CONTROL, instance, resource.into())
}
