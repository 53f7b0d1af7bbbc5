//! A Client of one server that it reaches over UDP and over SMS, and the test as that server.

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, ContentFormat, Instant, Method, Transport};
use lwm2m_kit::instance;
use lwm2m_objects::{
    Store,
    typed::{Device, Security, SmsSecurity, SmsSecurityMode},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    coap::{MessageBuf, MessageType, Token},
};

use crate::{
    hosts::{open, secured, tree},
    support::{Sent, on, path},
};

/// The number of the server.
pub(crate) const NUMBER: &str = "+491700000001";

/// A Client, and what the application and its server see of it.
pub(crate) struct Mobile {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    /// The connections that are asked for or up, with what they are over.
    links: Vec<(ConnectionId, &'static str)>,
    /// What was sent and isn't answered.
    pub(crate) sent: Vec<Sent>,
    next_message_id: u16,
}

/// Without security on either channel.
pub(crate) fn no_sec() -> Security {
    Security {
        sms: SmsSecurity {
            mode: Some(SmsSecurityMode::NoSec),
            server_number: Some(NUMBER.into()),
            ..SmsSecurity::default()
        },
        ..open("one", 101, 0).0
    }
}

/// With DTLS on both channels.
pub(crate) fn dtls() -> Security {
    Security {
        sms: SmsSecurity {
            mode: Some(SmsSecurityMode::Dtls),
            server_number: Some(NUMBER.into()),
            ..SmsSecurity::default()
        },
        ..secured("one", 101, 0).0
    }
}

pub(crate) fn config() -> ClientConfig {
    let mut config = ClientConfig::new("example-client", [9; 32]);
    config.announced.sms_number = Some("491700000000".into());
    config
}

impl Mobile {
    /// A Client that has been started.
    pub(crate) fn new(
        config: ClientConfig,
        security: Security,
        binding: BindingMode,
        lifetime: u32,
    ) -> Self {
        let (_, mut server) = open("one", 101, lifetime);
        server.binding = binding;
        let mut objects = tree([(security, server)]);
        let device = Device {
            supported_binding: BindingMode::UQS,
            ..Device::example()
        };
        objects.add(Store::of([(instance(0), device)]));
        let mut mobile = Self {
            client: Client::new(config, objects).unwrap(),
            now: Instant::from_secs(1000),
            links: Vec::new(),
            sent: Vec::new(),
            next_message_id: 0x5000,
        };
        mobile.client.start(mobile.now);
        mobile
    }

    /// A Client that is registered over the channel of its binding, for a day.
    pub(crate) fn registered(security: Security, binding: BindingMode) -> Self {
        Self::registered_for(security, binding, 86_400)
    }

    pub(crate) fn registered_for(security: Security, binding: BindingMode, lifetime: u32) -> Self {
        let mut mobile = Self::new(config(), security, binding, lifetime);
        mobile.steps();
        let link = mobile.links[0].1;
        mobile.connect(link, Session::New);
        mobile.steps();
        mobile.accept_register();
        assert_eq!(mobile.steps(), ["registered"]);
        mobile
    }

    /// What is sent, and then what is told, each as a line.
    pub(crate) fn steps(&mut self) -> Vec<String> {
        let mut steps = Vec::new();
        for sent in lwm2m_kit::sent(&mut self.client) {
            steps.push(self.line(&sent));
            self.sent.push(sent);
        }
        for event in lwm2m_kit::events(&mut self.client) {
            steps.push(match event {
                ClientEvent::Connect {
                    connection,
                    transport,
                    security,
                    ..
                } => {
                    let over = if transport == Transport::Sms {
                        assert_eq!(security.sms.server_number.unwrap(), NUMBER);
                        "sms"
                    } else {
                        "udp"
                    };
                    self.links.push((connection, over));
                    format!("connect {over}")
                }
                ClientEvent::Disconnect { connection } => {
                    let over = self.over(connection);
                    self.links.retain(|link| link.0 != connection);
                    format!("disconnect {over}")
                }
                ClientEvent::Registered { .. } => "registered".into(),
                ClientEvent::Updated { .. } => "updated".into(),
                ClientEvent::Deregistered { .. } => "deregistered".into(),
                ClientEvent::RegistrationFailed { reason, .. } => format!("failed: {reason}"),
                ClientEvent::DeregisterFailed { reason, .. } => format!("not left: {reason}"),
                ClientEvent::Observed { path, .. } => format!("observed {path}"),
                ClientEvent::ObservationEnded { path, .. } => format!("not observed {path}"),
                ClientEvent::Written { .. } => "written".into(),
                other => format!("{other:?}"),
            });
        }
        steps
    }

    /// What a message is, and what it goes over.
    fn line(&self, sent: &Sent) -> String {
        let (over, code) = (self.over(sent.to), sent.code());
        // What is the same in every Register is left out.
        let same = ["ep=example-client", "lt=86400", "lwm2m=1.0"];
        let mut query = sent.queries();
        query.retain(|query| !same.contains(&&**query));
        let query = query.join("&");
        let line = format!("{over}: {code} {} {query}", sent.path());
        line.trim_end().into()
    }

    fn over(&self, connection: ConnectionId) -> &'static str {
        let mut links = self.links.iter();
        links.find(|link| link.0 == connection).expect("a link").1
    }

    /// The name of the connection over UDP or SMS.
    pub(crate) fn link(&self, over: &str) -> ConnectionId {
        let mut links = self.links.iter();
        links.find(|link| link.1 == over).expect("a link").0
    }

    /// A connection that the server has begun.
    pub(crate) fn add_link(&mut self, connection: ConnectionId, over: &'static str) {
        self.links.push((connection, over));
    }

    pub(crate) fn connect(&mut self, over: &str, session: Session) {
        let link = self.link(over);
        self.client.connected(self.now, link, session);
    }

    /// A connection is lost, or could not be made.
    pub(crate) fn lose(&mut self, over: &str) {
        let link = self.link(over);
        self.links.retain(|known| known.0 != link);
        self.client.disconnected(self.now, link);
    }

    /// Answers the oldest request that isn't answered.
    pub(crate) fn answer(&mut self, answer: MessageBuf) {
        let is_request = |sent: &Sent| sent.code().method().is_some();
        let at = self.sent.iter().position(is_request).expect("a request");
        let to = self.sent.remove(at);
        let (id, token) = (to.message().message_id(), to.message().token());
        let wire = answer.finish(MessageType::Acknowledgement, id, token);
        self.datagram(to.to, wire.as_ref());
    }

    pub(crate) fn answer_code(&mut self, code: Code) {
        self.answer(MessageBuf::response(code));
    }

    pub(crate) fn accept_register(&mut self) {
        self.answer(crate::support::created());
    }

    pub(crate) fn datagram(&mut self, from: ConnectionId, bytes: &[u8]) {
        let _ = self
            .client
            .handle_datagram(self.now, Datagram::new(from, bytes));
    }

    /// A confirmable request of the server.
    pub(crate) fn request(&mut self, over: &str, request: MessageBuf) {
        self.next_message_id += 1;
        let token = Token::new(b"s").unwrap();
        let wire = request.finish(MessageType::Confirmable, self.next_message_id, token);
        let link = self.link(over);
        self.datagram(link, wire.as_ref());
    }

    /// The server writes the binding.
    pub(crate) fn write_binding(&mut self, over: &str, binding: &str) {
        let mut write = on(Method::Put, "/1/10/7");
        write.content_format(ContentFormat::TEXT).unwrap();
        write.payload(binding.as_bytes());
        self.request(over, write);
    }

    /// The server writes the binding, and accepts the Update that tells it.
    pub(crate) fn change_binding(&mut self, over: &str, binding: &str) {
        self.write_binding(over, binding);
        self.steps();
        self.answer_code(Code::CHANGED);
    }

    /// Time passes, and the Client is called at its deadlines. What is sent and told meanwhile.
    pub(crate) fn pass(&mut self, duration: Duration) -> Vec<String> {
        let end = self.now + duration;
        let mut steps = self.steps();
        while let Some(more) = self.wake(end) {
            steps.extend(more);
        }
        steps
    }

    /// Time passes until the next deadline of the Client. What is sent and told then; nothing if it is later.
    pub(crate) fn wake(&mut self, end: Instant) -> Option<Vec<String>> {
        let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) else {
            self.now = end;
            return None;
        };
        self.now = self.now.max(due);
        self.client.handle_timeout(self.now);
        let next = self.client.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a past deadline");
        Some(self.steps())
    }

    /// The battery level has changed, and what is due by that is sent.
    pub(crate) fn set_level(&mut self, level: i64) {
        self.client.set(self.now, path("/3/0/9"), level).unwrap();
        self.client.handle_timeout(self.now);
    }
}
