//! The one place where changes are checked against the definitions of their Objects.

use alloc::vec::Vec;
use core::ops::Deref;

use lwm2m_core::{InstanceId, ObjectId, Path, ValueRef};

use super::{change::Change, error::WriteError, objects::Objects, stamp::Stamp};
use crate::definition::{Multiplicity, ObjectDefinition, ResourceDefinition};

/// Changes that fit the definitions of their Objects: paths, data types, ranges, and the number of
/// Object Instances. Only a [`Transaction`] and [`ObjectTree::check`] make them. They read as a
/// slice, in which the changes of one Object follow each other.
///
/// Only the tree that has checked them takes them, and only until an Object is added to it:
/// [`ObjectTree::commit`] doesn't check values again.
///
/// ```
/// use lwm2m_core::InstanceId;
/// use lwm2m_objects::{Change, DEVICE, ObjectTree, Store, WriteError};
///
/// let mut tree = ObjectTree::new();
/// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 9, 100));
/// let battery = "/3/0/9".parse()?;
/// let set = |level: i64| Change::Set { path: battery, value: level.into() };
/// let checked = tree.check([set(42)])?;
/// assert_eq!(checked[0].path(), battery);
/// assert_eq!(tree.commit(&checked)?, [battery]);
/// assert_eq!(tree.check([set(101)]), Err(WriteError::OutOfRange(battery)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`ObjectTree::check`]: crate::ObjectTree::check
/// [`ObjectTree::commit`]: crate::ObjectTree::commit
/// [`Transaction`]: crate::Transaction
#[derive(Clone, Debug)]
pub struct CheckedChanges {
    changes: Vec<Change>,
    by: Stamp,
}

impl CheckedChanges {
    /// Checks changes that were not read from a payload.
    pub(super) fn of(objects: &Objects, changes: Vec<Change>) -> Result<Self, WriteError> {
        for change in &changes {
            check(objects, change)?;
        }
        Ok(Draft(changes).finish(objects))
    }

    /// The changes of each Object, in their order.
    pub(super) fn by_object(&self) -> impl Iterator<Item = (ObjectId, &[Change])> {
        let runs = self.changes.chunk_by(|a, b| object_of(a) == object_of(b));
        runs.filter_map(|run| Some((object_of(run.first()?)?, run)))
    }

    /// The changes, by Object.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// Whether these Objects have checked them.
    pub(super) fn are_by(&self, objects: &Objects) -> bool {
        self.by == objects.stamp()
    }
}

impl PartialEq for CheckedChanges {
    /// Whether the changes are the same, whichever tree has checked them.
    fn eq(&self, other: &Self) -> bool {
        self.changes == other.changes
    }
}

impl Deref for CheckedChanges {
    type Target = [Change];

    fn deref(&self) -> &[Change] {
        &self.changes
    }
}

/// Changes that are being collected. Each is checked before it is added.
pub(super) struct Draft(Vec<Change>);

impl Draft {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The changes so far, in the order in which they were added.
    pub(super) fn changes(&self) -> &[Change] {
        &self.0
    }

    /// Adds any change.
    pub(super) fn change(&mut self, objects: &Objects, change: Change) -> Result<(), WriteError> {
        check(objects, &change)?;
        self.0.push(change);
        Ok(())
    }

    /// Creates an Object Instance.
    pub(super) fn create(
        &mut self,
        object: &ObjectDefinition,
        path: Path,
    ) -> Result<(), WriteError> {
        check_create(object, path)?;
        self.0.push(Change::Create { path });
        Ok(())
    }

    /// Deletes an Object Instance.
    pub(super) fn delete(&mut self, path: Path) -> Result<(), WriteError> {
        check_instance(path)?;
        self.0.push(Change::Delete { path });
        Ok(())
    }

    /// Sets the value of a Resource or of a Resource Instance.
    pub(super) fn set(
        &mut self,
        resource: &ResourceDefinition,
        path: Path,
        value: ValueRef<'_>,
    ) -> Result<(), WriteError> {
        check_set(resource, path, &value)?;
        let value = value.to_owned();
        self.0.push(Change::Set { path, value });
        Ok(())
    }

    /// Leaves a multiple Resource without Resource Instances.
    pub(super) fn clear(
        &mut self,
        resource: &ResourceDefinition,
        path: Path,
    ) -> Result<(), WriteError> {
        check_clear(resource, path)?;
        self.0.push(Change::Clear { path });
        Ok(())
    }

    /// Removes a Resource.
    pub(super) fn remove(
        &mut self,
        resource: &ResourceDefinition,
        path: Path,
    ) -> Result<(), WriteError> {
        check_remove(resource, path)?;
        self.0.push(Change::Remove { path });
        Ok(())
    }

    /// All changes. Those of one Object keep their order, and don't depend on those of others.
    pub(super) fn finish(self, objects: &Objects) -> CheckedChanges {
        let mut changes = self.0;
        if !changes.is_sorted_by_key(object_of) {
            changes.sort_by_key(object_of);
        }
        CheckedChanges {
            changes,
            by: objects.stamp(),
        }
    }
}

fn check(objects: &Objects, change: &Change) -> Result<(), WriteError> {
    let path = change.path();
    let object = path.object().and_then(|id| objects.get(id));
    let object = object.ok_or(WriteError::NotFound(path))?.definition();
    let resource = || {
        let resource = path.resource().and_then(|id| object.resource(id));
        resource.ok_or(WriteError::NotWritable(path))
    };
    match change {
        Change::Create { .. } => check_create(object, path),
        Change::Delete { .. } => check_instance(path),
        Change::Set { value, .. } => check_set(resource()?, path, &value.as_ref()),
        Change::Clear { .. } => check_clear(resource()?, path),
        Change::Remove { .. } => check_remove(resource()?, path),
    }
}

fn object_of(change: &Change) -> Option<ObjectId> {
    change.path().object()
}

/// The instance of a single-instance Object is 0 (TS 5.4.6).
fn check_create(object: &ObjectDefinition, path: Path) -> Result<(), WriteError> {
    check_instance(path)?;
    let single = object.instances == Multiplicity::Single;
    if single && path.instance() != Some(InstanceId::ZERO) {
        return Err(WriteError::TooMany(path));
    }
    Ok(())
}

fn check_instance(path: Path) -> Result<(), WriteError> {
    match path {
        Path::Instance(..) => Ok(()),
        _ => Err(WriteError::NotWritable(path)),
    }
}

fn check_set(
    resource: &ResourceDefinition,
    path: Path,
    value: &ValueRef<'_>,
) -> Result<(), WriteError> {
    check_has_values(resource, path)?;
    check_value(resource, path, value)?;
    if resource.is_multiple() != path.resource_instance().is_some() {
        return Err(WriteError::WrongType(path));
    }
    Ok(())
}

fn check_clear(resource: &ResourceDefinition, path: Path) -> Result<(), WriteError> {
    check_remove(resource, path)?;
    if !resource.is_multiple() {
        return Err(WriteError::WrongType(path));
    }
    Ok(())
}

fn check_remove(resource: &ResourceDefinition, path: Path) -> Result<(), WriteError> {
    match path {
        Path::Resource(..) => check_has_values(resource, path),
        _ => Err(WriteError::NotWritable(path)),
    }
}

fn check_has_values(resource: &ResourceDefinition, path: Path) -> Result<(), WriteError> {
    if resource.operations.executable() {
        return Err(WriteError::NotWritable(path));
    }
    Ok(())
}

/// Checks a value against the data type and the range of its definition.
pub(crate) fn check_value(
    resource: &ResourceDefinition,
    path: Path,
    value: &ValueRef<'_>,
) -> Result<(), WriteError> {
    if resource.data_type.is_none() || resource.data_type != value.data_type() {
        return Err(WriteError::WrongType(path));
    }
    match &resource.range {
        Some(range) if !range.allows(value) => Err(WriteError::OutOfRange(path)),
        _ => Ok(()),
    }
}
