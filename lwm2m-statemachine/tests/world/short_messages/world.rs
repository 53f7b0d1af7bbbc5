//! A run: what happens, in which order, and what must hold at its end.

use core::time::Duration;

use lwm2m_core::{BindingMode, Value};
use lwm2m_simulation::{Handle, Link, Network, NodeId, Random};
use lwm2m_statemachine::{Channel, Server, ServerConfig};

use super::{
    device::{ACCOUNT, BATTERY, BINDING, Device, Reach, client},
    platform::{Carrier, Platform, Tally},
};

/// A Write that wasn't answered over SMS for MAX_RTT, 362 s, may be sent again in Queue Mode. This deadline passes before,
/// so that no Write has a reason to be run twice.
const REPEATS_NOTHING: Duration = Duration::from_secs(300);

/// Longer than the Client waits for its next attempt, and for an answer to it.
const SETTLED: Duration = Duration::from_secs(3 * 3600);
/// Longer than any state of an exchange over SMS lives.
const QUIET: Duration = Duration::from_secs(1200);
const LIFETIME: u32 = 86_400;

/// What happens in a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    seed: u64,
    steps: u32,
    /// The loss on each of the two ways of a short message, and of a datagram.
    loss: f64,
    /// How often a connection can't be made.
    failing: f64,
    pause: Duration,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            steps: 30,
            loss: [0.0, 0.05, 0.1][(seed % 3) as usize],
            failing: [0.0, 0.3][(seed / 3 % 2) as usize],
            pause: Duration::from_secs([60, 900][(seed / 6 % 2) as usize]),
        }
    }
}

/// Seconds to minutes, and some come twice. There are two such links on the way.
fn sms(loss: f64) -> Link {
    Link::new(Duration::from_secs(1))
        .jittering(Duration::from_secs(30))
        .losing(loss)
        .duplicating(if loss > 0.0 { 0.1 } else { 0.0 })
        .reordering(0.2, Duration::from_secs(60))
        .with_mtu(140)
        .over(Channel::Sms)
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) tally: Tally,
    digest: u64,
}

impl crate::seeds::Sum for Summary {
    fn add(&mut self, other: &Self) {
        for (what, count) in &other.tally {
            *self.tally.entry(what).or_default() += count;
        }
        self.digest = self.digest.wrapping_add(other.digest);
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

pub(super) struct World {
    plan: Plan,
    network: Network,
    device: Handle<Device>,
    platform: Handle<Platform>,
    carrier: Handle<Carrier>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut network = Network::new(plan.seed);
        let carrier = network.add("SMS", Carrier::new());
        let number = network.address(carrier);
        let mut config = ServerConfig::new(network.random().seed());
        config.queue_mode.deadline = REPEATS_NOTHING;
        let server = Server::new(config);
        let platform = network.add("server", Platform::new(server, number));
        let bindings = BindingMode::ALL;
        let binding = bindings[network.random().below(6) as usize];
        let binding = if binding == BindingMode::SQ {
            BindingMode::S
        } else {
            binding
        };
        let machine = client(network.random().seed(), binding, LIFETIME);
        let reach = Reach {
            socket: network.address(platform),
            number,
        };
        let random = Random::new(plan.seed, 7);
        let device = network.add("client", Device::new(machine, reach, random, plan.failing));
        let sides = [network.address(device), network.address(platform)];
        network.with(carrier, |carrier, _| carrier.sides = sides.map(Some));
        let mut world = Self {
            plan,
            network,
            device,
            platform,
            carrier,
        };
        world.set_links(world.plan.loss);
        world
    }

    fn set_links(&mut self, loss: f64) {
        let sms = sms(loss);
        let udp = Link::new(Duration::from_millis(30)).losing(loss);
        self.network.set_default_link(udp);
        for side in [NodeId::from(self.device), self.platform.into()] {
            *self.network.link(side, self.carrier) = sms.clone();
            *self.network.link(self.carrier, side) = sms.clone();
        }
    }

    pub(super) fn run(mut self) -> (Summary, Network) {
        self.network
            .with(self.device, |device, now| device.client.start(now));
        self.await_registration();
        for _ in 0..self.plan.steps {
            self.step();
            let pause = self.network.random().duration(self.plan.pause);
            self.network.run_for(pause);
        }
        self.settle();
        let (device, platform) = (
            self.network.node(self.device),
            self.network.node(self.platform),
        );
        let mut tally = device.tally.clone();
        for (what, count) in &platform.tally {
            *tally.entry(what).or_default() += count;
        }
        let digest = self.network.digest();
        (Summary { tally, digest }, self.network)
    }

    fn step(&mut self) {
        let random = self.network.random();
        let (choice, by_sms) = (random.below(6), random.chance(0.3));
        let binding = ["U", "UQ", "S", "US", "UQS", "S"][random.below(6) as usize];
        let level = random.below(101) as i64;
        match random.below(8) {
            0 | 1 => self.network.with(self.platform, |platform, now| {
                platform.bind(now, BINDING, binding);
            }),
            2 => self.network.with(self.device, |device, now| {
                device.client.set(now, BATTERY, level).unwrap();
            }),
            _ => self.network.with(self.platform, |platform, now| {
                platform.operate(now, choice, by_sms);
            }),
        }
    }

    fn await_registration(&mut self) {
        let (device, platform) = (self.device, self.platform);
        let registered = self.network.run_until(SETTLED, |network| {
            network.node(device).client.is_registered(ACCOUNT)
                && network.node(platform).client().is_some()
        });
        assert!(registered, "no registration");
    }

    /// From now on the network works, and everything comes to its end.
    fn settle(&mut self) {
        self.set_links(0.0);
        self.network.with(self.device, |device, _| device.heal());
        self.network.run_for(SETTLED);
        self.await_registration();
        let device = self.network.node(self.device);
        let (ends, reasons) = device.ends;
        assert!(
            ends <= reasons,
            "the registration was lost without a reason"
        );
        // The traffic is where the binding says.
        let binding = device.client.tree().get(BINDING);
        let Some(Value::String(binding)) = binding else {
            panic!("no binding");
        };
        let binding: BindingMode = binding.parse().unwrap();
        assert_eq!(device.is_over_sms(), !binding.has_udp(), "{binding}");
        let channel = self.network.node(self.platform).channel();
        let expected = if binding.has_udp() {
            Channel::Udp
        } else {
            Channel::Sms
        };
        assert_eq!(channel, Some(expected), "{binding}");
        // What waits for it to wake is sent, and the client is reached there.
        self.wake();
        let before = self.answered();
        self.network.with(self.platform, |platform, now| {
            platform.operate(now, 1, false);
        });
        self.wake();
        assert_eq!(self.answered(), before + 1, "not reached over {binding}");
        self.network.node(self.platform).asked.check_end();
    }

    /// The client says that it is awake, as it may be in Queue Mode.
    fn wake(&mut self) {
        self.network.with(self.device, |device, now| {
            device.client.update(now, ACCOUNT);
        });
        self.network.run_for(QUIET);
    }

    fn answered(&self) -> u64 {
        let tally = &self.network.node(self.platform).tally;
        tally.get("operation answered").copied().unwrap_or_default()
    }
}
