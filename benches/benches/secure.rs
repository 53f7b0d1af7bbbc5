//! DTLS below client and server, in memory.
//!
//! - A handshake of both ends, with a key.
//! - A Read of the Device over an established session; beside it the same Read without security, through
//!   the same machines.

extern crate alloc;

use alloc::{collections::BTreeMap, sync::Arc};
use core::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m_core::{ContentFormat, InstanceId, Instant, Path, ShortServerId};
use lwm2m_examples::secure::{
    client::SecureClient,
    credentials::{ClientCredentials, KnownClients, ServerCredentials},
    pure::{Pure, PureOptions, PureSession},
    server::{SecurePeer, SecureServer, Transport},
    session::{DtlsSession, DtlsStack, Output, Refusal},
    sessions::Bounds,
};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Machine, RegistrationId, Server,
    ServerConfig, ServerEvent,
};

const DEVICE: Path = Path::of(&[3, 0]).expect("a path");
const IDENTITY: &[u8] = b"bench";
const KEY: [u8; 16] = [7; 16];

struct Known(BTreeMap<Vec<u8>, Vec<u8>>);

impl KnownClients for Known {
    fn pre_shared_key(&self, identity: &[u8]) -> Option<Vec<u8>> {
        self.0.get(identity).cloned()
    }

    fn accepts_certificate(&self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::OtherCertificate)
    }
}

fn server_stack() -> Pure {
    let known = Known([(IDENTITY.to_vec(), KEY.to_vec())].into());
    let credentials = ServerCredentials {
        clients: Arc::new(known),
        certificate: None,
    };
    Pure::server(PureOptions::default(), &credentials).expect("a library")
}

/// A server and a client registered with it, without a network.
struct Pair {
    client: SecureClient<Pure>,
    connection: ConnectionId,
    server: SecureServer<u32, Pure>,
    registration: RegistrationId,
    /// The client's address.
    at: Transport<u32>,
    now: Instant,
}

impl Pair {
    fn new(account: typed::Security, at: Transport<u32>) -> Self {
        let id = ShortServerId::new(1).expect("an identifier");
        let mut tree = ObjectTree::new();
        tree.add(Store::of([(InstanceId::ZERO, account)]));
        let of_server = typed::Server::new(id, 86_400);
        tree.add(Store::of([(InstanceId::ZERO, of_server)]));
        tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
        let now = Instant::ZERO;
        let client = Client::new(ClientConfig::new("bench", [1; 32]), tree).expect("a client");
        let mut client = SecureClient::new(client, Pure::client(PureOptions::default()));
        client.client.start(now);
        let Some(ClientEvent::Connect {
            connection,
            security,
            ..
        }) = client.poll_event()
        else {
            panic!("no connection asked for");
        };
        client.open(now, connection, &security, "server");
        let server: Server<SecurePeer<u32>> = Server::new(ServerConfig::new([2; 32]));
        let mut server = SecureServer::new(server, server_stack(), Bounds::server(1));
        while exchange(now, &mut client, connection, &mut server, at) {}
        let registration = server.server.find("bench").expect("a registration");
        while server.poll_event().is_some() {}
        while client.poll_event().is_some() {}
        Self {
            client,
            connection,
            server,
            registration,
            at,
            now,
        }
    }

    /// One Read.
    fn read(&mut self) -> ServerEvent<SecurePeer<u32>> {
        // The clock advances, so that old exchanges are forgotten.
        self.now += Duration::from_secs(1);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        // An Update may be due. It isn't part of a Read and stays unanswered.
        while self.client.poll_transmit().is_some() {}
        let format = Some(ContentFormat::TLV);
        let server = &mut self.server.server;
        let read = server.read(self.now, self.registration, DEVICE, format);
        read.expect("a Read");
        exchange(
            self.now,
            &mut self.client,
            self.connection,
            &mut self.server,
            self.at,
        );
        self.server.poll_event().expect("an outcome")
    }
}

/// Hands all datagrams over, those of the server first; false if there were none.
fn exchange(
    now: Instant,
    client: &mut SecureClient<Pure>,
    connection: ConnectionId,
    server: &mut SecureServer<u32, Pure>,
    at: Transport<u32>,
) -> bool {
    let mut any = false;
    while let Some(transmit) = server.poll_transmit() {
        any = true;
        let _ = client.handle_datagram(now, Datagram::new(connection, transmit.payload));
    }
    while let Some(transmit) = client.poll_transmit() {
        any = true;
        let _ = server.handle_datagram(now, Datagram::new(at, transmit.payload));
    }
    any
}

/// Two ends that talk until nothing is left to say.
fn shake_hands(ends: &mut [PureSession; 2]) -> bool {
    let [a, b] = ends;
    let mut connected = 0;
    let mut quiet = 0;
    let mut flight: Vec<Vec<u8>> = Vec::new();
    let mut turn = |from: &mut PureSession, to: &mut PureSession| {
        from.drain(&mut |output| match output {
            Output::Datagram(datagram) => flight.push(datagram.to_vec()),
            Output::Connected { .. } => connected += 1,
            _ => {}
        });
        quiet = if flight.is_empty() { quiet + 1 } else { 0 };
        for datagram in flight.drain(..) {
            to.handle_datagram(Instant::ZERO, &datagram)
                .expect("it is taken");
        }
        quiet < 2
    };
    while turn(a, b) && turn(b, a) {}
    connected == 2
}

fn secure(c: &mut Criterion) {
    let mut group = c.benchmark_group("secure");
    let mut client = Pure::client(PureOptions::default());
    let mut server = server_stack();
    let keys = ClientCredentials::PreSharedKey {
        identity: IDENTITY.to_vec(),
        key: KEY.to_vec(),
    };
    group.bench_function("a handshake with a key, both ends", |b| {
        b.iter(|| {
            let mut ends = [
                client.connect(Instant::ZERO, &keys).expect("a session"),
                server.accept(Instant::ZERO).expect("a session"),
            ];
            assert!(shake_hands(&mut ends));
            black_box(ends)
        });
    });
    let id = ShortServerId::new(1).expect("an identifier");
    let accounts = [
        (
            "a Read without security",
            typed::Security::no_sec("coap://server", id),
            Transport::Udp(7),
        ),
        (
            "a Read over a session",
            typed::Security::pre_shared_key("coaps://server", id, IDENTITY, KEY),
            Transport::Dtls(7),
        ),
    ];
    for (name, account, at) in accounts {
        let mut pair = Pair::new(account.clone(), at);
        let mut reads = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                reads += 1;
                // The pair is replaced long before the registration expires.
                if reads % 40_000 == 0 {
                    pair = Pair::new(account.clone(), at);
                }
                black_box(pair.read())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, secure);
criterion_main!(benches);
