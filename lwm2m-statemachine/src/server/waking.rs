//! Clients in Queue Mode: they wake, are sent what waits, and fall asleep (TS 8.3).
//!
//! Whatever comes from a client says that it is awake (TS 8.3, step 4). Then what waits for it is sent, in
//! order, each request after the answer to the one before. A request that isn't answered says that the
//! client is asleep; if it may be repeated without harm it waits for the next time.

use alloc::vec::Vec;

use super::{
    calls::{CallError, CallKey},
    event::{Outcome, ServerEvent},
    id::{OperationId, RegistrationId},
    queue::QueueTimer,
    registrar::Registration,
    sending::Sleepers,
};
use crate::{
    coap::{FailureReason, MessageBuf, RequestId},
    downlink::{Cancelled, HeldRequest, PendingCall},
    machine::Peer,
};

impl<P: Peer> Sleepers<'_, P> {
    /// Holds a call, and sends it if its client is awake and nothing goes before it. `cancels` is the
    /// request of the observation that it cancels.
    pub(super) fn hold(
        &mut self,
        registration: RegistrationId,
        call: PendingCall,
        message: MessageBuf,
        cancels: Option<RequestId>,
    ) -> Result<OperationId, CallError> {
        let held = HeldRequest {
            message,
            cancels: cancels.map(Cancelled::Observed),
            request: None,
            was_sent: false,
            is_triggered: false,
            called_for: registration,
        };
        let server = &mut *self.server;
        let key = server.calls.hold(registration, call, held)?;
        let deadline = server.queue.usual_deadline(self.now);
        server.queue.set_deadline(key, Some(deadline));
        server.records().note(registration);
        self.send_next(registration);
        self.trigger(registration);
        Ok(OperationId(key))
    }

    /// A message came from the client of this registration.
    pub(super) fn heard_from(&mut self, registration: RegistrationId) {
        if !self.is_in_queue_mode(registration) || !self.is_reachable(registration) {
            return;
        }
        if self.server.queue.wake(self.now, registration) {
            self.server.triggers.woken(registration);
            self.server
                .events
                .push_back(ServerEvent::Awake { registration });
        }
        self.send_next(registration);
    }

    /// Sends what waits for a client that is awake, if nothing is under way, and its lifetime isn't over.
    pub(super) fn send_next(&mut self, registration: RegistrationId) {
        let client = self.server.registrar.get(registration);
        if client.is_none_or(|client| client.expires_at() <= self.now) {
            return;
        }
        while self.server.queue.is_awake(self.now, registration)
            && let Some(key) = self.server.calls.next_for(registration)
        {
            match self.send_held(key) {
                // Without room, it is tried again when the client is heard.
                Ok(()) | Err(CallError::Overload(_)) => return,
                Err(error) => self.cannot_send(key, &error),
            }
        }
    }

    /// A client isn't in Queue Mode any more: what waits for it is sent.
    pub(super) fn end_queue_mode(&mut self, registration: RegistrationId) {
        self.server.queue.fall_asleep(registration);
        self.server.triggers.woken(registration);
        if self.server.calls.usage() == (0, 0) {
            return;
        }
        let held = self.server.calls.held_for(registration);
        let waiting = held.filter(|(_, _, held)| held.request.is_none());
        let waiting: Vec<CallKey> = waiting.map(|(key, ..)| key).collect();
        for key in waiting {
            if let Err(error) = self.send_held(key) {
                self.cannot_send(key, &error);
            }
        }
    }

    /// Ends an operation that waited and can't be sent.
    fn cannot_send(&mut self, key: CallKey, error: &CallError) {
        let outcome = match error {
            CallError::Invalid(_) => Outcome::Failed {
                reason: FailureReason::TooLarge,
            },
            CallError::Overload(_) => Outcome::Failed {
                reason: FailureReason::NotSent,
            },
            _ => Outcome::Outdated,
        };
        if let Some(ended) = self.server.calls.take(key) {
            self.server.answered(self.now, ended, outcome);
        }
    }

    /// A request to this peer has failed, and was perhaps that of an operation. Silence over SMS doesn't say
    /// that a client is asleep that has registered over UDP.
    pub(super) fn operation_failed(&mut self, request: RequestId, peer: &P, reason: FailureReason) {
        let Some(registration) = self.server.calls.operation_of(request) else {
            return;
        };
        let is_silence = matches!(reason, FailureReason::Timeout | FailureReason::PeerDropped);
        match self.repeatable(request) {
            Some(key) if is_silence => self.put_back(key, true),
            _ => self.server.end_operation(self.now, request, reason.into()),
        }
        let client = self.server.registrar.get(registration);
        let is_there = client.is_some_and(|client| client.peer() == peer);
        if reason == FailureReason::Timeout && is_there && self.is_in_queue_mode(registration) {
            self.fall_asleep(registration);
        } else {
            self.go_on(registration);
        }
    }

    /// The operation of this request, if it may wait until its client is awake again, and be sent once
    /// more.
    fn repeatable(&self, request: RequestId) -> Option<CallKey> {
        let key = self.server.calls.held_by_request(request)?;
        let (_, held) = self.server.calls.held(key)?;
        let waits = held.is_repeatable() && self.is_in_queue_mode(key.client);
        waits.then_some(key)
    }

    /// Where a client was reached, it isn't any more. What was under way ends, unless it may be repeated.
    pub(super) fn leave_peer(&mut self, registration: RegistrationId) {
        for request in self.requests_there(registration) {
            let has_left = !self.server.endpoint.is_unsent(request);
            self.server.endpoint.cancel(self.now, request);
            if let Some(key) = self.repeatable(request) {
                self.put_back(key, has_left);
            } else {
                self.server
                    .end_operation(self.now, request, Outcome::PeerGone);
            }
        }
    }

    /// An operation has ended without a message of its client, or the client can't be reached.
    pub(super) fn go_on(&mut self, registration: RegistrationId) {
        if !self.is_in_queue_mode(registration) {
            return;
        }
        let is_over = self
            .server
            .queue
            .awake_until(registration)
            .is_some_and(|until| until <= self.now);
        if !self.is_reachable(registration) {
            self.fall_asleep(registration);
        } else if is_over {
            self.end_awake_time(registration);
        } else {
            self.send_next(registration);
        }
    }

    /// The time is over that a client is awake after its last message. While an exchange is open, it
    /// doesn't sleep.
    fn end_awake_time(&mut self, registration: RegistrationId) {
        let mut held = self.server.calls.held_for(registration);
        let is_open = held.any(|(_, _, held)| {
            held.request
                .is_some_and(|request| !self.server.endpoint.is_unsent(request))
        });
        drop(held);
        if !is_open {
            self.fall_asleep(registration);
        }
    }

    /// A client is asleep. What the endpoint hasn't sent yet must not leave now.
    fn fall_asleep(&mut self, registration: RegistrationId) {
        if !self.server.queue.fall_asleep(registration) {
            return;
        }
        let mut unsent = self.requests_there(registration);
        unsent.retain(|one| self.server.endpoint.is_unsent(*one));
        for request in unsent {
            self.server.endpoint.cancel(self.now, request);
            if let Some(key) = self.server.calls.held_by_request(request) {
                self.put_back(key, false);
            } else {
                // It was made before the client was in Queue Mode.
                let reason = FailureReason::NotSent;
                self.server
                    .end_operation(self.now, request, Outcome::Failed { reason });
            }
        }
        self.server
            .events
            .push_back(ServerEvent::Asleep { registration });
        self.trigger(registration);
    }

    /// Does what is due of what concerns Queue Mode and deadlines, so many things at most. It comes before
    /// anything that makes the endpoint send: what waits there for its turn must not leave to a client that
    /// is asleep by now.
    pub(super) fn handle_due(&mut self, most: usize) {
        for _ in 0..most {
            match self.server.queue.pop_due(self.now) {
                None => break,
                Some(QueueTimer::Sleep(registration)) => self.end_awake_time(registration),
                Some(QueueTimer::Operation(key)) => self.deadline_passed(key),
            }
        }
    }

    fn deadline_passed(&mut self, key: CallKey) {
        if let Some(ended) = self.server.calls.take(key) {
            let outcome = Outcome::DeadlinePassed {
                sent: ended.was_sent,
            };
            self.server.give_up(self.now, ended, outcome);
            self.go_on(key.client);
        }
    }

    /// The requests of the operations of a client that are under way to where it has registered. An
    /// operation over SMS depends neither on a session over UDP nor on whether the client sleeps there.
    fn requests_there(&self, registration: RegistrationId) -> Vec<RequestId> {
        let server = &*self.server;
        let client = server.registrar.get(registration);
        let there = client.map(Registration::channel);
        let is_there = |request: &RequestId| {
            server.calls.held_by_request(*request).is_some()
                || server.endpoint.channel_of(*request) == there
        };
        server
            .calls
            .requests_to(registration)
            .filter(is_there)
            .collect()
    }

    pub(super) fn is_in_queue_mode(&self, registration: RegistrationId) -> bool {
        let client = self.server.registrar.get(registration);
        client.is_some_and(Registration::is_in_queue_mode)
    }

    fn is_reachable(&self, registration: RegistrationId) -> bool {
        let client = self.server.registrar.get(registration);
        client.is_some_and(Registration::is_reachable)
    }
}
