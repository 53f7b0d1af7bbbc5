//! Failed exchanges with a server: each is reported with its reason (TS 5.3; RFC 7959).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat};
use lwm2m_kit::account;
use lwm2m_objects::typed;
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, RegistrationFailure,
    coap::{BlockOption, FailureReason, MessageBuf, OptionNumber},
};

use crate::support::{Bench, Sent, server_id};

/// What a server does with a request.
type Act = fn(&mut Bench, &Sent, Code);

/// How a server can spoil its answer, and how that is reported.
const SPOILT: [(RegistrationFailure, Act); 8] = [
    (RegistrationFailure::Timeout, |bench, _, _| {
        bench.pass(Duration::from_secs(100));
    }),
    (RegistrationFailure::Reset, |bench, asked, _| {
        let [high, low] = asked.message().message_id().to_be_bytes();
        bench.datagram(&[0x70, 0, high, low]);
    }),
    (RegistrationFailure::Disconnected, |bench, _, _| {
        let (now, connection) = (bench.now, bench.connection);
        bench.client.disconnected(now, connection);
    }),
    // 48 bytes in a block of 64.
    (failed(FailureReason::Blocks), |bench, asked, code| {
        bench.answer(asked, block(code, 0, ContentFormat::TEXT, 48));
    }),
    (failed(FailureReason::TooLarge), |bench, asked, code| {
        let mut answer = MessageBuf::response(code);
        answer
            .block2(BlockOption::new(0, true, 64).unwrap())
            .unwrap();
        answer.uint(OptionNumber::SIZE2, 1001).unwrap();
        answer.payload(&[0; 64]);
        bench.answer(asked, answer);
    }),
    (failed(FailureReason::BodyChanged), |bench, asked, code| {
        bench.answer(asked, block(code, 0, ContentFormat::TEXT, 64));
        let next = bench.sent();
        bench.answer(&next, block(code, 1, ContentFormat::OPAQUE, 64));
    }),
    (failed(FailureReason::TooSlow), |bench, asked, code| {
        bench.answer(asked, block(code, 0, ContentFormat::TEXT, 64));
        bench.pass(Duration::from_secs(20));
    }),
    (failed(FailureReason::NoRoom), |bench, asked, code| {
        bench.answer(asked, block(code, 0, ContentFormat::TEXT, 64));
        let next = bench.sent();
        bench.answer(&next, block(code, 1, ContentFormat::TEXT, 64));
    }),
];

const fn failed(reason: FailureReason) -> RegistrationFailure {
    RegistrationFailure::Failed(reason)
}

/// A block of an answer; more follow.
fn block(code: Code, number: u32, format: ContentFormat, length: usize) -> MessageBuf {
    let mut answer = MessageBuf::response(code);
    answer.content_format(format).unwrap();
    answer
        .block2(BlockOption::new(number, true, 64).unwrap())
        .unwrap()
        .payload(&vec![0; length]);
    answer
}

/// A client that assembles answers of at most 1,000 bytes within 20 seconds, and has room for 100.
fn bench() -> Bench {
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.coap.bounds.body = 1000;
    config.coap.bounds.responses.bytes = 100;
    config.coap.transfer_deadline = Duration::from_secs(20);
    Bench::with_config(config, typed::Server::new(server_id(101), 86_400))
}

fn reason(bench: &mut Bench) -> Option<RegistrationFailure> {
    bench.events().into_iter().find_map(|event| match event {
        ClientEvent::RegistrationFailed { reason, .. }
        | ClientEvent::DeregisterFailed { reason, .. } => Some(reason),
        _ => None,
    })
}

#[test]
fn a_register_that_comes_to_nothing_is_told_with_the_reason() {
    for (expected, spoil) in SPOILT {
        let mut bench = bench();
        let register = bench.sent();
        spoil(&mut bench, &register, Code::CREATED);
        assert_eq!(reason(&mut bench), Some(expected));
    }
}

#[test]
fn an_update_that_comes_to_nothing_is_told_with_the_reason() {
    for (expected, spoil) in SPOILT {
        let mut bench = bench();
        bench.accept_register();
        bench.client.update(bench.now, account(0));
        let update = bench.sent();
        spoil(&mut bench, &update, Code::CHANGED);
        assert_eq!(reason(&mut bench), Some(expected));
    }
}

#[test]
fn a_deregister_that_comes_to_nothing_is_told_with_the_reason() {
    for (expected, spoil) in SPOILT {
        let mut bench = bench();
        bench.accept_register();
        bench.client.deregister(bench.now);
        let deregister = bench.sent();
        spoil(&mut bench, &deregister, Code::DELETED);
        assert_eq!(reason(&mut bench), Some(expected));
    }
}

/// A server that takes the first block for the whole list of Objects has not registered it.
#[test]
fn a_register_whose_blocks_are_not_taken_as_blocks_fails_for_that_reason() {
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.coap.block_size = 16;
    let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 86_400));
    let register = bench.sent();
    assert!(register.message().block1().is_some_and(BlockOption::more));
    bench.answer(&register, crate::support::created());
    assert_eq!(reason(&mut bench), Some(failed(FailureReason::Blocks)));
}
