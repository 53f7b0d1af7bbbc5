//! Handling of received messages by type and code: requests, acknowledgements and Resets.

use alloc::format;

use lwm2m_core::{Code, Instant};

use super::{
    blockwise::RequestStep,
    context::OpenRequest,
    event::{Body, DatagramError, FailureReason, Incoming, RequestId, Responder},
    exchanges::Exchanges,
    keys::PeerIndex,
    layers::Layers,
    messages::IdOwner,
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

/// A message that has arrived: by its type and code, it goes to the layer that it concerns.
#[derive(Debug)]
pub(super) struct Arrival<'a, 'd, P> {
    pub(super) layers: &'a mut Layers<P>,
    pub(super) now: Instant,
    pub(super) datagram: &'a Datagram<'d, P>,
}

impl<'d, P: Peer> Arrival<'_, 'd, P> {
    /// A request.
    pub(super) fn request(
        &mut self,
        message: MessageRef<'d>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let confirmable = message.kind() == MessageType::Confirmable;
        let datagram = self.datagram;
        let known = self.layers.messages.find(&datagram.from);
        if let Some(peer) = known
            && let Some(record) = self.layers.messages.find_record(peer, &message)
        {
            self.repeat(record);
            return Ok(None);
        }
        let (layers, now) = (&mut *self.layers, self.now);
        let refusal = refusal(&message, layers.understood);
        if let Some((code, error)) = refusal
            && !confirmable
            && (datagram.multicast || code == Code::BAD_OPTION)
        {
            return Err(error);
        }
        let entered = known
            .or_else(|| layers.enter(now, datagram.from.clone()))
            .filter(|peer| layers.messages.make_room(*peer));
        let Some(peer) = entered else {
            if confirmable {
                let to = datagram.from.clone();
                layers.messages.refuse_unrecorded(to, &message);
            }
            return Err(DatagramError::Overload);
        };
        let context = layers.blockwise.context(&message, datagram.channel);
        let received = (&message, datagram.multicast);
        let record = layers.messages.record_request(now, peer, received, context);
        let record = record.ok_or(DatagramError::Overload)?;
        if let Some((code, error)) = refusal {
            self.refuse(record, code, &error);
            return Err(error);
        }
        let asking = OpenRequest {
            peer,
            record,
            context,
        };
        let step = if message.has(OptionNumber::BLOCK1) || message.has(OptionNumber::BLOCK2) {
            let is_known = |record| layers.messages.record_peer(record).is_some();
            let step = layers.blockwise.receive(now, &asking, &message, &is_known);
            let _ = layers.do_steps(now);
            step
        } else {
            RequestStep::Deliver(Body::Datagram(message.payload()))
        };
        Ok(self.hand_on(&asking, message, step))
    }

    /// Answers a request with a refusal.
    fn refuse(&mut self, record: Key, code: Code, error: &DatagramError) {
        let mut response = MessageBuf::response(code);
        if let DatagramError::BadOption(option) = error {
            response.payload(format!("{option}").as_bytes());
        }
        // Fails only if no message id is free; the peer then gets no answer.
        let _ = self.layers.decide(self.now, record, response);
    }

    /// Answers a request, or passes it to the application.
    fn hand_on(
        &mut self,
        asking: &OpenRequest,
        request: MessageRef<'d>,
        step: RequestStep<'d>,
    ) -> Option<Incoming<'d>> {
        let (now, record) = (self.now, asking.record);
        let (exchanges, mut below) = self.layers.exchanges();
        match &step {
            RequestStep::Answer(_) | RequestStep::AnswerWithBlock { .. } => {}
            _ => {
                let channel = asking.context.channel;
                below.messages.acknowledge_later(now, record, channel);
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
                    below.messages.spare_record(record);
                }
                // Fails only if no message id is free; the peer then gets no answer.
                let _ = exchanges.answer(now, &mut below, record, message);
                None
            }
            RequestStep::AnswerWithBlock { block, message } => {
                exchanges.answer_with_block(now, &mut below, record, (block, message));
                None
            }
        }
    }

    /// A duplicate of a message with this record.
    pub(super) fn repeat(&mut self, record: Key) {
        let layers = &mut *self.layers;
        let from = self.datagram.from.clone();
        if let Some(served) = layers.messages.repeat(from, record) {
            layers
                .blockwise
                .serve_again(served.body, served.record, served.block);
            let _ = layers.do_steps(self.now);
        }
    }

    /// An Empty acknowledgement, or a response that acknowledges a response of ours.
    pub(super) fn acknowledgement(
        &mut self,
        message_id: u16,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let id_owner = self.id_owner(message_id)?;
        let (exchanges, mut below) = self.layers.exchanges();
        exchanges.acknowledged(self.now, &mut below, id_owner)
    }

    /// The owner of the message id that an acknowledgement or a Reset names.
    pub(super) fn id_owner(
        &mut self,
        message_id: u16,
    ) -> Result<(PeerIndex, IdOwner), DatagramError> {
        let from = &self.datagram.from;
        self.layers.messages.id_owner(from, message_id)
    }

    /// A Reset.
    pub(super) fn reset(
        &mut self,
        message_id: u16,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let (peer, owner) = self.id_owner(message_id)?;
        let (exchanges, mut below) = self.layers.exchanges();
        let Some(request) = Exchanges::request_of(below.messages, owner) else {
            return exchanges.rejected(self.now, &mut below, (peer, owner));
        };
        if let IdOwner::Transmission(key) = owner {
            exchanges.end_transmission(self.now, below.messages, key);
        }
        self.request_rejected(request)
    }

    /// A request was rejected.
    fn request_rejected(
        &mut self,
        request: Key,
    ) -> Result<Option<Incoming<'static>>, DatagramError> {
        let (layers, now) = (&mut *self.layers, self.now);
        if let Some(of) = layers.end_block(now, request) {
            layers.transfer_failed(now, of, FailureReason::Reset);
            return Ok(None);
        }
        if !layers.remove_request(now, request) {
            return Err(DatagramError::Unmatched);
        }
        Ok(Some(Incoming::RequestReset {
            request: RequestId(request),
        }))
    }
}

/// Why a request is refused before the application sees it, if it may carry these critical options.
fn refusal(message: &MessageRef<'_>, understood: OptionSet) -> Option<(Code, DatagramError)> {
    if let Some(option) = message.present().within(PROXY).first() {
        let error = DatagramError::BadOption(option);
        return Some((Code::PROXYING_NOT_SUPPORTED, error));
    }
    if let Some(option) = message.unrecognised_outside(understood) {
        return Some((Code::BAD_OPTION, DatagramError::BadOption(option)));
    }
    if message.code().method().is_none() {
        let error = DatagramError::Method(message.code());
        return Some((Code::METHOD_NOT_ALLOWED, error));
    }
    None
}
