//! The values of Firmware Update's Resources, and their numbers (TS E.6).

/// The values of State (Resource 3).
///
/// Every version of the Object has these four, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum State {
    /// 0: before a download, or after an update.
    #[default]
    Idle,
    /// 1: a package is on its way, or is being verified.
    Downloading,
    /// 2: a package is there.
    Downloaded,
    /// 3: the package is being installed.
    Updating,
}

/// The values of Update Result (Resource 5).
///
/// It may grow: version 1.1 of the Object adds two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UpdateResult {
    /// 0: no result yet.
    #[default]
    Initial,
    /// 1: the firmware was updated.
    Updated,
    /// 2 to 7, 9: the package did not arrive.
    Download(DownloadError),
    /// 8: the update failed; the package is still there.
    UpdateFailed,
}

/// Why a package did not arrive.
///
/// They are the errors of a download in every version of the Object, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DownloadError {
    /// 2: not enough flash memory.
    Storage,
    /// 3: out of RAM.
    Memory,
    /// 4: the connection was lost.
    ConnectionLost,
    /// 5: the integrity check failed.
    Integrity,
    /// 6: the type of the package is not supported.
    PackageType,
    /// 7: the URI is invalid.
    InvalidUri,
    /// 9: the protocol of the URI is not supported.
    Protocol,
}

/// A protocol that packages are fetched with (Resource 8).
///
/// It may grow: later versions of the Object add CoAP over TCP and TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Protocol {
    /// 0: CoAP (RFC 7252) with block-wise transfer.
    Coap,
    /// 1: CoAP over DTLS with block-wise transfer.
    Coaps,
    /// 2: HTTP/1.1.
    Http,
    /// 3: HTTP/1.1 over TLS.
    Https,
}

/// The ways a package may come (Resource 9).
///
/// Every version of the Object has these three, so it won't grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DeliveryMethod {
    /// 0: by Package URI only.
    Pull,
    /// 1: by Package only.
    Push,
    /// 2: by both.
    #[default]
    Both,
}

impl State {
    /// The value of Resource 3.
    pub const fn number(self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::Downloading => 1,
            Self::Downloaded => 2,
            Self::Updating => 3,
        }
    }

    /// The state of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Idle,
            1 => Self::Downloading,
            2 => Self::Downloaded,
            3 => Self::Updating,
            _ => return None,
        })
    }
}

impl UpdateResult {
    /// The value of Resource 5.
    pub const fn number(self) -> u8 {
        match self {
            Self::Initial => 0,
            Self::Updated => 1,
            Self::UpdateFailed => 8,
            Self::Download(error) => match error {
                DownloadError::Storage => 2,
                DownloadError::Memory => 3,
                DownloadError::ConnectionLost => 4,
                DownloadError::Integrity => 5,
                DownloadError::PackageType => 6,
                DownloadError::InvalidUri => 7,
                DownloadError::Protocol => 9,
            },
        }
    }

    /// The result of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Initial,
            1 => Self::Updated,
            2 => Self::Download(DownloadError::Storage),
            3 => Self::Download(DownloadError::Memory),
            4 => Self::Download(DownloadError::ConnectionLost),
            5 => Self::Download(DownloadError::Integrity),
            6 => Self::Download(DownloadError::PackageType),
            7 => Self::Download(DownloadError::InvalidUri),
            8 => Self::UpdateFailed,
            9 => Self::Download(DownloadError::Protocol),
            _ => return None,
        })
    }
}

impl Protocol {
    /// The value of an instance of Resource 8.
    pub const fn number(self) -> u8 {
        match self {
            Self::Coap => 0,
            Self::Coaps => 1,
            Self::Http => 2,
            Self::Https => 3,
        }
    }

    /// The protocol of this number. More may be defined, and are to be ignored (TS E.6).
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Coap,
            1 => Self::Coaps,
            2 => Self::Http,
            3 => Self::Https,
            _ => return None,
        })
    }

    /// The protocol of a URI scheme, in upper or lower case.
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        let of = |name: &str| scheme.eq_ignore_ascii_case(name);
        Some(match () {
            () if of("coap") => Self::Coap,
            () if of("coaps") => Self::Coaps,
            () if of("http") => Self::Http,
            () if of("https") => Self::Https,
            () => return None,
        })
    }
}

impl DeliveryMethod {
    /// The value of Resource 9.
    pub const fn number(self) -> u8 {
        match self {
            Self::Pull => 0,
            Self::Push => 1,
            Self::Both => 2,
        }
    }

    /// The method of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Pull,
            1 => Self::Push,
            2 => Self::Both,
            _ => return None,
        })
    }
}
