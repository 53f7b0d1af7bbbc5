//! The endpoint as a machine: datagrams, time, polls.

use core::fmt;

use lwm2m_core::{CodeKind, Instant};

use super::{
    config::Config,
    deadline::Deadline,
    event::{DatagramError, Event, Incoming},
    layers::Layers,
    usage::Usage,
};
use crate::{
    coap::message::{MessageRef, MessageType},
    machine::{Datagram, Machine, Peer, Transmit},
};

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
    pub(super) layers: Layers<P>,
}

impl<P: Peer> Endpoint<P> {
    /// An endpoint that knows no one.
    pub fn new(config: Config) -> Self {
        Self {
            layers: Layers::new(&config),
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
        let layers = &mut self.layers;
        layers.expire(now);
        let message = match MessageRef::parse(datagram.payload) {
            Ok(message) => message,
            Err(error) => {
                if let Some((MessageType::Confirmable, message_id)) = error.header {
                    layers.messages.reject(datagram, message_id);
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
                layers.receive_request(now, datagram, message)
            }
            (MessageType::Reset, CodeKind::Empty) => {
                layers.receive_reset(now, datagram, message.message_id())
            }
            (MessageType::Acknowledgement, CodeKind::Empty) => {
                layers.receive_acknowledgement(now, datagram, message.message_id())
            }
            (MessageType::Confirmable, CodeKind::Empty) => {
                layers.messages.reject(datagram, message.message_id());
                Ok(None)
            }
            (MessageType::Reset, _) => Err(misplaced),
            (_, CodeKind::Response) => layers.receive_response(now, datagram, message),
            (MessageType::Confirmable, _) => {
                layers.messages.reject(datagram, message.message_id());
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
            self.layers.events.push(Event::Incoming {
                incoming: incoming.into(),
                from: datagram.from,
            });
        }
        Ok(())
    }

    /// Does what is due at `now`. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.layers.expire(now);
        self.layers.handle_due(now);
    }

    /// The next datagram to send. Changes after every call but the other polls.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.layers.messages.poll_transmit()
    }

    /// The next event. Changes after every call but the other polls.
    pub fn poll_event(&mut self) -> Option<Event<P>> {
        self.layers.events.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; never, if `None`. Changes after
    /// every call but the other polls.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.layers.next_deadline();
        next.map(|(moment, _)| moment)
    }

    /// What [`poll_timeout`](Self::poll_timeout) is for, with its moment: for tests, and to find out
    /// why a device does not sleep.
    pub fn next_deadline(&self) -> Option<(Instant, Deadline)> {
        self.layers.next_deadline()
    }

    /// Whether nothing is kept of anyone, and nothing is left to send or to tell.
    pub fn is_idle(&self) -> bool {
        self.layers.is_idle()
    }
}

impl<P> Endpoint<P> {
    /// What it was configured with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How much is held.
    pub fn usage(&self) -> Usage {
        self.layers.usage()
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
