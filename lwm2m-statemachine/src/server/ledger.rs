//! What was asked of clients, by registration and by the endpoint's request.
//!
//! Operations and observations are each kept in one of these. An entry costs nothing per
//! registration that has none; what a registration has is found without looking at the others.

use alloc::collections::BTreeMap;

use hashbrown::HashMap;

use super::registration::RegistrationId;
use crate::{coap::RequestId, random::KeyedState};

/// The room that is kept when there is nothing in it.
pub(super) const KEEP: usize = 64;

/// The name of an entry; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) registration: RegistrationId,
    pub(super) serial: u64,
}

#[derive(Debug)]
pub(super) struct Ledger<T> {
    entries: BTreeMap<Key, (RequestId, T)>,
    by_request: HashMap<RequestId, Key, KeyedState>,
    serial: u64,
}

impl<T> Ledger<T> {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_request: HashMap::with_hasher(keys),
            serial: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many entries a registration has.
    pub(super) fn count(&self, registration: RegistrationId) -> usize {
        self.entries.range(of(registration)).count()
    }

    /// Adds an entry. Entries of a registration are in the order in which they were added.
    pub(super) fn insert(
        &mut self,
        registration: RegistrationId,
        request: RequestId,
        entry: T,
    ) -> Key {
        let key = Key {
            registration,
            serial: self.serial,
        };
        self.serial = self.serial.wrapping_add(1);
        self.entries.insert(key, (request, entry));
        self.by_request.insert(request, key);
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&(RequestId, T)> {
        self.entries.get(&key)
    }

    pub(super) fn by_request(&self, request: RequestId) -> Option<(Key, &T)> {
        let key = *self.by_request.get(&request)?;
        Some((key, &self.entries.get(&key)?.1))
    }

    pub(super) fn take(&mut self, key: Key) -> Option<(RequestId, T)> {
        let (request, entry) = self.entries.remove(&key)?;
        self.by_request.remove(&request);
        if self.by_request.is_empty() && self.by_request.capacity() > KEEP {
            self.by_request = HashMap::with_hasher(*self.by_request.hasher());
        }
        Some((request, entry))
    }

    pub(super) fn take_by_request(&mut self, request: RequestId) -> Option<(Key, T)> {
        let key = *self.by_request.get(&request)?;
        let (_, entry) = self.take(key)?;
        Some((key, entry))
    }

    /// The first entry of a registration.
    pub(super) fn take_of(&mut self, registration: RegistrationId) -> Option<(Key, RequestId, T)> {
        let (key, _) = self.entries.range(of(registration)).next()?;
        let key = *key;
        let (request, entry) = self.take(key)?;
        Some((key, request, entry))
    }
}

fn of(registration: RegistrationId) -> core::ops::RangeInclusive<Key> {
    let key = |serial| Key {
        registration,
        serial,
    };
    key(0)..=key(u64::MAX)
}

#[cfg(test)]
mod tests {
    use lwm2m_core::Instant;

    use super::*;
    use crate::{
        Channel,
        coap::{Config, Endpoint},
        random::Random,
    };

    #[test]
    fn entries_are_found_by_key_request_and_registration_until_taken() {
        let mut endpoint = Endpoint::new(Config::new([1; 32]));
        let mut request = || endpoint.ping(Instant::ZERO, "peer", Channel::Udp).unwrap();
        let mut ledger = Ledger::new(Random::new([2; 32]).hash_keys());
        let [a, b] = [0, 1].map(RegistrationId::of);
        let requests = [(); 4].map(|()| request());
        let [one, two, three] = [(a, 0, "one"), (b, 1, "two"), (a, 2, "three")]
            .map(|(registration, at, entry)| ledger.insert(registration, requests[at], entry));
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
