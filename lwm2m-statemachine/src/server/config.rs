//! What the application decides before the server starts.

use core::{fmt, time::Duration};

use lwm2m_core::EnablerVersions;
use lwm2m_objects::Registry;

use crate::{coap, machine::Identity};

/// The configuration of a [`Server`](super::Server).
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The CoAP endpoint, and the one seed of the machine: fresh for every start.
    ///
    /// What clients send in blocks is bounded more narrowly than an endpoint's is by default, as
    /// anybody may send it: only a Register or an Update, of 64 KiB at most, which is 64 bytes for
    /// each of 1,024 Objects and Object Instances; 4 of them and 128 KiB for each peer, 16 MiB in
    /// all. What clients answer is bounded as by any endpoint.
    pub coap: coap::Config,
    /// The definitions that answers are decoded with, in the version that each client
    /// [has](super::ClientDefinitions). Resources without a definition come as raw values, in JSON
    /// as what their fields tell. The built-in Objects by default.
    pub registry: Registry,
    /// The versions of the LwM2M Enabler that clients may have: 1.0, by default; others are answered
    /// 4.12 (TS 5.3.1).
    ///
    /// Of a later version it is read and kept what its Register says (`b=UT`, `Q`, the formats
    /// and versions of its Objects), and the client is served as one of 1.0 is.
    pub versions: EnablerVersions,
    /// What becomes of parameters of Register and Update that the specification does not know:
    /// they are kept, by default.
    pub unknown_parameters: UnknownParameters,
    /// Whether an identity that the transport proved may use an endpoint name (TS 7.1.5):
    /// [`identity_is_name`] by default. Not asked in NoSec mode.
    pub identity_check: IdentityCheck,
    /// Whether clients may register in NoSec mode: they may, by default.
    pub no_sec: NoSec,
    /// How much longer than its Lifetime a registration lives without an Update: no time at all,
    /// by default.
    pub grace: Duration,
    /// What clients and the application can make the server hold.
    pub bounds: ServerBounds,
}

/// Whether the holder of this proven identity may use this endpoint name.
pub type IdentityCheck = fn(&Identity<'_>, &str) -> bool;

/// Whether clients may register without a proven identity (NoSec, TS 7.1.10), at a server that
/// others come to with one. A Register that may not is answered 4.03.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum NoSec {
    /// They may, under any endpoint name that nobody registered with a proven identity.
    #[default]
    Accept,
    /// They may, under the endpoint names that this says.
    Only(fn(&str) -> bool),
    /// They may not.
    Refuse,
}

/// What becomes of parameters of Register and Update that the specification does not know
/// (TS 8.5: 4.00 for an "unknown parameter").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownParameters {
    /// They are kept for the application, within
    /// [`ServerBounds::unknown_parameters`]; vendors have some.
    #[default]
    Keep,
    /// The request is refused with 4.00.
    Refuse,
}

/// What clients and the application can make the server hold; the endpoint has
/// [bounds](coap::Config) of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerBounds {
    /// Registrations; 1,000,000 by default. A new client beyond that takes the place of one that
    /// proved less, if there is one; else it is answered 5.03.
    ///
    /// A client with a proven identity takes the place of any without; of those it is one that has
    /// shown nothing yet ([`Registration::is_confirmed`](super::Registration::is_confirmed)), the
    /// oldest, or else one that was not updated for long. A client without takes the place of the
    /// oldest that has shown nothing for the time of [`probation`](Self::probation). Each that goes
    /// is [told](super::ServerEvent::Evicted).
    pub registrations: usize,
    /// What registrations take altogether, in bytes of heap, about; 512 MiB by default. A client
    /// beyond that is treated as beyond the number of registrations.
    pub bytes: usize,
    /// Registrations without a proven identity of one host, if the server
    /// [tells hosts apart](super::Server::with_hosts); 10,000 by default. A new one beyond that takes
    /// the place of the oldest of the same host that has shown nothing yet; if all have, it is
    /// answered 5.03.
    pub registrations_per_host: usize,
    /// How long a registration that has shown nothing is safe from another one without a proven
    /// identity; 10 s by default, in which a request to its client is sent three times.
    ///
    /// That long, nobody without a proven identity is let in for it, so a flood that fills all
    /// [`registrations`](Self::registrations) in this time shuts out who is new. A longer time makes
    /// do with a slower flood.
    pub probation: Duration,
    /// The longest that a registration is kept without an Update, whatever Lifetime the client
    /// said; what a client can say, by default.
    ///
    /// A longer Lifetime is no reason for a refusal, and only the client's `/1/x/1` could say
    /// another one (TS 5.3): an application that sets this bound writes it there when such a client
    /// registers, lest the client come too late.
    pub lifetime: Duration,
    /// The same of a registration that has shown nothing yet; 30 days by default.
    pub unconfirmed_lifetime: Duration,
    /// Objects and Object Instances of a registration; a longer list is answered 4.13. 1,024 by
    /// default.
    pub objects: usize,
    /// The alternate path of a registration, in bytes as the link has it (TS 8.2.2): it is in each
    /// request to the client. A longer one is answered 4.13. 255 by default.
    pub alternate_path: usize,
    /// Unknown parameters of a registration, in bytes altogether, each with one byte more than it
    /// has; more are answered 4.13. 512 by default.
    pub unknown_parameters: usize,
    /// Operations of a registration that wait for their answer. 64 by default.
    pub operations: usize,
    /// Observations of a registration. 128 by default; with the operations they stay below the
    /// endpoint's bound of requests per peer.
    pub observations: usize,
    /// What keeping the values of an answer or notification takes, or the links of a Discover, in
    /// bytes, counted as [`Limited`](lwm2m_core::codec::Limited) does. One that takes more is told
    /// as [`AnswerError::TooLarge`](super::AnswerError::TooLarge). The endpoint bounds bodies, but a
    /// value of 2 bytes takes 128 when it is kept. 2 MiB by default: the largest body as one value,
    /// or 16,000 small values.
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
    /// locations come from it.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut coap = coap::Config::new(seed);
        coap.bounds.request_body = 1 << 16;
        coap.bounds.receiving_per_peer = 4;
        coap.bounds.receiving_bytes = 1 << 24;
        coap.bounds.receiving_bytes_per_peer = 1 << 17;
        Self {
            coap,
            registry: Registry::default(),
            versions: EnablerVersions::default(),
            unknown_parameters: UnknownParameters::default(),
            identity_check: identity_is_name,
            no_sec: NoSec::default(),
            grace: Duration::ZERO,
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
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// The equality match of TS 7.1.5: a PSK identity is the endpoint name, or a certificate has it
/// among its names. A raw public key carries no name, so it needs a check of the application's
/// own; NoSec proves nothing.
pub fn identity_is_name(identity: &Identity<'_>, endpoint_name: &str) -> bool {
    match identity {
        Identity::Psk(identity) => *identity == endpoint_name.as_bytes(),
        Identity::Certificate(names) => names.contains(&endpoint_name),
        Identity::None | Identity::RawPublicKey(_) => false,
    }
}
