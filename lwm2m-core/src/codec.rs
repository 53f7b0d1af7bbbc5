//! The codec contract: one push trait for every format, in both directions.
//!
//! A payload is a sequence of structural [`Event`]s. A *decoder* pushes them into a [`Sink`] while
//! it walks the bytes. An *encoder* is a `Sink`. The object tree pushes on a Read, and is a `Sink`
//! on a Write. So transcoding is a decoder pushing into an encoder.
//!
//! Every format implements [`Format`], and both directions have the same shape:
//!
//! | | given | result |
//! | --- | --- | --- |
//! | decoder | payload, [`Scope`], [`TypeLookup`], `Sink` | [`DecodeFailure`]: malformed, or refused by the sink |
//! | encoder | buffer, [`Scope`] | a `Sink` that ends with [`finish`](Encode::finish) |
//!
//! Three owned types are sinks and sources: [`Content`] has the values with their paths, [`Events`]
//! the events as they came, [`PathList`] paths alone. [`Limited`] bounds what they hold.
//!
//! # The sequence
//!
//! Events are absolute, whatever the path of the request: Object, Object Instance and Resource are
//! always opened by name, so that a receiver needs no second input. An encoder leaves out what the
//! path of the request says already (TLV of `/3/0` has bare Resources).
//!
//! ```text
//! payload   = *object / *Path
//! object    = Object *instance EndObject
//! instance  = Instance *(Resource / multiple) EndInstance
//! multiple  = Multiple *ResourceInstance EndMultiple
//! ```
//!
//! An Object, an Object Instance or a multiple Resource may be empty, and may be opened again
//! later (JSON entries are in any order). Only the payload of a Create has an Object Instance
//! without an identifier (TS 5.4.6).
//!
//! # Paths without values
//!
//! A list of paths is a sequence of [`Event::Path`]: the request of a Read-Composite (LwM2M 1.1), or
//! the targets of link-format. It has an event of its own because nesting can't say it: `Object`
//! and `EndObject` stand for an Object that is empty, and a Resource without a value isn't yet
//! known to be single or multiple. Its [`Purpose`] is [`Paths`](Purpose::Paths). Values and paths
//! don't mix: sinks of values refuse [`Event::Path`] as out of order
//! ([`EncodeError::Structure`]), a [`PathList`] refuses all else, and formats that carry no list of
//! paths (text, opaque, TLV, JSON) refuse that purpose.
//!
//! # Decoding into a tree
//!
//! Any structure is filled by a `Sink` of its own. This one makes nested maps of whatever is pushed
//! into it, by a decoder or by a `Content`:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use lwm2m_core::{
//!     DataType, InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId, Value,
//!     codec::{Content, EncodeError, Event, Scope, Sink},
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
//!             // A tree has no room for paths without values, nor for what it doesn't know.
//!             _ => return None,
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
//! // A decoder pushes into it likewise.
//! let types = |_: ObjectId, _: ResourceId| Some(DataType::String);
//! text::decode(b"acme", Scope::answer(name), &types, &mut tree)?;
//!
//! let device = &tree.objects[&ObjectId::DEVICE][&InstanceId::ZERO];
//! assert_eq!(device[&0.into()], Resource::Single(Value::from("acme")));
//! let voltages = BTreeMap::from([(1.into(), Value::from(5000))]);
//! assert_eq!(device[&7.into()], Resource::Multiple(voltages));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod cursor;
mod error;
mod event;
mod events;
mod format;
mod limited;
mod packed;
mod path_list;
mod scope;
mod sink;
mod types;
mod with_instance;

pub(crate) use self::cursor::Position;
pub use self::{
    content::{Content, Entry},
    cursor::Cursor,
    error::{DecodeFailure, EncodeError},
    event::{Event, Step},
    events::{Events, OwnedEvent},
    format::{Encode, Format},
    limited::{LimitError, Limited},
    path_list::PathList,
    scope::{Purpose, Scope},
    sink::Sink,
    types::{TypeLookup, Untyped},
    with_instance::WithInstance,
};
