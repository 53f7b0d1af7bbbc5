//! The codec contract: one push trait for every format, in both directions.
//!
//! A payload is a sequence of structural [`Event`]s. A *decoder* pushes them into a [`Sink`] while
//! it walks the bytes. An *encoder* is a `Sink`. The object tree pushes on a Read, and is a `Sink`
//! on a Write. So transcoding is a decoder pushing into an encoder. Two types that an application can
//! hold on to are sinks and sources, too: [`Content`] has the values with their paths, [`Events`]
//! the events as they came. [`Limited`] bounds what they hold.
//!
//! # The sequence
//!
//! Events are absolute, whatever the path of the request: Object, Object Instance and Resource are
//! always opened by name, so that a receiver needs no second input. An encoder is told the path
//! of the request and leaves out what the path says already (TLV of `/3/0` has bare Resources).
//!
//! ```text
//! payload   = *object
//! object    = Object *instance EndObject
//! instance  = Instance *(Resource / multiple) EndInstance
//! multiple  = Multiple *ResourceInstance EndMultiple
//! ```
//!
//! An Object, an Object Instance or a multiple Resource may be empty, and may be opened again
//! later (JSON's entries are in any order). Only the payload of a Create has an Object Instance
//! without an identifier (TS 5.4.6).
//!
//! The path of the request and the [`Purpose`] of the payload are its scope: a decoder needs both,
//! because the bytes alone do not say what they are about and what they may say.
//!
//! # Decoding into a tree
//!
//! Any structure is filled by a `Sink` of its own. This one makes nested maps of whatever is pushed
//! into it, by a decoder or, here, by a `Content`:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use lwm2m_core::{
//!     DataType, InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Value,
//!     codec::{Content, EncodeError, Event, Sink},
//!     text,
//! };
//!
//! #[derive(Debug, PartialEq)]
//! enum Resource {
//!     Single(Value),
//!     Multiple(BTreeMap<ResourceInstanceId, Value>),
//! }
//!
//! type Resources = BTreeMap<ResourceId, Resource>;
//!
//! #[derive(Default)]
//! struct Tree {
//!     objects: BTreeMap<ObjectId, BTreeMap<InstanceId, Resources>>,
//!     /// What is open.
//!     object: Option<ObjectId>,
//!     instance: Option<InstanceId>,
//!     multiple: Option<ResourceId>,
//! }
//!
//! impl Tree {
//!     /// The Resources of the Object Instance that is open.
//!     fn resources(&mut self) -> Option<&mut Resources> {
//!         self.objects.get_mut(&self.object?)?.get_mut(&self.instance?)
//!     }
//!
//!     fn take(&mut self, event: Event<'_>) -> Option<()> {
//!         match event {
//!             Event::Object(id) => {
//!                 self.object = Some(id);
//!                 self.objects.entry(id).or_default();
//!             }
//!             Event::Instance(id) => {
//!                 // In the payload of a Create it may be missing: `WithInstance` gives it one.
//!                 self.instance = Some(id?);
//!                 self.objects.get_mut(&self.object?)?.entry(id?).or_default();
//!             }
//!             Event::Resource { id, value, .. } => {
//!                 let value = Resource::Single(value.to_owned());
//!                 self.resources()?.insert(id, value);
//!             }
//!             Event::Multiple(id) => {
//!                 self.multiple = Some(id);
//!                 let empty = Resource::Multiple(BTreeMap::new());
//!                 self.resources()?.entry(id).or_insert(empty);
//!             }
//!             Event::ResourceInstance { id, value, .. } => {
//!                 let multiple = self.multiple?;
//!                 match self.resources()?.get_mut(&multiple)? {
//!                     Resource::Multiple(values) => values.insert(id, value.to_owned()),
//!                     Resource::Single(_) => return None,
//!                 };
//!             }
//!             Event::EndMultiple => self.multiple = None,
//!             Event::EndInstance => self.instance = None,
//!             Event::EndObject => self.object = None,
//!         }
//!         Some(())
//!     }
//! }
//!
//! impl Sink for Tree {
//!     type Error = EncodeError;
//!
//!     fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
//!         let out_of_order = EncodeError::Structure(event.step());
//!         self.take(event).ok_or(out_of_order)
//!     }
//! }
//!
//! let [name, voltage]: [Path; 2] = ["/3/0/0".parse()?, "/3/0/7/1".parse()?];
//! let mut tree = Tree::default();
//! Content::from_iter([(voltage, 5000)]).push(&mut tree)?;
//! // A decoder pushes into it likewise, this one or those of TLV and JSON.
//! let types = |_: ObjectId, _: ResourceId| Some(DataType::String);
//! text::decode_into(b"acme", name, &types, &mut tree)?;
//!
//! let device = &tree.objects[&ObjectId::DEVICE][&InstanceId::ZERO];
//! assert_eq!(device[&0.into()], Resource::Single(Value::from("acme")));
//! let voltages = BTreeMap::from([(1.into(), Value::from(5000))]);
//! assert_eq!(device[&7.into()], Resource::Multiple(voltages));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Encoders
//!
//! All encoders are used alike: `Encoder::new(buffer, path)` begins the payload of a path at the end
//! of a buffer, events are pushed into it, and `finish` ends it. What was written is in the buffer
//! if `finish` returned `Ok`; otherwise the buffer is as it was. After an error an encoder refuses
//! every event, and its end, with that error.

mod content;
mod cursor;
mod events;
mod limited;
mod purpose;
mod with_instance;

use core::fmt;

use thiserror::Error;

pub(crate) use self::cursor::Position;
pub use self::{
    content::{Content, Entry},
    cursor::Cursor,
    events::{Events, OwnedEvent},
    limited::{LimitError, Limited},
    purpose::Purpose,
    with_instance::WithInstance,
};
use crate::{
    DataType, InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Timestamp, ValueRef,
};

/// One step of a payload; see the [module](self) for their order.
#[derive(Clone, Copy, Debug, PartialEq)]
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
        /// When the value was true, if the payload says so.
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
        /// When the value was true, if the payload says so.
        time: Option<Timestamp>,
    },
    /// The multiple Resource ends.
    EndMultiple,
    /// The Object Instance ends.
    EndInstance,
    /// The Object ends.
    EndObject,
}

/// What takes the events of a payload.
pub trait Sink {
    /// Why an event is refused. A source stops at the first refusal.
    type Error;

    /// Takes the next event.
    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error>;
}

impl<S: Sink + ?Sized> Sink for &mut S {
    type Error = S::Error;

    fn event(&mut self, event: Event<'_>) -> Result<(), S::Error> {
        (**self).event(event)
    }
}

/// Tells a decoder the data type of a Resource: text, opaque and TLV do not carry it, and JSON is
/// checked against it.
///
/// `None` means that there is no definition. The value is handed on then as what the format says
/// of it: in JSON, as the type that its field tells; in the others, as [`ValueRef::Raw`].
/// Closures are lookups, and [`Untyped`] knows nothing.
pub trait TypeLookup {
    /// The data type of this Resource of this Object.
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType>;
}

impl<F: Fn(ObjectId, ResourceId) -> Option<DataType>> TypeLookup for F {
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType> {
        self(object, resource)
    }
}

/// The [`TypeLookup`] of one who has no definitions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untyped;

impl TypeLookup for Untyped {
    fn data_type(&self, _: ObjectId, _: ResourceId) -> Option<DataType> {
        None
    }
}

/// Why a payload did not reach its end: it is malformed, or the sink refused an event of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeFailure<D, S> {
    /// The payload is malformed.
    #[error("{0}")]
    Malformed(D),
    /// The sink refused an event.
    #[error("{0}")]
    Sink(S),
}

/// Why an encoder refuses an event. Small, because it is returned once per event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Events out of the order that the [module](self) describes.
    #[error("{0} where the structure of a payload does not allow it")]
    Structure(Step),
    /// Something that is not at or below the path of the request.
    #[error("{0} is outside of the path of the request")]
    OutsidePath(Path),
    /// The format has no way to carry this value (JSON: NaN, infinities, and bytes whose data type is
    /// not known, as of a Resource without a definition).
    #[error("the format cannot carry the value of {0}")]
    Value(Path),
    /// The format has no way to carry an Instance or a multiple Resource that is empty (JSON).
    #[error("the format cannot carry {0} empty")]
    Empty(Path),
    /// The format has no way to carry the time of a value.
    #[error("the format cannot carry the time of {0}")]
    Time(Path),
    /// The format carries the value of one Resource only (text, opaque).
    #[error("the format carries one value only")]
    SingleValue,
    /// Longer than the format can say (TLV: 2^24-1 bytes).
    #[error("the content is longer than the format can say, {limit} bytes")]
    TooLong {
        /// What the format can say, in bytes.
        limit: usize,
    },
}

/// The name of an [`Event`], for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The end of the payload.
    End,
}

impl Event<'_> {
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
            Self::End => "the end of the payload",
        })
    }
}

// What `EncodeError` says of itself.
const _: () = assert!(size_of::<Result<(), EncodeError>>() <= 16);
