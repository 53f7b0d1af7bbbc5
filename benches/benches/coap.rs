//! Reading and writing the Register, and whole exchanges; `coap-lite` beside ours.

use core::hint::black_box;

use coap_lite::{CoapOption, MessageClass, Packet, RequestType};
use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m_core::{Code, ContentFormat, Instant, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Endpoint, Incoming, MessageBuf, MessageRef, MessageType, RequestOptions, Token,
    },
};

const LINKS: &[u8] = br#"</>;rt="oma.lwm2m";ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>"#;
const QUERY: [&str; 4] = [
    "ep=urn:dev:os:0023C7-000001",
    "lt=86400",
    "lwm2m=1.0",
    "b=U",
];

/// The Register, ours.
fn write() -> impl AsRef<[u8]> {
    let mut message = MessageBuf::request_with_capacity(Method::Post, 160);
    message
        .uri_path("rd")
        .and_then(|message| message.content_format(ContentFormat::LINK_FORMAT))
        .expect("options in order");
    for argument in QUERY {
        message.uri_query(argument).expect("options in order");
    }
    message.payload(LINKS);
    let token = Token::new(&[1, 2, 3, 4]).expect("four bytes");
    message.finish(MessageType::Confirmable, 0x1234, token)
}

/// The Register, by `coap-lite`.
fn write_peer() -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(coap_lite::MessageType::Confirmable);
    packet.header.code = MessageClass::Request(RequestType::Post);
    packet.header.message_id = 0x1234;
    packet.set_token(vec![1, 2, 3, 4]);
    packet.add_option(CoapOption::UriPath, b"rd".to_vec());
    packet.add_option(CoapOption::ContentFormat, vec![40]);
    for argument in QUERY {
        packet.add_option(CoapOption::UriQuery, argument.as_bytes().to_vec());
    }
    packet.payload = LINKS.to_vec();
    packet.to_bytes().expect("it fits")
}

/// Reads, with options validated, and walks all options.
fn read(datagram: &[u8]) -> usize {
    let message = MessageRef::parse(datagram).expect("a message");
    assert!(message.unrecognised().is_none());
    let options: usize = message
        .options()
        .map(|(number, value)| usize::from(number.number()) + value.len())
        .sum();
    options + message.payload().len()
}

/// The answer to a Read of the Device object.
fn answer() -> Vec<u8> {
    let mut message = MessageBuf::response(Code::CONTENT);
    message
        .content_format(ContentFormat::TLV)
        .expect("options in order");
    message.payload(&[0xc8; 121]);
    let token = Token::new(&[1, 2, 3, 4, 5, 6, 7, 8]).expect("eight bytes");
    message
        .finish(MessageType::Acknowledgement, 0x1234, token)
        .into()
}

fn codec(c: &mut Criterion) {
    let register = write();
    let register = register.as_ref();
    assert_eq!(register, write_peer());
    let answer = answer();

    let mut group = c.benchmark_group("coap/read");
    for (name, datagram) in [("register", register), ("answer", &answer)] {
        group.bench_function(format!("{name}/ours"), |b| {
            b.iter(|| MessageRef::parse(black_box(datagram)));
        });
        group.bench_function(format!("{name}/ours, options walked"), |b| {
            b.iter(|| read(black_box(datagram)));
        });
        group.bench_function(format!("{name}/coap-lite"), |b| {
            b.iter(|| Packet::from_bytes(black_box(datagram)));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("coap/write");
    group.bench_function("register/ours", |b| b.iter(write));
    group.bench_function("register/coap-lite", |b| b.iter(write_peer));
    group.finish();
}

/// A confirmable request and its piggybacked answer, through two endpoints in memory. The server
/// knows `peers` peers, and each of them has a cached exchange.
struct Pair {
    client: Endpoint<u32>,
    server: Endpoint<u32>,
    now: Instant,
    peers: u32,
    next: u32,
    buffer: Vec<u8>,
}

impl Pair {
    fn new(peers: u32) -> Self {
        let mut config = Config::new([1; 32]);
        config.transmission.max_latency = core::time::Duration::from_secs(1);
        let mut pair = Self {
            client: Endpoint::new(config.clone()),
            server: Endpoint::new(config),
            now: Instant::ZERO,
            peers,
            next: 0,
            buffer: Vec::with_capacity(256),
        };
        for _ in 0..peers {
            pair.exchange();
        }
        pair
    }

    /// One exchange of the next peer. Time passes so that each has one record at a time.
    fn exchange(&mut self) {
        let peer = self.next;
        self.next = (peer + 1) % self.peers;
        if self.next == 0 {
            self.now += self.client.config().transmission.exchange_lifetime();
            self.client.handle_timeout(self.now);
        }
        let mut message = MessageBuf::request(Method::Get);
        message
            .uri_path("3")
            .and_then(|message| message.uri_path("0"))
            .expect("options in order");
        // The client's own peers are the other side's names for it.
        self.client
            .request(self.now, peer, message, RequestOptions::default())
            .expect("room");
        let request = self.client.poll_transmit().expect("a request");
        self.buffer.clear();
        self.buffer.extend_from_slice(request.payload);
        let datagram = Datagram::new(peer, &self.buffer);
        let Ok(Some(Incoming::Request { responder, .. })) =
            self.server.receive(self.now, &datagram)
        else {
            panic!("no request");
        };
        let mut message = MessageBuf::response(Code::CONTENT);
        message
            .content_format(ContentFormat::TLV)
            .expect("options in order");
        message.payload(&[0xc8; 10]);
        self.server
            .respond(self.now, responder, message)
            .expect("open");
        let response = self.server.poll_transmit().expect("a response");
        let datagram = Datagram::new(peer, response.payload);
        let Ok(Some(Incoming::Response { body, .. })) = self.client.receive(self.now, &datagram)
        else {
            panic!("no response");
        };
        assert_eq!(body.len(), 10);
    }
}

fn exchange(c: &mut Criterion) {
    let mut group = c.benchmark_group("coap/exchange");
    for peers in [1, 1_000, 100_000, 1_000_000] {
        let mut pair = Pair::new(peers);
        group.bench_function(format!("{peers} peers"), |b| b.iter(|| pair.exchange()));
    }
    group.finish();
}

criterion_group!(benches, codec, exchange);
criterion_main!(benches);
