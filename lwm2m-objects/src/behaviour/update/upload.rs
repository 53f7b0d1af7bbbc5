//! A Write of Package that arrives in pieces.

/// How far a Write of Package is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upload {
    /// No Write is under way.
    None,
    /// No bytes have arrived, or one zero byte, which alone may be a reset.
    Begun {
        /// Whether the zero byte has arrived.
        zero: bool,
        /// Whether it replaces a push that has not ended.
        again: bool,
    },
    /// Bytes have arrived, `offset` of them.
    Running { offset: u64 },
    /// The package failed, as Update Result says; the rest of it is dropped.
    Dropped,
}

impl Upload {
    /// Whether a part of a package has arrived.
    pub(super) const fn is_pushing(self) -> bool {
        matches!(self, Self::Running { .. } | Self::Begun { again: true, .. })
    }

    /// A Write begins. It replaces one that has not ended.
    pub(super) const fn begin(self) -> Self {
        Self::Begun {
            zero: false,
            again: self.is_pushing(),
        }
    }

    /// This many more bytes have arrived.
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

    /// The package failed. More of it may arrive, as the server learns of it only by Update Result.
    pub(super) const fn fail(self) -> Self {
        match self {
            Self::Running { .. } | Self::Dropped => Self::Dropped,
            Self::Begun { zero, .. } => Self::Begun { zero, again: false },
            Self::None => Self::None,
        }
    }
}
