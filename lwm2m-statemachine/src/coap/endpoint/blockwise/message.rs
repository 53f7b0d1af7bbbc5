//! The message with a block of a body: it has the options of the whole message and some additional
//! ones.

use lwm2m_core::Code;

use crate::coap::{
    message_buf::MessageBuf,
    option::{BlockOption, OptionNumber, OptionSet, Uint},
};

/// Options that aren't copied from the whole message because they belong to one block or one
/// message.
const WITHOUT: OptionSet = OptionSet::NONE
    .with(OptionNumber::OBSERVE)
    .with(OptionNumber::BLOCK1)
    .with(OptionNumber::BLOCK2)
    .with(OptionNumber::SIZE1)
    .with(OptionNumber::SIZE2);

/// Request-Tag (RFC 9175 §3). It keeps late blocks of an abandoned transfer out of the next one, and
/// keeps two concurrent reads of one resource apart. The option is elective: a
/// server that doesn't know it ignores it.
pub(super) const REQUEST_TAG: OptionNumber = OptionNumber::new(292);

/// When a client that was refused for lack of room may try again, in seconds.
const RETRY_AFTER: u32 = 30;

/// The additional options of the message with a block.
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

/// The message with a block: the options of the whole message, except those of one message, and
/// the options of the block.
pub(super) fn message<'a>(
    code: Code,
    options: impl Iterator<Item = (OptionNumber, &'a [u8])>,
    added: BlockOptions<'_>,
    payload: &[u8],
) -> MessageBuf {
    let options = options.filter(|(number, _)| !WITHOUT.contains(*number));
    merge(code, options, added, payload)
}

/// The same message with more options, which it must not have yet.
pub(super) fn with(whole: &MessageBuf, added: BlockOptions<'_>) -> MessageBuf {
    merge(whole.code(), whole.options(), added, whole.payload_bytes())
}

/// A message with both kinds of options, in ascending order.
fn merge<'a>(
    code: Code,
    options: impl Iterator<Item = (OptionNumber, &'a [u8])>,
    added: BlockOptions<'_>,
    payload: &[u8],
) -> MessageBuf {
    let mut message = MessageBuf::with_capacity(code, 64_usize.saturating_add(payload.len()));
    let number = |value: Option<u32>| value.map(Uint::new);
    let block = |block: Option<BlockOption>| number(block.map(BlockOption::value));
    let (block2, block1) = (block(added.block2), block(added.block1));
    let (size2, size1) = (number(added.size2), number(added.size1));
    let mut added = [
        (OptionNumber::ETAG, added.etag),
        (OptionNumber::OBSERVE, added.observe),
        (OptionNumber::BLOCK2, block2.as_ref().map(Uint::as_bytes)),
        (OptionNumber::BLOCK1, block1.as_ref().map(Uint::as_bytes)),
        (OptionNumber::SIZE2, size2.as_ref().map(Uint::as_bytes)),
        (OptionNumber::SIZE1, size1.as_ref().map(Uint::as_bytes)),
        (REQUEST_TAG, added.request_tag),
    ]
    .into_iter()
    .filter_map(|(number, value)| value.map(|value| (number, value)))
    .peekable();
    // Nothing here can fail: all options come from valid messages and are added in order.
    for (number, value) in options {
        while let Some((before, value)) = added.next_if(|(added, _)| *added < number) {
            let _ = message.option(before, value);
        }
        let _ = message.option(number, value);
    }
    for (number, value) in added {
        let _ = message.option(number, value);
    }
    if !payload.is_empty() {
        message.payload(payload);
    }
    message
}

/// 4.08: a block is missing (RFC 7959 §2.9.2).
pub(super) fn incomplete() -> MessageBuf {
    MessageBuf::response(Code::REQUEST_ENTITY_INCOMPLETE)
}

/// 5.03: there is no room at present.
pub(super) fn busy() -> MessageBuf {
    let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    let _ = answer.max_age(RETRY_AFTER);
    answer
}
