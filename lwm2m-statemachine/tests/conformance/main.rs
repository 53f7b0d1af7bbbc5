//! Conformance of the Client: a test for each item of TS Appendix B.1 and for each test of the enabler
//! test specification that concerns a Client, named after it.
//!
//! A test plays the servers, message by message, in virtual time. Its steps and criteria are those of
//! the test specification; where that has a title only, they are those of the TS. The binary has no
//! harness, so that `cargo test` shows the table: which item is shown by which test.
//!
//! `cargo test -p lwm2m-statemachine --test conformance NAME` runs the tests whose names contain NAME.

extern crate alloc;

mod bench;
mod catalogue;
mod configurations;
mod items;
mod message;
mod objects;
mod table;
mod tlv;

use std::process::ExitCode;

fn main() -> ExitCode {
    table::run(std::env::args().skip(1))
}
