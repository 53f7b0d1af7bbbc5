//! Room for bodies that are served: which of them is evicted.
//!
//! A body is being read if a block other than the first was requested within the time that a client
//! waits before it retransmits. Bodies that are being read are evicted last: a flood of requests
//! for first blocks can't displace them. A body that is kept for longer than a transfer may take,
//! because transfers of it begin again and again, doesn't count as being read. Otherwise the least
//! recently requested body is evicted first.

use alloc::vec::Vec;

use lwm2m_core::Instant;

use super::{
    super::step::{Step, Steps},
    bodies::{Order, ServedBodies},
    body::{Content, ServingEnd, tell_released},
};
use crate::coap::endpoint::keys::{BodyKey, PeerIndex};

impl ServedBodies {
    /// Makes room for one more body of a peer with this many bytes. Returns whether there is room.
    pub(super) fn make_room(
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

    /// The bytes of all bodies in memory that are served to a peer go, except those of one.
    pub(super) fn withdraw(
        &mut self,
        peer: PeerIndex,
        except: Option<BodyKey>,
        end: ServingEnd,
        steps: &mut Steps,
    ) {
        let in_memory = self.of_peer(peer).filter(|(key, body)| {
            matches!(body.content, Content::Bytes(_)) && Some(*key) != except
        });
        let in_memory: Vec<_> = in_memory.map(|(key, _)| key).collect();
        for key in in_memory {
            self.let_bytes_go(key, end, steps);
        }
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
