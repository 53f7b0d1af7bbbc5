//! The interface of the layer of exchanges, and what it sends.

use lwm2m_core::Instant;

use super::{below::Below, notifications::Notifications, requests::Requests};
use crate::{
    coap::{
        endpoint::{
            config::Config,
            deadline::Deadline,
            event::{FailureReason, SendError},
            keys::PeerIndex,
            messages::{FirstNotification, Messages, Transmission},
            notice::Notice,
            table::Key,
            usage::Usage,
        },
        message_buf::MessageBuf,
        option::{BlockOption, OptionNumber},
    },
    machine::{KeyedState, Peer},
};

/// Our requests and notifications.
#[derive(Debug)]
pub(crate) struct Exchanges {
    pub(crate) requests: Requests,
    pub(crate) notifications: Notifications,
}

/// A pending item of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenExchange {
    Request(Key),
    Transmission(Key),
}

/// What becomes of the observations of a peer, once they have begun, when everything pending with it
/// is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observations {
    End,
    Stay,
}

impl Exchanges {
    pub(crate) fn new(config: &Config, token_keys: KeyedState) -> Self {
        Self {
            requests: Requests::new(config, token_keys),
            notifications: Notifications::new(config),
        }
    }

    /// Answers a request with this message.
    pub(crate) fn answer<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        record: Key,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let is_first = message.has(OptionNumber::OBSERVE);
        let first = is_first.then(|| self.notifications.take_id());
        let first = below.messages.answer(now, record, message, first);
        self.note_answer(now, below, first)
    }

    /// Answers a request with a block of a body. Fails only if no message id is free; the peer then
    /// gets no answer.
    pub(crate) fn answer_with_block<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        record: Key,
        (block, message): (BlockOption, MessageBuf),
    ) {
        let messages = &mut *below.messages;
        let first = messages.answer_with_block(now, record, block, message);
        let _ = self.note_answer(now, below, first);
    }

    fn note_answer<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        first: Result<Option<FirstNotification>, SendError>,
    ) -> Result<(), SendError> {
        self.requests.note_sent(now, below.messages);
        if let Some(first) = first? {
            self.notifications.answered_once(now, below, first);
        }
        Ok(())
    }

    /// Sends or queues a notification. After an error no state of it is kept.
    pub(crate) fn notify<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        notice: Notice,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let sent = self.notifications.send(now, below, peer, notice, message);
        self.requests.note_sent(now, below.messages);
        sent
    }

    /// Sends or queues a notification like [`notify`](Self::notify), and reports if a confirmable
    /// one can't be sent: its first block has been supplied only now.
    pub(crate) fn notify_supplied<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        notice: Notice,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let sent = self.notify(now, below, peer, notice, message);
        if sent.is_err() && notice.confirmable {
            let (failed, reason) = ((notice.id, notice.token), FailureReason::NotSent);
            below.tell_notification_failed(peer, failed, reason);
        }
        sent
    }

    /// Cancels a transmission.
    pub(crate) fn end_transmission<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        key: Key,
    ) -> Option<Transmission> {
        let transmission = messages.end_transmission(now, key);
        self.requests.note_sent(now, messages);
        transmission
    }

    /// Cancels all responses and notifications to a peer. A response that waits leaves once: its request has
    /// been carried out. Not so one that begins an observation, which has ended.
    pub(crate) fn finish_answers<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        peer: PeerIndex,
    ) {
        self.end_transmissions(now, messages, peer, |sent| {
            sent.waits() && sent.purpose.observes()
        });
        messages.send_waiting_responses(now, peer);
        self.end_transmissions(now, messages, peer, |sent| sent.purpose.answers());
    }

    /// Cancels all such transmissions to a peer that are being sent or wait.
    pub(crate) fn end_transmissions<P: Peer>(
        &mut self,
        now: Instant,
        messages: &mut Messages<P>,
        peer: PeerIndex,
        is_meant: impl Fn(&Transmission) -> bool,
    ) {
        // The last ones first: what waits isn't sent in the meantime.
        while let Some(key) = messages.last_under_way(peer, &is_meant) {
            self.end_transmission(now, messages, key);
        }
    }

    /// The first item to end when everything pending with this peer is ended.
    pub(crate) fn first_open<P: Peer>(
        &self,
        messages: &Messages<P>,
        peer: PeerIndex,
        observations: Observations,
    ) -> Option<OpenExchange> {
        let requests = messages.exchanges(peer)?.requests;
        let request = match observations {
            Observations::End => self.requests.oldest(requests),
            Observations::Stay => self.requests.oldest_passing(requests),
        };
        request.map(OpenExchange::Request).or_else(|| {
            let transmission = messages.oldest_transmission(peer);
            transmission.map(OpenExchange::Transmission)
        })
    }

    /// What is due next, and when.
    pub(crate) fn next_deadline(&self) -> Option<(Instant, Deadline)> {
        Deadline::first([
            (self.requests.next_deadline(), Deadline::Response),
            (self.notifications.next_deadline(), Deadline::Notification),
        ])
    }

    /// Adds the usage of this layer.
    pub(crate) fn add_usage(&self, usage: &mut Usage) {
        let (requests, timers) = self.requests.len();
        usage.requests = requests;
        usage.notifications = self.notifications.len();
        usage.timers = usage.timers.saturating_add(timers);
    }
}
