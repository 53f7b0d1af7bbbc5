//! Which clients may register, how long a registration is kept, and which one goes when there is no
//! room.

use core::{cell::Cell, time::Duration};

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    Identity, Outcome, RegistrationId, Server, ServerConfig, ServerEvent,
    coap::MessageBuf,
    server::{EvictionReason, Host, NoSec, RefusalReason},
};
use proptest::{collection::vec, prelude::*};

use crate::support::{LINKS, Peer, Request, World, path};

/// How long a registration that has shown nothing is safe.
const PROBATION: Duration = Duration::from_secs(10);

/// The rest of a Register.
const LONG: [&str; 2] = ["lt=86400", "lwm2m=1.0"];

fn register(world: &mut World, from: Peer, name: &str) -> Code {
    register_as(world, from, name, Identity::None)
}

fn register_as(world: &mut World, from: Peer, name: &str, identity: Identity<'_>) -> Code {
    let name = format!("ep={name}");
    let reply = world.request(&Request {
        from,
        queries: &[&name, LONG[0], LONG[1]],
        identity,
        ..Request::default()
    });
    reply.code()
}

/// A client with a proven identity registers.
fn register_secured(world: &mut World, name: &str) -> Code {
    register_as(world, 999, name, Identity::Psk(name.as_bytes()))
}

/// A client registers, which is accepted.
fn registered(world: &mut World, from: Peer, name: &str) -> RegistrationId {
    assert_eq!(register(world, from, name), Code::CREATED, "{name}");
    world.events();
    world.server.find(name).unwrap()
}

fn update(world: &mut World, id: RegistrationId, queries: &[&str], payload: &[u8]) -> Code {
    let registration = world.server.registration(id).unwrap();
    let (from, location) = (*registration.peer(), registration.location().to_string());
    let token = location.rsplit('/').next().unwrap().to_owned();
    let request = Request {
        from,
        path: &["rd", &token],
        queries,
        payload,
        format: None,
        ..Request::default()
    };
    world.request(&request).code()
}

/// The client answers a Read.
fn answer_a_read(world: &mut World, id: RegistrationId) {
    let operation = world.server.read(world.now, id, path("/3/0/9"), None);
    let request = world.sent_one();
    let mut response = MessageBuf::response(Code::CONTENT);
    response.payload(b"85");
    world.answer(&request, response);
    assert!(matches!(
        world.outcome(operation.unwrap()),
        Outcome::Content(_)
    ));
}

/// The registered names.
fn names(world: &World) -> Vec<String> {
    let registrations = world.server.registrations();
    let mut names: Vec<_> = registrations
        .map(|(_, registration)| registration.endpoint_name().to_owned())
        .collect();
    names.sort();
    names
}

/// The evicted registrations of these events, with the reasons.
fn evicted(events: &[ServerEvent<Peer>]) -> Vec<(&str, EvictionReason)> {
    let evicted = |event| match event {
        &ServerEvent::Evicted {
            ref was, reason, ..
        } => Some((was.endpoint_name(), reason)),
        _ => None,
    };
    events.iter().filter_map(evicted).collect()
}

#[test]
fn who_proved_an_identity_takes_the_place_of_who_has_shown_the_least() {
    let mut world = World::with(|config| config.bounds.registrations = 4);
    for name in ["a", "b", "c", "d"] {
        registered(&mut world, 1, name);
    }
    let [updated, answered] = ["a", "c"].map(|name| world.server.find(name).unwrap());
    assert_eq!(update(&mut world, updated, &[], b""), Code::CHANGED);
    world.events();
    answer_a_read(&mut world, answered);
    let confirmed = |world: &World, name| {
        let id = world.server.find(name).unwrap();
        world.server.registration(id).unwrap().is_confirmed()
    };
    assert_eq!(
        ["a", "b", "c", "d"].map(|name| confirmed(&world, name)),
        [true, false, true, false]
    );
    // Those that have shown nothing, oldest first; then, of the others, those without an Update.
    for (name, goes) in [("1", "b"), ("2", "d"), ("3", "c"), ("4", "a")] {
        assert_eq!(register_secured(&mut world, name), Code::CREATED);
        assert!(confirmed(&world, name));
        let events = world.events();
        assert_eq!(evicted(&events), [(goes, EvictionReason::Registrations)]);
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(matches!(events[1], ServerEvent::Registered { .. }));
    }
    assert_eq!(names(&world), ["1", "2", "3", "4"]);
    // A registration with a proven identity stays.
    assert_eq!(register_secured(&mut world, "5"), Code::SERVICE_UNAVAILABLE);
    assert_eq!(world.refusal().reason, RefusalReason::NoRoom);
    assert_eq!(register_secured(&mut world, "4"), Code::CREATED);
}

#[test]
fn an_evicted_registration_ends_as_any_other_and_its_client_registers_again() {
    let mut world = World::with(|config| config.bounds.registrations = 1);
    let (id, token) = world.register();
    let operation = world.server.read(world.now, id, path("/3/0/9"), None);
    world.sent();
    assert_eq!(register_secured(&mut world, "secured"), Code::CREATED);
    let events = world.events();
    assert!(matches!(
        &events[..],
        [
            ServerEvent::Answered { operation: ended, outcome: Outcome::ClientGone, .. },
            ServerEvent::Evicted { registration, was, .. },
            ServerEvent::Registered { .. },
        ] if Ok(*ended) == operation && *registration == id && was.endpoint_name() == "device"
    ));
    let request = Request {
        path: &["rd", &token],
        ..Request::default()
    };
    assert_eq!(world.request(&request).code(), Code::NOT_FOUND);
    assert_eq!(world.server.usage().operations, 0);
    world.pass(Duration::from_secs(90_000));
    assert_eq!(world.server.usage().registrations, 0);
}

#[test]
fn who_proved_nothing_takes_only_the_place_of_who_has_shown_nothing_for_a_while() {
    let mut world = World::with(|config| config.bounds.registrations = 3);
    let full = |world: &mut World| {
        assert_eq!(
            register(world, 2, "new"),
            Code::SERVICE_UNAVAILABLE,
            "{:?}",
            names(world)
        );
        assert_eq!(world.refusal().reason, RefusalReason::NoRoom);
    };
    let a = registered(&mut world, 1, "a");
    registered(&mut world, 1, "b");
    world.now += Duration::from_secs(1);
    registered(&mut world, 1, "c");
    assert_eq!(update(&mut world, a, &[], b""), Code::CHANGED);
    world.events();

    world.now += Duration::from_millis(9_999 - 1000);
    full(&mut world);
    world.now += Duration::from_millis(1);
    assert_eq!(register(&mut world, 2, "d"), Code::CREATED);
    assert_eq!(
        evicted(&world.events()),
        [("b", EvictionReason::Registrations)]
    );
    full(&mut world);
    world.now += Duration::from_secs(1);
    assert_eq!(register(&mut world, 2, "e"), Code::CREATED);
    assert_eq!(
        evicted(&world.events()),
        [("c", EvictionReason::Registrations)]
    );
    // A registered client may register again, however full it is, and has to show something again.
    assert_eq!(register(&mut world, 1, "a"), Code::CREATED);
    world.events();
    world.now += PROBATION;
    for (name, goes) in [("f", "d"), ("g", "e"), ("h", "a")] {
        assert_eq!(register(&mut world, 2, name), Code::CREATED);
        assert_eq!(evicted(&world.events())[0].0, goes);
    }
}

#[test]
fn a_flood_from_anywhere_leaves_who_has_shown_something() {
    let mut world = World::with(|config| config.bounds.registrations = 50);
    let devices: Vec<_> = (0..10)
        .map(|n| registered(&mut world, n, &format!("device-{n}")))
        .collect();
    for (n, id) in devices.iter().enumerate() {
        if n % 2 == 0 {
            update(&mut world, *id, &[], b"");
            world.events();
        } else {
            answer_a_read(&mut world, *id);
        }
    }
    for n in 0..1000 {
        world.now += Duration::from_secs(20);
        register(&mut world, 1000 + n, &format!("spoofed-{n}"));
        assert!(world.server.usage().registrations <= 50);
        world.events();
        world.sent();
    }
    assert!(
        devices
            .iter()
            .all(|id| world.server.registration(*id).is_some())
    );
    // In the end no state is left.
    world.pass(Duration::from_secs(90_000));
    let usage = world.server.usage();
    assert_eq!((usage.registrations, usage.registration_bytes), (0, 0));
}

/// A flood that fills the server in 25 seconds, over and over, with the longest Lifetime.
#[test]
fn a_flood_from_anywhere_keeps_nobody_out_who_is_new() {
    let mut world = World::with(|config| config.bounds.registrations = 1000);
    let mut spoofed = 0;
    let mut flood = |world: &mut World, seconds: u32| {
        for _ in 0..seconds * 40 {
            let name = format!("ep=spoofed-{spoofed}");
            spoofed += 1;
            world.request(&Request {
                from: 2,
                queries: &[&name, "lt=4294967295", "lwm2m=1.0"],
                ..Request::default()
            });
            world.events();
            world.now += Duration::from_millis(25);
        }
    };
    flood(&mut world, 60);
    for name in ["a", "b", "c"] {
        let device = registered(&mut world, 1, name);
        // It has some time to show something.
        flood(&mut world, 20);
        assert_eq!(update(&mut world, device, &[], b""), Code::CHANGED);
        flood(&mut world, 60);
        assert!(world.server.registration(device).is_some());
    }
}

#[test]
fn a_reset_is_no_sign_that_a_client_is_where_it_registered_from() {
    let mut world = World::new();
    let (id, _) = world.register();
    world
        .server
        .read(world.now, id, path("/3/0/9"), None)
        .unwrap();
    // Its message id can be guessed.
    let request = world.sent_one();
    world.reset(&request);
    assert!(!world.server.registration(id).unwrap().is_confirmed());
}

/// Hosts have a hundred peers each.
fn with_hosts(bound: usize) -> World {
    let mut config = ServerConfig::new([42; 32]);
    config.bounds.registrations_per_host = bound;
    let mut world = World::new();
    world.server = Server::with_hosts(config, |peer| Host::new(u64::from(peer / 100)));
    world
}

#[test]
fn a_host_has_so_many_registrations_and_its_own_oldest_goes() {
    let mut world = with_hosts(3);
    for (from, name) in [(100, "a"), (101, "b"), (102, "c"), (200, "other")] {
        registered(&mut world, from, name);
    }
    let a = world.server.find("a").unwrap();
    answer_a_read(&mut world, a);
    // The first that has shown nothing, at once.
    for (name, goes) in [("d", "b"), ("e", "c"), ("f", "d")] {
        assert_eq!(register(&mut world, 110, name), Code::CREATED);
        assert_eq!(evicted(&world.events()), [(goes, EvictionReason::Host)]);
    }
    assert_eq!(names(&world), ["a", "e", "f", "other"]);
    for name in ["e", "f"] {
        let id = world.server.find(name).unwrap();
        answer_a_read(&mut world, id);
    }
    assert_eq!(register(&mut world, 111, "g"), Code::SERVICE_UNAVAILABLE);
    assert_eq!(world.refusal().reason, RefusalReason::Host(3));
    // Again under a registered name; with a proven identity; from elsewhere.
    assert_eq!(register(&mut world, 111, "f"), Code::CREATED);
    let psk = Identity::Psk(b"secured");
    assert_eq!(register_as(&mut world, 111, "secured", psk), Code::CREATED);
    assert_eq!(register(&mut world, 201, "g"), Code::CREATED);
}

#[test]
fn what_a_host_has_is_counted_however_it_comes_and_goes() {
    let mut world = with_hosts(2);
    let full = |world: &mut World, from| {
        let code = register(world, from, "one too many");
        let reason = world.events().into_iter().find_map(|event| match event {
            ServerEvent::Refused(refusal) => Some(refusal.reason),
            _ => None,
        });
        if code == Code::CREATED {
            let id = world.server.find("one too many").unwrap();
            leave(world, id);
        }
        reason == Some(RefusalReason::Host(2))
    };
    let confirmed = |world: &mut World, from, name| {
        let id = registered(world, from, name);
        answer_a_read(world, id);
        id
    };
    // Ended by a De-register.
    let a = confirmed(&mut world, 100, "a");
    confirmed(&mut world, 101, "b");
    assert!(full(&mut world, 102));
    leave(&mut world, a);
    assert!(!full(&mut world, 102));
    // Moved to another host and back by a new Register.
    confirmed(&mut world, 100, "a");
    confirmed(&mut world, 200, "a");
    assert!(!full(&mut world, 102) && !full(&mut world, 202));
    confirmed(&mut world, 201, "b");
    assert!(full(&mut world, 202) && !full(&mut world, 102));
    // With a proven identity from now on.
    let psk = Identity::Psk(b"a");
    assert_eq!(register_as(&mut world, 200, "a", psk), Code::CREATED);
    world.events();
    assert!(!full(&mut world, 202));
    // Expired.
    confirmed(&mut world, 202, "c");
    assert!(full(&mut world, 203));
    world.pass(Duration::from_secs(86_400));
    world.events();
    let usage = world.server.usage();
    assert_eq!((usage.registrations, usage.hosts), (0, 0));
    confirmed(&mut world, 202, "c");
    assert!(!full(&mut world, 203));
}

fn leave(world: &mut World, id: RegistrationId) {
    let registration = world.server.registration(id).unwrap();
    let (from, location) = (*registration.peer(), registration.location().to_string());
    let request = Request {
        from,
        method: Method::Delete,
        path: &["rd", location.rsplit('/').next().unwrap()],
        queries: &[],
        format: None,
        payload: b"",
        ..Request::default()
    };
    assert_eq!(world.request(&request).code(), Code::DELETED);
    world.events();
}

/// 2,000 Registers from a forged host don't keep its client out.
#[test]
fn who_uses_up_what_a_host_may_have_does_not_keep_it_out() {
    let mut world = with_hosts(10);
    let device = registered(&mut world, 100, "device");
    answer_a_read(&mut world, device);
    for n in 0..2000 {
        assert_eq!(
            register(&mut world, 101, &format!("spoofed-{n}")),
            Code::CREATED
        );
        world.events();
        assert!(world.server.usage().registrations <= 10);
    }
    let other = registered(&mut world, 102, "other device");
    answer_a_read(&mut world, other);
    for n in 0..2000 {
        register(&mut world, 101, &format!("spoofed-{n}"));
        world.events();
        world.sent();
    }
    for id in [device, other] {
        assert!(world.server.registration(id).is_some());
    }
}

#[test]
fn no_registration_is_looked_at_to_find_who_goes_but_that_one() {
    thread_local! {
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }
    let looks = |registrations: u16| {
        let mut config = ServerConfig::new([42; 32]);
        config.bounds.registrations = registrations.into();
        config.bounds.probation = Duration::ZERO;
        let mut world = World::new();
        world.server = Server::with_hosts(config, |peer| {
            LOOKS.set(LOOKS.get() + 1);
            Host::new(u64::from(peer / 10))
        });
        for n in 0..registrations {
            registered(&mut world, n, &format!("device-{n}"));
        }
        let before = LOOKS.get();
        for n in 0..20 {
            assert_eq!(register(&mut world, n, &format!("new-{n}")), Code::CREATED);
            assert_eq!(evicted(&world.events()).len(), 1);
        }
        LOOKS.get() - before
    };
    assert_eq!(looks(50), looks(1000));
}

/// How long the registration is kept from now on, in seconds.
fn kept(world: &World, id: RegistrationId) -> u64 {
    let registration = world.server.registration(id).unwrap();
    let kept = registration
        .expires_at()
        .saturating_duration_since(world.now);
    kept.as_secs()
}

const FOREVER: &[&str] = &["ep=device", "lt=4294967295", "lwm2m=1.0"];

#[test]
fn a_registration_without_a_sign_of_its_client_is_not_kept_for_136_years() {
    let forever = Request {
        queries: FOREVER,
        ..Request::default()
    };
    let month = 30 * 86_400;
    // Not by the Register alone.
    let mut world = World::new();
    let (id, _) = world.register_as(&forever);
    let registration = world.server.registration(id).unwrap();
    assert_eq!(registration.lifetime().as_secs(), u32::MAX);
    assert_eq!(kept(&world, id), month);
    // By answering a request: the Lifetime counts from the Register.
    world.now += Duration::from_secs(1000);
    answer_a_read(&mut world, id);
    assert_eq!(kept(&world, id), u64::from(u32::MAX) - 1000);
    // By an Update.
    let (id, _) = world.register_as(&forever);
    assert_eq!(kept(&world, id), month);
    assert_eq!(update(&mut world, id, &[], b""), Code::CHANGED);
    assert_eq!(kept(&world, id), u64::from(u32::MAX));
    // By a proven identity.
    let mut world = World::new();
    let (id, _) = world.register_as(&Request {
        identity: Identity::Psk(b"device"),
        ..forever
    });
    assert_eq!(kept(&world, id), u64::from(u32::MAX));

    let mut world = World::new();
    world.register_as(&forever);
    world.pass(Duration::from_secs(month - 1));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert!(matches!(world.event(), ServerEvent::Expired { .. }));
}

#[test]
fn no_registration_is_kept_longer_than_the_bound() {
    for identity in [Identity::None, Identity::Psk(b"device")] {
        let mut world = World::with(|config| {
            config.grace = Duration::from_secs(5);
            config.bounds.lifetime = Duration::from_secs(3600);
        });
        let (id, _) = world.register_as(&Request {
            queries: FOREVER,
            identity,
            ..Request::default()
        });
        assert_eq!(kept(&world, id), 3605);
        let registration = world.server.registration(id).unwrap();
        assert_eq!(
            registration.lifetime().as_secs(),
            u32::MAX,
            "as it was said"
        );
        if identity == Identity::None {
            world.now += Duration::from_secs(1000);
            answer_a_read(&mut world, id);
            assert_eq!(kept(&world, id), 2605);
            assert_eq!(update(&mut world, id, &["lt=7200"], b""), Code::CHANGED);
            assert_eq!(kept(&world, id), 3605);
            assert_eq!(update(&mut world, id, &["lt=60"], b""), Code::CHANGED);
            assert_eq!(kept(&world, id), 65);
            world.events();
        }
        world.pass(Duration::from_secs(3605));
        assert!(matches!(world.event(), ServerEvent::Expired { .. }));
    }
}

#[test]
fn a_server_of_secured_clients_may_refuse_those_without_a_proven_identity() {
    let mut world = World::with(|config| config.no_sec = NoSec::Refuse);
    assert_eq!(register(&mut world, 1, "device"), Code::FORBIDDEN);
    assert_eq!(world.refusal().reason, RefusalReason::NoSec);
    assert_eq!(register_secured(&mut world, "device"), Code::CREATED);
    world.events();
    // The registered name isn't checked again.
    assert_eq!(register(&mut world, 1, "device"), Code::FORBIDDEN);
    assert_eq!(world.refusal().reason, RefusalReason::NoSec);

    let some = NoSec::Only(|name| name.starts_with("lamp-"));
    let mut world = World::with(|config| config.no_sec = some);
    assert_eq!(register(&mut world, 1, "lamp-1"), Code::CREATED);
    world.events();
    assert_eq!(register(&mut world, 1, "lock-1"), Code::FORBIDDEN);
    assert_eq!(world.refusal().reason, RefusalReason::NoSec);
    assert_eq!(register_secured(&mut world, "lock-1"), Code::CREATED);
}

/// A list of this many Object Instances.
fn list(instances: usize) -> String {
    let links: Vec<_> = (0..instances).map(|n| format!("</10/{n}>")).collect();
    links.join(",")
}

#[test]
fn what_registrations_take_altogether_is_bounded() {
    let mut world = World::with(|config| {
        config.bounds.bytes = 20_000;
        config.bounds.probation = Duration::ZERO;
    });
    let large = list(1000);
    let register = |world: &mut World, name: &str, payload: &str, identity| {
        let name = format!("ep={name}");
        let request = Request {
            queries: &[&name, LONG[0], LONG[1]],
            payload: payload.as_bytes(),
            identity,
            ..Request::default()
        };
        let code = world.request(&request).code();
        assert!(world.server.usage().registration_bytes <= 20_000);
        code
    };
    for n in 0..4 {
        let code = register(&mut world, &format!("large-{n}"), &large, Identity::None);
        assert_eq!(code, Code::CREATED);
    }
    assert!(evicted(&world.events()).is_empty());
    // One more replaces the oldest; a small one replaces none.
    let code = register(&mut world, "small", LINKS, Identity::None);
    assert_eq!(code, Code::CREATED);
    assert!(evicted(&world.events()).is_empty());
    let code = register(&mut world, "large-4", &large, Identity::None);
    assert_eq!(code, Code::CREATED);
    let events = world.events();
    assert_eq!(evicted(&events), [("large-0", EvictionReason::Bytes)]);
    // Those that have shown something stay.
    for name in ["large-1", "large-2", "large-3", "large-4"] {
        let id = world.server.find(name).unwrap();
        answer_a_read(&mut world, id);
    }
    let code = register(&mut world, "large-5", &large, Identity::None);
    assert_eq!(code, Code::SERVICE_UNAVAILABLE);
    let events = world.events();
    assert_eq!(evicted(&events), [("small", EvictionReason::Bytes)]);
    // In an Update as well.
    let small = registered(&mut world, 1, "small");
    let code = update(&mut world, small, &[], large.as_bytes());
    assert_eq!(code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(world.refusal().reason, RefusalReason::NoRoom);
    let registration = world.server.registration(small).unwrap();
    assert_eq!(registration.objects().count(), 2, "as it was");
    let one = world.server.find("large-1").unwrap();
    assert_eq!(update(&mut world, one, &[], b"</1/0>"), Code::CHANGED);
    assert_eq!(
        update(&mut world, small, &[], large.as_bytes()),
        Code::CHANGED
    );
    world.events();
    // A proven identity counts for more.
    let code = register(&mut world, "secured", &large, Identity::Psk(b"secured"));
    assert_eq!(code, Code::CREATED);
    let events = world.events();
    assert_eq!(evicted(&events).len(), 1, "{events:?}");
    assert_eq!(evicted(&events)[0].1, EvictionReason::Bytes);
}

#[derive(Clone, Debug)]
enum Step {
    Register {
        from: Peer,
        name: u8,
        secured: bool,
        links: usize,
    },
    Update {
        name: u8,
        links: usize,
    },
    Answer {
        name: u8,
    },
    Leave {
        name: u8,
    },
    Pass {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..12_u8;
    prop_oneof![
        6 => (0..400_u16, name.clone(), prop::bool::weighted(0.2), 1..40_usize)
            .prop_map(|(from, name, secured, links)| Step::Register { from, name, secured, links }),
        2 => (name.clone(), 0..40_usize).prop_map(|(name, links)| Step::Update { name, links }),
        1 => name.clone().prop_map(|name| Step::Answer { name }),
        1 => name.prop_map(|name| Step::Leave { name }),
        1 => (0..400_u64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// The bounds hold for any sequence. A registration with a proven identity is never evicted, and
    /// one that has shown something goes only for a better one. In the end no state is left.
    #[test]
    fn the_bounds_hold_and_who_proved_more_stays(steps in vec(step(), 0..120)) {
        let mut config = ServerConfig::new([7; 32]);
        config.bounds.registrations = 6;
        config.bounds.bytes = 3000;
        config.bounds.registrations_per_host = 3;
        let mut world = World::new();
        world.server = Server::with_hosts(config, |peer| Host::new(u64::from(peer / 100)));
        for step in steps {
            let mut is_secured = false;
            let find = |world: &World, name: u8| world.server.find(&format!("device-{name}"));
            match step {
                Step::Register { from, name, secured, links } => {
                    is_secured = secured;
                    let (name, links) = (format!("device-{name}"), list(links));
                    let request = Request {
                        from,
                        queries: &[&format!("ep={name}"), "lt=300", "lwm2m=1.0"],
                        payload: links.as_bytes(),
                        identity: if secured { Identity::Psk(name.as_bytes()) } else { Identity::None },
                        ..Request::default()
                    };
                    world.request(&request);
                }
                Step::Update { name, links } => {
                    if let Some(id) = find(&world, name).filter(|id| !world.server.registration(*id).unwrap().is_secure()) {
                        update(&mut world, id, &[], list(links).as_bytes());
                    }
                }
                Step::Answer { name } => {
                    if let Some(id) = find(&world, name) {
                        answer_a_read(&mut world, id);
                    }
                }
                Step::Leave { name } => {
                    if let Some(id) = find(&world, name).filter(|id| !world.server.registration(*id).unwrap().is_secure()) {
                        leave(&mut world, id);
                    }
                }
                Step::Pass { seconds } => world.pass(Duration::from_secs(seconds)),
            }
            for event in world.events() {
                if let ServerEvent::Evicted { was, reason, .. } = event {
                    prop_assert!(!was.is_secure());
                    prop_assert!(is_secured || !was.is_confirmed(), "{:?} {:?}", was, reason);
                }
            }
            let usage = world.server.usage();
            prop_assert!(usage.registrations <= 6 && usage.registration_bytes <= 3000, "{:?}", usage);
            let mut at_host = [0; 4];
            for (_, registration) in world.server.registrations() {
                if !registration.is_secure() {
                    at_host[usize::from(registration.peer() / 100)] += 1;
                }
            }
            prop_assert!(at_host.iter().all(|count| *count <= 3));
            prop_assert_eq!(usage.hosts, at_host.iter().filter(|count| **count > 0).count());
        }
        world.pass(Duration::from_secs(400));
        let usage = world.server.usage();
        prop_assert_eq!((usage.registrations, usage.registration_bytes, usage.hosts), (0, 0, 0));
    }
}

/// The registration under the same name goes anyway, so it isn't evicted first.
#[test]
fn a_registration_does_not_make_room_for_its_own_successor() {
    let mut world = World::with(|config| {
        config.bounds.bytes = 3000;
        config.bounds.probation = Duration::ZERO;
    });
    let register = |world: &mut World, name: &str, instances, identity| {
        let (name, links) = (format!("ep={name}"), list(instances));
        let request = Request {
            queries: &[&name, LONG[0], LONG[1]],
            payload: links.as_bytes(),
            identity,
            ..Request::default()
        };
        let code = world.request(&request).code();
        assert!(world.server.usage().registration_bytes <= 3000);
        code
    };
    let psk = Identity::Psk(b"device");
    for (confirmed, identity) in [(false, Identity::None), (false, psk), (true, psk)] {
        register(&mut world, "device", 100, Identity::None);
        register(&mut world, "other", 350, Identity::None);
        world.events();
        let device = world.server.find("device").unwrap();
        if confirmed {
            answer_a_read(&mut world, device);
        }
        let code = register(&mut world, "device", 400, identity);
        assert_eq!(code, Code::CREATED);
        let events = world.events();
        assert_eq!(evicted(&events), [("other", EvictionReason::Bytes)]);
        assert!(matches!(
            events[..],
            [_, ServerEvent::Replaced { registration, .. }, ServerEvent::Registered { .. }]
                if registration == device
        ));
        // It stays if there is no room even so.
        let code = register(&mut world, "device", 900, identity);
        assert_eq!(code, Code::SERVICE_UNAVAILABLE);
        world.events();
        assert_eq!(names(&world), ["device"]);
        world.pass(Duration::from_secs(90_000));
        world.events();
    }
    // Also alone.
    register(&mut world, "device", 100, Identity::None);
    world.events();
    let device = world.server.find("device").unwrap();
    answer_a_read(&mut world, device);
    let code = register(&mut world, "device", 900, psk);
    assert_eq!(code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(world.refusal().reason, RefusalReason::NoRoom);
    assert!(world.server.registration(device).is_some());
}

/// One request does a bounded amount of work, however large its registration would be.
#[test]
fn a_large_registration_takes_the_place_of_so_many_at_once() {
    let mut world = World::with(|config| {
        config.bounds.bytes = 100 * 300;
        config.bounds.objects = 10_000;
    });
    for n in 0..100 {
        registered(&mut world, n, &format!("device-{n}"));
    }
    let large = list(7000);
    let request = Request {
        queries: &["ep=large", LONG[0], LONG[1]],
        payload: large.as_bytes(),
        identity: Identity::Psk(b"large"),
        ..Request::default()
    };
    assert_eq!(world.request(&request).code(), Code::SERVICE_UNAVAILABLE);
    assert_eq!(evicted(&world.events()).len(), 64);
    assert_eq!(world.request(&request).code(), Code::CREATED);
}

/// The last time of the clock is a time like any other.
#[test]
fn a_registration_at_the_end_of_time_ends() {
    let mut world = World::new();
    world.now = Instant::MAX;
    world.register();
    world.server.handle_timeout(Instant::MAX);
    assert!(matches!(world.event(), ServerEvent::Expired { .. }));
    assert_eq!(world.server.usage().registrations, 0);
}
