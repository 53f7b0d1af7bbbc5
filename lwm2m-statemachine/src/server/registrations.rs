//! The registrations: found by handle, endpoint name or location, and when the next one expires.
//!
//! The indices hold a number of four bytes for each registration and look at the registration
//! itself to compare, so that its name is kept once. Nothing is ever scanned.

use core::hash::BuildHasher;

use hashbrown::HashTable;
use lwm2m_core::Instant;
use slab::Slab;

use super::{
    location::Location,
    registration::{Registration, RegistrationId},
};
use crate::{
    TimerQueue,
    random::{KeyedState, Random},
};

#[derive(Debug)]
pub(super) struct Registrations<P> {
    entries: Slab<Entry<P>>,
    by_name: HashTable<u32>,
    by_location: HashTable<u32>,
    expiry: TimerQueue<u32>,
    /// Peers choose the names.
    keys: KeyedState,
    random: Random,
    serial: u32,
}

#[derive(Debug)]
struct Entry<P> {
    serial: u32,
    registration: Registration<P>,
}

impl<P> Registrations<P> {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            entries: Slab::new(),
            by_name: HashTable::new(),
            by_location: HashTable::new(),
            expiry: TimerQueue::new(),
            keys: random.hash_keys(),
            random: Random::new(random.seed()),
            serial: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RegistrationId, &Registration<P>)> {
        self.entries.iter().filter_map(|(index, entry)| {
            let id = RegistrationId {
                index: u32::try_from(index).ok()?,
                serial: entry.serial,
            };
            Some((id, &entry.registration))
        })
    }

    pub(super) fn get(&self, id: RegistrationId) -> Option<&Registration<P>> {
        let entry = entry(&self.entries, id.index)?;
        (entry.serial == id.serial).then_some(&entry.registration)
    }

    /// For changes of anything but the name, the location and the expiry.
    pub(super) fn get_mut(&mut self, id: RegistrationId) -> Option<&mut Registration<P>> {
        let entry = self.entries.get_mut(usize::try_from(id.index).ok()?)?;
        (entry.serial == id.serial).then_some(&mut entry.registration)
    }

    pub(super) fn find(&self, endpoint_name: &str) -> Option<RegistrationId> {
        let index = self
            .by_name
            .find(self.keys.hash_one(endpoint_name), |index| {
                name(&self.entries, *index) == Some(endpoint_name)
            });
        self.id(*index?)
    }

    pub(super) fn find_location(&self, wanted: Location) -> Option<RegistrationId> {
        let index = self.by_location.find(self.hash_location(wanted), |index| {
            location(&self.entries, *index) == Some(wanted)
        });
        self.id(*index?)
    }

    /// A location that no registration has.
    pub(super) fn free_location(&mut self) -> Location {
        loop {
            let location = Location::new(self.random.next_u64());
            if self.find_location(location).is_none() {
                return location;
            }
        }
    }

    /// Adds a registration whose name and location no other has. `None` if there is no number
    /// left for it.
    pub(super) fn insert(&mut self, registration: Registration<P>) -> Option<RegistrationId> {
        let index = u32::try_from(self.entries.vacant_key()).ok()?;
        let keys = self.keys;
        let name_hash = keys.hash_one(registration.endpoint_name());
        let location_hash = self.hash_location(registration.location);
        let id = RegistrationId {
            index,
            serial: self.serial,
        };
        self.serial = self.serial.wrapping_add(1);
        self.entries.insert(Entry {
            serial: id.serial,
            registration,
        });
        let entries = &self.entries;
        self.by_name.insert_unique(name_hash, index, |index| {
            keys.hash_one(name(entries, *index).unwrap_or_default())
        });
        self.by_location
            .insert_unique(location_hash, index, |index| {
                keys.hash_one(location(entries, *index).map(Location::bits))
            });
        Some(id)
    }

    pub(super) fn set_expiry(&mut self, id: RegistrationId, expiry: Option<Instant>) {
        let index = usize::try_from(id.index).ok();
        let entry = index.and_then(|index| self.entries.get_mut(index));
        if let Some(entry) = entry.filter(|entry| entry.serial == id.serial) {
            self.expiry
                .set(id.index, &mut entry.registration.expiry, expiry);
        }
    }

    pub(super) fn remove(&mut self, id: RegistrationId) -> Option<Registration<P>> {
        self.get(id)?;
        self.set_expiry(id, None);
        let registration = self.get(id)?;
        let name_hash = self.keys.hash_one(registration.endpoint_name());
        let location_hash = self.hash_location(registration.location);
        let is_it = |index: &u32| *index == id.index;
        if let Ok(found) = self.by_name.find_entry(name_hash, is_it) {
            found.remove();
        }
        if let Ok(found) = self.by_location.find_entry(location_hash, is_it) {
            found.remove();
        }
        let entry = self.entries.try_remove(usize::try_from(id.index).ok()?)?;
        Some(entry.registration)
    }

    /// When the next registration expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.next()
    }

    /// The first registration that has expired, to be removed.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<RegistrationId> {
        let index = self.expiry.pop_due(now)?;
        let entry = self.entries.get_mut(usize::try_from(index).ok()?)?;
        entry.registration.expiry = None;
        self.id(index)
    }

    fn id(&self, index: u32) -> Option<RegistrationId> {
        let serial = entry(&self.entries, index)?.serial;
        Some(RegistrationId { index, serial })
    }

    fn hash_location(&self, location: Location) -> u64 {
        self.keys.hash_one(Some(location.bits()))
    }
}

fn entry<P>(entries: &Slab<Entry<P>>, index: u32) -> Option<&Entry<P>> {
    entries.get(usize::try_from(index).ok()?)
}

fn name<P>(entries: &Slab<Entry<P>>, index: u32) -> Option<&str> {
    Some(entry(entries, index)?.registration.endpoint_name())
}

fn location<P>(entries: &Slab<Entry<P>>, index: u32) -> Option<Location> {
    Some(entry(entries, index)?.registration.location)
}

#[cfg(test)]
mod tests;
