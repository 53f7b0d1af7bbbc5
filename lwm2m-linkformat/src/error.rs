//! What is wrong with a document, and where.

use lwm2m_core::{PathError, codec::Purpose};
use thiserror::Error;

use crate::root_path::RootPathError;

/// A malformed document.
///
/// A request that carries such a document is answered with 4.00 (TS 8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: {reason}")]
pub struct LinkFormatError {
    /// Where, in bytes from the beginning of the document.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

impl LinkFormatError {
    pub(crate) const fn new(offset: usize, reason: Reason) -> Self {
        Self { offset, reason }
    }
}

/// What is wrong, or what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes aren't UTF-8.
    #[error("expected UTF-8")]
    Utf8,
    /// A link must begin here.
    #[error("expected '<'")]
    Link,
    /// The target of a link doesn't end.
    #[error("expected '>' at the end of the target")]
    TargetEnd,
    /// After a link or an attribute there is neither the next one nor the end.
    #[error("expected ';', ',' or the end")]
    Separator,
    /// A `;` without an attribute.
    #[error("expected the name of an attribute")]
    AttributeName,
    /// A `=` without a value, or an attribute of LwM2M without the value it needs.
    #[error("expected a value")]
    Value,
    /// A quoted string doesn't end.
    #[error("expected '\"' at the end of the quoted string")]
    QuoteEnd,
    /// A control character other than a tab in a quoted string, escaped or not (RFC 2616, section
    /// 2.2).
    #[error("a control character cannot stand in a quoted string")]
    ControlCharacter,
    /// A target that begins like the path of an Object and isn't a path.
    #[error("{0}")]
    Path(PathError),
    /// A link with `rt="oma.lwm2m"` to what can't be an alternate path (TS 8.2.2).
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
    /// Link-format has no payloads of this purpose: it carries paths and no values.
    #[error("link-format has no payload for {0}")]
    Purpose(Purpose),
}
