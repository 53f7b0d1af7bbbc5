//! Objects that do more than hold values.

mod changed;
pub(crate) mod device;
pub mod firmware;
pub(crate) mod location;
pub mod software;
pub(crate) mod statistics;
pub mod update;
