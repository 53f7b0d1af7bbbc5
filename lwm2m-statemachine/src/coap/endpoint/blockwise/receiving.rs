//! Requests that arrive in blocks: assembled, or passed on block by block (RFC 7959 §2.5, §2.9).
//!
//! If blocks are passed on, the application decides at the first block: it refuses the body, takes
//! it block by block, or has it assembled. Until then nothing is held, and no other body gives way
//! (see [`bodies`]).

mod bodies;

use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use lwm2m_core::{Code, Instant};

use self::bodies::{Content, Description, Inbound, InboundBodies};
use super::{
    holders::Newcomer,
    limits::{Room, Sizes, Times, is_block},
    message::{self, BlockOptions, busy, incomplete},
    step::{RequestStep, Step, Steps},
};
use crate::{
    coap::{
        endpoint::{
            Usage,
            body::TransferId,
            config::Config,
            event::{Body, FailureReason, InvalidSend, SendError},
            fingerprint,
            keys::{BodyKey, PeerIndex},
            table::Key,
        },
        message::MessageRef,
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber},
    },
    machine::{Channel, KeyedState},
};

/// Handles the blocks of requests.
#[derive(Clone, Debug)]
pub(super) struct Receiving {
    bodies: InboundBodies,
    next_id: u64,
    /// Whether blocks are passed on instead of assembled.
    streamed: bool,
    sizes: Sizes,
    fingerprints: KeyedState,
}

/// A block of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestBlock<'r, 'd> {
    /// Which body it belongs to.
    pub(super) key: BodyKey,
    /// The record of the request.
    pub(super) record: Key,
    pub(super) channel: Channel,
    pub(super) block: BlockOption,
    pub(super) request: &'r MessageRef<'d>,
}

impl Receiving {
    pub(super) fn new(config: &Config, fingerprints: KeyedState) -> Self {
        Self {
            bodies: InboundBodies::new(Room::of_requests(config), Times::new(config)),
            next_id: 0,
            streamed: config.stream_requests,
            sizes: Sizes::new(config),
            fingerprints,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Adds how much is held.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        let holders = self.bodies.holders();
        usage.receiving.bodies = holders.bodies();
        usage.receiving.bytes = holders.bytes();
        usage.timers = usage.timers.saturating_add(self.bodies.timers().len());
    }

    /// Whether a body of this peer is making progress.
    pub(super) fn comes_on(&self, now: Instant, peer: PeerIndex) -> bool {
        self.bodies.comes_on(now, peer)
    }

    /// Whether there is any body of this peer.
    pub(super) fn has_any(&self, peer: PeerIndex) -> bool {
        self.bodies.first_of(peer).is_some()
    }

    /// The records of the requests that began the bodies of this peer.
    pub(super) fn first_blocks(&self, peer: PeerIndex) -> impl Iterator<Item = Key> {
        self.bodies
            .of_peer(peer)
            .map(|(_, inbound)| inbound.requests.first)
    }

    /// Handles a block of a request.
    pub(super) fn receive<'d>(
        &mut self,
        now: Instant,
        received: RequestBlock<'_, 'd>,
        steps: &mut Steps,
    ) -> RequestStep<'d> {
        let RequestBlock {
            key,
            block,
            request,
            ..
        } = received;
        let payload = request.payload();
        if !is_block(payload.len(), block.more(), block.size()) {
            return self.answer(block, &MessageBuf::response(Code::BAD_REQUEST));
        }
        if block.number() == 0 {
            // The client begins, or starts over (RFC 7959 §2.5).
            self.bodies.lose(key, FailureReason::Superseded, steps);
            if !block.more() {
                return RequestStep::Deliver(Body::Datagram(payload));
            }
            if let Err(refusal) = self.begin(now, &received, steps) {
                return self.answer(block, &refusal);
            }
        }
        match self.add(now, &received, steps) {
            Ok(()) => self.hand_on(now, &received, steps),
            Err(refusal) => self.answer(block, &refusal),
        }
    }

    /// Begins a body: it is offered to the application, or assembled. The error is the answer to the
    /// block.
    fn begin(
        &mut self,
        now: Instant,
        received: &RequestBlock<'_, '_>,
        steps: &mut Steps,
    ) -> Result<(), MessageBuf> {
        let RequestBlock { key, request, .. } = *received;
        let announced = request.size1().map_or(0, |size| size as usize);
        if self.streamed {
            if self.bodies.is_full_of_offers() {
                return Err(busy());
            }
        } else {
            if announced > self.bodies.largest() {
                return Err(self.too_large());
            }
            let newcomer = Newcomer {
                peer: key.peer,
                needed: request.payload().len(),
                announced,
            };
            if !self.bodies.make_place_for(now, key, newcomer, steps) {
                return Err(busy());
            }
        }
        let id = TransferId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let described = Description {
            channel: received.channel,
            content_format: request.content_format(),
            announced,
        };
        let content = if self.streamed {
            Content::Offered
        } else {
            Content::Assembled(Vec::new())
        };
        let inbound = Inbound::new(now, id, received.record, described, content);
        self.bodies.insert(now, key, inbound, steps);
        Ok(())
    }

    /// Adds a block to its body if it is the next one. The error is the answer to the block.
    fn add(
        &mut self,
        now: Instant,
        received: &RequestBlock<'_, '_>,
        steps: &mut Steps,
    ) -> Result<(), MessageBuf> {
        let RequestBlock {
            key,
            block,
            request,
            ..
        } = *received;
        let (payload, more) = (request.payload(), block.more());
        let last_block = fingerprint::of_bytes(payload, self.fingerprints);
        let end = block.offset().saturating_add(payload.len());
        let inbound = self
            .bodies
            .get_mut(key)
            .filter(|inbound| {
                let format = request.content_format();
                format.is_none() || format == inbound.described.content_format
            })
            // A body that wasn't accepted has no second block.
            .filter(|inbound| block.number() == 0 || inbound.is_accepted())
            .ok_or_else(incomplete)?;
        // No block follows the last one, even while the application has not answered it.
        if inbound.whole || block.offset() != inbound.received {
            let is_repeated = more && end == inbound.received && last_block == inbound.last_block;
            return Err(if is_repeated && inbound.requests.undecided.is_none() {
                MessageBuf::response(Code::CONTINUE)
            } else {
                incomplete()
            });
        }
        if let Content::Assembled(_) = inbound.content {
            self.assemble_block(now, key, payload, end, more, steps)?;
        }
        if let Some(inbound) = self.bodies.get_mut(key) {
            inbound.received = end;
            inbound.last_block = last_block;
            inbound.whole = !more;
        }
        Ok(())
    }

    /// Appends a block that ends at `end` to its body. The error is the answer to the block.
    fn assemble_block(
        &mut self,
        now: Instant,
        key: BodyKey,
        block: &[u8],
        end: usize,
        more: bool,
        steps: &mut Steps,
    ) -> Result<(), MessageBuf> {
        let largest = self.bodies.largest();
        if end > largest {
            self.bodies.forget(key, steps);
            return Err(self.too_large());
        }
        let largest = if more { largest } else { end };
        if self.bodies.append(now, key, block, largest, steps) {
            return Ok(());
        }
        self.bodies.forget(key, steps);
        Err(busy())
    }

    /// A block was added: passes on the block or the whole body, or requests the next block.
    fn hand_on<'d>(
        &mut self,
        now: Instant,
        received: &RequestBlock<'_, 'd>,
        steps: &mut Steps,
    ) -> RequestStep<'d> {
        let RequestBlock {
            key, record, block, ..
        } = *received;
        self.bodies.hear(now, key, block.number() > 0);
        self.bodies.prolong(now, key);
        let Some(inbound) = self.bodies.get_mut(key) else {
            return self.answer(block, &incomplete());
        };
        if let Some(before) = inbound.requests.latest.replace(record) {
            // A client that sends this block has received the answer to the one before.
            steps.push(Step::AnswerArrived(before));
        }
        let format = inbound.described.content_format;
        match &mut inbound.content {
            Content::Assembled(_) if block.more() => {
                self.answer(block, &MessageBuf::response(Code::CONTINUE))
            }
            Content::Assembled(body) => {
                let body = Bytes::from(mem::take(body));
                inbound.content = Content::Whole(body.clone());
                inbound.requests.undecided = Some(record);
                RequestStep::DeliverWhole(body, format)
            }
            Content::Whole(_) => self.answer(block, &incomplete()),
            Content::Offered | Content::Streamed => {
                inbound.requests.undecided = Some(record);
                RequestStep::DeliverBlock {
                    transfer: inbound.id,
                    format,
                    offset: block.offset(),
                    more: block.more(),
                }
            }
        }
    }

    /// The application wants the rest of a body assembled after its first block, `payload`. Returns
    /// the answer to that block.
    pub(super) fn assemble(
        &mut self,
        now: Instant,
        key: BodyKey,
        record: Key,
        payload: &[u8],
        steps: &mut Steps,
    ) -> Result<MessageBuf, SendError> {
        let inbound = self
            .bodies
            .undecided(key, record)
            .ok_or(SendError::NotOpen)?;
        if inbound.received != payload.len() || inbound.is_accepted() {
            return Err(SendError::Invalid(InvalidSend::BlockNotWanted));
        }
        let newcomer = Newcomer {
            peer: key.peer,
            needed: payload.len(),
            announced: inbound.described.announced,
        };
        if newcomer.announced.max(payload.len()) > self.bodies.largest() {
            return Ok(self.too_large());
        }
        if !self.bodies.make_place_for(now, key, newcomer, steps) {
            return Ok(busy());
        }
        self.bodies
            .accept(now, key, Content::Assembled(payload.to_vec()));
        Ok(MessageBuf::response(Code::CONTINUE))
    }

    /// The request that brought a block is answered with this code. Returns a different answer if
    /// this one accepts a body for which there is no room.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        key: BodyKey,
        record: Key,
        block: BlockOption,
        code: Code,
        steps: &mut Steps,
    ) -> Option<MessageBuf> {
        let inbound = self.bodies.undecided(key, record)?;
        if !code.is_success() {
            self.bodies.forget(key, steps);
            return None;
        }
        if !block.more() {
            // The request was executed: its record must stay.
            self.bodies.end(key, steps);
            return None;
        }
        inbound.requests.undecided = None;
        let is_accepted = inbound.is_accepted();
        self.bodies.hear(now, key, block.number() > 0);
        if is_accepted {
            return None;
        }
        let newcomer = Newcomer {
            peer: key.peer,
            needed: 0,
            announced: 0,
        };
        if !self.bodies.make_place_for(now, key, newcomer, steps) {
            self.bodies.lose(key, FailureReason::NoRoom, steps);
            return Some(busy());
        }
        self.bodies.accept(now, key, Content::Streamed);
        None
    }

    /// The application ignores the request that carried a block: the block may be retransmitted.
    /// Returns whether that ends the body. The body then no longer holds the peer, and the request
    /// is harmless to process again.
    pub(super) fn ignored(&mut self, key: BodyKey, record: Key, block: BlockOption) -> bool {
        let Some(inbound) = self.bodies.undecided(key, record) else {
            return false;
        };
        if block.number() == 0 {
            return self.bodies.remove(key).is_some();
        }
        inbound.received = block.offset();
        inbound.whole = false;
        inbound.requests.undecided = None;
        self.bodies.truncate(key, block.offset());
        false
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

    /// Gives up the body whose next block didn't come in time.
    pub(super) fn handle_due(&mut self, now: Instant, steps: &mut Steps) {
        let Some(key) = self.bodies.pop_due(now) else {
            return;
        };
        self.bodies.lose(key, FailureReason::Timeout, steps);
        steps.push(Step::ReleasePeer(key.peer));
    }

    /// Forgets all bodies that this peer sends, but not the peer.
    pub(super) fn forget_peer(&mut self, peer: PeerIndex, steps: &mut Steps) {
        while let Some(key) = self.bodies.first_of(peer) {
            self.bodies.lose(key, FailureReason::PeerDropped, steps);
        }
    }

    /// Answers a block without asking the application.
    fn answer<'d>(&self, block: BlockOption, answer: &MessageBuf) -> RequestStep<'d> {
        let options = BlockOptions {
            block1: self.sizes.acknowledge(block, answer.code()),
            ..BlockOptions::default()
        };
        RequestStep::Answer(message::with(answer, options))
    }

    /// 4.13, with the size that would be accepted (RFC 7959 §2.9.3).
    fn too_large(&self) -> MessageBuf {
        let mut answer = MessageBuf::response(Code::REQUEST_ENTITY_TOO_LARGE);
        let size = u32::try_from(self.bodies.largest()).unwrap_or(u32::MAX);
        let _ = answer.uint(OptionNumber::SIZE1, size);
        answer
    }
}
