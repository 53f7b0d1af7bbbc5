//! Register, read, write and observe with OpenSSL below, on bad networks.
//!
//! OpenSSL sends nothing again in virtual time. So a handshake that has lost a datagram fails, and the Client begins
//! another one; `a_lost_datagram_is_sent_again_by_the_computer_s_clock` has OpenSSL send again.

use core::time::Duration;

use lwm2m_core::{ContentFormat, Path, Value, WriteMode, codec::Content};
use lwm2m_examples::secure::credentials::ProvenIdentity;
use lwm2m_objects::typed;
use lwm2m_simulation::Network;
use lwm2m_statemachine::server::Outcome;

use super::{
    bad_network::{BATTERY_LEVEL, Harm, Managed, TIMEZONE, bad_link, manage, seeds},
    machines::{ACCOUNT, Machines, accounts},
    support::World,
};

const DAY: Duration = Duration::from_secs(86_400);

impl Managed for Machines {
    fn await_registration(&mut self) {
        let (client, server) = (self.client, self.server);
        let registered = self.network.run_until(DAY, |network| {
            network.node(client).machine.client.is_registered(ACCOUNT)
                && network
                    .node(server)
                    .machine
                    .server
                    .find("urn:dev:7")
                    .is_some()
        });
        assert!(registered, "no registration in a day");
    }

    fn read(&mut self, path: Path) -> Outcome {
        self.read(path)
    }

    fn write(&mut self, value: &str) -> Outcome {
        let content = Content::from_iter([(TIMEZONE, Value::from(value))]);
        let text = Some(ContentFormat::TEXT);
        self.ask(|server, client, now| {
            let mode = WriteMode::Replace;
            let written = server.write(now, client, TIMEZONE, mode, text, &content);
            written.unwrap();
        })
    }

    fn observe(&mut self) -> Outcome {
        let text = Some(ContentFormat::TEXT);
        self.ask(|server, client, now| {
            server.observe(now, client, BATTERY_LEVEL, text).unwrap();
        })
    }

    fn set_level(&mut self, level: i64) {
        self.network.with(self.client, |host, now| {
            host.machine.client.set(now, BATTERY_LEVEL, level).unwrap();
        });
    }

    fn notified(&self) -> &[Content] {
        &self.application().notified
    }

    fn network(&mut self) -> &mut Network {
        &mut self.network
    }
}

impl Machines {
    /// What the device has proved.
    fn identity(&self) -> ProvenIdentity {
        let server = &self.network.node(self.server).machine;
        let registration = server.server.find("urn:dev:7").expect("a registration");
        let registration = server.server.registration(registration);
        let peer = registration.expect("a registration").peer();
        server.identity(peer).expect("a session").clone()
    }
}

/// Manages a device on 200 bad networks, all to the end.
fn manage_on_bad_networks(
    world: &World,
    account: &typed::Security,
    is_proof: fn(&ProvenIdentity) -> bool,
) {
    let mut harm = Harm::default();
    for seed in seeds(200) {
        let mut machines = Machines::on(seed, bad_link(seed), world, account.clone());
        harm += manage(&mut machines);
        let identity = machines.identity();
        assert!(is_proof(&identity), "{identity:?}");
    }
    println!("{harm:?}");
    harm.assert_bad();
}

#[test]
fn a_device_with_a_key_is_managed_on_bad_networks_over_openssl() {
    let world = World::new();
    let [account, _] = accounts(&world);
    manage_on_bad_networks(&world, &account, |identity| {
        matches!(identity, ProvenIdentity::Psk(_))
    });
}

#[test]
fn a_device_with_a_certificate_is_managed_on_bad_networks_over_openssl() {
    let world = World::new();
    let [_, account] = accounts(&world);
    manage_on_bad_networks(&world, &account, |identity| {
        matches!(identity, ProvenIdentity::Certificate(_))
    });
}
