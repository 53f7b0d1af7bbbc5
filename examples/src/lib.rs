//! How to wire the LwM2M machines to the world.
//!
//! The machines of `lwm2m-statemachine` open no socket, read no clock and draw no randomness. The
//! parts that they leave out are here: [`driver`] runs any of them on a UDP socket, [`seed`] makes
//! their seeds, [`listening`] opens the sockets of servers, [`chart`] and [`pcap`] record their traffic.
//!
//! The programs `demo`, `client` and `server` are made of these and of [`device`], [`definitions`]
//! and [`console`], `bootstrap-server` of [`bootstrap`]; the program `coap`, on the CoAP endpoint alone, of [`store`]. [`relay`] is a
//! bad network between any two programs; [`exit`] prints what they say and ends them.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "programs run on a computer with an operating system"
)]

pub mod address;
pub mod bootstrap;
pub mod chart;
pub mod commands;
pub mod console;
pub mod definitions;
pub mod device;
pub mod driver;
pub mod exit;
pub mod given;
pub mod keys;
pub mod listening;
pub mod pcap;
pub mod relay;
pub mod scribe;
pub mod secure;
pub mod seed;
pub mod store;
pub mod uri;
pub mod value;

// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
