//! The vocabulary of OMA Lightweight M2M 1.0 (LwM2M).
//!
//! All other crates build on it: identifiers and [`Path`]s, [`Value`]s and their data types,
//! content formats, CoAP codes, attributes, registration parameters, Execute arguments, moments in
//! time, and the [codec contract](codec) between formats and the object tree.
//!
//! Behaviour over time is in `lwm2m-statemachine`, object definitions are in `lwm2m-objects`, and the
//! formats beside plain text and opaque in `lwm2m-tlv`, `lwm2m-json` and `lwm2m-linkformat`.
//!
//! Sections quoted as "TS" are those of OMA-TS-LightweightM2M-V1_0.
//!
//! # Reading
//!
//! Everything that arrives is read by a function of borrowed bytes or text that never panics:
//! [`Path::from_segments`], [`text::decode`], [`Arguments::parse`],
//! [`AttributesUpdate::from_queries`], [`RegisterParameters::read`], [`UpdateParameters::read`],
//! [`BootstrapParameters::read`], [`ServerUri::parse`]. Errors say where (offset, segment, which query) and what was
//! expected. [`DownlinkRequest::operation`] finds the operation of a request.
//!
//! # Features
//!
//! - `std` (default): passed on to dependencies; the crate is `no_std` with `alloc`.
//! - `serde`: the data types serialise.

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

pub mod codec;
pub mod opaque;
pub mod text;

mod access;
mod arguments;
mod attributes;
mod binding;
mod code;
mod content_format;
mod id;
mod number;
mod operation;
mod parameters;
mod path;
#[cfg(feature = "serde")]
mod serde_float;
#[cfg(feature = "serde")]
mod serde_text;
mod server_uri;
mod single_value;
mod time;
mod transports;
mod value;
mod version;

pub use self::{
    access::AccessRights,
    arguments::{
        Argument, ArgumentError, Arguments, ArgumentsBuilder, ArgumentsError, ArgumentsExpected,
        ArgumentsIter,
    },
    attributes::{
        AttributeError, AttributeLevel, AttributeName, AttributeQuery, Attributes,
        AttributesUpdate, Change, DefaultPeriods, NotificationConditions,
    },
    binding::{BindingMode, BindingModeError},
    code::{Code, CodeKind, Method},
    content_format::ContentFormat,
    id::{IdError, InstanceId, ObjectId, ResourceId, ResourceInstanceId, ShortServerId},
    operation::{
        BootstrapRequestError, Direction, DownlinkError, DownlinkRequest, Interface, ObserveOption,
        Operation, PathForm, ResourceSupport, WriteMode,
    },
    parameters::{
        BootstrapParameters, EndpointName, EndpointNameError, Lifetime, LifetimeError, Msisdn,
        MsisdnError, Parameter, ParameterError, ParameterQuery, RegisterParameters,
        UnknownParameter, UpdateParameters,
    },
    path::{Path, PathError},
    server_uri::{ServerUri, ServerUriError, ServerUriExpected},
    time::{Instant, Timestamp},
    transports::{Binding, Transport, Transports, TransportsError},
    value::{DataType, ObjectLink, ObjectLinkError, Value, ValueRef},
    version::{EnablerVersions, EnablerVersionsError, Version, VersionError},
};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
