//! The keys with which a Bootstrap-Server may come (TS 5.2.3.4, 7.1.6).

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use lwm2m_core::{Instant, ServerUri};
use lwm2m_objects::{Typed as _, typed};
use lwm2m_statemachine::{AccountId, Client, client::AccountRole};

use crate::secure::{
    credentials::{
        ClientCredentials, Expiry, KnownClients, OwnCertificate, ProvenIdentity, ServerCredentials,
        Validity,
    },
    names::Names,
    session::Refusal,
};

/// The accounts of Bootstrap-Servers with keys for DTLS, as they were when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accounts(Vec<(AccountId, ClientCredentials)>);

impl Accounts {
    /// Reads those of a Client. What can't be used isn't among them, nor what a bootstrap has written that isn't
    /// finished.
    pub(super) fn of(client: &Client) -> Self {
        let bootstrap_servers = client
            .accounts()
            .filter(|status| status.role == AccountRole::BootstrapServer);
        let read = bootstrap_servers.filter_map(|status| {
            let security = typed::Security::load(client.tree().settled(), status.id.instance())?;
            let uri = ServerUri::parse(&security.server_uri).ok()?;
            let ServerUri::Coaps { host, .. } = uri else {
                return None;
            };
            let credentials = ClientCredentials::of(&security, host).ok()?;
            Some((status.id, credentials))
        });
        Self(read.collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a library needs to accept sessions with these keys.
    pub(super) fn credentials(&self, dates: &Dates) -> ServerCredentials {
        let own = self.0.iter().find_map(|(_, keys)| match keys {
            ClientCredentials::Certificate {
                certificate,
                private_key,
                ..
            } => Some(OwnCertificate {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
            }),
            _ => None,
        });
        ServerCredentials {
            clients: Arc::new(Known {
                accounts: self.clone(),
                dates: dates.clone(),
            }),
            certificate: own,
        }
    }

    /// The account whose keys a peer has proved to have.
    pub(super) fn prove(&self, peer: &ProvenIdentity, names: ReadNames) -> Option<AccountId> {
        let is_of = |keys: &ClientCredentials| match (keys, peer) {
            (ClientCredentials::PreSharedKey { identity, .. }, ProvenIdentity::Psk(proven)) => {
                identity == proven
            }
            (
                ClientCredentials::RawPublicKey {
                    server_public_key, ..
                },
                ProvenIdentity::RawPublicKey(proven),
            ) => server_public_key == proven,
            (
                ClientCredentials::Certificate {
                    server_certificate, ..
                },
                ProvenIdentity::Certificate(proven),
            ) => names(server_certificate).is_ok_and(|names| names.into_all() == *proven),
            _ => false,
        };
        let mut accounts = self.0.iter();
        let (account, _) = accounts.find(|(_, keys)| is_of(keys))?;
        Some(*account)
    }
}

/// How a library reads the names in a certificate.
pub(super) type ReadNames = fn(&[u8]) -> Result<Names, Refusal>;

/// What is done about the dates of certificates. Clones have the same time.
#[derive(Clone)]
pub(super) struct Dates {
    expiry: Expiry,
    names: ReadNames,
    validity: fn(&[u8]) -> Result<Validity, Refusal>,
    /// The time of the last call, in milliseconds: a library asks in the middle of a handshake.
    now: Arc<AtomicU64>,
}

impl Dates {
    pub(super) fn new(
        expiry: Expiry,
        names: ReadNames,
        validity: fn(&[u8]) -> Result<Validity, Refusal>,
    ) -> Self {
        Self {
            expiry,
            names,
            validity,
            now: Arc::default(),
        }
    }

    pub(super) fn pass_to(&self, now: Instant) {
        self.now.store(now.as_millis(), Ordering::Relaxed);
    }

    /// Whether a certificate names the host, and is valid now if that matters (TS 7.1.9).
    fn check(&self, certificate: &[u8], host: &str) -> Result<(), Refusal> {
        if !(self.names)(certificate)?.name(host) {
            return Err(Refusal::OtherName);
        }
        let now = Instant::from_millis(self.now.load(Ordering::Relaxed));
        self.expiry.check(now, || (self.validity)(certificate))
    }
}

/// The Bootstrap-Servers, to a library.
struct Known {
    accounts: Accounts,
    dates: Dates,
}

impl KnownClients for Known {
    fn pre_shared_key(&self, wanted: &[u8]) -> Option<Vec<u8>> {
        let mut accounts = self.accounts.0.iter();
        accounts.find_map(|(_, keys)| match keys {
            ClientCredentials::PreSharedKey { identity, key } if identity == wanted => {
                Some(key.clone())
            }
            _ => None,
        })
    }

    /// The certificate of an account to the byte, if it names the host of its URI and hasn't expired (TS 7.1.9).
    fn accepts_certificate(&self, shown: &[u8]) -> Result<(), Refusal> {
        let mut accounts = self.accounts.0.iter();
        let host = accounts.find_map(|(_, keys)| match keys {
            ClientCredentials::Certificate {
                server_certificate,
                host,
                ..
            } if server_certificate == shown => Some(host),
            _ => None,
        });
        let host = host.ok_or(Refusal::OtherCertificate)?;
        self.dates.check(shown, host)
    }
}
