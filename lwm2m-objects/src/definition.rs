//! What an Object *is*: its Resources, their operations and types (TS Appendix D).

use alloc::borrow::Cow;

use lwm2m_core::{DataType, ObjectId, ResourceId, ValueRef, Version};

/// The definition of an Object (TS D.1, "Object definition").
///
/// Definitions are plain data: the built-in ones are constants, those of an application may be
/// constants too, or owned.
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
    /// How many Object Instances there may be.
    pub instances: Multiplicity,
    /// Whether every Client supports the Object.
    pub mandatory: bool,
    /// The Resources, in ascending order of their identifiers.
    pub resources: Cow<'static, [ResourceDefinition]>,
}

/// The definition of a Resource (TS D.1, "Resource definition").
#[derive(Clone, Debug, PartialEq)]
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
}

/// Whether there is one, or any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Multiplicity {
    /// None or one.
    Single,
    /// From none to many.
    Multiple,
}

/// What a LwM2M Server may do with a Resource (TS D.1). Without any of them it is reached by the
/// Bootstrap interface only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operations {
    /// Nothing.
    None,
    /// Read, Observe, Discover, Write-Attributes.
    Read,
    /// Write.
    Write,
    /// Both of the above.
    ReadWrite,
    /// Execute, which excludes the others.
    Execute,
}

impl Operations {
    /// Whether Read is among them.
    pub const fn readable(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether Write is among them.
    pub const fn writable(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }

    /// Whether Execute is among them.
    pub const fn executable(self) -> bool {
        matches!(self, Self::Execute)
    }
}

/// The values that a Resource may have (TS D.1, "Range or Enumeration").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Range {
    /// A number from the first to the second, both included.
    Numbers(i64, i64),
    /// Text or octets of so many bytes, both included.
    Bytes(usize, usize),
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

impl Range {
    /// Whether the value is in the range. A range says nothing about values of other types.
    #[expect(clippy::cast_precision_loss, reason = "ranges are small numbers")]
    pub fn allows(self, value: &ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Numbers(from, to), ValueRef::Integer(number) | ValueRef::Time(number)) => {
                (from..=to).contains(number)
            }
            (Self::Numbers(from, to), ValueRef::Float(number)) => {
                (from as f64..=to as f64).contains(number)
            }
            (Self::Bytes(from, to), ValueRef::String(text)) => (from..=to).contains(&text.len()),
            (Self::OneOf(texts), ValueRef::String(text)) => texts.contains(text),
            (Self::Bytes(from, to), ValueRef::Opaque(bytes)) => (from..=to).contains(&bytes.len()),
            _ => true,
        }
    }
}

impl ObjectDefinition {
    /// The definition of a Resource.
    ///
    /// Resource IDs of most Objects are dense from 0, so the first guess is the identifier itself.
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
}

impl ResourceDefinition {
    /// Whether the Resource is a multiple one.
    pub fn is_multiple(&self) -> bool {
        self.instances == Multiplicity::Multiple
    }
}
