//! The Client against a server that the test plays, datagram by datagram.

mod bad_input;
mod observe;
mod operations;
mod registration;
mod servers;
mod streaming;
mod support;
