//! OMA Lightweight M2M TLV (`application/vnd.oma.lwm2m+tlv`, TS 6.4.3 and Appendix C).
//!
//! Three things, none of which allocates:
//!
//! - [`decode`] walks a payload once and pushes its events into a [`Sink`], typed by a
//!   [`TypeLookup`], because TLV carries neither types nor the path of the request.
//! - [`Encoder`] is a [`Sink`] that appends what is pushed into it to a `Vec<u8>`.
//! - [`Reader`] returns bare [`Tlv`]s, for tools that look at bytes.
//!
//! [`TlvFormat`] is the first two as one of several formats. The crate has no model of objects: whether a
//! Resource exists, may be written or may occur twice is for the receiver of the events.
//!
//! ```
//! use lwm2m_core::{
//!     DataType, ObjectId, ResourceId, Value,
//!     codec::{Content, Scope},
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
//! let scope = Scope::answer("/3/0".parse()?);
//!
//! let mut content = Content::new();
//! decode(payload, scope, &types, &mut content)?;
//! assert_eq!(content.get(&"/3/0/0".parse()?), Some(&Value::from("OMA")));
//! assert_eq!(content.get(&"/3/0/7/1".parse()?), Some(&Value::from(5000)));
//!
//! let mut buffer = Vec::new();
//! let mut encoder = Encoder::new(&mut buffer, scope);
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
//! - `std` (default): passed on to dependencies; the crate is `no_std` with `alloc`.

#![no_std]
#![forbid(unsafe_code)]
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
mod format;
mod kind;
mod reader;
mod value;

/// Identifiers, paths, values and the codec contract, for programs that depend on this crate alone.
pub use lwm2m_core;

pub use self::{
    decode::decode,
    encode::{Encoder, MAX_LENGTH, resource_header},
    error::{DecodeError, Problem},
    format::TlvFormat,
    kind::{Kind, Kinds},
    reader::{Reader, Tlv},
};

/// The README's examples are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
