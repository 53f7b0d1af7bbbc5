//! What became of messages: they are acknowledged, rejected, or have failed.

use lwm2m_core::Instant;

use super::{below::Below, layer::Exchanges};
use crate::{
    coap::endpoint::{
        event::{DatagramError, Event, FailureReason, Incoming, NotificationId, RequestId},
        keys::PeerIndex,
        messages::{IdOwner, Messages, Outcome, Purpose, Transmission},
        table::Key,
    },
    machine::Peer,
};

impl Exchanges {
    /// The request that this owner of a message id belongs to.
    pub(crate) fn request_of<P: Peer>(messages: &Messages<P>, owner: IdOwner) -> Option<Key> {
        match owner {
            IdOwner::Request(key) => Some(key),
            IdOwner::Transmission(key) => match messages.transmission(key)?.purpose {
                Purpose::Request(key) => Some(key),
                Purpose::Response { .. } | Purpose::Notification { .. } | Purpose::Probe => None,
            },
            IdOwner::Notification(_) => None,
        }
    }

    /// A message of ours is acknowledged without a response.
    pub(crate) fn acknowledged<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        (peer, owner): (PeerIndex, IdOwner),
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        match owner {
            IdOwner::Transmission(key) => {
                let messages = &mut *below.messages;
                let sent = messages.transmission(key);
                // Acknowledgements of non-confirmable messages are ignored (RFC 7252 §4.3).
                let is_confirmable = sent.is_some_and(Transmission::is_confirmable);
                let acknowledged = is_confirmable.then(|| messages.end_transmission(now, key));
                let transmission = acknowledged.flatten().ok_or(DatagramError::Unmatched)?;
                Ok(self.transmission_acknowledged(now, below, peer, transmission))
            }
            // It was sent once, and the wait for its response has already started.
            IdOwner::Request(_) => Ok(None),
            IdOwner::Notification(key) => {
                let acknowledged = self.notifications.acknowledged_once(now, below, key);
                let (notification, token) = acknowledged.ok_or(DatagramError::Unmatched)?;
                Ok(Some(Incoming::Acknowledged {
                    notification,
                    token,
                }))
            }
        }
    }

    /// A transmission was acknowledged, and has ended.
    fn transmission_acknowledged<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        transmission: Transmission,
    ) -> Option<Incoming<'static>> {
        let incoming = match transmission.purpose {
            Purpose::Request(key) => {
                let message = transmission.message;
                let is_ping = self
                    .requests
                    .acknowledged(now, below.messages, key, message);
                let request = RequestId(key);
                is_ping.then_some(Incoming::RequestReset { request })
            }
            Purpose::Response { .. } | Purpose::Probe => None,
            Purpose::Notification { id, token } => {
                if let Some(newer) = transmission.newer {
                    self.notifications
                        .acknowledged(now, below, (peer, token), *newer);
                }
                Some(Incoming::Acknowledged {
                    notification: NotificationId(id),
                    token,
                })
            }
        };
        self.requests.note_sent(now, below.messages);
        incoming
    }

    /// A response or a notification is rejected. The caller handles requests.
    pub(crate) fn rejected<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
        (peer, owner): (PeerIndex, IdOwner),
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let rejected = match owner {
            IdOwner::Request(_) => None,
            IdOwner::Transmission(key) => {
                let rejected = self.end_transmission(now, below.messages, key);
                let transmission = rejected.ok_or(DatagramError::Unmatched)?;
                return Ok(transmission_rejected(below, peer, transmission));
            }
            IdOwner::Notification(key) => self.notifications.reset_once(now, below, key),
        };
        let (notification, token) = rejected.ok_or(DatagramError::Unmatched)?;
        Ok(Some(Incoming::NotificationReset {
            notification,
            token,
        }))
    }

    /// The next transmission that has timed out. Other outcomes of sent messages are handled here.
    pub(crate) fn poll_timed_out<P: Peer>(
        &mut self,
        now: Instant,
        below: &mut Below<'_, P>,
    ) -> Option<(PeerIndex, Transmission)> {
        self.requests.note_sent(now, below.messages);
        while let Some(outcome) = below.messages.poll_outcome() {
            match outcome {
                Outcome::ProbeOver { peer, transmission } => {
                    self.requests.probe_over(below.messages, peer, transmission);
                }
                Outcome::Superseded {
                    peer,
                    id,
                    token,
                    message_id,
                } => {
                    let sent = (id, token, message_id);
                    self.notifications.superseded(now, below, peer, sent);
                }
                Outcome::TimedOut { peer, transmission } => return Some((peer, transmission)),
            }
        }
        None
    }

    /// A transmission has failed. Reports a response or a notification, and returns a request.
    pub(crate) fn failed<P: Peer>(
        below: &mut Below<'_, P>,
        peer: PeerIndex,
        transmission: &Transmission,
        reason: FailureReason,
    ) -> Option<Key> {
        match transmission.purpose {
            Purpose::Request(request) => return Some(request),
            Purpose::Response { token, first } => below.tell(peer, |peer| Event::ResponseFailed {
                peer,
                token,
                notification: first.map(NotificationId),
                reason,
            }),
            Purpose::Probe => {}
            Purpose::Notification { id, token } => {
                below.tell_notification_failed(peer, (id, token), reason);
                if let Some(newer) = &transmission.newer {
                    below.tell_notification_failed(peer, (newer.id, token), reason);
                }
            }
        }
        None
    }
}

/// A response or a notification was rejected.
fn transmission_rejected<P: Peer>(
    below: &mut Below<'_, P>,
    peer: PeerIndex,
    transmission: Transmission,
) -> Option<Incoming<'static>> {
    let reason = FailureReason::Reset;
    match transmission.purpose {
        Purpose::Request(_) | Purpose::Probe => None,
        Purpose::Response { token, first } => {
            below.tell(peer, |peer| Event::ResponseFailed {
                peer,
                token,
                notification: first.map(NotificationId),
                reason,
            });
            None
        }
        Purpose::Notification { id, token } => {
            if let Some(newer) = transmission.newer {
                below.tell_notification_failed(peer, (newer.id, token), reason);
            }
            Some(Incoming::NotificationReset {
                notification: NotificationId(id),
                token,
            })
        }
    }
}
