//! The payload of one operation in a transaction.

use alloc::vec::Vec;

use lwm2m_core::{InstanceId, Path, ResourceId, Timestamp, ValueRef, WriteMode, codec::Event};

use super::{named::NamedPaths, pending::Pending};
use crate::{
    definition::{Multiplicity, Operations, ResourceDefinition},
    tree::{change::Change, error::WriteError, object::Object, objects::Objects},
};

/// The payload of one Write, Create or Bootstrap-Write.
pub(super) struct Part<'t> {
    object: &'t dyn Object,
    target: Path,
    purpose: Purpose,
    /// The Object Instance that is open.
    instance: Option<InstanceId>,
    /// The multiple Resource that is open; without a definition if it is ignored.
    multiple: Option<(ResourceId, Option<&'t ResourceDefinition>)>,
    /// What the payload has named so far.
    named: NamedPaths,
    /// The Object Instances that it creates.
    created: Vec<InstanceId>,
    /// The identifier that was chosen for it.
    assigned: Option<InstanceId>,
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

impl<'t> Part<'t> {
    /// A Write of an Object Instance or a Resource that is there (TS 5.4.3).
    pub(super) fn write(
        objects: &'t Objects,
        pending: &Pending,
        target: Path,
        mode: WriteMode,
    ) -> Result<Self, WriteError> {
        // An Object isn't written as a whole (TS 7.3.2.4), nor a Resource Instance alone.
        let (Path::Instance(id, instance) | Path::Resource(id, instance, _)) = target else {
            return Err(WriteError::NotWritable(target));
        };
        let object = objects.get(id);
        let object = object.filter(|object| pending.has_instance(*object, instance));
        let object = object.ok_or(WriteError::NotFound(target))?;
        if let Some(resource) = target.resource() {
            // A URI of what the Client doesn't have is 4.04, even if it couldn't be written.
            let definition = object.definition().resource(resource);
            if definition.is_none() || !object.supports(resource) {
                return Err(WriteError::NotFound(target));
            }
            if !definition.is_some_and(|resource| resource.operations.writable()) {
                return Err(WriteError::NotWritable(target));
            }
        }
        Ok(Self::new(object, target, Purpose::Write(mode)))
    }

    /// A Create on an Object (TS 5.4.6).
    pub(super) fn create(
        objects: &'t Objects,
        pending: &Pending,
        target: Path,
    ) -> Result<Self, WriteError> {
        let object = target.object().and_then(|id| objects.get(id));
        let object = object.ok_or(WriteError::NotFound(target))?;
        let single = object.definition().instances == Multiplicity::Single;
        if !object.is_managed() || single && pending.has_its_instance(object) {
            return Err(WriteError::NotManaged(target));
        }
        Ok(Self::new(object, target, Purpose::Create))
    }

    /// A Bootstrap-Write of an Object, an Object Instance or a Resource, whether it is there or
    /// not, and whatever its operations are (TS 5.2.7.4).
    pub(super) fn bootstrap_write(objects: &'t Objects, target: Path) -> Result<Self, WriteError> {
        let id = match (target, target.object()) {
            (Path::ResourceInstance(..), _) | (_, None) => {
                return Err(WriteError::NotWritable(target));
            }
            (_, Some(id)) => id,
        };
        let object = objects.get(id).ok_or(WriteError::NotFound(target))?;
        Ok(Self::new(object, target, Purpose::BootstrapWrite))
    }

    const fn new(object: &'t dyn Object, target: Path, purpose: Purpose) -> Self {
        Self {
            object,
            target,
            purpose,
            instance: None,
            multiple: None,
            named: NamedPaths::new(),
            created: Vec::new(),
            assigned: None,
            free_from: Some(InstanceId::ZERO),
        }
    }

    /// Handles the next event of the payload.
    #[inline]
    pub(super) fn event(
        &mut self,
        event: Event<'_>,
        pending: &mut Pending,
    ) -> Result<(), WriteError> {
        match event {
            Event::Object(id) if id == self.object.definition().id => Ok(()),
            Event::Instance(id) => self.begin_instance(id, pending),
            Event::Resource { id, value, time } => match self.resource(id, false)? {
                (path, Some(definition)) if !self.says_nothing(definition, &value) => {
                    self.set(definition, path, value, time, pending)
                }
                _ => Ok(()),
            },
            Event::Multiple(id) => self.begin_multiple(id, pending),
            Event::ResourceInstance { id, value, time } => {
                let structure = WriteError::Structure(self.target);
                let instance = self.instance.ok_or(structure)?;
                let (resource, definition) = self.multiple.ok_or(structure)?;
                let Some(definition) = definition else {
                    return Ok(());
                };
                let object = self.object.definition().id;
                let path = Path::ResourceInstance(object, instance, resource, id);
                self.set(definition, path, value, time, pending)
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

    /// The payload has ended: adds what follows from what it doesn't name.
    pub(super) fn end(self, pending: &mut Pending) -> Result<(), WriteError> {
        match self.purpose {
            Purpose::Write(_) | Purpose::BootstrapWrite if self.target.resource().is_some() => {
                if !self.named.has_resources() {
                    return Err(WriteError::Structure(self.target));
                }
            }
            Purpose::Write(WriteMode::PartialUpdate) => {}
            Purpose::Write(WriteMode::Replace) => {
                if let Some(instance) = self.target.instance() {
                    self.remove_absent(instance, pending, |resource| {
                        resource.operations.writable() && !resource.mandatory
                    })?;
                }
            }
            Purpose::Create => {
                self.check_created()?;
                self.supply(pending)?;
            }
            Purpose::BootstrapWrite => {
                self.supply(pending)?;
                for instance in self.named.instances() {
                    self.remove_absent(instance, pending, |resource| {
                        !resource.mandatory
                            && matches!(
                                resource.operations,
                                Operations::None | Operations::Write | Operations::ReadWrite
                            )
                    })?;
                }
            }
        }
        Ok(())
    }

    fn begin_instance(
        &mut self,
        id: Option<InstanceId>,
        pending: &mut Pending,
    ) -> Result<(), WriteError> {
        let structure = WriteError::Structure(self.target);
        let object = self.object.definition();
        let target = self.target.instance();
        if target.is_some_and(|target| Some(target) != id) {
            return Err(structure);
        }
        let id = match (id, self.purpose) {
            (Some(id), _) => id,
            (None, Purpose::Create) => {
                let free = self.free_instance(pending)?;
                self.assigned = Some(free);
                free
            }
            (None, _) => return Err(structure),
        };
        let path = Path::Instance(object.id, id);
        let exists = pending.has_instance(self.object, id);
        let first = self.named.insert(path);
        let new = match self.purpose {
            Purpose::Write(_) => false,
            Purpose::Create if exists => return Err(WriteError::Exists(path)),
            Purpose::Create | Purpose::BootstrapWrite => !exists,
        };
        if new && first {
            pending.draft.create(object, path)?;
            self.created.push(id);
        }
        self.instance = Some(id);
        Ok(())
    }

    /// The first Object Instance ID that is free before this payload, and that it doesn't name.
    fn free_instance(&mut self, pending: &Pending) -> Result<InstanceId, WriteError> {
        let object = self.object.definition().id;
        loop {
            let from = self.free_from;
            let free = from.and_then(|from| pending.free_instance(self.object, from));
            let free = free.ok_or(WriteError::TooMany(self.target))?;
            // Those before it are taken, and stay so.
            self.free_from = free.get().checked_add(1).and_then(InstanceId::new);
            if !self.named.contains(Path::Instance(object, free)) {
                return Ok(free);
            }
        }
    }

    /// The definition of a Resource that an event names, and its path. Without a definition it is
    /// ignored: in a Create and a Bootstrap-Write what the Client doesn't support, in a Create also
    /// what servers can't set.
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

    fn begin_multiple(&mut self, id: ResourceId, pending: &mut Pending) -> Result<(), WriteError> {
        let (path, definition) = self.resource(id, true)?;
        self.multiple = Some((id, definition));
        // A flat format (JSON) may return to it; it begins only once.
        if let Some(definition) = definition
            && self.named.insert(path)
            && self.begins_empty(id, pending)
        {
            pending.draft.clear(definition, path)?;
        }
        Ok(())
    }

    /// Whether a multiple Resource of the payload begins empty, because it is replaced or isn't
    /// there. A Partial Update of one that is there merges by Resource Instance.
    fn begins_empty(&self, resource: ResourceId, pending: &Pending) -> bool {
        let merges = self.purpose == Purpose::Write(WriteMode::PartialUpdate);
        let there = |instance| pending.has(self.object, instance, resource);
        !(merges && self.instance.is_some_and(there))
    }

    /// Whether a Bootstrap-Server writes this value to say that there is none. Deployed ones write
    /// zero octets, even where the length is fixed, as for the keys of the SMS binding.
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
        pending: &mut Pending,
    ) -> Result<(), WriteError> {
        if time.is_some() {
            return Err(WriteError::Timed(path));
        }
        pending.draft.set(definition, path, value)?;
        if !self.named.insert(path) {
            return Err(WriteError::Duplicate(path));
        }
        Ok(())
    }

    /// Removes Resources that are there and that the payload doesn't name, if `removable`.
    ///
    /// Replace of an Object Instance removes what is writable and optional; mandatory and
    /// read-only Resources keep their values. A Bootstrap-Write does so too, and removes what only
    /// the Bootstrap-Server can set. Whether all that is mandatory is there is checked at the
    /// Bootstrap-Finish.
    fn remove_absent(
        &self,
        instance: InstanceId,
        pending: &mut Pending,
        removable: impl Fn(&ResourceDefinition) -> bool,
    ) -> Result<(), WriteError> {
        for resource in self.object.definition().resources.iter() {
            let path = self.resource_path(instance, resource.id);
            if removable(resource)
                && pending.has(self.object, instance, resource.id)
                && !self.named.contains(path)
            {
                pending.draft.remove(resource, path)?;
            }
        }
        Ok(())
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

    /// Gives new Object Instances the mandatory Resources that the payload can't: servers don't set
    /// them (TS 7.3.2.4). A Bootstrap-Server may have; what is missing then is for the
    /// Bootstrap-Finish.
    fn supply(&self, pending: &mut Pending) -> Result<(), WriteError> {
        for instance in &self.created {
            let Some(initial) = self.object.initial(*instance) else {
                continue;
            };
            let resources = self.object.definition().resources.iter();
            let of_client = resources.filter(|resource| {
                let operations = resource.operations;
                resource.mandatory && !operations.writable() && !operations.executable()
            });
            for resource in of_client {
                let path = self.resource_path(*instance, resource.id);
                if !self.named.contains(path) {
                    self.supply_one(resource, path, &initial, pending)?;
                }
            }
        }
        Ok(())
    }

    fn supply_one(
        &self,
        resource: &ResourceDefinition,
        path: Path,
        initial: &[Change],
        pending: &mut Pending,
    ) -> Result<(), WriteError> {
        if resource.is_multiple() {
            pending.draft.clear(resource, path)?;
        }
        let mut supplied = resource.is_multiple();
        for change in initial
            .iter()
            .filter(|change| path.contains(&change.path()))
        {
            if let Change::Set { path, value } = change {
                pending.draft.set(resource, *path, value.as_ref())?;
                supplied = true;
            }
        }
        if supplied || self.purpose != Purpose::Create {
            return Ok(());
        }
        Err(WriteError::NotSupplied(path))
    }

    /// The identifier that was chosen for an Object Instance, because the payload has none.
    pub(super) const fn assigned(&self) -> Option<InstanceId> {
        self.assigned
    }

    fn resource_path(&self, instance: InstanceId, resource: ResourceId) -> Path {
        Path::Resource(self.object.definition().id, instance, resource)
    }
}
