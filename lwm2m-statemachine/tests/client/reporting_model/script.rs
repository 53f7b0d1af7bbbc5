//! What happens in a case: the servers ask, the application sets, links come and go.

use alloc::collections::BTreeMap;
use core::fmt;

use lwm2m_core::{AccessRights, Path, Value};
use lwm2m_simulation::Random;

/// How many servers there are. Their Short Server IDs are 101 and up, in order.
pub(super) const SERVERS: usize = 3;
/// The Object with two Object Instances, and the one with a single one.
pub(super) const OBJECTS: [u16; 2] = [26_300, 26_301];
/// All Object Instances.
pub(super) const INSTANCES: [(u16, u16); 3] = [(OBJECTS[0], 0), (OBJECTS[0], 1), (OBJECTS[1], 0)];
/// How long after a loss a connection can be up again: the Client has asked for it by then.
const ASKED_AFTER: u64 = 100;

/// The Resources of both Objects.
pub(super) mod resource {
    pub(in super::super) const INTEGER: u16 = 0;
    pub(in super::super) const FLOAT: u16 = 1;
    pub(in super::super) const BOOLEAN: u16 = 2;
    pub(in super::super) const STRING: u16 = 3;
    /// Multiple.
    pub(in super::super) const INTEGERS: u16 = 4;
    /// Multiple.
    pub(in super::super) const FLOATS: u16 = 5;
    /// Write-only.
    pub(in super::super) const SECRET: u16 = 6;

    pub(in super::super) const READABLE: [u16; 6] =
        [INTEGER, FLOAT, BOOLEAN, STRING, INTEGERS, FLOATS];
}

/// An Object, an Object Instance or a Resource.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) object: u16,
    pub(super) instance: Option<u16>,
    pub(super) resource: Option<u16>,
}

/// The values of a Resource by Resource Instance; that of a single Resource is at 0.
pub(super) type Array = BTreeMap<u16, Value>;

/// The attributes that a Write-Attributes names, each with its new value or without one.
pub(super) type Queries = Vec<(&'static str, Option<f64>)>;

/// One thing that happens.
#[derive(Clone, PartialEq)]
pub(super) enum Act {
    /// A server observes.
    Observe {
        server: usize,
        token: u8,
        place: Place,
    },
    /// A server cancels with Observe: 1.
    Cancel {
        server: usize,
        token: u8,
        place: Place,
    },
    /// A server rejects the last notification with this token.
    Reset { server: usize, token: u8 },
    /// A server writes attributes.
    WriteAttributes {
        server: usize,
        place: Place,
        queries: Queries,
    },
    /// A server writes a Resource: PUT (`replace`) or POST.
    Write {
        server: usize,
        resource: Place,
        replace: bool,
        values: Array,
    },
    /// A server writes several Resources of an Object Instance with one POST.
    WriteInstance {
        server: usize,
        instance: Place,
        values: BTreeMap<u16, Array>,
    },
    /// A server writes its Default Minimum (2) or Maximum (3) Period.
    WritePeriod {
        server: usize,
        resource: u16,
        seconds: u32,
    },
    /// The application sets one of the two.
    SetPeriod {
        server: usize,
        resource: u16,
        seconds: u32,
    },
    /// The application sets Notification Storing When Disabled or Offline.
    SetStoring { server: usize, storing: bool },
    /// The application sets one value.
    Set {
        resource: Place,
        id: u16,
        value: Value,
    },
    /// The application sets the rights of a server on an Object Instance.
    SetRights {
        server: usize,
        instance: Place,
        rights: AccessRights,
    },
    /// The connection to a server is lost.
    Lose { server: usize },
    /// It is up again, with the session that it had. The Update that follows is answered later.
    Find { server: usize, answered_after: u64 },
    /// The device goes offline.
    GoOffline,
    /// The device goes online. The Updates that follow are answered later.
    GoOnline { answered_after: u64 },
    /// The Update after a return is answered. Scripts don't have it; it follows from the two above.
    Return { server: usize },
}

/// An act, so many milliseconds after the one before it.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) after: u64,
    pub(super) act: Act,
}

/// A case.
#[derive(Clone)]
pub(super) struct Script {
    /// The default periods at the beginning, by server.
    pub(super) periods: [(Option<u32>, Option<u32>); SERVERS],
    /// Notification Storing at the beginning, by server.
    pub(super) storing: [bool; SERVERS],
    /// Whether all notifications are confirmable, and not only those that were stored.
    pub(super) confirmable: bool,
    pub(super) steps: Vec<Step>,
}

/// What a script may have in it besides values, observations and attributes.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) rights: bool,
    pub(super) offline: bool,
}

/// An act at its time, in milliseconds from the beginning.
pub(super) struct Event {
    pub(super) at: u64,
    pub(super) act: Act,
}

impl Place {
    pub(super) const fn object(object: u16) -> Self {
        Self {
            object,
            instance: None,
            resource: None,
        }
    }

    pub(super) const fn instance((object, instance): (u16, u16)) -> Self {
        Self {
            object,
            instance: Some(instance),
            resource: None,
        }
    }

    pub(super) const fn resource((object, instance): (u16, u16), resource: u16) -> Self {
        Self {
            object,
            instance: Some(instance),
            resource: Some(resource),
        }
    }

    /// One level up.
    pub(super) const fn parent(self) -> Self {
        match self.resource {
            Some(_) => Self {
                resource: None,
                ..self
            },
            None => Self::object(self.object),
        }
    }

    /// Whether `other` is this place or below it.
    pub(super) fn contains(self, other: Self) -> bool {
        self.object == other.object
            && self.instance.is_none_or(|id| other.instance == Some(id))
            && self.resource.is_none_or(|id| other.resource == Some(id))
    }

    pub(super) fn path(self) -> Path {
        let ids = [Some(self.object), self.instance, self.resource];
        let ids: Vec<u16> = ids.into_iter().flatten().collect();
        Path::of(&ids).unwrap()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path())
    }
}

impl Act {
    /// The server that sends a request.
    const fn asker(&self) -> Option<usize> {
        match *self {
            Self::Observe { server, .. }
            | Self::Cancel { server, .. }
            | Self::Reset { server, .. }
            | Self::WriteAttributes { server, .. }
            | Self::Write { server, .. }
            | Self::WriteInstance { server, .. }
            | Self::WritePeriod { server, .. } => Some(server),
            _ => None,
        }
    }
}

/// The links to the servers.
#[derive(Default)]
struct Links {
    /// Since when a connection is lost, by server.
    lost: [Option<u64>; SERVERS],
    offline: bool,
    online_since: u64,
    /// When an Update will be answered, by server.
    returns: [Option<u64>; SERVERS],
}

impl Links {
    /// Whether an act is possible; those that change a link do so.
    fn take(&mut self, at: u64, act: &Act) -> bool {
        if let Some(server) = act.asker() {
            let down = self.offline || self.lost[server].is_some();
            return !down && self.returns[server].is_none();
        }
        match *act {
            Act::Lose { server } if self.lost[server].is_none() => {
                self.lost[server] = Some(at);
                self.returns[server] = None;
            }
            Act::Find {
                server,
                answered_after,
            } if !self.offline && at >= self.online_since + ASKED_AFTER => {
                match self.lost[server] {
                    Some(since) if at >= since + ASKED_AFTER => {}
                    _ => return false,
                }
                self.lost[server] = None;
                self.returns[server] = Some(at + answered_after);
            }
            Act::GoOffline if !self.offline => {
                self.offline = true;
                self.returns = [None; SERVERS];
            }
            Act::GoOnline { answered_after } if self.offline => {
                self.offline = false;
                self.online_since = at;
                for (returns, lost) in self.returns.iter_mut().zip(self.lost) {
                    *returns = lost.is_none().then_some(at + answered_after);
                }
            }
            Act::Lose { .. }
            | Act::Find { .. }
            | Act::GoOffline
            | Act::GoOnline { .. }
            | Act::Return { .. } => return false,
            _ => {}
        }
        true
    }

    /// The next answer to an Update, if it comes by this time.
    fn next_return(&mut self, by: u64) -> Option<Event> {
        let returns = self.returns.iter().enumerate();
        let due = returns.filter_map(|(server, at)| Some(((*at)?, server)));
        let (at, server) = due.min().filter(|(at, _)| *at <= by)?;
        self.returns[server] = None;
        let act = Act::Return { server };
        Some(Event { at, act })
    }
}

impl Script {
    /// What really happens: a server whose link is down can't ask, a link that is up can't come up.
    /// So any part of a script is a script.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut links = Links::default();
        let mut at = 0;
        for step in &self.steps {
            at += step.after;
            events.extend(core::iter::from_fn(|| links.next_return(at)));
            if links.take(at, &step.act) {
                let act = step.act.clone();
                events.push(Event { at, act });
            }
        }
        events.extend(core::iter::from_fn(|| links.next_return(u64::MAX)));
        events
    }

    /// The script of a seed.
    pub(super) fn of(seed: u64, plan: Plan) -> Self {
        Author {
            random: Random::new(seed, 0),
            plan,
            narrow: None,
            tokens: Vec::new(),
            offline: false,
            lost: [false; SERVERS],
        }
        .script()
    }
}

/// Who makes up a script.
struct Author {
    random: Random,
    plan: Plan,
    /// The Object Instance and the Resource that nearly all is about, in a case where much meets.
    narrow: Option<((u16, u16), u16)>,
    /// The servers, tokens and places of the observations so far.
    tokens: Vec<(usize, u8, Place)>,
    /// The links as they are meant to be; the script decides.
    offline: bool,
    lost: [bool; SERVERS],
}

impl Author {
    fn script(mut self) -> Script {
        if self.random.chance(0.5) {
            let instance = self.instance();
            let resource = self.pick(&resource::READABLE);
            self.narrow = Some((instance, resource));
        }
        let periods = [(); SERVERS].map(|()| (self.maybe_seconds(), self.maybe_seconds()));
        let storing = [(); SERVERS].map(|()| self.random.chance(0.7));
        let count = 3 + self.random.below(18);
        let mut steps = Vec::new();
        // Some observe before anything happens.
        for _ in 0..=self.random.below(3) {
            let act = self.observe();
            steps.push(Step { after: 0, act });
        }
        for _ in 0..count {
            let after = self.pause();
            let act = self.act();
            steps.push(Step { after, act });
        }
        for act in self.return_to_all() {
            let after = ASKED_AFTER + self.pause();
            steps.push(Step { after, act });
        }
        Script {
            periods,
            storing,
            confirmable: self.random.chance(0.2),
            steps,
        }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let at = self.random.below(of.len() as u64);
        of[usize::try_from(at).unwrap()]
    }

    fn small(&mut self, below: u64) -> u32 {
        u32::try_from(self.random.below(below)).unwrap()
    }

    fn maybe_seconds(&mut self) -> Option<u32> {
        self.random.chance(0.4).then(|| self.small(12))
    }

    /// Milliseconds between two acts: often none, or those that make times meet.
    fn pause(&mut self) -> u64 {
        match self.random.below(10) {
            0 | 1 => 0,
            2 => 1,
            3..=5 => 1000 * self.random.below(8),
            6..=8 => self.random.below(3_000),
            _ => self.random.below(20_000),
        }
    }

    fn server(&mut self) -> usize {
        if self.narrow.is_some() && self.random.chance(0.8) {
            return 0;
        }
        self.pick(&[0, 0, 1, 2])
    }

    fn instance(&mut self) -> (u16, u16) {
        if let Some((instance, _)) = self.narrow
            && self.random.chance(0.8)
        {
            return instance;
        }
        self.pick(&[INSTANCES[0], INSTANCES[0], INSTANCES[1], INSTANCES[2]])
    }

    /// A Resource that can be read; most often one of a few, so that acts meet.
    fn resource(&mut self) -> Place {
        let instance = self.instance();
        let resource = match self.narrow {
            Some((_, resource)) if self.random.chance(0.8) => resource,
            _ => self.pick(&resource::READABLE),
        };
        Place::resource(instance, resource)
    }

    fn place(&mut self) -> Place {
        match self.random.below(7) {
            0 => Place::object(self.instance().0),
            1 => Place::instance(self.instance()),
            _ => self.resource(),
        }
    }

    fn act(&mut self) -> Act {
        match self.random.below(100) {
            0..=9 => self.observe(),
            10..=13 => self.end(),
            14..=31 => self.write_attributes(),
            32..=49 => self.write(),
            50..=53 => self.period(),
            54..=63 if self.plan.rights => self.rights(),
            64..=83 if self.plan.offline => self.link(),
            _ => self.set(),
        }
    }

    fn observe(&mut self) -> Act {
        if self.random.chance(0.1) && !self.tokens.is_empty() {
            let tokens = self.tokens.clone();
            let (server, token, place) = self.pick(&tokens);
            return Act::Observe {
                server,
                token,
                place,
            };
        }
        let (server, place) = (self.server(), self.place());
        let token = u8::try_from(self.tokens.len()).unwrap();
        self.tokens.push((server, token, place));
        Act::Observe {
            server,
            token,
            place,
        }
    }

    fn end(&mut self) -> Act {
        let tokens = self.tokens.clone();
        let (server, token, place) = self.pick(&tokens);
        match self.random.below(4) {
            0 => Act::Reset { server, token },
            // With a token of no observation.
            1 => Act::Cancel {
                server,
                token: 200,
                place: self.place(),
            },
            _ => Act::Cancel {
                server,
                token,
                place,
            },
        }
    }

    fn write_attributes(&mut self) -> Act {
        let mut place = self.place();
        if self.random.chance(0.03) {
            place.instance = Some(0);
            place.resource = Some(resource::SECRET);
        }
        let mut queries = Queries::new();
        let periods: &[&'static str] = &["pmin", "pmax"];
        let all: &[&'static str] = &["pmin", "pmax", "gt", "lt", "st"];
        let numeric = !matches!(
            place.resource,
            None | Some(resource::BOOLEAN | resource::STRING)
        );
        let names = if numeric || self.random.chance(0.05) {
            all
        } else {
            periods
        };
        for name in names {
            if !self.random.chance(0.35) {
                continue;
            }
            let value = match *name {
                "pmin" => f64::from(self.small(10)),
                "pmax" => f64::from(self.small(20)),
                "gt" => f64::from(self.small(12)),
                "lt" => f64::from(self.small(12)) - 5.0,
                _ => f64::from(self.small(9)) / 2.0,
            };
            queries.push((name, (!self.random.chance(0.2)).then_some(value)));
        }
        if queries.is_empty() {
            // A PUT without queries is a Write.
            queries.push(("pmin", None));
        }
        Act::WriteAttributes {
            server: self.server(),
            place,
            queries,
        }
    }

    /// A value for a Resource, from a few, so that it is the same as before now and then.
    fn value(&mut self, resource: u16) -> Value {
        match resource {
            resource::BOOLEAN => Value::Boolean(self.random.chance(0.5)),
            resource::STRING => Value::from(self.pick(&["", "a", "b", "longer"])),
            resource::FLOAT | resource::FLOATS => {
                Value::Float(f64::from(self.small(48)) / 4.0 - 2.0)
            }
            _ => Value::Integer(i64::from(self.small(14)) - 2),
        }
    }

    /// The values of a Write.
    fn values(&mut self, resource: u16) -> Array {
        let multiple = matches!(resource, resource::INTEGERS | resource::FLOATS);
        let ids = if multiple { 1 + self.small(3) } else { 1 };
        let ids = (0..ids).map(|_| {
            let id = if multiple { self.small(4) } else { 0 };
            (u16::try_from(id).unwrap(), self.value(resource))
        });
        ids.collect()
    }

    fn write(&mut self) -> Act {
        let server = self.server();
        if self.random.chance(0.25) {
            let instance = Place::instance(self.instance());
            let resources = 1 + self.random.below(4);
            let values = (0..resources).map(|_| {
                let resource = self.pick(&resource::READABLE);
                (resource, self.values(resource))
            });
            return Act::WriteInstance {
                server,
                instance,
                values: values.collect(),
            };
        }
        let mut place = self.resource();
        if self.random.chance(0.05) {
            place.resource = Some(resource::SECRET);
        }
        Act::Write {
            server,
            resource: place,
            replace: self.random.chance(0.5),
            values: self.values(place.resource.unwrap()),
        }
    }

    fn set(&mut self) -> Act {
        let resource = self.resource();
        let id = resource.resource.unwrap();
        let multiple = matches!(id, resource::INTEGERS | resource::FLOATS);
        Act::Set {
            resource,
            id: if multiple {
                u16::try_from(self.small(4)).unwrap()
            } else {
                0
            },
            value: self.value(id),
        }
    }

    fn period(&mut self) -> Act {
        let (server, resource) = (self.server(), self.pick(&[2, 3]));
        let seconds = self.small(15);
        if self.random.chance(0.5) {
            Act::WritePeriod {
                server,
                resource,
                seconds,
            }
        } else {
            Act::SetPeriod {
                server,
                resource,
                seconds,
            }
        }
    }

    fn rights(&mut self) -> Act {
        let read_and_write = AccessRights::READ | AccessRights::WRITE;
        let rights = [
            AccessRights::NONE,
            AccessRights::WRITE,
            AccessRights::READ,
            read_and_write,
            read_and_write,
        ];
        Act::SetRights {
            server: self.server(),
            instance: Place::instance(self.instance()),
            rights: self.pick(&rights),
        }
    }

    /// A link that is up goes down, one that is down comes up.
    fn link(&mut self) -> Act {
        if self.random.chance(0.1) {
            return Act::SetStoring {
                server: self.server(),
                storing: self.random.chance(0.6),
            };
        }
        let server = self.server();
        if self.offline && (self.lost[server] || self.random.chance(0.8)) {
            self.offline = false;
            return self.go_online();
        }
        if !self.offline && self.random.chance(0.2) {
            self.offline = true;
            return Act::GoOffline;
        }
        self.lost[server] = !self.lost[server];
        if self.lost[server] {
            Act::Lose { server }
        } else {
            self.find(server)
        }
    }

    fn go_online(&mut self) -> Act {
        Act::GoOnline {
            answered_after: self.answered_after(),
        }
    }

    fn find(&mut self, server: usize) -> Act {
        Act::Find {
            server,
            answered_after: self.answered_after(),
        }
    }

    /// How many milliseconds after a return its Update is answered.
    fn answered_after(&mut self) -> u64 {
        match self.random.below(3) {
            0 => 0,
            _ => self.random.below(1_500),
        }
    }

    /// All servers are reached in the end.
    fn return_to_all(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.offline {
            acts.push(self.go_online());
        }
        for server in 0..SERVERS {
            if self.lost[server] {
                acts.push(self.find(server));
            }
        }
        acts
    }
}
