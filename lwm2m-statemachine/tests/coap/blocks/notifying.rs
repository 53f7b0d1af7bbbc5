//! Notifications whose body the application supplies block by block (RFC 7959 §2.6).

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use lwm2m_core::Code;
use lwm2m_statemachine::{
    Channel,
    coap::{
        Event, FailureReason, Incoming, MessageBuf, MessageRef, MessageType, NotificationId,
        NotifyOptions, RequestId, SourceId, Token,
    },
};

use super::support::{Pair, Told, body, config, observe, sent, words};

/// An observation of a resource, with client and server.
struct Observed {
    pair: Pair,
    id: RequestId,
    token: Token,
    options: NotifyOptions,
    sequence: u32,
}

impl Observed {
    /// The server has blocks of 64 bytes.
    fn new(client: usize) -> Self {
        let asked: Rc<Cell<Option<(Token, NotifyOptions)>>> = Rc::default();
        let seen = Rc::clone(&asked);
        let mut pair = Pair::new(config(1, client), config(2, 64));
        pair.serve = Box::new(move |server, now, incoming| match incoming {
            Incoming::Request {
                responder, request, ..
            } => {
                let mut answer = MessageBuf::response(Code::CONTENT);
                if request.observe().is_some() {
                    let options = NotifyOptions {
                        resource: Some(responder.resource()),
                        ..NotifyOptions::default()
                    };
                    seen.set(Some((responder.token(), options)));
                    answer.observe(1).unwrap();
                }
                answer.payload(b"first");
                server.respond(now, responder, answer).unwrap();
            }
            Incoming::Acknowledged { .. } | Incoming::NotificationReset { .. } => {}
            other => panic!("{other:?}"),
        });
        let id = pair.request(observe("x"));
        pair.talk();
        assert_eq!(
            pair.told,
            [Told::Response(id, Code::CONTENT, b"first".to_vec())]
        );
        pair.told.clear();
        pair.log.clear();
        let (token, options) = asked.get().unwrap();
        Self {
            pair,
            id,
            token,
            options,
            sequence: 1,
        }
    }

    fn message(&mut self) -> MessageBuf {
        self.sequence += 1;
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(self.sequence).unwrap();
        message
    }

    fn notify_from(&mut self, size: Option<u32>) -> (NotificationId, SourceId) {
        let message = self.message();
        let Pair { server, now, .. } = &mut self.pair;
        let source = server.bodies().source(size);
        let name = source.id();
        let id = server
            .notify(*now, "client", self.token, (message, source), self.options)
            .unwrap();
        (id, name)
    }

    /// Supplies what is wanted of `body(length)` until the source is closed; returns how often.
    fn supply(&mut self, length: usize) -> usize {
        let whole = body(length);
        let mut supplied = 0;
        loop {
            self.pair.talk();
            assert!(!self.pair.events.is_empty(), "neither wanted nor closed");
            for event in core::mem::take(&mut self.pair.events) {
                match event {
                    Event::BlockWanted {
                        source,
                        offset,
                        length: size,
                        ..
                    } => {
                        let end = length.min(offset + size);
                        let now = self.pair.now;
                        let (block, more) = (&whole[offset..end], end < length);
                        self.pair
                            .server
                            .bodies()
                            .supply(now, source, offset, block, more)
                            .unwrap();
                        supplied += 1;
                    }
                    Event::SourceClosed { .. } => {
                        self.pair.talk();
                        return supplied;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn rest(mut self) {
        self.pair.client.cancel(self.pair.now, self.id);
        self.pair.run_to_rest();
    }
}

#[test]
fn a_notification_is_supplied_block_by_block() {
    for confirmable in [true, false] {
        for (length, size) in [
            (150, Some(150)),
            (128, None),
            (64, None),
            (5, None),
            (0, None),
        ] {
            let mut observed = Observed::new(1024);
            observed.options.confirmable = confirmable;
            observed.notify_from(size);
            assert_eq!(observed.supply(length), length.div_ceil(64).max(1));
            assert_eq!(
                observed.pair.told,
                [Told::Notification(observed.id, body(length))]
            );
            assert_eq!(observed.pair.server.usage().serving.bodies, 0);
            observed.rest();
        }
    }
}

/// The first block goes with the notification, the rest is fetched by GET without Observe, in the
/// size that the client asked for.
#[test]
fn the_rest_of_a_supplied_notification_is_fetched_by_get() {
    let mut observed = Observed::new(32);
    observed.options.confirmable = true;
    observed.notify_from(Some(80));
    observed.supply(80);
    assert_eq!(
        observed.pair.log,
        [
            "← CON 2.05 O:2 2:0/1/32",
            "→ ACK",
            "→ CON GET /x 2:1/0/32",
            "← ACK 2.05 2:1/1/32",
            "→ CON GET /x 2:2/0/32",
            "← ACK 2.05 2:2/0/32",
        ]
    );
    observed.rest();
}

#[test]
fn a_supplied_notification_says_its_size_and_one_etag() {
    let mut observed = Observed::new(1024);
    let (_, source) = observed.notify_from(Some(100));
    let now = observed.pair.now;
    let server = &mut observed.pair.server;
    server
        .bodies()
        .supply(now, source, 0, &body(100)[..64], true)
        .unwrap();
    let first = sent(server).remove(0);
    let first = MessageRef::parse(&first).unwrap();
    assert_eq!((first.size2(), first.observe()), (Some(100), Some(2)));
    assert!(first.etag().is_some());
}

/// A notification isn't sent before its first block is there; a newer one, supplied or not,
/// replaces it.
#[test]
fn a_newer_notification_takes_the_place_of_one_that_waits_for_its_first_block() {
    for supplied in [true, false] {
        let mut observed = Observed::new(1024);
        observed.options.confirmable = true;
        let (old, old_source) = observed.notify_from(None);
        assert!(sent(&mut observed.pair.server).is_empty());
        if supplied {
            observed.notify_from(None);
        } else {
            let mut message = observed.message();
            message.payload(&body(20));
            let Pair { server, now, .. } = &mut observed.pair;
            let options = observed.options;
            server
                .notify(*now, "client", observed.token, message, options)
                .unwrap();
        }
        observed.pair.talk();
        let mut events = core::mem::take(&mut observed.pair.events);
        events.retain(|event| match event {
            Event::BlockWanted { source, .. } => *source != old_source,
            Event::SourceClosed { source } => {
                assert_eq!(*source, old_source);
                false
            }
            Event::NotificationFailed {
                notification,
                reason,
                ..
            } => {
                assert_eq!((*notification, *reason), (old, FailureReason::Superseded));
                false
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(events.len(), usize::from(supplied));
        observed.pair.events = events;
        if supplied {
            observed.supply(20);
        }
        assert_eq!(
            observed.pair.told,
            [Told::Notification(observed.id, body(20))]
        );
        observed.rest();
    }
}

/// A read that comes while a notification waits for its first block doesn't replace it.
#[test]
fn a_read_does_not_disturb_a_notification_that_waits() {
    let mut observed = Observed::new(1024);
    observed.notify_from(None);
    let read = observed.pair.request(super::support::get("x"));
    observed.pair.talk();
    assert_eq!(
        observed.pair.told,
        [Told::Response(read, Code::CONTENT, b"first".to_vec())]
    );
    observed.supply(100);
    let id = observed.id;
    assert_eq!(
        observed.pair.told.last(),
        Some(&Told::Notification(id, body(100)))
    );
    observed.rest();
}

/// The outcome of a confirmable notification whose first block never comes: aborted, expired, or
/// its peer was dropped. One that ends with its observation has none.
#[test]
fn a_notification_that_cannot_be_supplied_has_one_outcome() {
    for (end, expected) in [
        Some(FailureReason::Aborted),
        Some(FailureReason::Aborted),
        Some(FailureReason::PeerDropped),
        None,
    ]
    .into_iter()
    .enumerate()
    {
        for confirmable in [true, false] {
            let mut observed = Observed::new(1024);
            observed.options.confirmable = confirmable;
            let (id, source) = observed.notify_from(None);
            let Pair { server, now, .. } = &mut observed.pair;
            match end {
                0 => server.bodies().abort(*now, source),
                1 => server.handle_timeout(*now + Duration::from_secs(247)),
                2 => server.drop_peer(*now, &"client"),
                _ => server.end_notifications(*now, &"client", observed.token),
            }
            let events = lwm2m_kit::events(server);
            let closed = |event: &&Event<_>| matches!(event, Event::SourceClosed { .. });
            assert_eq!(events.iter().filter(closed).count(), 1, "{events:?}");
            let failed: Vec<_> = events
                .iter()
                .filter_map(|event| match event {
                    Event::NotificationFailed {
                        notification,
                        reason,
                        ..
                    } => Some((*notification, *reason)),
                    _ => None,
                })
                .collect();
            let expected = expected.filter(|_| confirmable).map(|reason| (id, reason));
            assert_eq!(failed, expected.into_iter().collect::<Vec<_>>());
            assert_eq!(server.usage().serving.bodies, 0);
            assert_eq!(server.usage().sources, 0);
            assert!(sent(server).is_empty());
        }
    }
}

/// The newest value also replaces a supplied one at its retransmission (RFC 7641 §4.5.2).
#[test]
fn a_supplied_notification_waits_for_the_one_that_is_under_way() {
    let mut observed = Observed::new(1024);
    observed.options.confirmable = true;
    let mut message = observed.message();
    message.payload(b"old");
    let Pair { server, now, .. } = &mut observed.pair;
    let options = observed.options;
    server
        .notify(*now, "client", observed.token, message, options)
        .unwrap();
    let lost = sent(server);
    assert_eq!(words(&lost[0]), "CON 2.05 O:2");
    observed.notify_from(None);
    observed.supply(40);
    assert!(observed.pair.told.is_empty(), "its turn has not come");
    let Pair { server, now, .. } = &mut observed.pair;
    *now += Duration::from_secs(3);
    server.handle_timeout(*now);
    observed.pair.talk();
    assert_eq!(
        observed.pair.told,
        [Told::Notification(observed.id, body(40))]
    );
    observed.rest();
}

/// Without its resource only the first block comes from the source. For the others the application
/// is asked again, and the client sees another body.
#[test]
fn without_its_resource_the_source_is_closed_after_the_first_block() {
    let mut observed = Observed::new(1024);
    observed.options.resource = None;
    let (_, source) = observed.notify_from(None);
    let Pair { server, now, .. } = &mut observed.pair;
    server
        .bodies()
        .supply(*now, source, 0, &body(100)[..64], true)
        .unwrap();
    let wanted = server.poll_event();
    assert!(matches!(wanted, Some(Event::BlockWanted { .. })));
    let closed = server.poll_event();
    assert!(matches!(closed, Some(Event::SourceClosed { .. })));
    observed.pair.talk();
    // Block 1 of this notification wasn't available; the client has read the present body.
    assert_eq!(
        observed.pair.told,
        [Told::Notification(observed.id, b"first".to_vec())]
    );
    observed.rest();
}

#[test]
fn over_sms_a_supplied_notification_is_sent_once() {
    let mut observed = Observed::new(1024);
    observed.options.confirmable = true;
    observed.options.channel = Channel::Sms;
    let (id, source) = observed.notify_from(None);
    let Pair { server, now, .. } = &mut observed.pair;
    server
        .bodies()
        .supply(*now, source, 0, b"short", false)
        .unwrap();
    let said = sent(server);
    let message = MessageRef::parse(&said[0]).unwrap();
    assert_eq!(message.kind(), MessageType::Confirmable);
    let mut failed = Vec::new();
    while let Some(next) = server.poll_timeout() {
        *now = next;
        server.handle_timeout(*now);
        assert!(sent(server).is_empty(), "nothing is sent again");
        failed.extend(lwm2m_kit::events(server));
    }
    failed.retain(|event| matches!(event, Event::NotificationFailed { notification, reason: FailureReason::Timeout, .. } if *notification == id));
    assert_eq!(failed.len(), 1);
}
