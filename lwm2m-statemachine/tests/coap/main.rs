//! CoAP alone: messages, and an endpoint whose peer the test plays, datagram by datagram.

#![allow(
    clippy::std_instead_of_alloc,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test runs on a computer with an operating system"
)]

extern crate alloc;

mod blocks;
mod clock;
mod codec;
mod connections;
mod corners;
mod ending;
mod kept_answers;
mod message_layer;
mod moving;
mod observe;
mod observers;
mod remembered;
mod saved;
mod strangers;
mod support;
mod sweep;
