//! Exchanges: requests and their responses, observations and their notifications (RFC 7252 §5,
//! RFC 7641).

pub(super) mod freshness;
pub(super) mod notifications;
pub(super) mod observer;
pub(super) mod requests;
mod responding;
pub(super) mod saved;
