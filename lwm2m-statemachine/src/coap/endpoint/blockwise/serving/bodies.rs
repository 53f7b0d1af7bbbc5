//! The bodies that are served, and which of them is evicted when there is no room.
//!
//! A body is being read if a block other than the first was requested within the time that a client
//! waits before it retransmits. Bodies that are being read are evicted last: a flood of requests
//! for first blocks can't displace them. Otherwise the least recently requested body is evicted
//! first.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::mem;

use bytes::Bytes;
use lwm2m_core::{Code, Instant};

use super::super::{
    held::Held,
    limits::{Room, Times},
    message::{busy, incomplete},
    step::{Step, Steps},
};
use crate::{
    coap::{
        endpoint::{
            body::{Resource, Source, SourceId},
            context::OpenRequest,
            event::FailureReason,
            keys::{BodyKey, PeerIndex},
            notice::Notice,
            table::Key,
        },
        message_buf::MessageBuf,
        option::BlockOption,
        token::Token,
    },
    machine::TimerQueue,
};

/// The bodies that are served, by peer and resource.
#[derive(Clone, Debug)]
pub(super) struct ServedBodies {
    bodies: BTreeMap<BodyKey, ServedBody>,
    order: Order,
    /// The same for bodies that are in memory.
    heavy: Order,
    clock: u64,
    held: Held,
    /// The bodies of notifications that wait for their first block.
    notifications: BTreeMap<(PeerIndex, Token), BodyKey>,
    /// The bodies that the application supplies.
    sources: BTreeMap<SourceId, BodyKey>,
    timers: TimerQueue<BodyKey>,
    room: Room,
    times: Times,
}

/// Bodies that were never read on first, then by when they were last asked for.
type Order = BTreeSet<(bool, u64, BodyKey)>;

#[derive(Clone, Debug)]
pub(super) struct ServedBody {
    /// The response without its payload and without the options of a block.
    pub(super) head: MessageBuf,
    pub(super) etag: Vec<u8>,
    pub(super) content: Content,
    /// The resource by which its end is watched, if it is.
    watched: Option<Resource>,
    /// Whether a block other than the first was asked for.
    is_read: bool,
    /// How many transfers of it have begun, and not come to their last block.
    readers: u32,
    /// Its place in the order.
    place: u64,
    /// When its last transfer began, and when it was last asked for.
    begun: Instant,
    asked: Instant,
    deadline: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    Source(SuppliedBody),
    /// Its bytes were evicted. The ETag still identifies the body.
    Gone,
}

/// A body that the application supplies block by block.
#[derive(Clone, Debug)]
pub(super) struct SuppliedBody {
    pub(super) source: SourceId,
    /// Its size in bytes, if known.
    pub(super) size: Option<u32>,
    /// The recipients that wait for a block.
    pub(super) waiters: Vec<Waiter>,
}

impl SuppliedBody {
    pub(super) const fn new(source: &Source, waiters: Vec<Waiter>) -> Self {
        Self {
            source: source.id,
            size: source.size,
            waiters,
        }
    }
}

/// A recipient that waits for a block of a body that the application supplies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) recipient: Recipient,
    pub(super) block: BlockOption,
    /// The Observe option of a notification, or of the first response to an observation.
    pub(super) observe: Option<u32>,
    /// Whether the request had a Block2 option.
    pub(super) is_explicit: bool,
}

impl Waiter {
    /// For a request with a Block2 option.
    pub(super) const fn for_block(recipient: Recipient, block: BlockOption) -> Self {
        Self {
            recipient,
            block,
            observe: None,
            is_explicit: true,
        }
    }
}

/// Where a block goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recipient {
    /// Into the answer to this request.
    Request(OpenRequest),
    /// Into the answer to a repetition of the request of this record.
    Repetition(Key),
    /// Into a notification.
    Observer {
        notice: Notice,
        /// The observed resource, if known, by which the other blocks are requested.
        resource: Option<u64>,
    },
}

impl Recipient {
    /// Whether it still waits: a request does as long as its record exists.
    fn is_known(&self, is_known: &dyn Fn(Key) -> bool) -> bool {
        match self {
            Self::Request(OpenRequest { record, .. }) | Self::Repetition(record) => {
                is_known(*record)
            }
            Self::Observer { .. } => true,
        }
    }
}

/// Why a body is no longer served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coap::endpoint) enum ServingEnd {
    /// Its last block was served.
    Served,
    /// There is no room for it.
    NoRoom,
    /// A newer body has replaced it.
    Replaced,
    /// The application didn't supply a block in time, or no block was asked for.
    Late,
    /// The application can't supply it; requests are answered with this code.
    Aborted(Code),
    PeerDropped,
    /// The observation has ended.
    Unwanted,
}

impl ServingEnd {
    /// What is told of a body that is watched.
    const fn result(self) -> Result<(), FailureReason> {
        match self {
            Self::Served => Ok(()),
            Self::NoRoom => Err(FailureReason::NoRoom),
            Self::Replaced | Self::Unwanted => Err(FailureReason::Superseded),
            Self::Late => Err(FailureReason::Timeout),
            Self::Aborted(_) => Err(FailureReason::Aborted),
            Self::PeerDropped => Err(FailureReason::PeerDropped),
        }
    }
}

impl Content {
    /// The recipients that wait for a block.
    pub(super) fn waiters(&self) -> &[Waiter] {
        match self {
            Self::Source(supplied) => &supplied.waiters,
            Self::Bytes(_) | Self::Gone => &[],
        }
    }

    /// The size of the body in bytes, if known.
    pub(super) fn size(&self) -> Option<u32> {
        match self {
            Self::Bytes(bytes) => Some(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            Self::Source(supplied) => supplied.size,
            Self::Gone => None,
        }
    }

    /// The notification that waits for its first block.
    fn notification(&self) -> Option<Notice> {
        self.waiters()
            .iter()
            .find_map(|waiter| match waiter.recipient {
                Recipient::Observer { notice, .. } => Some(notice),
                Recipient::Request(_) | Recipient::Repetition(_) => None,
            })
    }

    /// How many bytes it takes.
    fn held(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Source(_) | Self::Gone => 0,
        }
    }
}

impl ServedBody {
    pub(super) const fn new(
        now: Instant,
        head: MessageBuf,
        etag: Vec<u8>,
        content: Content,
        is_read: bool,
    ) -> Self {
        Self {
            head,
            etag,
            content,
            watched: None,
            is_read,
            readers: 1,
            place: 0,
            begun: now,
            asked: now,
            deadline: None,
        }
    }

    const fn order(&self, key: BodyKey) -> (bool, u64, BodyKey) {
        (self.is_read, self.place, key)
    }

    /// The body with the lowest rank goes first. A body that was read on is being read if it was
    /// asked for at `busy_since` or later.
    fn rank(&self, busy_since: Instant) -> (bool, u64) {
        (self.is_read && self.asked >= busy_since, self.place)
    }
}

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

    /// Whether a body is kept. If so, a step tells its end.
    pub(super) fn watch(&mut self, key: BodyKey, resource: Resource) -> bool {
        let kept = self.bodies.get_mut(&key);
        let kept = kept.filter(|body| !matches!(body.content, Content::Gone));
        kept.is_some_and(|body| {
            body.watched = Some(resource);
            true
        })
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

    /// Keeps a body, in place of an older one with its key. Returns whether there was room.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        key: BodyKey,
        mut body: ServedBody,
        steps: &mut Steps,
    ) -> bool {
        let same = self.bodies.get_mut(&key);
        let same = same.filter(|kept| kept.etag == body.etag);
        // The blocks of an equal body are as good.
        body.watched = same.and_then(|same| same.watched.take());
        self.forget(key, ServingEnd::Replaced, steps);
        if !self.make_room(now, key.peer, body.content.held(), steps) {
            tell_released(key.peer, body.watched, ServingEnd::NoRoom, steps);
            return false;
        }
        steps.push(Step::HoldPeer(key.peer));
        let is_read = body.is_read;
        self.insert(key, body);
        self.prolong(now, key, is_read);
        true
    }

    /// Another transfer of a body begins, if it is this one and in memory; returns whether it is. `later`:
    /// not with the first block.
    pub(super) fn share(&mut self, now: Instant, key: BodyKey, etag: &[u8], later: bool) -> bool {
        let kept = self.bodies.get_mut(&key);
        let same =
            kept.filter(|kept| kept.etag == etag && matches!(kept.content, Content::Bytes(_)));
        let Some(body) = same else {
            return false;
        };
        body.readers = body.readers.saturating_add(1);
        // Each transfer has its time. If no block is asked for, the body goes much earlier.
        body.begun = now;
        self.prolong(now, key, later);
        true
    }

    /// The last block of a body was served to one of its readers.
    pub(super) fn read_to_end(&mut self, now: Instant, key: BodyKey, steps: &mut Steps) {
        if let Some(body) = self.bodies.get_mut(&key) {
            // Who watches it waits for one reader, not for all.
            tell_released(key.peer, body.watched.take(), ServingEnd::Served, steps);
        }
        self.leave(now, key, ServingEnd::Served, steps);
    }

    /// A reader of a body, who watched it, reads no more of it.
    pub(super) fn abandon(&mut self, now: Instant, key: BodyKey, steps: &mut Steps) {
        if let Some(body) = self.bodies.get_mut(&key) {
            body.watched = None;
        }
        self.leave(now, key, ServingEnd::Unwanted, steps);
    }

    /// A body has one reader less, and goes with the last one. Who has begun again or has given up counts as
    /// another reader, as requests for blocks don't tell. So the others are waited for only until they would
    /// have repeated a request, unless they ask for a block.
    fn leave(&mut self, now: Instant, key: BodyKey, end: ServingEnd, steps: &mut Steps) {
        let Some(body) = self.bodies.get_mut(&key) else {
            return;
        };
        body.readers = body.readers.saturating_sub(1);
        if body.readers == 0 {
            return self.forget(key, end, steps);
        }
        let soon = self.times.repetition(now);
        let deadline = body.deadline.map_or(soon, |deadline| deadline.min(soon));
        self.timers.set(key, &mut body.deadline, Some(deadline));
    }

    /// The last transfer of a body didn't begin. Returns whether there are others.
    pub(super) fn unshare(&mut self, key: BodyKey) -> bool {
        let shared = self.bodies.get_mut(&key).filter(|body| body.readers > 1);
        shared.is_some_and(|body| {
            body.readers = body.readers.saturating_sub(1);
            true
        })
    }

    /// A block of a body was asked for; `later`: not the first one. Sets a new deadline; but a body in
    /// memory isn't kept for longer than a transfer may take.
    pub(super) fn prolong(&mut self, now: Instant, key: BodyKey, later: bool) {
        let Some(body) = self.bodies.get_mut(&key) else {
            return;
        };
        let mut deadline = self.times.next_block(now);
        if let Content::Bytes(_) = body.content {
            deadline = deadline.min(self.times.whole(body.begun));
        }
        self.timers.set(key, &mut body.deadline, Some(deadline));
        let before = body.order(key);
        self.clock = self.clock.wrapping_add(1);
        body.is_read |= later;
        body.place = self.clock;
        body.asked = now;
        let after = body.order(key);
        for order in [&mut self.order, &mut self.heavy] {
            if order.remove(&before) {
                order.insert(after);
            }
        }
    }

    /// Gives a body another key, in place of an older one with that key.
    pub(super) fn rename(&mut self, now: Instant, from: BodyKey, to: BodyKey, steps: &mut Steps) {
        self.forget(to, ServingEnd::Replaced, steps);
        if let Some(body) = self.remove(from) {
            self.insert(to, body);
            self.prolong(now, to, false);
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

    /// The bytes of all bodies in memory that are served to a peer go.
    pub(super) fn withdraw(&mut self, peer: PeerIndex, end: ServingEnd, steps: &mut Steps) {
        let in_memory = self
            .of_peer(peer)
            .filter(|(_, body)| matches!(body.content, Content::Bytes(_)));
        let in_memory: Vec<_> = in_memory.map(|(key, _)| key).collect();
        for key in in_memory {
            self.let_bytes_go(key, end, steps);
        }
    }

    /// Forgets all bodies that are served to a peer, but not the peer.
    pub(super) fn forget_peer(&mut self, peer: PeerIndex, steps: &mut Steps) {
        while let Some(key) = self.first_of(peer) {
            self.forget(key, ServingEnd::PeerDropped, steps);
        }
    }

    fn insert(&mut self, key: BodyKey, mut body: ServedBody) {
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

    fn remove(&mut self, key: BodyKey) -> Option<ServedBody> {
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

    /// Makes room for one more body of a peer with this many bytes. Returns whether there is room.
    fn make_room(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        bytes: usize,
        steps: &mut Steps,
    ) -> bool {
        let room = self.room;
        if room.bodies.min(room.bodies_per_peer) == 0 || bytes > room.bytes {
            return false;
        }
        let now_and_next = now.as_millis().saturating_add(1);
        let busy_since = Instant::from_millis(now_and_next.saturating_sub(self.times.silence));
        while let Some(first) = self.first_to_go_of(peer, busy_since) {
            self.forget(first, ServingEnd::NoRoom, steps);
        }
        while self.bodies.len() >= room.bodies
            && let Some(first) = self.first_in(&self.order, busy_since)
        {
            self.forget(first, ServingEnd::NoRoom, steps);
            if first.peer != peer {
                steps.push(Step::ReleasePeer(first.peer));
            }
        }
        while self.held.of(peer).saturating_add(bytes) > room.bytes_per_peer
            && self.lighten_peer(peer, busy_since, steps)
        {}
        while self.held.all().saturating_add(bytes) > room.bytes && self.lighten(busy_since, steps)
        {
        }
        true
    }

    fn first_of(&self, peer: PeerIndex) -> Option<BodyKey> {
        self.of_peer(peer).next().map(|(key, _)| key)
    }

    fn of_peer(&self, peer: PeerIndex) -> impl Iterator<Item = (BodyKey, &ServedBody)> {
        self.bodies
            .range(BodyKey::all_of(peer))
            .map(|(key, body)| (*key, body))
    }

    /// The body of this peer that must be evicted, if the peer has reached its limit.
    fn first_to_go_of(&self, peer: PeerIndex, busy_since: Instant) -> Option<BodyKey> {
        let of_peer = || self.of_peer(peer);
        let (key, _) = of_peer().min_by_key(|(_, body)| body.rank(busy_since))?;
        (of_peer().count() >= self.room.bodies_per_peer).then_some(key)
    }

    /// The body with the lowest rank of all in this order.
    fn first_in(&self, order: &Order, busy_since: Instant) -> Option<BodyKey> {
        let first = order.first().map(|(.., key)| *key);
        let begin = (true, 0, BodyKey::new(PeerIndex(0), 0));
        let read = order.range(begin..).next().map(|(.., key)| *key);
        let rank = |key: &BodyKey| self.bodies.get(key).map(|body| body.rank(busy_since));
        [first, read].into_iter().flatten().min_by_key(rank)
    }

    /// Releases the bytes of a body. Returns whether there was one.
    fn lighten(&mut self, busy_since: Instant, steps: &mut Steps) -> bool {
        let first = self.first_in(&self.heavy, busy_since);
        first.is_some_and(|key| self.let_bytes_go(key, ServingEnd::NoRoom, steps))
    }

    /// The same for this peer.
    fn lighten_peer(&mut self, peer: PeerIndex, busy_since: Instant, steps: &mut Steps) -> bool {
        let heavy = self
            .of_peer(peer)
            .filter(|(_, body)| body.content.held() > 0);
        let first = heavy.min_by_key(|(_, body)| body.rank(busy_since));
        let first = first.map(|(key, _)| key);
        first.is_some_and(|key| self.let_bytes_go(key, ServingEnd::NoRoom, steps))
    }

    fn let_bytes_go(&mut self, key: BodyKey, end: ServingEnd, steps: &mut Steps) -> bool {
        let Some(body) = self.bodies.get_mut(&key) else {
            return false;
        };
        self.held.change(key.peer, body.content.held(), 0);
        self.heavy.remove(&body.order(key));
        body.content = Content::Gone;
        tell_released(key.peer, body.watched.take(), end, steps);
        true
    }
}

/// Tells the end of a body to those that watch it.
fn tell_released(peer: PeerIndex, watched: Option<Resource>, end: ServingEnd, steps: &mut Steps) {
    steps.extend(watched.map(|resource| Step::BodyReleased {
        peer,
        resource,
        result: end.result(),
    }));
}

/// What is to be done for a recipient whose block won't come.
fn block_lost(peer: PeerIndex, recipient: Recipient, end: ServingEnd) -> Option<Step> {
    match recipient {
        Recipient::Request(OpenRequest { record, .. }) => {
            let message = refusal(end)?;
            Some(Step::Answer { record, message })
        }
        Recipient::Repetition(record) => {
            let message = refusal(end)?;
            Some(Step::AnswerAgain { record, message })
        }
        Recipient::Observer { notice, .. } => {
            let reason = match end {
                ServingEnd::Replaced => FailureReason::Superseded,
                ServingEnd::Served | ServingEnd::NoRoom => FailureReason::NotSent,
                ServingEnd::Late | ServingEnd::Aborted(_) => FailureReason::Aborted,
                ServingEnd::PeerDropped => FailureReason::PeerDropped,
                ServingEnd::Unwanted => return None,
            };
            notice.confirmable.then_some(Step::NotificationFailed {
                peer,
                notice,
                reason,
            })
        }
    }
}

/// The answer to a request whose block won't come.
fn refusal(end: ServingEnd) -> Option<MessageBuf> {
    match end {
        // The client has blocks of a different body.
        ServingEnd::Replaced => Some(incomplete()),
        ServingEnd::Aborted(code) => Some(MessageBuf::response(code)),
        ServingEnd::Served | ServingEnd::NoRoom | ServingEnd::Late | ServingEnd::Unwanted => {
            Some(busy())
        }
        ServingEnd::PeerDropped => None,
    }
}
