//! Block-wise transfer of bodies larger than one block (RFC 7959).
//!
//! [`BlockWise`] decides and the endpoint acts. Each call returns what to do with its message, and
//! leaves a list of [`Step`]s that the endpoint must perform first. Nothing here sends messages or
//! knows the names of peers. The parts:
//!
//! - [`receiving`]: requests that arrive in blocks (Block1), assembled or passed on block by block.
//! - [`serving`]: our responses that are requested block by block (Block2), or that the application
//!   supplies block by block.
//! - [`requesting`]: our requests whose body, or whose response's body, is transferred in blocks.
//!   [`transfer`] handles the responses of one of them.
//!
//! They share [`message`], which builds the message with a block; [`limits`], from the
//! configuration; [`held`], which counts the bytes of bodies; and [`holders`], which decides which
//! peer gives way when there is no room.

mod held;
mod holders;
mod limits;
mod message;
mod receiving;
mod requesting;
mod serving;
mod step;
mod transfer;

#[cfg(test)]
mod tests;

use core::mem;

use lwm2m_core::{Code, Instant};

use self::{
    receiving::{Receiving, RequestBlock},
    requesting::{Requesting, Upload},
    serving::Serving,
    step::Steps,
};
pub(super) use self::{
    requesting::TransferMode,
    serving::{ServingEnd, SuppliedNotification, may_be_split},
    step::{RequestStep, ResponseStep, SentRequest, Step, SuppliedBlock},
    transfer::is_in_blocks,
};
use super::{
    Usage,
    body::{Resource, Source, SourceId},
    config::Config,
    context::{OpenRequest, RequestContext},
    event::{Body, SendError},
    keys::{BodyKey, PeerIndex},
    notice::Notice,
    table::{KEEP, Key},
};
use crate::{
    coap::{
        message::MessageRef,
        message_buf::{MessageBuf, WireMessage},
        option::{BlockOption, OptionNumber},
        token::Token,
    },
    machine::{Channel, KeyedState, Random},
};

/// Handles bodies that are larger than one block.
#[derive(Debug)]
pub(super) struct BlockWise {
    receiving: Receiving,
    serving: Serving,
    requesting: Requesting,
    /// The id of the next source.
    next_source: u64,
    /// Keys for the fingerprints of resources and bodies.
    fingerprints: KeyedState,
    steps: Steps,
    doing_steps: bool,
}

impl BlockWise {
    pub(super) fn new(config: &Config, random: &mut Random) -> Self {
        let first_tag = random.next_u16();
        let fingerprints = random.hash_keys();
        Self {
            receiving: Receiving::new(config, fingerprints),
            serving: Serving::new(config, fingerprints),
            requesting: Requesting::new(config, first_tag, fingerprints),
            next_source: 0,
            fingerprints,
            steps: Steps::new(),
            doing_steps: false,
        }
    }

    /// The data to keep about a request until it is answered.
    pub(super) fn context(&self, request: &MessageRef<'_>, channel: Channel) -> RequestContext {
        RequestContext::new(request, channel, self.fingerprints)
    }

    /// A request with block options has arrived. `is_known` tells whether a record still exists.
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
                channel: asking.context.channel,
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

    /// A request is answered with this message. Returns the message to send: a block of it, or a
    /// refusal if the answer accepts a body for which there is no room.
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

    /// A request is answered with this code. Returns a different answer if this one accepts a body
    /// for which there is no room.
    fn answered(&mut self, now: Instant, asking: &OpenRequest, code: Code) -> Option<MessageBuf> {
        let block = asking.context.block1()?;
        let (body, record) = (asking.body(), asking.record);
        self.receiving
            .answered(now, body, record, block, code, &mut self.steps)
    }

    /// A request is answered with this message, whose body comes from a source. Returns the refusal to
    /// send instead if there is no room. `is_known` tells whether a record still exists.
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
        // If there is no room for the body that this accepts, it ends here.
        let _ = self.answered(now, asking, message.code());
        let wanted = blocks
            .into_iter()
            .map(|block| Step::want_block(source.id, asking.peer, block));
        self.steps.extend(wanted);
        Ok(None)
    }

    /// Handles a duplicate of a request that was answered with this block.
    pub(super) fn serve_again(&mut self, body: BodyKey, record: Key, block: BlockOption) {
        self.serving
            .serve_again(body, record, block, &mut self.steps);
    }

    /// A notification is to be sent. Returns the message to send: its first block if it is too large.
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

    /// The first block of a notification whose body comes from a source; `None` if it has no number.
    pub(super) fn first_block(
        &self,
        context: &RequestContext,
        message: &MessageBuf,
        source: &Source,
    ) -> Option<BlockOption> {
        self.serving.first_block(context, message, source)
    }

    /// Queues a notification until its first block is supplied. Returns whether there was room.
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

    /// Withdraws the notification to this observer that waits for its first block.
    pub(super) fn end_notification(&mut self, peer: PeerIndex, token: Token, end: ServingEnd) {
        self.serving
            .end_notification(peer, token, end, &mut self.steps);
    }

    /// A notification with the first block of a body wasn't sent, so the other blocks won't be
    /// requested.
    pub(super) fn notification_not_sent(&mut self, body: BodyKey) {
        let steps = &mut self.steps;
        self.serving.not_sent(body, steps);
    }

    /// Whether a body of this resource is kept for a peer. If so, a step reports its end.
    pub(super) fn watch_body(&mut self, peer: PeerIndex, resource: Resource) -> bool {
        self.serving.watch(peer, resource)
    }

    /// Whether a body of this resource is watched.
    pub(super) fn is_body_watched(&self, peer: PeerIndex, resource: Resource) -> bool {
        self.serving.is_watched(peer, resource)
    }

    /// A receiver of the body of this resource fetches no more of it.
    pub(super) fn abandon_body(&mut self, now: Instant, peer: PeerIndex, resource: Resource) {
        self.serving.abandon(now, peer, resource, &mut self.steps);
    }

    /// What is in memory for a peer isn't served any more, except what is kept of one resource.
    pub(super) fn withdraw_bodies(&mut self, peer: PeerIndex, except: Option<Resource>) {
        self.serving.withdraw(peer, except, &mut self.steps);
    }

    /// Allocates an id for a body that the application will supply.
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
        let steps = &mut self.steps;
        if let Some(request) = self.requesting.of_source(source) {
            return self.requesting.supply(now, request, block, steps);
        }
        let body = self.serving.of_source(source);
        let body = body.ok_or(SendError::NoSource)?;
        self.serving.supply(now, body, block, steps)
    }

    /// The application can't supply a body. A request for a block of it is answered with this code.
    pub(super) fn abort(&mut self, source: SourceId, code: Code) {
        let steps = &mut self.steps;
        if let Some(request) = self.requesting.of_source(source) {
            Requesting::abort(request, steps);
        } else if let Some(body) = self.serving.of_source(source) {
            self.serving.abort(body, code, steps);
        }
    }

    /// Whether the body of this request needs blocks.
    pub(super) fn is_large(&self, channel: Channel, message: &MessageBuf) -> bool {
        self.requesting.is_large(channel, message)
    }

    /// Requests smaller blocks from the server, if they are preferred.
    pub(super) fn prefer_blocks(&self, channel: Channel, message: &mut MessageBuf) {
        self.requesting.prefer_blocks(channel, message);
    }

    /// Prepares to send the body of a message, or of a source, in blocks.
    pub(super) fn upload(
        &mut self,
        mode: TransferMode,
        message: MessageBuf,
        source: Option<Source>,
    ) -> Result<Upload, SendError> {
        self.requesting.upload(mode, message, source)
    }

    /// Begins to send the body of this request, or queues it.
    pub(super) fn begin_upload(&mut self, now: Instant, of: SentRequest, upload: Upload) {
        self.requesting
            .begin_upload(now, of, upload, &mut self.steps);
    }

    /// The body of a request was too large in one message; `hint` has the block size that the
    /// server wants. Returns whether the body is sent in blocks now.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        of: SentRequest,
        mode: TransferMode,
        (whole, hint): (&MessageRef<'_>, BlockOption),
    ) -> bool {
        self.requesting
            .send_again(now, of, mode, (whole, hint), &mut self.steps)
    }

    /// The first block of the response to this request message has arrived.
    pub(super) fn begin_download(
        &mut self,
        now: Instant,
        of: SentRequest,
        (mode, message): (TransferMode, WireMessage),
        response: &MessageRef<'_>,
    ) -> ResponseStep {
        let steps = &mut self.steps;
        self.requesting
            .begin_download(now, of, (mode, message), response, steps)
    }

    /// The request of a transfer as it would be without blocks.
    pub(super) fn template(&self, of: SentRequest) -> Option<&WireMessage> {
        self.requesting.template(of)
    }

    /// Whether nothing of the body of this request was sent yet: `waits` tells whether the request for a
    /// block was sent.
    pub(super) fn is_unsent(&self, of: SentRequest, waits: impl Fn(Key) -> bool) -> bool {
        self.requesting.is_unsent(of, waits)
    }

    /// Whether this request takes several exchanges.
    pub(super) fn has_transfer(&self, of: SentRequest) -> bool {
        self.requesting.contains(of)
    }

    /// The request for a block was sent.
    pub(super) fn block_sent(&mut self, of: SentRequest, block: Key) {
        self.requesting.block_sent(of, block);
    }

    /// The request for a block has ended.
    pub(super) fn block_ended(&mut self, of: SentRequest) {
        self.requesting.block_ended(of);
    }

    /// The response to the request for a block has arrived.
    pub(super) fn block_answered(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: &MessageRef<'_>,
    ) -> ResponseStep {
        self.requesting
            .block_answered(now, of, response, &mut self.steps)
    }

    /// Ends a transfer because it is complete or its request is gone. Returns the message of the
    /// request if there was a transfer.
    pub(super) fn end_transfer(&mut self, now: Instant, of: SentRequest) -> Option<WireMessage> {
        self.requesting.end(now, of, &mut self.steps)
    }

    /// Removes the queued uploads to this peer.
    pub(super) fn forget_uploads(&mut self, peer: PeerIndex) {
        self.requesting.forget_uploads(peer);
    }

    /// The application wants the rest of a request assembled after its first block. Returns the
    /// answer to that block.
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

    /// The application ignores a request. Returns whether that ends a body. The body then no longer
    /// holds the peer, and the request is harmless to process again.
    pub(super) fn ignored(&mut self, asking: &OpenRequest) -> bool {
        let block = asking.context.block1();
        block.is_some_and(|block| self.receiving.ignored(asking.body(), asking.record, block))
    }

    /// Whether a body of this peer is making progress.
    pub(super) fn comes_on(&self, now: Instant, peer: PeerIndex) -> bool {
        self.receiving.comes_on(now, peer)
    }

    /// Whether a body from or to this peer is under way.
    pub(super) fn is_transferring(&self, peer: PeerIndex) -> bool {
        self.receiving.has_any(peer) || self.serving.has_any(peer)
    }

    /// The records of the requests that began the bodies of this peer.
    pub(super) fn first_blocks(&self, peer: PeerIndex) -> impl Iterator<Item = Key> {
        self.receiving.first_blocks(peer)
    }

    /// Forgets all bodies from and to a peer, but not the peer.
    pub(super) fn forget_peer(&mut self, peer: PeerIndex) {
        self.receiving.forget_peer(peer, &mut self.steps);
        self.serving.forget_peer(peer, &mut self.steps);
    }

    /// The next deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.requesting.next_deadline(),
            self.receiving.next_deadline(),
            self.serving.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The next deadline, if it has passed at `now`.
    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        let due = [
            self.requesting.peek_due(now),
            self.receiving.peek_due(now),
            self.serving.peek_due(now),
        ];
        due.into_iter().flatten().min()
    }

    /// Does what is due first.
    pub(super) fn handle_due(&mut self, now: Instant) {
        let next = self.peek_due(now);
        let Self {
            receiving,
            serving,
            requesting,
            steps,
            ..
        } = self;
        if requesting.peek_due(now) == next {
            requesting.handle_due(now, steps);
        } else if receiving.peek_due(now) == next {
            receiving.handle_due(now, steps);
        } else {
            serving.handle_due(now, steps);
        }
    }

    /// Everything that was due has been done.
    pub(super) fn end_due(&mut self) {
        self.requesting.end_due();
        self.receiving.end_due();
        self.serving.end_due();
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.receiving.is_empty() && self.serving.is_empty() && self.requesting.is_empty()
    }

    /// Adds the usage of block-wise transfer.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        self.receiving.add_usage(usage);
        self.serving.add_usage(usage);
        self.requesting.add_usage(usage);
    }

    /// Takes the steps that the last call has left, the first one at the end of the list. `None` if they
    /// are being done: then that loop [takes](Self::take_steps) these too.
    pub(super) fn begin_steps(&mut self) -> Option<Steps> {
        if mem::replace(&mut self.doing_steps, true) {
            return None;
        }
        let mut steps = mem::take(&mut self.steps);
        steps.reverse();
        Some(steps)
    }

    /// Adds the steps that doing a step has left. They are the next ones.
    pub(super) fn take_steps(&mut self, steps: &mut Steps) {
        steps.extend(self.steps.drain(..).rev());
    }

    /// Ends the loop with its list, so that the next call need not allocate one.
    pub(super) fn end_steps(&mut self, steps: Steps) {
        self.doing_steps = false;
        if self.steps.capacity() == 0 && steps.is_empty() && steps.capacity() <= KEEP {
            self.steps = steps;
        }
    }
}
