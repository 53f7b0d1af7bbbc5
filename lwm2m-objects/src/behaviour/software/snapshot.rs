//! The state of a software component that survives a reboot.

use alloc::string::String;

use lwm2m_core::{InstanceId, Value};
use thiserror::Error;

use super::phase::Phase;
use crate::{
    behaviour::update::pull::check_pull,
    typed::software::values::{Numbering, State, UpdateResult},
};

/// The state of a [`Machine`](super::Machine) that survives a reboot.
///
/// It serialises with a format version and a check sum. Damaged data doesn't deserialise, and
/// neither does an impossible state.
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
    /// The bytes that a pull has received: 2^63 - 1 at most, as an Integer has to hold the number.
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
        // The machine knows which numbering it has.
        let registered = read.check(Numbering::Registered);
        registered.or_else(|_| read.check(Numbering::Candidate))
    }
}

/// Why a [`Snapshot`] is impossible.
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
    /// More bytes were received than an Integer can hold.
    #[error("{0} bytes received, which is more than 2^63 - 1")]
    Received(u64),
}

impl Snapshot {
    /// Whether a machine of this numbering can be in this state.
    pub fn check(&self, numbering: Numbering) -> Result<(), SnapshotError> {
        self.phase(numbering).map(drop)
    }

    /// Where a machine of this numbering is.
    pub(super) fn phase(&self, numbering: Numbering) -> Result<Phase, SnapshotError> {
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
        let phase = Phase::of(state, self.active, self.installing);
        let phase = phase.ok_or(SnapshotError::Use(state))?;
        check_pull(
            &self.package_uri,
            self.received,
            SnapshotError::PackageUri,
            SnapshotError::Received,
        )?;
        Ok(phase)
    }

    /// How many values a saved Object has for each Object Instance.
    pub(super) const VALUES: usize = 7;

    /// The snapshot as a part of the state of a saved Object.
    pub(super) fn into_values(
        self,
        instance: InstanceId,
        numbering: Numbering,
    ) -> [Value; Self::VALUES] {
        [
            Value::Integer(instance.get().into()),
            Value::Integer(self.state.number(numbering).into()),
            Value::Integer(self.result.number(numbering).into()),
            Value::Boolean(self.active),
            Value::Boolean(self.installing),
            Value::String(self.package_uri),
            Value::Integer(i64::try_from(self.received).unwrap_or(i64::MAX)),
        ]
    }

    /// The snapshot that a part of the state of a saved Object has, and of which Object Instance;
    /// `None` if no machine of this numbering can be in it.
    pub(super) fn from_values(
        values: &[Value],
        numbering: Numbering,
    ) -> Option<(InstanceId, Self)> {
        let [
            Value::Integer(instance),
            Value::Integer(state),
            Value::Integer(result),
            Value::Boolean(active),
            Value::Boolean(installing),
            Value::String(package_uri),
            Value::Integer(received),
        ] = values
        else {
            return None;
        };
        let snapshot = Self {
            state: State::from_number(u8::try_from(*state).ok()?, numbering)?,
            result: UpdateResult::from_number(u8::try_from(*result).ok()?, numbering)?,
            active: *active,
            installing: *installing,
            package_uri: package_uri.clone(),
            received: u64::try_from(*received).ok()?,
        };
        snapshot.check(numbering).ok()?;
        Some((InstanceId::new(u16::try_from(*instance).ok()?)?, snapshot))
    }
}
