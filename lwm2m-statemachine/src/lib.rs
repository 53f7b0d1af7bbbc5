//! Sans-IO CoAP endpoint, and LwM2M client, server and bootstrap-server on it.

#![no_std]

extern crate alloc;

pub mod client;
pub mod coap;
pub mod payload;

#[allow(dead_code, reason = "the machines to come draw from it")]
mod random;
mod timer;
mod transport;

pub use self::{
    client::{
        Client, ClientConfig, ClientError, ClientEvent, ConnectionId, RegistrationFailure,
        Reliability,
    },
    timer::TimerQueue,
    transport::{Channel, Datagram, Identity, Machine, Peer, Transmit},
};
