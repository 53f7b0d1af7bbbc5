//! What can go wrong with connections of a Client.

use lwm2m_statemachine::{ConnectionId, client::InboundRefusal, coap::DatagramError};
use thiserror::Error;

use crate::secure::{
    credentials::UnusableAccount,
    session::{SessionError, StackError},
};

/// Why a connection was lost, or couldn't be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{connection}: {reason}")]
pub struct ConnectionFailure {
    /// Which one.
    pub connection: ConnectionId,
    /// The reason.
    pub reason: FailedBecause,
}

/// The reason for a [`ConnectionFailure`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FailedBecause {
    /// The keys of the account can't be used.
    #[error("{0}")]
    Account(#[from] UnusableAccount),
    /// The session couldn't be begun.
    #[error("{0}")]
    Stack(#[from] StackError),
    /// The handshake failed, or the session ended.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// The server has ended the session.
    #[error("the server has closed the session")]
    Closed,
    /// The server has answered no registration on this session. It may have lost it, which it can't
    /// tell.
    #[error("the server doesn't answer on this session")]
    Silent,
}

/// A message of the Client that wasn't sent, since its record is longer than the channel takes: over SMS,
/// [`SHORT_MESSAGE`](crate::secure::session::SHORT_MESSAGE) bytes. The session goes on, and the message is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{connection}: {length} bytes are too long for a record or a short message")]
pub struct Unsent {
    /// The connection.
    pub connection: ConnectionId,
    /// How long the record is, in bytes, or the message if it fits into no record.
    pub length: usize,
}

/// Why a datagram was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientDatagramError {
    /// As CoAP.
    #[error("{0}")]
    Coap(#[from] DatagramError),
    /// The connection isn't open.
    #[error("a datagram of a connection that is closed")]
    Closed,
}

/// Why a short message without security is met with silence (TS 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InboundSmsError {
    /// The Client doesn't take it: no account has this number, or its server isn't served now.
    #[error("{0}")]
    Refused(#[from] InboundRefusal),
    /// Short messages of this server have to be secured (Resource 6 of its Security Object).
    #[error("short messages of this number have to be secured")]
    Unprotected,
    /// As CoAP.
    #[error("{0}")]
    Coap(#[from] DatagramError),
}
