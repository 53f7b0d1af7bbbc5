//! A device: the client machine on a socket, with the Objects of TS Appendix F, an Object with a
//! Resource of each data type, a battery that drains, and a pretended firmware update.

mod firmware;
mod objects;

use core::{fmt, net::SocketAddr, str::FromStr, time::Duration};
use std::io;

use lwm2m_core::{InstanceId, Instant, ObjectId, Path, PathError, Value, codec::TypeLookup as _};
use lwm2m_objects::{Change, ObjectTree, firmware::FirmwareUpdateObject};
use lwm2m_statemachine::{AccountId, Client, ClientConfig, ClientEvent, Session};

use self::{
    firmware::{Played, Step},
    objects::invalid,
};
use crate::{
    commands::Commands,
    driver::{Clock, Driver, Names, Tap},
    exit, seed,
    uri::{self, local_address, resolve, resolve_to},
    value,
};

/// The only account.
const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
const REBOOT: Path = Path::of(&[3, 0, 4]).unwrap();
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();

/// The settings of a device.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Endpoint Client Name.
    pub endpoint_name: String,
    /// Where the server is: `coap://HOST[:PORT]`.
    pub server_uri: String,
    /// The lifetime of the registration, in seconds.
    pub lifetime: u32,
    /// The address of the socket; `None` chooses one that reaches the server.
    pub bind: Option<SocketAddr>,
    /// The time in which the battery loses one percent.
    pub drain: Duration,
}

/// How the commands are written.
pub const USAGE: &[&str] = &["set PATH VALUE", "update", "deregister", "help", "quit"];

/// A command to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set a value of a Resource, given as text (TS Appendix C).
    Set(Path, String),
    /// Send an Update.
    Update,
    /// De-register.
    Deregister,
    /// List the commands.
    Help,
    /// Quit without a De-register.
    Quit,
}

/// Text that isn't a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// Not one of the commands.
    Unknown(String),
    /// No path.
    Path(PathError),
}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("set"), Some(path), value) => {
                let path = path.parse().map_err(CommandError::Path)?;
                Ok(Self::Set(path, value.unwrap_or_default().to_owned()))
            }
            (Some("update"), None, _) => Ok(Self::Update),
            (Some("deregister"), None, _) => Ok(Self::Deregister),
            (Some("help"), None, _) => Ok(Self::Help),
            (Some("quit"), None, _) => Ok(Self::Quit),
            _ => Err(CommandError::Unknown(line.to_owned())),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(line) => {
                write!(f, "expected {}, not {line:?}", USAGE.join(", "))
            }
            Self::Path(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CommandError {}

/// Runs a device until it is told to quit. What happens is reported line by line.
pub fn run(
    settings: &Settings,
    clock: Clock,
    tap: Option<Tap>,
    mut commands: Commands<Result<Command, CommandError>>,
    mut report: impl FnMut(String),
) -> io::Result<()> {
    uri::server(&settings.server_uri)
        .map_err(io::Error::other)
        .map_err(exit::about(&settings.server_uri))?;
    let bind = match settings.bind {
        Some(address) => address,
        None => local_address(resolve(&settings.server_uri)?)
            .map_err(exit::about(&settings.server_uri))?,
    };
    let (tree, firmware) = objects::new(settings)?;
    let client = boot(settings, tree)?;
    let driver = Driver::bind(bind, clock, client, Names::table())
        .map_err(exit::about(bind))?
        .with_tap(tap);
    report(format!("listening {}", driver.address()));
    let next_drain = driver.now() + settings.drain;
    let mut program = Program {
        settings,
        driver,
        firmware,
        standing: Standing::Trying,
        next_drain,
    };
    program.start();
    loop {
        program.follow_events(&mut report)?;
        program.play_firmware(&mut report)?;
        while let Some(command) = commands.poll() {
            match command {
                Ok(Command::Help) => USAGE.iter().for_each(|line| report(format!("  {line}"))),
                Ok(Command::Quit) => return program.driver.wait(Duration::ZERO),
                Ok(command) => match program.obey(&command) {
                    Ok(done) => done.into_iter().for_each(|line| report(line.to_owned())),
                    Err(error) => report(format!("error {error}")),
                },
                Err(error) => report(format!("error {error}")),
            }
            // Its events come before the next command.
            program.follow_events(&mut report)?;
        }
        program.drain_battery();
        program
            .driver
            .wait(program.idle().min(commands.patience()))?;
    }
}

struct Program<'s> {
    settings: &'s Settings,
    driver: Driver<Client>,
    firmware: Played,
    standing: Standing,
    next_drain: Instant,
}

/// The state of the registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It tries to register.
    Trying,
    /// It is registered; what fails is an Update.
    Registered,
    /// It has left, and registers again only when told to.
    Left,
}

impl Program<'_> {
    fn start(&mut self) {
        let now = self.driver.now();
        self.driver.machine.start(now);
    }

    fn follow_events(&mut self, report: &mut impl FnMut(String)) -> io::Result<()> {
        while let Some(event) = self.driver.next_event()? {
            self.on_event(event, report)?;
        }
        Ok(())
    }

    fn on_event(&mut self, event: ClientEvent, report: &mut impl FnMut(String)) -> io::Result<()> {
        match event {
            ClientEvent::Connect {
                connection, uri, ..
            } => {
                report(format!("connecting {uri}"));
                // Without security a connection is no more than an address.
                let local = self.driver.address();
                let found = resolve_to(&uri, |address| address.is_ipv4() == local.is_ipv4());
                let now = self.driver.now();
                match found {
                    Ok(address) => {
                        self.driver.names.insert(connection, address);
                        self.driver.machine.connected(now, connection, Session::New);
                    }
                    Err(error) => {
                        report(format!("error {uri}: {error}"));
                        self.driver.machine.disconnected(now, connection);
                    }
                }
            }
            ClientEvent::Disconnect { connection } => {
                self.driver.names.remove(&connection);
                self.standing = Standing::Left;
            }
            ClientEvent::Registered { location, .. } => {
                self.standing = Standing::Registered;
                report(format!("registered {location}"));
            }
            ClientEvent::RegistrationFailed { reason, retry, .. } => {
                let what = match self.standing {
                    Standing::Registered => "update",
                    _ => "register",
                };
                let next = retry.map_or(String::new(), |at| {
                    let wait = at.saturating_duration_since(self.driver.now());
                    format!("; registers again in {} s", wait.as_millis().div_ceil(1000))
                });
                self.standing = retry.map_or(Standing::Left, |_| Standing::Trying);
                report(format!("failed {what} {reason}{next}"));
            }
            ClientEvent::DeregisterFailed { reason, .. } => {
                self.standing = Standing::Left;
                report(format!("failed deregister {reason}"));
            }
            ClientEvent::Updated { .. } => report("updated".to_owned()),
            ClientEvent::Deregistered { .. } => {
                self.standing = Standing::Left;
                report("deregistered".to_owned());
            }
            ClientEvent::Written { changes, .. } => told(&changes).for_each(report),
            ClientEvent::Execute {
                path, arguments, ..
            } => {
                report(format!("executed {path} {arguments}").trim_end().to_owned());
                if path == REBOOT {
                    self.restart(report)?;
                }
            }
            ClientEvent::Observed { path, .. } => report(format!("observed {path}")),
            ClientEvent::ObservationEnded { path, .. } => report(format!("unobserved {path}")),
            _ => {}
        }
        Ok(())
    }

    /// Reboots: only what a device stores is kept, the values of its tree.
    fn restart(&mut self, report: &mut impl FnMut(String)) -> io::Result<()> {
        let saved = self.driver.machine.tree().snapshot();
        let (tree, firmware) = objects::restarted(self.settings, &saved)?;
        let client = boot(self.settings, tree)?;
        self.driver.replace(client, Names::table())?;
        self.firmware = firmware;
        self.standing = Standing::Trying;
        self.start();
        report("rebooted".to_owned());
        Ok(())
    }

    fn play_firmware(&mut self, report: &mut impl FnMut(String)) -> io::Result<()> {
        while let Some(step) = self.firmware.step(self.driver.now()) {
            match step {
                Step::Tell(line) => report(line),
                Step::Downloaded => {
                    let now = self.driver.now();
                    let (client, id) = (&mut self.driver.machine, ObjectId::FIRMWARE_UPDATE);
                    let done = client.object(now, id, FirmwareUpdateObject::downloaded);
                    if done == Some(Ok(())) {
                        report("firmware downloaded".to_owned());
                    }
                }
                Step::Restart => self.restart(report)?,
            }
        }
        Ok(())
    }

    /// How long to wait for datagrams.
    fn idle(&self) -> Duration {
        let next = self
            .firmware
            .due()
            .map_or(self.next_drain, |due| due.min(self.next_drain));
        next.saturating_duration_since(self.driver.now())
    }

    /// Carries out a command; returns a line to print that no event brings.
    fn obey(
        &mut self,
        command: &Command,
    ) -> Result<Option<&'static str>, Box<dyn core::error::Error>> {
        let now = self.driver.now();
        match command {
            Command::Set(path, value) => {
                let known = match path {
                    Path::Resource(object, _, resource)
                    | Path::ResourceInstance(object, _, resource, _) => {
                        self.driver.machine.tree().data_type(*object, *resource)
                    }
                    _ => None,
                };
                let data_type = known.ok_or("expected the path of a Resource that has values")?;
                let value = value::read(data_type, value)?;
                self.driver.machine.set(now, *path, value)?;
            }
            Command::Update if self.standing == Standing::Registered => {
                self.driver.machine.update(now, ACCOUNT);
            }
            Command::Deregister if self.standing == Standing::Registered => {
                self.driver.machine.deregister(now);
            }
            // If the Register is under way and is accepted, the De-register follows.
            Command::Deregister if self.standing == Standing::Trying => {
                self.driver.machine.deregister(now);
                return Ok(Some("stops registering"));
            }
            Command::Update | Command::Deregister => {
                return Err("the device is not registered".into());
            }
            // These Resources belong to the device, not to the machine.
            Command::Help | Command::Quit => {}
        }
        Ok(None)
    }

    fn drain_battery(&mut self) {
        let now = self.driver.now();
        if self.next_drain > now {
            return;
        }
        self.next_drain = now + self.settings.drain;
        if let Some(Value::Integer(level @ 1..)) = self.driver.machine.tree().get(BATTERY_LEVEL) {
            // It was there, and is as much an integer as it was.
            let _ = self.driver.machine.set(now, BATTERY_LEVEL, level - 1);
        }
    }
}

/// The machine of a device that starts.
fn boot(settings: &Settings, tree: ObjectTree) -> io::Result<Client> {
    let config = ClientConfig::new(settings.endpoint_name.as_str(), seed::fresh()?);
    Client::new(config, tree).map_err(invalid)
}

/// What a server has written, line by line. A Resource that is cleared and then filled has one
/// line.
fn told(changes: &[Change]) -> impl Iterator<Item = String> {
    let filled = |path: &Path| {
        let mut others = changes.iter();
        others.any(|other| matches!(other, Change::Set { path: set, .. } if path.contains(set)))
    };
    changes.iter().filter_map(move |change| match change {
        Change::Set { path, value } => Some(format!("written {path} = {}", value.as_ref())),
        Change::Clear { path } if filled(path) => None,
        Change::Clear { path } => Some(format!("emptied {path}")),
        Change::Remove { path } => Some(format!("removed {path}")),
        Change::Create { path } => Some(format!("created {path}")),
        Change::Delete { path } => Some(format!("deleted {path}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let battery = BATTERY_LEVEL;
        assert_eq!(
            "set /3/0/9 42".parse(),
            Ok(Command::Set(battery, "42".into()))
        );
        assert_eq!(
            "set /3/0/9 a b".parse(),
            Ok(Command::Set(battery, "a b".into()))
        );
        assert_eq!("deregister".parse(), Ok(Command::Deregister));
        for line in ["set", "set 3/0/9 42", "update now", "dance"] {
            assert!(line.parse::<Command>().is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_written_and_what_goes_are_told_apart() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        let set = |at: &str, value: i64| Change::Set {
            path: path(at),
            value: value.into(),
        };
        let (emptied, removed) = (path("/3/0/6"), path("/1/0/2"));
        for (changes, lines) in [
            (vec![set("/1/0/1", 60)], vec!["written /1/0/1 = 60"]),
            (
                vec![Change::Remove { path: removed }],
                vec!["removed /1/0/2"],
            ),
            (
                vec![Change::Clear { path: emptied }],
                vec!["emptied /3/0/6"],
            ),
            (
                vec![Change::Clear { path: emptied }, set("/3/0/6/1", 5)],
                vec!["written /3/0/6/1 = 5"],
            ),
        ] {
            assert_eq!(told(&changes).collect::<Vec<_>>(), lines);
        }
    }
}
