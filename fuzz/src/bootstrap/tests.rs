//! What a seed reaches, and what would break an invariant is found.

use lwm2m_core::Instant;
use lwm2m_statemachine::client::BootstrapState;

use super::{
    World, commands,
    device::{COUNTER, Kind},
};

/// A Client without servers that is being bootstrapped.
fn begun() -> World {
    let mut world = World::new(Kind::new(0));
    world.device.connect(world.now, true);
    world.drain();
    world.answer_all();
    let state = world.device.client.bootstrapping().state(world.now);
    assert!(
        matches!(state, BootstrapState::UnderWay { .. }),
        "{state:?}"
    );
    world
}

#[test]
fn the_usual_commands_come_to_an_end() {
    let mut world = begun();
    for command in commands::usual() {
        world.command(&command, 0);
    }
    let state = world.device.client.bootstrapping().state(world.now);
    assert_eq!(state, BootstrapState::Registering);
    assert_eq!(world.device.client.accounts().count(), 2);
    world.finish();
}

#[test]
#[should_panic = "neither as before nor as finished"]
fn a_value_that_nobody_has_set_is_found() {
    let mut world = begun();
    let set = world.device.client.set(Instant::from_secs(2), COUNTER, 77);
    set.unwrap();
    world.drain();
}
