//! A copy of the values that the Client should have: what was committed, by whomever, and nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{InstanceId, ObjectId, Path, Value, ValueRef};
use lwm2m_objects::{
    Change, ObjectTree, Typed as _,
    typed::{AccessControl, AclTarget},
};

use super::{numbers, objects::THING};

/// The Objects whose values change by Writes and calls alone, in the order of their IDs.
const WATCHED: [ObjectId; 5] = [
    ObjectId::SECURITY,
    ObjectId::SERVER,
    ObjectId::ACCESS_CONTROL,
    ObjectId::LOCATION,
    THING,
];

/// Values by their paths. What has no value of its own has none: an Object Instance, a multiple
/// Resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values(BTreeMap<Path, Option<Value>>);

impl Values {
    /// What a tree has.
    pub(super) fn of(tree: &ObjectTree) -> Self {
        let mut values = BTreeMap::new();
        walk(tree, |path, value| {
            values.insert(path, value.map(|value| value.to_owned()));
        });
        Self(values)
    }

    /// No committed value is lost, and nothing that failed leaves a trace.
    pub(super) fn check(&self, tree: &ObjectTree) {
        let mut expected = self.0.iter();
        walk(tree, |path, value| {
            let next = expected.next();
            let same = next
                .is_some_and(|(at, next)| *at == path && next.as_ref().map(Value::as_ref) == value);
            assert!(same, "{path} is {value:?}, but there should be {next:?}");
        });
        let next = expected.next();
        assert_eq!(next, None, "a value is lost");
    }

    /// These changes have been committed, with what follows from them in access control.
    pub(super) fn commit(&mut self, tree: &ObjectTree, changes: &[Change]) {
        let before = self.instances();
        for change in changes {
            self.apply(change);
        }
        self.settle_rights(tree, &before);
    }

    /// Everything at a path and below it has been replaced, by what is in the tree now.
    pub(super) fn replaced(&mut self, tree: &ObjectTree, path: Path) {
        let before = self.instances();
        self.remove(path);
        walk(tree, |at, value| {
            if path.contains(&at) {
                self.0.insert(at, value.map(|value| value.to_owned()));
            }
        });
        self.settle_rights(tree, &before);
    }

    /// The numbers of the operations that wrote what is below a path.
    pub(super) fn numbers(&self, path: Path) -> impl Iterator<Item = u32> {
        let below = self.0.iter().filter(move |(at, _)| path.contains(at));
        below.filter_map(|(_, value)| numbers::of_value(value.as_ref()?.as_ref()))
    }

    pub(super) fn has(&self, path: Path) -> bool {
        self.0.contains_key(&path)
    }

    fn get(&self, path: Path) -> Option<&Value> {
        self.0.get(&path)?.as_ref()
    }

    fn apply(&mut self, change: &Change) {
        let path = change.path();
        if !path.object().is_some_and(|id| WATCHED.contains(&id)) {
            return;
        }
        match change {
            Change::Set { value, .. } => {
                if let Path::ResourceInstance(object, instance, resource, _) = path {
                    let multiple = Path::Resource(object, instance, resource);
                    self.0.insert(multiple, None);
                }
                self.0.insert(path, Some(value.clone()));
            }
            Change::Clear { .. } => {
                self.remove(path);
                self.0.insert(path, None);
            }
            Change::Remove { .. } | Change::Delete { .. } => self.remove(path),
            Change::Create { .. } => {
                self.0.insert(path, None);
            }
        }
    }

    /// An Object Instance that has come gets an Access Control Object Instance, and one that has gone
    /// takes its own with it (TS 7.3.1).
    fn settle_rights(&mut self, tree: &ObjectTree, before: &BTreeSet<Path>) {
        let after = self.instances();
        for id in tree.instances(ObjectId::ACCESS_CONTROL) {
            let path = Path::Instance(ObjectId::ACCESS_CONTROL, id);
            let target = target(tree, id);
            let has_come = |path: &Path| after.contains(path) && !before.contains(path);
            if !self.0.contains_key(&path) && target.as_ref().is_some_and(has_come) {
                walk(tree, |at, value| {
                    if path.contains(&at) {
                        self.0.insert(at, value.map(|value| value.to_owned()));
                    }
                });
            }
        }
        for path in before.difference(&after) {
            for id in self.controls_of(*path) {
                self.remove(Path::Instance(ObjectId::ACCESS_CONTROL, id));
            }
        }
    }

    fn controls_of(&self, target: Path) -> Vec<InstanceId> {
        let (Path::Instance(object, instance), mut found) = (target, Vec::new()) else {
            return Vec::new();
        };
        let number = |path| match self.get(path) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        };
        for path in self.0.keys() {
            if let Path::Instance(ObjectId::ACCESS_CONTROL, id) = *path {
                let at = |resource: u16| {
                    number(Path::Resource(
                        ObjectId::ACCESS_CONTROL,
                        id,
                        resource.into(),
                    ))
                };
                let is_about = at(0) == Some(object.get().into());
                if is_about && at(1) == Some(instance.get().into()) {
                    found.push(id);
                }
            }
        }
        found
    }

    fn instances(&self) -> BTreeSet<Path> {
        let all = self
            .0
            .keys()
            .filter(|path| matches!(path, Path::Instance(..)));
        all.copied().collect()
    }

    fn remove(&mut self, path: Path) {
        self.0.retain(|at, _| !path.contains(at));
    }
}

/// The Object Instance that an Access Control Object Instance is about.
fn target(tree: &ObjectTree, id: InstanceId) -> Option<Path> {
    match AccessControl::load(tree, id)?.target {
        AclTarget::Instance(object, instance) => Some(Path::Instance(object, instance)),
        AclTarget::Object(_) => None,
    }
}

/// Visits what is watched of a tree, in the order of paths.
fn walk(tree: &ObjectTree, mut visit: impl FnMut(Path, Option<ValueRef<'_>>)) {
    for object in WATCHED {
        for instance in tree.instances(object) {
            visit(Path::Instance(object, instance), None);
            for resource in tree.resources(object, instance) {
                let path = Path::Resource(object, instance, resource.id);
                if resource.operations.executable() {
                    continue;
                }
                if resource.is_multiple() {
                    visit(path, None);
                }
                tree.visit(path, |path, value| visit(path, Some(value)));
            }
        }
    }
}
