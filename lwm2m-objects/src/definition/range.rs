use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt::{self, Write as _};

use lwm2m_core::{DataType, ValueRef};

/// The values that a Resource may have (TS D.1, "Range or Enumeration").
///
/// Registered definitions write ranges in many forms. [`read`](Self::read) understands the usual
/// ones and keeps the others as [`Words`](Self::Words). What is printed can be read back.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Range {
    /// A number from the first to the second, both included: `0..7`.
    Numbers(i64, i64),
    /// A floating point number from the first to the second, both included: `-90.0..90.0`.
    Floats(f64, f64),
    /// One of these numbers: `0, 1, 50`.
    Values(Cow<'static, [i64]>),
    /// An unsigned number of this many bits, 1 to 63: `16-bit`.
    Bits(u8),
    /// Text or octets of a length from the first to the second, both included: `0..255 bytes`.
    Bytes(usize, usize),
    /// Text or octets of one of these numbers of bytes: `16, 32, 48 bytes`.
    Lengths(Cow<'static, [usize]>),
    /// One of these texts: `"U", "UQ"`.
    OneOf(Cow<'static, [Cow<'static, str>]>),
    /// A range in words, which is not checked.
    Words(Cow<'static, str>),
}

impl Range {
    /// Whether the value is in the range. A value of a type that the range
    /// doesn't apply to is allowed.
    #[expect(clippy::cast_precision_loss, reason = "ranges are small numbers")]
    pub fn allows(&self, value: &ValueRef<'_>) -> bool {
        match *value {
            ValueRef::Integer(number) | ValueRef::Time(number) => match self {
                Self::Numbers(from, to) => (from..=to).contains(&&number),
                Self::Values(numbers) => numbers.contains(&number),
                // A shift by 64 bits or more leaves nothing.
                Self::Bits(bits) => {
                    number >= 0
                        && number
                            .checked_shr((*bits).into())
                            .is_none_or(|high| high == 0)
                }
                _ => true,
            },
            ValueRef::Float(number) => match *self {
                Self::Numbers(from, to) => (from as f64..=to as f64).contains(&number),
                Self::Floats(from, to) => (from..=to).contains(&number),
                _ => true,
            },
            ValueRef::String(text) => match self {
                Self::OneOf(texts) => texts.iter().any(|allowed| allowed == text),
                _ => self.allows_length(text.len()),
            },
            ValueRef::Opaque(bytes) => self.allows_length(bytes.len()),
            _ => true,
        }
    }

    fn allows_length(&self, length: usize) -> bool {
        match self {
            Self::Bytes(from, to) => (from..=to).contains(&&length),
            Self::Lengths(lengths) => lengths.contains(&length),
            _ => true,
        }
    }

    /// Reads the range of a data type from text. Empty text means no range.
    ///
    /// Two bounds have `..` or `-` between them, and may be in brackets. For String and Opaque they
    /// are lengths in bytes, and the word `bytes` may be left out. Single numbers are lengths for
    /// Opaque, and for String only if the word is there. A bound of more than 64 bits is clamped.
    /// Other text is kept in words.
    ///
    /// ```
    /// use lwm2m_core::DataType;
    /// use lwm2m_objects::Range;
    ///
    /// let read = |text| Range::read(text, Some(DataType::Integer));
    /// assert_eq!(read("0-7"), Some(Range::Numbers(0, 7)));
    /// assert_eq!(read("16-bit"), Some(Range::Bits(16)));
    /// assert_eq!(read("0, 1, 8"), Some(Range::Values(vec![0, 1, 8].into())));
    /// assert_eq!(read("even"), Some(Range::Words("even".into())));
    /// let length = Range::read("0-255 bytes", Some(DataType::String));
    /// assert_eq!(length, Some(Range::Bytes(0, 255)));
    /// ```
    pub fn read(text: &str, data_type: Option<DataType>) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let bare = brackets(text);
        let read = match data_type {
            Some(DataType::Integer | DataType::Time) => numbers(bare),
            Some(DataType::Float) => floats(bare),
            Some(DataType::String) => texts(text).or_else(|| lengths(bare, false)),
            Some(DataType::Opaque) => lengths(bare, true),
            _ => None,
        };
        Some(
            read.filter(|range| !range.is_empty())
                .unwrap_or_else(|| Self::Words(Cow::Owned(text.into()))),
        )
    }

    /// Whether the range applies to the data type.
    pub(super) fn fits(&self, data_type: Option<DataType>) -> bool {
        use DataType::{Float, Integer, Opaque, String, Time};
        match self {
            Self::Numbers(..) => matches!(data_type, Some(Integer | Time | Float)),
            Self::Values(_) | Self::Bits(_) => matches!(data_type, Some(Integer | Time)),
            Self::Floats(..) => data_type == Some(Float),
            Self::Bytes(..) | Self::Lengths(_) => matches!(data_type, Some(String | Opaque)),
            Self::OneOf(_) => data_type == Some(String),
            Self::Words(_) => true,
        }
    }

    /// Whether no value is in the range.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Numbers(from, to) => from > to,
            Self::Floats(from, to) => !(from.is_finite() && to.is_finite() && from <= to),
            Self::Values(numbers) => numbers.is_empty(),
            Self::Bits(bits) => !(1..=63).contains(bits),
            Self::Bytes(from, to) => from > to,
            Self::Lengths(lengths) => lengths.is_empty(),
            Self::OneOf(texts) => texts.is_empty(),
            Self::Words(words) => words.is_empty(),
        }
    }
}

/// The text without square brackets or parentheses around all of it.
fn brackets(text: &str) -> &str {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .or_else(|| text.strip_prefix('(')?.strip_suffix(')'));
    inner.unwrap_or(text).trim()
}

/// Two bounds with `..` or `-` between them.
fn bounds<T>(text: &str, number: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let (from, to) = text.split_once("..").or_else(|| {
        // The first number may have a minus sign.
        let sign = usize::from(text.starts_with('-'));
        let at = sign.checked_add(text.get(sign..)?.find('-')?)?;
        Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
    })?;
    Some((number(from.trim())?, number(to.trim())?))
}

/// A list with commas, if each of its parts is understood.
fn list<T>(text: &str, number: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(|part| number(part.trim())).collect()
}

/// A decimal number with or without a minus sign, clamped to 64 bits.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let beyond = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(text.parse().unwrap_or(beyond))
}

fn size(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

/// A decimal number; not infinity or another form that Rust parses.
fn float(text: &str) -> Option<f64> {
    let number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
    number.then(|| text.parse().ok()).flatten()
}

fn numbers(text: &str) -> Option<Range> {
    if let Some(bits) = text
        .strip_suffix("-bit")
        .or_else(|| text.strip_suffix("-bits"))
    {
        return size(bits).and_then(|bits| Some(Range::Bits(bits.try_into().ok()?)));
    }
    if let Some((from, to)) = bounds(text, integer) {
        return Some(Range::Numbers(from, to));
    }
    list(text, integer).map(|numbers| Range::Values(numbers.into()))
}

fn floats(text: &str) -> Option<Range> {
    bounds(text, integer)
        .map(|(from, to)| Range::Numbers(from, to))
        .or_else(|| bounds(text, float).map(|(from, to)| Range::Floats(from, to)))
}

/// Lengths in bytes. Single numbers need the word, unless they can be nothing but lengths.
fn lengths(text: &str, nothing_else: bool) -> Option<Range> {
    let word = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let (numbers, word) = text.split_at_checked(word.len())?;
    let in_bytes = match word {
        "" => nothing_else,
        word if word.eq_ignore_ascii_case("bytes") || word.eq_ignore_ascii_case("byte") => true,
        _ => return None,
    };
    let numbers = numbers.trim();
    if let Some((from, to)) = bounds(numbers, size) {
        return Some(Range::Bytes(from, to));
    }
    let list = || list(numbers, size).or_else(|| numbers.split('-').map(size).collect());
    let lengths: Vec<usize> = in_bytes.then(list).flatten()?;
    Some(match *lengths {
        [length] => Range::Bytes(length, length),
        _ => Range::Lengths(lengths.into()),
    })
}

/// Texts in quotes. A `\` escapes a quote and a `\`.
fn texts(text: &str) -> Option<Range> {
    let mut texts = Vec::new();
    let mut rest = text.chars();
    loop {
        if rest.next()? != '"' {
            return None;
        }
        let mut item = String::new();
        loop {
            match rest.next()? {
                '"' => break,
                '\\' => item.push(rest.next()?),
                character => item.push(character),
            }
        }
        texts.push(Cow::Owned(item));
        rest = match rest.as_str().trim_start() {
            "" => return Some(Range::OneOf(texts.into())),
            rest => rest.strip_prefix(',')?.trim_start().chars(),
        };
    }
}

/// Items with a comma and a space between them.
fn join<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    items.iter().enumerate().try_for_each(|(at, next)| {
        if at > 0 {
            f.write_str(", ")?;
        }
        item(f, next)
    })
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(from, to) => write!(f, "{from}..{to}"),
            // `Debug` always prints a point or an exponent.
            Self::Floats(from, to) => write!(f, "{from:?}..{to:?}"),
            Self::Values(numbers) => join(f, numbers, |f, number| write!(f, "{number}")),
            Self::Bits(bits) => write!(f, "{bits}-bit"),
            Self::Bytes(from, to) if from == to => write!(f, "{from} bytes"),
            Self::Bytes(from, to) => write!(f, "{from}..{to} bytes"),
            Self::Lengths(lengths) => {
                join(f, lengths, |f, length| write!(f, "{length}"))?;
                f.write_str(" bytes")
            }
            Self::OneOf(texts) => join(f, texts, |f, text| {
                f.write_char('"')?;
                for character in text.chars() {
                    if matches!(character, '"' | '\\') {
                        f.write_char('\\')?;
                    }
                    f.write_char(character)?;
                }
                f.write_char('"')
            }),
            Self::Words(words) => f.write_str(words),
        }
    }
}
