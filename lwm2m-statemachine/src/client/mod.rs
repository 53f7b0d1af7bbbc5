#![doc = include_str!("guide.md")]

mod accounts;
mod attributes;
mod changed;
mod config;
mod content;
mod discover;
mod downloads;
mod event;
mod observations;
mod refusal;
mod registrations;
mod requests;
mod timers;

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{
    Attributes, Code, CodeKind, Instant, NotificationConditions, ObjectId, Path, ResourceId,
    ShortServerId, Value,
};
use lwm2m_objects::{FetchFailure, Object, ObjectTree, WriteError};

use self::{
    accounts::Caller,
    attributes::AttributeStore,
    changed::Changed,
    downloads::Downloads,
    event::Events,
    observations::{Observation, Observations},
    refusal::Refusal,
    registrations::{Registrations, Report, Retry},
    requests::{Block, Effect, Origin, Requests},
    timers::{ObservationId, Timer, Timers},
};
pub use self::{
    config::{ClientConfig, ClientError, DownloadConfig, Reliability},
    event::{
        ClientEvent, ConnectionId, DeferredEnd, DeferredError, DeferredId, DeferredOperation,
        DownloadOutcome, DownloadStatus, InvalidAnswer, RegistrationFailure,
    },
};
use crate::{
    coap::{
        self, DatagramError, Endpoint, FailureReason, Incoming, MessageRef, NotificationId, Token,
    },
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
    observations: Observations,
    downloads: Downloads,
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
        let endpoint_name = config.check()?;
        config::check_objects(&tree)?;
        let accounts = accounts::of(&tree)?;
        // The endpoint has its own stream of randomness.
        let mut random = Random::new(config.coap.seed);
        let requests = Requests::new(&config);
        let attributes = AttributeStore::new(config.most_attributes);
        let max_transmit_wait = config.coap.transmission.max_transmit_wait();
        let observations = Observations::new(config.most_observations, config.notifications);
        let (retry_first, retry_most) = (config.retry_first, config.retry_most);
        let mut endpoint = config.coap;
        endpoint.seed = random.seed();
        let downloads = Downloads::new(config.downloads, Random::new(random.seed()));
        // An Object that takes a value piece by piece gets the blocks as they come.
        endpoint.stream_requests = true;
        let endpoint = Endpoint::new(endpoint);
        let retry = Retry {
            first: retry_first,
            most: retry_most,
            random,
        };
        Ok(Self {
            tree,
            endpoint,
            registrations: Registrations::new(accounts, endpoint_name, max_transmit_wait, retry),
            requests,
            attributes,
            observations,
            downloads,
            timers: Timers::new(),
            events: Events::new(),
        })
    }

    /// Starts the Client: it asks for a connection to every server that it has no connection to.
    pub fn start(&mut self, now: Instant) {
        self.register(now, Registrations::start);
    }

    /// The connection that [`ClientEvent::Connect`] asked for is up.
    pub fn connected(&mut self, now: Instant, connection: ConnectionId) {
        if self.download(now, |downloads, context| {
            downloads.connected(context, connection)
        }) {
            return;
        }
        self.register(now, |registrations, context| {
            registrations.connected(context, connection);
        });
    }

    /// A connection is lost, or could not be made. The Client asks for a new one later, and registers
    /// anew.
    pub fn disconnected(&mut self, now: Instant, connection: ConnectionId) {
        if self.download(now, |downloads, context| {
            downloads.disconnected(context, connection)
        }) {
            return self.drain(now);
        }
        self.register(now, |registrations, context| {
            registrations.disconnected(context, connection);
        });
        self.forget(now, connection);
    }

    /// Sends an Update to a server now (TS 5.3.2), if the Client is registered there.
    pub fn update(&mut self, now: Instant, server: ShortServerId) {
        self.register(now, |registrations, context| {
            registrations.update(context, server);
        });
    }

    /// De-registers from every server (TS 5.3.3). Each connection ends with
    /// [`ClientEvent::Disconnect`]; [`start`](Self::start) begins again.
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
        if self.tree.set(path, value)? {
            self.changed(now, path);
        }
        self.follow_objects(now);
        Ok(())
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
        self.follow_objects(now);
        result
    }

    /// Defers requests for this operation: from now on the application answers them itself. The
    /// Client emits an event for each request, and neither executes nor answers the request before
    /// the application does. The application may refuse, and may take a while. `path` is an Object,
    /// an Object Instance or a Resource, and covers everything below it. A Read or an Observe of a
    /// path above it is deferred too, as its answer has the same values. Notifications and the
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
    ///             println!("reboot once the answer has left: {path}");
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

    /// Whether the Client is registered with a server.
    pub fn is_registered(&self, server: ShortServerId) -> bool {
        self.registrations.is_registered(server)
    }

    /// Whether the Client is idle: no exchange is under way, nothing is left to send, and no event
    /// is pending.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle() && self.events.is_empty()
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
        let connection = datagram.from;
        let caller = self.registrations.caller(connection);
        // Requests on other connections, and before the registration is answered, are met with
        // silence: no acknowledgement and no Reset, so that a retransmission still works (TS 5.4).
        if caller.is_none() && is_request(datagram.payload) {
            return Ok(());
        }
        let received = self.endpoint.receive(now, &datagram);
        let result = received.map(|incoming| {
            if let Some(incoming) = incoming {
                self.route(now, connection, caller, incoming);
            }
        });
        self.drain(now);
        self.follow_objects(now);
        result
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tree.handle_timeout(now);
        self.follow_objects(now);
        self.endpoint.handle_timeout(now);
        self.drain(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Registration(server) => self.register(now, |registrations, context| {
                    registrations.due(context, server);
                }),
                Timer::Observation(id) => self.notify(now, id),
                Timer::Deferred(id) => {
                    self.request(now, |requests, context| requests.due(context, id));
                }
                Timer::Download(path) => {
                    self.download(now, |downloads, context| downloads.due(context, path));
                    self.follow_objects(now);
                }
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        self.endpoint.poll_transmit()
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
        caller: Option<Caller>,
        incoming: Incoming<'_>,
    ) {
        let origin = caller.map(|caller| Origin { caller, connection });
        match (incoming, origin) {
            (
                Incoming::Request {
                    responder,
                    request,
                    body,
                },
                Some(origin),
            ) => {
                // Times are read as of now.
                self.tree.handle_timeout(now);
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
                self.tree.handle_timeout(now);
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
            } => self.unobserve(now, connection, token, notification),
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
                    reason: FailureReason::Superseded,
                    ..
                } => {}
                // A server that doesn't acknowledge is gone (RFC 7641 §4.5).
                coap::Event::NotificationFailed {
                    peer,
                    token,
                    notification,
                    ..
                } => self.unobserve(now, peer, token, notification),
                coap::Event::TransferLost { transfer, .. } => {
                    self.requests.stream_lost(&mut self.tree, transfer);
                }
                _ => {}
            }
        }
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
                Report::ServiceEnded(connection) => self.end_service(now, connection),
                Report::Tell(event) => self.events.push_back(event),
                Report::Close(connection) => {
                    self.forget(now, connection);
                    self.events
                        .push_back(ClientEvent::Disconnect { connection });
                }
            }
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
            observations: &mut self.observations,
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
        // Times are read as of now.
        self.tree.handle_timeout(now);
        let (sent, effect) = self.request(now, |requests, context| {
            requests.answer(context, request, operation, result)
        })?;
        self.follow_request(now, effect);
        self.follow_objects(now);
        Ok(sent?)
    }

    /// A notification is due.
    fn notify(&mut self, now: Instant, id: ObservationId) {
        let Some((server, path)) = self.observations.target(id) else {
            return;
        };
        let conditions = self.conditions(server, path);
        let mut context = observations::Context {
            now,
            tree: &self.tree,
            endpoint: &mut self.endpoint,
            timers: &mut self.timers,
        };
        let notified = self.observations.notify(&mut context, id, conditions);
        if let Err((observer, refusal)) = notified {
            let (connection, token) = (observer.connection, observer.token());
            self.end_observations(now, |observation| {
                observation.observer.has(connection, token)
            });
            observations::notify_end(now, &mut self.endpoint, &observer, refusal);
        }
    }
}

/// What follows from requests and changes, each in one place.
impl Client {
    /// Does what follows from a request of a server.
    fn follow_request(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::Written {
                server,
                changes,
                differences,
            } => {
                self.follow(now, differences);
                self.events
                    .push_back(ClientEvent::Written { server, changes });
            }
            Effect::AttributesWritten { server, path } => {
                self.rearm(server, path);
                self.events
                    .push_back(ClientEvent::AttributesWritten { server, path });
            }
            Effect::Executed {
                server,
                path,
                arguments,
            } => match (self.triggered(path), arguments) {
                (Some(server), _) => self.update(now, server),
                (None, Some(arguments)) => self.events.push_back(ClientEvent::Execute {
                    server,
                    path,
                    arguments,
                }),
                (None, None) => {}
            },
            Effect::Observed(observation) => {
                let (server, path) = (observation.observer.server, observation.path);
                let conditions = self.conditions(server, path);
                self.observations
                    .add(now, *observation, conditions, &mut self.timers);
                self.events
                    .push_back(ClientEvent::Observed { server, path });
            }
            Effect::Cancelled(connection, cancellation) => {
                self.end_observations(now, |observation| {
                    let Observation { observer, path, .. } = observation;
                    observer.connection == connection && cancellation.ends(observer.token(), *path)
                });
            }
        }
    }

    /// Does what follows from changes at these paths, whoever made them: what belongs to Object Instances
    /// and accounts that are gone ends, notifications become due, and servers are sent an Update if what
    /// they know has changed.
    fn follow(&mut self, now: Instant, paths: impl IntoIterator<Item = Path>) {
        let paths: Vec<Path> = paths.into_iter().collect();
        let is_gone =
            |path: &&Path| matches!(path, Path::Instance(..)) && !self.tree.target(**path).exists();
        let gone: Vec<Path> = paths.iter().filter(is_gone).copied().collect();
        if paths
            .iter()
            .any(|path| path.object() == Some(ObjectId::SECURITY))
        {
            let tree = &self.tree;
            self.attributes
                .retain(|server| accounts::has_account(tree, server));
        }
        let changed = Changed::of(&self.tree, paths);
        let (tree, registrations, attributes) = (&self.tree, &self.registrations, &self.attributes);
        let mut known = BTreeMap::new();
        let conditions = |server, path| {
            let defaults = *known.entry(server).or_insert_with(|| {
                observations::default_periods(tree, registrations.server_instance(server))
            });
            attributes.effective(server, path).conditions(defaults)
        };
        self.observations
            .changed(&changed, conditions, &mut self.timers);
        if changed.touches_registrations() {
            self.register(now, Registrations::refresh);
        }
        // An Update goes out before a notification (TS 8.3).
        for path in gone {
            self.end_below(now, path);
        }
    }

    /// Does what follows from changes that Objects have made by themselves.
    fn follow_objects(&mut self, now: Instant) {
        let changed: Vec<Path> = core::iter::from_fn(|| self.tree.poll_changed()).collect();
        if !changed.is_empty() {
            self.follow(now, changed);
        }
        self.download(now, Downloads::follow);
    }

    /// What governs the notifications to a server about a path.
    fn conditions(&self, server: ShortServerId, path: Path) -> NotificationConditions {
        let instance = self.registrations.server_instance(server);
        let defaults = observations::default_periods(&self.tree, instance);
        self.attributes.effective(server, path).conditions(defaults)
    }

    /// The attributes that a server has set at a path have changed: they hold for its observations at
    /// once.
    fn rearm(&mut self, server: ShortServerId, path: Path) {
        let instance = self.registrations.server_instance(server);
        let defaults = observations::default_periods(&self.tree, instance);
        let conditions = |at| self.attributes.effective(server, at).conditions(defaults);
        self.observations
            .rearm(server, path, conditions, &mut self.timers);
    }

    /// The server whose Registration Update Trigger this is.
    fn triggered(&self, path: Path) -> Option<ShortServerId> {
        match path {
            Path::Resource(ObjectId::SERVER, instance, REGISTRATION_UPDATE_TRIGGER) => {
                self.registrations.server_of(instance)
            }
            _ => None,
        }
    }
}

/// How observations, registrations and connections end.
impl Client {
    /// Ends the observation of a notification that was rejected or not acknowledged. A later one with
    /// the same token is another observation.
    fn unobserve(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        token: Token,
        notification: NotificationId,
    ) {
        self.end_observations(now, |observation| {
            observation.observer.has(connection, token) && observation.has_sent(notification)
        });
    }

    /// Ends observations, and stops sending their notifications.
    fn end_observations(&mut self, now: Instant, of: impl Fn(&Observation) -> bool) {
        for ended in self.observations.end(&mut self.timers, of) {
            self.endpoint.end_notifications(
                now,
                &ended.observer.connection,
                ended.observer.token(),
            );
            self.events.push_back(ClientEvent::ObservationEnded {
                server: ended.observer.server,
                path: ended.path,
            });
        }
    }

    /// An Object Instance is gone, and with it the attributes and observations of all servers on it and
    /// below it. The observers get a 4.04 (RFC 7641 §4.2).
    fn end_below(&mut self, now: Instant, path: Path) {
        self.attributes.remove_below(path);
        let below = |observation: &Observation| path.contains(&observation.path);
        let observers: Vec<_> = self.observations.observers(below).cloned().collect();
        self.end_observations(now, below);
        for observer in observers {
            observations::notify_end(now, &mut self.endpoint, &observer, Refusal::NotFound);
        }
    }

    /// The registration on a connection has ended: so do the observations and the deferred requests of
    /// its server (TS 5.5.1).
    fn end_service(&mut self, now: Instant, connection: ConnectionId) {
        self.end_observations(now, |observation| {
            observation.observer.connection == connection
        });
        self.request(now, |requests, context| requests.end(context, connection));
    }

    /// Forgets a connection. The endpoint still knows which requests have been run, until no copy of
    /// them can arrive.
    fn forget(&mut self, now: Instant, connection: ConnectionId) {
        self.end_service(now, connection);
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
