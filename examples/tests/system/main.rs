//! DTLS with the OpenSSL of the operating system, both ends in memory.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "tests run on a computer with an operating system"
)]

#[path = "../secure/bad_network.rs"]
mod bad_network;
mod handshake;
mod hostile;
mod inbound;
mod machines;
mod management;
mod many;
#[cfg(feature = "dtls")]
mod pure;
mod resumption;
mod suites;
mod support;
