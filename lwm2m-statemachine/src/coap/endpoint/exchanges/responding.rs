//! Requests, as the one who answers them sees it (RFC 7252 §4.2, §4.3, §4.5, §5.2).

use alloc::format;

use lwm2m_core::{Code, CodeKind, Instant};

use crate::coap::endpoint::{
    Endpoint,
    blockwise::RequestStep,
    context::OpenRequest,
    event::{
        Body, DatagramError, Event, FailureReason, Incoming, InvalidSend, Responder, SendError,
    },
    exchanges::notifications::Notification,
    keys::PeerIndex,
    messages::FirstNotification,
    table::Key,
};
use crate::{
    coap::{
        message::{MessageRef, MessageType},
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber, OptionSet},
        token::Token,
    },
    machine::{Datagram, Peer},
};

/// The options that make a request one to a proxy, which this is none of (RFC 7252 §5.7.2).
const PROXY: OptionSet = OptionSet::NONE
    .with(OptionNumber::PROXY_URI)
    .with(OptionNumber::PROXY_SCHEME);

impl<P: Peer> Endpoint<P> {
    /// Answers a request: with its acknowledgement if that was not sent yet, else separately. What
    /// came to a group is answered at some moment within DEFAULT_LEISURE, and not at all with an
    /// error (RFC 7252 §8.2).
    ///
    /// The code says what became of the request. With a refusal (4.xx, 5.01, 5.03 or 5.05) nothing
    /// was done for it: it may be run if a copy of it comes after its record went for want of
    /// room. Any other request is remembered until its end, so that it does not run twice: if
    /// something was done before it failed, answer 5.00.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn respond(
        &mut self,
        now: Instant,
        responder: Responder,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        if message.code().kind() != CodeKind::Response {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        if responder.is_repeatable {
            self.messages.spare_record(responder.record);
        }
        self.decide(now, responder.record, message)
    }

    /// Treats a request as if it had never come: no acknowledgement, no Reset, and when it comes
    /// again it is new. Too late if it was acknowledged: then it just has no answer.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn ignore(&mut self, responder: Responder) {
        let key = responder.record;
        if let Some(asking) = self.open_request(key) {
            // If it has a block of a body, that may come again.
            if self.blockwise.ignored(&asking) {
                self.messages.let_go(asking.peer);
                self.messages.spare_record(key);
            }
        }
        self.messages.ignore(key);
    }

    /// Acknowledges a request whose answer will take a while, as happens by itself after the
    /// configured delay. Does nothing if it needs none.
    pub fn acknowledge(&mut self, responder: &Responder) {
        self.messages.acknowledge(responder.record);
    }

    /// Answers a request with what becomes of it: one that is refused does no harm if it comes
    /// again.
    pub(in crate::coap::endpoint) fn decide(
        &mut self,
        now: Instant,
        key: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        if is_refusal(message.code()) {
            self.messages.spare_record(key);
        }
        self.answer(now, key, message)
    }

    /// Answers a request, with the first of several blocks if need be.
    pub(in crate::coap::endpoint) fn answer(
        &mut self,
        now: Instant,
        key: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let asking = self.open_request(key).ok_or(SendError::NotOpen)?;
        let message = self.blockwise.answer(now, &asking, message);
        let _ = self.do_steps(now);
        self.send_answer(now, key, message)
    }

    /// Answers a request with this message.
    pub(in crate::coap::endpoint) fn send_answer(
        &mut self,
        now: Instant,
        record: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let first = self.messages.answer(now, record, message);
        self.handle_outcomes(now);
        self.remember_first(now, first?);
        Ok(())
    }

    /// Answers a request with a block of a body.
    pub(in crate::coap::endpoint) fn send_block_of_body(
        &mut self,
        now: Instant,
        record: Key,
        block: BlockOption,
        message: MessageBuf,
    ) {
        let first = self.messages.answer_with_block(now, record, block, message);
        self.handle_outcomes(now);
        // Can fail only for want of a message id; the peer then has no answer.
        if let Ok(first) = first {
            self.remember_first(now, first);
        }
    }

    /// A request to observe was answered once: a Reset may name the answer (RFC 7641 §3.6).
    fn remember_first(&mut self, now: Instant, first: Option<FirstNotification>) {
        if let Some(FirstNotification {
            peer,
            token,
            message_id,
        }) = first
        {
            let id = self.take_notification_id();
            self.remember(now, peer, Notification::answered(id, token, message_id));
        }
    }

    pub(in crate::coap::endpoint) fn response_failed(
        &mut self,
        peer: PeerIndex,
        token: Token,
        reason: FailureReason,
    ) {
        if let Some(peer) = self.messages.name(peer) {
            self.events.push_back(Event::ResponseFailed {
                peer,
                token,
                reason,
            });
        }
    }

    /// A message came again.
    pub(in crate::coap::endpoint) fn repeat(&mut self, now: Instant, from: P, record: Key) {
        if let Some(served) = self.messages.repeat(from, record) {
            self.blockwise
                .serve_again(served.body, served.record, served.block);
            let _ = self.do_steps(now);
        }
    }

    /// A message with a request code.
    pub(in crate::coap::endpoint) fn receive_request<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
        message: MessageRef<'d>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let confirmable = message.kind() == MessageType::Confirmable;
        let known = self.messages.find(&datagram.from);
        if let Some(peer) = known
            && let Some(record) = self.messages.find_record(peer, &message)
        {
            self.repeat(now, datagram.from.clone(), record);
            return Ok(None);
        }
        let refusal = self.refusal(&message);
        if let Some((code, error)) = refusal
            && !confirmable
            && (datagram.multicast || code == Code::BAD_OPTION)
        {
            return Err(error);
        }
        let entered = known
            .or_else(|| self.enter(now, datagram.from.clone()))
            .filter(|peer| self.messages.make_room(*peer));
        let Some(peer) = entered else {
            if confirmable {
                let to = datagram.from.clone();
                self.messages.refuse_unrecorded(to, &message);
            }
            return Err(DatagramError::Overload);
        };
        let context = self.blockwise.context(&message, datagram.channel);
        let received = (&message, datagram.multicast);
        let record = self.messages.record_request(now, peer, received, context);
        let record = record.ok_or(DatagramError::Overload)?;
        if let Some((code, error)) = refusal {
            let mut response = MessageBuf::response(code);
            if let DatagramError::BadOption(option) = error {
                response.payload(format!("{option}").as_bytes());
            }
            // Can fail only for want of a message id; the peer then has no answer.
            let _ = self.decide(now, record, response);
            return Err(error);
        }
        let asking = OpenRequest {
            peer,
            record,
            context,
        };
        let step = if message.has(OptionNumber::BLOCK1) || message.has(OptionNumber::BLOCK2) {
            self.receive_blocks(now, &asking, &message)
        } else {
            RequestStep::Deliver(Body::Datagram(message.payload()))
        };
        Ok(self.hand_on(now, &asking, message, step))
    }

    /// Answers a request, or hands it on to the application.
    fn hand_on<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: MessageRef<'d>,
        step: RequestStep<'d>,
    ) -> Option<Incoming<'d>> {
        let record = asking.record;
        match &step {
            RequestStep::Answer(_) | RequestStep::AnswerWithBlock { .. } => {}
            _ => {
                let channel = asking.context.channel;
                self.messages.acknowledge_later(now, record, channel);
            }
        }
        let responder = Responder::new(record, &asking.context);
        match step {
            RequestStep::Deliver(body) => Some(Incoming::Request {
                responder,
                request,
                body,
            }),
            RequestStep::DeliverWhole(body, format) => Some(Incoming::Request {
                responder,
                request: request.of_body(format),
                body: Body::Assembled(body),
            }),
            RequestStep::DeliverBlock {
                transfer,
                format,
                offset,
                more,
            } => Some(Incoming::RequestBlock {
                responder,
                transfer,
                request: request.of_body(format),
                offset,
                more,
            }),
            RequestStep::Wait => None,
            RequestStep::Answer(message) => {
                if is_refusal(message.code()) {
                    self.messages.spare_record(record);
                }
                // Can fail only for want of a message id; the peer then has no answer.
                let _ = self.send_answer(now, record, message);
                None
            }
            RequestStep::AnswerWithBlock { block, message } => {
                self.send_block_of_body(now, record, block, message);
                None
            }
        }
    }

    /// Why a request is refused before the application sees it.
    fn refusal(&self, message: &MessageRef<'_>) -> Option<(Code, DatagramError)> {
        if let Some(option) = message.present().within(PROXY).first() {
            let error = DatagramError::BadOption(option);
            return Some((Code::PROXYING_NOT_SUPPORTED, error));
        }
        if let Some(option) = message.unrecognised_outside(self.config.understood) {
            return Some((Code::BAD_OPTION, DatagramError::BadOption(option)));
        }
        if message.code().method().is_none() {
            let error = DatagramError::Method(message.code());
            return Some((Code::METHOD_NOT_ALLOWED, error));
        }
        None
    }
}

/// Whether a response says that nothing was done for its request (RFC 7252 §5.9.2, §5.9.3).
const fn is_refusal(code: Code) -> bool {
    code.class() == 4
        || matches!(
            code,
            Code::NOT_IMPLEMENTED | Code::SERVICE_UNAVAILABLE | Code::PROXYING_NOT_SUPPORTED
        )
}
