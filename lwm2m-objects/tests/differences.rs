//! A commit returns what reads differently to servers, and nothing else.

mod common;

extern crate alloc;

use alloc::{collections::BTreeMap, sync::Arc};
use std::sync::Mutex;

use common::set;
use lwm2m_core::{
    DataType, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value, WriteMode,
    codec::{Event, Sink},
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Answer, Change, Object, ObjectDefinition, ObjectTree, Operations, Range, ReadError,
    ResourceDefinition, ResourceSink, Store,
    firmware::{self, FirmwareUpdateObject},
    typed,
};
use proptest::prelude::*;

/// One Resource for each way to be read and written.
static KINDS: ObjectDefinition = {
    use DataType::{Float, Integer};
    use Operations::{Read, ReadWrite, Write};
    static RESOURCES: &[ResourceDefinition] = &[
        ResourceDefinition::new(0, "Value", ReadWrite, Integer).with_range(Range::Numbers(0, 2)),
        ResourceDefinition::new(1, "Values", ReadWrite, Integer).multiple(),
        ResourceDefinition::new(2, "Secret", Write, Integer),
        ResourceDefinition::new(3, "Secrets", Write, Integer).multiple(),
        ResourceDefinition::new(4, "Told", Read, Integer),
        ResourceDefinition::new(5, "Provisioned", Operations::None, Integer),
        ResourceDefinition::new(6, "Measured", ReadWrite, Float),
        ResourceDefinition::executable(7, "Done"),
    ];
    let urn = "urn:oma:lwm2m:x:31000";
    ObjectDefinition::new(ObjectId::new(31000), "Kinds", urn, RESOURCES).multiple()
};

fn kinds() -> ObjectTree {
    let mut tree = ObjectTree::new();
    let store = Store::new(&KINDS)
        .with(InstanceId::ZERO, 0, 1)
        .with_instances(InstanceId::ZERO, 1, [(0, 1), (5, 2)])
        .with(InstanceId::ZERO, 2, 1)
        .with_instances(InstanceId::ZERO, 3, [(0, 1)])
        .with(InstanceId::ZERO, 4, 1)
        .with(InstanceId::ZERO, 5, 1)
        .with(InstanceId::ZERO, 6, f64::NAN);
    tree.add(store.checked().unwrap());
    tree
}

/// A commit of `changes` returns these paths.
#[track_caller]
fn tells(changes: &[Change], expected: &[&str]) {
    let expected: Vec<Path> = expected.iter().map(|at| path(at)).collect();
    assert_eq!(kinds().change(changes), Ok(expected), "{changes:?}");
}

#[test]
fn the_same_value_again_is_no_difference() {
    let clear = || Change::Clear {
        path: path("/31000/0/1"),
    };
    let remove = |at| Change::Remove { path: path(at) };
    let again = [set("/31000/0/1/0", 1), set("/31000/0/1/5", 2)];
    tells(&[set("/31000/0/0", 1)], &[]);
    tells(&[set("/31000/0/0", 2)], &["/31000/0/0"]);
    tells(&[set("/31000/0/0", 2), set("/31000/0/0", 1)], &[]);
    tells(&[remove("/31000/0/0"), set("/31000/0/0", 1)], &[]);
    tells(&[remove("/31000/0/0")], &["/31000/0/0"]);
    tells(&[remove("/31000/0/1")], &["/31000/0/1"]);
    // An array, in part and as a whole.
    tells(&again, &[]);
    tells(&[&[clear()], &again[..]].concat(), &[]);
    tells(&[&[remove("/31000/0/1")], &again[..]].concat(), &[]);
    tells(&[clear(), set("/31000/0/1/0", 1)], &["/31000/0/1"]);
    tells(&[set("/31000/0/1/5", 3)], &["/31000/0/1"]);
    tells(&[set("/31000/0/1/9", 1)], &["/31000/0/1"]);
    tells(&[clear()], &["/31000/0/1"]);
    // NaN is the same as itself, and zero has a sign.
    tells(&[set("/31000/0/6", f64::NAN)], &[]);
    tells(&[set("/31000/0/6", 0.0)], &["/31000/0/6"]);
}

/// Servers can't read write-only Resources and those of the Bootstrap-Server.
#[test]
fn what_nobody_reads_is_no_difference() {
    tells(&[set("/31000/0/2", 7), set("/31000/0/3/4", 7)], &[]);
    tells(&[set("/31000/0/5", 7)], &[]);
    let clear = Change::Clear {
        path: path("/31000/0/3"),
    };
    tells(&[clear], &[]);
}

/// An Object Instance that is created, deleted or replaced is returned as a whole.
#[test]
fn instances_that_come_and_go_are_differences() {
    let create = |at| Change::Create { path: path(at) };
    let delete = |at| Change::Delete { path: path(at) };
    tells(&[create("/31000/3"), set("/31000/3/0", 1)], &["/31000/3"]);
    tells(&[delete("/31000/0")], &["/31000/0"]);
    tells(&[delete("/31000/0"), create("/31000/0")], &["/31000/0"]);
    tells(&[set("/31000/0/0", 2), delete("/31000/0")], &["/31000/0"]);
    tells(&[create("/31000/3"), delete("/31000/3")], &[]);
}

/// In ascending order of their paths and each once, of several Objects too.
#[test]
fn differences_are_told_in_order() {
    let mut tree = kinds();
    let server = typed::Server::new(ShortServerId::new(101).unwrap(), 60);
    tree.add(Store::of([(InstanceId::ZERO, server)]));
    let changes = [
        set("/31000/0/6", 2.5),
        set("/31000/0/1/9", 2),
        set("/1/0/1", 70),
        set("/31000/0/1/8", 2),
        set("/1/0/7", "UQ"),
        set("/31000/0/0", 0),
    ];
    let expected = ["/1/0/1", "/1/0/7", "/31000/0/0", "/31000/0/1", "/31000/0/6"];
    assert_eq!(tree.change(&changes), Ok(expected.map(path).into()));
}

/// A refused commit changes nothing.
#[test]
fn a_refused_commit_changes_nothing() {
    let mut tree = kinds();
    let before = readable(&tree);
    let changes = [set("/31000/0/0", 2), set("/31000/0/4", "text")];
    assert!(tree.change(&changes).is_err());
    assert_eq!(readable(&tree), before);
}

/// The application may set the same value again.
#[test]
fn set_tells_whether_the_value_is_another() {
    let mut tree = kinds();
    assert_eq!(tree.set(path("/31000/0/4"), 1), Ok(false));
    assert_eq!(tree.set(path("/31000/0/4"), 2), Ok(true));
    assert_eq!(tree.set(path("/31000/0/1/5"), 2), Ok(false));
    assert_eq!(tree.set(path("/31000/0/1/6"), 2), Ok(true));
    assert_eq!(tree.set(path("/31000/0/2"), 7), Ok(false));
    assert_eq!(tree.get(path("/31000/0/2")), Some(Value::Integer(7)));
}

/// A payload that replaces an Object Instance by the same values.
#[test]
fn writing_an_instance_as_it_is_changes_nothing() {
    let mut tree = kinds();
    let mut transaction = tree.write(path("/31000/0"), WriteMode::Replace).unwrap();
    let mut push = |event| transaction.event(event).unwrap();
    let value = |id, value| {
        let (id, time) = (ResourceId::new(id), None);
        Event::Resource { id, value, time }
    };
    let one = Value::Integer(1);
    let two = Value::Integer(2);
    push(Event::Object(KINDS.id));
    push(Event::Instance(Some(InstanceId::ZERO)));
    push(value(0, one.as_ref()));
    push(Event::Multiple(1.into()));
    for (id, value) in [(0_u16, &one), (5, &two)] {
        let (id, value, time) = (id.into(), value.as_ref(), None);
        push(Event::ResourceInstance { id, value, time });
    }
    push(Event::EndMultiple);
    push(value(6, Value::Float(f64::NAN).as_ref()));
    push(Event::EndInstance);
    push(Event::EndObject);
    let changes = transaction.finish().unwrap();
    // The secrets are removed, which servers can't see.
    assert!(changes.len() > 4, "{changes:?}");
    assert_eq!(tree.commit(&changes), Ok(vec![]));
    assert!(tree.locate(path("/31000/0/2")).is_none());
}

/// An Object acts again on the same value, and on a value that servers can't read.
#[test]
fn an_object_hears_of_every_write() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&log);
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), move |event| {
        events.lock().unwrap().push(format!("{event:?}"));
        match event {
            firmware::Event::Fetch { .. } => {
                Answer::Failed(firmware::DownloadError::ConnectionLost)
            }
            _ => Answer::Done,
        }
    });
    let mut tree = ObjectTree::new();
    tree.add(firmware.unwrap().pulled_by_application());
    let uri = [set("/5/0/1", "coap://192.0.2.1/fw")];
    assert_eq!(tree.change(&uri), Ok(vec![path("/5/0/1")]));
    for times in 2..4 {
        assert_eq!(tree.change(&uri), Ok(vec![]));
        assert_eq!(log.lock().unwrap().len(), times, "it is fetched again");
    }
    log.lock().unwrap().clear();
    // The package can't be read, and the Object reports its State.
    while tree.poll_changed().is_some() {}
    assert_eq!(tree.change([set("/5/0/0", &b"package"[..])]), Ok(vec![]));
    assert_eq!(log.lock().unwrap().len(), 2, "a block and the end of it");
    assert_eq!(tree.get(path("/5/0/3")), Some(Value::Integer(2)));
    let told: Vec<_> = core::iter::from_fn(|| tree.poll_changed()).collect();
    assert!(told.contains(&path("/5/0/3")), "{told:?}");
}

/// An Object of the application's own that counts its calls.
struct Counting {
    value: i64,
    heard: Arc<Mutex<Vec<i64>>>,
}

impl Object for Counting {
    fn definition(&self) -> &ObjectDefinition {
        &KINDS
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match resource.get() {
            0 => out.value(Value::Integer(self.value).as_ref()),
            _ => Err(ReadError::Unavailable),
        }
    }

    fn apply(&mut self, _: &[Change]) {}

    fn settle(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Set {
                value: Value::Integer(value),
                ..
            } = change
            {
                self.heard.lock().unwrap().push(*value);
            }
        }
    }
}

#[test]
fn an_object_of_ones_own_hears_of_every_write() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut tree = ObjectTree::new();
    tree.add(Counting {
        value: 1,
        heard: Arc::clone(&heard),
    });
    assert_eq!(tree.change([set("/31000/0/0", 1)]), Ok(vec![]));
    assert_eq!(tree.change([set("/31000/0/2", 2)]), Ok(vec![]));
    assert_eq!(tree.set(path("/31000/0/2"), 3), Ok(false));
    // A value that can't be read now may have changed.
    let told = tree.change([set("/31000/0/4", 4)]);
    assert_eq!(told, Ok(vec![path("/31000/0/4")]));
    assert_eq!(*heard.lock().unwrap(), [1, 2, 3, 4]);
}

/// What a server can read of each Resource, and which Object Instances there are.
fn readable(tree: &ObjectTree) -> BTreeMap<Path, Vec<String>> {
    let mut all = BTreeMap::new();
    for instance in tree.instances(KINDS.id) {
        all.insert(Path::Instance(KINDS.id, instance), Vec::new());
        for resource in tree.resources(KINDS.id, instance) {
            if resource.operations.readable() {
                let at = Path::Resource(KINDS.id, instance, resource.id);
                let values: &mut Vec<String> = all.entry(at).or_default();
                tree.visit(at, |at, value| values.push(format!("{at} {value:?}")));
            }
        }
    }
    all
}

fn any_change() -> impl Strategy<Value = Change> {
    (0..8_u8, 0..3_u16, 0..7_u16, 0..3_u16, 0..3_i64).prop_map(
        |(kind, instance, resource, id, value)| {
            let instance = InstanceId::new(instance).unwrap();
            let path = Path::Resource(KINDS.id, instance, resource.into());
            let whole = Path::Instance(KINDS.id, instance);
            let is_array = matches!(resource, 1 | 3);
            match kind {
                0 => Change::Create { path: whole },
                1 => Change::Delete { path: whole },
                2 => Change::Remove { path },
                3 if is_array => Change::Clear { path },
                _ if is_array => Change::Set {
                    path: Path::ResourceInstance(KINDS.id, instance, resource.into(), id.into()),
                    value: Value::Integer(value),
                },
                _ if resource == 6 => Change::Set {
                    path,
                    value: Value::Float([f64::NAN, 0.0, -0.0][usize::from(id)]),
                },
                _ => Change::Set {
                    path,
                    value: Value::Integer(value),
                },
            }
        },
    )
}

proptest! {
    /// Whatever is committed, held or not: the result agrees with a comparison of all readable values
    /// before and after.
    #[test]
    fn what_is_told_is_what_reads_differently(
        commits in prop::collection::vec(prop::collection::vec(any_change(), 1..9), 1..12),
        hold in any::<bool>(),
    ) {
        let mut tree = kinds();
        if hold {
            tree.hold();
        }
        for changes in commits {
            let before = readable(&tree);
            let Ok(told) = tree.change(&changes[..]) else {
                continue;
            };
            let after = readable(&tree);
            let replaced = |at: &Path| {
                let mut creates = changes.iter();
                let create = Change::Create { path: *at };
                creates.any(|change| *change == create) && before.contains_key(at)
                    && after.contains_key(at)
            };
            let mut expected: Vec<Path> = Vec::new();
            let all: BTreeMap<_, _> = before.iter().chain(&after).collect();
            for at in all.into_keys() {
                let same = before.get(at) == after.get(at) && !replaced(at);
                let told_above = expected.iter().any(|above| above.contains(at));
                if !same && !told_above {
                    expected.push(*at);
                }
            }
            prop_assert_eq!(told, expected, "{:?}", changes);
        }
    }
}
