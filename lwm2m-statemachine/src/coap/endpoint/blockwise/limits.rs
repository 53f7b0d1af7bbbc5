//! The limits of block-wise transfer, derived from the configuration.

use core::time::Duration;

use lwm2m_core::{Code, CodeKind, Instant};

use super::message::{self, BlockOptions};
use crate::{
    coap::{
        endpoint::config::{Config, after, millis},
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber},
    },
    machine::Channel,
};

/// The sizes that a block may have (RFC 7959 §2.2).
pub(super) const SMALLEST: usize = 16;
pub(super) const LARGEST: usize = 1024;

/// The block that begins at `offset`; `None` if its number doesn't fit (RFC 7959 §2.2).
pub(super) fn block_at(offset: usize, more: bool, size: usize) -> Option<BlockOption> {
    let number = u32::try_from(offset.checked_div(size)?).ok()?;
    BlockOption::new(number, more, size)
}

/// Whether a block may have this length: every block but the last is exactly as long as its size
/// says (RFC 7959 §2.2).
pub(super) const fn is_block(length: usize, more: bool, size: usize) -> bool {
    if more { length == size } else { length <= size }
}

/// The largest valid block size that isn't above this one.
fn block_size(size: usize) -> usize {
    let size = size.clamp(SMALLEST, LARGEST);
    1 << size.ilog2()
}

/// The sizes of messages and blocks, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The preferred size of a block.
    block: usize,
    /// The largest message over SMS.
    sms: usize,
}

impl Sizes {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            block: block_size(config.block_size),
            sms: config.sms_size,
        }
    }

    /// Whether a message fits without blocks, with this many bytes of additional options.
    pub(super) fn fits(&self, channel: Channel, message: &MessageBuf, beside: usize) -> bool {
        let room = match channel {
            Channel::Udp => usize::MAX,
            Channel::Sms => self.sms,
        };
        let length = message.length().saturating_add(beside);
        message.payload_bytes().len() <= self.block && length <= room
    }

    /// The preferred block size for a body of `total` bytes, if that is known, whose messages have
    /// the options of `head`.
    pub(super) fn preferred(
        &self,
        channel: Channel,
        head: &MessageBuf,
        total: Option<u32>,
    ) -> usize {
        if channel == Channel::Udp {
            return self.block;
        }
        // The longest message that a block may need.
        let last = total.map_or(BlockOption::MAX_NUMBER, |total| total / 16);
        let block = BlockOption::new(last.min(BlockOption::MAX_NUMBER), true, SMALLEST);
        let size = Some(total.unwrap_or(u32::MAX));
        let options = match head.code().kind() {
            CodeKind::Request => BlockOptions {
                block1: block,
                size1: size,
                ..BlockOptions::default()
            },
            _ => BlockOptions {
                etag: Some(&[0; 8][..]).filter(|_| !head.has(OptionNumber::ETAG)),
                observe: Some(&[0; 3]),
                block2: block,
                block1: block,
                size2: size,
                ..BlockOptions::default()
            },
        };
        let message = message::message(head.code(), head.options(), options, &[]);
        self.within_sms(message.length())
    }

    /// The preferred block size for a response from the peer.
    pub(super) fn preferred_of_peer(&self, channel: Channel) -> usize {
        /// Header, token, `ETag`, Observe, Content-Format, Block2 and Size2.
        const OPTIONS: usize = 12 + 9 + 4 + 3 + 4 + 6;
        match channel {
            Channel::Udp => self.block,
            Channel::Sms => self.within_sms(OPTIONS),
        }
    }

    /// The Block1 option of an answer with this code to a request with `block` (RFC 7959 §2.3).
    pub(super) fn acknowledge(&self, block: BlockOption, code: Code) -> Option<BlockOption> {
        let size = match code {
            // A smaller size would be a hint to try again with it (RFC 7959 §2.9.3).
            Code::REQUEST_ENTITY_TOO_LARGE => block.size(),
            _ => block.size().min(self.block),
        };
        BlockOption::new(block.number(), code == Code::CONTINUE, size)
    }

    /// The largest block that fits in addition to this many bytes and the payload marker.
    fn within_sms(&self, length: usize) -> usize {
        let room = self.sms.saturating_sub(length.saturating_add(1));
        block_size(room).min(self.block)
    }
}

/// How long a transfer may take, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How long a peer with an active transfer may be silent: the maximum initial retransmission
    /// timeout.
    pub(super) silence: u64,
    /// How long one may be idle, over UDP and over SMS.
    lifetime: u64,
    lifetime_over_sms: u64,
    deadline: u64,
}

impl Times {
    pub(super) fn new(config: &Config) -> Self {
        let parameters = &config.transmission;
        let lifetime = |own: Duration| millis(config.transfer_lifetime.unwrap_or(own));
        Self {
            silence: millis(parameters.longest_ack_timeout()),
            lifetime: lifetime(parameters.exchange_lifetime()),
            lifetime_over_sms: lifetime(config.sms_exchange_lifetime()),
            deadline: millis(config.transfer_deadline),
        }
    }

    /// When the next block must have arrived.
    pub(super) fn next_block(&self, now: Instant, channel: Channel) -> Instant {
        let lifetime = match channel {
            Channel::Udp => self.lifetime,
            Channel::Sms => self.lifetime_over_sms,
        };
        after(now, lifetime)
    }

    /// When a peer has repeated a request to which it got no answer.
    pub(super) fn repetition(&self, now: Instant) -> Instant {
        after(now, self.silence.saturating_add(1))
    }

    /// When a body that is held in memory must be complete, however regularly its blocks come.
    pub(super) fn whole(&self, begun: Instant) -> Instant {
        after(begun, self.deadline)
    }
}

/// The bounds for bodies of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bodies: usize,
    pub(super) bodies_per_peer: usize,
    pub(super) bytes: usize,
    pub(super) bytes_per_peer: usize,
    /// The largest body.
    pub(super) largest: usize,
}

impl Room {
    /// For bodies of requests that are received. The share of a peer holds at least one body.
    pub(super) fn of_requests(config: &Config) -> Self {
        let bounds = &config.bounds;
        let largest = bounds.body.min(bounds.request_body);
        Self {
            bodies: bounds.receiving.bodies,
            bodies_per_peer: bounds.receiving.bodies_per_peer,
            bytes: bounds.receiving.bytes,
            bytes_per_peer: bounds.receiving.bytes_per_peer.max(largest),
            largest,
        }
    }

    /// For bodies of responses that are assembled. The share of a peer holds at least one body.
    pub(super) fn of_responses(config: &Config) -> Self {
        let bounds = &config.bounds;
        Self {
            bodies: usize::MAX,
            bodies_per_peer: usize::MAX,
            bytes: bounds.responses.bytes,
            bytes_per_peer: bounds.responses.bytes_per_peer.max(bounds.body),
            largest: bounds.body,
        }
    }

    /// For bodies of responses that are served.
    pub(super) fn of_served(config: &Config) -> Self {
        let bounds = &config.bounds;
        Self {
            bodies: bounds.serving.bodies,
            bodies_per_peer: bounds.serving.bodies_per_peer,
            bytes: bounds.serving.bytes,
            bytes_per_peer: bounds.serving.bytes_per_peer,
            largest: usize::MAX,
        }
    }
}
