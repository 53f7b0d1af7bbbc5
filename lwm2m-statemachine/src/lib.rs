//! Sans-IO CoAP endpoint, and LwM2M client, server and bootstrap-server on it.

#![no_std]

extern crate alloc;

pub mod client;
pub mod coap;
pub mod payload;
pub mod server;

mod random;
mod timer;
mod transport;

pub use self::{
    client::{
        Client, ClientConfig, ClientError, ClientEvent, ConnectionId, RegistrationFailure,
        Reliability,
    },
    server::{
        ObservationId, OperationId, Outcome, Registration, RegistrationId, Server, ServerConfig,
        ServerEvent,
    },
    timer::TimerQueue,
    transport::{Channel, Datagram, Identity, Machine, Peer, Transmit},
};
