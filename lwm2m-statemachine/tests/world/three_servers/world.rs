//! A Client and three servers: what is done to them, and what must hold in the end.

mod hostile;

use core::time::Duration;
use std::{collections::BTreeMap, rc::Rc};

use lwm2m_core::{AccessRights, Code, Instant, Path, Value};
use lwm2m_objects::{Change, ObjectTree};
use lwm2m_simulation::{Handle, Host, Link, MAX_LATENCY, Network, NodeId, Random};
use lwm2m_statemachine::{
    Client, ClientConfig,
    client::{DeferredOperation, Session},
    coap::{MessageRef, Token, Usage},
    server::{Server, ServerConfig},
};

use super::{
    adversary::Adversary,
    awaited::{Awaited, Excuses, Verdict},
    book::{Shared, Tally},
    device::{Connection, ConnectionState, Device},
    firmware::{self, FileServer, Flash},
    objects::{self, COUNTER, LEVEL, MOST_GAUGES, NUMBER, RUN, gauge},
    periods::Periods,
    plan::{Fault, LONGEST_MINIMUM, LONGEST_PERIOD, Plan},
    platform::{ENDPOINT, Platform, id},
    rights::{self, Control},
};
use crate::lines::{Line, Lines};

type PlatformHost = Host<Platform>;

/// Longer than any state of an exchange lives (RFC 7252 §4.8.2).
pub(crate) const QUIET: Duration = Duration::from_secs(300);
/// How long a server takes to repeat a request (RFC 7252 §4.2).
const REPETITION: Duration = Duration::from_secs(3);
/// How often a confirmable message is sent: MAX_RETRANSMIT, and once (RFC 7252 §4.8).
const TRANSMISSIONS: usize = 5;
/// The longest wait between two attempts of the Client to register.
const LONGEST_RETRY: Duration = Duration::from_secs(120);

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) tally: Tally,
    pub(crate) simulated: Duration,
    pub(crate) datagrams: u64,
    pub(crate) lost: u64,
    pub(crate) digest: u64,
}

impl crate::seeds::Sum for Summary {
    fn add(&mut self, other: &Self) {
        for (what, count) in &other.tally {
            *self.tally.entry(what.clone()).or_default() += count;
        }
        self.simulated += other.simulated;
        self.datagrams += other.datagrams;
        self.lost += other.lost;
        self.digest = self.digest.wrapping_add(other.digest);
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) network: Network,
    book: Shared,
    lines: Lines,
    flash: Flash,
    client: Handle<Device>,
    /// The honest servers.
    platforms: Vec<Handle<PlatformHost>>,
    adversary: Option<Handle<Adversary>>,
    /// Tells operations apart.
    next: u32,
    /// What the Counters are set to next.
    counter: i64,
    /// What was stored and must be heard.
    awaited: Vec<Awaited>,
    /// How many notifications to each server had to go before.
    dropped: [u64; 3],
    /// Whether everything works from now on.
    healed: bool,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut network = Network::new(plan.seed);
        network.set_default_link(plan.link.clone());
        network.set_lateness(plan.lateness);
        network.set_spurious_wakeups(if plan.lateness.is_zero() { 0.0 } else { 0.2 });
        let (book, lines, flash) = (Shared::default(), Lines::default(), Flash::default());
        let mut world = Self {
            client: network.add(
                "client",
                device(
                    &plan,
                    objects::tree(&plan, &flash),
                    Random::new(plan.seed, 8),
                    &lines,
                    &book,
                ),
            ),
            plan,
            network,
            book,
            lines,
            flash,
            platforms: Vec::new(),
            adversary: None,
            next: 0,
            counter: 0,
            awaited: Vec::new(),
            dropped: [0; 3],
            healed: false,
        };
        world.add_servers();
        world.call(Client::start);
        world
    }

    fn add_servers(&mut self) {
        for server in 0..3 {
            let random = Random::new(self.plan.seed, 10 + server as u64);
            let name = format!("server{server}");
            let node: NodeId = if server == 2 && self.plan.hostile {
                let adversary = Adversary::new(random, Rc::clone(&self.book), self.plan.fault);
                let handle = self.network.add(&name, adversary);
                self.adversary = Some(handle);
                handle.into()
            } else {
                let host = self.platform(server, random);
                let handle = self.network.add(&name, host);
                self.platforms.push(handle);
                handle.into()
            };
            let secure = self.plan.accounts[server].secure;
            self.lines.borrow_mut().push(Line::new(node, secure));
        }
        let files = self.network.add("files", FileServer::default());
        self.lines.borrow_mut().push(Line::new(files.into(), false));
    }

    /// A server at its start, without registrations.
    fn platform(&mut self, server: usize, random: Random) -> PlatformHost {
        let mut config = ServerConfig::new(self.network.random().seed());
        config.coap.block_size = 16 << self.network.random().below(7);
        config
            .registry
            .add(&objects::DEFINITION)
            .expect("a definition");
        let (lines, book) = (Rc::clone(&self.lines), Rc::clone(&self.book));
        Host::new(
            Server::new(config),
            Platform::new(server, lines, book, random, self.plan.fault),
        )
    }

    /// Runs everything to its end, and checks it.
    pub(crate) fn run(mut self) -> (Summary, Network) {
        for _ in 0..self.plan.acts {
            let unrest = self.plan.unrest;
            self.settle();
            if self.network.random().chance(unrest) {
                // What isn't heard by now may come twice.
                self.awaited.clear();
                self.disturb();
            }
            self.act();
            let random = self.network.random();
            let longest = [1, 2, 8, 8, 60, 300][random.below(6) as usize];
            let pause = random.duration(Duration::from_secs(longest));
            self.pass(pause);
        }
        self.settle();
        self.heal();
        self.check_observations();
        self.fetch_firmware();
        self.check_nothing_unfinished();
        self.leave();
        self.check_idle();
        self.finish()
    }

    /// A call of the Client's application.
    fn call(&mut self, call: impl FnOnce(&mut Client, Instant)) {
        self.network.with(self.client, |device, now| {
            device.begin(now);
            call(&mut device.client, now);
        });
    }

    fn count(&self, what: impl Into<String>) {
        self.book.borrow_mut().count(what);
    }

    /// Time passes, in which the network makes the connections that are asked for.
    fn pass(&mut self, duration: Duration) {
        let end = self.network.now() + duration;
        loop {
            let mut left = end.saturating_duration_since(self.network.now());
            if self.healed && self.plan.defers {
                left = left.min(Duration::from_secs(1));
            }
            let client = self.client;
            let ready = |network: &Network| network.node(client).ready().is_some();
            if self.network.run_until(left, ready) {
                self.connect();
                continue;
            }
            self.check_order();
            if self.network.now() >= end {
                return;
            }
            self.answer(1.0);
        }
    }

    /// The values of an observation go back only after its values were fetched afresh, because the
    /// blocks of a notification didn't belong together (RFC 7959 §2.4). What is fetched has no Observe
    /// number, and may overtake notifications with older values (RFC 7641 §3.4).
    fn check_order(&self) {
        let reversals = core::mem::take(&mut self.book.borrow_mut().reversals);
        for reversal in reversals {
            assert!(
                self.has_fetched(reversal.server, reversal.observed, reversal.at),
                "{}: {} after {}",
                reversal.value,
                reversal.count,
                reversal.before
            );
            self.count("an older value after what was fetched afresh");
        }
    }

    /// Whether a server has fetched what it observes, since some time before that.
    fn has_fetched(&self, server: usize, observed: Path, at: Instant) -> bool {
        let node = self.lines.borrow()[server].server;
        let observed = observed.to_string();
        let fetches = |message: &MessageRef<'_>| {
            let is_first = message.block2().is_some_and(|block| block.number() == 0);
            let segments = observed.split('/').skip(1);
            let is_get = message.code() == Code::GET && message.observe().is_none();
            is_get && is_first && message.uri_path().eq(segments)
        };
        let records = self.network.records().iter().rev();
        let lately = records.take_while(|record| record.sent + QUIET >= at);
        let mut sent = lately.filter(|record| record.from.node == node);
        sent.any(|record| MessageRef::parse(&record.payload).is_ok_and(|message| fetches(&message)))
    }

    /// In how many transfers no answer with the last block has come to a server in time, since then. Nobody
    /// acknowledges an answer: the Client doesn't know.
    fn unheard_ends(&self, server: usize, since: Instant) -> u64 {
        let node = self.lines.borrow()[server].server;
        let records = self.network.records().iter().rev();
        let lately = records.take_while(|record| record.sent >= since);
        // When the last block was sent first, and when it arrived first.
        let mut ends: BTreeMap<Token, (Instant, Option<Instant>)> = BTreeMap::new();
        for record in lately.filter(|record| record.to.node == node) {
            let message = MessageRef::parse(&record.payload).expect("the Client sends messages");
            let block = message.block2();
            let is_end = block.is_some_and(|block| block.number() > 0 && !block.more());
            if is_end && message.observe().is_none() {
                let (sent, arrived) = ends.entry(message.token()).or_insert((record.sent, None));
                *sent = record.sent.min(*sent);
                *arrived = record.arrivals.iter().copied().chain(*arrived).min();
            }
        }
        let is_heard = |(sent, arrived): &(Instant, Option<Instant>)| {
            arrived.is_some_and(|arrived| arrived < *sent + REPETITION)
        };
        ends.values().filter(|end| !is_heard(end)).count() as u64
    }

    /// Whether a notification to a server was sent as often as it can be since then. If no
    /// acknowledgement arrives, the Client sends what was stored once more.
    fn is_unanswered(&self, server: usize, since: Instant) -> bool {
        let node = self.lines.borrow()[server].server;
        let records = self.network.records().iter().rev();
        let lately = records.take_while(|record| record.sent >= since);
        let mut sent: BTreeMap<u16, usize> = BTreeMap::new();
        for record in lately.filter(|record| record.to.node == node) {
            let message = MessageRef::parse(&record.payload).expect("the Client sends messages");
            if message.observe().is_some() && message.code() == Code::CONTENT {
                *sent.entry(message.message_id()).or_default() += 1;
            }
        }
        sent.values().any(|times| *times >= TRANSMISSIONS)
    }

    /// Time passes until this holds; false if it doesn't in time.
    fn pass_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.network.now() + limit;
        while self.network.now() < end {
            if done(self) {
                return true;
            }
            self.pass(Duration::from_secs(1));
        }
        done(self)
    }

    /// The network has made a connection, or not.
    fn connect(&mut self) {
        let Some((connection, server)) = self.network.node(self.client).ready() else {
            return;
        };
        let fails = !self.healed && self.network.random().chance(0.1);
        let resumes = self.lines.borrow()[server].can_resume() && self.network.random().chance(0.6);
        let secure = self.lines.borrow()[server].is_secure();
        if secure && !resumes && !fails {
            // A new session has a new port: what is late on the old one is told apart.
            self.network.change_address(self.client);
            let address = self.network.address(self.client);
            self.lines.borrow_mut()[server].begin_session(address);
        }
        self.network.with(self.client, |device, now| {
            device.begin(now);
            if fails {
                device.connections.remove(&connection);
                device.client.disconnected(now, connection);
                return;
            }
            let state = ConnectionState::Up;
            device
                .connections
                .insert(connection, Connection { server, state });
            let session = if resumes {
                Session::Resumed
            } else {
                Session::New
            };
            device.client.connected(now, connection, session);
        });
        self.count(match (fails, secure, resumes) {
            (true, ..) => "connection failed",
            (_, false, _) => "connection",
            (_, true, true) => "session resumed",
            (_, true, false) => "session begun",
        });
    }
}

/// What is done.
impl World {
    fn act(&mut self) {
        match self.network.random().below(23) {
            0..=9 => self.operate(),
            10..=14 => self.change_values(),
            15..=17 => self.be_hostile(),
            18 if self.plan.defers => self.answer(0.5),
            18 => self.change_instance(),
            19 | 20 => self.change_rights(),
            21 => self.update_firmware(),
            _ => self.update(),
        }
    }

    /// Servers ask for something, one or several at once.
    fn operate(&mut self) {
        let times = 1 + self.network.random().below(3);
        for _ in 0..times {
            let at = self.network.random().below(self.platforms.len() as u64);
            let platform = self.platforms[at as usize];
            self.next += 1;
            let number = self.next;
            self.network.with(platform, |host, now| {
                host.application.act(now, &mut host.machine, number);
            });
        }
    }

    /// The application changes values.
    fn change_values(&mut self) {
        for _ in 0..=self.network.random().below(3) {
            self.counter += 1;
            let counter = self.counter;
            let random = self.network.random();
            let instance = random.below(3) as u16;
            let level = random.below(101) as i64;
            let both = random.chance(0.5);
            self.network.with(self.client, |device, now| {
                device.set(now, gauge(instance, COUNTER), counter);
                if both {
                    device.set(now, gauge(instance, LEVEL), level);
                }
            });
        }
    }

    /// The application makes or deletes an Object Instance.
    fn change_instance(&mut self) {
        let random = self.network.random();
        let owner = random.below(2) as usize;
        let instance = 2 + random.below(MOST_GAUGES as u64 - 2) as u16;
        let path = gauge(instance, NUMBER)
            .parent()
            .expect("an Object Instance");
        let changes = if random.chance(0.4) {
            vec![Change::Delete { path }]
        } else {
            let value = Value::Integer(0);
            let number = gauge(instance, NUMBER);
            let set = Change::Set {
                path: number,
                value,
            };
            vec![Change::Create { path }, set]
        };
        self.network.with(self.client, |device, now| {
            device.change(now, owner, &changes);
        });
    }

    /// The owner of a Gauge gives another server the right to read it, or takes it.
    fn change_rights(&mut self) {
        let client = &self.network.node(self.client).client;
        let choices = rights::choices(client, self.platforms.len());
        let is_observed =
            |(control, server): &&(Control, usize)| control.is_observed(client, *server);
        let observed: Vec<_> = choices.iter().filter(is_observed).collect();
        let random = self.network.random();
        let choice = if !observed.is_empty() && random.chance(0.8) {
            observed[random.below(observed.len() as u64) as usize]
        } else if !choices.is_empty() {
            &choices[random.below(choices.len() as u64) as usize]
        } else {
            return;
        };
        let (control, server) = choice;
        let rights = [AccessRights::NONE, AccessRights::READ][random.below(2) as usize];
        let platform = self.platforms[control.owner];
        let entry = (control.id, control.entry(*server));
        self.network.with(platform, |host, now| {
            let platform = &mut host.application;
            platform.write_rights(now, &mut host.machine, entry, rights);
        });
    }

    /// A server writes firmware, has it fetched, or drops it.
    fn update_firmware(&mut self) {
        let platform = self.platforms[self.network.random().below(2) as usize];
        self.next += 1;
        let number = self.next;
        self.network.with(platform, |host, now| {
            let platform = &mut host.application;
            platform.update_firmware(now, &mut host.machine, number);
        });
    }

    /// The application of the Client answers some of the requests that wait for it.
    fn answer(&mut self, probability: f64) {
        let refusals = if self.healed { 0.0 } else { 0.2 };
        let mut choices = Random::new(self.network.random().number(), 0);
        self.network.with(self.client, |device, now| {
            device.answer(now, || choices.chance(probability), refusals);
        });
    }

    fn update(&mut self) {
        let server = self.network.random().below(3) as usize;
        self.call(|client, now| client.update(now, Device::account(server)));
    }

    /// Something happens to the Client, a server or the network.
    fn disturb(&mut self) {
        let server = self.network.random().below(3) as usize;
        match self.network.random().below(11) {
            0 => self.reboot(),
            1 => self.reboot_server(server),
            2 => self.move_client(),
            3 | 4 => {
                let other = self.network.random().below(4) as usize;
                self.cut(other);
            }
            5 => {
                let other = self.network.random().below(4) as usize;
                self.lose_connection(other);
            }
            6 | 7 => self.go_offline(),
            8 => {
                self.count("sleep");
                let pause = self.network.random().duration(Duration::from_secs(200));
                self.network.sleep(self.client);
                self.network.run_for(pause);
                self.network.wake(self.client);
            }
            9 => self.leave_and_come_back(),
            _ => self.take_account(server),
        }
    }

    /// The Client reboots: what was committed is there again, and nothing else.
    fn reboot(&mut self) {
        self.count("reboot");
        self.book.borrow_mut().incarnation += 1;
        let seed = self.network.random().number();
        let (plan, lines, book) = (&self.plan, &self.lines, &self.book);
        let flash = &self.flash;
        self.network.reboot_with(self.client, |old| {
            let mut tree = objects::tree(plan, flash);
            let snapshot = old.client.tree().snapshot();
            tree.restore(&snapshot).expect("a snapshot of this tree");
            device(plan, tree, Random::new(seed, 8), lines, book)
        });
        for line in self.lines.borrow_mut().iter_mut() {
            line.lose_session();
        }
        self.call(Client::start);
    }

    /// A server reboots, and forgets everything.
    fn reboot_server(&mut self, server: usize) {
        let Some(platform) = self.platforms.get(server).copied() else {
            return;
        };
        self.count("reboot of a server");
        let random = Random::new(self.network.random().number(), 0);
        let host = self.platform(server, random);
        self.network.reboot(platform, host);
        self.lines.borrow_mut()[server].lose_session();
        // Sooner or later the Client learns that the session is gone.
        if self.network.random().chance(0.5) && self.plan.accounts[server].secure {
            self.lose_connection(server);
        }
    }

    /// The Client has another address, and may know of it.
    fn move_client(&mut self) {
        self.count("address of the client");
        self.network.change_address(self.client);
        let knows = self.network.random().chance(0.6);
        self.network.with(self.client, |device, now| {
            device.begin(now);
            for (connection, _) in device.up().into_iter().filter(|_| knows) {
                device.client.address_changed(now, connection);
            }
        });
    }

    fn cut(&mut self, server: usize) {
        self.count("partition");
        let node = self.lines.borrow()[server].server;
        self.network.partition(self.client, node, true);
        let pause = self.network.random().duration(Duration::from_secs(200));
        self.pass(pause);
        self.network.partition(self.client, node, false);
    }

    fn lose_connection(&mut self, server: usize) {
        let up = self.network.node(self.client).up();
        if let Some((connection, _)) = up.into_iter().find(|(_, at)| *at == server) {
            self.count("connection lost");
            self.network.note(self.client, "loses a connection");
            self.network.with(self.client, |device, now| {
                device.begin(now);
                device.connections.remove(&connection);
                device.client.disconnected(now, connection);
            });
        }
    }

    fn go_offline(&mut self) {
        self.observe_counters();
        self.count("offline");
        self.network.note(self.client, "goes offline");
        self.call(Client::go_offline);
        self.await_stored();
        for _ in 0..self.network.random().below(6) {
            let pause = self.network.random().duration(Duration::from_secs(60));
            self.pass(pause);
            match self.network.random().below(4) {
                0 => self.operate(),
                _ => self.store_changes(),
            }
        }
        self.count_stored();
        self.network.note(self.client, "is online again");
        self.call(Client::go_online);
        let pause = [0, 30, 120, 900][self.network.random().below(4) as usize];
        let end = self.network.now() + Duration::from_secs(pause);
        self.settle();
        while !self.awaited.is_empty() && self.network.now() < end {
            self.pass(Duration::from_secs(15));
            self.settle();
        }
    }

    /// Servers observe Counters of which all changes will be stored, if both sides believe in it in time.
    fn observe_counters(&mut self) {
        for server in 0..self.platforms.len() {
            let device = self.network.node(self.client);
            let stores = self.plan.accounts[server].stores && device.is_registered(server);
            let random = self.network.random();
            let instance = random.below(2) as u16;
            if stores && random.chance(0.7) {
                self.network.with(self.platforms[server], |host, now| {
                    let platform = &mut host.application;
                    platform.observe_counter(now, &mut host.machine, instance);
                });
            }
        }
        self.pass(Duration::from_secs(20));
    }

    /// The Client is offline: from now on every change is stored for some observations.
    fn await_stored(&mut self) {
        let now = self.network.now();
        let device = self.network.node(self.client);
        let hosts = self.platforms.iter();
        let servers = hosts.map(|host| &self.network.node(*host).application);
        let storing = servers.filter(|server| {
            let stores = self.plan.accounts[server.server].stores;
            stores && device.is_registered(server.server)
        });
        self.awaited = storing
            .flat_map(|server| Awaited::of(now, device, server))
            .collect();
        self.dropped = [0, 1, 2].map(|server| device.dropped(server));
    }

    /// Values change: once the Client has been woken, they are stored.
    fn store_changes(&mut self) {
        let stored = |world: &Self| {
            let client = &world.network.node(world.client).client;
            [0, 1, 2].map(|server| client.reporting().stored(Device::account(server)))
        };
        let before = stored(self);
        self.change_values();
        self.pass(self.plan.lateness + Duration::from_secs(1));
        let after = stored(self);
        let client = &self.network.node(self.client).client;
        self.awaited.retain(|awaited| awaited.is_observed(client));
        let mut more = [0; 3];
        for awaited in &mut self.awaited {
            more[awaited.server()] += usize::from(awaited.note(client));
        }
        for server in 0..3 {
            assert!(
                more[server] == 0
                    || after[server].waiting >= before[server].waiting + more[server]
                    || after[server].dropped > 0,
                "{} changes weren't stored for server{server}",
                more[server]
            );
        }
    }

    /// The Client comes back: how much is stored?
    fn count_stored(&mut self) {
        let client = &self.network.node(self.client).client;
        for server in 0..3 {
            let stored = client.reporting().stored(Device::account(server));
            if stored.waiting > 0 {
                self.count("stored for a server");
            }
        }
        self.awaited.retain(|awaited| awaited.values() > 0);
        if self.plan.fault == Fault::Misses {
            for platform in &self.platforms {
                self.network.with(*platform, |host, _| {
                    let watched = host.application.watched.values_mut();
                    watched.for_each(|watched| watched.misses = true);
                });
            }
        }
    }

    /// What was stored is heard, unless something still waits.
    fn settle(&mut self) {
        let now = self.network.now();
        for mut awaited in core::mem::take(&mut self.awaited) {
            let server = awaited.server();
            let device = self.network.node(self.client);
            let platform = &self.network.node(self.platforms[server]).application;
            let drops = device.dropped(server) - self.dropped[server];
            let excuses = Excuses {
                drops,
                unheard: self.unheard_ends(server, awaited.begun()),
                fetched: self.has_fetched(server, awaited.path(), awaited.begun()),
                unanswered: self.is_unanswered(server, awaited.begun()),
            };
            match awaited.judge(now, device, platform, excuses) {
                Verdict::Open => self.awaited.push(awaited),
                Verdict::Void => self.count("stored values without their observation"),
                Verdict::Heard { missing } => {
                    let values = awaited.values() as u64;
                    let mut book = self.book.borrow_mut();
                    book.count_many("stored values heard", values - missing);
                    book.count_many("stored values that had to go", missing);
                    if self.plan.block_size < 32 {
                        book.count_many("stored values heard in small blocks", values - missing);
                    }
                }
            }
        }
    }

    /// The application takes an account away, and brings it back.
    fn take_account(&mut self, server: usize) {
        self.count("account gone and back");
        let back = self
            .network
            .with(self.client, |device, now| device.take_account(now, server));
        let pause = self.network.random().duration(Duration::from_secs(60));
        self.pass(pause);
        // The connection is a new one: what is late on the old one is told apart.
        self.network.change_address(self.client);
        self.network.with(self.client, |device, now| {
            device.change_account(now, &back);
        });
    }

    fn leave_and_come_back(&mut self) {
        self.count("De-register and back");
        self.call(Client::deregister);
        let pause = self.network.random().duration(Duration::from_secs(30));
        self.pass(pause);
        self.call(Client::start);
    }
}

/// The end: everything works again, everything comes to rest.
impl World {
    /// The network works, all servers do, and the Client is registered at all that are honest.
    fn heal(&mut self) {
        self.healed = true;
        self.network
            .note(self.client, "lives in a network that works");
        self.network.set_default_link(Link::default());
        for server in 0..3 {
            let node = self.lines.borrow()[server].server;
            *self.network.link(self.client, node) = Link::default();
            *self.network.link(node, self.client) = Link::default();
            let line = &self.lines;
            let dead = line.borrow()[server].is_secure() && !line.borrow()[server].can_resume();
            if dead {
                self.lose_connection(server);
            }
        }
        if let Some(adversary) = self.adversary {
            self.network
                .with(adversary, |adversary, _| adversary.is_calm = true);
        }
        self.call(Client::start);
        self.await_registrations(|_| true);
        // A late copy of an earlier Register, from an earlier address, may take the place of the newest
        // one.
        self.pass(MAX_LATENCY);
        // What a server learns by an Update only: where the Client is now. One that has forgotten it
        // says so.
        for server in 0..3 {
            self.call(|client, now| client.update(now, Device::account(server)));
        }
        self.pass(Duration::from_secs(10));
        self.await_registrations(|host| host.machine.find(ENDPOINT).is_some());
        let answered = self.pass_until(QUIET * 10, |world| {
            let mut all = world.platforms.iter();
            all.all(|platform| world.network.node(*platform).application.has_all_outcomes())
        });
        assert!(answered, "operations without outcome");
        self.network.with(self.client, Device::give_rights);
    }

    /// Waits until the Client takes itself for registered at every honest server, with connections that
    /// stay, and they `agree`.
    fn await_registrations(&mut self, agree: impl Fn(&PlatformHost) -> bool) {
        let limit = Duration::from_secs(2 * 3600);
        let registered = self.pass_until(limit, |world| {
            let client = world.network.node(world.client);
            let up: Vec<usize> = client.up().iter().map(|(_, server)| *server).collect();
            let mut all = world.platforms.iter().enumerate();
            all.all(|(server, platform)| {
                up.contains(&server)
                    && client.is_registered(server)
                    && agree(world.network.node(*platform))
            })
        });
        assert!(registered, "no registration at an honest server");
    }

    /// Within the Maximum Period every observation that both sides believe in has the newest values.
    fn check_observations(&mut self) {
        // What was in flight has arrived, and no block of an earlier notification is fetched any more.
        self.pass(MAX_LATENCY + Duration::from_secs(60));
        let healed = self.network.now();
        let longest = LONGEST_PERIOD + LONGEST_MINIMUM;
        let slack = Duration::from_secs(30) + self.plan.lateness;
        let end = healed + Duration::from_secs(longest.into()) + slack;
        while self.network.now() < end {
            self.pass(Duration::from_secs(2));
            for server in 0..self.platforms.len() {
                self.check_periods_of(server, healed);
            }
        }
        for server in 0..self.platforms.len() {
            self.check_observations_of(server, healed);
        }
    }

    /// No Maximum Period has passed since then in which an observation that the Client has wasn't heard
    /// with the newest values.
    fn check_periods_of(&self, server: usize, healed: Instant) {
        let client = &self.network.node(self.client).client;
        let platform = &self.network.node(self.platforms[server]).application;
        let now = self.network.now();
        let periods = Periods::of(client, server);
        for (path, count) in self.notified(server) {
            let Some(pmax) = periods.shortest_maximum(client, server, path) else {
                continue;
            };
            // Both are woken late, and blocks are fetched.
            let slack = self.plan.lateness * 2 + Duration::from_secs(5);
            let limit = Duration::from_secs(pmax.into()) + slack;
            if now < healed + limit {
                continue;
            }
            let all = platform.watched.values().filter(|to| to.path == path);
            let fresh: Vec<_> = all.filter(|to| to.heard + limit >= now).collect();
            assert!(
                fresh.len() >= count,
                "server{server} has heard nothing of {path} for longer than its Maximum Period of \
                 {pmax} s"
            );
            let expected = objects::readable(client.tree(), id(server), path);
            for watched in fresh {
                assert_eq!(
                    watched.values, expected,
                    "server{server}: {path} isn't up to date after {pmax} s"
                );
                self.count("newest value within its Maximum Period");
            }
        }
    }

    /// How many observations of each path the Client has of a server.
    fn notified(&self, server: usize) -> BTreeMap<Path, usize> {
        let mut notified = BTreeMap::new();
        for observation in self
            .network
            .node(self.client)
            .client
            .reporting()
            .observations()
        {
            if observation.account == Device::account(server) {
                *notified.entry(observation.path).or_default() += 1;
            }
        }
        notified
    }

    /// What the Client notifies is what the server has heard of since then, and all of it is new.
    fn check_observations_of(&self, server: usize, healed: Instant) {
        let device = self.network.node(self.client);
        let mut notified = self.notified(server);
        let platform = &self.network.node(self.platforms[server]).application;
        for (observation, watched) in &platform.watched {
            if watched.heard < healed {
                // The Client knows nothing of it: the answer to a Cancel or an Observe was lost.
                continue;
            }
            self.count("newest value checked");
            let path = watched.path;
            let expected = objects::readable(device.client.tree(), id(server), path);
            assert_eq!(
                watched.values, expected,
                "{observation:?} of server{server} on {path} isn't up to date"
            );
            let count = notified.get_mut(&path).filter(|count| **count > 0);
            *count.expect("an observation that the Client has") -= 1;
        }
        notified.retain(|_, count| *count > 0);
        assert!(
            notified.is_empty(),
            "server{server} has heard nothing of {notified:?} since everything works"
        );
    }

    /// A server names a package, and the Client fetches it.
    fn fetch_firmware(&mut self) {
        self.next += 1;
        let uri = firmware::uri(self.next);
        for uri in ["", &uri] {
            self.network.with(self.platforms[0], |host, now| {
                let platform = &mut host.application;
                platform.write_uri(now, &mut host.machine, uri);
            });
            self.pass(Duration::from_secs(10));
        }
        let fetched = self.pass_until(QUIET * 10, |world| {
            world.network.node(world.client).has_package()
        });
        assert!(fetched, "firmware isn't fetched");
        self.count("firmware fetched in the end");
    }

    /// The Client de-registers everywhere.
    fn leave(&mut self) {
        self.call(Client::deregister);
        self.pass(QUIET * 2);
        assert!(
            self.network.run_to_rest(QUIET * 4),
            "something is due long after the Client has left"
        );
    }

    /// Nothing is left.
    fn check_idle(&self) {
        for platform in &self.platforms {
            let host = self.network.node(*platform);
            let usage = host.machine.usage();
            assert_eq!((usage.registrations, usage.operations), (0, 0));
            assert_eq!((usage.observations, usage.events), (0, 0));
            assert_eq!(usage.coap, Usage::default());
            assert!(host.application.alive.is_empty() && host.application.watched.is_empty());
        }
        let device = self.network.node(self.client);
        assert!(device.client.is_idle(), "the Client is busy");
        lwm2m_kit::assert_only_accounts_left(&device.client);
        assert!(device.connections.is_empty(), "{:?}", device.connections);
        assert_eq!(self.network.in_flight(), 0);
    }

    fn finish(self) -> (Summary, Network) {
        let (datagrams, lost) = self.network.datagrams();
        let simulated = self.network.now();
        let summary = Summary {
            tally: self.book.borrow().tally.clone(),
            simulated: simulated.saturating_duration_since(Instant::ZERO),
            datagrams,
            lost,
            digest: self.network.digest(),
        };
        (summary, self.network)
    }
}

/// The Client at its start.
fn device(
    plan: &Plan,
    tree: ObjectTree,
    mut random: Random,
    lines: &Lines,
    book: &Shared,
) -> Device {
    let mut config = ClientConfig::new(ENDPOINT, random.seed());
    config.coap.block_size = plan.block_size;
    config.retry.most = LONGEST_RETRY;
    config.downloads.block_size = plan.block_size;
    config.downloads.retry_most = LONGEST_RETRY;
    config.notifications = plan.notifications;
    config.storing.most = plan.most_stored;
    if plan.tight {
        let bounds = &mut config.coap.bounds;
        bounds.peers = 4;
        bounds.records = 40;
        bounds.records_per_peer = 16;
        bounds.requests_per_peer = 4;
        bounds.notifications_per_peer = 4;
        config.most_observations = 6;
        config.deferring.most = 1;
    }
    let mut client = Client::new(config, tree).expect("a Client");
    if plan.defers {
        client
            .deferred()
            .defer(DeferredOperation::Execute, gauge(0, RUN));
        client
            .deferred()
            .defer(DeferredOperation::Read, gauge(0, LEVEL));
    }
    let (lines, book) = (Rc::clone(lines), Rc::clone(book));
    Device::new(client, random, lines, book, plan.fault)
}
