//! A device, its Bootstrap-Server, either of which may begin a session, and a server that it may have, on a network
//! in virtual time.

use core::time::Duration;
use std::{collections::BTreeMap, sync::OnceLock};

use lwm2m_core::{InstanceId, Instant, ObjectId, ShortServerId, ValueRef};
use lwm2m_examples::secure::{
    client::SecureClient,
    credentials::{ClientCredentials, Expiry, ServerCredentials, WallClock},
    listening::{ClientWay, InboundNews, ListeningClient},
    pure::{Pure, PureOptions},
    server::{SecurePeer, SecureServer, SessionNews, Transport},
    sessions::Bounds,
};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_simulation::{Address, Application, Handle, Host, Link, Network};
use lwm2m_statemachine::{
    AccountId, BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Client, ClientConfig,
    ClientEvent, ConnectionId, Server, ServerConfig,
    bootstrap_server::{BootstrapFailure, Plan},
};

use crate::{
    keys::{certified, key, server_credentials},
    world::{ServerHost, ServerSide, client_stack, server_stack},
};

pub(crate) const NAME: &str = "device";
pub(crate) const BOOTSTRAP_ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
/// No account of a server has this number: those of Bootstrap-Servers have none.
const ANY: ShortServerId = ShortServerId::new(1).unwrap();

pub(crate) type DeviceHost = Host<DeviceSide>;
pub(crate) type BootstrapHost = Host<BootstrapSide>;
type Event = BootstrapServerEvent<SecurePeer<Address>>;

/// The account of the Bootstrap-Server, with this key. The device waits a day for it.
pub(crate) fn bootstrap_psk(key: &[u8]) -> typed::Security {
    let account = typed::Security::pre_shared_key("coaps://bootstrap", ANY, NAME, key);
    waiting(account.into_bootstrap_server())
}

/// A device waits a day for the Bootstrap-Server of this account, before it asks itself (TS 5.2.4).
fn waiting(account: typed::Security) -> typed::Security {
    typed::Security {
        client_hold_off_time: Some(86_400),
        ..account
    }
}

/// The account of the Bootstrap-Server, with certificates.
pub(crate) fn bootstrap_certificate() -> typed::Security {
    let (device, bootstrap) = (certified(NAME), certified("bootstrap"));
    let keys = typed::Certificates {
        certificate: &device.certificate,
        private_key: &device.private_key,
        server_certificate: &bootstrap.certificate,
    };
    waiting(typed::Security::certificate("coaps://bootstrap", ANY, keys).into_bootstrap_server())
}

/// The library of the Bootstrap-Server, which knows the device.
fn bootstrap_stack() -> Pure {
    static STACK: OnceLock<Pure> = OnceLock::new();
    let make = || {
        let credentials = ServerCredentials {
            certificate: Some(certified("bootstrap")),
            ..server_credentials()
        };
        Pure::server(PureOptions::default(), &credentials).unwrap()
    };
    STACK.get_or_init(make).clone()
}

/// The keys with which the Bootstrap-Server reaches the device.
pub(crate) fn reaching_psk(identity: &str, key: &[u8]) -> ClientCredentials {
    ClientCredentials::PreSharedKey {
        identity: identity.as_bytes().to_vec(),
        key: key.to_vec(),
    }
}

/// The certificates with which the Bootstrap-Server reaches the device, whose name is its host.
pub(crate) fn reaching_certificate(own: &str) -> ClientCredentials {
    let (device, own) = (certified(NAME), certified(own));
    ClientCredentials::Certificate {
        certificate: own.certificate,
        private_key: own.private_key,
        server_certificate: device.certificate,
        host: NAME.to_owned(),
    }
}

/// A device, its Bootstrap-Server, a server, and the network between them.
pub(crate) struct Yard {
    pub(crate) network: Network,
    pub(crate) device: Handle<DeviceHost>,
    pub(crate) bootstrap: Handle<BootstrapHost>,
    pub(crate) server: Handle<ServerHost>,
}

impl Yard {
    /// The device has these accounts, and isn't started.
    pub(crate) fn new(seed: u64, link: Link, accounts: &[typed::Security]) -> Self {
        Self::with_server(seed, link, accounts, server_stack())
    }

    /// The server has these keys.
    pub(crate) fn with_server(
        seed: u64,
        link: Link,
        accounts: &[typed::Security],
        keys: Pure,
    ) -> Self {
        Self::with_dates(seed, link, accounts, keys, Expiry::Accept)
    }

    /// The device does this about the dates of certificates.
    pub(crate) fn with_dates(
        seed: u64,
        link: Link,
        accounts: &[typed::Security],
        keys: Pure,
        expiry: Expiry,
    ) -> Self {
        Self::set_up(seed, link, accounts, keys, expiry, Bounds::device(1))
    }

    /// Sessions that others begin with the device have these bounds.
    pub(crate) fn with_bounds(seed: u64, accounts: &[typed::Security], bounds: Bounds) -> Self {
        let link = Link::default();
        Self::set_up(seed, link, accounts, server_stack(), Expiry::Accept, bounds)
    }

    fn set_up(
        seed: u64,
        link: Link,
        accounts: &[typed::Security],
        keys: Pure,
        expiry: Expiry,
        bounds: Bounds,
    ) -> Self {
        let mut network = Network::new(seed);
        network.set_default_link(link);
        let config = BootstrapServerConfig::new(network.random().seed());
        let machine = BootstrapServer::new(config);
        let machine = SecureServer::new(machine, bootstrap_stack(), Bounds::server(1));
        let bootstrap = network.add("bootstrap", Host::new(machine, BootstrapSide::default()));
        let server = Server::new(ServerConfig::new(network.random().seed()));
        let server = SecureServer::new(server, keys, Bounds::server(1));
        let server = network.add("server", Host::new(server, ServerSide::default()));
        let seed = network.random().seed();
        let stack = if expiry == Expiry::Accept {
            client_stack()
        } else {
            let mut options = PureOptions::default();
            options.expiry = expiry;
            Pure::client(options)
        };
        let client = SecureClient::new(bootstrapped(seed, accounts), stack);
        let listening = Pure::client(PureOptions::default());
        let machine = ListeningClient::new(client, listening, bounds, expiry);
        let side = DeviceSide {
            bootstrap: network.address(bootstrap),
            server: network.address(server),
            others: BTreeMap::new(),
            open: BTreeMap::new(),
            events: Vec::new(),
        };
        let device = network.add("device", Host::new(machine, side));
        Self {
            network,
            device,
            bootstrap,
            server,
        }
    }

    /// Starts the device.
    pub(crate) fn started(mut self) -> Self {
        let device = self.device;
        self.network
            .with(device, |host, now| host.machine.secure.client.start(now));
        self
    }

    /// The Bootstrap-Server begins a session.
    pub(crate) fn reach(&mut self, keys: &ClientCredentials) {
        let at = self.network.address(self.device);
        self.network.with(self.bootstrap, |host, now| {
            host.machine.connect(now, &at, keys).unwrap();
        });
    }

    /// Runs for some seconds.
    pub(crate) fn run(&mut self, seconds: u64) {
        self.network.run_for(Duration::from_secs(seconds));
    }

    /// What became of sessions that others began with the device since the last call.
    pub(crate) fn inbound(&mut self) -> Vec<InboundNews<Address>> {
        self.network.with(self.device, |host, _| {
            core::iter::from_fn(|| host.machine.next_news()).collect()
        })
    }

    /// What became of sessions of the Bootstrap-Server since the last call.
    pub(crate) fn news(&mut self) -> Vec<SessionNews<Address>> {
        self.network.with(self.bootstrap, |host, _| {
            core::iter::from_fn(|| host.machine.next_news()).collect()
        })
    }

    /// The peer that the Bootstrap-Server has reached since the last call.
    pub(crate) fn reached(&mut self) -> SecurePeer<Address> {
        let connected = |news: &_| match news {
            SessionNews::Connected { peer, .. } => Some(*peer),
            _ => None,
        };
        let news = self.news();
        let reached = news.iter().find_map(connected);
        reached.unwrap_or_else(|| panic!("not reached: {news:?}"))
    }

    /// Begins a bootstrap with a peer.
    pub(crate) fn begin(&mut self, peer: SecurePeer<Address>, plan: &Plan) {
        self.network.with(self.bootstrap, |host, now| {
            let channel = lwm2m_statemachine::Channel::Udp;
            let begun = host.machine.server.begin(now, NAME, peer, channel, plan);
            begun.unwrap();
        });
    }

    /// What the device has sent by now.
    pub(crate) fn sent_by_device(&self) -> Vec<Vec<u8>> {
        let from = self.network.address(self.device).node;
        let records = self.network.records().iter();
        records
            .filter(|record| record.from.node == from)
            .map(|record| record.payload.clone())
            .collect()
    }

    /// The key of an account, as the device has it.
    pub(crate) fn key(&self, account: AccountId) -> Vec<u8> {
        let tree = self.network.node(self.device).machine.secure.client.tree();
        let path = lwm2m_core::Path::of(&[0, account.instance().get(), 5]).unwrap();
        match tree.get(path).as_ref().map(lwm2m_core::Value::as_ref) {
            Some(ValueRef::Opaque(key)) => key.to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

/// The Client of a device with these accounts.
pub(crate) fn bootstrapped(seed: [u8; 32], accounts: &[typed::Security]) -> Client {
    let mut tree = ObjectTree::new();
    let mut security = Vec::new();
    let mut servers = Vec::new();
    for (number, account) in (0..).zip(accounts) {
        let instance = InstanceId::new(number).unwrap();
        if let Some(id) = account.short_server_id {
            servers.push((instance, typed::Server::new(id, 86_400)));
        }
        security.push((instance, account.clone()));
    }
    // With several servers each has its own Server Object Instance, and the device belongs to the first (TS 7.3.1).
    if let [(_, first), _, ..] = &servers[..] {
        let owner = first.short_server_id;
        let control = typed::AccessControl::on_instance(ObjectId::DEVICE, InstanceId::ZERO, owner);
        tree.add(Store::of([(InstanceId::ZERO, control)]));
    }
    tree.add(Store::of(security));
    tree.add(Store::of(servers));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    Client::new(ClientConfig::new(NAME, seed), tree).unwrap()
}

/// Certificates count only until they expire, and that has happened: it is 2040.
pub(crate) fn all_expired() -> Expiry {
    Expiry::Refuse(WallClock {
        at: Instant::ZERO,
        since_epoch: Duration::from_secs(70 * 365 * 86_400),
    })
}

/// The application of the device.
#[derive(Debug)]
pub(crate) struct DeviceSide {
    /// Where its own connections lead.
    bootstrap: Address,
    server: Address,
    /// Where further hosts are.
    pub(crate) others: BTreeMap<String, Address>,
    open: BTreeMap<ConnectionId, Address>,
    pub(crate) events: Vec<ClientEvent>,
}

impl Application for DeviceSide {
    type Machine = ListeningClient<Address, Pure>;

    fn handle_event(&mut self, now: Instant, machine: &mut Self::Machine, event: ClientEvent) {
        match &event {
            ClientEvent::Connect {
                connection,
                security,
                uri,
                ..
            } => {
                let host = uri.split("://").nth(1).unwrap_or_default();
                let at = match host {
                    "bootstrap" => self.bootstrap,
                    host => *self.others.get(host).unwrap_or(&self.server),
                };
                self.open.insert(*connection, at);
                machine.secure.open(now, *connection, security, host);
            }
            ClientEvent::Disconnect { connection } => {
                self.open.remove(connection);
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn peer(&mut self, address: Address) -> Option<ClientWay<Address>> {
        // The newest connection to a server counts, as with a socket for each.
        let mut own = self.open.iter().rev();
        let own = own.find(|(_, at)| **at == address);
        Some(own.map_or(ClientWay::Inbound(address), |(connection, _)| {
            ClientWay::Own(*connection)
        }))
    }

    fn address(&self, way: &ClientWay<Address>) -> Option<Address> {
        match way {
            ClientWay::Own(connection) => self.open.get(connection).copied(),
            ClientWay::Inbound(address) => Some(*address),
        }
    }
}

/// The application of the Bootstrap-Server.
#[derive(Debug, Default)]
pub(crate) struct BootstrapSide {
    pub(crate) events: Vec<Event>,
    /// What a client is told that asks.
    pub(crate) plan: Option<Plan>,
}

impl BootstrapSide {
    /// How bootstraps have ended.
    pub(crate) fn outcomes(&self) -> Vec<&Result<(), BootstrapFailure>> {
        let mut outcomes = Vec::new();
        for event in &self.events {
            if let BootstrapServerEvent::Ended { outcome, .. } = event {
                outcomes.push(outcome);
            }
        }
        outcomes
    }
}

impl Application for BootstrapSide {
    type Machine = SecureServer<Address, Pure, BootstrapServer<SecurePeer<Address>>>;

    fn handle_event(&mut self, now: Instant, machine: &mut Self::Machine, event: Event) {
        if let (BootstrapServerEvent::Requested { bootstrap, .. }, Some(plan)) =
            (&event, &self.plan)
        {
            machine.server.start(now, *bootstrap, plan).unwrap();
        }
        self.events.push(event);
    }

    fn peer(&mut self, address: Address) -> Option<Transport<Address>> {
        Some(Transport::Dtls(address))
    }

    fn address(&self, peer: &Transport<Address>) -> Option<Address> {
        Some(*peer.address())
    }
}

/// The key of the account at the start.
pub(crate) fn first_key() -> Vec<u8> {
    key(1)
}
