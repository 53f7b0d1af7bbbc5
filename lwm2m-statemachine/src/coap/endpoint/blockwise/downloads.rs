//! Room for the responses that are put together from blocks. A peer has its share; of all room,
//! [`holders`](super::holders) says who gives way. One that gives way fails.

use lwm2m_core::Instant;

use super::{
    holders::Newcomer,
    transfer::{Limits, Step},
};
use crate::{
    coap::{
        endpoint::{Endpoint, event::FailureReason, keys::PeerIndex, table::Key},
        message::MessageRef,
    },
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
    /// What holds for the response to this request.
    pub(super) fn limits(&self, peer: PeerIndex, key: Key) -> Option<Limits> {
        let channel = self.requests.get(key)?.mode.channel;
        let room = self.config.bounds.response_bytes;
        let room = room.saturating_sub(self.responses.bytes());
        let share = self.share_of_responses();
        Some(Limits {
            size: self.blockwise.sizes.preferred_of_peer(channel),
            body: self.config.bounds.body,
            room: room.min(share.saturating_sub(self.responses.bytes_of(peer))),
        })
    }

    /// The share of one peer in bytes. One body has room in it in any case.
    fn share_of_responses(&self) -> usize {
        let bounds = &self.config.bounds;
        bounds.response_bytes_per_peer.max(bounds.body)
    }

    /// Has a transfer take a response, and makes room for it if need be.
    pub(super) fn take_block(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        response: &MessageRef<'_>,
    ) -> Option<Step> {
        let step = self.try_block(now, peer, key, response)?;
        if !matches!(step, Step::Failed(FailureReason::NoRoom)) {
            return Some(step);
        }
        let newcomer = Newcomer {
            peer,
            needed: response.payload().len(),
            announced: self.requests.transfer(key)?.announced(),
        };
        if self.make_room_for_response(now, newcomer) {
            self.try_block(now, peer, key, response)
        } else {
            Some(step)
        }
    }

    fn try_block(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        response: &MessageRef<'_>,
    ) -> Option<Step> {
        let limits = self.limits(peer, key)?;
        let transfer = self.requests.transfer(key)?;
        let before = transfer.held();
        let step = transfer.take(response, limits);
        let after = transfer.held();
        self.count_response(now, peer, before, after);
        self.responses.hear(now, peer, before > 0);
        self.await_whole(now, key);
        Some(step)
    }

    /// A response of this peer that took `before` bytes takes `after`.
    pub(super) fn count_response(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        before: usize,
        after: usize,
    ) {
        if before == 0 && after > 0 {
            self.responses.enter(now, peer);
        }
        self.responses.change(peer, before, after);
        if before > 0 && after == 0 {
            self.responses.leave(peer);
        }
    }

    /// Makes room for more bytes of a response; says whether there is.
    fn make_room_for_response(&mut self, now: Instant, newcomer: Newcomer) -> bool {
        let all = self.config.bounds.response_bytes;
        let own = self.responses.bytes_of(newcomer.peer);
        let share = self.share_of_responses().min(all);
        if own.saturating_add(newcomer.needed) > share {
            return false;
        }
        while self.responses.bytes().saturating_add(newcomer.needed) > all {
            let peer = self
                .responses
                .to_give_way(now, newcomer, self.spans.silence);
            let Some(request) = peer.and_then(|peer| self.largest_response_of(peer)) else {
                return false;
            };
            self.transfer_failed(now, request, FailureReason::NoRoom);
        }
        true
    }

    /// The request of this peer whose response takes the most.
    fn largest_response_of(&self, peer: PeerIndex) -> Option<Key> {
        let chain = self.messages.exchanges(peer)?.requests;
        let held = self.requests.of(chain).filter_map(|(key, request)| {
            let held = request.transfer.as_ref()?.held();
            (held > 0).then_some((held, key))
        });
        held.max_by_key(|(held, _)| *held).map(|(_, key)| key)
    }
}
