//! Queue Mode at the server: what waits until a client is awake, and how it ends (TS 5.3.1.1, 8.3).

mod awake;
mod by_sms;
mod cancelling;
mod ending;
mod moving;
mod registering;
mod repeating;
mod triggering;
pub(crate) mod world;
