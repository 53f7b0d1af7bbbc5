//! How an operation goes to the endpoint, at once or when its client is awake.

use alloc::boxed::Box;

use lwm2m_core::{Instant, Operation};

use super::{
    calls::{CallError, CallKey, Calls, Observation},
    id::{OperationId, RegistrationId},
    parts::Server,
};
use crate::{
    coap::{Endpoint, RequestId, RequestOptions, RestoreError, SendError},
    downlink::{Cancelled, PendingCall, QueuedRequest},
    machine::{Channel, Peer},
};

/// Sends a request to where a client is reached. If it cancels an observation, that moves there first.
pub(super) fn request<P: Peer>(
    now: Instant,
    endpoint: &mut Endpoint<P>,
    (peer, channel): (&P, Channel),
    queued: QueuedRequest,
) -> Result<RequestId, SendError> {
    if let Some(observed) = queued.cancels {
        // It is where it was heard last.
        let moved = endpoint.move_observation(now, observed, peer.clone(), channel);
        if let Err(RestoreError::Overload(overload)) = moved {
            return Err(overload.into());
        }
    }
    let options = RequestOptions {
        channel,
        cancels: queued.cancels,
        ..RequestOptions::default()
    };
    endpoint.request(now, peer.clone(), queued.message, options)
}

/// Sends a call at once. After an error there is none.
pub(super) fn call<P: Peer>(
    now: Instant,
    (calls, endpoint): (&mut Calls, &mut Endpoint<P>),
    there: (&P, Channel),
    (registration, call): (RegistrationId, PendingCall),
    queued: QueuedRequest,
) -> Result<OperationId, CallError> {
    let operation = calls.queue(registration, call, queued);
    calls.send(operation, |queued| request(now, endpoint, there, queued))?;
    Ok(operation)
}

/// The clients in Queue Mode, and the operations that are held for them, at one moment.
#[derive(Debug)]
pub(super) struct Sleepers<'a, P> {
    pub(super) server: &'a mut Server<P>,
    pub(super) now: Instant,
}

impl<P: Peer> Server<P> {
    pub(super) fn sleepers(&mut self, now: Instant) -> Sleepers<'_, P> {
        Sleepers { server: self, now }
    }
}

impl<P: Peer> Sleepers<'_, P> {
    /// Sends an operation that is held. After an error it waits as before. If it cancels an observation
    /// that isn't over yet for the application, the caller ends that.
    pub(super) fn send_held(&mut self, key: CallKey) -> Result<(), CallError> {
        let (server, now) = (&mut *self.server, self.now);
        let client = server.registrar.get(key.client);
        let client = client.ok_or(CallError::UnknownRegistration)?;
        let (call, held) = server.calls.held(key).ok_or(CallError::UnknownOperation)?;
        let cancels = match held.cancels {
            Some(Cancelled::Observed(observed)) => server
                .calls
                .observation_by_request(observed)
                .map(|(observation, at)| (observed, observation, at.is_over)),
            _ => None,
        };
        if call.operation == Operation::CancelObservation && cancels.is_none() {
            return Err(CallError::UnknownObservation);
        }
        let message = held.message.clone();
        let saved =
            cancels.and_then(|(observed, ..)| server.endpoint.save_observation(now, observed));
        let queued = QueuedRequest {
            message,
            cancels: cancels.map(|(observed, ..)| observed),
        };
        let there = (client.peer(), client.channel());
        let request = request(now, &mut server.endpoint, there, queued)?;
        let saved = saved.map(|saved| Cancelled::Saved(Box::new(saved.of_peer(()))));
        server.calls.held_sent(key, request, saved);
        if let Some((_, observation, true)) = cancels {
            server.calls.take_observation(observation);
        }
        server.records().note(key.client);
        Ok(())
    }

    /// An operation that is held waits again. `has_left` tells whether the client may have received it. If
    /// it cancels an observation, notifications of that are expected again, so that they wake the client
    /// and aren't rejected.
    pub(super) fn put_back(&mut self, key: CallKey, has_left: bool) {
        let (server, now) = (&mut *self.server, self.now);
        server.records().note(key.client);
        let cancelled = server.calls.put_back(key, has_left);
        let Some(Cancelled::Saved(saved)) = cancelled else {
            server.calls.set_cancelled(key, cancelled);
            return;
        };
        let (Some(client), Some((call, _))) =
            (server.registrar.get(key.client), server.calls.held(key))
        else {
            return;
        };
        let saved = saved.of_peer(client.peer().clone());
        // Without room for it, there is nothing to cancel: the next notification is rejected.
        if let Ok(request) = server.endpoint.restore_observation(now, saved) {
            let observation = Observation {
                request,
                path: call.path,
                accept: call.accept,
                is_over: true,
            };
            server.calls.observe(key.client, observation);
            let cancelled = Cancelled::Observed(request);
            server.calls.set_cancelled(key, Some(cancelled));
        }
    }
}
