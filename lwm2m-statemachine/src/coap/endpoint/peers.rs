//! Who is known: only those of whom something is kept.

use alloc::{boxed::Box, collections::VecDeque};
use core::{hash::BuildHasher, mem};

use hashbrown::HashTable;
use lwm2m_core::Instant;
use slab::Slab;

use super::config::after;
use super::table::{Chain, KEEP, Key};
use crate::{Peer, random::KeyedState, random::Random};

/// What is kept of a peer.
#[derive(Clone, Debug)]
pub(super) struct PeerState<P> {
    pub(super) name: P,
    /// Messages received from it.
    pub(super) records: Chain,
    /// How many bodies come from it and go to it in blocks.
    pub(super) bodies: u32,
    /// What was sent to it. None if that is long ago.
    sending: Option<Box<Sending>>,
}

/// What is kept of a peer that something was sent to.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) requests: Chain,
    pub(super) transmissions: Chain,
    pub(super) notifications: Chain,
    /// How many transmissions wait for an acknowledgement: at most NSTART.
    pub(super) in_flight: u16,
    /// The transmissions that have not been sent yet, in their order.
    pub(super) waiting: VecDeque<Key>,
    pub(super) ids: MessageIds,
    /// When the last message id was used.
    pub(super) last_used: Instant,
    /// When to look whether all this can go, or whether message ids are free again.
    pub(super) deadline: Option<Instant>,
}

impl Sending {
    /// Whether nothing is kept but the message ids.
    pub(super) fn is_quiet(&self) -> bool {
        self.requests.is_empty() && self.transmissions.is_empty() && self.notifications.is_empty()
    }
}

/// The next message id for a peer. The 65536 ids are used in turn, from a random one; each
/// sixteenth of them is entered again only EXCHANGE_LIFETIME after it was left.
#[derive(Clone, Debug)]
pub(super) struct MessageIds {
    next: u16,
    /// When each sixteenth was left; made when the first one is.
    left: Option<Box<[Option<Instant>; 16]>>,
}

impl MessageIds {
    const SIXTEENTH: u16 = 1 << 12;

    fn new(random: &mut Random) -> Self {
        Self {
            next: random.next_u16(),
            left: None,
        }
    }

    /// Takes the next id; or tells when there will be one.
    pub(super) fn take(&mut self, now: Instant, lifetime: u64) -> Result<u16, Instant> {
        let id = self.next;
        if id.is_multiple_of(Self::SIXTEENTH)
            && let Some(left) = &self.left
            && let Some(Some(left)) = left.get(Self::sixteenth(id))
            && after(*left, lifetime) > now
        {
            return Err(after(*left, lifetime));
        }
        self.next = id.wrapping_add(1);
        if self.next.is_multiple_of(Self::SIXTEENTH) {
            let left = self.left.get_or_insert_default();
            if let Some(left) = left.get_mut(Self::sixteenth(id)) {
                *left = Some(now);
            }
        }
        Ok(id)
    }

    fn sixteenth(id: u16) -> usize {
        usize::from(id / Self::SIXTEENTH)
    }
}

/// The peers, by name and by index.
#[derive(Clone, Debug)]
pub(super) struct Peers<P> {
    states: Slab<PeerState<P>>,
    by_name: HashTable<u32>,
    keys: KeyedState,
}

impl<P: Peer> Peers<P> {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            states: Slab::new(),
            by_name: HashTable::new(),
            keys,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn find(&self, name: &P) -> Option<u32> {
        self.by_name
            .find(self.keys.hash_one(name), |index| {
                self.get(*index).is_some_and(|peer| peer.name == *name)
            })
            .copied()
    }

    /// The peer of this name, made if there is none; `None` if it would be one too many.
    pub(super) fn enter(&mut self, name: P, bound: usize) -> Option<u32> {
        let hash = self.keys.hash_one(&name);
        let found = self.by_name.find(hash, |index| {
            self.get(*index).is_some_and(|peer| peer.name == name)
        });
        if let Some(index) = found {
            return Some(*index);
        }
        if self.states.len() >= bound {
            return None;
        }
        let index = u32::try_from(self.states.vacant_key()).ok()?;
        self.states.insert(PeerState {
            name,
            records: Chain::default(),
            bodies: 0,
            sending: None,
        });
        let (states, keys) = (&self.states, self.keys);
        self.by_name.insert_unique(hash, index, |index| {
            states
                .get(*index as usize)
                .map_or(0, |peer| keys.hash_one(&peer.name))
        });
        Some(index)
    }

    pub(super) fn get(&self, index: u32) -> Option<&PeerState<P>> {
        self.states.get(index as usize)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut PeerState<P>> {
        self.states.get_mut(index as usize)
    }

    pub(super) fn name(&self, index: u32) -> Option<P> {
        self.get(index).map(|peer| peer.name.clone())
    }

    pub(super) fn sending(&self, index: u32) -> Option<&Sending> {
        self.get(index)?.sending.as_deref()
    }

    pub(super) fn sending_mut(&mut self, index: u32) -> Option<&mut Sending> {
        self.get_mut(index)?.sending.as_deref_mut()
    }

    /// The state of sending to this peer, made if there is none.
    pub(super) fn start_sending(
        &mut self,
        now: Instant,
        index: u32,
        random: &mut Random,
    ) -> Option<&mut Sending> {
        let peer = self.states.get_mut(index as usize)?;
        Some(peer.sending.get_or_insert_with(|| {
            Box::new(Sending {
                requests: Chain::default(),
                transmissions: Chain::default(),
                notifications: Chain::default(),
                in_flight: 0,
                waiting: VecDeque::new(),
                ids: MessageIds::new(random),
                last_used: now,
                deadline: None,
            })
        }))
    }

    pub(super) fn stop_sending(&mut self, index: u32) {
        if let Some(peer) = self.get_mut(index) {
            peer.sending = None;
        }
    }

    /// Forgets the peer if nothing is kept of it.
    pub(super) fn release(&mut self, index: u32) {
        let Some(peer) = self.get(index) else { return };
        if !peer.records.is_empty() || peer.bodies > 0 || peer.sending.is_some() {
            return;
        }
        let hash = self.keys.hash_one(&peer.name);
        if let Ok(entry) = self.by_name.find_entry(hash, |other| *other == index) {
            entry.remove();
        }
        self.states.try_remove(index as usize);
        if self.states.is_empty() && self.states.capacity() > KEEP {
            self.states = Slab::new();
            drop(mem::take(&mut self.by_name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_not_used_again_within_their_lifetime() {
        let lifetime = 247_000;
        let mut random = Random::new([3; 32]);
        let mut ids = MessageIds::new(&mut random);
        let mut used = alloc::vec![None; 1 << 16];
        let mut now = Instant::ZERO;
        let mut waits = 0;
        for step in 0..300_000_u32 {
            if step % 3 == 0 {
                now = after(now, 1);
            }
            let id = loop {
                match ids.take(now, lifetime) {
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
        }
        assert!(waits > 1);
    }
}
