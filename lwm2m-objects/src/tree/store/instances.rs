//! The Object Instances of a Store.

use lwm2m_core::{InstanceId, ResourceId};

use super::{stored::Stored, taken_ids::TakenIds};
use crate::tree::sorted::SortedMap;

/// The Resources of an Object Instance.
pub(super) type Resources = SortedMap<ResourceId, Stored>;

/// The Object Instances, and which identifiers are free.
#[derive(Clone)]
pub(super) struct Instances {
    by_id: SortedMap<InstanceId, Resources>,
    taken: TakenIds,
}

impl Instances {
    pub(super) const fn new() -> Self {
        Self {
            by_id: SortedMap::new(),
            taken: TakenIds::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    #[inline]
    pub(super) fn get(&self, id: InstanceId) -> Option<&Resources> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: InstanceId) -> Option<&mut Resources> {
        self.by_id.get_mut(&id)
    }

    /// The first one after `after`, or the first of all.
    pub(super) fn next(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.by_id.after(after.as_ref()).map(|(id, _)| *id)
    }

    /// The first free identifier from `from` on.
    pub(super) fn free(&self, from: InstanceId) -> Option<InstanceId> {
        self.taken.free(from)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (InstanceId, &Resources)> {
        self.by_id.iter().map(|(id, resources)| (*id, resources))
    }

    /// An Object Instance, created if it doesn't exist.
    pub(super) fn get_or_insert_with(
        &mut self,
        id: InstanceId,
        make: impl FnOnce() -> Resources,
    ) -> &mut Resources {
        let taken = &mut self.taken;
        self.by_id.get_or_insert_with(id, || {
            taken.take(id);
            make()
        })
    }

    pub(super) fn remove(&mut self, id: InstanceId) {
        if self.by_id.remove(&id).is_some() {
            self.taken.free_up(id);
        }
    }
}
