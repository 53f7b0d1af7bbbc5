//! The known peers, that is, those with some state.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::{hash::BuildHasher, mem, num::NonZeroU32};

use lwm2m_core::Instant;
use slab::Slab;

use super::records::PeerRecords;
use crate::coap::endpoint::{
    config::{Spans, after},
    index::Index,
    keys::PeerIndex,
    table::{Chain, KEEP, Key, make_room},
};
use crate::machine::{Channel, KeyedState, Peer, Random};

/// The state of a peer.
#[derive(Clone, Debug)]
pub(super) struct PeerState<P> {
    pub(super) name: P,
    pub(super) records: PeerRecords,
    /// The number of bodies transferred from and to it in blocks.
    pub(super) bodies: u32,
    /// Its message ids. `None` if the last one was used more than EXCHANGE_LIFETIME ago, that of short
    /// messages if any were sent to it.
    ids: Option<MessageIds>,
    /// The state of messages being sent to it; usually `None`.
    sending: Option<Box<Sending>>,
}

/// The purpose of a message to a peer. Anyone can make an endpoint send answers, from forged
/// addresses, so answers have a separate share of all per-peer resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Requests and notifications.
    Initiated,
    /// Responses that are not acknowledgements.
    Answers,
}

/// The messages being sent to a peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Sending {
    /// State of the layer above for this peer.
    pub(super) exchanges: PeerExchanges,
    initiated: Outstanding,
    answers: Outstanding,
    /// How many transmissions wait for an acknowledgement: at most NSTART.
    pub(super) in_flight: u16,
    /// Whether the next transmission that is sent is an answer, if one waits.
    answers_next: bool,
    /// When message ids are free again, if transmissions wait for that.
    pub(super) deadline: Option<Instant>,
}

/// The pending transmissions of one share.
#[derive(Clone, Debug, Default)]
pub(super) struct Outstanding {
    pub(super) transmissions: Chain,
    /// Those of them that have not been sent yet, in their order.
    waiting: VecDeque<Key>,
}

/// The entries of one peer in the tables of the layer above. They are kept here so that the state
/// of each peer is in one place in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerExchanges {
    /// Requests without an outcome, and observations.
    pub(crate) requests: Chain,
    /// Notifications that were sent once; a Reset may name them.
    notifications: Chain,
    /// The same of non-confirmable first answers to requests to observe.
    first_answers: Chain,
}

impl PeerExchanges {
    pub(crate) const fn notifications(&self, share: Share) -> Chain {
        match share {
            Share::Initiated => self.notifications,
            Share::Answers => self.first_answers,
        }
    }

    pub(crate) const fn notifications_mut(&mut self, share: Share) -> &mut Chain {
        match share {
            Share::Initiated => &mut self.notifications,
            Share::Answers => &mut self.first_answers,
        }
    }
}

impl Sending {
    /// Whether nothing is being sent, and no answer or Reset is expected.
    const fn is_quiet(&self) -> bool {
        self.is_answers_only()
            && self.answers.transmissions.is_empty()
            && self.exchanges.first_answers.is_empty()
    }

    /// Whether only answers are being sent.
    const fn is_answers_only(&self) -> bool {
        self.exchanges.requests.is_empty()
            && self.initiated.transmissions.is_empty()
            && self.exchanges.notifications.is_empty()
    }

    pub(super) const fn of(&self, share: Share) -> &Outstanding {
        match share {
            Share::Initiated => &self.initiated,
            Share::Answers => &self.answers,
        }
    }

    pub(super) const fn of_mut(&mut self, share: Share) -> &mut Outstanding {
        match share {
            Share::Initiated => &mut self.initiated,
            Share::Answers => &mut self.answers,
        }
    }

    pub(super) fn wait(&mut self, share: Share, transmission: Key) {
        self.of_mut(share).waiting.push_back(transmission);
    }

    /// The next transmission to send, leaving out one share. The shares alternate.
    pub(super) fn next_waiting(&self, but: Option<Share>) -> Option<(Share, Key)> {
        let mut order = [Share::Initiated, Share::Answers];
        if self.answers_next {
            order.reverse();
        }
        order
            .into_iter()
            .filter(|share| but != Some(*share))
            .find_map(|share| Some((share, *self.of(share).waiting.front()?)))
    }

    /// Removes the next transmission of this share from the queue, because it is being sent.
    pub(super) fn take_turn(&mut self, share: Share) {
        self.of_mut(share).waiting.pop_front();
        self.answers_next = share == Share::Initiated;
    }

    /// A transmission no longer waits.
    pub(super) fn stop_waiting(&mut self, share: Share, transmission: Key) {
        let waiting = &mut self.of_mut(share).waiting;
        waiting.retain(|other| *other != transmission);
    }

    /// Removes and returns all waiting transmissions.
    pub(super) fn take_waiting(&mut self) -> VecDeque<Key> {
        let mut waiting = mem::take(&mut self.initiated.waiting);
        waiting.append(&mut self.answers.waiting);
        waiting
    }
}

/// The next message ids for a peer. Answers have the upper quarter of the 65,536 ids, everything
/// else the rest. Each share counts up from a random id. Each sixteenth of the ids is reused only
/// EXCHANGE_LIFETIME after it was left: as long as the peer may recognise a copy (RFC 7252 §4.4).
#[derive(Clone, Debug)]
struct MessageIds {
    initiated: u16,
    answer: u16,
    /// Whether any id was used for something other than an answer.
    is_initiated_used: bool,
    /// Whether any id was used over SMS, where EXCHANGE_LIFETIME is longer.
    is_over_sms: bool,
    /// The position of the peer in the queue for dropping its ids; `None` while something is being
    /// sent.
    place: Option<Place>,
    last_used: Instant,
    /// When each sixteenth was left; allocated when the first one is.
    left: Option<Box<[Option<Instant>; 16]>>,
}

impl MessageIds {
    const SIXTEENTH: u16 = 1 << 12;
    const FIRST_OF_ANSWERS: u16 = 12 << 12;

    fn new(now: Instant, random: &mut Random) -> Self {
        let [a, b, c, d] = random.next_u32().to_le_bytes();
        let share = u32::from(u16::from_le_bytes([a, b])) * u32::from(Self::FIRST_OF_ANSWERS);
        Self {
            initiated: u16::try_from(share >> 16).unwrap_or(0),
            answer: Self::FIRST_OF_ANSWERS | u16::from_le_bytes([c, d]),
            is_initiated_used: false,
            is_over_sms: false,
            place: None,
            last_used: now,
            left: None,
        }
    }

    /// Takes the next id of this share for a message on this channel, or says when one will be free.
    fn take(
        &mut self,
        now: Instant,
        (share, channel): (Share, Channel),
        lifetimes: Lifetimes,
    ) -> Result<u16, Instant> {
        let lifetime = self.lifetime(lifetimes);
        let (next, first, last) = match share {
            Share::Initiated => (&mut self.initiated, 0, Self::FIRST_OF_ANSWERS - 1),
            Share::Answers => (&mut self.answer, Self::FIRST_OF_ANSWERS, u16::MAX),
        };
        let id = *next;
        if id.is_multiple_of(Self::SIXTEENTH)
            && let Some(left) = &self.left
            && let Some(Some(left)) = left.get(Self::sixteenth(id))
            && after(*left, lifetime) > now
        {
            return Err(after(*left, lifetime));
        }
        *next = if id == last { first } else { id + 1 };
        if next.is_multiple_of(Self::SIXTEENTH) {
            let left = self.left.get_or_insert_default();
            if let Some(left) = left.get_mut(Self::sixteenth(id)) {
                *left = Some(now);
            }
        }
        self.last_used = now;
        self.is_initiated_used |= share == Share::Initiated;
        self.is_over_sms |= channel == Channel::Sms;
        Ok(id)
    }

    /// EXCHANGE_LIFETIME of these ids.
    const fn lifetime(&self, lifetimes: Lifetimes) -> u64 {
        if self.is_over_sms {
            lifetimes.sms
        } else {
            lifetimes.udp
        }
    }

    /// When they may be forgotten.
    fn end(&self, lifetimes: Lifetimes) -> Instant {
        after(self.last_used, self.lifetime(lifetimes))
    }

    fn sixteenth(id: u16) -> usize {
        usize::from(id / Self::SIXTEENTH)
    }
}

/// EXCHANGE_LIFETIME of each channel, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    udp: u64,
    sms: u64,
}

impl Lifetimes {
    pub(super) const fn new(spans: &Spans) -> Self {
        Self {
            udp: spans.exchange_lifetime,
            sms: spans.sms.lifetime,
        }
    }
}

/// The peers, by name and by index.
#[derive(Clone, Debug)]
pub(super) struct Peers<P> {
    states: Slab<PeerState<P>>,
    by_name: Index,
    keys: KeyedState,
    lifetimes: Lifetimes,
    quiet: Quiet,
    /// The next candidate for eviction.
    turn: PeerIndex,
    /// Reused for the next peer to which something is sent.
    spare: Option<Box<Sending>>,
}

/// The peers to which nothing is being sent, by the second in which their message ids may be
/// forgotten. Waiting a little longer does no harm, and each peer costs one number here.
#[derive(Clone, Debug, Default)]
struct Quiet {
    by_tick: BTreeMap<u32, Vec<PeerIndex>>,
    /// The second from which ticks are counted; 32 bits are 136 years.
    base: u64,
    /// How many entries were examined to find one.
    #[cfg(test)]
    looks: usize,
}

/// The position of a waiting peer, so that it is found without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Never 0, so that an `Option` takes no extra space.
    tick: NonZeroU32,
    index: u32,
}

impl Quiet {
    const TICK: u64 = 1000;

    /// Enters a peer that may be forgotten from `moment` on. Returns its place.
    fn insert(&mut self, moment: Instant, peer: PeerIndex) -> Place {
        let second = moment.as_millis().div_ceil(Self::TICK);
        if self.by_tick.is_empty() {
            self.base = second.saturating_sub(1);
        }
        let tick = u32::try_from(second.saturating_sub(self.base)).unwrap_or(u32::MAX);
        let tick = NonZeroU32::new(tick).unwrap_or(NonZeroU32::MIN);
        let peers = self.by_tick.entry(tick.get()).or_default();
        let index = u32::try_from(peers.len()).unwrap_or(u32::MAX);
        peers.push(peer);
        Place { tick, index }
    }

    /// Removes the peer at this place. Returns the peer that has moved there.
    fn remove(&mut self, place: Place) -> Option<PeerIndex> {
        #[cfg(test)]
        {
            self.looks += 1;
        }
        let tick = place.tick.get();
        let peers = self.by_tick.get_mut(&tick)?;
        let index = place.index as usize;
        if index < peers.len() {
            peers.swap_remove(index);
        }
        let moved = peers.get(index).copied();
        if peers.is_empty() {
            self.by_tick.remove(&tick);
        }
        moved
    }

    fn next(&self) -> Option<Instant> {
        let (tick, _) = self.by_tick.first_key_value()?;
        let second = self.base.saturating_add(u64::from(*tick));
        Some(Instant::from_millis(second.saturating_mul(Self::TICK)))
    }

    /// All peers of the first tick, if it is due.
    fn pop(&mut self, now: Instant) -> Option<Vec<PeerIndex>> {
        if self.next()? > now {
            return None;
        }
        self.by_tick.pop_first().map(|(_, peers)| peers)
    }
}

impl<P> Peers<P> {
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// When the next peers to which nothing is being sent may be forgotten.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.quiet.next()
    }
}

impl<P: Peer> Peers<P> {
    pub(super) fn new(keys: KeyedState, lifetimes: Lifetimes) -> Self {
        Self {
            states: Slab::new(),
            by_name: Index::default(),
            keys,
            lifetimes,
            quiet: Quiet::default(),
            turn: PeerIndex(0),
            spare: None,
        }
    }

    pub(super) fn find(&self, name: &P) -> Option<PeerIndex> {
        self.find_hashed(self.keys.hash_one(name), name)
    }

    /// The peer with this name, added if it is new; `None` if there is no room.
    pub(super) fn enter(&mut self, name: P, bound: usize) -> Option<PeerIndex> {
        let hash = self.keys.hash_one(&name);
        if let Some(index) = self.find_hashed(hash, &name) {
            return Some(index);
        }
        if self.states.len() >= bound {
            return None;
        }
        make_room(&mut self.states);
        let index = PeerIndex(u32::try_from(self.states.vacant_key()).ok()?);
        self.states.insert(PeerState {
            name,
            records: PeerRecords::default(),
            bodies: 0,
            ids: None,
            sending: None,
        });
        self.by_name.insert(hash, index.0);
        Some(index)
    }

    /// Renames a peer. Returns false if there is no such peer or the new name is in use.
    pub(super) fn rename(&mut self, from: &P, to: P) -> bool {
        let (Some(index), None) = (self.find(from), self.find(&to)) else {
            return false;
        };
        self.by_name.remove(self.keys.hash_one(from), index.0);
        self.by_name.insert(self.keys.hash_one(&to), index.0);
        if let Some(peer) = self.get_mut(index) {
            peer.name = to;
        }
        true
    }

    fn find_hashed(&self, hash: u64, name: &P) -> Option<PeerIndex> {
        let index = self.by_name.find(hash, |index| {
            self.get(PeerIndex(index))
                .is_some_and(|peer| peer.name == *name)
        });
        index.map(PeerIndex)
    }

    pub(super) fn get(&self, index: PeerIndex) -> Option<&PeerState<P>> {
        self.states.get(index.as_usize())
    }

    pub(super) fn get_mut(&mut self, index: PeerIndex) -> Option<&mut PeerState<P>> {
        self.states.get_mut(index.as_usize())
    }

    pub(super) fn name(&self, index: PeerIndex) -> Option<P> {
        self.get(index).map(|peer| peer.name.clone())
    }

    pub(super) fn sending(&self, index: PeerIndex) -> Option<&Sending> {
        self.get(index)?.sending.as_deref()
    }

    pub(super) fn sending_mut(&mut self, index: PeerIndex) -> Option<&mut Sending> {
        self.get_mut(index)?.sending.as_deref_mut()
    }

    /// What is being sent to this peer, to add to it.
    pub(super) fn start_sending(
        &mut self,
        now: Instant,
        index: PeerIndex,
        random: &mut Random,
    ) -> Option<&mut Sending> {
        let peer = self.states.get_mut(index.as_usize())?;
        peer.ids.get_or_insert_with(|| MessageIds::new(now, random));
        let spare = &mut self.spare;
        Some(
            peer.sending
                .get_or_insert_with(|| spare.take().unwrap_or_default()),
        )
    }

    /// The next message id of this share for this peer on this channel, or when one will be free.
    pub(super) fn take_id(
        &mut self,
        now: Instant,
        index: PeerIndex,
        use_of_it: (Share, Channel),
    ) -> Option<Result<u16, Instant>> {
        let lifetimes = self.lifetimes;
        let ids = self.get_mut(index)?.ids.as_mut()?;
        Some(ids.take(now, use_of_it, lifetimes))
    }

    /// Frees the sending state of a peer if nothing is being sent any more, and has its message ids
    /// forgotten EXCHANGE_LIFETIME after the last one was used. Returns the deadline that is to be cancelled.
    pub(super) fn settle(&mut self, now: Instant, index: PeerIndex) -> Option<Instant> {
        let lifetimes = self.lifetimes;
        let peer = self.states.get_mut(index.as_usize())?;
        let mut sending = peer.sending.take_if(|sending| sending.is_quiet())?;
        if let Some(ids) = &mut peer.ids
            && ids.place.is_none()
        {
            let end = ids.end(lifetimes);
            ids.place = Some(self.quiet.insert(end.max(now), index));
        }
        let deadline = sending.deadline.take();
        let [initiated, answers] =
            [&sending.initiated, &sending.answers].map(|share| &share.waiting);
        if initiated.capacity().max(answers.capacity()) <= KEEP {
            sending.in_flight = 0;
            sending.answers_next = false;
            self.spare = Some(sending);
        }
        deadline
    }

    /// Forgets the message ids of peers to which nothing has been sent for EXCHANGE_LIFETIME, and the
    /// peers if nothing else is kept of them.
    pub(super) fn forget_quiet(&mut self, now: Instant) {
        let lifetimes = self.lifetimes;
        while let Some(peers) = self.quiet.pop(now) {
            for index in peers {
                if let Some(peer) = self.states.get_mut(index.as_usize())
                    && let Some(ids) = &mut peer.ids
                {
                    let end = ids.end(lifetimes);
                    if peer.sending.is_some() {
                        ids.place = None;
                    } else if end > now {
                        ids.place = Some(self.quiet.insert(end, index));
                    } else {
                        peer.ids = None;
                        self.release(index);
                    }
                }
            }
        }
    }

    /// Whether forgetting a peer loses only answers: it was sent nothing else, and at most
    /// `first_blocks` of its messages, which begin bodies, would do harm if they were processed
    /// again.
    pub(super) fn is_stranger(&self, index: PeerIndex, first_blocks: usize) -> bool {
        self.get(index).is_some_and(|peer| {
            let is_unasked = peer.ids.as_ref().is_none_or(|ids| !ids.is_initiated_used);
            let is_quiet = peer.sending.as_ref();
            is_unasked
                && is_quiet.is_none_or(|sending| sending.is_answers_only())
                && peer.records.is_spare_but(first_blocks)
        })
    }

    /// One peer after the other, in turn.
    pub(super) fn next_in_turn(&mut self) -> PeerIndex {
        let index = self.turn;
        let next = PeerIndex(index.0.saturating_add(1));
        self.turn = if next.as_usize() < self.states.capacity() {
            next
        } else {
            PeerIndex(0)
        };
        index
    }

    /// Drops the sending state of a peer.
    pub(super) fn stop_sending(&mut self, index: PeerIndex) {
        if let Some(peer) = self.states.get_mut(index.as_usize()) {
            peer.sending = None;
            let place = peer.ids.take().and_then(|ids| ids.place);
            self.leave_quiet(place);
        }
    }

    /// A peer no longer waits for its message ids to be forgotten.
    fn leave_quiet(&mut self, place: Option<Place>) {
        let moved = place.and_then(|place| self.quiet.remove(place));
        if let Some(ids) = moved
            .and_then(|moved| self.states.get_mut(moved.as_usize()))
            .and_then(|moved| moved.ids.as_mut())
        {
            ids.place = place;
        }
    }

    /// Removes the peer if it has no state.
    pub(super) fn release(&mut self, index: PeerIndex) {
        let Some(peer) = self.get(index) else { return };
        let is_kept = peer.ids.is_some() || peer.sending.is_some();
        if is_kept || peer.bodies > 0 || !peer.records.is_empty() {
            return;
        }
        let hash = self.keys.hash_one(&peer.name);
        self.by_name.remove(hash, index.0);
        self.states.try_remove(index.as_usize());
        if self.states.is_empty() && self.states.capacity() > KEEP {
            self.states = Slab::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes {
        udp: 247_000,
        sms: 407_000,
    };

    #[test]
    fn message_ids_are_not_used_again_within_the_lifetime_of_their_channel() {
        for (channel, lifetime) in [(Channel::Udp, LIFETIMES.udp), (Channel::Sms, LIFETIMES.sms)] {
            are_not_used_again(channel, lifetime);
        }
    }

    fn are_not_used_again(channel: Channel, lifetime: u64) {
        let mut random = Random::new([3; 32]);
        let mut ids = MessageIds::new(Instant::ZERO, &mut random);
        let mut used = alloc::vec![None; 1 << 16];
        let mut now = Instant::ZERO;
        let mut waits = 0;
        for step in 0..300_000_u32 {
            if step % 3 == 0 {
                now = after(now, 1);
            }
            let share = if step % 5 == 0 {
                Share::Answers
            } else {
                Share::Initiated
            };
            let id = loop {
                match ids.take(now, (share, channel), LIFETIMES) {
                    Ok(id) => break id,
                    Err(until) => {
                        assert!(until > now);
                        waits += 1;
                        now = until;
                    }
                }
            };
            let last = used[usize::from(id)].replace(now);
            assert!(last.is_none_or(|last| after(last, lifetime) <= now), "{id}");
            assert_eq!(share == Share::Answers, id >= 0xc000, "{id}");
        }
        assert!(waits > 1);
    }

    /// Forgetting a peer looks at no other one, however many wait with it.
    #[test]
    fn forgetting_a_peer_costs_the_same_however_many_there_are() {
        let looks = |count: u32, backward: bool| {
            let mut random = Random::new([4; 32]);
            let mut peers = Peers::new(random.hash_keys(), LIFETIMES);
            let indices: Vec<_> = (0..count)
                .map(|name| {
                    let index = peers.enter(name, usize::MAX).unwrap();
                    peers.start_sending(Instant::ZERO, index, &mut random);
                    peers.settle(Instant::ZERO, index);
                    index
                })
                .collect();
            let mut order = indices.clone();
            if backward {
                order.reverse();
            }
            for index in order {
                peers.stop_sending(index);
                peers.release(index);
            }
            assert_eq!((peers.len(), peers.next_deadline()), (0, None));
            peers.quiet.looks
        };
        for backward in [false, true] {
            assert_eq!(looks(200, backward), 200);
            assert_eq!(looks(20_000, backward), 20_000);
        }
    }

    /// Whichever peers are forgotten, the others are forgotten in time.
    #[test]
    fn peers_that_wait_are_told_apart_when_some_are_forgotten() {
        let mut random = Random::new([5; 32]);
        let mut peers = Peers::new(random.hash_keys(), LIFETIMES);
        for name in 0..300_u32 {
            let now = Instant::from_millis(u64::from(name % 7) * 400);
            let index = peers.enter(name, usize::MAX).unwrap();
            peers.start_sending(now, index, &mut random);
            peers.settle(now, index);
        }
        for name in (0..300).filter(|name| name % 3 != 1) {
            let index = peers.find(&name).unwrap();
            peers.stop_sending(index);
            peers.release(index);
            // Its index belongs to another peer now, which waits in another place.
            let index = peers.enter(1000 + name, usize::MAX).unwrap();
            peers.start_sending(Instant::from_secs(9), index, &mut random);
            peers.settle(Instant::from_secs(9), index);
        }
        peers.forget_quiet(Instant::from_secs(251));
        assert_eq!(peers.len(), 200);
        assert!((0..300).all(|name| peers.find(&name).is_none()));
        peers.forget_quiet(Instant::from_secs(257));
        assert_eq!((peers.len(), peers.next_deadline()), (0, None));
    }
}
