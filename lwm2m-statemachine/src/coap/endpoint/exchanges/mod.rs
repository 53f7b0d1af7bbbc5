//! The layer of exchanges: requests of ours and their responses, notifications of ours
//! (RFC 7252 §5, RFC 7641).
//!
//! [`Exchanges`] is the layer; each call is lent the message layer. What a request of ours with a body
//! in blocks needs beside, block-wise transfer has.
//!
//! - [`requests`]: sent, waited for, and matched with responses, in the [`request_table`];
//!   [`freshness`] says which answer of an observation is newer, and [`saved`] keeps an observation
//!   across a restart.
//! - [`notifications`]: sent, superseded, and remembered for a Reset; [`observer`] is what the
//!   application keeps of one who observes.

mod below;
mod freshness;
mod layer;
mod notifications;
mod observer;
mod request_table;
mod requests;
mod saved;
#[cfg(test)]
mod tests;

pub(super) use self::{
    below::Below,
    freshness::Newest,
    layer::{Exchanges, OpenExchange},
    request_table::{Kind, Mode},
};
pub use self::{
    observer::Observer,
    saved::{RestoreError, SavedNewest, SavedObservation},
};
