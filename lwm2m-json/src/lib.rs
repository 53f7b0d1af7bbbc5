#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod decode;
mod encode;
mod error;
mod reader;

pub use self::{
    decode::{Mode, decode, decode_create},
    encode::Encoder,
    error::{DecodeError, Member, Problem},
};
