//! Options: their numbers, their rules, and the encoding of numbers in them (RFC 7252 §3.1, §3.2,
//! §5.4, §5.10; RFC 7641 §2; RFC 7959 §2.1, §4).

use core::fmt;

use thiserror::Error;

/// The number of an option.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionNumber(u16);

/// The rules for an option that this crate knows. Aligned, because every option of a message is
/// looked up here.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Rule {
    /// The shortest legal value.
    min: u32,
    /// How much longer a legal value may be.
    span: u16,
    repeatable: bool,
    text: bool,
}

impl Rule {
    /// No length is legal: for unknown options.
    const UNKNOWN: Self = Self {
        min: u32::MAX,
        span: 0,
        repeatable: false,
        text: false,
    };

    const fn opaque(min: u16, max: u16) -> Self {
        Self {
            min: min as u32,
            span: max - min,
            repeatable: false,
            text: false,
        }
    }

    const fn uint(max: u16) -> Self {
        Self::opaque(0, max)
    }

    const fn text(min: u16, max: u16) -> Self {
        let mut rule = Self::opaque(min, max);
        rule.text = true;
        rule
    }

    const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

/// What is wrong with an option of a message; see
/// [`MessageRef::offending`](super::MessageRef::offending).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum OptionFault {
    /// This crate does not know an option of this number.
    #[error("unknown")]
    Unknown,
    /// The value is shorter or longer than the definition of the option allows (RFC 7252 §5.4.3).
    #[error("{length} bytes instead of {shortest} to {longest}")]
    Length {
        /// The length of the value in bytes.
        length: usize,
        /// The shortest legal length in bytes.
        shortest: u16,
        /// The longest legal length in bytes.
        longest: u16,
    },
    /// The option may occur only once, and has occurred before (RFC 7252 §5.4.5).
    #[error("repeated")]
    Repeated,
    /// The value should be text but isn't UTF-8 (RFC 7252 §3.2).
    #[error("not UTF-8")]
    NotUtf8,
    /// The value is excluded: "." or ".." as a segment of a path (RFC 7252 §5.10.1, §5.10.7), or
    /// the reserved size of a block (RFC 7959 §2.2).
    #[error("excluded value")]
    Value,
}

/// The length of the table of rules; all known option numbers are below.
const KNOWN: usize = 64;

/// Defines the constants, names and rules of the options.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $rule:expr;)*) => {
        impl OptionNumber {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// The name that its RFC gives the option, if it is known.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }

        static RULES: [Rule; KNOWN] = {
            let mut rules = [Rule::UNKNOWN; KNOWN];
            $(rules[$number] = $rule;)*
            rules
        };
    };
}

options! {
    /// RFC 7252 §5.10.8.1
    IF_MATCH = 1, "If-Match", Rule::opaque(0, 8).repeatable();
    /// RFC 7252 §5.10.1
    URI_HOST = 3, "Uri-Host", Rule::text(1, 255);
    /// RFC 7252 §5.10.6. Repeatable in requests; a response has one.
    ETAG = 4, "ETag", Rule::opaque(1, 8).repeatable();
    /// RFC 7252 §5.10.8.2
    IF_NONE_MATCH = 5, "If-None-Match", Rule::opaque(0, 0);
    /// RFC 7641 §2
    OBSERVE = 6, "Observe", Rule::uint(3);
    /// RFC 7252 §5.10.1
    URI_PORT = 7, "Uri-Port", Rule::uint(2);
    /// RFC 7252 §5.10.7
    LOCATION_PATH = 8, "Location-Path", Rule::text(0, 255).repeatable();
    /// RFC 7252 §5.10.1
    URI_PATH = 11, "Uri-Path", Rule::text(0, 255).repeatable();
    /// RFC 7252 §5.10.3
    CONTENT_FORMAT = 12, "Content-Format", Rule::uint(2);
    /// RFC 7252 §5.10.5
    MAX_AGE = 14, "Max-Age", Rule::uint(4);
    /// RFC 7252 §5.10.1
    URI_QUERY = 15, "Uri-Query", Rule::text(0, 255).repeatable();
    /// RFC 7252 §5.10.4
    ACCEPT = 17, "Accept", Rule::uint(2);
    /// RFC 7252 §5.10.7
    LOCATION_QUERY = 20, "Location-Query", Rule::text(0, 255).repeatable();
    /// RFC 7959 §2.1
    BLOCK2 = 23, "Block2", Rule::uint(3);
    /// RFC 7959 §2.1
    BLOCK1 = 27, "Block1", Rule::uint(3);
    /// RFC 7959 §4
    SIZE2 = 28, "Size2", Rule::uint(4);
    /// RFC 7252 §5.10.2
    PROXY_URI = 35, "Proxy-Uri", Rule::text(1, 1034);
    /// RFC 7252 §5.10.2
    PROXY_SCHEME = 39, "Proxy-Scheme", Rule::text(1, 255);
    /// RFC 7252 §5.10.9
    SIZE1 = 60, "Size1", Rule::uint(4);
}

impl OptionNumber {
    /// The option with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether an endpoint that doesn't understand the option must not process the message (RFC
    /// 7252 §5.4.1).
    pub const fn is_critical(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether a proxy that does not understand the option must not forward it (RFC 7252 §5.4.2).
    pub const fn is_unsafe(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether the option may occur more than once (RFC 7252 §5.4.5); unknown ones may not.
    pub fn is_repeatable(self) -> bool {
        self.rule().repeatable
    }

    /// The shortest and the longest legal value, in bytes, if the option is known
    /// (RFC 7252 §5.4.3).
    #[inline]
    pub fn lengths(self) -> Option<(u16, u16)> {
        let rule = self.rule();
        let min = u16::try_from(rule.min).ok()?;
        Some((min, min.saturating_add(rule.span)))
    }

    /// Whether it is a path segment.
    pub(super) const fn is_path(self) -> bool {
        matches!(self, Self::URI_PATH | Self::LOCATION_PATH)
    }

    /// Whether the length and the position of this value are legal and, if it is text, it is UTF-8.
    /// Otherwise the option must be treated as unrecognised (RFC 7252 §5.4.3, §5.4.5).
    #[inline]
    pub(super) fn is_legal(self, value: &[u8], repeated: bool) -> bool {
        let rule = self.rule();
        value.len().wrapping_sub(rule.min as usize) <= usize::from(rule.span)
            && (rule.repeatable || !repeated)
            && (!rule.text || is_utf8(value))
    }

    /// The fault of this value at its position, if any: everything that
    /// [`is_legal`](Self::is_legal) checks, and excluded values.
    pub(super) fn fault(self, value: &[u8], repeated: bool) -> Option<OptionFault> {
        let rule = self.rule();
        let Some((shortest, longest)) = self.lengths() else {
            return Some(OptionFault::Unknown);
        };
        let length = value.len();
        if length < shortest.into() || length > longest.into() {
            return Some(OptionFault::Length {
                length,
                shortest,
                longest,
            });
        }
        if repeated && !rule.repeatable {
            return Some(OptionFault::Repeated);
        }
        if rule.text && !is_utf8(value) {
            return Some(OptionFault::NotUtf8);
        }
        let is_excluded = match self {
            Self::BLOCK1 | Self::BLOCK2 => BlockOption::read(value).is_none(),
            _ => self.is_path() && matches!(value, b"." | b".."),
        };
        is_excluded.then_some(OptionFault::Value)
    }

    #[inline]
    fn rule(self) -> &'static Rule {
        RULES.get(usize::from(self.0)).unwrap_or(&Rule::UNKNOWN)
    }

    /// The option's bit in an [`OptionSet`]; 0 beyond the known ones.
    #[inline]
    pub(super) const fn bit(self) -> u64 {
        if self.0 < 64 { 1 << self.0 } else { 0 }
    }
}

/// Checks for UTF-8, optimised for the short ASCII strings that options hold: two words that may
/// overlap cover up to 32 bytes.
#[inline]
fn is_utf8(value: &[u8]) -> bool {
    const HIGH: u128 = u128::from_ne_bytes([0x80; 16]);
    let all = if let (Some(first), Some(last)) =
        (value.first_chunk::<16>(), value.last_chunk::<16>())
    {
        if value.len() > 32 {
            return is_long_utf8(value);
        }
        u128::from_ne_bytes(*first) | u128::from_ne_bytes(*last)
    } else if let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        u128::from(u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last))
    } else if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        u128::from(u32::from_ne_bytes(*first) | u32::from_ne_bytes(*last))
    } else {
        value.iter().fold(0, |all, byte| all | u128::from(*byte))
    };
    all & HIGH == 0 || is_long_utf8(value)
}

/// Checks for UTF-8 in the general case.
#[cold]
fn is_long_utf8(value: &[u8]) -> bool {
    core::str::from_utf8(value).is_ok()
}

impl fmt::Display for OptionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "option {}", self.0),
        }
    }
}

impl fmt::Debug for OptionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A set of options that this crate knows.
///
/// ```
/// use lwm2m_statemachine::coap::{OptionNumber, OptionSet};
///
/// let set = OptionSet::NONE.with(OptionNumber::URI_PATH);
/// assert!(set.contains(OptionNumber::URI_PATH));
/// assert!(!set.contains(OptionNumber::ACCEPT));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionSet(u64);

impl fmt::Debug for OptionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = *self;
        let next = || {
            let first = left.first()?;
            left = left.without(first);
            Some(first)
        };
        f.debug_set().entries(core::iter::from_fn(next)).finish()
    }
}

impl OptionSet {
    /// No option.
    pub const NONE: Self = Self(0);

    /// With this option; unknown ones cannot be held.
    #[must_use]
    pub const fn with(self, option: OptionNumber) -> Self {
        Self(self.0 | option.bit())
    }

    /// Without this option.
    #[must_use]
    pub const fn without(self, option: OptionNumber) -> Self {
        Self(self.0 & !option.bit())
    }

    /// Whether it holds this option.
    pub const fn contains(self, option: OptionNumber) -> bool {
        self.0 & option.bit() != 0
    }

    /// Adds an option that is known.
    #[inline]
    pub(super) const fn add_known(&mut self, option: OptionNumber) {
        self.0 |= 1_u64.wrapping_shl(option.0 as u32);
    }

    /// The option with the lowest number.
    pub(super) fn first(self) -> Option<OptionNumber> {
        let first = self.0.trailing_zeros();
        if first >= u64::BITS {
            return None;
        }
        u16::try_from(first).ok().map(OptionNumber)
    }

    /// The intersection with `other`.
    pub(super) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The critical options that are not in `other`.
    pub(super) const fn critical_outside(self, other: Self) -> Self {
        const CRITICAL: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        Self(self.0 & !other.0 & CRITICAL)
    }
}

/// A number encoded as an option value: big-endian, in as few bytes as possible (RFC 7252 §3.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Uint {
    bytes: [u8; 4],
    /// Leading zeros.
    skip: usize,
}

impl Uint {
    #[inline]
    pub(super) const fn new(number: u32) -> Self {
        Self {
            bytes: number.to_be_bytes(),
            skip: (number.leading_zeros() / 8) as usize,
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.skip..).unwrap_or(&[])
    }

    /// The bytes after the first one of a word, before zeros.
    #[inline]
    pub(super) fn at_start(&self) -> u64 {
        u64::from(u32::from_be_bytes(self.bytes)) << 24 << (8 * self.skip)
    }

    /// Reads up to 4 bytes; leading zeros are allowed.
    #[inline]
    pub(super) fn read(value: &[u8]) -> Option<u32> {
        (value.len() <= 4).then(|| {
            value
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte))
        })
    }
}

/// The value of a Block1 or Block2 option (RFC 7959 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockOption {
    number: u32,
    more: bool,
    exponent: u8,
}

impl BlockOption {
    /// The highest number of a block: it has 20 bits.
    pub const MAX_NUMBER: u32 = (1 << 20) - 1;

    /// A block of `size` bytes: 16, 32, 64, 128, 256, 512 or 1024. `None` for other sizes, and for
    /// numbers above [`MAX_NUMBER`](Self::MAX_NUMBER).
    pub fn new(number: u32, more: bool, size: usize) -> Option<Self> {
        let exponent = match size {
            16 => 0,
            32 => 1,
            64 => 2,
            128 => 3,
            256 => 4,
            512 => 5,
            1024 => 6,
            _ => return None,
        };
        (number <= Self::MAX_NUMBER).then_some(Self {
            number,
            more,
            exponent,
        })
    }

    /// Decodes the option's value. `None` if it is longer than 3 bytes or has the reserved size 7.
    pub fn read(value: &[u8]) -> Option<Self> {
        if value.len() > 3 {
            return None;
        }
        Self::from_value(Uint::read(value)?)
    }

    /// Decodes the number that the option holds.
    pub(super) fn from_value(value: u32) -> Option<Self> {
        let exponent = u8::try_from(value & 0x7).ok()?;
        (exponent < 7).then_some(Self {
            number: value >> 4,
            more: value & 0x8 != 0,
            exponent,
        })
    }

    /// The block number.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Whether more blocks follow.
    pub const fn more(self) -> bool {
        self.more
    }

    /// The size of the blocks in bytes.
    pub const fn size(self) -> usize {
        16 << self.exponent
    }

    /// Where the block begins in the body.
    pub const fn offset(self) -> usize {
        (self.number as usize) << (self.exponent + 4)
    }

    pub(super) const fn value(self) -> u32 {
        self.number << 4 | (self.more as u32) << 3 | self.exponent as u32
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn properties_are_those_of_table_4() {
        // Number, critical, unsafe, repeatable, lengths: RFC 7252 §5.10.
        let table = [
            (1, true, false, true, (0, 8)),
            (3, true, true, false, (1, 255)),
            (4, false, false, true, (1, 8)),
            (5, true, false, false, (0, 0)),
            (6, false, true, false, (0, 3)),
            (7, true, true, false, (0, 2)),
            (8, false, false, true, (0, 255)),
            (11, true, true, true, (0, 255)),
            (12, false, false, false, (0, 2)),
            (14, false, true, false, (0, 4)),
            (15, true, true, true, (0, 255)),
            (17, true, false, false, (0, 2)),
            (20, false, false, true, (0, 255)),
            (23, true, true, false, (0, 3)),
            (27, true, true, false, (0, 3)),
            (28, false, false, false, (0, 4)),
            (35, true, true, false, (1, 1034)),
            (39, true, true, false, (1, 255)),
            (60, false, false, false, (0, 4)),
        ];
        for (number, critical, unsafe_to_forward, repeatable, lengths) in table {
            let option = OptionNumber::new(number);
            assert_eq!(
                (
                    option.is_critical(),
                    option.is_unsafe(),
                    option.is_repeatable(),
                    option.lengths()
                ),
                (critical, unsafe_to_forward, repeatable, Some(lengths)),
                "{option}"
            );
        }
        let known = (0..=u16::MAX).filter(|number| OptionNumber::new(*number).lengths().is_some());
        assert_eq!(known.count(), table.len());
    }

    /// RFC 7252 §3.2: a text is UTF-8, however long it is and wherever it is not.
    #[test]
    fn text_is_legal_if_all_of_it_is_utf8() {
        let is_legal = |value: &[u8]| OptionNumber::URI_PATH.is_legal(value, false);
        for length in 0..=80 {
            let mut text = alloc::vec![b'x'; length];
            assert!(is_legal(&text), "{length}");
            for place in 0..length {
                text[place] = 0xc3;
                assert!(!is_legal(&text), "{length} {place}");
                if let Some(after) = text.get_mut(place + 1) {
                    *after = 0xa4;
                    assert!(is_legal(&text), "{length} {place}");
                    text[place + 1] = b'x';
                }
                text[place] = b'x';
            }
            assert_eq!(is_legal(&alloc::vec![0x80; length]), length == 0);
        }
    }

    /// What is legal has no fault but an excluded value.
    #[test]
    fn what_is_not_legal_has_a_reason() {
        let values: [&[u8]; 9] = [
            b"",
            b"x",
            b".",
            b"..",
            b"\xff",
            b"\x07",
            b"1234",
            b"123456789",
            &[b'x'; 256],
        ];
        for number in (0..=70).chain([1000, 65_001]) {
            let option = OptionNumber::new(number);
            for (value, repeated) in values.iter().flat_map(|v| [(v, false), (v, true)]) {
                let fault = option.fault(value, repeated);
                let is_legal = matches!(fault, None | Some(OptionFault::Value));
                let expected = option.is_legal(value, repeated);
                assert_eq!(is_legal, expected, "{option} {value:02x?} {repeated}");
            }
        }
    }

    #[test]
    fn options_are_displayed_by_their_names() {
        assert_eq!(OptionNumber::URI_PATH.to_string(), "Uri-Path");
        assert_eq!(OptionNumber::new(65_000).to_string(), "option 65000");
        assert_eq!(alloc::format!("{:?}", OptionNumber::SIZE1), "Size1");
    }

    #[test]
    fn a_set_holds_what_was_added_and_not_taken_out() {
        let both = OptionSet::NONE
            .with(OptionNumber::ACCEPT)
            .with(OptionNumber::ETAG)
            .with(OptionNumber::ETAG);
        let accept = both.without(OptionNumber::ETAG);
        assert_eq!(accept, OptionSet::NONE.with(OptionNumber::ACCEPT));
        assert_eq!(accept.without(OptionNumber::ETAG), accept);
        assert_eq!(both.first(), Some(OptionNumber::ETAG));
        assert_eq!(OptionSet::NONE.first(), None);
        assert_eq!(both.within(accept), accept);
        // Of the two, only Accept is critical.
        assert_eq!(both.critical_outside(OptionSet::NONE), accept);
        assert_eq!(both.critical_outside(accept), OptionSet::NONE);
        let unknown = OptionNumber::new(64);
        assert_eq!(both.with(unknown), both);
        assert_eq!(alloc::format!("{both:?}"), "{ETag, Accept}");
        assert!(!both.contains(unknown));
    }

    #[test]
    fn numbers_take_as_few_bytes_as_possible() {
        for (number, bytes) in [
            (0, &[] as &[u8]),
            (1, &[1]),
            (255, &[255]),
            (256, &[1, 0]),
            (0x01_0000, &[1, 0, 0]),
            (u32::MAX, &[255; 4]),
        ] {
            assert_eq!(Uint::new(number).as_bytes(), bytes);
            assert_eq!(Uint::read(bytes), Some(number));
        }
        assert_eq!(Uint::read(&[0, 0, 7]), Some(7));
        assert_eq!(Uint::read(&[0; 5]), None);
    }

    #[test]
    fn blocks_are_read_and_written() {
        let block = BlockOption::new(3, true, 64).unwrap();
        assert_eq!(block.value(), 0x3a);
        assert_eq!(BlockOption::read(&[0x3a]), Some(block));
        assert_eq!(block.offset(), 192);
        assert_eq!(BlockOption::read(&[0x37]), None);
        assert_eq!(BlockOption::read(&[0; 4]), None);
        assert_eq!(BlockOption::new(1 << 20, false, 16), None);
        assert_eq!(BlockOption::new(0, false, 48), None);
        let last = BlockOption::new(BlockOption::MAX_NUMBER, false, 1024).unwrap();
        assert_eq!(
            BlockOption::read(Uint::new(last.value()).as_bytes()),
            Some(last)
        );
    }
}
