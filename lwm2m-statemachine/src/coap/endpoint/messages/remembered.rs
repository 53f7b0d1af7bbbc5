//! What becomes of the records of messages that were received: how they are found, changed, and
//! make room for others (RFC 7252 §4.5).

use lwm2m_core::Instant;

use crate::coap::endpoint::{
    Endpoint, TimerKey,
    config::after,
    keys::{BodyKey, PeerIndex},
    messages::peers::PeerState,
    messages::records::{Record, State},
    table::Key,
};
use crate::{
    coap::message::{MessageRef, MessageType},
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
    /// The record of this message, if it came before.
    pub(in crate::coap::endpoint) fn find_record(
        &mut self,
        peer: PeerIndex,
        message: &MessageRef<'_>,
    ) -> Option<Key> {
        let remembered = self.peers.get(peer)?.records;
        let key = self.records.find(peer, remembered, message.message_id())?;
        if self.records.is_other(key, message) {
            self.remove_record(key);
            return None;
        }
        Some(key)
    }

    /// Changes what a repetition of a message leads to.
    pub(in crate::coap::endpoint) fn set_record(&mut self, key: Key, state: State) {
        if let Some(peer) = self.records.peer(key)
            && let Some(peer) = self.peers.get_mut(peer)
        {
            self.records.set(key, &mut peer.records, state);
        }
    }

    /// A repetition of a message would do no harm: its record goes when room is needed.
    pub(in crate::coap::endpoint) fn spare_record(&mut self, key: Key) {
        if let Some(peer) = self.records.peer(key)
            && let Some(peer) = self.peers.get_mut(peer)
        {
            self.records.make_spare(key, &mut peer.records);
        }
    }

    /// The answer to a confirmable request has arrived: a repetition of that is only acknowledged.
    pub(in crate::coap::endpoint) fn answer_arrived(&mut self, key: Key) {
        let answered = self
            .records
            .get(key)
            .is_some_and(|record| record.confirmable && matches!(record.state, State::Answered(_)));
        if answered {
            self.set_record(key, State::Done);
        }
    }

    /// A message came again.
    pub(in crate::coap::endpoint) fn repeat(&mut self, now: Instant, from: P, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        if !record.confirmable {
            return;
        }
        let message_id = record.message_id;
        match &record.state {
            State::Open(_) | State::AtLeisure(_) => {}
            State::Answered(_) => self.outbox.record(from, key),
            State::Served {
                resource, block, ..
            } => {
                let (resource, block) = (*resource, *block);
                if let Some(peer) = self.records.peer(key) {
                    let body = BodyKey::new(peer, resource);
                    self.blockwise.serve_again(body, key, block);
                    let _ = self.do_steps(now);
                }
            }
            State::Acknowledged(_) | State::Done => {
                self.outbox
                    .empty(from, MessageType::Acknowledgement, message_id);
            }
        }
    }

    /// Makes room for one more record of this peer. If there is none, the peer is forgotten
    /// should nothing be kept of it.
    pub(in crate::coap::endpoint) fn make_room(&mut self, peer: PeerIndex) -> bool {
        let bounds = self.config.bounds;
        while self.records.len() >= bounds.records {
            let Some(key) = self.records.pop_spare() else {
                self.peers.release(peer);
                return false;
            };
            let owner = self.records.peer(key);
            if owner == Some(peer) {
                // Not by way of `forget_record`: the peer is needed.
                self.remove_record(key);
            } else {
                self.forget_record(key);
            }
        }
        while let Some(state) = self.peers.get(peer)
            && state.records.len() >= bounds.records_per_peer
        {
            let Some(key) = self.records.spare_of(state.records) else {
                self.peers.release(peer);
                return false;
            };
            self.remove_record(key);
        }
        true
    }

    /// Makes room for an answer of so many bytes; says whether there is. Those to requests that may
    /// run again go first, with their records; then those to what must not.
    pub(in crate::coap::endpoint) fn make_room_for_answer(
        &mut self,
        peer: PeerIndex,
        bytes: usize,
    ) -> bool {
        let bounds = self.config.bounds;
        let per_peer = bounds.answer_bytes_per_peer;
        if bytes > bounds.answer_bytes.min(per_peer) {
            return false;
        }
        while let Some(state) = self.peers.get(peer)
            && state.records.bytes().saturating_add(bytes) > per_peer
        {
            let Some(key) = self.records.answered_of(state.records) else {
                return false;
            };
            self.let_answer_go(key);
        }
        while self.records.bytes().saturating_add(bytes) > bounds.answer_bytes {
            let oldest = self.records.pop_spare();
            let Some(key) = oldest.or_else(|| self.records.pop_answered()) else {
                return false;
            };
            self.let_answer_go(key);
        }
        true
    }

    /// An answer is not kept any longer. If the request must not run again, a repetition is
    /// acknowledged, and has no answer; else it is not known any more.
    pub(in crate::coap::endpoint) fn let_answer_go(&mut self, key: Key) {
        let is_spare = self.records.get(key).is_some_and(Record::is_spare);
        if is_spare {
            self.forget_record(key);
        } else {
            self.set_record(key, State::Done);
        }
    }

    fn remove_record(&mut self, key: Key) -> Option<PeerIndex> {
        let peer = self.records.peer(key)?;
        let state = self.peers.get_mut(peer)?;
        let record = self.records.remove(key, &mut state.records)?;
        if let State::AtLeisure(mut leisurely) = record.state {
            let deadline = &mut leisurely.deadline;
            self.timers.set(TimerKey::Leisure(key), deadline, None);
        }
        Some(peer)
    }

    /// The connection to a peer is closed: nothing it asked for is answered any more, and what does
    /// no harm when it comes again is forgotten. The rest stays remembered.
    pub(in crate::coap::endpoint) fn close_records(&mut self, peer: PeerIndex) {
        let oldest = |state: &PeerState<P>| self.records.oldest(state.records);
        let mut next = self.peers.get(peer).and_then(oldest);
        while let Some(key) = next {
            next = self.records.newer(key);
            if let Some(state) = self.peers.get_mut(peer) {
                let mut deadline = self.records.close(key, &mut state.records);
                self.timers.set(TimerKey::Leisure(key), &mut deadline, None);
            }
            if self.records.get(key).is_some_and(Record::is_spare) {
                self.remove_record(key);
            }
        }
    }

    /// Forgets a record, and its peer if nothing else is kept of it.
    pub(in crate::coap::endpoint) fn forget_record(&mut self, key: Key) {
        if let Some(peer) = self.remove_record(key) {
            self.peers.release(peer);
        }
    }

    /// Until when a message that came now may come again.
    pub(in crate::coap::endpoint) fn end_of_record(
        &self,
        now: Instant,
        confirmable: bool,
    ) -> Instant {
        let lifetime = if confirmable {
            self.spans.exchange_lifetime
        } else {
            self.spans.non_lifetime
        };
        after(now, lifetime)
    }
}
