//! The queue of datagrams for the transport.

use alloc::collections::VecDeque;

use crate::coap::{
    endpoint::table::{KEEP, Key},
    message::MessageType,
    message_buf::WireMessage,
};

/// The datagrams to send.
#[derive(Clone, Debug)]
pub(super) struct Outbox<P> {
    queue: VecDeque<(P, Out)>,
    /// The datagram returned last, if nothing else holds it.
    lent: Lent,
}

/// A datagram to send.
#[derive(Clone, Debug)]
pub(super) enum Out {
    Lent(Lent),
    /// The message of a transmission, if it is still there.
    Transmission(Key),
    /// The answer of a record, if it is still there.
    Record(Key),
}

/// A datagram that only the outbox holds.
#[derive(Clone, Debug)]
pub(super) enum Lent {
    Message(WireMessage),
    /// An Empty message: its type and message id.
    Empty([u8; 4]),
}

impl<P> Outbox<P> {
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            lent: Lent::Empty([0; 4]),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn empty(&mut self, to: P, kind: MessageType, message_id: u16) {
        let [high, low] = message_id.to_be_bytes();
        let message = [0x40 | kind.bits() << 4, 0, high, low];
        self.queue.push_back((to, Out::Lent(Lent::Empty(message))));
    }

    pub(super) fn message(&mut self, to: P, message: WireMessage) {
        self.queue
            .push_back((to, Out::Lent(Lent::Message(message))));
    }

    pub(super) fn transmission(&mut self, to: P, key: Key) {
        self.queue.push_back((to, Out::Transmission(key)));
    }

    pub(super) fn record(&mut self, to: P, key: Key) {
        self.queue.push_back((to, Out::Record(key)));
    }

    /// The next datagram.
    pub(super) fn pop(&mut self) -> Option<(P, Out)> {
        let next = self.queue.pop_front();
        if next.is_none() && self.queue.capacity() > KEEP {
            self.queue = VecDeque::new();
        }
        next
    }

    /// Keeps a datagram while it is lent to the transport.
    pub(super) fn lend(&mut self, lent: Lent) -> &[u8] {
        self.lent = lent;
        match &self.lent {
            Lent::Message(message) => message.as_ref(),
            Lent::Empty(message) => message,
        }
    }
}
