//! Messages: peers, what was received from them, and what is sent to them until it is acknowledged
//! (RFC 7252 §4).

pub(super) mod outgoing;
pub(super) mod peers;
pub(super) mod records;
mod remembered;
