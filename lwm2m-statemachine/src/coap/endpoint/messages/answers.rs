//! How a request is answered: piggybacked on its acknowledgement, separately, or after a random
//! delay (RFC 7252 §5.2, §8.2).

use lwm2m_core::Instant;

use super::{layer::Messages, records::State, sender::FirstNotification};
use crate::{
    coap::{
        endpoint::{context::Repetition, event::SendError, table::Key},
        message::MessageType,
        message_buf::MessageBuf,
        option::BlockOption,
    },
    machine::{Channel, Peer},
};

impl<P: Peer> Messages<P> {
    /// Answers a request with this message; `first` is its id if it begins an observation. If it then
    /// is not confirmable, returns its message id.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        key: Key,
        message: MessageBuf,
        first: Option<u64>,
    ) -> Result<Option<FirstNotification>, SendError> {
        let records = &self.received.records;
        let (Some(record), Some(peer)) = (records.get(key), records.peer(key)) else {
            return Err(SendError::NotOpen);
        };
        let silent = record.multicast && !message.code().is_success();
        if record.repetition == Repetition::HarmfulIfObserved && first.is_none() {
            self.spare_record(key);
        }
        let Some(record) = self.received.records.get(key) else {
            return Err(SendError::NotOpen);
        };
        match (&record.state, record.confirmable) {
            (State::Open(context), true) => {
                let kind = MessageType::Acknowledgement;
                let wire = message.finish(kind, record.message_id, context.token);
                self.received
                    .acknowledge_with(&mut self.sender, (peer, key), wire);
                Ok(None)
            }
            (State::Open(context), false) => {
                let (token, channel) = (context.token, context.channel);
                let wire = message.finish(MessageType::NonConfirmable, 0, token);
                if record.multicast && !silent {
                    let answered = (peer, key);
                    self.received
                        .answer_at_leisure(now, &mut self.sender, answered, wire);
                    return Ok(None);
                }
                self.received.set(&mut self.sender.peers, key, State::Done);
                if silent {
                    return Ok(None);
                }
                self.sender
                    .answer_once(now, peer, channel, (token, wire), first)
            }
            (State::Acknowledged(context), _) => {
                let (token, channel) = (context.token, context.channel);
                let wire = message.finish(MessageType::Confirmable, 0, token);
                self.received.set(&mut self.sender.peers, key, State::Done);
                let answer = (token, wire);
                if channel == Channel::Sms {
                    // It would not be sent again anyway.
                    return self.sender.answer_once(now, peer, channel, answer, first);
                }
                self.sender.answer_separately(now, peer, answer, first)?;
                Ok(None)
            }
            (State::AtLeisure(_) | State::Answered(_) | State::Served { .. } | State::Done, _) => {
                Err(SendError::NotOpen)
            }
        }
    }

    /// Answers a request with a block of a body. The answer is not kept for duplicates if the block
    /// can be generated again; see [`ServedBlock`](super::ServedBlock).
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
            return self.answer(now, key, message, None);
        };
        let State::Open(context) = &record.state else {
            return self.answer(now, key, message, None);
        };
        let (token, resource) = (context.token, context.resource);
        let wire = message.finish(MessageType::Acknowledgement, record.message_id, token);
        let state = State::Served {
            resource,
            block,
            token,
        };
        self.received.set(&mut self.sender.peers, key, state);
        self.sender.outbox.message(name, wire);
        Ok(None)
    }

    /// Answers a duplicate request for a block.
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
}
