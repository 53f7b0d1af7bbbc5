//! What block-wise transfer has the endpoint do.

use lwm2m_core::Instant;

use super::{
    Endpoint,
    blockwise::{OpenRequest, RequestStep, Step},
    event::{Body, Event, Responder, SendError},
    keys::BodyKey,
    table::Key,
};
use crate::{
    coap::{message::MessageRef, message_buf::MessageBuf, option::OptionNumber},
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
    /// Does what the last call of block-wise transfer has left to do.
    pub(super) fn do_steps(&mut self) {
        let mut steps = self.blockwise.take_steps();
        for step in steps.drain(..) {
            self.do_step(step);
        }
        self.blockwise.recycle(steps);
    }

    #[expect(clippy::needless_pass_by_value, reason = "used up: it is done once")]
    fn do_step(&mut self, step: Step) {
        match step {
            Step::HoldPeer(peer) => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.bodies = peer.bodies.saturating_add(1);
                }
            }
            Step::LetGoOfPeer(peer) => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.bodies = peer.bodies.saturating_sub(1);
                }
            }
            Step::ReleasePeer(peer) => self.peers.release(peer),
            Step::SpareRecord(record) => self.spare_record(record),
            Step::AnswerArrived(record) => self.answer_arrived(record),
            Step::TransferLost {
                transfer,
                peer,
                reason,
            } => {
                if let Some(peer) = self.peers.name(peer) {
                    self.events.push_back(Event::TransferLost {
                        transfer,
                        peer,
                        reason,
                    });
                }
            }
        }
    }

    /// A request that has no answer yet, by its record.
    pub(super) fn open_request(&self, record: Key) -> Option<OpenRequest> {
        Some(OpenRequest {
            peer: self.records.peer(record)?,
            record,
            context: *self.records.asked(record)?,
        })
    }

    /// What a request leads to that may have block options.
    pub(super) fn receive_blocks<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &MessageRef<'d>,
    ) -> RequestStep<'d> {
        let (block1, block2) = (request.block1(), request.block2());
        // The reserved size (RFC 7959 §2.2).
        if request.has(OptionNumber::BLOCK1) && block1.is_none()
            || request.has(OptionNumber::BLOCK2) && block2.is_none()
        {
            return self.blockwise.refuse_reserved_size(asking);
        }
        if let Some(block) = block1 {
            let step = self.blockwise.receive_block(now, asking, block, request);
            self.do_steps();
            return step;
        }
        if block2.is_some_and(|block| block.number() > 0) {
            return self.serve(now, asking, request);
        }
        RequestStep::Deliver(Body::Datagram(request.payload()))
    }

    /// Has the rest of a request assembled whose first block the application was given, instead of
    /// handing it on block by block. The block is answered here: 2.31, 4.13 if the body is or will
    /// be too large, 5.03 if there is no room.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn assemble(
        &mut self,
        now: Instant,
        responder: Responder,
        request: &MessageRef<'_>,
    ) -> Result<(), SendError> {
        let record = responder.record;
        let peer = self.records.peer(record).ok_or(SendError::NotOpen)?;
        let body = BodyKey::new(peer, responder.resource.key);
        let answer = self
            .blockwise
            .assemble(now, body, record, request.payload());
        self.do_steps();
        self.decide(now, record, answer?)
    }

    /// A request is answered with this message, or another one, if there is no room for the body
    /// whose block it brought.
    pub(super) fn answer_block(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        message: MessageBuf,
    ) -> MessageBuf {
        let instead = self.blockwise.answered(now, asking, message.code());
        self.do_steps();
        instead.unwrap_or(message)
    }

    /// The application ignores a request: if it has a block of a body, that may come again.
    pub(super) fn ignore_block(&mut self, record: Key) {
        if let Some(asking) = self.open_request(record) {
            self.blockwise.ignored(&asking);
            self.do_steps();
        }
    }
}
