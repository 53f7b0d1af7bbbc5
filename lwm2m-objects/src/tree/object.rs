//! The interface between the tree and an Object.

use alloc::vec::Vec;
use core::any::Any;

use lwm2m_core::{Arguments, InstanceId, Instant, Path, ResourceId};

use super::{
    change::Change,
    error::{ExecuteError, ReadError, WriteError},
    fetch::{FetchOrder, Fetched},
    sink::{InstanceSink, ResourceSink},
    undone,
};
use crate::{
    definition::ObjectDefinition,
    saved::snapshot::{ObjectSnapshot, SnapshotError},
};

/// An Object as a Client serves it.
///
/// [`Store`](crate::Store) implements it for values in memory. Implement the trait for an Object
/// whose values live elsewhere, such as a sensor that is read at the moment of the Read.
///
/// ```
/// use lwm2m_core::{DataType, InstanceId, ObjectId, ResourceId, Value, ValueRef};
/// use lwm2m_objects::{
///     Change, Object, ObjectDefinition, ObjectTree, Operations, ReadError, ResourceDefinition,
///     ResourceSink,
/// };
///
/// static RESOURCES: [ResourceDefinition; 2] = [
///     ResourceDefinition::new(0, "Temperature", Operations::Read, DataType::Float).mandatory(),
///     ResourceDefinition::new(1, "Set Point", Operations::ReadWrite, DataType::Integer).mandatory(),
/// ];
/// static THERMOSTAT: ObjectDefinition = ObjectDefinition::new(
///     ObjectId::new(26241), "Thermostat", "urn:oma:lwm2m:x:26241", &RESOURCES,
/// );
///
/// struct Thermostat {
///     sensor: fn() -> f64,
///     set_point: i64,
/// }
///
/// impl Object for Thermostat {
///     fn definition(&self) -> &ObjectDefinition {
///         &THERMOSTAT
///     }
///
///     fn read(
///         &self, _: InstanceId, resource: ResourceId, out: &mut ResourceSink<'_>,
///     ) -> Result<(), ReadError> {
///         match resource.get() {
///             0 => out.value(ValueRef::Float((self.sensor)())),
///             _ => out.value(ValueRef::Integer(self.set_point)),
///         }
///     }
///
///     fn apply(&mut self, changes: &[Change]) {
///         for change in changes {
///             if let Change::Set { value: Value::Integer(set_point), .. } = change {
///                 self.set_point = *set_point;
///             }
///         }
///     }
/// }
///
/// let mut tree = ObjectTree::new();
/// tree.add(Thermostat { sensor: || 19.5, set_point: 21 });
/// assert_eq!(tree.get("/26241/0/0".parse().unwrap()), Some(Value::Float(19.5)));
/// ```
///
/// Before it calls the Object, the [`ObjectTree`](crate::ObjectTree) checks what the definition says:
/// paths, operations, data types, ranges, mandatory Resources.
///
/// # Changes
///
/// A commit calls [`prepare`](Self::prepare) for all Objects that it changes. If all agree, it calls
/// [`apply`](Self::apply) and then [`settle`](Self::settle). While commits are
/// [held](crate::ObjectTree::hold), `settle` comes later, or [`undo`](Self::undo) comes instead.
pub trait Object: Any + Send {
    /// The definition of the Object.
    fn definition(&self) -> &ObjectDefinition;

    /// The Object that this one is built on, if any, such as a [`Store`](crate::Store) that has its
    /// values. It decides what this one doesn't override: which Object Instances and Resources there are,
    /// whether servers [manage](Self::is_managed) them, what can be [changed](Self::prepare), and what is
    /// saved. Override [`base_mut`](Self::base_mut), too, else nothing is restored. What Object Instances
    /// [begin with](Self::initial) isn't the base's: this one may have values of its own.
    fn base(&self) -> Option<&dyn Object> {
        None
    }

    /// The same as [`base`](Self::base), to change it.
    fn base_mut(&mut self) -> Option<&mut dyn Object> {
        None
    }

    /// The first Object Instance after `after`, or the first of all. The default has one, 0.
    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        match self.base() {
            Some(base) => base.next_instance(after),
            None => after.is_none().then_some(InstanceId::ZERO),
        }
    }

    /// Whether the Object Instance is there. The default calls
    /// [`next_instance`](Self::next_instance); override it if there is a faster way.
    fn has_instance(&self, instance: InstanceId) -> bool {
        if let Some(base) = self.base() {
            return base.has_instance(instance);
        }
        let before = instance.get().checked_sub(1).and_then(InstanceId::new);
        self.next_instance(before) == Some(instance)
    }

    /// The first free Object Instance ID from `from` on; `None` if all are taken. A Create without an
    /// identifier uses it. The default iterates over the taken ones.
    fn free_instance(&self, from: InstanceId) -> Option<InstanceId> {
        if let Some(base) = self.base() {
            return base.free_instance(from);
        }
        let mut free = from.get();
        let before = free.checked_sub(1).and_then(InstanceId::new);
        let mut taken = self.next_instance(before);
        while taken.is_some_and(|taken| taken.get() == free) {
            free = free.checked_add(1)?;
            taken = self.next_instance(taken);
        }
        InstanceId::new(free)
    }

    /// Whether the Client supports this Resource of the definition, in any Object Instance.
    fn supports(&self, resource: ResourceId) -> bool {
        match self.base() {
            Some(base) => base.supports(resource),
            None => self.definition().resource(resource).is_some(),
        }
    }

    /// Whether the Object Instance has this Resource now. By default, it has all supported
    /// Resources.
    ///
    /// A Replace of an Object Instance removes the optional writable Resources that it doesn't name
    /// (TS 5.4.3), by [`Change::Remove`]. Override `has` if the Object can be without them.
    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        match self.base() {
            Some(base) => base.has(instance, resource),
            None => self.has_instance(instance) && self.supports(resource),
        }
    }

    /// Whether the Object is read and written in JSON (TS 6.4.4). The answer is always the same. With
    /// `false`, requests for JSON are refused with 4.06 and payloads in JSON with 4.15, and the Client
    /// announces JSON to no server, as that says that all Objects support it (TS 5.3.1).
    fn supports_json(&self) -> bool {
        true
    }

    /// Pushes the value of a Resource that the Object Instance [has](Self::has), or each of its
    /// Resource Instances. It is also called for write-only Resources, so that a Write that is
    /// [held](crate::ObjectTree::hold) can be undone. It isn't called for executable ones.
    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError>;

    /// Pushes all readable Resources of an Object Instance, in order. The default looks up one after
    /// the other; override it if the Object can walk through them faster.
    fn read_instance(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        for resource in self.definition().resources.iter() {
            if resource.operations.readable() && self.has(instance, resource.id) {
                out.resource(resource, |out| self.read(instance, resource.id, out))?;
            }
        }
        Ok(())
    }

    /// What is known of a value that isn't in memory as a whole, such as a log in a file: a single,
    /// readable Resource of strings or octets. A Read of this Resource alone takes the value piece by
    /// piece, by [`read_piece`](Self::read_piece), as the server asks for its blocks. In JSON, in an
    /// answer with other Resources, and in notifications it is still [read](Self::read); override
    /// [`read_instance`](Self::read_instance) to leave it out.
    fn large(&self, instance: InstanceId, resource: ResourceId) -> Option<LargeValue> {
        let _ = (instance, resource);
        None
    }

    /// Fills `piece` with the bytes of a [large](Self::large) value from `offset` on. All of them are
    /// within its length.
    fn read_piece(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        offset: usize,
        piece: &mut [u8],
    ) -> Result<(), ReadError> {
        let _ = (instance, resource, offset, piece);
        Err(ReadError::Unavailable)
    }

    /// Whether LwM2M Servers may create (TS 5.4.6) and delete (TS 5.4.7) Object Instances. The
    /// Bootstrap interface always can.
    fn is_managed(&self) -> bool {
        self.base().is_some_and(<dyn Object>::is_managed)
    }

    /// The values that an Object Instance begins with when a server creates it: those of mandatory
    /// Resources that servers can't write, which are for the Client to set up (TS 6.1, 7.3.2.4). They are
    /// committed together with the payload. Of others the transaction takes nothing; a multiple Resource
    /// that isn't named begins empty.
    ///
    /// `None`, the default, says that such Resources have values as soon as the Object Instance is
    /// there.
    fn initial(&self, instance: InstanceId) -> Option<Vec<Change>> {
        let _ = instance;
        None
    }

    /// Whether [`apply`](Self::apply) would succeed. This is the first phase of a commit; nothing
    /// changes yet.
    ///
    /// The default refuses to create and delete Object Instances, and changes of Object Instances
    /// that aren't there and of Resources that aren't supported.
    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        if let Some(base) = self.base() {
            return base.prepare(changes);
        }
        changes.iter().try_for_each(|change| {
            let path = change.path();
            if matches!(change, Change::Create { .. } | Change::Delete { .. }) {
                return Err(WriteError::Refused(path));
            }
            let instance = path.instance().ok_or(WriteError::NotFound(path))?;
            if !self.has_instance(instance) {
                return Err(WriteError::NotFound(path));
            }
            let supported = path.resource().filter(|resource| self.supports(*resource));
            supported.map(drop).ok_or(WriteError::NotWritable(path))
        })
    }

    /// Applies all changes, which [`prepare`](Self::prepare) has accepted. Afterwards the Object
    /// reads as changed. Other effects belong in [`settle`](Self::settle), because
    /// [`undo`](Self::undo) may come instead.
    fn apply(&mut self, changes: &[Change]);

    /// Carries out the effects of applied changes, which can't be undone.
    ///
    /// If commits were [held](crate::ObjectTree::hold), there is one call for each commit with changes
    /// that the Object still has to [act on](Self::acts_on), or one without changes if there are none.
    fn settle(&mut self, changes: &[Change]) {
        let _ = changes;
    }

    /// Whether a change has an effect in [`settle`](Self::settle). Others aren't kept for it while
    /// commits are held. By default, all changes have one.
    fn acts_on(&self, change: &Change) -> bool {
        let _ = change;
        true
    }

    /// Whether a later change of the same Resource cancels the effects of an earlier one that is
    /// held. By default it does, because the earlier value has been replaced. An Object that must
    /// act on every Write returns `false`.
    fn supersedes(&self, later: &Change, earlier: &Change) -> bool {
        let _ = (later, earlier);
        true
    }

    /// Applies a value that the application [sets](crate::ObjectTree::set).
    /// [`undo`](Self::undo) must not undo it.
    fn set(&mut self, change: &Change) {
        self.apply(core::slice::from_ref(change));
    }

    /// Undoes everything that was applied and isn't settled. `undo` are changes that restore the
    /// values.
    fn undo(&mut self, undo: &[Change]) {
        self.apply(undo);
    }

    /// Executes a Resource (TS 5.4.5). The default leaves it to the application.
    fn execute(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        arguments: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        let _ = (instance, resource, arguments);
        Ok(Execution::Application)
    }

    /// Erases what a device doesn't have when it leaves the factory (TS E.4, Resource 5), as far as it
    /// isn't part of what the Object [saves](Self::save): measured values, errors, downloads.
    fn factory_reset(&mut self) {}

    /// What to save across a restart; `None` if the values live elsewhere.
    fn save(&self) -> Option<ObjectSnapshot> {
        self.base()?.save()
    }

    /// What [`save`](Self::save) would return after an [`undo`](Self::undo) with these changes. So a
    /// snapshot that is taken while commits are held has the state before them.
    ///
    /// The default applies the changes to what `save` returns, but not to its
    /// [`state`](ObjectSnapshot::state). Override it if that has changes that aren't settled, or if
    /// the Object saves other Resources than it has.
    fn save_undone(&self, undo: &[Change]) -> Option<ObjectSnapshot> {
        let mut saved = self.save()?;
        let executables = self.definition().resources.iter();
        let executables = executables.filter(|resource| resource.operations.executable());
        let supported = executables.filter(|resource| self.supports(resource.id));
        let executables: Vec<ResourceId> = supported.map(|resource| resource.id).collect();
        undone::apply_to(&mut saved, undo, &executables);
        Some(saved)
    }

    /// Whether [`load_saved`](Self::load_saved) would succeed. Nothing changes yet.
    fn check_saved(&self, saved: &ObjectSnapshot) -> Result<(), SnapshotError> {
        match self.base() {
            Some(base) => base.check_saved(saved),
            None => Err(SnapshotError::Object(saved.object)),
        }
    }

    /// Restores what [`save`](Self::save) returned and [`check_saved`](Self::check_saved) accepted.
    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        if let Some(base) = self.base_mut() {
            base.load_saved(saved);
        }
    }

    /// Whether a Write of this Resource is taken piece by piece, by [`stream`](Self::stream).
    fn streams(&self, resource: ResourceId) -> bool {
        let _ = resource;
        false
    }

    /// Takes the next piece of a Write of a Resource that [`streams`](Self::streams). After an error
    /// the Write has ended.
    fn stream(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        piece: Piece<'_>,
    ) -> Result<(), WriteError> {
        let _ = piece;
        let object = self.definition().id;
        let path = Path::Resource(object, instance, resource);
        Err(WriteError::NotWritable(path))
    }

    /// The next thing that the Client is to fetch for the Object, or to stop fetching. It is called
    /// until it returns `None`, and returns each order once.
    fn poll_fetch(&mut self) -> Option<FetchOrder> {
        None
    }

    /// Takes a part of what the Client [fetches](Self::poll_fetch) for this Resource. Returns whether
    /// the Object has taken it. If not, it needs no more of it, and the Client stops.
    fn fetched(&mut self, instance: InstanceId, resource: ResourceId, part: Fetched<'_>) -> bool {
        let _ = (instance, resource, part);
        false
    }

    /// Does what is due at `now`, which is the time for the Object until the next call. Early, late
    /// and repeated calls are harmless.
    fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` means never.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next Resource whose value the Object has changed by itself, for its observers and for
    /// [access control](crate::access). It is called until it returns `None`, and returns each change
    /// once.
    fn poll_changed(&mut self) -> Option<Path> {
        None
    }
}

/// A value that is read piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeValue {
    /// In bytes; at most 16,777,215 for an answer in TLV.
    pub length: usize,
    /// Another one whenever the value is another one. So a server never gets the pieces of two values as
    /// one: the transfer ends, and it reads again.
    pub version: u64,
}

/// One piece of a Write that arrives block by block (RFC 7959): `Begin`, any number of `Bytes`,
/// then `End` or `Abort`.
///
/// These are all steps of a body, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A Write begins, in place of one that has not ended.
    Begin,
    /// The next bytes of the value.
    Bytes(&'a [u8]),
    /// The value is complete.
    End,
    /// The rest of the value won't come.
    Abort,
}

/// Who executes a Resource.
///
/// It is the Object or the application, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// The Object has executed it.
    Done,
    /// The application executes it. An event asks for that, after the answer has been queued.
    Application,
}
