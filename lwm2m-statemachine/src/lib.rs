//! A sans-IO CoAP endpoint, and the LwM2M client, server and bootstrap-server that are built on it.
//!
//! A [`Client`], a [`Server`], a [`BootstrapServer`] and a [`coap::Endpoint`] are machines: they open no socket, read no
//! clock and draw no randomness. The caller feeds them datagrams and the time, and drains them of
//! datagrams, events and the next deadline. There is no transport and no executor.
//!
//! - [`client`]: registers the Objects of a tree with its servers, serves and notifies them.
//! - [`server`]: keeps registrations, and offers operations and observations as calls.
//! - [`bootstrap_server`]: tells clients how to reach their servers, by plans.
//! - [`smartcard`]: reads what a smartcard has for a client.
//! - [`coap`]: the messages and the endpoint under all; usable alone.
//! - [`downlink`]: how a call to a client ends.
//! - [`payload`]: values to bytes and bytes to values, by Content-Format.
//! - [`Machine`], [`Datagram`], [`Transmit`]: the contract between a machine and its transport.
//!
//! The features `client`, `server`, `bootstrap-server` and `smartcard` are on by default. Each works
//! without the others, so that a device doesn't compile the servers.
//!
//! # The loop
//!
//! There is one rule: *after every call, drain the polls*. After any call there may be datagrams to
//! send, events to act on, and another deadline. Here a client and a server are joined in memory
//! and the clock is a variable, so that only the loop remains:
//!
#![cfg_attr(all(feature = "client", feature = "server"), doc = "```")]
#![cfg_attr(not(all(feature = "client", feature = "server")), doc = "```ignore")]
//! use lwm2m_core::{InstanceId, Instant, ShortServerId};
//! use lwm2m_objects::{ObjectTree, Store, typed};
//! use lwm2m_statemachine::{
//!     Client, ClientConfig, ClientEvent, Datagram, Outcome, Server, ServerConfig, ServerEvent,
//!     Session,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let id = ShortServerId::new(101).unwrap();
//! let mut tree = ObjectTree::new();
//! tree.add(Store::of([(InstanceId::ZERO, typed::Security::no_sec("coap://192.0.2.1", id))]));
//! tree.add(Store::of([(InstanceId::ZERO, typed::Server::new(id, 86_400))]));
//! tree.add(Store::of([(InstanceId::ZERO, typed::Device { battery_level: Some(80), ..typed::Device::default() })]));
//!
//! // Seeds are from a source of randomness, fresh at every start.
//! let mut client = Client::new(ClientConfig::new("device", [1; 32]), tree)?;
//! let mut server: Server<&str> = Server::new(ServerConfig::new([2; 32]));
//! let mut now = Instant::ZERO;
//! let mut link = None; // the client's name for its connection to the server
//! let mut answer = None;
//!
//! client.start(now);
//! while answer.is_none() {
//!     // Act on what happened. A call may cause the next datagram, so this comes first.
//!     while let Some(event) = client.poll_event() {
//!         if let ClientEvent::Connect { connection, .. } = event {
//!             link = Some(connection);
//!             client.connected(now, connection, Session::New); // memory is always up
//!         }
//!     }
//!     while let Some(event) = server.poll_event() {
//!         match event {
//!             ServerEvent::Registered { registration } => {
//!                 server.read(now, registration, "/3/0/9".parse()?, None)?;
//!             }
//!             ServerEvent::Answered { outcome, .. } => answer = Some(outcome),
//!             _ => {}
//!         }
//!     }
//!     // Send what there is to send; a network would lose some of it.
//!     let mut moved = false;
//!     while let Some(transmit) = client.poll_transmit() {
//!         server.handle_datagram(now, Datagram::new("client", transmit.payload))?;
//!         moved = true;
//!     }
//!     while let Some(transmit) = server.poll_transmit() {
//!         let from = link.expect("the server answers on a connection");
//!         client.handle_datagram(now, Datagram::new(from, transmit.payload))?;
//!         moved = true;
//!     }
//!     // Nothing moves: wait until a datagram arrives, or the next deadline.
//!     if !moved && answer.is_none() {
//!         let deadlines = [client.poll_timeout(), server.poll_timeout()];
//!         now = deadlines.into_iter().flatten().min().expect("something is under way").max(now);
//!         client.handle_timeout(now);
//!         server.handle_timeout(now);
//!     }
//! }
//! let Some(Outcome::Content(content)) = answer else { panic!("{answer:?}") };
//! assert_eq!(content.get(&"/3/0/9".parse()?), Some(&80.into()));
//! # Ok(())
//! # }
//! ```

// The overview is of all features.
#![cfg_attr(
    not(all(
        feature = "client",
        feature = "server",
        feature = "bootstrap-server",
        feature = "smartcard"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
#![no_std]
#![forbid(unsafe_code)]
// No panic is reachable from input: Clippy refuses them outside of tests and constants.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

extern crate alloc;

#[cfg(feature = "bootstrap-server")]
pub mod bootstrap_server;
#[cfg(feature = "client")]
pub mod client;
pub mod coap;
pub mod downlink;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "smartcard")]
pub mod smartcard;

mod machine;

#[cfg(feature = "bootstrap-server")]
pub use self::bootstrap_server::{
    BootstrapId, BootstrapServer, BootstrapServerConfig, BootstrapServerEvent,
};
#[cfg(feature = "client")]
pub use self::client::{
    AccountId, Client, ClientConfig, ClientError, ClientEvent, ConnectionId, RegistrationFailure,
    Reliability, Session, Storing,
};
#[cfg(feature = "server")]
pub use self::server::{
    ObservationId, OperationId, Outcome, Registration, RegistrationId, Server, ServerConfig,
    ServerEvent,
};
pub use self::{
    downlink::payload,
    machine::{Channel, Datagram, Identity, IdentityTable, Machine, Peer, TimerQueue, Transmit},
};

/// The README's example is compiled.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
