//! The Objects of a tree, and what their paths lead to.

use alloc::{boxed::Box, collections::BTreeMap};
use core::cell::OnceCell;

use lwm2m_core::{InstanceId, ObjectId, Path, Value, ValueRef};

use super::{object::Object, seen::Seen, stamp::Stamp, target::Target};
use crate::definition::ResourceDefinition;

/// The Objects of a tree, by Object ID.
#[derive(Default)]
pub(crate) struct Objects {
    by_id: BTreeMap<ObjectId, Box<dyn Object>>,
    /// Set when changes are first checked by these Objects.
    stamp: OnceCell<Stamp>,
}

impl Objects {
    pub(super) const fn new() -> Self {
        Self {
            by_id: BTreeMap::new(),
            stamp: OnceCell::new(),
        }
    }

    pub(super) fn insert(&mut self, id: ObjectId, object: Box<dyn Object>) {
        self.by_id.insert(id, object);
        self.stamp.take();
    }

    /// What marks the changes that these Objects have checked.
    pub(super) fn stamp(&self) -> Stamp {
        *self.stamp.get_or_init(Stamp::fresh)
    }

    /// Returns whether it was there.
    pub(super) fn remove(&mut self, id: ObjectId) -> bool {
        self.stamp.take();
        self.by_id.remove(&id).is_some()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ObjectId> {
        self.by_id.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn Object> {
        self.by_id.values().map(Box::as_ref)
    }

    pub(super) fn iter_mut(
        &mut self,
    ) -> impl Iterator<Item = (ObjectId, &mut (dyn Object + 'static))> {
        self.by_id
            .iter_mut()
            .map(|(id, object)| (*id, object.as_mut()))
    }

    #[inline]
    pub(super) fn get(&self, id: ObjectId) -> Option<&dyn Object> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: ObjectId) -> Option<&mut (dyn Object + 'static)> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    /// The Object Instances of an Object, in order.
    pub(super) fn instances(&self, object: ObjectId) -> impl Iterator<Item = InstanceId> {
        self.get(object)
            .map(Seen::now)
            .into_iter()
            .flat_map(Seen::instances)
    }

    /// Looks up a path.
    #[inline]
    pub(super) fn target(&self, path: Path) -> Target<'_> {
        let object = path.object().and_then(|id| self.get(id));
        Target::new(path, object.map(Seen::now))
    }

    /// The Object at `path`, and its Resource there, if what the path names exists.
    pub(super) fn locate(&self, path: Path) -> Option<(&dyn Object, Option<&ResourceDefinition>)> {
        let target = self.target(path);
        let object = target.object().filter(|_| target.exists())?;
        Some((object, target.resource()))
    }

    /// The value of a single Resource, or of a Resource Instance.
    pub(super) fn value(&self, path: Path) -> Option<Value> {
        let mut found = None;
        self.visit(path, |at, value| {
            if at == path {
                found = Some(value.to_owned());
            }
        });
        found
    }

    /// Visits the value of the Resource at `path`, or each of its Resource Instances.
    pub(super) fn visit(&self, path: Path, visitor: impl FnMut(Path, ValueRef<'_>)) {
        self.target(path).visit(visitor);
    }
}
