//! Numbers that are recognised wherever they appear: in a payload of any format, in arguments, in a
//! value. Each operation of a server has one, and so has each value of the counter.

use std::collections::BTreeSet;

use lwm2m_core::ValueRef;

const OPERATION: u32 = 0x5a00_0000;
const COUNTER: u32 = 0x5b00_0000;
/// As many digits as each of them has.
const DIGITS: usize = 10;

/// Stands for the number of an operation in a payload, in octets and in digits.
pub(super) const OCTETS: [u8; 4] = [0x5a, 0xff, 0xff, 0xff];
const IN_DIGITS: &[u8; DIGITS] = b"1526726655";

/// The value that an operation with this number writes.
pub(super) const fn operation(number: u32) -> u32 {
    OPERATION | number & 0xffff
}

pub(super) const fn counter(number: u32) -> u32 {
    COUNTER | number & 0xffff
}

/// A payload with this number wherever one belongs.
pub(super) fn fill(payload: &[u8], number: u32) -> Vec<u8> {
    let number = operation(number);
    let mut filled = payload.to_vec();
    replace(&mut filled, &OCTETS, &number.to_be_bytes());
    replace(&mut filled, IN_DIGITS, number.to_string().as_bytes());
    filled
}

/// How many numbers belong into a payload.
pub(super) fn places(payload: &[u8]) -> usize {
    let count = |of: &[u8]| payload.windows(of.len()).filter(|part| *part == of).count();
    count(&OCTETS) + count(IN_DIGITS)
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    for at in 0..bytes.len() {
        if let Some(part) = bytes.get_mut(at..at + old.len())
            && part == old
        {
            part.copy_from_slice(new);
        }
    }
}

/// The numbers of operations in these bytes.
pub(super) fn operations(bytes: &[u8]) -> BTreeSet<u32> {
    marked(bytes, OPERATION)
}

/// The counters in these bytes.
pub(super) fn counters(bytes: &[u8]) -> BTreeSet<u32> {
    marked(bytes, COUNTER)
}

/// The number of the operation that wrote a value.
pub(super) fn of_value(value: ValueRef<'_>) -> Option<u32> {
    match value {
        ValueRef::Integer(value) => {
            let value = u32::try_from(value).ok()?;
            (value & 0xffff_0000 == OPERATION).then_some(value & 0xffff)
        }
        ValueRef::String(text) => operations(text.as_bytes()).pop_first(),
        ValueRef::Opaque(bytes) => operations(bytes).pop_first(),
        _ => None,
    }
}

fn marked(bytes: &[u8], mark: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut note = |value: u32| {
        if value & 0xffff_0000 == mark {
            found.insert(value & 0xffff);
        }
    };
    for octets in bytes.windows(4) {
        note(u32::from_be_bytes([
            octets[0], octets[1], octets[2], octets[3],
        ]));
    }
    for digits in bytes.split(|byte| !byte.is_ascii_digit()) {
        if digits.len() == DIGITS {
            let text = str::from_utf8(digits).expect("digits");
            if let Ok(value) = text.parse() {
                note(value);
            }
        }
    }
    found
}
