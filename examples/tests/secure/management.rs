//! Register, read, write and observe, on bad networks.

use core::time::Duration;
use std::env;

use lwm2m_examples::secure::{
    pure::{Pure, PureOptions},
    record,
    server::SecurePeer,
    sessions::Bounds,
};
use lwm2m_objects::typed;
use lwm2m_simulation::Link;
use lwm2m_statemachine::server::Outcome;

use crate::{
    keys::server_credentials,
    world::{DAY, Setup, Sizes, TIMEZONE, World, assert_content, known_certificate, known_psk},
};

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

/// Returns whether a notification has come: on a bad network no Observe may get through.
fn manage(seed: u64, account: typed::Security) -> bool {
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
    observing && !world.notified().is_empty()
}

/// Manages a device on as many networks, nearly all of which let notifications through.
fn manage_on_bad_networks(account: &typed::Security) {
    let seeds = seeds(200);
    let all = seeds.clone().count();
    let observed = seeds.filter(|seed| manage(*seed, account.clone())).count();
    println!("observed on {observed} of {all} networks");
    assert!(observed * 100 >= all * 95, "{observed} of {all}");
}

#[test]
fn a_device_with_a_key_is_managed_on_bad_networks() {
    manage_on_bad_networks(&known_psk());
}

#[test]
fn a_device_with_a_certificate_is_managed_on_bad_networks() {
    manage_on_bad_networks(&known_certificate());
}

/// Both ends with these options.
fn set_up(options: PureOptions, block_size: usize) -> Setup {
    let mut bounds = Bounds::server(1);
    bounds.unproved_for = Duration::from_secs(120);
    bounds.handshake_for = Duration::from_secs(300);
    Setup {
        bounds,
        server: Pure::server(options, &server_credentials()).unwrap(),
        client: Pure::client(options),
        sizes: Sizes {
            block: block_size,
            ..Sizes::default()
        },
    }
}

#[test]
fn a_handshake_in_many_small_datagrams_replaces_a_session() {
    let mut options = PureOptions::default();
    options.mtu = 200;
    options.handshake_within = Duration::from_secs(200);
    let setup = set_up(options, 64);
    for seed in 0..20 {
        let link = bad_link(seed % 3).with_mtu(200);
        let mut world = World::set_up(seed, link, known_certificate(), &setup).registered();
        let before = world.registration();
        world.reboot_with(known_certificate(), &setup);
        let server = world.server;
        let back = world.network.run_until(DAY, |network| {
            let server = &network.node(server).machine.server;
            server.find("device").is_some_and(|now| now != before)
        });
        assert!(back, "no new registration in a day");
        world.read_in_the_end();
    }
}
