//! The file control parameters that a card returns for a SELECT (ETSI TS 102 221, 11.1.1.3).

use alloc::vec::Vec;

use super::{
    ber::{Tlv, Tlvs},
    error::{DataError, DataProblem},
};

/// What the card says of the file or application that it has selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileControl {
    /// How the file is read; `None` for an application, and for what can't be read.
    pub(super) structure: Option<Structure>,
    /// The size of the file, in bytes.
    pub(super) size: Option<usize>,
    /// The PINs of an application that are enabled; `None` if the card doesn't tell.
    pub(super) pins: Option<Vec<u8>>,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    /// As a sequence of bytes.
    Transparent,
    /// Record by record.
    Records {
        /// The length of each; 0 stands for 256, or for any.
        length: u8,
        /// How many there are, if the card tells.
        count: Option<u8>,
    },
}

const FCP: u32 = 0x62;
const FCI: u32 = 0x6F;
const SIZE: u32 = 0x80;
const DESCRIPTOR: u32 = 0x82;
const PIN_STATUS: u32 = 0xC6;
const ENABLED: u32 = 0x90;
const KEY_REFERENCE: u32 = 0x83;

impl FileControl {
    /// Reads a template, in which data objects come in any order.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DataError> {
        let missing = DataProblem::Expected("file control parameters (tag 62)").at(0);
        let template = Tlvs::new(bytes).next().transpose()?;
        let template = template.filter(|tlv| [FCP, FCI].contains(&tlv.tag));
        let mut control = Self::default();
        for tlv in template.ok_or(missing)?.contents() {
            let tlv = tlv?;
            match tlv.tag {
                SIZE => control.size = Some(tlv.number()?),
                DESCRIPTOR => control.structure = structure(&tlv)?,
                PIN_STATUS => control.pins = Some(enabled_pins(&tlv)?),
                _ => {}
            }
        }
        Ok(control)
    }
}

/// The file descriptor byte, and for records the data coding byte, the length of a record of two
/// bytes, and how many there are.
fn structure(tlv: &Tlv<'_>) -> Result<Option<Structure>, DataError> {
    let [descriptor, ref rest @ ..] = *tlv.value else {
        let expected = DataProblem::Expected("a file descriptor byte");
        return Err(expected.at(tlv.value_offset()));
    };
    // Bits 6 to 4 say what it is, 000 and 001 being elementary files; bits 3 to 1 the structure.
    if descriptor & 0b1011_0000 != 0 {
        return Ok(None);
    }
    Ok(match descriptor & 0b111 {
        0b001 => Some(Structure::Transparent),
        0b010..=0b101 => {
            let (length, count) = match *rest {
                [_, 0, length, count, ..] => (length, Some(count)),
                [_, 0, length] => (length, None),
                // 256, or a length that no short command can ask for: the card will say.
                [_, _, _, count, ..] => (0, Some(count)),
                _ => (0, None),
            };
            Some(Structure::Records { length, count })
        }
        _ => None,
    })
}

/// The PIN status template (ETSI TS 102 221, 9.5.2): a bit for each key reference, the highest first,
/// which says whether it is enabled.
fn enabled_pins(template: &Tlv<'_>) -> Result<Vec<u8>, DataError> {
    let enabled = template.contents().find(ENABLED)?;
    let enabled = enabled.map_or(&[][..], |tlv| tlv.value);
    let mut bits = enabled
        .iter()
        .flat_map(|byte| (0..8_u8).map(move |bit| byte << bit & 0x80 != 0));
    let mut pins = Vec::new();
    for tlv in template.contents() {
        let tlv = tlv?;
        if let (KEY_REFERENCE, [reference]) = (tlv.tag, tlv.value)
            && bits.next() == Some(true)
        {
            pins.push(*reference);
        }
    }
    Ok(pins)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn length_of(bytes: &[u8]) -> u8 {
        bytes.len().try_into().unwrap()
    }

    #[test]
    fn a_transparent_file_has_a_size() {
        let fcp = [
            0x62, 0x0F, 0x82, 0x02, 0x41, 0x21, 0x83, 0x02, 0x50, 0x31, 0x8A, 0x01, 0x05, 0x80,
            0x02, 0x01, 0x40,
        ];
        let control = FileControl::read(&fcp).unwrap();
        assert_eq!(control.structure, Some(Structure::Transparent));
        assert_eq!((control.size, control.pins), (Some(320), None));
    }

    #[test]
    fn a_file_of_records_has_a_length_and_a_count() {
        let cases: &[(&[u8], u8, Option<u8>)] = &[
            (&[0x42, 0x21, 0x00, 0x26, 0x02], 0x26, Some(2)),
            (&[0x42, 0x21, 0x26], 0, None),
            (&[0x44, 0x21, 0x00, 0x26], 0x26, None),
            (&[0x02], 0, None),
            (&[0x42, 0x21, 0x01, 0x00, 0x03], 0, Some(3)),
        ];
        for (descriptor, length, count) in cases {
            let inner = [&[0x82, length_of(descriptor)][..], descriptor].concat();
            let fcp = [&[0x62, length_of(&inner)][..], &inner].concat();
            let (length, count) = (*length, *count);
            let read = FileControl::read(&fcp).unwrap().structure;
            assert_eq!(
                read,
                Some(Structure::Records { length, count }),
                "{fcp:02X?}"
            );
        }
    }

    #[test]
    fn only_pins_that_are_enabled_are_told() {
        let fcp = [
            0x62, 0x10, 0x82, 0x02, 0x78, 0x21, 0xC6, 0x0A, 0x90, 0x01, 0x60, 0x83, 0x01, 0x01,
            0x83, 0x01, 0x81, 0x83, 0x01, 0x0A,
        ];
        let cut = FileControl::read(&fcp).unwrap_err();
        assert_eq!(cut.offset, 17);
        let fcp = [
            0x62, 0x12, 0x82, 0x02, 0x78, 0x21, 0xC6, 0x0C, 0x90, 0x01, 0x60, 0x83, 0x01, 0x01,
            0x83, 0x01, 0x81, 0x83, 0x01, 0x0A,
        ];
        let control = FileControl::read(&fcp).unwrap();
        assert_eq!(control.structure, None);
        assert_eq!(control.pins, Some(vec![0x81, 0x0A]));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for bytes in [&[][..], &[0x84, 0x00], &[0x62, 0x02, 0x82, 0x00]] {
            let error = FileControl::read(bytes).unwrap_err();
            assert!(matches!(error.problem, DataProblem::Expected(_)), "{error}");
        }
    }
}
