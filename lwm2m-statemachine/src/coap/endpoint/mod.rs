//! An endpoint for many peers: reliability, deduplication, matching (RFC 7252 §4, §5).

mod blockwise;
mod bodies;
mod body;
mod config;
mod connections;
mod context;
mod event;
mod exchanges;
mod fingerprint;
mod index;
mod keys;
mod messages;
mod steps;
mod table;

use alloc::collections::VecDeque;
use core::{fmt, time::Duration};

use lwm2m_core::{CodeKind, Instant};

use self::{
    blockwise::{BlockWise, Holders, Sources, Uploads},
    config::Spans,
    exchanges::{notifications::Notifications, requests::Requests},
    keys::PeerIndex,
    messages::{
        outgoing::{Outbox, Purpose, Sent, SentIds, Transmission},
        peers::Peers,
        records::Records,
    },
    table::{KEEP, Key, Table},
};
pub use self::{
    body::{Resource, Source, SourceId, TransferId},
    config::{Bounds, Config, TransmissionParameters},
    event::{
        Body, DatagramError, Event, FailureReason, Incoming, NotificationId, OwnedIncoming,
        RequestId, Responder, SendError,
    },
    exchanges::observer::Observer,
};
use super::message::{MessageRef, MessageType};
use crate::machine::{Channel, Datagram, KeyedState, Machine, Peer, Random, TimerQueue, Transmit};

/// A CoAP endpoint: client and server at once, for any number of peers.
///
/// It never reads a clock and never sends: it is told the time and given datagrams, and hands out
/// datagrams and events. After each call, drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), then ask [`poll_timeout`](Self::poll_timeout) how long to
/// wait.
///
/// What a datagram brings is returned by [`receive`](Self::receive), borrowed from it; what time
/// and calls bring comes from [`poll_event`](Self::poll_event). The time that calls are told never
/// runs backwards.
///
/// It serves requests that came to a group (RFC 7252 §8), but makes none to a group: a response is
/// matched by its peer, too.
///
/// ```
/// use lwm2m_core::{Code, Instant, Method};
/// use lwm2m_statemachine::{
///     Datagram,
///     coap::{Config, Endpoint, Incoming, MessageBuf, RequestOptions},
/// };
///
/// let now = Instant::ZERO;
/// let mut client = Endpoint::new(Config::new([1; 32]));
/// let mut server = Endpoint::new(Config::new([2; 32]));
///
/// let mut message = MessageBuf::request(Method::Get);
/// message.uri_path("hello")?;
/// let id = client.request(now, "server", message, RequestOptions::default())?;
/// let request = client.poll_transmit().unwrap().payload.to_vec();
///
/// let datagram = Datagram::new("client", &request);
/// let Some(Incoming::Request { responder, request, .. }) = server.receive(now, &datagram)? else {
///     panic!("no request");
/// };
/// assert_eq!(request.uri_path().next(), Some("hello"));
/// let mut answer = MessageBuf::response(Code::CONTENT);
/// answer.payload(b"world");
/// server.respond(now, responder, answer)?;
/// let response = server.poll_transmit().unwrap().payload.to_vec();
///
/// let datagram = Datagram::new("server", &response);
/// let Some(Incoming::Response { request, body, .. }) = client.receive(now, &datagram)? else {
///     panic!("no response");
/// };
/// assert_eq!((request, &*body), (id, &b"world"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Debug`](fmt::Debug) shows the configuration without its seed, and how much is held: no tokens
/// and no messages.
pub struct Endpoint<P> {
    config: Config,
    spans: Spans,
    random: Random,
    peers: Peers<P>,
    records: Records,
    requests: Requests,
    transmissions: Table<Transmission>,
    notifications: Notifications,
    uploads: Uploads,
    blockwise: BlockWise,
    /// Whose the responses are that are being put together.
    responses: Holders,
    sources: Sources,
    /// For what tells resources and bodies apart.
    fingerprints: KeyedState,
    sent: SentIds,
    timers: TimerQueue<TimerKey>,
    outbox: Outbox<P>,
    events: VecDeque<Event<P>>,
}

/// What a deadline is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKey {
    Transmission(Key),
    Request(Key),
    Peer(PeerIndex),
    /// An answer to a group's request.
    Leisure(Key),
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// Whether it is sent again until the peer has it; yes by default.
    pub confirmable: bool,
    /// What it travels on; over SMS nothing is sent again (TS 8.6.2).
    pub channel: Channel,
    /// How long the response may take once the request is acknowledged or, if it is sent once,
    /// from when it is sent; as configured by default. If it takes several blocks, this is for each.
    pub timeout: Option<Duration>,
    /// The request, a GET with Observe: 1, ends this observation: it is sent with its token
    /// (RFC 7641 §3.6). The observation is forgotten at once.
    pub cancels: Option<RequestId>,
    /// Whether the blocks of the response are handed on one by one, as
    /// [`Incoming::ResponseBlock`], the last one as [`Incoming::Response`]; not by default: then
    /// the response comes as a whole. No observation is streamed.
    pub stream: bool,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            confirmable: true,
            channel: Channel::Udp,
            timeout: None,
            cancels: None,
            stream: false,
        }
    }
}

/// How a notification is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyOptions {
    /// Whether it is sent again until the peer has it; no by default. RFC 7641 §4.5 asks for one
    /// at least every 24 hours: see [`Endpoint::notify_observer`].
    pub confirmable: bool,
    /// What it travels on; over SMS nothing is sent again (TS 8.6.2).
    pub channel: Channel,
    /// What is observed, from the [`Responder`] of the request. If the notification takes several
    /// blocks, they are kept for the client to ask for; without it, the application is asked
    /// again, and the client sees by the ETag whether it is the same body.
    pub resource: Option<Resource>,
}

/// How much an endpoint holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Peers of whom anything is kept.
    pub peers: usize,
    /// Messages received that are remembered.
    pub records: usize,
    /// How many bytes the answers take that are kept with them.
    pub answer_bytes: usize,
    /// Requests without an outcome, and observations.
    pub requests: usize,
    /// Confirmable messages that are not acknowledged, and non-confirmable requests that are not
    /// answered.
    pub transmissions: usize,
    /// Notifications sent once that are remembered.
    pub notifications: usize,
    /// Message ids that an acknowledgement or a Reset may name.
    pub message_ids: usize,
    /// Deadlines.
    pub timers: usize,
    /// Bodies of requests that are coming in blocks.
    pub receiving: usize,
    /// How many bytes they take.
    pub receiving_bytes: usize,
    /// How many bytes bodies of responses take that are put together from blocks.
    pub response_bytes: usize,
    /// Bodies of responses that may be asked for block by block.
    pub serving: usize,
    /// How many bytes they take.
    pub serving_bytes: usize,
    /// Bodies that the application supplies.
    pub sources: usize,
}

impl<P: Peer> Endpoint<P> {
    /// An endpoint that knows no one.
    pub fn new(config: Config) -> Self {
        let mut random = Random::new(config.seed);
        let peers = Peers::new(random.hash_keys());
        let records = Records::new(random.hash_keys());
        let requests = Requests::new(random.hash_keys());
        let uploads = Uploads::new(&mut random);
        let fingerprints = random.hash_keys();
        Self {
            spans: Spans::new(&config),
            peers,
            records,
            requests,
            transmissions: Table::default(),
            notifications: Notifications::default(),
            uploads,
            blockwise: BlockWise::new(&config, fingerprints),
            responses: Holders::default(),
            sources: Sources::default(),
            fingerprints,
            sent: SentIds::new(random.hash_keys()),
            timers: TimerQueue::new(),
            outbox: Outbox::new(),
            events: VecDeque::new(),
            random,
            config,
        }
    }

    /// Takes a datagram and tells what it brought, without copying it; `None` if that is nothing
    /// for the application: a repetition, an acknowledgement, a ping, a notification that came
    /// too late. Whatever the bytes are, the endpoint goes on working, and the error only
    /// informs.
    pub fn receive<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        self.expire(now);
        let message = match MessageRef::parse(datagram.payload) {
            Ok(message) => message,
            Err(error) => {
                if let Some((MessageType::Confirmable, message_id)) = error.header {
                    self.reject(datagram, message_id);
                }
                return Err(error.into());
            }
        };
        if message.kind() == MessageType::Confirmable && datagram.multicast {
            return Err(DatagramError::Multicast);
        }
        let misplaced = DatagramError::MisplacedCode(message.code());
        match (message.kind(), message.code().kind()) {
            (MessageType::Confirmable | MessageType::NonConfirmable, CodeKind::Request) => {
                self.receive_request(now, datagram, message)
            }
            (MessageType::Reset, CodeKind::Empty) => {
                self.receive_reset(now, datagram, message.message_id())
            }
            (MessageType::Acknowledgement, CodeKind::Empty) => {
                self.receive_acknowledgement(now, datagram, message.message_id())
            }
            (MessageType::Confirmable, CodeKind::Empty) => {
                self.reject(datagram, message.message_id());
                Ok(None)
            }
            (MessageType::Reset, _) => Err(misplaced),
            (_, CodeKind::Response) => self.receive_response(now, datagram, message),
            (MessageType::Confirmable, _) => {
                self.reject(datagram, message.message_id());
                Err(misplaced)
            }
            _ => Err(misplaced),
        }
    }

    /// Takes a datagram as every machine does: what it brings comes from
    /// [`poll_event`](Self::poll_event), copied.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, P>,
    ) -> Result<(), DatagramError> {
        if let Some(incoming) = self.receive(now, &datagram)? {
            self.events.push_back(Event::Incoming {
                incoming: incoming.into(),
                from: datagram.from,
            });
        }
        Ok(())
    }

    /// Does what is due at `now`. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        // Of what is due, the first goes first, whosever it is.
        let (mut is_due, mut is_block_due) = (true, true);
        while is_due || is_block_due {
            let next = self.timers.next().filter(|_| is_due);
            let is_block_first = self
                .blockwise
                .next_deadline()
                .is_some_and(|block| next.is_none_or(|next| block < next));
            if is_block_due && (is_block_first || !is_due) {
                is_block_due = self.blockwise.handle_due(now);
                let _ = self.do_steps(now);
            } else {
                is_due = self.timer_due(now);
            }
        }
        self.peers.forget_quiet(now, self.spans.exchange_lifetime);
    }

    /// Does the first thing that is due at `now`; says whether there was one.
    fn timer_due(&mut self, now: Instant) -> bool {
        let Some(key) = self.timers.pop_due(now) else {
            return false;
        };
        match key {
            TimerKey::Transmission(key) => self.transmission_due(now, key),
            TimerKey::Request(key) => self.request_due(now, key),
            TimerKey::Peer(peer) => self.peer_due(now, peer),
            TimerKey::Leisure(key) => self.leisure_over(now, key),
        }
        true
    }

    /// The next event. Changes after every call but the other polls.
    pub fn poll_event(&mut self) -> Option<Event<P>> {
        let event = self.events.pop_front();
        if event.is_none() && self.events.capacity() > KEEP {
            self.events = VecDeque::new();
        }
        event
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; never, if `None`. Changes after
    /// every call but the other polls.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.timers.next(),
            self.blockwise.next_deadline(),
            self.peers.next_deadline(),
            self.records.next_deadline(),
            self.notifications.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether nothing is kept of anyone, and nothing is left to send or to tell.
    pub fn is_idle(&self) -> bool {
        let nothing_held = self.usage() == Usage::default() && self.poll_timeout().is_none();
        let nothing_waits = self.uploads.is_empty();
        let nothing_comes = self.blockwise.is_empty() && self.responses.bodies() == 0;
        nothing_held
            && nothing_waits
            && nothing_comes
            && self.outbox.is_empty()
            && self.events.is_empty()
    }

    /// Forgets what has come to its end, and acknowledges what has waited long enough.
    fn expire(&mut self, now: Instant) {
        while let Some(key) = self.records.pop_ended(now) {
            self.forget_record(key);
        }
        while let Some(key) = self.records.pop_unanswered(now) {
            self.acknowledge_record(key);
        }
        while let Some(key) = self.notifications.pop_ended(now) {
            self.forget_notification(now, key, FailureReason::Timeout);
        }
    }

    /// Rejects a message with a Reset; never one to a group (RFC 7252 §8.1).
    fn reject(&mut self, datagram: &Datagram<'_, P>, message_id: u16) {
        if !datagram.multicast {
            self.outbox
                .empty(datagram.from.clone(), MessageType::Reset, message_id);
        }
    }

    /// An Empty acknowledgement.
    fn receive_acknowledgement(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_, P>,
        message_id: u16,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let (peer, sent) = self.sent(datagram, message_id)?;
        match sent {
            // Nothing non-confirmable is acknowledged (RFC 7252 §4.3).
            Sent::Transmission(key) if !self.is_confirmable(key) => Err(DatagramError::Unmatched),
            Sent::Transmission(key) => {
                let transmission = self
                    .end_transmission(now, key)
                    .ok_or(DatagramError::Unmatched)?;
                match transmission.purpose {
                    Purpose::Request(request) => {
                        Ok(self.request_acknowledged(now, request, transmission.message))
                    }
                    Purpose::Response(_) | Purpose::Probe => Ok(None),
                    Purpose::Notification { id, token, newer } => Ok(Some(
                        self.notification_acknowledged(now, peer, id, token, newer),
                    )),
                }
            }
            // It was sent once, and its response is being waited for already.
            Sent::Request(_) => Ok(None),
            Sent::Notification(key) => {
                let notification = self
                    .notifications
                    .get_mut(key)
                    .filter(|notification| notification.awaited)
                    .ok_or(DatagramError::Unmatched)?;
                notification.awaited = false;
                let (id, token) = (notification.id, notification.token);
                // One outcome: a Reset that names it, too, would be another.
                self.forget_notification(now, key, FailureReason::Timeout);
                Ok(Some(Incoming::Acknowledged {
                    notification: NotificationId(id),
                    token,
                }))
            }
        }
    }

    /// A Reset.
    fn receive_reset(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_, P>,
        message_id: u16,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let (peer, sent) = self.sent(datagram, message_id)?;
        let request = match sent {
            Sent::Transmission(key) => {
                let transmission = self
                    .end_transmission(now, key)
                    .ok_or(DatagramError::Unmatched)?;
                match transmission.purpose {
                    Purpose::Request(request) => request,
                    Purpose::Response(token) => {
                        self.response_failed(peer, token, FailureReason::Reset);
                        return Ok(None);
                    }
                    Purpose::Probe => return Ok(None),
                    Purpose::Notification { id, token, newer } => {
                        return Ok(Some(self.notification_reset(peer, id, token, newer)));
                    }
                }
            }
            Sent::Request(request) => request,
            Sent::Notification(key) => {
                let notification = self
                    .notifications
                    .get_mut(key)
                    .ok_or(DatagramError::Unmatched)?;
                notification.awaited = false;
                let (id, token) = (notification.id, notification.token);
                self.forget_notification(now, key, FailureReason::Reset);
                return Ok(Some(self.notification_reset(peer, id, token, None)));
            }
        };
        if let Some(of) = self.end_block(now, request) {
            self.transfer_failed(now, of, FailureReason::Reset);
            return Ok(None);
        }
        self.remove_request(now, request)
            .map(|_| {
                Some(Incoming::RequestReset {
                    request: RequestId(request),
                })
            })
            .ok_or(DatagramError::Unmatched)
    }

    /// What this message id of ours stands for.
    fn sent(
        &self,
        datagram: &Datagram<'_, P>,
        message_id: u16,
    ) -> Result<(PeerIndex, Sent), DatagramError> {
        self.peers
            .find(&datagram.from)
            .and_then(|peer| Some((peer, self.sent.find(peer, message_id)?)))
            .ok_or(DatagramError::Unmatched)
    }
}

impl<P> Endpoint<P> {
    /// What it was configured with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How much is held.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage {
            peers: self.peers.len(),
            records: self.records.len(),
            answer_bytes: self.records.bytes(),
            requests: self.requests.len(),
            transmissions: self.transmissions.len(),
            notifications: self.notifications.len(),
            message_ids: self.sent.len(),
            timers: self.timers.len(),
            response_bytes: self.responses.bytes(),
            sources: self.sources.len(),
            ..Usage::default()
        };
        self.blockwise.add_usage(&mut usage);
        usage
    }
}

impl<P> fmt::Debug for Endpoint<P> {
    /// Without what could be used against it: the seed, message ids and tokens to come or under
    /// way, and messages, which may hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("config", &self.config)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl<P: Peer> Machine for Endpoint<P> {
    type Peer = P;
    type Event = Event<P>;
    type DatagramError = DatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, P>,
    ) -> Result<(), DatagramError> {
        self.handle_datagram(now, datagram)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Event<P>> {
        self.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
}
