//! Conformance of the Client and of the Server: a test for each item of TS Appendix B and for each test of
//! the enabler test specification that concerns a Client, named after it.
//!
//! A test plays the other side, message by message, in virtual time: the servers of a Client, or the
//! clients of a Server or a Bootstrap-Server. Its steps and criteria are those of the test specification;
//! where that has a title only, or nothing, they are those of the TS. The binary has no harness, so that
//! `cargo test` shows a table for each role: which item is shown by which test.
//!
//! `cargo test -p lwm2m-statemachine --test conformance NAME` runs the tests whose names contain NAME.

extern crate alloc;

mod bench;
mod catalogue;
mod configurations;
mod items;
mod message;
mod objects;
mod server;
mod steps;
mod table;
mod tlv;

use std::process::ExitCode;

fn main() -> ExitCode {
    table::run(&[items::CLIENT, server::SERVER], std::env::args().skip(1))
}
