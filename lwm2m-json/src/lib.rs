#![doc = include_str!("../README.md")]
#![no_std]
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

pub use self::{
    decode::{Mode, decode, decode_create},
    encode::Encoder,
    error::{DecodeError, Member, Problem},
};
