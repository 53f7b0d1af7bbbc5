//! A typed call to a client, and how it ends (TS 5.4, 5.5).
//!
//! A call becomes a request in `call`; `answer` knows what the response to it means, and the result is
//! an [`Outcome`]. A `ledger` remembers which calls of which client wait for their answer. Values
//! become bytes and bytes values in [`payload`], by Content-Format. Nothing here knows what a
//! registration is.

#[cfg(feature = "server")]
mod answer;
#[cfg(feature = "server")]
mod call;
#[cfg(feature = "server")]
mod ledger;
#[cfg(feature = "server")]
mod outcome;
pub mod payload;

#[cfg(feature = "server")]
pub(crate) use self::{
    answer::{PendingCall, content},
    call::Call,
    ledger::{Entry, Key, Ledger, PlacedCall, QueuedRequest},
};
#[cfg(feature = "server")]
pub use self::{
    call::InvalidCall,
    outcome::{AnswerError, DiscoveredLink, Outcome},
};
