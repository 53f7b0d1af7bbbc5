//! Definitions made at run time.

use alloc::{borrow::Cow, string::ToString, vec::Vec};

use lwm2m_core::{DataType, ObjectId, ResourceId, Version};

use super::{
    ArgumentDefinition, DefinitionError, DefinitionFault, ObjectDefinition, Operations, Range,
    ResourceDefinition, Urn, UrnClass,
};

/// Builds an [`ObjectDefinition`] at run time. Texts may be owned, Resources and arguments may come
/// in any order, and the URN is composed of class, identifier and version.
///
/// ```
/// use lwm2m_core::{DataType, Version};
/// use lwm2m_objects::{ObjectDefinition, Operations, Range, Registry, ResourceDefinition};
///
/// // As a configuration file or a database may have it.
/// let sensors = [("Cel", "Temperature"), ("%RH", "Humidity")];
///
/// let mut builder = ObjectDefinition::builder(30000, format!("Room with {}", sensors.len()))
///     .version(Version::new(1, 1))
///     .multiple()
///     .resource(ResourceDefinition::builder(9, "Label", Operations::ReadWrite, DataType::String));
/// for (id, (unit, name)) in (0..).zip(sensors) {
///     let resource = ResourceDefinition::builder(
///         id,
///         name.to_owned(),
///         Operations::Read,
///         DataType::Float,
///     );
///     builder = builder.resource(resource.units(unit.to_owned()).mandatory());
/// }
/// let room = builder.build()?;
/// assert_eq!(room.urn, "urn:oma:lwm2m:x:30000:1.1");
/// assert_eq!(room.resource(1.into()).unwrap().units, "%RH");
///
/// let mut registry = Registry::default();
/// registry.add(room)?;
/// # Ok::<(), lwm2m_objects::DefinitionError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ObjectBuilder {
    definition: ObjectDefinition,
    class: Option<UrnClass>,
    resources: Vec<ResourceDefinition>,
    arguments: Vec<ArgumentDefinition>,
}

/// Builds a [`ResourceDefinition`] whose texts may be owned; see [`ObjectBuilder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ResourceBuilder(ResourceDefinition);

impl ObjectDefinition {
    /// Starts with an optional, single Object in its Initial Version, for any version of the Enabler
    /// and without Resources.
    pub fn builder(id: impl Into<ObjectId>, name: impl Into<Cow<'static, str>>) -> ObjectBuilder {
        let mut definition = Self::new(id.into(), "", "", &[]);
        definition.name = name.into();
        ObjectBuilder {
            definition,
            class: None,
            resources: Vec::new(),
            arguments: Vec::new(),
        }
    }
}

impl ObjectBuilder {
    /// Sets the version, if it isn't the Initial Version (TS 6.2.2).
    pub fn version(mut self, version: Version) -> Self {
        self.definition.version = version;
        self
    }

    /// Sets the lowest version of the LwM2M Enabler that supports the Object.
    pub fn enabler(mut self, enabler: Version) -> Self {
        self.definition.enabler = enabler;
        self
    }

    /// Sets the class of the URN (TS D.2.1), whatever the range of the Object ID. The default is
    /// [that of the Object ID](UrnClass::of).
    pub fn class(mut self, class: UrnClass) -> Self {
        self.class = Some(class);
        self
    }

    /// Allows any number of Object Instances.
    pub fn multiple(mut self) -> Self {
        self.definition = self.definition.multiple();
        self
    }

    /// Makes the Object mandatory: every Client supports it.
    pub fn mandatory(mut self) -> Self {
        self.definition.mandatory = true;
        self
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.definition.description = description.into();
        self
    }

    /// Adds a Resource.
    pub fn resource(mut self, resource: impl Into<ResourceDefinition>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Adds Resources.
    pub fn resources(
        mut self,
        resources: impl IntoIterator<Item: Into<ResourceDefinition>>,
    ) -> Self {
        self.resources.extend(resources.into_iter().map(Into::into));
        self
    }

    /// Adds an argument of an executable Resource.
    pub fn argument(mut self, argument: ArgumentDefinition) -> Self {
        self.arguments.push(argument);
        self
    }

    /// The definition.
    ///
    /// # Errors
    ///
    /// If the definition breaks a rule of the template (TS Appendix D), warnings included. Examples
    /// are two Resources with one identifier, and a reserved Object ID without a
    /// [`class`](Self::class).
    pub fn build(self) -> Result<ObjectDefinition, DefinitionError> {
        let Self {
            mut definition,
            class: chosen,
            mut resources,
            mut arguments,
        } = self;
        resources.sort_by_key(|resource| resource.id);
        arguments.sort_by_key(|argument| (argument.resource, argument.digit));
        definition.resources = resources.into();
        definition.arguments = arguments.into();
        let class = chosen.or(UrnClass::of(definition.id));
        // A reserved Object ID has no class; the rules report that.
        let class = class.unwrap_or(UrnClass::Oma);
        let urn = Urn::new(class, definition.id, definition.version);
        definition.urn = urn.to_string().into();
        let of_choice = |fault: DefinitionFault| {
            chosen.is_some() && matches!(fault, DefinitionFault::UrnClass { .. })
        };
        let mut faults = definition.faults();
        let fault = faults.find(|error| !of_choice(error.fault));
        drop(faults);
        fault.map_or(Ok(definition), Err)
    }
}

impl ResourceDefinition {
    /// Starts with an optional, single Resource with values.
    pub fn builder(
        id: impl Into<ResourceId>,
        name: impl Into<Cow<'static, str>>,
        operations: Operations,
        data_type: DataType,
    ) -> ResourceBuilder {
        let mut definition = Self::new(0, "", operations, data_type);
        definition.id = id.into();
        definition.name = name.into();
        ResourceBuilder(definition)
    }

    /// Starts with an optional executable Resource.
    pub fn executable_builder(
        id: impl Into<ResourceId>,
        name: impl Into<Cow<'static, str>>,
    ) -> ResourceBuilder {
        let mut builder = Self::builder(id, name, Operations::Execute, DataType::String);
        builder.0.data_type = None;
        builder
    }
}

impl ResourceBuilder {
    /// Allows any number of Resource Instances.
    pub fn multiple(mut self) -> Self {
        self.0 = self.0.multiple();
        self
    }

    /// Makes the Resource mandatory: every Object Instance has it.
    pub fn mandatory(mut self) -> Self {
        self.0.mandatory = true;
        self
    }

    /// Sets the range.
    pub fn range(mut self, range: Range) -> Self {
        self.0.range = Some(range);
        self
    }

    /// Sets the unit.
    pub fn units(mut self, units: impl Into<Cow<'static, str>>) -> Self {
        self.0.units = units.into();
        self
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.0.description = description.into();
        self
    }
}

impl From<ResourceBuilder> for ResourceDefinition {
    fn from(builder: ResourceBuilder) -> Self {
        builder.0
    }
}
