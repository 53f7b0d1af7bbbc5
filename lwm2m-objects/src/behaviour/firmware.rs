//! Firmware Update (TS E.6): its state machine, and the Object that serves it.
//!
//! A server *pushes* a package into Package, and the application gets it block by block, or has
//! the Client *pull* it: the application is asked to fetch what Package URI names. Nothing of the
//! package is held here. What the application is asked are [`Event`]s, each of which it answers
//! with an [`Answer`](crate::Answer); what it said it would finish
//! [`Later`](crate::Answer::Later) ends with a call:
//!
//! | event | if `Done` | if `Later`, then | if `Failed` |
//! | --- | --- | --- | --- |
//! | [`Block`](Event::Block) | the next one | the next one | Idle with the error, the rest is dropped |
//! | [`Verify`](Event::Verify) | Downloaded | [`downloaded`](Machine::downloaded), [`failed`](Machine::failed) | Idle with the error |
//! | [`Fetch`](Event::Fetch) | Downloaded | [`progress`](Machine::progress), [`downloaded`](Machine::downloaded), [`failed`](Machine::failed) | Idle with the error |
//! | [`Update`](Event::Update) | Idle, 1 | [`updated`](Machine::updated), [`update_failed`](Machine::update_failed) | Downloaded, 8 |
//! | [`Discard`](Event::Discard) | | | |
//!
//! A reboot in the middle is survived with a [`Snapshot`]: a pull goes on where it was, what was
//! pushed in part is lost, and the application tells how an update under way went.
//!
//! # A device that reboots into its new firmware
//!
//! ```
//! use lwm2m_core::{Arguments, Instant, ObjectId, Value};
//! use lwm2m_objects::{
//!     Answer, Change, DeviceObject, ObjectTree,
//!     firmware::{DownloadError, Event, FirmwareUpdateObject},
//!     typed,
//! };
//!
//! /// What the device has at every start.
//! fn start(version: &str) -> Result<ObjectTree, Box<dyn std::error::Error>> {
//!     let device = typed::Device { firmware_version: Some(version.into()), ..typed::Device::default() };
//!     let mut tree = ObjectTree::new();
//!     tree.add(DeviceObject::new(device, Instant::ZERO)?);
//!     tree.add(FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |event| match event {
//!         // Pushed: goes where new firmware goes, which is from offset 0 on erased first.
//!         Event::Block { offset, .. } if offset > 1_000_000 => Answer::Failed(DownloadError::Storage),
//!         Event::Block { .. } => Answer::Done,
//!         Event::Verify => Answer::Done, // the signature is good
//!         // Pulled: a task of its own gets what is there from `offset` on; `downloaded` tells its end.
//!         Event::Fetch { .. } => Answer::Later,
//!         Event::Update => Answer::Later, // not before the server has its answer
//!         Event::Discard => Answer::Done, // no update any more, whatever is under way
//!     })?);
//!     Ok(tree)
//! }
//!
//! fn firmware(tree: &mut ObjectTree) -> Option<&mut FirmwareUpdateObject> {
//!     tree.object_as_mut(ObjectId::FIRMWARE_UPDATE)
//! }
//!
//! // A server writes Package URI; the download ends.
//! let mut tree = start("1.0")?;
//! tree.commit(&[Change::Set { path: "/5/0/1".parse()?, value: "coap://192.0.2.1/fw".into() }])?;
//! firmware(&mut tree).unwrap().downloaded()?;
//!
//! // It executes Update. Once the answer has left, the device saves what there is, and reboots.
//! tree.execute("/5/0/2".parse()?, &Arguments::NONE)?;
//! let saved = tree.snapshot();
//!
//! // The next start. The new firmware may not support all that the old one did (TS E.6.3).
//! let mut tree = start("2.0")?;
//! tree.restore(&saved.supported_by(&tree)?)?;
//! tree.set("/3/0/3".parse()?, "2.0")?; // what was saved is of the old one
//! firmware(&mut tree).unwrap().updated()?; // or `update_failed`, if the old one still runs
//! assert_eq!(tree.get("/5/0/3".parse()?), Some(Value::Integer(0))); // Idle
//! assert_eq!(tree.get("/5/0/5".parse()?), Some(Value::Integer(1))); // updated successfully
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod machine;
mod object;
mod snapshot;
#[cfg(test)]
mod tests;

pub use self::{
    machine::{Event, Machine, NotNow},
    object::FirmwareUpdateObject,
    snapshot::{Snapshot, SnapshotError},
};

/// The values of State (Resource 3).
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
    /// 3: it is being installed.
    Updating,
}

/// The values of Update Result (Resource 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum UpdateResult {
    /// 0: nothing to tell.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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

/// Which ways a package may take (Resource 9).
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
