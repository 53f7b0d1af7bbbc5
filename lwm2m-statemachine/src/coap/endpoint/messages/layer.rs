//! The interface of the message layer.

use lwm2m_core::{Code, Instant};

use super::{
    id_owners::IdOwner,
    outbox::Out,
    peers::{Lifetimes, PeerExchanges, Peers, Sending, Share},
    received::Received,
    records::State,
    sender::{Outcome, Sender},
    transmission::{NewerNotification, Transmission},
};
use crate::{
    coap::{
        endpoint::{
            config::{Bounds, Config, Spans, after},
            context::{Repetition, RequestContext},
            deadline::Deadline,
            event::{DatagramError, SendError},
            keys::{BodyKey, PeerIndex},
            table::Key,
            usage::Usage,
        },
        message::{MessageRef, MessageType},
        message_buf::{MessageBuf, WireMessage},
        option::BlockOption,
    },
    machine::{Channel, Datagram, KeyedState, Peer, Random, Transmit},
};

/// Peers, and the messages from and to them.
///
/// It owns the random number generator and lends it to the layers above, so that all numbers are
/// drawn in a fixed order.
#[derive(Debug)]
pub(crate) struct Messages<P> {
    pub(super) sender: Sender<P>,
    pub(super) received: Received,
    pub(super) spans: Spans,
    bounds: Bounds,
}

/// The keys of the maps whose keys peers choose.
#[derive(Debug)]
pub(crate) struct MessageKeys {
    pub(crate) peers: KeyedState,
    pub(crate) records: KeyedState,
    pub(crate) message_ids: KeyedState,
}

/// A duplicate request for a block of a served body: the block must be generated again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServedBlock {
    pub(crate) record: Key,
    pub(crate) body: BodyKey,
    pub(crate) block: BlockOption,
}

impl<P: Peer> Messages<P> {
    pub(crate) fn new(config: &Config, keys: &MessageKeys, random: Random) -> Self {
        let (spans, bounds) = (Spans::new(config), config.bounds);
        Self {
            sender: Sender::new(
                Peers::new(keys.peers, Lifetimes::new(&spans)),
                keys.message_ids,
                random,
                spans,
                bounds.transmissions_per_peer,
            ),
            received: Received::new(keys.records, bounds, spans),
            spans,
            bounds,
        }
    }

    /// The generator, and whether a record is still there.
    pub(crate) fn random_and_records(&mut self) -> (&mut Random, impl Fn(Key) -> bool) {
        let records = &self.received.records;
        (&mut self.sender.random, |record| {
            records.get(record).is_some()
        })
    }

    // Peers.

    pub(crate) fn find(&self, name: &P) -> Option<PeerIndex> {
        self.sender.peers.find(name)
    }

    /// Whether there is no room for a peer with this name.
    pub(crate) fn is_full_for(&self, name: &P) -> bool {
        let peers = &self.sender.peers;
        peers.len() >= self.bounds.peers && peers.find(name).is_none()
    }

    /// The peer with this name, added if it is new; `None` if there is no room.
    pub(crate) fn enter(&mut self, name: P) -> Option<PeerIndex> {
        self.sender.peers.enter(name, self.bounds.peers)
    }

    /// Renames a peer. Returns false if there is no such peer or the new name is in use.
    pub(crate) fn rename(&mut self, from: &P, to: P) -> bool {
        self.sender.peers.rename(from, to)
    }

    pub(crate) fn name(&self, peer: PeerIndex) -> Option<P> {
        self.sender.peers.name(peer)
    }

    /// The next peer in turn.
    pub(crate) fn next_in_turn(&mut self) -> PeerIndex {
        self.sender.peers.next_in_turn()
    }

    /// Whether forgetting a peer loses only answers, apart from these requests with the first
    /// block of a body.
    pub(crate) fn is_stranger(
        &self,
        peer: PeerIndex,
        first_blocks: impl Iterator<Item = Key>,
    ) -> bool {
        let begun = first_blocks.filter(|record| self.received.records.is_kept(*record));
        self.sender.peers.is_stranger(peer, begun.count())
    }

    /// Keeps the peer while a body is transferred from or to it in blocks. Returns whether the peer
    /// exists.
    pub(crate) fn hold(&mut self, peer: PeerIndex) -> bool {
        let Some(peer) = self.sender.peers.get_mut(peer) else {
            return false;
        };
        peer.bodies = peer.bodies.saturating_add(1);
        true
    }

    /// Releases the peer after the transfer of a body has ended.
    pub(crate) fn let_go(&mut self, peer: PeerIndex) {
        if let Some(peer) = self.sender.peers.get_mut(peer) {
            peer.bodies = peer.bodies.saturating_sub(1);
        }
    }

    /// Removes the peer if it has no state.
    pub(crate) fn release(&mut self, peer: PeerIndex) {
        self.sender.peers.release(peer);
    }

    /// What the layer above keeps of a peer to which something is being sent.
    pub(crate) fn exchanges(&self, peer: PeerIndex) -> Option<&PeerExchanges> {
        let sending = self.sender.peers.sending(peer)?;
        Some(&sending.exchanges)
    }

    /// The same, to take from it; [`settle`](Self::settle) after that.
    pub(crate) fn exchanges_mut(&mut self, peer: PeerIndex) -> Option<&mut PeerExchanges> {
        let sending = self.sender.peers.sending_mut(peer)?;
        Some(&mut sending.exchanges)
    }

    /// The same, to add to it.
    pub(crate) fn start_exchange(
        &mut self,
        now: Instant,
        peer: PeerIndex,
    ) -> Option<&mut PeerExchanges> {
        let Sender { peers, random, .. } = &mut self.sender;
        let sending = peers.start_sending(now, peer, random)?;
        Some(&mut sending.exchanges)
    }

    /// Schedules the removal of a peer to which nothing is being sent any more.
    pub(crate) fn settle(&mut self, now: Instant, peer: PeerIndex) {
        self.sender.settle(now, peer);
    }

    /// Removes all queued messages to the peer. Returns them in the order in which they would have
    /// been sent.
    pub(crate) fn take_waiting(
        &mut self,
        peer: PeerIndex,
    ) -> impl DoubleEndedIterator<Item = Key> + use<P> {
        let sending = self.sender.peers.sending_mut(peer);
        let waiting = sending.map(Sending::take_waiting);
        self.sender.forget_wait(peer);
        waiting.into_iter().flatten()
    }

    /// The connection to a peer is closed: its requests are no longer answered, and records of
    /// messages that are harmless to process again are dropped. Returns whether no records are
    /// left.
    pub(crate) fn close_records(&mut self, peer: PeerIndex) -> bool {
        let peers = &mut self.sender.peers;
        self.received.close(peers, peer);
        let state = self.sender.peers.get(peer);
        state.is_none_or(|state| state.records.is_empty())
    }

    /// Removes a peer without pending exchanges or transfers. If it has observations, they stay, and
    /// the peer with its message ids.
    pub(crate) fn forget_peer(&mut self, peer: PeerIndex) {
        let exchanges = self.exchanges(peer);
        let is_observed = exchanges.is_some_and(|exchanges| !exchanges.requests.is_empty());
        let peers = &mut self.sender.peers;
        if !is_observed {
            peers.stop_sending(peer);
        }
        while let Some(state) = peers.get(peer)
            && let Some(key) = self.received.records.oldest(state.records)
        {
            self.received.forget(peers, key);
        }
        peers.release(peer);
    }

    // Messages that were received.

    /// The record of this message, if it is a duplicate.
    pub(crate) fn find_record(&mut self, peer: PeerIndex, message: &MessageRef<'_>) -> Option<Key> {
        self.received.find(&mut self.sender.peers, peer, message)
    }

    /// Makes room for one more record of this peer; returns whether that succeeded. If not, the
    /// peer is removed if it has no state.
    pub(crate) fn make_room(&mut self, peer: PeerIndex) -> bool {
        self.received.make_room(&mut self.sender.peers, peer)
    }

    /// Remembers a request.
    pub(crate) fn record_request(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        (message, multicast): (&MessageRef<'_>, bool),
        context: RequestContext,
    ) -> Option<Key> {
        let repetition = context.repetition(message);
        let from = (peer, context.channel);
        let state = State::Open(context);
        let peers = &mut self.sender.peers;
        self.received
            .insert(now, peers, from, (message, multicast), (repetition, state))
    }

    /// Remembers a response, so that a repetition of it is acknowledged and not rejected.
    pub(crate) fn record_response(
        &mut self,
        now: Instant,
        (peer, channel): (PeerIndex, Channel),
        message: &MessageRef<'_>,
    ) {
        if self.make_room(peer) {
            let repetition = Repetition::Harmless;
            let peers = &mut self.sender.peers;
            let state = (repetition, State::Done);
            self.received
                .insert(now, peers, (peer, channel), (message, false), state);
        }
    }

    /// Schedules the acknowledgement of a confirmable request that has no answer after the
    /// configured delay. Not over SMS: a message that only announces an answer is not worth its
    /// cost.
    pub(crate) fn acknowledge_later(&mut self, now: Instant, record: Key, channel: Channel) {
        let records = &mut self.received.records;
        let is_confirmable = records.get(record).is_some_and(|record| record.confirmable);
        if is_confirmable && channel == Channel::Udp {
            let deadline = after(now, self.spans.acknowledgement_delay);
            records.acknowledge_at(record, deadline);
        }
    }

    /// Handles a duplicate message, unless it requests a block of a body.
    pub(crate) fn repeat(&mut self, from: P, key: Key) -> Option<ServedBlock> {
        let (record, peer) = (
            self.received.records.get(key)?,
            self.received.records.peer(key)?,
        );
        if !record.confirmable {
            return None;
        }
        let message_id = record.message_id;
        match &record.state {
            State::Open(_) | State::AtLeisure(_) => None,
            State::Answered(_) => {
                self.sender.outbox.record(from, key);
                None
            }
            State::Served {
                resource, block, ..
            } => Some(ServedBlock {
                record: key,
                body: BodyKey::new(peer, *resource),
                block: *block,
            }),
            State::Acknowledged(_) | State::Done => {
                let kind = MessageType::Acknowledgement;
                self.sender.outbox.empty(from, kind, message_id);
                None
            }
        }
    }

    pub(crate) fn record_peer(&self, record: Key) -> Option<PeerIndex> {
        self.received.records.peer(record)
    }

    /// The context of a request that has no answer yet, and its peer.
    pub(crate) fn context(&self, record: Key) -> Option<(PeerIndex, &RequestContext)> {
        let records = &self.received.records;
        Some((records.peer(record)?, records.context(record)?))
    }

    /// Marks a message as harmless to process again: its record may be evicted when room is needed.
    pub(crate) fn spare_record(&mut self, record: Key) {
        self.received.make_spare(&mut self.sender.peers, record);
    }

    /// The peer has received the answer to a confirmable request: duplicates of the request are
    /// only acknowledged.
    pub(crate) fn answer_arrived(&mut self, record: Key) {
        self.received.answer_arrived(&mut self.sender.peers, record);
    }

    /// Forgets a request that is to be ignored. If it was acknowledged already, it just gets no answer.
    pub(crate) fn ignore(&mut self, record: Key) {
        match self.received.records.get(record).map(|known| &known.state) {
            Some(State::Open(_)) => self.received.forget(&mut self.sender.peers, record),
            Some(_) => self
                .received
                .set(&mut self.sender.peers, record, State::Done),
            None => {}
        }
    }

    /// Acknowledges a confirmable request that was not answered.
    pub(crate) fn acknowledge(&mut self, record: Key) {
        let records = &self.received.records;
        let (Some(known), Some(peer)) = (records.get(record), records.peer(record)) else {
            return;
        };
        let (State::Open(context), true) = (&known.state, known.confirmable) else {
            return;
        };
        let (context, message_id) = (*context, known.message_id);
        let peers = &mut self.sender.peers;
        self.received
            .set(peers, record, State::Acknowledged(context));
        if let Some(name) = peers.name(peer) {
            let kind = MessageType::Acknowledgement;
            self.sender.outbox.empty(name, kind, message_id);
        }
    }

    /// Sends an Empty acknowledgement.
    pub(crate) fn send_acknowledgement(&mut self, to: P, message_id: u16) {
        let kind = MessageType::Acknowledgement;
        self.sender.outbox.empty(to, kind, message_id);
    }

    /// Rejects a message with a Reset, unless it is multicast (RFC 7252 §8.1).
    pub(crate) fn reject(&mut self, datagram: &Datagram<'_, P>, message_id: u16) {
        if !datagram.multicast {
            let to = datagram.from.clone();
            self.sender.outbox.empty(to, MessageType::Reset, message_id);
        }
    }

    /// Answers 5.03 to a request for which there is no room for a record.
    pub(crate) fn refuse_unrecorded(&mut self, to: P, message: &MessageRef<'_>) {
        let refused = MessageBuf::response(Code::SERVICE_UNAVAILABLE).finish(
            MessageType::Acknowledgement,
            message.message_id(),
            message.token(),
        );
        self.sender.outbox.message(to, refused);
    }

    // Messages that are sent.

    /// Whether one more confirmable notification or separate response to the peer may be queued;
    /// requests have a separate limit.
    pub(crate) fn may_transmit(&self, peer: PeerIndex, share: Share) -> bool {
        self.sender.may_transmit(peer, share)
    }

    /// Queues a message, and sends it as soon as NSTART allows, not over SMS.
    pub(crate) fn transmit(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        transmission: Transmission,
    ) -> Option<Key> {
        self.sender.transmit(now, peer, transmission)
    }

    /// Sends a request or a notification once, with a new message id. Returns the id.
    pub(crate) fn send_once(
        &mut self,
        now: Instant,
        (peer, channel): (PeerIndex, Channel),
        kind: MessageType,
        message: WireMessage,
    ) -> Result<u16, SendError> {
        let way = (Share::Initiated, channel);
        self.sender.send_once(now, peer, way, kind, message)
    }

    /// Ends a transmission: it was acknowledged, or is no longer wanted. The next message is sent.
    pub(crate) fn end_transmission(&mut self, now: Instant, key: Key) -> Option<Transmission> {
        self.sender.end(now, key)
    }

    /// The oldest transmission to this peer.
    pub(crate) fn oldest_transmission(&self, peer: PeerIndex) -> Option<Key> {
        self.sender.oldest(peer)
    }

    pub(crate) fn transmission(&self, key: Key) -> Option<&Transmission> {
        self.sender.transmission(key)
    }

    /// The request of a transmission is abandoned. If it is outstanding and non-confirmable, it
    /// still counts against NSTART; returns whether it does.
    pub(crate) fn leave_probe(&mut self, key: Key) -> bool {
        self.sender.leave_probe(key)
    }

    /// The last such transmission to this peer.
    pub(crate) fn last_under_way(
        &self,
        peer: PeerIndex,
        is_meant: impl Fn(&Transmission) -> bool,
    ) -> Option<Key> {
        self.sender.last_under_way(peer, is_meant)
    }

    /// Sends the separate responses that wait, each once and in their order.
    pub(crate) fn send_waiting_responses(&mut self, now: Instant, peer: PeerIndex) {
        self.sender.send_waiting_responses(now, peer);
    }

    /// Queues a newer notification behind one in progress. Returns the notification it supersedes.
    pub(crate) fn supersede(&mut self, key: Key, newer: NewerNotification) -> Option<u64> {
        self.sender.supersede(key, newer)
    }

    /// The owner of this message id of ours.
    pub(crate) fn id_owner(
        &self,
        from: &P,
        message_id: u16,
    ) -> Result<(PeerIndex, IdOwner), DatagramError> {
        let peer = self.find(from).ok_or(DatagramError::Unmatched)?;
        let owner = self.sender.id_owners().find(peer, message_id);
        Ok((peer, owner.ok_or(DatagramError::Unmatched)?))
    }

    /// Assigns a message id to this owner.
    pub(crate) fn set_id_owner(&mut self, peer: PeerIndex, message_id: u16, owner: IdOwner) {
        self.sender.id_owners_mut().insert(peer, message_id, owner);
    }

    /// Releases a message id of this owner.
    pub(crate) fn clear_id_owner(&mut self, peer: PeerIndex, message_id: u16, owner: IdOwner) {
        self.sender.id_owners_mut().remove(peer, message_id, owner);
    }

    // Time and output.

    /// The next datagram to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        let Self {
            sender, received, ..
        } = self;
        loop {
            let (to, out) = sender.outbox.pop()?;
            let is_there = match &out {
                Out::Lent(_) => true,
                Out::Transmission(key) => sender.transmission(*key).is_some(),
                Out::Record(key) => received.records.answer(*key).is_some(),
            };
            if !is_there {
                continue;
            }
            let payload = match out {
                Out::Lent(lent) => sender.outbox.lend(lent),
                Out::Transmission(key) => sender.transmission(key)?.message.as_ref(),
                Out::Record(key) => received.records.answer(key)?.as_ref(),
            };
            return Some(Transmit { to, payload });
        }
    }

    /// The next non-confirmable request that has been sent: the wait for its response starts now.
    /// Must be called after each call that may send.
    pub(crate) fn poll_sent(&mut self) -> Option<Key> {
        self.sender.poll_sent()
    }

    /// The next outcome of a sent message. Must be called after [`handle_due`](Self::handle_due).
    pub(crate) fn poll_outcome(&mut self) -> Option<Outcome> {
        self.sender.poll_outcome()
    }

    /// Removes expired state, and acknowledges requests whose acknowledgement is due.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(key) = self.received.records.pop_ended(now) {
            self.received.forget(&mut self.sender.peers, key);
        }
        while let Some(key) = self.received.records.pop_unanswered(now) {
            self.acknowledge(key);
        }
    }

    /// The earliest deadline, if it is due at `now`.
    pub(crate) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        let sender = self.sender.peek_due(now);
        let leisure = self.received.peek_due(now);
        [sender, leisure].into_iter().flatten().min()
    }

    /// Called when nothing else is due. Drops the message ids of peers to which nothing has been
    /// sent for EXCHANGE_LIFETIME.
    pub(crate) fn end_due(&mut self, now: Instant) {
        self.sender.end_due();
        self.received.end_due();
        self.sender.peers.forget_quiet(now);
    }

    /// Does what is due first.
    pub(crate) fn handle_due(&mut self, now: Instant) {
        let sender = self.sender.peek_due(now);
        let leisure = self.received.peek_due(now);
        if leisure.is_none_or(|leisure| sender.is_some_and(|sender| sender <= leisure)) {
            self.sender.handle_due(now);
        } else {
            self.received.handle_due(now, &mut self.sender);
        }
    }
}

impl<P> Messages<P> {
    /// What is due next, and when.
    pub(crate) fn next_deadline(&self) -> Option<(Instant, Deadline)> {
        Deadline::first([
            (self.sender.next_deadline(), Deadline::Transmission),
            (self.received.records.next_deadline(), Deadline::Record),
            (self.received.next_leisure(), Deadline::Leisure),
            (self.sender.peers.next_deadline(), Deadline::Peer),
        ])
    }

    /// Whether nothing is left to send.
    pub(crate) fn is_idle(&self) -> bool {
        self.sender.outbox.is_empty()
    }

    /// How much state is held for messages.
    pub(crate) fn usage(&self) -> Usage {
        let (transmissions, timers) = self.sender.len();
        Usage {
            peers: self.sender.peers.len(),
            records: self.received.records.len(),
            answer_bytes: self.received.records.bytes(),
            transmissions,
            message_ids: self.sender.id_owners().len(),
            timers: timers + self.received.deadlines(),
            ..Usage::default()
        }
    }
}
