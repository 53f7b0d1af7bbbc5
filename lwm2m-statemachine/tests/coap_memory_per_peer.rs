//! What an endpoint holds for each peer, in bytes of heap. One test, because the counter is global.

use core::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use lwm2m_core::{Code, Instant, Method};
use lwm2m_kit::heap::held;
use lwm2m_statemachine::{
    Datagram, Machine,
    coap::{
        Config, Endpoint, Incoming, MessageBuf, MessageRef, MessageType, RequestOptions, Token,
    },
};

lwm2m_kit::count_allocations!();

/// A name as long as a socket address.
type Name = SocketAddr;

/// Just above a power of two, and in between: doubling containers have the most unused room just
/// after they have grown.
const PEERS: [u32; 3] = [8_200, 10_000, 16_000];

/// The length of an answer on the wire, which isn't counted.
const ANSWER: usize = 120;

fn name(peer: u32) -> Name {
    (Ipv4Addr::from_bits(0x0a00_0000 | peer), 5683).into()
}

/// A request is received and answered; the answer is kept in case the request is repeated.
fn serve(node: &mut Endpoint<Name>, now: Instant, peer: Name) {
    let mut request = MessageBuf::request(Method::Get);
    request.uri_path("3").unwrap();
    let wire = request.finish(MessageType::Confirmable, 1, Token::new(b"token").unwrap());
    let incoming = node.receive(now, &Datagram::new(peer, wire.as_ref()));
    let Ok(Some(Incoming::Request { responder, .. })) = incoming else {
        panic!("{incoming:?}");
    };
    let mut answer = MessageBuf::response(Code::CONTENT);
    answer.payload(&[0; ANSWER - 4 - 5 - 1]);
    node.respond(now, responder, answer).unwrap();
    let sent = node.poll_transmit().unwrap();
    assert_eq!(sent.payload.len(), ANSWER);
}

/// A request is sent, and the answer received: the message ids are kept, and for a separate answer
/// its message id.
fn ask(node: &mut Endpoint<Name>, now: Instant, peer: Name, separate: bool) {
    let mut request = MessageBuf::request(Method::Get);
    request.uri_path("3").unwrap();
    node.request(now, peer, request, RequestOptions::default())
        .unwrap();
    let wire = node.poll_transmit().unwrap().payload.to_vec();
    let message = MessageRef::parse(&wire).unwrap();
    let kind = if separate {
        MessageType::Confirmable
    } else {
        MessageType::Acknowledgement
    };
    let mut answer = MessageBuf::response(Code::CONTENT);
    answer.payload(&[0; 20]);
    let answer = answer.finish(kind, message.message_id(), message.token());
    let incoming = node.receive(now, &Datagram::new(peer, answer.as_ref()));
    assert!(matches!(incoming, Ok(Some(Incoming::Response { .. }))));
    while node.poll_transmit().is_some() {}
}

type Exchange = fn(&mut Endpoint<Name>, Instant, Name);

/// One exchange with each of many peers, and then nothing for EXCHANGE_LIFETIME.
fn assert_bounded(what: &str, peers: u32, exchange: Exchange, answer: usize) {
    let mut node = Endpoint::new(Config::new([1; 32]));
    let mut now = Instant::from_secs(1000);
    // What an endpoint keeps once is there from the first exchange on.
    exchange(&mut node, now, name(0));
    let empty = held();
    for peer in 1..=peers {
        exchange(&mut node, now, name(peer));
        now += Duration::from_millis(1);
    }
    let each = held().saturating_sub(empty) / peers as usize;
    assert!(
        each <= 256 + answer,
        "{what}, {peers} peers: {each} bytes each, the answer included"
    );

    now += node.config().transmission.exchange_lifetime();
    while let Some(due) = Machine::poll_timeout(&node).filter(|due| *due <= now) {
        node.handle_timeout(due);
    }
    // Expiry is rounded up to whole seconds.
    now += Duration::from_secs(1);
    node.handle_timeout(now);
    assert!(node.is_idle(), "{what}: {:?}", node.usage());
    let left = held().saturating_sub(empty);
    // The harness allocates little meanwhile.
    assert!(left < 1024, "{what}, {peers} peers: {left} bytes left");
}

#[test]
fn a_peer_takes_little_room_and_in_the_end_none() {
    // Check the counter itself.
    let before = held();
    let some = black_box(vec![0_u8; 100_000]);
    assert!(held() - before >= 100_000);
    drop(some);

    for peers in PEERS {
        assert_bounded("served", peers, serve, ANSWER);
        assert_bounded(
            "served and asked",
            peers,
            |node, now, peer| {
                serve(node, now, peer);
                ask(node, now, peer, false);
            },
            ANSWER,
        );
        assert_bounded(
            "asked",
            peers,
            |node, now, peer| ask(node, now, peer, false),
            0,
        );
        assert_bounded(
            "asked, answered separately",
            peers,
            |node, now, peer| ask(node, now, peer, true),
            0,
        );
    }
}
