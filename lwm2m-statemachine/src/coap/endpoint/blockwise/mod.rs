//! Bodies larger than a block, one block after the other (RFC 7959).
//!
//! - [`message`]: a block's message, made of the options of the whole one.
//! - [`transfer`]: a request of ours whose body, or whose response's body, comes in blocks: what
//!   each response leads to. [`requesting`] does it; [`downloads`] has the room for it.
//! - [`receiving`]: requests that come in blocks (Block1), assembled or handed on.
//! - [`serving`]: responses of ours that are asked for block by block (Block2).
//! - [`source`]: bodies that the application supplies block by block.
//! - [`held`]: how many bytes all these bodies take; [`holders`]: whose they are, and who gives way
//!   when there is no room.

mod downloads;
mod held;
mod holders;
mod message;
mod receiving;
mod requesting;
mod serving;
mod source;
mod transfer;

use core::hash::{BuildHasher, Hasher};

use lwm2m_core::{Code, CodeKind};

use self::message::Own;
pub(super) use self::{
    holders::Holders,
    receiving::{Receiving, Taken},
    requesting::Uploads,
    serving::{Loss, Serving},
    source::Sources,
    transfer::{Transfer, is_in_blocks},
};
pub use self::{
    receiving::TransferId,
    serving::Resource,
    source::{Source, SourceId},
};
use super::{Endpoint, messages::records::Repetition};
use crate::{
    coap::{
        message::{MessageRef, Options},
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber, OptionSet},
        token::Token,
    },
    machine::{Channel, KeyedState, Peer},
};

/// The sizes that a block may have (RFC 7959 §2.2).
const SMALLEST: usize = 16;
const LARGEST: usize = 1024;

/// The largest size of a block that is not above this one.
pub(super) fn block_size(size: usize) -> usize {
    let size = size.clamp(SMALLEST, LARGEST);
    1 << size.ilog2()
}

/// The block that begins at `offset`; none if it cannot be numbered.
fn block_at(offset: usize, more: bool, size: usize) -> Option<BlockOption> {
    let number = u32::try_from(offset.checked_div(size)?).ok()?;
    BlockOption::new(number, more, size)
}

/// Whether so many bytes are a block: all but the last one are as long as their size says
/// (RFC 7959 §2.2).
const fn is_block(length: usize, more: bool, size: usize) -> bool {
    if more { length == size } else { length <= size }
}

impl<P: Peer> Endpoint<P> {
    /// Whether a message goes as it is, with so many bytes of options beside.
    fn fits(&self, channel: Channel, message: &MessageBuf, beside: usize) -> bool {
        let room = match channel {
            Channel::Udp => usize::MAX,
            Channel::Sms => self.config.sms_size,
        };
        let length = message.length().saturating_add(beside);
        message.payload_bytes().len() <= self.spans.block_size && length <= room
    }

    /// The preferred size of the blocks of a body of `total` bytes, if that is known, whose
    /// messages have these options.
    fn preferred(&self, channel: Channel, head: &MessageBuf, total: Option<u32>) -> usize {
        if channel == Channel::Udp {
            return self.spans.block_size;
        }
        // With all the options that one of its messages may have.
        let last = total.map_or(BlockOption::MAX_NUMBER, |total| total / 16);
        let block = BlockOption::new(last.min(BlockOption::MAX_NUMBER), true, SMALLEST);
        let size = Some(total.unwrap_or(u32::MAX));
        let own = match head.code().kind() {
            CodeKind::Request => Own {
                block1: block,
                size1: size,
                ..Own::default()
            },
            _ => Own {
                etag: Some(&[0; 8][..]).filter(|_| !head.has(OptionNumber::ETAG)),
                observe: Some(&[0; 3]),
                block2: block,
                block1: block,
                size2: size,
                ..Own::default()
            },
        };
        let message = message::message(head.code(), head.options(), own, &[]);
        self.within_sms(message.length())
    }

    /// The preferred size of the blocks of a response that the peer is to send.
    fn preferred_of_peer(&self, channel: Channel) -> usize {
        /// Header, token, `ETag`, Observe, Content-Format, Block2 and Size2.
        const OPTIONS: usize = 12 + 9 + 4 + 3 + 4 + 6;
        match channel {
            Channel::Udp => self.spans.block_size,
            Channel::Sms => self.within_sms(OPTIONS),
        }
    }

    /// The largest block beside so many bytes and the payload's marker.
    fn within_sms(&self, length: usize) -> usize {
        let room = self
            .config
            .sms_size
            .saturating_sub(length.saturating_add(1));
        block_size(room).min(self.spans.block_size)
    }
}

/// What an answer needs to know of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) token: Token,
    /// See [`resource`].
    pub(super) resource: u64,
    /// The block options as they hold them; more than that if there are none.
    block1: u32,
    block2: u32,
    /// What the answer travels on.
    pub(super) channel: Channel,
}

impl Asked {
    pub(super) fn new(request: &MessageRef<'_>, channel: Channel, keys: KeyedState) -> Self {
        let value = |block: Option<BlockOption>| block.map_or(u32::MAX, BlockOption::value);
        Self {
            token: request.token(),
            resource: resource(request.code(), request.options(), keys),
            block1: value(request.block1()),
            block2: value(request.block2()),
            channel,
        }
    }

    /// What happens if the request is taken for a new one when it comes again. One that only
    /// reads, or asks for a block, or brings one that is there already, does no harm.
    pub(super) fn repetition(&self, request: &MessageRef<'_>) -> Repetition {
        match (self.block1(), self.block2()) {
            (Some(block), _) if block.more() && block.number() > 0 => Repetition::Harmless,
            (Some(_), _) => Repetition::Harmful,
            (None, Some(block)) if block.number() > 0 => Repetition::Harmless,
            _ if request.code() != Code::GET => Repetition::Harmful,
            _ => match request.observe() {
                None => Repetition::Harmless,
                Some(0) => Repetition::HarmfulIfObserved,
                Some(_) => Repetition::Harmful,
            },
        }
    }

    /// For an answer to nothing in particular: a notification.
    pub(super) fn notified(token: Token, resource: Resource, channel: Channel) -> Self {
        Self {
            token,
            resource: resource.key,
            block1: u32::MAX,
            block2: resource.block2,
            channel,
        }
    }

    pub(super) fn block1(&self) -> Option<BlockOption> {
        Self::block(self.block1)
    }

    pub(super) fn block2(&self) -> Option<BlockOption> {
        Self::block(self.block2)
    }

    fn block(value: u32) -> Option<BlockOption> {
        if value == u32::MAX {
            return None;
        }
        BlockOption::from_value(value)
    }

    pub(super) const fn resource(&self) -> Resource {
        Resource {
            key: self.resource,
            block2: self.block2,
        }
    }
}

/// Options that are of one message, not of what is asked for. ETag and Content-Format too: not
/// every client says them again when it asks for the next block of a response.
const OF_MESSAGE: OptionSet = OptionSet::NONE
    .with(OptionNumber::ETAG)
    .with(OptionNumber::OBSERVE)
    .with(OptionNumber::CONTENT_FORMAT)
    .with(OptionNumber::BLOCK1)
    .with(OptionNumber::BLOCK2)
    .with(OptionNumber::SIZE1)
    .with(OptionNumber::SIZE2);

/// What a request is about: what the requests of one transfer have in common (RFC 7959 §2.4,
/// §2.5: method and Cache-Key). With keys that peers do not know, no two get the same number in
/// practice, and with each other's they are not mixed up anyway.
fn resource(method: Code, options: Options<'_>, keys: KeyedState) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write_u8(method.to_byte());
    for (option, value) in options {
        // NoCacheKey (RFC 7252 §5.4.6).
        let no_cache_key = option.number() & 0x1e == 0x1c;
        if no_cache_key || OF_MESSAGE.contains(option) {
            continue;
        }
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        hasher.write_u64(u64::from(option.number()) << 32 | length);
        hasher.write(value);
    }
    hasher.finish()
}

/// What a body is told by.
fn fingerprint(bytes: &[u8], keys: KeyedState) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}
