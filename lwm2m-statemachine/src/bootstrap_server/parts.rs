//! The parts of the bootstrap-server side by side, how they are made, and what they hold.

use alloc::collections::VecDeque;
use core::time::Duration;

use lwm2m_objects::Registry;

use super::{
    bootstraps::{Bootstraps, State},
    config::{Acceptance, BootstrapBounds, BootstrapServerConfig},
    event::BootstrapServerEvent,
    id::BootstrapId,
};
use crate::{
    coap::{Endpoint, Usage},
    downlink::{Host, HostOf, NamePolicy},
    machine::{Channel, IdentityTable, Peer, Random},
};

/// An LwM2M Bootstrap-Server; see the [module](super) for the loop that drives it.
///
/// `P` is the caller's name for a peer. A client is asked where its request came from.
#[derive(Debug)]
pub struct BootstrapServer<P> {
    pub(super) endpoint: Endpoint<P>,
    pub(super) bootstraps: Bootstraps<P>,
    pub(super) events: VecDeque<BootstrapServerEvent<P>>,
    pub(super) registry: Registry,
    pub(super) policy: Policy<P>,
    pub(super) stats: BootstrapServerStats,
}

/// What the application has decided.
#[derive(Debug)]
pub(super) struct Policy<P> {
    pub(super) names: NamePolicy,
    pub(super) host_of: Option<HostOf<P>>,
    pub(super) acceptance: Acceptance,
    pub(super) plan_time: Duration,
    pub(super) bounds: BootstrapBounds,
    udp: Waits,
    sms: Waits,
}

/// How long something takes on a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// After that time without a command a client gives up (EXCHANGE_LIFETIME).
    pub(super) silence: Duration,
    /// The longest time from the arrival of a command to that of its answer.
    pub(super) patience: Duration,
}

impl<P> Policy<P> {
    pub(super) const fn waits(&self, channel: Channel) -> Waits {
        match channel {
            Channel::Udp => self.udp,
            Channel::Sms => self.sms,
        }
    }
}

/// What a bootstrap-server holds, for tests and monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootstrapServerUsage {
    /// Requests that wait for a plan.
    pub waiting: usize,
    /// Bootstraps that have begun.
    pub under_way: usize,
    /// Those of both kinds that are of clients without a proven identity.
    pub unproven: usize,
    /// What the plans under way [take](super::Plan::bytes), in bytes.
    pub plan_bytes: usize,
    /// Events that were not polled yet.
    pub events: usize,
    /// What the endpoint holds.
    pub coap: Usage,
}

/// What a bootstrap-server has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootstrapServerStats {
    /// Bootstrap-Requests that were handed to the application.
    pub requested: u64,
    /// Bootstrap-Requests that were refused: by the machine with 4.00, or by the application. Each of
    /// the latter is a bootstrap that [failed](Self::failed), too.
    pub refused: u64,
    /// Bootstrap-Requests that were refused with 5.03, as there was no room.
    pub overloaded: u64,
    /// Bootstraps that the application has begun without a request.
    pub begun: u64,
    /// Commands that were sent; a repetition in another format counts.
    pub commands: u64,
    /// Bootstraps that ended with 2.04 to the Bootstrap-Finish.
    pub finished: u64,
    /// Bootstraps that ended in any other way.
    pub failed: u64,
}

impl<P: Peer> BootstrapServer<P> {
    /// A bootstrap-server without bootstraps.
    pub fn new(config: BootstrapServerConfig) -> Self {
        Self::build(config, None)
    }

    /// A bootstrap-server that tells hosts apart. `host_of` returns the host of a peer, always the
    /// same for the same peer. No host can have more bootstraps without a proven identity than
    /// [`per_host`](BootstrapBounds::per_host).
    pub fn with_hosts(config: BootstrapServerConfig, host_of: fn(&P) -> Host) -> Self {
        Self::build(config, Some(host_of))
    }

    fn build(config: BootstrapServerConfig, host_of: Option<HostOf<P>>) -> Self {
        let mut random = Random::new(config.coap.seed);
        let mut coap = config.coap;
        coap.seed = random.seed();
        // A body is refused with its first block.
        coap.stream_requests = true;
        let response = coap.response_timeout;
        let transmit_wait = coap.transmission.max_transmit_wait();
        let response = response.unwrap_or(transmit_wait);
        Self {
            bootstraps: Bootstraps::new(&mut random),
            policy: Policy {
                names: NamePolicy {
                    identity_check: config.identity_check,
                    identities: config.identities,
                    no_sec: config.no_sec,
                },
                host_of,
                acceptance: config.acceptance,
                plan_time: config.plan_time,
                bounds: config.bounds,
                udp: Waits {
                    silence: coap.transmission.exchange_lifetime(),
                    patience: transmit_wait.saturating_add(response),
                },
                sms: Waits {
                    silence: coap.sms_exchange_lifetime(),
                    patience: coap.sms_round_trip().saturating_add(response),
                },
            },
            endpoint: Endpoint::new(coap),
            events: VecDeque::new(),
            registry: config.registry,
            stats: BootstrapServerStats::default(),
        }
    }

    /// The definitions that plans are checked against.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The definitions that plans are checked against, to add more.
    pub const fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Which endpoint names proven identities may use, besides those that
    /// [`BootstrapServerConfig::identity_check`](super::BootstrapServerConfig::identity_check) allows
    /// (TS 7.1.5).
    pub const fn identities(&self) -> &IdentityTable {
        &self.policy.names.identities
    }

    /// The same, to change it while the machine runs.
    pub const fn identities_mut(&mut self) -> &mut IdentityTable {
        &mut self.policy.names.identities
    }

    /// The bootstrap of this endpoint name, if there is one.
    pub fn find(&self, endpoint_name: &str) -> Option<BootstrapId> {
        self.bootstraps.find_name(endpoint_name)
    }

    /// Whether the bootstrap waits for its plan or for more steps.
    pub fn is_waiting(&self, bootstrap: BootstrapId) -> bool {
        let bootstrap = self.bootstraps.get(bootstrap);
        bootstrap.is_some_and(|bootstrap| !matches!(bootstrap.state, State::Commanding(_)))
    }

    /// What the bootstrap-server holds.
    pub fn usage(&self) -> BootstrapServerUsage {
        let counts = self.bootstraps.counts();
        BootstrapServerUsage {
            waiting: counts.waiting,
            under_way: self.bootstraps.len().saturating_sub(counts.waiting),
            unproven: counts.unproven,
            plan_bytes: counts.plan_bytes,
            events: self.events.len(),
            coap: self.endpoint.usage(),
        }
    }

    /// What the bootstrap-server has done since it was made.
    pub const fn stats(&self) -> BootstrapServerStats {
        self.stats
    }
}
