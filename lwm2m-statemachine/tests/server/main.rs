//! The Server, whose clients the test plays, datagram by datagram, and the payload formats that it
//! shares with the Client.

extern crate alloc;

mod admission;
mod by_sms;
mod codes;
mod failures;
mod formats;
mod hostile;
mod identities;
mod moving;
mod object_versions;
mod observations;
mod operations;
mod properties;
mod queue;
#[cfg(feature = "serde")]
mod records;
mod refusals;
mod registration;
mod support;
mod versions;
