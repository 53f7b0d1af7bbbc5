//! Typed Object Instances as steps of a plan.

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, codec::Content};
use lwm2m_objects::{
    ObjectTree, Store, WriteError,
    typed::{self, AccessControl, Typed},
};

use super::{
    super::plan::Plan,
    account::{Account, check_own},
    error::PlanError,
};

/// Writes an account at these Instances.
pub(super) fn write_account(
    plan: Plan,
    account: Account,
    security: InstanceId,
    server: InstanceId,
) -> Result<Plan, PlanError> {
    let Account {
        security: keys,
        server: parameters,
    } = account;
    Ok(plan
        .write(
            Path::Instance(ObjectId::SECURITY, security),
            content([(security, keys)])?,
        )
        .write(
            Path::Instance(ObjectId::SERVER, server),
            content([(server, parameters)])?,
        ))
}

/// Writes the account of the Bootstrap-Server at this Instance.
pub(super) fn write_own(
    plan: Plan,
    instance: InstanceId,
    security: typed::Security,
) -> Result<Plan, PlanError> {
    check_own(&security)?;
    let path = Path::Instance(ObjectId::SECURITY, instance);
    Ok(plan.write(path, content([(instance, security)])?))
}

/// One Write of all Access Control Object Instances, which count from 0, if there are any.
pub(super) fn write_access(plan: Plan, access: Vec<AccessControl>) -> Result<Plan, PlanError> {
    if access.is_empty() {
        return Ok(plan);
    }
    let mut taken = BTreeSet::new();
    let numbered = access
        .into_iter()
        .map(|instance| Ok((free(&mut taken)?, instance)))
        .collect::<Result<Vec<_>, PlanError>>()?;
    let path = Path::Object(ObjectId::ACCESS_CONTROL);
    Ok(plan.write(path, content(numbered)?))
}

/// The first Instance that isn't taken, which is taken from then on.
pub(super) fn free(taken: &mut BTreeSet<InstanceId>) -> Result<InstanceId, PlanError> {
    let mut all = (0..u16::MAX).filter_map(InstanceId::new);
    let first = all.find(|id| !taken.contains(id));
    let first = first.ok_or(PlanError::TooMany)?;
    taken.insert(first);
    Ok(first)
}

/// The values of these Object Instances.
pub(super) fn content<T: Typed>(
    instances: impl IntoIterator<Item = (InstanceId, T)>,
) -> Result<Content, PlanError> {
    let object = T::DEFINITION.id;
    let mut tree = ObjectTree::new();
    tree.add(Store::of(instances).checked()?);
    let mut content = Content::new();
    let mut refused = None;
    for instance in tree.instances(object) {
        for resource in tree.resources(object, instance) {
            let id: ResourceId = resource.id;
            tree.visit(Path::Resource(object, instance, id), |path, value| {
                if !T::accepts(id, &value) {
                    refused = Some(WriteError::Refused(path));
                }
                content.insert(path, value.to_owned());
            });
        }
    }
    refused.map_or(Ok(content), |error| Err(error.into()))
}
