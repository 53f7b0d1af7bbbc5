//! The bodies of requests that are being received, and the room for them.
//!
//! Within the share of a peer, only bodies of that peer give way. When all room is used,
//! [`holders`](super::super::holders) decides which peer does.

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
    machine::{Channel, TimerQueue},
};

/// A body whose last block hasn't been answered.
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    pub(super) id: TransferId,
    pub(super) described: Description,
    pub(super) content: Content,
    /// The number of bytes received, which is where the next block begins.
    pub(super) received: usize,
    /// Whether its last block has arrived.
    pub(super) whole: bool,
    /// The fingerprint of the latest block, which may be repeated with another message id.
    pub(super) last_block: u64,
    pub(super) requests: BlockRequests,
    /// How many bytes it takes.
    held: usize,
    /// When its first block came, and its latest.
    begun: Instant,
    heard: Instant,
    deadline: Option<Instant>,
}

/// What the first block says about the whole body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description {
    /// The channel of its blocks.
    pub(super) channel: Channel,
    /// A later block with another format doesn't belong to the body.
    pub(super) content_format: Option<ContentFormat>,
    /// The announced size of the body; 0 if there is none.
    pub(super) announced: usize,
}

/// The records of the requests that brought the blocks of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockRequests {
    pub(super) first: Key,
    /// The one that the application must answer before the transfer continues.
    pub(super) undecided: Option<Key>,
    /// The one with the latest block.
    pub(super) latest: Option<Key>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The application has the first block, and hasn't accepted the body yet.
    Offered,
    Assembled(Vec<u8>),
    /// The application has the whole body, and hasn't answered yet.
    Whole(Bytes),
    /// The application takes the blocks.
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

    /// Whether the application has accepted it. Only then does it count against the bounds.
    pub(super) const fn is_accepted(&self) -> bool {
        !matches!(self.content, Content::Offered)
    }

    /// Orders bodies by when their latest block came, then by when they began.
    const fn last_came(&self) -> (Instant, u64) {
        (self.heard, self.id.0)
    }

    /// Whether only its first block has come.
    fn is_begun_only(&self) -> bool {
        let BlockRequests { first, latest, .. } = self.requests;
        latest.is_none_or(|latest| latest == first)
    }
}

/// The bodies that are being received.
#[derive(Clone, Debug)]
pub(super) struct InboundBodies {
    bodies: BTreeMap<BodyKey, Inbound>,
    /// The peers of the accepted bodies.
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

    /// The peers of the accepted bodies, and how many bytes these take.
    pub(super) const fn holders(&self) -> &Holders {
        &self.holders
    }

    pub(super) const fn timers(&self) -> &TimerQueue<BodyKey> {
        &self.timers
    }

    /// The size of the largest body that is assembled.
    pub(super) const fn largest(&self) -> usize {
        self.room.largest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty() && self.holders.bodies() == 0
    }

    pub(super) fn get_mut(&mut self, key: BodyKey) -> Option<&mut Inbound> {
        self.bodies.get_mut(&key)
    }

    /// The body that waits for the answer to the request of this record.
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

    /// Whether no more bodies may be offered to the application.
    pub(super) fn is_full_of_offers(&self) -> bool {
        let offered = self.bodies.len().saturating_sub(self.holders.bodies());
        offered >= self.room.bodies
    }

    /// Whether a body of this peer is making progress.
    pub(super) fn comes_on(&self, now: Instant, peer: PeerIndex) -> bool {
        self.holders.comes_on(now, peer, self.times.silence)
    }

    /// A body begins. Room for it has been made, unless it is only offered.
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

    /// The application has accepted an offered body. Room for it has been made.
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

    /// A block was added to a body. `later`: not the first one.
    pub(super) fn hear(&mut self, now: Instant, key: BodyKey, later: bool) {
        if let Some(inbound) = self.bodies.get_mut(&key) {
            inbound.heard = now;
            self.holders.hear(now, key.peer, later);
        }
    }

    /// Sets the deadline for the next block. An assembled body also has to be complete in time,
    /// however regularly its blocks come.
    pub(super) fn prolong(&mut self, now: Instant, key: BodyKey) {
        let Some(inbound) = self.bodies.get_mut(&key) else {
            return;
        };
        let mut deadline = self.times.next_block(now, inbound.described.channel);
        if let Content::Assembled(_) = inbound.content {
            deadline = deadline.min(self.times.whole(inbound.begun));
        }
        self.timers.set(key, &mut inbound.deadline, Some(deadline));
    }

    /// Appends a block to an assembled body whose final length is at most `largest` bytes. Returns
    /// whether there was room.
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

    /// Truncates an assembled body at `offset`.
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

    /// The next body whose deadline has passed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<BodyKey> {
        let key = self.timers.pop_due(now)?;
        if let Some(inbound) = self.bodies.get_mut(&key) {
            inbound.deadline = None;
        }
        Some(key)
    }

    /// The rest of a body won't come.
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

    /// Forgets a body that wasn't executed, but not its peer. It may begin again.
    pub(super) fn forget(&mut self, key: BodyKey, steps: &mut Steps) {
        if let Some(first) = self.end(key, steps) {
            steps.push(Step::SpareRecord(first));
        }
    }

    /// Ends a body. Returns the record of the request with its first block.
    pub(super) fn end(&mut self, key: BodyKey, steps: &mut Steps) -> Option<Key> {
        let inbound = self.remove(key)?;
        steps.push(Step::LetGoOfPeer(key.peer));
        Some(inbound.requests.first)
    }

    /// Removes a body, which then no longer holds its peer.
    pub(super) fn remove(&mut self, key: BodyKey) -> Option<Inbound> {
        let mut inbound = self.bodies.remove(&key)?;
        if inbound.is_accepted() {
            self.holders.change(key.peer, inbound.held, 0);
            self.holders.leave(key.peer);
        }
        self.timers.set(key, &mut inbound.deadline, None);
        Some(inbound)
    }

    /// Makes room for one more body and its first bytes. Returns whether there is room.
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

    /// Makes room for more bytes of a body. Returns whether there is room.
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

    /// How many more bytes this peer may use.
    fn room_for_bytes(&self, peer: PeerIndex) -> usize {
        let room = self.room.bytes.saturating_sub(self.holders.bytes());
        let share = self.room.bytes_per_peer;
        room.min(share.saturating_sub(self.holders.bytes_of(peer)))
    }

    /// Gives up another body of the same peer. Returns whether there was one.
    fn let_own_go(&mut self, now: Instant, key: BodyKey, steps: &mut Steps) -> bool {
        let Some(own) = self.own_to_give_way(now, key) else {
            return false;
        };
        self.lose(own, FailureReason::NoRoom, steps);
        true
    }

    /// Gives up a body of the peer that gives way to a newcomer. Returns whether there was one.
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

    /// The accepted bodies of this peer.
    fn accepted_of(&self, peer: PeerIndex) -> impl Iterator<Item = (BodyKey, &Inbound)> {
        self.of_peer(peer)
            .filter(|(_, inbound)| inbound.is_accepted())
    }

    /// The body of this peer that has been silent for longest.
    fn longest_silent_of(&self, peer: PeerIndex) -> Option<BodyKey> {
        let longest_silent = self
            .accepted_of(peer)
            .min_by_key(|(_, inbound)| inbound.last_came());
        longest_silent.map(|(key, _)| key)
    }

    /// The body that gives way to another one of its peer: a silent one, or else one of which only
    /// the first block has come. First blocks may be forged, and must not keep out the peer's own
    /// bodies.
    fn own_to_give_way(&self, now: Instant, key: BodyKey) -> Option<BodyKey> {
        let is_busy = |inbound: &Inbound| after(inbound.heard, self.times.silence) > now;
        self.accepted_of(key.peer)
            .filter(|(own, inbound)| *own != key && (inbound.is_begun_only() || !is_busy(inbound)))
            .min_by_key(|(_, inbound)| (is_busy(inbound), inbound.last_came()))
            .map(|(own, _)| own)
    }
}
