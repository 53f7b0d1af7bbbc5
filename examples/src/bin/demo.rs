//! A server manages a device: both in one process, each on a UDP socket of its own.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "a program runs on a computer with an operating system"
)]

use core::{net::SocketAddr, time::Duration};
use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use clap::Parser;
use lwm2m_core::{
    Arguments as ExecuteArguments, ContentFormat, Path, Value, WriteMode, codec::Content,
};
use lwm2m_examples::{
    address::HostPort,
    chart::Chart,
    commands::Commands,
    device::{self, Command, Settings},
    driver::{Clock, Driver, Names},
    exit,
    scribe::Scribe,
    seed,
};
use lwm2m_objects::example;
use lwm2m_statemachine::server::{
    CallError, OperationId, Outcome, RegistrationId, Server, ServerConfig, ServerEvent,
};

/// A LwM2M server and a client in one process, on UDP over loopback.
///
/// Prints their exchange as a sequence chart, and what came of each step.
/// Fails if any step did not happen.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The address of the server; of port 0, one that is free
    #[arg(long, default_value = "127.0.0.1:0", value_name = "HOST:PORT")]
    listen: HostPort,
    /// Writes the traffic to a capture file
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

const ENDPOINT: &str = example::ENDPOINT_NAME;
const LIFETIME: u32 = 60;
/// In which time the battery loses one percent.
const DRAIN: Duration = Duration::from_millis(150);
/// How long to wait before a step fails.
const PATIENCE: Duration = Duration::from_secs(2);

const DEVICE: Path = Path::of(&[3]).unwrap();
const DEVICE_INSTANCE: Path = Path::of(&[3, 0]).unwrap();
const MANUFACTURER: Path = Path::of(&[3, 0, 0]).unwrap();
const REBOOT: Path = Path::of(&[3, 0, 4]).unwrap();
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
const UTC_OFFSET: Path = Path::of(&[3, 0, 14]).unwrap();
const NETWORK: Path = Path::of(&[4, 0]).unwrap();
const SIGNAL_STRENGTH: Path = Path::of(&[4, 0, 2]).unwrap();

fn main() -> ExitCode {
    exit::conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let clock = Clock::start();
    let scribe = Scribe::default();
    if let Some(file) = &arguments.pcap {
        scribe.capture(file)?;
    }
    let server = Server::new(ServerConfig::new(seed::fresh()?));
    let driver = Driver::bind(arguments.listen.resolve()?, clock, server, Names::direct())
        .map_err(exit::about(&arguments.listen))?
        .with_tap(Some(scribe.tap(false)));
    let address = driver.address();
    let heading = Chart::heading("client", "server");
    exit::say(format_args!(
        "The server is at {address}.\n\n{}",
        heading.trim_end()
    ));
    scribe.draw(Chart::new(address), io::stdout());

    let settings = Settings {
        endpoint_name: ENDPOINT.to_owned(),
        server_uri: format!("coap://{address}"),
        lifetime: LIFETIME,
        bind: Some(SocketAddr::new(address.ip(), 0)),
        drain: DRAIN,
    };
    let (commands, receiver) = mpsc::channel();
    let (reporter, reports) = mpsc::channel();
    let tap = Some(scribe.tap(false));
    let device = thread::spawn(move || {
        let commands = Commands::from_thread(receiver);
        // The receiver is gone once the demo has ended.
        device::run(&settings, clock, tap, commands, |line| {
            let _ = reporter.send(line);
        })
    });
    let mut demo = Demo {
        driver,
        scribe,
        commands,
        reports,
        reported: Vec::new(),
        unexpected: VecDeque::new(),
        steps: Vec::new(),
    };
    demo.play();
    // The steps report a device that has failed already.
    let _ = demo.commands.send(Ok(Command::Quit));
    match device.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => demo.steps.push(("Run the device", Err(error.to_string()))),
        Err(_) => demo
            .steps
            .push(("Run the device", Err("it panicked".into()))),
    }
    if let Some(error) = demo.scribe.take_failure() {
        demo.steps
            .push(("Write the traffic down", Err(error.to_string())));
    }
    Ok(summary(&demo.steps))
}

/// The result of a step.
type Step = Result<String, String>;

fn summary(steps: &[(&str, Step)]) -> ExitCode {
    exit::say("\nSummary:");
    for (name, step) in steps {
        match step {
            Ok(text) => exit::say(format_args!("  ✓ {name}: {text}")),
            Err(text) => exit::say(format_args!("  ✗ {name}: {text}")),
        }
    }
    let happened = steps.iter().filter(|(_, step)| step.is_ok()).count();
    exit::say(format_args!(
        "{happened} of {} steps happened.",
        steps.len()
    ));
    if happened == steps.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

struct Demo {
    driver: Driver<Server<SocketAddr>>,
    scribe: Scribe,
    commands: Sender<Result<Command, device::CommandError>>,
    reports: Receiver<String>,
    /// What the device has reported.
    reported: Vec<String>,
    /// Events that came before they were waited for.
    unexpected: VecDeque<ServerEvent<SocketAddr>>,
    steps: Vec<(&'static str, Step)>,
}

impl Demo {
    fn play(&mut self) {
        self.step("Register", Self::register);
        self.step("Discover /3", Self::discover);
        self.step("Read /3/0 as TLV", Self::read_instance);
        self.step("Read /3/0/0 as text", Self::read_text);
        self.step("Read /4/0 as JSON", Self::read_json);
        self.step("Write /3/0/14", Self::write);
        self.step("Observe /3/0/9 and cancel", Self::observe);
        self.step("Execute Reboot", Self::reboot);
        self.step("De-register", Self::deregister);
    }

    fn step(&mut self, name: &'static str, step: impl FnOnce(&mut Self) -> Step) {
        self.scribe.note(&format!("\n{name}"));
        let step = step(self);
        self.steps.push((name, step));
    }

    fn register(&mut self) -> Step {
        let location = self.wait_for_registration()?;
        Ok(format!("{ENDPOINT} is at {location}, for {LIFETIME} s"))
    }

    fn discover(&mut self) -> Step {
        let outcome = self.operate(|server, now, client| server.discover(now, client, DEVICE))?;
        match outcome {
            Outcome::Links(links)
                if [DEVICE_INSTANCE, BATTERY_LEVEL]
                    .iter()
                    .all(|path| links.iter().any(|link| link.path == *path)) =>
            {
                Ok(format!("{} links", links.len()))
            }
            other => Err(format!("{other:?}")),
        }
    }

    fn read_instance(&mut self) -> Step {
        let content = self.read(DEVICE_INSTANCE, ContentFormat::TLV)?;
        let manufacturer = string(&content, MANUFACTURER)?;
        Ok(format!(
            "{} values, made by {manufacturer}",
            content.values().count()
        ))
    }

    fn read_text(&mut self) -> Step {
        let content = self.read(MANUFACTURER, ContentFormat::TEXT)?;
        string(&content, MANUFACTURER)
    }

    fn read_json(&mut self) -> Step {
        let content = self.read(NETWORK, ContentFormat::JSON)?;
        let strength = integer(&content, SIGNAL_STRENGTH)?;
        Ok(format!("the signal strength is {strength}"))
    }

    fn write(&mut self) -> Step {
        let content = Content::from_iter([(UTC_OFFSET, Value::from("+01:00"))]);
        let outcome = self.operate(|server, now, client| {
            let (replace, text) = (WriteMode::Replace, Some(ContentFormat::TEXT));
            server.write(now, client, UTC_OFFSET, replace, text, &content)
        })?;
        match outcome {
            Outcome::Changed => self.wait_for_report("written /3/0/14 = \"+01:00\""),
            other => Err(format!("{other:?}")),
        }
    }

    fn observe(&mut self) -> Step {
        const NOTIFICATIONS: usize = 3;
        let outcome =
            self.operate(|server, now, client| server.observe(now, client, BATTERY_LEVEL, None))?;
        let Outcome::Observing {
            observation,
            content,
        } = outcome
        else {
            return Err(format!("{outcome:?}"));
        };
        let mut levels = vec![integer(
            &content.map_err(|e| e.to_string())?,
            BATTERY_LEVEL,
        )?];
        for _ in 0..NOTIFICATIONS {
            let content = self.wait_for("a notification", |event| match event {
                ServerEvent::Notification {
                    observation: of,
                    content,
                    ..
                } if of == observation => Ok(content),
                other => Err(other),
            })?;
            levels.push(integer(
                &content.map_err(|e| e.to_string())?,
                BATTERY_LEVEL,
            )?);
        }
        if !levels.windows(2).all(|pair| pair.first() > pair.get(1)) {
            return Err(format!("the battery does not drain: {levels:?}"));
        }
        let outcome = self.operate(|server, now, _| server.cancel_observation(now, observation))?;
        let Outcome::Content(_) = outcome else {
            return Err(format!("{outcome:?}"));
        };
        // Long enough for the battery to drain further, which is no longer notified.
        let after = self.wait_at_most(2 * DRAIN, |event| match event {
            ServerEvent::Notification { .. } => Ok(()),
            other => Err(other),
        })?;
        match after {
            Some(()) => Err("a notification after the end".into()),
            None => Ok(format!("{levels:?} %, then silence")),
        }
    }

    fn reboot(&mut self) -> Step {
        let arguments = ExecuteArguments::default();
        let outcome =
            self.operate(|server, now, client| server.execute(now, client, REBOOT, &arguments))?;
        let Outcome::Changed = outcome else {
            return Err(format!("{outcome:?}"));
        };
        self.wait_for_report("executed /3/0/4")?;
        let old = self.wait_for("the end of the old registration", |event| match event {
            ServerEvent::Replaced { registration, .. } => Ok(registration),
            other => Err(other),
        })?;
        if self.driver.machine.registration(old).is_some() {
            return Err("the old registration is still there".into());
        }
        let location = self.wait_for_registration()?;
        Ok(format!("the device has started again and is at {location}"))
    }

    fn deregister(&mut self) -> Step {
        self.commands
            .send(Ok(Command::Deregister))
            .map_err(|_| "the device has ended")?;
        let was = self.wait_for("a De-register", |event| match event {
            ServerEvent::Deregistered { was, .. } => Ok(was),
            other => Err(other),
        })?;
        self.wait_for_report("deregistered")?;
        match self.driver.machine.registrations().count() {
            0 => Ok(format!("{} has left", was.endpoint_name())),
            count => Err(format!("{count} registrations are left")),
        }
    }

    // What the steps are made of.

    /// Waits until server and device both know of a registration; returns its location.
    fn wait_for_registration(&mut self) -> Step {
        let registration = self.wait_for("a registration", |event| match event {
            ServerEvent::Registered { registration } => Ok(registration),
            other => Err(other),
        })?;
        let known = self.driver.machine.registration(registration);
        let known = known.ok_or("the registration is gone")?;
        if known.endpoint_name() != ENDPOINT || known.lifetime().as_secs() != LIFETIME {
            return Err("not what the device said".into());
        }
        let location = known.location().to_string();
        self.wait_for_report(&format!("registered {location}"))?;
        Ok(location)
    }

    fn client(&self) -> Result<RegistrationId, String> {
        let found = self.driver.machine.find(ENDPOINT);
        found.ok_or_else(|| "the client is not registered".into())
    }

    fn read(&mut self, path: Path, format: ContentFormat) -> Result<Content, String> {
        let outcome =
            self.operate(|server, now, client| server.read(now, client, path, Some(format)))?;
        match outcome {
            Outcome::Content(content) => Ok(content),
            other => Err(format!("{other:?}")),
        }
    }

    /// Starts an operation and waits for its outcome.
    fn operate(
        &mut self,
        call: impl FnOnce(
            &mut Server<SocketAddr>,
            lwm2m_core::Instant,
            RegistrationId,
        ) -> Result<OperationId, CallError>,
    ) -> Result<Outcome, String> {
        let client = self.client()?;
        let now = self.driver.now();
        let operation =
            call(&mut self.driver.machine, now, client).map_err(|error| error.to_string())?;
        self.wait_for("an answer", |event| match event {
            ServerEvent::Answered {
                operation: of,
                outcome,
                ..
            } if of == operation => Ok(outcome),
            other => Err(other),
        })
    }

    fn wait_for<T>(
        &mut self,
        what: &str,
        wanted: impl FnMut(ServerEvent<SocketAddr>) -> Result<T, ServerEvent<SocketAddr>>,
    ) -> Result<T, String> {
        let found = self.wait_at_most(PATIENCE, wanted)?;
        found.ok_or_else(|| format!("{what} did not come"))
    }

    /// Drives the server until it has an event that is wanted. Others are kept.
    fn wait_at_most<T>(
        &mut self,
        patience: Duration,
        mut wanted: impl FnMut(ServerEvent<SocketAddr>) -> Result<T, ServerEvent<SocketAddr>>,
    ) -> Result<Option<T>, String> {
        for _ in 0..self.unexpected.len() {
            if let Some(event) = self.unexpected.pop_front() {
                match wanted(event) {
                    Ok(found) => return Ok(Some(found)),
                    Err(event) => self.unexpected.push_back(event),
                }
            }
        }
        let end = self.driver.now() + patience;
        loop {
            let next = self
                .driver
                .next_event()
                .map_err(|error| error.to_string())?;
            if let Some(event) = next {
                match wanted(event) {
                    Ok(found) => return Ok(Some(found)),
                    Err(event) => self.unexpected.push_back(event),
                }
                continue;
            }
            let left = end.saturating_duration_since(self.driver.now());
            if left.is_zero() {
                return Ok(None);
            }
            self.driver.wait(left).map_err(|error| error.to_string())?;
        }
    }

    /// Drives the server until the device has reported this line.
    fn wait_for_report(&mut self, line: &str) -> Step {
        let end = self.driver.now() + PATIENCE;
        loop {
            self.reported.extend(self.reports.try_iter());
            if let Some(at) = self.reported.iter().position(|reported| reported == line) {
                return Ok(self.reported.swap_remove(at));
            }
            if self.driver.now() >= end {
                return Err(format!("the device did not report {line:?}"));
            }
            let short = Duration::from_millis(5);
            self.wait_at_most(short, Err::<(), _>)?;
        }
    }
}

fn string(content: &Content, path: Path) -> Result<String, String> {
    match content.get(&path) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(format!("{path} is {other:?}")),
    }
}

fn integer(content: &Content, path: Path) -> Result<i64, String> {
    match content.get(&path) {
        Some(Value::Integer(number)) => Ok(*number),
        other => Err(format!("{path} is {other:?}")),
    }
}
