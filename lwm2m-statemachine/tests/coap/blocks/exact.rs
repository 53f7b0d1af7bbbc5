//! Exchanges written down datagram by datagram, with an endpoint that must send exactly its part.
//!
//! A line is a datagram of the client (`→`) or of the server (`←`):
//!
//! ```text
//! → CON 1234 GET /status 2:1/0/128
//! ← ACK 1234 2.05 E:aa 2:1/1/128 [128..256]
//! ```
//!
//! type, message id, code, then options and payload: `/` Uri-Path, `O:` Observe, `E:` ETag, `CF:`
//! Content-Format, `1:` and `2:` Block1 and Block2 (number/more/size), `S1:` and `S2:` sizes, `RT`
//! Request-Tag, and which bytes of [`body`](super::support::body). The token is that of the
//! exchange with this message id, or with the one after `@`. What the endpoint chooses (message
//! ids, tokens, the Request-Tag) is recorded when it first appears, and must stay the same. A line
//! with `!c` or `!s` is an action of the client's or the server's application. A datagram that is
//! lost has `⇥` or `⇤`.

use std::collections::BTreeMap;

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Endpoint, Event, Incoming, MessageBuf, MessageRef, MessageType, NotifyOptions,
        OptionNumber, RequestOptions, Token,
    },
};

use super::support::{Node, T0, body, words};

const REQUEST_TAG: OptionNumber = OptionNumber::new(292);

/// Which side the endpoint is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// An endpoint with its application, in an exchange.
pub(crate) struct Exact {
    role: Role,
    node: Node,
    /// The length of the server application's answers.
    answer: usize,
    /// Its names for these.
    etag: u8,
    observer: Option<(Token, NotifyOptions)>,
    /// The lengths of the bodies that the application got.
    pub(crate) got: Vec<usize>,
    /// Their formats.
    pub(crate) formats: Vec<Option<ContentFormat>>,
    exchanges: BTreeMap<u16, (u16, Token)>,
    request_tag: Option<Vec<u8>>,
}

impl Exact {
    pub(crate) fn new(role: Role, config: Config, answer: usize) -> Self {
        Self {
            role,
            node: Endpoint::new(config),
            answer,
            etag: 0xaa,
            observer: None,
            got: Vec::new(),
            formats: Vec::new(),
            exchanges: BTreeMap::new(),
            request_tag: None,
        }
    }

    /// Runs an exchange.
    #[track_caller]
    pub(crate) fn run(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (arrow, line) = line.split_once(' ').unwrap();
            match (arrow, self.role) {
                ("!c", Role::Client) | ("!s", Role::Server) => self.act(line),
                ("!c" | "⇥", Role::Server) | ("!s" | "⇤", Role::Client) => {}
                ("→", Role::Server) | ("←", Role::Client) => {
                    let datagram = self.datagram(line, None);
                    self.take(&datagram);
                }
                ("←" | "⇤", Role::Server) | ("→" | "⇥", Role::Client) => {
                    let said = self.node.poll_transmit().map(|it| it.payload.to_vec());
                    let said = said.unwrap_or_else(|| panic!("nothing was said: {line}"));
                    let expected = self.datagram(line, Some(&said));
                    assert_eq!(said, expected, "{line}\nbut {}", words(&said));
                }
                _ => panic!("{arrow} {line}"),
            }
        }
        let more = self.node.poll_transmit().map(|it| words(it.payload));
        assert_eq!(more, None, "said beside");
    }

    /// The datagram of a line; `said` is what the endpoint has sent.
    fn datagram(&mut self, line: &str, said: Option<&[u8]>) -> Vec<u8> {
        let said = said.map(|said| MessageRef::parse(said).unwrap());
        let mut words = line.split(' ');
        let kind = match words.next().unwrap() {
            "CON" => MessageType::Confirmable,
            "NON" => MessageType::NonConfirmable,
            "ACK" => MessageType::Acknowledgement,
            "RST" => MessageType::Reset,
            other => panic!("{other}"),
        };
        let id: u16 = words.next().unwrap().parse().unwrap();
        let mut words = words.peekable();
        let other = words.next_if(|word| word.starts_with('@'));
        let exchange = other.map_or(id, |other| other[1..].parse().unwrap());
        let (message_id, _) = *self.exchanges.entry(id).or_insert_with(|| {
            let token = Token::new(&exchange.to_be_bytes()).unwrap();
            said.as_ref()
                .map_or((id, token), |said| (said.message_id(), said.token()))
        });
        let (_, token) = self.exchanges[&exchange];
        let Some(code) = words.next() else {
            let [high, low] = message_id.to_be_bytes();
            return vec![0x40 | kind_bits(kind) << 4, 0, high, low];
        };
        let mut message = message_of(code);
        let mut options: Vec<(u16, Vec<u8>)> = Vec::new();
        let mut payload = Vec::new();
        for word in words {
            let uint = |text: &str| -> Vec<u8> {
                let number: u32 = text.parse().unwrap();
                let bytes = number.to_be_bytes();
                let skip = bytes.iter().take_while(|byte| **byte == 0).count();
                bytes[skip..].to_vec()
            };
            if let Some(segment) = word.strip_prefix('/') {
                options.push((11, segment.as_bytes().to_vec()));
            } else if let Some(range) = word.strip_prefix('[') {
                let (from, to) = range.trim_end_matches(']').split_once("..").unwrap();
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                payload = body(to)[from..].to_vec();
            } else if word == "RT" {
                let seen = said.as_ref().and_then(|said| {
                    let mut options = said.options();
                    options.find(|(number, _)| *number == REQUEST_TAG)
                });
                let tag = self
                    .request_tag
                    .get_or_insert_with(|| seen.map_or(b"RT".to_vec(), |(_, tag)| tag.to_vec()));
                options.push((292, tag.clone()));
            } else {
                let (name, value) = word.split_once(':').unwrap_or_else(|| panic!("{word}"));
                let option = match name {
                    "E" => (4, vec![u8::from_str_radix(value, 16).unwrap()]),
                    "O" => (6, uint(value)),
                    "CF" => (12, uint(value)),
                    "S2" => (28, uint(value)),
                    "S1" => (60, uint(value)),
                    "1" | "2" => {
                        let number = if name == "1" { 27 } else { 23 };
                        let raw = value.strip_prefix('#').map(str::to_owned);
                        let value = raw.unwrap_or_else(|| block_value(value));
                        (number, uint(&value))
                    }
                    other => panic!("{other}"),
                };
                options.push(option);
            }
        }
        options.sort_by_key(|(number, _)| *number);
        for (number, value) in options {
            message.option(OptionNumber::new(number), &value).unwrap();
        }
        message.payload(&payload);
        message.finish(kind, message_id, token).into()
    }

    /// The endpoint takes a datagram, and its application acts on it.
    fn take(&mut self, datagram: &[u8]) {
        let incoming = self.node.receive(T0, &Datagram::new("peer", datagram));
        match incoming {
            Ok(Some(Incoming::Request {
                responder,
                request,
                body: whole,
            })) => {
                assert_eq!(*whole, body(whole.len()), "a torn body");
                self.got.push(whole.len());
                self.formats.push(request.content_format());
                let code = match request.code() {
                    Code::GET => Code::CONTENT,
                    _ => Code::CHANGED,
                };
                let mut message = MessageBuf::response(code);
                if self.answer > 0 {
                    message.etag(&[self.etag]).unwrap();
                }
                if request.observe() == Some(0) {
                    let options = NotifyOptions {
                        confirmable: true,
                        resource: Some(responder.resource()),
                        ..NotifyOptions::default()
                    };
                    self.observer = Some((responder.token(), options));
                    message.observe(62350).unwrap();
                }
                message.payload(&body(self.answer));
                self.node.respond(T0, responder, message).unwrap();
            }
            Ok(Some(Incoming::RequestBlock {
                responder,
                request,
                offset,
                ..
            })) => {
                let end = offset + request.payload().len();
                assert_eq!(request.payload(), &body(end)[offset..], "a torn body");
                self.got.push(request.payload().len());
                self.formats.push(request.content_format());
                let message = MessageBuf::response(Code::CHANGED);
                self.node.respond(T0, responder, message).unwrap();
            }
            Ok(Some(
                Incoming::Response {
                    response,
                    body: whole,
                    ..
                }
                | Incoming::Notification {
                    response,
                    body: whole,
                    ..
                },
            )) => {
                assert_eq!(*whole, body(whole.len()), "a torn body");
                self.got.push(whole.len());
                self.formats.push(response.content_format());
            }
            Ok(Some(Incoming::Acknowledged { .. }) | None) | Err(_) => {}
            other => panic!("{other:?}"),
        }
        while let Some(event) = self.node.poll_event() {
            assert!(matches!(event, Event::RequestFailed { .. }), "{event:?}");
            self.got.push(usize::MAX);
        }
    }

    /// `GET /path`, `PUT /path 300`, `observe /path`, `notify 300`; `change 300`: from now on the
    /// resource has so many bytes; `again`: it is time to send
    /// again what got lost.
    fn act(&mut self, line: &str) {
        let mut words = line.split(' ');
        let what = words.next().unwrap();
        if what == "notify" {
            let (token, options) = self.observer.unwrap();
            let length = words.next().unwrap().parse().unwrap();
            let mut message = MessageBuf::response(Code::CONTENT);
            message.etag(&[0xbb]).unwrap().observe(62354).unwrap();
            message.payload(&body(length));
            self.node
                .notify(T0, "peer", token, message, options)
                .unwrap();
            return;
        }
        if what == "change" {
            self.answer = words.next().unwrap().parse().unwrap();
            self.etag += 0x11;
            return;
        }
        if what == "again" {
            let now = self.node.poll_timeout().unwrap();
            self.node.handle_timeout(now);
            return;
        }
        let method = match what {
            "observe" | "GET" => Method::Get,
            "PUT" => Method::Put,
            "POST" => Method::Post,
            other => panic!("{other}"),
        };
        let mut message = MessageBuf::request(method);
        if what == "observe" {
            message.observe(0).unwrap();
        }
        let path = words.next().unwrap();
        message.uri_path(&path[1..]).unwrap();
        if let Some(length) = words.next() {
            message.payload(&body(length.parse().unwrap()));
        }
        self.node
            .request(T0, "peer", message, RequestOptions::default())
            .unwrap();
    }
}

fn kind_bits(kind: MessageType) -> u8 {
    match kind {
        MessageType::Confirmable => 0,
        MessageType::NonConfirmable => 1,
        MessageType::Acknowledgement => 2,
        MessageType::Reset => 3,
    }
}

fn message_of(code: &str) -> MessageBuf {
    let method = match code {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        code => {
            let (class, detail) = code.split_once('.').unwrap();
            let code = Code::new(class.parse().unwrap(), detail.parse().unwrap());
            return MessageBuf::response(code);
        }
    };
    MessageBuf::request(method)
}

/// RFC 7959 §2.2: number, more, and the logarithm of the size less 4.
fn block_value(text: &str) -> String {
    let parts: Vec<u32> = text.split('/').map(|part| part.parse().unwrap()).collect();
    (parts[0] << 4 | parts[1] << 3 | (parts[2].ilog2() - 4)).to_string()
}
