//! Two servers, and a device in another thread.

use core::{net::SocketAddr, time::Duration};
use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{Receiver, Sender},
};

use crate::bootstrap::Bootstrapper;
use lwm2m_core::{Code, ContentFormat, Instant, Path, ShortServerId, Value, codec::Content};
use lwm2m_examples::{
    device::{self, Command, CommandError},
    driver::{Clock, Driver, Names},
    scribe::Scribe,
    seed,
};
use lwm2m_objects::example;
use lwm2m_statemachine::server::{
    CallError, OperationId, Outcome, RegistrationId, Server, ServerConfig, ServerEvent,
};

/// The Short Server IDs of the servers.
pub(crate) const SERVERS: [ShortServerId; 2] = [example::SERVER_1, example::SERVER_2];
pub(crate) const ENDPOINT: &str = example::ENDPOINT_NAME;
pub(crate) const LIFETIME: u32 = 60;
/// The thermostat that belongs to server 102.
pub(crate) const ROOM_OF_102: Path = Path::of(&[26241, 1]).unwrap();
/// How long to wait before a step fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to look at one server before the other.
const TURN: Duration = Duration::from_millis(2);

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DemoServer {
    /// 101.
    First,
    /// 102.
    Second,
}

impl DemoServer {
    pub(crate) const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// Its Short Server ID.
    pub(crate) const fn id(self) -> ShortServerId {
        match self {
            Self::First => SERVERS[0],
            Self::Second => SERVERS[1],
        }
    }
}

/// Where the steps are played.
pub(crate) struct Stage {
    first: Seat,
    second: Seat,
    bootstrapper: Bootstrapper,
    scribe: Scribe,
    commands: Sender<Result<Command, CommandError>>,
    reports: Receiver<String>,
    /// What the device has reported.
    reported: Vec<String>,
}

/// A server on its socket.
struct Seat {
    driver: Driver<Server<SocketAddr>>,
    /// Events that came before they were waited for.
    unexpected: VecDeque<ServerEvent<SocketAddr>>,
}

type Event = ServerEvent<SocketAddr>;

impl Stage {
    pub(crate) fn new(
        addresses: [SocketAddr; 3],
        clock: Clock,
        scribe: Scribe,
        commands: Sender<Result<Command, CommandError>>,
        reports: Receiver<String>,
    ) -> io::Result<Self> {
        let seat = |address| -> io::Result<Seat> {
            let mut config = ServerConfig::new(seed::fresh()?);
            for definition in device::definitions()? {
                config.registry.add(definition).map_err(io::Error::other)?;
            }
            let server = Server::new(config);
            let driver = Driver::bind(address, clock, server, Names::direct())?;
            Ok(Seat {
                driver: driver.with_tap(Some(scribe.tap(false))),
                unexpected: VecDeque::new(),
            })
        };
        let [first, second] = [seat(addresses[0])?, seat(addresses[1])?];
        let servers = [
            (SERVERS[0], first.driver.address()),
            (SERVERS[1], second.driver.address()),
        ];
        Ok(Self {
            first,
            second,
            bootstrapper: Bootstrapper::new(addresses[2], clock, &scribe, servers)?,
            scribe,
            commands,
            reports,
            reported: Vec::new(),
        })
    }

    /// The servers and their addresses.
    pub(crate) fn servers(&self) -> [(ShortServerId, SocketAddr); 2] {
        [
            (SERVERS[0], self.first.driver.address()),
            (SERVERS[1], self.second.driver.address()),
        ]
    }

    /// The bootstrap-server and its address.
    pub(crate) const fn bootstrapper(&self) -> SocketAddr {
        self.bootstrapper.address()
    }

    /// Waits until the device is bootstrapped.
    pub(crate) fn wait_for_bootstrap(&mut self) -> Result<String, String> {
        let end = self.first.driver.now() + PATIENCE;
        let told = loop {
            if let Some(ended) = self.bootstrapper.take_end() {
                break ended?;
            }
            if self.first.driver.now() >= end {
                return Err("the device was not bootstrapped".into());
            }
            self.turn().map_err(|error| error.to_string())?;
        };
        self.wait_for_report("bootstrapped bootstrap")?;
        Ok(told)
    }

    /// Writes a line into the chart.
    pub(crate) fn note(&self, line: &str) {
        self.scribe.note(line);
    }

    /// Gives the device a command.
    pub(crate) fn command(&self, command: Command) -> Result<(), String> {
        let sent = self.commands.send(Ok(command));
        sent.map_err(|_| "the device has ended".to_owned())
    }

    const fn seat(&mut self, who: DemoServer) -> &mut Seat {
        match who {
            DemoServer::First => &mut self.first,
            DemoServer::Second => &mut self.second,
        }
    }

    /// The machine of a server.
    pub(crate) fn server(&mut self, who: DemoServer) -> &mut Server<SocketAddr> {
        &mut self.seat(who).driver.machine
    }

    /// Reads, in this format.
    pub(crate) fn read(
        &mut self,
        who: DemoServer,
        path: Path,
        format: ContentFormat,
    ) -> Result<Content, String> {
        let outcome = self.operate(who, |server, now, client| {
            server.read(now, client, path, Some(format))
        })?;
        match outcome {
            Outcome::Content(content) => Ok(content),
            other => Err(format!("{other:?}")),
        }
    }

    /// An operation that has to be refused for lack of a right.
    pub(crate) fn refused(
        &mut self,
        who: DemoServer,
        call: impl FnOnce(
            &mut Server<SocketAddr>,
            Instant,
            RegistrationId,
        ) -> Result<OperationId, CallError>,
    ) -> Result<String, String> {
        match self.operate(who, call)? {
            Outcome::Refused { code } if code == Code::UNAUTHORIZED => {
                Ok(format!("{} is told {code:?}", who.id()))
            }
            other => Err(format!("not refused, but {other:?}")),
        }
    }

    /// Starts an operation and waits for its outcome.
    pub(crate) fn operate(
        &mut self,
        who: DemoServer,
        call: impl FnOnce(
            &mut Server<SocketAddr>,
            Instant,
            RegistrationId,
        ) -> Result<OperationId, CallError>,
    ) -> Result<Outcome, String> {
        let driver = &mut self.seat(who).driver;
        let client = driver.machine.find(ENDPOINT);
        let client = client.ok_or("the client is not registered")?;
        let now = driver.now();
        let operation =
            call(&mut driver.machine, now, client).map_err(|error| error.to_string())?;
        self.wait_for(who, "an answer", |event| match event {
            ServerEvent::Answered {
                operation: of,
                outcome,
                ..
            } if of == operation => Ok(outcome),
            other => Err(other),
        })
    }

    /// Waits until a server and the device both know of a registration; returns its location.
    pub(crate) fn wait_for_registration(&mut self, who: DemoServer) -> Result<String, String> {
        let registration = self.wait_for(who, "a registration", |event| match event {
            ServerEvent::Registered { registration } => Ok(registration),
            other => Err(other),
        })?;
        let known = self.server(who).registration(registration);
        let known = known.ok_or("the registration is gone")?;
        if known.endpoint_name() != ENDPOINT || known.lifetime().as_secs() != LIFETIME {
            return Err("not what the device said".into());
        }
        let location = known.location().to_string();
        self.wait_for_report(&format!("registered {} {location}", who.id()))?;
        Ok(location)
    }

    /// Waits for an event of a server. Those that come before it are kept.
    pub(crate) fn wait_for<T>(
        &mut self,
        who: DemoServer,
        what: &str,
        wanted: impl FnMut(Event) -> Result<T, Event>,
    ) -> Result<T, String> {
        let found = self.wait_at_most(PATIENCE, who, wanted)?;
        found.ok_or_else(|| format!("{what} for {} did not come", who.id()))
    }

    /// Drives both servers until one of them has an event that is wanted, or the time is over.
    pub(crate) fn wait_at_most<T>(
        &mut self,
        patience: Duration,
        who: DemoServer,
        mut wanted: impl FnMut(Event) -> Result<T, Event>,
    ) -> Result<Option<T>, String> {
        let end = self.first.driver.now() + patience;
        loop {
            if let Some(found) = self.seat(who).find(&mut wanted) {
                return Ok(Some(found));
            }
            if self.first.driver.now() >= end {
                return Ok(None);
            }
            self.turn().map_err(|error| error.to_string())?;
        }
    }

    /// Takes the notifications that have arrived and were not waited for; returns how many.
    pub(crate) fn take_notifications(&mut self) -> usize {
        let mut taken = 0;
        for seat in [&mut self.first, &mut self.second] {
            let before = seat.unexpected.len();
            let notification = |event: &Event| matches!(event, ServerEvent::Notification { .. });
            seat.unexpected.retain(|event| !notification(event));
            taken += before - seat.unexpected.len();
        }
        taken
    }

    /// Drives all servers for a moment.
    fn turn(&mut self) -> io::Result<()> {
        self.bootstrapper.turn(Duration::ZERO)?;
        for seat in [&mut self.first, &mut self.second] {
            seat.driver.wait(TURN)?;
            while let Some(event) = seat.driver.next_event()? {
                seat.unexpected.push_back(event);
            }
        }
        Ok(())
    }

    /// Drives the servers until the device has reported this line.
    pub(crate) fn wait_for_report(&mut self, line: &str) -> Result<String, String> {
        let end = self.first.driver.now() + PATIENCE;
        loop {
            self.reported.extend(self.reports.try_iter());
            if let Some(at) = self.reported.iter().position(|reported| reported == line) {
                return Ok(self.reported.remove(at));
            }
            if self.first.driver.now() >= end {
                return Err(format!("the device did not report {line:?}"));
            }
            self.turn().map_err(|error| error.to_string())?;
        }
    }
}

impl Seat {
    /// Takes the first event that is wanted.
    fn find<T>(&mut self, wanted: &mut impl FnMut(Event) -> Result<T, Event>) -> Option<T> {
        for _ in 0..self.unexpected.len() {
            match wanted(self.unexpected.pop_front()?) {
                Ok(found) => return Some(found),
                Err(event) => self.unexpected.push_back(event),
            }
        }
        None
    }
}

pub(crate) fn string(content: &Content, path: Path) -> Result<String, String> {
    match content.get(&path) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(format!("{path} is {other:?}")),
    }
}

pub(crate) fn integer(content: &Content, path: Path) -> Result<i64, String> {
    match content.get(&path) {
        Some(Value::Integer(number)) => Ok(*number),
        other => Err(format!("{path} is {other:?}")),
    }
}
