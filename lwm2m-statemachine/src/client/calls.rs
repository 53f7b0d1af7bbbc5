//! What the application asks of a Client, and is told of it.

use alloc::vec::Vec;
use core::time::Duration;

use lwm2m_core::{InstanceId, Instant, ObjectId, Path, ShortServerId, Value};
#[cfg(doc)]
use lwm2m_objects::access;
use lwm2m_objects::{Change, Object, ObjectTree, WriteError};

use super::{
    bootstrap::Bootstrap,
    config::{ClientConfig, ClientError},
    event::{AccountId, AccountStatus},
    objects::{self, ObjectSet},
    parts::Parts,
    registrations::{Action, Registrations},
    usage::ClientUsage,
    views::{Bootstrapping, DeferredRequests, ReportingStatus, RunningDownloads},
};

/// A LwM2M Client; see the [module](super).
#[derive(Debug)]
pub struct Client {
    pub(super) parts: Parts,
}

/// How it begins.
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
        let parts = Parts::new(config, tree)?;
        Ok(Self { parts })
    }

    /// Starts the Client: it asks for a connection to every server, and registers. So it does with
    /// servers whose accounts come later. Call it again to have the Client try at once where it waits for
    /// the next attempt ([`RegistrationFailed`](super::ClientEvent::RegistrationFailed)). While it leaves them for a Factory Reset, which starts it again,
    /// the call has no effect. Downloads that its Objects need, such as firmware, begin too.
    pub fn start(&mut self, now: Instant) {
        self.parts.start(now);
    }
}

/// Registrations and values.
impl Client {
    /// Sends an Update to the server of an account now (TS 5.3.2), if the Client is registered there. If
    /// it is offline or has no connection, the Update follows when it has.
    pub fn update(&mut self, now: Instant, account: AccountId) {
        self.parts.register(now, |registrations, context| {
            registrations.follow(context, account, Action::Update);
        });
    }

    /// De-registers from every server (TS 5.3.3). Each connection ends with
    /// [`ClientEvent::Disconnect`](super::ClientEvent::Disconnect) when the answer is there or is no longer waited for;
    /// [`start`](Self::start) begins again. If a Register of another account at the same server is under way, the
    /// De-register waits for its outcome.
    pub fn deregister(&mut self, now: Instant) {
        self.parts.bootstrap(now, Bootstrap::stop);
        self.parts.register(now, Registrations::deregister);
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
        if self.parts.tree.set(path, value)? || path.object() == Some(ObjectId::SECURITY) {
            self.changed(now, path);
        }
        self.parts.follow_objects(now);
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
        self.parts.commit(now, None, changes.into())
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
        self.parts.commit(now, Some(owner), changes.into())
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
        let at_once = component.is_none_or(|id| objects::are_told_at_once(&self.parts.tree, id));
        let mut set = ObjectSet::new(&mut self.parts.tree);
        act(&mut set);
        let (mut paths, came) = set.into_changes();
        let follow = move |parts: &mut Parts| {
            let rights = parts.came(came);
            paths.extend(rights.iter().flatten());
            parts.follow(now, paths);
            rights.map(drop)
        };
        let rights = if at_once {
            follow(&mut self.parts)
        } else {
            self.parts.hold_news(follow)
        };
        self.parts.follow_objects(now);
        rights
    }

    /// Reports that a value at `path` has changed. Use it for values that the tree doesn't hold
    /// itself.
    pub fn changed(&mut self, now: Instant, path: Path) {
        self.parts.follow(now, [path]);
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
        self.parts.tree.handle_timeout(now);
        let before = objects::instances(&self.parts.tree, id);
        let result = self.parts.tree.object_as_mut(id).map(act);
        let after = objects::instances(&self.parts.tree, id);
        let mut differences: Vec<Path> = after.symmetric_difference(&before).copied().collect();
        if id == ObjectId::SERVER && differences.is_empty() {
            self.parts.register(now, Registrations::reconcile);
        }
        if id == ObjectId::SECURITY {
            // Nobody reads it, but accounts are made of it.
            differences.push(id.into());
        }
        if !differences.is_empty() {
            self.parts.follow(now, differences);
        }
        self.parts.follow_objects(now);
        result
    }
}

/// What the Client has and does.
impl Client {
    /// The Objects.
    pub const fn tree(&self) -> &ObjectTree {
        &self.parts.tree
    }

    /// The requests that the application decides about.
    pub const fn deferred(&mut self) -> DeferredRequests<'_> {
        DeferredRequests::new(&mut self.parts)
    }

    /// What the Client fetches for its Objects (TS E.6).
    pub const fn downloads(&mut self) -> RunningDownloads<'_> {
        RunningDownloads::new(&mut self.parts)
    }

    /// The Bootstrap interface (TS 5.2).
    pub const fn bootstrapping(&mut self) -> Bootstrapping<'_> {
        Bootstrapping::new(&mut self.parts)
    }

    /// What the servers observe, and by which attributes (TS 5.1, 5.5).
    pub const fn reporting(&self) -> ReportingStatus<'_> {
        ReportingStatus::new(&self.parts)
    }

    /// The accounts, in the order of their Security Object Instances, with those that can't be used
    /// (TS 5.2.2).
    pub fn accounts(&self) -> impl Iterator<Item = AccountStatus> {
        let bootstrap = &self.parts.bootstrap;
        self.parts
            .registrations
            .statuses()
            .map(|status| AccountStatus {
                connection: status.connection.or(bootstrap.connection(status.id)),
                ..status
            })
    }

    /// An account, if there is one of this name.
    pub fn account(&self, account: AccountId) -> Option<AccountStatus> {
        self.accounts().find(|status| status.id == account)
    }

    /// Whether the Client is registered with the server of an account. A registration lives on without a
    /// connection, until its lifetime is over.
    pub fn is_registered(&self, account: AccountId) -> bool {
        self.parts.registrations.is_registered(account)
    }

    /// For how long the server of an account is still disabled (TS E.2, Resource 4), to be saved across a restart;
    /// `None` if it isn't. A [snapshot](Self::snapshot) has it, too.
    pub fn disabled_for(&self, now: Instant, account: AccountId) -> Option<Duration> {
        self.parts.registrations.disabled_for(now, account)
    }

    /// Disables the server of an account for `remaining`: takes up [`disabled_for`](Self::disabled_for) after a
    /// restart, with what was left, less the time that has passed since. Call it before [`start`](Self::start);
    /// a Client that is registered there de-registers. Returns `false` if there is no such server.
    pub fn resume_disabled(
        &mut self,
        now: Instant,
        account: AccountId,
        remaining: Duration,
    ) -> bool {
        let found = self.account(account);
        let is_server = found.is_some_and(|found| found.server_instance.is_some());
        if is_server {
            self.parts.register(now, |registrations, context| {
                let disable = Action::DisableFor(remaining);
                registrations.follow(context, account, disable);
            });
        }
        is_server
    }

    /// Whether the application has called [`go_offline`](Self::go_offline), and not
    /// [`go_online`](Self::go_online) since.
    pub const fn is_offline(&self) -> bool {
        self.parts.registrations.is_offline()
    }

    /// Whether the Client is idle: no exchange is under way, nothing is left to send, and no event
    /// is pending.
    pub fn is_idle(&self) -> bool {
        let has_event = !self.parts.events.is_empty() || self.parts.sleep_to_tell().is_some();
        self.parts.endpoint.is_idle() && !has_event
    }

    /// Whether the device may power down until [`poll_timeout`](Self::poll_timeout), as
    /// [`ClientEvent::MaySleep`](super::ClientEvent::MaySleep) tells: each server with a registration is in Queue
    /// Mode and believes that the Client is asleep, and nothing is under way (TS 8.3). It costs little.
    pub fn may_sleep(&self) -> bool {
        self.parts.may_sleep()
    }

    /// What the Client holds.
    pub fn usage(&self) -> ClientUsage {
        let (deferred, streams) = self.parts.requests.usage();
        ClientUsage {
            accounts: self.parts.registrations.statuses().count(),
            observations: self.parts.reporting.observed().count(),
            stored_notifications: self.parts.reporting.all_stored(),
            attributes: self.parts.attributes.len(),
            deferred,
            streams,
            downloads: self.parts.downloads.len(),
            timers: self.parts.timers.len(),
            events: self.parts.events.len(),
            coap: self.parts.endpoint.usage(),
        }
    }
}
