//! The value of a Resource, and its form in a snapshot.

use alloc::vec::Vec;

use lwm2m_core::{Path, ResourceInstanceId, Value};

use crate::{
    definition::ResourceDefinition,
    saved::snapshot::ResourceSnapshot,
    tree::{
        change::Change, check::check_value, error::ReadError, sink::ResourceSink, sorted::SortedMap,
    },
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

    /// The changes that give the Resource at `path` this value.
    pub(super) fn changes(&self, path: Path) -> Vec<Change> {
        let set = |path, value: &Value| Change::Set {
            path,
            value: value.clone(),
        };
        match (self, path) {
            (Self::Single(value), _) => [set(path, value)].into(),
            (Self::Multiple(values), Path::Resource(object, instance, resource)) => {
                let at =
                    |id: ResourceInstanceId| Path::ResourceInstance(object, instance, resource, id);
                let values = values.iter().map(|(id, value)| set(at(*id), value));
                values.collect()
            }
            _ => Vec::new(),
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
