//! A typed call to a client, and how it ends (TS 5.4, 5.5).
//!
//! [`payload`] turns values into bytes and back, in any of the formats. A call is put into words by
//! `operation`, which also knows what its answer means: an [`Outcome`]. A `ledger` remembers what was
//! asked of which client. Nothing here knows what a registration is.

#[cfg(feature = "server")]
mod ledger;
#[cfg(feature = "server")]
mod operation;
#[cfg(feature = "server")]
mod outcome;
pub mod payload;

#[cfg(feature = "server")]
pub(crate) use self::{
    ledger::{KEEP, Key, Ledger},
    operation::{Ask, Pending, content},
};
#[cfg(feature = "server")]
pub use self::{
    operation::CallError,
    outcome::{AnswerError, DiscoveredLink, Outcome},
};
