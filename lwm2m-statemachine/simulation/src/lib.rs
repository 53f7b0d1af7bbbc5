//! A network in virtual time, from a seed, to test machines on.
//!
//! A [`Network`] joins any number of nodes. A node is a machine and the application that drives it:
//! a [`Host`] for everything that is a [`Machine`](lwm2m_statemachine::Machine), or a [`Node`] of
//! one's own. The network loses, repeats, delays and reorders their datagrams as each [`Link`]
//! says. It cuts links, gives nodes new addresses, reboots them with and without state, lets them
//! sleep, and shifts their clocks. No real time passes, and the seed decides everything: two runs
//! of a seed are identical to the byte, and have the same [digest](Network::digest).
//!
//! Invariants are checked as things happen. [`Node::check`] runs after each step of a node. A
//! [`Ledger`] finds a request with two outcomes and what is delivered twice, [`body_number`] finds
//! a torn body, and the network itself finds a node that asks to be woken for nothing.
//!
//! ```
//! use core::time::Duration;
//! use lwm2m_core::Instant;
//! use lwm2m_simulation::{Address, Link, Network, Node};
//! use lwm2m_statemachine::Datagram;
//!
//! /// Says one word to a peer, and counts what it hears.
//! #[derive(Default)]
//! struct Speaker {
//!     says: Option<Address>,
//!     heard: usize,
//! }
//!
//! impl Node for Speaker {
//!     fn handle_datagram(&mut self, _: Instant, _: Datagram<'_, Address>) {
//!         self.heard += 1;
//!     }
//!     fn handle_timeout(&mut self, _: Instant) {}
//!     fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
//!         datagram.extend_from_slice(b"hello");
//!         self.says.take()
//!     }
//!     fn poll_event(&mut self, _: Instant) -> bool {
//!         false
//!     }
//!     fn poll_timeout(&self) -> Option<Instant> {
//!         None
//!     }
//! }
//!
//! let mut network = Network::new(42);
//! network.set_default_link(Link::new(Duration::from_millis(20)).duplicating(1.0));
//! let alice = network.add("alice", Speaker::default());
//! let bob = network.add("bob", Speaker::default());
//! let to = network.address(bob);
//! network.with(alice, |alice, _now| alice.says = Some(to));
//! network.run_for(Duration::from_secs(1));
//! assert_eq!(network.node(bob).heard, 2);
//! println!("{}", network.chart());
//! ```
//!
//! # When something fails
//!
//! A test fails by a panic. A network that is dropped while its thread panics prints its seed and
//! the sequence chart of its last datagrams:
//!
//! ```text
//! seed 42, at 0.040, the last 2 of 2 datagrams:
//!                 alice           bob
//!      0.000       |------------>>|       CON POST 1234 abcd /rd ?ep=x&lt=60 [6]  +20 +20
//!      0.020       |       x------|       ACK 2.01 1234 abcd → /rd/7  LOST
//! ```

#![allow(
    clippy::std_instead_of_alloc,
    reason = "it runs on a computer with an operating system only"
)]

mod body;
mod chart;
mod ledger;
mod link;
mod network;
mod node;
mod random;
mod record;
mod run;

pub use self::{
    body::{body, body_number},
    ledger::Ledger,
    link::{Jitter, Link, MAX_LATENCY},
    network::Network,
    node::{Address, Application, Handle, Host, Node, NodeId},
    random::Random,
    record::{Fate, Note, Record},
};
