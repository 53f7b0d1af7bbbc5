//! Requests over SMS to clients that sleep: over UDP, or over SMS as well (UQS, SQ; TS Table 8, 8.3, 8.4).

use core::time::Duration;

use lwm2m_core::{Code, Value, WriteMode, codec::Content};
use lwm2m_kit::instance;
use lwm2m_statemachine::{
    Channel, Identity, OperationId, Outcome, ServerEvent, coap::MessageBuf, server::Presence,
};

use super::world::{AWAKE, Sleeper, outcomes, paths};
use crate::support::{Peer, Sent, path};

/// Where the number of the client leads to.
const NUMBER: Peer = 50;

/// A client that has registered over UDP, is awake, and is reached over SMS at any time.
fn awake() -> Sleeper {
    Sleeper::with("b=UQS", |_| {})
}

/// One with a proven identity.
fn secure() -> Sleeper {
    Sleeper::made("b=UQS", Identity::Psk(b"device"), |_| {})
}

fn trigger(sleeper: &mut Sleeper) -> (OperationId, Sent) {
    let (now, id) = (sleeper.now, sleeper.id);
    let mut by_sms = sleeper.server.by_sms(id, NUMBER);
    let operation = by_sms.trigger_update(now, instance(0)).unwrap();
    let request = sleeper.sent_one();
    assert_eq!((request.to, &*request.path()), (NUMBER, "/1/0/8"));
    (operation, request)
}

fn by_sms(sleeper: &mut Sleeper, act: impl FnOnce(&mut Sleeper)) {
    sleeper.channel = Channel::Sms;
    act(sleeper);
    sleeper.channel = Channel::Udp;
}

#[test]
fn a_trigger_over_sms_does_not_wait_and_what_waits_is_sent_after_the_update() {
    let mut sleeper = awake();
    sleeper.fall_asleep();
    let read = sleeper.read("/3/0");
    assert!(sleeper.sent().is_empty());
    let (operation, request) = trigger(&mut sleeper);
    assert_eq!(sleeper.queued(), [(read, path("/3/0"))]);
    by_sms(&mut sleeper, |it| it.answer_code(&request, Code::CHANGED));
    assert_eq!(sleeper.outcome(operation), Outcome::Changed);
    assert_eq!(sleeper.presence(), Presence::Asleep);
    assert!(sleeper.sent().is_empty());
    let sent = sleeper.wake();
    assert_eq!((sent[0].to, paths(&sent)), (1, vec!["/3/0".to_owned()]));
}

#[test]
fn a_trigger_under_way_does_not_stop_what_is_held() {
    let mut sleeper = awake();
    trigger(&mut sleeper);
    let read = sleeper.read("/3/0");
    let request = sleeper.sent_one();
    assert_eq!(request.to, 1);
    sleeper.answer(&request, MessageBuf::response(Code::NOT_FOUND));
    sleeper.outcome(read);
}

#[test]
fn a_reset_over_sms_does_not_say_that_the_client_is_awake() {
    let mut sleeper = awake();
    sleeper.fall_asleep();
    let (operation, request) = trigger(&mut sleeper);
    by_sms(&mut sleeper, |it| it.reset(&request));
    assert_eq!(sleeper.outcome(operation), Outcome::Reset);
    assert_eq!(sleeper.presence(), Presence::Asleep);
}

#[test]
fn an_answer_over_sms_does_not_keep_a_client_awake() {
    let mut sleeper = awake();
    let until = sleeper.presence();
    let (operation, request) = trigger(&mut sleeper);
    sleeper.pass(AWAKE / 2);
    by_sms(&mut sleeper, |it| it.answer_code(&request, Code::CHANGED));
    assert_eq!(sleeper.outcome(operation), Outcome::Changed);
    assert_eq!(sleeper.presence(), until);
}

#[test]
fn silence_over_sms_does_not_say_that_the_client_is_asleep() {
    let mut sleeper = awake();
    let (operation, _) = trigger(&mut sleeper);
    sleeper.pass(Duration::from_secs(300));
    assert!(matches!(sleeper.event(), ServerEvent::Asleep { .. }));
    sleeper.wake();
    sleeper.pass(Duration::from_secs(62));
    assert_eq!(sleeper.outcome(operation), Outcome::Timeout);
    assert!(matches!(sleeper.presence(), Presence::Awake { .. }));
}

/// A second body to the same Resource waits at the endpoint for the first.
#[test]
fn what_waits_for_its_turn_over_sms_goes_on_while_the_client_sleeps() {
    let mut sleeper = awake();
    let (now, id, at) = (sleeper.now, sleeper.id, path("/3/0/15"));
    let long = "Europe/Berlin ".repeat(40);
    let content = Content::from_iter([(at, Value::from(long.as_str()))]);
    for _ in 0..2 {
        let mut by_sms = sleeper.server.by_sms(id, NUMBER);
        by_sms
            .write(now, at, WriteMode::Replace, None, &content)
            .unwrap();
    }
    assert_eq!(sleeper.sent_one().to, NUMBER);
    sleeper.fall_asleep();
}

#[test]
fn what_goes_over_sms_outlives_the_session() {
    let mut sleeper = secure();
    let read = sleeper.read("/3/0");
    assert_eq!(sleeper.sent_one().to, 1);
    let (operation, request) = trigger(&mut sleeper);
    sleeper.peer = 2;
    let (sent, events) = sleeper.update(&[], "");
    assert_eq!((sent[0].to, paths(&sent)), (2, vec!["/3/0".to_owned()]));
    assert_eq!(outcomes(&events), []);
    by_sms(&mut sleeper, |it| it.answer_code(&request, Code::CHANGED));
    assert_eq!(sleeper.outcome(operation), Outcome::Changed);
    sleeper.answer(&sent[0], MessageBuf::response(Code::NOT_FOUND));
    sleeper.outcome(read);
}

#[test]
fn what_goes_over_sms_outlives_a_client_that_is_gone() {
    let mut sleeper = secure();
    let (operation, request) = trigger(&mut sleeper);
    let (now, id) = (sleeper.now, sleeper.id);
    sleeper.server.client_gone(now, id);
    assert!(matches!(sleeper.event(), ServerEvent::Asleep { .. }));
    by_sms(&mut sleeper, |it| it.answer_code(&request, Code::CHANGED));
    assert_eq!(sleeper.outcome(operation), Outcome::Changed);
    assert_eq!(sleeper.presence(), Presence::Asleep);
}

/// TS Table 8: with SQ the client sleeps over SMS, too.
#[test]
fn what_is_asked_over_sms_of_a_client_that_sleeps_there_waits_until_it_is_awake() {
    let mut sleeper = Sleeper::with("b=SQ", |_| {});
    sleeper.fall_asleep();
    let (now, id, at) = (sleeper.now, sleeper.id, path("/3/0"));
    let read = sleeper.server.by_sms(id, NUMBER).read(now, at, None);
    assert!(sleeper.sent().is_empty());
    assert_eq!(sleeper.queued(), [(read.unwrap(), at)]);
    let sent = sleeper.wake();
    assert_eq!((sent[0].to, paths(&sent)), (1, vec!["/3/0".to_owned()]));
}
