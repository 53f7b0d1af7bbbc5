//! Which paths a payload has named.

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{InstanceId, Path, ResourceId, ResourceInstanceId};

/// A set of paths below one Object. Each is kept as one number, which is fast to compare.
pub(super) struct NamedPaths {
    /// The paths that came in ascending order, as most do.
    ascending: Vec<u64>,
    /// The paths that came out of order. So no payload takes longer than sorting it.
    late: BTreeSet<u64>,
}

impl NamedPaths {
    pub(super) const fn new() -> Self {
        Self {
            ascending: Vec::new(),
            late: BTreeSet::new(),
        }
    }

    /// Adds a path; returns `false` if it was there already.
    pub(super) fn insert(&mut self, path: Path) -> bool {
        let key = Self::key(path);
        if self.ascending.last().is_none_or(|last| *last < key) {
            self.ascending.push(key);
            return true;
        }
        self.ascending.binary_search(&key).is_err() && self.late.insert(key)
    }

    pub(super) fn contains(&self, path: Path) -> bool {
        let key = Self::key(path);
        self.ascending.binary_search(&key).is_ok() || self.late.contains(&key)
    }

    pub(super) fn instances(&self) -> Vec<InstanceId> {
        let instances = self.keys().filter(|key| key.trailing_zeros() >= 34);
        let numbers = instances.filter_map(|key| u16::try_from(key >> 34 & 0xFFFF).ok());
        numbers.filter_map(InstanceId::new).collect()
    }

    pub(super) fn has_resources(&self) -> bool {
        self.keys().any(|key| key & 0x3_FFFE_0000 != 0)
    }

    fn keys(&self) -> impl Iterator<Item = u64> {
        self.ascending.iter().chain(&self.late).copied()
    }

    /// Three times 17 bits, of which the first says whether there is a number.
    fn key(path: Path) -> u64 {
        let part = |id: Option<u16>| id.map_or(0, |id| 0x1_0000 | u64::from(id));
        part(path.instance().map(InstanceId::get)) << 34
            | part(path.resource().map(ResourceId::get)) << 17
            | part(path.resource_instance().map(ResourceInstanceId::get))
    }
}
