//! What every fuzz target checks, as plain functions of bytes that return if everything holds and
//! panic otherwise. The fuzzer, the replay of the seeds and the test of a crash call the same ones.
//!
//! All share one rule: no input makes a decoder panic, and whatever it accepts survives encoding
//! and decoding again.

mod bootstrap;
mod bootstrap_server;
mod client;
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
mod smartcard;
mod snapshot;
mod text;
mod tlv;

pub use self::{
    bootstrap::bootstrap,
    bootstrap_server::bootstrap_server,
    client::client,
    client_server::client_server,
    coap_endpoint::coap_endpoint,
    coap_message::coap_message,
    ddf::ddf,
    json::json,
    linkformat::linkformat,
    paths::paths,
    program::{LONGEST_LONG_PROGRAM, LONGEST_PROGRAM},
    queries::queries,
    smartcard::smartcard,
    snapshot::snapshot,
    text::text,
    tlv::tlv,
};

/// The name of a target and its check.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; the seeds of each are in `seeds/<name>`.
pub const TARGETS: &[Target] = &[
    ("bootstrap_server", bootstrap_server),
    ("bootstrap", bootstrap),
    ("client", client),
    ("client_server", client_server),
    ("coap_endpoint", coap_endpoint),
    ("coap_message", coap_message),
    ("ddf", ddf),
    ("json", json),
    ("linkformat", linkformat),
    ("paths", paths),
    ("queries", queries),
    ("smartcard", smartcard),
    ("snapshot", snapshot),
    ("text", text),
    ("tlv", tlv),
];
