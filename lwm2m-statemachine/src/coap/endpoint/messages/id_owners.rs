//! The owners of our message ids.

use core::mem;

use hashbrown::{HashTable, hash_table::Entry};

use crate::{
    coap::endpoint::{
        keys::PeerIndex,
        table::{KEEP, Key},
    },
    machine::KeyedState,
};

/// The owner of a message id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdOwner {
    Transmission(Key),
    /// A request that is sent once.
    Request(Key),
    /// A notification that is sent once.
    Notification(Key),
}

/// The message ids that an acknowledgement or a Reset may name.
#[derive(Clone, Debug)]
pub(super) struct IdOwners {
    ids: HashTable<(PeerIndex, u16, IdOwner)>,
    keys: KeyedState,
}

impl IdOwners {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            ids: HashTable::new(),
            keys,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn find(&self, peer: PeerIndex, id: u16) -> Option<IdOwner> {
        self.ids
            .find(hash(self.keys, peer, id), |other| {
                (other.0, other.1) == (peer, id)
            })
            .map(|(_, _, owner)| *owner)
    }

    /// Assigns the id to this owner. A previous owner that is older than EXCHANGE_LIFETIME loses
    /// it: a request that is sent once may wait that long for its response.
    pub(super) fn insert(&mut self, peer: PeerIndex, id: u16, owner: IdOwner) {
        let keys = self.keys;
        let entry = self.ids.entry(
            hash(keys, peer, id),
            |other| (other.0, other.1) == (peer, id),
            |(peer, id, _)| hash(keys, *peer, *id),
        );
        match entry {
            Entry::Occupied(mut entry) => entry.get_mut().2 = owner,
            Entry::Vacant(entry) => {
                entry.insert((peer, id, owner));
            }
        }
    }

    /// Releases the id of this owner.
    pub(super) fn remove(&mut self, peer: PeerIndex, id: u16, owner: IdOwner) {
        let hash = hash(self.keys, peer, id);
        if let Ok(entry) = self
            .ids
            .find_entry(hash, |other| *other == (peer, id, owner))
        {
            entry.remove();
        }
        if self.ids.is_empty() && self.ids.capacity() > KEEP {
            drop(mem::take(&mut self.ids));
        }
    }
}

fn hash(keys: KeyedState, peer: PeerIndex, id: u16) -> u64 {
    keys.hash_numbers(peer.into(), id.into())
}
