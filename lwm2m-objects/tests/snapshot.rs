//! Snapshots: what is saved comes back equal, what is damaged is refused whole.

#![cfg(feature = "serde")]

use lwm2m_core::{InstanceId, Path, ShortServerId, Value};
use lwm2m_objects::{Device, ObjectTree, Security, Server, Snapshot, SnapshotError, Store};
use proptest::prelude::*;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn tree(level: u8) -> ObjectTree {
    let server = ShortServerId::new(101).unwrap();
    let mut tree = ObjectTree::new();
    let security = Security::pre_shared_key("coaps://one", server, *b"identity", *b"secret");
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, Server::new(server, 60))]));
    let device = Device {
        battery_level: Some(level),
        ..Device::example()
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
    // What executes is there again, too.
    assert!(restarted.locate(path("/3/0/4")).is_some());
}

/// Each Object Instance has its own optional executables afterwards: none is lost, none is added.
#[test]
fn executables_come_back_instance_by_instance() {
    let servers = |first: bool, second: bool| {
        let server = |id, disable| Server {
            disable,
            ..Server::new(ShortServerId::new(id).unwrap(), 60)
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
            // What is mandatory is there in any case.
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
        !format!("{:?}", Store::of([(InstanceId::ZERO, Device::example())])).contains("Alliance")
    );
}

proptest! {
    /// Any one character changed: it does not parse, or it is refused, and nothing is half-loaded;
    /// or it is the same snapshot, written another way.
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
