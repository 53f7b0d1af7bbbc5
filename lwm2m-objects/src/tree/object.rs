//! What a Client serves an Object with.

use alloc::vec::Vec;
use core::any::Any;

use lwm2m_core::{Arguments, InstanceId, Instant, Path, ResourceId};

use super::{
    change::Change,
    error::{ExecuteError, ReadError, WriteError},
    sink::{InstanceSink, ResourceSink},
    undone,
};
use crate::{
    definition::ObjectDefinition,
    saved::snapshot::{ObjectSnapshot, SnapshotError},
};

/// An Object as a Client serves it.
///
/// [`Store`](crate::Store) is the ready one, for values that live in memory. Implement the trait
/// for an Object whose values live elsewhere: a sensor is read at the moment of the Read.
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
/// The [`ObjectTree`](crate::ObjectTree) checks everything that the definition tells before it
/// calls: paths, operations, data types, ranges, mandatory Resources.
pub trait Object: Any + Send {
    /// What the Object is.
    fn definition(&self) -> &ObjectDefinition;

    /// The first Object Instance after `after`, or the first of all: they are walked in order. The
    /// default has one, 0.
    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        after.is_none().then_some(InstanceId::ZERO)
    }

    /// Whether there is this Object Instance. The default asks
    /// [`next_instance`](Self::next_instance); another one has to say the same, faster.
    fn has_instance(&self, instance: InstanceId) -> bool {
        let before = instance.get().checked_sub(1).and_then(InstanceId::new);
        self.next_instance(before) == Some(instance)
    }

    /// The first Object Instance ID from `from` on that no Object Instance has; `None` if all are
    /// taken. A new Object Instance gets it when nobody names another. The default walks through
    /// those that are taken.
    fn free_instance(&self, from: InstanceId) -> Option<InstanceId> {
        let mut free = from.get();
        let before = free.checked_sub(1).and_then(InstanceId::new);
        let mut taken = self.next_instance(before);
        while taken.is_some_and(|taken| taken.get() == free) {
            free = free.checked_add(1)?;
            taken = self.next_instance(taken);
        }
        InstanceId::new(free)
    }

    /// Whether the Client supports this Resource of the definition at all.
    fn supports(&self, resource: ResourceId) -> bool {
        self.definition().resource(resource).is_some()
    }

    /// Whether the Object Instance has this Resource now. The default has all that are supported.
    ///
    /// A Write of a whole Object Instance takes away what is optional and writable and what it does
    /// not name (TS 5.4.3), by [`Change::Remove`]: an Object with such Resources that are not to
    /// stay needs a `has` of its own.
    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.has_instance(instance) && self.supports(resource)
    }

    /// Tells the value of a Resource that the Object Instance [has](Self::has), or each of its
    /// Resource Instances. No server reads what is for writing only, but without its value a Write
    /// that is [held](crate::ObjectTree::hold) cannot be taken back. What executes is not asked for.
    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError>;

    /// Tells the values of all Resources of an Object Instance that can be read, in order. The
    /// default asks for one after the other; an Object that has them in order is faster than that.
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

    /// Whether a LwM2M Server may create (TS 5.4.6) and delete (TS 5.4.7) Object Instances. The
    /// Bootstrap interface is not asked.
    fn is_managed(&self) -> bool {
        false
    }

    /// Whether [`apply`](Self::apply) would succeed: the first phase of a transaction, which may
    /// span several Objects. Nothing changes yet.
    ///
    /// The default refuses Object Instances that come and go, or are not there, and Resources that
    /// are not supported.
    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
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

    /// Applies changes that [`prepare`](Self::prepare) has agreed to, all of them. Values are as
    /// changed afterwards; what more is to follow from the changes is for
    /// [`settle`](Self::settle), as long as [`undo`](Self::undo) may come instead.
    fn apply(&mut self, changes: &[Change]);

    /// Changes that were applied are there to stay: does what follows from them beyond their
    /// values, which nothing could take back.
    ///
    /// When they were [held](crate::ObjectTree::hold), there is one call for each commit of which
    /// there is still something to [act on](Self::acts_on), and one without changes if there is none.
    fn settle(&mut self, changes: &[Change]) {
        let _ = changes;
    }

    /// Whether [`settle`](Self::settle) does something about a change. Others are not kept for it
    /// while commits are held. The default says that of all of them.
    fn acts_on(&self, change: &Change) -> bool {
        let _ = change;
        true
    }

    /// Whether nothing follows any more from a change that is held, once a later one of the same
    /// Resource was applied. The default says so: the earlier value was never there to stay. An
    /// Object to which each Write is an order of its own says no.
    fn supersedes(&self, later: &Change, earlier: &Change) -> bool {
        let _ = (later, earlier);
        true
    }

    /// Applies a value that the application [sets](crate::ObjectTree::set), which
    /// [`undo`](Self::undo) is not to take back.
    fn set(&mut self, change: &Change) {
        self.apply(core::slice::from_ref(change));
    }

    /// Takes back everything that was applied and is not settled; `undo` are changes that restore
    /// the values.
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

    /// What is to survive a restart; nothing, if the values live elsewhere.
    fn save(&self) -> Option<ObjectSnapshot> {
        None
    }

    /// What [`save`](Self::save) would tell after these changes were [undone](Self::undo): a
    /// snapshot that is taken while commits are held is that of before.
    ///
    /// The default makes the changes to what `save` tells, and leaves its
    /// [`state`](ObjectSnapshot::state): an Object that keeps there what is applied and not yet
    /// settled, or that saves other Resources than it has, needs one of its own.
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
        Err(SnapshotError::Object(saved.object))
    }

    /// Puts back what [`save`](Self::save) told, and [`check_saved`](Self::check_saved) agreed to.
    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        let _ = saved;
    }

    /// Whether a Write of this Resource is taken piece by piece, by [`stream`](Self::stream).
    fn streams(&self, resource: ResourceId) -> bool {
        let _ = resource;
        false
    }

    /// Takes the next piece of a Write of a Resource that [`streams`](Self::streams). After an
    /// error the Write is over.
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

    /// Does what is due at `now`, and takes `now` for the time until the next call. Early, late
    /// and repeated calls are harmless.
    fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do; never, if `None`.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next Resource whose value the Object has changed by itself: nobody wrote it. Its
    /// observers are to be told. It is asked until it tells `None`, so it tells each change once.
    fn poll_changed(&mut self) -> Option<Path> {
        None
    }
}

/// One piece of a Write that arrives block by block (RFC 7959): `Begin`, any number of `Bytes`,
/// then `End` or `Abort`.
///
/// These are all steps of a body, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A Write begins. One that has not ended is over.
    Begin,
    /// The next bytes of the value.
    Bytes(&'a [u8]),
    /// That was the value.
    End,
    /// The rest of the value will not come.
    Abort,
}

/// Who does what an Execute asks for.
///
/// It is the Object or the application, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// The Object has done it.
    Done,
    /// The application is told of it by an event, after the answer is under way.
    Application,
}
