//! The allocations of a commit to a Store don't grow with the Store. This is one test, because the
//! counter is that of the whole process.

use lwm2m_core::{DataType, InstanceId, ObjectId, Path, Value};
use lwm2m_kit::{
    heap::{change, least},
    instance,
};
use lwm2m_objects::{Change, ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store};

lwm2m_kit::count_allocations!();

static RESOURCES: [ResourceDefinition; 2] = [
    ResourceDefinition::new(0, "Value", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(1, "Values", Operations::ReadWrite, DataType::Integer).multiple(),
];
static OBJECT: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30000),
    "Object",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
)
.multiple();

fn set(path: Path) -> Change {
    let value = Value::Integer(5);
    Change::Set { path, value }
}

/// Bytes that a commit allocates, where there are this many Object Instances and Resource
/// Instances: the least of several, because the test harness has a thread of its own.
fn allocated(count: u16, changes: &[Change]) -> usize {
    let ids = (0..count).map(instance);
    let store = ids.fold(Store::new(&OBJECT), |store, id| store.with(id, 0, 1));
    let values = (0..count).map(|id| (id, 1));
    let store = store.with_instances(InstanceId::ZERO, 1, values);
    let mut tree = ObjectTree::new();
    tree.add(store.checked().unwrap());
    least(|| {
        let change = change(|| _ = tree.change(changes).unwrap());
        change.bytes_allocated
    })
}

#[test]
fn a_commit_allocates_the_same_however_much_there_is() {
    let zero = InstanceId::ZERO;
    let whole = Path::Instance(OBJECT.id, instance(3));
    let array = Path::ResourceInstance(OBJECT.id, zero, 1.into(), 2.into());
    for changes in [
        &[set(Path::Resource(OBJECT.id, zero, 0.into()))][..],
        &[set(array)],
        &[
            Change::Delete { path: whole },
            Change::Create { path: whole },
            set(Path::Resource(OBJECT.id, instance(3), 0.into())),
        ],
    ] {
        let few = allocated(10, changes);
        let many = allocated(30_000, changes);
        assert!(many <= few + 512, "{few} and {many} bytes for {changes:?}");
    }

    // Nor does the order matter in which a payload names new Object Instances.
    let creates = (0..u16::MAX - 1).rev().flat_map(|id| {
        let path = Path::Instance(OBJECT.id, instance(id));
        let value = Path::Resource(OBJECT.id, instance(id), 0.into());
        [Change::Create { path }, set(value)]
    });
    let creates: Vec<Change> = creates.collect();
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&OBJECT));
    tree.change(&creates[..]).unwrap();
    assert_eq!(tree.instances(OBJECT.id).count(), usize::from(u16::MAX - 1));
}
