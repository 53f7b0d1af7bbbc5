//! What was asked of clients, by client and by the endpoint's request.
//!
//! Operations and observations are each kept in one of these. An entry costs nothing per
//! client that has none; what a client has is found without looking at the others.

use alloc::collections::BTreeMap;

use hashbrown::HashMap;

use crate::{coap::RequestId, machine::KeyedState};

/// The room that is kept when there is nothing in it.
pub(crate) const KEEP: usize = 64;

/// The name of an entry; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key<C> {
    pub(crate) client: C,
    pub(crate) serial: u64,
}

#[derive(Debug)]
pub(crate) struct Ledger<C, T> {
    entries: BTreeMap<Key<C>, (RequestId, T)>,
    by_request: HashMap<RequestId, Key<C>, KeyedState>,
    serial: u64,
}

impl<C: Copy + Ord, T> Ledger<C, T> {
    pub(crate) fn new(keys: KeyedState) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_request: HashMap::with_hasher(keys),
            serial: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many entries a client has.
    pub(crate) fn count(&self, client: C) -> usize {
        self.entries.range(of(client)).count()
    }

    /// Adds an entry. Entries of a client are in the order in which they were added.
    pub(crate) fn insert(&mut self, client: C, request: RequestId, entry: T) -> Key<C> {
        let key = Key {
            client,
            serial: self.serial,
        };
        self.serial = self.serial.wrapping_add(1);
        self.entries.insert(key, (request, entry));
        self.by_request.insert(request, key);
        key
    }

    pub(crate) fn get(&self, key: Key<C>) -> Option<&(RequestId, T)> {
        self.entries.get(&key)
    }

    pub(crate) fn by_request(&self, request: RequestId) -> Option<(Key<C>, &T)> {
        let key = *self.by_request.get(&request)?;
        Some((key, &self.entries.get(&key)?.1))
    }

    pub(crate) fn take(&mut self, key: Key<C>) -> Option<(RequestId, T)> {
        let (request, entry) = self.entries.remove(&key)?;
        self.by_request.remove(&request);
        if self.by_request.is_empty() && self.by_request.capacity() > KEEP {
            self.by_request = HashMap::with_hasher(*self.by_request.hasher());
        }
        Some((request, entry))
    }

    pub(crate) fn take_by_request(&mut self, request: RequestId) -> Option<(Key<C>, T)> {
        let key = *self.by_request.get(&request)?;
        let (_, entry) = self.take(key)?;
        Some((key, entry))
    }

    /// The first entry of a client.
    pub(crate) fn take_of(&mut self, client: C) -> Option<(Key<C>, RequestId, T)> {
        let (key, _) = self.entries.range(of(client)).next()?;
        let key = *key;
        let (request, entry) = self.take(key)?;
        Some((key, request, entry))
    }
}

fn of<C: Copy>(client: C) -> core::ops::RangeInclusive<Key<C>> {
    let key = |serial| Key { client, serial };
    key(0)..=key(u64::MAX)
}

#[cfg(test)]
mod tests {
    use lwm2m_core::Instant;

    use super::*;
    use crate::{
        coap::{Config, Endpoint},
        machine::{Channel, Random},
    };

    #[test]
    fn entries_are_found_by_key_request_and_client_until_taken() {
        let mut endpoint = Endpoint::new(Config::new([1; 32]));
        let mut request = || endpoint.ping(Instant::ZERO, "peer", Channel::Udp).unwrap();
        let mut ledger = Ledger::new(Random::new([2; 32]).hash_keys());
        let [a, b] = ['a', 'b'];
        let requests = [(); 4].map(|()| request());
        let [one, two, three] = [(a, 0, "one"), (b, 1, "two"), (a, 2, "three")]
            .map(|(client, at, entry)| ledger.insert(client, requests[at], entry));
        assert_eq!((ledger.count(a), ledger.count(b), ledger.len()), (2, 1, 3));
        assert_eq!(ledger.get(two), Some(&(requests[1], "two")));
        assert_eq!(ledger.by_request(requests[2]), Some((three, &"three")));
        assert_eq!(ledger.by_request(requests[3]), None);

        assert_eq!(ledger.take_by_request(requests[1]), Some((two, "two")));
        assert_eq!(ledger.take(two), None);
        assert_eq!(ledger.take_of(b), None);
        assert_eq!(ledger.take_of(a), Some((one, requests[0], "one")));
        assert_eq!(ledger.take(three), Some((requests[2], "three")));
        assert_eq!(ledger.by_request(requests[2]), None);
        assert_eq!((ledger.len(), ledger.by_request.len()), (0, 0));
        assert_ne!(ledger.insert(a, requests[3], "four"), one);
    }
}
