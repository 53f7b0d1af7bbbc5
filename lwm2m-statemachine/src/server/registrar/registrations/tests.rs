use alloc::{format, vec::Vec};

use lwm2m_core::{Binding, Lifetime, Version};

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
            updated_since: false,
        },
        announced: Announced {
            lifetime: Lifetime::from_secs(60).unwrap(),
            version: Version::INITIAL,
            binding: Binding::default(),
            objects: ObjectList::default(),
            optional: None,
        },
        registered: Instant::ZERO,
        updated: Instant::ZERO,
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
