//! What can be wrong with a payload, and where.

use core::fmt;

use lwm2m_core::{DataType, ObjectLinkError, Path, PathError, codec::Purpose};
use thiserror::Error;

/// A payload that isn't LwM2M JSON, or not of the scope that it is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct DecodeError {
    /// Which byte of the payload, from 0.
    pub offset: usize,
    /// Which entry of the Resource Array, from 0, if it is inside one.
    pub entry: Option<usize>,
    /// What is wrong there.
    pub problem: Problem,
}

impl DecodeError {
    /// Outside of the entries.
    #[cold]
    pub(crate) const fn at(offset: usize, problem: Problem) -> Self {
        Self {
            offset,
            entry: None,
            problem,
        }
    }

    /// In this entry.
    #[cold]
    pub(crate) const fn in_entry(mut self, entry: usize) -> Self {
        self.entry = Some(entry);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entry) = self.entry {
            write!(f, "entry {entry}, ")?;
        }
        write!(f, "byte {}: {}", self.offset, self.problem)
    }
}

/// What is wrong at one place of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The payload isn't UTF-8 (RFC 8259, 8.1).
    #[error("the payload is not UTF-8")]
    Utf8,
    /// Something else than the grammar of JSON or TS Table 22 asks for.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The payload ends inside a string.
    #[error("the string has no end")]
    Unterminated,
    /// A control character inside a string that isn't escaped (RFC 8259, 7).
    #[error("a control character must be escaped")]
    ControlCharacter,
    /// An escape sequence that JSON doesn't have, or half of a surrogate pair.
    #[error("the escape sequence is not valid")]
    Escape,
    /// Unknown members are nested too deeply.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// How deep they may be.
        limit: u8,
    },
    /// Bytes after the end of the document.
    #[error("bytes after the end of the document")]
    Trailing,
    /// A repeated member.
    #[error("{0} is repeated")]
    Duplicate(Member),
    /// The document has no Resource Array.
    #[error("{} is missing", Member::Entries)]
    MissingEntries,
    /// The Resource Array is empty (TS 6.4.4: "one or more entries"), in a request, or in an answer
    /// about a Resource Instance.
    #[error("{} has no entry", Member::Entries)]
    NoEntries,
    /// An answer without entries whose Base Name is neither the path of the scope nor contains it.
    #[error("without an entry, {} must be of {base}, not {path}", Member::BaseName)]
    OtherPath {
        /// The Base Name, without a slash at its end.
        path: Path,
        /// The path of the request.
        base: Path,
    },
    /// An entry without a value.
    #[error("the entry has no value")]
    NoValue,
    /// An entry with two values.
    #[error("the entry has two values, {0} and {1}")]
    TwoValues(Member, Member),
    /// Base Name and Name aren't a path.
    #[error("the name isn't a path: {0}")]
    Name(PathError),
    /// Base Name and Name end above a Resource.
    #[error("{0} has no value of its own")]
    NotAResource(Path),
    /// Some names of a Create have an Object Instance and this one hasn't, or the reverse.
    #[error("either all names or none have an Object Instance")]
    MixedNames,
    /// In a request, a name that isn't at or below the path of the request.
    #[error("{path} is outside of {base}")]
    OutsidePath {
        /// Base Name and Name.
        path: Path,
        /// The path of the request.
        base: Path,
    },
    /// A time in a request (TS 6.4.4: "MUST only be used when sending notifications").
    #[error("a request can't have times")]
    TimeInRequest,
    /// The sum of Base Time and Time isn't finite.
    #[error("the time is out of range")]
    Time,
    /// The value isn't in the field that the Resource's data type asks for.
    #[error("{path} is of type {expected}, which does not go with {found}")]
    WrongValue {
        /// Base Name and Name.
        path: Path,
        /// The data type of the Resource.
        expected: DataType,
        /// The field that is there.
        found: Member,
    },
    /// A number with a fraction, or one too large, where an integer is expected. One that is
    /// written with a `.` or an exponent may be at most 2^53 in size, because it may come from a
    /// float.
    #[error("expected an integer of 64 bits, or of at most 2^53 if it has a '.' or an exponent")]
    NotAnInteger,
    /// A number that is larger than any Float.
    #[error("the number is out of range")]
    NumberRange,
    /// An opaque value that isn't Base64 (RFC 4648, 4, with padding).
    #[error("expected Base64")]
    Base64,
    /// Text that isn't an Object Link.
    #[error("{0}")]
    ObjectLink(ObjectLinkError),
    /// There is no LwM2M JSON of this purpose, whatever the payload.
    #[error("no LwM2M JSON for {0}")]
    Purpose(Purpose),
}

/// A member of the document or of an entry (TS Table 22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Member {
    /// `bn`
    BaseName,
    /// `bt`
    BaseTime,
    /// `e`, the Resource Array
    Entries,
    /// `n`
    Name,
    /// `t`
    Time,
    /// `v`: Integer, Float or Time
    Value,
    /// `bv`
    BooleanValue,
    /// `ov`
    ObjectLinkValue,
    /// `sv`: String or Opaque
    StringValue,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseName => "\"bn\"",
            Self::BaseTime => "\"bt\"",
            Self::Entries => "\"e\"",
            Self::Name => "\"n\"",
            Self::Time => "\"t\"",
            Self::Value => "\"v\"",
            Self::BooleanValue => "\"bv\"",
            Self::ObjectLinkValue => "\"ov\"",
            Self::StringValue => "\"sv\"",
        })
    }
}
