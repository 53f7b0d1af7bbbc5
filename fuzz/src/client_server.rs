use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use lwm2m_core::{
    Arguments, AttributesUpdate, Code, ContentFormat, InstanceId, Instant, ObjectId, Path,
    ShortServerId, Value, WriteMode, codec::Content,
};
use lwm2m_objects::{Change, ObjectTree, Store, typed};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Identity, ObservationId,
    OperationId, Outcome, RegistrationId, Reliability, Server, ServerConfig, ServerEvent, Session,
    client::{DeferredError, DeferredId, DeferredOperation},
    coap,
};

use crate::program::Program;

/// A Client and a Server, and anything that may happen between them: every operation, values that
/// change, Updates, a Client that leaves and comes back, lost connections; an application that answers
/// requests itself, late or never; datagrams that are lost, repeated, delayed, changed or forged; a new
/// address, or a session with a proven identity; sessions that end, and clients that can't be reached; time.
///
/// Each operation has one outcome, each registration and each observation one end. What is held is
/// bounded, and no deadline stays in the past. As long as no datagram was changed or forged, no
/// Execute and no Write takes effect twice, and each that is reported as a success has taken
/// effect. Once the network works again everything ends, and both machines are idle.
pub fn client_server(data: &[u8]) {
    let mut program = Program::new(data);
    let mut world = World::new(program.byte());
    while let Some(step) = program.step() {
        world.step(step, &mut program);
    }
    world.heal();
    world.finish();
}

/// MAX_LATENCY: the longest time that a datagram is in flight (RFC 7252 §4.8.2).
const MAX_LATENCY: Duration = Duration::from_secs(100);
/// How many datagrams are in flight at a time; more are lost.
const MOST_UNDER_WAY: usize = 64;

const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
const TIMEZONE: Path = Path::of(&[3, 0, 15]).unwrap();
/// Reset Error Code (TS E.4), which the Store leaves to the application.
const RESET_ERROR_CODE: Path = Path::of(&[3, 0, 12]).unwrap();
const PATHS: [Path; 8] = [
    Path::of(&[3]).unwrap(),
    Path::of(&[3, 0]).unwrap(),
    Path::of(&[3, 0, 0]).unwrap(),
    BATTERY_LEVEL,
    Path::of(&[3, 0, 7]).unwrap(),
    Path::of(&[1, 0]).unwrap(),
    Path::of(&[0, 0]).unwrap(),
    Path::of(&[9, 0]).unwrap(),
];

struct World {
    now: Instant,
    device: DeviceSide,
    platform: PlatformSide,
    /// The datagrams in flight: since when, and the bytes.
    to_server: VecDeque<(Instant, Packet)>,
    to_client: VecDeque<(Instant, Packet)>,
    /// Tells Writes and Executes apart.
    next: u32,
    /// Whether no datagram was changed or forged.
    honest: bool,
    /// The sessions of the device that haven't begun.
    sessions: core::ops::Range<u8>,
}

/// The sessions of the device have these addresses, each once. Lower ones are addresses without security, higher
/// ones sessions of another device.
const SESSIONS: core::ops::Range<u8> = 0x10..0xc0;

/// What has been proved in the session of this address.
fn identity(address: u8) -> Identity<'static> {
    match address {
        _ if address < SESSIONS.start => Identity::None,
        _ if SESSIONS.contains(&address) => Identity::Psk(b"device"),
        _ => Identity::Psk(b"other"),
    }
}

/// The address of the Client, from or to which it goes, and its bytes.
type Packet = (u8, Vec<u8>);

struct DeviceSide {
    client: Client,
    address: u8,
    connection: Option<ConnectionId>,
    /// The effects, by what tells them apart.
    effects: BTreeMap<String, u32>,
    /// The requests that the application defers and has not answered, with the arguments of an
    /// Execute.
    waiting: BTreeMap<DeferredId, Option<String>>,
}

struct PlatformSide {
    server: Server<u8>,
    bounds: coap::Bounds,
    /// The operations without an outcome, with the number of their effects.
    open: BTreeMap<OperationId, Option<String>>,
    /// Those that were reported as a success.
    succeeded: Vec<String>,
    alive: BTreeSet<RegistrationId>,
    gone: BTreeSet<RegistrationId>,
    observing: BTreeSet<ObservationId>,
    /// The sessions that have ended.
    ended: BTreeSet<u8>,
}

impl World {
    fn new(kind: u8) -> Self {
        let mut config = ServerConfig::new([1; 32]);
        configure(&mut config.coap, kind);
        let bounds = config.coap.bounds;
        let mut world = Self {
            now: Instant::from_secs(1),
            device: DeviceSide {
                client: client(kind),
                address: 1,
                connection: None,
                effects: BTreeMap::new(),
                waiting: BTreeMap::new(),
            },
            platform: PlatformSide {
                server: Server::new(config),
                bounds,
                open: BTreeMap::new(),
                succeeded: Vec::new(),
                alive: BTreeSet::new(),
                gone: BTreeSet::new(),
                observing: BTreeSet::new(),
                ended: BTreeSet::new(),
            },
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            next: 0,
            honest: true,
            sessions: SESSIONS,
        };
        world.device.client.start(world.now);
        world.drain();
        // Most programs are about what comes after the registration.
        if kind & 0x80 == 0 {
            world.deliver_all(4);
        }
        world
    }

    fn step(&mut self, step: u8, program: &mut Program<'_>) {
        let to_server = step & 0x80 != 0;
        match step & 0x0f {
            0..=3 => self.operate(step, program.byte()),
            4 => self.arrive_one(to_server, program.byte()),
            5 => self.deliver_all(program.byte()),
            6 => drop(self.queue(to_server).pop_front()),
            7 => self.corrupt(to_server, program.byte(), program.byte()),
            8 => {
                self.honest = false;
                let (from, length) = (program.byte(), program.byte());
                let payload = program.take(length.into()).to_vec();
                self.arrive(to_server, (from, payload));
            }
            9 => self.pass(Duration::from_millis(u64::from(program.byte()) * 100)),
            10 => self.pass(Duration::from_secs(u64::from(program.byte()) * 4)),
            11 => {
                let level = i64::from(program.byte());
                let _ = self.device.client.set(self.now, BATTERY_LEVEL, level);
            }
            12 if step & 0x10 != 0 => {
                let consent = step & 0x20 == 0;
                self.device.answer(self.now, consent, self.honest);
            }
            12 => self.device.client.update(self.now, ACCOUNT),
            13 => match program.byte() & 7 {
                0 => self.device.client.deregister(self.now),
                1 => self.device.client.start(self.now),
                2 | 3 => self.device.lose_connection(self.now),
                4 | 5 => self.end_session(self.device.address),
                _ => {
                    let registration = self.platform.alive.first().copied();
                    if let Some(registration) = registration {
                        self.platform.server.client_gone(self.now, registration);
                    }
                }
            },
            14 => self.move_device(program.byte()),
            _ => self.end_observation(program.byte()),
        }
        self.drain();
        self.check();
    }

    /// The device is reached at another address without security, or in a new session; it may notice.
    fn move_device(&mut self, choice: u8) {
        let session = self.sessions.next().filter(|_| choice & 4 != 0);
        self.device.address = session.unwrap_or(choice & 3);
        if choice & 8 != 0 {
            self.device.lose_connection(self.now);
        }
    }

    /// A session ends at both ends, and its address is nobody's from then on.
    fn end_session(&mut self, address: u8) {
        if !SESSIONS.contains(&address) || !self.platform.ended.insert(address) {
            return;
        }
        self.platform.server.peer_gone(self.now, &address);
        if self.device.address == address {
            self.move_device(0x0c);
        }
    }

    fn queue(&mut self, to_server: bool) -> &mut VecDeque<(Instant, Packet)> {
        if to_server {
            &mut self.to_server
        } else {
            &mut self.to_client
        }
    }

    /// An operation of the server on its first registration.
    fn operate(&mut self, step: u8, choice: u8) {
        let Some(registration) = self.platform.alive.first().copied() else {
            return;
        };
        self.next += 1;
        let (now, name) = (self.now, self.next.to_string());
        let path = PATHS[usize::from(choice & 7)];
        let format = [None, Some(ContentFormat::TLV), Some(ContentFormat::JSON)];
        let format = format.get(usize::from(choice >> 3 & 3)).copied().flatten();
        let server = &mut self.platform.server;
        let (operation, effect) = match (step & 3, choice >> 5) {
            (0, _) => (server.read(now, registration, path, format), None),
            (1, 0..=3) => {
                let text = format!("0='{name}'");
                let arguments = Arguments::parse(text.as_bytes()).unwrap();
                let executed = server.execute(now, registration, RESET_ERROR_CODE, &arguments);
                (executed, Some(text))
            }
            (1, _) => {
                // A longer one goes in blocks, if they are small.
                let zone = format!("{name}{}", "x".repeat(usize::from(choice & 0x1f)));
                let content = Content::from_iter([(TIMEZONE, Value::from(zone.clone()))]);
                let mode = WriteMode::Replace;
                let written = server.write(now, registration, TIMEZONE, mode, format, &content);
                (written, Some(zone))
            }
            (2, _) => (server.observe(now, registration, path, format), None),
            (_, 0 | 1) => (server.discover(now, registration, path), None),
            (_, 2 | 3) => {
                let update = AttributesUpdate::from_queries(["pmin=1", "pmax=60"]);
                let update = update.expect("attributes");
                (
                    server.write_attributes(now, registration, path, &update),
                    None,
                )
            }
            (_, 4 | 5) => {
                let content = Content::default();
                let object = path.object().unwrap_or(ObjectId::DEVICE);
                let created = server.create(now, registration, object, None, format, &content);
                (created, None)
            }
            _ => (server.delete(now, registration, path), None),
        };
        // What can't be asked is refused at once.
        if let Ok(operation) = operation {
            self.platform.open.insert(operation, effect);
        }
    }

    fn end_observation(&mut self, choice: u8) {
        let Some(observation) = self.platform.observing.first().copied() else {
            return;
        };
        let server = &mut self.platform.server;
        if choice & 1 == 0 {
            if let Ok(operation) = server.cancel_observation(self.now, observation) {
                self.platform.open.insert(operation, None);
            }
        } else {
            let _ = server.drop_observation(self.now, observation);
        }
    }

    /// One of the oldest datagrams arrives; a copy of it may stay in flight.
    fn arrive_one(&mut self, to_server: bool, choice: u8) {
        let queue = self.queue(to_server);
        let at = usize::from(choice & 0x0f) % queue.len().max(1);
        let Some((since, packet)) = queue.remove(at) else {
            return;
        };
        if choice & 0x80 != 0 {
            queue.push_back((since, packet.clone()));
        }
        self.arrive(to_server, packet);
    }

    /// This many datagrams arrive in each direction, in order.
    fn deliver_all(&mut self, rounds: u8) {
        for _ in 0..rounds {
            let mut arrived = false;
            for to_server in [true, false] {
                if let Some((_, packet)) = self.queue(to_server).pop_front() {
                    arrived = true;
                    self.arrive(to_server, packet);
                    self.drain();
                }
            }
            if !arrived {
                return;
            }
        }
    }

    fn corrupt(&mut self, to_server: bool, at: u8, change: u8) {
        let Some((_, (address, mut payload))) = self.queue(to_server).pop_front() else {
            return;
        };
        self.honest = false;
        let at = usize::from(at) % payload.len().max(1);
        if let Some(byte) = payload.get_mut(at) {
            *byte ^= change;
        }
        self.arrive(to_server, (address, payload));
    }

    /// A datagram arrives: at the server from an address, or at whoever has the address. The
    /// Client has one socket, so that what is late on one connection arrives on the next.
    fn arrive(&mut self, to_server: bool, (address, payload): Packet) {
        if to_server {
            if self.platform.ended.contains(&address) {
                return;
            }
            let mut datagram = Datagram::new(address, &payload);
            datagram.identity = identity(address);
            let _ = self.platform.server.handle_datagram(self.now, datagram);
        } else if let Some(connection) = self.device.connection
            && address == self.device.address
        {
            let datagram = Datagram::new(connection, &payload);
            let _ = self.device.client.handle_datagram(self.now, datagram);
        }
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        // How long a machine remembers depends on this.
        let oldest = self.now - MAX_LATENCY;
        for to_server in [true, false] {
            self.queue(to_server).retain(|(since, _)| *since >= oldest);
        }
        self.device.client.handle_timeout(self.now);
        self.platform.server.handle_timeout(self.now);
    }

    fn drain(&mut self) {
        let now = self.now;
        loop {
            let client = &mut self.device.client;
            while let Some(transmit) = client.poll_transmit() {
                assert!(transmit.payload.len() >= 4);
                if self.device.connection == Some(transmit.to)
                    && self.to_server.len() < MOST_UNDER_WAY
                {
                    let packet = (self.device.address, transmit.payload.to_vec());
                    self.to_server.push_back((now, packet));
                }
            }
            let server = &mut self.platform.server;
            while let Some(transmit) = server.poll_transmit() {
                assert!(transmit.payload.len() >= 4);
                if self.to_client.len() < MOST_UNDER_WAY {
                    let packet = (transmit.to, transmit.payload.to_vec());
                    self.to_client.push_back((now, packet));
                }
            }
            if let Some(event) = self.device.client.poll_event() {
                self.device.follow(now, event, self.honest);
            } else if let Some(event) = self.platform.server.poll_event() {
                // The older of two sessions is closed, unless another client is reached in it.
                if let ServerEvent::PeerLeft { registration, peer } = event {
                    self.close_older(registration, peer);
                }
                self.platform.follow(event);
            } else {
                return;
            }
        }
    }

    fn close_older(&mut self, registration: RegistrationId, left: u8) {
        let server = &mut self.platform.server;
        let Some(now) = server.registration(registration).map(|it| *it.peer()) else {
            return;
        };
        let older = left.min(now);
        if !SESSIONS.contains(&older) {
            return;
        }
        if !server.is_reached_by_others(&older, registration) {
            self.end_session(older);
        } else if older == now {
            server.client_gone(self.now, registration);
        }
    }

    fn check(&self) {
        let (usage, bounds) = (self.platform.server.usage(), self.platform.bounds);
        assert_eq!(usage.registrations, self.platform.alive.len());
        assert_eq!(usage.operations, self.platform.open.len());
        assert!(usage.observations >= self.platform.observing.len());
        let usage = usage.coap;
        assert!(usage.peers <= bounds.peers);
        assert!(usage.records <= bounds.records);
        assert!(usage.answer_bytes <= bounds.answers.bytes);
        assert!(usage.receiving.bytes <= bounds.receiving.bytes);
        assert!(usage.response_bytes <= bounds.responses.bytes);
    }

    /// What is due next, and what follows from it at once, on a network without loss.
    /// False if nothing is due.
    fn go_on(&mut self) -> bool {
        self.deliver_all(u8::MAX);
        let deadlines = [
            self.device.client.poll_timeout(),
            self.platform.server.poll_timeout(),
        ];
        let Some(next) = deadlines.into_iter().flatten().min() else {
            return false;
        };
        self.now = self.now.max(next);
        self.pass(Duration::ZERO);
        for next in [
            self.device.client.poll_timeout(),
            self.platform.server.poll_timeout(),
        ] {
            assert!(next.is_none_or(|next| next > self.now), "no progress");
        }
        self.drain();
        self.check();
        true
    }

    /// The network works: every operation ends.
    fn heal(&mut self) {
        for round in 0.. {
            self.deliver_all(u8::MAX);
            if self.platform.open.is_empty() {
                break;
            }
            assert!(round < 1_000, "operations without outcome");
            assert!(self.go_on(), "operations that nothing will end");
        }
        if self.honest {
            for effect in &self.platform.succeeded {
                let times = self.device.effects.get(effect);
                assert_eq!(times, Some(&1), "{effect} was told to have succeeded");
            }
        }
    }

    /// The Client leaves, and all that is remembered expires.
    fn finish(&mut self) {
        for observation in self.platform.observing.clone() {
            let _ = self.platform.server.drop_observation(self.now, observation);
        }
        self.device.client.deregister(self.now);
        self.drain();
        for round in 0.. {
            assert!(round < 1_000, "no end");
            if !self.go_on() {
                break;
            }
            // A Register that is under way is waited for; the client leaves that registration too.
            if self.device.client.is_registered(ACCOUNT) {
                self.device.client.deregister(self.now);
                self.drain();
            }
        }
        assert!(self.device.client.is_idle(), "the client is busy");
        let usage = self.platform.server.usage();
        assert_eq!((usage.registrations, usage.operations), (0, 0));
        assert_eq!((usage.observations, usage.events), (0, 0));
        assert_eq!(usage.coap, coap::Usage::default());
        assert!(self.platform.alive.is_empty() && self.platform.observing.is_empty());
    }
}

/// Small blocks, and bounds that are reached.
fn configure(config: &mut coap::Config, kind: u8) {
    config.block_size = 16 << (kind % 4 * 2);
    config.transmission.nstart = 1 + u16::from(kind >> 5 & 1);
    if kind & 0x10 != 0 {
        let bounds = &mut config.bounds;
        bounds.peers = 3;
        (bounds.records, bounds.records_per_peer) = (16, 12);
        (bounds.answers.bytes, bounds.answers.bytes_per_peer) = (600, 500);
        (bounds.requests_per_peer, bounds.transmissions_per_peer) = (8, 4);
        bounds.notifications_per_peer = 3;
    }
}

fn client(kind: u8) -> Client {
    let lifetime = if kind & 0x04 == 0 { 86_400 } else { 60 };
    let mut account = typed::Server::new(SERVER, lifetime);
    account.default_minimum_period = Some(0);
    let device = typed::Device {
        timezone: Some("UTC".into()),
        reset_error_code: true,
        ..typed::Device::example()
    };
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://server", SERVER);
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    let mut config = ClientConfig::new("device", [2; 32]);
    configure(&mut config.coap, kind);
    if kind & 0x08 != 0 {
        config.notifications = Reliability::Confirmable;
    }
    let mut client = Client::new(config, tree).expect("a client");
    if kind & 0x40 != 0 {
        client
            .deferred()
            .defer(DeferredOperation::Execute, RESET_ERROR_CODE);
        client
            .deferred()
            .defer(DeferredOperation::Read, BATTERY_LEVEL);
    }
    client
}

impl DeviceSide {
    fn follow(&mut self, now: Instant, event: ClientEvent, honest: bool) {
        match event {
            ClientEvent::Connect { connection, .. } => {
                self.connection = Some(connection);
                self.client.connected(now, connection, Session::New);
            }
            ClientEvent::Disconnect { connection } if self.connection == Some(connection) => {
                self.connection = None;
            }
            ClientEvent::Execute { arguments, .. } => self.take_effect(arguments, honest),
            ClientEvent::ExecuteAsked {
                request, arguments, ..
            } => assert_eq!(self.waiting.insert(request, Some(arguments)), None),
            ClientEvent::ReadAsked { request, .. } => {
                assert_eq!(self.waiting.insert(request, None), None);
            }
            ClientEvent::DeferredEnded { request, .. } => {
                assert!(self.waiting.remove(&request).is_some(), "it did not wait");
            }
            ClientEvent::Written { changes, .. } => {
                for change in changes {
                    if let Change::Set { path, value } = change
                        && path == TIMEZONE
                    {
                        let Value::String(zone) = value else {
                            panic!("another type")
                        };
                        self.take_effect(zone, honest);
                    }
                }
            }
            _ => {}
        }
    }

    fn lose_connection(&mut self, now: Instant) {
        if let Some(connection) = self.connection.take() {
            self.client.disconnected(now, connection);
        }
    }

    /// The application answers the oldest request that waits for it.
    fn answer(&mut self, now: Instant, consent: bool, honest: bool) {
        let Some((request, arguments)) = self.waiting.pop_first() else {
            return;
        };
        let answer = consent.then_some(()).ok_or(Code::METHOD_NOT_ALLOWED);
        let answered = match &arguments {
            Some(_) => self.client.deferred().answer_execute(now, request, answer),
            None => self.client.deferred().answer_read(now, request, answer),
        };
        // Without room for the answer it is executed all the same.
        let executed = match answered {
            Ok(code) => code == Code::CHANGED,
            Err(DeferredError::Overload(_)) => consent,
            Err(error) => panic!("{error}"),
        };
        if let Some(arguments) = arguments.filter(|_| executed) {
            self.take_effect(arguments, honest);
        }
    }

    fn take_effect(&mut self, effect: String, honest: bool) {
        let times = self.effects.entry(effect).or_default();
        *times += 1;
        assert!(*times == 1 || !honest, "took effect twice");
    }
}

impl PlatformSide {
    fn follow(&mut self, event: ServerEvent<u8>) {
        match event {
            ServerEvent::Registered { registration } => {
                assert!(!self.gone.contains(&registration), "a handle is used again");
                assert!(self.alive.insert(registration), "registered twice");
            }
            ServerEvent::Updated { registration, .. } => {
                assert!(self.alive.contains(&registration));
            }
            ServerEvent::Deregistered { registration, .. }
            | ServerEvent::Expired { registration, .. }
            | ServerEvent::Replaced { registration, .. }
            | ServerEvent::Evicted { registration, .. } => self.ends(registration),
            ServerEvent::Answered {
                operation, outcome, ..
            } => {
                let effect = self.open.remove(&operation);
                let effect = effect.expect("a second outcome");
                match outcome {
                    Outcome::Observing { observation, .. } => {
                        assert!(self.observing.insert(observation), "begins twice");
                    }
                    Outcome::Changed => self.succeeded.extend(effect),
                    _ => {}
                }
            }
            ServerEvent::Notification { observation, .. } => {
                assert!(self.observing.contains(&observation), "not observed");
            }
            ServerEvent::ObservationEnded { observation, .. } => {
                assert!(self.observing.remove(&observation), "ends twice");
            }
            _ => {}
        }
    }

    fn ends(&mut self, registration: RegistrationId) {
        assert!(self.alive.remove(&registration), "ended and never began");
        assert!(self.gone.insert(registration), "ended twice");
        let of = |id: RegistrationId| id == registration;
        assert!(
            !self
                .open
                .keys()
                .any(|operation| of(operation.registration()))
        );
        assert!(
            !self
                .observing
                .iter()
                .any(|observation| of(observation.registration()))
        );
    }
}
