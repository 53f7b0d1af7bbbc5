//! Objects that come and go while the Client runs, as with software (Object 9).

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, Value};
use lwm2m_objects::{BUILT_IN, Change, Object, ObjectTree};

/// Update Supported Objects of Software Management.
const UPDATE_SUPPORTED_OBJECTS: ResourceId = ResourceId::new(8);

/// The Objects of a running Client, which come and go; see
/// [`change_objects`](super::Client::change_objects).
pub struct ObjectSet<'c> {
    tree: &'c mut ObjectTree,
    /// The Objects that have come or gone.
    touched: BTreeSet<ObjectId>,
    /// Their Object Instances before.
    before: BTreeSet<Path>,
}

impl<'c> ObjectSet<'c> {
    pub(super) const fn new(tree: &'c mut ObjectTree) -> Self {
        Self {
            tree,
            touched: BTreeSet::new(),
            before: BTreeSet::new(),
        }
    }

    /// Adds an Object, in place of one of the same Object ID.
    pub fn add(&mut self, object: impl Object + 'static) {
        self.touch(object.definition().id);
        self.tree.add(object);
    }

    /// Removes an Object with all its Object Instances. Returns `false` if there is no such Object, or
    /// if it is a mandatory one (TS Appendix E), which stays.
    pub fn remove(&mut self, id: ObjectId) -> bool {
        let mandatory = |object: &&&lwm2m_objects::ObjectDefinition| object.id == id;
        let built_in = BUILT_IN.iter().find(mandatory);
        if built_in.is_some_and(|object| object.mandatory) {
            return false;
        }
        self.touch(id);
        self.tree.remove(id)
    }

    /// Notes what is there of an Object before its first change.
    fn touch(&mut self, id: ObjectId) {
        if self.touched.insert(id) {
            self.before.extend(instances(self.tree, id));
        }
    }

    /// What has changed: Objects, and Object Instances that are there or were before; and the creation
    /// of those that are new.
    pub(super) fn into_changes(self) -> (Vec<Path>, Vec<Change>) {
        let after = self.touched.iter();
        let after: BTreeSet<Path> = after.flat_map(|id| instances(self.tree, *id)).collect();
        let came = after.difference(&self.before);
        let came = came.map(|path| Change::Create { path: *path }).collect();
        let objects = self.touched.iter().map(|id| Path::Object(*id));
        let all = after.union(&self.before).copied();
        (objects.chain(all).collect(), came)
    }
}

impl fmt::Debug for ObjectSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSet")
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}

/// The Object Instances of an Object.
pub(super) fn instances(tree: &ObjectTree, id: ObjectId) -> BTreeSet<Path> {
    let instances = tree.instances(id);
    instances
        .map(|instance| Path::Instance(id, instance))
        .collect()
}

/// Whether servers hear at once of Objects that come and go with a software component.
pub(super) fn are_told_at_once(tree: &ObjectTree, component: InstanceId) -> bool {
    let object = ObjectId::SOFTWARE_MANAGEMENT;
    let path = Path::Resource(object, component, UPDATE_SUPPORTED_OBJECTS);
    tree.get(path) == Some(Value::Boolean(true))
}
