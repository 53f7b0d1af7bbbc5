//! A Write of Package that arrives in pieces.

/// How far a Write of Package is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upload {
    /// There is none.
    None,
    /// Nothing has arrived but, perhaps, one zero byte: that alone may be a reset.
    Begun {
        /// Whether the zero byte has arrived.
        zero: bool,
        /// Whether it takes the place of one that has not ended.
        again: bool,
    },
    /// So many bytes have arrived.
    Running { offset: u64 },
    /// It failed, which Update Result tells; the rest is dropped.
    Dropped,
}

impl Upload {
    /// Whether bytes of a package have arrived, and it has not ended.
    pub(super) const fn is_pushing(self) -> bool {
        matches!(self, Self::Running { .. } | Self::Begun { again: true, .. })
    }

    /// A new one begins. One that has not ended is forgotten.
    pub(super) const fn begin(self) -> Self {
        Self::Begun {
            zero: false,
            again: self.is_pushing(),
        }
    }

    /// So many more bytes have arrived.
    pub(super) fn advance(self, bytes: usize) -> Self {
        match self {
            Self::Running { offset } => {
                let length = u64::try_from(bytes).unwrap_or(u64::MAX);
                let offset = offset.saturating_add(length);
                Self::Running { offset }
            }
            other => other,
        }
    }

    /// The package failed. More of it may arrive: the server learns of the error by Update Result
    /// only.
    pub(super) const fn fail(self) -> Self {
        match self {
            Self::Running { .. } | Self::Dropped => Self::Dropped,
            Self::Begun { zero, .. } => Self::Begun { zero, again: false },
            Self::None => Self::None,
        }
    }
}
