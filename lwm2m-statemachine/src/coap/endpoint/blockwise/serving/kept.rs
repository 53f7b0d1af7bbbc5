//! The bodies that are kept, in the order of their use.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use bytes::Bytes;
use lwm2m_core::Instant;

use super::super::SourceId;
use crate::coap::{endpoint::table::Key, message_buf::MessageBuf, option::BlockOption};

/// The bodies that are kept, by peer and resource.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Serving {
    pub(super) bodies: BTreeMap<(u32, u64), Kept>,
    /// When each was asked for last, the one longest ago first.
    pub(super) order: BTreeSet<(u64, (u32, u64))>,
    /// The same, of those that hold bytes.
    heavy: BTreeSet<(u64, (u32, u64))>,
    clock: u64,
    bytes: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The response without its payload, and without the options of one block.
    pub(super) head: MessageBuf,
    pub(super) etag: Vec<u8>,
    pub(super) content: Content,
    /// Its place in the order.
    pub(super) used: u64,
    pub(super) deadline: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    Source {
        id: SourceId,
        size: Option<u32>,
        /// The requests that wait for a block, and which one.
        waiting: Vec<Waiting>,
    },
    /// It had to go; a body with another ETag is not the same.
    Gone,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) record: Key,
    pub(super) block: BlockOption,
    /// Observe, of the first response to an observation.
    pub(super) observe: Option<u32>,
    /// Whether a block was asked for.
    pub(super) explicit: bool,
}

impl Content {
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Source { .. } | Self::Gone => 0,
        }
    }
}

impl Serving {
    pub(in crate::coap::endpoint) fn len(&self) -> usize {
        self.bodies.len()
    }

    pub(in crate::coap::endpoint) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn first_of(&self, peer: u32) -> Option<u64> {
        let mut of_peer = self.bodies.range((peer, 0)..=(peer, u64::MAX));
        of_peer.next().map(|((_, resource), _)| *resource)
    }

    /// Moves a body to the end of the order.
    pub(super) fn touch(&mut self, key: (u32, u64)) {
        let Some(kept) = self.bodies.get_mut(&key) else {
            return;
        };
        self.order.remove(&(kept.used, key));
        self.clock = self.clock.wrapping_add(1);
        if self.heavy.remove(&(kept.used, key)) {
            self.heavy.insert((self.clock, key));
        }
        kept.used = self.clock;
        self.order.insert((self.clock, key));
    }

    /// Lets the bytes of the oldest body go.
    pub(super) fn lighten(&mut self) -> bool {
        let Some((_, key)) = self.heavy.pop_first() else {
            return false;
        };
        if let Some(kept) = self.bodies.get_mut(&key) {
            self.bytes = self.bytes.saturating_sub(kept.content.held());
            kept.content = Content::Gone;
        }
        true
    }

    pub(super) fn insert(&mut self, key: (u32, u64), mut kept: Kept) {
        self.clock = self.clock.wrapping_add(1);
        kept.used = self.clock;
        self.order.insert((self.clock, key));
        if kept.content.held() > 0 {
            self.heavy.insert((self.clock, key));
            self.bytes = self.bytes.saturating_add(kept.content.held());
        }
        self.bodies.insert(key, kept);
    }

    pub(super) fn remove(&mut self, key: (u32, u64)) -> Option<Kept> {
        let kept = self.bodies.remove(&key)?;
        self.order.remove(&(kept.used, key));
        self.heavy.remove(&(kept.used, key));
        self.bytes = self.bytes.saturating_sub(kept.content.held());
        Some(kept)
    }
}
