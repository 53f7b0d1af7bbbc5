//! Reading a whole Object Instance through the tree into TLV allocates nothing. One test, because
//! the counter is that of the whole process.

use std::alloc::System;

use lwm2m_core::{InstanceId, Path, WriteMode, codec::Content};
use lwm2m_objects::{Device, ObjectTree, Store};
use lwm2m_tlv::Encoder;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_read_through_the_tree_allocates_nothing() {
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, Device::example())]));
    let path = Path::of(&[3, 0]).unwrap();
    let mut buffer = Vec::with_capacity(160);

    let region = Region::new(ALLOCATOR);
    let mut encoder = Encoder::new(&mut buffer, path);
    tree.read(path, |_| true, &mut encoder).unwrap();
    encoder.finish().unwrap();
    let change = region.change();

    assert_eq!(buffer.len(), 121);
    assert_eq!((change.allocations, change.reallocations), (0, 0));

    // The counter counts: a Write keeps its changes until they are committed.
    let region = Region::new(ALLOCATOR);
    let mut transaction = tree.write(path, WriteMode::PartialUpdate).unwrap();
    let time = Path::of(&[3, 0, 14]).unwrap();
    Content::from_iter([(time, "Z")])
        .push(&mut transaction)
        .unwrap();
    assert!(region.change().allocations > 0);
}
