//! The Client with its connections, and what must hold of what it sends and tells.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{AccessRights, InstanceId, Instant, ObjectId, Operation, Path};
use lwm2m_kit::{Watch, assert_only_accounts_left};
use lwm2m_objects::{Change, access};
use lwm2m_statemachine::{
    AccountId, Channel as Transport, Client, ClientConfig, ClientEvent, ConnectionId, Datagram,
    Session,
    client::{DeferredId, DeferredOperation, Inbound, InboundRefusal},
};

use super::{
    kind::Kind,
    numbers,
    objects::{self, BATTERY_LEVEL, BOOTSTRAP, KEY, REBOOT, SERVERS, THING, instance},
    observations::Observations,
    operations::{Channel, Operations, Origin},
    outcomes::{Outcomes, server_of},
    values::Values,
};

/// The connection to the server of a package, which needs no account.
pub(super) const DOWNLOAD: usize = 100;

/// A connection that was asked for, or that the other side has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) server: usize,
    pub(super) is_up: bool,
    is_inbound: bool,
}

/// A request that waits for the application.
#[derive(Debug)]
pub(super) enum Waiting {
    Execute(String),
    Read,
    Change {
        operation: Operation,
        path: Path,
        changes: Vec<Change>,
    },
}

/// What held before a call: what it may do depends on that.
#[derive(Debug, Default)]
struct Before {
    registered: Vec<bool>,
    rights: BTreeMap<(usize, InstanceId), AccessRights>,
    may_create: Vec<bool>,
}

pub(super) struct Device {
    pub(super) client: Client,
    pub(super) kind: Kind,
    most: Bounds,
    connections: BTreeMap<ConnectionId, Connection>,
    /// A connection that is gone.
    gone: Option<ConnectionId>,
    /// How many sessions there have been with each server.
    sessions: BTreeMap<usize, u32>,
    before: Before,
    watch: Watch,
    sent: Vec<(usize, Channel, Vec<u8>)>,
    pub(super) waiting: BTreeMap<DeferredId, Waiting>,
    pub(super) book: Book,
    /// Whether a datagram to the Client had the key: then it need not be the Client's.
    told_key: bool,
}

/// What is written down beside the Client, to compare with what it does.
pub(super) struct Book {
    pub(super) values: Values,
    /// The values of the factory, if Factory Reset goes back to them.
    pub(super) factory: Option<Values>,
    pub(super) operations: Operations,
    pub(super) observations: Observations,
    pub(super) outcomes: Outcomes,
    pub(super) counter: u32,
}

/// What the configuration bounds.
#[derive(Clone, Copy)]
struct Bounds {
    observations: usize,
    deferred: usize,
    attributes: usize,
    stored: usize,
}

impl Bounds {
    const fn of(config: &ClientConfig) -> Self {
        Self {
            observations: config.most_observations,
            deferred: config.deferring.most,
            attributes: config.most_attributes,
            stored: config.storing.most,
        }
    }
}

impl Device {
    pub(super) fn new(kind: Kind, now: Instant) -> Self {
        let config = kind.config();
        let most = Bounds::of(&config);
        let mut client = Client::new(config, objects::tree(kind, now)).expect("a Client");
        if kind.defers() {
            client.deferred().defer(DeferredOperation::Execute, REBOOT);
            client
                .deferred()
                .defer(DeferredOperation::Read, BATTERY_LEVEL);
        }
        if kind.defers_changes() {
            client
                .deferred()
                .defer(DeferredOperation::Change, objects::thing(0));
            client
                .deferred()
                .defer(DeferredOperation::Change, Path::Object(THING));
        }
        let values = Values::of(client.tree());
        let mut device = Self {
            client,
            kind,
            most,
            connections: BTreeMap::new(),
            gone: None,
            sessions: BTreeMap::new(),
            before: Before::default(),
            watch: Watch::default(),
            sent: Vec::new(),
            waiting: BTreeMap::new(),
            book: Book {
                factory: kind.has_left_factory().then(|| values.clone()),
                values,
                operations: Operations::new(2),
                observations: Observations::default(),
                outcomes: Outcomes::default(),
                counter: 0,
            },
            told_key: false,
        };
        device.begin();
        device
    }

    /// Before a call.
    pub(super) fn begin(&mut self) {
        let tree = self.client.tree();
        let accounts = (0..=BOOTSTRAP).map(|id| AccountId::new(instance(id)));
        self.before.registered = accounts.map(|id| self.client.is_registered(id)).collect();
        self.before.rights.clear();
        let things: Vec<InstanceId> = tree.instances(THING).collect();
        for (at, server) in SERVERS.into_iter().enumerate() {
            for thing in &things {
                let rights = access::rights(tree, server, THING, *thing);
                self.before.rights.insert((at, *thing), rights);
            }
        }
        let may_create = |server| access::may_create(tree, server, THING);
        self.before.may_create = SERVERS.into_iter().map(may_create).collect();
    }

    /// After a call, when it has sent and told everything.
    pub(super) fn settle(&mut self) {
        self.note_readers();
        self.watch.judge();
        for (server, channel, datagram) in core::mem::take(&mut self.sent) {
            self.book.operations.judge(server, channel, &datagram);
            self.book.observations.judge(server, &datagram);
        }
        self.book.observations.settle(&self.client);
        self.book.outcomes.settle(&mut self.client);
    }

    /// What holds at any time.
    pub(super) fn check(&self) {
        let mut seen = BTreeSet::new();
        let servers = self.connections.values();
        let mut servers = servers.filter(|at| at.server != DOWNLOAD);
        assert!(
            servers.all(|at| seen.insert((at.server, at.is_inbound))),
            "two connections to one server"
        );
        self.book.values.check(self.client.tree());
        let usage = self.client.usage();
        let most = self.most;
        let accounts = usage.accounts;
        assert!(
            usage.observations <= most.observations * accounts,
            "{usage:?}"
        );
        assert!(usage.deferred <= most.deferred * accounts, "{usage:?}");
        assert_eq!(usage.deferred, self.waiting.len(), "{:?}", self.waiting);
        assert!(usage.attributes <= most.attributes * accounts, "{usage:?}");
        assert!(
            usage.stored_notifications <= most.stored * accounts,
            "{usage:?}"
        );
        assert!(usage.downloads <= 2, "{usage:?}");
        let mut stored = 0;
        for account in self.client.accounts() {
            stored += self.client.reporting().stored(account.id).waiting;
            let has = |id| self.connections.contains_key(&id);
            assert!(account.connection.is_none_or(has), "{account:?}");
        }
        assert_eq!(usage.stored_notifications, stored);
        assert_eq!(usage.events, 0);
    }

    /// When everything has ended, and all time has passed.
    pub(super) fn check_idle(&self) {
        assert!(self.connections.is_empty(), "a connection is left");
        assert!(self.waiting.is_empty(), "a request waits for ever");
        assert_only_accounts_left(&self.client);
    }

    /// The servers that may read a Thing may know the operations that have written it.
    fn note_readers(&mut self) {
        let tree = self.client.tree();
        let things: Vec<InstanceId> = tree.instances(THING).collect();
        for (at, server) in SERVERS.into_iter().enumerate() {
            for thing in &things {
                let rights = access::rights(tree, server, THING, *thing);
                if rights.contains(AccessRights::READ) {
                    let path = Path::Instance(THING, *thing);
                    let numbers = self.book.values.numbers(path);
                    self.book.operations.may_read(at, numbers);
                }
            }
        }
    }
}

/// Connections.
impl Device {
    /// One of the connections that are up.
    pub(super) fn up(&self, choice: u8) -> Option<ConnectionId> {
        let up: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_up)
            .map(|(id, _)| *id)
            .collect();
        up.get(usize::from(choice) % up.len().max(1)).copied()
    }

    pub(super) fn at(&self, connection: ConnectionId) -> Option<Connection> {
        self.connections.get(&connection).copied()
    }

    fn channel(&self, id: ConnectionId, connection: Connection) -> Channel {
        if connection.is_inbound {
            return Channel::Inbound(id);
        }
        let session = self.sessions.get(&connection.server);
        Channel::Server(connection.server, session.copied().unwrap_or_default())
    }

    /// What a server has sent arrives.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        id: ConnectionId,
        datagram: &[u8],
        origin: &Origin,
    ) {
        self.told_key |= shows(datagram, KEY);
        let Some(connection) = self.at(id) else {
            return;
        };
        if connection.server == usize::from(BOOTSTRAP) {
            // It is silent here: the target `bootstrap` says what it may send.
            return;
        }
        let from = (connection.server, self.channel(id, connection));
        let operations = &mut self.book.operations;
        operations.arrives(now, from, datagram, origin);
        let mut datagram = Datagram::new(id, datagram);
        if connection.is_inbound {
            datagram.channel = Transport::Sms;
        }
        // The error only informs.
        let _ = self.client.handle_datagram(now, datagram);
    }

    /// All connections that are asked for come up.
    pub(super) fn connect_all(&mut self, now: Instant) {
        let asked = self.connections.iter().filter(|(_, at)| !at.is_up);
        let asked: Vec<ConnectionId> = asked.map(|(id, _)| *id).collect();
        for id in asked {
            self.connect(now, id, Session::New);
        }
    }

    fn connect(&mut self, now: Instant, id: ConnectionId, session: Session) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.is_up = true;
        // Without security it is the same place (RFC 7252 §4.5).
        if connection.server == 1 && session == Session::New {
            *self.sessions.entry(1).or_default() += 1;
        }
        self.client.connected(now, id, session);
    }

    /// The other side is another one from now on.
    pub(super) fn is_another(&mut self, server: usize) {
        *self.sessions.entry(server).or_default() += 1;
    }

    /// Something becomes of a connection.
    pub(super) fn connection(&mut self, now: Instant, choice: u8, what: u8) {
        if what & 0x40 != 0 {
            return self.begins_elsewhere(now, what & 0x0f);
        }
        let at = usize::from(choice) % self.connections.len().max(1);
        let Some((id, connection)) = self.connections.iter().nth(at) else {
            return;
        };
        let (id, connection) = (*id, *connection);
        match what & 3 {
            0 if connection.is_up => {
                self.book.outcomes.gives_up(connection.server);
                self.client.address_changed(now, id);
            }
            1 => self.lose(now, id),
            _ if !connection.is_up => {
                let session = [Session::New, Session::Resumed][usize::from(what & 1)];
                self.connect(now, id, session);
            }
            _ => {}
        }
    }

    fn lose(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id) {
            self.book.outcomes.gives_up(connection.server);
            self.gone = Some(id);
            self.client.disconnected(now, id);
        }
    }

    /// The other side begins a connection, or the application mixes connections up.
    fn begins_elsewhere(&mut self, now: Instant, what: u8) {
        let server = u16::from(what & 3);
        match (what, self.gone) {
            (0..=3, _) => {
                let number = objects::number(server);
                self.take_inbound(now, Inbound::Sms { number: &number }, server);
            }
            (4, _) => {
                let account = AccountId::new(instance(BOOTSTRAP));
                self.take_inbound(now, Inbound::Account(account), BOOTSTRAP);
            }
            (5, _) => {
                let account = AccountId::new(instance(0));
                let taken = self.client.inbound(now, Inbound::Account(account));
                let refusal = taken.expect_err("an account of a server");
                assert_ne!(refusal, InboundRefusal::NotServed);
            }
            (6, _) => {
                let number = "49";
                let taken = self.client.inbound(now, Inbound::Sms { number });
                assert_eq!(taken, Err(InboundRefusal::Unknown));
            }
            (7 | 8, Some(gone)) => self.client.connected(now, gone, Session::New),
            (9, Some(gone)) => self.client.disconnected(now, gone),
            (10, Some(gone)) => self.client.address_changed(now, gone),
            (_, Some(gone)) => {
                let get = [0x40, 1, 0, what, 0xb1, b'3'];
                let _ = self.client.handle_datagram(now, Datagram::new(gone, &get));
            }
            _ => {}
        }
    }

    fn take_inbound(&mut self, now: Instant, from: Inbound<'_>, server: u16) {
        if let Ok(id) = self.client.inbound(now, from) {
            assert!(!self.client.is_offline(), "taken while offline");
            let connection = Connection {
                server: server.into(),
                is_up: true,
                is_inbound: true,
            };
            let before = self.connections.insert(id, connection);
            // Further short messages of a server are of the same connection.
            let is_it = before.is_none_or(|before| before == connection);
            assert!(is_it, "a connection has the name of another");
        }
    }

    /// What the other side has begun ends.
    pub(super) fn end_inbound(&mut self, now: Instant) {
        let inbound = self.connections.iter().filter(|(_, at)| at.is_inbound);
        let inbound: Vec<ConnectionId> = inbound.map(|(id, _)| *id).collect();
        for id in inbound {
            self.lose(now, id);
        }
    }
}

/// What the Client sends and tells.
impl Device {
    /// What it sends next, and on which connection.
    pub(super) fn sent(&mut self, now: Instant) -> Option<(ConnectionId, Vec<u8>)> {
        let transmit = self.client.poll_transmit()?;
        let (id, datagram) = (transmit.to, transmit.payload.to_vec());
        let known = self.at(id);
        let connection = known.expect("it sends to a connection that is gone");
        assert!(connection.is_up, "it sends to a connection that isn't up");
        assert!(!self.client.is_offline(), "it sends while it is offline");
        let server = connection.server;
        if server < SERVERS.len() {
            let account = AccountId::new(instance(server as u16));
            let registered = self.before.registered[server] || self.client.is_registered(account);
            self.watch.sends(now, server, registered, &datagram);
            self.book.outcomes.sends(server, &datagram);
        }
        let channel = self.channel(id, connection);
        self.sent.push((server, channel, datagram.clone()));
        if !self.told_key {
            assert!(!shows(&datagram, KEY), "a key leaves the device");
        }
        Some((id, datagram))
    }

    /// Takes an event; false if there is none.
    pub(super) fn follow(&mut self, now: Instant) -> bool {
        let Some(event) = self.client.poll_event() else {
            return false;
        };
        self.book.outcomes.hears(&event);
        match event {
            ClientEvent::Connect {
                connection,
                account,
                ..
            } => self.asks_for(connection, server_of(account)),
            ClientEvent::ConnectForDownload { connection, .. } => {
                self.asks_for(connection, DOWNLOAD);
            }
            ClientEvent::Disconnect { connection } => {
                let known = self.connections.remove(&connection);
                assert!(known.is_some(), "a connection ends that isn't there");
                self.gone = Some(connection);
            }
            ClientEvent::Registered { account, .. } | ClientEvent::Updated { account } => {
                self.watch.accepted(server_of(account));
            }
            ClientEvent::Observed { account, path } => {
                self.book.observations.begins(account, path);
            }
            ClientEvent::ObservationEnded { account, path } => {
                self.book.observations.ends(account, path);
            }
            ClientEvent::Reboot => {
                self.book.outcomes.gives_up_all();
                self.client.start(now);
            }
            ClientEvent::FactoryReset { restored } => {
                self.book.outcomes.gives_up_all();
                if let Some(factory) = &self.book.factory {
                    assert_eq!(restored, Ok(()));
                    self.book.values = factory.clone();
                } else if self.kind.has_left_factory() {
                    self.book.values = Values::of(self.client.tree());
                }
                (0..SERVERS.len()).for_each(|server| self.is_another(server));
            }
            event => self.follow_request(event),
        }
        true
    }

    fn asks_for(&mut self, id: ConnectionId, server: usize) {
        assert!(
            !self.client.is_offline(),
            "a connection is asked for offline"
        );
        let connection = Connection {
            server,
            is_up: false,
            is_inbound: false,
        };
        let before = self.connections.insert(id, connection);
        assert_eq!(before, None, "a connection has the name of another");
    }

    /// What follows from a request of a server.
    fn follow_request(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Written { account, changes } => {
                for change in &changes {
                    self.check_right(server_of(account), change.path(), AccessRights::WRITE);
                }
                self.written(&changes);
            }
            ClientEvent::Created { account, instances } => {
                let server = server_of(account);
                let may = self.before.may_create.get(server);
                assert_eq!(may, Some(&true), "a Create without the right");
                self.created(&instances);
            }
            ClientEvent::Deleted { account, path } => {
                self.check_right(server_of(account), path, AccessRights::DELETE);
                self.deleted(path);
            }
            ClientEvent::Execute {
                account,
                path,
                arguments,
            } => {
                self.check_right(server_of(account), path, AccessRights::EXECUTE);
                self.executed(&arguments);
            }
            ClientEvent::ExecuteAsked {
                request, arguments, ..
            } => self.asked(request, Waiting::Execute(arguments)),
            ClientEvent::ReadAsked { request, .. } => self.asked(request, Waiting::Read),
            ClientEvent::ChangeAsked {
                request,
                operation,
                path,
                changes,
                ..
            } => {
                let change = Waiting::Change {
                    operation,
                    path,
                    changes,
                };
                self.asked(request, change);
            }
            ClientEvent::DeferredEnded { request, .. } => {
                assert!(self.waiting.remove(&request).is_some(), "it did not wait");
            }
            _ => {}
        }
    }

    fn asked(&mut self, request: DeferredId, waiting: Waiting) {
        let before = self.waiting.insert(request, waiting);
        assert!(before.is_none(), "{request} is asked twice");
    }

    fn check_right(&self, server: usize, path: Path, needed: AccessRights) {
        if let Path::Instance(THING, thing)
        | Path::Resource(THING, thing, _)
        | Path::ResourceInstance(THING, thing, ..) = path
        {
            let rights = self.before.rights.get(&(server, thing));
            assert!(
                rights.is_some_and(|rights| rights.contains(needed)),
                "server {server} has no right to change {path}"
            );
        }
    }
}

/// Operations take effect.
impl Device {
    pub(super) fn written(&mut self, changes: &[Change]) {
        self.book.values.commit(self.client.tree(), changes);
        let mut numbers = BTreeMap::new();
        for change in changes {
            if let Change::Set { path, value } = change
                && path.object() == Some(THING)
                && let Some(number) = numbers::of_value(value.as_ref())
            {
                *numbers.entry(number).or_default() += 1;
            }
        }
        self.book.operations.takes_effect(&numbers);
    }

    pub(super) fn created(&mut self, instances: &[Path]) {
        let mut numbers = BTreeMap::new();
        for path in instances {
            self.book.values.replaced(self.client.tree(), *path);
            if path.object() == Some(THING) {
                for number in self.book.values.numbers(*path) {
                    *numbers.entry(number).or_default() += 1;
                }
            }
        }
        self.book.operations.takes_effect(&numbers);
    }

    pub(super) fn deleted(&mut self, path: Path) {
        let change = Change::Delete { path };
        self.book.values.commit(self.client.tree(), &[change]);
        if let Path::Instance(ObjectId::SERVER | ObjectId::SECURITY, account) = path {
            self.is_another(account.get().into());
        }
    }

    pub(super) fn executed(&mut self, arguments: &str) {
        let numbers = numbers::operations(arguments.as_bytes());
        let numbers = numbers.into_iter().map(|number| (number, 1)).collect();
        self.book.operations.takes_effect(&numbers);
    }
}

fn shows(datagram: &[u8], secret: &[u8]) -> bool {
    let mut parts = datagram.windows(secret.len());
    parts.any(|bytes| bytes == secret)
}
