//! Responses that are asked for block by block (RFC 7959 §2.4, §2.6, §2.7).
//!
//! A body is rendered once: it is kept, under what was asked for and by whom, until its last
//! block was served, nobody has asked for a block for a while, or room is needed. When a block of
//! a body is asked for that is not kept, the application is asked for the whole again, if the
//! method is GET; any other method is not run again, and the answer is 4.08. The client sees by
//! the ETag whether the body is the same, which is that of the application or is made from the
//! body; and if it is known to be another one, the answer is 4.08, so that a client that does not
//! look at the ETag is not misled either.

mod kept;
mod supplied;

use alloc::vec::Vec;

use lwm2m_core::{Code, Instant};

pub(in crate::coap::endpoint) use self::kept::Serving;
use self::kept::{Content, Kept, Waiting, Who};
pub(in crate::coap::endpoint) use self::supplied::Loss;

use super::{
    OpenRequest, RequestStep,
    limits::{SMALLEST, block_at},
    message::{self, BlockOptions, incomplete},
};
use crate::{
    coap::{
        endpoint::{
            Endpoint, TimerKey,
            body::Resource,
            config::after,
            context::RequestContext,
            event::Body,
            fingerprint,
            keys::{BodyKey, PeerIndex},
            messages::records::State,
            table::Key,
        },
        message::{MessageRef, MessageType},
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber, Uint},
    },
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
    /// The size of a block to send, and where it begins, of a body of `total` bytes, if that is
    /// known, whose messages have these options.
    fn wanted(
        &self,
        asked: &RequestContext,
        head: &MessageBuf,
        total: Option<u32>,
    ) -> (usize, usize) {
        let preferred = self.blockwise.sizes.preferred(asked.channel, head, total);
        asked.block2().map_or((preferred, 0), |block| {
            (block.size().min(preferred), block.offset())
        })
    }

    /// The answer as it is sent: the block that was asked for if it is too large for one message,
    /// and with the block options that belong in it.
    pub(in crate::coap::endpoint) fn in_blocks(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        asked: &RequestContext,
        message: MessageBuf,
    ) -> MessageBuf {
        let (block1, block2) = (asked.block1(), asked.block2());
        let length = message.payload_bytes().len();
        // Beside it there may be one block option of up to 5 bytes.
        let beside = if block1.is_some() { 5 } else { 0 };
        let fits = self.blockwise.sizes.fits(asked.channel, &message, beside);
        if block1.is_none() && block2.is_none() && fits {
            return message;
        }
        let code = message.code();
        let total = u32::try_from(length).unwrap_or(u32::MAX);
        let (size, offset) = self.wanted(asked, &message, Some(total));
        let block1 = block1
            .filter(|_| !message.has(OptionNumber::BLOCK1))
            .and_then(|block| self.blockwise.sizes.acknowledge(block, code));
        let splittable = may_be_split(code) && !message.has(OptionNumber::BLOCK2);
        let whole = if block2.is_some() {
            length <= size
        } else {
            fits
        };
        if !splittable || whole && (offset == 0 || code != Code::CONTENT) {
            let block2 = block2
                .filter(|_| splittable && offset == 0)
                .and_then(|_| BlockOption::new(0, false, size));
            if block1.is_none() && block2.is_none() {
                return message;
            }
            let own = BlockOptions {
                block2,
                block1,
                ..BlockOptions::default()
            };
            return message::with(&message, own);
        }
        let etag = self.etag_of(&message, Some(message.payload_bytes()));
        let key = BodyKey::new(peer, asked.resource);
        if offset > 0
            && let Some(kept) = self.serving.bodies.get(&key)
            && kept.etag != etag
        {
            // The client has blocks of another body.
            self.forget_serving(now, key, Loss::Replaced);
            return incomplete();
        }
        if offset >= length {
            return MessageBuf::response(Code::BAD_REQUEST);
        }
        let observe = observe_of(&message);
        let (head, body) = message.split_payload();
        let own = BlockOptions {
            block1,
            etag: Some(&etag)
                .filter(|_| !head.has(OptionNumber::ETAG))
                .map(|etag| &**etag),
            ..BlockOptions::default()
        };
        let Some(answer) = block_of(&head, &body, offset, size, own, observe) else {
            return MessageBuf::response(Code::INTERNAL_SERVER_ERROR);
        };
        if asked.resource != Resource::NONE.key {
            self.keep(now, key, &head, etag, Content::Bytes(body), offset > 0);
        }
        answer
    }

    /// The ETag of the application, or one made from the body or, without it, of this moment.
    fn etag_of(&mut self, message: &MessageBuf, body: Option<&[u8]>) -> Vec<u8> {
        let etag = message
            .options()
            .find(|(number, _)| *number == OptionNumber::ETAG);
        etag.map_or_else(
            || {
                let number = body.map_or_else(
                    || self.random.next_u64(),
                    |body| fingerprint::of_bytes(body, self.fingerprints),
                );
                number.to_be_bytes().to_vec()
            },
            |(_, etag)| etag.to_vec(),
        )
    }

    /// Makes room for one more body of a peer, of so many bytes; says whether there is.
    fn make_room_to_keep(&mut self, now: Instant, peer: PeerIndex, bytes: usize) -> bool {
        let bounds = self.config.bounds;
        if bounds.serving.min(bounds.serving_per_peer) == 0 || bytes > bounds.serving_bytes {
            return false;
        }
        let now_and_next = now.as_millis().saturating_add(1);
        let busy_since = Instant::from_millis(now_and_next.saturating_sub(self.spans.silence));
        let (most, most_bytes) = (bounds.serving_per_peer, bounds.serving_bytes_per_peer);
        while let Some(first) = self.serving.first_to_go_of(peer, most, busy_since) {
            self.forget_serving(now, first, Loss::NoRoom);
        }
        while self.serving.len() >= bounds.serving
            && let Some(first) = self.serving.first_to_go(busy_since)
        {
            self.forget_serving(now, first, Loss::NoRoom);
            if first.peer != peer {
                self.peers.release(first.peer);
            }
        }
        while self.serving.bytes_of(peer).saturating_add(bytes) > most_bytes
            && self.serving.lighten_peer(peer, busy_since)
        {}
        while self.serving.bytes().saturating_add(bytes) > bounds.serving_bytes
            && self.serving.lighten(busy_since)
        {}
        true
    }

    /// Keeps a body, in the place of an older one of its key; says whether there was room. It is
    /// read already if it is kept for a later block than the first.
    fn keep(
        &mut self,
        now: Instant,
        key: BodyKey,
        message: &MessageBuf,
        etag: Vec<u8>,
        content: Content,
        read: bool,
    ) -> bool {
        self.forget_serving(now, key, Loss::Replaced);
        if !self.make_room_to_keep(now, key.peer, content.held()) {
            return false;
        }
        let Some(peer) = self.peers.get_mut(key.peer) else {
            return false;
        };
        peer.bodies = peer.bodies.saturating_add(1);
        let own = BlockOptions {
            etag: Some(&*etag).filter(|_| !message.has(OptionNumber::ETAG)),
            ..BlockOptions::default()
        };
        let head = message::message(message.code(), message.options(), own, &[]);
        let kept = Kept {
            head,
            etag,
            content,
            read,
            used: 0,
            begun: now,
            asked: now,
            deadline: None,
        };
        self.serving.insert(key, kept);
        self.prolong(now, key, read);
        true
    }

    /// A body is in use; by whoever wants a later block of it than the first, or not. One that is
    /// held has an end all the same: then the application is asked for it again.
    fn prolong(&mut self, now: Instant, key: BodyKey, later: bool) {
        if let Some(kept) = self.serving.bodies.get_mut(&key) {
            let mut deadline = after(now, self.spans.transfer_lifetime);
            if let Content::Bytes(_) = kept.content {
                deadline = deadline.min(after(kept.begun, self.spans.transfer_deadline));
            }
            self.timers
                .set(TimerKey::Serving(key), &mut kept.deadline, Some(deadline));
        }
        self.serving.touch(now, key, later);
    }

    /// A block of a body is asked for, and not the first one.
    pub(in crate::coap::endpoint) fn serve<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &MessageRef<'d>,
    ) -> RequestStep<'d> {
        let OpenRequest {
            peer,
            record,
            context: asked,
        } = asking;
        let (peer, record) = (*peer, *record);
        let key = BodyKey::new(peer, asked.resource);
        let kept = self.serving.bodies.get(&key);
        let waits = kept.is_some_and(|kept| !kept.content.waiting().is_empty());
        let (size, offset) = match kept {
            Some(kept) => self.wanted(asked, &kept.head, kept.content.size()),
            None => (SMALLEST, 0),
        };
        let Some(block) = block_at(offset, false, size) else {
            return RequestStep::Answer(MessageBuf::response(Code::BAD_REQUEST));
        };
        if !waits {
            // Asking again for what the application does not supply keeps nothing alive.
            self.prolong(now, key, true);
        }
        match self
            .serving
            .bodies
            .get_mut(&key)
            .map(|kept| (&mut kept.content, &kept.head))
        {
            Some((Content::Bytes(body), head)) => {
                let answer = block_of(head, body, offset, size, BlockOptions::default(), None);
                let more = offset.saturating_add(size) < body.len();
                let Some(answer) = answer else {
                    return RequestStep::Answer(MessageBuf::response(Code::BAD_REQUEST));
                };
                if more {
                    let message = answer;
                    return RequestStep::AnswerWithBlock { block, message };
                }
                // The answer is cached as all answers are; the body is of no use any more.
                self.forget_serving(now, key, Loss::NoRoom);
                RequestStep::Answer(answer)
            }
            Some((Content::Source { id, waiting, .. }, _)) => {
                let id = *id;
                // Whose request is too long ago waits no more.
                waiting.retain(|waiting| match waiting.who {
                    Who::Request(record) | Who::Again(record) => self.records.get(record).is_some(),
                    Who::Observer(_) => true,
                });
                let is_new = waiting.iter().all(|waiting| waiting.block != block);
                waiting.push(Waiting {
                    who: Who::Request(record),
                    block,
                    observe: None,
                    explicit: true,
                });
                if is_new {
                    self.want_block(peer, id, block);
                }
                RequestStep::Wait
            }
            // A request to observe would begin with what is in the middle.
            _ if request.code() == Code::GET && !request.has(OptionNumber::OBSERVE) => {
                RequestStep::Deliver(Body::Datagram(request.payload()))
            }
            _ => RequestStep::Answer(incomplete()),
        }
    }

    /// Answers with a block that can be made again as long as the body is kept: it is not cached.
    pub(in crate::coap::endpoint) fn send_block_of_body(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        block: BlockOption,
        answer: MessageBuf,
    ) {
        let OpenRequest {
            peer,
            record: key,
            context: asked,
        } = asking;
        let (peer, key) = (*peer, *key);
        let confirmable = self
            .records
            .get(key)
            .filter(|record| record.confirmable && matches!(record.state, State::Open(_)));
        let (Some(record), Some(name)) = (confirmable, self.peers.name(peer)) else {
            let _ = self.send_answer(now, key, answer);
            return;
        };
        let wire = answer.finish(MessageType::Acknowledgement, record.message_id, asked.token);
        let state = State::Served {
            resource: asked.resource,
            block,
            token: asked.token,
        };
        self.set_record(key, state);
        self.outbox.message(name, wire);
    }

    /// A request for a block came again.
    pub(in crate::coap::endpoint) fn serve_again(
        &mut self,
        record: Key,
        resource: u64,
        block: BlockOption,
    ) {
        let Some(peer) = self.records.peer(record) else {
            return;
        };
        let kept = self.serving.bodies.get_mut(&BodyKey::new(peer, resource));
        let answer = match kept.map(|kept| (&mut kept.content, &kept.head)) {
            Some((Content::Source { id, waiting, .. }, _)) => {
                let id = *id;
                let waits =
                    |waiting: &Waiting| matches!(waiting.who, Who::Again(other) if other == record);
                if waiting.iter().any(waits) {
                    return;
                }
                let is_new = waiting.iter().all(|waiting| waiting.block != block);
                waiting.push(Waiting {
                    who: Who::Again(record),
                    block,
                    observe: None,
                    explicit: true,
                });
                if is_new {
                    self.want_block(peer, id, block);
                }
                return;
            }
            Some((Content::Bytes(body), head)) => {
                let (offset, size) = (block.offset(), block.size());
                block_of(head, body, offset, size, BlockOptions::default(), None)
            }
            Some((Content::Gone, _)) | None => None,
        };
        // If it is gone, the client has the next one already, or has to begin again.
        self.send_block_again(record, answer.unwrap_or_else(incomplete));
    }

    /// Answers a request for a block that came again.
    fn send_block_again(&mut self, record: Key, answer: MessageBuf) {
        let peer = self.records.peer(record);
        if let Some(name) = peer.and_then(|peer| self.peers.name(peer))
            && let Some(record) = self.records.get(record)
            && let State::Served { token, .. } = &record.state
        {
            let kind = MessageType::Acknowledgement;
            let wire = answer.finish(kind, record.message_id, *token);
            self.outbox.message(name, wire);
        }
    }

    /// Nobody has asked for the rest of a body in time.
    pub(in crate::coap::endpoint) fn serving_due(&mut self, now: Instant, key: BodyKey) {
        if let Some(kept) = self.serving.bodies.get_mut(&key) {
            kept.deadline = None;
            self.forget_serving(now, key, Loss::Late);
            self.peers.release(key.peer);
        }
    }

    /// Forgets a body, and tells who waits for a block that it is not there; not its peer.
    fn forget_serving(&mut self, now: Instant, key: BodyKey, loss: Loss) {
        let Some(mut kept) = self.serving.remove(key) else {
            return;
        };
        self.timers
            .set(TimerKey::Serving(key), &mut kept.deadline, None);
        if let Some(peer) = self.peers.get_mut(key.peer) {
            peer.bodies = peer.bodies.saturating_sub(1);
        }
        if let Content::Source { id, waiting, .. } = kept.content {
            self.close_source(id);
            for waiting in waiting {
                self.block_lost(now, key.peer, waiting.who, loss);
            }
        }
    }

    /// A notification with the first block of a body was not sent: nobody will ask for the others.
    pub(in crate::coap::endpoint) fn forget_notified(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        resource: Resource,
    ) {
        self.forget_serving(now, BodyKey::new(peer, resource.key), Loss::NoRoom);
        self.peers.release(peer);
    }

    /// Forgets all bodies from and to a peer; not the peer.
    pub(in crate::coap::endpoint) fn forget_bodies(&mut self, now: Instant, peer: PeerIndex) {
        self.blockwise.forget_peer(peer);
        self.do_steps();
        while let Some(resource) = self.serving.first_of(peer) {
            self.forget_serving(now, BodyKey::new(peer, resource), Loss::PeerDropped);
        }
    }
}

/// Whether the body of such a response goes in blocks.
fn may_be_split(code: Code) -> bool {
    code.is_success() && code != Code::CONTINUE
}

/// A block of a body with the options of the whole; none if there is no such block.
fn block_of(
    head: &MessageBuf,
    body: &[u8],
    offset: usize,
    size: usize,
    own: BlockOptions<'_>,
    observe: Option<u32>,
) -> Option<MessageBuf> {
    let rest = body.get(offset..).filter(|rest| !rest.is_empty())?;
    let block = rest.get(..size).unwrap_or(rest);
    let observe = observe.map(Uint::new);
    let own = BlockOptions {
        observe: observe.as_ref().map(Uint::as_bytes),
        block2: Some(block_at(offset, rest.len() > block.len(), size)?),
        size2: u32::try_from(body.len()).ok().filter(|_| offset == 0),
        ..own
    };
    Some(message::message(head.code(), head.options(), own, block))
}

fn observe_of(message: &MessageBuf) -> Option<u32> {
    let (_, value) = message
        .options()
        .find(|(number, _)| *number == OptionNumber::OBSERVE)?;
    Uint::read(value)
}
