//! The message layer as the layers above see it.

use lwm2m_core::{Code, Instant};

use super::{
    id_owners::IdOwner,
    outbox::Out,
    peers::{PeerExchanges, Peers, Sending, Share},
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
        token::Token,
    },
    machine::{Channel, Datagram, KeyedState, Peer, Random, Transmit},
};

/// Peers, and the messages from and to them.
///
/// It draws all random numbers, in one order, and lends the generator to the layers above.
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

/// A request for a block of a body that is served came again: the block is to be made again.
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
                Peers::new(keys.peers),
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

    /// Whether a peer of this name would be one too many.
    pub(crate) fn is_full_for(&self, name: &P) -> bool {
        let peers = &self.sender.peers;
        peers.len() >= self.bounds.peers && peers.find(name).is_none()
    }

    /// The peer of this name, made if there is none; `None` if it would be one too many.
    pub(crate) fn enter(&mut self, name: P) -> Option<PeerIndex> {
        self.sender.peers.enter(name, self.bounds.peers)
    }

    /// Renames a peer. False if there is no such peer, or if the new name is taken.
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

    /// Whether forgetting a peer loses nothing but answers, apart from these requests with the first
    /// block of a body.
    pub(crate) fn is_stranger(
        &self,
        peer: PeerIndex,
        first_blocks: impl Iterator<Item = Key>,
    ) -> bool {
        let begun = first_blocks.filter(|record| self.received.records.is_kept(*record));
        self.sender.peers.is_stranger(peer, begun.count())
    }

    /// A body in blocks comes from the peer or goes to it: it is not to be forgotten. Says whether
    /// there is such a peer.
    pub(crate) fn hold(&mut self, peer: PeerIndex) -> bool {
        let Some(peer) = self.sender.peers.get_mut(peer) else {
            return false;
        };
        peer.bodies = peer.bodies.saturating_add(1);
        true
    }

    /// A body that held the peer has ended.
    pub(crate) fn let_go(&mut self, peer: PeerIndex) {
        if let Some(peer) = self.sender.peers.get_mut(peer) {
            peer.bodies = peer.bodies.saturating_sub(1);
        }
    }

    /// Forgets the peer if nothing is kept of it.
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

    /// Sees to it that a peer to which nothing is being sent any more is forgotten in time.
    pub(crate) fn settle(&mut self, now: Instant, peer: PeerIndex) {
        self.sender.settle(now, peer);
    }

    /// Nothing that waits for its turn is sent to the peer any more. Tells what waited, in the
    /// order in which it would have been sent.
    pub(crate) fn take_waiting(
        &mut self,
        peer: PeerIndex,
    ) -> impl DoubleEndedIterator<Item = Key> + use<P> {
        let sending = self.sender.peers.sending_mut(peer);
        let waiting = sending.map(Sending::take_waiting);
        self.sender.forget_wait(peer);
        waiting.into_iter().flatten()
    }

    /// The connection to a peer is closed: nothing it asked for is answered any more, and what does
    /// no harm when it comes again is forgotten. Says whether nothing is remembered.
    pub(crate) fn close_records(&mut self, peer: PeerIndex) -> bool {
        let peers = &mut self.sender.peers;
        self.received.close(peers, peer);
        let state = self.sender.peers.get(peer);
        state.is_none_or(|state| state.records.is_empty())
    }

    /// Forgets a peer, with which nothing is under way and of which no body comes.
    pub(crate) fn forget_peer(&mut self, peer: PeerIndex) {
        let peers = &mut self.sender.peers;
        peers.stop_sending(peer);
        while let Some(state) = peers.get(peer)
            && let Some(key) = self.received.records.oldest(state.records)
        {
            self.received.forget(peers, key);
        }
        peers.release(peer);
    }

    // Messages that were received.

    /// The record of this message, if it came before.
    pub(crate) fn find_record(&mut self, peer: PeerIndex, message: &MessageRef<'_>) -> Option<Key> {
        self.received.find(&mut self.sender.peers, peer, message)
    }

    /// Makes room for one more record of this peer; says whether there is. If there is none, the
    /// peer is forgotten should nothing be kept of it.
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
        let state = State::Open(context);
        let peers = &mut self.sender.peers;
        self.received
            .insert(now, peers, peer, (message, multicast), (repetition, state))
    }

    /// Remembers a response, so that a repetition of it is acknowledged and not rejected.
    pub(crate) fn record_response(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        message: &MessageRef<'_>,
    ) {
        if self.make_room(peer) {
            let repetition = Repetition::Harmless;
            let peers = &mut self.sender.peers;
            let state = (repetition, State::Done);
            self.received
                .insert(now, peers, peer, (message, false), state);
        }
    }

    /// Has a confirmable request acknowledged after the configured delay if it has no answer by then.
    /// Not over SMS: a message that says only that an answer will come is not worth its cost.
    pub(crate) fn acknowledge_later(&mut self, now: Instant, record: Key, channel: Channel) {
        let records = &mut self.received.records;
        let is_confirmable = records.get(record).is_some_and(|record| record.confirmable);
        if is_confirmable && channel == Channel::Udp {
            let deadline = after(now, self.spans.acknowledgement_delay);
            records.acknowledge_at(record, deadline);
        }
    }

    /// A message was received again. It is handled here, unless it asks for a block of a body.
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

    /// What is known of a request that has no answer yet, and whose it is.
    pub(crate) fn context(&self, record: Key) -> Option<(PeerIndex, &RequestContext)> {
        let records = &self.received.records;
        Some((records.peer(record)?, records.context(record)?))
    }

    /// A repetition of the message would do no harm: its record may be dropped when room is needed.
    pub(crate) fn spare_record(&mut self, record: Key) {
        self.received.make_spare(&mut self.sender.peers, record);
    }

    /// The peer has received the answer to a confirmable request: a repetition of the request is only
    /// acknowledged.
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

    /// Rejects a message with a Reset; never one to a group (RFC 7252 §8.1).
    pub(crate) fn reject(&mut self, datagram: &Datagram<'_, P>, message_id: u16) {
        if !datagram.multicast {
            let to = datagram.from.clone();
            self.sender.outbox.empty(to, MessageType::Reset, message_id);
        }
    }

    /// Answers a request of which nothing can be remembered: 5.03.
    pub(crate) fn refuse_unrecorded(&mut self, to: P, message: &MessageRef<'_>) {
        let refused = MessageBuf::response(Code::SERVICE_UNAVAILABLE).finish(
            MessageType::Acknowledgement,
            message.message_id(),
            message.token(),
        );
        self.sender.outbox.message(to, refused);
    }

    // Messages that are sent.

    /// Whether one more confirmable notification, or one more separate response, to the peer may
    /// wait; requests have a bound of their own.
    pub(crate) fn may_transmit(&self, peer: PeerIndex, share: Share) -> bool {
        self.sender.may_transmit(peer, share)
    }

    /// Sends a message as soon as its turn comes.
    pub(crate) fn transmit(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        transmission: Transmission,
    ) -> Option<Key> {
        self.sender.transmit(now, peer, transmission)
    }

    /// Sends a request or a notification once, with a message id of its own. Tells the id.
    pub(crate) fn send_once(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        kind: MessageType,
        message: WireMessage,
    ) -> Result<u16, SendError> {
        let share = Share::Initiated;
        self.sender.send_once(now, peer, share, kind, message)
    }

    /// Ends a transmission: it was acknowledged, or is no longer wanted. The next message is sent.
    pub(crate) fn end_transmission(&mut self, now: Instant, key: Key) -> Option<Transmission> {
        self.sender.end(now, key)
    }

    /// Ends a confirmable transmission that was acknowledged. Nothing non-confirmable is
    /// acknowledged (RFC 7252 §4.3).
    pub(crate) fn acknowledged(&mut self, now: Instant, key: Key) -> Option<Transmission> {
        let is_confirmable = self.transmission(key)?.is_confirmable();
        is_confirmable.then(|| self.sender.end(now, key)).flatten()
    }

    /// The oldest transmission to this peer.
    pub(crate) fn oldest_transmission(&self, peer: PeerIndex) -> Option<Key> {
        self.sender.oldest(peer)
    }

    pub(crate) fn transmission(&self, key: Key) -> Option<&Transmission> {
        self.sender.transmission(key)
    }

    /// The request of a transmission is given up. If it is outstanding and non-confirmable, it
    /// still counts against NSTART; says whether it does.
    pub(crate) fn leave_probe(&mut self, key: Key) -> bool {
        self.sender.leave_probe(key)
    }

    /// The confirmable notification of this token that has no outcome yet.
    pub(crate) fn notification_under_way(&self, peer: PeerIndex, token: Token) -> Option<Key> {
        self.sender.notification_under_way(peer, token)
    }

    /// Has a newer notification wait for one that is under way. Tells which one it supersedes.
    pub(crate) fn supersede(&mut self, key: Key, newer: NewerNotification) -> Option<u64> {
        self.sender.supersede(key, newer)
    }

    /// What this message id of ours stands for.
    pub(crate) fn id_owner(
        &self,
        from: &P,
        message_id: u16,
    ) -> Result<(PeerIndex, IdOwner), DatagramError> {
        let peer = self.find(from).ok_or(DatagramError::Unmatched)?;
        let owner = self.sender.id_owners().find(peer, message_id);
        Ok((peer, owner.ok_or(DatagramError::Unmatched)?))
    }

    /// From now on a message id stands for this.
    pub(crate) fn set_id_owner(&mut self, peer: PeerIndex, message_id: u16, owner: IdOwner) {
        self.sender.id_owners_mut().insert(peer, message_id, owner);
    }

    /// A message id no longer stands for this.
    pub(crate) fn clear_id_owner(&mut self, peer: PeerIndex, message_id: u16, owner: IdOwner) {
        self.sender.id_owners_mut().remove(peer, message_id, owner);
    }

    // Time, and what is handed out.

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

    /// The next non-confirmable request whose turn has come: its response is waited for from now on.
    /// To be asked for after each call that may send.
    pub(crate) fn poll_sent(&mut self) -> Option<Key> {
        self.sender.poll_sent()
    }

    /// What has become of a message that was sent. To be asked for after
    /// [`handle_due`](Self::handle_due).
    pub(crate) fn poll_outcome(&mut self) -> Option<Outcome> {
        self.sender.poll_outcome()
    }

    /// Forgets what has come to its end, and acknowledges what has waited long enough.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(key) = self.received.records.pop_ended(now) {
            self.received.forget(&mut self.sender.peers, key);
        }
        while let Some(key) = self.received.records.pop_unanswered(now) {
            self.acknowledge(key);
        }
    }

    /// When the next thing is due, if it is at `now`.
    pub(crate) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        let sender = self.sender.peek_due(now);
        let leisure = self.received.peek_due(now);
        [sender, leisure].into_iter().flatten().min()
    }

    /// Nothing more is due. Forgets the message ids of peers to which nothing has been sent for
    /// EXCHANGE_LIFETIME.
    pub(crate) fn end_due(&mut self, now: Instant) {
        self.sender.end_due();
        self.received.end_due();
        let lifetime = self.spans.exchange_lifetime;
        self.sender.peers.forget_quiet(now, lifetime);
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

    /// How much is held of messages.
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
