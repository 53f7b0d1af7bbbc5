//! What can be wrong with a payload.

use lwm2m_core::{DataType, Path};
use thiserror::Error;

use crate::{Kind, Kinds};

/// A payload that is not TLV, or not of the shape that its path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset}: {problem}")]
pub struct DecodeError {
    /// Where in the payload, in bytes from its beginning: the TLV's first byte for what is wrong
    /// with a TLV, a byte of its value for what is wrong with that.
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
    /// The bytes end within the Value of a TLV. In a nested TLV these are the bytes of the value
    /// around it.
    #[error("a value of {length} bytes where {available} are left")]
    Length {
        /// What the TLV says, in bytes.
        length: usize,
        /// What is there, in bytes.
        available: usize,
    },
    /// A TLV of another kind than may stand here (TS 6.4.3, nesting).
    #[error("{found} where the payload has {expected}")]
    Kind {
        /// What stands here.
        found: Kind,
        /// What may stand here.
        expected: Kinds,
    },
    /// An identifier that is not the one of the request's path.
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
    /// Nothing at all where the path is that of a Resource.
    #[error("expected a Resource, a multiple Resource or Resource Instances")]
    Missing,
    /// A value whose length is none of its data type (Appendix C).
    #[error("{length} bytes are no {expected}")]
    ValueLength {
        /// The data type of the Resource.
        expected: DataType,
        /// The length of the value, in bytes.
        length: usize,
    },
    /// A Boolean other than 0 and 1.
    #[error("a Boolean of {0}, expected 0 or 1")]
    Boolean(u8),
    /// A String that is not UTF-8; the offset is that of the first byte that is not.
    #[error("a String that is not UTF-8")]
    Utf8,
    /// There are no TLV payloads for this path: it has no Object, or it is that of a Resource
    /// Instance.
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
