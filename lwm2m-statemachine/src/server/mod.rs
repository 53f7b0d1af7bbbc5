//! The LwM2M Server: registrations, operations and observations over one CoAP endpoint
//! (TS 5.3, 5.4, 5.5).
//!
//! It takes Register, Update and De-register of any number of clients, and offers Read, Discover,
//! Write, Write-Attributes, Execute, Create, Delete, Observe and Cancel Observation as calls. A
//! call returns the handle of an operation, and exactly one
//! [`Answered`](ServerEvent::Answered) event tells how that ended.
//!
//! It is no bootstrap-server (`/bs` is 4.04 here), keeps no values, and decides nothing for the
//! application but what the specification decides: see [`ServerConfig`] for what is left to say.
//!
//! # The loop
//!
//! A server does nothing on its own: it is fed datagrams and the time, and drained of datagrams
//! and events. This loop serves for ever on a socket:
//!
//! ```no_run
//! use std::{
//!     net::{SocketAddr, UdpSocket},
//!     time::{self, Duration},
//! };
//!
//! use lwm2m_core::Instant;
//! use lwm2m_statemachine::{Datagram, Server, ServerConfig, ServerEvent, server::Host};
//!
//! # fn fresh_random_bytes() -> [u8; 32] { [0; 32] }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let socket = UdpSocket::bind("[::]:5683")?;
//! let start = time::Instant::now();
//! let now = || Instant::ZERO + start.elapsed();
//! let config = ServerConfig::new(fresh_random_bytes());
//! let mut server = Server::with_hosts(config, |peer: &SocketAddr| Host::from(*peer));
//! let mut buffer = [0; 65_536];
//! loop {
//!     while let Some(event) = server.poll_event() {
//!         match event {
//!             ServerEvent::Registered { registration } => {
//!                 server.read(now(), registration, "/3/0".parse()?, None)?;
//!             }
//!             ServerEvent::Answered { outcome, .. } => println!("{outcome:?}"),
//!             _ => {}
//!         }
//!     }
//!     while let Some(transmit) = server.poll_transmit() {
//!         // What is lost here is sent again.
//!         let _ = socket.send_to(transmit.payload, transmit.to);
//!     }
//!     let wait = server.poll_timeout().map(|at| at.saturating_duration_since(now()));
//!     socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
//!     if let Ok((length, from)) = socket.recv_from(&mut buffer) {
//!         // The error only informs; the server goes on.
//!         let _ = server.handle_datagram(now(), Datagram::new(from, &buffer[..length]));
//!     }
//!     server.handle_timeout(now());
//! }
//! # }
//! ```
//!
//! # What it is made of
//!
//! - `interface` answers requests of clients; `admission` decides who may register, and with `room`
//!   who goes when there is no room; `registrations` keeps what they registered, and knows which
//!   registration expires next. A registration is a record of its own: nothing of it is shared, so
//!   a server can be one of many, each with a part of the peers.
//! - `definitions` finds the definition of an Object in the version that a client has.
//! - `operation` says what a call looks like on the wire, and what its answer means; two `ledger`s
//!   keep the operations that wait for an answer, and the observations. Queue Mode (TS 8.3) has
//!   its place between them and the endpoint: today a request is handed over at once.

mod admission;
mod config;
mod definitions;
mod event;
mod interface;
mod location;
mod objects;
mod pages;
mod parameters;
mod refusal;
mod registration;
mod registrations;
mod response;
mod room;

use alloc::{boxed::Box, collections::VecDeque};

use lwm2m_core::{
    Arguments, AttributesUpdate, ContentFormat, EnablerVersions, InstanceId, Instant, ObjectId,
    Operation, Path, WriteMode, codec::Content,
};
use lwm2m_objects::Registry;

pub use self::{
    config::{
        IdentityCheck, NoSec, ServerBounds, ServerConfig, UnknownParameters, identity_is_name,
    },
    definitions::ClientDefinitions,
    event::{Changes, EndReason, EvictionReason, ObservationId, OperationId, Outcome, ServerEvent},
    location::Location,
    refusal::{Refusal, RefusalReason},
    registration::{Registration, RegistrationId},
    room::Host,
};
use self::{
    interface::Origin,
    registrations::{HostOf, Registrations},
    response::Observed,
};
pub use crate::downlink::{AnswerError, CallError, DiscoveredLink};
use crate::{
    coap::{DatagramError, Endpoint, Incoming, RequestOptions, Usage},
    downlink::{Ask, KEEP, Key, Ledger, Pending},
    machine::{Datagram, Machine, Peer, Random, Transmit},
};

/// A LwM2M Server; see the [module](self) for the loop that drives it.
///
/// `P` is the caller's name for a peer. A client without security is known by it alone: a client
/// that comes from another peer has to register anew.
#[derive(Debug)]
pub struct Server<P> {
    endpoint: Endpoint<P>,
    registrations: Registrations<P>,
    operations: Ledger<RegistrationId, Pending>,
    observations: Ledger<RegistrationId, Observed>,
    events: VecDeque<ServerEvent<P>>,
    settings: Settings,
}

/// How many registrations expire in one call: a fleet that went at once does not block the rest.
const EXPIRED_AT_ONCE: usize = 1000;

/// What was configured, the endpoint's part apart.
#[derive(Debug)]
struct Settings {
    registry: Registry,
    versions: EnablerVersions,
    unknown_parameters: UnknownParameters,
    identity_check: IdentityCheck,
    no_sec: NoSec,
    grace: core::time::Duration,
    bounds: ServerBounds,
}

/// What a server holds; for tests and for watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerUsage {
    /// Registrations.
    pub registrations: usize,
    /// What registrations take, in bytes of heap, about.
    pub registration_bytes: usize,
    /// Hosts that have registrations without a proven identity, if hosts are told apart.
    pub hosts: usize,
    /// Operations that wait for their answer.
    pub operations: usize,
    /// Observations.
    pub observations: usize,
    /// Events that were not polled yet.
    pub events: usize,
    /// What the endpoint holds.
    pub coap: Usage,
}

impl<P: Peer> Server<P> {
    /// A server without registrations.
    pub fn new(config: ServerConfig) -> Self {
        Self::build(config, None)
    }

    /// A server without registrations that tells hosts apart: `host_of` says at which host a peer
    /// is, always the same of the same peer. So none of them can have more registrations without a
    /// proven identity than [`ServerBounds::registrations_per_host`].
    ///
    /// ```
    /// use core::net::SocketAddr;
    /// use lwm2m_statemachine::{Server, ServerConfig, server::Host};
    ///
    /// let config = ServerConfig::new([7; 32]);
    /// let server = Server::with_hosts(config, |peer: &SocketAddr| Host::from(*peer));
    /// # let _ = server;
    /// ```
    pub fn with_hosts(config: ServerConfig, host_of: fn(&P) -> Host) -> Self {
        Self::build(config, Some(host_of))
    }

    fn build(config: ServerConfig, host_of: Option<HostOf<P>>) -> Self {
        let mut coap = config.coap;
        let mut random = Random::new(coap.seed);
        coap.seed = random.seed();
        // What is put together is decided by the first block.
        coap.stream_requests = true;
        Self {
            endpoint: Endpoint::new(coap),
            registrations: Registrations::new(&mut random, host_of),
            operations: Ledger::new(random.hash_keys()),
            observations: Ledger::new(random.hash_keys()),
            events: VecDeque::new(),
            settings: Settings {
                registry: config.registry,
                versions: config.versions,
                unknown_parameters: config.unknown_parameters,
                identity_check: config.identity_check,
                no_sec: config.no_sec,
                grace: config.grace,
                bounds: config.bounds,
            },
        }
    }

    /// Takes a datagram. Always safe to call: whatever the bytes are, the server goes on working,
    /// and the error only informs.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as in the contract of all machines"
    )]
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, P>,
    ) -> Result<(), DatagramError> {
        let incoming = self.endpoint.receive(now, &datagram);
        let origin = Origin {
            peer: &datagram.from,
            channel: datagram.channel,
            identity: datagram.identity,
        };
        let result = incoming.map(|incoming| match incoming {
            // Nobody registers with a group.
            Some(
                Incoming::Request { responder, .. } | Incoming::RequestBlock { responder, .. },
            ) if datagram.multicast => self.endpoint.ignore(responder),
            Some(Incoming::Request {
                responder,
                request,
                body,
            }) => self.handle_request(now, &origin, responder, &request, &body),
            // Whatever goes on after the first one is put together.
            Some(Incoming::RequestBlock {
                responder, request, ..
            }) => self.handle_first_block(now, &origin, responder, &request),
            Some(incoming) => self.handle_incoming(now, incoming),
            None => {}
        });
        self.handle_endpoint_events();
        result
    }

    /// Does what is due at `now`. Early, late and repeated calls are harmless.
    ///
    /// At most 1,000 registrations expire in one call; if there are more,
    /// [`poll_timeout`](Self::poll_timeout) asks for the next call at once.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.handle_endpoint_events();
        for _ in 0..EXPIRED_AT_ONCE {
            let Some(registration) = self.registrations.pop_expired(now) else {
                break;
            };
            self.expire(now, registration);
        }
    }

    /// The next datagram to send. Changes after every call but the other polls.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.endpoint.poll_transmit()
    }

    /// The next event. Changes after every call but the other polls.
    pub fn poll_event(&mut self) -> Option<ServerEvent<P>> {
        let event = self.events.pop_front();
        if event.is_none() && self.events.capacity() > KEEP {
            self.events = VecDeque::new();
        }
        event
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; never, if `None`. Changes after
    /// every call but the other polls.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.endpoint.poll_timeout(),
            self.registrations.next_expiry(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

/// What is known of clients.
impl<P> Server<P> {
    /// All definitions that are known; [`definitions`](Self::definitions) has those of one client.
    pub const fn registry(&self) -> &Registry {
        &self.settings.registry
    }

    /// All definitions, to add more while the server runs: what is decoded from now on is decoded
    /// with them.
    pub const fn registry_mut(&mut self) -> &mut Registry {
        &mut self.settings.registry
    }

    /// The definitions of the Objects of a client, each of the version that the client has: what
    /// its answers are decoded with, and what is written to it has the types of.
    pub fn definitions(&self, id: RegistrationId) -> Option<ClientDefinitions<'_>> {
        let client = self.registrations.get(id)?;
        Some(ClientDefinitions::new(&self.settings.registry, client))
    }

    /// A registration, as long as it lives.
    pub fn registration(&self, id: RegistrationId) -> Option<&Registration<P>> {
        self.registrations.get(id)
    }

    /// All registrations, in no order that means anything.
    pub fn registrations(&self) -> impl Iterator<Item = (RegistrationId, &Registration<P>)> {
        self.registrations.iter()
    }

    /// The registration of this endpoint name.
    pub fn find(&self, endpoint_name: &str) -> Option<RegistrationId> {
        self.registrations.find(endpoint_name)
    }
}

/// The operations (TS 5.4, 5.5). All requests are confirmable (TS 8.2), and go below the client's
/// alternate path (TS 8.2.2).
///
/// Each call returns the handle of an operation, which ends with exactly one
/// [`Answered`](ServerEvent::Answered) event, or an error, and then nothing has changed; but a
/// registration whose time is over [expires](ServerEvent::Expired).
impl<P: Peer> Server<P> {
    /// Reads an Object, an Object Instance or a Resource; in this format, or in one that the
    /// client chooses (TS 5.4.1).
    pub fn read(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        format: Option<ContentFormat>,
    ) -> Result<OperationId, CallError> {
        self.ask(now, registration, &Ask::Read(path, format), None)
    }

    /// Asks which Object Instances, Resources and attributes there are at and below an Object, an
    /// Object Instance or a Resource (TS 5.4.2).
    pub fn discover(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
    ) -> Result<OperationId, CallError> {
        self.ask(now, registration, &Ask::Discover(path), None)
    }

    /// Writes an Object Instance or a Resource, in TLV unless told otherwise (TS 5.4.3).
    ///
    /// `content` is what is written: values at and below `path`, of the types that the Resources
    /// have in the [version that the client has](Self::definitions).
    pub fn write(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        mode: WriteMode,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        let ask = Ask::Write(path, mode, format, content);
        self.ask(now, registration, &ask, None)
    }

    /// Sets and unsets the attributes of an Object, an Object Instance or a Resource that govern
    /// notifications to this server (TS 5.4.4).
    pub fn write_attributes(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        update: &AttributesUpdate,
    ) -> Result<OperationId, CallError> {
        let ask = Ask::WriteAttributes(path, update);
        self.ask(now, registration, &ask, None)
    }

    /// Executes a Resource (TS 5.4.5).
    pub fn execute(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        arguments: &Arguments<'_>,
    ) -> Result<OperationId, CallError> {
        let ask = Ask::Execute(path, *arguments);
        self.ask(now, registration, &ask, None)
    }

    /// Creates an Object Instance, in TLV unless told otherwise (TS 5.4.6).
    ///
    /// With an `instance`, that is its identifier, and `content` has values below it. Without one
    /// the client chooses the identifier; `content` then has values below any one Object Instance
    /// of the Object. Their types are those of [`write`](Self::write).
    pub fn create(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        object: ObjectId,
        instance: Option<InstanceId>,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        let ask = Ask::Create(object, instance, format, content);
        self.ask(now, registration, &ask, None)
    }

    /// Deletes an Object Instance (TS 5.4.7).
    pub fn delete(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
    ) -> Result<OperationId, CallError> {
        self.ask(now, registration, &Ask::Delete(path), None)
    }

    /// Observes an Object, an Object Instance or a Resource; in this format, or in one that the
    /// client chooses (TS 5.5.1).
    ///
    /// If the client takes it up the outcome is [`Observing`](Outcome::Observing), and
    /// [`Notification`](ServerEvent::Notification)s follow. An observation does not outlive its
    /// registration: when the client registers anew, observe again.
    pub fn observe(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        format: Option<ContentFormat>,
    ) -> Result<OperationId, CallError> {
        self.ask(now, registration, &Ask::Observe(path, format), None)
    }

    /// Cancels an observation with a request (TS 5.5.3, Observe: 1), whose answer has the values
    /// of now. The observation ends at once.
    pub fn cancel_observation(
        &mut self,
        now: Instant,
        observation: ObservationId,
    ) -> Result<OperationId, CallError> {
        let (request, observed) = self
            .observations
            .get(observation.0)
            .copied()
            .ok_or(CallError::UnknownObservation)?;
        let ask = Ask::Cancel(observed.path, observed.accept);
        let registration = observation.registration();
        let operation = self.ask(now, registration, &ask, Some(request))?;
        self.observations.take(observation.0);
        self.end_observation(observation, EndReason::Cancelled);
        Ok(operation)
    }

    /// Cancels an observation without a request: the client's next notification is answered with
    /// a Reset (TS 8.2.6). The observation ends at once.
    pub fn drop_observation(
        &mut self,
        now: Instant,
        observation: ObservationId,
    ) -> Result<(), CallError> {
        let taken = self.observations.take(observation.0);
        let (request, _) = taken.ok_or(CallError::UnknownObservation)?;
        self.endpoint.cancel(now, request);
        self.end_observation(observation, EndReason::Cancelled);
        Ok(())
    }

    /// What the server holds.
    pub fn usage(&self) -> ServerUsage {
        ServerUsage {
            registrations: self.registrations.len(),
            registration_bytes: self.registrations.bytes(),
            hosts: self.registrations.hosts(),
            operations: self.operations.len(),
            observations: self.observations.len(),
            events: self.events.len(),
            coap: self.endpoint.usage(),
        }
    }

    /// Sends a request, and remembers what its answer is about. `cancels` is the request of the
    /// observation that it cancels.
    fn ask(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        ask: &Ask<'_>,
        cancels: Option<crate::coap::RequestId>,
    ) -> Result<OperationId, CallError> {
        self.expire_if_due(now, registration);
        let client = self.registrations.get(registration);
        let client = client.ok_or(CallError::UnknownRegistration)?;
        let bounds = &self.settings.bounds;
        if self.operations.count(registration) >= bounds.operations {
            return Err(CallError::TooMany);
        }
        if matches!(ask, Ask::Observe(..)) {
            let pending = usize::try_from(client.pending_observes).unwrap_or(usize::MAX);
            let observations = self.observations.count(registration);
            if observations.saturating_add(pending) >= bounds.observations {
                return Err(CallError::TooMany);
            }
        }
        let definitions = ClientDefinitions::new(&self.settings.registry, client);
        let message = ask.message(client.alternate_path(), &definitions)?;
        let options = RequestOptions {
            channel: client.channel,
            cancels,
            ..RequestOptions::default()
        };
        let request = self
            .endpoint
            .request(now, client.peer.clone(), message, options)?;
        let pending = ask.pending();
        if pending.operation == Operation::Observe
            && let Some(client) = self.registrations.get_mut(registration)
        {
            client.pending_observes = client.pending_observes.saturating_add(1);
        }
        let key = self.operations.insert(registration, request, pending);
        Ok(OperationId(key))
    }

    /// Takes the operation of this request, which is answered or never will be.
    fn take_operation(
        &mut self,
        request: crate::coap::RequestId,
    ) -> Option<(Key<RegistrationId>, Pending)> {
        let (key, pending) = self.operations.take_by_request(request)?;
        if pending.operation == Operation::Observe
            && let Some(client) = self.registrations.get_mut(key.client)
        {
            client.pending_observes = client.pending_observes.saturating_sub(1);
        }
        Some((key, pending))
    }
}

/// The end of registrations and observations.
impl<P: Peer> Server<P> {
    /// Ends a registration whose time is over, though nobody has called
    /// [`handle_timeout`](Self::handle_timeout) since: whatever comes, it is not revived. Tells
    /// whether it ended.
    fn expire_if_due(&mut self, now: Instant, id: RegistrationId) -> bool {
        let registration = self.registrations.get(id);
        let due = registration.is_some_and(|registration| registration.expires_at() <= now);
        if due {
            self.expire(now, id);
        }
        due
    }

    fn expire(&mut self, now: Instant, registration: RegistrationId) {
        if let Some(was) = self.forget(now, registration) {
            self.events
                .push_back(ServerEvent::Expired { registration, was });
        }
    }

    /// Removes a registration, and ends all that belongs to it.
    fn forget(&mut self, now: Instant, id: RegistrationId) -> Option<Box<Registration<P>>> {
        let registration = self.registrations.remove(id)?;
        self.end_all_of(now, id);
        Some(Box::new(registration))
    }

    /// Ends the operations and observations of a registration that is no more.
    fn end_all_of(&mut self, now: Instant, registration: RegistrationId) {
        while let Some((key, request, _)) = self.operations.take_of(registration) {
            self.endpoint.cancel(now, request);
            self.events.push_back(ServerEvent::Answered {
                registration,
                operation: OperationId(key),
                outcome: Outcome::RegistrationGone,
            });
        }
        self.end_observations(now, registration, EndReason::RegistrationGone);
    }

    fn end_observations(&mut self, now: Instant, registration: RegistrationId, reason: EndReason) {
        while let Some((key, request, _)) = self.observations.take_of(registration) {
            self.endpoint.cancel(now, request);
            self.end_observation(ObservationId(key), reason);
        }
    }

    fn end_observation(&mut self, observation: ObservationId, reason: EndReason) {
        self.events.push_back(ServerEvent::ObservationEnded {
            registration: observation.registration(),
            observation,
            reason,
        });
    }
}

impl<P: Peer> Machine for Server<P> {
    type Peer = P;
    type Event = ServerEvent<P>;
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

    fn poll_event(&mut self) -> Option<ServerEvent<P>> {
        self.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
}
