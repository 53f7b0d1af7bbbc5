//! The configuration of a bootstrap-server.

use core::{fmt, time::Duration};

use lwm2m_objects::Registry;

use crate::{
    coap,
    downlink::{IdentityCheck, NoSec, identity_is_name},
    machine::IdentityTable,
};

/// The configuration of a [`BootstrapServer`](super::BootstrapServer).
#[derive(Clone)]
#[non_exhaustive]
pub struct BootstrapServerConfig {
    /// The CoAP endpoint, with the seed of the machine, which must be fresh for every start.
    ///
    /// A Bootstrap-Request has no body, so one in blocks is answered 4.00.
    pub coap: coap::Config,
    /// The definitions that the values of plans are checked against, so that a value of the wrong
    /// type is found when the plan is given. The built-in Objects by default.
    pub registry: Registry,
    /// Whether a proven identity may use an endpoint name (TS 7.1.5); [`identity_is_name`] by
    /// default. It isn't called in NoSec mode.
    pub identity_check: IdentityCheck,
    /// Endpoint names that proven identities may use besides: the lookup table of TS 7.1.5. Empty by
    /// default; [`BootstrapServer::identities_mut`](super::BootstrapServer::identities_mut) changes it
    /// later.
    pub identities: IdentityTable,
    /// Whether clients are served in NoSec mode. They are by default. The keys in a plan are then
    /// readable on the way, and anybody may ask for them: give real keys only to clients with a
    /// proven identity.
    pub no_sec: NoSec,
    /// When a Bootstrap-Request is answered 2.04; with the plan by default.
    pub acceptance: Acceptance,
    /// How long a request waits for its plan before it is answered 5.03; 60 s by default, as a client
    /// waits for the answer MAX_TRANSMIT_WAIT (93 s) or less. With [`Acceptance::AtOnce`] it is
    /// EXCHANGE_LIFETIME of the channel instead (247 s; 407 s over SMS), after which the client gives up (TS
    /// 5.2.3.3).
    pub plan_time: Duration,
    /// Bounds of what clients and the application can make the machine hold.
    pub bounds: BootstrapBounds,
}

/// When a Bootstrap-Request is answered 2.04.
///
/// It is a yes-or-no choice, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acceptance {
    /// When the application has given a plan. Until then it may refuse.
    #[default]
    WithPlan,
    /// At once. The plan may come up to EXCHANGE_LIFETIME later; a client that the application
    /// refuses gets no commands, and finds out by time.
    AtOnce,
}

/// Bounds of what clients and the application can make the machine hold. The endpoint has
/// [bounds](coap::Config) of its own. There is one bootstrap per peer and per endpoint name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootstrapBounds {
    /// Requests that wait for a plan; 10,000 by default. More are answered 5.03.
    pub waiting: usize,
    /// Bootstraps under way, with the requests that wait; 100,000 by default. More requests are
    /// answered 5.03.
    pub bootstraps: usize,
    /// How many of these may be of clients without a proven identity, so that a flood of forged
    /// requests doesn't shut out the others; 50,000 by default.
    pub unproven: usize,
    /// Requests without a proven identity that wait for a plan; 5,000 by default.
    pub unproven_waiting: usize,
    /// Bootstraps and requests without a proven identity of one host, if the machine [tells hosts
    /// apart](super::BootstrapServer::with_hosts); 1,000 by default. More are answered 5.03.
    pub per_host: usize,
    /// What all plans under way [take](super::Plan::bytes), in bytes; 256 MiB by default.
    pub plan_bytes: usize,
    /// What one plan takes, in bytes; 1 MiB by default.
    pub plan_bytes_each: usize,
    /// The memory for the answer to a Discover, in bytes; 64 KiB by default, which is more than 1,000
    /// Object Instances.
    pub answer: usize,
}

impl Default for BootstrapBounds {
    fn default() -> Self {
        Self {
            waiting: 10_000,
            bootstraps: 100_000,
            unproven: 50_000,
            unproven_waiting: 5_000,
            per_host: 1_000,
            plan_bytes: 1 << 28,
            plan_bytes_each: 1 << 20,
            answer: 1 << 16,
        }
    }
}

impl BootstrapServerConfig {
    /// The defaults with this seed, which must be fresh for every start: message ids and tokens are
    /// drawn from it.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            coap: coap::Config::new(seed),
            registry: Registry::default(),
            identity_check: identity_is_name,
            identities: IdentityTable::default(),
            no_sec: NoSec::default(),
            acceptance: Acceptance::default(),
            plan_time: Duration::from_secs(60),
            bounds: BootstrapBounds::default(),
        }
    }
}

impl fmt::Debug for BootstrapServerConfig {
    /// Without the seed: it is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootstrapServerConfig")
            .field("no_sec", &self.no_sec)
            .field("acceptance", &self.acceptance)
            .field("plan_time", &self.plan_time)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
