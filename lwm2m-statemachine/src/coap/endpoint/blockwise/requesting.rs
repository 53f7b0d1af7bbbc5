//! Our requests that take several exchanges: each block is a separate request on behalf of the
//! application's request (RFC 7959 §2.4, §2.5, §2.6).

mod transfers;
mod uploads;

use alloc::collections::BTreeMap;

use bytes::Bytes;
use lwm2m_core::{Code, Instant, Method};

use self::{transfers::Transfers, uploads::Uploads};
use super::{
    limits::{LARGEST, Room, Sizes, Times},
    message::{self, BlockOptions, REQUEST_TAG},
    step::{ResponseStep, SentRequest, Step, Steps, SuppliedBlock},
    transfer::{Ask, Content, Transfer, TransferStep},
};
use crate::{
    coap::{
        endpoint::{
            Usage,
            body::{Source, SourceId},
            config::Config,
            event::{FailureReason, InvalidSend, SendError},
            fingerprint,
            keys::{BodyKey, PeerIndex},
            table::Key,
        },
        message::{MessageRef, MessageType},
        message_buf::{MessageBuf, WireMessage},
        option::{BlockOption, OptionNumber},
        token::Token,
    },
    machine::{Channel, KeyedState},
};

/// Handles requests whose body, or whose response's body, is transferred in blocks.
#[derive(Debug)]
pub(super) struct Requesting {
    transfers: Transfers,
    uploads: Uploads,
    /// The requests whose body the application supplies.
    sources: BTreeMap<SourceId, SentRequest>,
    sizes: Sizes,
    fingerprints: KeyedState,
}

/// How a request and its blocks are sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::coap::endpoint) struct TransferMode {
    pub(in crate::coap::endpoint) channel: Channel,
    /// Whether the application takes the blocks of the response one by one.
    pub(in crate::coap::endpoint) is_streamed: bool,
}

/// A body that is ready to be sent in blocks.
#[derive(Debug)]
#[must_use = "it has to be begun"]
pub(in crate::coap::endpoint) struct Upload {
    transfer: Transfer,
    channel: Channel,
}

impl Requesting {
    pub(super) fn new(config: &Config, first_tag: u16, fingerprints: KeyedState) -> Self {
        let sizes = Sizes::new(config);
        let (room, times) = (Room::of_responses(config), Times::new(config));
        Self {
            transfers: Transfers::new(sizes, room, times),
            uploads: Uploads::new(first_tag),
            sources: BTreeMap::new(),
            sizes,
            fingerprints,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.transfers.is_empty() && self.uploads.is_empty()
    }

    /// Adds how much is held.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        usage.sources = usage.sources.saturating_add(self.sources.len());
        self.transfers.add_usage(usage);
    }

    /// The request of a transfer as it would be without blocks.
    pub(super) fn template(&self, of: SentRequest) -> Option<&WireMessage> {
        let transfer = self.transfers.get(of)?;
        Some(transfer.template())
    }

    /// Whether nothing of the body of this request was sent yet.
    pub(super) fn is_unsent(&self, of: SentRequest, waits: impl Fn(Key) -> bool) -> bool {
        let transfer = self.transfers.get(of);
        transfer.is_some_and(|transfer| transfer.is_unsent(waits))
    }

    /// Whether this request takes several exchanges.
    pub(super) fn contains(&self, of: SentRequest) -> bool {
        self.transfers.contains(of)
    }

    /// The request whose body comes from this source.
    pub(super) fn of_source(&self, source: SourceId) -> Option<SentRequest> {
        self.sources.get(&source).copied()
    }

    /// Whether the body of this request is sent in blocks: it doesn't fit into one message, the
    /// method isn't GET, and there is no Block1 option, with which the application handles blocks
    /// itself.
    pub(super) fn is_large(&self, channel: Channel, message: &MessageBuf) -> bool {
        !self.sizes.fits(channel, message, 0)
            && !message.payload_bytes().is_empty()
            && message.code().method() != Some(Method::Get)
            && !message.has(OptionNumber::BLOCK1)
    }

    /// Requests smaller blocks from the server from the first one on, if the preferred size isn't
    /// the largest (RFC 7959 §2.4, early negotiation).
    pub(super) fn prefer_blocks(&self, channel: Channel, message: &mut MessageBuf) {
        let size = self.sizes.preferred_of_peer(channel);
        if size == LARGEST
            || message.code().method() != Some(Method::Get)
            || message.has(OptionNumber::BLOCK2)
        {
            return;
        }
        if let Some(block) = BlockOption::new(0, false, size) {
            let options = BlockOptions {
                block2: Some(block),
                ..BlockOptions::default()
            };
            *message = message::with(message, options);
        }
    }

    /// Prepares to send the body of a message, or of a source, in blocks.
    pub(super) fn upload(
        &mut self,
        mode: TransferMode,
        message: MessageBuf,
        source: Option<Source>,
    ) -> Result<Upload, SendError> {
        let (mut head, body) = message.split_payload();
        let body = source.map_or(Content::Bytes(body), Content::Source);
        let resource = self.begin_body(&mut head);
        let size = self.sizes.preferred(mode.channel, &head, body.size());
        let largest = size.saturating_mul(BlockOption::MAX_NUMBER as usize + 1);
        if body.size().is_some_and(|length| length as usize > largest) {
            return Err(SendError::Invalid(InvalidSend::TooLarge));
        }
        let template = head.finish(MessageType::Confirmable, 0, Token::EMPTY);
        Ok(Upload {
            transfer: Transfer::upload(template, body, size, mode.is_streamed, resource),
            channel: mode.channel,
        })
    }

    /// Returns the fingerprint of the resource that the body is sent to, and adds a Request-Tag.
    /// The tag can't be added if the message already has an option with a higher number; then only
    /// the order of transfers keeps them apart.
    fn begin_body(&mut self, head: &mut MessageBuf) -> u64 {
        let resource = fingerprint::of_resource(head.code(), head.options(), self.fingerprints);
        let _ = head.option(REQUEST_TAG, &self.uploads.tag());
        resource
    }

    /// Begins to send the body of this request, or queues it.
    pub(super) fn begin_upload(
        &mut self,
        now: Instant,
        of: SentRequest,
        upload: Upload,
        steps: &mut Steps,
    ) {
        let Upload { transfer, channel } = upload;
        if let Some(source) = transfer.source() {
            self.sources.insert(source, of);
        }
        let resource = transfer.resource;
        self.transfers.insert(of, transfer, channel);
        let is_next = resource.is_some_and(|resource| {
            let resource = BodyKey::new(of.peer, resource);
            self.uploads.enter(resource, of.request)
        });
        if is_next {
            self.ask(now, of, steps);
        }
    }

    /// Sends the body of a request in blocks that was too large in one message; `hint` has the size
    /// that the server wants (RFC 7959 §2.9.3). Returns whether that is possible.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        of: SentRequest,
        mode: TransferMode,
        (whole, hint): (&MessageRef<'_>, BlockOption),
        steps: &mut Steps,
    ) -> bool {
        let body = whole.payload();
        if body.len() <= hint.size() || whole.code() == Code::GET || whole.has(OptionNumber::BLOCK1)
        {
            return false;
        }
        let body = Content::Bytes(Bytes::copy_from_slice(body));
        let options = BlockOptions::default();
        let mut head = message::message(whole.code(), whole.options(), options, &[]);
        let resource = self.begin_body(&mut head);
        let size = self.sizes.preferred(mode.channel, &head, body.size());
        let size = size.min(hint.size());
        let template = head.finish(MessageType::Confirmable, 0, Token::EMPTY);
        let upload = Upload {
            transfer: Transfer::upload(template, body, size, mode.is_streamed, resource),
            channel: mode.channel,
        };
        self.begin_upload(now, of, upload, steps);
        true
    }

    /// The first block of a response has arrived. `template` is the request as it was sent.
    pub(super) fn begin_download(
        &mut self,
        now: Instant,
        of: SentRequest,
        (mode, template): (TransferMode, WireMessage),
        response: &MessageRef<'_>,
        steps: &mut Steps,
    ) -> ResponseStep {
        let TransferMode {
            channel,
            is_streamed,
        } = mode;
        self.transfers
            .begin_download(of, channel, template, is_streamed);
        let step = self.transfers.take(now, of, response, steps);
        self.follow(now, of, step, steps)
    }

    /// The request for a block was sent.
    pub(super) fn block_sent(&mut self, of: SentRequest, block: Key) {
        if let Some(transfer) = self.transfers.get_mut(of) {
            transfer.block = Some(block);
        }
    }

    /// The request for a block has ended.
    pub(super) fn block_ended(&mut self, of: SentRequest) {
        if let Some(transfer) = self.transfers.get_mut(of) {
            transfer.block = None;
        }
    }

    /// The response to the request for a block has arrived.
    pub(super) fn block_answered(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: &MessageRef<'_>,
        steps: &mut Steps,
    ) -> ResponseStep {
        let source = self.source_of(of);
        let step = self.transfers.take(now, of, response, steps);
        if let Some(source) = source
            && self.source_of(of).is_none()
        {
            self.close(source, steps);
        }
        self.follow(now, of, step, steps)
    }

    fn source_of(&mut self, of: SentRequest) -> Option<SourceId> {
        self.transfers.get_mut(of)?.source()
    }

    /// A source isn't needed any more.
    fn close(&mut self, source: SourceId, steps: &mut Steps) {
        self.sources.remove(&source);
        steps.push(Step::SourceClosed(source));
    }

    fn follow(
        &mut self,
        now: Instant,
        of: SentRequest,
        step: Option<TransferStep>,
        steps: &mut Steps,
    ) -> ResponseStep {
        match step {
            Some(TransferStep::Next) => {
                self.ask(now, of, steps);
                ResponseStep::Wait
            }
            Some(TransferStep::Block { offset, format }) => {
                self.ask(now, of, steps);
                ResponseStep::DeliverBlock { offset, format }
            }
            Some(TransferStep::Whole { body, format }) => {
                ResponseStep::DeliverWhole { body, format }
            }
            Some(TransferStep::Done) => ResponseStep::Deliver,
            Some(TransferStep::Failed(reason)) => {
                let request = of.request;
                steps.push(Step::TransferFailed { request, reason });
                ResponseStep::Wait
            }
            None => ResponseStep::Wait,
        }
    }

    /// Sends the next block, or asks the application or the peer for it.
    fn ask(&mut self, now: Instant, of: SentRequest, steps: &mut Steps) {
        let Some(transfer) = self.transfers.get_mut(of) else {
            return;
        };
        let ask = transfer.ask(|| self.uploads.tag());
        if let Ask::Source { .. } = ask {
            self.transfers.await_supply(now, of, true);
        }
        steps.push(ask.into_step(of));
    }

    /// The application supplies a block of a request's body.
    pub(super) fn supply(
        &mut self,
        now: Instant,
        of: SentRequest,
        block: SuppliedBlock<'_>,
        steps: &mut Steps,
    ) -> Result<(), SendError> {
        let transfer = self.transfers.get_mut(of).ok_or(SendError::NoSource)?;
        let ask = transfer
            .supplied(block)
            .ok_or(SendError::Invalid(InvalidSend::BlockNotWanted))?;
        self.transfers.await_supply(now, of, false);
        steps.push(ask.into_step(of));
        Ok(())
    }

    /// The application can't supply the body of a request.
    pub(super) fn abort(of: SentRequest, steps: &mut Steps) {
        steps.push(Step::TransferFailed {
            request: of.request,
            reason: FailureReason::Aborted,
        });
    }

    /// Ends a transfer because it is complete or its request is gone, and starts the next one to
    /// the same resource. Returns the template of the request if there was a transfer.
    pub(super) fn end(
        &mut self,
        now: Instant,
        of: SentRequest,
        steps: &mut Steps,
    ) -> Option<WireMessage> {
        let transfer = self.transfers.remove(now, of)?;
        if let Some(source) = transfer.source() {
            self.close(source, steps);
        }
        if let Some(block) = transfer.block {
            steps.push(Step::EndBlockRequest(block));
        }
        if let Some(resource) = transfer.resource
            && let resource = BodyKey::new(of.peer, resource)
            && let Some(request) = self.uploads.leave(resource, of.request)
        {
            self.ask(now, SentRequest { request, ..of }, steps);
        }
        Some(transfer.into_template())
    }

    /// Removes the queued uploads to this peer.
    pub(super) fn forget_uploads(&mut self, peer: PeerIndex) {
        self.uploads.forget(peer);
    }

    /// The next deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.transfers.next_deadline()
    }

    /// The next deadline, if it has passed at `now`.
    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        self.transfers.peek_due(now)
    }

    /// All that is due has been done.
    pub(super) fn end_due(&mut self) {
        self.transfers.end_due();
    }

    /// Gives up the transfer that was too slow.
    pub(super) fn handle_due(&mut self, now: Instant, steps: &mut Steps) {
        if let Some((of, reason)) = self.transfers.pop_due(now) {
            let request = of.request;
            steps.push(Step::TransferFailed { request, reason });
        }
    }
}
