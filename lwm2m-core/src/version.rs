//! Versions of the LwM2M Enabler and of Objects (TS 5.3.1, 6.2.2).

use core::{fmt, str::FromStr};

use thiserror::Error;

/// `major.minor`: the version of the LwM2M Enabler that a machine supports (`lwm2m=1.0`), or the
/// version of an Object (`ver=2.2`).
///
/// ```
/// use lwm2m_core::Version;
///
/// assert_eq!("1.0".parse(), Ok(Version::INITIAL));
/// assert_eq!("\"2.2\"".parse(), Ok(Version::new(2, 2))); // TS 5.2.7.3 and 6.2.3 write quotes
/// assert!(Version::new(1, 1).accepts(Version::INITIAL));
/// assert!(!Version::INITIAL.accepts(Version::new(1, 1)));
/// assert_eq!(Version::default(), Version::INITIAL); // what no `ver` means
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Differs where something is not compatible.
    pub major: u8,
    /// Grows where something compatible is added.
    pub minor: u8,
}

/// Text that is no [`Version`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a version such as 1.0, two numbers of 0 to 255 without leading zeros")]
pub struct VersionError;

impl Version {
    /// 1.0: the LwM2M Enabler of this specification, and any Object that does not say otherwise.
    pub const INITIAL: Self = Self::new(1, 0);

    /// The version `major.minor`.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// Whether a Server that supports this version of the Enabler takes a Client of that one: the
    /// same major, and not above the Server's (TS 5.3.1). If not, the answer is 4.12.
    pub const fn accepts(self, client: Self) -> bool {
        self.major == client.major && self.minor >= client.minor
    }
}

impl Default for Version {
    /// [`INITIAL`](Self::INITIAL): what holds where nothing is said.
    fn default() -> Self {
        Self::INITIAL
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Reads `1.0` and `"1.0"`, quotes included.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let inner = text.strip_prefix('"').map_or(Some(text), |text| {
            text.strip_suffix('"').filter(|text| !text.is_empty())
        });
        let (major, minor) = inner
            .and_then(|text| text.split_once('.'))
            .ok_or(VersionError)?;
        let number = |text| crate::id::parse_u16(text).ok()?.try_into().ok();
        Ok(Self {
            major: number(major).ok_or(VersionError)?,
            minor: number(minor).ok_or(VersionError)?,
        })
    }
}

impl fmt::Display for Version {
    /// Without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(feature = "serde")]
crate::serde_text::as_text!(Version, "a version such as \"1.0\"");

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn quoted_and_bare_are_read_and_bare_is_written() {
        for (text, version) in [
            ("1.0", Version::new(1, 0)),
            ("\"1.0\"", Version::new(1, 0)),
            ("2.10", Version::new(2, 10)),
            ("255.255", Version::new(255, 255)),
        ] {
            assert_eq!(text.parse(), Ok(version), "{text}");
        }
        assert_eq!(Version::new(2, 10).to_string(), "2.10");
        for text in [
            "", "1", "1.", ".0", "1.0.2", "\"1.0", "1.0\"", "\"\"", "\"", "01.0", "1.00", "+1.0",
            " 1.0", "1.256", "a.b", "'1.0'",
        ] {
            assert_eq!(text.parse::<Version>(), Err(VersionError), "{text}");
        }
    }

    #[test]
    fn a_server_refuses_another_major_and_a_higher_client() {
        let server = Version::new(1, 1);
        for (client, accepted) in [
            (Version::new(1, 0), true),
            (Version::new(1, 1), true),
            (Version::new(1, 2), false),
            (Version::new(0, 9), false),
            (Version::new(2, 0), false),
        ] {
            assert_eq!(server.accepts(client), accepted, "{client}");
        }
    }
}
