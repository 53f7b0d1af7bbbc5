//! CoRE Link Format (RFC 6690) and the documents that OMA Lightweight M2M makes of it.
//!
//! - The format itself: [`Links`] reads, [`LinkWriter`] writes.
//! - The list of Objects and Object Instances in Register and Update (TS 5.3.1):
//!   [`RegistrationLinks`] and [`RegistrationWriter`].
//! - The answer to Discover (TS 5.4.2): [`DiscoverLinks`] and [`DiscoverWriter`].
//! - The answer to Bootstrap-Discover (TS 5.2.7.3): [`BootstrapDiscoverLinks`] and
//!   [`BootstrapDiscoverWriter`].
//! - A list of paths, by the [codec contract](lwm2m_core::codec): [`decode`] and [`Encoder`], together
//!   [`LinkFormat`].
//!
//! Readers are iterators over borrowed bytes; they allocate nothing. Writers append to a vector of
//! the caller. Sections quoted as "TS" are those of OMA-TS-LightweightM2M-V1_0.
//!
//! ```
//! use lwm2m_linkformat::{RegistrationLink, RegistrationLinks};
//!
//! let payload = br#"</>;rt="oma.lwm2m";ct=11543, </1/0>, </3/0>, </44>;ver=2.2"#;
//! for link in RegistrationLinks::new(payload) {
//!     match link? {
//!         RegistrationLink::Root { content_formats, .. } => assert_eq!(content_formats.count(), 1),
//!         RegistrationLink::Object { object, version } => println!("{object}: {version:?}"),
//!         RegistrationLink::Instance { object, instance, .. } => println!("{object}/{instance}"),
//!     }
//! }
//! # Ok::<(), lwm2m_linkformat::LinkFormatError>(())
//! ```

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
#[cfg(test)]
extern crate std;

mod attribute;
mod bootstrap_discover;
mod class;
mod discover;
mod error;
mod grammar;
mod links;
mod located;
mod paths;
mod registration;
mod root_path;
mod uri;
mod writer;

/// Identifiers, paths, versions and attributes, for programs that depend on this crate alone.
pub use lwm2m_core;

pub use self::{
    attribute::{Attribute, AttributeValue, Unquoted},
    bootstrap_discover::{BootstrapDiscoverLink, BootstrapDiscoverLinks, BootstrapDiscoverWriter},
    discover::{DiscoverAttributeWriter, DiscoverLink, DiscoverLinks, DiscoverWriter},
    error::{LinkFormatError, Reason},
    links::{Link, LinkAttributes, Links},
    paths::{Encoder, LinkFormat, decode},
    registration::{
        ContentFormats, RegistrationLink, RegistrationLinks, RegistrationRoot, RegistrationWriter,
    },
    root_path::{RootPath, RootPathError},
    writer::{AttributeWriter, LinkWriteError, LinkWriter},
};

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
