//! A client goes on after a restart of the server as its record says.

use alloc::boxed::Box;
use core::time::Duration;

use lwm2m_core::Instant;

use super::{
    announcing::Records,
    calls::{CallKey, Ended, Observation},
    event::{EndReason, Outcome},
    id::{ObservationId, OperationId, RegistrationId},
    parts::Server,
    record::{CancelledRecord, HeldRecord, ObservationRecord, Record, SleepRecord},
    recorded,
    registrar::RecordError,
};
use crate::{
    coap::{MessageBuf, RequestId, SavedObservation},
    downlink::{Cancelled, HeldRequest, Key, PendingCall},
    machine::Peer,
};

impl<P: Peer> Records<'_, P> {
    /// A client goes on, after a restart of the server, where it was when the record was taken.
    ///
    /// `now` is the clock of now, which may have begun anew. `elapsed` is how long ago the record was taken; if it
    /// isn't known, zero has the registration live longer by that. Restore all clients before the first datagram
    /// comes. The peers are those of the record: see [`Record::map_peer`] and [`Record::end_session`].
    ///
    /// - The registration has its location and its handle, and what is left of its lifetime. If none is, it
    ///   [expires](super::ServerEvent::Expired) with the next timeout.
    /// - Observations go on with their tokens and handles. One that can't [ends](super::ServerEvent::ObservationEnded)
    ///   with [`EndReason::Restarted`].
    /// - What waits for a client in Queue Mode waits further, with its handle and its deadline. What was under way
    ///   and may be repeated without harm waits again. What may not, such as an Execute, and what was under way to
    ///   any other client, ends with [`Outcome::Restarted`]: what became of it isn't known.
    /// - An operation that has ended since the record was taken ends once more, or is done once more if it may be
    ///   repeated.
    ///
    /// The outcomes are events, as always.
    ///
    /// # Errors
    ///
    /// What is damaged, or of another version, or what the configuration wouldn't let register now, isn't restored, and
    /// nothing has changed then. That client has to register anew. Use [`Sealed`](lwm2m_objects::Sealed) against
    /// damage that can't be seen.
    pub fn restore(
        &mut self,
        now: Instant,
        record: Record<P>,
        elapsed: Duration,
    ) -> Result<RegistrationId, RecordError> {
        let messages = recorded::messages(&record)?;
        let server = &mut *self.server;
        let registration = server
            .registrar
            .restore(now, record.registration, elapsed)?;
        let serials = (record.serials.operations, record.serials.observations);
        server.calls.begin_at(serials);
        let mut restoring = Restoring {
            server,
            now,
            registration,
            elapsed,
        };
        restoring.sleep(record.sleep);
        for observation in record.observations {
            restoring.observation(observation);
        }
        for (operation, message) in record.operations.into_iter().zip(messages) {
            let held = message.zip(operation.held);
            restoring.operation(operation.serial, operation.call, held);
        }
        restoring.go_on();
        Ok(registration)
    }
}

/// A client whose registration is restored, so much later than its record was taken.
struct Restoring<'a, P> {
    server: &'a mut Server<P>,
    now: Instant,
    registration: RegistrationId,
    elapsed: Duration,
}

impl<P: Peer> Restoring<'_, P> {
    fn key(&self, serial: u64) -> CallKey {
        Key {
            client: self.registration,
            serial,
        }
    }

    fn sleep(&mut self, sleep: SleepRecord<P>) {
        let (registration, server) = (self.registration, &mut *self.server);
        server.queue.set_awake_time(registration, sleep.awake_time);
        let trigger = (sleep.trigger, sleep.triggered);
        server.triggers.restore(registration, trigger);
        let left = sleep.awake.and_then(|left| left.checked_sub(self.elapsed));
        let client = server.registrar.get(registration);
        let is_reached = client.is_some_and(|one| one.is_in_queue_mode() && one.is_reachable());
        if let Some(left) = left.filter(|left| is_reached && !left.is_zero()) {
            server.queue.restore(self.now, registration, left);
        }
    }

    fn observation(&mut self, record: ObservationRecord) {
        let id = ObservationId(self.key(record.serial));
        let restored = record.saved.and_then(|saved| self.observe(saved));
        match restored {
            Some(request) => {
                let observation = Observation {
                    request,
                    path: record.path,
                    accept: record.accept,
                    is_over: record.is_over,
                };
                self.server.calls.restore_observation(id, observation);
            }
            None if record.is_over => {}
            None => self.server.end_observation(id, EndReason::Restarted),
        }
    }

    /// Expects notifications of an observation again, where the client is reached; `None` without room.
    fn observe(&mut self, mut saved: SavedObservation<()>) -> Option<RequestId> {
        let server = &mut *self.server;
        let client = server.registrar.get(self.registration)?;
        if !server.calls.has_room_to_observe(self.registration) {
            return None;
        }
        if let Some(newest) = &mut saved.newest {
            newest.age = newest.age.saturating_add(self.elapsed);
        }
        saved.channel = client.channel();
        let saved = saved.of_peer(client.peer().clone());
        server.endpoint.restore_observation(self.now, saved).ok()
    }

    fn operation(
        &mut self,
        serial: u64,
        call: PendingCall,
        held: Option<(MessageBuf, Box<HeldRecord>)>,
    ) {
        let key = self.key(serial);
        let mut ended = Ended {
            operation: OperationId(key),
            key,
            call,
            request: None,
            was_sent: true,
            cancels: None,
        };
        let Some((message, record)) = held else {
            return self.end(ended);
        };
        let client = record.called_for;
        ended.operation = OperationId(Key { client, ..key });
        let was_sent = record.was_sent || record.is_under_way;
        let cancels = self.cancelled(call, record.cancels);
        if let Some(Cancelled::Observed(request)) = cancels {
            ended.cancels = Some(request);
        }
        let held = HeldRequest {
            message,
            cancels,
            request: None,
            was_sent,
            is_triggered: record.is_triggered,
            called_for: record.called_for,
        };
        if was_sent && !held.is_repeatable() {
            return self.end(ended);
        }
        ended.was_sent = was_sent;
        if self.server.calls.restore_held(key, call, held).is_err() {
            return self.end(ended);
        }
        let deadline = self.now + record.left.saturating_sub(self.elapsed);
        self.server.queue.set_deadline(key, Some(deadline));
    }

    /// What an operation cancels, so that its notifications aren't rejected until then.
    fn cancelled(
        &mut self,
        call: PendingCall,
        record: Option<CancelledRecord>,
    ) -> Option<Cancelled> {
        match record? {
            CancelledRecord::Observed(serial) => {
                let observation = ObservationId(self.key(serial));
                let request = self.server.calls.request_of(observation)?;
                Some(Cancelled::Observed(request))
            }
            CancelledRecord::Saved(saved) => {
                let request = self.observe(*saved)?;
                let observation = Observation {
                    request,
                    path: call.path,
                    accept: call.accept,
                    is_over: true,
                };
                self.server.calls.observe(self.registration, observation);
                Some(Cancelled::Observed(request))
            }
        }
    }

    /// What waits for the client is sent if it is awake, or isn't in Queue Mode.
    fn go_on(&mut self) {
        let registration = self.registration;
        let mut sleepers = self.server.sleepers(self.now);
        if sleepers.is_in_queue_mode(registration) {
            sleepers.send_next(registration);
            sleepers.trigger(registration);
        } else {
            sleepers.end_queue_mode(registration);
        }
        self.server.handle_endpoint_events(self.now);
    }

    /// Nobody knows what has become of an operation, or there is no room for it.
    fn end(&mut self, ended: Ended) {
        let sent = ended.was_sent;
        self.server
            .answered(self.now, ended, Outcome::Restarted { sent });
    }
}
