//! The record that all peers of a run share, and the checks against it.

use core::cell::RefCell;
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lwm2m_simulation::{Address, Ledger, NodeId};
use lwm2m_statemachine::coap::{NotificationId, RequestId, Token};

/// How often each thing happened.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

pub(crate) type Shared = Rc<RefCell<Book>>;

/// A request of one incarnation of a node.
pub(crate) type Asking = (u32, RequestId);

/// What an application gets only once, as long as its machine remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delivery {
    /// What the receiver remembers of this sender.
    memory: (u32, u32),
    from: Address,
    /// How often the clock of the sender has gone back.
    backwards: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// A message with a request, by its message id and token.
    Message(u16, u64),
    /// A complete request with an effect, by its number.
    Effect(u64),
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) requests: Ledger<Asking, Delivery>,
    pub(crate) notifications: Ledger<(u32, NotificationId), ()>,
    pub(crate) tally: Tally,
    /// The request that each body answers; `None` if the request has no number.
    pub(crate) answers: BTreeMap<u64, Option<u64>>,
    /// The requests that took effect.
    pub(crate) effects: BTreeSet<u64>,
    /// How often the clock of each node went back so far that it retransmits what its peers have
    /// forgotten.
    backwards: BTreeMap<NodeId, u32>,
    /// Those with datagrams in flight from before.
    going_back: BTreeSet<NodeId>,
    /// The index of the newest notification that the client of each observation has; `None` if the
    /// client has ended it, or can't tell.
    pub(crate) newest: BTreeMap<u64, Option<u32>>,
    numbers: u64,
    memories: u32,
}

impl Book {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(crate) fn goes_back(&mut self, node: NodeId) {
        self.going_back.insert(node);
    }

    pub(crate) fn has_gone_back(&mut self, node: NodeId) {
        self.going_back.remove(&node);
        *self.backwards.entry(node).or_default() += 1;
    }

    /// A machine has given something to its application; it remembers each peer separately.
    pub(crate) fn delivered(&mut self, memory: (u32, u32), from: Address, what: What) {
        if !self.going_back.contains(&from.node) {
            let delivery = self.delivery(memory, from, what);
            self.requests.delivered(delivery);
        }
    }

    /// The application has ignored it.
    pub(crate) fn returned(&mut self, memory: (u32, u32), from: Address, what: What) {
        let delivery = self.delivery(memory, from, what);
        self.requests.returned(&delivery);
    }

    fn delivery(&self, memory: (u32, u32), from: Address, what: What) -> Delivery {
        let backwards = self.backwards.get(&from.node).copied().unwrap_or(0);
        Delivery {
            memory,
            from,
            backwards,
            what,
        }
    }

    /// The number of a new body.
    pub(crate) const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A fresh number for an incarnation of a machine, or for what it remembers.
    pub(crate) const fn incarnation(&mut self) -> u32 {
        self.memories += 1;
        self.memories
    }
}

/// A token as a number.
pub(crate) fn token_key(token: Token) -> u64 {
    token
        .as_bytes()
        .iter()
        .fold(1, |key: u64, byte| key << 8 ^ key >> 56 ^ u64::from(*byte))
}
