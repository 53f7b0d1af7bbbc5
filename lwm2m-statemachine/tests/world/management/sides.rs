//! The applications of client and server: they record events and check that their order is valid.

use core::ops::RangeInclusive;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Code, Instant, Path, Value};
use lwm2m_objects::Change;
use lwm2m_simulation::{Address, Application};
use lwm2m_statemachine::{
    Client, ClientEvent, ConnectionId, Session,
    client::DeferredId,
    server::{ObservationId, OperationId, Outcome, RegistrationId, Server, ServerEvent},
};

/// The observed Resource.
pub(super) const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
const LEVELS: RangeInclusive<i64> = 0..=100;

/// The application of the client: connects, and records events.
#[derive(Debug, Default)]
pub(super) struct DeviceSide {
    pub(super) server: Option<Address>,
    pub(super) connection: Option<ConnectionId>,
    /// How many registrations succeeded, and how many failed or were lost.
    pub(super) registered: usize,
    pub(super) failed: usize,
    /// The arguments of each Execute.
    pub(super) executed: Vec<String>,
    /// The values of each Write.
    pub(super) written: Vec<Value>,
    /// The requests that it is to answer, with the arguments of each Execute.
    pub(super) waiting: BTreeMap<DeferredId, Option<String>>,
    pub(super) log: Vec<String>,
}

impl DeviceSide {
    /// Answers those of the requests that wait that are `chosen`. An Execute is run with its
    /// answer.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        client: &mut Client,
        mut chosen: impl FnMut() -> bool,
    ) {
        for (request, arguments) in core::mem::take(&mut self.waiting) {
            if !chosen() {
                self.waiting.insert(request, arguments);
                continue;
            }
            // What was over would have been told.
            if let Some(arguments) = arguments {
                let answered = client.deferred().answer_execute(now, request, Ok(()));
                assert_eq!(answered, Ok(Code::CHANGED));
                self.executed.push(arguments);
            } else {
                let answered = client.deferred().answer_read(now, request, Ok(()));
                assert_eq!(answered, Ok(Code::CONTENT));
            }
        }
    }
}

impl Application for DeviceSide {
    type Machine = Client;

    fn handle_event(&mut self, now: Instant, client: &mut Client, event: ClientEvent) {
        self.log.push(format!("{now} {event:?}"));
        match event {
            ClientEvent::Connect { connection, .. } => {
                self.connection = Some(connection);
                client.connected(now, connection, Session::New);
            }
            ClientEvent::Disconnect { connection } if self.connection == Some(connection) => {
                self.connection = None;
            }
            ClientEvent::Registered { .. } => self.registered += 1,
            ClientEvent::RegistrationFailed { .. } | ClientEvent::DeregisterFailed { .. } => {
                self.failed += 1;
            }
            ClientEvent::Execute { arguments, .. } => self.executed.push(arguments),
            ClientEvent::ExecuteAsked {
                request, arguments, ..
            } => assert_eq!(self.waiting.insert(request, Some(arguments)), None),
            ClientEvent::ReadAsked { request, .. } => {
                assert_eq!(self.waiting.insert(request, None), None);
            }
            ClientEvent::DeferredEnded { request, .. } => {
                assert!(self.waiting.remove(&request).is_some(), "it did not wait");
            }
            ClientEvent::Written { changes, .. } => {
                for change in changes {
                    if let Change::Set { value, .. } = change {
                        self.written.push(value);
                    }
                }
            }
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<ConnectionId> {
        self.connection.filter(|_| self.server == Some(address))
    }

    fn address(&self, connection: &ConnectionId) -> Option<Address> {
        // What was queued before a connection ended is sent still.
        self.server
            .filter(|_| self.connection.is_none_or(|current| current == *connection))
    }
}

/// An operation of the server; numbers and texts distinguish them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    Read(Path),
    Discover,
    Write(Value),
    Execute(String),
    Observe,
    Cancel,
}

/// The application of the server: checks that the order of events is valid.
#[derive(Debug, Default)]
pub(super) struct ServerSide {
    pub(super) asked: BTreeMap<OperationId, Asked>,
    pub(super) outcomes: BTreeMap<OperationId, Outcome>,
    pub(super) alive: BTreeSet<RegistrationId>,
    pub(super) gone: BTreeSet<RegistrationId>,
    pub(super) observing: BTreeSet<ObservationId>,
    pub(super) ended: BTreeSet<ObservationId>,
    pub(super) log: Vec<String>,
}

impl ServerSide {
    /// The operations and their outcomes.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&Asked, Option<&Outcome>)> {
        let asked = self.asked.iter();
        asked.map(|(operation, asked)| (asked, self.outcomes.get(operation)))
    }

    fn goes(&mut self, registration: RegistrationId) {
        assert!(self.alive.remove(&registration), "ended and never began");
        assert!(self.gone.insert(registration), "ended twice");
        let left = self.observing.iter();
        assert_eq!(
            left.filter(|id| id.registration() == registration).count(),
            0,
            "observations outlive their registration"
        );
        let operations = self.asked.keys();
        assert!(
            operations
                .filter(|id| id.registration() == registration)
                .all(|id| self.outcomes.contains_key(id)),
            "operations outlive their registration"
        );
    }
}

impl Application for ServerSide {
    type Machine = Server<Address>;

    fn handle_event(&mut self, now: Instant, _: &mut Server<Address>, event: ServerEvent<Address>) {
        self.log.push(format!("{now} {event:?}"));
        match event {
            ServerEvent::Registered { registration } => {
                assert!(!self.gone.contains(&registration), "a handle is used again");
                assert!(self.alive.insert(registration), "registered twice");
            }
            ServerEvent::Updated { registration, .. } => {
                assert!(self.alive.contains(&registration), "updated and not there");
            }
            ServerEvent::Deregistered { registration, .. }
            | ServerEvent::Expired { registration, .. } => self.goes(registration),
            ServerEvent::Replaced {
                registration, by, ..
            } => {
                assert_ne!(registration, by);
                self.goes(registration);
            }
            ServerEvent::Answered {
                registration,
                operation,
                outcome,
            } => {
                assert!(self.alive.contains(&registration), "answered after the end");
                assert_eq!(operation.registration(), registration);
                if let Outcome::Observing { observation, .. } = outcome {
                    assert!(self.observing.insert(observation), "begins twice");
                }
                let before = self.outcomes.insert(operation, outcome);
                assert_eq!(before, None, "a second outcome of {operation:?}");
            }
            ServerEvent::Notification {
                observation,
                content,
                ..
            } => {
                assert!(self.observing.contains(&observation), "not observed");
                let content = content.expect("a notification that can be read");
                let Some(Value::Integer(level)) = content.get(&BATTERY_LEVEL) else {
                    panic!("not of what is observed: {content:?}");
                };
                assert!(LEVELS.contains(level), "{level}");
            }
            ServerEvent::ObservationEnded { observation, .. } => {
                assert!(self.observing.remove(&observation), "ends and never began");
                assert!(self.ended.insert(observation), "ends twice");
            }
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }
}
