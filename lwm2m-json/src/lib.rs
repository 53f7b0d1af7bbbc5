#![doc = include_str!("../README.md")]
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
#![expect(
    clippy::inline_always,
    reason = "what runs per byte or per entry; without, reading the Device Object takes half as long again"
)]

extern crate alloc;

mod decode;
mod encode;
mod error;
mod reader;
mod writer;

/// Identifiers, paths, values and the codec contract: what the functions here take and give. A
/// program that needs one format needs one dependency.
pub use lwm2m_core;

pub use self::{
    decode::{decode, decode_create},
    encode::Encoder,
    error::{DecodeError, Member, Problem},
};
