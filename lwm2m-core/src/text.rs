//! Plain text, `text/plain`: one value as Appendix C writes it (TS 6.4.1).
//!
//! | data type | text |
//! | --- | --- |
//! | String | its UTF-8 bytes |
//! | Integer, Time | `-`? digits; leading zeros are read |
//! | Float | `-`? digits, optionally `.` and digits; an exponent is read and never written |
//! | Boolean | `0` or `1` |
//! | Opaque | Base64 (RFC 4648 §4) with padding |
//! | Objlnk | `object:instance`, decimal |
//!
//! Neither `+` nor blanks nor line ends are part of a number. NaN and infinities have no text.
//!
//! ```
//! use lwm2m_core::{DataType, Path, Value, codec::{Content, Scope}, text};
//!
//! let timezone: Path = "/3/0/14".parse()?;
//! let types = |_, _| Some(DataType::String);
//! let mut content = Content::new();
//! text::decode(b"+02:00", Scope::answer(timezone), &types, &mut content)?;
//! assert_eq!(content.get(&timezone), Some(&Value::from("+02:00")));
//!
//! let mut payload = Vec::new();
//! let mut encoder = text::Encoder::new(&mut payload, Scope::answer(timezone));
//! content.push(&mut encoder)?;
//! encoder.finish()?;
//! assert_eq!(payload, b"+02:00");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::vec::Vec;
use core::fmt;

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use crate::{
    ContentFormat, DataType, Path, Value, ValueRef,
    codec::{DecodeFailure, Format as _, Scope, Sink, TypeLookup},
    number::{self, NumberError},
    single_value::{self, SingleValueFormat},
};

/// Why a payload isn't the text of a value of its data type, or a value has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// Not UTF-8.
    #[error("offset {offset}: expected UTF-8")]
    Utf8 {
        /// Where, in bytes from the beginning.
        offset: usize,
    },
    /// Not the notation of the data type.
    #[error("offset {offset}: expected {}", Notation(*data_type))]
    Notation {
        /// Where, in bytes from the beginning.
        offset: usize,
        /// Of what data type the text should be.
        data_type: DataType,
    },
    /// A number that its data type can't hold: an Integer or Time beyond 64 bits, a Float beyond
    /// binary64; in writing, a Float that isn't finite.
    #[error("expected a number in the range of {0}")]
    Range(DataType),
    /// Bytes whose data type isn't known have no text.
    #[error("expected a value of known data type")]
    Untyped,
    /// Text is the format of one Resource, and this is the path of something else.
    #[error("expected the path of a Resource, not {0}")]
    Path(Path),
}

/// Text as a [`Format`](crate::codec::Format): [`decode`] and [`Encoder`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TextFormat;

impl SingleValueFormat for TextFormat {
    const CONTENT_FORMAT: ContentFormat = ContentFormat::TEXT;
    type Malformed = TextError;

    fn misplaced(path: Path) -> TextError {
        TextError::Path(path)
    }

    fn read<R>(
        data_type: Option<DataType>,
        payload: &[u8],
        pass: impl FnOnce(ValueRef<'_>) -> R,
    ) -> Result<R, TextError> {
        Ok(match data_type {
            Some(data_type) => pass(read(data_type, payload)?.as_ref()),
            None => pass(ValueRef::Raw(payload)),
        })
    }

    fn write(value: &ValueRef<'_>, buffer: &mut Vec<u8>) -> bool {
        write(value, buffer).is_ok()
    }
}

/// Reads the text of a Resource or Resource Instance into a sink.
///
/// A Resource without a definition is passed on as [`ValueRef::Raw`].
///
/// # Errors
///
/// [`TextError`], or what the sink refuses.
pub fn decode<S: Sink + ?Sized>(
    payload: &[u8],
    scope: Scope,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeFailure<TextError, S::Error>> {
    TextFormat::decode(payload, scope, types, sink)
}

/// The sink that writes one Resource or Resource Instance as text (TS Appendix C).
///
/// It refuses a second value, a multiple Resource, and a scope whose path isn't that of a Resource
/// ([`EncodeError::SingleValue`](crate::codec::EncodeError::SingleValue)), the time of a value
/// ([`EncodeError::Time`](crate::codec::EncodeError::Time)), and what has no text
/// ([`EncodeError::Value`](crate::codec::EncodeError::Value)).
///
/// ```
/// use lwm2m_core::{Path, Value, codec::{Content, Scope}, text};
///
/// let lifetime: Path = "/1/0/1".parse()?;
/// let content = Content::from_iter([(lifetime, Value::Integer(86_400))]);
/// let mut payload = Vec::new();
/// let mut encoder = text::Encoder::new(&mut payload, Scope::write(lifetime));
/// content.push(&mut encoder).and_then(|()| encoder.finish()).unwrap();
/// assert_eq!(payload, b"86400");
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
pub type Encoder<'b> = single_value::Encoder<'b, TextFormat>;

/// A value that was read from text. Only Opaque needs bytes of its own, so it won't grow.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadValue<'a> {
    /// Anything but Opaque; a String borrows the payload.
    Borrowed(ValueRef<'a>),
    /// The octets that Base64 stood for.
    Opaque(Vec<u8>),
}

impl ReadValue<'_> {
    /// The value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Borrowed(value) => *value,
            Self::Opaque(octets) => ValueRef::Opaque(octets),
        }
    }

    /// The value, on its own.
    pub fn into_value(self) -> Value {
        match self {
            Self::Borrowed(value) => value.to_owned(),
            Self::Opaque(octets) => Value::Opaque(octets),
        }
    }
}

/// Reads the text of one value.
///
/// ```
/// use lwm2m_core::{DataType, ValueRef, text};
///
/// let number = text::read(DataType::Float, b"0.00000000006667")?;
/// assert_eq!(number.as_ref(), ValueRef::Float(6.667e-11));
/// # Ok::<(), text::TextError>(())
/// ```
pub fn read(data_type: DataType, payload: &[u8]) -> Result<ReadValue<'_>, TextError> {
    if data_type == DataType::Opaque {
        let octets = STANDARD.decode(payload).map_err(|error| {
            let offset = match error {
                DecodeError::InvalidByte(offset, _)
                | DecodeError::InvalidLastSymbol { offset, .. } => offset,
                DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => payload.len(),
            };
            TextError::Notation { offset, data_type }
        })?;
        return Ok(ReadValue::Opaque(octets));
    }
    let text = str::from_utf8(payload).map_err(|error| TextError::Utf8 {
        offset: error.valid_up_to(),
    })?;
    let number = |error| match error {
        NumberError::Notation { offset } => TextError::Notation { offset, data_type },
        NumberError::Range => TextError::Range(data_type),
    };
    let notation = TextError::Notation {
        offset: 0,
        data_type,
    };
    Ok(ReadValue::Borrowed(match data_type {
        DataType::String | DataType::Opaque => ValueRef::String(text),
        DataType::Integer => ValueRef::Integer(number::parse_integer(text).map_err(number)?),
        DataType::Time => ValueRef::Time(number::parse_integer(text).map_err(number)?),
        DataType::Float => ValueRef::Float(number::parse_float(text).map_err(number)?),
        DataType::Boolean => match text {
            "0" => ValueRef::Boolean(false),
            "1" => ValueRef::Boolean(true),
            _ => return Err(notation),
        },
        DataType::ObjectLink => ValueRef::ObjectLink(text.parse().map_err(|_| notation)?),
    }))
}

/// Writes the text of a value at the end of `out`; with an error, nothing is written.
///
/// ```
/// use lwm2m_core::{ValueRef, text};
///
/// let mut number = Vec::new();
/// text::write(&ValueRef::Float(6.667e-11), &mut number)?;
/// assert_eq!(number, b"0.00000000006667");
/// # Ok::<(), text::TextError>(())
/// ```
pub fn write(value: &ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    match value {
        ValueRef::String(text) => out.extend_from_slice(text.as_bytes()),
        ValueRef::Integer(number) | ValueRef::Time(number) => append(out, format_args!("{number}")),
        // The shortest digits that read back to the same number, and never an exponent.
        ValueRef::Float(number) if number.is_finite() => append(out, format_args!("{number}")),
        ValueRef::Float(_) => return Err(TextError::Range(DataType::Float)),
        ValueRef::Boolean(truth) => out.push(if *truth { b'1' } else { b'0' }),
        ValueRef::Opaque(octets) => append(out, format_args!("{}", base64(octets))),
        ValueRef::ObjectLink(link) => append(out, format_args!("{link}")),
        ValueRef::Raw(_) => return Err(TextError::Untyped),
    }
    Ok(())
}

fn base64(octets: &[u8]) -> impl fmt::Display {
    base64::display::Base64Display::new(octets, &STANDARD)
}

fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    struct Bytes<'a>(&'a mut Vec<u8>);

    impl fmt::Write for Bytes<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    // Neither the numbers nor the vector can fail.
    let _ = fmt::Write::write_fmt(&mut Bytes(out), text);
}

/// How Appendix C writes a data type, for errors.
struct Notation(DataType);

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            DataType::String => "text",
            DataType::Integer => "an integer such as -750",
            DataType::Float => "a decimal number such as -0.25",
            DataType::Boolean => "0 or 1",
            DataType::Opaque => "Base64 with padding",
            DataType::Time => "seconds such as 1476186613",
            DataType::ObjectLink => "an object link such as 66:0",
        })
    }
}

#[cfg(test)]
mod tests;
