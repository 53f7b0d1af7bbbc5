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
mod saving;
mod steps;
mod table;
mod transfers;
mod usage;

use alloc::collections::VecDeque;
use core::{fmt, time::Duration};

use lwm2m_core::{CodeKind, Instant};

use self::{
    blockwise::BlockWise,
    config::Spans,
    exchanges::{notifications::Notifications, requests::Requests},
    messages::{IdOwner, MessageKeys, Messages, Outcome, Purpose},
    table::{KEEP, Key},
};
pub use self::{
    body::{Resource, Source, SourceId, TransferId},
    config::{Bounds, Config, TransmissionParameters},
    event::{
        Body, DatagramError, Event, FailureReason, Incoming, InvalidSend, NotificationId, Overload,
        OwnedIncoming, RequestId, Responder, SendError,
    },
    exchanges::{
        observer::Observer,
        saved::{RestoreError, SavedNewest, SavedObservation},
    },
    usage::Usage,
};
use super::message::{MessageRef, MessageType};
use crate::machine::{Channel, Datagram, Machine, Peer, Random, TimerQueue, Transmit};

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
    messages: Messages<P>,
    requests: Requests,
    notifications: Notifications,
    blockwise: BlockWise,
    timers: TimerQueue<TimerKey>,
    events: VecDeque<Event<P>>,
}

/// Whose deadline is next.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Messages,
    Endpoint,
    BlockWise,
}

/// What a deadline is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKey {
    Request(Key),
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

impl<P: Peer> Endpoint<P> {
    /// An endpoint that knows no one.
    pub fn new(config: Config) -> Self {
        let mut random = Random::new(config.seed);
        let (peers, records) = (random.hash_keys(), random.hash_keys());
        let requests = Requests::new(random.hash_keys());
        let blockwise = BlockWise::new(&config, &mut random);
        let keys = MessageKeys {
            peers,
            records,
            message_ids: random.hash_keys(),
        };
        Self {
            spans: Spans::new(&config),
            messages: Messages::new(&config, &keys, random),
            requests,
            notifications: Notifications::default(),
            blockwise,
            timers: TimerQueue::new(),
            events: VecDeque::new(),
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
        let incoming = self.take(now, datagram);
        self.handle_outcomes(now);
        incoming
    }

    fn take<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let message = match MessageRef::parse(datagram.payload) {
            Ok(message) => message,
            Err(error) => {
                if let Some((MessageType::Confirmable, message_id)) = error.header {
                    self.messages.reject(datagram, message_id);
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
                self.messages.reject(datagram, message.message_id());
                Ok(None)
            }
            (MessageType::Reset, _) => Err(misplaced),
            (_, CodeKind::Response) => self.receive_response(now, datagram, message),
            (MessageType::Confirmable, _) => {
                self.messages.reject(datagram, message.message_id());
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
        while let Some(layer) = self.first_due(now) {
            match layer {
                Layer::Messages => self.messages.handle_due(now),
                Layer::Endpoint => self.timer_due(now),
                Layer::BlockWise => {
                    self.blockwise.handle_due(now);
                    let _ = self.do_steps(now);
                }
            }
            self.handle_outcomes(now);
        }
        self.messages.end_due();
        self.timers.end_round();
        self.blockwise.end_due();
        self.messages.forget_quiet(now);
    }

    /// The next datagram to send. Changes after every call but the other polls.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.messages.poll_transmit()
    }

    /// The layer that has something due at `now`, the first of all that is.
    fn first_due(&mut self, now: Instant) -> Option<Layer> {
        [
            (self.messages.peek_due(now), Layer::Messages),
            (self.timers.peek_due(now), Layer::Endpoint),
            (self.blockwise.peek_due(now), Layer::BlockWise),
        ]
        .into_iter()
        .filter_map(|(due, layer)| Some((due?, layer)))
        .min_by_key(|(due, _)| *due)
        .map(|(_, layer)| layer)
    }

    /// Does the first thing that is due of requests and responses.
    fn timer_due(&mut self, now: Instant) {
        match self.timers.pop_due(now) {
            Some(TimerKey::Request(key)) => self.request_due(now, key),
            None => {}
        }
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
            self.messages.next_deadline(),
            self.timers.next(),
            self.blockwise.next_deadline(),
            self.notifications.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether nothing is kept of anyone, and nothing is left to send or to tell.
    pub fn is_idle(&self) -> bool {
        let nothing_held = self.usage() == Usage::default() && self.poll_timeout().is_none();
        nothing_held
            && self.blockwise.is_empty()
            && self.messages.is_idle()
            && self.events.is_empty()
    }

    /// Forgets what has come to its end, and acknowledges what has waited long enough.
    fn expire(&mut self, now: Instant) {
        self.messages.expire(now);
        while let Some(key) = self.notifications.pop_ended(now) {
            self.forget_notification(now, key, FailureReason::Timeout);
        }
    }

    /// An Empty acknowledgement.
    fn receive_acknowledgement(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_, P>,
        message_id: u16,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let (peer, owner) = self.messages.id_owner(&datagram.from, message_id)?;
        match owner {
            IdOwner::Transmission(key) => {
                let transmission = self
                    .messages
                    .acknowledged(now, key)
                    .ok_or(DatagramError::Unmatched)?;
                match transmission.purpose {
                    Purpose::Request(request) => {
                        Ok(self.request_acknowledged(now, request, transmission.message))
                    }
                    Purpose::Response(_) | Purpose::Probe => Ok(None),
                    Purpose::Notification { id, token } => {
                        let newer = transmission.newer;
                        Ok(Some(
                            self.notification_acknowledged(now, peer, id, token, newer),
                        ))
                    }
                }
            }
            // It was sent once, and its response is being waited for already.
            IdOwner::Request(_) => Ok(None),
            IdOwner::Notification(key) => {
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
        let (peer, owner) = self.messages.id_owner(&datagram.from, message_id)?;
        let request = match owner {
            IdOwner::Transmission(key) => {
                let transmission = self
                    .messages
                    .end_transmission(now, key)
                    .ok_or(DatagramError::Unmatched)?;
                match transmission.purpose {
                    Purpose::Request(request) => request,
                    Purpose::Response(token) => {
                        self.response_failed(peer, token, FailureReason::Reset);
                        return Ok(None);
                    }
                    Purpose::Probe => return Ok(None),
                    Purpose::Notification { id, token } => {
                        let newer = transmission.newer;
                        return Ok(Some(self.notification_reset(peer, id, token, newer)));
                    }
                }
            }
            IdOwner::Request(request) => request,
            IdOwner::Notification(key) => {
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

    /// Does what follows from what has become of messages that were sent.
    fn handle_outcomes(&mut self, now: Instant) {
        while let Some(outcome) = self.messages.poll_outcome() {
            match outcome {
                Outcome::Sent { request } => self.await_response(now, request),
                Outcome::ProbeOver { peer, transmission } => self.probed(peer, transmission),
                Outcome::Superseded {
                    peer,
                    id,
                    token,
                    message_id,
                } => self.superseded(now, peer, (id, token), message_id),
                Outcome::TimedOut { peer, transmission } => {
                    self.transmission_failed(now, peer, transmission, FailureReason::Timeout);
                }
            }
        }
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
            requests: self.requests.len(),
            notifications: self.notifications.len(),
            ..self.messages.usage()
        };
        usage.timers += self.timers.len();
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
