//! The message layer: peers, messages received from them, and messages sent to them until they are
//! acknowledged (RFC 7252 §4).
//!
//! [`Messages`] is the layer. It knows requests, responses and notifications only by the ids that
//! the layer above assigns, and returns those in [`Outcome`]s.
//!
//! - [`peers`]: the known peers and their message ids.
//! - [`sender`]: sends messages in order; its state is in [`transmission`], [`id_owners`] and
//!   [`outbox`].
//! - [`received`]: handles received messages and keeps [`records`] of them.
//! - [`answers`]: how a request is answered.

mod answers;
mod id_owners;
mod layer;
mod outbox;
mod peers;
mod received;
mod records;
mod sender;
#[cfg(test)]
mod tests;
mod transmission;

pub(super) use self::{
    id_owners::IdOwner,
    layer::{MessageKeys, Messages},
    peers::Share,
    sender::{FirstNotification, Outcome},
    transmission::{NewerNotification, Purpose, Transmission},
};
