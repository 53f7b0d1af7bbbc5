//! For any datagrams, calls and times: each operation and each observation ends exactly once,
//! nothing is reported of a registration that has ended, and in the end no state is left.

use core::time::Duration;
use std::collections::{HashMap, HashSet};

use lwm2m_core::{Arguments, Code, ContentFormat, Method};
use lwm2m_statemachine::{
    Datagram, Identity, ObservationId, OperationId, Outcome, RegistrationId, ServerEvent,
    coap::{MessageBuf, MessageType, Token, Usage},
};
use proptest::{collection::vec, prelude::*};

use crate::support::{LINKS, Peer, Sent, World, path};

#[derive(Clone, Debug)]
enum Step {
    Register {
        from: Peer,
        name: usize,
    },
    Update {
        from: Peer,
        registration: usize,
    },
    Deregister {
        from: Peer,
        registration: usize,
    },
    Garbage {
        from: Peer,
        bytes: Vec<u8>,
    },
    Call {
        registration: usize,
        call: u8,
    },
    Cancel {
        observation: usize,
        passive: bool,
    },
    Answer {
        request: usize,
        how: u8,
    },
    Notify {
        request: usize,
        sequence: u32,
        how: u8,
    },
    Gone {
        peer: Peer,
    },
    ClientGone {
        registration: usize,
    },
    Pass {
        milliseconds: u64,
    },
}

/// The peers from this one on are sessions of one device, which prove the identity `c`.
const SECURE: Peer = 2;

fn step() -> impl Strategy<Value = Step> {
    let index = 0..100_usize;
    prop_oneof![
        2 => (0..4_u16, 0..3_usize).prop_map(|(from, name)| Step::Register { from, name }),
        1 => (0..4_u16, index.clone()).prop_map(|(from, registration)| Step::Update { from, registration }),
        1 => (0..4_u16, index.clone()).prop_map(|(from, registration)| Step::Deregister { from, registration }),
        1 => (0..4_u16, vec(any::<u8>(), 0..40)).prop_map(|(from, bytes)| Step::Garbage { from, bytes }),
        6 => (index.clone(), 0..6_u8).prop_map(|(registration, call)| Step::Call { registration, call }),
        2 => (index.clone(), any::<bool>()).prop_map(|(observation, passive)| Step::Cancel { observation, passive }),
        6 => (index.clone(), 0..8_u8).prop_map(|(request, how)| Step::Answer { request, how }),
        4 => (index.clone(), 0..20_u32, 0..8_u8).prop_map(|(request, sequence, how)| Step::Notify { request, sequence, how }),
        1 => (0..4_u16).prop_map(|peer| Step::Gone { peer }),
        1 => index.prop_map(|registration| Step::ClientGone { registration }),
        2 => (0..70_000_u64).prop_map(|milliseconds| Step::Pass { milliseconds }),
    ]
}

/// What the application and the clients know.
struct Model {
    world: World,
    message_id: u16,
    registrations: Vec<RegistrationId>,
    locations: Vec<String>,
    gone: HashSet<RegistrationId>,
    /// Each operation, and how often it ended.
    operations: HashMap<OperationId, usize>,
    observations: HashMap<ObservationId, usize>,
    order: Vec<ObservationId>,
    requests: Vec<Sent>,
}

impl Model {
    fn new() -> Self {
        Self {
            world: World::with(|config| {
                config.bounds.operations = 4;
                config.bounds.observations = 3;
            }),
            message_id: 0,
            registrations: Vec::new(),
            locations: Vec::new(),
            gone: HashSet::new(),
            operations: HashMap::new(),
            observations: HashMap::new(),
            order: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn send(
        &mut self,
        from: Peer,
        message: MessageBuf,
        kind: MessageType,
        id: Option<u16>,
        token: Token,
    ) {
        self.message_id += 1;
        let wire = message.finish(kind, id.unwrap_or(self.message_id), token);
        let mut datagram = Datagram::new(from, wire.as_ref());
        if from >= SECURE {
            datagram.identity = Identity::Psk(b"c");
        }
        let _ = self.world.server.handle_datagram(self.world.now, datagram);
    }

    fn request(
        &mut self,
        from: Peer,
        method: Method,
        path: &[&str],
        queries: &[&str],
        payload: &[u8],
    ) {
        let mut message = MessageBuf::request(method);
        for segment in path {
            message.uri_path(segment).unwrap();
        }
        for query in queries {
            message.uri_query(query).unwrap();
        }
        if !payload.is_empty() {
            message.payload(payload);
        }
        let token = Token::new(&self.message_id.to_be_bytes()).unwrap();
        self.send(from, message, MessageType::Confirmable, None, token);
    }

    fn take(&mut self, step: Step) {
        let pick = |length: usize, at: usize| (length > 0).then(|| at % length);
        match step {
            Step::Register { from, name } => {
                let name = ["ep=a", "ep=b", "ep=c"][name];
                let queries = [name, "lt=100", "lwm2m=1.0"];
                self.request(from, Method::Post, &["rd"], &queries, LINKS.as_bytes());
            }
            Step::Update { from, registration } => {
                if let Some(at) = pick(self.locations.len(), registration) {
                    let location = self.locations[at].clone();
                    self.request(from, Method::Post, &["rd", &location], &["lt=50"], b"");
                }
            }
            Step::Deregister { from, registration } => {
                if let Some(at) = pick(self.locations.len(), registration) {
                    let location = self.locations[at].clone();
                    self.request(from, Method::Delete, &["rd", &location], &[], b"");
                }
            }
            Step::Garbage { from, bytes } => self.world.deliver(from, &bytes),
            Step::Call { registration, call } => {
                if let Some(at) = pick(self.registrations.len(), registration) {
                    self.call(self.registrations[at], call);
                }
            }
            Step::Cancel {
                observation,
                passive,
            } => {
                if let Some(at) = pick(self.order.len(), observation) {
                    let (observation, now) = (self.order[at], self.world.now);
                    if passive {
                        let _ = self.world.server.drop_observation(now, observation);
                    } else if let Ok(operation) =
                        self.world.server.cancel_observation(now, observation)
                    {
                        assert_eq!(self.operations.insert(operation, 0), None);
                    }
                }
            }
            Step::Answer { request, how } => {
                if let Some(at) = pick(self.requests.len(), request) {
                    self.answer(at, how);
                }
            }
            Step::Notify {
                request,
                sequence,
                how,
            } => {
                if let Some(at) = pick(self.requests.len(), request) {
                    self.notify(at, sequence, how);
                }
            }
            Step::Gone { peer } => {
                let now = self.world.now;
                self.world.server.peer_gone(now, &peer);
            }
            Step::ClientGone { registration } => {
                if let Some(at) = pick(self.registrations.len(), registration) {
                    let (now, id) = (self.world.now, self.registrations[at]);
                    self.world.server.client_gone(now, id);
                }
            }
            Step::Pass { milliseconds } => self.pass(Duration::from_millis(milliseconds)),
        }
        self.drain();
    }

    fn call(&mut self, id: RegistrationId, call: u8) {
        let (server, now) = (&mut self.world.server, self.world.now);
        let operation = match call {
            0 => server.read(now, id, path("/3/0"), None),
            1 => server.discover(now, id, path("/3")),
            2 => server.execute(now, id, path("/3/0/4"), &Arguments::NONE),
            3 => server.delete(now, id, path("/2/0")),
            _ => server.observe(now, id, path("/3/0/9"), None),
        };
        if let Ok(operation) = operation {
            assert!(!self.gone.contains(&id));
            assert_eq!(self.operations.insert(operation, 0), None);
        }
    }

    fn answer(&mut self, at: usize, how: u8) {
        let request = &self.requests[at];
        let (to, id, token) = (
            request.to,
            request.message().message_id(),
            request.message().token(),
        );
        let [high, low] = id.to_be_bytes();
        let mut content = MessageBuf::response(Code::CONTENT);
        let (kind, id) = match how {
            0 => return self.world.deliver(to, &[0x60, 0, high, low]),
            1 => return self.world.deliver(to, &[0x70, 0, high, low]),
            2 | 3 => {
                content.observe(1).unwrap();
                content.payload(b"85");
                (MessageType::Acknowledgement, Some(id))
            }
            4 => {
                content.content_format(ContentFormat::TLV).unwrap();
                content.payload(b"\xc1\x09");
                (MessageType::Acknowledgement, Some(id))
            }
            5 => {
                content = MessageBuf::response(Code::NOT_FOUND);
                (MessageType::Acknowledgement, Some(id))
            }
            6 => {
                content.payload(b"85");
                (MessageType::Confirmable, None)
            }
            _ => {
                content = MessageBuf::response(Code::CHANGED);
                (MessageType::Acknowledgement, Some(id))
            }
        };
        self.send(to, content, kind, id, token);
    }

    fn notify(&mut self, at: usize, sequence: u32, how: u8) {
        let (to, token) = (self.requests[at].to, self.requests[at].message().token());
        // From the peer that was asked, or from another one.
        let to = if how < 4 { to } else { to ^ 1 };
        let how = how % 4;
        let mut message = match how {
            3 => MessageBuf::response(Code::NOT_FOUND),
            _ => MessageBuf::response(Code::CONTENT),
        };
        if how < 2 {
            message.observe(sequence).unwrap();
        }
        message.payload(b"80");
        let kind = if how == 0 {
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        self.send(to, message, kind, None, token);
    }

    /// Lets time pass as a driver does.
    fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        while let Some(at) = self.world.server.poll_timeout().filter(|at| *at <= end) {
            self.world
                .pass(at.saturating_duration_since(self.world.now));
            self.drain();
        }
        self.world
            .pass(end.saturating_duration_since(self.world.now));
        self.drain();
    }

    fn drain(&mut self) {
        for sent in self.world.sent() {
            let message = sent.message();
            if message.code().method().is_some() {
                self.requests.push(sent);
            } else {
                let mut location = message.location_path();
                if let (Some("rd"), Some(token)) = (location.next(), location.next()) {
                    self.locations.push(token.into());
                }
            }
        }
        for event in self.world.events() {
            self.check(event);
        }
        let usage = self.world.server.usage();
        let open =
            |counts: &mut dyn Iterator<Item = &usize>| counts.filter(|count| **count == 0).count();
        assert_eq!(usage.operations, open(&mut self.operations.values()));
        assert_eq!(usage.observations, open(&mut self.observations.values()));
    }

    fn check(&mut self, event: ServerEvent<Peer>) {
        let alive = |registration| assert!(!self.gone.contains(&registration));
        match event {
            ServerEvent::Registered { registration } => {
                alive(registration);
                self.registrations.push(registration);
            }
            ServerEvent::Updated { registration, .. }
            | ServerEvent::Reachable { registration }
            | ServerEvent::PeerLeft { registration, .. } => {
                alive(registration);
            }
            ServerEvent::Deregistered { registration, .. }
            | ServerEvent::Expired { registration, .. }
            | ServerEvent::Replaced { registration, .. } => {
                alive(registration);
                self.gone.insert(registration);
            }
            ServerEvent::Answered {
                registration,
                operation,
                outcome,
            } => {
                alive(registration);
                let ended = self.operations.get_mut(&operation).unwrap();
                *ended += 1;
                assert_eq!(*ended, 1);
                if let Outcome::Observing { observation, .. } = outcome {
                    assert_eq!(self.observations.insert(observation, 0), None);
                    self.order.push(observation);
                }
            }
            ServerEvent::Notification {
                registration,
                observation,
                ..
            } => {
                alive(registration);
                assert_eq!(self.observations.get(&observation), Some(&0));
            }
            ServerEvent::ObservationEnded {
                registration,
                observation,
                ..
            } => {
                alive(registration);
                let ended = self.observations.get_mut(&observation).unwrap();
                *ended += 1;
                assert_eq!(*ended, 1);
            }
            ServerEvent::Refused(refusal) => refusal.registration.into_iter().for_each(alive),
            event => panic!("{event:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_ends_exactly_once_and_nothing_is_left(steps in vec(step(), 0..60)) {
        let mut model = Model::new();
        for step in steps {
            model.take(step);
        }
        model.pass(Duration::from_secs(1000));
        prop_assert!(model.operations.values().all(|ended| *ended == 1));
        prop_assert!(model.observations.values().all(|ended| *ended == 1));
        prop_assert_eq!(model.registrations.len(), model.gone.len());
        let usage = model.world.server.usage();
        prop_assert_eq!((usage.registrations, usage.operations, usage.observations), (0, 0, 0));
        prop_assert_eq!(usage.coap, Usage::default());
        prop_assert_eq!(model.world.server.poll_timeout(), None);
    }

    #[test]
    fn a_seed_and_the_same_steps_make_the_same_bytes(steps in vec(step(), 0..30)) {
        let run = || {
            let mut model = Model::new();
            for step in steps.clone() {
                model.take(step);
            }
            (format!("{:?}", model.requests), model.locations)
        };
        prop_assert_eq!(run(), run());
    }
}
