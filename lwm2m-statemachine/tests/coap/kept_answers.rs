//! The answers that are kept for repeated requests (RFC 7252 §4.5) are bounded in bytes. Beyond the
//! bound, no request with an effect runs twice.

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{Config, Endpoint, Incoming, MessageBuf, MessageRef, MessageType},
};

use crate::support::*;

fn bounded(per_peer: usize, all: usize) -> Endpoint<u32> {
    let mut config = Config::new([5; 32]);
    config.bounds.answers.bytes_per_peer = per_peer;
    config.bounds.answers.bytes = all;
    Endpoint::new(config)
}

fn request(method: Method, id: u16) -> Vec<u8> {
    message(MessageBuf::request(method), CON, id, token(b"t"))
}

/// An answer of about this many bytes that contains its request's message id.
fn answer(id: u16, size: usize) -> MessageBuf {
    let mut answer = MessageBuf::response(Code::CONTENT);
    answer.payload(&id.to_be_bytes()).payload(&vec![7; size]);
    answer
}

#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    /// The application was asked.
    Run,
    /// The answer was sent again.
    Answered,
    /// The request was only acknowledged.
    Acknowledged,
}

/// The effect of a request; if it is run, it is answered.
fn send(node: &mut Endpoint<u32>, from: u32, method: Method, id: u16, size: usize) -> Reaction {
    let datagram = request(method, id);
    let reaction = match node.receive(T0, &Datagram::new(from, &datagram)).unwrap() {
        Some(Incoming::Request { responder, .. }) => {
            node.respond(T0, responder, answer(id, size)).unwrap();
            Reaction::Run
        }
        Some(other) => panic!("{other:?}"),
        None => Reaction::Answered,
    };
    let sent = node.poll_transmit().expect("an answer").payload.to_vec();
    assert!(node.poll_transmit().is_none());
    let read = MessageRef::parse(&sent).unwrap();
    assert_eq!(read.message_id(), id);
    if read.code() == Code::EMPTY {
        return Reaction::Acknowledged;
    }
    assert_eq!(read.payload()[..2], id.to_be_bytes());
    reaction
}

#[test]
fn answers_to_reads_go_the_oldest_first() {
    for all in [false, true] {
        let (per_peer, of_all) = if all {
            (1 << 20, 10_000)
        } else {
            (10_000, 1 << 20)
        };
        let mut node = bounded(per_peer, of_all);
        for id in 0..100 {
            assert_eq!(send(&mut node, 1, Method::Get, id, 900), Reaction::Run);
            let bytes = node.usage().answer_bytes;
            assert!(bytes <= 10_000, "{bytes}");
            assert!(id < 20 || bytes > 8_000, "{bytes}");
        }
        assert_eq!(send(&mut node, 1, Method::Get, 99, 900), Reaction::Answered);
        assert_eq!(send(&mut node, 1, Method::Get, 95, 900), Reaction::Answered);
        assert_eq!(send(&mut node, 1, Method::Get, 0, 900), Reaction::Run);
    }
}

/// By default a peer holds 64 KiB with its 512 requests.
#[test]
fn by_default_the_answers_to_a_peer_take_64_kibibytes() {
    let mut node: Endpoint<u32> = Endpoint::new(Config::new([5; 32]));
    for id in 0..512 {
        assert_eq!(send(&mut node, 1, Method::Get, id, 1000), Reaction::Run);
    }
    assert!(node.usage().answer_bytes <= 1 << 16);
    // Another peer has its own.
    assert_eq!(send(&mut node, 2, Method::Get, 1, 1000), Reaction::Run);
    assert_eq!(send(&mut node, 2, Method::Get, 1, 1000), Reaction::Answered);
    assert_eq!(
        send(&mut node, 1, Method::Get, 511, 1000),
        Reaction::Answered
    );
}

#[test]
fn what_was_run_is_not_run_again_when_its_answer_goes() {
    for all in [false, true] {
        let (per_peer, of_all) = if all {
            (1 << 20, 10_000)
        } else {
            (10_000, 1 << 20)
        };
        let mut node = bounded(per_peer, of_all);
        for id in 0..100 {
            let method = [Method::Post, Method::Put, Method::Delete][usize::from(id % 3)];
            assert_eq!(send(&mut node, 1, method, id, 900), Reaction::Run);
            assert!(node.usage().answer_bytes <= 10_000);
        }
        assert_eq!(node.usage().records, 100);
        for id in 0..100 {
            let method = [Method::Post, Method::Put, Method::Delete][usize::from(id % 3)];
            let expected = match id {
                0..89 => Reaction::Acknowledged,
                95.. => Reaction::Answered,
                // As many as there is room for.
                _ => continue,
            };
            assert_eq!(send(&mut node, 1, method, id, 900), expected, "{id}");
        }
    }
}

#[test]
fn answers_to_reads_go_before_those_to_what_was_run() {
    for all in [false, true] {
        let (per_peer, of_all) = if all {
            (1 << 20, 10_000)
        } else {
            (10_000, 1 << 20)
        };
        let mut node = bounded(per_peer, of_all);
        for id in 0..5 {
            send(&mut node, 1, Method::Post, id, 900);
        }
        for id in 5..100 {
            send(&mut node, 1, Method::Get, id, 900);
        }
        for id in 0..5 {
            let again = send(&mut node, 1, Method::Post, id, 900);
            assert_eq!(again, Reaction::Answered, "{id}");
        }
    }
}

/// Other answers don't go for one that is too large anyway.
#[test]
fn an_answer_that_is_too_large_to_keep_is_sent_all_the_same() {
    for (per_peer, all) in [(500, 1 << 20), (1 << 20, 500)] {
        let mut node = bounded(per_peer, all);
        send(&mut node, 1, Method::Post, 1, 100);
        assert_eq!(send(&mut node, 1, Method::Post, 2, 900), Reaction::Run);
        assert_eq!(send(&mut node, 1, Method::Get, 3, 900), Reaction::Run);
        assert_eq!(send(&mut node, 1, Method::Post, 1, 100), Reaction::Answered);
        assert_eq!(
            send(&mut node, 1, Method::Post, 2, 900),
            Reaction::Acknowledged
        );
        assert_eq!(send(&mut node, 1, Method::Get, 3, 900), Reaction::Run);
    }
}

/// The answers to multicast requests wait for their moment (RFC 7252 §8.2); those without room
/// aren't sent.
#[test]
fn answers_to_a_group_that_wait_count_too() {
    let mut node = bounded(1 << 20, 10_000);
    for peer in 0..100 {
        let get = MessageBuf::request(Method::Get);
        let datagram = message(get, MessageType::NonConfirmable, 1, token(b"t"));
        let datagram = Datagram {
            multicast: true,
            ..Datagram::new(peer, &datagram)
        };
        let responder = responder(node.receive(T0, &datagram).unwrap());
        node.respond(T0, responder, answer(1, 900)).unwrap();
        assert!(node.usage().answer_bytes <= 10_000);
    }
    let mut sent = 0;
    while let Some(now) = node.poll_timeout() {
        node.handle_timeout(now);
        while node.poll_transmit().is_some() {
            sent += 1;
        }
    }
    assert!((5..=11).contains(&sent), "{sent}");
    assert!(node.is_idle(), "{:?}", node.usage());
}

/// What is held is always known, and nothing is left in the end.
#[test]
fn what_answers_take_is_given_back() {
    let mut node = bounded(5_000, 20_000);
    let mut now = T0;
    for step in 0..2_000_u16 {
        let peer = u32::from(step % 7);
        let method = [Method::Get, Method::Post][usize::from(step % 3 == 0)];
        send(&mut node, peer, method, step, usize::from(step % 600));
        let bytes = node.usage().answer_bytes;
        assert!(bytes <= 20_000, "{bytes}");
        if step % 50 == 0 {
            node.drop_peer(T0, &(u32::from(step / 50) % 7));
        }
    }
    while let Some(next) = node.poll_timeout() {
        now = now.max(next);
        node.handle_timeout(now);
    }
    assert_eq!(node.usage().answer_bytes, 0);
    assert!(node.is_idle(), "{:?}", node.usage());
}
