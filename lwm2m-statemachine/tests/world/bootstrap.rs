//! A client without a server, its Bootstrap-Server and the server that it is given, on a network that loses, repeats,
//! delays and reorders; connections are lost, the application aborts, and the power is cut.
//!
//! For every seed: after each step, what would be saved is what there was before the bootstrap, or is exactly as
//! finished. In the end the client is registered at the server, and has all of what the plan says.
//!
//! 200 seeds run by default; many more with
//! `SIMULATION_FACTOR=250 cargo test --release -p lwm2m-statemachine --test world bootstrap`.

mod sides;

use core::time::Duration;

use lwm2m_core::{InstanceId, ShortServerId};
use lwm2m_objects::{DEVICE, ObjectTree, SERVER, Snapshot, Store, Typed as _, typed};
use lwm2m_simulation::{Handle, Host, Link, Network};
use lwm2m_statemachine::{
    BootstrapServer, BootstrapServerConfig, Client, ClientConfig, Server, ServerConfig,
    bootstrap_server::{Plan, plans},
};

use self::sides::{Device, Platform, Station};
use crate::seeds;

const SERVER_ID: ShortServerId = ShortServerId::new(101).unwrap();
const DAY: Duration = Duration::from_secs(86_400);

/// The account of the Bootstrap-Server.
fn bootstrap_account() -> typed::Security {
    typed::Security::no_sec("coap://bootstrap", SERVER_ID).into_bootstrap_server()
}

/// What the factory gives the client.
fn factory() -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, bootstrap_account())]));
    tree.add(Store::new(&SERVER));
    let device = typed::Device::example();
    tree.add(device.store(Store::new(&DEVICE), InstanceId::ZERO));
    tree
}

/// One of the plans.
fn plan(number: u64) -> Plan {
    let account = plans::Account {
        security: typed::Security::no_sec("coap://server", SERVER_ID),
        server: typed::Server::new(SERVER_ID, 3600),
    };
    let keep = plans::BootstrapAccount::Keep(InstanceId::ZERO);
    match number % 3 {
        0 => plans::one_server(keep, account),
        1 => plans::wipe_and_set(keep, [account], []),
        _ => {
            let new = typed::Security {
                client_hold_off_time: Some(20),
                ..bootstrap_account()
            };
            let replace = plans::BootstrapAccount::Replace(InstanceId::ZERO, new);
            plans::one_server(replace, account)
        }
    }
    .unwrap()
}

struct World {
    network: Network,
    device: Handle<Host<Device>>,
    station: Handle<Host<Station>>,
}

impl World {
    fn new(seed: u64, link: Link, finished: Option<Snapshot>) -> Self {
        let mut network = Network::new(seed);
        network.set_default_link(link);
        let config = BootstrapServerConfig::new(network.random().seed());
        let station = Station::new(plan(seed));
        let station = network.add(
            "bootstrap",
            Host::new(BootstrapServer::new(config), station),
        );
        let config = ServerConfig::new(network.random().seed());
        let platform = network.add("server", Host::new(Server::new(config), Platform));
        let at = [network.address(station), network.address(platform)];
        let application = Device::new(at, factory().snapshot(), finished);
        let client = client(network.random().seed(), factory());
        let device = network.add("device", Host::new(client, application));
        network.with(device, |host, now| host.machine.start(now));
        Self {
            network,
            device,
            station,
        }
    }

    /// Something happens to the device, once in a while.
    fn disturb(&mut self) {
        let choice = self.network.random().below(8);
        match choice {
            0 => self.network.with(self.device, |host, now| {
                host.application.lose_bootstrap(now, &mut host.machine);
            }),
            1 => self.network.with(self.device, |host, now| {
                host.machine.bootstrapping().abort(now);
            }),
            2 => self.network.with(self.device, |host, now| {
                // It may begin in the middle of another one.
                let _ = host.machine.bootstrapping().begin(now);
            }),
            3 => self.cut_power(),
            _ => {}
        }
    }

    /// The device begins again with what it has saved.
    fn cut_power(&mut self) {
        let host = self.network.node(self.device);
        let mut tree = factory();
        tree.restore(&host.machine.tree().snapshot()).unwrap();
        let application = host.application.rebooted();
        let client = client(self.network.random().seed(), tree);
        let host = Host::new(client, application);
        // It has another port then: what is late doesn't find it.
        self.network.change_address(self.device);
        self.network.reboot(self.device, host);
        self.network
            .with(self.device, |host, now| host.machine.start(now));
    }

    /// Runs until the client is registered, and everything has calmed down.
    fn settle(&mut self) {
        let device = self.device;
        let is_registered = self.network.run_until(10 * DAY, |network| {
            let client = &network.node(device).machine;
            client
                .accounts()
                .any(|status| client.is_registered(status.id))
        });
        assert!(is_registered, "not registered in ten days");
    }
}

fn client(seed: [u8; 32], tree: ObjectTree) -> Client {
    Client::new(ClientConfig::new("device", seed), tree).unwrap()
}

/// What this plan leaves.
fn finished(number: u64) -> Snapshot {
    let mut world = World::new(number, Link::new(Duration::from_millis(50)), None);
    world.settle();
    let host = world.network.node(world.device);
    assert_eq!(host.application.finished, 1);
    let station = &world.network.node(world.station).application;
    assert_eq!(station.outcomes, [Ok(())]);
    host.machine.tree().snapshot()
}

/// On a good network the client is bootstrapped at once.
#[test]
fn a_client_is_bootstrapped_by_our_bootstrap_server_and_registers() {
    for number in 0..3 {
        let link = Link::new(Duration::from_millis(50));
        let mut world = World::new(number, link, None);
        let device = world.device;
        let is_registered = world.network.run_until(Duration::from_secs(5), |network| {
            let client = &network.node(device).machine;
            client
                .accounts()
                .any(|status| client.is_registered(status.id))
        });
        assert!(is_registered);
    }
}

/// What came of the seeds.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    digest: u64,
    finished: u64,
    failed: u64,
}

impl seeds::Sum for Outcome {
    fn add(&mut self, other: &Self) {
        self.digest ^= other.digest;
        self.finished += other.finished;
        self.failed += other.failed;
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

fn run(seed: u64, finished: &[Snapshot]) -> (Outcome, Network) {
    let done = &finished[usize::try_from(seed % 3).unwrap()];
    let mut dice = lwm2m_simulation::Random::new(seed, 7);
    let loss = dice.below(51) as f64 / 100.0;
    let link = Link::new(Duration::from_millis(30))
        .jittering(dice.duration(Duration::from_secs(3)))
        .losing(loss)
        .duplicating(0.15)
        .reordering(0.1, Duration::from_secs(20));
    let mut world = World::new(seed, link, Some(done.clone()));
    for _ in 0..dice.below(40) {
        let pause = dice.duration(Duration::from_secs(20));
        world.network.run_for(pause);
        world.disturb();
    }
    world.settle();
    let host = world.network.node(world.device);
    assert!(host.machine.tree().snapshot() == *done, "not as planned");
    let outcome = Outcome {
        digest: world.network.digest(),
        finished: host.application.finished,
        failed: host.application.failed,
    };
    (outcome, world.network)
}

#[test]
fn whatever_happens_a_bootstrap_leaves_all_or_nothing_and_the_client_registers() {
    let finished: Vec<_> = (0..3).map(finished).collect();
    let count = 200 * seeds::factor();
    let all = seeds::run(0..count, |seed| run(seed, &finished).0);
    assert!(all.finished >= count && all.failed >= count, "{all:?}");
}

#[test]
fn a_seed_of_bootstraps_runs_the_same_way_each_time() {
    let finished: Vec<_> = (0..3).map(finished).collect();
    seeds::assert_reproducible(0..3, |seed| run(seed, &finished));
}
