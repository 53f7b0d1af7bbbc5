//! How the record of a client is taken.

use alloc::{boxed::Box, vec::Vec};

use lwm2m_core::Instant;

use super::{
    announcing::Records,
    calls::{Calls, Observation},
    id::{ObservationId, RegistrationId},
    parts::Server,
    record::{
        CancelledRecord, HeldRecord, ObservationRecord, OperationRecord, Record, Serials,
        SleepRecord, VERSION,
    },
};
use crate::{
    coap::{MessageType, RequestId, Token},
    downlink::{Cancelled, HeldRequest, Key, PlacedCall},
    machine::Peer,
};

impl<P: Peer> Records<'_, P> {
    /// What of a client outlasts a restart of the server, or `None` if there is no such registration. It changes
    /// nothing.
    pub fn get(&self, now: Instant, registration: RegistrationId) -> Option<Record<P>> {
        Taking {
            server: self.server,
            now,
        }
        .record(registration)
    }

    /// The records of all clients, in no particular order.
    pub fn all(&self, now: Instant) -> impl Iterator<Item = Record<P>> {
        let taking = Taking {
            server: self.server,
            now,
        };
        let clients = self.server.registrar.iter();
        clients.filter_map(move |(registration, _)| taking.record(registration))
    }
}

/// The server at one moment.
struct Taking<'a, P> {
    server: &'a Server<P>,
    now: Instant,
}

impl<P: Peer> Taking<'_, P> {
    fn record(&self, id: RegistrationId) -> Option<Record<P>> {
        let (server, now) = (self.server, self.now);
        let registration = server.registrar.record(now, id)?;
        let (operations, observations) = server.calls.serials();
        let awake = server.queue.awake_until(id);
        let (trigger, triggered) = server.triggers.of(id);
        let observed = server.calls.all_observations_of(id);
        let asked = server.calls.all_of(id);
        Some(Record {
            version: VERSION,
            registration,
            observations: observed
                .map(|(id, observation)| self.observation(id, observation))
                .collect(),
            operations: asked
                .map(|(key, placed)| self.operation(key, placed))
                .collect(),
            sleep: SleepRecord {
                awake: awake.map(|until| until.saturating_duration_since(now)),
                awake_time: server.queue.awake_time(id),
                trigger: trigger.cloned(),
                triggered,
            },
            serials: Serials {
                operations,
                observations,
            },
        })
    }

    fn observation(
        &self,
        ObservationId(key): ObservationId,
        observation: &Observation,
    ) -> ObservationRecord {
        let saved = self
            .server
            .endpoint
            .save_observation(self.now, observation.request);
        ObservationRecord {
            serial: key.serial,
            path: observation.path,
            accept: observation.accept,
            is_over: observation.is_over,
            saved: saved.map(|saved| saved.of_peer(())),
        }
    }

    fn operation(
        &self,
        key: Key<RegistrationId>,
        placed: &PlacedCall<RegistrationId>,
    ) -> OperationRecord {
        let deadline = self.server.queue.deadline(key).unwrap_or(self.now);
        let held = placed.held().map(|held| HeldRecord {
            message: message(held),
            cancels: cancelled(&self.server.calls, held),
            // Also if it is unsent: nobody tells when the endpoint sends it.
            is_under_way: held.request.is_some(),
            was_sent: held.was_sent,
            is_triggered: held.is_triggered,
            called_for: held.called_for,
            left: deadline.saturating_duration_since(self.now),
        });
        OperationRecord {
            serial: key.serial,
            call: placed.call,
            held: held.map(Box::new),
        }
    }
}

/// The message, as if it were sent.
fn message(held: &HeldRequest<RegistrationId>) -> Vec<u8> {
    let message = held.message.clone();
    let wire = message.finish(MessageType::Confirmable, 0, Token::EMPTY);
    wire.as_ref().to_vec()
}

fn cancelled(calls: &Calls, held: &HeldRequest<RegistrationId>) -> Option<CancelledRecord> {
    match held.cancels.as_ref()? {
        Cancelled::Observed(request) => observed(calls, *request),
        Cancelled::Saved(saved) => Some(CancelledRecord::Saved(saved.clone())),
    }
}

fn observed(calls: &Calls, request: RequestId) -> Option<CancelledRecord> {
    let (ObservationId(key), _) = calls.observation_by_request(request)?;
    Some(CancelledRecord::Observed(key.serial))
}
