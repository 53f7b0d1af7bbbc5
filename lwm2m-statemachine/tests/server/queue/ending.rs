//! Every operation ends exactly once, by its deadline.

use core::time::Duration;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Outcome, ServerEvent,
    server::{CallError, Overload},
};

use super::world::{AWAKE, SILENCE, Sleeper, outcomes};
use crate::support::{Request, World, path};

#[test]
fn an_operation_ends_a_day_later_unless_the_application_says_otherwise() {
    let mut client = Sleeper::with("b=UQ", |_| {});
    client.fall_asleep();
    let day = client.now + Duration::from_secs(86_400);
    let [late, early] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let soon = client.now + Duration::from_secs(30);
    client.server.waiting().set_deadline(early, soon).unwrap();
    let deadlines: Vec<_> = client
        .server
        .queued(client.id)
        .map(|queued| queued.deadline)
        .collect();
    assert_eq!(deadlines, [day, soon]);
    client.pass(Duration::from_secs(30));
    let sent = false;
    assert_eq!(client.outcome(early), Outcome::DeadlinePassed { sent });
    assert_eq!(client.queued(), [(late, path("/3/0/9"))]);
    let again = client.server.waiting().set_deadline(early, day);
    assert_eq!(again, Err(CallError::UnknownOperation));
}

#[test]
fn a_deadline_ends_what_is_under_way_and_the_next_one_is_sent() {
    let mut client = Sleeper::awake();
    let [first, _] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let request = client.sent_one();
    let soon = client.now + Duration::from_secs(1);
    client.server.waiting().set_deadline(first, soon).unwrap();
    client.pass(Duration::from_secs(1));
    let sent = true;
    assert_eq!(client.outcome(first), Outcome::DeadlinePassed { sent });
    assert_eq!(client.sent_one().path(), "/3/0/13");
    // The answer comes too late to be an outcome.
    client.answer_code(&request, Code::NOT_FOUND);
    assert!(client.events().is_empty());
}

#[test]
fn a_client_falls_asleep_when_what_kept_it_awake_ends_at_its_deadline() {
    let mut client = Sleeper::awake();
    client.pass(AWAKE.saturating_sub(Duration::from_secs(1)));
    let operation = client.read("/3/0/9");
    client.read("/3/0/13");
    let soon = client.now + Duration::from_secs(10);
    client
        .server
        .waiting()
        .set_deadline(operation, soon)
        .unwrap();
    let sent = client.pass_sending(Duration::from_secs(10));
    assert!(matches!(
        client.events()[..],
        [ServerEvent::Answered { .. }, ServerEvent::Asleep { .. }]
    ));
    assert!(!sent.is_empty() && sent.iter().all(|sent| sent.path() == "/3/0/9"));
}

#[test]
fn an_operation_for_a_client_that_is_not_in_queue_mode_may_have_a_deadline() {
    let mut client = Sleeper::with("b=U", |_| {});
    let operation = client.read("/3/0/9");
    let soon = client.now + Duration::from_secs(1);
    client
        .server
        .waiting()
        .set_deadline(operation, soon)
        .unwrap();
    client.pass(Duration::from_secs(1));
    let sent = true;
    assert_eq!(client.outcome(operation), Outcome::DeadlinePassed { sent });
    // One with a deadline that has another outcome has no other.
    let operation = client.read("/3/0/9");
    client
        .server
        .waiting()
        .set_deadline(operation, soon + AWAKE)
        .unwrap();
    let request = client.sent().pop().unwrap();
    client.answer_code(&request, Code::NOT_FOUND);
    assert!(matches!(client.outcome(operation), Outcome::Refused { .. }));
    client.pass(AWAKE);
    assert!(client.events().is_empty());
}

#[test]
fn what_waits_ends_with_the_registration() {
    // De-registered.
    let mut client = Sleeper::asleep();
    let operations = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let gone = operations.map(|operation| (operation, Outcome::ClientGone));
    let location = client.location.clone();
    client.request(&Request {
        method: Method::Delete,
        path: &["rd", &location],
        queries: &[],
        payload: b"",
        format: None,
        ..Request::default()
    });
    let events = client.events();
    assert_eq!(outcomes(&events), gone);
    assert!(matches!(events[2..], [ServerEvent::Deregistered { .. }]));
    // Nothing is left.
    let usage = client.server.usage();
    assert_eq!((usage.held, usage.held_bytes, usage.awake), (0, 0, 0));

    // Its lifetime is over, which is shorter than the deadline.
    let mut client = Sleeper::asleep();
    let operations = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let deadline = client.now + Duration::from_secs(200_000);
    for operation in operations {
        client
            .server
            .waiting()
            .set_deadline(operation, deadline)
            .unwrap();
    }
    let gone = operations.map(|operation| (operation, Outcome::ClientGone));
    client.pass(Duration::from_secs(86_400));
    let events = client.events();
    assert_eq!(outcomes(&events), gone);
    assert!(matches!(events[2..], [ServerEvent::Expired { .. }]));
    assert_eq!(client.server.poll_timeout(), None);

    // Evicted.
    let mut client = Sleeper::with("b=UQ", |config| config.bounds.registrations = 1);
    client.fall_asleep();
    let operation = client.read("/3/0/9");
    client.request(&Request {
        from: 9,
        queries: &["ep=other", "lt=60", "lwm2m=1.0"],
        ..Request::default()
    });
    let events = client.events();
    assert_eq!(outcomes(&events), [(operation, Outcome::ClientGone)]);
    assert!(matches!(events[1], ServerEvent::Evicted { .. }));
}

#[test]
fn a_client_that_leaves_while_it_is_awake_is_forgotten() {
    let mut client = Sleeper::awake();
    let (id, location) = (client.id, client.location.clone());
    let time = Some(Duration::from_secs(500));
    client.server.waiting().set_awake_time(id, time).unwrap();
    client.wake();
    assert_eq!(client.server.usage().awake, 1);
    client.request(&Request {
        method: Method::Delete,
        path: &["rd", &location],
        queries: &[],
        payload: b"",
        format: None,
        ..Request::default()
    });
    assert!(matches!(client.event(), ServerEvent::Deregistered { .. }));
    assert_eq!(client.server.usage().awake, 0);
    client.pass(Duration::from_secs(1000));
    assert!(client.events().is_empty());
    assert_eq!(client.server.poll_timeout(), None);
}

#[test]
fn nothing_is_sent_to_a_client_whose_lifetime_is_over_though_it_would_be_awake() {
    let mut world = World::new();
    let (id, _) = world.register_as(&Request {
        queries: &["ep=device", "lt=60", "lwm2m=1.0", "b=UQ"],
        ..Request::default()
    });
    let now = world.now;
    let operations = ["/3/0/9", "/3/0/13"].map(|at| {
        let read = world.server.read(now, id, path(at), None);
        read.unwrap()
    });
    // The first one makes way for the second at the very moment at which the lifetime is over.
    let over = now + Duration::from_secs(60);
    let set = world.server.waiting().set_deadline(operations[0], over);
    assert_eq!(set, Ok(()));
    world.sent_one();
    world.now = over;
    // A datagram of somebody else comes before the server is told of the time.
    world.deliver(9, &[]);
    assert!(world.sent().is_empty());
    world.server.handle_timeout(over);
    assert!(world.sent().is_empty());
    let events = world.events();
    let passed = Outcome::DeadlinePassed { sent: true };
    assert_eq!(
        outcomes(&events),
        [
            (operations[0], passed),
            (operations[1], Outcome::ClientGone)
        ]
    );
    assert!(matches!(events.last(), Some(ServerEvent::Expired { .. })));
}

#[test]
fn before_a_server_is_dropped_each_operation_can_have_its_outcome() {
    let mut client = Sleeper::awake();
    let operations = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    client.sent();
    let now = client.now;
    client.server.waiting().cancel_all(now);
    let [first, second] = operations;
    let cancelled = |sent| Outcome::Cancelled { sent };
    assert_eq!(
        outcomes(&client.events()),
        [(first, cancelled(true)), (second, cancelled(false))]
    );
    assert!(client.sent().is_empty());
    assert_eq!(client.server.usage().operations, 0);
}

#[test]
fn as_much_waits_as_the_bounds_allow() {
    let fill = |configure: fn(&mut lwm2m_statemachine::ServerConfig)| {
        let mut client = Sleeper::with("b=UQ", configure);
        client.fall_asleep();
        let mut held = 0;
        loop {
            let (now, id) = (client.now, client.id);
            match client.server.read(now, id, path("/3/0/9"), None) {
                Ok(_) => held += 1,
                Err(error) => break (client, held, error),
            }
        }
    };
    let (_, held, error) = fill(|_| {});
    assert_eq!(
        (held, error),
        (64, CallError::Overload(Overload::Operations(64)))
    );
    let (_, held, error) = fill(|config| config.queue_mode.operations = 5);
    assert_eq!((held, error), (5, CallError::Overload(Overload::Held(5))));
    let too_much = CallError::Overload(Overload::HeldBytes(2000));
    let (_, held, error) = fill(|config| config.queue_mode.bytes_per_client = 2000);
    assert!(
        error == too_much && (2..20).contains(&held),
        "{held} {error}"
    );
    let (mut client, all, error) = fill(|config| config.queue_mode.bytes = 2000);
    assert_eq!((all, error), (held, too_much));
    // What ends makes room.
    let usage = client.server.usage();
    assert!(usage.held_bytes <= 2000 && usage.held == all);
    let (operation, _) = client.queued()[0];
    let now = client.now;
    client.server.waiting().cancel(now, operation).unwrap();
    client.read("/3/0/9");
    let after = client.server.usage();
    assert_eq!(
        (after.held, after.held_bytes),
        (usage.held, usage.held_bytes)
    );
}

#[test]
fn a_refused_call_leaves_nothing_behind() {
    let mut client = Sleeper::with("b=UQ", |config| config.queue_mode.operations = 0);
    client.fall_asleep();
    let before = client.server.usage();
    let too_much = Err(CallError::Overload(Overload::Held(0)));
    assert_eq!(client.observe(), too_much);
    assert_eq!(client.server.usage(), before);
    client.pass(SILENCE);
    assert!(client.events().is_empty());
}
