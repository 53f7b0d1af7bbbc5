//! Failed exchanges with a client, with or without its answers: each is reported with its reason
//! (TS 5.4, 5.5; RFC 7959).

use alloc::collections::BTreeSet;
use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Instant, Value, WriteMode, codec::Content};
use lwm2m_statemachine::{
    Channel, ObservationId, Outcome, RegistrationId, ServerEvent,
    coap::{BlockOption, FailureReason, MessageBuf, MessageType, OptionNumber, Token},
    server::{AnswerError, EndReason},
};

use crate::support::{Request, Sent, World, path};

/// A server with one client that lives long enough for all timeouts, with room for a response body
/// of 1,000 bytes, which may take 200 seconds, and for 1,100 bytes of them in all.
fn world(channel: Channel) -> (World, RegistrationId) {
    let mut world = World::with(|config| {
        config.coap.bounds.body = 1000;
        config.coap.bounds.responses.bytes = 1100;
        config.coap.transfer_deadline = Duration::from_secs(200);
    });
    world.channel = channel;
    let (id, _) = world.register_as(&Request {
        queries: &["ep=device", "lt=86400", "lwm2m=1.0"],
        ..Request::default()
    });
    (world, id)
}

/// Block `number` of a text, of 64 bytes; more follow.
fn block(number: u32) -> MessageBuf {
    part(number, true, ContentFormat::TEXT, &[b'7'; 64])
}

fn part(number: u32, more: bool, format: ContentFormat, payload: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.content_format(format).unwrap();
    message
        .block2(BlockOption::new(number, more, 64).unwrap())
        .unwrap()
        .payload(payload);
    message
}

/// A first block that announces this many bytes.
fn announcing(size: u32) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message
        .block2(BlockOption::new(0, true, 64).unwrap())
        .unwrap();
    message.uint(OptionNumber::SIZE2, size).unwrap();
    message.payload(&[b'7'; 64]);
    message
}

/// What a client does with the request for the second block.
type Act = fn(&mut World, &Sent);

/// How a client can spoil an answer in blocks, and how that is reported.
const SPOILT: [(FailureReason, Act); 8] = [
    (FailureReason::Timeout, |world, _| {
        world.pass(Duration::from_secs(100));
    }),
    (FailureReason::Reset, |world, asked| world.reset(asked)),
    // 48 bytes in a block of 64.
    (FailureReason::Blocks, |world, asked| {
        world.answer(asked, part(1, true, ContentFormat::TEXT, &[b'7'; 48]));
    }),
    // Another block than requested.
    (FailureReason::Blocks, |world, asked| {
        world.answer(asked, block(2));
    }),
    // A body that changes each time: the request begins again four times.
    (FailureReason::BodyChanged, |world, asked| {
        let other = part(1, true, ContentFormat::TLV, &[b'7'; 64]);
        world.answer(asked, other.clone());
        for _ in 0..4 {
            let first = world.sent_one();
            world.answer(&first, block(0));
            let second = world.sent_one();
            world.answer(&second, other.clone());
        }
    }),
    (FailureReason::TooLarge, |world, asked| {
        let mut asked = Sent::clone(asked);
        for number in 1..15 {
            world.answer(&asked, block(number));
            asked = world.sent_one();
        }
        world.answer(&asked, block(15));
    }),
    // A block every twenty seconds.
    (FailureReason::TooSlow, |world, asked| {
        let mut asked = Sent::clone(asked);
        for number in 1..11 {
            world.pass(Duration::from_secs(20));
            world.sent();
            world.answer(&asked, block(number));
            match world.sent().pop() {
                Some(next) => asked = next,
                None => break,
            }
        }
    }),
    // Another body has taken the room.
    (FailureReason::NoRoom, |world, asked| {
        let id = world.server.find("other").unwrap();
        world
            .server
            .read(world.now, id, path("/3/0"), None)
            .unwrap();
        let mut other = world.sent_one();
        for number in 0..15 {
            world.answer(&other, block(number));
            other = world.sent_one();
        }
        let mut asked = Sent::clone(asked);
        for number in 1..4 {
            world.answer(&asked, block(number));
            match world.sent().pop() {
                Some(next) => asked = next,
                None => break,
            }
        }
    }),
];

fn register_another(world: &mut World) {
    world.register_as(&Request {
        from: 2,
        queries: &["ep=other", "lt=86400", "lwm2m=1.0"],
        ..Request::default()
    });
}

/// How an operation ends that fails for this reason.
fn outcome_of(reason: FailureReason) -> Outcome {
    match reason {
        FailureReason::Timeout => Outcome::Timeout,
        FailureReason::Reset => Outcome::Reset,
        reason => Outcome::Failed { reason },
    }
}

#[test]
fn a_read_whose_blocks_cannot_be_had_ends_with_the_reason() {
    for (reason, spoil) in SPOILT {
        let (mut world, id) = world(Channel::Udp);
        register_another(&mut world);
        let operation = world.server.read(world.now, id, path("/3/0/0"), None);
        let asked = world.sent_one();
        world.answer(&asked, block(0));
        let asked = world.sent_one();
        spoil(&mut world, &asked);
        assert_eq!(world.outcome(operation.unwrap()), outcome_of(reason));
    }
}

#[test]
fn an_observe_whose_first_answer_cannot_be_had_ends_with_the_reason() {
    for (reason, spoil) in SPOILT {
        let (mut world, id) = world(Channel::Udp);
        register_another(&mut world);
        let operation = world.server.observe(world.now, id, path("/3/0/0"), None);
        let asked = world.sent_one();
        let mut first = MessageBuf::response(Code::CONTENT);
        first.observe(1).unwrap();
        first.content_format(ContentFormat::TEXT).unwrap();
        first
            .block2(BlockOption::new(0, true, 64).unwrap())
            .unwrap()
            .payload(&[b'7'; 64]);
        world.answer(&asked, first);
        let asked = world.sent_one();
        spoil(&mut world, &asked);
        assert_eq!(world.outcome(operation.unwrap()), outcome_of(reason));
        assert_eq!(world.server.usage().observations, 0);
    }
}

#[test]
fn an_answer_that_says_that_it_is_too_large_ends_the_operation_with_that_reason() {
    let (mut world, id) = world(Channel::Udp);
    let operation = world.server.read(world.now, id, path("/3/0/0"), None);
    let asked = world.sent_one();
    world.answer(&asked, announcing(1001));
    let reason = FailureReason::TooLarge;
    assert_eq!(
        world.outcome(operation.unwrap()),
        Outcome::Failed { reason }
    );
}

#[test]
fn an_answer_that_begins_in_the_middle_ends_the_operation_with_that_reason() {
    let (mut world, id) = world(Channel::Udp);
    let operation = world.server.read(world.now, id, path("/3/0/0"), None);
    let asked = world.sent_one();
    world.answer(&asked, block(1));
    let reason = FailureReason::Blocks;
    assert_eq!(
        world.outcome(operation.unwrap()),
        Outcome::Failed { reason }
    );
}

#[test]
fn a_block_that_cannot_be_asked_for_ends_the_operation_with_that_reason() {
    // Over SMS nothing waits for a free message id.
    let (mut world, id) = world(Channel::Sms);
    let operation = world.server.read(world.now, id, path("/3/0/0"), None);
    let asked = world.sent_one();
    while let Ok(other) = world.server.read(world.now, id, path("/3/0/9"), None) {
        let sent = world.sent_one();
        world.answer_code(&sent, Code::NOT_FOUND);
        world.outcome(other);
    }
    world.answer(&asked, block(0));
    let reason = FailureReason::NotSent;
    assert_eq!(
        world.outcome(operation.unwrap()),
        Outcome::Failed { reason }
    );
}

#[test]
fn a_write_whose_blocks_are_not_taken_as_blocks_ends_with_that_reason() {
    let (mut world, id) = world(Channel::Udp);
    let value = "x".repeat(2000);
    let content: Content = [(path("/3/0/15"), Value::from(&*value))]
        .into_iter()
        .collect();
    let operation = world.server.write(
        world.now,
        id,
        path("/3/0/15"),
        WriteMode::Replace,
        None,
        &content,
    );
    let asked = world.sent_one();
    assert!(asked.message().block1().is_some_and(BlockOption::more));
    // The client takes the first block for the whole.
    world.answer_code(&asked, Code::CHANGED);
    let reason = FailureReason::Blocks;
    assert_eq!(
        world.outcome(operation.unwrap()),
        Outcome::Failed { reason }
    );
}

/// An observation of `/3/0/0`, and the token of its notifications.
fn observing(world: &mut World, id: RegistrationId) -> (ObservationId, Token) {
    let operation = world.server.observe(world.now, id, path("/3/0/0"), None);
    let asked = world.sent_one();
    let mut first = MessageBuf::response(Code::CONTENT);
    first.observe(1).unwrap().payload(b"first");
    world.answer(&asked, first);
    match world.outcome(operation.unwrap()) {
        Outcome::Observing { observation, .. } => (observation, asked.message().token()),
        other => panic!("{other:?}"),
    }
}

/// A notification with the first block of its values; the last one has no Observe option.
fn notify(world: &mut World, token: Token, observe: Option<u32>) -> Sent {
    let mut message = MessageBuf::response(Code::CONTENT);
    if let Some(observe) = observe {
        message.observe(observe).unwrap();
    }
    message.content_format(ContentFormat::TEXT).unwrap();
    message
        .block2(BlockOption::new(0, true, 64).unwrap())
        .unwrap()
        .payload(&[b'7'; 64]);
    let id = 5000 + world.next_message_id();
    let wire = message.finish(MessageType::NonConfirmable, id, token);
    world.deliver(1, wire.as_ref());
    world.sent_one()
}

#[test]
fn a_notification_whose_blocks_cannot_be_had_is_told_with_the_reason_and_the_observation_goes_on() {
    for (reason, spoil) in SPOILT {
        let (mut world, id) = world(Channel::Udp);
        register_another(&mut world);
        let (observation, token) = observing(&mut world, id);
        let asked = notify(&mut world, token, Some(2));
        spoil(&mut world, &asked);
        match world.event() {
            ServerEvent::Notification {
                registration,
                observation: of,
                content,
            } => {
                assert_eq!((registration, of), (id, observation));
                assert_eq!(content, Err(AnswerError::Lost(reason)));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.server.usage().observations, 1);
        let mut next = MessageBuf::response(Code::CONTENT);
        next.observe(3).unwrap().payload(b"next");
        let message_id = 6000 + world.next_message_id();
        let wire = next.finish(MessageType::NonConfirmable, message_id, token);
        world.deliver(1, wire.as_ref());
        match world.event() {
            ServerEvent::Notification { content, .. } => {
                let expected = [(path("/3/0/0"), Value::from("next"))];
                assert_eq!(content, Ok(expected.into_iter().collect()));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_observation_whose_last_notification_cannot_be_had_ends_with_the_reason() {
    for (reason, spoil) in SPOILT {
        let (mut world, id) = world(Channel::Udp);
        register_another(&mut world);
        let (observation, token) = observing(&mut world, id);
        let asked = notify(&mut world, token, None);
        spoil(&mut world, &asked);
        match world.event() {
            ServerEvent::ObservationEnded {
                registration,
                observation: of,
                reason: told,
            } => {
                assert_eq!((registration, of), (id, observation));
                assert_eq!(told, EndReason::Lost(reason));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.server.usage().observations, 0);
    }
}

/// Time saturates: deadlines that are set from then on are due at once. A call does what was due
/// when it began, and not what follows from it.
#[test]
fn at_the_end_of_time_a_call_does_only_what_was_due() {
    const CLIENTS: u16 = 1100;
    let mut world = World::new();
    let mut waiting = BTreeSet::new();
    for from in 0..CLIENTS {
        let (id, _) = world.register_as(&Request {
            from,
            queries: &[&format!("ep=device-{from}"), "lt=4294967295", "lwm2m=1.0"],
            ..Request::default()
        });
        let (now, at) = (world.now, path("/3/0/9"));
        world.server.observe(now, id, at, None).unwrap();
        let request = world.sent_one();
        let mut response = MessageBuf::response(Code::CONTENT);
        response.observe(1).unwrap().payload(b"85");
        world.answer(&request, response);
        world.event();
        // One request is under way, and another one waits for it.
        world.server.read(now, id, at, None).unwrap();
        waiting.insert(world.server.observe(now, id, at, None).unwrap());
        world.sent_one();
    }
    world.now = Instant::MAX;
    let (mut answered, mut ended, mut expired) = (0, 0, 0);
    // More registrations than expire in one call, and what the next call forgets.
    for _ in 0..5 {
        world.server.handle_timeout(world.now);
        assert!(world.sent().len() <= usize::from(CLIENTS));
        for event in world.events() {
            match event {
                ServerEvent::Answered {
                    operation, outcome, ..
                } => {
                    // What began in this call doesn't time out in it.
                    let expected = if waiting.contains(&operation) {
                        Outcome::ClientGone
                    } else {
                        Outcome::Timeout
                    };
                    assert_eq!(outcome, expected);
                    answered += 1;
                }
                ServerEvent::ObservationEnded { .. } => ended += 1,
                ServerEvent::Expired { .. } => expired += 1,
                event => panic!("{event:?}"),
            }
        }
    }
    assert_eq!((answered, ended, expired), (2 * CLIENTS, CLIENTS, CLIENTS));
    assert_eq!(world.server.poll_timeout(), None);
    assert_eq!(world.server.usage(), World::new().server.usage());
}
