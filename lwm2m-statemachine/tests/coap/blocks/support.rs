//! Two endpoints with applications, and their messages in words.

use core::fmt::Write as _;

use lwm2m_core::{Code, CodeKind, ContentFormat, Instant, Method};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        BlockOption, Config, Endpoint, Event, FailureReason, Incoming, MessageBuf, MessageRef,
        MessageType, RequestId, RequestOptions, Token,
    },
};

pub(crate) use crate::support::{Node, T0, get, sent};
pub(crate) use lwm2m_kit::response;

pub(crate) fn config(seed: u8, block_size: usize) -> Config {
    let mut config = Config::new([seed; 32]);
    config.block_size = block_size;
    config
}

/// A body in which a misplaced block shows.
pub(crate) fn body(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| (index / 16 * 7 + index) as u8)
        .collect()
}

pub(crate) fn request(method: Method, path: &str, body: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::request(method);
    message.uri_path(path).unwrap().payload(body);
    message
}

pub(crate) fn observe(path: &str) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Get);
    message.observe(0).unwrap().uri_path(path).unwrap();
    message
}

pub(crate) fn content(body: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.content_format(ContentFormat::TEXT).unwrap();
    message.payload(body);
    message
}

pub(crate) fn block(number: u32, more: bool, size: usize) -> BlockOption {
    BlockOption::new(number, more, size).unwrap()
}

/// What the application on the client's side was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Response(RequestId, Code, Vec<u8>),
    Notification(RequestId, Vec<u8>),
    Block(RequestId, usize, Vec<u8>),
    Reset(RequestId),
    Failed(RequestId, FailureReason),
    Lost(RequestId, FailureReason),
}

type Serve = Box<dyn FnMut(&mut Node, Instant, Incoming<'_>)>;

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) client: Node,
    pub(crate) server: Node,
    pub(crate) serve: Serve,
    /// The channel of the datagrams.
    pub(crate) channel: Channel,
    /// The largest datagram so far.
    pub(crate) largest: usize,
    /// Chooses the datagrams that are lost.
    pub(crate) lose: Box<dyn FnMut(&str) -> bool>,
    /// The datagrams so far, in words.
    pub(crate) log: Vec<String>,
    pub(crate) said: Vec<Vec<u8>>,
    pub(crate) told: Vec<Told>,
    /// The server's events, and the client's that belong to no request.
    pub(crate) events: Vec<Event<&'static str>>,
}

impl Pair {
    pub(crate) fn new(client: Config, server: Config) -> Self {
        Self {
            now: T0,
            client: Endpoint::new(client),
            server: Endpoint::new(server),
            serve: Box::new(|_, _, incoming| panic!("{incoming:?}")),
            channel: Channel::Udp,
            largest: 0,
            lose: Box::new(|_| false),
            log: Vec::new(),
            said: Vec::new(),
            told: Vec::new(),
            events: Vec::new(),
        }
    }

    /// With blocks of these sizes, and a server with these answers.
    pub(crate) fn serving(
        client: usize,
        server: usize,
        mut answer: impl FnMut(&MessageRef<'_>, &[u8]) -> MessageBuf + 'static,
    ) -> Self {
        let mut pair = Self::new(config(1, client), config(2, server));
        pair.serve = Box::new(move |server, now, incoming| {
            let Incoming::Request {
                responder,
                request,
                body,
            } = incoming
            else {
                panic!("{incoming:?}");
            };
            let answer = answer(&request, &body);
            server.respond(now, responder, answer).unwrap();
        });
        pair
    }

    pub(crate) fn request(&mut self, message: MessageBuf) -> RequestId {
        self.request_with(message, RequestOptions::default())
    }

    pub(crate) fn request_with(
        &mut self,
        message: MessageBuf,
        options: RequestOptions,
    ) -> RequestId {
        self.client
            .request(self.now, "server", message, options)
            .unwrap()
    }

    /// Exchanges datagrams until neither has more to send now.
    pub(crate) fn talk(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(transmit) = self.client.poll_transmit() {
                quiet = false;
                let payload = transmit.payload.to_vec();
                if !self.say("→", &payload) {
                    continue;
                }
                let mut datagram = Datagram::new("client", &payload);
                datagram.channel = self.channel;
                if let Ok(Some(incoming)) = self.server.receive(self.now, &datagram) {
                    (self.serve)(&mut self.server, self.now, incoming);
                }
            }
            while let Some(transmit) = self.server.poll_transmit() {
                quiet = false;
                let payload = transmit.payload.to_vec();
                if !self.say("←", &payload) {
                    continue;
                }
                let mut datagram = Datagram::new("server", &payload);
                datagram.channel = self.channel;
                if let Ok(Some(incoming)) = self.client.receive(self.now, &datagram) {
                    self.told.push(told(incoming));
                }
            }
            while let Some(event) = self.client.poll_event() {
                match event {
                    Event::RequestFailed {
                        request, reason, ..
                    } => self.told.push(Told::Failed(request, reason)),
                    Event::NotificationLost {
                        request, reason, ..
                    } => self.told.push(Told::Lost(request, reason)),
                    other => self.events.push(other),
                }
            }
            self.events.extend(lwm2m_kit::events(&mut self.server));
            if quiet {
                return;
            }
        }
    }

    fn say(&mut self, arrow: &str, payload: &[u8]) -> bool {
        let mut line = format!("{arrow} {}", words(payload));
        self.largest = self.largest.max(payload.len());
        self.said.push(payload.to_vec());
        let lost = (self.lose)(&line);
        if lost {
            line.push_str(" lost");
        }
        self.log.push(line);
        !lost
    }

    /// Runs until nothing is due any more, and checks that no state is left.
    pub(crate) fn run_to_rest(&mut self) {
        for _ in 0..100_000 {
            self.talk();
            let next = [self.client.poll_timeout(), self.server.poll_timeout()];
            let Some(next) = next.into_iter().flatten().min() else {
                assert!(self.client.is_idle(), "{:?}", self.client.usage());
                assert!(self.server.is_idle(), "{:?}", self.server.usage());
                return;
            };
            self.now = self.now.max(next);
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        panic!("no rest");
    }
}

fn told(incoming: Incoming<'_>) -> Told {
    match incoming {
        Incoming::Response {
            request,
            response,
            body,
            ..
        } => Told::Response(request, response.code(), body.to_vec()),
        Incoming::Notification { request, body, .. } => Told::Notification(request, body.to_vec()),
        Incoming::ResponseBlock {
            request,
            response,
            offset,
        } => Told::Block(request, offset, response.payload().to_vec()),
        Incoming::RequestReset { request } => Told::Reset(request),
        other => panic!("{other:?}"),
    }
}

/// A datagram in the words of the figures of RFC 7959 §3: type, code, path, Observe, block
/// options.
pub(crate) fn words(payload: &[u8]) -> String {
    let message = MessageRef::parse(payload).unwrap();
    let kind = match message.kind() {
        MessageType::Confirmable => "CON",
        MessageType::NonConfirmable => "NON",
        MessageType::Acknowledgement => "ACK",
        MessageType::Reset => "RST",
    };
    let mut line = String::from(kind);
    let code = message.code();
    match code.kind() {
        CodeKind::Request => write!(line, " {}", code.name().unwrap()).unwrap(),
        CodeKind::Response => write!(line, " {}.{:02}", code.class(), code.detail()).unwrap(),
        _ => {}
    }
    message
        .uri_path()
        .for_each(|segment| write!(line, " /{segment}").unwrap());
    if let Some(observe) = message.observe() {
        write!(line, " O:{observe}").unwrap();
    }
    for (number, block) in [(1, message.block1()), (2, message.block2())] {
        if let Some(block) = block {
            let more = u8::from(block.more());
            write!(line, " {number}:{}/{more}/{}", block.number(), block.size()).unwrap();
        }
    }
    line
}

/// The datagram of a confirmable request with this message id, which is its token too.
pub(crate) fn wire(message: MessageBuf, id: u16) -> Vec<u8> {
    let token = Token::new(&id.to_be_bytes()).unwrap();
    message.finish(MessageType::Confirmable, id, token).into()
}

/// A request with block options and Size1.
pub(crate) fn blockwise(
    method: Method,
    path: &str,
    block1: Option<BlockOption>,
    block2: Option<BlockOption>,
    payload: &[u8],
) -> MessageBuf {
    let mut message = MessageBuf::request(method);
    message.uri_path(path).unwrap();
    if let Some(block) = block2 {
        message.block2(block).unwrap();
    }
    if let Some(block) = block1 {
        message.block1(block).unwrap();
    }
    message.payload(payload);
    message
}

/// Gives a node a datagram of `from`; returns what it sends.
pub(crate) fn say<'d>(
    node: &mut Node,
    now: Instant,
    from: &'static str,
    payload: &'d [u8],
) -> (Option<Incoming<'d>>, Vec<Vec<u8>>) {
    let incoming = node.receive(now, &Datagram::new(from, payload));
    let incoming = incoming.ok().flatten();
    (incoming, sent(node))
}

/// What a node sends in answer to a request, if its application answers with `serve`.
pub(crate) fn ask(
    node: &mut Node,
    now: Instant,
    from: &'static str,
    payload: &[u8],
    serve: impl FnOnce(&mut Node, Incoming<'_>),
) -> Vec<Vec<u8>> {
    let (incoming, mut said) = say(node, now, from, payload);
    if let Some(incoming) = incoming {
        serve(node, incoming);
        said.extend(sent(node));
    }
    said
}

/// The only answer to a request that the application doesn't see.
pub(crate) fn refused(
    node: &mut Node,
    now: Instant,
    from: &'static str,
    payload: &[u8],
) -> Vec<u8> {
    let mut said = ask(node, now, from, payload, |_, incoming| {
        panic!("not refused: {incoming:?}")
    });
    assert_eq!(said.len(), 1);
    said.remove(0)
}

/// Answers a request with 2.04 and returns its body.
pub(crate) fn change(node: &mut Node, incoming: Incoming<'_>) -> Vec<u8> {
    let Incoming::Request {
        responder, body, ..
    } = incoming
    else {
        panic!("{incoming:?}");
    };
    let body = body.to_vec();
    node.respond(T0, responder, response(Code::CHANGED, b""))
        .unwrap();
    body
}
