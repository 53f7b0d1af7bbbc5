//! What is told of sessions.

use core::cell::Cell;

use thiserror::Error;

use super::table::{Entry, Stage};
use crate::secure::{
    credentials::ProvenIdentity,
    session::{SessionError, StackError},
};

/// What a server learns of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a, K> {
    /// A handshake is complete.
    Connected {
        /// Where the peer is.
        address: &'a K,
        /// The session; no other one has ever had this number.
        number: u64,
        /// What the peer has proved.
        peer: &'a ProvenIdentity,
        /// Whether an earlier session was resumed.
        resumed: bool,
        /// Whoever sets this refuses the session: it is closed, and no other one has to go for it.
        refused: &'a Cell<bool>,
    },
    /// The peer has sent something.
    Payload {
        /// Where the peer is.
        address: &'a K,
        /// The session.
        number: u64,
        /// What the peer has proved.
        peer: &'a ProvenIdentity,
        /// The datagram.
        payload: &'a [u8],
    },
    /// An established session has ended.
    Ended {
        /// Where the peer was.
        address: &'a K,
        /// The session.
        number: u64,
        /// Why.
        why: &'a End,
    },
    /// A handshake has failed, although the peer is where it says; or one that this end has begun.
    Failed {
        /// Where the peer is.
        address: &'a K,
        /// Why.
        why: &'a SessionError,
    },
}

/// Why an established session has ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum End {
    /// The peer has said goodbye.
    #[error("the peer has closed the session")]
    Closed,
    /// The peer has begun a new one from the same address.
    #[error("the peer has begun a new session")]
    Replaced,
    /// The peer has newer ones, as many as [`Bounds::per_identity`](super::Bounds::per_identity).
    #[error("the peer has newer sessions")]
    Superseded,
    /// There were as many as [`Bounds::established`](super::Bounds::established), and this one was idle for longest.
    #[error("there are too many sessions")]
    Displaced,
    /// It was idle for longer than [`Bounds::idle`](super::Bounds::idle).
    #[error("the session was idle for too long")]
    Expired,
    /// The application has ended it.
    #[error("the server has closed the session")]
    Left,
    /// Something was wrong with it.
    #[error("{0}")]
    Failed(SessionError),
}

/// Why a datagram was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Useless {
    /// It doesn't begin with a record.
    #[error("no DTLS record")]
    NoRecord,
    /// It belongs to no session.
    #[error("a record of no session")]
    NoSession,
    /// It returns a cookie to a handshake that isn't there any more, or goes on with a ClientHello that
    /// hasn't begun.
    #[error("a ClientHello of no handshake")]
    NoHandshake,
    /// It begins a handshake, but the library has no session for it.
    #[error("no session can begin")]
    NotServed,
}

/// Why no session can be begun from this end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The keys can't be used.
    #[error("{0}")]
    Stack(#[from] StackError),
    /// There are as many handshakes as [`Bounds::begun`](super::Bounds::begun); the same call may succeed later.
    #[error("{0} handshakes that were begun here are under way")]
    Busy(usize),
    /// A handshake with this address that was begun here is under way.
    #[error("a handshake with this address is under way")]
    UnderWay,
}

/// Takes events.
pub(super) type Sink<'s, K> = &'s mut dyn FnMut(Event<'_, K>);

/// Tells the end of a session to whom it concerns.
pub(super) fn tell_end<K, S>(entry: &Entry<K, S>, number: u64, why: &End, sink: Sink<'_, K>) {
    let address = &entry.address;
    match (entry.stage, why) {
        (Stage::Established, why) => sink(Event::Ended {
            address,
            number,
            why,
        }),
        (Stage::Proved | Stage::Begun, End::Failed(why))
        // The server has checked the cookie, and has nothing to answer.
        | (Stage::Unproved, End::Failed(why @ SessionError::Incompatible(_))) => {
            sink(Event::Failed { address, why });
        }
        (Stage::Begun | Stage::Proved | Stage::Unproved, _) => {}
    }
}
