//! The bytes of a TLV (TS 6.4.3, Table 21), and a pull reader for tools.

use core::iter::FusedIterator;

use lwm2m_core::{DataType, ValueRef};

use crate::{
    error::{DecodeError, Problem},
    kind::{Kind, Kinds, LENGTH_8, WIDE_ID},
    value,
};

/// The TLVs of a payload, or of the value of a TLV, one after the other.
///
/// A payload may begin with any [`Kind`], because its path isn't given. Below, the nesting is that of
/// TS 6.4.3: an Object Instance holds Resources and multiple Resources, a multiple Resource holds
/// Resource Instances, nothing else holds anything. After an error the reader is at its end.
///
/// ```
/// use lwm2m_core::{DataType, ValueRef};
/// use lwm2m_tlv::{Kind, Reader};
///
/// let payload = [0x08, 0x00, 0x08, 0xC1, 0x09, 0x64, 0x83, 0x0B, 0x41, 0x00, 0x00];
/// let instance = Reader::new(&payload).next().unwrap()?;
/// assert_eq!((instance.kind, instance.id), (Kind::ObjectInstance, 0));
///
/// let mut resources = instance.nested().unwrap();
/// let battery = resources.next().unwrap()?;
/// assert_eq!(battery.decode(DataType::Integer)?, ValueRef::Integer(100));
///
/// let errors = resources.next().unwrap()?;
/// assert_eq!((errors.kind, errors.id, errors.offset), (Kind::MultipleResource, 11, 6));
/// assert!(resources.next().is_none());
/// # Ok::<(), lwm2m_tlv::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// The unread bytes.
    rest: &'a [u8],
    /// Where they end, counted from the beginning of the payload.
    end: usize,
    /// What may stand here.
    expected: Kinds,
}

/// One Type-Length-Value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its identifier: of the Object Instance, the Resource or the Resource Instance.
    pub id: u16,
    /// Its value: other TLVs, or the value of a Resource or Resource Instance.
    pub value: &'a [u8],
    /// Where its Type byte is, in bytes from the beginning of the payload.
    pub offset: usize,
    /// Where its value is, in bytes from the beginning of the payload.
    pub value_offset: usize,
}

/// Bits 5 to 3 of the Type: how many bytes Identifier and Length have.
const SIZES: u8 = 0b0011_1000;

impl<'a> Reader<'a> {
    /// Reads a payload.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self::within(payload, payload.len(), Kinds::ANY)
    }

    /// Reads bytes that end at `end` in the payload.
    const fn within(bytes: &'a [u8], end: usize, expected: Kinds) -> Self {
        Self {
            rest: bytes,
            end,
            expected,
        }
    }

    /// Where the next TLV is, in bytes from the beginning of the payload.
    #[inline]
    pub const fn offset(&self) -> usize {
        self.end.wrapping_sub(self.rest.len())
    }

    /// The kind of the next TLV, if there is one.
    pub(crate) fn peek(&self) -> Option<Kind> {
        self.rest.first().map(|first| Kind::of(*first))
    }

    /// The next TLV, of whatever kind.
    #[inline]
    pub(crate) fn pull(&mut self) -> Option<Result<Tlv<'a>, DecodeError>> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset();
        Some(match split(self.rest, self.end) {
            Ok((tlv, rest)) => {
                self.rest = rest;
                Ok(tlv)
            }
            Err(problem) => {
                self.rest = &[];
                Err(problem.at(offset))
            }
        })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Tlv<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let expected = self.expected;
        let item = self.pull()?.and_then(|tlv| {
            if expected.contains(tlv.kind) {
                Ok(tlv)
            } else {
                Err(tlv.unexpected(expected))
            }
        });
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

impl FusedIterator for Reader<'_> {}

/// Takes the first TLV off bytes that end at `end`: Type, Identifier, Length, Value.
#[inline]
fn split(bytes: &[u8], end: usize) -> Result<(Tlv<'_>, &[u8]), Problem> {
    // Most TLVs have an Identifier and a Length of one byte at most.
    let (id, length, rest) = match *bytes {
        [first, id, ref rest @ ..] if first & SIZES == 0 => {
            (u16::from(id), usize::from(first & 0b111), rest)
        }
        [first, id, length, ref rest @ ..] if first & SIZES == LENGTH_8 => {
            (u16::from(id), usize::from(length), rest)
        }
        _ => header(bytes)?,
    };
    let first = *bytes.first().ok_or(Problem::Header)?;
    let Some((value, after)) = rest.split_at_checked(length) else {
        let available = rest.len();
        return Err(Problem::Length { length, available });
    };
    let tlv = Tlv {
        kind: Kind::of(first),
        id,
        value,
        offset: end.wrapping_sub(bytes.len()),
        value_offset: end.wrapping_sub(rest.len()),
    };
    Ok((tlv, after))
}

/// Splits a header of any size: Identifier, Length, and what follows.
#[inline(never)]
fn header(bytes: &[u8]) -> Result<(u16, usize, &[u8]), Problem> {
    let (&first, rest) = bytes.split_first().ok_or(Problem::Header)?;
    let (id, rest) = if first & WIDE_ID == 0 {
        let (&id, rest) = rest.split_first().ok_or(Problem::Header)?;
        (u16::from(id), rest)
    } else {
        let (&id, rest) = rest.split_first_chunk().ok_or(Problem::Header)?;
        (u16::from_be_bytes(id), rest)
    };
    // Bits 4 and 3: how many bytes the Length has; without any, bits 2 to 0 are the length.
    let (length, rest) = match first >> 3 & 0b11 {
        0 => (u32::from(first & 0b111), rest),
        1 => {
            let (&length, rest) = rest.split_first().ok_or(Problem::Header)?;
            (u32::from(length), rest)
        }
        2 => {
            let (&length, rest) = rest.split_first_chunk().ok_or(Problem::Header)?;
            (u32::from(u16::from_be_bytes(length)), rest)
        }
        _ => {
            let (&[a, b, c], rest) = rest.split_first_chunk().ok_or(Problem::Header)?;
            (u32::from_be_bytes([0, a, b, c]), rest)
        }
    };
    Ok((id, usize::try_from(length).unwrap_or(usize::MAX), rest))
}

impl<'a> Tlv<'a> {
    /// The TLVs in the value of an Object Instance or of a multiple Resource. The value of any other
    /// TLV is of a data type.
    pub const fn nested(&self) -> Option<Reader<'a>> {
        let expected = match self.kind {
            Kind::ObjectInstance => Kinds::RESOURCES,
            Kind::MultipleResource => Kinds::RESOURCE_INSTANCES,
            Kind::Resource | Kind::ResourceInstance => return None,
        };
        Some(self.contents(expected))
    }

    /// The value as TLVs.
    #[inline]
    pub(crate) const fn contents(&self, expected: Kinds) -> Reader<'a> {
        let end = self.value_offset.wrapping_add(self.value.len());
        Reader::within(self.value, end, expected)
    }

    /// The value as one of this data type (Appendix C), for a Resource or a Resource Instance.
    #[inline]
    pub fn decode(&self, data_type: DataType) -> Result<ValueRef<'a>, DecodeError> {
        value::read(self.value, data_type, |value| value).ok_or_else(|| self.problem(data_type))
    }

    /// The error that the value isn't one of this data type.
    #[cold]
    pub(crate) fn problem(&self, data_type: DataType) -> DecodeError {
        value::problem(self.value, data_type, self.value_offset)
    }

    /// The error that this TLV may not stand here.
    #[cold]
    pub(crate) const fn unexpected(&self, expected: Kinds) -> DecodeError {
        let found = self.kind;
        Problem::Kind { found, expected }.at(self.offset)
    }
}
