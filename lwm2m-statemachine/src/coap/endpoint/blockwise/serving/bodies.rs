//! The bodies that are served, by peer and resource.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::mem;

use lwm2m_core::Instant;

use super::{
    super::{
        held::Held,
        limits::{Room, Times},
        step::{Step, Steps},
    },
    body::{
        Content, Recipient, ServedBody, ServingEnd, SuppliedBody, Waiter, block_lost, tell_released,
    },
};
use crate::{
    coap::{
        endpoint::{
            body::SourceId,
            keys::{BodyKey, PeerIndex},
            notice::Notice,
            table::Key,
        },
        option::BlockOption,
        token::Token,
    },
    machine::TimerQueue,
};

/// The bodies that are served, by peer and resource.
#[derive(Clone, Debug)]
pub(super) struct ServedBodies {
    pub(super) bodies: BTreeMap<BodyKey, ServedBody>,
    pub(super) order: Order,
    /// The same for bodies that are in memory.
    pub(super) heavy: Order,
    pub(super) clock: u64,
    pub(super) held: Held,
    /// The bodies of notifications that wait for their first block.
    pub(super) notifications: BTreeMap<(PeerIndex, Token), BodyKey>,
    /// The bodies that the application supplies.
    pub(super) sources: BTreeMap<SourceId, BodyKey>,
    pub(super) timers: TimerQueue<BodyKey>,
    pub(super) room: Room,
    pub(super) times: Times,
}

/// Bodies that were never read on first, then by when they were last asked for.
pub(super) type Order = BTreeSet<(bool, u64, BodyKey)>;

impl ServedBodies {
    pub(super) fn new(room: Room, times: Times) -> Self {
        Self {
            bodies: BTreeMap::new(),
            order: Order::new(),
            heavy: Order::new(),
            clock: 0,
            held: Held::default(),
            notifications: BTreeMap::new(),
            sources: BTreeMap::new(),
            timers: TimerQueue::new(),
            room,
            times,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bodies.len()
    }

    /// How many bytes they take.
    pub(super) const fn bytes(&self) -> usize {
        self.held.all()
    }

    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }

    pub(super) const fn timers(&self) -> &TimerQueue<BodyKey> {
        &self.timers
    }

    pub(super) fn is_empty(&self) -> bool {
        let orders = [&self.order, &self.heavy];
        self.bodies.is_empty()
            && orders.into_iter().all(BTreeSet::is_empty)
            && self.notifications.is_empty()
            && self.sources.is_empty()
    }

    pub(super) fn get(&self, key: BodyKey) -> Option<&ServedBody> {
        self.bodies.get(&key)
    }

    /// What the application supplies of this body.
    pub(super) fn supplied(&self, key: BodyKey) -> Option<&SuppliedBody> {
        match &self.get(key)?.content {
            Content::Source(supplied) => Some(supplied),
            Content::Bytes(_) | Content::Gone => None,
        }
    }

    fn supplied_mut(&mut self, key: BodyKey) -> Option<&mut SuppliedBody> {
        match &mut self.bodies.get_mut(&key)?.content {
            Content::Source(supplied) => Some(supplied),
            Content::Bytes(_) | Content::Gone => None,
        }
    }

    /// The body that comes from this source.
    pub(super) fn of_source(&self, source: SourceId) -> Option<BodyKey> {
        self.sources.get(&source).copied()
    }

    /// The body of the notification to this observer that waits for its first block.
    pub(super) fn of_notification(&self, peer: PeerIndex, token: Token) -> Option<BodyKey> {
        self.notifications.get(&(peer, token)).copied()
    }

    /// The notification to this observer that waits for its first block.
    pub(super) fn notification(&self, peer: PeerIndex, token: Token) -> Option<Notice> {
        let key = self.of_notification(peer, token)?;
        self.get(key)?.content.notification()
    }

    /// Adds a recipient that waits for a block. Returns the source if it wasn't asked for this block
    /// yet.
    pub(super) fn add_waiter(&mut self, key: BodyKey, waiter: Waiter) -> Option<SourceId> {
        let supplied = self.supplied_mut(key)?;
        let wanted = waiter.block;
        let is_new = supplied.waiters.iter().all(|other| other.block != wanted);
        supplied.waiters.push(waiter);
        is_new.then_some(supplied.source)
    }

    /// Takes out the recipients that wait for this block.
    pub(super) fn take_waiters(&mut self, key: BodyKey, block: BlockOption) -> Vec<Waiter> {
        let Some(supplied) = self.supplied_mut(key) else {
            return Vec::new();
        };
        let (found, others) = mem::take(&mut supplied.waiters)
            .into_iter()
            .partition::<Vec<_>, _>(|waiter| waiter.block == block);
        supplied.waiters = others;
        for waiter in &found {
            if let Recipient::Observer { notice, .. } = waiter.recipient {
                self.leave_notification(key, notice.token);
            }
        }
        found
    }

    /// Takes out the requests that wait for the first block: they have nothing of the body, so
    /// another one serves them as well. Requests whose record is gone are dropped.
    pub(super) fn take_beginners(
        &mut self,
        key: BodyKey,
        is_known: &dyn Fn(Key) -> bool,
    ) -> Vec<Waiter> {
        let Some(supplied) = self.supplied_mut(key) else {
            return Vec::new();
        };
        let (mut beginners, others) = mem::take(&mut supplied.waiters)
            .into_iter()
            .partition::<Vec<_>, _>(|waiter| {
                waiter.block.number() == 0 && matches!(waiter.recipient, Recipient::Request(_))
            });
        supplied.waiters = others;
        beginners.retain(|waiter| waiter.recipient.is_known(is_known));
        beginners
    }

    /// Drops the requests whose record is gone.
    pub(super) fn forget_waiters(&mut self, key: BodyKey, is_known: &dyn Fn(Key) -> bool) {
        if let Some(supplied) = self.supplied_mut(key) {
            let waiters = &mut supplied.waiters;
            waiters.retain(|waiter| waiter.recipient.is_known(is_known));
        }
    }

    /// A block of a body was asked for; `later`: not the first one. Sets a new deadline; but a body in
    /// memory isn't kept for longer than a transfer may take after the last one has begun. Whoever begins
    /// again and again keeps it for longer, but then it doesn't count as being read.
    pub(super) fn prolong(&mut self, now: Instant, key: BodyKey, later: bool) {
        let Some(body) = self.bodies.get_mut(&key) else {
            return;
        };
        let mut deadline = self.times.next_block(now, body.channel);
        let mut is_read = body.is_read || later;
        if let Content::Bytes(_) = body.content {
            deadline = deadline.min(self.times.whole(body.begun));
            is_read &= now < self.times.whole(body.first_begun);
        }
        self.timers.set(key, &mut body.deadline, Some(deadline));
        let before = body.order(key);
        self.clock = self.clock.wrapping_add(1);
        body.is_read = is_read;
        body.place = self.clock;
        body.asked = now;
        let after = body.order(key);
        for order in [&mut self.order, &mut self.heavy] {
            if order.remove(&before) {
                order.insert(after);
            }
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
        if let Some(body) = self.bodies.get_mut(&key) {
            body.deadline = None;
        }
        Some(key)
    }

    /// Forgets a body, but not its peer. Those that wait for a block are told.
    pub(super) fn forget(&mut self, key: BodyKey, end: ServingEnd, steps: &mut Steps) {
        let Some(body) = self.remove(key) else {
            return;
        };
        steps.push(Step::LetGoOfPeer(key.peer));
        tell_released(key.peer, body.watched, end, steps);
        if let Content::Source(SuppliedBody {
            source, waiters, ..
        }) = body.content
        {
            steps.push(Step::SourceClosed(source));
            let lost = waiters
                .iter()
                .filter_map(|waiter| block_lost(key.peer, waiter.recipient, end));
            steps.extend(lost);
        }
    }

    /// Forgets all bodies that are served to a peer, but not the peer.
    pub(super) fn forget_peer(&mut self, peer: PeerIndex, steps: &mut Steps) {
        while let Some(key) = self.first_of(peer) {
            self.forget(key, ServingEnd::PeerDropped, steps);
        }
    }

    pub(super) fn insert(&mut self, key: BodyKey, mut body: ServedBody) {
        self.clock = self.clock.wrapping_add(1);
        body.place = self.clock;
        self.order.insert(body.order(key));
        if body.content.held() > 0 {
            self.heavy.insert(body.order(key));
            self.held.change(key.peer, 0, body.content.held());
        }
        if let Content::Source(supplied) = &body.content {
            self.sources.insert(supplied.source, key);
        }
        if let Some(Notice { token, .. }) = body.content.notification() {
            self.notifications.insert((key.peer, token), key);
        }
        self.bodies.insert(key, body);
    }

    pub(super) fn remove(&mut self, key: BodyKey) -> Option<ServedBody> {
        let mut body = self.bodies.remove(&key)?;
        self.timers.set(key, &mut body.deadline, None);
        self.order.remove(&body.order(key));
        self.heavy.remove(&body.order(key));
        self.held.change(key.peer, body.content.held(), 0);
        if let Content::Source(supplied) = &body.content {
            self.sources.remove(&supplied.source);
        }
        if let Some(Notice { token, .. }) = body.content.notification() {
            self.leave_notification(key, token);
        }
        Some(body)
    }

    /// The notification with this token doesn't wait for its first block any more.
    fn leave_notification(&mut self, key: BodyKey, token: Token) {
        if self.notifications.get(&(key.peer, token)) == Some(&key) {
            self.notifications.remove(&(key.peer, token));
        }
    }

    fn first_of(&self, peer: PeerIndex) -> Option<BodyKey> {
        self.of_peer(peer).next().map(|(key, _)| key)
    }

    pub(super) fn of_peer(&self, peer: PeerIndex) -> impl Iterator<Item = (BodyKey, &ServedBody)> {
        self.bodies
            .range(BodyKey::all_of(peer))
            .map(|(key, body)| (*key, body))
    }
}
