//! A bootstrap-server as a program: plans from a TOML file, who gets which, and what is told of it.
//!
//! `examples/bootstrap-server.toml` shows all that a file may say.

mod accounts;
mod actor;
mod command;
mod document;
mod keys;
mod kind;
mod material;
mod pattern;
mod plans;
mod ready;
mod steps;

pub use self::{
    actor::Actor,
    command::{Command, CommandError, Reached, usage},
    document::Mistake,
    plans::Plans,
};
