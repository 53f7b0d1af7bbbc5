//! Notifications, as the one who sends them sees it (RFC 7641 §4).

use alloc::{boxed::Box, collections::VecDeque};
use core::mem;

use lwm2m_core::{CodeKind, Instant};

use crate::coap::endpoint::{
    Endpoint, NotifyOptions,
    blockwise::ServingEnd,
    body::Resource,
    config::after,
    context::RequestContext,
    event::{Event, FailureReason, Incoming, InvalidSend, NotificationId, Overload, SendError},
    keys::{BodyKey, PeerIndex},
    messages::{IdOwner, NewerNotification, Purpose, Share, Transmission},
    table::{Chain, KEEP, Key, Table, compact, pop_due},
};
use crate::{
    coap::{message::MessageType, message_buf::MessageBuf, option::OptionNumber, token::Token},
    machine::{Channel, Peer},
};

/// A notification that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::coap::endpoint) struct Notice {
    pub(in crate::coap::endpoint) id: u64,
    pub(in crate::coap::endpoint) token: Token,
    pub(in crate::coap::endpoint) confirmable: bool,
    pub(in crate::coap::endpoint) channel: Channel,
}

/// A notification, or the first answer to an observation, that was sent once; a Reset may name it.
#[derive(Clone, Debug)]
pub(in crate::coap::endpoint) struct Notification {
    pub(in crate::coap::endpoint) id: u64,
    pub(in crate::coap::endpoint) token: Token,
    pub(in crate::coap::endpoint) message_id: u16,
    /// A first answer is one of the answers.
    pub(in crate::coap::endpoint) share: Share,
    /// Whether its acknowledgement is an outcome that was not told yet.
    pub(in crate::coap::endpoint) awaited: bool,
}

impl Notification {
    /// One that is not acknowledged, or not any more.
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
    pub(in crate::coap::endpoint) const fn answered(
        id: u64,
        token: Token,
        message_id: u16,
    ) -> Self {
        Self {
            share: Share::Answers,
            ..Self::sent(id, token, message_id)
        }
    }
}

/// The notifications that were sent once.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Notifications {
    table: Table<Notification>,
    /// They are remembered equally long.
    ends: VecDeque<(Instant, Key)>,
    next_id: u64,
}

impl Notifications {
    pub(in crate::coap::endpoint) fn len(&self) -> usize {
        self.table.len()
    }

    pub(in crate::coap::endpoint) fn get(&self, key: Key) -> Option<&Notification> {
        self.table.get(key)
    }

    pub(in crate::coap::endpoint) fn get_mut(&mut self, key: Key) -> Option<&mut Notification> {
        self.table.get_mut(key)
    }

    pub(in crate::coap::endpoint) fn peer(&self, key: Key) -> Option<PeerIndex> {
        self.table.peer(key)
    }

    pub(in crate::coap::endpoint) fn oldest(&self, chain: Chain) -> Option<Key> {
        self.table.oldest(chain)
    }

    pub(in crate::coap::endpoint) fn pop_ended(&mut self, now: Instant) -> Option<Key> {
        pop_due(&mut self.ends, now)
    }

    /// When the next one may be forgotten, in whole seconds.
    pub(in crate::coap::endpoint) fn next_deadline(&self) -> Option<Instant> {
        let (end, _) = self.ends.front()?;
        Some(Instant::from_millis(
            end.as_millis().div_ceil(1000).saturating_mul(1000),
        ))
    }

    fn remove(&mut self, key: Key, chain: &mut Chain) -> Option<Notification> {
        let notification = self.table.remove(key, chain)?;
        if self.table.len() == 0 {
            self.ends.clear();
            if self.ends.capacity() > KEEP {
                drop(mem::take(&mut self.ends));
            }
        }
        let table = &self.table;
        compact(&mut self.ends, table.len(), |(_, key)| {
            table.get(*key).is_some()
        });
        Some(notification)
    }
}

impl<P: Peer> Endpoint<P> {
    /// Sends a notification: a response to the request of that token, which carried Observe: 0.
    /// The message carries its sequence number in an Observe option of its own.
    ///
    /// A confirmable one has one outcome: [`Incoming::Acknowledged`],
    /// [`Incoming::NotificationReset`] or [`Event::NotificationFailed`]. A non-confirmable one may
    /// still be rejected. While a confirmable one has no outcome yet, a newer one of the same
    /// token waits for it, or takes its place when it would be sent again, and is then confirmable
    /// too: the newest value wins (RFC 7641 §4.5.2).
    ///
    /// When a notification is to be confirmable is for the caller to say; whoever keeps an
    /// [`Observer`](super::Observer) leaves it to [`notify_observer`](Self::notify_observer). How
    /// often non-confirmable ones are sent is the caller's, too (RFC 7641 §4.5.1: at most one
    /// every 3 seconds to a client, on average): one that is held back has to carry the state of
    /// the moment when it is sent, and only the application knows that. Of confirmable ones the
    /// endpoint sends no more than NSTART allows.
    pub fn notify(
        &mut self,
        now: Instant,
        to: P,
        token: Token,
        message: MessageBuf,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        if message.code().kind() != CodeKind::Response {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        let peer = self
            .enter(now, to)
            .ok_or(SendError::Overload(Overload::Peers))?;
        let resource = options.resource.unwrap_or(Resource::NONE);
        let context = RequestContext::of_notification(token, resource, options.channel);
        let message = self.blockwise.notify(now, peer, &context, message);
        let _ = self.do_steps(now);
        let in_blocks = message.has(OptionNumber::BLOCK2);
        let notice = self.new_notice(peer, token, options);
        if let Err(error) = self.send_notification(now, peer, notice, message) {
            if in_blocks {
                let body = BodyKey::new(peer, resource.key);
                self.blockwise.notification_not_sent(body);
                let _ = self.do_steps(now);
            }
            return Err(error);
        }
        self.end_awaited(now, peer, token, ServingEnd::Replaced);
        Ok(NotificationId(notice.id))
    }

    /// A notification that is about to be sent. If it takes the place of a confirmable one that
    /// waits for its first block, it is confirmable, too.
    pub(in crate::coap::endpoint) fn new_notice(
        &mut self,
        peer: PeerIndex,
        token: Token,
        options: NotifyOptions,
    ) -> Notice {
        let id = self.take_notification_id();
        let replaced = self.blockwise.awaited_notification(peer, token);
        Notice {
            id,
            token,
            confirmable: options.confirmable || replaced.is_some_and(|older| older.confirmable),
            channel: options.channel,
        }
    }

    /// The id of the next notification.
    pub(in crate::coap::endpoint) const fn next_notification(&self) -> NotificationId {
        NotificationId(self.notifications.next_id)
    }

    pub(in crate::coap::endpoint) const fn take_notification_id(&mut self) -> u64 {
        let id = self.notifications.next_id;
        self.notifications.next_id = id.wrapping_add(1);
        id
    }

    /// Sends a notification, or has it wait for its turn. After an error nothing is kept of it.
    pub(in crate::coap::endpoint) fn send_notification(
        &mut self,
        now: Instant,
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
        let wire = message.finish(kind, 0, token);
        if let Some(key) = self.messages.notification_under_way(peer, token) {
            let newer = NewerNotification {
                id,
                confirmable: notice.confirmable,
                message: wire,
            };
            if let Some(id) = self.messages.supersede(key, newer) {
                self.notification_failed(peer, id, token, FailureReason::Superseded);
            }
        } else if notice.confirmable && notice.channel == Channel::Udp {
            if !self.messages.may_transmit(peer, Share::Initiated) {
                self.messages.release(peer);
                return Err(SendError::Overload(Overload::Messages));
            }
            let purpose = Purpose::Notification { id, token };
            let transmission = Transmission::confirmable(wire, purpose);
            self.messages.transmit(now, peer, transmission);
            self.handle_outcomes(now);
        } else {
            match self.messages.send_once(now, peer, kind, wire) {
                Ok(message_id) => {
                    let notification = Notification {
                        awaited: notice.confirmable,
                        ..Notification::sent(id, token, message_id)
                    };
                    self.remember(now, peer, notification);
                }
                Err(error) => {
                    self.messages.release(peer);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Takes back what is still being sent of an observation that has ended: the peer wants no more
    /// of it. No event follows.
    pub fn end_notifications(&mut self, now: Instant, peer: &P, token: Token) {
        let Some(peer) = self.messages.find(peer) else {
            return;
        };
        while let Some(key) = self.messages.notification_under_way(peer, token) {
            self.end_transmission(now, key);
        }
        self.end_awaited(now, peer, token, ServingEnd::Unwanted);
        self.messages.release(peer);
    }

    /// Takes back the notification to this observer that waits for its first block.
    fn end_awaited(&mut self, now: Instant, peer: PeerIndex, token: Token, end: ServingEnd) {
        self.blockwise.end_notification(peer, token, end);
        let _ = self.do_steps(now);
    }

    /// A newer notification has taken the place of one that was sent with this message id.
    pub(in crate::coap::endpoint) fn superseded(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        (id, token): (u64, Token),
        message_id: u16,
    ) {
        self.remember(now, peer, Notification::sent(id, token, message_id));
        self.notification_failed(peer, id, token, FailureReason::Superseded);
    }

    /// Remembers what a message id stands for, for a Reset that names it.
    pub(in crate::coap::endpoint) fn remember(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        notification: Notification,
    ) {
        let bound = self.config.bounds.notifications_per_peer.max(1);
        let share = notification.share;
        while let Some(exchanges) = self.messages.exchanges(peer)
            && let of_share = exchanges.notifications(share)
            && of_share.len() >= bound
            && let Some(oldest) = self.notifications.oldest(of_share)
        {
            self.forget_notification(now, oldest, FailureReason::Timeout);
        }
        let Some(exchanges) = self.messages.start_exchange(now, peer) else {
            return;
        };
        let message_id = notification.message_id;
        let chain = exchanges.notifications_mut(share);
        let key = self.notifications.table.insert(peer, chain, notification);
        let end = after(now, self.spans.non_lifetime);
        self.notifications.ends.push_back((end, key));
        let owner = IdOwner::Notification(key);
        self.messages.set_id_owner(peer, message_id, owner);
    }

    /// Forgets a notification that was sent once.
    pub(in crate::coap::endpoint) fn forget_notification(
        &mut self,
        now: Instant,
        key: Key,
        reason: FailureReason,
    ) {
        let share = self.notifications.get(key).map(|known| known.share);
        let (Some(share), Some(peer)) = (share, self.notifications.peer(key)) else {
            return;
        };
        let Some(exchanges) = self.messages.exchanges_mut(peer) else {
            return;
        };
        let chain = exchanges.notifications_mut(share);
        if let Some(notification) = self.notifications.remove(key, chain) {
            let owner = IdOwner::Notification(key);
            self.messages
                .clear_id_owner(peer, notification.message_id, owner);
            if notification.awaited {
                self.notification_failed(peer, notification.id, notification.token, reason);
            }
        }
        self.messages.settle(now, peer);
    }

    pub(in crate::coap::endpoint) fn notification_failed(
        &mut self,
        peer: PeerIndex,
        id: u64,
        token: Token,
        reason: FailureReason,
    ) {
        if let Some(peer) = self.messages.name(peer) {
            self.events.push_back(Event::NotificationFailed {
                notification: NotificationId(id),
                peer,
                token,
                reason,
            });
        }
    }

    /// A confirmable notification was acknowledged: the newer one, if there is one, is next.
    pub(in crate::coap::endpoint) fn notification_acknowledged(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        id: u64,
        token: Token,
        newer: Option<Box<NewerNotification>>,
    ) -> Incoming<'static> {
        if let Some(newer) = newer {
            self.send_newer(now, peer, token, *newer);
        }
        Incoming::Acknowledged {
            notification: NotificationId(id),
            token,
        }
    }

    /// Sends what has waited for the outcome of the notification before it.
    fn send_newer(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        token: Token,
        newer: NewerNotification,
    ) {
        let id = newer.id;
        if newer.confirmable {
            let purpose = Purpose::Notification { id, token };
            let transmission = Transmission::confirmable(newer.message, purpose);
            self.messages.transmit(now, peer, transmission);
            self.handle_outcomes(now);
            return;
        }
        let kind = MessageType::NonConfirmable;
        match self.messages.send_once(now, peer, kind, newer.message) {
            Ok(message_id) => {
                self.remember(now, peer, Notification::sent(id, token, message_id));
            }
            Err(_) => self.notification_failed(peer, id, token, FailureReason::NotSent),
        }
    }

    /// A notification was rejected.
    pub(in crate::coap::endpoint) fn notification_reset(
        &mut self,
        peer: PeerIndex,
        id: u64,
        token: Token,
        newer: Option<Box<NewerNotification>>,
    ) -> Incoming<'static> {
        if let Some(newer) = newer {
            self.notification_failed(peer, newer.id, token, FailureReason::Reset);
        }
        Incoming::NotificationReset {
            notification: NotificationId(id),
            token,
        }
    }
}
