//! Whether something is under way: what keeps a device awake.

use super::{exchanges::Observations, machine::Endpoint};
use crate::machine::Peer;

impl<P: Peer> Endpoint<P> {
    /// Whether an exchange or a transfer in blocks is open with a peer: a message waits for its turn or its
    /// acknowledgement, a request for its response, or a body for its next block. What is only remembered of
    /// earlier messages doesn't count, nor does an observation that has begun.
    pub fn is_open_with(&self, peer: &P) -> bool {
        let layers = &self.layers;
        layers.messages.find(peer).is_some_and(|peer| {
            let messages = &layers.messages;
            let exchange = layers
                .exchanges
                .first_open(messages, peer, Observations::Stay);
            exchange.is_some() || layers.blockwise.is_transferring(peer)
        })
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) may have a datagram.
    pub fn has_to_send(&self) -> bool {
        !self.layers.messages.is_idle()
    }
}
