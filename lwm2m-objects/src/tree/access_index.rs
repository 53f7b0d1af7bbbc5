//! What access control needs for each request, kept so that whole Objects need not be read: what each
//! Access Control Object Instance is about, and which server is alone.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cell::OnceCell;

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};

use super::{change::Change, objects::Objects};

/// What access rights are on.
///
/// Access rights are on Objects and Object Instances in every version, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AclTarget {
    /// An Object: who may create instances of it.
    Object(ObjectId),
    /// An Object Instance.
    Instance(ObjectId, InstanceId),
}

impl AclTarget {
    /// What an Access Control Object Instance is about (TS E.3, Resources 0 and 1).
    pub(super) fn read(instance: InstanceId, get: impl Fn(Path) -> Option<Value>) -> Option<Self> {
        let number = |resource| {
            let resource = ResourceId::new(resource);
            let path = Path::Resource(ObjectId::ACCESS_CONTROL, instance, resource);
            match get(path)? {
                Value::Integer(number) => u16::try_from(number).ok(),
                _ => None,
            }
        };
        let object = ObjectId::new(number(0)?);
        let on_instance = |id| Self::Instance(object, id);
        Some(InstanceId::new(number(1)?).map_or(Self::Object(object), on_instance))
    }

    /// The values of Resources 0 and 1.
    pub(crate) const fn numbers(self) -> (u16, u16) {
        match self {
            Self::Object(object) => (object.get(), u16::MAX),
            Self::Instance(object, instance) => (object.get(), instance.get()),
        }
    }
}

/// The [`Index`] of a tree, built when it is first needed. It follows what is committed, and is
/// dropped when the Access Control Object may have changed in any other way. While commits are held
/// there is another one, of what was before.
///
/// It is only a hint: the caller reads the Access Control Object Instance itself. So a missing or
/// wrong entry never grants a right.
///
/// Which server is alone is more than a hint, because it grants every right: it is dropped whenever
/// the Security or the Server Object may have changed.
#[derive(Default)]
pub(super) struct AccessIndex {
    index: OnceCell<Index>,
    /// What was before the commits that are held. They don't change it.
    before: OnceCell<Index>,
    /// The server with the only account; `None` if there is none.
    only: OnceCell<Option<ShortServerId>>,
}

#[derive(Default)]
struct Index {
    targets: BTreeMap<InstanceId, AclTarget>,
    by_target: BTreeSet<(AclTarget, InstanceId)>,
}

impl AccessIndex {
    pub(super) const fn new() -> Self {
        Self {
            index: OnceCell::new(),
            before: OnceCell::new(),
            only: OnceCell::new(),
        }
    }

    /// The Access Control Object Instances about `target`, in ascending order.
    pub(super) fn about<'t>(
        &'t self,
        objects: &Objects,
        target: AclTarget,
    ) -> impl Iterator<Item = InstanceId> + use<'t> {
        let instances = || objects.instances(ObjectId::ACCESS_CONTROL);
        let index = || Index::of(instances(), |path| objects.value(path));
        self.index.get_or_init(index).about(target)
    }

    /// Those that were about `target` before the commits that are held, of these Object Instances.
    pub(super) fn about_before(
        &self,
        instances: impl Iterator<Item = InstanceId>,
        get: impl Fn(Path) -> Option<Value>,
        target: AclTarget,
    ) -> impl Iterator<Item = InstanceId> {
        let index = self.before.get_or_init(|| Index::of(instances, get));
        index.about(target)
    }

    /// Drops the index: the Access Control Object may have changed in an unknown way.
    pub(super) fn forget(&mut self) {
        self.index.take();
        self.forget_before();
    }

    /// Drops the index of what was before: the application has set something, or nothing is held any more.
    pub(super) fn forget_before(&mut self) {
        self.before.take();
    }

    /// The server with the only account. Calls `find` if it isn't known yet.
    pub(super) fn only(
        &self,
        find: impl FnOnce() -> Option<ShortServerId>,
    ) -> Option<ShortServerId> {
        *self.only.get_or_init(find)
    }

    /// Drops which server is alone: the Security or the Server Object may have changed.
    pub(super) fn forget_accounts(&mut self) {
        self.only.take();
    }

    /// Follows changes that were applied to the Access Control Object.
    pub(super) fn follow(&mut self, objects: &Objects, changes: &[Change]) {
        // Without an index there is nothing to update: it is built when it is needed.
        let Some(index) = self.index.get_mut() else {
            return;
        };
        let mut last = None;
        for instance in changes.iter().map(|change| change.path().instance()) {
            // Changes of one Object Instance mostly follow each other.
            if instance != last
                && let Some(instance) = instance
            {
                index.set(
                    instance,
                    AclTarget::read(instance, |path| objects.value(path)),
                );
            }
            last = instance;
        }
    }
}

impl Index {
    fn of(
        instances: impl Iterator<Item = InstanceId>,
        get: impl Fn(Path) -> Option<Value>,
    ) -> Self {
        let mut index = Self::default();
        for instance in instances {
            index.set(instance, AclTarget::read(instance, &get));
        }
        index
    }

    /// The Access Control Object Instances about `target`, in ascending order.
    fn about(&self, target: AclTarget) -> impl Iterator<Item = InstanceId> {
        let last = InstanceId::new(u16::MAX - 1).unwrap_or(InstanceId::ZERO);
        let all = (target, InstanceId::ZERO)..=(target, last);
        self.by_target.range(all).map(|(_, id)| *id)
    }

    /// Sets what an Access Control Object Instance is about; `None` removes its entry.
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
