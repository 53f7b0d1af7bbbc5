//! The Client, whose server the test plays, datagram by datagram.

extern crate alloc;

mod access;
mod accounts;
mod announced;
mod attributes;
mod bad_input;
mod changes;
mod connections;
mod consent;
mod creating;
mod deferred;
mod downloads;
mod empty_arrays;
mod failures;
mod flows;
mod growth;
mod hosts;
mod large;
mod lifetime;
mod lives;
mod observe;
mod operations;
mod order;
mod ownership;
mod reconnecting;
mod registration;
mod reporting;
mod reporting_model;
mod request;
mod servers;
mod statistics;
mod storing;
mod streaming;
mod support;
mod table_27;
mod time;
