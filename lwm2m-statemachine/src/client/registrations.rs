//! The registrations of a Client, one for each account, and the connections that they are on
//! (TS 5.3).

mod action;
mod advancing;
mod awake;
mod card;
mod context;
mod disabled;
mod disabling;
mod events;
mod late;
mod lease;
mod link;
mod links;
mod location;
mod moving;
mod news;
mod parameters;
mod queue;
mod record;
mod registration;
mod step;

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use lwm2m_core::{InstanceId, Instant, ObjectId, Path, ShortServerId, Transport};
use lwm2m_objects::{ObjectTree, Typed as _, typed::Security};

pub(super) use self::{
    action::Action,
    context::{Context, QueueTerms, Report, Takes, Terms},
    parameters::ObjectList,
    record::RegistrationRecord,
};
use self::{
    card::CardWatch,
    disabled::Disabled,
    lease::Lease,
    news::HeldNews,
    queue::Queue,
    registration::Registration,
    step::{Others, Outcome, Step},
};
use super::{
    accounts::{self, Caller},
    connection::{InboundRefusal, Session},
    event::{
        AccountId, AccountStatus, ClientEvent, ConnectionId, RegistrationFailure, RegistrationState,
    },
    span::Downtime,
    timers::{Timer, Timers},
};
use crate::{
    coap::{MessageRef, RequestId},
    machine::Channel,
};

/// The registrations of a Client, one for each account, and the names of their connections.
#[derive(Debug)]
pub(super) struct Registrations {
    /// In the order of their accounts.
    all: Vec<Registration>,
    terms: Terms,
    next_connection: u32,
    /// Whether the application wants registrations.
    is_started: bool,
    is_offline: bool,
    /// What is told with the next Update only.
    pub(super) news: HeldNews,
    /// Whether something has come to its end that others may have waited for.
    has_ended: bool,
    card: CardWatch,
    reports: VecDeque<Report>,
}

impl Registrations {
    pub(super) fn new(tree: &ObjectTree, terms: Terms) -> Self {
        let accounts = accounts::of(tree, terms.digest_key);
        let all = accounts.into_iter();
        Self {
            all: all
                .map(|account| Registration::new(account, false))
                .collect(),
            terms,
            next_connection: 0,
            is_started: false,
            is_offline: false,
            news: HeldNews::default(),
            has_ended: false,
            card: CardWatch::default(),
            reports: VecDeque::new(),
        }
    }

    /// The next report. There may be new ones after every call that takes a [`Context`].
    pub(super) fn poll(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Registers with every server.
    pub(super) fn start(&mut self, context: &mut Context<'_>) {
        self.is_started = true;
        self.step_all(context, Registration::start);
    }

    /// De-registers from every server.
    pub(super) fn deregister(&mut self, context: &mut Context<'_>) {
        self.is_started = false;
        self.step_all(context, |registration, step| {
            registration.is_restored = false;
            registration.advance(step);
        });
    }

    /// Ends every connection, and the registrations without a word to the servers.
    pub(super) fn abandon(&mut self, context: &mut Context<'_>) {
        self.is_started = false;
        self.step_all(context, Registration::forget);
    }

    pub(super) fn connected(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        session: Session,
    ) {
        if let Some(account) = self.account_on(connection) {
            self.step(context, account, |registration, step| {
                registration.connected(step, connection, session);
            });
        }
    }

    pub(super) fn address_changed(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        if let Some(account) = self.account_on(connection) {
            self.step(context, account, |registration, step| {
                registration.address_changed(step, connection);
            });
        }
    }

    /// A connection is lost, so it needn't be closed.
    pub(super) fn disconnected(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        if let Some(account) = self.account_on(connection) {
            self.step(context, account, |registration, step| {
                registration.disconnected(step, connection);
            });
        }
    }

    pub(super) fn go_offline(&mut self, context: &mut Context<'_>) {
        self.is_offline = true;
        let connections: Vec<_> = self.connections().collect();
        self.step_all(context, Registration::go_offline);
        self.reports
            .extend(connections.into_iter().map(Report::Rest));
    }

    pub(super) fn go_online(&mut self, context: &mut Context<'_>) {
        if core::mem::take(&mut self.is_offline) {
            self.step_all(context, Registration::go_online);
        }
    }

    /// Short messages have come from a number (TS 8.4).
    pub(super) fn inbound(
        &mut self,
        context: &mut Context<'_>,
        number: &str,
    ) -> Result<ConnectionId, InboundRefusal> {
        let registration = self.of_number(context, number);
        let registration = registration.ok_or(InboundRefusal::Unknown)?;
        if !registration.takes_sms(context.now) {
            return Err(InboundRefusal::NotServed);
        }
        // A copy of a message must find what is remembered of the first one (RFC 7252 §4.5).
        if let Some(connection) = registration.links.sms() {
            return Ok(connection);
        }
        let account = registration.account.id;
        let connection = self.name_connection();
        self.step(context, account, |registration, step| {
            registration.take_inbound(step, connection, Channel::Sms);
        });
        Ok(connection)
    }

    /// The registration with the server of this number. Servers behind one gateway may share it: the
    /// first one that can be served counts.
    fn of_number(&self, context: &Context<'_>, number: &str) -> Option<&Registration> {
        let has_number = |registration: &&Registration| {
            let account = &registration.account;
            account.server().is_some() && has_number(context.tree, account.id.instance(), number)
        };
        let takes_sms = |registration: &&Registration| registration.takes_sms(context.now);
        let mut served = self.all.iter().filter(takes_sms);
        served
            .find(has_number)
            .or_else(|| self.all.iter().find(has_number))
    }

    /// Does what is asked of the registration of an account.
    pub(super) fn follow(&mut self, context: &mut Context<'_>, account: AccountId, action: Action) {
        self.step(context, account, |registration, step| match action {
            Action::Update => registration.update(step),
            Action::UpdateForServer => registration.update_for_server(step),
            Action::Confirm => events::confirm(registration, step),
            Action::Disable => disabling::disable(registration, step),
            Action::DisableFor(period) => disabling::disable_for(registration, step, period),
        });
    }

    /// A bootstrap has changed what is at these paths. A server whose Server Object Instance is among it isn't
    /// disabled any more. What follows from that does so when accounts are [looked at](Self::reconcile).
    pub(super) fn rewritten(&mut self, paths: &[Path]) {
        for registration in &mut self.all {
            let instance = registration.account.server_instance;
            let own = instance.map(|instance| Path::Instance(ObjectId::SERVER, instance));
            let is_own =
                |path: &Path| own.is_some_and(|own| own.contains(path) || path.contains(&own));
            if paths.iter().any(is_own) {
                registration.disabled = Disabled::No;
            }
        }
    }

    /// Sends an Update to every server whose information is out of date.
    pub(super) fn refresh(&mut self, context: &mut Context<'_>) {
        self.step_all(context, Registration::refresh);
    }

    /// Accounts may have come, gone or changed (TS 5.2.5).
    ///
    /// Not while a bootstrap is under way: what it has written so far doesn't count.
    pub(super) fn reconcile(&mut self, context: &mut Context<'_>) {
        if context.tree.is_holding() {
            return;
        }
        let accounts = accounts::of(context.tree, self.terms.digest_key);
        let known: Vec<_> = self.all.iter().map(|known| known.account).collect();
        for before in known {
            let account = accounts.iter().find(|account| account.id == before.id);
            let has_moved = accounts::has_moved(&accounts, &before);
            self.take(context, before.id, |registration, step| {
                registration.assign(step, account.copied(), has_moved);
            });
        }
        for account in accounts {
            if self.find(account.id).is_none() {
                let registration = Registration::new(account, self.is_offline);
                let at = |known: &Registration| known.account.id < account.id;
                let at = self.all.partition_point(at);
                self.all.insert(at, registration);
                self.take(context, account.id, Registration::advance);
            }
        }
        self.settle(context);
    }

    /// Ends the registrations whose lifetime is over (TS 5.3).
    pub(super) fn expire(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let has_expired = |registration: &Registration| registration.has_expired(now);
        self.step_those(context, has_expired, Registration::advance);
    }

    /// No answer is waited for any more by those that leave.
    pub(super) fn answers_ended(&mut self, context: &mut Context<'_>) {
        self.step_those(context, Registration::waits_to_leave, Registration::advance);
    }

    /// Takes every step that is due.
    pub(super) fn due(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let is_due = |registration: &Registration| registration.armed.is_some_and(|at| at <= now);
        self.step_those(context, is_due, Registration::advance);
    }

    /// The timer of a registration has run out.
    pub(super) fn timer(&mut self, context: &mut Context<'_>, account: AccountId) {
        if let Some(registration) = self.find_mut(account) {
            registration.armed = None;
        }
        self.step(context, account, Registration::advance);
    }

    /// The awake time for a server in Queue Mode is over (TS 8.3).
    pub(super) fn fall_asleep(&mut self, context: &mut Context<'_>, account: AccountId) {
        self.step(context, account, |registration, _| {
            if let Some(lease) = &mut registration.lease {
                lease.fall_asleep();
            }
        });
    }

    /// The answer to a request.
    pub(super) fn answered(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        response: &MessageRef<'_>,
    ) {
        if let Some(account) = owner(&self.all, request) {
            self.step(context, account, |registration, step| {
                registration.answered(step, response);
            });
        }
    }

    /// A request got no answer.
    pub(super) fn unanswered(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        reason: RegistrationFailure,
    ) {
        if let Some(account) = owner(&self.all, request) {
            self.step(context, account, |registration, step| {
                registration.unanswered(step, reason);
            });
        }
    }
}

/// A restart.
impl Registrations {
    /// What outlasts it. While a bootstrap is under way, that is what was before.
    pub(super) fn record(&self, tree: &ObjectTree, now: Instant) -> Vec<RegistrationRecord> {
        let all = self.all.iter();
        all.filter_map(|registration| RegistrationRecord::of(registration, tree, now))
            .collect()
    }

    pub(super) fn restore(
        &mut self,
        context: &mut Context<'_>,
        records: &[RegistrationRecord],
        downtime: Downtime,
    ) -> Vec<AccountId> {
        let mut known = Vec::new();
        for record in records {
            self.take(context, record.account(), |registration, step| {
                if record.restore(registration, step, downtime) {
                    known.push(record.account());
                }
            });
        }
        known
    }
}

/// The smartcard.
#[cfg(feature = "smartcard")]
impl Registrations {
    pub(super) const fn card(&self) -> &CardWatch {
        &self.card
    }

    /// The application has looked at the card: what waits for that goes on.
    pub(super) fn card_seen(&mut self, context: &mut Context<'_>) {
        for account in self.card.clear(context.now) {
            self.take(context, account, Registration::advance);
        }
        self.card.end_clearance();
        self.settle(context);
    }

    /// The application couldn't look at the card. It is asked again at the moment that is returned.
    pub(super) fn card_unread(&mut self, timers: &mut Timers, now: Instant) -> Instant {
        self.card.unread(now, &mut self.terms.retry, timers)
    }

    /// The application is asked again.
    pub(super) fn card_due(&mut self) {
        if self.card.asks_again(self.is_started) {
            let asked = ClientEvent::SmartcardAsked;
            self.reports.push_back(Report::Tell(asked));
        }
    }
}

/// What others want to know.
impl Registrations {
    pub(super) const fn card_mut(&mut self) -> &mut CardWatch {
        &mut self.card
    }

    /// Queue Mode (TS 8.3).
    pub(super) fn queue(&self) -> Queue<'_> {
        Queue {
            all: &self.all,
            card: &self.card,
            terms: self.terms.queue,
            is_started: self.is_started,
        }
    }

    pub(super) const fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// Whether a connection to a server is up or asked for.
    pub(super) fn has_links(&self) -> bool {
        let mut all = self.all.iter();
        all.any(|registration| registration.links.connection().is_some())
    }

    /// The account and the caller on a connection, if requests on it are served: not before the Register
    /// is answered (TS 5.4), and not after the lifetime (TS 5.3).
    pub(super) fn caller(
        &self,
        now: Instant,
        connection: ConnectionId,
    ) -> Option<(AccountId, Caller)> {
        let mut all = self.all.iter();
        let registration = all.find(|registration| registration.serves(now, connection))?;
        let account = &registration.account;
        Some((account.id, Caller::Server(account.server()?)))
    }

    /// The connections of all accounts.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.all.iter().flat_map(|known| known.links.all())
    }

    /// The connection of an account, whether or not it is used for notifications now.
    pub(super) fn connection(&self, account: AccountId) -> Option<ConnectionId> {
        self.find(account)?.links.connection()
    }

    /// The connection on which the server of an account can be notified now.
    pub(super) fn reporting(&self, now: Instant, account: AccountId) -> Option<ConnectionId> {
        self.find(account)?.reporting(now)
    }

    /// Whether the Client is registered with the server of an account.
    pub(super) fn is_registered(&self, account: AccountId) -> bool {
        self.find(account).is_some_and(Registration::is_registered)
    }

    /// Whether the De-register of an account is under way because the tree has changed, perhaps by a request
    /// of this server. The application wants registrations still.
    pub(super) fn is_leaving_by_change(&self, account: AccountId) -> bool {
        let state = |found: &Registration| found.state(self.is_started);
        let is_deregistering =
            self.find(account).map(state) == Some(RegistrationState::Deregistering);
        self.is_started && is_deregistering
    }

    /// The connections on which a De-register is under way.
    pub(super) fn leaving(&self) -> impl Iterator<Item = ConnectionId> {
        let leaving = self.all.iter().filter(|registration| {
            registration.state(self.is_started) == RegistrationState::Deregistering
        });
        leaving.filter_map(|known| known.links.connection())
    }

    /// What is known of each account.
    pub(super) fn statuses(&self) -> impl Iterator<Item = AccountStatus> {
        self.all.iter().map(|registration| {
            let (account, links) = (&registration.account, &registration.links);
            AccountStatus {
                id: account.id,
                role: account.role,
                server_instance: account.server_instance,
                state: registration.state(self.is_started),
                connection: links.connection().or(links.inbound()),
                queue_mode: registration.lease.as_ref().and_then(Lease::queue_state),
            }
        })
    }

    /// The Server Object Instance of a server.
    pub(super) fn server_instance(&self, server: ShortServerId) -> Option<InstanceId> {
        let mut all = self.all.iter().map(|registration| &registration.account);
        all.find(|account| account.server() == Some(server))?
            .server_instance
    }

    /// The account of a Server Object Instance.
    pub(super) fn account_of(&self, server_instance: InstanceId) -> Option<AccountId> {
        let mut all = self.all.iter().map(|registration| &registration.account);
        let of = |account: &&accounts::Account| account.server_instance == Some(server_instance);
        all.find(of).map(|account| account.id)
    }

    /// What the server of the account `by` asks with the Execute of this Resource, and of which account (TS E.2).
    pub(super) fn asked(&self, executed: Path, by: AccountId) -> Option<(AccountId, Action)> {
        let (instance, action) = Action::of(executed)?;
        let account = self.account_of(instance)?;
        match action {
            Action::Update if account == by => Some((account, Action::UpdateForServer)),
            action => Some((account, action)),
        }
    }

    /// For how long the server of an account is still disabled.
    pub(super) fn disabled_for(&self, now: Instant, account: AccountId) -> Option<Duration> {
        self.find(account)?.disabled.remaining(now)
    }

    fn find(&self, account: AccountId) -> Option<&Registration> {
        let mut all = self.all.iter();
        all.find(|registration| registration.account.id == account)
    }

    fn find_mut(&mut self, account: AccountId) -> Option<&mut Registration> {
        let mut all = self.all.iter_mut();
        all.find(|registration| registration.account.id == account)
    }

    /// Whether a connection is up.
    pub(super) fn is_up(&self, connection: ConnectionId) -> bool {
        let mut all = self.all.iter();
        all.any(|registration| registration.links.is_up(connection))
    }

    /// The channel of a connection; that of a download is UDP.
    pub(super) fn channel(&self, connection: ConnectionId) -> Channel {
        let mut all = self.all.iter();
        let own = all.find_map(|registration| registration.links.channel(connection));
        own.unwrap_or_default()
    }

    /// The account of a connection that is in use.
    pub(super) fn account_on(&self, connection: ConnectionId) -> Option<AccountId> {
        let mut all = self.all.iter();
        all.find(|registration| registration.links.has(connection))
            .map(|registration| registration.account.id)
    }
}

/// The accounts of those that are meant.
fn ids(all: &[Registration], are_meant: impl Fn(&Registration) -> bool) -> Vec<AccountId> {
    let all = all.iter().filter(|registration| are_meant(registration));
    all.map(|registration| registration.account.id).collect()
}

/// The account that a request is about.
fn owner(all: &[Registration], request: RequestId) -> Option<AccountId> {
    let mut all = all.iter();
    all.find(|registration| registration.owns(request))
        .map(|registration| registration.account.id)
}

/// A message was received or sent on a connection, perhaps a request of the server. Returns whether that has woken the
/// Client: then an Update follows with the next [`refresh`](Registrations::refresh) (TS 8.3).
pub(super) fn note(
    registrations: &mut Registrations,
    now: Instant,
    connection: ConnectionId,
    is_request: bool,
) -> bool {
    queue::note(&mut registrations.all, now, connection, is_request)
}

/// Whether the server of an account has this number (TS E.1, Resource 9).
fn has_number(tree: &ObjectTree, security: InstanceId, number: &str) -> bool {
    let security = Security::load(tree, security);
    let own = security.and_then(|security| security.sms.server_number);
    own.is_some_and(|own| !own.is_empty() && digits(&own) == digits(number))
}

/// A number without the `+` that may stand before the country code.
fn digits(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

/// Whether the Client is registered with a server, and whether it can be notified.
fn standing(registration: &Registration, now: Instant) -> (bool, bool) {
    let can_be_notified = registration.reporting(now).is_some();
    (registration.is_registered(), can_be_notified)
}

/// What others have to know of a step, before which this was how the registration stood. Observations live as long as
/// the registration (TS 5.5.1); those of a server that is disabled leave something behind.
fn told(registration: &Registration, was: (bool, bool), now: Instant) -> Option<Report> {
    let account = registration.account.id;
    match (was, standing(registration, now)) {
        ((true, _), (false, _)) if registration.disabled.is_on() => Some(Report::Disabled(account)),
        ((true, _), (false, _)) => Some(Report::Ended(account)),
        ((true, true), (_, false)) => Some(Report::Offline(account)),
        ((true, false), (_, true)) => Some(Report::Online(account)),
        ((false, _), (true, _)) => {
            let lease = registration.lease.as_ref()?;
            Some(Report::Begun(account, lease.known.lifetime()))
        }
        _ => None,
    }
}

/// The steps of registrations, and what they ask for.
impl Registrations {
    fn step_all(
        &mut self,
        context: &mut Context<'_>,
        step: impl Fn(&mut Registration, &mut Step<'_>),
    ) {
        self.step_those(context, |_| true, step);
    }

    /// All of them take the step before those go on that have waited for one of them.
    fn step_those(
        &mut self,
        context: &mut Context<'_>,
        are_meant: impl Fn(&Registration) -> bool,
        step: impl Fn(&mut Registration, &mut Step<'_>),
    ) {
        for account in ids(&self.all, are_meant) {
            self.take(context, account, &step);
        }
        self.settle(context);
    }

    fn step(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        step: impl FnOnce(&mut Registration, &mut Step<'_>),
    ) {
        self.take(context, account, step);
        self.settle(context);
    }

    /// Goes on with the registrations that have waited for something to end.
    fn settle(&mut self, context: &mut Context<'_>) {
        while core::mem::take(&mut self.has_ended) {
            for account in ids(&self.all, |registration| !registration.is_registered()) {
                self.take(context, account, Registration::advance);
            }
        }
    }

    /// Takes a step of a registration, and does what it asks for. What has waited for it goes on when it
    /// [settles](Self::settle).
    fn take(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        step: impl FnOnce(&mut Registration, &mut Step<'_>),
    ) {
        let (now, is_started) = (context.now, self.is_started);
        let Ok(at) = self
            .all
            .binary_search_by_key(&account, |known| known.account.id)
        else {
            return;
        };
        let (before, rest) = self.all.split_at_mut(at);
        let Some((registration, after)) = rest.split_first_mut() else {
            return;
        };
        let held_up = registration.holds_up(is_started);
        let was = standing(registration, now);
        let mut taken = Step {
            now,
            tree: context.tree,
            endpoint: context.endpoint,
            identity: &self.terms.identity,
            list: &mut context.list,
            held: self.news.objects(),
            takes: self.terms.takes,
            retry: &mut self.terms.retry,
            is_started,
            others: Others { before, after },
            card: &mut self.card,
            outcomes: Vec::new(),
        };
        step(registration, &mut taken);
        let outcomes = taken.outcomes;
        let (ended, registered) = registration.holds_up(is_started);
        self.has_ended |= held_up.0 && !ended || held_up.1 && !registered;
        let was_before = if outcomes.contains(&Outcome::Replaced) {
            self.reports.push_back(Report::Ended(account));
            (false, false)
        } else {
            was
        };
        self.reports.extend(told(registration, was_before, now));
        for outcome in outcomes {
            let failed = match outcome {
                Outcome::Failed { reason, .. } if !was.0 => Some(reason),
                _ => None,
            };
            self.act(context.tree, account, outcome);
            let failed = failed.map(|reason| Report::NotRegistered(account, reason));
            self.reports.extend(failed);
        }
        self.ask_for_card();
        self.rearm(context.timers, account);
    }

    /// Asks for a look at the smartcard, if something waits for it.
    fn ask_for_card(&mut self) {
        if self.card.asks() {
            let asked = ClientEvent::SmartcardAsked;
            self.reports.push_back(Report::Tell(asked));
        }
    }

    /// Sets when the next step of a registration is due, or forgets it with its account.
    fn rearm(&mut self, timers: &mut Timers, account: AccountId) {
        let is_started = self.is_started;
        let is_held = self.card.holds(account);
        if let Some(registration) = self.find_mut(account) {
            let deadline = if is_held {
                registration.ends_at()
            } else {
                registration.deadline(is_started)
            };
            timers.set(
                Timer::Registration(account),
                &mut registration.armed,
                deadline,
            );
        }
        self.all.retain(|registration| !registration.is_over());
    }

    fn act(&mut self, tree: &ObjectTree, account: AccountId, outcome: Outcome) {
        let event = match outcome {
            Outcome::Connect(channel) => return self.connect(tree, account, channel),
            Outcome::Ended => {
                self.reports.push_back(Report::Ended(account));
                return;
            }
            // That was told before.
            Outcome::Replaced => return,
            Outcome::Disconnect(connection) => {
                self.reports.push_back(Report::Close(connection));
                return;
            }
            Outcome::Registered { location } => ClientEvent::Registered { account, location },
            Outcome::Updated => ClientEvent::Updated { account },
            Outcome::Disabled { until } => ClientEvent::Disabled { account, until },
            Outcome::Failed { reason, retry } => ClientEvent::RegistrationFailed {
                account,
                reason,
                retry,
            },
            Outcome::Deregistered => ClientEvent::Deregistered { account },
            Outcome::DeregisterFailed(reason) => ClientEvent::DeregisterFailed { account, reason },
        };
        self.reports.push_back(Report::Tell(event));
    }

    /// Asks the application for a connection to a server.
    fn connect(&mut self, tree: &ObjectTree, account: AccountId, channel: Channel) {
        let Some(security) = Security::load(tree.settled(), account.instance()) else {
            return;
        };
        let connection = self.name_connection();
        if let Some(registration) = self.find_mut(account) {
            registration.connecting(connection, channel);
            self.reports.push_back(Report::Tell(ClientEvent::Connect {
                connection,
                account,
                transport: match channel {
                    Channel::Udp => Transport::Udp,
                    Channel::Sms => Transport::Sms,
                },
                uri: security.server_uri.clone(),
                security,
            }));
        }
    }

    /// A name that no connection has had.
    pub(super) const fn name_connection(&mut self) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        connection
    }
}
