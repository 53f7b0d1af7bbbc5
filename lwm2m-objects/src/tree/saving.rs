//! Saving and restoring the values of a tree.

use alloc::{boxed::Box, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, Value};

use super::{ObjectTree, object::Object};
use crate::saved::snapshot::{ObjectSnapshot, ResourceSnapshot, Snapshot, SnapshotError};

/// Which Object an Access Control Object Instance is about (TS E.3).
const ACCESS_CONTROL_TARGET: ResourceId = ResourceId::new(0);

/// Current Time of the Device (TS E.4).
const CURRENT_TIME: Path = Path::Resource(ObjectId::DEVICE, InstanceId::ZERO, ResourceId::new(13));

impl ObjectTree {
    /// The values of all Objects that keep theirs in memory. While commits are
    /// [held](Self::hold), these are the values that [`roll_back`](Self::roll_back) would leave:
    /// held changes aren't in force after a restart.
    pub fn snapshot(&self) -> Snapshot {
        let save = |object: &dyn Object| match self.held.undo(object) {
            Some(undo) => object.save_undone(&undo),
            None => object.save(),
        };
        Snapshot::new(self.objects().filter_map(save).collect())
    }

    /// Restores a snapshot: afterwards, the Objects in it have exactly its instances and values.
    /// Others keep theirs. What is [held](Self::hold) is rolled back first.
    ///
    /// # Errors
    ///
    /// See [`SnapshotError`]; nothing has changed.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        for object in snapshot.checked()? {
            let found = self.object(object.object);
            let found = found.filter(|found| found.definition().version == object.version);
            found
                .ok_or(SnapshotError::Object(object.object))?
                .check_saved(object)?;
        }
        self.roll_back();
        for object in snapshot.objects() {
            if let Some(found) = self.object_mut(object.object) {
                found.load_saved(object);
            }
        }
        Ok(())
    }

    /// The device leaves the factory: the values that the Objects have now are those that a
    /// [`factory_reset`](Self::factory_reset) restores, the Bootstrap Information among them. Call it
    /// at each start, before [`restore`](Self::restore).
    pub fn leave_factory(&mut self) {
        self.factory = Some(Box::new(self.snapshot()));
    }

    /// Takes the Objects back to what they were in the factory (TS E.4, Resource 5): each
    /// [erases](Object::factory_reset) what it doesn't save, and then has the values again that it had
    /// when the device [left the factory](Self::leave_factory). Without these, and in Objects that were
    /// added since, values stay, and the Current Time of the device goes on in any case. What is [held](Self::hold) is rolled back first.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] if an Object can't take the values, as it has been replaced by another one.
    /// Then all Objects keep theirs.
    pub fn factory_reset(&mut self) -> Result<(), SnapshotError> {
        self.roll_back();
        let ids: Vec<ObjectId> = self.objects.ids().collect();
        for id in ids {
            if let Some(object) = self.object_mut(id) {
                object.factory_reset();
            }
        }
        let Some(factory) = &self.factory else {
            return Ok(());
        };
        let factory = factory.supported_by(self)?;
        let time = self.get(CURRENT_TIME);
        self.restore(&factory)?;
        if let Some(time) = time {
            // A Device without a clock in the factory has none.
            let _ = self.set(CURRENT_TIME, time);
        }
        Ok(())
    }
}

impl Snapshot {
    /// The part of it that a tree can take: without the Objects that the tree doesn't have, or has
    /// in another version, and without the Access Control Object Instances about Objects that it
    /// doesn't have.
    ///
    /// Use it after a firmware update, which deletes the instances of Objects that are no longer
    /// supported (TS E.6.3).
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Format`] and [`SnapshotError::Damaged`].
    pub fn supported_by(&self, tree: &ObjectTree) -> Result<Self, SnapshotError> {
        let is_supported = |saved: &&ObjectSnapshot| {
            let definition = tree.definition(saved.object);
            definition.is_some_and(|definition| definition.version == saved.version)
        };
        let saved = self.checked()?.iter();
        let mut objects: Vec<_> = saved.filter(is_supported).cloned().collect();
        let is_gone = |(id, value): &(ResourceId, ResourceSnapshot)| match value {
            ResourceSnapshot::Single(Value::Integer(object)) if *id == ACCESS_CONTROL_TARGET => {
                let object = u16::try_from(*object).map(ObjectId::new);
                object.is_ok_and(|object| tree.object(object).is_none())
            }
            _ => false,
        };
        let access_control = objects
            .iter_mut()
            .find(|saved| saved.object == ObjectId::ACCESS_CONTROL);
        if let Some(saved) = access_control {
            saved
                .instances
                .retain(|instance| !instance.resources.iter().any(is_gone));
        }
        Ok(Self::new(objects))
    }
}
