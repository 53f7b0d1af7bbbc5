//! What each host has of something, and who has the most.

use core::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use lwm2m_statemachine::server::Host;

/// Handshakes by their hosts. Numbers ascend: the oldest comes first.
#[derive(Debug, Default)]
pub(super) struct Shares {
    hosts: HashMap<Host, BTreeSet<u64>>,
    /// Of each host, how many it has, and the oldest of them. The host with the most comes last; of those with as
    /// many, the one with the oldest.
    order: BTreeSet<(usize, Reverse<u64>)>,
    all: usize,
}

impl Shares {
    pub(super) const fn len(&self) -> usize {
        self.all
    }

    /// Of the host with the most, the oldest.
    pub(super) fn dispensable(&self) -> Option<u64> {
        let (_, Reverse(number)) = self.order.last()?;
        Some(*number)
    }

    pub(super) fn insert(&mut self, host: Host, number: u64) {
        self.change(host, |numbers| numbers.insert(number));
    }

    pub(super) fn remove(&mut self, host: Host, number: u64) {
        self.change(host, |numbers| numbers.remove(&number));
    }

    fn change(&mut self, host: Host, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let numbers = self.hosts.entry(host).or_default();
        let before = numbers.len();
        if let Some(place) = place(numbers) {
            self.order.remove(&place);
        }
        change(numbers);
        let after = numbers.len();
        match place(numbers) {
            Some(place) => drop(self.order.insert(place)),
            None => drop(self.hosts.remove(&host)),
        }
        self.all = self.all.saturating_sub(before).saturating_add(after);
    }
}

/// The place of a host among the others.
fn place(numbers: &BTreeSet<u64>) -> Option<(usize, Reverse<u64>)> {
    let oldest = numbers.first()?;
    Some((numbers.len(), Reverse(*oldest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_of_the_host_with_the_most_is_dispensable() {
        let (one, other) = (Host::new(1), Host::new(2));
        let mut shares = Shares::default();
        assert_eq!(shares.dispensable(), None);
        shares.insert(one, 10);
        shares.insert(other, 11);
        assert_eq!(shares.dispensable(), Some(10), "of as many, the oldest");
        shares.insert(other, 12);
        assert_eq!(shares.dispensable(), Some(11));
        shares.remove(other, 11);
        assert_eq!(shares.dispensable(), Some(10));
        shares.remove(one, 10);
        shares.remove(other, 12);
        assert_eq!((shares.dispensable(), shares.len()), (None, 0));
        assert!(shares.hosts.is_empty() && shares.order.is_empty());
    }

    proptest! {
        #[test]
        fn shares_are_counted_as_one_would_by_hand(
            calls in proptest::collection::vec((0..4_u64, 0..30_u64, any::<bool>()), 0..60),
        ) {
            let mut shares = Shares::default();
            let mut by_hand = Vec::new();
            for (host, number, is_new) in calls {
                // A number has one host.
                let host = (host + number) % 4;
                let known = by_hand.iter().find(|(_, known)| *known == number).copied();
                match (known, is_new) {
                    (None, true) => {
                        shares.insert(Host::new(host), number);
                        by_hand.push((host, number));
                    }
                    (Some((host, _)), false) => {
                        shares.remove(Host::new(host), number);
                        by_hand.retain(|(_, known)| *known != number);
                    }
                    _ => {}
                }
                let count = |host| by_hand.iter().filter(|(other, _)| *other == host).count();
                let oldest = |host| by_hand.iter().filter(|(other, _)| *other == host).map(|(_, number)| *number).min();
                let most = (0..4).map(count).max().unwrap_or(0);
                let of_most = (0..4).filter(|host| most > 0 && count(*host) == most);
                prop_assert_eq!(shares.dispensable(), of_most.filter_map(oldest).min());
                prop_assert_eq!(shares.len(), by_hand.len());
            }
        }
    }
}
