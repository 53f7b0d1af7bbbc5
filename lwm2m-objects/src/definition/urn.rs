use core::{fmt, str::FromStr};

use lwm2m_core::{IdError, ObjectId, Version, VersionError};
use thiserror::Error;

/// An Object URN: `urn:oma:lwm2m:{oma,ext,x}:{Object ID}[:{version}]` (TS 6.2.1, D.1).
///
/// ```
/// use lwm2m_core::Version;
/// use lwm2m_objects::{Urn, UrnClass};
///
/// let urn: Urn = "urn:oma:lwm2m:oma:44:2.2".parse()?;
/// assert_eq!((urn.class, urn.object.get()), (UrnClass::Oma, 44));
/// assert_eq!(urn.version(), Version::new(2, 2));
/// assert_eq!(urn.to_string(), "urn:oma:lwm2m:oma:44:2.2");
/// # Ok::<(), lwm2m_objects::UrnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Urn {
    /// Who registered the Object.
    pub class: UrnClass,
    /// The Object ID.
    pub object: ObjectId,
    /// The version, if the URN has one. The Initial Version may be written or left out.
    pub explicit_version: Option<Version>,
}

/// Who registered an Object (TS D.2.1); prints as the label in a URN. OMNA has assigned each class
/// a range of Object IDs; see [`of`](Self::of).
///
/// OMNA has these three classes in every version, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum UrnClass {
    /// `oma`: the Open Mobile Alliance.
    Oma,
    /// `ext`: another standards organisation.
    Ext,
    /// `x`: a vendor.
    X,
}

/// Why text isn't an Object URN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrnError {
    /// Another scheme or namespace.
    #[error("expected an Object URN that begins with \"urn:oma:lwm2m:\"")]
    Prefix,
    /// Another class.
    #[error("expected the class oma, ext or x in an Object URN")]
    Class,
    /// No Object ID after the class.
    #[error("Object ID of an Object URN: {0}")]
    Object(IdError),
    /// No version after the Object ID and a colon.
    #[error("version of an Object URN: {0}")]
    Version(VersionError),
}

impl UrnClass {
    /// The class of an Object ID: `oma` to 1023, `ext` from 2048 to 10240, `x` above. The range from
    /// 1024 to 2047 is reserved and has no class.
    pub const fn of(object: ObjectId) -> Option<Self> {
        match object.get() {
            0..=1023 => Some(Self::Oma),
            1024..=2047 => None,
            2048..=10240 => Some(Self::Ext),
            10241.. => Some(Self::X),
        }
    }
}

impl fmt::Display for UrnClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oma => "oma",
            Self::Ext => "ext",
            Self::X => "x",
        })
    }
}

impl Urn {
    /// The URN of an Object (TS D.2.1). Version 1.0 is left out (TS 6.2.2).
    ///
    /// ```
    /// use lwm2m_core::{ObjectId, Version};
    /// use lwm2m_objects::{Urn, UrnClass};
    ///
    /// let id = ObjectId::new(30000);
    /// let urn = |version| Urn::new(UrnClass::X, id, version).to_string();
    /// assert_eq!(urn(Version::INITIAL), "urn:oma:lwm2m:x:30000");
    /// assert_eq!(urn(Version::new(1, 1)), "urn:oma:lwm2m:x:30000:1.1");
    /// ```
    pub fn new(class: UrnClass, object: ObjectId, version: Version) -> Self {
        let explicit_version = Some(version).filter(|version| *version != Version::INITIAL);
        Self {
            class,
            object,
            explicit_version,
        }
    }

    /// The version of the Object; the Initial Version if the URN has none.
    pub fn version(&self) -> Version {
        self.explicit_version.unwrap_or(Version::INITIAL)
    }
}

impl FromStr for Urn {
    type Err = UrnError;

    fn from_str(text: &str) -> Result<Self, UrnError> {
        let rest = text
            .strip_prefix("urn:oma:lwm2m:")
            .ok_or(UrnError::Prefix)?;
        let (class, rest) = rest.split_once(':').ok_or(UrnError::Class)?;
        let class = match class {
            "oma" => UrnClass::Oma,
            "ext" => UrnClass::Ext,
            "x" => UrnClass::X,
            _ => return Err(UrnError::Class),
        };
        let (object, version) = match rest.split_once(':') {
            Some((object, version)) => (object, Some(version)),
            None => (rest, None),
        };
        let version = match version {
            // The parser of versions takes quotes, which a URN must not have.
            Some(version) if version.starts_with('"') => Err(VersionError),
            Some(version) => version.parse().map(Some),
            None => Ok(None),
        };
        Ok(Self {
            class,
            object: object.parse().map_err(UrnError::Object)?,
            explicit_version: version.map_err(UrnError::Version)?,
        })
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "urn:oma:lwm2m:{}:{}", self.class, self.object)?;
        match self.explicit_version {
            Some(version) => write!(f, ":{version}"),
            None => Ok(()),
        }
    }
}
