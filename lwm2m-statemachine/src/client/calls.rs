//! What the application asks of a Client, and is told of it.

use alloc::vec::Vec;

use lwm2m_core::{Attributes, Code, InstanceId, Instant, ObjectId, Path, ShortServerId, Value};
use lwm2m_objects::{Change, FetchFailure, Object, ObjectTree, WriteError, access};

use super::{
    event::{
        AccountId, AccountStatus, DeferredError, DeferredId, DeferredOperation, DownloadStatus,
        ObservationStatus, StoredNotifications,
    },
    objects::{self, ObjectSet},
    parts::Client,
    registrations::Registrations,
    usage::ClientUsage,
};

/// Registrations and values.
impl Client {
    /// Sends an Update to the server of an account now (TS 5.3.2), if the Client is registered there. If
    /// it is offline or has no connection, the Update follows when it has.
    pub fn update(&mut self, now: Instant, account: AccountId) {
        self.register(now, |registrations, context| {
            registrations.update(context, account);
        });
    }

    /// De-registers from every server (TS 5.3.3). Each connection ends with
    /// [`ClientEvent::Disconnect`](super::ClientEvent::Disconnect) when the answer is there or is no longer waited for;
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
    /// that changes. What belongs to Object Instances that are gone afterwards ends, and servers are sent
    /// an Update if some came or went; new ones get no owner, as they do with [`change`](Self::change).
    /// `None` if there is no such Object.
    pub fn object<T: Object, R>(
        &mut self,
        now: Instant,
        id: ObjectId,
        act: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        self.tree.handle_timeout(now);
        let before = objects::instances(&self.tree, id);
        let result = self.tree.object_as_mut(id).map(act);
        let after = objects::instances(&self.tree, id);
        let mut differences: Vec<Path> = after.symmetric_difference(&before).copied().collect();
        if id == ObjectId::SERVER && differences.is_empty() {
            self.register(now, Registrations::reconcile);
        }
        if id == ObjectId::SECURITY {
            // Nobody reads it, but accounts are made of it.
            differences.push(id.into());
        }
        if !differences.is_empty() {
            self.follow(now, differences);
        }
        self.follow_objects(now);
        result
    }
}

/// Requests that the application decides about.
impl Client {
    /// Defers requests for this operation: from now on the application answers them itself. The
    /// Client emits an event for each request, and neither executes nor answers the request before
    /// the application does. The application may refuse, and may take a while. `path` is an Object,
    /// an Object Instance or a Resource, and covers everything below it. A Read, an Observe or a change
    /// of a path above it is deferred too, as it has the same values. Notifications and the
    /// answer to a Cancel Observation aren't deferred: they carry the value that the tree has.
    ///
    /// The Client makes all its checks first, so the application is asked only about requests that
    /// the server is allowed to make. A deferred request waits no longer than
    /// [`ClientConfig::answer_within`](super::ClientConfig::answer_within), and no more than [`ClientConfig::most_deferred`](super::ClientConfig::most_deferred) wait. A
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

    /// Answers [`ClientEvent::ExecuteAsked`](super::ClientEvent::ExecuteAsked). With `Ok` the Object [executes](Object::execute) and
    /// the server gets the result; no [`ClientEvent::Execute`](super::ClientEvent::Execute) follows, as the application knows
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

    /// Answers [`ClientEvent::ReadAsked`](super::ClientEvent::ReadAsked). `Ok` says that the tree has the value now (see
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

    /// Answers [`ClientEvent::ChangeAsked`](super::ClientEvent::ChangeAsked). With `Ok` the Client makes the change as it is right at this
    /// moment, and the server gets the result; no [`ClientEvent::Written`](super::ClientEvent::Written), [`ClientEvent::Created`](super::ClientEvent::Created) or
    /// [`ClientEvent::Deleted`](super::ClientEvent::Deleted) follows, as the application knows already. `Err` refuses with a code that
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

    fn answer(
        &mut self,
        now: Instant,
        request: DeferredId,
        operation: DeferredOperation,
        result: Result<(), Code>,
    ) -> Result<Code, DeferredError> {
        self.expire(now);
        self.advance_objects(now);
        let late = self.request(now, |requests, context| requests.expire(context, request));
        self.follow_request(now, late);
        let (sent, effect) = self.request(now, |requests, context| {
            requests.answer(context, request, operation, result)
        })?;
        self.drain(now);
        self.follow_request(now, effect);
        self.follow_objects(now);
        Ok(sent?)
    }
}

/// What the Client has and does.
impl Client {
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
