use alloc::{format, vec::Vec};

use lwm2m_core::{Binding, Lifetime, Version};
use proptest::{collection::vec, prelude::*};

use super::super::{
    eviction::Standing,
    objects::ObjectList,
    registration::{Announced, Contact},
};
use super::*;
use crate::machine::Channel;

fn registration(name: &str, location: Location) -> Registration<u8> {
    Registration {
        endpoint_name: name.into(),
        location,
        contact: Contact {
            peer: 0,
            channel: Channel::Udp,
            standing: Standing::Unconfirmed,
            peer_gone: false,
            updated_since: false,
        },
        announced: Announced {
            lifetime: Lifetime::from_secs(60).unwrap(),
            version: Version::INITIAL,
            binding: Binding::default(),
            objects: ObjectList::default(),
            optional: None,
        },
        registered: Instant::ZERO.into(),
        updated: Instant::ZERO.into(),
        expiry: Instant::MAX,
    }
}

fn add(registrations: &mut Registrations<u8>, name: &str) -> RegistrationId {
    let location = registrations.free_location();
    let hash = registrations.hash_name(name);
    let registration = registration(name, location);
    registrations.insert(registration, hash).unwrap()
}

fn empty() -> Registrations<u8> {
    Registrations::new(&mut Random::new([7; 32]), None)
}

#[test]
fn each_is_found_by_handle_name_and_location_until_it_is_removed() {
    let mut all = empty();
    let ids: Vec<_> = (0..1000)
        .map(|n| add(&mut all, &format!("device-{n}")))
        .collect();
    for (n, id) in ids.iter().enumerate() {
        let registration = all.get(*id).unwrap();
        assert_eq!(registration.endpoint_name(), format!("device-{n}"));
        let location = registration.location();
        assert_eq!(all.find(&format!("device-{n}")), Some(*id));
        assert_eq!(all.find_location(location), Some(*id));
        if n % 2 == 0 {
            assert!(all.remove(*id).is_some());
            assert!(all.remove(*id).is_none());
            assert_eq!(all.find(&format!("device-{n}")), None);
            assert_eq!(all.find_location(location), None);
            assert!(all.get(*id).is_none());
        }
    }
    assert_eq!((all.len(), all.iter().count()), (500, 500));
}

#[test]
fn a_handle_never_means_another_registration() {
    let mut all = empty();
    let old = add(&mut all, "a");
    all.remove(old);
    let new = add(&mut all, "a");
    assert_eq!(old.index, new.index);
    assert!(all.get(old).is_none() && all.get_mut(old).is_none());
    all.change(old, |registration| registration.expiry = Instant::ZERO);
    assert!(all.remove(old).is_none());
    assert_eq!(
        (all.find("a"), all.next_expiry()),
        (Some(new), Some(Instant::MAX))
    );
}

#[test]
fn one_that_is_replaced_is_found_by_its_name_only_as_the_new_one() {
    let mut all = empty();
    let [old, other] = ["a", "b"].map(|name| add(&mut all, name));
    let (bytes, location) = (all.bytes(), all.free_location());
    let old_location = all.get(old).unwrap().location();
    let mut successor = registration("a", location);
    successor.expiry = Instant::from_secs(9);
    let (new, was) = all.replace(old, successor).unwrap();
    assert_eq!((was.location(), all.len()), (old_location, 2));
    assert_eq!((all.find("a"), all.find("b")), (Some(new), Some(other)));
    assert_eq!(all.find_location(location), Some(new));
    assert_eq!(all.find_location(old_location), None);
    assert_eq!((all.get(old).is_none(), all.bytes()), (true, bytes));
    // It is the last one that came.
    assert_eq!(all.oldest_unconfirmed(), Some(other));
    assert_eq!(all.next_expiry(), Some(Instant::from_secs(9)));
    let again = registration("a", all.free_location());
    assert!(all.replace(old, again).is_none());
    assert_eq!(all.remove(new).map(|was| was.location()), Some(location));
    assert_eq!(
        (all.find("a"), all.next_expiry()),
        (None, Some(Instant::MAX))
    );
}

#[test]
fn they_expire_in_order_and_once() {
    let at = Instant::from_secs;
    let mut all = empty();
    let [a, b, c] = ["a", "b", "c"].map(|name| add(&mut all, name));
    for (id, expiry) in [(a, 30), (b, 10), (c, 20)] {
        all.change(id, |registration| registration.expiry = at(expiry));
    }
    all.change(b, |registration| registration.expiry = at(40));
    all.remove(c);
    assert_eq!(all.next_expiry(), Some(at(30)));
    assert_eq!(all.pop_expired(at(29)), None);
    assert_eq!(all.pop_expired(at(50)), Some(a));
    assert_eq!(all.pop_expired(at(50)), Some(b));
    assert_eq!(all.pop_expired(at(50)), None);
}

#[test]
fn locations_are_not_those_of_another_seed() {
    let mut mine = empty();
    let mut other = Registrations::<u8>::new(&mut Random::new([8; 32]), None);
    assert_ne!(mine.free_location(), other.free_location());
    assert_ne!(mine.free_location(), mine.free_location());
}

/// A step of the comparison with [`Model`]: whose registration, and what it is to be.
#[derive(Clone, Debug)]
struct Step {
    what: What,
    name: usize,
    peer: u8,
    standing: Standing,
    expiry: u64,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Under a name that is free or not, as a Register does.
    Register,
    Remove,
    /// Another expiry, peer and standing, as an Update or an answer leads to.
    Change,
    Defer,
    /// All that are due at the moment `expiry` go.
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        6 => Just(What::Register),
        1 => Just(What::Remove),
        2 => Just(What::Change),
        1 => Just(What::Defer),
        1 => Just(What::Expire),
    ];
    let standing = prop_oneof![
        2 => Just(Standing::Unconfirmed),
        1 => Just(Standing::Confirmed),
        1 => Just(Standing::Proven),
    ];
    (what, 0..NAMES.len(), 0_u8..6, standing, 1_u64..40).prop_map(
        |(what, name, peer, standing, expiry)| Step {
            what,
            name,
            peer,
            standing,
            expiry,
        },
    )
}

const NAMES: [&str; 6] = ["", "a", "b", "urn:dev:os:1", "urn:dev:os:2", "aa"];

/// Registrations as plain lists.
#[derive(Default)]
struct Model {
    /// In the order of eviction.
    entries: Vec<(RegistrationId, Registration<u8>)>,
    /// The same by the order in which they came to their host; `defer` leaves it.
    at_hosts: Vec<RegistrationId>,
    gone: Vec<(RegistrationId, Location)>,
}

impl Model {
    fn named(&self, name: &str) -> Option<RegistrationId> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(_, one)| one.endpoint_name() == name);
        found.map(|(id, _)| *id)
    }

    fn take(&mut self, id: RegistrationId) -> Registration<u8> {
        let at = self.entries.iter().position(|(one, _)| *one == id).unwrap();
        self.at_hosts.retain(|one| *one != id);
        self.entries.remove(at).1
    }

    fn remove(&mut self, id: RegistrationId) {
        let was = self.take(id);
        self.gone.push((id, was.location));
    }

    fn push(&mut self, id: RegistrationId, registration: Registration<u8>) {
        self.at_hosts.push(id);
        self.entries.push((id, registration));
    }

    fn get(&self, id: RegistrationId) -> &Registration<u8> {
        &self.entries.iter().find(|(one, _)| *one == id).unwrap().1
    }

    fn first(&self, standing: Standing) -> Option<RegistrationId> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(_, one)| one.contact.standing == standing);
        found.map(|(id, _)| *id)
    }

    fn agrees(&self, all: &Registrations<u8>) {
        assert_eq!(all.len(), self.entries.len());
        assert_eq!(all.iter().count(), self.entries.len());
        // No index keeps anything of those that are gone.
        let indices = [all.by_name.len(), all.by_location.len(), all.expiry.len()];
        assert_eq!(indices, [self.entries.len(); 3]);
        let weights = self.entries.iter().map(|(_, one)| weight(one));
        assert_eq!(all.bytes(), weights.sum::<usize>());
        let proven = self.entries.iter();
        let proven = proven.filter(|(_, one)| one.contact.standing == Standing::Proven);
        let at_peers = proven.map(|(id, one)| (hash_peer(all.keys, &one.contact.peer), id.index));
        assert_eq!(all.by_peer, at_peers.collect());
        let expiry = self.entries.iter().map(|(_, one)| one.expiry).min();
        assert_eq!(all.next_expiry(), expiry);
        for name in NAMES {
            assert_eq!(all.find(name), self.named(name), "{name}");
        }
        for (id, registration) in &self.entries {
            assert_eq!(all.find_location(registration.location), Some(*id));
            let held = all.get(*id).unwrap();
            assert_eq!(held.endpoint_name(), registration.endpoint_name());
            assert_eq!(held.contact.peer, registration.contact.peer);
        }
        for (id, location) in self.gone.iter().rev().take(4) {
            assert!(all.get(*id).is_none());
            assert_eq!(all.find_location(*location), None);
        }
        let unconfirmed = self.first(Standing::Unconfirmed);
        assert_eq!(all.oldest_unconfirmed(), unconfirmed);
        let mut hosts = 0;
        for host in (0..2).map(Host::new) {
            let at_host = |one: &Registration<u8>| {
                host_of(&one.contact.peer) == host && one.contact.standing != Standing::Proven
            };
            let count = self.entries.iter().filter(|(_, one)| at_host(one)).count();
            hosts += usize::from(count > 0);
            assert_eq!(all.count_at(host), count);
            let oldest = self.at_hosts.iter().find(|id| {
                let one = self.get(**id);
                at_host(one) && one.contact.standing == Standing::Unconfirmed
            });
            assert_eq!(all.oldest_unconfirmed_at(host), oldest.copied());
        }
        assert_eq!(all.hosts(), hosts);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as HostOf has it")]
fn host_of(peer: &u8) -> Host {
    Host::new(u64::from(*peer % 2))
}

fn run(steps: &[Step]) {
    let mut all = Registrations::new(&mut Random::new([7; 32]), Some(host_of));
    let mut model = Model::default();
    for step in steps {
        let name = NAMES[step.name];
        let known = model.named(name);
        let expiry = Instant::from_secs(step.expiry);
        match (step.what, known) {
            (What::Register, known) => {
                let mut new = registration(name, all.free_location());
                new.contact.peer = step.peer;
                new.contact.standing = step.standing;
                new.expiry = expiry;
                let id = if let Some(old) = known {
                    let (id, was) = all.replace(old, new.clone()).unwrap();
                    assert_eq!(was.location, model.get(old).location);
                    model.remove(old);
                    id
                } else {
                    all.insert(new.clone(), all.hash_name(name)).unwrap()
                };
                model.push(id, new);
            }
            (What::Remove, Some(id)) => {
                let was = all.remove(id).unwrap();
                assert_eq!(was.location, model.get(id).location);
                model.remove(id);
            }
            (What::Change, Some(id)) => {
                let change = |one: &mut Registration<u8>| {
                    one.contact.peer = step.peer;
                    one.contact.standing = step.standing;
                    one.expiry = expiry;
                };
                all.change(id, change).unwrap();
                let before = model.get(id).contact.clone();
                let of = |peer, standing| (host_of(peer), standing);
                if of(&before.peer, before.standing) == of(&step.peer, step.standing) {
                    let mut entries = model.entries.iter_mut();
                    change(&mut entries.find(|(one, _)| *one == id).unwrap().1);
                } else {
                    let mut one = model.take(id);
                    change(&mut one);
                    model.push(id, one);
                }
            }
            (What::Defer, Some(id)) => {
                all.defer(id);
                let at = model.entries.iter().position(|(one, _)| *one == id);
                let entry = model.entries.remove(at.unwrap());
                model.entries.push(entry);
            }
            (What::Expire, _) => {
                let mut due = Vec::new();
                while let Some(id) = all.pop_expired(expiry) {
                    due.push(model.get(id).expiry);
                    all.remove(id).unwrap();
                    model.remove(id);
                }
                assert!(due.is_sorted());
                let left = model.entries.iter().all(|(_, one)| one.expiry > expiry);
                assert!(left, "{:?} {:?}", all.next_expiry(), expiry);
            }
            (_, None) => {}
        }
        model.agrees(&all);
    }
}

proptest! {
    #[test]
    fn registrations_that_come_change_and_go_are_as_in_plain_lists(
        steps in vec(step(), 0..60),
    ) {
        run(&steps);
    }
}
