//! Keeps records of received messages, answers duplicates, and makes room for new records (RFC 7252
//! §4.5).

use alloc::boxed::Box;

use lwm2m_core::Instant;

use super::{
    peers::{PeerState, Peers, Share},
    records::{DelayedAnswer, Lasting, Place, Record, Records, State},
    sender::Sender,
};
use crate::{
    coap::{
        endpoint::{
            config::{Bounds, Spans, after},
            context::Repetition,
            keys::PeerIndex,
            table::Key,
        },
        message::{MessageRef, MessageType},
        message_buf::WireMessage,
    },
    machine::{Channel, KeyedState, Peer, TimerQueue},
};

/// The records of received messages.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) records: Records,
    /// When answers to multicast requests are sent.
    leisure: TimerQueue<Key>,
    bounds: Bounds,
    spans: Spans,
}

impl Received {
    pub(super) fn new(keys: KeyedState, bounds: Bounds, spans: Spans) -> Self {
        Self {
            records: Records::new(keys),
            leisure: TimerQueue::new(),
            bounds,
            spans,
        }
    }

    /// Adds a record of a message.
    pub(super) fn insert<P: Peer>(
        &mut self,
        now: Instant,
        peers: &mut Peers<P>,
        (peer, channel): (PeerIndex, Channel),
        (message, multicast): (&MessageRef<'_>, bool),
        (repetition, state): (Repetition, State),
    ) -> Option<Key> {
        let confirmable = message.kind() == MessageType::Confirmable;
        let record = Record {
            message_id: message.message_id(),
            confirmable,
            multicast,
            repetition,
            mark: self.records.mark(message),
            state,
            place: Place::default(),
        };
        let (lifetime, kind) = match (channel, confirmable) {
            (Channel::Sms, _) => (self.spans.sms.lifetime, Lasting::Sms),
            (Channel::Udp, true) => (self.spans.exchange_lifetime, Lasting::Confirmable),
            (Channel::Udp, false) => (self.spans.non_lifetime, Lasting::NonConfirmable),
        };
        let of = &mut peers.get_mut(peer)?.records;
        let end = (after(now, lifetime), kind);
        Some(self.records.insert(peer, of, record, end))
    }

    /// Sends an answer piggybacked on the acknowledgement, and keeps it for duplicates of the
    /// request if there is room.
    pub(super) fn acknowledge_with<P: Peer>(
        &mut self,
        sender: &mut Sender<P>,
        (peer, key): (PeerIndex, Key),
        mut answer: WireMessage,
    ) {
        let Sender { peers, outbox, .. } = sender;
        let Some(name) = peers.name(peer) else {
            return;
        };
        answer.compact();
        if self.make_room_for_answer(peers, peer, answer.size()) {
            self.set(peers, key, State::Answered(answer));
            outbox.record(name, key);
        } else {
            self.set(peers, key, State::Done);
            self.let_answer_go(peers, key);
            outbox.message(name, answer);
        }
    }

    /// Answers a multicast request at a random time within DEFAULT_LEISURE (RFC 7252 §8.2). The
    /// answer is dropped if there is no room to keep it until then.
    pub(super) fn answer_at_leisure<P: Peer>(
        &mut self,
        now: Instant,
        sender: &mut Sender<P>,
        (peer, key): (PeerIndex, Key),
        mut answer: WireMessage,
    ) {
        let Sender { peers, random, .. } = sender;
        answer.compact();
        if !self.make_room_for_answer(peers, peer, answer.size()) {
            self.set(peers, key, State::Done);
            return;
        }
        let leisure = random.up_to(self.spans.leisure);
        let mut deadline = None;
        let moment = after(now, leisure);
        self.leisure.set(key, &mut deadline, Some(moment));
        let delayed = Box::new(DelayedAnswer {
            answer: Some(answer),
            deadline,
        });
        self.set(peers, key, State::AtLeisure(delayed));
    }

    /// When the next answer to a multicast request is due, if that is at `now`.
    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        self.leisure.peek_due(now)
    }

    /// Sends the answer to a multicast request that is due.
    pub(super) fn handle_due<P: Peer>(&mut self, now: Instant, sender: &mut Sender<P>) {
        let key = self.leisure.pop_due(now);
        let Some((key, peer)) = key.and_then(|key| Some((key, self.records.peer(key)?))) else {
            return;
        };
        let of = sender.peers.get_mut(peer);
        let answer = of.and_then(|of| self.records.take_delayed(key, &mut of.records));
        if let Some(answer) = answer {
            let (way, kind) = ((Share::Answers, Channel::Udp), MessageType::NonConfirmable);
            // Fails only if no message id is free; the peer then gets no answer.
            let _ = sender.send_once(now, peer, way, kind, answer);
        }
    }

    pub(super) fn end_due(&mut self) {
        self.leisure.end_round();
    }

    /// When the next answer to a multicast request is due.
    pub(super) fn next_leisure(&self) -> Option<Instant> {
        self.leisure.next()
    }

    pub(super) fn deadlines(&self) -> usize {
        self.leisure.len()
    }

    /// The record of this message, if it is a duplicate.
    pub(super) fn find<P: Peer>(
        &mut self,
        peers: &mut Peers<P>,
        peer: PeerIndex,
        message: &MessageRef<'_>,
    ) -> Option<Key> {
        let remembered = peers.get(peer)?.records;
        let key = self.records.find(peer, remembered, message.message_id())?;
        if self.records.is_other(key, message) {
            self.remove(peers, key);
            return None;
        }
        Some(key)
    }

    /// Changes the reaction to duplicates of a message.
    pub(super) fn set<P: Peer>(&mut self, peers: &mut Peers<P>, key: Key, state: State) {
        if let Some(peer) = self.records.peer(key)
            && let Some(peer) = peers.get_mut(peer)
        {
            self.records.set(key, &mut peer.records, state);
        }
    }

    /// Marks a message as harmless to process again: its record may be evicted when room is needed.
    pub(super) fn make_spare<P: Peer>(&mut self, peers: &mut Peers<P>, key: Key) {
        if let Some(peer) = self.records.peer(key)
            && let Some(peer) = peers.get_mut(peer)
        {
            self.records.make_spare(key, &mut peer.records);
        }
    }

    /// The peer has received the answer to a confirmable request: duplicates of the request are
    /// only acknowledged.
    pub(super) fn answer_arrived<P: Peer>(&mut self, peers: &mut Peers<P>, key: Key) {
        let answered = self
            .records
            .get(key)
            .is_some_and(|record| record.confirmable && matches!(record.state, State::Answered(_)));
        if answered {
            self.set(peers, key, State::Done);
        }
    }

    /// Makes room for one more record of this peer. If that fails, the peer is removed if it has no
    /// state.
    pub(super) fn make_room<P: Peer>(&mut self, peers: &mut Peers<P>, peer: PeerIndex) -> bool {
        let bounds = self.bounds;
        while self.records.len() >= bounds.records {
            let Some(key) = self.records.pop_spare() else {
                peers.release(peer);
                return false;
            };
            let owner = self.records.peer(key);
            if owner == Some(peer) {
                // Not `forget`: the peer is still needed.
                self.remove(peers, key);
            } else {
                self.forget(peers, key);
            }
        }
        while let Some(state) = peers.get(peer)
            && state.records.len() >= bounds.records_per_peer
        {
            let Some(key) = self.records.spare_of(state.records) else {
                peers.release(peer);
                return false;
            };
            self.remove(peers, key);
        }
        true
    }

    /// Makes room for an answer of this many bytes; returns whether that succeeded. Answers to
    /// requests that may be processed again are evicted first, with their records; then answers to
    /// those that must not.
    pub(super) fn make_room_for_answer<P: Peer>(
        &mut self,
        peers: &mut Peers<P>,
        peer: PeerIndex,
        bytes: usize,
    ) -> bool {
        let bounds = self.bounds;
        let per_peer = bounds.answers.bytes_per_peer;
        if bytes > bounds.answers.bytes.min(per_peer) {
            return false;
        }
        while let Some(state) = peers.get(peer)
            && state.records.bytes().saturating_add(bytes) > per_peer
        {
            let Some(key) = self.records.answered_of(state.records) else {
                return false;
            };
            self.let_answer_go(peers, key);
        }
        while self.records.bytes().saturating_add(bytes) > bounds.answers.bytes {
            let oldest = self.records.pop_spare();
            let Some(key) = oldest.or_else(|| self.records.pop_answered()) else {
                return false;
            };
            self.let_answer_go(peers, key);
        }
        true
    }

    /// Drops an answer. If the request must not be processed again, duplicates get an Empty
    /// acknowledgement; otherwise its record is dropped.
    pub(super) fn let_answer_go<P: Peer>(&mut self, peers: &mut Peers<P>, key: Key) {
        let is_spare = self.records.get(key).is_some_and(Record::is_spare);
        if is_spare {
            self.forget(peers, key);
        } else {
            self.set(peers, key, State::Done);
        }
    }

    fn remove<P: Peer>(&mut self, peers: &mut Peers<P>, key: Key) -> Option<PeerIndex> {
        let peer = self.records.peer(key)?;
        let state = peers.get_mut(peer)?;
        let record = self.records.remove(key, &mut state.records)?;
        if let State::AtLeisure(mut delayed) = record.state {
            let deadline = &mut delayed.deadline;
            self.leisure.set(key, deadline, None);
        }
        Some(peer)
    }

    /// The connection to a peer is closed: its requests are no longer answered, and records of
    /// messages that are harmless to process again are dropped. The others are kept.
    pub(super) fn close<P: Peer>(&mut self, peers: &mut Peers<P>, peer: PeerIndex) {
        let oldest = |state: &PeerState<P>| self.records.oldest(state.records);
        let mut next = peers.get(peer).and_then(oldest);
        while let Some(key) = next {
            next = self.records.newer(key);
            if let Some(state) = peers.get_mut(peer) {
                let mut deadline = self.records.close(key, &mut state.records);
                self.leisure.set(key, &mut deadline, None);
            }
            if self.records.get(key).is_some_and(Record::is_spare) {
                self.remove(peers, key);
            }
        }
    }

    /// Removes a record, and its peer if that has no other state.
    pub(super) fn forget<P: Peer>(&mut self, peers: &mut Peers<P>, key: Key) {
        if let Some(peer) = self.remove(peers, key) {
            peers.release(peer);
        }
    }
}
