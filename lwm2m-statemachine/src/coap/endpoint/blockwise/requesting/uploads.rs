//! The order of requests whose body is sent in blocks. Only one at a time is sent to each resource
//! of a peer, because RFC 7959 §2.5 has no way to distinguish two of them.

use alloc::collections::{BTreeMap, VecDeque};

use crate::coap::endpoint::{
    keys::{BodyKey, PeerIndex},
    table::Key,
};

/// The requests whose body is sent in blocks, and their Request-Tags.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    /// The requests to each resource: the first one is active, the others wait.
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

    /// A Request-Tag that hasn't been used for 65,535 others.
    pub(super) fn tag(&mut self) -> [u8; 2] {
        self.next_tag = self.next_tag.wrapping_add(1);
        self.next_tag.to_be_bytes()
    }

    /// Adds a request. Returns whether it is its turn.
    pub(super) fn enter(&mut self, resource: BodyKey, request: Key) -> bool {
        let queue = self.queues.entry(resource).or_default();
        queue.push_back(request);
        queue.len() == 1
    }

    /// Removes a request. Returns the one whose turn it is now, if that has changed.
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

    /// Forgets all requests to this peer.
    pub(super) fn forget(&mut self, peer: PeerIndex) {
        while let Some((resource, _)) = self.queues.range(BodyKey::all_of(peer)).next() {
            let resource = *resource;
            self.queues.remove(&resource);
        }
    }
}
