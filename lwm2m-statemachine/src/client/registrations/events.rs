//! What happens to a registration. Each event ends with the [next step](Registration::advance).

use alloc::string::ToString as _;
use core::time::Duration;

use lwm2m_core::Code;

use super::{
    super::{
        accounts::Account,
        connection::Session,
        event::{ConnectionId, RegistrationFailure},
        retry::{Attempts, retry_after},
    },
    advancing::{end_lease, gave_up, not_joined},
    disabling,
    lease::{Accepted, Lease},
    link::{Connection, Link, Lost},
    location::Location,
    moving::{begin_anew, joined},
    parameters::Parameters,
    registration::{Exchange, Kind, Registration},
    step::{Outcome, Step},
};
use crate::{coap::MessageRef, machine::Channel};

impl Registration {
    /// The tree says something else of the account; `None` if it is no longer there.
    ///
    /// Where the server is another one, the registration ends first. Where it is the same at another
    /// URI, or with other keys, a new connection follows, and a Register on it (TS 5.2.5). Else there
    /// may be something to tell the server (TS 5.3.2). If the server `has_moved` to another account, the
    /// Register there takes the place of this registration (TS 5.3.1), and nothing ends it before.
    pub(super) fn assign(
        &mut self,
        step: &mut Step<'_>,
        account: Option<Account>,
        has_moved: bool,
    ) {
        self.is_gone = account.is_none();
        if account.is_none_or(|account| account != self.account) {
            disabling::forget(self, step);
        }
        if has_moved {
            self.abandon(step);
            self.lease = None;
            self.ended = None;
        }
        let Some(account) = account else {
            self.close_inbound(step);
            return self.advance(step);
        };
        let has_other_access = account.access != self.account.access;
        let has_other_role = account.role != self.account.role;
        self.is_leaving |= has_other_role;
        self.account = account;
        if has_other_access || has_other_role {
            self.close_inbound(step);
        }
        if has_other_access {
            self.attempts = Attempts::default();
            if self.is_usable() && !self.is_leaving {
                self.abandon(step);
                self.links.late.forget();
                self.lease = None;
                self.close(step);
            }
        }
        self.refresh(step);
    }

    /// The application wants registrations now: the next attempt isn't waited for.
    pub(super) fn start(&mut self, step: &mut Step<'_>) {
        self.is_restored = false;
        self.attempts.end_wait();
        self.advance(step);
    }

    /// A connection with this name is being asked for. Only after [`Outcome::Connect`].
    pub(super) fn connecting(&mut self, id: ConnectionId, channel: Channel) {
        if let Some(lease) = &mut self.lease {
            lease.awake.wake();
        }
        if let Some(access) = self.account.access {
            self.links.own.ask(Connection {
                id,
                channel,
                access,
            });
        }
    }

    /// The connection is up.
    pub(super) fn connected(&mut self, step: &mut Step<'_>, id: ConnectionId, session: Session) {
        let Some((connection, replaced)) = self.links.own.connected(id) else {
            return;
        };
        if let Some(replaced) = replaced
            && self.is_too_early(step, connection, session)
        {
            self.links.own = Link::Up(replaced);
            step.outcomes.push(Outcome::Disconnect(connection.id));
            return;
        }
        self.attempts.end_wait();
        self.links.continue_last(step.endpoint, connection, session);
        if replaced.is_some() {
            self.abandon(step);
        }
        // What is late in another session can't be read any more.
        if session == Session::New && !connection.is_open() {
            self.links.late.forget();
        }
        if session == Session::Resumed && self.goes_on_over(connection) {
            self.unconfirm();
        } else {
            begin_anew(self, replaced, connection);
        }
        if connection.channel == Channel::Sms {
            self.close_inbound(step);
        }
        // It ends when the Register is accepted.
        let replaced = replaced.filter(|_| self.links.own.joining().is_none());
        self.advance(step);
        let replaced = replaced.map(|replaced| Outcome::Disconnect(replaced.id));
        step.outcomes.extend(replaced);
    }

    /// The address that the server sees has changed.
    pub(super) fn address_changed(&mut self, step: &mut Step<'_>, id: ConnectionId) {
        let Some(connection) = self.links.own.all_up().find(|up| up.id == id) else {
            return;
        };
        let joining = self.links.own.joining();
        if joining.is_some_and(|joining| joining.id == id) {
            // The Register goes again, from the new address.
            if connection.is_open() {
                self.abandon(step);
            }
        } else if connection.is_open() {
            end_lease(self, step);
        } else {
            self.ask_update();
        }
        self.attempts.end_wait();
        self.advance(step);
    }

    /// A connection is lost, or could not be made.
    pub(super) fn disconnected(&mut self, step: &mut Step<'_>, id: ConnectionId) {
        if self.links.inbound() == Some(id) {
            self.links.end_inbound();
            return;
        }
        let lease = self.lease.as_ref();
        let would_move =
            lease.is_some_and(|lease| self.links.own.asks_elsewhere(id, lease.channel));
        match self.links.own.lose(id) {
            Lost::Nothing => return,
            Lost::Asked => return self.not_moved(step),
            lost @ (Lost::Left | Lost::Joining) => {
                lost_one(self, step, lost == Lost::Joining);
                return self.advance(step);
            }
            // The registration goes on where it is, at once.
            Lost::Used if would_move => {
                self.not_moved(step);
                return self.advance(step);
            }
            Lost::Used => {}
        }
        let is_asked = self.links.own.asked().is_some();
        let reason = RegistrationFailure::Disconnected;
        match take_given_up(self, step).map(|exchange| exchange.kind) {
            Some(Kind::Deregister(_)) => step.outcomes.push(Outcome::DeregisterFailed(reason)),
            // The registration goes on, and the application knows of the connection.
            None if self.lease.is_some() && is_asked => {}
            // It is made again when the device wakes.
            None if self.lease.as_ref().is_some_and(Lease::is_asleep) => {
                return self.advance(step);
            }
            None if self.lease.is_some() => {
                self.wait(step, reason, Duration::ZERO);
            }
            // What follows tells of it.
            None if self.ended.is_some() => {}
            _ => self.fail(step, reason, Duration::ZERO),
        }
        self.unconfirm();
        self.advance(step);
    }

    /// The application has no network for a while.
    pub(super) fn go_offline(&mut self, step: &mut Step<'_>) {
        self.is_offline = true;
        let exchange = take_given_up(self, step);
        if let Some(Kind::Deregister(_)) = exchange.map(|exchange| exchange.kind) {
            let reason = RegistrationFailure::Disconnected;
            step.outcomes.push(Outcome::DeregisterFailed(reason));
        }
        self.unconfirm();
        self.advance(step);
    }

    /// The application has a network again.
    pub(super) fn go_online(&mut self, step: &mut Step<'_>) {
        self.is_offline = false;
        self.attempts.forget_failures();
        self.ask_update();
        self.advance(step);
    }

    /// The registration is given up; the server isn't told.
    pub(super) fn forget(&mut self, step: &mut Step<'_>) {
        self.is_restored = false;
        self.abandon(step);
        self.lease = None;
        self.ended = None;
        self.close_inbound(step);
        self.advance(step);
    }

    /// The other side has begun a connection, which replaces an earlier one.
    pub(super) fn take_inbound(&mut self, step: &mut Step<'_>, id: ConnectionId, channel: Channel) {
        self.close_inbound(step);
        self.links.take_inbound(id, channel);
        if let (Channel::Sms, Some(access)) = (channel, self.account.access) {
            let connection = Connection {
                id,
                channel,
                access,
            };
            self.links
                .continue_last(step.endpoint, connection, Session::New);
        }
    }

    /// An Update is asked for, even if nothing has changed.
    pub(super) fn update(&mut self, step: &mut Step<'_>) {
        if let Some(lease) = &mut self.lease {
            lease.update_asked = true;
            self.attempts.end_wait();
        }
        self.advance(step);
    }

    /// The server has asked for an Update, and so doesn't want it to wait any longer (TS E.2, Resource 8).
    pub(super) fn update_for_server(&mut self, step: &mut Step<'_>) {
        if self.lease.is_some() {
            self.attempts.take_back_wait();
        }
        self.update(step);
    }

    /// Something may have changed that the server should know (TS 5.3.2).
    pub(super) fn refresh(&mut self, step: &mut Step<'_>) {
        if let Some(lease) = &mut self.lease {
            lease.is_stale = true;
        }
        self.advance(step);
    }

    /// The answer to a request that this registration [`owns`](Self::owns).
    pub(super) fn answered(&mut self, step: &mut Step<'_>, response: &MessageRef<'_>) {
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        let accepted = Accepted {
            sent: exchange.sent,
            answered: step.now,
            channel: exchange.channel,
            next_takes: step.takes.over(exchange.channel),
        };
        match exchange.kind {
            Kind::Register(known) => self.registered(step, known, accepted, response),
            Kind::Update(known) => self.updated(step, known, accepted, response),
            Kind::Deregister(_) => step.outcomes.push(match response.code() {
                // 4.04: there is no such registration, which is what was asked for.
                Code::DELETED | Code::NOT_FOUND => Outcome::Deregistered,
                code => Outcome::DeregisterFailed(RegistrationFailure::Refused(code)),
            }),
        }
        self.advance(step);
    }

    /// A request that this registration [`owns`](Self::owns) got no answer.
    pub(super) fn unanswered(&mut self, step: &mut Step<'_>, reason: RegistrationFailure) {
        match take_given_up(self, step).map(|exchange| exchange.kind) {
            None => return,
            Some(Kind::Deregister(_)) => step.outcomes.push(Outcome::DeregisterFailed(reason)),
            // Whatever became of an Update, the registration stands for its lifetime.
            Some(Kind::Register(_) | Kind::Update(_)) => self.fail(step, reason, Duration::ZERO),
        }
        self.advance(step);
    }
}

/// Takes a request that gets no answer any more.
fn take_given_up(registration: &mut Registration, step: &Step<'_>) -> Option<Exchange> {
    let exchange = registration.exchange.take()?;
    gave_up(registration, step, &exchange);
    Some(exchange)
}

/// The server may not be there: until it has answered an Update, it isn't notified (TS 8.3). An Update
/// that is under way shows as much.
pub(super) fn confirm(registration: &mut Registration, step: &mut Step<'_>) {
    if let Some(lease) = &mut registration.lease {
        lease.is_confirmed = false;
        lease.update_asked |= registration.exchange.is_none();
    }
    registration.advance(step);
}

/// What an answer says.
impl Registration {
    fn registered(
        &mut self,
        step: &mut Step<'_>,
        known: Parameters,
        accepted: Accepted,
        response: &MessageRef<'_>,
    ) {
        let location = match response.code() {
            Code::CREATED => Location::of(response),
            code => Err(RegistrationFailure::Refused(code)),
        };
        match location {
            Ok(location) => {
                self.attempts = Attempts::default();
                let path = location.to_string();
                let has_sms = known.has_sms();
                let mut lease = Lease::new(location, known, accepted);
                lease.ask_at(self.links.late.ask_at(accepted.sent));
                let old = self.lease.replace(lease);
                step.outcomes.extend(old.map(|_| Outcome::Replaced));
                step.outcomes.push(Outcome::Registered { location: path });
                joined(self, step);
                if !has_sms {
                    self.close_inbound(step);
                }
            }
            Err(reason) => self.fail(step, reason, retry_after(response)),
        }
    }

    fn updated(
        &mut self,
        step: &mut Step<'_>,
        known: Parameters,
        accepted: Accepted,
        response: &MessageRef<'_>,
    ) {
        let reason = RegistrationFailure::Refused(response.code());
        match (response.code(), &mut self.lease) {
            (Code::CHANGED, Some(lease)) => {
                self.attempts = Attempts::default();
                let has_sms = known.has_sms();
                lease.prolong(known, accepted);
                lease.ask_at(self.links.late.ask_at(accepted.sent));
                step.outcomes.push(Outcome::Updated);
                if !has_sms {
                    self.close_inbound(step);
                }
            }
            // The server does not know the registration: register anew, at once (TS 8.5).
            (Code::BAD_REQUEST | Code::NOT_FOUND, _) => {
                self.lease = None;
                let retry = self.is_wanted(step.is_started).then_some(step.now);
                step.outcomes.push(Outcome::Failed { reason, retry });
            }
            (code, _) => {
                // The server can't do it now, or the registration is worth nothing.
                if code.class() != 5 {
                    self.lease = None;
                }
                self.fail(step, reason, retry_after(response));
            }
        }
    }
}

/// Of two connections that were up one is lost: that of the registration, or the new one over which a Register goes.
fn lost_one(registration: &mut Registration, step: &mut Step<'_>, is_new: bool) {
    let registers = |exchange: &mut Exchange| matches!(exchange.kind, Kind::Register(_));
    if !is_new {
        registration
            .exchange
            .take_if(|exchange| !registers(exchange));
        registration.unconfirm();
    } else if registration.exchange.take_if(registers).is_some() {
        let reason = RegistrationFailure::Disconnected;
        not_joined(registration, step, reason, Duration::ZERO);
    } else {
        registration.not_moved(step);
    }
}
