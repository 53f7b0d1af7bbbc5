//! What block-wise transfer tells the endpoint to do.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use bytes::Bytes;
use lwm2m_core::ContentFormat;

use super::limits::is_block;
use crate::coap::{
    endpoint::{
        body::{Resource, SourceId, TransferId},
        context::OpenRequest,
        event::{Body, FailureReason},
        keys::PeerIndex,
        notice::Notice,
        table::Key,
    },
    message_buf::MessageBuf,
    option::BlockOption,
};

/// What to do with a request that has block options.
#[derive(Debug)]
pub(in crate::coap::endpoint) enum RequestStep<'d> {
    /// Pass it to the application with this body.
    Deliver(Body<'d>),
    /// Pass it to the application: it completes this body, whose first block has this format.
    DeliverWhole(Bytes, Option<ContentFormat>),
    /// Pass this block to the application.
    DeliverBlock {
        transfer: TransferId,
        format: Option<ContentFormat>,
        offset: usize,
        more: bool,
    },
    /// Wait: the application has to supply a block of the response.
    Wait,
    /// Answer it with this message.
    Answer(MessageBuf),
    /// Answer it with this block. The message need not be kept for duplicates: it can be generated
    /// again as long as the body is kept.
    AnswerWithBlock {
        block: BlockOption,
        message: MessageBuf,
    },
}

/// What to do with a response.
#[derive(Debug)]
pub(in crate::coap::endpoint) enum ResponseStep {
    /// Nothing: more blocks will follow, or the transfer has failed.
    Wait,
    /// Pass it to the application: it is the whole response.
    Deliver,
    /// Pass it to the application: it completes the response, whose first block has this format.
    /// There is no body if the blocks were passed on one by one.
    DeliverWhole {
        body: Option<Bytes>,
        format: Option<ContentFormat>,
    },
    /// Pass this block to the application.
    DeliverBlock {
        offset: usize,
        format: Option<ContentFormat>,
    },
}

/// What else to do. The steps of a call are performed in order, before its result is used.
#[derive(Debug)]
pub(in crate::coap::endpoint) enum Step {
    /// The peer has one more body: it must not be forgotten.
    HoldPeer(PeerIndex),
    /// The peer has one body less. It is not forgotten yet.
    LetGoOfPeer(PeerIndex),
    /// Forget the peer if nothing else is kept of it.
    ReleasePeer(PeerIndex),
    /// The request is harmless to process again: its record may be evicted when room is needed.
    SpareRecord(Key),
    /// The peer has received the answer to this request.
    AnswerArrived(Key),
    /// Answer a request with this message.
    Answer { record: Key, message: MessageBuf },
    /// Answer a request with this block, which can be generated again as long as the body is kept.
    AnswerWithBlock {
        asking: OpenRequest,
        block: BlockOption,
        message: MessageBuf,
    },
    /// Answer the duplicate of a request that was answered with a block.
    AnswerAgain { record: Key, message: MessageBuf },
    /// Send a notification: its first block has been supplied.
    Notify {
        peer: PeerIndex,
        notice: Notice,
        message: MessageBuf,
    },
    /// A confirmable notification can't be sent: its first block won't be supplied.
    NotificationFailed {
        peer: PeerIndex,
        notice: Notice,
        reason: FailureReason,
    },
    /// Send a block of this request as a separate request.
    SendBlock { request: Key, message: MessageBuf },
    /// Cancel the request for a block.
    EndBlockRequest(Key),
    /// The transfer of this request has failed.
    TransferFailed { request: Key, reason: FailureReason },
    /// Ask the application for this block of a body.
    WantBlock {
        source: SourceId,
        peer: PeerIndex,
        offset: usize,
        length: usize,
    },
    /// A source isn't needed any more.
    SourceClosed(SourceId),
    /// A watched body isn't kept any more.
    BodyReleased {
        peer: PeerIndex,
        resource: Resource,
        result: Result<(), FailureReason>,
    },
    /// The rest of a body that was passed on block by block won't arrive.
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

/// A request of ours: its peer, and its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::coap::endpoint) struct SentRequest {
    pub(in crate::coap::endpoint) peer: PeerIndex,
    pub(in crate::coap::endpoint) request: Key,
}

impl SentRequest {
    /// All requests to one peer, in ascending order.
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
    /// Whether it may be a block of this size.
    pub(super) const fn fits(&self, size: usize) -> bool {
        is_block(self.bytes.len(), self.more, size)
    }

    /// Whether it says that the body ends before `offset`.
    pub(super) const fn is_beyond_end(&self) -> bool {
        self.offset > 0 && self.bytes.is_empty()
    }
}
