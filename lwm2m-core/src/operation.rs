//! Operations, and what they are in CoAP (TS Tables 1, 23 to 27, §7.3.2).

mod classify;

use core::fmt;

pub use self::classify::{
    BootstrapRequestError, DownlinkError, DownlinkRequest, ObserveOption, ResourceSupport,
    WriteMode,
};
use crate::{AccessRights, Code, Method, Path};

/// The operations of LwM2M 1.0 (TS Table 1). Bootstrap and Device Management have operations of the
/// same name, which differ in targets, rights and response codes.
///
/// It may grow: LwM2M 1.1 adds composite operations and Send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Operation {
    /// Bootstrap-Request (TS 5.2.7.1).
    BootstrapRequest,
    /// Write of the Bootstrap interface (TS 5.2.7.4).
    BootstrapWrite,
    /// Discover of the Bootstrap interface (TS 5.2.7.3).
    BootstrapDiscover,
    /// Delete of the Bootstrap interface (TS 5.2.7.5).
    BootstrapDelete,
    /// Bootstrap-Finish (TS 5.2.7.2).
    BootstrapFinish,
    /// Register (TS 5.3.1).
    Register,
    /// Update (TS 5.3.2).
    Update,
    /// De-register (TS 5.3.3).
    Deregister,
    /// Create (TS 5.4.6).
    Create,
    /// Read (TS 5.4.1).
    Read,
    /// Write, Replace or Partial Update (TS 5.4.3); see [`WriteMode`].
    Write,
    /// Delete (TS 5.4.7).
    Delete,
    /// Execute (TS 5.4.5).
    Execute,
    /// Write-Attributes (TS 5.4.4).
    WriteAttributes,
    /// Discover (TS 5.4.2).
    Discover,
    /// Observe (TS 5.5.1).
    Observe,
    /// Cancel Observation (TS 5.5.3) by a request, not by Reset.
    CancelObservation,
    /// Notify (TS 5.5.2): an asynchronous response, not a request.
    Notify,
}

/// The interfaces of LwM2M (TS 5).
///
/// Every version of LwM2M has these four, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Interface {
    /// Bootstrap (TS 5.2).
    Bootstrap,
    /// Client Registration (TS 5.3).
    ClientRegistration,
    /// Device Management and Service Enablement (TS 5.4).
    DeviceManagement,
    /// Information Reporting (TS 5.5).
    InformationReporting,
}

/// Which end makes the request.
///
/// A request has two ends, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// The Client.
    Uplink,
    /// The Server or the Bootstrap-Server.
    Downlink,
}

/// The form of the path of an operation's request (TS Tables 23 to 26).
///
/// It may grow: LwM2M 1.1 sends to `/dp`, LwM2M 1.2 to `/bspack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PathForm {
    /// `/bs`
    Bootstrap,
    /// `/rd`
    Registration,
    /// `/{location}`: the Location-Path of the answer to the Register.
    Location,
    /// A [`Path`] of so many segments, both included.
    Tree {
        /// The fewest segments.
        from: u8,
        /// The most segments.
        to: u8,
    },
}

impl Operation {
    /// All operations, in the order of Table 27.
    pub const ALL: &[Self] = &[
        Self::BootstrapRequest,
        Self::BootstrapWrite,
        Self::BootstrapDiscover,
        Self::BootstrapDelete,
        Self::BootstrapFinish,
        Self::Register,
        Self::Update,
        Self::Deregister,
        Self::Create,
        Self::Read,
        Self::Write,
        Self::Delete,
        Self::Execute,
        Self::WriteAttributes,
        Self::Discover,
        Self::Observe,
        Self::CancelObservation,
        Self::Notify,
    ];

    /// The name in the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BootstrapRequest => "Bootstrap-Request",
            Self::BootstrapFinish => "Bootstrap-Finish",
            Self::Register => "Register",
            Self::Update => "Update",
            Self::Deregister => "De-register",
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Write | Self::BootstrapWrite => "Write",
            Self::Delete | Self::BootstrapDelete => "Delete",
            Self::Execute => "Execute",
            Self::WriteAttributes => "Write-Attributes",
            Self::Discover | Self::BootstrapDiscover => "Discover",
            Self::Observe => "Observe",
            Self::CancelObservation => "Cancel Observation",
            Self::Notify => "Notify",
        }
    }

    /// The interface that the operation belongs to (TS Table 1).
    pub const fn interface(self) -> Interface {
        match self {
            Self::BootstrapRequest
            | Self::BootstrapWrite
            | Self::BootstrapDiscover
            | Self::BootstrapDelete
            | Self::BootstrapFinish => Interface::Bootstrap,
            Self::Register | Self::Update | Self::Deregister => Interface::ClientRegistration,
            Self::Create
            | Self::Read
            | Self::Write
            | Self::Delete
            | Self::Execute
            | Self::WriteAttributes
            | Self::Discover => Interface::DeviceManagement,
            Self::Observe | Self::CancelObservation | Self::Notify => {
                Interface::InformationReporting
            }
        }
    }

    /// Which end makes the request (TS Table 1).
    pub const fn direction(self) -> Direction {
        match self {
            Self::BootstrapRequest
            | Self::Register
            | Self::Update
            | Self::Deregister
            | Self::Notify => Direction::Uplink,
            _ => Direction::Downlink,
        }
    }

    /// The methods of the request (TS Tables 23 to 26). Write has two: PUT to replace, POST to
    /// update in part. Notify isn't a request and has none.
    pub const fn methods(self) -> &'static [Method] {
        match self {
            Self::BootstrapRequest
            | Self::BootstrapFinish
            | Self::Register
            | Self::Update
            | Self::Create
            | Self::Execute => &[Method::Post],
            Self::Write => &[Method::Put, Method::Post],
            Self::BootstrapWrite | Self::WriteAttributes => &[Method::Put],
            Self::Deregister | Self::Delete | Self::BootstrapDelete => &[Method::Delete],
            Self::Read
            | Self::Discover
            | Self::BootstrapDiscover
            | Self::Observe
            | Self::CancelObservation => &[Method::Get],
            Self::Notify => &[],
        }
    }

    /// The form of the request's path (TS 8.2.3, Tables 23 to 26); for Notify, of the request
    /// that it answers.
    pub const fn path_form(self) -> PathForm {
        let (from, to) = match self {
            Self::BootstrapRequest | Self::BootstrapFinish => return PathForm::Bootstrap,
            Self::Register => return PathForm::Registration,
            Self::Update | Self::Deregister => return PathForm::Location,
            Self::BootstrapWrite
            | Self::Read
            | Self::Discover
            | Self::WriteAttributes
            | Self::Observe
            | Self::CancelObservation
            | Self::Notify => (1, 3),
            Self::BootstrapDiscover => (0, 1),
            Self::BootstrapDelete => (0, 2),
            Self::Create => (1, 1),
            Self::Write => (2, 3),
            Self::Delete => (2, 2),
            Self::Execute => (3, 3),
        };
        PathForm::Tree { from, to }
    }

    /// The least right that a Server needs on the Object Instance, for Create on the Object
    /// (TS 7.3.2; for Notify 7.3.2.5). Discover, Write-Attributes and Cancel Observation need none,
    /// nor do the operations without access control.
    pub const fn minimum_right(self) -> AccessRights {
        match self {
            Self::Read | Self::Observe | Self::Notify => AccessRights::READ,
            Self::Write => AccessRights::WRITE,
            Self::Execute => AccessRights::EXECUTE,
            Self::Delete => AccessRights::DELETE,
            Self::Create => AccessRights::CREATE,
            _ => AccessRights::NONE,
        }
    }

    /// The response codes of the operation (TS Table 27), success first.
    pub const fn response_codes(self) -> &'static [Code] {
        match self {
            Self::BootstrapRequest => &[Code::CHANGED, Code::BAD_REQUEST],
            Self::BootstrapWrite => &[
                Code::CHANGED,
                Code::BAD_REQUEST,
                Code::UNSUPPORTED_CONTENT_FORMAT,
            ],
            Self::BootstrapDiscover => &[Code::CONTENT, Code::BAD_REQUEST, Code::NOT_FOUND],
            Self::BootstrapDelete => &[Code::DELETED, Code::BAD_REQUEST],
            Self::BootstrapFinish => &[Code::CHANGED, Code::BAD_REQUEST, Code::NOT_ACCEPTABLE],
            Self::Register => &[
                Code::CREATED,
                Code::BAD_REQUEST,
                Code::FORBIDDEN,
                Code::PRECONDITION_FAILED,
            ],
            Self::Update => &[Code::CHANGED, Code::BAD_REQUEST, Code::NOT_FOUND],
            Self::Deregister => &[Code::DELETED, Code::BAD_REQUEST, Code::NOT_FOUND],
            Self::Notify => &[Code::CONTENT],
            _ => self.codes_of_a_client(),
        }
    }

    /// The response codes of a Client's answers.
    const fn codes_of_a_client(self) -> &'static [Code] {
        match self {
            Self::Create => &[
                Code::CREATED,
                Code::BAD_REQUEST,
                Code::UNAUTHORIZED,
                Code::NOT_FOUND,
                Code::METHOD_NOT_ALLOWED,
                Code::UNSUPPORTED_CONTENT_FORMAT,
            ],
            Self::Read | Self::Observe | Self::CancelObservation => &[
                Code::CONTENT,
                Code::BAD_REQUEST,
                Code::UNAUTHORIZED,
                Code::NOT_FOUND,
                Code::METHOD_NOT_ALLOWED,
                Code::NOT_ACCEPTABLE,
            ],
            Self::Write => &[
                Code::CHANGED,
                Code::CONTINUE,
                Code::BAD_REQUEST,
                Code::UNAUTHORIZED,
                Code::NOT_FOUND,
                Code::METHOD_NOT_ALLOWED,
                Code::REQUEST_ENTITY_INCOMPLETE,
                Code::REQUEST_ENTITY_TOO_LARGE,
                Code::UNSUPPORTED_CONTENT_FORMAT,
            ],
            Self::Delete => &[
                Code::DELETED,
                Code::BAD_REQUEST,
                Code::UNAUTHORIZED,
                Code::NOT_FOUND,
                Code::METHOD_NOT_ALLOWED,
            ],
            Self::Execute | Self::WriteAttributes => &[
                Code::CHANGED,
                Code::BAD_REQUEST,
                Code::UNAUTHORIZED,
                Code::NOT_FOUND,
                Code::METHOD_NOT_ALLOWED,
            ],
            Self::Discover => &[
                Code::CONTENT,
                Code::BAD_REQUEST,
                Code::UNAUTHORIZED,
                Code::NOT_FOUND,
                Code::METHOD_NOT_ALLOWED,
            ],
            _ => &[],
        }
    }

    /// The code of success.
    pub const fn success(self) -> Code {
        match self.response_codes() {
            [success, ..] => *success,
            // Every operation has codes.
            [] => Code::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the specification has this answer to the operation: a code of Table 27, or 5.00 for a
    /// failure that has no code (TS 8.5). Errors of the message layer (4.02, 5.05, …) aren't
    /// counted.
    pub fn allows(self, code: Code) -> bool {
        self.response_codes().contains(&code)
            || code == Code::INTERNAL_SERVER_ERROR && self != Self::Notify
    }

    /// Whether a request of this operation may have this path; false for operations outside of the
    /// resource tree.
    pub fn may_target(self, path: &Path) -> bool {
        match self.path_form() {
            PathForm::Tree { from, to } => {
                (usize::from(from)..=usize::from(to)).contains(&path.depth())
            }
            PathForm::Bootstrap | PathForm::Registration | PathForm::Location => false,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
