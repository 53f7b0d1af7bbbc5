//! Reading a whole Object Instance through the tree into TLV allocates nothing. One test, because
//! the counter is global.

use lwm2m_core::{
    InstanceId, Path, WriteMode,
    codec::{Content, Scope},
};
use lwm2m_kit::heap::allocations;
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_tlv::Encoder;

lwm2m_kit::count_allocations!();

#[test]
fn a_read_through_the_tree_allocates_nothing() {
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    let path = Path::of(&[3, 0]).unwrap();
    let mut buffer = Vec::with_capacity(160);

    let read = allocations(|| {
        buffer.clear();
        let mut encoder = Encoder::new(&mut buffer, Scope::write(path));
        tree.read(path, |_| true, &mut encoder).unwrap();
        encoder.finish().unwrap();
    });
    assert_eq!(buffer.len(), 121);
    assert_eq!(read, 0);

    // Check the counter itself: a Write keeps its changes until they are committed.
    let time = Path::of(&[3, 0, 14]).unwrap();
    let content = Content::from_iter([(time, "Z")]);
    let write = allocations(|| {
        let mut transaction = tree.write(path, WriteMode::PartialUpdate).unwrap();
        content.push(&mut transaction).unwrap();
    });
    assert!(write > 0);
}
