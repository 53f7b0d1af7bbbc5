//! Block-wise transfers (RFC 7959), both roles, both directions.

#![allow(
    clippy::std_instead_of_alloc,
    clippy::cast_possible_truncation,
    reason = "a test runs on a computer with an operating system"
)]

mod figures;
mod support;
