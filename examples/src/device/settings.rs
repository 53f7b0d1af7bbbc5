//! The settings of a device.

use core::{net::SocketAddr, str::FromStr, time::Duration};
use std::path::PathBuf;

use lwm2m_core::{AccessRights, BindingMode, Msisdn, Path, ShortServerId};

use crate::{keys::ClientKeys, secure::library::LibraryName, uri};

/// The settings of a device.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Endpoint Client Name.
    pub endpoint_name: String,
    /// Where the Objects are (TS 8.2.2): `/`, or an alternate path.
    pub alternate_path: String,
    /// The number that is told to servers whose binding has SMS.
    pub sms_number: Option<Msisdn>,
    /// Its servers. Each has a Short Server ID of its own.
    pub servers: Vec<ServerAt>,
    /// The URI of its Bootstrap-Server, if it has one. Without a server either, it can't do anything.
    pub bootstrap: Option<String>,
    /// The keys for servers with `coaps`.
    pub keys: ClientKeys,
    /// Whether certificates of servers are refused outside of their dates, by the clock of this computer.
    pub refuse_expired: bool,
    /// The DTLS library; `None` leaves the choice.
    pub library: Option<LibraryName>,
    /// What every account has.
    pub account: AccountSettings,
    /// Who owns Object Instances, other than by default.
    pub owners: Vec<Owner>,
    /// Rights beside those by default.
    pub rights: Vec<Right>,
    /// Whether notifications are confirmable.
    pub confirmable: bool,
    /// The address of the socket; `None` chooses one that reaches the servers.
    pub bind: Option<SocketAddr>,
    /// How it sleeps.
    pub sleep: SleepSettings,
    /// The file for what it keeps while it is off, if it keeps anything.
    pub state: Option<PathBuf>,
    /// How fast its simulated world is.
    pub pace: Pace,
}

impl Settings {
    /// A device with these servers, and with default values.
    pub fn new(endpoint_name: impl Into<String>, servers: Vec<ServerAt>) -> Self {
        Self {
            endpoint_name: endpoint_name.into(),
            alternate_path: "/".to_owned(),
            sms_number: None,
            servers,
            bootstrap: None,
            keys: ClientKeys::None,
            refuse_expired: false,
            library: None,
            account: AccountSettings::default(),
            owners: Vec::new(),
            rights: Vec::new(),
            confirmable: false,
            bind: None,
            sleep: SleepSettings::default(),
            state: None,
            pace: Pace::default(),
        }
    }

    /// Whether these servers, owners and rights fit each other; the error is for the user.
    pub fn check(&self) -> Result<(), String> {
        let ids = self.servers.iter().map(|server| server.id);
        for (index, id) in ids.clone().enumerate() {
            if ids.clone().take(index).any(|earlier| earlier == id) {
                return Err(format!(
                    "two servers have the Short Server ID {id}: expected a different one for each"
                ));
            }
        }
        let secured = self.uris().find(|uri| uri.starts_with("coaps:"));
        if let Some(secured) = secured
            && self.keys.is_none()
        {
            return Err(format!("{secured}: expected keys, such as --psk-file"));
        }
        let of_owners = self
            .owners
            .iter()
            .map(|owner| (owner.server.get(), owner.path));
        let of_rights = self.rights.iter().map(|right| (right.server, right.path));
        for (server, path) in of_owners.chain(of_rights) {
            if server != 0 && !ids.clone().any(|id| id.get() == server) {
                return Err(format!(
                    "{path}={server}: expected the Short Server ID of a --server"
                ));
            }
        }
        Ok(())
    }
}

impl Settings {
    /// The URIs of the servers, and that of the Bootstrap-Server.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        let servers = self.servers.iter().map(|server| &*server.uri);
        servers.chain(self.bootstrap.as_deref())
    }
}

/// What every account of the device has.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// The lifetime of the registration, in seconds.
    pub lifetime: u32,
    /// The binding.
    pub binding: BindingMode,
    /// The default of `pmin`, in seconds.
    pub minimum_period: u32,
    /// The default of `pmax`, in seconds.
    pub maximum_period: u32,
    /// Whether notifications are stored while the device is offline.
    pub storing: bool,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            lifetime: 86_400,
            binding: BindingMode::U,
            minimum_period: 0,
            maximum_period: 6000,
            storing: true,
        }
    }
}

/// How a device sleeps whose servers all have Queue Mode (TS 8.3).
#[derive(Clone, Copy, Debug)]
pub struct SleepSettings {
    /// How long it is awake after a message; `None` is what a server counts on, 93 seconds.
    pub awake: Option<Duration>,
    /// Whether it wakes for a notification.
    pub wakes_to_notify: bool,
    /// What it does when it may sleep.
    pub rest: Rest,
}

impl Default for SleepSettings {
    fn default() -> Self {
        Self {
            awake: None,
            wakes_to_notify: true,
            rest: Rest::Idle,
        }
    }
}

/// What a device does when it may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It goes on listening.
    Idle,
    /// It turns its radio off.
    Sleep,
    /// It turns itself off: the program ends.
    PowerOff,
}

/// A binding with Queue Mode (TS 5.3.1.1), over UDP if it has that.
pub const fn with_queue_mode(binding: BindingMode) -> BindingMode {
    match binding {
        BindingMode::U => BindingMode::UQ,
        BindingMode::S => BindingMode::SQ,
        BindingMode::US => BindingMode::UQS,
        queued => queued,
    }
}

/// How fast the simulated world of a device is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The time in which the battery loses one percent.
    pub drain: Duration,
    /// The time between two measurements.
    pub step: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(10),
            step: Duration::from_secs(10),
        }
    }
}

/// A server, and the Short Server ID that it has on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAt {
    /// The Short Server ID.
    pub id: ShortServerId,
    /// Where the server is: `coap://HOST[:PORT]`, or `coaps://HOST[:PORT]`.
    pub uri: String,
}

/// A server as an argument of a program: `101=coap://HOST[:PORT]`, or the URI alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerArgument {
    id: Option<ShortServerId>,
    uri: String,
}

/// The Short Server ID of the first server that is given without one.
const FIRST: u16 = 101;

impl ServerArgument {
    /// A server on this computer.
    pub fn local() -> Self {
        Self {
            id: None,
            uri: "coap://127.0.0.1".to_owned(),
        }
    }

    /// The servers of a command line. One without a Short Server ID gets 101, the next one 102.
    pub fn numbered(arguments: &[Self]) -> Vec<ServerAt> {
        let ids = (FIRST..=u16::MAX).filter_map(ShortServerId::new);
        let servers = arguments.iter().zip(ids);
        servers
            .map(|(argument, by_place)| ServerAt {
                id: argument.id.unwrap_or(by_place),
                uri: argument.uri.clone(),
            })
            .collect()
    }
}

impl FromStr for ServerArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, uri) = match text.split_once('=') {
            Some((id, uri)) => (Some(short_server_id(id)?), uri),
            None => (None, text),
        };
        let uri = uri::server(uri)?;
        Ok(Self { id, uri })
    }
}

/// Who owns an Object Instance: `/3/0=101`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The Object Instance.
    pub path: Path,
    /// The owner.
    pub server: ShortServerId,
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected PATH=ID such as /3/0=101, found {text:?}");
        let (path, server) = text.split_once('=').ok_or_else(expected)?;
        let path = path_of_rights(path)?;
        if !matches!(path, Path::Instance(..)) {
            return Err(format!(
                "{path}: expected the path of an Object Instance, which has an owner"
            ));
        }
        let server = short_server_id(server)?;
        Ok(Self { path, server })
    }
}

/// The rights of a server: `/3/0=102:RW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// An Object Instance; for the right to create, an Object.
    pub path: Path,
    /// The Short Server ID; 0 for all that have no rights of their own.
    pub server: u16,
    /// The rights.
    pub rights: AccessRights,
}

impl FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected PATH=ID:RIGHTS such as /3/0=102:RW, found {text:?}");
        let (path, right) = text.split_once('=').ok_or_else(expected)?;
        let (server, letters) = right.split_once(':').ok_or_else(expected)?;
        let path = path_of_rights(path)?;
        let server = match server {
            "0" => 0,
            id => short_server_id(id)?.get(),
        };
        let rights = rights(letters)?;
        match path {
            Path::Object(_) if rights != AccessRights::CREATE && rights != AccessRights::NONE => {
                Err(format!(
                    "{path}: expected the right C on an Object, found {letters}"
                ))
            }
            Path::Object(_) if server == 0 => Err(format!(
                "{path}: expected a Short Server ID: there is no default for the right to create"
            )),
            Path::Instance(..) if rights.contains(AccessRights::CREATE) => Err(format!(
                "{path}: expected R, W, E or D on an Object Instance: C is a right on an Object"
            )),
            _ => Ok(Self {
                path,
                server,
                rights,
            }),
        }
    }
}

/// The path of an Object or an Object Instance.
fn path_of_rights(text: &str) -> Result<Path, String> {
    let path: Path = text.parse().map_err(|error| format!("{text}: {error}"))?;
    match path {
        Path::Object(_) | Path::Instance(..) => Ok(path),
        _ => Err(format!(
            "{path}: expected the path of an Object or an Object Instance"
        )),
    }
}

/// The rights with these letters.
fn rights(letters: &str) -> Result<AccessRights, String> {
    let none = AccessRights::NONE;
    if letters == "-" {
        return Ok(none);
    }
    let mut rights = none;
    for letter in letters.chars() {
        rights = rights
            | match letter {
                'R' => AccessRights::READ,
                'W' => AccessRights::WRITE,
                'E' => AccessRights::EXECUTE,
                'D' => AccessRights::DELETE,
                'C' => AccessRights::CREATE,
                _ => none,
            };
    }
    let known = letters.chars().all(|letter| "RWEDC".contains(letter));
    if known && rights != none {
        Ok(rights)
    } else {
        Err(format!(
            "expected letters of R, W, E, D, C, or - for no right, found {letters:?}"
        ))
    }
}

/// A Short Server ID.
pub(super) fn short_server_id(text: &str) -> Result<ShortServerId, String> {
    let id = text.parse().ok().and_then(ShortServerId::new);
    id.ok_or_else(|| format!("expected a Short Server ID of 1 to 65534, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> ShortServerId {
        ShortServerId::new(number).unwrap()
    }

    #[test]
    fn servers_have_the_number_they_are_given_or_one_by_their_place() {
        let arguments = ["coap://a", "7=coap://[::1]:5683", "coap://b"];
        let arguments: Vec<ServerArgument> =
            arguments.iter().map(|text| text.parse().unwrap()).collect();
        let servers = ServerArgument::numbered(&arguments);
        let numbers: Vec<_> = servers.iter().map(|server| server.id.get()).collect();
        assert_eq!(numbers, [101, 7, 103]);
        assert_eq!(servers[1].uri, "coap://[::1]:5683");
    }

    #[test]
    fn rights_and_owners_are_read() {
        let right: Right = "/3/0=102:RE".parse().unwrap();
        assert_eq!(right.path, "/3/0".parse().unwrap());
        assert_eq!((right.server, right.rights.to_string()), (102, "RE".into()));
        let right: Right = "/3/0=0:-".parse().unwrap();
        assert_eq!((right.server, right.rights), (0, AccessRights::NONE));
        let right: Right = "/26241=102:C".parse().unwrap();
        assert_eq!(right.rights, AccessRights::CREATE);
        let owner: Owner = "/26241/1=102".parse().unwrap();
        assert_eq!(owner.server, id(102));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_was_expected() {
        let server = |text: &str| text.parse::<ServerArgument>().unwrap_err();
        let right = |text: &str| text.parse::<Right>().unwrap_err();
        let owner = |text: &str| text.parse::<Owner>().unwrap_err();
        for (error, told) in [
            (
                server("0=coap://a"),
                "expected a Short Server ID of 1 to 65534",
            ),
            (server("a=coap://a"), "expected a Short Server ID"),
            (server("1=http://a"), "expected a URI such as"),
            (right("/3/0"), "expected PATH=ID:RIGHTS"),
            (right("/3/0=102"), "expected PATH=ID:RIGHTS"),
            (right("/3/0=102:X"), "expected letters of R, W, E, D, C"),
            (right("/3/0=102:"), "expected letters of"),
            (right("/3/0=102:C"), "C is a right on an Object"),
            (right("/3=102:R"), "expected the right C"),
            (right("/3=0:C"), "expected a Short Server ID"),
            (right("/3/0/9=102:R"), "expected the path of an Object"),
            (right("3/0=102:R"), "expected a path that begins with '/'"),
            (owner("/3=102"), "expected the path of an Object Instance"),
            (owner("/3/0=0"), "expected a Short Server ID"),
            (owner("/3/0"), "expected PATH=ID"),
        ] {
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn servers_owners_and_rights_have_to_fit() {
        let server = |number| ServerAt {
            id: id(number),
            uri: "coap://a".into(),
        };
        let settings = Settings::new("me", vec![server(101), server(102)]);
        assert_eq!(settings.check(), Ok(()));
        let mut twice = settings.clone();
        twice.servers.push(server(101));
        assert!(twice.check().unwrap_err().contains("101"));
        let mut unknown = settings.clone();
        unknown.rights.push("/3/0=103:R".parse().unwrap());
        assert!(unknown.check().unwrap_err().contains("/3/0=103"));
        let mut unknown = settings;
        unknown.owners.push("/3/0=103".parse().unwrap());
        assert!(unknown.check().unwrap_err().contains("/3/0=103"));
    }
}
