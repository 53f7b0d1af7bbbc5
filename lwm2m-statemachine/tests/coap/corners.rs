//! Rules of RFC 7252 and RFC 7641 that matter only in unusual orders of events, one test each.

use core::time::Duration;

use lwm2m_core::{Code, Instant};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        BlockOption, Config, DatagramError, Endpoint, Event, Incoming, MessageBuf, MessageRef,
        MessageType, NotifyOptions, Overload, RequestOptions, SendError, TransmissionParameters,
    },
};

use crate::support::*;

/// A separate response that awaits its acknowledgement, and its message id.
fn separate_response(node: &mut Node) -> u16 {
    let datagram = message(get("x"), CON, 7, token(b"tk"));
    let responder = responder(receive(node, T0, &datagram).unwrap());
    node.acknowledge(&responder);
    sent(node);
    node.respond(T0, responder, content("hi")).unwrap();
    id_of(&sent_one(node))
}

// Acknowledgements: §5.2.2.

#[test]
fn any_matching_acknowledgement_stops_a_separate_response() {
    // "silently ignoring any Response Code or payload".
    let mut node = node();
    let id = separate_response(&mut node);
    let answer = message(content("?"), MessageType::Acknowledgement, id, token(b"?"));
    assert!(receive(&mut node, T0, &answer).unwrap().is_none());
    assert_eq!(node.usage().transmissions, 0);
    assert!(run_until_quiet(&mut node).is_empty());
}

#[test]
fn any_matching_acknowledgement_stops_a_notification() {
    for channel in [Channel::Udp, Channel::Sms] {
        let mut node = node();
        let options = NotifyOptions {
            confirmable: true,
            channel,
            resource: None,
        };
        let id = node
            .notify(T0, "peer", token(b"n"), observe_answer(1, "x"), options)
            .unwrap();
        let message_id = id_of(&sent_one(&mut node));
        let answer = message(
            content("?"),
            MessageType::Acknowledgement,
            message_id,
            token(b"n"),
        );
        assert!(matches!(
            receive(&mut node, T0, &answer),
            Ok(Some(Incoming::Acknowledged { notification, .. })) if notification == id
        ));
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn an_acknowledgement_with_another_token_is_no_response() {
    // §5.3.2: message id and token must match. The request goes on.
    let mut node = node();
    let (_, message_id, request_token) = request(&mut node, RequestOptions::default());
    let answer = |token| {
        message(
            content("x"),
            MessageType::Acknowledgement,
            message_id,
            token,
        )
    };
    assert!(receive(&mut node, T0, &answer(token(b"?"))).is_err());
    assert_eq!(node.usage().transmissions, 1);
    assert!(
        receive(&mut node, T0, &answer(request_token))
            .unwrap()
            .is_some()
    );
}

// Retransmission: §4.2.

/// The times at which a message is sent if the endpoint is called so late for each deadline.
fn sent_at(mut late: impl FnMut(usize) -> Duration, config: Config) -> Vec<Duration> {
    let mut node: Node = Endpoint::new(config);
    request(&mut node, RequestOptions::default());
    let mut moments = vec![Duration::ZERO];
    while node.usage().requests > 0 {
        let now = node.poll_timeout().unwrap() + late(moments.len());
        node.handle_timeout(now);
        if !sent(&mut node).is_empty() {
            moments.push(now.saturating_duration_since(T0));
        }
    }
    moments
}

#[test]
fn all_retransmissions_are_within_max_transmit_span() {
    for seed in 0..50 {
        let config = || Config::new([seed; 32]);
        let span = TransmissionParameters::default().max_transmit_span();
        for late in [0, 10, 900, 5_000, 20_000, 44_000, 46_000, 140_000] {
            let moments = sent_at(|_| Duration::from_millis(late), config());
            assert!(*moments.last().unwrap() <= span, "{late}: {moments:?}");
            for pair in moments.windows(2) {
                assert!(pair[1] >= pair[0] + seconds(2), "{late}: {moments:?}");
            }
        }
    }
}

#[test]
fn who_wakes_a_little_late_catches_up() {
    for seed in 0..50 {
        let config = || Config::new([seed; 32]);
        let in_time = sent_at(|_| Duration::ZERO, config());
        assert_eq!(in_time.len(), 5);
        // A second late for the first retransmission only: the others are on time again.
        let late = sent_at(|sent| seconds(u64::from(sent == 1)), config());
        assert_eq!(late[1], in_time[1] + seconds(1));
        assert_eq!(late[2..], in_time[2..]);
    }
}

#[test]
fn turns_that_were_missed_are_over_at_once() {
    for seed in 0..50 {
        let mut node: Node = Endpoint::new(Config::new([seed; 32]));
        request(&mut node, RequestOptions::default());
        // In time for one more, then not for any.
        for (late, resent) in [(44, 1), (60, 0)] {
            let now = T0 + seconds(late);
            node.handle_timeout(now);
            assert_eq!(sent(&mut node).len(), resent);
            let next = node.poll_timeout().unwrap();
            assert!(next > now, "{next:?} is not after {now:?}");
        }
    }
}

#[test]
fn an_exchange_lives_as_long_as_its_acknowledgement_is_waited_for() {
    // §4.8.2: MAX_TRANSMIT_WAIT counts if the last wait is longer than MAX_LATENCY.
    let parameters = TransmissionParameters {
        max_latency: seconds(5),
        ..TransmissionParameters::default()
    };
    assert_eq!(parameters.max_transmit_wait(), seconds(93));
    assert_eq!(parameters.exchange_lifetime(), seconds(93));
}

// Message ids: §4.4.

#[test]
fn a_message_id_means_what_it_was_used_for_last() {
    // A non-confirmable request waits so long that its message id is used again.
    let mut node = node();
    let options = RequestOptions {
        confirmable: false,
        timeout: Some(seconds(100_000)),
        ..RequestOptions::default()
    };
    let (_, message_id, request_token) = request(&mut node, options);
    let mut now = T0;
    let notified = loop {
        now += Duration::from_millis(50);
        node.handle_timeout(now);
        let (answer, options) = (observe_answer(1, "x"), NotifyOptions::default());
        let id = node
            .notify(now, "peer", token(b"n"), answer, options)
            .unwrap();
        if id_of(&sent_one(&mut node)) == message_id {
            break id;
        }
    };
    assert!(matches!(
        receive(&mut node, now, &empty(RST, message_id)),
        Ok(Some(Incoming::NotificationReset { notification, .. })) if notification == notified
    ));
    // The request gets its response by its token, and takes nothing else with it.
    let (answer, options) = (observe_answer(2, "x"), NotifyOptions::default());
    let notified = node
        .notify(now, "peer", token(b"n"), answer, options)
        .unwrap();
    let last_id = id_of(&sent_one(&mut node));
    let answer = message(content("x"), NON, 1, request_token);
    assert!(receive(&mut node, now, &answer).unwrap().is_some());
    assert!(matches!(
        receive(&mut node, now, &empty(RST, last_id)),
        Ok(Some(Incoming::NotificationReset { notification, .. })) if notification == notified
    ));
    assert!(run_until_quiet(&mut node).is_empty());
}

// Proxying: §5.7.2, §5.10.2.

#[test]
fn proxying_is_refused_5_05_whatever_the_type() {
    for (id, option) in [(8, &b"\xd3\x16c:/"[..]), (9, b"\xd4\x1acoap")] {
        let mut node = node();
        let mut request = message(
            MessageBuf::request(lwm2m_core::Method::Get),
            NON,
            id,
            token(b"t"),
        );
        request.extend(option);
        assert!(matches!(
            receive(&mut node, T0, &request),
            Err(DatagramError::BadOption(_))
        ));
        let answer = sent_one(&mut node);
        let read = MessageRef::parse(&answer).unwrap();
        assert_eq!(
            (read.kind(), read.code(), read.token()),
            (NON, Code::PROXYING_NOT_SUPPORTED, token(b"t"))
        );
    }
}

// SMS: TS 8.6.2.

#[test]
fn over_sms_a_separate_response_is_sent_once() {
    let mut node = node();
    let datagram = message(get("x"), CON, 7, token(b"tk"));
    let datagram = Datagram {
        channel: Channel::Sms,
        ..Datagram::new("peer", &datagram)
    };
    let responder = responder(node.receive(T0, &datagram).unwrap());
    node.acknowledge(&responder);
    assert_eq!(sent_one(&mut node), empty(ACK, 7));
    node.respond(T0, responder, content("hi")).unwrap();
    let response = sent_one(&mut node);
    let read = MessageRef::parse(&response).unwrap();
    assert_eq!((read.code(), read.token()), (Code::CONTENT, token(b"tk")));
    // Its acknowledgement changes nothing.
    let _ = node.receive(T0, &Datagram::new("peer", &empty(ACK, read.message_id())));
    let mut again = 0;
    while let Some(now) = node.poll_timeout() {
        node.handle_timeout(now);
        again += sent(&mut node).len();
    }
    assert_eq!(again, 0);
    assert!(node.poll_event().is_none());
}

// Multicast: §8.1.

#[test]
fn nothing_confirmable_from_a_group_is_acknowledged() {
    let mut node = node();
    let (_, _, request_token) = request(&mut node, RequestOptions::default());
    let response = message(content("x"), CON, 9, request_token);
    let datagram = Datagram {
        multicast: true,
        ..Datagram::new("peer", &response)
    };
    assert!(matches!(
        node.receive(T0, &datagram),
        Err(DatagramError::Multicast)
    ));
    assert!(sent(&mut node).is_empty());
    assert_eq!(node.usage().requests, 1);
}

#[test]
fn a_late_deadline_does_not_shorten_the_last_wait() {
    let moment = |late: Duration| {
        let mut node: Node = Endpoint::new(Config::new([9; 32]));
        request(&mut node, RequestOptions::default());
        let mut last = Instant::ZERO;
        while node.usage().requests > 0 {
            last = node.poll_timeout().unwrap();
            node.handle_timeout(last + late);
        }
        assert!(matches!(
            node.poll_event(),
            Some(Event::RequestFailed { .. })
        ));
        last
    };
    let wait = TransmissionParameters::default().max_transmit_wait();
    assert!(moment(Duration::ZERO) <= T0 + wait);
    assert!(moment(Duration::from_millis(1)) >= moment(Duration::ZERO));
}

// Outstanding interactions: §4.7.

#[test]
fn a_non_confirmable_request_is_outstanding_until_it_is_answered() {
    let mut node = node();
    let (_, _, request_token) = request(&mut node, ONCE);
    node.request(T0, "peer", get("x"), ONCE).unwrap();
    node.request(T0, "peer", get("x"), RequestOptions::default())
        .unwrap();
    assert!(sent(&mut node).is_empty());
    // To another peer it makes no difference.
    node.request(T0, "other", get("x"), ONCE).unwrap();
    sent_one(&mut node);
    let answer = message(content("x"), NON, 1, request_token);
    assert!(receive(&mut node, T0, &answer).unwrap().is_some());
    assert_eq!(sent_one(&mut node)[0] >> 4, 5);
    assert_eq!(run_until_quiet(&mut node).len(), 3);
}

#[test]
fn to_a_peer_that_does_not_respond_less_than_probing_rate_is_sent() {
    // However the request ends, even if it doesn't: the next one waits for it.
    for end in 0..3 {
        let mut node = node();
        let options = RequestOptions {
            timeout: Some(seconds(if end == 0 { 1 } else { 1_000 })),
            ..ONCE
        };
        let (mut bytes, mut last) = (0, T0);
        let mut now = T0;
        let mut requests = Vec::new();
        while last < T0 + seconds(600) {
            while node.usage().transmissions < 3 {
                requests.push(node.request(now, "peer", get("abcdef"), options).unwrap());
            }
            for datagram in sent(&mut node) {
                // What was sent before counts with a second for each byte.
                assert!(T0 + seconds(bytes) <= now, "{bytes}");
                bytes += datagram.len() as u64;
                last = now;
                if end == 1 {
                    assert!(node.cancel(now, requests.remove(0)));
                }
            }
            now = node.poll_timeout().unwrap();
            node.handle_timeout(now);
        }
        assert!(bytes > 500, "{end}: {bytes}");
        node.drop_peer(now, &"peer");
        sent(&mut node);
        while node.poll_event().is_some() {}
        assert!(node.is_idle(), "{:?}", node.usage());
    }
}

#[test]
fn a_reset_finds_a_non_confirmable_request_that_is_outstanding_no_more() {
    let mut node = node();
    let (id, message_id, _) = request(&mut node, ONCE);
    node.handle_timeout(T0 + seconds(60));
    assert_eq!(node.usage().transmissions, 0);
    assert!(matches!(
        receive(&mut node, T0 + seconds(60), &empty(RST, message_id)),
        Ok(Some(Incoming::RequestReset { request })) if request == id
    ));
    assert!(run_until_quiet(&mut node).is_empty());
}

#[test]
fn a_non_confirmable_request_is_asked_on_in_blocks_when_it_is_outstanding_no_more() {
    let mut node = node();
    let (id, _, request_token) = request(&mut node, ONCE);
    let later = T0 + seconds(60);
    node.handle_timeout(later);
    assert_eq!(node.usage().transmissions, 0);
    let mut answer = MessageBuf::response(Code::CONTENT);
    let first = BlockOption::new(0, true, 16).unwrap();
    answer.block2(first).unwrap().payload(&[b'a'; 16]);
    let answer = message(answer, NON, 1, request_token);
    assert!(receive(&mut node, later, &answer).unwrap().is_none());
    let wire = sent_one(&mut node);
    let read = MessageRef::parse(&wire).unwrap();
    assert_eq!(read.uri_path().collect::<Vec<_>>(), ["x"]);
    assert_eq!(read.block2(), BlockOption::new(1, false, 16));
    assert!(matches!(
        run_until_quiet(&mut node)[..],
        [Event::RequestFailed { request, .. }] if request == id
    ));
}

#[test]
fn nothing_is_told_of_a_non_confirmable_request_that_was_given_up() {
    let mut node = node();
    let (given_up, message_id, request_token) = request(&mut node, ONCE);
    let next = node.request(T0, "peer", get("y"), ONCE).unwrap();
    // One that waits for its turn is not sent at all.
    let never = node.request(T0, "peer", get("never"), ONCE).unwrap();
    assert!(node.cancel(T0, given_up));
    assert!(node.cancel(T0, never));
    assert!(sent(&mut node).is_empty(), "it is outstanding still");
    // A Reset with its id matches nothing, and its response is rejected.
    assert!(matches!(
        receive(&mut node, T0, &empty(RST, message_id)),
        Err(DatagramError::Unmatched)
    ));
    let answer = message(content("x"), NON, 0x0102, request_token);
    assert!(receive(&mut node, T0, &answer).is_err());
    assert_eq!(sent_one(&mut node), empty(RST, 0x0102));
    // Its time is over, as if it hadn't been cancelled.
    node.handle_timeout(T0 + seconds(60));
    let wire = sent_one(&mut node);
    let read = MessageRef::parse(&wire).unwrap();
    assert_eq!(read.uri_path().collect::<Vec<_>>(), ["y"]);
    node.handle_timeout(T0 + seconds(120));
    assert!(sent(&mut node).is_empty());
    assert!(matches!(
        run_until_quiet(&mut node)[..],
        [Event::RequestFailed { request, .. }] if request == next
    ));
}

// Message ids: §4.4.

/// Sends notifications until no message id is free.
fn use_up_message_ids(node: &mut Node) {
    let options = NotifyOptions::default();
    while node
        .notify(T0, "peer", token(b"u"), content("x"), options)
        .is_ok()
    {
        sent_one(node);
    }
}

/// EXCHANGE_LIFETIME.
const LIFETIME: u64 = 247;

#[test]
fn requests_wait_for_message_ids_and_go_on_when_some_are_free() {
    for confirmable in [true, false] {
        let mut node = node();
        use_up_message_ids(&mut node);
        let options = RequestOptions {
            confirmable,
            ..RequestOptions::default()
        };
        let mut wait = |path| node.request(T0, "peer", get(path), options).unwrap();
        let (first, second) = (wait("a"), wait("b"));
        let free = T0 + seconds(LIFETIME);
        while let Some(now) = node.poll_timeout().filter(|now| *now < free) {
            node.handle_timeout(now);
            assert!(sent(&mut node).is_empty(), "{now:?}");
        }
        assert_eq!(node.poll_timeout(), Some(free));
        node.handle_timeout(free);
        let mut now = free;
        for (path, request) in [("a", first), ("b", second)] {
            let wire = sent_one(&mut node);
            let read = MessageRef::parse(&wire).unwrap();
            assert_eq!(read.uri_path().collect::<Vec<_>>(), [path]);
            let kind = if confirmable {
                MessageType::Acknowledgement
            } else {
                NON
            };
            now += seconds(1);
            let answer = message(content(path), kind, read.message_id(), read.token());
            assert!(matches!(
                receive(&mut node, now, &answer),
                Ok(Some(Incoming::Response { request: of, .. })) if of == request
            ));
        }
        while node.poll_event().is_some() {}
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn a_request_that_waits_for_a_message_id_can_be_given_up() {
    let mut node = node();
    use_up_message_ids(&mut node);
    let id = node
        .request(T0, "peer", get("x"), RequestOptions::default())
        .unwrap();
    assert!(node.cancel(T0, id));
    node.drop_peer(T0, &"peer");
    while node.poll_event().is_some() {}
    assert!(node.is_idle(), "{:?}", node.usage());
    assert_eq!(node.poll_timeout(), None);
}

const CONFIRMED: NotifyOptions = NotifyOptions {
    confirmable: true,
    channel: Channel::Udp,
    resource: None,
};

/// When a notification is retransmitted, a newer one replaces it, as a new message with an unused
/// id (RFC 7641 §4.5.2). If no id is free, the older one is sent again as it was.
#[test]
fn without_a_free_message_id_the_older_notification_is_sent_again() {
    let mut node = node();
    let first = node
        .notify(T0, "peer", token(b"n"), observe_answer(1, "a"), CONFIRMED)
        .unwrap();
    let wire = sent_one(&mut node);
    let second = node
        .notify(T0, "peer", token(b"n"), observe_answer(2, "b"), CONFIRMED)
        .unwrap();
    assert!(sent(&mut node).is_empty());
    use_up_message_ids(&mut node);
    let now = node.poll_timeout().unwrap();
    assert!(now <= T0 + seconds(3));
    node.handle_timeout(now);
    assert_eq!(sent_one(&mut node), wire);
    // Both may be acknowledged or fail; neither is forgotten.
    let failed: Vec<_> = run_until_quiet(&mut node)
        .into_iter()
        .filter_map(|event| match event {
            Event::NotificationFailed { notification, .. } => Some(notification),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [first, second]);
}

/// MAX_TRANSMIT_SPAN of a replacement begins when it is first sent.
#[test]
fn what_takes_the_place_of_another_has_a_span_of_its_own() {
    let mut node = node();
    node.notify(T0, "peer", token(b"n"), observe_answer(1, "a"), CONFIRMED)
        .unwrap();
    let older = id_of(&sent_one(&mut node));
    node.notify(T0, "peer", token(b"n"), observe_answer(2, "b"), CONFIRMED)
        .unwrap();
    let late = T0 + seconds(44);
    node.handle_timeout(late);
    let newer = sent_one(&mut node);
    assert_ne!(id_of(&newer), older);
    let again = node.poll_timeout().unwrap();
    assert!(again > T0 + seconds(45));
    node.handle_timeout(again);
    assert_eq!(sent_one(&mut node), newer);
    // The id of the older one belongs to it, not to its replacement.
    assert!(matches!(
        receive(&mut node, again, &empty(ACK, older)),
        Err(DatagramError::Unmatched)
    ));
    assert_eq!(node.usage().transmissions, 1);
    assert!(matches!(
        receive(&mut node, again, &empty(ACK, id_of(&newer))),
        Ok(Some(Incoming::Acknowledged { .. }))
    ));
}

// Table 1 and beyond: §4.2, §4.3, §8.1.

/// What an endpoint without open requests does with a datagram.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Silence,
    Reset,
    Request,
    /// Of this code.
    Answer(u8),
}

fn reaction(datagram: &[u8], multicast: bool) -> Reaction {
    let mut node = node();
    let datagram = Datagram {
        multicast,
        ..Datagram::new("peer", datagram)
    };
    let requested = match node.receive(T0, &datagram) {
        Ok(Some(Incoming::Request { responder, .. })) => {
            node.ignore(responder);
            true
        }
        Ok(Some(other)) => panic!("{other:?}"),
        Ok(None) | Err(_) => false,
    };
    let sent = sent(&mut node);
    assert!(sent.len() <= 1, "{sent:02x?}");
    match sent.first() {
        None if requested => Reaction::Request,
        None => Reaction::Silence,
        Some(reset) if reset[..] == empty(RST, 0x0107) => Reaction::Reset,
        Some(answer) => Reaction::Answer(answer[1]),
    }
}

#[test]
fn every_type_and_code_is_treated_as_the_tables_say() {
    const OPTION_CUT_OFF: &[u8] = &[0x45, b'x'];
    const MARKER_ALONE: &[u8] = &[0xff];
    for kind in 0..4 {
        for code in 0..=u8::MAX {
            for version in [0, 2, 3] {
                let datagram = [version << 6 | kind << 4, code, 1, 7];
                assert_eq!(reaction(&datagram, false), Reaction::Silence);
            }
            for tail in [&[][..], OPTION_CUT_OFF, MARKER_ALONE] {
                for (token_length, token) in [(0, &b""[..]), (2, b"tk"), (8, b"tokentok"), (9, b"")]
                {
                    let mut datagram = vec![0x40 | kind << 4 | token_length, code, 1, 7];
                    datagram.extend_from_slice(token);
                    datagram.extend_from_slice(tail);
                    let malformed =
                        token_length == 9 || !tail.is_empty() || code == 0 && datagram.len() > 4;
                    let expected = match (kind, code >> 5) {
                        (0, _) if malformed => Reaction::Reset,
                        _ if malformed => Reaction::Silence,
                        (0, 0) if code == 0 => Reaction::Reset,
                        (0 | 1, 0) if (1..=4).contains(&code) => Reaction::Request,
                        (0 | 1, 0) if code > 4 => Reaction::Answer(0x85),
                        // A reserved class; or an unmatched response, which we reject even if it
                        // is non-confirmable.
                        (0, 1..) | (1, 2 | 4 | 5) => Reaction::Reset,
                        _ => Reaction::Silence,
                    };
                    assert_eq!(reaction(&datagram, false), expected, "{datagram:02x?}");
                    let to_group = reaction(&datagram, true);
                    if kind == 1 && expected == Reaction::Request {
                        assert_eq!(to_group, Reaction::Request, "{datagram:02x?}");
                    } else {
                        assert_eq!(to_group, Reaction::Silence, "{datagram:02x?}");
                    }
                }
            }
        }
    }
}

// Bounds.

#[test]
fn who_is_refused_everything_is_not_known() {
    for per_peer in [true, false] {
        let mut config = Config::new([1; 32]);
        if per_peer {
            config.bounds.records_per_peer = 0;
        } else {
            config.bounds.records = 0;
        }
        config.bounds.transmissions_per_peer = 0;
        let mut node: Node = Endpoint::new(config);
        let datagram = message(get("x"), CON, 1, token(b"t"));
        assert!(matches!(
            receive(&mut node, T0, &datagram),
            Err(DatagramError::Overload)
        ));
        assert_eq!(sent_one(&mut node)[1], Code::SERVICE_UNAVAILABLE.to_byte());
        assert_eq!(node.usage().peers, 0);
        let options = NotifyOptions {
            confirmable: true,
            ..NotifyOptions::default()
        };
        assert!(
            node.notify(T0, "peer", token(b"n"), content("x"), options)
                .is_err()
        );
        assert!(node.is_idle(), "{:?}", node.usage());
    }
}

#[test]
fn requests_that_wait_take_no_room_of_answers() {
    let mut config = Config::new([1; 32]);
    config.bounds.transmissions_per_peer = 2;
    let mut node: Node = Endpoint::new(config);
    for _ in 0..5 {
        node.request(T0, "peer", get("x"), RequestOptions::default())
            .unwrap();
    }
    let datagram = message(get("x"), CON, 1, token(b"t"));
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    node.acknowledge(&responder);
    assert_eq!(node.respond(T0, responder, content("x")), Ok(()));
    let options = NotifyOptions {
        confirmable: true,
        ..NotifyOptions::default()
    };
    // Answers don't take room from notifications.
    let mut notify = |name| node.notify(T0, "peer", token(name), content("x"), options);
    assert!(notify(b"a").is_ok());
    assert!(notify(b"b").is_ok());
    assert_eq!(notify(b"c"), Err(SendError::Overload(Overload::Messages)));
}

#[test]
fn what_is_taken_out_of_the_queue_of_events_has_its_body() {
    let mut node = node();
    let (_, message_id, request_token) = request(&mut node, RequestOptions::default());
    let answer = message(
        content("hello"),
        MessageType::Acknowledgement,
        message_id,
        request_token,
    );
    node.handle_datagram(T0, Datagram::new("peer", &answer))
        .unwrap();
    let Some(Event::Incoming { incoming, .. }) = node.poll_event() else {
        panic!("nothing came");
    };
    assert_eq!(incoming.body(), b"hello");
}

// Observing: RFC 7641 §3.

fn observe() -> MessageBuf {
    let mut message = MessageBuf::request(lwm2m_core::Method::Get);
    message.observe(0).unwrap().uri_path("x").unwrap();
    message
}

#[test]
fn a_notification_that_overtakes_the_first_answer_stands_for_it() {
    let mut node = node();
    let (id, message_id, request_token) =
        request_of(&mut node, observe(), RequestOptions::default());
    let first = message(
        observe_answer(4, "a"),
        MessageType::Acknowledgement,
        message_id,
        request_token,
    );
    let second = message(observe_answer(5, "b"), CON, 77, request_token);
    assert!(matches!(
        receive(&mut node, T0, &second),
        Ok(Some(Incoming::Response { request, observing: true, .. })) if request == id
    ));
    assert_eq!(sent_one(&mut node), empty(ACK, 77));
    // The overtaken one is stale, and the request isn't sent again.
    assert!(!matches!(receive(&mut node, T0, &first), Ok(Some(_))));
    assert_eq!(node.usage().transmissions, 0);
    // Also if it comes separately.
    let first = message(observe_answer(4, "a"), CON, 78, request_token);
    assert!(receive(&mut node, T0, &first).unwrap().is_none());
    assert_eq!(sent_one(&mut node), empty(ACK, 78));
    // A repetition is acknowledged again, but delivered once.
    assert!(receive(&mut node, T0, &second).unwrap().is_none());
    assert_eq!(sent_one(&mut node), empty(ACK, 77));
    let third = message(observe_answer(6, "c"), NON, 79, request_token);
    assert!(matches!(
        receive(&mut node, T0, &third),
        Ok(Some(Incoming::Notification { request, observing: true, .. })) if request == id
    ));
}

#[test]
fn what_is_cancelled_is_not_sent_again_and_its_answers_are_rejected() {
    for resend in [false, true] {
        let mut node = node();
        let (id, message_id, request_token) =
            request_of(&mut node, observe(), RequestOptions::default());
        let mut now = T0;
        if resend {
            now = node.poll_timeout().unwrap();
            node.handle_timeout(now);
            sent_one(&mut node);
        }
        assert!(node.cancel(now, id));
        let piggybacked = message(
            observe_answer(1, "a"),
            MessageType::Acknowledgement,
            message_id,
            request_token,
        );
        assert!(receive(&mut node, now, &piggybacked).is_err());
        assert!(sent(&mut node).is_empty());
        for kind in [CON, NON] {
            let notification = message(observe_answer(2, "b"), kind, 9, request_token);
            assert!(receive(&mut node, now, &notification).is_err());
            assert_eq!(sent_one(&mut node), empty(RST, 9));
        }
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn the_same_may_be_observed_more_than_once() {
    let mut node = node();
    let mut observations = Vec::new();
    for _ in 0..2 {
        let (id, message_id, token) = request_of(&mut node, observe(), RequestOptions::default());
        let answer = message(
            observe_answer(1, "a"),
            MessageType::Acknowledgement,
            message_id,
            token,
        );
        assert!(receive(&mut node, T0, &answer).unwrap().is_some());
        observations.push((id, token));
    }
    // Each has sequence numbers of its own.
    for (message_id, (id, token)) in (50..).zip(&observations) {
        let datagram = message(observe_answer(2, "b"), NON, message_id, *token);
        assert!(matches!(
            receive(&mut node, T0, &datagram),
            Ok(Some(Incoming::Notification { request, .. })) if request == *id
        ));
    }
    assert!(node.cancel(T0, observations[0].0));
    let datagram = message(observe_answer(3, "c"), NON, 60, observations[1].1);
    assert!(receive(&mut node, T0, &datagram).unwrap().is_some());
}

// Responses in every order: §5.2.

#[test]
fn a_response_is_taken_however_it_comes() {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Acknowledged {
        Not,
        Before,
        After,
    }
    for confirmable in [true, false] {
        for kind in [CON, NON] {
            for acknowledged in [Acknowledged::Not, Acknowledged::Before, Acknowledged::After] {
                let mut node = node();
                let options = RequestOptions {
                    confirmable,
                    ..RequestOptions::default()
                };
                let (id, message_id, request_token) = request(&mut node, options);
                let acknowledgement = empty(ACK, message_id);
                if acknowledged == Acknowledged::Before {
                    assert!(!matches!(
                        receive(&mut node, T0, &acknowledgement),
                        Ok(Some(_))
                    ));
                }
                let response = message(content("x"), kind, 5, request_token);
                assert!(
                    matches!(
                        receive(&mut node, T0, &response),
                        Ok(Some(Incoming::Response { request, .. })) if request == id
                    ),
                    "{confirmable} {kind:?} {acknowledged:?}"
                );
                let expected = if kind == CON {
                    vec![empty(ACK, 5)]
                } else {
                    Vec::new()
                };
                assert_eq!(sent(&mut node), expected);
                if acknowledged == Acknowledged::After {
                    assert!(!matches!(
                        receive(&mut node, T0, &acknowledgement),
                        Ok(Some(_))
                    ));
                }
                // A repetition is acknowledged again, but not delivered again.
                assert!(receive(&mut node, T0, &response).unwrap().is_none());
                assert_eq!(sent(&mut node), expected);
                assert!(run_until_quiet(&mut node).is_empty());
            }
        }
    }
}

#[test]
fn tokens_do_not_follow_from_message_ids() {
    // Whoever sees or guesses one of them must not know the other (RFC 7252 §5.3.1).
    let mut node = node();
    let mut pairs = Vec::new();
    for _ in 0..200 {
        let (_, message_id, token) = request(&mut node, RequestOptions::default());
        let answer = message(
            content("x"),
            MessageType::Acknowledgement,
            message_id,
            token,
        );
        assert!(receive(&mut node, T0, &answer).unwrap().is_some());
        pairs.push((message_id, token));
    }
    for at in 0..7 {
        let mut differences: Vec<u16> = pairs
            .iter()
            .map(|(message_id, token)| {
                let part = token.as_bytes()[at..at + 2].try_into().unwrap();
                u16::from_be_bytes(part).wrapping_sub(*message_id)
            })
            .collect();
        differences.sort_unstable();
        differences.dedup();
        assert!(differences.len() > 150, "{at}");
    }
}
