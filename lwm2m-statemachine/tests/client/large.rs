//! Values that are too large for the memory of a device are read block by block from their Object, as
//! images are written to it (RFC 7959, TS 5.4.1).

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use lwm2m_core::{
    AccessRights, Code, ContentFormat, DataType, InstanceId, ObjectId, ResourceId, ValueRef,
};
use lwm2m_objects::{
    Change, InstanceSink, LargeValue, Object, ObjectDefinition, Operations, ReadError,
    ResourceDefinition, ResourceSink, Store,
    typed::{AccessControl, Server},
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent,
    client::DeferredOperation,
    coap::{BlockOption, MessageBuf, MessageRef, MessageType, Token},
};

use crate::{
    servers::{Two, access, access_control},
    support::{Bench, get, path, server_id, tree},
};

static RESOURCES: [ResourceDefinition; 3] = [
    ResourceDefinition::new(0, "Lines", Operations::Read, DataType::Integer).mandatory(),
    ResourceDefinition::new(5, "Dump", Operations::Read, DataType::Opaque).mandatory(),
    ResourceDefinition::new(6, "Log", Operations::Read, DataType::String).mandatory(),
];
static LOGS: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26243),
    "Logs",
    "urn:oma:lwm2m:x:26243",
    &RESOURCES,
);

/// A log in a file.
#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    version: u64,
    /// The pieces that were read: from where, and of which length.
    pieces: Vec<(usize, usize)>,
}

type Shared = Arc<Mutex<File>>;

struct Logs(Shared);

impl Object for Logs {
    fn definition(&self) -> &ObjectDefinition {
        &LOGS
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match resource.get() {
            0 => out.value(ValueRef::Integer(7)),
            _ => Err(ReadError::Unavailable),
        }
    }

    fn read_instance(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        let lines = &RESOURCES[0];
        out.resource(lines, |out| self.read(instance, lines.id, out))
    }

    fn large(&self, _: InstanceId, resource: ResourceId) -> Option<LargeValue> {
        let file = self.0.lock().unwrap();
        (resource.get() != 0).then_some(LargeValue {
            length: file.bytes.len(),
            version: file.version,
        })
    }

    fn read_piece(
        &self,
        _: InstanceId,
        _: ResourceId,
        offset: usize,
        piece: &mut [u8],
    ) -> Result<(), ReadError> {
        let mut file = self.0.lock().unwrap();
        file.pieces.push((offset, piece.len()));
        piece.copy_from_slice(&file.bytes[offset..offset + piece.len()]);
        Ok(())
    }

    fn apply(&mut self, _: &[Change]) {}
}

fn file(length: usize) -> Shared {
    let bytes = (0..length).map(|at| b'a' + u8::try_from(at % 23).unwrap());
    Arc::new(Mutex::new(File {
        bytes: bytes.collect(),
        version: 1,
        pieces: Vec::new(),
    }))
}

fn bench(file: &Shared) -> Bench {
    let mut tree = tree(Server::new(server_id(101), 86_400));
    tree.add(Logs(Arc::clone(file)));
    let mut bench = Bench::with_tree(ClientConfig::new("large", [7; 32]), tree);
    bench.accept_register();
    bench
}

/// A GET of a block.
fn block(at: &str, accept: Option<ContentFormat>, number: u32) -> MessageBuf {
    let mut request = get(at);
    if let Some(format) = accept {
        request.accept(format).unwrap();
    }
    let option = BlockOption::new(number, false, 64).unwrap();
    request.block2(option).unwrap();
    request
}

/// The whole body, read in blocks of 64 bytes.
fn read(bench: &mut Bench, at: &str, accept: Option<ContentFormat>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut etags = Vec::new();
    for number in 0.. {
        let answer = bench.request(b"r", block(at, accept, number));
        assert_eq!(answer.code(), Code::CONTENT);
        let message = answer.message();
        let expected = accept.unwrap_or(ContentFormat::TLV);
        assert_eq!(message.content_format(), Some(expected));
        etags.push(message.etag().unwrap().to_vec());
        body.extend_from_slice(answer.payload());
        if !message.block2().unwrap().more() {
            break;
        }
    }
    etags.dedup();
    assert_eq!(etags.len(), 1);
    body
}

#[test]
fn a_large_value_is_read_from_its_object_block_by_block() {
    for length in [0, 1, 63, 64, 65, 20_000] {
        let file = file(length);
        let mut bench = bench(&file);
        let bytes = file.lock().unwrap().bytes.clone();
        for (at, format) in [
            ("/26243/0/5", ContentFormat::OPAQUE),
            ("/26243/0/6", ContentFormat::TEXT),
        ] {
            file.lock().unwrap().pieces.clear();
            assert_eq!(read(&mut bench, at, Some(format)), bytes);
            let pieces = file.lock().unwrap().pieces.clone();
            // Each byte once, and never more than a block.
            let mut at = 0;
            for (offset, length) in pieces {
                assert_eq!(offset, at);
                assert!(length <= 64);
                at += length;
            }
            assert_eq!(at, bytes.len());
        }
        bench.works();
    }
}

/// The format of an answer to a Read without Accept: the header of the value goes before it.
#[test]
fn a_large_value_in_tlv_has_its_header_before_it() {
    let file = file(1000);
    let mut bench = bench(&file);
    let bytes = file.lock().unwrap().bytes.clone();
    let expected = [&[0xD0, 5, 0x03, 0xE8][..], &bytes].concat();
    assert_eq!(read(&mut bench, "/26243/0/5", None), expected);
    // One block is enough for it.
    file.lock().unwrap().bytes.truncate(6);
    let answer = bench.request(b"r", get("/26243/0/6"));
    assert_eq!(answer.payload(), b"\xC6\x06abcdef");
}

/// The Object leaves the value out of what is in memory, and a format that has to look at it isn't for it.
#[test]
fn what_is_read_together_is_read_from_memory() {
    let mut bench = bench(&file(1000));
    for at in ["/26243/0", "/26243"] {
        let answer = bench.request(b"r", get(at));
        assert_eq!(answer.code(), Code::CONTENT);
        assert!(answer.payload().ends_with(b"\xC1\x00\x07"));
    }
    let mut json = get("/26243/0/5");
    json.accept(ContentFormat::JSON).unwrap();
    assert_eq!(bench.code(json), Code::INTERNAL_SERVER_ERROR);
    let mut text = get("/26243/0/5");
    text.accept(ContentFormat::TEXT).unwrap();
    assert_ne!(bench.code(text), Code::CONTENT);
}

/// No server gets the pieces of two values as one.
#[test]
fn a_large_value_that_changes_meanwhile_is_read_again() {
    let opaque = Some(ContentFormat::OPAQUE);
    let file = file(1000);
    let mut bench = bench(&file);
    for number in 0..3 {
        assert_eq!(
            bench.code(block("/26243/0/5", opaque, number)),
            Code::CONTENT
        );
    }
    {
        let mut file = file.lock().unwrap();
        file.bytes.reverse();
        file.version += 1;
    }
    let next = bench.code(block("/26243/0/5", opaque, 3));
    assert!(!next.is_success(), "{next}");
    let bytes = file.lock().unwrap().bytes.clone();
    assert_eq!(read(&mut bench, "/26243/0/5", opaque), bytes);
}

#[test]
fn each_block_of_a_large_value_needs_the_right_to_read() {
    let opaque = Some(ContentFormat::OPAQUE);
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let rights = |second| access_control([access(26243, 0, [AccessControl::OWNER_RIGHTS, second])]);
    let file = file(1000);
    let mut two = Two::with(servers, |tree| {
        tree.add(rights(AccessRights::READ));
        tree.add(Logs(Arc::clone(&file)));
    });
    for number in 0..2 {
        for server in 0..2 {
            let answer = two.answer(server, block("/26243/0/5", opaque, number));
            assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::CONTENT);
        }
    }
    let now = two.now;
    two.client
        .object(now, ObjectId::ACCESS_CONTROL, |store: &mut Store| {
            *store = rights(AccessRights::NONE);
        });
    // TS Table 27.
    for number in [2, 3, 0] {
        let code = two.code(1, block("/26243/0/5", opaque, number));
        assert_eq!(code, Code::UNAUTHORIZED, "{number}");
    }
    assert_eq!(two.code(0, block("/26243/0/5", opaque, 2)), Code::CONTENT);
}

/// So does each block of a value that was in memory when its first block was read (TS 7.3).
#[test]
fn each_block_of_any_value_needs_the_right_to_read() {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let rights = |second| {
        let owner = AccessControl::OWNER_RIGHTS;
        access_control([access(3, 0, [owner, second])])
    };
    let mut config = ClientConfig::new("two", [1; 32]);
    config.coap.block_size = 64;
    let mut two = Two::with_config(config, servers, |tree| {
        tree.add(rights(AccessRights::READ));
    });
    let tlv = Some(ContentFormat::TLV);
    let first = |two: &mut Two, server| {
        let answer = two.answer(server, block("/3/0", tlv, 0));
        let answer = MessageRef::parse(&answer).unwrap();
        assert_eq!(answer.code(), Code::CONTENT);
        answer.etag().unwrap().to_vec()
    };
    let etags = [0, 1].map(|server| first(&mut two, server));
    let now = two.now;
    let set = |two: &mut Two, second: AccessRights| {
        let rights = i64::from(second.bits());
        two.client.set(now, path("/2/0/2/102"), rights).unwrap();
    };
    set(&mut two, AccessRights::NONE);
    assert_eq!(two.code(1, block("/3/0", tlv, 1)), Code::UNAUTHORIZED);
    // Who has the right goes on where it was, if the value is the same.
    let answer = two.answer(0, block("/3/0", tlv, 1));
    let answer = MessageRef::parse(&answer).unwrap();
    assert_eq!(answer.code(), Code::CONTENT);
    assert_eq!(answer.etag(), Some(&*etags[0]));
    first(&mut two, 0);
    set(&mut two, AccessRights::READ);
    two.client.set(now, path("/3/0/9"), 3).unwrap();
    assert_eq!(
        two.code(0, block("/3/0", tlv, 1)),
        Code::REQUEST_ENTITY_INCOMPLETE
    );
}

/// TS Table 27: what is gone isn't found.
#[test]
fn a_block_of_a_large_value_that_is_gone_is_not_found() {
    let opaque = Some(ContentFormat::OPAQUE);
    let file = file(1000);
    let mut bench = bench(&file);
    for number in 0..2 {
        let code = bench.code(block("/26243/0/5", opaque, number));
        assert_eq!(code, Code::CONTENT);
    }
    let gone = bench.client.change_objects(bench.now, None, |objects| {
        assert!(objects.remove(LOGS.id));
    });
    gone.unwrap();
    bench.all_sent();
    for number in [2, 3, 0] {
        let code = bench.code(block("/26243/0/5", opaque, number));
        assert_eq!(code, Code::NOT_FOUND, "{number}");
    }
    assert_eq!(bench.client.usage().streams, 0);
}

#[test]
fn a_large_value_may_be_answered_later() {
    let file = file(0);
    let mut bench = bench(&file);
    bench
        .client
        .deferred()
        .defer(DeferredOperation::Read, path("/26243/0/5"));
    let wire = block("/26243/0/5", Some(ContentFormat::OPAQUE), 0).finish(
        MessageType::Confirmable,
        0x5555,
        Token::new(b"l").unwrap(),
    );
    bench.datagram(wire.as_ref());
    assert!(bench.all_sent().is_empty());
    let events = bench.events();
    let [ClientEvent::ReadAsked { request, .. }] = events[..] else {
        panic!("{events:?}");
    };
    // The file is written only now.
    file.lock().unwrap().bytes = vec![b'z'; 100];
    let answered = bench
        .client
        .deferred()
        .answer_read(bench.now, request, Ok(()));
    assert_eq!(answered, Ok(Code::CONTENT));
    let answer = bench.sent();
    assert_eq!(
        (answer.code(), answer.payload()),
        (Code::CONTENT, &[b'z'; 64][..])
    );
    let rest = bench.request(b"l", block("/26243/0/5", Some(ContentFormat::OPAQUE), 1));
    assert_eq!(rest.payload(), [b'z'; 36]);
}

/// What was begun ends with its transfer: nothing is left.
#[test]
fn a_large_value_that_nobody_goes_on_reading_is_given_up() {
    let file = file(1000);
    let mut bench = bench(&file);
    let opaque = Some(ContentFormat::OPAQUE);
    assert_eq!(bench.code(block("/26243/0/5", opaque, 0)), Code::CONTENT);
    bench.pass(Duration::from_secs(600));
    bench.all_sent();
    file.lock().unwrap().pieces.clear();
    let late = bench.code(block("/26243/0/5", opaque, 1));
    let pieces = file.lock().unwrap().pieces.clone();
    // The same value is continued, from where the server is.
    assert_eq!((late, pieces), (Code::CONTENT, vec![(64, 64)]));
}

/// What two servers read is told apart, and ends with the account of each.
#[test]
fn what_two_servers_read_ends_with_their_accounts() {
    let opaque = Some(ContentFormat::OPAQUE);
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let file = file(1000);
    let mut two = Two::with(servers, |tree| {
        let both = [AccessRights::READ; 2];
        tree.add(access_control([access(26243, 0, both)]));
        tree.add(Logs(Arc::clone(&file)));
    });
    for token in [b"1", b"2", b"3"] {
        for at in ["/26243/0/5", "/26243/0/6"] {
            for server in 0..2 {
                let format = opaque.filter(|_| at == "/26243/0/5");
                let answer = two.answer_to(server, token, block(at, format, 0));
                assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::CONTENT);
            }
        }
    }
    assert_eq!(two.client.usage().streams, 4);
    file.lock().unwrap().version += 1;
    assert!(!two.code(0, block("/26243/0/5", opaque, 1)).is_success());
    assert_eq!(two.client.usage().streams, 3);
    // Beyond the end there is nothing.
    let code = two.code(0, block("/26243/0/5", opaque, 99));
    assert!(!code.is_success(), "{code}");
    let now = two.now;
    let gone = [path("/0/1"), path("/1/1")].map(|path| Change::Delete { path });
    two.client.change(now, gone).unwrap();
    let started = two.now;
    while let Some(due) = two.client.poll_timeout() {
        if due > started + Duration::from_secs(600) {
            break;
        }
        two.now = two.now.max(due);
        two.client.handle_timeout(two.now);
        two.sent();
    }
    assert_eq!(two.client.usage().streams, 0);
}
