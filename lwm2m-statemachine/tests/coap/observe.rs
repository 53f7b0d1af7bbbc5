//! The rules of RFC 7641, one test each.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    Channel,
    coap::{
        Config, Endpoint, Event, FailureReason, Incoming, MessageBuf, MessageRef, MessageType,
        NotifyOptions, Overload, RequestId, RequestOptions, SendError, Token,
    },
};

use crate::support::*;

// Observe: RFC 7641 §3, §4.

fn observation(node: &mut Node) -> (RequestId, Token) {
    let mut message = MessageBuf::request(Method::Get);
    message.observe(0).unwrap().uri_path("x").unwrap();
    let (id, message_id, request_token) = request_of(node, message, RequestOptions::default());
    let answer = self::message(
        observe_answer(10, "a"),
        MessageType::Acknowledgement,
        message_id,
        request_token,
    );
    assert!(matches!(
        receive(node, T0, &answer),
        Ok(Some(Incoming::Response { request, observing: true, .. })) if request == id
    ));
    (id, request_token)
}

#[test]
fn notifications_follow_an_observation_in_their_order() {
    let mut node = node();
    let (id, request_token) = observation(&mut node);
    let mut next_id = 100;
    let mut arrives = |node: &mut Node, at, sequence| {
        next_id += 1;
        let kind = if next_id % 2 == 0 {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        let datagram = message(observe_answer(sequence, "b"), kind, next_id, request_token);
        let incoming = receive(node, at, &datagram).unwrap();
        // Acknowledged whether it is new or not.
        assert_eq!(sent(node).len(), usize::from(next_id % 2 == 0));
        match incoming {
            None => false,
            Some(Incoming::Notification {
                request,
                observing: true,
                body,
                ..
            }) => {
                assert_eq!((request, &*body), (id, &b"b"[..]));
                true
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(arrives(&mut node, T0, 11));
    assert!(!arrives(&mut node, T0, 11));
    assert!(!arrives(&mut node, T0, 9));
    assert!(arrives(&mut node, T0, 13));
    assert!(!arrives(&mut node, T0 + seconds(128), 12));
    assert!(arrives(&mut node, T0 + seconds(129), 12));
    assert!(arrives(&mut node, T0 + seconds(129), (1 << 23) + 11));
    assert!(arrives(&mut node, T0 + seconds(129), 0));
}

#[test]
fn a_cancelled_observation_is_reset_with_the_next_notification() {
    for kind in [MessageType::Confirmable, MessageType::NonConfirmable] {
        let mut node = node();
        let (id, request_token) = observation(&mut node);
        assert!(node.cancel(T0, id));
        assert!(!node.cancel(T0, id));
        let datagram = message(observe_answer(11, "b"), kind, 9, request_token);
        assert!(receive(&mut node, T0, &datagram).is_err());
        assert_eq!(sent_one(&mut node), empty(RST, 9));
    }
}

#[test]
fn an_error_or_an_answer_without_observe_ends_an_observation() {
    for last in [MessageBuf::response(Code::NOT_FOUND), content("x")] {
        let mut node = node();
        let (id, request_token) = observation(&mut node);
        let datagram = message(last, MessageType::Confirmable, 9, request_token);
        assert!(matches!(
            receive(&mut node, T0, &datagram),
            Ok(Some(Incoming::Notification { request, observing: false, .. })) if request == id
        ));
        assert_eq!(sent_one(&mut node), empty(ACK, 9));
        assert!(run_until_quiet(&mut node).is_empty());
    }
}

#[test]
fn an_observation_that_is_refused_is_an_ordinary_exchange() {
    let mut node = node();
    let mut message = MessageBuf::request(Method::Get);
    message.observe(0).unwrap();
    let (_, message_id, request_token) = request_of(&mut node, message, RequestOptions::default());
    let answer = self::message(
        content("x"),
        MessageType::Acknowledgement,
        message_id,
        request_token,
    );
    assert!(matches!(
        receive(&mut node, T0, &answer),
        Ok(Some(Incoming::Response {
            observing: false,
            ..
        }))
    ));
    assert!(run_until_quiet(&mut node).is_empty());
}

#[test]
fn an_observation_is_cancelled_by_a_request_with_its_token() {
    let mut node = node();
    let (observation, request_token) = observation(&mut node);
    let mut message = MessageBuf::request(Method::Get);
    message.observe(1).unwrap().uri_path("x").unwrap();
    let options = RequestOptions {
        cancels: Some(observation),
        ..RequestOptions::default()
    };
    assert_eq!(
        node.request(T0, "other", message.clone(), options),
        Err(SendError::NoObservation)
    );
    let (id, message_id, new_token) = request_of(&mut node, message.clone(), options);
    assert_eq!(new_token, request_token);
    assert_eq!(
        node.request(T0, "peer", message, options),
        Err(SendError::NoObservation)
    );
    // A notification in flight doesn't answer the cancellation.
    let late = self::message(
        observe_answer(11, "b"),
        MessageType::Confirmable,
        9,
        request_token,
    );
    assert!(receive(&mut node, T0, &late).unwrap().is_none());
    assert_eq!(sent_one(&mut node), empty(ACK, 9));
    let answer = self::message(
        content("x"),
        MessageType::Acknowledgement,
        message_id,
        request_token,
    );
    assert!(matches!(
        receive(&mut node, T0, &answer),
        Ok(Some(Incoming::Response { request, observing: false, .. })) if request == id
    ));
    assert!(run_until_quiet(&mut node).is_empty());
}

/// The cancelling request replaces the one that it cancels; if it can't be sent, nothing changes.
#[test]
fn a_cancellation_fits_where_the_observation_was_or_leaves_it() {
    let mut config = Config::new([7; 32]);
    config.bounds.requests_per_peer = 1;
    let mut node = Endpoint::new(config);
    let (observation, request_token) = observation(&mut node);
    let mut message = MessageBuf::request(Method::Get);
    message.observe(1).unwrap();
    // All message ids are used.
    let notice = || observe_answer(1, "n");
    while node
        .notify(T0, "peer", token(b"n"), notice(), NotifyOptions::default())
        .is_ok()
    {
        sent_one(&mut node);
    }
    let options = RequestOptions {
        cancels: Some(observation),
        channel: Channel::Sms,
        ..RequestOptions::default()
    };
    assert_eq!(
        node.request(T0, "peer", message.clone(), options),
        Err(SendError::Overload(Overload::MessageIds))
    );
    let notification = self::message(
        observe_answer(11, "b"),
        MessageType::NonConfirmable,
        9,
        request_token,
    );
    assert!(matches!(
        receive(&mut node, T0, &notification),
        Ok(Some(Incoming::Notification { request, .. })) if request == observation
    ));
    assert_eq!(node.usage().requests, 1);
    let later = T0 + Duration::from_secs(300);
    node.handle_timeout(later);
    assert!(node.request(later, "peer", message, options).is_ok());
    assert_eq!(node.usage().requests, 1);
    assert!(!node.cancel(later, observation));
}

const CONFIRMABLE: NotifyOptions = NotifyOptions {
    confirmable: true,
    channel: Channel::Udp,
    resource: None,
};

/// RFC 7641 §4.4: numbers grow. The answer that begins an observation leaves before a notification, also
/// if it waits for another message (NSTART).
#[test]
fn a_notification_is_refused_while_the_first_answer_waits() {
    for options in [CONFIRMABLE, NotifyOptions::default()] {
        let mut node = node();
        let mut observe = MessageBuf::request(Method::Get);
        observe.observe(0).unwrap();
        let datagram = message(observe, CON, 1, token(b"t"));
        let responder = responder(receive(&mut node, T0, &datagram).unwrap());
        node.acknowledge(&responder);
        assert_eq!(sent_one(&mut node), empty(ACK, 1));
        let (_, message_id, _) = request(&mut node, RequestOptions::default());
        node.respond(T0, responder, observe_answer(1, "a")).unwrap();
        let notify = |node: &mut Node, name, number| {
            let notification = observe_answer(number, "b");
            node.notify(T0, "peer", token(name), notification, options)
        };
        let refused = notify(&mut node, b"t", 2);
        assert_eq!(refused, Err(SendError::Overload(Overload::Answer)));
        assert!(sent(&mut node).is_empty());
        receive(&mut node, T0, &empty(ACK, message_id)).unwrap();
        let answer = sent_one(&mut node);
        assert_eq!(MessageRef::parse(&answer).unwrap().observe(), Some(1));
        notify(&mut node, b"t", 3).unwrap();
        receive(&mut node, T0, &empty(ACK, id_of(&answer))).unwrap();
        let notification = sent_one(&mut node);
        assert_eq!(MessageRef::parse(&notification).unwrap().observe(), Some(3));
    }
}

#[test]
fn a_reset_finds_any_notification_by_its_message_id() {
    let mut node = node();
    let mut ids = Vec::new();
    for sequence in 0..5 {
        let options = NotifyOptions::default();
        let id = node
            .notify(
                T0,
                "peer",
                token(b"n"),
                observe_answer(sequence, "x"),
                options,
            )
            .unwrap();
        let wire = sent_one(&mut node);
        let read = MessageRef::parse(&wire).unwrap();
        assert_eq!(read.kind(), MessageType::NonConfirmable);
        assert_eq!(read.observe(), Some(sequence));
        ids.push((id, read.message_id()));
    }
    for index in [1, 4, 0] {
        let (id, message_id) = ids[index];
        let reset = empty(RST, message_id);
        assert!(matches!(
            receive(&mut node, T0, &reset),
            Ok(Some(Incoming::NotificationReset { notification, token }))
                if notification == id && token.as_bytes() == b"n"
        ));
        assert!(receive(&mut node, T0, &reset).is_err());
    }
    assert!(run_until_quiet(&mut node).is_empty());

    let id = node
        .notify(T0, "peer", token(b"n"), observe_answer(9, "x"), CONFIRMABLE)
        .unwrap();
    let wire = sent_one(&mut node);
    let reset = empty(RST, MessageRef::parse(&wire).unwrap().message_id());
    assert!(matches!(
        receive(&mut node, T0, &reset),
        Ok(Some(Incoming::NotificationReset { notification, .. })) if notification == id
    ));
    assert!(run_until_quiet(&mut node).is_empty());
}

#[test]
fn a_confirmable_notification_is_acknowledged_or_fails() {
    let mut node = node();
    let id = node
        .notify(T0, "peer", token(b"n"), observe_answer(9, "x"), CONFIRMABLE)
        .unwrap();
    let wire = sent_one(&mut node);
    let ack = empty(ACK, MessageRef::parse(&wire).unwrap().message_id());
    assert!(matches!(
        receive(&mut node, T0, &ack),
        Ok(Some(Incoming::Acknowledged { notification, .. })) if notification == id
    ));
    let id = node
        .notify(T0, "peer", token(b"n"), observe_answer(9, "x"), CONFIRMABLE)
        .unwrap();
    assert!(matches!(
        run_until_quiet(&mut node)[..],
        [Event::NotificationFailed { notification, reason: FailureReason::Timeout, .. }]
            if notification == id
    ));
}

#[test]
fn the_newest_value_takes_the_place_of_one_that_is_sent_again() {
    let mut node = node();
    let notify = |node: &mut Node, sequence| {
        node.notify(
            T0,
            "peer",
            token(b"n"),
            observe_answer(sequence, "x"),
            CONFIRMABLE,
        )
        .unwrap()
    };
    let first = notify(&mut node, 1);
    let wire = sent_one(&mut node);
    let first_message = MessageRef::parse(&wire).unwrap().message_id();
    let second = notify(&mut node, 2);
    let third = notify(&mut node, 3);
    assert!(sent(&mut node).is_empty());
    let superseded = |node: &mut Node| match node.poll_event() {
        Some(Event::NotificationFailed {
            notification,
            reason: FailureReason::Superseded,
            ..
        }) => notification,
        other => panic!("{other:?}"),
    };
    assert_eq!(superseded(&mut node), second);
    let now = node.poll_timeout().unwrap();
    node.handle_timeout(now);
    let wire = sent_one(&mut node);
    let read = MessageRef::parse(&wire).unwrap();
    assert_eq!(read.observe(), Some(3));
    assert_ne!(read.message_id(), first_message);
    assert_eq!(superseded(&mut node), first);
    // A Reset to the old one still counts, and the new one is acknowledged.
    let reset = empty(RST, first_message);
    assert!(matches!(
        receive(&mut node, now, &reset),
        Ok(Some(Incoming::NotificationReset { notification, .. })) if notification == first
    ));
    let ack = empty(ACK, read.message_id());
    assert!(matches!(
        receive(&mut node, now, &ack),
        Ok(Some(Incoming::Acknowledged { notification, .. })) if notification == third
    ));
    assert!(run_until_quiet(&mut node).is_empty());
}

/// RFC 7641 §4.5.2: the attempts of the older one count for the newer one, whose timeout goes on
/// doubling.
#[test]
fn the_newest_value_goes_on_with_the_attempts_of_the_one_before() {
    let mut node = node();
    let mut sequence = 0;
    let mut newest = None;
    let mut sent_at: Vec<Instant> = Vec::new();
    let mut now = T0;
    let failed = loop {
        // A newer value before each retransmission.
        sequence += 1;
        let value = observe_answer(sequence, "x");
        if newest.is_none() || sent_at.len() < 5 {
            let id = node.notify(now, "peer", token(b"n"), value, CONFIRMABLE);
            newest = Some(id.unwrap());
        }
        sent_at.extend(sent(&mut node).iter().map(|_| now));
        let failed = core::iter::from_fn(|| node.poll_event())
            .filter_map(|event| match event {
                Event::NotificationFailed {
                    notification,
                    reason: FailureReason::Timeout,
                    ..
                } => Some(notification),
                Event::NotificationFailed {
                    reason: FailureReason::Superseded,
                    ..
                } => None,
                other => panic!("{other:?}"),
            })
            .last();
        if failed.is_some() {
            break failed;
        }
        now = node.poll_timeout().unwrap();
        node.handle_timeout(now);
    };
    // MAX_RETRANSMIT, and the first one.
    assert_eq!(sent_at.len(), 5);
    assert_eq!(failed, newest);
    let waits: Vec<_> = sent_at
        .windows(2)
        .map(|pair| pair[1].saturating_duration_since(pair[0]))
        .collect();
    for pair in waits.windows(2) {
        assert_eq!(pair[1], pair[0] * 2);
    }
}

#[test]
fn a_newer_notification_follows_the_acknowledgement_of_the_old_one() {
    let mut node = node();
    for sequence in [1, 2] {
        node.notify(
            T0,
            "peer",
            token(b"n"),
            observe_answer(sequence, "x"),
            CONFIRMABLE,
        )
        .unwrap();
    }
    let wire = sent_one(&mut node);
    let ack = empty(ACK, MessageRef::parse(&wire).unwrap().message_id());
    assert!(receive(&mut node, T0, &ack).unwrap().is_some());
    let wire = sent_one(&mut node);
    assert_eq!(MessageRef::parse(&wire).unwrap().observe(), Some(2));
}

#[test]
fn over_sms_a_confirmable_notification_is_sent_once_and_has_one_outcome() {
    let options = NotifyOptions {
        confirmable: true,
        channel: Channel::Sms,
        resource: None,
    };
    for answer in [Some(ACK), Some(RST), None] {
        let mut node = node();
        let id = node
            .notify(T0, "peer", token(b"n"), observe_answer(1, "x"), options)
            .unwrap();
        let wire = sent_one(&mut node);
        let read = MessageRef::parse(&wire).unwrap();
        assert_eq!(read.kind(), MessageType::Confirmable);
        if let Some(kind) = answer {
            let datagram = empty(kind, read.message_id());
            match receive(&mut node, T0, &datagram).unwrap() {
                Some(Incoming::Acknowledged { notification, .. }) => {
                    assert_eq!((notification, kind), (id, ACK));
                }
                Some(Incoming::NotificationReset { notification, .. }) => {
                    assert_eq!((notification, kind), (id, RST));
                }
                other => panic!("{other:?}"),
            }
            for second in [ACK, RST] {
                let datagram = empty(second, read.message_id());
                assert!(
                    receive(&mut node, T0, &datagram).is_err(),
                    "a second outcome"
                );
            }
            assert!(run_until_quiet(&mut node).is_empty());
        } else {
            assert!(matches!(
                run_until_quiet(&mut node)[..],
                [Event::NotificationFailed { notification, reason: FailureReason::Timeout, .. }]
                    if notification == id
            ));
        }
    }
}
