//! A value of any size passes through the room of a few blocks, and a server that begins to read it again
//! and again takes no more than the bounds say. One test, because the counter is global.

#[path = "client/support.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "this needs less of the Client than its other tests"
)]
mod support;

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, DataType, InstanceId, ObjectId, ResourceId};
use lwm2m_kit::heap;
use lwm2m_objects::{
    Change, LargeValue, Object, ObjectDefinition, Operations, ReadError, ResourceDefinition,
    ResourceSink, typed::Server,
};
use lwm2m_statemachine::{
    ClientConfig,
    coap::{BlockOption, MessageBuf},
};

use support::{Bench, get, server_id, tree};

lwm2m_kit::count_allocations!();

static RESOURCES: [ResourceDefinition; 1] =
    [ResourceDefinition::new(0, "Dump", Operations::Read, DataType::Opaque).mandatory()];
static DUMPS: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26244),
    "Dumps",
    "urn:oma:lwm2m:x:26244",
    &RESOURCES,
);

/// 10 MiB that nobody holds.
struct Dumps;

const LENGTH: usize = 10 << 20;
const BLOCK: usize = 1024;

impl Object for Dumps {
    fn definition(&self) -> &ObjectDefinition {
        &DUMPS
    }

    fn read(
        &self,
        _: InstanceId,
        _: ResourceId,
        _: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        Err(ReadError::Unavailable)
    }

    fn large(&self, _: InstanceId, _: ResourceId) -> Option<LargeValue> {
        Some(LargeValue {
            length: LENGTH,
            version: 1,
        })
    }

    fn read_piece(
        &self,
        _: InstanceId,
        _: ResourceId,
        offset: usize,
        piece: &mut [u8],
    ) -> Result<(), ReadError> {
        for (byte, at) in piece.iter_mut().zip(offset..) {
            *byte = u8::try_from(at % 251).unwrap();
        }
        Ok(())
    }

    fn apply(&mut self, _: &[Change]) {}
}

fn block(number: usize, query: Option<usize>) -> MessageBuf {
    let mut request = get("/26244/0/0");
    if let Some(query) = query {
        request.uri_query(&format!("{query}")).unwrap();
    }
    request.accept(ContentFormat::OPAQUE).unwrap();
    let option = BlockOption::new(u32::try_from(number).unwrap(), false, BLOCK);
    request.block2(option.unwrap()).unwrap();
    request
}

/// The answer to a request, a second after the one before.
fn read(bench: &mut Bench, request: MessageBuf) -> Vec<u8> {
    bench.now += Duration::from_secs(1);
    bench.client.handle_timeout(bench.now);
    bench.all_sent();
    let answer = bench.request(b"l", request);
    assert_eq!(answer.code(), Code::CONTENT);
    answer.payload().to_vec()
}

#[test]
fn a_large_value_passes_through_the_room_of_a_few_blocks() {
    let mut tree = tree(Server::new(server_id(101), 4_000_000));
    tree.add(Dumps);
    let mut bench = Bench::with_tree(ClientConfig::new("large", [7; 32]), tree);
    bench.accept_register();
    // What is remembered of exchanges is there from the beginning.
    for number in 0..300 {
        read(&mut bench, block(number, None));
    }
    let before = heap::held();
    let mut most = 0;
    for number in 0..LENGTH / BLOCK {
        let bytes = read(&mut bench, block(number, None));
        let start = number * BLOCK;
        assert_eq!(usize::from(bytes[7]), (start + 7) % 251);
        most = most.max(heap::held().saturating_sub(before));
    }
    assert!(most < 16 * 1024, "{most} bytes");

    // First blocks of ever other requests: each begins a body.
    let begin = |bench: &mut Bench, requests: core::ops::Range<usize>| {
        for query in requests {
            read(bench, block(0, Some(query)));
        }
        heap::held()
    };
    let some = begin(&mut bench, 0..1_000);
    let many = begin(&mut bench, 1_000..5_000);
    assert!(many <= some + 4 * 1024, "{some} bytes, then {many}");
}
