//! Observations that outlive the endpoint.

use core::time::Duration;

use lwm2m_core::Instant;

use super::{
    Endpoint, RequestOptions,
    blockwise::SentRequest,
    event::{Overload, RequestId},
    exchanges::{
        freshness::Newest,
        requests::{Kind, Mode},
        saved::{RestoreError, SavedNewest, SavedObservation},
    },
};
use crate::machine::Peer;

impl<P: Peer> Endpoint<P> {
    /// An observation as plain data, to be stored while this endpoint does not run, and
    /// [restored](Self::restore_observation) by another one. It goes on here, too.
    ///
    /// None if the request is no observation, has had no whole answer yet, or its last notification
    /// is being fetched. Of a notification whose blocks are still coming only the sequence number
    /// is saved: its body is lost if the endpoint ends now.
    pub fn save_observation(
        &self,
        now: Instant,
        request: RequestId,
    ) -> Option<SavedObservation<P>> {
        let RequestId(key) = request;
        let observation = self.requests.get(key)?;
        let Kind::Observation {
            newest,
            answered: true,
            over: false,
        } = observation.kind
        else {
            return None;
        };
        let peer = self.requests.peer(key)?;
        let of = SentRequest { peer, request: key };
        let message = observation.message.as_ref();
        let template = message.or_else(|| self.blockwise.template(of))?;
        let newest = newest.map(|newest| SavedNewest {
            sequence: newest.sequence(),
            age: newest.age(now),
        });
        Some(SavedObservation {
            peer: self.messages.name(peer)?,
            token: observation.token,
            request: template.as_ref().to_vec(),
            confirmable: observation.mode.confirmable,
            channel: observation.mode.channel,
            response_timeout: Duration::from_millis(observation.mode.timeout),
            newest,
        })
    }

    /// Takes back an observation that another endpoint has [saved](Self::save_observation), so that
    /// a restart keeps it (RFC 7641 §3.1: the server keeps it, too). Nothing is sent. Notifications
    /// follow as they would have, as [`Incoming::Notification`](super::Incoming::Notification) of
    /// the request that is returned; to [cancel](Self::cancel) it, or to end it with a request
    /// ([`RequestOptions::cancels`]), works as well.
    ///
    /// Restore observations before other requests are made, so that none of those takes a token.
    pub fn restore_observation(
        &mut self,
        now: Instant,
        saved: SavedObservation<P>,
    ) -> Result<RequestId, RestoreError> {
        let template = saved.template()?;
        let known = self.messages.find(&saved.peer);
        if known.is_some_and(|peer| self.requests.find(peer, saved.token).is_some()) {
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
        let kind = Kind::Observation {
            newest,
            answered: true,
            over: false,
        };
        let mode = Mode::new(options, self.spans.response_timeout);
        let key = self
            .insert_request(now, peer, saved.token, kind, mode)
            .map_err(|_| Overload::Peers)?;
        if let Some(request) = self.requests.get_mut(key) {
            request.message = Some(template);
        }
        Ok(RequestId(key))
    }
}
