#![doc = include_str!("guide.md")]

mod accounts;
mod attributes;
mod changed;
mod config;
mod connection;
mod content;
mod discover;
mod downloads;
mod event;
mod flows;
mod objects;
mod refusal;
mod registrations;
mod reporting;
mod requests;
mod statistics;
mod timers;
mod usage;

use alloc::vec::Vec;

use lwm2m_core::{
    Attributes, Code, CodeKind, InstanceId, Instant, ObjectId, Path, ResourceId, ShortServerId,
    Value,
};
use lwm2m_objects::{Change, FetchFailure, Object, ObjectTree, WriteError, access};

use self::{
    accounts::{DigestKey, Origin},
    attributes::AttributeStore,
    changed::Changed,
    downloads::Downloads,
    event::Events,
    flows::{Flow, Flows},
    registrations::{Registrations, Report, Retry, Terms},
    reporting::{KnownPeriods, Reporting},
    requests::{Block, Effect, Requests},
    timers::{Timer, Timers},
};
pub use self::{
    config::{Announced, ClientConfig, ClientError, DownloadConfig, Reliability, Storing},
    connection::{Inbound, InboundRefusal, Session},
    event::{
        AccountId, AccountRole, AccountStatus, ClientEvent, ConnectionId, DeferredEnd,
        DeferredError, DeferredId, DeferredOperation, DownloadOutcome, DownloadStatus, FailureKind,
        InvalidAnswer, ObservationStatus, RegistrationFailure, RegistrationState,
        StoredNotifications,
    },
    objects::ObjectSet,
    usage::ClientUsage,
};
use crate::{
    coap::{self, DatagramError, Endpoint, Incoming, MessageRef},
    machine::{Datagram, Machine, Random, Transmit},
};

/// Registration Update Trigger of the Server Object (TS E.2).
const REGISTRATION_UPDATE_TRIGGER: ResourceId = ResourceId::new(8);

/// A LwM2M Client; see the [module](self).
#[derive(Debug)]
pub struct Client {
    tree: ObjectTree,
    endpoint: Endpoint<ConnectionId>,
    registrations: Registrations,
    requests: Requests,
    attributes: AttributeStore,
    reporting: Reporting,
    downloads: Downloads,
    flows: Flows,
    timers: Timers,
    events: Events,
}

impl Client {
    /// A Client with the accounts and Objects of a tree.
    ///
    /// The tree doesn't need a server account: a bootstrap may bring one (TS 5.2.4).
    ///
    /// # Errors
    ///
    /// [`ClientError`]: for an invalid configuration, a tree without a mandatory Object (Security,
    /// Server, Device), and two accounts of one server.
    pub fn new(config: ClientConfig, tree: ObjectTree) -> Result<Self, ClientError> {
        let identity = config.check()?;
        config::check_objects(&tree)?;
        accounts::check(&tree)?;
        // The endpoint has its own stream of randomness.
        let mut random = Random::new(config.coap.seed);
        let requests = Requests::new(&config, identity.root.clone());
        let flows = Flows::new(&config.coap.transmission);
        let attributes = AttributeStore::new(config.most_attributes);
        let max_transmit_wait = config.coap.transmission.max_transmit_wait();
        let reporting = Reporting::new(&config);
        let (retry_first, retry_most) = (config.retry_first, config.retry_most);
        let mut endpoint = config.coap;
        endpoint.seed = random.seed();
        let downloads = Downloads::new(config.downloads, Random::new(random.seed()));
        // An Object that takes a value piece by piece gets the blocks as they come.
        endpoint.stream_requests = true;
        let endpoint = Endpoint::new(endpoint);
        let terms = Terms {
            identity,
            max_transmit_wait,
            digest_key: DigestKey(random.next_u64(), random.next_u64()),
            retry: Retry {
                first: retry_first,
                most: retry_most,
                random,
            },
        };
        Ok(Self {
            registrations: Registrations::new(&tree, terms),
            tree,
            endpoint,
            requests,
            attributes,
            reporting,
            downloads,
            flows,
            timers: Timers::new(),
            events: Events::new(),
        })
    }

    /// Starts the Client: it asks for a connection to every server, and registers. So it does with
    /// servers whose accounts come later. While it leaves them for a Factory Reset, which starts it again,
    /// the call has no effect. Downloads that its Objects need, such as firmware, begin too.
    pub fn start(&mut self, now: Instant) {
        if self.flows.is_leaving() {
            return;
        }
        self.register(now, Registrations::start);
        self.follow_objects(now);
        if !self.is_offline() {
            self.download(now, Downloads::go_online);
        }
    }

    /// Sends an Update to the server of an account now (TS 5.3.2), if the Client is registered there. If
    /// it is offline or has no connection, the Update follows when it has.
    pub fn update(&mut self, now: Instant, account: AccountId) {
        self.register(now, |registrations, context| {
            registrations.update(context, account);
        });
    }

    /// De-registers from every server (TS 5.3.3). Each connection ends with
    /// [`ClientEvent::Disconnect`] when the answer is there or is no longer waited for;
    /// [`start`](Self::start) begins again.
    pub fn deregister(&mut self, now: Instant) {
        self.register(now, Registrations::deregister);
    }

    /// Sets the value of a Resource or a Resource Instance, as the application's own change. Observers
    /// are notified, and servers are sent an Update if it concerns their registration.
    pub fn set(
        &mut self,
        now: Instant,
        path: Path,
        value: impl Into<Value>,
    ) -> Result<(), WriteError> {
        // Nobody reads the Security Object, but accounts are made of it.
        if self.tree.set(path, value)? || path.object() == Some(ObjectId::SECURITY) {
            self.changed(now, path);
        }
        self.follow_objects(now);
        Ok(())
    }

    /// Makes changes of the application's own, whole or not at all: Object Instances come and go, and
    /// Resources get values, also read-only ones. Each new Object Instance gets an Access Control Object
    /// Instance, if access control is in use (TS 7.3.1); its owner is a server that may create instances
    /// of the Object, else the one with the lowest Short Server ID. Use
    /// [`change_as`](Self::change_as) to name another owner. With an Object Instance, those about it go.
    ///
    /// Accounts come and go with their Security and Server Object Instances. With the second account
    /// access control begins to count (TS 7.3.1.3). Then give rights on the Object Instances that are
    /// there: [`access::created`] makes the changes, as if they were created.
    ///
    /// ```
    /// # use lwm2m_core::{InstanceId, Instant, ShortServerId};
    /// # use lwm2m_objects::{ObjectTree, Store, typed::{Device, Security, Server}};
    /// # use lwm2m_statemachine::{Client, ClientConfig};
    /// use lwm2m_core::Value;
    /// use lwm2m_objects::{Change, LOCATION};
    ///
    /// # let id = ShortServerId::new(101).unwrap();
    /// # let mut tree = ObjectTree::new();
    /// # tree.add(Store::of([(InstanceId::ZERO, Security::no_sec("coap://192.0.2.1", id))]));
    /// # tree.add(Store::of([(InstanceId::ZERO, Server::new(id, 86_400))]));
    /// # tree.add(Store::of([(InstanceId::ZERO, Device::default())]));
    /// # let now = Instant::ZERO;
    /// tree.add(Store::new(&LOCATION));
    /// let mut client = Client::new(ClientConfig::new("device", [7; 32]), tree)?;
    /// let set = |path: &str, value: Value| Change::Set { path: path.parse().unwrap(), value };
    /// let found = [
    ///     Change::Create { path: "/6/0".parse()? },
    ///     set("/6/0/0", 51.5.into()),
    ///     set("/6/0/1", 0.1.into()),
    ///     set("/6/0/5", Value::Time(1_700_000_000)),
    /// ];
    /// client.change(now, found)?;
    /// let lost = [Change::Delete { path: "/6/0".parse()? }];
    /// client.change(now, lost)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`ObjectTree::change`], and [`WriteError::TooMany`] if no Access Control Object Instance
    /// is free.
    pub fn change(
        &mut self,
        now: Instant,
        changes: impl Into<Vec<Change>>,
    ) -> Result<(), WriteError> {
        self.commit(now, None, changes.into())
    }

    /// Like [`change`](Self::change), with this server as the owner of what is created.
    ///
    /// # Errors
    ///
    /// Those of [`change`](Self::change).
    pub fn change_as(
        &mut self,
        now: Instant,
        owner: ShortServerId,
        changes: impl Into<Vec<Change>>,
    ) -> Result<(), WriteError> {
        self.commit(now, Some(owner), changes.into())
    }

    /// Lets Objects come and go. Observations, attributes and access rights of Object Instances that are
    /// gone end, new ones get an owner as with [`change`](Self::change), and servers are sent an Update.
    ///
    /// If they come or go with a software component (Object 9), `component` is its Object Instance: then
    /// the Update is sent at once only if Update Supported Objects (`/9/x/8`) is true. Otherwise the next
    /// Update tells.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if a new Object Instance can't have an Access Control Object Instance. It is there
    /// all the same.
    pub fn change_objects(
        &mut self,
        now: Instant,
        component: Option<InstanceId>,
        act: impl FnOnce(&mut ObjectSet<'_>),
    ) -> Result<(), WriteError> {
        let at_once = component.is_none_or(|id| objects::are_told_at_once(&self.tree, id));
        let mut set = ObjectSet::new(&mut self.tree);
        act(&mut set);
        let (mut paths, came) = set.into_changes();
        let owners = access::created_by_client(&self.tree, &came);
        let rights = owners.and_then(|owners| self.tree.change(owners));
        paths.extend(rights.iter().flatten());
        self.registrations.hold_news(!at_once);
        self.follow(now, paths);
        self.registrations.hold_news(false);
        self.follow_objects(now);
        rights.map(drop)
    }

    /// Reports that a value at `path` has changed. Use it for values that the tree doesn't hold
    /// itself.
    pub fn changed(&mut self, now: Instant, path: Path) {
        self.follow(now, [path]);
    }

    /// Gives the application access to an Object of a known type, and notifies observers of what
    /// that changes. `None` if there is no such Object.
    pub fn object<T: Object, R>(
        &mut self,
        now: Instant,
        id: ObjectId,
        act: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        self.tree.handle_timeout(now);
        let result = self.tree.object_as_mut(id).map(act);
        if [ObjectId::SECURITY, ObjectId::SERVER].contains(&id) {
            self.register(now, Registrations::reconcile);
        }
        self.follow_objects(now);
        result
    }

    /// Defers requests for this operation: from now on the application answers them itself. The
    /// Client emits an event for each request, and neither executes nor answers the request before
    /// the application does. The application may refuse, and may take a while. `path` is an Object,
    /// an Object Instance or a Resource, and covers everything below it. A Read, an Observe or a change
    /// of a path above it is deferred too, as it has the same values. Notifications and the
    /// answer to a Cancel Observation aren't deferred: they carry the value that the tree has.
    ///
    /// The Client makes all its checks first, so the application is asked only about requests that
    /// the server is allowed to make. A deferred request waits no longer than
    /// [`ClientConfig::answer_within`], and no more than [`ClientConfig::most_deferred`] wait. A
    /// retransmission counts as the same request.
    ///
    /// ```
    /// # use lwm2m_core::{InstanceId, Instant, ShortServerId};
    /// # use lwm2m_objects::{ObjectTree, Store, typed::{Device, Security, Server}};
    /// # use lwm2m_statemachine::{Client, ClientConfig, ClientError, ClientEvent};
    /// use lwm2m_core::Code;
    /// use lwm2m_statemachine::client::DeferredOperation;
    ///
    /// # let id = ShortServerId::new(101).unwrap();
    /// # let mut tree = ObjectTree::new();
    /// # tree.add(Store::of([(InstanceId::ZERO, Security::no_sec("coap://192.0.2.1", id))]));
    /// # tree.add(Store::of([(InstanceId::ZERO, Server::new(id, 86_400))]));
    /// # tree.add(Store::of([(InstanceId::ZERO, Device::default())]));
    /// # let now = Instant::ZERO;
    /// # let is_idle = true;
    /// let mut client = Client::new(ClientConfig::new("device", [7; 32]), tree)?;
    /// client.defer(DeferredOperation::Execute, "/3/0/4".parse().unwrap());
    /// // …
    /// while let Some(event) = client.poll_event() {
    ///     if let ClientEvent::ExecuteAsked { request, path, .. } = event {
    ///         let consent = if is_idle { Ok(()) } else { Err(Code::METHOD_NOT_ALLOWED) };
    ///         if client.answer_execute(now, request, consent) == Ok(Code::CHANGED) {
    ///             println!("{path}: ClientEvent::Reboot follows");
    ///         }
    ///     }
    /// }
    /// # Ok::<(), ClientError>(())
    /// ```
    pub fn defer(&mut self, operation: DeferredOperation, path: Path) {
        self.requests.defer(operation, path);
    }

    /// Undoes a [`defer`](Self::defer) of exactly this path: new requests are answered at once.
    /// Returns `false` if the path wasn't deferred.
    pub fn stop_deferring(&mut self, operation: DeferredOperation, path: Path) -> bool {
        self.requests.stop_deferring(operation, path)
    }

    /// Answers [`ClientEvent::ExecuteAsked`]. With `Ok` the Object [executes](Object::execute) and
    /// the server gets the result; no [`ClientEvent::Execute`] follows, as the application knows
    /// already. `Err` refuses with a code that Table 27 lists for an Execute, or 5.00.
    ///
    /// Returns the code that the server gets. It's a refusal even after `Ok` if the Object refuses, the
    /// target is gone, or the server has lost the right to it.
    pub fn answer_execute(
        &mut self,
        now: Instant,
        request: DeferredId,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.answer(now, request, DeferredOperation::Execute, result)
    }

    /// Answers [`ClientEvent::ReadAsked`]. `Ok` says that the tree has the value now (see
    /// [`set`](Self::set) and [`object`](Self::object)): the Client reads it, and an observation
    /// begins if the server asked for one. `Err` refuses with a code that Table 27 lists for a
    /// Read, or 5.00.
    ///
    /// Returns the code that the server gets, as [`answer_execute`](Self::answer_execute) does.
    pub fn answer_read(
        &mut self,
        now: Instant,
        request: DeferredId,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.answer(now, request, DeferredOperation::Read, result)
    }

    /// Answers [`ClientEvent::ChangeAsked`]. With `Ok` the Client makes the change as it is right at this
    /// moment, and the server gets the result; no [`ClientEvent::Written`], [`ClientEvent::Created`] or
    /// [`ClientEvent::Deleted`] follows, as the application knows already. `Err` refuses with a code that
    /// Table 27 lists for the operation, or 5.00.
    ///
    /// Returns the code that the server gets, as [`answer_execute`](Self::answer_execute) does.
    pub fn answer_change(
        &mut self,
        now: Instant,
        request: DeferredId,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.answer(now, request, DeferredOperation::Change, result)
    }

    /// What the Client is fetching for its Objects, in the order of the paths.
    pub fn downloads(&self) -> impl Iterator<Item = DownloadStatus<'_>> {
        self.downloads.all()
    }

    /// Gives up the download for the Resource at `path`, for example because there is no such host
    /// ([`FetchFailure::InvalidUri`]). Its Object reports the failure. Returns `false` if there is no
    /// such download.
    pub fn give_up_download(&mut self, now: Instant, path: Path, failure: FetchFailure) -> bool {
        let given_up = self.download(now, |downloads, context| {
            downloads.give_up(context, path, failure)
        });
        self.follow_objects(now);
        given_up
    }

    /// The Objects.
    pub const fn tree(&self) -> &ObjectTree {
        &self.tree
    }

    /// The attributes that a server has set, each set with the Object, the Object Instance or the
    /// Resource that it stands at (TS 5.1.1).
    pub fn attributes(&self, server: ShortServerId) -> impl Iterator<Item = (Path, Attributes)> {
        self.attributes.below(server, Path::Root)
    }

    /// The accounts, in the order of their Security Object Instances, with those that can't be used
    /// (TS 5.2.2).
    pub fn accounts(&self) -> impl Iterator<Item = AccountStatus> {
        self.registrations.statuses()
    }

    /// An account, if there is one of this name.
    pub fn account(&self, account: AccountId) -> Option<AccountStatus> {
        self.accounts().find(|status| status.id == account)
    }

    /// Whether the Client is registered with the server of an account. A registration lives on without a
    /// connection, until its lifetime is over.
    pub fn is_registered(&self, account: AccountId) -> bool {
        self.registrations.is_registered(account)
    }

    /// Whether the application has called [`go_offline`](Self::go_offline), and not
    /// [`go_online`](Self::go_online) since.
    pub const fn is_offline(&self) -> bool {
        self.registrations.is_offline()
    }

    /// The observations of all servers, in the order in which they began.
    pub fn observations(&self) -> impl Iterator<Item = ObservationStatus> {
        let observed = self.reporting.observed();
        observed.map(|(observer, path)| ObservationStatus {
            account: observer.account,
            path,
            token: observer.token(),
        })
    }

    /// What is stored for the server of an account, to be sent when the Client is online again (TS E.2,
    /// Resource 6).
    pub fn stored_notifications(&self, account: AccountId) -> StoredNotifications {
        let (waiting, dropped) = self.reporting.stored(account);
        StoredNotifications { waiting, dropped }
    }

    /// Whether the Client is idle: no exchange is under way, nothing is left to send, and no event
    /// is pending.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle() && self.events.is_empty()
    }

    /// What the Client holds.
    pub fn usage(&self) -> ClientUsage {
        let (deferred, streams) = self.requests.usage();
        ClientUsage {
            accounts: self.registrations.statuses().count(),
            observations: self.reporting.observed().count(),
            stored_notifications: self.reporting.all_stored(),
            attributes: self.attributes.len(),
            deferred,
            streams,
            downloads: self.downloads.len(),
            timers: self.timers.len(),
            events: self.events.len(),
            coap: self.endpoint.usage(),
        }
    }
}

/// Connections: the application makes them, and tells what becomes of them.
impl Client {
    /// The connection that [`ClientEvent::Connect`] asked for is up, as a new one or as the
    /// continuation of the last. A name that isn't waited for is ignored.
    pub fn connected(&mut self, now: Instant, connection: ConnectionId, session: Session) {
        if self.download(now, |downloads, context| {
            downloads.connected(context, connection)
        }) {
            return;
        }
        self.register(now, |registrations, context| {
            registrations.connected(context, connection, session);
        });
    }

    /// The address that the server sees has changed, and the connection goes on. Without security the
    /// Client registers anew (TS 8.2.4), else it sends an Update.
    pub fn address_changed(&mut self, now: Instant, connection: ConnectionId) {
        self.register(now, |registrations, context| {
            registrations.address_changed(context, connection);
        });
    }

    /// A connection is lost, or could not be made. The registration and the observations live on. The
    /// Client asks for a connection again, later with each failure in a row.
    pub fn disconnected(&mut self, now: Instant, connection: ConnectionId) {
        if self.download(now, |downloads, context| {
            downloads.disconnected(context, connection)
        }) {
            return self.drain(now);
        }
        if self.registrations.account_on(connection).is_some() {
            self.register(now, |registrations, context| {
                registrations.disconnected(context, connection);
            });
            self.forget(now, connection);
        }
    }

    /// Another side has begun a connection. If the Client takes it, pass in its datagrams with the name
    /// that is returned; [`ClientEvent::Disconnect`] tells that it is no longer needed.
    ///
    /// # Errors
    ///
    /// [`InboundRefusal`]: answer nothing to the other side.
    pub fn inbound(
        &mut self,
        now: Instant,
        from: Inbound<'_>,
    ) -> Result<ConnectionId, InboundRefusal> {
        let mut taken = Err(InboundRefusal::Unknown);
        self.register(now, |registrations, context| {
            taken = registrations.inbound(context, from);
        });
        taken
    }

    /// There is no network for a while: the Client asks for no connection, sends nothing and ignores
    /// every datagram. Registrations live on until their lifetime is over, and so do observations.
    /// Connections to servers are kept; one that is lost meanwhile is told by
    /// [`disconnected`](Self::disconnected). Those of downloads end.
    pub fn go_offline(&mut self, now: Instant) {
        self.register(now, Registrations::go_offline);
        self.download(now, Downloads::go_offline);
        self.drain(now);
    }

    /// There is a network again. Each server with a registration hears an Update, before any
    /// notification (TS 8.3).
    pub fn go_online(&mut self, now: Instant) {
        self.register(now, Registrations::go_online);
        self.download(now, Downloads::go_online);
    }
}

/// The five calls.
impl Machine for Client {
    type Peer = ConnectionId;
    type Event = ClientEvent;
    type DatagramError = DatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ConnectionId>,
    ) -> Result<(), DatagramError> {
        self.expire(now);
        let connection = datagram.from;
        if self.is_offline() || !self.is_in_use(connection) {
            return Ok(());
        }
        statistics::received(&mut self.tree, now, &datagram);
        let caller = self.registrations.caller(now, connection);
        // Requests before the registration is answered, and after its lifetime, are met with silence:
        // no acknowledgement and no Reset, so that a retransmission still works (TS 5.3, 5.4).
        if caller.is_none() && is_request(datagram.payload) {
            return Ok(());
        }
        let received = self.endpoint.receive(now, &datagram);
        let origin = caller.map(|(account, caller)| Origin {
            caller,
            account,
            connection,
        });
        let result = received.map(|incoming| {
            if let Some(incoming) = incoming {
                self.route(now, connection, origin, incoming);
            }
        });
        self.drain(now);
        self.follow_objects(now);
        result
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        self.advance_objects(now);
        self.endpoint.handle_timeout(now);
        self.drain(now);
        // An Update goes out before notifications that were due earlier (TS 8.3).
        self.register(now, Registrations::due);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Registration(account) => self.register(now, |registrations, context| {
                    registrations.timer(context, account);
                }),
                Timer::Observation(id) => {
                    self.report(now, |reporting, context| reporting.due(context, id));
                }
                Timer::Stored(account) => {
                    self.report(now, |reporting, context| {
                        reporting.stored_due(context, account);
                    });
                }
                Timer::Deferred(id) => {
                    let effect = self.request(now, |requests, context| requests.due(context, id));
                    self.follow_request(now, effect);
                }
                Timer::Flow => self.step_flow(now),
                Timer::Download(path) => {
                    self.download(now, |downloads, context| downloads.due(context, path));
                    self.follow_objects(now);
                }
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        let transmit = self.endpoint.poll_transmit()?;
        statistics::sent(&mut self.tree, transmit.payload);
        Some(transmit)
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [
            self.endpoint.poll_timeout(),
            self.timers.next(),
            self.tree.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// Incoming messages go to the part that handles them.
impl Client {
    /// Handles an incoming message.
    fn route(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        origin: Option<Origin>,
        incoming: Incoming<'_>,
    ) {
        match (incoming, origin) {
            (
                Incoming::Request {
                    responder,
                    request,
                    body,
                },
                Some(origin),
            ) => {
                self.advance_objects(now);
                let effect = self.request(now, |requests, context| {
                    requests.serve(context, origin, responder, &request, &body)
                });
                self.follow_request(now, effect);
            }
            (
                Incoming::RequestBlock {
                    responder,
                    transfer,
                    request,
                    offset,
                    more,
                },
                Some(origin),
            ) => {
                let block = Block {
                    transfer,
                    offset,
                    more,
                };
                self.advance_objects(now);
                self.request(now, |requests, context| {
                    requests.serve_block(context, origin, responder, &request, block);
                });
            }
            (
                Incoming::Request { responder, .. } | Incoming::RequestBlock { responder, .. },
                None,
            ) => self.endpoint.ignore(responder),
            (incoming, _) => self.route_response(now, connection, &incoming),
        }
    }

    /// Whether a connection belongs to an account, and is up, or to a download.
    fn is_in_use(&self, connection: ConnectionId) -> bool {
        self.registrations.is_up(connection) || self.downloads.at(connection).is_some()
    }

    /// Handles an incoming message that isn't a request.
    fn route_response(&mut self, now: Instant, connection: ConnectionId, incoming: &Incoming<'_>) {
        match *incoming {
            Incoming::Response {
                request,
                ref response,
                ..
            } if self.download(now, |downloads, context| {
                downloads.answered(context, request, response)
            }) => {}
            Incoming::Response {
                request,
                ref response,
                ..
            } => self.register(now, |registrations, context| {
                registrations.answered(context, request, response);
            }),
            Incoming::RequestReset { request }
                if self.download(now, |downloads, context| {
                    downloads.unanswered(context, request)
                }) => {}
            Incoming::RequestReset { request } => self.register(now, |registrations, context| {
                registrations.unanswered(context, request, RegistrationFailure::Reset);
            }),
            Incoming::NotificationReset {
                token,
                notification,
            } => self.report_on(now, connection, |reporting, context, account| {
                reporting.rejected(context, account, token, notification);
            }),
            Incoming::Acknowledged {
                token,
                notification,
            } => self.report_on(now, connection, |reporting, context, account| {
                reporting.acknowledged(context, account, token, notification);
            }),
            _ => {}
        }
    }

    /// Handles the events of the endpoint, which are due to the passing of time or to calls.
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                coap::Event::RequestFailed { request, .. }
                    if self.download(now, |downloads, context| {
                        downloads.unanswered(context, request)
                    }) => {}
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
                _ => {}
            }
        }
    }

    /// Ends the registrations whose lifetime is over, before anything else (TS 5.3).
    fn expire(&mut self, now: Instant) {
        self.register(now, Registrations::expire);
    }

    /// Calls the registrations, and does what they ask for.
    fn register(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Registrations, &mut registrations::Context<'_>),
    ) {
        let mut context = registrations::Context {
            now,
            tree: &self.tree,
            endpoint: &mut self.endpoint,
            timers: &mut self.timers,
        };
        act(&mut self.registrations, &mut context);
        while let Some(report) = self.registrations.poll() {
            match report {
                Report::Ended(account) => self.end_service(now, account),
                Report::Offline(account) => {
                    self.report(now, |reporting, context| {
                        reporting.offline(context, account);
                    });
                }
                Report::Online(account) => {
                    self.report(now, |reporting, context| reporting.online(context, account));
                }
                Report::Tell(event) => self.events.push_back(event),
                Report::Rest(connection) => self.forget(now, connection),
                Report::Close(connection) => {
                    self.events
                        .push_back(ClientEvent::Disconnect { connection });
                    self.forget(now, connection);
                }
            }
        }
        if self.flows.is_leaving() {
            self.step_flow(now);
        }
    }

    /// Calls the requests.
    fn request<R>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Requests, &mut requests::Context<'_>) -> R,
    ) -> R {
        let mut context = requests::Context {
            now,
            tree: &mut self.tree,
            endpoint: &mut self.endpoint,
            attributes: &mut self.attributes,
            reporting: &mut self.reporting,
            timers: &mut self.timers,
            events: &mut self.events,
        };
        act(&mut self.requests, &mut context)
    }

    /// Calls the downloads.
    fn download<R>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Downloads, &mut downloads::Context<'_>) -> R,
    ) -> R {
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

    fn answer(
        &mut self,
        now: Instant,
        request: DeferredId,
        operation: DeferredOperation,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.expire(now);
        self.advance_objects(now);
        let (sent, effect) = self.request(now, |requests, context| {
            requests.answer(context, request, operation, result)
        })?;
        self.drain(now);
        self.follow_request(now, effect);
        self.follow_objects(now);
        Ok(sent?)
    }

    /// Calls the reporting.
    fn report<R>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Reporting, &mut reporting::Context<'_>) -> R,
    ) -> R {
        let mut context = reporting::Context {
            now,
            tree: &self.tree,
            attributes: &self.attributes,
            registrations: &self.registrations,
            endpoint: &mut self.endpoint,
            timers: &mut self.timers,
            events: &mut self.events,
            periods: KnownPeriods::default(),
        };
        act(&mut self.reporting, &mut context)
    }

    /// Calls the reporting about the account of a connection that is in use.
    fn report_on(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        act: impl FnOnce(&mut Reporting, &mut reporting::Context<'_>, AccountId),
    ) {
        if let Some(account) = self.registrations.account_on(connection) {
            self.report(now, |reporting, context| act(reporting, context, account));
        }
    }
}

/// What follows from requests and changes, each in one place.
impl Client {
    /// Does what follows from a request of a server.
    fn follow_request(&mut self, now: Instant, effect: Effect) {
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
                if let Some(account) = self.triggered(path) {
                    return self.update(now, account);
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
            Effect::Cancelled(account, cancellation) => self.report(now, |reporting, context| {
                reporting.cancel(context, account, cancellation);
            }),
        }
    }

    /// Commits changes of the application's own, with what follows from them in access control.
    fn commit(
        &mut self,
        now: Instant,
        owner: Option<ShortServerId>,
        changes: Vec<Change>,
    ) -> Result<(), WriteError> {
        let tree = &self.tree;
        let owners = match owner {
            Some(owner) => access::created(tree, owner, &changes)?,
            None => access::created_by_client(tree, &changes)?,
        };
        // No server reads the Security Object, but accounts come and go with it.
        let of_security = |path: &Path| path.object() == Some(ObjectId::SECURITY);
        let accounts: Vec<Path> = changes
            .iter()
            .map(Change::path)
            .filter(of_security)
            .collect();
        let differences = self.tree.change([changes, owners].concat())?;
        self.follow(now, differences.into_iter().chain(accounts));
        self.follow_objects(now);
        Ok(())
    }

    /// Does what follows from changes at these paths, whoever made them: what belongs to Object Instances
    /// and accounts that are gone ends, notifications become due, and servers are sent an Update if what
    /// they know has changed.
    fn follow(&mut self, now: Instant, paths: impl IntoIterator<Item = Path>) {
        let mut paths: Vec<Path> = paths.into_iter().collect();
        let mut gone = self.gone(&paths);
        let rights = self.without_rights_on(&gone);
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
        let changed = Changed::of(&self.tree, paths);
        if changed.touches_accounts() {
            self.register(now, Registrations::reconcile);
        }
        for path in &gone {
            self.attributes.remove_below(*path);
        }
        self.report(now, |reporting, context| {
            reporting.changed(context, &changed);
        });
        if changed.touches_registrations() {
            self.register(now, Registrations::refresh);
        }
        // An Update goes out before a notification (TS 8.3).
        for path in gone {
            self.report(now, |reporting, context| reporting.gone(context, path));
        }
    }

    /// The Objects and Object Instances among these paths that are no longer there.
    fn gone(&self, paths: &[Path]) -> Vec<Path> {
        let is_gone = |path: &&Path| {
            path.object().is_some()
                && path.resource().is_none()
                && !self.tree.target(**path).exists()
        };
        paths.iter().filter(is_gone).copied().collect()
    }

    /// Deletes the Access Control Object Instances about Object Instances that are gone, whoever deleted
    /// these (TS 7.3.1.2.2). Returns what was deleted.
    fn without_rights_on(&mut self, gone: &[Path]) -> Vec<Path> {
        let about = gone.iter().filter_map(|path| match path {
            Path::Instance(object, instance) => Some((*object, *instance)),
            _ => None,
        });
        let about =
            about.flat_map(|(object, instance)| access::deleted(&self.tree, object, instance));
        let changes: Vec<Change> = about.collect();
        if changes.is_empty() || self.tree.is_holding() {
            return Vec::new();
        }
        // An Object that keeps them gives no right on what isn't there.
        self.tree.change(changes).unwrap_or_default()
    }

    /// Brings the Objects to this moment: times are read as of now, and what has changed by itself counts,
    /// access rights among it, before anything is answered.
    fn advance_objects(&mut self, now: Instant) {
        self.tree.handle_timeout(now);
        self.follow_objects(now);
    }

    /// Does what follows from changes that Objects have made by themselves.
    fn follow_objects(&mut self, now: Instant) {
        let changed: Vec<Path> = core::iter::from_fn(|| self.tree.poll_changed()).collect();
        if !changed.is_empty() {
            self.follow(now, changed);
        }
        self.download(now, Downloads::follow);
    }

    /// The account whose Registration Update Trigger this is.
    fn triggered(&self, path: Path) -> Option<AccountId> {
        match path {
            Path::Resource(ObjectId::SERVER, instance, REGISTRATION_UPDATE_TRIGGER) => {
                self.registrations.account_of(instance)
            }
            _ => None,
        }
    }
}

/// Reboot and Factory Reset (TS E.4).
impl Client {
    /// Takes the next step: when the answer has left, the Client leaves its servers, and when it has left
    /// them, the flow is at its end.
    fn step_flow(&mut self, now: Instant) {
        if !self.flows.is_leaving() {
            let is_sending = self.endpoint.usage().transmissions > 0;
            return match self.flows.due(now, is_sending, &mut self.timers) {
                Some(Flow::Reboot) => self.register(now, Registrations::abandon),
                Some(Flow::FactoryReset) => self.register(now, Registrations::deregister),
                None => {}
            };
        }
        if self.registrations.has_links() {
            return;
        }
        let Some(flow) = self.flows.end() else {
            return;
        };
        self.download(now, Downloads::go_offline);
        self.drain(now);
        if flow == Flow::Reboot {
            return self.events.push_back(ClientEvent::Reboot);
        }
        let restored = self.tree.factory_reset();
        self.attributes.retain(|_| false);
        self.register(now, Registrations::reconcile);
        self.follow_objects(now);
        self.events
            .push_back(ClientEvent::FactoryReset { restored });
        self.start(now);
    }
}

/// How observations, registrations and connections end.
impl Client {
    /// A registration has ended: so do the observations and the deferred requests of its server
    /// (TS 5.5.1).
    fn end_service(&mut self, now: Instant, account: AccountId) {
        self.report(now, |reporting, context| {
            reporting.end_account(context, account);
        });
        self.request(now, |requests, context| {
            requests.end(context, |origin| origin.account == account);
        });
        // The De-register follows the answer to the Delete that has led to it.
        if !self.registrations.is_leaving_by_change(account)
            && let Some(connection) = self.registrations.connection(account)
        {
            self.endpoint.end_answers(now, &connection);
        }
    }

    /// Forgets a connection, and the requests that can no longer be answered on it. The endpoint still
    /// knows which requests have been run, until no copy of them can arrive.
    fn forget(&mut self, now: Instant, connection: ConnectionId) {
        self.request(now, |requests, context| {
            requests.end(context, |origin| origin.connection == connection);
        });
        self.endpoint.close_peer(now, &connection);
        self.drain(now);
    }
}

/// The five calls again, so that the trait need not be in scope.
impl Client {
    /// See [`Machine::handle_datagram`].
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ConnectionId>,
    ) -> Result<(), DatagramError> {
        Machine::handle_datagram(self, now, datagram)
    }

    /// See [`Machine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        Machine::handle_timeout(self, now);
    }

    /// See [`Machine::poll_transmit`].
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        Machine::poll_transmit(self)
    }

    /// See [`Machine::poll_event`].
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        Machine::poll_event(self)
    }

    /// See [`Machine::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        Machine::poll_timeout(self)
    }
}

/// Whether the bytes are a CoAP request.
fn is_request(datagram: &[u8]) -> bool {
    MessageRef::parse(datagram).is_ok_and(|message| message.code().kind() == CodeKind::Request)
}
