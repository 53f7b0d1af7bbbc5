//! Why a Bootstrap-Request is refused (TS 5.2.7.1, Table 27).

use alloc::boxed::Box;
use core::fmt;

use lwm2m_core::{Code, ParameterError};
use lwm2m_objects::typed::SecurityMode;
use thiserror::Error;

use crate::machine::Channel;

/// A refused Bootstrap-Request. It tells an operator why a client can't bootstrap.
///
/// All of it comes from a peer that may have proven nothing. The endpoint name may contain control
/// characters: escape it before printing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal<P> {
    /// Why. The answer has the [code](RefusalReason::code) of this reason.
    pub reason: RefusalReason,
    /// Where the request came from.
    pub peer: P,
    /// The channel on which it came.
    pub channel: Channel,
    /// The security mode of that channel.
    pub security: SecurityMode,
    /// The Endpoint Client Name in the request, valid or not. `None` if the request has none.
    pub endpoint_name: Option<Box<str>>,
}

impl<P> Refusal<P> {
    /// The code of the answer.
    pub const fn code(&self) -> Code {
        self.reason.code()
    }
}

/// Why a Bootstrap-Request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// 4.00: it has no endpoint name, or no valid one.
    #[error("{0}")]
    Parameter(#[from] ParameterError),
    /// 4.00: it has a body in blocks.
    #[error("a Bootstrap-Request has no body")]
    Body,
    /// 4.00: the proven identity may not use the endpoint name (TS 7.1.5).
    #[error("the proven identity may not use the endpoint name")]
    Identity,
    /// 4.00: without a proven identity, no client may use this endpoint name, or none at all
    /// ([`BootstrapServerConfig::no_sec`](super::BootstrapServerConfig::no_sec)).
    #[error("the endpoint name needs a proven identity")]
    NoSec,
    /// 4.00: a client with a proven identity is being bootstrapped under the endpoint name or at the
    /// peer, and this one proved none.
    #[error("a client with a proven identity is being bootstrapped")]
    Secured,
    /// 5.03: there are too many bootstraps, or requests that wait for a plan.
    #[error("no room for another bootstrap")]
    NoRoom,
    /// 5.03: the host has as many bootstraps without a proven identity as
    /// [`BootstrapBounds::per_host`](super::BootstrapBounds::per_host).
    #[error("the host has {0} bootstraps without a proven identity")]
    Host(usize),
}

impl RefusalReason {
    /// The code of the answer: 4.00, which is the only error of TS Table 27, or if there is no room
    /// 5.03, which CoAP itself defines (RFC 7252 §5.9).
    pub const fn code(&self) -> Code {
        match self {
            Self::Parameter(_) | Self::Body | Self::Identity | Self::NoSec | Self::Secured => {
                Code::BAD_REQUEST
            }
            Self::NoRoom | Self::Host(_) => Code::SERVICE_UNAVAILABLE,
        }
    }
}

impl<P: fmt::Debug> fmt::Display for Refusal<P> {
    /// One line, with the endpoint name escaped: `Bootstrap-Request of "meter-1" from
    /// 192.0.2.1:5683 (NoSec): 4.00, …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bootstrap-Request")?;
        if let Some(name) = &self.endpoint_name {
            write!(f, " of {name:?}")?;
        }
        let (peer, security) = (&self.peer, self.security);
        let (code, reason) = (self.code(), self.reason);
        write!(f, " from {peer:?} ({security:?}): {code}, {reason}")
    }
}
