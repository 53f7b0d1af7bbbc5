//! CoAP (RFC 7252, RFC 7641, RFC 7959): the message codec and an endpoint for many peers.

#![allow(dead_code, reason = "the endpoint to come uses the rest")]

mod message;
mod message_buf;
mod option;
mod token;

pub use self::{
    message::{FormatError, MessageRef, MessageType, Options, ParseError, Strings},
    message_buf::{MessageBuf, OptionError, WireMessage},
    option::{BlockOption, OptionNumber, OptionSet},
    token::Token,
};
