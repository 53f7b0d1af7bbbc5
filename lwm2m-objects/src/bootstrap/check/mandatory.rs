//! Whether an Object Instance has what is mandatory (TS D.1).

use lwm2m_core::{InstanceId, ObjectId, Path};

use crate::{
    bootstrap::{
        content::is_as_before,
        inconsistency::{Expected, Inconsistency},
    },
    tree::ObjectTree,
};

/// An Object Instance that is there has all that is mandatory and has a value, unless it is as it was
/// before the bootstrap. Executable Resources come with the Object, and keys depend on the mode.
pub(super) fn check(
    tree: &ObjectTree,
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
    let missing = missing.filter(|_| !is_as_before(tree, (object, instance)));
    missing.map_or(Ok(()), |resource| {
        let path = Path::Resource(object, instance, resource.id);
        Err(Inconsistency::at(path, Expected::Mandatory))
    })
}
