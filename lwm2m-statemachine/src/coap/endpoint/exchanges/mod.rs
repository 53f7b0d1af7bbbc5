//! The layer of exchanges: our requests and their responses, and our notifications (RFC 7252 §5,
//! RFC 7641).
//!
//! [`Exchanges`] is the layer; each call borrows the message layer. [`outcomes`] says what became of
//! its messages. Additional state of our requests with block-wise bodies is kept by block-wise
//! transfer.
//!
//! - [`requests`]: sends requests and matches responses, using the [`request_table`]; [`freshness`]
//!   says which answer of an observation is newer, and [`saved`] keeps an observation across a
//!   restart.
//! - [`notifications`]: sends and supersedes notifications, and remembers them so that a Reset can
//!   be matched; [`observer`] is the application's entry of an observer.

mod below;
mod freshness;
mod layer;
mod notifications;
mod observer;
mod outcomes;
mod request_table;
mod requests;
mod saved;
#[cfg(test)]
mod tests;

pub(super) use self::{
    below::Below,
    layer::{Exchanges, Observations, OpenExchange},
    request_table::{Kind, Mode},
    requests::Requests,
};
pub use self::{
    observer::Observer,
    saved::{RestoreError, SavedNewest, SavedObservation},
};
