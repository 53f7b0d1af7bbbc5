//! A run: a hub and its clients, what happens to them, and the checks at the end.

use core::time::Duration;
use std::rc::Rc;

use lwm2m_core::Instant;
use lwm2m_simulation::{Address, Fate, Handle, Host, Jitter, Link, Network, NodeId, Random};
use lwm2m_statemachine::{
    Channel,
    coap::{Config, Endpoint},
};

use super::faulty::{Fault, FaultyHost};
use crate::random_peer::{
    Habits, RandomPeer,
    book::{Book, Shared, Tally},
};

/// The longest time that a datagram is in flight.
const MAX_LATENCY: Duration = Duration::from_secs(60);

/// What a seed decides in advance.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) link: Link,
    pub(crate) clients: u64,
    /// Whether the first client is reached by SMS.
    pub(crate) sms: bool,
    /// Whether the bounds are tight enough to be reached.
    pub(crate) tight: bool,
    /// How likely a node is disturbed before each act.
    pub(crate) unrest: f64,
    pub(crate) lateness: Duration,
    pub(crate) acts: u64,
    /// The fault of the hub.
    pub(crate) fault: Fault,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 2);
        let random = &mut random;
        let percent = |random: &mut Random, most: u64| random.below(most + 1) as f64 / 100.0;
        let jitter = match random.below(3) {
            0 => Jitter::Even(Duration::from_millis(1 + random.below(3_000))),
            1 => Jitter::HalfLife(Duration::from_millis(1 + random.below(600))),
            // Most are fast; some wait for the radio.
            _ => Jitter::Quantiles(
                [0, 20, 40, 80, 200, 5_000]
                    .map(Duration::from_millis)
                    .into(),
            ),
        };
        let mut link = Link::new(Duration::from_millis(30))
            .distributed(jitter)
            .losing(percent(random, 50))
            .duplicating(percent(random, 20))
            .reordering(percent(random, 15), Duration::from_secs(20));
        if random.chance(0.1) {
            link.mtu = 100 + random.below(600) as usize;
        }
        // Within MAX_LATENCY, as RFC 7252 assumes.
        link.max_latency = MAX_LATENCY;
        let late = random.chance(0.3);
        Self {
            seed,
            link,
            clients: 1 + random.below(4),
            sms: random.chance(0.25),
            tight: random.chance(0.2),
            unrest: if random.chance(0.7) { 0.3 } else { 0.0 },
            lateness: Duration::from_millis(if late { 500 } else { 0 }),
            acts: 8 + random.below(33),
            fault: Fault::None,
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) requests: u64,
    pub(crate) outcomes: Tally,
    pub(crate) notifications: Tally,
    pub(crate) simulated: Duration,
    pub(crate) datagrams: u64,
    pub(crate) lost: u64,
    pub(crate) digest: u64,
}

impl crate::seeds::Sum for Outcome {
    fn add(&mut self, other: &Self) {
        for (all, one) in [
            (&mut self.tally, &other.tally),
            (&mut self.outcomes, &other.outcomes),
            (&mut self.notifications, &other.notifications),
        ] {
            for (what, count) in one {
                *all.entry(what).or_default() += count;
            }
        }
        self.requests += other.requests;
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
    plan: Plan,
    pub(crate) network: Network,
    book: Shared,
    hub: Handle<FaultyHost>,
    clients: Vec<Handle<FaultyHost>>,
    /// The two nodes that reach each other by SMS, if any.
    sms: Vec<NodeId>,
    /// When the clock of each client, and of the hub (last entry), last jumped a little.
    jumped: Vec<Option<Instant>>,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut network = Network::new(plan.seed);
        network.set_default_link(plan.link.clone());
        network.set_lateness(plan.lateness);
        network.set_spurious_wakeups(if plan.lateness.is_zero() { 0.0 } else { 0.2 });
        let book: Shared = Rc::new(Book::default().into());
        let host = host(&plan, &mut network, &book);
        let hub = network.add("hub", host);
        let mut clients = Vec::new();
        let mut sms: Vec<NodeId> = Vec::new();
        for index in 0..plan.clients {
            let host = self::host(&plan, &mut network, &book);
            let client = network.add(&format!("client{}", index + 1), host);
            if plan.sms && index == 0 {
                sms.push(hub.into());
                sms.push(client.into());
                let link = plan.link.clone().over(Channel::Sms);
                *network.link(hub, client) = link.clone();
                *network.link(client, hub) = link;
            }
            clients.push(client);
        }
        for client in sms.get(1..).unwrap_or_default() {
            network.with(hub, |hub, _| hub.host.application.reach_by_sms(*client));
        }
        if let Some(client) = clients.first().filter(|_| plan.sms) {
            network.with(*client, |client, _| {
                client.host.application.reach_by_sms(hub.into());
            });
        }
        network.with(hub, |hub, _| hub.fault = plan.fault);
        // Late enough that no clock goes back to zero, where it would stand still.
        for client in &clients {
            network.set_clock(*client, 100_000_000);
        }
        network.set_clock(hub, 200_000_000);
        Self {
            jumped: vec![None; clients.len() + 1],
            plan,
            network,
            book,
            hub,
            clients,
            sms,
        }
    }

    /// Runs everything to its end, and checks it.
    pub(crate) fn run(mut self) -> (Outcome, Network) {
        for _ in 0..self.plan.acts {
            if self.network.random().chance(self.plan.unrest) {
                self.disturb();
            }
            self.act();
            let random = self.network.random();
            let longest = [8, 8, 8, 60, 300][random.below(5) as usize];
            let pause = random.duration(Duration::from_secs(longest));
            self.network.run_for(pause);
        }
        self.calm();
        self.check()
    }

    fn client(&mut self) -> usize {
        self.network.random().below(self.clients.len() as u64) as usize
    }

    fn act(&mut self) {
        let client = self.client();
        let client = self.clients[client];
        let (who, whom) = match self.network.random().below(2) {
            0 => (self.hub, client),
            _ => (client, self.hub),
        };
        let peer = self.network.address(whom);
        self.network.with(who, |node, now| {
            let Host {
                machine,
                application,
            } = &mut node.host;
            application.act(now, machine, peer);
        });
    }

    fn count(&self, what: &'static str) {
        self.book.borrow_mut().count(what);
    }

    /// Does something to a node, a link or the hub.
    fn disturb(&mut self) {
        let client = self.client();
        let is_hub = self.network.random().chance(0.3);
        let index = if is_hub { self.clients.len() } else { client };
        let node = if is_hub {
            self.hub
        } else {
            self.clients[client]
        };
        match self.network.random().below(9) {
            0 => self.change_address(node, is_hub),
            1 => self.reboot(node, false),
            2 => self.reboot(node, true),
            3 => {
                let pause = self.network.random().duration(Duration::from_secs(200));
                self.count("sleep");
                self.network.sleep(node);
                self.network.run_for(pause);
                self.network.wake(node);
            }
            4 => self.jump_a_little(node, index),
            5 => {
                self.count("clock far forwards");
                // Before the jump, since the deadlines after it are handled without that memory.
                self.network
                    .with(node, |node, _| node.host.application.forgets());
                let millis = 1_000 * (300 + self.network.random().below(100_000)) as i64;
                self.network.jump_clock(node, millis);
            }
            6 => {
                self.count("clock far backwards");
                let sender: NodeId = node.into();
                self.book.borrow_mut().goes_back(sender);
                let millis = 1_000 * self.network.random().below(4_000) as i64;
                self.network.jump_clock(node, -millis);
                // Until nothing that was sent before is in flight.
                self.network.run_for(MAX_LATENCY + Duration::from_secs(1));
                self.book.borrow_mut().has_gone_back(sender);
            }
            7 => {
                self.count("partition");
                let client = self.clients[client];
                self.network.partition(self.hub, client, true);
                let pause = self.network.random().duration(Duration::from_secs(150));
                self.network.run_for(pause);
                self.network.partition(self.hub, client, false);
            }
            _ => self.stray(node),
        }
    }

    fn change_address(&mut self, node: Handle<FaultyHost>, is_hub: bool) {
        let old = self.network.address(node);
        self.network.change_address(node);
        self.count(if is_hub {
            "address of the hub"
        } else {
            "address of a client"
        });
        // Some peers are told that the old connection is closed.
        let others = if is_hub {
            self.clients.clone()
        } else {
            vec![self.hub]
        };
        for other in others {
            if self.network.random().chance(0.5) {
                self.drop_peer(other, old);
            }
        }
    }

    fn drop_peer(&mut self, who: Handle<FaultyHost>, peer: Address) {
        self.network.with(who, |node, now| {
            let Host {
                machine,
                application,
            } = &mut node.host;
            application.drop_peer(now, machine, peer);
        });
    }

    fn reboot(&mut self, node: Handle<FaultyHost>, with_state: bool) {
        self.count(if with_state {
            "reboot with state"
        } else {
            "reboot"
        });
        let config = config(&self.plan, self.network.random());
        self.network.reboot_with(node, |mut old| FaultyHost {
            host: Host::new(
                Endpoint::new(config),
                old.host.application.rebooted(with_state),
            ),
            ..old
        });
    }

    /// A jump so small and so rare that the guarantees of RFC 7252 still hold.
    fn jump_a_little(&mut self, node: Handle<FaultyHost>, index: usize) {
        let now = self.network.now();
        if self.jumped[index].is_some_and(|last| now <= last + Duration::from_secs(600)) {
            return;
        }
        self.jumped[index] = Some(now);
        let millis = self.network.random().below(40_000) as i64;
        let forwards = self.network.random().chance(0.5);
        self.count(if forwards {
            "clock forwards"
        } else {
            "clock backwards"
        });
        self.network
            .jump_clock(node, if forwards { millis } else { -millis });
    }

    /// A stray datagram arrives, or a Reset to what was sent last.
    fn stray(&mut self, node: Handle<FaultyHost>) {
        let to = self.network.address(node);
        let records = self.network.records().iter();
        let last = records.cloned().rfind(|record| record.from == to);
        if let Some(last) = last
            && let [_, _, high, low, ..] = *last.payload
            && self.network.random().chance(0.5)
        {
            self.count("Reset");
            let from = last.to;
            self.network.inject(from, to, &[0x70, 0, high, low]);
            return;
        }
        self.count("stray datagrams");
        let from = Address {
            number: 1_000,
            ..self.network.address(self.hub)
        };
        for _ in 0..3 {
            let random = self.network.random();
            let id = random.below(1 << 16).to_be_bytes();
            let datagram = match random.below(8) {
                // Empty: a ping, an acknowledgement, a Reset.
                0 => vec![0x40, 0, id[6], id[7]],
                1 => vec![0x60, 0, id[6], id[7]],
                2 => vec![0x70, 0, id[6], id[7]],
                // An unsolicited response.
                3 => vec![0x41, 0x45, id[6], id[7], 7],
                // A request with an unknown critical option.
                4 => vec![0x40, 0x01, id[6], id[7], 0x91, 0],
                // The first block of a body that doesn't continue, and the last of one that never
                // began.
                kind @ (5 | 6) => {
                    let block1 = if kind == 5 { 0x08 } else { 0x30 };
                    let path = [b"\xb1a".as_slice(), b"\xb6stream"][usize::from(id[7] & 1)];
                    let rest = [0xd1, 3, block1, 0xff];
                    [&[0x40, 0x03, id[6], id[7]], path, &rest, &[0; 16]].concat()
                }
                _ => id.to_vec(),
            };
            self.network.inject(from, to, &datagram);
        }
    }

    fn nodes(&self) -> Vec<Handle<FaultyHost>> {
        let clients = self.clients.iter().copied();
        core::iter::once(self.hub).chain(clients).collect()
    }

    /// Ends observations, and waits for everything else to end.
    fn calm(&mut self) {
        // More than once, so that what begins meanwhile ends too.
        for _ in 0..4 {
            let rest = self.network.run_to_rest(Duration::from_secs(1_000_000));
            assert!(rest, "no rest");
            for node in self.nodes() {
                self.network.with(node, |node, now| {
                    let Host {
                        machine,
                        application,
                    } = &mut node.host;
                    application.finish(now, machine);
                });
            }
        }
        assert_eq!(self.network.in_flight(), 0);
    }

    fn check(self) -> (Outcome, Network) {
        for node in self.nodes() {
            let host = &self.network.node(node).host;
            host.application.check_end(&host.machine);
        }
        let book = self.book.borrow();
        book.requests.check_end();
        book.notifications.check_end();
        self.check_sms();
        let (datagrams, lost) = self.network.datagrams();
        let mut tally = book.tally.clone();
        for record in self.network.records() {
            let fate = match record.fate {
                Fate::Delivered => continue,
                Fate::Duplicated => "datagram duplicated",
                Fate::Lost => "datagram lost",
                Fate::TooLong => "datagram over the MTU",
                Fate::Partitioned => "datagram cut off",
            };
            *tally.entry(fate).or_default() += 1;
        }
        let outcome = Outcome {
            tally,
            requests: book.requests.outcomes().values().sum(),
            outcomes: book.requests.outcomes().clone(),
            notifications: book.notifications.outcomes().clone(),
            simulated: self.network.now().saturating_duration_since(Instant::ZERO),
            datagrams,
            lost,
            digest: self.network.digest(),
        };
        drop(book);
        (outcome, self.network)
    }

    /// Over SMS only acknowledgements are sent again (TS 8.6.2).
    fn check_sms(&self) {
        let mut sent = std::collections::BTreeSet::new();
        for record in self.network.records() {
            let ends = [record.from.node, record.to.node];
            let over_sms = ends.iter().all(|end| self.sms.contains(end));
            let acknowledges = record.payload[0] & 0x20 != 0;
            if over_sms && !acknowledges && record.from.number < 1_000 {
                let key = (record.from, record.to, &record.payload);
                assert!(sent.insert(key), "sent again over SMS");
            }
        }
    }
}

fn config(plan: &Plan, random: &mut Random) -> Config {
    let mut config = Config::new(random.seed());
    config.block_size = 16 << random.below(7);
    config.stream_requests = random.chance(0.5);
    config.transmission.nstart = 1 + random.below(2) as u16;
    if random.chance(0.2) {
        config.response_timeout = Some(Duration::from_secs(5 + random.below(200)));
    }
    if plan.tight {
        let room = 4 * config.block_size;
        config.transfer_deadline = Duration::from_secs(60);
        let bounds = &mut config.bounds;
        bounds.peers = 3;
        bounds.records = 20;
        bounds.records_per_peer = 12;
        bounds.requests_per_peer = 3;
        bounds.transmissions_per_peer = 1;
        bounds.notifications_per_peer = 2;
        bounds.body = room;
        bounds.receiving.bodies = 2;
        bounds.receiving.bytes = room;
        bounds.serving.bodies = 2;
        bounds.responses.bytes = room / 2;
        bounds.serving.bytes = room;
        bounds.serving.bytes_per_peer = room / 2;
    }
    config
}

fn host(plan: &Plan, network: &mut Network, book: &Shared) -> FaultyHost {
    let random = network.random();
    let config = config(plan, random);
    let side = Random::new(plan.seed, random.number());
    let (habits, block_size) = (Habits::Everything, config.block_size);
    let peer = RandomPeer::new(book, side, habits, block_size, plan.tight);
    FaultyHost::new(Host::new(Endpoint::new(config), peer))
}
