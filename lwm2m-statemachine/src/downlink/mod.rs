//! A typed call to a client, and how it ends (TS 5.4, 5.5).
//!
//! `call` makes a request of a call, and `answer` an `Outcome` of the response. A `ledger` keeps the
//! calls that wait for their answer, by client. [`payload`] turns values into bytes and back, by
//! Content-Format. Nothing here knows what a registration is: what identifies a client is a type
//! parameter, and so is the handle of an observation in an outcome.

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
