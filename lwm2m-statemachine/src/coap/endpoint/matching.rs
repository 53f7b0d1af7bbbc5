//! Handling of responses: each is matched with its request (RFC 7252 §5.3), and is its response, a
//! notification (RFC 7641 §3), or a block of one of them.

use bytes::Bytes;
use lwm2m_core::Code;

use super::{
    arriving::Arrival,
    blockwise::{ResponseStep, SentRequest, is_in_blocks},
    event::{Body, DatagramError, FailureReason, Incoming, RequestId},
    exchanges::{Exchanges, Kind},
    keys::PeerIndex,
    layers::transfer_mode,
    table::Key,
};
use crate::{
    coap::{
        message::{MessageRef, MessageType},
        option::{OptionNumber, OptionSet},
    },
    machine::Peer,
};

/// The critical options that a response may carry.
const UNDERSTOOD: OptionSet = OptionSet::NONE
    .with(OptionNumber::BLOCK2)
    .with(OptionNumber::BLOCK1);

impl<'d, P: Peer> Arrival<'_, 'd, P> {
    /// A response. `follows` decides about a notification of another peer's observation: see
    /// [`Endpoint::receive_following`](super::Endpoint::receive_following).
    pub(super) fn response(
        &mut self,
        message: MessageRef<'d>,
        follows: &mut dyn FnMut(RequestId) -> bool,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let datagram = self.datagram;
        let peer = self.layers.messages.find(&datagram.from);
        let bad_option = message
            .unrecognised_outside(UNDERSTOOD)
            .or_else(|| reserved_size(&message));
        if message.kind() == MessageType::Acknowledgement {
            return self.piggybacked_response(message, bad_option);
        }
        if let Some(peer) = peer
            && let Some(record) = self.layers.messages.find_record(peer, &message)
        {
            self.repeat(record);
            return Ok(None);
        }
        let (layers, now) = (&mut *self.layers, self.now);
        let confirmable = message.kind() == MessageType::Confirmable;
        if let Some(option) = bad_option {
            if confirmable {
                layers.messages.reject(datagram, message.message_id());
            }
            return Err(DatagramError::BadOption(option));
        }
        let requests = &layers.exchanges.requests;
        let found = peer.and_then(|peer| Some((peer, requests.find(peer, message.token())?)));
        let (peer, key) = match found {
            Some((peer, key)) => (peer, Some(key)),
            None => self.moved(&message, follows)?,
        };
        let layers = &mut *self.layers;
        let from = (peer, self.datagram.channel);
        layers.messages.record_response(now, from, &message);
        if confirmable {
            let to = datagram.from.clone();
            let message_id = message.message_id();
            layers.messages.send_acknowledgement(to, message_id);
        }
        Ok(key.and_then(|request| self.deliver(SentRequest { peer, request }, message)))
    }

    /// The sender of a response that matches none of its requests, if it is a notification of an
    /// observation of another peer that follows it here. The observation has moved, unless the
    /// notification is not newer than those before.
    fn moved(
        &mut self,
        message: &MessageRef<'d>,
        follows: &mut dyn FnMut(RequestId) -> bool,
    ) -> Result<(PeerIndex, Option<Key>), DatagramError> {
        let (layers, now, datagram) = (&mut *self.layers, self.now, self.datagram);
        let found = layers
            .exchanges
            .requests
            .find_observation(message.token())
            .filter(|key| follows(RequestId(*key)));
        let Some(key) = found else {
            layers.messages.reject(datagram, message.message_id());
            return Err(DatagramError::Unmatched);
        };
        // Without room it is neither acknowledged nor rejected: a confirmable one comes again.
        let peer = layers
            .enter_for_request(now, datagram.from.clone())
            .map_err(|_| DatagramError::Overload)?;
        let sequence = message.observe().filter(|_| message.code().is_success());
        if !layers.exchanges.requests.is_newer(now, key, sequence) {
            return Ok((peer, None));
        }
        if let Some(of) = layers.sent_request(key) {
            // The blocks of an older answer are no longer useful.
            layers.end_transfer(now, of);
        }
        let requests = &mut layers.exchanges.requests;
        let to = (peer, datagram.channel);
        requests.move_to(now, &mut layers.messages, key, to);
        Ok((peer, Some(key)))
    }

    /// A response in the acknowledgement of its request.
    fn piggybacked_response(
        &mut self,
        message: MessageRef<'d>,
        bad_option: Option<OptionNumber>,
    ) -> Result<Option<Incoming<'d>>, DatagramError> {
        let message_id = message.message_id();
        let (peer, owner) = self.id_owner(message_id)?;
        let Some(request) = Exchanges::request_of(&self.layers.messages, owner) else {
            // It acknowledges a response of ours; what else it carries is ignored
            // (RFC 7252 §5.2.2).
            return self.acknowledgement(message_id);
        };
        if let Some(option) = bad_option {
            return Err(DatagramError::BadOption(option));
        }
        let requests = &self.layers.exchanges.requests;
        requests
            .get(request)
            .filter(|request| request.token == message.token())
            .filter(|request| !matches!(request.kind, Kind::Ping))
            .ok_or(DatagramError::Unmatched)?;
        Ok(self.deliver(SentRequest { peer, request }, message))
    }

    /// Delivers a response that belongs to this request.
    fn deliver(&mut self, of: SentRequest, response: MessageRef<'d>) -> Option<Incoming<'d>> {
        let now = self.now;
        let key = of.request;
        let request = self.layers.exchanges.requests.get(key)?;
        let (kind, single) = (request.kind, request.mode.single_block);
        let single = single && matches!(kind, Kind::Exchange);
        let sequence = response.observe().filter(|_| response.code().is_success());
        match (kind, sequence) {
            (Kind::Block { of: request }, _) => {
                self.layers.end_block(now, key)?;
                let of = SentRequest { request, ..of };
                let step = self.layers.blockwise.block_answered(now, of, &response);
                let _ = self.layers.do_steps(now);
                self.follow(of, response, step)
            }
            (Kind::Observation { over: true, .. }, _) => None,
            (Kind::Observation { .. }, Some(sequence)) => self.notified(of, sequence, response),
            // A notification that was in flight when the observation was cancelled.
            (Kind::Cancellation, Some(_)) if response.kind() != MessageType::Acknowledgement => {
                None
            }
            _ if is_in_blocks(&response) && !single => self.answered_in_blocks(of, response),
            (Kind::Exchange | Kind::Cancellation, _) if self.layers.blockwise.has_transfer(of) => {
                None
            }
            (Kind::Exchange, _) if self.send_again_in_blocks(of, &response) => None,
            _ => {
                self.layers.remove_request(now, key);
                let first = !matches!(kind, Kind::Observation { answered: true, .. });
                let body = Body::Datagram(response.payload());
                Some(answer(RequestId(key), response, body, first, false))
            }
        }
    }

    /// Delivers an answer to an observation that continues, unless a newer one has already arrived.
    fn notified(
        &mut self,
        of: SentRequest,
        sequence: u32,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let now = self.now;
        let is_large = is_in_blocks(&response);
        let requests = &mut self.layers.exchanges.requests;
        let first = requests.note_answer(now, of.request, (sequence, !is_large))?;
        // The blocks of an older answer are no longer useful.
        self.layers.end_transfer(now, of);
        let requests = &mut self.layers.exchanges.requests;
        requests.arrived(now, &mut self.layers.messages, of.request);
        if is_large {
            return self.begin_download(of, response);
        }
        let body = Body::Datagram(response.payload());
        Some(answer(RequestId(of.request), response, body, first, true))
    }

    /// The first block of the last answer to a request has arrived.
    fn answered_in_blocks(
        &mut self,
        of: SentRequest,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let now = self.now;
        let is_observation = self.layers.exchanges.requests.end_observation(of.request)?;
        if !is_observation && self.layers.blockwise.has_transfer(of) {
            // Its response has already arrived and is being assembled.
            return None;
        }
        self.layers.end_transfer(now, of);
        let requests = &mut self.layers.exchanges.requests;
        requests.arrived(now, &mut self.layers.messages, of.request);
        self.begin_download(of, response)
    }

    /// Resends a request whose body was too large in blocks, if the response contains a block size
    /// (RFC 7959 §2.9.3); returns whether it does.
    fn send_again_in_blocks(&mut self, of: SentRequest, response: &MessageRef<'_>) -> bool {
        let now = self.now;
        let Some(hint) = response
            .block1()
            .filter(|_| response.code() == Code::REQUEST_ENTITY_TOO_LARGE)
        else {
            return false;
        };
        let requests = &mut self.layers.exchanges.requests;
        requests.arrived(now, &mut self.layers.messages, of.request);
        let Some(request) = requests.get(of.request) else {
            return false;
        };
        let mode = transfer_mode(request.mode);
        let whole = request.message.as_ref();
        let Some(Ok(whole)) = whole.map(|message| MessageRef::parse(message.as_ref())) else {
            return false;
        };
        let blockwise = &mut self.layers.blockwise;
        let is_sent = blockwise.send_again(now, of, mode, (&whole, hint));
        let _ = self.layers.do_steps(now);
        is_sent
    }

    /// Starts assembling a response of which a block has arrived.
    fn begin_download(
        &mut self,
        of: SentRequest,
        response: MessageRef<'d>,
    ) -> Option<Incoming<'d>> {
        let now = self.now;
        let request = self.layers.exchanges.requests.get(of.request)?;
        let mut mode = transfer_mode(request.mode);
        // Observations are never passed on block by block.
        mode.is_streamed &= matches!(request.kind, Kind::Exchange);
        let message = self.layers.exchanges.requests.take_template(of.request)?;
        let blockwise = &mut self.layers.blockwise;
        let step = blockwise.begin_download(now, of, (mode, message), &response);
        let _ = self.layers.do_steps(now);
        self.follow(of, response, step)
    }

    /// Applies the result of block-wise transfer for a response.
    fn follow(
        &mut self,
        of: SentRequest,
        response: MessageRef<'d>,
        step: ResponseStep,
    ) -> Option<Incoming<'d>> {
        match step {
            ResponseStep::Wait => None,
            ResponseStep::DeliverBlock { offset, format } => Some(Incoming::ResponseBlock {
                request: RequestId(of.request),
                response: response.of_body(format),
                offset,
            }),
            ResponseStep::DeliverWhole { body, format } => {
                self.transfer_done(of, response.of_body(format), body)
            }
            ResponseStep::Deliver => self.transfer_done(of, response, None),
        }
    }

    /// The response is complete.
    fn transfer_done(
        &mut self,
        of: SentRequest,
        response: MessageRef<'d>,
        body: Option<Bytes>,
    ) -> Option<Incoming<'d>> {
        let now = self.now;
        let key = of.request;
        let kind = self.layers.exchanges.requests.get(key)?.kind;
        let body = body.map_or(Body::Datagram(response.payload()), Body::Assembled);
        let id = RequestId(key);
        let Kind::Observation { answered, over, .. } = kind else {
            self.layers.remove_request(now, key);
            return Some(answer(id, response, body, true, false));
        };
        let first = !answered;
        if !response.code().is_success() && !first {
            // Only the blocks of this notification are missing.
            self.layers.transfer_failed(now, key, FailureReason::Blocks);
            return None;
        }
        self.layers.exchanges.requests.note_whole_answer(key);
        let observing = !over && response.code().is_success();
        if observing {
            self.layers.end_transfer(now, of);
        } else {
            self.layers.remove_request(now, key);
        }
        Some(answer(id, response, body, first, observing))
    }
}

/// The first answer to a request is its response, the others are notifications.
fn answer<'d>(
    request: RequestId,
    response: MessageRef<'d>,
    body: Body<'d>,
    first: bool,
    observing: bool,
) -> Incoming<'d> {
    if first {
        Incoming::Response {
            request,
            response,
            body,
            observing,
        }
    } else {
        Incoming::Notification {
            request,
            response,
            body,
            observing,
        }
    }
}

/// A block option whose size is the reserved one: the message is treated as one with an option
/// that is not understood (RFC 7959 §2.2).
fn reserved_size(message: &MessageRef<'_>) -> Option<OptionNumber> {
    if message.has(OptionNumber::BLOCK2) && message.block2().is_none() {
        return Some(OptionNumber::BLOCK2);
    }
    (message.has(OptionNumber::BLOCK1) && message.block1().is_none())
        .then_some(OptionNumber::BLOCK1)
}
