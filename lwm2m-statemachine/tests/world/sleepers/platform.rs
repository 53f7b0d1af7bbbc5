//! The server and its application, with what must hold of them.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    Arguments, AttributesUpdate, CodeKind, Instant, Path, Value, WriteMode, codec::Content,
};
use lwm2m_kit::path;
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    Datagram, ObservationId, OperationId, Outcome, RegistrationId, Server, ServerEvent,
    coap::{MessageRef, MessageType, Token},
    server::{CallError, Presence, UpdateTrigger},
};

use super::{
    reports::Reports,
    setup::{COUNTER, DISABLE, DISABLE_TIMEOUT, METER, OFFSET, RUN},
    world::{Fault, LONGEST, ROUND_TRIP},
};

pub(super) type Tally = BTreeMap<&'static str, u64>;

/// How long a client is awake after its last message, to the server.
const AWAKE: Duration = Duration::from_secs(91);

pub(super) struct Platform {
    pub(super) server: Server<Address>,
    fault: Fault,
    now: Instant,
    /// When the last datagram came from there.
    heard: BTreeMap<Address, Instant>,
    /// The requests that were sent.
    sent: BTreeSet<(Address, u16, Token)>,
    /// The operations whose requests were sent.
    tried: BTreeSet<OperationId>,
    /// Until when each operation has to end.
    open: BTreeMap<OperationId, Instant>,
    ended: BTreeSet<OperationId>,
    observed: BTreeMap<RegistrationId, ObservationId>,
    awake: BTreeSet<RegistrationId>,
    /// The clients that take any request over SMS.
    pub(super) by_sms: BTreeSet<String>,
    /// The clients whose server may disable itself.
    pub(super) may_disable: BTreeSet<String>,
    /// Where short messages to these clients go.
    pub(super) numbers: BTreeMap<String, Address>,
    /// The clients that were woken by SMS since they fell asleep, and have answered or still may.
    woken: BTreeSet<RegistrationId>,
    /// The triggers under way.
    triggers: BTreeSet<OperationId>,
    /// How often each client was asked for something, less how often it was woken.
    unwoken: BTreeMap<String, u32>,
    /// So that no two operations are the same to a device.
    number: u32,
    pub(super) reports: Reports,
    /// The devices with a counter that is observed.
    pub(super) reporters: BTreeSet<String>,
    /// Whether the application asks for nothing any more.
    pub(super) rests: bool,
    pub(super) tally: Tally,
}

impl Platform {
    pub(super) fn new(server: Server<Address>, fault: Fault) -> Self {
        Self {
            server,
            fault,
            now: Instant::ZERO,
            heard: BTreeMap::new(),
            sent: BTreeSet::new(),
            tried: BTreeSet::new(),
            open: BTreeMap::new(),
            ended: BTreeSet::new(),
            observed: BTreeMap::new(),
            awake: BTreeSet::new(),
            by_sms: BTreeSet::new(),
            may_disable: BTreeSet::new(),
            numbers: BTreeMap::new(),
            woken: BTreeSet::new(),
            triggers: BTreeSet::new(),
            unwoken: BTreeMap::new(),
            number: 0,
            reports: Reports::default(),
            reporters: BTreeSet::new(),
            rests: false,
            tally: Tally::new(),
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// The application asks a client for something, as it likes.
    pub(super) fn operate(&mut self, now: Instant, name: &str, random: &mut Random) {
        self.now = now;
        let Some(client) = self.server.find(name) else {
            return;
        };
        self.number += 1;
        *self.unwoken.entry(name.to_owned()).or_default() += 1;
        // That the application starts over has nobody woken again.
        if self.number.is_multiple_of(4) {
            let mut waiting = self.server.waiting();
            waiting.set_trigger(now, client, None).unwrap();
            self.have_woken(client);
        }
        let goes_by_sms = self.by_sms.contains(name) && random.chance(0.3);
        let called = if self.may_disable.contains(name) && random.chance(0.3) {
            self.disable(now, client, random)
        } else if goes_by_sms {
            self.call_by_sms(now, client, name, random.below(3))
        } else {
            self.call(now, client, random.below(11))
        };
        let operation = match called {
            Ok(operation) => operation,
            Err(CallError::UnknownObservation | CallError::Overload(_) | CallError::NoSms) => {
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let shorter = Duration::from_secs(1) + random.duration(LONGEST / 2);
        self.made(now, operation, random.chance(0.5).then_some(shorter));
    }

    /// An operation was made. What doesn't wait for its client has no deadline by itself.
    fn made(&mut self, now: Instant, operation: OperationId, within: Option<Duration>) {
        let client = operation.registration();
        let mut queued = self.server.queued(client);
        let has_deadline = queued.any(|queued| queued.operation == operation);
        drop(queued);
        let deadline = now + within.unwrap_or(LONGEST);
        if within.is_some() || !has_deadline {
            let mut waiting = self.server.waiting();
            waiting.set_deadline(operation, deadline).unwrap();
        }
        assert_eq!(self.open.insert(operation, deadline), None);
    }

    /// The server disables itself, or sets for how long it will.
    fn disable(
        &mut self,
        now: Instant,
        client: RegistrationId,
        random: &mut Random,
    ) -> Result<OperationId, CallError> {
        if random.chance(0.5) {
            return self.server.execute(now, client, DISABLE, &Arguments::NONE);
        }
        let period = Value::from(100 + random.below(600) as i64);
        let content = Content::from_iter([(DISABLE_TIMEOUT, period)]);
        let mode = WriteMode::Replace;
        self.server
            .write(now, client, DISABLE_TIMEOUT, mode, None, &content)
    }

    /// Over SMS, whether the client sleeps or not; unless it sleeps there.
    fn call_by_sms(
        &mut self,
        now: Instant,
        client: RegistrationId,
        name: &str,
        choice: u64,
    ) -> Result<OperationId, CallError> {
        let number = self.number.to_string();
        let mut by_sms = self.server.by_sms(client, self.numbers[name]);
        let operation = match choice {
            0 => by_sms.read(now, path("/3/0/9"), None),
            1 => {
                let arguments = format!("0='{number}'");
                let arguments = Arguments::parse(arguments.as_bytes()).unwrap();
                by_sms.execute(now, RUN, &arguments)
            }
            _ => {
                let content = Content::from_iter([(OFFSET, Value::from(&*number))]);
                let mode = WriteMode::PartialUpdate;
                by_sms.write(now, path("/3/0"), mode, None, &content)
            }
        }?;
        self.count("asked over SMS");
        Ok(operation)
    }

    /// The application observes the counter of a client, if it doesn't yet.
    fn observe_counter(&mut self, client: RegistrationId) {
        let name = self.name(client);
        if self.rests || !self.reporters.contains(&name) || !self.reports.wants(&name) {
            return;
        }
        if let Ok(operation) = self.server.observe(self.now, client, COUNTER, None) {
            *self.unwoken.entry(name.clone()).or_default() += 1;
            self.reports.asked(operation, name);
            self.made(self.now, operation, None);
        }
    }

    fn name(&self, client: RegistrationId) -> String {
        let registration = self.server.registration(client);
        let name = registration.map_or("", |client| client.endpoint_name());
        name.to_owned()
    }

    /// Values of an observation have come.
    fn notified(&mut self, client: RegistrationId, content: &Content) {
        self.count("notification");
        let name = self.name(client);
        let counter = content.get(&COUNTER);
        let is_lost = matches!(counter, Some(Value::Integer(value)) if value % 3 == 0);
        if self.fault != Fault::NotificationIsLost || !is_lost {
            self.reports.heard(&name, content);
        }
    }

    /// Has the server wake a client when something waits for it, if that has a number.
    fn have_woken(&mut self, client: RegistrationId) {
        let registration = self.server.registration(client);
        let name = registration.map_or("", |client| client.endpoint_name());
        if let Some(number) = self.numbers.get(name) {
            let trigger = Some(UpdateTrigger::new(*number));
            let set = self.server.waiting().set_trigger(self.now, client, trigger);
            // It may have left Queue Mode and SMS for a while.
            assert!(matches!(set, Ok(()) | Err(CallError::NoSms)), "{set:?}");
        }
    }

    /// The server wakes a client by SMS.
    fn triggered(&mut self, client: RegistrationId, operation: OperationId) {
        assert!(!self.awake.contains(&client), "woken while it is awake");
        assert!(self.woken.insert(client), "woken twice in a sleep");
        let name = self.server.registration(client).unwrap().endpoint_name();
        let asked = self.unwoken.get_mut(name).unwrap();
        *asked = asked.checked_sub(1).expect("woken more often than asked");
        self.triggers.insert(operation);
        self.open.insert(operation, self.now + ROUND_TRIP);
        self.count("woken by SMS");
    }

    fn call(
        &mut self,
        now: Instant,
        client: RegistrationId,
        choice: u64,
    ) -> Result<OperationId, CallError> {
        let number = self.number.to_string();
        let content = |path: Path| Content::from_iter([(path, Value::from(&*number))]);
        let server = &mut self.server;
        match choice {
            0 => server.discover(now, client, path("/3")),
            1 => {
                let arguments = format!("0='{number}'");
                let arguments = Arguments::parse(arguments.as_bytes()).unwrap();
                server.execute(now, client, RUN, &arguments)
            }
            2 => {
                let (text, mode) = (path("/26241/0/2"), WriteMode::Replace);
                server.write(now, client, text, mode, None, &content(text))
            }
            3 => {
                let (device, mode) = (path("/3/0"), WriteMode::PartialUpdate);
                server.write(now, client, device, mode, None, &content(OFFSET))
            }
            4 => server.create(now, client, METER, None, None, &content(path("/26241/1/2"))),
            5 => server.delete(now, client, path("/26241/1")),
            6 => {
                let update = AttributesUpdate::from_queries(["pmin=10"]).unwrap();
                server.write_attributes(now, client, path("/3/0/9"), &update)
            }
            7 | 8 => server.observe(now, client, path("/3/0/9"), None),
            9 => {
                let observation = self.observed.remove(&client);
                let observation = observation.ok_or(CallError::UnknownObservation)?;
                server.cancel_observation(now, observation)
            }
            _ => server.read(now, client, path("/3/0/9"), None),
        }
    }

    /// The application cancels one of its operations.
    pub(super) fn cancel_one(&mut self, now: Instant, random: &mut Random) {
        self.now = now;
        let count = self.open.len() as u64;
        if count > 0 {
            let at = random.below(count) as usize;
            let operation = *self.open.keys().nth(at).unwrap();
            self.server.waiting().cancel(now, operation).unwrap();
        }
    }

    pub(super) fn assert_all_ended(&self) {
        let open = self.open.keys().next();
        assert!(open.is_none(), "{open:?} has no outcome");
    }

    fn ended(&mut self, operation: OperationId, registration: RegistrationId, outcome: &Outcome) {
        if self.fault == Fault::OutcomeIsLost && *outcome == Outcome::Timeout {
            return;
        }
        let deadline = self.open.remove(&operation);
        let deadline =
            deadline.unwrap_or_else(|| panic!("{operation:?} ends twice, or wasn't made"));
        assert!(
            self.now <= deadline,
            "{operation:?} ends after its deadline"
        );
        assert!(self.ended.insert(operation));
        if self.triggers.remove(&operation) {
            if *outcome == Outcome::Changed {
                self.count("short message answered");
            } else {
                self.woken.remove(&operation.registration());
                self.count("short message not answered");
            }
            return;
        }
        if self.reports.answered(operation, outcome) {
            return;
        }
        self.count("answered");
        if operation.registration() != registration {
            self.count("went on after a Register");
        }
        match outcome {
            Outcome::Content(_) | Outcome::Links(_) => self.count("content"),
            Outcome::Observing { observation, .. } => {
                self.observed.insert(registration, *observation);
                self.count("observing");
            }
            Outcome::Timeout => self.count("timeout"),
            Outcome::ClientGone => self.count("client gone"),
            Outcome::DeadlinePassed { sent: true } => self.count("deadline passed, sent"),
            Outcome::DeadlinePassed { sent: false } => self.count("deadline passed, not sent"),
            Outcome::Cancelled { sent: true } => self.count("cancelled, sent"),
            Outcome::Cancelled { sent: false } => self.count("cancelled, not sent"),
            Outcome::Outdated => self.count("outdated"),
            Outcome::Reset => self.count("reset"),
            Outcome::Failed { .. } => self.count("failed"),
            _ => self.count("other success"),
        }
    }

    /// The client in Queue Mode that is reached there.
    fn sleeper_at(&self, address: Address) -> Option<RegistrationId> {
        let mut clients = self.server.registrations();
        let (id, client) = clients.find(|(_, client)| *client.peer() == address)?;
        client.is_in_queue_mode().then_some(id)
    }

    /// A request to a client in Queue Mode leaves.
    fn check_sent(&mut self, to: Address, datagram: &[u8]) {
        let message = MessageRef::parse(datagram).expect("a message");
        if message.kind() != MessageType::Confirmable || message.code().kind() != CodeKind::Request
        {
            return;
        }
        if !self
            .sent
            .insert((to, message.message_id(), message.token()))
        {
            return;
        }
        let Some(id) = self.sleeper_at(to) else {
            return;
        };
        let until = self.heard[&to] + AWAKE;
        assert!(self.now < until, "a request leaves after the awake time");
        let under_way = self.server.queued(id).filter(|queued| queued.is_under_way);
        let under_way: Vec<OperationId> = under_way.map(|queued| queued.operation).collect();
        let [operation] = under_way[..] else {
            assert!(under_way.is_empty(), "two operations are under way");
            return;
        };
        if !self.tried.insert(operation) {
            self.count("sent again after a wake");
        }
    }
}

impl Node for Platform {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        self.now = now;
        self.heard.insert(datagram.from, now);
        let _ = self.server.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let transmit = self.server.poll_transmit()?;
        datagram.extend_from_slice(transmit.payload);
        let to = transmit.to;
        self.check_sent(to, datagram);
        Some(to)
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        self.now = now;
        let Some(event) = self.server.poll_event() else {
            return false;
        };
        match event {
            ServerEvent::Answered {
                registration,
                operation,
                outcome,
            } => self.ended(operation, registration, &outcome),
            ServerEvent::Awake { registration } => {
                assert!(self.awake.insert(registration), "awake twice");
                if self.fault != Fault::WakingIsMissed {
                    self.woken.remove(&registration);
                }
                self.count("awake");
            }
            ServerEvent::Asleep { registration } => {
                assert!(self.awake.remove(&registration), "asleep twice");
                self.count("asleep");
            }
            ServerEvent::Registered { registration } => {
                let peer = *self.server.registration(registration).unwrap().peer();
                if self.numbers.values().any(|number| *number == peer) {
                    self.count("registered over SMS");
                }
                self.have_woken(registration);
                self.observe_counter(registration);
            }
            ServerEvent::Triggered {
                registration,
                operation,
            } => self.triggered(registration, operation),
            ServerEvent::Updated {
                registration,
                changes,
            } if changes.binding
                && self.server.presence(registration) == Some(Presence::Always) =>
            {
                self.awake.remove(&registration);
                self.woken.remove(&registration);
            }
            ServerEvent::Updated { registration, .. } => self.observe_counter(registration),
            ServerEvent::Deregistered { registration, .. }
            | ServerEvent::Expired { registration, .. }
            | ServerEvent::Replaced { registration, .. } => {
                self.awake.remove(&registration);
                self.observed.remove(&registration);
            }
            ServerEvent::ObservationEnded { observation, .. } => {
                self.reports.ended(observation);
                self.observed.retain(|_, known| *known != observation);
            }
            ServerEvent::Notification {
                registration,
                content: Ok(content),
                ..
            } => self.notified(registration, &content),
            _ => {}
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}
