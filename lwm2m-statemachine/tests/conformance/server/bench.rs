//! A machine whose clients are scripted, in virtual time: a Server or a Bootstrap-Server.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::{fmt, time::Duration};

use lwm2m_core::{Code, CodeKind, Instant, Method};
use lwm2m_statemachine::{
    Channel, Datagram, Identity, Machine,
    coap::{MessageBuf, MessageType, Token},
};

use crate::message::{Answer, Request};

/// A client, as its transport names it: an address, or a session.
pub(super) type Peer = u16;

/// A message of the machine. If it is a request, it waits for the answer of the client.
pub(super) type Sent = lwm2m_kit::Sent<Peer>;

/// What the transport of a client has proved, and which it is.
#[derive(Clone, Copy, Debug, Default)]
struct Transport {
    /// Its PSK identity.
    psk: Option<&'static str>,
    channel: Channel,
}

pub(super) struct Bench<M: Machine<Peer = Peer>> {
    pub(super) machine: M,
    pub(super) now: Instant,
    /// Which client speaks.
    speaker: Peer,
    /// The transports of the clients, unless they are UDP that proves nothing.
    transports: BTreeMap<Peer, Transport>,
    next_message_id: u16,
    /// The last request of a client.
    last: Vec<u8>,
    /// The requests of the machine that no step has looked at yet.
    asked: VecDeque<Sent>,
    /// The requests that arrived: a repetition is none.
    heard: BTreeSet<(Peer, u16)>,
    answers: BTreeMap<(Peer, Vec<u8>), Answer>,
    /// The last acknowledgement or Reset without a response: to whom, and of which message.
    last_empty: Option<(Peer, MessageType, u16)>,
    events: VecDeque<M::Event>,
}

/// The clients.
impl<M: Machine<Peer = Peer>> Bench<M> {
    pub(super) fn of(machine: M) -> Self {
        Self {
            machine,
            now: Instant::from_secs(1000),
            speaker: 1,
            transports: BTreeMap::new(),
            next_message_id: 0x3000,
            last: Vec::new(),
            asked: VecDeque::new(),
            heard: BTreeSet::new(),
            answers: BTreeMap::new(),
            last_empty: None,
            events: VecDeque::new(),
        }
    }

    /// From now on this client speaks. The first one is 1.
    pub(super) fn client(&mut self, client: Peer) -> &mut Self {
        self.speaker = client;
        self
    }

    /// From now on this client speaks. Its session proves that it has the key of this PSK identity.
    pub(super) fn session(&mut self, client: Peer, identity: &'static str) -> &mut Self {
        self.transports.entry(client).or_default().psk = Some(identity);
        self.client(client)
    }

    /// From now on this client speaks, over SMS.
    pub(super) fn sms(&mut self, client: Peer) -> &mut Self {
        self.transports.entry(client).or_default().channel = Channel::Sms;
        self.client(client)
    }

    /// Sends a request that is answered at once.
    #[track_caller]
    pub(super) fn request(&mut self, request: &Request) -> Answer {
        let token = self.ask(request);
        self.answered(&token)
    }

    /// Sends a request that may be answered later; its token.
    pub(super) fn ask(&mut self, request: &Request) -> Vec<u8> {
        self.next_message_id += 1;
        let mut message = request.head();
        if !request.payload.is_empty() {
            message.payload(&request.payload);
        }
        let token = self.next_message_id.to_be_bytes().to_vec();
        let name = Token::new(&token).expect("at most 8 bytes");
        let wire = message.finish(MessageType::Confirmable, self.next_message_id, name);
        self.last = wire.as_ref().to_vec();
        self.deliver(self.speaker, wire.as_ref());
        token
    }

    /// Sends the last request again, as a client does that has heard nothing.
    pub(super) fn repeat(&mut self) -> Vec<u8> {
        let wire = self.last.clone();
        self.deliver(self.speaker, &wire);
        self.next_message_id.to_be_bytes().to_vec()
    }

    /// The answer to the request with this token has come.
    #[track_caller]
    pub(super) fn answered(&mut self, token: &[u8]) -> Answer {
        self.settle();
        let answer = self.answers.remove(&(self.speaker, token.to_vec()));
        answer.expect("expected an answer, the machine sends none")
    }
}

/// What the machine asks of the clients.
impl<M: Machine<Peer = Peer>> Bench<M> {
    /// The next request of the machine is for the client that speaks, with this method and path, and
    /// confirmable, as all are (TS 8.2).
    #[track_caller]
    pub(super) fn expect_asked(&mut self, method: Method, path: &str) -> Sent {
        self.settle();
        let Some(asked) = self.asked.pop_front() else {
            panic!("expected {method:?} {path} of the machine, it sends nothing");
        };
        assert_eq!(
            (asked.to, asked.code().method(), asked.path()),
            (self.speaker, Some(method), path.into()),
            "the next request of the machine"
        );
        assert_eq!(asked.kind(), MessageType::Confirmable, "of a request");
        asked
    }

    /// The machine asks nothing of anybody.
    #[track_caller]
    pub(super) fn expect_nothing_asked(&mut self) {
        self.settle();
        if let Some(asked) = self.asked.front() {
            panic!("expected no request, got {:?}", asked.message());
        }
    }

    /// The client answers in the acknowledgement of the request.
    pub(super) fn answer(&mut self, asked: &Sent, answer: MessageBuf) {
        self.answer_from(asked.to, asked, answer);
    }

    /// The client answers with a code and nothing else.
    pub(super) fn answer_code(&mut self, asked: &Sent, code: Code) {
        self.answer(asked, MessageBuf::response(code));
    }

    /// Another one answers in place of the client.
    pub(super) fn answer_from(&mut self, from: Peer, asked: &Sent, answer: MessageBuf) {
        let (id, token) = (asked.message().message_id(), asked.message().token());
        let wire = answer.finish(MessageType::Acknowledgement, id, token);
        self.deliver(from, wire.as_ref());
    }

    /// The client acknowledges the request, and answers it seconds later in a message of its own.
    pub(super) fn answer_later(&mut self, asked: &Sent, seconds: u64, answer: MessageBuf) {
        self.answer_from(asked.to, asked, MessageBuf::new(Code::EMPTY));
        self.pass(seconds);
        self.next_message_id += 1;
        let token = asked.message().token();
        let wire = answer.finish(MessageType::Confirmable, self.next_message_id, token);
        self.deliver(asked.to, wire.as_ref());
    }
}

/// Notifications of the clients.
impl<M: Machine<Peer = Peer>> Bench<M> {
    /// The client that speaks sends a notification.
    pub(super) fn notify(&mut self, token: Token, kind: MessageType, notification: MessageBuf) {
        self.next_message_id += 1;
        let wire = notification.finish(kind, self.next_message_id, token);
        self.deliver(self.speaker, wire.as_ref());
    }

    /// The last message of the client was acknowledged.
    #[track_caller]
    pub(super) fn expect_last_acknowledged(&mut self) {
        self.expect_empty(MessageType::Acknowledgement);
    }

    /// The last message of the client was rejected with a Reset.
    #[track_caller]
    pub(super) fn expect_last_rejected(&mut self) {
        self.expect_empty(MessageType::Reset);
    }

    #[track_caller]
    fn expect_empty(&mut self, kind: MessageType) {
        self.settle();
        let expected = (self.speaker, kind, self.next_message_id);
        assert_eq!(self.last_empty.take(), Some(expected));
    }
}

/// The application and the clock.
impl<M: Machine<Peer = Peer>> Bench<M> {
    /// What the machine has told the application since the last call.
    pub(super) fn events(&mut self) -> Vec<M::Event> {
        self.settle();
        self.events.drain(..).collect()
    }

    /// Seconds pass, and the machine is called at its deadlines.
    pub(super) fn pass(&mut self, seconds: u64) {
        self.pass_for(Duration::from_secs(seconds));
    }

    pub(super) fn pass_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.machine.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// What is due now is done.
    fn settle(&mut self) {
        self.collect();
        self.pass_for(Duration::ZERO);
    }
}

impl<M> Bench<M>
where
    M: Machine<Peer = Peer>,
    M::Event: fmt::Debug,
{
    /// The only event since the last call.
    #[track_caller]
    pub(super) fn event(&mut self) -> M::Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "expected one event, got {events:?}");
        events.remove(0)
    }

    /// There was no event since the last call.
    #[track_caller]
    pub(super) fn expect_no_event(&mut self) {
        let events = self.events();
        assert!(events.is_empty(), "expected no event, got {events:?}");
    }
}

/// What the machine sends and tells.
impl<M: Machine<Peer = Peer>> Bench<M> {
    fn deliver(&mut self, from: Peer, bytes: &[u8]) {
        let transport = self.transports.get(&from).copied().unwrap_or_default();
        let mut datagram = Datagram::new(from, bytes);
        datagram.channel = transport.channel;
        if let Some(identity) = transport.psk {
            datagram.identity = Identity::Psk(identity.as_bytes());
        }
        // The error only informs.
        let _ = self.machine.handle_datagram(self.now, datagram);
        self.collect();
    }

    fn collect(&mut self) {
        loop {
            let sent = lwm2m_kit::sent(&mut self.machine);
            let events = lwm2m_kit::events(&mut self.machine);
            self.events.extend(events);
            if sent.is_empty() {
                return;
            }
            for sent in sent {
                self.hear(sent);
            }
        }
    }

    fn hear(&mut self, sent: Sent) {
        let message = sent.message();
        match message.code().kind() {
            CodeKind::Request if self.heard.insert((sent.to, message.message_id())) => {
                self.asked.push_back(sent);
            }
            CodeKind::Response => {
                let token = message.token().as_bytes().to_vec();
                self.answers.insert((sent.to, token), Answer::of(&message));
                if message.kind() == MessageType::Confirmable {
                    let id = message.message_id();
                    let answer = MessageBuf::new(Code::EMPTY);
                    let wire = answer.finish(MessageType::Acknowledgement, id, Token::EMPTY);
                    self.deliver(sent.to, wire.as_ref());
                }
            }
            _ => self.last_empty = Some((sent.to, message.kind(), message.message_id())),
        }
    }
}

impl<M: Machine<Peer = Peer>> Drop for Bench<M> {
    /// What the machine asked and told must have been expected by a step.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.expect_nothing_asked();
            let told = self.events().len();
            assert_eq!(told, 0, "events that no step looked at");
        }
    }
}
