//! The changes of a transaction so far, and what the tree would have after them.

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, ResourceId};

use crate::tree::{change::Change, check::Draft, object::Object};

/// The changes of a transaction so far. Objects appear as they would be after the changes of
/// earlier payloads.
pub(super) struct Pending {
    pub(super) draft: Draft,
    /// How many changes of the draft `present` knows of.
    known: usize,
    /// Whether an Object Instance or a Resource is there after those changes. What isn't in it is
    /// as in the tree.
    present: BTreeMap<Place, bool>,
}

type Place = (ObjectId, InstanceId, Option<ResourceId>);

impl Pending {
    pub(super) const fn new() -> Self {
        Self {
            draft: Draft::new(),
            known: 0,
            present: BTreeMap::new(),
        }
    }

    /// Treats the changes so far as applied: the next payload sees their results.
    pub(super) fn advance(&mut self) {
        let changes = self.draft.changes();
        for change in changes.get(self.known..).unwrap_or_default() {
            let path = change.path();
            let (Some(object), Some(instance)) = (path.object(), path.instance()) else {
                continue;
            };
            if matches!(change, Change::Delete { .. }) {
                let last = (object, instance, Some(ResourceId::new(u16::MAX)));
                let all = self.present.range((object, instance, None)..=last);
                let all: Vec<Place> = all.map(|(place, _)| *place).collect();
                for place in all {
                    self.present.remove(&place);
                }
            }
            let is_there = !matches!(change, Change::Delete { .. } | Change::Remove { .. });
            self.present
                .insert((object, instance, path.resource()), is_there);
        }
        self.known = changes.len();
    }

    pub(super) fn has_instance(&self, object: &dyn Object, instance: InstanceId) -> bool {
        let present = self.get(object, instance, None);
        present.unwrap_or_else(|| object.has_instance(instance))
    }

    /// Whether a single-instance Object has its instance.
    pub(super) fn has_its_instance(&self, object: &dyn Object) -> bool {
        let first = object.next_instance(None);
        first.is_some_and(|first| self.has_instance(object, first))
            || self.creates(object, InstanceId::ZERO)
    }

    /// Whether an earlier payload creates this Object Instance.
    fn creates(&self, object: &dyn Object, instance: InstanceId) -> bool {
        self.get(object, instance, None) == Some(true)
    }

    /// The first Object Instance ID from `from` on that is free.
    pub(super) fn free_instance(
        &self,
        object: &dyn Object,
        from: InstanceId,
    ) -> Option<InstanceId> {
        let untouched = self.free_in_object(object, from);
        let freed = self.freed(object, from);
        untouched.into_iter().chain(freed).min()
    }

    /// The first one that the Object doesn't have and no earlier payload creates.
    fn free_in_object(&self, object: &dyn Object, from: InstanceId) -> Option<InstanceId> {
        let mut from = from;
        loop {
            // An Object that returns an earlier identifier has no free one.
            let free = object.free_instance(from).filter(|free| *free >= from)?;
            if !self.creates(object, free) {
                return Some(free);
            }
            from = InstanceId::new(free.get().checked_add(1)?)?;
        }
    }

    /// The first one that an earlier payload has deleted.
    fn freed(&self, object: &dyn Object, from: InstanceId) -> Option<InstanceId> {
        let id = object.definition().id;
        let places = self.present.range((id, from, None)..);
        places
            .take_while(|((object, ..), _)| *object == id)
            .find(|((.., resource), is_there)| resource.is_none() && !**is_there)
            .map(|((_, instance, _), _)| *instance)
    }

    /// Whether an Object Instance has a Resource that has values.
    pub(super) fn has(
        &self,
        object: &dyn Object,
        instance: InstanceId,
        resource: ResourceId,
    ) -> bool {
        // An Object Instance that was created or deleted has only the values it was given since.
        let instance_changed = || self.get(object, instance, None).is_some();
        let present = self.get(object, instance, Some(resource));
        present.unwrap_or_else(|| !instance_changed() && object.has(instance, resource))
    }

    fn get(
        &self,
        object: &dyn Object,
        instance: InstanceId,
        resource: Option<ResourceId>,
    ) -> Option<bool> {
        // Most transactions are one payload.
        if self.present.is_empty() {
            return None;
        }
        let place = (object.definition().id, instance, resource);
        self.present.get(&place).copied()
    }
}
