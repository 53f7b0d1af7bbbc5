//! What can be wrong with a payload.

use lwm2m_core::{DataType, Path};
use thiserror::Error;

use crate::kind::{Kind, Kinds};

/// A payload that isn't TLV, or not of the shape that its path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset}: {problem}")]
pub struct DecodeError {
    /// Where, in bytes from the beginning of the payload: the first byte of the TLV, or the byte of its
    /// value that is wrong.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong; see [`DecodeError`] for where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes end within the Type, the Identifier or the Length of a TLV.
    #[error("the header of a TLV is cut off")]
    Header,
    /// The bytes end within the Value of a TLV. For a nested TLV they are those of the value around
    /// it.
    #[error("a value of {length} bytes where {available} are left")]
    Length {
        /// What the TLV says, in bytes.
        length: usize,
        /// What is there, in bytes.
        available: usize,
    },
    /// A TLV of a kind that may not stand here (TS 6.4.3, nesting).
    #[error("{found} where the payload has {expected}")]
    Kind {
        /// What stands here.
        found: Kind,
        /// What may stand here.
        expected: Kinds,
    },
    /// An identifier that isn't the one of the request's path.
    #[error("identifier {found} where the path has {expected}")]
    Id {
        /// The identifier of the TLV.
        found: u16,
        /// The identifier in the path.
        expected: u16,
    },
    /// An Object Instance with the identifier 65535, which TS 6.3 reserves.
    #[error("Object Instance ID 65535 is reserved")]
    ReservedId,
    /// Another TLV after the only one that the path has room for.
    #[error("a TLV after the only one that the path has room for")]
    Trailing,
    /// An empty payload where the path is that of a Resource.
    #[error("expected a Resource, a multiple Resource or Resource Instances")]
    Missing,
    /// A value whose length its data type doesn't have (Appendix C).
    #[error("{length} bytes aren't a valid {expected}")]
    ValueLength {
        /// The data type of the Resource.
        expected: DataType,
        /// The length of the value, in bytes.
        length: usize,
    },
    /// A Boolean other than 0 and 1.
    #[error("a Boolean of {0}, expected 0 or 1")]
    Boolean(u8),
    /// A String that isn't UTF-8; the offset is that of the first invalid byte.
    #[error("a String that is not UTF-8")]
    Utf8,
    /// There are no TLV payloads for this path: it is the root, as of a list of paths, or that of a
    /// Resource Instance.
    #[error("no TLV payload for the path {0}")]
    Base(Path),
}

impl Problem {
    /// The error with this problem.
    #[cold]
    pub(crate) const fn at(self, offset: usize) -> DecodeError {
        DecodeError {
            offset,
            problem: self,
        }
    }
}
