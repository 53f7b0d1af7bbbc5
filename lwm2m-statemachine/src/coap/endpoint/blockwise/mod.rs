//! Bodies larger than a block, one block after the other (RFC 7959).
//!
//! [`BlockWise`] decides and the endpoint does: each call returns what is to be done with its
//! message, and leaves a list of [`Step`]s that are to be done before that. Its parts:
//!
//! - [`receiving`]: requests that come in blocks (Block1), assembled or handed on.
//! - [`serving`]: responses of ours that are asked for block by block (Block2).
//! - [`transfer`]: a request of ours whose body, or whose response's body, comes in blocks: what
//!   each response leads to. [`requesting`] does it; [`downloads`] has the room for it.
//! - [`source`]: bodies that the application supplies block by block.
//!
//! They share [`message`], a block's message, made of the options of the whole one; [`limits`],
//! what the configuration says; [`held`], how many bytes bodies take; [`holders`], whose they are,
//! and who gives way when there is no room.

mod downloads;
mod held;
mod holders;
mod limits;
mod message;
mod receiving;
mod requesting;
mod serving;
mod source;
mod step;
mod transfer;

use core::mem;

use lwm2m_core::{Code, Instant};

pub(super) use self::{
    holders::Holders,
    requesting::Uploads,
    serving::{Loss, Serving},
    source::Sources,
    step::{RequestStep, Step},
    transfer::{Transfer, is_in_blocks},
};
use self::{
    limits::Sizes,
    message::BlockOptions,
    receiving::{Receiving, RequestBlock},
    step::Steps,
};
use super::{
    Usage,
    config::Config,
    context::RequestContext,
    event::SendError,
    keys::{BodyKey, PeerIndex},
    table::{KEEP, Key},
};
use crate::{
    coap::{message::MessageRef, message_buf::MessageBuf, option::BlockOption},
    machine::KeyedState,
};

/// What becomes of bodies that are larger than a block.
#[derive(Debug)]
pub(super) struct BlockWise {
    receiving: Receiving,
    sizes: Sizes,
    steps: Steps,
}

/// A request that has no answer yet: whose it is, its record, and what it asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenRequest {
    pub(super) peer: PeerIndex,
    pub(super) record: Key,
    pub(super) context: RequestContext,
}

impl OpenRequest {
    const fn body(&self) -> BodyKey {
        BodyKey::new(self.peer, self.context.resource)
    }
}

impl BlockWise {
    pub(super) fn new(config: &Config, fingerprints: KeyedState) -> Self {
        Self {
            receiving: Receiving::new(config, fingerprints),
            sizes: Sizes::new(config),
            steps: Steps::new(),
        }
    }

    /// What a request leads to with a block option of the reserved size (RFC 7959 §2.2).
    pub(super) fn refuse_reserved_size<'d>(&self, asking: &OpenRequest) -> RequestStep<'d> {
        let mut options = BlockOptions::default();
        if let Some(block) = asking.context.block1() {
            options.block1 = self.sizes.acknowledge(block, Code::BAD_REQUEST);
        }
        let message = MessageBuf::response(Code::BAD_REQUEST);
        RequestStep::Answer(message::with(&message, options))
    }

    /// What a request with a block of its body leads to.
    pub(super) fn receive_block<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        block: BlockOption,
        request: &MessageRef<'d>,
    ) -> RequestStep<'d> {
        let received = RequestBlock {
            key: asking.body(),
            record: asking.record,
            block,
            request,
        };
        self.receiving.receive(now, received, &mut self.steps)
    }

    /// A request is answered with this code. Tells what it is answered instead, if there is no room
    /// for the body whose block it brought.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        code: Code,
    ) -> Option<MessageBuf> {
        let block = asking.context.block1()?;
        let (body, record) = (asking.body(), asking.record);
        self.receiving
            .answered(now, body, record, block, code, &mut self.steps)
    }

    /// The application has the rest of a request assembled whose first block it was given. Tells
    /// what that is answered.
    pub(super) fn assemble(
        &mut self,
        now: Instant,
        body: BodyKey,
        record: Key,
        payload: &[u8],
    ) -> Result<MessageBuf, SendError> {
        self.receiving
            .assemble(now, body, record, payload, &mut self.steps)
    }

    /// The application ignores a request.
    pub(super) fn ignored(&mut self, asking: &OpenRequest) {
        if let Some(block) = asking.context.block1() {
            let (body, record) = (asking.body(), asking.record);
            self.receiving.ignored(body, record, block, &mut self.steps);
        }
    }

    /// Whether a body of this peer comes on.
    pub(super) fn comes_on(&self, now: Instant, peer: PeerIndex) -> bool {
        self.receiving.comes_on(now, peer)
    }

    /// The requests with the first blocks of the bodies that come from this peer.
    pub(super) fn first_blocks(&self, peer: PeerIndex) -> impl Iterator<Item = Key> {
        self.receiving.first_blocks(peer)
    }

    /// Forgets all bodies from and to a peer; not the peer.
    pub(super) fn forget_peer(&mut self, peer: PeerIndex) {
        self.receiving.forget_peer(peer, &mut self.steps);
    }

    /// When something is due next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.receiving.next_deadline()
    }

    /// Does the first thing that is due at `now`; says whether there was one. Calls with the same
    /// `now` are one loop, which `false` ends.
    pub(super) fn handle_due(&mut self, now: Instant) -> bool {
        self.receiving.handle_due(now, &mut self.steps)
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.receiving.is_empty()
    }

    /// Adds how much is held.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        let holders = self.receiving.holders();
        usage.receiving = holders.bodies();
        usage.receiving_bytes = holders.bytes();
        usage.timers = usage.timers.saturating_add(self.receiving.deadlines());
    }

    /// The steps that the last call has left. The list is [given back](Self::recycle) when they are
    /// done; meanwhile there may be other calls.
    pub(super) fn take_steps(&mut self) -> Steps {
        mem::take(&mut self.steps)
    }

    /// Has the next call use this list, which is empty.
    pub(super) fn recycle(&mut self, steps: Steps) {
        if self.steps.capacity() == 0 && steps.is_empty() && steps.capacity() <= KEEP {
            self.steps = steps;
        }
    }
}
