//! What an endpoint tells its application.

use core::ops::Deref;

use bytes::Bytes;
use lwm2m_core::Code;
use thiserror::Error;

use super::{
    body::{Resource, SourceId, TransferId},
    context::RequestContext,
    table::Key,
};
use crate::coap::{
    message::{MessageRef, OwnedMessage, ParseError},
    option::OptionNumber,
    token::Token,
};

/// A request that was made; no two of an endpoint are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) Key);

/// A notification that was sent; no two of an endpoint are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId(pub(super) u64);

/// The right to answer a request, once.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a request is to be answered, or ignored"]
pub struct Responder {
    pub(super) record: Key,
    pub(super) token: Token,
    pub(super) resource: Resource,
    pub(super) is_repeatable: bool,
}

impl Responder {
    /// Says that running the request again does no harm, although it changes something: it is
    /// idempotent, and what happened in between does not matter. Its record may then be dropped when
    /// room is needed, as that of a request that only reads.
    pub const fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// The token of the request; it names an observation.
    pub const fn token(&self) -> Token {
        self.token
    }

    /// What is asked for; notifications that take several blocks name it (see
    /// [`NotifyOptions::resource`](super::NotifyOptions::resource)).
    pub const fn resource(&self) -> Resource {
        self.resource
    }

    pub(super) const fn new(record: Key, asked: &RequestContext) -> Self {
        Self {
            record,
            token: asked.token,
            resource: asked.resource(),
            is_repeatable: false,
        }
    }
}

/// The whole payload of a request or response: where it lies in the datagram, or put together
/// from blocks.
///
/// A body is in one datagram or in several, so it won't grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'d> {
    /// Part of the datagram.
    Datagram(&'d [u8]),
    /// From several datagrams.
    Assembled(Bytes),
}

impl Body<'_> {
    /// What was put together; none if it is part of the datagram.
    fn into_assembled(self) -> Option<Bytes> {
        match self {
            Self::Datagram(_) => None,
            Self::Assembled(bytes) => Some(bytes),
        }
    }
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Datagram(bytes) => bytes,
            Self::Assembled(bytes) => bytes,
        }
    }
}

/// What was in a datagram; see [`Endpoint::receive`](super::Endpoint::receive).
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming<'d> {
    /// A request. Its critical options are understood and legal, its method is one of the four.
    Request {
        /// For [`Endpoint::respond`](super::Endpoint::respond) or
        /// [`Endpoint::ignore`](super::Endpoint::ignore).
        responder: Responder,
        /// The request.
        request: MessageRef<'d>,
        /// Its whole payload.
        body: Body<'d>,
    },
    /// A block of a request, if [`Config::stream_requests`](super::Config::stream_requests) says
    /// that they are handed on. The application answers each with
    /// [`Endpoint::respond`](super::Endpoint::respond): 2.31 Continue for more, another success
    /// for the last one, and an error ends the transfer. At the first one it may instead have the
    /// rest assembled: [`Endpoint::assemble`](super::Endpoint::assemble). Until the first one is
    /// answered nothing is held for the body; if there is no room for it then, that is answered 5.03
    /// instead. If the last block never comes, [`Event::TransferLost`] tells.
    RequestBlock {
        /// For the answer.
        responder: Responder,
        /// Which body the block is of. A client that gives up one and begins another to the same
        /// path may have blocks of both under way.
        transfer: TransferId,
        /// The request; its payload is the block.
        request: MessageRef<'d>,
        /// Where the block begins in the body.
        offset: usize,
        /// Whether more blocks follow.
        more: bool,
    },
    /// A block of a response, but not the last one, which is the [`Response`](Self::Response): the
    /// request was made with [`RequestOptions::stream`](super::RequestOptions::stream).
    ResponseBlock {
        /// Which request.
        request: RequestId,
        /// The response; its payload is the block.
        response: MessageRef<'d>,
        /// Where the block begins in the body.
        offset: usize,
    },
    /// The response to a request: its one outcome.
    Response {
        /// Which request.
        request: RequestId,
        /// The response.
        response: MessageRef<'d>,
        /// Its whole payload.
        body: Body<'d>,
        /// Whether notifications will follow, until the request is cancelled or one of them says
        /// that it is the last.
        observing: bool,
    },
    /// A later answer to a request that carried Observe: 0, newer than all before (RFC 7641
    /// §3.4).
    Notification {
        /// Which request.
        request: RequestId,
        /// The notification.
        response: MessageRef<'d>,
        /// Its whole payload.
        body: Body<'d>,
        /// Whether more will follow.
        observing: bool,
    },
    /// The peer rejected a request: its one outcome. For a ping: the peer is there.
    RequestReset {
        /// Which request.
        request: RequestId,
    },
    /// The peer has a confirmable notification.
    Acknowledged {
        /// Which notification.
        notification: NotificationId,
        /// Its token.
        token: Token,
    },
    /// The peer rejected a notification, confirmable or not: the observation is over
    /// (RFC 7641 §3.6). That includes its first answer, if that was non-confirmable. What is still
    /// being sent of it is taken back with
    /// [`Endpoint::end_notifications`](super::Endpoint::end_notifications), unless it is of a later
    /// observation with that token: see [`Observer::has_sent`](super::Observer::has_sent).
    NotificationReset {
        /// Which notification.
        notification: NotificationId,
        /// Its token.
        token: Token,
    },
}

/// [`Incoming`] that has outlived its datagram.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnedIncoming {
    /// [`Incoming::Request`]
    Request {
        /// For the answer.
        responder: Responder,
        /// The request.
        request: OwnedMessage,
        /// Its payload, if it was put together from blocks; that of the message if not.
        body: Option<Bytes>,
    },
    /// [`Incoming::RequestBlock`]
    RequestBlock {
        /// For the answer.
        responder: Responder,
        /// Which body the block is of. A client that gives up one and begins another to the same
        /// path may have blocks of both under way.
        transfer: TransferId,
        /// The request; its payload is the block.
        request: OwnedMessage,
        /// Where the block begins in the body.
        offset: usize,
        /// Whether more blocks follow.
        more: bool,
    },
    /// [`Incoming::ResponseBlock`]
    ResponseBlock {
        /// Which request.
        request: RequestId,
        /// The response; its payload is the block.
        response: OwnedMessage,
        /// Where the block begins in the body.
        offset: usize,
    },
    /// [`Incoming::Response`]
    Response {
        /// Which request.
        request: RequestId,
        /// The response.
        response: OwnedMessage,
        /// Its payload, if it was put together from blocks; that of the message if not.
        body: Option<Bytes>,
        /// Whether notifications will follow.
        observing: bool,
    },
    /// [`Incoming::Notification`]
    Notification {
        /// Which request.
        request: RequestId,
        /// The notification.
        response: OwnedMessage,
        /// Its payload, if it was put together from blocks; that of the message if not.
        body: Option<Bytes>,
        /// Whether more will follow.
        observing: bool,
    },
    /// [`Incoming::RequestReset`]
    RequestReset {
        /// Which request.
        request: RequestId,
    },
    /// [`Incoming::Acknowledged`]
    Acknowledged {
        /// Which notification.
        notification: NotificationId,
        /// Its token.
        token: Token,
    },
    /// [`Incoming::NotificationReset`]
    NotificationReset {
        /// Which notification.
        notification: NotificationId,
        /// Its token.
        token: Token,
    },
}

impl OwnedIncoming {
    /// The whole payload of a request, response or notification, or the block that was handed on;
    /// empty for what has none.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request {
                request: message,
                body,
                ..
            }
            | Self::Response {
                response: message,
                body,
                ..
            }
            | Self::Notification {
                response: message,
                body,
                ..
            } => body.as_deref().unwrap_or_else(|| message.payload()),
            Self::RequestBlock {
                request: message, ..
            }
            | Self::ResponseBlock {
                response: message, ..
            } => message.payload(),
            Self::RequestReset { .. }
            | Self::Acknowledged { .. }
            | Self::NotificationReset { .. } => &[],
        }
    }
}

impl From<Incoming<'_>> for OwnedIncoming {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Request { .. } | Incoming::RequestBlock { .. } => owned_request(incoming),
            Incoming::ResponseBlock {
                request,
                response,
                offset,
            } => Self::ResponseBlock {
                request,
                response: response.to_owned(),
                offset,
            },
            Incoming::Response {
                request,
                response,
                body,
                observing,
            } => Self::Response {
                request,
                response: response.to_owned(),
                body: body.into_assembled(),
                observing,
            },
            Incoming::Notification {
                request,
                response,
                body,
                observing,
            } => Self::Notification {
                request,
                response: response.to_owned(),
                body: body.into_assembled(),
                observing,
            },
            Incoming::RequestReset { request } => Self::RequestReset { request },
            Incoming::Acknowledged {
                notification,
                token,
            } => Self::Acknowledged {
                notification,
                token,
            },
            Incoming::NotificationReset {
                notification,
                token,
            } => Self::NotificationReset {
                notification,
                token,
            },
        }
    }
}

fn owned_request(request: Incoming<'_>) -> OwnedIncoming {
    match request {
        Incoming::Request {
            responder,
            request,
            body,
        } => OwnedIncoming::Request {
            responder,
            request: request.to_owned(),
            body: body.into_assembled(),
        },
        Incoming::RequestBlock {
            responder,
            transfer,
            request,
            offset,
            more,
        } => OwnedIncoming::RequestBlock {
            responder,
            transfer,
            request: request.to_owned(),
            offset,
            more,
        },
        other => other.into(),
    }
}

/// What time and calls bring, and — after
/// [`handle_datagram`](super::Endpoint::handle_datagram) only — datagrams.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<P> {
    /// A request has no response: its one outcome.
    RequestFailed {
        /// Which request.
        request: RequestId,
        /// Whom it was to.
        peer: P,
        /// Why.
        reason: FailureReason,
    },
    /// A confirmable notification did not reach its peer.
    NotificationFailed {
        /// Which notification.
        notification: NotificationId,
        /// Whom it was to.
        peer: P,
        /// Its token.
        token: Token,
        /// Why.
        reason: FailureReason,
    },
    /// A separate response did not reach its peer.
    ResponseFailed {
        /// Whom it was to.
        peer: P,
        /// The token of its request.
        token: Token,
        /// Why.
        reason: FailureReason,
    },
    /// The first block of a notification came, but the others could not be fetched. Unless it was the
    /// last notification, the observation goes on.
    NotificationLost {
        /// Which observation.
        request: RequestId,
        /// Whose.
        peer: P,
        /// Why.
        reason: FailureReason,
        /// Whether more notifications will follow.
        observing: bool,
    },
    /// A block of a body is needed: see [`supply`](super::Endpoint::supply).
    BlockWanted {
        /// Of which body.
        source: SourceId,
        /// Whom it is for.
        peer: P,
        /// Where the block begins in the body.
        offset: usize,
        /// How long it is, unless it is the last one.
        length: usize,
    },
    /// A body is not needed any more: it was sent, or will not be.
    SourceClosed {
        /// Which body.
        source: SourceId,
    },
    /// The rest of a body whose blocks were handed on one by one ([`Incoming::RequestBlock`]) will not
    /// come: discard what there is of it.
    TransferLost {
        /// Which body.
        transfer: TransferId,
        /// Whose.
        peer: P,
        /// Why: nothing was heard of it for too long, its client has begun anew, it gave way to
        /// another body, or the peer was dropped.
        reason: FailureReason,
    },
    /// What [`handle_datagram`](super::Endpoint::handle_datagram) was given.
    Incoming {
        /// Whom it is from.
        from: P,
        /// What it brought.
        incoming: OwnedIncoming,
    },
}

/// Why something that was sent has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// Not acknowledged, or not answered, in time.
    #[error("no answer in time")]
    Timeout,
    /// The peer was dropped.
    #[error("the peer was dropped")]
    PeerDropped,
    /// A newer notification of the same observation, or a newer body, took its place
    /// (RFC 7641 §4.5.2, RFC 7959 §2.5).
    #[error("a newer one took its place")]
    Superseded,
    /// The peer rejected it.
    #[error("the peer rejected it")]
    Reset,
    /// The body that was asked for block by block changed too often meanwhile, or cannot be asked
    /// for again (RFC 7959 §2.4).
    #[error("the body changed while it was asked for")]
    BodyChanged,
    /// The body is larger than the configuration allows, or than its blocks can be numbered.
    #[error("the body is too large")]
    TooLarge,
    /// The peer's blocks do not fit together.
    #[error("the blocks do not fit together")]
    Blocks,
    /// There was no room to put the body together, or it gave way to another: it may be asked for, or
    /// sent, again.
    #[error("there was no room to put the body together")]
    NoRoom,
    /// The body did not come whole in time, though its blocks came (see
    /// [`Config::transfer_deadline`](super::Config::transfer_deadline)).
    #[error("the body did not come whole in time")]
    TooSlow,
    /// It, or a block of it, could not be sent: no message id was free, or there was no room.
    #[error("it could not be sent: no message id was free, or there was no room")]
    NotSent,
    /// The application could not supply the body, or did not in time.
    #[error("the body was not supplied")]
    Aborted,
}

#[cfg(test)]
impl FailureReason {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        core::iter::successors(Some(Self::Timeout), |reason| match reason {
            Self::Timeout => Some(Self::PeerDropped),
            Self::PeerDropped => Some(Self::Superseded),
            Self::Superseded => Some(Self::Reset),
            Self::Reset => Some(Self::BodyChanged),
            Self::BodyChanged => Some(Self::TooLarge),
            Self::TooLarge => Some(Self::Blocks),
            Self::Blocks => Some(Self::NoRoom),
            Self::NoRoom => Some(Self::TooSlow),
            Self::TooSlow => Some(Self::NotSent),
            Self::NotSent => Some(Self::Aborted),
            Self::Aborted => None,
        })
    }
}

/// Why something cannot be sent.
///
/// Whose fault it is: what the call is about may have ended meanwhile, which is nobody's; the call
/// may be [invalid](Self::Invalid); or there is [no room](Self::Overload).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The request is too long ago, was answered already, or its peer was dropped.
    #[error("the request can no longer be answered")]
    NotOpen,
    /// The source is closed.
    #[error("no such source")]
    NoSource,
    /// The request that is to be cancelled is not an observation of this peer.
    #[error("no such observation")]
    NoObservation,
    /// The caller asks for what cannot be done; the same call fails again.
    #[error("{0}")]
    Invalid(#[from] InvalidSend),
    /// There is no room; the same call may succeed later.
    #[error("{0}")]
    Overload(#[from] Overload),
}

/// What is wrong with a call that is to send something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InvalidSend {
    /// A message with this code cannot be sent this way.
    #[error("{0} cannot be sent this way")]
    Code(Code),
    /// The body has more blocks than can be numbered (RFC 7959 §2.2).
    #[error("the body has too many blocks")]
    TooLarge,
    /// The block that is supplied is not the one that was asked for, or has another length.
    #[error("not the block that is wanted")]
    BlockNotWanted,
}

/// Which bound of an endpoint leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Overload {
    /// The peer would be one too many ([`Bounds::peers`](super::Bounds::peers)).
    #[error("too many peers")]
    Peers,
    /// As many messages to this peer wait for their outcome as may
    /// ([`Bounds::requests_per_peer`](super::Bounds::requests_per_peer),
    /// [`Bounds::transmissions_per_peer`](super::Bounds::transmissions_per_peer)).
    #[error("too many messages wait for this peer")]
    Messages,
    /// All message ids were used with this peer within EXCHANGE_LIFETIME.
    #[error("no message id is free")]
    MessageIds,
}

/// Why a datagram was of no use. The endpoint has dealt with it; this only informs.
///
/// The fault is the peer's, but for two: [`Overload`](Self::Overload) is a bound of our own, and what is
/// [`Unmatched`](Self::Unmatched) may only be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DatagramError {
    /// It is not a CoAP message. If confirmable, it was rejected with a Reset.
    #[error("malformed: {0}")]
    Malformed(#[from] ParseError),
    /// This code cannot be in a message of this type. If confirmable, it was rejected with a
    /// Reset.
    #[error("misplaced code {0}")]
    MisplacedCode(Code),
    /// An acknowledgement, a Reset or a response that matches nothing. A response that is no
    /// acknowledgement was rejected with a Reset.
    #[error("matches nothing")]
    Unmatched,
    /// A critical option that is unknown, illegal or not understood; a confirmable request was
    /// answered 4.02. Or one that asks for a proxy; any request was answered 5.05.
    #[error("bad option: {0}")]
    BadOption(OptionNumber),
    /// A method that is not one of the four; answered 4.05.
    #[error("unknown method {0}")]
    Method(Code),
    /// There is no room, by a bound of the configuration; a confirmable request was answered 5.03.
    #[error("over the bounds of the configuration")]
    Overload,
    /// A confirmable message to a group (RFC 7252 §8.1).
    #[error("confirmable multicast")]
    Multicast,
}
