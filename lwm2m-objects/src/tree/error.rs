//! Why an operation on the tree failed.

use lwm2m_core::{Path, codec::EncodeError};
use thiserror::Error;

/// Why a Read failed. The response codes are those of TS 8.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No such Object, Object Instance or Resource (4.04).
    #[error("{0} is not there")]
    NotFound(Path),
    /// The Resource cannot be read, or the path is `/` (4.05).
    #[error("{0} cannot be read")]
    NotReadable(Path),
    /// The format cannot carry the answer (4.06).
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// The Object could not read the value (5.00).
    #[error("the value of the Resource is not available")]
    Unavailable,
}

/// Why a Write was refused; nothing has changed. The response codes are those of TS 8.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No such Object, Object Instance or Resource (4.04).
    #[error("{0} is not there")]
    NotFound(Path),
    /// The target or a Resource of the payload cannot be written, or the Client does not know it
    /// (4.05).
    #[error("{0} cannot be written")]
    NotWritable(Path),
    /// The application sets an optional Resource that its Object was made without. If a server writes
    /// it, the error is [`NotFound`](Self::NotFound) or [`NotWritable`](Self::NotWritable).
    #[error(
        "{0} is an optional Resource that its Object was made without: make the Object with a value \
         for it (`Store::with`), or name it to `Store::supporting`"
    )]
    NotSupported(Path),
    /// The value is of another data type, or multiple where it should be single (4.00).
    #[error("the value of {0} is of the wrong type")]
    WrongType(Path),
    /// The value is outside of the range of the definition (4.00).
    #[error("the value of {0} is out of range")]
    OutOfRange(Path),
    /// Servers may not create or delete instances of the Object, or not delete this one (4.05).
    #[error("{0} cannot be created or deleted")]
    NotManaged(Path),
    /// The Object Instance exists already (4.00).
    #[error("{0} exists already")]
    Exists(Path),
    /// A mandatory Resource is missing in a Create (4.00).
    #[error("{0} is mandatory and missing")]
    Missing(Path),
    /// Neither the Object nor the application supplies a mandatory Resource that a server can't write, so
    /// no Object Instance can be created (5.00); see [`Object::initial`](crate::Object::initial).
    #[error("{0} is mandatory, and nothing supplies it: see `Store::initially`")]
    NotSupplied(Path),
    /// The changes were checked by another tree, or before an Object was added to this one.
    #[error("the changes were checked by another tree, or before an Object was added")]
    CheckedElsewhere,
    /// The Object can have no more Object Instances (4.00).
    #[error("{0} is one Object Instance too many")]
    TooMany(Path),
    /// The same path appears twice in one payload (4.00).
    #[error("{0} is there twice")]
    Duplicate(Path),
    /// The value has a time, which is allowed only in notifications (4.00).
    #[error("the value of {0} has a time")]
    Timed(Path),
    /// The payload has events that don't belong there (4.00).
    #[error("the payload does not fit {0}")]
    Structure(Path),
    /// The Object refuses the value (4.00).
    #[error("{0} does not take this value")]
    Refused(Path),
}

impl WriteError {
    /// What it is about; `/` if it is about no single path.
    pub(crate) const fn path(self) -> Path {
        match self {
            Self::NotFound(path)
            | Self::NotWritable(path)
            | Self::NotSupported(path)
            | Self::WrongType(path)
            | Self::OutOfRange(path)
            | Self::NotManaged(path)
            | Self::Exists(path)
            | Self::Missing(path)
            | Self::NotSupplied(path)
            | Self::TooMany(path)
            | Self::Duplicate(path)
            | Self::Timed(path)
            | Self::Structure(path)
            | Self::Refused(path) => path,
            Self::CheckedElsewhere => Path::Root,
        }
    }
}

/// Why an Execute failed. The response codes are those of TS 8.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// No such Object, Object Instance or Resource (4.04).
    #[error("{0} is not there")]
    NotFound(Path),
    /// The target cannot be executed, or not now (4.05).
    #[error("{0} cannot be executed")]
    NotExecutable(Path),
    /// The Resource doesn't take these arguments (4.00).
    #[error("the arguments do not fit")]
    Arguments,
    /// The execution failed (5.00).
    #[error("the execution failed")]
    Failed,
}
