//! Our requests with bodies, or response bodies, in blocks, against any kind of server.

use core::time::Duration;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::coap::{
    BlockOption, Endpoint, Event, FailureReason, Incoming, InvalidSend, MessageBuf, MessageRef,
    MessageType, OptionNumber, RequestId, RequestOptions, SendError, Token,
};

use super::support::{
    Node, Pair, T0, Told, block, blockwise, body, config, get, observe, request, response, say,
    sent, words,
};

/// A server described in words: checks requests and answers them.
struct Script {
    node: Node,
    id: RequestId,
    asked: Vec<u8>,
}

impl Script {
    fn new(block_size: usize, message: MessageBuf) -> Self {
        Self::with(Endpoint::new(config(3, block_size)), message)
    }

    fn with(mut node: Node, message: MessageBuf) -> Self {
        let id = node
            .request(T0, "peer", message, RequestOptions::default())
            .unwrap();
        let asked = sent(&mut node).remove(0);
        Self { node, id, asked }
    }

    /// Checks the request and answers it; returns what the application is told.
    fn answer(&mut self, asked: &str, answer: MessageBuf) -> Option<Told> {
        assert_eq!(words(&self.asked), asked);
        let read = MessageRef::parse(&self.asked).unwrap();
        let wire: Vec<u8> = answer
            .finish(
                MessageType::Acknowledgement,
                read.message_id(),
                read.token(),
            )
            .into();
        let (incoming, mut said) = say(&mut self.node, T0, "peer", &wire);
        let told = match incoming {
            Some(Incoming::Response {
                request,
                response,
                body,
                ..
            }) => Some(Told::Response(request, response.code(), body.to_vec())),
            None => None,
            other => panic!("{other:?}"),
        };
        if !said.is_empty() {
            assert_eq!(said.len(), 1);
            self.asked = said.remove(0);
        } else if told.is_none() {
            self.asked = Vec::new();
        }
        told.or_else(|| {
            let event = self.node.poll_event()?;
            match event {
                Event::RequestFailed {
                    request, reason, ..
                } => Some(Told::Failed(request, reason)),
                other => panic!("{other:?}"),
            }
        })
    }

    fn rest(mut self) {
        for _ in 0..100 {
            assert!(self.node.poll_event().is_none());
            let Some(now) = self.node.poll_timeout() else {
                assert!(self.node.is_idle(), "{:?}", self.node.usage());
                return;
            };
            self.node.handle_timeout(now);
        }
        panic!("no rest");
    }
}

/// A block of a response.
fn part(code: Code, etag: &[u8], block: BlockOption, payload: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::response(code);
    if !etag.is_empty() {
        message.etag(etag).unwrap();
    }
    message.block2(block).unwrap().payload(payload);
    message
}

/// Block `number` of `body(length)`, of 64 bytes each.
fn of_body(etag: &[u8], number: u32, length: usize) -> MessageBuf {
    let body = body(length);
    let start = number as usize * 64;
    let end = length.min(start + 64);
    let block = block(number, end < length, 64);
    part(Code::CONTENT, etag, block, &body[start..end])
}

fn to_block1(code: Code, block: BlockOption) -> MessageBuf {
    let mut message = MessageBuf::response(code);
    message.block1(block).unwrap();
    message
}

#[test]
fn what_fits_is_not_split_and_what_does_not_tells_its_size_once() {
    let script = Script::new(64, request(Method::Put, "x", &body(64)));
    assert_eq!(words(&script.asked), "CON PUT /x");
    let mut script = Script::new(64, request(Method::Put, "x", &body(65)));
    assert_eq!(MessageRef::parse(&script.asked).unwrap().size1(), Some(65));
    let first = to_block1(Code::CONTINUE, block(0, true, 64));
    assert_eq!(script.answer("CON PUT /x 1:0/1/64", first), None);
    assert_eq!(MessageRef::parse(&script.asked).unwrap().size1(), None);
    let last = to_block1(Code::CHANGED, block(1, false, 64));
    let id = script.id;
    assert_eq!(
        script.answer("CON PUT /x 1:1/0/64", last),
        Some(Told::Response(id, Code::CHANGED, vec![]))
    );
    script.rest();
}

#[test]
fn a_block_that_is_too_large_is_sent_again_smaller() {
    let mut script = Script::new(64, request(Method::Put, "x", &body(100)));
    let smaller = to_block1(Code::REQUEST_ENTITY_TOO_LARGE, block(0, false, 32));
    assert_eq!(script.answer("CON PUT /x 1:0/1/64", smaller), None);
    let next = to_block1(Code::CONTINUE, block(0, true, 32));
    assert_eq!(script.answer("CON PUT /x 1:0/1/32", next), None);
    assert_eq!(words(&script.asked), "CON PUT /x 1:1/1/32");
}

#[test]
fn a_body_that_is_too_large_has_this_outcome() {
    let mut script = Script::new(64, request(Method::Put, "x", &body(100)));
    let large = response(Code::REQUEST_ENTITY_TOO_LARGE, b"");
    let id = script.id;
    assert_eq!(
        script.answer("CON PUT /x 1:0/1/64", large),
        Some(Told::Response(id, Code::REQUEST_ENTITY_TOO_LARGE, vec![]))
    );
    script.rest();
}

#[test]
fn a_server_that_lost_blocks_gets_all_of_them_again_but_not_for_ever() {
    let mut script = Script::new(64, request(Method::Put, "x", &body(100)));
    let id = script.id;
    for round in 0..5 {
        let next = to_block1(Code::CONTINUE, block(0, true, 64));
        assert_eq!(script.answer("CON PUT /x 1:0/1/64", next), None);
        let lost = to_block1(Code::REQUEST_ENTITY_INCOMPLETE, block(1, false, 64));
        let told = script.answer("CON PUT /x 1:1/0/64", lost);
        let outcome = Told::Response(id, Code::REQUEST_ENTITY_INCOMPLETE, vec![]);
        assert_eq!(told, (round == 4).then_some(outcome));
    }
    script.rest();
}

#[test]
fn an_error_ends_the_sending() {
    let mut script = Script::new(64, request(Method::Put, "x", &body(200)));
    let id = script.id;
    let error = response(Code::NOT_FOUND, b"no x");
    assert_eq!(
        script.answer("CON PUT /x 1:0/1/64", error),
        Some(Told::Response(id, Code::NOT_FOUND, b"no x".to_vec()))
    );
    script.rest();
}

#[test]
fn a_get_has_no_body_that_is_split() {
    let script = Script::new(64, request(Method::Get, "x", &body(200)));
    assert_eq!(words(&script.asked), "CON GET /x 2:0/0/64");
}

/// Block numbers have 20 bits (RFC 7959 §2.2).
#[test]
fn a_body_of_more_blocks_than_can_be_numbered_is_refused() {
    let mut node: Node = Endpoint::new(config(3, 16));
    for (length, result) in [
        (16 << 20, Ok(())),
        (
            (16 << 20) + 1,
            Err(SendError::Invalid(InvalidSend::TooLarge)),
        ),
    ] {
        let source = node.bodies().source(Some(length));
        let put = request(Method::Put, "x", b"");
        let options = RequestOptions::default();
        let sent = node.request(T0, "peer", (put, source), options);
        assert_eq!(sent.map(drop), result, "{length}");
    }
    assert_eq!(node.usage().requests, 1);
}

#[test]
fn a_block_that_the_application_sends_itself_is_not_split() {
    let part = Some(block(1, true, 128));
    let message = blockwise(Method::Put, "x", part, None, &body(128));
    let mut script = Script::new(64, message);
    assert_eq!(
        MessageRef::parse(&script.asked).unwrap().payload(),
        body(128)
    );
    let id = script.id;
    assert_eq!(
        script.answer(
            "CON PUT /x 1:1/1/128",
            to_block1(Code::CONTINUE, block(1, true, 128))
        ),
        Some(Told::Response(id, Code::CONTINUE, vec![]))
    );
    script.rest();
}

const FIRST: &str = "CON GET /x";
const SECOND: &str = "CON GET /x 2:1/0/64";

#[test]
fn a_body_that_changes_is_asked_for_from_the_beginning() {
    let mut script = Script::new(1024, get("x"));
    assert_eq!(script.answer(FIRST, of_body(b"1", 0, 150)), None);
    assert_eq!(script.answer(SECOND, of_body(b"2", 1, 170)), None);
    assert_eq!(
        script.answer("CON GET /x 2:0/0/1024", of_body(b"2", 0, 170)),
        None
    );
    assert_eq!(script.answer(SECOND, of_body(b"2", 1, 170)), None);
    let id = script.id;
    assert_eq!(
        script.answer("CON GET /x 2:2/0/64", of_body(b"2", 2, 170)),
        Some(Told::Response(id, Code::CONTENT, body(170)))
    );
    script.rest();
}

#[test]
fn a_body_that_always_changes_is_given_up() {
    let mut script = Script::new(1024, get("x"));
    let id = script.id;
    let mut first = FIRST;
    for round in 0..5_u8 {
        assert_eq!(script.answer(first, of_body(&[round], 0, 150)), None);
        let told = script.answer(SECOND, of_body(&[round + 1], 1, 150));
        let failed = Told::Failed(id, FailureReason::BodyChanged);
        assert_eq!(told, (round == 4).then_some(failed));
        first = "CON GET /x 2:0/0/1024";
    }
    script.rest();
}

#[test]
fn a_response_to_post_that_changes_is_not_asked_for_again() {
    let mut script = Script::new(1024, request(Method::Post, "x", b"run"));
    let id = script.id;
    let whole = body(150);
    let first = part(Code::CHANGED, b"1", block(0, true, 64), &whole[..64]);
    assert_eq!(script.answer("CON POST /x", first), None);
    let second = part(Code::CHANGED, b"2", block(1, true, 64), &whole[64..128]);
    assert_eq!(
        script.answer("CON POST /x 2:1/0/64", second),
        Some(Told::Failed(id, FailureReason::BodyChanged))
    );
    script.rest();
}

#[test]
fn a_body_that_has_become_small_is_taken_after_all() {
    let mut script = Script::new(1024, get("x"));
    assert_eq!(script.answer(FIRST, of_body(b"1", 0, 150)), None);
    // No Block2: this is another body than that of the first block.
    assert_eq!(
        script.answer(SECOND, response(Code::CONTENT, b"small")),
        None
    );
    let id = script.id;
    assert_eq!(
        script.answer("CON GET /x 2:0/0/1024", response(Code::CONTENT, b"small")),
        Some(Told::Response(id, Code::CONTENT, b"small".to_vec()))
    );
    script.rest();
}

#[test]
fn an_error_in_the_middle_is_the_outcome() {
    let mut script = Script::new(1024, get("x"));
    assert_eq!(script.answer(FIRST, of_body(b"1", 0, 150)), None);
    let id = script.id;
    assert_eq!(
        script.answer(SECOND, response(Code::NOT_FOUND, b"gone")),
        Some(Told::Response(id, Code::NOT_FOUND, b"gone".to_vec()))
    );
    script.rest();
}

#[test]
fn blocks_that_do_not_fit_together_are_no_body() {
    let whole = body(200);
    let wrong = [
        part(Code::CONTENT, b"1", block(2, true, 64), &whole[128..192]),
        part(Code::CONTENT, b"1", block(1, true, 64), &whole[64..127]),
        part(Code::CONTENT, b"1", block(1, false, 64), &whole[64..129]),
        part(Code::CONTENT, b"1", block(1, true, 128), &whole[..128]),
    ];
    for wrong in wrong {
        let mut script = Script::new(1024, get("x"));
        assert_eq!(script.answer(FIRST, of_body(b"1", 0, 200)), None);
        let id = script.id;
        assert_eq!(
            script.answer(SECOND, wrong),
            Some(Told::Failed(id, FailureReason::Blocks))
        );
        script.rest();
    }
}

#[test]
fn a_response_over_the_bound_is_none() {
    let small = || {
        let mut config = config(3, 1024);
        config.bounds.body = 100;
        Endpoint::new(config)
    };
    // As soon as it is announced.
    let mut script = Script::with(small(), get("x"));
    let id = script.id;
    let mut first = MessageBuf::response(Code::CONTENT);
    first.block2(block(0, true, 64)).unwrap();
    first
        .uint(OptionNumber::SIZE2, 101)
        .unwrap()
        .payload(&body(64));
    let failed = Some(Told::Failed(id, FailureReason::TooLarge));
    assert_eq!(script.answer(FIRST, first), failed);
    script.rest();
    // Or as soon as it is seen.
    let mut script = Script::with(small(), get("x"));
    assert_eq!(script.answer(FIRST, of_body(b"1", 0, 128)), None);
    assert_eq!(script.answer(SECOND, of_body(b"1", 1, 128)), failed);
    script.rest();
}

#[test]
fn the_reserved_size_in_a_response_is_that_of_an_option_not_understood() {
    let mut reserved = MessageBuf::response(Code::CONTENT);
    reserved.uint(OptionNumber::BLOCK2, 0x7).unwrap();
    let mut script = Script::new(1024, get("x"));
    let token = MessageRef::parse(&script.asked).unwrap().token();
    assert_eq!(script.answer(FIRST, reserved.clone()), None, "dropped");
    let wire: Vec<u8> = reserved.finish(MessageType::Confirmable, 9, token).into();
    let (incoming, said) = say(&mut script.node, T0, "peer", &wire);
    assert!(incoming.is_none());
    assert_eq!(words(&said[0]), "RST");
}

#[test]
fn a_block_that_the_application_asks_for_is_not_added_to() {
    let ask = blockwise(Method::Get, "x", None, Some(block(2, false, 64)), b"");
    let mut script = Script::new(1024, ask);
    let id = script.id;
    assert_eq!(
        script.answer("CON GET /x 2:2/0/64", of_body(b"1", 2, 250)),
        Some(Told::Response(
            id,
            Code::CONTENT,
            body(250)[128..192].to_vec()
        ))
    );
    script.rest();
}

#[test]
fn a_transfer_that_stops_halfway_has_one_outcome() {
    // Silence, a Reset, a cancellation, a lost connection.
    for end in 0..4 {
        let mut script = Script::new(1024, get("x"));
        let id = script.id;
        assert_eq!(script.answer(FIRST, of_body(b"1", 0, 150)), None);
        let read = MessageRef::parse(&script.asked).unwrap();
        let [high, low] = read.message_id().to_be_bytes();
        let expected = match end {
            0 => Some(FailureReason::Timeout),
            1 => {
                say(&mut script.node, T0, "peer", &[0x70, 0, high, low]);
                Some(FailureReason::Reset)
            }
            2 => {
                assert!(script.node.cancel(T0, id));
                None
            }
            _ => {
                script.node.drop_peer(T0, &"peer");
                Some(FailureReason::PeerDropped)
            }
        };
        let mut reasons = Vec::new();
        for _ in 0..100 {
            sent(&mut script.node);
            while let Some(event) = script.node.poll_event() {
                match event {
                    Event::RequestFailed {
                        request, reason, ..
                    } => {
                        assert_eq!(request, id);
                        reasons.push(reason);
                    }
                    other => panic!("{other:?}"),
                }
            }
            let Some(now) = script.node.poll_timeout() else {
                break;
            };
            script.node.handle_timeout(now);
        }
        assert_eq!(reasons, expected.into_iter().collect::<Vec<_>>());
        assert!(script.node.is_idle(), "{:?}", script.node.usage());
    }
}

#[test]
fn non_confirmable_requests_and_separate_responses_come_in_blocks_too() {
    let mut pair = Pair::new(config(1, 64), config(2, 64));
    let mut waiting = Vec::new();
    pair.serve = Box::new(move |server, now, incoming| {
        let Incoming::Request {
            responder, body, ..
        } = incoming
        else {
            panic!("{incoming:?}");
        };
        server.acknowledge(&responder);
        waiting.push(body.to_vec());
        server
            .respond(now, responder, response(Code::CHANGED, &body))
            .unwrap();
    });
    for confirmable in [true, false] {
        let options = RequestOptions {
            confirmable,
            ..RequestOptions::default()
        };
        let id = pair.request_with(request(Method::Post, "x", &body(150)), options);
        pair.talk();
        let told = pair.told.pop();
        assert_eq!(told, Some(Told::Response(id, Code::CHANGED, body(150))));
    }
    pair.run_to_rest();
}

#[test]
fn a_response_can_be_taken_block_by_block() {
    let mut pair = Pair::serving(1024, 64, |_, _| response(Code::CONTENT, &body(150)));
    let options = RequestOptions {
        stream: true,
        ..RequestOptions::default()
    };
    let id = pair.request_with(get("x"), options);
    pair.talk();
    let whole = body(150);
    assert_eq!(
        pair.told,
        [
            Told::Block(id, 0, whole[..64].to_vec()),
            Told::Block(id, 64, whole[64..128].to_vec()),
            Told::Response(id, Code::CONTENT, whole[128..].to_vec()),
        ]
    );
    pair.run_to_rest();
}

/// The application asks for each block itself, the first one included.
#[test]
fn a_single_block_can_be_asked_for() {
    let whole = body(150);
    let served = whole.clone();
    let mut pair = Pair::serving(1024, 64, move |_, _| response(Code::CONTENT, &served));
    let options = RequestOptions {
        single_block: true,
        ..RequestOptions::default()
    };
    for (number, expected) in [(1, 64..128), (0, 0..64), (2, 128..150)] {
        let mut message = get("x");
        message.block2(block(number, false, 64)).unwrap();
        let id = pair.request_with(message, options);
        pair.talk();
        let expected = Told::Response(id, Code::CONTENT, whole[expected].to_vec());
        assert_eq!(core::mem::take(&mut pair.told), [expected], "{number}");
    }
    pair.run_to_rest();
}

/// A notification of an observation, non-confirmable.
fn notification(token: Token, id: u16, sequence: u32, etag: &[u8], length: usize) -> Vec<u8> {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.etag(etag).unwrap().observe(sequence).unwrap();
    let whole = body(length);
    if length > 64 {
        message
            .block2(block(0, true, 64))
            .unwrap()
            .payload(&whole[..64]);
    } else {
        message.payload(&whole);
    }
    message
        .finish(MessageType::NonConfirmable, id, token)
        .into()
}

#[test]
fn a_newer_notification_ends_the_transfer_of_an_older_one() {
    let mut script = Script::new(1024, observe("x"));
    let token = MessageRef::parse(&script.asked).unwrap().token();
    let mut first = MessageBuf::response(Code::CONTENT);
    first
        .etag(b"0")
        .unwrap()
        .observe(1)
        .unwrap()
        .payload(b"zero");
    assert!(script.answer("CON GET /x O:0", first).is_some());
    let datagram = notification(token, 100, 2, b"1", 150);
    let (incoming, said) = say(&mut script.node, T0, "peer", &datagram);
    assert!(incoming.is_none());
    script.asked = said[0].clone();
    assert_eq!(words(&script.asked), "CON GET /x 2:1/0/64");
    let datagram = notification(token, 101, 3, b"2", 20);
    let (incoming, _) = say(&mut script.node, T0, "peer", &datagram);
    assert!(matches!(
        incoming,
        Some(Incoming::Notification { body: got, observing: true, .. }) if *got == body(20)
    ));
    // The block of the older notification comes too late.
    assert_eq!(
        script.answer("CON GET /x 2:1/0/64", of_body(b"1", 1, 150)),
        None
    );
    script.node.cancel(T0, script.id);
    script.rest();
}

#[test]
fn a_first_answer_that_is_overtaken_by_a_notification_has_one_outcome() {
    let mut script = Script::new(1024, observe("x"));
    let id = script.id;
    let token = MessageRef::parse(&script.asked).unwrap().token();
    let mut first = MessageBuf::response(Code::CONTENT);
    first.etag(b"1").unwrap().observe(1).unwrap();
    first
        .block2(block(0, true, 64))
        .unwrap()
        .payload(&body(150)[..64]);
    assert_eq!(script.answer("CON GET /x O:0", first), None);
    let datagram = notification(token, 101, 2, b"2", 20);
    let (incoming, _) = say(&mut script.node, T0, "peer", &datagram);
    assert!(matches!(
        incoming,
        Some(Incoming::Response { request, body: got, observing: true, .. })
            if request == id && *got == body(20)
    ));
    script.node.cancel(T0, id);
    script.rest();
}

#[test]
fn a_notification_whose_blocks_do_not_come_is_lost_and_the_observation_goes_on() {
    let mut script = Script::new(1024, observe("x"));
    let id = script.id;
    let token = MessageRef::parse(&script.asked).unwrap().token();
    let mut first = MessageBuf::response(Code::CONTENT);
    first.observe(1).unwrap().payload(b"zero");
    assert!(script.answer("CON GET /x O:0", first).is_some());
    let datagram = notification(token, 100, 2, b"1", 150);
    say(&mut script.node, T0, "peer", &datagram);
    let mut now = T0;
    let lost = loop {
        sent(&mut script.node);
        if let Some(event) = script.node.poll_event() {
            break event;
        }
        now = script.node.poll_timeout().unwrap();
        script.node.handle_timeout(now);
    };
    assert!(matches!(
        lost,
        Event::NotificationLost {
            request,
            reason: FailureReason::Timeout,
            observing: true,
            ..
        } if request == id
    ));
    let later = now + Duration::from_secs(1);
    let datagram = notification(token, 101, 3, b"2", 20);
    let (incoming, _) = say(&mut script.node, later, "peer", &datagram);
    assert!(matches!(incoming, Some(Incoming::Notification { .. })));
    script.node.cancel(later, id);
    script.rest();
}

/// An observation of `x` after its first answer, and its token.
fn observing() -> (Script, Token) {
    let mut script = Script::new(1024, observe("x"));
    let token = MessageRef::parse(&script.asked).unwrap().token();
    let mut first = MessageBuf::response(Code::CONTENT);
    first.observe(1).unwrap().payload(b"zero");
    assert!(script.answer("CON GET /x O:0", first).is_some());
    (script, token)
}

/// The first answer to an observation: the first block of `body(100)`.
fn first_of_two() -> MessageBuf {
    let mut first = MessageBuf::response(Code::CONTENT);
    first.observe(1).unwrap();
    first.block2(block(0, true, 64)).unwrap();
    first.payload(&body(100)[..64]);
    first
}

/// The next block of a notification is asked for.
fn notify_in_blocks(script: &mut Script, datagram: &[u8]) {
    let (incoming, mut said) = say(&mut script.node, T0, "peer", datagram);
    assert!(incoming.is_none());
    script.asked = said.remove(0);
}

#[test]
fn an_error_to_a_block_of_a_notification_does_not_end_the_observation() {
    let (mut script, token) = observing();
    let id = script.id;
    notify_in_blocks(&mut script, &notification(token, 100, 2, b"1", 100));
    let read = MessageRef::parse(&script.asked).unwrap();
    let (id_of_block, token_of_block) = (read.message_id(), read.token());
    let error: Vec<u8> = response(Code::NOT_FOUND, b"")
        .finish(MessageType::Acknowledgement, id_of_block, token_of_block)
        .into();
    assert!(say(&mut script.node, T0, "peer", &error).0.is_none());
    assert!(matches!(
        script.node.poll_event(),
        Some(Event::NotificationLost {
            request,
            reason: FailureReason::Blocks,
            observing: true,
            ..
        }) if request == id
    ));
    let small = notification(token, 101, 3, b"2", 20);
    let (incoming, _) = say(&mut script.node, T0, "peer", &small);
    assert!(matches!(
        incoming,
        Some(Incoming::Notification {
            observing: true,
            ..
        })
    ));
    assert_eq!(script.node.usage().response_bytes, 0);
    script.node.cancel(T0, id);
    script.rest();
}

#[test]
fn an_error_to_a_block_of_the_first_answer_ends_the_observation() {
    let mut script = Script::new(1024, observe("x"));
    let id = script.id;
    assert_eq!(script.answer("CON GET /x O:0", first_of_two()), None);
    assert_eq!(
        script.answer(SECOND, response(Code::NOT_FOUND, b"")),
        Some(Told::Response(id, Code::NOT_FOUND, vec![]))
    );
    script.rest();
}

#[test]
fn what_follows_a_first_answer_in_blocks_is_a_notification() {
    let mut script = Script::new(1024, observe("x"));
    let id = script.id;
    let token = MessageRef::parse(&script.asked).unwrap().token();
    assert_eq!(script.answer("CON GET /x O:0", first_of_two()), None);
    let whole = Some(Told::Response(id, Code::CONTENT, body(100)));
    assert_eq!(script.answer(SECOND, of_body(b"", 1, 100)), whole);
    assert_eq!(script.node.usage().response_bytes, 0);
    let small = notification(token, 101, 2, b"2", 20);
    let (incoming, _) = say(&mut script.node, T0, "peer", &small);
    assert!(matches!(
        incoming,
        Some(Incoming::Notification {
            observing: true,
            ..
        })
    ));
    script.node.cancel(T0, id);
    script.rest();
}

/// A response without Observe is the last one of an observation (RFC 7641 §3.2), in blocks too.
#[test]
fn a_last_notification_in_blocks_ends_the_observation_whole_or_not() {
    let last = |token| -> Vec<u8> {
        of_body(b"1", 0, 100)
            .finish(MessageType::NonConfirmable, 100, token)
            .into()
    };
    let (mut script, token) = observing();
    notify_in_blocks(&mut script, &last(token));
    let read = MessageRef::parse(&script.asked).unwrap();
    let second: Vec<u8> = of_body(b"1", 1, 100)
        .finish(
            MessageType::Acknowledgement,
            read.message_id(),
            read.token(),
        )
        .into();
    let (incoming, _) = say(&mut script.node, T0, "peer", &second);
    assert!(matches!(
        incoming,
        Some(Incoming::Notification { body: got, observing: false, .. }) if *got == body(100)
    ));
    script.rest();

    let (mut script, token) = observing();
    let id = script.id;
    notify_in_blocks(&mut script, &last(token));
    let read = MessageRef::parse(&script.asked).unwrap();
    let error: Vec<u8> = response(Code::NOT_FOUND, b"")
        .finish(
            MessageType::Acknowledgement,
            read.message_id(),
            read.token(),
        )
        .into();
    assert!(say(&mut script.node, T0, "peer", &error).0.is_none());
    assert!(matches!(
        script.node.poll_event(),
        Some(Event::NotificationLost {
            request,
            reason: FailureReason::Blocks,
            observing: false,
            ..
        }) if request == id
    ));
    assert_eq!(script.node.usage().requests, 0);
    script.rest();
}

/// The last response is being assembled: no other is expected.
#[test]
fn what_comes_after_the_last_notification_is_ignored() {
    let (mut script, token) = observing();
    let last = of_body(b"1", 0, 100).finish(MessageType::NonConfirmable, 100, token);
    notify_in_blocks(&mut script, last.as_ref());
    for length in [20, 150] {
        let late = notification(token, 100 + length as u16, 9, b"2", length);
        let (incoming, said) = say(&mut script.node, T0, "peer", &late);
        assert!(incoming.is_none() && said.is_empty());
    }
    let read = MessageRef::parse(&script.asked).unwrap();
    let (id, token) = (read.message_id(), read.token());
    let second: Vec<u8> = of_body(b"1", 1, 100)
        .finish(MessageType::Acknowledgement, id, token)
        .into();
    let (incoming, _) = say(&mut script.node, T0, "peer", &second);
    assert!(matches!(
        incoming,
        Some(Incoming::Notification { body: got, observing: false, .. }) if *got == body(100)
    ));
    script.rest();
}

/// It is newer than the notification whose blocks are being fetched, which is dropped.
#[test]
fn a_last_notification_in_blocks_ends_the_transfer_of_an_older_one() {
    let (mut script, token) = observing();
    notify_in_blocks(&mut script, &notification(token, 100, 2, b"1", 150));
    let older = script.asked.clone();
    let last = of_body(b"2", 0, 100).finish(MessageType::NonConfirmable, 101, token);
    let (incoming, said) = say(&mut script.node, T0, "peer", last.as_ref());
    assert!(incoming.is_none());
    // The older request is no longer outstanding, so the newer one is sent at once.
    assert_eq!(said.len(), 1);
    assert_eq!(words(&said[0]), SECOND);
    assert_eq!(script.node.usage().requests, 2);
    let answer = |asked: &[u8], etag, length| -> Vec<u8> {
        let read = MessageRef::parse(asked).unwrap();
        of_body(etag, 1, length)
            .finish(
                MessageType::Acknowledgement,
                read.message_id(),
                read.token(),
            )
            .into()
    };
    let late = answer(&older, b"1", 150);
    let (incoming, said_then) = say(&mut script.node, T0, "peer", &late);
    assert!(incoming.is_none() && said_then.is_empty());
    let second = answer(&said[0], b"2", 100);
    let (incoming, _) = say(&mut script.node, T0, "peer", &second);
    assert!(matches!(
        incoming,
        Some(Incoming::Notification { body: got, observing: false, .. }) if *got == body(100)
    ));
    assert_eq!(script.node.usage().response_bytes, 0);
    script.rest();
}
