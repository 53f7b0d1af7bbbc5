//! Software Management (Object 9).

use alloc::sync::Arc;

use lwm2m_core::{InstanceId, ObjectId, Path, Value};
use lwm2m_objects::{
    Answer, Change, ExecuteError, Execution, ObjectTree, Piece, Snapshot, SnapshotError, Typed,
    WriteError,
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};

use super::{
    Log, asked, changed, content, execute, integer, package, path, stream, two, uri, write,
};
use crate::common::software;

/// A tree with Software Management; its application installs later.
pub(crate) fn with_software(numbering: Numbering) -> (ObjectTree, Log) {
    let log = Log::default();
    let object = SoftwareManagementObject::new(numbering, software_application(&log))
        .with(
            InstanceId::ZERO,
            typed::SoftwareManagement::new("zero", "1"),
        )
        .unwrap()
        .with(two(), typed::SoftwareManagement::new("two", "1"))
        .unwrap()
        .managed(3)
        .pulled_by_application();
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
    let load = |tree: &ObjectTree, id| typed::SoftwareManagement::load(tree, id).unwrap();
    assert_eq!(
        load(&tree, two()),
        typed::SoftwareManagement::new("two", "1")
    );
    tree.set(path("/9/2/1"), "2").unwrap();
    assert_eq!(
        load(&tree, two()),
        typed::SoftwareManagement::new("two", "2")
    );
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
                    tree.change(&create).unwrap();
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
        let object = SoftwareManagementObject::new(numbering, software_application(&log));
        empty.add(object.pulled_by_application());
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
            .with(two(), typed::SoftwareManagement::new("two", "1"));
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
            .with(two(), typed::SoftwareManagement::new("two", "1"))
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
        .with(two(), typed::SoftwareManagement::new("two", "1"));
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
