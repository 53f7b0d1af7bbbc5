//! What a new Object Instance begins with (TS 5.4.6, 6.1, 7.3.2.4), and who may commit checked changes.

use lwm2m_core::{
    DataType, InstanceId, ObjectId, Path, Value, WriteMode,
    codec::{Content, Event, Sink},
};
use lwm2m_kit::{instance, path};
use lwm2m_objects::{
    Change, DEVICE, ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store,
    Transaction, WriteError,
};

static RESOURCES: [ResourceDefinition; 5] = [
    ResourceDefinition::new(0, "Serial", Operations::Read, DataType::String).mandatory(),
    ResourceDefinition::new(1, "Samples", Operations::Read, DataType::Integer)
        .multiple()
        .mandatory(),
    ResourceDefinition::new(2, "Name", Operations::ReadWrite, DataType::String).mandatory(),
    ResourceDefinition::new(3, "Last", Operations::Read, DataType::Integer),
    ResourceDefinition::new(4, "Note", Operations::ReadWrite, DataType::String),
];
static SENSOR: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(31000),
    "Sensor",
    "urn:oma:lwm2m:x:31000",
    &RESOURCES,
)
.multiple();

fn tree(initially: Option<fn(Store, InstanceId) -> Store>) -> ObjectTree {
    let store = Store::new(&SENSOR).managed(9);
    let mut tree = ObjectTree::new();
    tree.add(match initially {
        Some(initially) => store.initially(initially),
        None => store,
    });
    tree
}

/// The payload of an Object Instance with a name, and whatever else.
fn push(transaction: &mut Transaction<'_>, instance: Option<u16>, more: &[(u16, Value)]) {
    let mut push = |event| transaction.event(event).unwrap();
    push(Event::Object(SENSOR.id));
    push(Event::Instance(instance.and_then(InstanceId::new)));
    let name = (2, Value::from("name"));
    for (id, value) in core::iter::once(&name).chain(more) {
        let (id, value, time) = ((*id).into(), value.as_ref(), None);
        push(Event::Resource { id, value, time });
    }
    push(Event::EndInstance);
    push(Event::EndObject);
}

fn create(tree: &mut ObjectTree, instances: &[Option<u16>]) -> Result<Vec<Path>, WriteError> {
    let mut transaction = tree.create(SENSOR.id)?;
    for instance in instances {
        push(&mut transaction, *instance, &[(0, "not theirs".into())]);
    }
    let changes = transaction.finish()?;
    tree.commit(&changes)
}

/// The Resources that an Object Instance has.
fn resources(tree: &ObjectTree, id: u16) -> Vec<u16> {
    let resources = tree.resources(SENSOR.id, instance(id));
    resources.map(|resource| resource.id.get()).collect()
}

#[test]
fn what_is_mandatory_and_read_only_is_there_with_the_commit() {
    let mut tree = tree(Some(|store, id| {
        store
            .with(id, 0, format!("serial {id}"))
            .with_instances(id, 1, [(3, 30), (4, 40)])
            // What a server sets, and what is optional, isn't for the Object to begin with.
            .with(id, 2, "ours")
            .with(id, 3, 5)
            .with(id, 4, "ours")
    }));
    let made = create(&mut tree, &[Some(7), Some(9)]);
    assert_eq!(made, Ok(["/31000/7", "/31000/9"].map(path).into()));
    for id in [7, 9] {
        let value = |resource: &str| tree.get(path(&format!("/31000/{id}/{resource}")));
        assert_eq!(value("0"), Some(format!("serial {id}").into()));
        assert_eq!(
            [value("1/3"), value("1/4")],
            [Some(30.into()), Some(40.into())]
        );
        assert_eq!(value("2"), Some("name".into()));
        assert_eq!(resources(&tree, id), [0, 1, 2]);
    }
}

/// An array has no value to begin with: it is there, and empty.
#[test]
fn an_array_begins_empty_if_nothing_is_said() {
    let mut tree = tree(Some(|store, id| store.with(id, 0, "serial")));
    create(&mut tree, &[None]).unwrap();
    assert_eq!(resources(&tree, 0), [0, 1, 2]);
    assert_eq!(tree.dimension(path("/31000/0/1")), Some(0));
}

#[test]
fn without_a_mandatory_value_nothing_is_created() {
    let missing = Err(WriteError::NotSupplied(path("/31000/0/0")));
    assert_eq!(create(&mut tree(None), &[None]), missing);
    // A value that doesn't fit is none.
    let mut misfit = tree(Some(|store, id| store.with(id, 0, 5)));
    assert_eq!(create(&mut misfit, &[None]), missing);
    // Several Object Instances: none or all.
    let mut one = tree(Some(|store, id| match id.get() {
        8 => store,
        _ => store.with(id, 0, "serial"),
    }));
    let missing = Err(WriteError::NotSupplied(path("/31000/8/0")));
    assert_eq!(create(&mut one, &[Some(7), Some(8)]), missing);
    assert_eq!(one.instances(SENSOR.id).count(), 0);
}

/// A Bootstrap-Server sets them itself, or leaves them to the Client. What is missing in the end is for the
/// Bootstrap-Finish (TS 5.2.6).
#[test]
fn a_bootstrap_write_leaves_to_the_object_what_it_does_not_name() {
    let ours: fn(Store, InstanceId) -> Store = |store, id| store.with(id, 0, "ours");
    for (initially, expected) in [(None, &[1_u16, 2][..]), (Some(ours), &[0, 1, 2])] {
        let mut tree = tree(initially);
        let mut transaction = tree.bootstrap_write(path("/31000/5")).unwrap();
        push(&mut transaction, Some(5), &[]);
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
        assert_eq!(resources(&tree, 5), expected);
        let mut transaction = tree.bootstrap_write(path("/31000/6")).unwrap();
        push(&mut transaction, Some(6), &[(0, "theirs".into())]);
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
        assert_eq!(tree.get(path("/31000/6/0")), Some("theirs".into()));
    }
}

/// TS 8.2.5: the answer tells an identifier that the Client has chosen.
#[test]
fn a_transaction_knows_the_identifier_that_it_has_chosen() {
    let mut tree = tree(Some(|store, id| store.with(id, 0, "serial")));
    for (named, assigned) in [
        (None, Some(0)),
        (Some(5), None),
        (None, Some(1)),
        (Some(2), None),
        (None, Some(3)),
    ] {
        let mut transaction = tree.create(SENSOR.id).unwrap();
        assert_eq!(transaction.assigned(), None);
        push(&mut transaction, named, &[]);
        let assigned = assigned.map(instance);
        assert_eq!(transaction.assigned(), assigned);
        // Also when the payload has ended, and is followed by changes of access control.
        let note = Change::Set {
            path: Path::Resource(SENSOR.id, assigned.unwrap_or(InstanceId::ZERO), 4.into()),
            value: "note".into(),
        };
        transaction.change(note).unwrap();
        assert_eq!(transaction.assigned(), assigned);
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
    }
}

/// Another tree has other definitions, and so has this one once an Object was added.
#[test]
fn changes_are_taken_by_the_tree_that_has_checked_them_alone() {
    let timezone = path("/3/0/15");
    let device = || Store::new(&DEVICE).with(InstanceId::ZERO, 15, "Europe/Paris");
    let tree = || {
        let mut tree = ObjectTree::new();
        tree.add(device());
        tree
    };
    let (mut one, mut other) = (tree(), tree());
    let set = Change::Set {
        path: timezone,
        value: "Asia/Tokyo".into(),
    };
    let checked = one.check([set.clone()]).unwrap();
    let mut transaction = one.write(timezone, WriteMode::Replace).unwrap();
    let content = Content::from_iter([(timezone, Value::from("Asia/Tokyo"))]);
    content.push(&mut transaction).unwrap();
    let written = transaction.finish().unwrap();
    assert_eq!(checked, written);
    for changes in [&checked, &written] {
        assert_eq!(other.commit(changes), Err(WriteError::CheckedElsewhere));
        assert_eq!(other.get(timezone), Some("Europe/Paris".into()));
    }
    let theirs = other.check([set]).unwrap();
    assert_eq!(one.commit(&theirs), Err(WriteError::CheckedElsewhere));
    assert_eq!(one.commit(&checked), Ok(vec![timezone]));
    // The same changes may be committed again.
    assert_eq!(one.commit(&written), Ok(vec![]));
    one.add(device());
    assert_eq!(one.commit(&checked), Err(WriteError::CheckedElsewhere));
    assert_eq!(one.get(timezone), Some("Europe/Paris".into()));
}
