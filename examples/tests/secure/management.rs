//! Register, read, write and observe, on bad networks.

use core::time::Duration;
use std::env;

use lwm2m_examples::secure::{record, server::SecurePeer};
use lwm2m_objects::typed;
use lwm2m_simulation::Link;
use lwm2m_statemachine::server::Outcome;

use crate::world::{TIMEZONE, World, assert_content, known_certificate, known_psk};

/// A network that loses, repeats and reorders every kind of datagram.
fn bad_link(seed: u64) -> Link {
    let loss = [0.0, 0.05, 0.15, 0.25];
    let loss = loss[usize::try_from(seed % 4).unwrap()];
    Link::new(Duration::from_millis(20))
        .jittering(Duration::from_millis(50))
        .losing(loss)
        .duplicating(0.2)
        .reordering(0.3, Duration::from_secs(2))
}

/// How many seeds there are; `SIMULATION_FACTOR` multiplies them.
fn seeds(count: u64) -> core::ops::Range<u64> {
    let factor = env::var("SIMULATION_FACTOR").ok();
    let factor = factor.and_then(|factor| factor.parse().ok());
    0..count * factor.unwrap_or(1)
}

fn manage(seed: u64, account: typed::Security) {
    let mut world = World::new(seed, bad_link(seed), account).registered();
    assert!(matches!(world.peer(), SecurePeer::Session { .. }));
    let mut observing = false;
    for number in 0..6_u8 {
        world.read_in_the_end();
        let zone = format!("Zone/{number}");
        // A client that had to connect anew is another peer, and what was under way has ended.
        match world.write(&zone) {
            Outcome::Changed => match world.read(TIMEZONE) {
                Outcome::Timeout | Outcome::ClientGone => {}
                outcome => assert_content(&outcome, TIMEZONE, zone.into()),
            },
            Outcome::Timeout | Outcome::ClientGone => {}
            outcome => panic!("{outcome:?}"),
        }
        if !observing {
            observing = matches!(world.observe(), Outcome::Observing { .. });
        }
        world.set_level(number.into());
        world.network.run_for(Duration::from_secs(30));
    }
    // A notification may get lost; not all of them do.
    let mut levels = 10_i64..100;
    while observing && world.notified().is_empty() {
        world.set_level(levels.next().expect("a notification"));
        world.network.run_for(Duration::from_secs(30));
    }
    for sent in world.network.records() {
        assert!(record::first(&sent.payload).is_some(), "{sent:?}");
    }
}

#[test]
fn a_device_with_a_key_is_managed_on_bad_networks() {
    for seed in seeds(200) {
        manage(seed, known_psk());
    }
}

#[test]
fn a_device_with_a_certificate_is_managed_on_bad_networks() {
    for seed in seeds(200) {
        manage(seed, known_certificate());
    }
}
