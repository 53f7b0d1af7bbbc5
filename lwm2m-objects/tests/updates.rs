//! Firmware Update (TS E.6) and Software Management (Object 9) as Objects of a tree.

extern crate alloc;

use alloc::sync::Arc;
use std::sync::Mutex;

use lwm2m_core::{
    Arguments, InstanceId, ObjectId, Path, ResourceId, Value, Version, WriteMode, codec::Content,
};
use lwm2m_objects::{
    ACCESS_CONTROL, Answer, Change, DEVICE, ExecuteError, Execution, FirmwareUpdate, Object,
    ObjectDefinition, ObjectSnapshot, ObjectTree, Piece, ReadError, ResourceSnapshot, SECURITY,
    SERVER, Snapshot, SnapshotError, SoftwareManagement, Store, Typed, WriteError, example,
    firmware::{self, DeliveryMethod, FirmwareUpdateObject, Protocol},
    software::{self, Numbering, SoftwareManagementObject},
};

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn execute(tree: &mut ObjectTree, at: &str, arguments: &str) -> Result<Execution, ExecuteError> {
    tree.execute(path(at), &Arguments::parse(arguments.as_bytes()).unwrap())
}

fn content(values: &[(&str, Value)]) -> Content {
    let values = values.iter().map(|(at, value)| (path(at), value.clone()));
    values.collect()
}

/// A server writes one Resource, or an instance of several.
fn write(tree: &mut ObjectTree, at: &str, values: &[(&str, Value)]) -> Result<(), WriteError> {
    let mut transaction = tree.write(path(at), WriteMode::PartialUpdate)?;
    content(values).push(&mut transaction)?;
    let changes = transaction.finish()?;
    tree.commit(&changes)
}

fn package(tree: &mut ObjectTree, at: &str, bytes: &[u8]) -> Result<(), WriteError> {
    write(tree, at, &[(at, Value::from(bytes))])
}

fn uri(tree: &mut ObjectTree, at: &str, uri: &str) -> Result<(), WriteError> {
    write(tree, at, &[(at, Value::from(uri))])
}

fn stream(tree: &mut ObjectTree, at: &str, blocks: &[&[u8]]) -> Result<(), WriteError> {
    tree.stream(path(at), Piece::Begin)?;
    for block in blocks {
        tree.stream(path(at), Piece::Bytes(block))?;
    }
    tree.stream(path(at), Piece::End)
}

fn integer(tree: &ObjectTree, at: &str) -> i64 {
    match tree.get(path(at)) {
        Some(Value::Integer(number)) => number,
        other => panic!("{at}: {other:?}"),
    }
}

fn changed(tree: &mut ObjectTree) -> Vec<String> {
    let mut changed: Vec<_> = core::iter::from_fn(|| tree.poll_changed())
        .map(|path| path.to_string())
        .collect();
    changed.sort();
    changed
}

/// What an application was asked.
type Log = Arc<Mutex<Vec<String>>>;

fn asked(log: &Log) -> Vec<String> {
    core::mem::take(&mut log.lock().unwrap())
}

/// A tree with Firmware Update; its application fetches and updates later.
fn with_firmware(config: FirmwareUpdate) -> (ObjectTree, Log) {
    let log = Log::default();
    let mut tree = ObjectTree::new();
    tree.add(FirmwareUpdateObject::new(config, firmware_application(&log)).unwrap());
    (tree, log)
}

fn firmware_application(
    log: &Log,
) -> impl FnMut(firmware::Event<'_>) -> Answer<firmware::DownloadError> + Send + 'static {
    use firmware::Event;

    let log = Arc::clone(log);
    move |event| {
        log.lock().unwrap().push(match event {
            Event::Block { offset, bytes } => {
                format!("{offset}:{}", str::from_utf8(bytes).unwrap())
            }
            other => format!("{other:?}"),
        });
        match event {
            Event::Fetch { .. } | Event::Update => Answer::Later,
            _ => Answer::Done,
        }
    }
}

fn firmware(tree: &mut ObjectTree) -> &mut FirmwareUpdateObject {
    tree.object_as_mut(ObjectId::FIRMWARE_UPDATE).unwrap()
}

/// State and Update Result.
fn state(tree: &ObjectTree) -> (i64, i64) {
    (integer(tree, "/5/0/3"), integer(tree, "/5/0/5"))
}

/// ETS 755 and 770: a push in blocks, then Update.
#[test]
fn firmware_is_pushed() {
    let (mut tree, log) = with_firmware(FirmwareUpdate::default());
    package(&mut tree, "/5/0/0", &[0]).unwrap();
    assert_eq!(state(&tree), (0, 0));
    assert_eq!(changed(&mut tree), [""; 0]);

    let at = path("/5/0/0");
    assert!(tree.streams(at));
    tree.stream(at, Piece::Begin).unwrap();
    tree.stream(at, Piece::Bytes(b"firm")).unwrap();
    assert_eq!(state(&tree), (1, 0));
    assert_eq!(changed(&mut tree), ["/5/0/3"]);
    tree.stream(at, Piece::Bytes(b"ware")).unwrap();
    tree.stream(at, Piece::End).unwrap();
    assert_eq!(state(&tree), (2, 0));
    assert_eq!(asked(&log), ["0:firm", "4:ware", "Verify"]);

    // The application goes on once the answer is under way.
    assert_eq!(execute(&mut tree, "/5/0/2", ""), Ok(Execution::Application));
    assert_eq!(state(&tree), (3, 0));
    assert_eq!(asked(&log), ["Update"]);
    firmware(&mut tree).updated().unwrap();
    assert_eq!(state(&tree), (0, 1));
    assert_eq!(changed(&mut tree), ["/5/0/3", "/5/0/5"]);
}

/// ETS 756, 771: a pull.
#[test]
fn firmware_is_pulled() {
    let (mut tree, log) = with_firmware(FirmwareUpdate {
        protocols: [Protocol::Https].into(),
        ..FirmwareUpdate::default()
    });
    uri(&mut tree, "/5/0/1", "").unwrap();
    uri(&mut tree, "/5/0/1", "https://example.org/firmware").unwrap();
    assert_eq!(state(&tree), (1, 0));
    assert_eq!(
        asked(&log),
        [r#"Fetch { uri: "https://example.org/firmware", offset: 0 }"#]
    );
    firmware(&mut tree).progress(128).unwrap();
    firmware(&mut tree).downloaded().unwrap();
    assert_eq!(state(&tree), (2, 0));
    let read = tree.get(path("/5/0/1"));
    assert_eq!(read, Some(Value::from("https://example.org/firmware")));

    // ETS 779: back to Downloaded.
    execute(&mut tree, "/5/0/2", "").unwrap();
    firmware(&mut tree).update_failed().unwrap();
    assert_eq!(state(&tree), (2, 8));
    changed(&mut tree);
    package(&mut tree, "/5/0/0", &[]).unwrap();
    assert_eq!(state(&tree), (0, 0));
    assert_eq!(changed(&mut tree), ["/5/0/1", "/5/0/3", "/5/0/5"]);
    assert_eq!(asked(&log), ["Update", "Discard"]);
}

/// ETS 772: Update without a package.
#[test]
fn update_is_for_downloaded_only() {
    let (mut tree, log) = with_firmware(FirmwareUpdate::default());
    let refused = Err(ExecuteError::NotExecutable(path("/5/0/2")));
    assert_eq!(execute(&mut tree, "/5/0/2", ""), refused);
    tree.stream(path("/5/0/0"), Piece::Begin).unwrap();
    tree.stream(path("/5/0/0"), Piece::Bytes(b"firm")).unwrap();
    assert_eq!(execute(&mut tree, "/5/0/2", ""), refused);
    tree.stream(path("/5/0/0"), Piece::End).unwrap();
    execute(&mut tree, "/5/0/2", "").unwrap();
    assert_eq!(execute(&mut tree, "/5/0/2", ""), refused);
    assert_eq!(asked(&log), ["0:firm", "Verify", "Update"]);
}

/// ETS 778, 780: the Write succeeds, Update Result tells.
#[test]
fn bad_uris_are_told_by_the_result() {
    let (mut tree, log) = with_firmware(FirmwareUpdate::default());
    uri(&mut tree, "/5/0/1", "not a uri").unwrap();
    assert_eq!(state(&tree), (0, 7));
    uri(&mut tree, "/5/0/1", "ftp://example.org/firmware").unwrap();
    assert_eq!(state(&tree), (0, 9));
    assert_eq!(changed(&mut tree), ["/5/0/5"]);
    assert_eq!(asked(&log), [""; 0]);
}

/// A package where there is one, and by a way that is not taken: 4.05, nothing changes.
#[test]
fn packages_out_of_turn_are_refused() {
    let (mut tree, log) = with_firmware(FirmwareUpdate::default());
    package(&mut tree, "/5/0/0", b"one").unwrap();
    asked(&log);
    let not_writable = |at| Err(WriteError::NotWritable(path(at)));
    assert_eq!(package(&mut tree, "/5/0/0", b"two"), not_writable("/5/0/0"));
    assert_eq!(
        stream(&mut tree, "/5/0/0", &[b"two"]),
        not_writable("/5/0/0")
    );
    assert_eq!(
        uri(&mut tree, "/5/0/1", "coap://h/two"),
        not_writable("/5/0/1")
    );
    assert_eq!((state(&tree), asked(&log)), ((2, 0), vec![]));

    let (mut tree, _) = with_firmware(FirmwareUpdate {
        delivery: DeliveryMethod::Pull,
        ..FirmwareUpdate::default()
    });
    assert_eq!(package(&mut tree, "/5/0/0", b"one"), not_writable("/5/0/0"));
    assert_eq!(package(&mut tree, "/5/0/0", &[0]), Ok(()));
}

/// In one Write, a reset comes first and two packages are one too many.
#[test]
fn one_write_brings_one_package() {
    let (mut tree, _) = with_firmware(FirmwareUpdate::default());
    package(&mut tree, "/5/0/0", b"one").unwrap();
    let both = |uri: &str| {
        [
            ("/5/0/0", Value::from(&b"two"[..])),
            ("/5/0/1", Value::from(uri)),
        ]
    };
    write(&mut tree, "/5/0", &both("")).unwrap();
    assert_eq!(state(&tree), (2, 0));
    package(&mut tree, "/5/0/0", &[]).unwrap();
    let refused = write(&mut tree, "/5/0", &both("coap://h/p"));
    assert_eq!(refused, Err(WriteError::Refused(path("/5/0/1"))));
    assert_eq!(state(&tree), (0, 0));
}

/// ETS 751: what a Read has; Package is none of it.
#[test]
fn firmware_reads() {
    let config = FirmwareUpdate {
        package_name: Some("fw".into()),
        package_version: Some("7".into()),
        protocols: [Protocol::Coap, Protocol::Coaps].into(),
        ..FirmwareUpdate::default()
    };
    let (mut tree, _) = with_firmware(config.clone());
    let mut read = Content::new();
    tree.read(path("/5/0"), |_| true, &mut read).unwrap();
    let expected = content(&[
        ("/5/0/1", Value::from("")),
        ("/5/0/3", Value::Integer(0)),
        ("/5/0/5", Value::Integer(0)),
        ("/5/0/6", Value::from("fw")),
        ("/5/0/7", Value::from("7")),
        ("/5/0/8/0", Value::Integer(0)),
        ("/5/0/8/1", Value::Integer(1)),
        ("/5/0/9", Value::Integer(2)),
    ]);
    assert_eq!(read, expected);
    let package = tree.read(path("/5/0/0"), |_| true, &mut Content::new());
    assert_eq!(package, Err(ReadError::NotReadable(path("/5/0/0"))));
    assert_eq!(FirmwareUpdate::load(&tree, InstanceId::ZERO), Some(config));

    firmware(&mut tree)
        .set_package(None, Some("8".into()))
        .unwrap();
    assert_eq!(changed(&mut tree), ["/5/0/6", "/5/0/7"]);
    assert_eq!(tree.get(path("/5/0/6")), None);
    // State and Update Result are nobody's to set.
    let at = path("/5/0/3");
    assert_eq!(tree.set(at, 2), Err(WriteError::Refused(at)));
}

/// What `snapshot` told goes on in another Object; its instance is there then.
#[test]
fn firmware_goes_on_from_its_snapshot() {
    let (mut tree, _) = with_firmware(FirmwareUpdate::default());
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    firmware(&mut tree).progress(2048).unwrap();
    let snapshot = firmware(&mut tree).snapshot();

    let log = Log::default();
    let config = FirmwareUpdate::default();
    let object = FirmwareUpdateObject::new(config, firmware_application(&log));
    let mut restarted = ObjectTree::new();
    restarted.add(object.unwrap().managed());
    // No machine is in this state.
    let impossible = firmware::Snapshot {
        state: firmware::State::Updating,
        result: firmware::UpdateResult::UpdateFailed,
        ..snapshot.clone()
    };
    assert!(firmware(&mut restarted).restore(impossible).is_err());
    assert_eq!(restarted.get(path("/5/0/3")), None);
    assert_eq!(asked(&log), [""; 0]);

    firmware(&mut restarted).restore(snapshot).unwrap();
    assert_eq!(state(&restarted), (1, 0));
    assert_eq!(changed(&mut restarted), ["/5/0/3"]);
    let fetch = r#"Fetch { uri: "coap://h/p", offset: 2048 }"#;
    assert_eq!(asked(&log), [fetch]);
}

/// What was saved of a Firmware Update Object is put back if it is one, and only then.
#[test]
fn saved_firmware_is_checked() {
    let config = FirmwareUpdate {
        package_name: Some("fw".into()),
        ..FirmwareUpdate::default()
    };
    let (mut tree, _) = with_firmware(config);
    let saved = firmware(&mut tree).save().unwrap();
    let check = |damage: &dyn Fn(&mut ObjectSnapshot)| {
        let (mut tree, _) = with_firmware(FirmwareUpdate::default());
        let mut saved = saved.clone();
        damage(&mut saved);
        firmware(&mut tree).check_saved(&saved)
    };
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|saved| saved.instances.clear()), Ok(()));

    let state = Err(SnapshotError::State(ObjectId::FIRMWARE_UPDATE));
    assert_eq!(check(&|saved| saved.state.clear()), state);
    assert_eq!(check(&|saved| saved.state[0] = Value::Integer(4)), state);
    // A result of an update, while one is downloaded.
    let impossible = |saved: &mut ObjectSnapshot| {
        saved.state[0] = Value::Integer(1);
        saved.state[1] = Value::Integer(1);
    };
    assert_eq!(check(&impossible), state);
    assert_eq!(check(&|saved| saved.state[3] = Value::Integer(-1)), state);

    let content = |at| Err(SnapshotError::Content(path(at)));
    let elsewhere = |saved: &mut ObjectSnapshot| saved.instances[0].instance = two();
    assert_eq!(check(&elsewhere), content("/5"));
    let name = |value: Value| {
        check(&|saved: &mut ObjectSnapshot| {
            saved.instances[0].resources[0].1 = ResourceSnapshot::Single(value.clone());
        })
    };
    assert_eq!(name("x".repeat(255).into()), Ok(()));
    assert_eq!(name("x".repeat(256).into()), content("/5/0/6"));
    assert_eq!(name(Value::Integer(1)), content("/5/0/6"));
    let result = |saved: &mut ObjectSnapshot| {
        saved.instances[0].resources[0].0 = ResourceId::new(5);
    };
    assert_eq!(check(&result), content("/5/0/5"));

    // An instance that was not there is not there again.
    let (mut tree, _) = with_firmware(FirmwareUpdate::default());
    let mut absent = saved.clone();
    absent.instances.clear();
    firmware(&mut tree).load_saved(&absent);
    assert_eq!(tree.get(path("/5/0/3")), None);
}

/// ETS 773 to 777: what a pull fails of is the Update Result.
#[test]
fn a_pull_fails() {
    for (error, result) in [
        (firmware::DownloadError::Storage, 2),
        (firmware::DownloadError::Memory, 3),
        (firmware::DownloadError::ConnectionLost, 4),
        (firmware::DownloadError::Integrity, 5),
        (firmware::DownloadError::PackageType, 6),
    ] {
        let (mut tree, _) = with_firmware(FirmwareUpdate::default());
        assert!(firmware(&mut tree).failed(error).is_err());
        uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
        changed(&mut tree);
        firmware(&mut tree).failed(error).unwrap();
        assert_eq!(state(&tree), (0, result));
        assert_eq!(changed(&mut tree), ["/5/0/3", "/5/0/5"]);
    }
}

/// No event is about no bytes, and a package has not begun before its first one.
#[test]
fn pieces_without_bytes_are_nothing() {
    let (firmware, software) = (
        with_firmware(FirmwareUpdate::default()),
        with_software(Numbering::Registered),
    );
    for ((mut tree, log), package, state, block) in [
        (firmware, "/5/0/0", "/5/0/3", "0:x"),
        (software, "/9/0/2", "/9/0/7", "0 0:x"),
    ] {
        let at = path(package);
        tree.stream(at, Piece::Begin).unwrap();
        tree.stream(at, Piece::Bytes(b"")).unwrap();
        assert_eq!(integer(&tree, state), 0);
        assert_eq!(asked(&log), [""; 0]);
        tree.stream(at, Piece::Bytes(b"x")).unwrap();
        tree.stream(at, Piece::Bytes(b"")).unwrap();
        assert_eq!(integer(&tree, state), 1);
        assert_eq!(asked(&log), [block]);
    }
}

/// Appendix F: a server creates the instance, and may delete it.
#[test]
fn a_firmware_instance_comes_and_goes() {
    let log = Log::default();
    let application = firmware_application(&log);
    let object = FirmwareUpdateObject::new(FirmwareUpdate::default(), application)
        .unwrap()
        .managed();
    let mut tree = ObjectTree::new();
    tree.add(object);
    let state_id = ResourceId::new(3);
    assert!(!firmware(&mut tree).has(InstanceId::ZERO, state_id));
    let nothing = WriteError::NotFound(path("/5/0/0"));
    assert_eq!(package(&mut tree, "/5/0/0", b"one"), Err(nothing));
    assert_eq!(stream(&mut tree, "/5/0/0", &[b"one"]), Err(nothing));

    let mut create = tree.create(ObjectId::FIRMWARE_UPDATE).unwrap();
    let values = [
        ("/5/0/0", Value::from(&[][..])),
        ("/5/0/1", Value::from("coap://h/p")),
    ];
    content(&values).push(&mut create).unwrap();
    let changes = create.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(state(&tree), (1, 0));
    assert!(firmware(&mut tree).has(InstanceId::ZERO, state_id));
    assert!(!firmware(&mut tree).has(two(), state_id));
    assert!(tree.create(ObjectId::FIRMWARE_UPDATE).is_err());

    let delete = tree.delete(path("/5/0")).unwrap();
    tree.commit(&delete).unwrap();
    assert_eq!(tree.instances(ObjectId::FIRMWARE_UPDATE).count(), 0);
    assert_eq!(asked(&log).last().unwrap(), "Discard");
}

/// Without Create and Delete, the instance stays as it is, and changes are of what is there.
#[test]
fn there_is_one_firmware_instance() {
    let (mut tree, log) = with_firmware(FirmwareUpdate::default());
    let object = Path::Object(ObjectId::FIRMWARE_UPDATE);
    let not_managed = Some(WriteError::NotManaged(object));
    assert_eq!(tree.create(ObjectId::FIRMWARE_UPDATE).err(), not_managed);
    assert!(tree.delete(path("/5/0")).is_err());

    let create = |at| Change::Create { path: path(at) };
    let delete = |at| Change::Delete { path: path(at) };
    let set = |at| Change::Set {
        path: path(at),
        value: "coap://h/p".into(),
    };
    let not_found = |at| Err(WriteError::NotFound(path(at)));
    let exists = Err(WriteError::Exists(path("/5/0")));
    assert_eq!(tree.commit(&[create("/5/0")]), exists);
    assert_eq!(tree.commit(&[set("/5/1/1")]), not_found("/5/1/1"));
    assert_eq!(tree.commit(&[delete("/5/1")]), not_found("/5/1"));
    let gone = [delete("/5/0"), set("/5/0/1")];
    assert_eq!(tree.commit(&gone), not_found("/5/0/1"));
    let twice = [delete("/5/0"), create("/5/0"), create("/5/0")];
    assert_eq!(tree.commit(&twice), exists);
    assert_eq!((state(&tree), asked(&log)), ((0, 0), vec![]));
    tree.commit(&[delete("/5/0"), create("/5/0"), set("/5/0/1")])
        .unwrap();
    assert_eq!(state(&tree), (1, 0));
}

/// A reboot in the middle: of a pull, of a push, of an update.
#[test]
fn firmware_survives_a_reboot() {
    let reboot = |tree: &ObjectTree| {
        let (mut restarted, log) = with_firmware(FirmwareUpdate::default());
        restarted.restore(&tree.snapshot()).unwrap();
        (restarted, log)
    };
    let (mut tree, _) = with_firmware(FirmwareUpdate {
        package_name: Some("fw".into()),
        ..FirmwareUpdate::default()
    });
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    firmware(&mut tree).progress(2048).unwrap();
    let (mut tree, log) = reboot(&tree);
    assert_eq!(
        asked(&log),
        [r#"Fetch { uri: "coap://h/p", offset: 2048 }"#]
    );
    assert_eq!(state(&tree), (1, 0));
    assert_eq!(tree.get(path("/5/0/6")), Some(Value::from("fw")));
    firmware(&mut tree).downloaded().unwrap();
    execute(&mut tree, "/5/0/2", "").unwrap();
    let (mut tree, log) = reboot(&tree);
    assert_eq!((state(&tree), asked(&log)), ((3, 0), vec![]));
    firmware(&mut tree).updated().unwrap();
    assert_eq!(state(&tree), (0, 1));

    tree.stream(path("/5/0/0"), Piece::Begin).unwrap();
    tree.stream(path("/5/0/0"), Piece::Bytes(b"firm")).unwrap();
    let (tree, log) = reboot(&tree);
    assert_eq!(
        (state(&tree), asked(&log)),
        ((0, 4), vec!["Discard".to_string()])
    );
}

/// TS E.6.3: of Objects that an update took away nothing is left, nor of what was said of them.
#[test]
fn objects_that_are_not_supported_any_more_are_gone() {
    let mut before = example::client();
    before.add(FirmwareUpdateObject::new(FirmwareUpdate::default(), |_| Answer::Done).unwrap());
    before.set(path("/1/0/1"), 777).unwrap();
    let saved = before.snapshot();
    assert_eq!(saved.supported_by(&before), Ok(saved.clone()));

    // Neither Connectivity Monitoring (4) nor Firmware Update (5), and another Device (3).
    let mut version: ObjectDefinition = DEVICE.clone();
    version.version = Version { major: 1, minor: 1 };
    version.urn = "urn:oma:lwm2m:oma:3:1.1".into();
    let mut after = ObjectTree::new();
    after.add(Store::new(&SECURITY));
    after.add(Store::new(&SERVER));
    after.add(Store::new(&ACCESS_CONTROL));
    let device = Store::from_definition(version).unwrap();
    after.add(device.with(InstanceId::ZERO, 9, 50));
    assert!(matches!(
        after.restore(&saved),
        Err(SnapshotError::Object(_))
    ));
    let supported = saved.supported_by(&after).unwrap();
    after.restore(&supported).unwrap();
    assert_eq!(after.get(path("/1/0/1")), Some(Value::Integer(777)));
    assert_eq!(after.get(path("/3/0/9")), Some(Value::Integer(50)));
    // /2/3 was about /4/0, /2/4 about /5.
    let controls = after.instances(ObjectId::ACCESS_CONTROL);
    assert!(controls.map(InstanceId::get).eq([0, 1, 2]));
    assert_eq!(after.instances(ObjectId::SECURITY).count(), 3);
}

/// A push that breaks off is a connection that was lost; one that begins anew is not.
#[test]
fn a_push_breaks_off() {
    let (mut tree, log) = with_firmware(FirmwareUpdate::default());
    let at = path("/5/0/0");
    for piece in [
        Piece::Begin,
        Piece::Bytes(b"fi"),
        Piece::Begin,
        Piece::Bytes(b"firm"),
    ] {
        tree.stream(at, piece).unwrap();
    }
    assert_eq!(
        (state(&tree), asked(&log)),
        ((1, 0), vec!["0:fi".into(), "0:firm".into()])
    );
    tree.stream(at, Piece::Abort).unwrap();
    assert_eq!(state(&tree), (0, 4));
    let resource = path("/5/0/1");
    assert!(!tree.streams(resource));
    assert_eq!(
        tree.stream(resource, Piece::Begin),
        Err(WriteError::NotWritable(resource))
    );
}

/// A tree with Software Management; its application installs later.
fn with_software(numbering: Numbering) -> (ObjectTree, Log) {
    let log = Log::default();
    let object = SoftwareManagementObject::new(numbering, software_application(&log))
        .with(InstanceId::ZERO, SoftwareManagement::new("zero", "1"))
        .unwrap()
        .with(two(), SoftwareManagement::new("two", "1"))
        .unwrap()
        .managed(3);
    let mut tree = ObjectTree::new();
    tree.add(object);
    (tree, log)
}

fn software_application(
    log: &Log,
) -> impl FnMut(InstanceId, software::Event<'_>) -> Answer<software::DownloadError> + Send + 'static
{
    use software::Event;

    let log = Arc::clone(log);
    move |id, event| {
        log.lock().unwrap().push(match event {
            Event::Block { offset, bytes } => {
                format!("{id} {offset}:{}", str::from_utf8(bytes).unwrap())
            }
            other => format!("{id} {other:?}"),
        });
        match event {
            Event::Fetch { .. } | Event::Install => Answer::Later,
            _ => Answer::Done,
        }
    }
}

fn two() -> InstanceId {
    InstanceId::new(2).unwrap()
}

fn software(tree: &mut ObjectTree) -> &mut SoftwareManagementObject {
    tree.object_as_mut(ObjectId::SOFTWARE_MANAGEMENT).unwrap()
}

/// Update State, Update Result and Activation State.
fn software_state(tree: &ObjectTree, instance: InstanceId) -> (i64, i64, bool) {
    let at = |resource: u16| format!("/9/{instance}/{resource}");
    let active = tree.get(path(&at(12))) == Some(Value::Boolean(true));
    (integer(tree, &at(7)), integer(tree, &at(9)), active)
}

/// ETS 1100: push, Install, Activate, Deactivate, Uninstall, in both numberings.
#[test]
fn software_is_installed_used_and_removed() {
    for (numbering, [initial, started, delivered, installed], good) in [
        (Numbering::Registered, [0, 1, 3, 4], 3),
        (Numbering::Candidate, [1, 2, 4, 5], 0),
    ] {
        let (mut tree, log) = with_software(numbering);
        let at = path("/9/2/2");
        assert_eq!(software_state(&tree, two()), (initial, 0, false));
        assert!(tree.streams(at));
        tree.stream(at, Piece::Begin).unwrap();
        tree.stream(at, Piece::Bytes(b"soft")).unwrap();
        assert_eq!(software_state(&tree, two()), (started, 1, false));
        tree.stream(at, Piece::Bytes(b"ware")).unwrap();
        tree.stream(at, Piece::End).unwrap();
        assert_eq!(software_state(&tree, two()), (delivered, good, false));
        assert_eq!(asked(&log), ["2 0:soft", "2 4:ware", "2 Verify"]);
        changed(&mut tree);

        assert_eq!(execute(&mut tree, "/9/2/4", ""), Ok(Execution::Application));
        software(&mut tree).installed(two()).unwrap();
        assert_eq!(software_state(&tree, two()), (installed, 2, false));
        assert_eq!(changed(&mut tree), ["/9/2/7", "/9/2/9"]);
        assert_eq!(execute(&mut tree, "/9/2/10", ""), Ok(Execution::Done));
        assert_eq!(software_state(&tree, two()), (installed, 2, true));
        assert_eq!(changed(&mut tree), ["/9/2/12"]);
        execute(&mut tree, "/9/2/11", "").unwrap();
        execute(&mut tree, "/9/2/10", "").unwrap();
        execute(&mut tree, "/9/2/6", "").unwrap();
        assert_eq!(software_state(&tree, two()), (initial, 0, false));
        let expected = [
            "2 Install",
            "2 Activate",
            "2 Deactivate",
            "2 Activate",
            "2 Uninstall",
        ];
        assert_eq!(asked(&log), expected);
        // The other one is as it was.
        assert_eq!(software_state(&tree, InstanceId::ZERO), (initial, 0, false));
    }
}

/// ETS 1100: 4.05 outside of the state, nothing changes.
#[test]
fn software_operations_out_of_turn_are_refused() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        let (mut tree, log) = with_software(numbering);
        for at in ["/9/0/4", "/9/0/6", "/9/0/10", "/9/0/11"] {
            let refused = Err(ExecuteError::NotExecutable(path(at)));
            assert_eq!(execute(&mut tree, at, ""), refused);
        }
        package(&mut tree, "/9/0/2", b"one").unwrap();
        asked(&log);
        let before = tree.snapshot();
        let refused = |at| Err(WriteError::NotWritable(path(at)));
        assert_eq!(package(&mut tree, "/9/0/2", b"two"), refused("/9/0/2"));
        assert_eq!(stream(&mut tree, "/9/0/2", &[b"two"]), refused("/9/0/2"));
        assert_eq!(uri(&mut tree, "/9/0/3", "coap://h/p"), refused("/9/0/3"));
        assert_eq!(tree.snapshot(), before);
        assert_eq!(asked(&log), [""; 0]);
    }
}

/// ETS 1100: errors of a pull, and of an installation.
#[test]
fn software_errors_are_told() {
    let (mut tree, log) = with_software(Numbering::Registered);
    uri(&mut tree, "/9/0/3", "coap://h/p").unwrap();
    assert_eq!(asked(&log), [r#"0 Fetch { uri: "coap://h/p", offset: 0 }"#]);
    let storage = software::DownloadError::Storage;
    software(&mut tree)
        .failed(InstanceId::ZERO, storage)
        .unwrap();
    assert_eq!(software_state(&tree, InstanceId::ZERO), (0, 50, false));
    uri(&mut tree, "/9/0/3", "nowhere").unwrap();
    assert_eq!(software_state(&tree, InstanceId::ZERO), (0, 56, false));
    package(&mut tree, "/9/0/2", b"one").unwrap();
    execute(&mut tree, "/9/0/4", "").unwrap();
    software(&mut tree)
        .installation_failed(InstanceId::ZERO)
        .unwrap();
    assert_eq!(software_state(&tree, InstanceId::ZERO), (3, 58, false));
    let missing = InstanceId::new(7).unwrap();
    let refused = software(&mut tree).verified(missing);
    assert_eq!(refused, Err(software::Refused::NotFound(missing)));
}

/// Uninstall of the registered Object takes an argument; the candidate knows none.
#[test]
fn uninstall_takes_an_argument() {
    for (numbering, arguments, expected) in [
        (Numbering::Registered, "", Ok("0 Uninstall")),
        (Numbering::Registered, "0", Ok("0 Uninstall")),
        (Numbering::Registered, "1", Ok("0 PrepareUpdate")),
        (Numbering::Registered, "2", Err(ExecuteError::Arguments)),
        (Numbering::Registered, "0,1", Err(ExecuteError::Arguments)),
        (Numbering::Candidate, "", Ok("0 Uninstall")),
        (Numbering::Candidate, "1", Ok("0 Uninstall")),
        (Numbering::Candidate, "2", Ok("0 Uninstall")),
    ] {
        let (mut tree, log) = with_software(numbering);
        package(&mut tree, "/9/0/2", b"one").unwrap();
        asked(&log);
        let executed = execute(&mut tree, "/9/0/6", arguments);
        assert_eq!(executed, expected.map(|_| Execution::Done), "{arguments}");
        assert_eq!(asked(&log).pop().as_deref(), expected.ok());
    }
}

/// What the machines do not have is the instance's own.
#[test]
fn software_instances_have_names_of_their_own() {
    let (mut tree, log) = with_software(Numbering::Registered);
    let load = |tree: &ObjectTree, id| SoftwareManagement::load(tree, id).unwrap();
    assert_eq!(load(&tree, two()), SoftwareManagement::new("two", "1"));
    tree.set(path("/9/2/1"), "2").unwrap();
    assert_eq!(load(&tree, two()), SoftwareManagement::new("two", "2"));
    let at = path("/9/2/7");
    assert_eq!(tree.set(at, 4), Err(WriteError::Refused(at)));

    // Instances come and go.
    let mut create = tree.create(ObjectId::SOFTWARE_MANAGEMENT).unwrap();
    content(&[("/9/1/2", Value::from(&b"one"[..]))])
        .push(&mut create)
        .unwrap();
    let changes = create.finish().unwrap();
    tree.commit(&changes).unwrap();
    let one = InstanceId::new(1).unwrap();
    assert_eq!(software_state(&tree, one), (3, 3, false));
    assert_eq!(load(&tree, one).package_name, "");
    let delete = tree.delete(path("/9/1")).unwrap();
    tree.commit(&delete).unwrap();
    assert!(
        tree.instances(ObjectId::SOFTWARE_MANAGEMENT)
            .eq([InstanceId::ZERO, two()])
    );
    assert_eq!(asked(&log), ["1 0:one", "1 Verify", "1 Discard"]);
}

/// An Object Instance may be deleted whatever it is doing. Neither another one nor one that takes
/// its place has anything of it, and what was under way comes to nothing.
#[test]
fn software_is_deleted_in_any_state() {
    type Prepare = fn(&mut ObjectTree);
    let situations: [Prepare; 7] = [
        |_| {},
        |tree| {
            tree.stream(path("/9/2/2"), Piece::Begin).unwrap();
            tree.stream(path("/9/2/2"), Piece::Bytes(b"tw")).unwrap();
        },
        |tree| uri(tree, "/9/2/3", "coap://h/p").unwrap(),
        |tree| package(tree, "/9/2/2", b"two").unwrap(),
        |tree| {
            package(tree, "/9/2/2", b"two").unwrap();
            execute(tree, "/9/2/4", "").unwrap();
        },
        |tree| {
            package(tree, "/9/2/2", b"two").unwrap();
            execute(tree, "/9/2/4", "").unwrap();
            software(tree).installed(two()).unwrap();
        },
        |tree| {
            package(tree, "/9/2/2", b"two").unwrap();
            execute(tree, "/9/2/4", "").unwrap();
            software(tree).installed(two()).unwrap();
            execute(tree, "/9/2/10", "").unwrap();
        },
    ];
    for (numbering, initial, delivered) in [
        (Numbering::Registered, (0, 0, false), (3, 3, false)),
        (Numbering::Candidate, (1, 0, false), (4, 0, false)),
    ] {
        for (situation, prepare) in situations.into_iter().enumerate() {
            let (mut tree, log) = with_software(numbering);
            package(&mut tree, "/9/0/2", b"zero").unwrap();
            prepare(&mut tree);
            asked(&log);
            let delete = tree.delete(path("/9/2")).unwrap();
            tree.commit(&delete).unwrap();
            assert_eq!(asked(&log), ["2 Discard"], "{situation}");
            let create = [Change::Create { path: path("/9/2") }];
            for again in [false, true] {
                if again {
                    tree.commit(&create).unwrap();
                    assert_eq!(software_state(&tree, two()), initial, "{situation}");
                }
                let bytes = tree.stream(path("/9/2/2"), Piece::Bytes(b"o"));
                assert!(bytes.is_err(), "{situation}");
                let software = software(&mut tree);
                assert!(software.downloaded(two()).is_err(), "{situation}");
                assert!(software.installed(two()).is_err(), "{situation}");
                for at in ["/9/2/4", "/9/2/6", "/9/2/10", "/9/2/11"] {
                    assert!(execute(&mut tree, at, "").is_err(), "{situation}: {at}");
                }
            }
            assert_eq!(asked(&log), [""; 0], "{situation}");
            assert_eq!(software_state(&tree, InstanceId::ZERO), delivered);
        }
    }
}

#[test]
fn software_survives_a_reboot() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        let (mut tree, _) = with_software(numbering);
        uri(&mut tree, "/9/0/3", "coap://h/p").unwrap();
        software(&mut tree).progress(InstanceId::ZERO, 99).unwrap();
        package(&mut tree, "/9/2/2", b"two").unwrap();
        execute(&mut tree, "/9/2/4", "").unwrap();
        let saved = tree.snapshot();

        let (mut tree, log) = with_software(numbering);
        tree.restore(&saved).unwrap();
        assert_eq!(tree.snapshot(), saved);
        assert_eq!(
            asked(&log),
            [r#"0 Fetch { uri: "coap://h/p", offset: 99 }"#]
        );
        software(&mut tree).installed(two()).unwrap();
        assert!(
            software(&mut tree)
                .machine(two())
                .is_some_and(|machine| !machine.is_active())
        );

        // Numbers of the other numbering are not read.
        let other = match numbering {
            Numbering::Registered => Numbering::Candidate,
            Numbering::Candidate => Numbering::Registered,
        };
        let (mut tree, _) = with_software(other);
        let before: Snapshot = tree.snapshot();
        let id = ObjectId::SOFTWARE_MANAGEMENT;
        assert_eq!(tree.restore(&saved), Err(SnapshotError::State(id)));
        assert_eq!(tree.snapshot(), before);
    }
}

/// What `snapshots` told goes on in another Object, whether the instance is there or not.
#[test]
fn software_goes_on_from_its_snapshots() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        let (mut tree, _) = with_software(numbering);
        uri(&mut tree, "/9/0/3", "coap://h/p").unwrap();
        software(&mut tree).progress(InstanceId::ZERO, 99).unwrap();
        package(&mut tree, "/9/2/2", b"two").unwrap();
        let snapshots: Vec<_> = software(&mut tree).snapshots().collect();

        let log = Log::default();
        let mut empty = ObjectTree::new();
        empty.add(SoftwareManagementObject::new(
            numbering,
            software_application(&log),
        ));
        for (mut restarted, log, name) in [(empty, log, "")]
            .into_iter()
            .chain([with_software(numbering)].map(|(tree, log)| (tree, log, "two")))
        {
            for (instance, snapshot) in snapshots.clone() {
                software(&mut restarted)
                    .restore(instance, snapshot)
                    .unwrap();
            }
            for instance in [InstanceId::ZERO, two()] {
                assert_eq!(
                    software_state(&restarted, instance),
                    software_state(&tree, instance)
                );
            }
            assert_eq!(
                asked(&log),
                [r#"0 Fetch { uri: "coap://h/p", offset: 99 }"#]
            );
            // Name and version are in every Object Instance.
            assert_eq!(restarted.get(path("/9/2/0")), Some(Value::from(name)));

            // No machine is in this state: no Object Instance is made for it.
            let impossible = software::Snapshot {
                state: software::State::Installed,
                ..software::Snapshot::default()
            };
            let seven = InstanceId::new(7).unwrap();
            assert!(software(&mut restarted).restore(seven, impossible).is_err());
            assert_eq!(restarted.get(path("/9/7/0")), None);
        }
    }
}

/// ETS 1100: the integrity of a package may be checked in its own time.
#[test]
fn software_is_verified_later() {
    for (numbering, initial, downloaded, delivered) in [
        (
            Numbering::Registered,
            (0, 53, false),
            (2, 0, false),
            (3, 3, false),
        ),
        (
            Numbering::Candidate,
            (1, 6, false),
            (3, 0, false),
            (4, 0, false),
        ),
    ] {
        let object = SoftwareManagementObject::new(numbering, |_, _| Answer::Later)
            .with(two(), SoftwareManagement::new("two", "1"));
        let mut tree = ObjectTree::new();
        tree.add(object.unwrap());
        package(&mut tree, "/9/2/2", b"two").unwrap();
        assert_eq!(software_state(&tree, two()), downloaded);
        changed(&mut tree);
        software(&mut tree).verification_failed(two()).unwrap();
        assert_eq!(software_state(&tree, two()), initial);
        assert_eq!(changed(&mut tree), ["/9/2/7", "/9/2/9"]);

        package(&mut tree, "/9/2/2", b"two").unwrap();
        software(&mut tree).verified(two()).unwrap();
        assert_eq!(software_state(&tree, two()), delivered);
        assert!(software(&mut tree).verification_failed(two()).is_err());
        assert_eq!(software_state(&tree, two()), delivered);
    }
}

/// An empty Package or Package URI is none: it is taken in any state, and nothing follows.
#[test]
fn empty_software_is_none() {
    let (mut tree, log) = with_software(Numbering::Registered);
    for state in [(0, 0, false), (3, 3, false)] {
        package(&mut tree, "/9/2/2", &[]).unwrap();
        uri(&mut tree, "/9/2/3", "").unwrap();
        assert_eq!(software_state(&tree, two()), state);
        assert_eq!(changed(&mut tree), [""; 0]);
        assert_eq!(asked(&log), [""; 0]);
        // Nor is it one package too many.
        if state.0 == 0 {
            let both = [
                ("/9/2/2", Value::from(&b"two"[..])),
                ("/9/2/3", Value::from("")),
            ];
            write(&mut tree, "/9/2", &both).unwrap();
            assert_eq!(asked(&log), ["2 0:two", "2 Verify"]);
            changed(&mut tree);
        }
    }
    // It does not stand for one that waits, either.
    tree.hold();
    uri(&mut tree, "/9/0/3", "").unwrap();
    uri(&mut tree, "/9/0/3", "coap://h/p").unwrap();
    tree.keep();
    assert_eq!(asked(&log), [r#"0 Fetch { uri: "coap://h/p", offset: 0 }"#]);
}

/// What of Software Management is optional is there only where the application has it: a Resource
/// without support is not found (4.04), and without Create there are no more components (4.05).
#[test]
fn software_has_what_is_supported() {
    let tree = |supported: &[u16]| {
        let object = SoftwareManagementObject::new(Numbering::Registered, |_, _| Answer::Done)
            .with(two(), SoftwareManagement::new("two", "1"))
            .unwrap()
            .supporting(supported.iter().copied());
        let mut tree = ObjectTree::new();
        tree.add(object);
        tree
    };
    let at = path("/9/2/8");
    let set = [("/9/2/8", Value::Boolean(true))];
    let mut without = tree(&[]);
    assert_eq!(
        write(&mut without, "/9/2/8", &set),
        Err(WriteError::NotFound(at))
    );
    let id = ObjectId::SOFTWARE_MANAGEMENT;
    let not_managed = WriteError::NotManaged(Path::Object(id));
    assert_eq!(without.create(id).err(), Some(not_managed));
    let mut with = tree(&[8]);
    write(&mut with, "/9/2/8", &set).unwrap();
    assert_eq!(with.get(at), Some(Value::Boolean(true)));
}

/// An installation that is done at once is nothing to go on with.
#[test]
fn software_is_installed_at_once() {
    let object = SoftwareManagementObject::new(Numbering::Registered, |_, _| Answer::Done)
        .with(two(), SoftwareManagement::new("two", "1"));
    let mut tree = ObjectTree::new();
    tree.add(object.unwrap());
    let installing = |tree: &mut ObjectTree| {
        let machine = software(tree).machine(two()).unwrap();
        machine.is_installing()
    };
    package(&mut tree, "/9/2/2", b"two").unwrap();
    assert_eq!(execute(&mut tree, "/9/2/4", ""), Ok(Execution::Done));
    assert!(!installing(&mut tree));
    assert_eq!(software_state(&tree, two()), (4, 2, false));

    let (mut tree, _) = with_software(Numbering::Registered);
    package(&mut tree, "/9/2/2", b"two").unwrap();
    assert!(!installing(&mut tree));
    execute(&mut tree, "/9/2/4", "").unwrap();
    assert!(installing(&mut tree));
    // Only Package is streamed.
    assert!(tree.streams(path("/9/2/2")));
    assert!(!tree.streams(path("/9/2/3")));
}
