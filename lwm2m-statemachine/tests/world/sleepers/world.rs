//! A run: what happens, in which order, and what must hold at its end.

use core::time::Duration;

use lwm2m_simulation::{Handle, Link, Network, Random};
use lwm2m_statemachine::{Channel, Server, ServerConfig};

use super::{
    device::{Device, Kind},
    modem::Modem,
    platform::{Platform, Tally},
    setup::{DEFINITION, Setup},
};

/// How long an operation may take.
pub(super) const LONGEST: Duration = Duration::from_secs(1500);
/// How long a short message and its answer may take.
pub(super) const ROUND_TRIP: Duration = Duration::from_secs(362);
/// How long a device may have no power.
const RESTART: Duration = Duration::from_secs(62);
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
    /// The application misses that a client has woken.
    WakingIsMissed,
    /// Devices wake too late for their Updates.
    DeviceOversleeps,
    /// Devices don't know for how long they had no power.
    ClockIsLost,
    /// Devices don't power up when something wakes their Client.
    RadioStaysOff,
    /// The application misses notifications.
    NotificationIsLost,
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
    counter: i64,
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
        config.registry.add(&DEFINITION).unwrap();
        if plan.fault == Fault::ServerWaitsTooLong {
            config.queue_mode.awake = Some(Duration::from_secs(300));
        }
        let platform = Platform::new(Server::new(config), plan.fault);
        let platform = network.add("server", platform);
        let server = network.address(platform);
        let devices = (0..plan.devices).map(|number| {
            let setup = Setup {
                name: format!("device-{number}"),
                server,
                binding: Setup::binding_of(number),
                may_be_disabled: matches!(number % 40, 2 | 7 | 12 | 22 | 32),
                is_calm: plan.is_calm,
                fault: plan.fault,
            };
            let name = setup.name.clone();
            let seed = network.random().number();
            let is_scripted = number % 5 == 4;
            network.with(platform, |platform, _| {
                if setup.may_be_disabled {
                    platform.may_disable.insert(name.clone());
                } else if !is_scripted {
                    platform.reporters.insert(name.clone());
                }
            });
            let device = network.add(&name, Device::new(setup, seed, is_scripted));
            Sleeper {
                name,
                device,
                modem: None,
            }
        });
        let devices = devices.collect();
        let mut world = Self {
            plan,
            network,
            platform,
            devices,
            counter: 0,
        };
        world.add_modems();
        world
    }

    /// Every third device takes short messages, and more.
    fn add_modems(&mut self) {
        let sms = Link::new(Duration::from_secs(2))
            .jittering(Duration::from_secs(60))
            .reordering(0.2, Duration::from_secs(100))
            .losing(self.plan.link.loss)
            .duplicating(self.plan.link.duplication)
            .with_mtu(140)
            .over(Channel::Sms);
        let network = &mut self.network;
        for sleeper in &mut self.devices {
            if !network.node(sleeper.device).setup.has_modem() {
                continue;
            }
            let seed = network.random().number();
            let (server, at) = (
                network.address(self.platform),
                network.address(sleeper.device),
            );
            let modem = match network.node(sleeper.device).kind {
                Kind::Client(_) => Modem::new(server, at),
                Kind::Scripted(_) => Modem::answering(server, at, seed),
            };
            let modem = network.add(&format!("modem of {}", sleeper.name), modem);
            *network.link(self.platform, modem) = sms.clone();
            *network.link(modem, self.platform) = sms.clone();
            let at_once = Link::new(Duration::ZERO);
            *network.link(modem, sleeper.device) = at_once.clone();
            *network.link(sleeper.device, modem) = at_once;
            sleeper.modem = Some(modem);
            let number = network.address(modem);
            network.with(sleeper.device, |device, _| {
                if let Kind::Client(meter) = &mut device.kind {
                    meter.modem = Some(number);
                }
            });
            let name = sleeper.name.clone();
            let takes_all = matches!(network.node(sleeper.device).kind, Kind::Client(_));
            network.with(self.platform, |platform, _| {
                if takes_all {
                    platform.by_sms.insert(name.clone());
                }
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
        self.network
            .with(self.platform, |platform, _| platform.rests = true);
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
        let mut own = Random::new(random.number(), 3);
        match random.below(24) {
            0 => self.network.with(self.platform, |platform, now| {
                platform.cancel_one(now, &mut own);
            }),
            1 => self.reboot(device, &mut own),
            2 if !self.plan.is_calm => {
                let address = self.network.change_address(device);
                if let Some(modem) = modem {
                    self.network.with(modem, |modem, _| modem.device = address);
                }
                self.network.with(device, Device::moved);
                self.count("another address");
            }
            3 => self.network.with(device, |device, now| {
                device.change_binding(now, &mut own);
            }),
            4..=7 => self.measure(device),
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

    /// A device reboots, with what it has saved or without.
    fn reboot(&mut self, device: Handle<Device>, random: &mut Random) {
        let restarts = random.chance(0.5) && self.network.with(device, Device::restart);
        if restarts {
            self.count("reboot with a snapshot");
            return;
        }
        let (now, seed) = (self.network.now(), random.number());
        self.network
            .reboot_with(device, |device| device.rebooted(now, seed));
        self.count("reboot");
    }

    /// A device measures something, once or more often, with pauses.
    fn measure(&mut self, device: Handle<Device>) {
        for _ in 0..=self.network.random().below(3) {
            self.counter += 1;
            let counter = self.counter;
            let measures = self
                .network
                .with(device, |device, now| device.measure(now, counter));
            if measures {
                self.count("measured");
            }
            self.network.run_for(Duration::from_secs(1));
        }
    }

    fn count(&mut self, what: &'static str) {
        self.network
            .with(self.platform, |platform, _| platform.count(what));
    }

    /// If nothing is lost, nothing reaches a device that is asleep, unless it isn't in Queue Mode. What was stored has
    /// arrived. And whose time of Disable is over has registered.
    fn check_devices(&mut self) {
        let (mut delivered, mut powered_down, mut enabled) = (0, 0, 0);
        let now = self.network.now();
        for Sleeper { name, device, .. } in &self.devices {
            let device = self.network.node(*device);
            assert!(
                device.missed() == 0 || !device.always_queues || !self.plan.is_calm,
                "something reaches a device that is asleep: {name}"
            );
            let reports = &self.network.node(self.platform).reports;
            for value in device.delivered() {
                delivered += 1;
                assert!(
                    reports.has_heard(name, *value),
                    "{value} was stored by {name}, and is lost"
                );
            }
            powered_down += device.powered_down();
            enabled += device.enabled();
            // It may have no power for a minute.
            let comes_back = device.disabled().map(|until| until + RESTART);
            assert!(
                comes_back.is_none_or(|at| now < at),
                "{name} does not come back after Disable"
            );
        }
        self.network.with(self.platform, |platform, _| {
            platform.tally.insert("stored and sent", delivered);
            platform.tally.insert("powered down", powered_down);
            platform.tally.insert("registered after Disable", enabled);
        });
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
