//! The heap that a bootstrap-server needs for a client. One test, because the counter is global.

#[path = "bootstrap_server/support.rs"]
mod support;

use core::time::Duration;

use lwm2m_core::Code;
use lwm2m_kit::heap::held;
use lwm2m_statemachine::bootstrap_server::Plan;

use support::{Event, Request, Sent, World, plan, success};

lwm2m_kit::count_allocations!();

const CLIENTS: u16 = 10_000;

/// All clients ask for a bootstrap. Those that get a plan have their first command under way.
fn ask_all(world: &mut World, plan: impl Fn() -> Option<Plan>) -> Vec<Sent> {
    let mut commands = Vec::with_capacity(CLIENTS.into());
    for from in 0..CLIENTS {
        let query = format!("ep=urn:dev:os:0023C7-{from:06}");
        world.ask(&Request {
            from,
            queries: &[&query],
            ..Request::default()
        });
        while let Some(event) = world.machine.poll_event() {
            if let Event::Requested { bootstrap, .. } = event
                && let Some(plan) = plan()
            {
                world.machine.start(world.now, bootstrap, &plan).unwrap();
            }
        }
        commands.extend(
            world
                .sent()
                .into_iter()
                .filter(|sent| sent.code().method().is_some()),
        );
    }
    commands
}

/// All clients answer as they are told, one step each in a round. Returns how many finished.
fn obey_all(world: &mut World, mut commands: Vec<Sent>) -> usize {
    let mut finished = 0;
    while !commands.is_empty() {
        let mut next = Vec::with_capacity(commands.len());
        for command in &commands {
            world.answer(command, success(command));
            next.extend(world.sent());
            while let Some(event) = world.machine.poll_event() {
                let done = matches!(
                    event,
                    Event::Ended {
                        outcome: Ok(()),
                        ..
                    }
                );
                finished += usize::from(done);
            }
        }
        commands = next;
    }
    finished
}

fn world() -> World {
    World::with(|config| {
        config.bounds.waiting = CLIENTS.into();
        config.bounds.unproven_waiting = CLIENTS.into();
    })
}

fn what_a_client_under_way_takes() {
    let mut world = world();
    let empty = held();
    let commands = ask_all(&mut world, || Some(plan()));
    let sent: usize = commands.iter().map(|sent| sent.bytes.capacity()).sum();
    let own = sent + commands.capacity() * size_of::<Sent>();
    let each = (held() - empty - own) / usize::from(CLIENTS);
    let told = world.machine.usage().plan_bytes / usize::from(CLIENTS);
    println!("under way: {each} bytes each, with a plan of {told}");
    assert!(each <= 4096, "{each} bytes each");
    assert!(told < each && told == plan().bytes());
    assert_eq!(world.machine.usage().under_way, CLIENTS.into());
    assert_eq!(obey_all(&mut world, commands), usize::from(CLIENTS));
    // The endpoint forgets the exchanges.
    world.pass(Duration::from_secs(300));
    let left = held().saturating_sub(empty);
    println!("afterwards: {left} bytes");
    assert!(left < 4096, "{left} bytes are left");
}

/// Every way out gives everything back.
fn nothing_grows() {
    let mut world = world();
    let mut once = None;
    for round in 0..6 {
        let commands = ask_all(&mut world, || (round % 3 != 0).then(plan));
        match round % 3 {
            // No plan in time.
            0 => assert!(commands.is_empty()),
            1 => assert_eq!(obey_all(&mut world, commands), usize::from(CLIENTS)),
            // No answer in time.
            _ => drop(commands),
        }
        world.pass(Duration::from_secs(400));
        while world.machine.poll_event().is_some() {}
        world.sent();
        world.pass(Duration::from_secs(400));
        let usage = world.machine.usage();
        assert_eq!(
            (usage.waiting, usage.under_way, usage.coap.peers),
            (0, 0, 0)
        );
        if round == 2 {
            once = Some(held());
        }
    }
    let more = held().saturating_sub(once.unwrap());
    println!("growth after three more rounds: {more} bytes");
    assert!(more < 1024, "{more} bytes more");
}

/// A request that waits, with nothing known of the client but its name.
fn what_a_client_that_waits_takes() {
    let mut world = world();
    let empty = held();
    ask_all(&mut world, || None);
    let each = (held() - empty) / usize::from(CLIENTS);
    println!("waiting: {each} bytes each");
    assert!(each <= 1024, "{each} bytes each");
    assert_eq!(
        world.code(&Request {
            from: CLIENTS,
            queries: &["ep=one more"],
            ..Request::default()
        }),
        Code::SERVICE_UNAVAILABLE
    );
}

#[test]
fn what_clients_take_and_give_back() {
    what_a_client_that_waits_takes();
    what_a_client_under_way_takes();
    nothing_grows();
}
