//! The values of Software Management's Resources, and their numbers (Object 9).

use crate::definition::{
    ObjectDefinition,
    builtin::{SOFTWARE_MANAGEMENT, SOFTWARE_MANAGEMENT_CANDIDATE},
};

/// The numbers of Update State and Update Result, and the set of Resources.
///
/// Deployed clients have these two, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Numbering {
    /// The numbering of the registered Object, which deployed servers use: states from 0, errors
    /// from 50, [`SOFTWARE_MANAGEMENT`].
    #[default]
    Registered,
    /// The numbering of the candidate specification of 2015-02-17: states from 1, errors from 3,
    /// [`SOFTWARE_MANAGEMENT_CANDIDATE`].
    Candidate,
}

/// The values of Update State (Resource 7).
///
/// Both numberings have these five, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum State {
    /// INITIAL: there is no package.
    #[default]
    Initial,
    /// DOWNLOAD STARTED: a package is on its way.
    DownloadStarted,
    /// DOWNLOADED: the package is there, and is being verified.
    Downloaded,
    /// DELIVERED: the package is verified, and may be installed.
    Delivered,
    /// INSTALLED: the software is installed.
    Installed,
}

/// The values of Update Result (Resource 9).
///
/// Both numberings have these, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum UpdateResult {
    /// No result yet.
    #[default]
    Initial,
    /// The package is on its way.
    Downloading,
    /// The package is verified. In the candidate numbering this is 0, as `Initial`.
    Verified,
    /// The software is installed.
    Installed,
    /// The package did not arrive, or is not good.
    Download(DownloadError),
    /// The software could not be installed; the package is still there.
    InstallationFailed,
    /// The software could not be removed. The candidate numbering has no such result.
    UninstallationFailed,
}

/// Why a package did not arrive, or is not good.
///
/// Both numberings have these, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DownloadError {
    /// Not enough storage.
    Storage,
    /// Out of memory.
    Memory,
    /// The connection was lost.
    ConnectionLost,
    /// The integrity check failed.
    Integrity,
    /// The type of the package is not supported.
    PackageType,
    /// The URI is invalid.
    InvalidUri,
    /// Another error, which the device defines.
    Device,
}

impl Numbering {
    /// The definition with these numbers.
    pub const fn definition(self) -> &'static ObjectDefinition {
        match self {
            Self::Registered => &SOFTWARE_MANAGEMENT,
            Self::Candidate => &SOFTWARE_MANAGEMENT_CANDIDATE,
        }
    }

    /// The numbering of a definition of Object 9. Only the registered one has Resource 14.
    pub(crate) fn of(definition: &ObjectDefinition) -> Self {
        match definition.resource(14.into()) {
            Some(_) => Self::Registered,
            None => Self::Candidate,
        }
    }
}

impl State {
    /// All states, in ascending order of their numbers.
    pub(crate) const ALL: [Self; 5] = [
        Self::Initial,
        Self::DownloadStarted,
        Self::Downloaded,
        Self::Delivered,
        Self::Installed,
    ];

    /// The value of Resource 7.
    pub const fn number(self, numbering: Numbering) -> u8 {
        let registered = match self {
            Self::Initial => 0,
            Self::DownloadStarted => 1,
            Self::Downloaded => 2,
            Self::Delivered => 3,
            Self::Installed => 4,
        };
        match numbering {
            Numbering::Registered => registered,
            Numbering::Candidate => registered + 1,
        }
    }

    /// The state of this number.
    pub fn from_number(number: u8, numbering: Numbering) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.number(numbering) == number)
    }
}

impl UpdateResult {
    /// All results. Of those with the same number, the first is the one that the number means.
    pub(crate) const ALL: [Self; 13] = [
        Self::Initial,
        Self::Downloading,
        Self::Verified,
        Self::Installed,
        Self::Download(DownloadError::Storage),
        Self::Download(DownloadError::Memory),
        Self::Download(DownloadError::ConnectionLost),
        Self::Download(DownloadError::Integrity),
        Self::Download(DownloadError::PackageType),
        Self::Download(DownloadError::InvalidUri),
        Self::Download(DownloadError::Device),
        Self::InstallationFailed,
        Self::UninstallationFailed,
    ];

    /// The value of Resource 9. The candidate numbering has no number for a failed uninstallation,
    /// and no machine of it has that result; here it is the number of [`DownloadError::Device`].
    pub const fn number(self, numbering: Numbering) -> u8 {
        let (registered, candidate) = match self {
            Self::Initial => (0, 0),
            Self::Downloading => (1, 1),
            Self::Installed => (2, 2),
            Self::Verified => (3, 0),
            Self::Download(error) => match error {
                DownloadError::Storage => (50, 3),
                DownloadError::Memory => (51, 4),
                DownloadError::ConnectionLost => (52, 5),
                DownloadError::Integrity => (53, 6),
                DownloadError::PackageType => (54, 7),
                DownloadError::InvalidUri => (56, 8),
                DownloadError::Device => (57, 9),
            },
            Self::InstallationFailed => (58, 10),
            Self::UninstallationFailed => (59, 9),
        };
        match numbering {
            Numbering::Registered => registered,
            Numbering::Candidate => candidate,
        }
    }

    /// The result of this number.
    pub fn from_number(number: u8, numbering: Numbering) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|result| result.number(numbering) == number)
    }
}
