//! The data kept about a request until it is answered.

use lwm2m_core::Code;

use super::{
    body::{NO_BLOCK, Resource},
    fingerprint,
    keys::{BodyKey, PeerIndex},
    table::Key,
};
use crate::{
    coap::{message::MessageRef, option::BlockOption, token::Token},
    machine::{Channel, KeyedState},
};

/// What an answer needs to know about its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestContext {
    pub(super) token: Token,
    /// The fingerprint of the requested resource.
    pub(super) resource: u64,
    /// The values of the block options; [`NO_BLOCK`] if there are none.
    block1: u32,
    block2: u32,
    /// The channel for the answer.
    pub(super) channel: Channel,
}

/// What happens if a duplicate of a message isn't recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetition {
    /// It may be executed twice: its record is kept for its full lifetime.
    Harmful,
    /// The same if it is answered with an Observe option, as it would restart an observation that may
    /// have ended. Otherwise it only reads.
    HarmfulIfObserved,
    /// Nothing that matters: its record may be evicted when room is needed.
    Harmless,
}

impl RequestContext {
    pub(super) fn new(request: &MessageRef<'_>, channel: Channel, keys: KeyedState) -> Self {
        let value = |block: Option<BlockOption>| block.map_or(NO_BLOCK, BlockOption::value);
        Self {
            token: request.token(),
            resource: fingerprint::of_resource(request.code(), request.options(), keys),
            block1: value(request.block1()),
            block2: value(request.block2()),
            channel,
        }
    }

    /// For a notification, which doesn't answer a request.
    pub(super) const fn of_notification(
        token: Token,
        resource: Resource,
        channel: Channel,
    ) -> Self {
        Self {
            token,
            resource: resource.key,
            block1: NO_BLOCK,
            block2: resource.block2,
            channel,
        }
    }

    /// What happens if a duplicate of the request isn't recognised. A request that only reads,
    /// requests a block, or carries a block that has already arrived does no harm.
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

    pub(super) fn block1(&self) -> Option<BlockOption> {
        BlockOption::from_value(self.block1)
    }

    pub(super) fn block2(&self) -> Option<BlockOption> {
        self.resource().block2()
    }

    pub(super) const fn resource(&self) -> Resource {
        Resource {
            key: self.resource,
            block2: self.block2,
        }
    }
}

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenRequest {
    pub(super) peer: PeerIndex,
    pub(super) record: Key,
    pub(super) context: RequestContext,
}

impl OpenRequest {
    /// The body that its blocks belong to.
    pub(super) const fn body(&self) -> BodyKey {
        BodyKey::new(self.peer, self.context.resource)
    }
}
