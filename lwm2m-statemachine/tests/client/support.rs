//! A Client whose server is the test.

use core::time::Duration;

use lwm2m_core::{Code, InstanceId, Instant};
pub(crate) use lwm2m_kit::{get, path, request as on, server_id};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    coap::{MessageBuf, MessageType, Token},
};

/// A message from the Client.
pub(crate) type Sent = lwm2m_kit::Sent<ConnectionId>;

/// The Client of TS Appendix F without security, and with the test as its only server.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    pub(crate) connection: ConnectionId,
    next_message_id: u16,
    kept: Vec<ClientEvent>,
}

pub(crate) fn tree(server: typed::Server) -> ObjectTree {
    let security = typed::Security::no_sec("coap://server1.example.com", server.short_server_id);
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, server)]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    tree
}

impl Bench {
    /// Started and connected; the Register is pending.
    pub(crate) fn connected(server: typed::Server) -> Self {
        Self::with_config(ClientConfig::new("example-client", [7; 32]), server)
    }

    pub(crate) fn with_config(config: ClientConfig, server: typed::Server) -> Self {
        Self::with_tree(config, tree(server))
    }

    pub(crate) fn with_tree(config: ClientConfig, tree: ObjectTree) -> Self {
        let mut client = Client::new(config, tree).unwrap();
        let now = Instant::from_secs(1000);
        client.start(now);
        let Some(ClientEvent::Connect { connection, .. }) = client.poll_event() else {
            panic!("no connection asked for");
        };
        client.connected(now, connection, Session::New);
        Self {
            client,
            now,
            connection,
            next_message_id: 0x7000,
            kept: Vec::new(),
        }
    }

    /// Registered at `/rd/a`.
    pub(crate) fn registered(server: typed::Server) -> Self {
        let mut bench = Self::connected(server);
        bench.accept_register();
        bench
    }

    /// Registered, with one server of lifetime 86400 and no default periods.
    pub(crate) fn new() -> Self {
        Self::registered(typed::Server::new(server_id(101), 86_400))
    }

    /// Answers the pending Register.
    pub(crate) fn accept_register(&mut self) {
        let register = self.sent();
        assert_eq!(register.path(), "/rd");
        self.answer(&register, created());
        let registered = self.client.poll_event();
        assert!(
            matches!(registered, Some(ClientEvent::Registered { .. })),
            "{registered:?}"
        );
    }

    /// The only message to send now.
    pub(crate) fn sent(&mut self) -> Sent {
        let mut all = self.all_sent();
        assert_eq!(all.len(), 1, "exactly one message");
        all.remove(0)
    }

    /// All messages to send now.
    pub(crate) fn all_sent(&mut self) -> Vec<Sent> {
        let all = lwm2m_kit::sent(&mut self.client);
        assert!(all.iter().all(|sent| sent.to == self.connection));
        all
    }

    /// Whether there is an event. It is kept for [`events`](Self::events).
    pub(crate) fn has_event(&mut self) -> bool {
        self.kept.extend(self.client.poll_event());
        !self.kept.is_empty()
    }

    pub(crate) fn events(&mut self) -> Vec<ClientEvent> {
        let mut events = core::mem::take(&mut self.kept);
        events.extend(lwm2m_kit::events(&mut self.client));
        events
    }

    /// Time passes, and the Client is called at its deadlines.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            assert!(
                self.client
                    .poll_timeout()
                    .is_none_or(|next| next > self.now),
                "a deadline in the past"
            );
        }
        self.now = end;
    }

    /// Time passes until something is sent.
    pub(crate) fn pass_until_sent(&mut self) -> Sent {
        for _ in 0..1000 {
            if let Some(sent) = self.all_sent().pop() {
                return sent;
            }
            self.now = self
                .client
                .poll_timeout()
                .expect("something is due")
                .max(self.now);
            self.client.handle_timeout(self.now);
        }
        panic!("nothing is sent");
    }

    /// Gives the Client a datagram from the connection.
    pub(crate) fn datagram(&mut self, bytes: &[u8]) {
        let datagram = Datagram::new(self.connection, bytes);
        let _ = self.client.handle_datagram(self.now, datagram);
    }

    /// A piggybacked answer to a request of the Client.
    pub(crate) fn answer(&mut self, request: &Sent, answer: MessageBuf) {
        let message = request.message();
        let wire = answer.finish(
            MessageType::Acknowledgement,
            message.message_id(),
            message.token(),
        );
        self.datagram(wire.as_ref());
    }

    pub(crate) fn message_id(&mut self) -> u16 {
        self.next_message_id += 1;
        self.next_message_id
    }

    /// Sends a confirmable request with this token; returns the answer, the only message sent.
    pub(crate) fn request(&mut self, token: &[u8], request: MessageBuf) -> Sent {
        let (answer, others) = self.answered(token, request);
        assert!(
            others.is_empty(),
            "what else is sent is looked at by the test that expects it"
        );
        answer
    }

    /// Sends a confirmable request with this token; returns the answer and the messages after it.
    pub(crate) fn answered(&mut self, token: &[u8], request: MessageBuf) -> (Sent, Vec<Sent>) {
        let message_id = self.message_id();
        let token = Token::new(token).unwrap();
        let wire = request.finish(MessageType::Confirmable, message_id, token);
        self.datagram(wire.as_ref());
        let mut sent = self.all_sent();
        let answer = sent.remove(0);
        assert_eq!(answer.message().message_id(), message_id);
        assert_eq!(answer.message().token(), token);
        assert_eq!(answer.kind(), MessageType::Acknowledgement);
        (answer, sent)
    }

    /// The code that answers a request.
    pub(crate) fn code(&mut self, request: MessageBuf) -> Code {
        self.request(b"\x01\x02", request).code()
    }

    /// Checks that the Client still works: it answers a Read.
    pub(crate) fn works(&mut self) {
        let answer = self.request(b"works", get("/3/0/0"));
        assert_eq!(answer.code(), Code::CONTENT);
    }
}

/// 2.01 with the location `/rd/a`.
pub(crate) fn created() -> MessageBuf {
    let mut answer = MessageBuf::response(Code::CREATED);
    answer
        .location_path("rd")
        .unwrap()
        .location_path("a")
        .unwrap();
    answer
}
