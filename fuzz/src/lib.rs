//! What every fuzz target checks, as plain functions of bytes: they return if all is well and
//! panic if not, so that the fuzzer, the replay of the seeds and a test of a crash call the same.
//!
//! The rule of all of them: nothing that arrives makes a decoder panic, and what it accepts
//! encodes again to something that it decodes to the same.

mod client_server;
mod coap_endpoint;
mod coap_message;
mod ddf;
mod json;
mod linkformat;
mod paths;
mod program;
mod queries;
mod recording;
mod text;
mod tlv;

pub use self::{
    client_server::client_server, coap_endpoint::coap_endpoint, coap_message::coap_message,
    ddf::ddf, json::json, linkformat::linkformat, paths::paths, program::LONGEST_PROGRAM,
    queries::queries, text::text, tlv::tlv,
};

/// A check by the name of its target.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; the seeds of each are in `seeds/<name>`.
pub const TARGETS: &[Target] = &[
    ("client_server", client_server),
    ("coap_endpoint", coap_endpoint),
    ("coap_message", coap_message),
    ("ddf", ddf),
    ("json", json),
    ("linkformat", linkformat),
    ("paths", paths),
    ("queries", queries),
    ("text", text),
    ("tlv", tlv),
];
