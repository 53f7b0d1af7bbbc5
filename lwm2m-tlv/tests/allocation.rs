//! Nothing is allocated. One test, because the counter is global.

mod common;

use core::{convert::Infallible, hint::black_box};

use common::path;
use lwm2m_core::{
    DataType, ObjectId, ResourceId, ValueRef,
    codec::{Content, Event, Scope, Sink, Untyped},
};
use lwm2m_kit::heap::allocations;
use lwm2m_tlv::{Encoder, Reader, decode};

lwm2m_kit::count_allocations!();

struct Look;

impl Sink for Look {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        black_box(&event);
        Ok(())
    }
}

fn types(_: ObjectId, resource: ResourceId) -> Option<DataType> {
    match resource.get() % 3 {
        0 => Some(DataType::String),
        1 => Some(DataType::Integer),
        _ => None,
    }
}

#[test]
fn nothing_is_allocated() {
    let mut content = Content::new();
    for instance in 0..3 {
        for resource in 0..300 {
            let value = match resource % 3 {
                0 => ValueRef::String("a text that is longer than its header"),
                1 => ValueRef::Integer(1 << (resource % 60)),
                _ => ValueRef::Raw(b"raw"),
            };
            content.insert(path(&format!("/3/{instance}/{resource}")), value);
            let multiple = format!("/3/{instance}/{}/{resource}", resource + 300);
            content.insert(path(&multiple), value);
        }
    }
    let base = path("/3");
    let mut payload = Vec::new();
    let mut encoder = Encoder::new(&mut payload, Scope::write(base));
    content.push(&mut encoder).unwrap();
    encoder.finish().unwrap();
    assert!(payload.len() > 30_000);

    // The counter counts.
    assert_eq!(allocations(|| drop(black_box(vec![1]))), 1);

    let walk = allocations(|| decode(&payload, Scope::write(base), &types, &mut Look).unwrap());
    assert_eq!(walk, 0, "a typed walk");
    let walk = allocations(|| decode(&payload, Scope::write(base), &Untyped, &mut Look).unwrap());
    assert_eq!(walk, 0, "an untyped walk");
    let walk = allocations(|| {
        let instances = Reader::new(&payload).flatten();
        let resources = instances.filter_map(|tlv| tlv.nested()).flatten().flatten();
        assert_eq!(resources.count(), 3 * 600);
    });
    assert_eq!(walk, 0, "the pull reader");
    let refused = allocations(|| {
        let cut = &payload[..payload.len() - 1];
        decode(cut, Scope::write(base), &types, &mut Look).unwrap_err();
    });
    assert_eq!(refused, 0, "a payload that is cut off");

    // Exactly the room that the payload needs.
    let mut buffer = Vec::with_capacity(payload.len());
    let room = buffer.capacity();
    assert_eq!(room, payload.len());
    let write = allocations(|| {
        buffer.clear();
        let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
        content.push(&mut encoder).unwrap();
        encoder.finish().unwrap();
    });
    assert_eq!(write, 0, "writing");
    assert_eq!(buffer, payload);

    let transcode = allocations(|| {
        buffer.clear();
        let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
        decode(&payload, Scope::write(base), &types, &mut encoder).unwrap();
        encoder.finish().unwrap();
    });
    assert_eq!(transcode, 0, "from a payload into a payload");
    assert_eq!(buffer, payload);
}
