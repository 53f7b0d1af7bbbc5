//! Adding and removing peers in all layers.

use lwm2m_core::Instant;

use super::{
    event::{FailureReason, Overload},
    exchanges::{Observations, OpenExchange, Requests, RestoreError},
    keys::PeerIndex,
    layers::Layers,
    messages::Transmission,
    table::Key,
};
use crate::machine::{Channel, Peer};

impl<P: Peer> Layers<P> {
    /// The peer with this name, added if it is new; `None` if there is no room. Strangers don't
    /// fill the table: one of them is evicted for a new peer.
    pub(super) fn enter(&mut self, now: Instant, name: P) -> Option<PeerIndex> {
        if self.messages.is_full_for(&name) {
            self.displace(now);
        }
        self.messages.enter(name)
    }

    /// The peer that a request is to be sent to, if one more is allowed.
    pub(super) fn enter_for_request(&mut self, now: Instant, to: P) -> Result<PeerIndex, Overload> {
        let peer = self.enter(now, to).ok_or(Overload::Peers)?;
        let requests = &self.exchanges.requests;
        requests.check_room(&mut self.messages, peer)?;
        Ok(peer)
    }

    /// Evicts a stranger, if a short search finds one.
    fn displace(&mut self, now: Instant) {
        /// Where one peer in ten is a stranger, one is found nearly always.
        const LOOKS: usize = 64;
        for _ in 0..LOOKS {
            let peer = self.messages.next_in_turn();
            if self.may_displace(now, peer) {
                self.forget_peer(now, peer);
                return;
            }
        }
    }

    /// Whether a peer is a stranger without an active transfer. A body that has only begun doesn't
    /// count.
    fn may_displace(&self, now: Instant, peer: PeerIndex) -> bool {
        if self.blockwise.comes_on(now, peer) {
            return false;
        }
        let first_blocks = self.blockwise.first_blocks(peer);
        self.messages.is_stranger(peer, first_blocks)
    }

    /// Removes a peer and all its state.
    pub(super) fn forget_peer(&mut self, now: Instant, peer: PeerIndex) {
        self.forget_exchanges(now, peer, Observations::End);
    }

    /// Removes a peer and all its state but the observations that have begun, and the peer if there
    /// are none.
    pub(super) fn end_session(&mut self, now: Instant, peer: PeerIndex) {
        self.forget_exchanges(now, peer, Observations::Stay);
    }

    /// Moves an observation to another peer, on this channel. If the blocks of its newest answer are
    /// still arriving, they are lost.
    pub(super) fn move_observation(
        &mut self,
        now: Instant,
        key: Key,
        (to, channel): (P, Channel),
    ) -> Result<(), RestoreError> {
        let is_begun =
            |requests: &Requests| requests.get(key).is_some_and(|one| one.kind.is_begun());
        let requests = &self.exchanges.requests;
        let of = self.sent_request(key).filter(|_| is_begun(requests));
        let of = of.ok_or(RestoreError::NotAnObservation)?;
        let is_there = self.messages.find(&to) == Some(of.peer);
        let mut peer = of.peer;
        if !is_there {
            peer = self.enter_for_request(now, to)?;
            if self.blockwise.has_transfer(of) {
                self.transfer_failed(now, key, FailureReason::PeerDropped);
            }
        }
        let requests = &mut self.exchanges.requests;
        if !is_begun(requests) {
            self.messages.release(peer);
            return Err(RestoreError::NotAnObservation);
        }
        requests.move_to(now, &mut self.messages, key, (peer, channel));
        Ok(())
    }

    /// Ends all exchanges with a peer and forgets everything else about it.
    fn forget_exchanges(&mut self, now: Instant, peer: PeerIndex, observations: Observations) {
        self.end_exchanges(now, peer, observations, |_, _| {});
        let (exchanges, mut below) = self.exchanges();
        let notifications = &mut exchanges.notifications;
        notifications.forget_peer(now, &mut below, peer);
        self.forget_bodies(now, peer);
        self.messages.forget_peer(peer);
    }

    /// Ends everything pending with a peer. Records of requests that must not be processed again
    /// are kept, and the message ids of notifications: a Reset may still arrive.
    pub(super) fn close_peer(&mut self, now: Instant, peer: PeerIndex) {
        self.end_exchanges(now, peer, Observations::End, |layers, transmission| {
            let (exchanges, mut below) = layers.exchanges();
            let notifications = &mut exchanges.notifications;
            notifications.ended(now, &mut below, peer, transmission);
        });
        let (exchanges, mut below) = self.exchanges();
        exchanges.notifications.close(&mut below, peer);
        let remembers = exchanges.notifications.oldest(below.messages, peer);
        self.forget_bodies(now, peer);
        if self.messages.close_records(peer) && remembers.is_none() {
            self.forget_peer(now, peer);
        } else {
            self.messages.settle(now, peer);
        }
    }

    /// Removes all bodies from and to a peer, but not the peer.
    fn forget_bodies(&mut self, now: Instant, peer: PeerIndex) {
        self.blockwise.forget_peer(peer);
        let _ = self.do_steps(now);
    }

    /// Cancels everything that is being sent to a peer or waits for its answer. `ended` is told of each
    /// message that was being sent.
    fn end_exchanges(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        observations: Observations,
        ended: impl Fn(&mut Self, &Transmission),
    ) {
        let reason = FailureReason::PeerDropped;
        self.blockwise.forget_uploads(peer);
        // No queued message to the peer must be sent in the meantime.
        for key in self.messages.take_waiting(peer).rev() {
            self.drop_transmission(now, peer, key, &ended);
        }
        loop {
            let open = self
                .exchanges
                .first_open(&self.messages, peer, observations);
            let Some(open) = open else { break };
            match open {
                OpenExchange::Request(key) => self.fail_request(now, key, reason),
                OpenExchange::Transmission(key) => {
                    self.drop_transmission(now, peer, key, &ended);
                }
            }
        }
    }

    fn drop_transmission(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        ended: &impl Fn(&mut Self, &Transmission),
    ) {
        let (exchanges, below) = self.exchanges();
        if let Some(transmission) = exchanges.end_transmission(now, below.messages, key) {
            ended(self, &transmission);
            let failed = (peer, &transmission);
            self.transmission_failed(now, failed, FailureReason::PeerDropped);
        }
    }
}
