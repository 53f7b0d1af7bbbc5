//! The parts of the Bootstrap interface, and what others want to know of them.

use alloc::{boxed::Box, collections::VecDeque};
use core::time::Duration;

use lwm2m_core::{EndpointName, Instant};

use super::{
    super::{
        accounts::{Access, DigestKey},
        config::{BootstrapConfig, ClientConfig, Identity},
        event::{AccountId, BootstrapState, ConnectionId},
        retry::Retry,
    },
    commands::Commands,
    context::Report,
    failures::Failures,
    meanwhile::Meanwhile,
    sequence::{Phase, Sequence},
    session::{Limits, Session},
    timeout::AccountTimeout,
};
use crate::{
    coap::RequestId,
    machine::{Channel, Random},
};

/// The Bootstrap Sequence, and the bootstrap that is under way.
#[derive(Debug)]
pub(in crate::client) struct Bootstrap {
    pub(super) sequence: Sequence,
    pub(super) failures: Failures,
    pub(super) session: Option<Box<Session>>,
    pub(in crate::client) commands: Commands,
    pub(super) timeout: AccountTimeout,
    pub(in crate::client) meanwhile: Meanwhile,
    pub(super) terms: Box<Terms>,
    /// Until when commands may still arrive of a bootstrap that was rolled back.
    pub(super) old_until: Option<Instant>,
    pub(super) is_offline: bool,
    /// The deadline that the timer queue has.
    pub(super) armed: Option<Instant>,
    pub(super) reports: VecDeque<Report>,
}

/// What is the same for all bootstraps.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) settings: Settings,
    pub(super) endpoint: EndpointName<'static>,
    pub(super) retry: Retry,
    pub(super) digest_key: DigestKey,
}

/// What the configuration says of bootstraps.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Settings {
    config: BootstrapConfig,
    /// How long a bootstrap may take.
    pub(super) limits: Limits,
    /// How long the Bootstrap-Server may repeat its Finish (RFC 7252 §4.8.2).
    pub(super) linger: Duration,
}

impl Settings {
    pub(in crate::client) fn of(config: &ClientConfig) -> Self {
        let transmission = &config.coap.transmission;
        Self {
            config: config.bootstrap,
            limits: Limits {
                exchange_lifetime: transmission.exchange_lifetime(),
                longest: config.bootstrap.longest,
            },
            linger: transmission.max_transmit_wait(),
        }
    }

    pub(super) const fn has_smartcard(&self) -> bool {
        self.config.smartcard
    }
}

impl Bootstrap {
    pub(in crate::client) fn new(
        settings: Settings,
        identity: &Identity,
        digest_key: DigestKey,
        random: Random,
    ) -> Self {
        Self {
            sequence: Sequence::new(),
            failures: Failures::new(settings.config.attempts),
            session: None,
            commands: Commands::new(settings.config.most_instances),
            timeout: AccountTimeout::default(),
            meanwhile: Meanwhile::default(),
            terms: Box::new(Terms {
                settings,
                endpoint: identity.endpoint.clone(),
                retry: Retry {
                    backoff: settings.config.retry,
                    random,
                },
                digest_key,
            }),
            old_until: None,
            is_offline: false,
            armed: None,
            reports: VecDeque::new(),
        }
    }

    /// The next report. There may be new ones after every call that takes a context.
    pub(in crate::client) fn poll(&mut self) -> Option<Report> {
        let report = self.reports.pop_front();
        if report.is_none() {
            // They are rare, and large.
            self.reports = VecDeque::new();
        }
        report
    }

    /// The account of the Bootstrap-Server on a connection, if its commands are taken there.
    ///
    /// They may come before the answer to the Bootstrap-Request. But without security they may be those of a bootstrap
    /// that was rolled back a short time ago: the rest of it isn't the whole of another one. Then the answer shows that
    /// the Bootstrap-Server has begun anew.
    pub(in crate::client) fn caller(
        &self,
        now: Instant,
        connection: ConnectionId,
    ) -> Option<AccountId> {
        let session = self.on(connection)?;
        let may_be_old = self.may_be_old(now, &session.access);
        let is_served = session.takes_commands(may_be_old) && !self.is_offline;
        is_served.then_some(session.account)
    }

    /// Whether commands that come without security may be the rest of a bootstrap that was rolled back.
    pub(super) fn may_be_old(&self, now: Instant, access: &Access) -> bool {
        access.is_open_over(Channel::Udp) && self.old_until.is_some_and(|until| now < until)
    }

    /// Whether requests on a connection may be repetitions of a Finish that was answered.
    pub(in crate::client) fn may_repeat(&self, connection: ConnectionId) -> bool {
        self.on(connection).is_some_and(Session::is_finished)
    }

    /// Whether a connection is up.
    pub(in crate::client) fn is_up(&self, connection: ConnectionId) -> bool {
        self.on(connection).is_some_and(Session::is_up)
    }

    /// Whether a connection is asked for or up.
    pub(in crate::client) fn has(&self, connection: ConnectionId) -> bool {
        self.on(connection).is_some()
    }

    /// The connection of an account.
    pub(in crate::client) fn connection(&self, account: AccountId) -> Option<ConnectionId> {
        let session = self.session.as_deref();
        let own = session.filter(|session| session.account == account);
        own.map(|session| session.connection)
    }

    /// Whether this request is one of ours.
    pub(in crate::client) fn owns(&self, request: RequestId) -> bool {
        let session = self.session.as_deref();
        session.and_then(Session::request) == Some(request)
    }

    /// Whether a bootstrap is under way or about to begin, or the smartcard is waited for.
    pub(in crate::client) fn is_busy(&self) -> bool {
        self.begun().is_some() || matches!(self.sequence.phase(), Phase::Smartcard)
    }

    /// Where the Client is in the Bootstrap Sequence.
    pub(in crate::client) fn state(&self, now: Instant) -> BootstrapState {
        if let Some(session) = self.begun() {
            let (account, by) = (session.account, session.by);
            return if session.is_open() {
                BootstrapState::UnderWay { account, by }
            } else {
                BootstrapState::Beginning { account, by }
            };
        }
        match self.sequence.phase() {
            Phase::Stopped => BootstrapState::Stopped,
            Phase::Smartcard => BootstrapState::Smartcard,
            Phase::Registering => BootstrapState::Registering,
            Phase::HoldingOff { until } => BootstrapState::HoldingOff { until },
            Phase::Requesting => BootstrapState::Waiting {
                until: self.sequence.next().unwrap_or(now),
            },
        }
    }

    /// How long the account of the Bootstrap-Server is kept, if not for ever.
    pub(in crate::client) fn account_timeout(&self, now: Instant) -> Option<Duration> {
        self.timeout.remaining(now)
    }

    /// The bootstrap that has begun, and isn't over.
    pub(super) fn begun(&self) -> Option<&Session> {
        let session = self.session.as_deref();
        session.filter(|session| !session.is_finished())
    }

    fn on(&self, connection: ConnectionId) -> Option<&Session> {
        let session = self.session.as_deref();
        session.filter(|session| session.connection == connection)
    }
}
