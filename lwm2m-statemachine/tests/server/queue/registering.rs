//! A client that registers anew, and one whose Binding or Objects change.

use core::time::Duration;

use lwm2m_core::{Code, WriteMode};
use lwm2m_statemachine::{
    Outcome, ServerEvent,
    coap::{FailureReason, MessageBuf},
    server::Presence,
};

use super::world::{AWAKE, SILENCE, Sleeper, outcomes, paths};
use crate::support::path;

const LINKS: &str = "</1/0>,</3/0>";

#[test]
fn what_is_under_way_when_a_client_registers_anew_ends_and_what_waits_goes_on() {
    let mut client = Sleeper::awake();
    let old = client.id;
    let [under_way, waiting] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let deadline = client.now + Duration::from_secs(86_400);
    client.sent();
    let (sent, events) = client.register_anew(&["b=UQ"], LINKS);
    assert_eq!(outcomes(&events), [(under_way, Outcome::ClientGone)]);
    assert!(matches!(
        events[1..],
        [
            ServerEvent::Replaced { .. },
            ServerEvent::Registered { .. },
            ServerEvent::Awake { .. }
        ]
    ));
    assert_eq!(paths(&sent), ["/3/0/13"]);
    // It keeps its handle, by which it is found, and its deadline.
    let queued: Vec<_> = client.server.queued(client.id).collect();
    assert_eq!(
        (queued[0].operation, queued[0].deadline),
        (waiting, deadline)
    );
    assert_eq!(waiting.registration(), old);
    client.answer_code(&sent[0], Code::NOT_FOUND);
    match client.event() {
        ServerEvent::Answered {
            registration,
            operation,
            ..
        } => assert_eq!((registration, operation), (client.id, waiting)),
        event => panic!("{event:?}"),
    }
}

#[test]
fn an_operation_that_goes_on_is_cancelled_by_its_handle() {
    let mut client = Sleeper::asleep();
    let [first, second] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    client.register_anew(&["b=UQ"], LINKS);
    client.register_anew(&["b=UQ"], LINKS);
    let now = client.now;
    // The first one was under way, and not any more.
    assert!(client.server.waiting().cancel(now, first).is_err());
    client.server.waiting().cancel(now, second).unwrap();
    let events = client.events();
    assert!(matches!(outcomes(&events)[..], [(id, Outcome::Cancelled { .. })] if id == second));
}

#[test]
fn what_was_not_answered_before_goes_on_too_and_a_post_does_not() {
    let mut client = Sleeper::awake();
    let write = client.write("Troll", WriteMode::Replace);
    client.pass(SILENCE);
    client.sent();
    client.events();
    let reboot = client.reboot();
    let (sent, events) = client.register_anew(&["b=UQ"], LINKS);
    assert!(outcomes(&events).is_empty());
    assert_eq!(paths(&sent), ["/3/0/15"]);
    client.answer_code(&sent[0], Code::CHANGED);
    assert_eq!(outcomes(&client.events()), [(write, Outcome::Changed)]);
    // It is sent for the first time, and then ends with the registration.
    assert_eq!(client.sent_one().path(), "/3/0/4");
    let (sent, events) = client.register_anew(&["b=UQ"], LINKS);
    assert_eq!(outcomes(&events), [(reboot, Outcome::ClientGone)]);
    assert!(sent.is_empty());
}

#[test]
fn a_cancellation_ends_when_the_client_registers_anew() {
    let mut client = Sleeper::awake();
    let operation = client.observe().unwrap();
    let request = client.sent_one();
    let mut response = MessageBuf::response(Code::CONTENT);
    response.observe(1).unwrap().payload(b"85");
    client.answer(&request, response);
    let Outcome::Observing { observation, .. } = client.outcome(operation) else {
        panic!("it isn't observed");
    };
    client.fall_asleep();
    let now = client.now;
    let operation = client.server.cancel_observation(now, observation).unwrap();
    client.events();
    let (sent, events) = client.register_anew(&["b=UQ"], LINKS);
    assert_eq!(outcomes(&events), [(operation, Outcome::ClientGone)]);
    let ended = |event: &ServerEvent<u16>| matches!(event, ServerEvent::ObservationEnded { .. });
    assert!(!events.iter().any(ended) && sent.is_empty());
    assert_eq!(client.server.usage().observations, 0);
}

#[test]
fn what_was_made_for_another_path_or_version_is_outdated() {
    for (links, outdated) in [
        (LINKS, [false, false]),
        ("</1/0>,</3/0>,</5/0>", [false, false]),
        ("</3>;ver=1.1,</1/0>,</3/0>", [true, false]),
        (
            "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/1/0>,</lwm2m/3/0>",
            [true, true],
        ),
    ] {
        for anew in [false, true] {
            let mut client = Sleeper::asleep();
            let operations = ["/3/0/9", "/1/0/1"].map(|at| client.read(at));
            let (_, events) = if anew {
                client.register_anew(&["b=UQ"], links)
            } else {
                client.update(&[], links)
            };
            let expected = operations.into_iter().zip(outdated);
            let expected = expected.filter(|(_, is_outdated)| *is_outdated);
            let expected: Vec<_> = expected.map(|(id, _)| (id, Outcome::Outdated)).collect();
            assert_eq!(outcomes(&events), expected, "{links} {anew}");
        }
    }
}

#[test]
fn a_binding_that_ends_queue_mode_has_what_waits_sent() {
    let update: fn(&mut Sleeper) -> _ = |client| client.update(&["b=U"], "");
    let register: fn(&mut Sleeper) -> _ = |client| client.register_anew(&["b=U"], LINKS);
    for act in [update, register] {
        let mut client = Sleeper::asleep();
        let operations = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
        let (mut sent, events) = act(&mut client);
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, ServerEvent::Awake { .. }))
        );
        assert_eq!(client.presence(), Presence::Always);
        // Both are with the endpoint, which sends one after the other (NSTART).
        let queued = client.server.queued(client.id);
        assert!(queued.into_iter().all(|queued| queued.is_under_way));
        for operation in operations {
            client.answer_code(&sent[0], Code::NOT_FOUND);
            let code = Code::NOT_FOUND;
            let ended = outcomes(&client.events());
            assert_eq!(ended, [(operation, Outcome::Refused { code })]);
            sent = client.sent();
        }
        // One without answer isn't repeated.
        let operation = client.read("/3/0/9");
        client.pass(SILENCE);
        assert_eq!(client.outcome(operation), Outcome::Timeout);
    }
}

#[test]
fn what_was_sent_in_queue_mode_and_is_not_answered_after_it_ends() {
    let mut client = Sleeper::asleep();
    let operation = client.read("/3/0/9");
    client.wake();
    client.update(&["b=U"], "");
    client.pass(SILENCE);
    assert_eq!(client.outcome(operation), Outcome::Timeout);
    assert_eq!(client.server.usage().held, 0);
}

#[test]
fn a_binding_that_begins_queue_mode_has_further_operations_wait() {
    let mut client = Sleeper::with("b=U", |_| {});
    let before = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let request = client.sent_one();
    let (_, events) = client.update(&["b=UQ"], "");
    assert!(matches!(
        events[..],
        [ServerEvent::Updated { .. }, ServerEvent::Awake { .. }]
    ));
    // What was made before goes on as it was, as long as the client is awake.
    client.answer_code(&request, Code::NOT_FOUND);
    assert!(matches!(client.outcome(before[0]), Outcome::Refused { .. }));
    let request = client.sent_one();
    client.answer_code(&request, Code::NOT_FOUND);
    assert!(matches!(client.outcome(before[1]), Outcome::Refused { .. }));
    client.pass(AWAKE);
    client.events();
    client.read("/3/0/9");
    assert!(client.sent().is_empty());
}

#[test]
fn what_was_made_before_queue_mode_and_was_not_sent_does_not_leave_after_the_awake_time() {
    let mut client = Sleeper::with("b=U", |config| {
        config.queue_mode.awake = Some(Duration::from_secs(20));
    });
    let [first, second] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let mut sent = client.sent();
    client.update(&["b=UQ"], "");
    sent.extend(client.pass_sending(AWAKE + SILENCE));
    let reason = FailureReason::NotSent;
    let events = client.events();
    let mut ended = outcomes(&events);
    ended.sort_by_key(|(operation, _)| *operation);
    assert_eq!(
        ended,
        [
            (first, Outcome::Timeout),
            (second, Outcome::Failed { reason })
        ]
    );
    assert_eq!(paths(&sent), ["/3/0/9"; 5]);
}

#[test]
fn another_client_in_the_same_place_has_nothing_of_it() {
    let mut client = Sleeper::asleep();
    let operation = client.read("/3/0/9");
    let location = client.location.clone();
    client.request(&crate::support::Request {
        method: lwm2m_core::Method::Delete,
        path: &["rd", &location],
        queries: &[],
        payload: b"",
        format: None,
        ..crate::support::Request::default()
    });
    client.events();
    let (other, _) = client.register_as(&crate::support::Request {
        from: 9,
        queries: &["ep=other", "lt=60", "lwm2m=1.0", "b=UQ"],
        ..crate::support::Request::default()
    });
    let now = client.now;
    let at = path("/3/0/9");
    let own = client.server.read(now, other, at, None).unwrap();
    assert!(client.server.waiting().cancel(now, operation).is_err());
    client.server.waiting().cancel(now, own).unwrap();
}
