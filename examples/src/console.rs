//! A server's console for a person or a script: commands in, events out, line by line.
//!
//! Commands:
//!
//! ```text
//! list
//! read EP PATH [FORMAT]
//! write EP PATH [--FORMAT] VALUE
//! exec EP PATH [ARGUMENTS]
//! discover EP PATH
//! create EP /O[/I] [R=VALUE ...]
//! delete EP /O/I
//! attributes EP PATH NAME[=N] ...
//! observe EP PATH [FORMAT]
//! cancel EP PATH
//! cancel NUMBER
//! withdraw NUMBER
//! help
//! quit
//! ```
//!
//! FORMAT is `text`, `opaque`, `tlv` or `json`. Without it, Read and Observe ask for TLV: every
//! client of LwM2M 1.0 has it (TS 6.4), and one of a later version might choose a format that is
//! unknown here. `any` leaves the choice to the client. Without a format, a value is written in
//! TLV, or as text if the data type of the Resource is unknown.
//!
//! An operation for a client in Queue Mode that is asleep waits, and has a number until it is sent. `list`
//! says of such a client whether it is awake, and what waits for how long at most:
//!
//! ```text
//! asleep EP
//! waiting EP read /3/0 operation=7 86390s
//! ```
//!
//! Events have one line each, with values indented below. An observation has a number, as there may
//! be several of one path:
//!
//! ```text
//! registered EP /rd/5a lifetime=60 version=1.0 binding=U from=127.0.0.1:40000 objects=/1/0,/3/0
//! connected "urn:dev:1" (PSK) from=coaps://127.0.0.1:40001
//! disconnected coaps://127.0.0.1:40001: the peer has closed the session
//! refused handshake from coaps://127.0.0.1:40002: the identity is unknown
//! refused datagram from 127.0.0.1:40000: bad option: option 9
//! refused Register of "EP" from 127.0.0.1:40000 (NoSec): 4.00, expected a query lt=
//! answer EP read /3/0 2.05 Content
//!   /3/0/0 = "Open Mobile Alliance"
//! answer EP observe /3/0/9 2.05 Content observation=1
//!   /3/0/9 = 100
//! notify EP /3/0/9 observation=1
//!   /3/0/9 = 99
//! ended EP /3/0/9 observation=1 cancelled
//! failed EP read /3/0 no answer
//! waiting EP read /3/0 operation=7
//! awake EP
//! asleep EP
//! note no definition of Object 31024: values are shown raw; load one with --ddf
//! ```

mod command;
mod missing;
mod waiting;

use core::{fmt, net::SocketAddr, ops::ControlFlow};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Write},
};

use lwm2m_core::{
    Arguments, Code, ContentFormat, DataType, InstanceId, Instant, ObjectId, Path, Value, ValueRef,
    WriteMode,
    codec::{Content, TypeLookup as _},
};
use lwm2m_statemachine::{
    coap::DatagramError,
    server::{
        ObservationId, OperationId, Outcome, Registration, RegistrationId, Server, ServerEvent,
    },
};

pub use self::command::{Accept, Command, CommandError, Verb, usage};
use self::missing::{Effect, Missing, Notes};
use crate::{
    given::Given,
    secure::{
        server::{SecureDatagramError, SecurePeer, SessionNews},
        sessions::Useless,
    },
    value,
};

/// Who a client is to the server.
type Peer = SecurePeer<SocketAddr>;

/// Turns commands into calls of a server, and its events into lines.
#[derive(Debug, Default)]
pub struct Console {
    operations: BTreeMap<OperationId, (Subject, &'static str)>,
    observations: BTreeMap<ObservationId, (u64, Subject)>,
    /// How many observations there have been.
    observed: u64,
    notes: Notes,
}

/// What an operation or an observation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    endpoint: String,
    path: Path,
    /// The format that was asked for.
    accept: Accept,
}

/// An operation that has begun, and a line to note, if there is any.
#[derive(Debug)]
struct Begun {
    operation: OperationId,
    note: Option<String>,
}

impl Console {
    /// Carries out a command. Breaks if the program is to end.
    pub fn obey(
        &mut self,
        now: Instant,
        server: &mut Server<Peer>,
        command: Command,
        out: &mut dyn Write,
    ) -> io::Result<ControlFlow<()>> {
        let done = match command {
            Command::Quit => return Ok(ControlFlow::Break(())),
            Command::List => {
                self.list(now, server, out)?;
                Ok(None)
            }
            Command::Help => {
                for line in usage() {
                    writeln!(out, "  {line}")?;
                }
                Ok(None)
            }
            Command::Cancel(number) => self.cancel(now, server, number),
            Command::Withdraw(number) => self.withdraw(now, server, number).map(|()| None),
            Command::Operate {
                endpoint,
                path,
                verb,
            } => {
                let accept = verb.accept();
                let subject = Subject {
                    endpoint,
                    path,
                    accept,
                };
                self.operate(now, server, subject, &verb)
            }
        };
        match done {
            Ok(Some(begun)) => {
                if let Some(note) = &begun.note {
                    writeln!(out, "note {note}")?;
                }
                self.tell_whether_it_waits(server, begun.operation, out)?;
            }
            Ok(None) => {}
            Err(error) => writeln!(out, "error {error}")?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn list(&self, now: Instant, server: &Server<Peer>, out: &mut dyn Write) -> io::Result<()> {
        for (id, registration) in server.registrations() {
            writeln!(out, "registered {}", Described(registration))?;
            for (observation, (number, subject)) in &self.observations {
                if observation.registration() == id {
                    let (endpoint, path) = (shown(&subject.endpoint), subject.path);
                    writeln!(out, "observing {endpoint} {path} observation={number}")?;
                }
            }
            self.list_waiting(now, server, (id, registration), out)?;
        }
        Ok(())
    }

    /// Begins an operation.
    fn operate(
        &mut self,
        now: Instant,
        server: &mut Server<Peer>,
        subject: Subject,
        verb: &Verb,
    ) -> Result<Option<Begun>, CommandError> {
        let registration = server
            .find(&subject.endpoint)
            .ok_or_else(|| CommandError::NotRegistered(subject.endpoint.clone()))?;
        let (path, accept) = (subject.path, subject.accept.format());
        let mut note = None;
        let operation = match verb {
            Verb::Read(_) => server.read(now, registration, path, accept),
            Verb::Observe(_) => server.observe(now, registration, path, accept),
            Verb::Discover => server.discover(now, registration, path),
            Verb::Delete => server.delete(now, registration, path),
            Verb::WriteAttributes(update) => {
                server.write_attributes(now, registration, path, update)
            }
            Verb::Create(given) => {
                let (object, instance) = to_create(path)?;
                let content = created(server, registration, object, instance, given)?;
                server.create(now, registration, object, instance, None, &content)
            }
            Verb::Execute(arguments) => {
                let arguments =
                    Arguments::parse(arguments.as_bytes()).map_err(CommandError::Arguments)?;
                server.execute(now, registration, path, &arguments)
            }
            Verb::Write(format, text) => {
                let (value, used) = to_write(server, registration, path, *format, text)?;
                if used != *format {
                    let missing = Missing::of(server, registration, path);
                    note =
                        missing.and_then(|missing| self.notes.note(missing, Effect::WrittenAsText));
                }
                let content = Content::from_iter([(path, value)]);
                server.write(now, registration, path, WriteMode::Replace, used, &content)
            }
            Verb::Cancel => {
                let number = self.only_observation(&subject)?;
                return self.cancel(now, server, number);
            }
        };
        let operation = operation.map_err(CommandError::Call)?;
        self.operations.insert(operation, (subject, verb.name()));
        Ok(Some(Begun { operation, note }))
    }

    fn cancel(
        &mut self,
        now: Instant,
        server: &mut Server<Peer>,
        number: u64,
    ) -> Result<Option<Begun>, CommandError> {
        let mut observations = self.observations.iter();
        let (observation, (_, subject)) = observations
            .find(|(_, (known, _))| *known == number)
            .ok_or(CommandError::NoObservation(number))?;
        let operation = server
            .cancel_observation(now, *observation)
            .map_err(CommandError::Call)?;
        let asked = (subject.clone(), Verb::Cancel.name());
        self.operations.insert(operation, asked);
        let note = None;
        Ok(Some(Begun { operation, note }))
    }

    /// The number of the observation of this path, if there is one and no other.
    fn only_observation(&self, subject: &Subject) -> Result<u64, CommandError> {
        let observations = self.observations.values().filter(|(_, observed)| {
            observed.endpoint == subject.endpoint && observed.path == subject.path
        });
        let numbers: Vec<u64> = observations.map(|(number, _)| *number).collect();
        match *numbers {
            [] => Err(CommandError::NotObserved(subject.path)),
            [number] => Ok(number),
            _ => Err(CommandError::Ambiguous(subject.path, numbers)),
        }
    }

    /// Reports a datagram that the server rejected, such as a Register with an unknown critical
    /// option. What matches nothing has no line: most of it is just late.
    pub fn tell_useless(
        &self,
        from: SocketAddr,
        error: SecureDatagramError,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match error {
            SecureDatagramError::Coap(DatagramError::Unmatched)
            | SecureDatagramError::Dtls(Useless::NoSession | Useless::NoHandshake) => Ok(()),
            error => writeln!(out, "refused datagram from {from}: {error}"),
        }
    }

    /// Prints what became of a session.
    pub fn tell_session(
        &self,
        news: &SessionNews<SocketAddr>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match news {
            SessionNews::Connected {
                peer,
                identity,
                resumed,
            } => {
                let again = if *resumed { " resumed" } else { "" };
                writeln!(out, "connected {identity} from={peer}{again}")
            }
            SessionNews::Ended { peer, why } => writeln!(out, "disconnected {peer}: {why}"),
            SessionNews::Unsent { peer, length } => {
                writeln!(out, "unsent to {peer}: {length} bytes")
            }
            SessionNews::Failed { address, why } => {
                writeln!(out, "refused handshake from coaps://{address}: {why}")
            }
        }
    }

    /// Prints an event.
    pub fn tell(
        &mut self,
        server: &Server<Peer>,
        event: ServerEvent<Peer>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match event {
            ServerEvent::Refused(refusal) => writeln!(out, "refused {refusal}")?,
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
            ServerEvent::Awake { registration } => {
                waiting::tell_presence(server, registration, "awake", out)?;
            }
            ServerEvent::Asleep { registration } => {
                waiting::tell_presence(server, registration, "asleep", out)?;
            }
            ServerEvent::Deregistered { was, .. } => {
                writeln!(out, "deregistered {}", shown(was.endpoint_name()))?;
            }
            ServerEvent::Expired { was, .. } => {
                writeln!(out, "expired {}", shown(was.endpoint_name()))?;
            }
            ServerEvent::Replaced { was, .. } => {
                writeln!(out, "replaced {}", shown(was.endpoint_name()))?;
            }
            ServerEvent::Evicted { was, reason, .. } => {
                writeln!(out, "evicted {} {reason}", shown(was.endpoint_name()))?;
            }
            ServerEvent::Answered {
                registration,
                operation,
                outcome,
            } => {
                if let Some((subject, name)) = self.operations.remove(&operation) {
                    let told = Told {
                        server,
                        registration,
                        subject: &subject,
                    };
                    self.tell_outcome(&told, name, outcome, out)?;
                }
            }
            ServerEvent::Notification {
                registration,
                observation,
                content,
            } => {
                if let Some((number, subject)) = self.observations.get(&observation).cloned() {
                    let told = Told {
                        server,
                        registration,
                        subject: &subject,
                    };
                    let (endpoint, path) = (shown(&subject.endpoint), subject.path);
                    match content {
                        Ok(content) => {
                            writeln!(out, "notify {endpoint} {path} observation={number}")?;
                            self.tell_content(&told, &content, out)?;
                        }
                        Err(error) => writeln!(
                            out,
                            "failed {endpoint} notify {path} observation={number} {error}"
                        )?,
                    }
                }
            }
            ServerEvent::ObservationEnded {
                observation,
                reason,
                ..
            } => {
                if let Some((number, subject)) = self.observations.remove(&observation) {
                    let (endpoint, path) = (shown(&subject.endpoint), subject.path);
                    writeln!(out, "ended {endpoint} {path} observation={number} {reason}")?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn tell_outcome(
        &mut self,
        told: &Told<'_>,
        name: &str,
        outcome: Outcome,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (endpoint, path) = (shown(&told.subject.endpoint), told.subject.path);
        let mut answer = |code: Code| writeln!(out, "answer {endpoint} {name} {path} {code:?}");
        match outcome {
            Outcome::Content(content) => {
                answer(Code::CONTENT)?;
                self.tell_content(told, &content, out)
            }
            Outcome::Observing {
                observation,
                content,
            } => {
                self.observed += 1;
                let (number, code) = (self.observed, Code::CONTENT);
                self.observations
                    .insert(observation, (number, told.subject.clone()));
                writeln!(
                    out,
                    "answer {endpoint} {name} {path} {code:?} observation={number}"
                )?;
                match content {
                    Ok(content) => self.tell_content(told, &content, out),
                    Err(error) => writeln!(out, "failed {endpoint} {name} {path} {error}"),
                }
            }
            Outcome::Links(links) => {
                answer(Code::CONTENT)?;
                links.iter().try_for_each(|link| writeln!(out, "  {link}"))
            }
            Outcome::Changed => answer(Code::CHANGED),
            Outcome::Created { location } => {
                // Without one, it is what was asked for.
                let location = location.unwrap_or(told.subject.path);
                let code = Code::CREATED;
                writeln!(out, "answer {endpoint} {name} {path} {code:?} {location}")
            }
            Outcome::Deleted => answer(Code::DELETED),
            Outcome::Refused { code } => answer(code),
            failure => {
                let reason = reason(&failure);
                writeln!(out, "failed {endpoint} {name} {path} {reason}")
            }
        }
    }

    fn tell_content(
        &mut self,
        told: &Told<'_>,
        content: &Content,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for entry in content.entries() {
            let path = entry.path;
            match &entry.value {
                Some(Value::Raw(octets)) => {
                    let missing = Missing::of(told.server, told.registration, path);
                    let note = missing.and_then(|it| self.notes.note(it, Effect::ShownRaw));
                    if let Some(note) = note {
                        writeln!(out, "note {note}")?;
                    }
                    let value = Untyped {
                        octets,
                        is_text: told.subject.accept == Accept::Format(ContentFormat::TEXT),
                    };
                    writeln!(out, "  {path} = {value}")?;
                }
                Some(value) => writeln!(out, "  {path} = {value}")?,
                None => writeln!(out, "  {path} is empty")?,
            }
        }
        Ok(())
    }
}

/// The client that a line is about, and what was asked.
struct Told<'a> {
    server: &'a Server<Peer>,
    registration: RegistrationId,
    subject: &'a Subject,
}

/// The value to write, and its format: text if the type is unknown.
fn to_write(
    server: &Server<Peer>,
    registration: RegistrationId,
    path: Path,
    format: Option<ContentFormat>,
    text: &str,
) -> Result<(Value, Option<ContentFormat>), CommandError> {
    let (Some(object), Some(resource)) = (path.object(), path.resource()) else {
        return Err(CommandError::NoResource(path));
    };
    let definitions = server.definitions(registration);
    let known = definitions.and_then(|known| known.data_type(object, resource));
    let (data_type, format) = match (known, format) {
        (Some(data_type), format) => (data_type, format),
        (None, None | Some(ContentFormat::TEXT)) => (DataType::String, Some(ContentFormat::TEXT)),
        (None, Some(ContentFormat::OPAQUE)) => (DataType::Opaque, format),
        (None, Some(format)) => return Err(CommandError::Untyped(path, format)),
    };
    let value = value::read(data_type, text).map_err(CommandError::Value)?;
    Ok((value, format))
}

/// The Object and the Object Instance of a Create.
fn to_create(path: Path) -> Result<(ObjectId, Option<InstanceId>), CommandError> {
    match path {
        Path::Object(object) => Ok((object, None)),
        Path::Instance(object, instance) => Ok((object, Some(instance))),
        _ => Err(CommandError::NotCreatable(path)),
    }
}

/// The values of a new Object Instance.
fn created(
    server: &Server<Peer>,
    registration: RegistrationId,
    object: ObjectId,
    instance: Option<InstanceId>,
    given: &[Given],
) -> Result<Content, CommandError> {
    let definitions = server.definitions(registration);
    // Without an identifier, any does.
    let instance = instance.unwrap_or(InstanceId::ZERO);
    let values = given.iter().map(|given| {
        let known = definitions.as_ref();
        let data_type = known.and_then(|known| known.data_type(object, given.resource));
        given.value(object, instance, data_type)
    });
    let content: Result<Content, _> = values.collect();
    content.map_err(CommandError::Unusable)
}

fn reason(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Timeout => "no answer".to_owned(),
        Outcome::Reset => "rejected with Reset".to_owned(),
        Outcome::Failed { reason } => reason.to_string(),
        Outcome::DeadlinePassed { .. } => "its time is over".to_owned(),
        Outcome::Cancelled { .. } => "withdrawn".to_owned(),
        Outcome::Outdated => "the client has changed before it was sent".to_owned(),
        Outcome::ClientGone => "the registration has ended".to_owned(),
        Outcome::PeerGone => "the session has ended, or the client has moved".to_owned(),
        Outcome::Unexpected { code } => format!("unexpected {code:?}"),
        Outcome::Undecodable(error) => error.to_string(),
        other => format!("{other:?}"),
    }
}

/// A value of unknown type: as text if that format was asked for, otherwise as octets, with the
/// text that they might be.
struct Untyped<'a> {
    octets: &'a [u8],
    is_text: bool,
}

impl fmt::Display for Untyped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = str::from_utf8(self.octets).ok();
        let printable = text.filter(|text| !text.contains(char::is_control));
        match (text, printable) {
            (Some(text), _) if self.is_text => write!(f, "{text:?}"),
            (_, Some(text)) if !text.is_empty() => {
                write!(f, "{} ({text:?})", ValueRef::Raw(self.octets))
            }
            _ => write!(f, "{}", ValueRef::Raw(self.octets)),
        }
    }
}

/// An endpoint name. Clients choose it, so anything that doesn't look like one word is escaped.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    if name.contains(|c: char| c.is_control() || c.is_whitespace()) {
        Cow::Owned(format!("{name:?}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// A registration in one line.
struct Described<'a>(&'a Registration<Peer>);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registration = self.0;
        write!(
            f,
            "{} {} lifetime={} version={} binding={} from={} objects=",
            shown(registration.endpoint_name()),
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

#[cfg(test)]
mod tests {
    use lwm2m_statemachine::coap::FailureReason;

    use super::*;

    #[test]
    fn a_value_without_a_type_is_text_if_it_was_asked_for_as_text() {
        let shown = |octets, is_text| Untyped { octets, is_text }.to_string();
        assert_eq!(shown(b"200", true), "\"200\"");
        assert_eq!(shown(b"a\nb", true), "\"a\\nb\"");
        assert_eq!(shown(b"\xff\x01", true), "0xff01");
        assert_eq!(shown(b"200", false), "0x323030 (\"200\")");
        assert_eq!(shown(b"\x00\x28", false), "0x0028");
        assert_eq!(shown(b"", false), "0x");
    }

    #[test]
    fn an_endpoint_name_cannot_pass_for_more_than_a_name() {
        assert_eq!(shown("urn:imei:123"), "urn:imei:123");
        assert_eq!(shown("a\nexpired b"), "\"a\\nexpired b\"");
        assert_eq!(shown("a\x1b[2J"), "\"a\\u{1b}[2J\"");
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
