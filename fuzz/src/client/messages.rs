//! Datagrams to a Client, made of a few bytes of a program: what a server may send, and what none
//! should.

use lwm2m_core::{Code, CodeKind, ContentFormat, Method};
use lwm2m_statemachine::coap::{BlockOption, MessageBuf, MessageRef, MessageType, Token};

use crate::program::Program;

const METHODS: [Method; 4] = [Method::Get, Method::Put, Method::Post, Method::Delete];
const KINDS: [MessageType; 4] = [
    MessageType::Confirmable,
    MessageType::NonConfirmable,
    MessageType::Acknowledgement,
    MessageType::Reset,
];
const PATHS: [&str; 24] = [
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
/// Answers by code; the first ones are the right ones.
const CODES: [Code; 12] = [
    Code::CREATED,
    Code::CHANGED,
    Code::DELETED,
    Code::CONTENT,
    Code::CONTINUE,
    Code::BAD_REQUEST,
    Code::FORBIDDEN,
    Code::NOT_FOUND,
    Code::REQUEST_ENTITY_TOO_LARGE,
    Code::PRECONDITION_FAILED,
    Code::INTERNAL_SERVER_ERROR,
    Code::SERVICE_UNAVAILABLE,
];

fn pick<T: Copy>(from: &[T], choice: u8) -> T {
    from[usize::from(choice) % from.len()]
}

/// One of few tokens, so that they are used again.
fn token(choice: u8) -> Token {
    let bytes = [choice & 3; 8];
    let length = pick(&[1, 1, 1, 2, 8, 0], choice >> 2);
    Token::new(&bytes[..length]).expect("a token")
}

/// Requests that make sense: the method, the path, Observe, the query, and a payload in TLV. Those to
/// the second Thing are the first server's.
const GOOD: [(Method, &str, Option<u32>, &str, &[u8]); 24] = [
    (Method::Get, "/3/0/9", Some(0), "", b""),
    (Method::Get, "/26241/0/1", Some(0), "", b""),
    (Method::Get, "/26241/0", Some(0), "", b""),
    (Method::Get, "/26241", Some(0), "", b""),
    (Method::Get, "/26241/1/1", Some(0), "", b""),
    (Method::Get, "/26241/2/1", Some(0), "", b""),
    (Method::Get, "/26241/0/1", Some(1), "", b""),
    (Method::Get, "/3", Some(1), "", b""),
    (Method::Get, "/3/0", None, "", b""),
    (Method::Get, "/26241", None, "", b""),
    (Method::Put, "/26241/0/1", None, "", &[0xc1, 1, 9]),
    (
        Method::Put,
        "/26241/0",
        None,
        "",
        &[0xc1, 1, 8, 0xc3, 2, b'a', b'b', b'c'],
    ),
    (
        Method::Post,
        "/26241/0",
        None,
        "",
        &[0x86, 3, 0x41, 0, 1, 0x41, 1, 2],
    ),
    (Method::Put, "/26241/1/1", None, "", &[0xc1, 1, 7]),
    (Method::Post, "/26241", None, "", &[0xc1, 1, 6]),
    (Method::Post, "/26241", None, "", &[0x03, 2, 0xc1, 1, 6]),
    (Method::Delete, "/26241/2", None, "", b""),
    (Method::Delete, "/26241/0", None, "", b""),
    (Method::Put, "/26241/0/1", None, "gt=4", b""),
    (Method::Put, "/26241/0", None, "pmin=2", b""),
    (Method::Put, "/3/0/9", None, "pmax=9", b""),
    (Method::Post, "/3/0/4", None, "", b""),
    (Method::Put, "/1/0/1", None, "", &[0xc1, 1, 30]),
    (Method::Post, "/1/0/8", None, "", b""),
];

/// A request that makes sense.
pub(super) fn good_request(program: &mut Program<'_>, message_id: u16) -> Vec<u8> {
    let (which, last) = (program.byte(), program.byte());
    let (method, path, observe, query, payload) = pick(&GOOD, which);
    let mut message = MessageBuf::request(method);
    let write = |message: &mut MessageBuf| {
        if let Some(observe) = observe {
            message.observe(observe).ok()?;
        }
        segments(message, path)?;
        if !payload.is_empty() {
            message.content_format(ContentFormat::TLV).ok()?;
        }
        if !query.is_empty() {
            message.uri_query(query).ok()?;
        }
        message.payload(payload);
        Some(())
    };
    let _ = write(&mut message);
    let kind = [MessageType::Confirmable, MessageType::NonConfirmable];
    let kind = kind[usize::from(last >> 7)];
    wire(message, kind, message_id, token(last))
}

/// Any request of a server.
pub(super) fn request(program: &mut Program<'_>, message_id: u16) -> Vec<u8> {
    let (what, path, options, last) = (
        program.byte(),
        program.byte(),
        program.byte(),
        program.byte(),
    );
    let mut message = MessageBuf::request(pick(&METHODS, what));
    let _ = options_of(&mut message, path, options, last);
    message.payload(pick(&PAYLOADS, what >> 4));
    let kind = pick(&KINDS, if what >> 2 & 3 < 2 { what >> 2 } else { 0 });
    wire(message, kind, message_id, token(last))
}

/// Options come in the order of their numbers.
fn options_of(message: &mut MessageBuf, path: u8, options: u8, last: u8) -> Option<()> {
    if options & 3 > 1 {
        message.observe(u32::from(options & 1)).ok()?;
    }
    segments(message, pick(&PATHS, path))?;
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

fn segments(message: &mut MessageBuf, path: &str) -> Option<()> {
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        message.uri_path(segment).ok()?;
    }
    Some(())
}

/// A block of a request, or the request for a block.
pub(super) fn block(program: &mut Program<'_>, message_id: u16) -> Vec<u8> {
    let (what, path, number) = (program.byte(), program.byte(), program.byte());
    let mut message = MessageBuf::request(pick(&METHODS, what & 1 | 2 * (what >> 1 & 1)));
    let size = 16 << (what >> 2 & 3);
    let block = BlockOption::new((number >> 1).into(), number & 1 != 0, size).expect("a block");
    let _ = segments(&mut message, pick(&PATHS, path));
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

/// The right answer to a request of the Client.
pub(super) fn accept(request: &[u8]) -> Option<Vec<u8>> {
    let request = MessageRef::parse(request).ok()?;
    let is_register = request.code() == Code::POST && request.uri_path().eq(["rd"]);
    let more = request.block1().is_some_and(|block| block.more());
    let mut answer = MessageBuf::response(match request.code() {
        Code::POST if more => Code::CONTINUE,
        Code::POST if is_register => Code::CREATED,
        Code::POST => Code::CHANGED,
        Code::DELETE => Code::DELETED,
        _ => Code::NOT_FOUND,
    });
    if is_register && !more {
        answer.location_path("rd").ok()?;
        answer.location_path("7").ok()?;
    }
    if let Some(block) = request.block1() {
        answer.block1(block).ok()?;
    }
    let (id, token) = (request.message_id(), request.token());
    Some(wire(answer, MessageType::Acknowledgement, id, token))
}

/// Any answer to a request of the Client.
pub(super) fn answer(
    request: &[u8],
    program: &mut Program<'_>,
    message_id: u16,
) -> Option<Vec<u8>> {
    let request = MessageRef::parse(request).ok()?;
    let (code, options) = (program.byte(), program.byte());
    let mut answer = MessageBuf::response(pick(&CODES, code));
    if options & 1 != 0 {
        for segment in ["rd", pick(&["7", "xx", "longer/than/that"], options >> 1)] {
            answer.location_path(segment).ok()?;
        }
    }
    let block = BlockOption::new((options >> 6).into(), options & 8 != 0, 16 << (options & 3));
    if options & 0x10 != 0 {
        answer.block2(block?).ok()?;
        answer.payload(&[3; 16]);
    }
    if options & 0x20 != 0 {
        answer.block1(block?).ok()?;
    }
    let (kind, id) = match code >> 4 & 3 {
        0 | 1 => (MessageType::Acknowledgement, request.message_id()),
        2 => (MessageType::Confirmable, message_id),
        _ => (MessageType::NonConfirmable, message_id),
    };
    Some(wire(answer, kind, id, request.token()))
}

/// An empty message with the id of another.
pub(super) fn empty(kind: MessageType, message: &[u8]) -> Vec<u8> {
    let kind = match kind {
        MessageType::Reset => 0x70,
        _ => 0x60,
    };
    let id = message.get(2..4).unwrap_or(&[0, 0]);
    [&[kind, 0], id].concat()
}

/// Whether the sender of this waits for an acknowledgement.
pub(super) fn is_confirmable(message: &[u8]) -> bool {
    MessageRef::parse(message).is_ok_and(|message| message.kind() == MessageType::Confirmable)
}

pub(super) fn is_request(message: &[u8]) -> bool {
    MessageRef::parse(message).is_ok_and(|message| message.code().kind() == CodeKind::Request)
}

fn wire(message: MessageBuf, kind: MessageType, message_id: u16, token: Token) -> Vec<u8> {
    message.finish(kind, message_id, token).as_ref().to_vec()
}
