//! Which operation a downlink request is (TS 8.2.3, 8.2.5, 8.2.6).

use thiserror::Error;

use super::Operation;
use crate::{Code, ContentFormat, Method, Path};

/// The parts of a request that decide its operation.
///
/// ```
/// use lwm2m_core::{ContentFormat, DownlinkRequest, Method, Operation, ResourceSupport};
///
/// let reboot = DownlinkRequest::new(Method::Post, "/3/0/4".parse()?);
/// let executable = Some(ResourceSupport::Execute);
/// assert_eq!(reboot.operation(executable), Ok(Operation::Execute));
///
/// let discover = DownlinkRequest {
///     accept: Some(ContentFormat::LINK_FORMAT),
///     ..DownlinkRequest::new(Method::Get, "/3/0".parse()?)
/// };
/// assert_eq!(discover.operation(None), Ok(Operation::Discover));
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DownlinkRequest {
    /// The method.
    pub method: Method,
    /// The path, without the Client's alternate path.
    pub path: Path,
    /// The Accept option.
    pub accept: Option<ContentFormat>,
    /// The Content-Format option.
    pub content_format: Option<ContentFormat>,
    /// The Observe option, if it is one that a request can have.
    pub observe: Option<ObserveOption>,
    /// Whether there are Uri-Query options.
    pub has_queries: bool,
    /// Whether the payload has at least one byte.
    pub has_payload: bool,
}

/// The Observe option of a request (RFC 7641 §2). The option is elective, so other numbers are
/// ignored.
///
/// RFC 7641 has these two, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ObserveOption {
    /// 0
    Register,
    /// 1
    Deregister,
}

/// What a POST on a Resource can be, by the definition of the Resource (TS Appendix D).
///
/// A POST executes or writes, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ResourceSupport {
    /// It can be executed.
    Execute,
    /// It can be written.
    Write,
    /// Neither: it is read-only, or for the Bootstrap-Server alone.
    Neither,
}

/// How a Write treats what its payload does not name (TS 5.4.3).
///
/// A Write replaces or doesn't, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum WriteMode {
    /// PUT: the payload replaces the Object Instance or the Resource.
    Replace,
    /// POST: the payload is added, the rest stays.
    PartialUpdate,
}

/// Why a request of Device Management or Information Reporting isn't a valid operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DownlinkError {
    /// The operation can't have a path of this form, or the Resource isn't executable (TS 7.3.2.2,
    /// 7.3.2.3, 7.3.2.4).
    #[error("{operation} is not allowed on {path}")]
    Target {
        /// The operation that the request looks like.
        operation: Operation,
        /// The path.
        path: Path,
    },
    /// The Resource can neither be executed nor written.
    #[error("{0} supports neither Execute nor Write")]
    Resource(Path),
    /// There is no definition of the Resource.
    #[error("{0} is not known")]
    Unknown(Path),
    /// Write and Create must name their format.
    #[error("{0} without Content-Format")]
    NoContentFormat(Operation),
    /// A value and attributes in one request.
    #[error("a value and attributes in one request")]
    ValueAndAttributes,
}

/// Why a request of the Bootstrap-Server isn't a valid operation. The answer is 4.00 (TS Table 27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BootstrapRequestError {
    /// The operation can't have a path of this form (TS 8.2.3).
    #[error("{operation} is not allowed on {path}")]
    Target {
        /// The operation that the request looks like.
        operation: Operation,
        /// The path.
        path: Path,
    },
    /// No operation of the interface has this method on a path of the resource tree, or, for
    /// GET, does not accept link-format.
    #[error("expected Write, Discover (with Accept: application/link-format) or Delete")]
    Method(Method),
}

impl ObserveOption {
    /// From the number of the option.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Register),
            1 => Some(Self::Deregister),
            _ => None,
        }
    }

    /// The number of the option.
    pub const fn number(self) -> u32 {
        match self {
            Self::Register => 0,
            Self::Deregister => 1,
        }
    }
}

impl WriteMode {
    /// The mode of a Write with this method; other methods do not write.
    pub const fn of(method: Method) -> Option<Self> {
        match method {
            Method::Put => Some(Self::Replace),
            Method::Post => Some(Self::PartialUpdate),
            Method::Get | Method::Delete => None,
        }
    }

    /// The method that writes in this mode.
    pub const fn method(self) -> Method {
        match self {
            Self::Replace => Method::Put,
            Self::PartialUpdate => Method::Post,
        }
    }
}

impl DownlinkRequest {
    /// A request without options and payload.
    pub const fn new(method: Method, path: Path) -> Self {
        Self {
            method,
            path,
            accept: None,
            content_format: None,
            observe: None,
            has_queries: false,
            has_payload: false,
        }
    }

    /// The operation of Device Management or Information Reporting that this request is, if it is
    /// valid: [`intended`](Self::intended), [`check_target`](Self::check_target) and
    /// [`check_content`](Self::check_content) in one.
    pub fn operation(&self, resource: Option<ResourceSupport>) -> Result<Operation, DownlinkError> {
        let operation = self.intended(resource);
        self.check_target(operation, resource)?;
        self.check_content(operation)?;
        Ok(operation)
    }

    /// The operation of Device Management or Information Reporting that this request is meant to
    /// be, whether or not it is valid: what is wrong with a request depends on its operation.
    ///
    /// GET with Accept 40 is Discover, whatever its Observe. PUT with queries and without a
    /// value (neither payload nor Content-Format) is Write-Attributes. POST without a value, on an
    /// Object Instance or on a Resource that isn't executable, is an Execute, which is not allowed
    /// there.
    ///
    /// `resource` counts only for a POST on a Resource: with a value, that is Execute or Write,
    /// whichever the Resource supports. So firmware can be pushed by PUT and by POST, and arguments
    /// need no Content-Format. `None` is a Resource without a definition.
    pub const fn intended(&self, resource: Option<ResourceSupport>) -> Operation {
        match self.method {
            Method::Get => match (self.accept, self.observe) {
                (Some(ContentFormat::LINK_FORMAT), _) => Operation::Discover,
                (_, None) => Operation::Read,
                (_, Some(ObserveOption::Register)) => Operation::Observe,
                (_, Some(ObserveOption::Deregister)) => Operation::CancelObservation,
            },
            Method::Put if self.has_queries && !self.has_value() => Operation::WriteAttributes,
            Method::Put => Operation::Write,
            Method::Post => match (self.path, resource) {
                (Path::Root | Path::Object(_), _) => Operation::Create,
                (Path::Resource(..), Some(ResourceSupport::Execute)) => Operation::Execute,
                // Where there is no Execute, it has an error of its own (TS 5.4.5, 7.3.2.2).
                _ if self.has_value() => Operation::Write,
                _ => Operation::Execute,
            },
            Method::Delete => Operation::Delete,
        }
    }

    /// Whether the [intended](Self::intended) operation may have a path of this form (TS Tables 25,
    /// 26) and, for a POST on a Resource, whether that supports it.
    pub fn check_target(
        &self,
        operation: Operation,
        resource: Option<ResourceSupport>,
    ) -> Result<(), DownlinkError> {
        let path = self.path;
        if !operation.may_target(&path) {
            return Err(DownlinkError::Target { operation, path });
        }
        match (self.method, path, resource) {
            (Method::Post, Path::Resource(..), Some(ResourceSupport::Neither)) => {
                Err(DownlinkError::Resource(path))
            }
            (Method::Post, Path::Resource(..), Some(ResourceSupport::Write))
                if operation == Operation::Execute =>
            {
                Err(DownlinkError::Target { operation, path })
            }
            (Method::Post, Path::Resource(..), None) => Err(DownlinkError::Unknown(path)),
            _ => Ok(()),
        }
    }

    /// Whether the [intended](Self::intended) operation has the parts that it needs and no others:
    /// Write and Create name their format, and a Write sets no attributes.
    pub fn check_content(&self, operation: Operation) -> Result<(), DownlinkError> {
        let needs_format = matches!(operation, Operation::Write | Operation::Create);
        if needs_format && self.content_format.is_none() {
            return Err(DownlinkError::NoContentFormat(operation));
        }
        if operation == Operation::Write && self.has_queries {
            return Err(DownlinkError::ValueAndAttributes);
        }
        Ok(())
    }

    /// The operation of the Bootstrap interface that this request is. Bootstrap-Finish isn't among
    /// them: its path is `/bs`.
    pub fn bootstrap_operation(&self) -> Result<Operation, BootstrapRequestError> {
        let operation = match self.method {
            Method::Get if self.accept == Some(ContentFormat::LINK_FORMAT) => {
                Operation::BootstrapDiscover
            }
            Method::Put => Operation::BootstrapWrite,
            Method::Delete => Operation::BootstrapDelete,
            Method::Get | Method::Post => {
                return Err(BootstrapRequestError::Method(self.method));
            }
        };
        if operation.may_target(&self.path) {
            Ok(operation)
        } else {
            Err(BootstrapRequestError::Target {
                operation,
                path: self.path,
            })
        }
    }

    /// Whether the request carries a value; with a Content-Format an empty one counts.
    const fn has_value(&self) -> bool {
        self.has_payload || self.content_format.is_some()
    }
}

impl DownlinkError {
    /// The answer to such a request (TS Table 27).
    pub const fn code(&self) -> Code {
        match self {
            // LwM2M 1.0 has no requests on a Resource Instance (TS 5.4).
            Self::Target {
                path: Path::ResourceInstance(..),
                ..
            }
            | Self::Unknown(_) => Code::NOT_FOUND,
            Self::Target { .. } | Self::Resource(_) => Code::METHOD_NOT_ALLOWED,
            Self::NoContentFormat(_) | Self::ValueAndAttributes => Code::BAD_REQUEST,
        }
    }
}

impl BootstrapRequestError {
    /// The answer to such a request: 4.00.
    pub const fn code(&self) -> Code {
        Code::BAD_REQUEST
    }
}
