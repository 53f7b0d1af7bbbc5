//! The work with many Object Instances and many changes, measured in calls of an Object.

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use lwm2m_core::{
    AccessRights, DataType, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value,
    WriteMode,
    codec::{Event, Sink},
};
use lwm2m_kit::instance;
use lwm2m_objects::{
    Change, InstanceSink, Object, ObjectDefinition, ObjectTree, Operations, ReadError,
    ResourceDefinition, ResourceSink, Store, WriteError, access, accounts, typed,
};

/// A Store that counts its calls.
struct Counting {
    store: Store,
    calls: Arc<AtomicUsize>,
}

impl Counting {
    fn count(&self) -> &Store {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.store
    }
}

impl Object for Counting {
    fn definition(&self) -> &ObjectDefinition {
        self.store.definition()
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.count().next_instance(after)
    }

    fn has_instance(&self, instance: InstanceId) -> bool {
        self.count().has_instance(instance)
    }

    fn free_instance(&self, from: InstanceId) -> Option<InstanceId> {
        self.count().free_instance(from)
    }

    fn supports(&self, resource: ResourceId) -> bool {
        self.store.supports(resource)
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.count().has(instance, resource)
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        self.count().read(instance, resource, out)
    }

    fn read_instance(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        self.count().read_instance(instance, out)
    }

    fn is_managed(&self) -> bool {
        true
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        self.store.prepare(changes)
    }

    fn apply(&mut self, changes: &[Change]) {
        self.store.apply(changes);
    }

    fn supersedes(&self, _: &Change, _: &Change) -> bool {
        self.count();
        true
    }
}

/// Adds the Object to the tree. Returns the counter of its calls from now on.
fn counted(tree: &mut ObjectTree, store: Store) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    tree.add(Counting {
        store,
        calls: Arc::clone(&calls),
    });
    calls
}

/// The number of calls since the last time.
fn taken(calls: &AtomicUsize) -> usize {
    calls.swap(0, Ordering::Relaxed)
}

const SERVERS: [u16; 2] = [101, 102];

fn server(id: u16) -> ShortServerId {
    ShortServerId::new(id).unwrap()
}

/// A tree with as many Access Control Object Instances, about instances of Object 9.
fn controlled(count: u16) -> (ObjectTree, Arc<AtomicUsize>) {
    let mut tree = ObjectTree::new();
    let ids = || [0, 1].map(instance).into_iter();
    let securities = SERVERS.map(|id| typed::Security::no_sec("coap://s", server(id)));
    let servers = SERVERS.map(|id| typed::Server::new(server(id), 60));
    tree.add(Store::of(ids().zip(securities)));
    tree.add(Store::of(ids().zip(servers)));
    let controls = (0..count).map(|id| {
        let control = typed::AccessControl {
            target: typed::AclTarget::Instance(9.into(), instance(id)),
            acl: vec![(101, AccessRights::READ)],
            owner: 101,
        };
        (instance(id), control)
    });
    let calls = counted(&mut tree, Store::of(controls));
    (tree, calls)
}

/// Creates of these Object Instances.
fn creates(object: u16, instances: impl IntoIterator<Item = u16>) -> Vec<Change> {
    let paths = instances
        .into_iter()
        .map(|id| Path::Instance(object.into(), instance(id)));
    paths.map(|path| Change::Create { path }).collect()
}

/// TS 7.3.2.1: the right on an Object Instance is looked up, not searched for. So are the Access
/// Control Object Instances for a Create and a Delete.
#[test]
fn rights_cost_the_same_however_many_access_control_instances_there_are() {
    let costs = [10, 1_000, 32_000].map(|count| {
        let (mut tree, calls) = controlled(count);
        let rights = |tree: &ObjectTree, id| {
            taken(&calls);
            let rights = access::rights(tree, server(101), 9.into(), instance(id));
            (rights, taken(&calls))
        };
        // The first one reads them all.
        let (_, first) = rights(&tree, 0);
        assert!(first <= 10 * usize::from(count) + 100, "{count}: {first}");
        let (found, there) = rights(&tree, count - 1);
        assert_eq!(found, AccessRights::READ);
        let (found, absent) = rights(&tree, count);
        assert_eq!(found, AccessRights::NONE);

        taken(&calls);
        let created = access::created(&tree, server(102), &creates(9, [count])).unwrap();
        let create = taken(&calls);
        tree.change(&created[..]).unwrap();
        let (found, after) = rights(&tree, count);
        assert_eq!(found, AccessRights::NONE);
        let own = access::rights(&tree, server(102), 9.into(), instance(count));
        assert_eq!(own, typed::AccessControl::OWNER_RIGHTS);
        taken(&calls);
        let deleted = access::deleted(&tree, 9.into(), instance(count));
        assert_eq!(deleted.len(), 1);
        let delete = taken(&calls);
        tree.change(&deleted[..]).unwrap();
        let (found, gone) = rights(&tree, count);
        assert_eq!(found, AccessRights::NONE);
        [there, absent, create, after, delete, gone]
    });
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[0], costs[2]);
    assert!(costs[0].iter().all(|calls| *calls <= 30), "{costs:?}");
}

/// After the application sets an entry, not all of them are read again.
#[test]
fn rights_are_looked_up_after_an_entry_is_set() {
    let costs = [10, 1_000, 32_000].map(|count| {
        let (mut tree, calls) = controlled(count);
        let rights = |tree: &ObjectTree| access::rights(tree, server(101), 9.into(), instance(0));
        assert_eq!(rights(&tree), AccessRights::READ);
        taken(&calls);
        tree.set("/2/0/2/101".parse().unwrap(), 2).unwrap();
        assert_eq!(rights(&tree), AccessRights::WRITE);
        let entry = taken(&calls);
        // The index follows if it is about something else afterwards.
        tree.set("/2/0/1".parse().unwrap(), i64::from(count))
            .unwrap();
        assert_eq!(rights(&tree), AccessRights::NONE);
        let moved = access::rights(&tree, server(101), 9.into(), instance(count));
        assert_eq!(moved, AccessRights::WRITE);
        [entry, taken(&calls)]
    });
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[0], costs[2]);
    assert!(costs[0].iter().all(|calls| *calls <= 60), "{costs:?}");
}

/// Every Object Instance that is created gets one: the work is linear.
#[test]
fn many_creates_take_access_control_along_in_linear_work() {
    let costs = [500_u16, 1_000, 2_000, 4_000].map(|count| {
        let (mut tree, calls) = controlled(4);
        let all = 100..100 + count;
        taken(&calls);
        let created = access::created(&tree, server(101), &creates(9, all.clone())).unwrap();
        tree.change(&created[..]).unwrap();
        let at_once = taken(&calls);
        let (mut tree, calls) = controlled(4);
        taken(&calls);
        for id in all {
            let created = access::created(&tree, server(101), &creates(9, [id])).unwrap();
            tree.change(&created[..]).unwrap();
        }
        let one_by_one = taken(&calls);
        let count = usize::from(count);
        (at_once / count, one_by_one / count)
    });
    let (at_once, one_by_one) = costs[0];
    for (more_at_once, more_one_by_one) in costs {
        assert!(more_at_once <= at_once + 1, "{costs:?}");
        assert!(more_one_by_one <= one_by_one + 1, "{costs:?}");
    }
    assert!(at_once < 40 && one_by_one < 60, "{costs:?}");
}

static RESOURCES: [ResourceDefinition; 2] = [
    ResourceDefinition::new(0, "Value", Operations::ReadWrite, DataType::Integer).mandatory(),
    ResourceDefinition::new(1, "Values", Operations::ReadWrite, DataType::Integer).multiple(),
];
static OBJECT: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30000),
    "Object",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
)
.multiple();

/// A Create without an identifier asks once for the first free one.
#[test]
fn a_free_identifier_costs_the_same_however_many_are_taken() {
    let costs = [10, 1_000, 30_000].map(|count| {
        let mut tree = ObjectTree::new();
        let ids = (0..count).chain(count + 2..count + 1_000).map(instance);
        let store = ids.fold(Store::new(&OBJECT), |store, id| store.with(id, 0, 1));
        let calls = counted(&mut tree, store);
        let mut all = [0, 0, 0];
        for (cost, expected) in all.iter_mut().zip([count, count + 1, count + 1_000]) {
            let mut transaction = tree.create(OBJECT.id).unwrap();
            let value = Value::Integer(1);
            taken(&calls);
            for event in [
                Event::Object(OBJECT.id),
                Event::Instance(None),
                Event::Resource {
                    id: 0.into(),
                    value: value.as_ref(),
                    time: None,
                },
                Event::EndInstance,
                Event::EndObject,
            ] {
                transaction.event(event).unwrap();
            }
            *cost = taken(&calls);
            let changes = transaction.finish().unwrap();
            let path = Path::Instance(OBJECT.id, instance(expected));
            assert_eq!(changes[0], Change::Create { path });
            tree.commit(&changes).unwrap();
        }
        all
    });
    assert_eq!(costs, [[2; 3]; 3]);
}

/// Instances without an identifier in one payload each get the next one.
#[test]
fn many_instances_without_identifiers_take_linear_work() {
    for count in [100_usize, 1_000, 10_000] {
        let mut tree = ObjectTree::new();
        let store = Store::new(&OBJECT).with(instance(3), 0, 1);
        let calls = counted(&mut tree, store);
        let mut transaction = tree.create(OBJECT.id).unwrap();
        taken(&calls);
        for _ in 0..count {
            transaction.event(Event::Instance(None)).unwrap();
        }
        let asked = taken(&calls);
        assert!(asked <= 2 * count + 2, "{count}: {asked}");
    }
}

/// The default of the trait, for Objects whose instances are elsewhere.
#[test]
fn an_object_of_ones_own_tells_a_free_identifier() {
    struct Walked(Vec<u16>);
    impl Object for Walked {
        fn definition(&self) -> &ObjectDefinition {
            &OBJECT
        }
        fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
            let ids = self.0.iter().copied().map(instance);
            ids.into_iter()
                .find(|id| after.is_none_or(|after| *id > after))
        }
        fn read(
            &self,
            _: InstanceId,
            _: ResourceId,
            _: &mut ResourceSink<'_>,
        ) -> Result<(), ReadError> {
            Err(ReadError::Unavailable)
        }
        fn apply(&mut self, _: &[Change]) {}
    }
    let free = |ids: &[u16], from| {
        let free = Walked(ids.into()).free_instance(instance(from));
        free.map(InstanceId::get)
    };
    assert_eq!(free(&[], 0), Some(0));
    assert_eq!(free(&[], 9), Some(9));
    assert_eq!(free(&[0, 1, 2, 4], 0), Some(3));
    assert_eq!(free(&[0, 1, 2, 4], 1), Some(3));
    assert_eq!(free(&[0, 1, 2, 4], 4), Some(5));
    assert_eq!(free(&[65_533, 65_534], 65_533), None);
    assert_eq!(free(&[65_534], 65_533), Some(65_533));
}

/// Accounts are paired by their Short Server ID, not by trying all pairs.
#[test]
fn accounts_are_found_in_linear_work() {
    let costs = [100_u16, 400, 1_600].map(|count| {
        let mut tree = ObjectTree::new();
        let ids = || (0..count).map(instance);
        let number = |id: InstanceId| server(id.get() + 1);
        let securities = ids().map(|id| (id, typed::Security::no_sec("coap://s", number(id))));
        let servers = ids().map(|id| (id, typed::Server::new(server(count - id.get()), 60)));
        let of_security = counted(&mut tree, Store::of(securities));
        let of_server = counted(&mut tree, Store::of(servers));
        assert_eq!(accounts(&tree).len(), usize::from(count));
        let calls = taken(&of_security) + taken(&of_server);
        calls / usize::from(count)
    });
    assert!(costs.iter().all(|calls| *calls <= costs[0]), "{costs:?}");
}

/// A commit reads each Resource once to find the differences, however many of its Resource Instances
/// are written and in whatever order.
#[test]
fn what_changes_is_found_in_one_reading() {
    let path = |id: u16, resource: u16, at: u16| {
        Path::ResourceInstance(OBJECT.id, instance(id), resource.into(), at.into())
    };
    for count in [100_u16, 1_000, 10_000] {
        let mut tree = ObjectTree::new();
        let store = Store::new(&OBJECT).with(instance(0), 0, 1);
        let store = store.with(instance(1), 0, 1).supporting([1]);
        let calls = counted(&mut tree, store);
        // Two arrays in turn, in descending order.
        let changes: Vec<Change> = (0..count)
            .rev()
            .map(|at| Change::Set {
                path: path(at % 2, 1, at),
                value: Value::Integer(1),
            })
            .collect();
        for held in [false, true] {
            taken(&calls);
            if held {
                tree.hold();
            }
            tree.change(&changes[..]).unwrap();
            let asked = taken(&calls);
            assert!(asked <= 40, "{count}, held: {held}: {asked}");
        }
    }
}

/// Held changes are merged one by one: the work of a commit doesn't grow with what is held.
#[test]
fn held_commits_cost_the_same_however_many_are_held() {
    let costs = [100_u16, 400, 1_600].map(|count| {
        let mut tree = ObjectTree::new();
        let calls = counted(&mut tree, Store::new(&OBJECT));
        tree.hold();
        for round in 0..3 {
            for id in 0..count {
                let whole = Path::Instance(OBJECT.id, instance(id));
                let path = Path::Resource(OBJECT.id, instance(id), 0.into());
                let value = Value::Integer(round);
                let set = Change::Set { path, value };
                let create = Change::Create { path: whole };
                tree.change([create, set.clone()]).unwrap();
                tree.change(core::slice::from_ref(&set)).unwrap();
                tree.change([Change::Delete { path: whole }]).unwrap();
                tree.change([Change::Create { path: whole }, set]).unwrap();
            }
            for id in (0..count).rev() {
                let path = Path::Instance(OBJECT.id, instance(id));
                tree.change([Change::Delete { path }]).unwrap();
            }
        }
        tree.roll_back();
        taken(&calls) / usize::from(count)
    });
    assert!(costs.iter().all(|calls| *calls <= costs[0]), "{costs:?}");
}

/// A Replace of an Object Instance looks once for the Resources that it doesn't name.
#[test]
fn a_replaced_instance_is_looked_at_once() {
    let mut tree = ObjectTree::new();
    let calls = counted(&mut tree, Store::new(&OBJECT).with(instance(0), 0, 1));
    let target = Path::Instance(OBJECT.id, instance(0));
    let mut transaction = tree.write(target, WriteMode::Replace).unwrap();
    taken(&calls);
    transaction.event(Event::Object(OBJECT.id)).unwrap();
    transaction
        .event(Event::Instance(Some(instance(0))))
        .unwrap();
    transaction.event(Event::EndInstance).unwrap();
    transaction.event(Event::EndObject).unwrap();
    transaction.finish().unwrap();
    assert!(taken(&calls) <= 2 + RESOURCES.len());
}

/// While a bootstrap has written all rights, those before it are looked up as well, and all that was
/// there is listed in linear work.
#[test]
fn rights_before_a_hold_are_looked_up() {
    for gone in [false, true] {
        let costs = [10, 1_000, 8_000].map(|count| {
            let (mut tree, calls) = controlled(count);
            tree.hold();
            let changes: Vec<Change> = (0..count)
                .map(|id| match Path::Instance(2.into(), instance(id)) {
                    path if gone => Change::Delete { path },
                    _ => Change::Set {
                        path: Path::Resource(2.into(), instance(id), 3.into()),
                        value: Value::Integer(102),
                    },
                })
                .collect();
            tree.change(changes).unwrap();
            let rights = |tree: &ObjectTree, id| {
                taken(&calls);
                let rights = access::rights(tree.settled(), server(101), 9.into(), instance(id));
                (rights, taken(&calls))
            };
            let (_, first) = rights(&tree, 0);
            assert!(first <= 20 * usize::from(count) + 100, "{count}: {first}");
            let (found, there) = rights(&tree, count - 1);
            assert_eq!(found, AccessRights::READ);
            let (found, absent) = rights(&tree, count);
            assert_eq!(found, AccessRights::NONE);
            [there, absent]
        });
        assert_eq!(costs[0], costs[1]);
        assert_eq!(costs[0], costs[2]);
    }
}

/// What the application sets is seen in the rights before a hold.
#[test]
fn rights_before_a_hold_follow_the_application() {
    let (mut tree, _) = controlled(10);
    let rights =
        |tree: &ObjectTree, id| access::rights(tree.settled(), server(101), 9.into(), instance(id));
    tree.hold();
    tree.change([Change::Set {
        path: "/2/3/3".parse().unwrap(),
        value: Value::Integer(102),
    }])
    .unwrap();
    assert_eq!(rights(&tree, 3), AccessRights::READ);
    for at in [3, 4] {
        let path = format!("/2/{at}/1").parse().unwrap();
        tree.set(path, 40 + at).unwrap();
    }
    for (id, found) in [
        (3, AccessRights::NONE),
        (4, AccessRights::NONE),
        (43, AccessRights::READ),
        (44, AccessRights::READ),
    ] {
        assert_eq!(rights(&tree, id), found, "{id}");
    }
    tree.roll_back();
    assert_eq!(rights(&tree, 43), AccessRights::READ);
    // Another hold has other values before it.
    tree.change([Change::Set {
        path: "/2/3/1".parse().unwrap(),
        value: Value::Integer(50),
    }])
    .unwrap();
    tree.hold();
    tree.change([Change::Delete {
        path: "/2/3".parse().unwrap(),
    }])
    .unwrap();
    assert_eq!(rights(&tree, 50), AccessRights::READ);
    assert_eq!(rights(&tree, 43), AccessRights::NONE);
}
