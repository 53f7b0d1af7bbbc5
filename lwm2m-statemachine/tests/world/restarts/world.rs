//! A run, and what has to hold at its end.

use core::time::Duration;
use std::collections::BTreeMap;

use lwm2m_core::{Arguments, ContentFormat, Path};
use lwm2m_simulation::{Handle, Link, Network};
use lwm2m_statemachine::{Outcome as Ended, server::RecordKeeping};

use super::{
    device::{self, ACCOUNT, DeviceHost},
    platform::{Moment, Platform},
};
use crate::seeds::Sum;

const DEVICES: usize = 4;
const ROUNDS: usize = 40;
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
/// Reset Error Code (TS E.4), which the Store leaves to the application.
const RESET_ERROR_CODE: Path = Path::of(&[3, 0, 12]).unwrap();
const MOMENTS: [Moment; 3] = [
    Moment::BeforeStoring,
    Moment::AfterStoring,
    Moment::AfterSending,
];

/// What came of a run.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) operations: usize,
    pub(super) successes: usize,
    /// Operations of which nobody knows what became of them.
    pub(super) restarted: usize,
    pub(super) notifications: usize,
    pub(super) crashes: [usize; 3],
    digest: u64,
}

impl Sum for Outcome {
    fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.successes += other.successes;
        self.restarted += other.restarted;
        self.notifications += other.notifications;
        for (all, one) in self.crashes.iter_mut().zip(other.crashes) {
            *all += one;
        }
        self.digest ^= other.digest;
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

pub(super) struct World {
    network: Network,
    platform: Handle<Platform>,
    devices: Vec<(String, Handle<DeviceHost>)>,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl World {
    pub(super) fn new(seed: u64, keeping: RecordKeeping) -> Self {
        let mut network = Network::new(seed);
        network.set_default_link(Link::new(Duration::from_millis(20)));
        let platform = Platform::new(network.random().seed(), keeping);
        let platform = network.add("server", platform);
        let server = network.address(platform);
        let devices = (0..DEVICES).map(|number| {
            let name = format!("device-{number}");
            let seed = network.random().seed();
            let booted = device::boot(&name, number % 2 == 1, server, seed);
            let device = network.add(&name, booted);
            network.with(device, |host, now| host.machine.start(now));
            (name, device)
        });
        let devices = devices.collect();
        Self {
            network,
            platform,
            devices,
        }
    }

    pub(super) fn run(&mut self) {
        // All are registered, and copies of their Registers have died out, as a server that has crashed doesn't
        // know these from new ones.
        self.network.run_for(seconds(300));
        let rough = Link::new(Duration::from_millis(30))
            .jittering(Duration::from_millis(300))
            .losing(0.05)
            .duplicating(0.1);
        self.network.set_default_link(rough);
        for number in 0..ROUNDS {
            if self.network.random().chance(0.5) {
                let moment = self.network.random().below(3);
                let moment = MOMENTS[usize::try_from(moment).unwrap()];
                self.network
                    .with(self.platform, |platform, _| platform.crash = Some(moment));
            }
            for operation in [2 * number, 2 * number + 1] {
                self.operate(operation);
            }
            let pause = self.network.random().duration(seconds(60));
            self.network.run_for(pause);
        }
    }

    fn any_device(&mut self) -> (String, Handle<DeviceHost>) {
        let chosen = self.network.random().below(DEVICES as u64);
        self.devices[usize::try_from(chosen).unwrap()].clone()
    }

    fn operate(&mut self, number: usize) {
        let (name, device) = self.any_device();
        let choice = self.network.random().below(8);
        let arguments = format!("0='{number}'");
        self.network.with(self.platform, |platform, now| {
            let server = &mut platform.server;
            let client = server.find(&name).expect("a registration");
            let text = Some(ContentFormat::TEXT);
            let (called, arguments) = match choice {
                0..=3 => {
                    let given = Arguments::parse(arguments.as_bytes()).unwrap();
                    let called = server.execute(now, client, RESET_ERROR_CODE, &given);
                    (called, Some(arguments))
                }
                4 => (server.observe(now, client, BATTERY_LEVEL, text), None),
                _ => (server.read(now, client, BATTERY_LEVEL, text), None),
            };
            let operation = called.expect("room");
            platform.memory.asked.insert(operation, arguments);
        });
        let level = i64::try_from(self.network.random().below(50)).unwrap();
        self.network.with(device, |host, now| {
            host.machine.set(now, BATTERY_LEVEL, level).unwrap();
        });
    }

    pub(super) fn finish(mut self) -> (Outcome, Network) {
        self.network
            .with(self.platform, |platform, _| platform.crash = None);
        self.network
            .set_default_link(Link::new(Duration::from_millis(20)));
        self.network.run_for(seconds(400));
        self.network.with(self.platform, |platform, now| {
            platform.server.waiting().cancel_all(now);
        });
        self.network.run_for(seconds(1));
        self.check_devices();
        self.check_operations();
        self.check_observations();
        (self.outcome(), self.network)
    }

    /// None has registered anew, and none has run an Execute twice.
    fn check_devices(&self) {
        for (name, device) in &self.devices {
            let Device { registered, runs } = self.device(*device);
            assert_eq!(registered, 1, "{name} has registered anew");
            assert!(runs.values().all(|times| *times == 1), "{name}: {runs:?}");
            assert!(self.network.node(*device).machine.is_registered(ACCOUNT));
        }
    }

    fn device(&self, device: Handle<DeviceHost>) -> Device {
        let application = &self.network.node(device).application;
        Device {
            registered: application.registered,
            runs: application.executed.clone(),
        }
    }

    /// Each has one outcome. What was done is known to be, and nothing else.
    fn check_operations(&self) {
        let memory = &self.network.node(self.platform).memory;
        let runs: BTreeMap<String, usize> = self
            .devices
            .iter()
            .flat_map(|(_, device)| self.device(*device).runs)
            .collect();
        for (operation, arguments) in &memory.asked {
            let outcomes = memory.outcomes.get(operation);
            let outcomes = outcomes.map_or(&[][..], Vec::as_slice);
            let [outcome] = outcomes else {
                panic!("{operation:?} {arguments:?}: {outcomes:?}");
            };
            if let (Some(arguments), Ended::Changed) = (arguments, outcome) {
                assert!(runs.contains_key(arguments), "{arguments} was not run");
            }
        }
        for run in runs.keys() {
            let mut asked = memory.asked.values().flatten();
            assert!(asked.any(|asked| asked == run), "nobody knows of {run}");
        }
        assert!(
            memory
                .outcomes
                .keys()
                .all(|ended| memory.asked.contains_key(ended))
        );
    }

    /// A change is told by each observation.
    fn check_observations(&mut self) {
        let before = self.network.node(self.platform).memory.notified.clone();
        for (_, device) in &self.devices {
            self.network.with(*device, |host, now| {
                host.machine.set(now, BATTERY_LEVEL, 77).unwrap();
            });
        }
        self.network.run_for(seconds(10));
        let platform = self.network.node(self.platform);
        let memory = &platform.memory;
        for observation in &memory.observing {
            let count = |of: &BTreeMap<_, usize>| of.get(observation).copied().unwrap_or(0);
            assert!(
                count(&memory.notified) > count(&before),
                "{observation:?} is lost"
            );
        }
        let held = platform.server.usage().observations;
        assert_eq!(held, memory.observing.len());
    }

    fn outcome(&self) -> Outcome {
        let platform = self.network.node(self.platform);
        let outcomes = platform.memory.outcomes.values().flatten();
        let is_success = |outcome: &&Ended| {
            matches!(
                outcome,
                Ended::Changed | Ended::Content(_) | Ended::Observing { .. }
            )
        };
        let is_restarted = |outcome: &&Ended| matches!(outcome, Ended::Restarted { .. });
        Outcome {
            operations: platform.memory.asked.len(),
            successes: outcomes.clone().filter(is_success).count(),
            restarted: outcomes.filter(is_restarted).count(),
            notifications: platform.memory.notified.values().sum(),
            crashes: platform.crashes,
            digest: self.network.digest(),
        }
    }
}

/// What a device has done.
struct Device {
    registered: usize,
    runs: BTreeMap<String, usize>,
}
