//! Responses that any client fetches block by block (RFC 7959 §2.4, §2.6).

use core::{cell::Cell, time::Duration};
use std::rc::Rc;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{Endpoint, Incoming, MessageBuf, MessageRef, NotifyOptions, Token},
};

use super::support::{
    Node, T0, ask, block, blockwise, body, config, content, get, refused, response, sent, wire,
    words,
};

fn node() -> Node {
    Endpoint::new(config(7, 64))
}

fn get_block(number: u32, id: u16) -> Vec<u8> {
    let block = Some(block(number, false, 64));
    wire(blockwise(Method::Get, "x", None, block, b""), id)
}

/// What is sent in answer to a request, if its application answers with a body of this length.
fn served(node: &mut Node, request: &[u8], length: usize) -> Vec<Vec<u8>> {
    ask(node, T0, "peer", request, with(content(&body(length))))
}

/// Answers with this message.
fn with(message: MessageBuf) -> impl FnOnce(&mut Node, Incoming<'_>) {
    move |node, incoming| {
        let Incoming::Request { responder, .. } = incoming else {
            panic!("{incoming:?}");
        };
        node.respond(T0, responder, message).unwrap();
    }
}

fn payload(said: &[Vec<u8>]) -> &[u8] {
    MessageRef::parse(&said[0]).unwrap().payload()
}

fn etag(said: &[u8]) -> Option<Vec<u8>> {
    MessageRef::parse(said).unwrap().etag().map(<[u8]>::to_vec)
}

#[test]
fn what_fits_is_not_split() {
    let mut node = node();
    let said = served(&mut node, &wire(get("x"), 1), 64);
    assert_eq!(words(&said[0]), "ACK 2.05");
    // Unless the client wants smaller blocks. A client that asks for blocks learns that there is
    // only one.
    let small = Some(block(0, false, 16));
    let small = wire(blockwise(Method::Get, "x", None, small, b""), 2);
    let said = served(&mut node, &small, 64);
    assert_eq!(words(&said[0]), "ACK 2.05 2:0/1/16");
    let said = served(&mut node, &get_block(0, 3), 64);
    assert_eq!(words(&said[0]), "ACK 2.05 2:0/0/64");
    // An error isn't split.
    let error = response(Code::NOT_FOUND, &body(100));
    let said = ask(&mut node, T0, "peer", &wire(get("x"), 4), with(error));
    assert_eq!(words(&said[0]), "ACK 4.04");
}

#[test]
fn the_size_is_said_once_and_the_etag_with_each_block() {
    let mut node = node();
    let said = served(&mut node, &wire(get("x"), 1), 150);
    let first = MessageRef::parse(&said[0]).unwrap();
    assert_eq!(
        (first.size2(), first.etag().map(<[u8]>::len)),
        (Some(150), Some(8))
    );
    let second = refused(&mut node, T0, "peer", &get_block(1, 2));
    let message = MessageRef::parse(&second).unwrap();
    assert_eq!(
        (message.size2(), message.content_format()),
        (None, first.content_format())
    );
    assert_eq!(etag(&second), etag(&said[0]));
}

#[test]
fn an_etag_of_the_application_is_kept() {
    let mut node = node();
    let mut message = MessageBuf::response(Code::CONTENT);
    message.etag(b"v1").unwrap().payload(&body(150));
    let said = ask(&mut node, T0, "peer", &wire(get("x"), 1), with(message));
    assert_eq!(etag(&said[0]).unwrap(), b"v1");
    let second = refused(&mut node, T0, "peer", &get_block(1, 2));
    assert_eq!(etag(&second).unwrap(), b"v1");
}

#[test]
fn a_block_alone_can_be_asked_for() {
    let mut node = node();
    let said = served(&mut node, &get_block(2, 1), 200);
    assert_eq!(words(&said[0]), "ACK 2.05 2:2/1/64");
    assert_eq!(payload(&said), &body(200)[128..192]);
    // From then on blocks are served in any order.
    let said = refused(&mut node, T0, "peer", &get_block(1, 2));
    assert_eq!(words(&said), "ACK 2.05 2:1/1/64");
}

#[test]
fn a_block_beyond_the_end_is_answered_4_00() {
    let mut node = node();
    let said = served(&mut node, &get_block(4, 1), 200);
    assert_eq!(words(&said[0]), "ACK 4.00");
    let said = served(&mut node, &get_block(1, 2), 64);
    assert_eq!(words(&said[0]), "ACK 4.00");
    served(&mut node, &wire(get("x"), 3), 200);
    let said = refused(&mut node, T0, "peer", &get_block(4, 4));
    assert_eq!(words(&said), "ACK 4.00");
}

#[test]
fn after_the_last_block_nothing_is_kept() {
    let mut node = node();
    served(&mut node, &wire(get("x"), 1), 150);
    assert_eq!(
        (node.usage().serving.bodies, node.usage().serving.bytes),
        (1, 150)
    );
    refused(&mut node, T0, "peer", &get_block(1, 2));
    let last = refused(&mut node, T0, "peer", &get_block(2, 3));
    assert_eq!(
        (node.usage().serving.bodies, node.usage().serving.bytes),
        (0, 0)
    );
    // A repetition of the last request gets the same answer; a client that lacks an older block
    // would have to begin again.
    assert_eq!(refused(&mut node, T0, "peer", &get_block(2, 3)), last);
    assert_eq!(
        words(&refused(&mut node, T0, "peer", &get_block(1, 2))),
        "ACK 4.08"
    );
}

#[test]
fn a_repeated_request_for_a_block_is_answered_from_the_body() {
    let mut node = node();
    served(&mut node, &wire(get("x"), 1), 200);
    let said = refused(&mut node, T0, "peer", &get_block(1, 2));
    assert_eq!(refused(&mut node, T0, "peer", &get_block(1, 2)), said);
}

/// Block2 belongs to what is split: an error has none, even for a client that asks for blocks.
#[test]
fn an_error_has_no_block_option() {
    let mut node = node();
    for number in [0, 1] {
        let asked = get_block(number, 1 + number as u16);
        let refusal = response(Code::NOT_FOUND, b"there is no x");
        let said = ask(&mut node, T0, "peer", &asked, with(refusal));
        assert_eq!(words(&said[0]), "ACK 4.04");
    }
}

/// A node that keeps the bytes of one body only.
fn forgetful() -> Node {
    let mut config = config(7, 64);
    config.bounds.serving.bytes = 200;
    let mut node: Node = Endpoint::new(config);
    served(&mut node, &wire(get("x"), 1), 150);
    served(&mut node, &wire(get("y"), 2), 100);
    assert_eq!(
        (node.usage().serving.bodies, node.usage().serving.bytes),
        (2, 100)
    );
    node
}

#[test]
fn a_body_that_had_to_go_is_asked_for_again_and_served_if_it_is_the_same() {
    let mut node = forgetful();
    let said = served(&mut node, &get_block(1, 3), 150);
    assert_eq!(words(&said[0]), "ACK 2.05 2:1/1/64");
    assert_eq!(payload(&said), &body(150)[64..128]);
}

#[test]
fn a_body_that_had_to_go_and_has_changed_is_answered_4_08() {
    let mut node = forgetful();
    let said = served(&mut node, &get_block(1, 3), 151);
    assert_eq!(words(&said[0]), "ACK 4.08");
    // Nothing is kept of the former body; the other one is kept.
    assert_eq!(
        (node.usage().serving.bodies, node.usage().serving.bytes),
        (1, 100)
    );
}

#[test]
fn a_post_is_not_run_again_for_a_block() {
    let mut node = node();
    let post = |number, id| {
        let block = Some(block(number, false, 64));
        wire(blockwise(Method::Post, "x", None, block, b""), id)
    };
    let said = refused(&mut node, T0, "peer", &post(1, 1));
    assert_eq!(words(&said), "ACK 4.08");
    let changed = response(Code::CHANGED, &body(150));
    ask(&mut node, T0, "peer", &post(0, 2), with(changed));
    let said = refused(&mut node, T0, "peer", &post(1, 3));
    assert_eq!(words(&said), "ACK 2.04 2:1/1/64");
    refused(&mut node, T0, "peer", &post(2, 4));
    let said = refused(&mut node, T0, "peer", &post(1, 5));
    assert_eq!(words(&said), "ACK 4.08");
}

#[test]
fn a_body_that_nobody_asks_for_any_more_is_forgotten() {
    let mut node = node();
    served(&mut node, &wire(get("x"), 1), 150);
    let lifetime = node.config().transmission.exchange_lifetime();
    node.handle_timeout(T0 + lifetime * 2);
    assert!(node.is_idle(), "{:?}", node.usage());
}

#[test]
fn a_body_is_kept_as_long_as_its_blocks_are_asked_for() {
    let mut node = node();
    let first = wire(get("x"), 1);
    served(&mut node, &first, 300);
    let lifetime = node.config().transmission.exchange_lifetime();
    let almost = |now| now + lifetime - Duration::from_millis(1);
    let mut now = T0;
    for number in 1..4 {
        now = almost(now);
        node.handle_timeout(now);
        let said = refused(
            &mut node,
            now,
            "peer",
            &get_block(number, 1 + number as u16),
        );
        assert_eq!(words(&said), format!("ACK 2.05 2:{number}/1/64"));
    }
    node.handle_timeout(almost(now));
    assert_eq!(node.usage().serving.bodies, 1);
    node.handle_timeout(now + lifetime);
    assert_eq!(node.usage().serving.bodies, 0);
    assert!(node.is_idle(), "{:?}", node.usage());
}

#[test]
fn after_the_last_of_whole_blocks_nothing_is_kept() {
    let mut node = node();
    let first = wire(get("x"), 1);
    served(&mut node, &first, 192);
    refused(&mut node, T0, "peer", &get_block(1, 2));
    assert_eq!(node.usage().serving.bodies, 1);
    let last = refused(&mut node, T0, "peer", &get_block(2, 3));
    assert_eq!(words(&last), "ACK 2.05 2:2/0/64");
    assert_eq!(
        (node.usage().serving.bodies, node.usage().serving.bytes),
        (0, 0)
    );
}

/// A peer of which only a body was kept is forgotten when that gives way.
#[test]
fn who_loses_the_last_that_was_kept_is_forgotten() {
    let mut config = config(7, 64);
    config.bounds.serving.bodies = 1;
    config.transfer_lifetime = Some(Duration::from_secs(1_000));
    let mut node: Node = Endpoint::new(config);
    let first = wire(get("x"), 1);
    ask(&mut node, T0, "a", &first, with(content(&body(150))));
    // Its request is forgotten, its body isn't.
    let later = T0 + Duration::from_secs(300);
    node.handle_timeout(later);
    let usage = node.usage();
    assert_eq!((usage.peers, usage.serving.bodies), (1, 1));
    ask(&mut node, later, "b", &first, with(content(&body(150))));
    let usage = node.usage();
    assert_eq!((usage.peers, usage.serving.bodies), (1, 1));
    let second = refused(&mut node, later, "b", &get_block(1, 2));
    assert_eq!(words(&second), "ACK 2.05 2:1/1/64");
}

#[test]
fn bodies_are_bounded_in_number() {
    let mut config = config(7, 64);
    config.bounds.serving.bodies = 2;
    let mut node: Node = Endpoint::new(config);
    for (peer, path, id) in [("a", "x", 1), ("b", "x", 1), ("c", "x", 1), ("a", "y", 2)] {
        ask(
            &mut node,
            T0,
            peer,
            &wire(get(path), id),
            with(content(&body(150))),
        );
        assert!(node.usage().serving.bodies <= 2);
    }
    assert_eq!(node.usage().serving.bytes, 300);
}

#[test]
fn the_body_that_was_not_asked_for_the_longest_time_goes() {
    let mut config = config(7, 64);
    config.bounds.serving.bodies = 2;
    let mut node: Node = Endpoint::new(config);
    let begin = |node: &mut Node, path, id| {
        let serve = with(content(&body(150)));
        ask(node, T0, "peer", &wire(get(path), id), serve);
    };
    begin(&mut node, "x", 1);
    begin(&mut node, "y", 2);
    let said = refused(&mut node, T0, "peer", &get_block(1, 3));
    assert_eq!(words(&said), "ACK 2.05 2:1/1/64");
    begin(&mut node, "z", 4);
    let said = refused(&mut node, T0, "peer", &get_block(2, 5));
    assert_eq!(words(&said), "ACK 2.05 2:2/0/64");
}

#[test]
fn bodies_of_exactly_as_many_bytes_as_may_be_kept_are_kept() {
    for all in [true, false] {
        let mut config = config(7, 64);
        if all {
            config.bounds.serving.bytes = 250;
        } else {
            config.bounds.serving.bytes_per_peer = 250;
        }
        let mut node: Node = Endpoint::new(config);
        for (path, length, id) in [("x", 150, 1), ("y", 100, 2)] {
            let serve = with(content(&body(length)));
            ask(&mut node, T0, "peer", &wire(get(path), id), serve);
        }
        assert_eq!(node.usage().serving.bytes, 250);
    }
}

#[test]
fn bodies_of_peers_are_not_mixed_up() {
    let mut node = node();
    ask(
        &mut node,
        T0,
        "a",
        &wire(get("x"), 1),
        with(content(&body(150))),
    );
    ask(
        &mut node,
        T0,
        "b",
        &wire(get("x"), 1),
        with(content(&body(151))),
    );
    let a = refused(&mut node, T0, "a", &get_block(2, 2));
    let b = refused(&mut node, T0, "b", &get_block(2, 2));
    assert_eq!(MessageRef::parse(&a).unwrap().payload().len(), 22);
    assert_eq!(MessageRef::parse(&b).unwrap().payload().len(), 23);
}

#[test]
fn a_request_to_a_group_is_answered_with_the_first_block() {
    let mut node = node();
    let request: Vec<u8> = get("x")
        .finish(
            lwm2m_statemachine::coap::MessageType::NonConfirmable,
            1,
            Token::EMPTY,
        )
        .into();
    let mut datagram = Datagram::new("peer", &request[..]);
    datagram.multicast = true;
    let Ok(Some(incoming)) = node.receive(T0, &datagram) else {
        panic!("no request");
    };
    with(content(&body(150)))(&mut node, incoming);
    let later = node.poll_timeout().unwrap().max(T0);
    node.handle_timeout(later + Duration::from_secs(6));
    assert_eq!(words(&sent(&mut node)[0]), "NON 2.05 2:0/1/64");
    assert_eq!(
        words(&refused(&mut node, T0, "peer", &get_block(1, 2))),
        "ACK 2.05 2:1/1/64"
    );
}

#[test]
fn without_its_resource_a_notification_has_the_application_asked_for_the_rest() {
    let mut node = node();
    let token = Token::new(b"t").unwrap();
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(5).unwrap().payload(&body(150));
    node.notify(T0, "peer", token, message, NotifyOptions::default())
        .unwrap();
    let first = sent(&mut node).remove(0);
    assert_eq!(words(&first), "NON 2.05 O:5 2:0/1/64");
    let reads = Rc::new(Cell::new(0));
    let said = ask(&mut node, T0, "peer", &get_block(1, 1), |node, incoming| {
        reads.set(reads.get() + 1);
        with(response(Code::CONTENT, &body(150)))(node, incoming);
    });
    assert_eq!(words(&said[0]), "ACK 2.05 2:1/1/64");
    assert_eq!(etag(&said[0]), etag(&first));
    let said = refused(&mut node, T0, "peer", &get_block(2, 2));
    assert_eq!((etag(&said), reads.get()), (etag(&first), 1));
}
