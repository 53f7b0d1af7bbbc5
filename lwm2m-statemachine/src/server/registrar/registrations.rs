//! All registrations, found by handle, endpoint name or location, by expiry, and in the order of
//! eviction.
//!
//! The indices hold four bytes for each registration and compare with the registration itself, so
//! that its name is kept once. Nothing is scanned, and unused memory is given back.

use alloc::{collections::BTreeSet, vec::Vec};
use core::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use lwm2m_core::Instant;

use super::{
    eviction::{EvictionOrder, Place, Places, Standing},
    location::Location,
    pages::Pages,
    registration::Registration,
};
use crate::{
    downlink::{Host, HostOf},
    machine::{KeyedState, Peer, Random, TimerQueue},
    server::id::RegistrationId,
};

#[derive(Debug)]
pub(super) struct Registrations<P> {
    entries: Pages<Entry<P>>,
    by_name: HashTable<u32>,
    /// Locations are random, so they are their own hashes.
    by_location: HashTable<u32>,
    /// Those with a proven identity, by 32 bits of the hash of their peer: any number of them may
    /// have the same one. Without a proven identity, a client is its peer.
    by_peer: BTreeSet<(u32, u32)>,
    expiry: TimerQueue<u32>,
    eviction: EvictionOrder,
    host_of: Option<HostOf<P>>,
    /// The weight of all registrations.
    bytes: usize,
    /// For names: peers choose them.
    keys: KeyedState,
    random: Random,
    serial: u32,
}

/// The hash of an endpoint name.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameHash(u64);

#[derive(Debug)]
struct Entry<P> {
    serial: u32,
    place: Place,
    registration: Registration<P>,
}

impl<P> Entry<P> {
    fn new(serial: u32, registration: Registration<P>) -> Self {
        Self {
            serial,
            place: Place::default(),
            registration,
        }
    }
}

impl<P> Places for Pages<Entry<P>> {
    fn place(&mut self, index: u32) -> Option<&mut Place> {
        self.get_mut(index).map(|entry| &mut entry.place)
    }
}

impl<P> Registrations<P> {
    pub(super) fn new(random: &mut Random, host_of: Option<HostOf<P>>) -> Self {
        let eviction = EvictionOrder::new(random.hash_keys());
        let keys = random.hash_keys();
        let [a, b, c, d, ..] = keys.hash_one(()).to_le_bytes();
        Self {
            entries: Pages::default(),
            by_name: HashTable::new(),
            by_location: HashTable::new(),
            by_peer: BTreeSet::new(),
            expiry: TimerQueue::new(),
            eviction,
            host_of,
            bytes: 0,
            keys,
            random: Random::new(random.seed()),
            // It is another one after each start, so that a handle from before is none of those that have ended.
            serial: u32::from_le_bytes([a, b, c, d]),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The weight of all registrations.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many hosts have registrations without a proven identity.
    pub(super) fn hosts(&self) -> usize {
        self.eviction.hosts()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RegistrationId, &Registration<P>)> {
        self.entries.iter().map(|(index, entry)| {
            let id = RegistrationId {
                index,
                serial: entry.serial,
            };
            (id, &entry.registration)
        })
    }

    pub(super) fn get(&self, id: RegistrationId) -> Option<&Registration<P>> {
        let entry = self.entries.get(id.index)?;
        (entry.serial == id.serial).then_some(&entry.registration)
    }

    /// For changes that no index and no count depends on.
    pub(super) fn get_mut(&mut self, id: RegistrationId) -> Option<&mut Registration<P>> {
        let entry = self.entries.get_mut(id.index)?;
        (entry.serial == id.serial).then_some(&mut entry.registration)
    }

    /// The hash of a name, for several calls about it.
    pub(super) fn hash_name(&self, endpoint_name: &str) -> NameHash {
        NameHash(hash_name(self.keys, endpoint_name))
    }

    pub(super) fn find(&self, endpoint_name: &str) -> Option<RegistrationId> {
        self.find_hashed(endpoint_name, self.hash_name(endpoint_name))
    }

    pub(super) fn find_hashed(
        &self,
        endpoint_name: &str,
        NameHash(hash): NameHash,
    ) -> Option<RegistrationId> {
        let index = self.by_name.find(hash, |index| {
            name(&self.entries, *index) == Some(endpoint_name)
        });
        self.id(*index?)
    }

    pub(super) fn find_location(&self, wanted: Location) -> Option<RegistrationId> {
        let index = self.by_location.find(wanted.bits(), |index| {
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

    /// The registration that is kept where this one is or was.
    pub(super) fn in_place_of(&self, id: RegistrationId) -> Option<RegistrationId> {
        self.id(id.index)
    }

    fn id(&self, index: u32) -> Option<RegistrationId> {
        let serial = self.entries.get(index)?.serial;
        Some(RegistrationId { index, serial })
    }
}

/// Registrations come, change and go.
impl<P: Peer> Registrations<P> {
    /// Adds a registration, whose name and location are free. `None` if there is no number left.
    pub(super) fn insert(
        &mut self,
        registration: Registration<P>,
        name: NameHash,
    ) -> Option<RegistrationId> {
        let serial = self.serial;
        let index = self.entries.insert(Entry::new(serial, registration))?;
        self.serial = self.serial.wrapping_add(1);
        self.enter(index, name);
        Some(RegistrationId { index, serial })
    }

    /// Adds a registration, whose name and location are free, under the handle that it had before a
    /// restart. `None` if another one is kept there.
    pub(super) fn restore(
        &mut self,
        id: RegistrationId,
        registration: Registration<P>,
        name: NameHash,
    ) -> Option<()> {
        let entry = Entry::new(id.serial, registration);
        self.entries.insert_at(id.index, entry)?;
        self.enter(id.index, name);
        Some(())
    }

    /// Adds a registration to the indices and the counts.
    fn enter(&mut self, index: u32, NameHash(name_hash): NameHash) {
        let keys = self.keys;
        let Some(entry) = self.entries.get(index) else {
            return;
        };
        let registration = &entry.registration;
        let location = registration.location;
        let (expiry, standing) = (registration.expiry, registration.contact.standing);
        let host = self.host_of(&registration.contact.peer);
        self.bytes = self.bytes.saturating_add(weight(registration));
        self.expiry.set(index, &mut None, Some(expiry));
        self.eviction.add(&mut self.entries, index, standing, host);
        let entries = &self.entries;
        self.by_name.insert_unique(name_hash, index, |index| {
            hash_name(keys, name(entries, *index).unwrap_or_default())
        });
        self.note_location(location, index);
        self.note_peer(index, None);
    }

    /// Changes anything but the name and the location.
    pub(super) fn change<R>(
        &mut self,
        id: RegistrationId,
        change: impl FnOnce(&mut Registration<P>) -> R,
    ) -> Option<R> {
        let host_of = self.host_of;
        let seen = |registration: &Registration<P>| {
            let host = host_of.map(|of| of(&registration.contact.peer));
            (registration.contact.standing, host)
        };
        let place = self.get(id).and_then(|_| self.place_by_peer(id.index));
        let registration = self.get_mut(id)?;
        let (bytes, expiry, before) = (
            weight(registration),
            registration.expiry,
            seen(registration),
        );
        let result = change(registration);
        let (bytes_now, expiry_now, now) = (
            weight(registration),
            registration.expiry,
            seen(registration),
        );
        self.bytes = self.bytes.saturating_sub(bytes).saturating_add(bytes_now);
        self.expiry
            .set(id.index, &mut Some(expiry), Some(expiry_now));
        if before != now {
            let entries = &mut self.entries;
            self.eviction.remove(entries, id.index, before.0, before.1);
            self.eviction.add(entries, id.index, now.0, now.1);
        }
        self.note_peer(id.index, place);
        Some(result)
    }

    /// Puts a registration, whose location is free, in the place of one of the same name. Returns its
    /// handle, and the one that was there; `None` if there is none.
    pub(super) fn replace(
        &mut self,
        old: RegistrationId,
        registration: Registration<P>,
    ) -> Option<(RegistrationId, Registration<P>)> {
        let new = RegistrationId {
            index: old.index,
            serial: self.serial,
        };
        let weight_now = weight(&registration);
        let (expiry, standing) = (registration.expiry, registration.contact.standing);
        let host = self.host_of(&registration.contact.peer);
        let location_now = registration.location;
        let place = self.get(old).and_then(|_| self.place_by_peer(old.index));
        let entry = self.entries.get_mut(old.index);
        let entry = entry.filter(|entry| entry.serial == old.serial)?;
        entry.serial = new.serial;
        let was = core::mem::replace(&mut entry.registration, registration);
        self.serial = self.serial.wrapping_add(1);
        self.bytes = self
            .bytes
            .saturating_sub(weight(&was))
            .saturating_add(weight_now);
        self.expiry
            .set(new.index, &mut Some(was.expiry), Some(expiry));
        let host_before = self.host_of(&was.contact.peer);
        let entries = &mut self.entries;
        let standing_before = was.contact.standing;
        self.eviction
            .remove(entries, new.index, standing_before, host_before);
        self.eviction.add(entries, new.index, standing, host);
        self.forget_location(was.location, new.index);
        self.note_location(location_now, new.index);
        self.note_peer(new.index, place);
        Some((new, was))
    }

    pub(super) fn remove(&mut self, id: RegistrationId) -> Option<Registration<P>> {
        let registration = self.get(id)?;
        let NameHash(name_hash) = self.hash_name(registration.endpoint_name());
        let (expiry, standing) = (registration.expiry, registration.contact.standing);
        let host = self.host_of(&registration.contact.peer);
        let location = registration.location;
        self.expiry.set(id.index, &mut Some(expiry), None);
        self.eviction
            .remove(&mut self.entries, id.index, standing, host);
        let is_it = |index: &u32| *index == id.index;
        if let Ok(found) = self.by_name.find_entry(name_hash, is_it) {
            found.remove();
        }
        self.forget_location(location, id.index);
        if let Some(place) = self.place_by_peer(id.index) {
            self.by_peer.remove(&place);
        }
        let registration = self.entries.remove(id.index)?.registration;
        self.bytes = self.bytes.saturating_sub(weight(&registration));
        self.give_back();
        Some(registration)
    }

    fn note_location(&mut self, new: Location, index: u32) {
        let entries = &self.entries;
        self.by_location.insert_unique(new.bits(), index, |index| {
            location(entries, *index).map_or(0, Location::bits)
        });
    }

    fn forget_location(&mut self, old: Location, index: u32) {
        let is_it = |other: &u32| *other == index;
        if let Ok(found) = self.by_location.find_entry(old.bits(), is_it) {
            found.remove();
        }
    }

    /// When the next registration expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.next()
    }

    /// The first registration that has expired, to be removed.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<RegistrationId> {
        let index = self.expiry.pop_due(now)?;
        self.id(index)
    }

    /// How many registrations without a proven identity a host has.
    pub(super) fn count_at(&self, host: Host) -> usize {
        self.eviction.count_at(host)
    }

    /// The host of a peer, if hosts are told apart.
    pub(super) fn host_of(&self, peer: &P) -> Option<Host> {
        self.host_of.map(|of| of(peer))
    }

    /// The unconfirmed registration that is the oldest.
    pub(super) fn oldest_unconfirmed(&self) -> Option<RegistrationId> {
        self.id(self.eviction.oldest_unconfirmed()?)
    }

    /// The unconfirmed registration of a host that is the oldest.
    pub(super) fn oldest_unconfirmed_at(&self, host: Host) -> Option<RegistrationId> {
        self.id(self.eviction.oldest_unconfirmed_at(host)?)
    }

    /// A confirmed registration that is idle: the first in the order that wasn't updated since it
    /// was last looked at, or, if all of those looked at were, the first of the rest.
    pub(super) fn idle_confirmed(&mut self) -> Option<RegistrationId> {
        for _ in 0..LOOKED_AT {
            let id = self.id(self.eviction.first_confirmed()?)?;
            let registration = self.get_mut(id)?;
            if !core::mem::take(&mut registration.contact.updated_since) {
                return Some(id);
            }
            self.defer(id);
        }
        self.id(self.eviction.first_confirmed()?)
    }

    /// Moves a registration behind all others of its standing.
    pub(super) fn defer(&mut self, id: RegistrationId) {
        if let Some(registration) = self.get(id) {
            let standing = registration.contact.standing;
            self.eviction.defer(&mut self.entries, id.index, standing);
        }
    }

    /// Notes that this peer is gone at the registrations that are reached there. Returns them.
    pub(super) fn peer_gone(&mut self, peer: &P) -> Vec<RegistrationId> {
        let hash = hash_peer(self.keys, peer);
        let there = self.by_peer.range((hash, 0)..=(hash, u32::MAX));
        let there = there.filter_map(|(_, index)| self.id(*index));
        let mut there: Vec<RegistrationId> = there.collect();
        there.retain(|id| {
            let registration = self.get_mut(*id);
            let there = registration.filter(|registration| registration.contact.peer == *peer);
            there
                .map(|registration| registration.contact.peer_gone = true)
                .is_some()
        });
        there
    }

    /// Whether a client with a proven identity is reached at this peer, other than this one.
    pub(super) fn is_reached_by_others(&self, peer: &P, than: RegistrationId) -> bool {
        let hash = hash_peer(self.keys, peer);
        let mut there = self.by_peer.range((hash, 0)..=(hash, u32::MAX));
        there.any(|(_, index)| {
            let contact = self.entries.get(*index);
            let contact = contact.map(|entry| &entry.registration.contact);
            self.id(*index) != Some(than)
                && contact.is_some_and(|contact| contact.peer == *peer && !contact.peer_gone)
        })
    }

    /// Where a registration is in the index by peer, if it is in it.
    fn place_by_peer(&self, index: u32) -> Option<(u32, u32)> {
        let contact = &self.entries.get(index)?.registration.contact;
        let is_indexed = contact.standing == Standing::Proven;
        is_indexed.then(|| (hash_peer(self.keys, &contact.peer), index))
    }

    /// Updates the index by peer after a change of this registration, which was there `before`.
    fn note_peer(&mut self, index: u32, before: Option<(u32, u32)>) {
        let now = self.place_by_peer(index);
        if now != before {
            if let Some(before) = before {
                self.by_peer.remove(&before);
            }
            self.by_peer.extend(now);
        }
    }

    /// Gives memory of the indices back once most of it is unused.
    fn give_back(&mut self) {
        let (keys, entries) = (self.keys, &self.entries);
        let wanted = entries.len() * 2;
        let too_large = |capacity: usize| capacity > SPARE_ROOM && capacity / 8 > entries.len();
        if too_large(self.by_name.capacity()) {
            self.by_name.shrink_to(wanted, |index| {
                hash_name(keys, name(entries, *index).unwrap_or_default())
            });
        }
        if too_large(self.by_location.capacity()) {
            self.by_location.shrink_to(wanted, |index| {
                location(entries, *index).map_or(0, Location::bits)
            });
        }
    }
}

/// How many entries an index keeps room for when there are fewer.
const SPARE_ROOM: usize = 64;

/// How many confirmed registrations are looked at for an idle one.
const LOOKED_AT: usize = 16;

/// What the indices take for a registration, in bytes; an average, without spare capacity.
const INDICES: usize = 48;

/// The weight of a registration: the heap it takes, in bytes.
pub(super) fn weight<P>(registration: &Registration<P>) -> usize {
    size_of::<Entry<P>>() + INDICES + registration.heap()
}

/// A part of the hash of a peer.
fn hash_peer<P: Peer>(keys: KeyedState, peer: &P) -> u32 {
    let [a, b, c, d, ..] = keys.hash_one(peer).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A name is hashed alone, so nothing has to mark its end.
fn hash_name(keys: KeyedState, endpoint_name: &str) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(endpoint_name.as_bytes());
    hasher.finish()
}

fn name<P>(entries: &Pages<Entry<P>>, index: u32) -> Option<&str> {
    Some(entries.get(index)?.registration.endpoint_name())
}

fn location<P>(entries: &Pages<Entry<P>>, index: u32) -> Option<Location> {
    Some(entries.get(index)?.registration.location)
}

#[cfg(test)]
mod tests;
