//! What a Client does to be known: its registrations, and the connections they are on (TS 5.3).

use alloc::vec::Vec;
use core::time::Duration;

use lwm2m_core::{Instant, ShortServerId};
use lwm2m_objects::{Typed, typed};

use super::{
    Client, Timer,
    event::{ClientEvent, ConnectionId, RegistrationFailure},
    registration::{Context, Outcome, Registration},
};
use crate::{
    coap::{self, FailureReason, MessageRef, RequestId},
    machine::Random,
};

/// Registrations.
impl Client {
    pub(super) fn servers(&self) -> Vec<ShortServerId> {
        self.registrations
            .iter()
            .map(Registration::server)
            .collect()
    }

    pub(super) fn registration(&self, server: ShortServerId) -> Option<&Registration> {
        self.registrations
            .iter()
            .find(|registration| registration.server() == server)
    }

    pub(super) fn registration_mut(&mut self, server: ShortServerId) -> Option<&mut Registration> {
        self.registrations
            .iter_mut()
            .find(|registration| registration.server() == server)
    }

    pub(super) fn server_at(&self, connection: ConnectionId) -> Option<ShortServerId> {
        self.registrations
            .iter()
            .find(|registration| registration.connection() == Some(connection))
            .map(Registration::server)
    }

    pub(super) fn answered(&mut self, now: Instant, request: RequestId, response: &MessageRef<'_>) {
        if let Some(server) = self.owner(request) {
            self.with(now, server, |registration, context| {
                registration.answered(context, response)
            });
            // Something may have changed while the request was under way.
            self.with(now, server, |registration, context| {
                registration.follow_up(context)
            });
        }
    }

    pub(super) fn unanswered(
        &mut self,
        now: Instant,
        request: RequestId,
        reason: RegistrationFailure,
    ) {
        if let Some(server) = self.owner(request) {
            self.with(now, server, |registration, context| {
                Some(registration.unanswered(context, reason))
            });
        }
    }

    pub(super) fn owner(&self, request: RequestId) -> Option<ShortServerId> {
        self.registrations
            .iter()
            .find(|registration| registration.owns(request))
            .map(Registration::server)
    }

    /// Tells every server what has changed of what it knows.
    pub(super) fn refresh(&mut self, now: Instant) {
        for server in self.servers() {
            self.with(now, server, |registration, context| {
                registration.refresh(context)
            });
        }
    }

    /// What came of time and calls in the endpoint.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                coap::Event::RequestFailed {
                    request, reason, ..
                } => self.unanswered(now, request, reason.into()),
                coap::Event::NotificationFailed {
                    reason: FailureReason::Superseded,
                    ..
                } => {}
                // A server that does not acknowledge is gone (RFC 7641 §4.5).
                coap::Event::NotificationFailed {
                    peer,
                    token,
                    notification,
                    ..
                } => self.unobserve(now, peer, token, notification),
                coap::Event::TransferLost { transfer, .. } => self.stream_lost(transfer),
                _ => {}
            }
        }
    }

    /// Runs a step of a registration, and does what it asks for.
    pub(super) fn with(
        &mut self,
        now: Instant,
        server: ShortServerId,
        step: impl FnOnce(&mut Registration, &mut Context<'_>) -> Option<Outcome>,
    ) {
        let connection = self.registration(server).and_then(Registration::connection);
        let outcome = self.step(now, server, step);
        self.outcome(now, server, connection, outcome);
    }

    /// Runs a step of a registration; tells what it asks for.
    pub(super) fn step(
        &mut self,
        now: Instant,
        server: ShortServerId,
        step: impl FnOnce(&mut Registration, &mut Context<'_>) -> Option<Outcome>,
    ) -> Option<Outcome> {
        let registration = self
            .registrations
            .iter_mut()
            .find(|registration| registration.server() == server)?;
        let was_registered = registration.is_registered();
        let connection = registration.connection();
        let (first, most) = (self.config.retry_first, self.config.retry_most);
        let random = &mut self.random;
        let mut context = Context {
            now,
            tree: &self.tree,
            endpoint: &mut self.endpoint,
            endpoint_name: &self.config.endpoint_name,
            max_transmit_wait: self.config.coap.transmission.max_transmit_wait(),
            retry_after: &mut |failures| retry_after(first, most, failures, random),
        };
        let outcome = step(registration, &mut context);
        self.timers.set(
            Timer::Registration(server),
            &mut registration.armed,
            registration.deadline,
        );
        // Observations live as long as the registration (TS 5.5.1).
        if was_registered
            && !self.is_registered(server)
            && let Some(connection) = connection
        {
            self.end_observations(now, |observation| {
                observation.observer.connection == connection
            });
        }
        outcome
    }

    pub(super) fn outcome(
        &mut self,
        now: Instant,
        server: ShortServerId,
        connection: Option<ConnectionId>,
        outcome: Option<Outcome>,
    ) {
        match outcome {
            None => {}
            Some(Outcome::Connect) => self.connect(server),
            Some(Outcome::Registered { location }) => {
                self.events
                    .push_back(ClientEvent::Registered { server, location });
            }
            Some(Outcome::Updated) => self.events.push_back(ClientEvent::Updated { server }),
            Some(Outcome::Failed { reason, retry }) => {
                self.events.push_back(ClientEvent::RegistrationFailed {
                    server,
                    reason,
                    retry,
                });
                if retry.is_none() {
                    self.disconnect(now, connection);
                }
            }
            Some(Outcome::Deregistered) => {
                self.events.push_back(ClientEvent::Deregistered { server });
                self.disconnect(now, connection);
            }
            Some(Outcome::DeregisterFailed(reason)) => {
                self.events
                    .push_back(ClientEvent::DeregisterFailed { server, reason });
                self.disconnect(now, connection);
            }
            Some(Outcome::Disconnect) => self.disconnect(now, connection),
        }
    }

    pub(super) fn connect(&mut self, server: ShortServerId) {
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        let Some(registration) = self.registration(server) else {
            return;
        };
        let instance = registration.account.security_instance;
        let security = typed::Security::load(&self.tree, instance);
        let before = self
            .registration_mut(server)
            .and_then(|registration| registration.connecting(connection, security.as_ref()));
        if let Some(before) = before {
            // What was run on it is not run again by a copy that arrives on the new one.
            self.endpoint.rename_peer(&before, connection);
        }
        if let Some(security) = security {
            let uri = security.server_uri.clone();
            self.events.push_back(ClientEvent::Connect {
                connection,
                server,
                uri,
                security,
            });
        }
    }

    pub(super) fn disconnect(&mut self, now: Instant, connection: Option<ConnectionId>) {
        let Some(connection) = connection else { return };
        self.forget(now, connection);
        self.events
            .push_back(ClientEvent::Disconnect { connection });
    }

    /// Nothing is left of a connection but which requests were run that came on it, until no copy
    /// of them can arrive any more.
    pub(super) fn forget(&mut self, now: Instant, connection: ConnectionId) {
        self.endpoint.close_peer(now, &connection);
        self.end_observations(now, |observation| {
            observation.observer.connection == connection
        });
        self.drain(now);
    }
}

/// How long to wait after so many failures in a row: it doubles with each, up to a bound, and a
/// half of it is left to chance, so that a fleet does not come back all at once.
fn retry_after(first: Duration, most: Duration, failures: u32, random: &mut Random) -> Duration {
    let full = first.saturating_mul(1 << failures.min(20)).min(most);
    let jitter = u32::try_from(random.next_u64() >> 48).unwrap_or(0);
    let wait = full / 2 + (full / 2).saturating_mul(jitter) / 0x1_0000;
    // Never at once, whatever the configuration says: what cannot be sent would be tried for ever.
    wait.max(Duration::from_millis(1))
}
