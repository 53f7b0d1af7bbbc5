//! What each Access Control Object Instance is about, so that nobody has to read all of them.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cell::OnceCell;

use lwm2m_core::{InstanceId, ObjectId};

use crate::{
    tree::{ObjectTree, object::Change},
    typed::AclTarget,
};

/// The [`Index`] of a tree, made when it is first asked. It follows what is committed; whatever else
/// may change the Access Control Object forgets it.
///
/// It is a hint: who asks reads the Access Control Object Instance itself. So a missing entry gives
/// no right, and neither does a wrong one.
#[derive(Default)]
pub(crate) struct AccessIndex(OnceCell<Index>);

#[derive(Default)]
struct Index {
    targets: BTreeMap<InstanceId, AclTarget>,
    by_target: BTreeSet<(AclTarget, InstanceId)>,
}

impl AccessIndex {
    pub(crate) const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// The Access Control Object Instances about `target`, in ascending order.
    pub(crate) fn about<'t>(
        &'t self,
        tree: &ObjectTree,
        target: AclTarget,
    ) -> impl Iterator<Item = InstanceId> + use<'t> {
        let index = self.0.get_or_init(|| Index::of(tree));
        let last = InstanceId::new(u16::MAX - 1).unwrap_or(InstanceId::ZERO);
        let all = (target, InstanceId::ZERO)..=(target, last);
        index.by_target.range(all).map(|(_, id)| *id)
    }

    /// Something may have changed, and nobody knows what.
    pub(crate) fn forget(&mut self) {
        self.0.take();
    }
}

impl ObjectTree {
    /// Follows changes that were applied to the Access Control Object.
    pub(crate) fn follow_access_control(&mut self, changes: &[Change]) {
        // What was not asked for yet is made when it is.
        let Some(mut index) = self.access.0.take() else {
            return;
        };
        let mut last = None;
        for instance in changes.iter().map(|change| change.path().instance()) {
            // Changes of one Object Instance mostly follow each other.
            if instance != last
                && let Some(instance) = instance
            {
                index.set(instance, AclTarget::load(self, instance));
            }
            last = instance;
        }
        self.access.0 = OnceCell::from(index);
    }
}

impl Index {
    fn of(tree: &ObjectTree) -> Self {
        let mut index = Self::default();
        for instance in tree.instances(ObjectId::ACCESS_CONTROL) {
            index.set(instance, AclTarget::load(tree, instance));
        }
        index
    }

    /// An Access Control Object Instance is about this now, or about nothing.
    fn set(&mut self, instance: InstanceId, target: Option<AclTarget>) {
        if let Some(old) = self.targets.remove(&instance) {
            self.by_target.remove(&(old, instance));
        }
        if let Some(target) = target {
            self.targets.insert(instance, target);
            self.by_target.insert((target, instance));
        }
    }
}
