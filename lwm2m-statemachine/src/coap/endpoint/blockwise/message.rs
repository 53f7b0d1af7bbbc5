//! A block's message, made of the options of the whole one.

use lwm2m_core::Code;

use crate::coap::{
    message_buf::MessageBuf,
    option::{BlockOption, OptionNumber, OptionSet, Uint},
};

/// What is not taken over from the whole message: it is of one block, or of one message.
const WITHOUT: OptionSet = OptionSet::NONE
    .with(OptionNumber::OBSERVE)
    .with(OptionNumber::BLOCK1)
    .with(OptionNumber::BLOCK2)
    .with(OptionNumber::SIZE1)
    .with(OptionNumber::SIZE2);

/// Request-Tag (RFC 9175 §3): what is left of a transfer that was given up, and comes late, is not
/// taken for a part of the next one; and two that read one resource at a time do not get in each
/// other's way. Elective: who does not know it ignores it.
pub(super) const REQUEST_TAG: OptionNumber = OptionNumber::new(292);

/// After how many seconds a client may try again that was refused for want of room.
const RETRY_AFTER: u32 = 30;

/// The options that a block's message has of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockOptions<'a> {
    pub(super) etag: Option<&'a [u8]>,
    pub(super) observe: Option<&'a [u8]>,
    pub(super) block2: Option<BlockOption>,
    pub(super) block1: Option<BlockOption>,
    pub(super) size2: Option<u32>,
    pub(super) size1: Option<u32>,
    pub(super) request_tag: Option<&'a [u8]>,
}

/// A block's message, with the options of the whole one and its own.
pub(super) fn message<'a>(
    code: Code,
    options: impl Iterator<Item = (OptionNumber, &'a [u8])>,
    own: BlockOptions<'_>,
    payload: &[u8],
) -> MessageBuf {
    let options = options.filter(|(number, _)| !WITHOUT.contains(*number));
    merge(code, options, own, payload)
}

/// A block is missing (RFC 7959 §2.9.2).
pub(super) fn incomplete() -> MessageBuf {
    MessageBuf::response(Code::REQUEST_ENTITY_INCOMPLETE)
}

/// There is no room now.
pub(super) fn busy() -> MessageBuf {
    let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    let _ = answer.max_age(RETRY_AFTER);
    answer
}

/// The same message with options besides that it does not have.
pub(super) fn with(whole: &MessageBuf, own: BlockOptions<'_>) -> MessageBuf {
    merge(whole.code(), whole.options(), own, whole.payload_bytes())
}

/// A message with these options and its own, each in its place.
fn merge<'a>(
    code: Code,
    options: impl Iterator<Item = (OptionNumber, &'a [u8])>,
    own: BlockOptions<'_>,
    payload: &[u8],
) -> MessageBuf {
    let mut message = MessageBuf::with_capacity(code, 64_usize.saturating_add(payload.len()));
    let number = |value: Option<u32>| value.map(Uint::new);
    let block = |block: Option<BlockOption>| number(block.map(BlockOption::value));
    let (block2, block1) = (block(own.block2), block(own.block1));
    let (size2, size1) = (number(own.size2), number(own.size1));
    let mut own = [
        (OptionNumber::ETAG, own.etag),
        (OptionNumber::OBSERVE, own.observe),
        (OptionNumber::BLOCK2, block2.as_ref().map(Uint::as_bytes)),
        (OptionNumber::BLOCK1, block1.as_ref().map(Uint::as_bytes)),
        (OptionNumber::SIZE2, size2.as_ref().map(Uint::as_bytes)),
        (OptionNumber::SIZE1, size1.as_ref().map(Uint::as_bytes)),
        (REQUEST_TAG, own.request_tag),
    ]
    .into_iter()
    .filter_map(|(number, value)| value.map(|value| (number, value)))
    .peekable();
    // Nothing here can fail: the options were in a message, and are in order.
    for (number, value) in options {
        while let Some((before, value)) = own.next_if(|(own, _)| *own < number) {
            let _ = message.option(before, value);
        }
        let _ = message.option(number, value);
    }
    for (number, value) in own {
        let _ = message.option(number, value);
    }
    if !payload.is_empty() {
        message.payload(payload);
    }
    message
}
