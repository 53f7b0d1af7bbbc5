//! The Bootstrap-Request, and the time until the Finish (TS 5.2.3.3, 5.2.7.1).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat};
use lwm2m_kit::account;
use lwm2m_statemachine::{
    ClientEvent, Session,
    client::{BootstrapFailure, BootstrapState},
    coap::{MessageBuf, MessageType, Token},
};

use super::{Station, delete, discover, finish, has, of_bootstrap, put, tree, write};
use crate::{
    hosts::open,
    support::{Sent, get},
};

const DAY: u32 = 86_400;
/// RFC 7252 §4.8.2.
const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// Before EXCHANGE_LIFETIME is over (RFC 7252 §4.8.2), by a millisecond.
const JUST_BEFORE: Duration = Duration::from_millis(246_999);

/// A Client whose Bootstrap-Request is sent.
fn requesting() -> (Station, Sent) {
    let mut station = Station::started(tree([]));
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    (station, request)
}

fn failed(station: &mut Station) -> (BootstrapFailure, Duration) {
    let events = station.events();
    let failed = events.iter().find_map(|event| match event {
        ClientEvent::BootstrapFailed {
            reason,
            retry: Some(retry),
            ..
        } => Some((*reason, retry.saturating_duration_since(station.now))),
        _ => None,
    });
    failed.unwrap_or_else(|| panic!("not failed: {events:?}"))
}

/// Sends an empty acknowledgement of a request.
fn acknowledge(station: &mut Station, request: &Sent) {
    let id = request.message().message_id();
    let wire = MessageBuf::new(Code::EMPTY).finish(MessageType::Acknowledgement, id, Token::EMPTY);
    station.datagram(request.to, wire.as_ref());
}

/// Answers a request by a message of its own.
fn answer_later(station: &mut Station, request: &Sent, code: Code) {
    let token = request.message().token();
    let wire = MessageBuf::response(code).finish(MessageType::Confirmable, 0x4444, token);
    station.datagram(request.to, wire.as_ref());
}

#[test]
fn a_refused_request_is_repeated_later_each_time_and_on_a_new_connection() {
    let (mut station, mut request) = requesting();
    let mut least = Duration::from_secs(40);
    for _ in 0..4 {
        let link = station.bootstrap_link();
        station.answer_code(&request, Code::BAD_REQUEST);
        let (reason, wait) = failed(&mut station);
        assert_eq!(reason, BootstrapFailure::Refused(Code::BAD_REQUEST));
        assert!(wait >= least, "{wait:?}");
        assert_eq!(station.linked(), [], "the connection ends");
        let until = station.now + wait;
        let now = station.now;
        let state = station.client.bootstrapping().state(now);
        assert_eq!(state, BootstrapState::Waiting { until });
        station.pass(wait);
        assert_ne!(station.bootstrap_link(), link);
        station.connect(of_bootstrap(), Session::New);
        request = station.bootstrap_request();
        least *= 2;
    }
}

#[test]
fn a_request_without_an_answer_is_repeated_sooner() {
    let (mut station, _) = requesting();
    station.pass(Duration::from_secs(93));
    let sent = station.sent();
    assert!(sent.iter().all(|(_, sent)| sent.path() == "/bs"));
    let events = station.events();
    let [
        ClientEvent::BootstrapFailed {
            reason: BootstrapFailure::Timeout,
            retry: Some(retry),
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert!(retry.saturating_duration_since(station.now) <= Duration::from_secs(5));
    station.pass(Duration::from_secs(5));
    assert_eq!(station.linked(), [of_bootstrap()]);
}

/// RFC 7252 §5.9.3.4.
#[test]
fn a_server_that_is_busy_is_not_asked_before_its_max_age_is_over() {
    let (mut station, request) = requesting();
    let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    answer.max_age(600).unwrap();
    station.answer(&request, answer);
    let (_, wait) = failed(&mut station);
    assert!(wait >= Duration::from_secs(600), "{wait:?}");
}

#[test]
fn a_connection_that_can_not_be_made_is_asked_for_again() {
    let mut station = Station::started(tree([]));
    station.lose(of_bootstrap());
    let (reason, wait) = failed(&mut station);
    assert_eq!(reason, BootstrapFailure::Disconnected);
    assert!(wait <= Duration::from_secs(5));
    station.pass(wait);
    assert_eq!(station.linked(), [of_bootstrap()]);
}

#[test]
fn a_reset_is_no_answer() {
    let (mut station, request) = requesting();
    let id = request.message().message_id();
    let wire = MessageBuf::new(Code::EMPTY).finish(MessageType::Reset, id, Token::EMPTY);
    station.datagram(request.to, wire.as_ref());
    assert_eq!(failed(&mut station).0, BootstrapFailure::Reset);
}

#[test]
fn the_answer_may_be_a_message_of_its_own() {
    let (mut station, request) = requesting();
    acknowledge(&mut station, &request);
    assert_eq!(station.events(), []);
    station.pass(Duration::from_secs(20));
    answer_later(&mut station, &request, Code::CHANGED);
    let (_, acknowledgement) = station.only();
    assert_eq!(acknowledgement.kind(), MessageType::Acknowledgement);
    assert!(matches!(
        station.events()[..],
        [ClientEvent::BootstrapStarted { .. }]
    ));
    station.write_account(open("one", 101, DAY));
    station.finish();
}

#[test]
fn commands_before_the_answer_are_valid() {
    let (mut station, request) = requesting();
    station.delete("/0");
    assert!(matches!(
        station.events()[..],
        [ClientEvent::BootstrapStarted { .. }]
    ));
    station.write_account(open("one", 101, DAY));
    station.answer_code(&request, Code::CHANGED);
    assert_eq!(station.events(), []);
    station.finish();
    station.finished();
}

/// Without security, the rest of a bootstrap that was given up can't be told from the beginning of another one. The
/// answer to the new request shows that the Bootstrap-Server has begun anew.
#[test]
fn the_rest_of_a_bootstrap_that_was_rolled_back_is_not_taken_for_another_one() {
    let mut station = Station::begun();
    station.delete("/0");
    let now = station.now;
    station.client.bootstrapping().begin(now).unwrap();
    station.events();
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    let (security, server) = open("one", 101, DAY);
    let link = station.bootstrap_link();
    for (id, old) in [
        (1, write(1, security)),
        (2, write(10, server)),
        (3, finish()),
    ] {
        let wire = old.finish(MessageType::Confirmable, id, Token::EMPTY);
        station.datagram(link, wire.as_ref());
        assert!(station.is_silent(), "no acknowledgement");
    }
    assert_eq!(station.events(), []);
    station.answer_code(&request, Code::CHANGED);
    station.delete("/0");
    // Nothing of it is on its way any more.
    station.lose(of_bootstrap());
    station.pass(EXCHANGE_LIFETIME);
    let now = station.now;
    station.client.bootstrapping().begin(now).unwrap();
    station.events();
    station.connect(of_bootstrap(), Session::New);
    station.bootstrap_request();
    station.delete("/0");
}

/// Whether the request was received, the commands have told.
#[test]
fn a_bootstrap_needs_no_answer_once_there_are_commands() {
    let (mut station, _) = requesting();
    station.delete("/0");
    for _ in 0..2 {
        station.pass(Duration::from_secs(60));
        station.sent();
        station.delete("/0");
    }
    station.write_account(open("one", 101, DAY));
    station.finish();
    let events = station.events();
    assert!(matches!(
        events[..],
        [
            ClientEvent::BootstrapStarted { .. },
            ClientEvent::BootstrapFinished { .. }
        ]
    ));
}

#[test]
fn a_refusal_after_commands_ends_the_bootstrap() {
    let (mut station, request) = requesting();
    let before = station.snapshot();
    station.write_account(open("one", 101, DAY));
    station.answer_code(&request, Code::BAD_REQUEST);
    let (reason, _) = failed(&mut station);
    assert_eq!(reason, BootstrapFailure::Refused(Code::BAD_REQUEST));
    assert_eq!(station.snapshot(), before);
}

/// TS 5.2.3.3, step 2.
#[test]
fn without_a_command_the_time_counts_from_the_answer() {
    let mut station = Station::begun();
    station.pass(JUST_BEFORE);
    assert_eq!(station.linked(), [of_bootstrap()]);
    station.pass(Duration::from_millis(1));
    assert_eq!(failed(&mut station).0, BootstrapFailure::NotFinished);
    assert_eq!(station.linked(), []);
}

/// TS 5.2.3.3, step 2: a refused command is one, and so are a Discover and a Finish that is answered 4.06.
#[test]
fn each_command_begins_the_time_anew() {
    let (security, _) = open("one", 101, DAY);
    for (command, code) in [
        (write(1, security), Code::CHANGED),
        (delete("/0"), Code::DELETED),
        (discover("/"), Code::CONTENT),
        (finish(), Code::NOT_ACCEPTABLE),
        (delete("/77"), Code::BAD_REQUEST),
        (get("/bs"), Code::BAD_REQUEST),
        (
            put("/3/0", ContentFormat::new(60), b"x"),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
    ] {
        let mut station = Station::begun();
        station.pass(Duration::from_secs(200));
        assert_eq!(station.code(command), code);
        station.pass(JUST_BEFORE);
        assert_eq!(station.linked(), [of_bootstrap()], "{code}");
        station.events();
        station.pass(Duration::from_millis(1));
        assert_eq!(failed(&mut station).0, BootstrapFailure::NotFinished);
    }
}

/// A repetition of a command isn't run again, and has the same answer (RFC 7252 §4.5).
#[test]
fn a_command_that_is_repeated_is_run_once() {
    let mut station = Station::begun();
    let (security, _) = open("one", 101, DAY);
    let link = station.bootstrap_link();
    let wire = write(1, security).finish(MessageType::Confirmable, 9, Token::EMPTY);
    station.datagram(link, wire.as_ref());
    let (_, first) = station.only();
    station.delete("/0");
    station.datagram(link, wire.as_ref());
    assert_eq!(station.only().1.bytes, first.bytes);
    assert!(!has(&station, "/0/1"));
}

/// The answer to the Finish is lost: the Bootstrap-Server repeats its Finish, and learns that all is well.
#[test]
fn a_finish_that_is_repeated_has_the_same_answer() {
    let mut station = Station::begun();
    station.write_account(open("one", 101, DAY));
    let link = station.bootstrap_link();
    let wire = finish().finish(MessageType::Confirmable, 9, Token::EMPTY);
    station.datagram(link, wire.as_ref());
    let (of, first) = station.only();
    assert_eq!((of, first.code()), (of_bootstrap(), Code::CHANGED));
    station.finished();
    station.pass(Duration::from_secs(40));
    station.datagram(link, wire.as_ref());
    let sent = station.sent();
    assert!(sent.iter().any(|(_, sent)| sent.bytes == first.bytes));
    assert_eq!(station.events(), []);
    // It takes no other commands: another bootstrap is another session (TS 5.2.5).
    let wire = delete("/1/10").finish(MessageType::Confirmable, 10, Token::EMPTY);
    station.datagram(link, wire.as_ref());
    assert!(station.sent().iter().all(|(of, _)| *of == account(1)));
    assert!(has(&station, "/1/10"));
}
