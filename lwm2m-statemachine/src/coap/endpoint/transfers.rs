//! Requests whose body, or whose response's body, goes in blocks: block-wise transfer decides what
//! is next, and this does it.

use bytes::Bytes;
use lwm2m_core::{Code, CodeKind, Instant};

use super::{
    Endpoint, RequestOptions,
    blockwise::{ResponseStep, SentRequest, TransferMode},
    body::Source,
    event::{Body, Event, FailureReason, Incoming, InvalidSend, RequestId, SendError},
    exchanges::requests::{Kind, Mode, answer},
    table::Key,
};
use crate::{
    coap::{message::MessageRef, message_buf::MessageBuf},
    machine::Peer,
};

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
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        self.upload(now, to, message, Some(source), options)
    }

    /// Sends a request whose body goes in blocks: that of the message, or of the source.
    pub(super) fn upload(
        &mut self,
        now: Instant,
        to: P,
        message: MessageBuf,
        source: Option<Source>,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        let mode = Mode::new(options, self.spans.response_timeout);
        let upload = self
            .blockwise
            .upload(transfer_mode(mode), message, source)?;
        let peer = self.enter_for_request(now, to)?;
        let token = self.new_token(peer);
        let request = self.insert_request(now, peer, token, Kind::Exchange, mode)?;
        self.blockwise
            .begin_upload(now, SentRequest { peer, request }, upload);
        let _ = self.do_steps(now);
        Ok(RequestId(request))
    }

    /// Sends the body of a request in blocks that was too large as a whole, if the response says
    /// how large they are to be (RFC 7959 §2.9.3); says whether it does.
    pub(super) fn request_again_in_blocks(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: &MessageRef<'_>,
    ) -> bool {
        let Some(hint) = response
            .block1()
            .filter(|_| response.code() == Code::REQUEST_ENTITY_TOO_LARGE)
        else {
            return false;
        };
        self.arrived(now, of.peer, of.request);
        let Some(request) = self.requests.get(of.request) else {
            return false;
        };
        let mode = transfer_mode(request.mode);
        let whole = request.message.as_ref();
        let Some(Ok(whole)) = whole.map(|message| MessageRef::parse(message.as_ref())) else {
            return false;
        };
        let is_sent = self.blockwise.send_again(now, of, mode, (&whole, hint));
        let _ = self.do_steps(now);
        is_sent
    }

    /// Begins to put a response together of which a block has come.
    pub(super) fn begin_download<'d>(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let request = self.requests.get_mut(of.request)?;
        let mut mode = transfer_mode(request.mode);
        // No observation is handed on in blocks.
        mode.is_streamed &= matches!(request.kind, Kind::Exchange);
        let message = request.message.take()?;
        let step = self
            .blockwise
            .begin_download(now, of, (mode, message), &response);
        let _ = self.do_steps(now);
        self.follow(now, of, response, step)
    }

    /// The response to the request for a block.
    pub(super) fn block_answered<'d>(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let step = self.blockwise.block_answered(now, of, &response);
        let _ = self.do_steps(now);
        self.follow(now, of, response, step)
    }

    fn follow<'d>(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: MessageRef<'d>,
        step: ResponseStep,
    ) -> Option<Incoming<'d>> {
        match step {
            ResponseStep::Wait => None,
            ResponseStep::DeliverBlock { offset, format } => Some(Incoming::ResponseBlock {
                request: RequestId(of.request),
                response: response.of_body(format),
                offset,
            }),
            ResponseStep::DeliverWhole { body, format } => {
                self.transfer_done(now, of, response.of_body(format), body)
            }
            ResponseStep::Deliver => self.transfer_done(now, of, response, None),
        }
    }

    /// Sends the request for a block.
    pub(super) fn send_block(&mut self, now: Instant, request: Key, message: MessageBuf) {
        let (Some(peer), Some(of)) = (self.requests.peer(request), self.requests.get(request))
        else {
            return;
        };
        let mode = of.mode;
        let of = SentRequest { peer, request };
        let token = self.new_token(peer);
        let kind = Kind::Block { of: request };
        let sent = self
            .insert_request(now, peer, token, kind, mode)
            .and_then(|block| {
                self.blockwise.block_sent(of, block);
                self.dispatch(now, peer, block, message)
            });
        if sent.is_err() {
            self.blockwise.block_ended(of);
            self.transfer_failed(now, request, FailureReason::NotSent);
        }
    }

    /// The response is whole.
    fn transfer_done<'d>(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: MessageRef<'d>,
        body: Option<Bytes>,
    ) -> Option<Incoming<'d>> {
        let key = of.request;
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
            self.end_transfer(now, of);
        } else {
            self.remove_request(now, key)?;
        }
        Some(answer(id, response, body, first, observing))
    }

    /// The blocks of a response do not come.
    pub(super) fn transfer_failed(&mut self, now: Instant, key: Key, reason: FailureReason) {
        let (Some(request), Some(index)) = (self.requests.get(key), self.requests.peer(key)) else {
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
        let peer = self.messages.name(index);
        if over {
            self.remove_request(now, key);
        } else {
            let of = SentRequest {
                peer: index,
                request: key,
            };
            self.end_transfer(now, of);
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
    pub(super) fn end_transfer(&mut self, now: Instant, of: SentRequest) {
        let Some(message) = self.blockwise.end_transfer(now, of) else {
            return;
        };
        if let Some(request) = self.requests.get_mut(of.request) {
            request.message = Some(message);
        }
        let _ = self.do_steps(now);
    }
}

const fn transfer_mode(mode: Mode) -> TransferMode {
    TransferMode {
        channel: mode.channel,
        is_streamed: mode.streamed,
    }
}
