//! The commands of a device, and how they are written.

use core::{fmt, str::FromStr};

use lwm2m_core::{Code, Path, PathError, ShortServerId};
use lwm2m_objects::ErrorCode;

use super::settings::short_server_id;
use crate::given::{Given, GivenError};

/// How the commands are written, and what they do.
pub(super) const USAGE: &[(&str, &str)] = &[
    ("get [PATH]", "show the values at and below a path, or all"),
    ("set PATH VALUE", "set a Resource or a Resource Instance"),
    (
        "add /O[/I] [R=VALUE ...]",
        "add an Object Instance with these Resources",
    ),
    ("remove /O/I", "remove an Object Instance"),
    ("list", "list the Object Instances, their owners and rights"),
    ("accounts", "list the servers and their registrations"),
    ("observations", "list what is observed"),
    (
        "attributes",
        "list the attributes that servers have written",
    ),
    ("bootstrap", "ask the bootstrap-server for a bootstrap"),
    ("register", "register again after a deregister"),
    ("update [SERVER]", "send an Update to one server, or to all"),
    ("deregister", "de-register from all servers"),
    ("offline [SERVER]", "lose the link to one server, or to all"),
    ("online [SERVER]", "get it back"),
    ("ask PATH", "be asked before servers change or execute it"),
    ("allow REQUEST", "agree to what a server asks for"),
    (
        "refuse REQUEST [CODE]",
        "refuse it, with 4.05 or another code",
    ),
    (
        "reboot",
        "start again, with the values that a device stores",
    ),
    ("error NUMBER", "report an error of Resource 3/0/11, 1 to 8"),
    ("help", "list the commands"),
    ("quit", "end, without a De-register"),
];

/// The commands, for the help of the program.
pub fn usage() -> Vec<String> {
    let lines = USAGE.iter();
    lines
        .map(|(written, what)| format!("{written:<26}{what}"))
        .collect()
}

/// A command to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show the values at a path and below; all without one.
    Get(Option<Path>),
    /// Set a value of a Resource, given as text (TS Appendix C).
    Set(Path, String),
    /// Add an Object Instance. Without an identifier it gets a free one.
    Add(Path, Vec<Given>),
    /// Remove an Object Instance.
    Remove(Path),
    /// List the Object Instances.
    List,
    /// List the accounts.
    Accounts,
    /// List the observations.
    Observations,
    /// List the attributes that servers have written.
    Attributes,
    /// Ask for a bootstrap.
    Bootstrap,
    /// Register again.
    Register,
    /// Send an Update to a server, or to all.
    Update(Option<ShortServerId>),
    /// De-register.
    Deregister,
    /// Lose the link to a server, or to all.
    Offline(Option<ShortServerId>),
    /// Get the link back.
    Online(Option<ShortServerId>),
    /// Ask before a server changes or executes what is at a path or below.
    Ask(Path),
    /// Agree to the request with this number.
    Allow(u64),
    /// Refuse the request with this number.
    Refuse(u64, Code),
    /// Start again.
    Reboot,
    /// Report an error.
    Error(ErrorCode),
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
    /// The command with this first word has another syntax.
    Usage(&'static str),
    /// No path.
    Path(PathError),
    /// No Short Server ID.
    Server(String),
    /// No value for a Resource.
    Given(GivenError),
    /// No error code.
    ErrorCode(String),
    /// No response code.
    Code(String),
}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let line = line.trim();
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim_start();
        let known = USAGE.iter().map(|(written, _)| first_word(written));
        let verb = known
            .into_iter()
            .find(|known| *known == verb)
            .ok_or_else(|| CommandError::Unknown(line.to_owned()))?;
        let usage = CommandError::Usage(verb);
        let path = |text: &str| text.parse::<Path>().map_err(CommandError::Path);
        match (verb, rest) {
            ("get", "") => Ok(Self::Get(None)),
            ("get", at) => path(at).map(|at| Self::Get(Some(at))),
            ("set", rest) => {
                let (at, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                if at.is_empty() {
                    return Err(usage);
                }
                Ok(Self::Set(path(at)?, value.trim_start().to_owned()))
            }
            ("add", rest) => {
                let (at, given) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                match path(at) {
                    _ if at.is_empty() => Err(usage),
                    Ok(at @ (Path::Object(_) | Path::Instance(..))) => {
                        let given = Given::all(given).map_err(CommandError::Given)?;
                        Ok(Self::Add(at, given))
                    }
                    Ok(_) => Err(usage),
                    Err(error) => Err(error),
                }
            }
            ("remove", at) => match path(at) {
                _ if at.is_empty() => Err(usage),
                Ok(at @ Path::Instance(..)) => Ok(Self::Remove(at)),
                Ok(_) => Err(usage),
                Err(error) => Err(error),
            },
            ("update", server) => server_or_all(server).map(Self::Update),
            ("offline", server) => server_or_all(server).map(Self::Offline),
            ("online", server) => server_or_all(server).map(Self::Online),
            ("error", number) => {
                let code = number.parse().ok().and_then(ErrorCode::from_number);
                code.map(Self::Error)
                    .ok_or_else(|| CommandError::ErrorCode(number.to_owned()))
            }
            ("ask", at) if !at.is_empty() => path(at).map(Self::Ask),
            ("allow", number) => number.parse().map(Self::Allow).map_err(|_| usage),
            ("refuse", rest) => {
                let (number, code) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let number = number.parse().map_err(|_| usage)?;
                code_of(code.trim()).map(|code| Self::Refuse(number, code))
            }
            (verb, "") => Self::alone(verb).ok_or(usage),
            _ => Err(usage),
        }
    }
}

impl Command {
    /// A command that is one word.
    fn alone(verb: &str) -> Option<Self> {
        Some(match verb {
            "list" => Self::List,
            "accounts" => Self::Accounts,
            "observations" => Self::Observations,
            "attributes" => Self::Attributes,
            "bootstrap" => Self::Bootstrap,
            "register" => Self::Register,
            "deregister" => Self::Deregister,
            "reboot" => Self::Reboot,
            "help" => Self::Help,
            "quit" => Self::Quit,
            _ => return None,
        })
    }
}

/// A code such as `4.05`, which is the one without any.
fn code_of(text: &str) -> Result<Code, CommandError> {
    if text.is_empty() {
        return Ok(Code::METHOD_NOT_ALLOWED);
    }
    let read = || {
        let (class, detail) = text.split_once('.')?;
        let (class, number) = (class.parse().ok()?, detail.parse().ok()?);
        // Three bits and five (RFC 7252 §3).
        (class <= 7 && detail.len() == 2 && number <= 31).then(|| Code::new(class, number))
    };
    read().ok_or_else(|| CommandError::Code(text.to_owned()))
}

fn first_word(written: &'static str) -> &'static str {
    written.split(' ').next().unwrap_or_default()
}

fn server_or_all(text: &str) -> Result<Option<ShortServerId>, CommandError> {
    if text.is_empty() {
        return Ok(None);
    }
    short_server_id(text)
        .map(Some)
        .map_err(CommandError::Server)
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(line) => {
                let words = USAGE.iter().map(|(written, _)| first_word(written));
                let words: Vec<_> = words.collect();
                write!(f, "expected {}; found {line:?}", words.join(", "))
            }
            Self::Usage(verb) => {
                let mut same = USAGE.iter().map(|(written, _)| written);
                let written = same.find(|written| first_word(written) == *verb);
                write!(f, "expected {}", written.unwrap_or(verb))
            }
            Self::Path(error) => error.fmt(f),
            Self::Server(error) => f.write_str(error),
            Self::Given(error) => error.fmt(f),
            Self::ErrorCode(text) => {
                write!(f, "expected an error code of 1 to 8, found {text:?}")
            }
            Self::Code(text) => {
                write!(f, "expected a response code such as 4.05, found {text:?}")
            }
        }
    }
}

impl core::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn commands_are_read() {
        let (battery, second) = (path("/3/0/9"), ShortServerId::new(102));
        for (line, command) in [
            ("get", Command::Get(None)),
            ("get /3/0/9", Command::Get(Some(battery))),
            ("set /3/0/9 42", Command::Set(battery, "42".into())),
            ("  set\t/3/0/9  a  b ", Command::Set(battery, "a  b".into())),
            ("set /3/0/9", Command::Set(battery, String::new())),
            ("add /26241", Command::Add(path("/26241"), Vec::new())),
            (
                "add /26241/3 0=Hall",
                Command::Add(path("/26241/3"), Given::all("0=Hall").unwrap()),
            ),
            ("remove /26241/3", Command::Remove(path("/26241/3"))),
            ("update", Command::Update(None)),
            ("update 102", Command::Update(second)),
            ("offline 102", Command::Offline(second)),
            ("online", Command::Online(None)),
            ("error 3", Command::Error(ErrorCode::GpsModule)),
            ("ask /3/0", Command::Ask(path("/3/0"))),
            ("allow 1", Command::Allow(1)),
            ("refuse 2", Command::Refuse(2, Code::METHOD_NOT_ALLOWED)),
            (
                "refuse 2 5.00",
                Command::Refuse(2, Code::INTERNAL_SERVER_ERROR),
            ),
            ("list", Command::List),
            ("accounts", Command::Accounts),
            ("observations", Command::Observations),
            ("attributes", Command::Attributes),
            ("bootstrap", Command::Bootstrap),
            ("register", Command::Register),
            ("deregister", Command::Deregister),
            ("reboot", Command::Reboot),
            ("help", Command::Help),
            ("quit", Command::Quit),
        ] {
            assert_eq!(line.parse(), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_an_error_that_says_what_was_expected() {
        for (line, told) in [
            ("", "expected get, set, add, "),
            ("dance", "help, quit; found \"dance\""),
            ("get 3/0", "expected a path that begins with '/'"),
            ("set", "expected set PATH VALUE"),
            ("set 3/0/9 42", "expected a path that begins with '/'"),
            ("add", "expected add /O[/I] [R=VALUE ...]"),
            ("add /3/0/9", "expected add /O[/I]"),
            ("add /3/0 x", "expected RESOURCE=VALUE"),
            ("remove", "expected remove /O/I"),
            ("remove /3", "expected remove /O/I"),
            (
                "update now",
                "expected a Short Server ID of 1 to 65534, found \"now\"",
            ),
            ("offline 0", "expected a Short Server ID"),
            ("error", "expected an error code of 1 to 8, found \"\""),
            ("error 9", "expected an error code of 1 to 8, found \"9\""),
            ("ask", "expected ask PATH"),
            ("allow", "expected allow REQUEST"),
            ("allow x", "expected allow REQUEST"),
            ("refuse", "expected refuse REQUEST [CODE]"),
            (
                "refuse 1 no",
                "expected a response code such as 4.05, found \"no\"",
            ),
            ("refuse 1 4.5", "expected a response code"),
            ("list me", "expected list"),
            ("quit now", "expected quit"),
        ] {
            let error = line.parse::<Command>().unwrap_err().to_string();
            assert!(error.contains(told), "{line}: {error}");
        }
    }

    #[test]
    fn every_command_has_a_line_that_fits_a_terminal() {
        for line in usage() {
            assert!(line.len() <= 78, "{line}");
        }
    }
}
