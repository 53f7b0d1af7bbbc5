//! How a request is answered: with its acknowledgement, separately, or at leisure (RFC 7252 §5.2,
//! §8.2).

use alloc::boxed::Box;

use lwm2m_core::Instant;

use super::{
    layer::Messages,
    peers::Share,
    records::{Leisurely, State},
    transmission::{Purpose, Transmission},
};
use crate::{
    coap::{
        endpoint::{
            Overload, config::after, context::Repetition, event::SendError, keys::PeerIndex,
            table::Key,
        },
        message::MessageType,
        message_buf::{MessageBuf, WireMessage},
        option::{BlockOption, OptionNumber},
        token::Token,
    },
    machine::{Channel, Peer},
};

/// A request to observe was answered once, with this message id, which a Reset may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstNotification {
    pub(crate) peer: PeerIndex,
    pub(crate) token: Token,
    pub(crate) message_id: u16,
}

impl<P: Peer> Messages<P> {
    /// Answers a request with this message. If it begins an observation and is not confirmable,
    /// tells its message id.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        key: Key,
        message: MessageBuf,
    ) -> Result<Option<FirstNotification>, SendError> {
        let observed = message.has(OptionNumber::OBSERVE);
        let records = &self.received.records;
        let (Some(record), Some(peer)) = (records.get(key), records.peer(key)) else {
            return Err(SendError::NotOpen);
        };
        let silent = record.multicast && !message.code().is_success();
        if record.repetition == Repetition::HarmfulIfObserved && !observed {
            self.spare_record(key);
        }
        let Some(record) = self.received.records.get(key) else {
            return Err(SendError::NotOpen);
        };
        match (&record.state, record.confirmable) {
            (State::Open(context), true) => {
                let kind = MessageType::Acknowledgement;
                let wire = message.finish(kind, record.message_id, context.token);
                self.acknowledge_with(peer, key, wire);
                Ok(None)
            }
            (State::Open(context), false) => {
                let token = context.token;
                let wire = message.finish(MessageType::NonConfirmable, 0, token);
                if record.multicast && !silent {
                    self.answer_at_leisure(now, peer, key, wire);
                    return Ok(None);
                }
                self.set_record(key, State::Done);
                if silent {
                    return Ok(None);
                }
                self.answer_once(now, peer, token, wire, observed)
            }
            (State::Acknowledged(context), _) => {
                let (token, channel) = (context.token, context.channel);
                let wire = message.finish(MessageType::Confirmable, 0, token);
                self.set_record(key, State::Done);
                if channel == Channel::Sms {
                    // It would not be sent again anyway.
                    return self.answer_once(now, peer, token, wire, observed);
                }
                if !self.may_transmit(peer, Share::Answers) {
                    return Err(SendError::Overload(Overload::Messages));
                }
                let transmission = Transmission::confirmable(wire, Purpose::Response(token));
                self.transmit(now, peer, transmission);
                Ok(None)
            }
            (State::AtLeisure(_) | State::Answered(_) | State::Served { .. } | State::Done, _) => {
                Err(SendError::NotOpen)
            }
        }
    }

    /// Answers a request with a block of a body. It is not kept in case the request comes again, if
    /// the block can be made again; see [`ServedBlock`](super::ServedBlock).
    pub(crate) fn answer_with_block(
        &mut self,
        now: Instant,
        key: Key,
        block: BlockOption,
        message: MessageBuf,
    ) -> Result<Option<FirstNotification>, SendError> {
        let records = &self.received.records;
        let record = records.get(key).filter(|record| record.confirmable);
        let name = records.peer(key).and_then(|peer| self.name(peer));
        let (Some(record), Some(name)) = (record, name) else {
            return self.answer(now, key, message);
        };
        let State::Open(context) = &record.state else {
            return self.answer(now, key, message);
        };
        let (token, resource) = (context.token, context.resource);
        let wire = message.finish(MessageType::Acknowledgement, record.message_id, token);
        let state = State::Served {
            resource,
            block,
            token,
        };
        self.set_record(key, state);
        self.sender.outbox.message(name, wire);
        Ok(None)
    }

    /// Answers a request for a block that came again.
    pub(crate) fn answer_again(&mut self, key: Key, message: MessageBuf) {
        let records = &self.received.records;
        if let Some(name) = records.peer(key).and_then(|peer| self.name(peer))
            && let Some(record) = records.get(key)
            && let State::Served { token, .. } = &record.state
        {
            let kind = MessageType::Acknowledgement;
            let wire = message.finish(kind, record.message_id, *token);
            self.sender.outbox.message(name, wire);
        }
    }

    /// Sends an answer as the acknowledgement of its request, and keeps it in case that comes again,
    /// if there is room.
    fn acknowledge_with(&mut self, peer: PeerIndex, key: Key, mut answer: WireMessage) {
        let Some(name) = self.name(peer) else {
            return;
        };
        answer.compact();
        let peers = &mut self.sender.peers;
        if self
            .received
            .make_room_for_answer(peers, peer, answer.size())
        {
            self.received.set(peers, key, State::Answered(answer));
            self.sender.outbox.record(name, key);
        } else {
            self.received.set(peers, key, State::Done);
            self.received.let_answer_go(peers, key);
            self.sender.outbox.message(name, answer);
        }
    }

    /// Sends an answer once. With an Observe option it is the first of the notifications, which
    /// the peer may reject (RFC 7641 §3.6).
    fn answer_once(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        token: Token,
        answer: WireMessage,
        observed: bool,
    ) -> Result<Option<FirstNotification>, SendError> {
        let (share, kind) = (Share::Answers, MessageType::NonConfirmable);
        let message_id = self.sender.send_once(now, peer, share, kind, answer)?;
        Ok(observed.then_some(FirstNotification {
            peer,
            token,
            message_id,
        }))
    }

    /// Answers a group's request at some moment within DEFAULT_LEISURE (RFC 7252 §8.2); not at
    /// all, if there is no room to keep the answer until then.
    fn answer_at_leisure(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        mut answer: WireMessage,
    ) {
        answer.compact();
        let peers = &mut self.sender.peers;
        if !self
            .received
            .make_room_for_answer(peers, peer, answer.size())
        {
            self.set_record(key, State::Done);
            return;
        }
        let leisure = self.sender.random.up_to(self.spans.leisure);
        let mut deadline = None;
        let moment = after(now, leisure);
        self.received.leisure.set(key, &mut deadline, Some(moment));
        let leisurely = Box::new(Leisurely {
            answer: Some(answer),
            deadline,
        });
        self.set_record(key, State::AtLeisure(leisurely));
    }

    fn set_record(&mut self, key: Key, state: State) {
        self.received.set(&mut self.sender.peers, key, state);
    }
}
