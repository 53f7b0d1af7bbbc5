//! Held commits take memory for the new and the old values, however often they are written. This is
//! one test, because the counter is that of the whole process.

use lwm2m_core::{DataType, InstanceId, ObjectId, Value};
use lwm2m_kit::{
    heap::{change, growth},
    path,
};
use lwm2m_objects::{
    Answer, Change, ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store,
    firmware::FirmwareUpdateObject, typed,
};

lwm2m_kit::count_allocations!();

static RESOURCES: [ResourceDefinition; 2] = [
    ResourceDefinition::new(0, "Value", Operations::ReadWrite, DataType::Opaque),
    ResourceDefinition::new(1, "Values", Operations::ReadWrite, DataType::Opaque).multiple(),
];
static OBJECT: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30000),
    "Object",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
)
.multiple();

const KILOBYTE: usize = 1024;
const WRITES: usize = 10_000;

fn kilobyte(number: usize) -> Value {
    Value::Opaque(vec![u8::try_from(number % 200 + 1).unwrap(); KILOBYTE])
}

fn set(at: &str, number: usize) -> Change {
    Change::Set {
        path: path(at),
        value: kilobyte(number),
    }
}

/// The growth of a tree by held commits, in bytes.
fn held(commits: impl Iterator<Item = Vec<Change>>) -> usize {
    let mut tree = ObjectTree::new();
    let store = Store::new(&OBJECT).with(InstanceId::ZERO, 0, kilobyte(0));
    let array = store.with_instances(InstanceId::ZERO, 1, [(0, kilobyte(0))]);
    tree.add(array.checked().unwrap());
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |_| Answer::Later);
    tree.add(firmware.unwrap());
    let change = change(|| {
        tree.hold();
        let mut count = 0;
        for changes in commits {
            count += 1;
            tree.change(&changes[..]).unwrap();
        }
        assert_eq!(count, WRITES);
    });
    growth(&change)
}

#[test]
fn what_is_held_takes_no_more_room_the_more_often_it_is_written() {
    const MOST: usize = 16 * KILOBYTE;
    let writes = || 0..WRITES;
    let value = held(writes().map(|number| vec![set("/30000/0/0", number)]));
    assert!(value < MOST, "{value} bytes for one Resource");
    let array = held(writes().map(|number| vec![set("/30000/0/1/0", number)]));
    assert!(array < MOST, "{array} bytes for one Resource Instance");
    let replaced = held(writes().map(|number| {
        let path = path("/30000/0/1");
        vec![Change::Clear { path }, set("/30000/0/1/0", number)]
    }));
    assert!(replaced < MOST, "{replaced} bytes for one array");
    let instances = held(writes().map(|number| {
        let path = path("/30000/7");
        if number % 2 == 0 {
            vec![Change::Create { path }, set("/30000/7/0", number)]
        } else {
            vec![Change::Delete { path }]
        }
    }));
    assert!(
        instances < MOST,
        "{instances} bytes for one Object Instance"
    );
    // A package waits to be settled; a reset replaces it.
    let packages = held(writes().map(|number| {
        let reset = Change::Set {
            path: path("/5/0/0"),
            value: Value::Opaque(Vec::new()),
        };
        if number % 2 == 0 {
            vec![set("/5/0/0", number)]
        } else {
            vec![reset]
        }
    }));
    assert!(packages < MOST, "{packages} bytes for one package");
}
