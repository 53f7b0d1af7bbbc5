//! The tree as it is now, or as it was before the commits that are held.

use core::fmt;

use lwm2m_core::{
    InstanceId, ObjectId, Path, ShortServerId, Value, ValueRef,
    codec::{EncodeError, Sink},
};

use super::{
    access_index::{AccessIndex, AclTarget},
    error::ReadError,
    held::{HeldCommits, before::Before},
    object::Object,
    objects::Objects,
    seen::Seen,
    target::Target,
};
use crate::definition::{ObjectDefinition, ResourceDefinition};

/// The Objects of a Client, to be read: as they are now ([`ObjectTree::view`](crate::ObjectTree::view)), or as they were before
/// the commits that are held ([`ObjectTree::settled`](crate::ObjectTree::settled)).
///
/// A `&ObjectTree` becomes the view of now where a view is asked for.
///
/// ```
/// use lwm2m_core::{InstanceId, Path, Value};
/// use lwm2m_objects::{Change, DEVICE, ObjectTree, Store};
///
/// let path: Path = "/3/0/14".parse()?;
/// let mut tree = ObjectTree::new();
/// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 14, "+01:00"));
/// tree.hold();
/// tree.change([Change::Set { path, value: "+02:00".into() }])?;
/// assert_eq!(tree.view().get(path), Some(Value::from("+02:00")));
/// assert_eq!(tree.settled().get(path), Some(Value::from("+01:00")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct TreeView<'t> {
    objects: &'t Objects,
    access: &'t AccessIndex,
    /// What is not seen; `None` for the view of now.
    held: Option<&'t HeldCommits>,
}

impl<'t> TreeView<'t> {
    pub(super) const fn now(objects: &'t Objects, access: &'t AccessIndex) -> Self {
        Self {
            objects,
            access,
            held: None,
        }
    }

    /// The same view without what is held.
    pub(super) fn before(self, held: &'t HeldCommits) -> Self {
        let held = Some(held).filter(|held| held.is_holding());
        Self { held, ..self }
    }

    /// The Objects, by Object ID. They show their values of now: ask the view for Object Instances and
    /// values.
    pub fn objects(self) -> impl Iterator<Item = &'t dyn Object> {
        self.objects.iter()
    }

    /// The definition of an Object.
    pub fn definition(self, object: ObjectId) -> Option<&'t ObjectDefinition> {
        self.objects.get(object).map(Object::definition)
    }

    /// The Object Instances of an Object, in order.
    pub fn instances(self, object: ObjectId) -> impl Iterator<Item = InstanceId> + use<'t> {
        self.seen(object).into_iter().flat_map(Seen::instances)
    }

    /// The Resources that an Object Instance has, in order.
    pub fn resources(
        self,
        object: ObjectId,
        instance: InstanceId,
    ) -> impl Iterator<Item = &'t ResourceDefinition> + use<'t> {
        let seen = self.seen(object);
        let defined = seen
            .into_iter()
            .flat_map(|seen| seen.object().definition().resources.iter());
        defined.filter(move |resource| seen.is_some_and(|seen| seen.has(instance, resource.id)))
    }

    /// Looks up a path, once for all questions about it.
    #[inline]
    pub fn target(self, path: Path) -> Target<'t> {
        Target::new(path, path.object().and_then(|id| self.seen(id)))
    }

    /// Reads an Object, an Object Instance or a Resource; see [`ObjectTree::read`](crate::ObjectTree::read).
    ///
    /// # Errors
    ///
    /// Those of [`ObjectTree::read`](crate::ObjectTree::read).
    pub fn read(
        self,
        path: Path,
        allowed: impl Fn(InstanceId) -> bool,
        sink: &mut dyn Sink<Error = EncodeError>,
    ) -> Result<(), ReadError> {
        self.target(path).read(allowed, sink)
    }

    /// The value of a single Resource, or of a Resource Instance, whether or not servers may read it.
    pub fn get(self, path: Path) -> Option<Value> {
        let mut found = None;
        self.visit(path, |at, value| {
            if at == path {
                found = Some(value.to_owned());
            }
        });
        found
    }

    /// Visits the value of the Resource at `path`, or each of its Resource Instances.
    pub fn visit(self, path: Path, visitor: impl FnMut(Path, ValueRef<'_>)) {
        self.target(path).visit(visitor);
    }

    /// How many Resource Instances a multiple Resource has; see [`ObjectTree::dimension`](crate::ObjectTree::dimension).
    pub fn dimension(self, path: Path) -> Option<usize> {
        let target = self.target(path);
        let resource = target.resource().filter(|_| target.exists())?;
        resource.is_multiple().then(|| {
            let mut count = 0;
            target.visit(|_, _| count += 1);
            count
        })
    }

    #[inline]
    fn seen(self, object: ObjectId) -> Option<Seen<'t>> {
        let found = self.objects.get(object)?;
        Some(Seen::before(found, self.what_was(object)))
    }

    #[inline]
    fn what_was(self, object: ObjectId) -> Option<&'t Before> {
        self.held?.before(object)
    }
}

/// What access control needs for each request.
impl TreeView<'_> {
    /// The Access Control Object Instances about `target`, in ascending order.
    pub(crate) fn access_controls(self, target: AclTarget) -> impl Iterator<Item = InstanceId> {
        let is_changed = self.what_was(ObjectId::ACCESS_CONTROL).is_some();
        let indexed = (!is_changed).then(|| self.access.about(self.objects, target));
        // While the Object is held, its index is about what will be.
        let before = is_changed.then(|| {
            let instances = self.instances(ObjectId::ACCESS_CONTROL);
            let get = move |path| self.get(path);
            self.access.about_before(instances, get, target)
        });
        let about = indexed.into_iter().flatten();
        about
            .chain(before.into_iter().flatten())
            .filter(move |id| self.access_target(*id) == Some(target))
    }

    /// The server with the only account. Calls `find` if it isn't known yet.
    pub(crate) fn only_server(
        self,
        find: impl FnOnce() -> Option<ShortServerId>,
    ) -> Option<ShortServerId> {
        let accounts = [ObjectId::SECURITY, ObjectId::SERVER];
        if accounts
            .into_iter()
            .any(|object| self.what_was(object).is_some())
        {
            return find();
        }
        self.access.only(find)
    }

    /// What an Access Control Object Instance is about.
    pub(crate) fn access_target(self, instance: InstanceId) -> Option<AclTarget> {
        AclTarget::read(instance, |path| self.get(path))
    }
}

impl fmt::Debug for TreeView<'_> {
    /// Shows Object IDs only, because values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.objects.ids()).finish()
    }
}
