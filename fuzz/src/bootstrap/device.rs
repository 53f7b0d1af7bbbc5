//! The Client with its driver and its application, and what must hold of its tree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lwm2m_core::{AccessRights, Instant, ObjectId, Path, Value};
use lwm2m_kit::{instance, server_id};
use lwm2m_objects::{
    Change, ObjectTree, Snapshot, Store, Typed as _,
    typed::{self, AccessControl},
};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session, client::Inbound,
};

use super::commands::SECRET;

/// What the application sets.
pub(super) const COUNTER: Path = Path::of(&[3, 0, 10]).unwrap();
pub(super) const LIFETIME: Path = Path::of(&[1, 0, 1]).unwrap();

/// The URI of the Bootstrap-Server of the factory.
const BOOTSTRAP: &str = "coaps://bootstrap";

/// What the first byte of a program decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    servers: u16,
    hold_off: Option<u32>,
    timeout: Option<u32>,
    block_size: usize,
}

impl Kind {
    pub(super) fn new(byte: u8) -> Self {
        let of = |bit: u8, value: u32| (byte & bit != 0).then_some(value);
        Self {
            servers: u16::from(byte & 3) % 3,
            hold_off: of(4, 30),
            timeout: of(8, 60),
            block_size: if byte & 16 == 0 { 1024 } else { 64 },
        }
    }

    fn own(self) -> typed::Security {
        let key = format!("{SECRET}bootstrap");
        let keys = typed::Security::pre_shared_key(BOOTSTRAP, server_id(1), "device", key);
        typed::Security {
            client_hold_off_time: self.hold_off,
            bootstrap_account_timeout: self.timeout,
            ..keys.into_bootstrap_server()
        }
    }

    /// The tree as the factory has made it.
    fn tree(self) -> ObjectTree {
        let ids: Vec<_> = (0..self.servers)
            .map(|at| (at, server_id(101 + at)))
            .collect();
        let security = ids.iter().map(|(at, id)| {
            let key = format!("{SECRET}{at:08}");
            let uri = format!("coaps://server{id}");
            (
                instance(at + 1),
                typed::Security::pre_shared_key(uri, *id, "device", key),
            )
        });
        let mut tree = ObjectTree::new();
        tree.add(Store::of(
            [(instance(0), self.own())].into_iter().chain(security),
        ));
        let mut servers = Store::new(typed::Server::DEFINITION);
        if !ids.is_empty() {
            let all = ids
                .iter()
                .map(|(at, id)| (instance(*at), typed::Server::new(*id, 300)));
            servers = Store::of(all);
        }
        tree.add(servers);
        let mut rights = Store::new(AccessControl::DEFINITION);
        if let [(_, first), (_, second)] = *ids {
            let on = |object, at, owner| AccessControl::on_instance(object, instance(at), owner);
            let device = AccessControl {
                acl: vec![(second.get(), AccessRights::READ)],
                ..on(ObjectId::DEVICE, 0, first)
            };
            rights = Store::of([
                (instance(0), on(ObjectId::SERVER, 0, first)),
                (instance(1), on(ObjectId::SERVER, 1, second)),
                (instance(2), device),
            ]);
        }
        tree.add(rights);
        tree.add(Store::of([(instance(0), typed::Device::example())]));
        tree
    }

    fn client(self, tree: ObjectTree) -> Client {
        let mut config = ClientConfig::new("device", [7; 32]);
        config.coap.block_size = self.block_size;
        Client::new(config, tree).expect("the mandatory Objects")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Connection {
    of_bootstrap: bool,
    is_up: bool,
}

pub(super) struct Device {
    kind: Kind,
    pub(super) client: Client,
    connections: BTreeMap<ConnectionId, Connection>,
    /// What is in force.
    tree: ObjectTree,
    saved: Snapshot,
    /// Whether a bootstrap has started and not ended.
    is_open: bool,
}

impl Device {
    pub(super) fn new(kind: Kind) -> Self {
        let tree = kind.tree();
        Self {
            kind,
            client: kind.client(kind.tree()),
            connections: BTreeMap::new(),
            saved: tree.snapshot(),
            tree,
            is_open: false,
        }
    }

    /// The power is cut: what was saved is what was in force.
    pub(super) fn restart(&mut self) {
        self.check();
        let mut tree = self.kind.tree();
        tree.restore(&self.client.tree().snapshot())
            .expect("a valid snapshot");
        self.client = self.kind.client(tree);
        self.connections.clear();
        self.is_open = false;
    }

    /// The application sets a value.
    pub(super) fn set(&mut self, now: Instant, path: Path, value: i64) {
        let value = Value::Integer(value);
        if self.client.set(now, path, value.clone()).is_ok()
            && self.tree.change([Change::Set { path, value }]).is_ok()
        {
            self.saved = self.tree.snapshot();
        }
    }

    pub(super) fn inbound(&mut self, now: Instant, account: u16) {
        let account = AccountId::new(instance(account));
        if let Ok(connection) = self.client.inbound(now, Inbound::Account(account)) {
            let up = Connection {
                of_bootstrap: true,
                is_up: true,
            };
            self.connections.insert(connection, up);
        }
    }

    /// The connections that are asked for are made, or fail.
    pub(super) fn connect(&mut self, now: Instant, succeeds: bool) {
        let asked: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, at)| !at.is_up)
            .map(|(id, _)| *id)
            .collect();
        for id in asked {
            if succeeds {
                if let Some(at) = self.connections.get_mut(&id) {
                    at.is_up = true;
                }
                self.client.connected(now, id, Session::New);
            } else {
                self.connections.remove(&id);
                self.client.disconnected(now, id);
            }
        }
    }

    /// One of the connections that are up is lost.
    pub(super) fn lose(&mut self, now: Instant, choice: u8) {
        let up: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, at)| at.is_up)
            .map(|(id, _)| *id)
            .collect();
        if let Some(id) = up.get(usize::from(choice) % up.len().max(1)) {
            self.connections.remove(id);
            self.client.disconnected(now, *id);
        }
    }

    /// A datagram of the Bootstrap-Server, on its newest connection that is up; or on that of a server.
    pub(super) fn receive(&mut self, now: Instant, of_bootstrap: bool, datagram: &[u8]) {
        let mut all = self.connections.iter().rev();
        let up = all.find(|(_, at)| at.is_up && at.of_bootstrap == of_bootstrap);
        if let Some((connection, _)) = up {
            // The error only informs.
            let _ = self
                .client
                .handle_datagram(now, Datagram::new(*connection, datagram));
            // A server may change what it has the right to, but not while a bootstrap is under way.
            if !of_bootstrap && !self.is_open {
                self.in_force();
            }
        }
    }

    pub(super) fn answer(&mut self, now: Instant, to: ConnectionId, datagram: &[u8]) {
        if self.connections.get(&to).is_some_and(|at| at.is_up) {
            let _ = self
                .client
                .handle_datagram(now, Datagram::new(to, datagram));
        }
    }

    /// What the Client sends; false if there is nothing.
    pub(super) fn sends(&mut self, asked: &mut VecDeque<(ConnectionId, Vec<u8>)>) -> bool {
        let Some(sent) = self.client.poll_transmit() else {
            return false;
        };
        let at = self.connections.get(&sent.to);
        assert!(
            at.is_some_and(|at| at.is_up),
            "it sends on a connection that isn't up"
        );
        let has_key = sent
            .payload
            .windows(SECRET.len())
            .any(|at| at == SECRET.as_bytes());
        assert!(!has_key, "it sends a key");
        asked.push_back((sent.to, sent.payload.to_vec()));
        true
    }

    /// What it tells; false if there is nothing.
    pub(super) fn tells(&mut self) -> bool {
        let Some(event) = self.client.poll_event() else {
            return false;
        };
        let shown = format!("{event:?}");
        let numbers = format!("{:?}", SECRET.as_bytes());
        assert!(
            !shown.contains(SECRET) && !shown.contains(numbers.trim_matches(['[', ']'])),
            "a key is shown: {shown}"
        );
        match event {
            ClientEvent::Connect {
                connection,
                security,
                ..
            } => {
                let asked = Connection {
                    of_bootstrap: security.bootstrap_server,
                    is_up: false,
                };
                self.connections.insert(connection, asked);
            }
            ClientEvent::Disconnect { connection } => drop(self.connections.remove(&connection)),
            ClientEvent::BootstrapStarted { .. } => {
                assert!(!self.is_open, "a bootstrap starts while one is under way");
                self.is_open = true;
            }
            ClientEvent::BootstrapFinished { .. } => {
                assert!(self.is_open, "a bootstrap that never started is finished");
                self.is_open = false;
                check_consistent(self.client.tree());
                self.in_force();
            }
            ClientEvent::BootstrapFailed { .. } => {
                self.is_open = false;
                assert!(!self.client.tree().is_holding() || self.is_open);
            }
            // The application has asked for nothing of the kind: it is the time of the account.
            ClientEvent::BootstrapAccountPurged { .. } => self.in_force(),
            _ => {}
        }
        true
    }

    /// What the Client has now counts.
    fn in_force(&mut self) {
        self.saved = self.client.tree().snapshot();
        self.tree.restore(&self.saved).expect("a valid snapshot");
    }

    /// What a restart would find is what is in force, and the tree holds back nothing without a bootstrap.
    pub(super) fn check(&self) {
        let saved = self.client.tree().snapshot();
        if saved != self.saved {
            let mut tree = self.kind.tree();
            tree.restore(&saved).expect("a valid snapshot");
            let (is, should_be) = (values(&tree), values(&self.tree));
            let differs = |path: &&Path| is.get(path) != should_be.get(path);
            let paths: BTreeSet<_> = is.keys().chain(should_be.keys()).filter(differs).collect();
            panic!("the tree is neither as before nor as finished: {paths:?}");
        }
        assert_eq!(
            self.client.tree().is_holding(),
            self.is_open,
            "commits are held"
        );
    }
}

/// All Object Instances and Resources of a tree, with their values.
fn values(tree: &ObjectTree) -> BTreeMap<Path, Option<Value>> {
    let mut values = BTreeMap::new();
    for object in tree.objects() {
        let object = object.definition().id;
        for instance in tree.instances(object) {
            values.insert(Path::Instance(object, instance), None);
            for resource in tree.resources(object, instance) {
                let path = Path::Resource(object, instance, resource.id);
                values.insert(path, None);
                tree.visit(path, |path, value| {
                    values.insert(path, Some(value.to_owned()));
                });
            }
        }
    }
    values
}

/// There are accounts of servers, each has both halves, and there is one Bootstrap-Server at most (TS 5.2.2,
/// 5.2.6).
fn check_consistent(tree: &ObjectTree) {
    let of = |object: ObjectId, resource: u16| {
        let all = tree.instances(object);
        all.filter_map(
            move |at| match tree.get(Path::Resource(object, at, resource.into())) {
                Some(Value::Integer(id)) => Some(id),
                Some(Value::Boolean(is)) => Some(is.into()),
                _ => None,
            },
        )
    };
    let ids: Vec<i64> = of(ObjectId::SERVER, 0).collect();
    let servers: BTreeSet<i64> = ids.iter().copied().collect();
    assert!(
        !servers.is_empty() && servers.len() == ids.len(),
        "the servers {ids:?}"
    );
    let own = of(ObjectId::SECURITY, 1).filter(|is| *is == 1).count();
    assert!(own <= 1, "{own} accounts of Bootstrap-Servers");
    let securities = tree.instances(ObjectId::SECURITY).count();
    assert_eq!(securities - own, servers.len(), "halves of accounts");
}
