//! Requests, as the one who makes them sees it: matching of responses (RFC 7252 §5.2, §5.3) and
//! notifications (RFC 7641 §3).

mod entries;

use lwm2m_core::{Code, CodeKind, Instant};

pub(in crate::coap::endpoint) use self::entries::{Kind, Mode, Request, Requests};

use crate::coap::endpoint::{
    Endpoint, RequestOptions, TimerKey,
    blockwise::{SentRequest, is_in_blocks},
    config::after,
    event::{
        Body, DatagramError, Event, FailureReason, Incoming, InvalidSend, Overload, RequestId,
        SendError,
    },
    exchanges::freshness::Newest,
    keys::PeerIndex,
    messages::{IdOwner, Purpose, Transmission},
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

/// The critical options that a response may carry.
const UNDERSTOOD: OptionSet = OptionSet::NONE
    .with(OptionNumber::BLOCK2)
    .with(OptionNumber::BLOCK1);

impl<P: Peer> Endpoint<P> {
    /// Sends a request; its token is chosen here. It has exactly one outcome:
    /// [`Incoming::Response`], [`Incoming::RequestReset`], [`Event::RequestFailed`], or its
    /// [cancellation](Self::cancel). With Observe: 0 in the message it is an observation: after a
    /// response that says so, notifications follow.
    pub fn request(
        &mut self,
        now: Instant,
        to: P,
        mut message: MessageBuf,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        if message.code().kind() != CodeKind::Request {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        if let Some(RequestId(observation)) = options.cancels {
            return self.request_cancellation(now, &to, message, options, observation);
        }
        if self.blockwise.is_large(options.channel, &message) {
            return self.upload(now, to, message, None, options);
        }
        let peer = self.enter_for_request(now, to)?;
        let (token, kind) = (self.new_token(peer), kind_of(&message));
        self.blockwise.prefer_blocks(options.channel, &mut message);
        let mode = Mode::new(options, self.spans.response_timeout);
        let key = self.insert_request(now, peer, token, kind, mode)?;
        self.dispatch(now, peer, key, message)?;
        Ok(RequestId(key))
    }

    /// Sends the request that ends an observation; if that is not possible, the observation stays.
    fn request_cancellation(
        &mut self,
        now: Instant,
        to: &P,
        mut message: MessageBuf,
        options: RequestOptions,
        observation: Key,
    ) -> Result<RequestId, SendError> {
        let token = self
            .requests
            .get(observation)
            .filter(|request| matches!(request.kind, Kind::Observation { .. }))
            .map(|request| request.token);
        let peer = self.requests.peer(observation);
        let (Some(token), Some(peer), true) = (token, peer, self.messages.find(to) == peer) else {
            return Err(SendError::NoObservation);
        };
        self.blockwise.prefer_blocks(options.channel, &mut message);
        let mode = Mode::new(options, self.spans.response_timeout);
        // For a moment both have the token. The bound holds: one takes the place of the other.
        let key = self.insert_request(now, peer, token, Kind::Cancellation, mode)?;
        self.dispatch(now, peer, key, message)?;
        self.remove_request(now, observation);
        Ok(RequestId(key))
    }

    /// Sends the message of a request; forgets the request if that is not possible.
    pub(in crate::coap::endpoint) fn dispatch(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let request = self.requests.get_mut(key).ok_or(SendError::NotOpen)?;
        let (token, mode, kind) = (request.token, request.mode, request.kind);
        let message_type = if mode.confirmable {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        let wire = message.finish(message_type, 0, token);
        if mode.channel == Channel::Udp {
            let transmission = if mode.confirmable {
                Transmission::confirmable(wire, Purpose::Request(key))
            } else {
                Transmission::non_confirmable(wire, key)
            };
            self.transmit_request(now, peer, key, transmission);
            return Ok(());
        }
        if !matches!(kind, Kind::Block { .. }) {
            request.message = Some(wire.clone());
        }
        match self.messages.send_once(now, peer, message_type, wire) {
            Ok(message_id) => {
                let owner = IdOwner::Request(key);
                self.messages.set_id_owner(peer, message_id, owner);
                if let Some(request) = self.requests.get_mut(key) {
                    request.message_id = Some(message_id);
                }
                self.await_response(now, key);
                Ok(())
            }
            Err(error) => {
                self.remove_request(now, key);
                Err(error)
            }
        }
    }

    fn transmit_request(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        transmission: Transmission,
    ) {
        let transmission = self.messages.transmit(now, peer, transmission);
        if let Some(request) = self.requests.get_mut(key) {
            request.transmission = transmission;
        }
        self.handle_outcomes(now);
    }

    /// Asks whether the peer is there, by an Empty confirmable message (RFC 7252 §4.3). If it is,
    /// the outcome is [`Incoming::RequestReset`]. Over SMS it is sent once (TS 8.6.2).
    pub fn ping(&mut self, now: Instant, to: P, channel: Channel) -> Result<RequestId, SendError> {
        let peer = self.enter_for_request(now, to)?;
        let options = RequestOptions {
            channel,
            ..RequestOptions::default()
        };
        let mode = Mode::new(options, self.spans.response_timeout);
        let key = self.insert_request(now, peer, Token::EMPTY, Kind::Ping, mode)?;
        self.dispatch(now, peer, key, MessageBuf::with_capacity(Code::EMPTY, 0))?;
        Ok(RequestId(key))
    }

    /// Forgets a request that has no outcome yet, or an observation; no event follows. If the
    /// response or a notification still comes, it is rejected with a Reset, which ends an
    /// observation (RFC 7641 §3.6). False if there is no such request any more.
    pub fn cancel(&mut self, now: Instant, request: RequestId) -> bool {
        self.give_up(request.0);
        self.remove_request(now, request.0).is_some()
    }

    /// Takes back a transmission.
    pub(in crate::coap::endpoint) fn end_transmission(
        &mut self,
        now: Instant,
        key: Key,
    ) -> Option<Transmission> {
        let transmission = self.messages.end_transmission(now, key);
        self.handle_outcomes(now);
        transmission
    }

    /// A non-confirmable request is outstanding no more. Its response may still come.
    pub(in crate::coap::endpoint) fn probed(
        &mut self,
        peer: PeerIndex,
        transmission: Transmission,
    ) {
        if let Purpose::Request(key) = transmission.purpose
            && let Some(request) = self.requests.get_mut(key)
        {
            request.transmission = None;
            request.message = Some(transmission.message);
            request.message_id = Some(transmission.message_id);
            let owner = IdOwner::Request(key);
            self.messages
                .set_id_owner(peer, transmission.message_id, owner);
        }
    }

    pub(in crate::coap::endpoint) fn transmission_failed(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        transmission: Transmission,
        reason: FailureReason,
    ) {
        match transmission.purpose {
            Purpose::Request(request) => self.fail_request(now, request, reason),
            Purpose::Response(token) => self.response_failed(peer, token, reason),
            Purpose::Probe => {}
            Purpose::Notification { id, token } => {
                self.notification_failed(peer, id, token, reason);
                if let Some(newer) = transmission.newer {
                    self.notification_failed(peer, newer.id, token, reason);
                }
            }
        }
    }

    /// Nothing is expected of the peer any more, as far as the request goes.
    pub(in crate::coap::endpoint) fn give_up(&mut self, key: Key) {
        if let Some(request) = self.requests.get_mut(key)
            && let Some(transmission) = request.transmission
            && self.messages.leave_probe(transmission)
        {
            request.transmission = None;
        }
    }

    pub(in crate::coap::endpoint) fn enter_for_request(
        &mut self,
        now: Instant,
        to: P,
    ) -> Result<PeerIndex, Overload> {
        let peer = self.enter(now, to).ok_or(Overload::Peers)?;
        let exchanges = self.messages.exchanges(peer);
        let requests = exchanges.map_or(0, |exchanges| exchanges.requests.len());
        if requests >= self.config.bounds.requests_per_peer {
            self.messages.release(peer);
            return Err(Overload::Messages);
        }
        Ok(peer)
    }

    /// A token that no request to this peer has.
    pub(in crate::coap::endpoint) fn new_token(&mut self, peer: PeerIndex) -> Token {
        loop {
            let token = Token::from_random(self.messages.random().next_u64());
            if self.requests.find(peer, token).is_none() {
                return token;
            }
        }
    }

    pub(in crate::coap::endpoint) fn insert_request(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        token: Token,
        kind: Kind,
        mode: Mode,
    ) -> Result<Key, SendError> {
        let request = Request {
            token,
            kind,
            mode,
            transmission: None,
            message_id: None,
            deadline: None,
            message: None,
        };
        let exchanges = self
            .messages
            .start_exchange(now, peer)
            .ok_or(SendError::NotOpen)?;
        Ok(self.requests.insert(peer, &mut exchanges.requests, request))
    }

    /// The request is there, or was sent once: its response is waited for from now on.
    pub(in crate::coap::endpoint) fn await_response(&mut self, now: Instant, key: Key) {
        if let Some(request) = self.requests.get_mut(key) {
            let deadline = after(now, request.mode.timeout);
            self.timers.set(
                TimerKey::Request(key),
                &mut request.deadline,
                Some(deadline),
            );
        }
    }

    /// No response came in time.
    pub(in crate::coap::endpoint) fn request_due(&mut self, now: Instant, key: Key) {
        if let Some(request) = self.requests.get_mut(key) {
            request.deadline = None;
            self.fail_request(now, key, FailureReason::Timeout);
        }
    }

    pub(in crate::coap::endpoint) fn fail_request(
        &mut self,
        now: Instant,
        key: Key,
        reason: FailureReason,
    ) {
        self.give_up(key);
        if let Some(of) = self.end_block(now, key) {
            self.transfer_failed(now, of, reason);
            return;
        }
        let peer = self
            .requests
            .peer(key)
            .and_then(|peer| self.messages.name(peer));
        if self.remove_request(now, key).is_some()
            && let Some(peer) = peer
        {
            self.events.push_back(Event::RequestFailed {
                request: RequestId(key),
                peer,
                reason,
            });
        }
    }

    /// Forgets a request and all that was done for it.
    pub(in crate::coap::endpoint) fn remove_request(
        &mut self,
        now: Instant,
        key: Key,
    ) -> Option<Request> {
        let peer = self.requests.peer(key)?;
        self.arrived(now, peer, key);
        let exchanges = self.messages.exchanges_mut(peer)?;
        let request = self.requests.remove(key, &mut exchanges.requests)?;
        let of = SentRequest { peer, request: key };
        if self.blockwise.end_transfer(now, of).is_some() {
            let _ = self.do_steps(now);
        }
        self.messages.settle(now, peer);
        Some(request)
    }

    /// Forgets a request for a block; tells whose it was.
    pub(in crate::coap::endpoint) fn end_block(&mut self, now: Instant, key: Key) -> Option<Key> {
        let Kind::Block { of } = self.requests.get(key)?.kind else {
            return None;
        };
        let peer = self.requests.peer(key)?;
        self.remove_request(now, key)?;
        self.blockwise
            .block_ended(SentRequest { peer, request: of });
        Some(of)
    }

    /// The request need not be sent again, and its response not be waited for.
    pub(in crate::coap::endpoint) fn arrived(&mut self, now: Instant, peer: PeerIndex, key: Key) {
        let Some(request) = self.requests.get_mut(key) else {
            return;
        };
        self.timers
            .set(TimerKey::Request(key), &mut request.deadline, None);
        if let Some(message_id) = request.message_id.take() {
            let owner = IdOwner::Request(key);
            self.messages.clear_id_owner(peer, message_id, owner);
        }
        if let Some(transmission) = request.transmission.take()
            && let Some(transmission) = self.end_transmission(now, transmission)
            && let Some(request) = self.requests.get_mut(key)
        {
            request.message = Some(transmission.message);
        }
    }

    /// The peer has the request, and will answer it separately.
    pub(in crate::coap::endpoint) fn request_acknowledged(
        &mut self,
        now: Instant,
        key: Key,
        message: WireMessage,
    ) -> Option<Incoming<'static>> {
        let request = self.requests.get_mut(key)?;
        request.transmission = None;
        request.message = Some(message);
        if matches!(request.kind, Kind::Ping) {
            // Should have been a Reset; the peer is there all the same.
            self.remove_request(now, key)?;
            return Some(Incoming::RequestReset {
                request: RequestId(key),
            });
        }
        self.await_response(now, key);
        None
    }

    /// A message with a response code.
    pub(in crate::coap::endpoint) fn receive_response<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
        message: MessageRef<'d>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let peer = self.messages.find(&datagram.from);
        let bad_option = message
            .unrecognised_outside(UNDERSTOOD)
            .or_else(|| reserved_size(&message));
        if message.kind() == MessageType::Acknowledgement {
            return self.receive_piggybacked(now, datagram, message, bad_option);
        }
        if let Some(peer) = peer
            && let Some(record) = self.messages.find_record(peer, &message)
        {
            self.repeat(now, datagram.from.clone(), record);
            return Ok(None);
        }
        let confirmable = message.kind() == MessageType::Confirmable;
        if let Some(option) = bad_option {
            if confirmable {
                self.messages.reject(datagram, message.message_id());
            }
            return Err(DatagramError::BadOption(option));
        }
        let found = peer.and_then(|peer| Some((peer, self.requests.find(peer, message.token())?)));
        let Some((peer, key)) = found else {
            self.messages.reject(datagram, message.message_id());
            return Err(DatagramError::Unmatched);
        };
        self.messages.record_response(now, peer, &message);
        if confirmable {
            let to = datagram.from.clone();
            self.messages.send_acknowledgement(to, message.message_id());
        }
        Ok(self.deliver(now, peer, key, message))
    }

    /// The request whose message has this owner of its id.
    fn request_of(&self, owner: IdOwner) -> Option<Key> {
        match owner {
            IdOwner::Request(key) => Some(key),
            IdOwner::Transmission(key) => match self.messages.transmission(key)?.purpose {
                Purpose::Request(key) => Some(key),
                Purpose::Response(_) | Purpose::Notification { .. } | Purpose::Probe => None,
            },
            IdOwner::Notification(_) => None,
        }
    }

    fn receive_piggybacked<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
        message: MessageRef<'d>,
        bad_option: Option<OptionNumber>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let message_id = message.message_id();
        let (peer, owner) = self.messages.id_owner(&datagram.from, message_id)?;
        let Some(request) = self.request_of(owner) else {
            // It acknowledges a response of ours; what else it carries is ignored
            // (RFC 7252 §5.2.2).
            return self.receive_acknowledgement(now, datagram, message_id);
        };
        if let Some(option) = bad_option {
            return Err(DatagramError::BadOption(option));
        }
        self.requests
            .get(request)
            .filter(|request| request.token == message.token())
            .filter(|request| !matches!(request.kind, Kind::Ping))
            .ok_or(DatagramError::Unmatched)?;
        Ok(self.deliver(now, peer, request, message))
    }

    /// Hands out a response that belongs to this request.
    fn deliver<'d>(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let kind = self.requests.get(key)?.kind;
        let of = SentRequest { peer, request: key };
        let sequence = response.observe().filter(|_| response.code().is_success());
        match (kind, sequence) {
            (Kind::Block { of: request }, _) => {
                self.end_block(now, key)?;
                self.block_answered(now, SentRequest { request, ..of }, response)
            }
            (Kind::Observation { over: true, .. }, _) => None,
            (Kind::Observation { .. }, Some(sequence)) => {
                self.notified(now, of, sequence, response)
            }
            // A notification that was under way when the observation was cancelled.
            (Kind::Cancellation, Some(_)) if response.kind() != MessageType::Acknowledgement => {
                None
            }
            _ if is_in_blocks(&response) => self.answered_in_blocks(now, of, response),
            (Kind::Exchange | Kind::Cancellation, _) if self.blockwise.has_transfer(of) => None,
            (Kind::Exchange, _) if self.request_again_in_blocks(now, of, &response) => None,
            _ => {
                self.remove_request(now, key)?;
                let first = !matches!(kind, Kind::Observation { answered: true, .. });
                let body = Body::Datagram(response.payload());
                Some(answer(RequestId(key), response, body, first, false))
            }
        }
    }

    /// Hands out an answer to an observation that goes on, unless a newer one came before.
    fn notified<'d>(
        &mut self,
        now: Instant,
        of: SentRequest,
        sequence: u32,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let request = self.requests.get_mut(of.request)?;
        let Kind::Observation {
            newest, answered, ..
        } = &mut request.kind
        else {
            return None;
        };
        if newest.is_some_and(|newest| !newest.is_before(sequence, now)) {
            return None;
        }
        let is_large = is_in_blocks(&response);
        let first = !*answered;
        *newest = Some(Newest::new(sequence, now));
        *answered |= !is_large;
        // The blocks of an older answer are of no use any more.
        self.end_transfer(now, of);
        self.arrived(now, of.peer, of.request);
        if is_large {
            return self.begin_download(now, of, response);
        }
        let body = Body::Datagram(response.payload());
        Some(answer(RequestId(of.request), response, body, first, true))
    }

    /// The first block of the last answer to a request has come.
    fn answered_in_blocks<'d>(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let request = self.requests.get_mut(of.request)?;
        if let Kind::Observation { over, .. } = &mut request.kind {
            *over = true;
        } else if self.blockwise.has_transfer(of) {
            // Its response has come already, and is being put together.
            return None;
        }
        self.end_transfer(now, of);
        self.arrived(now, of.peer, of.request);
        self.begin_download(now, of, response)
    }
}

pub(in crate::coap::endpoint) fn answer<'d>(
    request: RequestId,
    response: MessageRef<'d>,
    body: Body<'d>,
    first: bool,
    observing: bool,
) -> Incoming<'d> {
    if first {
        Incoming::Response {
            request,
            response,
            body,
            observing,
        }
    } else {
        Incoming::Notification {
            request,
            response,
            body,
            observing,
        }
    }
}

/// A block option whose size is the reserved one: the message is treated as one with an option
/// that is not understood (RFC 7959 §2.2).
fn reserved_size(message: &MessageRef<'_>) -> Option<OptionNumber> {
    if message.has(OptionNumber::BLOCK2) && message.block2().is_none() {
        return Some(OptionNumber::BLOCK2);
    }
    (message.has(OptionNumber::BLOCK1) && message.block1().is_none())
        .then_some(OptionNumber::BLOCK1)
}

fn kind_of(message: &MessageBuf) -> Kind {
    let observe = message.has(OptionNumber::OBSERVE)
        && message.options().any(|(number, value)| {
            number == OptionNumber::OBSERVE && value.iter().all(|b| *b == 0)
        });
    if observe {
        Kind::Observation {
            newest: None,
            answered: false,
            over: false,
        }
    } else {
        Kind::Exchange
    }
}
