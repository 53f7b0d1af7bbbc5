//! Requests to a Client, made of a few bytes of a program: what a server may send, and what none should.

use lwm2m_core::{ContentFormat, Method};
use lwm2m_statemachine::coap::{BlockOption, MessageBuf, MessageType, Token};

use super::numbers;
use crate::program::Program;

const METHODS: [Method; 4] = [Method::Get, Method::Put, Method::Post, Method::Delete];
const KINDS: [MessageType; 4] = [
    MessageType::Confirmable,
    MessageType::NonConfirmable,
    MessageType::Acknowledgement,
    MessageType::Reset,
];
const PATHS: [&str; 32] = [
    "/3/0",
    "/3/0/9",
    "/3/0/15",
    "/3/0/4",
    "/3",
    "/1/0",
    "/1/0/1",
    "/1/0/8",
    "/1/1/1",
    "/1",
    "/2",
    "/2/1",
    "/0/0",
    "/0/1/5",
    "/26241",
    "/26241/0",
    "/26241/0/1",
    "/26241/0/2",
    "/26241/1/2",
    "/26241/9",
    "/5/0/0",
    "/5/0",
    "/",
    "/bs",
    "/0",
    "/26241/0/0",
    "/26241/0/5",
    "/7/0",
    "/9/0/2",
    "/26241/0/3",
    "/3/0/13",
    "/1/0/4",
];
const FORMATS: [Option<ContentFormat>; 4] = [
    None,
    Some(ContentFormat::TLV),
    Some(ContentFormat::JSON),
    Some(ContentFormat::LINK_FORMAT),
];
const CONTENT_FORMATS: [Option<ContentFormat>; 4] = [
    None,
    Some(ContentFormat::TLV),
    Some(ContentFormat::TEXT),
    Some(ContentFormat::OPAQUE),
];
const PAYLOADS: [&[u8]; 12] = [
    b"",
    b"77",
    b"0='1'",
    &[0xc1, 1, 77],
    &[0xc1, 2, 7, 0xc1, 1, 8],
    &[0xc1, 2, 7, 0xc2, 1, 8, 8],
    &[0x08, 2, 3, 0xc1, 1, 9],
    &[0x08, 3, 6, 0xc1, 1, 9, 0xc1, 2, 9],
    &[0x86, 3, 0x41, 0, 1, 0x41, 1, 2],
    br#"{"e":[{"n":"1","v":5}]}"#,
    &[0x41],
    &[0xff, 0xff, 0xff],
];
const QUERIES: [&str; 10] = [
    "pmin=1", "pmax=60", "pmin=9", "pmax=2", "gt=50", "lt=20", "st=3", "pmin", "pmax", "x=",
];
pub(super) fn pick<T: Copy>(from: &[T], choice: u8) -> T {
    from[usize::from(choice) % from.len()]
}

/// One of few tokens, so that they are used again.
fn token(choice: u8) -> Token {
    let bytes = [choice & 3; 8];
    let length = pick(&[1, 1, 1, 2, 8, 0], choice >> 2);
    Token::new(&bytes[..length]).expect("a token")
}

/// A request that makes sense. Where its payload has the place of a number, it gets that of the operation.
#[derive(Clone, Copy)]
struct Good {
    method: Method,
    path: &'static str,
    observe: Option<u32>,
    query: &'static str,
    format: ContentFormat,
    accept: Option<ContentFormat>,
    /// The number of the block that it asks for.
    block: Option<u32>,
    payload: &'static [u8],
}

const fn good(method: Method, path: &'static str, payload: &'static [u8]) -> Good {
    Good {
        method,
        path,
        observe: None,
        query: "",
        format: ContentFormat::TLV,
        accept: None,
        block: None,
        payload,
    }
}

const fn get(path: &'static str) -> Good {
    good(Method::Get, path, b"")
}

const fn put(path: &'static str, payload: &'static [u8]) -> Good {
    good(Method::Put, path, payload)
}

const fn post(path: &'static str, payload: &'static [u8]) -> Good {
    good(Method::Post, path, payload)
}

const fn delete(path: &'static str) -> Good {
    good(Method::Delete, path, b"")
}

const fn observe(path: &'static str) -> Good {
    Good {
        observe: Some(0),
        ..get(path)
    }
}

const fn cancel(path: &'static str) -> Good {
    Good {
        observe: Some(1),
        ..get(path)
    }
}

const fn attributes(path: &'static str, query: &'static str) -> Good {
    Good {
        query,
        ..put(path, b"")
    }
}

impl Good {
    const fn to(self, accept: ContentFormat) -> Self {
        Self {
            accept: Some(accept),
            ..self
        }
    }

    const fn block(self, number: u32) -> Self {
        Self {
            block: Some(number),
            ..self
        }
    }

    const fn in_format(self, format: ContentFormat) -> Self {
        Self { format, ..self }
    }
}

/// An Execute with the number of the operation as its argument.
const RUN: &[u8] = b"0='1526726655'";
const NUMBER: &[u8] = &[0xc4, 1, 0x5a, 0xff, 0xff, 0xff];
const NUMBER_AND_TEXT: &[u8] = b"\xc4\x01\x5a\xff\xff\xff\xc8\x02\x0a1526726655";
const NUMBER_AND_SLOTS: &[u8] =
    b"\xc4\x01\x5a\xff\xff\xff\x88\x03\x0c\x44\x00\x5a\xff\xff\xff\x44\x02\x5a\xff\xff\xff";
const SLOTS: &[u8] = &[0x86, 3, 0x44, 2, 0x5a, 0xff, 0xff, 0xff];
const THIRD_THING: &[u8] = &[0x06, 3, 0xc4, 1, 0x5a, 0xff, 0xff, 0xff];
/// A value that fits and one that doesn't.
const HALF_GOOD: &[u8] = &[0xc4, 1, 0x5a, 0xff, 0xff, 0xff, 0xc1, 9, 1];

/// Requests that make sense. Those to the second Thing are the first server's.
const GOOD: [Good; 83] = [
    observe("/3/0/9"),
    observe("/26241/0/1"),
    observe("/26241/0"),
    observe("/26241"),
    observe("/26241/1/1"),
    observe("/26241/2/1"),
    cancel("/26241/0/1"),
    cancel("/3"),
    get("/3/0"),
    get("/26241"),
    put("/26241/0/1", NUMBER),
    put("/26241/0", NUMBER_AND_TEXT),
    post("/26241/0", SLOTS),
    put("/26241/1/1", NUMBER),
    post("/26241", NUMBER),
    post("/26241", THIRD_THING),
    delete("/26241/2"),
    delete("/26241/0"),
    attributes("/26241/0/1", "gt=4"),
    attributes("/26241/0", "pmin=2"),
    attributes("/3/0/9", "pmax=9"),
    post("/3/0/4", b""),
    put("/1/0/1", &[0xc1, 1, 30]),
    post("/1/0/8", b""),
    // Executes.
    post("/26241/0/4", RUN),
    post("/26241/1/4", RUN),
    post("/3/0/4", RUN),
    post("/3/0/5", b""),
    post("/3/0/12", b""),
    post("/1/0/4", b""),
    post("/1/1/8", b""),
    post("/7/0/6", b""),
    post("/7/0/7", b""),
    post("/5/0/2", b""),
    post("/9/0/4", b""),
    post("/9/0/6", b"0"),
    post("/9/0/10", b""),
    // Writes of several values, in every format, with and without a fault.
    post("/26241/0", NUMBER_AND_SLOTS),
    put("/26241/0", NUMBER_AND_SLOTS),
    post("/26241/1", NUMBER_AND_TEXT),
    post("/26241/0", HALF_GOOD),
    put("/26241/0", b"\xc8\x02\x0a1526726655"),
    put("/26241/0/1", b"1526726655").in_format(ContentFormat::TEXT),
    put("/26241/0/2", b"1526726655").in_format(ContentFormat::TEXT),
    put("/26241/0/5", &numbers::OCTETS).in_format(ContentFormat::OPAQUE),
    post(
        "/26241/0",
        br#"{"bn":"/26241/0/","e":[{"n":"1","v":1526726655},{"n":"2","sv":"1526726655"}]}"#,
    )
    .in_format(ContentFormat::JSON),
    post("/26241", NUMBER_AND_SLOTS),
    put("/26241/3", NUMBER),
    delete("/26241/3"),
    delete("/26241/1"),
    // Rights and accounts.
    put("/2/4/2", &[0x86, 2, 0x41, 0, 3, 0x41, 102, 1]),
    put("/2/5/2", &[0x86, 2, 0x41, 102, 1, 0x41, 103, 15]),
    put("/2/5/2", &[0x83, 2, 0x41, 0, 0]),
    put("/2/4/3", &[0xc1, 3, 102]),
    get("/2"),
    observe("/2/4"),
    delete("/1/1"),
    put("/1/0/6", &[0xc1, 6, 1]),
    put("/1/0/7", b"\xc3\x07UQS"),
    put("/1/0/3", &[0xc1, 3, 20]),
    // Downloads and updates.
    put("/5/0/1", b"coap://192.0.2.1/fw").in_format(ContentFormat::TEXT),
    put("/5/0/1", b"").in_format(ContentFormat::TEXT),
    put("/5/0/0", b"package").in_format(ContentFormat::OPAQUE),
    put("/9/0/3", b"coap://192.0.2.2/sw").in_format(ContentFormat::TEXT),
    put("/9/0/2", b"package").in_format(ContentFormat::OPAQUE),
    observe("/5/0/3"),
    get("/9/0"),
    // Observations in every format, and of what changes by itself.
    observe("/26241/0/0"),
    observe("/26241/0/0").to(ContentFormat::JSON),
    observe("/26241/0/0").to(ContentFormat::TEXT),
    observe("/26241/0").to(ContentFormat::JSON),
    observe("/3/0/13"),
    observe("/7/0"),
    observe("/5"),
    attributes("/26241/0/0", "pmax=3"),
    attributes("/26241", "pmin=1"),
    // Discover.
    get("/26241").to(ContentFormat::LINK_FORMAT),
    get("/26241/0/0").to(ContentFormat::LINK_FORMAT),
    get("/3/0").to(ContentFormat::LINK_FORMAT),
    get("/26241/0/5"),
    // What is read piece by piece.
    get("/26243/0/0").block(0),
    get("/26243/0/0").block(1),
    get("/26243/0/0").to(ContentFormat::OPAQUE).block(3),
];

/// A request that makes sense: which one, and the operation's number if it has one.
pub(super) struct Chosen(Good, u8);

pub(super) fn choose(program: &mut Program<'_>) -> Chosen {
    let (which, last) = (program.byte(), program.byte());
    Chosen(pick(&GOOD, which), last)
}

impl Chosen {
    /// How many values it writes, if it has a number: so many places there are for the number.
    pub(super) fn writes(&self) -> Option<usize> {
        Some(numbers::places(self.0.payload)).filter(|places| *places > 0)
    }

    /// The request, to a Client that has its Objects below `root`.
    pub(super) fn request(&self, root: &str, message_id: u16, number: u32) -> Vec<u8> {
        let Self(good, last) = self;
        let mut message = MessageBuf::request(good.method);
        let _ = self.write(&mut message, root, number);
        let kind = [MessageType::Confirmable, MessageType::NonConfirmable];
        let kind = kind[usize::from(last >> 7)];
        wire(message, kind, message_id, token(*last))
    }

    fn write(&self, message: &mut MessageBuf, root: &str, number: u32) -> Option<()> {
        let Self(good, _) = self;
        if let Some(observe) = good.observe {
            message.observe(observe).ok()?;
        }
        segments(message, root, good.path)?;
        let is_execute = good.method == Method::Post && matches!(good.payload, b"" | b"0" | RUN);
        let is_write = matches!(good.method, Method::Put | Method::Post);
        if is_write && !is_execute && good.query.is_empty() {
            message.content_format(good.format).ok()?;
        }
        if !good.query.is_empty() {
            message.uri_query(good.query).ok()?;
        }
        if let Some(accept) = good.accept {
            message.accept(accept).ok()?;
        }
        if let Some(number) = good.block {
            let block = BlockOption::new(number, false, 64)?;
            message.block2(block).ok()?;
        }
        message.payload(&numbers::fill(good.payload, number));
        Some(())
    }
}

/// Any request of a server.
pub(super) fn request(program: &mut Program<'_>, root: &str, message_id: u16) -> Vec<u8> {
    let (what, path, options, last) = (
        program.byte(),
        program.byte(),
        program.byte(),
        program.byte(),
    );
    let mut message = MessageBuf::request(pick(&METHODS, what));
    let _ = options_of(&mut message, root, path, options, last);
    message.payload(pick(&PAYLOADS, what >> 4));
    let kind = pick(&KINDS, if what >> 2 & 3 < 2 { what >> 2 } else { 0 });
    wire(message, kind, message_id, token(last))
}

/// Options come in the order of their numbers.
fn options_of(message: &mut MessageBuf, root: &str, path: u8, options: u8, last: u8) -> Option<()> {
    if options & 3 > 1 {
        message.observe(u32::from(options & 1)).ok()?;
    }
    segments(message, root, pick(&PATHS, path))?;
    if let Some(format) = pick(&CONTENT_FORMATS, options >> 2) {
        message.content_format(format).ok()?;
    }
    if options & 0x40 != 0 {
        message.uri_query(pick(&QUERIES, last)).ok()?;
        if options & 0x80 != 0 {
            message.uri_query(pick(&QUERIES, last >> 4)).ok()?;
        }
    }
    if let Some(format) = pick(&FORMATS, options >> 4) {
        message.accept(format).ok()?;
    }
    Some(())
}

fn segments(message: &mut MessageBuf, root: &str, path: &str) -> Option<()> {
    let all = root.split('/').chain(path.split('/'));
    for segment in all.filter(|segment| !segment.is_empty()) {
        message.uri_path(segment).ok()?;
    }
    Some(())
}

/// A block of a request, or the request for a block.
pub(super) fn block(program: &mut Program<'_>, root: &str, message_id: u16) -> Vec<u8> {
    let (what, path, number) = (program.byte(), program.byte(), program.byte());
    let mut message = MessageBuf::request(pick(&METHODS, what & 3));
    let size = 16 << (what >> 2 & 3);
    let block = BlockOption::new((number >> 1).into(), number & 1 != 0, size).expect("a block");
    let _ = segments(&mut message, root, pick(&PATHS, path));
    if what & 0x80 == 0 {
        if let Some(format) = pick(&CONTENT_FORMATS, what >> 4) {
            let _ = message.content_format(format);
        }
        let _ = message.block1(block);
        message.payload(&vec![0xc1; size >> u32::from(number & 1 == 0)]);
    } else {
        let _ = message.block2(block);
    }
    wire(
        message,
        MessageType::Confirmable,
        message_id,
        token(path >> 5),
    )
}

pub(super) fn wire(
    message: MessageBuf,
    kind: MessageType,
    message_id: u16,
    token: Token,
) -> Vec<u8> {
    message.finish(kind, message_id, token).as_ref().to_vec()
}

/// A body that a server sends block by block.
pub(super) struct Upload {
    good: Good,
    body: Vec<u8>,
    token: Token,
    size: usize,
    next: u32,
    pub(super) number: u32,
}

/// Writes with bodies of several blocks.
const UPLOADS: [Good; 6] = [
    post("/26241/0", NUMBER_AND_SLOTS),
    put("/26241/0", NUMBER_AND_TEXT),
    post("/26241", NUMBER_AND_SLOTS),
    put("/26241/1", NUMBER_AND_SLOTS),
    put(
        "/5/0/0",
        b"a package that is pushed in several blocks, to a client",
    )
    .in_format(ContentFormat::OPAQUE),
    put(
        "/9/0/2",
        b"a package that is pushed in several blocks, to a client",
    )
    .in_format(ContentFormat::OPAQUE),
];

impl Upload {
    pub(super) fn new(which: u8, number: u32) -> Self {
        let good = pick(&UPLOADS, which);
        Self {
            good,
            body: numbers::fill(good.payload, number),
            token: token(which >> 4),
            size: 16,
            next: 0,
            number,
        }
    }

    /// Whether the next block is the last one.
    pub(super) fn is_at_end(&self) -> bool {
        (self.next as usize + 1) * self.size >= self.body.len()
    }

    /// The next block.
    pub(super) fn block(&mut self, root: &str, message_id: u16) -> Vec<u8> {
        let start = self.next as usize * self.size;
        let end = self.body.len().min(start + self.size);
        let block = BlockOption::new(self.next, !self.is_at_end(), self.size).expect("a block");
        let mut message = MessageBuf::request(self.good.method);
        let _ = segments(&mut message, root, self.good.path);
        let _ = message.content_format(self.good.format);
        let _ = message.block1(block);
        message.payload(&self.body[start..end]);
        self.next += 1;
        wire(message, MessageType::Confirmable, message_id, self.token)
    }
}
