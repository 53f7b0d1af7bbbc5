//! Where a request of a client came from.

use lwm2m_objects::typed::SecurityMode;

use crate::machine::{Channel, Identity};

/// Where a request came from, and what the transport proved about its sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a, P> {
    pub(crate) peer: &'a P,
    pub(crate) channel: Channel,
    pub(crate) identity: Identity<'a>,
}

impl<P> Origin<'_, P> {
    pub(crate) fn is_secure(&self) -> bool {
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
