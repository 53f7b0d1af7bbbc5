//! The calls that answer requests, and supply bodies block by block.

use lwm2m_core::Instant;

use super::{
    body::Outgoing,
    event::{Responder, SendError},
    keys::BodyKey,
    machine::Endpoint,
};
use crate::{coap::message::MessageRef, machine::Peer};

impl<P: Peer> Endpoint<P> {
    /// Answers a request: in its acknowledgement if that has not been sent yet, otherwise in a
    /// separate response. A multicast request is answered at a random time within DEFAULT_LEISURE,
    /// and errors are not sent at all (RFC 7252 §8.2).
    ///
    /// The code determines how duplicates are treated. A refusal (4.xx, 5.01, 5.03 or 5.05) means
    /// that the request had no effect: its record may be evicted when room is needed, and a later
    /// duplicate is then processed as a new request. Any other request is remembered for the full
    /// lifetime, so that it is not processed twice. If a request failed after it had some effect,
    /// answer 5.00.
    ///
    /// The body of a success other than 2.31 may come from a [`Source`](super::Source). If the application then
    /// sets the ETag, the client can continue even after the endpoint has dropped the source and the
    /// application has created another one.
    pub fn respond(
        &mut self,
        now: Instant,
        responder: Responder,
        message: impl Into<Outgoing>,
    ) -> Result<(), SendError> {
        self.layers.respond(now, responder, message.into())
    }

    /// Treats a request as if it had never arrived: no acknowledgement and no Reset are sent, and a
    /// retransmission counts as a new request. If the request was already acknowledged, it just
    /// gets no answer.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn ignore(&mut self, responder: Responder) {
        let key = responder.record;
        if let Some(asking) = self.layers.open_request(key) {
            // If the request has a block of a body, the block may be retransmitted.
            if self.layers.blockwise.ignored(&asking) {
                self.layers.messages.let_go(asking.peer);
                self.layers.messages.spare_record(key);
            }
        }
        self.layers.messages.ignore(key);
    }

    /// Acknowledges a request whose answer will take a while. The endpoint does this automatically
    /// after the configured delay. Does nothing if no acknowledgement is needed.
    pub fn acknowledge(&mut self, responder: &Responder) {
        self.layers.messages.acknowledge(responder.record);
    }

    /// Assembles the rest of a request body whose first block was passed to the application,
    /// instead of passing it on block by block. The endpoint answers the first block: 2.31, 4.13 if
    /// the body is or will be too large, or 5.03 if there is no room.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn assemble(
        &mut self,
        now: Instant,
        responder: Responder,
        request: &MessageRef<'_>,
    ) -> Result<(), SendError> {
        let record = responder.record;
        let peer = self
            .layers
            .messages
            .record_peer(record)
            .ok_or(SendError::NotOpen)?;
        let body = BodyKey::new(peer, responder.resource.key);
        let answer = self
            .layers
            .blockwise
            .assemble(now, body, record, request.payload())?;
        self.layers.do_steps(now)?;
        self.layers.decide(now, record, answer)
    }
}
