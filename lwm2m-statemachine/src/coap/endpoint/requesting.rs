//! The calls that make requests.

use core::time::Duration;

use lwm2m_core::{CodeKind, Instant};

use super::{
    blockwise::SentRequest,
    body::Source,
    event::{InvalidSend, Overload, RequestId, SendError},
    exchanges::{Kind, Newest, RestoreError, SavedNewest, SavedObservation},
    keys::PeerIndex,
    layers::transfer_mode,
    machine::Endpoint,
    options::RequestOptions,
    table::Key,
};
use crate::{
    coap::message_buf::MessageBuf,
    machine::{Channel, Peer},
};

impl<P: Peer> Endpoint<P> {
    /// Sends a request with a token chosen by the endpoint. It has exactly one outcome:
    /// [`Incoming::Response`](super::Incoming::Response),
    /// [`Incoming::RequestReset`](super::Incoming::RequestReset),
    /// [`Event::RequestFailed`](super::Event::RequestFailed), or its [cancellation](Self::cancel).
    /// With Observe: 0 in the message it is an observation: notifications follow if the response
    /// has an Observe option.
    pub fn request(
        &mut self,
        now: Instant,
        to: P,
        mut message: MessageBuf,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        if message.code().kind() != CodeKind::Request {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        if let Some(RequestId(observation)) = options.cancels {
            return self.request_cancellation(now, &to, message, options, observation);
        }
        if self.layers.blockwise.is_large(options.channel, &message) {
            return self.upload(now, to, message, None, options);
        }
        let peer = self.enter_for_request(now, to)?;
        let layers = &mut self.layers;
        layers
            .blockwise
            .prefer_blocks(options.channel, &mut message);
        let (exchanges, below) = layers.exchanges();
        let requests = &mut exchanges.requests;
        let key = requests.send(now, below.messages, peer, message, options)?;
        Ok(RequestId(key))
    }

    /// Sends the request that ends an observation; if that is not possible, the observation stays.
    fn request_cancellation(
        &mut self,
        now: Instant,
        to: &P,
        mut message: MessageBuf,
        options: RequestOptions,
        observation: Key,
    ) -> Result<RequestId, SendError> {
        let layers = &mut self.layers;
        let (exchanges, below) = layers.exchanges();
        let requests = &exchanges.requests;
        let is_observation = requests
            .get(observation)
            .is_some_and(|request| matches!(request.kind, Kind::Observation { .. }));
        if !is_observation || below.messages.find(to) != requests.peer(observation) {
            return Err(SendError::NoObservation);
        }
        layers
            .blockwise
            .prefer_blocks(options.channel, &mut message);
        let (exchanges, below) = layers.exchanges();
        let key = exchanges.requests.send_cancellation(
            now,
            below.messages,
            observation,
            message,
            options,
        )?;
        layers.remove_request(now, observation);
        Ok(RequestId(key))
    }

    /// Sends a request like [`request`](Self::request); its body comes from a source. It cannot end
    /// an observation, because that takes a GET: `options.cancels` is ignored.
    pub fn request_from(
        &mut self,
        now: Instant,
        to: P,
        message: MessageBuf,
        source: Source,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        if message.code().kind() != CodeKind::Request {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        self.upload(now, to, message, Some(source), options)
    }

    /// Sends a request whose body is transferred in blocks, from the message or the source.
    fn upload(
        &mut self,
        now: Instant,
        to: P,
        message: MessageBuf,
        source: Option<Source>,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        let mode = self.layers.exchanges.requests.mode(options);
        let upload = self
            .layers
            .blockwise
            .upload(transfer_mode(mode), message, source)?;
        let peer = self.enter_for_request(now, to)?;
        let (exchanges, below) = self.layers.exchanges();
        let requests = &mut exchanges.requests;
        let request = requests.open(now, below.messages, peer, mode)?;
        let of = SentRequest { peer, request };
        self.layers.blockwise.begin_upload(now, of, upload);
        let _ = self.layers.do_steps(now);
        Ok(RequestId(request))
    }

    /// Pings the peer with an Empty confirmable message (RFC 7252 §4.3). If the peer answers, the
    /// outcome is [`Incoming::RequestReset`](super::Incoming::RequestReset). Over SMS the ping is
    /// sent only once (TS 8.6.2).
    pub fn ping(&mut self, now: Instant, to: P, channel: Channel) -> Result<RequestId, SendError> {
        let peer = self.enter_for_request(now, to)?;
        let (exchanges, below) = self.layers.exchanges();
        let requests = &mut exchanges.requests;
        let key = requests.ping(now, below.messages, peer, channel)?;
        Ok(RequestId(key))
    }

    /// Forgets a request that has no outcome yet, or an observation; no event follows. If the
    /// response or a notification still arrives, it is rejected with a Reset, which ends an
    /// observation (RFC 7641 §3.6). Returns false if the request no longer exists.
    pub fn cancel(&mut self, now: Instant, request: RequestId) -> bool {
        let (exchanges, below) = self.layers.exchanges();
        exchanges.requests.give_up(below.messages, request.0);
        self.layers.remove_request(now, request.0)
    }

    fn enter_for_request(&mut self, now: Instant, to: P) -> Result<PeerIndex, Overload> {
        let peer = self.layers.enter(now, to).ok_or(Overload::Peers)?;
        let (exchanges, below) = self.layers.exchanges();
        exchanges.requests.check_room(below.messages, peer)?;
        Ok(peer)
    }

    /// Returns an observation as plain data, to be stored and later
    /// [restored](Self::restore_observation) in another endpoint. The observation also continues in
    /// this endpoint.
    ///
    /// `None` if the request isn't an observation, has had no complete response yet, or its last
    /// notification is being fetched. If the blocks of a notification are still arriving, only its
    /// sequence number is saved; its body is lost if the endpoint is dropped now.
    pub fn save_observation(
        &self,
        now: Instant,
        request: RequestId,
    ) -> Option<SavedObservation<P>> {
        let RequestId(key) = request;
        let observation = self.layers.exchanges.requests.get(key)?;
        let Kind::Observation {
            newest,
            answered: true,
            over: false,
        } = observation.kind
        else {
            return None;
        };
        let of = self.layers.sent_request(key)?;
        let message = observation.message.as_ref();
        let template = message.or_else(|| self.layers.blockwise.template(of))?;
        let newest = newest.map(|newest| SavedNewest {
            sequence: newest.sequence(),
            age: newest.age(now),
        });
        Some(SavedObservation {
            peer: self.layers.messages.name(of.peer)?,
            token: observation.token,
            request: template.as_ref().to_vec(),
            confirmable: observation.mode.confirmable,
            channel: observation.mode.channel,
            response_timeout: Duration::from_millis(observation.mode.timeout),
            newest,
        })
    }

    /// Restores an observation that another endpoint has [saved](Self::save_observation), so that
    /// it survives a restart (RFC 7641 §3.1: the server keeps it, too). Nothing is sent.
    /// Notifications arrive as [`Incoming::Notification`](super::Incoming::Notification) with the
    /// returned request id. The observation can be [cancelled](Self::cancel), or ended with a
    /// request ([`RequestOptions::cancels`]).
    ///
    /// Restore observations before making other requests, so that none of those uses the token of
    /// an observation. As after every restart, [`Config::seed`](super::Config::seed)
    /// must be a fresh one: with the old one, tokens repeat.
    pub fn restore_observation(
        &mut self,
        now: Instant,
        saved: SavedObservation<P>,
    ) -> Result<RequestId, RestoreError> {
        let template = saved.template()?;
        let (exchanges, below) = self.layers.exchanges();
        let requests = &exchanges.requests;
        let known = below.messages.find(&saved.peer);
        if known.is_some_and(|peer| requests.find(peer, saved.token).is_some()) {
            return Err(RestoreError::TokenInUse);
        }
        let peer = self.enter_for_request(now, saved.peer)?;
        let newest = saved
            .newest
            .and_then(|newest| Newest::aged(newest.sequence, newest.age, now));
        let options = RequestOptions {
            confirmable: saved.confirmable,
            channel: saved.channel,
            timeout: Some(saved.response_timeout),
            ..RequestOptions::default()
        };
        let (exchanges, below) = self.layers.exchanges();
        let observation = (saved.token, template, newest);
        let key = exchanges
            .requests
            .restore(now, below.messages, peer, observation, options)
            .map_err(|_| Overload::Peers)?;
        Ok(RequestId(key))
    }
}
