//! A run: what happens, in which order, and what must hold at its end.

use core::time::Duration;

use lwm2m_core::Path;
use lwm2m_objects::typed;
use lwm2m_simulation::{Address, Handle, Host, Link, Network};
use lwm2m_statemachine::{Server, ServerConfig, Session};

use super::{
    device::{ACCOUNT, BATTERY, COUNTER, DEVICE, Device, client},
    platform::{Fault, Platform, Tally},
};

/// Longer than the Client ever waits for its next attempt, which is an hour.
const SETTLED: Duration = Duration::from_secs(3 * 3600);
/// Longer than any state of an exchange lives (RFC 7252 §4.8.2).
const QUIET: Duration = Duration::from_secs(600);

/// What happens in a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) link: Link,
    pub(super) steps: u32,
    /// The longest time between two of them.
    pub(super) pause: Duration,
    /// The largest blocks that the Client sends, in bytes.
    pub(super) block_size: usize,
    /// Whether the Client stores notifications while it is offline.
    pub(super) storing: bool,
    /// Whether the driver of the server closes the older one of the sessions between which the Client
    /// changes.
    pub(super) closes_older: bool,
    pub(super) fault: Fault,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let loss = [0.0, 0.1, 0.3][(seed % 3) as usize];
        let link = Link::new(Duration::from_millis(30))
            .jittering(Duration::from_secs(1))
            .losing(loss)
            .duplicating(0.1)
            .reordering(0.1, Duration::from_secs(20));
        Self {
            link,
            pause: Duration::from_secs([2, 20][(seed / 3 % 2) as usize]),
            ..Self::calm(seed)
        }
    }

    /// Without loss, and with time for everything.
    pub(super) fn calm(seed: u64) -> Self {
        Self {
            seed,
            link: Link::default(),
            steps: 30,
            pause: Duration::from_secs(400),
            block_size: [1024, 64][(seed / 6 % 2) as usize],
            storing: (seed / 12).is_multiple_of(2),
            closes_older: (seed / 24).is_multiple_of(2),
            fault: Fault::None,
        }
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

/// The battery level that goes with a Counter.
const fn level(counter: i64) -> i64 {
    counter % 101
}

pub(super) struct World {
    plan: Plan,
    network: Network,
    device: Handle<Host<Device>>,
    platform: Handle<Platform>,
    /// The sessions that the Client has left, and that are open at the server.
    lingering: Vec<Address>,
    counter: i64,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut network = Network::new(plan.seed);
        network.set_default_link(plan.link.clone());
        let server = Server::new(ServerConfig::new(network.random().seed()));
        let platform = network.add(
            "server",
            Platform::new(server, plan.fault, plan.closes_older),
        );
        let client = client(network.random().seed(), plan.block_size, plan.storing);
        let application = Device::new(network.address(platform));
        let device = network.add("client", Host::new(client, application));
        Self {
            plan,
            network,
            device,
            platform,
            lingering: Vec::new(),
            counter: typed::Device::example().memory_free.map_or(0, i64::from),
        }
    }

    pub(super) fn run(mut self) -> (Summary, Network) {
        self.network
            .with(self.device, |host, now| host.machine.start(now));
        self.connect(Session::New);
        self.await_registration();
        for _ in 0..self.plan.steps {
            self.step();
            self.pause();
        }
        self.settle();
        self.check_observations();
        self.check_reached();
        self.leave();
        let summary = Summary {
            tally: self.network.node(self.platform).tally.clone(),
            digest: self.network.digest(),
        };
        (summary, self.network)
    }

    fn step(&mut self) {
        match self.network.random().below(16) {
            0..=3 => self.change(),
            4..=9 => self.operate(),
            10 | 11 => {
                let resumes = self.network.random().chance(0.9);
                self.reconnect(if resumes {
                    Session::Resumed
                } else {
                    Session::New
                });
            }
            12 => self.move_unnoticed(),
            13 | 14 => self.close_one(),
            _ => self.throw_out(),
        }
    }

    fn pause(&mut self) {
        let pause = self.network.random().duration(self.plan.pause);
        self.network.run_for(pause);
    }

    fn count(&mut self, what: &'static str) {
        self.network
            .with(self.platform, |platform, _| platform.count(what));
    }

    /// The application of the Client changes its values.
    fn change(&mut self) {
        self.counter += 1;
        let counter = self.counter;
        self.network.with(self.device, |host, now| {
            host.machine.set(now, COUNTER, counter).unwrap();
            host.machine.set(now, BATTERY, level(counter)).unwrap();
        });
    }

    /// The application of the server asks for something.
    fn operate(&mut self) {
        let random = self.network.random();
        let path: Path = [COUNTER, COUNTER, BATTERY, DEVICE][random.below(4) as usize];
        let choice = random.below(8);
        self.network
            .with(self.platform, |platform, now| match choice {
                0..=2 => platform.read(now, path),
                3..=6 => platform.observe(now, path),
                _ => platform.cancel(now, path),
            });
    }

    /// The session of the Client ends at its side. After a while it has another one, at another
    /// address.
    fn reconnect(&mut self, session: Session) {
        self.lingering.push(self.network.address(self.device));
        self.network.change_address(self.device);
        self.network.with(self.device, |host, now| {
            if let Some(connection) = host.application.connection.take() {
                host.machine.disconnected(now, connection);
            }
        });
        if self.network.random().chance(0.5) {
            self.change();
            self.pause();
        }
        self.connect(session);
    }

    /// Makes the connection that the Client asks for.
    fn connect(&mut self, session: Session) {
        let device = self.device;
        let asked = self.network.run_until(SETTLED, |network| {
            network.node(device).application.asked.is_some()
        });
        assert!(asked, "the client asks for no connection");
        self.network.with(device, |host, now| {
            host.application.connection = host.application.asked.take();
            if let Some(connection) = host.application.connection {
                host.machine.connected(now, connection, session);
            }
        });
        self.count(match session {
            Session::New => "session new",
            Session::Resumed => "session resumed",
        });
    }

    /// The session goes on at another address, and only the server sees that: to its driver, it is a
    /// peer of its own.
    fn move_unnoticed(&mut self) {
        self.lingering.push(self.network.address(self.device));
        self.network.change_address(self.device);
        self.count("address changed unnoticed");
    }

    /// The driver of the server closes a session that the Client has left.
    fn close_one(&mut self) {
        let count = self.lingering.len() as u64;
        if count > 0 {
            let at = self.network.random().below(count) as usize;
            let session = self.lingering.remove(at);
            self.close(session);
            self.count("old session closed");
        }
    }

    fn close(&mut self, session: Address) {
        self.network
            .with(self.platform, |platform, now| platform.close(now, session));
    }

    /// The driver of the server has no room for the session of the Client, which learns of it in time.
    fn throw_out(&mut self) {
        let session = self.network.address(self.device);
        self.close(session);
        self.count("session in use closed");
        for _ in 0..3 {
            self.change();
            self.operate();
            self.pause();
        }
        self.reconnect(Session::Resumed);
    }

    fn await_registration(&mut self) {
        let (device, platform) = (self.device, self.platform);
        let registered = self.network.run_until(SETTLED, |network| {
            network.node(device).machine.is_registered(ACCOUNT)
                && network.node(platform).client().is_some()
        });
        assert!(registered, "no registration");
    }

    /// From now on the network works, and everything comes to its end.
    fn settle(&mut self) {
        self.network.set_default_link(Link::default());
        if self.network.random().chance(0.5) {
            for session in core::mem::take(&mut self.lingering) {
                self.close(session);
            }
        }
        self.network.run_for(SETTLED);
        self.await_registration();
    }

    /// What both sides believe in has the newest value.
    fn check_observations(&mut self) {
        self.change();
        self.network.run_for(QUIET);
        let client = &self.network.node(self.device).machine;
        let platform = self.network.node(self.platform);
        let (mut both, mut one) = (0, 0);
        for watched in platform.watched.values() {
            one += 1;
            let mut all = client.reporting().observations();
            if !all.any(|at| at.token == watched.token) {
                continue;
            }
            both += 1;
            let newest = if watched.path == BATTERY {
                level(self.counter)
            } else {
                self.counter
            };
            assert_eq!(
                watched.value,
                Some(newest),
                "{} has not the newest value",
                watched.path
            );
        }
        for _ in 0..both {
            self.count("observation both believe in at the end");
        }
        for _ in 0..one {
            self.count("observation the server believes in at the end");
        }
    }

    /// After an Update the Client is reached in its session.
    fn check_reached(&mut self) {
        self.network
            .with(self.device, |host, now| host.machine.update(now, ACCOUNT));
        self.network.run_for(QUIET);
        let session = self.network.address(self.device);
        let client = self.network.node(self.platform).client();
        assert_eq!(client, Some((session, true)));
    }

    fn leave(&mut self) {
        self.network
            .with(self.device, |host, now| host.machine.deregister(now));
        self.network.run_for(QUIET);
        let platform = self.network.node(self.platform);
        assert_eq!(platform.asked.len(), platform.outcomes.len(), "no outcome");
        assert!(platform.watched.is_empty(), "observed for ever");
        let usage = platform.server.usage();
        assert_eq!((usage.registrations, usage.operations), (0, 0));
        assert_eq!((usage.observations, usage.events), (0, 0));
        let coap = usage.coap;
        assert_eq!((coap.peers, coap.records, coap.requests), (0, 0, 0));
        assert!(self.network.node(self.device).machine.is_idle());
        assert_eq!(self.network.in_flight(), 0);
    }
}
