//! An Object whose values live in memory.

mod instances;
mod stored;
mod supported;
mod taken;

use alloc::{borrow::Cow, collections::BTreeSet, vec::Vec};
use core::fmt;

use lwm2m_core::{
    Arguments, DataType, InstanceId, Path, ResourceId, ResourceInstanceId, Value, ValueRef,
};

use self::{
    instances::{Instances, Resources},
    stored::Stored,
    supported::Supported,
};
use crate::{
    definition::{
        DefinitionError, DefinitionFault, Multiplicity, ObjectDefinition, ResourceDefinition,
    },
    saved::snapshot::{InstanceSnapshot, ObjectSnapshot, SnapshotError},
    tree::{
        check_value,
        object::{
            Change, ExecuteError, Execution, InstanceSink, Object, ReadError, ResourceSink,
            WriteError,
        },
        sorted::SortedMap,
    },
};

/// An [`Object`] whose values live in memory, made from its definition.
///
/// What a Store is made with says which Resources of the definition are supported. Made without
/// Object Instances, it supports all of them: what a Bootstrap-Server writes or a server creates is
/// kept whole. Otherwise it supports what is mandatory, what any Object Instance has been given, and
/// what is named to [`supporting`](Self::supporting). That does not change when Object Instances
/// go. What executes is handed to the application.
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
    /// Whether servers create and delete Object Instances, and how many there may be.
    managed: Option<usize>,
    /// The first value that was left out.
    misfit: Option<WriteError>,
}

/// Whether a Resource takes a value that fits its definition.
type Accepts = fn(ResourceId, &ValueRef<'_>) -> bool;

/// The executable Resources that a new Object Instance begins with.
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
    /// An Object without instances, which supports all that its definition has until it is given
    /// some. Whether a definition of the application's own keeps the rules is for a test to
    /// [`validate`](ObjectDefinition::validate).
    pub fn new(definition: &'static ObjectDefinition) -> Self {
        Self::of_definition(Cow::Borrowed(definition))
    }

    /// An Object without instances, of a definition made at run time.
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
            misfit: None,
        }
    }

    /// With a check of what a server writes, beside those of the definition; what it refuses is
    /// answered with 4.00.
    #[must_use]
    pub fn accepting(mut self, accepts: Accepts) -> Self {
        self.accepts = accepts;
        self
    }

    /// Servers may create and delete Object Instances, up to `most` of them. What they may not
    /// set, the application [sets](crate::ObjectTree::set) once the Object Instance is there.
    #[must_use]
    pub fn managed(mut self, most: usize) -> Self {
        self.managed = Some(most);
        self
    }

    /// These optional Resources are supported, though no Object Instance has them yet; of an Object
    /// without instances, no others are. Naming none leaves what is mandatory.
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

    /// With a value for a single Resource. The Object Instance is made if it is not there.
    ///
    /// What does not fit the definition is left out, which [`checked`](Self::checked) tells.
    #[must_use]
    pub fn with(mut self, instance: InstanceId, resource: u16, value: impl Into<Value>) -> Self {
        self.supported.restrict(&self.definition);
        let set = self.set(instance, resource.into(), None, value.into());
        self.note(set);
        self
    }

    /// With the values of a multiple Resource, by Resource Instance ID.
    #[must_use]
    pub fn with_instances<V: Into<Value>>(
        mut self,
        instance: InstanceId,
        resource: u16,
        values: impl IntoIterator<Item = (u16, V)>,
    ) -> Self {
        self.supported.restrict(&self.definition);
        for (id, value) in values {
            let set = self.set(instance, resource.into(), Some(id.into()), value.into());
            self.note(set);
        }
        self
    }

    /// With an optional Resource that executes, in this Object Instance; those that servers create
    /// will have it, too. What does not execute is left out, which [`checked`](Self::checked)
    /// tells.
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

    /// With an Object Instance that has what is mandatory and executes, and nothing else yet.
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

    /// The Object, if everything that it was made with fits its definition.
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

    /// Whether there may be such an Object Instance: that of a single-instance Object is 0
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

    /// What a multiple Resource has, in order.
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

    /// An Object Instance; a new one has the executable Resources that are mandatory.
    fn instance(&mut self, id: InstanceId) -> &mut Resources {
        let definition = &self.definition;
        let make = || executables(definition, |resource| resource.mandatory);
        self.instances.get_or_insert_with(id, make)
    }

    /// Makes an Object Instance for a server: it has all executable Resources that are supported.
    fn create(&mut self, id: InstanceId) {
        let (definition, supported) = (&self.definition, &self.supported);
        let is_supported =
            |resource: &ResourceDefinition| supported.contains(definition, resource.id);
        let make = || executables(definition, is_supported);
        self.instances.get_or_insert_with(id, make);
    }

    /// Tells the values of an Object Instance, but for those that `own` tells.
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
                    own(*id, out).unwrap_or_else(|| stored.tell(out))
                })?;
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, change: &Change) {
        let path = change.path();
        let Some(instance) = path.instance() else {
            return;
        };
        match (change, path.resource()) {
            (Change::Create { .. }, _) => self.create(instance),
            (Change::Set { value, .. }, Some(resource)) => {
                // What does not fit has been refused before.
                let _ = self.set(instance, resource, path.resource_instance(), value.clone());
            }
            (Change::Clear { .. }, Some(resource)) => {
                let empty = Stored::Multiple(SortedMap::new());
                self.instance(instance).insert(resource, empty);
            }
            (Change::Remove { .. }, Some(resource)) => {
                if let Some(resources) = self.instances.get_mut(instance) {
                    resources.remove(&resource);
                }
            }
            (Change::Delete { .. }, _) => self.instances.remove(instance),
            _ => {}
        }
    }

    fn set(
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
            // A number is a time where the definition says so.
            (Some(DataType::Time), Value::Integer(seconds)) => Value::Time(seconds),
            (_, value) => value,
        };
        if definition.is_multiple() != id.is_some() {
            return Err(WriteError::WrongType(path));
        }
        check_value(definition, path, &value.as_ref())?;
        self.admit(instance)?;
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
        Ok(())
    }
}

impl Object for Store {
    fn definition(&self) -> &ObjectDefinition {
        &self.definition
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.instances.next(after)
    }

    fn has_instance(&self, instance: InstanceId) -> bool {
        self.instances.get(instance).is_some()
    }

    fn free_instance(&self, from: InstanceId) -> Option<InstanceId> {
        self.instances.free(from)
    }

    fn supports(&self, resource: ResourceId) -> bool {
        self.supported.contains(&self.definition, resource)
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.stored(instance, resource).is_some()
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        let stored = self.stored(instance, resource);
        stored.ok_or(ReadError::Unavailable)?.tell(out)
    }

    fn read_instance(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        self.read_each(instance, out, |_, _| None)
    }

    fn is_managed(&self) -> bool {
        self.managed.is_some()
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        let most = match (self.definition.instances, self.managed) {
            (Multiplicity::Single, _) => 1,
            (Multiplicity::Multiple, most) => most.unwrap_or(usize::MAX),
        };
        // The Object Instances that come and go, at each step.
        let (mut come, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for change in changes {
            let path = change.path();
            let instance = path.instance().ok_or(WriteError::NotFound(path))?;
            let is_there = come.contains(&instance)
                || self.has_instance(instance) && !gone.contains(&instance);
            match change {
                Change::Create { .. } if is_there => return Err(WriteError::Exists(path)),
                Change::Create { .. } => {
                    let there = (self.instances.len() + come.len()).saturating_sub(gone.len());
                    if there >= most {
                        return Err(WriteError::TooMany(path));
                    }
                    if !gone.remove(&instance) {
                        come.insert(instance);
                    }
                }
                _ if !is_there => return Err(WriteError::NotFound(path)),
                Change::Delete { .. } => {
                    if !come.remove(&instance) {
                        gone.insert(instance);
                    }
                }
                _ => {
                    let resource = path.resource().filter(|resource| self.supports(*resource));
                    let resource = resource.ok_or(WriteError::NotWritable(path))?;
                    if let Change::Set { value, .. } = change
                        && !(self.accepts)(resource, &value.as_ref())
                    {
                        return Err(WriteError::Refused(path));
                    }
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply_one(change);
        }
    }

    /// Its values are all there is.
    fn acts_on(&self, _: &Change) -> bool {
        false
    }

    fn execute(
        &mut self,
        _: InstanceId,
        _: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        Ok(Execution::Application)
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        let instances = self.instances.iter().map(|(instance, stored)| {
            let resources = stored.iter().map(|(id, stored)| (*id, stored.save()));
            InstanceSnapshot {
                instance,
                resources: resources.collect(),
            }
        });
        Some(ObjectSnapshot {
            object: self.definition.id,
            version: self.definition.version,
            instances: instances.collect(),
            state: Vec::new(),
        })
    }

    fn check_saved(&self, saved: &ObjectSnapshot) -> Result<(), SnapshotError> {
        let object = self.definition.id;
        if !saved.state.is_empty() {
            return Err(SnapshotError::State(object));
        }
        if !saved.instances.is_sorted_by(|a, b| a.instance < b.instance) {
            return Err(SnapshotError::Content(Path::Object(object)));
        }
        saved.instances.iter().try_for_each(|instance| {
            let at = Path::Instance(object, instance.instance);
            let admitted = self.admit(instance.instance).is_ok();
            if !admitted || !instance.resources.is_sorted_by(|(a, _), (b, _)| a < b) {
                return Err(SnapshotError::Content(at));
            }
            instance.resources.iter().try_for_each(|(id, resource)| {
                let path = Path::Resource(object, instance.instance, *id);
                let fits = |definition| stored::fits(resource, definition, path);
                let fits = self.defined(*id).is_some_and(fits);
                fits.then_some(()).ok_or(SnapshotError::Content(path))
            })
        })
    }

    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        self.instances = Instances::new();
        for saved in &saved.instances {
            let load = || {
                let resources = saved.resources.iter();
                let resources = resources.map(|(id, resource)| (*id, Stored::load(resource)));
                resources.collect()
            };
            self.instances.get_or_insert_with(saved.instance, load);
            for (id, _) in &saved.resources {
                self.supported.add(*id);
            }
        }
    }
}

impl fmt::Debug for Store {
    /// Names what is there; values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.definition.id;
        let paths = self
            .instances
            .iter()
            .map(|(id, _)| Path::Instance(object, id));
        f.debug_set().entries(paths).finish()
    }
}
