//! The pipeline for the requests of servers: a request is classified, authorized and executed,
//! and its answer is queued. The Client then carries out its [`Effect`].
//!
//! Whole bodies ([`serving`]) and streamed blocks ([`blocks`]) pass the same checks ([`admission`]). A deferred
//! request waits between the checks and the execution ([`deferred`]); its rights are checked again when the
//! application answers ([`answering`]).

mod admission;
mod answering;
mod bindings;
mod blocks;
mod bootstrapping;
mod commits;
mod deferred;
mod large;
mod operations;
mod parts;
mod serving;
mod streams;

pub(super) use self::{
    parts::{Context, Effect, Requests},
    streams::Block,
};
