//! Saving, restoring and adding Objects while commits are held: nothing that is held is in force
//! before it is kept (TS 5.2.3.3, step 3).

#![cfg(feature = "serde")]

extern crate alloc;

mod common;

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use common::{Log, asked, create, delete, firmware, set, software};
use lwm2m_core::{
    Arguments, DataType, InstanceId, Instant, ObjectId, Path, ResourceId, ShortServerId, Value,
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Answer, Change, ConnectivityStatisticsObject, DeviceObject, InstanceSnapshot, LocationObject,
    Object, ObjectDefinition, ObjectSnapshot, ObjectTree, Operations, ReadError,
    ResourceDefinition, ResourceSink, ResourceSnapshot, Snapshot, Store,
    firmware::{self, FirmwareUpdateObject},
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};

const FIRST: ShortServerId = ShortServerId::new(101).unwrap();

fn firmware_object(log: &Log) -> FirmwareUpdateObject {
    let events = Arc::clone(log);
    let config = typed::FirmwareUpdate {
        package_name: Some("name".into()),
        ..typed::FirmwareUpdate::default()
    };
    let object = FirmwareUpdateObject::new(config, move |event| {
        events.lock().unwrap().push(format!("{event:?}"));
        Answer::Later
    });
    object.unwrap().pulled_by_application()
}

fn software_object(log: &Log) -> SoftwareManagementObject {
    let events = Arc::clone(log);
    SoftwareManagementObject::new(Numbering::Registered, move |id, event| {
        events.lock().unwrap().push(format!("{id} {event:?}"));
        match event {
            software::Event::Fetch { .. } => Answer::Later,
            _ => Answer::Done,
        }
    })
    .with(InstanceId::ZERO, typed::SoftwareManagement::new("one", "1"))
    .unwrap()
    .managed(4)
    .pulled_by_application()
}

/// A tree with every Object that has state, as after a start.
fn tree() -> (ObjectTree, Log) {
    let log = Log::default();
    let device = typed::Device {
        reset_error_code: true,
        ..typed::Device::example()
    };
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://one", FIRST);
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Server::new(FIRST, 60))]).supporting([3]));
    tree.add(DeviceObject::new(device, Instant::ZERO).unwrap());
    tree.add(firmware_object(&log));
    tree.add(LocationObject::new(typed::Location::new(51.5, 0.1, 1)));
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics::ALL,
    ));
    tree.add(software_object(&log));
    (tree, log)
}

/// The same in use: time has passed, bytes were counted, packages are being downloaded.
fn tree_in_use() -> (ObjectTree, Log) {
    let (mut tree, log) = tree();
    tree.handle_timeout(Instant::from_secs(10));
    tree.execute(path("/7/0/6"), &Arguments::NONE).unwrap();
    let id = ObjectId::CONNECTIVITY_STATISTICS;
    let statistics: &mut ConnectivityStatisticsObject = tree.object_as_mut(id).unwrap();
    statistics.sent(Instant::from_secs(10), 5000);
    tree.set(path("/5/0/1"), "coap://192.0.2.1/fw").unwrap();
    tree.set(path("/9/0/2"), &b"package"[..]).unwrap();
    asked(&log);
    (tree, log)
}

fn machines(tree: &mut ObjectTree) -> (firmware::Snapshot, Vec<(InstanceId, software::Snapshot)>) {
    let of_software = software(tree).snapshots().collect();
    (firmware(tree).snapshot(), of_software)
}

/// Something for every Object, as a Bootstrap-Server may write and delete it.
fn bootstrap() -> Vec<Vec<Change>> {
    vec![
        vec![delete("/0/0"), create("/0/5"), set("/0/5/0", "coap://two")],
        vec![set("/1/0/1", 77), set("/1/0/3", 7)],
        vec![delete("/1/0"), create("/1/0"), set("/1/0/0", 102)],
        vec![set("/3/0/13", Value::Time(5)), set("/3/0/14", "+09:00")],
        vec![delete("/3/0")],
        vec![delete("/5/0"), create("/5/0")],
        vec![set("/5/0/1", ""), set("/5/0/0", &b"other"[..])],
        vec![set("/6/0/0", 1.5)],
        vec![delete("/6/0")],
        vec![set("/7/0/8", 9)],
        vec![delete("/7/0"), create("/7/0")],
        vec![
            set("/9/0/0", "renamed"),
            create("/9/1"),
            set("/9/1/3", "coap://h"),
        ],
        vec![delete("/9/0"), create("/9/0"), create("/9/2")],
        vec![delete("/9/0")],
    ]
}

fn restarted(snapshot: &Snapshot) -> ObjectTree {
    let text = serde_json::to_string(snapshot).unwrap();
    let (mut tree, _) = tree();
    tree.restore(&serde_json::from_str(&text).unwrap()).unwrap();
    tree
}

/// A restart in the middle of a bootstrap continues from before it: with each of the commits alone,
/// and with all of them.
#[test]
fn a_snapshot_while_commits_are_held_is_that_of_before() {
    let all = bootstrap();
    let mut held: Vec<Vec<Vec<Change>>> = all.iter().map(|one| vec![one.clone()]).collect();
    held.push(all);
    for commits in held {
        let (mut tree, _) = tree_in_use();
        let before = tree.snapshot();
        let machines_before = machines(&mut tree);
        tree.hold();
        for changes in &commits {
            let told = tree.change(&changes[..]);
            assert!(told.is_ok(), "{changes:?}: {told:?}");
        }
        assert!(tree.snapshot() == before, "{commits:?}");
        assert_eq!(machines(&mut tree), machines_before, "{commits:?}");
        assert!(
            restarted(&tree.snapshot()).snapshot() == restarted(&before).snapshot(),
            "{commits:?}"
        );
        tree.keep();
        assert!(tree.snapshot() != before, "{commits:?}");
        assert!(!tree.is_holding());
    }
}

/// The clock and the counters continue meanwhile.
#[test]
fn a_snapshot_while_commits_are_held_goes_on_with_time() {
    let saved = |commits: &[Change], roll_back: bool| {
        let (mut tree, _) = tree_in_use();
        tree.hold();
        tree.change(commits).unwrap();
        tree.handle_timeout(Instant::ZERO + Duration::from_secs(100));
        if roll_back {
            tree.roll_back();
        }
        tree.snapshot()
    };
    let untouched = saved(&[], true);
    for commits in [
        &[set("/3/0/13", Value::Time(5))][..],
        &[delete("/3/0")],
        &[set("/3/0/14", "+09:00")],
        &[delete("/7/0"), create("/7/0")],
    ] {
        assert!(saved(commits, false) == untouched, "{commits:?}");
        assert!(saved(commits, true) == untouched, "{commits:?}");
    }
}

/// Values that the application sets during a bootstrap are saved, and stay when the bootstrap is
/// rolled back, whatever it has written there before or after.
#[test]
fn what_the_application_sets_stays_and_is_saved() {
    for (at, value, commits) in [
        ("/3/0/9", Value::Integer(42), vec![]),
        ("/3/0/9", Value::Integer(42), vec![set("/3/0/9", 7)]),
        (
            "/3/0/13",
            Value::Time(1000),
            vec![set("/3/0/13", Value::Time(5))],
        ),
        ("/3/0/13", Value::Time(1000), vec![set("/3/0/14", "+09:00")]),
        ("/3/0/7/1", Value::Integer(1), vec![set("/3/0/7/1", 7)]),
        ("/3/0/7/5", Value::Integer(1), vec![set("/3/0/7/1", 7)]),
        ("/1/0/3", Value::Integer(9), vec![set("/1/0/3", 7)]),
        (
            "/1/0/3",
            Value::Integer(9),
            vec![delete("/1/0"), create("/1/0"), set("/1/0/3", 7)],
        ),
    ] {
        for again in [false, true] {
            let (mut tree, _) = tree_in_use();
            tree.hold();
            tree.change(&commits[..]).unwrap();
            tree.set(path(at), value.clone()).unwrap();
            if again {
                tree.change(&commits[..]).unwrap();
            }
            let saved = restarted(&tree.snapshot());
            tree.roll_back();
            let situation = format!("{at} {commits:?} {again}");
            assert_eq!(tree.get(path(at)), Some(value.clone()), "{situation}");
            assert_eq!(saved.get(path(at)), Some(value.clone()), "{situation}");
            // The rest is as it was.
            let offset = tree.get(path("/3/0/14"));
            assert_eq!(offset, Some(Value::from("+02:00")), "{situation}");
            assert_eq!(tree.get(path("/1/0/0")), Some(Value::Integer(101)));
        }
    }
}

/// Values that it sets in an Object Instance that the bootstrap created are dropped with that.
#[test]
fn what_the_application_sets_in_a_new_instance_goes_with_it() {
    let (mut tree, _) = tree_in_use();
    let before = tree.snapshot();
    tree.hold();
    tree.change([create("/9/1")]).unwrap();
    tree.set(path("/9/1/0"), "two").unwrap();
    assert!(tree.snapshot() == before);
    tree.roll_back();
    assert!(tree.snapshot() == before);
    assert!(tree.locate(path("/9/1")).is_none());
}

/// Restoring a snapshot while commits are held drops them: nothing of them is left, rolled back later
/// or settled.
#[test]
fn a_snapshot_that_is_put_back_ends_what_is_held() {
    let (mut tree, log) = tree_in_use();
    let saved = {
        let (mut other, _) = tree_in_use();
        other.set(path("/3/0/9"), 33).unwrap();
        other.change([set("/1/0/1", 99)]).unwrap();
        other.snapshot()
    };
    tree.hold();
    for changes in bootstrap() {
        tree.change(&changes[..]).unwrap();
    }
    tree.restore(&saved).unwrap();
    assert!(!tree.is_holding());
    assert!(tree.snapshot() == saved);
    let heard = asked(&log);
    // The pull that was under way continues; nothing else is asked for.
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].contains("coap://192.0.2.1/fw"), "{heard:?}");
    tree.roll_back();
    tree.keep();
    assert!(tree.snapshot() == saved);
    assert_eq!(asked(&log), [""; 0]);
    // Later commits take effect at once.
    tree.change([set("/1/0/1", 100)]).unwrap();
    tree.roll_back();
    assert_eq!(tree.get(path("/1/0/1")), Some(Value::Integer(100)));
}

/// A snapshot that doesn't fit is refused, and everything is held as before.
#[test]
fn a_snapshot_that_is_refused_leaves_what_is_held() {
    let (mut tree, _) = tree_in_use();
    let before = tree.snapshot();
    let foreign = {
        let (mut other, _) = tree_in_use();
        other.add(Counting::default());
        other.snapshot()
    };
    tree.hold();
    tree.change([set("/1/0/1", 77)]).unwrap();
    assert!(tree.restore(&foreign).is_err());
    assert!(tree.is_holding());
    assert_eq!(tree.get(path("/1/0/1")), Some(Value::Integer(77)));
    tree.roll_back();
    assert!(tree.snapshot() == before);
}

/// An Object that replaces another one has nothing to do with what is held of that.
#[test]
fn an_object_that_is_added_while_commits_are_held_hears_nothing_of_them() {
    for keep in [false, true] {
        let (mut tree, old) = tree_in_use();
        tree.hold();
        for changes in bootstrap() {
            tree.change(&changes[..]).unwrap();
        }
        let new = Log::default();
        tree.add(firmware_object(&new));
        tree.add(software_object(&new));
        tree.add(Store::of([(
            InstanceId::ZERO,
            typed::Server::new(FIRST, 33),
        )]));
        let fresh = |tree: &ObjectTree| {
            let all = ["/5/0/3", "/5/0/1", "/9/0/7", "/9/0/0", "/1/0/1", "/1/0/0"];
            all.map(|at| tree.get(path(at)))
        };
        let expected = [
            Some(Value::Integer(0)),
            Some(Value::from("")),
            Some(Value::Integer(0)),
            Some(Value::from("one")),
            Some(Value::Integer(33)),
            Some(Value::Integer(101)),
        ];
        assert_eq!(fresh(&restarted(&tree.snapshot())), expected);
        if keep {
            tree.keep();
        } else {
            tree.roll_back();
        }
        assert_eq!(fresh(&tree), expected, "keep: {keep}");
        assert_eq!(asked(&new), [""; 0], "keep: {keep}");
        assert_eq!(asked(&old), [""; 0], "keep: {keep}");
        let instances: Vec<_> = tree.instances(ObjectId::SOFTWARE_MANAGEMENT).collect();
        assert_eq!(instances, [InstanceId::ZERO], "keep: {keep}");
        // Later commits to it are held as usual.
        tree.hold();
        tree.change([set("/5/0/1", "coap://192.0.2.2/fw")]).unwrap();
        assert_eq!(asked(&new), [""; 0]);
        tree.keep();
        assert_eq!(asked(&new).len(), 1);
    }
}

static RESOURCES: [ResourceDefinition; 3] = [
    ResourceDefinition::new(0, "Value", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(1, "Values", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::new(2, "Order", Operations::Write, DataType::Integer),
];
static OBJECT: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30000),
    "Counting",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
);

/// An Object of the application's own that logs the changes it has to act on.
#[derive(Default)]
struct Counting {
    value: i64,
    values: Vec<(u16, i64)>,
    settled: Vec<Vec<Change>>,
    /// Whether each Write of Order counts.
    orders: bool,
}

impl Object for Counting {
    fn definition(&self) -> &ObjectDefinition {
        &OBJECT
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match resource.get() {
            0 => out.value(Value::Integer(self.value).as_ref()),
            1 => self.values.iter().try_for_each(|(id, value)| {
                out.instance((*id).into(), Value::Integer(*value).as_ref())
            }),
            _ => Err(ReadError::Unavailable),
        }
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Set {
                    path: Path::ResourceInstance(.., id),
                    value: Value::Integer(value),
                } => {
                    self.values.retain(|(other, _)| *other != id.get());
                    self.values.push((id.get(), *value));
                    self.values.sort_unstable();
                }
                Change::Set {
                    path,
                    value: Value::Integer(value),
                } if path.resource() == Some(0.into()) => self.value = *value,
                Change::Clear { .. } => self.values.clear(),
                _ => {}
            }
        }
    }

    fn settle(&mut self, changes: &[Change]) {
        self.settled.push(changes.into());
    }

    fn supersedes(&self, later: &Change, _: &Change) -> bool {
        !self.orders || later.path().resource() != Some(2.into())
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        let values = self.values.iter();
        let values = values.map(|(id, value)| ((*id).into(), Value::Integer(*value)));
        Some(ObjectSnapshot {
            object: OBJECT.id,
            version: OBJECT.version,
            instances: vec![InstanceSnapshot {
                instance: InstanceId::ZERO,
                resources: vec![
                    (
                        0.into(),
                        ResourceSnapshot::Single(Value::Integer(self.value)),
                    ),
                    (1.into(), ResourceSnapshot::Multiple(values.collect())),
                ],
            }],
            state: Vec::new(),
        })
    }
}

fn settled(tree: &ObjectTree) -> &[Vec<Change>] {
    &tree.object_as::<Counting>(OBJECT.id).unwrap().settled
}

/// An Object acts on the last value of a Resource that is written several times, in the order in
/// which the last values were written, commit by commit.
#[test]
fn an_object_acts_on_the_last_value_of_what_was_held() {
    let clear = Change::Clear {
        path: path("/30000/0/1"),
    };
    let mut tree = ObjectTree::new();
    tree.add(Counting::default());
    tree.hold();
    tree.change([set("/30000/0/0", 1), set("/30000/0/2", 1)])
        .unwrap();
    tree.change([set("/30000/0/1/3", 1), set("/30000/0/1/4", 1)])
        .unwrap();
    tree.change([set("/30000/0/0", 2), set("/30000/0/1/4", 2)])
        .unwrap();
    assert_eq!(settled(&tree), [[]; 0]);
    tree.keep();
    let expected = [
        vec![set("/30000/0/2", 1)],
        vec![set("/30000/0/1/3", 1)],
        vec![set("/30000/0/0", 2), set("/30000/0/1/4", 2)],
    ];
    assert_eq!(settled(&tree), expected);

    // Only the clearing of the array is left.
    let mut tree = ObjectTree::new();
    tree.add(Counting::default());
    tree.hold();
    tree.change([set("/30000/0/1/3", 1), set("/30000/0/1/4", 1)])
        .unwrap();
    tree.change([clear.clone(), set("/30000/0/1/4", 5)])
        .unwrap();
    tree.keep();
    assert_eq!(settled(&tree), [vec![clear, set("/30000/0/1/4", 5)]]);
}

/// For some Objects each Write is an order.
#[test]
fn an_object_may_act_on_each_of_several_values() {
    let mut tree = ObjectTree::new();
    tree.add(Counting {
        orders: true,
        ..Counting::default()
    });
    tree.hold();
    for order in 1..4 {
        tree.change([set("/30000/0/2", order), set("/30000/0/0", order)])
            .unwrap();
    }
    tree.keep();
    let expected = [
        vec![set("/30000/0/2", 1)],
        vec![set("/30000/0/2", 2)],
        vec![set("/30000/0/2", 3), set("/30000/0/0", 3)],
    ];
    assert_eq!(settled(&tree), expected);
}

/// An Object that saves its Resources needs nothing more to be saved as it was before.
#[test]
fn an_object_of_ones_own_is_saved_as_it_was_before() {
    let mut tree = ObjectTree::new();
    tree.add(Counting {
        value: 1,
        values: vec![(1, 1), (7, 7)],
        ..Counting::default()
    });
    let before = tree.snapshot();
    tree.hold();
    tree.change([set("/30000/0/0", 2), set("/30000/0/1/4", 4)])
        .unwrap();
    let clear = Change::Clear {
        path: path("/30000/0/1"),
    };
    tree.change([clear]).unwrap();
    assert!(tree.snapshot() == before);
    tree.roll_back();
    assert!(tree.snapshot() == before);
    assert_eq!(tree.get(path("/30000/0/1/7")), Some(Value::Integer(7)));
}

/// An Object Instance that was created and deleted meanwhile has no effects.
#[test]
fn nothing_follows_from_an_instance_that_came_and_went() {
    let (mut tree, log) = tree_in_use();
    tree.hold();
    tree.change([create("/9/1"), set("/9/1/3", "coap://h/p")])
        .unwrap();
    tree.change([delete("/9/1")]).unwrap();
    tree.keep();
    assert_eq!(asked(&log), [""; 0]);
    // One that was there before was deleted.
    tree.hold();
    tree.change([delete("/9/0"), create("/9/0")]).unwrap();
    tree.change([delete("/9/0")]).unwrap();
    tree.keep();
    assert_eq!(asked(&log), ["0 Discard"]);
}

static SEVERAL: ObjectDefinition = {
    let urn = "urn:oma:lwm2m:x:30001";
    ObjectDefinition::new(ObjectId::new(30001), "Several", urn, &RESOURCES).multiple()
};

/// An Object of the application's own whose instances are created and deleted. It logs what it has to
/// undo.
struct Several {
    instances: Vec<InstanceId>,
    undone: Arc<Mutex<Vec<Change>>>,
}

impl Object for Several {
    fn definition(&self) -> &ObjectDefinition {
        &SEVERAL
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        let mut instances = self.instances.iter().copied();
        instances.find(|id| after.is_none_or(|after| *id > after))
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.has_instance(instance) && resource.get() == 0
    }

    fn read(
        &self,
        _: InstanceId,
        _: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        out.value(Value::Integer(1).as_ref())
    }

    fn prepare(&self, _: &[Change]) -> Result<(), lwm2m_objects::WriteError> {
        Ok(())
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let instance = change.path().instance().unwrap();
            match change {
                Change::Create { .. } => self.instances.push(instance),
                Change::Delete { .. } => self.instances.retain(|id| *id != instance),
                _ => {}
            }
        }
        self.instances.sort_unstable();
    }

    fn undo(&mut self, undo: &[Change]) {
        self.undone.lock().unwrap().extend_from_slice(undo);
        self.apply(undo);
    }
}

/// An Object has to undo what is there now, and nothing else.
#[test]
fn an_object_is_asked_to_undo_what_there_is() {
    let restore = |instance: u16| {
        let at = |rest: &str| format!("/30001/{instance}{rest}");
        [create(&at("")), set(&at("/0"), 1)]
    };
    for (commits, expected) in [
        (vec![vec![create("/30001/1")]], vec![delete("/30001/1")]),
        (
            vec![vec![create("/30001/1")], vec![delete("/30001/1")]],
            vec![],
        ),
        (vec![vec![create("/30001/1"), delete("/30001/1")]], vec![]),
        (vec![vec![delete("/30001/0")]], restore(0).into()),
        (
            vec![vec![delete("/30001/0")], vec![create("/30001/0")]],
            [&[delete("/30001/0")], &restore(0)[..]].concat(),
        ),
        (
            vec![vec![set("/30001/0/0", 5)], vec![delete("/30001/0")]],
            restore(0).into(),
        ),
        (
            vec![vec![set("/30001/0/0", 5)], vec![set("/30001/0/0", 6)]],
            vec![set("/30001/0/0", 1)],
        ),
    ] {
        let undone = Arc::new(Mutex::new(Vec::new()));
        let mut tree = ObjectTree::new();
        tree.add(Several {
            instances: vec![InstanceId::ZERO],
            undone: Arc::clone(&undone),
        });
        tree.hold();
        for changes in &commits {
            tree.change(&changes[..]).unwrap();
        }
        tree.roll_back();
        assert_eq!(*undone.lock().unwrap(), expected, "{commits:?}");
        let instances: Vec<_> = tree.instances(SEVERAL.id).collect();
        assert_eq!(instances, [InstanceId::ZERO], "{commits:?}");
    }
}
