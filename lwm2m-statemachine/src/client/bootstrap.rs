//! The Bootstrap interface of the Client (TS 5.2).
//!
//! Three things change each on its own: the [`sequence`] decides when a bootstrap is due (TS 5.2.4), the [`session`]
//! is one bootstrap on one connection, and [`commands`] is what the Bootstrap-Server has changed so far. While a session
//! is open, the tree holds its commits: a good Finish keeps them, everything else rolls them back. After each event
//! `Bootstrap::advance` asks the sequence for the next step.

mod advancing;
mod commands;
mod context;
mod events;
mod failures;
mod meanwhile;
mod parts;
mod record;
mod sequence;
mod session;
mod timeout;

pub(super) use self::{
    commands::discover,
    context::{Context, Report},
    meanwhile::Changes,
    parts::{Bootstrap, Settings},
    record::BootstrapRecord,
};
