//! Random sequences of all calls that change a tree. A roll-back leaves no trace, commits that are held
//! and kept end as if they had not been held, and a snapshot is complete. Refused requests change
//! nothing, and the update machines are in valid states.

#![cfg(feature = "serde")]

mod common;

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use common::{firmware, software};
use lwm2m_core::{
    AccessRights, Arguments, DataType, InstanceId, Instant, ObjectId, Path, ResourceId,
    ShortServerId, Value, WriteMode,
    codec::{Content, Event, Sink},
};
use lwm2m_kit::instance;
use lwm2m_objects::{
    Answer, Change, ConnectivityStatisticsObject, DeviceObject, ErrorCode, LocationObject,
    ObjectDefinition, ObjectTree, Operations, Piece, Range, ResourceDefinition, Store, WriteError,
    firmware::{self, FirmwareUpdateObject},
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};
use proptest::{
    prelude::*,
    sample::{Index, select},
};

static RESOURCES: [ResourceDefinition; 6] = [
    ResourceDefinition::new(0, "Value", Operations::ReadWrite, DataType::Integer)
        .with_range(Range::Numbers(0, 9))
        .mandatory(),
    ResourceDefinition::new(1, "Note", Operations::ReadWrite, DataType::String),
    ResourceDefinition::new(2, "Values", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::new(3, "Fixed", Operations::Read, DataType::Integer),
    ResourceDefinition::executable(4, "Mandatory").mandatory(),
    ResourceDefinition::executable(5, "Optional"),
];
static OBJECT: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30000),
    "Object",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
)
.multiple();

type Log = Arc<Mutex<Vec<String>>>;

fn answer<E>(later: bool) -> Answer<E> {
    if later { Answer::Later } else { Answer::Done }
}

/// A tree with an Object of each kind. The applications of the updates answer `Later` where they
/// can, if `later`.
fn new_tree(numbering: Numbering, later: bool) -> (ObjectTree, Log) {
    let log = Log::default();
    let (of_firmware, of_software) = (Arc::clone(&log), Arc::clone(&log));
    let server = ShortServerId::new(101).unwrap();
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), move |event| {
        of_firmware.lock().unwrap().push(format!("{event:?}"));
        answer(later && !matches!(event, firmware::Event::Block { .. }))
    });
    let software = SoftwareManagementObject::new(numbering, move |instance, event| {
        let told = format!("{instance} {event:?}");
        of_software.lock().unwrap().push(told);
        answer(later && !matches!(event, software::Event::Block { .. }))
    });
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://s", server);
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::Server::new(server, 60),
    )]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::AccessControl {
            target: typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO),
            acl: [(101, AccessRights::READ)].into(),
            owner: 101,
        },
    )]));
    tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO).unwrap());
    tree.add(firmware.unwrap().pulled_by_application());
    tree.add(LocationObject::new(typed::Location::new(51.5, 0.1, 1)));
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics::ALL,
    ));
    let component = typed::SoftwareManagement::new("one", "1");
    let software = software.with(InstanceId::ZERO, component).unwrap();
    tree.add(software.managed(3).pulled_by_application());
    tree.add(
        Store::new(&OBJECT)
            .with(InstanceId::ZERO, 0, 1)
            .with(InstanceId::ZERO, 1, "note")
            .with_instances(InstanceId::ZERO, 2, [(1, 1), (2, 2)])
            .with_executable(InstanceId::ZERO, 5)
            .with(instance(2), 0, 3)
            .with(instance(2), 3, 3)
            .managed(4),
    );
    (tree, log)
}

#[derive(Clone, Debug)]
enum Request {
    Write(Path, bool, Vec<(u16, Option<u16>, Value)>),
    Create(u16, Option<u16>, Vec<(u16, Option<u16>, Value)>),
    BootstrapWrite(Path, u16, Vec<(u16, Option<u16>, Value)>),
    Delete(Path),
    /// Any changes, whether or not they fit the definitions.
    Changes(Vec<Change>),
}

/// Events other than requests.
#[derive(Clone, Debug)]
enum Happening {
    Execute(Path),
    Push(Path, Vec<&'static [u8]>, bool),
    Firmware(u8),
    Software(u16, u8),
    Time(u64),
    Set(Path, Value),
    Device(u8),
    Traffic(usize),
    Reboot,
}

const OBJECTS: [u16; 9] = [0, 1, 2, 3, 5, 6, 7, 9, 30000];

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..12_i64).prop_map(Value::Integer),
        select(vec!["", "coap://h/p", "bad", "U"]).prop_map(Value::from),
        select(vec![&b""[..], b"\0", b"package"]).prop_map(Value::from),
        any::<bool>().prop_map(Value::Boolean),
        (0..100_i64).prop_map(Value::Time),
        Just(Value::Float(1.5)),
    ]
}

fn values() -> impl Strategy<Value = Vec<(u16, Option<u16>, Value)>> {
    let one = (
        0..16_u16,
        proptest::option::weighted(0.3, 0..3_u16),
        value(),
    );
    // Mostly values that the Objects accept.
    let good = select(vec![
        (0, None, Value::Integer(5)),
        (0, None, Value::from("name")),
        (1, None, Value::from("other")),
        (1, None, Value::Integer(100)),
        (1, None, Value::from("coap://h/p")),
        (2, Some(1), Value::Integer(7)),
        (2, Some(101), Value::Integer(7)),
        (2, None, Value::from(&b"package"[..])),
        (3, None, Value::from("coap://h/p")),
        (0, None, Value::from(&b"package"[..])),
        (13, None, Value::Time(77)),
        (14, None, Value::from("+02:00")),
        (8, None, Value::Integer(30)),
        (8, None, Value::Boolean(true)),
    ]);
    proptest::collection::vec(prop_oneof![1 => one, 4 => good], 0..3)
}

fn at() -> impl Strategy<Value = (u16, u16, u16)> {
    (
        select(&OBJECTS[..]),
        select(&[0, 0, 0, 1, 2][..]),
        0..15_u16,
    )
}

fn resource((object, id, resource): (u16, u16, u16)) -> Path {
    Path::Resource(object.into(), instance(id), resource.into())
}

fn whole((object, id, _): (u16, u16, u16)) -> Path {
    Path::Instance(object.into(), instance(id))
}

fn change() -> impl Strategy<Value = Change> {
    let set = |(object, at, _): (u16, u16, u16), (resource, multiple, value)| {
        let (object, at, resource) = (object.into(), instance(at), ResourceId::new(resource));
        let path = match multiple {
            Some(id) => Path::ResourceInstance(object, at, resource, u16::into(id)),
            None => Path::Resource(object, at, resource),
        };
        Change::Set { path, value }
    };
    prop_oneof![
        (at(), values()).prop_filter_map("no value", move |(at, values)| {
            Some(set(at, values.into_iter().next()?))
        }),
        at().prop_map(|at| Change::Create { path: whole(at) }),
        at().prop_map(|at| Change::Delete { path: whole(at) }),
        at().prop_map(|at| Change::Remove { path: resource(at) }),
        at().prop_map(|at| Change::Clear { path: resource(at) }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let target = |at, alone: bool| if alone { resource(at) } else { whole(at) };
    let id = || proptest::option::of(0..4_u16);
    prop_oneof![
        (at(), any::<bool>(), any::<bool>(), values()).prop_map(
            move |(at, alone, mode, values)| { Request::Write(target(at, alone), mode, values) }
        ),
        (at(), id(), values()).prop_map(|(at, id, values)| Request::Create(at.0, id, values)),
        (at(), 0..3, values()).prop_map(move |(at, form, values)| {
            let path = match form {
                0 => Path::Object(at.0.into()),
                1 => whole(at),
                _ => resource(at),
            };
            Request::BootstrapWrite(path, at.1, values)
        }),
        at().prop_map(|at| Request::Delete(whole(at))),
        proptest::collection::vec(change(), 1..4).prop_map(Request::Changes),
        // The same Object Instance is deleted and created again.
        (at(), change(), change()).prop_map(|(at, first, last)| {
            let path = whole(at);
            Request::Changes(vec![
                first,
                Change::Delete { path },
                Change::Create { path },
                last,
            ])
        }),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let blocks = proptest::collection::vec(select(vec![&b""[..], b"\0", b"ab"]), 0..3);
    prop_oneof![
        3 => at().prop_map(|at| Happening::Execute(resource(at))),
        3 => (select(vec!["/5/0/0", "/9/0/2", "/9/1/2"]), blocks, any::<bool>()).prop_map(
            |(path, blocks, ends)| Happening::Push(path.parse().unwrap(), blocks, ends)
        ),
        3 => (0..5_u8).prop_map(Happening::Firmware),
        3 => (0..3_u16, 0..7_u8).prop_map(|(id, call)| Happening::Software(id, call)),
        1 => (0..100_u64).prop_map(Happening::Time),
        1 => (at(), value()).prop_map(|(at, value)| Happening::Set(resource(at), value)),
        1 => (0..4_u8).prop_map(Happening::Device),
        1 => (0..5000_usize).prop_map(Happening::Traffic),
        1 => Just(Happening::Reboot),
    ]
}

fn feed(
    sink: &mut dyn Sink<Error = WriteError>,
    object: ObjectId,
    id: Option<InstanceId>,
    values: &[(u16, Option<u16>, Value)],
) -> Result<(), WriteError> {
    sink.event(Event::Object(object))?;
    sink.event(Event::Instance(id))?;
    for (resource, multiple, value) in values {
        let (resource, value, time) = (ResourceId::new(*resource), value.as_ref(), None);
        match multiple {
            None => sink.event(Event::Resource {
                id: resource,
                value,
                time,
            })?,
            Some(id) => {
                sink.event(Event::Multiple(resource))?;
                let id = (*id).into();
                sink.event(Event::ResourceInstance { id, value, time })?;
                sink.event(Event::EndMultiple)?;
            }
        }
    }
    sink.event(Event::EndInstance)?;
    sink.event(Event::EndObject)
}

/// The changes of a request.
fn changes(tree: &ObjectTree, request: &Request) -> Result<Vec<Change>, WriteError> {
    let (mut transaction, object, id, values) = match request {
        Request::Write(path, replace, values) => {
            let mode = if *replace {
                WriteMode::Replace
            } else {
                WriteMode::PartialUpdate
            };
            let object = path.object().unwrap();
            (tree.write(*path, mode)?, object, path.instance(), values)
        }
        Request::Create(object, id, values) => {
            let object = ObjectId::new(*object);
            (tree.create(object)?, object, id.map(instance), values)
        }
        Request::BootstrapWrite(path, id, values) => {
            let object = path.object().unwrap();
            let id = path.instance().unwrap_or(instance(*id));
            (tree.bootstrap_write(*path)?, object, Some(id), values)
        }
        Request::Delete(path) => return Ok(tree.delete(*path)?.into_changes()),
        Request::Changes(changes) => return Ok(changes.clone()),
    };
    feed(&mut transaction, object, id, values)?;
    Ok(transaction.finish()?.into_changes())
}

/// Commits the changes of a request. If it is refused, nothing has changed.
fn commit(tree: &mut ObjectTree, request: &Request) -> Option<Vec<Change>> {
    let before = seen(tree);
    let done = changes(tree, request).and_then(|changes| {
        tree.change(&changes[..])?;
        Ok(changes)
    });
    if done.is_err() {
        assert_eq!(seen(tree), before, "{request:?}");
    }
    done.ok()
}

/// Everything that can be read, and everything that is saved.
fn seen(tree: &ObjectTree) -> (Vec<String>, String) {
    let mut all = Vec::new();
    for object in OBJECTS.map(ObjectId::new) {
        for instance in tree.instances(object) {
            let path = Path::Instance(object, instance);
            all.push(path.to_string());
            for resource in tree.resources(object, instance) {
                let path = Path::Resource(object, instance, resource.id);
                all.push(path.to_string());
                tree.visit(path, |at, value| all.push(format!("{at} = {value:?}")));
            }
            tree.read(path, |_| true, &mut Content::new()).unwrap();
        }
    }
    (all, kept(tree))
}

fn kept(tree: &ObjectTree) -> String {
    serde_json::to_string(&tree.snapshot()).unwrap()
}

/// The same, with the states of the machines.
fn all_kept(tree: &mut ObjectTree) -> (String, firmware::Snapshot, Vec<software::Snapshot>) {
    let of_software = software(tree).snapshots();
    let of_software = of_software.map(|(_, machine)| machine).collect();
    (kept(tree), firmware(tree).snapshot(), of_software)
}

/// Whether a package is being pushed, which a reboot ends.
fn is_pushing(tree: &mut ObjectTree) -> bool {
    let of_firmware = firmware(tree).snapshot();
    let mut of_software = software(tree).snapshots();
    of_firmware.state == firmware::State::Downloading && of_firmware.package_uri.is_empty()
        || of_software.any(|(_, machine)| {
            machine.state == software::State::DownloadStarted && machine.package_uri.is_empty()
        })
}

fn happen(tree: &mut ObjectTree, happening: &Happening, now: &mut Instant) {
    match happening {
        Happening::Execute(path) => {
            let before = seen(tree);
            if tree.execute(*path, &Arguments::NONE).is_err() {
                assert_eq!(seen(tree), before, "{happening:?}");
            }
        }
        Happening::Push(path, blocks, ends) => {
            let mut all = tree.stream(*path, Piece::Begin);
            for block in blocks {
                all = all.and_then(|()| tree.stream(*path, Piece::Bytes(block)));
            }
            if *ends {
                let _ = all.and_then(|()| tree.stream(*path, Piece::End));
            }
        }
        Happening::Firmware(call) => {
            let firmware = firmware(tree);
            let _ = match call {
                0 => firmware.progress(7),
                1 => firmware.downloaded(),
                2 => firmware.failed(firmware::DownloadError::Memory),
                3 => firmware.updated(),
                _ => firmware.update_failed(),
            };
        }
        Happening::Software(id, call) => {
            let (software, id) = (software(tree), instance(*id));
            let _ = match call {
                0 => software.progress(id, 7),
                1 => software.downloaded(id),
                2 => software.failed(id, software::DownloadError::Device),
                3 => software.verified(id),
                4 => software.verification_failed(id),
                5 => software.installed(id),
                _ => software.installation_failed(id),
            };
        }
        Happening::Time(seconds) => {
            *now += Duration::from_secs(*seconds);
            tree.handle_timeout(*now);
        }
        Happening::Set(path, value) => {
            let _ = tree.set(*path, value.clone());
        }
        Happening::Device(code) => {
            let device: &mut DeviceObject = tree.object_as_mut(ObjectId::DEVICE).unwrap();
            match ErrorCode::from_number(*code) {
                Some(error) => device.report(error),
                None => device.reset_errors(),
            }
        }
        Happening::Traffic(bytes) => {
            let id = ObjectId::CONNECTIVITY_STATISTICS;
            let statistics: &mut ConnectivityStatisticsObject = tree.object_as_mut(id).unwrap();
            statistics.sent(*now, *bytes);
        }
        Happening::Reboot => {}
    }
}

fn check_machines(tree: &mut ObjectTree, numbering: Numbering) {
    assert_eq!(firmware(tree).snapshot().check(), Ok(()));
    for (id, machine) in software(tree).snapshots() {
        assert_eq!(machine.check(numbering), Ok(()), "{id}");
    }
    // Each Object Instance has a machine, and each machine an Object Instance.
    let ids: Vec<_> = tree.instances(ObjectId::SOFTWARE_MANAGEMENT).collect();
    let machines: Vec<_> = software(tree).snapshots().map(|(id, _)| id).collect();
    assert_eq!(ids, machines);
}

proptest! {
    #[test]
    fn what_is_rolled_back_leaves_no_trace(
        candidate: bool,
        later: bool,
        before in proptest::collection::vec(prop_oneof![
            request().prop_map(Ok), happening().prop_map(Err)
        ], 0..12),
        held in proptest::collection::vec(request(), 1..8),
    ) {
        let numbering = if candidate { Numbering::Candidate } else { Numbering::Registered };
        let (mut tree, log) = new_tree(numbering, later);
        let mut now = Instant::ZERO;
        for step in &before {
            match step {
                Ok(request) => drop(commit(&mut tree, request)),
                Err(happening) => happen(&mut tree, happening, &mut now),
            }
            check_machines(&mut tree, numbering);
        }
        while tree.poll_changed().is_some() {}
        log.lock().unwrap().clear();
        let was = seen(&tree);
        tree.hold();
        for request in &held {
            commit(&mut tree, request);
        }
        tree.roll_back();
        prop_assert_eq!(seen(&tree), was);
        prop_assert_eq!(tree.poll_changed(), None);
        prop_assert_eq!(&*log.lock().unwrap(), &Vec::<String>::new());
        check_machines(&mut tree, numbering);
    }

    /// Whatever else happens meanwhile, a snapshot has the state after a roll-back: of the tree, and of
    /// each machine.
    #[test]
    fn a_snapshot_while_commits_are_held_is_what_is_left_when_they_are_taken_back(
        candidate: bool,
        later: bool,
        steps in proptest::collection::vec((any::<bool>(), prop_oneof![
            request().prop_map(Ok), happening().prop_map(Err)
        ]), 1..16),
    ) {
        let numbering = if candidate { Numbering::Candidate } else { Numbering::Registered };
        let (mut tree, _) = new_tree(numbering, later);
        let mut now = Instant::ZERO;
        let mut quiet = true;
        let mut before = None;
        for (hold, step) in &steps {
            if *hold && before.is_none() {
                before = Some(all_kept(&mut tree));
                tree.hold();
            }
            match step {
                Ok(request) => drop(commit(&mut tree, request)),
                Err(happening) => {
                    quiet &= before.is_none();
                    happen(&mut tree, happening, &mut now);
                }
            }
        }
        let during = all_kept(&mut tree);
        if let Some(before) = before.filter(|_| quiet) {
            prop_assert_eq!(&during, &before);
        }
        let (mut restarted, _) = new_tree(numbering, true);
        restarted.restore(&serde_json::from_str(&during.0).unwrap()).unwrap();
        tree.roll_back();
        prop_assert_eq!(all_kept(&mut tree), during);
        check_machines(&mut tree, numbering);
    }

    #[test]
    fn what_is_held_and_kept_ends_as_if_it_had_not_been_held(
        candidate: bool,
        later: bool,
        held in proptest::collection::vec(request(), 1..8),
    ) {
        let numbering = if candidate { Numbering::Candidate } else { Numbering::Registered };
        let (mut tree, _) = new_tree(numbering, later);
        let (mut twin, _) = new_tree(numbering, later);
        tree.hold();
        for request in &held {
            if let Some(changes) = commit(&mut tree, request) {
                prop_assert!(twin.change(&changes[..]).is_ok(), "{:?}", changes);
            }
        }
        tree.keep();
        prop_assert_eq!(seen(&tree), seen(&twin));
        check_machines(&mut tree, numbering);
    }

    #[test]
    fn a_snapshot_says_all_there_is(
        candidate: bool,
        steps in proptest::collection::vec(prop_oneof![
            request().prop_map(Ok), happening().prop_map(Err)
        ], 0..20),
        damages in proptest::collection::vec(
            (any::<Index>(), select(vec!["0", "9", "", "-", "a", ",", "\"", "11", " "])), 0..40
        ),
    ) {
        let numbering = if candidate { Numbering::Candidate } else { Numbering::Registered };
        let (mut tree, _) = new_tree(numbering, true);
        let mut now = Instant::ZERO;
        for step in &steps {
            match step {
                Ok(request) => drop(commit(&mut tree, request)),
                Err(Happening::Reboot) => {
                    let saved = kept(&tree);
                    let (mut restarted, _) = new_tree(numbering, true);
                    restarted.restore(&serde_json::from_str(&saved).unwrap()).unwrap();
                    if !is_pushing(&mut tree) {
                        assert_eq!(seen(&restarted), seen(&tree));
                    }
                    tree = restarted;
                    now = Instant::ZERO;
                }
                Err(happening) => happen(&mut tree, happening, &mut now),
            }
            check_machines(&mut tree, numbering);
        }
        if is_pushing(&mut tree) {
            return Ok(());
        }
        let saved = kept(&tree);
        for (at, by) in damages {
            let at = at.index(saved.len());
            let (Some(head), Some(rest)) = (saved.get(..at), saved.get(at + 1..)) else {
                continue;
            };
            let damaged = format!("{head}{by}{rest}");
            let Ok(snapshot) = serde_json::from_str(&damaged) else {
                continue;
            };
            if tree.restore(&snapshot).is_ok() {
                let read = serde_json::to_string(&snapshot).unwrap();
                prop_assert_eq!(read, &*saved, "{}", damaged);
            }
            prop_assert_eq!(kept(&tree), &*saved);
        }
    }
}
