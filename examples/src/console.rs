//! What a person, or a script, says to a server and hears from it, line by line.
//!
//! Commands:
//!
//! ```text
//! list
//! read EP PATH [text|tlv|json|opaque]
//! write EP PATH VALUE
//! exec EP PATH [ARGUMENTS]
//! discover EP PATH
//! observe EP PATH
//! cancel EP PATH
//! quit
//! ```
//!
//! Events, one line each, values below them with two blanks before:
//!
//! ```text
//! registered EP /rd/5a lifetime=60 version=1.0 binding=U from=127.0.0.1:40000 objects=/1/0,/3/0
//! answer EP read /3/0 2.05 Content
//!   /3/0/0 = "Open Mobile Alliance"
//! notify EP /3/0/9
//!   /3/0/9 = 99
//! failed EP read /3/0 no answer
//! ```

use core::{fmt, net::SocketAddr, ops::ControlFlow, str::FromStr};
use std::{
    collections::HashMap,
    io::{self, Write},
};

use lwm2m_core::{
    Arguments, ArgumentsError, Code, ContentFormat, DataType, Instant, Path, PathError, Value,
    WriteMode,
    codec::{Content, TypeLookup},
    text::{self, TextError},
};
use lwm2m_statemachine::server::{
    CallError, ObservationId, OperationId, Outcome, Registration, RegistrationId, Server,
    ServerEvent,
};

/// What a server can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Tell all registrations.
    List,
    /// Have a client do something.
    Operate {
        /// The endpoint name of the client.
        endpoint: String,
        /// Where.
        path: Path,
        /// What.
        verb: Verb,
    },
    /// End.
    Quit,
}

/// What a client can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read (TS 5.4.1), in this format or in any.
    Read(Option<ContentFormat>),
    /// Write the value that this text stands for (TS 5.4.3).
    Write(String),
    /// Execute with these arguments (TS 5.4.5).
    Execute(String),
    /// Discover (TS 5.4.2).
    Discover,
    /// Observe (TS 5.5.1).
    Observe,
    /// Cancel Observation (TS 5.5.3).
    Cancel,
}

/// Why a command comes to nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CommandError {
    /// Not one of the commands.
    Unknown(String),
    /// No path.
    Path(PathError),
    /// No format that can be asked for.
    Format(String),
    /// No arguments of an Execute.
    Arguments(ArgumentsError),
    /// No value of the Resource's data type.
    Value(TextError),
    /// No client is registered under this name.
    NotRegistered(String),
    /// This is not observed.
    NotObserved(Path),
    /// The server does not take the call.
    Call(CallError),
}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let unknown = || CommandError::Unknown(line.to_owned());
        let mut words = line.splitn(4, ' ');
        let verb = words.next().unwrap_or_default();
        match verb {
            "list" if line == verb => return Ok(Self::List),
            "quit" if line == verb => return Ok(Self::Quit),
            "read" | "write" | "exec" | "discover" | "observe" | "cancel" => {}
            _ => return Err(unknown()),
        }
        let (Some(endpoint), Some(path)) = (words.next(), words.next()) else {
            return Err(unknown());
        };
        let verb = match (verb, words.next()) {
            ("read", None) => Verb::Read(None),
            ("read", Some(name)) => Verb::Read(Some(match name {
                "text" => ContentFormat::TEXT,
                "tlv" => ContentFormat::TLV,
                "json" => ContentFormat::JSON,
                "opaque" => ContentFormat::OPAQUE,
                _ => return Err(CommandError::Format(name.to_owned())),
            })),
            ("write", value) => Verb::Write(value.unwrap_or_default().to_owned()),
            ("exec", arguments) => Verb::Execute(arguments.unwrap_or_default().to_owned()),
            ("discover", None) => Verb::Discover,
            ("observe", None) => Verb::Observe,
            ("cancel", None) => Verb::Cancel,
            _ => return Err(unknown()),
        };
        Ok(Self::Operate {
            endpoint: endpoint.to_owned(),
            path: path.parse().map_err(CommandError::Path)?,
            verb,
        })
    }
}

impl Verb {
    const fn name(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Write(_) => "write",
            Self::Execute(_) => "exec",
            Self::Discover => "discover",
            Self::Observe => "observe",
            Self::Cancel => "cancel",
        }
    }
}

/// Turns commands into calls of a server, and its events into lines.
#[derive(Debug, Default)]
pub struct Console {
    operations: HashMap<OperationId, (Subject, &'static str)>,
    observations: HashMap<ObservationId, Subject>,
}

/// What an operation or an observation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    endpoint: String,
    path: Path,
}

impl Console {
    /// Does what a command says. It breaks when the program is to end.
    pub fn obey(
        &mut self,
        now: Instant,
        server: &mut Server<SocketAddr>,
        command: Command,
        out: &mut dyn Write,
    ) -> io::Result<ControlFlow<()>> {
        match command {
            Command::Quit => return Ok(ControlFlow::Break(())),
            Command::List => {
                for (_, registration) in server.registrations() {
                    writeln!(out, "registered {}", Described(registration))?;
                }
            }
            Command::Operate {
                endpoint,
                path,
                verb,
            } => {
                let subject = Subject { endpoint, path };
                match self.operate(now, server, &subject, &verb) {
                    Ok(operation) => {
                        self.operations.insert(operation, (subject, verb.name()));
                    }
                    Err(error) => writeln!(out, "error {error}")?,
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn operate(
        &self,
        now: Instant,
        server: &mut Server<SocketAddr>,
        subject: &Subject,
        verb: &Verb,
    ) -> Result<OperationId, CommandError> {
        let registration: RegistrationId = server
            .find(&subject.endpoint)
            .ok_or_else(|| CommandError::NotRegistered(subject.endpoint.clone()))?;
        let path = subject.path;
        let operation = match verb {
            Verb::Read(format) => server.read(now, registration, path, *format),
            Verb::Write(value) => {
                let types = server
                    .definitions(registration)
                    .ok_or_else(|| CommandError::NotRegistered(subject.endpoint.clone()))?;
                let value = read_value(&types, path, value).map_err(CommandError::Value)?;
                let content = Content::from_iter([(path, value)]);
                server.write(now, registration, path, WriteMode::Replace, None, &content)
            }
            Verb::Execute(arguments) => {
                let arguments =
                    Arguments::parse(arguments.as_bytes()).map_err(CommandError::Arguments)?;
                server.execute(now, registration, path, &arguments)
            }
            Verb::Discover => server.discover(now, registration, path),
            Verb::Observe => server.observe(now, registration, path, None),
            Verb::Cancel => {
                let mut observations = self.observations.iter();
                let (observation, _) = observations
                    .find(|(_, observed)| *observed == subject)
                    .ok_or(CommandError::NotObserved(path))?;
                server.cancel_observation(now, *observation)
            }
        };
        operation.map_err(CommandError::Call)
    }

    /// Tells an event.
    pub fn tell(
        &mut self,
        server: &Server<SocketAddr>,
        event: ServerEvent<SocketAddr>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match event {
            ServerEvent::Registered { registration } => {
                if let Some(registration) = server.registration(registration) {
                    writeln!(out, "registered {}", Described(registration))?;
                }
            }
            ServerEvent::Updated { registration, .. } => {
                if let Some(registration) = server.registration(registration) {
                    writeln!(out, "updated {}", Described(registration))?;
                }
            }
            ServerEvent::Deregistered { was, .. } => {
                writeln!(out, "deregistered {}", was.endpoint_name())?;
            }
            ServerEvent::Expired { was, .. } => writeln!(out, "expired {}", was.endpoint_name())?,
            ServerEvent::Replaced { was, .. } => {
                writeln!(out, "replaced {}", was.endpoint_name())?;
            }
            ServerEvent::Answered {
                operation, outcome, ..
            } => {
                if let Some((subject, name)) = self.operations.remove(&operation) {
                    self.tell_outcome(&subject, name, outcome, out)?;
                }
            }
            ServerEvent::Notification {
                observation,
                content,
                ..
            } => {
                if let Some(Subject { endpoint, path }) = self.observations.get(&observation) {
                    match content {
                        Ok(content) => {
                            writeln!(out, "notify {endpoint} {path}")?;
                            tell_content(&content, out)?;
                        }
                        Err(error) => writeln!(out, "failed {endpoint} notify {path} {error}")?,
                    }
                }
            }
            ServerEvent::ObservationEnded {
                observation,
                reason,
                ..
            } => {
                if let Some(Subject { endpoint, path }) = self.observations.remove(&observation) {
                    writeln!(out, "ended {endpoint} {path} {reason}")?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn tell_outcome(
        &mut self,
        subject: &Subject,
        name: &str,
        outcome: Outcome,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Subject { endpoint, path } = subject;
        let mut answer = |code: Code| writeln!(out, "answer {endpoint} {name} {path} {code:?}");
        match outcome {
            Outcome::Content(content) => {
                answer(Code::CONTENT)?;
                tell_content(&content, out)
            }
            Outcome::Observing {
                observation,
                content,
            } => {
                self.observations.insert(observation, subject.clone());
                answer(Code::CONTENT)?;
                match content {
                    Ok(content) => tell_content(&content, out),
                    Err(error) => writeln!(out, "failed {endpoint} {name} {path} {error}"),
                }
            }
            Outcome::Links(links) => {
                answer(Code::CONTENT)?;
                links.iter().try_for_each(|link| writeln!(out, "  {link}"))
            }
            Outcome::Changed => answer(Code::CHANGED),
            Outcome::Created { .. } => answer(Code::CREATED),
            Outcome::Deleted => answer(Code::DELETED),
            Outcome::Refused { code } => answer(code),
            failure => {
                let reason = reason(&failure);
                writeln!(out, "failed {endpoint} {name} {path} {reason}")
            }
        }
    }
}

/// The value that a text stands for; a string, if the Resource is not known.
fn read_value(types: &impl TypeLookup, path: Path, value: &str) -> Result<Value, TextError> {
    let data_type = match path {
        Path::Resource(object, _, resource) | Path::ResourceInstance(object, _, resource, _) => {
            types.data_type(object, resource)
        }
        _ => return Err(TextError::Path(path)),
    };
    let data_type = data_type.unwrap_or(DataType::String);
    Ok(text::decode(data_type, value.as_bytes())?.into_value())
}

fn reason(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Timeout => "no answer".to_owned(),
        Outcome::Reset => "rejected with Reset".to_owned(),
        Outcome::Failed { reason } => reason.to_string(),
        Outcome::RegistrationGone => "the registration has ended".to_owned(),
        Outcome::Unexpected { code } => format!("unexpected {code:?}"),
        Outcome::Undecodable(error) => error.to_string(),
        other => format!("{other:?}"),
    }
}

fn tell_content(content: &Content, out: &mut dyn Write) -> io::Result<()> {
    for entry in content.entries() {
        match &entry.value {
            Some(value) => writeln!(out, "  {} = {}", entry.path, value.as_ref())?,
            None => writeln!(out, "  {} is empty", entry.path)?,
        }
    }
    Ok(())
}

/// A registration in one line.
struct Described<'a>(&'a Registration<SocketAddr>);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registration = self.0;
        write!(
            f,
            "{} {} lifetime={} version={} binding={} from={} objects=",
            registration.endpoint_name(),
            registration.location(),
            registration.lifetime(),
            registration.version(),
            registration.binding(),
            registration.peer()
        )?;
        for (index, (object, instance)) in registration.objects().enumerate() {
            let path = match instance {
                Some(instance) => Path::Instance(object, instance),
                None => Path::Object(object),
            };
            write!(f, "{}{path}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(line) => write!(
                f,
                "expected list, read EP PATH [FORMAT], write EP PATH VALUE, exec EP PATH \
                 [ARGUMENTS], discover EP PATH, observe EP PATH, cancel EP PATH or quit, \
                 not {line:?}"
            ),
            Self::Path(error) => error.fmt(f),
            Self::Format(name) => write!(f, "expected text, tlv, json or opaque, not {name:?}"),
            Self::Arguments(error) => error.fmt(f),
            Self::Value(error) => error.fmt(f),
            Self::NotRegistered(endpoint) => write!(f, "{endpoint} is not registered"),
            Self::NotObserved(path) => write!(f, "{path} is not observed"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use lwm2m_statemachine::coap::FailureReason;

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
        let tlv = Some(ContentFormat::TLV);
        for (line, command) in [
            ("list", Command::List),
            ("quit", Command::Quit),
            ("read me /3/0", operate("/3/0", Verb::Read(None))),
            ("read me /3/0 tlv", operate("/3/0", Verb::Read(tlv))),
            (
                "write me /3/0/15 a b  c",
                operate("/3/0/15", Verb::Write("a b  c".into())),
            ),
            (
                "write me /3/0/15",
                operate("/3/0/15", Verb::Write(String::new())),
            ),
            (
                "exec me /3/0/4",
                operate("/3/0/4", Verb::Execute(String::new())),
            ),
            (
                "exec me /3/0/4 0='1'",
                operate("/3/0/4", Verb::Execute("0='1'".into())),
            ),
            ("discover me /3", operate("/3", Verb::Discover)),
            ("observe me /3/0/9", operate("/3/0/9", Verb::Observe)),
            ("cancel me /3/0/9", operate("/3/0/9", Verb::Cancel)),
        ] {
            assert_eq!(line.parse(), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_an_error() {
        for line in [
            "",
            "dance",
            "list me",
            "read",
            "read me",
            "read me 3/0",
            "read me /3/0 xml",
            "observe me /3/0/9 tlv",
            "discover me /3/0/65536",
        ] {
            let error = line.parse::<Command>().unwrap_err();
            assert!(error.to_string().contains("expected") || error.to_string().contains("path"));
        }
    }

    #[test]
    fn an_operation_that_failed_says_why_and_only_one_without_answer_says_so() {
        for (failure, said) in [
            (FailureReason::Timeout, "no answer"),
            (FailureReason::Reset, "rejected with Reset"),
            (FailureReason::TooLarge, "the body is too large"),
            (FailureReason::Blocks, "the blocks do not fit together"),
            (
                FailureReason::BodyChanged,
                "the body changed while it was asked for",
            ),
        ] {
            assert_eq!(reason(&failure.into()), said);
        }
    }
}
