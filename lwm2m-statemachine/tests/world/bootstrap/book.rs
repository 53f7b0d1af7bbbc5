//! What all hosts of a run write down.

use core::cell::RefCell;
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lwm2m_core::Path;
use lwm2m_statemachine::bootstrap_server::Step;

use super::{
    accounts::{SERVERS, account_of},
    model::Values,
};

pub(super) type Tally = BTreeMap<String, u64>;

pub(super) type Shared = Rc<RefCell<Book>>;

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) tally: Tally,
    /// By session.
    pub(super) attempts: BTreeMap<u32, Attempt>,
    /// The lists of Server Object Instances that were ever in force.
    lists: BTreeSet<Vec<u16>>,
    /// The Lifetimes that were.
    lifetimes: BTreeSet<i64>,
    /// The servers whose registration may end.
    excused: BTreeSet<usize>,
}

/// A bootstrap, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// What the Client is told, in order.
    pub(super) steps: Vec<Step>,
    pub(super) client: Option<Outcome>,
    pub(super) server: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Finished,
    Failed,
}

impl Book {
    pub(super) fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// These values are in force from now on.
    pub(super) fn in_force(&mut self, values: &Values) {
        self.lists.insert(values.server_instances());
        self.lifetimes.extend(values.lifetimes());
    }

    pub(super) fn check_list(&self, list: &[u16]) {
        assert!(
            self.lists.contains(list),
            "the list {list:?} of Server Object Instances is not in force: {:?}",
            self.lists
        );
    }

    pub(super) fn check_lifetime(&self, path: Path, lifetime: i64) {
        assert!(
            self.lifetimes.contains(&lifetime),
            "{path} of {lifetime} is not in force: {:?}",
            self.lifetimes
        );
    }

    /// The registration with a server may end.
    pub(super) fn excuse(&mut self, server: usize) {
        self.excused.insert(server);
    }

    pub(super) fn excuse_all(&mut self) {
        self.excused.extend(0..SERVERS);
    }

    pub(super) fn is_excused(&self, server: usize) -> bool {
        self.excused.contains(&server)
    }

    /// There is another registration, which has no reason to end.
    pub(super) fn registered(&mut self, server: usize) {
        self.excused.remove(&server);
    }

    /// A bootstrap has succeeded: accounts that it has changed are registered anew.
    pub(super) fn finished(&mut self, before: &Values, after: &Values) {
        for server in 0..SERVERS {
            let [was, is] = [before, after].map(|values| account_of(values, server));
            let what = match (&was, &is) {
                (None, None) => continue,
                (None, Some(_)) => "account comes",
                (Some(_), None) => "account goes",
                (was, is) if was == is => "account stays",
                _ => "account changes",
            };
            self.count(what);
            if was != is {
                self.excuse(server);
            }
        }
    }
}
