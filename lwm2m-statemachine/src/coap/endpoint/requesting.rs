//! The calls that make requests.

use lwm2m_core::Instant;

use super::{
    body::Outgoing,
    event::{Overload, RequestId, SendError},
    exchanges::{RestoreError, SavedObservation},
    layers::Layers,
    machine::Endpoint,
    options::RequestOptions,
};
use crate::machine::{Channel, Peer};

impl<P: Peer> Endpoint<P> {
    /// Sends a request with a token chosen by the endpoint. It has exactly one outcome:
    /// [`Incoming::Response`](super::Incoming::Response),
    /// [`Incoming::RequestReset`](super::Incoming::RequestReset),
    /// [`Event::RequestFailed`](super::Event::RequestFailed), or its [cancellation](Self::cancel).
    /// With Observe: 0 in the message it is an observation: notifications follow if the response
    /// has an Observe option.
    ///
    /// With a [`Source`](super::Source), the body is transferred in blocks that the application
    /// supplies. Such a request cannot end an observation, because that takes a GET:
    /// [`RequestOptions::cancels`] is ignored.
    pub fn request(
        &mut self,
        now: Instant,
        to: P,
        message: impl Into<Outgoing>,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        self.layers.request(now, to, message.into(), options)
    }

    /// Pings the peer with an Empty confirmable message (RFC 7252 §4.3). If the peer answers, the
    /// outcome is [`Incoming::RequestReset`](super::Incoming::RequestReset). Over SMS the ping is
    /// sent only once (TS 8.6.2).
    pub fn ping(&mut self, now: Instant, to: P, channel: Channel) -> Result<RequestId, SendError> {
        let peer = self.layers.enter_for_request(now, to)?;
        let (exchanges, below) = self.layers.exchanges();
        let requests = &mut exchanges.requests;
        let key = requests.ping(now, below.messages, peer, channel)?;
        Ok(RequestId(key))
    }

    /// The channel of a request that has no outcome yet, or of an observation.
    #[cfg(feature = "server")]
    pub(crate) fn channel_of(&self, request: RequestId) -> Option<Channel> {
        let request = self.layers.exchanges.requests.get(request.0)?;
        Some(request.mode.channel)
    }

    /// Forgets a request that has no outcome yet, or an observation; no event follows. If the
    /// response or a notification still arrives, it is rejected with a Reset, which ends an
    /// observation (RFC 7641 §3.6). Returns false if the request no longer exists.
    pub fn cancel(&mut self, now: Instant, request: RequestId) -> bool {
        let (exchanges, below) = self.layers.exchanges();
        exchanges.requests.give_up(below.messages, request.0);
        self.layers.remove_request(now, request.0)
    }

    /// Whether nothing was sent of this request yet: other messages to the peer go first (NSTART), or
    /// another body to the same resource. If it is [cancelled](Self::cancel) now, the peer never sees it.
    pub fn is_unsent(&self, request: RequestId) -> bool {
        self.layers.is_unsent(request.0)
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
        let Layers {
            messages,
            exchanges,
            blockwise,
            ..
        } = &self.layers;
        let in_blocks = self.layers.sent_request(key);
        let in_blocks = in_blocks.and_then(|of| blockwise.template(of));
        exchanges.requests.save(now, messages, key, in_blocks)
    }

    /// Restores an observation that another endpoint has [saved](Self::save_observation), so that
    /// it survives a restart (RFC 7641 §3.1: the server keeps it, too). Nothing is sent.
    /// Notifications arrive as [`Incoming::Notification`](super::Incoming::Notification) with the
    /// returned request id. The observation can be [cancelled](Self::cancel), or ended with a
    /// request ([`RequestOptions::cancels`]).
    ///
    /// No other request may have its token, to whichever peer, since an observation may
    /// [move](Self::move_observation). So restore observations before making other requests. As after
    /// every restart, [`Config::seed`](super::Config::seed) must be a fresh one: with the old one, tokens
    /// repeat.
    pub fn restore_observation(
        &mut self,
        now: Instant,
        saved: SavedObservation<P>,
    ) -> Result<RequestId, RestoreError> {
        let layers = &mut self.layers;
        let requests = &layers.exchanges.requests;
        let observation = requests.saved(now, &saved)?;
        let peer = layers.enter_for_request(now, saved.peer)?;
        let requests = &mut layers.exchanges.requests;
        let key = requests
            .restore(now, &mut layers.messages, peer, observation)
            .map_err(|_| Overload::Peers)?;
        Ok(RequestId(key))
    }
}
