//! What was received, so that nothing is processed twice (RFC 7252 §4.5).

use alloc::collections::VecDeque;
use core::mem;

use hashbrown::HashTable;
use lwm2m_core::Instant;

use super::{
    blockwise::Asked,
    table::{Chain, KEEP, Key, Table, compact, push},
};
use crate::{
    coap::{message_buf::WireMessage, option::BlockOption, token::Token},
    random::KeyedState,
};

/// A message that was received.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) message_id: u16,
    pub(super) confirmable: bool,
    pub(super) multicast: bool,
    /// Whether a repetition would do no harm: it may be forgotten when room is needed.
    pub(super) repeatable: bool,
    pub(super) state: State,
}

/// What a repetition of the message leads to.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// The application has not answered: nothing.
    Open(Asked),
    /// It has not answered, but the request was acknowledged: another acknowledgement.
    Acknowledged(Asked),
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
    by_id: HashTable<u32>,
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

impl Records {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            table: Table::default(),
            by_id: HashTable::new(),
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

    pub(super) fn find(&self, peer: u32, message_id: u16) -> Option<Key> {
        let index = self
            .by_id
            .find(hash(self.keys, peer, message_id), |index| {
                self.table
                    .at(*index)
                    .is_some_and(|(owner, record)| owner == peer && record.message_id == message_id)
            })?;
        self.table.key(*index)
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

    /// Takes the answer; a repetition has none from now on.
    pub(super) fn take_answer(&mut self, key: Key) -> Option<WireMessage> {
        let record = self.table.get_mut(key)?;
        match mem::replace(&mut record.state, State::Done) {
            State::Answered(answer) => Some(answer),
            _ => None,
        }
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
        record: Record,
        end: Instant,
    ) -> Key {
        let hash_value = hash(self.keys, peer, record.message_id);
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
        let (table, keys) = (&self.table, self.keys);
        self.by_id.insert_unique(hash_value, key.index(), |index| {
            table
                .at(*index)
                .map_or(0, |(peer, record)| hash(keys, peer, record.message_id))
        });
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
        let hash = hash(self.keys, peer, record.message_id);
        if let Ok(entry) = self.by_id.find_entry(hash, |index| *index == key.index()) {
            entry.remove();
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
        if self.by_id.capacity() > KEEP {
            drop(mem::take(&mut self.by_id));
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
