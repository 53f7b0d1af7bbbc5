//! Several operations on several Objects in one transaction, and what is checked of them.

use lwm2m_core::{
    AccessRights, DataType, InstanceId, ObjectId, Path, Value, WriteMode,
    codec::{Content, Event, Sink, WithInstance},
};
use lwm2m_kit::{instance, path};
use lwm2m_objects::{
    Change, ObjectDefinition, ObjectTree, Operations, Range, ResourceDefinition, Store,
    Transaction, WriteError, access, example, typed,
};
use proptest::{collection, option, prelude::*};

static RESOURCES: [ResourceDefinition; 3] = [
    ResourceDefinition::new(0, "Mandatory", Operations::ReadWrite, DataType::Integer)
        .mandatory()
        .with_range(Range::Numbers(0, 9)),
    ResourceDefinition::new(1, "Multiple", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::new(2, "Read-only", Operations::Read, DataType::Integer),
];
static ONE: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(1001),
    "One",
    "urn:oma:lwm2m:x:1001",
    &RESOURCES,
)
.multiple();
static TWO: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(1002),
    "Two",
    "urn:oma:lwm2m:x:1002",
    &RESOURCES,
)
.multiple();

fn tree() -> ObjectTree {
    let mut tree = ObjectTree::new();
    for definition in [&ONE, &TWO] {
        tree.add(
            Store::new(definition)
                .managed(3)
                .supporting([1, 2])
                .with(InstanceId::ZERO, 0, 1)
                .with_instances(InstanceId::ZERO, 1, [(0, 10), (1, 11)]),
        );
    }
    tree
}

fn push(transaction: &mut Transaction<'_>, values: &[(&str, i64)]) -> Result<(), WriteError> {
    let values = values.iter();
    let content: Content = values
        .map(|(at, value)| (path(at), Value::Integer(*value)))
        .collect();
    content.push(transaction)
}

fn create(
    transaction: &mut Transaction<'_>,
    object: &ObjectDefinition,
    mandatory: i64,
) -> Result<(), WriteError> {
    transaction.create(object.id)?;
    transaction.event(Event::Object(object.id))?;
    transaction.event(Event::Instance(None))?;
    transaction.event(Event::Resource {
        id: 0.into(),
        value: Value::Integer(mandatory).as_ref(),
        time: None,
    })?;
    transaction.event(Event::EndInstance)?;
    transaction.event(Event::EndObject)
}

fn integers(tree: &ObjectTree, at: &str) -> Vec<i64> {
    let mut found = Vec::new();
    tree.visit(path(at), |_, value| {
        if let Value::Integer(number) = value.to_owned() {
            found.push(number);
        }
    });
    found
}

#[test]
fn writes_of_several_objects_are_committed_together_in_any_order() {
    let mut tree = tree();
    let mut transaction = tree.transaction();
    for at in ["/1002/0/0", "/1001/0/0"] {
        transaction.write(path(at), WriteMode::Replace).unwrap();
        push(&mut transaction, &[(at, 5)]).unwrap();
    }
    transaction
        .write(path("/1002/0"), WriteMode::PartialUpdate)
        .unwrap();
    push(&mut transaction, &[("/1002/0/1/7", 17)]).unwrap();
    let changes = transaction.finish().unwrap();
    let objects: Vec<_> = changes
        .iter()
        .map(|change| change.path().object())
        .collect();
    assert!(objects.is_sorted());
    let differences = tree.commit(&changes).unwrap();
    assert_eq!(
        differences,
        ["/1001/0/0", "/1002/0/0", "/1002/0/1"].map(path)
    );
    assert_eq!(integers(&tree, "/1001/0/0"), [5]);
    assert_eq!(integers(&tree, "/1002/0/1"), [10, 11, 17]);
}

#[test]
fn what_one_object_refuses_changes_no_other() {
    let mut tree = tree();
    let refusing = Store::new(&TWO)
        .with(InstanceId::ZERO, 0, 1)
        .accepting(|_, value| *value != Value::Integer(7).as_ref());
    tree.add(refusing);
    let mut transaction = tree.transaction();
    for at in ["/1001/0/0", "/1002/0/0"] {
        transaction.write(path(at), WriteMode::Replace).unwrap();
        push(&mut transaction, &[(at, 7)]).unwrap();
    }
    let changes = transaction.finish().unwrap();
    let refused = Err(WriteError::Refused(path("/1002/0/0")));
    assert_eq!(tree.commit(&changes), refused);
    assert_eq!(integers(&tree, "/1001/0/0"), [1]);
}

/// Nothing can be committed of a payload that was refused.
#[test]
fn after_an_error_a_transaction_is_over() {
    let tree = tree();
    let (good, bad) = (path("/1001/0/0"), path("/1002/0/0"));
    let error = WriteError::OutOfRange(bad);
    let mut transaction = tree.write(good, WriteMode::Replace).unwrap();
    push(&mut transaction, &[("/1001/0/0", 5)]).unwrap();
    transaction.write(bad, WriteMode::Replace).unwrap();
    assert_eq!(push(&mut transaction, &[("/1002/0/0", 10)]), Err(error));
    assert_eq!(transaction.event(Event::EndObject), Err(error));
    assert_eq!(transaction.write(good, WriteMode::Replace), Err(error));
    assert_eq!(transaction.delete(path("/1001/0")), Err(error));
    assert_eq!(
        transaction.change(Change::Clear {
            path: path("/1001/0/1")
        }),
        Err(error)
    );
    assert_eq!(transaction.finish(), Err(error));
}

#[test]
fn an_incomplete_payload_is_found_when_the_next_operation_begins() {
    let tree = tree();
    let mut transaction = tree.create(ONE.id).unwrap();
    transaction.event(Event::Object(ONE.id)).unwrap();
    transaction
        .event(Event::Instance(InstanceId::new(4)))
        .unwrap();
    let missing = Err(WriteError::Missing(path("/1001/4/0")));
    assert_eq!(transaction.create(TWO.id), missing);
    assert_eq!(transaction.finish().err(), missing.err());
}

#[test]
fn no_event_is_taken_without_an_operation() {
    let tree = tree();
    let mut transaction = tree.transaction();
    let nowhere = Err(WriteError::Structure(Path::Root));
    assert_eq!(transaction.event(Event::Object(ONE.id)), nowhere);
    let nothing = tree.transaction().finish().unwrap();
    assert!(nothing.is_empty());
}

#[test]
fn an_operation_finds_what_those_before_it_leave() {
    let mut tree = tree();
    let mut transaction = tree.transaction();
    // Created, and written: its array begins empty.
    create(&mut transaction, &ONE, 2).unwrap();
    let (created, array) = (path("/1001/1"), "/1001/1/1/3");
    transaction
        .write(created, WriteMode::PartialUpdate)
        .unwrap();
    push(&mut transaction, &[("/1001/1/0", 3), (array, 13)]).unwrap();
    // Written again: now there is something to merge with.
    transaction
        .write(created, WriteMode::PartialUpdate)
        .unwrap();
    push(&mut transaction, &[("/1001/1/1/4", 14)]).unwrap();
    // The next one gets another identifier.
    create(&mut transaction, &ONE, 4).unwrap();
    // Deleted: it can't be written, but created again.
    transaction.delete(path("/1002/0")).unwrap();
    transaction.bootstrap_write(path("/1002/0/0")).unwrap();
    push(&mut transaction, &[("/1002/0/0", 6)]).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(integers(&tree, "/1001/1/0"), [3]);
    assert_eq!(integers(&tree, "/1001/1/1"), [13, 14]);
    assert_eq!(integers(&tree, "/1001/2/0"), [4]);
    assert_eq!(integers(&tree, "/1002/0/0"), [6]);
    assert_eq!(integers(&tree, "/1002/0/1"), []);

    let mut transaction = tree.transaction();
    transaction.delete(path("/1001/1")).unwrap();
    let gone = WriteError::NotFound(path("/1001/1"));
    let written = transaction.write(path("/1001/1"), WriteMode::Replace);
    assert_eq!(written, Err(gone));
    let mut transaction = tree.transaction();
    transaction.delete(path("/1001/1")).unwrap();
    assert_eq!(transaction.delete(path("/1001/1")), Err(gone));
}

/// A Replace removes what it doesn't name, also what an operation before has set.
#[test]
fn a_replace_removes_what_an_operation_before_has_set() {
    let mut tree = tree();
    tree.change([Change::Remove {
        path: path("/1001/0/1"),
    }])
    .unwrap();
    let mut transaction = tree.transaction();
    transaction
        .write(path("/1001/0"), WriteMode::PartialUpdate)
        .unwrap();
    push(&mut transaction, &[("/1001/0/1/0", 5)]).unwrap();
    transaction
        .write(path("/1001/0"), WriteMode::Replace)
        .unwrap();
    push(&mut transaction, &[("/1001/0/0", 5)]).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert!(tree.locate(path("/1001/0/1")).is_none());
}

/// The instance of a single-instance Object is created once.
#[test]
fn a_single_instance_is_created_once_in_a_transaction() {
    static SINGLE: ObjectDefinition = ObjectDefinition::new(
        ObjectId::new(1003),
        "Single",
        "urn:oma:lwm2m:x:1003",
        &RESOURCES,
    );
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&SINGLE).managed(1));
    let mut transaction = tree.transaction();
    create(&mut transaction, &SINGLE, 1).unwrap();
    let again = WriteError::NotManaged(path("/1003"));
    assert_eq!(create(&mut transaction, &SINGLE, 2), Err(again));
    let mut transaction = tree.transaction();
    create(&mut transaction, &SINGLE, 1).unwrap();
    transaction.delete(path("/1003/0")).unwrap();
    create(&mut transaction, &SINGLE, 2).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(integers(&tree, "/1003/0/0"), [2]);
}

/// An identifier that an operation has freed goes to the next one that needs one, as it would if each
/// were committed by itself.
#[test]
fn a_create_gets_an_identifier_that_a_delete_before_has_freed() {
    static SINGLE: ObjectDefinition = ObjectDefinition::new(
        ObjectId::new(1003),
        "Single",
        "urn:oma:lwm2m:x:1003",
        &RESOURCES,
    );
    let mut tree = tree();
    let single = Store::new(&SINGLE).managed(1);
    tree.add(single.with(InstanceId::ZERO, 0, 1));
    for definition in [&SINGLE, &ONE] {
        let object = Path::Object(definition.id);
        let first = path(&format!("{object}/0"));
        let mut transaction = tree.transaction();
        transaction.delete(first).unwrap();
        create(&mut transaction, definition, 2).unwrap();
        let changes = transaction.finish().unwrap();
        assert_eq!(tree.commit(&changes), Ok(vec![first]));
        assert_eq!(integers(&tree, &format!("{object}/0/0")), [2]);
    }

    // Each is given once, and in ascending order with those that were free before.
    let mut transaction = tree.transaction();
    for _ in 0..2 {
        create(&mut transaction, &ONE, 1).unwrap();
    }
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    let mut transaction = tree.transaction();
    for at in ["/1001/0", "/1001/2"] {
        transaction.delete(path(at)).unwrap();
    }
    for value in [7, 8] {
        create(&mut transaction, &ONE, value).unwrap();
    }
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    let there = ["/1001/0/0", "/1001/1/0", "/1001/2/0"].map(|at| integers(&tree, at));
    assert_eq!(there, [[7], [1], [8]]);
}

/// TS 5.4.6: what a server creates gets its Access Control Object Instances in the same commit, even
/// if it is in several Objects.
#[test]
fn instances_of_several_objects_get_access_control_instances_in_one_commit() {
    let mut tree = example::client();
    for definition in [&ONE, &TWO] {
        tree.add(Store::new(definition).managed(3));
    }
    let server = example::SERVER_2;
    let before = tree.instances(ObjectId::ACCESS_CONTROL).count();
    let mut transaction = tree.transaction();
    for definition in [&ONE, &TWO, &TWO] {
        create(&mut transaction, definition, 1).unwrap();
    }
    transaction.delete(path("/1002/1")).unwrap();
    for change in access::created(&tree, server, transaction.changes()).unwrap() {
        transaction.change(change).unwrap();
    }
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    let controls = |tree: &ObjectTree| tree.instances(ObjectId::ACCESS_CONTROL).count();
    assert_eq!(controls(&tree), before + 2);
    let rights = |tree: &ObjectTree, definition: &ObjectDefinition| {
        access::rights(tree, server, definition.id, InstanceId::ZERO)
    };
    for definition in [&ONE, &TWO] {
        let full = typed::AccessControl::OWNER_RIGHTS;
        assert_eq!(rights(&tree, definition), full);
    }

    // One is replaced: by another server, which takes over. What has gone isn't deleted twice.
    let mut transaction = tree.transaction();
    transaction.delete(path("/1001/0")).unwrap();
    for change in access::deleted(&tree, ONE.id, InstanceId::ZERO) {
        transaction.change(change).unwrap();
    }
    create(&mut transaction, &ONE, 2).unwrap();
    let added = access::created(&tree, example::SERVER_1, transaction.changes()).unwrap();
    for change in added {
        transaction.change(change).unwrap();
    }
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(controls(&tree), before + 2);
    assert_eq!(rights(&tree, &ONE), AccessRights::NONE);
}

/// What the Client changes by itself fits the definition, even if no server may change it.
#[test]
fn changes_of_the_clients_own_are_checked_with_the_others() {
    let mut tree = tree();
    let set = |at: &str, value: i64| Change::Set {
        path: path(at),
        value: value.into(),
    };
    let mut transaction = tree.transaction();
    create(&mut transaction, &ONE, 2).unwrap();
    let created = transaction.changes().first().map(Change::path);
    assert_eq!(created, Some(path("/1001/1")));
    transaction.change(set("/1001/1/2", 5)).unwrap();
    transaction.change(set("/1002/0/2", 6)).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(integers(&tree, "/1001/1/2"), [5]);
    assert_eq!(integers(&tree, "/1002/0/2"), [6]);
    for (change, error) in [
        (
            set("/1001/0/0", 10),
            WriteError::OutOfRange(path("/1001/0/0")),
        ),
        (
            set("/1001/0/1", 1),
            WriteError::WrongType(path("/1001/0/1")),
        ),
        (
            set("/1001/0/9", 1),
            WriteError::NotWritable(path("/1001/0/9")),
        ),
        (set("/1009/0/0", 1), WriteError::NotFound(path("/1009/0/0"))),
    ] {
        let refused = tree.transaction().change(change.clone());
        assert_eq!(refused, Err(error));
        assert_eq!(tree.check([change]).err(), Some(error));
    }
}

/// An Object Instance that was deleted leaves nothing to what comes after it.
#[test]
fn a_delete_takes_along_what_operations_before_have_set() {
    let tree = tree();
    let mut transaction = tree.transaction();
    transaction
        .write(path("/1001/0"), WriteMode::PartialUpdate)
        .unwrap();
    push(&mut transaction, &[("/1001/0/1/5", 5)]).unwrap();
    transaction.delete(path("/1001/0")).unwrap();
    transaction.bootstrap_write(path("/1001/0")).unwrap();
    push(&mut transaction, &[("/1001/0/0", 1)]).unwrap();
    let changes = transaction.finish().unwrap();
    let removed = |change: &Change| matches!(change, Change::Remove { .. });
    assert!(!changes.iter().any(removed), "{changes:?}");
}

/// An operation of a transaction, on either Object.
#[derive(Clone, Debug)]
enum Operation {
    Create(ObjectId, Option<InstanceId>, Values),
    Delete(Path),
    Write(Path, WriteMode, Values),
    BootstrapWrite(Path, Values),
}

/// What a payload has: the mandatory Resource, and Resource Instances of the multiple one.
type Values = (Option<i64>, Vec<(u16, i64)>);

fn content(at: Path, (mandatory, multiple): &Values) -> Content {
    let mandatory = mandatory.iter();
    let mandatory = mandatory.map(|value| (path(&format!("{at}/0")), *value));
    let multiple = multiple.iter();
    let multiple = multiple.map(|(id, value)| (path(&format!("{at}/1/{id}")), *value));
    mandatory.chain(multiple).collect()
}

impl Operation {
    fn add_to(&self, transaction: &mut Transaction<'_>) -> Result<(), WriteError> {
        match self {
            Self::Create(object, instance, values) => {
                transaction.create(*object)?;
                let at = Path::Instance(*object, InstanceId::ZERO);
                content(at, values).push(&mut WithInstance::new(transaction, *instance))
            }
            Self::Delete(at) => transaction.delete(*at),
            Self::Write(at, mode, values) => {
                transaction.write(*at, *mode)?;
                content(*at, values).push(transaction)
            }
            Self::BootstrapWrite(at, values) => {
                transaction.bootstrap_write(*at)?;
                content(*at, values).push(transaction)
            }
        }
    }
}

/// The operations, in one commit.
fn commit(tree: &mut ObjectTree, operations: &[Operation]) -> Result<(), WriteError> {
    let mut transaction = tree.transaction();
    for operation in operations {
        operation.add_to(&mut transaction)?;
    }
    let changes = transaction.finish()?;
    tree.commit(&changes).map(drop)
}

/// The Resources that are there, and their values.
fn everything(tree: &ObjectTree) -> Vec<(Path, Vec<i64>)> {
    let mut found = Vec::new();
    for object in [ONE.id, TWO.id] {
        for instance in tree.instances(object) {
            found.push((Path::Instance(object, instance), Vec::new()));
            for resource in tree.resources(object, instance) {
                let at = Path::Resource(object, instance, resource.id);
                found.push((at, integers(tree, &at.to_string())));
            }
        }
    }
    found
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let object = || prop_oneof![Just(ONE.id), Just(TWO.id)];
    let id = || (0..4_u16).prop_map(instance);
    let target = move || (object(), id()).prop_map(|(object, id)| Path::Instance(object, id));
    let mode = prop_oneof![Just(WriteMode::Replace), Just(WriteMode::PartialUpdate)];
    let multiple = || collection::vec((0..3_u16, 0..9_i64), 0..3);
    let values = move || (option::weighted(0.9, 0..10_i64), multiple());
    let create = (object(), option::of(id()), values());
    let operation = prop_oneof![
        create.prop_map(|(object, id, values)| Operation::Create(object, id, values)),
        target().prop_map(Operation::Delete),
        (target(), mode, values())
            .prop_map(|(at, mode, values)| Operation::Write(at, mode, values)),
        (target(), values()).prop_map(|(at, values)| Operation::BootstrapWrite(at, values)),
    ];
    collection::vec(operation, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Operations in one transaction leave the tree as they would one by one. If one of them is refused,
    /// or the commit is rolled back, nothing has changed.
    #[test]
    fn a_transaction_does_what_its_operations_do_one_by_one(operations in operations()) {
        let mut one_by_one = tree();
        let mut all = tree();
        let before = everything(&all);
        let mut each = operations.chunks(1);
        let expected = each.try_for_each(|operation| commit(&mut one_by_one, operation));
        let committed = commit(&mut all, &operations);
        prop_assert_eq!(committed.is_ok(), expected.is_ok(), "{:?}, {:?}", committed, expected);
        let after = if committed.is_ok() { everything(&one_by_one) } else { before.clone() };
        prop_assert_eq!(&everything(&all), &after);

        let mut held = tree();
        held.hold();
        prop_assert_eq!(commit(&mut held, &operations), committed);
        prop_assert_eq!(everything(&held), after);
        held.roll_back();
        prop_assert_eq!(everything(&held), before);
    }
}
