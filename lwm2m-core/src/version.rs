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
/// assert_eq!(Version::default(), Version::INITIAL); // without `ver`
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Differs between versions that aren't compatible.
    pub major: u8,
    /// Grows with compatible additions.
    pub minor: u8,
}

/// Two versions that don't make [`EnablerVersions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected two versions with the same major number, the older one first")]
pub struct EnablerVersionsError;

/// Text that isn't a [`Version`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a version such as 1.0, two numbers of 0 to 255 without leading zeros")]
pub struct VersionError;

impl Version {
    /// 1.0: the LwM2M Enabler of this specification, and the default of an Object.
    pub const INITIAL: Self = Self::new(1, 0);

    /// The version `major.minor`.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// Whether a Server that supports this version of the Enabler accepts a Client of that one: the
    /// same major, and not above the Server's (TS 5.3.1). If not, the answer is 4.12.
    pub const fn accepts(self, client: Self) -> bool {
        self.major == client.major && self.minor >= client.minor
    }
}

impl Default for Version {
    /// [`INITIAL`](Self::INITIAL)
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

/// The versions of the LwM2M Enabler that a Server accepts of its Clients (TS 5.3.1): a range within
/// one major version.
///
/// ```
/// use lwm2m_core::{EnablerVersions, Version};
///
/// let accepted = EnablerVersions::up_to(Version::new(1, 1));
/// assert!(accepted.contains(Version::INITIAL) && accepted.contains(Version::new(1, 1)));
/// assert!(!accepted.contains(Version::new(1, 2)) && !accepted.contains(Version::new(2, 0)));
/// assert_eq!(accepted.to_string(), "1.0 to 1.1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "[Version; 2]", into = "[Version; 2]")
)]
pub struct EnablerVersions {
    oldest: Version,
    /// Has the major version of `oldest`, and isn't older.
    newest: Version,
}

impl EnablerVersions {
    /// What a Server that supports `newest` has to accept: that version and all before it of the
    /// same major version.
    pub const fn up_to(newest: Version) -> Self {
        Self {
            oldest: Version::new(newest.major, 0),
            newest,
        }
    }

    /// From `oldest` to `newest`, both included; `None` if their major versions differ, or if
    /// `newest` is the older one.
    pub const fn between(oldest: Version, newest: Version) -> Option<Self> {
        if newest.accepts(oldest) {
            Some(Self { oldest, newest })
        } else {
            None
        }
    }

    /// Whether a Client of this version is accepted. If not, the answer is 4.12.
    pub const fn contains(self, client: Version) -> bool {
        self.newest.accepts(client) && client.accepts(self.oldest)
    }

    /// The first of them.
    pub const fn oldest(self) -> Version {
        self.oldest
    }

    /// The last of them: what the Server supports.
    pub const fn newest(self) -> Version {
        self.newest
    }
}

impl Default for EnablerVersions {
    /// 1.0 alone.
    fn default() -> Self {
        Self::up_to(Version::INITIAL)
    }
}

impl From<EnablerVersions> for [Version; 2] {
    fn from(versions: EnablerVersions) -> Self {
        [versions.oldest, versions.newest]
    }
}

impl TryFrom<[Version; 2]> for EnablerVersions {
    type Error = EnablerVersionsError;

    /// [`between`](Self::between)
    fn try_from([oldest, newest]: [Version; 2]) -> Result<Self, EnablerVersionsError> {
        Self::between(oldest, newest).ok_or(EnablerVersionsError)
    }
}

impl From<Version> for EnablerVersions {
    /// [`up_to`](Self::up_to)
    fn from(newest: Version) -> Self {
        Self::up_to(newest)
    }
}

impl fmt::Display for EnablerVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oldest, newest } = self;
        if oldest == newest {
            newest.fmt(f)
        } else {
            write!(f, "{oldest} to {newest}")
        }
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
            assert_eq!(EnablerVersions::up_to(server).contains(client), accepted);
        }
    }

    #[test]
    fn a_set_of_versions_has_two_ends() {
        let [old, new] = [Version::new(1, 1), Version::new(1, 3)];
        let versions = EnablerVersions::between(old, new).unwrap();
        assert_eq!((versions.oldest(), versions.newest()), (old, new));
        for (minor, contained) in [(0, false), (1, true), (2, true), (3, true), (4, false)] {
            assert_eq!(
                versions.contains(Version::new(1, minor)),
                contained,
                "{minor}"
            );
            assert!(!versions.contains(Version::new(2, minor)));
        }
        assert_eq!(EnablerVersions::between(new, old), None);
        assert_eq!(EnablerVersions::between(old, Version::new(2, 1)), None);
        let one = EnablerVersions::between(old, old).unwrap();
        assert_eq!(
            (one.to_string(), versions.to_string()),
            ("1.1".into(), "1.1 to 1.3".into())
        );
        assert_eq!(EnablerVersions::default().to_string(), "1.0");
    }
}
