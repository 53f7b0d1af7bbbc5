//! A server and hand-made datagrams to it.

#![allow(dead_code, reason = "no test file uses all of it")]

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Instant, Method};
pub(crate) use lwm2m_kit::path;
use lwm2m_statemachine::{
    Channel, Datagram, Identity, OperationId, Outcome, RegistrationId, Server, ServerConfig,
    ServerEvent,
    coap::{MessageBuf, MessageType, Token},
    server::Refusal,
};

/// Peers are numbers.
pub(crate) type Peer = u16;

/// The links of a small client.
pub(crate) const LINKS: &str = "</1/0>,</3/0>";

pub(crate) struct World {
    pub(crate) server: Server<Peer>,
    pub(crate) now: Instant,
    /// The channel of the datagrams.
    pub(crate) channel: Channel,
    message_id: u16,
}

/// A message that the server sent.
pub(crate) type Sent = lwm2m_kit::Sent<Peer>;

/// The server's answer to a request.
#[derive(Debug)]
pub(crate) struct Reply(Sent);

impl Reply {
    pub(crate) fn code(&self) -> Code {
        self.0.code()
    }

    pub(crate) fn location(&self) -> Vec<String> {
        self.0.location()
    }

    pub(crate) fn max_age(&self) -> u32 {
        self.0.message().max_age()
    }
}

/// A request to the server under construction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) from: Peer,
    pub(crate) method: Method,
    pub(crate) path: &'a [&'a str],
    pub(crate) queries: &'a [&'a str],
    pub(crate) format: Option<ContentFormat>,
    pub(crate) payload: &'a [u8],
    pub(crate) identity: Identity<'a>,
}

impl Default for Request<'_> {
    /// A valid Register.
    fn default() -> Self {
        Self {
            from: 1,
            method: Method::Post,
            path: &["rd"],
            format: Some(ContentFormat::LINK_FORMAT),
            queries: &["ep=device", "lt=60", "lwm2m=1.0"],
            payload: LINKS.as_bytes(),
            identity: Identity::None,
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new([42; 32]);
        configure(&mut config);
        Self {
            server: Server::new(config),
            now: Instant::from_secs(1000),
            channel: Channel::Udp,
            message_id: 0,
        }
    }

    /// Gives the server a datagram.
    pub(crate) fn deliver(&mut self, from: Peer, bytes: &[u8]) {
        let mut datagram = Datagram::new(from, bytes);
        datagram.channel = self.channel;
        let _ = self.server.handle_datagram(self.now, datagram);
    }

    /// The datagrams that the server sends now.
    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        lwm2m_kit::sent(&mut self.server)
    }

    /// How many bytes the server sends now.
    pub(crate) fn sent_bytes(&mut self) -> usize {
        self.sent().iter().map(|sent| sent.bytes.len()).sum()
    }

    /// The only datagram that the server sends now.
    pub(crate) fn sent_one(&mut self) -> Sent {
        let mut all = self.sent();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) fn events(&mut self) -> Vec<ServerEvent<Peer>> {
        lwm2m_kit::events(&mut self.server)
    }

    pub(crate) fn event(&mut self) -> ServerEvent<Peer> {
        let mut all = self.events();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// The refusal, which must be the only event.
    pub(crate) fn refusal(&mut self) -> Refusal<Peer> {
        match self.event() {
            ServerEvent::Refused(refusal) => refusal,
            event => panic!("{event:?}"),
        }
    }

    pub(crate) fn next_message_id(&mut self) -> u16 {
        self.message_id += 1;
        self.message_id
    }

    /// Sends a confirmable request, which must be answered in its acknowledgement.
    pub(crate) fn request(&mut self, request: &Request<'_>) -> Reply {
        let mut message = MessageBuf::request(request.method);
        for segment in request.path {
            message.uri_path(segment).unwrap();
        }
        if let Some(format) = request.format {
            message.content_format(format).unwrap();
        }
        for query in request.queries {
            message.uri_query(query).unwrap();
        }
        if !request.payload.is_empty() {
            message.payload(request.payload);
        }
        let message_id = self.next_message_id();
        let token = Token::new(&message_id.to_be_bytes()).unwrap();
        let wire = message.finish(MessageType::Confirmable, message_id, token);
        let mut datagram = Datagram::new(request.from, wire.as_ref());
        datagram.identity = request.identity;
        datagram.channel = self.channel;
        self.server.handle_datagram(self.now, datagram).unwrap();
        let sent = self.sent_one();
        assert_eq!(sent.to, request.from);
        let reply = sent.message();
        assert_eq!(
            (reply.kind(), reply.message_id(), reply.token()),
            (MessageType::Acknowledgement, message_id, token)
        );
        Reply(sent)
    }

    /// Registers a client; returns its handle and the token of its location.
    pub(crate) fn register_as(&mut self, request: &Request<'_>) -> (RegistrationId, String) {
        let reply = self.request(request);
        assert_eq!(reply.code(), Code::CREATED);
        let [rd, token] = <[String; 2]>::try_from(reply.location()).unwrap();
        assert_eq!(rd, "rd");
        let events = self.events();
        match &events[..] {
            [
                ..,
                ServerEvent::Registered { registration },
                ServerEvent::Awake { .. },
            ]
            | [.., ServerEvent::Registered { registration }] => (*registration, token),
            events => panic!("{events:?}"),
        }
    }

    pub(crate) fn register(&mut self) -> (RegistrationId, String) {
        self.register_as(&Request::default())
    }

    /// Answers a request of the server in its acknowledgement.
    pub(crate) fn answer(&mut self, request: &Sent, response: MessageBuf) {
        let (message_id, token) = (request.message().message_id(), request.message().token());
        let wire = response.finish(MessageType::Acknowledgement, message_id, token);
        self.deliver(request.to, wire.as_ref());
    }

    /// Answers a request of the server with a code only.
    pub(crate) fn answer_code(&mut self, request: &Sent, code: Code) {
        self.answer(request, MessageBuf::response(code));
    }

    /// Rejects a request of the server.
    pub(crate) fn reset(&mut self, request: &Sent) {
        let [high, low] = request.message().message_id().to_be_bytes();
        self.deliver(request.to, &[0x70, 0, high, low]);
    }

    /// The outcome of this operation, which must be the only event.
    pub(crate) fn outcome(&mut self, operation: OperationId) -> Outcome {
        match self.event() {
            ServerEvent::Answered {
                registration,
                operation: ended,
                outcome,
            } => {
                assert_eq!(ended, operation);
                assert_eq!(registration, operation.registration());
                outcome
            }
            event => panic!("{event:?}"),
        }
    }

    /// Lets time pass, and calls the server at its deadlines, a bounded number of times.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            match self.server.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.server.handle_timeout(self.now);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the server is never done");
    }

    /// The same; returns what the server sends meanwhile.
    pub(crate) fn pass_sending(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = self.sent();
        while let Some(at) = self.server.poll_timeout()
            && at <= end
        {
            self.pass(at.saturating_duration_since(self.now));
            sent.extend(self.sent());
        }
        self.now = end;
        sent
    }

    /// Checks that the server still works: a client registers, is read, and leaves.
    pub(crate) fn assert_works(&mut self) {
        let before = self.server.usage().registrations;
        let client = Request {
            from: 999,
            queries: &["ep=probe", "lt=60", "lwm2m=1.0"],
            ..Request::default()
        };
        let (registration, location) = self.register_as(&client);
        let operation = self
            .server
            .read(self.now, registration, path("/3/0/9"), None)
            .unwrap();
        let request = self.sent_one();
        let mut response = MessageBuf::response(Code::CONTENT);
        response.payload(b"85");
        self.answer(&request, response);
        assert!(matches!(self.outcome(operation), Outcome::Content(_)));
        let leave = Request {
            method: Method::Delete,
            path: &["rd", &location],
            format: None,
            queries: &[],
            payload: b"",
            ..client
        };
        assert_eq!(self.request(&leave).code(), Code::DELETED);
        assert!(matches!(self.event(), ServerEvent::Deregistered { .. }));
        assert_eq!(self.server.usage().registrations, before);
    }
}
