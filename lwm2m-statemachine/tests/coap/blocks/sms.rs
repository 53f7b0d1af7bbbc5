//! Bodies in blocks over SMS (TS 8.6.2): each message fits one SMS, nothing is retransmitted, and
//! the application's timeout decides.

use core::{cell::RefCell, time::Duration};
use std::{collections::BTreeSet, rc::Rc};

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_simulation::Random;
use lwm2m_statemachine::{
    Channel,
    coap::{
        Event, FailureReason, Incoming, MessageBuf, MessageRef, NotifyOptions, RequestOptions,
        Token,
    },
};

use super::support::{Pair, Told, body, config, content, get, observe, request, response, sent};

/// Two nodes with messages of this size over SMS, and a server with these answers.
fn pair(size: usize, answer: impl FnMut(&MessageRef<'_>, &[u8]) -> MessageBuf + 'static) -> Pair {
    let mut pair = Pair::serving(1024, 1024, answer);
    let [client, server] = [1, 2].map(|seed| {
        let mut config = config(seed, 1024);
        config.sms_size = size;
        lwm2m_statemachine::coap::Endpoint::new(config)
    });
    (pair.client, pair.server) = (client, server);
    pair.channel = Channel::Sms;
    pair
}

fn over_sms() -> RequestOptions {
    RequestOptions {
        channel: Channel::Sms,
        ..RequestOptions::default()
    }
}

/// A Register with everything that it can carry.
fn register(links: usize) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path("rd").unwrap();
    message.content_format(ContentFormat::LINK_FORMAT).unwrap();
    for query in [
        "b=S",
        "ep=urn:imei:123456789012345",
        "lt=86400",
        "lwm2m=1.0",
    ] {
        message.uri_query(query).unwrap();
    }
    message.payload(&body(links));
    message
}

#[test]
fn each_message_fits_one_sms() {
    // What a secure transport leaves of it, and of two and eight of them.
    for size in [99, 107, 140, 134 * 2, 134 * 8] {
        let mut pair = pair(size, |message, got| {
            if message.code() == Code::GET {
                return content(&body(700));
            }
            assert_eq!(got, body(got.len()));
            let mut answer = MessageBuf::response(Code::CREATED);
            answer.location_path("rd").unwrap();
            answer.location_path("0123456789abcdef").unwrap();
            answer.payload(&body(300));
            answer
        });
        let created = |id| Told::Response(id, Code::CREATED, body(300));
        let id = pair.request_with(register(500), over_sms());
        pair.talk();
        assert_eq!(pair.told, [created(id)]);
        let id = pair.request_with(request(Method::Put, "x", &body(2000)), over_sms());
        pair.talk();
        assert_eq!(pair.told[1..], [created(id)]);
        let id = pair.request_with(get("x"), over_sms());
        pair.talk();
        assert_eq!(
            pair.told[2..],
            [Told::Response(id, Code::CONTENT, body(700))]
        );
        assert!(pair.largest <= size, "{} of {size}", pair.largest);
        assert!(pair.largest > size / 2, "{} of {size}", pair.largest);
        pair.run_to_rest();
    }
}

/// What fits isn't split: SMS are expensive.
#[test]
fn what_fits_one_sms_is_not_split() {
    let mut pair = pair(140, |_, got| {
        assert_eq!(got, body(got.len()));
        response(Code::CHANGED, got)
    });
    // Header 4, token 8, Uri-Path 2, the payload's marker 1.
    let longest = 140 - 15;
    pair.request_with(request(Method::Post, "x", &body(longest)), over_sms());
    pair.talk();
    assert_eq!(pair.log, ["→ CON POST /x", "← ACK 2.04"]);
    assert_eq!(pair.largest, 140);
    pair.log.clear();
    pair.request_with(request(Method::Post, "x", &body(longest + 1)), over_sms());
    pair.talk();
    // The answer would fit without its Block1 option.
    assert_eq!(
        pair.log,
        [
            "→ CON POST /x 1:0/1/64",
            "← ACK 2.31 1:0/1/64",
            "→ CON POST /x 1:1/0/64",
            "← ACK 2.04 1:1/0/64 2:0/1/64",
            "→ CON POST /x 2:1/0/64",
            "← ACK 2.04 2:1/0/64",
        ]
    );
    assert_eq!(pair.largest, 140);
    pair.run_to_rest();
}

/// The server announces its size before the client knows it.
#[test]
fn a_read_over_sms_asks_for_blocks_that_fit() {
    let mut pair = pair(140, |_, _| content(&body(200)));
    pair.request_with(get("x"), over_sms());
    pair.talk();
    assert_eq!(
        pair.log[..2],
        ["→ CON GET /x 2:0/0/64", "← ACK 2.05 2:0/1/64"]
    );
    // Over UDP the same nodes use whole datagrams.
    pair.channel = Channel::Udp;
    pair.log.clear();
    pair.request(get("x"));
    pair.talk();
    assert_eq!(pair.log, ["→ CON GET /x", "← ACK 2.05"]);
}

/// Whatever the client asks for, the server's messages fit.
#[test]
fn larger_blocks_that_are_asked_for_are_made_smaller() {
    use crate::blocks::support::{ask, block, blockwise, wire, words};
    use lwm2m_statemachine::Datagram;

    let mut pair = pair(140, |_, _| content(&body(700)));
    let message = blockwise(Method::Get, "x", None, Some(block(0, false, 512)), b"");
    let payload = wire(message, 1);
    let mut datagram = Datagram::new("client", &payload);
    datagram.channel = Channel::Sms;
    let incoming = pair.server.receive(pair.now, &datagram).unwrap().unwrap();
    (pair.serve)(&mut pair.server, pair.now, incoming);
    assert_eq!(words(&sent(&mut pair.server)[0]), "ACK 2.05 2:0/1/64");
    let message = blockwise(Method::Get, "x", None, Some(block(1, false, 512)), b"");
    let payload = wire(message, 2);
    let mut datagram = Datagram::new("client", &payload);
    datagram.channel = Channel::Sms;
    assert!(pair.server.receive(pair.now, &datagram).unwrap().is_none());
    assert_eq!(words(&sent(&mut pair.server)[0]), "ACK 2.05 2:8/1/64");
    // Over UDP the same client gets what it asks for.
    let message = blockwise(Method::Get, "x", None, Some(block(0, false, 512)), b"");
    let Pair {
        server, serve, now, ..
    } = &mut pair;
    let said = ask(
        server,
        *now,
        "other",
        &wire(message, 3),
        |server, incoming| {
            serve(server, *now, incoming);
        },
    );
    assert_eq!(words(&said[0]), "ACK 2.05 2:0/1/512");
}

#[test]
fn a_block_that_gets_lost_is_not_sent_again_and_the_timeout_is_the_outcome() {
    for lost in [
        "→ CON POST /x 1:2/1/64",
        "← ACK 2.31 1:2/1/64",
        "→ CON POST /x 2:1/0/64",
    ] {
        let mut pair = pair(140, |_, _| response(Code::CHANGED, &body(200)));
        pair.lose = Box::new(move |line| line == lost);
        let options = RequestOptions {
            timeout: Some(Duration::from_secs(600)),
            ..over_sms()
        };
        let id = pair.request_with(request(Method::Post, "x", &body(500)), options);
        let began = pair.now;
        pair.run_to_rest();
        assert_eq!(pair.told, [Told::Failed(id, FailureReason::Timeout)]);
        assert!(pair.now.saturating_duration_since(began) >= Duration::from_secs(600));
        let times = pair
            .log
            .iter()
            .filter(|line| line.starts_with(lost))
            .count();
        assert_eq!(times, 1, "{:#?}", pair.log);
    }
}

#[test]
fn a_notification_over_sms_comes_in_blocks_that_fit() {
    let observers: Rc<RefCell<Vec<(Token, NotifyOptions)>>> = Rc::default();
    let seen = Rc::clone(&observers);
    let mut pair = pair(140, |_, _| unreachable!());
    pair.serve = Box::new(move |server, now, incoming| match incoming {
        Incoming::Request { responder, .. } => {
            let options = NotifyOptions {
                confirmable: true,
                channel: Channel::Sms,
                resource: Some(responder.resource()),
            };
            seen.borrow_mut().push((responder.token(), options));
            let mut answer = MessageBuf::response(Code::CONTENT);
            answer.observe(1).unwrap().payload(b"first");
            server.respond(now, responder, answer).unwrap();
        }
        Incoming::Acknowledged { .. } => {}
        other => panic!("{other:?}"),
    });
    let id = pair.request_with(observe("x"), over_sms());
    pair.talk();
    let (token, options) = observers.borrow()[0];
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(2).unwrap().payload(&body(300));
    pair.server
        .notify(pair.now, "client", token, message, options)
        .unwrap();
    pair.talk();
    let source = pair.server.bodies().source(Some(400));
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(3).unwrap();
    pair.server
        .notify(pair.now, "client", token, (message, source), options)
        .unwrap();
    pair.talk();
    while let Some(event) = pair.events.pop() {
        if let Event::BlockWanted {
            source,
            offset,
            length,
            ..
        } = event
        {
            let end = 400.min(offset + length);
            let block = body(400)[offset..end].to_vec();
            pair.server
                .bodies()
                .supply(pair.now, source, offset, &block, end < 400)
                .unwrap();
            pair.talk();
        }
    }
    assert_eq!(
        pair.told[1..],
        [
            Told::Notification(id, body(300)),
            Told::Notification(id, body(400))
        ]
    );
    assert!(pair.largest <= 140);
    pair.client.cancel(pair.now, id);
    pair.run_to_rest();
}

/// On a network with loss no message is sent twice, none is larger than an SMS, each request has
/// one outcome, and what arrives is complete.
#[test]
fn bodies_over_sms_arrive_whole_or_not_at_all() {
    let mut whole = 0;
    for seed in 0..300 {
        let mut random = Random::new(seed, 1);
        let mut pair = pair(140, |_, got| {
            assert_eq!(got, body(got.len()), "a torn body");
            content(&body(got.len() / 2 + 100))
        });
        let mut losses = Random::new(seed, 2);
        let loss = f64::from(u32::try_from(seed % 10).unwrap()) / 50.0;
        pair.lose = Box::new(move |_| losses.chance(loss));
        let mut asked = BTreeSet::new();
        let mut lengths = Vec::new();
        for _ in 0..4 {
            let length = random.below(600) as usize;
            let method = [Method::Get, Method::Put, Method::Post][random.below(3) as usize];
            let path = ["a", "b"][random.below(2) as usize];
            let sent = if method == Method::Get { 0 } else { length };
            let options = RequestOptions {
                confirmable: random.chance(0.7),
                timeout: Some(Duration::from_secs(120)),
                ..over_sms()
            };
            let id = pair.request_with(request(method, path, &body(sent)), options);
            asked.insert(id);
            lengths.push((id, sent / 2 + 100));
            pair.talk();
        }
        pair.run_to_rest();
        for told in &pair.told {
            let id = match told {
                Told::Response(id, Code::CONTENT, got) => {
                    let (_, length) = lengths.iter().find(|(other, _)| other == id).unwrap();
                    assert_eq!(*got, body(*length), "a torn body");
                    whole += 1;
                    id
                }
                // The server has forgotten, or never had, the earlier blocks.
                Told::Response(id, Code::REQUEST_ENTITY_INCOMPLETE, _)
                | Told::Failed(id, FailureReason::Timeout) => id,
                other => panic!("{other:?}"),
            };
            assert!(asked.remove(id), "a second outcome");
        }
        assert!(asked.is_empty(), "no outcome");
        assert!(pair.largest <= 140);
        let distinct: BTreeSet<&Vec<u8>> = pair.said.iter().collect();
        assert_eq!(distinct.len(), pair.said.len(), "a message was sent again");
    }
    assert!(whole > 600, "{whole}");
}

/// Uploads to one resource wait for each other. If none of them can be sent any more, they fail one
/// after the other, and the depth of calls does not depend on how many there are.
#[test]
fn any_number_of_waiting_uploads_fails_when_no_message_id_is_free() {
    const UPLOADS: usize = 4_000;
    let mut config = config(1, 1024);
    config.bounds.requests_per_peer = 2 * UPLOADS;
    let mut node = lwm2m_statemachine::coap::Endpoint::new(config);
    let now = lwm2m_core::Instant::ZERO;
    let mut upload = || {
        let message = request(Method::Put, "x", &body(500));
        node.request(now, "peer", message, over_sms()).unwrap()
    };
    let first = upload();
    for _ in 1..UPLOADS {
        upload();
    }
    // All message ids are used.
    let notify = |node: &mut lwm2m_statemachine::coap::Endpoint<&'static str>| {
        let token = Token::new(b"n").unwrap();
        node.notify(now, "peer", token, content(b"n"), NotifyOptions::default())
    };
    while notify(&mut node).is_ok() {
        while node.poll_transmit().is_some() {}
    }
    assert!(node.cancel(now, first));
    let mut failed = 0;
    while let Some(event) = node.poll_event() {
        if let Event::RequestFailed { reason, .. } = event {
            assert_eq!(reason, FailureReason::NotSent);
            failed += 1;
        }
    }
    assert_eq!((failed, node.usage().requests), (UPLOADS - 1, 0));
}
