//! The endpoint as a machine: datagrams, time, polls.

use core::fmt;

use lwm2m_core::{CodeKind, Instant};

use super::{
    arriving::Arrival,
    config::Config,
    deadline::Deadline,
    event::{DatagramError, Event, Incoming, RequestId},
    layers::Layers,
    usage::Usage,
};
use crate::{
    coap::message::{MessageRef, MessageType},
    machine::{Datagram, Machine, Peer, Transmit},
};

/// A CoAP endpoint: client and server at once, for any number of peers.
///
/// It never reads a clock and does no I/O: the caller passes in the time and received datagrams,
/// and takes out datagrams to send and events. After each call, drain
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), then ask
/// [`poll_timeout`](Self::poll_timeout) how long to wait.
///
/// [`receive`](Self::receive) returns the content of a datagram, borrowed from it;
/// [`poll_event`](Self::poll_event) returns everything that results from timeouts and calls. The
/// time passed to calls must never go backwards.
///
/// It serves multicast requests (RFC 7252 §8) but does not send them, because a response is also
/// matched by its peer.
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
/// [`Debug`](fmt::Debug) shows the configuration without its seed, and the usage, but no tokens and
/// no messages.
pub struct Endpoint<P> {
    config: Config,
    pub(super) layers: Layers<P>,
}

impl<P: Peer> Endpoint<P> {
    /// Creates an endpoint without peers.
    pub fn new(config: Config) -> Self {
        Self {
            layers: Layers::new(&config),
            config,
        }
    }

    /// Processes a datagram and returns its content without copying it, or `None` if there is
    /// nothing for the application, for example for a duplicate, an acknowledgement, a ping or an
    /// outdated notification. No datagram can break the endpoint; the error is only informational.
    pub fn receive<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        self.receive_following(now, datagram, &mut |_| false)
    }

    /// Processes a datagram like [`receive`](Self::receive), for peers that may come back under
    /// another name, such as devices with a new secure session.
    ///
    /// A notification whose token the sender was not asked with would be rejected, which ends the
    /// observation (RFC 7641 §3.6). If it is the token of an observation of another peer, `follows`
    /// is asked first: it returns whether the sender is the device that is observed, as the
    /// transport has proved. Then the notification is taken, and the observation
    /// [moves](Self::move_observation) to the sender, unless a newer one has arrived before.
    pub fn receive_following<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
        follows: &mut dyn FnMut(RequestId) -> bool,
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
        let mut arrival = Arrival {
            layers,
            now,
            datagram,
        };
        match (message.kind(), message.code().kind()) {
            (MessageType::Confirmable | MessageType::NonConfirmable, CodeKind::Request) => {
                arrival.request(message)
            }
            (MessageType::Reset, CodeKind::Empty) => arrival.reset(message.message_id()),
            (MessageType::Acknowledgement, CodeKind::Empty) => {
                arrival.acknowledgement(message.message_id())
            }
            (MessageType::Confirmable, CodeKind::Empty) => {
                arrival
                    .layers
                    .messages
                    .reject(datagram, message.message_id());
                Ok(None)
            }
            (MessageType::Reset, _) => Err(misplaced),
            (_, CodeKind::Response) => arrival.response(message, follows),
            (MessageType::Confirmable, _) => {
                arrival
                    .layers
                    .messages
                    .reject(datagram, message.message_id());
                Err(misplaced)
            }
            _ => Err(misplaced),
        }
    }

    /// Processes a datagram like every [`Machine`]: its content is copied and returned by
    /// [`poll_event`](Self::poll_event).
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

    /// The next datagram to send. Any call except the other polls may change it.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.layers.messages.poll_transmit()
    }

    /// The next event. Any call except the other polls may change it.
    pub fn poll_event(&mut self) -> Option<Event<P>> {
        self.layers.events.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` means never. Any call
    /// except the other polls may change it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.layers.next_deadline();
        next.map(|(moment, _)| moment)
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) and its reason, for tests and for finding
    /// out why a device does not sleep.
    pub fn next_deadline(&self) -> Option<(Instant, Deadline)> {
        self.layers.next_deadline()
    }

    /// Whether there are no peers, nothing left to send and no pending events.
    pub fn is_idle(&self) -> bool {
        self.layers.is_idle()
    }
}

impl<P> Endpoint<P> {
    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How much state is held.
    pub fn usage(&self) -> Usage {
        self.layers.usage()
    }
}

impl<P> fmt::Debug for Endpoint<P> {
    /// Omits everything an attacker could use: the seed, current and future message ids and tokens,
    /// and messages, which may contain keys.
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
