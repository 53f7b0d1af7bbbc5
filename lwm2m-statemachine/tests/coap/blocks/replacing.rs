//! Sources of responses and notifications that replace each other, serve several clients at once,
//! or can't be used.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::coap::{
    Event, FailureReason, Incoming, MessageBuf, MessageRef, NotifyOptions, Overload, Resource,
    SendError, SourceId, Token,
};

use super::support::{
    Node, T0, block, blockwise, body, config, get, observe, response, say, sent, wire, words,
};

fn node() -> Node {
    Node::new(config(1, 64))
}

fn get_block(number: u32, size: usize, id: u16) -> Vec<u8> {
    let block = Some(block(number, false, size));
    wire(blockwise(Method::Get, "x", None, block, b""), id)
}

/// A request that is answered from a source.
fn asked(node: &mut Node, now: Instant, datagram: &[u8]) -> SourceId {
    let (incoming, _) = say(node, now, "peer", datagram);
    let Some(Incoming::Request { responder, .. }) = incoming else {
        panic!("{incoming:?}");
    };
    let source = node.bodies().source(None);
    let id = source.id();
    let head = response(Code::CONTENT, b"");
    node.respond(now, responder, (head, source)).unwrap();
    id
}

/// The peer observes `x`; returns its token and the resource.
fn observed(node: &mut Node) -> (Token, Resource) {
    let datagram = wire(observe("x"), 1);
    let (incoming, _) = say(node, T0, "peer", &datagram);
    let Some(Incoming::Request { responder, .. }) = incoming else {
        panic!("{incoming:?}");
    };
    let known = (responder.token(), responder.resource());
    node.respond(T0, responder, notice(1)).unwrap();
    sent(node);
    known
}

fn notice(sequence: u32) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(sequence).unwrap();
    message
}

fn events(node: &mut Node) -> Vec<Event<&'static str>> {
    lwm2m_kit::events(node)
}

/// The blocks that are wanted of this source, and of no other: offsets and sizes.
fn wanted(events: &[Event<&'static str>], of: SourceId) -> Vec<(usize, usize)> {
    let wanted = events.iter().filter_map(|event| match event {
        Event::BlockWanted {
            source,
            offset,
            length,
            ..
        } => Some((*source, *offset, *length)),
        _ => None,
    });
    wanted
        .filter(|(source, ..)| *source == of)
        .map(|(_, offset, length)| (offset, length))
        .collect()
}

fn closed(events: &[Event<&'static str>]) -> Vec<SourceId> {
    let closed = events.iter().filter_map(|event| match event {
        Event::SourceClosed { source } => Some(*source),
        _ => None,
    });
    closed.collect()
}

#[test]
fn a_block_that_several_wait_for_is_asked_of_the_new_source_once() {
    let mut node = node();
    let mut old = None;
    let mut last = Vec::new();
    let mut newest = None;
    for (size, id) in [(64, 1), (32, 2), (64, 3)] {
        newest = Some(asked(&mut node, T0, &get_block(0, size, id)));
        last = events(&mut node);
        assert_eq!(closed(&last), Vec::from_iter(old));
        old = newest;
    }
    let newest = newest.unwrap();
    let mut blocks = wanted(&last, newest);
    blocks.sort_unstable();
    assert_eq!(blocks, [(0, 32), (0, 64)]);
    for (size, answered) in [(64, 2), (32, 1)] {
        node.bodies()
            .supply(T0, newest, 0, &body(size), true)
            .unwrap();
        let said = sent(&mut node);
        assert_eq!(said.len(), answered);
        for said in said {
            assert_eq!(words(&said), format!("ACK 2.05 2:0/1/{size}"));
        }
    }
}

#[test]
fn a_source_for_which_there_is_no_room_is_closed_and_the_request_answered_5_03() {
    let mut config = config(1, 64);
    config.bounds.serving.bodies = 0;
    let mut node = Node::new(config);
    let source = asked(&mut node, T0, &wire(get("x"), 1));
    assert_eq!(words(&sent(&mut node)[0]), "ACK 5.03");
    let events = events(&mut node);
    assert_eq!((closed(&events), events.len()), (vec![source], 1));
    let late = node.bodies().supply(T0, source, 0, b"all", false);
    assert_eq!(late, Err(SendError::NoSource));
}

#[test]
fn a_notification_from_a_source_for_which_there_is_no_room_leaves_nothing() {
    let mut config = config(1, 64);
    config.bounds.serving.bodies = 0;
    let mut node = Node::new(config);
    let source = node.bodies().source(None);
    let id = source.id();
    let token = Token::new(b"t").unwrap();
    let options = NotifyOptions::default();
    let refused = node.notify(T0, "peer", token, (notice(1), source), options);
    assert_eq!(refused, Err(SendError::Overload(Overload::Messages)));
    assert!(node.is_idle(), "{:?}", node.usage());
    assert!(node.poll_event().is_none(), "the error is its end");
    let late = node.bodies().supply(T0, id, 0, b"all", false);
    assert_eq!(late, Err(SendError::NoSource));
}

#[test]
fn the_source_of_a_notification_that_a_newer_one_replaces_is_closed_at_once() {
    let mut node = node();
    let (token, resource) = observed(&mut node);
    let options = NotifyOptions {
        resource: Some(resource),
        ..NotifyOptions::default()
    };
    let [old, new] = [2, 3].map(|sequence| {
        let source = node.bodies().source(None);
        let id = source.id();
        node.notify(T0, "peer", token, (notice(sequence), source), options)
            .unwrap();
        id
    });
    assert_eq!(closed(&events(&mut node)), [old]);
    assert_eq!(node.usage().serving.bodies, 1);
    let late = node.bodies().supply(T0, old, 0, b"old", false);
    assert_eq!(late, Err(SendError::NoSource));
    node.bodies().supply(T0, new, 0, b"new", false).unwrap();
    assert_eq!(words(&sent(&mut node)[0]), "NON 2.05 O:3");
    assert_eq!(closed(&events(&mut node)), [new]);
    assert_eq!(node.usage().serving.bodies, 0);
}

/// The first block of a notification begins a new body of the resource, to which later requests for
/// blocks refer while it lasts.
#[test]
fn a_notification_takes_the_place_of_what_was_being_read() {
    let mut node = node();
    let (token, resource) = observed(&mut node);
    let read = asked(&mut node, T0, &wire(get("x"), 2));
    node.bodies().supply(T0, read, 0, &body(64), true).unwrap();
    assert_eq!(words(&sent(&mut node)[0]), "ACK 2.05 2:0/1/64");
    let options = NotifyOptions {
        resource: Some(resource),
        ..NotifyOptions::default()
    };
    let source = node.bodies().source(None);
    let notified = source.id();
    node.notify(T0, "peer", token, (notice(2), source), options)
        .unwrap();
    assert!(closed(&events(&mut node)).is_empty());
    assert_eq!(node.usage().serving.bodies, 2);
    let later = T0 + Duration::from_secs(100);
    node.bodies()
        .supply(later, notified, 0, &body(64), true)
        .unwrap();
    assert_eq!(words(&sent(&mut node)[0]), "NON 2.05 O:2 2:0/1/64");
    assert_eq!(closed(&events(&mut node)), [read]);
    assert_eq!(node.usage().serving.bodies, 1);
    assert!(
        say(&mut node, later, "peer", &get_block(1, 64, 3))
            .0
            .is_none()
    );
    assert_eq!(wanted(&events(&mut node), notified), [(64, 64)]);
    node.bodies()
        .supply(later, notified, 64, &body(64), true)
        .unwrap();
    assert_eq!(words(&sent(&mut node)[0]), "ACK 2.05 2:1/1/64");
    let lifetime = node.config().transmission.exchange_lifetime();
    node.handle_timeout(later + lifetime - Duration::from_millis(1));
    assert!(closed(&events(&mut node)).is_empty());
    node.handle_timeout(later + lifetime);
    assert_eq!(closed(&events(&mut node)), [notified]);
    node.handle_timeout(later + lifetime * 2);
    assert!(node.is_idle(), "{:?}", node.usage());
    assert_eq!(node.poll_timeout(), None);
}

#[test]
fn the_rest_of_a_notification_is_kept_from_its_first_block_on() {
    let mut node = node();
    let (token, resource) = observed(&mut node);
    let options = NotifyOptions {
        resource: Some(resource),
        ..NotifyOptions::default()
    };
    let source = node.bodies().source(None);
    let id = source.id();
    node.notify(T0, "peer", token, (notice(2), source), options)
        .unwrap();
    let later = T0 + Duration::from_secs(100);
    node.handle_timeout(later);
    node.bodies().supply(later, id, 0, &body(64), true).unwrap();
    events(&mut node);
    let lifetime = node.config().transmission.exchange_lifetime();
    node.handle_timeout(later + lifetime - Duration::from_millis(1));
    assert!(closed(&events(&mut node)).is_empty());
    node.handle_timeout(later + lifetime);
    assert_eq!(closed(&events(&mut node)), [id]);
}

#[test]
fn a_supplied_notification_that_cannot_be_sent_has_one_outcome() {
    let mut config = config(1, 64);
    config.bounds.transmissions_per_peer = 0;
    let mut node = Node::new(config);
    let (token, resource) = observed(&mut node);
    let options = NotifyOptions {
        confirmable: true,
        resource: Some(resource),
        ..NotifyOptions::default()
    };
    let source = node.bodies().source(None);
    let id = source.id();
    let name = node
        .notify(T0, "peer", token, (notice(2), source), options)
        .unwrap();
    events(&mut node);
    let refused = node.bodies().supply(T0, id, 0, b"all", false);
    assert_eq!(refused, Err(SendError::Overload(Overload::Messages)));
    let failed: Vec<_> = events(&mut node)
        .into_iter()
        .filter_map(|event| match event {
            Event::NotificationFailed {
                notification,
                reason,
                ..
            } => Some((notification, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [(name, FailureReason::NotSent)]);
    assert_eq!((node.usage().serving.bodies, sent(&mut node).len()), (0, 0));
}

/// The last block of a request is acknowledged with the first one of its response.
#[test]
fn a_supplied_response_to_a_block_acknowledges_it() {
    let mut node = node();
    let post = |block, body: &[u8]| blockwise(Method::Post, "x", Some(block), None, body);
    let first = post(block(0, true, 64), &body(64));
    let (_, said) = say(&mut node, T0, "peer", &wire(first, 1));
    assert_eq!(words(&said[0]), "ACK 2.31 1:0/1/64");
    let last = post(block(1, false, 64), b"the rest");
    let source = asked(&mut node, T0, &wire(last, 2));
    node.bodies()
        .supply(T0, source, 0, &body(64), true)
        .unwrap();
    assert_eq!(words(&sent(&mut node)[0]), "ACK 2.05 1:1/0/64 2:0/1/64");
    assert_eq!(node.usage().receiving.bodies, 0);
}

/// The first and the last block are kept like answers: a repeated request for one of them doesn't
/// ask the application again.
#[test]
fn a_repeated_request_for_the_first_or_last_supplied_block_is_answered_without_the_source() {
    let mut node = node();
    let first = get_block(0, 64, 1);
    let source = asked(&mut node, T0, &first);
    node.bodies()
        .supply(T0, source, 0, &body(64), true)
        .unwrap();
    let answer = sent(&mut node);
    events(&mut node);
    let (incoming, said) = say(&mut node, T0, "peer", &first);
    assert!(incoming.is_none());
    assert_eq!(said, answer);
    let last = get_block(1, 64, 2);
    assert!(say(&mut node, T0, "peer", &last).1.is_empty());
    events(&mut node);
    node.bodies()
        .supply(T0, source, 64, b"last", false)
        .unwrap();
    let answer = sent(&mut node);
    assert_eq!(closed(&events(&mut node)), [source]);
    assert_eq!(MessageRef::parse(&answer[0]).unwrap().payload(), b"last");
    for datagram in [&last, &last] {
        let (incoming, said) = say(&mut node, T0, "peer", datagram);
        assert!(incoming.is_none());
        assert_eq!(said, answer);
    }
    assert!(events(&mut node).is_empty());
}

#[test]
fn a_source_is_in_use_when_it_is_supplied() {
    let mut node = node();
    let source = asked(&mut node, T0, &wire(get("x"), 1));
    let later = T0 + Duration::from_secs(100);
    node.handle_timeout(later);
    node.bodies()
        .supply(later, source, 0, &body(64), true)
        .unwrap();
    events(&mut node);
    let lifetime = node.config().transmission.exchange_lifetime();
    node.handle_timeout(later + lifetime - Duration::from_millis(1));
    assert!(closed(&events(&mut node)).is_empty());
    node.handle_timeout(later + lifetime);
    assert_eq!(closed(&events(&mut node)), [source]);
}
