//! What of a firmware update survives a reboot.

use alloc::string::String;

use thiserror::Error;

use super::{State, UpdateResult};
use crate::behaviour::update::{LONGEST_URI, MOST_RECEIVED};

/// What of a [`Machine`](super::Machine) survives a reboot.
///
/// It serialises with a format version and a check sum; what is damaged, or of no state that a
/// machine can be in, does not deserialise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Resource 3.
    pub state: State,
    /// Resource 5.
    pub result: UpdateResult,
    /// Resource 1.
    pub package_uri: String,
    /// What a pull has received, in bytes; not more than an Integer can tell.
    pub received: u64,
}

#[cfg(feature = "serde")]
crate::saved::sealed::sealed! {
    Snapshot = "Snapshot" {
        state: State,
        result: UpdateResult,
        package_uri: String,
        received: u64,
    } if Snapshot::check
}

/// A [`Snapshot`] of no state that a machine can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// This Update Result is impossible in this State.
    #[error("the result {result:?} while {state:?}")]
    Result {
        /// Resource 3.
        state: State,
        /// Resource 5.
        result: UpdateResult,
    },
    /// Package URI has 0 to 255 bytes.
    #[error("a package URI of {0} bytes, expected 0 to 255")]
    PackageUri(usize),
    /// What was received is more than an Integer can tell.
    #[error("{0} bytes received, which is more than 2^63 - 1")]
    Received(u64),
}

impl Snapshot {
    /// Whether a machine can be in this state.
    pub fn check(&self) -> Result<(), SnapshotError> {
        let (state, result) = (self.state, self.result);
        let possible = match state {
            State::Idle => true,
            State::Downloading | State::Updating => result == UpdateResult::Initial,
            State::Downloaded => {
                matches!(result, UpdateResult::Initial | UpdateResult::UpdateFailed)
            }
        };
        if !possible {
            return Err(SnapshotError::Result { state, result });
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
