//! What a device *has*: its Objects, and the way in and out of them.

mod access_index;
mod commit;
pub(crate) mod differences;
mod held;
pub(crate) mod object;
pub(crate) mod sorted;
pub(crate) mod store;
pub(crate) mod target;
pub(crate) mod transaction;

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{any::Any, fmt};

use lwm2m_core::{
    Arguments, DataType, InstanceId, Instant, ObjectId, Path, ResourceId, Value, ValueRef,
    WriteMode,
    codec::{EncodeError, Event, Sink, TypeLookup},
};

use crate::{
    definition::{ObjectDefinition, ResourceDefinition},
    tree::access_index::AccessIndex,
    tree::{
        held::Held,
        object::{
            Change, ExecuteError, Execution, Object, Piece, ReadError, ResourceSink, WriteError,
        },
        target::Target,
        transaction::Transaction,
    },
};

/// The Objects of a Client.
///
/// A Read *pushes* into a codec sink, a Write is a sink itself: the [`Transaction`].
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
    objects: BTreeMap<ObjectId, Box<dyn Object>>,
    /// What can be taken back of each Object, while commits are held.
    pub(crate) held: Option<BTreeMap<ObjectId, Held>>,
    pub(crate) access: AccessIndex,
}

impl ObjectTree {
    /// A tree without Objects.
    pub const fn new() -> Self {
        Self {
            objects: BTreeMap::new(),
            held: None,
            access: AccessIndex::new(),
        }
    }

    /// Adds an Object, in place of one of the same Object ID. What was [held](Self::hold) of that
    /// one went with it: nothing is taken back, and nothing follows from it.
    pub fn add(&mut self, object: impl Object + 'static) {
        let id = object.definition().id;
        if let Some(held) = &mut self.held {
            held.remove(&id);
        }
        self.objects.insert(id, Box::new(object));
        self.forgets_access(id);
    }

    /// The Objects, by Object ID.
    pub fn objects(&self) -> impl Iterator<Item = &dyn Object> {
        self.objects.values().map(Box::as_ref)
    }

    /// An Object.
    pub fn object(&self, id: ObjectId) -> Option<&dyn Object> {
        self.objects.get(&id).map(Box::as_ref)
    }

    /// An Object, for whatever may change it.
    pub(crate) fn object_mut(&mut self, id: ObjectId) -> Option<&mut (dyn Object + 'static)> {
        self.forgets_access(id);
        self.objects.get_mut(&id).map(Box::as_mut)
    }

    /// An Object may change, in any way.
    fn forgets_access(&mut self, id: ObjectId) {
        match id {
            ObjectId::ACCESS_CONTROL => self.access.forget(),
            ObjectId::SECURITY | ObjectId::SERVER => self.access.forget_accounts(),
            _ => {}
        }
    }

    /// Has an Object apply changes, which follow from each other.
    pub(crate) fn change(
        &mut self,
        id: ObjectId,
        run: &[Change],
        change: impl FnOnce(&mut dyn Object, &[Change]),
    ) {
        if let Some(object) = self.objects.get_mut(&id) {
            change(object.as_mut(), run);
            if id == ObjectId::ACCESS_CONTROL {
                self.follow_access_control(run);
            } else {
                self.forgets_access(id);
            }
        }
    }

    /// An Object of a type that is known.
    pub fn object_as<T: Object>(&self, id: ObjectId) -> Option<&T> {
        let object: &dyn Any = self.object(id)?;
        object.downcast_ref()
    }

    /// An Object of a type that is known: the way of an application to what the Object does.
    /// [`poll_changed`](Self::poll_changed) tells the values that change thereby.
    pub fn object_as_mut<T: Object>(&mut self, id: ObjectId) -> Option<&mut T> {
        let object: &mut dyn Any = self.object_mut(id)?;
        object.downcast_mut()
    }

    /// What a path names, looked up once.
    pub fn target(&self, path: Path) -> Target<'_> {
        Target::new(path, path.object().and_then(|id| self.object(id)))
    }

    /// The Object Instances of an Object, in order.
    pub fn instances(&self, object: ObjectId) -> impl Iterator<Item = InstanceId> {
        self.object(object).into_iter().flat_map(target::instances)
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

    /// The Object at `path`, and its Resource there, if what the path names exists.
    ///
    /// A Resource Instance is not looked for: TS 1.0 addresses none (5.4).
    pub fn locate(&self, path: Path) -> Option<(&dyn Object, Option<&ResourceDefinition>)> {
        let target = self.target(path);
        let object = target.object().filter(|_| target.exists())?;
        Some((object, target.resource()))
    }

    /// Reads an Object, an Object Instance or a Resource (TS 5.4.1) into a sink.
    ///
    /// On an Object, only instances that `allowed` lets pass are told; on what is above a
    /// Resource, only Resources that can be read.
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
        let mut found = None;
        self.visit(path, |at, value| {
            if at == path {
                found = Some(value.to_owned());
            }
        });
        found
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
    pub fn visit(&self, path: Path, mut visitor: impl FnMut(Path, ValueRef<'_>)) {
        let Some((object, Some(resource))) = self.locate(path) else {
            return;
        };
        if resource.operations.executable() {
            return;
        }
        let (Path::Resource(o, i, r) | Path::ResourceInstance(o, i, r, _)) = path else {
            return;
        };
        let mut sink = Visit(|event: Event<'_>| match event {
            Event::Resource { value, .. } => visitor(Path::Resource(o, i, r), value),
            Event::ResourceInstance { id, value, .. } => {
                visitor(Path::ResourceInstance(o, i, r, id), value);
            }
            _ => {}
        });
        let mut out = ResourceSink {
            definition: resource,
            sink: &mut sink,
        };
        // A value that is not available is not visited.
        let _ = object.read(i, r, &mut out);
    }

    /// Begins a Write on an Object Instance or a Resource (TS 5.4.3); a decoder pushes into it.
    pub fn write(&self, path: Path, mode: WriteMode) -> Result<Transaction<'_>, WriteError> {
        Transaction::write(self, path, mode)
    }

    /// Begins a Create on an Object (TS 5.4.6); a decoder pushes into it.
    pub fn create(&self, object: ObjectId) -> Result<Transaction<'_>, WriteError> {
        Transaction::create(self, object)
    }

    /// Begins a Write of the Bootstrap interface (TS 5.2.7.4); a decoder pushes into it.
    pub fn bootstrap_write(&self, path: Path) -> Result<Transaction<'_>, WriteError> {
        Transaction::bootstrap(self, path)
    }

    /// The change that a Delete of an Object Instance makes (TS 5.4.7), to commit.
    pub fn delete(&self, path: Path) -> Result<Vec<Change>, WriteError> {
        let Path::Instance(..) = path else {
            let found = path == Path::Root || self.locate(path).is_some();
            let refused = if found {
                WriteError::NotManaged
            } else {
                WriteError::NotFound
            };
            return Err(refused(path));
        };
        let (object, _) = self.locate(path).ok_or(WriteError::NotFound(path))?;
        // The one instance of a mandatory Object has to be there (TS D.1).
        let (least, _) = object.definition().instance_limits();
        if !object.is_managed() || least > 0 {
            return Err(WriteError::NotManaged(path));
        }
        Ok([Change::Delete { path }].into())
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

/// What the Objects do by themselves.
impl ObjectTree {
    /// Whether a Write of the Resource at `path` is taken piece by piece, by
    /// [`stream`](Self::stream). None is while commits are [held](Self::hold): what was streamed
    /// could not be taken back.
    pub fn streams(&self, path: Path) -> bool {
        !self.is_holding() && self.takes_pieces(path)
    }

    fn takes_pieces(&self, path: Path) -> bool {
        let found = self.locate(path);
        found.is_some_and(|(object, resource)| {
            resource.is_some_and(|resource| {
                resource.operations.writable() && object.streams(resource.id)
            })
        })
    }

    /// Takes the next piece of a Write that arrives block by block: nothing of it is held here,
    /// and it is not part of a transaction. After an error the Write is over.
    pub fn stream(&mut self, path: Path, piece: Piece<'_>) -> Result<(), WriteError> {
        if self.locate(path).is_none() {
            return Err(WriteError::NotFound(path));
        }
        // What is under way may be given up at any time.
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

    /// Tells every Object the time: what is due at `now` is done, and times are read as of now.
    pub fn handle_timeout(&mut self, now: Instant) {
        for (id, object) in &mut self.objects {
            match *id {
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

    /// When [`handle_timeout`](Self::handle_timeout) has something to do; never, if `None`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let objects = self.objects.values();
        objects.filter_map(|object| object.poll_timeout()).min()
    }

    /// The next Resource whose value an Object has changed by itself, and not by a Write of it.
    /// Ask after everything that feeds the tree.
    pub fn poll_changed(&mut self) -> Option<Path> {
        let mut objects = self.objects.values_mut();
        let changed = objects.find_map(|object| object.poll_changed())?;
        if let Some(id) = changed.object() {
            self.forgets_access(id);
        }
        Some(changed)
    }
}

/// Whether a value is what the definition asks for.
pub(crate) fn check_value(
    definition: &ResourceDefinition,
    path: Path,
    value: &ValueRef<'_>,
) -> Result<(), WriteError> {
    if definition.data_type.is_none() || definition.data_type != value.data_type() {
        return Err(WriteError::WrongType(path));
    }
    match &definition.range {
        Some(range) if !range.allows(value) => Err(WriteError::OutOfRange(path)),
        _ => Ok(()),
    }
}

/// A sink that hands its events to a closure.
struct Visit<F>(F);

impl<F: FnMut(Event<'_>)> Sink for Visit<F> {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        (self.0)(event);
        Ok(())
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
    /// Names what is there; values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.objects.keys()).finish()
    }
}

/// Tells an application the definition of what it serves.
impl ObjectTree {
    /// The definition of an Object.
    pub fn definition(&self, object: ObjectId) -> Option<&ObjectDefinition> {
        self.object(object).map(Object::definition)
    }
}
