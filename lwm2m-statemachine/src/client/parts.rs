//! The parts of a Client, how they are called, and what follows from what they do, each in one place.

use alloc::vec::Vec;

use lwm2m_core::{Instant, ObjectId, Path, ShortServerId};
use lwm2m_objects::{Change, ObjectTree, WriteError, access};

use super::{
    accounts::{self, DigestKey},
    attributes::AttributeStore,
    bootstrap::{self, Bootstrap, Changes, Report as Asked, Settings},
    changed::Changed,
    config::{self, ClientConfig, ClientError},
    downloads::{self, Downloads},
    event::{AccountId, ClientEvent, ConnectionId, Events},
    flows::{Flow, Flows},
    registrations::{self, Action, ObjectList, QueueTerms, Registrations, Report, Takes, Terms},
    reporting::{self, Known, Reporting},
    requests::{self, Effect, Requests},
    retry::Retry,
    timers::Timers,
};
use crate::{
    coap::{self, Endpoint},
    machine::Random,
};

/// The parts of a Client.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) tree: ObjectTree,
    pub(super) endpoint: Endpoint<ConnectionId>,
    pub(super) registrations: Registrations,
    pub(super) requests: Requests,
    pub(super) attributes: AttributeStore,
    pub(super) bootstrap: Bootstrap,
    pub(super) reporting: Reporting,
    pub(super) downloads: Downloads,
    pub(super) flows: Flows,
    pub(super) timers: Timers,
    pub(super) events: Events,
    pub(super) last_call: LastCall,
}

/// What calls leave to the next ones.
#[derive(Debug, Default)]
pub(super) struct LastCall {
    /// When the last one was. What is sent since was queued then.
    pub(super) at: Instant,
    /// When a datagram was sent that counters tell of. What follows from that is done at the next call.
    pub(super) counted: Option<Instant>,
    /// Until when the application knows that the device may power down.
    pub(super) may_sleep_until: Option<Instant>,
}

impl Parts {
    /// See [`Client::new`](super::Client::new).
    pub(super) fn new(config: ClientConfig, tree: ObjectTree) -> Result<Self, ClientError> {
        let identity = config.check()?;
        config::check_objects(&tree)?;
        accounts::check(&tree)?;
        // The endpoint has its own stream of randomness.
        let mut random = Random::new(config.coap.seed);
        let requests = Requests::new(&config, identity.root.clone());
        let flows = Flows::new(&config.coap.transmission);
        let attributes = AttributeStore::new(config.most_attributes);
        let transmit_wait = config.coap.transmission.max_transmit_wait();
        let takes = Takes::new(&config.coap);
        let queue = QueueTerms {
            awake: config.queue_mode.awake.unwrap_or(transmit_wait),
            wakes_to_notify: config.queue_mode.wakes_to_notify,
        };
        let reporting = Reporting::new(&config);
        let (retry, settings) = (config.retry, Settings::of(&config));
        let mut endpoint = config.coap;
        endpoint.seed = random.seed();
        let downloads = Downloads::new(config.downloads, Random::new(random.seed()));
        let digest_key = DigestKey(random.next_u64(), random.next_u64());
        let of_bootstrap = Random::new(random.clone().seed());
        let bootstrap = Bootstrap::new(settings, &identity, digest_key, of_bootstrap);
        // An Object that takes a value piece by piece gets the blocks as they come.
        endpoint.stream_requests = true;
        let endpoint = Endpoint::new(endpoint);
        let terms = Terms {
            identity,
            takes,
            queue,
            digest_key,
            retry: Retry {
                backoff: retry,
                random,
            },
        };
        Ok(Self {
            registrations: Registrations::new(&tree, terms),
            tree,
            endpoint,
            requests,
            attributes,
            bootstrap,
            reporting,
            downloads,
            flows,
            timers: Timers::new(),
            events: Events::new(),
            last_call: LastCall::default(),
        })
    }

    /// See [`Client::start`](super::Client::start).
    pub(super) fn start(&mut self, now: Instant) {
        if self.flows.is_leaving() {
            return;
        }
        self.bootstrap(now, Bootstrap::start);
        self.follow_objects(now);
        self.download(now, Downloads::start);
    }
}

/// The parts are called, and what they ask of each other is done.
impl Parts {
    /// Ends the registrations whose lifetime is over, before anything else (TS 5.3).
    pub(super) fn expire(&mut self, now: Instant) {
        self.register(now, Registrations::expire);
        self.end_old_answers(now);
    }

    /// Where a De-register is under way, answers and notifications that are still being sent end: they
    /// aren't repeated to a server without a registration, and don't keep the De-register waiting
    /// (TS 5.4, 5.5). Answers that wait leave once. What had to leave before it has left with the call
    /// before this one.
    pub(super) fn end_old_answers(&mut self, now: Instant) {
        for connection in self.registrations.leaving() {
            self.endpoint.finish_answers(now, &connection);
        }
        self.register(now, Registrations::answers_ended);
    }

    /// Calls the registrations, and does what they ask for.
    pub(super) fn register(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Registrations, &mut registrations::Context<'_>),
    ) {
        self.last_call.at = now;
        let mut context = registrations::Context {
            now,
            tree: &self.tree,
            endpoint: &mut self.endpoint,
            timers: &mut self.timers,
            list: ObjectList::default(),
        };
        act(&mut self.registrations, &mut context);
        let mut has_changed = false;
        while let Some(report) = self.registrations.poll() {
            has_changed = true;
            match report {
                Report::Ended(account) => self.end_service(now, account, Reporting::end_account),
                Report::Disabled(account) => self.end_service(now, account, Reporting::disable),
                Report::Begun(account, lifetime) => self.report(now, |reporting, context| {
                    reporting.begun(context, account, lifetime);
                }),
                Report::Offline(account) => {
                    self.report(now, |reporting, context| {
                        reporting.offline(context, account);
                    });
                }
                Report::Online(account) => {
                    self.report(now, |reporting, context| reporting.online(context, account));
                }
                Report::NotRegistered(account, reason) => {
                    self.bootstrap(now, |bootstrap, context| {
                        bootstrap.not_registered(context, account, reason);
                    });
                }
                Report::Tell(event) => self.tell(now, event),
                Report::Rest(connection) => self.forget(now, connection),
                Report::Close(connection) => {
                    self.events
                        .push_back(ClientEvent::Disconnect { connection });
                    self.forget(now, connection);
                }
            }
        }
        // Whatever has become of an account, it may have been the last one (TS 5.2.4).
        if has_changed {
            self.bootstrap(now, Bootstrap::advance);
        }
        if self.flows.is_leaving() {
            self.step_flow(now);
        }
    }

    /// Tells the application of a registration. One that stands ends the need for a bootstrap (TS 5.2.4).
    fn tell(&mut self, now: Instant, event: ClientEvent) {
        let registered = match &event {
            ClientEvent::Registered { account, .. } => Some(*account),
            _ => None,
        };
        self.events.push_back(event);
        if let Some(account) = registered {
            self.bootstrap(now, |bootstrap, context| {
                bootstrap.registered(context, account);
            });
        }
    }

    /// Calls the bootstrap, and does what it asks for.
    pub(super) fn bootstrap<R>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Bootstrap, &mut bootstrap::Context<'_>) -> R,
    ) -> R {
        let accounts: Vec<_> = self.registrations.statuses().collect();
        self.last_call.at = now;
        let mut context = bootstrap::Context {
            now,
            tree: &mut self.tree,
            endpoint: &mut self.endpoint,
            timers: &mut self.timers,
            accounts: &accounts,
            new_connection: &mut || self.registrations.name_connection(),
        };
        let result = act(&mut self.bootstrap, &mut context);
        while let Some(report) = self.bootstrap.poll() {
            match report {
                Asked::Register => self.register(now, Registrations::start),
                Asked::Tell(event) => self.events.push_back(event),
                Asked::Close(connection) => {
                    self.events
                        .push_back(ClientEvent::Disconnect { connection });
                    self.forget(now, connection);
                }
                Asked::Opened => self.rest(now),
                Asked::Written(instances) => self.registrations.card_mut().supersede(&instances),
                Asked::Kept(changed) => {
                    self.registrations.rewritten(&changed);
                    self.go_on(now, changed, true);
                }
                Asked::RolledBack => self.go_on(now, Vec::new(), false),
                Asked::Changed(changed) => self.follow(now, changed),
            }
        }
        result
    }

    /// Does what is asked of the registration of an account.
    fn ask(&mut self, now: Instant, account: AccountId, action: Action) {
        self.register(now, |registrations, context| {
            registrations.follow(context, account, action);
        });
    }

    /// Calls the requests.
    pub(super) fn request<R>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Requests, &mut requests::Context<'_>) -> R,
    ) -> R {
        self.last_call.at = now;
        let mut context = requests::Context {
            now,
            tree: &mut self.tree,
            endpoint: &mut self.endpoint,
            attributes: &mut self.attributes,
            bootstrap: &mut self.bootstrap,
            reporting: &mut self.reporting,
            timers: &mut self.timers,
            events: &mut self.events,
        };
        act(&mut self.requests, &mut context)
    }

    /// Calls the downloads.
    pub(super) fn download<R>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Downloads, &mut downloads::Context<'_>) -> R,
    ) -> R {
        self.last_call.at = now;
        let mut context = downloads::Context {
            now,
            tree: &mut self.tree,
            endpoint: &mut self.endpoint,
            timers: &mut self.timers,
            events: &mut self.events,
            new_connection: &mut || self.registrations.name_connection(),
        };
        act(&mut self.downloads, &mut context)
    }

    /// Calls the reporting.
    pub(super) fn report<R>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Reporting, &mut reporting::Context<'_>) -> R,
    ) -> R {
        self.last_call.at = now;
        let mut context = reporting::Context {
            now,
            tree: &self.tree,
            attributes: &self.attributes,
            registrations: &self.registrations,
            endpoint: &mut self.endpoint,
            timers: &mut self.timers,
            events: &mut self.events,
            known: Known::default(),
            asks: Vec::new(),
        };
        let result = act(&mut self.reporting, &mut context);
        for (account, action) in context.asks {
            self.ask(now, account, action);
        }
        result
    }

    /// Calls the reporting about the account of a connection that is in use.
    pub(super) fn report_on(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        act: impl FnOnce(&mut Reporting, &mut reporting::Context<'_>, AccountId),
    ) {
        if let Some(account) = self.registrations.account_on(connection) {
            self.report(now, |reporting, context| act(reporting, context, account));
        }
    }

    /// Handles the events of the endpoint, which are due to the passing of time or to calls.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                coap::Event::RequestFailed { request, .. }
                    if self.download(now, |downloads, context| {
                        downloads.unanswered(context, request)
                    }) => {}
                coap::Event::RequestFailed {
                    request, reason, ..
                } if self.bootstrap.owns(request) => self.bootstrap(now, |bootstrap, context| {
                    bootstrap.unanswered(context, reason.into());
                }),
                coap::Event::RequestFailed {
                    request, reason, ..
                } => self.register(now, |registrations, context| {
                    registrations.unanswered(context, request, reason.into());
                }),
                coap::Event::NotificationFailed {
                    peer,
                    token,
                    notification,
                    reason,
                } => self.report_on(now, peer, |reporting, context, account| {
                    reporting.failed(context, account, token, (notification, reason));
                }),
                coap::Event::ResponseFailed {
                    peer,
                    token,
                    notification: Some(notification),
                    reason,
                } => self.report_on(now, peer, |reporting, context, account| {
                    reporting.not_begun(context, account, token, (notification, reason));
                }),
                coap::Event::TransferLost { transfer, .. } => {
                    self.requests.stream_lost(&mut self.tree, transfer);
                }
                coap::Event::BlockWanted {
                    source,
                    offset,
                    length,
                    ..
                } => self.request(now, |requests, context| {
                    requests.supply(context, source, offset, length);
                }),
                coap::Event::SourceClosed { source } => self.requests.source_closed(source),
                coap::Event::BodyReleased {
                    peer,
                    resource,
                    result,
                } => self.report_on(now, peer, |reporting, context, account| {
                    reporting.body_released(context, account, resource, result.is_ok());
                }),
                _ => {}
            }
        }
    }
}

/// How flows, registrations and connections end.
impl Parts {
    /// Takes the next step: when the answer has left, the Client leaves its servers, and when it has left
    /// them, the flow is at its end.
    pub(super) fn step_flow(&mut self, now: Instant) {
        if !self.flows.is_leaving() {
            let is_sending = self.endpoint.usage().transmissions > 0;
            if let Some(flow) = self.flows.due(now, is_sending, &mut self.timers) {
                self.leave(now, flow);
            }
            return;
        }
        if self.registrations.has_links() {
            return;
        }
        let Some(flow) = self.flows.end() else {
            return;
        };
        self.download(now, Downloads::stop);
        self.drain(now);
        if flow == Flow::Reboot {
            return self.events.push_back(ClientEvent::Reboot);
        }
        let restored = self.tree.factory_reset();
        self.bootstrap(now, Bootstrap::forget);
        self.attributes.retain(|_| false);
        self.enable_all(now);
        self.register(now, Registrations::reconcile);
        self.follow_objects(now);
        self.events
            .push_back(ClientEvent::FactoryReset { restored });
        self.start(now);
    }

    /// What servers have asked for is forgotten: none is disabled, and nothing is kept for any.
    fn enable_all(&mut self, now: Instant) {
        self.registrations.rewritten(&[ObjectId::SERVER.into()]);
        let accounts: Vec<_> = self.registrations.statuses().collect();
        for account in accounts {
            self.report(now, |reporting, context| {
                reporting.end_account(context, account.id);
            });
        }
    }

    /// The Client leaves its servers, and the Bootstrap-Server.
    fn leave(&mut self, now: Instant, flow: Flow) {
        self.bootstrap(now, Bootstrap::reset);
        self.register(
            now,
            match flow {
                Flow::Reboot => Registrations::abandon,
                Flow::FactoryReset => Registrations::deregister,
            },
        );
    }

    /// A registration has ended: so do the observations and the deferred requests of its server
    /// (TS 5.5.1).
    pub(super) fn end_service(
        &mut self,
        now: Instant,
        account: AccountId,
        end: impl FnOnce(&mut Reporting, &mut reporting::Context<'_>, AccountId),
    ) {
        self.report(now, |reporting, context| end(reporting, context, account));
        self.request(now, |requests, context| {
            requests.end(context, |origin| origin.account == account);
        });
        // The De-register follows the answer to the Delete that has led to it.
        if !self.registrations.is_leaving_by_change(account)
            && let Some(connection) = self.registrations.connection(account)
        {
            // Before a De-register, what was done is answered; after the lifetime nothing is (TS 5.3).
            let mut leaving = self.registrations.leaving();
            if leaving.any(|leaving| leaving == connection) {
                self.endpoint.finish_answers(now, &connection);
            } else {
                self.endpoint.end_answers(now, &connection);
            }
        }
    }

    /// Forgets a connection, and the requests that can no longer be answered on it. The endpoint still
    /// knows which requests have been run, until no copy of them can arrive.
    pub(super) fn forget(&mut self, now: Instant, connection: ConnectionId) {
        self.request(now, |requests, context| {
            requests.end(context, |origin| origin.connection == connection);
        });
        self.endpoint.close_peer(now, &connection);
        self.drain(now);
    }
}

/// What a bootstrap has the other parts do.
impl Parts {
    /// A bootstrap is under way. What servers have asked for and isn't answered gets no answer; what they send block
    /// by block is dropped.
    fn rest(&mut self, now: Instant) {
        self.request(now, Requests::rest);
        self.drain(now);
    }

    /// A bootstrap is over, and was kept or rolled back: what has waited goes on. These paths read differently, and
    /// others that the application has changed.
    fn go_on(&mut self, now: Instant, mut changed: Vec<Path>, is_kept: bool) {
        let Changes { told, held, own } = self.bootstrap.meanwhile.take();
        changed.extend(told.paths);
        let paths: Vec<Path> = held.paths.into_iter().collect();
        // An Update that follows must not tell of them, unless it tells something else.
        self.registrations.news.note(&paths, true);
        self.follow(now, changed);
        for (owner, changes) in own {
            if is_kept {
                self.give_owners(now, owner, &changes);
            } else {
                // What the Bootstrap-Server had made room for doesn't fit any more.
                let _ = self.commit(now, owner, changes);
            }
        }
        self.give_owners(now, None, &told.came);
        self.hold_news(|parts| {
            parts.follow(now, paths);
            parts.give_owners(now, None, &held.came);
        });
        self.register(now, Registrations::reconcile);
        self.report(now, Reporting::resume);
        self.follow_objects(now);
    }
}

/// What new Object Instances have in access control.
impl Parts {
    /// The changes that give owners to what these changes create. While a bootstrap is under way there are none: which
    /// servers there are shows at its end.
    fn owners(
        &self,
        owner: Option<ShortServerId>,
        changes: &[Change],
    ) -> Result<Vec<Change>, WriteError> {
        match owner {
            _ if self.tree.is_holding() => Ok(Vec::new()),
            Some(owner) => access::created(&self.tree, owner, changes),
            None => access::created_by_client(&self.tree, changes),
        }
    }

    /// Objects have come with these Object Instances. Returns what reads differently.
    pub(super) fn came(&mut self, created: Vec<Change>) -> Result<Vec<Path>, WriteError> {
        let owners = self.owners(None, &created)?;
        if self.tree.is_holding() {
            let is_held = self.registrations.news.is_holding();
            self.bootstrap.meanwhile.came(created, is_held);
        }
        self.tree.change(owners)
    }

    /// Gives owners to what was created by these changes while a bootstrap was under way, by the accounts that there
    /// are now, as far as it is there and nobody has rights on it.
    fn give_owners(&mut self, now: Instant, owner: Option<ShortServerId>, changes: &[Change]) {
        let tree = &self.tree;
        let lacks_owner = |change: &&Change| {
            let path = change.path();
            path.object()
                .zip(path.instance())
                .is_some_and(|(object, instance)| {
                    tree.target(Path::Instance(object, instance)).exists()
                        && access::deleted(tree, object, instance).is_empty()
                })
        };
        let created: Vec<_> = changes.iter().filter(lacks_owner).cloned().collect();
        let owner = owner.filter(|owner| accounts::has_account(tree, *owner));
        // If there is no room for them, nobody has rights.
        let owners = self.owners(owner, &created);
        let differences = owners.and_then(|owners| self.tree.change(owners));
        self.follow(now, differences.unwrap_or_default());
    }
}

/// What follows from requests and changes.
impl Parts {
    /// Does what follows from a request of a server.
    pub(super) fn follow_request(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::Committed { differences, event } => {
                self.follow(now, differences);
                self.events.extend(event.map(|event| *event));
            }
            Effect::AttributesWritten {
                account,
                server,
                path,
            } => {
                self.report(now, |reporting, context| {
                    reporting.rearm(context, server, path);
                });
                self.events
                    .push_back(ClientEvent::AttributesWritten { account, path });
            }
            Effect::Executed {
                account,
                path,
                arguments,
            } => {
                if let Some((of, action)) = self.registrations.asked(path, account) {
                    return self.ask(now, of, action);
                }
                if let Some(flow) = Flow::of(path) {
                    self.flows.begin(now, flow, &mut self.timers);
                }
                if let Some(arguments) = arguments {
                    self.events.push_back(ClientEvent::Execute {
                        account,
                        path,
                        arguments,
                    });
                }
            }
            Effect::Observed(observation) => {
                self.report(now, |reporting, context| {
                    reporting.observe(context, *observation);
                });
            }
            Effect::Finished => self.bootstrap(now, Bootstrap::finished),
            Effect::Inconsistent(account, reason) => {
                let reason = *reason;
                self.events
                    .push_back(ClientEvent::BootstrapInconsistent { account, reason });
            }
            Effect::Cancelled(account, cancellation) => self.report(now, |reporting, context| {
                reporting.cancel(context, account, cancellation);
            }),
        }
    }

    /// Commits changes of the application's own, with what follows from them in access control.
    pub(super) fn commit(
        &mut self,
        now: Instant,
        owner: Option<ShortServerId>,
        changes: Vec<Change>,
    ) -> Result<(), WriteError> {
        let owners = self.owners(owner, &changes)?;
        let again = self.tree.is_holding().then(|| changes.clone());
        // No server reads the Security Object, but accounts come and go with it.
        let of_security = |path: &Path| path.object() == Some(ObjectId::SECURITY);
        let accounts: Vec<Path> = changes
            .iter()
            .map(Change::path)
            .filter(of_security)
            .collect();
        let differences = self.tree.change([changes, owners].concat())?;
        if let Some(changes) = again {
            self.bootstrap.meanwhile.committed(owner, changes);
        }
        self.follow(now, differences.into_iter().chain(accounts));
        self.follow_objects(now);
        // No request has led to a De-register, so it needn't follow an answer.
        self.end_old_answers(now);
        Ok(())
    }

    /// What changes meanwhile leads to no Update by itself; the next one tells it.
    pub(super) fn hold_news<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> R {
        self.registrations.news.hold(true);
        let result = act(self);
        self.registrations.news.hold(false);
        result
    }

    /// Does what follows from changes at these paths, whoever made them: what belongs to Object Instances
    /// and accounts that are gone ends, notifications become due, and servers are sent an Update if what
    /// they know has changed.
    ///
    /// While a bootstrap is under way, it waits: nobody may learn of what that has written so far.
    pub(super) fn follow(&mut self, now: Instant, paths: impl IntoIterator<Item = Path>) {
        if self.tree.is_holding() {
            let is_held = self.registrations.news.is_holding();
            return self.bootstrap.meanwhile.changed(paths, is_held);
        }
        let mut paths: Vec<Path> = paths.into_iter().collect();
        let mut gone = self.gone(&paths);
        let rights = without_rights_on(&mut self.tree, &gone);
        gone.extend_from_slice(&rights);
        paths.extend(rights);
        if paths
            .iter()
            .any(|path| path.object() == Some(ObjectId::SECURITY))
        {
            let tree = &self.tree;
            self.attributes
                .retain(|server| accounts::has_account(tree, server));
        }
        self.registrations.card_mut().supersede(&gone);
        let is_held = self.registrations.news.is_holding();
        self.registrations.news.note(&paths, is_held);
        let changed = Changed::of(&self.tree, paths);
        if changed.touches_accounts() {
            self.register(now, Registrations::reconcile);
            self.bootstrap(now, Bootstrap::reconcile);
        }
        for path in &gone {
            self.attributes.remove_below(*path);
        }
        let objects = gone.iter().filter(|path| path.instance().is_none());
        let objects: Vec<Path> = objects.copied().collect();
        if !objects.is_empty() {
            self.download(now, |downloads, context| {
                downloads.objects_gone(context, &objects);
            });
        }
        self.report(now, |reporting, context| {
            reporting.changed(context, &changed);
        });
        // What accounts are made of has been looked at with them.
        if changed.touches_registrations() && !changed.touches_accounts() {
            self.register(now, Registrations::refresh);
        }
        // An Update goes out before a notification (TS 8.3).
        for path in gone {
            self.report(now, |reporting, context| reporting.gone(context, path));
        }
        if changed.touches_rights() {
            self.check_bodies(now);
        }
    }

    /// Servers may have lost the right to read what they are fetching in blocks. The next block is a request like
    /// any other (TS 7.3). A stored notification can't be read again, so it goes on where the right is still there.
    fn check_bodies(&mut self, now: Instant) {
        let connections: Vec<_> = self.registrations.connections().collect();
        for connection in connections {
            let mut stored = None;
            self.report_on(now, connection, |reporting, context, account| {
                if context.registrations.connection(account) == Some(connection) {
                    stored = reporting.fetched_with_right(context, account);
                }
            });
            self.endpoint.bodies().withdraw(now, &connection, stored);
        }
        self.drain(now);
    }

    /// The Objects and Object Instances that are no longer there, after changes at these paths. If an Object
    /// has changed as a whole, that may be any of its Object Instances.
    fn gone(&self, paths: &[Path]) -> Vec<Path> {
        let named = paths.iter().copied();
        let named = named.filter(|path| path.object().is_some() && path.resource().is_none());
        let objects = paths.iter().filter_map(|path| match path {
            Path::Object(object) => Some(*object),
            _ => None,
        });
        let known = objects.flat_map(|object| {
            let observed = self.reporting.instances_below(object.into());
            let described = self.attributes.instances_below(object.into());
            let controlled = access::orphaned(&self.tree, object);
            let controlled = controlled.map(move |id| Path::Instance(object, id));
            observed.chain(described).chain(controlled)
        });
        let mut gone: Vec<Path> = named.chain(known).collect();
        gone.sort_unstable();
        gone.dedup();
        gone.retain(|path| !self.tree.target(*path).exists());
        gone
    }

    /// Brings the Objects to this moment: times are read as of now, and what has changed by itself counts,
    /// access rights among it, before anything is answered.
    pub(super) fn advance_objects(&mut self, now: Instant) {
        self.tree.handle_timeout(now);
        self.follow_objects(now);
    }

    /// Does what follows from changes that Objects have made by themselves.
    pub(super) fn follow_objects(&mut self, now: Instant) {
        self.last_call.counted = None;
        let changed: Vec<Path> = core::iter::from_fn(|| self.tree.poll_changed()).collect();
        if !changed.is_empty() {
            self.follow(now, changed);
        }
        self.download(now, Downloads::follow);
    }
}

/// Deletes the Access Control Object Instances about Object Instances that are gone, whoever deleted these
/// (TS 7.3.1.2.2). Returns what was deleted.
fn without_rights_on(tree: &mut ObjectTree, gone: &[Path]) -> Vec<Path> {
    let about = gone.iter().filter_map(|path| match path {
        Path::Instance(object, instance) => Some((*object, *instance)),
        _ => None,
    });
    let about = about.flat_map(|(object, instance)| access::deleted(tree, object, instance));
    let changes: Vec<Change> = about.collect();
    if changes.is_empty() || tree.is_holding() {
        return Vec::new();
    }
    // An Object that keeps them gives no right on what isn't there.
    tree.change(changes).unwrap_or_default()
}
