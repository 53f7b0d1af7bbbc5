//! The LwM2M Server: registrations, operations and observations over one CoAP endpoint
//! (TS 5.3, 5.4, 5.5).
//!
//! It accepts Register, Update and De-register from any number of clients, and offers Read,
//! Discover, Write, Write-Attributes, Execute, Create, Delete, Observe and Cancel Observation as
//! calls. A call returns the handle of an operation, and exactly one
//! [`Answered`](ServerEvent::Answered) event says how the operation ended.
//!
//! It isn't a bootstrap-server (`/bs` is 4.04 here) and keeps no values. What the specification
//! leaves to the application is in [`ServerConfig`].
//!
//! # The loop
//!
//! A server does nothing on its own. The caller feeds it datagrams and the time, and drains it of
//! datagrams and events. This loop serves for ever on a socket:
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
//! - `registrar` decides about the requests of clients, and keeps the registrations.
//! - `definitions` finds the definition of an Object in the version that a client has.
//! - `calls` keeps operations, each queued with its message or sent with its request, and observations.
//! - The server itself joins these parts to the endpoint: it routes what arrives, sends what a part
//!   has decided, and tells the application.

mod calls;
mod config;
mod definitions;
mod event;
mod id;
mod registrar;

use alloc::collections::VecDeque;

use lwm2m_core::{
    Arguments, AttributesUpdate, Code, ContentFormat, InstanceId, Instant, ObjectId, Operation,
    Path, WriteMode, codec::Content,
};
use lwm2m_objects::Registry;

pub use self::{
    calls::{CallError, Overload},
    config::{
        IdentityCheck, NoSec, ServerBounds, ServerConfig, UnknownParameters, identity_is_name,
    },
    definitions::ClientDefinitions,
    event::{EndReason, Outcome, ServerEvent},
    id::{ObservationId, OperationId, RegistrationId},
    registrar::{Changes, EvictionReason, Host, Location, Refusal, RefusalReason, Registration},
};
use self::{
    calls::{Calls, Observation},
    registrar::{Decision, Effect, HostOf, Origin, Registrar},
};
pub use crate::downlink::{AnswerError, DiscoveredLink, InvalidCall};
use crate::{
    coap::{
        DatagramError, Endpoint, Event, FailureReason, Incoming, MessageRef, RequestId,
        RequestOptions, Responder, Usage,
    },
    downlink::{self, Call, PendingCall, QueuedRequest},
    machine::{Datagram, Machine, Peer, Random, Transmit},
};

/// An LwM2M Server; see the [module](self) for the loop that drives it.
///
/// `P` is the caller's name for a peer. A client without security is recognised by it alone, and
/// has to register anew when it comes from another peer.
#[derive(Debug)]
pub struct Server<P> {
    endpoint: Endpoint<P>,
    registrar: Registrar<P>,
    calls: Calls,
    events: VecDeque<ServerEvent<P>>,
    registry: Registry,
    /// How much memory an answer may take, in bytes.
    largest_answer: usize,
}

/// How many registrations expire in one call, so that a fleet that disappears at once doesn't block
/// the rest.
const EXPIRED_AT_ONCE: usize = 1000;

/// How many events an empty queue may keep room for.
const SPARE_ROOM: usize = 64;

/// What a server holds, for tests and monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerUsage {
    /// Registrations.
    pub registrations: usize,
    /// The approximate heap of all registrations, in bytes.
    pub registration_bytes: usize,
    /// Hosts with registrations without a proven identity, if the server tells hosts apart.
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

    /// A server without registrations that tells hosts apart. `host_of` returns the host of a peer,
    /// always the same for the same peer. No host can have more registrations without a proven
    /// identity than [`ServerBounds::registrations_per_host`].
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
        let mut random = Random::new(config.coap.seed);
        let seed = random.seed();
        let registrar = Registrar::new(&config, &mut random, host_of);
        let calls = Calls::new(&config.bounds, &mut random);
        let mut coap = config.coap;
        coap.seed = seed;
        // The first block decides whether a body is put together.
        coap.stream_requests = true;
        Self {
            endpoint: Endpoint::new(coap),
            registrar,
            calls,
            events: VecDeque::new(),
            registry: config.registry,
            largest_answer: config.bounds.answer,
        }
    }

    /// Takes a datagram. Any bytes are safe: the server goes on working, and an error only informs.
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
            // Requests to a multicast group are ignored.
            Some(
                Incoming::Request { responder, .. } | Incoming::RequestBlock { responder, .. },
            ) if datagram.multicast => self.endpoint.ignore(responder),
            Some(Incoming::Request {
                responder,
                request,
                body,
            }) => {
                let decision = self.registrar.decide(now, &origin, &request, &body);
                self.carry_out(now, responder, decision);
            }
            // Only a first block comes here: the endpoint puts the others together.
            Some(Incoming::RequestBlock {
                responder, request, ..
            }) => match self.registrar.decide_by_first_block(now, &origin, &request) {
                Some(decision) => self.carry_out(now, responder, decision),
                // The endpoint has just handed the responder out, so it accepts it.
                None => drop(self.endpoint.assemble(now, responder, &request)),
            },
            Some(incoming) => self.handle_incoming(now, incoming),
            None => {}
        });
        self.handle_endpoint_events();
        result
    }

    /// Does what is due at `now`. Early, late and repeated calls do no harm.
    ///
    /// At most 1,000 registrations expire in one call; if there are more,
    /// [`poll_timeout`](Self::poll_timeout) asks for the next call at once.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.handle_endpoint_events();
        for _ in 0..EXPIRED_AT_ONCE {
            if !self.registrar.expire_next(now) {
                break;
            }
            self.tell_departures(now);
        }
    }

    /// The next datagram to send. Every call but the other polls may change it.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.endpoint.poll_transmit()
    }

    /// The next event. Every call but the other polls may change it.
    pub fn poll_event(&mut self) -> Option<ServerEvent<P>> {
        let event = self.events.pop_front();
        if event.is_none() && self.events.capacity() > SPARE_ROOM {
            self.events = VecDeque::new();
        }
        event
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` if there is nothing to
    /// wait for. Every call but the other polls may change it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [self.endpoint.poll_timeout(), self.registrar.next_expiry()];
        deadlines.into_iter().flatten().min()
    }
}

/// What the server knows of its clients.
impl<P> Server<P> {
    /// All definitions; [`definitions`](Self::definitions) has those of one client.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All definitions, to add more while the server runs. They apply to everything decoded from
    /// then on.
    pub const fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The definitions of a client's Objects, in the versions that the client has.
    pub fn definitions(&self, id: RegistrationId) -> Option<ClientDefinitions<'_>> {
        let client = self.registrar.get(id)?;
        Some(ClientDefinitions::new(&self.registry, client))
    }

    /// A registration, as long as it lives.
    pub fn registration(&self, id: RegistrationId) -> Option<&Registration<P>> {
        self.registrar.get(id)
    }

    /// All registrations, in no particular order.
    pub fn registrations(&self) -> impl Iterator<Item = (RegistrationId, &Registration<P>)> {
        self.registrar.iter()
    }

    /// The registration of this endpoint name.
    pub fn find(&self, endpoint_name: &str) -> Option<RegistrationId> {
        self.registrar.find(endpoint_name)
    }
}

/// The operations (TS 5.4, 5.5). All requests are confirmable (TS 8.2) and go to paths below the
/// client's alternate path (TS 8.2.2).
///
/// Each call returns the handle of an operation, which ends with exactly one
/// [`Answered`](ServerEvent::Answered) event; or an error, and then nothing has changed, except
/// that a registration whose time is over [expires](ServerEvent::Expired).
impl<P: Peer> Server<P> {
    /// Reads an Object, an Object Instance or a Resource, in this format or in one that the client
    /// chooses (TS 5.4.1).
    pub fn read(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        format: Option<ContentFormat>,
    ) -> Result<OperationId, CallError> {
        self.call(now, registration, &Call::Read(path, format), None)
    }

    /// Asks for the Object Instances, Resources and attributes at and below an Object, an Object
    /// Instance or a Resource (TS 5.4.2).
    pub fn discover(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
    ) -> Result<OperationId, CallError> {
        self.call(now, registration, &Call::Discover(path), None)
    }

    /// Writes an Object Instance or a Resource, in TLV unless another format is given (TS 5.4.3).
    ///
    /// `content` has values at and below `path`, of the types that the Resources have in the
    /// [client's version](Self::definitions) of the Object.
    pub fn write(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        mode: WriteMode,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        let call = Call::Write(path, mode, format, content);
        self.call(now, registration, &call, None)
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
        let call = Call::WriteAttributes(path, update);
        self.call(now, registration, &call, None)
    }

    /// Executes a Resource (TS 5.4.5).
    pub fn execute(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        arguments: &Arguments<'_>,
    ) -> Result<OperationId, CallError> {
        let call = Call::Execute(path, *arguments);
        self.call(now, registration, &call, None)
    }

    /// Creates an Object Instance, in TLV unless another format is given (TS 5.4.6).
    ///
    /// `instance` is its identifier, and `content` has values below it. Without an `instance`, the
    /// client chooses the identifier, and `content` has values below any one Object Instance of the
    /// Object. The types of the values are those for a [`write`](Self::write).
    pub fn create(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        object: ObjectId,
        instance: Option<InstanceId>,
        format: Option<ContentFormat>,
        content: &Content,
    ) -> Result<OperationId, CallError> {
        let call = Call::Create(object, instance, format, content);
        self.call(now, registration, &call, None)
    }

    /// Deletes an Object Instance (TS 5.4.7).
    pub fn delete(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
    ) -> Result<OperationId, CallError> {
        self.call(now, registration, &Call::Delete(path), None)
    }

    /// Observes an Object, an Object Instance or a Resource, in this format or in one that the
    /// client chooses (TS 5.5.1).
    ///
    /// If the client accepts, the outcome is [`Observing`](Outcome::Observing), and
    /// [`Notification`](ServerEvent::Notification)s follow. An observation ends with its
    /// registration: when the client registers anew, observe again.
    pub fn observe(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        path: Path,
        format: Option<ContentFormat>,
    ) -> Result<OperationId, CallError> {
        self.call(now, registration, &Call::Observe(path, format), None)
    }

    /// Cancels an observation with a request (TS 5.5.3, Observe: 1), whose answer has the current
    /// values. The observation ends at once.
    pub fn cancel_observation(
        &mut self,
        now: Instant,
        observation: ObservationId,
    ) -> Result<OperationId, CallError> {
        let observed = self.calls.observation(observation);
        let observed = *observed.ok_or(CallError::UnknownObservation)?;
        let call = Call::Cancel(observed.path, observed.accept);
        let registration = observation.registration();
        let operation = self.call(now, registration, &call, Some(observed.request))?;
        self.calls.take_observation(observation);
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
        let taken = self.calls.take_observation(observation);
        let taken = taken.ok_or(CallError::UnknownObservation)?;
        self.endpoint.cancel(now, taken.request);
        self.end_observation(observation, EndReason::Cancelled);
        Ok(())
    }

    /// What the server holds.
    pub fn usage(&self) -> ServerUsage {
        ServerUsage {
            registrations: self.registrar.len(),
            registration_bytes: self.registrar.bytes(),
            hosts: self.registrar.hosts(),
            operations: self.calls.operations(),
            observations: self.calls.observations(),
            events: self.events.len(),
            coap: self.endpoint.usage(),
        }
    }

    /// Queues a call and sends it. `cancels` is the request of the observation that it cancels.
    fn call(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        call: &Call<'_>,
        cancels: Option<RequestId>,
    ) -> Result<OperationId, CallError> {
        if self.registrar.expire_if_due(now, registration) {
            self.tell_departures(now);
        }
        let client = self.registrar.get(registration);
        let client = client.ok_or(CallError::UnknownRegistration)?;
        self.calls.check_room(registration, call)?;
        let definitions = ClientDefinitions::new(&self.registry, client);
        let message = call.message(client.alternate_path(), &definitions)?;
        let queued = QueuedRequest { message, cancels };
        let operation = self.calls.queue(registration, call.pending(), queued);
        let endpoint = &mut self.endpoint;
        self.calls.send(operation, |queued| {
            let options = RequestOptions {
                channel: client.channel(),
                cancels: queued.cancels,
                ..RequestOptions::default()
            };
            endpoint.request(now, client.peer().clone(), queued.message, options)
        })?;
        Ok(operation)
    }
}

/// The requests of clients.
impl<P: Peer> Server<P> {
    /// Answers a request, ends what ends with it, and tells the application.
    fn carry_out(&mut self, now: Instant, responder: Responder, decision: Decision<P>) {
        let Decision { answer, effect } = decision;
        self.tell_departures(now);
        // A repeated Register may be handled again, as it replaces the first one. So no answer has
        // to be kept for it: without security, anybody could have the server keep any number of
        // them.
        let responder = match effect {
            Effect::Registered { .. } => responder.repeatable(),
            _ => responder,
        };
        if let Ok(message) = answer.message() {
            // The endpoint has just handed the responder out, so it accepts it. If it can't send
            // the answer, the client asks again.
            let _ = self.endpoint.respond(now, responder, message);
        }
        match effect {
            Effect::Registered {
                registration,
                replaced,
            } => {
                if let Some((old, was)) = replaced {
                    self.end_all_of(now, old);
                    self.events.push_back(ServerEvent::Replaced {
                        registration: old,
                        was,
                        by: registration,
                    });
                }
                self.events
                    .push_back(ServerEvent::Registered { registration });
            }
            Effect::Updated(registration, changes) => {
                if changes.peer {
                    self.end_observations(now, registration, EndReason::PeerChanged);
                }
                self.events.push_back(ServerEvent::Updated {
                    registration,
                    changes,
                });
            }
            Effect::Deregistered(registration, was) => {
                self.end_all_of(now, registration);
                self.events
                    .push_back(ServerEvent::Deregistered { registration, was });
            }
            Effect::Refused(refusal) => self.events.push_back(ServerEvent::Refused(refusal)),
            Effect::Nothing => {}
        }
    }

    /// Ends what belongs to registrations that have expired or were evicted, and tells the
    /// application.
    fn tell_departures(&mut self, now: Instant) {
        for departure in self.registrar.take_departures() {
            let (registration, was) = (departure.registration, departure.was);
            self.end_all_of(now, registration);
            self.events.push_back(match departure.evicted {
                None => ServerEvent::Expired { registration, was },
                Some(reason) => ServerEvent::Evicted {
                    registration,
                    was,
                    reason,
                },
            });
        }
    }

    /// Ends the operations and observations of a registration that has ended.
    fn end_all_of(&mut self, now: Instant, registration: RegistrationId) {
        while let Some((operation, request)) = self.calls.take_operation_of(registration) {
            if let Some(request) = request {
                self.endpoint.cancel(now, request);
            }
            self.answered(operation, Outcome::ClientGone);
        }
        self.end_observations(now, registration, EndReason::RegistrationGone);
    }

    fn end_observations(&mut self, now: Instant, registration: RegistrationId, reason: EndReason) {
        while let Some((observation, taken)) = self.calls.take_observation_of(registration) {
            self.endpoint.cancel(now, taken.request);
            self.end_observation(observation, reason);
        }
    }
}

/// The answers and notifications of clients.
impl<P: Peer> Server<P> {
    /// Handles anything but a request.
    fn handle_incoming(&mut self, now: Instant, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Response {
                request,
                response,
                body,
                observing,
            } => self.handle_response(now, request, &response, &body, observing),
            Incoming::Notification {
                request,
                response,
                body,
                observing,
            } => self.handle_notification(request, &response, &body, observing),
            Incoming::RequestReset { request } => self.end_operation(request, Outcome::Reset),
            // A server sends no notifications.
            _ => {}
        }
    }

    /// Handles the events of the endpoint.
    fn handle_endpoint_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::RequestFailed {
                    request, reason, ..
                } => {
                    self.end_operation(request, reason.into());
                    self.lose_observation(request, reason);
                }
                Event::NotificationLost {
                    request,
                    reason,
                    observing: true,
                    ..
                } => self.lose_notification(request, reason),
                Event::NotificationLost {
                    request, reason, ..
                } => self.lose_observation(request, reason),
                // A server sends no notifications, and if an answer is lost, the client asks again.
                _ => {}
            }
        }
    }

    fn lose_observation(&mut self, request: RequestId, reason: FailureReason) {
        if let Some((observation, _)) = self.calls.observation_by_request(request) {
            self.calls.take_observation(observation);
            self.end_observation(observation, EndReason::Lost(reason));
        }
    }

    /// The blocks of a notification couldn't be fetched; other notifications will follow.
    fn lose_notification(&mut self, request: RequestId, reason: FailureReason) {
        if let Some((observation, _)) = self.calls.observation_by_request(request) {
            self.events.push_back(ServerEvent::Notification {
                registration: observation.registration(),
                observation,
                content: Err(AnswerError::Lost(reason)),
            });
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        request: RequestId,
        response: &MessageRef<'_>,
        body: &[u8],
        observing: bool,
    ) {
        let Some((operation, call)) = self.calls.take_operation(request) else {
            // The operation has ended, so nobody waits for notifications.
            if observing {
                self.endpoint.cancel(now, request);
            }
            return;
        };
        let registration = operation.registration();
        self.registrar.confirm(registration);
        let outcome = match self.registrar.get(registration) {
            None => Outcome::ClientGone,
            Some(client) => {
                let definitions = ClientDefinitions::new(&self.registry, client);
                let types = definitions.types_for(&call.path);
                let (root, limit) = (client.alternate_path(), self.largest_answer);
                call.outcome(response, body, root, &types, limit)
            }
        };
        let outcome = if observing {
            self.begin_observation(now, registration, call, request, outcome)
        } else {
            outcome
        };
        self.answered(operation, outcome);
    }

    /// The client will send notifications. `outcome` is what its answer means apart from that.
    fn begin_observation(
        &mut self,
        now: Instant,
        registration: RegistrationId,
        call: PendingCall,
        request: RequestId,
        outcome: Outcome,
    ) -> Outcome {
        let content = match outcome {
            Outcome::Content(content) if call.operation == Operation::Observe => Ok(content),
            Outcome::Undecodable(error) if call.operation == Operation::Observe => Err(error),
            // It wasn't asked to observe, or refused.
            outcome => {
                self.endpoint.cancel(now, request);
                return outcome;
            }
        };
        let observation = Observation {
            request,
            path: call.path,
            accept: call.accept,
        };
        Outcome::Observing {
            observation: self.calls.observe(registration, observation),
            content,
        }
    }

    /// A notification (TS 5.5.2). The endpoint passes late and repeated ones over.
    fn handle_notification(
        &mut self,
        request: RequestId,
        response: &MessageRef<'_>,
        body: &[u8],
        observing: bool,
    ) {
        let Some((observation, observed)) = self.calls.observation_by_request(request) else {
            return;
        };
        let registration = observation.registration();
        let code = response.code();
        if code == Code::CONTENT
            && let Some(client) = self.registrar.get(registration)
        {
            let definitions = ClientDefinitions::new(&self.registry, client);
            let (path, limit) = (observed.path, self.largest_answer);
            let types = definitions.types_for(&path);
            let content = downlink::content(response, body, path, &types, limit);
            self.events.push_back(ServerEvent::Notification {
                registration,
                observation,
                content,
            });
        }
        if !observing {
            self.calls.take_observation(observation);
            let reason = if code.is_success() {
                EndReason::Completed
            } else {
                EndReason::Refused(code)
            };
            self.end_observation(observation, reason);
        }
    }

    fn end_operation(&mut self, request: RequestId, outcome: Outcome) {
        if let Some((operation, _)) = self.calls.take_operation(request) {
            self.answered(operation, outcome);
        }
    }

    fn answered(&mut self, operation: OperationId, outcome: Outcome) {
        self.events.push_back(ServerEvent::Answered {
            registration: operation.registration(),
            operation,
            outcome,
        });
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
