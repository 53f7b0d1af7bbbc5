//! The node of the Client: its application, and what must hold after each of its steps.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{AccessRights, Code, InstanceId, Instant, ObjectId, Path, Value};
use lwm2m_kit::Watch;
use lwm2m_objects::Change;
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    AccountId, Client, ClientEvent, ConnectionId, Datagram,
    client::{DeferredError, DeferredId, ObservationStatus},
    coap::{MessageBuf, MessageRef, MessageType},
};

use super::{
    book::Shared,
    firmware::FILES,
    objects::{self, GAUGE, NUMBER, Values},
    plan::Fault,
    rights, torn,
    world::QUIET,
};
use crate::lines::Lines;

/// A connection that was asked for or is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) server: usize,
    pub(crate) state: ConnectionState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The network needs until then.
    Asked(Instant),
    /// The network is ready.
    Ready,
    Up,
}

pub(crate) struct Device {
    pub(crate) client: Client,
    /// The time that a call was made at last.
    now: Instant,
    random: Random,
    lines: Lines,
    book: Shared,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// What the tree must have.
    values: Values,
    watch: Watch,
    /// With which servers it was registered before the call.
    registered: [bool; 3],
    /// The requests that wait for the application, with the arguments of each Execute.
    waiting: BTreeMap<DeferredId, Option<String>>,
    /// How many stored notifications had to go, by server.
    dropped: [u64; 3],
    /// How often rights have changed, and when at last.
    pub(crate) rights: (u32, Instant),
    /// The notifications that were sent.
    notified: BTreeSet<(usize, Vec<u8>)>,
    fault: Fault,
    /// What a fault sends beside the Client.
    false_answer: Option<(ConnectionId, Vec<u8>)>,
}

impl Device {
    pub(crate) fn new(
        client: Client,
        random: Random,
        lines: Lines,
        book: Shared,
        fault: Fault,
    ) -> Self {
        let values = Values::of(client.tree());
        Self {
            client,
            now: Instant::ZERO,
            random,
            lines,
            book,
            connections: BTreeMap::new(),
            values,
            watch: Watch::default(),
            registered: [false; 3],
            waiting: BTreeMap::new(),
            dropped: [0; 3],
            rights: (0, Instant::ZERO),
            notified: BTreeSet::new(),
            fault,
            false_answer: None,
        }
    }

    /// The server of an account.
    fn server(account: AccountId) -> usize {
        usize::from(account.instance().get())
    }

    pub(crate) fn account(server: usize) -> AccountId {
        let id = u16::try_from(server).ok().and_then(InstanceId::new);
        AccountId::new(id.expect("an Object Instance ID"))
    }

    pub(crate) fn is_registered(&self, server: usize) -> bool {
        self.client.is_registered(Self::account(server))
    }

    /// How many stored notifications to a server had to go.
    pub(crate) fn dropped(&self, server: usize) -> u64 {
        let stored = self.client.reporting().stored(Self::account(server));
        self.dropped[server] + stored.dropped
    }

    /// Before a call: what it may answer depends on what holds now.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.now = now;
        self.registered = [0, 1, 2].map(|server| self.is_registered(server));
        self.speak_falsely();
    }

    fn count(&self, what: impl Into<String>) {
        self.book.borrow_mut().count(what);
    }

    /// The connections that the network has made.
    pub(crate) fn ready(&self) -> Option<(ConnectionId, usize)> {
        let mut all = self.connections.iter();
        let (id, connection) = all.find(|(_, at)| at.state == ConnectionState::Ready)?;
        Some((*id, connection.server))
    }

    /// The connections that are up.
    pub(crate) fn up(&self) -> Vec<(ConnectionId, usize)> {
        let all = self.connections.iter();
        all.filter(|(_, at)| at.state == ConnectionState::Up)
            .map(|(id, at)| (*id, at.server))
            .collect()
    }

    /// The application changes a value of its own.
    pub(crate) fn set(&mut self, now: Instant, path: Path, value: i64) {
        self.begin(now);
        let set = self.client.set(now, path, value);
        if set.is_ok() {
            let value = Value::Integer(value);
            self.values.apply(&[Change::Set { path, value }]);
        }
    }

    /// The application changes Object Instances of its own, on behalf of a server.
    pub(crate) fn change(&mut self, now: Instant, owner: usize, changes: &[Change]) {
        self.begin(now);
        let owner = objects::SERVERS[owner];
        let done = self.client.change_as(now, owner, changes.to_vec());
        if done.is_ok() {
            self.values.apply(changes);
            self.count("Object Instance of the application");
        }
    }

    /// The application answers those of the requests that wait that are `chosen`, and refuses a share
    /// of `refusals` of them.
    pub(crate) fn answer(&mut self, now: Instant, mut chosen: impl FnMut() -> bool, refusals: f64) {
        self.begin(now);
        for (request, arguments) in core::mem::take(&mut self.waiting) {
            if !chosen() {
                self.waiting.insert(request, arguments);
                continue;
            }
            let is_refused = self.random.chance(refusals);
            let answer = if is_refused {
                Err(Code::METHOD_NOT_ALLOWED)
            } else {
                Ok(())
            };
            let answered = if arguments.is_some() {
                self.client.deferred().answer_execute(now, request, answer)
            } else {
                self.client.deferred().answer_read(now, request, answer)
            };
            match (answered, arguments) {
                (Ok(Code::CHANGED), Some(arguments)) => self.executes(&arguments),
                (Ok(code), _) => self.count(format!("the application's answer: {code}")),
                // The registration has just ended, which is told next.
                (Err(DeferredError::NotOpen(_)), arguments) => {
                    self.waiting.insert(request, arguments);
                }
                (Err(error), _) => panic!("{error}"),
            }
        }
    }

    fn executes(&mut self, arguments: &str) {
        let number = arguments.trim_start_matches("0='").trim_end_matches('\'');
        let mut book = self.book.borrow_mut();
        book.count("Execute");
        if let Ok(number) = number.parse() {
            book.takes_effect(number);
        }
    }

    /// What a server does takes effect only while it has a registration (TS 5.4).
    fn assert_registered(&self, server: usize) {
        assert!(
            self.registered[server] || self.is_registered(server),
            "server{server} has an effect without a registration"
        );
    }

    /// A server has changed the tree.
    fn written(&mut self, server: usize, changes: &[Change]) {
        self.assert_registered(server);
        self.values.apply(changes);
        for change in changes {
            self.decided(change);
        }
        let torn = Value::Integer(torn::LIFETIME);
        let is_torn =
            |change: &Change| matches!(change, Change::Set { value, .. } if *value == torn);
        assert!(!changes.iter().any(is_torn), "a torn Write took effect");
        let hostile = |change: &Change| change.path().object() == Some(GAUGE);
        if server == 2 {
            assert!(!changes.iter().any(hostile), "a change without the right");
        }
        let set = changes.iter().filter_map(|change| match change {
            Change::Set { path, value } => objects::number_of(*path, value.as_ref()),
            _ => None,
        });
        let numbers: BTreeSet<u32> = set.collect();
        assert!(numbers.len() <= 1, "a mix of {numbers:?}");
        let mut book = self.book.borrow_mut();
        book.count("Write");
        if let Some(number) = numbers.first() {
            book.takes_effect(*number);
        }
    }

    /// A server may have decided who may read a Gauge.
    fn decided(&mut self, change: &Change) {
        let Some(decision) = rights::decision(self.client.tree(), change) else {
            return;
        };
        self.rights = (self.rights.0 + 1, self.now);
        let account = Self::account(decision.server);
        let mut all = self.client.reporting().observations();
        let of_observer =
            |at: &ObservationStatus| at.account == account && decision.gauge.contains(&at.path);
        let observed = all.find(of_observer);
        drop(all);
        match (observed, decision.reads) {
            (Some(observed), false) => {
                self.count("right taken from an observer");
                self.leak(&observed);
            }
            (Some(_), true) => self.count("right given to an observer"),
            (None, _) => {}
        }
    }

    /// Nobody is notified of what they may not read (TS 7.3.2.5). What was rendered before and waits for
    /// an acknowledgement may still be sent.
    fn check_rights(&mut self, server: usize, datagram: &[u8]) {
        let message = MessageRef::parse(datagram).expect("the Client sends messages");
        let is_answer = message.kind() == MessageType::Acknowledgement;
        let tells = message.code() == Code::CONTENT && message.observe().is_some();
        if is_answer || !tells || !self.notified.insert((server, datagram.to_vec())) {
            return;
        }
        let account = Self::account(server);
        let mut all = self.client.reporting().observations();
        let Some(observed) = all.find(|at| at.account == account && at.token == message.token())
        else {
            return;
        };
        let server = objects::SERVERS[server];
        let may_read = observed.path.instance().is_none()
            || objects::may_read(self.client.tree(), server, observed.path);
        let waited =
            message.kind() == MessageType::Confirmable && self.now < self.rights.1 + QUIET * 3;
        assert!(
            may_read || waited,
            "a notification of {} without the right to read it",
            observed.path
        );
    }

    /// Everybody may read what somebody else owns: rights that were taken are given back.
    pub(crate) fn give_rights(&mut self, now: Instant) {
        for control in rights::controls(self.client.tree()) {
            for entry in control.without_rights() {
                self.set(now, entry, AccessRights::READ.bits().into());
            }
        }
    }

    /// Whether a firmware package is there as a whole.
    pub(crate) fn has_package(&self) -> bool {
        let state = Path::of(&[5, 0, 3]).expect("a path");
        self.client.tree().get(state) == Some(Value::Integer(2))
    }

    /// The application takes an account away. Returns the changes that bring it back.
    pub(crate) fn take_account(&mut self, now: Instant, server: usize) -> Vec<Change> {
        self.begin(now);
        let instance = Self::account(server).instance();
        let mut back = Vec::new();
        let mut gone = Vec::new();
        for object in [ObjectId::SECURITY, ObjectId::SERVER] {
            let tree = self.client.tree();
            let path = Path::Instance(object, instance);
            back.push(Change::Create { path });
            gone.push(Change::Delete { path });
            for resource in tree.resources(object, instance) {
                let path = Path::Resource(object, instance, resource.id);
                back.extend(tree.get(path).map(|value| Change::Set { path, value }));
            }
        }
        self.change_account(now, &gone);
        back
    }

    /// The application makes an account, or deletes it.
    pub(crate) fn change_account(&mut self, now: Instant, changes: &[Change]) {
        self.begin(now);
        self.client
            .change(now, changes.to_vec())
            .expect("an account that may change");
        self.values.apply(changes);
    }

    /// A server has made these Object Instances.
    fn created(&mut self, server: usize, instances: &[Path]) {
        self.assert_registered(server);
        for path in instances {
            assert_ne!(server, 2, "a Create without the right");
            self.values.copy(self.client.tree(), *path);
            let numbers = self.values.numbers(*path);
            assert_eq!(numbers.len(), 1, "a mix of {numbers:?}");
            let mut book = self.book.borrow_mut();
            book.count("Create");
            for number in numbers {
                book.takes_effect(number);
            }
        }
    }

    fn deleted(&mut self, server: usize, path: Path) {
        self.assert_registered(server);
        let own = Device::account(server).instance();
        let is_own = path == Path::Instance(ObjectId::SERVER, own);
        assert!(server != 2 || is_own, "a Delete without the right");
        self.values.apply(&[Change::Delete { path }]);
        self.count("Delete");
    }

    fn connect(&mut self, now: Instant, connection: ConnectionId, server: usize) {
        assert!(
            !self.client.is_offline(),
            "a connection is asked for offline"
        );
        let delay = [0, 0, 50, 3_000, 20_000][self.random.below(5) as usize];
        let due = now + Duration::from_millis(delay);
        let new = Connection {
            server,
            state: ConnectionState::Asked(due),
        };
        assert_eq!(self.connections.insert(connection, new), None);
    }

    fn follow(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::Connect {
                connection, uri, ..
            } => {
                let number = uri.rsplit("server").next();
                let server = number.and_then(|number| number.parse().ok());
                self.connect(now, connection, server.expect("the number of a server"));
            }
            ClientEvent::ConnectForDownload { connection, .. } => {
                self.connect(now, connection, FILES);
            }
            ClientEvent::DownloadEnded { outcome, .. } => {
                let text = format!("{outcome:?}").to_lowercase();
                let text = text.split_whitespace().next().expect("an outcome");
                self.count(format!("download: {text}"));
            }
            ClientEvent::Disconnect { connection } => {
                let known = self.connections.remove(&connection);
                assert!(known.is_some(), "a connection ends that isn't there");
            }
            ClientEvent::Registered { account, .. } | ClientEvent::Updated { account } => {
                self.watch.accepted(Self::server(account));
            }
            ClientEvent::Written { account, changes } => {
                self.written(Self::server(account), &changes);
            }
            ClientEvent::Created { account, instances } => {
                self.created(Self::server(account), &instances);
            }
            ClientEvent::Deleted { account, path } => self.deleted(Self::server(account), path),
            ClientEvent::Execute {
                account, arguments, ..
            } => {
                assert_ne!(Self::server(account), 2, "an Execute without the right");
                self.executes(&arguments);
            }
            ClientEvent::ExecuteAsked {
                request, arguments, ..
            } => assert_eq!(self.waiting.insert(request, Some(arguments)), None),
            ClientEvent::ReadAsked { request, .. } => {
                assert_eq!(self.waiting.insert(request, None), None);
            }
            ClientEvent::DeferredEnded { request, .. } => {
                assert!(self.waiting.remove(&request).is_some(), "it did not wait");
            }
            ClientEvent::NotificationsDropped { account, dropped } => {
                self.dropped[Self::server(account)] += dropped;
                self.count("stored notifications dropped");
            }
            _ => {}
        }
    }
}

/// Faults.
impl Device {
    /// What a fault makes of a datagram, if anything.
    fn misunderstand(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        datagram: &[u8],
    ) -> Option<Vec<u8>> {
        let message = MessageRef::parse(datagram).ok()?;
        let runs = message.code() == Code::POST && message.uri_path().last() == Some("5");
        match self.fault {
            Fault::Repeats if runs => {
                let mut again = datagram.to_vec();
                again[2] ^= 0x40;
                let again = Datagram::new(connection, &again);
                let _ = self.client.handle_datagram(now, again);
            }
            Fault::Boasts if runs => {
                let answer = MessageBuf::response(Code::CHANGED).finish(
                    MessageType::Acknowledgement,
                    message.message_id(),
                    message.token(),
                );
                self.false_answer = Some((connection, answer.as_ref().to_vec()));
                // An acknowledgement of nothing.
                return Some(vec![0x60, 0, 0, 0]);
            }
            Fault::Scribbles => {
                let _ = self.client.set(now, objects::gauge(0, NUMBER), 7_777);
            }
            _ => {}
        }
        None
    }

    /// A fault tells an observer what it may not read any more.
    fn leak(&mut self, observed: &ObservationStatus) {
        if self.fault != Fault::Leaks {
            return;
        }
        let server = Self::server(observed.account);
        let up = self.up().into_iter().find(|(_, at)| *at == server);
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(0x0070_0000).expect("a number");
        let message = message.finish(MessageType::NonConfirmable, 1, observed.token);
        let message = message.as_ref().to_vec();
        self.false_answer = up.map(|(connection, _)| (connection, message));
    }

    /// What a fault sends in this call, of its own.
    fn speak_falsely(&mut self) {
        let speaks = |server: usize| match self.fault {
            Fault::Chatters => self.client.is_offline(),
            Fault::Blurts => server != FILES && !self.registered[server],
            _ => false,
        };
        let up = self.up().into_iter().find(|(_, server)| speaks(*server));
        if let Some((connection, _)) = up {
            self.false_answer = Some((connection, vec![0x50, 0x45, 0, 1]));
        }
    }
}

impl Node for Device {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        self.begin(now);
        let up = |at: &Connection| at.state == ConnectionState::Up;
        let from = |at: &Connection| self.lines.borrow()[at.server].server == datagram.from.node;
        let mut all = self.connections.iter();
        let Some((connection, _)) = all.find(|(_, at)| up(at) && from(at)) else {
            return;
        };
        let connection = *connection;
        let payload = self.misunderstand(now, connection, datagram.payload);
        let datagram = Datagram::new(connection, payload.as_deref().unwrap_or(datagram.payload));
        // The error only informs.
        let _ = self.client.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.fault == Fault::Restless {
            return;
        }
        self.begin(now);
        self.client.handle_timeout(now);
        for connection in self.connections.values_mut() {
            if matches!(connection.state, ConnectionState::Asked(due) if due <= now) {
                connection.state = ConnectionState::Ready;
            }
        }
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let sent = self.client.poll_transmit();
        let sent = sent.map(|sent| (sent.to, sent.payload.to_vec()));
        let (to, payload) = sent.or_else(|| self.false_answer.take())?;
        let connection = self.connections.get(&to);
        let connection = connection.filter(|at| at.state == ConnectionState::Up);
        let connection = *connection.expect("it sends to a connection that is up");
        *datagram = payload;
        if self.fault == Fault::Denies && datagram.starts_with(&[0x68, 0x44]) {
            datagram[1] = 0x85;
        }
        assert!(!self.client.is_offline(), "it sends while it is offline");
        let server = connection.server;
        if server != FILES {
            self.check_rights(server, datagram);
            let registered = self.registered[server] || self.is_registered(server);
            self.watch.sends(self.now, server, registered, datagram);
        }
        let lines = self.lines.borrow();
        Some(Address {
            node: lines[server].server,
            number: 0,
        })
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        let event = self.client.poll_event();
        if let Some(event) = event {
            self.follow(now, event);
            return true;
        }
        self.watch.judge();
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let asked = self.connections.values().filter_map(|at| match at.state {
            ConnectionState::Asked(due) => Some(due),
            _ => None,
        });
        asked.chain(self.client.poll_timeout()).min()
    }

    fn check(&self, _: Instant) {
        self.values.check(self.client.tree());
    }
}
