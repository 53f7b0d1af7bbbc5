//! The bodies of requests that are being received, and the room for them. A peer has its share, and
//! in it only bodies of its own give way; of all room, [`holders`](super::super::holders) says who
//! does.

use alloc::{collections::BTreeMap, vec::Vec};
use core::mem;

use bytes::Bytes;
use lwm2m_core::{ContentFormat, Instant};

use super::super::{
    held::append,
    holders::{Holders, Newcomer},
    limits::{Room, Times},
    step::{Step, Steps},
};
use crate::{
    coap::endpoint::{
        body::TransferId,
        config::after,
        event::FailureReason,
        keys::{BodyKey, PeerIndex},
        table::Key,
    },
    machine::TimerQueue,
};

/// A body of which the last block has not been answered.
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    pub(super) id: TransferId,
    pub(super) described: Description,
    pub(super) content: Content,
    /// How many bytes of it came: where the next block begins.
    pub(super) received: usize,
    /// Whether its last block came.
    pub(super) whole: bool,
    /// The fingerprint of the block that came last, in case it comes again in a message of its own.
    pub(super) last_block: u64,
    pub(super) requests: BlockRequests,
    /// How many bytes it takes.
    held: usize,
    /// When the first block came, and the last one that was taken.
    begun: Instant,
    heard: Instant,
    deadline: Option<Instant>,
}

/// What the first block of a body says of the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description {
    /// A later block with another format does not belong to the body.
    pub(super) content_format: Option<ContentFormat>,
    /// How large the body will be; 0 if the block does not say.
    pub(super) announced: usize,
}

/// The records of the requests that brought the blocks of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockRequests {
    pub(super) first: Key,
    /// The one whose answer decides how the body goes on.
    pub(super) undecided: Option<Key>,
    /// The one with the last block that was taken.
    pub(super) latest: Option<Key>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The application has its first block, and has not decided what becomes of it.
    Offered,
    Assembled(Vec<u8>),
    /// It is with the application, which has not answered yet.
    Whole(Bytes),
    /// The application has its blocks.
    Streamed,
}

impl Inbound {
    pub(super) const fn new(
        now: Instant,
        id: TransferId,
        first: Key,
        described: Description,
        content: Content,
    ) -> Self {
        Self {
            id,
            described,
            content,
            received: 0,
            whole: false,
            last_block: 0,
            requests: BlockRequests {
                first,
                undecided: None,
                latest: None,
            },
            held: 0,
            begun: now,
            heard: now,
            deadline: None,
        }
    }

    /// Whether the application has accepted it. Only then does it count among the bodies that are
    /// held.
    pub(super) const fn is_accepted(&self) -> bool {
        !matches!(self.content, Content::Offered)
    }

    /// When its last block came; of two of the same moment, the one that began first is less.
    const fn last_came(&self) -> (Instant, u64) {
        (self.heard, self.id.0)
    }

    /// Whether no block came but the first one.
    fn is_begun_only(&self) -> bool {
        let BlockRequests { first, latest, .. } = self.requests;
        latest.is_none_or(|latest| latest == first)
    }
}

/// The bodies that are being received.
#[derive(Clone, Debug)]
pub(super) struct InboundBodies {
    bodies: BTreeMap<BodyKey, Inbound>,
    /// Whose they are, of those that were accepted.
    holders: Holders,
    timers: TimerQueue<BodyKey>,
    room: Room,
    times: Times,
}

impl InboundBodies {
    pub(super) fn new(room: Room, times: Times) -> Self {
        Self {
            bodies: BTreeMap::new(),
            holders: Holders::default(),
            timers: TimerQueue::new(),
            room,
            times,
        }
    }

    /// Whose bodies they are, and how many bytes they take.
    pub(super) const fn holders(&self) -> &Holders {
        &self.holders
    }

    pub(super) const fn timers(&self) -> &TimerQueue<BodyKey> {
        &self.timers
    }

    /// The largest body that is assembled.
    pub(super) const fn largest(&self) -> usize {
        self.room.largest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty() && self.holders.bodies() == 0
    }

    pub(super) fn get_mut(&mut self, key: BodyKey) -> Option<&mut Inbound> {
        self.bodies.get_mut(&key)
    }

    /// The body whose block was in the request of this record, which has no answer yet.
    pub(super) fn undecided(&mut self, key: BodyKey, record: Key) -> Option<&mut Inbound> {
        self.get_mut(key)
            .filter(|inbound| inbound.requests.undecided == Some(record))
    }

    pub(super) fn of_peer(&self, peer: PeerIndex) -> impl Iterator<Item = (BodyKey, &Inbound)> {
        self.bodies
            .range(BodyKey::all_of(peer))
            .map(|(key, inbound)| (*key, inbound))
    }

    pub(super) fn first_of(&self, peer: PeerIndex) -> Option<BodyKey> {
        self.of_peer(peer).next().map(|(key, _)| key)
    }

    /// Whether as many bodies as may are offered to the application.
    pub(super) fn is_full_of_offers(&self) -> bool {
        let offered = self.bodies.len().saturating_sub(self.holders.bodies());
        offered >= self.room.bodies
    }

    /// Whether a body of this peer comes on.
    pub(super) fn comes_on(&self, now: Instant, peer: PeerIndex) -> bool {
        self.holders.comes_on(now, peer, self.times.silence)
    }

    /// A body begins. If it is accepted, there is room for it.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        key: BodyKey,
        inbound: Inbound,
        steps: &mut Steps,
    ) {
        if inbound.is_accepted() {
            self.holders.enter(now, key.peer);
        }
        self.bodies.insert(key, inbound);
        steps.push(Step::HoldPeer(key.peer));
    }

    /// The application has accepted a body that was offered; there is room for it.
    pub(super) fn accept(&mut self, now: Instant, key: BodyKey, content: Content) {
        let Some(inbound) = self.bodies.get_mut(&key) else {
            return;
        };
        if let Content::Assembled(body) = &content {
            inbound.held = body.capacity();
        }
        inbound.content = content;
        self.holders.enter(now, key.peer);
        self.holders.change(key.peer, 0, inbound.held);
        self.prolong(now, key);
    }

    /// A block of a body came, and was taken; a later one than the first, or not.
    pub(super) fn hear(&mut self, now: Instant, key: BodyKey, later: bool) {
        if let Some(inbound) = self.bodies.get_mut(&key) {
            inbound.heard = now;
            self.holders.hear(now, key.peer, later);
        }
    }

    /// How long a body is kept from now on if nothing comes of it any more. One that is held has an
    /// end however it comes.
    pub(super) fn prolong(&mut self, now: Instant, key: BodyKey) {
        let Some(inbound) = self.bodies.get_mut(&key) else {
            return;
        };
        let mut deadline = self.times.next_block(now);
        if let Content::Assembled(_) = inbound.content {
            deadline = deadline.min(self.times.whole(inbound.begun));
        }
        self.timers.set(key, &mut inbound.deadline, Some(deadline));
    }

    /// Puts a block at the end of what there is of an assembled body, of which `largest` bytes are
    /// the most that will come; says whether there was room.
    pub(super) fn append(
        &mut self,
        now: Instant,
        key: BodyKey,
        block: &[u8],
        largest: usize,
        steps: &mut Steps,
    ) -> bool {
        let Some(inbound) = self.bodies.get(&key) else {
            return false;
        };
        let end = inbound.received.saturating_add(block.len());
        let newcomer = Newcomer {
            peer: key.peer,
            needed: end.saturating_sub(inbound.held),
            announced: inbound.described.announced,
        };
        if !self.make_bytes_for(now, key, newcomer, steps) {
            return false;
        }
        let room = self.room_for_bytes(key.peer);
        let Some(inbound) = self.bodies.get_mut(&key) else {
            return false;
        };
        let Content::Assembled(body) = &mut inbound.content else {
            return false;
        };
        let appended = append(body, block, largest, room);
        let before = mem::replace(&mut inbound.held, body.capacity());
        self.holders.change(key.peer, before, inbound.held);
        appended
    }

    /// Takes back the block that begins at `offset`, and those after it, of a body that was
    /// assembled.
    pub(super) fn truncate(&mut self, key: BodyKey, offset: usize) {
        if let Some(inbound) = self.bodies.get_mut(&key)
            && let Content::Whole(body) = &mut inbound.content
        {
            let mut body = Vec::from(mem::take(body));
            body.truncate(offset);
            body.shrink_to_fit();
            let before = mem::replace(&mut inbound.held, body.capacity());
            inbound.content = Content::Assembled(body);
            self.holders.change(key.peer, before, inbound.held);
        }
    }

    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        self.timers.peek_due(now)
    }

    pub(super) fn end_due(&mut self) {
        self.timers.end_round();
    }

    /// The next body whose blocks did not come in time.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<BodyKey> {
        let key = self.timers.pop_due(now)?;
        if let Some(inbound) = self.bodies.get_mut(&key) {
            inbound.deadline = None;
        }
        Some(key)
    }

    /// The rest of a body will not come.
    pub(super) fn lose(&mut self, key: BodyKey, reason: FailureReason, steps: &mut Steps) {
        if let Some(inbound) = self.bodies.get(&key)
            && matches!(inbound.content, Content::Offered | Content::Streamed)
            && !inbound.whole
        {
            steps.push(Step::TransferLost {
                transfer: inbound.id,
                peer: key.peer,
                reason,
            });
        }
        self.forget(key, steps);
    }

    /// Forgets a body that was not run; not its peer. It may begin again.
    pub(super) fn forget(&mut self, key: BodyKey, steps: &mut Steps) {
        if let Some(first) = self.end(key, steps) {
            steps.push(Step::SpareRecord(first));
        }
    }

    /// A body has come to its end; tells the request with its first block.
    pub(super) fn end(&mut self, key: BodyKey, steps: &mut Steps) -> Option<Key> {
        let inbound = self.remove(key)?;
        steps.push(Step::LetGoOfPeer(key.peer));
        Some(inbound.requests.first)
    }

    /// Takes out a body, which does not hold its peer any more.
    pub(super) fn remove(&mut self, key: BodyKey) -> Option<Inbound> {
        let mut inbound = self.bodies.remove(&key)?;
        if inbound.is_accepted() {
            self.holders.change(key.peer, inbound.held, 0);
            self.holders.leave(key.peer);
        }
        self.timers.set(key, &mut inbound.deadline, None);
        Some(inbound)
    }

    /// Makes room for one more body, and its first bytes; says whether there is.
    pub(super) fn make_place_for(
        &mut self,
        now: Instant,
        key: BodyKey,
        newcomer: Newcomer,
        steps: &mut Steps,
    ) -> bool {
        let Room {
            bodies,
            bodies_per_peer,
            ..
        } = self.room;
        if bodies.min(bodies_per_peer) == 0 {
            return false;
        }
        while self.holders.bodies_of(key.peer) >= bodies_per_peer {
            if !self.let_own_go(now, key, steps) {
                return false;
            }
        }
        while self.holders.bodies() >= bodies {
            if !self.let_other_go(now, newcomer, steps) {
                return false;
            }
        }
        self.make_bytes_for(now, key, newcomer, steps)
    }

    /// Makes room for more bytes of a body; says whether there is.
    fn make_bytes_for(
        &mut self,
        now: Instant,
        key: BodyKey,
        newcomer: Newcomer,
        steps: &mut Steps,
    ) -> bool {
        let (share, all) = (self.room.bytes_per_peer, self.room.bytes);
        let over = |held: usize, bound| held.saturating_add(newcomer.needed) > bound;
        if newcomer.needed > share.min(all) {
            return false;
        }
        while over(self.holders.bytes_of(key.peer), share) {
            if !self.let_own_go(now, key, steps) {
                return false;
            }
        }
        while over(self.holders.bytes(), all) {
            if !self.let_other_go(now, newcomer, steps) {
                return false;
            }
        }
        true
    }

    /// How many more bytes this peer may hold.
    fn room_for_bytes(&self, peer: PeerIndex) -> usize {
        let room = self.room.bytes.saturating_sub(self.holders.bytes());
        let share = self.room.bytes_per_peer;
        room.min(share.saturating_sub(self.holders.bytes_of(peer)))
    }

    /// Forgets a body of the same peer that gives way; says whether there was one.
    fn let_own_go(&mut self, now: Instant, key: BodyKey, steps: &mut Steps) -> bool {
        let Some(own) = self.own_to_give_way(now, key) else {
            return false;
        };
        self.lose(own, FailureReason::NoRoom, steps);
        true
    }

    /// Forgets a body of whoever gives way to a newcomer; says whether there was one.
    fn let_other_go(&mut self, now: Instant, newcomer: Newcomer, steps: &mut Steps) -> bool {
        let body = self
            .holders
            .to_give_way(now, newcomer, self.times.silence)
            .and_then(|peer| self.longest_silent_of(peer));
        let Some(body) = body else {
            return false;
        };
        self.lose(body, FailureReason::NoRoom, steps);
        steps.push(Step::ReleasePeer(body.peer));
        true
    }

    /// The bodies of this peer that are accepted, with their keys.
    fn accepted_of(&self, peer: PeerIndex) -> impl Iterator<Item = (BodyKey, &Inbound)> {
        self.of_peer(peer)
            .filter(|(_, inbound)| inbound.is_accepted())
    }

    /// The body of this peer that did not come on for the longest time.
    fn longest_silent_of(&self, peer: PeerIndex) -> Option<BodyKey> {
        let longest_silent = self
            .accepted_of(peer)
            .min_by_key(|(_, inbound)| inbound.last_came());
        longest_silent.map(|(key, _)| key)
    }

    /// The body that gives way to another one of its peer: one that has been silent for too long,
    /// or else one of which there is only the first block. First blocks may be sent in the name of
    /// the peer, and they do not keep out its own.
    fn own_to_give_way(&self, now: Instant, key: BodyKey) -> Option<BodyKey> {
        let is_busy = |inbound: &Inbound| after(inbound.heard, self.times.silence) > now;
        self.accepted_of(key.peer)
            .filter(|(own, inbound)| *own != key && (inbound.is_begun_only() || !is_busy(inbound)))
            .min_by_key(|(_, inbound)| (is_busy(inbound), inbound.last_came()))
            .map(|(own, _)| own)
    }
}
