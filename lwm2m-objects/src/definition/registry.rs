//! The known definitions.

mod index;

use alloc::{borrow::Cow, vec::Vec};

use lwm2m_core::{DataType, ObjectId, ResourceId, Version, codec::TypeLookup};

use self::index::Index;
use crate::definition::{DefinitionError, ObjectDefinition, ResourceDefinition, builtin::BUILT_IN};

/// The definitions that a server or a tool knows. It is a [`TypeLookup`] for decoders. A lookup takes
/// constant time and does not allocate.
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
///
/// It may have several versions of an Object (TS 6.2). A lookup without a version finds the
/// *default*: the lowest version, unless [`set_default`](Self::set_default) chose another. For a
/// Client that registered with `ver`, look the versions up that it has:
///
/// ```
/// use lwm2m_core::{DataType, ObjectId, ResourceId, Version, codec::TypeLookup};
/// use lwm2m_objects::{ObjectDefinition, Operations, Registry, ResourceDefinition};
///
/// static OLD: &[ResourceDefinition] =
///     &[ResourceDefinition::new(0, "Level", Operations::Read, DataType::Integer)];
/// static NEW: &[ResourceDefinition] =
///     &[ResourceDefinition::new(0, "Level", Operations::Read, DataType::Float)];
/// let id = ObjectId::new(44);
/// let mut registry = Registry::default();
/// registry.add(ObjectDefinition::new(id, "Tank", "urn:oma:lwm2m:oma:44", OLD))?;
/// registry.add(
///     ObjectDefinition::new(id, "Tank", "urn:oma:lwm2m:oma:44:2.2", NEW)
///         .with_version(Version::new(2, 2)),
/// )?;
/// let level = ResourceId::new(0);
/// assert_eq!(registry.data_type(id, level), Some(DataType::Integer));
///
/// let registered = |_: ObjectId| Version::new(2, 1); // what the Client said
/// let lookup = |object, resource| {
///     registry.object_version(object, registered(object))?.resource(resource)?.data_type
/// };
/// assert_eq!(lookup(id, level), Some(DataType::Float));
/// # Ok::<(), lwm2m_objects::DefinitionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    definitions: Vec<Cow<'static, ObjectDefinition>>,
    /// Places in `definitions`, in ascending order of Object ID and version.
    order: Vec<u32>,
    /// The place in `definitions` of each Object's default.
    objects: Index<u32>,
    /// For each Resource of a default, the place of the definition and the place in its Resources.
    resources: Index<(u32, u32)>,
    /// Defaults that are not the lowest version.
    chosen: Vec<(ObjectId, Version)>,
}

impl Default for Registry {
    /// The built-in Objects.
    fn default() -> Self {
        let mut registry = Self::empty();
        // The built-in definitions keep the rules, as a test shows.
        for definition in BUILT_IN {
            registry.insert(Cow::Borrowed(definition));
        }
        registry
    }
}

impl Registry {
    /// A registry without any definition.
    pub const fn empty() -> Self {
        Self {
            definitions: Vec::new(),
            order: Vec::new(),
            objects: Index::new(),
            resources: Index::new(),
            chosen: Vec::new(),
        }
    }

    /// Adds a definition, static or owned. It replaces one of the same Object ID and version.
    ///
    /// # Errors
    ///
    /// If the definition [cannot be used](ObjectDefinition::check); then nothing changes.
    pub fn add(
        &mut self,
        definition: impl Into<Cow<'static, ObjectDefinition>>,
    ) -> Result<(), DefinitionError> {
        let definition = definition.into();
        definition.check()?;
        self.insert(definition);
        Ok(())
    }

    /// Makes a version the default of its Object. Returns whether the version is known.
    pub fn set_default(&mut self, id: ObjectId, version: Version) -> bool {
        let known = self.place(id, version).is_ok();
        if known {
            self.chosen.retain(|(object, _)| *object != id);
            self.chosen.push((id, version));
            self.rebuild();
        }
        known
    }

    /// The definition of an Object, in the default version.
    pub fn object(&self, id: ObjectId) -> Option<&ObjectDefinition> {
        self.definition(self.objects.get(id.get().into())?)
    }

    /// The definition of an Object that is compatible with this version (TS 6.2.2): the same
    /// version, or else the nearest one of the same major version, which is the lowest above it, or
    /// the highest below it if there is none above.
    ///
    /// Minor versions add optional Resources (TS 6.2.1). A version above has the types of all
    /// Resources of the version asked for; a version below has no types for what was added later. Of
    /// several above, the lowest is the least likely to have removed a Resource.
    pub fn object_version(&self, id: ObjectId, version: Version) -> Option<&ObjectDefinition> {
        // For most Objects the default is the version asked for, and needs no search.
        let default = self.object(id);
        if default.is_some_and(|object| object.version == version) {
            return default;
        }
        let (Ok(at) | Err(at)) = self.place(id, version);
        let compatible = |at| {
            self.ordered(at)
                .filter(|object| object.id == id && object.version.major == version.major)
        };
        compatible(at).or_else(|| compatible(at.checked_sub(1)?))
    }

    /// All versions of an Object, the lowest first.
    pub fn versions(&self, id: ObjectId) -> impl DoubleEndedIterator<Item = &ObjectDefinition> {
        let places = self.order.as_slice();
        let from =
            places.partition_point(|at| self.definition(*at).is_some_and(|object| object.id < id));
        let (_, places) = places.split_at(from);
        let count =
            places.partition_point(|at| self.definition(*at).is_some_and(|object| object.id == id));
        let (places, _) = places.split_at(count);
        places.iter().filter_map(|at| self.definition(*at))
    }

    /// The definition of a Resource, in the default version of its Object.
    pub fn resource(&self, object: ObjectId, id: ResourceId) -> Option<&ResourceDefinition> {
        let (definition, resource) = self.resources.get(key(object, id))?;
        let resources = &self.definition(definition)?.resources;
        resources.get(usize::try_from(resource).ok()?)
    }

    /// All definitions, by Object ID and version.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectDefinition> {
        self.order.iter().filter_map(|at| self.definition(*at))
    }

    fn definition(&self, at: u32) -> Option<&ObjectDefinition> {
        self.definitions
            .get(usize::try_from(at).ok()?)
            .map(|definition| &**definition)
    }

    fn ordered(&self, at: usize) -> Option<&ObjectDefinition> {
        self.definition(*self.order.get(at)?)
    }

    /// Where a version is in the order, or where it belongs.
    fn place(&self, id: ObjectId, version: Version) -> Result<usize, usize> {
        self.order.binary_search_by_key(&Some((id, version)), |at| {
            self.definition(*at)
                .map(|object| (object.id, object.version))
        })
    }

    fn insert(&mut self, definition: Cow<'static, ObjectDefinition>) {
        let (id, version) = (definition.id, definition.version);
        match self.place(id, version) {
            Ok(at) => {
                let place = self.order.get(at).and_then(|at| usize::try_from(*at).ok());
                if let Some(slot) = place.and_then(|at| self.definitions.get_mut(at)) {
                    *slot = definition;
                }
                self.rebuild();
            }
            Err(at) => {
                // 65,536 Objects of 65,536 versions would have to fill 32 bits first.
                let Ok(place) = u32::try_from(self.definitions.len()) else {
                    return;
                };
                self.definitions.push(definition);
                self.order.insert(at, place);
                let other_versions = self.versions(id).nth(1).is_some();
                if other_versions {
                    self.rebuild();
                } else {
                    self.index(place);
                }
            }
        }
    }

    /// Rebuilds the indexes after a default has changed.
    fn rebuild(&mut self) {
        self.objects.clear();
        self.resources.clear();
        let mut previous = None;
        for at in 0..self.order.len() {
            let Some(object) = self.ordered(at) else {
                continue;
            };
            let id = object.id;
            if previous.replace(id) == Some(id) {
                continue;
            }
            let chosen = self.chosen.iter().find(|(object, _)| *object == id);
            let at = chosen
                .and_then(|(_, version)| self.place(id, *version).ok())
                .unwrap_or(at);
            if let Some(place) = self.order.get(at).copied() {
                self.index(place);
            }
        }
    }

    /// Makes a definition the default of its Object.
    fn index(&mut self, place: u32) {
        let Self {
            definitions,
            objects,
            resources,
            ..
        } = self;
        let definition = usize::try_from(place)
            .ok()
            .and_then(|at| definitions.get(at));
        let Some(definition) = definition else { return };
        objects.insert(definition.id.get().into(), place);
        for (at, resource) in (0..).zip(definition.resources.iter()) {
            resources.insert(key(definition.id, resource.id), (place, at));
        }
    }
}

/// The key of a Resource of an Object in the index.
fn key(object: ObjectId, resource: ResourceId) -> u32 {
    u32::from(object.get()) << 16 | u32::from(resource.get())
}

impl TypeLookup for Registry {
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType> {
        self.resource(object, resource)?.data_type
    }
}
