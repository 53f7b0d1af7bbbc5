//! Datagrams that wait until what they depend on is stored.

use alloc::{collections::VecDeque, vec::Vec};

use hashbrown::HashMap;
use lwm2m_core::Instant;

use super::{config::Holding, id::Revision};
use crate::machine::{KeyedState, Peer, Transmit};

/// What waits until changes of records are [stored](super::Records::stored).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unstored {
    /// Datagrams that wait.
    pub datagrams: usize,
    /// What they take, in bytes.
    pub bytes: usize,
    /// Datagrams that were given up so far, for want of [room or time](super::Holding).
    pub lost: u64,
}

/// What leaves the server, in the order in which the endpoint sends it to each peer. A datagram to a peer waits for
/// all changes that were announced before for clients there, and nothing waits for later ones.
#[derive(Debug)]
pub(super) struct Gate<P> {
    bounds: Holding,
    /// All changes up to this one are stored.
    stored: Revision,
    /// What each peer waits for.
    peers: HashMap<P, Revision, KeyedState>,
    /// The same in its order, with what it was for a peer before.
    order: VecDeque<(Revision, P)>,
    /// What all peers wait for, as there were more changes than are told apart.
    all: Revision,
    waiting: VecDeque<Waiting<P>>,
    /// What the datagrams that wait take, in bytes.
    bytes: usize,
    /// What doesn't wait any more.
    ready: VecDeque<Waiting<P>>,
    /// What was lent last.
    lent: Vec<u8>,
    lost: u64,
    now: Instant,
}

#[derive(Debug)]
struct Waiting<P> {
    to: P,
    bytes: Vec<u8>,
    after: Revision,
    since: Instant,
}

impl<P: Peer> Gate<P> {
    pub(super) fn new(bounds: Holding, keys: KeyedState) -> Self {
        Self {
            bounds,
            stored: Revision::default(),
            peers: HashMap::with_hasher(keys),
            order: VecDeque::new(),
            all: Revision::default(),
            waiting: VecDeque::new(),
            bytes: 0,
            ready: VecDeque::new(),
            lent: Vec::new(),
            lost: 0,
            now: Instant::ZERO,
        }
    }

    /// The time of the calls.
    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// What is sent to this peer from now on waits until this change is stored.
    pub(super) fn close(&mut self, peer: &P, revision: Revision) {
        if self.order.len() >= self.bounds.datagrams {
            self.all = revision;
            return;
        }
        if self.peers.insert(peer.clone(), revision) != Some(revision) {
            self.order.push_back((revision, peer.clone()));
        }
    }

    /// All changes up to this one are stored.
    pub(super) fn stored(&mut self, revision: Revision) {
        self.stored = self.stored.max(revision);
        let stored = self.stored;
        while self
            .order
            .front()
            .is_some_and(|(first, _)| *first <= stored)
            && let Some((_, peer)) = self.order.pop_front()
        {
            if self.peers.get(&peer).is_some_and(|last| *last <= stored) {
                self.peers.remove(&peer);
            }
        }
        for one in core::mem::take(&mut self.waiting) {
            if one.after > stored {
                self.waiting.push_back(one);
                continue;
            }
            self.bytes = self.bytes.saturating_sub(one.bytes.len());
            if self.is_late(&one) {
                self.lost = self.lost.saturating_add(1);
            } else {
                self.ready.push_back(one);
            }
        }
    }

    /// The next datagram that depends on nothing, of those that `sent` hands out.
    pub(super) fn next(
        &mut self,
        mut sent: impl FnMut(&mut Vec<u8>) -> Option<P>,
    ) -> Option<Transmit<'_, P>> {
        if let Some(ready) = self.ready.pop_front() {
            self.lent = ready.bytes;
            return Some(Transmit {
                to: ready.to,
                payload: &self.lent,
            });
        }
        loop {
            self.lent.clear();
            let to = sent(&mut self.lent)?;
            let after = self.peers.get(&to).copied().unwrap_or_default();
            let after = after.max(self.all);
            if after <= self.stored {
                return Some(Transmit {
                    to,
                    payload: &self.lent,
                });
            }
            self.hold(to, after);
        }
    }

    /// Holds what was sent last. Without room it is as if it were lost on its way: what is confirmable is sent again.
    fn hold(&mut self, to: P, after: Revision) {
        while self
            .waiting
            .front()
            .is_some_and(|first| self.is_late(first))
            && let Some(late) = self.waiting.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(late.bytes.len());
            self.lost = self.lost.saturating_add(1);
        }
        let is_full = self.waiting.len() >= self.bounds.datagrams
            || self.bytes.saturating_add(self.lent.len()) > self.bounds.bytes;
        if is_full {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(self.lent.len());
        self.waiting.push_back(Waiting {
            to,
            bytes: self.lent.clone(),
            after,
            since: self.now,
        });
    }

    /// Whether the receiver of a datagram doesn't count on it any more: a request was repeated meanwhile, and a client
    /// in Queue Mode is perhaps asleep.
    fn is_late(&self, one: &Waiting<P>) -> bool {
        one.since + self.bounds.longest < self.now
    }

    pub(super) fn usage(&self) -> Unstored {
        Unstored {
            datagrams: self.waiting.len(),
            bytes: self.bytes,
            lost: self.lost,
        }
    }
}
