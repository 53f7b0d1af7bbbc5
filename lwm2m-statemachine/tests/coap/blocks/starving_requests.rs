//! Peers that fill the room for request bodies with bodies that they don't end: an honest peer gets
//! through all the same, and a body that stops gives way. Any address may be made up.

use core::{cell::Cell, time::Duration};

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Endpoint, Event, FailureReason, Incoming, MessageBuf, MessageType, Token,
        TransferId,
    },
};

use super::support::{T0, block, words};

/// Peers have numbers here: there are many.
pub(crate) type Node = Endpoint<u32>;

/// The honest peer.
pub(crate) const HONEST: u32 = u32::MAX;

/// A block of a PUT, of `size` bytes.
fn put(path: &str, number: u32, more: bool, size: usize) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Put);
    message.uri_path(path).unwrap();
    message.block1(block(number, more, size)).unwrap();
    message.payload(&vec![7; size]);
    message
}

/// Gives a node a non-confirmable request of a peer; returns the answer, if the application answers
/// with `serve`.
pub(crate) fn ask(
    node: &mut Node,
    now: Instant,
    peer: u32,
    message: MessageBuf,
    serve: impl FnOnce(&mut Node, Incoming<'_>),
) -> String {
    thread_local! {
        static NEXT: Cell<u16> = const { Cell::new(0) };
    }
    // Counted over all peers, so that no peer repeats one.
    let id = NEXT.get();
    NEXT.set(id.wrapping_add(1));
    let token = Token::new(&id.to_be_bytes()).unwrap();
    let wire = message.finish(MessageType::NonConfirmable, id, token);
    if let Ok(Some(incoming)) = node.receive(now, &Datagram::new(peer, wire.as_ref())) {
        serve(node, incoming);
    }
    let mut said = String::new();
    while let Some(transmit) = node.poll_transmit() {
        assert_eq!(transmit.to, peer);
        said = words(transmit.payload);
    }
    said
}

/// Gives a node a block of an incomplete body.
fn half(node: &mut Node, now: Instant, peer: u32, message: MessageBuf) -> String {
    ask(node, now, peer, message, |_, incoming| {
        panic!("{incoming:?}")
    })
}

/// A body of this many blocks of 64 bytes gets through, if an exchange takes this long.
#[track_caller]
fn goes_through(node: &mut Node, now: &mut Instant, blocks: u32, each: Duration) {
    for number in 0..blocks {
        node.handle_timeout(*now);
        let more = number + 1 < blocks;
        let mut whole = false;
        let said = ask(
            node,
            *now,
            HONEST,
            put("x", number, more, 64),
            |node, incoming| {
                whole = true;
                respond(node, *now, incoming, Code::CHANGED);
            },
        );
        let code = if more { "2.31" } else { "2.04" };
        assert!(said.contains(code), "block {number}: {said}");
        assert_eq!(whole, !more);
        *now += each;
    }
}

fn respond(node: &mut Node, now: Instant, incoming: Incoming<'_>, code: Code) {
    let (Incoming::Request { responder, .. } | Incoming::RequestBlock { responder, .. }) = incoming
    else {
        panic!("{incoming:?}");
    };
    node.respond(now, responder, MessageBuf::response(code))
        .unwrap();
}

/// Four peers must not get all room. Each begins sixteen bodies of half a MiB and a block, held in
/// a MiB each.
#[test]
fn four_peers_with_half_bodies_do_not_keep_others_out() {
    let mut node = Node::new(Config::new([1; 32]));
    let mut now = T0;
    for peer in 0..4 {
        for path in 0..16 {
            for number in 0..513 {
                half(
                    &mut node,
                    now,
                    peer,
                    put(&path.to_string(), number, true, 1024),
                );
            }
        }
    }
    let bounds = node.config().bounds;
    assert!(node.usage().receiving.bytes <= 4 * bounds.receiving.bytes_per_peer);
    goes_through(&mut node, &mut now, 10, Duration::from_millis(100));
}

/// As many bodies as there is room for, from made-up addresses, all at one moment just before.
#[test]
fn a_flood_of_first_blocks_does_not_keep_others_out() {
    let mut node = Node::new(Config::new([1; 32]));
    let mut now = T0;
    for peer in 0..70_000 {
        half(&mut node, now, peer, put("x", 0, true, 16));
    }
    assert_eq!(node.usage().receiving.bodies, 1 << 16);
    goes_through(&mut node, &mut now, 10, Duration::from_millis(100));
    assert_eq!(node.usage().receiving.bodies, (1 << 16) - 1);
}

/// A flood while a transfer is under way displaces itself, whatever its rate.
#[test]
fn a_flood_of_first_blocks_does_not_end_the_transfers_of_others() {
    let mut config = Config::new([1; 32]);
    config.bounds.receiving.bodies = 256;
    let mut node = Node::new(config);
    let (mut now, mut peer) = (T0, 0);
    for number in 0..5 {
        let more = number < 4;
        let block = put("x", number, more, 64);
        let said = ask(&mut node, now, HONEST, block, |node, incoming| {
            respond(node, now, incoming, Code::CHANGED);
        });
        assert!(said.contains(if more { "2.31" } else { "2.04" }), "{said}");
        // Its first block is like any other until the second one has come.
        let flood = if number == 0 { 5 } else { 500 };
        for _ in 0..25 {
            now += Duration::from_millis(100);
            node.handle_timeout(now);
            for _ in 0..flood {
                half(&mut node, now, peer, put("x", 0, true, 16));
                peer += 1;
            }
        }
    }
}

/// Large bodies that continue as slowly as allowed, from more addresses than there is room for.
#[test]
fn large_bodies_that_never_end_give_way_to_small_ones() {
    let mut config = Config::new([1; 32]);
    config.bounds.body = 1 << 17;
    config.bounds.receiving.bytes = 1 << 19;
    let mut node = Node::new(config);
    let mut now = T0;
    for number in 0..100 {
        for peer in 0..8 {
            half(&mut node, now, peer, put("x", number, true, 1024));
        }
    }
    assert!(node.usage().receiving.bytes > (1 << 19) - 1024);
    let mut next = [100; 8];
    for _ in 0..20 {
        // None of them is silent: each sends a block every two seconds.
        for peer in 0..8 {
            half(
                &mut node,
                now,
                peer,
                put("x", next[peer as usize], true, 16),
            );
            next[peer as usize] += 1;
        }
        goes_through(&mut node, &mut now, 4, Duration::from_millis(500));
    }
}

/// Of two equally large and busy bodies, one gets through instead of none.
#[test]
fn bodies_that_come_on_do_not_displace_each_other() {
    let mut config = Config::new([1; 32]);
    config.bounds.body = 1000;
    config.bounds.receiving.bytes = 1200;
    let mut node = Node::new(config);
    let mut refused = 0;
    for number in 0..15 {
        let now = T0 + Duration::from_secs(1) * number;
        let said = half(&mut node, now, 1, put("x", number, true, 64));
        assert_eq!(said, format!("NON 2.31 1:{number}/1/64"));
        let said = half(&mut node, now, 2, put("x", number, true, 64));
        refused += u32::from(!said.contains("2.31"));
    }
    assert!(refused > 0, "there is no room for both");
}

/// A client that stops and starts again has room: its abandoned body gives way.
#[test]
fn of_one_peer_what_does_not_come_on_gives_way_and_nothing_else() {
    let number = |config: &mut Config| config.bounds.receiving.bodies_per_peer = 2;
    let bytes = |config: &mut Config| {
        config.bounds.body = 100;
        config.bounds.receiving.bytes_per_peer = 128;
    };
    for bound in [number, bytes] {
        let mut config = Config::new([1; 32]);
        bound(&mut config);
        let mut node = Node::new(config);
        let silence = Duration::from_secs(3);
        let later = T0 + Duration::from_millis(1);
        for (path, now) in [("a", T0), ("b", later)] {
            for number in 0..2 {
                assert!(half(&mut node, now, 1, put(path, number, true, 32)).contains("2.31"));
            }
        }
        let almost = T0 + silence - Duration::from_millis(1);
        assert!(half(&mut node, almost, 1, put("c", 0, true, 32)).contains("5.03"));
        // Other peers aren't affected.
        assert!(half(&mut node, almost, 2, put("c", 0, true, 32)).contains("2.31"));
        let then = T0 + silence;
        assert!(half(&mut node, then, 1, put("c", 0, true, 32)).contains("2.31"));
        assert!(half(&mut node, then, 1, put("a", 2, true, 32)).contains("4.08"));
        let whole = |node: &mut Node, path| {
            ask(node, then, 1, put(path, 1, false, 16), |node, incoming| {
                respond(node, then, incoming, Code::CHANGED);
            })
        };
        for path in ["b", "c"] {
            assert!(whole(&mut node, path).contains("4.08"), "another size");
        }
    }
}

/// First blocks under a client's address, more than it may have bodies, before and while it sends a
/// body.
#[test]
fn first_blocks_in_the_name_of_a_peer_do_not_keep_it_out() {
    let mut config = Config::new([1; 32]);
    config.bounds.receiving.bodies_per_peer = 4;
    let mut node = Node::new(config);
    let flood = |node: &mut Node, count: u32| {
        for n in 0..count {
            let path = format!("spoofed-{n}");
            assert!(half(node, T0, 1, put(&path, 0, true, 64)).contains("2.31"));
        }
    };
    flood(&mut node, 100);
    assert!(half(&mut node, T0, 1, put("own", 0, true, 64)).contains("2.31"));
    // As many as there may be displace it.
    flood(&mut node, 3);
    for number in 1..10 {
        assert!(half(&mut node, T0, 1, put("own", number, true, 64)).contains("2.31"));
        // What has a second block stays.
        flood(&mut node, 100);
    }
    assert_eq!(node.usage().receiving.bodies, 4);
    let answer = ask(
        &mut node,
        T0,
        1,
        put("own", 10, false, 64),
        |node, incoming| {
            respond(node, T0, incoming, Code::CHANGED);
        },
    );
    assert!(answer.contains("2.04"), "{answer}");
}

/// A block each time just before the transfer would be forgotten.
#[test]
fn a_body_that_comes_on_slowly_for_ever_is_forgotten() {
    let mut config = Config::new([1; 32]);
    config.transfer_deadline = Duration::from_secs(1000);
    let mut node = Node::new(config);
    let mut now = T0;
    let mut number = 0;
    loop {
        node.handle_timeout(now);
        let said = half(&mut node, now, 1, put("x", number, true, 16));
        if now < T0 + Duration::from_secs(1000) {
            assert!(said.contains("2.31"), "{said}");
        } else {
            assert!(said.contains("4.08"), "{said}");
            break;
        }
        number += 1;
        now += Duration::from_secs(200);
    }
    assert_eq!(
        (now, node.usage().receiving.bodies),
        (T0 + Duration::from_secs(1000), 0)
    );
}

/// The application's decision about a first block.
fn streaming(configure: impl FnOnce(&mut Config)) -> Node {
    let mut config = Config::new([1; 32]);
    config.stream_requests = true;
    configure(&mut config);
    Node::new(config)
}

/// Accepts a first block: the body is assembled or delivered block by block.
fn accept(node: &mut Node, peer: u32, path: &str, assemble: bool) -> (String, Option<TransferId>) {
    let mut name = None;
    let said = ask(node, T0, peer, put(path, 0, true, 64), |node, incoming| {
        let Incoming::RequestBlock {
            responder,
            transfer,
            request,
            ..
        } = incoming
        else {
            panic!("{incoming:?}");
        };
        name = Some(transfer);
        if assemble {
            node.assemble(T0, responder, &request).unwrap();
        } else {
            let answer = MessageBuf::response(Code::CONTINUE);
            node.respond(T0, responder, answer).unwrap();
        }
    });
    (said, name)
}

/// A body that the application refuses with its first block displaces nothing.
#[test]
fn a_body_that_the_application_refuses_at_its_first_block_takes_no_room() {
    let mut node = streaming(|config| {
        config.bounds.receiving.bodies = 2;
        config.bounds.receiving.bytes = 256;
    });
    for peer in [1, 2] {
        assert!(accept(&mut node, peer, "x", true).0.contains("2.31"));
    }
    for peer in 3..1000 {
        let said = ask(
            &mut node,
            T0,
            peer,
            put("nothing", 0, true, 1024),
            |node, incoming| respond(node, T0, incoming, Code::NOT_FOUND),
        );
        assert_eq!(said, "NON 4.04 1:0/0/1024");
        let usage = node.usage();
        assert_eq!((usage.receiving.bodies, usage.receiving.bytes), (2, 128));
    }
    for peer in [1, 2] {
        let said = ask(
            &mut node,
            T0,
            peer,
            put("x", 1, false, 64),
            |node, incoming| respond(node, T0, incoming, Code::CHANGED),
        );
        assert!(said.contains("2.04"), "{said}");
    }
}

/// A body has no second block before its first one is accepted.
#[test]
fn a_second_block_before_the_first_is_accepted_is_of_no_body() {
    let mut node = streaming(|_| {});
    let mut first = None;
    ask(&mut node, T0, 1, put("x", 0, true, 64), |_, incoming| {
        let Incoming::RequestBlock { responder, .. } = incoming else {
            panic!("{incoming:?}");
        };
        first = Some(responder);
    });
    assert_eq!(node.usage().receiving.bodies, 0);
    assert!(half(&mut node, T0, 1, put("x", 1, true, 64)).contains("4.08"));
    let answer = MessageBuf::response(Code::CONTINUE);
    node.respond(T0, first.unwrap(), answer).unwrap();
    assert_eq!(node.usage().receiving.bodies, 1);
    let said = ask(
        &mut node,
        T0,
        1,
        put("x", 1, false, 64),
        |node, incoming| {
            respond(node, T0, incoming, Code::CHANGED);
        },
    );
    assert!(said.contains("2.04"), "{said}");
}

/// No more first blocks wait for the application's decision than there may be bodies.
#[test]
fn first_blocks_that_wait_for_a_decision_are_bounded() {
    let mut node = streaming(|config| config.bounds.receiving.bodies = 3);
    let mut waiting = Vec::new();
    for peer in 0..5 {
        ask(&mut node, T0, peer, put("x", 0, true, 64), |_, incoming| {
            let Incoming::RequestBlock { responder, .. } = incoming else {
                panic!("{incoming:?}");
            };
            waiting.push(responder);
        });
    }
    assert_eq!(waiting.len(), 3);
}

/// A body that is accepted after the room is gone is refused after all. The application is told, as
/// it is of a body that gives way.
#[test]
fn the_application_is_told_of_a_body_that_it_accepted_and_there_is_no_room_for() {
    let mut node = streaming(|config| config.bounds.receiving.bodies = 1);
    let (said, first) = accept(&mut node, 1, "x", false);
    assert!(said.contains("2.31"), "{said}");
    // It has only begun, so it gives way.
    let (said, second) = accept(&mut node, 2, "x", false);
    assert!(said.contains("2.31"), "{said}");
    let lost = |node: &mut Node| match node.poll_event() {
        Some(Event::TransferLost {
            transfer, reason, ..
        }) => Some((transfer, reason)),
        None => None,
        other => panic!("{other:?}"),
    };
    let no_room = FailureReason::NoRoom;
    assert_eq!(lost(&mut node), Some((first.unwrap(), no_room)));
    // Now it continues and doesn't give way.
    ask(&mut node, T0, 2, put("x", 1, true, 64), |node, incoming| {
        respond(node, T0, incoming, Code::CONTINUE);
    });
    let (said, third) = accept(&mut node, 3, "x", false);
    assert!(said.contains("5.03"), "{said}");
    assert_eq!(lost(&mut node), Some((third.unwrap(), no_room)));
    assert_eq!((lost(&mut node), node.usage().receiving.bodies), (None, 1));
    assert!(second.is_some());
}
