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
//! accounts, a Register waits for the De-register of another one, and a De-register for the Register. Where the
//! binding says another channel, the [link moves](super::moving).

use alloc::boxed::Box;

use lwm2m_core::Instant;

use super::{
    super::{
        accounts::{Access, Account},
        event::{AccountRole, ConnectionId, RegistrationState},
        retry::Attempts,
    },
    disabled::Disabled,
    lease::Lease,
    link::Link,
    links::Links,
    parameters::Parameters,
};
use crate::{coap::RequestId, machine::Channel};

/// The registration of one account.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of one another"
)]
pub(super) struct Registration {
    pub(super) account: Account,
    pub(super) links: Links,
    pub(super) lease: Option<Lease>,
    /// What is to be ended, and waits: for the Register of another account at this server, or for an answer.
    pub(super) ended: Option<Box<Lease>>,
    pub(super) exchange: Option<Exchange>,
    pub(super) attempts: Attempts,
    /// The registration ends, and with it the connection, before anything else.
    pub(super) is_leaving: bool,
    /// Its server is disabled, or will be when it has been left.
    pub(super) disabled: Disabled,
    /// The account is no longer in the tree.
    pub(super) is_gone: bool,
    /// It is of a snapshot, and the application has neither started nor ended it. Until then it waits.
    pub(super) is_restored: bool,
    /// The application has no network: nothing is sent.
    pub(super) is_offline: bool,
    /// The deadline that the timer queue has.
    pub(super) armed: Option<Instant>,
}

/// A request that is under way, when it was sent, and over which channel.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) request: RequestId,
    pub(super) sent: Instant,
    pub(super) channel: Channel,
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
            links: Links::NONE,
            lease: None,
            ended: None,
            exchange: None,
            attempts: Attempts::default(),
            is_leaving: false,
            disabled: Disabled::No,
            is_gone: false,
            is_restored: false,
            is_offline,
            armed: None,
        }
    }

    /// Whether the registration stands, with or without a connection.
    pub(super) const fn is_registered(&self) -> bool {
        self.lease.is_some()
    }

    /// The connection for requests of the server and notifications to it: not without a registration
    /// (TS 5.4), not after its lifetime, and not offline.
    pub(super) fn serving(&self, now: Instant) -> Option<ConnectionId> {
        let lease = self.lease.as_ref()?;
        let up = self.links.own.up()?;
        (!self.is_offline && now < lease.expires).then_some(up.id)
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
        let is_inbound = self.links.inbound() == Some(connection) && !self.is_offline;
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
        match (
            self.lease.as_ref().or(self.ended.as_deref()),
            &self.exchange,
        ) {
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
    pub(super) fn is_over(&self) -> bool {
        let has_lease = self.lease.is_some() || self.ended.is_some();
        self.is_gone && self.exchange.is_none() && !has_lease && self.links.is_empty()
    }

    pub(super) fn state(&self, is_started: bool) -> RegistrationState {
        let exchange = self.exchange.as_ref();
        match exchange.map(|exchange| &exchange.kind) {
            Some(Kind::Deregister(_)) => RegistrationState::Deregistering,
            _ if self.ended.is_some() => RegistrationState::Deregistering,
            _ if self.lease.is_some() => RegistrationState::Registered,
            _ if !self.is_usable() => RegistrationState::Resting,
            _ => match self.disabled {
                Disabled::Leaving(_) => RegistrationState::Deregistering,
                _ if !is_started => RegistrationState::Stopped,
                Disabled::Until(_) => RegistrationState::Disabled,
                Disabled::No => RegistrationState::Registering,
            },
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
        let rests = self.is_leaving || self.is_offline || !self.is_wanted(is_started);
        let next = match self.links.own {
            _ if rests || self.exchange.is_some() => None,
            Link::Asked(_) => None,
            Link::None => {
                let asleep = lease.filter(|lease| lease.is_asleep());
                self.attempts.next().or(asleep.map(Lease::update_at))
            }
            Link::Up(_) | Link::Moving { .. } | Link::Joining { .. } => {
                self.attempts.next().or(lease.map(Lease::update_at))
            }
        };
        let moves = match self.links.own {
            Link::Up(_) if !rests => lease.and_then(|lease| lease.moves.next()),
            _ => None,
        };
        let enabled = self.disabled.until().filter(|_| is_started);
        [end, next, moves, enabled].into_iter().flatten().min()
    }

    /// What the connection is made with on which a registration is being ended: a De-register is under way, or
    /// will be when a Register is answered.
    pub(super) fn ending(&self, is_started: bool) -> Option<Access> {
        let connection = self.links.own.up()?;
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
        match exchange.kind {
            Kind::Register(_) => Some(self.links.own.all_up().next()?.access),
            Kind::Update(_) | Kind::Deregister(_) => None,
        }
    }

    /// Whether the account can be used for a registration.
    pub(super) const fn is_usable(&self) -> bool {
        !self.is_gone && self.account.is_usable()
    }

    pub(super) const fn is_wanted(&self, is_started: bool) -> bool {
        is_started && self.is_usable() && !self.disabled.is_on()
    }
}
