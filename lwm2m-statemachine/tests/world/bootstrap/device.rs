//! The node of the Client: its driver and its application, and what must hold after each of its steps.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Code, CodeKind, InstanceId, Instant, ObjectId, Path, Value};
use lwm2m_objects::{Change, ObjectTree, Snapshot, typed};
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    bootstrap_server::Step,
    client::{AccountRole, Inbound},
    coap::{BlockOption, MessageRef, MessageType, Token},
};

use super::{
    accounts::{self, BOOTSTRAP, ENDPOINT, SERVERS, check_secret, line},
    book::{Outcome, Shared},
    model::Values,
    plan::{Fault, Plan},
};
use crate::lines::Lines;

/// What the application sets.
const COUNTER: Path = Path::of(&[3, 0, 10]).unwrap();
const BATTERY: Path = Path::of(&[3, 0, 9]).unwrap();

/// How the driver makes a connection.
#[derive(Clone, Debug)]
struct Connection {
    line: usize,
    state: State,
    security: typed::Security,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The network needs until then.
    Asked(Instant),
    /// The network is ready.
    Ready,
    Up,
}

/// What befalls a bootstrap after the Client has answered some commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    PowerCut,
    ConnectionLost,
    /// The answer itself doesn't leave.
    AnswerLost,
    LineCut,
    ClientGivesUp,
    ServerGivesUp,
}

impl Trap {
    const fn name(self) -> &'static str {
        match self {
            Self::PowerCut => "power cut",
            Self::ConnectionLost => "connection lost",
            Self::AnswerLost => "answer lost",
            Self::LineCut => "line cut",
            Self::ClientGivesUp => "given up by the Client",
            Self::ServerGivesUp => "given up by the Bootstrap-Server",
        }
    }
}

/// A bootstrap, as the driver sees it.
#[derive(Debug)]
struct Followed {
    connection: ConnectionId,
    session: u32,
    /// The values of before, and what the commands have made of them so far.
    before: Values,
    values: Values,
    /// The commands that have come and are not answered, and those that are.
    asked: BTreeSet<Token>,
    answered: BTreeSet<Token>,
}

pub(super) struct Device {
    pub(super) client: Client,
    random: Random,
    lines: Lines,
    book: Shared,
    plan: Plan,
    connections: BTreeMap<ConnectionId, Connection>,
    /// What is in force, and what a restart must find of it.
    tree: ObjectTree,
    saved: Snapshot,
    followed: Option<Followed>,
    /// The session of the bootstrap that has started and has not ended.
    started: Option<u32>,
    /// After how many answers the trap springs.
    trap: Option<(usize, Trap)>,
    pub(super) sprung: Option<Trap>,
    /// Whether something may have changed since the last look.
    touched: bool,
    pub(super) healed: bool,
}

fn client(plan: &Plan, seed: [u8; 32], tree: ObjectTree) -> Client {
    let mut config = ClientConfig::new(ENDPOINT, seed);
    config.coap.block_size = plan.block_size;
    config.retry.most = Duration::from_secs(120);
    config.bootstrap.retry.most = Duration::from_secs(120);
    Client::new(config, tree).expect("a tree with the mandatory Objects")
}

impl Device {
    pub(super) fn new(
        plan: &Plan,
        mut random: Random,
        lines: Lines,
        book: Shared,
        tree: impl Fn() -> ObjectTree,
    ) -> Self {
        book.borrow_mut().in_force(&Values::of(&tree()));
        Self {
            client: client(plan, random.seed(), tree()),
            random,
            lines,
            book,
            plan: plan.clone(),
            connections: BTreeMap::new(),
            saved: tree().snapshot(),
            tree: tree(),
            followed: None,
            started: None,
            trap: None,
            sprung: None,
            touched: false,
            healed: false,
        }
    }

    /// The power is cut. The Client begins anew with what was saved.
    pub(super) fn restarted(mut self) -> Self {
        self.check_tree();
        if self.started.is_some() {
            self.count("power cut in a bootstrap");
        }
        let saved: Snapshot = self.client.tree().snapshot();
        let mut tree = accounts::tree(self.plan.hold_off, &[]);
        tree.restore(&saved).expect("what was saved is valid");
        Self {
            client: client(&self.plan, self.random.seed(), tree),
            connections: BTreeMap::new(),
            followed: None,
            started: None,
            trap: None,
            ..self
        }
    }

    fn count(&self, what: impl Into<String>) {
        self.book.borrow_mut().count(what);
    }

    pub(super) fn in_force(&self) -> Values {
        Values::of(&self.tree)
    }

    pub(super) const fn is_open(&self) -> bool {
        self.started.is_some()
    }

    /// Something befalls the next bootstrap after so many answers.
    pub(super) fn set_trap(&mut self, answers: usize, trap: Trap) {
        self.trap = Some((answers, trap));
        self.sprung = None;
    }

    pub(super) fn disarm(&mut self) -> Option<Trap> {
        self.trap = None;
        self.sprung.take()
    }
}

/// The driver.
impl Device {
    /// The connection that the network has made, and its line.
    pub(super) fn ready(&self) -> Option<(ConnectionId, usize)> {
        let mut all = self.connections.iter();
        let (id, connection) = all.find(|(_, at)| at.state == State::Ready)?;
        Some((*id, connection.line))
    }

    pub(super) fn connected(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.state = State::Up;
        if connection.line == BOOTSTRAP {
            self.follow(id);
        }
        self.client.connected(now, id, Session::New);
        self.touched = true;
    }

    /// A connection is lost, or can't be made.
    pub(super) fn disconnected(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id)
            && connection.line < SERVERS
        {
            self.book.borrow_mut().excuse(connection.line);
        }
        self.client.disconnected(now, id);
        self.touched = true;
    }

    /// The connections that are up.
    pub(super) fn up(&self) -> Vec<(ConnectionId, usize)> {
        let all = self.connections.iter();
        let up = all.filter(|(_, at)| at.state == State::Up);
        up.map(|(id, at)| (*id, at.line)).collect()
    }

    /// The Bootstrap-Server has made a session, with the keys of its account.
    pub(super) fn inbound(&mut self, now: Instant) -> bool {
        let own = self.in_force().bootstrap_accounts();
        let account = AccountId::new(own[0]);
        self.touched = true;
        let Ok(id) = self.client.inbound(now, Inbound::Account(account)) else {
            return false;
        };
        let connection = Connection {
            line: BOOTSTRAP,
            state: State::Up,
            security: accounts::bootstrap_account(0, 0),
        };
        self.connections.insert(id, connection);
        self.follow(id);
        true
    }

    /// A bootstrap may begin on this connection.
    fn follow(&mut self, connection: ConnectionId) {
        let before = self.in_force();
        let session = self.lines.borrow()[BOOTSTRAP].session(self.lines.borrow()[BOOTSTRAP].server);
        self.followed = Some(Followed {
            connection,
            session: session.number,
            values: before.clone(),
            before,
            asked: BTreeSet::new(),
            answered: BTreeSet::new(),
        });
    }
}

/// The application.
impl Device {
    /// It sets values, which are in force whatever becomes of a bootstrap.
    pub(super) fn change(&mut self, now: Instant) {
        let value = Value::Integer(self.random.below(100) as i64);
        match self.random.below(4) {
            0 => self.set(now, BATTERY, value),
            1 | 2 => self.set(now, COUNTER, value),
            _ => {
                let servers = self.in_force().server_instances();
                if let Some(first) = servers.first() {
                    let lifetime = Path::of(&[1, *first, 1]).expect("a path");
                    let value = 60_000 + self.random.below(5_000) as i64;
                    self.set(now, lifetime, Value::Integer(value));
                }
            }
        }
    }

    fn set(&mut self, now: Instant, path: Path, value: Value) {
        self.touched = true;
        // What the Bootstrap-Server has deleted can't be set.
        if self.client.set(now, path, value.clone()).is_err() {
            return;
        }
        if self.started.is_some() {
            self.count("value set in a bootstrap");
        }
        if let Some(followed) = &mut self.followed {
            followed.values.set(path, value.clone());
        }
        if self.plan.fault == Fault::Forgets && self.started.is_some() {
            return;
        }
        let set = self.tree.change([Change::Set { path, value }]);
        if set.is_ok() {
            self.saved = self.tree.snapshot();
            let values = self.in_force();
            self.book.borrow_mut().in_force(&values);
        }
    }
}

/// What is checked.
impl Device {
    /// What a power cut would leave is what is in force.
    fn check_tree(&self) {
        let snapshot = self.client.tree().snapshot();
        if snapshot == self.saved {
            return;
        }
        let mut saved = accounts::tree(self.plan.hold_off, &[]);
        saved.restore(&snapshot).expect("what was saved is valid");
        let what = "is not what was before, with what the application has set";
        self.in_force().check(&Values::of(&saved), what);
        panic!("the snapshots differ, and no value does");
    }

    /// A bootstrap is finished: exactly what its commands say is in force.
    fn finished(&mut self, now: Instant) {
        self.count("finished at the Client");
        let session = self.started.take().expect("a bootstrap that has started");
        let followed = self.followed.take().expect("a bootstrap that is followed");
        assert_eq!(session, followed.session);
        self.end(session, Outcome::Finished);
        if self.plan.fault == Fault::Mixes {
            let _ = self.client.set(now, COUNTER, -1);
        }
        let values = Values::of(self.client.tree());
        followed.values.check(&values, "is not what was finished");
        self.book.borrow_mut().finished(&followed.before, &values);
        self.book.borrow_mut().in_force(&values);
        let snapshot = self.client.tree().snapshot();
        self.tree.restore(&snapshot).expect("a snapshot");
        self.saved = snapshot;
        if self.plan.fault == Fault::Drops {
            for (id, line) in self.up() {
                if line != BOOTSTRAP {
                    self.client.disconnected(now, id);
                    self.connections.remove(&id);
                }
            }
        }
    }

    fn failed(&mut self, now: Instant) {
        let Some(session) = self.started.take() else {
            self.count("not started at the Client");
            return;
        };
        self.count("failed at the Client");
        self.end(session, Outcome::Failed);
        if self.plan.fault == Fault::Keeps {
            let _ = self.client.set(now, COUNTER, -1);
        }
    }

    fn end(&self, session: u32, outcome: Outcome) {
        let mut book = self.book.borrow_mut();
        let attempt = book.attempts.entry(session).or_default();
        let before = attempt.client.replace(outcome);
        assert!(before.is_none(), "a second outcome");
    }

    fn told(&mut self, now: Instant, event: ClientEvent) {
        check_secret(&format!("{event:?}"), "an event of the Client");
        if let ClientEvent::Connect { security, .. } = &event
            && self.plan.fault == Fault::Shows
        {
            let key = &security.secret_key;
            check_secret(&format!("{event:?} {key:?}"), "an event of the Client");
        }
        match event {
            ClientEvent::Connect {
                connection,
                uri,
                security,
                ..
            } => {
                // Where nothing is lost, nothing is late either in a new session.
                let least = Duration::from_secs(u64::from(self.plan.calm));
                let wait = least + self.random.duration(Duration::from_secs(3));
                let asked = Connection {
                    line: line(&uri),
                    state: State::Asked(now + wait),
                    security,
                };
                self.connections.insert(connection, asked);
            }
            ClientEvent::Disconnect { connection } => drop(self.connections.remove(&connection)),
            ClientEvent::Registered { account, .. } => self.registered(account),
            ClientEvent::BootstrapStarted { by, .. } => {
                self.count(
                    format!("begun by the {by:?}").replace("BootstrapServer", "Bootstrap-Server"),
                );
                let followed = self.followed.as_ref();
                let session = followed
                    .expect("a connection to the Bootstrap-Server")
                    .session;
                assert_eq!(
                    self.started.replace(session),
                    None,
                    "another one has started"
                );
            }
            ClientEvent::BootstrapInconsistent { reason, .. } => {
                self.count("not consistent");
                let followed = self.followed.as_ref();
                let is_consistent = followed.is_some_and(|at| at.values.are_consistent());
                assert!(!is_consistent, "4.06 to the Finish: {reason}");
            }
            ClientEvent::BootstrapFinished { .. } => self.finished(now),
            ClientEvent::BootstrapFailed { .. } => {
                self.touched = true;
                self.failed(now);
            }
            _ => {}
        }
    }

    /// There is another registration, which has no reason to end.
    fn registered(&self, account: AccountId) {
        let role = self.client.account(account).map(|status| status.role);
        if let Some(AccountRole::Server(id)) = role {
            let server = usize::from(id.get() - 101);
            self.book.borrow_mut().registered(server);
        }
    }

    /// A datagram leaves for the Bootstrap-Server. Returns whether it does.
    fn answers(&mut self, to: ConnectionId, datagram: &[u8]) -> bool {
        let message = MessageRef::parse(datagram).expect("a message");
        let Some(followed) = self.followed.as_mut().filter(|at| at.connection == to) else {
            return true;
        };
        let token = message.token();
        // Not before the last block; a block that is asked for again later may be gone.
        let goes_on = message.block2().is_some_and(BlockOption::more);
        let is_answer = message.code().kind() == CodeKind::Response
            && ![Code::CONTINUE, Code::REQUEST_ENTITY_INCOMPLETE].contains(&message.code())
            && !goes_on
            && followed.asked.contains(&token)
            && followed.answered.insert(token);
        if !is_answer {
            return true;
        }
        self.touched = true;
        let book = self.book.borrow();
        let steps = &book.attempts[&followed.session].steps;
        let code = message.code();
        let step = steps.get(followed.answered.len() - 1);
        let step = step.unwrap_or_else(|| panic!("{code} to more than {steps:?}"));
        match step {
            Step::TryDelete(_) if code == Code::BAD_REQUEST => followed.values.apply(step),
            Step::Finish if code == Code::CHANGED => {
                assert!(
                    followed.values.are_consistent(),
                    "2.04 to a Finish of halves"
                );
                followed.values.finish(&followed.before);
            }
            Step::Finish => assert_eq!(code, Code::NOT_ACCEPTABLE, "to the Finish"),
            step => {
                let operation = step.operation();
                assert_eq!(code, operation.success(), "to {step:?}");
                followed.values.apply(step);
            }
        }
        let operation = step.operation();
        drop(book);
        let answers = followed.answered.len();
        if let Some((at, trap)) = self.trap
            && answers > at
        {
            self.trap = None;
            self.sprung = Some(trap);
            self.count(format!("{} after {operation}", trap.name()));
            return trap != Trap::AnswerLost;
        }
        true
    }

    /// In the end the sessions have the keys of the accounts.
    pub(super) fn check_sessions(&self) {
        let values = self.in_force();
        for connection in self.connections.values() {
            if connection.line == BOOTSTRAP {
                continue;
            }
            assert_eq!(connection.state, State::Up, "a connection that isn't made");
            let account = accounts::account_of(&values, connection.line);
            account.expect("a session with a server that has an account");
            let key = values.secret_key(connection.line);
            assert_eq!(
                key.as_ref(),
                Some(&connection.security.secret_key),
                "the session with server {} has another key",
                connection.line
            );
        }
    }
}

impl Node for Device {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        let from = |at: &Connection| {
            at.state == State::Up && self.lines.borrow()[at.line].server == datagram.from.node
        };
        let mut all = self.connections.iter().rev();
        let Some((connection, at)) = all.find(|(_, at)| from(at)) else {
            return;
        };
        let (connection, line) = (*connection, at.line);
        if line == BOOTSTRAP
            && let Some(followed) = &mut self.followed
            && let Ok(message) = MessageRef::parse(datagram.payload)
            && message.code().method().is_some()
            && message.kind() == MessageType::Confirmable
            && followed.connection == connection
        {
            followed.asked.insert(message.token());
        }
        let datagram = Datagram::new(connection, datagram.payload);
        // The error only informs.
        let _ = self.client.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        for connection in self.connections.values_mut() {
            if matches!(connection.state, State::Asked(due) if due <= now) {
                connection.state = State::Ready;
            }
        }
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        loop {
            let sent = self.client.poll_transmit()?;
            let (to, payload) = (sent.to, sent.payload.to_vec());
            let connection = self.connections.get(&to);
            let connection = connection.filter(|at| at.state == State::Up);
            let line = connection
                .expect("it sends to a connection that is up")
                .line;
            if line == BOOTSTRAP && !self.answers(to, &payload) {
                continue;
            }
            *datagram = payload;
            return Some(Address {
                node: self.lines.borrow()[line].server,
                number: 0,
            });
        }
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        if let Some(event) = self.client.poll_event() {
            self.told(now, event);
            return true;
        }
        if core::mem::take(&mut self.touched) {
            self.check_tree();
        }
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let asked = self.connections.values().filter_map(|at| match at.state {
            State::Asked(due) => Some(due),
            _ => None,
        });
        asked.chain(self.client.poll_timeout()).min()
    }
}

impl Values {
    /// The key of the account of a server.
    fn secret_key(&self, server: usize) -> Option<Vec<u8>> {
        let id = i64::from(accounts::short_server_id(server).get());
        let of = |at: &u16, resource: u16| Path::of(&[0, *at, resource]).expect("a path");
        let mut all = self
            .instances(ObjectId::SECURITY)
            .into_iter()
            .map(InstanceId::get);
        let at = all.find(|at| self.integer(of(at, 10)) == Some(id))?;
        match self.get(of(&at, 5)) {
            Some(Value::Opaque(key)) => Some(key.clone()),
            _ => None,
        }
    }
}
