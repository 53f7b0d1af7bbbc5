//! Bodies of requests that the application supplies block by block.

use alloc::collections::BTreeMap;

use crate::coap::endpoint::{body::SourceId, table::Key};

/// The sources that are in use, and of which request each is the body.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Sources {
    owners: BTreeMap<SourceId, Key>,
}

impl Sources {
    pub(in crate::coap::endpoint) fn len(&self) -> usize {
        self.owners.len()
    }

    pub(in crate::coap::endpoint) fn owner(&self, id: SourceId) -> Option<Key> {
        self.owners.get(&id).copied()
    }

    pub(in crate::coap::endpoint) fn begin(&mut self, id: SourceId, request: Key) {
        self.owners.insert(id, request);
    }

    pub(in crate::coap::endpoint) fn end(&mut self, id: SourceId) {
        self.owners.remove(&id);
    }
}
