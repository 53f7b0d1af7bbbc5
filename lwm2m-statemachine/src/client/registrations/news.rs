//! Objects that come and go with software, of which servers may want to hear with the next Update only (Object 9,
//! Resource 8).

use alloc::collections::BTreeSet;

use lwm2m_core::{ObjectId, Path};

/// Which Objects servers aren't told of before the next Update.
#[derive(Debug, Default)]
pub(in crate::client) struct HeldNews {
    /// Whether what changes now is held.
    is_holding: bool,
    objects: BTreeSet<ObjectId>,
}

impl HeldNews {
    /// From now on Objects and Object Instances that come and go don't lead to an Update; the next one tells them. Or
    /// they do again.
    pub(in crate::client) const fn hold(&mut self, holds: bool) {
        self.is_holding = holds;
    }

    /// Whether what changes now is held.
    pub(in crate::client) const fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// There are changes at these paths. If they are `is_held`, they are told with the next Update only.
    pub(in crate::client) fn note(&mut self, paths: &[Path], is_held: bool) {
        for path in paths.iter().filter(|path| path.resource().is_none()) {
            match path.object() {
                Some(object) if is_held => drop(self.objects.insert(object)),
                Some(object) => drop(self.objects.remove(&object)),
                None if is_held => {}
                None => self.objects.clear(),
            }
        }
    }

    pub(super) const fn objects(&self) -> &BTreeSet<ObjectId> {
        &self.objects
    }
}
