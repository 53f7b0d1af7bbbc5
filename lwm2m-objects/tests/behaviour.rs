//! The behaviour of Device (TS E.4), Location (E.7) and Connectivity Statistics (E.8).

mod common;

use common::{device, statistics};
use lwm2m_core::{
    Arguments, DataType, InstanceId, Instant, ObjectId, Path, Value, WriteMode, codec::Content,
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Answer, Change, ConnectivityStatisticsObject, DeviceObject, ErrorCode, ExecuteError, Execution,
    LocationObject, Object, ObjectTree, Store, Typed, WriteError, example,
    firmware::FirmwareUpdateObject,
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};

fn execute(tree: &mut ObjectTree, at: &str) -> Result<Execution, ExecuteError> {
    tree.execute(path(at), &Arguments::NONE)
}

/// A server writes.
fn write(
    tree: &mut ObjectTree,
    at: &str,
    mode: WriteMode,
    values: &[(&str, Value)],
) -> Result<(), WriteError> {
    let mut transaction = tree.write(path(at), mode)?;
    let values = values.iter().map(|(at, value)| (path(at), value.clone()));
    values.collect::<Content>().push(&mut transaction)?;
    let changes = transaction.finish()?;
    tree.commit(&changes).map(drop)
}

fn changed(tree: &mut ObjectTree) -> Vec<String> {
    core::iter::from_fn(|| tree.poll_changed())
        .map(|path| path.to_string())
        .collect()
}

/// The integers of a multiple Resource, by Resource Instance ID.
fn integers(tree: &ObjectTree, at: &str) -> Vec<(u16, i64)> {
    let mut found = Vec::new();
    tree.visit(path(at), |path, value| {
        let Value::Integer(number) = value.to_owned() else {
            panic!("{value}");
        };
        found.push((path.resource_instance().unwrap().get(), number));
    });
    found
}

fn with_device(device: typed::Device) -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(DeviceObject::new(device, Instant::ZERO).unwrap());
    tree
}

/// TS E.4, Resources 11 and 12; ETS 657.
#[test]
fn error_codes_come_one_by_one_and_go_together() {
    let mut tree = with_device(typed::Device {
        error_codes: Vec::new(),
        reset_error_code: true,
        ..typed::Device::example()
    });
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 0)]);

    device(&mut tree).report(ErrorCode::OutOfMemory);
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 5)]);
    assert_eq!(changed(&mut tree), ["/3/0/11"]);

    device(&mut tree).report(ErrorCode::LowBattery);
    device(&mut tree).report(ErrorCode::Peripheral);
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 5), (1, 1), (2, 8)]);
    assert_eq!(changed(&mut tree), ["/3/0/11"]);

    // It is reported already.
    device(&mut tree).report(ErrorCode::LowBattery);
    assert_eq!(integers(&tree, "/3/0/11").len(), 3);
    assert_eq!(changed(&mut tree), [""; 0]);

    assert_eq!(execute(&mut tree, "/3/0/12"), Ok(Execution::Done));
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 0)]);
    assert_eq!(changed(&mut tree), ["/3/0/11"]);

    device(&mut tree).report(ErrorCode::LowBattery);
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 1)]);
}

#[test]
fn errors_from_before_stay() {
    let mut tree = with_device(typed::Device {
        error_codes: [3, 6].into(),
        ..typed::Device::default()
    });
    device(&mut tree).report(ErrorCode::LowSignal);
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 3), (1, 6), (2, 4)]);
    // "No error" stands alone.
    let mut tree = with_device(typed::Device {
        error_codes: [0, 3, 0].into(),
        ..typed::Device::default()
    });
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 3)]);
    device(&mut tree).report(ErrorCode::Sms);
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 3), (1, 6)]);
    // A Bootstrap-Server may have used other Resource Instance IDs: the first free one is used.
    let at = path("/3/0/11");
    let set = |id: u16, value: i64| Change::Set {
        path: path(&format!("/3/0/11/{id}")),
        value: Value::Integer(value),
    };
    tree.change([Change::Clear { path: at }, set(1, 3), set(3, 6)])
        .unwrap();
    device(&mut tree).report(ErrorCode::GpsModule);
    assert_eq!(integers(&tree, "/3/0/11"), [(1, 3), (3, 6)], "told already");
    device(&mut tree).report(ErrorCode::LowSignal);
    device(&mut tree).report(ErrorCode::LowBattery);
    device(&mut tree).report(ErrorCode::Peripheral);
    let codes = [(0, 4), (1, 3), (2, 1), (3, 6), (4, 8)];
    assert_eq!(integers(&tree, "/3/0/11"), codes);
    // Reset Error Code is optional.
    let at = path("/3/0/12");
    assert_eq!(
        execute(&mut tree, "/3/0/12"),
        Err(ExecuteError::NotFound(at))
    );
    for number in 0..=9 {
        let error = ErrorCode::from_number(number);
        assert_eq!(
            error.map_or(0, ErrorCode::number),
            if number == 9 { 0 } else { number }
        );
    }
}

/// TS E.4, Resources 6, 7 and 8: one source has one Resource Instance ID.
#[test]
fn power_sources_keep_their_resource_instance() {
    let mut tree = with_device(typed::Device::example());
    let solar = typed::PowerSource {
        kind: 7,
        voltage: 12_000,
        current: 40,
    };
    device(&mut tree).set_power_source(9, solar).unwrap();
    device(&mut tree).remove_power_source(0);
    assert_eq!(integers(&tree, "/3/0/6"), [(1, 5), (9, 7)]);
    assert_eq!(integers(&tree, "/3/0/7"), [(1, 5000), (9, 12_000)]);
    assert_eq!(integers(&tree, "/3/0/8"), [(1, 900), (9, 40)]);
    assert_eq!(changed(&mut tree), ["/3/0/6", "/3/0/7", "/3/0/8"]);
    let read = typed::Device::load(&tree, InstanceId::ZERO).unwrap();
    assert_eq!(read.power_sources[1], solar);

    // Only the current has changed.
    let current = 41;
    device(&mut tree)
        .set_power_source(9, typed::PowerSource { current, ..solar })
        .unwrap();
    assert_eq!(changed(&mut tree), ["/3/0/8"]);
    device(&mut tree).remove_power_source(3);
    assert_eq!(changed(&mut tree), [""; 0]);
}

/// TS E.4, Resource 13.
#[test]
fn current_time_goes_on_and_can_be_set() {
    let time = |tree: &ObjectTree| tree.get(path("/3/0/13"));
    let mut tree = with_device(typed::Device::example());
    assert_eq!(time(&tree), Some(Value::Time(1_367_491_215)));
    tree.handle_timeout(Instant::from_millis(999));
    assert_eq!(time(&tree), Some(Value::Time(1_367_491_215)));
    tree.handle_timeout(Instant::from_millis(1000));
    assert_eq!(time(&tree), Some(Value::Time(1_367_491_216)));
    // Time does not run backwards, and its passing is not reported as a change.
    tree.handle_timeout(Instant::ZERO);
    assert_eq!(time(&tree), Some(Value::Time(1_367_491_216)));
    assert_eq!(changed(&mut tree), [""; 0]);

    tree.handle_timeout(Instant::from_secs(10));
    let values = [("/3/0/13", Value::Time(1_700_000_000))];
    write(&mut tree, "/3/0/13", WriteMode::Replace, &values).unwrap();
    assert_eq!(time(&tree), Some(Value::Time(1_700_000_000)));
    tree.handle_timeout(Instant::from_secs(70));
    assert_eq!(time(&tree), Some(Value::Time(1_700_000_060)));

    device(&mut tree).set_time(Instant::from_secs(80), -5);
    assert_eq!(changed(&mut tree), ["/3/0/13"]);
    tree.handle_timeout(Instant::from_secs(90));
    assert_eq!(time(&tree), Some(Value::Time(5)));

    // A Replace of the instance without the time removes it (TS 5.4.3).
    let values = [("/3/0/14", Value::from("+03:00"))];
    write(&mut tree, "/3/0", WriteMode::Replace, &values).unwrap();
    assert_eq!(time(&tree), None);
    let mut restarted = with_device(typed::Device::example());
    restarted.restore(&tree.snapshot()).unwrap();
    assert_eq!(time(&restarted), None);
    assert!(restarted.locate(path("/3/0/14")).is_some());
}

/// An Object doesn't support optional Resources that it was made without.
#[test]
fn what_is_not_supported_is_not_written() {
    let mut tree = with_device(typed::Device::example());
    let counted = typed::ConnectivityStatistics {
        tx_data: Some(0),
        ..typed::ConnectivityStatistics::default()
    };
    tree.add(ConnectivityStatisticsObject::new(counted));
    tree.add(LocationObject::new(typed::Location::new(60.0, 25.0, 1000)));
    for (at, value) in [
        ("/3/0/15", Value::from("Europe/Helsinki")),
        ("/7/0/8", Value::Integer(60)),
    ] {
        let refused = write(&mut tree, at, WriteMode::Replace, &[(at, value)]);
        assert_eq!(refused, Err(WriteError::NotFound(path(at))));
    }
    for (at, value) in [
        ("/3/0/15", Value::from("Europe/Helsinki")),
        ("/6/0/2", Value::Float(8.5)),
        ("/7/0/8", Value::Integer(60)),
    ] {
        let path = path(at);
        let refused = tree.change([Change::Set { path, value }]);
        assert_eq!(refused, Err(WriteError::NotWritable(path)));
    }
    // Nor can a missing Resource be executed.
    for (at, refused) in [
        ("/3/0/5", ExecuteError::NotFound(path("/3/0/5"))),
        ("/3/0/13", ExecuteError::NotExecutable(path("/3/0/13"))),
        ("/6/0/0", ExecuteError::NotExecutable(path("/6/0/0"))),
        ("/7/0/2", ExecuteError::NotExecutable(path("/7/0/2"))),
    ] {
        assert_eq!(execute(&mut tree, at), Err(refused));
    }
}

/// A change of the time by a transaction is rolled back.
#[test]
fn the_time_is_taken_back() {
    let mut tree = with_device(typed::Device {
        current_time: Some(7),
        ..typed::Device::example()
    });
    // The roll-back restores the time that was written before.
    let values = [("/3/0/13", Value::Time(1_367_491_215))];
    write(&mut tree, "/3/0/13", WriteMode::Replace, &values).unwrap();
    let values = [("/3/0/13", Value::Time(1))];
    tree.hold();
    write(&mut tree, "/3/0", WriteMode::Replace, &values).unwrap();
    assert_eq!(tree.get(path("/3/0/13")), Some(Value::Time(1)));
    tree.handle_timeout(Instant::from_secs(60));
    assert_eq!(tree.get(path("/3/0/13")), Some(Value::Time(61)));
    tree.roll_back();
    // The clock has advanced meanwhile.
    assert_eq!(tree.get(path("/3/0/13")), Some(Value::Time(1_367_491_275)));
    device(&mut tree).set_time(Instant::from_secs(60), 1_367_491_215);
    assert_eq!(
        typed::Device::load(&tree, InstanceId::ZERO),
        Some(typed::Device::example())
    );
}

#[test]
fn reboot_and_factory_reset_are_the_applications() {
    let mut tree = with_device(typed::Device {
        factory_reset: true,
        ..typed::Device::example()
    });
    assert_eq!(execute(&mut tree, "/3/0/4"), Ok(Execution::Application));
    assert_eq!(execute(&mut tree, "/3/0/5"), Ok(Execution::Application));
}

fn with_statistics(collection_period: u32) -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics {
            collection_period: Some(collection_period),
            ..typed::ConnectivityStatistics::ALL
        },
    ));
    tree
}

/// Resources 0 to 5.
fn counters(tree: &ObjectTree) -> [i64; 6] {
    [0, 1, 2, 3, 4, 5].map(
        |resource| match tree.get(path(&format!("/7/0/{resource}"))) {
            Some(Value::Integer(count)) => count,
            other => panic!("{other:?}"),
        },
    )
}

/// TS E.8; ETS 901.
#[test]
fn statistics_count_from_start_to_stop() {
    let mut tree = with_statistics(0);
    let second = Instant::from_secs;
    // Nothing counts before Start.
    statistics(&mut tree).sent(second(1), 5000);
    assert_eq!(counters(&tree), [0; 6]);

    execute(&mut tree, "/7/0/6").unwrap();
    statistics(&mut tree).sent(second(2), 1000);
    statistics(&mut tree).sent(second(3), 1048);
    statistics(&mut tree).received(second(4), 1023);
    statistics(&mut tree).sms_sent(second(5));
    statistics(&mut tree).sms_received(second(6));
    statistics(&mut tree).sms_received(second(6));
    // Only full kilobytes count; the average is that of 3071 bytes in three messages.
    assert_eq!(counters(&tree), [1, 2, 2, 0, 1048, 1023]);
    let mut all = changed(&mut tree);
    all.sort();
    // Less than a kilobyte has been received.
    assert_eq!(all, ["/7/0/0", "/7/0/1", "/7/0/2", "/7/0/4", "/7/0/5"]);

    execute(&mut tree, "/7/0/7").unwrap();
    statistics(&mut tree).sent(second(7), 4096);
    assert_eq!(counters(&tree), [1, 2, 2, 0, 1048, 1023]);

    execute(&mut tree, "/7/0/6").unwrap();
    assert_eq!(counters(&tree), [0; 6]);
    assert!(statistics(&mut tree).is_collecting());
}

/// TS E.8, Resource 8: collecting ends after the Collection Period.
#[test]
fn the_collection_period_ends() {
    let mut tree = with_statistics(60);
    tree.handle_timeout(Instant::from_secs(100));
    assert_eq!(tree.poll_timeout(), None);
    execute(&mut tree, "/7/0/6").unwrap();
    assert_eq!(tree.poll_timeout(), Some(Instant::from_secs(160)));
    tree.handle_timeout(Instant::from_millis(159_999));
    assert!(statistics(&mut tree).is_collecting());
    tree.handle_timeout(Instant::from_secs(160));
    assert!(!statistics(&mut tree).is_collecting());
    assert_eq!(tree.poll_timeout(), None);

    // After the period nothing counts, even without a call of `handle_timeout`.
    execute(&mut tree, "/7/0/6").unwrap();
    statistics(&mut tree).sent(Instant::from_secs(219), 2048);
    statistics(&mut tree).sent(Instant::from_secs(220), 2048);
    assert_eq!(counters(&tree)[2], 2);

    // A server sets it while collecting: 0 means until Stop.
    execute(&mut tree, "/7/0/6").unwrap();
    let period = |seconds: i64| [("/7/0/8", Value::Integer(seconds))];
    write(&mut tree, "/7/0/8", WriteMode::Replace, &period(0)).unwrap();
    assert_eq!(tree.poll_timeout(), None);
    write(&mut tree, "/7/0/8", WriteMode::Replace, &period(5)).unwrap();
    assert_eq!(tree.poll_timeout(), Some(Instant::from_secs(225)));
    let at = path("/7/0/8");
    for bad in [-1, i64::from(u32::MAX) + 1] {
        let refused = write(&mut tree, "/7/0/8", WriteMode::Replace, &period(bad));
        assert_eq!(refused, Err(WriteError::Refused(at)));
    }
}

/// What is counted quietly is read, and nobody is told.
#[test]
fn statistics_can_be_counted_quietly() {
    let mut tree = with_statistics(0);
    execute(&mut tree, "/7/0/6").unwrap();
    let second = Instant::from_secs;
    statistics(&mut tree).quietly(|statistics| statistics.sent(second(1), 3000));
    assert_eq!(changed(&mut tree), [""; 0]);
    assert_eq!(counters(&tree), [0, 0, 2, 0, 3000, 3000]);
    assert_eq!(statistics(&mut tree).now(), second(1));
    // The next message tells of its own.
    statistics(&mut tree).received(second(2), 1000);
    assert_eq!(changed(&mut tree), ["/7/0/5"]);
}

#[test]
fn counters_are_not_set() {
    let mut tree = with_statistics(0);
    let at = path("/7/0/2");
    assert_eq!(tree.set(at, 5), Err(WriteError::Refused(at)));
}

/// Only counters that are instantiated are there and are reported.
#[test]
fn statistics_have_what_they_are_made_with() {
    let mut tree = ObjectTree::new();
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics {
            tx_data: Some(7),
            ..typed::ConnectivityStatistics::default()
        },
    ));
    execute(&mut tree, "/7/0/6").unwrap();
    statistics(&mut tree).sent(Instant::ZERO, 3 * 1024);
    let id = ObjectId::CONNECTIVITY_STATISTICS;
    let resources = tree.resources(id, InstanceId::ZERO);
    assert!(resources.map(|resource| resource.id.get()).eq([2, 6, 7]));
    assert_eq!(tree.get(path("/7/0/2")), Some(Value::Integer(3)));
    assert_eq!(changed(&mut tree), ["/7/0/2"]);
}

/// TS E.7: a place and its time.
#[test]
fn a_location_changes_as_one() {
    let mut tree = ObjectTree::new();
    let first = typed::Location {
        altitude: Some(12.0),
        ..typed::Location::new(60.0, 25.0, 1000)
    };
    tree.add(LocationObject::new(first));
    let second = typed::Location {
        speed: Some(1.5),
        ..typed::Location::new(60.0, 25.5, 1060)
    };
    let location: &mut LocationObject = tree.object_as_mut(ObjectId::LOCATION).unwrap();
    location.moved(second.clone());
    assert_eq!(changed(&mut tree), ["/6/0/1", "/6/0/2", "/6/0/5", "/6/0/6"]);
    assert_eq!(
        typed::Location::load(&tree, InstanceId::ZERO),
        Some(second.clone())
    );
    // The same again is no change.
    let location: &mut LocationObject = tree.object_as_mut(ObjectId::LOCATION).unwrap();
    location.moved(second);
    assert_eq!(changed(&mut tree), [""; 0]);
}

/// The application may set a value by its path, and a new measurement after a Delete and Create.
#[test]
fn a_location_is_made_anew() {
    let mut tree = ObjectTree::new();
    tree.add(LocationObject::new(typed::Location {
        speed: Some(1.5),
        ..typed::Location::new(60.0, 25.0, 1000)
    }));
    tree.set(path("/6/0/6"), 2.5).unwrap();
    assert_eq!(tree.get(path("/6/0/6")), Some(Value::Float(2.5)));
    tree.change([Change::Delete { path: path("/6/0") }])
        .unwrap();
    let at = path("/6/0");
    tree.change([Change::Create { path: at }]).unwrap();
    assert_eq!(tree.resources(6.into(), InstanceId::ZERO).count(), 0);
    let location: &mut LocationObject = tree.object_as_mut(ObjectId::LOCATION).unwrap();
    let second = typed::Location::new(61.0, 26.0, 1060);
    location.moved(second.clone());
    assert_eq!(typed::Location::load(&tree, InstanceId::ZERO), Some(second));
}

/// After a Delete by the Bootstrap interface (TS 5.2.7.5), calls of the application don't bring the
/// Object Instance back, and a new one doesn't continue from the old state.
#[test]
fn what_was_deleted_stays_away() {
    let mut tree = with_statistics(60);
    tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
    tree.add(LocationObject::new(typed::Location::new(60.0, 25.0, 1000)));
    execute(&mut tree, "/7/0/6").unwrap();
    statistics(&mut tree).sent(Instant::ZERO, 4096);
    changed(&mut tree);
    for at in ["/3/0", "/6/0", "/7/0"] {
        tree.change([Change::Delete { path: path(at) }]).unwrap();
    }

    let source = typed::PowerSource {
        kind: 7,
        voltage: 12_000,
        current: 40,
    };
    device(&mut tree).report(ErrorCode::LowBattery);
    device(&mut tree).reset_errors();
    device(&mut tree).set_time(Instant::ZERO, 1);
    device(&mut tree).remove_power_source(0);
    let refused = device(&mut tree).set_power_source(0, source);
    assert_eq!(refused, Err(WriteError::NotFound(path("/3/0"))));
    let location: &mut LocationObject = tree.object_as_mut(ObjectId::LOCATION).unwrap();
    location.moved(typed::Location::new(61.0, 26.0, 1060));
    statistics(&mut tree).start(Instant::ZERO);
    statistics(&mut tree).sent(Instant::ZERO, 4096);
    for object in [3, 6, 7] {
        assert_eq!(tree.instances(object.into()).count(), 0, "/{object}");
    }
    assert_eq!(changed(&mut tree), [""; 0]);
    // Nor is it there after a restart.
    let mut restarted = with_statistics(60);
    restarted.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
    restarted.add(LocationObject::new(typed::Location::new(0.0, 0.0, 0)));
    restarted.restore(&tree.snapshot()).unwrap();
    for object in [3, 6, 7] {
        assert_eq!(restarted.instances(object.into()).count(), 0, "/{object}");
    }

    // A new one has the same counters at 0, and is not collecting.
    let mut create = tree.bootstrap_write(path("/7/0")).unwrap();
    let period = [(path("/7/0/8"), Value::Integer(30))].into_iter();
    period.collect::<Content>().push(&mut create).unwrap();
    let changes = create.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert!(!statistics(&mut tree).is_collecting());
    assert_eq!(tree.poll_timeout(), None);
    assert_eq!(counters(&tree), [0; 6]);
    execute(&mut tree, "/7/0/6").unwrap();
    assert_eq!(tree.poll_timeout(), Some(Instant::from_secs(30)));
}

/// TS E.4, Resource 11: a new Object Instance says that there is no error, unless something else is
/// written. Creating it and rolling back leaves nothing.
#[test]
fn a_device_that_is_made_anew_has_no_error() {
    let at = path("/3/0");
    let none: Vec<(u16, i64)> = Vec::new();
    for (written, codes) in [(&[][..], &[(0, 0)][..]), (&[4], &[(1, 4)])] {
        let mut tree = with_device(typed::Device::example());
        device(&mut tree).report(ErrorCode::LowBattery);
        tree.change([Change::Delete { path: at }]).unwrap();
        assert_eq!(integers(&tree, "/3/0/11"), none);
        let mut changes = vec![Change::Create { path: at }];
        changes.extend(written.iter().map(|code| Change::Set {
            path: path("/3/0/11/1"),
            value: Value::Integer(*code),
        }));
        tree.change(&changes[..]).unwrap();
        assert_eq!(integers(&tree, "/3/0/11"), codes);
        device(&mut tree).report(ErrorCode::Sms);
        let (_, last) = *integers(&tree, "/3/0/11").last().unwrap_or(&(0, 0));
        assert_eq!(last, if written.is_empty() { 6 } else { 4 });
    }
    // Created and deleted in one commit.
    let mut tree = with_device(typed::Device::example());
    let delete = Change::Delete { path: at };
    let create = Change::Create { path: at };
    tree.change([delete.clone(), create, delete]).unwrap();
    assert_eq!(tree.instances(ObjectId::DEVICE).count(), 0);
}

/// A Delete that may be rolled back doesn't end the collecting.
#[test]
fn statistics_go_on_when_their_delete_is_taken_back() {
    let mut tree = with_statistics(60);
    execute(&mut tree, "/7/0/6").unwrap();
    statistics(&mut tree).sent(Instant::ZERO, 4096);
    tree.hold();
    tree.change([Change::Delete { path: path("/7/0") }])
        .unwrap();
    tree.roll_back();
    assert!(statistics(&mut tree).is_collecting());
    assert_eq!(counters(&tree)[2], 4);
}

/// The counts of an instance whose Create is rolled back are dropped.
#[test]
fn statistics_of_an_instance_that_was_taken_back_are_gone() {
    let mut tree = with_statistics(60);
    let at = path("/7/0");
    tree.change([Change::Delete { path: at }]).unwrap();
    tree.hold();
    tree.change([Change::Create { path: at }]).unwrap();
    execute(&mut tree, "/7/0/6").unwrap();
    statistics(&mut tree).sent(Instant::ZERO, 4096);
    tree.roll_back();
    assert!(!statistics(&mut tree).is_collecting());
    tree.change([Change::Create { path: at }]).unwrap();
    assert_eq!(counters(&tree), [0; 6]);
    assert!(!statistics(&mut tree).is_collecting());
}

/// Everything that is going on continues after a restart.
#[test]
fn behaviour_survives_a_restart() {
    let made = || {
        let mut tree = with_statistics(60);
        tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
        tree.add(LocationObject::new(typed::Location::new(0.0, 0.0, 0)));
        tree
    };
    let mut tree = made();
    execute(&mut tree, "/7/0/6").unwrap();
    tree.handle_timeout(Instant::from_secs(40));
    statistics(&mut tree).received(Instant::from_secs(40), 2048);
    device(&mut tree).report(ErrorCode::Sms);
    let location: &mut LocationObject = tree.object_as_mut(ObjectId::LOCATION).unwrap();
    location.moved(typed::Location::new(1.0, 2.0, 3));
    let snapshot = tree.snapshot();

    let mut restarted = made();
    restarted.handle_timeout(Instant::from_secs(7));
    restarted.restore(&snapshot).unwrap();
    assert_eq!(restarted.snapshot(), snapshot);
    assert_eq!(counters(&restarted), [0, 0, 0, 2, 2048, 2048]);
    assert_eq!(integers(&restarted, "/3/0/11"), [(0, 6)]);
    assert_eq!(
        restarted.get(path("/3/0/13")),
        Some(Value::Time(1_367_491_255))
    );
    assert_eq!(restarted.get(path("/6/0/1")), Some(Value::Float(2.0)));
    // 20 of the 60 seconds are left.
    assert_eq!(restarted.poll_timeout(), Some(Instant::from_secs(27)));
    restarted.handle_timeout(Instant::from_secs(12));
    assert_eq!(
        restarted.get(path("/3/0/13")),
        Some(Value::Time(1_367_491_260))
    );
    // A Start has 60 seconds again.
    execute(&mut restarted, "/7/0/6").unwrap();
    assert_eq!(restarted.poll_timeout(), Some(Instant::from_secs(72)));
}

/// A snapshot of an Object that has another definition by now is refused, and nothing has changed.
#[test]
fn what_was_saved_of_another_object_is_refused() {
    for (object, resource) in [(3, 9), (6, 2), (7, 8)] {
        let mut tree = with_statistics(60);
        tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
        tree.add(LocationObject::new(typed::Location::new(60.0, 25.0, 1000)));
        let before = tree.snapshot();
        // The same Object, but for the type of one Resource.
        let mut definition = tree.definition(object.into()).unwrap().clone();
        let resources = definition.resources.to_mut().iter_mut();
        for other in resources.filter(|other| other.id.get() == resource) {
            other.data_type = Some(DataType::String);
            other.range = None;
        }
        let mut other = ObjectTree::new();
        let store = Store::from_definition(definition).unwrap();
        other.add(store.with(InstanceId::ZERO, resource, "text"));
        let refused = tree.restore(&other.snapshot());
        assert!(refused.is_err(), "/{object}: {refused:?}");
        assert_eq!(tree.snapshot(), before);
    }
}

/// Reading an Object Instance gives the same as reading its Resources one by one.
#[test]
fn an_instance_reads_as_its_resources_do() {
    let mut tree = example::client();
    tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
    tree.add(LocationObject::new(typed::Location::new(
        60.1699, 24.9384, 1,
    )));
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics::ALL,
    ));
    let config = typed::FirmwareUpdate::default();
    tree.add(FirmwareUpdateObject::new(config, |_| Answer::Done).unwrap());
    let application = |_, _: software::Event<'_>| Answer::Done;
    let software = SoftwareManagementObject::new(Numbering::Registered, application);
    let config = typed::SoftwareManagement::new("name", "1");
    tree.add(software.with(InstanceId::ZERO, config).unwrap());
    statistics(&mut tree).start(Instant::ZERO);
    statistics(&mut tree).sent(Instant::ZERO, 5000);
    tree.handle_timeout(Instant::from_secs(60));

    let read = |path| {
        let mut content = Content::new();
        tree.read(path, |_| true, &mut content).unwrap();
        content
    };
    let objects = tree.objects().map(|object| object.definition().id);
    // Nothing of Security can be read.
    for object in objects.filter(|object| *object != ObjectId::SECURITY) {
        for instance in tree.instances(object) {
            let resources = tree.resources(object, instance);
            let readable = resources.filter(|resource| resource.operations.readable());
            let one_by_one: Vec<_> = readable
                .flat_map(|resource| read(Path::Resource(object, instance, resource.id)))
                .collect();
            let whole = read(Path::Instance(object, instance));
            assert_eq!(whole.entries(), one_by_one, "/{object}/{instance}");
        }
    }
}

/// Setting the same value again is no change: observers are not notified (TS 5.5).
#[test]
fn what_is_told_again_is_no_change() {
    let mut tree = with_device(typed::Device {
        reset_error_code: true,
        current_time: Some(100),
        error_codes: vec![],
        ..typed::Device::default()
    });
    device(&mut tree).reset_errors();
    execute(&mut tree, "/3/0/12").unwrap();
    tree.handle_timeout(Instant::from_secs(10));
    device(&mut tree).set_time(Instant::from_secs(20), 120);
    assert_eq!(changed(&mut tree), [""; 0]);
    device(&mut tree).report(ErrorCode::LowBattery);
    assert_eq!(changed(&mut tree), ["/3/0/11"]);
    execute(&mut tree, "/3/0/12").unwrap();
    assert_eq!(changed(&mut tree), ["/3/0/11"]);
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 0)]);
    device(&mut tree).set_time(Instant::from_secs(20), 121);
    assert_eq!(changed(&mut tree), ["/3/0/13"]);

    // NaN is the same as itself.
    let nowhere = || typed::Location {
        altitude: Some(f64::NAN),
        ..typed::Location::new(51.5, 0.1, 1)
    };
    let mut location = LocationObject::new(nowhere());
    location.moved(nowhere());
    assert_eq!(location.poll_changed(), None);
    location.moved(typed::Location::new(51.5, 0.1, 1));
    assert_eq!(location.poll_changed(), Some(path("/6/0/2")));
}

/// A Delete drops the time, also one that was written in the same commit.
#[test]
fn a_time_that_is_written_before_the_device_is_deleted_goes_with_it() {
    let set = Change::Set {
        path: path("/3/0/13"),
        value: Value::Time(77),
    };
    let delete = Change::Delete { path: path("/3/0") };
    let create = Change::Create { path: path("/3/0") };
    let with_time = || {
        with_device(typed::Device {
            current_time: Some(100),
            ..typed::Device::default()
        })
    };
    let mut tree = with_time();
    tree.change([set.clone(), delete.clone()]).unwrap();
    assert!(tree.locate(path("/3/0")).is_none());
    let mut tree = with_time();
    tree.change([set.clone(), delete.clone(), create.clone()])
        .unwrap();
    assert_eq!(tree.get(path("/3/0/13")), None);
    assert_eq!(integers(&tree, "/3/0/11"), [(0, 0)]);
    tree.handle_timeout(Instant::from_secs(5));
    tree.change([delete, create, set]).unwrap();
    assert_eq!(tree.get(path("/3/0/13")), Some(Value::Time(77)));
}
