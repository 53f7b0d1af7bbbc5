//! BER-TLV, as far as smartcards use it (ISO/IEC 7816-4, 5.2.2; DER is a part of it).

use super::error::{DataError, DataProblem};

/// The data objects in some bytes, one after the other. `00` and `FF` between them mean nothing
/// (ISO/IEC 7816-4). After an error it is at its end.
#[derive(Clone, Debug)]
pub(super) struct Tlvs<'a> {
    rest: &'a [u8],
    /// Where `rest` ends, in bytes from the beginning of the file.
    end: usize,
}

/// A data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tlv<'a> {
    /// Its tag, of one to three bytes.
    pub(super) tag: u32,
    pub(super) value: &'a [u8],
    /// Where its tag is, in bytes from the beginning of the file.
    pub(super) offset: usize,
    /// Where its value ends, in bytes from the beginning of the file.
    end: usize,
}

type Read<T> = Result<T, DataError>;

impl<'a> Tlvs<'a> {
    /// Those in the bytes of a file.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            end: bytes.len(),
        }
    }

    /// Where the next data object is, in bytes from the beginning of the file.
    pub(super) const fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// The next data object, if it has this tag.
    pub(super) fn optional(&mut self, tag: u32) -> Read<Option<Tlv<'a>>> {
        let mut ahead = self.clone();
        let Some(tlv) = ahead.next().transpose()?.filter(|tlv| tlv.tag == tag) else {
            return Ok(None);
        };
        *self = ahead;
        Ok(Some(tlv))
    }

    /// The next data object, which must have this tag.
    pub(super) fn expect(&mut self, tag: u32, expected: &'static str) -> Read<Tlv<'a>> {
        let offset = self.offset();
        let found = self.optional(tag)?;
        found.ok_or(DataProblem::Expected(expected).at(offset))
    }

    /// The first of the data objects that has this tag.
    pub(super) fn find(mut self, tag: u32) -> Read<Option<Tlv<'a>>> {
        self.find_map(|tlv| match tlv {
            Ok(tlv) if tlv.tag != tag => None,
            other => Some(other),
        })
        .transpose()
    }

    fn pull(&mut self) -> Read<Option<Tlv<'a>>> {
        while let [0x00 | 0xFF, rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = self.offset();
        let (tag, rest) = tag(self.rest).map_err(|problem| problem.at(offset))?;
        let (length, rest) = length(rest).map_err(|problem| problem.at(offset))?;
        let Some((value, rest)) = rest.split_at_checked(length) else {
            let available = rest.len();
            return Err(DataProblem::Length { length, available }.at(offset));
        };
        self.rest = rest;
        Ok(Some(Tlv {
            tag,
            value,
            offset,
            end: self.offset(),
        }))
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Read<Tlv<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.pull().transpose()?;
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

impl<'a> Tlv<'a> {
    /// The data objects in its value.
    pub(super) const fn contents(&self) -> Tlvs<'a> {
        Tlvs {
            rest: self.value,
            end: self.end,
        }
    }

    /// Where its value is, in bytes from the beginning of the file.
    pub(super) const fn value_offset(&self) -> usize {
        self.end.saturating_sub(self.value.len())
    }

    /// Its value as a number from 0, of up to four bytes.
    pub(super) fn number(&self) -> Read<usize> {
        let number = match *self.value {
            [a] => u32::from(a),
            [a, b] => u32::from_be_bytes([0, 0, a, b]),
            [a, b, c] => u32::from_be_bytes([0, a, b, c]),
            [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
            _ => return Err(DataProblem::Number.at(self.value_offset())),
        };
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }
}

/// A tag of one to three bytes.
fn tag(bytes: &[u8]) -> Result<(u32, &[u8]), DataProblem> {
    const MORE: u8 = 0x80;

    match *bytes {
        [a, ref rest @ ..] if a & 0x1F != 0x1F => Ok((a.into(), rest)),
        [a, b, ref rest @ ..] if b & MORE == 0 => Ok((u32::from_be_bytes([0, 0, a, b]), rest)),
        [a, b, c, ref rest @ ..] if c & MORE == 0 => Ok((u32::from_be_bytes([0, a, b, c]), rest)),
        [_, _, _, ..] => Err(DataProblem::Tag),
        _ => Err(DataProblem::Header),
    }
}

/// A length in the short form, or in the long one of up to three bytes.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), DataProblem> {
    let (number, rest) = match *bytes {
        [a @ 0..=0x7F, ref rest @ ..] | [0x81, a, ref rest @ ..] => (u32::from(a), rest),
        [0x82, a, b, ref rest @ ..] => (u32::from_be_bytes([0, 0, a, b]), rest),
        [0x83, a, b, c, ref rest @ ..] => (u32::from_be_bytes([0, a, b, c]), rest),
        [] | [0x81..=0x83, ..] => return Err(DataProblem::Header),
        [_, ..] => return Err(DataProblem::LengthForm),
    };
    Ok((usize::try_from(number).unwrap_or(usize::MAX), rest))
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    /// The tag, the length and where the value is; or where something is wrong.
    type Item = Result<(u32, usize, usize), (usize, DataProblem)>;

    fn read(bytes: &[u8]) -> Vec<Item> {
        Tlvs::new(bytes)
            .map(|item| {
                let item = item.map_err(|error| (error.offset, error.problem));
                item.map(|tlv| (tlv.tag, tlv.value.len(), tlv.value_offset()))
            })
            .collect()
    }

    #[test]
    fn tags_and_lengths_have_several_forms() {
        assert_eq!(read(&[0x30, 0x01, 0xAA]), [Ok((0x30, 1, 2))]);
        assert_eq!(read(&[0x7F, 0x49, 0x00]), [Ok((0x7F49, 0, 3))]);
        assert_eq!(read(&[0x5F, 0x81, 0x01, 0x00]), [Ok((0x5F_8101, 0, 4))]);
        assert_eq!(read(&[0x04, 0x81, 0x01, 0xAA]), [Ok((4, 1, 3))]);
        assert_eq!(read(&[0x04, 0x82, 0x00, 0x01, 0xAA]), [Ok((4, 1, 4))]);
        assert_eq!(read(&[0x04, 0x83, 0x00, 0x00, 0x01, 0xAA]), [Ok((4, 1, 5))]);
    }

    #[test]
    fn bytes_between_data_objects_mean_nothing() {
        let padded = [0x00, 0x04, 0x00, 0xFF, 0x00, 0x05, 0x00, 0xFF, 0xFF];
        assert_eq!(read(&padded), [Ok((4, 0, 3)), Ok((5, 0, 7))]);
        assert_eq!(read(&[0xFF; 8]), []);
    }

    #[test]
    fn what_is_wrong_has_a_place_and_is_the_end() {
        let cases: &[(&[u8], usize, DataProblem)] = &[
            (&[0x30], 0, DataProblem::Header),
            (&[0x7F], 0, DataProblem::Header),
            (&[0x7F, 0x81], 0, DataProblem::Header),
            (&[0x7F, 0x81, 0x82, 0x01], 0, DataProblem::Tag),
            (&[0x30, 0x81], 0, DataProblem::Header),
            (&[0x30, 0x82, 0x01], 0, DataProblem::Header),
            (&[0x30, 0x80, 0x00, 0x00], 0, DataProblem::LengthForm),
            (&[0x30, 0x84, 0, 0, 0, 0], 0, DataProblem::LengthForm),
            (
                &[0x30, 0x83, 0xFF, 0xFF, 0xFF, 0x04, 0x00],
                0,
                DataProblem::Length {
                    length: 0xFF_FFFF,
                    available: 2,
                },
            ),
        ];
        for (bytes, offset, problem) in cases {
            assert_eq!(read(bytes), vec![Err((*offset, *problem))], "{bytes:02X?}");
        }
        let second = [0x04, 0x00, 0xFF, 0x30, 0x02, 0x00];
        let problem = DataProblem::Length {
            length: 2,
            available: 1,
        };
        assert_eq!(read(&second), [Ok((4, 0, 2)), Err((3, problem))]);
    }

    #[test]
    fn a_nested_length_stays_within_what_is_around_it() {
        let bytes = [0x30, 0x02, 0x04, 0x03, 0xAA, 0xAA, 0xAA];
        let outer = Tlvs::new(&bytes).next().unwrap().unwrap();
        let inner = outer.contents().next().unwrap().unwrap_err();
        assert_eq!(inner.offset, 2);
    }
}
