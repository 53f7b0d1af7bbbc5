//! What a client has proved, kept for the application.

use alloc::{boxed::Box, vec::Vec};

use lwm2m_objects::typed::SecurityMode;

use crate::machine::Identity;

/// An [`Identity`] that owns its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProvenIdentity {
    /// Nothing: NoSec mode.
    #[default]
    None,
    /// [`Identity::Psk`]
    Psk(Box<[u8]>),
    /// [`Identity::RawPublicKey`]
    RawPublicKey(Box<[u8]>),
    /// [`Identity::Certificate`]
    Certificate(Vec<Box<str>>),
}

impl ProvenIdentity {
    /// The security mode that proves such an identity (TS 7.1.7 to 7.1.10).
    pub const fn security_mode(&self) -> SecurityMode {
        match self {
            Self::None => SecurityMode::NoSec,
            Self::Psk(_) => SecurityMode::PreSharedKey,
            Self::RawPublicKey(_) => SecurityMode::RawPublicKey,
            Self::Certificate(_) => SecurityMode::Certificate,
        }
    }
}

impl From<Identity<'_>> for ProvenIdentity {
    fn from(identity: Identity<'_>) -> Self {
        match identity {
            Identity::None => Self::None,
            Identity::Psk(identity) => Self::Psk(identity.into()),
            Identity::RawPublicKey(key) => Self::RawPublicKey(key.into()),
            Identity::Certificate(names) => {
                Self::Certificate(names.iter().map(|name| (*name).into()).collect())
            }
        }
    }
}
