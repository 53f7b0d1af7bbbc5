//! The node of an honest server: its application, its operations, and what it is told.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    AccessRights, Arguments, AttributesUpdate, ContentFormat, InstanceId, Instant, ObjectId, Path,
    ResourceInstanceId, ShortServerId, Value, WriteMode, codec::Content,
};
use lwm2m_simulation::{Address, Application, Random};
use lwm2m_statemachine::server::{
    CallError, ObservationId, OperationId, Outcome, RegistrationId, Server, ServerEvent,
};

use super::{
    book::{Reversal, Shared},
    firmware,
    objects::{self, COUNTER, GAUGE, LEVEL, MOST, MOST_GAUGES, NUMBER, RUN, SLOTS, TEXT, gauge},
    plan::{Fault, LONGEST_MINIMUM, LONGEST_PERIOD},
};
use crate::lines::Lines;

pub(crate) const ENDPOINT: &str = "device";

/// What was asked for, and in which incarnation of the Client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) what: What,
    pub(crate) incarnation: u32,
}

/// An operation. A number tells its effect from all others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Read(Path),
    Discover,
    Write(u32),
    /// A Write that can't succeed as a whole.
    BadWrite(u32),
    WriteLifetime,
    /// A Write of who may read a Gauge.
    WriteRights,
    /// A Write of a firmware package.
    WritePackage,
    /// A Write of its URI, which may be empty.
    WriteUri,
    Attributes,
    Execute(u32),
    Create(u32),
    Delete,
    Observe(Path),
    Cancel,
}

/// An observation, and what was heard of it last.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) path: Path,
    /// When something was heard last.
    pub(crate) heard: Instant,
    pub(crate) values: BTreeMap<Path, Value>,
    /// The last Counters of each Gauge.
    counters: BTreeMap<Path, i64>,
    /// All values of Counters, in the order in which they were heard.
    pub(crate) told: Vec<i64>,
    /// How many notifications were not heard whole.
    pub(crate) lost: u64,
    /// Whether a fault misses the next notification.
    pub(crate) misses: bool,
}

/// The application of a server.
pub(crate) struct Platform {
    /// Which of the three it is.
    pub(crate) server: usize,
    lines: Lines,
    book: Shared,
    random: Random,
    fault: Fault,
    /// The notification to take after the next one.
    held: Option<(ObservationId, Content)>,
    pub(crate) asked: BTreeMap<OperationId, Asked>,
    pub(crate) outcomes: BTreeMap<OperationId, Outcome>,
    pub(crate) alive: BTreeSet<RegistrationId>,
    gone: BTreeSet<RegistrationId>,
    pub(crate) watched: BTreeMap<ObservationId, Watched>,
    ended: BTreeSet<ObservationId>,
}

impl Platform {
    pub(crate) fn new(
        server: usize,
        lines: Lines,
        book: Shared,
        random: Random,
        fault: Fault,
    ) -> Self {
        Self {
            server,
            lines,
            book,
            random,
            fault,
            held: None,
            asked: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            alive: BTreeSet::new(),
            gone: BTreeSet::new(),
            watched: BTreeMap::new(),
            ended: BTreeSet::new(),
        }
    }

    /// Asks the Client for something, if it is registered. `number` is that of no other operation.
    pub(crate) fn act(&mut self, now: Instant, server: &mut Server<Address>, number: u32) {
        let Some(client) = server.find(ENDPOINT) else {
            return;
        };
        let result = match self.random.below(20) {
            0 | 1 => self.read(now, server, client),
            2 => server
                .discover(now, client, self.path())
                .map(|operation| (operation, What::Discover)),
            3..=7 => self.write(now, server, client, number),
            8 | 9 => {
                let text = format!("0='{number}'");
                let arguments = Arguments::parse(text.as_bytes()).expect("arguments");
                server
                    .execute(now, client, gauge(0, RUN), &arguments)
                    .map(|operation| (operation, What::Execute(number)))
            }
            10 => self.create(now, server, client, number),
            11 => {
                let instance = self.instance(1);
                server
                    .delete(now, client, Path::Instance(GAUGE, instance))
                    .map(|operation| (operation, What::Delete))
            }
            12 | 13 => self.write_attributes(now, server, client),
            14..=17 => self.observe(now, server, client),
            _ => self.end_observation(now, server),
        };
        match result {
            Ok((operation, what)) => self.note(operation, what),
            Err(CallError::Overload(_)) => self.count("no room for an operation"),
            // There is nothing to cancel, or the registration has just ended.
            Err(CallError::UnknownObservation | CallError::UnknownRegistration) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// This was asked for.
    fn note(&mut self, operation: OperationId, what: What) {
        let mut book = self.book.borrow_mut();
        let incarnation = book.incarnation;
        book.count(format!("asked: {}", what.name()));
        drop(book);
        self.asked.insert(operation, Asked { what, incarnation });
    }

    fn count(&self, what: impl Into<String>) {
        self.book.borrow_mut().count(what);
    }

    /// A Gauge, from this number on.
    fn instance(&mut self, from: u16) -> InstanceId {
        let id = from + self.random.below(MOST_GAUGES as u64 - u64::from(from)) as u16;
        InstanceId::new(id).expect("an Object Instance ID")
    }

    /// An Object, an Object Instance or a Resource that can be read.
    fn path(&mut self) -> Path {
        let instance = match self.random.below(4) {
            0 => self.instance(0).get(),
            which => u16::from(which == 3),
        };
        match self.random.below(8) {
            0 => Path::Object(GAUGE),
            1 | 2 => gauge(instance, 0).parent().expect("an Object Instance"),
            3 => Path::of(&[3, 0, 9]).expect("a path"),
            _ => {
                let resource = [COUNTER, COUNTER, LEVEL, LEVEL, NUMBER, TEXT, SLOTS];
                gauge(instance, resource[self.random.below(7) as usize])
            }
        }
    }

    fn format(&mut self) -> Option<ContentFormat> {
        let formats = [None, Some(ContentFormat::TLV), Some(ContentFormat::JSON)];
        formats[self.random.below(3) as usize]
    }

    fn read(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        client: RegistrationId,
    ) -> Result<(OperationId, What), CallError> {
        let (path, format) = (self.path(), self.format());
        let operation = server.read(now, client, path, format)?;
        Ok((operation, What::Read(path)))
    }

    /// A Write of a Resource or of an Object Instance, some of which can't succeed; or of the lifetime
    /// of the own account.
    fn write(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        client: RegistrationId,
        number: u32,
    ) -> Result<(OperationId, What), CallError> {
        let mut content = Content::new();
        let format = self.format();
        let modes = [WriteMode::Replace, WriteMode::PartialUpdate];
        let mode = modes[self.random.below(2) as usize];
        let instance = self.instance(0).get().min(self.random.below(6) as u16);
        let whole = gauge(instance, 0).parent().expect("an Object Instance");
        let slot = |id: u16| {
            let Path::Resource(object, instance, resource) = gauge(instance, SLOTS) else {
                unreachable!("a Resource");
            };
            Path::ResourceInstance(object, instance, resource, ResourceInstanceId::new(id))
        };
        let what = What::Write(number);
        let (path, what) = match self.random.below(9) {
            0 | 1 => {
                content.insert(gauge(instance, NUMBER), i64::from(number));
                (gauge(instance, NUMBER), what)
            }
            2 | 3 => {
                content.insert(gauge(instance, TEXT), objects::text(number));
                (gauge(instance, TEXT), what)
            }
            4 => {
                let slots = 1 + self.random.below(3) as u16;
                (0..slots).for_each(|id| content.insert(slot(id), i64::from(number)));
                (gauge(instance, SLOTS), what)
            }
            5 | 6 => {
                content.insert(gauge(instance, NUMBER), i64::from(number));
                content.insert(gauge(instance, TEXT), objects::text(number));
                content.insert(slot(0), i64::from(number));
                (whole, what)
            }
            7 => {
                content.insert(gauge(instance, TEXT), objects::text(number));
                // The last value is out of its range, or can't be written.
                if self.random.chance(0.5) {
                    content.insert(gauge(instance, NUMBER), MOST + i64::from(number));
                } else {
                    content.insert(gauge(instance, COUNTER), i64::from(number));
                }
                (whole, What::BadWrite(number))
            }
            _ => {
                let id = InstanceId::new(self.server as u16).expect("an Object Instance ID");
                let lifetime = Path::Resource(ObjectId::SERVER, id, 1.into());
                content.insert(lifetime, 60 + self.random.below(600) as i64);
                (lifetime, What::WriteLifetime)
            }
        };
        let operation = server.write(now, client, path, mode, format, &content)?;
        Ok((operation, what))
    }

    fn create(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        client: RegistrationId,
        number: u32,
    ) -> Result<(OperationId, What), CallError> {
        let chosen = self.random.chance(0.5);
        let instance = self.instance(1);
        let mut content = Content::new();
        content.insert(gauge(instance.get(), NUMBER), i64::from(number));
        content.insert(gauge(instance.get(), TEXT), objects::text(number));
        let instance = chosen.then_some(instance);
        let format = self.format();
        let operation = server.create(now, client, GAUGE, instance, format, &content)?;
        Ok((operation, What::Create(number)))
    }

    fn write_attributes(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        client: RegistrationId,
    ) -> Result<(OperationId, What), CallError> {
        let path = self.path();
        let random = &mut self.random;
        let pmin = random.below(u64::from(LONGEST_MINIMUM) + 1);
        let pmax =
            u64::from(LONGEST_MINIMUM) + random.below(u64::from(LONGEST_PERIOD - LONGEST_MINIMUM));
        let mut queries = match random.below(6) {
            0 => vec!["pmin".into(), "pmax".into()],
            1 => vec![format!("pmin={pmin}")],
            // They contradict each other.
            2 => vec!["pmin=200".into(), "pmax=100".into()],
            _ => vec![format!("pmin={pmin}"), format!("pmax={pmax}")],
        };
        if random.chance(0.3) {
            queries.push(format!("gt={}", random.below(100)));
        }
        if random.chance(0.3) {
            queries.push(format!("st={}", random.below(40)));
        }
        let update = AttributesUpdate::from_queries(queries.iter().map(String::as_str));
        let update = update.expect("attributes");
        let operation = server.write_attributes(now, client, path, &update)?;
        Ok((operation, What::Attributes))
    }

    fn observe(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        client: RegistrationId,
    ) -> Result<(OperationId, What), CallError> {
        let (path, format) = (self.path(), self.format());
        let operation = server.observe(now, client, path, format)?;
        Ok((operation, What::Observe(path)))
    }

    /// Gives another server the right to read a Gauge, or takes it.
    pub(crate) fn write_rights(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        (control, entry): (InstanceId, Path),
        rights: AccessRights,
    ) {
        let Some(client) = server.find(ENDPOINT) else {
            return;
        };
        let mut content = Content::new();
        content.insert(entry, i64::from(rights.bits()));
        let path = Path::Instance(ObjectId::ACCESS_CONTROL, control);
        // A Replace would drop the rights of others.
        let mode = WriteMode::PartialUpdate;
        let format = self.format();
        if let Ok(operation) = server.write(now, client, path, mode, format, &content) {
            self.note(operation, What::WriteRights);
        }
    }

    /// Writes firmware, has it fetched, or drops it.
    pub(crate) fn update_firmware(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        number: u32,
    ) {
        match self.random.below(5) {
            0 => self.write_uri(now, server, ""),
            1 | 2 => self.write_uri(now, server, &firmware::uri(number)),
            _ => {
                let package = firmware::package(number);
                let value = Value::Opaque(package);
                let format = Some(ContentFormat::OPAQUE);
                self.write_firmware(now, server, (0, value, format), What::WritePackage);
            }
        }
    }

    /// Has firmware fetched, or drops it if the URI is empty.
    pub(crate) fn write_uri(&mut self, now: Instant, server: &mut Server<Address>, uri: &str) {
        self.write_firmware(now, server, (1, uri.into(), None), What::WriteUri);
    }

    fn write_firmware(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        (resource, value, format): (u16, Value, Option<ContentFormat>),
        what: What,
    ) {
        let Some(client) = server.find(ENDPOINT) else {
            return;
        };
        let path = Path::of(&[5, 0, resource]).expect("a path");
        let mut content = Content::new();
        content.insert(path, value);
        let mode = WriteMode::Replace;
        if let Ok(operation) = server.write(now, client, path, mode, format, &content) {
            self.note(operation, what);
        }
    }

    /// Observes a Counter of which every change is told, unless it is observed.
    pub(crate) fn observe_counter(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
        instance: u16,
    ) {
        let path = gauge(instance, COUNTER);
        let is_observed = self.watched.values().any(|to| to.path == path);
        let Some(client) = server.find(ENDPOINT).filter(|_| !is_observed) else {
            return;
        };
        let queries = ["pmin=0", "gt", "lt", "st"];
        let update = AttributesUpdate::from_queries(queries).expect("attributes");
        let written = server.write_attributes(now, client, path, &update);
        let written = written.map(|operation| (operation, What::Attributes));
        let format = self.format();
        let observed = server.observe(now, client, path, format);
        let observed = observed.map(|operation| (operation, What::Observe(path)));
        for (operation, what) in [written, observed].into_iter().flatten() {
            self.note(operation, what);
        }
    }

    /// Cancels an observation with a request, or with the Reset of its next notification.
    fn end_observation(
        &mut self,
        now: Instant,
        server: &mut Server<Address>,
    ) -> Result<(OperationId, What), CallError> {
        let at = self.random.below(self.watched.len() as u64) as usize;
        let observation = self.watched.keys().nth(at).copied();
        let observation = observation.ok_or(CallError::UnknownObservation)?;
        if self.random.chance(0.4) {
            self.count("observation dropped");
            server.drop_observation(now, observation)?;
            return Err(CallError::UnknownObservation);
        }
        let operation = server.cancel_observation(now, observation)?;
        Ok((operation, What::Cancel))
    }

    /// Whether every operation has its outcome.
    pub(crate) fn has_all_outcomes(&self) -> bool {
        self.outcomes.len() == self.asked.len()
    }

    fn goes(&mut self, registration: RegistrationId) {
        assert!(self.alive.remove(&registration), "ended and never began");
        assert!(self.gone.insert(registration), "ended twice");
        let mut left = self.watched.keys();
        assert!(
            !left.any(|id| id.registration() == registration),
            "observations outlive their registration"
        );
        let mut operations = self.asked.keys();
        assert!(
            operations
                .all(|id| id.registration() != registration || self.outcomes.contains_key(id)),
            "operations outlive their registration"
        );
    }

    fn answered(&mut self, now: Instant, operation: OperationId, outcome: Outcome) {
        let asked = self.asked.get(&operation).cloned();
        let asked = asked.expect("the answer to an operation");
        let mut name = outcome_name(&outcome);
        name = format!("{}: {name}", asked.what.name());
        self.book.borrow_mut().count(name);
        match (&asked.what, &outcome) {
            (What::Read(path), Outcome::Content(content)) => check_content(*path, content),
            (
                What::Observe(path),
                Outcome::Observing {
                    observation,
                    content,
                },
            ) => {
                let watched = Watched {
                    path: *path,
                    heard: now,
                    values: BTreeMap::new(),
                    counters: BTreeMap::new(),
                    told: Vec::new(),
                    lost: 0,
                    misses: false,
                };
                let before = self.watched.insert(*observation, watched);
                assert!(before.is_none(), "begins twice");
                let content = content.as_ref().expect("values that can be read");
                self.heard(now, *observation, content);
            }
            _ => {}
        }
        self.check_effects(&asked, &outcome);
        let before = self.outcomes.insert(operation, outcome);
        assert_eq!(before, None, "a second outcome of {operation:?}");
    }

    /// Success says that it took effect, a refusal that it didn't. Once is checked elsewhere.
    fn check_effects(&self, asked: &Asked, outcome: &Outcome) {
        let book = self.book.borrow();
        let (number, may_succeed) = match asked.what {
            What::Write(number) | What::Execute(number) | What::Create(number) => (number, true),
            What::BadWrite(number) => (number, false),
            _ => return,
        };
        let effects = book.effects(number);
        match outcome {
            Outcome::Changed | Outcome::Created { .. } => {
                assert!(may_succeed, "{asked:?} can't succeed");
                assert!(effects > 0, "{asked:?} was reported and never took effect");
            }
            // Before a reboot it may have been done.
            Outcome::Refused { .. } if asked.incarnation == book.incarnation => {
                assert_eq!(effects, 0, "{asked:?} was refused and left a trace");
            }
            _ => {}
        }
    }

    fn notified(&mut self, now: Instant, observation: ObservationId, content: Content) {
        match self.fault {
            Fault::Deaf => {
                let watched = self.watched.get_mut(&observation).expect("observed");
                watched.heard = now;
            }
            Fault::Shuffles => {
                let Some((of, held)) = self.held.replace((observation, content)) else {
                    return;
                };
                let newer = self.held.take_if(|(newer, _)| *newer == of);
                if let Some((_, newer)) = newer {
                    self.heard(now, of, &newer);
                }
                if self.watched.contains_key(&of) {
                    self.heard(now, of, &held);
                }
            }
            Fault::Misses | Fault::Dozes => {
                let watched = self.watched.get_mut(&observation).expect("observed");
                let misses = watched.misses;
                watched.misses = self.fault == Fault::Dozes && !misses;
                if !misses {
                    self.heard(now, observation, &content);
                }
            }
            _ => self.heard(now, observation, &content),
        }
    }

    /// Takes the values of an observation, and notes whether they go back.
    fn heard(&mut self, now: Instant, observation: ObservationId, content: &Content) {
        let watched = self.watched.get_mut(&observation).expect("observed");
        check_content(watched.path, content);
        for (path, count) in objects::counters(content) {
            let before = watched.counters.insert(path, count).unwrap_or(count);
            if before > count {
                self.book.borrow_mut().reversals.push(Reversal {
                    server: self.server,
                    at: now,
                    observed: watched.path,
                    value: path,
                    count,
                    before,
                });
            }
            watched.told.push(count);
        }
        watched.heard = now;
        watched.values = objects::last_values(content);
    }
}

impl What {
    const fn name(&self) -> &'static str {
        match self {
            Self::Read(_) => "Read",
            Self::Discover => "Discover",
            Self::Write(_) => "Write",
            Self::BadWrite(_) => "bad Write",
            Self::WriteLifetime => "Write of the lifetime",
            Self::WriteRights => "Write of rights",
            Self::WritePackage => "Write of a package",
            Self::WriteUri => "Write of a package URI",
            Self::Attributes => "Write-Attributes",
            Self::Execute(_) => "Execute",
            Self::Create(_) => "Create",
            Self::Delete => "Delete",
            Self::Observe(_) => "Observe",
            Self::Cancel => "Cancel",
        }
    }
}

fn outcome_name(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Content(_) => "content".into(),
        Outcome::Observing { .. } => "observing".into(),
        Outcome::Refused { code } => format!("refused {code}"),
        Outcome::Failed { reason } => format!("failed, {reason}"),
        Outcome::Links(_) => "links".into(),
        Outcome::Created { .. } => "created".into(),
        Outcome::Undecodable(error) => panic!("an answer that can't be used: {error}"),
        Outcome::Unexpected { code } => panic!("an answer of another operation: {code}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Everything is about the path, and no text is torn.
fn check_content(path: Path, content: &Content) {
    for (at, value) in content.values() {
        assert!(path.contains(&at), "{at} isn't below {path}");
        if let (Path::Resource(GAUGE, _, resource), Value::String(text)) = (at, value) {
            assert_eq!(resource.get(), TEXT);
            assert!(objects::text_number(text).is_some(), "a torn text: {text}");
        }
    }
}

impl Application for Platform {
    type Machine = Server<Address>;

    fn handle_event(&mut self, now: Instant, _: &mut Server<Address>, event: ServerEvent<Address>) {
        match event {
            ServerEvent::Registered { registration } => {
                assert!(!self.gone.contains(&registration), "a handle is used again");
                assert!(self.alive.insert(registration), "registered twice");
                self.count("registered");
            }
            ServerEvent::Updated { registration, .. } => {
                assert!(self.alive.contains(&registration), "updated and not there");
                self.count("updated");
            }
            ServerEvent::Deregistered { registration, .. } => {
                self.goes(registration);
                self.count("deregistered");
            }
            ServerEvent::Expired { registration, .. } => {
                self.goes(registration);
                self.count("expired");
            }
            ServerEvent::Replaced { registration, .. } => {
                self.goes(registration);
                self.count("replaced");
            }
            ServerEvent::Answered {
                operation, outcome, ..
            } => self.answered(now, operation, outcome),
            ServerEvent::Notification {
                observation,
                content: Ok(content),
                ..
            } => {
                assert!(self.watched.contains_key(&observation), "not observed");
                self.count("notification");
                self.notified(now, observation, content);
            }
            ServerEvent::Notification {
                observation,
                content: Err(error),
                ..
            } => {
                let watched = self.watched.get_mut(&observation).expect("observed");
                watched.lost += 1;
                self.count(format!("notification lost: {error}"));
            }
            ServerEvent::ObservationEnded {
                observation,
                reason,
                ..
            } => {
                assert!(
                    self.watched.remove(&observation).is_some(),
                    "ends and never began"
                );
                assert!(self.ended.insert(observation), "ends twice");
                self.count(format!("observation ended: {reason}"));
            }
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        self.lines.borrow_mut()[self.server].named(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        self.lines.borrow()[self.server].reached(*peer)
    }
}

/// The Short Server ID of a server.
pub(crate) const fn id(server: usize) -> ShortServerId {
    objects::SERVERS[server]
}
