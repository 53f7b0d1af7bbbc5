//! The BootstrapServer, whose clients the test plays, datagram by datagram.

extern crate alloc;

mod bounds;
mod codes;
mod deployed;
mod hostile;
mod lives;
mod plans;
mod properties;
mod requests;
mod steps;
mod support;
mod vectors;
