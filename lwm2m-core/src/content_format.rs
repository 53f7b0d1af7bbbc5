//! Content-Format numbers (TS 6.4; CoAP options Content-Format and Accept).

use core::fmt;

/// A CoAP Content-Format.
///
/// It is a number and not an enum: every version of LwM2M adds formats, peers name others, and an
/// unknown format must not be confused with an absent one. So nothing may count on how many formats
/// there are. The constants are those of LwM2M 1.0.
///
/// ```
/// use lwm2m_core::ContentFormat;
///
/// assert_eq!(ContentFormat::TLV.number(), 11542);
/// assert_eq!(ContentFormat::TLV.media_type(), Some("application/vnd.oma.lwm2m+tlv"));
/// assert_eq!(ContentFormat::new(60).media_type(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct ContentFormat(u16);

impl ContentFormat {
    /// Plain text (TS 6.4.1).
    pub const TEXT: Self = Self(0);
    /// CoRE Link Format (RFC 6690).
    pub const LINK_FORMAT: Self = Self(40);
    /// Opaque (TS 6.4.2).
    pub const OPAQUE: Self = Self(42);
    /// TLV (TS 6.4.3).
    pub const TLV: Self = Self(11542);
    /// JSON (TS 6.4.4).
    pub const JSON: Self = Self(11543);
    /// TLV as old implementations number it.
    pub const LEGACY_TLV: Self = Self(1542);
    /// JSON as old implementations number it.
    pub const LEGACY_JSON: Self = Self(1543);

    /// The format with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The media type, for the formats of LwM2M 1.0.
    pub const fn media_type(self) -> Option<&'static str> {
        Some(match self {
            Self::TEXT => "text/plain",
            Self::LINK_FORMAT => "application/link-format",
            Self::OPAQUE => "application/octet-stream",
            Self::TLV => "application/vnd.oma.lwm2m+tlv",
            Self::JSON => "application/vnd.oma.lwm2m+json",
            _ => return None,
        })
    }
}

impl From<u16> for ContentFormat {
    fn from(number: u16) -> Self {
        Self(number)
    }
}

impl fmt::Display for ContentFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.media_type() {
            Some(media_type) => f.write_str(media_type),
            None => write!(f, "content-format {}", self.0),
        }
    }
}
