//! The definitions of one client's Objects (TS 6.2).

use lwm2m_core::{DataType, ObjectId, Path, ResourceId, Version, codec::TypeLookup};
use lwm2m_objects::{ObjectDefinition, Registry, ResourceDefinition};

use super::registrar::{ObjectList, Registration};

/// The definitions of one client's Objects, in the versions that the client has. Its answers are
/// decoded with them, and values to write have their types.
///
/// The version of an Object is the first of these that is known:
///
/// 1. what the client announced (`ver`, TS 6.2.3);
/// 2. for the Objects of the Enabler (0 to 7): what the version of its Enabler implies. That is 1.0
///    for Enabler 1.0, and for a later one the highest version of major 1 that [it
///    supports](ObjectDefinition::enabler);
/// 3. the [default](Registry::set_default) of the registry.
///
/// If the registry doesn't have the version, the nearest of the same major version [stands
/// in](Registry::object_version). If it has none of that major version, the Object has no
/// definition and its values are raw, because another major version could misread them.
#[derive(Clone, Copy, Debug)]
pub struct ClientDefinitions<'a> {
    registry: &'a Registry,
    enabler: Version,
    objects: &'a ObjectList,
}

/// The last Object that the Enabler itself defines (TS Appendix E).
const LAST_OF_ENABLER: ObjectId = ObjectId::CONNECTIVITY_STATISTICS;

impl<'a> ClientDefinitions<'a> {
    pub(super) fn new<P>(registry: &'a Registry, client: &'a Registration<P>) -> Self {
        Self {
            registry,
            enabler: client.version(),
            objects: client.object_list(),
        }
    }

    /// The definition of an Object, whether or not the client has it.
    pub fn object(&self, id: ObjectId) -> Option<&'a ObjectDefinition> {
        match self.objects.announced(id) {
            Some(version) => self.registry.object_version(id, version),
            None if id <= LAST_OF_ENABLER => self.object_of_enabler(id),
            None => self.registry.object(id),
        }
    }

    /// The definition of a Resource.
    pub fn resource(&self, object: ObjectId, id: ResourceId) -> Option<&'a ResourceDefinition> {
        self.object(object)?.resource(id)
    }

    fn object_of_enabler(&self, id: ObjectId) -> Option<&'a ObjectDefinition> {
        if self.enabler > Version::INITIAL {
            // From the highest down: one of the first fits, as versions rise with the Enabler.
            let mut versions = self.registry.versions(id);
            let implied = versions.rfind(|object| {
                object.version.major == Version::INITIAL.major && object.enabler <= self.enabler
            });
            if implied.is_some() {
                return implied;
            }
        }
        self.registry.object_version(id, Version::INITIAL)
    }
}

/// The types for a payload about one Object. Its definition is looked up once.
pub(super) struct ObjectTypes<'a> {
    definitions: ClientDefinitions<'a>,
    object: Option<(ObjectId, Option<&'a ObjectDefinition>)>,
}

impl<'a> ClientDefinitions<'a> {
    /// The types for a payload about this path. The payload may have values of other Objects, too.
    pub(super) fn types_for(self, path: &Path) -> ObjectTypes<'a> {
        let object = path.object();
        ObjectTypes {
            definitions: self,
            object: object.map(|id| (id, self.object(id))),
        }
    }
}

impl TypeLookup for ObjectTypes<'_> {
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType> {
        match self.object {
            Some((known, definition)) if known == object => {
                definition?.resource(resource)?.data_type
            }
            _ => self.definitions.data_type(object, resource),
        }
    }
}

impl TypeLookup for ClientDefinitions<'_> {
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType> {
        self.resource(object, resource)?.data_type
    }
}
