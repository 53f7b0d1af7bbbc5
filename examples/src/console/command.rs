//! The commands of a server's console, and how they are written.

use core::{fmt, str::FromStr};

use lwm2m_core::{
    ArgumentsError, AttributeError, AttributesUpdate, ContentFormat, Path, PathError,
};
use lwm2m_statemachine::server::CallError;

use crate::{
    given::{Given, GivenError, UnusableError},
    value::ValueError,
};

/// How each command is written, and what it does.
const USAGE: [(&str, &str); 14] = [
    ("list", "list clients, observations and what waits"),
    ("read EP PATH [FORMAT]", "read what is at a path"),
    ("write EP PATH [--FORMAT] VALUE", "write a Resource"),
    ("exec EP PATH [ARGUMENTS]", "execute a Resource"),
    ("discover EP PATH", "list what there is, with attributes"),
    (
        "create EP /O[/I] [R=VALUE ...]",
        "create an Object Instance",
    ),
    ("delete EP /O/I", "delete an Object Instance"),
    (
        "attributes EP PATH NAME[=N] ...",
        "write attributes; without N, unset them",
    ),
    ("observe EP PATH [FORMAT]", "be told of changes at a path"),
    ("cancel EP PATH", "end the observation of a path"),
    ("cancel NUMBER", "end the observation with this number"),
    ("withdraw NUMBER", "cancel this operation, which waits"),
    ("help", "list the commands"),
    ("quit", "end; clients are not told"),
];

/// The commands, for the help of the program and of the command line.
pub fn usage() -> Vec<String> {
    let commands = USAGE.iter();
    let commands = commands.map(|(written, what)| format!("{written:<33}{what}"));
    let notes = [
        "EP is the name of a client, NAME is pmin, pmax, gt, lt or st.",
        "FORMAT is text, opaque, tlv or json; of read and observe also any.",
    ];
    commands.chain(notes.map(String::from)).collect()
}

/// A command to a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// List all registrations, observations, and operations that wait.
    List,
    /// Send an operation to a client.
    Operate {
        /// The endpoint name of the client.
        endpoint: String,
        /// Where.
        path: Path,
        /// What.
        verb: Verb,
    },
    /// Cancel the observation of this number.
    Cancel(u64),
    /// Cancel the operation of this number.
    Withdraw(u64),
    /// List the commands.
    Help,
    /// End.
    Quit,
}

/// An operation on a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Read (TS 5.4.1), in this format.
    Read(Accept),
    /// Write the value that this text stands for (TS 5.4.3), in this format or in the usual one.
    Write(Option<ContentFormat>, String),
    /// Execute with these arguments (TS 5.4.5).
    Execute(String),
    /// Discover (TS 5.4.2).
    Discover,
    /// Create an Object Instance with these values (TS 5.4.6).
    Create(Vec<Given>),
    /// Delete (TS 5.4.7).
    Delete,
    /// Write-Attributes (TS 5.4.4).
    WriteAttributes(AttributesUpdate),
    /// Observe (TS 5.5.1), in this format.
    Observe(Accept),
    /// Cancel Observation (TS 5.5.3).
    Cancel,
}

/// The format that an answer is asked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// This one.
    Format(ContentFormat),
    /// Any format: a client of a later version may choose one that is unknown here.
    Any,
}

impl Accept {
    /// The format to ask for, if any.
    pub const fn format(self) -> Option<ContentFormat> {
        match self {
            Self::Format(format) => Some(format),
            Self::Any => None,
        }
    }
}

impl Default for Accept {
    /// TLV, which every client of LwM2M 1.0 has (TS 6.4).
    fn default() -> Self {
        Self::Format(ContentFormat::TLV)
    }
}

/// Why a command fails.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CommandError {
    /// Not one of the commands.
    Unknown(String),
    /// The command with this first word has another syntax.
    Usage(&'static str),
    /// No path.
    Path(PathError),
    /// No format that can be asked for.
    Format(String),
    /// No arguments of an Execute.
    Arguments(ArgumentsError),
    /// No attributes.
    Attributes(AttributeError),
    /// No Object or Object Instance, which can be created.
    NotCreatable(Path),
    /// No values of a new Object Instance.
    Given(GivenError),
    /// A value of a new Object Instance that can't be used.
    Unusable(UnusableError),
    /// No value of the Resource's data type.
    Value(ValueError),
    /// No path of a Resource, which a value is written to.
    NoResource(Path),
    /// The data type of the Resource is not known, and the format needs it.
    Untyped(Path, ContentFormat),
    /// No client is registered under this name.
    NotRegistered(String),
    /// There is no observation of this.
    NotObserved(Path),
    /// There are several observations of this, with these numbers.
    Ambiguous(Path, Vec<u64>),
    /// There is no observation of this number.
    NoObservation(u64),
    /// There is no operation of this number.
    NoOperation(u64),
    /// The server refuses the call.
    Call(CallError),
}

const FORMATS: [(&str, ContentFormat); 4] = [
    ("text", ContentFormat::TEXT),
    ("opaque", ContentFormat::OPAQUE),
    ("tlv", ContentFormat::TLV),
    ("json", ContentFormat::JSON),
];

/// The first words of the commands.
const WORDS: [&str; 13] = [
    "list",
    "read",
    "write",
    "exec",
    "discover",
    "create",
    "delete",
    "attributes",
    "observe",
    "cancel",
    "withdraw",
    "help",
    "quit",
];

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let mut rest = line;
        let verb = word(&mut rest).unwrap_or_default();
        let verb = WORDS
            .into_iter()
            .find(|known| *known == verb)
            .ok_or_else(|| CommandError::Unknown(line.to_owned()))?;
        let usage = || CommandError::Usage(verb);
        let subject = (word(&mut rest), word(&mut rest));
        let (endpoint, path) = match (verb, subject) {
            ("list", (None, _)) => return Ok(Self::List),
            ("help", (None, _)) => return Ok(Self::Help),
            ("quit", (None, _)) => return Ok(Self::Quit),
            ("cancel", (Some(number), None)) => {
                return number.parse().map(Self::Cancel).map_err(|_| usage());
            }
            ("withdraw", (Some(number), None)) => {
                return number.parse().map(Self::Withdraw).map_err(|_| usage());
            }
            ("list" | "help" | "quit" | "withdraw", _) => return Err(usage()),
            (_, (Some(endpoint), Some(path))) => (endpoint, path),
            _ => return Err(usage()),
        };
        let path = path.parse().map_err(CommandError::Path)?;
        let verb = match verb {
            "write" => {
                let (format, value) = value_of_write(rest)?;
                Verb::Write(format, value.to_owned())
            }
            "exec" => Verb::Execute(rest.trim_start().to_owned()),
            "read" => Verb::Read(accept(word(&mut rest))?),
            "observe" => Verb::Observe(accept(word(&mut rest))?),
            "discover" => Verb::Discover,
            "delete" => Verb::Delete,
            "create" => Verb::Create(Given::all(rest).map_err(CommandError::Given)?),
            "attributes" => {
                let update = AttributesUpdate::from_queries(rest.split_whitespace());
                Verb::WriteAttributes(update.map_err(CommandError::Attributes)?)
            }
            _ => Verb::Cancel,
        };
        let takes_rest = matches!(
            verb,
            Verb::Write(..) | Verb::Execute(_) | Verb::Create(_) | Verb::WriteAttributes(_)
        );
        if !takes_rest && !rest.trim().is_empty() {
            return Err(usage());
        }
        Ok(Self::Operate {
            endpoint: endpoint.to_owned(),
            path,
            verb,
        })
    }
}

/// Removes the next word and the blanks before it.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    *rest = after;
    (!word.is_empty()).then_some(word)
}

/// The format with this name, or the default one.
fn accept(name: Option<&str>) -> Result<Accept, CommandError> {
    match name {
        None => Ok(Accept::default()),
        Some("any") => Ok(Accept::Any),
        Some(name) => format(name)
            .map(Accept::Format)
            .ok_or_else(|| CommandError::Format(format!("{NAMES} or any, not {name:?}"))),
    }
}

const NAMES: &str = "text, opaque, tlv, json";

fn format(name: &str) -> Option<ContentFormat> {
    let found = FORMATS.iter().find(|(known, _)| *known == name);
    found.map(|(_, format)| *format)
}

/// The format and the value of a Write. The value is the rest of the line. A value that looks like
/// a format is written after `--`.
fn value_of_write(rest: &str) -> Result<(Option<ContentFormat>, &str), CommandError> {
    let mut after = rest;
    let option = word(&mut after).and_then(|word| word.strip_prefix("--"));
    match option {
        None => Ok((None, rest.trim_start())),
        Some("") => Ok((None, after.trim_start())),
        Some(name) => {
            let known = format(name).ok_or_else(|| {
                CommandError::Format(format!(
                    "--text, --opaque, --tlv, --json or -- before the value, not --{name}"
                ))
            })?;
            Ok((Some(known), after.trim_start()))
        }
    }
}

impl Verb {
    /// The first word of the command.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Write(..) => "write",
            Self::Execute(_) => "exec",
            Self::Discover => "discover",
            Self::Create(_) => "create",
            Self::Delete => "delete",
            Self::WriteAttributes(_) => "attributes",
            Self::Observe(_) => "observe",
            Self::Cancel => "cancel",
        }
    }

    /// The format that the answer is asked for in.
    pub(super) const fn accept(&self) -> Accept {
        match self {
            Self::Read(accept) | Self::Observe(accept) => *accept,
            _ => Accept::Any,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(line) => {
                let (last, others) = WORDS.split_last().unwrap_or((&"", &[]));
                write!(f, "expected {} or {last}, not {line:?}", others.join(", "))
            }
            Self::Usage(verb) => {
                let all = USAGE.iter().map(|(written, _)| *written);
                let same = all.filter(|written| written.split(' ').next() == Some(*verb));
                let written: Vec<_> = same.collect();
                write!(f, "expected {}", written.join(" or "))
            }
            Self::Path(error) => error.fmt(f),
            Self::Format(expected) => write!(f, "expected {expected}"),
            Self::Arguments(error) => write!(f, "in the arguments, {error}"),
            Self::Attributes(error) => write!(f, "in the attributes, {error}"),
            Self::NotCreatable(path) => write!(
                f,
                "expected the path of an Object or of a new Object Instance, not {path}"
            ),
            Self::Given(error) => error.fmt(f),
            Self::Unusable(error) => write!(f, "{error}; a definition may be loaded with --ddf"),
            Self::Value(error) => write!(f, "in the value, {error}"),
            Self::NoResource(path) => write!(f, "expected the path of a Resource, not {path}"),
            Self::Untyped(path, format) => write!(
                f,
                "the type of {path} is not known, which {format} needs: load a definition with \
                 --ddf, or write it as --text or --opaque"
            ),
            Self::NotRegistered(endpoint) => write!(f, "{endpoint} is not registered"),
            Self::NotObserved(path) => write!(f, "{path} is not observed"),
            Self::Ambiguous(path, numbers) => {
                write!(f, "{path} is observed {} times:", numbers.len())?;
                for (index, number) in numbers.iter().enumerate() {
                    let separator = if index == 0 { "" } else { " or" };
                    write!(f, "{separator} cancel {number}")?;
                }
                Ok(())
            }
            Self::NoObservation(number) => write!(f, "there is no observation {number}"),
            Self::NoOperation(number) => write!(f, "no operation {number} waits"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn operate(path: &str, verb: Verb) -> Command {
        Command::Operate {
            endpoint: "me".into(),
            path: path.parse().unwrap(),
            verb,
        }
    }

    #[test]
    fn commands_are_read() {
        let write = |format, value: &str| Verb::Write(format, value.into());
        let (text, tlv, json) = (ContentFormat::TEXT, ContentFormat::TLV, ContentFormat::JSON);
        for (line, command) in [
            ("list", Command::List),
            ("help", Command::Help),
            ("quit", Command::Quit),
            (
                "read me /3/0",
                operate("/3/0", Verb::Read(Accept::Format(tlv))),
            ),
            (
                "read me /3/0 tlv",
                operate("/3/0", Verb::Read(Accept::Format(tlv))),
            ),
            (
                "read me /3/0 json",
                operate("/3/0", Verb::Read(Accept::Format(json))),
            ),
            ("read me /3/0 any", operate("/3/0", Verb::Read(Accept::Any))),
            (
                "  read\tme  /3/0  any ",
                operate("/3/0", Verb::Read(Accept::Any)),
            ),
            (
                "write me /3/0/15 a b  c",
                operate("/3/0/15", write(None, "a b  c")),
            ),
            ("write me /3/0/15", operate("/3/0/15", write(None, ""))),
            (
                "write me /3/0/15 --text a b",
                operate("/3/0/15", write(Some(text), "a b")),
            ),
            (
                "write me /3/0/15 --tlv",
                operate("/3/0/15", write(Some(tlv), "")),
            ),
            (
                "write me /3/0/15 -- --tlv",
                operate("/3/0/15", write(None, "--tlv")),
            ),
            ("write me /3/0/15 -1", operate("/3/0/15", write(None, "-1"))),
            (
                "exec me /3/0/4",
                operate("/3/0/4", Verb::Execute(String::new())),
            ),
            (
                "exec me /3/0/4 0='1'",
                operate("/3/0/4", Verb::Execute("0='1'".into())),
            ),
            ("discover me /3", operate("/3", Verb::Discover)),
            ("delete me /9/1", operate("/9/1", Verb::Delete)),
            (
                "create me /9/1 0=a 1=\"b c\"",
                operate("/9/1", Verb::Create(Given::all("0=a 1=\"b c\"").unwrap())),
            ),
            (
                "attributes me /3/0/9 pmin=5 st",
                operate(
                    "/3/0/9",
                    Verb::WriteAttributes(AttributesUpdate {
                        pmin: lwm2m_core::Change::Set(5),
                        st: lwm2m_core::Change::Unset,
                        ..AttributesUpdate::default()
                    }),
                ),
            ),
            (
                "observe me /3/0/9",
                operate("/3/0/9", Verb::Observe(Accept::Format(tlv))),
            ),
            (
                "observe me /3/0/9 text",
                operate("/3/0/9", Verb::Observe(Accept::Format(text))),
            ),
            ("cancel me /3/0/9", operate("/3/0/9", Verb::Cancel)),
            ("cancel 7", Command::Cancel(7)),
            ("withdraw 7", Command::Withdraw(7)),
        ] {
            assert_eq!(line.parse(), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_an_error_that_says_how_it_is_written() {
        for (line, told) in [
            ("", "expected list, read, "),
            ("dance", "not \"dance\""),
            ("list me", "expected list"),
            ("quit now", "expected quit"),
            ("read", "expected read EP PATH ["),
            ("read me", "expected read EP PATH ["),
            ("read me 3/0", "expected a path that begins with '/'"),
            (
                "read me /3/0 xml",
                "expected text, opaque, tlv, json or any, not \"xml\"",
            ),
            ("read me /3/0 tlv now", "expected read EP PATH ["),
            ("write me /3/0/15 --xml a", "expected --text, "),
            ("observe me /3/0/9 xml", "expected text, "),
            ("discover me /3 tlv", "expected discover EP PATH"),
            ("delete me /9/1 now", "expected delete EP /O/I"),
            ("create me /9/1 x", "expected RESOURCE=VALUE"),
            ("attributes me /3 pmin=x", "in the attributes, "),
            ("discover me /3/0/65536", "path segment 2"),
            ("cancel me", "expected cancel EP PATH or cancel NUMBER"),
            ("cancel", "expected cancel EP PATH or cancel NUMBER"),
            ("withdraw me /3", "expected withdraw NUMBER"),
        ] {
            let error = line.parse::<Command>().unwrap_err().to_string();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
