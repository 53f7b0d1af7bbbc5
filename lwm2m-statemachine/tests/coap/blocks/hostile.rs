//! Peers that violate RFC 7959, and calls at unusual moments: a body is complete or there is an
//! error, and nothing is held longer than needed.

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::coap::{
    Config, Event, FailureReason, Incoming, InvalidSend, MessageBuf, MessageRef, MessageType,
    NotifyOptions, Overload, RequestOptions, SendError,
};

use super::{
    exact::{Exact, Role},
    support::{
        Node, T0, ask, block, blockwise, body, change, config, get, observe, refused, request,
        response, say, sent, wire, words,
    },
};

const FAILED: usize = usize::MAX;

fn put(path: &str, number: u32, more: bool, size: usize, payload: &[u8], id: u16) -> Vec<u8> {
    let block = Some(block(number, more, size));
    wire(blockwise(Method::Put, path, block, None, payload), id)
}

#[track_caller]
fn exact(role: Role, config: Config, lines: &str, got: &[usize]) {
    let mut exact = Exact::new(role, config, 0);
    exact.run(lines);
    assert_eq!(exact.got, got);
}

/// A part of a body isn't a body, unless it was asked for.
#[test]
fn a_response_that_begins_with_a_later_block_is_no_body() {
    for later in ["2:1/1/16 [16..32]", "2:1/0/16 [16..20]"] {
        let lines = format!("!c GET /x\n→ CON 1 GET /x\n← ACK 1 2.05 {later}");
        exact(Role::Client, config(1, 1024), &lines, &[FAILED]);
        let lines = format!(
            "!c observe /x
             → CON 1 GET /x O:0
             ← ACK 1 2.05 O:1 {later}"
        );
        exact(Role::Client, config(1, 1024), &lines, &[FAILED]);
        let lines = format!("!c PUT /x 5\n→ CON 1 PUT /x [0..5]\n← ACK 1 2.04 {later}");
        exact(Role::Client, config(1, 1024), &lines, &[FAILED]);
        let lines = format!(
            "!c PUT /x 20
             → CON 1 PUT /x 1:0/1/16 S1:20 RT [0..16]
             ← ACK 1 2.31 1:0/1/16
             → CON 2 PUT /x 1:1/0/16 RT [16..20]
             ← ACK 2 2.04 1:1/0/16 {later}"
        );
        exact(Role::Client, config(1, 16), &lines, &[FAILED]);
    }
}

/// RFC 7959 §2.9.3: 4.13 with a Block1 option to a request without one is a hint to try blocks.
#[test]
fn a_request_that_is_too_large_as_a_whole_is_sent_in_blocks() {
    exact(
        Role::Client,
        config(1, 1024),
        "!c PUT /x 40
         → CON 1 PUT /x [0..40]
         ← ACK 1 4.13 1:0/0/32
         → CON 2 PUT /x 1:0/1/32 S1:40 RT [0..32]
         ← ACK 2 2.31 1:0/1/32
         → CON 3 PUT /x 1:1/0/32 RT [32..40]
         ← ACK 3 2.04 1:1/0/32",
        &[0],
    );
    // Without the hint, or if our blocks aren't smaller, it is the outcome.
    for hint in ["", " S1:10", " 1:0/0/64"] {
        let lines = format!("!c PUT /x 40\n→ CON 1 PUT /x [0..40]\n← ACK 1 4.13{hint}");
        exact(Role::Client, config(1, 1024), &lines, &[0]);
    }
    // Also if the whole body would be a single block.
    let lines = "!c PUT /x 64\n→ CON 1 PUT /x [0..64]\n← ACK 1 4.13 1:0/0/64";
    exact(Role::Client, config(1, 1024), lines, &[0]);
}

/// 2.31 asks for more (RFC 7959 §2.9.1); it isn't a valid answer to the last block.
#[test]
fn to_continue_after_the_last_block_is_no_success() {
    exact(
        Role::Client,
        config(1, 16),
        "!c PUT /x 20
         → CON 1 PUT /x 1:0/1/16 S1:20 RT [0..16]
         ← ACK 1 2.31 1:0/1/16
         → CON 2 PUT /x 1:1/0/16 RT [16..20]
         ← ACK 2 2.31 1:1/0/16",
        &[FAILED],
    );
}

/// The size in a 4.13 is a hint to try it (RFC 7959 §2.9.3), unless no size would do.
#[test]
fn a_body_that_is_too_large_is_so_in_any_blocks() {
    let mut config = config(1, 16);
    config.bounds.body = 40;
    exact(
        Role::Server,
        config,
        "→ CON 1 PUT /x 1:0/1/64 S1:100 [0..64]
         ← ACK 1 4.13 1:0/0/64 S1:40",
        &[],
    );
}

/// A body doesn't continue beyond its last block, even while the application still works on it.
#[test]
fn a_block_beyond_the_last_one_changes_nothing() {
    let mut node = Node::new(config(1, 1024));
    refused(&mut node, T0, "other", &put("y", 0, true, 64, &body(64), 1));
    refused(&mut node, T0, "peer", &put("x", 0, true, 64, &body(64), 1));
    let last = put("x", 1, false, 64, &body(128)[64..], 2);
    let (incoming, _) = say(&mut node, T0, "peer", &last);
    let Some(Incoming::Request { responder, .. }) = incoming else {
        panic!("{incoming:?}");
    };
    for (more, id) in [(true, 3), (false, 4)] {
        let beyond = put("x", 2, more, 64, &body(64), id);
        let said = refused(&mut node, T0, "peer", &beyond);
        assert_eq!(words(&said), "ACK 4.08 1:2/0/64");
    }
    assert_eq!(node.usage().receiving.bytes, 64 + 128);
    node.ignore(responder);
    assert_eq!(node.usage().receiving.bytes, 64 + 64);
    let (incoming, _) = say(&mut node, T0, "peer", &last);
    assert_eq!(change(&mut node, incoming.unwrap()), body(128));
    assert_eq!(node.usage().receiving.bytes, 64);
}

/// The same for a body that is delivered block by block.
#[test]
fn a_block_beyond_the_last_one_is_not_handed_on() {
    let mut config = config(1, 1024);
    config.stream_requests = true;
    let mut node = Node::new(config);
    for (number, more) in [(0, true), (1, false)] {
        let block = put("x", number, more, 64, &body(64), 1 + number as u16);
        let (incoming, _) = say(&mut node, T0, "peer", &block);
        let Some(Incoming::RequestBlock { responder, .. }) = incoming else {
            panic!("{incoming:?}");
        };
        if more {
            let answer = response(Code::CONTINUE, b"");
            node.respond(T0, responder, answer).unwrap();
            assert_eq!(words(&sent(&mut node)[0]), "ACK 2.31 1:0/1/64");
        } else {
            let beyond = put("x", 2, false, 64, b"more", 3);
            let said = refused(&mut node, T0, "peer", &beyond);
            assert_eq!(words(&said), "ACK 4.08 1:2/0/64");
            let answer = response(Code::CHANGED, b"");
            node.respond(T0, responder, answer).unwrap();
        }
    }
    assert_eq!(node.usage().receiving.bodies, 0);
}

/// An error isn't split into blocks.
#[test]
fn an_error_has_no_source() {
    let mut node = Node::new(config(1, 64));
    let asked = wire(get("x"), 1);
    for code in [Code::NOT_FOUND, Code::CONTINUE, Code::GET] {
        let (incoming, _) = say(&mut node, T0, "peer", &asked);
        let Some(Incoming::Request { responder, .. }) = incoming else {
            panic!("{incoming:?}");
        };
        let token = responder.token();
        let (one, other) = (node.bodies().source(None), node.bodies().source(None));
        let message = MessageBuf::response(code);
        let result = node.respond(T0, responder, (message.clone(), one));
        assert_eq!(result, Err(SendError::Invalid(InvalidSend::Code(code))));
        let options = NotifyOptions::default();
        let result = node.notify(T0, "peer", token, (message, other), options);
        assert_eq!(result, Err(SendError::Invalid(InvalidSend::Code(code))));
        node.drop_peer(T0, &"peer");
        assert!(node.is_idle());
    }
}

/// An answer from a source ends its request's body, like any other.
#[test]
fn a_body_that_is_answered_from_a_source_is_not_kept() {
    let mut node = Node::new(config(1, 64));
    refused(&mut node, T0, "peer", &put("x", 0, true, 64, &body(64), 1));
    let last = put("x", 1, false, 64, &body(100)[64..], 2);
    let (incoming, _) = say(&mut node, T0, "peer", &last);
    let Some(Incoming::Request { responder, .. }) = incoming else {
        panic!("{incoming:?}");
    };
    let source = node.bodies().source(None);
    let name = source.id();
    let head = response(Code::CHANGED, b"");
    node.respond(T0, responder, (head, source)).unwrap();
    node.bodies().supply(T0, name, 0, b"done", false).unwrap();
    let said = sent(&mut node);
    assert_eq!(words(&said[0]), "ACK 2.04 1:1/0/64");
    assert_eq!(node.usage().receiving.bodies, 0);
    assert_eq!(node.usage().receiving.bytes, 0);
}

/// A client that waits for the first block of a source can get any other source instead.
#[test]
fn who_waits_for_the_first_block_of_a_source_that_is_replaced_gets_that_of_the_new_one() {
    let mut node = Node::new(config(1, 64));
    let mut sources = Vec::new();
    for id in [1, 2] {
        let asked = wire(get("x"), id);
        let (incoming, _) = say(&mut node, T0, "peer", &asked);
        let Some(Incoming::Request { responder, .. }) = incoming else {
            panic!("{incoming:?}");
        };
        let source = node.bodies().source(None);
        sources.push(source.id());
        let head = response(Code::CONTENT, b"");
        node.respond(T0, responder, (head, source)).unwrap();
        assert!(sent(&mut node).is_empty());
    }
    let late = node.bodies().supply(T0, sources[0], 0, b"old", false);
    assert_eq!(late, Err(SendError::NoSource));
    node.bodies()
        .supply(T0, sources[1], 0, &body(64), true)
        .unwrap();
    let said = sent(&mut node);
    assert_eq!(said.len(), 2);
    for (said, id) in said.iter().zip([1, 2]) {
        assert_eq!(words(said), "ACK 2.05 2:0/1/64");
        assert_eq!(MessageRef::parse(said).unwrap().message_id(), id);
    }
}

/// Of bodies to one resource, only the one whose turn it is is supplied.
#[test]
fn a_source_is_not_supplied_before_its_turn() {
    let mut node = Node::new(config(1, 64));
    let [_, second] = [(); 2].map(|()| {
        let source = node.bodies().source(None);
        let name = source.id();
        let message = request(Method::Put, "x", b"");
        node.request(T0, "peer", (message, source), RequestOptions::default())
            .unwrap();
        name
    });
    let early = node.bodies().supply(T0, second, 0, b"two", false);
    assert_eq!(early, Err(SendError::Invalid(InvalidSend::BlockNotWanted)));
    assert!(sent(&mut node).is_empty());
}

/// After an error nothing is kept of a notification and its body.
#[test]
fn a_notification_that_cannot_be_sent_leaves_no_body() {
    let mut config = config(1, 64);
    config.bounds.transmissions_per_peer = 0;
    let mut node = Node::new(config);
    let asked = wire(observe("x"), 1);
    let (incoming, _) = say(&mut node, T0, "peer", &asked);
    let Some(Incoming::Request { responder, .. }) = incoming else {
        panic!("{incoming:?}");
    };
    let (token, resource) = (responder.token(), responder.resource());
    let answer = |number, body: &[u8]| {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(number).unwrap().payload(body);
        message
    };
    node.respond(T0, responder, answer(1, b"short")).unwrap();
    let large = answer(2, &body(200));
    let options = NotifyOptions {
        confirmable: true,
        resource: Some(resource),
        ..NotifyOptions::default()
    };
    for to in ["peer", "other"] {
        let sent = node.notify(T0, to, token, large.clone(), options);
        assert_eq!(sent, Err(SendError::Overload(Overload::Messages)));
        assert_eq!(node.usage().serving.bodies, 0);
    }
    // Nothing else was known of the other one.
    assert_eq!(node.usage().peers, 1);
}

/// A peer that asks for many bodies and fetches none takes no room from others.
#[test]
fn bodies_to_one_peer_do_not_take_the_place_of_others() {
    let mut config = config(1, 64);
    (
        config.bounds.serving.bodies,
        config.bounds.serving.bodies_per_peer,
    ) = (3, 2);
    let mut node = Node::new(config);
    let serve = |node: &mut Node, incoming: Incoming<'_>| {
        let Incoming::Request { responder, .. } = incoming else {
            panic!("{incoming:?}");
        };
        let answer = response(Code::CONTENT, &body(100));
        node.respond(T0, responder, answer).unwrap();
    };
    ask(&mut node, T0, "one", &wire(get("x"), 1), serve);
    for (path, id) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        ask(&mut node, T0, "greedy", &wire(get(path), id), serve);
    }
    assert_eq!(node.usage().serving.bodies, 3);
    let rest = |path, id| {
        let block = Some(block(1, false, 64));
        wire(blockwise(Method::Get, path, None, block, b""), id)
    };
    // The newest ones are kept, and that of the other peer.
    for (from, path, id) in [("one", "x", 2), ("greedy", "c", 5), ("greedy", "d", 6)] {
        let said = refused(&mut node, T0, from, &rest(path, id));
        assert_eq!(words(&said), "ACK 2.05 2:1/0/64");
    }
    assert_eq!(node.usage().serving.bodies, 0);
}

/// The same in bytes.
#[test]
fn large_bodies_to_one_peer_do_not_push_out_those_of_others() {
    let mut config = config(1, 64);
    config.bounds.serving.bytes = 500;
    config.bounds.serving.bytes_per_peer = 250;
    let mut node = Node::new(config);
    let serve = |node: &mut Node, incoming: Incoming<'_>| {
        let Incoming::Request {
            responder, request, ..
        } = incoming
        else {
            panic!("{incoming:?}");
        };
        let path = request.uri_path().next().unwrap();
        let length = if path == "large" { 300 } else { 100 };
        let answer = response(Code::CONTENT, &body(length));
        node.respond(T0, responder, answer).unwrap();
    };
    let held = |node: &Node| node.usage().serving.bytes;
    ask(&mut node, T0, "one", &wire(get("x"), 1), serve);
    for (path, id, bytes) in [("a", 1, 200), ("b", 2, 300), ("c", 3, 300), ("d", 4, 300)] {
        ask(&mut node, T0, "greedy", &wire(get(path), id), serve);
        assert_eq!(held(&node), bytes);
    }
    // A body larger than the share is kept if it is the only one.
    ask(&mut node, T0, "greedy", &wire(get("large"), 5), serve);
    assert_eq!(held(&node), 400);
    let rest = |path, id| {
        let block = Some(block(1, false, 64));
        wire(blockwise(Method::Get, path, None, block, b""), id)
    };
    let said = refused(&mut node, T0, "one", &rest("x", 2));
    assert_eq!(words(&said), "ACK 2.05 2:1/0/64");
    let said = refused(&mut node, T0, "greedy", &rest("large", 6));
    assert_eq!(words(&said), "ACK 2.05 2:1/1/64");
    // The application is asked again for those that had to go.
    let asked = wire(
        blockwise(Method::Get, "d", None, Some(block(1, false, 64)), b""),
        7,
    );
    let (incoming, said) = say(&mut node, T0, "greedy", &asked);
    assert!(matches!(incoming, Some(Incoming::Request { .. })));
    assert!(said.is_empty());
}

/// A peer whose answers don't end takes no more than its share, and all peers no more than the
/// total: of two answers that have only begun, the older one gives way.
#[test]
fn half_answers_are_bounded_in_bytes() {
    let mut config = config(1, 1024);
    config.bounds.body = 128;
    config.bounds.responses.bytes = 400;
    config.bounds.responses.bytes_per_peer = 200;
    config.transmission.nstart = 8;
    let mut node = Node::new(config);
    let mut fails = |peer: &'static str, number: u32| {
        node.request(T0, peer, get("x"), RequestOptions::default())
            .unwrap();
        let mut asked = sent(&mut node);
        for number in 0..=number {
            let block_of = MessageRef::parse(&asked[0]).unwrap();
            let mut answer = MessageBuf::response(Code::CONTENT);
            answer.block2(block(number, true, 64)).unwrap();
            answer.payload(&body(64));
            let kind = MessageType::Acknowledgement;
            let answer = answer.finish(kind, block_of.message_id(), block_of.token());
            let (incoming, said) = say(&mut node, T0, peer, answer.as_ref());
            assert!(incoming.is_none());
            asked = said;
        }
        match node.poll_event() {
            Some(Event::RequestFailed { peer, reason, .. }) => Some((peer, reason)),
            None => None,
            other => panic!("{other:?}"),
        }
    };
    let no_room = FailureReason::NoRoom;
    assert_eq!(fails("greedy", 1), None);
    assert_eq!(fails("greedy", 0), None);
    assert_eq!(fails("greedy", 0), Some(("greedy", no_room)));
    assert_eq!(fails("one", 1), None);
    assert_eq!(fails("two", 0), None);
    assert_eq!(fails("three", 0), Some(("two", no_room)));
    assert_eq!(node.usage().response_bytes, 128 + 64 + 128 + 64);
    node.drop_peer(T0, &"greedy");
    assert_eq!(node.usage().response_bytes, 128 + 64);
}
