//! What the parts of block-wise transfer have the endpoint do.

use alloc::vec::Vec;

use bytes::Bytes;
use lwm2m_core::ContentFormat;

use crate::coap::{
    endpoint::{
        body::TransferId,
        event::{Body, FailureReason},
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
    /// The rest of a body that was handed on in blocks will not come.
    TransferLost {
        transfer: TransferId,
        peer: PeerIndex,
        reason: FailureReason,
    },
}

/// The steps of one call.
pub(in crate::coap::endpoint) type Steps = Vec<Step>;
