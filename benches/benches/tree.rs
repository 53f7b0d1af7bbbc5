//! The object tree: a Read of the whole Device into TLV, and a transaction of ten Writes.

use core::hint::black_box;

use coap_lite::Packet;
use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m_benches::REGISTER;
use lwm2m_core::{
    DataType, InstanceId, ObjectId, Path, Value, WriteMode,
    codec::{Content, Scope},
};
use lwm2m_objects::{ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store, typed};
use lwm2m_tlv::Encoder;

static RESOURCES: [ResourceDefinition; 10] = [
    ResourceDefinition::new(0, "0", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(1, "1", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(2, "2", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(3, "3", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(4, "4", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(5, "5", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(6, "6", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(7, "7", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(8, "8", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(9, "9", Operations::ReadWrite, DataType::Integer),
];
static TEN: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30_000),
    "Ten",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
);

fn tree(c: &mut Criterion) {
    let mut group = c.benchmark_group("tree");
    let mut device = ObjectTree::new();
    device.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    let path = Path::of(&[3, 0]).expect("a path");
    let mut buffer = Vec::with_capacity(160);
    group.bench_function("read the Device into TLV", |b| {
        b.iter(|| {
            buffer.clear();
            let mut encoder = Encoder::new(&mut buffer, Scope::write(black_box(path)));
            device
                .read(path, |_| true, &mut encoder)
                .expect("it is there");
            encoder.finish().expect("it fits");
            black_box(buffer.len())
        });
    });

    let at = |resource| Path::of(&[30_000, 0, resource]).expect("a path");
    let content: Content = (0..10).map(|id| (at(id), Value::Integer(7))).collect();
    let mut ten = ObjectTree::new();
    ten.add((0..10).fold(Store::new(&TEN), |store, id| {
        store.with(InstanceId::ZERO, id, 1)
    }));
    let target = Path::of(&[30_000, 0]).expect("a path");
    group.bench_function("a transaction of ten Writes", |b| {
        b.iter(|| {
            let mut transaction = ten.write(target, WriteMode::Replace).expect("it is there");
            black_box(&content).push(&mut transaction).expect("it fits");
            let changes = transaction.finish().expect("it is whole");
            ten.commit(&changes).expect("it is taken");
        });
    });

    group.bench_function("Y1: coap-lite parses the Register", |b| {
        b.iter(|| Packet::from_bytes(black_box(REGISTER)).expect("a message"));
    });
    group.finish();
}

criterion_group!(benches, tree);
criterion_main!(benches);
