//! Object identifiers (ITU-T X.660), as PKCS#15 has them in DER.

use alloc::vec::Vec;
use core::{fmt, str::FromStr};

use thiserror::Error;

/// An object identifier, such as `2.23.43`.
///
/// ```
/// use lwm2m_statemachine::smartcard::ObjectIdentifier;
///
/// let id: ObjectIdentifier = "2.23.43.7.1".parse()?;
/// assert_eq!(id.as_der(), [0x67, 0x2B, 0x07, 0x01]);
/// assert_eq!(id.to_string(), "2.23.43.7.1");
/// # Ok::<(), lwm2m_statemachine::smartcard::ObjectIdentifierError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectIdentifier(Vec<u8>);

/// Text that isn't an object identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "expected two to {MAX_ARCS} numbers with dots between them, the first 0 to 2, the second below 40 \
     unless the first is 2"
)]
pub struct ObjectIdentifierError;

/// More than any registered one has.
const MAX_ARCS: usize = 32;

impl ObjectIdentifier {
    /// The contents of its DER encoding (ITU-T X.690, 8.19), without tag and length.
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// Its numbers, in which the first two are one yet.
    fn subidentifiers(&self) -> impl Iterator<Item = u64> {
        self.0
            .split_inclusive(|byte| byte & 0x80 == 0)
            .map(|bytes| {
                let digits = bytes.iter().map(|byte| u64::from(byte & 0x7F));
                digits.fold(0, |number, digit| number << 7 | digit)
            })
    }
}

impl FromStr for ObjectIdentifier {
    type Err = ObjectIdentifierError;

    fn from_str(text: &str) -> Result<Self, ObjectIdentifierError> {
        let mut arcs = text.split('.').map(|arc| {
            let digits = !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
            arc.parse::<u32>().ok().filter(|_| digits).map(u64::from)
        });
        let mut arc = || arcs.next().flatten();
        let (first, second) = arc().zip(arc()).ok_or(ObjectIdentifierError)?;
        if first > 2 || first < 2 && second >= 40 {
            return Err(ObjectIdentifierError);
        }
        let mut der = Vec::new();
        push(&mut der, first.saturating_mul(40).saturating_add(second));
        for (place, arc) in arcs.enumerate() {
            let arc = arc.filter(|_| place.saturating_add(2) < MAX_ARCS);
            push(&mut der, arc.ok_or(ObjectIdentifierError)?);
        }
        Ok(Self(der))
    }
}

/// Appends a number in groups of seven bits, all but the last marked.
fn push(der: &mut Vec<u8>, number: u64) {
    let mut shift = 63_u32;
    while shift > 0 && number >> shift == 0 {
        shift = shift.saturating_sub(7);
    }
    loop {
        let more = if shift > 0 { 0x80 } else { 0 };
        der.push((number >> shift & 0x7F) as u8 | more);
        if shift == 0 {
            return;
        }
        shift = shift.saturating_sub(7);
    }
}

impl fmt::Display for ObjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = self.subidentifiers();
        let both = numbers.next().unwrap_or_default();
        let first = (both / 40).min(2);
        write!(
            f,
            "{first}.{}",
            both.saturating_sub(first.saturating_mul(40))
        )?;
        numbers.try_for_each(|number| write!(f, ".{number}"))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn numbers_are_groups_of_seven_bits() {
        let cases: &[(&str, &[u8])] = &[
            // The example of ITU-T X.690, 8.19.5.
            ("2.999.3", &[0x88, 0x37, 0x03]),
            ("1.2.840.113549", &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D]),
            ("0.0", &[0x00]),
            ("2.4294967295", &[0x90, 0x80, 0x80, 0x80, 0x4F]),
            ("1.39.128.127", &[0x4F, 0x81, 0x00, 0x7F]),
        ];
        for (text, der) in cases {
            let id: ObjectIdentifier = text.parse().unwrap();
            assert_eq!(id.as_der(), *der, "{text}");
            assert_eq!(id.to_string(), *text);
        }
    }

    #[test]
    fn what_is_no_object_identifier_is_refused() {
        let long = ["1"; 33].join(".");
        let longest = ["1"; 32].join(".");
        assert!(longest.parse::<ObjectIdentifier>().is_ok());
        for text in [
            "",
            "1",
            "1.",
            ".1",
            "1..2",
            "3.1",
            "1.40",
            "1.+2",
            "1.2.4294967296",
            "1.a",
            &long,
        ] {
            let read = text.parse::<ObjectIdentifier>();
            assert_eq!(read, Err(ObjectIdentifierError), "{text}");
        }
    }
}
