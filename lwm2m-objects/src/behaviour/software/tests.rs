//! The transitions of the Software Management specification, 5.1.1 and 5.2: every state with
//! every event, in both numberings.

use alloc::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::Answer;

/// What the application was asked, and what it answers.
struct Application {
    asked: Vec<String>,
    block: Answer<DownloadError>,
    verify: Answer<DownloadError>,
    fetch: Answer<DownloadError>,
    other: Answer<DownloadError>,
}

impl Application {
    /// `Later` for everything.
    fn new() -> Self {
        Self {
            asked: Vec::new(),
            block: Answer::Done,
            verify: Answer::Later,
            fetch: Answer::Later,
            other: Answer::Later,
        }
    }

    fn answer(&mut self, event: Event<'_>) -> Answer<DownloadError> {
        let (asked, answer) = match event {
            Event::Block { offset, bytes } => {
                (format!("block {offset}+{}", bytes.len()), self.block)
            }
            Event::Verify => ("verify".into(), self.verify),
            Event::Fetch { offset, .. } => (format!("fetch {offset}"), self.fetch),
            Event::Install => ("install".into(), self.other),
            Event::Uninstall => ("uninstall".into(), self.other),
            Event::PrepareUpdate => ("prepare".into(), self.other),
            Event::Activate => ("activate".into(), self.other),
            Event::Deactivate => ("deactivate".into(), self.other),
            Event::Discard => ("discard".into(), Answer::Done),
        };
        self.asked.push(asked);
        answer
    }
}

const URI: &str = "coap://h/p";

/// The columns of the table. DOWNLOAD STARTED, DELIVERED and INSTALLED are two situations each;
/// INITIAL is that after an error.
const SITUATIONS: [&str; 8] = [
    "initial",
    "pushing",
    "fetching",
    "downloaded",
    "delivered",
    "installing",
    "inactive",
    "active",
];

fn machines(numbering: Numbering) -> [Machine; 8] {
    let later = &mut |_: Event<'_>| Answer::Later;
    let new = Machine::new(numbering);
    let mut pushing = new.clone();
    pushing.begin();
    pushing.block(b"1234", later).unwrap();
    let mut fetching = new.clone();
    fetching.write_package_uri(URI, later).unwrap();
    fetching.progress(7).unwrap();
    let mut initial = fetching.clone();
    initial.failed(DownloadError::Storage).unwrap();
    let mut downloaded = pushing.clone();
    downloaded.end(later).unwrap();
    let mut delivered = downloaded.clone();
    delivered.verified().unwrap();
    let mut installing = delivered.clone();
    installing.install(later).unwrap();
    let mut inactive = installing.clone();
    inactive.installed().unwrap();
    let mut active = inactive.clone();
    active.activate(later).unwrap();
    [
        initial, pushing, fetching, downloaded, delivered, installing, inactive, active,
    ]
}

/// The words of the table, and their numbers: registered, candidate.
const STATES: [(&str, u8, u8); 5] = [
    ("initial", 0, 1),
    ("started", 1, 2),
    ("downloaded", 2, 3),
    ("delivered", 3, 4),
    ("installed", 4, 5),
];
const RESULTS: [(&str, u8, u8); 13] = [
    ("none", 0, 0),
    ("downloading", 1, 1),
    ("done", 2, 2),
    ("good", 3, 0),
    ("storage", 50, 3),
    ("memory", 51, 4),
    ("connection", 52, 5),
    ("integrity", 53, 6),
    ("type", 54, 7),
    ("uri", 56, 8),
    ("device", 57, 9),
    ("not-installed", 58, 10),
    ("not-removed", 59, 9),
];

type Feed = fn(&mut Machine, &mut Application) -> Result<(), Refused>;

/// 4.05 or an equivalent error, and nothing changes.
const NO: &str = "-";
/// 5.00, and nothing changes.
const FAILED: &str = "failed";

/// An event, and what follows in each of [`SITUATIONS`]: state, result, `active` if it is, then
/// what the application is asked after a colon.
type Row = (&'static str, Feed, [&'static str; 8]);

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn table(numbering: Numbering) -> Vec<Row> {
    let registered = numbering == Numbering::Registered;
    let by = |one: &'static str, other| if registered { one } else { other };
    vec![
        // PKG/URI Write, PKG Written, PKG Integrity OK and KO.
        ("package", |machine, app| machine.write_package(b"123", &mut |event| app.answer(event)),
            ["downloaded none: block 0+3, verify", "downloaded none: block 0+3, verify", NO, NO, NO, NO, NO, NO]),
        ("package that is good", |machine, app| {
            app.verify = Answer::Done;
            machine.write_package(b"123", &mut |event| app.answer(event))
        }, ["delivered good: block 0+3, verify", "delivered good: block 0+3, verify", NO, NO, NO, NO, NO, NO]),
        ("package that is bad", |machine, app| {
            app.verify = Answer::Failed(DownloadError::Memory);
            machine.write_package(b"123", &mut |event| app.answer(event))
        }, ["initial integrity: block 0+3, verify", "initial integrity: block 0+3, verify", NO, NO, NO, NO, NO, NO]),
        ("package begins", |machine, app| {
            machine.begin();
            machine.block(b"12", &mut |event| app.answer(event))
        }, ["started downloading: block 0+2", "started downloading: block 0+2", NO, NO, NO, NO, NO, NO]),
        ("empty package", |machine, app| machine.write_package(&[], &mut |event| app.answer(event)),
            ["initial storage", "started downloading", "started downloading", "downloaded none",
             "delivered good", "delivered good", "installed done", "installed done active"]),
        ("block", |machine, app| machine.block(b"56", &mut |event| app.answer(event)),
            [NO, "started downloading: block 4+2", NO, NO, NO, NO, NO, NO]),
        ("block without room", |machine, app| {
            app.block = Answer::Failed(DownloadError::Storage);
            machine.block(b"56", &mut |event| app.answer(event))
        }, [NO, "initial storage: block 4+2", NO, NO, NO, NO, NO, NO]),
        ("end", |machine, app| machine.end(&mut |event| app.answer(event)),
            [NO, "downloaded none: verify", NO, NO, NO, NO, NO, NO]),
        ("abort", |machine, app| {
            machine.abort(&mut |event| app.answer(event));
            Ok(())
        }, ["initial storage", "initial connection: discard", "started downloading", "downloaded none",
            "delivered good", "delivered good", "installed done", "installed done active"]),
        ("URI", |machine, app| machine.write_package_uri(URI, &mut |event| app.answer(event)),
            ["started downloading: fetch 0", NO, NO, NO, NO, NO, NO, NO]),
        ("URI fetched at once", |machine, app| {
            app.fetch = Answer::Done;
            machine.write_package_uri(URI, &mut |event| app.answer(event))
        }, ["downloaded none: fetch 0, verify", NO, NO, NO, NO, NO, NO, NO]),
        ("URI that fails", |machine, app| {
            app.fetch = Answer::Failed(DownloadError::PackageType);
            machine.write_package_uri(URI, &mut |event| app.answer(event))
        }, ["initial type: fetch 0", NO, NO, NO, NO, NO, NO, NO]),
        ("invalid URI", |machine, app| machine.write_package_uri("coap//h", &mut |event| app.answer(event)),
            ["initial uri", NO, NO, NO, NO, NO, NO, NO]),
        ("empty URI", |machine, app| machine.write_package_uri("", &mut |event| app.answer(event)),
            ["initial storage", "started downloading", "started downloading", "downloaded none",
             "delivered good", "delivered good", "installed done", "installed done active"]),
        ("progress", |machine, _| machine.progress(9),
            [NO, NO, "started downloading", NO, NO, NO, NO, NO]),
        ("downloaded", |machine, app| machine.downloaded(&mut |event| app.answer(event)),
            [NO, NO, "downloaded none: verify", NO, NO, NO, NO, NO]),
        ("failed", |machine, _| machine.failed(DownloadError::Device),
            [NO, "initial device", "initial device", NO, NO, NO, NO, NO]),
        ("verified", |machine, _| machine.verified(),
            [NO, NO, NO, "delivered good", NO, NO, NO, NO]),
        ("verification failed", |machine, _| machine.verification_failed(),
            [NO, NO, NO, "initial integrity", NO, NO, NO, NO]),
        // Install execution.
        ("Install", |machine, app| machine.install(&mut |event| app.answer(event)),
            [NO, NO, NO, NO, "delivered good: install", NO, NO, NO]),
        ("Install that is done", |machine, app| {
            app.other = Answer::Done;
            machine.install(&mut |event| app.answer(event))
        }, [NO, NO, NO, NO, "installed done: install", NO, NO, NO]),
        ("Install that fails", |machine, app| {
            app.other = Answer::Failed(DownloadError::Memory);
            machine.install(&mut |event| app.answer(event))
        }, [NO, NO, NO, NO, "delivered not-installed: install", NO, NO, NO]),
        ("installed", |machine, _| machine.installed(),
            [NO, NO, NO, NO, NO, "installed done", NO, NO]),
        ("installation failed", |machine, _| machine.installation_failed(),
            [NO, NO, NO, NO, NO, "delivered not-installed", NO, NO]),
        // Uninstall execution.
        ("Uninstall", |machine, app| machine.uninstall(false, &mut |event| app.answer(event)),
            [NO, NO, NO, NO, "initial none: uninstall", "initial none: uninstall",
             "initial none: uninstall", "initial none: uninstall"]),
        ("Uninstall for an update", |machine, app| machine.uninstall(true, &mut |event| app.answer(event)),
            [NO, NO, NO, NO, "initial none: prepare", "initial none: prepare",
             "initial none: prepare", "initial none: prepare"]),
        ("Uninstall that fails", |machine, app| {
            app.other = Answer::Failed(DownloadError::Device);
            machine.uninstall(false, &mut |event| app.answer(event))
        }, [NO, NO, NO, NO,
            by("delivered not-removed: uninstall", "initial none: uninstall"),
            by("delivered not-removed: uninstall", "initial none: uninstall"),
            by("installed not-removed: uninstall", "initial none: uninstall"),
            by("installed not-removed active: uninstall", "initial none: uninstall")]),
        // Software Activation.
        ("Activate", |machine, app| machine.activate(&mut |event| app.answer(event)),
            [NO, NO, NO, NO, NO, NO, "installed done active: activate", "installed done active"]),
        ("Deactivate", |machine, app| machine.deactivate(&mut |event| app.answer(event)),
            [NO, NO, NO, NO, NO, NO, "installed done", "installed done: deactivate"]),
        ("Activate that fails", |machine, app| {
            app.other = Answer::Failed(DownloadError::Device);
            machine.activate(&mut |event| app.answer(event))
        }, [NO, NO, NO, NO, NO, NO, FAILED, "installed done active"]),
        ("Deactivate that fails", |machine, app| {
            app.other = Answer::Failed(DownloadError::Device);
            machine.deactivate(&mut |event| app.answer(event))
        }, [NO, NO, NO, NO, NO, NO, "installed done", FAILED]),
        ("reboot", |machine, app| {
            let snapshot = machine.snapshot();
            *machine = Machine::new(machine.numbering());
            machine.restore(snapshot, &mut |event| app.answer(event)).unwrap();
            Ok(())
        }, ["initial storage", "initial connection: discard", "started downloading: fetch 7",
            "downloaded none: verify", "delivered good", "delivered good", "installed done",
            "installed done active"]),
    ]
}

/// The numbers for a cell of the table, and the rest of the cell.
fn numbers(cell: &str, numbering: Numbering) -> String {
    let (told, asked) = cell.split_once(": ").unwrap_or((cell, ""));
    let mut words = told.split(' ');
    let mut number = |table: &[(&str, u8, u8)]| {
        let word = words.next().unwrap();
        let found = table.iter().find(|(name, ..)| *name == word);
        let (_, registered, candidate) = *found.unwrap_or_else(|| panic!("{word}"));
        match numbering {
            Numbering::Registered => registered,
            Numbering::Candidate => candidate,
        }
    };
    let (state, result) = (number(&STATES), number(&RESULTS));
    let active = words.next() == Some("active");
    format!("{state}/{result} {active} {asked}")
}

#[test]
fn every_state_with_every_event() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        for (event, feed, expected) in table(numbering) {
            let machines = machines(numbering).into_iter().zip(SITUATIONS);
            for ((machine, situation), expected) in machines.zip(expected) {
                let at = format!("{event} while {situation}, {numbering:?}");
                let mut after = machine.clone();
                let mut application = Application::new();
                let fed = feed(&mut after, &mut application);
                let asked = application.asked.join(", ");
                if let Err(refused) = fed {
                    assert_eq!(after.snapshot(), machine.snapshot(), "{at}");
                    let told = match refused {
                        Refused::NotNow(state) => {
                            assert_eq!(state, machine.state(), "{at}");
                            assert_eq!(asked, "", "{at}");
                            NO
                        }
                        _ => FAILED,
                    };
                    assert_eq!(told, expected, "{at}");
                    continue;
                }
                assert!(![NO, FAILED].contains(&expected), "{at}: taken");
                let state = after.state().number(numbering);
                let result = after.result().number(numbering);
                let told = format!("{state}/{result} {} {asked}", after.is_active());
                assert_eq!(told, numbers(expected, numbering), "{at}");
            }
        }
    }
}

#[test]
fn the_situations_are_the_states() {
    let states = |numbering| machines(numbering).map(|machine| machine.state().number(numbering));
    assert_eq!(states(Numbering::Registered), [0, 1, 1, 2, 3, 3, 4, 4]);
    assert_eq!(states(Numbering::Candidate), [1, 2, 2, 3, 4, 4, 5, 5]);
}

/// Both numberings read what they write.
#[test]
fn numbers_are_read_back() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        let second = |row: &(&str, u8, u8)| match numbering {
            Numbering::Registered => row.1,
            Numbering::Candidate => row.2,
        };
        let states: Vec<u8> = STATES.iter().map(second).collect();
        let results: Vec<u8> = RESULTS.iter().map(second).collect();
        for number in 0..=u8::MAX {
            let state = State::from_number(number, numbering);
            assert_eq!(state.is_some(), states.contains(&number), "{number}");
            assert!(state.is_none_or(|state| state.number(numbering) == number));
            let result = UpdateResult::from_number(number, numbering);
            assert_eq!(result.is_some(), results.contains(&number), "{number}");
            assert!(result.is_none_or(|result| result.number(numbering) == number));
        }
    }
}

/// Installing again after a failure works, and what was installed begins INACTIVE.
#[test]
fn an_installation_may_be_tried_again() {
    let [.., mut installing, _, _] = machines(Numbering::Registered);
    installing.installation_failed().unwrap();
    assert_eq!(
        installing.installed(),
        Err(Refused::NotNow(State::Delivered))
    );
    installing.install(&mut |_| Answer::Done).unwrap();
    assert_eq!(
        (installing.state(), installing.is_active()),
        (State::Installed, false)
    );
}

/// Uninstall ends what is under way.
#[test]
fn nothing_is_installed_after_an_uninstall() {
    let [.., mut installing, _, _] = machines(Numbering::Candidate);
    installing.uninstall(false, &mut |_| Answer::Done).unwrap();
    assert_eq!(installing.installed(), Err(Refused::NotNow(State::Initial)));
    assert!(!installing.snapshot().installing);
}

/// An empty Package in place of one that is pushed ends that push as if it had been abandoned.
#[test]
fn an_empty_package_ends_a_push() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        let [_, mut pushing, ..] = machines(numbering);
        let mut application = Application::new();
        pushing.begin();
        pushing.end(&mut |event| application.answer(event)).unwrap();
        assert_eq!(application.asked, ["discard"]);
        let lost = UpdateResult::Download(DownloadError::ConnectionLost);
        assert_eq!((pushing.state(), pushing.result()), (State::Initial, lost));

        // The other one has failed meanwhile: then this one is the first.
        let [_, mut pushing, ..] = machines(numbering);
        let mut application = Application::new();
        pushing.begin();
        pushing.failed(DownloadError::Memory).unwrap();
        pushing.end(&mut |event| application.answer(event)).unwrap();
        assert_eq!(application.asked, [""; 0]);
        let memory = UpdateResult::Download(DownloadError::Memory);
        assert_eq!(
            (pushing.state(), pushing.result()),
            (State::Initial, memory)
        );
    }
}

#[test]
fn impossible_snapshots_are_refused() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        let good = if numbering == Numbering::Registered {
            UpdateResult::Verified
        } else {
            UpdateResult::Initial
        };
        let mut possible = vec![
            (State::Initial, UpdateResult::Initial),
            (State::DownloadStarted, UpdateResult::Downloading),
            (State::Downloaded, UpdateResult::Initial),
            (State::Delivered, good),
            (State::Delivered, UpdateResult::InstallationFailed),
            (State::Installed, UpdateResult::Installed),
        ];
        if numbering == Numbering::Registered {
            possible.push((State::Delivered, UpdateResult::UninstallationFailed));
            possible.push((State::Installed, UpdateResult::UninstallationFailed));
        }
        for state in State::ALL {
            for result in UpdateResult::ALL {
                let expected = possible.contains(&(state, result))
                    || state == State::Initial && matches!(result, UpdateResult::Download(_));
                let snapshot = Snapshot {
                    state,
                    result,
                    ..Snapshot::default()
                };
                let before = Machine::new(numbering);
                let mut machine = before.clone();
                let restored = machine.restore(snapshot.clone(), &mut |_| Answer::Later);
                if expected {
                    assert_eq!(restored, Ok(()), "{state:?} {result:?}");
                } else {
                    assert_eq!(restored, Err(SnapshotError::Result { state, result }));
                    assert_eq!(machine, before);
                }
                if expected && state != State::Installed {
                    let used = Snapshot {
                        active: true,
                        ..snapshot
                    };
                    let refused = machine.restore(used, &mut |_| Answer::Later);
                    assert_eq!(refused, Err(SnapshotError::Use(state)));
                }
            }
        }
    }
}

proptest! {
    /// After any sequence of events, the state is valid and survives a reboot.
    #[test]
    fn every_state_can_be_restored(events in proptest::collection::vec(0..1000_usize, 0..60)) {
        for numbering in [Numbering::Registered, Numbering::Candidate] {
            let table = table(numbering);
            let mut machine = Machine::new(numbering);
            for event in &events {
                let (_, feed, _) = &table[event % table.len()];
                let before = machine.snapshot();
                if feed(&mut machine, &mut Application::new()).is_err() {
                    prop_assert_eq!(machine.snapshot(), before);
                }
                prop_assert_eq!(machine.snapshot().check(numbering), Ok(()));
            }
        }
    }
}
