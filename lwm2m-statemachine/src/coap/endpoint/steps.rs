//! What block-wise transfer has the endpoint do.

use lwm2m_core::Instant;

use super::{
    Endpoint,
    blockwise::{RequestStep, Step},
    context::OpenRequest,
    event::{Event, FailureReason, SendError},
    exchanges::notifications::Notice,
    keys::PeerIndex,
    table::Key,
};
use crate::{
    coap::{message::MessageRef, message_buf::MessageBuf},
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
            } => self.send_block_of_body(now, asking.record, block, message),
            Step::AnswerAgain { record, message } => self.messages.answer_again(record, message),
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
            Step::SendBlock { request, message } => self.send_block(now, request, message),
            Step::EndBlockRequest(request) => {
                self.give_up(request);
                self.remove_request(now, request);
            }
            Step::TransferFailed { request, reason } => self.transfer_failed(now, request, reason),
            Step::HoldPeer(peer) => {
                self.messages.hold(peer);
            }
            Step::LetGoOfPeer(peer) => self.messages.let_go(peer),
            Step::ReleasePeer(peer) => self.messages.release(peer),
            Step::SpareRecord(record) => self.messages.spare_record(record),
            Step::AnswerArrived(record) => self.messages.answer_arrived(record),
            Step::WantBlock { peer, .. } | Step::TransferLost { peer, .. } => {
                let name = self.messages.name(peer);
                self.events.extend(name.and_then(|name| event(&step, name)));
            }
            Step::SourceClosed(source) => self.events.push_back(Event::SourceClosed { source }),
        }
        Ok(())
    }

    /// A request that has no answer yet, by its record.
    pub(super) fn open_request(&self, record: Key) -> Option<OpenRequest> {
        let (peer, context) = self.messages.context(record)?;
        Some(OpenRequest {
            peer,
            record,
            context: *context,
        })
    }

    /// What a request leads to that has block options.
    pub(super) fn receive_blocks<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &MessageRef<'d>,
    ) -> RequestStep<'d> {
        let is_known = |record| self.messages.record_peer(record).is_some();
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

    /// Forgets all bodies from and to a peer; not the peer.
    pub(super) fn forget_bodies(&mut self, now: Instant, peer: PeerIndex) {
        self.blockwise.forget_peer(peer);
        let _ = self.do_steps(now);
    }
}

/// The event of a step that the application is told of.
fn event<P>(step: &Step, peer: P) -> Option<Event<P>> {
    match *step {
        Step::WantBlock {
            source,
            offset,
            length,
            ..
        } => Some(Event::BlockWanted {
            source,
            peer,
            offset,
            length,
        }),
        Step::TransferLost {
            transfer, reason, ..
        } => Some(Event::TransferLost {
            transfer,
            peer,
            reason,
        }),
        _ => None,
    }
}
