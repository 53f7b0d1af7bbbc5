//! Which Object Instance IDs are taken.

use lwm2m_core::InstanceId;

use crate::tree::sorted::SortedMap;

/// Object Instance IDs that are taken, kept as runs of consecutive ones: a free one is found without
/// walking through all that are taken.
#[derive(Clone)]
pub(super) struct TakenIds(
    /// The first and the last identifier of each run; between two runs is a gap.
    SortedMap<u16, u16>,
);

impl TakenIds {
    pub(super) const fn new() -> Self {
        Self(SortedMap::new())
    }

    /// The first free identifier from `from` on.
    pub(super) fn free(&self, from: InstanceId) -> Option<InstanceId> {
        match self.run(from.get()) {
            Some((_, last)) => InstanceId::new(last.checked_add(1)?),
            None => Some(from),
        }
    }

    /// Takes an identifier that was free.
    pub(super) fn take(&mut self, id: InstanceId) {
        let id = id.get();
        let before = id.checked_sub(1).and_then(|before| self.run(before));
        let first = before.map_or(id, |(first, _)| first);
        // An identifier is never 65535.
        let after = id.saturating_add(1);
        let last = self.0.remove(&after).unwrap_or(id);
        self.0.insert(first, last);
    }

    /// Frees an identifier that was taken.
    pub(super) fn free_up(&mut self, id: InstanceId) {
        let id = id.get();
        let Some((first, last)) = self.run(id) else {
            return;
        };
        self.0.remove(&first);
        if first < id {
            self.0.insert(first, id.saturating_sub(1));
        }
        if id < last {
            self.0.insert(id.saturating_add(1), last);
        }
    }

    /// The run that an identifier is in.
    fn run(&self, id: u16) -> Option<(u16, u16)> {
        let (first, last) = self.0.up_to(&id)?;
        (*last >= id).then_some((*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn id(id: u16) -> InstanceId {
        InstanceId::new(id).unwrap()
    }

    /// The greatest identifier is 65534.
    #[test]
    fn all_may_be_taken() {
        let mut taken = TakenIds::new();
        for number in (0..u16::MAX).rev() {
            taken.take(id(number));
        }
        assert_eq!(taken.free(id(0)), None);
        assert_eq!(taken.0.len(), 1);
        taken.free_up(id(u16::MAX - 1));
        assert_eq!(taken.free(id(0)), Some(id(u16::MAX - 1)));
        taken.free_up(id(7));
        assert_eq!(taken.free(id(0)), Some(id(7)));
        assert_eq!(taken.free(id(8)), Some(id(u16::MAX - 1)));
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0..40_u16), 0..200)) {
            let (mut taken, mut model) = (TakenIds::new(), BTreeSet::new());
            for (take, number) in steps {
                if take && model.insert(number) {
                    taken.take(id(number));
                } else if !take && model.remove(&number) {
                    taken.free_up(id(number));
                }
                for from in 0..42 {
                    let free = (from..u16::MAX).find(|id| !model.contains(id)).unwrap();
                    prop_assert_eq!(taken.free(id(from)), Some(id(free)));
                }
            }
        }
    }
}
