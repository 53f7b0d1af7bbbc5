//! A typed call to a client, and how it ends (TS 5.4, 5.5).
//!
//! [`payload`] turns values into bytes and back, in any of the formats. A call is put into words by
//! `operation`, which also knows what its answer means: an [`Outcome`]. A `ledger` remembers what was
//! asked of which client. Nothing here knows what a registration is.

mod ledger;
mod operation;
mod outcome;
pub mod payload;

pub(crate) use self::{
    ledger::{KEEP, Key, Ledger},
    operation::{Ask, Pending, content},
};
pub use self::{
    operation::CallError,
    outcome::{AnswerError, DiscoveredLink, Outcome},
};
