//! Client and server over DTLS, with both ends in memory, and once on real sockets.
//!
//! Whether a run goes through depends on the seed of the network; the keys and randoms of DTLS are its
//! own, so no two runs are the same to the byte.

#![expect(
    clippy::std_instead_of_alloc,
    reason = "programs run on a computer with an operating system"
)]

mod arbitrary;
mod bad_network;
mod bootstrap;
mod certificates;
mod clock;
mod displacing;
mod handshakes;
mod hostile;
mod inbound;
mod inbound_world;
mod keys;
mod leaving;
mod management;
mod reaching;
mod routing;
mod sms;
mod udp;
mod world;
