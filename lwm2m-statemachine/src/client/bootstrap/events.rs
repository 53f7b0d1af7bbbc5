//! What happens to a bootstrap: what the application says, what arrives, and the passing of time.

use alloc::boxed::Box;
use core::time::Duration;

use lwm2m_core::{Code, ObjectId};
use lwm2m_objects::bootstrap;

use super::{
    super::{
        accounts,
        connection::InboundRefusal,
        event::{
            AccountId, AccountRole, BootstrapFailure, BootstrapRefusal, ClientEvent, ConnectionId,
            RegistrationFailure,
        },
        retry::retry_after,
    },
    advancing::bootstrap_server,
    context::{Context, Report},
    parts::Bootstrap,
    session::{Arrival, Session},
};
use crate::{coap::MessageRef, machine::Channel};

/// What the application says.
impl Bootstrap {
    /// The application wants registrations. The next attempt isn't waited for.
    pub(in crate::client) fn start(&mut self, context: &mut Context<'_>) {
        let was = self.sequence.phase();
        self.sequence.start(self.terms.settings.has_smartcard());
        if self.sequence.is_past_factory() {
            self.reports.push_back(Report::Register);
            self.advance(context);
        } else if was != self.sequence.phase() {
            self.tell(ClientEvent::SmartcardAsked);
        }
    }

    /// The application has read the smartcard. Returns whether it was asked to.
    pub(in crate::client) fn smartcard_tried(&mut self, context: &mut Context<'_>) -> bool {
        let is_expected = self.sequence.smartcard_tried();
        if is_expected {
            self.reports.push_back(Report::Register);
            self.advance(context);
        }
        is_expected
    }

    /// The application wants no registrations any more.
    pub(in crate::client) fn stop(&mut self, context: &mut Context<'_>) {
        self.sequence.stop();
        self.fail(context, BootstrapFailure::Aborted, Duration::ZERO);
        self.rearm(context);
    }

    /// The same, and the connection ends: a Reboot or a Factory Reset is under way.
    pub(in crate::client) fn reset(&mut self, context: &mut Context<'_>) {
        self.stop(context);
        self.close();
        self.failures.forget();
        self.rearm(context);
    }

    /// What was before the Factory Reset is forgotten.
    pub(in crate::client) fn forget(&mut self, context: &mut Context<'_>) {
        self.timeout.end();
        self.rearm(context);
    }

    /// The application asks for a bootstrap, which takes the place of one that has begun.
    pub(in crate::client) fn request(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<(), BootstrapRefusal> {
        if !self.sequence.is_past_factory() || self.is_offline {
            return Err(BootstrapRefusal::NotNow);
        }
        if bootstrap_server(context).is_none() {
            return Err(BootstrapRefusal::NoAccount);
        }
        self.replace(context);
        self.sequence.requested();
        let has_begun = self.begin(context);
        self.rearm(context);
        if has_begun {
            Ok(())
        } else {
            // It was taken away again.
            Err(BootstrapRefusal::NoAccount)
        }
    }

    /// The application ends the bootstrap that has begun. Returns whether there is one.
    pub(in crate::client) fn abort(&mut self, context: &mut Context<'_>) -> bool {
        let has_begun = self.begun().is_some();
        self.fail(context, BootstrapFailure::Aborted, Duration::ZERO);
        self.rearm(context);
        has_begun
    }

    pub(in crate::client) fn go_offline(&mut self, context: &mut Context<'_>) {
        self.is_offline = true;
        self.fail(context, BootstrapFailure::Aborted, Duration::ZERO);
        self.rearm(context);
    }

    pub(in crate::client) fn go_online(&mut self, context: &mut Context<'_>) {
        self.is_offline = false;
        self.advance(context);
    }

    /// The account timeout goes on after a restart. Returns whether there is an account.
    pub(in crate::client) fn resume_timeout(
        &mut self,
        context: &mut Context<'_>,
        remaining: Duration,
    ) -> bool {
        let mut accounts = context.accounts.iter();
        let of = accounts.find(|account| account.role == AccountRole::BootstrapServer);
        if let Some(account) = of {
            self.timeout.resume(context.now, account.id, remaining);
        }
        self.rearm(context);
        of.is_some()
    }

    /// Accounts may have come, gone or changed.
    pub(in crate::client) fn reconcile(&mut self, context: &mut Context<'_>) {
        if context.tree.is_holding() {
            return;
        }
        let key = self.terms.digest_key;
        let access = |account| accounts::access(&*context.tree, account, key);
        self.failures.retain(access);
        let begun = self.begun();
        if begun.is_some_and(|begun| access(begun.account) != Some(begun.access)) {
            self.fail(context, BootstrapFailure::AccountChanged, Duration::ZERO);
        }
        if let Some(account) = self.timeout.account() {
            let mut accounts = context.accounts.iter();
            let is_of_bootstrap_server = accounts
                .any(|status| status.id == account && status.role == AccountRole::BootstrapServer);
            if !is_of_bootstrap_server {
                self.timeout.end();
            }
        }
        self.advance(context);
    }

    /// A server has accepted a Register.
    pub(in crate::client) fn registered(&mut self, context: &mut Context<'_>, account: AccountId) {
        self.failures.registered(account);
        self.sequence.registered();
        self.advance(context);
    }

    /// An attempt to register has failed.
    pub(in crate::client) fn not_registered(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        reason: RegistrationFailure,
    ) {
        let key = self.terms.digest_key;
        // What a bootstrap has written so far was not tried.
        let access = accounts::access(context.tree.settled(), account, key);
        self.failures.failed(account, access, reason);
        self.advance(context);
    }
}

/// What becomes of connections.
impl Bootstrap {
    /// The connection is up. Returns whether it is ours.
    pub(in crate::client) fn connected(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
    ) -> bool {
        if !self.has(connection) {
            return false;
        }
        let name = &self.terms.endpoint;
        if let Some(session) = &mut self.session
            && let Err(reason) = session.connected(context.now, context.endpoint, name)
        {
            self.fail(context, reason, Duration::ZERO);
        }
        self.rearm(context);
        true
    }

    /// The connection is lost, or could not be made. Returns whether it is ours.
    pub(in crate::client) fn disconnected(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
    ) -> bool {
        if !self.has(connection) {
            return false;
        }
        self.fail(context, BootstrapFailure::Disconnected, Duration::ZERO);
        // One that is over ends with its connection, too.
        self.session
            .take_if(|session| session.connection == connection);
        self.rearm(context);
        true
    }

    /// The Bootstrap-Server of an account has begun a connection (TS 5.2.3.4). A bootstrap that has begun ends; but without
    /// security, where nobody has proved who it is, none whose commands come.
    pub(in crate::client) fn inbound(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
    ) -> Result<ConnectionId, InboundRefusal> {
        let mut accounts = context.accounts.iter();
        let status = accounts.find(|status| status.id == account);
        let role = status.ok_or(InboundRefusal::Unknown)?.role;
        if role != AccountRole::BootstrapServer {
            return Err(InboundRefusal::NotBootstrapServer);
        }
        let access = accounts::access(&*context.tree, account, self.terms.digest_key);
        let is_served = self.sequence.is_past_factory() && !self.is_offline;
        let is_open = self.begun().is_some_and(Session::is_open);
        let access = access.filter(|access| {
            let is_unproven = is_open && access.is_open_over(Channel::Udp);
            is_served && !is_unproven && !self.may_be_old(context.now, access)
        });
        let access = access.ok_or(InboundRefusal::NotServed)?;
        self.replace(context);
        self.close();
        self.sequence.begun_by_server();
        let connection = (context.new_connection)();
        let until = context.now + self.terms.settings.limits.exchange_lifetime;
        self.session = Some(Box::new(Session::waiting(
            account, access, connection, until,
        )));
        self.rearm(context);
        Ok(connection)
    }
}

/// What arrives, and the passing of time.
impl Bootstrap {
    /// A request has come. On our connection it is a command.
    pub(in crate::client) fn arrived(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
    ) {
        let limits = self.terms.settings.limits;
        let own = self.session.as_deref_mut();
        let Some(session) = own.filter(|session| session.connection == connection) else {
            return;
        };
        match session.arrived(context.now, limits) {
            Arrival::First => self.opened(context),
            Arrival::Next | Arrival::Strange => {}
        }
        self.rearm(context);
    }

    /// The answer to a Bootstrap-Request that is [ours](Self::owns).
    pub(in crate::client) fn answered(
        &mut self,
        context: &mut Context<'_>,
        response: &MessageRef<'_>,
    ) {
        let limits = self.terms.settings.limits;
        let Some(session) = &mut self.session else {
            return;
        };
        match response.code() {
            Code::CHANGED => {
                if session.accepted(context.now, limits) {
                    self.opened(context);
                }
            }
            code => {
                let reason = BootstrapFailure::Refused(code);
                self.fail(context, reason, retry_after(response));
            }
        }
        self.rearm(context);
    }

    /// A Bootstrap-Request that is [ours](Self::owns) got no answer.
    pub(in crate::client) fn unanswered(
        &mut self,
        context: &mut Context<'_>,
        reason: BootstrapFailure,
    ) {
        let session = self.session.as_deref_mut();
        if session.is_some_and(Session::unanswered) {
            self.fail(context, reason, Duration::ZERO);
        }
        self.rearm(context);
    }

    /// Something is due.
    pub(in crate::client) fn due(&mut self, context: &mut Context<'_>) {
        self.armed = None;
        let deadline = self.session.as_deref().and_then(Session::deadline);
        if deadline.is_some_and(|deadline| deadline <= context.now) {
            self.fail(context, BootstrapFailure::NotFinished, Duration::ZERO);
            self.close();
        }
        let is_due = self.timeout.due().is_some_and(|due| due <= context.now);
        if is_due && self.begun().is_none() {
            self.purge(context);
        }
        self.advance(context);
    }

    /// The account of the Bootstrap-Server is purged (TS 5.2.3.3, E.1, Resource 12).
    fn purge(&mut self, context: &mut Context<'_>) {
        let account = self.timeout.account();
        self.timeout.end();
        let purged = context.tree.change(bootstrap::purge(context.tree));
        if let (Some(account), Ok(_)) = (account, purged) {
            let changed = [ObjectId::SECURITY.into()];
            self.reports.push_back(Report::Changed(changed.into()));
            self.tell(ClientEvent::BootstrapAccountPurged { account });
        }
    }
}
