//! A server: it observes the accounts, and hears of none that isn't in force.

use lwm2m_core::{InstanceId, Instant, ObjectId, Path, ResourceId, Value, codec::Content};
use lwm2m_simulation::{Address, Application};
use lwm2m_statemachine::{
    RegistrationId, Server, ServerEvent,
    server::{EndReason, Outcome},
};

use super::{
    accounts::ENDPOINT,
    book::Shared,
    plan::{Fault, Plan},
};
use crate::lines::Lines;

pub(super) struct Platform {
    server: usize,
    lines: Lines,
    book: Shared,
    /// Whether a registration ends only with a reason.
    calm: bool,
    fault: Fault,
}

impl Platform {
    pub(super) fn new(server: usize, plan: &Plan, lines: Lines, book: Shared) -> Self {
        Self {
            server,
            lines,
            book,
            calm: plan.calm,
            fault: plan.fault,
        }
    }

    fn count(&self, what: impl Into<String>) {
        self.book.borrow_mut().count(what);
    }

    /// The Client has registered, or tells another list.
    fn listed(&self, machine: &Server<Address>, registration: RegistrationId) {
        let objects = machine.registration(registration).expect("registered");
        let instances: Vec<u16> = objects
            .objects()
            .filter(|(object, _)| *object == ObjectId::SERVER)
            .filter_map(|(_, instance)| instance.map(InstanceId::get))
            .collect();
        self.book.borrow().check_list(&instances);
    }

    fn heard(&self, content: &Content) {
        for (path, value) in content.values() {
            if path.resource() == Some(ResourceId::new(1))
                && let Value::Integer(lifetime) = value
            {
                self.book.borrow().check_lifetime(path, *lifetime);
                self.count("value heard");
            }
        }
    }

    fn ended(&self, how: &str) {
        self.count(format!("registration {how}"));
        let is_excused = self.book.borrow().is_excused(self.server);
        assert!(
            is_excused || !self.calm,
            "the registration with server {} was {how}: it ended without a reason",
            self.server
        );
    }
}

impl Application for Platform {
    type Machine = Server<Address>;

    fn handle_event(
        &mut self,
        now: Instant,
        machine: &mut Server<Address>,
        event: ServerEvent<Address>,
    ) {
        match event {
            ServerEvent::Registered { registration } => {
                self.listed(machine, registration);
                self.count("registered");
                let accounts = Path::Object(ObjectId::SERVER);
                let observed = machine.observe(now, registration, accounts, None);
                observed.expect("the Client is registered");
            }
            ServerEvent::Updated { registration, .. } => self.listed(machine, registration),
            ServerEvent::Deregistered { .. } => self.ended("de-registered"),
            ServerEvent::Expired { .. } => self.ended("expired"),
            ServerEvent::Replaced { .. } => self.ended("replaced"),
            ServerEvent::Answered {
                outcome: Outcome::Observing { content, .. },
                ..
            } => self.heard(&content.expect("values")),
            ServerEvent::Answered { outcome, .. } => {
                self.count(format!("no observation: {outcome:?}"));
            }
            ServerEvent::Notification {
                content: Ok(mut content),
                ..
            } => {
                if self.fault == Fault::Leaks {
                    let uncommitted = Path::of(&[1, 0, 1]).expect("a path");
                    content.insert(uncommitted, 7);
                }
                self.heard(&content);
            }
            ServerEvent::ObservationEnded { reason, .. }
                if reason != EndReason::RegistrationGone =>
            {
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

    fn check(&self, _: Instant, machine: &Server<Address>) {
        assert!(machine.registrations().count() <= 1);
        let is_found = machine.find(ENDPOINT).is_some();
        assert_eq!(is_found, machine.registrations().count() == 1);
    }
}
