//! Values (TS Appendix C, TLV Format).

use core::str;

use lwm2m_core::{DataType, ObjectLink, ValueRef};

use crate::{DecodeError, Problem};

/// Reads the value that stands at `offset` in the payload.
#[inline]
pub(crate) fn read(
    bytes: &[u8],
    data_type: DataType,
    offset: usize,
) -> Result<ValueRef<'_>, DecodeError> {
    let value = match data_type {
        DataType::String => {
            let text = str::from_utf8(bytes)
                .map_err(|error| Problem::Utf8.at(offset.saturating_add(error.valid_up_to())))?;
            Some(ValueRef::String(text))
        }
        DataType::Integer => integer(bytes).map(ValueRef::Integer),
        DataType::Time => integer(bytes).map(ValueRef::Time),
        DataType::Float => float(bytes).map(ValueRef::Float),
        DataType::Boolean => match bytes {
            [0] => Some(ValueRef::Boolean(false)),
            [1] => Some(ValueRef::Boolean(true)),
            [other] => return Err(Problem::Boolean(*other).at(offset)),
            _ => None,
        },
        DataType::Opaque => Some(ValueRef::Opaque(bytes)),
        DataType::ObjectLink => bytes
            .try_into()
            .ok()
            .map(|bytes| ValueRef::ObjectLink(ObjectLink::from_bytes(bytes))),
    };
    value.ok_or_else(|| {
        let problem = Problem::ValueLength {
            expected: data_type,
            length: bytes.len(),
        };
        problem.at(offset)
    })
}

/// Two's complement in network byte order, of 1, 2, 4 or 8 bytes.
#[inline]
fn integer(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        1 => i8::from_be_bytes(bytes.try_into().ok()?).into(),
        2 => i16::from_be_bytes(bytes.try_into().ok()?).into(),
        4 => i32::from_be_bytes(bytes.try_into().ok()?).into(),
        8 => i64::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
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
