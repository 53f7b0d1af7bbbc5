//! The order in which registrations without a proven identity are evicted.
//!
//! Only registrations of clients that proved no identity (NoSec, TS 7.1.10) are counted and
//! ordered: anybody can make them, from any address. Nothing is scanned; a call costs the same
//! however many there are.

use hashbrown::{HashMap, hash_map::Entry};

use crate::{
    downlink::{Host, Origin},
    machine::KeyedState,
};

/// No entry.
const NONE: u32 = u32::MAX;

/// What a client has shown of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Standing {
    /// Nothing: the address of its Register may be forged.
    Unconfirmed,
    /// It receives what is sent to its address: it has updated its registration, or answered a
    /// request.
    Confirmed,
    /// The transport proved its identity.
    Proven,
}

impl Standing {
    /// That of a client that has only sent a Register.
    pub(super) fn of<P>(origin: &Origin<'_, P>) -> Self {
        if origin.is_secure() {
            Self::Proven
        } else {
            Self::Unconfirmed
        }
    }
}

/// The neighbours of a registration in the lists; part of the registration's entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Among all of the same standing.
    all: Links,
    /// Among the unconfirmed ones of the same host.
    at_host: Links,
}

/// The neighbours in a list.
#[derive(Clone, Copy, Debug)]
struct Links {
    before: u32,
    behind: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            before: NONE,
            behind: NONE,
        }
    }
}

/// Where the places are kept.
pub(super) trait Places {
    fn place(&mut self, index: u32) -> Option<&mut Place>;
}

/// The lists, and the number of registrations of each host.
#[derive(Debug)]
pub(super) struct EvictionOrder {
    /// From the first that registered to the last.
    unconfirmed: List,
    /// The first one has been idle the longest, as far as it was looked at.
    confirmed: List,
    hosts: HashMap<Host, AtHost, KeyedState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct AtHost {
    registrations: u32,
    unconfirmed: List,
}

impl EvictionOrder {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            unconfirmed: List::default(),
            confirmed: List::default(),
            hosts: HashMap::with_hasher(keys),
        }
    }

    /// Adds a registration, whose place is a new one.
    pub(super) fn add(
        &mut self,
        places: &mut impl Places,
        index: u32,
        standing: Standing,
        host: Option<Host>,
    ) {
        match standing {
            Standing::Proven => return,
            Standing::Confirmed => self.confirmed.push(places, index, all),
            Standing::Unconfirmed => self.unconfirmed.push(places, index, all),
        }
        if let Some(host) = host {
            let at_host = self.hosts.entry(host).or_default();
            at_host.registrations = at_host.registrations.saturating_add(1);
            if standing == Standing::Unconfirmed {
                at_host.unconfirmed.push(places, index, at_host_links);
            }
        }
    }

    /// Removes a registration. One whose standing or host changes is removed and added again.
    pub(super) fn remove(
        &mut self,
        places: &mut impl Places,
        index: u32,
        standing: Standing,
        host: Option<Host>,
    ) {
        match standing {
            Standing::Proven => return,
            Standing::Confirmed => self.confirmed.remove(places, index, all),
            Standing::Unconfirmed => self.unconfirmed.remove(places, index, all),
        }
        if let Some(host) = host
            && let Entry::Occupied(mut entry) = self.hosts.entry(host)
        {
            let at_host = entry.get_mut();
            if standing == Standing::Unconfirmed {
                at_host.unconfirmed.remove(places, index, at_host_links);
            }
            at_host.registrations = at_host.registrations.saturating_sub(1);
            if at_host.registrations == 0 {
                entry.remove();
            }
            shrink(&mut self.hosts);
        }
    }

    /// The oldest unconfirmed registration.
    pub(super) fn oldest_unconfirmed(&self) -> Option<u32> {
        self.unconfirmed.first()
    }

    /// The first confirmed registration in the order.
    pub(super) fn first_confirmed(&self) -> Option<u32> {
        self.confirmed.first()
    }

    /// Puts a registration behind the others of its standing.
    pub(super) fn defer(&mut self, places: &mut impl Places, index: u32, standing: Standing) {
        let list = match standing {
            Standing::Proven => return,
            Standing::Confirmed => &mut self.confirmed,
            Standing::Unconfirmed => &mut self.unconfirmed,
        };
        list.remove(places, index, all);
        list.push(places, index, all);
    }

    /// How many registrations a host has.
    pub(super) fn count_at(&self, host: Host) -> usize {
        let at_host = self.hosts.get(&host);
        at_host.map_or(0, |at_host| {
            usize::try_from(at_host.registrations).unwrap_or(usize::MAX)
        })
    }

    /// The oldest unconfirmed registration of a host.
    pub(super) fn oldest_unconfirmed_at(&self, host: Host) -> Option<u32> {
        self.hosts.get(&host)?.unconfirmed.first()
    }

    /// How many hosts have registrations.
    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }
}

/// Gives memory back once most of it is unused.
fn shrink(hosts: &mut HashMap<Host, AtHost, KeyedState>) {
    if hosts.len() < hosts.capacity() / 8 {
        hosts.shrink_to(hosts.len() * 2);
    }
}

/// A list through the places of its entries.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: NONE,
            last: NONE,
        }
    }
}

/// Selects the links of an entry that a list uses.
type LinksOf = fn(&mut Place) -> &mut Links;

fn all(place: &mut Place) -> &mut Links {
    &mut place.all
}

fn at_host_links(place: &mut Place) -> &mut Links {
    &mut place.at_host
}

impl List {
    fn first(self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Adds an entry, which is in no list of these links, behind all others.
    fn push(&mut self, places: &mut impl Places, index: u32, which: LinksOf) {
        let before = self.last;
        if let Some(place) = places.place(index) {
            *which(place) = Links {
                before,
                behind: NONE,
            };
        }
        self.last = index;
        match places.place(before) {
            Some(place) => which(place).behind = index,
            None => self.first = index,
        }
    }

    /// Takes an entry out of this list.
    fn remove(&mut self, places: &mut impl Places, index: u32, which: LinksOf) {
        let Some(place) = places.place(index) else {
            return;
        };
        let Links { before, behind } = core::mem::take(which(place));
        match places.place(before) {
            Some(place) => which(place).behind = behind,
            None => self.first = behind,
        }
        match places.place(behind) {
            Some(place) => which(place).before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::machine::Random;

    impl Places for Vec<Place> {
        fn place(&mut self, index: u32) -> Option<&mut Place> {
            self.get_mut(usize::try_from(index).unwrap())
        }
    }

    /// What the lists should have, each as a list.
    #[derive(Default)]
    struct Model {
        entries: Vec<(u32, Standing, Option<Host>)>,
    }

    impl Model {
        fn first(&self, standing: Standing, host: Option<Host>) -> Option<u32> {
            let mut entries = self.entries.iter();
            entries
                .find(|entry| entry.1 == standing && (host.is_none() || entry.2 == host))
                .map(|entry| entry.0)
        }

        fn at(&self, host: Host) -> usize {
            let of_host = |entry: &&(u32, Standing, Option<Host>)| {
                entry.2 == Some(host) && entry.1 != Standing::Proven
            };
            self.entries.iter().filter(of_host).count()
        }
    }

    fn standing() -> impl Strategy<Value = Standing> {
        prop_oneof![
            Just(Standing::Unconfirmed),
            Just(Standing::Confirmed),
            Just(Standing::Proven)
        ]
    }

    proptest! {
        /// Each step changes a registration: adds it, takes it away, or gives it another standing
        /// and host.
        #[test]
        fn the_lists_are_in_the_order_of_what_was_added(
            steps in prop::collection::vec(
                (0_u32..20, standing(), prop::option::of(0_u64..4), any::<bool>()),
                0..200,
            ),
        ) {
            let mut places = alloc::vec![Place::default(); 20];
            let mut order = EvictionOrder::new(Random::new([1; 32]).hash_keys());
            let mut model = Model::default();
            for (index, standing, host, stays) in steps {
                let host = host.map(Host::new);
                if let Some(at) = model.entries.iter().position(|entry| entry.0 == index) {
                    let (_, before, at_host) = model.entries.remove(at);
                    order.remove(&mut places, index, before, at_host);
                }
                if stays {
                    model.entries.push((index, standing, host));
                    order.add(&mut places, index, standing, host);
                }
                prop_assert_eq!(order.oldest_unconfirmed(), model.first(Standing::Unconfirmed, None));
                prop_assert_eq!(order.first_confirmed(), model.first(Standing::Confirmed, None));
                let hosts = (0..4).map(Host::new);
                for host in hosts.clone() {
                    prop_assert_eq!(order.count_at(host), model.at(host));
                    prop_assert_eq!(
                        order.oldest_unconfirmed_at(host),
                        model.first(Standing::Unconfirmed, Some(host))
                    );
                }
                prop_assert_eq!(order.hosts(), hosts.filter(|host| model.at(*host) > 0).count());
            }
        }
    }

    #[test]
    fn who_is_spared_goes_last() {
        for standing in [Standing::Confirmed, Standing::Unconfirmed] {
            let mut places = alloc::vec![Place::default(); 4];
            let mut order = EvictionOrder::new(Random::new([1; 32]).hash_keys());
            for index in 0..4 {
                order.add(&mut places, index, standing, None);
            }
            for (spared, first) in [(0, 1), (2, 1), (1, 3), (3, 0), (0, 2)] {
                order.defer(&mut places, spared, standing);
                let firsts = [order.first_confirmed(), order.oldest_unconfirmed()];
                assert_eq!(firsts.into_iter().flatten().collect::<Vec<_>>(), [first]);
            }
        }
    }
}
