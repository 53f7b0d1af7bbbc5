//! Clocks that jump: an endpoint keeps its obligations and doesn't panic.

use alloc::collections::BTreeMap;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    Channel,
    coap::{
        BlockOption, Deadline, Event, FailureReason, Incoming, MessageBuf, MessageRef, MessageType,
        NotifyOptions, RequestOptions,
    },
};

use crate::support::*;

const CONFIRMABLE: NotifyOptions = NotifyOptions {
    confirmable: true,
    channel: Channel::Udp,
    resource: None,
};

fn events(node: &mut Node) -> Vec<Event<&'static str>> {
    lwm2m_kit::events(node)
}

/// Everything in an endpoint that depends on the clock, begun at this moment: a request of each
/// kind, a notification of each kind, an unanswered request, and a ping.
fn begin(node: &mut Node, now: Instant, number: u16) -> usize {
    for confirmable in [true, false] {
        let options = RequestOptions {
            confirmable,
            ..RequestOptions::default()
        };
        node.request(now, "peer", get("x"), options).unwrap();
        let options = NotifyOptions {
            confirmable,
            ..CONFIRMABLE
        };
        let notification = observe_answer(u32::from(number), "n");
        let name = token(&number.to_be_bytes());
        node.notify(now, "peer", name, notification, options)
            .unwrap();
    }
    node.ping(now, "peer", Channel::Udp).unwrap();
    let request = message(get("y"), CON, number, token(b"r"));
    let responder = responder(receive(node, now, &request).unwrap());
    if number.is_multiple_of(2) {
        node.respond(now, responder, content("late")).unwrap();
    }
    sent(node);
    // Two requests and a ping; the notifications with one token count as one.
    3
}

fn failed(events: &[Event<&'static str>]) -> usize {
    let failed = |event: &&Event<_>| matches!(event, Event::RequestFailed { .. });
    events.iter().filter(failed).count()
}

#[test]
fn a_clock_that_jumps_forwards_over_everything_ends_everything() {
    for jump in [seconds(60), seconds(300), seconds(1 << 40)] {
        let mut node = node();
        let requests = begin(&mut node, T0, 1) + begin(&mut node, T0, 2);
        node.handle_timeout(T0 + jump);
        let mut all = events(&mut node);
        all.extend(run_until_quiet(&mut node));
        assert_eq!(failed(&all), requests);
    }
}

/// A late call skips all turns that it has missed, however late the calls before it were.
#[test]
fn a_late_call_leaves_nothing_that_is_due() {
    for first in 0..100 {
        for then in 0..100 {
            let mut node = node();
            begin(&mut node, T0, 1);
            let mut now = T0;
            for late in [first, then] {
                now += seconds(late);
                node.handle_timeout(now);
                assert!(
                    node.poll_timeout().is_none_or(|at| at > now),
                    "{first} and {then} seconds late"
                );
            }
        }
    }
}

#[test]
fn a_clock_may_count_from_any_moment_and_jump_far_while_much_is_under_way() {
    let moments = [0, 1 << 32, 1 << 33, 1 << 40, 1 << 41, 1 << 53].map(Instant::from_secs);
    let mut node = node();
    let (mut requests, mut number) = (0, 0);
    let mut all = Vec::new();
    for moment in moments {
        for at in [moment, moment + seconds(100), moment + seconds(300)] {
            // Nothing that is remembered of one peer is due again at once.
            node.handle_timeout(at);
            all.extend(events(&mut node));
            assert!(node.poll_timeout().is_none_or(|next| next > at));
            number += 1;
            requests += begin(&mut node, at, number);
        }
    }
    all.extend(run_until_quiet(&mut node));
    assert_eq!(failed(&all), requests);
}

/// Time saturates: deadlines that are set from then on are due at once. A call does what was due
/// when it began, and not what follows from it: each retransmission takes a call of its own.
#[test]
fn at_the_end_of_time_a_call_does_only_what_was_due() {
    let mut node = node();
    // Much of each kind with one peer.
    let requests: usize = (1..=60).map(|number| begin(&mut node, T0, number)).sum();
    for (number, path) in (1_000..).zip(["a", "b", "c"]) {
        let mut block = MessageBuf::request(Method::Put);
        block.uri_path(path).unwrap();
        let first = BlockOption::new(0, true, 16).unwrap();
        block.block1(first).unwrap().payload(&[7; 16]);
        let block = message(block, CON, number, token(b"b"));
        assert!(receive(&mut node, T0, &block).unwrap().is_none());
        assert_eq!(sent(&mut node).len(), 1);
    }
    let (mut all, mut times) = (Vec::new(), BTreeMap::new());
    for _ in 0..10_000 {
        node.handle_timeout(Instant::MAX);
        for datagram in sent(&mut node) {
            *times.entry(datagram).or_insert(0) += 1;
        }
        all.extend(events(&mut node));
        if node.poll_timeout().is_none() {
            break;
        }
    }
    assert!(node.is_idle(), "{:?}", node.usage());
    assert_eq!(failed(&all), requests);
    // Each confirmable message was sent as often as ever: MAX_RETRANSMIT is 4.
    times.retain(|datagram, _| MessageRef::parse(datagram).unwrap().kind() == CON);
    assert!(times.len() > 100);
    assert!(times.values().all(|times| (4..=5).contains(times)));
}

#[test]
fn at_the_last_moment_there_is_nothing_to_wait_for() {
    let mut node = node();
    let requests = begin(&mut node, Instant::MAX, 1) + begin(&mut node, Instant::MAX, 2);
    let mut all = events(&mut node);
    all.extend(run_until_quiet(&mut node));
    assert_eq!(failed(&all), requests);
}

#[test]
fn a_clock_that_goes_back_loses_nothing() {
    for back in [1, 10, 1_000, 100_000] {
        let start = Instant::from_secs(100_000);
        let mut node = node();
        let mut requests = begin(&mut node, start, 1);
        let before = Instant::from_millis(start.as_millis() - back * 1_000);
        let mut all = Vec::new();
        for (number, at) in (2..).zip([before, start, before, before + seconds(5)]) {
            requests += begin(&mut node, at, number);
            node.handle_timeout(at);
            all.extend(events(&mut node));
        }
        // Earlier messages are still remembered.
        for number in 1..=5 {
            let request = message(get("y"), CON, number, token(b"r"));
            assert!(receive(&mut node, before, &request).unwrap().is_none());
        }
        all.extend(run_until_quiet(&mut node));
        assert_eq!(failed(&all), requests);
    }
}

#[test]
fn a_response_counts_whatever_the_clock_says() {
    for back in [1, 1_000, 100_000] {
        let start = Instant::from_secs(100_000);
        let mut node = node();
        let id = node
            .request(start, "peer", get("x"), RequestOptions::default())
            .unwrap();
        let wire = sent_one(&mut node);
        let read = MessageRef::parse(&wire).unwrap();
        let kind = MessageType::Acknowledgement;
        let answer = message(content("x"), kind, read.message_id(), read.token());
        let before = Instant::from_millis(start.as_millis() - back * 1_000);
        match receive(&mut node, before, &answer).unwrap() {
            Some(Incoming::Response {
                request, response, ..
            }) => assert_eq!((request, response.code()), (id, Code::CONTENT)),
            other => panic!("{other:?}"),
        }
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn a_notification_that_waits_for_its_acknowledgement_fails_once_after_a_jump() {
    for jump in [false, true] {
        let mut node = node();
        let id = node
            .notify(T0, "peer", token(b"n"), observe_answer(1, "x"), CONFIRMABLE)
            .unwrap();
        sent(&mut node);
        let now = if jump {
            T0 + seconds(100_000)
        } else {
            Instant::ZERO
        };
        node.handle_timeout(now);
        let mut all = events(&mut node);
        all.extend(run_until_quiet(&mut node));
        assert!(matches!(
            all[..],
            [Event::NotificationFailed { notification, reason: FailureReason::Timeout, .. }]
                if notification == id
        ));
    }
}

#[test]
fn an_endpoint_says_what_it_is_to_be_woken_for() {
    let mut node = node();
    assert_eq!(node.next_deadline(), None);
    let reason = |node: &Node| {
        let (moment, reason) = node.next_deadline().unwrap();
        assert_eq!(node.poll_timeout(), Some(moment));
        reason
    };
    let (id, message_id, _) = request(&mut node, RequestOptions::default());
    assert_eq!(reason(&node), Deadline::Transmission);
    receive(&mut node, T0, &empty(ACK, message_id)).unwrap();
    assert_eq!(reason(&node), Deadline::Response);
    node.cancel(T0, id);
    assert_eq!(reason(&node), Deadline::Peer);
    let asked = message(get("y"), CON, 1, token(b"r"));
    let responder = responder(receive(&mut node, T0, &asked).unwrap());
    assert_eq!(reason(&node), Deadline::Record);
    node.respond(T0, responder, content("b")).unwrap();
    run_until_quiet(&mut node);
}
