//! What the tests of the crates share: short spellings of identifiers, a heap that is counted,
//! what a machine sends, what a Client may send, and a smartcard.

extern crate alloc;

pub mod card;
pub mod heap;
#[cfg(feature = "machines")]
mod idle;
#[cfg(feature = "machines")]
mod sent;
#[cfg(feature = "machines")]
mod watch;

use lwm2m_core::{InstanceId, Path, ShortServerId};

#[cfg(feature = "machines")]
pub use self::{
    idle::assert_only_accounts_left,
    sent::{Sent, account, events, get, request, response, sent},
    watch::Watch,
};

/// The path of this text.
///
/// # Panics
///
/// If it isn't a path.
#[track_caller]
pub fn path(text: &str) -> Path {
    text.parse().expect("a path")
}

/// The Object Instance ID with this number.
///
/// # Panics
///
/// If that is 65535.
#[track_caller]
pub fn instance(id: u16) -> InstanceId {
    InstanceId::new(id).expect("an Object Instance ID")
}

/// The Short Server ID with this number.
///
/// # Panics
///
/// If that is 0 or 65535.
#[track_caller]
pub fn server_id(id: u16) -> ShortServerId {
    ShortServerId::new(id).expect("a Short Server ID")
}
