//! What the tests of the CoAP endpoint share.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use core::time::Duration;

use lwm2m_core::{Code, Instant};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        Config, DatagramError, Endpoint, Event, Incoming, MessageBuf, MessageRef, MessageType,
        RequestId, RequestOptions, Responder, Token,
    },
};

pub use lwm2m_kit::get;

pub type Node = Endpoint<&'static str>;

pub const T0: Instant = Instant::from_millis(1_000);

pub fn node() -> Node {
    Endpoint::new(Config::new([5; 32]))
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// All datagrams to send now.
pub fn sent(node: &mut Node) -> Vec<Vec<u8>> {
    let sent = lwm2m_kit::sent(node).into_iter();
    sent.map(|sent| sent.bytes).collect()
}

/// The only datagram to send now.
pub fn sent_one(node: &mut Node) -> Vec<u8> {
    let mut datagrams = sent(node);
    assert_eq!(datagrams.len(), 1, "{datagrams:02x?}");
    datagrams.remove(0)
}

pub fn receive<'d>(
    node: &mut Node,
    now: Instant,
    payload: &'d [u8],
) -> Result<Option<Incoming<'d>>, DatagramError> {
    node.receive(now, &Datagram::new("peer", payload))
}

pub fn responder(incoming: Option<Incoming<'_>>) -> Responder {
    match incoming {
        Some(Incoming::Request { responder, .. }) => responder,
        other => panic!("no request: {other:?}"),
    }
}

pub fn content(text: &str) -> MessageBuf {
    lwm2m_kit::response(Code::CONTENT, text.as_bytes())
}

pub fn observe_answer(sequence: u32, text: &str) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(sequence).unwrap().payload(text.as_bytes());
    message
}

/// A request that is sent once.
pub const ONCE: RequestOptions = RequestOptions {
    confirmable: false,
    channel: Channel::Udp,
    timeout: None,
    cancels: None,
    stream: false,
    single_block: false,
};

pub fn id_of(datagram: &[u8]) -> u16 {
    MessageRef::parse(datagram).unwrap().message_id()
}

/// A message from the peer.
pub fn message(buf: MessageBuf, kind: MessageType, id: u16, token: Token) -> Vec<u8> {
    buf.finish(kind, id, token).into()
}

pub fn token(bytes: &[u8]) -> Token {
    Token::new(bytes).unwrap()
}

/// Sends a request and takes it out; returns its message id and token.
pub fn request(node: &mut Node, options: RequestOptions) -> (RequestId, u16, Token) {
    request_of(node, get("x"), options)
}

pub fn request_of(
    node: &mut Node,
    message: MessageBuf,
    options: RequestOptions,
) -> (RequestId, u16, Token) {
    let id = node.request(T0, "peer", message, options).unwrap();
    let wire = sent_one(node);
    let read = MessageRef::parse(&wire).unwrap();
    (id, read.message_id(), read.token())
}

pub const CON: MessageType = MessageType::Confirmable;
pub const NON: MessageType = MessageType::NonConfirmable;
pub const ACK: u8 = 0x60;
pub const RST: u8 = 0x70;

pub fn empty(kind: u8, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![kind, 0, high, low]
}

pub fn run_until_quiet(node: &mut Node) -> Vec<Event<&'static str>> {
    let mut events = Vec::new();
    for _ in 0..10_000 {
        sent(node);
        events.extend(lwm2m_kit::events(node));
        let Some(now) = node.poll_timeout() else {
            assert!(node.is_idle(), "{:?}", node.usage());
            return events;
        };
        node.handle_timeout(now);
    }
    panic!("never quiet");
}
