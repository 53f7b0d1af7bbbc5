//! The configuration of a server.

use core::{fmt, time::Duration};

use lwm2m_core::EnablerVersions;
use lwm2m_objects::Registry;

use crate::{
    coap,
    downlink::{IdentityCheck, NoSec, identity_is_name},
    machine::IdentityTable,
};

/// The configuration of a [`Server`](super::Server).
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The CoAP endpoint, with the seed of the machine, which must be fresh for every start.
    ///
    /// Request bodies in blocks have narrower bounds than an endpoint's defaults, as anybody may
    /// send them. Only a Register or an Update is accepted in blocks, of at most 64 KiB: 64 bytes
    /// for each of 1,024 Objects and Object Instances. A peer may send 4 of them at a time and 128
    /// KiB, all peers together 16 MiB. The bounds of answers are those of any endpoint.
    pub coap: coap::Config,
    /// The definitions that answers are decoded with, in the version that each client
    /// [has](super::ClientDefinitions). Resources without a definition are raw values; in JSON they
    /// have the type of their field. The built-in Objects by default.
    pub registry: Registry,
    /// The versions of the LwM2M Enabler that clients may have; 1.0 by default. Others are answered
    /// 4.12 (TS 5.3.1).
    ///
    /// What a Register of a later version says (`b=UT`, `Q`, the formats and versions of its
    /// Objects) is read and kept. The client is then served like one of 1.0.
    pub versions: EnablerVersions,
    /// How to treat parameters of Register and Update that the specification doesn't define. They
    /// are kept by default.
    pub unknown_parameters: UnknownParameters,
    /// Whether a proven identity may use an endpoint name (TS 7.1.5); [`identity_is_name`] by
    /// default. It isn't called in NoSec mode.
    pub identity_check: IdentityCheck,
    /// Endpoint names that proven identities may use besides: the lookup table of TS 7.1.5. Empty by
    /// default; [`Server::identities_mut`](super::Server::identities_mut) changes it later. If it alone
    /// is to decide, let `identity_check` always return `false`.
    pub identities: IdentityTable,
    /// Whether clients may register in NoSec mode. They may by default.
    pub no_sec: NoSec,
    /// How much longer than its Lifetime a registration lives without an Update; zero by default.
    pub grace: Duration,
    /// How clients in Queue Mode are served (TS 8.3).
    pub queue_mode: QueueMode,
    /// Whether the server tells which [records](super::Record) have changed, and what waits until they are stored.
    /// It doesn't tell by default.
    pub records: RecordKeeping,
    /// Bounds of what clients and the application can make the server hold.
    pub bounds: ServerBounds,
}

/// Whether the application keeps [records](super::Record), to be [restored](super::Records::restore) after the
/// server has crashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKeeping {
    /// It doesn't, or takes them when it ends the server.
    #[default]
    Off,
    /// Each change is told by [`ServerEvent::Record`](super::ServerEvent::Record). Nothing waits for it: what happened
    /// last may be forgotten by a crash, and a client may have to register anew.
    Announced,
    /// The same, and what is sent to a client waits until the changes before it are
    /// [stored](super::Records::stored): the answer to its Register, Update or De-register, and the request of an
    /// operation. So nothing that was acknowledged is forgotten, and nothing is done twice that may not be.
    Durable(Holding),
}

/// How much waits until changes are stored, and for how long. What exceeds that is as if the network had lost it:
/// what is confirmable is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holding {
    /// Datagrams that wait, and as many changes that aren't stored and are told apart by their peers; if there are
    /// more of these, datagrams to all peers wait. 10,000 by default.
    pub datagrams: usize,
    /// The bytes of these datagrams; 16 MiB by default.
    pub bytes: usize,
    /// What has waited for longer isn't sent any more; 2 s by default. That is ACK_TIMEOUT: then requests are
    /// repeated, and for so long a client in Queue Mode is certainly awake when the server counts it as that.
    pub longest: Duration,
}

impl Default for Holding {
    fn default() -> Self {
        Self {
            datagrams: 10_000,
            bytes: 1 << 24,
            longest: Duration::from_secs(2),
        }
    }
}

/// How clients in Queue Mode are served (TS 8.3), and how much may wait for them in all.
///
/// How many operations wait for one client is bounded by [`ServerBounds::operations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueMode {
    /// How long after its last message a client is awake. Nothing is sent to it for the first time later
    /// than that. [`Waiting::set_awake_time`](super::Waiting::set_awake_time) changes it for one client.
    ///
    /// `None`, the default, is MAX_TRANSMIT_WAIT less ACK_TIMEOUT: 91 s. A client is recommended to stay
    /// awake for MAX_TRANSMIT_WAIT after its last message; that was under way for a while, and so will be
    /// what is sent to it. If another time is agreed on, take off as much for the way there and back.
    pub awake: Option<Duration>,
    /// How long an operation may take in all, unless the application
    /// [says otherwise](super::Waiting::set_deadline); 1 day by default.
    pub deadline: Duration,
    /// Operations that are held for all clients together; 1,000,000 by default.
    pub operations: usize,
    /// Their approximate heap, in bytes; 256 MiB by default.
    pub bytes: usize,
    /// The same for one client; 2 MiB by default, enough for one body of the largest size and more.
    pub bytes_per_client: usize,
}

impl Default for QueueMode {
    fn default() -> Self {
        Self {
            awake: None,
            deadline: Duration::from_secs(86_400),
            operations: 1_000_000,
            bytes: 1 << 28,
            bytes_per_client: 1 << 21,
        }
    }
}

/// How to treat parameters of Register and Update that the specification doesn't define (TS 8.5:
/// 4.00 for an "unknown parameter").
///
/// It is a yes-or-no choice, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownParameters {
    /// They are kept for the application, within [`ServerBounds::unknown_parameters`]. Some vendors
    /// use their own.
    #[default]
    Keep,
    /// The request is refused with 4.00.
    Refuse,
}

/// Bounds of what clients and the application can make the server hold. The endpoint has
/// [bounds](coap::Config) of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerBounds {
    /// Registrations; 1,000,000 by default. When the bound is reached, a new client evicts one that
    /// has proved less; if there is none, it gets 5.03.
    ///
    /// A client with a proven identity evicts one without: the oldest that isn't
    /// [confirmed](super::Registration::is_confirmed), or else one that hasn't been updated for a
    /// long time. A client without a proven identity evicts the oldest that wasn't confirmed
    /// within [`probation`](Self::probation). There is an [event](super::ServerEvent::Evicted) for
    /// each eviction.
    pub registrations: usize,
    /// The approximate heap of all registrations, in bytes; 512 MiB by default. A client beyond
    /// that is treated as one beyond the number of registrations.
    pub bytes: usize,
    /// Registrations of one host without a proven identity, if the server [tells hosts
    /// apart](super::Server::with_hosts); 10,000 by default. When the bound is reached, a new one
    /// evicts the oldest of that host that isn't confirmed; if all are confirmed, it gets 5.03.
    pub registrations_per_host: usize,
    /// How long an unconfirmed registration is safe from others without a proven identity; 10 s by
    /// default, which is enough for three transmissions of a request to its client.
    ///
    /// A flood that fills all [`registrations`](Self::registrations) within this time shuts new
    /// clients out. The longer it is, the slower a flood may be to do that.
    pub probation: Duration,
    /// The longest time that a registration is kept without an Update, whatever its Lifetime; the
    /// longest Lifetime by default.
    ///
    /// A longer Lifetime isn't refused, and the client doesn't learn of this bound: it keeps the
    /// Lifetime of its `/1/x/1` (TS 5.3). An application that sets the bound should write it there
    /// when such a client registers, or the Update comes too late.
    pub lifetime: Duration,
    /// The same as `lifetime`, for a registration that isn't confirmed; 30 days by default.
    pub unconfirmed_lifetime: Duration,
    /// Objects and Object Instances of a registration; a longer list is answered 4.13. 1,024 by
    /// default.
    pub objects: usize,
    /// The length of an alternate path in bytes, as the link has it (TS 8.2.2). Each request to the
    /// client repeats it. A longer one is answered 4.13. 255 by default.
    pub alternate_path: usize,
    /// All unknown parameters of a registration, in bytes; each counts one byte more than its
    /// length. More are answered 4.13. 512 by default.
    pub unknown_parameters: usize,
    /// Operations of a registration that wait for their answer, or for the client to wake. 64 by default. A
    /// trigger that the server has [sent by itself](super::Waiting::set_trigger) doesn't count.
    pub operations: usize,
    /// Observations of a registration. 128 by default: with the operations, fewer than the requests
    /// per peer that the endpoint allows.
    pub observations: usize,
    /// The memory for the values of an answer or notification, or for the links of a Discover, in
    /// bytes as [`Limited`](lwm2m_core::codec::Limited) counts. A larger one is
    /// [`AnswerError::TooLarge`](super::AnswerError::TooLarge). The bounds of the endpoint aren't
    /// enough: a value of 2 bytes in a body takes 128 in memory. 2 MiB by default: the largest body
    /// as one value, or 16,000 small values.
    pub answer: usize,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self {
            registrations: 1_000_000,
            bytes: 1 << 29,
            registrations_per_host: 10_000,
            probation: Duration::from_secs(10),
            lifetime: Duration::from_secs(u32::MAX.into()),
            unconfirmed_lifetime: Duration::from_secs(30 * 86_400),
            objects: 1024,
            alternate_path: 255,
            unknown_parameters: 512,
            operations: 64,
            observations: 128,
            answer: 2 << 20,
        }
    }
}

impl ServerConfig {
    /// The defaults with this seed, which must be fresh for every start: message ids, tokens and
    /// locations are drawn from it.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut coap = coap::Config::new(seed);
        coap.bounds.request_body = 1 << 16;
        coap.bounds.receiving.bodies_per_peer = 4;
        coap.bounds.receiving.bytes = 1 << 24;
        coap.bounds.receiving.bytes_per_peer = 1 << 17;
        Self {
            coap,
            registry: Registry::default(),
            versions: EnablerVersions::default(),
            unknown_parameters: UnknownParameters::default(),
            identity_check: identity_is_name,
            identities: IdentityTable::default(),
            no_sec: NoSec::default(),
            grace: Duration::ZERO,
            queue_mode: QueueMode::default(),
            records: RecordKeeping::default(),
            bounds: ServerBounds::default(),
        }
    }
}

impl fmt::Debug for ServerConfig {
    /// Without the seed: it is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("versions", &self.versions)
            .field("unknown_parameters", &self.unknown_parameters)
            .field("no_sec", &self.no_sec)
            .field("grace", &self.grace)
            .field("queue_mode", &self.queue_mode)
            .field("records", &self.records)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
