//! The Client Registration interface, for one account (TS 5.3).
//!
//! Three things change each on its own: the *link* (the connection: none, asked for, or up), the
//! *lease* (the registration that the server has granted, for a lifetime) and the *exchange* that is
//! under way (Register, Update or De-register). After each event `Registration::advance` looks at
//! all three and takes the next step:
//!
//! ```text
//!               no link            link is up,         link is up,
//!                                  no lease            a lease
//! wanted        ask for one        Register            Update, if one is due
//! not wanted    nothing            close the link      De-register, then close the link
//! ```
//!
//! A lost link leaves the lease as it is; the end of the lifetime leaves the link as it is. At a server with several
//! accounts, a Register waits for the De-register of another one, and a De-register for the Register.

use lwm2m_core::Instant;

use super::{
    super::{
        accounts::{Access, Account},
        event::{AccountRole, ConnectionId, RegistrationState},
        retry::Attempts,
    },
    lease::Lease,
    parameters::Parameters,
};
use crate::coap::RequestId;

/// The registration of one account.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) account: Account,
    pub(super) link: Link,
    /// A connection that the other side has begun.
    pub(super) inbound: Option<ConnectionId>,
    /// The last connection that was up.
    pub(super) last: Option<Connection>,
    pub(super) lease: Option<Lease>,
    /// What is to be ended, and waits: for the Register of another account at this server, or for an answer.
    pub(super) ended: Option<Lease>,
    pub(super) exchange: Option<Exchange>,
    pub(super) attempts: Attempts,
    /// The registration ends, and with it the connection, before anything else.
    pub(super) is_leaving: bool,
    /// The account is no longer in the tree.
    pub(super) is_gone: bool,
    /// The application has no network: nothing is sent.
    pub(super) is_offline: bool,
    /// The deadline that the timer queue has.
    pub(super) armed: Option<Instant>,
}

/// The connection to the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    None,
    /// The application is asked for it.
    Asked(Connection),
    Up(Connection),
}

/// A connection, and what it is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) access: Access,
}

/// A request that is under way, and when it was sent.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) request: RequestId,
    pub(super) sent: Instant,
    pub(super) kind: Kind,
}

/// With what the server knows once it has accepted it.
#[derive(Debug)]
pub(super) enum Kind {
    Register(Parameters),
    Update(Parameters),
    /// Until the lifetime is over: then the server has forgotten the registration by itself.
    Deregister(Instant),
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
            AccountRole::BootstrapServer | AccountRole::Unknown => false,
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
    pub(super) fn ends_at(&self) -> Option<Instant> {
        match (self.lease.as_ref().or(self.ended.as_ref()), &self.exchange) {
            (Some(lease), _) => Some(lease.expires),
            (None, Some(exchange)) => match exchange.kind {
                Kind::Deregister(end) => Some(end),
                Kind::Register(_) | Kind::Update(_) => None,
            },
            (None, None) => None,
        }
    }

    /// Whether its end waits for something.
    pub(super) const fn waits_to_leave(&self) -> bool {
        self.ended.is_some()
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
    pub(super) fn ending(&self, is_started: bool) -> Option<Access> {
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
    pub(super) fn registering(&self) -> Option<Access> {
        let exchange = self.exchange.as_ref()?;
        match (&exchange.kind, self.link) {
            (Kind::Register(_), Link::Up(connection)) => Some(connection.access),
            _ => None,
        }
    }

    /// Whether the account can be used for a registration.
    pub(super) const fn is_usable(&self) -> bool {
        !self.is_gone && self.account.is_usable()
    }

    pub(super) const fn is_wanted(&self, is_started: bool) -> bool {
        is_started && self.is_usable()
    }
}
