//! Commits that can still be rolled back.

pub(super) mod before;
mod unsettled;

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path};

use self::{before::Before, unsettled::Unsettled};
use super::{change::Change, object::Object, objects::Objects};

/// What was committed since commits are held, by Object; `None` while they are not.
#[derive(Default)]
pub(super) struct HeldCommits(Option<BTreeMap<ObjectId, HeldObject>>);

impl HeldCommits {
    pub(super) const NONE: Self = Self(None);

    /// From now on commits are held.
    pub(super) fn hold(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(super) const fn is_holding(&self) -> bool {
        self.0.is_some()
    }

    /// Stops holding, and returns what was held.
    pub(super) fn release(&mut self) -> impl Iterator<Item = (ObjectId, HeldObject)> + use<> {
        self.0.take().unwrap_or_default().into_iter()
    }

    /// Drops what is held of an Object, which was replaced.
    pub(super) fn forget(&mut self, id: ObjectId) {
        if let Some(held) = &mut self.0 {
            held.remove(&id);
        }
    }

    /// Notes changes that are about to be applied to an Object.
    pub(super) fn commit(&mut self, objects: &Objects, id: ObjectId, changes: &[Change]) {
        if let (Some(held), Some(object)) = (&mut self.0, objects.get(id)) {
            held.entry(id).or_default().commit(object, changes);
        }
    }

    /// Notes a value that the application has set. It is not taken back, but its effects must not
    /// overtake those that are held.
    pub(super) fn set(&mut self, objects: &Objects, id: ObjectId, changes: &[Change]) {
        if let (Some(held), Some(object)) = (&mut self.0, objects.get(id)) {
            held.entry(id).or_default().set(object, changes);
        }
    }

    /// Notes a value that the application has set of an Object Instance that was there before and isn't
    /// now.
    pub(super) fn set_gone(&mut self, id: ObjectId, change: &Change) {
        if let Some(held) = self.0.as_mut().and_then(|held| held.get_mut(&id)) {
            held.before.set(change);
        }
    }

    /// What the application has set of an Object Instance since a commit has deleted it.
    pub(super) fn set_since_gone(
        &self,
        object: ObjectId,
        instance: InstanceId,
    ) -> impl Iterator<Item = Path> {
        let held = self.0.as_ref().and_then(|held| held.get(&object));
        let set = held.map(|held| held.before.set_since_gone(instance));
        let path = move |(resource, id)| match id {
            None => Path::Resource(object, instance, resource),
            Some(id) => Path::ResourceInstance(object, instance, resource, id),
        };
        set.into_iter().flatten().map(path)
    }

    /// What an Object was like before, if anything of it is held.
    #[inline]
    pub(super) fn before(&self, object: ObjectId) -> Option<&Before> {
        let held = self.0.as_ref()?.get(&object)?;
        Some(&held.before)
    }

    /// Whether a commit that is held has changed an Object Instance.
    pub(super) fn has(&self, object: ObjectId, instance: InstanceId) -> bool {
        let held = self.0.as_ref().and_then(|held| held.get(&object));
        held.is_some_and(|held| held.before.has(instance))
    }

    /// Whether an Object Instance that the Object has or doesn't have now was there before.
    pub(super) fn was_there(&self, object: ObjectId, instance: InstanceId) -> Option<bool> {
        let held = self.0.as_ref()?.get(&object)?;
        held.before
            .has(instance)
            .then(|| !held.before.was_absent(instance))
    }

    /// The Object Instances that commits that are held have changed, in order.
    pub(super) fn instances(&self) -> impl Iterator<Item = (ObjectId, InstanceId)> {
        let held = self.0.iter().flatten();
        held.flat_map(|(id, held)| held.before.instances().map(|instance| (*id, instance)))
    }

    /// The changes that take back all that is held of an Object, if anything is.
    pub(super) fn undo(&self, object: &dyn Object) -> Option<Vec<Change>> {
        let held = self.0.as_ref()?.get(&object.definition().id)?;
        Some(held.undo(object))
    }
}

/// What was committed to one Object since commits are held.
///
/// However often something is written, this takes as much memory as the old values, and the new
/// ones whose effects are still pending.
#[derive(Default)]
pub(super) struct HeldObject {
    before: Before,
    unsettled: Unsettled,
}

impl HeldObject {
    fn commit(&mut self, object: &dyn Object, changes: &[Change]) {
        self.before.note(object, changes);
        self.unsettled.add(object, &self.before, changes);
    }

    fn set(&mut self, object: &dyn Object, changes: &[Change]) {
        for change in changes {
            self.before.set(change);
        }
        self.unsettled.add(object, &self.before, changes);
    }

    /// The changes that take everything back.
    pub(super) fn undo(&self, object: &dyn Object) -> Vec<Change> {
        self.before.changes(object)
    }

    /// Carries out all effects.
    pub(super) fn settle(self, object: &mut dyn Object) {
        let mut commits = self.unsettled.commits();
        // The Object is told even if nothing is left.
        object.settle(&commits.next().unwrap_or_default());
        commits.for_each(|changes| object.settle(&changes));
    }
}
