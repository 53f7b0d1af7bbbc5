//! Which definitions are known.

use alloc::vec::Vec;

use lwm2m_core::{DataType, ObjectId, ResourceId, codec::TypeLookup};

use crate::{
    builtin::BUILT_IN,
    definition::{ObjectDefinition, ResourceDefinition},
};

/// The definitions that a server, or a tool, knows. It is a
/// [`TypeLookup`](lwm2m_core::codec::TypeLookup) for decoders.
///
/// ```
/// use lwm2m_core::{DataType, codec::TypeLookup};
/// use lwm2m_objects::Registry;
///
/// let registry = Registry::default();
/// assert_eq!(registry.data_type(3.into(), 9.into()), Some(DataType::Integer));
/// assert_eq!(registry.data_type(3.into(), 4.into()), None); // executable
/// assert_eq!(registry.data_type(30000.into(), 0.into()), None); // no definition
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    /// In ascending order of the Object IDs.
    objects: Vec<&'static ObjectDefinition>,
}

impl Default for Registry {
    /// The built-in Objects.
    fn default() -> Self {
        Self {
            objects: BUILT_IN.to_vec(),
        }
    }
}

impl Registry {
    /// A registry without any definition.
    pub const fn empty() -> Self {
        Self {
            objects: Vec::new(),
        }
    }

    /// Adds a definition, in place of one of the same Object ID.
    pub fn add(&mut self, definition: &'static ObjectDefinition) {
        match self
            .objects
            .binary_search_by_key(&definition.id, |object| object.id)
        {
            Ok(at) => {
                if let Some(slot) = self.objects.get_mut(at) {
                    *slot = definition;
                }
            }
            Err(at) => self.objects.insert(at, definition),
        }
    }

    /// The definition of an Object.
    pub fn object(&self, id: ObjectId) -> Option<&'static ObjectDefinition> {
        let at = self
            .objects
            .binary_search_by_key(&id, |object| object.id)
            .ok()?;
        self.objects.get(at).copied()
    }

    /// The definition of a Resource.
    pub fn resource(&self, object: ObjectId, id: ResourceId) -> Option<&ResourceDefinition> {
        self.object(object)?.resource(id)
    }

    /// All definitions, by Object ID.
    pub fn objects(&self) -> impl Iterator<Item = &'static ObjectDefinition> {
        self.objects.iter().copied()
    }
}

impl TypeLookup for Registry {
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType> {
        self.resource(object, resource)?.data_type
    }
}
