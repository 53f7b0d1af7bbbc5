//! Request bodies in blocks (RFC 7959 §2.5, §2.9), as any client may send them.

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_statemachine::coap::{
    BlockOption, Endpoint, Event, FailureReason, Incoming, InvalidSend, MessageBuf, MessageRef,
    OptionNumber, SendError,
};

use super::support::{
    Node, Pair, T0, Told, ask, block, blockwise, body, change, config, refused, request, response,
    say, sent, wire, words,
};

fn node() -> Node {
    Endpoint::new(config(7, 1024))
}

/// A block of `body(length)` in a PUT.
fn put(path: &str, number: u32, size: usize, length: usize, id: u16) -> Vec<u8> {
    let body = body(length);
    let start = number as usize * size;
    let end = length.min(start + size);
    let option = block(number, end < length, size);
    let message = blockwise(Method::Put, path, Some(option), None, &body[start..end]);
    wire(message, id)
}

#[test]
fn interleaved_transfers_of_peers_and_resources_are_kept_apart() {
    let mut node = node();
    let transfers = [
        ("a", "x", 100),
        ("b", "x", 120),
        ("a", "y", 140),
        ("c", "z", 160),
    ];
    let mut whole = 0;
    for number in 0..3 {
        for (index, (peer, path, length)) in transfers.into_iter().enumerate() {
            if number as usize * 64 >= length {
                continue;
            }
            let id = number as u16 * 100 + index as u16;
            let block = put(path, number, 64, length, id);
            let said = ask(&mut node, T0, peer, &block, |node, incoming| {
                assert_eq!(change(node, incoming), body(length));
                whole += 1;
            });
            let answer = if (number as usize + 1) * 64 >= length {
                format!("ACK 2.04 1:{number}/0/64")
            } else {
                format!("ACK 2.31 1:{number}/1/64")
            };
            assert_eq!(words(&said[0]), answer);
        }
    }
    assert_eq!((whole, node.usage().receiving.bodies), (4, 0));
}

#[test]
fn a_gap_is_answered_4_08_and_filled_later() {
    let mut node = node();
    let said = refused(&mut node, T0, "peer", &put("x", 0, 64, 200, 1));
    assert_eq!(words(&said), "ACK 2.31 1:0/1/64");
    let said = refused(&mut node, T0, "peer", &put("x", 2, 64, 200, 2));
    assert_eq!(words(&said), "ACK 4.08 1:2/0/64");
    for number in 1..3 {
        refused(
            &mut node,
            T0,
            "peer",
            &put("x", number, 64, 200, 2 + number as u16),
        );
    }
    let said = ask(
        &mut node,
        T0,
        "peer",
        &put("x", 3, 64, 200, 9),
        |node, incoming| {
            assert_eq!(change(node, incoming), body(200));
        },
    );
    assert_eq!(words(&said[0]), "ACK 2.04 1:3/0/64");
}

#[test]
fn a_block_of_no_transfer_is_answered_4_08() {
    let mut node = node();
    let said = refused(&mut node, T0, "peer", &put("x", 1, 64, 200, 1));
    assert_eq!(words(&said), "ACK 4.08 1:1/0/64");
    assert_eq!(node.usage().receiving.bodies, 0);
}

#[test]
fn block_0_begins_again() {
    let mut node = node();
    refused(&mut node, T0, "peer", &put("x", 0, 64, 100, 1));
    refused(&mut node, T0, "peer", &put("x", 0, 64, 200, 2));
    assert_eq!(node.usage().receiving.bytes, 64);
    for (number, id) in [(1, 3), (2, 4)] {
        refused(&mut node, T0, "peer", &put("x", number, 64, 200, id));
    }
    ask(
        &mut node,
        T0,
        "peer",
        &put("x", 3, 64, 200, 5),
        |node, incoming| {
            assert_eq!(change(node, incoming), body(200));
        },
    );
    assert_eq!(node.usage().receiving.bodies, 0);
}

#[test]
fn the_block_before_may_come_again_in_another_message() {
    let mut node = node();
    refused(&mut node, T0, "peer", &put("x", 0, 64, 160, 1));
    let said = refused(&mut node, T0, "peer", &put("x", 1, 64, 160, 2));
    let again = refused(&mut node, T0, "peer", &put("x", 1, 64, 160, 3));
    assert_eq!(words(&said), words(&again));
    // With another content it isn't a repetition.
    let mut other = body(160);
    other[70] ^= 1;
    let other = blockwise(
        Method::Put,
        "x",
        Some(block(1, true, 64)),
        None,
        &other[64..128],
    );
    let said = refused(&mut node, T0, "peer", &wire(other, 4));
    assert_eq!(words(&said), "ACK 4.08 1:1/0/64");
    ask(
        &mut node,
        T0,
        "peer",
        &put("x", 2, 64, 160, 5),
        |node, incoming| {
            assert_eq!(change(node, incoming), body(160));
        },
    );
}

#[test]
fn a_repetition_of_the_last_block_is_not_run_again() {
    let mut node = node();
    refused(&mut node, T0, "peer", &put("x", 0, 64, 100, 1));
    let last = put("x", 1, 64, 100, 2);
    let said = ask(&mut node, T0, "peer", &last, |node, incoming| {
        change(node, incoming);
    });
    assert_eq!(said[0], refused(&mut node, T0, "peer", &last));
}

#[test]
fn the_reserved_size_is_answered_4_00() {
    let mut node = node();
    for (id, option) in [(1, OptionNumber::BLOCK1), (2, OptionNumber::BLOCK2)] {
        let mut message = MessageBuf::request(Method::Put);
        message.uri_path("x").unwrap().uint(option, 0x7).unwrap();
        let said = refused(&mut node, T0, "peer", &wire(message, id));
        assert_eq!(words(&said), "ACK 4.00");
    }
}

#[test]
fn a_block_of_another_length_than_its_size_is_answered_4_00() {
    let mut node = node();
    for (id, more, length) in [(1, true, 63), (2, true, 65), (3, true, 0), (4, false, 65)] {
        let option = Some(block(0, more, 64));
        let message = blockwise(Method::Put, "x", option, None, &body(length));
        let said = refused(&mut node, T0, "peer", &wire(message, id));
        assert_eq!(words(&said), "ACK 4.00 1:0/0/64");
    }
    assert_eq!(node.usage().receiving.bodies, 0);
}

#[test]
fn another_content_format_is_of_another_body() {
    let mut node = node();
    let with = |format, number: u32, id| {
        let mut message = MessageBuf::request(Method::Put);
        message
            .uri_path("x")
            .unwrap()
            .content_format(format)
            .unwrap();
        message.block1(block(number, number == 0, 16)).unwrap();
        message.payload(&body(16));
        wire(message, id)
    };
    refused(&mut node, T0, "peer", &with(ContentFormat::TEXT, 0, 1));
    let said = refused(&mut node, T0, "peer", &with(ContentFormat::OPAQUE, 1, 2));
    assert_eq!(words(&said), "ACK 4.08 1:1/0/16");
    ask(
        &mut node,
        T0,
        "peer",
        &with(ContentFormat::TEXT, 1, 3),
        |node, incoming| {
            change(node, incoming);
        },
    );
}

fn size1(payload: &[u8]) -> Option<u32> {
    MessageRef::parse(payload).unwrap().size1()
}

#[test]
fn over_the_bound_is_answered_4_13_with_size1() {
    let mut config = config(7, 1024);
    config.bounds.body = 150;
    let mut node: Node = Endpoint::new(config);
    // As soon as it is announced.
    let mut message = MessageBuf::request(Method::Put);
    message
        .uri_path("x")
        .unwrap()
        .block1(block(0, true, 64))
        .unwrap();
    message.uint(OptionNumber::SIZE1, 151).unwrap();
    message.payload(&body(64));
    let said = refused(&mut node, T0, "peer", &wire(message, 1));
    assert_eq!(
        (words(&said).as_str(), size1(&said)),
        ("ACK 4.13 1:0/0/64", Some(150))
    );
    // Or as soon as it is seen.
    refused(&mut node, T0, "peer", &put("x", 0, 64, 1000, 2));
    refused(&mut node, T0, "peer", &put("x", 1, 64, 1000, 3));
    let said = refused(&mut node, T0, "peer", &put("x", 2, 64, 1000, 4));
    assert_eq!(
        (words(&said).as_str(), size1(&said)),
        ("ACK 4.13 1:2/0/64", Some(150))
    );
    assert_eq!(
        (node.usage().receiving.bodies, node.usage().receiving.bytes),
        (0, 0)
    );
}

#[test]
fn half_open_transfers_are_bounded_in_number_and_bytes() {
    let mut config = config(7, 1024);
    config.bounds.receiving.bodies = 3;
    config.bounds.receiving.bodies_per_peer = 2;
    config.bounds.receiving.bytes = 464;
    let mut node: Node = Endpoint::new(config);
    let mut ask = |peer, path, number, id| {
        let said = refused(&mut node, T0, peer, &put(path, number, 64, 1000, id));
        let busy = MessageRef::parse(&said).unwrap().code() == Code::SERVICE_UNAVAILABLE;
        assert_eq!(busy, words(&said).contains("5.03"));
        let retry = MessageRef::parse(&said).unwrap();
        assert_eq!(busy, retry.has(OptionNumber::MAX_AGE));
        busy
    };
    assert!(!ask("a", "x", 0, 1));
    assert!(!ask("a", "x", 1, 2));
    assert!(!ask("a", "y", 0, 3));
    assert!(!ask("a", "y", 1, 4));
    assert!(ask("a", "z", 0, 5), "too many of one peer");
    assert!(!ask("b", "x", 0, 1));
    assert!(!ask("b", "x", 1, 2));
    assert!(ask("c", "x", 0, 1), "too many of all");
    assert!(!ask("b", "x", 2, 3));
    assert!(ask("b", "x", 3, 4), "too many bytes");
    assert!(!ask("c", "x", 0, 2), "there is room again");
    assert_eq!(node.usage().receiving.bodies, 3);
}

#[test]
fn exactly_as_many_transfers_as_are_allowed_are_half_open() {
    for all in [true, false] {
        let mut config = config(7, 1024);
        if all {
            config.bounds.receiving.bodies = 2;
        } else {
            config.bounds.receiving.bodies_per_peer = 2;
        }
        let mut node: Node = Endpoint::new(config);
        for (path, id, answer) in [
            ("x", 1, "ACK 2.31 1:0/1/64"),
            ("x", 2, "ACK 2.31 1:1/1/64"),
            ("y", 3, "ACK 2.31 1:0/1/64"),
            ("y", 4, "ACK 2.31 1:1/1/64"),
            ("z", 5, "ACK 5.03 1:0/0/64"),
        ] {
            let number = u32::from(answer.contains("1:1/"));
            let said = refused(&mut node, T0, "peer", &put(path, number, 64, 200, id));
            assert_eq!(words(&said), answer);
        }
        assert_eq!(node.usage().receiving.bodies, 2);
    }
}

#[test]
fn a_body_of_exactly_the_bound_may_be_announced() {
    let mut config = config(7, 1024);
    config.bounds.body = 150;
    let mut node: Node = Endpoint::new(config);
    let mut message = MessageBuf::request(Method::Put);
    let first = block(0, true, 64);
    message.uri_path("x").unwrap().block1(first).unwrap();
    message.uint(OptionNumber::SIZE1, 150).unwrap();
    message.payload(&body(150)[..64]);
    let said = refused(&mut node, T0, "peer", &wire(message, 1));
    assert_eq!(words(&said), "ACK 2.31 1:0/1/64");
}

#[test]
fn a_transfer_that_is_not_continued_is_forgotten() {
    let mut node = node();
    refused(&mut node, T0, "peer", &put("x", 0, 64, 200, 1));
    let lifetime = node.config().transmission.exchange_lifetime();
    let almost = T0 + lifetime - Duration::from_secs(1);
    node.handle_timeout(almost);
    refused(&mut node, almost, "peer", &put("x", 1, 64, 200, 2));
    // A block prolongs it.
    let later = almost + lifetime - Duration::from_secs(1);
    node.handle_timeout(later);
    assert_eq!(node.usage().receiving.bodies, 1);
    node.handle_timeout(almost + lifetime);
    assert_eq!(
        (node.usage().receiving.bodies, node.usage().receiving.bytes),
        (0, 0)
    );
    let said = refused(
        &mut node,
        almost + lifetime,
        "peer",
        &put("x", 2, 64, 200, 3),
    );
    assert_eq!(words(&said), "ACK 4.08 1:2/0/64");
    node.handle_timeout(later + lifetime * 3);
    assert!(node.is_idle(), "{:?}", node.usage());
}

#[test]
fn a_dropped_peer_leaves_no_half_body() {
    let mut node = node();
    refused(&mut node, T0, "peer", &put("x", 0, 64, 200, 1));
    refused(&mut node, T0, "peer", &put("y", 0, 64, 200, 2));
    node.drop_peer(T0, &"peer");
    assert!(node.is_idle(), "{:?}", node.usage());
}

#[test]
fn an_ignored_last_block_may_come_again() {
    let mut node = node();
    refused(&mut node, T0, "peer", &put("x", 0, 64, 100, 1));
    let last = put("x", 1, 64, 100, 2);
    let (incoming, _) = say(&mut node, T0, "peer", &last);
    let Some(Incoming::Request { responder, .. }) = incoming else {
        panic!("{incoming:?}");
    };
    node.ignore(responder);
    assert!(sent(&mut node).is_empty());
    assert_eq!(node.usage().receiving.bytes, 64);
    let said = ask(&mut node, T0, "peer", &last, |node, incoming| {
        assert_eq!(change(node, incoming), body(100));
    });
    assert_eq!(words(&said[0]), "ACK 2.04 1:1/0/64");
    assert_eq!(node.usage().receiving.bytes, 0);
}

#[test]
fn many_blocks_do_not_use_up_the_records_of_a_peer() {
    let mut node = node();
    let length = 16 * 3000;
    for number in 0..2999 {
        let said = refused(
            &mut node,
            T0,
            "peer",
            &put("x", number, 16, length, number as u16),
        );
        assert!(words(&said).contains("2.31"), "{}", words(&said));
    }
    let bound = node.config().bounds.records_per_peer;
    assert!(node.usage().records <= bound);
    let said = ask(
        &mut node,
        T0,
        "peer",
        &put("x", 2999, 16, length, 2999),
        |node, incoming| {
            assert_eq!(change(node, incoming), body(length));
        },
    );
    assert!(words(&said[0]).contains("2.04"));
    // A copy of a block that comes late changes nothing.
    let said = refused(&mut node, T0, "peer", &put("x", 7, 16, length, 7));
    assert!(words(&said).contains("4.08"));
}

/// A node that delivers blocks.
fn streaming() -> Node {
    let mut config = config(7, 1024);
    config.stream_requests = true;
    Endpoint::new(config)
}

#[test]
fn at_the_first_block_the_application_decides_to_have_the_rest_assembled() {
    let mut node = streaming();
    let said = ask(
        &mut node,
        T0,
        "peer",
        &put("x", 0, 64, 150, 1),
        |node, incoming| {
            let Incoming::RequestBlock {
                responder,
                request,
                offset: 0,
                more: true,
                ..
            } = incoming
            else {
                panic!("{incoming:?}");
            };
            assert_eq!(request.uri_path().next(), Some("x"));
            node.assemble(T0, responder, &request).unwrap();
        },
    );
    assert_eq!(words(&said[0]), "ACK 2.31 1:0/1/64");
    refused(&mut node, T0, "peer", &put("x", 1, 64, 150, 2));
    ask(
        &mut node,
        T0,
        "peer",
        &put("x", 2, 64, 150, 3),
        |node, incoming| {
            assert_eq!(change(node, incoming), body(150));
        },
    );
    assert_eq!(node.usage().receiving.bodies, 0);
}

/// Accepts the first block of a PUT of `length` bytes, which may announce that, for assembly.
fn assembled(node: &mut Node, from: &'static str, length: usize, size1: Option<u32>) -> String {
    let mut message = MessageBuf::request(Method::Put);
    let first = block(0, true, 64);
    message.uri_path("x").unwrap().block1(first).unwrap();
    if let Some(size) = size1 {
        message.uint(OptionNumber::SIZE1, size).unwrap();
    }
    message.payload(&body(length)[..64]);
    let said = ask(node, T0, from, &wire(message, 1), |node, incoming| {
        let Incoming::RequestBlock {
            responder, request, ..
        } = incoming
        else {
            panic!("{incoming:?}");
        };
        node.assemble(T0, responder, &request).unwrap();
    });
    words(&said[0])
}

#[test]
fn what_is_assembled_from_the_first_block_on_is_bounded_in_bytes() {
    let node = |largest, all| {
        let mut config = config(7, 1024);
        config.stream_requests = true;
        config.bounds.body = largest;
        config.bounds.receiving.bytes = all;
        Node::new(config)
    };
    // By the announced size, and by what has arrived.
    for (largest, size1, answer) in [
        (150, Some(150), "ACK 2.31 1:0/1/64"),
        (150, Some(151), "ACK 4.13 1:0/0/64"),
        (64, None, "ACK 2.31 1:0/1/64"),
        (63, None, "ACK 4.13 1:0/0/64"),
    ] {
        let mut node = node(largest, 1 << 20);
        assert_eq!(assembled(&mut node, "a", 150, size1), answer);
        let kept = usize::from(answer.contains("2.31"));
        let usage = node.usage();
        assert_eq!(
            (usage.receiving.bodies, usage.receiving.bytes),
            (kept, kept * 64)
        );
    }
    // By all bodies together.
    let mut node = node(1 << 20, 128);
    for (peer, answer) in [
        ("a", "ACK 2.31 1:0/1/64"),
        ("b", "ACK 2.31 1:0/1/64"),
        // A body that has only begun gives way.
        ("c", "ACK 2.31 1:0/1/64"),
    ] {
        assert_eq!(assembled(&mut node, peer, 100, None), answer);
    }
    let usage = node.usage();
    assert_eq!((usage.receiving.bodies, usage.receiving.bytes), (2, 128));
    // The room of a peer is free again when it is dropped.
    node.drop_peer(T0, &"b");
    assert_eq!(node.usage().receiving.bytes, 64);
    assert_eq!(assembled(&mut node, "d", 100, None), "ACK 2.31 1:0/1/64");
    node.drop_peer(T0, &"c");
    node.drop_peer(T0, &"d");
    assert_eq!(node.usage().receiving.bytes, 0);
}

#[test]
fn only_the_first_block_can_be_assembled_with_the_rest() {
    let mut node = streaming();
    let first = put("x", 0, 64, 200, 1);
    ask(&mut node, T0, "peer", &first, |node, incoming| {
        take_block(node, incoming, Code::CONTINUE);
    });
    let second = put("x", 1, 64, 200, 2);
    ask(&mut node, T0, "peer", &second, |node, incoming| {
        let Incoming::RequestBlock {
            responder, request, ..
        } = incoming
        else {
            panic!("{incoming:?}");
        };
        let refused = node.assemble(T0, responder, &request);
        assert_eq!(
            refused,
            Err(SendError::Invalid(InvalidSend::BlockNotWanted))
        );
    });
    assert_eq!(node.usage().receiving.bytes, 0);
}

#[test]
fn a_streamed_block_that_was_answered_may_come_again_in_another_message() {
    let mut node = streaming();
    for number in [0, 1] {
        let block = put("x", number, 64, 200, 1 + number as u16);
        ask(&mut node, T0, "peer", &block, |node, incoming| {
            take_block(node, incoming, Code::CONTINUE);
        });
    }
    let again = refused(&mut node, T0, "peer", &put("x", 1, 64, 200, 3));
    assert_eq!(words(&again), "ACK 2.31 1:1/1/64");
    // While the application has it, its answer is unknown.
    let (incoming, said) = {
        let block = put("x", 2, 64, 200, 4);
        let (incoming, said) = say(&mut node, T0, "peer", &block);
        (incoming.is_some(), said)
    };
    assert!(incoming && said.is_empty());
    let again = refused(&mut node, T0, "peer", &put("x", 2, 64, 200, 5));
    assert_eq!(words(&again), "ACK 4.08 1:2/0/64");
}

fn take_block(node: &mut Node, incoming: Incoming<'_>, code: Code) -> (usize, bool) {
    let Incoming::RequestBlock {
        responder,
        offset,
        more,
        ..
    } = incoming
    else {
        panic!("{incoming:?}");
    };
    node.respond(T0, responder, response(code, b"")).unwrap();
    (offset, more)
}

#[test]
fn an_error_ends_a_streamed_transfer() {
    let mut node = streaming();
    ask(
        &mut node,
        T0,
        "peer",
        &put("x", 0, 64, 150, 1),
        |node, incoming| {
            take_block(node, incoming, Code::CONTINUE);
        },
    );
    let said = ask(
        &mut node,
        T0,
        "peer",
        &put("x", 1, 64, 150, 2),
        |node, incoming| {
            assert_eq!(take_block(node, incoming, Code::FORBIDDEN), (64, true));
        },
    );
    assert_eq!(words(&said[0]), "ACK 4.03 1:1/0/64");
    let said = refused(&mut node, T0, "peer", &put("x", 2, 64, 150, 3));
    assert_eq!(words(&said), "ACK 4.08 1:2/0/64");
    assert_eq!(node.usage().receiving.bodies, 0);
}

#[test]
fn an_ignored_block_leaves_silence_and_may_come_again() {
    let mut node = streaming();
    let ignore = |node: &mut Node, incoming: Incoming<'_>| {
        let Incoming::RequestBlock { responder, .. } = incoming else {
            panic!("{incoming:?}");
        };
        node.ignore(responder);
    };
    let first = put("x", 0, 64, 100, 1);
    assert!(ask(&mut node, T0, "peer", &first, ignore).is_empty());
    assert!(node.is_idle(), "{:?}", node.usage());
    ask(&mut node, T0, "peer", &first, |node, incoming| {
        take_block(node, incoming, Code::CONTINUE);
    });
    let last = put("x", 1, 64, 100, 2);
    assert!(ask(&mut node, T0, "peer", &last, ignore).is_empty());
    let said = ask(&mut node, T0, "peer", &last, |node, incoming| {
        assert_eq!(take_block(node, incoming, Code::CHANGED), (64, false));
    });
    assert_eq!(words(&said[0]), "ACK 2.04 1:1/0/64");
}

#[test]
fn a_firmware_image_passes_through_a_node_that_holds_one_block() {
    const SIZE: usize = 10 << 20;
    let mut server = config(2, 1024);
    server.stream_requests = true;
    server.bounds.body = 2048;
    let mut pair = Pair::new(config(1, 1024), server);
    let image = body(SIZE);
    let expected = image.clone();
    let mut written = 0;
    pair.lose = Box::new(|_| false);
    pair.serve = Box::new(move |server, now, incoming| {
        let Incoming::RequestBlock {
            responder,
            request,
            offset,
            more,
            ..
        } = incoming
        else {
            panic!("{incoming:?}");
        };
        assert_eq!(offset, written);
        let block = request.payload();
        assert_eq!(block, &expected[offset..offset + block.len()]);
        written += block.len();
        let code = if more {
            Code::CONTINUE
        } else {
            assert_eq!(written, SIZE);
            Code::CHANGED
        };
        server.respond(now, responder, response(code, b"")).unwrap();
        assert_eq!(server.usage().receiving.bytes, 0);
        assert!(server.usage().records <= 512);
    });
    let id = pair.request(request(Method::Put, "firmware", &image));
    pair.talk();
    assert_eq!(pair.told, [Told::Response(id, Code::CHANGED, vec![])]);
    pair.run_to_rest();
}

#[test]
fn the_answer_says_which_block_it_is_to() {
    let mut node = node();
    let whole = blockwise(
        Method::Put,
        "x",
        BlockOption::new(0, false, 64),
        None,
        b"all",
    );
    let said = ask(&mut node, T0, "peer", &wire(whole, 1), |node, incoming| {
        assert_eq!(change(node, incoming), b"all");
    });
    assert_eq!(words(&said[0]), "ACK 2.04 1:0/0/64");
}

/// The answer to a block is dropped when the next one comes, as the client has it then. A late
/// repetition changes nothing and runs nothing.
#[test]
fn the_answer_to_a_block_is_not_kept_beyond_the_next_one() {
    let mut node = node();
    for number in 0..2 {
        let block = put("x", number, 64, 150, number as u16);
        let said = refused(&mut node, T0, "peer", &block);
        assert_eq!(said, refused(&mut node, T0, "peer", &block), "a repetition");
    }
    for number in 0..2 {
        let late = refused(
            &mut node,
            T0,
            "peer",
            &put("x", number, 64, 150, number as u16),
        );
        let expected = ["ACK", "ACK 2.31 1:1/1/64"][number as usize];
        assert_eq!(words(&late), expected);
    }
    let last = put("x", 2, 64, 150, 2);
    ask(&mut node, T0, "peer", &last, |node, incoming| {
        assert_eq!(change(node, incoming), body(150));
    });
}

/// The application is told once of each partial body that won't be completed: expired, begun again,
/// or of a dropped peer. It isn't told of one that it has ended or has completely.
#[test]
fn the_application_is_told_of_a_streamed_body_that_will_not_end() {
    let give = |node: &mut Node, number, id, code| {
        let datagram = put("x", number, 64, 100, id);
        let (incoming, _) = say(node, T0, "peer", &datagram);
        let Some(Incoming::RequestBlock {
            responder,
            transfer,
            ..
        }) = incoming
        else {
            panic!("{incoming:?}");
        };
        node.respond(T0, responder, response(code, b"")).unwrap();
        sent(node);
        transfer
    };
    let lost = |node: &mut Node| {
        let event = node.poll_event();
        assert!(node.poll_event().is_none());
        event.map(|event| match event {
            Event::TransferLost {
                transfer, reason, ..
            } => (transfer, reason),
            other => panic!("{other:?}"),
        })
    };
    let mut node = streaming();
    let first = give(&mut node, 0, 1, Code::CONTINUE);
    let second = give(&mut node, 0, 2, Code::CONTINUE);
    assert_eq!(lost(&mut node), Some((first, FailureReason::Superseded)));
    node.handle_timeout(T0 + Duration::from_secs(247));
    assert_eq!(lost(&mut node), Some((second, FailureReason::Timeout)));
    let third = give(&mut node, 0, 3, Code::CONTINUE);
    node.drop_peer(T0, &"peer");
    assert_eq!(lost(&mut node), Some((third, FailureReason::PeerDropped)));
    give(&mut node, 0, 4, Code::CONTINUE);
    give(&mut node, 1, 5, Code::CHANGED);
    give(&mut node, 0, 6, Code::FORBIDDEN);
    node.drop_peer(T0, &"peer");
    assert_eq!(lost(&mut node), None);
}
