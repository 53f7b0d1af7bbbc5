//! What was received, so that nothing is processed twice (RFC 7252 §4.5).

use alloc::{boxed::Box, collections::VecDeque};
use core::mem;

use lwm2m_core::Instant;

use super::{
    blockwise::Asked,
    index::Index,
    table::{Chain, KEEP, Key, Table, compact, push},
};
use crate::{
    coap::{message_buf::WireMessage, option::BlockOption, token::Token},
    random::KeyedState,
};

/// A message that was received.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "none follows from another")]
pub(super) struct Record {
    pub(super) message_id: u16,
    pub(super) confirmable: bool,
    pub(super) multicast: bool,
    /// Whether a repetition would do no harm: it may be forgotten when room is needed.
    pub(super) repeatable: bool,
    pub(super) state: State,
    /// Whether it is in the index; as [`Records::insert`] sees fit.
    pub(super) indexed: bool,
}

/// What a repetition of the message leads to.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// The application has not answered: nothing.
    Open(Asked),
    /// It has not answered, but the request was acknowledged: another acknowledgement.
    Acknowledged(Asked),
    /// It has answered a group's request, and the answer has not been sent yet: nothing.
    AtLeisure(Box<Leisurely>),
    /// The same answer again.
    Answered(WireMessage),
    /// The same block of a body again, as long as that is kept.
    Served {
        resource: u64,
        block: BlockOption,
        token: Token,
    },
    /// The response went its own way, or there is none: another acknowledgement, if confirmable.
    Done,
}

/// An answer that is sent at its moment (RFC 7252 §8.2).
#[derive(Clone, Debug)]
pub(super) struct Leisurely {
    /// Until it is taken.
    pub(super) answer: Option<WireMessage>,
    pub(super) deadline: Option<Instant>,
}

impl State {
    const fn is_final(&self) -> bool {
        matches!(self, Self::Answered(_) | Self::Served { .. } | Self::Done)
    }
}

/// The records of all peers. Those of a kind live equally long, so queues hold them in the order
/// of their ends.
#[derive(Clone, Debug)]
pub(super) struct Records {
    table: Table<Record>,
    /// Only those that came when their peer had [`FEW`].
    by_id: Index,
    keys: KeyedState,
    /// Ends of confirmable messages.
    confirmable: VecDeque<(Instant, Key)>,
    /// Ends of non-confirmable ones.
    non_confirmable: VecDeque<(Instant, Key)>,
    /// When requests are to be acknowledged if they are not answered.
    unanswered: VecDeque<(Instant, Key)>,
    /// Those that may be forgotten, the oldest first.
    repeatable: VecDeque<Key>,
}

/// So many records of a peer are found by looking at them: at the oldest ones, as what came when
/// there were more is in the index. Of most peers there are no more, and the index, which would be
/// one more place in memory, is not needed for them.
const FEW: usize = 2;

impl Records {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            table: Table::default(),
            by_id: Index::default(),
            keys,
            confirmable: VecDeque::new(),
            non_confirmable: VecDeque::new(),
            unanswered: VecDeque::new(),
            repeatable: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The record of this message, of a peer whose chain is `chain`.
    pub(super) fn find(&self, peer: u32, chain: Chain, message_id: u16) -> Option<Key> {
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

    pub(super) fn get(&self, key: Key) -> Option<&Record> {
        self.table.get(key)
    }

    /// What is asked by a request that has no answer yet.
    pub(super) fn asked(&self, key: Key) -> Option<&Asked> {
        match &self.table.get(key)?.state {
            State::Open(asked) | State::Acknowledged(asked) => Some(asked),
            _ => None,
        }
    }

    /// The answer that a repetition leads to.
    pub(super) fn answer(&self, key: Key) -> Option<&WireMessage> {
        match &self.table.get(key)?.state {
            State::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// Takes the answer to a group's request, as its moment has come.
    pub(super) fn take_leisurely(&mut self, key: Key) -> Option<WireMessage> {
        let State::AtLeisure(leisurely) = &mut self.table.get_mut(key)?.state else {
            return None;
        };
        let answer = leisurely.answer.take();
        self.set(key, State::Done);
        answer
    }

    /// The answer has arrived: a repetition of the confirmable request is only acknowledged.
    pub(super) fn drop_answer(&mut self, key: Key) {
        if let Some(record) = self.table.get_mut(key)
            && record.confirmable
            && matches!(record.state, State::Answered(_))
        {
            record.state = State::Done;
        }
    }

    pub(super) fn peer(&self, key: Key) -> Option<u32> {
        self.table.peer(key)
    }

    pub(super) fn insert(
        &mut self,
        peer: u32,
        chain: &mut Chain,
        mut record: Record,
        end: Instant,
    ) -> Key {
        record.indexed = chain.len() >= FEW;
        let hash = record
            .indexed
            .then(|| hash(self.keys, peer, record.message_id));
        let ends = if record.confirmable {
            &mut self.confirmable
        } else {
            &mut self.non_confirmable
        };
        let repeatable = record.repeatable && record.state.is_final();
        let key = self.table.insert(peer, chain, record);
        push(ends, (end, key));
        if repeatable {
            push(&mut self.repeatable, key);
        }
        if let Some(hash) = hash {
            self.by_id.insert(hash, key.index());
        }
        key
    }

    /// Has the request acknowledged at `deadline` if it is not answered by then.
    pub(super) fn acknowledge_at(&mut self, key: Key, deadline: Instant) {
        push(&mut self.unanswered, (deadline, key));
    }

    /// Changes what a repetition leads to.
    pub(super) fn set(&mut self, key: Key, state: State) {
        let Some(record) = self.table.get_mut(key) else {
            return;
        };
        if record.repeatable && state.is_final() && !record.state.is_final() {
            push(&mut self.repeatable, key);
        }
        record.state = state;
        // Mostly the last one is answered first: then its deadline never has to be looked at.
        while let Some((_, last)) = self.unanswered.back()
            && !self.is_unanswered(*last)
        {
            self.unanswered.pop_back();
        }
    }

    fn is_unanswered(&self, key: Key) -> bool {
        self.table
            .get(key)
            .is_some_and(|record| matches!(record.state, State::Open(_)))
    }

    pub(super) fn remove(&mut self, key: Key, chain: &mut Chain) -> Option<Record> {
        let peer = self.table.peer(key)?;
        let record = self.table.remove(key, chain)?;
        if record.indexed {
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

    /// Records go before their end, too: ignored, forgotten for want of room, or with their peer.
    fn compact(&mut self) {
        let (table, entries) = (&self.table, self.table.len());
        let is_there = |key: Key| table.get(key).is_some();
        // Mostly the oldest one goes.
        while let Some(key) = self.repeatable.front()
            && !is_there(*key)
        {
            self.repeatable.pop_front();
        }
        for queue in [
            &mut self.confirmable,
            &mut self.non_confirmable,
            &mut self.unanswered,
        ] {
            compact(queue, entries, |(_, key)| is_there(*key));
        }
        compact(&mut self.repeatable, entries, |key| is_there(*key));
    }

    /// With no record left, nothing of the queues is of use.
    fn give_back(&mut self) {
        for queue in [
            &mut self.confirmable,
            &mut self.non_confirmable,
            &mut self.unanswered,
        ] {
            queue.clear();
            if queue.capacity() > KEEP {
                drop(mem::take(queue));
            }
        }
        self.repeatable.clear();
        if self.repeatable.capacity() > KEEP {
            drop(mem::take(&mut self.repeatable));
        }
    }

    /// The next record whose end has come.
    pub(super) fn pop_ended(&mut self, now: Instant) -> Option<Key> {
        pop_due(&mut self.confirmable, now).or_else(|| pop_due(&mut self.non_confirmable, now))
    }

    /// The next request that is to be acknowledged without an answer.
    pub(super) fn pop_unanswered(&mut self, now: Instant) -> Option<Key> {
        loop {
            let key = pop_due(&mut self.unanswered, now)?;
            if self.is_unanswered(key) {
                return Some(key);
            }
        }
    }

    /// When one of the two has something next. Ends are waited for in whole seconds: it does no
    /// harm to keep a record a little longer.
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
            acknowledge,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The oldest record that may be forgotten, of all peers.
    pub(super) fn pop_repeatable(&mut self) -> Option<Key> {
        loop {
            let key = self.repeatable.pop_front()?;
            if self.table.get(key).is_some() {
                return Some(key);
            }
        }
    }

    /// The oldest record of a peer that may be forgotten.
    pub(super) fn repeatable_of(&self, chain: Chain) -> Option<Key> {
        self.table
            .of(chain)
            .find(|(_, record)| record.repeatable && record.state.is_final())
            .map(|(key, _)| key)
    }

    /// The oldest record of a peer.
    pub(super) fn oldest(&self, chain: Chain) -> Option<Key> {
        self.table.oldest(chain)
    }
}

fn hash(keys: KeyedState, peer: u32, message_id: u16) -> u64 {
    keys.hash_numbers(peer.into(), message_id.into())
}

pub(super) fn pop_due(queue: &mut VecDeque<(Instant, Key)>, now: Instant) -> Option<Key> {
    let (due, key) = *queue.front()?;
    if due > now {
        return None;
    }
    queue.pop_front();
    Some(key)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    proptest! {
        #[test]
        fn records_are_found_however_many_a_peer_has(
            steps in prop::collection::vec((0_u32..3, 0_u16..12), 0..200),
        ) {
            let mut records = Records::new(Random::new([1; 32]).hash_keys());
            let mut chains = [Chain::default(); 3];
            let mut model = BTreeMap::new();
            for (peer, message_id) in steps {
                let chain = &mut chains[peer as usize];
                // What is there goes, from anywhere in the chain; what is not comes.
                if let Some(key) = model.remove(&(peer, message_id)) {
                    let removed = records.remove(key, chain).unwrap();
                    prop_assert_eq!(removed.message_id, message_id);
                } else {
                    let record = Record {
                        message_id,
                        confirmable: true,
                        multicast: false,
                        repeatable: true,
                        state: State::Done,
                        indexed: false,
                    };
                    let key = records.insert(peer, chain, record, Instant::ZERO);
                    model.insert((peer, message_id), key);
                }
                for (peer, chain) in (0..3).zip(chains) {
                    for id in 0..12 {
                        let expected = model.get(&(peer, id)).copied();
                        prop_assert_eq!(records.find(peer, chain, id), expected);
                    }
                }
            }
        }
    }
}
