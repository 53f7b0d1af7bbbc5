//! Register, read, write and observe, on bad networks.

use core::time::Duration;

use lwm2m_core::{Path, codec::Content};
use lwm2m_examples::secure::{
    pure::{Pure, PureOptions},
    server::SecurePeer,
    sessions::Bounds,
};
use lwm2m_objects::typed;
use lwm2m_simulation::Network;
use lwm2m_statemachine::server::Outcome;

use crate::{
    bad_network::{Harm, Managed, bad_link, manage, seeds},
    keys::server_credentials,
    world::{DAY, Setup, Sizes, World, known_certificate, known_psk},
};

impl Managed for World {
    fn await_registration(&mut self) {
        self.await_registration();
    }

    fn read(&mut self, path: Path) -> Outcome {
        self.read(path)
    }

    fn write(&mut self, value: &str) -> Outcome {
        self.write(value)
    }

    fn observe(&mut self) -> Outcome {
        self.observe()
    }

    fn set_level(&mut self, level: i64) {
        self.set_level(level);
    }

    fn notified(&self) -> &[Content] {
        self.notified()
    }

    fn network(&mut self) -> &mut Network {
        &mut self.network
    }
}

/// Manages a device on 200 bad networks, all to the end.
fn manage_on_bad_networks(account: &typed::Security) {
    let mut harm = Harm::default();
    for seed in seeds(200) {
        let mut world = World::new(seed, bad_link(seed), account.clone());
        world.start();
        harm += manage(&mut world);
        assert!(matches!(world.peer(), SecurePeer::Session { .. }));
    }
    println!("{harm:?}");
    harm.assert_bad();
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
        ..Setup::default()
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
