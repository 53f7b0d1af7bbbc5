//! The steps of a payload.

use core::fmt;

use crate::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef};

/// One step of a payload; see the [module](crate::codec) for their order.
///
/// Formats to come may have more to say (SenML-ETCH removes a Resource Instance), so this may grow. A
/// [`Sink`](crate::codec::Sink) refuses an event that it doesn't know, as it does one that is out of
/// order; [`step`](Self::step) names it for the error.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An Object begins.
    Object(ObjectId),
    /// An Object Instance begins; without an identifier if the receiver is to choose it.
    Instance(Option<InstanceId>),
    /// A Resource and its value.
    Resource {
        /// Which Resource.
        id: ResourceId,
        /// Its value.
        value: ValueRef<'a>,
        /// The time of the value, if the payload has one.
        time: Option<Timestamp>,
    },
    /// A multiple Resource begins.
    Multiple(ResourceId),
    /// A Resource Instance and its value.
    ResourceInstance {
        /// Which Resource Instance.
        id: ResourceInstanceId,
        /// Its value.
        value: ValueRef<'a>,
        /// The time of the value, if the payload has one.
        time: Option<Timestamp>,
    },
    /// The multiple Resource ends.
    EndMultiple,
    /// The Object Instance ends.
    EndInstance,
    /// The Object ends.
    EndObject,
    /// A path without a value, in a list of paths ([`Purpose::Paths`](crate::codec::Purpose::Paths)).
    Path(Path),
}

/// The name of an [`Event`], for errors. It grows with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "they are the events' names")]
pub enum Step {
    Object,
    Instance,
    Resource,
    Multiple,
    ResourceInstance,
    EndMultiple,
    EndInstance,
    EndObject,
    Path,
    /// The end of the payload.
    End,
}

impl<'a> Event<'a> {
    /// The name of the event.
    pub const fn step(&self) -> Step {
        match self {
            Self::Object(_) => Step::Object,
            Self::Instance(_) => Step::Instance,
            Self::Resource { .. } => Step::Resource,
            Self::Multiple(_) => Step::Multiple,
            Self::ResourceInstance { .. } => Step::ResourceInstance,
            Self::EndMultiple => Step::EndMultiple,
            Self::EndInstance => Step::EndInstance,
            Self::EndObject => Step::EndObject,
            Self::Path(_) => Step::Path,
        }
    }

    /// The value, if the event has one.
    pub const fn value(&self) -> Option<ValueRef<'a>> {
        match self {
            Self::Resource { value, .. } | Self::ResourceInstance { value, .. } => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an Object",
            Self::Instance => "an Object Instance",
            Self::Resource => "a Resource",
            Self::Multiple => "a multiple Resource",
            Self::ResourceInstance => "a Resource Instance",
            Self::EndMultiple => "the end of a multiple Resource",
            Self::EndInstance => "the end of an Object Instance",
            Self::EndObject => "the end of an Object",
            Self::Path => "a path without a value",
            Self::End => "the end of the payload",
        })
    }
}
