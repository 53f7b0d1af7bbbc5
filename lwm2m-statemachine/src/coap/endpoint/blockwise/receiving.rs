//! Requests that come in blocks: assembled, or handed on block by block (RFC 7959 §2.5, §2.9).
//!
//! Where they are handed on, the application decides with the first block what becomes of the body:
//! it refuses it, goes on taking its blocks, or has it assembled. Until then nothing is held, and
//! nobody gives way to it (see [`room`]).

mod room;

use alloc::{collections::BTreeMap, vec::Vec};

use bytes::Bytes;
use lwm2m_core::{Code, ContentFormat, Instant};

use super::{
    Asked, fingerprint,
    held::append,
    holders::{Holders, Newcomer},
    is_block,
};
use crate::{
    coap::{
        endpoint::{
            Endpoint, TimerKey,
            config::after,
            event::{Body, Event, FailureReason, Responder, SendError},
            keys::{BodyKey, PeerIndex},
            messages::records::State,
            table::Key,
        },
        message::MessageRef,
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber},
    },
    machine::Peer,
};

/// After how many seconds a client may try again that was refused for want of room.
const RETRY_AFTER: u32 = 30;

/// The bodies that are coming, by peer and resource.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Receiving {
    bodies: BTreeMap<BodyKey, Inbound>,
    /// Whose they are; but for those that the application has not accepted.
    holders: Holders,
    next_id: u64,
}

/// A body that comes block by block; no two of an endpoint are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(u64);

/// A body of which the last block has not been answered.
#[derive(Clone, Debug)]
struct Inbound {
    id: TransferId,
    /// How much of it there was: where the next block begins.
    received: usize,
    /// What its first block says. A later one with another format is not of this body.
    content_format: Option<ContentFormat>,
    /// How large it will be, as its first block announces; 0 if it does not.
    announced: usize,
    /// What the last block is told by, in case it comes again in a message of its own.
    last: u64,
    body: Content,
    /// How many bytes it takes.
    held: usize,
    /// The request with its first block.
    first: Key,
    /// The request whose answer decides how it goes on.
    record: Option<Key>,
    /// The request with the last block that was taken.
    latest: Option<Key>,
    /// Whether that was the last one of the body.
    whole: bool,
    /// When the first block came, and the last one that was taken.
    begun: Instant,
    heard: Instant,
    deadline: Option<Instant>,
}

#[derive(Clone, Debug)]
enum Content {
    /// The application has its first block, and has not decided what becomes of it.
    Offered,
    Assembled(Vec<u8>),
    /// It is with the application, which has not answered yet.
    Whole(Bytes),
    /// The application has it.
    Streamed,
}

impl Inbound {
    /// Whether it counts among those that are coming: the application has accepted it.
    const fn is_held(&self) -> bool {
        !matches!(self.body, Content::Offered)
    }

    /// When it came on last; of the same moment, what began first is less.
    const fn last_came(&self) -> (Instant, u64) {
        (self.heard, self.id.0)
    }

    /// Whether no block came but the first one.
    fn is_begun_only(&self) -> bool {
        self.latest.is_none_or(|latest| latest == self.first)
    }
}

/// What is to be done with a request that has block options.
#[derive(Debug)]
pub(in crate::coap::endpoint) enum Taken<'d> {
    /// It is the application's, with this body.
    Request(Body<'d>),
    /// It is the application's, and completes this body, whose first block says this of its format.
    Whole(Bytes, Option<ContentFormat>),
    /// This block of it is.
    Block {
        transfer: TransferId,
        format: Option<ContentFormat>,
        offset: usize,
        more: bool,
    },
    /// The application has to supply a block of the response.
    Wanted,
    /// It was answered.
    Answered,
}

impl Receiving {
    pub(in crate::coap::endpoint) fn is_empty(&self) -> bool {
        self.bodies.is_empty() && self.holders.bodies() == 0
    }

    /// Those that were accepted.
    pub(in crate::coap::endpoint) const fn len(&self) -> usize {
        self.holders.bodies()
    }

    pub(in crate::coap::endpoint) const fn bytes(&self) -> usize {
        self.holders.bytes()
    }

    fn of_peer(&self, peer: PeerIndex) -> impl Iterator<Item = u64> {
        self.bodies
            .range(BodyKey::all_of(peer))
            .map(|(key, _)| key.resource)
    }

    pub(super) fn first_of(&self, peer: PeerIndex) -> Option<u64> {
        self.of_peer(peer).next()
    }

    /// Whether a body of this peer comes on.
    pub(in crate::coap::endpoint) fn comes_on(
        &self,
        now: Instant,
        peer: PeerIndex,
        silence: u64,
    ) -> bool {
        self.holders.comes_on(now, peer, silence)
    }

    /// The requests with the first blocks of the bodies that come from this peer.
    pub(in crate::coap::endpoint) fn first_blocks(
        &self,
        peer: PeerIndex,
    ) -> impl Iterator<Item = Key> {
        self.bodies
            .range(BodyKey::all_of(peer))
            .map(|(_, inbound)| inbound.first)
    }

    /// The body whose block was in the request of this record.
    fn of_record(&mut self, key: BodyKey, record: Key) -> Option<&mut Inbound> {
        self.bodies
            .get_mut(&key)
            .filter(|inbound| inbound.record == Some(record))
    }
}

impl<P: Peer> Endpoint<P> {
    /// Deals with the block options of a request.
    pub(in crate::coap::endpoint) fn receive_blocks<'d>(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        record: Key,
        asked: &Asked,
        request: &MessageRef<'d>,
    ) -> Taken<'d> {
        let (block1, block2) = (request.block1(), request.block2());
        // The reserved size (RFC 7959 §2.2).
        if request.has(OptionNumber::BLOCK1) && block1.is_none()
            || request.has(OptionNumber::BLOCK2) && block2.is_none()
        {
            return self.refuse(now, record, MessageBuf::response(Code::BAD_REQUEST));
        }
        if let Some(block) = block1 {
            return self.receive_block(
                now,
                BodyKey::new(peer, asked.resource),
                record,
                block,
                request,
            );
        }
        if block2.is_some_and(|block| block.number() > 0) {
            return self.serve(now, peer, record, asked, request);
        }
        Taken::Request(Body::Datagram(request.payload()))
    }

    fn receive_block<'d>(
        &mut self,
        now: Instant,
        key: BodyKey,
        record: Key,
        block: BlockOption,
        request: &MessageRef<'d>,
    ) -> Taken<'d> {
        let payload = request.payload();
        if !is_block(payload.len(), block.more(), block.size()) {
            return self.refuse(now, record, MessageBuf::response(Code::BAD_REQUEST));
        }
        if block.number() == 0 {
            // The client begins, or begins again (RFC 7959 §2.5).
            self.lose_receiving(key, FailureReason::Superseded);
            if !block.more() {
                return Taken::Request(Body::Datagram(payload));
            }
            if let Err(refusal) = self.begin_receiving(now, key, record, request) {
                return self.refuse(now, record, refusal);
            }
        }
        if let Err(refusal) = self.add_block(now, key, block, request) {
            return self.refuse(now, record, refusal);
        }
        self.block_was_added(now, key, record, block)
    }

    /// Adds a block to its body if it is the next one; else tells what it is answered.
    fn add_block(
        &mut self,
        now: Instant,
        key: BodyKey,
        block: BlockOption,
        request: &MessageRef<'_>,
    ) -> Result<(), MessageBuf> {
        let (payload, more) = (request.payload(), block.more());
        let last = fingerprint(payload, self.fingerprints);
        let end = block.offset().saturating_add(payload.len());
        let inbound = self
            .receiving
            .bodies
            .get_mut(&key)
            .filter(|inbound| {
                let format = request.content_format();
                format.is_none() || format == inbound.content_format
            })
            // A body that is not accepted has no second block.
            .filter(|inbound| block.number() == 0 || inbound.is_held())
            .ok_or_else(incomplete)?;
        // After the last block, which is with the application, there is none.
        if inbound.whole || block.offset() != inbound.received {
            let repeated = more && end == inbound.received && last == inbound.last;
            return Err(if repeated && inbound.record.is_none() {
                MessageBuf::response(Code::CONTINUE)
            } else {
                incomplete()
            });
        }
        if matches!(inbound.body, Content::Assembled(_)) {
            self.assemble_block(now, key, payload, more)?;
        }
        if let Some(inbound) = self.receiving.bodies.get_mut(&key) {
            inbound.received = end;
            inbound.last = last;
            inbound.whole = !more;
        }
        Ok(())
    }

    /// Puts a block at the end of what there is of its body; else tells what it is answered.
    fn assemble_block(
        &mut self,
        now: Instant,
        key: BodyKey,
        payload: &[u8],
        more: bool,
    ) -> Result<(), MessageBuf> {
        let largest = self.largest_request();
        let Some(inbound) = self.receiving.bodies.get(&key) else {
            return Err(incomplete());
        };
        let end = inbound.received.saturating_add(payload.len());
        if end > largest {
            self.forget_receiving(key);
            return Err(self.too_large());
        }
        let needed = end.saturating_sub(inbound.held);
        let newcomer = Newcomer {
            peer: key.peer,
            needed,
            announced: inbound.announced,
        };
        let has_room = self.make_bytes_for(now, key, newcomer);
        let room = self.room_for_bytes(key.peer);
        let largest = if more { largest } else { end };
        let appended = match self.receiving.bodies.get_mut(&key) {
            Some(Inbound {
                body: Content::Assembled(body),
                held,
                ..
            }) if has_room => {
                let before = *held;
                let appended = append(body, payload, largest, room);
                *held = body.capacity();
                self.receiving.holders.change(key.peer, before, *held);
                appended
            }
            _ => false,
        };
        if appended {
            return Ok(());
        }
        self.forget_receiving(key);
        Err(busy())
    }

    /// Hands on what there is to hand on, now that a block is in its place; else asks for the next
    /// one.
    fn block_was_added<'d>(
        &mut self,
        now: Instant,
        key: BodyKey,
        record: Key,
        block: BlockOption,
    ) -> Taken<'d> {
        let latest = self.receiving.bodies.get_mut(&key);
        if let Some(before) = latest.and_then(|inbound| inbound.latest.replace(record)) {
            // Who sends this block has the answer to the one before.
            self.answer_arrived(before);
        }
        let Some(inbound) = self.receiving.bodies.get_mut(&key) else {
            return self.refuse(now, record, incomplete());
        };
        inbound.heard = now;
        self.receiving
            .holders
            .hear(now, key.peer, block.number() > 0);
        self.prolong_receiving(now, key);
        let Some(inbound) = self.receiving.bodies.get_mut(&key) else {
            return self.refuse(now, record, incomplete());
        };
        match &mut inbound.body {
            Content::Assembled(_) if block.more() => {
                self.refuse(now, record, MessageBuf::response(Code::CONTINUE))
            }
            Content::Assembled(body) => {
                let body = Bytes::from(core::mem::take(body));
                inbound.body = Content::Whole(body.clone());
                inbound.record = Some(record);
                Taken::Whole(body, inbound.content_format)
            }
            Content::Whole(_) => self.refuse(now, record, incomplete()),
            Content::Offered | Content::Streamed => {
                inbound.record = Some(record);
                Taken::Block {
                    transfer: inbound.id,
                    format: inbound.content_format,
                    offset: block.offset(),
                    more: block.more(),
                }
            }
        }
    }

    /// How long a body is kept from now on if nothing comes of it any more. One that is held has an
    /// end however it comes.
    fn prolong_receiving(&mut self, now: Instant, key: BodyKey) {
        let Some(inbound) = self.receiving.bodies.get_mut(&key) else {
            return;
        };
        let mut deadline = after(now, self.spans.transfer_lifetime);
        if let Content::Assembled(_) = inbound.body {
            deadline = deadline.min(after(inbound.begun, self.spans.transfer_deadline));
        }
        self.timers.set(
            TimerKey::Receiving(key),
            &mut inbound.deadline,
            Some(deadline),
        );
    }

    /// A body begins with this block: it is the application's to accept, or it is assembled. Else
    /// tells what the block is answered.
    fn begin_receiving(
        &mut self,
        now: Instant,
        key: BodyKey,
        record: Key,
        request: &MessageRef<'_>,
    ) -> Result<(), MessageBuf> {
        let streamed = self.config.stream_requests;
        let announced = announced(request);
        if !streamed && announced > self.largest_request() {
            return Err(self.too_large());
        }
        let offered = self
            .receiving
            .bodies
            .len()
            .saturating_sub(self.receiving.len());
        if streamed && offered >= self.config.bounds.receiving {
            return Err(busy());
        }
        let newcomer = Newcomer {
            peer: key.peer,
            needed: request.payload().len(),
            announced,
        };
        if !streamed && !self.make_place_for(now, key, newcomer) {
            return Err(busy());
        }
        let Some(peer) = self.peers.get_mut(key.peer) else {
            return Err(busy());
        };
        peer.bodies = peer.bodies.saturating_add(1);
        let id = TransferId(self.receiving.next_id);
        self.receiving.next_id = self.receiving.next_id.wrapping_add(1);
        let body = if streamed {
            Content::Offered
        } else {
            self.receiving.holders.enter(now, key.peer);
            Content::Assembled(Vec::new())
        };
        let inbound = Inbound {
            id,
            received: 0,
            content_format: request.content_format(),
            announced,
            last: 0,
            body,
            held: 0,
            first: record,
            record: None,
            latest: None,
            whole: false,
            begun: now,
            heard: now,
            deadline: None,
        };
        self.receiving.bodies.insert(key, inbound);
        Ok(())
    }

    /// Has the rest of a request assembled whose first block the application was given, instead of
    /// handing it on block by block. The block is answered here: 2.31, 4.13 if the body is or will
    /// be too large, 5.03 if there is no room.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn assemble(
        &mut self,
        now: Instant,
        responder: Responder,
        request: &MessageRef<'_>,
    ) -> Result<(), SendError> {
        let record = responder.record;
        let peer = self.records.peer(record).ok_or(SendError::NotOpen)?;
        let payload = request.payload();
        let key = BodyKey::new(peer, responder.resource.key);
        let inbound = self
            .receiving
            .of_record(key, record)
            .ok_or(SendError::NotOpen)?;
        if inbound.received != payload.len() || !matches!(inbound.body, Content::Offered) {
            return Err(SendError::BlockNotWanted);
        }
        let newcomer = Newcomer {
            peer,
            needed: payload.len(),
            announced: inbound.announced,
        };
        let answer = if newcomer.announced.max(payload.len()) > self.largest_request() {
            self.too_large()
        } else if self.make_place_for(now, key, newcomer) {
            self.accept(now, key, Content::Assembled(payload.to_vec()));
            MessageBuf::response(Code::CONTINUE)
        } else {
            busy()
        };
        self.decide(now, record, answer)
    }

    /// The application has accepted a body; there is room for it.
    fn accept(&mut self, now: Instant, key: BodyKey, body: Content) {
        if let Some(inbound) = self.receiving.bodies.get_mut(&key) {
            if let Content::Assembled(body) = &body {
                inbound.held = body.capacity();
            }
            inbound.body = body;
            let held = inbound.held;
            self.receiving.holders.enter(now, key.peer);
            self.receiving.holders.change(key.peer, 0, held);
            self.prolong_receiving(now, key);
        }
    }

    /// The application has answered a request with a block in it, or a block was answered for it.
    /// Tells what it is answered instead, if there is no room for the body that was accepted.
    pub(in crate::coap::endpoint) fn block_was_answered(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        record: Key,
        asked: &Asked,
        code: Code,
    ) -> Option<MessageBuf> {
        let block = asked.block1()?;
        let key = BodyKey::new(peer, asked.resource);
        let inbound = self.receiving.of_record(key, record)?;
        if !code.is_success() {
            self.forget_receiving(key);
            return None;
        }
        if !block.more() {
            // A body that was run does not begin again.
            self.end_receiving(key);
            return None;
        }
        inbound.record = None;
        inbound.heard = now;
        if matches!(inbound.body, Content::Offered) {
            let newcomer = Newcomer {
                peer,
                needed: 0,
                announced: 0,
            };
            if !self.make_place_for(now, key, newcomer) {
                self.lose_receiving(key, FailureReason::NoRoom);
                return Some(busy());
            }
            self.accept(now, key, Content::Streamed);
        } else {
            self.receiving.holders.hear(now, peer, block.number() > 0);
        }
        None
    }

    /// The application ignores a request with a block in it: the block may come again.
    pub(in crate::coap::endpoint) fn block_was_ignored(&mut self, record: Key) {
        let (Some(State::Open(asked) | State::Acknowledged(asked)), Some(peer)) = (
            self.records.get(record).map(|record| &record.state),
            self.records.peer(record),
        ) else {
            return;
        };
        let Some(block) = asked.block1() else { return };
        let key = BodyKey::new(peer, asked.resource);
        let Some(inbound) = self.receiving.of_record(key, record) else {
            return;
        };
        if block.number() == 0 {
            self.forget_receiving(key);
            return;
        }
        inbound.received = block.offset();
        inbound.whole = false;
        inbound.record = None;
        if let Content::Whole(body) = &mut inbound.body {
            let mut body = Vec::from(core::mem::take(body));
            body.truncate(inbound.received);
            body.shrink_to_fit();
            let (before, after) = (inbound.held, body.capacity());
            inbound.held = after;
            inbound.body = Content::Assembled(body);
            self.receiving.holders.change(peer, before, after);
        }
    }

    /// The rest of a body did not come in time.
    pub(in crate::coap::endpoint) fn receiving_due(&mut self, key: BodyKey) {
        if let Some(inbound) = self.receiving.bodies.get_mut(&key) {
            inbound.deadline = None;
            self.lose_receiving(key, FailureReason::Timeout);
            self.peers.release(key.peer);
        }
    }

    /// The rest of a body will not come.
    pub(super) fn lose_receiving(&mut self, key: BodyKey, reason: FailureReason) {
        if let Some(inbound) = self.receiving.bodies.get(&key)
            && matches!(inbound.body, Content::Offered | Content::Streamed)
            && !inbound.whole
            && let Some(peer) = self.peers.name(key.peer)
        {
            self.events.push_back(Event::TransferLost {
                transfer: inbound.id,
                peer,
                reason,
            });
        }
        self.forget_receiving(key);
    }

    /// Forgets a body that was not run; not its peer. It may begin again.
    pub(super) fn forget_receiving(&mut self, key: BodyKey) {
        if let Some(first) = self.end_receiving(key) {
            self.spare_record(first);
        }
    }

    /// A body has come to its end; tells the request with its first block.
    fn end_receiving(&mut self, key: BodyKey) -> Option<Key> {
        let mut inbound = self.receiving.bodies.remove(&key)?;
        if inbound.is_held() {
            self.receiving.holders.change(key.peer, inbound.held, 0);
            self.receiving.holders.leave(key.peer);
        }
        self.timers
            .set(TimerKey::Receiving(key), &mut inbound.deadline, None);
        if let Some(peer) = self.peers.get_mut(key.peer) {
            peer.bodies = peer.bodies.saturating_sub(1);
        }
        Some(inbound.first)
    }

    /// Answers a block without the application.
    pub(super) fn refuse<'d>(
        &mut self,
        now: Instant,
        record: Key,
        answer: MessageBuf,
    ) -> Taken<'d> {
        // Can fail only for want of a message id; the peer then has no answer.
        let _ = self.decide(now, record, answer);
        Taken::Answered
    }

    /// With how much would be taken (RFC 7959 §2.9.3).
    fn too_large(&self) -> MessageBuf {
        let mut answer = MessageBuf::response(Code::REQUEST_ENTITY_TOO_LARGE);
        let size = u32::try_from(self.largest_request()).unwrap_or(u32::MAX);
        let _ = answer.uint(OptionNumber::SIZE1, size);
        answer
    }
}

/// How large a body will be, as its first block says; 0 if it does not.
fn announced(request: &MessageRef<'_>) -> usize {
    request.size1().map_or(0, |size| size as usize)
}

/// A block is missing (RFC 7959 §2.9.2).
pub(super) fn incomplete() -> MessageBuf {
    MessageBuf::response(Code::REQUEST_ENTITY_INCOMPLETE)
}

/// There is no room now.
pub(super) fn busy() -> MessageBuf {
    let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    let _ = answer.max_age(RETRY_AFTER);
    answer
}
