//! One client, one server, and all that must hold between them.

use core::{ops::RangeInclusive, time::Duration};
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    Arguments, Code, ContentFormat, InstanceId, Instant, Path, ShortServerId, Value, WriteMode,
    codec::Content,
};
use lwm2m_objects::{Change, Device, ObjectTree, Security, Server as Account, Store};
use lwm2m_simulation::{Address, Application, Handle, Host, Link, Network, Record};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId,
    coap::{MessageRef, Token},
    server::{
        CallError, ObservationId, OperationId, Outcome, RegistrationId, Server, ServerConfig,
        ServerEvent,
    },
};

const DEVICE: Path = Path::of(&[3]).unwrap();
const DEVICE_INSTANCE: Path = Path::of(&[3, 0]).unwrap();
const MANUFACTURER: Path = Path::of(&[3, 0, 0]).unwrap();
const REBOOT: Path = Path::of(&[3, 0, 4]).unwrap();
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
const TIMEZONE: Path = Path::of(&[3, 0, 15]).unwrap();
const LEVELS: RangeInclusive<i64> = 0..=100;

const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
const ENDPOINT: &str = "device";

/// Longer than RFC 7252 lets anything of an exchange live on.
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
    pub(crate) reboots: bool,
    pub(crate) moves: bool,
    pub(crate) partitions: bool,
    pub(crate) lateness: Duration,
}

impl Plan {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            link,
            operations: 12,
            pause: Duration::from_secs(4),
            lifetime: 86_400,
            reboots: false,
            moves: false,
            partitions: false,
            lateness: Duration::ZERO,
        }
    }
}

/// The application of the client: connects, and notes what happens.
#[derive(Debug, Default)]
struct DeviceSide {
    server: Option<Address>,
    connection: Option<ConnectionId>,
    /// How many registrations succeeded, and how many failed or were lost.
    registered: usize,
    failed: usize,
    /// The arguments of each Execute.
    executed: Vec<String>,
    /// The values of each Write.
    written: Vec<Value>,
    log: Vec<String>,
}

impl Application for DeviceSide {
    type Machine = Client;

    fn handle_event(&mut self, now: Instant, client: &mut Client, event: ClientEvent) {
        self.log.push(format!("{now} {event:?}"));
        match event {
            ClientEvent::Connect { connection, .. } => {
                self.connection = Some(connection);
                client.connected(now, connection);
            }
            ClientEvent::Disconnect { connection } if self.connection == Some(connection) => {
                self.connection = None;
            }
            ClientEvent::Registered { .. } => self.registered += 1,
            ClientEvent::RegistrationFailed { .. } => self.failed += 1,
            ClientEvent::Execute { arguments, .. } => self.executed.push(arguments),
            ClientEvent::Written { changes, .. } => {
                for change in changes {
                    if let Change::Set { value, .. } = change {
                        self.written.push(value);
                    }
                }
            }
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<ConnectionId> {
        self.connection.filter(|_| self.server == Some(address))
    }

    fn address(&self, connection: &ConnectionId) -> Option<Address> {
        // What was queued before a connection ended is sent still.
        self.server
            .filter(|_| self.connection.is_none_or(|current| current == *connection))
    }
}

/// What the server was asked to do; numbers and texts tell one from another.
#[derive(Clone, Debug, PartialEq)]
enum Asked {
    Read(Path),
    Discover,
    Write(Value),
    Execute(String),
    Observe,
    Cancel,
}

/// The application of the server: checks that events come in an order that makes sense.
#[derive(Debug, Default)]
struct ServerSide {
    asked: BTreeMap<OperationId, Asked>,
    outcomes: BTreeMap<OperationId, Outcome>,
    alive: BTreeSet<RegistrationId>,
    gone: BTreeSet<RegistrationId>,
    observing: BTreeSet<ObservationId>,
    ended: BTreeSet<ObservationId>,
    log: Vec<String>,
}

impl ServerSide {
    fn goes(&mut self, registration: RegistrationId) {
        assert!(self.alive.remove(&registration), "ended and never began");
        assert!(self.gone.insert(registration), "ended twice");
        let left = self.observing.iter();
        assert_eq!(
            left.filter(|id| id.registration() == registration).count(),
            0,
            "observations outlive their registration"
        );
        let operations = self.asked.keys();
        assert!(
            operations
                .filter(|id| id.registration() == registration)
                .all(|id| self.outcomes.contains_key(id)),
            "operations outlive their registration"
        );
    }
}

impl Application for ServerSide {
    type Machine = Server<Address>;

    fn handle_event(&mut self, now: Instant, _: &mut Server<Address>, event: ServerEvent<Address>) {
        self.log.push(format!("{now} {event:?}"));
        match event {
            ServerEvent::Registered { registration } => {
                assert!(!self.gone.contains(&registration), "a handle is used again");
                assert!(self.alive.insert(registration), "registered twice");
            }
            ServerEvent::Updated { registration, .. } => {
                assert!(self.alive.contains(&registration), "updated and not there");
            }
            ServerEvent::Deregistered { registration, .. }
            | ServerEvent::Expired { registration, .. } => self.goes(registration),
            ServerEvent::Replaced {
                registration, by, ..
            } => {
                assert_ne!(registration, by);
                self.goes(registration);
            }
            ServerEvent::Answered {
                registration,
                operation,
                outcome,
            } => {
                assert!(self.alive.contains(&registration), "answered after the end");
                assert_eq!(operation.registration(), registration);
                if let Outcome::Observing { observation, .. } = outcome {
                    assert!(self.observing.insert(observation), "begins twice");
                }
                let before = self.outcomes.insert(operation, outcome);
                assert_eq!(before, None, "a second outcome of {operation:?}");
            }
            ServerEvent::Notification {
                observation,
                content,
                ..
            } => {
                assert!(self.observing.contains(&observation), "not observed");
                let content = content.expect("a notification that can be read");
                let Some(Value::Integer(level)) = content.get(&BATTERY_LEVEL) else {
                    panic!("not of what is observed: {content:?}");
                };
                assert!(LEVELS.contains(level), "{level}");
            }
            ServerEvent::ObservationEnded { observation, .. } => {
                assert!(self.observing.remove(&observation), "ends and never began");
                assert!(self.ended.insert(observation), "ends twice");
            }
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
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
    /// What earlier incarnations of the client have done.
    past: Vec<DeviceSide>,
}

impl World {
    pub(crate) fn new(seed: u64, plan: &Plan) -> Self {
        let mut network = Network::new(seed);
        network.set_default_link(plan.link.clone());
        network.set_lateness(plan.lateness);
        network.set_spurious_wakeups(if plan.lateness.is_zero() { 0.0 } else { 0.3 });
        let config = ServerConfig::new(network.random().seed());
        let server = network.add(
            "server",
            Host::new(Server::new(config), ServerSide::default()),
        );
        let address = network.address(server);
        let booted = boot(&mut network, plan, address);
        let client = network.add("client", booted);
        let mut world = Self {
            plan: plan.clone(),
            network,
            client,
            server,
            past: Vec::new(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.network
            .with(self.client, |host, now| host.machine.start(now));
    }

    /// Issues all operations, one after the other or several at once, as the seed has it.
    pub(crate) fn run(&mut self) {
        for number in 0..self.plan.operations {
            self.await_registration();
            self.disturb();
            self.operate(number);
            self.change_level();
            let pause = self.network.random().duration(self.plan.pause);
            self.network.run_for(pause);
        }
    }

    /// How many operations were taken by the server.
    pub(crate) fn issued(&self) -> usize {
        self.network.node(self.server).application.asked.len()
    }

    fn await_registration(&mut self) {
        let (client, server) = (self.client, self.server);
        let limit = Duration::from_secs(2 * 86_400);
        let registered = self.network.run_until(limit, |network| {
            network.node(client).machine.is_registered(SERVER)
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
                    let operation = server.execute(now, client, REBOOT, &arguments)?;
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
        // The registration may have ended this moment; there is no other reason.
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

    /// Reboots, moves, cuts off.
    fn disturb(&mut self) {
        if self.plan.reboots && self.network.random().chance(0.2) {
            self.keep_past();
            let server = self.network.address(self.server);
            let booted = boot(&mut self.network, &self.plan, server);
            self.network.reboot(self.client, booted);
            self.start();
        }
        if self.plan.moves && self.network.random().chance(0.2) {
            self.network.change_address(self.client);
            // The client does not know, and is told by the server's refusal of its Update.
            self.network
                .with(self.client, |host, now| host.machine.update(now, SERVER));
        }
        if self.plan.partitions {
            let cut = self.network.random().chance(0.3);
            self.network.partition(self.client, self.server, cut);
            if cut {
                let pause = self.network.random().duration(Duration::from_secs(120));
                self.network.run_for(pause);
                self.network.partition(self.client, self.server, false);
            }
        }
    }

    fn keep_past(&mut self) {
        let past = self.network.with(self.client, |host, _| {
            core::mem::take(&mut host.application)
        });
        self.past.push(past);
    }

    /// Lets everything end, and checks what must hold then. Returns how many operations had
    /// success.
    pub(crate) fn finish(&mut self) -> usize {
        self.network.partition(self.client, self.server, false);
        // Mostly the client stays until all is answered; else it leaves in the midst of it.
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
        // If the De-register got lost, the registration expires.
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

    /// Each Register that the client sent has had an outcome, and made one registration at most.
    fn check_registrations(&self) {
        let registers: BTreeSet<(Address, u16, Token)> = self
            .network
            .records()
            .iter()
            .filter_map(|record| {
                let message = MessageRef::parse(&record.payload).ok()?;
                (message.code() == Code::POST && message.uri_path().eq(["rd"]))
                    .then(|| (record.from, message.message_id(), message.token()))
            })
            .collect();
        let last = &self.network.node(self.client).application;
        let sides = self.past.iter().chain([last]);
        let (succeeded, failed) = sides.fold((0, 0), |(succeeded, failed), side| {
            (succeeded + side.registered, failed + side.failed)
        });
        // A reboot, and nothing else, is the end of a Register without outcome. An Update or a
        // De-register that failed is the end of a registration too.
        assert!(
            (succeeded..=succeeded + failed + self.past.len()).contains(&registers.len()),
            "{} Registers, of which {succeeded} succeeded, {failed} failures, {} reboots",
            registers.len(),
            self.past.len()
        );
        let made = self.network.node(self.server).application.gone.len();
        assert!(
            made <= registers.len(),
            "{} Registers made {made} registrations",
            registers.len()
        );
    }

    /// At most once, and exactly once where success was reported.
    fn check_effects(&self) {
        let server = &self.network.node(self.server).application;
        let now = &self.network.node(self.client).application;
        for (operation, asked) in &server.asked {
            let outcome = &server.outcomes[operation];
            let count = |side: &DeviceSide| match asked {
                Asked::Execute(arguments) => {
                    side.executed.iter().filter(|run| *run == arguments).count()
                }
                Asked::Write(value) => side.written.iter().filter(|run| *run == value).count(),
                _ => 0,
            };
            // Each incarnation of the client is a machine of its own: what one has done, the next
            // does not know.
            let counts: Vec<usize> = self.past.iter().chain([now]).map(count).collect();
            assert!(
                counts.iter().all(|count| *count <= 1),
                "{asked:?} took effect {counts:?} times"
            );
            match (asked, outcome) {
                (Asked::Execute(_) | Asked::Write(_), Outcome::Changed) => assert!(
                    counts.contains(&1),
                    "{asked:?} was reported and never took effect"
                ),
                (Asked::Read(path), Outcome::Content(content)) => {
                    assert!(content.values().all(|(at, _)| path.contains(&at)));
                    let made_by = content.get(&MANUFACTURER);
                    assert_eq!(made_by, Some(&Value::from("Open Mobile Alliance")));
                }
                (Asked::Discover, Outcome::Links(links)) => assert!(!links.is_empty()),
                (Asked::Observe, Outcome::Observing { .. })
                | (Asked::Cancel, Outcome::Content(_))
                | (_, Outcome::Timeout | Outcome::Reset | Outcome::RegistrationGone) => {}
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

    /// What can be compared with another run.
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

/// A client as it starts, with a seed of its own.
fn boot(network: &mut Network, plan: &Plan, server: Address) -> ClientHost {
    let mut tree = ObjectTree::new();
    let security = Security::no_sec("coap://server", SERVER);
    let account = Account {
        default_minimum_period: Some(0),
        ..Account::new(SERVER, plan.lifetime)
    };
    let device = Device {
        timezone: Some("Zone/none".into()),
        ..Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    let config = ClientConfig::new(ENDPOINT, network.random().seed());
    let application = DeviceSide {
        server: Some(server),
        ..DeviceSide::default()
    };
    Host::new(Client::new(config, tree).unwrap(), application)
}
