//! The message layer: peers, what was received from them, and what is sent to them until it is
//! acknowledged (RFC 7252 §4).
//!
//! [`Messages`] is the layer. It knows of requests, responses and notifications only the names that
//! the layer above gives them, and hands those back as [`Outcome`]s.
//!
//! - [`peers`]: who is known, with the message ids of each.
//! - [`sender`]: what is sent, each message in its turn; [`transmission`], [`id_owners`] and
//!   [`outbox`] are what it keeps.
//! - [`received`]: what is remembered of messages that came, in [`records`].
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
