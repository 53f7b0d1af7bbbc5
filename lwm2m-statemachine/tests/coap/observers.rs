//! How an endpoint helps to keep the list of observers: which notifications are confirmable
//! (RFC 7641 §4.5), and which observation a failed one belongs to (RFC 7641 §3.6).

use core::time::Duration;

use lwm2m_core::{Instant, Method};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        BlockOption, Config, Endpoint, Event, FailureReason, Incoming, MessageBuf, MessageRef,
        MessageType, NotifyOptions, Observer, Overload, SendError,
    },
};

use crate::support::*;

const DAY: Duration = Duration::from_secs(86_400);
const MILLISECOND: Duration = Duration::from_millis(1);
const PLAIN: NotifyOptions = NotifyOptions {
    confirmable: false,
    channel: Channel::Udp,
    resource: None,
};
const CONFIRMABLE: NotifyOptions = NotifyOptions {
    confirmable: true,
    ..PLAIN
};

/// The peer observes with a request of this message id; the answer is taken out.
fn observed_by(node: &mut Node, kind: MessageType, id: u16) -> (Observer, Vec<u8>) {
    let mut request = MessageBuf::request(Method::Get);
    request.observe(0).unwrap().uri_path("x").unwrap();
    let request = message(request, kind, id, token(b"n"));
    let responder = responder(receive(node, T0, &request).unwrap());
    let observer = node.observer(T0, &responder);
    assert_eq!(observer.token(), token(b"n"));
    assert_eq!(observer.resource(), responder.resource());
    node.respond(T0, responder, observe_answer(1, "a")).unwrap();
    (observer, sent_one(node))
}

fn observed(node: &mut Node) -> Observer {
    observed_by(node, CON, 1).0
}

fn notify(
    node: &mut Node,
    now: Instant,
    observer: &mut Observer,
    options: NotifyOptions,
) -> Result<MessageType, SendError> {
    // Earlier ones are no longer remembered.
    node.handle_timeout(now);
    sent(node);
    node.notify_observer(now, "peer", observer, observe_answer(2, "b"), options)?;
    let wire = sent_one(node);
    let read = MessageRef::parse(&wire).unwrap();
    if read.kind() == CON {
        let ack = empty(ACK, read.message_id());
        assert!(receive(node, now, &ack).unwrap().is_some());
    }
    Ok(read.kind())
}

#[test]
fn after_24_hours_without_a_confirmable_notification_one_is() {
    let mut node = node();
    let mut observer = observed(&mut node);
    let mut confirmed = T0;
    for _ in 0..3 {
        let due = confirmed + DAY;
        for early in [
            confirmed + MILLISECOND,
            confirmed + DAY / 2,
            due - MILLISECOND,
        ] {
            let kind = notify(&mut node, early, &mut observer, PLAIN);
            assert_eq!(kind, Ok(NON), "{early:?}");
        }
        confirmed = due;
        assert_eq!(notify(&mut node, confirmed, &mut observer, PLAIN), Ok(CON));
    }
    // One that the application makes confirmable counts too.
    let wanted = confirmed + DAY / 2;
    assert_eq!(
        notify(&mut node, wanted, &mut observer, CONFIRMABLE),
        Ok(CON)
    );
    let next = confirmed + DAY;
    assert_eq!(notify(&mut node, next, &mut observer, PLAIN), Ok(NON));
    let late = wanted + DAY * 7;
    assert_eq!(notify(&mut node, late, &mut observer, PLAIN), Ok(CON));
}

/// A refused notification wasn't sent, so the next one is confirmable.
#[test]
fn a_confirmable_notification_that_is_refused_does_not_count() {
    let mut config = Config::new([5; 32]);
    config.bounds.transmissions_per_peer = 1;
    let mut node = Endpoint::new(config);
    let mut observer = observed(&mut node);
    let now = T0 + DAY;
    node.notify(
        now,
        "peer",
        token(b"other"),
        observe_answer(9, "x"),
        CONFIRMABLE,
    )
    .unwrap();
    let wire = sent_one(&mut node);
    assert_eq!(
        notify(&mut node, now, &mut observer, PLAIN),
        Err(SendError::Overload(Overload::Messages))
    );
    let ack = empty(ACK, MessageRef::parse(&wire).unwrap().message_id());
    assert!(receive(&mut node, now, &ack).unwrap().is_some());
    assert_eq!(notify(&mut node, now, &mut observer, PLAIN), Ok(CON));
    assert_eq!(notify(&mut node, now, &mut observer, PLAIN), Ok(NON));
}

/// The same holds for a body that is supplied block by block. A notification that replaces an
/// unsent confirmable one is confirmable.
#[test]
fn a_notification_from_a_source_is_confirmable_in_its_turn() {
    for replaced in [None, Some(false), Some(true)] {
        let mut node = node();
        let mut observer = observed(&mut node);
        let now = T0 + DAY;
        node.handle_timeout(now);
        let begin = |node: &mut Node, observer: &mut Observer| {
            let source = node.bodies().source(None);
            let id = source.id();
            let head = observe_answer(2, "");
            node.notify_observer(now, "peer", observer, (head, source), PLAIN)
                .unwrap();
            id
        };
        let mut source = begin(&mut node, &mut observer);
        assert!(sent(&mut node).is_empty());
        match replaced {
            None => {}
            Some(false) => {
                let newer = observe_answer(3, "c");
                node.notify_observer(now, "peer", &mut observer, newer, PLAIN)
                    .unwrap();
            }
            Some(true) => source = begin(&mut node, &mut observer),
        }
        if replaced != Some(false) {
            node.bodies().supply(now, source, 0, b"b", false).unwrap();
        }
        let wire = sent_one(&mut node);
        let read = MessageRef::parse(&wire).unwrap();
        assert_eq!(read.kind(), CON, "{replaced:?}");
        let ack = empty(ACK, read.message_id());
        assert!(receive(&mut node, now, &ack).unwrap().is_some());
        assert_eq!(notify(&mut node, now, &mut observer, PLAIN), Ok(NON));
    }
}

/// The observer is bound to its resource, so that later blocks come from the same source.
#[test]
fn the_blocks_of_a_notification_to_an_observer_come_from_its_source() {
    let mut node = node();
    let mut observer = observed(&mut node);
    let source = node.bodies().source(None);
    let id = source.id();
    let head = observe_answer(2, "");
    node.notify_observer(T0, "peer", &mut observer, (head, source), PLAIN)
        .unwrap();
    node.bodies()
        .supply(T0, id, 0, &[b'a'; 1024], true)
        .unwrap();
    let wire = sent_one(&mut node);
    let first = MessageRef::parse(&wire).unwrap();
    assert_eq!(
        (first.token(), first.block2()),
        (token(b"n"), BlockOption::new(0, true, 1024))
    );
    let mut request = get("x");
    request
        .block2(BlockOption::new(1, false, 1024).unwrap())
        .unwrap();
    let request = message(request, CON, 2, token(b"m"));
    assert!(receive(&mut node, T0, &request).unwrap().is_none());
    node.bodies().supply(T0, id, 1024, b"b", false).unwrap();
    let wire = sent_one(&mut node);
    let last = MessageRef::parse(&wire).unwrap();
    assert_eq!((last.token(), last.payload()), (token(b"m"), &b"b"[..]));
    assert_eq!(last.block2(), BlockOption::new(1, false, 1024));
}

/// A body that never comes confirms nothing: the next notification is confirmable.
#[test]
fn a_confirmable_notification_whose_body_does_not_come_does_not_count() {
    for replaced in [false, true] {
        let mut node = node();
        let mut observer = observed(&mut node);
        assert_eq!(notify(&mut node, T0 + DAY, &mut observer, PLAIN), Ok(CON));
        let now = T0 + DAY * 2;
        node.handle_timeout(now);
        // If another one replaces it, that one is confirmable.
        let mut sources = Vec::new();
        for _ in 0..=u8::from(replaced) {
            let source = node.bodies().source(None);
            let id = source.id();
            node.notify_observer(
                now,
                "peer",
                &mut observer,
                (observe_answer(2, ""), source),
                PLAIN,
            )
            .unwrap();
            sources.push(id);
        }
        node.bodies().abort(now, sources.pop().unwrap());
        while let Some(event) = node.poll_event() {
            if let Event::NotificationFailed {
                notification,
                reason: FailureReason::Aborted,
                ..
            } = event
            {
                observer.was_not_sent(notification);
                observer.was_not_sent(notification);
            }
        }
        let kinds = [(); 3].map(|()| notify(&mut node, now, &mut observer, PLAIN));
        assert_eq!(kinds, [Ok(CON), Ok(NON), Ok(NON)], "{replaced}");
        let next = now + DAY - MILLISECOND;
        assert_eq!(notify(&mut node, next, &mut observer, PLAIN), Ok(NON));
    }
}

/// The application keeps the state of the observation, the endpoint none.
#[test]
fn an_observer_to_whom_nothing_is_sent_takes_no_room() {
    let mut node = node();
    let mut observer = observed(&mut node);
    assert!(run_until_quiet(&mut node).is_empty());
    assert!(node.is_idle());
    let now = T0 + DAY - MILLISECOND;
    assert_eq!(notify(&mut node, now, &mut observer, PLAIN), Ok(NON));
    assert!(run_until_quiet(&mut node).is_empty());
    let now = T0 + DAY;
    assert_eq!(notify(&mut node, now, &mut observer, PLAIN), Ok(CON));
}

/// Notifications are distinguished even if the peer uses a token again.
#[test]
fn a_notification_is_of_one_observation_only() {
    let mut node = node();
    let mut first = observed_by(&mut node, CON, 1).0;
    let early = node
        .notify_observer(T0, "peer", &mut first, observe_answer(2, "b"), PLAIN)
        .unwrap();
    let early_id = MessageRef::parse(&sent_one(&mut node))
        .unwrap()
        .message_id();
    let mut second = observed_by(&mut node, CON, 2).0;
    let late = node
        .notify_observer(T0, "peer", &mut second, observe_answer(4, "b"), PLAIN)
        .unwrap();
    assert!(first.has_sent(early) && !second.has_sent(early));
    assert!(second.has_sent(late));
    // An earlier Reset says nothing about the second one.
    assert!(matches!(
        receive(&mut node, T0, &empty(RST, early_id)),
        Ok(Some(Incoming::NotificationReset { notification, .. }))
            if notification == early && !second.has_sent(notification)
    ));
}

/// The first answer is a notification too. If it is non-confirmable, a Reset has its message id.
#[test]
fn a_non_confirmable_answer_that_begins_an_observation_can_be_rejected() {
    let mut node = node();
    let (observer, wire) = observed_by(&mut node, NON, 1);
    let read = MessageRef::parse(&wire).unwrap();
    assert_eq!((read.kind(), read.observe()), (NON, Some(1)));
    let reset = empty(RST, read.message_id());
    match receive(&mut node, T0, &reset).unwrap() {
        Some(Incoming::NotificationReset {
            notification,
            token,
        }) => {
            assert_eq!(token, observer.token());
            assert!(observer.has_sent(notification));
        }
        other => panic!("{other:?}"),
    }
    assert!(receive(&mut node, T0, &reset).is_err());
    assert!(run_until_quiet(&mut node).is_empty());

    // Nothing is kept of an answer that begins no observation.
    let request = message(get("x"), NON, 2, token(b"n"));
    let responder = responder(receive(&mut node, T0, &request).unwrap());
    node.respond(T0, responder, content("x")).unwrap();
    let wire = sent_one(&mut node);
    let reset = empty(RST, MessageRef::parse(&wire).unwrap().message_id());
    assert!(receive(&mut node, T0, &reset).is_err());
    assert_eq!(node.usage().notifications, 0);
}

/// Over SMS a late answer is not confirmable either.
#[test]
fn over_sms_a_late_answer_that_begins_an_observation_can_be_rejected() {
    let mut node = node();
    let mut request = MessageBuf::request(Method::Get);
    request.observe(0).unwrap();
    let request = message(request, CON, 1, token(b"n"));
    let datagram = Datagram {
        channel: Channel::Sms,
        ..Datagram::new("peer", &request)
    };
    let responder = responder(node.receive(T0, &datagram).unwrap());
    node.acknowledge(&responder);
    sent_one(&mut node);
    node.respond(T0, responder, observe_answer(1, "a")).unwrap();
    let wire = sent_one(&mut node);
    let reset = empty(RST, MessageRef::parse(&wire).unwrap().message_id());
    assert!(matches!(
        receive(&mut node, T0, &reset),
        Ok(Some(Incoming::NotificationReset { .. }))
    ));
}

/// A notification that had to wait is confirmable if it, or one that it replaced, was meant to be.
#[test]
fn what_has_waited_for_an_acknowledgement_is_as_confirmable_as_it_was_to_be() {
    for (waiting, kind) in [
        (&[false][..], NON),
        (&[true], CON),
        (&[true, false], CON),
        (&[false, true], CON),
        (&[false, false], NON),
    ] {
        let mut node = node();
        let mut ids = Vec::new();
        for (confirmable, sequence) in [&[true], waiting].concat().into_iter().zip(1..) {
            let options = NotifyOptions {
                confirmable,
                ..PLAIN
            };
            let value = observe_answer(sequence, "x");
            ids.push(
                node.notify(T0, "peer", token(b"n"), value, options)
                    .unwrap(),
            );
        }
        let ack = |wire: &[u8]| empty(ACK, MessageRef::parse(wire).unwrap().message_id());
        let first = ack(&sent_one(&mut node));
        assert!(receive(&mut node, T0, &first).unwrap().is_some());
        let newest = sent_one(&mut node);
        let read = MessageRef::parse(&newest).unwrap();
        assert_eq!(read.kind(), kind, "{waiting:?}");
        assert_eq!(read.observe(), u32::try_from(ids.len()).ok());
        // The reply identifies it, whichever it is.
        let reset = empty(RST, read.message_id());
        assert!(matches!(
            receive(&mut node, T0, &reset),
            Ok(Some(Incoming::NotificationReset { notification, .. }))
                if Some(&notification) == ids.last()
        ));
        let skipped = run_until_quiet(&mut node);
        assert_eq!(skipped.len(), waiting.len() - 1);
        assert!(skipped.iter().all(|event| matches!(
            event,
            Event::NotificationFailed {
                reason: FailureReason::Superseded,
                ..
            }
        )));
    }
}

/// A notification that replaces a confirmable one at its retransmission is confirmable, as the
/// attempts go on (RFC 7641 §4.5.2).
#[test]
fn what_takes_the_place_of_one_that_is_sent_again_is_confirmable() {
    let mut node = node();
    for (sequence, options) in [(1, CONFIRMABLE), (2, PLAIN)] {
        let value = observe_answer(sequence, "x");
        node.notify(T0, "peer", token(b"n"), value, options)
            .unwrap();
    }
    sent_one(&mut node);
    let now = node.poll_timeout().unwrap();
    node.handle_timeout(now);
    let wire = sent_one(&mut node);
    let read = MessageRef::parse(&wire).unwrap();
    assert_eq!((read.kind(), read.observe()), (CON, Some(2)));
}
