//! The state of a firmware update that survives a reboot.

use alloc::string::String;

use lwm2m_core::Value;
use thiserror::Error;

use crate::{
    behaviour::update::pull::check_pull,
    typed::firmware::values::{State, UpdateResult},
};

/// The state of a [`Machine`](super::Machine) that survives a reboot.
///
/// It serialises with a format version and a check sum. Damaged data doesn't deserialise, and
/// neither does an impossible state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Resource 3.
    pub state: State,
    /// Resource 5.
    pub result: UpdateResult,
    /// Resource 1.
    pub package_uri: String,
    /// The bytes that a pull has received: 2^63 - 1 at most, as an Integer has to hold the number.
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

/// Why a [`Snapshot`] is impossible.
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
    /// More bytes were received than an Integer can hold.
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
        check_pull(
            &self.package_uri,
            self.received,
            SnapshotError::PackageUri,
            SnapshotError::Received,
        )
    }

    /// The snapshot as the state of a saved Object.
    pub(super) fn into_values(self) -> [Value; 4] {
        [
            Value::Integer(self.state.number().into()),
            Value::Integer(self.result.number().into()),
            Value::String(self.package_uri),
            Value::Integer(i64::try_from(self.received).unwrap_or(i64::MAX)),
        ]
    }

    /// The snapshot that a saved Object has; `None` if it is impossible.
    pub(super) fn from_values(values: &[Value]) -> Option<Self> {
        let [
            Value::Integer(state),
            Value::Integer(result),
            Value::String(package_uri),
            Value::Integer(received),
        ] = values
        else {
            return None;
        };
        let snapshot = Self {
            state: State::from_number(u8::try_from(*state).ok()?)?,
            result: UpdateResult::from_number(u8::try_from(*result).ok()?)?,
            package_uri: package_uri.clone(),
            received: u64::try_from(*received).ok()?,
        };
        snapshot.check().ok()?;
        Some(snapshot)
    }
}
