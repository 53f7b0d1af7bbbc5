//! LwM2M Security (TS E.1).

use alloc::{string::String, vec::Vec};
use core::fmt;

use lwm2m_core::{InstanceId, ObjectId, ShortServerId};

use super::{Typed, Values};
use crate::{builtin::SECURITY, definition::ObjectDefinition, store::Store, tree::ObjectTree};

/// An instance of the Security Object: how to reach a server, and with which keys.
///
/// [`Debug`](fmt::Debug) never shows keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Security {
    /// The URI of the server: `coap://…`, `coaps://…` (Resource 0).
    pub server_uri: String,
    /// Whether the server is a Bootstrap-Server (Resource 1).
    pub bootstrap_server: bool,
    /// How the channel is secured (Resource 2).
    pub mode: SecurityMode,
    /// PSK identity, public key or certificate of the Client, as TS E.1.1 has them (Resource 3).
    pub public_key_or_identity: Vec<u8>,
    /// Public key or certificate of the server (Resource 4).
    pub server_public_key: Vec<u8>,
    /// PSK or private key (Resource 5).
    pub secret_key: Vec<u8>,
    /// Which Server Object Instance belongs to it (Resource 10); a Bootstrap-Server has none.
    pub short_server_id: Option<ShortServerId>,
    /// Seconds to wait before a Client Initiated Bootstrap (Resource 11).
    pub client_hold_off_time: Option<u32>,
    /// Seconds after which the Bootstrap-Server Account is purged; 0 is never (Resource 12).
    pub bootstrap_account_timeout: Option<u32>,
}

/// How a UDP channel is secured (Resource 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityMode {
    /// 0: Pre-Shared Key (TS 7.1.7).
    PreSharedKey,
    /// 1: Raw Public Key (TS 7.1.8).
    RawPublicKey,
    /// 2: Certificate (TS 7.1.9).
    Certificate,
    /// 3: NoSec (TS 7.1.10).
    NoSec,
    /// 4: Certificate with EST (TS 7.1.11).
    CertificateWithEst,
}

impl SecurityMode {
    /// The value of Resource 2.
    pub const fn number(self) -> u8 {
        match self {
            Self::PreSharedKey => 0,
            Self::RawPublicKey => 1,
            Self::Certificate => 2,
            Self::NoSec => 3,
            Self::CertificateWithEst => 4,
        }
    }

    /// The mode of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::PreSharedKey,
            1 => Self::RawPublicKey,
            2 => Self::Certificate,
            3 => Self::NoSec,
            4 => Self::CertificateWithEst,
            _ => return None,
        })
    }
}

impl Security {
    /// A LwM2M Server without channel security.
    pub fn no_sec(server_uri: impl Into<String>, server: ShortServerId) -> Self {
        Self {
            server_uri: server_uri.into(),
            bootstrap_server: false,
            mode: SecurityMode::NoSec,
            public_key_or_identity: Vec::new(),
            server_public_key: Vec::new(),
            secret_key: Vec::new(),
            short_server_id: Some(server),
            client_hold_off_time: None,
            bootstrap_account_timeout: None,
        }
    }

    /// A LwM2M Server with a pre-shared key.
    pub fn pre_shared_key(
        server_uri: impl Into<String>,
        server: ShortServerId,
        identity: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            mode: SecurityMode::PreSharedKey,
            public_key_or_identity: identity.into(),
            secret_key: key.into(),
            ..Self::no_sec(server_uri, server)
        }
    }
}

impl Typed for Security {
    const DEFINITION: &'static ObjectDefinition = &SECURITY;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        store
            .with(instance, 0, self.server_uri)
            .with(instance, 1, self.bootstrap_server)
            .with(instance, 2, i64::from(self.mode.number()))
            .with(instance, 3, self.public_key_or_identity)
            .with(instance, 4, self.server_public_key)
            .with(instance, 5, self.secret_key)
            .with_some(
                instance,
                10,
                self.short_server_id.map(|id| i64::from(id.get())),
            )
            .with_some(instance, 11, self.client_hold_off_time.map(i64::from))
            .with_some(instance, 12, self.bootstrap_account_timeout.map(i64::from))
    }

    fn load(tree: &ObjectTree, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree, ObjectId::SECURITY, instance)?;
        Some(Self {
            server_uri: values.string(0)?,
            bootstrap_server: values.boolean(1)?,
            mode: SecurityMode::from_number(values.number(2)?)?,
            public_key_or_identity: values.opaque(3)?,
            server_public_key: values.opaque(4)?,
            secret_key: values.opaque(5)?,
            short_server_id: values.number(10).and_then(ShortServerId::new),
            client_hold_off_time: values.number(11),
            bootstrap_account_timeout: values.number(12),
        })
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("server_uri", &self.server_uri)
            .field("bootstrap_server", &self.bootstrap_server)
            .field("mode", &self.mode)
            .field("short_server_id", &self.short_server_id)
            .finish_non_exhaustive()
    }
}
