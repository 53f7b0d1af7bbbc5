//! Whether an Object Instance has what is mandatory (TS D.1).

use lwm2m_core::{InstanceId, ObjectId, Path};

use crate::{
    bootstrap::inconsistency::{Expected, Inconsistency},
    tree::TreeView,
};

/// An Object Instance that is there has all that is mandatory and has a value. Executable Resources come
/// with the Object, and keys depend on the mode.
pub(super) fn check(
    tree: TreeView<'_>,
    object: ObjectId,
    instance: InstanceId,
) -> Result<(), Inconsistency> {
    let target = tree.target(Path::Instance(object, instance));
    let found = target.object().filter(|_| target.exists());
    let Some(found) = found.filter(|_| object != ObjectId::SECURITY) else {
        return Ok(());
    };
    let resources = found.definition().resources.iter();
    let missing = resources
        .filter(|resource| resource.mandatory && !resource.operations.executable())
        .find(|resource| !found.has(instance, resource.id));
    missing.map_or(Ok(()), |resource| {
        let path = Path::Resource(object, instance, resource.id);
        Err(Inconsistency::at(path, Expected::Mandatory))
    })
}
