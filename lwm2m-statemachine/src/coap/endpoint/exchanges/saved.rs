//! Saved observations.

use alloc::vec::Vec;
use core::time::Duration;

use thiserror::Error;

use crate::{
    coap::{
        endpoint::event::Overload,
        message::{MessageRef, MessageType},
        message_buf::{MessageBuf, WireMessage},
        token::Token,
    },
    machine::Channel,
};

/// A client-side observation as plain data, to be stored across a restart: see
/// [`Endpoint::save_observation`](crate::coap::Endpoint::save_observation) and
/// [`Endpoint::restore_observation`](crate::coap::Endpoint::restore_observation).
///
/// With the feature `serde` it can be serialised.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedObservation<P> {
    /// The peer that is observed. If its name has changed in the meantime, set the new one.
    pub peer: P,
    /// The token of the request; notifications are matched by it.
    pub token: Token,
    /// The request as it was sent. The blocks of large notifications are requested with its options
    /// (RFC 7959 §3.4).
    pub request: Vec<u8>,
    /// Whether requests for blocks of notifications are confirmable.
    pub confirmable: bool,
    /// The channel they are sent on.
    pub channel: Channel,
    /// How long the responses to them may take.
    pub response_timeout: Duration,
    /// The newest answer; `None` if any notification counts as newer.
    pub newest: Option<SavedNewest>,
}

/// The newest answer of an observation, used to recognise older ones that arrive late (RFC 7641
/// §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedNewest {
    /// Its sequence number, in 24 bits.
    pub sequence: u32,
    /// How old the answer was when it was saved. If the downtime is known, add it. Otherwise
    /// sequence numbers decide for somewhat longer than the 128 seconds of RFC 7641 §3.4, which
    /// does no harm as long as the peer continues its numbering.
    pub age: Duration,
}

/// Why an observation cannot be restored, or cannot be
/// [moved](crate::coap::Endpoint::move_observation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// What was saved is not a request to observe (RFC 7641 §2), or what is to be moved is no
    /// observation that has begun.
    #[error("not a request to observe")]
    NotAnObservation,
    /// Another request or observation uses the token, of whichever peer. Of an observation that is to be
    /// moved, this is never so.
    #[error("the token is in use")]
    TokenInUse,
    /// There is no room now.
    #[error("{0}")]
    Overload(#[from] Overload),
}

impl<P> SavedObservation<P> {
    /// The same observation, of another peer.
    #[cfg(feature = "server")]
    pub(crate) fn of_peer<Q>(self, peer: Q) -> SavedObservation<Q> {
        SavedObservation {
            peer,
            token: self.token,
            request: self.request,
            confirmable: self.confirmable,
            channel: self.channel,
            response_timeout: self.response_timeout,
            newest: self.newest,
        }
    }

    /// The request, checked.
    pub(crate) fn template(&self) -> Result<WireMessage, RestoreError> {
        let request =
            MessageRef::parse(&self.request).map_err(|_| RestoreError::NotAnObservation)?;
        if request.code().method().is_none() || request.observe() != Some(0) {
            return Err(RestoreError::NotAnObservation);
        }
        // No option was dropped when the request was sent, so none may be dropped now.
        let message = MessageBuf::copy_of(&request).map_err(|_| RestoreError::NotAnObservation)?;
        Ok(message.finish(MessageType::Confirmable, 0, self.token))
    }
}
