//! What is wrong with a document, and where.

use lwm2m_core::PathError;
use thiserror::Error;

/// A document that is not what it should be.
///
/// A request that carries such a document is answered with 4.00 (TS 8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: {reason}")]
pub struct LinkFormatError {
    /// Where the document stops being right, in bytes from its beginning.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

impl LinkFormatError {
    pub(crate) const fn new(offset: usize, reason: Reason) -> Self {
        Self { offset, reason }
    }
}

/// What was expected where a document is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not UTF-8.
    #[error("expected UTF-8")]
    Utf8,
    /// No link begins here, though one must.
    #[error("expected '<'")]
    Link,
    /// The target of a link does not end.
    #[error("expected '>' at the end of the target")]
    TargetEnd,
    /// After a link or an attribute stands neither the next one nor the end.
    #[error("expected ';', ',' or the end")]
    Separator,
    /// A `;` without an attribute.
    #[error("expected the name of an attribute")]
    AttributeName,
    /// A `=` without a value, or an attribute of LwM2M without the value it needs.
    #[error("expected a value")]
    Value,
    /// A quoted string does not end.
    #[error("expected '\"' at the end of the quoted string")]
    QuoteEnd,
    /// A control character other than a tab in a quoted string, escaped or not (RFC 2616, section
    /// 2.2).
    #[error("a control character cannot stand in a quoted string")]
    ControlCharacter,
    /// A target that stands where Objects do and is no path.
    #[error("{0}")]
    Path(PathError),
    /// A link with `rt="oma.lwm2m"` to what cannot be an alternate path (TS 8.2.2).
    #[error("{0}")]
    RootPath(RootPathError),
    /// `ver` or `lwm2m` without a version as its value.
    #[error("expected a version such as 1.0")]
    Version,
    /// `ct` without numbers of content formats as its value.
    #[error("expected content formats: numbers of 0 to 65535 with a blank between two")]
    ContentFormat,
    /// `ssid` without a Short Server ID as its value.
    #[error("expected a Short Server ID of 1 to 65534")]
    ShortServerId,
    /// `dim` without a number of its range as its value (TS Table 3).
    #[error("expected a number of Resource Instances of 0 to 255")]
    Dimension,
    /// `pmin` or `pmax` without a number as its value.
    #[error("expected a whole number of 0 to 4294967295")]
    Integer,
    /// `gt`, `lt` or `st` without a number as its value.
    #[error("expected a decimal number")]
    Number,
}

/// Text that can't be an alternate path; segments count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RootPathError {
    /// It does not begin with `/`.
    #[error("expected an alternate path that begins with '/'")]
    NotAbsolute,
    /// A segment is a number (TS 8.2.2).
    #[error("segment {segment} of the alternate path is a number")]
    Numeric {
        /// Which segment.
        segment: usize,
    },
    /// A segment is empty, `.` or `..`, is wrongly percent-encoded, has more than 255 bytes, or
    /// ends the path of the URI (`?`, `#`).
    #[error("segment {segment} of the alternate path is no segment of a URI's path")]
    Segment {
        /// Which segment.
        segment: usize,
    },
}
