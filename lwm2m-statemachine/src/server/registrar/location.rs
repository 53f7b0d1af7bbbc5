//! Where a registration is found: `/rd/{token}` (TS 8.2.4).

use core::{fmt, str};

/// The location of a registration. Its token has 64 random bits, so it can't be guessed.
///
/// It prints as the path that the client was given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Location(u64);

/// The path where clients register, and the first segment of all locations (TS 8.2.4).
pub(super) const RD: &str = "rd";

/// One character for each six bits; none has to be escaped in a URI.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many characters a token has: 64 bits, six at a time.
const LENGTH: usize = 11;

impl Location {
    pub(super) const fn new(random: u64) -> Self {
        Self(random)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// The location with this token. A location has one spelling.
    pub(super) fn from_token(token: &str) -> Option<Self> {
        if token.len() != LENGTH {
            return None;
        }
        let bits = token.bytes().try_fold(0u64, |bits, byte| {
            let at = ALPHABET.iter().position(|known| *known == byte)?;
            // The high bits of a first character above 15 are shifted out; the comparison below
            // finds that.
            Some(bits << 6 | u64::try_from(at).ok()?)
        })?;
        let location = Self(bits);
        (location.token().as_str() == token).then_some(location)
    }

    /// The second segment of the path.
    pub(super) fn token(self) -> LocationToken {
        let mut characters = [b'A'; LENGTH];
        let mut bits = self.0;
        for character in characters.iter_mut().rev() {
            let [low, ..] = bits.to_le_bytes();
            *character = ALPHABET
                .get(usize::from(low & 0x3f))
                .copied()
                .unwrap_or(b'A');
            bits >>= 6;
        }
        LocationToken(characters)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{RD}/{}", self.token().as_str())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// The text of a token.
#[derive(Clone, Copy)]
pub(super) struct LocationToken([u8; LENGTH]);

impl LocationToken {
    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_token_and_its_location_are_one_to_one() {
        for bits in [0, 1, 63, 64, 0x0123_4567_89ab_cdef, u64::MAX] {
            let location = Location::new(bits);
            assert_eq!(
                Location::from_token(location.token().as_str()),
                Some(location)
            );
        }
        assert_eq!(Location::new(u64::MAX).to_string(), "/rd/P__________");
        assert_eq!(Location::new(1).to_string(), "/rd/AAAAAAAAAAB");
    }

    #[test]
    fn what_is_no_token_is_no_location() {
        for token in [
            "",
            "AAAAAAAAAA",
            "AAAAAAAAAAAA",
            "QAAAAAAAAAA",
            "AAAAAAAAAA=",
            "AAAAAAAAAAé",
        ] {
            assert_eq!(Location::from_token(token), None, "{token}");
        }
    }
}
