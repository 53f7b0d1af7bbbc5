//! What the parts of block-wise transfer have the endpoint do.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use bytes::Bytes;
use lwm2m_core::ContentFormat;

use super::limits::is_block;
use crate::coap::{
    endpoint::{
        body::{SourceId, TransferId},
        context::OpenRequest,
        event::{Body, FailureReason},
        exchanges::notifications::Notice,
        keys::PeerIndex,
        table::Key,
    },
    message_buf::MessageBuf,
    option::BlockOption,
};

/// What is to be done with a request that has block options.
#[derive(Debug)]
pub(in crate::coap::endpoint) enum RequestStep<'d> {
    /// It is for the application, with this body.
    Deliver(Body<'d>),
    /// It completes this body, whose first block has this format, and is for the application.
    DeliverWhole(Bytes, Option<ContentFormat>),
    /// This block of a body is for the application.
    DeliverBlock {
        transfer: TransferId,
        format: Option<ContentFormat>,
        offset: usize,
        more: bool,
    },
    /// The application has to supply a block of the response.
    Wait,
    /// It is answered with this message.
    Answer(MessageBuf),
    /// It is answered with this block of a body, which can be made again as long as the body is
    /// kept: the message need not be.
    AnswerWithBlock {
        block: BlockOption,
        message: MessageBuf,
    },
}

/// What is to be done with a response.
#[derive(Debug)]
pub(in crate::coap::endpoint) enum ResponseStep {
    /// Other blocks are waited for, or the transfer has failed.
    Wait,
    /// It is the response to the request.
    Deliver,
    /// It completes the response, whose first block has this format. The body is this, unless its
    /// blocks were handed on.
    DeliverWhole {
        body: Option<Bytes>,
        format: Option<ContentFormat>,
    },
    /// This block of the response is for the application.
    DeliverBlock {
        offset: usize,
        format: Option<ContentFormat>,
    },
}

/// What is to be done besides, in the order in which it is listed.
#[derive(Debug)]
pub(in crate::coap::endpoint) enum Step {
    /// One more body keeps the peer known.
    HoldPeer(PeerIndex),
    /// One body less does.
    LetGoOfPeer(PeerIndex),
    /// The peer is forgotten if nothing keeps it known.
    ReleasePeer(PeerIndex),
    /// The request does no harm if it is run again: its record goes when room is needed.
    SpareRecord(Key),
    /// The peer has the answer to this request.
    AnswerArrived(Key),
    /// A request is answered with this message.
    Answer { record: Key, message: MessageBuf },
    /// A request is answered with this block of a body, which can be made again as long as the body
    /// is kept.
    AnswerWithBlock {
        asking: OpenRequest,
        block: BlockOption,
        message: MessageBuf,
    },
    /// A request that was answered with a block is answered with this message when it came again.
    AnswerAgain { record: Key, message: MessageBuf },
    /// A notification is sent: its first block has come.
    Notify {
        peer: PeerIndex,
        notice: Notice,
        message: MessageBuf,
    },
    /// A confirmable notification is not sent: its first block will not come.
    NotificationFailed {
        peer: PeerIndex,
        notice: Notice,
        reason: FailureReason,
    },
    /// A block of this request is sent, as a request of its own.
    SendBlock { request: Key, message: MessageBuf },
    /// The request for a block is of no use any more.
    EndBlockRequest(Key),
    /// The blocks of this request, or of its response, do not come through.
    TransferFailed { request: Key, reason: FailureReason },
    /// The application is to supply this block of a body.
    WantBlock {
        source: SourceId,
        peer: PeerIndex,
        offset: usize,
        length: usize,
    },
    /// A source is not needed any more.
    SourceClosed(SourceId),
    /// The rest of a body that was handed on in blocks will not come.
    TransferLost {
        transfer: TransferId,
        peer: PeerIndex,
        reason: FailureReason,
    },
}

impl Step {
    pub(super) const fn want_block(source: SourceId, peer: PeerIndex, block: BlockOption) -> Self {
        Self::WantBlock {
            source,
            peer,
            offset: block.offset(),
            length: block.size(),
        }
    }
}

/// The steps of one call.
pub(in crate::coap::endpoint) type Steps = Vec<Step>;

/// A request of ours: whom it was sent to, and its place in the table of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::coap::endpoint) struct SentRequest {
    pub(in crate::coap::endpoint) peer: PeerIndex,
    pub(in crate::coap::endpoint) request: Key,
}

impl SentRequest {
    /// All requests to one peer, in their order.
    pub(super) const fn all_of(peer: PeerIndex) -> RangeInclusive<Self> {
        let [first, last] = [Key::MIN, Key::MAX];
        let first = Self {
            peer,
            request: first,
        };
        first..=Self {
            peer,
            request: last,
        }
    }
}

/// A block that the application supplies.
#[derive(Clone, Copy, Debug)]
pub(in crate::coap::endpoint) struct SuppliedBlock<'a> {
    /// Where it begins in the body.
    pub(in crate::coap::endpoint) offset: usize,
    pub(in crate::coap::endpoint) bytes: &'a [u8],
    /// Whether more blocks follow.
    pub(in crate::coap::endpoint) more: bool,
}

impl SuppliedBlock<'_> {
    /// Whether it is as long as a block of this size has to be.
    pub(super) const fn fits(&self, size: usize) -> bool {
        is_block(self.bytes.len(), self.more, size)
    }

    /// Whether it tells that the body is not as long as `offset`.
    pub(super) const fn is_beyond_end(&self) -> bool {
        self.offset > 0 && self.bytes.is_empty()
    }
}
