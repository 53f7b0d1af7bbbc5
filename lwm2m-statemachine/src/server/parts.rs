//! The parts of the server side by side, how they are made, and what they know.

use alloc::collections::VecDeque;

use lwm2m_objects::Registry;

use super::{
    calls::Calls,
    config::ServerConfig,
    definitions::ClientDefinitions,
    event::ServerEvent,
    gate::Unstored,
    id::RegistrationId,
    keeping::Keeping,
    queue::Queue,
    registrar::{Registrar, Registration},
    triggers::Triggers,
};
use crate::{
    coap::{Endpoint, Usage},
    downlink::{Host, HostOf},
    machine::{IdentityTable, Peer, Random},
};

/// An LwM2M Server; see the [module](super) for the loop that drives it.
///
/// `P` is the caller's name for a peer. A client without security is recognised by it alone, and
/// has to register anew when it comes from another peer.
#[derive(Debug)]
pub struct Server<P> {
    pub(super) endpoint: Endpoint<P>,
    pub(super) registrar: Registrar<P>,
    pub(super) calls: Calls,
    pub(super) queue: Queue,
    pub(super) triggers: Triggers<P>,
    pub(super) keeping: Keeping<P>,
    pub(super) events: VecDeque<ServerEvent<P>>,
    pub(super) registry: Registry,
    /// How much memory an answer may take, in bytes.
    pub(super) largest_answer: usize,
}

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
    /// Operations that wait for their answer, or for their client to wake.
    pub operations: usize,
    /// Those of them that are held for clients in Queue Mode.
    pub held: usize,
    /// The approximate heap that these take, in bytes.
    pub held_bytes: usize,
    /// Clients in Queue Mode that are awake.
    pub awake: usize,
    /// Registration Update Triggers that the server has [sent by itself](super::Waiting::set_trigger) so far.
    pub triggers: u64,
    /// Observations.
    pub observations: usize,
    /// What waits until changes of records are stored.
    pub unstored: Unstored,
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
    /// identity than [`registrations_per_host`](super::ServerBounds::registrations_per_host).
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
        let calls = Calls::new(&config.bounds, config.queue_mode, &mut random);
        let queue = Queue::new(&config);
        let keeping = Keeping::new(config.records, &mut random);
        let mut coap = config.coap;
        coap.seed = seed;
        // The first block decides whether a body is put together.
        coap.stream_requests = true;
        Self {
            endpoint: Endpoint::new(coap),
            registrar,
            calls,
            queue,
            triggers: Triggers::new(),
            keeping,
            events: VecDeque::new(),
            registry: config.registry,
            largest_answer: config.bounds.answer,
        }
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

    /// Which endpoint names proven identities may use, besides those that
    /// [`ServerConfig::identity_check`](super::ServerConfig::identity_check) allows (TS 7.1.5).
    pub const fn identities(&self) -> &IdentityTable {
        self.registrar.identities()
    }

    /// The same, to change it while the server runs.
    pub const fn identities_mut(&mut self) -> &mut IdentityTable {
        self.registrar.identities_mut()
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

impl<P: Peer> Server<P> {
    /// What the server holds.
    pub fn usage(&self) -> ServerUsage {
        let (held, held_bytes) = self.calls.usage();
        ServerUsage {
            registrations: self.registrar.len(),
            registration_bytes: self.registrar.bytes(),
            hosts: self.registrar.hosts(),
            operations: self.calls.operations(),
            held,
            held_bytes,
            awake: self.queue.awake(),
            triggers: self.triggers.sent(),
            observations: self.calls.observations(),
            unstored: self.keeping.usage(),
            events: self.events.len(),
            coap: self.endpoint.usage(),
        }
    }
}
