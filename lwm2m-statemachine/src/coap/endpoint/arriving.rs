//! Handling of received messages by type and code: requests, acknowledgements and Resets.

use alloc::format;

use lwm2m_core::{Code, Instant};

use super::{
    blockwise::RequestStep,
    context::OpenRequest,
    event::{
        Body, DatagramError, Event, FailureReason, Incoming, NotificationId, RequestId, Responder,
    },
    keys::PeerIndex,
    layers::Layers,
    messages::{IdOwner, Purpose, Transmission},
    routing::is_refusal,
    table::Key,
};
use crate::{
    coap::{
        message::{MessageRef, MessageType},
        message_buf::MessageBuf,
        option::{OptionNumber, OptionSet},
    },
    machine::{Datagram, Peer},
};

/// The options that address a proxy, which an endpoint isn't (RFC 7252 §5.7.2).
const PROXY: OptionSet = OptionSet::NONE
    .with(OptionNumber::PROXY_URI)
    .with(OptionNumber::PROXY_SCHEME);

impl<P: Peer> Layers<P> {
    /// Handles a message with a request code.
    pub(super) fn receive_request<'d>(
        &mut self,
        now: Instant,
        datagram: &Datagram<'d, P>,
        message: MessageRef<'d>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let confirmable = message.kind() == MessageType::Confirmable;
        let known = self.messages.find(&datagram.from);
        if let Some(peer) = known
            && let Some(record) = self.messages.find_record(peer, &message)
        {
            self.repeat(now, datagram.from.clone(), record);
            return Ok(None);
        }
        let refusal = self.refusal(&message);
        if let Some((code, error)) = refusal
            && !confirmable
            && (datagram.multicast || code == Code::BAD_OPTION)
        {
            return Err(error);
        }
        let entered = known
            .or_else(|| self.enter(now, datagram.from.clone()))
            .filter(|peer| self.messages.make_room(*peer));
        let Some(peer) = entered else {
            if confirmable {
                let to = datagram.from.clone();
                self.messages.refuse_unrecorded(to, &message);
            }
            return Err(DatagramError::Overload);
        };
        let context = self.blockwise.context(&message, datagram.channel);
        let received = (&message, datagram.multicast);
        let record = self.messages.record_request(now, peer, received, context);
        let record = record.ok_or(DatagramError::Overload)?;
        if let Some((code, error)) = refusal {
            let mut response = MessageBuf::response(code);
            if let DatagramError::BadOption(option) = error {
                response.payload(format!("{option}").as_bytes());
            }
            // Fails only if no message id is free; the peer then gets no answer.
            let _ = self.decide(now, record, response);
            return Err(error);
        }
        let asking = OpenRequest {
            peer,
            record,
            context,
        };
        let step = if message.has(OptionNumber::BLOCK1) || message.has(OptionNumber::BLOCK2) {
            self.receive_blocks(now, &asking, &message)
        } else {
            RequestStep::Deliver(Body::Datagram(message.payload()))
        };
        Ok(self.hand_on(now, &asking, message, step))
    }

    /// Answers a request, or passes it to the application.
    fn hand_on<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: MessageRef<'d>,
        step: RequestStep<'d>,
    ) -> Option<Incoming<'d>> {
        let record = asking.record;
        match &step {
            RequestStep::Answer(_) | RequestStep::AnswerWithBlock { .. } => {}
            _ => {
                let channel = asking.context.channel;
                self.messages.acknowledge_later(now, record, channel);
            }
        }
        let responder = Responder::new(record, &asking.context);
        match step {
            RequestStep::Deliver(body) => Some(Incoming::Request {
                responder,
                request,
                body,
            }),
            RequestStep::DeliverWhole(body, format) => Some(Incoming::Request {
                responder,
                request: request.of_body(format),
                body: Body::Assembled(body),
            }),
            RequestStep::DeliverBlock {
                transfer,
                format,
                offset,
                more,
            } => Some(Incoming::RequestBlock {
                responder,
                transfer,
                request: request.of_body(format),
                offset,
                more,
            }),
            RequestStep::Wait => None,
            RequestStep::Answer(message) => {
                if is_refusal(message.code()) {
                    self.messages.spare_record(record);
                }
                // Fails only if no message id is free; the peer then gets no answer.
                let _ = self.send_answer(now, record, message);
                None
            }
            RequestStep::AnswerWithBlock { block, message } => {
                self.send_block_of_body(now, record, block, message);
                None
            }
        }
    }

    /// Why a request is refused before the application sees it.
    fn refusal(&self, message: &MessageRef<'_>) -> Option<(Code, DatagramError)> {
        if let Some(option) = message.present().within(PROXY).first() {
            let error = DatagramError::BadOption(option);
            return Some((Code::PROXYING_NOT_SUPPORTED, error));
        }
        if let Some(option) = message.unrecognised_outside(self.understood) {
            return Some((Code::BAD_OPTION, DatagramError::BadOption(option)));
        }
        if message.code().method().is_none() {
            let error = DatagramError::Method(message.code());
            return Some((Code::METHOD_NOT_ALLOWED, error));
        }
        None
    }

    /// Handles a request that has block options.
    fn receive_blocks<'d>(
        &mut self,
        now: Instant,
        asking: &OpenRequest,
        request: &MessageRef<'d>,
    ) -> RequestStep<'d> {
        let is_known = |record| self.messages.record_peer(record).is_some();
        let step = self.blockwise.receive(now, asking, request, &is_known);
        let _ = self.do_steps(now);
        step
    }

    /// Handles a duplicate message.
    pub(super) fn repeat(&mut self, now: Instant, from: P, record: Key) {
        if let Some(served) = self.messages.repeat(from, record) {
            self.blockwise
                .serve_again(served.body, served.record, served.block);
            let _ = self.do_steps(now);
        }
    }

    /// Handles an Empty acknowledgement, or a response that acknowledges a response of ours.
    pub(super) fn receive_acknowledgement(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_, P>,
        message_id: u16,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let (peer, owner) = self.messages.id_owner(&datagram.from, message_id)?;
        match owner {
            IdOwner::Transmission(key) => {
                let acknowledged = self.messages.acknowledged(now, key);
                let transmission = acknowledged.ok_or(DatagramError::Unmatched)?;
                Ok(self.acknowledged(now, peer, transmission))
            }
            // It was sent once, and the wait for its response has already started.
            IdOwner::Request(_) => Ok(None),
            IdOwner::Notification(key) => {
                let (exchanges, mut below) = self.exchanges();
                let acknowledged = exchanges
                    .notifications
                    .acknowledged_once(now, &mut below, key);
                let (notification, token) = acknowledged.ok_or(DatagramError::Unmatched)?;
                Ok(Some(Incoming::Acknowledged {
                    notification,
                    token,
                }))
            }
        }
    }

    /// A transmission was acknowledged, and has ended.
    fn acknowledged(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        transmission: Transmission,
    ) -> Option<Incoming<'static>> {
        let (exchanges, mut below) = self.exchanges();
        let incoming = match transmission.purpose {
            Purpose::Request(key) => {
                let message = transmission.message;
                let is_ping = exchanges
                    .requests
                    .acknowledged(now, below.messages, key, message);
                let request = RequestId(key);
                is_ping.then_some(Incoming::RequestReset { request })
            }
            Purpose::Response { .. } | Purpose::Probe => None,
            Purpose::Notification { id, token } => {
                if let Some(newer) = transmission.newer {
                    let notifications = &mut exchanges.notifications;
                    notifications.acknowledged(now, &mut below, (peer, token), *newer);
                }
                Some(Incoming::Acknowledged {
                    notification: NotificationId(id),
                    token,
                })
            }
        };
        exchanges.requests.note_sent(now, below.messages);
        incoming
    }

    /// Handles a Reset.
    pub(super) fn receive_reset(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_, P>,
        message_id: u16,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let (peer, owner) = self.messages.id_owner(&datagram.from, message_id)?;
        match owner {
            IdOwner::Transmission(key) => {
                let rejected = self.end_transmission(now, key);
                let transmission = rejected.ok_or(DatagramError::Unmatched)?;
                match transmission.purpose {
                    Purpose::Request(request) => self.request_rejected(now, request),
                    _ => Ok(self.rejected(peer, transmission)),
                }
            }
            IdOwner::Request(request) => self.request_rejected(now, request),
            IdOwner::Notification(key) => {
                let (exchanges, mut below) = self.exchanges();
                let rejected = exchanges.notifications.reset_once(now, &mut below, key);
                let (notification, token) = rejected.ok_or(DatagramError::Unmatched)?;
                Ok(Some(Incoming::NotificationReset {
                    notification,
                    token,
                }))
            }
        }
    }

    /// A request was rejected.
    fn request_rejected(
        &mut self,
        now: Instant,
        request: Key,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        if let Some(of) = self.end_block(now, request) {
            self.transfer_failed(now, of, FailureReason::Reset);
            return Ok(None);
        }
        if !self.remove_request(now, request) {
            return Err(DatagramError::Unmatched);
        }
        Ok(Some(Incoming::RequestReset {
            request: RequestId(request),
        }))
    }

    /// A response or notification was rejected.
    fn rejected(
        &mut self,
        peer: PeerIndex,
        transmission: Transmission,
    ) -> Option<Incoming<'static>> {
        let reason = FailureReason::Reset;
        match transmission.purpose {
            Purpose::Request(_) | Purpose::Probe => None,
            Purpose::Response { token, first } => {
                self.tell(peer, |peer| Event::ResponseFailed {
                    peer,
                    token,
                    notification: first.map(NotificationId),
                    reason,
                });
                None
            }
            Purpose::Notification { id, token } => {
                if let Some(newer) = transmission.newer {
                    let (_, mut below) = self.exchanges();
                    below.tell_notification_failed(peer, (newer.id, token), reason);
                }
                Some(Incoming::NotificationReset {
                    notification: NotificationId(id),
                    token,
                })
            }
        }
    }
}
