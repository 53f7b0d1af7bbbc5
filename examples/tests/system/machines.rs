//! Client and Server with OpenSSL below.

use core::time::Duration;

use lwm2m_core::{ContentFormat, InstanceId, Instant, Path, ShortServerId, Value, codec::Content};
use lwm2m_examples::secure::client::SecureClient;
use lwm2m_examples::secure::server::{SecurePeer, SecureServer, Transport};
use lwm2m_examples::secure::sessions::Bounds;
use lwm2m_examples::secure::system::System;
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_simulation::{Address, Application, Handle, Host, Link, Network};
use lwm2m_statemachine::server::{Outcome, RegistrationId};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Server, ServerConfig, ServerEvent,
};

use super::support::{HOST, IDENTITY, KEY, World};

const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
pub(crate) const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
const MANUFACTURER: Path = Path::of(&[3, 0, 0]).unwrap();
const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) struct DeviceSide {
    server: Address,
    connection: Option<ConnectionId>,
}

impl Application for DeviceSide {
    type Machine = SecureClient<System>;

    fn handle_event(&mut self, now: Instant, machine: &mut Self::Machine, event: ClientEvent) {
        if let ClientEvent::Connect {
            connection,
            security,
            ..
        } = event
        {
            self.connection = Some(connection);
            machine.open(now, connection, &security, HOST);
        }
    }

    fn peer(&mut self, address: Address) -> Option<ConnectionId> {
        self.connection.filter(|_| self.server == address)
    }

    fn address(&self, connection: &ConnectionId) -> Option<Address> {
        (self.connection == Some(*connection)).then_some(self.server)
    }
}

#[derive(Default)]
pub(crate) struct ServerSide {
    events: Vec<ServerEvent<SecurePeer<Address>>>,
    pub(crate) notified: Vec<Content>,
}

impl ServerSide {
    fn registers(&self) -> usize {
        let is_register = |event: &&_| matches!(event, ServerEvent::Registered { .. });
        self.events.iter().filter(is_register).count()
    }

    fn updates(&self) -> usize {
        let is_update = |event: &&_| matches!(event, ServerEvent::Updated { .. });
        self.events.iter().filter(is_update).count()
    }

    fn outcomes(&self) -> Vec<&Outcome> {
        let mut outcomes = Vec::new();
        for event in &self.events {
            if let ServerEvent::Answered { outcome, .. } = event {
                outcomes.push(outcome);
            }
        }
        outcomes
    }
}

impl Application for ServerSide {
    type Machine = SecureServer<Address, System>;

    fn handle_event(
        &mut self,
        _: Instant,
        _: &mut Self::Machine,
        event: ServerEvent<SecurePeer<Address>>,
    ) {
        if let ServerEvent::Notification { content, .. } = &event {
            self.notified.extend(content.as_ref().ok().cloned());
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

pub(crate) struct Machines {
    pub(crate) network: Network,
    pub(crate) client: Handle<Host<DeviceSide>>,
    pub(crate) server: Handle<Host<ServerSide>>,
}

impl Machines {
    /// A device that starts, with an account of this kind.
    fn start(world: &World, account: typed::Security) -> Self {
        Self::on(7, Link::new(Duration::from_millis(20)), world, account)
    }

    /// The same on such a network.
    pub(crate) fn on(seed: u64, link: Link, world: &World, account: typed::Security) -> Self {
        let mut network = Network::new(seed);
        network.set_default_link(link);
        let server = Server::new(ServerConfig::new(network.random().seed()));
        let server = SecureServer::new(server, world.server_stack(), Bounds::server(1));
        let server = network.add("server", Host::new(server, ServerSide::default()));
        let mut tree = ObjectTree::new();
        tree.add(Store::of([(InstanceId::ZERO, account)]));
        let of_server = typed::Server {
            default_minimum_period: Some(0),
            ..typed::Server::new(SERVER, 86_400)
        };
        let itself = typed::Device {
            timezone: Some("Europe/Berlin".into()),
            ..typed::Device::example()
        };
        tree.add(Store::of([(InstanceId::ZERO, of_server)]));
        tree.add(Store::of([(InstanceId::ZERO, itself)]));
        let config = ClientConfig::new("urn:dev:7", network.random().seed());
        let client = Client::new(config, tree).unwrap();
        let side = DeviceSide {
            server: network.address(server),
            connection: None,
        };
        let client = SecureClient::new(client, world.client_stack());
        let client = network.add("client", Host::new(client, side));
        network.with(client, |host, now| host.machine.client.start(now));
        Self {
            network,
            client,
            server,
        }
    }

    fn await_that(&mut self, what: &str, is_so: impl Fn(&ServerSide) -> bool) {
        let server = self.server;
        let came = self
            .network
            .run_until(HOUR, |network| is_so(&network.node(server).application));
        assert!(came, "no {what} within an hour");
    }

    pub(crate) fn application(&self) -> &ServerSide {
        &self.network.node(self.server).application
    }

    /// Calls the server, and waits for the outcome.
    pub(crate) fn ask(
        &mut self,
        call: impl FnOnce(&mut Server<SecurePeer<Address>>, RegistrationId, Instant),
    ) -> Outcome {
        let before = self.application().outcomes().len();
        self.network.with(self.server, |host, now| {
            let server = &mut host.machine.server;
            let registration = server.find("urn:dev:7").expect("a registration");
            call(server, registration, now);
        });
        self.await_that("answer", |side| side.outcomes().len() > before);
        let outcomes = self.application().outcomes();
        (*outcomes.last().expect("an outcome")).clone()
    }

    pub(crate) fn read(&mut self, path: Path) -> Outcome {
        let text = Some(ContentFormat::TEXT);
        self.ask(|server, client, now| {
            server.read(now, client, path, text).unwrap();
        })
    }

    /// A Read, and its outcome.
    fn assert_read(&mut self) {
        let made = Content::from_iter([(MANUFACTURER, Value::from("Open Mobile Alliance"))]);
        let outcome = self.read(MANUFACTURER);
        assert!(
            matches!(&outcome, Outcome::Content(content) if *content == made),
            "{outcome:?}"
        );
    }

    /// The socket of the client is lost, so it makes another connection.
    fn lose_the_connection(&mut self) {
        self.network.with(self.client, |host, now| {
            let connection = host.application.connection.take().unwrap();
            host.machine.lost(now, connection);
        });
    }
}

pub(crate) fn accounts(world: &World) -> [typed::Security; 2] {
    let uri = format!("coaps://{HOST}");
    let keys = typed::Certificates {
        certificate: &world.client.certificate,
        private_key: &world.client.private_key,
        server_certificate: &world.server.certificate,
    };
    let identity = core::str::from_utf8(IDENTITY).unwrap();
    [
        typed::Security::pre_shared_key(&uri, SERVER, identity, KEY),
        typed::Security::certificate(&uri, SERVER, keys),
    ]
}

#[test]
fn a_resumed_session_is_followed_by_an_update() {
    let world = World::new();
    for account in accounts(&world) {
        let mut machines = Machines::start(&world, account);
        machines.await_that("registration", |side| side.registers() == 1);
        machines.assert_read();
        for times in 1..4 {
            machines.lose_the_connection();
            machines.await_that("Update", |side| side.updates() == times);
            machines.assert_read();
        }
        // TS 8.3: the session goes on, so does the registration.
        assert_eq!(machines.application().registers(), 1);
    }
}

#[test]
fn a_session_that_can_t_be_resumed_is_followed_by_a_register() {
    let mut world = World::new();
    world.settings.sessions = 0;
    for account in accounts(&world) {
        let mut machines = Machines::start(&world, account);
        machines.await_that("registration", |side| side.registers() == 1);
        machines.lose_the_connection();
        machines.await_that("another registration", |side| side.registers() == 2);
        machines.assert_read();
        assert_eq!(machines.application().updates(), 0);
        let client = machines.network.node(machines.client);
        assert!(client.machine.client.is_registered(ACCOUNT));
    }
}
