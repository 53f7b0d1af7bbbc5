//! The bodies that are kept, and which of them goes when there is no room.
//!
//! Those that are being read go last: those of which a later block than the first was asked for, and
//! not longer ago than a client waits before it sends a message again. All that a flood of requests
//! has to show is that a first block was asked for, which nobody needs to mean. Of the others, and
//! among themselves, the one that was asked for longest ago goes first.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use bytes::Bytes;
use lwm2m_core::Instant;

use super::super::held::Held;
use crate::coap::{
    endpoint::{
        body::SourceId,
        exchanges::notifications::Notice,
        keys::{BodyKey, PeerIndex},
        table::Key,
    },
    message_buf::MessageBuf,
    option::BlockOption,
    token::Token,
};

/// The bodies that are kept, by peer and resource.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Serving {
    pub(super) bodies: BTreeMap<BodyKey, Kept>,
    order: Order,
    /// The same, of those that hold bytes.
    heavy: Order,
    clock: u64,
    held: Held,
    /// The bodies of notifications that wait for their first block, by peer and token.
    notices: BTreeMap<(PeerIndex, Token), u64>,
}

/// Those that are not being read, then those that are; of each, the one asked for longest ago first.
type Order = BTreeSet<(bool, u64, BodyKey)>;

#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The response without its payload, and without the options of one block.
    pub(super) head: MessageBuf,
    pub(super) etag: Vec<u8>,
    pub(super) content: Content,
    /// Whether a later block than the first was asked for.
    pub(super) read: bool,
    /// Its place in the order.
    pub(super) used: u64,
    /// When it was asked for first, and last.
    pub(super) begun: Instant,
    pub(super) asked: Instant,
    pub(super) deadline: Option<Instant>,
}

impl Kept {
    const fn place(&self, key: BodyKey) -> (bool, u64, BodyKey) {
        (self.read, self.used, key)
    }

    /// Which of two goes first: the lesser. One is being read if it was asked for after `busy_since`
    /// or then.
    fn rank(&self, busy_since: Instant) -> (bool, u64) {
        (self.read && self.asked >= busy_since, self.used)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    Source {
        id: SourceId,
        size: Option<u32>,
        /// The requests that wait for a block, and which one.
        waiting: Vec<Waiting>,
    },
    /// It had to go; a body with another ETag is not the same.
    Gone,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) who: Who,
    pub(super) block: BlockOption,
    /// Observe, of a notification or of the first response to an observation.
    pub(super) observe: Option<u32>,
    /// Whether a block was asked for.
    pub(super) explicit: bool,
}

/// What a block is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// The answer to this request.
    Request(Key),
    /// The same answer to it once more.
    Again(Key),
    /// A notification.
    Observer(Observer),
}

/// Whom a notification is for that waits for its first block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observer {
    pub(super) notice: Notice,
    /// Under what the other blocks are asked for, if they can be.
    pub(super) resource: Option<u64>,
}

impl Content {
    /// Who waits for a block.
    pub(super) fn waiting(&self) -> &[Waiting] {
        match self {
            Self::Source { waiting, .. } => waiting,
            Self::Bytes(_) | Self::Gone => &[],
        }
    }

    /// How long the body is, if that is known.
    pub(super) fn size(&self) -> Option<u32> {
        match self {
            Self::Bytes(bytes) => Some(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            Self::Source { size, .. } => *size,
            Self::Gone => None,
        }
    }

    /// The notification that waits for its first block.
    pub(super) fn notice(&self) -> Option<Notice> {
        self.waiting().iter().find_map(|waiting| match waiting.who {
            Who::Observer(observer) => Some(observer.notice),
            Who::Request(_) | Who::Again(_) => None,
        })
    }

    pub(super) fn held(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Source { .. } | Self::Gone => 0,
        }
    }
}

impl Serving {
    pub(in crate::coap::endpoint) fn len(&self) -> usize {
        self.bodies.len()
    }

    pub(in crate::coap::endpoint) const fn bytes(&self) -> usize {
        self.held.all()
    }

    pub(super) fn bytes_of(&self, peer: PeerIndex) -> usize {
        self.held.of(peer)
    }

    /// Whether each body has its place in the order, and nothing else has one.
    pub(in crate::coap::endpoint) fn is_in_order(&self) -> bool {
        self.order.len() == self.bodies.len()
    }

    fn of_peer(&self, peer: PeerIndex) -> impl Iterator<Item = (u64, &Kept)> {
        self.bodies
            .range(BodyKey::all_of(peer))
            .map(|(key, kept)| (key.resource, kept))
    }

    pub(super) fn first_of(&self, peer: PeerIndex) -> Option<u64> {
        self.of_peer(peer).next().map(|(resource, _)| resource)
    }

    /// The body of this peer that is to go, if it has so many.
    pub(super) fn first_to_go_of(
        &self,
        peer: PeerIndex,
        bound: usize,
        busy_since: Instant,
    ) -> Option<BodyKey> {
        let of_peer = || self.of_peer(peer);
        let (resource, _) = of_peer().min_by_key(|(_, kept)| kept.rank(busy_since))?;
        (of_peer().count() >= bound).then_some(BodyKey::new(peer, resource))
    }

    /// The body that is to go, of all peers.
    pub(super) fn first_to_go(&self, busy_since: Instant) -> Option<BodyKey> {
        self.first_in(&self.order, busy_since)
    }

    fn first_in(&self, order: &Order, busy_since: Instant) -> Option<BodyKey> {
        let first = order.first().map(|(.., key)| *key);
        let begin = (true, 0, BodyKey::new(PeerIndex(0), 0));
        let read = order.range(begin..).next().map(|(.., key)| *key);
        let rank = |key: &BodyKey| self.bodies.get(key).map(|kept| kept.rank(busy_since));
        [first, read].into_iter().flatten().min_by_key(rank)
    }

    /// Moves a body to the end of its order; a later block than the first was asked for, or not.
    pub(super) fn touch(&mut self, now: Instant, key: BodyKey, later: bool) {
        let Some(kept) = self.bodies.get_mut(&key) else {
            return;
        };
        let before = kept.place(key);
        self.clock = self.clock.wrapping_add(1);
        kept.read |= later;
        kept.used = self.clock;
        kept.asked = now;
        let after = kept.place(key);
        for order in [&mut self.order, &mut self.heavy] {
            if order.remove(&before) {
                order.insert(after);
            }
        }
    }

    /// Lets the bytes of a body go; says whether there was one.
    pub(super) fn lighten(&mut self, busy_since: Instant) -> bool {
        let first = self.first_in(&self.heavy, busy_since);
        first.is_some_and(|key| self.let_go(key))
    }

    /// The same of this peer.
    pub(super) fn lighten_peer(&mut self, peer: PeerIndex, busy_since: Instant) -> bool {
        let heavy = self
            .of_peer(peer)
            .filter(|(_, kept)| kept.content.held() > 0);
        let first = heavy.min_by_key(|(_, kept)| kept.rank(busy_since));
        let first = first.map(|(resource, _)| BodyKey::new(peer, resource));
        first.is_some_and(|key| self.let_go(key))
    }

    fn let_go(&mut self, key: BodyKey) -> bool {
        let Some(kept) = self.bodies.get_mut(&key) else {
            return false;
        };
        self.held.change(key.peer, kept.content.held(), 0);
        self.heavy.remove(&kept.place(key));
        kept.content = Content::Gone;
        true
    }

    /// The body of the notification to this observer that waits for its first block.
    pub(super) fn notice(&self, peer: PeerIndex, token: Token) -> Option<BodyKey> {
        let key = *self.notices.get(&(peer, token))?;
        Some(BodyKey::new(peer, key))
    }

    pub(super) fn insert(&mut self, key: BodyKey, mut kept: Kept) {
        self.clock = self.clock.wrapping_add(1);
        kept.used = self.clock;
        self.order.insert(kept.place(key));
        if kept.content.held() > 0 {
            self.heavy.insert(kept.place(key));
            self.held.change(key.peer, 0, kept.content.held());
        }
        if let Some(Notice { token, .. }) = kept.content.notice() {
            self.notices.insert((key.peer, token), key.resource);
        }
        self.bodies.insert(key, kept);
    }

    pub(super) fn remove(&mut self, key: BodyKey) -> Option<Kept> {
        let kept = self.bodies.remove(&key)?;
        self.order.remove(&kept.place(key));
        self.heavy.remove(&kept.place(key));
        self.held.change(key.peer, kept.content.held(), 0);
        if let Some(Notice { token, .. }) = kept.content.notice()
            && self.notices.get(&(key.peer, token)) == Some(&key.resource)
        {
            self.notices.remove(&(key.peer, token));
        }
        Some(kept)
    }
}
