//! Snapshots are restored equal. A damaged one is refused as a whole.

#![cfg(feature = "serde")]

use lwm2m_core::{DataType, InstanceId, ObjectId, ResourceId, ShortServerId, Value, Version};
use lwm2m_kit::path;
use lwm2m_objects::{
    InstanceSnapshot, Multiplicity, Object, ObjectDefinition, ObjectSnapshot, ObjectTree,
    Operations, Range, ResourceDefinition, ResourceSnapshot, Snapshot, SnapshotError, Store, typed,
};
use proptest::prelude::*;

fn tree(level: u8) -> ObjectTree {
    let server = ShortServerId::new(101).unwrap();
    let mut tree = ObjectTree::new();
    let security = typed::Security::pre_shared_key("coaps://one", server, *b"identity", *b"secret");
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::Server::new(server, 60),
    )]));
    let device = typed::Device {
        battery_level: Some(level),
        ..typed::Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    tree
}

fn json(snapshot: &Snapshot) -> String {
    serde_json::to_string(snapshot).unwrap()
}

#[test]
fn what_is_saved_comes_back() {
    let mut changed = tree(42);
    changed.set(path("/1/0/1"), 777).unwrap();
    let saved = json(&changed.snapshot());
    let mut restarted = tree(100);
    restarted
        .restore(&serde_json::from_str(&saved).unwrap())
        .unwrap();
    assert_eq!(json(&restarted.snapshot()), saved);
    assert_eq!(restarted.get(path("/3/0/9")), Some(Value::Integer(42)));
    assert_eq!(restarted.get(path("/1/0/1")), Some(Value::Integer(777)));
    // Executable Resources are restored too.
    assert!(restarted.locate(path("/3/0/4")).is_some());
}

/// Each Object Instance has its own optional executable Resources afterwards.
#[test]
fn executables_come_back_instance_by_instance() {
    let servers = |first: bool, second: bool| {
        let server = |id, disable| typed::Server {
            disable,
            ..typed::Server::new(ShortServerId::new(id).unwrap(), 60)
        };
        let mut tree = ObjectTree::new();
        tree.add(Store::of([
            (InstanceId::ZERO, server(101, first)),
            (InstanceId::new(1).unwrap(), server(102, second)),
        ]));
        tree
    };
    let has = |tree: &ObjectTree, at: &str| tree.locate(path(at)).is_some();
    for first in [false, true] {
        for second in [false, true] {
            let tree = servers(first, second);
            assert_eq!(has(&tree, "/1/0/4"), first);
            assert_eq!(has(&tree, "/1/1/4"), second);
            let saved = tree.snapshot();
            let mut restarted = servers(!first, !second);
            restarted.restore(&saved).unwrap();
            assert_eq!(has(&restarted, "/1/0/4"), first);
            assert_eq!(has(&restarted, "/1/1/4"), second);
            // Mandatory Resources are always there.
            assert!(has(&restarted, "/1/0/8") && has(&restarted, "/1/1/8"));
            assert_eq!(restarted.snapshot(), saved);
        }
    }
}

#[test]
fn another_format_or_another_tree_is_refused() {
    let saved = json(&tree(42).snapshot());
    let mut other: Snapshot =
        serde_json::from_str(&saved.replace("\"format\":2", "\"format\":1")).unwrap();
    assert_eq!(tree(1).restore(&other), Err(SnapshotError::Format(1)));
    other = serde_json::from_str(&saved).unwrap();
    let mut empty = ObjectTree::new();
    assert_eq!(empty.restore(&other), Err(SnapshotError::Object(0.into())));
}

#[test]
fn a_snapshot_does_not_show_its_values() {
    let snapshot = tree(42).snapshot();
    assert_eq!(
        format!("{snapshot:?}"),
        "{ObjectId(0), ObjectId(1), ObjectId(3)}"
    );
    assert!(
        !format!(
            "{:?}",
            Store::of([(InstanceId::ZERO, typed::Device::example())])
        )
        .contains("Alliance")
    );
}

/// With any bit flipped, or cut off anywhere, a snapshot doesn't parse or is refused, and nothing of it
/// is in the tree; or it is the same snapshot in another notation.
#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let saved = json(&tree(42).snapshot());
    let mut restarted = tree(100);
    let before = restarted.snapshot();
    let mut refused = 0;
    for at in 0..saved.len() {
        assert!(
            serde_json::from_str::<Snapshot>(&saved[..at]).is_err(),
            "{at}"
        );
        for bit in 0..8 {
            let mut damaged = saved.clone().into_bytes();
            damaged[at] ^= 1 << bit;
            let Ok(snapshot) = serde_json::from_slice::<Snapshot>(&damaged) else {
                continue;
            };
            let result = restarted.restore(&snapshot);
            if json(&snapshot) == saved {
                assert_eq!(result, Ok(()));
                restarted.restore(&before).unwrap();
            } else {
                assert!(
                    matches!(
                        result,
                        Err(SnapshotError::Damaged | SnapshotError::Format(_))
                    ),
                    "{at} {bit}: {result:?}"
                );
                assert!(restarted.snapshot() == before, "{at} {bit}");
                refused += 1;
            }
        }
    }
    assert!(refused > 500, "{refused}");
}

/// An intact snapshot that doesn't fit the Objects is refused as a whole, with the place of the error.
#[test]
fn what_does_not_fit_the_objects_is_refused_whole() {
    static TANK: ObjectDefinition = {
        static RESOURCES: &[ResourceDefinition] = &[
            ResourceDefinition::new(0, "Level", Operations::Read, DataType::Integer),
            ResourceDefinition::new(1, "Taps", Operations::Read, DataType::Integer).multiple(),
            ResourceDefinition::executable(2, "Drain"),
        ];
        let urn = "urn:oma:lwm2m:x:30000";
        ObjectDefinition::new(ObjectId::new(30000), "Tank", urn, RESOURCES)
    };
    let tank = |change: &dyn Fn(&mut Vec<ResourceDefinition>, &mut ObjectDefinition)| {
        let mut definition = TANK.clone();
        let mut resources = definition.resources.to_vec();
        change(&mut resources, &mut definition);
        definition.resources = resources.into();
        Store::from_definition(definition).unwrap()
    };
    let saved = {
        let mut tree = tree(42);
        let tank = Store::new(&TANK)
            .with(InstanceId::ZERO, 0, 70)
            .with_instances(InstanceId::ZERO, 1, [(0, 1), (3, 70)])
            .with_executable(InstanceId::ZERO, 2);
        tree.add(tank.checked().unwrap());
        tree.snapshot()
    };
    let content = |at: &str| Err(SnapshotError::Content(path(at)));
    for (store, result) in [
        (tank(&|_, _| ()), Ok(())),
        // A later firmware has another version of the Object, or supports less of it.
        (
            tank(&|_, definition| {
                definition.version = Version::new(1, 1);
                definition.urn = "urn:oma:lwm2m:x:30000:1.1".into();
            }),
            Err(SnapshotError::Object(TANK.id)),
        ),
        (
            tank(&|resources, _| drop(resources.remove(0))),
            content("/30000/0/0"),
        ),
        (
            tank(&|resources, _| resources[0].data_type = Some(DataType::Float)),
            content("/30000/0/0"),
        ),
        (
            tank(&|resources, _| resources[0].range = Some(Range::Numbers(0, 69))),
            content("/30000/0/0"),
        ),
        (
            tank(&|resources, _| resources[0].instances = Multiplicity::Multiple),
            content("/30000/0/0"),
        ),
        (
            tank(&|resources, _| resources[1].range = Some(Range::Numbers(0, 69))),
            content("/30000/0/1"),
        ),
        (
            tank(&|resources, _| resources[1].instances = Multiplicity::Single),
            content("/30000/0/1"),
        ),
        (
            tank(&|resources, _| {
                resources[2] =
                    ResourceDefinition::new(2, "Drain", Operations::Read, DataType::Integer);
            }),
            content("/30000/0/2"),
        ),
    ] {
        let mut restarted = tree(100);
        restarted.add(store);
        let before = restarted.snapshot();
        assert_eq!(restarted.restore(&saved), result);
        if result.is_ok() {
            assert!(restarted.snapshot() == saved);
        } else {
            assert!(restarted.snapshot() == before, "{result:?}");
        }
    }
}

/// Content that a Store can't have saved, with a right check sum or without one.
#[test]
fn what_no_store_saves_is_not_put_back() {
    let id = |id| InstanceId::new(id).unwrap();
    let instance = |instance, resources| InstanceSnapshot {
        instance: id(instance),
        resources,
    };
    let value = |resource: u16, value: i64| {
        let value = ResourceSnapshot::Single(Value::Integer(value));
        (ResourceId::new(resource), value)
    };
    let sources = |ids: &[u16]| {
        let values = ids.iter().map(|id| ((*id).into(), Value::Integer(1)));
        (
            ResourceId::new(6),
            ResourceSnapshot::Multiple(values.collect()),
        )
    };
    let device = |instances| ObjectSnapshot {
        object: ObjectId::DEVICE,
        version: Version::INITIAL,
        instances,
        state: Vec::new(),
    };
    let store = Store::of([(InstanceId::ZERO, typed::Device::example())]);
    let content = |at: &str| Err(SnapshotError::Content(path(at)));
    for (instances, result) in [
        (vec![], Ok(())),
        (vec![instance(0, vec![value(9, 5), value(10, 5)])], Ok(())),
        (vec![instance(0, vec![sources(&[0, 2])])], Ok(())),
        (vec![instance(1, vec![])], content("/3/1")),
        (
            vec![instance(0, vec![]), instance(1, vec![])],
            content("/3/1"),
        ),
        (
            vec![instance(0, vec![]), instance(0, vec![])],
            content("/3"),
        ),
        (
            vec![instance(0, vec![value(10, 5), value(9, 5)])],
            content("/3/0"),
        ),
        (
            vec![instance(0, vec![value(9, 5), value(9, 5)])],
            content("/3/0"),
        ),
        (vec![instance(0, vec![sources(&[2, 0])])], content("/3/0/6")),
        (vec![instance(0, vec![sources(&[2, 2])])], content("/3/0/6")),
        (vec![instance(0, vec![value(9, 101)])], content("/3/0/9")),
        (vec![instance(0, vec![value(99, 1)])], content("/3/0/99")),
        (
            vec![instance(0, vec![(9.into(), ResourceSnapshot::Executable)])],
            content("/3/0/9"),
        ),
        (vec![instance(0, vec![value(4, 1)])], content("/3/0/4")),
    ] {
        assert_eq!(
            store.check_saved(&device(instances.clone())),
            result,
            "{instances:?}"
        );
    }
    let with_state = ObjectSnapshot {
        state: vec![Value::Integer(1)],
        ..device(vec![])
    };
    let refused = Err(SnapshotError::State(ObjectId::DEVICE));
    assert_eq!(store.check_saved(&with_state), refused);
}

proptest! {
    /// With any character changed, a snapshot doesn't parse or is refused, and nothing of it is loaded;
    /// or it is the same snapshot in another notation.
    #[test]
    fn a_damaged_snapshot_is_refused_whole(at in any::<prop::sample::Index>(), with in b' '..b'~') {
        let saved = json(&tree(42).snapshot());
        let mut damaged = saved.clone().into_bytes();
        let at = at.index(damaged.len());
        prop_assume!(damaged[at] != with);
        damaged[at] = with;
        let mut restarted = tree(100);
        let before = json(&restarted.snapshot());
        if let Ok(snapshot) = serde_json::from_slice::<Snapshot>(&damaged) {
            if restarted.restore(&snapshot).is_ok() {
                prop_assert_eq!(json(&snapshot), saved);
            } else {
                prop_assert_eq!(json(&restarted.snapshot()), before);
            }
        }
    }
}
