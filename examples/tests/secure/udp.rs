//! The same machines on real sockets.

use core::{net::SocketAddr, time::Duration};

use lwm2m_core::{ContentFormat, Value};
use lwm2m_examples::{
    driver::{Clock, Driver, Names},
    secure::{
        client::SecureClient,
        credentials::Expiry,
        listening::{ClientWay, InboundNews, ListeningClient},
        pure::{Pure, PureOptions},
        server::{SecurePeer, SecureServer, SessionNews, Transport},
        sessions::{Bounds, End},
    },
};
use lwm2m_objects::typed;
use lwm2m_statemachine::{
    BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Channel, ClientEvent, Server,
    ServerConfig, ServerEvent,
    bootstrap_server::Plan,
    server::{Outcome, RegistrationId},
};

use crate::inbound_world::{NAME, bootstrap_psk, bootstrapped, first_key, reaching_psk};
use crate::world::{
    MANUFACTURER, Sizes, assert_content, client, client_stack, known_certificate, known_psk,
    server_stack,
};

type ServerDriver = Driver<SecureServer<SocketAddr, Pure>>;
type ClientDriver = Driver<SecureClient<Pure>>;

const ANY: &str = "127.0.0.1:0";
/// More turns than any of this needs.
const TURNS: usize = 2000;

fn server() -> ServerDriver {
    let server = Server::with_hosts(ServerConfig::new([1; 32]), SecurePeer::host);
    let machine = SecureServer::new(server, server_stack(), Bounds::server(1));
    let names = Names::by(Transport::Dtls, |peer| match peer {
        Transport::Dtls(address) => Some(*address),
        _ => None,
    });
    Driver::bind(ANY, Clock::start(), machine, names).unwrap()
}

fn device(account: typed::Security) -> ClientDriver {
    let machine = SecureClient::new(client("device", account, Sizes::default()), client_stack());
    Driver::bind(ANY, Clock::start(), machine, Names::table()).unwrap()
}

/// Lets both act until the server has told what is waited for.
fn until<T>(
    server: &mut ServerDriver,
    client: &mut ClientDriver,
    mut wanted: impl FnMut(&mut ServerDriver, Option<ServerEvent<SecurePeer<SocketAddr>>>) -> Option<T>,
) -> T {
    let at = server.address();
    for _ in 0..TURNS {
        while let Some(event) = client.next_event().unwrap() {
            match event {
                ClientEvent::Connect {
                    connection,
                    security,
                    ..
                } => {
                    client.names.insert(connection, at);
                    let now = client.now();
                    client.machine.open(now, connection, &security, "server");
                }
                ClientEvent::Disconnect { connection } => client.close(&connection),
                _ => {}
            }
        }
        client.wait(Duration::from_millis(5)).unwrap();
        server.wait(Duration::from_millis(5)).unwrap();
        loop {
            let event = server.next_event().unwrap();
            let is_last = event.is_none();
            if let Some(found) = wanted(server, event) {
                return found;
            }
            if is_last {
                break;
            }
        }
    }
    panic!("it doesn't happen");
}

fn manage(account: typed::Security) {
    let mut server = server();
    let mut client = device(account);
    let now = client.now();
    client.machine.client.start(now);
    let registration: RegistrationId = until(&mut server, &mut client, |_, event| match event? {
        ServerEvent::Registered { registration } => Some(registration),
        event => panic!("{event:?}"),
    });
    let now = server.now();
    let text = Some(ContentFormat::TEXT);
    let read = server
        .machine
        .server
        .read(now, registration, MANUFACTURER, text);
    read.unwrap();
    let outcome: Outcome = until(&mut server, &mut client, |_, event| match event? {
        ServerEvent::Answered { outcome, .. } => Some(outcome),
        event => panic!("{event:?}"),
    });
    assert_content(&outcome, MANUFACTURER, Value::from("Open Mobile Alliance"));
    let now = client.now();
    client.machine.client.deregister(now);
    let why = until(&mut server, &mut client, |server, _| {
        match server.machine.next_news()? {
            SessionNews::Ended { why, .. } => Some(why),
            _ => None,
        }
    });
    assert_eq!(why, End::Closed);
}

#[test]
fn a_device_with_a_key_is_managed_over_udp() {
    manage(known_psk());
}

#[test]
fn a_device_with_a_certificate_is_managed_over_udp() {
    manage(known_certificate());
}

#[test]
fn a_bootstrap_server_begins_a_bootstrap_over_udp() {
    let machine = BootstrapServer::new(BootstrapServerConfig::new([1; 32]));
    let machine: SecureServer<SocketAddr, _, BootstrapServer<SecurePeer<SocketAddr>>> =
        SecureServer::new(machine, server_stack(), Bounds::server(1));
    let names = Names::by(Transport::Dtls, |peer| match peer {
        Transport::Dtls(address) => Some(*address),
        _ => None,
    });
    let mut bootstrap = Driver::bind(ANY, Clock::start(), machine, names).unwrap();

    let client = bootstrapped([2; 32], &[bootstrap_psk(&first_key())]);
    let client = SecureClient::new(client, client_stack());
    let stack = Pure::client(PureOptions::default());
    let machine = ListeningClient::new(client, stack, Bounds::device(1), Expiry::Accept);
    let names = Names::by(ClientWay::Inbound, |way| match way {
        ClientWay::Inbound(address) => Some(*address),
        ClientWay::Own(_) => None,
    });
    let mut device = Driver::bind(ANY, Clock::start(), machine, names).unwrap();
    let now = device.now();
    device.machine.secure.client.start(now);

    let (now, at) = (bootstrap.now(), device.address());
    let keys = reaching_psk(NAME, &first_key());
    bootstrap.machine.connect(now, &at, &keys).unwrap();
    let (mut is_taken, mut is_started) = (false, false);
    for _ in 0..TURNS {
        while let Some(event) = device.next_event().unwrap() {
            is_started |= matches!(event, ClientEvent::BootstrapStarted { .. });
        }
        let news = device.machine.next_news();
        is_taken |= matches!(news, Some(InboundNews::Taken { .. }));
        while let Some(event) = bootstrap.next_event().unwrap() {
            if let BootstrapServerEvent::Discovered { .. } = event {
                assert!(is_taken && is_started);
                return;
            }
        }
        if let Some(SessionNews::Connected { peer, .. }) = bootstrap.machine.next_news() {
            let now = bootstrap.now();
            let plan = Plan::new().discover("/".parse().unwrap());
            let begun = bootstrap
                .machine
                .server
                .begin(now, NAME, peer, Channel::Udp, &plan);
            begun.unwrap();
        }
        bootstrap.wait(Duration::from_millis(5)).unwrap();
        device.wait(Duration::from_millis(5)).unwrap();
    }
    panic!("it doesn't happen");
}
