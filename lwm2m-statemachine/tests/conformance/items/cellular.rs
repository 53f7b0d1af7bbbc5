//! Cellular Connectivity and APN Connection Profile: tests 1200 to 1250.

use lwm2m_core::{Code, ObjectLink};
use lwm2m_statemachine::ClientEvent;

use crate::{
    bench::{Bench, step},
    configurations::{c10, c11},
    items::operations::links,
    message::{create, execute, replace},
    tlv::{integer, resource},
};

/// A link to a profile, as TLV writes it.
const fn profile(id: u8) -> [u8; 4] {
    [0, 11, 0, id]
}

pub(crate) fn ets_1200_read_version_1_0() {
    let mut bench = c10().registered();
    step("GET /10/0");
    let values = bench.values("/10/0");
    assert_eq!(values.integer(6), 10);
    assert_eq!(values.instances(11), [(0, &profile(0)[..])]);
    step("version 1.0 need not be told");
    let version = links(&mut bench, "/10").attributes("/10");
    assert!(["", "ver=1.0"].contains(&&*version), "{version}");
}

pub(crate) fn ets_1201_read_version_1_1() {
    step("the Register tells the version");
    let mut bench = c11().started();
    let register = bench.expect_register();
    assert_eq!(register.objects().attributes("/10"), "ver=1.1");
    bench.accept_register(&register);
    step("Discover /10");
    assert_eq!(links(&mut bench, "/10").attributes("/10"), "ver=1.1");
    step("GET /10/0");
    let values = bench.values("/10/0");
    assert_eq!(values.integer(6), 10);
    assert_eq!(values.instances(11), [(0, &profile(0)[..])]);
    assert_eq!((values.integer(13), values.integer(14)), (3, 1));
}

pub(crate) fn ets_1210_power_saving_mode() {
    let mut bench = c11().registered();
    step("Discover /10");
    links(&mut bench, "/10").expect(&["/10/0/13", "/10/0/14"]);
    step("GET /10/0/13: at least one mode is supported");
    assert_ne!(bench.integer("/10/0/13"), 0);
    step("PUT /10/0/14 = 2");
    bench
        .request(&replace("/10/0/14").text("2"))
        .expect(Code::CHANGED);
    assert_eq!(bench.integer("/10/0/14"), 2);
}

pub(crate) fn ets_1230_observation_of_power_saving() {
    let mut bench = c11().registered();
    step("Discover /10");
    links(&mut bench, "/10").expect(&["/10/0/13", "/10/0/14"]);
    step("Write-Attributes and Observe of both");
    bench.set_attributes("/10/0/13?pmin=1&pmax=30");
    bench.set_attributes("/10/0/14?pmin=1&pmax=20");
    let supported = bench.observe("/10/0/13");
    let active = bench.observe("/10/0/14");
    let start = bench.now;
    step("a change is notified");
    bench.pass(5);
    bench
        .request(&replace("/10/0/14").text("2"))
        .expect(Code::CHANGED);
    let answer = bench.expect_notified(&active, (start, 5));
    assert_eq!(answer.values().integer(14), 2);
    step("both within their Maximum Period");
    bench.pass(25);
    bench.expect_notified(&active, (start, 25));
    bench.expect_notified(&supported, (start, 30));
}

/// The application connects with the profiles that are enabled.
fn activate_enabled_profiles(bench: &mut Bench) {
    let enabled = bench.events().into_iter().any(|event| {
        let ClientEvent::Written { changes, .. } = event else {
            return false;
        };
        let written = changes.iter().map(|change| change.path().to_string());
        written.into_iter().any(|path| path == "/11/1/3")
    });
    assert!(enabled, "the application is told that /11/1/3 was written");
    let link = ObjectLink {
        object: 11,
        instance: 1,
    };
    bench.set("/10/0/11/1", link);
}

pub(crate) fn ets_1250_apn_configuration() {
    let mut bench = c11().registered();
    step("POST /11: a profile");
    let profile_1 = [
        resource(0, "second"),
        resource(1, "iot"),
        resource(3, [0]),
        integer(4, 0),
    ];
    let answer = bench
        .request(&create("/11").tlv(profile_1.concat()))
        .expect(Code::CREATED);
    assert_eq!(answer.location, ["11", "1"]);
    step("the Update lists it");
    bench.expect_update().objects().expect(&["/11/0", "/11/1"]);
    step("POST /1/0/8, and the Update");
    bench.request(&execute("/1/0/8")).expect(Code::CHANGED);
    bench.expect_update().expect_only(&[]);
    step("PUT /11/1/3 = 1");
    bench
        .request(&replace("/11/1/3").text("1"))
        .expect(Code::CHANGED);
    activate_enabled_profiles(&mut bench);
    step("GET /10/0: the profile is active");
    let active = bench.values("/10/0");
    assert_eq!(
        active.instances(11),
        [(0, &profile(0)[..]), (1, &profile(1)[..])]
    );
}
