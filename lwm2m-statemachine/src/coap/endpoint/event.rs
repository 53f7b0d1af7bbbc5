//! Events and errors of an endpoint.

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

/// Identifies a request, uniquely within an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) Key);

/// Identifies a notification, uniquely within an endpoint.
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
    /// Declares that processing the request again does no harm although it changes state: it is
    /// idempotent, even with other requests in between. Its record may then be evicted when room is
    /// needed, like that of a request that only reads.
    pub const fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// The token of the request; it identifies an observation.
    pub const fn token(&self) -> Token {
        self.token
    }

    /// The requested resource; pass it with notifications that take several blocks (see
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

/// The whole payload of a request or response: borrowed from the datagram, or assembled from
/// blocks.
///
/// A body comes in one datagram or in several, so no variants will be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'d> {
    /// Part of the datagram.
    Datagram(&'d [u8]),
    /// From several datagrams.
    Assembled(Bytes),
}

impl Body<'_> {
    /// The assembled body; `None` if it is part of the datagram.
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

/// The content of a datagram; see [`Endpoint::receive`](super::Endpoint::receive).
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
    /// A block of a request, if [`Config::stream_requests`](super::Config::stream_requests) is set.
    /// The application answers each block with [`Endpoint::respond`](super::Endpoint::respond):
    /// 2.31 Continue if more follow, another success code for the last one; an error ends the
    /// transfer. It may instead answer the first block with
    /// [`Endpoint::assemble`](super::Endpoint::assemble) to have the rest assembled. Nothing is
    /// held for the body until the first block is answered; if there is no room then, the endpoint
    /// answers 5.03 instead. If the last block never arrives, [`Event::TransferLost`] reports it.
    RequestBlock {
        /// For the answer.
        responder: Responder,
        /// The body that the block belongs to. If a client abandons a body and starts another to
        /// the same path, blocks of both may still be in flight.
        transfer: TransferId,
        /// The request; its payload is the block.
        request: MessageRef<'d>,
        /// Where the block begins in the body.
        offset: usize,
        /// Whether more blocks follow.
        more: bool,
    },
    /// A block of a response to a request with
    /// [`RequestOptions::stream`](super::RequestOptions::stream), except the last one, which is
    /// reported as [`Response`](Self::Response).
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
        /// Whether notifications will follow, until the request is cancelled or one has `observing:
        /// false`.
        observing: bool,
    },
    /// A notification for a request that carried Observe: 0, newer than all previous ones (RFC 7641
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
    /// The peer rejected a request: its one outcome. For a ping, this means that the peer is
    /// reachable.
    RequestReset {
        /// Which request.
        request: RequestId,
    },
    /// The peer acknowledged a confirmable notification.
    Acknowledged {
        /// Which notification.
        notification: NotificationId,
        /// Its token.
        token: Token,
    },
    /// The peer rejected a notification, confirmable or not: the observation has ended (RFC 7641
    /// §3.6). This includes its first response, if that was non-confirmable. Cancel pending
    /// notifications with [`Endpoint::end_notifications`](super::Endpoint::end_notifications),
    /// unless the token already belongs to a later observation: see
    /// [`Observer::has_sent`](super::Observer::has_sent).
    NotificationReset {
        /// Which notification.
        notification: NotificationId,
        /// Its token.
        token: Token,
    },
}

/// [`Incoming`] that owns its data.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnedIncoming {
    /// [`Incoming::Request`]
    Request {
        /// For the answer.
        responder: Responder,
        /// The request.
        request: OwnedMessage,
        /// The payload if it was assembled from blocks; `None` if the message holds it.
        body: Option<Bytes>,
    },
    /// [`Incoming::RequestBlock`]
    RequestBlock {
        /// For the answer.
        responder: Responder,
        /// The body that the block belongs to. If a client abandons a body and starts another to
        /// the same path, blocks of both may still be in flight.
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
        /// The payload if it was assembled from blocks; `None` if the message holds it.
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
        /// The payload if it was assembled from blocks; `None` if the message holds it.
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
    /// The whole payload of a request, response or notification, or the payload of a block; empty
    /// for the other variants.
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

/// The results of timeouts and calls and, with
/// [`handle_datagram`](super::Endpoint::handle_datagram), of datagrams.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<P> {
    /// A request failed: its one outcome.
    RequestFailed {
        /// Which request.
        request: RequestId,
        /// The peer it was sent to.
        peer: P,
        /// Why.
        reason: FailureReason,
    },
    /// A confirmable notification failed: its one outcome.
    NotificationFailed {
        /// Which notification.
        notification: NotificationId,
        /// The peer it was sent to.
        peer: P,
        /// Its token.
        token: Token,
        /// Why.
        reason: FailureReason,
    },
    /// A separate response failed.
    ResponseFailed {
        /// The peer it was sent to.
        peer: P,
        /// The token of its request.
        token: Token,
        /// If it begins an observation: which notification it is. If it was rejected or not acknowledged,
        /// the observation has ended, unless the token already belongs to a later one: see
        /// [`Observer::has_sent`](super::Observer::has_sent).
        notification: Option<NotificationId>,
        /// Why.
        reason: FailureReason,
    },
    /// The first block of a notification arrived, but the others could not be fetched. The
    /// observation continues unless this was the last notification.
    NotificationLost {
        /// Which observation.
        request: RequestId,
        /// The peer.
        peer: P,
        /// Why.
        reason: FailureReason,
        /// Whether more notifications will follow.
        observing: bool,
    },
    /// A block of a body is needed: see [`supply`](super::Bodies::supply).
    BlockWanted {
        /// The source of the body.
        source: SourceId,
        /// The peer it is for.
        peer: P,
        /// Where the block begins in the body.
        offset: usize,
        /// The length of the block; the last one may be shorter.
        length: usize,
    },
    /// A source is no longer needed: its body was sent, or will not be sent.
    SourceClosed {
        /// Which body.
        source: SourceId,
    },
    /// A body that is [watched](super::Bodies::watch) is not kept any more.
    BodyReleased {
        /// The peer that it was kept for.
        peer: P,
        /// The resource that it was watched by.
        resource: Resource,
        /// Whether its last block was served. Otherwise why the other blocks can't be fetched: a
        /// newer body has [replaced](FailureReason::Superseded) it, no block was requested for too
        /// long ([`Timeout`](FailureReason::Timeout)), there was [no room](FailureReason::NoRoom), or it was
        /// [withdrawn](super::Bodies::withdraw) ([`Aborted`](FailureReason::Aborted)).
        result: Result<(), FailureReason>,
    },
    /// The rest of a body that was passed on block by block ([`Incoming::RequestBlock`]) will not
    /// arrive: discard the blocks received so far.
    TransferLost {
        /// Which body.
        transfer: TransferId,
        /// The peer.
        peer: P,
        /// Why: the transfer was idle for too long, its client started again, it was evicted in
        /// favour of another body, or the peer was dropped.
        reason: FailureReason,
    },
    /// The content of a datagram passed to [`handle_datagram`](super::Endpoint::handle_datagram).
    Incoming {
        /// The sender.
        from: P,
        /// The content.
        incoming: OwnedIncoming,
    },
}

/// Why a request, notification, response or transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// It was not acknowledged or not answered in time.
    #[error("no answer in time")]
    Timeout,
    /// The peer was dropped.
    #[error("the peer was dropped")]
    PeerDropped,
    /// It was replaced by a newer notification of the same observation, or by a newer body (RFC
    /// 7641 §4.5.2, RFC 7959 §2.5).
    #[error("a newer one took its place")]
    Superseded,
    /// The peer rejected it.
    #[error("the peer rejected it")]
    Reset,
    /// The body changed too often while its blocks were being fetched, or cannot be requested again
    /// (RFC 7959 §2.4).
    #[error("the body changed while it was asked for")]
    BodyChanged,
    /// The body is larger than the configuration allows, or has more blocks than can be numbered.
    #[error("the body is too large")]
    TooLarge,
    /// The peer's blocks do not fit together.
    #[error("the blocks do not fit together")]
    Blocks,
    /// There was no room to assemble the body, or it was evicted in favour of another one. It may
    /// be requested or sent again.
    #[error("there was no room to put the body together")]
    NoRoom,
    /// The body was not complete in time, although its blocks kept arriving (see
    /// [`Config::transfer_deadline`](super::Config::transfer_deadline)).
    #[error("the body did not come whole in time")]
    TooSlow,
    /// It, or a block of it, could not be sent: no message id was free, or there was no room.
    #[error("it could not be sent: no message id was free, or there was no room")]
    NotSent,
    /// The application could not supply the body, or did not supply it in time.
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
/// The request, source or observation may have ended in the meantime, which is not an error of the
/// caller; the call may be [invalid](Self::Invalid); or there may be [no room](Self::Overload).
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
    /// The call is invalid; the same call would fail again.
    #[error("{0}")]
    Invalid(#[from] InvalidSend),
    /// There is no room; the same call may succeed later.
    #[error("{0}")]
    Overload(#[from] Overload),
}

/// Why a call that sends something is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InvalidSend {
    /// A message with this code cannot be sent this way.
    #[error("{0} cannot be sent this way")]
    Code(Code),
    /// The body has more blocks than can be numbered (RFC 7959 §2.2).
    #[error("the body has too many blocks")]
    TooLarge,
    /// The supplied block is not the requested one, or has the wrong length.
    #[error("not the block that is wanted")]
    BlockNotWanted,
}

/// The limit that has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Overload {
    /// There is no room for another peer ([`Bounds::peers`](super::Bounds::peers)).
    #[error("too many peers")]
    Peers,
    /// Too many messages to this peer have no outcome yet
    /// ([`Bounds::requests_per_peer`](super::Bounds::requests_per_peer),
    /// [`Bounds::transmissions_per_peer`](super::Bounds::transmissions_per_peer)).
    #[error("too many messages wait for this peer")]
    Messages,
    /// The answer that begins the observation waits for other messages (NSTART), and a notification must
    /// not leave before it (RFC 7641 §4.4).
    #[error("the answer that begins the observation was not sent yet")]
    Answer,
    /// All message ids for this peer were used within the last EXCHANGE_LIFETIME.
    #[error("no message id is free")]
    MessageIds,
}

/// Why a datagram was discarded or refused. The endpoint has already handled it; the error is only
/// informational.
///
/// The peer is at fault, with two exceptions: [`Overload`](Self::Overload) is a limit of this
/// endpoint, and an [`Unmatched`](Self::Unmatched) message may just be late.
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
    /// An acknowledgement, a Reset or a response that matches nothing. A response in a message
    /// other than an acknowledgement was rejected with a Reset.
    #[error("matches nothing")]
    Unmatched,
    /// A critical option that is unknown, illegal or not understood; a confirmable request was
    /// answered 4.02. Or an option that addresses a proxy; the request was answered 5.05,
    /// confirmable or not.
    #[error("bad option: {0}")]
    BadOption(OptionNumber),
    /// A method that is not one of the four; answered 4.05.
    #[error("unknown method {0}")]
    Method(Code),
    /// A limit of the configuration has been reached; a confirmable request was answered 5.03.
    #[error("over the bounds of the configuration")]
    Overload,
    /// A confirmable message to a group (RFC 7252 §8.1).
    #[error("confirmable multicast")]
    Multicast,
}
