//! What clients and the application can make the machine hold.

use lwm2m_core::{Code, Value, codec::Content};
use lwm2m_statemachine::{
    BootstrapServer, BootstrapServerConfig, Channel, Identity,
    bootstrap_server::{BootstrapBounds, Host, InvalidPlan, Plan, RefusalReason, StartError},
};

use crate::support::{Peer, Request, World, path, plan};

fn with_bounds(set: impl FnOnce(&mut BootstrapBounds)) -> World {
    World::with(|config| set(&mut config.bounds))
}

/// Client number `n` asks, without a proven identity or with one. Returns the refusal.
fn ask(world: &mut World, n: u16, proven: bool) -> Option<RefusalReason> {
    let name = format!("device-{n}");
    let query = format!("ep={name}");
    let identity = if proven {
        Identity::Psk(name.as_bytes())
    } else {
        Identity::None
    };
    world.ask(&Request {
        from: n,
        queries: &[&query],
        identity,
        ..Request::default()
    });
    let refused = world.events().into_iter().find_map(|event| match event {
        crate::support::Event::Refused(refusal) => Some(refusal.reason),
        _ => None,
    });
    if refused.is_some() {
        let answer = world.sent_one();
        assert_eq!(
            (answer.code(), answer.message().max_age()),
            (Code::SERVICE_UNAVAILABLE, 60)
        );
    }
    refused
}

#[test]
fn requests_that_wait_are_bounded_and_a_plan_makes_room() {
    let mut world = with_bounds(|bounds| bounds.waiting = 3);
    for n in 0..3 {
        assert_eq!(ask(&mut world, n, true), None);
    }
    assert_eq!(ask(&mut world, 3, true), Some(RefusalReason::NoRoom));
    // One that asks anew takes its own place.
    assert_eq!(ask(&mut world, 2, true), None);
    world.sent();
    assert_eq!(world.machine.usage().waiting, 3);
    let bootstrap = world.machine.find("device-1").unwrap();
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    world.sent();
    assert_eq!(ask(&mut world, 3, true), None);
    let usage = world.machine.usage();
    assert_eq!((usage.waiting, usage.under_way), (3, 1));
    assert_eq!(world.machine.stats().overloaded, 1);
}

#[test]
fn bootstraps_are_bounded_with_those_that_wait() {
    let mut world = with_bounds(|bounds| bounds.bootstraps = 2);
    for n in 0..2 {
        assert_eq!(ask(&mut world, n, true), None);
        let bootstrap = world.machine.find(&format!("device-{n}")).unwrap();
        world.machine.start(world.now, bootstrap, &plan()).unwrap();
        world.sent();
    }
    assert_eq!(ask(&mut world, 2, true), Some(RefusalReason::NoRoom));
    let begun = world
        .machine
        .begin(world.now, "another", 9, Channel::Udp, &plan());
    assert_eq!(begun, Err(StartError::Bootstraps(2)));
    let begun = world
        .machine
        .begin(world.now, "device-1", 9, Channel::Udp, &plan());
    assert!(begun.is_ok());
}

#[test]
fn a_flood_of_unproven_clients_leaves_room_for_the_others() {
    let mut world = with_bounds(|bounds| {
        (bounds.waiting, bounds.unproven_waiting) = (6, 3);
        (bounds.bootstraps, bounds.unproven) = (8, 4);
    });
    for n in 0..100 {
        let expected = (n >= 3).then_some(RefusalReason::NoRoom);
        assert_eq!(ask(&mut world, n, false), expected);
    }
    for n in 100..103 {
        assert_eq!(ask(&mut world, n, true), None);
    }
    assert_eq!(ask(&mut world, 103, true), Some(RefusalReason::NoRoom));
    assert_eq!(world.machine.usage().unproven, 3);
    // Under way, too.
    for n in [0, 1, 2] {
        let bootstrap = world.machine.find(&format!("device-{n}")).unwrap();
        world.machine.start(world.now, bootstrap, &plan()).unwrap();
    }
    world.sent();
    assert_eq!(ask(&mut world, 3, false), None);
    assert_eq!(ask(&mut world, 4, false), Some(RefusalReason::NoRoom));
}

#[test]
fn a_host_has_its_share_of_the_unproven() {
    let mut config = BootstrapServerConfig::new([1; 32]);
    config.bounds.per_host = 2;
    let host_of = |peer: &Peer| Host::new((*peer / 10).into());
    let mut world = World::of(BootstrapServer::with_hosts(config, host_of));
    for n in [10, 11] {
        assert_eq!(ask(&mut world, n, false), None);
    }
    assert_eq!(ask(&mut world, 12, false), Some(RefusalReason::Host(2)));
    assert_eq!(ask(&mut world, 11, false), None, "in its own place");
    world.sent();
    assert_eq!(ask(&mut world, 13, true), None);
    assert_eq!(ask(&mut world, 20, false), None);
    world.machine.peer_gone(world.now, &10);
    world.events();
    assert_eq!(ask(&mut world, 12, false), None);
    assert_eq!(ask(&mut world, 14, false), Some(RefusalReason::Host(2)));
}

fn large(bytes: usize) -> Plan {
    let key = path("/0/1/5");
    Plan::new().write(
        key,
        Content::from_iter([(key, Value::Opaque(vec![7; bytes]))]),
    )
}

#[test]
fn plans_are_bounded_each_and_together() {
    let mut world = with_bounds(|bounds| {
        bounds.plan_bytes_each = 5_000;
        bounds.plan_bytes = 10_000;
    });
    let mut bootstraps = Vec::new();
    for n in 0..3 {
        ask(&mut world, n, true);
        bootstraps.push(world.machine.find(&format!("device-{n}")).unwrap());
    }
    let started = world.machine.start(world.now, bootstraps[0], &large(5_000));
    assert!(
        matches!(
            started,
            Err(StartError::Plan(InvalidPlan::TooLarge { limit: 5_000, .. }))
        ),
        "{started:?}"
    );
    for bootstrap in &bootstraps[..2] {
        world
            .machine
            .start(world.now, *bootstrap, &large(4_000))
            .unwrap();
    }
    let bytes = world.machine.usage().plan_bytes;
    assert!((8_000..=10_000).contains(&bytes), "{bytes}");
    let started = world.machine.start(world.now, bootstraps[2], &large(4_000));
    assert_eq!(started, Err(StartError::PlanBytes(10_000)));
    let begun = world
        .machine
        .begin(world.now, "other", 9, Channel::Udp, &large(4_000));
    assert_eq!(begun, Err(StartError::PlanBytes(10_000)));
    // Steps that are done take no room.
    let commands = world.sent();
    for command in commands
        .iter()
        .filter(|sent| sent.code().method().is_some())
    {
        world.answer(command, crate::support::success(command));
    }
    while let Some(sent) = world.sent().pop() {
        let mut response = crate::support::success(&sent);
        if let Some(block) = sent.message().block1() {
            response.block1(block).unwrap();
        }
        world.answer(&sent, response);
    }
    for bootstrap in &bootstraps[..2] {
        world.machine.abort(world.now, *bootstrap);
    }
    assert_eq!(world.machine.usage().plan_bytes, 0);
    world
        .machine
        .start(world.now, bootstraps[2], &large(4_000))
        .unwrap();
}

#[test]
fn a_plan_takes_its_memory_until_it_is_carried_out() {
    let mut world = World::new();
    ask(&mut world, 7, true);
    let other = world.machine.find("device-7").unwrap();
    world
        .machine
        .start(world.now, other, &large(4_000))
        .unwrap();
    world.sent();
    let of_other = world.machine.usage().plan_bytes;
    assert_eq!(of_other, large(4_000).bytes());
    let (bootstrap, command) = world.start(&plan());
    let both = of_other + plan().bytes();
    world.next(&command);
    assert_eq!(world.machine.usage().plan_bytes, both);
    world.machine.abort(world.now, bootstrap);
    assert_eq!(world.machine.usage().plan_bytes, of_other);
    // One that ends without a Finish takes nothing while it waits for more steps.
    let (bootstrap, command) = world.start(&Plan::new().delete(path("/1")));
    world.answer(&command, crate::support::success(&command));
    assert!(world.machine.is_waiting(bootstrap));
    assert_eq!(world.machine.usage().plan_bytes, of_other);
}
