//! Software Management: tests 1100 to 1199, in the registered numbering.

use lwm2m_core::{Code, InstanceId};
use lwm2m_kit::instance;
use lwm2m_objects::{
    Answer,
    software::{DownloadError, Event, Numbering, SoftwareManagementObject},
    typed,
};

use crate::{
    bench::{Bench, step},
    configurations::c1,
    message::{execute, replace},
};

/// The Software Management Object, and its Object Instance.
const SOFTWARE: u16 = 9;
const COMPONENT: InstanceId = InstanceId::ZERO;

/// Where packages are: one that the application fetches, and one that the Client does.
const HTTP: &str = "http://files.example.com/package";
const COAP: &str = "coap://files.example.com/package";

/// A device with one component, whose application is slow.
fn device() -> Bench {
    let slow = |_: InstanceId, event: Event<'_>| match event {
        Event::Block { .. } | Event::Activate | Event::Deactivate | Event::Uninstall => {
            Answer::Done
        }
        _ => Answer::Later,
    };
    let component = typed::SoftwareManagement::new("thermostat", "1.2");
    let object = SoftwareManagementObject::new(Numbering::Registered, slow);
    let object = object.with(instance(0), component);
    c1().with(object.expect("a component")).registered()
}

/// Update State and Update Result are these.
#[track_caller]
fn expect_state(bench: &mut Bench, state: i64, result: i64) {
    let values = bench.values("/9/0");
    assert_eq!(
        (values.integer(7), values.integer(9)),
        (state, result),
        "State, Result"
    );
}

fn report<E: core::fmt::Debug>(
    bench: &mut Bench,
    call: impl FnOnce(&mut SoftwareManagementObject) -> Result<(), E>,
) {
    bench.object(SOFTWARE, |object| {
        call(object).expect("the state allows it");
    });
}

/// From INITIAL to DELIVERED, by a push.
fn deliver(bench: &mut Bench) {
    expect_state(bench, 0, 0);
    step("PUT /9/0/2 in blocks");
    let package = replace("/9/0/2").opaque([0x5A; 1000]);
    bench.push_blocks(&package, 256, 0..2);
    expect_state(bench, 1, 1);
    assert_eq!(
        bench.push_blocks(&package, 256, 2..4).last(),
        Some(&Code::CHANGED)
    );
    expect_verified(bench);
}

/// From DOWNLOADED to DELIVERED.
fn expect_verified(bench: &mut Bench) {
    step("DOWNLOADED, while the package is verified");
    assert_eq!(bench.values("/9/0").integer(7), 2);
    report(bench, |object| object.verified(COMPONENT));
    step("DELIVERED");
    expect_state(bench, 3, 3);
}

/// From DELIVERED to INSTALLED, active, inactive, and away.
fn install_and_remove(bench: &mut Bench) {
    step("POST /9/0/4: Install");
    bench.request(&execute("/9/0/4")).expect(Code::CHANGED);
    report(bench, |object| object.installed(COMPONENT));
    expect_state(bench, 4, 2);
    let is_active = |bench: &mut Bench| bench.values("/9/0").boolean(12);
    assert!(!is_active(bench));
    step("POST /9/0/10: Activate");
    bench.request(&execute("/9/0/10")).expect(Code::CHANGED);
    assert!(is_active(bench));
    step("POST /9/0/11: Deactivate");
    bench.request(&execute("/9/0/11")).expect(Code::CHANGED);
    assert!(!is_active(bench));
    step("POST /9/0/6: Uninstall");
    bench.request(&execute("/9/0/6")).expect(Code::CHANGED);
    expect_state(bench, 0, 0);
}

pub(crate) fn ets_1100_1199_push() {
    let mut bench = device();
    deliver(&mut bench);
    install_and_remove(&mut bench);
}

/// A package is pulled, and verified.
fn pull(bench: &mut Bench, uri: &str, fetch: impl Fn(&mut Bench)) {
    step(&format!("PUT /9/0/3 = {uri}"));
    bench
        .request(&replace("/9/0/3").text(uri))
        .expect(Code::CHANGED);
    expect_state(bench, 1, 1);
    fetch(bench);
    expect_verified(bench);
}

pub(crate) fn ets_1100_1199_pull() {
    let mut bench = device();
    pull(&mut bench, HTTP, |bench| {
        report(bench, |object| object.downloaded(COMPONENT));
    });
    install_and_remove(&mut bench);
    let mut bench = device();
    pull(&mut bench, COAP, |bench| {
        bench.serve_file(&[0x5A; 1000], 256);
    });
    install_and_remove(&mut bench);
}

pub(crate) fn ets_1100_1199_install_without_a_package() {
    let mut bench = device();
    for path in ["/9/0/4", "/9/0/10", "/9/0/11"] {
        step(&format!("POST {path} in INITIAL"));
        bench
            .request(&execute(path))
            .expect(Code::METHOD_NOT_ALLOWED);
        expect_state(&mut bench, 0, 0);
    }
    let refuse_install = |bench: &mut Bench, state: i64| {
        step(&format!("POST /9/0/4 in state {state}"));
        bench
            .request(&execute("/9/0/4"))
            .expect(Code::METHOD_NOT_ALLOWED);
        assert_eq!(bench.values("/9/0").integer(7), state);
    };
    let package = replace("/9/0/2").opaque([0x5A; 1000]);
    bench.push_blocks(&package, 256, 0..2);
    refuse_install(&mut bench, 1);
    bench.push_blocks(&package, 256, 2..4);
    refuse_install(&mut bench, 2);
    expect_verified(&mut bench);
    bench.request(&execute("/9/0/4")).expect(Code::CHANGED);
    report(&mut bench, |object| object.installed(COMPONENT));
    refuse_install(&mut bench, 4);
}

pub(crate) fn ets_1100_1199_failures() {
    step("the installation fails");
    let mut bench = device();
    deliver(&mut bench);
    bench.request(&execute("/9/0/4")).expect(Code::CHANGED);
    report(&mut bench, |object| object.installation_failed(COMPONENT));
    expect_state(&mut bench, 3, 58);
    for (error, number) in [
        (DownloadError::Storage, 50),
        (DownloadError::Memory, 51),
        (DownloadError::ConnectionLost, 52),
        (DownloadError::Integrity, 53),
        (DownloadError::PackageType, 54),
        (DownloadError::InvalidUri, 56),
    ] {
        step(&format!("the download fails: {error:?}"));
        let mut bench = device();
        bench
            .request(&replace("/9/0/3").text(HTTP))
            .expect(Code::CHANGED);
        report(&mut bench, |object| object.failed(COMPONENT, error));
        expect_state(&mut bench, 0, number);
    }
}
