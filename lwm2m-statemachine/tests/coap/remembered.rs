//! What an endpoint remembers of messages, and how long: RFC 7252 §4.4, §4.5, §4.7, §8.2;
//! RFC 7641 §3.6.

use alloc::collections::BTreeMap;
use core::time::Duration;

use lwm2m_core::{Instant, Method};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        Config, DatagramError, Endpoint, Event, FailureReason, Incoming, MessageBuf, MessageRef,
        MessageType, NotifyOptions, RequestOptions,
    },
};

use crate::support::*;

/// An answered multicast request.
fn answer_group(node: &mut Node, peer: &'static str, method: Method, id: u16) {
    let request = message(MessageBuf::request(method), NON, id, token(b"t"));
    let datagram = Datagram {
        multicast: true,
        ..Datagram::new(peer, &request)
    };
    let responder = responder(node.receive(T0, &datagram).unwrap());
    node.respond(T0, responder, content("x")).unwrap();
    assert!(sent(node).is_empty());
}

#[test]
fn with_its_peer_goes_an_answer_to_a_group_that_was_not_sent_yet() {
    let mut node = node();
    answer_group(&mut node, "peer", Method::Get, 1);
    assert_eq!(node.usage().timers, 1);
    node.drop_peer(T0, &"peer");
    assert!(node.is_idle(), "{:?}", node.usage());
    assert!(run_until_quiet(&mut node).is_empty());
}

/// Records may be forgotten for lack of room, unless their answer has yet to be sent.
#[test]
fn an_answer_to_a_group_is_sent_however_little_room_there_is() {
    let mut config = Config::new([5; 32]);
    config.bounds.records = 1;
    let mut node = Endpoint::new(config);
    answer_group(&mut node, "peer", Method::Get, 1);
    let other = message(get("x"), CON, 1, token(b"o"));
    let other = Datagram::new("other", &other);
    assert!(matches!(
        node.receive(T0, &other),
        Err(DatagramError::Overload)
    ));
    sent_one(&mut node);
    let moment = node.poll_timeout().unwrap();
    assert!(moment <= T0 + seconds(5));
    node.handle_timeout(moment);
    assert_eq!(sent_one(&mut node)[0] & 0xf0, 0x50);
    // From then on it may be forgotten.
    assert!(node.receive(moment, &other).unwrap().is_some());
}

/// An acknowledgement of a non-confirmable message is void (§4.3) and changes nothing.
#[test]
fn an_acknowledgement_of_a_non_confirmable_request_changes_nothing() {
    let mut node = node();
    let (id, message_id, _) = request(&mut node, ONCE);
    let due = node.poll_timeout();
    assert!(matches!(
        receive(&mut node, T0 + seconds(1), &empty(ACK, message_id)),
        Err(DatagramError::Unmatched)
    ));
    assert_eq!(
        (node.poll_timeout(), node.usage().transmissions),
        (due, 1),
        "still outstanding"
    );
    assert!(matches!(
        receive(&mut node, T0 + seconds(1), &empty(RST, message_id)),
        Ok(Some(Incoming::RequestReset { request })) if request == id
    ));
}

#[test]
fn a_notification_is_remembered_for_non_lifetime() {
    let mut node = node();
    // Each peer has one of its own with the same token.
    let mut ids = Vec::new();
    for peer in ["a", "peer"] {
        let (value, options) = (observe_answer(1, "x"), NotifyOptions::default());
        let id = node.notify(T0, peer, token(b"n"), value, options).unwrap();
        ids.push((id, id_of(&sent_one(&mut node))));
    }
    let usage = node.usage();
    assert_eq!((usage.notifications, usage.message_ids), (2, 2));
    let lifetime = node.config().transmission.non_lifetime();
    assert_eq!(node.poll_timeout(), Some(T0 + lifetime));
    node.handle_timeout(T0 + lifetime - Duration::from_millis(1));
    assert_eq!(node.usage().notifications, 2);
    let (id, message_id) = ids[1];
    assert!(matches!(
        receive(&mut node, T0 + seconds(144), &empty(RST, message_id)),
        Ok(Some(Incoming::NotificationReset { notification, .. })) if notification == id
    ));
    assert_eq!(node.usage().notifications, 1);
    node.handle_timeout(T0 + lifetime);
    let usage = node.usage();
    assert_eq!((usage.notifications, usage.message_ids), (0, 0));
    let reset = empty(RST, ids[0].1);
    assert!(
        node.receive(T0 + lifetime, &Datagram::new("a", &reset))
            .is_err()
    );
    assert!(run_until_quiet(&mut node).is_empty());
}

/// Over the bound the oldest notifications of the same peer are forgotten, and of no other.
#[test]
fn so_many_notifications_of_a_peer_are_remembered() {
    let mut config = Config::new([5; 32]);
    config.bounds.notifications_per_peer = 2;
    let mut node = Endpoint::new(config);
    let mut ids = Vec::new();
    for (peer, sequence) in [("a", 1), ("peer", 1), ("peer", 2), ("peer", 3)] {
        let (value, options) = (observe_answer(sequence, "x"), NotifyOptions::default());
        node.notify(T0, peer, token(b"n"), value, options).unwrap();
        ids.push((peer, id_of(&sent_one(&mut node))));
    }
    assert_eq!(node.usage().notifications, 3);
    let is_known = ids.iter().map(|(peer, id)| {
        let reset = empty(RST, *id);
        node.receive(T0, &Datagram::new(*peer, &reset)).is_ok()
    });
    assert_eq!(is_known.collect::<Vec<_>>(), [true, false, true, true]);
}

/// The client wants no more: nothing of the observation is sent or reported any more.
#[test]
fn what_is_under_way_of_an_observation_is_taken_back() {
    let mut node = node();
    let confirmable = NotifyOptions {
        confirmable: true,
        ..NotifyOptions::default()
    };
    for (name, sequence) in [(b"n", 1), (b"n", 2), (b"m", 1)] {
        let value = observe_answer(sequence, "x");
        node.notify(T0, "peer", token(name), value, confirmable)
            .unwrap();
    }
    sent_one(&mut node);
    node.end_notifications(T0, &"nobody", token(b"n"));
    node.end_notifications(T0, &"peer", token(b"x"));
    assert!(sent(&mut node).is_empty());
    node.end_notifications(T0, &"peer", token(b"n"));
    // The next one's turn has come.
    let next = sent_one(&mut node);
    assert_eq!(
        MessageRef::parse(&next).unwrap().token().as_bytes(),
        b"m",
        "{next:02x?}"
    );
    assert!(matches!(
        run_until_quiet(&mut node)[..],
        [Event::NotificationFailed { token, reason: FailureReason::Timeout, .. }]
            if token.as_bytes() == b"m"
    ));
}

/// One record is enough for reads of any peer, and a peer without one isn't known.
#[test]
fn the_last_record_gives_way_to_the_next_whosever_it_is() {
    let mut config = Config::new([5; 32]);
    config.bounds.records = 1;
    let mut node: Node = Endpoint::new(config);
    for (peer, id) in [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("a", 3)] {
        let datagram = message(get("x"), CON, id, token(b"t"));
        let responder = responder(node.receive(T0, &Datagram::new(peer, &datagram)).unwrap());
        node.respond(T0, responder, content("x")).unwrap();
        assert_eq!(id_of(&sent_one(&mut node)), id);
        assert_eq!((node.usage().peers, node.usage().records), (1, 1));
    }
}

/// §4.5: a request with an effect runs once, even if thousands of exchanges follow and little is
/// kept.
#[test]
fn thousands_of_exchanges_do_not_make_a_request_run_twice() {
    let mut config = Config::new([5; 32]);
    config.bounds.records_per_peer = 100;
    let mut node: Node = Endpoint::new(config);
    let lifetime = node.config().transmission.exchange_lifetime();
    let mut now = T0;
    let mut answers = BTreeMap::new();
    let (mut served, mut refused) = (0, 0);
    for step in 0_u16..12_000 {
        // 300 writes fit into EXCHANGE_LIFETIME, and 100 are remembered. Before an id is used
        // again, it is over.
        now += Duration::from_millis(100);
        let id = step % 3_000;
        let writes = step % 8 == 0;
        let method = if writes { Method::Post } else { Method::Get };
        let datagram = message(MessageBuf::request(method), CON, id, token(b"t"));
        match receive(&mut node, now, &datagram) {
            Ok(incoming) => {
                let responder = responder(incoming);
                node.respond(now, responder, content(&step.to_string()))
                    .unwrap();
                let answer = sent_one(&mut node);
                served += 1;
                if writes {
                    answers.insert(id, (now, datagram, answer));
                }
            }
            Err(error) => {
                assert_eq!(error, DatagramError::Overload);
                assert_eq!(sent_one(&mut node)[1], 0xa3);
                refused += 1;
            }
        }
        assert!(node.usage().records <= 100);
        if step % 400 == 0 {
            answers.retain(|_, (then, ..)| now < *then + lifetime);
            for (_, datagram, answer) in answers.values() {
                assert!(receive(&mut node, now, datagram).unwrap().is_none());
                assert_eq!(sent_one(&mut node), *answer);
            }
        }
    }
    assert!(served > 1_000 && refused > 1_000, "{served} {refused}");
}

/// §4.4: all types share the message ids; §5.3.1: a token may be used again at once.
#[test]
fn a_message_id_tells_messages_apart_and_a_token_does_not() {
    let mut node = node();
    let first = message(get("x"), NON, 7, token(b"t"));
    let responder_of_first = responder(receive(&mut node, T0, &first).unwrap());
    node.respond(T0, responder_of_first, content("1")).unwrap();
    sent_one(&mut node);
    let again = message(get("y"), CON, 7, token(b"u"));
    assert!(receive(&mut node, T0, &again).unwrap().is_none());
    assert!(sent(&mut node).is_empty());

    let mut open = Vec::new();
    for id in [8, 9, 10] {
        let datagram = message(get("z"), CON, id, token(b"t"));
        open.push((id, responder(receive(&mut node, T0, &datagram).unwrap())));
    }
    for (id, responder) in open.into_iter().rev() {
        node.respond(T0, responder, content("z")).unwrap();
        let answer = sent_one(&mut node);
        assert_eq!((answer[0], id_of(&answer)), (ACK | 1, id));
    }
}

#[test]
fn nstart_messages_are_outstanding_at_a_time() {
    let mut config = Config::new([5; 32]);
    config.transmission.nstart = 3;
    let mut node: Node = Endpoint::new(config);
    for path in ["a", "b", "c", "d", "e", "f"] {
        node.request(T0, "peer", get(path), RequestOptions::default())
            .unwrap();
    }
    let outstanding = sent(&mut node);
    let path = |wire: &[u8]| {
        let read = MessageRef::parse(wire).unwrap();
        read.uri_path().next().map(str::to_owned)
    };
    let paths: Vec<_> = outstanding.iter().filter_map(|wire| path(wire)).collect();
    assert_eq!(paths, ["a", "b", "c"]);
    // A Reset ends one, an acknowledgement another: two follow, in order.
    for (ended, kind, next) in [(1, RST, "d"), (0, ACK, "e")] {
        let datagram = empty(kind, id_of(&outstanding[ended]));
        receive(&mut node, T0, &datagram).unwrap();
        assert_eq!(path(&sent_one(&mut node)).as_deref(), Some(next));
    }
    assert_eq!(run_until_quiet(&mut node).len(), 5);
}

/// An endpoint with something to send or to report isn't idle, even if it remembers nothing.
#[test]
fn what_waits_in_a_queue_is_not_forgotten() {
    let mut node = node();
    assert!(receive(&mut node, T0, &[0x40, 0, 0, 1]).unwrap().is_none());
    assert!(!node.is_idle());
    assert_eq!(sent_one(&mut node), empty(RST, 1));
    assert!(node.is_idle());
    let id = node
        .request(T0, "peer", get("x"), RequestOptions::default())
        .unwrap();
    sent_one(&mut node);
    node.drop_peer(T0, &"peer");
    assert!(!node.is_idle());
    assert!(matches!(
        node.poll_event(),
        Some(Event::RequestFailed { request, .. }) if request == id
    ));
    assert!(node.is_idle());
}

/// What is cancelled before it was sent isn't sent, and nothing replaces it.
#[test]
fn what_was_taken_back_meanwhile_is_not_sent() {
    let mut node = node();
    let id = node
        .request(T0, "peer", get("x"), RequestOptions::default())
        .unwrap();
    assert!(node.cancel(T0, id));
    assert!(sent(&mut node).is_empty());

    let datagram = message(get("x"), CON, 1, token(b"t"));
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    node.respond(T0, responder, content("x")).unwrap();
    node.drop_peer(T0, &"peer");
    assert!(sent(&mut node).is_empty());
    assert!(node.is_idle());
}

/// A peer recognises copies for EXCHANGE_LIFETIME of the channel (RFC 7252 §4.4): its message ids count on for
/// as long, so none comes again.
#[test]
fn message_ids_are_remembered_for_the_exchange_lifetime_of_their_channel() {
    // Over SMS: 45 s as over UDP, twice the latency of three minutes, and 2 s.
    let (udp, sms) = (seconds(247), seconds(407));
    let ways: [(&str, Duration, Way); 5] = [
        ("request", udp, |node| ask(node, Channel::Udp)),
        ("short request", sms, |node| ask(node, Channel::Sms)),
        ("short notification", sms, tell),
        ("late short answer", sms, answer_late),
        ("request after a short one", sms, |node| {
            ask(node, Channel::Sms);
            ask(node, Channel::Udp)
        }),
    ];
    for (way, lifetime, send) in ways {
        let mut node = node();
        let end = send(&mut node) + lifetime;
        node.handle_timeout(end - Duration::from_millis(1));
        assert_eq!(node.usage().peers, 1, "{way}");
        node.handle_timeout(end + seconds(1));
        assert_eq!(node.usage().peers, 0, "{way}");
    }
}

/// Sends something to the peer. Returns when.
type Way = fn(&mut Node) -> Instant;

/// A request that is answered at once.
fn ask(node: &mut Node, channel: Channel) -> Instant {
    let options = RequestOptions {
        channel,
        ..RequestOptions::default()
    };
    let (_, id, token) = request(node, options);
    let answer = message(content("x"), MessageType::Acknowledgement, id, token);
    assert!(receive(node, T0, &answer).unwrap().is_some());
    T0
}

/// A notification over SMS that is acknowledged at once.
fn tell(node: &mut Node) -> Instant {
    let options = NotifyOptions {
        confirmable: true,
        channel: Channel::Sms,
        resource: None,
    };
    let notification = observe_answer(1, "x");
    node.notify(T0, "peer", token(b"n"), notification, options)
        .unwrap();
    let id = id_of(&sent_one(node));
    assert!(receive(node, T0, &empty(ACK, id)).unwrap().is_some());
    T0
}

/// An answer over SMS that comes when the request has been acknowledged.
fn answer_late(node: &mut Node) -> Instant {
    let asked = message(get("x"), CON, 7, token(b"t"));
    let responder = responder(node.receive(T0, &short(&asked)).unwrap());
    node.acknowledge(&responder);
    let late = T0 + seconds(100);
    node.respond(late, responder, content("x")).unwrap();
    assert_eq!(sent(node).len(), 2);
    late
}

fn short(payload: &[u8]) -> Datagram<'_, &'static str> {
    Datagram {
        channel: Channel::Sms,
        ..Datagram::new("peer", payload)
    }
}

/// A short message may come again after minutes. A response that is known is acknowledged, not rejected.
#[test]
fn a_copy_of_a_response_over_sms_is_recognised_after_minutes() {
    let mut node = node();
    let options = RequestOptions {
        channel: Channel::Sms,
        ..RequestOptions::default()
    };
    let (_, _, token) = request(&mut node, options);
    let answer = message(content("x"), CON, 9, token);
    assert!(node.receive(T0, &short(&answer)).unwrap().is_some());
    assert_eq!(sent_one(&mut node), empty(ACK, 9));
    let late = T0 + seconds(406);
    node.handle_timeout(late);
    assert!(node.receive(late, &short(&answer)).unwrap().is_none());
    assert_eq!(sent_one(&mut node), empty(ACK, 9));
}
