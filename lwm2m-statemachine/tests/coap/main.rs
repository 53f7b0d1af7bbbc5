//! CoAP alone: messages, and an endpoint against a peer that the test plays, datagram by datagram.

extern crate alloc;

mod blocks;
mod clock;
mod codec;
mod connections;
mod corners;
mod kept_answers;
mod message_layer;
mod observe;
mod observers;
mod remembered;
mod strangers;
mod support;
mod sweep;
