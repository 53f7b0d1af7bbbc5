use alloc::borrow::Cow;

use lwm2m_core::ValueRef;

/// The values that a Resource may have (TS D.1, "Range or Enumeration").
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Range {
    /// A number from the first to the second, both included.
    Numbers(i64, i64),
    /// A floating point number from the first to the second, both included.
    Floats(f64, f64),
    /// One of these numbers.
    Values(Cow<'static, [i64]>),
    /// A number without sign of so many bits.
    Bits(u8),
    /// Text or octets of so many bytes, both included.
    Bytes(usize, usize),
    /// Text or octets of one of these numbers of bytes.
    Lengths(Cow<'static, [usize]>),
    /// One of these texts.
    OneOf(Cow<'static, [Cow<'static, str>]>),
    /// A range in words, which nothing checks.
    Words(Cow<'static, str>),
}

impl Range {
    /// Whether the value is in the range. A range says nothing about values of other types.
    #[expect(clippy::cast_precision_loss, reason = "ranges are small numbers")]
    pub fn allows(&self, value: &ValueRef<'_>) -> bool {
        match *value {
            ValueRef::Integer(number) | ValueRef::Time(number) => match self {
                Self::Numbers(from, to) => (from..=to).contains(&&number),
                Self::Values(numbers) => numbers.contains(&number),
                Self::Bits(bits) => number >= 0 && number.checked_shr((*bits).into()) <= Some(0),
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
}
