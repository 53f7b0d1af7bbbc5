//! Whole machines that talk to each other, most of them on a simulated network in virtual time.

#![allow(
    clippy::std_instead_of_alloc,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "a test runs on a computer with an operating system"
)]

mod bodies;
mod bootstrap;
mod debug_output;
mod endpoints;
mod lines;
mod management;
mod random_peer;
#[cfg(feature = "serde")]
mod restarts;
mod seeds;
mod sessions;
mod short_messages;
mod sleepers;
mod three_servers;
mod year;
