#![doc = include_str!("../README.md")]
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
#![expect(
    clippy::inline_always,
    reason = "functions that run per byte or per entry; otherwise reading the Device Object takes half as long again"
)]

extern crate alloc;

mod decode;
mod encode;
mod error;
mod format;
mod reader;
mod scope;
mod writer;

/// Identifiers, paths, values and the codec contract, for programs that depend on this crate alone.
pub use lwm2m_core;

pub use self::{
    decode::decode,
    encode::Encoder,
    error::{DecodeError, Member, Problem},
    format::JsonFormat,
};
