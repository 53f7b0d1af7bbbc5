//! Where a request came from.

use lwm2m_objects::typed::SecurityMode;

use super::eviction::Standing;
use crate::machine::{Channel, Identity};

/// Where a request came from, and what the transport proved about its sender.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Origin<'a, P> {
    pub(in crate::server) peer: &'a P,
    pub(in crate::server) channel: Channel,
    pub(in crate::server) identity: Identity<'a>,
}

impl<P> Origin<'_, P> {
    /// The standing of a client that has only sent a Register.
    pub(super) fn standing(&self) -> Standing {
        if self.is_secure() {
            Standing::Proven
        } else {
            Standing::Unconfirmed
        }
    }

    pub(super) fn is_secure(&self) -> bool {
        self.identity != Identity::None
    }
}

impl Identity<'_> {
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
