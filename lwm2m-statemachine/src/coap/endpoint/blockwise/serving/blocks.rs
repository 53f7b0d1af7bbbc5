//! Messages with the blocks of a response.

use alloc::vec::Vec;

use lwm2m_core::Code;

use super::{
    super::{
        limits::block_at,
        message::{self, BlockOptions},
        step::SuppliedBlock,
    },
    body::{Recipient, Waiter},
};
use crate::coap::{
    message_buf::MessageBuf,
    option::{BlockOption, OptionNumber, Uint},
};

/// Whether the body of a response with this code may go in blocks.
pub(in crate::coap::endpoint) fn may_be_split(code: Code) -> bool {
    code.is_success() && code != Code::CONTINUE
}

/// The message with a block of a body; `None` if there is no such block.
pub(super) fn block_of(
    head: &MessageBuf,
    body: &[u8],
    (offset, size): (usize, usize),
    options: BlockOptions<'_>,
    observe: Option<u32>,
) -> Option<MessageBuf> {
    let rest = body.get(offset..).filter(|rest| !rest.is_empty())?;
    let block = rest.get(..size).unwrap_or(rest);
    let observe = observe.map(Uint::new);
    let options = BlockOptions {
        observe: observe.as_ref().map(Uint::as_bytes),
        block2: Some(block_at(offset, rest.len() > block.len(), size)?),
        size2: u32::try_from(body.len()).ok().filter(|_| offset == 0),
        ..options
    };
    Some(message::message(
        head.code(),
        head.options(),
        options,
        block,
    ))
}

pub(super) fn observe_of(message: &MessageBuf) -> Option<u32> {
    let (_, value) = message
        .options()
        .find(|(number, _)| *number == OptionNumber::OBSERVE)?;
    Uint::read(value)
}

/// The ETag that the application has set.
pub(super) fn etag_of(message: &MessageBuf) -> Option<Vec<u8>> {
    let (_, etag) = message
        .options()
        .find(|(number, _)| *number == OptionNumber::ETAG)?;
    Some(etag.to_vec())
}

/// An ETag made from a number.
pub(super) fn etag_from(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The message with a block that the application has supplied, for a recipient that waits for it.
/// `total` is the size of the body, if known.
pub(super) fn supplied_message(
    head: &MessageBuf,
    waiter: &Waiter,
    block: &SuppliedBlock<'_>,
    total: Option<u32>,
) -> MessageBuf {
    if block.is_beyond_end() {
        return MessageBuf::response(Code::BAD_REQUEST);
    }
    let is_first = block.offset == 0;
    let is_whole = is_first && !block.more && !waiter.is_explicit;
    let block1 = match waiter.recipient {
        Recipient::Request(asking) => asking.context.block1(),
        Recipient::Repetition(_) | Recipient::Observer { .. } => None,
    };
    let observe = waiter.observe.map(Uint::new);
    let (number, size) = (waiter.block.number(), waiter.block.size());
    let options = BlockOptions {
        observe: observe.as_ref().map(Uint::as_bytes),
        block2: BlockOption::new(number, block.more, size).filter(|_| !is_whole),
        block1: block1.and_then(|block| BlockOption::new(block.number(), false, block.size())),
        size2: total.filter(|_| is_first && !is_whole),
        ..BlockOptions::default()
    };
    message::message(head.code(), head.options(), options, block.bytes)
}
