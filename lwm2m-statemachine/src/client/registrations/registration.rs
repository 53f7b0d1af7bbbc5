//! The Client Registration interface, for one account (TS 5.3).
//!
//! Three things change each on its own: the *link* (the connection: none, asked for, or up), the
//! *lease* (the registration that the server has granted, for a lifetime) and the *exchange* that is
//! under way (Register, Update or De-register). After each event [`Registration::advance`] looks at
//! all three and takes the next step:
//!
//! ```text
//!               no link            link is up,         link is up,
//!                                  no lease            a lease
//! wanted        ask for one        Register            Update, if one is due
//! not wanted    nothing            close the link      De-register, then close the link
//! ```
//!
//! A lost link leaves the lease as it is; the end of the lifetime leaves the link as it is.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_objects::ObjectTree;

use super::{
    super::{
        accounts::{Access, Account},
        config::Identity,
        connection::Session,
        event::{AccountRole, ConnectionId, FailureKind, RegistrationFailure, RegistrationState},
    },
    lease::Lease,
    location::Location,
    parameters::{ObjectList, Parameters},
    retry::{Attempts, Retry},
};
use crate::coap::{Endpoint, MessageBuf, MessageRef, RequestId, RequestOptions};

/// The registration of one account.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) account: Account,
    link: Link,
    /// A connection that the other side has begun.
    inbound: Option<ConnectionId>,
    /// The last connection that was up.
    last: Option<Connection>,
    lease: Option<Lease>,
    /// What the De-register will end, which waits for the Register of another account at this server.
    ended: Option<Lease>,
    exchange: Option<Exchange>,
    attempts: Attempts,
    /// The registration ends, and with it the connection, before anything else.
    is_leaving: bool,
    /// The account is no longer in the tree.
    is_gone: bool,
    /// The application has no network: nothing is sent.
    is_offline: bool,
    /// The deadline that the timer queue has.
    pub(super) armed: Option<Instant>,
}

/// The connection to the server.
#[derive(Clone, Copy, Debug)]
enum Link {
    None,
    /// The application is asked for it.
    Asked(Connection),
    Up(Connection),
}

/// A connection, and what it is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Connection {
    id: ConnectionId,
    access: Access,
}

/// A request that is under way, and when it was sent.
#[derive(Debug)]
struct Exchange {
    request: RequestId,
    sent: Instant,
    kind: Kind,
}

/// With what the server knows once it has accepted it.
#[derive(Debug)]
enum Kind {
    Register(Parameters),
    Update(Parameters),
    /// Until the lifetime is over: then the server has forgotten the registration by itself.
    Deregister(Instant),
}

/// What a step of a registration asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Ask the application for a new connection.
    Connect,
    Registered {
        location: String,
    },
    Updated,
    Failed {
        reason: RegistrationFailure,
        retry: Option<Instant>,
    },
    Deregistered,
    /// The server does not know that the Client has left.
    DeregisterFailed(RegistrationFailure),
    /// Close the connection: it is no longer needed.
    Disconnect(ConnectionId),
}

/// What a registration needs for a step.
pub(super) struct Step<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) identity: &'c Identity,
    pub(super) list: &'c mut ObjectList,
    pub(super) max_transmit_wait: Duration,
    pub(super) retry: &'c mut Retry,
    /// Whether the application wants registrations.
    pub(super) is_started: bool,
    pub(super) others: Others<'c>,
    pub(super) outcomes: Vec<Outcome>,
}

/// The other registrations of the Client.
pub(super) struct Others<'c> {
    pub(super) before: &'c [Registration],
    pub(super) after: &'c [Registration],
}

impl Others<'_> {
    fn any(&self, is_meant: impl FnMut(&Registration) -> bool) -> bool {
        self.before.iter().chain(self.after).any(is_meant)
    }
}

impl Step<'_> {
    /// Whether a registration at this server is being ended.
    fn is_ending_at(&self, access: &Access) -> bool {
        self.others.any(|other| {
            let ending = other.ending(self.is_started);
            ending.is_some_and(|ending| ending.may_share_server(access))
        })
    }

    /// Whether a Register at this server is under way.
    fn is_registering_at(&self, access: &Access) -> bool {
        self.others.any(|other| {
            let registering = other.registering();
            registering.is_some_and(|registering| registering.may_share_server(access))
        })
    }

    /// Whether a registration that goes on is at this server, and at this location.
    fn is_held_at(&self, access: &Access, location: &Location) -> bool {
        self.others.any(|other| {
            let goes_on = !other.is_leaving && other.is_wanted(self.is_started);
            let lease = other.lease.as_ref();
            let lease = lease.filter(|lease| goes_on && self.now < lease.expires);
            let is_there = lease.is_some_and(|lease| lease.location == *location);
            let own = other.account.access.filter(|_| is_there);
            own.is_some_and(|own| own.may_share_server(access))
        })
    }

    /// Sends a request to the server of a connection.
    fn request(
        &mut self,
        connection: ConnectionId,
        message: MessageBuf,
    ) -> Result<RequestId, RegistrationFailure> {
        let options = RequestOptions::default();
        self.endpoint
            .request(self.now, connection, message, options)
            .map_err(RegistrationFailure::Overload)
    }
}

impl Registration {
    pub(super) fn new(account: Account, is_offline: bool) -> Self {
        Self {
            account,
            link: Link::None,
            inbound: None,
            last: None,
            lease: None,
            ended: None,
            exchange: None,
            attempts: Attempts::default(),
            is_leaving: false,
            is_gone: false,
            is_offline,
            armed: None,
        }
    }

    /// The connection that the Client has asked for.
    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match self.link {
            Link::None => None,
            Link::Asked(connection) | Link::Up(connection) => Some(connection.id),
        }
    }

    /// The connection that the other side has begun.
    pub(super) const fn inbound(&self) -> Option<ConnectionId> {
        self.inbound
    }

    /// Whether this connection is one of the account, and up.
    pub(super) fn is_up(&self, connection: ConnectionId) -> bool {
        let own = matches!(self.link, Link::Up(own) if own.id == connection);
        own || self.inbound == Some(connection)
    }

    /// Whether this connection is one of the account.
    pub(super) fn has(&self, connection: ConnectionId) -> bool {
        self.connection() == Some(connection) || self.inbound == Some(connection)
    }

    /// Whether the registration stands, with or without a connection.
    pub(super) const fn is_registered(&self) -> bool {
        self.lease.is_some()
    }

    /// The connection for requests of the server and notifications to it: not without a registration
    /// (TS 5.4), not after its lifetime, and not offline.
    pub(super) fn serving(&self, now: Instant) -> Option<ConnectionId> {
        let lease = self.lease.as_ref()?;
        match self.link {
            Link::Up(connection) if !self.is_offline && now < lease.expires => Some(connection.id),
            _ => None,
        }
    }

    /// The connection for notifications. When the link comes back the server hears an Update first
    /// (TS 8.3).
    pub(super) fn reporting(&self, now: Instant) -> Option<ConnectionId> {
        let lease = self.lease.as_ref();
        self.serving(now)
            .filter(|_| lease.is_some_and(|lease| lease.is_confirmed))
    }

    /// Whether requests are served on this connection.
    pub(super) fn serves(&self, now: Instant, connection: ConnectionId) -> bool {
        let is_inbound = self.inbound == Some(connection) && !self.is_offline;
        match self.account.role {
            AccountRole::Server(_) if is_inbound => self.takes_sms(now),
            AccountRole::Server(_) => self.serving(now) == Some(connection),
            AccountRole::BootstrapServer => is_inbound,
            AccountRole::Unknown => false,
        }
    }

    /// Whether the registration says that the Client can be reached by SMS (TS 5.3.1.1).
    pub(super) fn takes_sms(&self, now: Instant) -> bool {
        let lease = self.lease.as_ref().filter(|lease| now < lease.expires);
        !self.is_offline && lease.is_some_and(|lease| lease.known.has_sms())
    }

    /// Whether the lifetime is over.
    pub(super) fn has_expired(&self, now: Instant) -> bool {
        self.ends_at().is_some_and(|end| end <= now)
    }

    /// When the lifetime is over, also of a registration that is being ended.
    fn ends_at(&self) -> Option<Instant> {
        match (self.lease.as_ref().or(self.ended.as_ref()), &self.exchange) {
            (Some(lease), _) => Some(lease.expires),
            (None, Some(exchange)) => match exchange.kind {
                Kind::Deregister(end) => Some(end),
                Kind::Register(_) | Kind::Update(_) => None,
            },
            (None, None) => None,
        }
    }

    /// Whether nothing is left of an account that is no longer in the tree.
    pub(super) const fn is_over(&self) -> bool {
        let has_link = !matches!(self.link, Link::None) || self.inbound.is_some();
        let has_lease = self.lease.is_some() || self.ended.is_some();
        self.is_gone && self.exchange.is_none() && !has_lease && !has_link
    }

    pub(super) fn state(&self, is_started: bool) -> RegistrationState {
        let exchange = self.exchange.as_ref();
        match exchange.map(|exchange| &exchange.kind) {
            Some(Kind::Deregister(_)) => RegistrationState::Deregistering,
            _ if self.ended.is_some() => RegistrationState::Deregistering,
            _ if self.lease.is_some() => RegistrationState::Registered,
            _ if !self.is_usable() => RegistrationState::Resting,
            _ if is_started => RegistrationState::Registering,
            _ => RegistrationState::Stopped,
        }
    }

    /// Whether this request is one of ours.
    pub(super) fn owns(&self, request: RequestId) -> bool {
        let exchange = self.exchange.as_ref();
        exchange.is_some_and(|exchange| exchange.request == request)
    }

    /// When the next step is due, if no event comes before.
    pub(super) fn deadline(&self, is_started: bool) -> Option<Instant> {
        let lease = self.lease.as_ref();
        let end = self.ends_at();
        let waits = self.exchange.is_some() || self.is_leaving || self.is_offline;
        let next = match self.link {
            _ if waits || !self.is_wanted(is_started) => None,
            Link::Asked(_) => None,
            Link::None => self.attempts.next(),
            Link::Up(_) => self.attempts.next().or(lease.map(Lease::update_at)),
        };
        [end, next].into_iter().flatten().min()
    }

    /// What the connection is made with on which a registration is being ended: a De-register is under way, or
    /// will be when a Register is answered.
    fn ending(&self, is_started: bool) -> Option<Access> {
        let Link::Up(connection) = self.link else {
            return None;
        };
        let is_ending = match self.exchange.as_ref().map(|exchange| &exchange.kind) {
            Some(Kind::Deregister(_)) => true,
            Some(Kind::Register(_) | Kind::Update(_)) => {
                self.is_leaving || !self.is_wanted(is_started)
            }
            None => self.ended.is_some(),
        };
        is_ending.then_some(connection.access)
    }

    /// What others may wait for: whether a registration is being ended, and whether a Register is under way.
    pub(super) fn holds_up(&self, is_started: bool) -> (bool, bool) {
        let is_ending = self.ending(is_started).is_some();
        (is_ending, self.registering().is_some())
    }

    /// What the connection is made with on which a Register is under way.
    fn registering(&self) -> Option<Access> {
        let exchange = self.exchange.as_ref()?;
        match (&exchange.kind, self.link) {
            (Kind::Register(_), Link::Up(connection)) => Some(connection.access),
            _ => None,
        }
    }

    /// Whether the account can be used for a registration.
    const fn is_usable(&self) -> bool {
        !self.is_gone && self.account.is_usable()
    }

    const fn is_wanted(&self, is_started: bool) -> bool {
        is_started && self.is_usable()
    }
}

/// What happens to a registration. Each event ends with [`advance`](Registration::advance).
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
                self.lease = None;
                self.close(step);
            }
        }
        self.refresh(step);
    }

    /// The application wants registrations now: the next attempt isn't waited for.
    pub(super) fn start(&mut self, step: &mut Step<'_>) {
        self.attempts.end_wait();
        self.advance(step);
    }

    /// A connection with this name is being asked for. Only after [`Outcome::Connect`].
    pub(super) fn connecting(&mut self, id: ConnectionId) {
        if let Some(access) = self.account.access {
            self.link = Link::Asked(Connection { id, access });
        }
    }

    /// The connection is up.
    pub(super) fn connected(&mut self, step: &mut Step<'_>, id: ConnectionId, session: Session) {
        let Link::Asked(connection) = self.link else {
            return;
        };
        if connection.id != id {
            return;
        }
        self.link = Link::Up(connection);
        self.attempts.end_wait();
        let last = self.last.replace(connection);
        // A copy of a request that was received on the last connection isn't run again (RFC 7252 §4.5).
        // In a new DTLS session there are none.
        if let Some(last) = last
            && last.access == connection.access
            && (session == Session::Resumed || last.access.is_open)
        {
            step.endpoint.rename_peer(&last.id, id);
        }
        match session {
            Session::New => self.lease = None,
            Session::Resumed => self.ask_update(),
        }
        self.advance(step);
    }

    /// The address that the server sees has changed.
    pub(super) fn address_changed(&mut self, step: &mut Step<'_>, id: ConnectionId) {
        match self.link {
            Link::Up(connection) if connection.id == id => {
                if connection.access.is_open {
                    self.abandon(step);
                    self.lease = None;
                } else {
                    self.ask_update();
                }
                self.attempts.end_wait();
                self.advance(step);
            }
            _ => {}
        }
    }

    /// A connection is lost, or could not be made.
    pub(super) fn disconnected(&mut self, step: &mut Step<'_>, id: ConnectionId) {
        if self.inbound == Some(id) {
            self.inbound = None;
            return;
        }
        if self.connection() != Some(id) {
            return;
        }
        self.link = Link::None;
        let reason = RegistrationFailure::Disconnected;
        match self.exchange.take().map(|exchange| exchange.kind) {
            Some(Kind::Deregister(_)) => step.outcomes.push(Outcome::DeregisterFailed(reason)),
            // The registration goes on, and the application knows of the connection.
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
        let exchange = self.exchange.take();
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
        self.abandon(step);
        self.lease = None;
        self.ended = None;
        self.close_inbound(step);
        self.advance(step);
    }

    /// The other side has begun a connection, which replaces an earlier one.
    pub(super) fn take_inbound(&mut self, step: &mut Step<'_>, connection: ConnectionId) {
        self.close_inbound(step);
        self.inbound = Some(connection);
    }

    /// An Update is asked for, even if nothing has changed.
    pub(super) fn update(&mut self, step: &mut Step<'_>) {
        if let Some(lease) = &mut self.lease {
            lease.update_asked = true;
            self.attempts.end_wait();
        }
        self.advance(step);
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
        let sent = exchange.sent;
        match exchange.kind {
            Kind::Register(known) => self.registered(step, known, sent, response),
            Kind::Update(known) => self.updated(step, known, sent, response),
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
        match self.exchange.take().map(|exchange| exchange.kind) {
            None => return,
            Some(Kind::Deregister(_)) => step.outcomes.push(Outcome::DeregisterFailed(reason)),
            // Whatever became of an Update, the registration stands for its lifetime.
            Some(Kind::Register(_) | Kind::Update(_)) => self.fail(step, reason, Duration::ZERO),
        }
        self.advance(step);
    }

    /// Takes the next step.
    pub(super) fn advance(&mut self, step: &mut Step<'_>) {
        self.end_lifetime(step);
        if self.is_leaving || !self.is_wanted(step.is_started) {
            self.leave(step);
        }
        if self.may_go_on(step) {
            self.go_on(step);
        }
    }

    /// Whether the registration is wanted now, and can be had.
    const fn may_go_on(&self, step: &Step<'_>) -> bool {
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
        if self.lease.take().is_none() {
            self.ended = None;
            if let Some(exchange) = self.exchange.take() {
                step.endpoint.cancel(step.now, exchange.request);
            }
            step.outcomes.push(Outcome::DeregisterFailed(reason));
            return;
        }
        self.abandon(step);
        if matches!(self.link, Link::Up(_)) {
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
        if let Some(lease) = self.lease.take().or(self.ended.take()) {
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
        if self.account.role != AccountRole::BootstrapServer {
            self.close_inbound(step);
        }
    }

    /// Ends the registration at its server; returns what has become of it, if that is clear already.
    ///
    /// A server that knows the device by its name has one registration for all its accounts there, whose
    /// location is the same. So a Register that is under way is waited for, and if it has taken the place of
    /// this registration (TS 5.3.1), a De-register would end the new one.
    fn end(&mut self, step: &mut Step<'_>, lease: Lease) -> Option<Outcome> {
        let reason = RegistrationFailure::Disconnected;
        let connection = match self.link {
            Link::Up(connection) if !self.is_offline => connection,
            _ => return Some(Outcome::DeregisterFailed(reason)),
        };
        if step.is_registering_at(&connection.access) {
            self.ended = Some(lease);
            return None;
        }
        if step.is_held_at(&connection.access, &lease.location) {
            return Some(Outcome::Deregistered);
        }
        let message = lease.location.request(Method::Delete);
        let message = message.map_err(|_| RegistrationFailure::NoLocation);
        match message.and_then(|message| step.request(connection.id, message)) {
            Ok(request) => {
                self.begin(step, request, Kind::Deregister(lease.expires));
                None
            }
            Err(reason) => Some(Outcome::DeregisterFailed(reason)),
        }
    }

    /// Connects, registers, or updates the registration.
    fn go_on(&mut self, step: &mut Step<'_>) {
        if self.exchange.is_some() || self.attempts.waits(step.now) || self.is_held(step) {
            return;
        }
        match self.link {
            Link::None => step.outcomes.push(Outcome::Connect),
            Link::Asked(_) => {}
            Link::Up(connection) if self.lease.is_none() => self.register(step, connection.id),
            Link::Up(connection) => self.update_if_due(step, connection.id),
        }
    }

    /// Whether a Register has to wait for the end of another registration at its server, which the server
    /// might take for the end of the new one.
    fn is_held(&self, step: &Step<'_>) -> bool {
        let own = self.account.access.filter(|_| self.lease.is_none());
        own.is_some_and(|own| step.is_ending_at(&own))
    }

    /// Sends the Register (TS 8.2.4).
    fn register(&mut self, step: &mut Step<'_>, connection: ConnectionId) {
        let parameters = self.parameters(step).ok_or(RegistrationFailure::Unusable);
        let sent = parameters.and_then(|parameters| {
            let message = parameters.register(step.identity);
            let message = message.map_err(|_| RegistrationFailure::Unusable)?;
            Ok((step.request(connection, message)?, parameters))
        });
        match sent {
            Ok((request, parameters)) => self.begin(step, request, Kind::Register(parameters)),
            Err(reason) => self.fail(step, reason, Duration::ZERO),
        }
    }

    /// Sends an Update if the lifetime asks for one, or someone did, or if something that the server
    /// knows has changed (TS 5.3.2).
    fn update_if_due(&mut self, step: &mut Step<'_>, connection: ConnectionId) {
        let Some(lease) = &mut self.lease else {
            return;
        };
        let is_due = lease.update_asked || lease.update_at() <= step.now;
        let is_stale = core::mem::take(&mut lease.is_stale);
        if !is_due && !is_stale {
            return;
        }
        let parameters = self.parameters(step);
        let Some(lease) = &mut self.lease else {
            return;
        };
        let has_changed = parameters.as_ref().is_some_and(|now| *now != lease.known);
        if !is_due && !has_changed {
            return;
        }
        let parameters = parameters.unwrap_or_else(|| lease.known.clone());
        let message = parameters.update(lease.to_tell(&parameters), &lease.location);
        let message = message.map_err(|_| RegistrationFailure::Unusable);
        match message.and_then(|message| step.request(connection, message)) {
            Ok(request) => {
                lease.update_asked = false;
                lease.tells(&parameters, step.now);
                self.begin(step, request, Kind::Update(parameters));
            }
            Err(reason) => self.fail(step, reason, Duration::ZERO),
        }
    }

    fn registered(
        &mut self,
        step: &mut Step<'_>,
        known: Parameters,
        sent: Instant,
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
                let wait = step.max_transmit_wait;
                self.lease = Some(Lease::new(location, known, sent, wait));
                step.outcomes.push(Outcome::Registered { location: path });
            }
            Err(reason) => self.fail(step, reason, retry_after(response)),
        }
    }

    fn updated(
        &mut self,
        step: &mut Step<'_>,
        known: Parameters,
        sent: Instant,
        response: &MessageRef<'_>,
    ) {
        let reason = RegistrationFailure::Refused(response.code());
        match (response.code(), &mut self.lease) {
            (Code::CHANGED, Some(lease)) => {
                self.attempts = Attempts::default();
                let has_sms = known.has_sms();
                lease.prolong(known, sent, step.max_transmit_wait);
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

    /// Waits before the next attempt, and tells why.
    fn fail(&mut self, step: &mut Step<'_>, reason: RegistrationFailure, at_least: Duration) {
        let goes_on = self.may_go_on(step);
        let retry = goes_on.then(|| self.wait(step, reason, at_least));
        step.outcomes.push(Outcome::Failed { reason, retry });
    }

    /// Waits before the next attempt, longer with each failure in a row. An Update is sent again then,
    /// even if nothing has changed.
    fn wait(
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

    fn begin(&mut self, step: &Step<'_>, request: RequestId, kind: Kind) {
        self.exchange = Some(Exchange {
            request,
            sent: step.now,
            kind,
        });
    }

    /// Gives up a Register or an Update that is under way.
    fn abandon(&mut self, step: &mut Step<'_>) {
        let gives_up = |exchange: &mut Exchange| !matches!(exchange.kind, Kind::Deregister(_));
        if let Some(exchange) = self.exchange.take_if(gives_up) {
            step.endpoint.cancel(step.now, exchange.request);
        }
    }

    /// What the server should know.
    fn parameters(&self, step: &mut Step<'_>) -> Option<Parameters> {
        let instance = self.account.server_instance?;
        Parameters::of(step.tree, instance, step.identity, step.list)
    }

    /// The link is back, or will be: the server hears an Update before notifications (TS 8.3).
    fn ask_update(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.update_asked = true;
        }
    }

    fn unconfirm(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.is_confirmed = false;
            lease.update_asked = true;
        }
    }

    fn close(&mut self, step: &mut Step<'_>) {
        if let Some(connection) = self.connection() {
            self.link = Link::None;
            step.outcomes.push(Outcome::Disconnect(connection));
        }
    }

    fn close_inbound(&mut self, step: &mut Step<'_>) {
        let connection = self.inbound.take();
        step.outcomes.extend(connection.map(Outcome::Disconnect));
    }
}

/// For how long a server wants no further request (RFC 7252 §5.9.3.4).
fn retry_after(response: &MessageRef<'_>) -> Duration {
    if response.code() == Code::SERVICE_UNAVAILABLE {
        Duration::from_secs(response.max_age().into())
    } else {
        Duration::ZERO
    }
}
