//! Bodies that the application supplies block by block.

use core::time::Duration;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Channel,
    coap::{
        Event, FailureReason, Incoming, InvalidSend, MessageBuf, MessageRef, MessageType,
        RequestOptions, SendError, SourceId,
    },
};

use super::support::{
    Node, Pair, T0, Told, ask, block, blockwise, body, config, get, request, response, say, sent,
    wire, words,
};

/// A pair whose server checks that it gets `body(length)`.
fn uploading(length: usize) -> Pair {
    Pair::serving(64, 1024, move |_, got| {
        assert_eq!(got, body(length));
        response(Code::CHANGED, b"")
    })
}

/// Supplies the blocks of `body(length)` that the client is asked for.
fn supply(pair: &mut Pair, length: usize) -> usize {
    let whole = body(length);
    let mut supplied = 0;
    loop {
        pair.talk();
        let events = core::mem::take(&mut pair.events);
        let mut wanted = false;
        for event in events {
            match event {
                Event::BlockWanted {
                    source,
                    offset,
                    length: size,
                    ..
                } => {
                    let end = length.min(offset + size);
                    let (block, more) = (&whole[offset..end], end < length);
                    let now = pair.now;
                    if pair
                        .client
                        .bodies()
                        .supply(now, source, offset, block, more)
                        .is_err()
                    {
                        pair.server
                            .bodies()
                            .supply(now, source, offset, block, more)
                            .unwrap();
                    }
                    supplied += 1;
                    wanted = true;
                }
                Event::SourceClosed { .. } => {
                    pair.talk();
                    return supplied;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(wanted, "neither wanted nor closed");
    }
}

#[test]
fn a_request_is_supplied_block_by_block() {
    for (length, size) in [(200, Some(200)), (128, None), (10, None), (0, None)] {
        let mut pair = uploading(length);
        let source = pair.client.bodies().source(size);
        let message = request(Method::Put, "x", b"");
        let id = pair
            .client
            .request(T0, "server", (message, source), RequestOptions::default())
            .unwrap();
        assert_eq!(supply(&mut pair, length), length.div_ceil(64).max(1));
        assert_eq!(pair.told, [Told::Response(id, Code::CHANGED, vec![])]);
        pair.run_to_rest();
    }
}

#[test]
fn only_the_block_that_is_wanted_is_taken() {
    let mut pair = uploading(100);
    let source = pair.client.bodies().source(None);
    let name = source.id();
    let message = request(Method::Put, "x", b"");
    pair.client
        .request(T0, "server", (message, source), RequestOptions::default())
        .unwrap();
    let supply = |pair: &mut Pair, name, offset, block: &[u8], more| {
        pair.client.bodies().supply(T0, name, offset, block, more)
    };
    let whole = body(100);
    let wrong = Err(SendError::Invalid(InvalidSend::BlockNotWanted));
    assert_eq!(supply(&mut pair, name, 64, &whole[64..], false), wrong);
    assert_eq!(supply(&mut pair, name, 0, &whole[..63], true), wrong);
    assert_eq!(supply(&mut pair, name, 0, &whole[..65], false), wrong);
    assert_eq!(supply(&mut pair, name, 0, &whole[..64], true), Ok(()));
    assert_eq!(supply(&mut pair, name, 0, &whole[..64], true), wrong);
    pair.talk();
    assert_eq!(supply(&mut pair, name, 64, &whole[64..], false), Ok(()));
    pair.talk();
    assert_eq!(
        supply(&mut pair, name, 64, b"", false),
        Err(SendError::NoSource)
    );
    assert_eq!(pair.told.len(), 1);
}

/// The source of a request is closed with the first block of the response.
#[test]
fn the_source_of_a_request_is_closed_when_the_response_begins() {
    let mut pair = Pair::serving(64, 64, |_, got| response(Code::CHANGED, got));
    pair.lose = Box::new(|line| line.contains("2:1/0/64"));
    let source = pair.client.bodies().source(Some(100));
    let name = source.id();
    let message = request(Method::Post, "x", b"");
    let options = RequestOptions::default();
    pair.client
        .request(T0, "server", (message, source), options)
        .unwrap();
    let whole = body(100);
    pair.talk();
    pair.client
        .bodies()
        .supply(T0, name, 0, &whole[..64], true)
        .unwrap();
    pair.talk();
    pair.client
        .bodies()
        .supply(T0, name, 64, &whole[64..], false)
        .unwrap();
    pair.talk();
    assert!(pair.told.is_empty(), "the second block is lost");
    assert!(matches!(pair.events.last(), Some(Event::SourceClosed { source }) if *source == name));
}

/// The time limit for a block ends when it is supplied; the server may take longer to answer.
#[test]
fn a_supplied_block_waits_for_its_response_and_no_longer_for_the_application() {
    let mut config = config(1, 64);
    config.transfer_lifetime = Some(Duration::from_secs(10));
    let mut node = Node::new(config);
    let source = node.bodies().source(Some(5));
    let name = source.id();
    let message = request(Method::Put, "x", b"");
    node.request(T0, "peer", (message, source), RequestOptions::default())
        .unwrap();
    node.bodies().supply(T0, name, 0, b"hello", false).unwrap();
    let asked = sent(&mut node).remove(0);
    let read = MessageRef::parse(&asked).unwrap();
    let [high, low] = read.message_id().to_be_bytes();
    say(&mut node, T0, "peer", &[0x60, 0, high, low]);
    let later = T0 + Duration::from_secs(20);
    node.handle_timeout(later);
    let answer: Vec<u8> = response(Code::CHANGED, b"")
        .finish(MessageType::Confirmable, 70, read.token())
        .into();
    let (incoming, _) = say(&mut node, later, "peer", &answer);
    assert!(
        matches!(incoming, Some(Incoming::Response { .. })),
        "{incoming:?}"
    );
}

#[test]
fn a_request_that_cannot_be_supplied_fails() {
    let mut pair = uploading(100);
    let source = pair.client.bodies().source(None);
    let name = source.id();
    let message = request(Method::Put, "x", b"");
    let id = pair
        .client
        .request(T0, "server", (message, source), RequestOptions::default())
        .unwrap();
    pair.client
        .bodies()
        .supply(T0, name, 0, &body(64), true)
        .unwrap();
    pair.talk();
    pair.client.bodies().abort(T0, name);
    pair.talk();
    assert_eq!(pair.told, [Told::Failed(id, FailureReason::Aborted)]);
    assert!(matches!(pair.events.last(), Some(Event::SourceClosed { source }) if *source == name));
    pair.run_to_rest();
}

/// At one moment, what was asked for first fails first, whoever it is for.
#[test]
fn requests_that_are_not_supplied_fail_in_the_order_in_which_they_were_made() {
    let mut config = config(1, 64);
    config.transfer_lifetime = Some(Duration::from_secs(10));
    let mut node = Node::new(config);
    // The second peer was known before the first one.
    node.ping(T0, "second", Channel::Udp).unwrap();
    let asked = ["first", "second"].map(|to| {
        let source = node.bodies().source(None);
        let message = request(Method::Put, "x", b"");
        node.request(T0, to, (message, source), RequestOptions::default())
            .unwrap()
    });
    node.handle_timeout(T0 + Duration::from_secs(10));
    let mut failed = Vec::new();
    while let Some(event) = node.poll_event() {
        if let Event::RequestFailed { request, .. } = event {
            failed.push(request);
        }
    }
    assert_eq!(failed, asked);
}

/// A pair whose server supplies its answers.
fn downloading(client: usize, server: usize, size: Option<u32>) -> Pair {
    let mut pair = Pair::new(config(1, client), config(2, server));
    pair.serve = Box::new(move |server, now, incoming| {
        let Incoming::Request { responder, .. } = incoming else {
            panic!("{incoming:?}");
        };
        let source = server.bodies().source(size);
        server
            .respond(now, responder, (response(Code::CONTENT, b""), source))
            .unwrap();
    });
    pair
}

#[test]
fn a_response_is_supplied_block_by_block() {
    for (length, size) in [
        (200, Some(200)),
        (128, None),
        (64, None),
        (10, None),
        (0, None),
    ] {
        let mut pair = downloading(1024, 64, size);
        let id = pair.request(get("x"));
        assert_eq!(supply(&mut pair, length), length.div_ceil(64).max(1));
        assert_eq!(pair.told, [Told::Response(id, Code::CONTENT, body(length))]);
        assert_eq!(pair.server.usage().serving.bytes, 0);
        pair.run_to_rest();
    }
}

fn wanted(pair: &mut Pair) -> Option<(SourceId, usize, usize)> {
    match pair.server.poll_event()? {
        Event::BlockWanted {
            source,
            offset,
            length,
            ..
        } => Some((source, offset, length)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_block_of_a_source_can_be_asked_for_alone() {
    let mut pair = downloading(1024, 64, None);
    let ask_for = |pair: &mut Pair, number, id| {
        let block = Some(block(number, false, 64));
        let message = wire(blockwise(Method::Get, "x", None, block, b""), id);
        let Pair { server, serve, .. } = pair;
        let said = ask(server, T0, "client", &message, |server, incoming| {
            serve(server, T0, incoming);
        });
        assert!(said.is_empty(), "it has to be supplied first");
        wanted(pair).unwrap()
    };
    let whole = body(300);
    let (source, offset, length) = ask_for(&mut pair, 3, 1);
    assert_eq!((offset, length), (192, 64));
    pair.server
        .bodies()
        .supply(T0, source, offset, &whole[192..256], true)
        .unwrap();
    assert_eq!(words(&sent(&mut pair.server)[0]), "ACK 2.05 2:3/1/64");
    let (again, offset, _) = ask_for(&mut pair, 1, 2);
    assert_eq!((again, offset), (source, 64));
    pair.server
        .bodies()
        .supply(T0, source, offset, &whole[64..128], true)
        .unwrap();
    let said = sent(&mut pair.server);
    assert_eq!(
        MessageRef::parse(&said[0]).unwrap().payload(),
        &whole[64..128]
    );
    // Beyond its end there is nothing.
    let (_, offset, _) = ask_for(&mut pair, 9, 3);
    pair.server
        .bodies()
        .supply(T0, source, offset, b"", false)
        .unwrap();
    assert_eq!(words(&sent(&mut pair.server)[0]), "ACK 4.00");
}

#[test]
fn a_response_that_cannot_be_supplied_is_answered_5_00() {
    let mut pair = downloading(1024, 64, None);
    let id = pair.request(get("x"));
    pair.talk();
    let Some(Event::BlockWanted { source, .. }) = pair.events.pop() else {
        panic!("nothing is wanted");
    };
    pair.server.bodies().abort(T0, source);
    pair.talk();
    assert_eq!(
        pair.told,
        [Told::Response(id, Code::INTERNAL_SERVER_ERROR, vec![])]
    );
    pair.run_to_rest();
}

#[test]
fn a_source_that_nobody_asks_for_any_more_is_closed() {
    let mut pair = downloading(1024, 64, None);
    let block = Some(block(0, false, 64));
    let message = wire(blockwise(Method::Get, "x", None, block, b""), 1);
    let Pair { server, serve, .. } = &mut pair;
    ask(server, T0, "client", &message, |server, incoming| {
        serve(server, T0, incoming);
    });
    let (source, ..) = wanted(&mut pair).unwrap();
    pair.server
        .bodies()
        .supply(T0, source, 0, &body(64), true)
        .unwrap();
    pair.run_to_rest();
    assert!(matches!(
        pair.events[..],
        [Event::SourceClosed { source: closed }] if closed == source
    ));
}

#[test]
fn a_dropped_peer_closes_its_sources() {
    let mut pair = downloading(1024, 64, None);
    pair.request(get("x"));
    pair.talk();
    pair.server.drop_peer(T0, &"client");
    assert!(matches!(
        pair.server.poll_event(),
        Some(Event::SourceClosed { .. })
    ));
    assert!(pair.server.is_idle(), "{:?}", pair.server.usage());
    let source = pair.client.bodies().source(None);
    let message: MessageBuf = request(Method::Put, "x", b"");
    pair.client
        .request(T0, "server", (message, source), RequestOptions::default())
        .unwrap();
    pair.client.drop_peer(T0, &"server");
    let events = lwm2m_kit::events(&mut pair.client);
    let closed = events
        .iter()
        .filter(|event| matches!(event, Event::SourceClosed { .. }));
    assert_eq!(closed.count(), 1, "{events:?}");
    assert!(pair.client.is_idle(), "{:?}", pair.client.usage());
}

/// What the application doesn't supply ends after the configured time or EXCHANGE_LIFETIME: the
/// first block, a later one, and what waits behind it.
#[test]
fn a_request_that_is_never_supplied_fails_in_time() {
    for (configured, expected) in [(None, 247), (Some(Duration::from_secs(30)), 30)] {
        for supplied in [0, 1] {
            let mut pair = uploading(100);
            let mut client = config(1, 64);
            client.transfer_lifetime = configured;
            pair.client = Node::new(client);
            let requests = [(); 2].map(|()| {
                let source = pair.client.bodies().source(None);
                let name = source.id();
                let message = request(Method::Put, "x", b"");
                let options = RequestOptions::default();
                let id = pair
                    .client
                    .request(T0, "server", (message, source), options)
                    .unwrap();
                (id, name)
            });
            if supplied > 0 {
                let first = requests[0].1;
                pair.client
                    .bodies()
                    .supply(T0, first, 0, &body(64), true)
                    .unwrap();
            }
            let mut ends = Vec::new();
            for _ in 0..100 {
                pair.talk();
                for told in pair.told.drain(..) {
                    ends.push((told, pair.now.saturating_duration_since(T0).as_secs()));
                }
                let Some(next) = pair.client.poll_timeout() else {
                    break;
                };
                pair.now = next;
                pair.client.handle_timeout(next);
            }
            // One after the other, as they are of one resource.
            let failed = |at: usize| Told::Failed(requests[at].0, FailureReason::Aborted);
            assert_eq!(ends, [(failed(0), expected), (failed(1), 2 * expected)]);
            let closed = pair
                .events
                .iter()
                .filter(|event| matches!(event, Event::SourceClosed { .. }));
            assert_eq!(closed.count(), 2);
            pair.run_to_rest();
        }
    }
}

/// A server that answers everything from a source, and supplies nothing.
fn silent(lifetime: u64) -> Pair {
    let mut pair = downloading(1024, 64, None);
    let mut server = config(2, 64);
    server.transfer_lifetime = Some(Duration::from_secs(lifetime));
    pair.server = Node::new(server);
    pair
}

#[test]
fn a_response_that_is_never_supplied_is_answered_5_03_in_time() {
    let mut pair = silent(30);
    let id = pair.request(get("x"));
    pair.run_to_rest();
    assert_eq!(
        pair.told,
        [Told::Response(id, Code::SERVICE_UNAVAILABLE, vec![])]
    );
    assert!(matches!(
        pair.events[..],
        [Event::BlockWanted { .. }, Event::SourceClosed { .. }]
    ));
}

/// Repeated requests for a block that isn't supplied keep nothing alive, and the application is
/// asked once.
#[test]
fn asking_for_what_is_never_supplied_keeps_nothing_alive() {
    let mut pair = silent(30);
    let mut answered = 0;
    for id in 0..12_u16 {
        let number = u32::from(id.min(1));
        let block = Some(block(number, false, 64));
        let message = wire(blockwise(Method::Get, "x", None, block, b""), id);
        let Pair { server, serve, .. } = &mut pair;
        let now = T0 + Duration::from_secs(3 * u64::from(id));
        server.handle_timeout(now);
        ask(server, now, "client", &message, |server, incoming| {
            serve(server, now, incoming);
        });
        let events = lwm2m_kit::events(server);
        answered += events
            .iter()
            .filter(|event| matches!(event, Event::SourceClosed { .. }))
            .count();
        let wanted = events
            .iter()
            .filter(|event| matches!(event, Event::BlockWanted { .. }))
            .count();
        // Block 0, block 1, and the new source for a request after the end.
        assert_eq!(wanted, usize::from([0, 1, 10].contains(&id)), "{id}");
    }
    assert_eq!(answered, 1);
}

/// Two readers at one place of a body: each is answered when the block comes, and the slower one
/// continues after the other has the last block.
#[test]
fn readers_of_one_source_do_not_disturb_each_other() {
    let mut pair = downloading(1024, 64, None);
    let whole = body(150);
    let ask_for = |pair: &mut Pair, number, id| {
        let block = Some(block(number, false, 64));
        let message = wire(blockwise(Method::Get, "x", None, block, b""), id);
        let Pair { server, serve, .. } = pair;
        ask(server, T0, "client", &message, |server, incoming| {
            serve(server, T0, incoming);
        });
    };
    ask_for(&mut pair, 0, 1);
    let (source, ..) = wanted(&mut pair).unwrap();
    let supply = |pair: &mut Pair, number: usize| {
        let end = whole.len().min(64 * number + 64);
        let (block, more) = (&whole[64 * number..end], end < whole.len());
        pair.server
            .bodies()
            .supply(T0, source, 64 * number, block, more)
            .unwrap();
        let said = sent(&mut pair.server);
        for said in &said {
            assert_eq!(MessageRef::parse(said).unwrap().payload(), block);
        }
        said.len()
    };
    assert_eq!(supply(&mut pair, 0), 1);
    ask_for(&mut pair, 1, 2);
    ask_for(&mut pair, 1, 3);
    ask_for(&mut pair, 2, 4);
    let (_, offset, _) = wanted(&mut pair).unwrap();
    assert_eq!(offset, 64);
    let (_, offset, _) = wanted(&mut pair).unwrap();
    assert_eq!(offset, 128);
    assert!(wanted(&mut pair).is_none());
    assert_eq!(supply(&mut pair, 2), 1, "the last block, to one");
    assert_eq!(supply(&mut pair, 1), 2, "the one before, to both others");
    ask_for(&mut pair, 2, 5);
    ask_for(&mut pair, 2, 6);
    assert!(wanted(&mut pair).is_some() && wanted(&mut pair).is_none());
    assert_eq!(supply(&mut pair, 2), 2);
    assert!(matches!(
        pair.server.poll_event(),
        Some(Event::SourceClosed { .. })
    ));
}

/// A repeated request for a block asks the application again, as no block is kept. It asks once,
/// however often the request is repeated.
#[test]
fn a_repeated_request_for_a_supplied_block_is_answered_alike() {
    let mut pair = downloading(1024, 64, None);
    let whole = body(300);
    let request = |number, id| {
        let block = Some(block(number, false, 64));
        wire(blockwise(Method::Get, "x", None, block, b""), id)
    };
    let ask_for = |pair: &mut Pair, datagram: &[u8]| {
        let Pair { server, serve, .. } = pair;
        let said = ask(server, T0, "client", datagram, |server, incoming| {
            serve(server, T0, incoming);
        });
        assert!(said.is_empty());
    };
    let supply = |pair: &mut Pair, number: usize| {
        let (source, offset, length) = wanted(pair).unwrap();
        assert_eq!((offset, length), (64 * number, 64));
        assert!(wanted(pair).is_none());
        pair.server
            .bodies()
            .supply(T0, source, offset, &whole[offset..offset + 64], true)
            .unwrap();
        sent(&mut pair.server)
    };
    ask_for(&mut pair, &request(0, 1));
    supply(&mut pair, 0);
    ask_for(&mut pair, &request(1, 2));
    let first = supply(&mut pair, 1);
    for _ in 0..3 {
        ask_for(&mut pair, &request(1, 2));
    }
    assert_eq!(supply(&mut pair, 1), first);
    // If it can't be supplied again, the client gets an error.
    ask_for(&mut pair, &request(1, 2));
    let (source, ..) = wanted(&mut pair).unwrap();
    pair.server.bodies().abort(T0, source);
    assert_eq!(words(&sent(&mut pair.server)[0]), "ACK 5.00");
}
