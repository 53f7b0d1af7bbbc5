//! What a Bootstrap-Server sends: commands that make sense, and some that don't.

use lwm2m_core::{ContentFormat, Method};
use lwm2m_statemachine::coap::{BlockOption, MessageBuf, MessageType, Token};

/// What all keys have in them.
pub(super) const SECRET: &str = "SECRET";

/// The size of the blocks of a body that is sent in blocks, in bytes.
const BLOCK: usize = 16;

/// A command.
#[derive(Clone, Debug)]
pub(super) struct Command {
    method: Method,
    path: &'static str,
    format: Option<ContentFormat>,
    accept: Option<ContentFormat>,
    payload: Vec<u8>,
}

fn command(method: Method, path: &'static str) -> Command {
    Command {
        method,
        path,
        format: None,
        accept: None,
        payload: Vec::new(),
    }
}

fn put(path: &'static str, format: ContentFormat, payload: impl Into<Vec<u8>>) -> Command {
    Command {
        format: Some(format),
        payload: payload.into(),
        ..command(Method::Put, path)
    }
}

fn tlv(path: &'static str, payload: &[Vec<u8>]) -> Command {
    put(path, ContentFormat::TLV, payload.concat())
}

fn discover(path: &'static str) -> Command {
    Command {
        accept: Some(ContentFormat::LINK_FORMAT),
        ..command(Method::Get, path)
    }
}

pub(super) fn finish() -> Command {
    command(Method::Post, "/bs")
}

/// An entry of less than 256 bytes: of an Object Instance (0x00), a multiple Resource (0x80) or its Instance
/// (0x40), or a Resource (0xC0).
fn entry(kind: u8, id: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("a short value");
    [&[kind | 0x08, id, length], value].concat()
}

fn resource(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    entry(0xC0, id, value.as_ref())
}

fn instance(id: u8, resources: &[Vec<u8>]) -> Vec<u8> {
    entry(0x00, id, &resources.concat())
}

/// The Security Object Instance of a server.
fn security(server: u8) -> Vec<Vec<u8>> {
    vec![
        resource(0, format!("coaps://server{server}")),
        resource(1, [0]),
        resource(2, [0]),
        resource(3, "device"),
        resource(4, ""),
        resource(5, format!("{SECRET}{server:08}")),
        resource(10, [server]),
    ]
}

/// The account of a Bootstrap-Server.
fn own(uri: &str) -> Vec<Vec<u8>> {
    vec![
        resource(0, uri),
        resource(1, [1]),
        resource(2, [0]),
        resource(3, "device"),
        resource(4, ""),
        resource(5, format!("{SECRET}bootstrap")),
        resource(11, [5]),
        resource(12, [60]),
    ]
}

fn server(server: u8) -> Vec<Vec<u8>> {
    vec![
        resource(0, [server]),
        resource(1, [100]),
        resource(6, [1]),
        resource(7, "U"),
    ]
}

/// The Access Control Object Instance of an Object Instance with this owner.
fn access(object: u8, at: u8, owner: u8) -> Vec<Vec<u8>> {
    let acl = [entry(0x40, 101, &[1]), entry(0x40, 102, &[1])].concat();
    vec![
        resource(0, [object]),
        resource(1, [at]),
        entry(0x80, 2, &acl),
        resource(3, [owner]),
    ]
}

/// A command that makes sense.
pub(super) fn good(choice: u8) -> Command {
    let json = r#"{"bn":"/1/0/","e":[{"n":"0","v":101},{"n":"1","v":99},{"n":"6","bv":true},{"n":"7","sv":"U"}]}"#;
    match choice & 0x1f {
        0 => command(Method::Delete, "/"),
        1 | 2 => command(Method::Delete, "/0"),
        3 => command(Method::Delete, "/1"),
        4 => command(Method::Delete, "/2"),
        5 | 6 => tlv("/0/1", &security(101)),
        7 | 8 => tlv("/1/0", &server(101)),
        9 => tlv("/0/2", &security(102)),
        10 => tlv("/1/1", &server(102)),
        11 => put("/0/1/5", ContentFormat::OPAQUE, format!("{SECRET}other")),
        12 => put("/1/0/1", ContentFormat::TEXT, "77"),
        13 => discover("/"),
        14 => discover("/0"),
        15 => tlv(
            "/0",
            &[instance(1, &security(101)), instance(2, &security(102))],
        ),
        16 => tlv(
            "/1",
            &[instance(0, &server(101)), instance(1, &server(102))],
        ),
        17 => tlv(
            "/2",
            &[
                instance(0, &access(1, 0, 101)),
                instance(1, &access(1, 1, 102)),
                instance(2, &access(3, 0, 101)),
            ],
        ),
        18 => tlv("/0/7", &own("coaps://other")),
        19 => tlv("/0/0", &own("coaps://bootstrap")),
        20 => command(Method::Delete, "/0/1"),
        21 => command(Method::Delete, "/1/0"),
        22 => put("/1/0", ContentFormat::JSON, json),
        23 => put("/3/0/14", ContentFormat::TEXT, "+01:00"),
        // Another server in the place of the first one.
        24 => tlv("/0/1", &security(103)),
        25 => tlv("/1/0", &server(103)),
        _ => finish(),
    }
}

/// An account of a server in the place of all that there are, as deployed servers send it.
pub(super) fn usual() -> Vec<Command> {
    [1, 3, 4, 5, 7]
        .map(good)
        .into_iter()
        .chain([finish()])
        .collect()
}

/// A command of any method, path, format and payload.
pub(super) fn odd(choices: [u8; 4]) -> Command {
    const PATHS: [&str; 16] = [
        "/", "/0", "/0/0", "/0/0/5", "/0/9", "/1", "/1/0/77", "/2/0/2", "/3", "/3/0", "/3/0/4",
        "/77", "/bs", "/bs/1", "/rd", "/65535",
    ];
    const FORMATS: [Option<ContentFormat>; 5] = [
        None,
        Some(ContentFormat::TLV),
        Some(ContentFormat::JSON),
        Some(ContentFormat::TEXT),
        Some(ContentFormat::LINK_FORMAT),
    ];
    const METHODS: [Method; 4] = [Method::Get, Method::Put, Method::Post, Method::Delete];
    let [method, path, format, payload] = choices;
    let pick = |choice: u8, of: usize| usize::from(choice) % of;
    let payload: &[u8] = match payload % 6 {
        0 => b"",
        1 => b"77",
        2 => &[0xc1, 1, 77],
        3 => &[0x08, 0, 3, 0xc1, 1, 1],
        4 => br#"{"e":[{"n":"1","v":5}]}"#,
        _ => &[0xff, 0xff, 0xff],
    };
    Command {
        format: FORMATS[pick(format, FORMATS.len())],
        accept: FORMATS[pick(format >> 4, FORMATS.len())],
        payload: payload.into(),
        ..command(METHODS[pick(method, 4)], PATHS[pick(path, PATHS.len())])
    }
}

impl Command {
    /// The datagrams of it: one, or one for each block. The message ids follow this one.
    pub(super) fn datagrams(&self, kind: MessageType, id: u16, in_blocks: bool) -> Vec<Vec<u8>> {
        let size = if in_blocks { BLOCK } else { 1024 };
        let mut blocks: Vec<&[u8]> = self.payload.chunks(size).collect();
        if blocks.is_empty() {
            blocks.push(&[]);
        }
        let last = blocks.len() - 1;
        let datagram = |(number, payload): (usize, &&[u8])| {
            let mut message = self.head();
            if last > 0 {
                let at = u32::try_from(number).expect("a block number");
                let block = BlockOption::new(at, number < last, size).expect("a block");
                message.block1(block).expect("one option");
            }
            if !payload.is_empty() {
                message.payload(payload);
            }
            let id = id.wrapping_add(u16::try_from(number).expect("few blocks"));
            let token = Token::new(&id.to_be_bytes()).expect("a token");
            message.finish(kind, id, token).as_ref().to_vec()
        };
        blocks.iter().enumerate().map(datagram).collect()
    }

    fn head(&self) -> MessageBuf {
        let mut message = lwm2m_kit::request(self.method, self.path);
        if let Some(format) = self.format {
            message.content_format(format).expect("one option");
        }
        if let Some(format) = self.accept {
            message.accept(format).expect("one option");
        }
        message
    }
}
