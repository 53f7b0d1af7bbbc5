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
    serving::{ServingEnd, SuppliedNotification, may_be_split},
    source::Sources,
    step::{RequestStep, Step, SuppliedBlock},
    transfer::{Transfer, is_in_blocks},
};
use self::{
    limits::Sizes,
    receiving::{Receiving, RequestBlock},
    serving::Serving,
    step::Steps,
};
use super::{
    Usage,
    body::{Source, SourceId},
    config::Config,
    context::{OpenRequest, RequestContext},
    event::{Body, SendError},
    exchanges::notifications::Notice,
    keys::{BodyKey, PeerIndex},
    table::{KEEP, Key},
};
use crate::{
    coap::{
        message::MessageRef,
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber},
        token::Token,
    },
    machine::{KeyedState, Random},
};

/// What becomes of bodies that are larger than a block.
#[derive(Debug)]
pub(super) struct BlockWise {
    receiving: Receiving,
    serving: Serving,
    /// Of the next source.
    next_source: u64,
    sizes: Sizes,
    steps: Steps,
}

impl BlockWise {
    pub(super) fn new(config: &Config, fingerprints: KeyedState) -> Self {
        Self {
            receiving: Receiving::new(config, fingerprints),
            serving: Serving::new(config, fingerprints),
            next_source: 0,
            sizes: Sizes::new(config),
            steps: Steps::new(),
        }
    }

    /// What a request leads to that has block options. `is_known` says whether a record is still
    /// there.
    pub(super) fn receive<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &MessageRef<'d>,
        is_known: &dyn Fn(Key) -> bool,
    ) -> RequestStep<'d> {
        let (block1, block2) = (request.block1(), request.block2());
        let is_reserved =
            |option, block: Option<BlockOption>| request.has(option) && block.is_none();
        if is_reserved(OptionNumber::BLOCK1, block1) || is_reserved(OptionNumber::BLOCK2, block2) {
            // The reserved size (RFC 7959 §2.2).
            let message = MessageBuf::response(Code::BAD_REQUEST);
            return RequestStep::Answer(self.answer(now, asking, message));
        }
        let steps = &mut self.steps;
        if let Some(block) = block1 {
            let received = RequestBlock {
                key: asking.body(),
                record: asking.record,
                block,
                request,
            };
            return self.receiving.receive(now, received, steps);
        }
        if block2.is_some_and(|block| block.number() > 0) {
            return self.serving.serve(now, asking, request, is_known, steps);
        }
        RequestStep::Deliver(Body::Datagram(request.payload()))
    }

    /// A request is answered with this message. Tells with which one it is in fact: with a block
    /// of it, or with a refusal, if there is no room for the body whose block the request brought.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        message: MessageBuf,
    ) -> MessageBuf {
        let instead = self.answered(now, asking, message.code());
        let message = instead.unwrap_or(message);
        let steps = &mut self.steps;
        self.serving
            .split(now, asking.peer, &asking.context, message, steps)
    }

    /// A request is answered with this code. Tells what it is answered instead, if there is no room
    /// for the body whose block it brought.
    fn answered(&mut self, now: Instant, asking: &OpenRequest, code: Code) -> Option<MessageBuf> {
        let block = asking.context.block1()?;
        let (body, record) = (asking.body(), asking.record);
        self.receiving
            .answered(now, body, record, block, code, &mut self.steps)
    }

    /// A request is answered with this message, whose body comes from a source. If there is no room
    /// for that, tells what it is answered instead. `is_known` says whether a record is still there.
    pub(super) fn respond_from(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        (message, source): (&MessageBuf, &Source),
        random: &mut Random,
        is_known: &dyn Fn(Key) -> bool,
    ) -> Result<Option<MessageBuf>, SendError> {
        let blocks = self.serving.respond_from(
            now,
            asking,
            (message, source),
            (is_known, random),
            &mut self.steps,
        )?;
        let Some(blocks) = blocks else {
            self.steps.push(Step::SourceClosed(source.id));
            return Ok(Some(self.answer(now, asking, message::busy())));
        };
        // A body that there is no room for after all ends with this answer.
        let _ = self.answered(now, asking, message.code());
        let wanted = blocks
            .into_iter()
            .map(|block| Step::want_block(source.id, asking.peer, block));
        self.steps.extend(wanted);
        Ok(None)
    }

    /// A request came again that was answered with this block of a body.
    pub(super) fn serve_again(&mut self, body: BodyKey, record: Key, block: BlockOption) {
        self.serving
            .serve_again(body, record, block, &mut self.steps);
    }

    /// A notification is to be sent. Tells with which message: with the first block of it, if it is
    /// too large.
    pub(super) fn notify(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        context: &RequestContext,
        message: MessageBuf,
    ) -> MessageBuf {
        self.serving
            .split(now, peer, context, message, &mut self.steps)
    }

    /// The first block of a notification with this message, whose body comes from a source; none if
    /// it cannot be numbered.
    pub(super) fn first_block(
        &self,
        context: &RequestContext,
        message: &MessageBuf,
        source: &Source,
    ) -> Option<BlockOption> {
        self.serving.first_block(context, message, source)
    }

    /// A notification waits for its first block; says whether there was room.
    pub(super) fn notify_from(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        notification: SuppliedNotification,
        from: (&MessageBuf, &Source),
        random: &mut Random,
    ) -> bool {
        let steps = &mut self.steps;
        self.serving
            .notify_from(now, peer, notification, from, random, steps)
    }

    /// The notification to this observer that waits for its first block.
    pub(super) fn awaited_notification(&self, peer: PeerIndex, token: Token) -> Option<Notice> {
        self.serving.awaited_notification(peer, token)
    }

    /// Takes back the notification to this observer that waits for its first block.
    pub(super) fn end_notification(&mut self, peer: PeerIndex, token: Token, end: ServingEnd) {
        self.serving
            .end_notification(peer, token, end, &mut self.steps);
    }

    /// A notification with the first block of a body was not sent: nobody will ask for the others.
    pub(super) fn notification_not_sent(&mut self, body: BodyKey) {
        let steps = &mut self.steps;
        self.serving.forget(body, ServingEnd::NoRoom, steps);
    }

    /// A body that the application will supply.
    pub(super) const fn source(&mut self, size: Option<u32>) -> Source {
        let id = SourceId(self.next_source);
        self.next_source = self.next_source.wrapping_add(1);
        Source { id, size }
    }

    /// The application supplies a block.
    pub(super) fn supply(
        &mut self,
        now: Instant,
        source: SourceId,
        block: SuppliedBlock<'_>,
    ) -> Result<(), SendError> {
        let body = self.serving.of_source(source);
        let body = body.ok_or(SendError::NoSource)?;
        self.serving.supply(now, body, block, &mut self.steps)
    }

    /// The application cannot supply a body.
    pub(super) fn abort(&mut self, source: SourceId) {
        if let Some(body) = self.serving.of_source(source) {
            self.serving.abort(body, &mut self.steps);
        }
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

    /// The application ignores a request. Says whether that ends a body; its peer is not held by it
    /// any more, and the request does no harm if it is run again.
    pub(super) fn ignored(&mut self, asking: &OpenRequest) -> bool {
        let block = asking.context.block1();
        block.is_some_and(|block| self.receiving.ignored(asking.body(), asking.record, block))
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
        self.serving.forget_peer(peer, &mut self.steps);
    }

    /// When something is due next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.receiving.next_deadline(), self.serving.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// When the next thing is due, if it is at `now`.
    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        let due = [self.receiving.peek_due(now), self.serving.peek_due(now)];
        due.into_iter().flatten().min()
    }

    /// Does what is due first.
    pub(super) fn handle_due(&mut self, now: Instant) {
        let Self {
            receiving,
            serving,
            steps,
            ..
        } = self;
        let (received, served) = (receiving.peek_due(now), serving.peek_due(now));
        if served.is_some_and(|served| received.is_none_or(|received| served < received)) {
            serving.handle_due(now, steps);
        } else {
            receiving.handle_due(now, steps);
        }
    }

    /// Nothing more is due.
    pub(super) fn end_due(&mut self) {
        self.receiving.end_due();
        self.serving.end_due();
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.receiving.is_empty() && self.serving.is_in_order()
    }

    /// Adds how much is held.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        self.receiving.add_usage(usage);
        self.serving.add_usage(usage);
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
