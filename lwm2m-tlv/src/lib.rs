//! OMA Lightweight M2M TLV (`application/vnd.oma.lwm2m+tlv`, TS 6.4.3 and Appendix C).
//!
//! Three things, none of which allocates:
//!
//! - [`decode`] walks a payload once and pushes its events into a [`Sink`], typed by a
//!   [`TypeLookup`], because TLV carries neither types nor the path of the request.
//! - [`Encoder`] is a [`Sink`]: what is pushed into it is appended to a `Vec<u8>`.
//! - [`Reader`] hands out bare [`Tlv`]s, for tools that look at bytes.
//!
//! It is no model of objects: whether a Resource exists, may be written or may occur twice is for
//! the one who receives the events.
//!
//! ```
//! use lwm2m_core::{
//!     DataType, ObjectId, Path, ResourceId, Value,
//!     codec::Content,
//! };
//! use lwm2m_tlv::{Encoder, decode};
//!
//! // Some definitions: the Manufacturer and the Power Source Voltages of the Device.
//! let types = |object: ObjectId, resource: ResourceId| match (object.get(), resource.get()) {
//!     (3, 0) => Some(DataType::String),
//!     (3, 7) => Some(DataType::Integer),
//!     _ => None,
//! };
//! // The answer to a Read of /3/0.
//! let payload = b"\xC3\x00OMA\x88\x07\x08\x42\x00\x0E\xD8\x42\x01\x13\x88";
//! let base: Path = "/3/0".parse()?;
//!
//! let mut content = Content::new();
//! decode(payload, base, &types, &mut content)?;
//! assert_eq!(content.get(&"/3/0/0".parse()?), Some(&Value::from("OMA")));
//! assert_eq!(content.get(&"/3/0/7/1".parse()?), Some(&Value::from(5000)));
//!
//! let mut buffer = Vec::new();
//! let mut encoder = Encoder::new(&mut buffer, base);
//! content.push(&mut encoder)?;
//! encoder.finish()?;
//! assert_eq!(buffer, payload);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Sink`]: lwm2m_core::codec::Sink
//! [`TypeLookup`]: lwm2m_core::codec::TypeLookup
//!
//! # The path decides the shape
//!
//! A TLV payload says only what the path of the request does not say (TS 6.4.3):
//!
//! | path | payload | also read |
//! | --- | --- | --- |
//! | `/3` | Object Instance TLVs | |
//! | `/3`, Create | Object Instance TLVs, or bare Resources if the client is to choose the identifier | an empty payload: an Object Instance without Resources |
//! | `/3/0` | bare Resources and multiple Resources | one Object Instance TLV of that identifier around them |
//! | `/3/0/7` | one Resource or one multiple Resource of that identifier | bare Resource Instances, if there is one at least |
//!
//! There is no TLV payload of `/` or of a Resource Instance.
//!
//! # Features
//!
//! - `std` (default): nothing but what dependencies make of it; the crate is `no_std` with `alloc`.

#![no_std]
// No panic is reachable from input: outside of tests and constants, none can be written.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

extern crate alloc;

mod decode;
mod encode;
mod error;
mod reader;
mod value;

/// Identifiers, paths, values and the codec contract: what the functions here take and give. A
/// program that needs one format needs one dependency.
pub use lwm2m_core;

pub use self::{
    decode::{decode, decode_create},
    encode::{Encoder, MAX_LENGTH},
    error::{DecodeError, Problem},
    reader::{Kind, Kinds, Reader, Tlv},
};

/// The README's examples are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
