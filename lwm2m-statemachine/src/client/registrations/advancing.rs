//! The next step of a registration: to connect, to register, to update, or to leave (TS 5.3).

use alloc::boxed::Box;
use core::time::Duration;

use lwm2m_core::{Instant, Method};

use super::{
    super::event::{FailureKind, RegistrationFailure},
    lease::Lease,
    link::{Connection, Link},
    moving::joined,
    parameters::Parameters,
    registration::{Exchange, Kind, Registration},
    step::{Outcome, Step},
};
use crate::coap::RequestId;

impl Registration {
    /// Takes the next step.
    pub(super) fn advance(&mut self, step: &mut Step<'_>) {
        self.end_lifetime(step);
        if self.lease.is_none() {
            joined(self, step);
        }
        self.disabled.pass(step.now);
        if self.is_restored {
            return;
        }
        if self.is_leaving || !self.is_wanted(step.is_started) {
            self.leave(step);
        }
        if self.may_go_on(step) {
            self.go_on(step);
        }
    }

    /// Whether the registration is wanted now, and can be had.
    pub(super) const fn may_go_on(&self, step: &Step<'_>) -> bool {
        self.is_wanted(step.is_started) && !self.is_leaving && !self.is_offline
    }
}

/// The steps.
impl Registration {
    /// The lifetime is over: what follows is a Register, and nothing is sent before it (TS 5.3). A connection that
    /// is up isn't waited for, but the server is, if it has said when it can be asked (RFC 7252 §5.9.3.4).
    fn end_lifetime(&mut self, step: &mut Step<'_>) {
        if !self.has_expired(step.now) {
            return;
        }
        let reason = RegistrationFailure::Expired;
        if self.lease.is_none() {
            self.ended = None;
            if let Some(exchange) = self.exchange.take() {
                step.endpoint.cancel(step.now, exchange.request);
            }
            step.outcomes.push(Outcome::DeregisterFailed(reason));
            return;
        }
        end_lease(self, step);
        if self.links.own.up().is_some() {
            self.attempts.end_wait();
        }
        let next = self.attempts.next();
        let next = next.map_or(step.now, |next| next.max(step.now));
        step.outcomes.push(Outcome::Failed {
            reason,
            retry: self.may_go_on(step).then_some(next),
        });
    }

    /// Ends the registration with a De-register (TS 5.3.3), then the connection.
    fn leave(&mut self, step: &mut Step<'_>) {
        match self.exchange.as_ref().map(|exchange| &exchange.kind) {
            // The server may have accepted it, so its answer is waited for.
            Some(Kind::Register(_) | Kind::Deregister(_)) => return,
            Some(Kind::Update(_)) => self.abandon(step),
            None => {}
        }
        self.stay(step);
        if let Some(lease) = self.lease.take().or(self.ended.take().map(|ended| *ended)) {
            self.is_leaving = true;
            match self.end(step, lease) {
                None => return,
                Some(outcome) => step.outcomes.push(outcome),
            }
        }
        self.is_leaving = false;
        self.attempts.forget_failures();
        self.close(step);
        // A server without a registration is not served, however it comes.
        self.close_inbound(step);
        let disabled = self.disabled.left(step.now);
        step.outcomes
            .extend(disabled.map(|until| Outcome::Disabled { until }));
    }

    /// Ends the registration at its server; returns what has become of it, if that is clear already.
    ///
    /// A server that knows the device by its name has one registration for all its accounts there, whose
    /// location is the same. So a Register that is under way is waited for, and if it has taken the place of
    /// this registration (TS 5.3.1), a De-register would end the new one.
    fn end(&mut self, step: &mut Step<'_>, lease: Lease) -> Option<Outcome> {
        let reason = RegistrationFailure::Disconnected;
        let Some(connection) = self.links.own.up().filter(|_| !self.is_offline) else {
            return Some(Outcome::DeregisterFailed(reason));
        };
        if step.is_registering_at(&connection.access) {
            self.ended = Some(Box::new(lease));
            return None;
        }
        if step.is_held_at(&connection.access, &lease.location) {
            // The answer to the request that has led to this leaves before the connection ends.
            if step.endpoint.is_answering(&connection.id) {
                self.ended = Some(Box::new(lease));
                return None;
            }
            return Some(Outcome::Deregistered);
        }
        let message = lease.location.request(Method::Delete);
        let message = message.map_err(|_| RegistrationFailure::NoLocation);
        match message.and_then(|message| step.request(connection, message)) {
            Ok(request) => {
                let kind = Kind::Deregister(lease.expires);
                self.begin(step, connection, request, kind);
                None
            }
            Err(reason) => Some(Outcome::DeregisterFailed(reason)),
        }
    }

    /// Connects, registers, or updates the registration.
    fn go_on(&mut self, step: &mut Step<'_>) {
        let channel = self.follow_binding(step);
        if self.exchange.is_some() || self.attempts.waits(step.now) || self.is_held(step) {
            return;
        }
        match self.links.own {
            // A connection is made with what is there after the bootstrap, and so is a registration (TS 5.2.4).
            Link::None | Link::Up(_) if step.tree.is_holding() && self.lease.is_none() => {}
            // The registration goes on elsewhere meanwhile.
            Link::Joining { to, .. } if !step.tree.is_holding() => {
                if step.card.allows(&self.account, step.now) {
                    self.register(step, to);
                }
            }
            Link::Up(connection)
            | Link::Moving {
                from: connection, ..
            }
            | Link::Joining {
                from: Some(connection),
                ..
            } if self.lease.is_some() => self.update_if_due(step, connection),
            Link::None if !has_to_connect(self, step) => {}
            // What comes from a smartcard is compared with it before (TS 5.2.3.2).
            Link::None if step.card.allows_connection(&self.account, step.now) => {
                let way = self.way(step, channel);
                step.outcomes.push(Outcome::Connect(way));
            }
            Link::Up(connection) if step.card.allows(&self.account, step.now) => {
                self.register(step, connection);
            }
            // Without a registration there is nothing that a link could move with, so that has ended before.
            Link::None
            | Link::Asked(_)
            | Link::Up(_)
            | Link::Moving { .. }
            | Link::Joining { .. } => {}
        }
    }

    /// Whether a Register has to wait for the end of another registration at its server, which the server
    /// might take for the end of the new one.
    fn is_held(&self, step: &Step<'_>) -> bool {
        let registers = self.lease.is_none() || self.links.own.joining().is_some();
        let own = self.account.access.filter(|_| registers);
        own.is_some_and(|own| step.is_ending_at(&own))
    }

    /// Sends the Register (TS 8.2.4).
    fn register(&mut self, step: &mut Step<'_>, connection: Connection) {
        let parameters = self.parameters(step).ok_or(RegistrationFailure::Unusable);
        let sent = parameters.and_then(|parameters| {
            let message = parameters.register(step.identity);
            let message = message.map_err(|_| RegistrationFailure::Unusable)?;
            Ok((step.request(connection, message)?, parameters))
        });
        match sent {
            Ok((request, parameters)) => {
                self.begin(step, connection, request, Kind::Register(parameters));
            }
            Err(reason) => self.fail(step, reason, Duration::ZERO),
        }
    }

    /// Sends an Update if the lifetime asks for one, or someone did, or if something that the server
    /// knows has changed (TS 5.3.2).
    fn update_if_due(&mut self, step: &mut Step<'_>, connection: Connection) {
        let Some(lease) = &mut self.lease else {
            return;
        };
        let is_due = lease.is_update_due(step.now);
        let is_stale = core::mem::take(&mut lease.is_stale);
        if !is_due && !is_stale {
            return;
        }
        // What a bootstrap has written so far doesn't count: meanwhile the server hears what it knows.
        let is_known = step.tree.is_holding();
        let parameters = (!is_known).then(|| self.parameters(step)).flatten();
        let Some(lease) = &mut self.lease else {
            return;
        };
        let is_news = |now: &Parameters| now.are_news(&lease.known, step.held);
        let has_changed = parameters.as_ref().is_some_and(is_news);
        if !is_due && !has_changed {
            return;
        }
        if !step.card.allows(&self.account, step.now) {
            lease.is_stale = is_stale;
            return;
        }
        let parameters = parameters.unwrap_or_else(|| lease.known.clone());
        let message = parameters.update(lease.to_tell(&parameters), &lease.location);
        let message = message.map_err(|_| RegistrationFailure::Unusable);
        match message.and_then(|message| step.request(connection, message)) {
            Ok(request) => {
                lease.update_asked = false;
                lease.tells(&parameters, step.now);
                self.begin(step, connection, request, Kind::Update(parameters));
            }
            Err(reason) => self.fail(step, reason, Duration::ZERO),
        }
    }
}

/// What steps and events have in common.
impl Registration {
    /// Waits before the next attempt, and tells why. If a Register over another channel has failed, the registration
    /// goes on where it was.
    pub(super) fn fail(
        &mut self,
        step: &mut Step<'_>,
        reason: RegistrationFailure,
        at_least: Duration,
    ) {
        if self.links.own.joining().is_some() {
            self.stay(step);
            return not_joined(self, step, reason, at_least);
        }
        let goes_on = self.may_go_on(step);
        let retry = goes_on.then(|| self.wait(step, reason, at_least));
        step.outcomes.push(Outcome::Failed { reason, retry });
    }

    /// Waits before the next attempt, longer with each failure in a row. An Update is sent again then,
    /// even if nothing has changed.
    pub(super) fn wait(
        &mut self,
        step: &mut Step<'_>,
        reason: RegistrationFailure,
        at_least: Duration,
    ) -> Instant {
        if let Some(lease) = &mut self.lease {
            lease.update_asked = true;
        }
        let is_refused = reason.kind() == FailureKind::Refused;
        self.attempts
            .fail(step.now, step.retry, is_refused, at_least)
    }

    pub(super) fn begin(
        &mut self,
        step: &Step<'_>,
        connection: Connection,
        request: RequestId,
        kind: Kind,
    ) {
        if let Some(lease) = &mut self.lease {
            lease.awake.wake();
        }
        self.exchange = Some(Exchange {
            request,
            sent: step.now,
            channel: connection.channel,
            kind,
        });
    }

    /// Gives up a Register or an Update that is under way.
    pub(super) fn abandon(&mut self, step: &mut Step<'_>) {
        let gives_up = |exchange: &mut Exchange| !matches!(exchange.kind, Kind::Deregister(_));
        if let Some(exchange) = self.exchange.take_if(gives_up) {
            step.endpoint.cancel(step.now, exchange.request);
            gave_up(self, step, &exchange);
        }
    }

    /// What the server should know.
    pub(super) fn parameters(&self, step: &mut Step<'_>) -> Option<Parameters> {
        let instance = self.account.server_instance?;
        Parameters::of(step.tree, instance, step.identity, step.list)
    }

    /// The link is back, or will be: the server hears an Update before notifications (TS 8.3).
    pub(super) fn ask_update(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.update_asked = true;
        }
    }

    pub(super) fn unconfirm(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.is_confirmed = false;
            lease.update_asked = true;
        }
    }

    pub(super) fn close_inbound(&mut self, step: &mut Step<'_>) {
        let connection = self.links.end_inbound();
        step.outcomes.extend(connection.map(Outcome::Disconnect));
    }
}

/// Whether a connection is made where there is none. A device that is asleep has something to tell first (TS 8.3).
fn has_to_connect(registration: &Registration, step: &mut Step<'_>) -> bool {
    let lease = registration.lease.as_ref();
    let Some(lease) = lease.filter(|lease| lease.is_asleep()) else {
        return true;
    };
    lease.is_update_due(step.now)
        || lease.is_stale
            && registration
                .parameters(step)
                .is_some_and(|parameters| parameters.are_news(&lease.known, step.held))
}

/// The registration is over, and with it what is under way; not a Register that goes over another channel.
pub(super) fn end_lease(registration: &mut Registration, step: &mut Step<'_>) {
    if registration.links.own.joining().is_none() {
        registration.abandon(step);
    }
    registration.lease = None;
}

/// A Register over another channel has failed, and the registration goes on where it was. The server may have ended it
/// all the same, so an Update asks. The link moves later.
pub(super) fn not_joined(
    registration: &mut Registration,
    step: &mut Step<'_>,
    reason: RegistrationFailure,
    at_least: Duration,
) {
    let is_refused = reason.kind() == FailureKind::Refused;
    let mut retry = None;
    if let Some(lease) = &mut registration.lease {
        lease.update_asked = true;
        let moves = &mut lease.moves;
        retry = Some(moves.fail(step.now, step.retry, is_refused, at_least));
    }
    // The server wants to hear nothing, over no channel (RFC 7252 §5.9.3.4).
    if !at_least.is_zero() {
        registration.wait(step, reason, at_least);
    }
    let retry = retry.filter(|_| registration.may_go_on(step));
    step.outcomes.push(Outcome::Failed { reason, retry });
}

/// A request was given up without an answer.
pub(super) fn gave_up(registration: &mut Registration, step: &Step<'_>, exchange: &Exchange) {
    if let Kind::Register(_) = exchange.kind {
        let until = step.now + step.takes.latency(exchange.channel);
        registration.links.late.gave_up(until);
    }
}
