//! Keys and certificates, and what they prove (TS 7.1.5 to 7.1.9).

use core::{fmt, time::Duration};
use std::{sync::Arc, time::SystemTime};

use lwm2m_core::{Instant, ShortServerId, ValueRef};
use lwm2m_objects::typed::{self, KeyMaterial, SmsSecurityMode};
use lwm2m_statemachine::Identity;
use thiserror::Error;

use super::session::Refusal;

/// The keys with which a Client connects to a server, from an Instance of its Security Object.
///
/// [`Debug`](fmt::Debug) shows no keys.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientCredentials {
    /// TS 7.1.7.
    PreSharedKey {
        /// Resource 3.
        identity: Vec<u8>,
        /// Resource 5.
        key: Vec<u8>,
    },
    /// TS 7.1.8.
    RawPublicKey {
        /// The Client's `SubjectPublicKeyInfo` (Resource 3).
        public_key: Vec<u8>,
        /// PKCS #8 (Resource 5).
        private_key: Vec<u8>,
        /// The server's `SubjectPublicKeyInfo` (Resource 4).
        server_public_key: Vec<u8>,
    },
    /// TS 7.1.9.
    Certificate {
        /// The Client's X.509 in DER (Resource 3).
        certificate: Vec<u8>,
        /// PKCS #8 (Resource 5).
        private_key: Vec<u8>,
        /// The server's X.509 in DER, which must match exactly (Resource 4).
        server_certificate: Vec<u8>,
        /// The host of the server's URI, which its certificate must name.
        host: String,
    },
}

/// Whose session it is, for a library that resumes sessions: an account goes on with sessions of its own
/// only. So a session with a Bootstrap-Server is never one with a LwM2M Server, though they have the same
/// host and keys.
///
/// The default is no account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account(Option<AccountOf>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AccountOf {
    uri: String,
    bootstrap_server: bool,
    server: Option<ShortServerId>,
    by_sms: bool,
}

impl Account {
    /// The account of an Instance of the Security Object: its URI, its role and its Short Server ID.
    pub fn of(security: &typed::Security) -> Self {
        Self::over(security, false)
    }

    /// The same account, reached by short messages: its sessions there are others.
    pub fn of_sms(security: &typed::Security) -> Self {
        Self::over(security, true)
    }

    fn over(security: &typed::Security, by_sms: bool) -> Self {
        Self(Some(AccountOf {
            uri: security.server_uri.clone(),
            bootstrap_server: security.bootstrap_server,
            server: security.short_server_id,
            by_sms,
        }))
    }
}

/// An account whose keys can't be used for DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnusableAccount {
    /// The account has no keys: its channel isn't secured (TS 7.1.10).
    #[error("the account has no keys (NoSec)")]
    NoSec,
    /// The mode needs a key that is empty.
    #[error("a key of the account is empty")]
    Empty,
    /// The mode enrols with EST first (TS 7.1.11).
    #[error("enrolment by EST isn't offered")]
    Est,
    /// The account doesn't say how short messages are secured (Resource 6), or in another way than DTLS in the
    /// device.
    #[error("short messages of the account aren't secured by DTLS in the device")]
    Sms,
}

impl ClientCredentials {
    /// The keys of an account, by its mode. `host` is the host of its URI.
    pub fn of(security: &typed::Security, host: &str) -> Result<Self, UnusableAccount> {
        let all_present = |keys: &[&[u8]]| {
            let empty = keys.iter().any(|key| key.is_empty());
            (!empty).then_some(()).ok_or(UnusableAccount::Empty)
        };
        match security.material() {
            KeyMaterial::NoSec => Err(UnusableAccount::NoSec),
            KeyMaterial::CertificateWithEst(_) => Err(UnusableAccount::Est),
            KeyMaterial::PreSharedKey { identity, key } => {
                all_present(&[identity, key])?;
                Ok(Self::PreSharedKey {
                    identity: identity.to_vec(),
                    key: key.to_vec(),
                })
            }
            KeyMaterial::RawPublicKey {
                public_key,
                private_key,
                server_public_key,
            } => {
                all_present(&[public_key, private_key, server_public_key])?;
                Ok(Self::RawPublicKey {
                    public_key: public_key.to_vec(),
                    private_key: private_key.to_vec(),
                    server_public_key: server_public_key.to_vec(),
                })
            }
            KeyMaterial::Certificate(keys) => {
                all_present(&[keys.certificate, keys.private_key, keys.server_certificate])?;
                Ok(Self::Certificate {
                    certificate: keys.certificate.to_vec(),
                    private_key: keys.private_key.to_vec(),
                    server_certificate: keys.server_certificate.to_vec(),
                    host: host.to_owned(),
                })
            }
        }
    }
}

impl ClientCredentials {
    /// The keys of an account for short messages (TS 7.2.2, 7.2.2.1): a PSK, as no other mode fits. Identity and
    /// key are Resources 7 and 8 or, of an account without these, Resources 3 and 5.
    pub fn of_sms(security: &typed::Security) -> Result<Self, UnusableAccount> {
        let sms = &security.sms;
        match sms.mode {
            Some(SmsSecurityMode::Dtls) => {}
            Some(SmsSecurityMode::NoSec) => return Err(UnusableAccount::NoSec),
            _ => return Err(UnusableAccount::Sms),
        }
        let (identity, key) = match (&sms.key_parameters, &sms.secret_keys) {
            (Some(parameters), Some(keys)) => (parameters.to_vec(), keys.clone()),
            (None, None) => match security.material() {
                KeyMaterial::PreSharedKey { identity, key } => (identity.to_vec(), key.to_vec()),
                _ => return Err(UnusableAccount::Sms),
            },
            _ => return Err(UnusableAccount::Empty),
        };
        if identity.is_empty() || key.is_empty() {
            return Err(UnusableAccount::Empty);
        }
        Ok(Self::PreSharedKey { identity, key })
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreSharedKey { .. } => "PreSharedKey",
            Self::RawPublicKey { .. } => "RawPublicKey",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

/// What to do with the dates of a server's certificate (TS 7.1.9).
///
/// Many devices don't know the time before they are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// Ignore them.
    #[default]
    Accept,
    /// Refuse a certificate that has expired or isn't valid yet, by this clock.
    Refuse(WallClock),
}

impl Expiry {
    /// Whether a certificate is accepted at a moment of the machines. `validity` is read only if it matters.
    pub fn check(
        &self,
        now: Instant,
        validity: impl FnOnce() -> Result<Validity, Refusal>,
    ) -> Result<(), Refusal> {
        let Self::Refuse(clock) = self else {
            return Ok(());
        };
        let Validity { from, until } = validity()?;
        let time = clock.time(now);
        if time < from {
            Err(Refusal::NotYetValid)
        } else if time > until {
            Err(Refusal::Expired)
        } else {
            Ok(())
        }
    }
}

/// From when until when a certificate is valid, both included (RFC 5280 §4.1.2.5): the time since 1970-01-01,
/// 00:00 UTC. What is before is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Duration,
    /// The last moment.
    pub until: Duration,
}

/// The time of day, which only the application knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// At this moment of the machines,
    pub at: Instant,
    /// this much time had passed since 1970-01-01, 00:00 UTC.
    pub since_epoch: Duration,
}

impl WallClock {
    /// The clock of this computer. One that is before 1970 shows 1970.
    pub fn of_this_computer(now: Instant) -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            at: now,
            since_epoch: since_epoch.unwrap_or_default(),
        }
    }

    /// The time since 1970-01-01, 00:00 UTC, at a moment of the machines.
    pub fn time(&self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at);
        self.since_epoch.saturating_add(passed)
    }
}

/// The keys of a server.
///
/// [`Debug`](fmt::Debug) shows no keys.
#[derive(Clone)]
pub struct ServerCredentials {
    /// Whom the server knows.
    pub clients: Arc<dyn KnownClients>,
    /// The server's own certificate, if it offers the suites of TS 7.1.9.
    pub certificate: Option<OwnCertificate>,
}

impl fmt::Debug for ServerCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCredentials").finish_non_exhaustive()
    }
}

/// A certificate and its key.
///
/// [`Debug`](fmt::Debug) shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    /// X.509 in DER.
    pub certificate: Vec<u8>,
    /// PKCS #8.
    pub private_key: Vec<u8>,
}

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCertificate").finish_non_exhaustive()
    }
}

/// The clients that a server knows, as its operator provisioned them.
pub trait KnownClients: Send + Sync {
    /// The key of a PSK identity (TS 7.1.7).
    fn pre_shared_key(&self, identity: &[u8]) -> Option<Vec<u8>>;

    /// Whether a client may come with this certificate, X.509 in DER (TS 7.1.9). The library has
    /// checked that the client holds its private key, and nothing else.
    fn accepts_certificate(&self, certificate: &[u8]) -> Result<(), Refusal>;
}

/// What a peer has proved, with its own memory. [`with`](Self::with) shows it to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProvenIdentity {
    /// It holds the key of this PSK identity.
    Psk(Vec<u8>),
    /// It holds the private key of this `SubjectPublicKeyInfo`.
    RawPublicKey(Vec<u8>),
    /// It holds the private key of a certificate with these names.
    Certificate(Vec<String>),
}

impl ProvenIdentity {
    /// Shows it to `f` as the machines take it.
    pub fn with<T>(&self, f: impl FnOnce(Identity<'_>) -> T) -> T {
        match self {
            Self::Psk(identity) => f(Identity::Psk(identity)),
            Self::RawPublicKey(key) => f(Identity::RawPublicKey(key)),
            Self::Certificate(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                f(Identity::Certificate(&names))
            }
        }
    }
}

impl fmt::Display for ProvenIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Psk(identity) => match str::from_utf8(identity) {
                Ok(text) => write!(f, "{text:?} (PSK)"),
                Err(_) => write!(f, "{} (PSK)", ValueRef::Opaque(identity)),
            },
            Self::RawPublicKey(key) => write!(f, "{} (RPK)", ValueRef::Opaque(key)),
            Self::Certificate(names) => write!(f, "{names:?} (X.509)"),
        }
    }
}
