//! A server that crashes at any moment, and is started again from what it has stored.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use lwm2m_core::{Arguments, Code, Instant, Method};
use lwm2m_statemachine::{
    ObservationId, OperationId, Outcome, RegistrationId, Server, ServerConfig, ServerEvent,
    coap::{MessageBuf, MessageType, Token},
    server::{Holding, RecordChange, RecordKeeping},
};
use proptest::prelude::*;

use super::seconds;
use crate::support::{LINKS, Peer, Sent, World, path};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Crash {
    No,
    /// What has happened isn't stored, and nothing has left.
    BeforeStoring,
    /// It is stored, and nothing has left.
    AfterStoring,
    /// It is stored, and all has left.
    AfterSending,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Register,
    Update,
    Leave,
    Read,
    Execute,
    Observe,
    Answer,
    Notify,
    Pass(u64),
}

/// What one client knows.
#[derive(Default)]
struct Device {
    location: Option<Vec<String>>,
    /// Requests that it hasn't answered yet.
    inbox: VecDeque<Sent>,
    observed: Vec<(Token, ObservationId)>,
}

/// The server with its storage, and its clients.
struct Life {
    world: World,
    stored: BTreeMap<String, (String, Instant)>,
    starts: u8,
    devices: BTreeMap<Peer, Device>,
    calls: BTreeSet<OperationId>,
    outcomes: BTreeMap<OperationId, Vec<Outcome>>,
    /// Handles of notifications that were told since the last look.
    told: Vec<ObservationId>,
    /// The tokens with which each Execute was seen, by its path.
    executed: BTreeMap<String, BTreeSet<Vec<u8>>>,
    answers: Vec<(Peer, Sent)>,
    executes: u16,
    sequence: u32,
}

fn config(start: u8) -> ServerConfig {
    let mut config = ServerConfig::new([start; 32]);
    config.records = RecordKeeping::Durable(Holding::default());
    config
}

impl Life {
    fn new() -> Self {
        let mut world = World::new();
        world.server = Server::new(config(1));
        Self {
            world,
            stored: BTreeMap::new(),
            starts: 1,
            devices: (1..=3).map(|peer| (peer, Device::default())).collect(),
            calls: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            told: Vec::new(),
            executed: BTreeMap::new(),
            answers: Vec::new(),
            executes: 0,
            sequence: 1,
        }
    }

    fn device(&mut self, peer: Peer) -> &mut Device {
        self.devices.get_mut(&peer).unwrap()
    }

    fn client(&self, peer: Peer) -> Option<RegistrationId> {
        self.world.server.find(&format!("device-{peer}"))
    }

    /// What has happened is told, stored and sent, as far as the server comes.
    fn settle(&mut self, crash: Crash) {
        if crash == Crash::BeforeStoring {
            return self.boot();
        }
        let mut last = None;
        for event in self.world.events() {
            match event {
                ServerEvent::Record {
                    registration,
                    endpoint_name,
                    change,
                    revision,
                } => {
                    last = Some(revision);
                    self.store(registration, endpoint_name.into(), change);
                }
                ServerEvent::Answered {
                    operation, outcome, ..
                } => self.outcomes.entry(operation).or_default().push(outcome),
                ServerEvent::Notification { observation, .. } => self.told.push(observation),
                _ => {}
            }
        }
        if crash == Crash::AfterStoring {
            return self.boot();
        }
        let now = self.world.now;
        if let Some(last) = last {
            self.world.server.records().stored(now, last);
        }
        for sent in self.world.sent() {
            self.receive(sent);
        }
        if crash == Crash::AfterSending {
            self.boot();
        }
    }

    fn store(&mut self, id: RegistrationId, name: String, change: RecordChange) {
        let now = self.world.now;
        match self.world.server.records().get(now, id) {
            Some(record) => {
                let text = serde_json::to_string(&record).unwrap();
                self.stored.insert(name, (text, now));
            }
            None if change == RecordChange::Gone => drop(self.stored.remove(&name)),
            None => {}
        }
    }

    fn boot(&mut self) {
        self.starts += 1;
        self.world.server = Server::new(config(self.starts));
        let now = self.world.now;
        for (text, at) in self.stored.values() {
            let record = serde_json::from_str(text).unwrap();
            let elapsed = now.saturating_duration_since(*at);
            self.world
                .server
                .records()
                .restore(now, record, elapsed)
                .unwrap();
        }
        self.settle(Crash::No);
    }

    fn receive(&mut self, sent: Sent) {
        if sent.code().method().is_none() {
            return self.answers.push((sent.to, sent));
        }
        let token = sent.message().token().to_vec();
        if sent.code().method() == Some(Method::Post) {
            let seen = self.executed.entry(sent.path()).or_default();
            seen.insert(token.clone());
        }
        let inbox = &mut self.device(sent.to).inbox;
        if inbox.iter().all(|known| known.bytes != sent.bytes) {
            inbox.push_back(sent);
        }
    }

    /// A device asks until it is answered.
    fn ask(&mut self, peer: Peer, method: Method, path: &[String], crash: Crash) -> Sent {
        for crash in [crash, Crash::No] {
            self.answers.clear();
            let mut message = MessageBuf::request(method);
            for segment in path {
                message.uri_path(segment).unwrap();
            }
            if path == ["rd"] {
                let name = format!("ep=device-{peer}");
                let binding = if peer == 1 { "b=U" } else { "b=UQ" };
                for query in [&*name, "lt=86400", "lwm2m=1.0", binding] {
                    message.uri_query(query).unwrap();
                }
                message.payload(LINKS.as_bytes());
            }
            self.deliver(peer, message, MessageType::Confirmable, None);
            self.settle(crash);
            let answer = self.answers.iter().find(|(to, _)| *to == peer);
            if let Some((_, answer)) = answer {
                return answer.clone();
            }
        }
        panic!("no answer");
    }

    fn deliver(
        &mut self,
        peer: Peer,
        message: MessageBuf,
        kind: MessageType,
        token: Option<Token>,
    ) {
        let id = self.world.next_message_id();
        let token = token.unwrap_or_else(|| Token::new(&id.to_be_bytes()).unwrap());
        let wire = message.finish(kind, id, token);
        self.world.deliver(peer, wire.as_ref());
    }

    fn act(&mut self, peer: Peer, act: Act, crash: Crash) {
        let location = self.device(peer).location.clone();
        match (act, location) {
            (Act::Register, _) => {
                let answer = self.ask(peer, Method::Post, &["rd".into()], crash);
                assert_eq!(answer.code(), Code::CREATED);
                let device = self.device(peer);
                device.observed.clear();
                device.location = Some(answer.location());
            }
            // No device has to register anew.
            (Act::Update, Some(location)) => {
                let answer = self.ask(peer, Method::Post, &location, crash);
                assert_eq!(answer.code(), Code::CHANGED);
            }
            (Act::Leave, Some(location)) => {
                let code = self.ask(peer, Method::Delete, &location, crash).code();
                let is_repeated = crash != Crash::No && code == Code::NOT_FOUND;
                assert!(code == Code::DELETED || is_repeated);
                *self.device(peer) = Device::default();
            }
            (Act::Read | Act::Execute | Act::Observe, Some(_)) => self.call(peer, act, crash),
            (Act::Answer, _) => self.answer(peer, crash),
            (Act::Notify, Some(_)) => self.notify(peer),
            (Act::Pass(time), _) => {
                self.world.pass(seconds(time));
                self.settle(crash);
            }
            _ => {}
        }
    }

    fn call(&mut self, peer: Peer, act: Act, crash: Crash) {
        let (now, id) = (self.world.now, self.client(peer).expect("a registration"));
        self.executes += 1;
        let server = &mut self.world.server;
        let called = match act {
            Act::Execute => {
                let at = path(&format!("/3/0/{}", self.executes));
                server.execute(now, id, at, &Arguments::NONE)
            }
            Act::Observe => server.observe(now, id, path("/3/0/9"), None),
            _ => server.read(now, id, path("/3/0/9"), None),
        };
        if let Ok(operation) = called {
            self.calls.insert(operation);
            if crash == Crash::BeforeStoring {
                // The application has crashed as well, and knows nothing of it.
                self.calls.remove(&operation);
            }
        }
        self.settle(crash);
    }

    fn answer(&mut self, peer: Peer, crash: Crash) {
        let Some(request) = self.device(peer).inbox.pop_front() else {
            return;
        };
        let (token, id) = (request.message().token(), request.message().message_id());
        let is_post = request.code().method() == Some(Method::Post);
        let code = if is_post {
            Code::CHANGED
        } else {
            Code::CONTENT
        };
        let mut message = MessageBuf::response(code);
        if request.message().observe() == Some(0) {
            self.sequence += 1;
            message.observe(self.sequence).unwrap();
        }
        message.payload(b"80");
        let before: BTreeSet<_> = self.observed();
        let wire = message.finish(MessageType::Acknowledgement, id, token);
        self.world.deliver(peer, wire.as_ref());
        self.settle(crash);
        let now = self.observed();
        let new: Vec<_> = now.difference(&before).copied().collect();
        let new = new.into_iter().map(|observation| (token, observation));
        self.device(peer).observed.extend(new);
    }

    /// The observations that the application knows of.
    fn observed(&self) -> BTreeSet<ObservationId> {
        let outcomes = self.outcomes.values().flatten();
        let observed = outcomes.filter_map(|outcome| match outcome {
            Outcome::Observing { observation, .. } => Some(*observation),
            _ => None,
        });
        observed.collect()
    }

    /// No observation is lost.
    fn notify(&mut self, peer: Peer) {
        for (token, observation) in self.device(peer).observed.clone() {
            self.sequence += 1;
            let mut message = MessageBuf::response(Code::CONTENT);
            message.observe(self.sequence).unwrap().payload(b"79");
            self.told.clear();
            self.deliver(peer, message, MessageType::NonConfirmable, Some(token));
            self.settle(Crash::No);
            assert_eq!(self.told, [observation]);
        }
    }

    /// Each operation has one outcome, and no Execute was seen twice.
    fn end(mut self) {
        let now = self.world.now;
        self.world.server.waiting().cancel_all(now);
        self.settle(Crash::No);
        for call in &self.calls {
            let outcomes = self.outcomes.get(call).map_or(0, Vec::len);
            assert_eq!(outcomes, 1, "{call:?}: {:?}", self.outcomes.get(call));
        }
        let known = self.outcomes.keys().all(|call| self.calls.contains(call));
        assert!(known, "{:?}", self.outcomes);
        for (path, seen) in &self.executed {
            assert_eq!(seen.len(), 1, "{path}");
        }
    }
}

fn act() -> impl Strategy<Value = (Peer, Act, Crash)> {
    let act = prop_oneof![
        2 => Just(Act::Register),
        3 => Just(Act::Update),
        1 => Just(Act::Leave),
        3 => Just(Act::Read),
        3 => Just(Act::Execute),
        3 => Just(Act::Observe),
        8 => Just(Act::Answer),
        3 => Just(Act::Notify),
        2 => (1_u64..120).prop_map(Act::Pass),
    ];
    let crash = prop_oneof![
        6 => Just(Crash::No),
        1 => Just(Crash::BeforeStoring),
        1 => Just(Crash::AfterStoring),
        1 => Just(Crash::AfterSending),
    ];
    (1_u16..=3, act, crash)
}

proptest! {
    #[test]
    fn nothing_that_was_acknowledged_is_lost_and_nothing_is_done_twice(
        acts in prop::collection::vec(act(), 1..80),
    ) {
        let mut life = Life::new();
        for (peer, act, crash) in acts {
            life.act(peer, act, crash);
        }
        life.end();
    }
}
