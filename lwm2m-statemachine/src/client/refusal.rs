//! Why a request of a server is refused, and the response code of that (TS 8.5, Table 27).

use lwm2m_core::{BootstrapRequestError, Code, DownlinkError, Operation};
use lwm2m_objects::{ExecuteError, ReadError, WriteError, access, bootstrap};

use crate::{coap::OptionError, downlink::payload};

/// Why a request is refused or has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The target is in the Security Object, or the server lacks the right.
    Denied,
    /// The target doesn't exist.
    NotFound,
    /// The target does not support the operation.
    NotSupported,
    /// This Client doesn't implement the operation.
    NotOffered(Operation),
    /// The answer isn't available in the requested format.
    NotAcceptable,
    /// The format of the payload isn't supported.
    UnsupportedFormat,
    /// The payload, the arguments or the request as a whole are malformed.
    Malformed,
    /// The block belongs to a body that another one has replaced.
    Incomplete,
    /// The request failed, and part of it may have been done.
    Failed,
    /// Too many requests are waiting for the application. Nothing was done.
    Overload,
    /// The application refuses it.
    Application(Code),
}

impl Refusal {
    /// The code of the answer.
    pub(super) fn code(self) -> Code {
        match self {
            Self::Denied => Code::UNAUTHORIZED,
            Self::NotFound => Code::NOT_FOUND,
            Self::NotSupported | Self::NotOffered(_) => Code::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => Code::NOT_ACCEPTABLE,
            Self::UnsupportedFormat => Code::UNSUPPORTED_CONTENT_FORMAT,
            Self::Malformed => Code::BAD_REQUEST,
            Self::Incomplete => Code::REQUEST_ENTITY_INCOMPLETE,
            Self::Failed => Code::INTERNAL_SERVER_ERROR,
            Self::Overload => Code::SERVICE_UNAVAILABLE,
            Self::Application(code) => code,
        }
    }
}

impl Refusal {
    /// The same refusal of an operation of the Bootstrap interface, which has fewer codes (TS Table 27): 4.15 for a
    /// Write, 4.04 for a Discover, and 4.00 for every other fault of a request.
    pub(super) fn of_bootstrap(self, operation: Operation) -> Self {
        let code = self.code();
        if operation.allows(code) {
            self
        } else {
            Self::Malformed
        }
    }
}

impl From<bootstrap::Refusal> for Refusal {
    fn from(refusal: bootstrap::Refusal) -> Self {
        match refusal {
            bootstrap::Refusal::NotFound(_) => Self::NotFound,
            bootstrap::Refusal::Changes(error) => error.into(),
            // Also what no target may be, for whatever reason is added.
            _ => Self::Malformed,
        }
    }
}

impl From<access::Refusal> for Refusal {
    fn from(refusal: access::Refusal) -> Self {
        match refusal {
            access::Refusal::Denied => Self::Denied,
            access::Refusal::NotFound => Self::NotFound,
            // Also what no server may do, for whatever reason is added.
            _ => Self::NotSupported,
        }
    }
}

/// A request that lacks a mandatory part, or has one that isn't allowed. Targets are checked
/// before.
impl From<DownlinkError> for Refusal {
    fn from(error: DownlinkError) -> Self {
        match error {
            DownlinkError::Unknown(_) => Self::NotFound,
            DownlinkError::Target { .. } | DownlinkError::Resource(_) => Self::NotSupported,
            _ => Self::Malformed,
        }
    }
}

impl From<BootstrapRequestError> for Refusal {
    fn from(_: BootstrapRequestError) -> Self {
        Self::Malformed
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound(_) => Self::NotFound,
            ReadError::NotReadable(_) => Self::NotSupported,
            ReadError::Encode(_) => Self::NotAcceptable,
            _ => Self::Failed,
        }
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound(_) => Self::NotFound,
            WriteError::NotWritable(_) | WriteError::NotManaged(_) => Self::NotSupported,
            WriteError::NotSupplied(_) | WriteError::CheckedElsewhere => Self::Failed,
            _ => Self::Malformed,
        }
    }
}

impl From<ExecuteError> for Refusal {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::NotFound(_) => Self::NotFound,
            ExecuteError::NotExecutable(_) => Self::NotSupported,
            ExecuteError::Arguments => Self::Malformed,
            _ => Self::Failed,
        }
    }
}

impl From<payload::DecodeError<WriteError>> for Refusal {
    fn from(error: payload::DecodeError<WriteError>) -> Self {
        match error {
            payload::DecodeError::Unsupported(_) => Self::UnsupportedFormat,
            payload::DecodeError::Sink(error) => error.into(),
            payload::DecodeError::Malformed(_) => Self::Malformed,
        }
    }
}

/// The answer cannot be written.
impl From<OptionError> for Refusal {
    fn from(_: OptionError) -> Self {
        Self::Failed
    }
}
