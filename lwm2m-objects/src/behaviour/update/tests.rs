//! What holds for a push and a pull of either face.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::fmt;

use super::{Answer, Face, Machine};
use crate::{
    firmware::{self, DeliveryMethod, Firmware},
    software::{self, Numbering, Software},
};

/// A face, with what its tests need.
trait Tested: Face<Refused: fmt::Debug + PartialEq, DownloadError: fmt::Debug> {
    const STORAGE: Self::DownloadError;
    const MEMORY: Self::DownloadError;

    /// Machines that have not started.
    fn machines() -> Vec<Machine<Self>>;

    /// The Update Result of an error.
    fn result(error: Self::DownloadError) -> Self::UpdateResult;

    /// The application reports that a pull has ended.
    fn downloaded(machine: &mut Machine<Self>) -> Result<(), Self::Refused>;

    /// The situations after a package has been verified.
    fn after(verifying: Machine<Self>) -> Vec<Machine<Self>>;

    fn name(event: Self::Event<'_>) -> String;
}

impl Tested for Firmware {
    const STORAGE: firmware::DownloadError = firmware::DownloadError::Storage;
    const MEMORY: firmware::DownloadError = firmware::DownloadError::Memory;

    fn machines() -> Vec<Machine<Self>> {
        vec![Machine::<Self>::new(DeliveryMethod::Both, [])]
    }

    fn result(error: firmware::DownloadError) -> firmware::UpdateResult {
        firmware::UpdateResult::Download(error)
    }

    fn downloaded(machine: &mut Machine<Self>) -> Result<(), firmware::NotNow> {
        machine.downloaded()
    }

    fn after(verifying: Machine<Self>) -> Vec<Machine<Self>> {
        let mut downloaded = verifying;
        downloaded.downloaded().unwrap();
        let mut updating = downloaded.clone();
        updating.update(&mut |_| Answer::Later).unwrap();
        vec![downloaded, updating]
    }

    fn name(event: firmware::Event<'_>) -> String {
        format!("{event:?}")
    }
}

impl Tested for Software {
    const STORAGE: software::DownloadError = software::DownloadError::Storage;
    const MEMORY: software::DownloadError = software::DownloadError::Memory;

    fn machines() -> Vec<Machine<Self>> {
        let numberings = [Numbering::Registered, Numbering::Candidate];
        numberings.map(Machine::<Self>::new).into()
    }

    fn result(error: software::DownloadError) -> software::UpdateResult {
        software::UpdateResult::Download(error)
    }

    fn downloaded(machine: &mut Machine<Self>) -> Result<(), software::Refused> {
        machine.downloaded(&mut |_| Answer::Later)
    }

    fn after(verifying: Machine<Self>) -> Vec<Machine<Self>> {
        let later = &mut |_: software::Event<'_>| Answer::Later;
        let mut delivered = verifying;
        delivered.verified().unwrap();
        let mut installing = delivered.clone();
        installing.install(later).unwrap();
        let mut inactive = installing.clone();
        inactive.installed().unwrap();
        let mut active = inactive.clone();
        active.activate(later).unwrap();
        vec![delivered, installing, inactive, active]
    }

    fn name(event: software::Event<'_>) -> String {
        format!("{event:?}")
    }
}

const URI: &str = "coap://h/p";

/// A machine to which a package is being pushed; four bytes have arrived.
fn pushing<F: Tested>(blank: &Machine<F>) -> Machine<F> {
    let mut machine = blank.clone();
    machine.begin();
    machine.block(b"1234", &mut |_| Answer::Later).unwrap();
    assert_eq!(machine.phase(), F::DOWNLOADING);
    machine
}

/// A machine that is pulling a package; seven bytes have arrived.
fn fetching<F: Tested>(blank: &Machine<F>) -> Machine<F> {
    let mut machine = blank.clone();
    machine
        .write_package_uri(URI, &mut |_| Answer::Later)
        .unwrap();
    machine.progress(7).unwrap();
    assert_eq!(machine.phase(), F::DOWNLOADING);
    machine
}

/// A package that has been pushed and is being verified.
fn verifying<F: Tested>(blank: &Machine<F>) -> Machine<F> {
    let mut machine = pushing(blank);
    machine.end(&mut |_| Answer::Later).unwrap();
    machine
}

/// Runs a check for each face.
macro_rules! for_each_face {
    ($check:ident) => {
        for blank in Firmware::machines() {
            $check(&blank);
        }
        for blank in Software::machines() {
            $check(&blank);
        }
    };
}

/// An error in the middle of a push is reported by Update Result only; the Write itself completes.
#[test]
fn the_rest_of_a_push_that_failed_is_dropped() {
    fn check<F: Tested>(blank: &Machine<F>) {
        let mut machine = blank.clone();
        let mut asked = Vec::new();
        let mut full = |event: F::Event<'_>| {
            asked.push(F::name(event));
            match asked.len() {
                1 => Answer::Done,
                _ => Answer::Failed(F::STORAGE),
            }
        };
        machine.begin();
        for block in [b"abcd", b"efgh", b"ijkl", b"mnop"] {
            machine.block(block, &mut full).unwrap();
        }
        machine.end(&mut full).unwrap();
        let blocks = asked.iter().filter(|asked| asked.starts_with("Block"));
        assert_eq!((blocks.count(), asked.len()), (2, 2));
        assert_eq!(machine.phase(), F::START.0);
        assert_eq!(machine.result(), F::result(F::STORAGE));
        // The next one is a new package.
        machine
            .write_package(b"abcd", &mut |_| Answer::Later)
            .unwrap();
        assert_eq!(machine.phase(), verifying(blank).phase());
    }
    for_each_face!(check);
}

/// A Write of Package that replaces one that is pushed is a push from its beginning, before any of
/// its bytes have arrived: it may be begun once more, it ends the other one, and nothing is pulled.
#[test]
fn a_push_that_is_begun_again_is_a_push() {
    fn check<F: Tested>(blank: &Machine<F>) {
        let begun_again = || {
            let mut machine = pushing(blank);
            machine.begin();
            machine
        };
        let mut machine = begun_again();
        let refused = || Err(F::not_now(F::DOWNLOADING));
        assert_eq!(F::downloaded(&mut machine), refused());
        assert_eq!(machine.progress(1), refused());
        assert_eq!(machine.may_write_package(b"new"), Ok(()));
        machine.begin();
        machine.block(b"new", &mut |_| Answer::Later).unwrap();
        machine.end(&mut |_| Answer::Later).unwrap();
        assert_eq!(machine, verifying(blank));

        // If the new push is abandoned, the old package is discarded too, unless it has failed
        // already.
        for (failed, error, expected) in [
            (false, F::CONNECTION_LOST, &["Discard"][..]),
            (true, F::MEMORY, &[]),
        ] {
            let (mut machine, mut asked) = (begun_again(), Vec::new());
            if failed {
                machine.failed(F::MEMORY).unwrap();
            }
            machine.abort(&mut |event| {
                asked.push(F::name(event));
                Answer::Done
            });
            assert_eq!(asked, expected);
            assert_eq!(machine.phase(), F::START.0);
            assert_eq!(machine.result(), F::result(error));
        }
    }
    for_each_face!(check);
}

/// Package URI has 0 to 255 bytes (TS E.6, Resource 1; Object 9, Resource 3).
#[test]
fn a_uri_that_is_too_long_is_invalid() {
    fn check<F: Tested>(blank: &Machine<F>) {
        for length in [254, 255, 256, 300] {
            let uri = format!("{URI}{}", "p".repeat(length - URI.len()));
            let mut machine = blank.clone();
            machine
                .write_package_uri(&uri, &mut |_| Answer::Later)
                .unwrap();
            let (result, kept) = if length > 255 {
                (F::result(F::INVALID_URI), "")
            } else {
                (fetching(blank).result(), &*uri)
            };
            assert_eq!(machine.result(), result, "{length}");
            assert_eq!(machine.package_uri(), kept, "{length}");
        }
    }
    for_each_face!(check);
}

/// `received` counts only the pull that is under way.
#[test]
fn what_was_received_is_of_one_pull() {
    fn check<F: Tested>(blank: &Machine<F>) {
        let received =
            |machine: &Machine<F>| (machine.received(), machine.package_uri().to_string());
        assert_eq!(received(&pushing(blank)), (0, String::new()));
        let mut machine = fetching(blank);
        assert_eq!(received(&machine), (7, URI.into()));
        machine.progress(u64::MAX).unwrap();
        assert_eq!(machine.received(), i64::MAX as u64, "the largest Integer");
        machine.failed(F::MEMORY).unwrap();
        machine.begin();
        machine.block(b"1234", &mut |_| Answer::Later).unwrap();
        assert_eq!(received(&machine), (0, String::new()));
    }
    for_each_face!(check);
}

/// A package is accepted before a download, and in place of one that is being pushed. The check
/// beforehand agrees, and always accepts an empty package.
#[test]
fn it_is_known_whether_a_package_would_be_taken() {
    fn check<F: Tested>(blank: &Machine<F>) {
        let mut failed = fetching(blank);
        failed.failed(F::STORAGE).unwrap();
        let start = [blank.clone(), failed].map(|machine| (machine, true, true));
        let pushing = (pushing(blank), true, false);
        let taken = [fetching(blank), verifying(blank)].into_iter();
        let taken = taken.chain(F::after(verifying(blank)));
        let taken = taken.map(|machine| (machine, false, false));
        for (machine, package, uri) in start.into_iter().chain([pushing]).chain(taken) {
            let expected = |taken: bool| {
                let refused = || F::not_now(machine.phase());
                taken.then_some(()).ok_or_else(refused)
            };
            let later = &mut |_: F::Event<'_>| Answer::Later;
            assert_eq!(machine.may_write_package(b"one"), expected(package));
            let written = machine.clone().write_package(b"one", later);
            assert_eq!(written, expected(package));
            assert_eq!(machine.may_write_package_uri(URI), expected(uri));
            let written = machine.clone().write_package_uri(URI, later);
            assert_eq!(written, expected(uri));
            assert_eq!(machine.may_write_package(b""), Ok(()));
            assert_eq!(machine.may_write_package_uri(""), Ok(()));
        }
    }
    for_each_face!(check);
}
