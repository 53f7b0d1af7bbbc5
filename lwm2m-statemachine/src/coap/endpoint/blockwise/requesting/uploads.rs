//! Requests whose body goes in blocks. To one resource of a peer there is one at a time: RFC 7959
//! §2.5 knows no way to tell two of them apart.

use alloc::collections::{BTreeMap, VecDeque};

use crate::coap::endpoint::{
    keys::{BodyKey, PeerIndex},
    table::Key,
};

/// The requests whose body goes in blocks, and their Request-Tags.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    /// By what they are sent to. The first one of each is under way, the others wait.
    queues: BTreeMap<BodyKey, VecDeque<Key>>,
    next_tag: u16,
}

impl Uploads {
    pub(super) const fn new(next_tag: u16) -> Self {
        Self {
            queues: BTreeMap::new(),
            next_tag,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// A Request-Tag that was not used lately.
    pub(super) fn tag(&mut self) -> [u8; 2] {
        self.next_tag = self.next_tag.wrapping_add(1);
        self.next_tag.to_be_bytes()
    }

    /// Says whether it is its turn.
    pub(super) fn enter(&mut self, resource: BodyKey, request: Key) -> bool {
        let queue = self.queues.entry(resource).or_default();
        queue.push_back(request);
        queue.len() == 1
    }

    /// Tells whose turn it is now, if that changed.
    pub(super) fn leave(&mut self, resource: BodyKey, request: Key) -> Option<Key> {
        let queue = self.queues.get_mut(&resource)?;
        let first = queue.front() == Some(&request);
        queue.retain(|other| *other != request);
        if queue.is_empty() {
            self.queues.remove(&resource);
            return None;
        }
        queue.front().copied().filter(|_| first)
    }

    /// No other transfer to this peer is to begin.
    pub(super) fn forget(&mut self, peer: PeerIndex) {
        while let Some((resource, _)) = self.queues.range(BodyKey::all_of(peer)).next() {
            let resource = *resource;
            self.queues.remove(&resource);
        }
    }
}
