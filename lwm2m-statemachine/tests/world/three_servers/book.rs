//! What happened in a run, counted, and what took effect.

use core::cell::RefCell;
use std::{collections::BTreeMap, rc::Rc};

use lwm2m_core::{Instant, Path};

/// How often what came about.
pub(crate) type Tally = BTreeMap<String, u64>;

/// The book of a run, in which all hosts write.
pub(crate) type Shared = Rc<RefCell<Book>>;

#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) tally: Tally,
    /// Which incarnation of the Client is running.
    pub(crate) incarnation: u32,
    /// Where values of observations went back.
    pub(crate) reversals: Vec<Reversal>,
    /// How often each numbered operation took effect, by incarnation.
    effects: BTreeMap<(u32, u32), u32>,
}

/// A value of an observation that is older than the one before.
#[derive(Debug)]
pub(crate) struct Reversal {
    pub(crate) server: usize,
    pub(crate) at: Instant,
    /// What is observed.
    pub(crate) observed: Path,
    pub(crate) value: Path,
    pub(crate) count: i64,
    pub(crate) before: i64,
}

impl Book {
    pub(crate) fn count(&mut self, what: impl Into<String>) {
        self.count_many(what, 1);
    }

    pub(crate) fn count_many(&mut self, what: impl Into<String>, times: u64) {
        *self.tally.entry(what.into()).or_default() += times;
    }

    /// An operation takes effect.
    ///
    /// # Panics
    ///
    /// If it has taken effect before, in this incarnation: what a device did before a reboot isn't
    /// known after it.
    pub(crate) fn takes_effect(&mut self, number: u32) {
        let times = self.effects.entry((number, self.incarnation)).or_default();
        *times += 1;
        assert_eq!(*times, 1, "operation {number} took effect twice");
    }

    /// In how many incarnations an operation took effect.
    pub(crate) fn effects(&self, number: u32) -> usize {
        self.effects.range((number, 0)..=(number, u32::MAX)).count()
    }
}
