//! A server that does what it likes: answers the Client in every wrong way, asks for everything
//! whether or not it may, repeats, changes and forges datagrams, opens bodies that never end, tears
//! Writes, and goes on when the registration is over.

use std::collections::VecDeque;

use lwm2m_core::{Code, CodeKind, ContentFormat, Instant, Method};
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    Datagram,
    coap::{BlockOption, MessageBuf, MessageRef, MessageType, OptionNumber, Token},
};

use super::{book::Shared, plan::Fault, torn::TornWrite};

/// How many datagrams of each side it remembers.
const REMEMBERED: usize = 12;

const PATHS: [&str; 20] = [
    "/0/0",
    "/0/2/5",
    "/1",
    "/1/2",
    "/1/2/1",
    "/1/2/8",
    "/1/0/8",
    "/2",
    "/2/6",
    "/3",
    "/3/0",
    "/3/0/4",
    "/3/0/9",
    "/26241",
    "/26241/0",
    "/26241/0/0",
    "/26241/0/3",
    "/26241/0/5",
    "/26241/9/9",
    "/65534/1/2/3",
];
const OTHER_PATHS: [&str; 6] = [
    "/",
    "/rd",
    "/bs",
    "/.well-known/core",
    "/3/0/9/0/1",
    "/a/..//b",
];
const QUERIES: [&str; 9] = [
    "pmin=1",
    "pmax=60",
    "pmin=90",
    "gt=5",
    "st=-1",
    "lt=",
    "pmin",
    "x=y",
    "ep=device",
];

/// A segment that is sent as two dots.
const DOTS: &str = "=!";

/// The node of a hostile server.
pub(crate) struct Adversary {
    random: Random,
    book: Shared,
    /// Where the Client was heard last.
    client: Option<Address>,
    /// Whether it answers as it should from now on, and asks for nothing.
    pub(crate) is_calm: bool,
    /// Whether it answers nothing at all.
    pub(crate) is_silent: bool,
    /// The longest lifetime that the Client has told it, in seconds.
    pub(crate) lifetime: u64,
    /// The Write in blocks that is under way.
    torn: Option<TornWrite>,
    fault: Fault,
    queue: VecDeque<(Address, Vec<u8>)>,
    /// The last datagrams of the Client, and its own.
    heard: VecDeque<Vec<u8>>,
    said: VecDeque<Vec<u8>>,
    message_id: u16,
}

impl Adversary {
    pub(crate) fn new(random: Random, book: Shared, fault: Fault) -> Self {
        Self {
            random,
            book,
            client: None,
            is_calm: false,
            is_silent: false,
            lifetime: 0,
            torn: None,
            fault,
            queue: VecDeque::new(),
            heard: VecDeque::new(),
            said: VecDeque::new(),
            message_id: 0,
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len() as u64) as usize]
    }

    fn say(&mut self, to: Address, datagram: Vec<u8>) {
        self.said.push_back(datagram.clone());
        if self.said.len() > REMEMBERED {
            self.said.pop_front();
        }
        self.queue.push_back((to, datagram));
    }

    /// Sends a few datagrams that nobody asked for.
    pub(crate) fn act(&mut self) {
        let Some(client) = self.client.filter(|_| !self.is_calm) else {
            return;
        };
        for _ in 0..=self.random.below(6) {
            let datagram = match self.random.below(16) {
                0 => (0..self.random.below(40))
                    .map(|_| self.random.number() as u8)
                    .collect(),
                1 => self.again(false),
                2 => self.again(true),
                3 => self.changed(),
                4 | 5 => self.block(),
                6 => self.response(),
                7 => self.first_of_torn(),
                _ => self.request(),
            };
            self.book.borrow_mut().count("hostile datagram");
            self.say(client, datagram);
        }
    }

    /// Begins a Write in blocks. The further ones follow when the Client asks for them.
    pub(crate) fn tear(&mut self) {
        if let Some(client) = self.client {
            let block = self.first_of_torn();
            self.say(client, block);
        }
    }

    fn first_of_torn(&mut self) -> Vec<u8> {
        self.book.borrow_mut().count("torn Write");
        let is_whole = self.fault == Fault::Mends;
        let mut torn = TornWrite::new(&mut self.random, is_whole);
        let block = torn.next(self.message_id());
        self.torn = Some(torn);
        block.expect("the first block")
    }

    /// The Client has taken a block of the Write that is under way: the next one.
    fn go_on(&mut self, client: Address, answer: &MessageRef<'_>) {
        let Some(mut torn) = self.torn.take_if(|torn| torn.token() == answer.token()) else {
            return;
        };
        if answer.code() != Code::CONTINUE {
            return;
        }
        self.book.borrow_mut().count("block of a torn Write");
        if let Some(block) = torn.next(self.message_id()) {
            self.torn = Some(torn);
            self.say(client, block);
        }
    }

    /// The registration is over, and it goes on as if it weren't: what any server may ask, a Write in
    /// blocks, and a few datagrams more.
    pub(crate) fn outstay(&mut self) {
        let Some(client) = self.client else {
            return;
        };
        for (method, observe, path) in [
            (Method::Get, None, ["3", "0"]),
            (Method::Get, Some(0), ["3", "0"]),
            (Method::Post, None, ["1", "2"]),
            (Method::Delete, None, ["1", "2"]),
        ] {
            let mut message = MessageBuf::request(method);
            if let Some(observe) = observe {
                message.observe(observe).expect("a number");
            }
            for segment in path {
                message.uri_path(segment).expect("a segment");
            }
            if method == Method::Post {
                message.content_format(ContentFormat::TLV).expect("one");
                message.payload(&[0xc1, 1, 99]);
            }
            let (id, token) = (self.message_id(), self.token());
            let message = message.finish(MessageType::Confirmable, id, token);
            self.say(client, message.as_ref().to_vec());
            self.book.borrow_mut().count("request after the lifetime");
        }
        self.tear();
        self.act();
    }

    /// A datagram that was said or heard before.
    fn again(&mut self, heard: bool) -> Vec<u8> {
        let from = if heard { &self.heard } else { &self.said };
        let at = self.random.below(from.len() as u64) as usize;
        from.get(at).cloned().unwrap_or_default()
    }

    /// A datagram of before with other bytes in it, or cut short.
    fn changed(&mut self) -> Vec<u8> {
        let heard = self.random.chance(0.3);
        let mut datagram = self.again(heard);
        for _ in 0..=self.random.below(3) {
            let at = self.random.below(datagram.len() as u64) as usize;
            if let Some(byte) = datagram.get_mut(at) {
                *byte = self.random.number() as u8;
            }
        }
        let length = self.random.below(datagram.len() as u64 + 1) as usize;
        if self.random.chance(0.3) {
            datagram.truncate(length);
        }
        datagram
    }

    fn token(&mut self) -> Token {
        let token = self.random.number().to_be_bytes();
        let length = self.pick(&[0, 1, 1, 1, 2, 8]);
        // Few, so that they are used again.
        let short = [token[0] & 3; 2];
        let token = if length == 8 {
            &token[..]
        } else {
            &short[..length]
        };
        Token::new(token).expect("a token")
    }

    fn message_id(&mut self) -> u16 {
        if !self.random.chance(0.1) {
            self.message_id = self.message_id.wrapping_add(1);
        }
        self.message_id
    }

    fn kind(&mut self) -> MessageType {
        self.pick(&[
            MessageType::Confirmable,
            MessageType::Confirmable,
            MessageType::Confirmable,
            MessageType::NonConfirmable,
            MessageType::NonConfirmable,
            MessageType::Acknowledgement,
            MessageType::Reset,
        ])
    }

    fn payload(&mut self) -> Vec<u8> {
        let number = (20 + self.random.below(200)) as u8;
        match self.random.below(9) {
            0 => Vec::new(),
            1 => number.to_string().into_bytes(),
            2 => vec![0xc1, self.random.below(10) as u8, number],
            3 => vec![0x08, self.random.below(4) as u8, 3, 0xc1, 2, number],
            4 => format!(r#"{{"e":[{{"n":"{}","v":{number}}}]}}"#, number % 10).into_bytes(),
            5 => br#"{"e":[{"n":"1","sv":"x"},{"n":"1","sv":"y"}]}"#.to_vec(),
            6 => b"0='x',1".to_vec(),
            7 => vec![0xff; 1 + usize::from(number)],
            _ => (0..number).map(|_| self.random.number() as u8).collect(),
        }
    }

    fn request(&mut self) -> Vec<u8> {
        let method = self.pick(&[
            Method::Get,
            Method::Get,
            Method::Put,
            Method::Post,
            Method::Delete,
        ]);
        let mut message = MessageBuf::request(method);
        let path = if self.random.chance(0.9) {
            self.pick(&PATHS)
        } else {
            self.pick(&OTHER_PATHS)
        };
        // Options come in the order of their numbers.
        if method == Method::Get && self.random.chance(0.6) {
            let number = self.pick(&[0, 0, 0, 1, 1, 77]);
            message.observe(number).expect("a number");
        }
        if self.random.chance(0.03) {
            let _ = message.option(OptionNumber::new(9), b"what");
        }
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let _ = message.uri_path(segment);
        }
        let formats = [0, 40, 42, 50, 11_542, 11_543, 65_000].map(ContentFormat::new);
        let has_body = method != Method::Get || self.random.chance(0.1);
        if has_body && self.random.chance(0.8) {
            let format = self.pick(&formats);
            message.content_format(format).expect("a format");
        }
        if self.random.chance(0.2) {
            for _ in 0..=self.random.below(2) {
                let query = self.pick(&QUERIES);
                message.uri_query(query).expect("a query");
            }
        }
        if self.random.chance(0.4) {
            let format = self.pick(&formats);
            message.accept(format).expect("a format");
        }
        if self.random.chance(0.05) {
            let number = self.pick(&[2_049, 65_000]);
            let _ = message.option(OptionNumber::new(number), b"what");
        }
        if has_body && self.random.chance(0.7) {
            message.payload(&self.payload());
        }
        let (kind, id, token) = (self.kind(), self.message_id(), self.token());
        message.finish(kind, id, token).as_ref().to_vec()
    }

    /// A block of a body, in any order; or the request for one.
    fn block(&mut self) -> Vec<u8> {
        let mut message = MessageBuf::request(self.pick(&[Method::Put, Method::Post, Method::Get]));
        let path = self.pick(&["/1/2", "/26241/0/3", "/26241/0", "/3/0", "/5/0/0"]);
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            message.uri_path(segment).expect("a segment");
        }
        let size = self.pick(&[16, 32, 1024]);
        let number = self.pick(&[0, 0, 1, 2, 3, 70_000]);
        let more = self.random.chance(0.8);
        let block = BlockOption::new(number, more, size).expect("a block");
        if self.random.chance(0.7) {
            let format = self.pick(&[ContentFormat::TLV, ContentFormat::OPAQUE]);
            message.content_format(format).expect("a format");
            message.block1(block).expect("a block");
            message.payload(&vec![0xc1; size]);
        } else {
            message.block2(block).expect("a block");
        }
        let (kind, id, token) = (self.kind(), self.message_id(), self.token());
        message.finish(kind, id, token).as_ref().to_vec()
    }

    /// A response to nothing, or a notification of nothing.
    fn response(&mut self) -> Vec<u8> {
        let code = self.pick(&[Code::CONTENT, Code::CHANGED, Code::CREATED, Code::NOT_FOUND]);
        let mut message = MessageBuf::response(code);
        if self.random.chance(0.3) {
            message.observe(3).expect("a number");
        }
        let (kind, id, token) = (self.kind(), self.message_id(), self.token());
        message.finish(kind, id, token).as_ref().to_vec()
    }

    /// The answer to a request of the Client, as it should be.
    fn proper(request: &MessageRef<'_>) -> MessageBuf {
        let register = request.code() == Code::POST && request.uri_path().eq(["rd"]);
        if let Some(block) = request.block1().filter(|block| block.more()) {
            let mut answer = MessageBuf::response(Code::CONTINUE);
            answer.block1(block).expect("a block");
            return answer;
        }
        let mut answer = MessageBuf::response(match request.code() {
            Code::POST if register => Code::CREATED,
            Code::POST => Code::CHANGED,
            Code::DELETE => Code::DELETED,
            _ => Code::NOT_FOUND,
        });
        if register {
            answer.location_path("rd").expect("a segment");
            answer.location_path("h").expect("a segment");
        }
        if let Some(block) = request.block1() {
            answer.block1(block).expect("a block");
        }
        answer
    }

    /// An answer that is wrong in some way.
    fn improper(&mut self) -> MessageBuf {
        let code = self.pick(&[
            Code::BAD_REQUEST,
            Code::FORBIDDEN,
            Code::NOT_FOUND,
            Code::INTERNAL_SERVER_ERROR,
            Code::SERVICE_UNAVAILABLE,
            Code::CREATED,
            Code::CREATED,
            Code::CHANGED,
            Code::CONTENT,
            Code::CONTINUE,
        ]);
        let mut answer = MessageBuf::response(code);
        match self.random.below(6) {
            0 => {
                // It becomes two dots, which no server may send (RFC 7252 §5.10.7).
                answer.location_path(DOTS).expect("a segment");
            }
            1 => {
                for _ in 0..9 {
                    answer.location_path(&"x".repeat(200)).expect("a segment");
                }
            }
            2 => {
                // A body that never ends.
                let number = self.random.below(4) as u32;
                let block = BlockOption::new(number, true, 64).expect("a block");
                answer.block2(block).expect("a block");
                answer.payload(&[7; 64]);
            }
            3 => {
                let block = BlockOption::new(0, true, 16).expect("a block");
                answer.block1(block).expect("a block");
            }
            4 => {
                answer.observe(1).expect("a number");
            }
            _ => {}
        }
        answer
    }

    fn answer(&mut self, from: Address, request: &MessageRef<'_>) {
        let (id, token) = (request.message_id(), request.token());
        let is_proper = self.is_calm || self.random.chance(0.65);
        if !is_proper && self.random.chance(0.2) {
            return;
        }
        if !is_proper && self.random.chance(0.1) {
            let [high, low] = id.to_be_bytes();
            self.say(from, vec![0x70, 0, high, low]);
            return;
        }
        let answer = if is_proper {
            Self::proper(request)
        } else {
            self.improper()
        };
        let piggybacked = self.is_calm || self.random.chance(0.8);
        let (kind, id) = if piggybacked {
            (MessageType::Acknowledgement, id)
        } else {
            let [high, low] = id.to_be_bytes();
            if self.random.chance(0.7) {
                self.say(from, vec![0x60, 0, high, low]);
            }
            (MessageType::Confirmable, self.message_id())
        };
        let mut wire = answer.finish(kind, id, token).as_ref().to_vec();
        let dots = wire.windows(2).position(|bytes| bytes == DOTS.as_bytes());
        if let Some(dots) = dots {
            wire[dots..dots + 2].copy_from_slice(b"..");
        }
        self.say(from, wire);
    }
}

impl Node for Adversary {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_, Address>) {
        self.client = Some(datagram.from);
        self.heard.push_back(datagram.payload.to_vec());
        if self.heard.len() > REMEMBERED {
            self.heard.pop_front();
        }
        let Ok(message) = MessageRef::parse(datagram.payload) else {
            panic!("the Client sends messages");
        };
        if message.code().kind() == CodeKind::Response {
            self.go_on(datagram.from, &message);
        }
        let told = message.uri_query();
        let mut told = told.filter_map(|query| query.strip_prefix("lt=")?.parse().ok());
        self.lifetime = self.lifetime.max(told.next().unwrap_or_default());
        if self.is_silent {
            return;
        }
        if message.code().kind() == CodeKind::Request {
            self.answer(datagram.from, &message);
        } else if matches!(
            message.kind(),
            MessageType::Confirmable | MessageType::NonConfirmable
        ) {
            let [high, low] = message.message_id().to_be_bytes();
            // A notification, or an answer by itself.
            let resets = if self.is_calm { 1.0 } else { 0.1 };
            let kind = if self.random.chance(resets) {
                0x70
            } else {
                0x60
            };
            if kind == 0x70 || self.random.chance(0.7) {
                self.say(datagram.from, vec![kind, 0, high, low]);
            }
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let (to, bytes) = self.queue.pop_front()?;
        *datagram = bytes;
        Some(to)
    }

    fn poll_event(&mut self, _: Instant) -> bool {
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
