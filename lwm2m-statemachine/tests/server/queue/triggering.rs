//! A client that sleeps over UDP is woken by SMS when something waits for it (UQS; TS Table 8, 8.4).

use core::time::Duration;

use lwm2m_core::{Arguments, Code};
use lwm2m_kit::instance;
use lwm2m_statemachine::{
    Channel, Identity, OperationId, Outcome, RegistrationId, ServerEvent,
    coap::MessageBuf,
    server::{CallError, Overload, Presence, UpdateTrigger},
};

use super::world::{SILENCE, Sleeper, outcomes, paths};
use crate::support::{Peer, Sent, path};

/// Where the number of the client leads to.
const NUMBER: Peer = 50;
/// How long a request over SMS waits for its answer: both may take three minutes.
const ROUND_TRIP: Duration = Duration::from_secs(362);

fn set(sleeper: &mut Sleeper, trigger: Option<UpdateTrigger<Peer>>) -> Result<(), CallError> {
    let (now, id) = (sleeper.now, sleeper.id);
    sleeper.server.waiting().set_trigger(now, id, trigger)
}

/// A client that is awake, and is woken when something waits.
fn awake() -> Sleeper {
    let mut sleeper = Sleeper::with("b=UQS", |_| {});
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    sleeper
}

/// One that is asleep.
fn asleep() -> Sleeper {
    let mut sleeper = awake();
    sleeper.fall_asleep();
    sleeper
}

/// The trigger that the server has just sent by itself.
fn triggered(sleeper: &mut Sleeper) -> (OperationId, Sent) {
    let request = sleeper.sent_one();
    assert_eq!((request.to, &*request.path()), (NUMBER, "/1/0/8"));
    match sleeper.event() {
        ServerEvent::Triggered {
            registration,
            operation,
        } => {
            assert_eq!(registration, sleeper.id);
            (operation, request)
        }
        event => panic!("{event:?}"),
    }
}

fn answer(sleeper: &mut Sleeper, request: &Sent, code: Code) {
    sleeper.channel = Channel::Sms;
    sleeper.answer_code(request, code);
    sleeper.channel = Channel::Udp;
}

fn assert_quiet(sleeper: &mut Sleeper) {
    assert_eq!(paths(&sleeper.sent()), [""; 0]);
    let events = sleeper.events();
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn a_client_that_sleeps_is_woken_by_sms_when_something_waits() {
    let mut sleeper = asleep();
    let read = sleeper.read("/3/0");
    let (trigger, request) = triggered(&mut sleeper);
    assert_eq!(request.code(), Code::POST);
    assert_eq!(sleeper.queued(), [(read, path("/3/0"))]);
    answer(&mut sleeper, &request, Code::CHANGED);
    assert_eq!(sleeper.outcome(trigger), Outcome::Changed);
    assert_eq!(sleeper.presence(), Presence::Asleep);
    let sent = sleeper.wake();
    assert_eq!((sent[0].to, paths(&sent)), (1, vec!["/3/0".to_owned()]));
    sleeper.answer(&sent[0], MessageBuf::response(Code::NOT_FOUND));
    sleeper.outcome(read);
    let usage = sleeper.server.usage();
    assert_eq!((usage.triggers, usage.operations), (1, 0));
}

#[test]
fn no_client_is_woken_unless_the_application_wants_that() {
    let mut sleeper = Sleeper::with("b=UQS", |_| {});
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    assert_quiet(&mut sleeper);

    let mut sleeper = asleep();
    set(&mut sleeper, None).unwrap();
    sleeper.read("/3/0");
    assert_quiet(&mut sleeper);
    assert_eq!(sleeper.server.usage().triggers, 0);
}

#[test]
fn a_client_that_is_awake_is_not_woken() {
    let mut sleeper = awake();
    sleeper.read("/3/0");
    sleeper.read("/3/1");
    assert_eq!(paths(&sleeper.sent()), ["/3/0"]);
    assert_quiet(&mut sleeper);
}

#[test]
fn a_client_that_has_answered_is_woken_once_in_a_sleep() {
    let mut sleeper = asleep();
    sleeper.read("/3/0");
    let (trigger, request) = triggered(&mut sleeper);
    sleeper.read("/3/1");
    assert_quiet(&mut sleeper);
    answer(&mut sleeper, &request, Code::BAD_REQUEST);
    let refused = Outcome::Refused {
        code: Code::BAD_REQUEST,
    };
    assert_eq!(sleeper.outcome(trigger), refused);
    sleeper.pass(ROUND_TRIP);
    sleeper.read("/3/2");
    assert_quiet(&mut sleeper);
    assert_eq!(sleeper.server.usage().triggers, 1);
}

/// A trigger isn't sent again (TS 8.6.2), and what waits goes on. A short message may be lost, so another
/// operation is another try.
#[test]
fn a_client_that_does_not_answer_is_woken_for_the_next_operation() {
    let mut sleeper = asleep();
    let read = sleeper.read("/3/0");
    let (trigger, _) = triggered(&mut sleeper);
    let now = sleeper.now;
    let deadline = now + Duration::from_secs(3600);
    let mut waiting = sleeper.server.waiting();
    waiting.set_deadline(read, deadline).unwrap();
    sleeper.read("/3/1");
    assert_quiet(&mut sleeper);
    assert_eq!(sleeper.pass_sending(ROUND_TRIP), []);
    assert_eq!(sleeper.outcome(trigger), Outcome::Timeout);
    assert_quiet(&mut sleeper);
    sleeper.read("/3/2");
    let (second, _) = triggered(&mut sleeper);
    sleeper.read("/3/3");
    assert_quiet(&mut sleeper);
    assert_eq!(sleeper.pass_sending(ROUND_TRIP), []);
    assert_eq!(sleeper.outcome(second), Outcome::Timeout);
    let left = deadline.saturating_duration_since(sleeper.now);
    assert_eq!(sleeper.pass_sending(left), []);
    let passed = Outcome::DeadlinePassed { sent: false };
    assert_eq!(sleeper.outcome(read), passed);
    assert_eq!(sleeper.queued().len(), 3);
    assert_eq!(sleeper.server.usage().triggers, 2);
}

/// Or else a client that can't be reached over UDP would cost a short message every few minutes.
#[test]
fn a_client_is_woken_once_for_the_same_operations() {
    let mut sleeper = awake();
    let read = sleeper.read("/3/0");
    sleeper.sent_one();
    sleeper.read("/3/1");
    sleeper.pass(SILENCE);
    let request = sleeper.sent_one();
    assert_eq!(request.to, NUMBER);
    let events = sleeper.events();
    assert!(
        matches!(
            events[..],
            [ServerEvent::Asleep { .. }, ServerEvent::Triggered { .. }]
        ),
        "{events:?}"
    );
    for _ in 0..3 {
        assert_eq!(paths(&sleeper.wake()), ["/3/0"]);
        let sent = sleeper.pass_sending(SILENCE);
        assert!(sent.iter().all(|sent| sent.to == 1), "{sent:?}");
        assert_eq!(sleeper.presence(), Presence::Asleep);
    }
    sleeper.events();
    assert_eq!(sleeper.queued()[0].0, read);
    // For another operation it is woken.
    sleeper.read("/3/2");
    assert_eq!(sleeper.sent_one().to, NUMBER);
    assert_eq!(sleeper.server.usage().triggers, 2);
}

#[test]
fn what_waits_already_has_the_client_woken_when_the_application_says_how() {
    let mut sleeper = Sleeper::with("b=UQS", |_| {});
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    assert_quiet(&mut sleeper);
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    triggered(&mut sleeper);
    // It is the same sleep.
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER + 1))).unwrap();
    sleeper.read("/3/1");
    assert_quiet(&mut sleeper);
}

#[test]
fn a_trigger_of_the_application_is_that_of_the_sleep() {
    let mut sleeper = asleep();
    let (now, id) = (sleeper.now, sleeper.id);
    let mut by_sms = sleeper.server.by_sms(id, NUMBER);
    by_sms.trigger_update(now, instance(0)).unwrap();
    sleeper.sent_one();
    sleeper.read("/3/0");
    assert_quiet(&mut sleeper);
    // One to a client that is awake isn't.
    let mut sleeper = awake();
    let (now, id) = (sleeper.now, sleeper.id);
    let mut by_sms = sleeper.server.by_sms(id, NUMBER);
    let trigger = by_sms.trigger_update(now, instance(0)).unwrap();
    let request = sleeper.sent_one();
    answer(&mut sleeper, &request, Code::CHANGED);
    assert_eq!(sleeper.outcome(trigger), Outcome::Changed);
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    triggered(&mut sleeper);
}

fn trigger_by_application(sleeper: &mut Sleeper) -> OperationId {
    let (now, id) = (sleeper.now, sleeper.id);
    let mut by_sms = sleeper.server.by_sms(id, NUMBER);
    by_sms.trigger_update(now, instance(0)).unwrap()
}

#[test]
fn a_trigger_of_the_application_is_that_of_the_sleep_before_the_server_is_to_wake_the_client() {
    let mut sleeper = Sleeper::with("b=UQS", |_| {});
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    trigger_by_application(&mut sleeper);
    sleeper.sent_one();
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    assert_quiet(&mut sleeper);
    sleeper.read("/3/1");
    assert_quiet(&mut sleeper);
    // In the next sleep it is woken.
    let sent = sleeper.wake();
    sleeper.answer_code(&sent[0], Code::NOT_FOUND);
    sleeper.pass(SILENCE);
    let sent = sleeper.sent();
    assert_eq!(sent.last().map(|sent| sent.to), Some(NUMBER));
}

#[test]
fn a_trigger_of_the_application_that_is_not_answered_is_none_of_the_sleep() {
    let mut sleeper = asleep();
    let lost = trigger_by_application(&mut sleeper);
    sleeper.sent_one();
    sleeper.pass(ROUND_TRIP);
    assert_eq!(sleeper.outcome(lost), Outcome::Timeout);
    sleeper.read("/3/0");
    triggered(&mut sleeper);
}

/// What an earlier sleep has left says nothing about this one.
#[test]
fn the_silence_after_a_trigger_of_another_sleep_has_nobody_woken() {
    let mut sleeper = asleep();
    sleeper.read("/3/0");
    let (lost, _) = triggered(&mut sleeper);
    let sent = sleeper.wake();
    sleeper.answer_code(&sent[0], Code::NOT_FOUND);
    sleeper.events();
    sleeper.fall_asleep();
    sleeper.pass(ROUND_TRIP.saturating_sub(2 * SILENCE));
    trigger_by_application(&mut sleeper);
    sleeper.sent_one();
    sleeper.pass(2 * SILENCE);
    assert_eq!(sleeper.outcome(lost), Outcome::Timeout);
    sleeper.read("/3/1");
    assert_quiet(&mut sleeper);
}

#[test]
fn a_client_is_woken_once_in_a_sleep_though_the_application_starts_over() {
    let mut sleeper = asleep();
    sleeper.read("/3/0");
    let (trigger, request) = triggered(&mut sleeper);
    for read in ["/3/1", "/3/2"] {
        set(&mut sleeper, None).unwrap();
        set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
        sleeper.read(read);
        assert_quiet(&mut sleeper);
    }
    answer(&mut sleeper, &request, Code::CHANGED);
    assert_eq!(sleeper.outcome(trigger), Outcome::Changed);
    set(&mut sleeper, None).unwrap();
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    assert_quiet(&mut sleeper);
}

/// The server knows its own Server Object Instance only where the client lists a single one.
#[test]
fn the_trigger_is_that_of_the_instance_that_is_listed_alone_or_is_given() {
    for (links, given, expected) in [
        ("</1/4>,</3/0>", None, Ok("/1/4/8")),
        ("</1>;ver=\"1.0\",</1/4>", None, Ok("/1/4/8")),
        ("</1/4>,</1/5>", None, Err(CallError::NoServerInstance)),
        ("</3/0>", None, Err(CallError::NoServerInstance)),
        ("</1>,</3/0>", None, Err(CallError::NoServerInstance)),
        ("</1/4>,</1/5>", Some(instance(5)), Ok("/1/5/8")),
        ("</3/0>", Some(instance(0)), Ok("/1/0/8")),
        ("</l>;rt=\"oma.lwm2m\",</l/1/4>", None, Ok("/l/1/4/8")),
    ] {
        let mut sleeper = Sleeper::with("b=UQS", |_| {});
        sleeper.register_anew(&["b=UQS"], links);
        sleeper.fall_asleep();
        let mut trigger = UpdateTrigger::new(NUMBER);
        trigger.server_instance = given;
        let is_set = set(&mut sleeper, Some(trigger));
        assert_eq!(is_set, expected.map(|_| ()), "{links}");
        sleeper.read("/3/0");
        let sent = paths(&sleeper.sent());
        assert_eq!(sent, Vec::from_iter(expected.ok()), "{links}");
    }
}

#[test]
fn nothing_is_sent_while_the_instance_of_the_server_is_not_known_any_more() {
    let mut sleeper = awake();
    sleeper.update(&[], "</1/0>,</1/1>,</3/0>");
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    assert_quiet(&mut sleeper);
    sleeper.update(&[], "</1/0>,</3/0>");
    sleeper.pass(SILENCE);
    assert_eq!(sleeper.sent_one().to, NUMBER);
}

#[test]
fn only_a_client_with_the_binding_uqs_is_woken() {
    let mut sleeper = Sleeper::awake();
    let by = UpdateTrigger::new(NUMBER);
    assert_eq!(set(&mut sleeper, Some(by)), Err(CallError::NoSms));
    let gone = RegistrationId::clone(&sleeper.id);
    sleeper.register_anew(&["b=UQS"], "</1/0>");
    let now = sleeper.now;
    let of_gone = sleeper.server.waiting().set_trigger(now, gone, Some(by));
    assert_eq!(of_gone, Err(CallError::UnknownRegistration));
    // In SQ it sleeps over SMS as well; with UQ it has none. Nothing waits for the others.
    for (binding, is_woken) in [("UQ", false), ("SQ", false), ("UQS", true)] {
        let mut sleeper = awake();
        sleeper.update(&[&format!("b={binding}")], "");
        sleeper.fall_asleep();
        sleeper.read("/3/0");
        let sent = sleeper.sent();
        assert_eq!(sent.len(), usize::from(is_woken), "{binding}");
    }
}

#[test]
fn who_is_woken_is_forgotten_with_the_number_of_the_client_and_not_with_the_registration() {
    let number = "sms=4917";
    for (queries, is_woken) in [(&["b=UQS"][..], true), (&["b=UQS", number], false)] {
        let mut sleeper = awake();
        sleeper.register_anew(queries, "</1/0>");
        sleeper.events();
        sleeper.fall_asleep();
        sleeper.read("/3/0");
        assert_eq!(sleeper.sent().len(), usize::from(is_woken), "{queries:?}");
    }
    let mut sleeper = awake();
    sleeper.update(&[number], "");
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    assert_quiet(&mut sleeper);
}

#[test]
fn a_client_whose_session_is_gone_is_woken_for_what_was_under_way() {
    let mut sleeper = Sleeper::made("b=UQS", Identity::Psk(b"device"), |_| {});
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    let read = sleeper.read("/3/0");
    assert_eq!(sleeper.sent_one().to, 1);
    let now = sleeper.now;
    sleeper.server.peer_gone(now, &1);
    assert_eq!(sleeper.sent_one().to, NUMBER);
    assert_eq!(sleeper.queued(), [(read, path("/3/0"))]);
}

/// The bound of operations counts what the application has asked for.
#[test]
fn a_client_is_woken_however_many_operations_wait() {
    let mut sleeper = Sleeper::with("b=UQS", |config| config.bounds.operations = 1);
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    triggered(&mut sleeper);
    let (now, id) = (sleeper.now, sleeper.id);
    let full = sleeper.server.read(now, id, path("/3/1"), None);
    assert_eq!(full, Err(CallError::Overload(Overload::Operations(1))));
}

#[test]
fn a_trigger_under_way_takes_no_room_of_the_operations() {
    let mut sleeper = Sleeper::with("b=UQS", |config| config.bounds.operations = 2);
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    sleeper.fall_asleep();
    let full = Err(CallError::Overload(Overload::Operations(2)));
    sleeper.read("/3/0");
    let (trigger, request) = triggered(&mut sleeper);
    sleeper.read("/3/1");
    let (now, id) = (sleeper.now, sleeper.id);
    let third = sleeper.server.read(now, id, path("/3/2"), None);
    assert_eq!(third, full);
    // Nor does it leave any when it has ended.
    answer(&mut sleeper, &request, Code::CHANGED);
    assert_eq!(sleeper.outcome(trigger), Outcome::Changed);
    let third = sleeper.server.read(now, id, path("/3/2"), None);
    assert_eq!(third, full);
}

#[test]
fn a_trigger_without_room_is_tried_again_with_the_next_operation() {
    let mut sleeper = Sleeper::with("b=UQS", |config| config.coap.bounds.requests_per_peer = 1);
    set(&mut sleeper, Some(UpdateTrigger::new(NUMBER))).unwrap();
    sleeper.fall_asleep();
    let (now, id) = (sleeper.now, sleeper.id);
    let mut by_sms = sleeper.server.by_sms(id, NUMBER);
    let none = Arguments::NONE;
    let blocking = by_sms.execute(now, path("/3/0/4"), &none).unwrap();
    let request = sleeper.sent_one();
    sleeper.read("/3/0");
    assert_quiet(&mut sleeper);
    answer(&mut sleeper, &request, Code::CHANGED);
    sleeper.outcome(blocking);
    sleeper.read("/3/1");
    triggered(&mut sleeper);
}

#[test]
fn a_trigger_that_is_not_answered_ends_with_the_next() {
    let mut sleeper = asleep();
    sleeper.read("/3/0");
    let (first, _) = triggered(&mut sleeper);
    let sent = sleeper.wake();
    sleeper.answer_code(&sent[0], Code::NOT_FOUND);
    sleeper.events();
    sleeper.fall_asleep();
    sleeper.read("/3/0");
    sleeper.sent_one();
    let events = sleeper.events();
    assert_eq!(
        outcomes(&events),
        [(first, Outcome::Cancelled { sent: true })]
    );
    assert!(
        matches!(events[1], ServerEvent::Triggered { operation, .. } if operation != first),
        "{events:?}"
    );
    assert_eq!(sleeper.server.usage().operations, 2);
}

#[test]
fn a_trigger_ends_with_the_registration_and_none_is_sent_after_its_time() {
    let mut sleeper = asleep();
    let read = sleeper.read("/3/0");
    let (trigger, _) = triggered(&mut sleeper);
    let (_, events) = sleeper.register_anew(&["b=UQS"], "</1/0>,</3/0>");
    assert_eq!(outcomes(&events), [(trigger, Outcome::ClientGone)]);
    sleeper.pass(SILENCE);
    sleeper.events();
    assert_eq!(sleeper.queued().len(), 1);
    assert_eq!(sleeper.queued()[0].0, read);
    let (now, id) = (sleeper.now, sleeper.id);
    sleeper.sent();
    let expiry = sleeper.server.registration(id).unwrap().expires_at();
    sleeper.now = expiry.max(now);
    let (now, id) = (sleeper.now, sleeper.id);
    let late = sleeper.server.read(now, id, path("/3/0"), None);
    assert_eq!(late, Err(CallError::UnknownRegistration));
    assert!(sleeper.sent().is_empty());
    assert_eq!(sleeper.server.usage().operations, 0);
}
