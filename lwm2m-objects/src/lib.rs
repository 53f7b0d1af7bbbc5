//! The object model of OMA Lightweight M2M 1.0: what an Object *is*, and what a device *has*.
//!
//! - [`ObjectDefinition`], [`ResourceDefinition`]: definitions (TS Appendix D). Those of Objects 0
//!   to 7 and 9 are [`BUILT_IN`]. The [`Registry`] looks up data types for decoders.
//! - `ddf` (feature `ddf`): reads and writes object definition files (XML).
//! - [`ObjectTree`]: the Objects of a Client. A Read pushes into a codec sink. A Write is a
//!   [`Transaction`], which is committed whole or not at all.
//! - [`Object`]: the trait for an Object whose values live elsewhere. [`Store`]: an Object for values
//!   in memory.
//! - [`typed`]: Object Instances as plain structs, such as [`typed::Security`], [`typed::Server`]
//!   and [`typed::Device`].
//! - [`DeviceObject`], [`LocationObject`], [`ConnectivityStatisticsObject`], [`firmware`],
//!   [`software`]: Objects with behaviour. [`ObjectTree::handle_timeout`] gives them the time, the
//!   application calls them through [`ObjectTree::object_as_mut`], and [`ObjectTree::poll_changed`]
//!   reports what they have changed.
//! - [`access`]: access rights. [`accounts`]: the LwM2M Server Accounts. [`bootstrap`]: what the
//!   Bootstrap interface does to the tree.
//! - [`example`]: the Client of TS Appendix F.
//!
//! # A custom Object
//!
//! ```
//! use lwm2m_core::{DataType, InstanceId, ObjectId, Value};
//! use lwm2m_objects::{ObjectDefinition, ObjectTree, Operations, Range, ResourceDefinition, Store};
//!
//! static RESOURCES: [ResourceDefinition; 3] = [
//!     ResourceDefinition::new(0, "Temperature", Operations::Read, DataType::Float)
//!         .mandatory()
//!         .with_units("Cel"),
//!     ResourceDefinition::new(1, "Set Point", Operations::ReadWrite, DataType::Integer)
//!         .with_range(Range::Numbers(5, 30)),
//!     ResourceDefinition::executable(2, "Reset"),
//! ];
//! static THERMOSTAT: ObjectDefinition = ObjectDefinition::new(
//!     ObjectId::new(26241), "Thermostat", "urn:oma:lwm2m:x:26241", &RESOURCES,
//! );
//!
//! let mut tree = ObjectTree::new();
//! tree.add(
//!     Store::new(&THERMOSTAT)
//!         .with(InstanceId::ZERO, 0, 19.5)
//!         .with(InstanceId::ZERO, 1, 21)
//!         .with_executable(InstanceId::ZERO, 2),
//! );
//! assert_eq!(tree.get("/26241/0/1".parse().unwrap()), Some(Value::Integer(21)));
//! ```
//!
//! This crate sends nothing and knows no payload format: see `lwm2m-statemachine` and the codec
//! crates.
//!
//! # Features
//!
//! - `std` (default): `std` in the dependencies. The crate itself is `no_std` with `alloc`.
//! - `ddf`: object definition files.
//! - `serde`: serialises definitions, values and snapshots, with a format version and a check sum.

#![no_std]
#![forbid(unsafe_code)]
// No panic is reachable from input: outside of tests and constants, the lints allow none.
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

pub mod access;
mod behaviour;
pub mod bootstrap;
mod definition;
pub mod example;
mod saved;
mod tree;
pub mod typed;

#[cfg(feature = "ddf")]
pub use self::definition::ddf;
#[cfg(feature = "serde")]
pub use self::saved::sealed::Sealed;
pub use self::{
    access::accounts::{Account, accounts},
    behaviour::{
        device::{DeviceObject, ErrorCode},
        firmware,
        location::LocationObject,
        software,
        statistics::ConnectivityStatisticsObject,
        update::{self, Answer},
    },
    definition::{
        ArgumentDefinition, DefinitionError, DefinitionFault, Multiplicity, ObjectBuilder,
        ObjectDefinition, Operations, Range, ResourceBuilder, ResourceDefinition, Urn, UrnClass,
        UrnError,
        builtin::{
            ACCESS_CONTROL, BUILT_IN, CONNECTIVITY_MONITORING, CONNECTIVITY_STATISTICS, DEVICE,
            FIRMWARE_UPDATE, LOCATION, SECURITY, SERVER, SOFTWARE_MANAGEMENT,
            SOFTWARE_MANAGEMENT_CANDIDATE,
        },
        registry::Registry,
    },
    saved::snapshot::{
        InstanceSnapshot, ObjectSnapshot, ResourceSnapshot, Snapshot, SnapshotError,
    },
    tree::{
        Change, CheckedChanges, ExecuteError, Execution, FetchFailure, FetchOrder, Fetched,
        InstanceSink, LargeValue, Object, ObjectTree, Piece, ReadError, ResourceSink, Store,
        Target, Transaction, TreeView, WriteError,
    },
    typed::Typed,
};

// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
