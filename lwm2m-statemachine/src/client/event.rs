//! What a Client tells its application.

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::fmt;

use lwm2m_core::{Code, Instant, Operation, Path, ShortServerId};
use lwm2m_objects::{Change, typed};
use thiserror::Error;

use crate::coap::{FailureReason, SendError};

/// The Client's name for a connection to a server. It gives out a new one with every
/// [`ClientEvent::Connect`].
///
/// A datagram is handed over with the name of the connection it came on; one of a connection that
/// is gone is dropped, or handed over with its name. A transport without security that uses one
/// socket for several connections cannot tell what is late on an old one: the Client knows such a
/// request again if both connections are to the same URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) u32);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// The events that wait for the application.
pub(super) type Events = VecDeque<ClientEvent>;

/// The Client's name for a request that the application answers. It gives out a new one with every
/// [`ClientEvent::ExecuteAsked`] and [`ClientEvent::ReadAsked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeferredId(pub(super) u64);

impl fmt::Display for DeferredId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deferred request {}", self.0)
    }
}

/// What the application must know or do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Make a connection to a server: a socket, a DTLS session. Answer with
    /// [`connected`](super::Client::connected) or [`disconnected`](super::Client::disconnected).
    Connect {
        /// The name of the connection from now on.
        connection: ConnectionId,
        /// Which server.
        server: ShortServerId,
        /// Where it is (Security Object, Resource 0); [`ServerUri`](lwm2m_core::ServerUri) reads it.
        uri: String,
        /// How to secure the channel.
        security: typed::Security,
    },
    /// The connection is not needed any more. Send what is queued, then close it.
    Disconnect {
        /// Which connection.
        connection: ConnectionId,
    },
    /// The server has accepted the registration (TS 5.3.1).
    Registered {
        /// Which server.
        server: ShortServerId,
        /// Where the registration is, a path such as `/rd/5a3f`.
        location: String,
    },
    /// There is no registration: it was refused, or got no answer, or was lost.
    RegistrationFailed {
        /// Which server.
        server: ShortServerId,
        /// Why.
        reason: RegistrationFailure,
        /// When the Client tries again; never, if `None`.
        retry: Option<Instant>,
    },
    /// The server has accepted an Update (TS 5.3.2).
    Updated {
        /// Which server.
        server: ShortServerId,
    },
    /// The server has accepted a De-register (TS 5.3.3).
    Deregistered {
        /// Which server.
        server: ShortServerId,
    },
    /// The Client has left, but the server did not take its De-register: the registration lasts
    /// there until its lifetime ends.
    DeregisterFailed {
        /// Which server.
        server: ShortServerId,
        /// Why.
        reason: RegistrationFailure,
    },
    /// A server has written (TS 5.4.3); the tree has the new values.
    Written {
        /// Which server.
        server: ShortServerId,
        /// What was written, in the order of the payload, the same values as before included.
        changes: Vec<Change>,
    },
    /// A server has executed a Resource (TS 5.4.5) whose doing is the application's: one of a
    /// [`Store`](lwm2m_objects::Store), Update of an update that was answered
    /// [`Later`](lwm2m_objects::Answer::Later), or any whose Object says so. The answer is queued:
    /// before a reboot, drain [`poll_transmit`](super::Client::poll_transmit).
    Execute {
        /// Which server.
        server: ShortServerId,
        /// Which Resource.
        path: Path,
        /// The arguments, as they came; [`Arguments`](lwm2m_core::Arguments) reads them.
        arguments: String,
    },
    /// A server asks to execute a Resource (TS 5.4.5) of which the application
    /// [decides](super::Client::defer) and is to answer: with
    /// [`answer_execute`](super::Client::answer_execute). Everything that the Client can check is
    /// checked; nothing is done yet. No answer has left.
    ExecuteAsked {
        /// What to answer.
        request: DeferredId,
        /// Which server.
        server: ShortServerId,
        /// Which Resource.
        path: Path,
        /// The arguments, as they came; [`Arguments`](lwm2m_core::Arguments) reads them.
        arguments: String,
    },
    /// A server reads or observes what takes a while to tell (TS 5.4.1, 5.5.1): the application has
    /// [said](super::Client::defer) so. When the value is there, answer with
    /// [`answer_read`](super::Client::answer_read).
    ReadAsked {
        /// What to answer.
        request: DeferredId,
        /// Which server.
        server: ShortServerId,
        /// An Object, an Object Instance or a Resource.
        path: Path,
    },
    /// A request that waited for the application is over without its answer.
    DeferredEnded {
        /// Which request.
        request: DeferredId,
        /// Why.
        reason: DeferredEnd,
    },
    /// A server observes (TS 5.5.1).
    Observed {
        /// Which server.
        server: ShortServerId,
        /// An Object, an Object Instance or a Resource.
        path: Path,
    },
    /// An observation has ended: cancelled, or what it was of is gone.
    ObservationEnded {
        /// Which server.
        server: ShortServerId,
        /// What was observed.
        path: Path,
    },
}

/// What the application may answer later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeferredOperation {
    /// Execute: the application is [asked](ClientEvent::ExecuteAsked), and may refuse.
    Execute,
    /// Read, and the first answer to an Observe: the application is [asked](ClientEvent::ReadAsked)
    /// to have the value ready.
    Read,
}

/// Why a request that waited for the application is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DeferredEnd {
    /// The application took longer than [`answer_within`](super::ClientConfig::answer_within). The
    /// server was answered 5.00.
    #[error("the application did not answer in time")]
    TimedOut,
    /// The registration has ended, or its connection was lost. There is nobody to answer.
    #[error("the registration has ended")]
    RegistrationEnded,
}

/// Why an answer of the application to a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeferredError {
    /// There is no such request any more: it was answered, or is over, as
    /// [`ClientEvent::DeferredEnded`] tells. The application is late, or at fault.
    #[error("{0} is answered or over")]
    NotOpen(DeferredId),
    /// The request is one of another operation. The application is at fault; the request still waits.
    #[error("{0} is of another operation")]
    Operation(DeferredId),
    /// The operation is not refused with this code: Table 27 does not have it, or it is one of
    /// success. The application is at fault; the request still waits.
    #[error("{0} is not refused with {1}")]
    Code(Operation, Code),
    /// The answer cannot be sent: too much is under way. What was to be done is done.
    #[error("the answer cannot be sent: {0}")]
    NotSent(#[from] SendError),
}

/// Why a Register, an Update or a De-register came to nothing.
///
/// The server is at fault for what it answers ([`Refused`](Self::Refused), [`Reset`](Self::Reset),
/// [`NoLocation`](Self::NoLocation), [`LocationTooLong`](Self::LocationTooLong)), the network or the
/// server for what does not come ([`Timeout`](Self::Timeout), [`Disconnected`](Self::Disconnected)),
/// the account for [`Unusable`](Self::Unusable), and overload of this Client for
/// [`NotSent`](Self::NotSent); [`Failed`](Self::Failed) tells by its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistrationFailure {
    /// The server refused it with this code.
    #[error("the server answered {0}")]
    Refused(Code),
    /// No answer, or none to the request for a block of it.
    #[error("the server does not answer")]
    Timeout,
    /// The server rejected the message (a Reset), or that for a block.
    #[error("the server rejected the message")]
    Reset,
    /// The exchange failed although the server answered, or its next block could not be sent. The
    /// reasons that have a variant of their own here are not among these.
    #[error("the exchange with the server failed: {0}")]
    Failed(FailureReason),
    /// The answer has no Location-Path, or one that no request can be sent to: with a segment of
    /// one or two dots (RFC 7252 §5.10.7).
    #[error("the answer names no location that requests can be sent to")]
    NoLocation,
    /// The Location-Path of the answer is longer than 512 bytes; each Update would carry it.
    #[error("the answer names a location of more than 512 bytes")]
    LocationTooLong,
    /// The connection was lost, or could not be made.
    #[error("there is no connection")]
    Disconnected,
    /// The request could not be made: the Server Object Instance of the account cannot be read, or
    /// the request would be longer than options can be. What the tree or the server says is at fault.
    #[error("the request cannot be made")]
    Unusable,
    /// The request could not be sent: too much is under way.
    #[error("the request cannot be sent: {0}")]
    NotSent(SendError),
}

impl From<FailureReason> for RegistrationFailure {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Timeout => Self::Timeout,
            FailureReason::Reset => Self::Reset,
            FailureReason::PeerDropped => Self::Disconnected,
            reason => Self::Failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_registration_that_fails_tells_why_and_no_answer_only_for_none() {
        for reason in FailureReason::all() {
            let failure = RegistrationFailure::from(reason);
            let expected = match reason {
                FailureReason::Timeout => RegistrationFailure::Timeout,
                FailureReason::Reset => RegistrationFailure::Reset,
                FailureReason::PeerDropped => RegistrationFailure::Disconnected,
                reason => RegistrationFailure::Failed(reason),
            };
            assert_eq!(failure, expected);
            if let RegistrationFailure::Failed(reason) = failure {
                assert!(failure.to_string().contains(&reason.to_string()));
            }
        }
    }
}
