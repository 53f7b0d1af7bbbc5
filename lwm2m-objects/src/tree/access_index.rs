//! What access control asks for with each request, kept so that nobody has to read whole Objects: what
//! each Access Control Object Instance is about, and which server is alone.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cell::OnceCell;

use lwm2m_core::{InstanceId, ObjectId, ShortServerId};

use crate::{
    tree::{ObjectTree, object::Change},
    typed::AclTarget,
};

/// The [`Index`] of a tree, made when it is first asked. It follows what is committed; whatever else
/// may change the Access Control Object forgets it.
///
/// It is a hint: who asks reads the Access Control Object Instance itself. So a missing entry gives
/// no right, and neither does a wrong one.
///
/// Which server is alone is no hint, as it opens everything: whatever may change the Security or the
/// Server Object forgets it.
#[derive(Default)]
pub(crate) struct AccessIndex {
    index: OnceCell<Index>,
    /// The server with the only account, or that there is none.
    only: OnceCell<Option<ShortServerId>>,
}

#[derive(Default)]
struct Index {
    targets: BTreeMap<InstanceId, AclTarget>,
    by_target: BTreeSet<(AclTarget, InstanceId)>,
}

impl AccessIndex {
    pub(crate) const fn new() -> Self {
        Self {
            index: OnceCell::new(),
            only: OnceCell::new(),
        }
    }

    /// The Access Control Object Instances about `target`, in ascending order.
    pub(crate) fn about<'t>(
        &'t self,
        tree: &ObjectTree,
        target: AclTarget,
    ) -> impl Iterator<Item = InstanceId> + use<'t> {
        let index = self.index.get_or_init(|| Index::of(tree));
        let last = InstanceId::new(u16::MAX - 1).unwrap_or(InstanceId::ZERO);
        let all = (target, InstanceId::ZERO)..=(target, last);
        index.by_target.range(all).map(|(_, id)| *id)
    }

    /// The server with the only account, as `find` finds it when it is not known.
    pub(crate) fn only(
        &self,
        find: impl FnOnce() -> Option<ShortServerId>,
    ) -> Option<ShortServerId> {
        *self.only.get_or_init(find)
    }

    /// Something may have changed in the Access Control Object, and nobody knows what.
    pub(crate) fn forget(&mut self) {
        self.index.take();
    }

    /// Something may have changed in the Security or the Server Object.
    pub(crate) fn forget_accounts(&mut self) {
        self.only.take();
    }
}

impl ObjectTree {
    /// Follows changes that were applied to the Access Control Object.
    pub(crate) fn follow_access_control(&mut self, changes: &[Change]) {
        // What was not asked for yet is made when it is.
        let Some(mut index) = self.access.index.take() else {
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
        self.access.index = OnceCell::from(index);
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
