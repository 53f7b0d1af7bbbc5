//! Notifications on the sending side (RFC 7641 §4).

use alloc::{collections::VecDeque, vec::Vec};
use core::mem;

use lwm2m_core::Instant;

use super::below::Below;
use crate::{
    coap::{
        endpoint::{
            config::{Config, Spans, after},
            event::{FailureReason, NotificationId, Overload, SendError},
            keys::PeerIndex,
            messages::{
                FirstNotification, IdOwner, Messages, NewerNotification, Purpose, Share,
                Transmission,
            },
            notice::Notice,
            options::NotifyOptions,
            table::{Chain, KEEP, Key, Table, compact, pop_due},
        },
        message::MessageType,
        message_buf::MessageBuf,
        token::Token,
    },
    machine::{Channel, Peer},
};

/// A notification, or the first answer to an observation, that was sent once; a Reset may name it.
#[derive(Clone, Debug)]
struct Notification {
    id: u64,
    token: Token,
    message_id: u16,
    /// A first answer counts as an answer.
    share: Share,
    /// Whether its acknowledgement is an outcome that has not been reported yet.
    awaited: bool,
}

impl Notification {
    /// A notification that isn't acknowledged, or has already been.
    const fn sent(id: u64, token: Token, message_id: u16) -> Self {
        Self {
            id,
            token,
            message_id,
            share: Share::Initiated,
            awaited: false,
        }
    }

    /// The first answer to an observation.
    const fn answered(id: u64, token: Token, message_id: u16) -> Self {
        Self {
            share: Share::Answers,
            ..Self::sent(id, token, message_id)
        }
    }
}

/// When notifications are forgotten, each after the same time.
#[derive(Debug)]
struct Ends {
    queue: VecDeque<(Instant, Key)>,
    /// In milliseconds.
    lifetime: u64,
}

impl Ends {
    const fn new(lifetime: u64) -> Self {
        let queue = VecDeque::new();
        Self { queue, lifetime }
    }

    fn push(&mut self, now: Instant, key: Key) {
        self.queue.push_back((after(now, self.lifetime), key));
    }

    fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(end, _)| *end)
    }

    /// Drops those that are gone.
    fn compact(&mut self, table: &Table<Notification>) {
        if table.len() == 0 {
            self.queue.clear();
            if self.queue.capacity() > KEEP {
                drop(mem::take(&mut self.queue));
            }
        }
        compact(&mut self.queue, table.len(), |(_, key)| {
            table.get(*key).is_some()
        });
    }
}

/// Our notifications: the message layer holds those being sent; this remembers those that were sent
/// once.
#[derive(Debug)]
pub(crate) struct Notifications {
    table: Table<Notification>,
    ends: Ends,
    /// Of those that were sent over SMS.
    sms_ends: Ends,
    next_id: u64,
    per_peer: usize,
}

impl Notifications {
    pub(super) fn new(config: &Config) -> Self {
        let spans = Spans::new(config);
        Self {
            table: Table::default(),
            ends: Ends::new(spans.non_lifetime),
            sms_ends: Ends::new(spans.sms.round_trip),
            next_id: 0,
            per_peer: config.bounds.notifications_per_peer.max(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// A notification that is about to be sent. If it replaces a confirmable one that waits for its
    /// first block, it is confirmable, too.
    pub(crate) fn begin(
        &mut self,
        token: Token,
        options: NotifyOptions,
        replaced: Option<Notice>,
    ) -> Notice {
        Notice {
            id: self.take_id(),
            token,
            confirmable: options.confirmable || replaced.is_some_and(|older| older.confirmable),
            channel: options.channel,
        }
    }

    /// The id of the next notification.
    pub(crate) const fn next_id(&self) -> NotificationId {
        NotificationId(self.next_id)
    }

    /// The id of a notification, or of the answer that begins an observation.
    pub(crate) const fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    /// Sends or queues a notification. After an error no state of it is kept.
    pub(crate) fn send<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        notice: Notice,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let Notice { id, token, .. } = notice;
        let kind = if notice.confirmable {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        if answer_waits(below, peer, token) {
            below.messages.release(peer);
            return Err(SendError::Overload(Overload::Answer));
        }
        let wire = message.finish(kind, 0, token);
        if let Some(key) = below
            .messages
            .last_under_way(peer, |sent| sent.purpose.notifies(token))
        {
            let newer = NewerNotification {
                id,
                confirmable: notice.confirmable,
                message: wire,
            };
            if let Some(id) = below.messages.supersede(key, newer) {
                below.tell_notification_failed(peer, (id, token), FailureReason::Superseded);
            }
        } else if notice.confirmable && notice.channel == Channel::Udp {
            if !below.messages.may_transmit(peer, Share::Initiated) {
                below.messages.release(peer);
                return Err(SendError::Overload(Overload::Messages));
            }
            let purpose = Purpose::Notification { id, token };
            let transmission = Transmission::confirmable(wire, purpose);
            below.messages.transmit(now, peer, transmission);
        } else {
            match below
                .messages
                .send_once(now, (peer, notice.channel), kind, wire)
            {
                Ok(message_id) => {
                    let notification = Notification {
                        awaited: notice.confirmable,
                        ..Notification::sent(id, token, message_id)
                    };
                    self.remember(now, below, peer, (notification, notice.channel));
                }
                Err(error) => {
                    below.messages.release(peer);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// A request to observe was answered once: a Reset may name the answer (RFC 7641 §3.6).
    pub(crate) fn answered_once<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        first: FirstNotification,
    ) {
        let FirstNotification {
            id,
            peer,
            token,
            message_id,
        } = first;
        let notification = Notification::answered(id, token, message_id);
        self.remember(now, below, peer, (notification, Channel::Udp));
    }

    /// A newer notification has replaced one that was sent with this message id.
    pub(crate) fn superseded<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        (id, token, message_id): (u64, Token, u16),
    ) {
        let notification = Notification::sent(id, token, message_id);
        self.remember(now, below, peer, (notification, Channel::Udp));
        below.tell_notification_failed(peer, (id, token), FailureReason::Superseded);
    }

    /// A notification, or the first answer to an observation, was being sent and has ended with its
    /// connection. A Reset may still name it.
    pub(crate) fn ended<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        transmission: &Transmission,
    ) {
        let message_id = transmission.message_id;
        let notification = match transmission.purpose {
            _ if transmission.waits() => None,
            Purpose::Notification { id, token } => Some(Notification::sent(id, token, message_id)),
            Purpose::Response { token, first } => {
                first.map(|id| Notification::answered(id, token, message_id))
            }
            Purpose::Request(_) | Purpose::Probe => None,
        };
        if let Some(notification) = notification {
            self.remember(now, below, peer, (notification, Channel::Udp));
        }
    }

    /// Remembers the notification of a message id, so that a Reset can be matched.
    fn remember<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        (notification, channel): (Notification, Channel),
    ) {
        let share = notification.share;
        while let Some(exchanges) = below.messages.exchanges(peer)
            && let of_share = exchanges.notifications(share)
            && of_share.len() >= self.per_peer
            && let Some(oldest) = self.table.oldest(of_share)
        {
            self.forget(now, below, oldest, FailureReason::Timeout);
        }
        let Some(exchanges) = below.messages.start_exchange(now, peer) else {
            return;
        };
        let message_id = notification.message_id;
        let chain = exchanges.notifications_mut(share);
        let key = self.table.insert(peer, chain, notification);
        match channel {
            Channel::Udp => self.ends.push(now, key),
            Channel::Sms => self.sms_ends.push(now, key),
        }
        below
            .messages
            .set_id_owner(peer, message_id, IdOwner::Notification(key));
    }

    /// Forgets a notification that was sent once.
    pub(crate) fn forget<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        key: Key,
        reason: FailureReason,
    ) {
        let share = self.table.get(key).map(|known| known.share);
        let (Some(share), Some(peer)) = (share, self.table.peer(key)) else {
            return;
        };
        let Some(exchanges) = below.messages.exchanges_mut(peer) else {
            return;
        };
        let chain = exchanges.notifications_mut(share);
        if let Some(notification) = self.remove(key, chain) {
            let owner = IdOwner::Notification(key);
            below
                .messages
                .clear_id_owner(peer, notification.message_id, owner);
            if notification.awaited {
                let (id, token) = (notification.id, notification.token);
                below.tell_notification_failed(peer, (id, token), reason);
            }
        }
        below.messages.settle(now, peer);
    }

    fn remove(&mut self, key: Key, chain: &mut Chain) -> Option<Notification> {
        let notification = self.table.remove(key, chain)?;
        for ends in [&mut self.ends, &mut self.sms_ends] {
            ends.compact(&self.table);
        }
        Some(notification)
    }

    /// Forgets all notifications to a peer.
    pub(crate) fn forget_peer<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
    ) {
        while let Some(key) = self.oldest(below.messages, peer) {
            self.forget(now, below, key, FailureReason::PeerDropped);
        }
    }

    /// The connection to a peer is closed: its notifications are no longer acknowledged. A Reset may
    /// still name them.
    pub(crate) fn close<P: Peer>(&mut self, below: &mut Below<'_, P>, peer: PeerIndex) {
        let Some(exchanges) = below.messages.exchanges(peer) else {
            return;
        };
        let shares = [Share::Initiated, Share::Answers].into_iter();
        let all = shares.flat_map(|share| self.table.of(exchanges.notifications(share)));
        let all: Vec<Key> = all.map(|(key, _)| key).collect();
        for key in all {
            if let Some(notification) = self.table.get_mut(key)
                && mem::take(&mut notification.awaited)
            {
                let failed = (notification.id, notification.token);
                below.tell_notification_failed(peer, failed, FailureReason::PeerDropped);
            }
        }
    }

    /// The oldest notification to this peer that was sent once.
    pub(crate) fn oldest<P: Peer>(&self, messages: &Messages<P>, peer: PeerIndex) -> Option<Key> {
        let exchanges = messages.exchanges(peer)?;
        [Share::Initiated, Share::Answers]
            .into_iter()
            .find_map(|share| self.table.oldest(exchanges.notifications(share)))
    }

    /// Removes expired notifications.
    pub(crate) fn expire<P: Peer>(&mut self, now: Instant, below: &mut Below<'_, P>) {
        while let Some(key) =
            pop_due(&mut self.ends.queue, now).or_else(|| pop_due(&mut self.sms_ends.queue, now))
        {
            self.forget(now, below, key, FailureReason::Timeout);
        }
    }

    /// When the next one expires, in whole seconds.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let ends = [self.ends.next(), self.sms_ends.next()];
        let end = ends.into_iter().flatten().min()?;
        Some(Instant::from_millis(
            end.as_millis().div_ceil(1000).saturating_mul(1000),
        ))
    }

    /// A notification that was sent once is acknowledged, which is its outcome if it is confirmable.
    pub(crate) fn acknowledged_once<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        key: Key,
    ) -> Option<(NotificationId, Token)> {
        let is_awaited = self.table.get(key).is_some_and(|known| known.awaited);
        if is_awaited {
            self.reset_once(now, below, key)
        } else {
            None
        }
    }

    /// A notification that was sent once is rejected.
    pub(crate) fn reset_once<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        key: Key,
    ) -> Option<(NotificationId, Token)> {
        let notification = self.table.get_mut(key)?;
        // The Reset is its only outcome: `forget` must not report another.
        notification.awaited = false;
        let told = (NotificationId(notification.id), notification.token);
        self.forget(now, below, key, FailureReason::Reset);
        Some(told)
    }

    /// A confirmable notification was acknowledged: the newer one, if any, is sent next.
    pub(crate) fn acknowledged<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        (peer, token): (PeerIndex, Token),
        newer: NewerNotification,
    ) {
        let id = newer.id;
        if newer.confirmable {
            let purpose = Purpose::Notification { id, token };
            let transmission = Transmission::confirmable(newer.message, purpose);
            below.messages.transmit(now, peer, transmission);
            return;
        }
        let kind = MessageType::NonConfirmable;
        match below
            .messages
            .send_once(now, (peer, Channel::Udp), kind, newer.message)
        {
            Ok(message_id) => {
                let notification = Notification::sent(id, token, message_id);
                self.remember(now, below, peer, (notification, Channel::Udp));
            }
            Err(_) => below.tell_notification_failed(peer, (id, token), FailureReason::NotSent),
        }
    }
}

/// Whether an answer with this token was not sent yet. If it begins an observation, a notification must
/// not leave before it, as its number is smaller (RFC 7641 §4.4).
fn answer_waits<P: Peer>(below: &Below<'_, P>, peer: PeerIndex, token: Token) -> bool {
    let messages = &below.messages;
    let last = messages.last_under_way(peer, |sent| sent.purpose.responds(token));
    let last = last.and_then(|key| messages.transmission(key));
    last.is_some_and(Transmission::waits)
}
