//! The value of a Resource, and its form in a snapshot.

use lwm2m_core::{Path, ResourceInstanceId, Value};

use crate::{
    definition::ResourceDefinition,
    saved::snapshot::ResourceSnapshot,
    tree::{check::check_value, error::ReadError, sink::ResourceSink, sorted::SortedMap},
};

/// The value of a Resource.
#[derive(Clone)]
pub(super) enum Stored {
    Single(Value),
    Multiple(SortedMap<ResourceInstanceId, Value>),
    Executable,
}

impl Stored {
    #[inline]
    pub(super) fn read(&self, out: &mut ResourceSink<'_>) -> Result<(), ReadError> {
        match self {
            Self::Single(value) => out.value(value.as_ref()),
            Self::Multiple(values) => values
                .iter()
                .try_for_each(|(id, value)| out.instance(*id, value.as_ref())),
            Self::Executable => Err(ReadError::Unavailable),
        }
    }

    pub(super) fn save(&self) -> ResourceSnapshot {
        match self {
            Self::Single(value) => ResourceSnapshot::Single(value.clone()),
            Self::Multiple(values) => {
                let values = values.iter();
                let values = values.map(|(id, value)| (*id, value.clone()));
                ResourceSnapshot::Multiple(values.collect())
            }
            Self::Executable => ResourceSnapshot::Executable,
        }
    }

    /// A saved value, which [`fits`].
    pub(super) fn load(saved: &ResourceSnapshot) -> Self {
        match saved {
            ResourceSnapshot::Single(value) => Self::Single(value.clone()),
            ResourceSnapshot::Multiple(values) => Self::Multiple(values.iter().cloned().collect()),
            ResourceSnapshot::Executable => Self::Executable,
        }
    }
}

/// Whether the saved value of the Resource at `path` fits its definition.
pub(super) fn fits(saved: &ResourceSnapshot, definition: &ResourceDefinition, path: Path) -> bool {
    let fits = |value: &Value| check_value(definition, path, &value.as_ref()).is_ok();
    match saved {
        ResourceSnapshot::Single(value) => !definition.is_multiple() && fits(value),
        ResourceSnapshot::Multiple(values) => {
            definition.is_multiple()
                && values.is_sorted_by(|(a, _), (b, _)| a < b)
                && values.iter().all(|(_, value)| fits(value))
        }
        ResourceSnapshot::Executable => definition.operations.executable(),
    }
}
