//! Which Resources of its definition an Object supports.

use alloc::vec::Vec;

use lwm2m_core::ResourceId;

use crate::definition::ObjectDefinition;

/// Which Resources of its definition an Object supports, whether or not an Object Instance has
/// them.
#[derive(Clone)]
pub(super) enum Supported {
    /// All of them: the Object was made without instances, and no Resource was named.
    All,
    /// These, in ascending order: the mandatory ones, those that were named, and those that an Object
    /// Instance has been given.
    These(Vec<ResourceId>),
}

impl Supported {
    pub(super) fn contains(&self, definition: &ObjectDefinition, resource: ResourceId) -> bool {
        match self {
            Self::All => definition.resource(resource).is_some(),
            Self::These(these) => these.binary_search(&resource).is_ok(),
        }
    }

    /// From now on supports only the mandatory Resources and those that are [added](Self::add).
    pub(super) fn restrict(&mut self, definition: &ObjectDefinition) {
        if matches!(self, Self::All) {
            let resources = definition.resources.iter();
            let mandatory = resources.filter(|resource| resource.mandatory);
            *self = Self::These(mandatory.map(|resource| resource.id).collect());
        }
    }

    /// Supports a Resource of the definition.
    pub(super) fn add(&mut self, resource: ResourceId) {
        if let Self::These(these) = self
            && let Err(at) = these.binary_search(&resource)
        {
            these.insert(at, resource);
        }
    }
}
