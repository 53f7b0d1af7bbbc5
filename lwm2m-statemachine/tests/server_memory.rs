//! The heap that a server needs for a registration. One test, because the counter is global.

#[path = "server/support.rs"]
mod support;

use core::time::Duration;

use lwm2m_core::{Code, Value, WriteMode, codec::Content};
use lwm2m_kit::heap::{held, least};
use lwm2m_statemachine::Identity;

use support::{LINKS, Request, World, path};

lwm2m_kit::count_allocations!();

/// The default bounds of the configuration, in bytes.
const UNKNOWN_PARAMETERS: usize = 512;
const ALTERNATE_PATH: usize = 255;

/// The bytes that a registration with these additional queries or this payload takes in excess of a
/// plain one; `None` if it is refused. The thread of the test harness may still be starting, and
/// allocate meanwhile; so the least of several measurements counts.
fn more_than_plain(queries: &[&str], payload: &str) -> Option<usize> {
    measure(queries, payload)?;
    let more = || measure(queries, payload).unwrap_or(usize::MAX);
    Some(least(more))
}

fn measure(queries: &[&str], payload: &str) -> Option<usize> {
    let queries = [&["ep=device", "lt=60", "lwm2m=1.0"], queries].concat();
    let mut world = World::new();
    world.register();
    let plain = held();
    let request = Request {
        queries: &queries,
        payload: payload.as_bytes(),
        ..Request::default()
    };
    let code = world.request(&request).code();
    world.events();
    (code == Code::CREATED).then(|| held().saturating_sub(plain))
}

fn unknown_parameters_take_what_the_bound_says() {
    for (parameter, most) in [("", 512), ("a", 256), ("a=1", 128), ("site=north", 46)] {
        let queries = vec![parameter; most];
        let more = more_than_plain(&queries, LINKS).expect("as many as the bound allows");
        assert!(
            more <= 2 * UNKNOWN_PARAMETERS,
            "{most} times {parameter:?}: {more} bytes"
        );
        let queries = vec![parameter; most + 1];
        assert_eq!(more_than_plain(&queries, LINKS), None, "{parameter:?}");
    }
    // Known parameters must not be repeated.
    assert_eq!(more_than_plain(&vec!["lt=60"; 9000], LINKS), None);
    // As many as fit in the largest datagram.
    assert_eq!(more_than_plain(&vec![""; 60_000], LINKS), None);
}

fn an_alternate_path_takes_what_the_bound_says() {
    // With few segments, and with many.
    for segments in ["x".repeat(254), "x/".repeat(127), "%20".repeat(84)] {
        let path = format!("/{}", segments.trim_end_matches('/'));
        let register = |path: &str| {
            let payload = format!(r#"<{path}>;rt="oma.lwm2m",<{path}/1/0>,<{path}/3/0>"#);
            more_than_plain(&[], &payload)
        };
        let more = register(&path).expect("as long as the bound allows");
        assert!(more <= 2 * ALTERNATE_PATH, "{path}: {more} bytes");
        assert_eq!(register(&format!("{path}/yyy")), None);
    }
}

/// This many clients register; those that `stays` selects do so with a Lifetime of a day.
fn register_many(world: &mut World, clients: u16, stays: impl Fn(u16) -> bool) {
    register_many_as(world, clients, stays, |_| Identity::None, "b=U");
}

fn psk(name: &str) -> Identity<'_> {
    Identity::Psk(name.as_bytes())
}

/// The same, with the identities that `identity` makes of their names, and with this Binding.
fn register_many_as(
    world: &mut World,
    clients: u16,
    stays: impl Fn(u16) -> bool,
    identity: impl Fn(&str) -> Identity<'_>,
    binding: &str,
) {
    for n in 0..clients {
        let name = format!("ep=urn:dev:os:0023C7-{n:06}");
        let lifetime = if stays(n) { "lt=86400" } else { "lt=600" };
        let reply = world.request(&Request {
            from: n,
            queries: &[&name, lifetime, "lwm2m=1.0", binding],
            identity: identity(name.trim_start_matches("ep=")),
            payload: br#"</>;rt="oma.lwm2m";ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>"#,
            ..Request::default()
        });
        assert_eq!(reply.code(), Code::CREATED);
        while world.server.poll_event().is_some() {}
    }
    // The endpoint forgets the exchanges.
    world.pass(Duration::from_secs(300));
}

/// The bytes of a client once its exchange is forgotten.
fn a_registered_client_takes_little_room() {
    for clients in [8_200, 16_000, 30_000] {
        let mut world = World::new();
        let empty = held();
        register_many(&mut world, clients, |_| true);
        let bytes = held() - empty;
        let each = bytes / usize::from(clients);
        // 251 or 252.
        assert!(each <= 272, "{clients} clients: {each} bytes each");
        // The server's own figure is roughly right.
        let told = world.server.usage().registration_bytes;
        assert!(
            (told * 3 / 4..told * 5 / 4).contains(&bytes),
            "{bytes} bytes, {told} told"
        );
    }
}

/// One with a proven identity is found by its session, too, which takes 16 bytes more on average. A
/// session that ends takes nothing.
fn a_session_takes_little_room() {
    for clients in [8_200, 30_000] {
        let mut world = World::new();
        let empty = held();
        register_many_as(&mut world, clients, |_| true, psk, "b=U");
        let bytes = held() - empty;
        let each = bytes / usize::from(clients);
        // 267 or 268.
        assert!(each <= 288, "{clients} clients: {each} bytes each");
        for peer in 0..clients {
            world.server.peer_gone(world.now, &peer);
        }
        let after = held() - empty;
        assert!(after <= bytes + 4096, "{after} bytes, {bytes} before");
        world.pass(Duration::from_secs(86_400));
        while world.server.poll_event().is_some() {}
        let left = held().saturating_sub(empty);
        assert!(left < 4096, "{left} bytes left");
    }
}

/// One in Queue Mode takes no more than any other while it is asleep, and little more while it is awake.
fn a_client_in_queue_mode_takes_little_room() {
    const CLIENTS: u16 = 8_200;
    let each = |world: &World, empty| {
        let awake = world.server.usage().awake;
        ((held() - empty) / usize::from(CLIENTS), awake)
    };
    let mut world = World::with(|config| {
        // Longer than the endpoint remembers the exchanges.
        config.queue_mode.awake = Some(Duration::from_secs(1000));
    });
    let empty = held();
    register_many_as(&mut world, CLIENTS, |_| true, |_| Identity::None, "b=UQ");
    // 378 while it is awake: an entry in a map, and one in a queue. 251 afterwards.
    let (bytes, awake) = each(&world, empty);
    assert!(
        bytes <= 420 && awake == usize::from(CLIENTS),
        "{bytes} bytes each, {awake} awake"
    );
    world.pass(Duration::from_secs(1000));
    while world.server.poll_event().is_some() {}
    let (bytes, awake) = each(&world, empty);
    assert!(
        bytes <= 272 && awake == 0,
        "{bytes} bytes each, {awake} awake"
    );
}

/// What is told of operations that wait is roughly what they take, and they leave nothing.
fn what_waits_takes_what_is_told() {
    const CLIENTS: u16 = 100;
    for bytes in [1, 1000] {
        let mut world = World::new();
        register_many_as(&mut world, CLIENTS, |_| true, |_| Identity::None, "b=UQ");
        world.events();
        let empty = held();
        let clients: Vec<_> = world.server.registrations().map(|(id, _)| id).collect();
        for client in clients {
            for _ in 0..10 {
                let at = path("/3/0/15");
                let content = Content::from_iter([(at, Value::from("x".repeat(bytes)))]);
                let now = world.now;
                let mode = WriteMode::Replace;
                let written = world.server.write(now, client, at, mode, None, &content);
                assert!(written.is_ok());
            }
        }
        let (told, taken) = (world.server.usage().held_bytes, held() - empty);
        assert!(
            (told / 2..told * 3 / 2).contains(&taken),
            "{taken} bytes, {told} told"
        );
        let now = world.now;
        world.server.waiting().cancel_all(now);
        world.events();
        let left = held().saturating_sub(empty);
        assert!(left < 4096, "{left} bytes left");
    }
}

/// After a flood, with no client left, and with one in a hundred left.
fn registrations_give_their_room_back() {
    for hundredth in [false, true] {
        let mut world = World::new();
        world.register();
        world.pass(Duration::from_secs(400));
        world.events();
        let empty = held();
        register_many(&mut world, 30_000, |n| hundredth && n % 100 == 0);
        let most = held() - empty;
        world.pass(Duration::from_secs(600));
        while world.server.poll_event().is_some() {}
        let left = held().saturating_sub(empty);
        let registrations = world.server.usage().registrations;
        if hundredth {
            assert_eq!(registrations, 300);
            // Each of these keeps a page of 32, and the indices are up to eight times too large.
            assert!(left < most / 3, "{left} bytes of {most} left");
        } else {
            assert_eq!(registrations, 0);
            assert!(left < 4096, "{left} bytes of {most} left");
        }
    }
}

/// Clients that register again and again, from another peer or with another Lifetime, take no more
/// room than if they had registered once.
fn a_registration_takes_the_room_of_the_one_it_replaces() {
    const CLIENTS: u16 = 64;
    let mut world = World::new();
    let mut register_all = |round: u16| {
        for n in 0..CLIENTS {
            let name = format!("ep=urn:dev:os:0023C7-{n:06}");
            let lifetime = format!("lt={}", 3600 + u32::from((n ^ round) % 7) * 100);
            let reply = world.request(&Request {
                from: n + round % 2 * CLIENTS,
                queries: &[&name, &lifetime, "lwm2m=1.0", "b=U"],
                ..Request::default()
            });
            assert_eq!(reply.code(), Code::CREATED);
            while world.server.poll_event().is_some() {}
        }
        // The endpoint forgets the exchanges.
        world.pass(Duration::from_secs(300));
        let usage = world.server.usage();
        assert_eq!(usage.registrations, CLIENTS.into());
        usage.registration_bytes
    };
    let bytes = register_all(0);
    register_all(1);
    let once = held();
    for round in 2..300 {
        assert_eq!(register_all(round), bytes);
    }
    let more = held().saturating_sub(once);
    assert!(more < 2048, "{more} bytes more");
}

#[test]
fn what_a_client_says_is_held_within_the_bounds() {
    unknown_parameters_take_what_the_bound_says();
    an_alternate_path_takes_what_the_bound_says();
    a_registered_client_takes_little_room();
    a_session_takes_little_room();
    a_client_in_queue_mode_takes_little_room();
    what_waits_takes_what_is_told();
    registrations_give_their_room_back();
    a_registration_takes_the_room_of_the_one_it_replaces();
}
