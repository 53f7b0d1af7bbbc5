//! Requests of ours that take several exchanges: each block is a request of its own, that belongs
//! to the one of the application (RFC 7959 §2.4, §2.5, §2.6).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
};

use bytes::Bytes;
use lwm2m_core::{Code, CodeKind, Instant, Method};

use super::{
    limits::LARGEST,
    message::{self, BlockOptions, REQUEST_TAG},
    transfer::{Ask, Content, Step, Transfer},
};
use crate::{
    coap::{
        endpoint::{
            Endpoint, RequestOptions, TimerKey,
            body::{Source, SourceId},
            event::{Body, Event, FailureReason, Incoming, RequestId, SendError},
            exchanges::requests::{Kind, Mode, answer},
            fingerprint,
            keys::{BodyKey, PeerIndex},
            table::Key,
        },
        message::{MessageRef, MessageType},
        message_buf::{MessageBuf, WireMessage},
        option::{BlockOption, OptionNumber},
        token::Token,
    },
    machine::{Channel, Peer, Random},
};

/// The options of a request that say that the application deals with blocks itself.
fn has_blocks(message: &MessageBuf) -> bool {
    message.has(OptionNumber::BLOCK1)
}

impl<P: Peer> Endpoint<P> {
    /// Sends a request like [`request`](Self::request); its body comes from a source. It ends no
    /// observation, as that is a GET: `options.cancels` says nothing.
    pub fn request_from(
        &mut self,
        now: Instant,
        to: P,
        message: MessageBuf,
        source: Source,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        if message.code().kind() != CodeKind::Request {
            return Err(SendError::Code(message.code()));
        }
        let (head, _) = message.split_payload();
        self.upload(now, to, head, Content::Source(source), options)
    }

    /// Whether the body of this request goes in blocks: what fits is not split, and a GET has no
    /// body to speak of.
    pub(in crate::coap::endpoint) fn is_large(
        &self,
        channel: Channel,
        message: &MessageBuf,
    ) -> bool {
        !self.blockwise.sizes.fits(channel, message, 0)
            && !message.payload_bytes().is_empty()
            && message.code().method() != Some(Method::Get)
            && !has_blocks(message)
    }

    pub(in crate::coap::endpoint) fn request_in_blocks(
        &mut self,
        now: Instant,
        to: P,
        message: MessageBuf,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        let (head, body) = message.split_payload();
        self.upload(now, to, head, Content::Bytes(body), options)
    }

    fn upload(
        &mut self,
        now: Instant,
        to: P,
        mut head: MessageBuf,
        body: Content,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        let resource = self.begin_body(&mut head);
        let size = self
            .blockwise
            .sizes
            .preferred(options.channel, &head, body.size());
        let largest = size.saturating_mul(BlockOption::MAX_NUMBER as usize + 1);
        if body.size().is_some_and(|length| length as usize > largest) {
            return Err(SendError::TooLarge);
        }
        let peer = self.enter_for_request(now, to)?;
        let template = head.finish(MessageType::Confirmable, 0, Token::EMPTY);
        let token = self.new_token(peer);
        let mode = Mode::new(options, self.spans.response_timeout);
        let key = self.insert_request(now, peer, token, Kind::Exchange, mode)?;
        if let Content::Source(source) = &body {
            self.sources.begin(source.id, key);
        }
        let transfer = Transfer::upload(template, body, size, options.stream, resource);
        self.begin_upload(now, peer, key, transfer);
        Ok(RequestId(key))
    }

    /// What a request's body goes to; and its Request-Tag. If the application has options beyond
    /// it, it has none; then only the order of transfers keeps them apart.
    fn begin_body(&mut self, head: &mut MessageBuf) -> u64 {
        let resource = fingerprint::of_resource(head.code(), head.options(), self.fingerprints);
        let _ = head.option(REQUEST_TAG, &self.uploads.tag());
        resource
    }

    /// The body goes in blocks from now on, or when it is its turn.
    fn begin_upload(&mut self, now: Instant, peer: PeerIndex, key: Key, transfer: Transfer) {
        let resource = transfer.resource;
        if let Some(request) = self.requests.get_mut(key) {
            request.transfer = Some(Box::new(transfer));
        }
        if resource.is_some_and(|resource| self.uploads.enter(BodyKey::new(peer, resource), key)) {
            self.ask_block(now, key);
        }
    }

    /// Sends the body of a request in blocks that was too large as a whole, if the response says
    /// how large they are to be (RFC 7959 §2.9.3); says whether it does.
    pub(in crate::coap::endpoint) fn request_again_in_blocks(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        response: &MessageRef<'_>,
    ) -> bool {
        let Some(hint) = response
            .block1()
            .filter(|_| response.code() == Code::REQUEST_ENTITY_TOO_LARGE)
        else {
            return false;
        };
        self.arrived(now, peer, key);
        let Some(request) = self.requests.get_mut(key) else {
            return false;
        };
        let mode = request.mode;
        let Some(Ok(whole)) = request
            .message
            .as_ref()
            .map(|message| MessageRef::parse(message.as_ref()))
        else {
            return false;
        };
        let body = Bytes::copy_from_slice(whole.payload());
        if body.len() <= hint.size() || whole.code() == Code::GET || whole.has(OptionNumber::BLOCK1)
        {
            return false;
        }
        let mut head =
            message::message(whole.code(), whole.options(), BlockOptions::default(), &[]);
        let resource = self.begin_body(&mut head);
        let body = Content::Bytes(body);
        let size = self
            .blockwise
            .sizes
            .preferred(mode.channel, &head, body.size());
        let template = head.finish(MessageType::Confirmable, 0, Token::EMPTY);
        let size = size.min(hint.size());
        let transfer = Transfer::upload(template, body, size, mode.streamed, resource);
        self.begin_upload(now, peer, key, transfer);
        true
    }

    /// Tells a server of small blocks which ones to use, so that the first one fits already
    /// (RFC 7959 §2.4, early negotiation).
    pub(in crate::coap::endpoint) fn prefer_blocks(
        &self,
        channel: Channel,
        message: &mut MessageBuf,
    ) {
        let size = self.blockwise.sizes.preferred_of_peer(channel);
        if size == LARGEST
            || message.code().method() != Some(Method::Get)
            || message.has(OptionNumber::BLOCK2)
        {
            return;
        }
        if let Some(block) = BlockOption::new(0, false, size) {
            let own = BlockOptions {
                block2: Some(block),
                ..BlockOptions::default()
            };
            *message = message::with(message, own);
        }
    }

    /// Begins to put a response together of which a block has come.
    pub(in crate::coap::endpoint) fn begin_download<'d>(
        &mut self,
        now: Instant,
        key: Key,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let peer = self.requests.peer(key)?;
        let limits = self.limits(peer, key)?;
        let request = self.requests.get_mut(key)?;
        let template: WireMessage = request.template()?;
        let streamed = request.mode.streamed && matches!(request.kind, Kind::Exchange);
        request.transfer = Some(Box::new(Transfer::download(template, limits, streamed)));
        let step = self.take_block(now, peer, key, &response)?;
        self.step(now, key, response, step)
    }

    /// The response to the block of a transfer.
    pub(in crate::coap::endpoint) fn block_answered<'d>(
        &mut self,
        now: Instant,
        key: Key,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let peer = self.requests.peer(key)?;
        let transfer = self.requests.transfer(key)?;
        transfer.block = None;
        let source = transfer.source();
        let step = self.take_block(now, peer, key, &response)?;
        let now_from = self
            .requests
            .transfer(key)
            .and_then(|transfer| transfer.source());
        if let Some(source) = source
            && now_from.is_none()
        {
            self.close_request_source(source);
        }
        self.step(now, key, response, step)
    }

    fn step<'d>(
        &mut self,
        now: Instant,
        key: Key,
        response: MessageRef<'d>,
        step: Step,
    ) -> Option<Incoming<'d>> {
        match step {
            Step::Next => {
                self.ask_block(now, key);
                None
            }
            Step::Block { offset, format } => {
                self.ask_block(now, key);
                Some(Incoming::ResponseBlock {
                    request: RequestId(key),
                    response: response.of_body(format),
                    offset,
                })
            }
            Step::Whole { body, format } => {
                self.transfer_done(now, key, response.of_body(format), body)
            }
            Step::Done => self.transfer_done(now, key, response, None),
            Step::Failed(reason) => {
                self.transfer_failed(now, key, reason);
                None
            }
        }
    }

    /// Sends the next block, or asks for it.
    fn ask_block(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.requests.peer(key) else {
            return;
        };
        let Some(transfer) = self.requests.transfer(key) else {
            return;
        };
        match transfer.ask(|| self.uploads.tag()) {
            Ask::Message(message) => self.send_block(now, peer, key, message),
            Ask::Failed(reason) => self.transfer_failed(now, key, reason),
            Ask::Source {
                source,
                offset,
                length,
            } => {
                self.await_supply(now, key, true);
                if let Some(peer) = self.messages.name(peer) {
                    self.events.push_back(Event::BlockWanted {
                        source,
                        peer,
                        offset,
                        length,
                    });
                }
            }
        }
    }

    fn send_block(&mut self, now: Instant, peer: PeerIndex, key: Key, message: MessageBuf) {
        let Some(mode) = self.requests.get_mut(key).map(|request| request.mode) else {
            return;
        };
        let token = self.new_token(peer);
        let kind = Kind::Block { of: key };
        let sent = self
            .insert_request(now, peer, token, kind, mode)
            .and_then(|block| {
                if let Some(transfer) = self.requests.transfer(key) {
                    transfer.block = Some(block);
                }
                self.dispatch(now, peer, block, message)
            });
        if sent.is_err() {
            if let Some(transfer) = self.requests.transfer(key) {
                transfer.block = None;
            }
            self.transfer_failed(now, key, FailureReason::NotSent);
        }
    }

    /// The application has a block of a request's body.
    pub(in crate::coap::endpoint) fn supply_request(
        &mut self,
        now: Instant,
        key: Key,
        offset: usize,
        block: &[u8],
        more: bool,
    ) -> Result<(), SendError> {
        let peer = self.requests.peer(key).ok_or(SendError::NoSource)?;
        let ask = self
            .requests
            .transfer(key)
            .and_then(|transfer| transfer.supplied(offset, block, more))
            .ok_or(SendError::BlockNotWanted)?;
        self.await_supply(now, key, false);
        match ask {
            Ask::Message(message) => self.send_block(now, peer, key, message),
            Ask::Failed(reason) => self.transfer_failed(now, key, reason),
            Ask::Source { .. } => {}
        }
        Ok(())
    }

    /// The response is whole.
    fn transfer_done<'d>(
        &mut self,
        now: Instant,
        key: Key,
        response: MessageRef<'d>,
        body: Option<Bytes>,
    ) -> Option<Incoming<'d>> {
        let request = self.requests.get_mut(key)?;
        let body = body.map_or(Body::Datagram(response.payload()), Body::Assembled);
        let id = RequestId(key);
        let Kind::Observation { answered, over, .. } = &mut request.kind else {
            self.remove_request(now, key)?;
            return Some(answer(id, response, body, true, false));
        };
        let first = !*answered;
        if !response.code().is_success() && !first {
            // Only the blocks of this notification are not there.
            self.transfer_failed(now, key, FailureReason::Blocks);
            return None;
        }
        *answered = true;
        let observing = !*over && response.code().is_success();
        if observing {
            self.end_transfer(now, key);
        } else {
            self.remove_request(now, key)?;
        }
        Some(answer(id, response, body, first, observing))
    }

    /// The blocks of a response do not come.
    pub(in crate::coap::endpoint) fn transfer_failed(
        &mut self,
        now: Instant,
        key: Key,
        reason: FailureReason,
    ) {
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        let Kind::Observation {
            answered: true,
            over,
            ..
        } = request.kind
        else {
            self.fail_request(now, key, reason);
            return;
        };
        let peer = self
            .requests
            .peer(key)
            .and_then(|peer| self.messages.name(peer));
        if over {
            self.remove_request(now, key);
        } else {
            self.end_transfer(now, key);
        }
        if let Some(peer) = peer {
            self.events.push_back(Event::NotificationLost {
                request: RequestId(key),
                peer,
                reason,
                observing: !over,
            });
        }
    }

    /// Forgets a transfer, but not its request, which is an observation.
    pub(in crate::coap::endpoint) fn end_transfer(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.requests.peer(key) else {
            return;
        };
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        let Some(transfer) = request.transfer.take() else {
            return;
        };
        self.timers
            .set(TimerKey::Request(key), &mut request.deadline, None);
        let (held, block) = (transfer.held(), transfer.block);
        request.message = Some(transfer.into_template());
        self.count_response(now, peer, held, 0);
        if let Some(block) = block {
            self.give_up(block);
            self.remove_request(now, block);
        }
    }

    /// The source of a request is of no use any more.
    fn close_request_source(&mut self, source: SourceId) {
        self.sources.end(source);
        self.events.push_back(Event::SourceClosed { source });
    }

    /// What is left of a transfer whose request is gone.
    pub(in crate::coap::endpoint) fn drop_transfer(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        transfer: &Transfer,
    ) {
        self.count_response(now, peer, transfer.held(), 0);
        if let Some(source) = transfer.source() {
            self.close_request_source(source);
        }
        if let Some(block) = transfer.block {
            self.give_up(block);
            self.remove_request(now, block);
        }
        if let Some(resource) = transfer.resource
            && let Some(next) = self.uploads.leave(BodyKey::new(peer, resource), key)
        {
            self.ask_block(now, next);
        }
    }
}

/// Requests with a body in blocks. To one resource of a peer there is one at a time: RFC 7959
/// §2.5 knows no way to tell two of them apart.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Uploads {
    /// The first one of each is under way, the others wait.
    queues: BTreeMap<BodyKey, VecDeque<Key>>,
    next_tag: u16,
}

impl Uploads {
    pub(in crate::coap::endpoint) fn new(random: &mut Random) -> Self {
        Self {
            queues: BTreeMap::new(),
            next_tag: random.next_u16(),
        }
    }

    pub(in crate::coap::endpoint) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    fn tag(&mut self) -> [u8; 2] {
        self.next_tag = self.next_tag.wrapping_add(1);
        self.next_tag.to_be_bytes()
    }

    /// Says whether it is its turn.
    fn enter(&mut self, resource: BodyKey, key: Key) -> bool {
        let queue = self.queues.entry(resource).or_default();
        queue.push_back(key);
        queue.len() == 1
    }

    /// Tells whose turn it is now, if that changed.
    fn leave(&mut self, resource: BodyKey, key: Key) -> Option<Key> {
        let queue = self.queues.get_mut(&resource)?;
        let first = queue.front() == Some(&key);
        queue.retain(|other| *other != key);
        if queue.is_empty() {
            self.queues.remove(&resource);
            return None;
        }
        queue.front().copied().filter(|_| first)
    }

    /// No other transfer to this peer is to begin.
    pub(in crate::coap::endpoint) fn forget(&mut self, peer: PeerIndex) {
        while let Some((resource, _)) = self.queues.range(BodyKey::all_of(peer)).next() {
            let resource = *resource;
            self.queues.remove(&resource);
        }
    }
}
