//! Updates of firmware (TS E.6) and software (Object 9): one engine with two faces.
//!
//! Both take a package in, pushed into Package or pulled from Package URI, let the application
//! check it and install it, and report their progress by a state and a result. They share the
//! [`Machine`]. A [`Face`] has the differences: the table of transitions, as in the specification,
//! the requests to the application, and a few rules.
//!
//! - `upload`: a Write of Package that arrives in pieces.
//! - `pull`: what is known of a package that is fetched.
//! - `fetches`: the packages that the Client fetches.
//! - `plan`: what the changes of a transaction ask of a machine.

mod answer;
pub(crate) mod face;
pub(crate) mod fetches;
pub(crate) mod machine;
pub(crate) mod plan;
pub(crate) mod pull;
#[cfg(test)]
mod tests;
mod upload;

pub use self::{
    answer::Answer,
    face::{Face, Request, Step, Way},
    machine::Machine,
};
