//! A bootstrap-server and hand-made datagrams to it.

#![allow(dead_code, reason = "no test file uses all of it")]

use core::time::Duration;

use lwm2m_core::{Code, InstanceId, Instant, Method, codec::Content};
pub(crate) use lwm2m_kit::{path, server_id};
use lwm2m_objects::typed;
use lwm2m_statemachine::{
    BootstrapId, BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Datagram, Identity,
    bootstrap_server::{
        BootstrapFailure, FailedStep, Plan, Refusal, StepFailure,
        plans::{self, Account, BootstrapAccount},
    },
    coap::{MessageBuf, MessageType, Token},
};

/// Peers are numbers.
pub(crate) type Peer = u16;

pub(crate) type Event = BootstrapServerEvent<Peer>;

/// A message that the machine sent.
pub(crate) type Sent = lwm2m_kit::Sent<Peer>;

/// How a bootstrap ended.
pub(crate) type Outcome = Result<(), BootstrapFailure>;

pub(crate) struct World {
    pub(crate) machine: BootstrapServer<Peer>,
    pub(crate) now: Instant,
    message_id: u16,
}

/// A request to the machine under construction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) from: Peer,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) queries: &'a [&'a str],
    pub(crate) identity: Identity<'a>,
}

impl Default for Request<'_> {
    /// A valid Bootstrap-Request.
    fn default() -> Self {
        Self {
            from: 1,
            method: Method::Post,
            path: "/bs",
            queries: &["ep=device"],
            identity: Identity::None,
        }
    }
}

/// A plan of an account without keys: five steps.
pub(crate) fn plan() -> Plan {
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    plans::one_server(own, account(101)).unwrap()
}

pub(crate) fn account(id: u16) -> Account {
    Account {
        security: typed::Security::no_sec("coap://192.0.2.1", server_id(id)),
        server: typed::Server::new(server_id(id), 60),
    }
}

/// The Lifetime of a server, alone.
pub(crate) fn lifetime() -> Content {
    Content::from_iter([(path("/1/0/1"), 60)])
}

/// A plan of one command that the client can't take for another, and no end.
pub(crate) fn write() -> Plan {
    Plan::new().write(path("/1/0/1"), lifetime())
}

/// What a client that does as it is told answers.
pub(crate) fn success(command: &Sent) -> MessageBuf {
    let method = command.code().method().expect("a command");
    match method {
        Method::Get => lwm2m_kit::response(Code::CONTENT, br#"lwm2m="1.0",</0/0>,</1>,</3/0>"#),
        Method::Delete => MessageBuf::response(Code::DELETED),
        _ => MessageBuf::response(Code::CHANGED),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut BootstrapServerConfig)) -> Self {
        let mut config = BootstrapServerConfig::new([42; 32]);
        configure(&mut config);
        Self::of(BootstrapServer::new(config))
    }

    pub(crate) fn of(machine: BootstrapServer<Peer>) -> Self {
        Self {
            machine,
            now: Instant::from_secs(1000),
            message_id: 0,
        }
    }

    pub(crate) fn deliver(&mut self, from: Peer, bytes: &[u8]) {
        let datagram = Datagram::new(from, bytes);
        let _ = self.machine.handle_datagram(self.now, datagram);
    }

    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        lwm2m_kit::sent(&mut self.machine)
    }

    /// The only datagram that the machine sends now.
    #[track_caller]
    pub(crate) fn sent_one(&mut self) -> Sent {
        let mut all = self.sent();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        lwm2m_kit::events(&mut self.machine)
    }

    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        let mut all = self.events();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// The refusal, which must be the only event.
    #[track_caller]
    pub(crate) fn refusal(&mut self) -> Refusal<Peer> {
        match self.event() {
            Event::Refused(refusal) => refusal,
            event => panic!("{event:?}"),
        }
    }

    /// How this bootstrap ended, which must be the only event.
    #[track_caller]
    pub(crate) fn outcome(&mut self, bootstrap: BootstrapId) -> Outcome {
        match self.event() {
            Event::Ended {
                bootstrap: ended,
                outcome,
                ..
            } => {
                assert_eq!(ended, bootstrap);
                outcome
            }
            event => panic!("{event:?}"),
        }
    }

    /// How the step of this bootstrap failed, which must be the only event.
    #[track_caller]
    pub(crate) fn failure(&mut self, bootstrap: BootstrapId) -> (FailedStep, StepFailure) {
        match self.outcome(bootstrap) {
            Err(BootstrapFailure::Step { step, failure }) => (step, failure),
            outcome => panic!("{outcome:?}"),
        }
    }

    /// A confirmable request as a datagram, with a message id of its own.
    pub(crate) fn datagram(&mut self, request: &Request<'_>) -> Vec<u8> {
        self.message_id += 1;
        let mut message = lwm2m_kit::request(request.method, request.path);
        for query in request.queries {
            message.uri_query(query).unwrap();
        }
        let token = Token::new(&self.message_id.to_be_bytes()).unwrap();
        let wire = message.finish(MessageType::Confirmable, self.message_id, token);
        wire.as_ref().to_vec()
    }

    /// Sends a request; the answer is yet to come.
    pub(crate) fn ask(&mut self, request: &Request<'_>) {
        let wire = self.datagram(request);
        let mut datagram = Datagram::new(request.from, &wire);
        datagram.identity = request.identity;
        self.machine.handle_datagram(self.now, datagram).unwrap();
    }

    /// Sends a request that is answered at once.
    #[track_caller]
    pub(crate) fn code(&mut self, request: &Request<'_>) -> Code {
        self.ask(request);
        let answer = self.sent_one();
        assert_eq!(
            (answer.to, answer.kind()),
            (request.from, MessageType::Acknowledgement)
        );
        answer.code()
    }

    /// Asks for a bootstrap, which is handed to the application.
    #[track_caller]
    pub(crate) fn requested(&mut self, request: &Request<'_>) -> BootstrapId {
        self.ask(request);
        match self.events().pop() {
            Some(Event::Requested { bootstrap, .. }) => bootstrap,
            event => panic!("{event:?}"),
        }
    }

    /// Asks for a bootstrap and gives it a plan. The 2.04 is taken; the first command is returned.
    #[track_caller]
    pub(crate) fn start(&mut self, plan: &Plan) -> (BootstrapId, Sent) {
        let bootstrap = self.requested(&Request::default());
        self.machine.start(self.now, bootstrap, plan).unwrap();
        let [answer, command] = <[Sent; 2]>::try_from(self.sent()).unwrap();
        assert_eq!(answer.code(), Code::CHANGED);
        (bootstrap, command)
    }

    /// Answers a command in its acknowledgement.
    pub(crate) fn answer(&mut self, command: &Sent, response: MessageBuf) {
        let (id, token) = (command.message().message_id(), command.message().token());
        let wire = response.finish(MessageType::Acknowledgement, id, token);
        self.deliver(command.to, wire.as_ref());
    }

    pub(crate) fn answer_code(&mut self, command: &Sent, code: Code) {
        self.answer(command, MessageBuf::response(code));
    }

    /// Answers a command as a client that does as it is told. Returns the next one.
    #[track_caller]
    pub(crate) fn next(&mut self, command: &Sent) -> Sent {
        self.answer(command, success(command));
        self.sent_one()
    }

    /// Acknowledges a command, whose answer is separate.
    pub(crate) fn acknowledge(&mut self, command: &Sent) {
        let [high, low] = command.message().message_id().to_be_bytes();
        self.deliver(command.to, &[0x60, 0, high, low]);
    }

    pub(crate) fn reset(&mut self, command: &Sent) {
        let [high, low] = command.message().message_id().to_be_bytes();
        self.deliver(command.to, &[0x70, 0, high, low]);
    }

    /// Answers all commands as a client that does as it is told, until nothing more is sent. Returns
    /// the methods and paths.
    pub(crate) fn obey(&mut self, first: Sent) -> Vec<String> {
        let mut told = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            let method = command.code().method().expect("a command");
            told.push(format!("{method:?} {}", command.path()));
            self.answer(&command, success(&command));
            let mut sent = self.sent();
            assert!(sent.len() <= 1, "{sent:?}");
            next = sent.pop();
        }
        told
    }

    /// Lets time pass, and calls the machine at its deadlines, a bounded number of times.
    #[track_caller]
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            match self.machine.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.machine.handle_timeout(self.now);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the machine is never done");
    }

    /// Checks that nothing is left but what the endpoint remembers for a while, and that a client can
    /// still be bootstrapped.
    #[track_caller]
    pub(crate) fn assert_works(&mut self) {
        let usage = self.machine.usage();
        let left = (
            usage.waiting,
            usage.under_way,
            usage.unproven,
            usage.plan_bytes,
        );
        assert_eq!(left, (0, 0, 0, 0));
        let request = Request {
            from: 999,
            queries: &["ep=probe"],
            ..Request::default()
        };
        let bootstrap = self.requested(&request);
        self.machine.start(self.now, bootstrap, &plan()).unwrap();
        let command = self.sent().pop().unwrap();
        assert_eq!(self.obey(command).len(), 5);
        assert_eq!(self.outcome(bootstrap), Ok(()));
    }
}
