//! The transitions of TS E.6.1: every state with every event.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;
use crate::Answer;

/// What the application was asked, and what it answers.
struct Application {
    asked: Vec<String>,
    block: Answer<DownloadError>,
    verify: Answer<DownloadError>,
    fetch: Answer<DownloadError>,
    update: Answer<DownloadError>,
}

impl Application {
    /// `Later` for everything.
    fn new() -> Self {
        Self {
            asked: Vec::new(),
            block: Answer::Done,
            verify: Answer::Later,
            fetch: Answer::Later,
            update: Answer::Later,
        }
    }

    fn answer(&mut self, event: Event<'_>) -> Answer<DownloadError> {
        let (asked, answer) = match event {
            Event::Block { offset, bytes } => {
                (format!("block {offset}+{}", bytes.len()), self.block)
            }
            Event::Verify => ("verify".into(), self.verify),
            Event::Fetch { uri, offset } => (format!("fetch {uri} {offset}"), self.fetch),
            Event::Update => ("update".into(), self.update),
            Event::Discard => ("discard".into(), Answer::Done),
        };
        self.asked.push(asked);
        answer
    }
}

const URI: &str = "coap://h/p";

/// A machine in each state; Downloading has three situations. Results are those that a state may
/// have besides 0.
fn machines() -> [(&'static str, Machine); 6] {
    let idle = Machine::new(DeliveryMethod::Both, []);
    let later = &mut |_: Event<'_>| Answer::Later;
    let mut pushing = idle.clone();
    pushing.begin();
    pushing.block(b"1234", later).unwrap();
    let mut verifying = pushing.clone();
    verifying.end(later).unwrap();
    let mut fetching = idle.clone();
    fetching.write_package_uri(URI, later).unwrap();
    fetching.progress(7).unwrap();
    let mut downloaded = verifying.clone();
    downloaded.downloaded().unwrap();
    let mut updating = downloaded.clone();
    updating.update(later).unwrap();
    // Idle after an update, Downloaded after one that failed.
    let mut idle = updating.clone();
    idle.updated().unwrap();
    downloaded.update(later).unwrap();
    downloaded.update_failed().unwrap();
    [
        ("idle", idle),
        ("pushing", pushing),
        ("verifying", verifying),
        ("fetching", fetching),
        ("downloaded", downloaded),
        ("updating", updating),
    ]
}

type Feed = fn(&mut Machine, &mut Application) -> Result<(), NotNow>;

/// The request or call is refused, and nothing changes.
const NO: &str = "-";

/// An event, and what follows in each of [`machines`]: State/Update Result, then what the
/// application is asked.
type Row = (&'static str, Feed, [&'static str; 6]);

#[rustfmt::skip]
fn table() -> Vec<Row> {
    vec![
        // The server's side.
        ("package", |machine, app| machine.write_package(b"123", &mut |event| app.answer(event)),
            ["1/0 block 0+3, verify", "1/0 block 0+3, verify", NO, NO, NO, NO]),
        ("package that is good", |machine, app| {
            app.verify = Answer::Done;
            machine.write_package(b"123", &mut |event| app.answer(event))
        }, ["2/0 block 0+3, verify", "2/0 block 0+3, verify", NO, NO, NO, NO]),
        ("package that is bad", |machine, app| {
            app.verify = Answer::Failed(DownloadError::Integrity);
            machine.write_package(b"123", &mut |event| app.answer(event))
        }, ["0/5 block 0+3, verify", "0/5 block 0+3, verify", NO, NO, NO, NO]),
        ("package without room", |machine, app| {
            app.block = Answer::Failed(DownloadError::Storage);
            machine.write_package(b"123", &mut |event| app.answer(event))
        }, ["0/2 block 0+3", "0/2 block 0+3", NO, NO, NO, NO]),
        ("package begins", |machine, app| {
            machine.begin();
            machine.block(b"12", &mut |event| app.answer(event))
        }, ["1/0 block 0+2", "1/0 block 0+2", NO, NO, NO, NO]),
        ("package begins with zero", |machine, app| {
            machine.begin();
            machine.block(&[0], &mut |event| app.answer(event))?;
            machine.block(b"12", &mut |event| app.answer(event))
        }, ["1/0 block 0+1, block 1+2", "1/0 block 0+1, block 1+2", NO, NO, NO, NO]),
        ("block", |machine, app| machine.block(b"56", &mut |event| app.answer(event)),
            [NO, "1/0 block 4+2", NO, NO, NO, NO]),
        ("end", |machine, app| machine.end(&mut |event| app.answer(event)),
            [NO, "1/0 verify", NO, NO, NO, NO]),
        ("abort", |machine, app| {
            machine.abort(&mut |event| app.answer(event));
            Ok(())
        }, ["0/1", "0/4 discard", "1/0", "1/0", "2/8", "3/0"]),
        ("empty package", |machine, app| machine.write_package(&[], &mut |event| app.answer(event)),
            ["0/0", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard"]),
        ("zero byte", |machine, app| machine.write_package(&[0], &mut |event| app.answer(event)),
            ["0/0", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard"]),
        ("empty package in blocks", |machine, app| {
            machine.begin();
            machine.end(&mut |event| app.answer(event))
        }, ["0/0", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard"]),
        ("empty URI", |machine, app| machine.write_package_uri("", &mut |event| app.answer(event)),
            ["0/0", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard", "0/0 discard"]),
        ("URI", |machine, app| machine.write_package_uri(URI, &mut |event| app.answer(event)),
            ["1/0 fetch coap://h/p 0", NO, NO, NO, NO, NO]),
        ("URI fetched at once", |machine, app| {
            app.fetch = Answer::Done;
            machine.write_package_uri(URI, &mut |event| app.answer(event))
        }, ["2/0 fetch coap://h/p 0", NO, NO, NO, NO, NO]),
        ("URI that fails", |machine, app| {
            app.fetch = Answer::Failed(DownloadError::Memory);
            machine.write_package_uri(URI, &mut |event| app.answer(event))
        }, ["0/3 fetch coap://h/p 0", NO, NO, NO, NO, NO]),
        ("invalid URI", |machine, app| machine.write_package_uri("coap//h", &mut |event| app.answer(event)),
            ["0/7", NO, NO, NO, NO, NO]),
        ("URI of another protocol", |machine, app| machine.write_package_uri("ftp://h/p", &mut |event| app.answer(event)),
            ["0/9", NO, NO, NO, NO, NO]),
        ("Update", |machine, app| machine.update(&mut |event| app.answer(event)),
            [NO, NO, NO, NO, "3/0 update", NO]),
        ("Update that is done", |machine, app| {
            app.update = Answer::Done;
            machine.update(&mut |event| app.answer(event))
        }, [NO, NO, NO, NO, "0/1 update", NO]),
        ("Update that fails", |machine, app| {
            app.update = Answer::Failed(DownloadError::Memory);
            machine.update(&mut |event| app.answer(event))
        }, [NO, NO, NO, NO, "2/8 update", NO]),
        // The application's side.
        ("progress", |machine, _| machine.progress(9),
            [NO, NO, NO, "1/0", NO, NO]),
        ("downloaded", |machine, _| machine.downloaded(),
            [NO, NO, "2/0", "2/0", NO, NO]),
        ("failed", |machine, _| machine.failed(DownloadError::ConnectionLost),
            [NO, "0/4", "0/4", "0/4", NO, NO]),
        ("updated", |machine, _| machine.updated(),
            [NO, NO, NO, NO, NO, "0/1"]),
        ("update failed", |machine, _| machine.update_failed(),
            [NO, NO, NO, NO, NO, "2/8"]),
        ("reboot", |machine, app| {
            let snapshot = machine.snapshot();
            *machine = Machine::new(DeliveryMethod::Both, []);
            machine.restore(snapshot, &mut |event| app.answer(event)).unwrap();
            Ok(())
        }, ["0/1", "0/4 discard", "0/4 discard", "1/0 fetch coap://h/p 7", "2/8", "3/0"]),
    ]
}

#[test]
fn every_state_with_every_event() {
    for (event, feed, expected) in table() {
        for ((state, machine), expected) in machines().into_iter().zip(expected) {
            let mut after = machine.clone();
            let mut application = Application::new();
            let fed = feed(&mut after, &mut application);
            let asked = application.asked.join(", ");
            let told = match fed {
                Ok(()) => format!(
                    "{}/{} {asked}",
                    after.state().number(),
                    after.result().number()
                ),
                Err(NotNow(refused)) => {
                    assert_eq!(refused, machine.state(), "{event} while {state}");
                    assert_eq!(
                        after.snapshot(),
                        machine.snapshot(),
                        "{event} while {state}"
                    );
                    assert_eq!(asked, "", "{event} while {state}");
                    NO.to_string()
                }
            };
            assert_eq!(told.trim_end(), expected, "{event} while {state}");
        }
    }
}

#[test]
fn the_situations_are_the_states() {
    let states = machines().map(|(_, machine)| machine.state().number());
    assert_eq!(states, [0, 1, 1, 1, 2, 3]);
}

/// TS E.6, Resource 5: the numbers of the errors.
#[test]
fn errors_have_their_numbers() {
    for (number, error) in [
        (2, DownloadError::Storage),
        (3, DownloadError::Memory),
        (4, DownloadError::ConnectionLost),
        (5, DownloadError::Integrity),
        (6, DownloadError::PackageType),
        (7, DownloadError::InvalidUri),
        (9, DownloadError::Protocol),
    ] {
        let [.., (_, mut fetching), _, _] = machines();
        fetching.failed(error).unwrap();
        assert_eq!(fetching.state(), State::Idle);
        assert_eq!(fetching.result().number(), number);
    }
    for number in 0..=9 {
        assert_eq!(UpdateResult::from_number(number).unwrap().number(), number);
    }
    assert_eq!(UpdateResult::from_number(10), None);
    assert_eq!(State::from_number(4), None);
}

/// A push that is reset midway doesn't continue.
#[test]
fn a_push_ends_with_a_reset() {
    let [_, (_, mut pushing), ..] = machines();
    pushing
        .write_package_uri("", &mut |_| Answer::Done)
        .unwrap();
    let later = &mut |event: Event<'_>| panic!("{event:?}");
    assert_eq!(pushing.block(b"more", later), Err(NotNow(State::Idle)));
    assert_eq!(pushing.end(later), Err(NotNow(State::Idle)));
    assert_eq!(pushing.state(), State::Idle);
}

/// A package that is refused in Downloaded doesn't reset the machine when its Write ends.
#[test]
fn a_push_that_is_refused_changes_nothing_to_its_end() {
    let [.., (_, mut downloaded), _] = machines();
    let never = &mut |event: Event<'_>| panic!("{event:?}");
    downloaded.begin();
    assert!(downloaded.block(b"more", never).is_err());
    assert!(downloaded.end(never).is_err());
    assert_eq!(downloaded.state(), State::Downloaded);
}

/// `received` belongs to a pull: a push has none, whatever came before and is written meanwhile.
#[test]
fn a_push_receives_nothing_of_a_pull() {
    let later = &mut |_: Event<'_>| Answer::Later;
    let [.., (_, mut machine), _, _] = machines();
    assert_eq!((machine.received(), machine.package_uri()), (7, URI));
    assert_eq!(machine.progress(u64::MAX), Ok(()));
    assert_eq!(machine.received(), i64::MAX as u64, "what an Integer tells");
    machine.downloaded().unwrap();
    machine.update(later).unwrap();
    machine.updated().unwrap();
    machine.begin();
    machine.block(b"1234", later).unwrap();
    assert_eq!((machine.received(), machine.package_uri()), (0, ""));
    machine.end(later).unwrap();
    let verifying = machine.clone();
    // Another one, which is refused.
    machine.begin();
    assert_eq!(machine.progress(5), Err(NotNow(State::Downloading)));
    assert_eq!(machine.block(b"56", later), Err(NotNow(State::Downloading)));
    assert_eq!(machine.progress(5), Err(NotNow(State::Downloading)));
    assert_eq!(machine.snapshot(), verifying.snapshot());
    assert_eq!(machine.downloaded(), Ok(()));
}

/// One zero byte is a reset, which is accepted in any state.
#[test]
fn a_zero_byte_is_always_taken() {
    for (situation, machine) in machines() {
        assert_eq!(machine.may_write_package(&[0]), Ok(()), "{situation}");
    }
}

/// TS E.6, Resource 9: a package by an unsupported delivery method is refused, a reset never is.
#[test]
fn delivery_methods_are_kept_to() {
    let done = &mut |_: Event<'_>| Answer::Done;
    let mut pull = Machine::new(DeliveryMethod::Pull, []);
    assert_eq!(
        pull.write_package(b"package", done),
        Err(NotNow(State::Idle))
    );
    pull.begin();
    assert!(pull.block(b"package", done).is_err());
    assert!(pull.write_package(&[0], done).is_ok());
    assert!(pull.write_package_uri(URI, done).is_ok());
    let mut push = Machine::new(DeliveryMethod::Push, []);
    assert_eq!(push.write_package_uri(URI, done), Err(NotNow(State::Idle)));
    assert!(push.write_package_uri("", done).is_ok());
    assert!(push.write_package(b"package", done).is_ok());
}

/// TS E.6, Resource 8: CoAP by default, schemes in either case.
#[test]
fn protocols_are_those_that_are_told() {
    let every = ["coap", "COAPS", "http", "Https"];
    for (protocols, fetched) in [
        (vec![], [true, false, false, false]),
        (vec![Protocol::Coaps], [false, true, false, false]),
        (
            vec![Protocol::Http, Protocol::Https],
            [false, false, true, true],
        ),
    ] {
        for (scheme, fetched) in every.into_iter().zip(fetched) {
            let mut machine = Machine::new(DeliveryMethod::Pull, protocols.clone());
            let uri = format!("{scheme}://host/package");
            machine
                .write_package_uri(&uri, &mut |_| Answer::Later)
                .unwrap();
            let result = if fetched { 0 } else { 9 };
            assert_eq!(
                machine.result().number(),
                result,
                "{scheme} of {protocols:?}"
            );
            assert_eq!(machine.state() == State::Downloading, fetched);
            assert_eq!(machine.package_uri(), uri);
            assert_eq!(machine.protocols(), protocols);
        }
    }
}

/// A package that the machine can no longer fetch isn't asked for.
#[test]
fn a_pull_goes_on_by_supported_protocols_only() {
    let [_, _, _, (_, fetching), ..] = machines();
    let snapshot = |uri: &str| Snapshot {
        package_uri: uri.into(),
        ..fetching.snapshot()
    };
    for (uri, result, asked) in [
        (URI, 0, "fetch coap://h/p 7"),
        ("coaps://h/p", 9, "discard"),
        ("no uri", 7, "discard"),
    ] {
        let mut machine = Machine::new(DeliveryMethod::Both, [Protocol::Coap, Protocol::Http]);
        let mut application = Application::new();
        let restored = machine.restore(snapshot(uri), &mut |event| application.answer(event));
        assert_eq!(restored, Ok(()), "{uri}");
        assert_eq!(machine.result().number(), result, "{uri}");
        assert_eq!(machine.state() == State::Downloading, result == 0, "{uri}");
        assert_eq!(application.asked, [asked], "{uri}");
    }
}

#[test]
fn impossible_snapshots_are_refused() {
    let never = &mut |event: Event<'_>| panic!("{event:?}");
    for state in [
        State::Idle,
        State::Downloading,
        State::Downloaded,
        State::Updating,
    ] {
        for number in 0..=9 {
            let result = UpdateResult::from_number(number).unwrap();
            let possible = match state {
                State::Idle => true,
                State::Downloaded => matches!(number, 0 | 8),
                State::Downloading | State::Updating => number == 0,
            };
            let snapshot = Snapshot {
                state,
                result,
                ..Snapshot::default()
            };
            let before = Machine::new(DeliveryMethod::Both, []);
            let mut machine = before.clone();
            if possible && state != State::Downloading {
                assert_eq!(machine.restore(snapshot.clone(), never), Ok(()));
                assert_eq!(machine.snapshot(), snapshot);
            } else if !possible {
                let error = SnapshotError::Result { state, result };
                assert_eq!(machine.restore(snapshot, never), Err(error));
                assert_eq!(machine, before);
            }
        }
    }
    let mut machine = Machine::new(DeliveryMethod::Both, []);
    let long = Snapshot {
        package_uri: "x".repeat(256),
        ..Snapshot::default()
    };
    assert_eq!(
        machine.restore(long, never),
        Err(SnapshotError::PackageUri(256))
    );
}

proptest! {
    /// After any sequence of events, the state is valid and survives a reboot.
    #[test]
    fn every_state_can_be_restored(events in proptest::collection::vec(0..table().len(), 0..40)) {
        let table = table();
        let mut machine = Machine::new(DeliveryMethod::Both, []);
        for event in events {
            let (_, feed, _) = &table[event];
            let before = machine.snapshot();
            if feed(&mut machine, &mut Application::new()).is_err() {
                prop_assert_eq!(machine.snapshot(), before);
            }
            prop_assert_eq!(machine.snapshot().check(), Ok(()));
        }
    }
}
