use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use lwm2m_core::{
    AccessRights, Code, ContentFormat, InstanceId, Instant, Method, Path, ShortServerId, Value,
    codec::Content,
};
use lwm2m_objects::typed::{self, AccessControl};
use lwm2m_statemachine::{
    BootstrapId, BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Channel, Datagram,
    Identity,
    bootstrap_server::{
        Acceptance, BootstrapFailure, Discovered, Host, PauseReason, Plan, RefuseWith, Step,
        plans::{self, Account, BootstrapAccount, Rights},
    },
    coap::{self, MessageBuf, MessageRef, MessageType, Token},
};

use crate::program::Program;

/// A BootstrapServer, clients that may send it anything, and an application that gives it any plan at
/// any time: requests under any name, with and without a proven identity; answers of any code, in the
/// acknowledgement or separate, from the client that was asked or from another one, once or again, whole
/// or changed; plans that are no plans; refusals, aborts, lost connections; time.
///
/// Each bootstrap has one end, and its handle isn't used again. It is a success only if the client has
/// answered a Bootstrap-Finish 2.04, and it may have finished otherwise only if it was told to. Commands
/// go to nobody but the peer of a bootstrap. What is held is bounded, and no deadline stays in the past.
/// No key is shown. When time passes everything ends, and nothing is left.
pub fn bootstrap_server(data: &[u8]) {
    let mut program = Program::long(data);
    let mut world = World::new(program.byte());
    while let Some(step) = program.step() {
        world.step(step, &mut program);
    }
    world.finish();
}

const PEERS: u8 = 4;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// The key in all plans, whose octets nothing else has.
const KEY: [u8; 16] = *b"K3y-K3y-K3y-K3y-";
/// How many datagrams are remembered, to be answered or sent again.
const MOST_REMEMBERED: usize = 16;

const PATHS: [&str; 8] = [
    "/",
    "/0",
    "/1",
    "/0/1",
    "/1/0",
    "/1/0/1",
    "/0/1/5",
    "/3/0/11/2",
];
const CODES: [Code; 8] = [
    Code::CHANGED,
    Code::DELETED,
    Code::CONTENT,
    Code::BAD_REQUEST,
    Code::NOT_FOUND,
    Code::NOT_ACCEPTABLE,
    Code::UNSUPPORTED_CONTENT_FORMAT,
    Code::CONTINUE,
];
const LINKS: [&str; 4] = [
    r#"lwm2m="1.0",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</2/0>,</3/0>"#,
    "</0/0>,</3/0>",
    "",
    "</0",
];

struct World {
    machine: BootstrapServer<u8>,
    now: Instant,
    bounds: Bounds,
    message_id: u16,
    living: BTreeSet<BootstrapId>,
    /// Where each of the living may be told something.
    peers: Vec<(BootstrapId, u8)>,
    waiting: Vec<(BootstrapId, Option<PauseReason>)>,
    gone: BTreeSet<BootstrapId>,
    found: Option<Discovered>,
    /// Commands that may be answered, and for whom they are.
    commands: VecDeque<(u8, Vec<u8>)>,
    /// What was sent to the machine.
    sent: VecDeque<(u8, Vec<u8>)>,
    /// Peers that were told to finish, and those that answered 2.04 to it.
    finishing: BTreeSet<u8>,
    finished: BTreeSet<u8>,
    /// Those whose plan has a Bootstrap-Finish.
    to_finish: BTreeSet<BootstrapId>,
}

#[derive(Clone, Copy)]
struct Bounds {
    waiting: usize,
    bootstraps: usize,
    unproven: usize,
    plan_bytes: usize,
}

impl World {
    fn new(kind: u8) -> Self {
        let mut config = BootstrapServerConfig::new([1; 32]);
        config.coap.block_size = [1024, 16, 64, 256][usize::from(kind % 4)];
        config.coap.transmission.nstart = 1 + u16::from(kind >> 5 & 1);
        if kind & 0x08 != 0 {
            config.acceptance = Acceptance::AtOnce;
        }
        if kind & 0x10 != 0 {
            let bounds = &mut config.bounds;
            (bounds.waiting, bounds.unproven_waiting) = (2, 1);
            (bounds.bootstraps, bounds.unproven, bounds.per_host) = (3, 2, 1);
            (bounds.plan_bytes, bounds.plan_bytes_each) = (4000, 2500);
            bounds.answer = 200;
            let bounds = &mut config.coap.bounds;
            bounds.peers = 3;
            (bounds.records, bounds.records_per_peer) = (16, 12);
            (bounds.requests_per_peer, bounds.transmissions_per_peer) = (8, 4);
        }
        let bounds = Bounds {
            waiting: config.bounds.waiting,
            bootstraps: config.bounds.bootstraps,
            unproven: config.bounds.unproven,
            plan_bytes: config.bounds.plan_bytes,
        };
        Self {
            machine: BootstrapServer::with_hosts(config, |peer| Host::new(u64::from(*peer & 1))),
            now: Instant::from_secs(1),
            bounds,
            message_id: 0,
            living: BTreeSet::new(),
            peers: Vec::new(),
            waiting: Vec::new(),
            gone: BTreeSet::new(),
            found: None,
            commands: VecDeque::new(),
            sent: VecDeque::new(),
            finishing: BTreeSet::new(),
            finished: BTreeSet::new(),
            to_finish: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: u8, program: &mut Program<'_>) {
        match step & 0x0f {
            0 | 1 => self.ask(program.byte()),
            2..=4 => self.answer(step, program.byte()),
            5 => self.obey(program.byte()),
            6..=8 => self.give(step, program),
            9 => self.leave(program.byte()),
            10 => {
                let (from, length) = (program.byte() % PEERS, program.byte());
                let payload = program.take(length.into()).to_vec();
                self.arrive(from, payload, Identity::None);
            }
            11 => self.repeat(program.byte(), program.byte()),
            12 => drop(self.commands.pop_front()),
            13 => self.pass(Duration::from_millis(u64::from(program.byte()) * 100)),
            14 => self.pass(Duration::from_secs(u64::from(program.byte()) * 4)),
            _ => self.begin(program.byte(), program),
        }
        self.drain();
        self.check();
    }

    /// A Bootstrap-Request.
    fn ask(&mut self, choice: u8) {
        let (from, name) = (choice % PEERS, NAMES[usize::from(choice >> 2 & 3)]);
        self.message_id += 1;
        let mut request = MessageBuf::request(Method::Post);
        request.uri_path("bs").unwrap();
        request.uri_query(&format!("ep={name}")).unwrap();
        let token = Token::new(&[choice]).unwrap();
        let kind = if choice & 0x40 == 0 {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        let wire = request.finish(kind, self.message_id, token);
        let identity = match choice >> 4 & 3 {
            0 | 1 => Identity::None,
            2 => Identity::Psk(name.as_bytes()),
            _ => Identity::Psk(b"another"),
        };
        self.arrive(from, wire.as_ref().to_vec(), identity);
    }

    /// A command is answered, by its client or by another one.
    fn answer(&mut self, step: u8, choice: u8) {
        let at = usize::from(step >> 4) % self.commands.len().max(1);
        let Some((peer, bytes)) = self.commands.get(at).cloned() else {
            return;
        };
        if choice & 0x80 == 0 {
            self.commands.remove(at);
        }
        let from = if choice & 0x40 == 0 {
            peer
        } else {
            (peer + 1) % PEERS
        };
        let code = CODES[usize::from(choice & 7)];
        let mut response = MessageBuf::response(code);
        let command = MessageRef::parse(&bytes).unwrap();
        let (id, token) = (command.message_id(), command.token());
        if let Some(block) = command.block1() {
            response.block1(block).unwrap();
        }
        if code == Code::CONTENT {
            response.payload(LINKS[usize::from(choice >> 3 & 3)].as_bytes());
        }
        if from == peer && code == Code::CHANGED && is_finish(&command) {
            self.finished.insert(peer);
        }
        let wire = match step & 0x0f {
            2 => response.finish(MessageType::Acknowledgement, id, token),
            3 => {
                let [high, low] = id.to_be_bytes();
                self.arrive(from, vec![0x60, 0, high, low], Identity::None);
                self.drain();
                self.message_id += 1;
                response.finish(MessageType::Confirmable, self.message_id, token)
            }
            _ if choice & 0x20 == 0 => {
                self.message_id += 1;
                response.finish(MessageType::NonConfirmable, self.message_id, token)
            }
            _ => {
                let [high, low] = id.to_be_bytes();
                return self.arrive(from, vec![0x70, 0, high, low], Identity::None);
            }
        };
        self.arrive(from, wire.as_ref().to_vec(), Identity::None);
    }

    /// Clients do as they are told, this many commands.
    fn obey(&mut self, count: u8) {
        for _ in 0..count {
            let Some((_, bytes)) = self.commands.front() else {
                return;
            };
            let command = MessageRef::parse(bytes).unwrap();
            let choice = match command.code().method() {
                Some(Method::Get) => 2,
                Some(Method::Delete) => 1,
                _ if command.block1().is_some_and(|block| block.more()) => 7,
                _ => 0,
            };
            self.answer(2, choice);
            self.drain();
        }
    }

    /// The application gives a plan to one that waits, or to one that doesn't.
    fn give(&mut self, step: u8, program: &mut Program<'_>) {
        let at = usize::from(step >> 4) % self.waiting.len().max(1);
        let plan = self.plan(program);
        let Some((bootstrap, paused)) = self.waiting.get(at).copied() else {
            if let Some(any) = self.living.first().or(self.gone.last()) {
                let _ = self.machine.resume(self.now, *any, &plan);
            }
            return;
        };
        let finishes = finishes(&plan);
        let given = match (step & 0x0f == 8, paused) {
            (false, None) | (true, Some(_)) => self.machine.start(self.now, bootstrap, &plan),
            (false, Some(_)) | (true, None) => self.machine.resume(self.now, bootstrap, &plan),
        };
        if given.is_ok() {
            self.waiting.remove(at);
            self.to_finish.extend(finishes.then_some(bootstrap));
        }
    }

    fn plan(&self, program: &mut Program<'_>) -> Plan {
        let choice = program.byte();
        let id = |id: u16| ShortServerId::new(id).unwrap();
        let account = |server: u16| Account {
            security: typed::Security::pre_shared_key("coaps://h", id(server), "identity", KEY),
            server: typed::Server::new(id(server), 60),
        };
        let own = || BootstrapAccount::Keep(InstanceId::ZERO);
        let access = AccessControl::on_instance(3.into(), InstanceId::ZERO, id(101));
        let ready = match choice >> 5 {
            0 => plans::one_server(own(), account(101)),
            1 => plans::several_servers(own(), [account(101), account(102)], [access]),
            2 => plans::wipe_and_set(own(), [account(101)], []),
            3 => plans::rotate_keys(InstanceId::ZERO, &account(101).security),
            4 => {
                let found = self.found.clone().unwrap_or_default();
                plans::add_server(&found, account(102), |_| Rights {
                    owner: 101,
                    acl: vec![(102, AccessRights::READ)],
                })
            }
            5 => {
                let new = account(101).security.into_bootstrap_server();
                plans::replace_bootstrap_account(InstanceId::ZERO, new)
            }
            _ => {
                let steps = (0..choice & 7).map(|_| any_step(program.byte(), program));
                return steps.collect();
            }
        };
        ready.unwrap_or_else(|_| Plan::new().finish())
    }

    /// Refusals, aborts, lost connections.
    fn leave(&mut self, choice: u8) {
        let at = usize::from(choice >> 4) % self.living.len().max(1);
        let Some(bootstrap) = self.living.iter().nth(at).copied() else {
            self.machine.peer_gone(self.now, &(choice % PEERS));
            return;
        };
        match choice & 3 {
            0 => {
                let unknown = RefuseWith::UnknownEndpoint;
                let _ = self.machine.refuse(self.now, bootstrap, unknown);
            }
            1 => {
                let unavailable = RefuseWith::Unavailable;
                let _ = self.machine.refuse(self.now, bootstrap, unavailable);
            }
            2 => assert!(self.machine.abort(self.now, bootstrap)),
            _ => self.machine.peer_gone(self.now, &(choice >> 2 & 3)),
        }
    }

    /// The application begins a bootstrap.
    fn begin(&mut self, choice: u8, program: &mut Program<'_>) {
        let plan = self.plan(program);
        let (peer, name) = (choice % PEERS, NAMES[usize::from(choice >> 2 & 3)]);
        let channel = if choice & 0x10 == 0 {
            Channel::Udp
        } else {
            Channel::Sms
        };
        let finishes = finishes(&plan);
        if let Ok(bootstrap) = self.machine.begin(self.now, name, peer, channel, &plan) {
            self.to_finish.extend(finishes.then_some(bootstrap));
            self.begins(bootstrap, peer);
        }
    }

    /// A datagram of before arrives again, maybe with a changed octet.
    fn repeat(&mut self, at: u8, change: u8) {
        let index = usize::from(at) % self.sent.len().max(1);
        let Some((from, mut bytes)) = self.sent.get(index).cloned() else {
            return;
        };
        let length = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(usize::from(at >> 3) % length) {
            *byte ^= change;
        }
        // What was changed may be a 2.04 to a Bootstrap-Finish.
        self.finished.extend(&self.finishing);
        self.arrive(from, bytes, Identity::None);
    }

    fn arrive(&mut self, from: u8, bytes: Vec<u8>, identity: Identity<'_>) {
        if let Ok(message) = MessageRef::parse(&bytes)
            && message.code() == Code::CHANGED
            && self.finishing.contains(&from)
        {
            self.finished.insert(from);
        }
        let mut datagram = Datagram::new(from, &bytes);
        datagram.identity = identity;
        let _ = self.machine.handle_datagram(self.now, datagram);
        self.sent.push_back((from, bytes));
        if self.sent.len() > MOST_REMEMBERED {
            self.sent.pop_front();
        }
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.machine.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.machine.handle_timeout(self.now);
            let due = self.machine.poll_timeout();
            assert!(due.is_none_or(|due| due > self.now), "no progress");
            self.drain();
        }
        self.now = end;
    }

    fn begins(&mut self, bootstrap: BootstrapId, peer: u8) {
        assert!(!self.gone.contains(&bootstrap), "a handle is used again");
        assert!(self.living.insert(bootstrap), "it begins twice");
        self.peers.push((bootstrap, peer));
    }

    /// All that the machine tells and sends.
    fn drain(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            assert_no_key(&format!("{event:?}"));
            self.follow(event);
        }
        while let Some(transmit) = self.machine.poll_transmit() {
            let message = MessageRef::parse(transmit.payload).expect("a message");
            if message.code().method().is_none() {
                continue;
            }
            let to = transmit.to;
            let is_of_a_bootstrap = self.peers.iter().any(|(_, peer)| *peer == to);
            assert!(is_of_a_bootstrap, "a command to nobody");
            if is_finish(&message) {
                self.finishing.insert(to);
            }
            self.commands.push_back((to, transmit.payload.to_vec()));
            if self.commands.len() > MOST_REMEMBERED {
                self.commands.pop_front();
            }
        }
    }

    fn follow(&mut self, event: BootstrapServerEvent<u8>) {
        match event {
            BootstrapServerEvent::Requested { bootstrap, client } => {
                self.begins(bootstrap, client.peer);
                self.waiting.push((bootstrap, None));
                self.finishing.remove(&client.peer);
                self.finished.remove(&client.peer);
            }
            BootstrapServerEvent::Discovered {
                bootstrap, found, ..
            } => {
                assert!(self.living.contains(&bootstrap));
                self.found = Some(found);
            }
            BootstrapServerEvent::NotDiscovered { bootstrap, .. } => {
                assert!(self.living.contains(&bootstrap));
            }
            BootstrapServerEvent::Paused { bootstrap, reason } => {
                assert!(self.living.contains(&bootstrap));
                self.waiting.push((bootstrap, Some(reason)));
            }
            BootstrapServerEvent::Ended {
                bootstrap,
                peer,
                outcome,
                may_have_finished,
                ..
            } => self.ends(bootstrap, peer, outcome, may_have_finished),
            _ => {}
        }
    }

    fn ends(
        &mut self,
        bootstrap: BootstrapId,
        peer: u8,
        outcome: Result<(), BootstrapFailure>,
        may_have_finished: bool,
    ) {
        assert!(self.living.remove(&bootstrap), "it ends and never began");
        assert!(self.gone.insert(bootstrap), "it ends twice");
        self.waiting.retain(|(waiting, _)| *waiting != bootstrap);
        let of = self.peers.iter().find(|(of, _)| *of == bootstrap);
        assert_eq!(of, Some(&(bootstrap, peer)));
        self.peers.retain(|(of, _)| *of != bootstrap);
        match outcome {
            Ok(()) => {
                assert!(!may_have_finished);
                assert!(self.finished.contains(&peer), "nobody has finished");
            }
            Err(failure) => {
                assert_no_key(&failure.to_string());
                assert!(!may_have_finished || self.to_finish.contains(&bootstrap));
            }
        }
    }

    fn check(&self) {
        let usage = self.machine.usage();
        assert_eq!(usage.waiting + usage.under_way, self.living.len());
        assert_eq!(usage.events, 0);
        assert!(usage.waiting <= self.bounds.waiting);
        assert!(self.living.len() <= self.bounds.bootstraps);
        assert!(usage.unproven <= self.bounds.unproven);
        assert!(usage.plan_bytes <= self.bounds.plan_bytes);
        // One for each peer and each name.
        assert!(self.living.len() <= usize::from(PEERS));
        for (bootstrap, _) in &self.waiting {
            assert!(self.machine.is_waiting(*bootstrap));
        }
    }

    /// Nothing more happens, until all that is remembered has expired.
    fn finish(&mut self) {
        assert_no_key(&format!("{:?}", self.machine));
        for round in 0.. {
            assert!(round < 1000, "no end");
            let Some(next) = self.machine.poll_timeout() else {
                break;
            };
            self.pass(next.saturating_duration_since(self.now));
        }
        assert!(self.living.is_empty(), "not all have ended");
        let usage = self.machine.usage();
        assert_eq!((usage.waiting, usage.under_way, usage.unproven), (0, 0, 0));
        assert_eq!((usage.plan_bytes, usage.events), (0, 0));
        assert_eq!(usage.coap, coap::Usage::default());
        let stats = self.machine.stats();
        assert_eq!(stats.requested + stats.begun, stats.finished + stats.failed);
    }
}

fn is_finish(command: &MessageRef<'_>) -> bool {
    command.code().method() == Some(Method::Post) && command.uri_path().eq(["bs"])
}

fn finishes(plan: &Plan) -> bool {
    plan.steps().iter().any(|step| matches!(step, Step::Finish))
}

/// A step that may be none.
fn any_step(choice: u8, program: &mut Program<'_>) -> Step {
    let path: Path = PATHS[usize::from(choice & 7)].parse().unwrap();
    match choice >> 3 & 7 {
        0 => Step::Discover(path),
        1 => Step::TryDiscover(path),
        2 => Step::Delete(path),
        3 => Step::TryDelete(path),
        4 | 5 => Step::Finish,
        kind => {
            let format = match program.byte() % 6 {
                0 | 1 => None,
                2 => Some(ContentFormat::TLV),
                3 => Some(ContentFormat::JSON),
                4 => Some(ContentFormat::TEXT),
                _ => Some(ContentFormat::OPAQUE),
            };
            let value = match (kind, path.resource().map(|id| id.get())) {
                (6, Some(5)) => Value::Opaque(KEY.to_vec()),
                (6, _) => Value::Integer(60),
                _ => Value::String("x".repeat(usize::from(program.byte()) * 4)),
            };
            // Of the Lifetime, unless the path is a Resource.
            let at = match path {
                Path::Resource(..) | Path::ResourceInstance(..) => path,
                _ => "/1/0/1".parse().unwrap(),
            };
            Step::Write {
                path,
                content: Content::from_iter([(at, value)]),
                format,
            }
        }
    }
}

/// The key is in what is shown in none of the forms in which `Debug` has octets.
fn assert_no_key(shown: &str) {
    let text = str::from_utf8(&KEY).unwrap();
    let list = format!("{KEY:?}");
    assert!(!shown.contains(text), "{shown}");
    assert!(!shown.contains(list.trim_matches(['[', ']'])), "{shown}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bootstraps of this program are finished, and how many failed.
    fn run(data: &[u8]) -> (u64, u64) {
        let mut program = Program::long(data);
        let mut world = World::new(program.byte());
        while let Some(step) = program.step() {
            world.step(step, &mut program);
        }
        world.finish();
        let stats = world.machine.stats();
        (stats.finished, stats.failed)
    }

    #[test]
    fn the_seeds_are_what_their_names_say() {
        let seeds = [
            (
                &include_bytes!("../seeds/bootstrap_server/one_server")[..],
                (1, 0),
            ),
            (
                include_bytes!("../seeds/bootstrap_server/several_servers"),
                (1, 0),
            ),
            (include_bytes!("../seeds/bootstrap_server/proven"), (1, 0)),
            (
                include_bytes!("../seeds/bootstrap_server/another_identity"),
                (0, 1),
            ),
            (
                include_bytes!("../seeds/bootstrap_server/discover_then_add"),
                (1, 0),
            ),
            (
                include_bytes!("../seeds/bootstrap_server/inconsistent_and_repaired"),
                (1, 0),
            ),
            (
                include_bytes!("../seeds/bootstrap_server/other_format"),
                (1, 0),
            ),
            (
                include_bytes!("../seeds/bootstrap_server/no_format"),
                (0, 1),
            ),
            (include_bytes!("../seeds/bootstrap_server/separate"), (1, 0)),
            (
                include_bytes!("../seeds/bootstrap_server/by_another"),
                (1, 0),
            ),
            (
                include_bytes!("../seeds/bootstrap_server/superseded"),
                (1, 2),
            ),
            (include_bytes!("../seeds/bootstrap_server/begun"), (1, 0)),
            (
                include_bytes!("../seeds/bootstrap_server/finish_without_answer"),
                (0, 1),
            ),
            (include_bytes!("../seeds/bootstrap_server/at_once"), (1, 0)),
            (
                include_bytes!("../seeds/bootstrap_server/any_bytes"),
                (1, 0),
            ),
        ];
        for (index, (seed, expected)) in seeds.into_iter().enumerate() {
            assert_eq!(run(seed), expected, "{index}: {seed:02x?}");
        }
    }

    #[test]
    #[should_panic(expected = "nobody has finished")]
    fn a_success_that_is_none_is_found() {
        let mut world = World::new(0);
        world.ask(0);
        world.drain();
        let (bootstrap, peer) = world.peers[0];
        world.ends(bootstrap, peer, Ok(()), false);
    }

    #[test]
    #[should_panic(expected = "it ends and never began")]
    fn a_second_end_is_found() {
        let mut world = World::new(0);
        world.ask(0);
        world.drain();
        let (bootstrap, peer) = world.peers[0];
        for _ in 0..2 {
            world.ends(bootstrap, peer, Err(BootstrapFailure::Aborted), false);
        }
    }

    #[test]
    #[should_panic(expected = "key")]
    fn a_key_that_is_shown_is_found() {
        assert_no_key(&format!("key {:?}", Value::Opaque(KEY.to_vec())));
    }
}
