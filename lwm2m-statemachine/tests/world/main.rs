//! Whole machines that talk to each other, most of them on a simulated network in virtual time.

mod debug_output;
mod endpoints;
mod management;
