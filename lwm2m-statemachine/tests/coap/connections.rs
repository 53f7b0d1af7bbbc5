//! Connections that are closed and reopened: a request that was run on one isn't run again on the
//! next (RFC 7252 §4.5), and nothing of one is sent on the next.

use core::time::Duration;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Endpoint, Event, FailureReason, Incoming, MessageBuf, MessageRef, NotifyOptions,
        RequestOptions, SendError,
    },
};

use crate::support::*;

fn post(id: u16, name: &[u8]) -> Vec<u8> {
    message(MessageBuf::request(Method::Post), CON, id, token(name))
}

/// Whether a datagram is delivered as a request, which is then answered.
fn is_run(node: &mut Node, from: &'static str, datagram: &[u8]) -> bool {
    let incoming = node.receive(T0, &Datagram::new(from, datagram)).unwrap();
    let is_run = incoming.is_some();
    if is_run {
        let answer = MessageBuf::response(Code::CHANGED);
        node.respond(T0, responder(incoming), answer).unwrap();
    }
    is_run
}

#[test]
fn what_was_run_is_known_on_the_next_connection_by_any_name() {
    for renamed in [false, true] {
        let mut node = node();
        let datagram = post(7, b"one");
        assert!(is_run(&mut node, "a", &datagram));
        let answer = sent_one(&mut node);
        node.close_peer(T0, &"a");
        let name = if renamed { "b" } else { "a" };
        assert!(node.rename_peer(&"a", "b"));
        if !renamed {
            assert!(node.rename_peer(&"b", "a"));
        }
        assert!(!is_run(&mut node, name, &datagram));
        assert_eq!(sent_one(&mut node), answer);
        // That name is unused now.
        let other = if renamed { "a" } else { "b" };
        assert!(is_run(&mut node, other, &datagram));
        sent(&mut node);
        let lifetime = node.config().transmission.exchange_lifetime();
        node.handle_timeout(T0 + lifetime);
        assert_eq!(node.usage().records, 0);
    }
}

#[test]
fn a_name_that_is_taken_is_not_given_away() {
    let mut node = node();
    assert!(is_run(&mut node, "a", &post(1, b"a")));
    assert!(is_run(&mut node, "b", &post(2, b"b")));
    sent(&mut node);
    assert!(!node.rename_peer(&"a", "b"));
    assert!(!node.rename_peer(&"nobody", "c"));
    assert!(!is_run(&mut node, "a", &post(1, b"a")));
    assert!(!is_run(&mut node, "b", &post(2, b"b")));
    assert_eq!(node.usage().peers, 2);
}

/// A peer that restarts its message ids isn't mistaken for the former one.
#[test]
fn another_message_with_an_id_of_a_closed_connection_is_new() {
    let mut node = node();
    assert!(is_run(&mut node, "a", &post(7, b"one")));
    // Without a new connection it is the same message, whatever it says.
    assert!(!is_run(&mut node, "a", &post(7, b"two")));
    node.close_peer(T0, &"a");
    assert!(!is_run(&mut node, "a", &post(7, b"one")));
    assert!(is_run(&mut node, "a", &post(7, b"two")));
    assert!(!is_run(&mut node, "a", &post(7, b"two")));
    sent(&mut node);
    assert_eq!(node.usage().records, 1);
}

#[test]
fn what_is_under_way_ends_with_its_connection() {
    let mut node = node();
    let options = NotifyOptions {
        confirmable: true,
        ..NotifyOptions::default()
    };
    for _ in 0..2 {
        node.request(T0, "a", get("x"), RequestOptions::default())
            .unwrap();
        node.notify(T0, "a", token(b"n"), observe_answer(1, "x"), options)
            .unwrap();
    }
    // A request that was run, an unanswered one, an acknowledged one, one to a group.
    assert!(is_run(&mut node, "a", &post(1, b"1")));
    let receive = |node: &mut Node, datagram: &[u8], multicast| {
        let datagram = Datagram {
            multicast,
            ..Datagram::new("a", datagram)
        };
        responder(node.receive(T0, &datagram).unwrap())
    };
    let open = receive(&mut node, &post(2, b"2"), false);
    let acknowledged = receive(&mut node, &post(3, b"3"), false);
    node.acknowledge(&acknowledged);
    let group = message(MessageBuf::request(Method::Post), NON, 4, token(b"4"));
    let group = receive(&mut node, &group, true);
    node.respond(T0, group, content("x")).unwrap();
    sent(&mut node);

    node.close_peer(T0, &"a");
    let mut ended = 0;
    while let Some(event) = node.poll_event() {
        match event {
            Event::RequestFailed { reason, .. }
            | Event::NotificationFailed {
                reason: reason @ FailureReason::PeerDropped,
                ..
            } => {
                assert_eq!(reason, FailureReason::PeerDropped);
                ended += 1;
            }
            Event::NotificationFailed { reason, .. } => {
                assert_eq!(reason, FailureReason::Superseded);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ended, 3);
    for open in [open, acknowledged] {
        assert_eq!(
            node.respond(T0, open, content("x")),
            Err(SendError::NotOpen)
        );
    }
    // They may have been run, so they aren't run again.
    for (id, name) in [(1, b"1"), (2, b"2"), (3, b"3"), (4, b"4")] {
        assert!(!is_run(&mut node, "a", &post(id, name)), "{id}");
    }
    let usage = node.usage();
    assert_eq!(
        (usage.requests, usage.transmissions, usage.notifications),
        (0, 0, 0)
    );
    assert_eq!((usage.records, usage.timers), (4, 0));
    sent(&mut node);
    assert!(run_until_quiet(&mut node).is_empty());
}

#[test]
fn reads_and_refused_requests_of_a_closed_connection_are_forgotten() {
    let mut node: Node = Endpoint::new(Config::new([5; 32]));
    let read = message(get("x"), CON, 1, token(b"r"));
    assert!(is_run(&mut node, "a", &read));
    let refused = post(2, b"s");
    let incoming = node.receive(T0, &Datagram::new("a", &refused)).unwrap();
    let answer = MessageBuf::response(Code::NOT_FOUND);
    node.respond(T0, responder(incoming), answer).unwrap();
    sent(&mut node);
    node.close_peer(T0, &"a");
    assert!(node.is_idle(), "{:?}", node.usage());
    node.close_peer(T0, &"nobody");
    assert!(node.is_idle());
}

/// RFC 7252 §4.4: message ids are remembered as long as requests of the connection are.
#[test]
fn message_ids_go_on_over_connections() {
    let mut node = node();
    let message_id = |node: &mut Node, to| {
        let id = node
            .request(T0, to, get("x"), RequestOptions::default())
            .unwrap();
        let wire = sent_one(node);
        assert!(node.cancel(T0, id));
        MessageRef::parse(&wire).unwrap().message_id()
    };
    assert!(is_run(&mut node, "a", &post(1, b"1")));
    sent(&mut node);
    let before = message_id(&mut node, "a");
    node.close_peer(T0 + Duration::from_secs(1), &"a");
    assert!(node.rename_peer(&"a", "b"));
    assert_eq!(message_id(&mut node, "b"), before.wrapping_add(1));
}

/// RFC 7641 §3.6: a Reset that comes on the next connection ends the observation, whether the
/// notification was confirmable or not. It is waited for as long as on one connection.
#[test]
fn a_notification_of_a_closed_connection_can_be_rejected_on_the_next() {
    for confirmable in [true, false] {
        let mut node = node();
        let options = NotifyOptions {
            confirmable,
            ..NotifyOptions::default()
        };
        let notified = node
            .notify(T0, "a", token(b"n"), observe_answer(1, "x"), options)
            .unwrap();
        let wire = sent_one(&mut node);
        let id = MessageRef::parse(&wire).unwrap().message_id();
        node.close_peer(T0, &"a");
        while node.poll_event().is_some() {}
        assert!(node.rename_peer(&"a", "b"));
        let reset = empty(RST, id);
        let incoming = node.receive(T0, &Datagram::new("b", &reset)).unwrap();
        let Some(Incoming::NotificationReset { notification, .. }) = incoming else {
            panic!("{incoming:?}");
        };
        assert_eq!(notification, notified);
        assert!(node.receive(T0, &Datagram::new("b", &reset)).is_err());
        assert!(node.poll_event().is_none());

        // Unless it comes, nothing is left in the end.
        node.notify(T0, "b", token(b"n"), observe_answer(2, "x"), options)
            .unwrap();
        sent_one(&mut node);
        node.close_peer(T0, &"b");
        while node.poll_event().is_some() {}
        node.handle_timeout(T0 + node.config().transmission.non_lifetime());
        assert_eq!(node.usage().notifications, 0);
        node.handle_timeout(T0 + node.config().transmission.exchange_lifetime());
        assert!(node.is_idle(), "{:?}", node.usage());
    }
}
