//! Create, Delete, Bootstrap-Write, and rolling back (TS 5.2.7.4, 5.4.6, 5.4.7, 7.3.2.4).

use lwm2m_core::{
    DataType, InstanceId, ObjectId, Path, ShortServerId, Value, ValueRef, WriteMode,
    codec::{Content, Event, Sink},
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Change, DEVICE, Object, ObjectDefinition, ObjectTree, Operations, Range, ResourceDefinition,
    Store, Transaction, WriteError, typed,
};
use proptest::prelude::*;

/// An Object with one Resource of each kind.
static KINDS: ObjectDefinition = {
    use DataType::{Integer, String};
    use Operations::{Read, ReadWrite};
    static RESOURCES: &[ResourceDefinition] = &[
        ResourceDefinition::new(0, "Mandatory", ReadWrite, Integer).mandatory(),
        ResourceDefinition::new(1, "Multiple", ReadWrite, String).multiple(),
        ResourceDefinition::new(2, "Read-only", Read, Integer),
        ResourceDefinition::executable(3, "Executable").mandatory(),
        ResourceDefinition::new(4, "Optional", ReadWrite, String),
    ];
    ObjectDefinition::new(
        ObjectId::new(1000),
        "Kinds",
        "urn:oma:lwm2m:x:1000",
        RESOURCES,
    )
    .multiple()
};

fn tree() -> ObjectTree {
    let server = ShortServerId::new(101).unwrap();
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::Security::no_sec("coap://one", server),
    )]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::Server {
            default_minimum_period: Some(1),
            ..typed::Server::new(server, 60)
        },
    )]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    let kinds = Store::new(&KINDS)
        .managed(3)
        .supporting([4])
        .with(InstanceId::ZERO, 0, 1)
        .with_instances(InstanceId::ZERO, 1, [(0, "a"), (5, "b")])
        .with(InstanceId::ZERO, 2, 7);
    tree.add(kinds);
    tree
}

/// Pushes resources of one Object Instance, bare or with an identifier.
fn push(
    transaction: &mut Transaction<'_>,
    object: u16,
    instance: Option<u16>,
    values: &[(u16, Value)],
) -> Result<(), WriteError> {
    transaction.event(Event::Object(object.into()))?;
    transaction.event(Event::Instance(instance.and_then(InstanceId::new)))?;
    for (id, value) in values {
        let (id, value) = ((*id).into(), value.as_ref());
        transaction.event(Event::Resource {
            id,
            value,
            time: None,
        })?;
    }
    transaction.event(Event::EndInstance)?;
    transaction.event(Event::EndObject)
}

fn create(
    tree: &mut ObjectTree,
    instance: Option<u16>,
    values: &[(u16, Value)],
) -> Result<Vec<Change>, WriteError> {
    let mut transaction = tree.create(1000.into())?;
    push(&mut transaction, 1000, instance, values)?;
    let changes = transaction.finish()?;
    tree.commit(&changes)?;
    Ok(changes.into_changes())
}

/// Everything in the tree, including what servers can't read.
fn everything(tree: &ObjectTree) -> Vec<String> {
    let mut lines = Vec::new();
    for object in tree.objects() {
        let id = object.definition().id;
        for instance in tree.instances(id) {
            lines.push(Path::Instance(id, instance).to_string());
            for resource in tree.resources(id, instance) {
                let path = Path::Resource(id, instance, resource.id);
                lines.push(path.to_string());
                tree.visit(path, |path, value| {
                    lines.push(format!("{path} = {value:?}"));
                });
            }
        }
    }
    lines
}

#[test]
fn create_assigns_the_first_free_identifier_or_takes_the_given_one() {
    let mut tree = tree();
    let changes = create(&mut tree, None, &[(0, 5.into())]).unwrap();
    assert_eq!(
        changes[0],
        Change::Create {
            path: path("/1000/1")
        }
    );
    assert_eq!(tree.get(path("/1000/1/0")), Some(Value::Integer(5)));
    create(&mut tree, Some(7), &[(0, 6.into())]).unwrap();
    assert_eq!(tree.get(path("/1000/7/0")), Some(Value::Integer(6)));
    // The executable Resource is there. Resources without a value are not.
    let there: Vec<u16> = tree
        .resources(1000.into(), InstanceId::new(7).unwrap())
        .map(|resource| resource.id.get())
        .collect();
    assert_eq!(there, [0, 3]);
}

#[test]
fn create_ignores_unknown_read_only_and_executable_resources() {
    let mut tree = tree();
    let values = [
        (0, 5.into()),
        (2, 9.into()),
        (3, Value::from("x")),
        (99, Value::from("y")),
    ];
    create(&mut tree, Some(1), &values).unwrap();
    assert_eq!(tree.get(path("/1000/1/2")), None);
}

#[test]
fn a_refused_create_creates_nothing() {
    let mut tree = tree();
    let before = everything(&tree);
    for (instance, values, error) in [
        (
            Some(0),
            vec![(0, 5.into())],
            WriteError::Exists(path("/1000/0")),
        ),
        (
            Some(1),
            vec![(4, Value::from("x"))],
            WriteError::Missing(path("/1000/1/0")),
        ),
        (Some(1), vec![], WriteError::Missing(path("/1000/1/0"))),
        (
            Some(1),
            vec![(0, Value::from("x"))],
            WriteError::WrongType(path("/1000/1/0")),
        ),
        (
            Some(1),
            vec![(0, 1.into()), (0, 2.into())],
            WriteError::Duplicate(path("/1000/1/0")),
        ),
        (
            Some(1),
            vec![(0, 1.into()), (1, Value::from("x"))],
            WriteError::WrongType(path("/1000/1/1")),
        ),
    ] {
        assert_eq!(create(&mut tree, instance, &values), Err(error));
        assert_eq!(everything(&tree), before);
    }
    let mut empty = tree.create(1000.into()).unwrap();
    empty.event(Event::Object(1000.into())).unwrap();
    assert_eq!(empty.finish(), Err(WriteError::Structure(path("/1000"))));
    assert_eq!(
        tree.create(77.into()).err(),
        Some(WriteError::NotFound(path("/77")))
    );
    assert_eq!(
        tree.create(3.into()).err(),
        Some(WriteError::NotManaged(path("/3")))
    );
    assert_eq!(
        tree.create(1.into()).err(),
        Some(WriteError::NotManaged(path("/1")))
    );
}

#[test]
fn create_stops_at_the_limit() {
    let mut tree = tree();
    create(&mut tree, None, &[(0, 1.into())]).unwrap();
    create(&mut tree, None, &[(0, 1.into())]).unwrap();
    let error = create(&mut tree, None, &[(0, 1.into())]);
    assert_eq!(error, Err(WriteError::TooMany(path("/1000/3"))));
    let changes = tree.delete(path("/1000/1")).unwrap();
    tree.commit(&changes).unwrap();
    create(&mut tree, None, &[(0, 1.into())]).unwrap();
    assert_eq!(tree.instances(1000.into()).count(), 3);
}

#[test]
fn delete_takes_the_instance_and_nothing_else() {
    let mut tree = tree();
    let changes = tree.delete(path("/1000/0")).unwrap();
    tree.commit(&changes).unwrap();
    assert!(tree.locate(path("/1000/0")).is_none());
    assert!(tree.locate(path("/1000")).is_some());
    for (at, error) in [
        ("/1000/0", WriteError::NotFound(path("/1000/0"))),
        ("/1000", WriteError::NotManaged(path("/1000"))),
        ("/1000/0/0", WriteError::NotFound(path("/1000/0/0"))),
        ("/3/0/9", WriteError::NotManaged(path("/3/0/9"))),
        ("/3/0", WriteError::NotManaged(path("/3/0"))),
        ("/77", WriteError::NotFound(path("/77"))),
        ("/", WriteError::NotManaged(Path::Root)),
    ] {
        assert_eq!(tree.delete(path(at)), Err(error), "{at}");
    }
}

#[test]
fn bootstrap_write_creates_and_replaces_whatever_the_operations_are() {
    let mut tree = tree();
    // A new account, of Resources that LwM2M Servers can't access.
    let mut transaction = tree.bootstrap_write(path("/0/1")).unwrap();
    let values = [
        (0, Value::from("coaps://two")),
        (1, Value::from(false)),
        (2, 0.into()),
        (3, Value::from(&b"id"[..])),
        (4, Value::from(&b""[..])),
        (5, Value::from(&b"key"[..])),
        (10, 102.into()),
        (9999, Value::from("unknown")),
    ];
    push(&mut transaction, 0, Some(1), &values).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(tree.get(path("/0/1/5")), Some(Value::from(&b"key"[..])));

    // An existing instance then has what the payload names, executable Resources, and those that are
    // mandatory or read-only.
    let mut transaction = tree.bootstrap_write(path("/1")).unwrap();
    let values = [
        (0, 101.into()),
        (1, 99.into()),
        (6, true.into()),
        (7, Value::from("U")),
    ];
    push(&mut transaction, 1, Some(0), &values).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    let there: Vec<u16> = tree
        .resources(1.into(), InstanceId::ZERO)
        .map(|resource| resource.id.get())
        .collect();
    assert_eq!(there, [0, 1, 6, 7, 8]);

    let mut transaction = tree.bootstrap_write(path("/3/0")).unwrap();
    push(&mut transaction, 3, Some(0), &[(13, Value::Time(7))]).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(tree.get(path("/3/0/14")), None);
    assert_eq!(
        tree.get(path("/3/0/0")),
        Some(Value::from("Open Mobile Alliance"))
    );
    assert_eq!(tree.get(path("/3/0/16")), Some(Value::from("U")));

    // One Resource of an instance that is not there yet.
    let mut transaction = tree.bootstrap_write(path("/1000/2/0")).unwrap();
    push(&mut transaction, 1000, Some(2), &[(0, 4.into())]).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(tree.get(path("/1000/2/0")), Some(Value::Integer(4)));
}

#[test]
fn bootstrap_write_that_is_refused() {
    let tree = tree();
    assert_eq!(
        tree.bootstrap_write(Path::Root).err(),
        Some(WriteError::NotWritable(Path::Root))
    );
    assert_eq!(
        tree.bootstrap_write(path("/77/0")).err(),
        Some(WriteError::NotFound(path("/77/0")))
    );
    let mut transaction = tree.bootstrap_write(path("/1/0")).unwrap();
    let error = push(&mut transaction, 1, Some(0), &[(1, Value::from("x"))]);
    assert_eq!(error, Err(WriteError::WrongType(path("/1/0/1"))));
    let mut transaction = tree.bootstrap_write(path("/1/0")).unwrap();
    let error = push(&mut transaction, 1, Some(2), &[]);
    assert_eq!(error, Err(WriteError::Structure(path("/1/0"))));
    let mut transaction = tree.bootstrap_write(path("/3")).unwrap();
    let error = push(&mut transaction, 3, Some(1), &[]);
    assert_eq!(
        error,
        Err(WriteError::TooMany(path("/3/1"))),
        "there is one Device"
    );
}

/// A Bootstrap-Server that has no value writes no octets. An optional Resource that can't be empty
/// (`/0/x/7` has 6 bytes, `/0/x/8` 16, 32 or 48) is left out; others are empty.
#[test]
fn a_bootstrap_server_writes_no_octets_for_what_it_does_not_know() {
    let server = ShortServerId::new(101).unwrap();
    let sms = typed::SmsSecurity {
        key_parameters: Some([1; 6]),
        secret_keys: Some(vec![2; 16]),
        ..typed::SmsSecurity::default()
    };
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://one", server).with_sms(sms);
    tree.add(Store::of([(InstanceId::ZERO, security)]).checked().unwrap());
    let empty = Value::Opaque(Vec::new());
    let values: Vec<(u16, Value)> = [3, 4, 5, 7, 8].map(|id| (id, empty.clone())).into();
    for instance in [0, 1] {
        let mut transaction = tree.bootstrap_write(path("/0")).unwrap();
        push(&mut transaction, 0, Some(instance), &values).unwrap();
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
        let at = |resource: u16| Path::of(&[0, instance, resource]).unwrap();
        for resource in [3, 4, 5] {
            assert_eq!(tree.get(at(resource)), Some(empty.clone()));
        }
        assert_eq!((tree.get(at(7)), tree.get(at(8))), (None, None));
    }
    // As the target it needs a value, and any other length is an error.
    let mut transaction = tree.bootstrap_write(path("/0/0/7")).unwrap();
    push(&mut transaction, 0, Some(0), &values[3..4]).unwrap();
    let nothing = Err(WriteError::Structure(path("/0/0/7")));
    assert_eq!(transaction.finish(), nothing);
    let mut transaction = tree.bootstrap_write(path("/0/0")).unwrap();
    let short = push(
        &mut transaction,
        0,
        Some(0),
        &[(7, Value::from(&b"abc"[..]))],
    );
    assert_eq!(short, Err(WriteError::OutOfRange(path("/0/0/7"))));
}

/// TS 5.4.3: a payload with a Resource that can't be written is refused as a whole, in either mode.
#[test]
fn a_write_of_what_cannot_be_written_is_refused_whole() {
    for mode in [WriteMode::Replace, WriteMode::PartialUpdate] {
        for (resource, error) in [
            (2, WriteError::NotWritable(path("/1000/0/2"))), // read-only
            (3, WriteError::NotWritable(path("/1000/0/3"))), // executable
            (99, WriteError::NotWritable(path("/1000/0/99"))), // unknown
        ] {
            let tree = tree();
            let before = everything(&tree);
            let mut transaction = tree.write(path("/1000/0"), mode).unwrap();
            let values = [(0, 9.into()), (resource, 9.into())];
            let refused = push(&mut transaction, 1000, Some(0), &values);
            assert_eq!(refused, Err(error));
            assert_eq!(everything(&tree), before);
            // As the target: 4.05 if it is there, 4.04 if it is not.
            let target = Path::of(&[1000, 0, resource]).unwrap();
            let expected = if resource == 99 {
                WriteError::NotFound(target)
            } else {
                WriteError::NotWritable(target)
            };
            assert_eq!(tree.write(target, mode).err(), Some(expected));
        }
    }
}

/// The array of `/1000/0/1` after a payload with these Resource Instances, or with an empty array.
fn array_after(target: &str, mode: WriteMode, ids: &[u16]) -> Vec<(u16, String)> {
    let mut tree = tree();
    let mut transaction = tree.write(path(target), mode).unwrap();
    let mut push = |event: Event<'_>| transaction.event(event).unwrap();
    push(Event::Object(1000.into()));
    push(Event::Instance(Some(InstanceId::ZERO)));
    push(Event::Multiple(1.into()));
    for id in ids {
        push(Event::ResourceInstance {
            id: (*id).into(),
            value: ValueRef::String("new"),
            time: None,
        });
    }
    push(Event::EndMultiple);
    push(Event::EndInstance);
    push(Event::EndObject);
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    let mut found = Vec::new();
    tree.visit(path("/1000/0/1"), |at, value| {
        let id = at.resource_instance().unwrap().get();
        if let ValueRef::String(text) = value {
            found.push((id, text.to_owned()));
        }
    });
    assert_eq!(tree.dimension(path("/1000/0/1")), Some(found.len()));
    found
}

/// Replace replaces the array, Partial Update merges by Resource Instance: with the Object Instance and
/// with the Resource as the target, in any order, and if there is no array.
#[test]
fn an_array_is_replaced_or_merged() {
    let array = |entries: &[(u16, &str)]| -> Vec<(u16, String)> {
        let entries = entries.iter();
        entries
            .map(|(id, text)| (*id, (*text).to_owned()))
            .collect()
    };
    for target in ["/1000/0", "/1000/0/1"] {
        let replaced = |ids: &[u16]| array_after(target, WriteMode::Replace, ids);
        let merged = |ids: &[u16]| array_after(target, WriteMode::PartialUpdate, ids);
        assert_eq!(
            replaced(&[7, 5, 3]),
            array(&[(3, "new"), (5, "new"), (7, "new")])
        );
        assert_eq!(
            merged(&[7, 5, 3]),
            array(&[(0, "a"), (3, "new"), (5, "new"), (7, "new")])
        );
    }
    assert_eq!(array_after("/1000/0", WriteMode::Replace, &[]), []);
    assert_eq!(
        array_after("/1000/0", WriteMode::PartialUpdate, &[]),
        array(&[(0, "a"), (5, "b")])
    );
}

/// A payload must be about the Object in the URI.
#[test]
fn another_object_is_no_part_of_a_payload() {
    let tree = tree();
    let mut transactions = [
        tree.write(path("/1000/0"), WriteMode::Replace).unwrap(),
        tree.create(1000.into()).unwrap(),
        tree.bootstrap_write(path("/1000")).unwrap(),
    ];
    for (transaction, target) in transactions.iter_mut().zip(["/1000/0", "/1000", "/1000"]) {
        let structure = Err(WriteError::Structure(path(target)));
        assert_eq!(transaction.event(Event::Object(3.into())), structure);
    }
}

/// A transaction takes values; a list of paths has none.
#[test]
fn a_path_without_a_value_is_refused() {
    let tree = tree();
    for before in [&[][..], &[Event::Object(1000.into())]] {
        let mut transaction = tree.write(path("/1000/0"), WriteMode::Replace).unwrap();
        for event in before {
            transaction.event(*event).unwrap();
        }
        let refused = transaction.event(Event::Path(path("/1000/0/0")));
        assert_eq!(refused, Err(WriteError::Structure(path("/1000/0"))));
    }
}

/// No octets for a Resource that needs some: from a Bootstrap-Server this means no value, if the
/// Resource is optional; from a server it is out of range.
#[test]
fn no_octets_are_no_value_in_a_bootstrap_only() {
    static RESOURCES: &[ResourceDefinition] = &[
        ResourceDefinition::new(0, "Mandatory", Operations::ReadWrite, DataType::Opaque)
            .with_range(Range::Bytes(4, 4))
            .mandatory(),
        ResourceDefinition::new(1, "Optional", Operations::ReadWrite, DataType::Opaque)
            .with_range(Range::Bytes(4, 4)),
    ];
    static KEYS: ObjectDefinition = ObjectDefinition::new(
        ObjectId::new(1001),
        "Keys",
        "urn:oma:lwm2m:x:1001",
        RESOURCES,
    );
    let keys = Store::new(&KEYS)
        .supporting([1])
        .with(InstanceId::ZERO, 0, &b"1234"[..]);
    let mut tree = ObjectTree::new();
    tree.add(keys);
    let target = path("/1001/0");
    let empty = |id: u16| Event::Resource {
        id: id.into(),
        value: ValueRef::Opaque(&[]),
        time: None,
    };
    for (bootstrap, resource, taken) in [
        (false, 0, false),
        (false, 1, false),
        (true, 0, false),
        (true, 1, true),
    ] {
        let mut transaction = if bootstrap {
            tree.bootstrap_write(target).unwrap()
        } else {
            tree.write(target, WriteMode::PartialUpdate).unwrap()
        };
        transaction.event(Event::Object(1001.into())).unwrap();
        let instance = Event::Instance(Some(InstanceId::ZERO));
        transaction.event(instance).unwrap();
        let at = path(&format!("/1001/0/{resource}"));
        let expected = if taken {
            Ok(())
        } else {
            Err(WriteError::OutOfRange(at))
        };
        assert_eq!(transaction.event(empty(resource)), expected, "{bootstrap}");
    }
}

/// An array without Resource Instances makes the Resource if it isn't there.
#[test]
fn an_empty_array_is_there() {
    for mode in [WriteMode::Replace, WriteMode::PartialUpdate] {
        for target in ["/1000/0", "/1000/0/1"] {
            let kinds = Store::new(&KINDS)
                .supporting([1])
                .with(InstanceId::ZERO, 0, 1);
            let mut tree = ObjectTree::new();
            tree.add(kinds);
            assert_eq!(tree.dimension(path("/1000/0/1")), None);
            let mut write = tree.write(path(target), mode).unwrap();
            for event in [
                Event::Object(1000.into()),
                Event::Instance(Some(InstanceId::ZERO)),
                Event::Multiple(1.into()),
                Event::EndMultiple,
                Event::EndInstance,
                Event::EndObject,
            ] {
                write.event(event).unwrap();
            }
            let changes = write.finish().unwrap();
            tree.commit(&changes).unwrap();
            assert_eq!(
                tree.dimension(path("/1000/0/1")),
                Some(0),
                "{mode:?} {target}"
            );
        }
    }
}

/// TS 5.4.6: if any error occurs, nothing is created, however many instances came before it.
#[test]
fn create_of_several_instances_is_whole_or_nothing() {
    let new = |instance| Event::Instance(InstanceId::new(instance));
    let number = Event::Resource {
        id: 0.into(),
        value: ValueRef::Integer(5),
        time: None,
    };
    let text = Event::Resource {
        id: 0.into(),
        value: ValueRef::String("5"),
        time: None,
    };
    let end = Event::EndInstance;
    for (events, error) in [
        (vec![new(1), number, end, new(2), number, end], None),
        // The second has a wrong type, lacks a mandatory Resource, exists already, is named twice.
        (
            vec![new(1), number, end, new(2), text],
            Some(WriteError::WrongType(path("/1000/2/0"))),
        ),
        (
            vec![new(1), number, end, new(2), end],
            Some(WriteError::Missing(path("/1000/2/0"))),
        ),
        (
            vec![new(2), end, new(1), number, end],
            Some(WriteError::Missing(path("/1000/2/0"))),
        ),
        (
            vec![new(1), number, end, new(0)],
            Some(WriteError::Exists(path("/1000/0"))),
        ),
        (
            vec![new(1), number, end, new(1), number],
            Some(WriteError::Duplicate(path("/1000/1/0"))),
        ),
        // One more than the limit of three.
        (
            [3, 2, 1]
                .into_iter()
                .flat_map(|id| [new(id), number, end])
                .collect(),
            Some(WriteError::TooMany(path("/1000/1"))),
        ),
    ] {
        let mut tree = tree();
        let before = everything(&tree);
        let mut transaction = tree.create(1000.into()).unwrap();
        transaction.event(Event::Object(1000.into())).unwrap();
        let pushed = events
            .iter()
            .try_for_each(|event| transaction.event(*event));
        let changes = pushed.and_then(|()| transaction.finish());
        let result = changes.and_then(|changes| tree.commit(&changes));
        assert_eq!(result.err(), error, "{events:?}");
        assert_eq!(everything(&tree) == before, error.is_some());
    }
}

/// A payload in descending order takes as long as sorting it. If each step moved everything before it,
/// this would take minutes.
#[test]
fn payloads_in_any_order_come_to_the_same() {
    const MANY: u16 = 60_000;
    let write = |ids: &mut dyn Iterator<Item = u16>| {
        let mut tree = tree();
        let mut transaction = tree
            .write(path("/1000/0/1"), WriteMode::PartialUpdate)
            .unwrap();
        let mut push = |event: Event<'_>| transaction.event(event).unwrap();
        push(Event::Object(1000.into()));
        push(Event::Instance(Some(InstanceId::ZERO)));
        push(Event::Multiple(1.into()));
        for id in ids {
            push(Event::ResourceInstance {
                id: id.into(),
                value: ValueRef::String("new"),
                time: None,
            });
        }
        push(Event::EndMultiple);
        push(Event::EndInstance);
        push(Event::EndObject);
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
        tree.snapshot()
    };
    let ascending = write(&mut (0..MANY));
    assert_eq!(write(&mut (0..MANY).rev()), ascending);
    let half = MANY / 2;
    let folded = (0..half).flat_map(|id| [half + id, half - 1 - id]);
    assert_eq!(write(&mut folded.into_iter()), ascending);
}

/// Deleting all instances of an Object takes linear time. If each step looked at all that is left,
/// this would take minutes.
#[test]
fn many_instances_are_deleted_at_once() {
    const MANY: u16 = 60_000;
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&KINDS));
    let paths = |ids: core::ops::Range<u16>| {
        ids.map(|id| Path::Instance(1000.into(), InstanceId::new(id).unwrap()))
    };
    let create = paths(0..MANY).map(|path| Change::Create { path });
    tree.change(create.collect::<Vec<_>>()).unwrap();
    // In any order, and not all of them.
    let delete = |path| Change::Delete { path };
    let (some, more) = (paths(7..MANY / 2), paths(MANY / 2..MANY).rev());
    let changes: Vec<Change> = some.chain(more).map(delete).collect();
    tree.change(&changes[..]).unwrap();
    let left: Vec<u16> = tree.instances(1000.into()).map(InstanceId::get).collect();
    assert_eq!(left, [0, 1, 2, 3, 4, 5, 6]);
    // No Object Instance is deleted twice in one commit. One that is created again is there.
    let [first, second] = [0, 1].map(|id| paths(id..id + 1).next().unwrap());
    let twice = [first, second, first].map(delete);
    let refused = Err(WriteError::NotFound(first));
    assert_eq!(tree.change(&twice), refused);
    let again = [
        delete(first),
        delete(second),
        Change::Create { path: second },
    ];
    tree.change(&again).unwrap();
    assert!(tree.locate(first).is_none() && tree.locate(second).is_some());
}

/// TS 5.4.6, D.1: a server may create the one instance and delete it, unless there has to be one.
#[test]
fn the_instance_of_a_single_instance_object_comes_and_goes() {
    static TANK: ObjectDefinition = {
        static RESOURCES: &[ResourceDefinition] = &[ResourceDefinition::new(
            0,
            "Level",
            Operations::ReadWrite,
            DataType::Integer,
        )];
        let urn = "urn:oma:lwm2m:x:30000";
        ObjectDefinition::new(ObjectId::new(30000), "Tank", urn, RESOURCES)
    };
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&TANK).managed(9));
    let there = path("/30000/0");
    for instance in [None, Some(0)] {
        let mut transaction = tree.create(TANK.id).unwrap();
        push(&mut transaction, 30000, instance, &[]).unwrap();
        let changes = transaction.finish().unwrap();
        assert_eq!(*changes, [Change::Create { path: there }]);
        tree.commit(&changes).unwrap();
        let again = tree.create(TANK.id).err();
        assert_eq!(again, Some(WriteError::NotManaged(path("/30000"))));
        let changes = tree.delete(there).unwrap();
        tree.commit(&changes).unwrap();
        assert!(tree.locate(there).is_none());
    }
    let mut transaction = tree.create(TANK.id).unwrap();
    let other = push(&mut transaction, 30000, Some(1), &[]);
    assert_eq!(other, Err(WriteError::TooMany(path("/30000/1"))));

    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]).managed(9));
    let device = path("/3/0");
    assert_eq!(tree.delete(device), Err(WriteError::NotManaged(device)));
}

/// TS 5.4.6: the only instance of a single-instance Object is 0.
#[test]
fn a_single_instance_object_has_instance_0_and_no_other() {
    let one = InstanceId::new(1).unwrap();
    let too_many = Some(WriteError::TooMany(path("/3/1")));
    for other in [
        Store::new(&DEVICE).with(one, 9, 5),
        Store::new(&DEVICE).with_instances(one, 7, [(0, 5)]),
        Store::new(&DEVICE).with_executable(one, 5),
        Store::new(&DEVICE).with_instance(one),
    ] {
        assert_eq!(other.next_instance(None), None);
        assert_eq!(other.checked().err(), too_many);
    }
    let store = Store::new(&DEVICE).with_instance(InstanceId::ZERO);
    assert!(store.has_instance(InstanceId::ZERO) && store.checked().is_ok());
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&DEVICE));
    let changes = [Change::Create { path: path("/3/1") }];
    assert_eq!(tree.change(&changes).err(), too_many);
}

#[test]
fn a_commit_over_several_objects_is_whole_or_nothing() {
    let mut tree = tree();
    let before = everything(&tree);
    let changes = [
        Change::Set {
            path: path("/3/0/9"),
            value: 1.into(),
        },
        Change::Set {
            path: path("/1/0/1"),
            value: 0.into(),
        }, // refused: a lifetime of 0
    ];
    assert_eq!(
        tree.change(&changes),
        Err(WriteError::Refused(path("/1/0/1")))
    );
    assert_eq!(everything(&tree), before);
}

/// Changes are shown with their values, except for secrets: the Security Object, and user name and
/// password of Software Management.
#[test]
fn changes_do_not_show_secrets() {
    let set = |at: &str| Change::Set {
        path: path(at),
        value: Value::from("hunter2"),
    };
    for at in ["/0/0/5", "/0/1/0", "/9/0/14", "/9/3/15"] {
        assert_eq!(format!("{:?}", set(at)), format!("Set({at}, ..)"));
    }
    for at in ["/1/0/7", "/3/0/14", "/9/0/3", "/9/0/16", "/16/0/0/1"] {
        assert_eq!(format!("{:?}", set(at)), format!("Set({at}, \"hunter2\")"));
    }
    let at = path("/0/0/5");
    for (change, shown) in [
        (Change::Clear { path: at }, "Clear(/0/0/5)"),
        (Change::Remove { path: at }, "Remove(/0/0/5)"),
        (Change::Create { path: at }, "Create(/0/0/5)"),
        (Change::Delete { path: at }, "Delete(/0/0/5)"),
    ] {
        assert_eq!(format!("{change:?}"), shown);
        assert_eq!(change.path(), at);
    }
}

/// One step on the tree of this test, by numbers.
fn step(tree: &mut ObjectTree, kind: u8, instance: u16, value: i64) {
    let id = InstanceId::new(instance % 4).unwrap();
    let at = |resource: u16| Path::Resource(1000.into(), id, resource.into());
    let changes = match kind % 6 {
        0 => tree.delete(Path::Instance(1000.into(), id)).ok(),
        1 => tree.create(1000.into()).ok().and_then(|mut transaction| {
            push(&mut transaction, 1000, Some(id.get()), &[(0, value.into())]).ok()?;
            transaction.finish().ok()
        }),
        2 | 3 => {
            let mode = if kind % 6 == 2 {
                WriteMode::Replace
            } else {
                WriteMode::PartialUpdate
            };
            tree.write(Path::Instance(1000.into(), id), mode)
                .ok()
                .and_then(|mut transaction| {
                    let multiple = Path::ResourceInstance(
                        1000.into(),
                        id,
                        1.into(),
                        u16::try_from(value.rem_euclid(7)).unwrap().into(),
                    );
                    let content = Content::from_iter([
                        (at(0), Value::Integer(value)),
                        (multiple, Value::from("new")),
                    ]);
                    content.push(&mut transaction).ok()?;
                    transaction.finish().ok()
                })
        }
        4 => tree
            .bootstrap_write(Path::Object(1000.into()))
            .ok()
            .and_then(|mut transaction| {
                push(
                    &mut transaction,
                    1000,
                    Some(id.get()),
                    &[(0, value.into()), (2, 3.into())],
                )
                .ok()?;
                transaction.finish().ok()
            }),
        _ => tree
            .check([
                Change::Clear { path: at(1) },
                Change::Remove { path: at(4) },
            ])
            .ok(),
    };
    if let Some(changes) = changes {
        // A refused step changes nothing.
        let _ = tree.commit(&changes);
    }
}

proptest! {
    /// Held commits have the same result as others, and are rolled back as a whole.
    #[test]
    fn taking_commits_back_restores_the_tree(
        steps in prop::collection::vec((any::<u8>(), 0..4u16, any::<i64>()), 1..12),
        first in 0..12_usize,
    ) {
        let mut held = tree();
        let (before, after) = steps.split_at(first.min(steps.len()));
        for (kind, instance, value) in before {
            step(&mut held, *kind, *instance, *value);
        }
        let mut at_once = tree();
        at_once.restore(&held.snapshot()).unwrap();
        let (state, snapshot) = (everything(&held), held.snapshot());
        for keep in [false, true] {
            held.hold();
            prop_assert!(held.is_holding());
            for (kind, instance, value) in after {
                step(&mut held, *kind, *instance, *value);
            }
            if keep {
                held.keep();
            } else {
                held.roll_back();
                prop_assert_eq!(&everything(&held), &state);
                prop_assert_eq!(&held.snapshot(), &snapshot);
            }
            prop_assert!(!held.is_holding());
        }
        for (kind, instance, value) in after {
            step(&mut at_once, *kind, *instance, *value);
        }
        prop_assert_eq!(held.snapshot(), at_once.snapshot());
    }

    #[test]
    fn any_sequence_of_events_is_taken_or_refused(
        events in prop::collection::vec((0..8u8, 0..6u16, any::<bool>()), 0..24),
        purpose in 0..3u8,
    ) {
        let mut tree = tree();
        let before = everything(&tree);
        let mut transaction = match purpose {
            0 => tree.write(path("/1000/0"), WriteMode::Replace).unwrap(),
            1 => tree.create(1000.into()).unwrap(),
            _ => tree.bootstrap_write(path("/1000")).unwrap(),
        };
        let result = events.into_iter().try_for_each(|(kind, id, some)| {
            let value = if some { ValueRef::Integer(1) } else { ValueRef::String("s") };
            transaction.event(match kind {
                0 => Event::Object(1000.into()),
                1 => Event::Instance(InstanceId::new(id).filter(|_| some)),
                2 => Event::Resource { id: id.into(), value, time: None },
                3 => Event::Multiple(id.into()),
                4 => Event::ResourceInstance { id: id.into(), value, time: None },
                5 => Event::EndMultiple,
                6 => Event::EndInstance,
                _ => Event::EndObject,
            })
        });
        let changes = result.and_then(|()| transaction.finish());
        tree.hold();
        if let Ok(changes) = changes {
            // It may be one Object Instance too many.
            let _ = tree.commit(&changes);
        }
        tree.roll_back();
        prop_assert_eq!(everything(&tree), before);
    }
}
