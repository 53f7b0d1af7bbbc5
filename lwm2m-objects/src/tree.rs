//! What a device *has*, and how it is read and changed.
//!
//! An [`ObjectTree`] is made of [`objects`] (the Objects, and what paths lead to), [`held`] (commits
//! that can be taken back) and an [`access_index`] (what each Access Control Object Instance is
//! about). A [`transaction`] collects changes, [`check`] checks them, [`commit`] applies them.

mod access_index;
mod change;
mod check;
mod commit;
mod differences;
mod error;
mod fetch;
mod fitting;
mod held;
mod object;
mod objects;
mod saving;
mod seen;
mod sink;
mod sorted;
mod stamp;
mod store;
mod target;
mod transaction;
mod undone;
mod view;
mod visit;

use alloc::{boxed::Box, vec::Vec};
use core::{any::Any, fmt};

use lwm2m_core::{
    Arguments, DataType, InstanceId, Instant, ObjectId, Path, ResourceId, Value, ValueRef,
    codec::{EncodeError, Sink, TypeLookup},
};

use self::{access_index::AccessIndex, held::HeldCommits, objects::Objects};
pub use self::{
    access_index::AclTarget,
    change::Change,
    check::CheckedChanges,
    error::{ExecuteError, ReadError, WriteError},
    fetch::{FetchFailure, FetchOrder, Fetched},
    object::{Execution, LargeValue, Object, Piece},
    sink::{InstanceSink, ResourceSink},
    store::Store,
    target::Target,
    transaction::Transaction,
    view::TreeView,
};
pub(crate) use self::{check::check_value, differences::is_same, fitting::fitting};
use crate::{
    definition::{ObjectDefinition, ResourceDefinition},
    saved::snapshot::Snapshot,
};

/// The Objects of a Client.
///
/// A Read pushes into a codec sink. For a Write, a decoder pushes into a [`Transaction`], which is a
/// sink too.
///
/// ```
/// use lwm2m_core::{InstanceId, Path, Value, codec::Content};
/// use lwm2m_objects::{DEVICE, ObjectTree, Store};
///
/// let mut tree = ObjectTree::new();
/// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 9, 100));
///
/// let battery: Path = "/3/0/9".parse()?;
/// let mut content = Content::new();
/// tree.read(battery, |_| true, &mut content)?;
/// assert_eq!(content.get(&battery), Some(&Value::Integer(100)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct ObjectTree {
    objects: Objects,
    held: HeldCommits,
    access: AccessIndex,
    factory: Option<Box<Snapshot>>,
}

impl ObjectTree {
    /// A tree without Objects.
    pub const fn new() -> Self {
        Self {
            objects: Objects::new(),
            held: HeldCommits::NONE,
            access: AccessIndex::new(),
            factory: None,
        }
    }

    /// Adds an Object, in place of one of the same Object ID. What was [held](Self::hold) of the
    /// old one is dropped: it is neither taken back nor settled.
    pub fn add(&mut self, object: impl Object + 'static) {
        let id = object.definition().id;
        self.held.forget(id);
        self.objects.insert(id, Box::new(object));
        self.forget_access(id);
    }

    /// Removes an Object with all its Object Instances. What was [held](Self::hold) of it is dropped.
    /// Returns whether there was one.
    pub fn remove(&mut self, id: ObjectId) -> bool {
        self.held.forget(id);
        self.forget_access(id);
        self.objects.remove(id)
    }

    /// The Objects, by Object ID.
    pub fn objects(&self) -> impl Iterator<Item = &dyn Object> {
        self.objects.iter()
    }

    /// An Object.
    pub fn object(&self, id: ObjectId) -> Option<&dyn Object> {
        self.objects.get(id)
    }

    /// An Object, to be changed in any way.
    fn object_mut(&mut self, id: ObjectId) -> Option<&mut (dyn Object + 'static)> {
        self.forget_access(id);
        self.objects.get_mut(id)
    }

    /// An Object may change in any way: drops what is cached for access control.
    fn forget_access(&mut self, id: ObjectId) {
        match id {
            ObjectId::ACCESS_CONTROL => self.access.forget(),
            ObjectId::SECURITY | ObjectId::SERVER => self.access.forget_accounts(),
            _ => {}
        }
    }

    /// An Object of a known type.
    pub fn object_as<T: Object>(&self, id: ObjectId) -> Option<&T> {
        let object: &dyn Any = self.object(id)?;
        object.downcast_ref()
    }

    /// An Object of a known type, for calls of the application. [`poll_changed`](Self::poll_changed)
    /// reports the values that they change.
    pub fn object_as_mut<T: Object>(&mut self, id: ObjectId) -> Option<&mut T> {
        let object: &mut dyn Any = self.object_mut(id)?;
        object.downcast_mut()
    }

    /// The definition of an Object.
    pub fn definition(&self, object: ObjectId) -> Option<&ObjectDefinition> {
        self.object(object).map(Object::definition)
    }

    /// The Object Instances of an Object, in order.
    pub fn instances(&self, object: ObjectId) -> impl Iterator<Item = InstanceId> {
        self.objects.instances(object)
    }

    /// The Resources that an Object Instance has, in order.
    pub fn resources(
        &self,
        object: ObjectId,
        instance: InstanceId,
    ) -> impl Iterator<Item = &ResourceDefinition> {
        let object = self.object(object);
        let defined = object
            .into_iter()
            .flat_map(|object| object.definition().resources.iter());
        defined
            .filter(move |resource| object.is_some_and(|object| object.has(instance, resource.id)))
    }

    /// The Objects as they are now, to be read.
    pub const fn view(&self) -> TreeView<'_> {
        TreeView::now(&self.objects, &self.access)
    }

    /// The Objects as they were before the commits that are [held](Self::hold), with what the
    /// application has [`set`](Self::set) since: as [`roll_back`](Self::roll_back) would leave them. While
    /// nothing is held, they are as they are now.
    ///
    /// What a bootstrap has written is not in force before its Finish: until then, registrations and
    /// notifications have these values.
    pub fn settled(&self) -> TreeView<'_> {
        self.view().before(&self.held)
    }

    /// Looks up a path, once for all questions about it.
    pub fn target(&self, path: Path) -> Target<'_> {
        self.objects.target(path)
    }

    /// The Object at `path`, and the definition of the Resource if it names one. `None` if the path
    /// leads to nothing.
    ///
    /// A Resource Instance is not looked up: TS 1.0 has no paths to them (5.4).
    pub fn locate(&self, path: Path) -> Option<(&dyn Object, Option<&ResourceDefinition>)> {
        self.objects.locate(path)
    }

    /// Reads an Object, an Object Instance or a Resource (TS 5.4.1) into a sink.
    ///
    /// Of an Object, only the instances that `allowed` accepts are read; of an Object or an Object
    /// Instance, only the Resources that can be read.
    pub fn read(
        &self,
        path: Path,
        allowed: impl Fn(InstanceId) -> bool,
        sink: &mut dyn Sink<Error = EncodeError>,
    ) -> Result<(), ReadError> {
        self.target(path).read(allowed, sink)
    }

    /// The value of a single Resource, or of a Resource Instance, whether or not servers may read it.
    pub fn get(&self, path: Path) -> Option<Value> {
        self.objects.value(path)
    }

    /// How many Resource Instances a multiple Resource has: the attribute `dim` (TS Table 3).
    /// Single Resources have none.
    pub fn dimension(&self, path: Path) -> Option<usize> {
        let (_, resource) = self.locate(path)?;
        resource?.is_multiple().then(|| {
            let mut count = 0;
            self.visit(path, |_, _| count += 1);
            count
        })
    }

    /// Visits the value of the Resource at `path`, or each of its Resource Instances.
    pub fn visit(&self, path: Path, visitor: impl FnMut(Path, ValueRef<'_>)) {
        self.objects.visit(path, visitor);
    }

    /// Executes a Resource (TS 5.4.5).
    pub fn execute(
        &mut self,
        path: Path,
        arguments: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        let (Some(object), Some(instance), Some(resource), None) = (
            path.object(),
            path.instance(),
            path.resource(),
            path.resource_instance(),
        ) else {
            return Err(ExecuteError::NotExecutable(path));
        };
        let (_, definition) = self.locate(path).ok_or(ExecuteError::NotFound(path))?;
        if !definition.is_some_and(|resource| resource.operations.executable()) {
            return Err(ExecuteError::NotExecutable(path));
        }
        let object = self.object_mut(object);
        let object = object.ok_or(ExecuteError::NotFound(path))?;
        object.execute(instance, resource, arguments)
    }
}

/// What Objects do beyond holding values.
impl ObjectTree {
    /// Whether a Write of the Resource at `path` is taken piece by piece, by
    /// [`stream`](Self::stream). This is false while commits are [held](Self::hold), because a
    /// streamed value couldn't be taken back.
    pub fn streams(&self, path: Path) -> bool {
        !self.held.is_holding() && self.takes_pieces(path)
    }

    fn takes_pieces(&self, path: Path) -> bool {
        let found = self.locate(path);
        found.is_some_and(|(object, resource)| {
            resource.is_some_and(|resource| {
                resource.operations.writable() && object.streams(resource.id)
            })
        })
    }

    /// Takes the next piece of a Write that arrives block by block. Nothing of it is kept here, and it
    /// isn't part of a transaction. After an error the Write has ended.
    pub fn stream(&mut self, path: Path, piece: Piece<'_>) -> Result<(), WriteError> {
        if self.locate(path).is_none() {
            return Err(WriteError::NotFound(path));
        }
        // A Write that is under way may be aborted at any time.
        let may = self.streams(path) || piece == Piece::Abort && self.takes_pieces(path);
        if !may {
            return Err(WriteError::NotWritable(path));
        }
        if let Path::Resource(id, instance, resource) = path
            && let Some(object) = self.object_mut(id)
        {
            return object.stream(instance, resource, piece);
        }
        Err(WriteError::NotWritable(path))
    }

    /// The next thing that an Object has the Client fetch, or stop fetching. Call it until it
    /// returns `None` after each call that changes the tree.
    pub fn poll_fetch(&mut self) -> Option<FetchOrder> {
        let mut objects = self.objects.iter_mut();
        objects.find_map(|(_, object)| object.poll_fetch())
    }

    /// Passes a part of what was fetched for the Resource at `path` to its Object. Returns whether
    /// the Object takes it; if not, it needs no more.
    pub fn fetched(&mut self, path: Path, part: Fetched<'_>) -> bool {
        match path {
            Path::Resource(id, instance, resource) => self
                .object_mut(id)
                .is_some_and(|object| object.fetched(instance, resource, part)),
            _ => false,
        }
    }

    /// Gives every Object the time: it does what is due at `now`, and times are read as of now.
    pub fn handle_timeout(&mut self, now: Instant) {
        for (id, object) in self.objects.iter_mut() {
            match id {
                ObjectId::ACCESS_CONTROL if object.poll_timeout().is_some() => {
                    self.access.forget();
                }
                ObjectId::SECURITY | ObjectId::SERVER if object.poll_timeout().is_some() => {
                    self.access.forget_accounts();
                }
                _ => {}
            }
            object.handle_timeout(now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` means never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let objects = self.objects.iter();
        objects.filter_map(Object::poll_timeout).min()
    }

    /// The next Resource whose value an Object has changed by itself, not by a Write of it. Call it
    /// until it returns `None` after each call that changes the tree.
    pub fn poll_changed(&mut self) -> Option<Path> {
        let changed = self
            .objects
            .iter_mut()
            .find_map(|(_, object)| object.poll_changed())?;
        if let Some(id) = changed.object() {
            self.forget_access(id);
        }
        Some(changed)
    }
}

impl TypeLookup for ObjectTree {
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType> {
        self.object(object)?
            .definition()
            .resource(resource)?
            .data_type
    }
}

impl fmt::Debug for ObjectTree {
    /// Shows Object IDs only, because values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.objects.ids()).finish()
    }
}

/// What a bootstrap needs to know of the commits that are [held](ObjectTree::hold).
impl ObjectTree {
    /// Whether a commit that is held has changed an Object Instance.
    pub(crate) fn is_held(&self, object: ObjectId, instance: InstanceId) -> bool {
        self.held.has(object, instance)
    }

    /// The Object Instances that commits that are held have changed, in order.
    pub(crate) fn held_instances(&self) -> impl Iterator<Item = (ObjectId, InstanceId)> {
        self.held.instances()
    }

    /// What the application has set of an Object Instance since a commit that is held has deleted it.
    pub(crate) fn set_since_gone(&self, object: ObjectId, instance: InstanceId) -> Vec<Change> {
        let before = self.settled();
        let set = self.held.set_since_gone(object, instance);
        set.filter_map(|path| {
            let value = before.get(path)?;
            Some(Change::Set { path, value })
        })
        .collect()
    }

    /// Whether an Object Instance was there before the commits that are held.
    pub(crate) fn was_there(&self, object: ObjectId, instance: InstanceId) -> bool {
        let is_there = || self.locate(Path::Instance(object, instance)).is_some();
        self.held
            .was_there(object, instance)
            .unwrap_or_else(is_there)
    }
}

/// What access control needs.
impl ObjectTree {
    /// The Access Control Object Instances about `target`, in ascending order.
    pub(crate) fn access_controls(&self, target: AclTarget) -> impl Iterator<Item = InstanceId> {
        self.view().access_controls(target)
    }

    /// What an Access Control Object Instance is about.
    pub(crate) fn access_target(&self, instance: InstanceId) -> Option<AclTarget> {
        self.view().access_target(instance)
    }
}

impl<'t> From<&'t ObjectTree> for TreeView<'t> {
    fn from(tree: &'t ObjectTree) -> Self {
        tree.view()
    }
}
