//! An Object whose values live in memory.

mod instances;
mod object;
mod stored;
mod supported;
mod taken_ids;

use alloc::borrow::Cow;
use core::fmt;

use lwm2m_core::{DataType, InstanceId, Path, ResourceId, ResourceInstanceId, Value, ValueRef};

use self::{
    instances::{Instances, Resources},
    stored::Stored,
    supported::Supported,
};
use super::{
    check::check_value,
    error::{ReadError, WriteError},
    sink::{InstanceSink, ResourceSink},
    sorted::SortedMap,
};
use crate::definition::{
    DefinitionError, DefinitionFault, Multiplicity, ObjectDefinition, ResourceDefinition,
};

/// An [`Object`](crate::Object) whose values live in memory, made from its definition.
///
/// A Store that is made without Object Instances supports all Resources of the definition, so that it
/// keeps everything that a Bootstrap-Server writes or a server creates. Otherwise it supports the
/// mandatory Resources, those that any Object Instance has been given, and those named to
/// [`supporting`](Self::supporting). Deleting Object Instances doesn't change that. The application
/// executes the executable Resources.
///
/// ```
/// use lwm2m_core::{InstanceId, Value};
/// use lwm2m_objects::{DEVICE, Store};
///
/// let device = Store::new(&DEVICE)
///     .with(InstanceId::ZERO, 0, "Open Mobile Alliance")
///     .with(InstanceId::ZERO, 9, 100)
///     .with_instances(InstanceId::ZERO, 7, [(0, 3800), (1, 5000)]);
/// assert_eq!(device.get("/3/0/9".parse().unwrap()), Some(&Value::Integer(100)));
/// ```
#[derive(Clone)]
pub struct Store {
    definition: Cow<'static, ObjectDefinition>,
    supported: Supported,
    instances: Instances,
    accepts: Accepts,
    /// How many Object Instances there may be, if servers may create and delete them.
    managed: Option<usize>,
    initially: Initially,
    /// What is wrong with the first value that was left out.
    misfit: Option<WriteError>,
}

/// Gives an Object Instance its first values.
type Initially = fn(Store, InstanceId) -> Store;

/// Whether a Resource accepts a value that fits its definition.
type Accepts = fn(ResourceId, &ValueRef<'_>) -> bool;

/// The executable Resources of a new Object Instance.
fn executables(
    definition: &ObjectDefinition,
    has: impl Fn(&ResourceDefinition) -> bool,
) -> Resources {
    let resources = definition.resources.iter();
    resources
        .filter(|resource| resource.operations.executable() && has(resource))
        .map(|resource| (resource.id, Stored::Executable))
        .collect()
}

impl Store {
    /// An Object without instances. It supports all Resources of its definition until it is given an
    /// instance. The definition is not checked: [`validate`](ObjectDefinition::validate) your own
    /// definitions in a test.
    pub fn new(definition: &'static ObjectDefinition) -> Self {
        Self::of_definition(Cow::Borrowed(definition))
    }

    /// An Object without instances, with a definition made at run time.
    ///
    /// # Errors
    ///
    /// If the definition breaks a rule of the template (TS Appendix D). The class of its URN does not
    /// matter here.
    pub fn from_definition(
        definition: impl Into<Cow<'static, ObjectDefinition>>,
    ) -> Result<Self, DefinitionError> {
        let definition = definition.into();
        let mut faults = definition.faults();
        let fault = faults.find(|error| !matches!(error.fault, DefinitionFault::UrnClass { .. }));
        drop(faults);
        fault.map_or_else(|| Ok(Self::of_definition(definition)), Err)
    }

    fn of_definition(definition: Cow<'static, ObjectDefinition>) -> Self {
        Self {
            definition,
            supported: Supported::All,
            instances: Instances::new(),
            accepts: |_, _| true,
            managed: None,
            initially: |store, _| store,
            misfit: None,
        }
    }

    /// Adds a check of values that a server writes, in addition to those of the definition. A value
    /// that it refuses is answered with 4.00.
    #[must_use]
    pub fn accepting(mut self, accepts: Accepts) -> Self {
        self.accepts = accepts;
        self
    }

    /// Lets servers create and delete Object Instances, up to `most` of them. Mandatory Resources that
    /// servers can't write get their first values from [`initially`](Self::initially).
    #[must_use]
    pub fn managed(mut self, most: usize) -> Self {
        self.managed = Some(most);
        self
    }

    /// Says which values an Object Instance begins with that a server creates, by giving them to that
    /// instance of an empty Store. Those of mandatory Resources count that servers can't write
    /// (TS 7.3.2.4). If one is missing, a Create is refused with
    /// [`WriteError::NotSupplied`].
    ///
    /// ```
    /// use lwm2m_core::{DataType, InstanceId, ObjectId, Value, codec::{Event, Sink}};
    /// use lwm2m_objects::{ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store};
    ///
    /// static RESOURCES: [ResourceDefinition; 2] = [
    ///     ResourceDefinition::new(0, "Runs", Operations::Read, DataType::Integer).mandatory(),
    ///     ResourceDefinition::new(1, "Interval", Operations::ReadWrite, DataType::Integer).mandatory(),
    /// ];
    /// static JOB: ObjectDefinition =
    ///     ObjectDefinition::new(ObjectId::new(26241), "Job", "urn:oma:lwm2m:x:26241", &RESOURCES)
    ///         .multiple();
    ///
    /// let mut tree = ObjectTree::new();
    /// tree.add(Store::new(&JOB).managed(10).initially(|store, instance| store.with(instance, 0, 0)));
    /// let mut create = tree.create(JOB.id)?;
    /// create.event(Event::Instance(None))?;
    /// let (id, value, time) = (1.into(), Value::Integer(60), None);
    /// create.event(Event::Resource { id, value: value.as_ref(), time })?;
    /// create.event(Event::EndInstance)?;
    /// let changes = create.finish()?;
    /// tree.commit(&changes)?;
    /// assert_eq!(tree.get("/26241/0/0".parse()?), Some(Value::Integer(0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn initially(mut self, values: fn(Self, InstanceId) -> Self) -> Self {
        self.initially = values;
        self
    }

    /// Supports these optional Resources, although no Object Instance has them yet. An Object without
    /// instances then supports no other optional Resources.
    #[must_use]
    pub fn supporting(mut self, resources: impl IntoIterator<Item = u16>) -> Self {
        self.supported.restrict(&self.definition);
        for resource in resources {
            if self.defined(resource.into()).is_some() {
                self.supported.add(resource.into());
            }
        }
        self
    }

    /// Sets the value of a single Resource. The Object Instance is created if it doesn't exist.
    ///
    /// A value that doesn't fit the definition is left out, which [`checked`](Self::checked) reports.
    #[must_use]
    pub fn with(mut self, instance: InstanceId, resource: u16, value: impl Into<Value>) -> Self {
        self.supported.restrict(&self.definition);
        let set = self.try_set(instance, resource.into(), None, value.into());
        self.note(set);
        self
    }

    /// Sets values of a multiple Resource, by Resource Instance ID.
    #[must_use]
    pub fn with_instances<V: Into<Value>>(
        mut self,
        instance: InstanceId,
        resource: u16,
        values: impl IntoIterator<Item = (u16, V)>,
    ) -> Self {
        self.supported.restrict(&self.definition);
        for (id, value) in values {
            let set = self.try_set(instance, resource.into(), Some(id.into()), value.into());
            self.note(set);
        }
        self
    }

    /// Adds an optional executable Resource to this Object Instance, and to those that servers create.
    /// A Resource that isn't executable is left out, which [`checked`](Self::checked) reports.
    #[must_use]
    pub fn with_executable(mut self, instance: InstanceId, resource: u16) -> Self {
        self.supported.restrict(&self.definition);
        let resource = ResourceId::new(resource);
        if self
            .defined(resource)
            .is_some_and(|resource| resource.operations.executable())
        {
            let admitted = self.admit(instance);
            if admitted.is_ok() {
                self.supported.add(resource);
                let resources = self.instance(instance);
                resources.get_or_insert_with(resource, || Stored::Executable);
            }
            self.note(admitted);
        } else {
            let path = Path::Resource(self.definition.id, instance, resource);
            self.note(Err(WriteError::NotFound(path)));
        }
        self
    }

    /// Adds an Object Instance that has only the mandatory executable Resources so far.
    #[must_use]
    pub fn with_instance(mut self, instance: InstanceId) -> Self {
        self.supported.restrict(&self.definition);
        let admitted = self.admit(instance);
        if admitted.is_ok() {
            self.instance(instance);
        }
        self.note(admitted);
        self
    }

    /// Returns the Object if everything that it was made with fits its definition.
    ///
    /// ```
    /// use lwm2m_core::InstanceId;
    /// use lwm2m_objects::{DEVICE, Store, WriteError};
    ///
    /// let device = Store::new(&DEVICE).with(InstanceId::ZERO, 9, 101); // percent
    /// let battery = "/3/0/9".parse().unwrap();
    /// assert_eq!(device.get(battery), None);
    /// assert_eq!(device.checked().err(), Some(WriteError::OutOfRange(battery)));
    /// ```
    ///
    /// # Errors
    ///
    /// What was wrong with the first value that was left out: [`WriteError::NotFound`],
    /// [`WriteError::WrongType`], [`WriteError::OutOfRange`], or [`WriteError::TooMany`] for an
    /// Object Instance other than 0 of a single-instance Object.
    pub fn checked(self) -> Result<Self, WriteError> {
        self.misfit.map_or(Ok(self), Err)
    }

    /// Whether this Object Instance is allowed: the one of a single-instance Object is 0
    /// (TS 5.4.6).
    fn admit(&self, instance: InstanceId) -> Result<(), WriteError> {
        let single = self.definition.instances == Multiplicity::Single;
        if single && instance != InstanceId::ZERO {
            let path = Path::Instance(self.definition.id, instance);
            return Err(WriteError::TooMany(path));
        }
        Ok(())
    }

    fn note(&mut self, set: Result<(), WriteError>) {
        self.misfit = self.misfit.or(set.err());
    }

    /// The value of a Resource, or of a Resource Instance.
    pub fn get(&self, path: Path) -> Option<&Value> {
        if path.object() != Some(self.definition.id) {
            return None;
        }
        match (
            self.stored(path.instance()?, path.resource()?)?,
            path.resource_instance(),
        ) {
            (Stored::Single(value), None) => Some(value),
            (Stored::Multiple(values), Some(id)) => values.get(&id),
            _ => None,
        }
    }

    /// The Resource Instances of a multiple Resource, in order.
    pub(crate) fn resource_instances(
        &self,
        instance: InstanceId,
        resource: ResourceId,
    ) -> impl Iterator<Item = (ResourceInstanceId, &Value)> {
        let values = match self.stored(instance, resource) {
            Some(Stored::Multiple(values)) => Some(values.iter()),
            _ => None,
        };
        values.into_iter().flatten().map(|(id, value)| (*id, value))
    }

    fn defined(&self, resource: ResourceId) -> Option<&ResourceDefinition> {
        self.definition.resource(resource)
    }

    fn stored(&self, instance: InstanceId, resource: ResourceId) -> Option<&Stored> {
        self.instances.get(instance)?.get(&resource)
    }

    /// An Object Instance. If it doesn't exist, it is created with the mandatory executable
    /// Resources.
    fn instance(&mut self, id: InstanceId) -> &mut Resources {
        let definition = &self.definition;
        let make = || executables(definition, |resource| resource.mandatory);
        self.instances.get_or_insert_with(id, make)
    }

    /// Reads an Object Instance, except for the Resources that `own` reads.
    pub(crate) fn read_each(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
        own: impl Fn(ResourceId, &mut ResourceSink<'_>) -> Option<Result<(), ReadError>>,
    ) -> Result<(), ReadError> {
        let resources = self.instances.get(instance);
        let resources = resources.ok_or(ReadError::Unavailable)?;
        // Both are in ascending order.
        let mut defined = self.definition.resources.iter();
        for (id, stored) in resources.iter() {
            if let Some(definition) = defined.find(|definition| definition.id == *id) {
                out.resource(definition, |out| {
                    own(*id, out).unwrap_or_else(|| stored.read(out))
                })?;
            }
        }
        Ok(())
    }

    /// Sets a value that the Object is made with, if it fits.
    fn try_set(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        id: Option<ResourceInstanceId>,
        value: Value,
    ) -> Result<(), WriteError> {
        let object = self.definition.id;
        let path = match id {
            None => Path::Resource(object, instance, resource),
            Some(id) => Path::ResourceInstance(object, instance, resource, id),
        };
        let definition = self.defined(resource).ok_or(WriteError::NotFound(path))?;
        let value = match (definition.data_type, value) {
            // An integer may represent a time.
            (Some(DataType::Time), Value::Integer(seconds)) => Value::Time(seconds),
            (_, value) => value,
        };
        if definition.is_multiple() != id.is_some() {
            return Err(WriteError::WrongType(path));
        }
        check_value(definition, path, &value.as_ref())?;
        self.admit(instance)?;
        self.set(instance, resource, id, value);
        Ok(())
    }

    /// Sets a value that fits.
    fn set(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        id: Option<ResourceInstanceId>,
        value: Value,
    ) {
        self.supported.add(resource);
        let resources = self.instance(instance);
        match id {
            None => resources.insert(resource, Stored::Single(value)),
            Some(id) => {
                let empty = || Stored::Multiple(SortedMap::new());
                if let Stored::Multiple(values) = resources.get_or_insert_with(resource, empty) {
                    values.insert(id, value);
                }
            }
        }
    }
}

impl fmt::Debug for Store {
    /// Shows paths only, because values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.definition.id;
        let paths = self
            .instances
            .iter()
            .map(|(id, _)| Path::Instance(object, id));
        f.debug_set().entries(paths).finish()
    }
}
