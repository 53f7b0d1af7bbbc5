//! Block-wise transfers (RFC 7959), both roles, both directions: the flows of the RFC, each rule,
//! and simulations.
//!
//! Some hundred seeds are simulated by default; many more with
//! `SIMULATION_FACTOR=100 cargo test --release -p lwm2m-statemachine --test coap blocks::simulation`.

#![allow(
    clippy::std_instead_of_alloc,
    clippy::cast_possible_truncation,
    reason = "a test runs on a computer with an operating system"
)]

mod described;
mod exact;
mod figures;
mod hostile;
mod notifying;
mod parallel;
mod receiving;
mod replacing;
mod requesting;
mod sections;
mod serving;
mod side;
mod simulation;
mod sms;
mod sources;
mod starving_requests;
mod starving_responses;
mod starving_serving;
mod support;
