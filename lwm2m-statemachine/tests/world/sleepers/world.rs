//! A run: what happens, in which order, and what must hold at its end.

use core::time::Duration;

use lwm2m_simulation::{Handle, Link, Network};
use lwm2m_statemachine::{Channel, Server, ServerConfig};

use super::{
    device::Device,
    modem::Modem,
    platform::{Platform, Tally},
};

/// How long an operation may take.
pub(super) const LONGEST: Duration = Duration::from_secs(1500);
/// How long a short message and its answer may take.
pub(super) const ROUND_TRIP: Duration = Duration::from_secs(362);
/// Longer than a Lifetime, and than any state of an exchange.
const QUIET: Duration = Duration::from_secs(3600);

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The server takes clients to be awake for longer than they are.
    ServerWaitsTooLong,
    /// Devices listen for a third of the time.
    DeviceSleepsTooEarly,
    /// Devices don't recognise what is repeated.
    DeviceForgets,
    /// The application misses that an operation has ended.
    OutcomeIsLost,
    /// The application has the server wake a client as if it hadn't done so before.
    ApplicationStartsOver,
}

/// What happens in a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    seed: u64,
    link: Link,
    is_calm: bool,
    devices: u64,
    /// For how long operations are made.
    time: Duration,
    steps: u32,
    fault: Fault,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let loss = [0.0, 0.1, 0.3, 0.5][(seed % 4) as usize];
        let link = Link::new(Duration::from_millis(30)).jittering(Duration::from_millis(400));
        let is_calm = loss == 0.0;
        let link = if is_calm {
            link
        } else {
            link.losing(loss)
                .duplicating(0.1)
                .reordering(0.05, Duration::from_secs(20))
        };
        Self {
            seed,
            link,
            is_calm,
            devices: 200,
            time: Duration::from_secs(1500),
            steps: 250,
            fault: Fault::None,
        }
    }

    /// With few devices.
    pub(super) fn small(seed: u64) -> Self {
        Self {
            devices: 20,
            steps: 100,
            ..Self::new(seed)
        }
    }

    pub(super) fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) tally: Tally,
    pub(super) digest: u64,
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
    platform: Handle<Platform>,
    devices: Vec<Sleeper>,
}

/// A device, and its modem if it has one.
#[derive(Clone)]
struct Sleeper {
    name: String,
    device: Handle<Device>,
    modem: Option<Handle<Modem>>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut network = Network::new(plan.seed);
        network.set_default_link(plan.link.clone());
        network.keep_records(2000);
        let mut config = ServerConfig::new(network.random().seed());
        config.queue_mode.deadline = LONGEST;
        if plan.fault == Fault::ServerWaitsTooLong {
            config.queue_mode.awake = Some(Duration::from_secs(300));
        }
        let platform = Platform::new(Server::new(config), plan.fault);
        let platform = network.add("server", platform);
        let server = network.address(platform);
        let devices = (0..plan.devices).map(|number| {
            let name = format!("device-{number}");
            let seed = network.random().number();
            let device = Device::new(name.clone(), server, seed, plan.fault);
            let device = network.add(&name, device);
            let modem = None;
            Sleeper {
                name,
                device,
                modem,
            }
        });
        let devices = devices.collect();
        let mut world = Self {
            plan,
            network,
            platform,
            devices,
        };
        world.add_modems();
        world
    }

    /// Every third device takes short messages.
    fn add_modems(&mut self) {
        let sms = Link::new(Duration::from_secs(2))
            .jittering(Duration::from_secs(60))
            .reordering(0.2, Duration::from_secs(100))
            .losing(self.plan.link.loss)
            .duplicating(self.plan.link.duplication)
            .with_mtu(140)
            .over(Channel::Sms);
        let network = &mut self.network;
        for sleeper in self.devices.iter_mut().step_by(3) {
            let seed = network.random().number();
            let modem = Modem::new(network.address(sleeper.device), seed);
            let modem = network.add(&format!("modem of {}", sleeper.name), modem);
            *network.link(self.platform, modem) = sms.clone();
            *network.link(modem, self.platform) = sms.clone();
            *network.link(modem, sleeper.device) = Link::new(Duration::ZERO);
            sleeper.modem = Some(modem);
            network.with(sleeper.device, |device, _| {
                (device.binding, device.queues) = ("b=UQS", "b=UQS");
            });
            let (name, number) = (sleeper.name.clone(), network.address(modem));
            network.with(self.platform, |platform, _| {
                platform.numbers.insert(name, number);
            });
        }
    }

    pub(super) fn run(mut self) -> (Summary, Network) {
        self.network.run_for(Duration::from_secs(300));
        for _ in 0..self.plan.steps {
            self.step();
            let longest = self.plan.time * 2 / self.plan.steps;
            let pause = self.network.random().duration(longest);
            self.network.run_for(pause);
        }
        // A client may be woken at the last moment.
        self.network.run_for(LONGEST + ROUND_TRIP);
        self.network.node(self.platform).assert_all_ended();
        self.check_devices();
        self.leave();
        let summary = Summary {
            tally: self.network.node(self.platform).tally.clone(),
            digest: self.network.digest(),
        };
        (summary, self.network)
    }

    fn sleeper(&mut self) -> Sleeper {
        let at = self.network.random().below(self.plan.devices) as usize;
        self.devices[at].clone()
    }

    fn step(&mut self) {
        let Sleeper {
            name,
            device,
            modem,
        } = self.sleeper();
        let random = self.network.random();
        let mut own = lwm2m_simulation::Random::new(random.number(), 3);
        match random.below(20) {
            0 => self.network.with(self.platform, |platform, now| {
                platform.cancel_one(now, &mut own);
            }),
            1 => {
                let now = self.network.now();
                let rebooted = self.network.node(device).rebooted(now, own.number());
                self.network.reboot(device, rebooted);
                self.count("reboot");
            }
            2 if !self.plan.is_calm => {
                let address = self.network.change_address(device);
                if let Some(modem) = modem {
                    self.network.with(modem, |modem, _| modem.device = address);
                }
                self.count("another address");
            }
            3 => self.network.with(device, |device, _| {
                device.always_queues = false;
                device.binding = match device.binding {
                    "b=U" => device.queues,
                    _ => "b=U",
                };
            }),
            _ => {
                // Often several to one device, so that they wait for each other.
                for _ in 0..=own.below(4) {
                    self.network.with(self.platform, |platform, now| {
                        platform.operate(now, &name, &mut own);
                    });
                }
            }
        }
    }

    fn count(&mut self, what: &'static str) {
        self.network
            .with(self.platform, |platform, _| platform.count(what));
    }

    /// If nothing is lost, nothing reaches a device that is asleep, unless it isn't in Queue Mode.
    fn check_devices(&mut self) {
        if !self.plan.is_calm {
            return;
        }
        for Sleeper { name, device, .. } in &self.devices {
            let device = self.network.node(*device);
            assert!(
                device.missed == 0 || !device.always_queues,
                "something reaches a device that is asleep: {name}"
            );
        }
    }

    /// All devices are gone, and their registrations end.
    fn leave(&mut self) {
        for sleeper in &self.devices {
            self.network.switch_off(sleeper.device);
        }
        self.network.run_for(QUIET);
        let platform = self.network.node(self.platform);
        let usage = platform.server.usage();
        assert_eq!((usage.registrations, usage.operations), (0, 0));
        assert_eq!((usage.held, usage.held_bytes, usage.awake), (0, 0, 0));
        assert_eq!((usage.observations, usage.events), (0, 0));
        let coap = usage.coap;
        assert_eq!((coap.peers, coap.records, coap.requests), (0, 0, 0));
        assert_eq!(platform.server.poll_timeout(), None);
    }
}
