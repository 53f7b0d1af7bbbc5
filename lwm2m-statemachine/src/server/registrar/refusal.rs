//! Why a Register, an Update or a De-register is refused (TS 5.3, 8.5).

use alloc::boxed::Box;
use core::fmt;

use lwm2m_core::{Code, ContentFormat, Operation, ParameterError};
use lwm2m_linkformat::LinkFormatError;
use lwm2m_objects::typed::SecurityMode;
use thiserror::Error;

use crate::{machine::Channel, server::id::RegistrationId};

/// A refused request of the Client Registration interface. It tells an operator why a client can't
/// register.
///
/// All of it comes from a peer that may have proven nothing. The endpoint name may contain control
/// characters: escape it before printing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal<P> {
    /// [Register](Operation::Register), [Update](Operation::Update) or
    /// [De-register](Operation::Deregister).
    pub operation: Operation,
    /// Why. The answer has the [code](RefusalReason::code) of this reason.
    pub reason: RefusalReason,
    /// Where the request came from.
    pub peer: P,
    /// The channel on which it came.
    pub channel: Channel,
    /// The security mode of that channel.
    pub security: SecurityMode,
    /// The Endpoint Client Name: that of the registration at the location, or else the one in the
    /// request, valid or not. `None` if the request has none.
    pub endpoint_name: Option<Box<str>>,
    /// The registration at the location of an Update or De-register. It isn't changed.
    pub registration: Option<RegistrationId>,
}

impl<P> Refusal<P> {
    /// The code of the answer.
    pub const fn code(&self) -> Code {
        self.reason.code()
    }
}

/// Why a request of the Client Registration interface was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// 4.12 for a version of the Enabler that isn't accepted, 4.00 for any other parameter.
    #[error("{0}")]
    Parameter(#[from] ParameterError),
    /// 4.00: the payload isn't in link-format.
    #[error("expected application/link-format, not {0}")]
    ContentFormat(ContentFormat),
    /// 4.00: the payload isn't a list of links.
    #[error("{0}")]
    Links(#[from] LinkFormatError),
    /// 4.00: the payload names no Object (TS Table 7).
    #[error("the list names no Object")]
    NoObjects,
    /// 4.00: the proven identity may not use the endpoint name (TS 7.1.5).
    #[error("the proven identity may not use the endpoint name")]
    Identity,
    /// 4.03: without a proven identity, no client may register under this endpoint name, or none at
    /// all ([`ServerConfig::no_sec`](crate::server::ServerConfig::no_sec)).
    #[error("the endpoint name needs a proven identity")]
    NoSec,
    /// 4.03: a client with a proven identity has registered under the endpoint name, and this one
    /// proved none.
    #[error("the endpoint name is registered under a proven identity")]
    Secured,
    /// 4.04: no registration has this location, or none does any longer.
    #[error("no registration has this location")]
    UnknownLocation,
    /// 4.04: the location belongs to another client.
    #[error("the location is that of another client")]
    AnotherClient,
    /// 4.13: more Objects and Object Instances than
    /// [`ServerBounds::objects`](crate::server::ServerBounds::objects).
    #[error("more than {0} Objects and Object Instances")]
    TooManyObjects(usize),
    /// 4.13: an alternate path that is longer than
    /// [`ServerBounds::alternate_path`](crate::server::ServerBounds::alternate_path).
    #[error("an alternate path of more than {0} bytes")]
    AlternatePath(usize),
    /// 4.13: more unknown parameters than
    /// [`ServerBounds::unknown_parameters`](crate::server::ServerBounds::unknown_parameters).
    #[error("unknown parameters of more than {0} bytes")]
    UnknownParameters(usize),
    /// 5.03: [`ServerBounds::registrations`](crate::server::ServerBounds::registrations) or
    /// [`ServerBounds::bytes`](crate::server::ServerBounds::bytes) is reached, and no registration
    /// gives way to this client.
    #[error("no room for another registration")]
    NoRoom,
    /// 5.03: the host has as many registrations as
    /// [`ServerBounds::registrations_per_host`](crate::server::ServerBounds::registrations_per_host),
    /// and all are confirmed.
    #[error("the host has {0} registrations without a proven identity")]
    Host(usize),
}

impl RefusalReason {
    /// The code of the answer. A faulty request gets a code of TS Table 27; if there is no room,
    /// the code is 4.13 or 5.03, which CoAP itself defines (RFC 7252 §5.9).
    pub const fn code(&self) -> Code {
        match self {
            Self::Parameter(error) => error.code(),
            Self::ContentFormat(_) | Self::Links(_) | Self::NoObjects | Self::Identity => {
                Code::BAD_REQUEST
            }
            Self::NoSec | Self::Secured => Code::FORBIDDEN,
            Self::UnknownLocation | Self::AnotherClient => Code::NOT_FOUND,
            Self::TooManyObjects(_) | Self::AlternatePath(_) | Self::UnknownParameters(_) => {
                Code::REQUEST_ENTITY_TOO_LARGE
            }
            Self::NoRoom | Self::Host(_) => Code::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the server has no room. Otherwise the client has made a mistake, or may not register.
    pub const fn is_overload(&self) -> bool {
        matches!(
            self.code(),
            Code::REQUEST_ENTITY_TOO_LARGE | Code::SERVICE_UNAVAILABLE
        )
    }
}

impl<P: fmt::Debug> fmt::Display for Refusal<P> {
    /// One line, with the endpoint name escaped: `Register of "meter-1" from 192.0.2.1:5683
    /// (NoSec): 4.12, …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(name) = &self.endpoint_name {
            write!(f, " of {name:?}")?;
        }
        let (peer, security) = (&self.peer, self.security);
        let (code, reason) = (self.code(), self.reason);
        write!(f, " from {peer:?} ({security:?}): {code}, {reason}")
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::{EnablerVersions, Parameter, Version};
    use lwm2m_linkformat::RegistrationLinks;

    use super::*;

    /// Which reasons say that there is no room; every reason is listed here.
    fn is_room(reason: RefusalReason) -> bool {
        match reason {
            RefusalReason::TooManyObjects(_)
            | RefusalReason::AlternatePath(_)
            | RefusalReason::UnknownParameters(_)
            | RefusalReason::NoRoom
            | RefusalReason::Host(_) => true,
            RefusalReason::Parameter(_)
            | RefusalReason::ContentFormat(_)
            | RefusalReason::Links(_)
            | RefusalReason::NoObjects
            | RefusalReason::Identity
            | RefusalReason::NoSec
            | RefusalReason::Secured
            | RefusalReason::UnknownLocation
            | RefusalReason::AnotherClient => false,
        }
    }

    #[test]
    fn codes_are_those_of_table_27_but_for_want_of_room() {
        let version = ParameterError::Version {
            query: 0,
            client: Version::new(1, 1),
            accepted: EnablerVersions::default(),
        };
        let links = RegistrationLinks::new("<").find_map(Result::err).unwrap();
        let both: &[_] = &[Operation::Register, Operation::Update];
        let register: &[_] = &[Operation::Register];
        let location: &[_] = &[Operation::Update, Operation::Deregister];
        for (reason, operations) in [
            (RefusalReason::Parameter(version), register),
            (
                RefusalReason::Parameter(ParameterError::Missing(Parameter::Lifetime)),
                both,
            ),
            (RefusalReason::ContentFormat(ContentFormat::TEXT), both),
            (RefusalReason::Links(links), both),
            (RefusalReason::NoObjects, both),
            (RefusalReason::Identity, register),
            (RefusalReason::NoSec, register),
            (RefusalReason::Secured, register),
            (RefusalReason::UnknownLocation, location),
            (RefusalReason::AnotherClient, location),
            (RefusalReason::TooManyObjects(1), both),
            (RefusalReason::AlternatePath(1), both),
            (RefusalReason::UnknownParameters(1), both),
            (RefusalReason::NoRoom, both),
            (RefusalReason::Host(1), register),
        ] {
            for operation in operations {
                let allowed = operation.allows(reason.code());
                assert_eq!(allowed, !is_room(reason), "{operation}: {reason:?}");
            }
            let room = [Code::REQUEST_ENTITY_TOO_LARGE, Code::SERVICE_UNAVAILABLE];
            assert_eq!(room.contains(&reason.code()), is_room(reason));
            assert_eq!(reason.is_overload(), is_room(reason));
        }
    }
}
