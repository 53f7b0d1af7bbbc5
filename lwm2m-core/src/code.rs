//! CoAP codes (RFC 7252 §5.9, §12.1; RFC 7959 §2.9) as TS 8.5, Table 27 uses them.

use core::fmt;

/// The code of a CoAP message: `class.detail`, 3 and 5 bits.
///
/// ```
/// use lwm2m_core::Code;
///
/// assert_eq!(Code::from_byte(0x45), Code::CONTENT);
/// assert_eq!(Code::CONTENT.to_string(), "2.05");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Code(u8);

/// What kind of message a [`Code`] makes (RFC 7252 §3, §12.1).
///
/// Together they are all 256 codes, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum CodeKind {
    /// 0.00: an Empty message.
    Empty,
    /// 0.01–0.31: a request; the method may be unknown.
    Request,
    /// 2.xx, 4.xx, 5.xx: a response; its detail may be unknown.
    Response,
    /// 1.xx, 3.xx, 6.xx, 7.xx: reserved.
    Reserved,
}

/// The constants, in one place for [`Code`] and its names.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $class:literal, $detail:literal, $text:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self::new($class, $detail);)*

            /// The name that RFC 7252, RFC 7959 give the code.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// 0.00, an Empty message.
    EMPTY = 0, 0, "Empty";
    /// 0.01
    GET = 0, 1, "GET";
    /// 0.02
    POST = 0, 2, "POST";
    /// 0.03
    PUT = 0, 3, "PUT";
    /// 0.04
    DELETE = 0, 4, "DELETE";
    /// 2.01
    CREATED = 2, 1, "Created";
    /// 2.02
    DELETED = 2, 2, "Deleted";
    /// 2.03
    VALID = 2, 3, "Valid";
    /// 2.04
    CHANGED = 2, 4, "Changed";
    /// 2.05
    CONTENT = 2, 5, "Content";
    /// 2.31
    CONTINUE = 2, 31, "Continue";
    /// 4.00
    BAD_REQUEST = 4, 0, "Bad Request";
    /// 4.01
    UNAUTHORIZED = 4, 1, "Unauthorized";
    /// 4.02
    BAD_OPTION = 4, 2, "Bad Option";
    /// 4.03
    FORBIDDEN = 4, 3, "Forbidden";
    /// 4.04
    NOT_FOUND = 4, 4, "Not Found";
    /// 4.05
    METHOD_NOT_ALLOWED = 4, 5, "Method Not Allowed";
    /// 4.06
    NOT_ACCEPTABLE = 4, 6, "Not Acceptable";
    /// 4.08
    REQUEST_ENTITY_INCOMPLETE = 4, 8, "Request Entity Incomplete";
    /// 4.12
    PRECONDITION_FAILED = 4, 12, "Precondition Failed";
    /// 4.13
    REQUEST_ENTITY_TOO_LARGE = 4, 13, "Request Entity Too Large";
    /// 4.15
    UNSUPPORTED_CONTENT_FORMAT = 4, 15, "Unsupported Content-Format";
    /// 5.00
    INTERNAL_SERVER_ERROR = 5, 0, "Internal Server Error";
    /// 5.01
    NOT_IMPLEMENTED = 5, 1, "Not Implemented";
    /// 5.02
    BAD_GATEWAY = 5, 2, "Bad Gateway";
    /// 5.03
    SERVICE_UNAVAILABLE = 5, 3, "Service Unavailable";
    /// 5.04
    GATEWAY_TIMEOUT = 5, 4, "Gateway Timeout";
    /// 5.05
    PROXYING_NOT_SUPPORTED = 5, 5, "Proxying Not Supported";
}

impl Code {
    /// The code `class.detail`; the class has 3 bits, the detail 5, further bits are dropped.
    pub const fn new(class: u8, detail: u8) -> Self {
        Self((class & 0x07) << 5 | detail & 0x1f)
    }

    /// From the byte on the wire.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// The byte on the wire.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// The class, 0 to 7.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The detail, 0 to 31.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// What kind of message this code makes.
    pub const fn kind(self) -> CodeKind {
        match (self.class(), self.detail()) {
            (0, 0) => CodeKind::Empty,
            (0, _) => CodeKind::Request,
            (2 | 4 | 5, _) => CodeKind::Response,
            _ => CodeKind::Reserved,
        }
    }

    /// Whether this is a response of success, 2.xx.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }

    /// The method, if this is one that LwM2M uses.
    pub const fn method(self) -> Option<Method> {
        Some(match self {
            Self::GET => Method::Get,
            Self::POST => Method::Post,
            Self::PUT => Method::Put,
            Self::DELETE => Method::Delete,
            _ => return None,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{self} {name}"),
            None => write!(f, "{self}"),
        }
    }
}

/// The CoAP methods that LwM2M 1.0 uses (TS 8.1).
///
/// It may grow: LwM2M 1.1 adds FETCH and iPATCH (RFC 8132).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Method {
    /// 0.01
    Get,
    /// 0.02
    Post,
    /// 0.03
    Put,
    /// 0.04
    Delete,
}

impl Method {
    /// The method's code.
    pub const fn code(self) -> Code {
        match self {
            Self::Get => Code::GET,
            Self::Post => Code::POST,
            Self::Put => Code::PUT,
            Self::Delete => Code::DELETE,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    #[test]
    fn kinds_cover_all_bytes() {
        for byte in 0..=255 {
            let code = Code::from_byte(byte);
            assert_eq!(Code::new(code.class(), code.detail()), code);
            let kind = match byte {
                0x00 => CodeKind::Empty,
                0x01..=0x1f => CodeKind::Request,
                0x40..=0x5f | 0x80..=0xbf => CodeKind::Response,
                _ => CodeKind::Reserved,
            };
            assert_eq!(code.kind(), kind, "{byte:#x}");
        }
    }

    #[test]
    fn codes_print_as_the_rfc_writes_them() {
        assert_eq!(Code::UNSUPPORTED_CONTENT_FORMAT.to_string(), "4.15");
        assert_eq!(format!("{:?}", Code::NOT_FOUND), "4.04 Not Found");
        assert_eq!(format!("{:?}", Code::new(7, 31)), "7.31");
    }
}
