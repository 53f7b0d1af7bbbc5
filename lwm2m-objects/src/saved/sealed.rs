//! Serialisation with a format version and a check sum.

use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::check_sum::CheckSum;

/// Data to be saved across a restart. It serialises with a format version and a check sum over its
/// content. Data of another version or with a wrong check sum does not deserialise.
///
/// Definitions and the snapshots of the update machines are sealed by themselves, and a
/// [`Snapshot`](crate::Snapshot) has its own check sum. Use this for everything else, such as
/// attributes and the plain structs of [`typed`](crate::typed).
///
/// ```
/// use lwm2m_core::Attributes;
/// use lwm2m_objects::Sealed;
///
/// let attributes = Attributes { pmin: Some(10), gt: Some(50.5), ..Attributes::NONE };
/// let saved = serde_json::to_string(&Sealed(attributes))?;
/// let Sealed(restored) = serde_json::from_str::<Sealed<Attributes>>(&saved)?;
/// assert_eq!(restored, attributes);
/// let damaged = saved.replace("10", "11");
/// assert!(serde_json::from_str::<Sealed<Attributes>>(&damaged).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed<T>(pub T);

/// The format version that is written, and the only one that is read.
const FORMAT: u16 = 1;

impl<T: Serialize> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Envelope<'c, T> {
            format: u16,
            check_sum: u64,
            content: &'c T,
        }

        Envelope {
            format: FORMAT,
            check_sum: check_sum(&self.0).map_err(serde::ser::Error::custom)?,
            content: &self.0,
        }
        .serialize(to)
    }
}

impl<'de, T: Deserialize<'de> + Serialize> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Envelope<T> {
            #[serde(rename = "format", deserialize_with = "format")]
            _format: (),
            check_sum: u64,
            content: T,
        }

        let envelope = Envelope::<T>::deserialize(from)?;
        if check_sum(&envelope.content).map_err(D::Error::custom)? != envelope.check_sum {
            return Err(D::Error::custom("the content is damaged"));
        }
        Ok(Self(envelope.content))
    }
}

/// Refuses another version before its content is read.
fn format<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    match u16::deserialize(from)? {
        FORMAT => Ok(()),
        other => Err(D::Error::custom(format_args!(
            "expected format {FORMAT}, not {other}"
        ))),
    }
}

/// Lets a type of plain data serialise as [`Sealed`], and checks what is deserialised.
macro_rules! sealed {
    ($type:ident = $name:literal { $($field:ident: $of:ty),* $(,)? } if $check:expr) => {
        const _: () = {
            use crate::saved::sealed::Sealed;

            #[derive(serde::Serialize, serde::Deserialize)]
            #[serde(remote = $name)]
            struct Plain {
                $($field: $of),*
            }

            struct Lent<'p>(&'p $type);

            impl serde::Serialize for Lent<'_> {
                fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    Plain::serialize(self.0, to)
                }
            }

            #[derive(serde::Serialize, serde::Deserialize)]
            #[serde(transparent)]
            struct Owned(#[serde(with = "Plain")] $type);

            impl serde::Serialize for $type {
                fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    Sealed(Lent(self)).serialize(to)
                }
            }

            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    let Sealed(Owned(read)) = Sealed::<Owned>::deserialize(from)?;
                    let check: fn(&$type) -> _ = $check;
                    match check(&read) {
                        Ok(()) => Ok(read),
                        Err(error) => Err(serde::de::Error::custom(error)),
                    }
                }
            }
        };
    };
}
pub(crate) use sealed;

fn check_sum(content: &impl Serialize) -> Result<u64, fmt::Error> {
    let mut sum = CheckSum::new();
    content.serialize(Summing(&mut sum))?;
    Ok(sum.value())
}

/// Adds everything that is serialised to the sum: each part after its kind, and after its length if
/// it has one. Names are left out: they belong to the format, not to the content.
struct Summing<'s>(&'s mut CheckSum);

impl Summing<'_> {
    fn part(self, kind: u8, bytes: &[u8]) {
        self.0.bytes(&[kind]);
        self.0.bytes(bytes);
    }

    fn sized(self, kind: u8, bytes: &[u8]) {
        self.0.bytes(&[kind]);
        self.0.length(bytes.len());
        self.0.bytes(bytes);
    }

    fn variant(self, index: u32) -> Self {
        self.0.bytes(b"v");
        self.0.bytes(&index.to_be_bytes());
        self
    }

    fn inner(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), fmt::Error> {
        value.serialize(Summing(self.0))
    }

    fn several(self) -> Self {
        self.0.bytes(b"[");
        self
    }

    fn done(self) {
        self.0.bytes(b"]");
    }
}

macro_rules! numbers {
    ($($method:ident: $type:ty, $kind:literal;)*) => {$(
        fn $method(self, number: $type) -> Result<(), fmt::Error> {
            self.part($kind, &number.to_be_bytes());
            Ok(())
        }
    )*};
}

impl<'s> Serializer for Summing<'s> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Summing<'s>;
    type SerializeTuple = Summing<'s>;
    type SerializeTupleStruct = Summing<'s>;
    type SerializeTupleVariant = Summing<'s>;
    type SerializeMap = Summing<'s>;
    type SerializeStruct = Summing<'s>;
    type SerializeStructVariant = Summing<'s>;

    numbers! {
        serialize_i8: i8, b'a';
        serialize_i16: i16, b'b';
        serialize_i32: i32, b'c';
        serialize_i64: i64, b'd';
        serialize_i128: i128, b'e';
        serialize_u8: u8, b'A';
        serialize_u16: u16, b'B';
        serialize_u32: u32, b'C';
        serialize_u64: u64, b'D';
        serialize_u128: u128, b'E';
        serialize_f32: f32, b'f';
        serialize_f64: f64, b'F';
    }

    fn serialize_bool(self, truth: bool) -> Result<(), fmt::Error> {
        self.part(b't', &[u8::from(truth)]);
        Ok(())
    }

    fn serialize_char(self, character: char) -> Result<(), fmt::Error> {
        self.part(b'u', &u32::from(character).to_be_bytes());
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), fmt::Error> {
        self.sized(b's', text.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), fmt::Error> {
        self.sized(b'o', bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), fmt::Error> {
        self.part(b'n', &[]);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), fmt::Error> {
        self.0.bytes(b"y");
        self.inner(value)
    }

    fn serialize_unit(self) -> Result<(), fmt::Error> {
        self.part(b'0', &[]);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), fmt::Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<(), fmt::Error> {
        self.variant(index).serialize_unit()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        self.inner(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        self.variant(index).inner(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        Ok(self.several())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        Ok(self.several())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self.several())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        Ok(self.variant(index).several())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        Ok(self.several())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self.several())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        Ok(self.variant(index).several())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), fmt::Error> {
        self.serialize_str(&alloc::string::ToString::to_string(value))
    }
}

/// Implements the traits for compound values, by the method that takes one part.
macro_rules! several {
    ($($trait:ident: $method:ident;)*) => {$(
        impl $trait for Summing<'_> {
            type Ok = ();
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
                self.inner(value)
            }

            fn end(self) -> Result<(), fmt::Error> {
                self.done();
                Ok(())
            }
        }
    )*};
}

several! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! named {
    ($($trait:ident;)*) => {$(
        impl $trait for Summing<'_> {
            type Ok = ();
            type Error = fmt::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<(), fmt::Error> {
                self.inner(value)
            }

            fn end(self) -> Result<(), fmt::Error> {
                self.done();
                Ok(())
            }
        }
    )*};
}

named! {
    SerializeStruct;
    SerializeStructVariant;
}

impl SerializeMap for Summing<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), fmt::Error> {
        self.inner(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
        self.inner(value)
    }

    fn end(self) -> Result<(), fmt::Error> {
        self.done();
        Ok(())
    }
}
