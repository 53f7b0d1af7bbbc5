//! What the network joins: nodes, and the addresses by which they know each other.

use core::{any::Any, fmt, marker::PhantomData};

use lwm2m_core::Instant;
use lwm2m_statemachine::{Datagram, Machine};

/// Which node of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

/// Which node of a network, and what it is.
pub struct Handle<T> {
    pub(crate) id: NodeId,
    node: PhantomData<fn() -> T>,
}

impl<T> Handle<T> {
    pub(crate) const fn new(id: NodeId) -> Self {
        Self {
            id,
            node: PhantomData,
        }
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<T> From<Handle<T>> for NodeId {
    fn from(handle: Handle<T>) -> Self {
        handle.id
    }
}

/// Where a node is reached. A node that moves, or whose NAT binding is renewed, gets another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The node.
    pub node: NodeId,
    /// Its first, second, … address; from 0.
    pub number: u32,
}

/// A machine with its application.
///
/// The network calls [`handle_datagram`](Self::handle_datagram) and
/// [`handle_timeout`](Self::handle_timeout), each followed by a drain: all transmits, all events,
/// until there are no more of either.
pub trait Node: Any {
    /// Takes a datagram.
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>);

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);

    /// Writes the next datagram into `datagram`, which is empty, and says where it goes.
    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address>;

    /// Lets the application act on the machine's next event; false if there is none.
    fn poll_event(&mut self, now: Instant) -> bool;

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Panics unless the node's invariants hold; called after each step of the node.
    fn check(&self, now: Instant) {
        let _ = now;
    }
}

/// What drives a machine: it acts on events, and knows which peers are at which addresses.
pub trait Application: 'static {
    /// What it drives.
    type Machine: Machine<Peer: 'static> + 'static;

    /// Acts on an event.
    fn handle_event(
        &mut self,
        now: Instant,
        machine: &mut Self::Machine,
        event: <Self::Machine as Machine>::Event,
    );

    /// The machine's name for the peer at this address; without one the datagram is dropped.
    fn peer(&mut self, address: Address) -> Option<<Self::Machine as Machine>::Peer>;

    /// Where a peer is; without an address the datagram is dropped.
    fn address(&self, peer: &<Self::Machine as Machine>::Peer) -> Option<Address>;

    /// Does what is due of the application's own.
    fn handle_timeout(&mut self, now: Instant, machine: &mut Self::Machine) {
        let _ = (now, machine);
    }

    /// When the application has something to do next, besides what the machine has.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Panics unless the invariants of machine and application hold; called after each step.
    fn check(&self, now: Instant, machine: &Self::Machine) {
        let _ = (now, machine);
    }
}

/// The [`Node`] of a [`Machine`] and its [`Application`].
#[derive(Clone, Debug)]
pub struct Host<A: Application> {
    /// The machine.
    pub machine: A::Machine,
    /// What drives it.
    pub application: A,
}

impl<A: Application> Host<A> {
    /// Joins both.
    pub const fn new(machine: A::Machine, application: A) -> Self {
        Self {
            machine,
            application,
        }
    }
}

impl<A: Application> Node for Host<A> {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        if let Some(from) = self.application.peer(datagram.from) {
            // The error only informs.
            let _ = self.machine.handle_datagram(
                now,
                Datagram {
                    from,
                    payload: datagram.payload,
                    channel: datagram.channel,
                    multicast: datagram.multicast,
                    identity: datagram.identity,
                },
            );
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
        self.application.handle_timeout(now, &mut self.machine);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        while let Some(transmit) = self.machine.poll_transmit() {
            if let Some(to) = self.application.address(&transmit.to) {
                datagram.extend_from_slice(transmit.payload);
                return Some(to);
            }
        }
        None
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        let event = self.machine.poll_event();
        event.is_some_and(|event| {
            self.application.handle_event(now, &mut self.machine, event);
            true
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let machine = self.machine.poll_timeout();
        let application = self.application.poll_timeout();
        machine.into_iter().chain(application).min()
    }

    fn check(&self, now: Instant) {
        self.application.check(now, &self.machine);
    }
}
