//! Effects of a call of one layer on the others.

use lwm2m_core::{Code, Instant};

use super::{
    blockwise::{SentRequest, Step},
    event::{Event, FailureReason, RequestId, SendError},
    exchanges::{Below, Exchanges, Kind},
    keys::PeerIndex,
    layers::Layers,
    messages::Transmission,
    table::Key,
};
use crate::{coap::message_buf::MessageBuf, machine::Peer};

/// The layer with the next deadline.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Messages,
    Exchanges,
    BlockWise,
}

impl<P: Peer> Layers<P> {
    /// Answers a request with its outcome. A refused request is harmless to process again.
    pub(super) fn decide(
        &mut self,
        now: Instant,
        record: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        if is_refusal(message.code()) {
            self.messages.spare_record(record);
        }
        self.answer(now, record, message)
    }

    /// Answers a request, with the first of several blocks if necessary.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        record: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let asking = self.open_request(record).ok_or(SendError::NotOpen)?;
        let message = self.blockwise.answer(now, &asking, message);
        let _ = self.do_steps(now);
        let (exchanges, mut below) = self.exchanges();
        exchanges.answer(now, &mut below, record, message)
    }

    /// Removes expired state, and acknowledges requests whose acknowledgement is due.
    pub(super) fn expire(&mut self, now: Instant) {
        self.messages.expire(now);
        let (exchanges, mut below) = self.exchanges();
        exchanges.notifications.expire(now, &mut below);
    }

    /// Does all that is due at `now`, in the order of the deadlines.
    pub(super) fn handle_due(&mut self, now: Instant) {
        while let Some(layer) = self.first_due(now) {
            match layer {
                Layer::Messages => {
                    self.messages.handle_due(now);
                    let reason = FailureReason::Timeout;
                    while let Some((peer, transmission)) = self.poll_timed_out(now) {
                        self.transmission_failed(now, (peer, &transmission), reason);
                    }
                }
                Layer::Exchanges => {
                    if let Some(key) = self.exchanges.requests.pop_due(now) {
                        self.fail_request(now, key, FailureReason::Timeout);
                    }
                }
                Layer::BlockWise => {
                    self.blockwise.handle_due(now);
                    let _ = self.do_steps(now);
                }
            }
        }
        self.messages.end_due(now);
        self.exchanges.requests.end_due();
        self.blockwise.end_due();
    }

    fn poll_timed_out(&mut self, now: Instant) -> Option<(PeerIndex, Transmission)> {
        let (exchanges, mut below) = self.exchanges();
        exchanges.poll_timed_out(now, &mut below)
    }

    /// The layer with the earliest deadline that is due at `now`.
    fn first_due(&mut self, now: Instant) -> Option<Layer> {
        [
            (self.messages.peek_due(now), Layer::Messages),
            (self.exchanges.requests.peek_due(now), Layer::Exchanges),
            (self.blockwise.peek_due(now), Layer::BlockWise),
        ]
        .into_iter()
        .filter_map(|(due, layer)| Some((due?, layer)))
        .min_by_key(|(due, _)| *due)
        .map(|(_, layer)| layer)
    }

    /// A transmission has failed.
    pub(super) fn transmission_failed(
        &mut self,
        now: Instant,
        (peer, transmission): (PeerIndex, &Transmission),
        reason: FailureReason,
    ) {
        let (_, mut below) = self.exchanges();
        if let Some(request) = Exchanges::failed(&mut below, peer, transmission, reason) {
            self.fail_request(now, request, reason);
        }
    }

    /// A request has failed.
    pub(super) fn fail_request(&mut self, now: Instant, key: Key, reason: FailureReason) {
        let requests = &mut self.exchanges.requests;
        requests.give_up(&mut self.messages, key);
        if let Some(of) = self.end_block(now, key) {
            self.transfer_failed(now, of, reason);
            return;
        }
        let peer = self.exchanges.requests.peer(key);
        let name = peer.and_then(|peer| self.messages.name(peer));
        if self.remove_request(now, key)
            && let Some(peer) = name
        {
            self.events.push(Event::RequestFailed {
                request: RequestId(key),
                peer,
                reason,
            });
        }
    }

    /// Removes a request and all its state; returns whether it existed.
    pub(super) fn remove_request(&mut self, now: Instant, key: Key) -> bool {
        let Some(of) = self.sent_request(key) else {
            return false;
        };
        let requests = &mut self.exchanges.requests;
        let removed = requests.remove(now, &mut self.messages, key);
        if removed.is_some() && self.blockwise.end_transfer(now, of).is_some() {
            let _ = self.do_steps(now);
        }
        removed.is_some()
    }

    /// Removes a request for a block; returns the request it belonged to.
    pub(super) fn end_block(&mut self, now: Instant, key: Key) -> Option<Key> {
        let Kind::Block { of } = self.exchanges.requests.get(key)?.kind else {
            return None;
        };
        let SentRequest { peer, .. } = self.sent_request(key)?;
        self.remove_request(now, key);
        self.blockwise
            .block_ended(SentRequest { peer, request: of });
        Some(of)
    }

    /// Sends the request for a block.
    fn send_block(&mut self, now: Instant, of: SentRequest, message: MessageBuf) {
        let messages = &mut self.messages;
        let requests = &mut self.exchanges.requests;
        if let Ok(block) = requests.send_block(now, messages, of.request, message) {
            self.blockwise.block_sent(of, block);
        } else {
            self.blockwise.block_ended(of);
            self.transfer_failed(now, of.request, FailureReason::NotSent);
        }
    }

    /// The blocks of a response cannot be fetched.
    pub(super) fn transfer_failed(&mut self, now: Instant, key: Key, reason: FailureReason) {
        let requests = &self.exchanges.requests;
        let (Some(request), Some(of)) = (requests.get(key), self.sent_request(key)) else {
            return;
        };
        let Kind::Observation {
            answered: true,
            over,
            ..
        } = request.kind
        else {
            self.fail_request(now, key, reason);
            return;
        };
        let name = self.messages.name(of.peer);
        if over {
            self.remove_request(now, key);
        } else {
            self.end_transfer(now, of);
        }
        if let Some(peer) = name {
            self.events.push(Event::NotificationLost {
                request: RequestId(key),
                peer,
                reason,
                observing: !over,
            });
        }
    }

    /// Removes a transfer, but not its request, which is an observation.
    pub(super) fn end_transfer(&mut self, now: Instant, of: SentRequest) {
        let Some(message) = self.blockwise.end_transfer(now, of) else {
            return;
        };
        self.exchanges.requests.keep_template(of.request, message);
        let _ = self.do_steps(now);
    }

    /// Performs the steps left by the last call of block-wise transfer. What a step leads to comes
    /// right after it, and is done here too: calls don't nest, however many requests fail one after
    /// the other. An error is that of a notification that could not be sent; there is at most one.
    pub(super) fn do_steps(&mut self, now: Instant) -> Result<(), SendError> {
        let mut result = Ok(());
        let Some(mut steps) = self.blockwise.begin_steps() else {
            return result;
        };
        while let Some(step) = steps.pop() {
            result = result.and(self.do_step(now, step));
            self.blockwise.take_steps(&mut steps);
        }
        self.blockwise.end_steps(steps);
        result
    }

    fn do_step(&mut self, now: Instant, step: Step) -> Result<(), SendError> {
        let (exchanges, mut below) = self.exchanges();
        match step {
            // Fails only if the request is too long ago or no message id is free; then there is no
            // answer.
            Step::Answer { record, message } => {
                let _ = exchanges.answer(now, &mut below, record, message);
            }
            Step::AnswerWithBlock {
                asking,
                block,
                message,
            } => exchanges.answer_with_block(now, &mut below, asking.record, (block, message)),
            Step::AnswerAgain { record, message } => self.messages.answer_again(record, message),
            Step::Notify {
                peer,
                notice,
                message,
            } => return exchanges.notify_supplied(now, &mut below, peer, notice, message),
            Step::SendBlock { request, message } => {
                if let Some(of) = self.sent_request(request) {
                    self.send_block(now, of, message);
                }
            }
            Step::EndBlockRequest(request) => {
                let requests = &mut self.exchanges.requests;
                requests.give_up(&mut self.messages, request);
                self.remove_request(now, request);
            }
            Step::TransferFailed { request, reason } => self.transfer_failed(now, request, reason),
            Step::HoldPeer(peer) => drop(self.messages.hold(peer)),
            Step::LetGoOfPeer(peer) => self.messages.let_go(peer),
            Step::ReleasePeer(peer) => self.messages.release(peer),
            Step::SpareRecord(record) => self.messages.spare_record(record),
            Step::AnswerArrived(record) => self.messages.answer_arrived(record),
            step => tell_step(&mut below, &step),
        }
        Ok(())
    }
}

/// Reports a step to the application.
fn tell_step<P: Peer>(below: &mut Below<'_, P>, step: &Step) {
    match *step {
        Step::NotificationFailed {
            peer,
            notice,
            reason,
        } => below.tell_notification_failed(peer, (notice.id, notice.token), reason),
        Step::WantBlock {
            source,
            peer,
            offset,
            length,
        } => below.tell(peer, |peer| Event::BlockWanted {
            source,
            peer,
            offset,
            length,
        }),
        Step::SourceClosed(source) => below.events.push(Event::SourceClosed { source }),
        Step::BodyReleased {
            peer,
            resource,
            result,
        } => below.tell(peer, |peer| Event::BodyReleased {
            peer,
            resource,
            result,
        }),
        Step::TransferLost {
            transfer,
            peer,
            reason,
        } => below.tell(peer, |peer| Event::TransferLost {
            transfer,
            peer,
            reason,
        }),
        _ => {}
    }
}

/// Whether a response says that nothing was done for its request (RFC 7252 §5.9.2, §5.9.3).
pub(super) const fn is_refusal(code: Code) -> bool {
    code.class() == 4
        || matches!(
            code,
            Code::NOT_IMPLEMENTED | Code::SERVICE_UNAVAILABLE | Code::PROXYING_NOT_SUPPORTED
        )
}
