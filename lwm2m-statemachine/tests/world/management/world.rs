//! One client, one server, and the invariants between them.

use core::time::Duration;
use std::collections::BTreeSet;

use lwm2m_core::{
    Arguments, Code, ContentFormat, InstanceId, Path, ShortServerId, Value, WriteMode,
    codec::Content,
};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_simulation::{Address, Handle, Host, Link, Network, Record};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig,
    client::DeferredOperation,
    coap::{MessageRef, Token},
    server::{CallError, Outcome, Server, ServerConfig},
};

use super::sides::{Asked, BATTERY_LEVEL, DeviceSide, ServerSide};

const DEVICE: Path = Path::of(&[3]).unwrap();
const DEVICE_INSTANCE: Path = Path::of(&[3, 0]).unwrap();
const MANUFACTURER: Path = Path::of(&[3, 0, 0]).unwrap();
/// Reset Error Code (TS E.4), which the Store leaves to the application.
const RESET_ERROR_CODE: Path = Path::of(&[3, 0, 12]).unwrap();
const TIMEZONE: Path = Path::of(&[3, 0, 15]).unwrap();

const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
const ENDPOINT: &str = "device";

/// Longer than any state of an exchange lives (RFC 7252 §4.8.2).
const QUIET: Duration = Duration::from_secs(300);

/// What happens in a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) link: Link,
    /// How many operations there are.
    pub(crate) operations: usize,
    /// The longest time between two of them.
    pub(crate) pause: Duration,
    /// The lifetime of the registration, in seconds.
    pub(crate) lifetime: u32,
    /// How likely each of these is before an operation, 0 to 1: the client reboots, the server
    /// reboots, the client gets another address, the link is cut for a while.
    pub(crate) reboots: f64,
    pub(crate) server_reboots: f64,
    pub(crate) moves: f64,
    pub(crate) partitions: f64,
    pub(crate) lateness: Duration,
    /// The largest blocks that either side uses, in bytes.
    pub(crate) block_size: usize,
    /// Whether the application of the client answers Executes and Reads itself, some of them late
    /// and some never.
    pub(crate) defers: bool,
}

impl Plan {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            link,
            operations: 12,
            pause: Duration::from_secs(4),
            lifetime: 86_400,
            reboots: 0.0,
            server_reboots: 0.0,
            moves: 0.0,
            partitions: 0.0,
            lateness: Duration::ZERO,
            block_size: 1024,
            defers: false,
        }
    }
}

type ClientHost = Host<DeviceSide>;
type ServerHost = Host<ServerSide>;

/// Everything that can be compared between two runs.
#[derive(Debug, PartialEq)]
pub(crate) struct History {
    records: Vec<Record>,
    client: Vec<String>,
    server: Vec<String>,
}

/// A run.
pub(crate) struct World {
    plan: Plan,
    network: Network,
    client: Handle<ClientHost>,
    server: Handle<ServerHost>,
    /// What earlier incarnations of client and server did.
    past: Vec<DeviceSide>,
    past_servers: Vec<ServerSide>,
}

impl World {
    pub(crate) fn new(seed: u64, plan: &Plan) -> Self {
        let mut network = Network::new(seed);
        network.set_default_link(plan.link.clone());
        network.set_lateness(plan.lateness);
        network.set_spurious_wakeups(if plan.lateness.is_zero() { 0.0 } else { 0.3 });
        let booted = boot_server(&mut network, plan);
        let server = network.add("server", booted);
        let address = network.address(server);
        let booted = boot(&mut network, plan, address);
        let client = network.add("client", booted);
        let mut world = Self {
            plan: plan.clone(),
            network,
            client,
            server,
            past: Vec::new(),
            past_servers: Vec::new(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.network
            .with(self.client, |host, now| host.machine.start(now));
    }

    /// Issues all operations, singly or several at once, as the seed decides.
    pub(crate) fn run(&mut self) {
        for number in 0..self.plan.operations {
            self.await_registration();
            self.disturb();
            self.operate(number);
            self.change_level();
            self.answer_deferred();
            let pause = self.network.random().duration(self.plan.pause);
            self.network.run_for(pause);
        }
    }

    /// How many operations the server accepted.
    pub(crate) fn issued(&self) -> usize {
        self.network.node(self.server).application.asked.len()
    }

    fn await_registration(&mut self) {
        let (client, server) = (self.client, self.server);
        let limit = Duration::from_secs(2 * 86_400);
        let registered = self.network.run_until(limit, |network| {
            network.node(client).machine.is_registered(ACCOUNT)
                && network.node(server).machine.find(ENDPOINT).is_some()
        });
        assert!(registered, "no registration in two days");
    }

    fn operate(&mut self, number: usize) {
        let choice = self.network.random().below(12);
        let result = self.network.with(self.server, |host, now| {
            let Host {
                machine: server,
                application,
            } = host;
            let client = server
                .find(ENDPOINT)
                .ok_or(CallError::UnknownRegistration)?;
            let text = Some(ContentFormat::TEXT);
            let (operation, asked) = match choice {
                0 => (
                    server.read(now, client, DEVICE_INSTANCE, Some(ContentFormat::TLV))?,
                    Asked::Read(DEVICE_INSTANCE),
                ),
                1 => (
                    server.read(now, client, MANUFACTURER, text)?,
                    Asked::Read(MANUFACTURER),
                ),
                2 => (server.discover(now, client, DEVICE)?, Asked::Discover),
                3..=5 => {
                    let value = Value::from(format!("Zone/{number}"));
                    let content = Content::from_iter([(TIMEZONE, value.clone())]);
                    let mode = WriteMode::Replace;
                    let operation = server.write(now, client, TIMEZONE, mode, text, &content)?;
                    (operation, Asked::Write(value))
                }
                6..=8 => {
                    let text = format!("0='{number}'");
                    let arguments = Arguments::parse(text.as_bytes()).unwrap();
                    let operation = server.execute(now, client, RESET_ERROR_CODE, &arguments)?;
                    (operation, Asked::Execute(text))
                }
                _ => match application.observing.first() {
                    Some(observation) if choice == 9 => {
                        (server.cancel_observation(now, *observation)?, Asked::Cancel)
                    }
                    _ => (
                        server.observe(now, client, BATTERY_LEVEL, text)?,
                        Asked::Observe,
                    ),
                },
            };
            application.asked.insert(operation, asked);
            Ok::<_, CallError>(())
        });
        // The only other reason is that the registration has just ended.
        assert!(
            matches!(result, Ok(()) | Err(CallError::UnknownRegistration)),
            "{result:?}"
        );
    }

    fn change_level(&mut self) {
        let level = i64::try_from(self.network.random().below(101)).unwrap();
        self.network.with(self.client, |host, now| {
            host.machine.set(now, BATTERY_LEVEL, level).unwrap();
        });
    }

    /// The application of the client answers some of the requests that wait for it.
    fn answer_deferred(&mut self) {
        if !self.plan.defers {
            return;
        }
        let choices = [(); 8].map(|()| self.network.random().chance(0.5));
        let mut choices = choices.into_iter();
        self.network.with(self.client, |host, now| {
            let Host {
                machine,
                application,
            } = host;
            application.answer(now, machine, || choices.next().unwrap_or(false));
        });
    }

    /// Reboots nodes, changes addresses, cuts the link.
    fn disturb(&mut self) {
        if self.network.random().chance(self.plan.reboots) {
            self.keep_past();
            let server = self.network.address(self.server);
            let booted = boot(&mut self.network, &self.plan, server);
            self.network.reboot(self.client, booted);
            self.start();
        }
        if self.network.random().chance(self.plan.server_reboots) {
            let side = self.network.with(self.server, |host, _| {
                core::mem::take(&mut host.application)
            });
            self.past_servers.push(side);
            let booted = boot_server(&mut self.network, &self.plan);
            self.network.reboot(self.server, booted);
        }
        if self.network.random().chance(self.plan.moves) {
            self.network.change_address(self.client);
            // The client doesn't know this until the server refuses its Update.
            self.network
                .with(self.client, |host, now| host.machine.update(now, ACCOUNT));
        }
        if self.network.random().chance(self.plan.partitions) {
            self.network.partition(self.client, self.server, true);
            let pause = self.network.random().duration(Duration::from_secs(120));
            self.network.run_for(pause);
            self.network.partition(self.client, self.server, false);
        }
    }

    fn keep_past(&mut self) {
        let past = self.network.with(self.client, |host, _| {
            core::mem::take(&mut host.application)
        });
        self.past.push(past);
    }

    /// Runs everything to its end and checks it. Returns how many operations succeeded.
    pub(crate) fn finish(&mut self) -> usize {
        // Mostly the client stays until everything is answered; otherwise it leaves before.
        if self.network.random().chance(0.8) {
            let server = self.server;
            let answered = self.network.run_until(QUIET * 20, |network| {
                let side = &network.node(server).application;
                side.outcomes.len() == side.asked.len()
            });
            assert!(answered, "operations without outcome");
        }
        self.await_registration();
        self.network
            .with(self.client, |host, now| host.machine.deregister(now));
        // If the De-register was lost, the registration expires.
        let lifetime = Duration::from_secs(self.plan.lifetime.into());
        self.network.run_for(lifetime + QUIET + QUIET);

        let server = self.network.node(self.server);
        let side = &server.application;
        for (operation, asked) in &side.asked {
            let outcome = side.outcomes.get(operation);
            assert!(outcome.is_some(), "no outcome of {operation:?} {asked:?}");
        }
        assert_eq!(side.asked.len(), side.outcomes.len());
        assert!(side.alive.is_empty(), "registered for ever");
        assert!(side.observing.is_empty(), "observed for ever");
        self.check_registrations();
        self.check_effects();
        self.check_for_leaks();
        let outcomes = side.outcomes.values();
        outcomes
            .filter(|outcome| {
                matches!(
                    outcome,
                    Outcome::Content(_)
                        | Outcome::Observing { .. }
                        | Outcome::Links(_)
                        | Outcome::Changed
                )
            })
            .count()
    }

    /// Each Register that the client sent has an outcome, and made at most one registration.
    fn check_registrations(&self) {
        let registers: BTreeSet<(Address, u16, Token)> = self
            .network
            .records()
            .iter()
            .filter_map(|record| {
                let message = MessageRef::parse(&record.payload).ok()?;
                let begins = message.block1().is_none_or(|block| block.number() == 0)
                    && message.block2().is_none_or(|block| block.number() == 0);
                (message.code() == Code::POST && message.uri_path().eq(["rd"]) && begins)
                    .then(|| (record.from, message.message_id(), message.token()))
            })
            .collect();
        let last = &self.network.node(self.client).application;
        let sides = self.past.iter().chain([last]);
        let (succeeded, failed) = sides.fold((0, 0), |(succeeded, failed), side| {
            (succeeded + side.registered, failed + side.failed)
        });
        // Only a reboot ends a Register without an outcome. A failed Update or De-register ends a
        // registration too.
        assert!(
            (succeeded..=succeeded + failed + self.past.len()).contains(&registers.len()),
            "{} Registers, of which {succeeded} succeeded, {failed} failures, {} reboots",
            registers.len(),
            self.past.len()
        );
        let last = &self.network.node(self.server).application;
        for side in self.past_servers.iter().chain([last]) {
            let made = side.alive.len() + side.gone.len();
            assert!(
                made <= registers.len(),
                "{} Registers made {made} registrations",
                registers.len()
            );
        }
    }

    /// Effects happen at most once, and exactly once where success was reported.
    fn check_effects(&self) {
        let server = &self.network.node(self.server).application;
        let now = &self.network.node(self.client).application;
        let servers = self.past_servers.iter().chain([server]);
        for (asked, outcome) in servers.flat_map(ServerSide::outcomes) {
            let count = |side: &DeviceSide| match asked {
                Asked::Execute(arguments) => {
                    side.executed.iter().filter(|run| *run == arguments).count()
                }
                Asked::Write(value) => side.written.iter().filter(|run| *run == value).count(),
                _ => 0,
            };
            // Each incarnation of the client is a machine of its own, and doesn\'t know what earlier
            // ones did.
            let counts: Vec<usize> = self.past.iter().chain([now]).map(count).collect();
            assert!(
                counts.iter().all(|count| *count <= 1),
                "{asked:?} took effect {counts:?} times"
            );
            match (asked, outcome) {
                (Asked::Execute(_) | Asked::Write(_), Some(Outcome::Changed)) => assert!(
                    counts.contains(&1),
                    "{asked:?} was reported and never took effect"
                ),
                (Asked::Read(path), Some(Outcome::Content(content))) => {
                    assert!(content.values().all(|(at, _)| path.contains(&at)));
                    let made_by = content.get(&MANUFACTURER);
                    assert_eq!(made_by, Some(&Value::from("Open Mobile Alliance")));
                }
                (Asked::Discover, Some(Outcome::Links(links))) => assert!(!links.is_empty()),
                (Asked::Observe, Some(Outcome::Observing { .. }))
                | (Asked::Cancel, Some(Outcome::Content(_)))
                | (_, None | Some(Outcome::Timeout | Outcome::Reset | Outcome::ClientGone)) => {}
                // The application did not answer, or has enough to answer.
                (
                    Asked::Execute(_) | Asked::Read(_) | Asked::Observe,
                    Some(Outcome::Refused { code }),
                ) if self.plan.defers => assert!(
                    [Code::INTERNAL_SERVER_ERROR, Code::SERVICE_UNAVAILABLE].contains(code),
                    "{asked:?} ended with {code}"
                ),
                // The server has cancelled all observations of the path while the application took its
                // time, so none begins.
                (Asked::Observe, Some(Outcome::Content(_))) if self.plan.defers => {}
                (asked, outcome) => panic!("{asked:?} ended with {outcome:?}"),
            }
        }
    }

    fn check_for_leaks(&self) {
        let server = self.network.node(self.server).machine.usage();
        assert_eq!((server.registrations, server.operations), (0, 0));
        assert_eq!((server.observations, server.events), (0, 0));
        let coap = server.coap;
        assert_eq!(
            (coap.peers, coap.records, coap.requests),
            (0, 0, 0),
            "{coap:?}"
        );
        assert_eq!((coap.transmissions, coap.notifications), (0, 0), "{coap:?}");
        assert_eq!((coap.message_ids, coap.timers), (0, 0), "{coap:?}");
        let client = &self.network.node(self.client).machine;
        assert!(client.is_idle(), "the client is busy");
        assert_eq!(self.network.in_flight(), 0);
    }

    /// The parts of a run that are compared with another run.
    pub(crate) fn history(&mut self) -> History {
        self.keep_past();
        let logs = self.past.iter().flat_map(|side| side.log.iter());
        History {
            records: self.network.records().to_vec(),
            client: logs.cloned().collect(),
            server: self.network.node(self.server).application.log.clone(),
        }
    }
}

/// A server at its start, without registrations.
fn boot_server(network: &mut Network, plan: &Plan) -> ServerHost {
    let mut config = ServerConfig::new(network.random().seed());
    config.coap.block_size = plan.block_size;
    Host::new(Server::new(config), ServerSide::default())
}

/// A client at its start, with a seed of its own.
fn boot(network: &mut Network, plan: &Plan, server: Address) -> ClientHost {
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://server", SERVER);
    let account = typed::Server {
        default_minimum_period: Some(0),
        ..typed::Server::new(SERVER, plan.lifetime)
    };
    let device = typed::Device {
        timezone: Some("Zone/none".into()),
        reset_error_code: true,
        ..typed::Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    let mut config = ClientConfig::new(ENDPOINT, network.random().seed());
    config.coap.block_size = plan.block_size;
    let application = DeviceSide {
        server: Some(server),
        ..DeviceSide::default()
    };
    let mut client = Client::new(config, tree).unwrap();
    if plan.defers {
        client
            .deferred()
            .defer(DeferredOperation::Execute, RESET_ERROR_CODE);
        client
            .deferred()
            .defer(DeferredOperation::Read, MANUFACTURER);
        client
            .deferred()
            .defer(DeferredOperation::Read, BATTERY_LEVEL);
    }
    Host::new(client, application)
}
