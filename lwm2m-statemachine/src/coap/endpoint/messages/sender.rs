//! Sends messages in order, confirmable ones until they are acknowledged (RFC 7252 §4.2, §4.7).

use alloc::{boxed::Box, collections::VecDeque};
use core::mem;

use lwm2m_core::Instant;

use super::{
    id_owners::{IdOwner, IdOwners},
    outbox::Outbox,
    peers::{Peers, Share},
    transmission::{NewerNotification, Purpose, Transmission},
};
use crate::{
    coap::{
        endpoint::{
            config::{Spans, after},
            event::{Overload, SendError},
            keys::PeerIndex,
            table::{Key, Table},
        },
        message::MessageType,
        message_buf::WireMessage,
        token::Token,
    },
    machine::{Channel, KeyedState, Peer, Random, TimerQueue},
};

/// The outcome of a sent message, for the layer above.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A non-confirmable request is no longer outstanding; its response may still come.
    ProbeOver {
        peer: PeerIndex,
        transmission: Transmission,
    },
    /// A newer notification has replaced this one, which was sent with this message id.
    Superseded {
        peer: PeerIndex,
        id: u64,
        token: Token,
        message_id: u16,
    },
    /// It was not acknowledged in time.
    TimedOut {
        peer: PeerIndex,
        transmission: Transmission,
    },
}

/// A request to observe was answered once, with this message id, which a Reset may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstNotification {
    pub(crate) id: u64,
    pub(crate) peer: PeerIndex,
    pub(crate) token: Token,
    pub(crate) message_id: u16,
}

/// What a deadline belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SenderTimer {
    Transmission(Key),
    /// Message ids of this peer are free again.
    MessageIds(PeerIndex),
}

/// All peers and the messages being sent to them.
#[derive(Debug)]
pub(super) struct Sender<P> {
    pub(super) peers: Peers<P>,
    pub(super) outbox: Outbox<P>,
    pub(super) random: Random,
    transmissions: Table<Transmission>,
    id_owners: IdOwners,
    timers: TimerQueue<SenderTimer>,
    outcomes: VecDeque<Outcome>,
    /// Non-confirmable requests that have just been sent.
    sent: VecDeque<Key>,
    spans: Spans,
    /// The limit of pending confirmable notifications to one peer, and likewise of separate
    /// responses.
    transmissions_per_peer: usize,
}

impl<P: Peer> Sender<P> {
    pub(super) fn new(
        peers: Peers<P>,
        id_keys: KeyedState,
        random: Random,
        spans: Spans,
        transmissions_per_peer: usize,
    ) -> Self {
        Self {
            peers,
            outbox: Outbox::new(),
            random,
            transmissions: Table::default(),
            id_owners: IdOwners::new(id_keys),
            timers: TimerQueue::new(),
            outcomes: VecDeque::new(),
            sent: VecDeque::new(),
            spans,
            transmissions_per_peer,
        }
    }

    /// Whether one more confirmable notification or separate response to the peer may be queued;
    /// requests have a separate limit.
    pub(super) fn may_transmit(&self, peer: PeerIndex, share: Share) -> bool {
        let bound = self.transmissions_per_peer;
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

    /// Queues a message, and sends it as soon as NSTART allows, not over SMS.
    pub(super) fn transmit(
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

    /// Sends a message once, with a new message id. Returns the id.
    pub(super) fn send_once(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        way: (Share, Channel),
        kind: MessageType,
        mut message: WireMessage,
    ) -> Result<u16, SendError> {
        self.peers
            .start_sending(now, peer, &mut self.random)
            .ok_or(SendError::NotOpen)?;
        let taken = self.peers.take_id(now, peer, way);
        self.settle(now, peer);
        let Some(Ok(id)) = taken else {
            return Err(SendError::Overload(Overload::MessageIds));
        };
        message.readdress(kind, id);
        if let Some(name) = self.peers.name(peer) {
            self.outbox.message(name, message);
        }
        Ok(id)
    }

    /// Sends an answer once. If it is the `first` notification of an observation, the peer may reject it
    /// (RFC 7641 §3.6).
    pub(super) fn answer_once(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        channel: Channel,
        (token, answer): (Token, WireMessage),
        first: Option<u64>,
    ) -> Result<Option<FirstNotification>, SendError> {
        let (way, kind) = ((Share::Answers, channel), MessageType::NonConfirmable);
        let message_id = self.send_once(now, peer, way, kind, answer)?;
        Ok(first.map(|id| FirstNotification {
            id,
            peer,
            token,
            message_id,
        }))
    }

    /// Sends an answer as a separate response until it is acknowledged (RFC 7252 §5.2.2).
    pub(super) fn answer_separately(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        (token, answer): (Token, WireMessage),
        first: Option<u64>,
    ) -> Result<(), SendError> {
        if !self.may_transmit(peer, Share::Answers) {
            return Err(SendError::Overload(Overload::Messages));
        }
        let transmission = Transmission::confirmable(answer, Purpose::Response { token, first });
        self.transmit(now, peer, transmission);
        Ok(())
    }

    /// Sends queued messages as far as NSTART and message ids allow.
    fn start_waiting(&mut self, now: Instant, peer: PeerIndex) {
        // The share without a free message id, and until when.
        let mut used_up: Option<(Share, Instant)> = None;
        while let Some(sending) = self.peers.sending(peer)
            && sending.in_flight < self.spans.nstart
            && let Some((share, key)) = sending.next_waiting(used_up.map(|(share, _)| share))
        {
            let taken = self.peers.take_id(now, peer, (share, Channel::Udp));
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
            let owner = IdOwner::Transmission(key);
            self.id_owners.insert(peer, message_id, owner);
            self.send_first(now, key, message_id);
            if let Some(name) = self.peers.name(peer) {
                self.outbox.transmission(name, key);
            }
        }
        if let Some((_, until)) = used_up
            && let Some(sending) = self.peers.sending_mut(peer)
        {
            let timer = SenderTimer::MessageIds(peer);
            self.timers.set(timer, &mut sending.deadline, Some(until));
        }
        self.settle(now, peer);
    }

    /// Sends a queued transmission for the first time.
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
            SenderTimer::Transmission(key),
            &mut transmission.deadline,
            Some(transmission.due),
        );
        if kind == MessageType::NonConfirmable
            && let Purpose::Request(request) = transmission.purpose
        {
            self.sent.push_back(request);
        }
    }

    /// The next non-confirmable request that has been sent.
    pub(super) fn poll_sent(&mut self) -> Option<Key> {
        self.sent.pop_front()
    }

    /// The next outcome, for the layer above.
    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// When something is due at `now`.
    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        self.timers.peek_due(now)
    }

    pub(super) fn end_due(&mut self) {
        self.timers.end_round();
    }

    /// Does what is due first.
    pub(super) fn handle_due(&mut self, now: Instant) {
        match self.timers.pop_due(now) {
            Some(SenderTimer::Transmission(key)) => self.transmission_due(now, key),
            Some(SenderTimer::MessageIds(peer)) => {
                if let Some(sending) = self.peers.sending_mut(peer) {
                    sending.deadline = None;
                    self.start_waiting(now, peer);
                }
            }
            None => {}
        }
    }

    /// A transmission was not acknowledged in time.
    fn transmission_due(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.transmissions.peer(key) else {
            return;
        };
        // A late call skips all missed retransmissions, of which there are at most MAX_RETRANSMIT.
        while let Some(transmission) = self.transmissions.get_mut(key) {
            transmission.deadline = None;
            if transmission.kind == MessageType::NonConfirmable {
                if let Some(transmission) = self.end(now, key) {
                    let outcome = Outcome::ProbeOver { peer, transmission };
                    self.outcomes.push_back(outcome);
                }
                return;
            }
            if transmission.sent > self.spans.retransmissions {
                if let Some(transmission) = self.end(now, key) {
                    let outcome = Outcome::TimedOut { peer, transmission };
                    self.outcomes.push_back(outcome);
                }
                return;
            }
            self.renew(now, peer, key);
            if !self.retransmit(now, peer, key) {
                return;
            }
        }
    }

    /// Retransmits a message and doubles its timeout. After a late call either the schedule of the
    /// next retransmission is unchanged, or this retransmission is skipped: no message is sent
    /// twice within ACK_TIMEOUT, or after MAX_TRANSMIT_SPAN (RFC 7252 §4.2). Returns whether this
    /// retransmission was skipped and the next one is overdue too; in that case no deadline is set.
    fn retransmit(&mut self, now: Instant, peer: PeerIndex, key: Key) -> bool {
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
            SenderTimer::Transmission(key),
            &mut transmission.deadline,
            Some(deadline),
        );
        false
    }

    /// Replaces a notification that is about to be retransmitted with the newer one, if there is
    /// one.
    fn renew(&mut self, now: Instant, peer: PeerIndex, key: Key) {
        let Some(transmission) = self.transmissions.get_mut(key) else {
            return;
        };
        let Purpose::Notification { id, token } = transmission.purpose else {
            return;
        };
        let Some(newer) = transmission.newer.take() else {
            return;
        };
        let way = (Share::Initiated, Channel::Udp);
        let taken = self.peers.take_id(now, peer, way);
        let Some(Ok(message_id)) = taken else {
            // The old one stays as long as no message id is free.
            transmission.newer = Some(newer);
            return;
        };
        let old_message_id = mem::replace(&mut transmission.message_id, message_id);
        transmission.purpose = Purpose::Notification {
            id: newer.id,
            token,
        };
        transmission.first_sent = now;
        transmission.message = newer.message;
        transmission
            .message
            .readdress(MessageType::Confirmable, message_id);
        let owner = IdOwner::Transmission(key);
        self.id_owners.remove(peer, old_message_id, owner);
        self.id_owners.insert(peer, message_id, owner);
        self.outcomes.push_back(Outcome::Superseded {
            peer,
            id,
            token,
            message_id: old_message_id,
        });
    }

    /// Queues a newer notification behind one in progress. Returns the notification it supersedes:
    /// one that was not sent yet, or was queued before. A notification that replaces a confirmable
    /// one is confirmable.
    pub(super) fn supersede(&mut self, key: Key, mut newer: NewerNotification) -> Option<u64> {
        let transmission = self.transmissions.get_mut(key)?;
        let Purpose::Notification { id, .. } = &mut transmission.purpose else {
            return None;
        };
        if transmission.sent == 0 {
            transmission.message = newer.message;
            return Some(mem::replace(id, newer.id));
        }
        let waiting = transmission.newer.take();
        newer.confirmable |= waiting.as_ref().is_some_and(|older| older.confirmable);
        transmission.newer = Some(Box::new(newer));
        waiting.map(|older| older.id)
    }

    /// The last such transmission to this peer.
    pub(super) fn last_under_way(
        &self,
        peer: PeerIndex,
        is_meant: impl Fn(&Transmission) -> bool,
    ) -> Option<Key> {
        let sending = self.peers.sending(peer)?;
        let shares = [Share::Initiated, Share::Answers].into_iter();
        let all = shares.flat_map(|share| self.transmissions.of(sending.of(share).transmissions));
        all.filter(|(_, transmission)| is_meant(transmission))
            .last()
            .map(|(key, _)| key)
    }

    /// Sends the separate responses that wait, each once and in their order: a non-confirmable message needn't
    /// wait for those before it (RFC 7252 §4.7, §5.2.2). One without a free message id is lost.
    pub(super) fn send_waiting_responses(&mut self, now: Instant, peer: PeerIndex) {
        let (share, kind) = (Share::Answers, MessageType::NonConfirmable);
        while let Some(key) = self.first_waiting(peer, share)
            && let Some(response) = self.end(now, key)
        {
            let way = (share, Channel::Udp);
            let _ = self.send_once(now, peer, way, kind, response.message);
        }
    }

    /// The first transmission of a share that was not sent yet.
    fn first_waiting(&self, peer: PeerIndex, share: Share) -> Option<Key> {
        let sending = self.peers.sending(peer)?;
        let mut all = self.transmissions.of(sending.of(share).transmissions);
        all.find(|(_, transmission)| transmission.waits())
            .map(|(key, _)| key)
    }

    /// The request of a transmission is abandoned. If it is outstanding and non-confirmable, it
    /// still counts against NSTART; returns whether it does.
    pub(super) fn leave_probe(&mut self, key: Key) -> bool {
        let Some(peer) = self.transmissions.peer(key) else {
            return false;
        };
        match self.transmissions.get_mut(key) {
            Some(transmission)
                if transmission.kind == MessageType::NonConfirmable && transmission.sent > 0 =>
            {
                transmission.purpose = Purpose::Probe;
                let owner = IdOwner::Transmission(key);
                self.id_owners.remove(peer, transmission.message_id, owner);
                true
            }
            _ => false,
        }
    }

    /// Ends a transmission: it was acknowledged, or is no longer wanted. The next message is sent.
    pub(super) fn end(&mut self, now: Instant, key: Key) -> Option<Transmission> {
        let peer = self.transmissions.peer(key)?;
        let share = self.transmissions.get(key)?.purpose.share();
        let sending = self.peers.sending_mut(peer)?;
        let chain = &mut sending.of_mut(share).transmissions;
        let mut transmission = self.transmissions.remove(key, chain)?;
        let timer = SenderTimer::Transmission(key);
        self.timers.set(timer, &mut transmission.deadline, None);
        if transmission.sent == 0 {
            sending.stop_waiting(share, key);
        } else {
            sending.in_flight = sending.in_flight.saturating_sub(1);
            let owner = IdOwner::Transmission(key);
            self.id_owners.remove(peer, transmission.message_id, owner);
        }
        self.start_waiting(now, peer);
        Some(transmission)
    }

    pub(super) fn transmission(&self, key: Key) -> Option<&Transmission> {
        self.transmissions.get(key)
    }

    /// The oldest transmission to this peer.
    pub(super) fn oldest(&self, peer: PeerIndex) -> Option<Key> {
        let sending = self.peers.sending(peer)?;
        [Share::Initiated, Share::Answers]
            .into_iter()
            .find_map(|share| self.transmissions.oldest(sending.of(share).transmissions))
    }

    /// Cancels the wait for free message ids of this peer.
    pub(super) fn forget_wait(&mut self, peer: PeerIndex) {
        if let Some(sending) = self.peers.sending_mut(peer) {
            let timer = SenderTimer::MessageIds(peer);
            self.timers.set(timer, &mut sending.deadline, None);
        }
    }

    /// Schedules the removal of a peer to which nothing is being sent.
    pub(super) fn settle(&mut self, now: Instant, peer: PeerIndex) {
        let mut deadline = self.peers.settle(now, peer);
        let timer = SenderTimer::MessageIds(peer);
        self.timers.set(timer, &mut deadline, None);
    }

    pub(super) fn id_owners_mut(&mut self) -> &mut IdOwners {
        &mut self.id_owners
    }
}

impl<P> Sender<P> {
    pub(super) fn id_owners(&self) -> &IdOwners {
        &self.id_owners
    }

    /// How many transmissions there are, and how many deadlines.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.transmissions.len(), self.timers.len())
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }
}
