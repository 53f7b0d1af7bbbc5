//! When a client is awake, and what is sent to it then.

use core::time::Duration;

use lwm2m_core::Code;
use lwm2m_statemachine::{
    Channel, OperationId, Outcome, RegistrationId, ServerEvent,
    coap::MessageBuf,
    server::{CallError, Presence},
};

use super::world::{AWAKE, SILENCE, Sleeper, outcomes, paths};
use crate::support::{Request, World, path};

#[test]
fn every_binding_with_queue_mode_queues_and_no_other_does() {
    for (binding, queues) in [
        ("b=U", false),
        ("b=UQ", true),
        ("b=S", false),
        ("b=SQ", true),
        ("b=US", false),
        ("b=UQS", true),
    ] {
        let mut client = Sleeper::with(binding, |_| {});
        client.pass(AWAKE);
        client.read("/3/0/9");
        assert_eq!(client.sent().is_empty(), queues, "{binding}");
        assert_eq!(client.presence() == Presence::Asleep, queues, "{binding}");
    }
}

#[test]
fn a_client_that_has_registered_is_awake_for_its_time_and_not_a_moment_longer() {
    for (before, sent) in [(1, 1), (0, 0)] {
        let mut client = Sleeper::awake();
        let until = client.now + AWAKE;
        assert_eq!(client.presence(), Presence::Awake { until });
        client.pass(AWAKE.saturating_sub(Duration::from_millis(before)));
        client.read("/3/0/9");
        assert_eq!(client.sent().len(), sent);
    }
}

#[test]
fn nothing_leaves_after_the_awake_time_though_the_server_was_not_called() {
    let mut client = Sleeper::awake();
    client.now += AWAKE;
    client.read("/3/0/9");
    assert!(client.sent().is_empty());
    let now = client.now;
    client.server.handle_timeout(now);
    assert!(matches!(client.event(), ServerEvent::Asleep { .. }));
}

#[test]
fn the_awake_time_is_configured_for_all_and_for_one() {
    let mut client = Sleeper::with("b=UQ", |config| {
        config.queue_mode.awake = Some(Duration::from_secs(20));
    });
    let until = client.now + Duration::from_secs(20);
    assert_eq!(client.presence(), Presence::Awake { until });
    let id = client.id;
    let time = Some(Duration::from_secs(5));
    client.server.waiting().set_awake_time(id, time).unwrap();
    client.wake();
    let until = client.now + Duration::from_secs(5);
    assert_eq!(client.presence(), Presence::Awake { until });
    client.register_anew(&["b=UQ"], "</3/0>");
    assert_eq!(client.presence(), Presence::Awake { until });
    let again = client.id;
    client.server.waiting().set_awake_time(again, None).unwrap();
    client.wake();
    let until = client.now + Duration::from_secs(20);
    assert_eq!(client.presence(), Presence::Awake { until });
    assert_eq!(
        client.server.waiting().set_awake_time(id, None),
        Err(CallError::UnknownRegistration)
    );
}

#[test]
fn what_waits_is_sent_in_order_and_one_at_a_time_once_the_client_is_awake() {
    let mut client = Sleeper::asleep();
    let all = ["/3/0/9", "/3/0/13", "/3/0/1"];
    let operations = all.map(|at| client.read(at));
    assert!(client.sent().is_empty() && client.events().is_empty());
    assert_eq!(client.queued().len(), 3);

    let (mut sent, events) = client.update(&[], "");
    assert!(matches!(
        events[..],
        [ServerEvent::Updated { .. }, ServerEvent::Awake { .. }]
    ));
    for (at, operation) in all.into_iter().zip(operations) {
        assert_eq!(paths(&sent), [at]);
        client.answer_code(&sent[0], Code::NOT_FOUND);
        let code = Code::NOT_FOUND;
        assert_eq!(client.outcome(operation), Outcome::Refused { code });
        sent = client.sent();
    }
    assert!(sent.is_empty());
    assert_eq!(client.server.usage().held, 0);
}

#[test]
fn a_call_to_a_client_that_is_awake_waits_for_the_answer_to_the_one_before() {
    let mut client = Sleeper::awake();
    client.read("/3/0/9");
    let first = client.sent_one();
    client.read("/3/0/13");
    assert!(client.sent().is_empty());
    client.answer_code(&first, Code::NOT_FOUND);
    assert_eq!(client.sent_one().path(), "/3/0/13");
}

#[test]
fn an_answer_a_reset_and_an_update_say_that_the_client_is_awake() {
    let mut client = Sleeper::awake();
    for act in [0, 1, 2] {
        client.pass(AWAKE / 2);
        client.read("/3/0/9");
        let request = client.sent_one();
        match act {
            0 => client.answer_code(&request, Code::NOT_FOUND),
            1 => client.reset(&request),
            _ => drop(client.wake()),
        }
        let until = client.now + AWAKE;
        assert_eq!(client.presence(), Presence::Awake { until });
    }
    // Whoever is awake doesn't wake.
    let events = client.events();
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, ServerEvent::Awake { .. }))
    );
}

#[test]
fn a_notification_says_that_the_client_is_awake() {
    let mut client = Sleeper::awake();
    let operation = client.observe().unwrap();
    let request = client.sent_one();
    let mut response = MessageBuf::response(Code::CONTENT);
    response.observe(1).unwrap().payload(b"85");
    client.answer(&request, response);
    assert!(matches!(
        client.outcome(operation),
        Outcome::Observing { .. }
    ));
    client.fall_asleep();
    client.read("/3/0/13");
    assert!(client.sent().is_empty());

    client.notify(request.message().token(), 2, "84");
    assert_eq!(client.sent_one().path(), "/3/0/13");
    assert!(matches!(
        client.events()[..],
        [ServerEvent::Awake { .. }, ServerEvent::Notification { .. }]
    ));
}

#[test]
fn a_client_does_not_fall_asleep_while_an_exchange_is_open() {
    let mut client = Sleeper::awake();
    client.pass(AWAKE.saturating_sub(Duration::from_secs(10)));
    let operation = client.read("/3/0/9");
    let request = client.pass_sending(Duration::from_secs(20)).remove(0);
    assert!(client.events().is_empty());
    client.answer_code(&request, Code::NOT_FOUND);
    assert!(matches!(client.outcome(operation), Outcome::Refused { .. }));
    let until = client.now + AWAKE;
    assert_eq!(client.presence(), Presence::Awake { until });
}

#[test]
fn a_request_without_answer_says_that_the_client_is_asleep() {
    let mut client = Sleeper::awake();
    client.pass(AWAKE / 2);
    client.read("/3/0/9");
    client.read("/3/0/13");
    let until = client.now + SILENCE;
    let sent = client.pass_sending(SILENCE);
    assert!(matches!(client.events()[..], [ServerEvent::Asleep { .. }]));
    // The first one and its retransmissions, and nothing of the second one.
    assert_eq!(paths(&sent), ["/3/0/9"; 5]);
    assert_eq!((client.presence(), client.now), (Presence::Asleep, until));
    assert!(client.pass_sending(Duration::from_secs(3600)).is_empty());
}

/// Two clients are reached at one peer, as behind a gateway. A request to the one, which isn't in Queue
/// Mode, is under way; one to the other, which is, waits for that at the endpoint.
fn gateway() -> (World, RegistrationId, OperationId) {
    let mut world = World::new();
    let register = |world: &mut World, queries: &[&str]| {
        let request = Request {
            queries,
            ..Request::default()
        };
        world.register_as(&request).0
    };
    let other = register(&mut world, &["ep=other", "lt=86400", "lwm2m=1.0"]);
    let id = register(&mut world, &["ep=device", "lt=86400", "lwm2m=1.0", "b=UQ"]);
    world.pass(Duration::from_secs(60));
    let (now, at) = (world.now, path("/3/0/9"));
    world.server.read(now, other, at, None).unwrap();
    let operation = world.server.read(now, id, path("/3/0/13"), None).unwrap();
    (world, id, operation)
}

#[test]
fn what_waits_for_its_turn_at_the_endpoint_does_not_leave_after_the_awake_time() {
    let (mut world, id, operation) = gateway();
    let mut sent = world.pass_sending(Duration::from_secs(31));
    assert!(matches!(world.events()[..], [ServerEvent::Asleep { .. }]));
    sent.extend(world.pass_sending(SILENCE));
    assert_eq!(paths(&sent), ["/3/0/9"; 5]);
    let queued: Vec<_> = world.server.queued(id).collect();
    assert_eq!(queued[0].operation, operation);
    assert!(!queued[0].was_sent && !queued[0].is_under_way);
}

#[test]
fn what_waits_for_its_turn_does_not_leave_though_the_server_is_called_late() {
    // The answer that lets it have its turn comes when the client is asleep already.
    let (mut world, id, _) = gateway();
    let request = world.sent_one();
    world.now += Duration::from_secs(31);
    world.answer_code(&request, Code::NOT_FOUND);
    assert!(world.sent().is_empty());
    assert_eq!(world.server.presence(id), Some(Presence::Asleep));

    // The server isn't called before the request has failed that goes first.
    let (mut world, id, _) = gateway();
    world.sent_one();
    world.now += SILENCE;
    let now = world.now;
    world.server.handle_timeout(now);
    assert!(world.sent().is_empty());
    assert_eq!(world.server.presence(id), Some(Presence::Asleep));
}

#[test]
fn a_body_in_blocks_that_waits_for_its_turn_does_not_leave_after_the_awake_time() {
    let mut world = World::with(|config| config.coap.block_size = 16);
    let other = world.register_as(&Request {
        queries: &["ep=other", "lt=86400", "lwm2m=1.0"],
        ..Request::default()
    });
    let (id, _) = world.register_as(&Request {
        queries: &["ep=device", "lt=86400", "lwm2m=1.0", "b=UQ"],
        ..Request::default()
    });
    world.pass(Duration::from_secs(60));
    let now = world.now;
    world
        .server
        .read(now, other.0, path("/3/0/9"), None)
        .unwrap();
    let content = lwm2m_core::codec::Content::from_iter([(
        path("/3/0/15"),
        lwm2m_core::Value::from("Antarctica/Troll, or any other that takes two blocks"),
    )]);
    let mode = lwm2m_core::WriteMode::Replace;
    world
        .server
        .write(now, id, path("/3/0/15"), mode, None, &content)
        .unwrap();
    let sent = world.pass_sending(AWAKE + SILENCE);
    assert_eq!(paths(&sent), ["/3/0/9"; 5]);
    assert!(!world.server.queued(id).next().unwrap().was_sent);
}

#[test]
fn a_client_by_sms_queues_as_one_by_udp_does() {
    let mut world = World::new();
    world.channel = Channel::Sms;
    let (id, _) = world.register_as(&Request {
        queries: &["ep=device", "lt=86400", "lwm2m=1.0", "b=SQ"],
        ..Request::default()
    });
    let now = world.now;
    world.server.read(now, id, path("/3/0/9"), None).unwrap();
    assert_eq!(world.sent().len(), 1);
    // An answer over SMS may take two times three minutes, and PROCESSING_DELAY.
    world.pass(Duration::from_secs(361));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert!(matches!(world.events()[..], [ServerEvent::Asleep { .. }]));
    assert!(world.sent().is_empty());
    assert!(world.server.queued(id).next().unwrap().was_sent);
}

#[test]
fn only_a_client_that_is_reachable_by_sms_while_it_sleeps_may_be_woken_so() {
    for (binding, number, may_be) in [
        ("b=UQS", "sms=491712345678", true),
        ("b=UQ", "sms=491712345678", false),
        ("b=SQ", "sms=491712345678", false),
        ("b=US", "sms=491712345678", false),
    ] {
        let mut world = World::new();
        let (id, _) = world.register_as(&Request {
            queries: &["ep=device", "lt=60", "lwm2m=1.0", binding, number],
            ..Request::default()
        });
        let told = world.server.registration(id).unwrap().trigger_number();
        let told = told.map(|number| number.as_str().to_owned());
        assert_eq!(told, may_be.then(|| "491712345678".to_owned()), "{binding}");
    }
}

#[test]
fn a_client_that_is_not_in_queue_mode_is_never_awake_or_asleep() {
    let mut client = Sleeper::with("b=U", |_| {});
    assert_eq!(client.presence(), Presence::Always);
    let operations = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    assert_eq!((client.queued().len(), client.server.usage().held), (0, 0));
    client.pass(SILENCE + SILENCE);
    let events = client.events();
    let ended = operations.map(|operation| (operation, Outcome::Timeout));
    assert_eq!(outcomes(&events), ended);
    assert_eq!((events.len(), client.server.usage().awake), (2, 0));
}
