//! What block-wise transfer has the endpoint do.

use lwm2m_core::Instant;

use super::{
    Endpoint,
    blockwise::{RequestStep, Step},
    context::OpenRequest,
    event::{Event, FailureReason, SendError},
    exchanges::notifications::Notice,
    keys::PeerIndex,
    messages::records::State,
    table::Key,
};
use crate::{
    coap::{
        message::{MessageRef, MessageType},
        message_buf::MessageBuf,
        option::BlockOption,
    },
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
    /// Does what the last call of block-wise transfer has left to do.
    /// The error is that of a notification that could not be sent: there is no more than one.
    pub(super) fn do_steps(&mut self, now: Instant) -> Result<(), SendError> {
        let mut result = Ok(());
        let mut steps = self.blockwise.take_steps();
        for step in steps.drain(..) {
            result = result.and(self.do_step(now, step));
        }
        self.blockwise.recycle(steps);
        result
    }

    fn do_step(&mut self, now: Instant, step: Step) -> Result<(), SendError> {
        match step {
            // Can fail only if the request is too long ago, or for want of a message id; then
            // there is no answer.
            Step::Answer { record, message } => drop(self.send_answer(now, record, message)),
            Step::AnswerWithBlock {
                asking,
                block,
                message,
            } => self.send_block_of_body(now, &asking, block, message),
            Step::AnswerAgain { record, message } => self.send_block_again(record, message),
            Step::Notify {
                peer,
                notice,
                message,
            } => return self.send_supplied(now, peer, notice, message),
            Step::NotificationFailed {
                peer,
                notice,
                reason,
            } => self.notification_failed(peer, notice.id, notice.token, reason),
            Step::WantBlock {
                source,
                peer,
                offset,
                length,
            } => {
                if let Some(peer) = self.peers.name(peer) {
                    self.events.push_back(Event::BlockWanted {
                        source,
                        peer,
                        offset,
                        length,
                    });
                }
            }
            Step::SourceClosed(source) => self.events.push_back(Event::SourceClosed { source }),
            Step::HoldPeer(peer) => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.bodies = peer.bodies.saturating_add(1);
                }
            }
            Step::LetGoOfPeer(peer) => self.let_go_of_peer(peer),
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
        Ok(())
    }

    /// One body less keeps the peer known.
    pub(super) fn let_go_of_peer(&mut self, peer: PeerIndex) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.bodies = peer.bodies.saturating_sub(1);
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

    /// What a request leads to that has block options.
    pub(super) fn receive_blocks<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &MessageRef<'d>,
    ) -> RequestStep<'d> {
        let is_known = |record| self.records.get(record).is_some();
        let step = self.blockwise.receive(now, asking, request, &is_known);
        let _ = self.do_steps(now);
        step
    }

    /// Sends a notification whose first block has come.
    fn send_supplied(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        notice: Notice,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let sent = self.send_notification(now, peer, notice, message);
        if sent.is_err() && notice.confirmable {
            let reason = FailureReason::NotSent;
            self.notification_failed(peer, notice.id, notice.token, reason);
        }
        sent
    }

    /// Answers with a block that can be made again as long as the body is kept: it is not cached.
    pub(super) fn send_block_of_body(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        block: BlockOption,
        answer: MessageBuf,
    ) {
        let OpenRequest {
            peer,
            record: key,
            context,
        } = *asking;
        let confirmable = self
            .records
            .get(key)
            .filter(|record| record.confirmable && matches!(record.state, State::Open(_)));
        let (Some(record), Some(name)) = (confirmable, self.peers.name(peer)) else {
            let _ = self.send_answer(now, key, answer);
            return;
        };
        let kind = MessageType::Acknowledgement;
        let wire = answer.finish(kind, record.message_id, context.token);
        let state = State::Served {
            resource: context.resource,
            block,
            token: context.token,
        };
        self.set_record(key, state);
        self.outbox.message(name, wire);
    }

    /// Answers a request for a block that came again.
    fn send_block_again(&mut self, record: Key, answer: MessageBuf) {
        let peer = self.records.peer(record);
        if let Some(name) = peer.and_then(|peer| self.peers.name(peer))
            && let Some(record) = self.records.get(record)
            && let State::Served { token, .. } = &record.state
        {
            let kind = MessageType::Acknowledgement;
            let wire = answer.finish(kind, record.message_id, *token);
            self.outbox.message(name, wire);
        }
    }

    /// Forgets all bodies from and to a peer; not the peer.
    pub(super) fn forget_bodies(&mut self, now: Instant, peer: PeerIndex) {
        self.blockwise.forget_peer(peer);
        let _ = self.do_steps(now);
    }
}
