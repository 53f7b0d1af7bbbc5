//! A run: what happens, in which order, and what must hold at its end.

use core::time::Duration;
use std::rc::Rc;

use lwm2m_simulation::{Handle, Host, Link, Network, NodeId, Random};
use lwm2m_statemachine::{BootstrapServer, BootstrapServerConfig, Client, Server, ServerConfig};

use super::{
    accounts::{self, Account, BOOTSTRAP, ENDPOINT, SERVERS, account_of, check_secret},
    book::{Outcome, Shared, Tally},
    device::{Device, Trap},
    plan::Plan,
    platform::Platform,
    provisioner::Provisioner,
    secure::Secure,
};
use crate::lines::{Line, Lines};

/// Longer than the last Lifetime that the Bootstrap-Server gives, and than any wait of the Client.
const SETTLED: Duration = Duration::from_secs(600);

/// Longer than the Client waits for the Finish.
const BOOTSTRAPPED: Duration = Duration::from_secs(300);

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) tally: Tally,
    pub(super) digest: u64,
}

impl crate::seeds::Sum for Summary {
    fn add(&mut self, other: &Self) {
        for (what, count) in &other.tally {
            *self.tally.entry(what.clone()).or_default() += count;
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
    lines: Lines,
    book: Shared,
    device: Handle<Device>,
    servers: Vec<Handle<Secure<Platform>>>,
    provisioner: Handle<Secure<Provisioner>>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut network = Network::new(plan.seed);
        network.set_default_link(plan.link.clone());
        let (book, lines) = (Shared::default(), Lines::default());
        let factory: Vec<_> = (0..plan.factory)
            .map(|server| Account {
                server,
                key: 0,
                lifetime: 201 + server as u32,
            })
            .collect();
        let device = Device::new(
            &plan,
            Random::new(plan.seed, 8),
            Rc::clone(&lines),
            Rc::clone(&book),
            || accounts::tree(plan.hold_off, &factory),
        );
        let device = network.add("client", device);
        let mut servers = Vec::new();
        for server in 0..SERVERS {
            let machine = Server::new(ServerConfig::new(network.random().seed()));
            let platform = Platform::new(server, &plan, Rc::clone(&lines), Rc::clone(&book));
            let name = format!("server{server}");
            let handle = network.add(&name, Secure(Host::new(machine, platform)));
            lines.borrow_mut().push(Line::new(handle.into(), true));
            servers.push(handle);
        }
        let mut config = BootstrapServerConfig::new(network.random().seed());
        config.coap.block_size = plan.block_size;
        let machine = BootstrapServer::new(config);
        let random = Random::new(plan.seed, 9);
        let application =
            Provisioner::new(&plan, random, Rc::clone(&lines), Rc::clone(&book), factory);
        let provisioner = network.add("bootstrap", Secure(Host::new(machine, application)));
        lines.borrow_mut().push(Line::new(provisioner.into(), true));
        Self {
            plan,
            network,
            lines,
            book,
            device,
            servers,
            provisioner,
        }
    }

    pub(super) fn run(mut self) -> (Summary, Network) {
        self.start();
        for _ in 0..self.plan.acts {
            self.act();
            self.pause();
        }
        self.settle();
        self.check();
        let summary = Summary {
            tally: self.book.borrow().tally.clone(),
            digest: self.network.digest(),
        };
        (summary, self.network)
    }

    fn start(&mut self) {
        self.book.borrow_mut().excuse_all();
        self.call(Client::start);
        self.pause();
    }

    fn call(&mut self, call: impl FnOnce(&mut Client, lwm2m_core::Instant)) {
        self.network
            .with(self.device, |device, now| call(&mut device.client, now));
    }

    fn count(&self, what: &str) {
        self.book.borrow_mut().count(what);
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.network.random().chance(probability)
    }

    fn pause(&mut self) {
        let pause = self.network.random().duration(self.plan.pause);
        self.run_for(pause);
    }

    /// Time passes, and the network makes the connections that the Client asks for.
    fn run_for(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    /// The same until something holds; returns whether it does.
    fn run_until(&mut self, limit: Duration, done: impl Fn(&Device) -> bool) -> bool {
        let end = self.network.now() + limit;
        loop {
            let device = self.device;
            let left = end.saturating_duration_since(self.network.now());
            let stopped = self.network.run_until(left, |network| {
                let device = network.node(device);
                device.ready().is_some() || done(device)
            });
            if done(self.network.node(self.device)) {
                return true;
            }
            if !stopped {
                return false;
            }
            self.connect();
        }
    }

    fn connect(&mut self) {
        let Some((connection, line)) = self.network.node(self.device).ready() else {
            return;
        };
        let healed = self.network.node(self.device).healed;
        if !healed && self.chance(0.1) {
            self.network.with(self.device, |device, now| {
                device.disconnected(now, connection);
            });
            return;
        }
        self.begin_session(line);
        self.network
            .with(self.device, |device, now| device.connected(now, connection));
    }

    /// A new session: what is late in an old one isn't taken for its own.
    fn begin_session(&mut self, line: usize) {
        if self.plan.calm {
            // Nothing may be lost in other sessions, which a new address would do.
            self.lines.borrow_mut()[line].lose_session();
            self.network.run_for(Duration::from_secs(1));
        } else {
            self.network.change_address(self.device);
        }
        let address = self.network.address(self.device);
        let mut lines = self.lines.borrow_mut();
        for line in lines.iter_mut() {
            line.move_session(address);
        }
        lines[line].begin_session(address);
    }

    fn act(&mut self) {
        match self.network.random().below(12) {
            0 | 1 => self.change(),
            2..=4 => self.begin_at_server(),
            5..=7 => self.begin_at_client(),
            8 => self.disturb(Trap::PowerCut),
            9 => {
                let trap = self.draw_trap();
                self.disturb(trap);
            }
            10 => self.lose_connection(),
            _ => self.go_offline(),
        }
    }

    fn change(&mut self) {
        self.network.with(self.device, Device::change);
    }

    fn draw_trap(&mut self) -> Trap {
        [
            Trap::PowerCut,
            Trap::ConnectionLost,
            Trap::AnswerLost,
            Trap::LineCut,
            Trap::ClientGivesUp,
            Trap::ServerGivesUp,
        ][self.network.random().below(6) as usize]
    }

    /// Something may befall the bootstrap that begins.
    fn set_trap(&mut self) {
        if self.chance(0.7) {
            let answers = self.network.random().below(8) as usize;
            let trap = self.draw_trap();
            self.network
                .with(self.device, |device, _| device.set_trap(answers, trap));
        }
    }

    fn begin_at_client(&mut self) {
        self.set_trap();
        self.call(|client, now| {
            // There may be one already, or none is possible now.
            let _ = client.bootstrapping().begin(now);
        });
        self.await_bootstrap();
    }

    fn begin_at_server(&mut self) {
        self.set_trap();
        self.begin_session(BOOTSTRAP);
        let taken = self.network.with(self.device, Device::inbound);
        if !taken {
            self.count("connection of the Bootstrap-Server refused");
        }
        let client = self.network.address(self.device).node;
        let session = self.lines.borrow()[BOOTSTRAP].session(client);
        self.network.with(self.provisioner, |host, now| {
            host.0.application.begin(now, &mut host.0.machine, session);
        });
        self.await_bootstrap();
    }

    /// Time passes while a bootstrap may be under way, and what was prepared for it happens.
    fn await_bootstrap(&mut self) {
        for _ in 0..3 {
            let pause = self.network.random().duration(Duration::from_secs(20));
            self.run_until(pause, |device| device.sprung.is_some());
            if self.chance(0.5) {
                self.change();
            }
        }
        self.run_until(BOOTSTRAPPED, |device| {
            device.sprung.is_some() || !device.is_open()
        });
        let sprung = self.network.with(self.device, |device, _| device.disarm());
        if let Some(trap) = sprung {
            self.disturb(trap);
        }
    }

    fn disturb(&mut self, trap: Trap) {
        let is_open = self.network.node(self.device).is_open();
        match trap {
            Trap::PowerCut => self.cut_power(),
            Trap::ConnectionLost => {
                if is_open {
                    self.count("connection lost in a bootstrap");
                }
                self.lose(|line| line == BOOTSTRAP);
            }
            Trap::AnswerLost => self.count("answer lost"),
            Trap::LineCut => {
                if is_open {
                    self.count("line cut in a bootstrap");
                }
                self.cut_line();
            }
            Trap::ClientGivesUp => {
                let mut has = false;
                self.call(|client, now| has = client.bootstrapping().abort(now));
                if has {
                    self.count("given up by the Client");
                }
            }
            Trap::ServerGivesUp => {
                if self.network.node(self.provisioner).0.application.has_open() {
                    self.count("given up by the Bootstrap-Server");
                }
                self.network.with(self.provisioner, |host, now| {
                    host.0.application.give_up(now, &mut host.0.machine);
                });
            }
        }
        if !self.chance(0.2) {
            return;
        }
        // It is shown while something is under way.
        check_secret(
            &format!("{:?}", self.network.node(self.device).client),
            "the Client",
        );
        check_secret(
            &format!("{:?}", self.network.node(self.provisioner).0.machine),
            "the Bootstrap-Server",
        );
    }

    fn cut_power(&mut self) {
        self.count("power cut");
        self.book.borrow_mut().excuse_all();
        // The Client has no session any more.
        for line in self.lines.borrow_mut().iter_mut() {
            line.lose_session();
        }
        self.network.reboot_with(self.device, Device::restarted);
        self.pause();
        self.call(Client::start);
    }

    /// Neither end hears the other for a while.
    fn cut_line(&mut self) {
        self.network.partition(self.device, self.provisioner, true);
        let pause = self.network.random().duration(BOOTSTRAPPED);
        self.run_for(pause);
        self.network.partition(self.device, self.provisioner, false);
    }

    fn lose_connection(&mut self) {
        let line = self.network.random().below(SERVERS as u64) as usize;
        self.count("connection lost");
        self.lose(|at| at == line);
    }

    fn lose(&mut self, of: impl Fn(usize) -> bool) {
        let up = self.network.node(self.device).up();
        for (connection, line) in up {
            if of(line) {
                self.network.with(self.device, |device, now| {
                    device.disconnected(now, connection);
                });
            }
        }
        if of(BOOTSTRAP) && self.chance(0.5) {
            let client = self.network.address(self.device).node;
            let session = self.lines.borrow()[BOOTSTRAP].session(client);
            // Its keys are gone: what is late in it can't be read, and nothing can be sent in it.
            self.lines.borrow_mut()[BOOTSTRAP].lose_session();
            self.network.with(self.provisioner, |host, now| {
                host.0.machine.peer_gone(now, &session);
                host.0.application.gone.insert(session.number);
            });
        }
    }

    fn go_offline(&mut self) {
        self.count("offline");
        self.book.borrow_mut().excuse_all();
        self.call(Client::go_offline);
        self.pause();
        self.change();
        self.call(Client::go_online);
    }

    /// From now on all works, and everything comes to its end.
    fn settle(&mut self) {
        self.network.set_default_link(Link::default());
        let (client, provisioner): (NodeId, NodeId) = (self.device.into(), self.provisioner.into());
        for (from, to) in [(client, provisioner), (provisioner, client)] {
            *self.network.link(from, to) = Link::default();
        }
        self.network.with(self.device, |device, _| {
            device.healed = true;
            device.disarm();
        });
        self.network.with(self.provisioner, |host, _| {
            host.0.application.healed = true;
        });
        self.book.borrow_mut().excuse_all();
        self.run_for(SETTLED);
    }

    fn check(&self) {
        let device = self.network.node(self.device);
        assert!(!device.is_open(), "a bootstrap has not ended at the Client");
        let values = device.in_force();
        let mut some = false;
        for server in 0..SERVERS {
            let has_account = account_of(&values, server).is_some();
            let machine = &self.network.node(self.servers[server]).0.machine;
            let is_registered = machine.find(ENDPOINT).is_some();
            assert!(
                is_registered || !has_account,
                "no registration with server {server}, of which there is an account"
            );
            // What was told the Client is long over, unless its application has set the Lifetime.
            let registration = machine.registrations().next();
            let lifetime = registration.map_or(0, |(_, at)| at.lifetime().as_secs());
            assert!(
                has_account || !is_registered || lifetime > 1000,
                "a registration with server {server}, of which there is no account"
            );
            some |= is_registered;
        }
        assert!(some, "no registration");
        device.check_sessions();
        self.check_outcomes();
    }

    /// Each end has one outcome, and the Bootstrap-Server doesn't say more than the Client.
    fn check_outcomes(&self) {
        let mut unheard = 0;
        for (session, attempt) in &self.book.borrow().attempts {
            let server = attempt.server;
            let server = server.unwrap_or_else(|| panic!("session {session} has no outcome"));
            if server == Outcome::Finished {
                let client = attempt.client;
                assert_eq!(client, Some(Outcome::Finished), "session {session}");
            }
            if attempt.client == Some(Outcome::Finished) && server == Outcome::Failed {
                unheard += 1;
            }
        }
        for _ in 0..unheard {
            self.count("finished, and the answer was not heard");
        }
        let host = self.network.node(self.provisioner);
        let usage = host.0.machine.usage();
        let left = (usage.waiting, usage.under_way, usage.plan_bytes);
        assert_eq!(left, (0, 0, 0), "the Bootstrap-Server keeps something");
        assert!(!host.0.application.has_open());
    }
}
