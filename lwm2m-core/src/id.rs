//! The 16-bit identifiers of TS 6.3, Table 20.
//!
//! 65535 (MAX_ID) is reserved as Object Instance ID and as Short Server ID, and only there. The types
//! of these two can't hold it.

use core::{fmt, str::FromStr};

use thiserror::Error;

/// An identifier that the specification reserves, or text that isn't an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// 65535 (MAX_ID) where TS 6.3 reserves it, or 0 as a Short Server ID.
    #[error("identifier {0} is reserved")]
    Reserved(u16),
    /// Not a decimal number in its shortest form.
    #[error("expected a decimal identifier without sign and leading zeros")]
    NotDecimal,
    /// A decimal number above 65535.
    #[error("expected an identifier of 0 to 65535")]
    OutOfRange,
}

/// Reads a 16-bit decimal identifier of a path: digits only, no sign, no leading zero.
///
/// Each number has one spelling, so no two paths name the same resource.
pub(crate) fn parse_u16(text: &str) -> Result<u16, IdError> {
    let bytes = text.as_bytes();
    if let [] | [b'0', _, ..] = bytes {
        return Err(IdError::NotDecimal);
    }
    let mut number = Some(0_u16);
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return Err(IdError::NotDecimal);
        }
        let digit = u16::from(byte & 0x0F);
        number = number.and_then(|number| number.checked_mul(10)?.checked_add(digit));
    }
    // Only its size can be wrong.
    number.ok_or(IdError::OutOfRange)
}

/// What all identifiers have in common: reading, printing, conversion to `u16`.
macro_rules! common {
    ($name:ident) => {
        impl $name {
            /// The identifier as a number.
            pub const fn get(self) -> u16 {
                self.0
            }
        }

        impl From<$name> for u16 {
            fn from(id: $name) -> u16 {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// An identifier that may be any 16-bit number.
macro_rules! any_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $name(u16);

        common!($name);

        impl $name {
            /// The identifier with this number.
            pub const fn new(id: u16) -> Self {
                Self(id)
            }
        }

        impl From<u16> for $name {
            fn from(id: u16) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_u16(text).map(Self)
            }
        }
    };
}

/// An identifier with reserved numbers.
macro_rules! limited_id {
    ($(#[$doc:meta])* $name:ident, $range:pat, $range_text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "u16", into = "u16"))]
        pub struct $name(u16);

        common!($name);

        impl $name {
            #[doc = concat!("The identifier with this number, if it is ", $range_text, ".")]
            pub const fn new(id: u16) -> Option<Self> {
                match id {
                    $range => Some(Self(id)),
                    _ => None,
                }
            }
        }

        impl TryFrom<u16> for $name {
            type Error = IdError;

            fn try_from(id: u16) -> Result<Self, IdError> {
                Self::new(id).ok_or(IdError::Reserved(id))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_u16(text).and_then(Self::try_from)
            }
        }
    };
}

any_id! {
    /// An Object ID: which Object, as registered with OMNA.
    ObjectId
}

impl ObjectId {
    /// LwM2M Security (Appendix E.1).
    pub const SECURITY: Self = Self(0);
    /// LwM2M Server (Appendix E.2).
    pub const SERVER: Self = Self(1);
    /// LwM2M Access Control (Appendix E.3).
    pub const ACCESS_CONTROL: Self = Self(2);
    /// Device (Appendix E.4).
    pub const DEVICE: Self = Self(3);
    /// Connectivity Monitoring (Appendix E.5).
    pub const CONNECTIVITY_MONITORING: Self = Self(4);
    /// Firmware Update (Appendix E.6).
    pub const FIRMWARE_UPDATE: Self = Self(5);
    /// Location (Appendix E.7).
    pub const LOCATION: Self = Self(6);
    /// Connectivity Statistics (Appendix E.8).
    pub const CONNECTIVITY_STATISTICS: Self = Self(7);
    /// LwM2M Software Management.
    pub const SOFTWARE_MANAGEMENT: Self = Self(9);
}

any_id! {
    /// A Resource ID: which Resource of an Object.
    ResourceId
}

any_id! {
    /// A Resource Instance ID: which value of a multiple Resource.
    ResourceInstanceId
}

limited_id! {
    /// An Object Instance ID: 0 to 65534.
    ///
    /// ```
    /// use lwm2m_core::InstanceId;
    ///
    /// assert_eq!(InstanceId::new(0).map(InstanceId::get), Some(0));
    /// assert_eq!(InstanceId::new(65535), None); // MAX_ID
    /// ```
    InstanceId, 0..=65534, "0 to 65534"
}

impl InstanceId {
    /// Instance 0, the only one of a single-instance Object (TS 5.4.6).
    pub const ZERO: Self = Self(0);
}

limited_id! {
    /// A Short Server ID: which LwM2M Server of a Client, 1 to 65534.
    ShortServerId, 1..=65534, "1 to 65534"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_id_is_reserved_for_instances_and_servers_only() {
        assert_eq!(InstanceId::try_from(65535), Err(IdError::Reserved(65535)));
        assert_eq!("65535".parse::<InstanceId>(), Err(IdError::Reserved(65535)));
        assert_eq!(InstanceId::new(65534).map(u16::from), Some(65534));
        assert_eq!(ShortServerId::try_from(0), Err(IdError::Reserved(0)));
        assert_eq!(
            ShortServerId::try_from(65535),
            Err(IdError::Reserved(65535))
        );
        assert_eq!("65535".parse(), Ok(ObjectId::new(65535)));
        assert_eq!("65535".parse(), Ok(ResourceId::new(65535)));
        assert_eq!("65535".parse(), Ok(ResourceInstanceId::new(65535)));
    }

    #[test]
    fn a_number_has_one_spelling() {
        for text in [
            "", "00", "01", "+1", "-1", " 1", "1 ", "1a", "65536a", "099999",
        ] {
            assert_eq!(
                text.parse::<ResourceId>(),
                Err(IdError::NotDecimal),
                "{text:?}"
            );
        }
        assert_eq!("0".parse(), Ok(ResourceId::new(0)));
    }

    #[test]
    fn a_number_out_of_range_is_told_from_what_is_none() {
        for text in ["65536", "70000", "99999", "99999999999999999999999"] {
            assert_eq!(text.parse::<ObjectId>(), Err(IdError::OutOfRange), "{text}");
            assert_eq!(text.parse::<InstanceId>(), Err(IdError::OutOfRange));
            assert_eq!(text.parse::<ResourceId>(), Err(IdError::OutOfRange));
            assert_eq!(text.parse::<ResourceInstanceId>(), Err(IdError::OutOfRange));
            assert_eq!(text.parse::<ShortServerId>(), Err(IdError::OutOfRange));
        }
        assert_eq!("65535".parse(), Ok(ObjectId::new(65535)));
    }
}
