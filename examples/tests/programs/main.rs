//! The programs as a person or a script uses them.

mod asleep;
mod bootstrap;
#[cfg(feature = "dtls")]
#[path = "../secure/keys.rs"]
#[expect(
    dead_code,
    clippy::std_instead_of_alloc,
    reason = "made for the tests of sessions, which need more of it"
)]
mod certified;
mod device;
#[cfg(feature = "dtls")]
mod expiry;
mod kept;
mod keys;
#[cfg(feature = "dtls")]
mod ready;
mod sleeping;
mod support;
mod together;
