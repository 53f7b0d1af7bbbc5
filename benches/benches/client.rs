//! A client that answers: from the request's datagram to the answer's. The same on the tree alone
//! shows what the client adds.
//!
//! A client that notifies: a value changes, and each observation gets a datagram. Beside it,
//! `coap-lite` writes each observer of a resource a notification with that payload.
//!
//! A Discover of a Resource, whose answer has the attributes of all three levels or none.

use core::{hint::black_box, time::Duration};

use coap_lite::{CoapRequest, ObserveOption, RequestType, Subject, create_notification};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lwm2m_core::{
    Code, ContentFormat, InstanceId, Instant, Method, Path, ShortServerId, codec::Scope,
};
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{Device, Security, Server},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).expect("a path");

/// A client that is registered with one server, for longer than a benchmark lasts.
struct Registered {
    client: Client,
    connection: ConnectionId,
    now: Instant,
    message_id: u16,
}

impl Registered {
    fn new() -> Self {
        let id = ShortServerId::new(1).expect("an identifier");
        let mut tree = ObjectTree::new();
        let security = Security::no_sec("coap://s", id);
        tree.add(Store::of([(InstanceId::ZERO, security)]));
        tree.add(Store::of([(InstanceId::ZERO, Server::new(id, u32::MAX))]));
        tree.add(Store::of([(InstanceId::ZERO, Device::example())]));
        let now = Instant::ZERO;
        let mut config = ClientConfig::new("bench", [1; 32]);
        config.most_observations = 1_000;
        let mut client = Client::new(config, tree).expect("a client");
        client.start(now);
        let Some(ClientEvent::Connect { connection, .. }) = client.poll_event() else {
            panic!("no connection asked for");
        };
        client.connected(now, connection, Session::New);
        let register = client.poll_transmit().expect("a Register").payload.to_vec();
        let register = MessageRef::parse(&register).expect("a message");
        let mut created = MessageBuf::response(Code::CREATED);
        created.location_path("rd").expect("it fits");
        let (kind, id) = (MessageType::Acknowledgement, register.message_id());
        let created = created.finish(kind, id, register.token());
        let _ = client.handle_datagram(now, Datagram::new(connection, created.as_ref()));
        while client.poll_event().is_some() {}
        Self {
            client,
            connection,
            now,
            message_id: 0,
        }
    }

    /// The answer to a request, which gets a fresh message id.
    fn answer(&mut self, request: &mut [u8]) -> Code {
        // The clock advances, so that old exchanges are forgotten.
        self.now += Duration::from_secs(1);
        self.message_id = self.message_id.wrapping_add(1);
        request[2..4].copy_from_slice(&self.message_id.to_be_bytes());
        self.client.handle_timeout(self.now);
        let datagram = Datagram::new(self.connection, request);
        let _ = self.client.handle_datagram(self.now, datagram);
        let answer = self.client.poll_transmit().expect("an answer").payload;
        MessageRef::parse(answer).expect("a message").code()
    }

    /// Sets the value that is observed; returns how many notifications leave.
    fn notify(&mut self, level: i64) -> usize {
        // The clock advances, so that message ids are free again: a connection has 49,152 of them for
        // notifications, each of which rests for 247 seconds (RFC 7252 §4.4, §4.8.2).
        self.now += Duration::from_secs(10);
        self.client.handle_timeout(self.now);
        let set = self.client.set(self.now, BATTERY_LEVEL, level);
        set.expect("a battery level");
        self.client.handle_timeout(self.now);
        let mut notifications = 0;
        while let Some(transmit) = self.client.poll_transmit() {
            notifications += 1;
            // One a day is confirmable.
            if let &[0x40..=0x4F, _, high, low, ..] = black_box(transmit.payload) {
                let acknowledgement = [0x60, 0, high, low];
                let datagram = Datagram::new(self.connection, &acknowledgement);
                let _ = self.client.handle_datagram(self.now, datagram);
            }
        }
        notifications
    }
}

/// Completes a request to a path.
fn to(path: &str, mut request: MessageBuf, token: &[u8]) -> Vec<u8> {
    for segment in path.split('/').skip(1) {
        request.uri_path(segment).expect("it fits");
    }
    finish(request, token)
}

fn finish(request: MessageBuf, token: &[u8]) -> Vec<u8> {
    let token = Token::new(token).expect("a token");
    let wire = request.finish(MessageType::Confirmable, 0, token);
    wire.as_ref().to_vec()
}

fn get(path: &str) -> Vec<u8> {
    to(path, MessageBuf::request(Method::Get), b"1234")
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("client");
    for (name, path) in [("Resource", "/3/0/9"), ("Object Instance", "/3/0")] {
        let mut request = get(path);
        let mut device = Registered::new();
        assert_eq!(device.answer(&mut request), Code::CONTENT);
        group.bench_function(format!("Read of one {name}"), |b| {
            b.iter(|| black_box(device.answer(&mut request)));
        });
        let target: Path = path.parse().expect("a path");
        let tree = device.client.tree();
        group.bench_function(format!("tree alone, one {name}"), |b| {
            let mut buffer = Vec::new();
            b.iter(|| {
                buffer.clear();
                let mut encoder =
                    lwm2m_tlv::Encoder::new(&mut buffer, Scope::answer(black_box(target)));
                tree.read(target, |_| true, &mut encoder).expect("it reads");
                encoder.finish().expect("it fits");
                black_box(buffer.len())
            });
        });
    }
    group.finish();
}

fn notify(c: &mut Criterion) {
    let mut group = c.benchmark_group("client/notify");
    for count in [10_u16, 1_000] {
        group.throughput(Throughput::Elements(count.into()));
        let mut device = Registered::new();
        for token in 0..count {
            let mut observe = MessageBuf::request(Method::Get);
            observe.observe(0).expect("it fits");
            let mut observe = to("/3/0/9", observe, &token.to_be_bytes());
            assert_eq!(device.answer(&mut observe), Code::CONTENT);
        }
        let mut level = 0;
        let mut notify = || {
            level = (level + 1) % 100;
            device.notify(level)
        };
        // For much longer than message ids rest.
        for _ in 0..100 {
            assert_eq!(notify(), usize::from(count));
        }
        group.bench_function(format!("{count} observations"), |b| {
            b.iter(|| black_box(notify()));
        });

        let mut subject = Subject::default();
        for observer in 0..count {
            // It keeps one observer for each endpoint.
            let mut observe = CoapRequest::new();
            observe.source = Some(observer);
            observe.set_method(RequestType::Get);
            observe.set_path("/3/0/9");
            observe.message.set_token(observer.to_be_bytes().to_vec());
            observe.set_observe_flag(ObserveOption::Register);
            subject.register(&observe);
        }
        let mut message_id = 0_u16;
        group.bench_function(format!("coap-lite, {count} observers"), |b| {
            b.iter(|| {
                message_id = message_id.wrapping_add(1);
                subject.resource_changed("3/0/9", message_id, false);
                let resource = subject.get_resource("3/0/9").expect("an observed resource");
                let sent = resource.observers.iter().map(|observer| {
                    let (token, payload) = (observer.token.clone(), b"\xC1\x09\x50".to_vec());
                    let sequence = resource.sequence & 0xFF_FFFF;
                    let packet = create_notification(message_id, token, sequence, payload, false);
                    packet.to_bytes().expect("it fits").len()
                });
                black_box(sent.sum::<usize>())
            });
        });
    }
    group.finish();
}

fn discover(c: &mut Criterion) {
    let mut group = c.benchmark_group("client/Discover");
    for (name, attributes) in [
        ("without attributes", &[][..]),
        (
            "attributes at three levels",
            &[("/3", "pmin=10"), ("/3/0", "pmax=60"), ("/3/0/9", "lt=20")],
        ),
    ] {
        let mut device = Registered::new();
        for (path, query) in attributes {
            let mut write = MessageBuf::request(Method::Put);
            for segment in path.split('/').skip(1) {
                write.uri_path(segment).expect("it fits");
            }
            write.uri_query(query).expect("it fits");
            let mut write = finish(write, b"1234");
            assert_eq!(device.answer(&mut write), Code::CHANGED);
        }
        let mut discover = MessageBuf::request(Method::Get);
        for segment in ["3", "0", "9"] {
            discover.uri_path(segment).expect("it fits");
        }
        discover
            .accept(ContentFormat::LINK_FORMAT)
            .expect("it fits");
        let mut discover = finish(discover, b"1234");
        assert_eq!(device.answer(&mut discover), Code::CONTENT);
        group.bench_function(name, |b| {
            b.iter(|| black_box(device.answer(&mut discover)));
        });
    }
    group.finish();
}

criterion_group!(benches, read, notify, discover);
criterion_main!(benches);
