//! The rules of RFC 7252 §4, §5 and §8, one test each.

use core::time::Duration;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        Config, DatagramError, Endpoint, Event, FailureReason, Incoming, InvalidSend, MessageBuf,
        MessageRef, MessageType, NotifyOptions, OptionNumber, Overload, RequestOptions, Responder,
        SendError, Token,
    },
};

use crate::support::*;

// Format errors and Empty messages: §3, §4.1, §4.2, §4.3.

#[test]
fn too_short_or_another_version_is_ignored_in_silence() {
    let mut node = node();
    for datagram in [&[][..], &[0x40, 0, 0], &[0x80, 1, 0, 1], &[0x00, 1, 0, 1]] {
        assert!(matches!(
            receive(&mut node, T0, datagram),
            Err(DatagramError::Malformed(_))
        ));
    }
    assert!(node.is_idle());
}

#[test]
fn a_malformed_confirmable_is_reset_and_all_else_ignored() {
    let mut node = node();
    for first in [0x40, 0x50, 0x60, 0x70] {
        let datagram = [first, 1, 0xab, 0xcd, 0xff];
        assert!(matches!(
            receive(&mut node, T0, &datagram),
            Err(DatagramError::Malformed(_))
        ));
        if first == 0x40 {
            assert_eq!(sent_one(&mut node), [0x70, 0, 0xab, 0xcd]);
        }
        assert!(node.is_idle());
    }
}

#[test]
fn reserved_code_classes_are_rejected_like_format_errors() {
    let mut node = node();
    for code in [0x20, 0x60, 0xc0, 0xe1] {
        for first in [0x40, 0x50, 0x60, 0x70] {
            let datagram = [first, code, 0, 9];
            assert!(matches!(
                receive(&mut node, T0, &datagram),
                Err(DatagramError::MisplacedCode(_))
            ));
            if first == 0x40 {
                assert_eq!(sent_one(&mut node), [0x70, 0, 0, 9]);
            }
            assert!(node.is_idle());
        }
    }
}

#[test]
fn a_ping_is_answered_with_reset() {
    let mut node = node();
    assert!(
        receive(&mut node, T0, &[0x40, 0, 0x12, 0x34])
            .unwrap()
            .is_none()
    );
    assert_eq!(sent_one(&mut node), [0x70, 0, 0x12, 0x34]);
    assert!(node.is_idle());
}

#[test]
fn an_empty_non_confirmable_is_ignored() {
    let mut node = node();
    assert!(receive(&mut node, T0, &[0x50, 0, 0x12, 0x34]).is_err());
    assert!(node.is_idle());
}

#[test]
fn our_ping_is_answered_by_a_reset() {
    let mut node = node();
    let id = node.ping(T0, "peer", Channel::Udp).unwrap();
    let wire = sent_one(&mut node);
    assert_eq!((wire[0], wire[1], wire.len()), (0x40, 0, 4));
    let reset = [0x70, 0, wire[2], wire[3]];
    assert!(matches!(
        receive(&mut node, T0, &reset),
        Ok(Some(Incoming::RequestReset { request })) if request == id
    ));
    assert!(run_until_quiet(&mut node).is_empty());
    node.ping(T0, "peer", Channel::Udp).unwrap();
    assert!(matches!(
        run_until_quiet(&mut node)[..],
        [Event::RequestFailed {
            reason: FailureReason::Timeout,
            ..
        }]
    ));
}

#[test]
fn over_sms_a_ping_is_sent_once() {
    for answered in [true, false] {
        let mut node = node();
        let id = node.ping(T0, "peer", Channel::Sms).unwrap();
        let wire = sent_one(&mut node);
        assert_eq!((wire[0], wire[1], wire.len()), (0x40, 0, 4));
        if answered {
            assert!(matches!(
                receive(&mut node, T0, &[0x70, 0, wire[2], wire[3]]),
                Ok(Some(Incoming::RequestReset { request })) if request == id
            ));
        } else {
            while let Some(now) = node.poll_timeout() {
                node.handle_timeout(now);
                assert!(sent(&mut node).is_empty(), "sent again");
                if let Some(event) = node.poll_event() {
                    let reason = FailureReason::Timeout;
                    assert!(matches!(
                        event,
                        Event::RequestFailed { request, reason: of, .. }
                            if (request, of) == (id, reason)
                    ));
                    break;
                }
            }
        }
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

// What matches nothing: §4.2, §4.3, §5.3.2.

#[test]
fn an_acknowledgement_or_reset_that_matches_nothing_is_ignored() {
    let mut node = node();
    for first in [ACK, RST] {
        assert!(matches!(
            receive(&mut node, T0, &[first, 0, 1, 2]),
            Err(DatagramError::Unmatched)
        ));
        assert!(node.is_idle());
    }
    let piggybacked = message(content("x"), MessageType::Acknowledgement, 7, token(b"t"));
    assert!(receive(&mut node, T0, &piggybacked).is_err());
    assert!(node.is_idle());
}

#[test]
fn a_response_that_matches_nothing_is_reset() {
    let mut node = node();
    for kind in [MessageType::Confirmable, MessageType::NonConfirmable] {
        let response = message(content("x"), kind, 0x0102, token(b"t"));
        assert!(matches!(
            receive(&mut node, T0, &response),
            Err(DatagramError::Unmatched)
        ));
        assert_eq!(sent_one(&mut node), [0x70, 0, 1, 2]);
        assert!(node.is_idle());
    }
}

#[test]
fn a_response_is_matched_by_peer_and_token_together() {
    let mut node = node();
    let (_, id, request_token) = request(&mut node, RequestOptions::default());
    let answer = message(
        content("x"),
        MessageType::Acknowledgement,
        id,
        request_token,
    );
    assert!(node.receive(T0, &Datagram::new("other", &answer)).is_err());
    let wrong = message(content("x"), MessageType::Acknowledgement, id, token(b"t"));
    assert!(receive(&mut node, T0, &wrong).is_err());
    let wrong = message(
        content("x"),
        MessageType::Acknowledgement,
        id.wrapping_add(1),
        request_token,
    );
    assert!(receive(&mut node, T0, &wrong).is_err());
    assert!(matches!(
        receive(&mut node, T0, &answer),
        Ok(Some(Incoming::Response {
            observing: false,
            ..
        }))
    ));
    assert!(sent(&mut node).is_empty());
}

#[test]
fn a_response_in_a_reset_and_a_request_in_an_acknowledgement_are_ignored() {
    let mut node = node();
    let (_, id, request_token) = request(&mut node, RequestOptions::default());
    let reset = message(content("x"), MessageType::Reset, id, request_token);
    assert!(receive(&mut node, T0, &reset).is_err());
    let ack = message(get("x"), MessageType::Acknowledgement, id, request_token);
    assert!(receive(&mut node, T0, &ack).is_err());
    assert_eq!((node.usage().requests, sent(&mut node).len()), (1, 0));
}

// Requests and their answers: §4.2, §4.5, §5.2.

#[test]
fn an_answer_in_time_is_piggybacked() {
    let mut node = node();
    let datagram = message(get("x"), MessageType::Confirmable, 0x1234, token(b"tk"));
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    assert_eq!(responder.token(), token(b"tk"));
    assert!(sent(&mut node).is_empty());
    node.respond(T0, responder, content("hi")).unwrap();
    assert_eq!(sent_one(&mut node), b"\x62\x45\x12\x34tk\xffhi");
}

#[test]
fn a_repeated_request_is_answered_alike_and_not_delivered_again() {
    let mut node = node();
    let datagram = message(
        MessageBuf::request(Method::Post),
        MessageType::Confirmable,
        1,
        token(b"tk"),
    );
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    assert!(receive(&mut node, T0, &datagram).unwrap().is_none());
    assert!(sent(&mut node).is_empty());
    node.respond(T0, responder, content("hi")).unwrap();
    let answer = sent_one(&mut node);
    for after in [0, 1, 246] {
        assert!(
            receive(&mut node, T0 + seconds(after), &datagram)
                .unwrap()
                .is_none()
        );
        assert_eq!(sent_one(&mut node), answer);
    }
    // Another peer may use the same message id.
    assert!(
        node.receive(T0, &Datagram::new("other", &datagram))
            .unwrap()
            .is_some()
    );
    // EXCHANGE_LIFETIME is over.
    assert!(
        receive(&mut node, T0 + seconds(247), &datagram)
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_repeated_non_confirmable_request_is_ignored_for_non_lifetime() {
    let mut node = node();
    let datagram = message(get("x"), MessageType::NonConfirmable, 1, token(b"tk"));
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    node.respond(T0, responder, content("hi")).unwrap();
    let answer = sent_one(&mut node);
    let read = MessageRef::parse(&answer).unwrap();
    assert_eq!(
        (read.kind(), read.token()),
        (MessageType::NonConfirmable, token(b"tk"))
    );
    assert!(
        receive(&mut node, T0 + seconds(144), &datagram)
            .unwrap()
            .is_none()
    );
    assert!(sent(&mut node).is_empty());
    assert!(
        receive(&mut node, T0 + seconds(145), &datagram)
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_late_answer_is_sent_separately_until_it_is_acknowledged() {
    let mut node = node();
    let datagram = message(get("x"), MessageType::Confirmable, 7, token(b"tk"));
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    let due = node.poll_timeout().unwrap();
    assert!(due < T0 + seconds(2));
    node.handle_timeout(due);
    assert_eq!(sent_one(&mut node), empty(ACK, 7));
    // The same for a repetition.
    assert!(receive(&mut node, due, &datagram).unwrap().is_none());
    assert_eq!(sent_one(&mut node), empty(ACK, 7));

    node.respond(due, responder, content("hi")).unwrap();
    let separate = sent_one(&mut node);
    let read = MessageRef::parse(&separate).unwrap();
    assert_eq!(
        (read.kind(), read.token(), read.payload()),
        (MessageType::Confirmable, token(b"tk"), &b"hi"[..])
    );
    let again = node.poll_timeout().unwrap();
    node.handle_timeout(again);
    assert_eq!(sent_one(&mut node), separate);
    assert!(
        receive(&mut node, again, &empty(ACK, read.message_id()))
            .unwrap()
            .is_none()
    );
    assert_eq!(node.usage().transmissions, 0);
    assert!(receive(&mut node, again, &datagram).unwrap().is_none());
    assert_eq!(sent_one(&mut node), empty(ACK, 7));
    assert!(run_until_quiet(&mut node).is_empty());
}

#[test]
fn each_request_without_an_answer_in_time_is_acknowledged_whichever_was_answered() {
    for answered in 0..3_u8 {
        let mut node = node();
        let mut responders = Vec::new();
        for id in 0..3_u8 {
            let datagram = message(get("x"), CON, id.into(), token(&[id]));
            responders.push(responder(receive(&mut node, T0, &datagram).unwrap()));
        }
        let responder = responders.remove(answered.into());
        node.respond(T0, responder, content("hi")).unwrap();
        assert_eq!(
            sent_one(&mut node),
            [0x61, 0x45, 0, answered, answered, 0xff, b'h', b'i']
        );
        let due = node.poll_timeout().unwrap();
        assert!(due < T0 + seconds(2));
        node.handle_timeout(due);
        let others = (0..3).filter(|id| *id != answered);
        let acknowledgements: Vec<_> = others.map(|id| vec![ACK, 0, 0, id]).collect();
        assert_eq!(sent(&mut node), acknowledgements);
    }
}

#[test]
fn a_separate_answer_that_no_one_takes_is_told() {
    for reset in [false, true] {
        let mut node = node();
        let datagram = message(get("x"), MessageType::Confirmable, 7, token(b"tk"));
        let responder = responder(receive(&mut node, T0, &datagram).unwrap());
        node.acknowledge(&responder);
        assert_eq!(sent_one(&mut node), empty(ACK, 7));
        node.respond(T0, responder, content("hi")).unwrap();
        let separate = sent_one(&mut node);
        if reset {
            let id = MessageRef::parse(&separate).unwrap().message_id();
            assert!(receive(&mut node, T0, &empty(RST, id)).unwrap().is_none());
        }
        let why = if reset {
            FailureReason::Reset
        } else {
            FailureReason::Timeout
        };
        assert!(matches!(
            run_until_quiet(&mut node)[..],
            [Event::ResponseFailed { reason, .. }] if reason == why
        ));
    }
}

#[test]
fn an_ignored_request_is_as_if_it_had_never_come() {
    let mut node = node();
    let datagram = message(get("x"), MessageType::Confirmable, 7, token(b"tk"));
    let first = responder(receive(&mut node, T0, &datagram).unwrap());
    node.ignore(first);
    assert!(node.is_idle());
    assert_eq!(node.poll_timeout().map(|t| t > T0 + seconds(3)), None);
    let again = responder(receive(&mut node, T0, &datagram).unwrap());
    node.respond(T0, again, content("now")).unwrap();
    assert_eq!(sent_one(&mut node)[0] & 0xf0, ACK);
}

#[test]
fn a_request_is_answered_once() {
    let mut node = node();
    let datagram = message(get("x"), MessageType::Confirmable, 7, token(b"tk"));
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    run_until_quiet(&mut node);
    assert_eq!(
        node.respond(T0 + seconds(300), responder, content("late")),
        Err(SendError::NotOpen)
    );
    let other = message(get("x"), MessageType::Confirmable, 8, token(b"tk"));
    let responder = request_after_all(&mut node, &other);
    assert_eq!(
        node.respond(T0 + seconds(300), responder, get("no answer")),
        Err(SendError::Invalid(InvalidSend::Code(Code::GET)))
    );
}

fn request_after_all(node: &mut Node, datagram: &[u8]) -> Responder {
    responder(receive(node, T0 + seconds(300), datagram).unwrap())
}

// Retransmission: §4.2.

#[test]
fn a_confirmable_is_sent_again_with_doubled_waits_and_then_fails() {
    let mut first_waits = Vec::new();
    for seed in 0..20 {
        let mut node: Node = Endpoint::new(Config::new([seed; 32]));
        let id = node
            .request(T0, "peer", get("x"), RequestOptions::default())
            .unwrap();
        let wire = sent_one(&mut node);
        let mut last = T0;
        let mut waits = Vec::new();
        for _ in 0..4 {
            let now = node.poll_timeout().unwrap();
            node.handle_timeout(now - Duration::from_millis(1));
            assert!(sent(&mut node).is_empty());
            node.handle_timeout(now);
            node.handle_timeout(now);
            assert_eq!(sent_one(&mut node), wire);
            waits.push(now.saturating_duration_since(last));
            last = now;
        }
        assert!(waits[0] >= seconds(2) && waits[0] <= seconds(3));
        assert!(waits.windows(2).all(|pair| pair[1] == pair[0] * 2));
        first_waits.push(waits[0]);
        let end = node.poll_timeout().unwrap();
        assert_eq!(end.saturating_duration_since(last), waits[0] * 16);
        assert!(end <= T0 + node.config().transmission.max_transmit_wait());
        assert!(matches!(
            run_until_quiet(&mut node)[..],
            [Event::RequestFailed { request, peer: "peer", reason: FailureReason::Timeout }]
                if request == id
        ));
    }
    first_waits.sort_unstable();
    first_waits.dedup();
    assert!(first_waits.len() > 15, "the waits are random");
}

#[test]
fn an_acknowledgement_stops_retransmission_and_the_response_comes_separately() {
    let mut node = node();
    let (id, message_id, request_token) = request(&mut node, RequestOptions::default());
    assert!(
        receive(&mut node, T0, &empty(ACK, message_id))
            .unwrap()
            .is_none()
    );
    assert_eq!(
        node.poll_timeout(),
        Some(T0 + node.config().transmission.max_transmit_wait())
    );
    let separate = message(content("x"), MessageType::Confirmable, 0x55, request_token);
    assert!(matches!(
        receive(&mut node, T0, &separate),
        Ok(Some(Incoming::Response { request, .. })) if request == id
    ));
    assert_eq!(sent_one(&mut node), empty(ACK, 0x55));
    // A repetition gets §4.5, not a Reset.
    assert!(
        receive(&mut node, T0 + seconds(40), &separate)
            .unwrap()
            .is_none()
    );
    assert_eq!(sent_one(&mut node), empty(ACK, 0x55));
    assert!(run_until_quiet(&mut node).is_empty());
}

#[test]
fn a_response_before_the_acknowledgement_stands_for_it() {
    for kind in [MessageType::Confirmable, MessageType::NonConfirmable] {
        let mut node = node();
        let (_, message_id, request_token) = request(&mut node, RequestOptions::default());
        let separate = message(content("x"), kind, 0x55, request_token);
        assert!(receive(&mut node, T0, &separate).unwrap().is_some());
        assert_eq!(node.usage().transmissions, 0);
        let acknowledgement = empty(ACK, message_id);
        assert!(receive(&mut node, T0, &acknowledgement).is_err());
        // Repetitions, silent or acknowledged.
        sent(&mut node);
        assert!(receive(&mut node, T0, &separate).unwrap().is_none());
        let expected = usize::from(kind == MessageType::Confirmable);
        assert_eq!(sent(&mut node).len(), expected);
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn an_acknowledged_request_without_response_times_out() {
    let mut node = node();
    let (id, message_id, _) = request(
        &mut node,
        RequestOptions {
            timeout: Some(seconds(7)),
            ..RequestOptions::default()
        },
    );
    assert!(
        receive(&mut node, T0, &empty(ACK, message_id))
            .unwrap()
            .is_none()
    );
    assert_eq!(node.poll_timeout(), Some(T0 + seconds(7)));
    assert!(matches!(
        run_until_quiet(&mut node)[..],
        [Event::RequestFailed { request, reason: FailureReason::Timeout, .. }] if request == id
    ));
}

#[test]
fn a_reset_is_the_outcome_of_a_request() {
    for confirmable in [true, false] {
        let mut node = node();
        let (id, message_id, _) = request(
            &mut node,
            RequestOptions {
                confirmable,
                ..RequestOptions::default()
            },
        );
        assert!(matches!(
            receive(&mut node, T0, &empty(RST, message_id)),
            Ok(Some(Incoming::RequestReset { request })) if request == id
        ));
        assert!(receive(&mut node, T0, &empty(RST, message_id)).is_err());
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn a_non_confirmable_request_is_sent_once_and_times_out() {
    let mut node = node();
    let options = RequestOptions {
        confirmable: false,
        ..RequestOptions::default()
    };
    let (_, _, request_token) = request(&mut node, options);
    let response = message(content("x"), MessageType::NonConfirmable, 3, request_token);
    assert!(receive(&mut node, T0, &response).unwrap().is_some());
    let (id, ..) = request(&mut node, options);
    let mut resent = 0;
    while node.usage().requests > 0 {
        let now = node.poll_timeout().unwrap();
        node.handle_timeout(now);
        resent += sent(&mut node).len();
    }
    assert_eq!(resent, 0);
    assert!(matches!(
        run_until_quiet(&mut node)[..],
        [Event::RequestFailed { request, .. }] if request == id
    ));
}

#[test]
fn over_sms_nothing_is_sent_again() {
    let mut node = node();
    let options = RequestOptions {
        channel: Channel::Sms,
        ..RequestOptions::default()
    };
    let (id, message_id, request_token) = request(&mut node, options);
    let answer = message(
        content("x"),
        MessageType::Acknowledgement,
        message_id,
        request_token,
    );
    assert!(matches!(
        receive(&mut node, T0, &answer),
        Ok(Some(Incoming::Response { request, .. })) if request == id
    ));
    let (id, ..) = request(&mut node, options);
    let mut resent = 0;
    while node.usage().requests > 0 {
        let now = node.poll_timeout().unwrap();
        node.handle_timeout(now);
        resent += sent(&mut node).len();
    }
    assert_eq!(resent, 0);
    assert!(matches!(
        node.poll_event(),
        Some(Event::RequestFailed { request, .. }) if request == id
    ));
    // No SMS is spent on an empty acknowledgement.
    let datagram = message(get("x"), MessageType::Confirmable, 7, token(b"tk"));
    let datagram = Datagram {
        channel: Channel::Sms,
        ..Datagram::new("peer", &datagram)
    };
    let late = T0 + seconds(1000);
    let responder = responder(node.receive(late, &datagram).unwrap());
    node.handle_timeout(late + seconds(60));
    assert!(sent(&mut node).is_empty());
    node.respond(late + seconds(60), responder, content("x"))
        .unwrap();
    assert_eq!(sent_one(&mut node)[0] & 0xf0, ACK);
}

// NSTART: §4.7.

#[test]
fn one_confirmable_at_a_time_waits_for_its_acknowledgement() {
    let mut node = node();
    let mut ids = Vec::new();
    for path in ["a", "b", "c"] {
        let id = node.request(T0, "peer", get(path), RequestOptions::default());
        ids.push(id.unwrap());
    }
    node.request(T0, "other", get("d"), RequestOptions::default())
        .unwrap();
    let first = sent(&mut node);
    assert_eq!(first.len(), 2, "one for each peer");
    let read = MessageRef::parse(&first[0]).unwrap();
    // The second is cancelled while it waits; the third follows the first.
    assert!(node.cancel(T0, ids[1]));
    assert!(
        receive(&mut node, T0, &empty(ACK, read.message_id()))
            .unwrap()
            .is_none()
    );
    let third = sent_one(&mut node);
    let third = MessageRef::parse(&third).unwrap();
    assert_eq!(third.uri_path().collect::<Vec<_>>(), ["c"]);
    assert_ne!(third.message_id(), read.message_id());
    assert_ne!(third.token(), read.token());
}

#[test]
fn requests_to_one_peer_are_bounded() {
    let mut config = Config::new([1; 32]);
    config.bounds.requests_per_peer = 3;
    config.bounds.peers = 1;
    let mut node: Node = Endpoint::new(config);
    for _ in 0..3 {
        node.request(T0, "peer", get("x"), RequestOptions::default())
            .unwrap();
    }
    assert_eq!(
        node.request(T0, "peer", get("x"), RequestOptions::default()),
        Err(SendError::Overload(Overload::Messages))
    );
    assert_eq!(
        node.request(T0, "other", get("x"), RequestOptions::default()),
        Err(SendError::Overload(Overload::Peers))
    );
    assert_eq!(run_until_quiet(&mut node).len(), 3);
}

// Options: §5.4.

/// GET with an unknown critical option.
fn with_option(kind: MessageType, code: Code, option: &[u8], id: u16, token: Token) -> Vec<u8> {
    let buf = if code == Code::GET {
        MessageBuf::request(Method::Get)
    } else {
        MessageBuf::response(code)
    };
    let mut wire = message(buf, kind, id, token);
    wire.extend(option);
    wire
}

/// Options 9 and 65001 (experimental): unknown and critical. An empty Uri-Host and an If-None-Match
/// with a value: illegal. A second Accept. If-Match, which isn't supported.
const BAD_OPTIONS: [&[u8]; 6] = [
    &[0x90],
    &[0xe0, 0xfc, 0xdc],
    &[0x30],
    &[0x51, 1],
    &[0xd1, 4, 0, 0x01, 0],
    &[0x11, 7],
];

#[test]
fn a_bad_critical_option_in_a_confirmable_request_is_answered_4_02() {
    for option in BAD_OPTIONS {
        let mut node = node();
        let datagram = with_option(MessageType::Confirmable, Code::GET, option, 7, token(b"t"));
        assert!(
            matches!(
                receive(&mut node, T0, &datagram),
                Err(DatagramError::BadOption(_))
            ),
            "{option:02x?}"
        );
        let answer = sent_one(&mut node);
        let read = MessageRef::parse(&answer).unwrap();
        assert_eq!(
            (read.kind(), read.code(), read.message_id(), read.token()),
            (
                MessageType::Acknowledgement,
                Code::BAD_OPTION,
                7,
                token(b"t")
            )
        );
        assert!(receive(&mut node, T0, &datagram).unwrap().is_none());
        assert_eq!(sent_one(&mut node), answer);
    }
}

#[test]
fn a_bad_critical_option_in_a_non_confirmable_request_is_ignored() {
    for option in BAD_OPTIONS {
        let mut node = node();
        let datagram = with_option(
            MessageType::NonConfirmable,
            Code::GET,
            option,
            7,
            token(b"t"),
        );
        assert!(matches!(
            receive(&mut node, T0, &datagram),
            Err(DatagramError::BadOption(_))
        ));
        assert!(node.is_idle());
    }
}

#[test]
fn a_bad_critical_option_in_a_response_makes_it_useless() {
    // Uri-Path has no meaning in a response.
    for option in [&[0x90][..], &[0xb1, b'x']] {
        let mut node = node();
        let (_, message_id, request_token) = request(&mut node, RequestOptions::default());
        let bad = |kind, id| with_option(kind, Code::CONTENT, option, id, request_token);
        let is_bad =
            |result: Result<_, DatagramError>| matches!(result, Err(DatagramError::BadOption(_)));
        // In an acknowledgement it is ignored like an unmatched one.
        let datagram = bad(MessageType::Acknowledgement, message_id);
        assert!(is_bad(receive(&mut node, T0, &datagram)));
        // Non-confirmable: ignored.
        let datagram = bad(MessageType::NonConfirmable, 8);
        assert!(is_bad(receive(&mut node, T0, &datagram)));
        assert!(sent(&mut node).is_empty());
        // Confirmable: Reset.
        let datagram = bad(MessageType::Confirmable, 9);
        assert!(is_bad(receive(&mut node, T0, &datagram)));
        assert_eq!(sent_one(&mut node), empty(RST, 9));
        // The request is still waiting.
        let good = message(
            content("x"),
            MessageType::Acknowledgement,
            message_id,
            request_token,
        );
        assert!(receive(&mut node, T0, &good).unwrap().is_some());
    }
}

#[test]
fn elective_options_that_are_unknown_or_illegal_are_ignored() {
    let mut node = node();
    // Option 2, Content-Format of 3 bytes, Size1 twice, option 65000.
    let options = [0x20, 0xa3, 1, 2, 3, 0xd1, 35, 1, 0x01, 1, 0xe0, 0xfc, 0x9f];
    let datagram = with_option(
        MessageType::Confirmable,
        Code::GET,
        &options,
        7,
        token(b"t"),
    );
    assert!(receive(&mut node, T0, &datagram).unwrap().is_some());
}

#[test]
fn uri_host_and_port_are_accepted_and_proxying_is_refused_5_05() {
    let mut node = node();
    let datagram = with_option(
        MessageType::Confirmable,
        Code::GET,
        b"\x33a.b\x42\x16\x33",
        7,
        token(b"t"),
    );
    assert!(receive(&mut node, T0, &datagram).unwrap().is_some());
    for (id, option) in [(8, &b"\xd3\x16c:/"[..]), (9, b"\xd4\x1acoap")] {
        let datagram = with_option(MessageType::Confirmable, Code::GET, option, id, token(b"t"));
        assert!(receive(&mut node, T0, &datagram).is_err());
        let answer = sent_one(&mut node);
        assert_eq!(answer[1], Code::PROXYING_NOT_SUPPORTED.to_byte());
    }
}

#[test]
fn conditional_requests_can_be_understood() {
    let mut config = Config::new([1; 32]);
    config.understood = config.understood.with(OptionNumber::IF_MATCH);
    let mut node: Node = Endpoint::new(config);
    let datagram = with_option(
        MessageType::Confirmable,
        Code::GET,
        &[0x11, 7],
        7,
        token(b"t"),
    );
    assert!(receive(&mut node, T0, &datagram).unwrap().is_some());
}

#[test]
fn an_unknown_method_is_answered_4_05() {
    let mut node = node();
    assert!(matches!(
        receive(&mut node, T0, &[0x40, 5, 0, 7]),
        Err(DatagramError::Method(_))
    ));
    assert_eq!(sent_one(&mut node), [0x60, 0x85, 0, 7]);
}

// Multicast: §8.

#[test]
fn a_group_is_answered_with_neither_reset_nor_error() {
    let mut node = node();
    let unknown = with_option(
        MessageType::NonConfirmable,
        Code::GET,
        &[0x90],
        1,
        token(b"t"),
    );
    let proxy = with_option(
        MessageType::NonConfirmable,
        Code::GET,
        b"\xd1\x16c",
        2,
        token(b"t"),
    );
    let confirmable = message(get("x"), MessageType::Confirmable, 3, token(b"t"));
    let response = message(content("x"), MessageType::NonConfirmable, 4, token(b"t"));
    for datagram in [
        &[0x40, 0, 0, 1][..],
        &[0x40, 1, 0, 1, 0xff],
        &[0x40, 0x20, 0, 1],
        &[0x50, 5, 0, 1],
        &unknown,
        &proxy,
        &confirmable,
        &response,
    ] {
        let datagram = Datagram {
            multicast: true,
            ..Datagram::new("peer", datagram)
        };
        let received = node.receive(T0, &datagram);
        assert!(!matches!(received, Ok(Some(_))), "{received:?}");
        assert!(node.is_idle(), "{datagram:02x?}");
    }
}

#[test]
fn a_group_is_answered_at_leisure() {
    let mut moments = Vec::new();
    for id in 0..20 {
        let code = if id % 2 == 0 {
            Code::CONTENT
        } else {
            Code::NOT_FOUND
        };
        let mut node: Node = Endpoint::new(Config::new([u8::try_from(id).unwrap(); 32]));
        let request = message(get("x"), MessageType::NonConfirmable, id, token(b"t"));
        let datagram = Datagram {
            multicast: true,
            ..Datagram::new("peer", &request)
        };
        let responder = responder(node.receive(T0, &datagram).unwrap());
        node.respond(T0, responder, MessageBuf::response(code))
            .unwrap();
        assert!(sent(&mut node).is_empty());
        let mut now = T0;
        if code == Code::CONTENT {
            now = node.poll_timeout().unwrap();
            node.handle_timeout(now);
            let answer = sent_one(&mut node);
            let read = MessageRef::parse(&answer).unwrap();
            assert_eq!(
                (read.kind(), read.token()),
                (MessageType::NonConfirmable, token(b"t"))
            );
            assert!(now <= T0 + seconds(5));
            moments.push(now);
        } else {
            assert!(sent(&mut node).is_empty());
        }
        assert!(node.receive(now, &datagram).unwrap().is_none());
        assert!(sent(&mut node).is_empty());
        assert!(run_until_quiet(&mut node).is_empty());
    }
    moments.dedup();
    assert!(moments.len() > 7, "the moments are random");
}

// Bounds.

#[test]
fn over_the_bound_repeatable_records_go_first_and_then_requests_are_refused() {
    for per_peer in [true, false] {
        let mut config = Config::new([1; 32]);
        if per_peer {
            config.bounds.records_per_peer = 3;
        } else {
            config.bounds.records = 3;
        }
        let mut node: Node = Endpoint::new(config);
        let send = |node: &mut Node, method, id, kind| {
            let datagram = message(MessageBuf::request(method), kind, id, token(b"t"));
            let incoming = receive(node, T0, &datagram)?;
            let fresh = incoming.is_some();
            if let Some(incoming) = incoming {
                let responder = responder(Some(incoming));
                node.respond(T0, responder, MessageBuf::response(Code::CHANGED))
                    .unwrap();
            }
            Ok((fresh, sent_one(node)))
        };
        for (method, id) in [(Method::Post, 1), (Method::Get, 2), (Method::Post, 3)] {
            assert!(send(&mut node, method, id, CON).unwrap().0);
        }
        // The read is forgotten, the others stay.
        assert!(send(&mut node, Method::Put, 4, CON).unwrap().0);
        for (method, id) in [(Method::Post, 1), (Method::Post, 3), (Method::Put, 4)] {
            assert!(!send(&mut node, method, id, CON).unwrap().0);
        }
        // Nothing that may be forgotten is left.
        let refused: Result<(bool, Vec<u8>), DatagramError> = send(&mut node, Method::Post, 5, CON);
        assert_eq!(refused, Err(DatagramError::Overload));
        assert_eq!(sent_one(&mut node)[..4], [0x61, 0xa3, 0, 5]);
        let refused = send(&mut node, Method::Post, 6, MessageType::NonConfirmable);
        assert_eq!(refused, Err(DatagramError::Overload));
        assert!(sent(&mut node).is_empty());
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn one_peer_too_many_is_refused() {
    let mut config = Config::new([1; 32]);
    config.bounds.peers = 1;
    let mut node: Node = Endpoint::new(config);
    let datagram = message(get("x"), MessageType::Confirmable, 1, token(b"t"));
    let _responder = responder(receive(&mut node, T0, &datagram).unwrap());
    assert!(matches!(
        node.receive(T0, &Datagram::new("other", &datagram)),
        Err(DatagramError::Overload)
    ));
    assert_eq!(sent_one(&mut node)[1], Code::SERVICE_UNAVAILABLE.to_byte());
}

// Peers.

#[test]
fn a_dropped_peer_leaves_nothing_but_outcomes() {
    let mut node = node();
    for _ in 0..3 {
        node.request(T0, "peer", get("x"), RequestOptions::default())
            .unwrap();
    }
    let confirmable = NotifyOptions {
        confirmable: true,
        ..NotifyOptions::default()
    };
    node.notify(T0, "peer", token(b"n"), observe_answer(1, "a"), confirmable)
        .unwrap();
    node.notify(
        T0,
        "peer",
        token(b"m"),
        observe_answer(1, "a"),
        NotifyOptions::default(),
    )
    .unwrap();
    let datagram = message(get("x"), MessageType::Confirmable, 1, token(b"t"));
    let responder = responder(receive(&mut node, T0, &datagram).unwrap());
    sent(&mut node);
    node.drop_peer(T0, &"peer");
    let events = lwm2m_kit::events(&mut node);
    assert_eq!(events.len(), 4);
    for event in events {
        let (Event::RequestFailed { reason, .. } | Event::NotificationFailed { reason, .. }) =
            event
        else {
            panic!("{event:?}");
        };
        assert_eq!(reason, FailureReason::PeerDropped);
    }
    assert!(sent(&mut node).is_empty());
    assert!(node.is_idle(), "{:?}", node.usage());
    assert_eq!(
        node.respond(T0, responder, content("x")),
        Err(SendError::NotOpen)
    );
}

#[test]
fn an_idle_peer_is_forgotten_after_exchange_lifetime() {
    let mut node = node();
    let (_, id, request_token) = request(&mut node, RequestOptions::default());
    let answered = T0 + seconds(1);
    let answer = message(
        content("x"),
        MessageType::Acknowledgement,
        id,
        request_token,
    );
    assert!(receive(&mut node, answered, &answer).unwrap().is_some());
    assert_eq!((node.usage().peers, node.usage().requests), (1, 0));
    node.handle_timeout(T0 + seconds(246));
    assert_eq!(node.usage().peers, 1);
    node.handle_timeout(T0 + seconds(247));
    assert!(node.is_idle());
}

// Sans-IO.

#[test]
fn a_seed_decides_every_byte() {
    let run = |seed| {
        let mut node: Node = Endpoint::new(Config::new([seed; 32]));
        for peer in ["a", "b", "c"] {
            node.request(T0, peer, get("x"), RequestOptions::default())
                .unwrap();
        }
        let mut bytes = sent(&mut node);
        while let Some(now) = node.poll_timeout() {
            node.handle_timeout(now);
            bytes.extend(sent(&mut node));
            while node.poll_event().is_some() {}
        }
        bytes
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn handle_datagram_queues_what_receive_returns() {
    let mut node = node();
    let mut post = MessageBuf::request(Method::Post);
    post.uri_path("x").unwrap().payload(b"hello");
    let datagram = message(post, MessageType::Confirmable, 7, token(b"tk"));
    node.handle_datagram(T0, Datagram::new("peer", &datagram))
        .unwrap();
    let Some(Event::Incoming {
        from: "peer",
        incoming:
            lwm2m_statemachine::coap::OwnedIncoming::Request {
                responder,
                request,
                body: None,
            },
    }) = node.poll_event()
    else {
        panic!("no request");
    };
    assert_eq!(request.payload(), b"hello");
    let request = request.message();
    assert_eq!(request.uri_path().collect::<Vec<_>>(), ["x"]);
    assert_eq!(
        (
            request.kind(),
            request.code(),
            request.message_id(),
            request.payload()
        ),
        (MessageType::Confirmable, Code::POST, 7, &b"hello"[..])
    );
    node.respond(T0, responder, content("hi")).unwrap();
    assert_eq!(sent_one(&mut node)[1], Code::CONTENT.to_byte());
}

#[test]
fn who_wakes_too_late_does_not_send_again() {
    // MAX_TRANSMIT_SPAN (§4.2).
    for (late, again) in [(45, true), (46, false)] {
        let mut node = node();
        let (id, ..) = request(&mut node, RequestOptions::default());
        node.handle_timeout(T0 + seconds(late));
        assert_eq!(sent(&mut node).len(), usize::from(again));
        let failed = run_until_quiet(&mut node);
        assert!(matches!(
            failed[..],
            [Event::RequestFailed { request, reason: FailureReason::Timeout, .. }] if request == id
        ));
    }
}

#[test]
fn a_request_is_unsent_while_others_go_first_and_is_never_seen_if_it_is_cancelled_then() {
    let mut node = node();
    let (first, message_id, of) = request_of(&mut node, get("x"), RequestOptions::default());
    let mut large = MessageBuf::request(Method::Put);
    large.uri_path("large").unwrap().payload(&[7; 5000]);
    let [small, large] = [get("x"), large].map(|message| {
        let sent = node.request(T0, "peer", message, RequestOptions::default());
        sent.unwrap()
    });
    let unsent = |node: &Node| [first, small, large].map(|request| node.is_unsent(request));
    assert_eq!(unsent(&node), [false, true, true]);
    let answer = |node: &mut Node, message_id, of| {
        let answer = MessageBuf::response(Code::CONTENT);
        let answer = message(answer, MessageType::Acknowledgement, message_id, of);
        receive(node, T0, &answer).unwrap();
        sent(node)
    };
    // The turn comes to the small one.
    let next = answer(&mut node, message_id, of);
    assert_eq!(unsent(&node), [false, false, true]);
    assert!(node.cancel(T0, large));
    let small = MessageRef::parse(&next[0]).unwrap();
    assert!(answer(&mut node, small.message_id(), small.token()).is_empty());
}

#[test]
fn a_body_in_blocks_is_unsent_until_its_first_block_leaves() {
    let mut node = node();
    let bodies = [(); 2].map(|()| {
        let mut large = MessageBuf::request(Method::Put);
        large.uri_path("large").unwrap().payload(&[7; 5000]);
        let sent = node.request(T0, "peer", large, RequestOptions::default());
        sent.unwrap()
    });
    // To one resource, one body goes after the other.
    let unsent = |node: &Node| bodies.map(|request| node.is_unsent(request));
    assert_eq!(unsent(&node), [false, true]);
    sent(&mut node);
    assert!(node.cancel(T0, bodies[0]));
    assert_eq!(sent(&mut node).len(), 1);
    assert_eq!(unsent(&node), [false, false]);
}
