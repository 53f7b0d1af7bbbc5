//! A Write, whole or not at all (TS 5.4.3, 7.3.2.3).

use alloc::vec::Vec;

use lwm2m_core::{
    InstanceId, ObjectId, Path, ResourceId, Timestamp, ValueRef, WriteMode,
    codec::{Event, Sink},
};

use crate::{
    definition::ResourceDefinition,
    object::{Change, Object, WriteError},
    tree::{ObjectTree, check_value},
};

/// A Write in the making: a [`Sink`] that checks each event against definition and tree, and
/// collects changes. Nothing happens before [`ObjectTree::commit`].
#[expect(
    missing_debug_implementations,
    reason = "borrows trait objects; values may be secrets"
)]
pub struct Transaction<'t> {
    object: &'t dyn Object,
    target: Path,
    mode: WriteMode,
    instance: InstanceId,
    /// The multiple Resource that is open.
    open: Option<ResourceId>,
    changes: Vec<Change>,
    /// What the payload has named so far, in ascending order: Resources, and Resource Instances.
    named: Vec<Path>,
}

impl<'t> Transaction<'t> {
    pub(crate) fn begin(
        tree: &'t ObjectTree,
        target: Path,
        mode: WriteMode,
    ) -> Result<Self, WriteError> {
        // Objects are not written as a whole (TS 7.3.2.4), Resource Instances not alone.
        let (Path::Instance(object, instance) | Path::Resource(object, instance, _)) = target
        else {
            return Err(WriteError::NotWritable(target));
        };
        let found = tree.locate(Path::Instance(object, instance));
        let (object, _) = found.ok_or(WriteError::NotFound(target))?;
        let transaction = Self {
            object,
            target,
            mode,
            instance,
            open: None,
            changes: Vec::new(),
            named: Vec::new(),
        };
        if let Some(resource) = target.resource() {
            // The URI names what the Client does not have (4.04), before what cannot be written.
            let known = object.definition().resource(resource).is_some();
            if !known || !object.supports(resource) {
                return Err(WriteError::NotFound(target));
            }
            transaction.writable(resource)?;
        }
        Ok(transaction)
    }

    /// The changes to commit, once the payload has ended.
    pub fn finish(mut self) -> Result<Vec<Change>, WriteError> {
        if self.target.resource().is_some() && self.named.is_empty() {
            return Err(WriteError::Structure(self.target));
        }
        if self.mode == WriteMode::Replace && self.target.resource().is_none() {
            self.remove_what_is_absent();
        }
        Ok(self.changes)
    }

    /// Replace of an Object Instance: writable optional Resources that the payload does not name
    /// go; mandatory and read-only ones keep their values.
    fn remove_what_is_absent(&mut self) {
        for resource in self.object.definition().resources.iter() {
            let path = self.path(resource.id);
            if resource.operations.writable()
                && !resource.mandatory
                && self.object.has(self.instance, resource.id)
                && self.named.binary_search(&path).is_err()
            {
                self.changes.push(Change::Remove { path });
            }
        }
    }

    fn id(&self) -> ObjectId {
        self.object.definition().id
    }

    fn path(&self, resource: ResourceId) -> Path {
        Path::Resource(self.id(), self.instance, resource)
    }

    /// The definition of a Resource that the payload may write.
    fn writable(&self, resource: ResourceId) -> Result<&'t ResourceDefinition, WriteError> {
        let path = self.path(resource);
        match self.object.definition().resource(resource) {
            Some(definition)
                if definition.operations.writable() && self.object.supports(resource) =>
            {
                Ok(definition)
            }
            _ => Err(WriteError::NotWritable(path)),
        }
    }

    /// The definition of a Resource that an event names, single or multiple as the event has it.
    fn named(
        &self,
        resource: ResourceId,
        multiple: bool,
    ) -> Result<(&'t ResourceDefinition, Path), WriteError> {
        let path = self.path(resource);
        if !self.target.contains(&path) {
            return Err(WriteError::Structure(self.target));
        }
        let definition = self.writable(resource)?;
        if definition.is_multiple() != multiple {
            return Err(WriteError::WrongType(path));
        }
        Ok((definition, path))
    }

    /// Notes that the payload names `path`.
    fn note(&mut self, path: Path) -> Result<(), WriteError> {
        match self.named.binary_search(&path) {
            Ok(_) => Err(WriteError::Duplicate(path)),
            Err(at) => {
                self.named.insert(at, path);
                Ok(())
            }
        }
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
        self.note(path)?;
        self.changes.push(Change::Set {
            path,
            value: value.to_owned(),
        });
        Ok(())
    }
}

impl Sink for Transaction<'_> {
    type Error = WriteError;

    fn event(&mut self, event: Event<'_>) -> Result<(), WriteError> {
        match event {
            Event::Object(id) if id == self.id() => Ok(()),
            Event::Instance(Some(id)) if id == self.instance => Ok(()),
            Event::Object(_) | Event::Instance(_) => Err(WriteError::Structure(self.target)),
            Event::Resource { id, value, time } => {
                let (definition, path) = self.named(id, false)?;
                self.set(definition, path, value, time)
            }
            Event::Multiple(id) => {
                let (_, path) = self.named(id, true)?;
                self.open = Some(id);
                // A flat format may come back to it (JSON); it is replaced once.
                if self.note(path).is_ok() && self.begins_empty(id) {
                    self.changes.push(Change::Clear { path });
                }
                Ok(())
            }
            Event::ResourceInstance { id, value, time } => {
                let resource = self.open.ok_or(WriteError::Structure(self.target))?;
                let definition = self.writable(resource)?;
                let path = Path::ResourceInstance(self.id(), self.instance, resource, id);
                self.set(definition, path, value, time)
            }
            Event::EndMultiple => {
                self.open = None;
                Ok(())
            }
            Event::EndInstance | Event::EndObject => Ok(()),
        }
    }
}

impl Transaction<'_> {
    /// Whether a multiple Resource of the payload begins empty: it is replaced, or it was not
    /// there. A Partial Update of one that is there merges by Resource Instance.
    fn begins_empty(&self, resource: ResourceId) -> bool {
        self.mode == WriteMode::Replace || !self.object.has(self.instance, resource)
    }
}
