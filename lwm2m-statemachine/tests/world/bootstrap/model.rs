//! What the commands of a Bootstrap-Server make of the values of a Client, as TS 5.2.7 has it: a model without
//! the Client's tree.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, Value};
use lwm2m_objects::ObjectTree;
use lwm2m_statemachine::bootstrap_server::Step;

/// The values of a Client; those of an Object Instance itself are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values(BTreeMap<Path, Option<Value>>);

/// The Bootstrap-Server Resource of a Security Object Instance.
const BOOTSTRAP_SERVER: ResourceId = ResourceId::new(1);
const DEVICE: Path = Path::of(&[3, 0]).unwrap();

impl Values {
    pub(super) fn of(tree: &ObjectTree) -> Self {
        let mut values = BTreeMap::new();
        for object in tree.objects() {
            let object = object.definition().id;
            for instance in tree.instances(object) {
                values.insert(Path::Instance(object, instance), None);
                for resource in tree.resources(object, instance) {
                    let path = Path::Resource(object, instance, resource.id);
                    if !resource.operations.executable() {
                        tree.visit(path, |path, value| {
                            values.insert(path, Some(value.to_owned()));
                        });
                    }
                }
            }
        }
        Self(values)
    }

    pub(super) fn get(&self, path: Path) -> Option<&Value> {
        self.0.get(&path)?.as_ref()
    }

    pub(super) fn integer(&self, path: Path) -> Option<i64> {
        match self.get(path) {
            Some(Value::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    /// The application sets a value, if there is something to set.
    pub(super) fn set(&mut self, path: Path, value: Value) {
        if let Some(at) = self.0.get_mut(&path) {
            *at = Some(value);
        }
    }

    pub(super) fn instances(&self, object: ObjectId) -> Vec<InstanceId> {
        let paths = self.0.keys().filter(|path| path.depth() == 2);
        let of = paths.filter(|path| path.object() == Some(object));
        of.filter_map(Path::instance).collect()
    }

    /// The values at and below a path.
    pub(super) fn below(&self, path: Path) -> Vec<(Path, Option<Value>)> {
        let all = self.0.iter().filter(|(at, _)| path.contains(at));
        all.map(|(path, value)| (*path, value.clone())).collect()
    }

    pub(super) fn server_instances(&self) -> Vec<u16> {
        let instances = self.instances(ObjectId::SERVER).into_iter();
        instances.map(InstanceId::get).collect()
    }

    /// The Lifetimes of all Server Object Instances.
    pub(super) fn lifetimes(&self) -> Vec<i64> {
        let instances = self.instances(ObjectId::SERVER).into_iter();
        let lifetime = |instance| {
            let path = Path::Resource(ObjectId::SERVER, instance, ResourceId::new(1));
            self.integer(path)
        };
        instances.filter_map(lifetime).collect()
    }

    /// The Security Object Instances that are accounts of a Bootstrap-Server.
    pub(super) fn bootstrap_accounts(&self) -> Vec<InstanceId> {
        let mut all = self.instances(ObjectId::SECURITY);
        all.retain(|instance| {
            let path = Path::Resource(ObjectId::SECURITY, *instance, BOOTSTRAP_SERVER);
            self.get(path) == Some(&Value::Boolean(true))
        });
        all
    }

    /// Whether there are accounts of servers, and no half ones (TS 5.2.6). Plans leave nothing else that may be
    /// wrong.
    pub(super) fn are_consistent(&self) -> bool {
        let ids = |object: ObjectId, resource: u16| -> BTreeSet<i64> {
            let resource = ResourceId::new(resource);
            let all = self.instances(object).into_iter();
            all.filter_map(|at| self.integer(Path::Resource(object, at, resource)))
                .collect()
        };
        let servers = ids(ObjectId::SERVER, 0);
        !servers.is_empty() && servers == ids(ObjectId::SECURITY, 10)
    }

    /// A command that the Client has answered with success, or a Delete of what wasn't there any more.
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Delete(path) | Step::TryDelete(path) => self.delete(*path),
            Step::Write { path, content, .. } => {
                if path.depth() <= 2 {
                    for (at, _) in content.values() {
                        self.remove(instance_of(at));
                    }
                } else {
                    self.remove(*path);
                }
                for (at, value) in content.values() {
                    self.0.insert(instance_of(at), None);
                    self.0.insert(at, Some(value.clone()));
                }
            }
            _ => {}
        }
    }

    /// The Finish is answered 2.04: a former account of the Bootstrap-Server is purged (TS 5.2.3.3).
    pub(super) fn finish(&mut self, before: &Self) {
        let accounts = self.bootstrap_accounts();
        if accounts.len() > 1 {
            for former in before.bootstrap_accounts() {
                self.remove(Path::Instance(ObjectId::SECURITY, former));
            }
        }
    }

    /// All but the account of the Bootstrap-Server and the Device.
    fn delete(&mut self, path: Path) {
        let kept: Vec<Path> = self
            .bootstrap_accounts()
            .into_iter()
            .map(|instance| Path::Instance(ObjectId::SECURITY, instance))
            .chain([DEVICE])
            .collect();
        self.0
            .retain(|at, _| !path.contains(at) || kept.iter().any(|kept| kept.contains(at)));
    }

    fn remove(&mut self, path: Path) {
        self.0.retain(|at, _| !path.contains(at));
    }

    /// Panics unless both are the same.
    pub(super) fn check(&self, other: &Self, what: &str) {
        for (path, value) in &self.0 {
            assert_eq!(other.0.get(path), Some(value), "{path} {what}");
        }
        for path in other.0.keys() {
            assert!(
                self.0.contains_key(path),
                "{path} {what}: it should not be there"
            );
        }
    }
}

/// The Object Instance of a value.
fn instance_of(path: Path) -> Path {
    let at = path.object().zip(path.instance());
    let (object, instance) = at.expect("a value in an Object Instance");
    Path::Instance(object, instance)
}
