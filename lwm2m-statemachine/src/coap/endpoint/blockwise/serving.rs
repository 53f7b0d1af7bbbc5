//! Responses that are requested block by block (RFC 7959 §2.4, §2.6, §2.7).
//!
//! A body is rendered once. It is kept by peer and resource until its last block has been served,
//! no block was requested for some time, or room is needed. Several transfers of one body, such as
//! notifications to two observers of one resource, share it: it is kept until its last block has been
//! served as often as they are, or until the others have been silent for some seconds after that. A
//! newer body takes its place. Once a body is no longer kept, a GET for one of its blocks goes to the
//! application again; other methods aren't executed again, and the answer is 4.08. The ETag, the
//! application's or one made from the body, tells the client whether the body is still the same. If the
//! endpoint knows that it has changed, the answer is 4.08, for clients that ignore the ETag.
//!
//! The application may also supply the body of a response or notification block by block. The body
//! is then not kept, and a request for a block waits until the block is supplied.

mod blocks;
mod bodies;
mod body;
mod readers;
mod room;

use alloc::vec::Vec;

use bytes::Bytes;
use lwm2m_core::{Code, Instant};

pub(in crate::coap::endpoint) use self::{blocks::may_be_split, body::ServingEnd};
use self::{
    blocks::{block_of, etag_from, etag_of, observe_of, supplied_message},
    bodies::ServedBodies,
    body::{Content, Recipient, ServedBody, SuppliedBody, Waiter},
};
use super::{
    limits::{Room, SMALLEST, Sizes, Times, block_at},
    message::{self, BlockOptions, incomplete},
    step::{RequestStep, Step, Steps, SuppliedBlock},
};
use crate::{
    coap::{
        endpoint::{
            Usage,
            body::{Resource, Source, SourceId},
            config::Config,
            context::{OpenRequest, RequestContext},
            event::{Body, InvalidSend, SendError},
            fingerprint,
            keys::{BodyKey, PeerIndex},
            notice::Notice,
            table::Key,
        },
        message::MessageRef,
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber},
        token::Token,
    },
    machine::{Channel, KeyedState, Random},
};

/// Handles responses that are too large for one message, and requests for their blocks.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    bodies: ServedBodies,
    sizes: Sizes,
    fingerprints: KeyedState,
}

/// A notification whose body the application supplies.
#[derive(Clone, Copy, Debug)]
pub(in crate::coap::endpoint) struct SuppliedNotification {
    pub(in crate::coap::endpoint) notice: Notice,
    /// The observed resource, by which the other blocks are requested.
    pub(in crate::coap::endpoint) resource: Option<Resource>,
    /// Its first block.
    pub(in crate::coap::endpoint) block: BlockOption,
}

impl Serving {
    pub(super) fn new(config: &Config, fingerprints: KeyedState) -> Self {
        Self {
            bodies: ServedBodies::new(Room::of_served(config), Times::new(config)),
            sizes: Sizes::new(config),
            fingerprints,
        }
    }

    /// Adds how much is held.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        usage.serving.bodies = self.bodies.len();
        usage.serving.bytes = self.bodies.bytes();
        usage.sources = usage.sources.saturating_add(self.bodies.sources());
        usage.timers = usage.timers.saturating_add(self.bodies.timers().len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// The body that comes from this source.
    pub(super) fn of_source(&self, source: SourceId) -> Option<BodyKey> {
        self.bodies.of_source(source)
    }

    /// The notification to this observer that waits for its first block.
    pub(super) fn awaited_notification(&self, peer: PeerIndex, token: Token) -> Option<Notice> {
        self.bodies.notification(peer, token)
    }

    /// Whether any body is kept for a peer.
    pub(super) fn has_any(&self, peer: PeerIndex) -> bool {
        self.bodies.of_peer(peer).next().is_some()
    }

    /// Whether a body of this resource is kept for a peer. If so, a step reports its end.
    pub(super) fn watch(&mut self, peer: PeerIndex, resource: Resource) -> bool {
        let key = BodyKey::new(peer, resource.key);
        self.bodies.watch(key, resource)
    }

    /// Whether a body of this resource is watched, and its end is still to come.
    pub(super) fn is_watched(&self, peer: PeerIndex, resource: Resource) -> bool {
        let kept = self.bodies.get(BodyKey::new(peer, resource.key));
        kept.is_some_and(|kept| kept.watched.is_some())
    }

    /// A receiver of a body fetches no more of it: without another one it goes.
    pub(super) fn abandon(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        resource: Resource,
        steps: &mut Steps,
    ) {
        let key = BodyKey::new(peer, resource.key);
        self.bodies.abandon(now, key, steps);
    }

    /// What is in memory for a peer isn't served any more, except what is kept of one resource: the
    /// application is asked for the next block.
    pub(super) fn withdraw(
        &mut self,
        peer: PeerIndex,
        except: Option<Resource>,
        steps: &mut Steps,
    ) {
        let end = ServingEnd::Aborted(Code::INTERNAL_SERVER_ERROR);
        let except = except.map(|resource| BodyKey::new(peer, resource.key));
        self.bodies.withdraw(peer, except, end, steps);
    }

    /// The first block of a body wasn't sent: its receiver requests no others.
    pub(super) fn not_sent(&mut self, key: BodyKey, steps: &mut Steps) {
        if !self.bodies.unshare(key) {
            self.forget(key, ServingEnd::NoRoom, steps);
        }
    }

    /// The size and offset of the block to send, of a body of `total` bytes, if that is known, whose
    /// messages have the options of `head`.
    fn wanted(
        &self,
        context: &RequestContext,
        head: &MessageBuf,
        total: Option<u32>,
    ) -> (usize, usize) {
        let preferred = self.sizes.preferred(context.channel, head, total);
        context.block2().map_or((preferred, 0), |block| {
            (block.size().min(preferred), block.offset())
        })
    }

    /// The answer as it is sent: with its block options, and only the requested block if it is too
    /// large for one message.
    pub(super) fn split(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        context: &RequestContext,
        message: MessageBuf,
        steps: &mut Steps,
    ) -> MessageBuf {
        let (block1, block2) = (context.block1(), context.block2());
        let length = message.payload_bytes().len();
        // There may be a further block option of up to 5 bytes.
        let beside = if block1.is_some() { 5 } else { 0 };
        let fits = self.sizes.fits(context.channel, &message, beside);
        if block1.is_none() && block2.is_none() && fits {
            return message;
        }
        let code = message.code();
        let block1 = block1
            .filter(|_| !message.has(OptionNumber::BLOCK1))
            .and_then(|block| self.sizes.acknowledge(block, code));
        let total = u32::try_from(length).unwrap_or(u32::MAX);
        let (size, offset) = self.wanted(context, &message, Some(total));
        let is_splittable = may_be_split(code) && !message.has(OptionNumber::BLOCK2);
        let is_whole = if block2.is_some() {
            length <= size
        } else {
            fits
        };
        if is_splittable && !(is_whole && (offset == 0 || code != Code::CONTENT)) {
            let body = BodyKey::new(peer, context.resource);
            let there = (body, context.channel);
            return self.begin(now, there, message, block1, (offset, size), steps);
        }
        let block2 = block2
            .filter(|_| is_splittable && offset == 0)
            .and_then(|_| BlockOption::new(0, false, size));
        if block1.is_none() && block2.is_none() {
            return message;
        }
        let options = BlockOptions {
            block2,
            block1,
            ..BlockOptions::default()
        };
        message::with(&message, options)
    }

    /// The block at `offset` of a response, whose body is kept for the other blocks.
    fn begin(
        &mut self,
        now: Instant,
        (key, channel): (BodyKey, Channel),
        message: MessageBuf,
        block1: Option<BlockOption>,
        (offset, size): (usize, usize),
        steps: &mut Steps,
    ) -> MessageBuf {
        let payload = message.payload_bytes();
        let etag = etag_of(&message)
            .unwrap_or_else(|| etag_from(fingerprint::of_bytes(payload, self.fingerprints)));
        let is_other = |kept: &ServedBody| kept.etag != etag;
        if offset > 0 && self.bodies.get(key).is_some_and(is_other) {
            // The client has blocks of a different body.
            self.bodies.forget(key, ServingEnd::Replaced, steps);
            return incomplete();
        }
        if offset >= payload.len() {
            return MessageBuf::response(Code::BAD_REQUEST);
        }
        let observe = observe_of(&message);
        let (head, body) = message.split_payload();
        let options = BlockOptions {
            block1,
            etag: Some(&*etag).filter(|_| !head.has(OptionNumber::ETAG)),
            ..BlockOptions::default()
        };
        let Some(answer) = block_of(&head, &body, (offset, size), options, observe) else {
            return MessageBuf::response(Code::INTERNAL_SERVER_ERROR);
        };
        // Whoever asks for a later block doesn't say which transfer that is of, so that all transfers of one
        // body share it (RFC 7959 §2.4, §2.6).
        if key.resource != Resource::NONE.key && !self.bodies.share(now, key, &etag, offset > 0) {
            let content = Content::Bytes(body);
            let body = new_body(now, channel, &head, etag, content, offset > 0);
            self.bodies.keep(now, key, body, steps);
        }
        answer
    }

    /// A block other than the first is requested. `is_known` tells whether a record still exists.
    pub(super) fn serve<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &MessageRef<'d>,
        is_known: &dyn Fn(Key) -> bool,
        steps: &mut Steps,
    ) -> RequestStep<'d> {
        let key = asking.body();
        let kept = self.bodies.get(key);
        let is_waited_for = kept.is_some_and(|kept| !kept.content.waiters().is_empty());
        let (size, offset) = kept.map_or((SMALLEST, 0), |kept| {
            self.wanted(&asking.context, &kept.head, kept.content.size())
        });
        let Some(block) = block_at(offset, false, size) else {
            return RequestStep::Answer(MessageBuf::response(Code::BAD_REQUEST));
        };
        if !is_waited_for {
            // Repeated requests don't extend the time that the application has.
            self.bodies.prolong(now, key, true);
        }
        match self.bodies.get(key).map(|kept| &kept.content) {
            Some(Content::Bytes(body)) => {
                let body = body.clone();
                self.serve_bytes(now, key, &body, block, steps)
            }
            Some(Content::Source(_)) => {
                self.bodies.forget_waiters(key, is_known);
                let waiter = Waiter::for_block(Recipient::Request(*asking), block);
                self.wait(key, waiter, steps);
                RequestStep::Wait
            }
            // An observation can't begin in the middle of a body.
            _ if request.code() == Code::GET && !request.has(OptionNumber::OBSERVE) => {
                RequestStep::Deliver(Body::Datagram(request.payload()))
            }
            _ => RequestStep::Answer(incomplete()),
        }
    }

    /// A block of a body that is kept in memory is requested.
    fn serve_bytes<'d>(
        &mut self,
        now: Instant,
        key: BodyKey,
        body: &Bytes,
        block: BlockOption,
        steps: &mut Steps,
    ) -> RequestStep<'d> {
        let (offset, size) = (block.offset(), block.size());
        let answer = self.block(key, body, block);
        let Some(message) = answer else {
            return RequestStep::Answer(MessageBuf::response(Code::BAD_REQUEST));
        };
        if offset.saturating_add(size) < body.len() {
            return RequestStep::AnswerWithBlock { block, message };
        }
        // The last answer is kept for duplicates like any other; the body is no longer needed.
        self.bodies.read_to_end(now, key, steps);
        RequestStep::Answer(message)
    }

    /// Handles a duplicate of a request that was answered with this block.
    pub(super) fn serve_again(
        &mut self,
        key: BodyKey,
        record: Key,
        block: BlockOption,
        steps: &mut Steps,
    ) {
        let answer = match self.bodies.get(key).map(|kept| &kept.content) {
            Some(Content::Source(supplied)) => {
                let repeats = |waiter: &Waiter| match waiter.recipient {
                    Recipient::Repetition(other) => other == record,
                    Recipient::Request(_) | Recipient::Observer { .. } => false,
                };
                if !supplied.waiters.iter().any(repeats) {
                    let waiter = Waiter::for_block(Recipient::Repetition(record), block);
                    self.wait(key, waiter, steps);
                }
                return;
            }
            Some(Content::Bytes(body)) => self.block(key, body, block),
            Some(Content::Gone) | None => None,
        };
        // If the body is gone, the client has the next block already, or has to start over.
        let message = answer.unwrap_or_else(incomplete);
        steps.push(Step::AnswerAgain { record, message });
    }

    /// The message with a block of a body that is kept in memory.
    fn block(&self, key: BodyKey, body: &[u8], block: BlockOption) -> Option<MessageBuf> {
        let head = &self.bodies.get(key)?.head;
        let place = (block.offset(), block.size());
        block_of(head, body, place, BlockOptions::default(), None)
    }

    /// Adds a recipient that waits for a block, and requests the block from the application unless
    /// that was done.
    fn wait(&mut self, key: BodyKey, waiter: Waiter, steps: &mut Steps) {
        if let Some(source) = self.bodies.add_waiter(key, waiter) {
            steps.push(Step::want_block(source, key.peer, waiter.block));
        }
    }

    /// A request is answered with this message, whose body comes from a source. Returns the blocks
    /// that are wanted; `None` if there is no room. `is_known` tells whether a record still exists.
    pub(super) fn respond_from(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        (message, source): (&MessageBuf, &Source),
        (is_known, random): (&dyn Fn(Key) -> bool, &mut Random),
        steps: &mut Steps,
    ) -> Result<Option<Vec<BlockOption>>, SendError> {
        let key = asking.body();
        let (size, offset) = self.wanted(&asking.context, message, source.size);
        let wanted =
            block_at(offset, false, size).ok_or(SendError::Invalid(InvalidSend::TooLarge))?;
        let etag = etag_of(message).unwrap_or_else(|| etag_from(random.next_u64()));
        let mut waiters = self.bodies.take_beginners(key, is_known);
        waiters.push(Waiter {
            recipient: Recipient::Request(*asking),
            block: wanted,
            observe: observe_of(message),
            is_explicit: asking.context.block2().is_some(),
        });
        let mut blocks: Vec<_> = waiters.iter().map(|waiter| waiter.block).collect();
        blocks.sort_unstable_by_key(|block| block.value());
        blocks.dedup();
        let content = SuppliedBody::new(source, waiters);
        let (content, channel) = (Content::Source(content), asking.context.channel);
        let body = new_body(now, channel, message, etag, content, offset > 0);
        let is_kept = self.bodies.keep(now, key, body, steps);
        Ok(is_kept.then_some(blocks))
    }

    /// The first block of a message whose body comes from a source; `None` if it has no number.
    pub(super) fn first_block(
        &self,
        context: &RequestContext,
        message: &MessageBuf,
        source: &Source,
    ) -> Option<BlockOption> {
        let (size, _) = self.wanted(context, message, source.size);
        block_at(0, false, size)
    }

    /// Queues a notification until its first block is supplied. Returns whether there was room.
    pub(super) fn notify_from(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        notification: SuppliedNotification,
        (message, source): (&MessageBuf, &Source),
        random: &mut Random,
        steps: &mut Steps,
    ) -> bool {
        let SuppliedNotification {
            notice,
            resource,
            block,
        } = notification;
        let older = self.bodies.of_notification(peer, notice.token);
        let waiter = Waiter {
            recipient: Recipient::Observer {
                notice,
                resource: resource.map(|resource| resource.key),
            },
            block,
            observe: observe_of(message),
            is_explicit: resource.is_some_and(|resource| resource.block2().is_some()),
        };
        // Until its first block is sent, no other block is requested, and the answer to a request
        // for the same resource must not replace it. It therefore has a separate key.
        let key = BodyKey::new(peer, random.next_u64());
        let etag = etag_of(message).unwrap_or_else(|| etag_from(random.next_u64()));
        let content = SuppliedBody::new(source, Vec::from([waiter]));
        let (content, channel) = (Content::Source(content), notice.channel);
        let body = new_body(now, channel, message, etag, content, false);
        if !self.bodies.keep(now, key, body, steps) {
            return false;
        }
        if let Some(older) = older {
            self.bodies.forget(older, ServingEnd::Replaced, steps);
        }
        steps.push(Step::want_block(source.id, peer, block));
        true
    }

    /// The application supplies a block of the body of a response or notification.
    pub(super) fn supply(
        &mut self,
        now: Instant,
        key: BodyKey,
        block: SuppliedBlock<'_>,
        steps: &mut Steps,
    ) -> Result<(), SendError> {
        let supplied = self.bodies.supplied(key).ok_or(SendError::NoSource)?;
        let mut blocks = supplied.waiters.iter().map(|waiter| waiter.block);
        let wanted = blocks
            .find(|wanted| wanted.offset() == block.offset && block.fits(wanted.size()))
            .ok_or(SendError::Invalid(InvalidSend::BlockNotWanted))?;
        let total = supplied.size;
        // A notification is the only recipient: it isn't among those that keep waiting.
        let waiters = self.bodies.take_waiters(key, wanted);
        let kept = self.bodies.get(key).ok_or(SendError::NoSource)?;
        let is_over = !block.more && kept.content.waiters().is_empty();
        let message = |waiter| supplied_message(&kept.head, waiter, &block, total);
        let messages: Vec<_> = waiters.iter().map(message).collect();
        self.bodies.prolong(now, key, block.offset > 0);
        if is_over {
            self.bodies.forget(key, ServingEnd::Served, steps);
        }
        for (waiter, message) in waiters.into_iter().zip(messages) {
            let step = match waiter.recipient {
                Recipient::Request(asking) if block.offset > 0 && block.more => {
                    let block = wanted;
                    Step::AnswerWithBlock {
                        asking,
                        block,
                        message,
                    }
                }
                Recipient::Request(OpenRequest { record, .. }) => Step::Answer { record, message },
                Recipient::Repetition(record) => Step::AnswerAgain { record, message },
                Recipient::Observer { notice, resource } => {
                    if block.more {
                        self.move_body(now, key, resource, steps);
                    }
                    let peer = key.peer;
                    Step::Notify {
                        peer,
                        notice,
                        message,
                    }
                }
            };
            steps.push(step);
        }
        steps.push(Step::ReleasePeer(key.peer));
        Ok(())
    }

    /// The first block of a notification is sent. The others are requested by its resource, if
    /// known.
    fn move_body(&mut self, now: Instant, from: BodyKey, resource: Option<u64>, steps: &mut Steps) {
        match resource {
            Some(resource) => {
                let to = BodyKey::new(from.peer, resource);
                self.bodies.rename(now, from, to, steps);
            }
            None => self.bodies.forget(from, ServingEnd::NoRoom, steps),
        }
    }

    /// The application can't supply the body.
    pub(super) fn abort(&mut self, key: BodyKey, code: Code, steps: &mut Steps) {
        self.forget(key, ServingEnd::Aborted(code), steps);
    }

    /// Withdraws the notification to this observer that waits for its first block.
    pub(super) fn end_notification(
        &mut self,
        peer: PeerIndex,
        token: Token,
        end: ServingEnd,
        steps: &mut Steps,
    ) {
        if let Some(key) = self.bodies.of_notification(peer, token) {
            self.bodies.forget(key, end, steps);
        }
    }

    /// Forgets a body, and its peer unless something else is kept of it.
    pub(super) fn forget(&mut self, key: BodyKey, end: ServingEnd, steps: &mut Steps) {
        self.bodies.forget(key, end, steps);
        steps.push(Step::ReleasePeer(key.peer));
    }

    /// Forgets all bodies that are served to a peer, but not the peer.
    pub(super) fn forget_peer(&mut self, peer: PeerIndex, steps: &mut Steps) {
        self.bodies.forget_peer(peer, steps);
    }

    /// The next deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.bodies.timers().next()
    }

    /// The next deadline, if it has passed at `now`.
    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        self.bodies.peek_due(now)
    }

    /// All that is due has been done.
    pub(super) fn end_due(&mut self) {
        self.bodies.end_due();
    }

    /// Gives up the body whose deadline has passed.
    pub(super) fn handle_due(&mut self, now: Instant, steps: &mut Steps) {
        let Some(key) = self.bodies.pop_due(now) else {
            return;
        };
        self.forget(key, ServingEnd::Late, steps);
    }
}

/// A body that begins to be served. It `is_read` if a later block than the first was asked for.
fn new_body(
    now: Instant,
    channel: Channel,
    message: &MessageBuf,
    etag: Vec<u8>,
    content: Content,
    is_read: bool,
) -> ServedBody {
    let options = BlockOptions {
        etag: Some(&*etag).filter(|_| !message.has(OptionNumber::ETAG)),
        ..BlockOptions::default()
    };
    let head = message::message(message.code(), message.options(), options, &[]);
    ServedBody::new(now, channel, head, etag, content, is_read)
}
