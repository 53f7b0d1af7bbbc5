//! Invariants of requests that hold on any network.

use core::fmt::Debug;
use std::collections::{BTreeMap, BTreeSet};

/// The book of requests and deliveries: it panics as soon as one is settled or delivered twice.
///
/// `Q` names a request, `D` a delivery. A machine that reboots starts anew, with its requests and
/// with what it remembers of deliveries. So its incarnation belongs in both names.
///
/// ```should_panic
/// let mut ledger = lwm2m_simulation::Ledger::<u32, ()>::new();
/// ledger.asked(1);
/// ledger.settled(&1, "answered");
/// ledger.settled(&1, "timed out"); // "request 1 has a second outcome"
/// ```
#[derive(Clone, Debug)]
pub struct Ledger<Q, D> {
    open: BTreeSet<Q>,
    settled: BTreeMap<Q, &'static str>,
    delivered: BTreeSet<D>,
    outcomes: BTreeMap<&'static str, u64>,
}

impl<Q: Ord + Clone + Debug, D: Ord + Debug> Default for Ledger<Q, D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Q: Ord + Clone + Debug, D: Ord + Debug> Ledger<Q, D> {
    /// An empty book.
    pub const fn new() -> Self {
        Self {
            open: BTreeSet::new(),
            settled: BTreeMap::new(),
            delivered: BTreeSet::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// A request was made.
    ///
    /// # Panics
    ///
    /// If there was one of this name.
    pub fn asked(&mut self, request: Q) {
        assert!(
            !self.settled.contains_key(&request) && !self.open.contains(&request),
            "two requests have the name {request:?}"
        );
        self.open.insert(request);
    }

    /// A request has its outcome.
    ///
    /// # Panics
    ///
    /// If it has one already, or was never made.
    pub fn settled(&mut self, request: &Q, outcome: &'static str) {
        if let Some(first) = self.settled.get(request) {
            panic!("request {request:?} has a second outcome: {first}, then {outcome}");
        }
        let request = self.open.take(request);
        let request = request.unwrap_or_else(|| panic!("{outcome} is the outcome of no request"));
        self.settled.insert(request, outcome);
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// Whether this is a request that has no outcome yet.
    pub fn is_open(&self, request: &Q) -> bool {
        self.open.contains(request)
    }

    /// The outcome that a request has, if any.
    pub fn outcome(&self, request: &Q) -> Option<&'static str> {
        self.settled.get(request).copied()
    }

    /// The machine that made these requests is no more: they have no outcome any more.
    pub fn void(&mut self, mut requests: impl FnMut(&Q) -> bool) {
        let void: Vec<Q> = self.open.iter().filter(|q| requests(q)).cloned().collect();
        for request in void {
            self.settled(&request, "void");
        }
    }

    /// Something was given to an application.
    ///
    /// # Panics
    ///
    /// If it was given to it before.
    pub fn delivered(&mut self, delivery: D) {
        assert!(
            !self.delivered.contains(&delivery),
            "{delivery:?} was delivered twice"
        );
        self.delivered.insert(delivery);
    }

    /// The application did not take it: it may come again.
    pub fn returned(&mut self, delivery: &D) {
        self.delivered.remove(delivery);
    }

    /// How many requests have no outcome yet.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// How many requests had each outcome.
    pub const fn outcomes(&self) -> &BTreeMap<&'static str, u64> {
        &self.outcomes
    }

    /// # Panics
    ///
    /// If there is a request without an outcome.
    pub fn check_end(&self) {
        assert!(self.open.is_empty(), "no outcome: {:?}", self.open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger<u32, &'static str> {
        let mut ledger = Ledger::new();
        ledger.asked(1);
        ledger
    }

    #[test]
    fn what_is_settled_once_and_delivered_once_holds() {
        let mut ledger = ledger();
        ledger.asked(2);
        ledger.settled(&1, "answered");
        assert_eq!((ledger.is_open(&1), ledger.is_open(&2)), (false, true));
        ledger.void(|request| *request == 2);
        ledger.delivered("a");
        ledger.delivered("b");
        ledger.returned(&"a");
        ledger.delivered("a");
        assert_eq!((ledger.open(), ledger.outcome(&1)), (0, Some("answered")));
        assert_eq!(ledger.outcomes()["void"], 1);
        ledger.check_end();
    }

    #[test]
    #[should_panic(expected = "request 1 has a second outcome: answered, then timeout")]
    fn a_second_outcome_is_caught() {
        let mut ledger = ledger();
        ledger.settled(&1, "answered");
        ledger.settled(&1, "timeout");
    }

    #[test]
    #[should_panic(expected = "answered is the outcome of no request")]
    fn an_outcome_of_nothing_is_caught() {
        ledger().settled(&2, "answered");
    }

    #[test]
    #[should_panic(expected = "two requests have the name 1")]
    fn a_name_given_twice_is_caught() {
        ledger().asked(1);
    }

    #[test]
    #[should_panic(expected = "\"a\" was delivered twice")]
    fn a_second_delivery_is_caught() {
        let mut ledger = ledger();
        ledger.delivered("a");
        ledger.delivered("a");
    }

    #[test]
    #[should_panic(expected = "no outcome: {1}")]
    fn a_request_without_an_outcome_is_caught() {
        ledger().check_end();
    }
}
