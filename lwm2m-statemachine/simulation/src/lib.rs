//! A network in virtual time, from a seed, on which the machines are proven.
//!
//! A [`Network`] joins any number of nodes. A node is a machine and the application that drives
//! it: a [`Host`] for everything that is a [`Machine`](lwm2m_statemachine::Machine), or a
//! [`Node`] of one's own. The network loses, repeats, delays and reorders their datagrams as each
//! [`Link`] says, cuts links, renames nodes, reboots them, and shifts their clocks. Nothing of it
//! happens in real time and nothing is random but the seed: two runs of a seed are identical to
//! the byte.
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
//! the sequence chart of all its datagrams.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "it runs on a computer with an operating system only"
)]

mod link;
mod network;
mod node;
mod random;
mod record;

pub use self::{
    link::{Link, MAX_LATENCY},
    network::Network,
    node::{Address, Application, Handle, Host, Node, NodeId},
    random::Random,
    record::{Fate, Record},
};
