//! Firmware Update: tests 751 to 780.

use alloc::sync::Arc;
use std::sync::Mutex;

use lwm2m_core::Code;
use lwm2m_objects::{
    Answer,
    firmware::{DeliveryMethod, DownloadError, Event, FirmwareUpdateObject, Protocol},
    typed,
};

use crate::{
    bench::{Bench, Observation, step},
    configurations::{Setup, c1},
    message::{Request, execute, replace, update},
};

/// The Firmware Update Object.
const FIRMWARE: u16 = 5;

/// Where packages are, for a Client that pulls.
const COAP: &str = "coap://files.example.com/package";
const HTTP: &str = "http://files.example.com/package";

/// What the device has for packages. A package begins with `IMG1`, and ends with a check sum.
#[derive(Debug)]
pub(crate) struct Flash {
    pub(crate) stored: Vec<u8>,
    storage: usize,
    memory: usize,
    /// The URIs that the application was asked to fetch.
    fetches: Vec<String>,
    /// How often the application was asked to install.
    installs: usize,
}

/// The flash is the test's and the application's.
pub(crate) type Shared = Arc<Mutex<Flash>>;

pub(crate) fn flash() -> Shared {
    Arc::new(Mutex::new(Flash {
        stored: Vec::new(),
        storage: 16_384,
        memory: 65_536,
        fetches: Vec::new(),
        installs: 0,
    }))
}

/// A package of this length.
pub(crate) fn package(length: usize) -> Vec<u8> {
    let mut package = b"IMG1".to_vec();
    package.extend((4..length - 1).map(|at| (at % 251).to_le_bytes()[0]));
    package.push(check_sum(&package));
    package
}

fn check_sum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte))
}

impl Flash {
    fn handle(&mut self, event: Event<'_>) -> Answer<DownloadError> {
        match event {
            Event::Block { offset, bytes } => {
                self.stored
                    .truncate(usize::try_from(offset).expect("a short package"));
                self.stored.extend_from_slice(bytes);
                if !self.stored.starts_with(b"IMG1") {
                    Answer::Failed(DownloadError::PackageType)
                } else if self.stored.len() > self.storage {
                    Answer::Failed(DownloadError::Storage)
                } else if self.stored.len() > self.memory {
                    Answer::Failed(DownloadError::Memory)
                } else {
                    Answer::Done
                }
            }
            Event::Verify => match self.stored.split_last() {
                Some((sum, rest)) if check_sum(rest) == *sum => Answer::Done,
                _ => Answer::Failed(DownloadError::Integrity),
            },
            Event::Fetch { uri, .. } => {
                self.fetches.push(uri.into());
                Answer::Later
            }
            Event::Update => {
                self.installs += 1;
                Answer::Later
            }
            Event::Discard => {
                self.stored.clear();
                Answer::Done
            }
        }
    }
}

/// As C.1, with Firmware Update by push and pull, over CoAP and HTTP.
pub(crate) fn c8(flash: &Shared) -> Setup {
    let config = typed::FirmwareUpdate {
        protocols: vec![Protocol::Coap, Protocol::Http],
        delivery: DeliveryMethod::Both,
        ..typed::FirmwareUpdate::default()
    };
    let flash = Arc::clone(flash);
    let object = FirmwareUpdateObject::new(config, move |event| {
        flash.lock().expect("the flash").handle(event)
    });
    c1().with(object.expect("a configuration"))
}

/// State and Update Result are these.
#[track_caller]
fn expect_state(bench: &mut Bench, state: i64, result: i64) {
    let values = bench.values("/5/0");
    assert_eq!(
        (values.integer(3), values.integer(5)),
        (state, result),
        "State, Update Result"
    );
}

/// The application tells how it went.
fn report<E: core::fmt::Debug>(
    bench: &mut Bench,
    call: impl FnOnce(&mut FirmwareUpdateObject) -> Result<(), E>,
) {
    bench.object(FIRMWARE, |object| {
        call(object).expect("the state allows it");
    });
}

/// Writes Package in blocks of 128 bytes: 2.31 for each, and 2.04 for the last.
#[track_caller]
fn push(bench: &mut Bench, request: Request, package: &[u8]) {
    let codes = bench.push(&request.opaque(package), 128);
    let (last, others) = codes.split_last().expect("a code");
    assert_eq!(*last, Code::CHANGED, "of the last block");
    assert!(
        others.iter().all(|code| *code == Code::CONTINUE),
        "{others:?}"
    );
    assert_eq!(
        codes.len(),
        package.len().div_ceil(128),
        "all blocks are taken"
    );
}

/// Writes Package URI: 2.04, whatever comes of it (TS E.6.1).
#[track_caller]
fn pull(bench: &mut Bench, uri: &str) {
    bench
        .request(&replace("/5/0/1").text(uri))
        .expect(Code::CHANGED);
}

/// Executes Update; the device reboots into the new firmware.
fn install(bench: &mut Bench) {
    step("2a. POST /5/0/2");
    bench.request(&execute("/5/0/2")).expect(Code::CHANGED);
    step("2b. Updating");
    expect_state(bench, 3, 0);
    bench.pass(30);
    bench.set("/3/0/3", "2.0");
    report(bench, FirmwareUpdateObject::updated);
    step("3a. Idle, updated successfully");
    expect_state(bench, 0, 1);
    step("3b. GET /3/0/3");
    assert_eq!(bench.text("/3/0/3"), "2.0");
}

pub(crate) fn ets_751_read() {
    let mut bench = c8(&flash()).registered();
    step("GET /5/0");
    let values = bench.values("/5/0");
    assert_eq!((values.integer(3), values.integer(5)), (0, 0));
    assert_eq!(values.integers(8), [(0, 0), (1, 2)], "CoAP and HTTP");
    assert_eq!(values.integer(9), 2, "both");
    assert!(!values.has(0), "Package can't be read");
}

pub(crate) fn ets_755_package() {
    let flash = flash();
    let mut bench = c8(&flash).registered();
    for (name, reset) in [("one zero byte", &b"\0"[..]), ("nothing", b"")] {
        step(&format!("1. PUT /5/0/0: {name}"));
        bench
            .request(&replace("/5/0/0").opaque(reset))
            .expect(Code::CHANGED);
        step("2. GET /5/0");
        expect_state(&mut bench, 0, 0);
        step("3. PUT /5/0/0: a package");
        let package = package(600);
        bench
            .request(&replace("/5/0/0").opaque(&package))
            .expect(Code::CHANGED);
        assert_eq!(flash.lock().expect("the flash").stored, package);
        step("4. GET /5/0");
        expect_state(&mut bench, 2, 0);
    }
}

pub(crate) fn ets_760_observation_of_state() {
    let mut bench = c8(&flash()).registered();
    step("1. Write-Attributes /5/0?pmin=2&pmax=10");
    bench.set_attributes("/5/0?pmin=2&pmax=10");
    step("2. Observe /5/0/3");
    let observation = bench.observe("/5/0/3");
    assert_eq!(observation.first.values().integer(3), 0);
    step("3. PUT /5/0/0: a package");
    bench
        .request(&replace("/5/0/0").opaque(package(600)))
        .expect(Code::CHANGED);
    bench.expect_quiet();
    step("4. a notification of Downloaded, when the Minimum Period is over");
    bench.pass(2);
    let answer = bench.expect_notified(&observation, (observation.since, 2));
    assert_eq!(answer.values().integer(3), 2);
}

pub(crate) fn ets_770_push_in_blocks() {
    for request in [replace("/5/0/0"), update("/5/0/0")] {
        let flash = flash();
        let mut bench = c8(&flash).registered();
        step("1a. PUT /5/0/0: one zero byte");
        bench
            .request(&replace("/5/0/0").opaque([0]))
            .expect(Code::CHANGED);
        step("1b. /5/0/0 in blocks; Downloading meanwhile");
        let package = package(1000);
        let blocks = request.clone().opaque(&package);
        let first = bench.push_blocks(&blocks, 128, 0..3);
        assert_eq!(first, [Code::CONTINUE; 3]);
        expect_state(&mut bench, 1, 0);
        let rest = bench.push_blocks(&blocks, 128, 3..8);
        let more = Code::CONTINUE;
        assert_eq!(rest, [more, more, more, more, Code::CHANGED]);
        assert_eq!(flash.lock().expect("the flash").stored, package);
        step("1c. Downloaded");
        expect_state(&mut bench, 2, 0);
        install(&mut bench);
        assert_eq!(flash.lock().expect("the flash").installs, 1);
    }
}

pub(crate) fn ets_771_package_uri_of_another_scheme() {
    let flash = flash();
    let mut bench = c8(&flash).registered();
    step("1a. PUT /5/0/1: the empty string");
    pull(&mut bench, "");
    step("1b. PUT /5/0/1: a URI of HTTP");
    pull(&mut bench, HTTP);
    step("1c. the application downloads");
    assert_eq!(flash.lock().expect("the flash").fetches, [HTTP]);
    expect_state(&mut bench, 1, 0);
    report(&mut bench, FirmwareUpdateObject::downloaded);
    step("1d. Downloaded");
    expect_state(&mut bench, 2, 0);
    install(&mut bench);
}

pub(crate) fn ets_772_without_a_package() {
    let flash = flash();
    let mut bench = c8(&flash).registered();
    let version = bench.text("/3/0/3");
    let before = bench.values("/5/0");
    assert_eq!((before.integer(3), before.integer(5)), (0, 0));
    step("POST /5/0/2, Idle");
    bench
        .request(&execute("/5/0/2"))
        .expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.values("/5/0"), before);
    step("POST /5/0/2, Downloading");
    let blocks = replace("/5/0/0").opaque(package(1000));
    bench.push_blocks(&blocks, 128, 0..2);
    bench
        .request(&execute("/5/0/2"))
        .expect(Code::METHOD_NOT_ALLOWED);
    expect_state(&mut bench, 1, 0);
    step("nothing is installed");
    assert_eq!(flash.lock().expect("the flash").installs, 0);
    assert_eq!(bench.text("/3/0/3"), version);
}

/// A Client that is Idle, and an observation of its State. As no Minimum Period holds notifications
/// back, none of its changes is missed.
fn watched(flash: &Shared) -> (Bench, Observation) {
    let mut bench = c8(flash).registered();
    step("1. GET /5/0: Idle");
    expect_state(&mut bench, 0, 0);
    let state = bench.observe("/5/0/3");
    (bench, state)
}

/// The delivery has failed with this Update Result. On the way the State may have been Downloading, but
/// never Downloaded.
#[track_caller]
fn expect_failed(bench: &mut Bench, state: &Observation, result: i64) {
    expect_state(bench, 0, result);
    let seen: Vec<i64> = bench
        .notifications(state)
        .iter()
        .map(|notification| notification.answer.values().integer(3))
        .collect();
    assert!(seen.iter().all(|state| [0, 1].contains(state)), "{seen:?}");
    assert!(seen.last().is_none_or(|last| *last == 0), "{seen:?}");
}

/// A package that fails in the same way whether it is pushed or pulled: its error, and its number.
fn failure(limit: impl Fn(&mut Flash), package: &[u8], error: DownloadError, number: i64) {
    let start = || {
        let flash = flash();
        limit(&mut flash.lock().expect("the flash"));
        watched(&flash)
    };
    let (mut bench, state) = start();
    step("2. pushed");
    push(&mut bench, replace("/5/0/0"), package);
    expect_failed(&mut bench, &state, number);
    let (mut bench, state) = start();
    step("2. pulled over CoAP by the Client");
    pull(&mut bench, COAP);
    bench.serve_file(package, 256);
    expect_failed(&mut bench, &state, number);
    let (mut bench, state) = start();
    step("2. pulled over HTTP by the application");
    pull(&mut bench, HTTP);
    expect_state(&mut bench, 1, 0);
    report(&mut bench, |object| object.failed(error));
    expect_failed(&mut bench, &state, number);
}

pub(crate) fn ets_773_shortage_of_storage() {
    let little = |flash: &mut Flash| flash.storage = 500;
    failure(little, &package(1000), DownloadError::Storage, 2);
}

pub(crate) fn ets_774_out_of_memory() {
    let little = |flash: &mut Flash| flash.memory = 500;
    failure(little, &package(1000), DownloadError::Memory, 3);
}

pub(crate) fn ets_776_integrity_check_failure() {
    let mut wrong = package(1000);
    wrong[500] ^= 1;
    failure(|_| {}, &wrong, DownloadError::Integrity, 5);
}

pub(crate) fn ets_777_unsupported_package_type() {
    failure(|_| {}, &[b'?'; 1024], DownloadError::PackageType, 6);
}

pub(crate) fn ets_775_connection_lost() {
    step("2. pulled over HTTP by the application");
    let (mut bench, state) = watched(&flash());
    pull(&mut bench, HTTP);
    report(&mut bench, |object| {
        object.failed(DownloadError::ConnectionLost)
    });
    expect_failed(&mut bench, &state, 4);
    step("2. pulled over CoAP: the file server stalls after two blocks");
    let (mut bench, state) = watched(&flash());
    pull(&mut bench, COAP);
    bench.serve_blocks(&package(1000), 256, 2);
    expect_state(&mut bench, 1, 0);
    bench.stall();
    bench.pass(3 * 3600);
    expect_failed(&mut bench, &state, 4);
    step("2. pulled over CoAP: the link is cut after two blocks");
    let (mut bench, state) = watched(&flash());
    pull(&mut bench, COAP);
    bench.serve_blocks(&package(1000), 256, 2);
    bench.cut(COAP);
    expect_state(&mut bench, 1, 0);
    bench.pass(3 * 3600);
    expect_failed(&mut bench, &state, 4);
}

pub(crate) fn ets_778_invalid_uri() {
    for uri in [
        "package",
        "coap://",
        "coap://files.example.com:port/package",
    ] {
        step(&format!("2. PUT /5/0/1 = {uri}"));
        let (mut bench, state) = watched(&flash());
        pull(&mut bench, uri);
        expect_failed(&mut bench, &state, 7);
    }
    step("2. a URI of CoAP whose host isn't there");
    let (mut bench, state) = watched(&flash());
    bench.unresolvable = true;
    pull(&mut bench, COAP);
    expect_failed(&mut bench, &state, 7);
    step("2. a URI of HTTP that the application can't resolve");
    let (mut bench, state) = watched(&flash());
    pull(&mut bench, HTTP);
    report(&mut bench, |object| {
        object.failed(DownloadError::InvalidUri)
    });
    expect_failed(&mut bench, &state, 7);
}

pub(crate) fn ets_779_unsuccessful_update() {
    let mut bench = c8(&flash()).registered();
    push(&mut bench, replace("/5/0/0"), &package(1000));
    expect_state(&mut bench, 2, 0);
    let version = bench.text("/3/0/3");
    step("POST /5/0/2");
    bench.request(&execute("/5/0/2")).expect(Code::CHANGED);
    expect_state(&mut bench, 3, 0);
    step("the old firmware still runs");
    report(&mut bench, FirmwareUpdateObject::update_failed);
    expect_state(&mut bench, 2, 8);
    assert_eq!(bench.text("/3/0/3"), version);
}

pub(crate) fn ets_780_unsupported_protocol() {
    let flash = flash();
    let (mut bench, state) = watched(&flash);
    step("PUT /5/0/1: a scheme that isn't in /5/0/8");
    pull(&mut bench, "ftp://files.example.com/package");
    expect_failed(&mut bench, &state, 9);
    assert!(
        flash.lock().expect("the flash").fetches.is_empty(),
        "nothing is fetched"
    );
    bench.expect_nothing_asked();
}

pub(crate) fn ets_756_package_uri() {
    let flash = flash();
    let mut bench = c8(&flash).registered();
    step("1. PUT /5/0/1: the empty string");
    pull(&mut bench, "");
    step("2. GET /5/0");
    expect_state(&mut bench, 0, 0);
    step("3. PUT /5/0/1: a URI of CoAP");
    pull(&mut bench, COAP);
    let package = package(1000);
    bench.serve_blocks(&package, 256, 2);
    expect_state(&mut bench, 1, 0);
    step("4. GET /5/0 after the download, which the Client makes block by block");
    bench.serve_file(&package, 256);
    assert_eq!(flash.lock().expect("the flash").stored, package);
    expect_state(&mut bench, 2, 0);
}
