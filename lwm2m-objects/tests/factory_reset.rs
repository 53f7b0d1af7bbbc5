//! Factory Reset of a tree (TS E.4, Resource 5).

extern crate alloc;

mod common;

use alloc::sync::Arc;

use common::{Log, asked, create, delete, device, firmware, set, software, statistics};
use lwm2m_core::{Arguments, InstanceId, Instant, ShortServerId, Value};
use lwm2m_kit::path;
use lwm2m_objects::{
    Answer, ConnectivityStatisticsObject, DeviceObject, ErrorCode, FetchOrder, LocationObject,
    ObjectTree, SnapshotError, Store,
    firmware::{FirmwareUpdateObject, State},
    software::{Numbering, SoftwareManagementObject},
    typed,
};

fn tree() -> (ObjectTree, Log) {
    let log = Log::default();
    let (of_firmware, of_software) = (Arc::clone(&log), Arc::clone(&log));
    let server = ShortServerId::new(101).unwrap();
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://one", server);
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    let server = typed::Server::new(server, 60);
    tree.add(Store::of([(InstanceId::ZERO, server)]).managed(2));
    tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
    let update = typed::FirmwareUpdate::default();
    let object = FirmwareUpdateObject::new(update, move |event| {
        of_firmware.lock().unwrap().push(format!("{event:?}"));
        Answer::Done
    });
    tree.add(object.unwrap());
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics::ALL,
    ));
    let object = SoftwareManagementObject::new(Numbering::Registered, move |id, event| {
        of_software.lock().unwrap().push(format!("{id} {event:?}"));
        Answer::Done
    });
    let component = |name: &str| typed::SoftwareManagement::new(name, "1");
    let object = object.with(InstanceId::ZERO, component("one")).unwrap();
    let two = lwm2m_kit::instance(1);
    tree.add(object.with(two, component("two")).unwrap().managed(3));
    (tree, log)
}

#[test]
fn what_servers_have_changed_goes_back_to_the_given_state() {
    let (mut tree, _) = tree();
    let factory = tree.snapshot();
    tree.leave_factory();
    tree.change([set("/1/0/1", 777), create("/1/1"), set("/1/1/0", 102)])
        .unwrap();
    tree.change([set("/3/0/14", "+05:00"), delete("/9/1")])
        .unwrap();
    assert_ne!(tree.snapshot(), factory);
    tree.handle_timeout(Instant::from_secs(3600));
    let time = tree.get(path("/3/0/13"));
    assert_eq!(tree.factory_reset(), Ok(()));
    assert_eq!(tree.get(path("/3/0/13")), time, "the clock goes on");
    let Some(Value::Time(now)) = time else {
        panic!("no time: {time:?}");
    };
    tree.set(path("/3/0/13"), Value::Time(now - 3600)).unwrap();
    assert_eq!(tree.snapshot(), factory);
    assert_eq!(tree.get(path("/1/0/1")), Some(Value::Integer(60)));
}

/// Errors, counters and downloads aren't values that anyone has set.
#[test]
fn what_has_happened_is_forgotten_without_a_state_as_well() {
    let (mut tree, log) = tree();
    device(&mut tree).report(ErrorCode::LowBattery);
    tree.execute(path("/7/0/6"), &Arguments::NONE).unwrap();
    statistics(&mut tree).sent(Instant::ZERO, 4096);
    tree.change([set("/5/0/1", "coap://h/p"), set("/9/0/3", "coap://h/q")])
        .unwrap();
    tree.change([set("/9/1/2", &b"package"[..])]).unwrap();
    while tree.poll_fetch().is_some() {}
    while tree.poll_changed().is_some() {}
    asked(&log);

    assert_eq!(tree.factory_reset(), Ok(()));
    assert_eq!(tree.get(path("/3/0/11/0")), Some(Value::Integer(0)));
    assert!(!statistics(&mut tree).is_collecting());
    assert_eq!(tree.get(path("/7/0/2")), Some(Value::Integer(0)));
    assert_eq!(firmware(&mut tree).machine().state(), State::Idle);
    assert_eq!(asked(&log), ["Discard", "0 Discard"]);
    let stopped: Vec<_> = core::iter::from_fn(|| tree.poll_fetch()).collect();
    let stop = |at| FetchOrder::Stop { path: path(at) };
    assert_eq!(stopped, [stop("/5/0/1"), stop("/9/0/3")]);
    // INITIAL, and DELIVERED as before.
    assert_eq!(tree.get(path("/9/0/7")), Some(Value::Integer(0)));
    assert_eq!(tree.get(path("/9/1/7")), Some(Value::Integer(3)));
    let changed: Vec<_> = core::iter::from_fn(|| tree.poll_changed()).collect();
    for at in ["/3/0/11", "/5/0/3", "/7/0/2", "/9/0/7", "/9/0/9"] {
        assert!(changed.contains(&path(at)), "{at}: {changed:?}");
    }
}

/// Objects come and go; a snapshot that is restored at a start changes nothing of the factory.
#[test]
fn what_the_factory_did_not_know_stays() {
    let (mut tree, _) = tree();
    tree.leave_factory();
    tree.change([set("/1/0/1", 777)]).unwrap();
    let saved = tree.snapshot();
    let at = path("/6/0/6");
    let location = typed::Location {
        speed: Some(1.5),
        ..typed::Location::new(51.5, 0.1, 1)
    };
    tree.add(LocationObject::new(location));
    // Object 9 in the other numbering is another Object.
    let other = SoftwareManagementObject::new(Numbering::Candidate, |_, _| Answer::Done);
    tree.add(other.managed(3));
    assert_eq!(tree.factory_reset(), Err(SnapshotError::State(9.into())));
    assert_eq!(tree.get(path("/1/0/1")), Some(Value::Integer(777)));
    let (old, _) = self::tree();
    let mut old = old;
    old.leave_factory();
    old.restore(&saved).unwrap();
    assert_eq!(old.factory_reset(), Ok(()));
    assert_eq!(old.get(path("/1/0/1")), Some(Value::Integer(60)));
    assert_eq!(tree.get(at), Some(Value::Float(1.5)));
}

/// Of a bootstrap that is under way, nothing is left.
#[test]
fn what_is_held_is_rolled_back() {
    let (mut tree, _) = tree();
    tree.hold();
    tree.change([set("/1/0/1", 777)]).unwrap();
    assert_eq!(tree.factory_reset(), Ok(()));
    assert_eq!(tree.get(path("/1/0/1")), Some(Value::Integer(60)));
    assert_eq!(software(&mut tree).snapshots().count(), 2);
}
