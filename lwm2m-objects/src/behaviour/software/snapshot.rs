//! What of a software component survives a reboot.

use alloc::string::String;

use thiserror::Error;

use super::{Numbering, State, UpdateResult};
use crate::behaviour::update::{LONGEST_URI, MOST_RECEIVED};

/// What of a [`Machine`](super::Machine) survives a reboot.
///
/// It serialises with a format version and a check sum; what is damaged, or of no state that a
/// machine can be in, does not deserialise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Resource 7.
    pub state: State,
    /// Resource 9.
    pub result: UpdateResult,
    /// Resource 12.
    pub active: bool,
    /// Whether an installation is under way.
    pub installing: bool,
    /// Resource 3.
    pub package_uri: String,
    /// What a pull has received, in bytes; not more than an Integer can tell.
    pub received: u64,
}

#[cfg(feature = "serde")]
crate::saved::sealed::sealed! {
    Snapshot = "Snapshot" {
        state: State,
        result: UpdateResult,
        active: bool,
        installing: bool,
        package_uri: String,
        received: u64,
    } if |read| {
        // Of which numbering it is, the machine knows.
        let registered = read.check(Numbering::Registered);
        registered.or_else(|_| read.check(Numbering::Candidate))
    }
}

/// A [`Snapshot`] of no state that a machine can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// This Update Result is impossible in this Update State.
    #[error("the result {result:?} while {state:?}")]
    Result {
        /// Resource 7.
        state: State,
        /// Resource 9.
        result: UpdateResult,
    },
    /// Software is active, or being installed, in a state where it cannot be.
    #[error("software in use, or being installed, while {0:?}")]
    Use(State),
    /// Package URI has 0 to 255 bytes.
    #[error("a package URI of {0} bytes, expected 0 to 255")]
    PackageUri(usize),
    /// What was received is more than an Integer can tell.
    #[error("{0} bytes received, which is more than 2^63 - 1")]
    Received(u64),
}

impl Snapshot {
    /// Whether a machine of this numbering can be in this state.
    pub fn check(&self, numbering: Numbering) -> Result<(), SnapshotError> {
        use UpdateResult as Is;

        let (state, result) = (self.state, self.result);
        let registered = numbering == Numbering::Registered;
        let possible = match (state, result) {
            (State::Initial, Is::Initial | Is::Download(_))
            | (State::DownloadStarted, Is::Downloading)
            | (State::Downloaded, Is::Initial)
            | (State::Delivered, Is::InstallationFailed)
            | (State::Installed, Is::Installed) => true,
            (State::Delivered, Is::Initial) => !registered,
            (State::Delivered, Is::Verified)
            | (State::Delivered | State::Installed, Is::UninstallationFailed) => registered,
            _ => false,
        };
        if !possible {
            return Err(SnapshotError::Result { state, result });
        }
        if self.active && state != State::Installed || self.installing && state != State::Delivered
        {
            return Err(SnapshotError::Use(state));
        }
        let length = self.package_uri.len();
        if length > LONGEST_URI {
            return Err(SnapshotError::PackageUri(length));
        }
        if self.received > MOST_RECEIVED {
            return Err(SnapshotError::Received(self.received));
        }
        Ok(())
    }
}
