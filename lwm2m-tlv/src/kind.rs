//! The Type of a TLV (TS 6.4.3, Table 21).

use core::fmt;

/// What a TLV stands for: bits 7 and 6 of its Type. Two bits have four values, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An Object Instance with Resources and multiple Resources (`00`).
    ObjectInstance,
    /// A value within a multiple Resource (`01`).
    ResourceInstance,
    /// A multiple Resource with Resource Instances (`10`).
    MultipleResource,
    /// A Resource with its value (`11`).
    Resource,
}

/// Bit 5 of the Type: the Identifier has 16 bits.
pub(crate) const WIDE_ID: u8 = 0b0010_0000;

/// Bits 4 and 3 of the Type: the Length has 8 bits.
pub(crate) const LENGTH_8: u8 = 0b0000_1000;

impl Kind {
    #[inline]
    pub(crate) const fn of(first: u8) -> Self {
        match first >> 6 {
            0 => Self::ObjectInstance,
            1 => Self::ResourceInstance,
            2 => Self::MultipleResource,
            _ => Self::Resource,
        }
    }

    /// Bits 7 and 6 of the Type.
    #[inline]
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::ObjectInstance => 0b0000_0000,
            Self::ResourceInstance => 0b0100_0000,
            Self::MultipleResource => 0b1000_0000,
            Self::Resource => 0b1100_0000,
        }
    }

    /// Its bit in a set.
    const fn flag(self) -> u8 {
        1 << (self.bits() >> 6)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ObjectInstance => "an Object Instance",
            Self::ResourceInstance => "a Resource Instance",
            Self::MultipleResource => "a multiple Resource",
            Self::Resource => "a Resource",
        })
    }
}

/// The kinds of TLV that may stand somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// All of them.
    pub const ANY: Self = Self(0b1111);
    /// In a payload of an Object: Object Instances.
    pub const INSTANCES: Self = Self(Kind::ObjectInstance.flag());
    /// In an Object Instance: Resources and multiple Resources.
    pub const RESOURCES: Self = Self(Kind::Resource.flag() | Kind::MultipleResource.flag());
    /// In a multiple Resource: Resource Instances.
    pub const RESOURCE_INSTANCES: Self = Self(Kind::ResourceInstance.flag());

    /// Whether this kind is among them.
    #[inline]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & kind.flag() != 0
    }

    /// Each of them.
    fn iter(self) -> impl Iterator<Item = Kind> {
        [
            Kind::ObjectInstance,
            Kind::Resource,
            Kind::MultipleResource,
            Kind::ResourceInstance,
        ]
        .into_iter()
        .filter(move |kind| self.contains(*kind))
    }

    /// These and those.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Kinds {
    /// "a Resource or a multiple Resource"
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        self.iter().try_for_each(|kind| {
            write!(f, "{between}{kind}")?;
            between = " or ";
            Ok(())
        })
    }
}

impl fmt::Debug for Kinds {
    /// `{Resource, MultipleResource}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
