//! What an Object *is*: its Resources, their operations and types (TS Appendix D).

mod build;
pub(crate) mod builtin;
#[cfg(feature = "ddf")]
pub mod ddf;
mod range;
pub(crate) mod registry;
mod urn;
mod validate;

use alloc::borrow::Cow;
use core::mem;

use lwm2m_core::{DataType, ObjectId, ResourceId, Version};

pub use self::{
    build::{ObjectBuilder, ResourceBuilder},
    range::Range,
    urn::{Urn, UrnClass, UrnError},
    validate::{DefinitionError, DefinitionFault},
};

/// The definition of an Object (TS D.1, "Object definition").
///
/// Definitions are plain data. The built-in ones are constants. Those of an application may be
/// constants too, or be [built](Self::builder) at run time.
///
/// ```
/// use lwm2m_core::{DataType, ObjectId};
/// use lwm2m_objects::{ObjectDefinition, Operations, Range, ResourceDefinition};
///
/// static RESOURCES: &[ResourceDefinition] = &[
///     ResourceDefinition::new(0, "Temperature", Operations::Read, DataType::Float)
///         .mandatory()
///         .with_units("Cel"),
///     ResourceDefinition::new(1, "Target", Operations::ReadWrite, DataType::Integer)
///         .with_range(Range::Numbers(5, 30)),
///     ResourceDefinition::executable(2, "Ventilate"),
/// ];
/// static ROOM: ObjectDefinition =
///     ObjectDefinition::new(ObjectId::new(30000), "Room", "urn:oma:lwm2m:x:30000", RESOURCES)
///         .multiple();
/// assert_eq!(ROOM.resource(1.into()).unwrap().data_type, Some(DataType::Integer));
/// ```
///
/// It serialises with a format version and a check sum. What is damaged, or not
/// [usable](Self::check), does not deserialise.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectDefinition {
    /// The Object ID.
    pub id: ObjectId,
    /// The name, as registered.
    pub name: Cow<'static, str>,
    /// The Object URN, `urn:oma:lwm2m:{oma,ext,x}:{Object ID}[:{version}]`.
    pub urn: Cow<'static, str>,
    /// The version of the Object (TS 6.2.2).
    pub version: Version,
    /// The lowest version of the LwM2M Enabler that supports the Object (Appendix J).
    pub enabler: Version,
    /// How many Object Instances there may be.
    pub instances: Multiplicity,
    /// Whether every Client supports the Object.
    pub mandatory: bool,
    /// The description; may be empty.
    pub description: Cow<'static, str>,
    /// The Resources, in ascending order of their identifiers.
    pub resources: Cow<'static, [ResourceDefinition]>,
    /// The arguments of the executable Resources, in ascending order of Resource and number.
    pub arguments: Cow<'static, [ArgumentDefinition]>,
}

/// The definition of a Resource (TS D.1, "Resource definition").
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResourceDefinition {
    /// The Resource ID.
    pub id: ResourceId,
    /// The name, as registered.
    pub name: Cow<'static, str>,
    /// What a LwM2M Server may do with it.
    pub operations: Operations,
    /// How many Resource Instances there may be.
    pub instances: Multiplicity,
    /// Whether every Object Instance has it.
    pub mandatory: bool,
    /// The data type; an executable Resource has none.
    pub data_type: Option<DataType>,
    /// The values that are allowed, if not all of the data type.
    pub range: Option<Range>,
    /// The unit of the value; may be empty.
    pub units: Cow<'static, str>,
    /// The description; may be empty.
    pub description: Cow<'static, str>,
}

/// The definition of an argument of an executable Resource (TS D.1, "Executable Resource
/// Arguments Definition").
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ArgumentDefinition {
    /// The Resource that takes the argument.
    pub resource: ResourceId,
    /// The digit that names the argument, 0 to 9.
    pub digit: u8,
    /// The name; may be empty.
    pub name: Cow<'static, str>,
    /// The data type of the value; an argument without a value has none.
    pub data_type: Option<DataType>,
    /// The values that are allowed, if not all of the data type.
    pub range: Option<Range>,
    /// The unit of the value; may be empty.
    pub units: Cow<'static, str>,
    /// The description; may be empty.
    pub description: Cow<'static, str>,
}

/// Whether there may be more than one.
///
/// It is yes or no, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Multiplicity {
    /// None or one.
    Single,
    /// Any number.
    Multiple,
}

/// What a LwM2M Server may do with a Resource (TS D.1). A Resource without operations is reached by
/// the Bootstrap interface only.
///
/// Every version of LwM2M has these, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Operations {
    /// Nothing.
    None,
    /// Read, Observe, Discover, Write-Attributes.
    Read,
    /// Write.
    Write,
    /// Both.
    ReadWrite,
    /// Execute, and nothing else.
    Execute,
}

impl Operations {
    /// Whether a LwM2M Server may read the Resource.
    pub const fn readable(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether a LwM2M Server may write the Resource.
    pub const fn writable(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }

    /// Whether a LwM2M Server may execute the Resource.
    pub const fn executable(self) -> bool {
        matches!(self, Self::Execute)
    }
}

impl ObjectDefinition {
    /// An optional, single Object in its Initial Version, for any version of the Enabler. The
    /// Resources are in ascending order of their identifiers.
    pub const fn new(
        id: ObjectId,
        name: &'static str,
        urn: &'static str,
        resources: &'static [ResourceDefinition],
    ) -> Self {
        Self {
            id,
            name: Cow::Borrowed(name),
            urn: Cow::Borrowed(urn),
            version: Version::INITIAL,
            enabler: Version::INITIAL,
            instances: Multiplicity::Single,
            mandatory: false,
            description: Cow::Borrowed(""),
            resources: Cow::Borrowed(resources),
            arguments: Cow::Borrowed(&[]),
        }
    }

    /// Allows any number of Object Instances.
    #[must_use]
    pub const fn multiple(mut self) -> Self {
        self.instances = Multiplicity::Multiple;
        self
    }

    /// Makes the Object mandatory: every Client supports it.
    #[must_use]
    pub const fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }

    /// Sets the version of the Object, if it isn't the Initial Version. The URN has to name it too.
    #[must_use]
    pub const fn with_version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets the lowest version of the LwM2M Enabler that supports the Object.
    #[must_use]
    pub const fn with_enabler(mut self, enabler: Version) -> Self {
        self.enabler = enabler;
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn with_description(mut self, description: &'static str) -> Self {
        replace(&mut self.description, Cow::Borrowed(description));
        self
    }

    /// Sets the arguments of the executable Resources.
    #[must_use]
    pub const fn with_arguments(mut self, arguments: &'static [ArgumentDefinition]) -> Self {
        replace(&mut self.arguments, Cow::Borrowed(arguments));
        self
    }

    /// The definition of a Resource.
    ///
    /// Most Objects number their Resources from 0 without gaps, so the identifier itself is tried
    /// first.
    pub fn resource(&self, id: ResourceId) -> Option<&ResourceDefinition> {
        match self.resources.get(usize::from(id.get())) {
            Some(resource) if resource.id == id => Some(resource),
            _ => {
                let at = self
                    .resources
                    .binary_search_by_key(&id, |resource| resource.id)
                    .ok()?;
                self.resources.get(at)
            }
        }
    }

    /// The least and the greatest number of Object Instances that a Client has (TS D.1). A mandatory
    /// single Object has one; a mandatory multiple one may have none.
    pub const fn instance_limits(&self) -> (usize, usize) {
        match (self.instances, self.mandatory) {
            (Multiplicity::Single, false) => (0, 1),
            (Multiplicity::Single, true) => (1, 1),
            // One for each Object Instance ID, 0 to 65534.
            (Multiplicity::Multiple, _) => (0, 65535),
        }
    }

    /// The arguments that an executable Resource takes, by number.
    pub fn arguments(&self, resource: ResourceId) -> impl Iterator<Item = &ArgumentDefinition> {
        self.arguments
            .iter()
            .filter(move |argument| argument.resource == resource)
    }
}

impl ResourceDefinition {
    /// An optional, single Resource with values.
    pub const fn new(
        id: u16,
        name: &'static str,
        operations: Operations,
        data_type: DataType,
    ) -> Self {
        Self {
            id: ResourceId::new(id),
            name: Cow::Borrowed(name),
            operations,
            instances: Multiplicity::Single,
            mandatory: false,
            data_type: Some(data_type),
            range: None,
            units: Cow::Borrowed(""),
            description: Cow::Borrowed(""),
        }
    }

    /// An optional executable Resource.
    pub const fn executable(id: u16, name: &'static str) -> Self {
        let mut resource = Self::new(id, name, Operations::Execute, DataType::String);
        resource.data_type = None;
        resource
    }

    /// Allows any number of Resource Instances.
    #[must_use]
    pub const fn multiple(mut self) -> Self {
        self.instances = Multiplicity::Multiple;
        self
    }

    /// Makes the Resource mandatory: every Object Instance has it.
    #[must_use]
    pub const fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }

    /// Sets the range.
    #[must_use]
    pub const fn with_range(mut self, range: Range) -> Self {
        replace(&mut self.range, Some(range));
        self
    }

    /// Sets the unit.
    #[must_use]
    pub const fn with_units(mut self, units: &'static str) -> Self {
        replace(&mut self.units, Cow::Borrowed(units));
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn with_description(mut self, description: &'static str) -> Self {
        replace(&mut self.description, Cow::Borrowed(description));
        self
    }

    /// Whether the Resource may have several Resource Instances.
    pub fn is_multiple(&self) -> bool {
        self.instances == Multiplicity::Multiple
    }
}

impl ArgumentDefinition {
    /// An argument without a value.
    pub const fn new(resource: u16, digit: u8, name: &'static str) -> Self {
        Self {
            resource: ResourceId::new(resource),
            digit,
            name: Cow::Borrowed(name),
            data_type: None,
            range: None,
            units: Cow::Borrowed(""),
            description: Cow::Borrowed(""),
        }
    }

    /// Gives the argument a value, of this type and range.
    #[must_use]
    pub const fn with_value(mut self, data_type: DataType, range: Option<Range>) -> Self {
        self.data_type = Some(data_type);
        replace(&mut self.range, range);
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn with_description(mut self, description: &'static str) -> Self {
        replace(&mut self.description, Cow::Borrowed(description));
        self
    }
}

impl From<&'static ObjectDefinition> for Cow<'static, ObjectDefinition> {
    fn from(definition: &'static ObjectDefinition) -> Self {
        Cow::Borrowed(definition)
    }
}

impl From<ObjectDefinition> for Cow<'static, ObjectDefinition> {
    fn from(definition: ObjectDefinition) -> Self {
        Cow::Owned(definition)
    }
}

/// Sets a field in a `const fn`, which cannot drop the old value. Every definition that was made by
/// `new` borrows it, so nothing leaks.
const fn replace<T>(field: &mut T, value: T) {
    mem::forget(mem::replace(field, value));
}
