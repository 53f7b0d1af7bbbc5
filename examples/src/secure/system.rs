//! DTLS with the library of the operating system, OpenSSL 3.0 (feature `dtls-openssl`).
//!
//! It has every cipher suite of TS 7.1.7 and 7.1.9 (see [`suite`](crate::secure::suite)), and it
//! resumes sessions. It has no raw public keys (TS 7.1.8): RFC 7250 came with OpenSSL 3.2.
//!
//! # Time
//!
//! OpenSSL retransmits by the computer's clock, not by the `now` of the calls: after 1 s, then after
//! twice the time before, up to 60 s (RFC 6347 §4.2.4). Its timer can't be asked, set or run through
//! the `openssl` crate; but a handshake step after its expiry retransmits. So during a handshake
//! [`poll_timeout`](DtlsSession::poll_timeout) asks for a call each [`POLL`], and each such call is a
//! handshake step. The end of a handshake that takes too long ([`Settings::handshake`]) is in the
//! caller's time. Hence:
//!
//! * With a simulated clock, lost datagrams of a handshake are not sent again.
//! * The first timer of 9 s for SMS (TS 7.2.2.1.5) can't be set.
//!
//! The sessions that can be resumed also age by the computer's clock: OpenSSL refuses them after two
//! hours, which the crate can't change.
//!
//! # Length of datagrams
//!
//! [`Settings::mtu`] bounds the datagrams of a handshake. It can't be below [`LEAST_MTU`]: OpenSSL
//! takes no less, so the 140 bytes of an SMS (TS 7.2.2.1.1) are out of its reach.
//!
//! # Hostile datagrams
//!
//! OpenSSL ignores what isn't a valid record, and on an established session what isn't authentic or
//! has come before. During a handshake it would give up at each alert without protection, unknown
//! record or broken message; they don't reach it here. A fatal alert is remembered: if the handshake
//! doesn't go on within [`Settings::grace`], it was the peer's. A forged message that
//! is well-formed and has the right number can still end a handshake: the peer begins anew.
//!
//! What would end an established session doesn't reach it either: records too short for their suite. And with
//! CBC the MAC comes before the encryption, as encrypt-then-MAC (RFC 7366) isn't offered: with it OpenSSL
//! takes a wrong MAC for fatal.
//!
//! A server sends a HelloVerifyRequest (RFC 6347 §4.2.1) before it does anything costly. The crate has no
//! `DTLSv1_listen`, so each half-open handshake is a session, and the caller bounds their number. But
//! the cookie is an HMAC of the peer and its ClientHello: a handshake whose session is gone is made
//! again when the cookie comes back. To that end OpenSSL is shown the first ClientHello once more, as it
//! follows from the second. A ClientHello with a wrong cookie is dropped; OpenSSL would end the handshake.

mod certificate;
mod context;
mod cookie;
mod kept;
mod session;
mod wire;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use lwm2m_core::Instant;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslContext, SslSession};
use openssl::x509::X509;

use self::certificate::{Expected, is_domain};
use self::cookie::{Baker, Secret, Taste};
use self::kept::{Facts, OfAccounts, Psk};
pub use self::session::SystemSession;
use self::session::{Role, Start};
use super::credentials::{Account, ClientCredentials, Expiry, ServerCredentials, Validity};
use super::names::Names;
use super::record;
use super::session::{DtlsSession, DtlsStack, Refusal, StackError};
use super::suite::Suite;

/// How often a handshake is looked after: between OpenSSL's own expiry and its retransmission there
/// is at most this time.
pub const POLL: Duration = Duration::from_millis(250);

/// The least [`Settings::mtu`], in bytes: OpenSSL takes no bound below 256.
pub const LEAST_MTU: u16 = 256 + UNCOUNTED;

/// Of the record with the Finished message, OpenSSL doesn't count the nonce and the tag: 8 and 8 bytes
/// with CCM_8, 8 and 16 with GCM.
const UNCOUNTED: u16 = 24;

/// What a [`System`] may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The cipher suites, the best first. Of them, each session offers those that its keys are for.
    pub suites: Vec<Suite>,
    /// The longest datagram of a handshake, in bytes.
    pub mtu: u16,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long an alert without protection may stand alone, and for how long a server waits for another message after
    /// one that it can't read. It should be longer than the peer takes to send a flight again.
    pub grace: Duration,
    /// What a Client does with the dates of the server's certificate.
    pub expiry: Expiry,
    /// Whether a server keeps to itself that it doesn't know an identity: the handshake goes on as with another
    /// key, which no alert ends. Otherwise alerts tell either, as a person at the other end may like.
    pub hides_identities: bool,
    /// How many sessions are kept for resumption: as a client, one for each account, and as a server. When
    /// there are as many, the one that was used longest ago is forgotten.
    pub sessions: usize,
}

impl Settings {
    fn suites(&self) -> impl Iterator<Item = Suite> + Clone + '_ {
        self.suites.iter().copied()
    }
}

impl Default for Settings {
    /// All suites; 1,232 bytes, what fits a link of 1,280 with IPv6 and UDP; 15 s, of
    /// which an alert takes 5 s; the dates of a certificate don't matter; an unknown identity is told; 10,000 sessions.
    fn default() -> Self {
        Self {
            suites: Suite::ALL.to_vec(),
            mtu: 1_232,
            handshake: Duration::from_secs(15),
            grace: Duration::from_secs(5),
            expiry: Expiry::Accept,
            hides_identities: false,
            sessions: 10_000,
        }
    }
}

/// OpenSSL as a [`DtlsStack`].
pub struct System {
    settings: Settings,
    client: SslContext,
    server: Option<Server>,
    kept: OfAccounts,
}

struct Server {
    context: SslContext,
    credentials: ServerCredentials,
    secret: Secret,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl System {
    /// A library that connects.
    pub fn new(settings: Settings) -> Result<Self, StackError> {
        if settings.mtu < LEAST_MTU {
            return Err(StackError::Unsupported(
                "handshake in datagrams below 280 bytes",
            ));
        }
        if settings.suites.is_empty() {
            return Err(StackError::Library("no cipher suite is allowed".to_owned()));
        }
        Ok(Self {
            client: context::of_client(&settings)?,
            server: None,
            kept: OfAccounts::new(settings.sessions),
            settings,
        })
    }

    /// A library that also accepts. Without a certificate it has only the suites with pre-shared
    /// keys.
    pub fn with_server(
        settings: Settings,
        credentials: &ServerCredentials,
    ) -> Result<Self, StackError> {
        let mut system = Self::new(settings)?;
        system.serve(credentials)?;
        Ok(system)
    }

    /// What each handshake begins with, of either role.
    fn start(
        &self,
        now: Instant,
        context: &SslContext,
        psk: Option<Psk>,
    ) -> Result<Start, ErrorStack> {
        let facts = Facts::new(psk)?;
        let mut ssl = Ssl::new(context)?;
        Facts::bind(&facts, &mut ssl)?;
        ssl.set_mtu(self.settings.mtu.saturating_sub(UNCOUNTED).into())?;
        Ok(Start {
            ssl,
            facts,
            now,
            patience: self.settings.handshake,
            grace: self.settings.grace,
            tells: !self.settings.hides_identities,
        })
    }

    /// The Client's own certificate, and what it expects of its server's.
    fn show_certificate(
        &self,
        start: &mut Start,
        credentials: &ClientCredentials,
    ) -> Result<Option<Expected>, StackError> {
        let ClientCredentials::Certificate {
            certificate,
            private_key,
            server_certificate,
            host,
        } = credentials
        else {
            return Ok(None);
        };
        let own = read_certificate("certificate of the Client", certificate)?;
        let key = read_private_key("private key of the Client", private_key)?;
        // What can't be read could never match.
        read_certificate("certificate of the server", server_certificate)?;
        start.ssl.set_certificate(&own).map_err(library)?;
        start
            .ssl
            .set_private_key(&key)
            .map_err(|error| StackError::Malformed {
                what: "private key of the Client",
                reason: words(&error),
            })?;
        if is_domain(host) {
            start.ssl.set_hostname(host).map_err(library)?;
        }
        Ok(Some(Expected::Server {
            certificate: server_certificate.clone(),
            host: host.clone(),
            expiry: self.settings.expiry,
            now: start.now,
        }))
    }
}

impl DtlsStack for System {
    type Session = SystemSession;

    fn connect(
        &mut self,
        now: Instant,
        credentials: &ClientCredentials,
    ) -> Result<SystemSession, StackError> {
        self.connect_for(now, &Account::default(), credentials)
    }

    fn connect_for(
        &mut self,
        now: Instant,
        account: &Account,
        credentials: &ClientCredentials,
    ) -> Result<SystemSession, StackError> {
        let psk = pre_shared(credentials)?;
        let of_keys = |suite: &Suite| suite.is_psk() == psk.is_some();
        let suites = context::cipher_list(self.settings.suites().filter(of_keys));
        if suites.is_empty() {
            return Err(StackError::Unsupported(
                "cipher suite, of those allowed, for the keys of the account",
            ));
        }
        let mut start = self.start(now, &self.client, psk).map_err(library)?;
        start.ssl.set_cipher_list(&suites).map_err(library)?;
        let expected = self.show_certificate(&mut start, credentials)?;
        let account = Arc::new((account.clone(), credentials.clone()));
        if let Some(earlier) = self.kept.get(&account) {
            offer(&mut start.ssl, &earlier).map_err(library)?;
        }
        let role = Role::Client {
            account,
            kept: self.kept.clone(),
        };
        SystemSession::begin(start, role, expected)
    }

    fn serve(&mut self, credentials: &ServerCredentials) -> Result<(), StackError> {
        self.server = Some(Server {
            context: context::of_server(&self.settings, credentials)?,
            secret: Secret::new().map_err(library)?,
            credentials: credentials.clone(),
        });
        Ok(())
    }

    fn names(certificate: &[u8]) -> Result<Names, Refusal> {
        let certificate = X509::from_der(certificate).map_err(|_| Refusal::Malformed)?;
        Ok(certificate::names(&certificate))
    }

    fn validity(certificate: &[u8]) -> Result<Validity, Refusal> {
        let certificate = X509::from_der(certificate).map_err(|_| Refusal::Malformed)?;
        certificate::validity(&certificate)
    }

    fn accept(&mut self, now: Instant) -> Result<SystemSession, StackError> {
        self.accept_from(now, 0)
    }

    fn accept_from(&mut self, now: Instant, peer: u64) -> Result<SystemSession, StackError> {
        let Some(server) = &self.server else {
            return Err(StackError::Library(
                "it has no keys to accept with".to_owned(),
            ));
        };
        let start = self.start(now, &server.context, None).map_err(library)?;
        let expected = Expected::Client(server.credentials.clients.clone());
        let secret = server.secret.clone();
        let baker = Baker { secret, peer };
        SystemSession::begin(start, Role::Server(baker), Some(expected))
    }

    fn accept_again(&mut self, now: Instant, peer: u64, hello: &[u8]) -> Option<SystemSession> {
        let secret = self.server.as_ref()?.secret.clone();
        let baker = Baker { secret, peer };
        let Taste::Returns(_) = baker.taste(hello) else {
            return None;
        };
        let first = record::without_cookie(hello)?;
        let mut session = self.accept_from(now, peer).ok()?;
        session.handle_datagram(now, &first).ok()?;
        // The peer has had the HelloVerifyRequest.
        session.drain(&mut |_| {});
        Some(session)
    }
}

/// The PSK of an account, if it has one, as OpenSSL can take it.
fn pre_shared(credentials: &ClientCredentials) -> Result<Option<Psk>, StackError> {
    match credentials {
        ClientCredentials::RawPublicKey { .. } => Err(StackError::Unsupported("raw public keys")),
        ClientCredentials::Certificate { .. } => Ok(None),
        ClientCredentials::PreSharedKey { identity, key } => {
            // OpenSSL's identities are strings of C.
            for (what, unfit) in [
                (
                    "PSK identity",
                    identity.len() > 256 || identity.contains(&0),
                ),
                ("PSK", key.len() > 256),
            ] {
                if unfit {
                    let reason = "longer than 256 bytes, or a zero in the identity".to_owned();
                    return Err(StackError::Malformed { what, reason });
                }
            }
            Ok(Some(Psk {
                identity: identity.clone(),
                key: key.clone(),
            }))
        }
    }
}

/// Offers a session to the server, to resume it.
#[allow(unsafe_code, reason = "what it demands is shown at the call")]
fn offer(ssl: &mut Ssl, earlier: &SslSession) -> Result<(), ErrorStack> {
    // SAFETY: a `System` has one context for its sessions as a client, and `kept` is only filled with
    // sessions of that context.
    unsafe { ssl.set_session(earlier) }
}

fn read_certificate(what: &'static str, der: &[u8]) -> Result<X509, StackError> {
    X509::from_der(der).map_err(|error| StackError::Malformed {
        what,
        reason: words(&error),
    })
}

fn read_private_key(what: &'static str, der: &[u8]) -> Result<PKey<Private>, StackError> {
    PKey::private_key_from_pkcs8(der).map_err(|error| StackError::Malformed {
        what,
        reason: words(&error),
    })
}

/// What OpenSSL says of an error, without the names of its files.
fn words(errors: &ErrorStack) -> String {
    let reasons = errors
        .errors()
        .iter()
        .filter_map(openssl::error::Error::reason);
    let reasons: Vec<_> = reasons.collect();
    if reasons.is_empty() {
        return "no reason is given".to_owned();
    }
    reasons.join(", ")
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn library(errors: ErrorStack) -> StackError {
    StackError::Library(words(&errors))
}
