//! Firmware Update (TS E.6).

use alloc::sync::Arc;

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, Value, Version, codec::Content};
use lwm2m_objects::{
    ACCESS_CONTROL, Answer, Change, DEVICE, ExecuteError, Execution, Object, ObjectDefinition,
    ObjectSnapshot, ObjectTree, Piece, ReadError, ResourceSnapshot, SECURITY, SERVER,
    SnapshotError, Store, Typed, WriteError, example,
    firmware::{self, DeliveryMethod, FirmwareUpdateObject, Protocol},
    typed,
};

use super::{
    Log, asked, changed, content, execute, integer, package, path, stream, two, uri, write,
};
use crate::common::firmware;

/// A tree with Firmware Update; its application fetches and updates later.
pub(crate) fn with_firmware(config: typed::FirmwareUpdate) -> (ObjectTree, Log) {
    let log = Log::default();
    let mut tree = ObjectTree::new();
    let object = FirmwareUpdateObject::new(config, firmware_application(&log)).unwrap();
    tree.add(object.pulled_by_application());
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

/// State and Update Result.
fn state(tree: &ObjectTree) -> (i64, i64) {
    (integer(tree, "/5/0/3"), integer(tree, "/5/0/5"))
}

/// ETS 755 and 770: a push in blocks, then Update.
#[test]
fn firmware_is_pushed() {
    let (mut tree, log) = with_firmware(typed::FirmwareUpdate::default());
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
    let (mut tree, log) = with_firmware(typed::FirmwareUpdate {
        protocols: [Protocol::Https].into(),
        ..typed::FirmwareUpdate::default()
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
    let (mut tree, log) = with_firmware(typed::FirmwareUpdate::default());
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
    let (mut tree, log) = with_firmware(typed::FirmwareUpdate::default());
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
    let (mut tree, log) = with_firmware(typed::FirmwareUpdate::default());
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

    let (mut tree, _) = with_firmware(typed::FirmwareUpdate {
        delivery: DeliveryMethod::Pull,
        ..typed::FirmwareUpdate::default()
    });
    assert_eq!(package(&mut tree, "/5/0/0", b"one"), not_writable("/5/0/0"));
    assert_eq!(package(&mut tree, "/5/0/0", &[0]), Ok(()));
}

/// In one Write, a reset comes first and two packages are one too many.
#[test]
fn one_write_brings_one_package() {
    let (mut tree, _) = with_firmware(typed::FirmwareUpdate::default());
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
    let config = typed::FirmwareUpdate {
        package_name: Some("fw".into()),
        package_version: Some("7".into()),
        protocols: [Protocol::Coap, Protocol::Coaps].into(),
        ..typed::FirmwareUpdate::default()
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
    assert_eq!(
        typed::FirmwareUpdate::load(&tree, InstanceId::ZERO),
        Some(config)
    );

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
    let (mut tree, _) = with_firmware(typed::FirmwareUpdate::default());
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    firmware(&mut tree).progress(2048).unwrap();
    let snapshot = firmware(&mut tree).snapshot();

    let log = Log::default();
    let config = typed::FirmwareUpdate::default();
    let object = FirmwareUpdateObject::new(config, firmware_application(&log));
    let mut restarted = ObjectTree::new();
    restarted.add(object.unwrap().managed().pulled_by_application());
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
    let config = typed::FirmwareUpdate {
        package_name: Some("fw".into()),
        ..typed::FirmwareUpdate::default()
    };
    let (mut tree, _) = with_firmware(config);
    let saved = firmware(&mut tree).save().unwrap();
    let check = |damage: &dyn Fn(&mut ObjectSnapshot)| {
        let (mut tree, _) = with_firmware(typed::FirmwareUpdate::default());
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
    let (mut tree, _) = with_firmware(typed::FirmwareUpdate::default());
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
        let (mut tree, _) = with_firmware(typed::FirmwareUpdate::default());
        assert!(firmware(&mut tree).failed(error).is_err());
        uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
        changed(&mut tree);
        firmware(&mut tree).failed(error).unwrap();
        assert_eq!(state(&tree), (0, result));
        assert_eq!(changed(&mut tree), ["/5/0/3", "/5/0/5"]);
    }
}

/// Appendix F: a server creates the instance, and may delete it.
#[test]
fn a_firmware_instance_comes_and_goes() {
    let log = Log::default();
    let application = firmware_application(&log);
    let object = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), application)
        .unwrap()
        .managed()
        .pulled_by_application();
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
    let (mut tree, log) = with_firmware(typed::FirmwareUpdate::default());
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
    assert_eq!(tree.change([create("/5/0")]), exists);
    assert_eq!(tree.change([set("/5/1/1")]), not_found("/5/1/1"));
    assert_eq!(tree.change([delete("/5/1")]), not_found("/5/1"));
    let gone = [delete("/5/0"), set("/5/0/1")];
    assert_eq!(tree.change(&gone), not_found("/5/0/1"));
    let twice = [delete("/5/0"), create("/5/0"), create("/5/0")];
    assert_eq!(tree.change(&twice), exists);
    assert_eq!((state(&tree), asked(&log)), ((0, 0), vec![]));
    tree.change([delete("/5/0"), create("/5/0"), set("/5/0/1")])
        .unwrap();
    assert_eq!(state(&tree), (1, 0));
}

/// A reboot in the middle: of a pull, of a push, of an update.
#[test]
fn firmware_survives_a_reboot() {
    let reboot = |tree: &ObjectTree| {
        let (mut restarted, log) = with_firmware(typed::FirmwareUpdate::default());
        restarted.restore(&tree.snapshot()).unwrap();
        (restarted, log)
    };
    let (mut tree, _) = with_firmware(typed::FirmwareUpdate {
        package_name: Some("fw".into()),
        ..typed::FirmwareUpdate::default()
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
    before.add(
        FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |_| Answer::Done).unwrap(),
    );
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
    let (mut tree, log) = with_firmware(typed::FirmwareUpdate::default());
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
