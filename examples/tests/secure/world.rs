//! A device and a server on a network in virtual time.

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::sync::OnceLock;

use lwm2m_core::{
    BindingMode, ContentFormat, InstanceId, Instant, Path, ShortServerId, Value, WriteMode,
    codec::Content,
};
use lwm2m_examples::secure::{
    client::{ConnectionFailure, SecureClient},
    credentials::ServerCredentials,
    pure::{Pure, PureOptions, SMS_PAYLOAD},
    server::{SecurePeer, SecureServer, SessionNews, Transport},
    sessions::Bounds,
};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_simulation::{Address, Application, Handle, Host, Link, Network};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Server, ServerConfig, ServerEvent,
    server::{Outcome, RegistrationId},
};

use crate::keys::{certified, key, server_credentials};

pub(crate) const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
pub(crate) const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
pub(crate) const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
pub(crate) const MANUFACTURER: Path = Path::of(&[3, 0, 0]).unwrap();
pub(crate) const TIMEZONE: Path = Path::of(&[3, 0, 15]).unwrap();
pub(crate) const URI: &str = "coaps://server";

pub(crate) type ClientHost = Host<DeviceSide>;
pub(crate) type ServerHost = Host<ServerSide>;
pub(crate) type Event = ServerEvent<SecurePeer<Address>>;

/// The account of a device with a key.
pub(crate) fn psk(identity: &str, key: &[u8]) -> typed::Security {
    typed::Security::pre_shared_key(URI, SERVER, identity, key)
}

/// The account that the server knows.
pub(crate) fn known_psk() -> typed::Security {
    psk("device", &key(1))
}

/// The account of a device with a certificate.
pub(crate) fn known_certificate() -> typed::Security {
    let (device, server) = (certified("device"), certified("server"));
    let keys = typed::Certificates {
        certificate: &device.certificate,
        private_key: &device.private_key,
        server_certificate: &server.certificate,
    };
    typed::Security::certificate(URI, SERVER, keys)
}

/// The same account, of a device that is reached by short messages (TS 7.2.2).
pub(crate) fn known_psk_by_sms() -> typed::Security {
    typed::Security {
        sms: typed::SmsSecurity {
            mode: Some(typed::SmsSecurityMode::Dtls),
            server_number: Some("4915112345678".to_owned()),
            ..typed::SmsSecurity::default()
        },
        ..known_psk()
    }
}

/// Whether an account is reached by short messages.
fn is_by_sms(account: &typed::Security) -> bool {
    account.sms.mode == Some(typed::SmsSecurityMode::Dtls)
}

/// What a device registers: NoSec short messages are for triggers (TS 7.2).
fn binding_of(account: &typed::Security) -> BindingMode {
    match account.sms.mode {
        Some(typed::SmsSecurityMode::Dtls) => BindingMode::S,
        Some(typed::SmsSecurityMode::NoSec) => BindingMode::UQS,
        _ => BindingMode::U,
    }
}

/// The libraries of the server and of devices as they are set for short messages.
fn sms_stacks() -> (Pure, Pure) {
    static STACKS: OnceLock<(Pure, Pure)> = OnceLock::new();
    let make = || {
        let keys = ServerCredentials {
            certificate: None,
            ..server_credentials()
        };
        let server = Pure::server(PureOptions::sms(), &keys).unwrap();
        (server, Pure::client(PureOptions::sms()))
    };
    STACKS.get_or_init(make).clone()
}

/// The library of the server. Its configuration is made once for all tests.
pub(crate) fn server_stack() -> Pure {
    static STACK: OnceLock<Pure> = OnceLock::new();
    let make = || Pure::server(PureOptions::default(), &server_credentials()).unwrap();
    STACK.get_or_init(make).clone()
}

/// The library of devices with the key and the certificate that the server knows.
pub(crate) fn client_stack() -> Pure {
    use lwm2m_examples::secure::{credentials::ClientCredentials, session::DtlsStack as _};
    static STACK: OnceLock<Pure> = OnceLock::new();
    let make = || {
        let mut stack = Pure::client(PureOptions::default());
        for account in [known_psk(), known_certificate()] {
            let keys = ClientCredentials::of(&account, "server").unwrap();
            stack.connect(Instant::ZERO, &keys).unwrap();
        }
        stack
    };
    STACK.get_or_init(make).clone()
}

/// A network with a device and a server.
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) client: Handle<ClientHost>,
    pub(crate) server: Handle<ServerHost>,
}

impl World {
    /// The device isn't started.
    pub(crate) fn new(seed: u64, link: Link, account: typed::Security) -> Self {
        Self::with_bounds(seed, link, account, Bounds::server(1))
    }

    pub(crate) fn with_bounds(
        seed: u64,
        link: Link,
        account: typed::Security,
        bounds: Bounds,
    ) -> Self {
        let setup = Setup {
            bounds,
            ..Setup::default()
        };
        Self::set_up(seed, link, account, &setup)
    }

    pub(crate) fn set_up(seed: u64, link: Link, account: typed::Security, setup: &Setup) -> Self {
        let mut network = Network::new(seed);
        network.set_default_link(link);
        let mut server = boot_server(&mut network, setup);
        server.application.by_sms = is_by_sms(&account);
        let server = network.add("server", server);
        let at = network.address(server);
        let device = device_with("device", account, at, setup);
        let client = network.add("client", device);
        Self {
            network,
            client,
            server,
        }
    }

    /// Starts the device, and waits until it is registered.
    pub(crate) fn registered(mut self) -> Self {
        self.start();
        self.await_registration();
        self
    }

    pub(crate) fn start(&mut self) {
        self.network
            .with(self.client, |host, now| host.machine.client.start(now));
    }

    pub(crate) fn await_registration(&mut self) {
        let (client, server) = (self.client, self.server);
        let registered = self.network.run_until(DAY, |network| {
            network.node(client).machine.client.is_registered(ACCOUNT)
                && network.node(server).machine.server.find("device").is_some()
        });
        assert!(registered, "no registration in a day");
    }

    /// Replaces the device with one that has just been switched on.
    pub(crate) fn reboot(&mut self, account: typed::Security) {
        self.reboot_with(account, &Setup::default());
    }

    pub(crate) fn reboot_with(&mut self, account: typed::Security, setup: &Setup) {
        let at = self.network.address(self.server);
        let device = device_with("device", account, at, setup);
        self.network.reboot(self.client, device);
        self.start();
    }

    /// Replaces the server with one that knows nobody.
    pub(crate) fn reboot_server(&mut self) {
        let server = boot_server(&mut self.network, &Setup::default());
        self.network.reboot(self.server, server);
    }

    pub(crate) fn registration(&self) -> RegistrationId {
        let server = &self.network.node(self.server).machine.server;
        server.find("device").expect("a registration")
    }

    /// The server's name for the device.
    pub(crate) fn peer(&self) -> SecurePeer<Address> {
        let server = &self.network.node(self.server).machine.server;
        let registration = server.registration(self.registration());
        *registration.expect("a registration").peer()
    }

    /// Calls the server, and waits for the outcome.
    pub(crate) fn ask(
        &mut self,
        call: impl FnOnce(&mut Server<SecurePeer<Address>>, RegistrationId, Instant),
    ) -> Outcome {
        let (server, registration) = (self.server, self.registration());
        self.network.with(server, |host, now| {
            host.application.outcomes.clear();
            call(&mut host.machine.server, registration, now);
        });
        let answered = self.network.run_until(DAY, |network| {
            !network.node(server).application.outcomes.is_empty()
        });
        assert!(answered, "no outcome in a day");
        let application = &self.network.node(server).application;
        application.outcomes.first().expect("an outcome").clone()
    }

    pub(crate) fn read(&mut self, path: Path) -> Outcome {
        let text = Some(ContentFormat::TEXT);
        self.ask(|server, client, now| {
            server.read(now, client, path, text).unwrap();
        })
    }

    /// Reads the manufacturer, and checks the answer. On a bad network a Read may fail, and a client may
    /// have to come back.
    pub(crate) fn read_in_the_end(&mut self) {
        let made = Value::from("Open Mobile Alliance");
        for _ in 0..10 {
            match self.read(MANUFACTURER) {
                Outcome::Timeout | Outcome::ClientGone => self.await_registration(),
                outcome => return assert_content(&outcome, MANUFACTURER, made),
            }
        }
        panic!("ten Reads have failed");
    }

    /// Reads the manufacturer, and checks the answer.
    pub(crate) fn assert_read(&mut self) {
        let made = Value::from("Open Mobile Alliance");
        assert_content(&self.read(MANUFACTURER), MANUFACTURER, made);
    }

    pub(crate) fn write(&mut self, value: &str) -> Outcome {
        let content = Content::from_iter([(TIMEZONE, Value::from(value))]);
        let text = Some(ContentFormat::TEXT);
        self.ask(|server, client, now| {
            let mode = WriteMode::Replace;
            let written = server.write(now, client, TIMEZONE, mode, text, &content);
            written.unwrap();
        })
    }

    pub(crate) fn observe(&mut self) -> Outcome {
        let text = Some(ContentFormat::TEXT);
        self.ask(|server, client, now| {
            server.observe(now, client, BATTERY_LEVEL, text).unwrap();
        })
    }

    /// The battery of the device is at this level, in percent.
    pub(crate) fn set_level(&mut self, level: i64) {
        self.network.with(self.client, |host, now| {
            host.machine.client.set(now, BATTERY_LEVEL, level).unwrap();
        });
    }

    /// The values that notifications have brought.
    pub(crate) fn notified(&self) -> &[Content] {
        &self.network.node(self.server).application.notified
    }

    /// What became of sessions since the last call.
    pub(crate) fn news(&mut self) -> Vec<SessionNews<Address>> {
        self.network.with(self.server, |host, _| {
            core::iter::from_fn(|| host.machine.next_news()).collect()
        })
    }

    /// Why connections of the device failed since the last call.
    pub(crate) fn failures(&mut self) -> Vec<ConnectionFailure> {
        self.network.with(self.client, |host, _| {
            core::iter::from_fn(|| host.machine.next_failure()).collect()
        })
    }
}

/// How client and server are set up.
pub(crate) struct Setup {
    pub(crate) bounds: Bounds,
    pub(crate) server: Pure,
    pub(crate) client: Pure,
    /// The library of the device for short messages.
    pub(crate) client_by_sms: Pure,
    pub(crate) sizes: Sizes,
}

/// How long the messages of CoAP may be, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// The largest blocks.
    pub(crate) block: usize,
    /// The longest message by SMS.
    pub(crate) sms: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            block: 1024,
            sms: SMS_PAYLOAD,
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            bounds: Bounds::server(1),
            server: server_stack(),
            client: client_stack(),
            client_by_sms: sms_stacks().1,
            sizes: Sizes::default(),
        }
    }
}

fn boot_server(network: &mut Network, setup: &Setup) -> ServerHost {
    let mut config = ServerConfig::new(network.random().seed());
    config.coap.block_size = setup.sizes.block;
    config.coap.sms_size = setup.sizes.sms;
    let server = SecureServer::new(Server::new(config), setup.server.clone(), setup.bounds);
    let server = server.with_sms(sms_stacks().0, Bounds::sms(1));
    Host::new(server, ServerSide::default())
}

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

#[track_caller]
pub(crate) fn assert_content(outcome: &Outcome, path: Path, value: Value) {
    let expected = Content::from_iter([(path, value)]);
    assert!(
        matches!(outcome, Outcome::Content(content) if *content == expected),
        "{outcome:?}"
    );
}

/// A device at its start.
pub(crate) fn device(
    endpoint: &str,
    account: typed::Security,
    server: Address,
    stack: Pure,
) -> ClientHost {
    let setup = Setup {
        client: stack,
        ..Setup::default()
    };
    device_with(endpoint, account, server, &setup)
}

fn device_with(
    endpoint: &str,
    account: typed::Security,
    server: Address,
    setup: &Setup,
) -> ClientHost {
    let client = client(endpoint, account, setup.sizes);
    let application = DeviceSide {
        server,
        connection: None,
        events: Vec::new(),
    };
    let machine = SecureClient::new(client, setup.client.clone());
    let machine = machine.with_sms(setup.client_by_sms.clone());
    Host::new(machine, application)
}

/// The Client of a device. Each has a seed of its own, as each start of a program has.
pub(crate) fn client(endpoint: &str, account: typed::Security, sizes: Sizes) -> Client {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let mut seed = [0; 32];
    let start = STARTS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    seed[..8].copy_from_slice(&start);
    let mut tree = ObjectTree::new();
    let binding = binding_of(&account);
    let of_server = typed::Server {
        default_minimum_period: Some(0),
        binding,
        ..typed::Server::new(SERVER, 86_400)
    };
    let itself = typed::Device {
        timezone: Some("Europe/Berlin".into()),
        supported_binding: binding,
        ..typed::Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, of_server)]));
    tree.add(Store::of([(InstanceId::ZERO, itself)]));
    let mut config = ClientConfig::new(endpoint, seed);
    config.coap.block_size = sizes.block;
    config.coap.sms_size = sizes.sms;
    config.announced.sms_number = (binding != BindingMode::U).then(|| "4915187654321".to_owned());
    Client::new(config, tree).unwrap()
}

/// The application of the device.
#[derive(Debug)]
pub(crate) struct DeviceSide {
    server: Address,
    connection: Option<ConnectionId>,
    pub(crate) events: Vec<ClientEvent>,
}

impl Application for DeviceSide {
    type Machine = SecureClient<Pure>;

    fn handle_event(&mut self, now: Instant, machine: &mut Self::Machine, event: ClientEvent) {
        match &event {
            ClientEvent::Connect {
                connection,
                security,
                uri,
                ..
            } => {
                self.connection = Some(*connection);
                if is_by_sms(security) {
                    machine.open_sms(now, *connection, security);
                } else {
                    let host = uri.split("://").nth(1).unwrap_or_default();
                    machine.open(now, *connection, security, host);
                }
            }
            // From here on nothing can be sent on it.
            ClientEvent::Disconnect { connection } if self.connection == Some(*connection) => {
                self.connection = None;
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn peer(&mut self, address: Address) -> Option<ConnectionId> {
        self.connection.filter(|_| self.server == address)
    }

    fn address(&self, connection: &ConnectionId) -> Option<Address> {
        let is_open = self.connection == Some(*connection);
        is_open.then_some(self.server)
    }
}

/// The application of the server. All come over DTLS, but those that are named.
#[derive(Debug, Default)]
pub(crate) struct ServerSide {
    pub(crate) plain: Vec<Address>,
    /// Whether what comes are short messages.
    pub(crate) by_sms: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) notified: Vec<Content>,
}

impl Application for ServerSide {
    type Machine = SecureServer<Address, Pure>;

    fn handle_event(&mut self, _: Instant, _: &mut Self::Machine, event: Event) {
        match &event {
            ServerEvent::Answered { outcome, .. } => self.outcomes.push(outcome.clone()),
            ServerEvent::Notification { content, .. } => {
                self.notified.extend(content.as_ref().ok().cloned());
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn peer(&mut self, address: Address) -> Option<Transport<Address>> {
        Some(if self.plain.contains(&address) {
            Transport::Udp(address)
        } else if self.by_sms {
            Transport::SmsDtls(address)
        } else {
            Transport::Dtls(address)
        })
    }

    fn address(&self, peer: &Transport<Address>) -> Option<Address> {
        Some(*peer.address())
    }
}
