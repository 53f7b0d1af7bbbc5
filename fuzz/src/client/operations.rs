//! The operations of servers: each has a number, which is recognised where the operation takes effect.
//!
//! - No operation takes effect twice.
//! - What was answered with success has taken effect, and what was refused has not.
//! - An operation takes effect whole.
//! - A server sees the number of another one's operation only if it may, or once might, read what it
//!   wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lwm2m_core::{Code, Instant};
use lwm2m_statemachine::{
    ConnectionId,
    coap::{MessageRef, MessageType},
};

use super::numbers;

/// For how long a message is remembered at least (NON_LIFETIME, RFC 7252 §4.8.2).
const REMEMBERED: Duration = Duration::from_secs(145);

/// Where message ids are of one kind: all connections that are a continuation of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    /// To a server, and the how many-th of its sessions it is.
    Server(usize, u32),
    /// Begun by the other side.
    Inbound(ConnectionId),
}

/// What is known of a datagram that a server sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// The number of the operation that it completes, even if it doesn't have the number itself.
    pub(super) completes: Option<u32>,
    /// If it is a whole request, as it should be: how many values the operation writes.
    pub(super) writes: Option<usize>,
}

#[derive(Debug, Default)]
struct Operation {
    /// How often it may take effect: as often as it was sent in another message.
    allowed: u32,
    runs: u32,
    /// How many values it writes, if that is known.
    writes: Option<usize>,
}

/// A message that a server has sent.
#[derive(Debug)]
struct Message {
    at: Instant,
    datagram: Vec<u8>,
    /// The operation that its answer is about, if it alone has this message id.
    asks: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Operations {
    next: u32,
    all: BTreeMap<u32, Operation>,
    messages: BTreeMap<(Channel, u16), Message>,
    /// Which servers know of which operations.
    known: BTreeSet<(usize, u32)>,
}

impl Operations {
    /// The number of the first operations is that of the values that are there at the beginning.
    pub(super) fn new(first: u32) -> Self {
        Self {
            next: first,
            ..Self::default()
        }
    }

    pub(super) fn next(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// A server sends this.
    pub(super) fn arrives(
        &mut self,
        now: Instant,
        (server, channel): (usize, Channel),
        datagram: &[u8],
        origin: &Origin,
    ) {
        let mut of = numbers::operations(datagram);
        of.extend(origin.completes);
        self.known.extend(of.iter().map(|number| (server, *number)));
        let id = datagram.get(2..4).unwrap_or(&[0, 0]);
        let key = (channel, u16::from_be_bytes([id[0], id[1]]));
        let whole = origin.writes.and(of.first().copied());
        if let Some(message) = self.messages.get_mut(&key)
            && now < message.at + REMEMBERED
        {
            if message.datagram == datagram {
                return;
            }
            message.asks = None;
        } else {
            let message = Message {
                at: now,
                datagram: datagram.to_vec(),
                asks: whole,
            };
            let before = self.messages.insert(key, message);
            if before.is_some()
                && let Some(message) = self.messages.get_mut(&key)
            {
                message.asks = None;
            }
        }
        for number in of {
            let operation = self.all.entry(number).or_default();
            operation.allowed += 1;
            operation.writes = origin.writes.filter(|_| operation.allowed == 1);
        }
    }

    /// An operation with these numbers takes effect, and writes as many values of each.
    pub(super) fn takes_effect(&mut self, numbers: &BTreeMap<u32, usize>) {
        let is_known = |number: &u32| self.all.contains_key(number);
        let is_sound = |number: &u32| self.all.get(number).is_some_and(|all| all.writes.is_some());
        if numbers.keys().any(is_sound) {
            assert_eq!(numbers.len(), 1, "a mix of operations");
        }
        assert!(numbers.keys().all(is_known), "nobody has sent {numbers:?}");
        for (number, writes) in numbers {
            let operation = self.all.entry(*number).or_default();
            operation.runs += 1;
            assert!(
                operation.runs <= operation.allowed,
                "operation {number} runs again"
            );
            if let Some(expected) = operation.writes {
                assert_eq!(*writes, expected, "operation {number} is not whole");
            }
        }
    }

    /// A server may read these numbers now.
    pub(super) fn may_read(&mut self, server: usize, numbers: impl Iterator<Item = u32>) {
        self.known.extend(numbers.map(|number| (server, number)));
    }

    /// The Client has sent this.
    pub(super) fn judge(&self, server: usize, channel: Channel, datagram: &[u8]) {
        let Ok(message) = MessageRef::parse(datagram) else {
            return;
        };
        for number in numbers::operations(message.payload()) {
            assert!(
                self.known.contains(&(server, number)),
                "server {server} sees operation {number} without the right"
            );
        }
        let code = message.code();
        if message.kind() != MessageType::Acknowledgement || code.class() < 2 {
            return;
        }
        let request = self.messages.get(&(channel, message.message_id()));
        let Some(number) = request.and_then(|request| request.asks) else {
            return;
        };
        let operation = self.all.get(&number);
        let Some(Operation {
            allowed: 1, runs, ..
        }) = operation
        else {
            return;
        };
        match code {
            Code::CHANGED | Code::CREATED | Code::DELETED => {
                assert_eq!(*runs, 1, "operation {number} is said to be done");
            }
            code if code.class() > 2 => {
                assert_eq!(*runs, 0, "operation {number} is refused with {code}");
            }
            _ => {}
        }
    }
}
