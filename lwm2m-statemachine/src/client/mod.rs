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
//! # The loop
//!
//! ```
//! use lwm2m_core::{InstanceId, Instant, ShortServerId};
//! use lwm2m_objects::{Device, ObjectTree, Security, Server, Store};
//! use lwm2m_statemachine::{Client, ClientConfig, ClientEvent};
//!
//! let id = ShortServerId::new(101).unwrap();
//! let mut tree = ObjectTree::new();
//! tree.add(Store::of([(InstanceId::ZERO, Security::no_sec("coap://192.0.2.1", id))]));
//! tree.add(Store::of([(InstanceId::ZERO, Server::new(id, 86_400))]));
//! tree.add(Store::of([(InstanceId::ZERO, Device::default())]));
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
mod config;
mod discover;
mod dispatch;
mod event;
mod observation;
mod registration;

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use lwm2m_core::{Instant, ObjectId, Path, ResourceId, ShortServerId, Value};
use lwm2m_objects::{Change, ObjectTree, Security, Server, Typed, WriteError};

pub use self::{
    config::{ClientConfig, ClientError, Reliability},
    event::{ClientEvent, ConnectionId, RegistrationFailure},
};
use self::{
    dispatch::{Defaults, Effect, Served},
    observation::{ObservationId, Observations, Periods},
    registration::{Context, Outcome, Parameters, Registration},
};
use crate::{
    coap::{
        self, DatagramError, Endpoint, FailureReason, Incoming, MessageBuf, MessageRef,
        NotifyOptions, RequestId, Responder, Token,
    },
    random::Random,
    timer::TimerQueue,
    transport::{Datagram, Machine, Transmit},
};

/// Registration Update Trigger of the Server Object (TS E.2).
const REGISTRATION_UPDATE_TRIGGER: ResourceId = ResourceId::new(8);

/// A LwM2M Client; see the [module](self).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    tree: ObjectTree,
    endpoint: Endpoint<ConnectionId>,
    registrations: Vec<Registration>,
    observations: Observations,
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
    pub fn new(config: ClientConfig, tree: ObjectTree) -> Result<Self, ClientError> {
        // `ep=` and the name are one Uri-Query of at most 255 bytes (RFC 7252 §5.10).
        if !(1..=250).contains(&config.endpoint_name.len()) {
            return Err(ClientError::EndpointName);
        }
        let formats = [
            lwm2m_core::ContentFormat::TEXT,
            lwm2m_core::ContentFormat::TLV,
        ];
        if !formats.contains(&config.single_resource_format) {
            return Err(ClientError::SingleResourceFormat);
        }
        let registrations = accounts::of(&tree)?
            .into_iter()
            .map(Registration::new)
            .collect();
        // The seed is the endpoint's; what the Client draws comes from a stream of its own.
        let mut random = Random::new(config.coap.seed);
        let endpoint = Endpoint::new(coap::Config {
            seed: random.seed(),
            ..config.coap.clone()
        });
        Ok(Self {
            config,
            tree,
            endpoint,
            registrations,
            observations: Observations::default(),
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
            self.with(now, server, |registration, context, parameters| {
                registration.connected(context, connection, parameters)
            });
        }
    }

    /// A connection is lost, or could not be made. The Client asks for a new one after a while,
    /// and registers anew.
    pub fn disconnected(&mut self, now: Instant, connection: ConnectionId) {
        let server = self.server_at(connection);
        if let Some(server) = server {
            self.with(now, server, |registration, context, _| {
                Some(registration.disconnected(context))
            });
        }
        self.forget(now, connection);
    }

    /// Sends an Update to a server now (TS 5.3.2), if the Client is registered there.
    pub fn update(&mut self, now: Instant, server: ShortServerId) {
        self.with(now, server, |registration, context, parameters| {
            registration.update(context, parameters)
        });
    }

    /// De-registers from every server (TS 5.3.3). Each connection ends with
    /// [`ClientEvent::Disconnect`]; [`start`](Self::start) begins again.
    pub fn deregister(&mut self, now: Instant) {
        for server in self.servers() {
            self.with(now, server, |registration, context, _| {
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
        let before = self.tree.get(path);
        self.tree.set(path, value)?;
        if self.tree.get(path) != before {
            self.changed(now, path);
        }
        Ok(())
    }

    /// Something at `path` has changed whose value the tree does not hold.
    pub fn changed(&mut self, now: Instant, path: Path) {
        let periods = |server| periods(&self.tree, &self.registrations, server);
        self.observations.changed(path, periods, &mut self.timers);
        self.refresh(now);
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
        match self.endpoint.receive(now, &datagram)? {
            Some(Incoming::Request {
                responder,
                request,
                body,
                ..
            }) => {
                self.serve(now, from, responder, &request, &body);
            }
            Some(Incoming::Response {
                request, response, ..
            }) => {
                self.answered(now, request, &response);
            }
            Some(Incoming::RequestReset { request }) => {
                self.unanswered(now, request, RegistrationFailure::Reset);
            }
            Some(Incoming::NotificationReset { token, .. }) => self.unobserve(from, token),
            _ => {}
        }
        self.drain(now);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Registration(server) => {
                    if let Some(registration) = self.registration_mut(server) {
                        registration.armed = None;
                    }
                    self.with(now, server, |registration, context, parameters| {
                        registration.due(context, parameters)
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
        [self.endpoint.poll_timeout(), self.timers.next()]
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

/// From requests to answers and effects.
impl Client {
    fn serve(
        &mut self,
        now: Instant,
        from: ConnectionId,
        responder: Responder,
        request: &MessageRef<'_>,
        body: &[u8],
    ) {
        // Who is no server of ours, or not yet, gets silence (TS 5.4).
        let registered = self.registrations.iter().find(|registration| {
            registration.connection() == Some(from) && registration.is_registered()
        });
        let Some(server) = registered.map(Registration::server) else {
            self.endpoint.ignore(responder);
            return;
        };
        let defaults = Defaults {
            single_resource_format: self.config.single_resource_format,
            may_observe: self.observations.len() < self.config.most_observations,
        };
        let token = responder.token();
        let Served { answer, effect } = dispatch::serve(&mut self.tree, request, body, defaults);
        // The answer may not be sendable any more (the peer is gone); the effect stands.
        let _ = self.endpoint.respond(now, responder, answer);
        self.effect(now, (server, from, token), effect);
    }

    /// What follows from a request. The answer is queued already, so it leaves first.
    fn effect(
        &mut self,
        now: Instant,
        requester: (ShortServerId, ConnectionId, Token),
        effect: Effect,
    ) {
        let (server, connection, token) = requester;
        match effect {
            Effect::None => {}
            Effect::Written(changes) => {
                let periods = |server| periods(&self.tree, &self.registrations, server);
                for path in changes.iter().map(Change::path) {
                    self.observations.changed(path, periods, &mut self.timers);
                }
                self.refresh(now);
                self.events
                    .push_back(ClientEvent::Written { server, changes });
            }
            Effect::Execute { path, arguments } => match self.triggered(path) {
                Some(server) => self.update(now, server),
                None => self.events.push_back(ClientEvent::Execute {
                    server,
                    path,
                    arguments,
                }),
            },
            Effect::Observe { path, format } => {
                let periods = periods(&self.tree, &self.registrations, server);
                self.observations
                    .add(now, requester, path, format, periods, &mut self.timers);
                self.events
                    .push_back(ClientEvent::Observed { server, path });
            }
            Effect::Cancel { path } => self.end_observations(|observation| {
                let own = observation.token == token && observation.path == path;
                let below = observation.path != path && path.contains(&observation.path);
                observation.connection == connection && (own || below)
            }),
        }
    }

    /// The server whose Registration Update Trigger this is.
    fn triggered(&self, path: Path) -> Option<ShortServerId> {
        match path {
            Path::Resource(ObjectId::SERVER, instance, REGISTRATION_UPDATE_TRIGGER) => self
                .registrations
                .iter()
                .find(|registration| registration.account.server_instance == instance)
                .map(Registration::server),
            _ => None,
        }
    }
}

/// Observations.
impl Client {
    /// A notification is due (TS 5.5.2). It tells the value of this moment.
    fn notify(&mut self, now: Instant, id: ObservationId) {
        let Some(observation) = self.observations.due(id) else {
            return;
        };
        let (sequence, confirm) = observation.notify(now);
        let (connection, token) = (observation.connection, observation.token);
        let (server, path, format) = (observation.server, observation.path, observation.format);
        let confirmable = confirm || self.config.notifications == Reliability::Confirmable;
        let message = dispatch::content(&self.tree, path, format, Some(sequence));
        let gone = message.is_err();
        // What cannot be read any more ends the observation with its error (RFC 7641 §4.2).
        let message = message.unwrap_or_else(MessageBuf::response);
        let options = NotifyOptions {
            confirmable,
            ..NotifyOptions::default()
        };
        let sent = self
            .endpoint
            .notify(now, connection, token, message, options);
        if gone {
            self.unobserve(connection, token);
        } else {
            // Over the endpoint's bounds this one is lost; the next carries the newer value.
            let _ = sent;
            let periods = periods(&self.tree, &self.registrations, server);
            if let Some(observation) = self.observations.get_mut(id) {
                observation.arm(id, periods, &mut self.timers);
            }
        }
    }

    fn unobserve(&mut self, connection: ConnectionId, token: Token) {
        self.end_observations(|observation| {
            observation.connection == connection && observation.token == token
        });
    }

    fn end_observations(&mut self, of: impl Fn(&observation::Observation) -> bool) {
        for (server, path) in self.observations.end(&mut self.timers, of) {
            self.events
                .push_back(ClientEvent::ObservationEnded { server, path });
        }
    }
}

/// Registrations.
impl Client {
    fn servers(&self) -> Vec<ShortServerId> {
        self.registrations
            .iter()
            .map(Registration::server)
            .collect()
    }

    fn registration(&self, server: ShortServerId) -> Option<&Registration> {
        self.registrations
            .iter()
            .find(|registration| registration.server() == server)
    }

    fn registration_mut(&mut self, server: ShortServerId) -> Option<&mut Registration> {
        self.registrations
            .iter_mut()
            .find(|registration| registration.server() == server)
    }

    fn server_at(&self, connection: ConnectionId) -> Option<ShortServerId> {
        self.registrations
            .iter()
            .find(|registration| registration.connection() == Some(connection))
            .map(Registration::server)
    }

    fn answered(&mut self, now: Instant, request: RequestId, response: &MessageRef<'_>) {
        if let Some(server) = self.owner(request) {
            self.with(now, server, |registration, context, parameters| {
                registration.answered(context, response, parameters)
            });
            // Something may have changed while the request was under way.
            self.with(now, server, |registration, context, parameters| {
                registration.follow_up(context, parameters)
            });
        }
    }

    fn unanswered(&mut self, now: Instant, request: RequestId, reason: RegistrationFailure) {
        if let Some(server) = self.owner(request) {
            self.with(now, server, |registration, context, _| {
                Some(registration.unanswered(context, reason))
            });
        }
    }

    fn owner(&self, request: RequestId) -> Option<ShortServerId> {
        self.registrations
            .iter()
            .find(|registration| registration.owns(request))
            .map(Registration::server)
    }

    /// Tells every server what has changed of what it knows.
    fn refresh(&mut self, now: Instant) {
        for server in self.servers() {
            self.with(now, server, |registration, context, parameters| {
                registration.refresh(context, parameters)
            });
        }
    }

    /// What came of time and calls in the endpoint.
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                coap::Event::RequestFailed {
                    request, reason, ..
                } => {
                    let reason = match reason {
                        FailureReason::PeerDropped => RegistrationFailure::Disconnected,
                        _ => RegistrationFailure::Timeout,
                    };
                    self.unanswered(now, request, reason);
                }
                coap::Event::NotificationFailed {
                    reason: FailureReason::Superseded,
                    ..
                } => {}
                // A server that does not acknowledge is gone (RFC 7641 §4.5).
                coap::Event::NotificationFailed { peer, token, .. } => self.unobserve(peer, token),
                _ => {}
            }
        }
    }

    /// Runs a step of a registration, and does what it asks for.
    fn with(
        &mut self,
        now: Instant,
        server: ShortServerId,
        step: impl FnOnce(&mut Registration, &mut Context<'_>, Option<Parameters>) -> Option<Outcome>,
    ) {
        let Some(registration) = self
            .registrations
            .iter_mut()
            .find(|registration| registration.server() == server)
        else {
            return;
        };
        let was_registered = registration.is_registered();
        let connection = registration.connection();
        let instance = registration.account.server_instance;
        let parameters = Server::load(&self.tree, instance)
            .map(|server| Parameters::new(&server, discover::object_list(&self.tree)));
        let (first, most) = (self.config.retry_first, self.config.retry_most);
        let random = &mut self.random;
        let mut context = Context {
            now,
            endpoint: &mut self.endpoint,
            endpoint_name: &self.config.endpoint_name,
            max_transmit_wait: self.config.coap.transmission.max_transmit_wait(),
            retry_after: &mut |failures| retry_after(first, most, failures, random),
        };
        let outcome = step(registration, &mut context, parameters);
        self.timers.set(
            Timer::Registration(server),
            &mut registration.armed,
            registration.deadline,
        );
        // Observations live as long as the registration (TS 5.5.1).
        if was_registered
            && !self.is_registered(server)
            && let Some(connection) = connection
        {
            self.end_observations(|observation| observation.connection == connection);
        }
        self.outcome(now, server, connection, outcome);
    }

    fn outcome(
        &mut self,
        now: Instant,
        server: ShortServerId,
        connection: Option<ConnectionId>,
        outcome: Option<Outcome>,
    ) {
        match outcome {
            None => {}
            Some(Outcome::Connect) => self.connect(server),
            Some(Outcome::Registered { location }) => {
                self.events
                    .push_back(ClientEvent::Registered { server, location });
            }
            Some(Outcome::Updated) => self.events.push_back(ClientEvent::Updated { server }),
            Some(Outcome::Failed { reason, retry }) => {
                self.events.push_back(ClientEvent::RegistrationFailed {
                    server,
                    reason,
                    retry,
                });
                if retry.is_none() {
                    self.disconnect(now, connection);
                }
            }
            Some(Outcome::Deregistered) => {
                self.events.push_back(ClientEvent::Deregistered { server });
                self.disconnect(now, connection);
            }
            Some(Outcome::Disconnect) => self.disconnect(now, connection),
        }
    }

    fn connect(&mut self, server: ShortServerId) {
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        let Some(registration) = self.registration_mut(server) else {
            return;
        };
        registration.connecting(connection);
        let instance = registration.account.security_instance;
        if let Some(security) = Security::load(&self.tree, instance) {
            let uri = security.server_uri.clone();
            self.events.push_back(ClientEvent::Connect {
                connection,
                server,
                uri,
                security,
            });
        }
    }

    fn disconnect(&mut self, now: Instant, connection: Option<ConnectionId>) {
        let Some(connection) = connection else { return };
        // What is cached for a retransmission of its requests is of no use without a connection.
        self.forget(now, connection);
        self.events
            .push_back(ClientEvent::Disconnect { connection });
    }

    /// Nothing is left of a connection.
    fn forget(&mut self, now: Instant, connection: ConnectionId) {
        self.endpoint.drop_peer(now, &connection);
        self.end_observations(|observation| observation.connection == connection);
        self.drain(now);
    }
}

/// The periods of an observation: the defaults of the Server Object (TS E.2).
fn periods(tree: &ObjectTree, registrations: &[Registration], server: ShortServerId) -> Periods {
    let registration = registrations
        .iter()
        .find(|registration| registration.server() == server);
    let server = registration
        .and_then(|registration| Server::load(tree, registration.account.server_instance));
    let (minimum, maximum) = server
        .map(|server| (server.default_minimum_period, server.default_maximum_period))
        .unwrap_or_default();
    Periods::new(minimum, maximum)
}

/// How long to wait after so many failures in a row: it doubles with each, up to a bound, and a
/// half of it is left to chance, so that a fleet does not come back all at once.
fn retry_after(first: Duration, most: Duration, failures: u32, random: &mut Random) -> Duration {
    let full = first.saturating_mul(1 << failures.min(20)).min(most);
    let jitter = u32::try_from(random.next_u64() >> 48).unwrap_or(0);
    full / 2 + (full / 2).saturating_mul(jitter) / 0x1_0000
}
