//! Tokens (RFC 7252 §5.3.1).

use core::{fmt, ops::Deref};

/// Matches a response with its request: 0 to 8 bytes, chosen by the client.
///
/// ```
/// use lwm2m_statemachine::coap::Token;
///
/// let token = Token::new(&[1, 2, 3]).unwrap();
/// assert_eq!(token.as_bytes(), [1, 2, 3]);
/// assert_eq!(Token::new(&[0; 9]), None);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Padded with zeros, so that equal tokens compare equal.
    bytes: [u8; 8],
    length: u8,
}

/// As its bytes.
#[cfg(feature = "serde")]
impl serde::Serialize for Token {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_bytes().serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Token {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = alloc::vec::Vec::deserialize(deserializer)?;
        let error = || serde::de::Error::invalid_length(bytes.len(), &"at most 8 bytes");
        Self::new(&bytes).ok_or_else(error)
    }
}

impl Token {
    /// The empty token.
    pub const EMPTY: Self = Self {
        bytes: [0; 8],
        length: 0,
    };

    /// The token with these bytes; `None` if there are more than 8.
    #[inline]
    pub fn new(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        Some(Self {
            bytes,
            length: u8::try_from(token.len()).ok()?,
        })
    }

    /// The token of this length, at most 8, at the beginning of `bytes`.
    #[inline]
    pub(super) fn at_start(bytes: &[u8], length: u8) -> Option<Self> {
        if let Some(word) = bytes.first_chunk::<8>() {
            // Faster than a copy of variable length.
            let unused = 64_u32.saturating_sub(u32::from(length) * 8);
            let mask = u64::MAX.checked_shr(unused).unwrap_or(0);
            let bytes = (u64::from_le_bytes(*word) & mask).to_le_bytes();
            return Some(Self { bytes, length });
        }
        Self::new(bytes.get(..usize::from(length))?)
    }

    /// A token of 8 bytes.
    pub(crate) const fn from_random(number: u64) -> Self {
        Self {
            bytes: number.to_le_bytes(),
            length: 8,
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// The bytes right-aligned in eight, after zeros.
    #[inline]
    pub(super) fn at_end(self) -> [u8; 8] {
        let unused = 64_u32.saturating_sub(u32::from(self.length) * 8);
        let token = u64::from_be_bytes(self.bytes);
        token.checked_shr(unused).unwrap_or(0).to_be_bytes()
    }

    /// The number of bytes: 0 to 8.
    #[inline]
    pub(crate) const fn length(self) -> u8 {
        self.length
    }

    /// The whole token, for hashing in one step.
    pub(crate) const fn parts(self) -> (u64, u8) {
        (u64::from_le_bytes(self.bytes), self.length)
    }
}

impl Deref for Token {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Token {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Token {
    /// In hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    #[test]
    fn a_token_is_its_bytes_and_displayed_in_hexadecimal() {
        let token = Token::new(&[0x0a, 0, 0xff]).unwrap();
        assert_eq!(
            (&*token, token.as_ref()),
            (&[10, 0, 255][..], &[10, 0, 255][..])
        );
        assert_eq!(token.to_string(), "0a00ff");
        assert_eq!(format!("{token:?}"), "Token(0a00ff)");
        assert_eq!(Token::EMPTY.to_string(), "");
    }

    /// RFC 7252 §5.3.1: zeros count.
    #[test]
    fn tokens_of_zeros_differ_by_their_lengths() {
        for (one, other) in [(0, 1), (1, 2), (7, 8)] {
            let [one, other] = [one, other].map(|length| Token::new(&[0; 8][..length]).unwrap());
            assert_ne!(one, other);
            assert_ne!(one.parts(), other.parts());
        }
    }
}
