//! The Client, its application and its connections, and what must hold of them.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    AccessRights, Code, DataType, InstanceId, Instant, ObjectId, Path, ShortServerId, Value,
};
use lwm2m_kit::{Watch, assert_only_accounts_left};
use lwm2m_objects::{
    Answer, Change, ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store,
    firmware::{self, FirmwareUpdateObject},
    typed::{self, AccessControl, AclTarget, FirmwareUpdate},
};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Reliability,
    client::{DeferredError, DeferredId, DeferredOperation, Session},
};

const SERVERS: [ShortServerId; 3] = [
    ShortServerId::new(101).unwrap(),
    ShortServerId::new(102).unwrap(),
    ShortServerId::new(103).unwrap(),
];
const REBOOT: Path = Path::of(&[3, 0, 4]).unwrap();
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
/// The connection to the server of a package, which is none of the three.
const DOWNLOAD: usize = 3;
const THING: ObjectId = ObjectId::new(26_241);

/// What no server may ever see, and what only the first one may.
const KEY: &[u8] = b"0123456789abcdef";
const SECRET: &str = "only-for-the-first";

static RESOURCES: [ResourceDefinition; 4] = [
    ResourceDefinition::new(1, "Number", Operations::ReadWrite, DataType::Integer).mandatory(),
    ResourceDefinition::new(2, "Text", Operations::ReadWrite, DataType::String),
    ResourceDefinition::new(3, "Slots", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::executable(4, "Run"),
];
static DEFINITION: ObjectDefinition =
    ObjectDefinition::new(THING, "Thing", "urn:oma:lwm2m:x:26241", &RESOURCES).multiple();

pub(super) struct Device {
    pub(super) client: Client,
    /// The connections with their servers, and whether they are up.
    connections: BTreeMap<ConnectionId, (usize, bool)>,
    watch: Watch,
    /// With which servers it was registered before the call.
    registered: [bool; 3],
    /// The requests that wait for the application, and which are Executes.
    waiting: BTreeMap<DeferredId, bool>,
    /// Whether a datagram to the Client had one of the secrets: then it need not be the Client's.
    told_secrets: bool,
}

fn shows(datagram: &[u8], secret: &[u8]) -> bool {
    let mut parts = datagram.windows(secret.len());
    parts.any(|bytes| bytes == secret)
}

fn instance(id: u16) -> InstanceId {
    InstanceId::new(id).expect("an Object Instance ID")
}

fn account(server: usize) -> AccountId {
    AccountId::new(instance(server as u16))
}

impl Device {
    pub(super) fn new(kind: u8) -> Self {
        let mut config = ClientConfig::new("device", [3; 32]);
        config.coap.block_size = 16 << (kind % 4 * 2);
        if kind & 0x08 != 0 {
            config.notifications = Reliability::Confirmable;
        }
        if kind & 0x10 != 0 {
            let bounds = &mut config.coap.bounds;
            (bounds.peers, bounds.records, bounds.records_per_peer) = (3, 16, 8);
            (bounds.answers.bytes, bounds.answers.bytes_per_peer) = (600, 500);
            (bounds.requests_per_peer, bounds.transmissions_per_peer) = (3, 2);
            bounds.notifications_per_peer = 2;
            config.most_observations = 3;
            config.most_deferred = 1;
            config.most_attributes = 2;
        }
        let mut client = Client::new(config, tree(kind)).expect("a Client");
        if kind & 0x40 != 0 {
            client.deferred().defer(DeferredOperation::Execute, REBOOT);
            client
                .deferred()
                .defer(DeferredOperation::Read, BATTERY_LEVEL);
        }
        Self {
            client,
            connections: BTreeMap::new(),
            watch: Watch::default(),
            registered: [false; 3],
            waiting: BTreeMap::new(),
            told_secrets: false,
        }
    }

    fn is_registered(&self, server: usize) -> bool {
        self.client.is_registered(account(server))
    }

    /// Before a call: what it may send depends on what holds now.
    pub(super) fn begin(&mut self, _: Instant) {
        self.registered = [0, 1, 2].map(|server| self.is_registered(server));
    }

    /// One of the connections that are up.
    pub(super) fn up(&self, choice: u8) -> Option<ConnectionId> {
        let up: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, (_, up))| *up)
            .map(|(connection, _)| *connection)
            .collect();
        up.get(usize::from(choice) % up.len().max(1)).copied()
    }

    pub(super) fn receive(&mut self, now: Instant, connection: ConnectionId, datagram: &[u8]) {
        self.told_secrets |= shows(datagram, KEY) || shows(datagram, SECRET.as_bytes());
        if self.connections.contains_key(&connection) {
            let datagram = Datagram::new(connection, datagram);
            let _ = self.client.handle_datagram(now, datagram);
        }
    }

    /// All connections that are asked for come up.
    pub(super) fn connect_all(&mut self, now: Instant) {
        let asked = self.connections.iter_mut().filter(|(_, (_, up))| !up);
        let asked: Vec<ConnectionId> = asked
            .map(|(connection, (_, up))| {
                *up = true;
                *connection
            })
            .collect();
        for connection in asked {
            self.client.connected(now, connection, Session::New);
        }
    }

    /// Something becomes of a connection.
    pub(super) fn connection(&mut self, now: Instant, choice: u8, what: u8) {
        let at = usize::from(choice) % self.connections.len().max(1);
        let Some((connection, (server, up))) = self.connections.iter().nth(at) else {
            return;
        };
        let (connection, server, up) = (*connection, *server, *up);
        match what & 3 {
            0 if up => self.client.address_changed(now, connection),
            1 => {
                self.connections.remove(&connection);
                self.client.disconnected(now, connection);
            }
            _ if !up => {
                let session = [Session::New, Session::Resumed][usize::from(what & 1)];
                self.connections.insert(connection, (server, true));
                self.client.connected(now, connection, session);
            }
            _ => {}
        }
    }

    pub(super) fn come_online(&mut self, now: Instant) {
        self.client.go_online(now);
    }

    /// A call of the application.
    pub(super) fn call(&mut self, now: Instant, which: u8) {
        match which {
            0..=2 => self.client.update(now, account(usize::from(which))),
            3 => self.client.deregister(now),
            4 | 5 => self.client.start(now),
            6 => self.client.go_offline(now),
            7 | 8 => self.client.go_online(now),
            9 => self
                .client
                .deferred()
                .defer(DeferredOperation::Execute, Path::Object(THING)),
            10 => {
                let path = Path::Object(THING);
                self.client
                    .deferred()
                    .stop(DeferredOperation::Execute, path);
            }
            _ => self.client.changed(now, BATTERY_LEVEL),
        }
    }

    /// The application changes a value.
    pub(super) fn change(&mut self, now: Instant, which: u8, value: u8) {
        let path = match which {
            0 => Path::of(&[1, 0, 1]),
            1 => Path::of(&[1, 1, 6]),
            2 => Path::of(&[26_241, 0, 1]),
            3 => Path::of(&[26_241, 1, 1]),
            _ => Some(BATTERY_LEVEL),
        };
        let path = path.expect("a path");
        let value = match which {
            0 => Value::Integer(i64::from(value) * 4 + 4),
            1 => Value::Boolean(value & 1 != 0),
            _ => Value::Integer(value.into()),
        };
        let _ = self.client.set(now, path, value);
    }

    /// The application answers the oldest request that waits for it.
    pub(super) fn answer(&mut self, now: Instant, consents: bool) {
        let Some((request, is_execute)) = self.waiting.pop_first() else {
            return;
        };
        let answer = consents.then_some(()).ok_or(Code::METHOD_NOT_ALLOWED);
        let answered = if is_execute {
            self.client.deferred().answer_execute(now, request, answer)
        } else {
            self.client.deferred().answer_read(now, request, answer)
        };
        let fine = matches!(answered, Ok(_) | Err(DeferredError::Overload(_)));
        assert!(fine, "{answered:?}");
    }

    /// What it sends next, and on which connection.
    pub(super) fn sent(&mut self, now: Instant) -> Option<(ConnectionId, Vec<u8>)> {
        let transmit = self.client.poll_transmit()?;
        let (connection, datagram) = (transmit.to, transmit.payload.to_vec());
        let known = self.connections.get(&connection);
        let (server, up) = *known.expect("it sends to a connection that is gone");
        assert!(up, "it sends to a connection that isn't up");
        assert!(!self.client.is_offline(), "it sends while it is offline");
        if server != DOWNLOAD {
            let registered = self.registered[server] || self.is_registered(server);
            self.watch.sends(now, server, registered, &datagram);
        }
        if !self.told_secrets {
            assert!(!shows(&datagram, KEY), "a key leaves the device");
            let is_secret = server != 0 && shows(&datagram, SECRET.as_bytes());
            assert!(!is_secret, "a value leaves that the server may not read");
        }
        Some((connection, datagram))
    }

    /// Takes an event; false if there is none.
    pub(super) fn follow(&mut self, _: Instant) -> bool {
        let Some(event) = self.client.poll_event() else {
            self.watch.judge();
            return false;
        };
        match event {
            ClientEvent::Connect {
                connection,
                account,
                ..
            } => {
                assert!(
                    !self.client.is_offline(),
                    "a connection is asked for offline"
                );
                let server = usize::from(account.instance().get());
                let before = self.connections.insert(connection, (server, false));
                assert_eq!(before, None, "a connection has the name of another");
            }
            ClientEvent::ConnectForDownload { connection, .. } => {
                let before = self.connections.insert(connection, (DOWNLOAD, false));
                assert_eq!(before, None, "a connection has the name of another");
            }
            ClientEvent::Disconnect { connection } => {
                let known = self.connections.remove(&connection);
                assert!(known.is_some(), "a connection ends that isn't there");
            }
            ClientEvent::Registered { account, .. } | ClientEvent::Updated { account } => {
                self.watch.accepted(account.instance().get().into());
            }
            ClientEvent::ExecuteAsked { request, .. } => {
                assert_eq!(self.waiting.insert(request, true), None);
            }
            ClientEvent::ReadAsked { request, .. } => {
                assert_eq!(self.waiting.insert(request, false), None);
            }
            ClientEvent::DeferredEnded { request, .. } => {
                assert!(self.waiting.remove(&request).is_some(), "it did not wait");
            }
            ClientEvent::Written { account, changes } => {
                let server = usize::from(account.instance().get());
                let secret = Path::Instance(THING, instance(1));
                let reaches = |change: &Change| secret.contains(&change.path());
                assert!(
                    server == 0 || !changes.iter().any(reaches),
                    "no right to write"
                );
            }
            _ => {}
        }
        true
    }

    /// What holds at any time.
    pub(super) fn check(&self) {
        let mut seen = BTreeSet::new();
        let servers = self.connections.values().map(|(server, _)| *server);
        let mut servers = servers.filter(|server| *server != DOWNLOAD);
        assert!(
            servers.all(|server| seen.insert(server)),
            "two connections to one server"
        );
    }

    pub(super) fn check_idle(&self) {
        assert!(self.connections.is_empty(), "a connection is left");
        assert!(self.waiting.is_empty(), "a request waits for ever");
        assert_only_accounts_left(&self.client);
    }
}

/// The first server owns everything, and the second Thing alone; the others may use the first one.
fn tree(kind: u8) -> ObjectTree {
    let mut tree = ObjectTree::new();
    let servers = || (0..).map(instance).zip(SERVERS);
    tree.add(Store::of(servers().map(|(id, server)| {
        let security = if id.get() == 1 {
            typed::Security::pre_shared_key("coaps://server1", server, "device", KEY)
        } else {
            typed::Security::no_sec(format!("coap://server{id}"), server)
        };
        (id, security)
    })));
    let lifetime = if kind & 0x04 == 0 { 86_400 } else { 60 };
    tree.add(Store::of(servers().map(|(id, server)| {
        let account = typed::Server {
            default_minimum_period: Some(0),
            notification_storing: id.get() != 2,
            ..typed::Server::new(server, lifetime)
        };
        (id, account)
    })));
    let use_it = AccessRights::READ | AccessRights::WRITE | AccessRights::EXECUTE;
    let first = SERVERS[0].get();
    let all = [
        (ObjectId::SERVER, 0, None),
        (ObjectId::SERVER, 1, Some(use_it)),
        (ObjectId::SERVER, 2, Some(use_it)),
        (ObjectId::DEVICE, 0, Some(use_it)),
        (THING, 0, Some(use_it)),
        (THING, 1, None),
        (ObjectId::FIRMWARE_UPDATE, 0, Some(use_it)),
    ];
    let controls = all.into_iter().map(|(object, id, default)| AccessControl {
        target: AclTarget::Instance(object, instance(id)),
        acl: default.into_iter().map(|rights| (0, rights)).collect(),
        owner: first,
    });
    let creates = AccessControl {
        target: AclTarget::Object(THING),
        acl: vec![(first, AccessRights::CREATE)],
        owner: AccessControl::NOBODY,
    };
    let controls = (0..).map(instance).zip(controls.chain([creates]));
    tree.add(Store::of(controls));
    let device = typed::Device {
        timezone: Some("UTC".into()),
        ..typed::Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    tree.add(
        Store::new(&DEFINITION)
            .with(instance(0), 1, 1)
            .with(instance(0), 2, "for all")
            .with_instances(instance(0), 3, [(0, 1)])
            .with_executable(instance(0), 4)
            .with(instance(1), 1, 1)
            .with(instance(1), 2, SECRET)
            .managed(4),
    );
    let firmware = FirmwareUpdate {
        package_uri: String::new(),
        state: firmware::State::Idle,
        result: firmware::UpdateResult::Initial,
        package_name: None,
        package_version: None,
        protocols: Vec::new(),
        delivery: firmware::DeliveryMethod::Both,
    };
    let firmware = FirmwareUpdateObject::new(firmware, |_| Answer::Done);
    tree.add(firmware.expect("names that fit"));
    tree
}
