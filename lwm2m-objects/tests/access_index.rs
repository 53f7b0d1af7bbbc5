//! The index of access control agrees with the Access Control Object, however that is changed.

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use lwm2m_core::{
    AccessRights, InstanceId, Instant, ObjectId, Path, ResourceId, ShortServerId, Value,
};
use lwm2m_kit::instance;
use lwm2m_objects::{
    Change, Object, ObjectDefinition, ObjectTree, ReadError, ResourceSink, Store, Typed, access,
    typed,
};
use proptest::prelude::*;

const ACCESS_CONTROL: ObjectId = ObjectId::ACCESS_CONTROL;
const SERVERS: [ShortServerId; 2] = [
    ShortServerId::new(101).unwrap(),
    ShortServerId::new(102).unwrap(),
];

/// What an Access Control Object Instance may be about, by number.
fn target(number: u16) -> typed::AclTarget {
    let object = ObjectId::new(3 + number % 2);
    match number / 2 {
        0 => typed::AclTarget::Object(object),
        id => typed::AclTarget::Instance(object, instance(id)),
    }
}

const TARGETS: u16 = 6;

fn control(about: u16, owner: u16, bits: u16) -> typed::AccessControl {
    typed::AccessControl {
        target: target(about),
        acl: vec![(101, AccessRights::from_bits(bits))],
        owner,
    }
}

fn tree() -> ObjectTree {
    let ids = [0, 1].map(instance);
    let securities = SERVERS.map(|id| typed::Security::no_sec("coap://s", id));
    let servers = SERVERS.map(|id| typed::Server::new(id, 60));
    let mut tree = ObjectTree::new();
    tree.add(Store::of(ids.into_iter().zip(securities)));
    tree.add(Store::of(ids.into_iter().zip(servers)));
    tree.add(Store::of::<typed::AccessControl>([]));
    tree
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    Set(Path, Value),
    /// The application changes the Object directly.
    Direct(Change),
    /// Another Object with one instance replaces it.
    Add(u16, u16),
    Hold,
    Keep,
    RollBack,
    Save,
    Restore,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let owner = prop_oneof![Just(101_u16), Just(102), Just(65535)];
    (0..7_u8, 0..4_u16, 0..TARGETS, owner, 0..32_u16).prop_map(|(kind, at, about, owner, bits)| {
        let id = instance(at);
        let path = |resource: u16| Path::Resource(ACCESS_CONTROL, id, resource.into());
        let whole = Path::Instance(ACCESS_CONTROL, id);
        let set = |path, number: u16| Change::Set {
            path,
            value: Value::Integer(number.into()),
        };
        let of_store = |number| {
            let store = Store::of([(id, control(number, owner, bits))]);
            let set = |resource: u16| Change::Set {
                path: path(resource),
                value: store.get(path(resource)).unwrap().clone(),
            };
            [set(0), set(1), set(3)]
        };
        let acl = Path::ResourceInstance(ACCESS_CONTROL, id, 2.into(), 101.into());
        match kind {
            0 | 1 => {
                let mut changes = vec![Change::Create { path: whole }];
                changes.extend(of_store(about));
                changes.push(set(acl, bits));
                changes
            }
            2 => vec![Change::Delete { path: whole }],
            3 => of_store(about).into(),
            4 => vec![set(acl, bits)],
            5 => vec![Change::Remove {
                path: path(about % 4),
            }],
            _ => vec![
                Change::Delete { path: whole },
                Change::Create { path: whole },
                set(path(3), owner),
            ],
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let one = |changes: Vec<Change>| changes.into_iter().next().unwrap();
    prop_oneof![
        6 => prop::collection::vec(changes(), 1..4).prop_map(|all| Step::Commit(all.concat())),
        2 => changes().prop_filter_map("no value", |changes| {
            changes.into_iter().find_map(|change| match change {
                Change::Set { path, value } => Some(Step::Set(path, value)),
                _ => None,
            })
        }),
        1 => changes().prop_map(move |changes| Step::Direct(one(changes))),
        1 => (0..TARGETS, 0..32_u16).prop_map(|(about, bits)| Step::Add(about, bits)),
        1 => Just(Step::Hold),
        1 => Just(Step::Keep),
        1 => Just(Step::RollBack),
        1 => Just(Step::Save),
        1 => Just(Step::Restore),
    ]
}

/// All Access Control Object Instances about a target, in order, found by reading all of them.
fn about(tree: &ObjectTree, target: typed::AclTarget) -> Vec<(InstanceId, typed::AccessControl)> {
    let all = tree.instances(ACCESS_CONTROL);
    all.filter_map(|id| Some((id, typed::AccessControl::load(tree, id)?)))
        .filter(|(_, control)| control.target == target)
        .collect()
}

fn check(tree: &ObjectTree) -> Result<(), TestCaseError> {
    for target in (0..TARGETS).map(target) {
        let about = about(tree, target);
        for server in SERVERS {
            match target {
                typed::AclTarget::Instance(object, id) => {
                    let rights = about.first().map(|(_, control)| control.rights_of(server));
                    let rights = rights.unwrap_or(AccessRights::NONE);
                    prop_assert_eq!(access::rights(tree, server, object, id), rights);
                }
                typed::AclTarget::Object(object) => {
                    let may = about.iter().any(|(_, control)| {
                        let mut own = control.acl.iter();
                        let own = own.find(|(id, _)| *id == server.get());
                        control.owner == typed::AccessControl::NOBODY
                            && own.is_some_and(|(_, rights)| rights.contains(AccessRights::CREATE))
                    });
                    prop_assert_eq!(access::may_create(tree, server, object), may);
                }
            }
        }
        if let typed::AclTarget::Instance(object, id) = target {
            let deleted = access::deleted(tree, object, id);
            let deleted: Vec<_> = deleted.iter().map(Change::path).collect();
            for (id, _) in about {
                prop_assert!(deleted.contains(&Path::Instance(ACCESS_CONTROL, id)));
            }
        }
    }
    Ok(())
}

/// The application can change the Access Control Object in other ways than by a commit.
#[test]
fn rights_follow_what_the_application_changes_by_itself() {
    let rights = |tree: &ObjectTree| {
        let of = |about| match target(about) {
            typed::AclTarget::Instance(object, id) => {
                access::rights(tree, SERVERS[0], object, id).bits()
            }
            typed::AclTarget::Object(_) => 0,
        };
        [of(2), of(3)]
    };
    let mut tree = tree();
    assert_eq!(rights(&tree), [0, 0]);
    tree.add(Store::of([(InstanceId::ZERO, control(2, 102, 1))]));
    assert_eq!(rights(&tree), [1, 0]);
    let saved = tree.snapshot();
    let other = "/2/0/0".parse().unwrap();
    let store: &mut Store = tree.object_as_mut(ACCESS_CONTROL).unwrap();
    store.apply(&[Change::Set {
        path: other,
        value: Value::Integer(4),
    }]);
    assert_eq!(rights(&tree), [0, 1]);
    tree.set(other, 3).unwrap();
    assert_eq!(rights(&tree), [1, 0]);
    tree.set(other, 4).unwrap();
    tree.restore(&saved).unwrap();
    assert_eq!(rights(&tree), [1, 0]);
    tree.hold();
    let path = "/2/0".parse().unwrap();
    tree.change([Change::Delete { path }]).unwrap();
    assert_eq!(rights(&tree), [0, 0]);
    tree.roll_back();
    assert_eq!(rights(&tree), [1, 0]);
}

/// An Access Control Object of the application's own. What its only instance is about changes after
/// some time, or by a call.
struct Moving {
    since: Option<Instant>,
    object: Arc<AtomicI64>,
    told: Arc<AtomicBool>,
}

impl Object for Moving {
    fn definition(&self) -> &ObjectDefinition {
        typed::AccessControl::DEFINITION
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        let number = |number| Value::Integer(number);
        match resource.get() {
            0 => out.value(number(self.object.load(Ordering::Relaxed)).as_ref()),
            1 => out.value(number(1).as_ref()),
            2 => out.instance(101_u16.into(), number(1).as_ref()),
            _ => out.value(number(102).as_ref()),
        }
    }

    fn apply(&mut self, _: &[Change]) {}

    fn handle_timeout(&mut self, now: Instant) {
        if self.since.is_some_and(|since| since <= now) {
            self.since = None;
            self.object.store(4, Ordering::Relaxed);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.since
    }

    fn poll_changed(&mut self) -> Option<Path> {
        let path = Path::Resource(ACCESS_CONTROL, InstanceId::ZERO, 0.into());
        self.told.swap(false, Ordering::Relaxed).then_some(path)
    }
}

#[test]
fn rights_follow_what_an_object_changes_by_itself() {
    let rights = |tree: &ObjectTree| {
        [3_u16, 4, 5]
            .map(|object| access::rights(tree, SERVERS[0], object.into(), instance(1)).bits())
    };
    let (object, told) = (
        Arc::new(AtomicI64::new(3)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut tree = tree();
    tree.add(Moving {
        since: Some(Instant::from_secs(5)),
        object: Arc::clone(&object),
        told: Arc::clone(&told),
    });
    assert_eq!(rights(&tree), [1, 0, 0]);
    tree.handle_timeout(Instant::from_secs(4));
    assert_eq!(rights(&tree), [1, 0, 0]);
    tree.handle_timeout(Instant::from_secs(5));
    assert_eq!(rights(&tree), [0, 1, 0]);
    // A change that was not reported gives no right.
    object.store(5, Ordering::Relaxed);
    assert_eq!(rights(&tree), [0, 0, 0]);
    told.store(true, Ordering::Relaxed);
    assert!(tree.poll_changed().is_some());
    assert_eq!(rights(&tree), [0, 0, 1]);
}

proptest! {
    #[test]
    fn rights_are_those_of_the_access_control_object_however_it_changes(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let mut tree = tree();
        let mut saved = tree.snapshot();
        check(&tree)?;
        for step in steps {
            match step.clone() {
                Step::Commit(changes) => drop(tree.change(&changes[..])),
                Step::Set(path, value) => drop(tree.set(path, value)),
                Step::Direct(change) => {
                    let store: &mut Store = tree.object_as_mut(ACCESS_CONTROL).unwrap();
                    let run = [change];
                    if store.prepare(&run).is_ok() {
                        store.apply(&run);
                    }
                }
                Step::Add(about, bits) => {
                    let control = control(about, 101, bits);
                    tree.add(Store::of([(InstanceId::ZERO, control)]));
                }
                Step::Hold => tree.hold(),
                Step::Keep => tree.keep(),
                Step::RollBack => tree.roll_back(),
                Step::Save => saved = tree.snapshot(),
                Step::Restore => tree.restore(&saved).unwrap(),
            }
            check(&tree)?;
        }
    }
}
