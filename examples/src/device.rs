//! A device: the client machine on a socket, with the Objects of TS Appendix F and a battery that
//! drains.

use core::{fmt, net::SocketAddr, str::FromStr, time::Duration};
use std::io;

use lwm2m_core::{
    InstanceId, Instant, Path, PathError, ShortServerId, Value, codec::TypeLookup as _, text,
};
use lwm2m_objects::{
    Change, Device, Registry, Security, Server, Store, Typed as _, access, example,
};
use lwm2m_statemachine::{Client, ClientConfig, ClientEvent};

use crate::{
    commands::Commands,
    driver::{Clock, Driver, Names, Tap},
    exit, seed,
    uri::{local_address, resolve, resolve_to},
};

/// The Short Server ID of the one server of the device.
const SERVER: ShortServerId = example::SERVER_1;
const REBOOT: Path = Path::of(&[3, 0, 4]).unwrap();
const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();

/// What a device is like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Endpoint Client Name.
    pub endpoint_name: String,
    /// Where the server is: `coap://HOST[:PORT]`.
    pub server_uri: String,
    /// The lifetime of the registration, in seconds.
    pub lifetime: u32,
    /// The Default Minimum Period of notifications, in seconds.
    pub default_minimum_period: Option<u32>,
    /// The address of the socket; if none, any that reaches the server.
    pub bind: Option<SocketAddr>,
    /// In which time the battery loses one percent.
    pub drain: Duration,
}

/// What a device can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set a value of a Resource, given as text (TS Appendix C).
    Set(Path, String),
    /// Send an Update.
    Update,
    /// De-register.
    Deregister,
    /// End, without a word to the server.
    Quit,
}

/// Text that is no [`Command`].
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
            (Some("quit"), None, _) => Ok(Self::Quit),
            _ => Err(CommandError::Unknown(line.to_owned())),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(line) => {
                write!(
                    f,
                    "expected set PATH VALUE, update, deregister or quit, not {line:?}"
                )
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
    let bind = match settings.bind {
        Some(address) => address,
        None => local_address(resolve(&settings.server_uri)?)
            .map_err(exit::about(&settings.server_uri))?,
    };
    let client = boot(settings, Device::example())?;
    let driver = Driver::bind(bind, clock, client, Names::table())
        .map_err(exit::about(bind))?
        .with_tap(tap);
    report(format!("listening {}", driver.address()));
    let next_drain = driver.now() + settings.drain;
    let mut program = Program {
        settings,
        driver,
        next_drain,
    };
    program.start();
    loop {
        while let Some(event) = program.driver.next_event()? {
            program.on_event(event, &mut report)?;
        }
        while let Some(command) = commands.poll() {
            match command {
                Ok(Command::Quit) => return program.driver.wait(Duration::ZERO),
                Ok(command) => {
                    if let Err(error) = program.obey(&command) {
                        report(format!("error {error}"));
                    }
                }
                Err(error) => report(format!("error {error}")),
            }
        }
        program.drain_battery();
        let until_drain = program
            .next_drain
            .saturating_duration_since(program.driver.now());
        program.driver.wait(until_drain.min(commands.patience()))?;
    }
}

struct Program<'s> {
    settings: &'s Settings,
    driver: Driver<Client>,
    next_drain: Instant,
}

impl Program<'_> {
    fn start(&mut self) {
        let now = self.driver.now();
        self.driver.machine.start(now);
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
                        self.driver.machine.connected(now, connection);
                    }
                    Err(error) => {
                        report(format!("error {uri}: {error}"));
                        self.driver.machine.disconnected(now, connection);
                    }
                }
            }
            ClientEvent::Disconnect { connection } => self.driver.names.remove(&connection),
            ClientEvent::Registered { location, .. } => report(format!("registered {location}")),
            ClientEvent::RegistrationFailed { reason, .. } => {
                report(format!("failed register {reason}"));
            }
            ClientEvent::DeregisterFailed { reason, .. } => {
                report(format!("failed deregister {reason}"));
            }
            ClientEvent::Updated { .. } => report("updated".to_owned()),
            ClientEvent::Deregistered { .. } => report("deregistered".to_owned()),
            ClientEvent::Written { changes, .. } => {
                for change in changes {
                    report(match change {
                        Change::Set { path, value } => {
                            format!("written {path} = {}", value.as_ref())
                        }
                        other => format!("written {}", other.path()),
                    });
                }
            }
            ClientEvent::Execute {
                path, arguments, ..
            } => {
                report(format!("executed {path} {arguments}").trim_end().to_owned());
                if path == REBOOT {
                    self.reboot()?;
                    report("rebooted".to_owned());
                }
            }
            ClientEvent::Observed { path, .. } => report(format!("observed {path}")),
            ClientEvent::ObservationEnded { path, .. } => report(format!("unobserved {path}")),
            _ => {}
        }
        Ok(())
    }

    /// Everything that the machine knows is gone but what a device keeps: its values.
    fn reboot(&mut self) -> io::Result<()> {
        let device = Device::load(self.driver.machine.tree(), InstanceId::ZERO);
        let client = boot(self.settings, device.unwrap_or_else(Device::example))?;
        self.driver.replace(client, Names::table())?;
        self.start();
        Ok(())
    }

    fn obey(&mut self, command: &Command) -> Result<(), Box<dyn core::error::Error>> {
        let now = self.driver.now();
        match command {
            Command::Set(path, value) => {
                let known = match path {
                    Path::Resource(object, _, resource)
                    | Path::ResourceInstance(object, _, resource, _) => {
                        Registry::default().data_type(*object, *resource)
                    }
                    _ => None,
                };
                let data_type = known.ok_or("expected the path of a Resource that has values")?;
                let value = text::decode(data_type, value.as_bytes())?.into_value();
                self.driver.machine.set(now, *path, value)?;
            }
            Command::Update => self.driver.machine.update(now, SERVER),
            Command::Deregister => self.driver.machine.deregister(now),
            Command::Quit => {}
        }
        Ok(())
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

/// The machine of a device that starts: the example client of TS Appendix F, with one account only,
/// of the server that the settings name.
fn boot(settings: &Settings, device: Device) -> io::Result<Client> {
    let mut tree = example::client();
    let leaving = access::unbootstrapped(&tree, example::SERVER_2);
    tree.commit(&leaving).map_err(invalid)?;
    let security = Security::no_sec(settings.server_uri.as_str(), SERVER);
    let server = Server {
        default_minimum_period: settings.default_minimum_period,
        ..Server::new(SERVER, settings.lifetime)
    };
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, server)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    let config = ClientConfig::new(settings.endpoint_name.as_str(), seed::fresh()?);
    Client::new(config, tree).map_err(invalid)
}

fn invalid(error: impl core::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
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
}
