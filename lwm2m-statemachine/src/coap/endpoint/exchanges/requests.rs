//! Requests on the client side: they are sent, and responses are matched by token (RFC 7252 §5.2,
//! §5.3).

use core::time::Duration;

use lwm2m_core::{Code, Instant};

use super::{
    freshness::Newest,
    request_table::{Kind, Mode, Request, RequestTable},
    saved::{RestoreError, SavedNewest, SavedObservation},
};
use crate::{
    coap::{
        endpoint::{
            config::{Config, Spans, after},
            event::{Overload, SendError},
            keys::PeerIndex,
            messages::{IdOwner, Messages, Purpose, Transmission},
            options::RequestOptions,
            table::{Chain, Key},
        },
        message::MessageType,
        message_buf::{MessageBuf, WireMessage},
        option::OptionNumber,
        token::Token,
    },
    machine::{Channel, KeyedState, Peer, TimerQueue},
};

/// The requests that have no outcome yet, and the observations.
#[derive(Debug)]
pub(crate) struct Requests {
    table: RequestTable,
    /// When the wait for a response times out.
    timers: TimerQueue<Key>,
    /// How long a response may take, in milliseconds, unless the request has a different timeout.
    response_timeout: u64,
    /// The same over SMS.
    sms_timeout: u64,
    per_peer: usize,
}

impl Requests {
    pub(super) fn new(config: &Config, keys: KeyedState) -> Self {
        let spans = Spans::new(config);
        Self {
            table: RequestTable::new(keys),
            timers: TimerQueue::new(),
            response_timeout: spans.response_timeout,
            sms_timeout: spans.sms.round_trip,
            per_peer: config.bounds.requests_per_peer,
        }
    }

    /// Checks whether one more request to this peer is allowed. If not, the peer is removed if it
    /// has no state.
    pub(crate) fn check_room<P: Peer>(
        &self,
        messages: &mut Messages<P>,
        peer: PeerIndex,
    ) -> Result<(), Overload> {
        let exchanges = messages.exchanges(peer);
        let requests = exchanges.map_or(0, |exchanges| exchanges.requests.len());
        if requests >= self.per_peer {
            messages.release(peer);
            return Err(Overload::Messages);
        }
        Ok(())
    }

    /// Sends a request: an observation, if it carries Observe: 0.
    pub(crate) fn send<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        peer: PeerIndex,
        message: MessageBuf,
        options: RequestOptions,
    ) -> Result<Key, SendError> {
        let (token, kind) = (self.new_token(messages), kind_of(&message));
        let request = Request::new(token, kind, self.mode(options));
        let key = self.insert(now, messages, peer, request)?;
        self.dispatch(now, messages, key, message)?;
        Ok(key)
    }

    /// Sends the request that ends an observation of this peer. The caller must then
    /// [remove](Self::remove) the observation; after an error it stays.
    pub(crate) fn send_cancellation<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        (peer, observation): (PeerIndex, Key),
        message: MessageBuf,
        options: RequestOptions,
    ) -> Result<Key, SendError> {
        let request = self
            .get(observation)
            .filter(|request| matches!(request.kind, Kind::Observation { .. }))
            .filter(|_| self.peer(observation) == Some(peer))
            .ok_or(SendError::NoObservation)?;
        // Both briefly have the token. The limit still holds, because one replaces the other.
        let new = Request::new(request.token, Kind::Cancellation, self.mode(options));
        let key = self.insert(now, messages, peer, new)?;
        self.dispatch(now, messages, key, message)?;
        Ok(key)
    }

    /// Sends an Empty confirmable message (RFC 7252 §4.3).
    pub(crate) fn ping<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        peer: PeerIndex,
        channel: Channel,
    ) -> Result<Key, SendError> {
        let mode = self.mode(RequestOptions {
            channel,
            ..RequestOptions::default()
        });
        let ping = Request::new(Token::EMPTY, Kind::Ping, mode);
        let key = self.insert(now, messages, peer, ping)?;
        let message = MessageBuf::with_capacity(Code::EMPTY, 0);
        self.dispatch(now, messages, key, message)?;
        Ok(key)
    }

    /// Adds a request whose body is transferred in blocks, each [sent](Self::send_block)
    /// separately.
    pub(crate) fn open<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        peer: PeerIndex,
        mode: Mode,
    ) -> Result<Key, SendError> {
        let token = self.new_token(messages);
        let request = Request::new(token, Kind::Exchange, mode);
        self.insert(now, messages, peer, request)
    }

    /// An observation as plain data: see
    /// [`Endpoint::save_observation`](crate::coap::Endpoint::save_observation). `in_blocks` is its
    /// message while it has a body in blocks.
    pub(crate) fn save<P: Peer>(
        &self,
        now: Instant,
        messages: &Messages<P>,
        key: Key,
        in_blocks: Option<&WireMessage>,
    ) -> Option<SavedObservation<P>> {
        let observation = self.get(key)?;
        let Kind::Observation {
            newest,
            answered: true,
            over: false,
        } = observation.kind
        else {
            return None;
        };
        let template = observation.message.as_ref().or(in_blocks)?;
        let newest = newest.map(|newest| SavedNewest {
            sequence: newest.sequence(),
            age: newest.age(now),
        });
        Some(SavedObservation {
            peer: messages.name(self.peer(key)?)?,
            token: observation.token,
            request: template.as_ref().to_vec(),
            confirmable: observation.mode.confirmable,
            channel: observation.mode.channel,
            response_timeout: Duration::from_millis(observation.mode.timeout),
            newest,
        })
    }

    /// The request of a saved observation, to be [restored](Self::restore).
    pub(crate) fn saved<P: Peer>(
        &self,
        now: Instant,
        saved: &SavedObservation<P>,
    ) -> Result<Request, RestoreError> {
        let message = saved.template()?;
        if self.is_in_use(saved.token) {
            return Err(RestoreError::TokenInUse);
        }
        let newest = saved.newest;
        let kind = Kind::Observation {
            newest: newest.and_then(|newest| Newest::aged(newest.sequence, newest.age, now)),
            answered: true,
            over: false,
        };
        let mode = self.mode(RequestOptions {
            confirmable: saved.confirmable,
            channel: saved.channel,
            timeout: Some(saved.response_timeout),
            ..RequestOptions::default()
        });
        Ok(Request {
            message: Some(message),
            ..Request::new(saved.token, kind, mode)
        })
    }

    /// Adds an observation of this peer that another endpoint has started.
    pub(crate) fn restore<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        peer: PeerIndex,
        observation: Request,
    ) -> Result<Key, SendError> {
        self.insert(now, messages, peer, observation)
    }

    /// The observation with this token, of whichever peer.
    pub(crate) fn find_observation(&self, token: Token) -> Option<Key> {
        let is_meant = |_, request: &Request| matches!(request.kind, Kind::Observation { .. });
        self.table.find_by(token, is_meant)
    }

    /// Whether an answer with this sequence number is newer than all that this observation had. One
    /// without a number is its last, after which there is none.
    pub(crate) fn is_newer(&self, now: Instant, key: Key, sequence: Option<u32>) -> bool {
        match (self.get(key).map(|request| request.kind), sequence) {
            (None | Some(Kind::Observation { over: true, .. }), _) => false,
            (
                Some(Kind::Observation {
                    newest: Some(newest),
                    ..
                }),
                Some(sequence),
            ) => newest.is_before(sequence, now),
            _ => true,
        }
    }

    /// Moves an observation that takes a single exchange to another peer, on this channel. It keeps
    /// its handle and its token, which no other request has.
    pub(crate) fn move_to<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        key: Key,
        (peer, channel): (PeerIndex, Channel),
    ) {
        self.arrived(now, messages, key);
        if let Some(request) = self.table.get_mut(key) {
            request.mode.channel = channel;
        }
        let Some(old) = self.peer(key).filter(|old| *old != peer) else {
            return;
        };
        let from = messages.exchanges(old).map(|exchanges| exchanges.requests);
        let Some(mut from) = from else {
            return;
        };
        let Some(exchanges) = messages.start_exchange(now, peer) else {
            return;
        };
        self.table
            .move_to(key, &mut from, (peer, &mut exchanges.requests));
        if let Some(exchanges) = messages.exchanges_mut(old) {
            exchanges.requests = from;
        }
        messages.settle(now, old);
    }

    /// Sends the request for a block of the body of this request, or of its response.
    pub(crate) fn send_block<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        of: Key,
        message: MessageBuf,
    ) -> Result<Key, SendError> {
        let (Some(peer), Some(request)) = (self.peer(of), self.get(of)) else {
            return Err(SendError::NotOpen);
        };
        let mode = request.mode;
        let token = self.new_token(messages);
        let request = Request::new(token, Kind::Block { of }, mode);
        let key = self.insert(now, messages, peer, request)?;
        self.dispatch(now, messages, key, message)?;
        Ok(key)
    }

    /// How a request is sent with these options.
    pub(crate) fn mode(&self, options: RequestOptions) -> Mode {
        let timeout = match options.channel {
            Channel::Udp => self.response_timeout,
            Channel::Sms => self.sms_timeout,
        };
        Mode::new(options, timeout)
    }

    /// A token that no other request uses, to whichever peer: an observation may move to another.
    fn new_token<P: Peer>(&self, messages: &mut Messages<P>) -> Token {
        loop {
            let token = Token::from_random(messages.random_and_records().0.next_u64());
            if !self.is_in_use(token) {
                return token;
            }
        }
    }

    /// Whether a request to any peer has this token.
    fn is_in_use(&self, token: Token) -> bool {
        self.table.find_by(token, |_, _| true).is_some()
    }

    fn insert<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        peer: PeerIndex,
        request: Request,
    ) -> Result<Key, SendError> {
        let exchanges = messages
            .start_exchange(now, peer)
            .ok_or(SendError::NotOpen)?;
        Ok(self.table.insert(peer, &mut exchanges.requests, request))
    }

    /// Sends the message of a request; removes the request if that is not possible.
    fn dispatch<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        key: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let peer = self.peer(key).ok_or(SendError::NotOpen)?;
        let request = self.table.get_mut(key).ok_or(SendError::NotOpen)?;
        let Mode {
            confirmable,
            channel,
            ..
        } = request.mode;
        let kind = if confirmable {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        let wire = message.finish(kind, 0, request.token);
        if channel == Channel::Udp {
            let transmission = if confirmable {
                Transmission::confirmable(wire, Purpose::Request(key))
            } else {
                Transmission::non_confirmable(wire, key)
            };
            request.transmission = messages.transmit(now, peer, transmission);
            self.note_sent(now, messages);
            return Ok(());
        }
        if !matches!(request.kind, Kind::Block { .. }) {
            request.message = Some(wire.clone());
        }
        match messages.send_once(now, (peer, channel), kind, wire) {
            Ok(message_id) => {
                request.message_id = Some(message_id);
                messages.set_id_owner(peer, message_id, IdOwner::Request(key));
                self.await_response(now, key);
                Ok(())
            }
            Err(error) => {
                self.remove(now, messages, key);
                Err(error)
            }
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Request> {
        self.table.get(key)
    }

    /// The newest answer to an observation is its last one. Says whether the request is an observation.
    pub(crate) fn end_observation(&mut self, key: Key) -> Option<bool> {
        let request = self.table.get_mut(key)?;
        let Kind::Observation { over, .. } = &mut request.kind else {
            return Some(false);
        };
        *over = true;
        Some(true)
    }

    /// The application gets a whole answer to an observation.
    pub(crate) fn note_whole_answer(&mut self, key: Key) {
        if let Some(request) = self.table.get_mut(key)
            && let Kind::Observation { answered, .. } = &mut request.kind
        {
            *answered = true;
        }
    }

    /// Takes the message of a request: its options are those of the requests for blocks.
    pub(crate) fn take_template(&mut self, key: Key) -> Option<WireMessage> {
        self.table.get_mut(key)?.message.take()
    }

    /// Puts the message of a request back, once its response is whole.
    pub(crate) fn keep_template(&mut self, key: Key, message: WireMessage) {
        if let Some(request) = self.table.get_mut(key) {
            request.message = Some(message);
        }
    }

    pub(crate) fn peer(&self, key: Key) -> Option<PeerIndex> {
        self.table.peer(key)
    }

    pub(crate) fn find(&self, peer: PeerIndex, token: Token) -> Option<Key> {
        self.table.find(peer, token)
    }

    pub(super) fn oldest(&self, chain: Chain) -> Option<Key> {
        self.table.oldest(chain)
    }

    /// The oldest request of a chain that isn't an observation which has begun.
    pub(super) fn oldest_passing(&self, chain: Chain) -> Option<Key> {
        let mut all = self.table.of(chain);
        all.find_map(|(key, request)| (!request.kind.is_begun()).then_some(key))
    }

    /// Starts the response timeouts of non-confirmable requests that have been sent. Must be called
    /// after each call of the message layer that may send.
    pub(crate) fn note_sent<P: Peer>(&mut self, now: Instant, messages: &mut Messages<P>) {
        while let Some(request) = messages.poll_sent() {
            self.await_response(now, request);
        }
    }

    /// The request has arrived, or was sent once: the wait for its response starts now.
    fn await_response(&mut self, now: Instant, key: Key) {
        if let Some(request) = self.table.get_mut(key) {
            let deadline = after(now, request.mode.timeout);
            self.timers.set(key, &mut request.deadline, Some(deadline));
        }
    }

    /// A non-confirmable request is no longer outstanding. Its response may still arrive.
    pub(crate) fn probe_over<P: Peer>(
        &mut self,
        messages: &mut Messages<P>,
        peer: PeerIndex,
        transmission: Transmission,
    ) {
        if let Purpose::Request(key) = transmission.purpose
            && let Some(request) = self.table.get_mut(key)
        {
            request.transmission = None;
            request.message = Some(transmission.message);
            request.message_id = Some(transmission.message_id);
            let owner = IdOwner::Request(key);
            messages.set_id_owner(peer, transmission.message_id, owner);
        }
    }

    /// The peer acknowledged the request, and will answer it separately. For a ping that is the
    /// outcome: the peer should have sent a Reset, but it is reachable. Returns whether the request
    /// was a ping.
    pub(crate) fn acknowledged<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        key: Key,
        message: WireMessage,
    ) -> bool {
        let Some(request) = self.table.get_mut(key) else {
            return false;
        };
        request.transmission = None;
        request.message = Some(message);
        if matches!(request.kind, Kind::Ping) {
            self.remove(now, messages, key);
            return true;
        }
        self.await_response(now, key);
        false
    }

    /// An answer to an observation that continues has arrived, with its whole body or not. `None`
    /// if it is not newer than the newest one; otherwise whether it is the first.
    pub(crate) fn note_answer(
        &mut self,
        now: Instant,
        key: Key,
        (sequence, is_whole): (u32, bool),
    ) -> Option<bool> {
        let Kind::Observation {
            newest, answered, ..
        } = &mut self.table.get_mut(key)?.kind
        else {
            return None;
        };
        if newest.is_some_and(|newest| !newest.is_before(sequence, now)) {
            return None;
        }
        let is_first = !*answered;
        *newest = Some(Newest::new(sequence, now));
        *answered |= is_whole;
        Some(is_first)
    }

    /// Stops the transmission of the request and the wait for its response.
    pub(crate) fn arrived<P: Peer>(&mut self, now: Instant, messages: &mut Messages<P>, key: Key) {
        let (Some(peer), Some(request)) = (self.table.peer(key), self.table.get_mut(key)) else {
            return;
        };
        self.timers.set(key, &mut request.deadline, None);
        if let Some(message_id) = request.message_id.take() {
            messages.clear_id_owner(peer, message_id, IdOwner::Request(key));
        }
        if let Some(transmission) = request.transmission.take()
            && let Some(transmission) = messages.end_transmission(now, transmission)
        {
            request.message = Some(transmission.message);
        }
        self.note_sent(now, messages);
    }

    /// The request is abandoned: nothing more is expected from the peer.
    pub(crate) fn give_up<P: Peer>(&mut self, messages: &mut Messages<P>, key: Key) {
        if let Some(request) = self.table.get_mut(key)
            && let Some(transmission) = request.transmission
            && messages.leave_probe(transmission)
        {
            request.transmission = None;
        }
    }

    /// Removes a request.
    pub(crate) fn remove<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        key: Key,
    ) -> Option<Request> {
        let peer = self.peer(key)?;
        self.arrived(now, messages, key);
        let exchanges = messages.exchanges_mut(peer)?;
        let request = self.table.remove(key, &mut exchanges.requests)?;
        messages.settle(now, peer);
        Some(request)
    }

    pub(crate) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        self.timers.peek_due(now)
    }

    /// The next request whose response did not arrive in time.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        let key = self.timers.pop_due(now)?;
        self.table.get_mut(key)?.deadline = None;
        Some(key)
    }

    pub(crate) fn end_due(&mut self) {
        self.timers.end_round();
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How many requests there are, and how many deadlines.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.table.len(), self.timers.len())
    }
}

fn kind_of(message: &MessageBuf) -> Kind {
    let observe = message.has(OptionNumber::OBSERVE)
        && message.options().any(|(number, value)| {
            number == OptionNumber::OBSERVE && value.iter().all(|b| *b == 0)
        });
    if observe {
        Kind::OBSERVATION
    } else {
        Kind::Exchange
    }
}
