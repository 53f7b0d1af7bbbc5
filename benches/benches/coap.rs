//! Reading and writing a Register and the answer to a Read, ours and `coap-lite`'s; and whole
//! exchanges.

use core::hint::black_box;

use coap_lite::{CoapOption, MessageClass, Packet, RequestType, ResponseType};
use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m_core::{Code, ContentFormat, Instant, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Endpoint, Incoming, MessageBuf, MessageRef, MessageType, RequestOptions, Token,
        WireMessage,
    },
};

const LINKS: &[u8] = br#"</>;rt="oma.lwm2m";ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>"#;
const QUERY: [&str; 4] = [
    "ep=urn:dev:os:0023C7-000001",
    "lt=86400",
    "lwm2m=1.0",
    "b=U",
];

/// Sends a datagram: the transport reads its bytes. (If the benchmark were given the message
/// itself, it would also measure a copy of it.)
fn send(message: impl AsRef<[u8]>) {
    black_box(message.as_ref());
}

/// About as long as the Device object's Resources in TLV.
const DEVICE: [u8; 121] = [0xc8; 121];

/// The Register, ours.
fn write() -> WireMessage {
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

/// The answer to a Read of the Device Object, ours. Whatever differs between answers is hidden from
/// the compiler, here and below.
fn write_answer() -> WireMessage {
    let payload = black_box(&DEVICE[..]);
    let mut message = MessageBuf::response_with_capacity(Code::CONTENT, 4 + payload.len());
    message
        .content_format(black_box(ContentFormat::TLV))
        .expect("options in order");
    message.payload(payload);
    let token = Token::new(&black_box([1, 2, 3, 4, 5, 6, 7, 8])).expect("eight bytes");
    message.finish(MessageType::Acknowledgement, black_box(0x1234), token)
}

/// The answer, by `coap-lite`.
fn write_answer_peer() -> Vec<u8> {
    let mut packet = Packet::new();
    packet
        .header
        .set_type(coap_lite::MessageType::Acknowledgement);
    packet.header.code = MessageClass::Response(ResponseType::Content);
    packet.header.message_id = black_box(0x1234);
    packet.set_token(black_box([1, 2, 3, 4, 5, 6, 7, 8]).to_vec());
    let format = black_box(ContentFormat::TLV).number();
    packet.add_option(CoapOption::ContentFormat, format.to_be_bytes().to_vec());
    packet.payload = black_box(&DEVICE[..]).to_vec();
    packet.to_bytes().expect("it fits")
}

fn codec(c: &mut Criterion) {
    let register = write();
    let register = register.as_ref();
    assert_eq!(register, write_peer());
    let answer = write_answer();
    let answer = answer.as_ref();
    assert_eq!(answer, write_answer_peer());

    let mut group = c.benchmark_group("coap/read");
    for (name, datagram) in [("register", register), ("answer", answer)] {
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
    group.bench_function("register/ours", |b| b.iter(|| send(write())));
    group.bench_function("register/coap-lite", |b| b.iter(|| send(write_peer())));
    group.bench_function("answer/ours", |b| b.iter(|| send(write_answer())));
    group.bench_function("answer/coap-lite", |b| b.iter(|| send(write_answer_peer())));
    group.finish();
}

/// Who asks in an exchange.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    /// The node that knows one peer, as a client does that registers.
    One,
    /// The node that knows many, as a server does that reads.
    Many,
}

/// A confirmable request and its piggybacked answer, through two endpoints in memory, in the steady
/// state. As in the field, only one of them knows `peers` others, all of them at all times. The
/// other one plays each of these peers in turn: what it sends is handed over under the name of the
/// peer whose turn it is.
///
/// Each peer has its turn once in 15/16 of EXCHANGE_LIFETIME. So the endpoint still keeps the
/// peer's last exchange (the cached answer if the peer asked, the message ids if it was asked), and
/// each exchange forgets as much as it adds: that is part of the figure. Peers were made known in
/// the order of their names. They have their turns in that order or scattered: each turn skips more
/// than a third of them, so that an exchange never benefits from what the one before brought into
/// the cache. A peer that asks more often than that costs one more index lookup.
///
/// The endpoint that plays all peers has a clock of its own, as it sees more exchanges than one
/// peer may have. That clock is fast enough that message ids don't run out or, where it is asked,
/// that no id is one that it still remembers.
struct Pair {
    many: Endpoint<u32>,
    one: Endpoint<u32>,
    asks: Asks,
    peers: u32,
    /// Coprime to `peers`.
    stride: u32,
    peer: u32,
    exchanges: u64,
    buffer: Vec<u8>,
}

impl Pair {
    fn new(asks: Asks, peers: u32, scattered: bool) -> Self {
        let mut pair = Self {
            many: Endpoint::new(Config::new([1; 32])),
            one: Endpoint::new(Config::new([1; 32])),
            asks,
            peers,
            stride: 1,
            peer: 0,
            exchanges: 0,
            buffer: Vec::with_capacity(256),
        };
        for _ in 0..peers {
            pair.exchange();
        }
        let gcd = |mut a: u32, mut b: u32| {
            while b > 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        if scattered {
            pair.stride = (peers / 8 * 3 + 1..=peers)
                .find(|stride| gcd(*stride, peers) == 1)
                .expect("a prime at the latest");
        }
        for _ in 0..2 * peers {
            pair.exchange();
        }
        pair
    }

    /// With every peer known, and the state that its last exchange left.
    fn assert_steady(&self) {
        let known = self.peers as usize;
        assert_eq!(self.many.usage().peers, known);
        if self.asks == Asks::One {
            assert!(self.many.usage().records >= known);
        }
        assert!(self.one.usage().peers <= 1);
    }

    /// One exchange with the peer whose turn it is.
    fn exchange(&mut self) {
        let peer = self.peer;
        self.peer = (peer + self.stride) % self.peers;
        let lifetime = self.many.config().transmission.exchange_lifetime();
        let lifetime = u64::try_from(lifetime.as_millis()).expect("minutes");
        let round = lifetime / 16 * 15;
        let now_many = Instant::from_millis(self.exchanges * round / u64::from(self.peers));
        let step = match self.asks {
            // Requests have three quarters of the 65,536 message ids.
            Asks::One => lifetime / 40_000 + 1,
            Asks::Many => lifetime + 1_000,
        };
        let now_one = Instant::from_millis(self.exchanges * step);
        self.exchanges += 1;
        for (endpoint, now) in [(&mut self.many, now_many), (&mut self.one, now_one)] {
            if endpoint.poll_timeout().is_some_and(|due| due <= now) {
                endpoint.handle_timeout(now);
            }
        }
        // Under the name that each has for the other.
        let many = (&mut self.many, peer, now_many);
        let one = (&mut self.one, 0, now_one);
        let ((client, to, now_client), (server, from, now_server)) = match self.asks {
            Asks::One => (one, many),
            Asks::Many => (many, one),
        };

        let mut message = MessageBuf::request(Method::Get);
        message
            .uri_path("3")
            .and_then(|message| message.uri_path("0"))
            .expect("options in order");
        client
            .request(now_client, to, message, RequestOptions::default())
            .expect("room");
        let request = client.poll_transmit().expect("a request");
        self.buffer.clear();
        self.buffer.extend_from_slice(request.payload);
        let datagram = Datagram::new(from, &self.buffer);
        let Ok(Some(Incoming::Request { responder, .. })) = server.receive(now_server, &datagram)
        else {
            panic!("no request");
        };
        let mut message = MessageBuf::response(Code::CONTENT);
        message
            .content_format(ContentFormat::TLV)
            .expect("options in order");
        message.payload(&[0xc8; 10]);
        server
            .respond(now_server, responder, message)
            .expect("open");
        let response = server.poll_transmit().expect("a response");
        let datagram = Datagram::new(to, response.payload);
        let Ok(Some(Incoming::Response { body, .. })) = client.receive(now_client, &datagram)
        else {
            panic!("no response");
        };
        assert_eq!(body.len(), 10);
    }
}

fn exchange(c: &mut Criterion) {
    let mut group = c.benchmark_group("coap/exchange");
    for (name, asks, scattered) in [
        ("asked by peers in turn", Asks::One, false),
        ("asked by scattered peers", Asks::One, true),
        ("asking scattered peers", Asks::Many, true),
    ] {
        for peers in [1, 1_000, 100_000, 1_000_000] {
            let mut pair = None;
            group.bench_function(format!("{name}, {peers} known"), |b| {
                let pair = pair.get_or_insert_with(|| Pair::new(asks, peers, scattered));
                pair.assert_steady();
                b.iter(|| pair.exchange());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, codec, exchange);
criterion_main!(benches);
