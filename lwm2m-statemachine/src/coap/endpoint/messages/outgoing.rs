//! What is sent in its turn, until it is acknowledged (RFC 7252 §4.2, §4.7), and what our message
//! ids stand for.

use alloc::{boxed::Box, collections::VecDeque};
use core::mem;

use hashbrown::{HashTable, hash_table::Entry};
use lwm2m_core::Instant;

use crate::coap::endpoint::{
    Endpoint, TimerKey,
    config::after,
    event::{FailureReason, SendError},
    exchanges::notifications::Newer,
    keys::PeerIndex,
    messages::peers::Share,
    table::{KEEP, Key},
};
use crate::{
    coap::{message::MessageType, message_buf::WireMessage, token::Token},
    machine::{KeyedState, Peer, Transmit},
};

/// A confirmable message that has not been acknowledged, or a non-confirmable request that has not
/// been answered: what is outstanding, and what waits until it may be.
#[derive(Clone, Debug)]
pub(in crate::coap::endpoint) struct Transmission {
    pub(in crate::coap::endpoint) message: WireMessage,
    pub(in crate::coap::endpoint) purpose: Purpose,
    kind: MessageType,
    message_id: u16,
    /// How often it was sent, or its turn to be sent again was missed; not yet, if 0.
    pub(in crate::coap::endpoint) sent: u8,
    /// When it was first sent with this message id.
    first_sent: Instant,
    /// The wait after the last time it was sent, in milliseconds.
    wait: u64,
    /// When that wait ends, if nothing was late.
    due: Instant,
    deadline: Option<Instant>,
}

impl Transmission {
    /// Of a confirmable message.
    pub(in crate::coap::endpoint) const fn new(message: WireMessage, purpose: Purpose) -> Self {
        Self {
            message,
            purpose,
            kind: MessageType::Confirmable,
            message_id: 0,
            sent: 0,
            first_sent: Instant::ZERO,
            wait: 0,
            due: Instant::ZERO,
            deadline: None,
        }
    }

    /// Of a non-confirmable request.
    pub(in crate::coap::endpoint) const fn once(message: WireMessage, request: Key) -> Self {
        let mut transmission = Self::new(message, Purpose::Request(request));
        transmission.kind = MessageType::NonConfirmable;
        transmission
    }
}

/// What a transmission carries.
#[derive(Clone, Debug)]
pub(in crate::coap::endpoint) enum Purpose {
    Request(Key),
    /// A separate response.
    Response(Token),
    Notification {
        id: u64,
        token: Token,
        /// What is to be sent in its place.
        newer: Option<Box<Newer>>,
    },
    /// A non-confirmable request that was given up: the peer that does not respond is spared until
    /// the next (RFC 7252 §4.7).
    Probe,
}

impl Purpose {
    const fn share(&self) -> Share {
        match self {
            Self::Request(_) | Self::Notification { .. } | Self::Probe => Share::Own,
            Self::Response(_) => Share::Answers,
        }
    }
}

/// What a message id of ours stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coap::endpoint) enum Sent {
    Transmission(Key),
    /// A request that is sent once.
    Request(Key),
    /// A notification that is sent once.
    Notification(Key),
}

/// The message ids that an acknowledgement or a Reset may name.
#[derive(Clone, Debug)]
pub(in crate::coap::endpoint) struct SentIds {
    ids: HashTable<(PeerIndex, u16, Sent)>,
    keys: KeyedState,
}

impl SentIds {
    pub(in crate::coap::endpoint) fn new(keys: KeyedState) -> Self {
        Self {
            ids: HashTable::new(),
            keys,
        }
    }

    pub(in crate::coap::endpoint) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(in crate::coap::endpoint) fn find(&self, peer: PeerIndex, id: u16) -> Option<Sent> {
        self.ids
            .find(hash(self.keys, peer, id), |other| {
                (other.0, other.1) == (peer, id)
            })
            .map(|(_, _, sent)| *sent)
    }

    /// From now on the id stands for this, and no more for what has had it longer than
    /// EXCHANGE_LIFETIME: a request that is sent once may wait so long for its response.
    pub(in crate::coap::endpoint) fn insert(&mut self, peer: PeerIndex, id: u16, sent: Sent) {
        let keys = self.keys;
        let entry = self.ids.entry(
            hash(keys, peer, id),
            |other| (other.0, other.1) == (peer, id),
            |(peer, id, _)| hash(keys, *peer, *id),
        );
        match entry {
            Entry::Occupied(mut entry) => entry.get_mut().2 = sent,
            Entry::Vacant(entry) => {
                entry.insert((peer, id, sent));
            }
        }
    }

    /// The id stands for this no more.
    pub(in crate::coap::endpoint) fn remove(&mut self, peer: PeerIndex, id: u16, sent: Sent) {
        let hash = hash(self.keys, peer, id);
        if let Ok(entry) = self
            .ids
            .find_entry(hash, |other| *other == (peer, id, sent))
        {
            entry.remove();
        }
        if self.ids.is_empty() && self.ids.capacity() > KEEP {
            drop(mem::take(&mut self.ids));
        }
    }
}

fn hash(keys: KeyedState, peer: PeerIndex, id: u16) -> u64 {
    keys.hash_numbers(peer.into(), id.into())
}

/// What is to be handed to the transport, in its order.
#[derive(Clone, Debug)]
pub(in crate::coap::endpoint) struct Outbox<P> {
    queue: VecDeque<(P, Out)>,
    /// What was handed out last, if nothing else keeps it.
    lent: Lent,
}

#[derive(Clone, Debug)]
enum Out {
    Lent(Lent),
    /// The message of a transmission, if it is still there.
    Transmission(Key),
    /// The answer of a record, if it is still there.
    Record(Key),
}

#[derive(Clone, Debug)]
enum Lent {
    Message(WireMessage),
    /// An Empty message: its type and message id.
    Empty([u8; 4]),
}

impl<P> Outbox<P> {
    pub(in crate::coap::endpoint) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            lent: Lent::Empty([0; 4]),
        }
    }

    pub(in crate::coap::endpoint) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(in crate::coap::endpoint) fn empty(&mut self, to: P, kind: MessageType, message_id: u16) {
        let [high, low] = message_id.to_be_bytes();
        let message = [0x40 | kind.bits() << 4, 0, high, low];
        self.queue.push_back((to, Out::Lent(Lent::Empty(message))));
    }

    pub(in crate::coap::endpoint) fn message(&mut self, to: P, message: WireMessage) {
        self.queue
            .push_back((to, Out::Lent(Lent::Message(message))));
    }

    pub(in crate::coap::endpoint) fn transmission(&mut self, to: P, key: Key) {
        self.queue.push_back((to, Out::Transmission(key)));
    }

    pub(in crate::coap::endpoint) fn record(&mut self, to: P, key: Key) {
        self.queue.push_back((to, Out::Record(key)));
    }
}

impl<P: Peer> Endpoint<P> {
    /// The next datagram to send. Changes after every call but the other polls.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        loop {
            let Some((to, out)) = self.outbox.queue.pop_front() else {
                if self.outbox.queue.capacity() > KEEP {
                    self.outbox.queue = VecDeque::new();
                }
                return None;
            };
            // Looked up twice: a loop cannot lend what it may have to look for again.
            let payload = match out {
                Out::Lent(lent) => {
                    self.outbox.lent = lent;
                    match &self.outbox.lent {
                        Lent::Message(message) => message.as_ref(),
                        Lent::Empty(message) => message,
                    }
                }
                Out::Transmission(key) if self.transmissions.get(key).is_some() => self
                    .transmissions
                    .get(key)
                    .map_or(&[][..], |transmission| transmission.message.as_ref()),
                Out::Record(key) if self.records.answer(key).is_some() => {
                    self.records.answer(key).map_or(&[][..], AsRef::as_ref)
                }
                Out::Transmission(_) | Out::Record(_) => continue,
            };
            return Some(Transmit { to, payload });
        }
    }

    /// Whether one more confirmable notification, or one more separate response, to the peer may
    /// wait; requests have a bound of their own.
    pub(in crate::coap::endpoint) fn may_transmit(&self, peer: PeerIndex, share: Share) -> bool {
        let bound = self.config.bounds.transmissions_per_peer;
        let Some(sending) = self.peers.sending(peer) else {
            return bound > 0;
        };
        let transmissions = sending.of(share).transmissions;
        transmissions.len() < bound || {
            let all = self.transmissions.of(transmissions);
            let others = all.filter(|(_, transmission)| {
                !matches!(transmission.purpose, Purpose::Request(_) | Purpose::Probe)
            });
            others.count() < bound
        }
    }

    /// Sends a message as soon as its turn comes.
    pub(in crate::coap::endpoint) fn transmit(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        transmission: Transmission,
    ) -> Option<Key> {
        let share = transmission.purpose.share();
        let sending = self.peers.start_sending(now, peer, &mut self.random)?;
        let chain = &mut sending.of_mut(share).transmissions;
        let key = self.transmissions.insert(peer, chain, transmission);
        sending.wait(share, key);
        self.start_waiting(now, peer);
        Some(key)
    }

    pub(in crate::coap::endpoint) fn is_confirmable(&self, transmission: Key) -> bool {
        self.transmissions
            .get(transmission)
            .is_some_and(|transmission| transmission.kind == MessageType::Confirmable)
    }

    /// Sends what waits for its turn, as far as NSTART and message ids allow.
    pub(in crate::coap::endpoint) fn start_waiting(&mut self, now: Instant, peer: PeerIndex) {
        let nstart = self.config.transmission.nstart.max(1);
        let lifetime = self.spans.exchange_lifetime;
        // The share of which no message id is free, and until when.
        let mut used_up: Option<(Share, Instant)> = None;
        while let Some(sending) = self.peers.sending(peer)
            && sending.in_flight < nstart
            && let Some((share, key)) = sending.next_waiting(used_up.map(|(share, _)| share))
        {
            let taken = self.peers.take_id(now, peer, share, lifetime);
            let (Some(taken), Some(sending)) = (taken, self.peers.sending_mut(peer)) else {
                return;
            };
            let message_id = match (taken, used_up) {
                (Ok(id), _) => id,
                (Err(until), None) => {
                    used_up = Some((share, until));
                    continue;
                }
                (Err(until), Some((_, before))) => {
                    used_up = Some((share, until.min(before)));
                    break;
                }
            };
            sending.take_turn(share);
            sending.in_flight += 1;
            self.sent.insert(peer, message_id, Sent::Transmission(key));
            self.send_first(now, key, message_id);
            if let Some(name) = self.peers.name(peer) {
                self.outbox.transmission(name, key);
            }
        }
        if let Some((_, until)) = used_up
            && let Some(sending) = self.peers.sending_mut(peer)
        {
            self.timers
                .set(TimerKey::Peer(peer), &mut sending.deadline, Some(until));
        }
        self.watch(now, peer);
    }

    /// A transmission's turn has come.
    fn send_first(&mut self, now: Instant, key: Key, message_id: u16) {
        let Some(transmission) = self.transmissions.get_mut(key) else {
            return;
        };
        let kind = transmission.kind;
        transmission.message.readdress(kind, message_id);
        transmission.message_id = message_id;
        transmission.first_sent = now;
        transmission.sent = 1;
        transmission.wait = if kind == MessageType::Confirmable {
            let spread = self.random.up_to(self.spans.ack_spread);
            self.spans.ack_timeout.saturating_add(spread)
        } else {
            self.spans.probing(transmission.message.as_ref().len())
        };
        transmission.due = after(now, transmission.wait);
        self.timers.set(
            TimerKey::Transmission(key),
            &mut transmission.deadline,
            Some(transmission.due),
        );
        if kind == MessageType::NonConfirmable
            && let Purpose::Request(request) = transmission.purpose
        {
            self.await_response(now, request);
        }
    }

    /// A transmission was not acknowledged in time.
    pub(in crate::coap::endpoint) fn transmission_due(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.transmissions.peer(key) else {
            return;
        };
        let Some(transmission) = self.transmissions.get_mut(key) else {
            return;
        };
        transmission.deadline = None;
        if transmission.kind == MessageType::NonConfirmable {
            if let Some(transmission) = self.end_transmission(now, key) {
                self.probed(peer, transmission);
            }
        } else if transmission.sent <= self.config.transmission.retransmissions() {
            self.renew_notification(now, peer, key);
            if self.send_again(now, peer, key) {
                // Its next turn has passed, too; there are at most as many as retransmissions.
                self.transmission_due(now, key);
            }
        } else if let Some(transmission) = self.end_transmission(now, key) {
            self.transmission_failed(now, peer, transmission.purpose, FailureReason::Timeout);
        }
    }

    /// A non-confirmable request is outstanding no more. Its response may still come.
    fn probed(&mut self, peer: PeerIndex, transmission: Transmission) {
        if let Purpose::Request(key) = transmission.purpose
            && let Some(request) = self.requests.get_mut(key)
        {
            request.transmission = None;
            request.message = Some(transmission.message);
            request.message_id = Some(transmission.message_id);
            self.sent
                .insert(peer, transmission.message_id, Sent::Request(key));
        }
    }

    /// A request is given up. If it is outstanding and non-confirmable, it still counts.
    pub(in crate::coap::endpoint) fn leave_probe(&mut self, peer: PeerIndex, request: Key) {
        if let Some(request) = self.requests.get_mut(request)
            && let Some(key) = request.transmission
            && let Some(transmission) = self.transmissions.get_mut(key)
            && transmission.kind == MessageType::NonConfirmable
            && transmission.sent > 0
        {
            request.transmission = None;
            transmission.purpose = Purpose::Probe;
            self.sent
                .remove(peer, transmission.message_id, Sent::Transmission(key));
        }
    }

    /// Sends a transmission again, and waits twice as long as before. Who is woken late is in time
    /// again at the next turn, or misses this one: no message is sent twice within ACK_TIMEOUT, or
    /// beyond MAX_TRANSMIT_SPAN (RFC 7252 §4.2). Tells whether this turn was missed and the next one has
    /// passed already; then it has no deadline.
    fn send_again(&mut self, now: Instant, peer: PeerIndex, key: Key) -> bool {
        let Some(transmission) = self.transmissions.get_mut(key) else {
            return false;
        };
        transmission.sent = transmission.sent.saturating_add(1);
        transmission.wait = transmission.wait.saturating_mul(2);
        transmission.due = after(transmission.due, transmission.wait);
        let mut deadline = transmission.due;
        if now <= after(transmission.first_sent, self.spans.max_transmit_span) {
            deadline = deadline.max(after(now, self.spans.ack_timeout));
            if let Some(name) = self.peers.name(peer) {
                self.outbox.transmission(name, key);
            }
        } else if deadline <= now {
            return true;
        }
        self.timers.set(
            TimerKey::Transmission(key),
            &mut transmission.deadline,
            Some(deadline),
        );
        false
    }

    pub(in crate::coap::endpoint) fn transmission_failed(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        purpose: Purpose,
        reason: FailureReason,
    ) {
        match purpose {
            Purpose::Request(request) => self.fail_request(now, request, reason),
            Purpose::Response(token) => self.response_failed(peer, token, reason),
            Purpose::Probe => {}
            Purpose::Notification { id, token, newer } => {
                self.notification_failed(peer, id, token, reason);
                if let Some(newer) = newer {
                    self.notification_failed(peer, newer.id, token, reason);
                }
            }
        }
    }

    /// Gives the message of a transmission another message id; keeps the old one if none is free.
    /// Tells the old one.
    pub(in crate::coap::endpoint) fn renumber(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        key: Key,
        message: WireMessage,
    ) -> Result<u16, WireMessage> {
        let lifetime = self.spans.exchange_lifetime;
        let Some(transmission) = self.transmissions.get_mut(key) else {
            return Err(message);
        };
        let Some(Ok(message_id)) = self.peers.take_id(now, peer, Share::Own, lifetime) else {
            return Err(message);
        };
        let old = mem::replace(&mut transmission.message_id, message_id);
        transmission.first_sent = now;
        transmission.message = message;
        transmission
            .message
            .readdress(MessageType::Confirmable, message_id);
        self.sent.remove(peer, old, Sent::Transmission(key));
        self.sent.insert(peer, message_id, Sent::Transmission(key));
        Ok(old)
    }

    /// Takes back a transmission: it was acknowledged, or is of no use any more. What waited for
    /// its turn is sent.
    pub(in crate::coap::endpoint) fn end_transmission(
        &mut self,
        now: Instant,
        key: Key,
    ) -> Option<Transmission> {
        let peer = self.transmissions.peer(key)?;
        let share = self.transmissions.get(key)?.purpose.share();
        let sending = self.peers.sending_mut(peer)?;
        let chain = &mut sending.of_mut(share).transmissions;
        let mut transmission = self.transmissions.remove(key, chain)?;
        self.timers.set(
            TimerKey::Transmission(key),
            &mut transmission.deadline,
            None,
        );
        if transmission.sent == 0 {
            sending.stop_waiting(share, key);
        } else {
            sending.in_flight = sending.in_flight.saturating_sub(1);
            self.sent
                .remove(peer, transmission.message_id, Sent::Transmission(key));
        }
        self.start_waiting(now, peer);
        Some(transmission)
    }

    /// Sends a message once, with a message id of its own. Tells the id.
    pub(in crate::coap::endpoint) fn send_once(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        share: Share,
        kind: MessageType,
        mut message: WireMessage,
    ) -> Result<u16, SendError> {
        let lifetime = self.spans.exchange_lifetime;
        self.peers
            .start_sending(now, peer, &mut self.random)
            .ok_or(SendError::NotOpen)?;
        let taken = self.peers.take_id(now, peer, share, lifetime);
        self.watch(now, peer);
        let Some(Ok(id)) = taken else {
            return Err(SendError::MessageIds);
        };
        message.readdress(kind, id);
        if let Some(name) = self.peers.name(peer) {
            self.outbox.message(name, message);
        }
        Ok(id)
    }

    /// Sees to it that a peer to which nothing is being sent is forgotten in time.
    pub(in crate::coap::endpoint) fn watch(&mut self, now: Instant, peer: PeerIndex) {
        let deadline = self.peers.settle(now, peer, self.spans.exchange_lifetime);
        self.timers
            .set(TimerKey::Peer(peer), &mut { deadline }, None);
    }

    /// Message ids may be free again.
    pub(in crate::coap::endpoint) fn peer_due(&mut self, now: Instant, peer: PeerIndex) {
        if let Some(sending) = self.peers.sending_mut(peer) {
            sending.deadline = None;
            self.start_waiting(now, peer);
        }
    }
}
