//! The LwM2M Client: registers with its servers, serves their operations, notifies them.
//!
//! It is made of parts that each own their state: a registration per server
//! ([TS 5.3](self#what-it-does)), the dispatch of requests (TS 5.4), the observations (TS 5.5), on
//! a CoAP endpoint and an [`ObjectTree`].
//!
//! # What it does
//!
//! The accounts of the tree say which servers there are. [`Client::start`] asks for a connection
//! to each of them; on a connection that is up it registers, updates in time and on change, and
//! registers anew when a server has forgotten it.
//!
//! Requests of a server are served from its registration's answer on, and ignored before: without
//! acknowledgement, so that the server's retransmission still works.
//!
//! Values that change by themselves are told by the application, and their observers notified:
//! [`Client::set`] for what the tree holds, [`Client::changed`] for what an
//! [`Object`] reads elsewhere, such as a sensor, and
//! [`Client::object`] for an Object that does something. What is to survive a restart is
//! [`ObjectTree::snapshot`] of [`Client::tree`].
//!
//! # The loop
//!
//! A Client does nothing on its own: it is fed datagrams and the time, and drained of datagrams
//! and events. Here its only server is reached by a socket:
//!
//! ```
//! use std::{net::UdpSocket, time::{self, Duration}};
//! use lwm2m_core::{InstanceId, Instant, ServerUri, ShortServerId};
//! use lwm2m_objects::{ObjectTree, Store, typed};
//! use lwm2m_statemachine::{Client, ClientConfig, ClientEvent, Datagram};
//!
//! let server = ShortServerId::new(1).unwrap();
//! let mut tree = ObjectTree::new();
//! tree.add(Store::of([(InstanceId::ZERO, typed::Security::no_sec("coap://192.0.2.1", server))]));
//! tree.add(Store::of([(InstanceId::ZERO, typed::Server::new(server, 86_400))]));
//! tree.add(Store::of([(InstanceId::ZERO, typed::Device::default())]));
//!
//! let seed = [0; 32]; // fresh from a source of randomness at every start
//! let mut client = Client::new(ClientConfig::new("my-device", seed), tree).unwrap();
//!
//! let start = time::Instant::now();
//! let now = || Instant::ZERO + start.elapsed();
//! client.start(now());
//!
//! let socket = UdpSocket::bind("0.0.0.0:0")?; // "[::]:0" for a server on IPv6
//! let mut link = None; // the Client's name for its connection to the server
//! let mut buffer = [0; 65_535];
//! loop {
//!     while let Some(event) = client.poll_event() {
//!         match event {
//!             ClientEvent::Connect { connection, uri, .. } => {
//!                 let ServerUri::Coap { host, port } = ServerUri::parse(&uri)? else {
//!                     return Err("this loop has no DTLS and no SMS".into());
//!                 };
//! #               assert_eq!((host, port), ("192.0.2.1", 5683));
//! #               let (host, port) = ("127.0.0.1", serve_on_loopback()?);
//!                 socket.connect((host, port))?;
//!                 link = Some(connection);
//!                 client.connected(now(), connection);
//!             }
//!             ClientEvent::Disconnect { .. } => link = None,
//!             ClientEvent::Registered { location, .. } => println!("registered: {location}"),
//!             ClientEvent::Execute { path, .. } => println!("execute {path}"),
//!             _ => {}
//!         }
//!     }
//! #   if client.is_registered(server) {
//! #       break;
//! #   }
//!     while let Some(transmit) = client.poll_transmit() {
//!         if link == Some(transmit.to) {
//!             // What is lost here is sent again.
//!             let _ = socket.send(transmit.payload);
//!         }
//!     }
//!     let wait = client.poll_timeout().map(|at| at.saturating_duration_since(now()));
//!     socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
//!     if let (Ok(length), Some(link)) = (socket.recv(&mut buffer), link) {
//!         // The error only informs; the Client goes on.
//!         let _ = client.handle_datagram(now(), Datagram::new(link, &buffer[..length]));
//!     }
//!     client.handle_timeout(now());
//! #   assert!(start.elapsed() < Duration::from_secs(60), "it does not register");
//! }
//! #
//! # /// The server, in place of the one at 192.0.2.1, as long as the test runs; its port.
//! # fn serve_on_loopback() -> std::io::Result<u16> {
//! #     let socket = UdpSocket::bind("127.0.0.1:0")?;
//! #     let port = socket.local_addr()?.port();
//! #     std::thread::spawn(move || -> std::io::Result<()> {
//! #         let config = lwm2m_statemachine::ServerConfig::new([1; 32]);
//! #         let mut server = lwm2m_statemachine::Server::new(config);
//! #         let mut buffer = [0; 65_535];
//! #         loop {
//! #             let (length, from) = socket.recv_from(&mut buffer)?;
//! #             let datagram = Datagram::new(from, &buffer[..length]);
//! #             let _ = server.handle_datagram(Instant::ZERO, datagram);
//! #             while let Some(transmit) = server.poll_transmit() {
//! #                 socket.send_to(transmit.payload, transmit.to)?;
//! #             }
//! #             while server.poll_event().is_some() {}
//! #         }
//! #     });
//! #     Ok(port)
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Step by step
//!
//! ```
//! use lwm2m_core::{InstanceId, Instant, ShortServerId};
//! use lwm2m_objects::{ObjectTree, Store, typed};
//! use lwm2m_statemachine::{Client, ClientConfig, ClientEvent};
//!
//! let id = ShortServerId::new(101).unwrap();
//! let mut tree = ObjectTree::new();
//! tree.add(Store::of([(InstanceId::ZERO, typed::Security::no_sec("coap://192.0.2.1", id))]));
//! tree.add(Store::of([(InstanceId::ZERO, typed::Server::new(id, 86_400))]));
//! tree.add(Store::of([(InstanceId::ZERO, typed::Device::default())]));
//!
//! let seed = [7; 32]; // from a source of randomness, fresh at every start
//! let mut client = Client::new(ClientConfig::new("urn:dev:os:0023C7-000001", seed), tree)?;
//! let now = Instant::ZERO; // from a clock
//! client.start(now);
//! while let Some(event) = client.poll_event() {
//!     if let ClientEvent::Connect { connection, uri, .. } = event {
//!         assert_eq!(uri, "coap://192.0.2.1");
//!         client.connected(now, connection); // once the transport is up
//!     }
//! }
//! let register = client.poll_transmit().expect("a Register to send");
//! assert_eq!(register.payload[0] & 0xf0, 0x40); // confirmable
//! # Ok::<(), lwm2m_statemachine::ClientError>(())
//! ```

mod accounts;
mod admission;
mod changed;
mod config;
mod discover;
mod dispatch;
mod event;
mod location;
mod observation;
mod registering;
mod registration;
mod serving;
mod streaming;

use alloc::{collections::VecDeque, vec::Vec};

use lwm2m_core::{
    CodeKind, ContentFormat, EndpointName, Instant, ObjectId, Path, ShortServerId, Value,
};
use lwm2m_objects::{Object, ObjectTree, WriteError};

pub use self::{
    config::{ClientConfig, ClientError, Reliability},
    event::{ClientEvent, ConnectionId, RegistrationFailure},
};
use self::{
    observation::{ObservationId, Observations},
    registration::{Outcome, Registration},
    streaming::Streams,
};
use crate::{
    coap::{self, DatagramError, Endpoint, Incoming, MessageRef},
    machine::{Datagram, Machine, Random, TimerQueue, Transmit},
};

/// A LwM2M Client; see the [module](self).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    tree: ObjectTree,
    endpoint: Endpoint<ConnectionId>,
    registrations: Vec<Registration>,
    observations: Observations,
    streams: Streams,
    timers: TimerQueue<Timer>,
    random: Random,
    next_connection: u32,
    events: VecDeque<ClientEvent>,
}

/// What the timer queue holds, beside what the CoAP endpoint holds on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Registration(ShortServerId),
    Observation(ObservationId),
}

impl Client {
    /// A Client with the accounts and Objects of a tree.
    ///
    /// There need not be an account of a server: one may be made by a bootstrap (TS 5.2.4).
    ///
    /// # Errors
    ///
    /// [`ClientError`]: for a configuration that cannot be, a tree without a mandatory Object
    /// (Security, Server, Device), and two accounts of one server.
    pub fn new(config: ClientConfig, tree: ObjectTree) -> Result<Self, ClientError> {
        EndpointName::new(&*config.endpoint_name).map_err(|_| ClientError::EndpointName)?;
        let formats = [ContentFormat::TEXT, ContentFormat::TLV];
        if !formats.contains(&config.single_resource_format) {
            return Err(ClientError::SingleResourceFormat);
        }
        config::check_objects(&tree)?;
        let registrations = accounts::of(&tree)?
            .into_iter()
            .map(Registration::new)
            .collect();
        // The seed is the endpoint's; what the Client draws comes from a stream of its own.
        let mut random = Random::new(config.coap.seed);
        let endpoint = Endpoint::new(coap::Config {
            seed: random.seed(),
            // What an Object takes piece by piece is not put together here.
            stream_requests: true,
            ..config.coap.clone()
        });
        Ok(Self {
            config,
            tree,
            endpoint,
            registrations,
            observations: Observations::default(),
            streams: Streams::default(),
            timers: TimerQueue::new(),
            random,
            next_connection: 0,
            events: VecDeque::new(),
        })
    }

    /// Begins: asks for a connection to every server that there is none to.
    pub fn start(&mut self, now: Instant) {
        for server in self.servers() {
            if self
                .registration(server)
                .is_some_and(Registration::is_offline)
            {
                self.outcome(now, server, None, Some(Outcome::Connect));
            }
        }
    }

    /// The connection that [`ClientEvent::Connect`] asked for is up.
    pub fn connected(&mut self, now: Instant, connection: ConnectionId) {
        if let Some(server) = self.server_at(connection) {
            self.with(now, server, |registration, context| {
                registration.connected(context, connection)
            });
        }
    }

    /// A connection is lost, or could not be made. The Client asks for a new one after a while,
    /// and registers anew.
    pub fn disconnected(&mut self, now: Instant, connection: ConnectionId) {
        if let Some(server) = self.server_at(connection) {
            let outcome = self.step(now, server, |registration, context| {
                Some(registration.disconnected(context))
            });
            // There is no connection to close any more.
            self.outcome(now, server, None, outcome);
        }
        self.forget(now, connection);
    }

    /// Sends an Update to a server now (TS 5.3.2), if the Client is registered there.
    pub fn update(&mut self, now: Instant, server: ShortServerId) {
        self.with(now, server, |registration, context| {
            registration.update(context)
        });
    }

    /// De-registers from every server (TS 5.3.3). Each connection ends with
    /// [`ClientEvent::Disconnect`]; [`start`](Self::start) begins again.
    pub fn deregister(&mut self, now: Instant) {
        for server in self.servers() {
            self.with(now, server, |registration, context| {
                registration.deregister(context)
            });
        }
    }

    /// The application's own change of a value, of a Resource or of a Resource Instance. Who
    /// observes it is notified; what a registration tells is updated.
    pub fn set(
        &mut self,
        now: Instant,
        path: Path,
        value: impl Into<Value>,
    ) -> Result<(), WriteError> {
        if self.tree.set(path, value)? {
            self.changed(now, path);
        }
        Ok(())
    }

    /// Something at `path` has changed whose value the tree does not hold.
    pub fn changed(&mut self, now: Instant, path: Path) {
        self.follow(now, [path]);
    }

    /// Lets the application do something to an Object of a type that it knows, and notifies what
    /// changes thereby. `None` if there is no such Object.
    pub fn object<T: Object, R>(
        &mut self,
        now: Instant,
        id: ObjectId,
        act: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        self.tree.handle_timeout(now);
        let result = self.tree.object_as_mut(id).map(act);
        self.follow_objects(now);
        result
    }

    /// The Objects.
    pub const fn tree(&self) -> &ObjectTree {
        &self.tree
    }

    /// Whether the Client is registered with a server.
    pub fn is_registered(&self, server: ShortServerId) -> bool {
        self.registration(server)
            .is_some_and(Registration::is_registered)
    }

    /// Whether nothing is under way: no exchange, nothing to send, no event.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle() && self.events.is_empty()
    }
}

/// The five calls.
impl Machine for Client {
    type Peer = ConnectionId;
    type Event = ClientEvent;
    type DatagramError = DatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ConnectionId>,
    ) -> Result<(), DatagramError> {
        let from = datagram.from;
        // Who is no server of ours, or not yet, gets silence to its requests: no acknowledgement
        // and no Reset, whatever they are, so that a retransmission still works (TS 5.4).
        if !self.serves(from) && is_request(datagram.payload) {
            return Ok(());
        }
        let received = self.endpoint.receive(now, &datagram);
        let result = received.map(|incoming| match incoming {
            Some(Incoming::Request {
                responder,
                request,
                body,
                ..
            }) => self.serve(now, from, responder, &request, &body),
            Some(Incoming::RequestBlock {
                responder,
                transfer,
                request,
                offset,
                more,
            }) => {
                let place = (transfer, offset, more);
                self.serve_block(now, from, responder, &request, place);
            }
            Some(Incoming::Response {
                request, response, ..
            }) => self.answered(now, request, &response),
            Some(Incoming::RequestReset { request }) => {
                self.unanswered(now, request, RegistrationFailure::Reset);
            }
            Some(Incoming::NotificationReset {
                token,
                notification,
                ..
            }) => self.unobserve(now, from, token, notification),
            _ => {}
        });
        self.drain(now);
        self.follow_objects(now);
        result
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tree.handle_timeout(now);
        self.follow_objects(now);
        self.endpoint.handle_timeout(now);
        self.drain(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Registration(server) => {
                    if let Some(registration) = self.registration_mut(server) {
                        registration.armed = None;
                    }
                    self.with(now, server, |registration, context| {
                        registration.due(context)
                    });
                }
                Timer::Observation(id) => self.notify(now, id),
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        self.endpoint.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [
            self.endpoint.poll_timeout(),
            self.timers.next(),
            self.tree.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// The five calls again, so that the trait need not be in scope.
impl Client {
    /// See [`Machine::handle_datagram`].
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ConnectionId>,
    ) -> Result<(), DatagramError> {
        Machine::handle_datagram(self, now, datagram)
    }

    /// See [`Machine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        Machine::handle_timeout(self, now);
    }

    /// See [`Machine::poll_transmit`].
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        Machine::poll_transmit(self)
    }

    /// See [`Machine::poll_event`].
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        Machine::poll_event(self)
    }

    /// See [`Machine::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        Machine::poll_timeout(self)
    }
}

/// Whether the bytes are a CoAP request.
fn is_request(datagram: &[u8]) -> bool {
    MessageRef::parse(datagram).is_ok_and(|message| message.code().kind() == CodeKind::Request)
}
