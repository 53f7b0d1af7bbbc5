//! The calls that answer requests, and supply bodies block by block.

use lwm2m_core::{Code, Instant};

use super::{
    blockwise::SuppliedBlock,
    body::{Outgoing, Source, SourceId},
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
    /// The body of a success other than 2.31 may come from a [`Source`]. If the application then
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

    /// Creates the source of a body that the application supplies block by block, to be passed with
    /// its message to [`request`](Self::request), [`respond`](Self::respond) or
    /// [`notify`](Self::notify). Whenever a block of it is needed,
    /// [`Event::BlockWanted`](super::Event::BlockWanted) requests it, usually in order, but an
    /// earlier block may be needed again; only the current block is held. Every source ends with
    /// exactly one [`Event::SourceClosed`](super::Event::SourceClosed), at the latest when a block
    /// is not supplied within [`transfer_lifetime`](super::Config::transfer_lifetime). If the call
    /// that is given the source returns an error, the source has ended.
    ///
    /// `size` is the size of the whole body in bytes, if known; it is sent to the peer (Size1,
    /// Size2).
    pub const fn source(&mut self, size: Option<u32>) -> Source {
        self.layers.blockwise.source(size)
    }

    /// Supplies a block that [`Event::BlockWanted`](super::Event::BlockWanted) requested: exactly
    /// the requested length if `more` bytes follow, at most that length for the last block. The
    /// last block of a response or notification must not be empty unless it is also the first. If
    /// the body is shorter than `offset`, supply an empty block.
    pub fn supply(
        &mut self,
        now: Instant,
        source: SourceId,
        offset: usize,
        block: &[u8],
        more: bool,
    ) -> Result<(), SendError> {
        let block = SuppliedBlock {
            offset,
            bytes: block,
            more,
        };
        self.layers.blockwise.supply(now, source, block)?;
        self.layers.do_steps(now)
    }

    /// Gives up a body that cannot be supplied. A request fails with
    /// [`FailureReason::Aborted`](super::FailureReason::Aborted), as does a confirmable
    /// notification that waits for its first block; a request for a block of a response is answered
    /// 5.00.
    pub fn abort(&mut self, now: Instant, source: SourceId) {
        self.abort_with(now, source, Code::INTERNAL_SERVER_ERROR);
    }

    /// Gives up a body like [`abort`](Self::abort). A request for a block of a response is answered
    /// with this code, for example because the peer has lost the right to read it.
    pub fn abort_with(&mut self, now: Instant, source: SourceId, code: Code) {
        self.layers.blockwise.abort(source, code);
        let _ = self.layers.do_steps(now);
    }
}
