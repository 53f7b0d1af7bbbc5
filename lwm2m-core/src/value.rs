//! Data types and values (TS Appendix C).

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use thiserror::Error;

use crate::{InstanceId, ObjectId, Path};

/// The data type of a Resource (TS Appendix C). An executable Resource has none.
///
/// It may grow: LwM2M 1.1 adds Unsigned Integer and Corelnk. A codec refuses the values of a data type
/// that it doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum DataType {
    /// A UTF-8 string.
    String,
    /// A signed integer of 8, 16, 32 or 64 bits.
    Integer,
    /// A floating point number of 32 or 64 bits.
    Float,
    /// False or true.
    Boolean,
    /// A sequence of octets.
    Opaque,
    /// Unix time: a signed number of seconds since 1970-01-01 UTC.
    Time,
    /// A link to an Object Instance, or to none.
    ObjectLink,
}

impl DataType {
    /// All data types.
    pub const ALL: &[Self] = &[
        Self::String,
        Self::Integer,
        Self::Float,
        Self::Boolean,
        Self::Opaque,
        Self::Time,
        Self::ObjectLink,
    ];
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Float => "Float",
            Self::Boolean => "Boolean",
            Self::Opaque => "Opaque",
            Self::Time => "Time",
            Self::ObjectLink => "Objlnk",
        })
    }
}

/// An Object Link (Objlnk, TS Appendix C): an Object ID and an Object Instance ID, both as they
/// travel. As *values* all 16-bit numbers are legal; 65535:65535 is the null link.
///
/// ```
/// use lwm2m_core::ObjectLink;
///
/// assert_eq!("66:1".parse(), Ok(ObjectLink { object: 66, instance: 1 }));
/// assert_eq!(ObjectLink::NULL.to_string(), "65535:65535");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ObjectLink {
    /// The Object ID.
    pub object: u16,
    /// The Object Instance ID.
    pub instance: u16,
}

/// Text that isn't an Object Link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected an object link such as \"66:0\", two numbers of 0 to 65535")]
pub struct ObjectLinkError;

impl ObjectLink {
    /// The link to no Object Instance.
    pub const NULL: Self = Self {
        object: u16::MAX,
        instance: u16::MAX,
    };

    /// The Object Instance that is linked to; the null link has none.
    pub const fn target(self) -> Option<Path> {
        match InstanceId::new(self.instance) {
            Some(instance) => Some(Path::Instance(ObjectId::new(self.object), instance)),
            None => None,
        }
    }

    /// As TLV carries it: four bytes.
    pub const fn to_bytes(self) -> [u8; 4] {
        let [a, b] = self.object.to_be_bytes();
        let [c, d] = self.instance.to_be_bytes();
        [a, b, c, d]
    }

    /// From the four bytes of TLV.
    pub const fn from_bytes([a, b, c, d]: [u8; 4]) -> Self {
        Self {
            object: u16::from_be_bytes([a, b]),
            instance: u16::from_be_bytes([c, d]),
        }
    }
}

impl fmt::Display for ObjectLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.object, self.instance)
    }
}

impl FromStr for ObjectLink {
    type Err = ObjectLinkError;

    /// Reads two decimal numbers around a colon, leading zeros allowed, and `FFFF:FFFF`, which
    /// the third example of TS 6.4.4 prints for the null link.
    fn from_str(text: &str) -> Result<Self, ObjectLinkError> {
        if text.eq_ignore_ascii_case("FFFF:FFFF") {
            return Ok(Self::NULL);
        }
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .then(|| text.parse().ok())
                .flatten()
                .ok_or(ObjectLinkError)
        };
        let (object, instance) = text.split_once(':').ok_or(ObjectLinkError)?;
        Ok(Self {
            object: number(object)?,
            instance: number(instance)?,
        })
    }
}

/// A value that borrows its bytes.
///
/// [`Raw`](Self::Raw) stands for bytes of unknown data type: TLV carries no types, so a Resource
/// without a definition arrives this way, and the receiver decides.
///
/// It grows with [`DataType`]. An encoder refuses a value that it doesn't know, as it does any value
/// that its format can't carry.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// A UTF-8 string.
    String(&'a str),
    /// A signed integer.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// False or true.
    Boolean(bool),
    /// A sequence of octets.
    Opaque(&'a [u8]),
    /// Unix time, in seconds.
    Time(i64),
    /// A link to an Object Instance.
    ObjectLink(ObjectLink),
    /// The bytes of a value of unknown data type.
    Raw(&'a [u8]),
}

impl ValueRef<'_> {
    /// The data type; bytes of unknown type have none.
    pub const fn data_type(&self) -> Option<DataType> {
        Some(match self {
            Self::String(_) => DataType::String,
            Self::Integer(_) => DataType::Integer,
            Self::Float(_) => DataType::Float,
            Self::Boolean(_) => DataType::Boolean,
            Self::Opaque(_) => DataType::Opaque,
            Self::Time(_) => DataType::Time,
            Self::ObjectLink(_) => DataType::ObjectLink,
            Self::Raw(_) => return None,
        })
    }

    /// The value with bytes of its own.
    pub fn to_owned(&self) -> Value {
        match *self {
            Self::String(text) => Value::String(text.into()),
            Self::Integer(number) => Value::Integer(number),
            Self::Float(number) => Value::Float(number),
            Self::Boolean(truth) => Value::Boolean(truth),
            Self::Opaque(bytes) => Value::Opaque(bytes.into()),
            Self::Time(seconds) => Value::Time(seconds),
            Self::ObjectLink(link) => Value::ObjectLink(link),
            Self::Raw(bytes) => Value::Raw(bytes.into()),
        }
    }

    /// The value as a number, for the thresholds of Write-Attributes (gt, lt, st).
    #[expect(
        clippy::cast_precision_loss,
        reason = "thresholds are floats in TS Table 4"
    )]
    pub const fn as_number(&self) -> Option<f64> {
        match *self {
            Self::Integer(number) | Self::Time(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }
}

impl fmt::Display for ValueRef<'_> {
    /// For people; the text format of Appendix C is [`text`](crate::text).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "{text:?}"),
            Self::Integer(number) | Self::Time(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::ObjectLink(link) => link.fmt(f),
            Self::Opaque(bytes) | Self::Raw(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// A value that owns its bytes; see [`ValueRef`]. It grows with [`DataType`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Value {
    /// A UTF-8 string.
    String(String),
    /// A signed integer.
    Integer(i64),
    /// A floating point number.
    ///
    /// With the feature `serde`, human-readable formats (JSON) carry a number that isn't finite as
    /// text: `"NaN"`, `"inf"`, `"-inf"`.
    Float(#[cfg_attr(feature = "serde", serde(with = "crate::serde_float"))] f64),
    /// False or true.
    Boolean(bool),
    /// A sequence of octets.
    Opaque(Vec<u8>),
    /// Unix time, in seconds.
    Time(i64),
    /// A link to an Object Instance.
    ObjectLink(ObjectLink),
    /// The bytes of a value of unknown data type.
    Raw(Vec<u8>),
}

impl Value {
    /// The value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::String(text) => ValueRef::String(text),
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Float(number) => ValueRef::Float(*number),
            Self::Boolean(truth) => ValueRef::Boolean(*truth),
            Self::Opaque(bytes) => ValueRef::Opaque(bytes),
            Self::Time(seconds) => ValueRef::Time(*seconds),
            Self::ObjectLink(link) => ValueRef::ObjectLink(*link),
            Self::Raw(bytes) => ValueRef::Raw(bytes),
        }
    }

    /// The data type; bytes of unknown type have none.
    pub fn data_type(&self) -> Option<DataType> {
        self.as_ref().data_type()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        value.to_owned()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Opaque(bytes.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Opaque(bytes)
    }
}

impl From<ObjectLink> for Value {
    fn from(link: ObjectLink) -> Self {
        Self::ObjectLink(link)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    #[test]
    fn object_links() {
        let link = ObjectLink {
            object: 66,
            instance: 1,
        };
        assert_eq!("66:1".parse(), Ok(link));
        assert_eq!("066:0001".parse(), Ok(link));
        assert_eq!("FFFF:FFFF".parse(), Ok(ObjectLink::NULL));
        assert_eq!("65535:65535".parse(), Ok(ObjectLink::NULL));
        for text in [
            "", ":", "66", "66:", ":1", "+66:1", "66:1 ", "65536:0", "66:1:2", "42:FF",
        ] {
            assert_eq!(text.parse::<ObjectLink>(), Err(ObjectLinkError), "{text:?}");
        }
        assert_eq!(ObjectLink::from_bytes(link.to_bytes()), link);
        assert_eq!(link.target(), Path::of(&[66, 1]));
        assert_eq!(ObjectLink::NULL.target(), None);
    }

    #[test]
    fn values_print_for_people_and_some_are_numbers() {
        let link = ObjectLink {
            object: 66,
            instance: 1,
        };
        for (value, text, number) in [
            (Value::from("a\"b"), r#""a\"b""#, None),
            (Value::from(-750), "-750", Some(-750.0)),
            (Value::from(22.5), "22.5", Some(22.5)),
            (Value::from(true), "true", None),
            (Value::Opaque(vec![0, 255]), "0x00ff", None),
            (
                Value::Time(1_476_186_613),
                "1476186613",
                Some(1_476_186_613.0),
            ),
            (Value::from(link), "66:1", None),
            (Value::Raw(vec![1]), "0x01", None),
        ] {
            assert_eq!(value.to_string(), text);
            assert_eq!(value.as_ref().as_number(), number, "{text}");
        }
    }
}
