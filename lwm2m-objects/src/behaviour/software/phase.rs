//! Where the two state machines of a software component are.

use crate::typed::software::values::State;

/// Where both machines are: that of Package Installation, and while it is in INSTALLED that of
/// Software Activation.
///
/// Both numberings have these phases, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// INITIAL.
    Initial,
    /// DOWNLOAD STARTED.
    DownloadStarted,
    /// DOWNLOADED.
    Downloaded,
    /// DELIVERED.
    Delivered,
    /// DELIVERED, while the package is being installed.
    Installing,
    /// INSTALLED and INACTIVE.
    Inactive,
    /// INSTALLED and ACTIVE.
    Active,
}

impl Phase {
    /// Update State.
    pub(crate) const fn state(self) -> State {
        match self {
            Self::Initial => State::Initial,
            Self::DownloadStarted => State::DownloadStarted,
            Self::Downloaded => State::Downloaded,
            Self::Delivered | Self::Installing => State::Delivered,
            Self::Inactive | Self::Active => State::Installed,
        }
    }

    /// The phase of this Update State and Activation State; `None` if they do not go together.
    pub(crate) const fn of(state: State, active: bool, installing: bool) -> Option<Self> {
        Some(match (state, active, installing) {
            (State::Initial, false, false) => Self::Initial,
            (State::DownloadStarted, false, false) => Self::DownloadStarted,
            (State::Downloaded, false, false) => Self::Downloaded,
            (State::Delivered, false, false) => Self::Delivered,
            (State::Delivered, false, true) => Self::Installing,
            (State::Installed, false, false) => Self::Inactive,
            (State::Installed, true, false) => Self::Active,
            _ => return None,
        })
    }
}
