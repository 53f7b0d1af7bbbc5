//! Held commits. A roll-back leaves no trace, neither in the values nor in the update machines.
//! Keeping them lets their effects happen.

extern crate alloc;

mod common;

use alloc::sync::Arc;

use common::{Log, asked, create, delete, firmware, set};
use lwm2m_core::{Arguments, DataType, InstanceId, Instant, ObjectId, ResourceId, Value, ValueRef};
use lwm2m_kit::path;
use lwm2m_objects::{
    Answer, Change, ConnectivityStatisticsObject, DeviceObject, ExecuteError, Execution, Object,
    ObjectDefinition, ObjectTree, Operations, Piece, Range, ReadError, ResourceDefinition,
    ResourceSink, Store, WriteError,
    firmware::{self, FirmwareUpdateObject},
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};

fn with_firmware() -> (ObjectTree, Log) {
    let log = Log::default();
    let events = Arc::clone(&log);
    let object = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), move |event| {
        events.lock().unwrap().push(format!("{event:?}"));
        match event {
            firmware::Event::Fetch { .. } => Answer::Later,
            _ => Answer::Done,
        }
    });
    let mut tree = ObjectTree::new();
    tree.add(object.unwrap().pulled_by_application());
    (tree, log)
}

fn with_software(numbering: Numbering) -> (ObjectTree, Log) {
    let log = Log::default();
    let events = Arc::clone(&log);
    let application = move |instance: InstanceId, event: software::Event<'_>| {
        events.lock().unwrap().push(format!("{instance} {event:?}"));
        match event {
            software::Event::Fetch { .. } => Answer::Later,
            _ => Answer::Done,
        }
    };
    let object = SoftwareManagementObject::new(numbering, application)
        .with(InstanceId::ZERO, typed::SoftwareManagement::new("one", "1"))
        .unwrap()
        .managed(3)
        .pulled_by_application();
    let mut tree = ObjectTree::new();
    tree.add(object);
    (tree, log)
}

/// Whatever the machine was doing, a roll-back asks nothing of the application and changes nothing.
#[test]
fn firmware_hears_nothing_of_what_is_rolled_back() {
    let prepared: [fn(&mut ObjectTree); 4] = [
        |_| {},
        |tree| {
            // A download has failed, and its URI is still there.
            tree.set(path("/5/0/1"), "coap://old").unwrap();
            let error = firmware::DownloadError::ConnectionLost;
            firmware(tree).failed(error).unwrap();
        },
        |tree| {
            tree.set(path("/5/0/1"), "coap://old").unwrap();
        },
        |tree| {
            tree.set(path("/5/0/0"), &b"old"[..]).unwrap();
        },
    ];
    let changes: [&[Change]; 7] = [
        &[set("/5/0/1", "coap://new")],
        &[set("/5/0/1", "no uri")],
        &[set("/5/0/1", "")],
        &[set("/5/0/0", &b"new"[..])],
        &[set("/5/0/0", &b"\0"[..]), set("/5/0/1", "coap://new")],
        &[delete("/5/0")],
        &[delete("/5/0"), create("/5/0"), set("/5/0/1", "coap://new")],
    ];
    for prepare in prepared {
        for changes in changes {
            let (mut tree, log) = with_firmware();
            prepare(&mut tree);
            while tree.poll_changed().is_some() {}
            asked(&log);
            let (before, machine) = (tree.snapshot(), firmware(&mut tree).machine().clone());
            tree.hold();
            // A Write that the state of the machine doesn't allow is refused as usual.
            let _ = tree.change(changes);
            let _ = tree.change(changes);
            tree.roll_back();
            assert_eq!(asked(&log), [""; 0], "{changes:?}");
            assert_eq!(tree.poll_changed(), None, "{changes:?}");
            assert_eq!(tree.snapshot(), before, "{changes:?}");
            assert_eq!(firmware(&mut tree).machine(), &machine, "{changes:?}");
        }
    }
}

#[test]
fn firmware_hears_of_what_is_kept() {
    let (mut tree, log) = with_firmware();
    tree.hold();
    tree.change([set("/5/0/1", "coap://new")]).unwrap();
    assert_eq!(asked(&log), [""; 0]);
    assert_eq!(tree.get(path("/5/0/3")), Some(Value::Integer(0)));
    // A second one would have to wait for the first.
    let second = tree.change([set("/5/0/1", "coap://second")]);
    assert_eq!(second, Err(WriteError::NotWritable(path("/5/0/1"))));
    tree.keep();
    assert_eq!(asked(&log), [r#"Fetch { uri: "coap://new", offset: 0 }"#]);
    assert_eq!(tree.get(path("/5/0/3")), Some(Value::Integer(1)));

    // A reset makes room for another; both happen in their order.
    tree.hold();
    tree.change([set("/5/0/1", "")]).unwrap();
    tree.change([set("/5/0/1", "coap://other")]).unwrap();
    tree.keep();
    assert_eq!(
        asked(&log),
        ["Discard", r#"Fetch { uri: "coap://other", offset: 0 }"#]
    );
}

/// One package waits until it is settled or reset. A commit without a package doesn't change that.
#[test]
fn one_firmware_package_waits() {
    let (mut tree, log) = with_firmware();
    let nothing = [Change::Remove {
        path: path("/5/0/6"),
    }];
    tree.hold();
    tree.change(&nothing).unwrap();
    tree.change([set("/5/0/1", "coap://one")]).unwrap();
    tree.change(&nothing).unwrap();
    let two = [set("/5/0/1", "coap://two")];
    let refused = Err(WriteError::NotWritable(path("/5/0/1")));
    assert_eq!(tree.change(&two), refused);
    tree.change([set("/5/0/1", "")]).unwrap();
    tree.change(&nothing).unwrap();
    tree.change(&two).unwrap();
    tree.keep();
    let fetched = asked(&log).pop();
    assert_eq!(
        fetched.as_deref(),
        Some(r#"Fetch { uri: "coap://two", offset: 0 }"#)
    );
    assert_eq!(tree.get(path("/5/0/1")), Some(Value::from("coap://two")));
}

#[test]
fn software_hears_nothing_of_what_is_rolled_back() {
    let changes: [&[Change]; 6] = [
        &[set("/9/0/3", "coap://new")],
        &[set("/9/0/2", &b"new"[..])],
        &[create("/9/1"), set("/9/1/3", "coap://new")],
        &[delete("/9/0")],
        &[delete("/9/0"), create("/9/0"), set("/9/0/2", &b"new"[..])],
        &[set("/9/0/0", "renamed"), create("/9/2")],
    ];
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        for delivered in [false, true] {
            for changes in changes {
                let (mut tree, log) = with_software(numbering);
                if delivered {
                    tree.set(path("/9/0/2"), &b"old"[..]).unwrap();
                }
                while tree.poll_changed().is_some() {}
                asked(&log);
                let before = tree.snapshot();
                tree.hold();
                // A Write that the state of the machine doesn't allow is refused as usual.
                let _ = tree.change(changes);
                let _ = tree.change(changes);
                tree.roll_back();
                assert_eq!(asked(&log), [""; 0], "{changes:?}");
                assert_eq!(tree.poll_changed(), None, "{changes:?}");
                assert_eq!(tree.snapshot(), before, "{changes:?}");
            }
        }
    }
}

#[test]
fn software_hears_of_what_is_kept() {
    let (mut tree, log) = with_software(Numbering::Registered);
    tree.set(path("/9/0/2"), &b"old"[..]).unwrap();
    asked(&log);
    tree.hold();
    tree.change([delete("/9/0")]).unwrap();
    assert!(tree.locate(path("/9/0")).is_none());
    tree.change([create("/9/0"), set("/9/0/3", "coap://new")])
        .unwrap();
    assert_eq!(asked(&log), [""; 0]);
    let second = tree.change([set("/9/0/3", "coap://second")]);
    assert_eq!(second, Err(WriteError::NotWritable(path("/9/0/3"))));
    tree.keep();
    assert_eq!(
        asked(&log),
        ["0 Discard", r#"0 Fetch { uri: "coap://new", offset: 0 }"#]
    );
    assert_eq!(tree.get(path("/9/0/7")), Some(Value::Integer(1)));
}

/// A package is for the machine of the Object Instance that it was written to, and not for one that
/// replaces it: held or not, in one commit or in several.
#[test]
fn a_package_goes_with_its_instance() {
    let old = || set("/9/0/2", &b"old"[..]);
    let none = [delete("/9/0"), create("/9/0")];
    let new = [delete("/9/0"), create("/9/0"), set("/9/0/3", "coap://new")];
    for held in [false, true] {
        for (changes, state) in [(&none[..], 0), (&new, 1)] {
            for at_once in [false, true] {
                let (mut tree, log) = with_software(Numbering::Registered);
                if held {
                    tree.hold();
                }
                if at_once {
                    let all = [&[old()], changes].concat();
                    tree.change(&all[..]).unwrap();
                } else {
                    tree.change([old()]).unwrap();
                    tree.change(changes).unwrap();
                }
                tree.keep();
                let situation = format!("{held} {changes:?} {at_once}");
                let found = tree.get(path("/9/0/7"));
                assert_eq!(found, Some(Value::Integer(state)), "{situation}");
                if held || at_once {
                    let blocks = asked(&log).iter().any(|asked| asked.contains("Block"));
                    assert!(!blocks, "{situation}");
                }
            }
        }
    }
}

/// A roll-back does not bring back an Object Instance that was deleted before.
#[test]
fn a_machine_that_went_before_stays_away() {
    let (mut tree, _) = with_software(Numbering::Registered);
    tree.set(path("/9/0/2"), &b"old"[..]).unwrap();
    tree.change([delete("/9/0")]).unwrap();
    tree.change([create("/9/0")]).unwrap();
    let before = tree.snapshot();
    tree.hold();
    tree.change([set("/9/0/3", "coap://new")]).unwrap();
    tree.roll_back();
    assert_eq!(tree.get(path("/9/0/7")), Some(Value::Integer(0)));
    assert_eq!(tree.snapshot(), before);
}

/// The snapshot has the counters, before and after.
#[test]
fn counters_are_taken_back() {
    let mut tree = ObjectTree::new();
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics::ALL,
    ));
    tree.execute(path("/7/0/6"), &Arguments::NONE).unwrap();
    let id = ObjectId::CONNECTIVITY_STATISTICS;
    let statistics: &mut ConnectivityStatisticsObject = tree.object_as_mut(id).unwrap();
    statistics.sent(Instant::ZERO, 5000);
    let before = tree.snapshot();
    tree.hold();
    tree.change([delete("/7/0")]).unwrap();
    tree.roll_back();
    assert_eq!(tree.snapshot(), before);
    assert_eq!(tree.get(path("/7/0/2")), Some(Value::Integer(4)));
}

/// A streamed value couldn't be rolled back.
#[test]
fn nothing_is_streamed_while_commits_are_held() {
    let (mut tree, log) = with_firmware();
    let at = path("/5/0/0");
    tree.stream(at, Piece::Begin).unwrap();
    tree.stream(at, Piece::Bytes(b"new")).unwrap();
    tree.hold();
    assert!(!tree.streams(at));
    let refused = Err(WriteError::NotWritable(at));
    assert_eq!(tree.stream(at, Piece::Bytes(b"new")), refused);
    tree.stream(at, Piece::Abort).unwrap();
    tree.roll_back();
    assert!(tree.streams(at));
    assert_eq!(
        asked(&log),
        ["Block { offset: 0, bytes: [110, 101, 119] }", "Discard"]
    );
}

static RESOURCES: [ResourceDefinition; 5] = [
    ResourceDefinition::new(0, "Value", Operations::ReadWrite, DataType::Integer)
        .with_range(Range::Numbers(0, 9)),
    ResourceDefinition::executable(1, "Mandatory").mandatory(),
    ResourceDefinition::executable(2, "Optional"),
    ResourceDefinition::executable(3, "Other"),
    ResourceDefinition::new(4, "Values", Operations::ReadWrite, DataType::Integer).multiple(),
];
static OBJECT: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30000),
    "Object",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
)
.multiple();

fn with_executables() -> ObjectTree {
    let one = InstanceId::new(1).unwrap();
    let store = Store::new(&OBJECT)
        .with_executable(InstanceId::ZERO, 2)
        .with(InstanceId::ZERO, 0, 1)
        .with_executable(one, 3)
        .with(one, 0, 2)
        .managed(4);
    let mut tree = ObjectTree::new();
    tree.add(store);
    tree
}

fn executables(tree: &ObjectTree, instance: u16) -> Vec<u16> {
    let resources = tree.resources(30000.into(), InstanceId::new(instance).unwrap());
    resources
        .filter(|resource| resource.operations.executable())
        .map(|resource| resource.id.get())
        .collect()
}

/// An Object Instance has the executables it was made with; one that a server creates has all
/// that are supported.
#[test]
fn executables_are_each_instances_own() {
    let mut tree = with_executables();
    assert_eq!(executables(&tree, 0), [1, 2]);
    assert_eq!(executables(&tree, 1), [1, 3]);
    tree.change([create("/30000/2")]).unwrap();
    assert_eq!(executables(&tree, 2), [1, 2, 3]);
}

#[test]
fn executables_are_taken_back() {
    for changes in [
        &[delete("/30000/0"), delete("/30000/1")][..],
        &[delete("/30000/0"), create("/30000/0")],
        &[set("/30000/0/0", 5), delete("/30000/0"), create("/30000/0")],
        &[
            set("/30000/0/0", 5),
            set("/30000/1/0", 6),
            delete("/30000/1"),
        ],
        &[create("/30000/2"), delete("/30000/1")],
    ] {
        let mut tree = with_executables();
        let before = tree.snapshot();
        tree.hold();
        let told = tree.change(changes).unwrap();
        assert_ne!(told, []);
        assert_eq!(tree.snapshot(), before);
        tree.roll_back();
        assert_eq!(executables(&tree, 0), [1, 2], "{changes:?}");
        assert_eq!(executables(&tree, 1), [1, 3], "{changes:?}");
        assert_eq!(tree.snapshot(), before, "{changes:?}");
    }
}

/// TS 5.4.6: whoever made the list of changes.
#[test]
fn the_instance_of_a_single_instance_object_is_0() {
    let (mut tree, _) = with_firmware();
    tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
    let before = tree.snapshot();
    for (gone, come) in [("/5/0", "/5/1"), ("/3/0", "/3/1")] {
        let refused = tree.change([delete(gone), create(come)]);
        assert_eq!(refused, Err(WriteError::TooMany(path(come))));
        assert_eq!(tree.snapshot(), before);
    }
}

/// A change of an Object Instance counts for later changes of the same commit, whatever is in
/// between.
#[test]
fn changes_of_one_object_are_prepared_together() {
    let mut tree = with_executables();
    tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
    let before = tree.snapshot();
    let between = || set("/3/0/14", "+03:00");
    let gone = [delete("/30000/0"), between(), set("/30000/0/0", 5)];
    let refused = Err(WriteError::NotFound(path("/30000/0/0")));
    assert_eq!(tree.change(&gone), refused);
    assert_eq!(tree.snapshot(), before);
    let made = [create("/30000/2"), between(), set("/30000/2/0", 5)];
    tree.change(&made).unwrap();
    assert_eq!(tree.get(path("/30000/2/0")), Some(Value::Integer(5)));
}

/// Changes by the application stay.
#[test]
fn what_the_application_sets_is_not_taken_back() {
    let mut tree = with_executables();
    tree.hold();
    tree.change([set("/30000/0/0", 5)]).unwrap();
    tree.set(path("/30000/1/0"), 6).unwrap();
    tree.roll_back();
    assert_eq!(tree.get(path("/30000/0/0")), Some(Value::Integer(1)));
    assert_eq!(tree.get(path("/30000/1/0")), Some(Value::Integer(6)));
}

/// Their effects happen once, after those of earlier commits.
#[test]
fn what_the_application_sets_does_not_overtake_what_is_held() {
    let (mut tree, log) = with_firmware();
    tree.hold();
    tree.set(path("/5/0/1"), "coap://one/firmware").unwrap();
    assert_eq!(asked(&log), [""; 0]);
    tree.keep();
    let fetched = asked(&log);
    assert_eq!(fetched.len(), 1, "{fetched:?}");
    assert!(fetched[0].contains("coap://one/firmware"), "{fetched:?}");
}

/// A time that the application sets stays too.
#[test]
fn the_time_that_the_application_sets_is_not_taken_back() {
    for elsewhere in [false, true] {
        let mut tree = ObjectTree::new();
        tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
        tree.hold();
        if elsewhere {
            tree.change([set("/3/0/14", "+03:00")]).unwrap();
        }
        tree.set(path("/3/0/13"), Value::Time(5)).unwrap();
        tree.roll_back();
        assert_eq!(tree.get(path("/3/0/13")), Some(Value::Time(5)));
        assert_eq!(tree.get(path("/3/0/14")), Some(Value::from("+02:00")));
    }
}

/// A commit is checked against the definition, whoever made the list of changes.
#[test]
fn changes_that_do_not_fit_the_definition_are_refused() {
    let (at, multiple) = (path("/30000/0/0"), path("/30000/0/4"));
    let executable = path("/30000/0/2");
    for (change, error) in [
        (set("/30000/0/0", 10), WriteError::OutOfRange(at)),
        (set("/30000/0/0", "text"), WriteError::WrongType(at)),
        (Change::Clear { path: at }, WriteError::WrongType(at)),
        (set("/30000/0/4", 1), WriteError::WrongType(multiple)),
        (
            set("/30000/0/0/0", 1),
            WriteError::WrongType(path("/30000/0/0/0")),
        ),
        (set("/30000/0/2", 1), WriteError::NotWritable(executable)),
        (
            Change::Remove { path: executable },
            WriteError::NotWritable(executable),
        ),
        (
            set("/30000/0/99", 1),
            WriteError::NotWritable(path("/30000/0/99")),
        ),
        (
            create("/30000/2/0"),
            WriteError::NotWritable(path("/30000/2/0")),
        ),
    ] {
        let mut tree = with_executables();
        let before = tree.snapshot();
        let changes = [set("/30000/0/0", 3), change];
        assert_eq!(tree.change(&changes), Err(error), "{changes:?}");
        assert_eq!(tree.snapshot(), before);
    }
}

/// An Object of the application's own, with nothing but what the trait asks for.
struct Own(i64);

impl Object for Own {
    fn definition(&self) -> &ObjectDefinition {
        &OBJECT
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        after.is_none().then_some(InstanceId::ZERO)
    }

    fn supports(&self, resource: ResourceId) -> bool {
        resource.get() == 0
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        instance == InstanceId::ZERO && self.supports(resource)
    }

    fn read(
        &self,
        _: InstanceId,
        _: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        out.value(ValueRef::Integer(self.0))
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Set {
                value: Value::Integer(value),
                ..
            } = change
            {
                self.0 = *value;
            }
        }
    }

    fn execute(
        &mut self,
        _: InstanceId,
        _: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        Ok(Execution::Application)
    }
}

/// It gets no change of what it doesn't have.
#[test]
fn an_object_is_asked_for_what_it_has() {
    let mut tree = ObjectTree::new();
    tree.add(Own(1));
    let at = path("/30000/7/0");
    let gone = tree.change([set("/30000/7/0", 5)]);
    assert_eq!(gone, Err(WriteError::NotFound(at)));
    let at = path("/30000/0/4/1");
    let unsupported = tree.change([set("/30000/0/4/1", 5)]);
    assert_eq!(unsupported, Err(WriteError::NotWritable(at)));
    assert_eq!(tree.get(path("/30000/0/0")), Some(Value::Integer(1)));
    tree.change([set("/30000/0/0", 5)]).unwrap();
    assert_eq!(tree.get(path("/30000/0/0")), Some(Value::Integer(5)));
}
