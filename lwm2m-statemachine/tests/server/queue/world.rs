//! A client in Queue Mode, played by the test.

use core::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use lwm2m_core::{Arguments, Code, Path, Value, WriteMode, codec::Content};
use lwm2m_statemachine::{
    Identity, OperationId, Outcome, RegistrationId, ServerConfig, ServerEvent,
    coap::{MessageBuf, MessageType, Token},
    server::{CallError, Presence},
};

use crate::support::{Request, Sent, World, path};

/// How long a client is awake after its last message, by default: MAX_TRANSMIT_WAIT less ACK_TIMEOUT.
pub(crate) const AWAKE: Duration = Duration::from_secs(91);
/// When an unanswered request ends: MAX_TRANSMIT_WAIT at most.
pub(crate) const SILENCE: Duration = Duration::from_secs(94);

/// A server with one client.
pub(crate) struct Sleeper {
    world: World,
    pub(crate) id: RegistrationId,
    pub(crate) location: String,
    pub(crate) peer: u16,
    pub(crate) identity: Identity<'static>,
}

impl Deref for Sleeper {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Sleeper {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Sleeper {
    /// A client that has just registered, and is awake.
    pub(crate) fn awake() -> Self {
        Self::with("b=UQ", |_| {})
    }

    /// A client that has registered, and is asleep.
    pub(crate) fn asleep() -> Self {
        let mut sleeper = Self::awake();
        sleeper.fall_asleep();
        sleeper
    }

    pub(crate) fn with(binding: &str, configure: impl FnOnce(&mut ServerConfig)) -> Self {
        Self::made(binding, Identity::None, configure)
    }

    /// One with a proven identity, which is asleep.
    pub(crate) fn secure() -> Self {
        let mut sleeper = Self::made("b=UQ", Identity::Psk(b"device"), |_| {});
        sleeper.fall_asleep();
        sleeper
    }

    pub(crate) fn made(
        binding: &str,
        identity: Identity<'static>,
        configure: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let mut world = World::with(configure);
        let (id, location) = world.register_as(&Request {
            queries: &["ep=device", "lt=86400", "lwm2m=1.0", binding],
            identity,
            ..Request::default()
        });
        Self {
            world,
            id,
            location,
            peer: 1,
            identity,
        }
    }

    pub(crate) fn fall_asleep(&mut self) {
        self.pass(AWAKE);
        assert!(matches!(self.event(), ServerEvent::Asleep { .. }));
        assert_eq!(self.presence(), Presence::Asleep);
        assert!(self.sent().is_empty());
    }

    pub(crate) fn presence(&self) -> Presence {
        self.server.presence(self.id).unwrap()
    }

    /// The client updates its registration, which is answered in `reply`; returns what else the server
    /// sends, and the events.
    pub(crate) fn update(
        &mut self,
        queries: &[&str],
        links: &str,
    ) -> (Vec<Sent>, Vec<ServerEvent<u16>>) {
        let location = self.location.clone();
        let (sent, events) = self.request(&["rd", &location], queries, links);
        let (reply, others) = sent.split_first().expect("an answer");
        assert_eq!(reply.code(), Code::CHANGED);
        (others.to_vec(), events)
    }

    /// The client says that it is awake.
    pub(crate) fn wake(&mut self) -> Vec<Sent> {
        self.update(&[], "").0
    }

    /// The client registers anew, with its old name.
    pub(crate) fn register_anew(
        &mut self,
        queries: &[&str],
        links: &str,
    ) -> (Vec<Sent>, Vec<ServerEvent<u16>>) {
        let queries = [&["ep=device", "lt=86400", "lwm2m=1.0"], queries].concat();
        let (sent, events) = self.request(&["rd"], &queries, links);
        let (reply, others) = sent.split_first().expect("an answer");
        assert_eq!(reply.code(), Code::CREATED);
        self.location = reply.location().pop().unwrap();
        self.id = self.server.find("device").unwrap();
        (others.to_vec(), events)
    }

    fn request(
        &mut self,
        path: &[&str],
        queries: &[&str],
        links: &str,
    ) -> (Vec<Sent>, Vec<ServerEvent<u16>>) {
        let mut message = MessageBuf::request(lwm2m_core::Method::Post);
        for segment in path {
            message.uri_path(segment).unwrap();
        }
        for query in queries {
            message.uri_query(query).unwrap();
        }
        if !links.is_empty() {
            message.payload(links.as_bytes());
        }
        let message_id = self.next_message_id();
        let token = Token::new(&message_id.to_be_bytes()).unwrap();
        let wire = message.finish(MessageType::Confirmable, message_id, token);
        let mut datagram = lwm2m_statemachine::Datagram::new(self.peer, wire.as_ref());
        datagram.identity = self.identity;
        let now = self.now;
        self.server.handle_datagram(now, datagram).unwrap();
        (self.sent(), self.events())
    }

    /// The client sends a notification with this token.
    pub(crate) fn notify(&mut self, token: Token, sequence: u32, level: &str) {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(sequence).unwrap().payload(level.as_bytes());
        let message_id = self.next_message_id();
        let wire = message.finish(MessageType::NonConfirmable, message_id, token);
        let mut datagram = lwm2m_statemachine::Datagram::new(self.peer, wire.as_ref());
        datagram.identity = self.identity;
        let now = self.now;
        let _ = self.server.handle_datagram(now, datagram);
    }

    pub(crate) fn read(&mut self, at: &str) -> OperationId {
        let (now, id) = (self.now, self.id);
        self.server.read(now, id, path(at), None).unwrap()
    }

    pub(crate) fn write(&mut self, value: &str, mode: WriteMode) -> OperationId {
        let (now, id, at) = (self.now, self.id, path("/3/0/15"));
        let content = Content::from_iter([(at, Value::from(value))]);
        let (at, format) = match mode {
            WriteMode::Replace => (at, None),
            WriteMode::PartialUpdate => (path("/3/0"), None),
        };
        self.server
            .write(now, id, at, mode, format, &content)
            .unwrap()
    }

    pub(crate) fn reboot(&mut self) -> OperationId {
        let (now, id) = (self.now, self.id);
        let nothing = Arguments::default();
        self.server
            .execute(now, id, path("/3/0/4"), &nothing)
            .unwrap()
    }

    pub(crate) fn observe(&mut self) -> Result<OperationId, CallError> {
        let (now, id) = (self.now, self.id);
        self.server.observe(
            now,
            id,
            path("/3/0/9"),
            Some(lwm2m_core::ContentFormat::TEXT),
        )
    }

    /// Answers a request with text.
    pub(crate) fn answer_text(&mut self, request: &Sent, text: &str) {
        let mut response = MessageBuf::response(Code::CONTENT);
        response.payload(text.as_bytes());
        self.answer(request, response);
    }

    /// The paths of the operations that are held.
    pub(crate) fn queued(&self) -> Vec<(OperationId, Path)> {
        let queued = self.server.queued(self.id);
        queued
            .map(|queued| (queued.operation, queued.path))
            .collect()
    }
}

/// The outcomes among these events.
pub(crate) fn outcomes(events: &[ServerEvent<u16>]) -> Vec<(OperationId, Outcome)> {
    let answered = events.iter().filter_map(|event| match event {
        ServerEvent::Answered {
            operation, outcome, ..
        } => Some((*operation, outcome.clone())),
        _ => None,
    });
    answered.collect()
}

/// The paths of these requests.
pub(crate) fn paths(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(Sent::path).collect()
}
