//! Requests, as the one who answers them sees it (RFC 7252 §4.2, §4.3, §4.5, §5.2).

use alloc::{boxed::Box, format};

use lwm2m_core::{Code, CodeKind, Instant};

use crate::coap::endpoint::{
    Endpoint, TimerKey,
    blockwise::RequestStep,
    config::after,
    context::{OpenRequest, Repetition, RequestContext},
    event::{Body, DatagramError, Event, FailureReason, Incoming, Responder, SendError},
    exchanges::notifications::Notification,
    keys::PeerIndex,
    messages::outgoing::{Purpose, Transmission},
    messages::peers::Share,
    messages::records::{Leisurely, Place, Record, State},
    table::Key,
};
use crate::{
    coap::{
        message::{MessageRef, MessageType},
        message_buf::{MessageBuf, WireMessage},
        option::{OptionNumber, OptionSet},
        token::Token,
    },
    machine::{Channel, Datagram, Peer},
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
            return Err(SendError::Code(message.code()));
        }
        if responder.is_repeatable {
            self.spare_record(responder.record);
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
                self.let_go_of_peer(asking.peer);
                self.spare_record(key);
            }
        }
        match self.records.get(key).map(|record| &record.state) {
            Some(State::Open(_)) => self.forget_record(key),
            Some(_) => self.set_record(key, State::Done),
            None => {}
        }
    }

    /// Acknowledges a request whose answer will take a while, as happens by itself after the
    /// configured delay. Does nothing if it needs none.
    pub fn acknowledge(&mut self, responder: &Responder) {
        self.acknowledge_record(responder.record);
    }

    pub(in crate::coap::endpoint) fn acknowledge_record(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        let (State::Open(asked), true) = (&record.state, record.confirmable) else {
            return;
        };
        let (asked, message_id) = (*asked, record.message_id);
        self.set_record(key, State::Acknowledged(asked));
        if let Some(name) = self
            .records
            .peer(key)
            .and_then(|peer| self.peers.name(peer))
        {
            self.outbox
                .empty(name, MessageType::Acknowledgement, message_id);
        }
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
            self.spare_record(key);
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
        key: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let (Some(record), Some(peer)) = (self.records.get(key), self.records.peer(key)) else {
            return Err(SendError::NotOpen);
        };
        let silent = record.multicast && !message.code().is_success();
        let observed = message.has(OptionNumber::OBSERVE);
        if record.repetition == Repetition::HarmfulIfObserved && !observed {
            self.spare_record(key);
        }
        let Some(record) = self.records.get(key) else {
            return Err(SendError::NotOpen);
        };
        match (&record.state, record.confirmable) {
            (State::Open(asked), true) => {
                let kind = MessageType::Acknowledgement;
                let wire = message.finish(kind, record.message_id, asked.token);
                self.send_acknowledging(peer, key, wire);
                Ok(())
            }
            (State::Open(asked), false) => {
                let token = asked.token;
                let wire = message.finish(MessageType::NonConfirmable, 0, token);
                if silent {
                    self.set_record(key, State::Done);
                    return Ok(());
                }
                if record.multicast {
                    self.send_at_leisure(now, peer, key, wire);
                    return Ok(());
                }
                self.set_record(key, State::Done);
                self.send_non_confirmable(now, peer, token, wire, observed)
            }
            (State::Acknowledged(asked), _) => {
                let (token, channel) = (asked.token, asked.channel);
                let wire = message.finish(MessageType::Confirmable, 0, token);
                self.set_record(key, State::Done);
                if channel == Channel::Sms {
                    // It would not be sent again anyway.
                    return self.send_non_confirmable(now, peer, token, wire, observed);
                }
                if !self.may_transmit(peer, Share::Answers) {
                    return Err(SendError::TooManyMessages);
                }
                let purpose = Purpose::Response(token);
                self.transmit(now, peer, Transmission::new(wire, purpose));
                Ok(())
            }
            (State::AtLeisure(_) | State::Answered(_) | State::Served { .. } | State::Done, _) => {
                Err(SendError::NotOpen)
            }
        }
    }

    /// Sends an answer as the acknowledgement of its request, and keeps it in case that comes again,
    /// if there is room.
    fn send_acknowledging(&mut self, peer: PeerIndex, key: Key, mut answer: WireMessage) {
        let Some(name) = self.peers.name(peer) else {
            return;
        };
        answer.compact();
        if self.make_room_for_answer(peer, answer.size()) {
            self.set_record(key, State::Answered(answer));
            self.outbox.record(name, key);
        } else {
            self.set_record(key, State::Done);
            self.let_answer_go(key);
            self.outbox.message(name, answer);
        }
    }

    /// Sends an answer once. With an Observe option it is the first of the notifications, which
    /// the peer may reject (RFC 7641 §3.6).
    fn send_non_confirmable(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        token: Token,
        answer: WireMessage,
        observed: bool,
    ) -> Result<(), SendError> {
        let kind = MessageType::NonConfirmable;
        let message_id = self.send_once(now, peer, Share::Answers, kind, answer)?;
        if observed {
            let id = self.take_notification_id();
            self.remember(now, peer, Notification::answered(id, token, message_id));
        }
        Ok(())
    }

    /// Answers a group's request at some moment within DEFAULT_LEISURE (RFC 7252 §8.2); not at
    /// all, if there is no room to keep the answer until then.
    fn send_at_leisure(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        mut answer: WireMessage,
    ) {
        answer.compact();
        if !self.make_room_for_answer(peer, answer.size()) {
            self.set_record(key, State::Done);
            return;
        }
        let leisure = self.random.up_to(self.spans.leisure);
        let mut deadline = None;
        self.timers.set(
            TimerKey::Leisure(key),
            &mut deadline,
            Some(after(now, leisure)),
        );
        let leisurely = Box::new(Leisurely {
            answer: Some(answer),
            deadline,
        });
        self.set_record(key, State::AtLeisure(leisurely));
    }

    /// The answer to a group's request may go.
    pub(in crate::coap::endpoint) fn leisure_over(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.records.peer(key) else {
            return;
        };
        let answer = self
            .peers
            .get_mut(peer)
            .and_then(|peer| self.records.take_leisurely(key, &mut peer.records));
        if let Some(answer) = answer {
            let kind = MessageType::NonConfirmable;
            // Can fail only for want of a message id; the peer then has no answer.
            let _ = self.send_once(now, peer, Share::Answers, kind, answer);
        }
    }

    pub(in crate::coap::endpoint) fn response_failed(
        &mut self,
        peer: PeerIndex,
        token: Token,
        reason: FailureReason,
    ) {
        if let Some(peer) = self.peers.name(peer) {
            self.events.push_back(Event::ResponseFailed {
                peer,
                token,
                reason,
            });
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
        let known = self.peers.find(&datagram.from);
        if let Some(record) = known.and_then(|peer| self.find_record(peer, &message)) {
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
            .filter(|peer| self.make_room(*peer));
        let Some(peer) = entered else {
            if confirmable {
                let refused = MessageBuf::response(Code::SERVICE_UNAVAILABLE).finish(
                    MessageType::Acknowledgement,
                    message.message_id(),
                    message.token(),
                );
                self.outbox.message(datagram.from.clone(), refused);
            }
            return Err(DatagramError::Overload);
        };

        let context = RequestContext::new(&message, datagram.channel, self.fingerprints);
        let record = Record {
            message_id: message.message_id(),
            confirmable,
            multicast: datagram.multicast,
            repetition: context.repetition(&message),
            mark: self.records.mark(&message),
            state: State::Open(context),
            place: Place::default(),
        };
        let end = self.end_of_record(now, confirmable);
        let Some(state) = self.peers.get_mut(peer) else {
            return Err(DatagramError::Overload);
        };
        let key = self.records.insert(peer, &mut state.records, record, end);
        if let Some((code, error)) = refusal {
            let mut response = MessageBuf::response(code);
            if let DatagramError::BadOption(option) = error {
                response.payload(format!("{option}").as_bytes());
            }
            // Can fail only for want of a message id; the peer then has no answer.
            let _ = self.decide(now, key, response);
            return Err(error);
        }
        let asking = OpenRequest {
            peer,
            record: key,
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
            // An SMS is too dear to say only that an answer will come, and does not get lost so
            // easily.
            _ if asking.context.channel == Channel::Sms => {}
            _ if request.kind() == MessageType::Confirmable => {
                let deadline = after(now, self.spans.acknowledgement_delay);
                self.records.acknowledge_at(record, deadline);
            }
            _ => {}
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
                    self.spare_record(record);
                }
                // Can fail only for want of a message id; the peer then has no answer.
                let _ = self.send_answer(now, record, message);
                None
            }
            RequestStep::AnswerWithBlock { block, message } => {
                self.send_block_of_body(now, asking, block, message);
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
