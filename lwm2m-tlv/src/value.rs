//! Values (TS Appendix C, TLV Format).

use core::str;

use lwm2m_core::{DataType, ObjectLink, ValueRef};

use crate::error::{DecodeError, Problem};

/// Reads a value and passes it to `then`. Without a result, [`problem`] says why.
///
/// Each arm calls `then`, so that the value is built where it is used. A returned value would be
/// copied in larger pieces than it was just stored in, which costs more than the rest of the reading.
#[inline]
pub(crate) fn read<'a, R>(
    bytes: &'a [u8],
    data_type: DataType,
    then: impl FnOnce(ValueRef<'a>) -> R,
) -> Option<R> {
    Some(match data_type {
        DataType::String => then(ValueRef::String(utf8(bytes)?)),
        DataType::Integer => then(ValueRef::Integer(integer(bytes)?)),
        DataType::Time => then(ValueRef::Time(integer(bytes)?)),
        DataType::Float => then(ValueRef::Float(float(bytes)?)),
        DataType::Boolean => then(ValueRef::Boolean(boolean(bytes)?)),
        DataType::Opaque => then(ValueRef::Opaque(bytes)),
        DataType::ObjectLink => {
            let link = ObjectLink::from_bytes(bytes.try_into().ok()?);
            then(ValueRef::ObjectLink(link))
        }
        // A data type that isn't known here.
        _ => return None,
    })
}

/// What is wrong with bytes at `offset` that [`read`] refuses. It looks again, so that the path of good
/// values doesn't carry the reason.
#[cold]
pub(crate) fn problem(bytes: &[u8], data_type: DataType, offset: usize) -> DecodeError {
    match (data_type, bytes) {
        (DataType::String, bytes) => {
            let valid = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
            Problem::Utf8.at(offset.saturating_add(valid))
        }
        (DataType::Boolean, [other]) => Problem::Boolean(*other).at(offset),
        (expected, bytes) => {
            let length = bytes.len();
            Problem::ValueLength { expected, length }.at(offset)
        }
    }
}

/// UTF-8.
#[inline]
fn utf8(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    // Always true. It makes the compiler take the length from `bytes` and load only the address of the
    // result; loading both at once would wait for two stores.
    (text.len() == bytes.len()).then_some(text)
}

/// Two's complement in network byte order, of 1, 2, 4 or 8 bytes.
#[inline]
fn integer(bytes: &[u8]) -> Option<i64> {
    // Two comparisons instead of a jump table.
    if bytes.len() < 4 {
        return match *bytes {
            [byte] => Some(i8::from_be_bytes([byte]).into()),
            [high, low] => Some(i16::from_be_bytes([high, low]).into()),
            _ => None,
        };
    }
    if let [a, b, c, d] = *bytes {
        return Some(i32::from_be_bytes([a, b, c, d]).into());
    }
    bytes.try_into().ok().map(i64::from_be_bytes)
}

/// One byte, 0 or 1.
#[inline]
const fn boolean(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

/// IEEE 754 binary32 or binary64 in network byte order.
#[inline]
fn float(bytes: &[u8]) -> Option<f64> {
    Some(match bytes.len() {
        4 => f32::from_be_bytes(bytes.try_into().ok()?).into(),
        8 => f64::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}
