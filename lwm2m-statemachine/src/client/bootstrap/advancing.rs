//! The steps of a bootstrap: it begins, succeeds or fails, and the sequence goes on.

use alloc::boxed::Box;
use core::time::Duration;

use lwm2m_core::{Instant, Transport};
use lwm2m_objects::{ObjectTree, Typed as _, typed::Security};

use super::{
    super::{
        accounts,
        event::{
            AccountId, AccountRole, AccountStatus, BootstrapFailure, BootstrapInitiator,
            ClientEvent, FailureKind, RegistrationState,
        },
        timers::Timer,
    },
    context::{Context, Report},
    parts::Bootstrap,
    sequence::{Facts, Phase},
    session::Session,
};

impl Bootstrap {
    /// Takes the next step.
    pub(in crate::client) fn advance(&mut self, context: &mut Context<'_>) {
        if self.decide(context) {
            self.begin(context);
        }
        self.rearm(context);
    }

    /// Whether a Client Initiated Bootstrap begins now.
    fn decide(&mut self, context: &Context<'_>) -> bool {
        let facts = self.facts(context);
        self.sequence.advance(context.now, facts)
    }

    fn facts(&self, context: &Context<'_>) -> Facts {
        let hold_off = || {
            let (_, security) = bootstrap_server(context)?;
            let seconds = security.client_hold_off_time.unwrap_or(0);
            Some(Duration::from_secs(seconds.into()))
        };
        let has_begun = self.begun().is_some();
        Facts {
            none_is_left: self.failures.are_of_all(context.accounts),
            hold_off: if has_begun { None } else { hold_off() },
            has_begun,
            is_offline: self.is_offline,
        }
    }

    /// Asks the application for a connection to the Bootstrap-Server. Returns whether there is one.
    pub(super) fn begin(&mut self, context: &mut Context<'_>) -> bool {
        let Some((account, security)) = bootstrap_server(context) else {
            return false;
        };
        let Some(access) = accounts::access(&*context.tree, account, self.terms.digest_key) else {
            return false;
        };
        self.close();
        let connection = (context.new_connection)();
        self.session = Some(Box::new(Session::connecting(account, access, connection)));
        self.tell(ClientEvent::Connect {
            connection,
            account,
            transport: Transport::Udp,
            uri: security.server_uri.clone(),
            security,
        });
        true
    }

    /// The commands begin.
    pub(super) fn opened(&mut self, context: &mut Context<'_>) {
        let Some(session) = &self.session else {
            return;
        };
        let (account, by) = (session.account, session.by);
        context.tree.hold();
        self.reports.push_back(Report::Opened);
        self.tell(ClientEvent::BootstrapStarted { account, by });
    }

    /// The Finish is answered with 2.04: all that was written counts from now on.
    pub(in crate::client) fn finished(&mut self, context: &mut Context<'_>) {
        let until = context.now + self.terms.settings.linger;
        let Some(session) = self
            .session
            .as_deref_mut()
            .filter(|session| session.is_open())
        else {
            return;
        };
        session.finished(until);
        let account = session.account;
        context.tree.keep();
        let written = self.commands.written();
        self.reports.push_back(Report::Written(written));
        let changed = self.commands.take();
        let state = |account: &AccountStatus| account.state;
        let mut states = context.accounts.iter().map(state);
        let is_registered = states.any(|state| state == RegistrationState::Registered);
        let retry = &mut self.terms.retry;
        self.sequence.finished(context.now, retry, is_registered);
        self.failures.forget();
        self.begin_timeout(context.now, context.tree);
        self.tell(ClientEvent::BootstrapFinished {
            account,
            changed: changed.clone(),
        });
        self.reports.push_back(Report::Kept(changed));
        if self.sequence.phase() != Phase::Stopped {
            self.reports.push_back(Report::Register);
        }
    }

    /// The account of the Bootstrap-Server is kept for some time, if it says so (TS E.1, Resource 12).
    fn begin_timeout(&mut self, now: Instant, tree: &ObjectTree) {
        let accounts = accounts::of(tree, self.terms.digest_key);
        let mut accounts = accounts
            .iter()
            .filter(|account| account.role == AccountRole::BootstrapServer);
        match accounts.next() {
            Some(account) => {
                let security = Security::load(tree, account.id.instance());
                let timeout = security.and_then(|security| security.bootstrap_account_timeout);
                self.timeout.begin(now, account.id, timeout);
            }
            None => self.timeout.end(),
        }
    }

    /// A bootstrap has failed: nothing of it is left, and the sequence goes on where it was.
    pub(super) fn fail(
        &mut self,
        context: &mut Context<'_>,
        reason: BootstrapFailure,
        at_least: Duration,
    ) {
        let Some((account, by)) = self.end(context, reason) else {
            return;
        };
        if by == BootstrapInitiator::Client && self.sequence.phase() == Phase::Requesting {
            let is_refused = reason.kind() == FailureKind::Refused;
            let retry = &mut self.terms.retry;
            self.sequence
                .failed(context.now, retry, is_refused, at_least);
        }
        let begins = self.decide(context);
        let retry = if begins {
            Some(context.now)
        } else {
            self.sequence.next()
        };
        self.tell(ClientEvent::BootstrapFailed {
            account,
            reason,
            retry,
        });
        if begins {
            self.begin(context);
        }
    }

    /// Another bootstrap takes the place of the one that has begun.
    pub(super) fn replace(&mut self, context: &mut Context<'_>) {
        let reason = BootstrapFailure::Replaced;
        if let Some((account, _)) = self.end(context, reason) {
            self.tell(ClientEvent::BootstrapFailed {
                account,
                reason,
                retry: None,
            });
        }
    }

    /// Ends the bootstrap that has begun, and rolls it back. Returns whose it was.
    fn end(
        &mut self,
        context: &mut Context<'_>,
        reason: BootstrapFailure,
    ) -> Option<(AccountId, BootstrapInitiator)> {
        let session = self.session.take_if(|session| !session.is_finished())?;
        if let Some(request) = session.request() {
            context.endpoint.cancel(context.now, request);
        }
        if reason != BootstrapFailure::Disconnected {
            self.reports.push_back(Report::Close(session.connection));
        }
        if session.is_open() {
            context.tree.roll_back();
            self.old_until = Some(context.now + self.terms.settings.limits.exchange_lifetime);
            self.commands.take();
            self.reports.push_back(Report::RolledBack);
        }
        Some((session.account, session.by))
    }

    /// The connection of a bootstrap that is over is no longer needed.
    pub(super) fn close(&mut self) {
        if let Some(session) = self.session.take_if(|session| session.is_finished()) {
            self.reports.push_back(Report::Close(session.connection));
        }
    }

    /// Sets when the next step is due.
    pub(super) fn rearm(&mut self, context: &mut Context<'_>) {
        let session = self.session.as_deref().and_then(Session::deadline);
        let idle = self.begun().is_none();
        let timeout = self.timeout.due().filter(|_| idle);
        let next = self.sequence.next().filter(|_| idle && !self.is_offline);
        let deadline = [session, timeout, next].into_iter().flatten().min();
        let deadline = deadline.map(|deadline| deadline.max(context.now));
        context
            .timers
            .set(Timer::Bootstrap, &mut self.armed, deadline);
    }

    pub(super) fn tell(&mut self, event: ClientEvent) {
        self.reports.push_back(Report::Tell(event));
    }
}

/// The account of the Bootstrap-Server, if it can be used, and if no connection is left of a server that it was before.
/// There is at most one (TS 5.2.2).
pub(super) fn bootstrap_server(context: &Context<'_>) -> Option<(AccountId, Security)> {
    let mut of_bootstrap_servers = context
        .accounts
        .iter()
        .filter(|account| account.role == AccountRole::BootstrapServer)
        .filter(|account| account.connection.is_none());
    of_bootstrap_servers.find_map(|account| {
        Some((
            account.id,
            Security::load(context.tree.settled(), account.id.instance())?,
        ))
    })
}
