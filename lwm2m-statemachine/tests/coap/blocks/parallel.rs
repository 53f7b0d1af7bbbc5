//! Several transfers of one resource at a time, whose body changes meanwhile: a change affects only
//! the transfers of that body.

use core::cell::Cell;
use std::rc::Rc;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{Incoming, MessageBuf, MessageRef, MessageType, OptionNumber, Token},
};

use super::support::{
    Node, Pair, T0, Told, block, blockwise, body, change, config, content, get, request, response,
    say, sent, wire, words,
};

/// A server whose body differs at each read, or as set.
fn changing(version: &Rc<Cell<u8>>, each_read: bool) -> Pair {
    let version = Rc::clone(version);
    Pair::serving(1024, 64, move |_, _| {
        let now = version.get();
        version.set(now + u8::from(each_read));
        content(&[now; 150])
    })
}

/// Takes one datagram from one node to the other.
fn step(pair: &mut Pair) {
    let to_server = pair.client.poll_transmit().map(|it| it.payload.to_vec());
    if let Some(payload) = to_server {
        let datagram = Datagram::new("client", &payload);
        if let Ok(Some(incoming)) = pair.server.receive(pair.now, &datagram) {
            (pair.serve)(&mut pair.server, pair.now, incoming);
        }
    }
}

#[test]
fn a_body_that_changed_for_one_reader_has_the_other_begin_again() {
    let version = Rc::new(Cell::new(1));
    let mut pair = changing(&version, false);
    let first = pair.request(get("x"));
    step(&mut pair);
    version.set(2);
    let second = pair.request(get("x"));
    pair.talk();
    assert_eq!(
        pair.told,
        [
            Told::Response(second, Code::CONTENT, vec![2; 150]),
            Told::Response(first, Code::CONTENT, vec![2; 150]),
        ]
    );
    let reads = pair.log.iter().filter(|line| line.contains(" 2:0/0/"));
    assert_eq!(reads.count(), 1, "{:#?}", pair.log);
    pair.run_to_rest();
}

/// Each read finds another body. A transfer that begins again is distinguished from the others, so
/// that none has to begin again more than once.
#[test]
fn readers_of_what_is_never_the_same_all_come_to_an_end() {
    let version = Rc::new(Cell::new(1));
    let mut pair = changing(&version, true);
    let ids = [(); 4].map(|()| pair.request(get("x")));
    pair.talk();
    let mut ends: Vec<_> = pair
        .told
        .drain(..)
        .map(|told| match told {
            Told::Response(id, Code::CONTENT, body) => {
                assert_eq!((body.len(), body.iter().max()), (150, body.iter().min()));
                id
            }
            other => panic!("{other:?}"),
        })
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, ids);
    assert_eq!(version.get(), 8, "each reads once, and all but one again");
    pair.run_to_rest();
}

/// Only a transfer that begins again has a Request-Tag.
#[test]
fn who_begins_again_has_a_request_tag() {
    let tag = OptionNumber::new(292);
    let tags = Rc::new(Cell::new(0));
    let seen = Rc::clone(&tags);
    let version = Cell::new(0);
    let mut pair = Pair::serving(1024, 64, move |request, _| {
        let tagged = request.options().any(|(number, _)| number == tag);
        assert_eq!(tagged, version.get() == 2);
        seen.set(seen.get() + u32::from(tagged));
        version.set(version.get() + 1);
        content(&[version.get(); 150])
    });
    let first = pair.request(get("x"));
    step(&mut pair);
    let second = pair.request(get("x"));
    pair.talk();
    assert_eq!(pair.told.len(), 2);
    assert!(
        pair.told
            .contains(&Told::Response(first, Code::CONTENT, vec![3; 150]))
    );
    assert!(
        pair.told
            .contains(&Told::Response(second, Code::CONTENT, vec![2; 150]))
    );
    assert_eq!(tags.get(), 1);
}

/// A replaced source: clients waiting for a block of it get 4.08, not 5.03.
#[test]
fn who_waits_for_a_source_that_is_replaced_is_answered_4_08() {
    let mut pair = Pair::new(config(1, 1024), config(2, 64));
    let serve = |server: &mut Node, incoming: Incoming<'_>| {
        let Incoming::Request { responder, .. } = incoming else {
            panic!("{incoming:?}");
        };
        let source = server.bodies().source(None);
        let name = source.id();
        server
            .respond(T0, responder, (response(Code::CONTENT, b""), source))
            .unwrap();
        name
    };
    let get = |number, id| {
        let block = Some(block(number, false, 64));
        wire(blockwise(Method::Get, "x", None, block, b""), id)
    };
    let first = get(0, 1);
    let (incoming, _) = say(&mut pair.server, T0, "peer", &first);
    let old = serve(&mut pair.server, incoming.unwrap());
    pair.server
        .bodies()
        .supply(T0, old, 0, &body(64), true)
        .unwrap();
    sent(&mut pair.server);
    let second = get(1, 2);
    assert!(say(&mut pair.server, T0, "peer", &second).1.is_empty());
    let other = get(0, 3);
    let (incoming, _) = say(&mut pair.server, T0, "peer", &other);
    let new = serve(&mut pair.server, incoming.unwrap());
    let said = sent(&mut pair.server);
    assert_eq!(said.len(), 1);
    let answer = MessageRef::parse(&said[0]).unwrap();
    assert_eq!(answer.message_id(), 2);
    assert_eq!(answer.code(), Code::REQUEST_ENTITY_INCOMPLETE);
    pair.server
        .bodies()
        .supply(T0, new, 0, b"all", false)
        .unwrap();
    assert_eq!(words(&sent(&mut pair.server)[0]), "ACK 2.05 2:0/0/64");
}

/// Bodies to one resource go one after the other; each ends in its own way.
#[test]
fn bodies_to_one_resource_do_not_mix() {
    let mut pair = Pair::serving(64, 64, |_, got| {
        if got == body(150) {
            response(Code::CHANGED, &[1; 150])
        } else {
            assert_eq!(got, body(200));
            response(Code::FORBIDDEN, b"no")
        }
    });
    let [one, two, three] =
        [150, 200, 150].map(|length| pair.request(request(Method::Post, "x", &body(length))));
    pair.talk();
    assert_eq!(
        pair.told,
        [
            Told::Response(one, Code::CHANGED, vec![1; 150]),
            Told::Response(two, Code::FORBIDDEN, b"no".to_vec()),
            Told::Response(three, Code::CHANGED, vec![1; 150]),
        ]
    );
    pair.run_to_rest();
}

/// Two endpoints behind one address can't be told apart, but one that begins a body again doesn't
/// get the blocks of the other.
#[test]
fn a_body_with_a_request_tag_is_kept_apart() {
    let mut node = Node::new(config(7, 1024));
    let put = |number: u32, tag: &[u8], length: usize, id: u16| {
        let whole = body(length);
        let (start, more) = (number as usize * 64, (number as usize + 1) * 64 < length);
        let end = length.min(start + 64);
        let mut message = MessageBuf::request(Method::Put);
        message.uri_path("x").unwrap();
        message.block1(block(number, more, 64)).unwrap();
        message.option(OptionNumber::new(292), tag).unwrap();
        message.payload(&whole[start..end]);
        let token = Token::new(tag).unwrap();
        let wire = message.finish(MessageType::Confirmable, id, token);
        Vec::<u8>::from(wire)
    };
    for (number, tag, length, id) in [
        (0, b"a", 150, 1),
        (0, b"b", 130, 2),
        (1, b"a", 150, 3),
        (1, b"b", 130, 4),
    ] {
        let datagram = put(number, tag, length, id);
        let (incoming, said) = say(&mut node, T0, "peer", &datagram);
        assert!(incoming.is_none());
        assert!(words(&said[0]).starts_with("ACK 2.31"));
    }
    for (tag, length, id) in [(b"a", 150, 5), (b"b", 130, 6)] {
        let last = put(2, tag, length, id);
        let (incoming, _) = say(&mut node, T0, "peer", &last);
        assert_eq!(change(&mut node, incoming.unwrap()), body(length));
    }
}
