//! Values as a person types them.

use core::fmt;

use lwm2m_core::{
    DataType, ObjectId, Path, ResourceId, Value,
    text::{self, TextError},
};

/// Text that is not a value of its data type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// As TS Appendix C writes them.
    Text(TextError),
    /// Octets that begin with `0x`.
    Hexadecimal,
    /// Neither true nor false.
    Boolean,
    /// A text in double quotes with an unknown escape sequence.
    Escape,
}

/// Parses a value, as TS Appendix C writes it or as the programs print it: `true` and `false` or
/// `1` and `0`, octets as `0x` and hexadecimal digits or in Base64, strings with or without double
/// quotes.
pub fn read(data_type: DataType, text: &str) -> Result<Value, ValueError> {
    match (data_type, text, text.strip_prefix("0x")) {
        (DataType::Boolean, "true", _) => Ok(true.into()),
        (DataType::Boolean, "false", _) => Ok(false.into()),
        (DataType::String, ..) => Ok(unquoted(text)?.unwrap_or_else(|| text.to_owned()).into()),
        (DataType::Opaque, _, Some(digits)) => octets(digits)
            .map(Value::Opaque)
            .ok_or(ValueError::Hexadecimal),
        _ => match text::read(data_type, text.as_bytes()) {
            Ok(value) => Ok(value.into_value()),
            Err(_) if data_type == DataType::Boolean => Err(ValueError::Boolean),
            Err(error) => Err(ValueError::Text(error)),
        },
    }
}

/// Whether a key is there: the Secret Key or the SMS Binding Secret Keys of an account (TS E.1).
pub(crate) fn is_key(path: Path) -> bool {
    const SECRET_KEY: ResourceId = ResourceId::new(5);
    const SMS_BINDING_SECRET_KEYS: ResourceId = ResourceId::new(8);
    let resource = path.resource();
    path.object() == Some(ObjectId::SECURITY)
        && (resource == Some(SECRET_KEY) || resource == Some(SMS_BINDING_SECRET_KEYS))
}

/// The text between the double quotes, if it is one quoted string.
fn unquoted(text: &str) -> Result<Option<String>, ValueError> {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return Ok(None);
    };
    let mut string = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            // Not one string.
            '"' => return Ok(None),
            '\\' => string.push(match characters.next() {
                Some(same @ ('"' | '\\')) => same,
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                _ => return Err(ValueError::Escape),
            }),
            other => string.push(other),
        }
    }
    Ok(Some(string))
}

/// Parses pairs of hexadecimal digits.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(TextError::Notation {
                data_type: DataType::Opaque,
                ..
            })
            | Self::Hexadecimal => f.write_str(
                "expected octets, as 0x and two hexadecimal digits for each or as Base64 with padding",
            ),
            Self::Text(error) => error.fmt(f),
            Self::Boolean => f.write_str("expected true, false, 1 or 0"),
            Self::Escape => {
                f.write_str(r#"expected \", \\, \n, \r or \t after a backslash in double quotes"#)
            }
        }
    }
}

impl core::error::Error for ValueError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_typed() {
        for (data_type, value) in [
            (DataType::String, Value::from("+01:00")),
            (DataType::String, Value::from("a \"b\"\\\n\t\r")),
            (DataType::String, Value::from("")),
            (DataType::Boolean, Value::from(true)),
            (DataType::Boolean, Value::from(false)),
            (DataType::Opaque, Value::Opaque(vec![0x01, 0xab, 0xef])),
            (DataType::Opaque, Value::Opaque(Vec::new())),
            (DataType::Integer, Value::from(-750)),
            (DataType::Float, Value::from(0.25)),
            (DataType::Time, Value::Time(1_367_491_215)),
        ] {
            assert_eq!(read(data_type, &value.to_string()), Ok(value));
        }
    }

    #[test]
    fn the_text_format_can_be_typed() {
        for (data_type, text, value) in [
            (DataType::Boolean, "1", Value::from(true)),
            (DataType::Opaque, "AavN", Value::Opaque(vec![1, 0xab, 0xcd])),
            (DataType::String, "0xab true", Value::from("0xab true")),
            (DataType::String, "", Value::from("")),
            (DataType::String, "\"", Value::from("\"")),
            (DataType::String, "5\" and 6\"", Value::from("5\" and 6\"")),
            (DataType::String, r#""a" "b""#, Value::from(r#""a" "b""#)),
            (DataType::String, r"a\b", Value::from(r"a\b")),
        ] {
            assert_eq!(read(data_type, text), Ok(value));
        }
    }

    #[test]
    fn what_is_no_value_is_told() {
        for (data_type, text, told) in [
            (DataType::Boolean, "yes", "expected true, false"),
            (DataType::Opaque, "0x123", "expected octets"),
            (DataType::Opaque, "0x1g", "expected octets"),
            (DataType::Opaque, "0x\u{e9}", "expected octets"),
            (DataType::Opaque, "abc", "expected octets"),
            (DataType::String, r#""\x""#, "after a backslash"),
            (DataType::String, r#""\""#, "after a backslash"),
            (DataType::Integer, "full", "expected an integer"),
        ] {
            let error = read(data_type, text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
