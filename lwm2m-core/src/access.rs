//! Access rights (TS 7.3.2, E.3).

use core::{fmt, ops::BitOr};

/// A set of access rights: a value of the ACL Resource `/2/x/2` (TS E.3).
///
/// ```
/// use lwm2m_core::AccessRights;
///
/// let rights = AccessRights::READ | AccessRights::EXECUTE;
/// assert_eq!(rights.bits(), 0b00101);
/// assert!(rights.contains(AccessRights::READ) && !rights.contains(AccessRights::WRITE));
/// assert_eq!(rights.to_string(), "RE");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct AccessRights(u16);

impl AccessRights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// R: Read and Observe.
    pub const READ: Self = Self(1);
    /// W: Write.
    pub const WRITE: Self = Self(1 << 1);
    /// E: Execute.
    pub const EXECUTE: Self = Self(1 << 2);
    /// D: Delete.
    pub const DELETE: Self = Self(1 << 3);
    /// C: Create.
    pub const CREATE: Self = Self(1 << 4);
    /// All five: what a single Server has (TS 7.3).
    pub const FULL: Self = Self(0b1_1111);

    /// The rights with these bits. Reserved bits are kept and mean nothing.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits of the ACL Resource.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `rights` are among these.
    pub const fn contains(self, rights: Self) -> bool {
        self.0 & rights.0 == rights.0
    }
}

impl BitOr for AccessRights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<AccessRights> for i64 {
    fn from(rights: AccessRights) -> Self {
        rights.0.into()
    }
}

impl TryFrom<i64> for AccessRights {
    type Error = core::num::TryFromIntError;

    /// From a value of the ACL Resource, which has 16 bits.
    fn try_from(value: i64) -> Result<Self, Self::Error> {
        u16::try_from(value).map(Self)
    }
}

impl fmt::Display for AccessRights {
    /// The letters of the rights, `RWEDC` for all; `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (Self::READ, "R"),
            (Self::WRITE, "W"),
            (Self::EXECUTE, "E"),
            (Self::DELETE, "D"),
            (Self::CREATE, "C"),
        ];
        let mut given = letters
            .into_iter()
            .filter(|(right, _)| self.contains(*right))
            .map(|(_, letter)| letter)
            .peekable();
        if given.peek().is_none() {
            return f.write_str("-");
        }
        given.try_for_each(|letter| f.write_str(letter))
    }
}

impl fmt::Debug for AccessRights {
    /// The letters, and the reserved bits if there are any: `AccessRights(RW, 0x20)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessRights({self}")?;
        match self.0 & !Self::FULL.0 {
            0 => f.write_str(")"),
            reserved => write!(f, ", {reserved:#x})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    #[test]
    fn the_bit_order_of_e_3() {
        for (text, bits) in [
            ("-", 0),
            ("R", 1),
            ("W", 2),
            ("E", 4),
            ("D", 8),
            ("C", 16),
            ("RWEDC", 31),
            ("-", 32),
        ] {
            assert_eq!(AccessRights::from_bits(bits).to_string(), text);
        }
        for (text, bits) in [
            ("AccessRights(-)", 0),
            ("AccessRights(RWEDC)", 31),
            ("AccessRights(RW, 0x20)", 35),
        ] {
            assert_eq!(format!("{:?}", AccessRights::from_bits(bits)), text);
        }
        assert_eq!(AccessRights::FULL.bits(), 31);
        assert!(AccessRights::from_bits(0xFFFF).contains(AccessRights::FULL));
        assert!(AccessRights::NONE.contains(AccessRights::NONE));
        assert!(AccessRights::try_from(-1).is_err());
        assert!(AccessRights::try_from(65536).is_err());
        assert_eq!(
            AccessRights::try_from(3),
            Ok(AccessRights::READ | AccessRights::WRITE)
        );
    }
}
