//! LwM2M Security (TS E.1).

use alloc::{string::String, vec::Vec};
use core::fmt;

use lwm2m_core::{InstanceId, ObjectId, ResourceId, ShortServerId, ValueRef};

use super::{Typed, Values};
use crate::{
    definition::{ObjectDefinition, builtin::SECURITY},
    tree::{Store, TreeView},
};

/// An instance of the Security Object: how to reach a server, and with which keys.
///
/// [`Debug`](fmt::Debug) shows neither keys nor identities.
///
/// ```
/// use lwm2m_core::ShortServerId;
/// use lwm2m_objects::typed;
///
/// let id = ShortServerId::new(101).unwrap();
/// let security = typed::Security::pre_shared_key("coaps://192.0.2.1", id, "urn:dev:1", [7; 16]);
/// let typed::KeyMaterial::PreSharedKey { identity, key } = security.material() else {
///     panic!("another mode");
/// };
/// assert_eq!((identity, key), (&b"urn:dev:1"[..], &[7; 16][..]));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Security {
    /// The URI of the server, `coap://…` or `coaps://…` (Resource 0);
    /// [`ServerUri`](lwm2m_core::ServerUri) parses it.
    pub server_uri: String,
    /// Whether the server is a Bootstrap-Server (Resource 1).
    pub bootstrap_server: bool,
    /// How the channel is secured (Resource 2).
    pub mode: SecurityMode,
    /// PSK identity, public key or certificate of the Client, as in TS E.1.1 (Resource 3). Like the
    /// two below, it may be empty if the [mode](SecurityMode::key_resources) doesn't need it.
    pub public_key_or_identity: Vec<u8>,
    /// Public key or certificate of the server (Resource 4).
    pub server_public_key: Vec<u8>,
    /// PSK or private key (Resource 5).
    pub secret_key: Vec<u8>,
    /// How SMS are secured, and the number of the server (Resources 6 to 9).
    pub sms: SmsSecurity,
    /// Which Server Object Instance belongs to it (Resource 10); a Bootstrap-Server has none.
    pub short_server_id: Option<ShortServerId>,
    /// Seconds to wait before a Client Initiated Bootstrap (Resource 11).
    pub client_hold_off_time: Option<u32>,
    /// Seconds after which the Bootstrap-Server Account is purged; 0 means never (Resource 12).
    pub bootstrap_account_timeout: Option<u32>,
}

/// How a UDP channel is secured (Resource 2).
///
/// Every version of the Object has these five, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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

    /// The mode with this number.
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

    /// Which of Resources 3, 4 and 5 the mode needs (TS 7.1.7 to 7.1.11), in ascending order. The
    /// others may be absent or empty.
    pub const fn key_resources(self) -> &'static [ResourceId] {
        const PUBLIC_KEY_OR_IDENTITY: ResourceId = ResourceId::new(3);
        const SERVER_PUBLIC_KEY: ResourceId = ResourceId::new(4);
        const SECRET_KEY: ResourceId = ResourceId::new(5);
        match self {
            Self::PreSharedKey => &[PUBLIC_KEY_OR_IDENTITY, SECRET_KEY],
            Self::RawPublicKey | Self::Certificate => {
                &[PUBLIC_KEY_OR_IDENTITY, SERVER_PUBLIC_KEY, SECRET_KEY]
            }
            Self::NoSec => &[],
            Self::CertificateWithEst => &[SERVER_PUBLIC_KEY],
        }
    }
}

/// The keys of a UDP channel (TS E.1.1). [`Debug`](fmt::Debug) shows the mode only.
///
/// There is one for each [`SecurityMode`], so it won't grow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyMaterial<'k> {
    /// TS E.1.1.1. Up to 128 bytes of identity and 64 of key must be supported.
    PreSharedKey {
        /// UTF-8 text, normally.
        identity: &'k [u8],
        /// As the cipher suite needs it; 16 bytes or more are recommended.
        key: &'k [u8],
    },
    /// TS E.1.1.2.
    RawPublicKey {
        /// The Client's, a `SubjectPublicKeyInfo` (RFC 7250).
        public_key: &'k [u8],
        /// The Client's (RFC 5958).
        private_key: &'k [u8],
        /// The server's, a `SubjectPublicKeyInfo` (RFC 7250).
        server_public_key: &'k [u8],
    },
    /// TS E.1.1.3.
    Certificate(Certificates<'k>),
    /// No keys.
    NoSec,
    /// As in Certificate mode, once the Client has enrolled (RFC 7030). Before that, its own
    /// certificate and key may be those of the manufacturer, or empty.
    CertificateWithEst(Certificates<'k>),
}

/// The keys of Certificate mode (TS E.1.1.3). [`Debug`](fmt::Debug) shows none of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Certificates<'k> {
    /// The Client's, X.509v3 in DER (RFC 5280).
    pub certificate: &'k [u8],
    /// The Client's (RFC 5958).
    pub private_key: &'k [u8],
    /// The server's, X.509v3 in DER (RFC 5280).
    pub server_certificate: &'k [u8],
}

/// How SMS to and from a server are secured (Resources 6 to 9, TS 7.2, E.1.2).
/// [`Debug`](fmt::Debug) shows no keys.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SmsSecurity {
    /// Resource 6.
    pub mode: Option<SmsSecurityMode>,
    /// `KIc`, `KID`, `SPI` and `TAR`, in this order (Resource 7).
    pub key_parameters: Option<[u8; 6]>,
    /// One to three keys of 16 bytes: 16, 32 or 48 bytes (Resource 8).
    pub secret_keys: Option<Vec<u8>>,
    /// The server's MSISDN (Resource 9). SMS from other senders are ignored.
    pub server_number: Option<String>,
}

/// How SMS are secured (Resource 6).
///
/// Numbers without a meaning are [`Other`](Self::Other), so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "u8", into = "u8"))]
pub enum SmsSecurityMode {
    /// 1: DTLS that terminates in the device, with a pre-shared key.
    Dtls,
    /// 2: Secure Packet Structure, which terminates in the smartcard.
    SecurePacketStructure,
    /// 3: NoSec.
    NoSec,
    /// 204 to 255: proprietary. All other numbers are reserved.
    Other(u8),
}

impl SmsSecurityMode {
    /// The value of Resource 6.
    pub const fn number(self) -> u8 {
        match self {
            Self::Dtls => 1,
            Self::SecurePacketStructure => 2,
            Self::NoSec => 3,
            Self::Other(number) => number,
        }
    }

    /// The mode with this number.
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Dtls,
            2 => Self::SecurePacketStructure,
            3 => Self::NoSec,
            _ => Self::Other(number),
        }
    }
}

impl From<u8> for SmsSecurityMode {
    fn from(number: u8) -> Self {
        Self::from_number(number)
    }
}

impl From<SmsSecurityMode> for u8 {
    fn from(mode: SmsSecurityMode) -> Self {
        mode.number()
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
            sms: SmsSecurity::default(),
            short_server_id: Some(server),
            client_hold_off_time: None,
            bootstrap_account_timeout: None,
        }
    }

    /// A LwM2M Server with a pre-shared key (TS E.1.1.1).
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

    /// A LwM2M Server with raw public keys: two `SubjectPublicKeyInfo` (RFC 7250), the Client's
    /// and the server's, and the Client's private key (RFC 5958). See TS E.1.1.2.
    pub fn raw_public_key(
        server_uri: impl Into<String>,
        server: ShortServerId,
        public_key: impl Into<Vec<u8>>,
        private_key: impl Into<Vec<u8>>,
        server_public_key: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            mode: SecurityMode::RawPublicKey,
            public_key_or_identity: public_key.into(),
            server_public_key: server_public_key.into(),
            secret_key: private_key.into(),
            ..Self::no_sec(server_uri, server)
        }
    }

    /// A LwM2M Server with certificates (TS E.1.1.3).
    pub fn certificate(
        server_uri: impl Into<String>,
        server: ShortServerId,
        keys: Certificates<'_>,
    ) -> Self {
        Self {
            mode: SecurityMode::Certificate,
            public_key_or_identity: keys.certificate.into(),
            server_public_key: keys.server_certificate.into(),
            secret_key: keys.private_key.into(),
            ..Self::no_sec(server_uri, server)
        }
    }

    /// A LwM2M Server with certificates; the Client enrols for its own (EST, RFC 7030).
    pub fn certificate_with_est(
        server_uri: impl Into<String>,
        server: ShortServerId,
        keys: Certificates<'_>,
    ) -> Self {
        Self {
            mode: SecurityMode::CertificateWithEst,
            ..Self::certificate(server_uri, server, keys)
        }
    }

    /// Makes it a Bootstrap-Server with these keys, which has no Short Server ID.
    #[must_use]
    pub fn into_bootstrap_server(self) -> Self {
        Self {
            bootstrap_server: true,
            short_server_id: None,
            ..self
        }
    }

    /// Adds the SMS binding.
    #[must_use]
    pub fn with_sms(self, sms: SmsSecurity) -> Self {
        Self { sms, ..self }
    }

    /// The keys, as the [`mode`](Self::mode) uses them.
    pub fn material(&self) -> KeyMaterial<'_> {
        let certificates = Certificates {
            certificate: &self.public_key_or_identity,
            private_key: &self.secret_key,
            server_certificate: &self.server_public_key,
        };
        match self.mode {
            SecurityMode::PreSharedKey => KeyMaterial::PreSharedKey {
                identity: &self.public_key_or_identity,
                key: &self.secret_key,
            },
            SecurityMode::RawPublicKey => KeyMaterial::RawPublicKey {
                public_key: &self.public_key_or_identity,
                private_key: &self.secret_key,
                server_public_key: &self.server_public_key,
            },
            SecurityMode::Certificate => KeyMaterial::Certificate(certificates),
            SecurityMode::NoSec => KeyMaterial::NoSec,
            SecurityMode::CertificateWithEst => KeyMaterial::CertificateWithEst(certificates),
        }
    }
}

impl Typed for Security {
    const DEFINITION: &'static ObjectDefinition = &SECURITY;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let sms = self.sms;
        store
            .with(instance, 0, self.server_uri)
            .with(instance, 1, self.bootstrap_server)
            .with(instance, 2, i64::from(self.mode.number()))
            .with(instance, 3, self.public_key_or_identity)
            .with(instance, 4, self.server_public_key)
            .with(instance, 5, self.secret_key)
            .with_some(instance, 6, sms.mode.map(|mode| i64::from(mode.number())))
            .with_some(instance, 7, sms.key_parameters.map(|bytes| bytes.to_vec()))
            .with_some(instance, 8, sms.secret_keys)
            .with_some(instance, 9, sms.server_number)
            .with_some(
                instance,
                10,
                self.short_server_id.map(|id| i64::from(id.get())),
            )
            .with_some(instance, 11, self.client_hold_off_time.map(i64::from))
            .with_some(instance, 12, self.bootstrap_account_timeout.map(i64::from))
            // A Bootstrap-Server writes accounts that have others of them.
            .supporting(6..=12)
    }

    /// Times have 32 bits.
    fn accepts(resource: ResourceId, value: &ValueRef<'_>) -> bool {
        match (resource.get(), value) {
            (11 | 12, ValueRef::Integer(seconds)) => u32::try_from(*seconds).is_ok(),
            _ => true,
        }
    }

    /// The keys that the mode needs are mandatory.
    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree.into(), ObjectId::SECURITY, instance)?;
        let mode = SecurityMode::from_number(values.number(2)?)?;
        let key = |resource: u16| match values.opaque(resource) {
            None if !mode.key_resources().contains(&resource.into()) => Some(Vec::new()),
            key => key,
        };
        Some(Self {
            server_uri: values.string(0)?,
            bootstrap_server: values.boolean(1)?,
            mode,
            public_key_or_identity: key(3)?,
            server_public_key: key(4)?,
            secret_key: key(5)?,
            sms: SmsSecurity {
                mode: values.number(6).map(SmsSecurityMode::from_number),
                key_parameters: values.opaque(7).and_then(|bytes| bytes.try_into().ok()),
                secret_keys: values.opaque(8),
                server_number: values.string(9),
            },
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
            .field("sms", &self.sms)
            .field("short_server_id", &self.short_server_id)
            .field("client_hold_off_time", &self.client_hold_off_time)
            .field("bootstrap_account_timeout", &self.bootstrap_account_timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SmsSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsSecurity")
            .field("mode", &self.mode)
            .field("server_number", &self.server_number)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyMaterial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreSharedKey { .. } => "PreSharedKey(..)",
            Self::RawPublicKey { .. } => "RawPublicKey(..)",
            Self::Certificate(_) => "Certificate(..)",
            Self::NoSec => "NoSec",
            Self::CertificateWithEst(_) => "CertificateWithEst(..)",
        })
    }
}

impl fmt::Debug for Certificates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates(..)")
    }
}
