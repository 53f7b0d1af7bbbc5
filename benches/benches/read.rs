//! Whole operations in memory; beside each, `coap-lite` parses and writes the same two datagrams.
//!
//! - A Read of the Device by a server and its client: call, request datagram, answer datagram,
//!   decoded
//!   event.
//! - A Register at a server that knows a thousand clients: datagram, event, answer datagram.

use core::hint::black_box;

use coap_lite::Packet;
use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m_benches::REGISTER;
use lwm2m_core::{ContentFormat, InstanceId, Instant, Path, ShortServerId};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, RegistrationId, Server,
    ServerConfig, ServerEvent, Session,
};

const DEVICE: Path = Path::of(&[3, 0]).expect("a path");

/// A server and a client registered with it, without a network.
struct Pair {
    client: Client,
    connection: ConnectionId,
    server: Server<u32>,
    registration: RegistrationId,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let id = ShortServerId::new(1).expect("an identifier");
        let mut tree = ObjectTree::new();
        tree.add(Store::of([(
            InstanceId::ZERO,
            typed::Security::no_sec("coap://s", id),
        )]));
        tree.add(Store::of([(
            InstanceId::ZERO,
            typed::Server::new(id, 86_400),
        )]));
        tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
        let now = Instant::ZERO;
        let mut client = Client::new(ClientConfig::new("bench", [1; 32]), tree).expect("a client");
        client.start(now);
        let Some(ClientEvent::Connect { connection, .. }) = client.poll_event() else {
            panic!("no connection asked for");
        };
        client.connected(now, connection, Session::New);
        let mut server: Server<u32> = Server::new(ServerConfig::new([2; 32]));
        let register = client.poll_transmit().expect("a Register").payload.to_vec();
        let _ = server.handle_datagram(now, Datagram::new(7, &register));
        let created = server.poll_transmit().expect("an answer").payload.to_vec();
        let _ = client.handle_datagram(now, Datagram::new(connection, &created));
        let registration = server.find("bench").expect("a registration");
        while server.poll_event().is_some() {}
        while client.poll_event().is_some() {}
        Self {
            client,
            connection,
            server,
            registration,
            now,
        }
    }

    /// One Read; returns the request and the answer.
    fn read(&mut self, mut seen: impl FnMut(&[u8], &[u8])) -> ServerEvent<u32> {
        // The clock advances, so that old exchanges are forgotten.
        self.now += core::time::Duration::from_secs(1);
        let format = Some(ContentFormat::TLV);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        // An Update may be due. It isn't part of a Read and stays unanswered.
        while self.client.poll_transmit().is_some() {}
        self.server
            .read(self.now, self.registration, DEVICE, format)
            .expect("a Read");
        let request = self.server.poll_transmit().expect("a request").payload;
        let datagram = Datagram::new(self.connection, request);
        let _ = self.client.handle_datagram(self.now, datagram);
        let answer = self.client.poll_transmit().expect("an answer").payload;
        seen(request, answer);
        let _ = self
            .server
            .handle_datagram(self.now, Datagram::new(7, answer));
        self.server.poll_event().expect("an outcome")
    }
}

fn read(c: &mut Criterion) {
    let mut datagrams = Vec::new();
    let outcome = Pair::new().read(|request, answer| {
        datagrams = vec![request.to_vec(), answer.to_vec()];
    });
    assert!(
        matches!(outcome, ServerEvent::Answered { .. }),
        "{outcome:?}"
    );

    let mut group = c.benchmark_group("read");
    let mut pair = Pair::new();
    let mut reads = 0;
    group.bench_function("client and server", |b| {
        b.iter(|| {
            reads += 1;
            // The pair is replaced long before the registration expires.
            if reads % 10_000 == 0 {
                pair = Pair::new();
            }
            black_box(pair.read(|_, _| ()))
        });
    });
    group.bench_function("coap-lite, both datagrams parsed and written", |b| {
        b.iter(|| {
            for datagram in &datagrams {
                let packet = Packet::from_bytes(black_box(datagram)).expect("a message");
                black_box(packet.to_bytes().expect("it fits"));
            }
        });
    });
    group.finish();
}

/// A server, and the Registers of a thousand clients, each from its own address.
struct Registering {
    server: Server<u32>,
    registers: Vec<Vec<u8>>,
    next: usize,
    now: Instant,
}

impl Registering {
    const CLIENTS: usize = 1000;

    fn new() -> Self {
        let registers = (0..Self::CLIENTS).map(|client| {
            let mut register = REGISTER.to_vec();
            let digits = format!("{client:06}");
            let name = register
                .windows(7)
                .position(|window| window == b"-000001")
                .expect("the endpoint name ends so");
            register[name + 1..name + 7].copy_from_slice(digits.as_bytes());
            register
        });
        Self {
            server: Server::new(ServerConfig::new([2; 32])),
            registers: registers.collect(),
            next: 0,
            now: Instant::ZERO,
        }
    }

    /// The Register of the next client, which after the first round has registered before; returns
    /// the answer.
    fn register(&mut self, mut seen: impl FnMut(&[u8])) -> ServerEvent<u32> {
        self.now += core::time::Duration::from_secs(1);
        self.server.handle_timeout(self.now);
        let peer = u32::try_from(self.next).expect("few clients");
        let register = &self.registers[self.next];
        self.next = (self.next + 1) % Self::CLIENTS;
        let _ = self
            .server
            .handle_datagram(self.now, Datagram::new(peer, register));
        seen(self.server.poll_transmit().expect("an answer").payload);
        let mut registered = None;
        while let Some(event) = self.server.poll_event() {
            registered = Some(event);
        }
        registered.expect("an event")
    }
}

fn register(c: &mut Criterion) {
    let mut datagrams = vec![REGISTER.to_vec()];
    let mut server = Registering::new();
    let event = server.register(|answer| datagrams.push(answer.to_vec()));
    assert!(matches!(event, ServerEvent::Registered { .. }), "{event:?}");

    let mut group = c.benchmark_group("register");
    group.bench_function("server", |b| b.iter(|| black_box(server.register(|_| ()))));
    group.bench_function("coap-lite, both datagrams parsed and written", |b| {
        b.iter(|| {
            for datagram in &datagrams {
                let packet = Packet::from_bytes(black_box(datagram)).expect("a message");
                black_box(packet.to_bytes().expect("it fits"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, read, register);
criterion_main!(benches);
