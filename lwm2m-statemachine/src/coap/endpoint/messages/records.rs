//! Records of messages that were received, so that none is processed twice (RFC 7252 §4.5).

use alloc::{boxed::Box, collections::VecDeque};
use core::mem;

use lwm2m_core::Instant;

use crate::coap::endpoint::{
    context::{Repetition, RequestContext},
    index::Index,
    keys::PeerIndex,
    table::{Chain, KEEP, Key, Table, compact, pop_due, push},
};
use crate::{
    coap::{message::MessageRef, message_buf::WireMessage, option::BlockOption, token::Token},
    machine::KeyedState,
};

/// A message that was received.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) message_id: u16,
    pub(super) confirmable: bool,
    pub(super) multicast: bool,
    pub(super) repetition: Repetition,
    /// Distinguishes it from another message with the same id; see [`Records::mark`].
    pub(super) mark: u8,
    pub(super) state: State,
    pub(super) place: Place,
}

/// How [`Records`] keeps a record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Whether it is in the index.
    indexed: bool,
    /// Whether its connection was closed.
    closed: bool,
}

impl Record {
    /// Whether it may be dropped when room is needed.
    pub(super) const fn is_spare(&self) -> bool {
        matches!(self.repetition, Repetition::Harmless) && self.state.is_final()
    }
}

/// What is remembered of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerRecords {
    /// The messages that were received from it.
    chain: Chain,
    /// How many of them are not spare.
    binding: u32,
    /// The bytes of their answers.
    bytes: u32,
}

impl PeerRecords {
    pub(super) const fn is_empty(self) -> bool {
        self.chain.is_empty()
    }

    pub(super) const fn len(self) -> usize {
        self.chain.len()
    }

    /// Whether at most this many messages would do harm if they were processed again after all
    /// records are dropped.
    pub(super) const fn is_spare_but(self, messages: usize) -> bool {
        self.binding as usize <= messages
    }

    /// How many bytes the kept answers take.
    pub(super) const fn bytes(self) -> usize {
        self.bytes as usize
    }

    const fn note(&mut self, was_spare: bool, is_spare: bool) {
        match (was_spare, is_spare) {
            (true, false) => self.binding = self.binding.saturating_add(1),
            (false, true) => self.binding = self.binding.saturating_sub(1),
            _ => {}
        }
    }
}

/// The reaction to a duplicate of the message.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// The application has not answered: nothing.
    Open(RequestContext),
    /// It has not answered, but the request was acknowledged: another acknowledgement.
    Acknowledged(RequestContext),
    /// It has answered a multicast request, and the answer has not been sent yet: nothing.
    AtLeisure(Box<DelayedAnswer>),
    /// The same answer again.
    Answered(WireMessage),
    /// The same block of a body again, as long as the body is kept.
    Served {
        resource: u64,
        block: BlockOption,
        token: Token,
    },
    /// The response was sent separately, or there is none: another acknowledgement, if confirmable.
    Done,
}

/// An answer that is delayed (RFC 7252 §8.2).
#[derive(Clone, Debug)]
pub(super) struct DelayedAnswer {
    /// Until it is taken.
    pub(super) answer: Option<WireMessage>,
    pub(super) deadline: Option<Instant>,
}

impl State {
    /// How many bytes the kept answer takes.
    fn bytes(&self) -> u32 {
        let bytes = match self {
            Self::Answered(answer) => answer.size(),
            Self::AtLeisure(delayed) => delayed.answer.as_ref().map_or(0, WireMessage::size),
            _ => 0,
        };
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    const fn is_final(&self) -> bool {
        matches!(self, Self::Answered(_) | Self::Served { .. } | Self::Done)
    }
}

/// By what it is decided how long a record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    Confirmable,
    NonConfirmable,
    /// A request that came over SMS.
    Sms,
}

/// The records of all peers. Records of one kind have the same lifetime, so each kind has a queue
/// ordered by expiry.
#[derive(Clone, Debug)]
pub(super) struct Records {
    table: Table<Record>,
    /// Only records that were added when their peer already had [`FEW`].
    by_id: Index,
    keys: KeyedState,
    /// Ends of confirmable messages.
    confirmable: VecDeque<(Instant, Key)>,
    /// Ends of non-confirmable ones.
    non_confirmable: VecDeque<(Instant, Key)>,
    /// Ends of requests over SMS.
    sms: VecDeque<(Instant, Key)>,
    /// When requests are to be acknowledged if they are not answered.
    unanswered: VecDeque<(Instant, Key)>,
    /// Records that may be dropped when room is needed, the oldest first.
    spare: VecDeque<Key>,
    /// Records that must stay, but whose answers may be dropped.
    answered: VecDeque<Key>,
    /// How many bytes all answers take.
    bytes: usize,
}

/// The oldest records of a peer are found by following its chain; only further ones are in the
/// index. Most peers have no more than this, and need no lookup in the index.
const FEW: usize = 2;

impl Records {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            table: Table::default(),
            by_id: Index::default(),
            keys,
            confirmable: VecDeque::new(),
            non_confirmable: VecDeque::new(),
            sms: VecDeque::new(),
            unanswered: VecDeque::new(),
            spare: VecDeque::new(),
            answered: VecDeque::new(),
            bytes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many bytes the kept answers take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The record of the message with this id.
    pub(super) fn find(&self, peer: PeerIndex, of: PeerRecords, message_id: u16) -> Option<Key> {
        let chain = of.chain;
        let mut oldest = self.table.of(chain).take(FEW);
        if let Some((key, _)) = oldest.find(|(_, record)| record.message_id == message_id) {
            return Some(key);
        }
        if chain.len() <= FEW {
            return None;
        }
        let index = self
            .by_id
            .find(hash(self.keys, peer, message_id), |index| {
                self.table
                    .at(index)
                    .is_some_and(|(owner, record)| owner == peer && record.message_id == message_id)
            })?;
        self.table.key(index)
    }

    /// Distinguishes messages with the same id in most cases: a hash of token and code.
    pub(super) fn mark(&self, message: &MessageRef<'_>) -> u8 {
        let (token, length) = message.token().parts();
        let rest = u64::from(length) << 8 | u64::from(message.code().to_byte());
        let [mark, ..] = self.keys.hash_numbers(token, rest).to_be_bytes();
        mark
    }

    /// Whether a message with the id of this record is another one: the connection was closed, and
    /// the peer may reuse ids.
    pub(super) fn is_other(&self, key: Key, message: &MessageRef<'_>) -> bool {
        self.table
            .get(key)
            .is_some_and(|record| record.place.closed && record.mark != self.mark(message))
    }

    /// The connection of a record was closed: a request without an answer gets none. Returns when one
    /// was to be sent.
    pub(super) fn close(&mut self, key: Key, of: &mut PeerRecords) -> Option<Instant> {
        let mut deadline = None;
        self.change(key, of, |record| {
            record.place.closed = true;
            if let State::AtLeisure(delayed) = &mut record.state {
                deadline = delayed.deadline.take();
            }
            if !record.state.is_final() {
                record.state = State::Done;
            }
        });
        deadline
    }

    /// The next record of the same peer.
    pub(super) fn newer(&self, key: Key) -> Option<Key> {
        self.table.newer(key)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Record> {
        self.table.get(key)
    }

    /// The context of a request that has no answer yet.
    pub(super) fn context(&self, key: Key) -> Option<&RequestContext> {
        match &self.table.get(key)?.state {
            State::Open(asked) | State::Acknowledged(asked) => Some(asked),
            _ => None,
        }
    }

    /// Whether the message was handled, and its record is kept because processing it again would do
    /// harm.
    pub(super) fn is_kept(&self, key: Key) -> bool {
        let kept = |record: &Record| record.state.is_final() && !record.is_spare();
        self.table.get(key).is_some_and(kept)
    }

    /// The answer to a duplicate.
    pub(super) fn answer(&self, key: Key) -> Option<&WireMessage> {
        match &self.table.get(key)?.state {
            State::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// Takes the answer to a multicast request that is due.
    pub(super) fn take_delayed(&mut self, key: Key, of: &mut PeerRecords) -> Option<WireMessage> {
        let mut answer = None;
        self.change(key, of, |record| {
            if let State::AtLeisure(delayed) = &mut record.state {
                answer = delayed.answer.take();
                record.state = State::Done;
            }
        });
        answer
    }

    pub(super) fn peer(&self, key: Key) -> Option<PeerIndex> {
        self.table.peer(key)
    }

    pub(super) fn insert(
        &mut self,
        peer: PeerIndex,
        of: &mut PeerRecords,
        mut record: Record,
        (end, kind): (Instant, Lasting),
    ) -> Key {
        record.place.indexed = of.chain.len() >= FEW;
        let hash = record
            .place
            .indexed
            .then(|| hash(self.keys, peer, record.message_id));
        let ends = match kind {
            Lasting::Confirmable => &mut self.confirmable,
            Lasting::NonConfirmable => &mut self.non_confirmable,
            Lasting::Sms => &mut self.sms,
        };
        let is_spare = record.is_spare();
        let key = self.table.insert(peer, &mut of.chain, record);
        push(ends, (end, key));
        of.note(true, is_spare);
        if is_spare {
            push(&mut self.spare, key);
        }
        if let Some(hash) = hash {
            self.by_id.insert(hash, key.index());
        }
        key
    }

    /// Schedules the acknowledgement of the request at `deadline` if it is not answered by then.
    pub(super) fn acknowledge_at(&mut self, key: Key, deadline: Instant) {
        push(&mut self.unanswered, (deadline, key));
    }

    /// Changes the reaction to duplicates.
    pub(super) fn set(&mut self, key: Key, of: &mut PeerRecords, state: State) {
        self.change(key, of, |record| record.state = state);
        // Usually the newest request is answered first; its deadline is then removed at once.
        while let Some((_, last)) = self.unanswered.back()
            && !self.is_unanswered(*last)
        {
            self.unanswered.pop_back();
        }
    }

    /// Marks the message as harmless to process again: its record may be evicted when room is
    /// needed.
    pub(super) fn make_spare(&mut self, key: Key, of: &mut PeerRecords) {
        self.change(key, of, |record| record.repetition = Repetition::Harmless);
    }

    fn change(&mut self, key: Key, of: &mut PeerRecords, change: impl FnOnce(&mut Record)) {
        let Some(record) = self.table.get_mut(key) else {
            return;
        };
        let (was_spare, before) = (record.is_spare(), record.state.bytes());
        change(record);
        let (is_spare, after) = (record.is_spare(), record.state.bytes());
        let has_answer = matches!(record.state, State::Answered(_));
        of.note(was_spare, is_spare);
        self.count(of, before, after);
        if is_spare && !was_spare {
            push(&mut self.spare, key);
        } else if has_answer && before == 0 && !is_spare {
            push(&mut self.answered, key);
        }
    }

    /// An answer of a peer that took `before` bytes takes `after`.
    fn count(&mut self, of: &mut PeerRecords, before: u32, after: u32) {
        of.bytes = of.bytes.saturating_sub(before).saturating_add(after);
        let less = self.bytes.saturating_sub(before as usize);
        self.bytes = less.saturating_add(after as usize);
    }

    fn is_unanswered(&self, key: Key) -> bool {
        self.table
            .get(key)
            .is_some_and(|record| matches!(record.state, State::Open(_)))
    }

    pub(super) fn remove(&mut self, key: Key, of: &mut PeerRecords) -> Option<Record> {
        let peer = self.table.peer(key)?;
        let record = self.table.remove(key, &mut of.chain)?;
        of.note(record.is_spare(), true);
        self.count(of, record.state.bytes(), 0);
        if record.place.indexed {
            let hash = hash(self.keys, peer, record.message_id);
            self.by_id.remove(hash, key.index());
        }
        if self.table.len() == 0 {
            self.give_back();
        } else {
            self.compact();
        }
        Some(record)
    }

    /// Records may be removed before their end: ignored, dropped to make room, or with their peer.
    fn compact(&mut self) {
        let (table, entries) = (&self.table, self.table.len());
        let is_there = |key: Key| table.get(key).is_some();
        // Usually the oldest one is removed.
        for queue in [&mut self.spare, &mut self.answered] {
            while let Some(key) = queue.front()
                && !is_there(*key)
            {
                queue.pop_front();
            }
        }
        for queue in [
            &mut self.confirmable,
            &mut self.non_confirmable,
            &mut self.sms,
            &mut self.unanswered,
        ] {
            compact(queue, entries, |(_, key)| is_there(*key));
        }
        for queue in [&mut self.spare, &mut self.answered] {
            compact(queue, entries, |key| is_there(*key));
        }
    }

    /// Without records the queues hold nothing of use.
    fn give_back(&mut self) {
        for queue in [
            &mut self.confirmable,
            &mut self.non_confirmable,
            &mut self.sms,
            &mut self.unanswered,
        ] {
            queue.clear();
            if queue.capacity() > KEEP {
                drop(mem::take(queue));
            }
        }
        for queue in [&mut self.spare, &mut self.answered] {
            queue.clear();
            if queue.capacity() > KEEP {
                drop(mem::take(queue));
            }
        }
    }

    /// The next record that has expired.
    pub(super) fn pop_ended(&mut self, now: Instant) -> Option<Key> {
        pop_due(&mut self.confirmable, now)
            .or_else(|| pop_due(&mut self.non_confirmable, now))
            .or_else(|| pop_due(&mut self.sms, now))
    }

    /// The next request that needs an Empty acknowledgement.
    pub(super) fn pop_unanswered(&mut self, now: Instant) -> Option<Key> {
        loop {
            let key = pop_due(&mut self.unanswered, now)?;
            if self.is_unanswered(key) {
                return Some(key);
            }
        }
    }

    /// When either has something due. Ends are rounded up to whole seconds: keeping a record a little
    /// longer does no harm.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let end = |queue: &VecDeque<(Instant, Key)>| {
            queue.front().map(|(end, _)| {
                Instant::from_millis(end.as_millis().div_ceil(1000).saturating_mul(1000))
            })
        };
        let acknowledge = self.unanswered.front().map(|(deadline, _)| *deadline);
        [
            end(&self.confirmable),
            end(&self.non_confirmable),
            end(&self.sms),
            acknowledge,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The oldest record of all peers that may be dropped when room is needed.
    pub(super) fn pop_spare(&mut self) -> Option<Key> {
        loop {
            let key = self.spare.pop_front()?;
            if self.table.get(key).is_some() {
                return Some(key);
            }
        }
    }

    /// The oldest record of all peers that must stay, but whose answer may be dropped.
    pub(super) fn pop_answered(&mut self) -> Option<Key> {
        loop {
            let key = self.answered.pop_front()?;
            if self.answer(key).is_some() {
                return Some(key);
            }
        }
    }

    /// The record of a peer whose answer is dropped when room is needed: the oldest that may be dropped
    /// itself, or else the oldest.
    pub(super) fn answered_of(&self, of: PeerRecords) -> Option<Key> {
        let mut oldest = None;
        for (key, record) in self.table.of(of.chain) {
            if !matches!(record.state, State::Answered(_)) {
                continue;
            }
            if record.is_spare() {
                return Some(key);
            }
            oldest = oldest.or(Some(key));
        }
        oldest
    }

    /// The oldest record of a peer that may be dropped when room is needed.
    pub(super) fn spare_of(&self, of: PeerRecords) -> Option<Key> {
        if of.binding as usize >= of.len() {
            return None;
        }
        self.table
            .of(of.chain)
            .find(|(_, record)| record.is_spare())
            .map(|(key, _)| key)
    }

    /// The oldest record of a peer.
    pub(super) fn oldest(&self, of: PeerRecords) -> Option<Key> {
        self.table.oldest(of.chain)
    }
}

fn hash(keys: KeyedState, peer: PeerIndex, message_id: u16) -> u64 {
    keys.hash_numbers(peer.into(), message_id.into())
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::machine::Random;

    proptest! {
        #[test]
        fn records_are_found_however_many_a_peer_has(
            steps in prop::collection::vec((0_u32..3, 0_u16..12), 0..200),
        ) {
            let mut records = Records::new(Random::new([1; 32]).hash_keys());
            let mut remembered = [PeerRecords::default(); 3];
            let mut model = BTreeMap::new();
            for (peer, message_id) in steps {
                let of = &mut remembered[peer as usize];
                // Removes an existing entry anywhere in the chain, or adds a new one.
                if let Some(key) = model.remove(&(peer, message_id)) {
                    let removed = records.remove(key, of).unwrap();
                    prop_assert_eq!(removed.message_id, message_id);
                } else {
                    let record = Record {
                        message_id,
                        confirmable: true,
                        multicast: false,
                        repetition: Repetition::Harmless,
                        state: State::Done,
                        mark: 0,
                        place: Place::default(),
                    };
                    let key = records.insert(PeerIndex(peer), of, record, (Instant::ZERO, Lasting::Confirmable));
                    model.insert((peer, message_id), key);
                }
                for (peer, of) in (0..3).zip(remembered) {
                    for id in 0..12 {
                        let expected = model.get(&(peer, id)).copied();
                        prop_assert_eq!(records.find(PeerIndex(peer), of, id), expected);
                    }
                }
            }
        }
    }
}
