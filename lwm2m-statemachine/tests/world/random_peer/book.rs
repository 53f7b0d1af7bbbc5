//! What all peers of a run enter here, and what is checked against it at once.

use core::cell::RefCell;
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lwm2m_simulation::{Address, Ledger, NodeId};
use lwm2m_statemachine::coap::{NotificationId, RequestId, Token};

/// How often each thing was done or came about.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

pub(crate) type Shared = Rc<RefCell<Book>>;

/// A request, of one incarnation of one node.
pub(crate) type Asking = (u32, RequestId);

/// What is given to an application once only, within one memory of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delivery {
    /// The memory of the receiver, as far as this sender is concerned.
    memory: (u32, u32),
    from: Address,
    /// How often the clock of the sender went back so far.
    backwards: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// A message with a request, by its message id and token.
    Message(u16, u64),
    /// A whole request that changes something, by its number.
    Effect(u64),
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) requests: Ledger<Asking, Delivery>,
    pub(crate) notifications: Ledger<(u32, NotificationId), ()>,
    pub(crate) tally: Tally,
    /// Which request each body answers; none if the request does not tell who it is.
    pub(crate) answers: BTreeMap<u64, Option<u64>>,
    /// The requests that took effect.
    pub(crate) effects: BTreeSet<u64>,
    /// How often the clock of each node went back so far that it sends again what its peers have
    /// forgotten.
    backwards: BTreeMap<NodeId, u32>,
    /// Those of which there is something on its way from before.
    going_back: BTreeSet<NodeId>,
    /// The newest notification of each observation that its client has, by their count; none if
    /// the client does not want any more, or cannot tell.
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

    /// Something was given to an application by its machine, which has a memory of its own of each
    /// peer.
    pub(crate) fn delivered(&mut self, memory: (u32, u32), from: Address, what: What) {
        if !self.going_back.contains(&from.node) {
            let delivery = self.delivery(memory, from, what);
            self.requests.delivered(delivery);
        }
    }

    /// The application did not want it.
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

    /// The name of an incarnation of a machine, or of what it remembers.
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
