//! A client that answers: from the request's datagram to the answer's. The same on the tree alone
//! shows what the client adds.

use core::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m_core::{Code, InstanceId, Instant, Method, Path, ShortServerId, codec::Scope};
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{Device, Security, Server},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram,
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

/// A client that is registered with one server.
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
        tree.add(Store::of([(InstanceId::ZERO, Server::new(id, 86_400))]));
        tree.add(Store::of([(InstanceId::ZERO, Device::example())]));
        let now = Instant::ZERO;
        let mut client = Client::new(ClientConfig::new("bench", [1; 32]), tree).expect("a client");
        client.start(now);
        let Some(ClientEvent::Connect { connection, .. }) = client.poll_event() else {
            panic!("no connection asked for");
        };
        client.connected(now, connection);
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
        // An Update may be due. It isn't part of the request and stays unanswered.
        while self.client.poll_transmit().is_some() {}
        let datagram = Datagram::new(self.connection, request);
        let _ = self.client.handle_datagram(self.now, datagram);
        let answer = self.client.poll_transmit().expect("an answer").payload;
        MessageRef::parse(answer).expect("a message").code()
    }
}

fn get(path: &str) -> Vec<u8> {
    let mut request = MessageBuf::request(Method::Get);
    for segment in path.split('/').skip(1) {
        request.uri_path(segment).expect("it fits");
    }
    let token = Token::new(b"1234").expect("a token");
    let wire = request.finish(MessageType::Confirmable, 0, token);
    wire.as_ref().to_vec()
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("client");
    for (name, path) in [("Resource", "/3/0/9"), ("Object Instance", "/3/0")] {
        let mut request = get(path);
        let mut device = Registered::new();
        assert_eq!(device.answer(&mut request), Code::CONTENT);
        let mut reads = 0;
        group.bench_function(format!("Read of one {name}"), |b| {
            b.iter(|| {
                reads += 1;
                // The client is replaced long before its registration expires.
                if reads % 10_000 == 0 {
                    device = Registered::new();
                }
                black_box(device.answer(&mut request))
            });
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

criterion_group!(benches, read);
criterion_main!(benches);
