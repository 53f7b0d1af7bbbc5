//! Writes, Creates and Bootstrap-Writes, whole or not at all (TS 5.2.7.4, 5.4.3, 5.4.6, 7.3.2).

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{
    InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef, WriteMode,
    codec::{Event, Sink},
};

use crate::{
    definition::{Multiplicity, Operations, ResourceDefinition},
    tree::{
        ObjectTree, check_value,
        object::{Change, Object, WriteError},
    },
};

/// A change of the tree in the making: a [`Sink`] that checks each event of a payload against
/// definition and tree, and collects [`Change`]s. Nothing happens before [`ObjectTree::commit`].
#[expect(
    missing_debug_implementations,
    reason = "borrows trait objects; values may be secrets"
)]
pub struct Transaction<'t> {
    object: &'t dyn Object,
    target: Path,
    purpose: Purpose,
    /// The Object Instance that is open.
    instance: Option<InstanceId>,
    /// The multiple Resource that is open; without a definition if it is ignored.
    multiple: Option<(ResourceId, Option<&'t ResourceDefinition>)>,
    changes: Vec<Change>,
    /// What the payload has named so far.
    named: Named,
    /// Where to look for the next free Object Instance ID.
    free_from: Option<InstanceId>,
}

/// What a payload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Write(WriteMode),
    Create,
    BootstrapWrite,
}

/// Paths below one Object: each as one number, for they are compared often.
struct Named {
    /// Payloads are mostly in order: these were, and are.
    ascending: Vec<u64>,
    /// Those that came late. Whatever the order, a payload takes no longer than sorting it does.
    late: BTreeSet<u64>,
}

impl Named {
    /// Adds a path; false if it is there already.
    fn insert(&mut self, path: Path) -> bool {
        let key = Self::key(path);
        if self.ascending.last().is_none_or(|last| *last < key) {
            self.ascending.push(key);
            return true;
        }
        self.ascending.binary_search(&key).is_err() && self.late.insert(key)
    }

    fn contains(&self, path: Path) -> bool {
        let key = Self::key(path);
        self.ascending.binary_search(&key).is_ok() || self.late.contains(&key)
    }

    fn keys(&self) -> impl Iterator<Item = u64> {
        self.ascending.iter().chain(&self.late).copied()
    }

    fn instances(&self) -> Vec<InstanceId> {
        let instances = self.keys().filter(|key| key.trailing_zeros() >= 34);
        let numbers = instances.filter_map(|key| u16::try_from(key >> 34 & 0xFFFF).ok());
        numbers.filter_map(InstanceId::new).collect()
    }

    fn has_resources(&self) -> bool {
        self.keys().any(|key| key & 0x3_FFFE_0000 != 0)
    }

    /// Three times 17 bits, of which the first tells whether there is a number.
    fn key(path: Path) -> u64 {
        let part = |id: Option<u16>| id.map_or(0, |id| 0x1_0000 | u64::from(id));
        part(path.instance().map(InstanceId::get)) << 34
            | part(path.resource().map(ResourceId::get)) << 17
            | part(path.resource_instance().map(ResourceInstanceId::get))
    }
}

impl<'t> Transaction<'t> {
    /// A Write on an Object Instance or a Resource that are there (TS 5.4.3).
    pub(crate) fn write(
        tree: &'t ObjectTree,
        target: Path,
        mode: WriteMode,
    ) -> Result<Self, WriteError> {
        // Objects are not written as a whole (TS 7.3.2.4), Resource Instances not alone.
        let (Path::Instance(id, instance) | Path::Resource(id, instance, _)) = target else {
            return Err(WriteError::NotWritable(target));
        };
        let found = tree.locate(Path::Instance(id, instance));
        let (object, _) = found.ok_or(WriteError::NotFound(target))?;
        let transaction = Self::new(object, target, Purpose::Write(mode));
        if let Some(resource) = target.resource() {
            // The URI names what the Client does not have (4.04), before what cannot be written.
            let definition = object.definition().resource(resource);
            if definition.is_none() || !object.supports(resource) {
                return Err(WriteError::NotFound(target));
            }
            if !definition.is_some_and(|resource| resource.operations.writable()) {
                return Err(WriteError::NotWritable(target));
            }
        }
        Ok(transaction)
    }

    /// A Create on an Object (TS 5.4.6).
    pub(crate) fn create(tree: &'t ObjectTree, target: ObjectId) -> Result<Self, WriteError> {
        let path = Path::Object(target);
        let object = tree.object(target).ok_or(WriteError::NotFound(path))?;
        if !object.is_managed() {
            return Err(WriteError::NotManaged(path));
        }
        if object.definition().instances == Multiplicity::Single
            && object.next_instance(None).is_some()
        {
            return Err(WriteError::NotManaged(path));
        }
        Ok(Self::new(object, path, Purpose::Create))
    }

    /// A Bootstrap-Write on an Object, an Object Instance or a Resource, whether it is there or
    /// not, and whatever its operations are (TS 5.2.7.4).
    pub(crate) fn bootstrap(tree: &'t ObjectTree, target: Path) -> Result<Self, WriteError> {
        let id = match (target, target.object()) {
            (Path::ResourceInstance(..), _) | (_, None) => {
                return Err(WriteError::NotWritable(target));
            }
            (_, Some(id)) => id,
        };
        let object = tree.object(id).ok_or(WriteError::NotFound(target))?;
        Ok(Self::new(object, target, Purpose::BootstrapWrite))
    }

    const fn new(object: &'t dyn Object, target: Path, purpose: Purpose) -> Self {
        Self {
            object,
            target,
            purpose,
            instance: None,
            multiple: None,
            changes: Vec::new(),
            named: Named {
                ascending: Vec::new(),
                late: BTreeSet::new(),
            },
            free_from: Some(InstanceId::ZERO),
        }
    }

    /// The changes to commit, once the payload has ended.
    pub fn finish(mut self) -> Result<Vec<Change>, WriteError> {
        match self.purpose {
            Purpose::Write(_) | Purpose::BootstrapWrite if self.target.resource().is_some() => {
                if !self.named.has_resources() {
                    return Err(WriteError::Structure(self.target));
                }
            }
            Purpose::Write(WriteMode::PartialUpdate) => {}
            Purpose::Write(WriteMode::Replace) => {
                if let Some(instance) = self.target.instance() {
                    self.remove_what_is_absent(instance, |resource| {
                        resource.operations.writable() && !resource.mandatory
                    });
                }
            }
            Purpose::Create => self.check_created()?,
            Purpose::BootstrapWrite => {
                for instance in self.named.instances() {
                    self.remove_what_is_absent(instance, |resource| {
                        !resource.mandatory
                            && matches!(
                                resource.operations,
                                Operations::None | Operations::Write | Operations::ReadWrite
                            )
                    });
                }
            }
        }
        Ok(self.changes)
    }

    /// Resources that are there and that the payload does not name go, if `removable`.
    ///
    /// Replace of an Object Instance removes what is writable and optional; mandatory and
    /// read-only Resources keep their values. A Bootstrap-Write does so, too, and removes what only
    /// the Bootstrap-Server can set; whether all that is mandatory is there is for its Finish to say.
    fn remove_what_is_absent(
        &mut self,
        instance: InstanceId,
        removable: impl Fn(&ResourceDefinition) -> bool,
    ) {
        for resource in self.object.definition().resources.iter() {
            let path = self.resource_path(instance, resource.id);
            if removable(resource)
                && self.object.has(instance, resource.id)
                && !self.named.contains(path)
            {
                self.changes.push(Change::Remove { path });
            }
        }
    }

    /// Every Object Instance of a Create has its mandatory Resources (TS 7.3.2.4), as far as a
    /// server can set them.
    fn check_created(&self) -> Result<(), WriteError> {
        let instances = self.named.instances();
        if instances.is_empty() {
            return Err(WriteError::Structure(self.target));
        }
        for instance in instances {
            for resource in self.object.definition().resources.iter() {
                let path = self.resource_path(instance, resource.id);
                if resource.mandatory
                    && resource.operations.writable()
                    && !self.named.contains(path)
                {
                    return Err(WriteError::Missing(path));
                }
            }
        }
        Ok(())
    }

    fn resource_path(&self, instance: InstanceId, resource: ResourceId) -> Path {
        Path::Resource(self.object.definition().id, instance, resource)
    }

    fn begin_instance(&mut self, id: Option<InstanceId>) -> Result<(), WriteError> {
        let structure = WriteError::Structure(self.target);
        let object = self.object.definition().id;
        if self
            .target
            .instance()
            .is_some_and(|target| Some(target) != id)
        {
            return Err(structure);
        }
        let id = match (id, self.purpose) {
            (Some(id), _) => id,
            (None, Purpose::Create) => self.free_instance()?,
            (None, _) => return Err(structure),
        };
        let path = Path::Instance(object, id);
        let exists = self.object.has_instance(id);
        let first = self.named.insert(path);
        let new = match self.purpose {
            Purpose::Write(_) => false,
            Purpose::Create if exists => return Err(WriteError::Exists(path)),
            Purpose::Create | Purpose::BootstrapWrite => !exists,
        };
        let single = self.object.definition().instances == Multiplicity::Single;
        if new && single && id != InstanceId::ZERO {
            // The instance of a single-instance Object is 0 (TS 5.4.6).
            return Err(WriteError::TooMany(path));
        }
        if new && first {
            self.changes.push(Change::Create { path });
        }
        self.instance = Some(id);
        Ok(())
    }

    /// The first identifier that neither the Object nor this transaction has.
    fn free_instance(&mut self) -> Result<InstanceId, WriteError> {
        let object = self.object.definition().id;
        loop {
            // An Object that goes back has none that is free.
            let free = self.free_from.and_then(|from| {
                let free = self.object.free_instance(from);
                free.filter(|free| *free >= from)
            });
            let free = free.ok_or(WriteError::TooMany(self.target))?;
            // Those before it are taken, and stay so.
            self.free_from = free.get().checked_add(1).and_then(InstanceId::new);
            if !self.named.contains(Path::Instance(object, free)) {
                return Ok(free);
            }
        }
    }

    /// The definition of a Resource that an event names, and where it is. Without a definition
    /// it is ignored: in a Create and a Bootstrap-Write what the Client does not support, in a
    /// Create also what servers cannot set.
    fn resource(
        &self,
        id: ResourceId,
        multiple: bool,
    ) -> Result<(Path, Option<&'t ResourceDefinition>), WriteError> {
        let instance = self.instance.ok_or(WriteError::Structure(self.target))?;
        let path = self.resource_path(instance, id);
        if !self.target.contains(&path) {
            return Err(WriteError::Structure(self.target));
        }
        let supported = self
            .object
            .definition()
            .resource(id)
            .filter(|_| self.object.supports(id));
        let settable = supported.filter(|resource| match self.purpose {
            Purpose::Write(_) | Purpose::Create => resource.operations.writable(),
            Purpose::BootstrapWrite => !resource.operations.executable(),
        });
        match settable {
            Some(resource) if resource.is_multiple() != multiple => {
                Err(WriteError::WrongType(path))
            }
            None if matches!(self.purpose, Purpose::Write(_)) => Err(WriteError::NotWritable(path)),
            settable => Ok((path, settable)),
        }
    }

    fn begin_multiple(&mut self, id: ResourceId) -> Result<(), WriteError> {
        let (path, definition) = self.resource(id, true)?;
        self.multiple = Some((id, definition));
        // A flat format may come back to it (JSON); it begins once.
        if definition.is_some() && self.named.insert(path) && self.begins_empty(id) {
            self.changes.push(Change::Clear { path });
        }
        Ok(())
    }

    /// Whether a multiple Resource of the payload begins empty: it is replaced, or it is not
    /// there. A Partial Update of one that is there merges by Resource Instance.
    fn begins_empty(&self, resource: ResourceId) -> bool {
        let merges = self.purpose == Purpose::Write(WriteMode::PartialUpdate);
        let there = |instance| self.object.has(instance, resource);
        !(merges && self.instance.is_some_and(there))
    }

    /// Whether a Bootstrap-Server writes that it has no value: deployed ones write no octets, also
    /// for what is of a fixed length, such as the keys of the SMS binding.
    fn says_nothing(&self, definition: &ResourceDefinition, value: &ValueRef<'_>) -> bool {
        let empty = *value == ValueRef::Opaque(&[]);
        let range = definition.range.as_ref();
        self.purpose == Purpose::BootstrapWrite
            && !definition.mandatory
            && empty
            && range.is_some_and(|range| !range.allows(value))
    }

    fn set(
        &mut self,
        definition: &ResourceDefinition,
        path: Path,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
    ) -> Result<(), WriteError> {
        if time.is_some() {
            return Err(WriteError::Timed(path));
        }
        check_value(definition, path, &value)?;
        if !self.named.insert(path) {
            return Err(WriteError::Duplicate(path));
        }
        let value = value.to_owned();
        self.changes.push(Change::Set { path, value });
        Ok(())
    }
}

impl Sink for Transaction<'_> {
    type Error = WriteError;

    fn event(&mut self, event: Event<'_>) -> Result<(), WriteError> {
        match event {
            Event::Object(id) if id == self.object.definition().id => Ok(()),
            Event::Instance(id) => self.begin_instance(id),
            Event::Resource { id, value, time } => match self.resource(id, false)? {
                (path, Some(definition)) if !self.says_nothing(definition, &value) => {
                    self.set(definition, path, value, time)
                }
                _ => Ok(()),
            },
            Event::Multiple(id) => self.begin_multiple(id),
            Event::ResourceInstance { id, value, time } => {
                let structure = WriteError::Structure(self.target);
                let instance = self.instance.ok_or(structure)?;
                let (resource, definition) = self.multiple.ok_or(structure)?;
                let Some(definition) = definition else {
                    return Ok(());
                };
                let object = self.object.definition().id;
                let path = Path::ResourceInstance(object, instance, resource, id);
                self.set(definition, path, value, time)
            }
            Event::EndMultiple => {
                self.multiple = None;
                Ok(())
            }
            Event::EndInstance => {
                self.instance = None;
                Ok(())
            }
            Event::EndObject => Ok(()),
            // Another Object, a path without a value, or an event that isn't known here.
            _ => Err(WriteError::Structure(self.target)),
        }
    }
}
