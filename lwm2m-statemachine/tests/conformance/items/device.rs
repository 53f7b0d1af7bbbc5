//! Device: tests 241, 655 and 657 to 685.

use lwm2m_core::Code;
use lwm2m_kit::path;
use lwm2m_objects::{DeviceObject, ErrorCode};
use lwm2m_statemachine::{ClientEvent, client::DeferredOperation};

use crate::{
    bench::{Bench, step},
    configurations::{c1, c6},
    items::registration::expect_register_of_c1,
    message::{create, delete, execute, read, replace, update},
    tlv::{integer_value, multiple, resource},
};

/// The Device Object.
const DEVICE: u16 = 3;

pub(crate) fn ets_657_error_code() {
    let mut bench = c6().registered();
    step("GET /3/0/11: one instance, no error");
    assert_eq!(bench.values("/3/0/11").integers(11), [(0, 0)]);
    bench.set_attributes("/3/0/11?pmin=0");
    step("Observe /3/0/11");
    let observation = bench.observe("/3/0/11");
    step("an error: it takes the place of no error");
    bench.pass(1);
    bench.object(DEVICE, |device: &mut DeviceObject| {
        device.report(ErrorCode::LowBattery);
    });
    let answer = bench.expect_notified(&observation, (bench.now, 0));
    assert_eq!(answer.values().integers(11), [(0, 1)]);
    step("another error: a second instance");
    bench.pass(1);
    bench.object(DEVICE, |device: &mut DeviceObject| {
        device.report(ErrorCode::LowSignal);
    });
    let answer = bench.expect_notified(&observation, (bench.now, 0));
    assert_eq!(answer.values().integers(11), [(0, 1), (1, 4)]);
    step("POST /3/0/12: no error is left");
    bench.pass(1);
    bench.request(&execute("/3/0/12")).expect(Code::CHANGED);
    let answer = bench.expect_notified(&observation, (bench.now, 0));
    assert_eq!(answer.values().integers(11), [(0, 0)]);
}

pub(crate) fn ets_670_multiple_resource_instances() {
    let mut bench = c6().registered();
    let before = bench.values("/3/0");
    let sources = multiple(
        6,
        [
            (0, integer_value(1)),
            (1, integer_value(5)),
            (2, [6].into()),
        ],
    );
    step("PUT /3/0/6: it can only be read");
    let answer = bench.request(&replace("/3/0/6").tlv(&sources));
    answer.expect(Code::METHOD_NOT_ALLOWED);
    step("POST /3/0 with Resource 6");
    let answer = bench.request(&update("/3/0").tlv(&sources));
    answer.expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.values("/3/0"), before);
}

pub(crate) fn ets_680_create_must_fail() {
    let mut bench = c1().registered();
    let before = bench.values("/3/0");
    step("POST /3");
    let another = multiple(11, [(0, [0])]);
    let answer = bench.request(&create("/3").tlv([another, resource(16, "U")].concat()));
    answer.expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.values("/3/0"), before);
}

pub(crate) fn ets_685_delete_must_fail() {
    let mut bench = c1().registered();
    let before = bench.values("/3/0");
    step("DELETE /3/0");
    bench
        .request(&delete("/3/0"))
        .expect(Code::METHOD_NOT_ALLOWED);
    step("GET /3/0");
    assert_eq!(bench.values("/3/0"), before);
}

/// Reboot is executed: it is answered first, and the registration doesn't end.
fn execute_reboot(bench: &mut Bench) {
    step("1. POST /3/0/4: 2.04, and then the reboot");
    bench.events();
    bench.request(&execute("/3/0/4")).expect(Code::CHANGED);
    let is_reboot = |event: &ClientEvent| matches!(event, ClientEvent::Reboot);
    assert!(
        !bench.events().iter().any(is_reboot),
        "the answer may have to be sent again"
    );
    bench.pass(10);
    let events = bench.events();
    assert!(
        events.iter().any(is_reboot),
        "the device is to reboot: {events:?}"
    );
    bench.expect_nothing_asked();
}

pub(crate) fn ets_241_execute_reboot() {
    let mut bench = c1().registered();
    execute_reboot(&mut bench);
    step("2. Register, as in test 101");
    bench.start();
    let register = bench.expect_register();
    expect_register_of_c1(&register);
    bench.accept_register(&register);
    bench.request(&read("/3/0")).expect(Code::CONTENT);
}

pub(crate) fn ets_655_reboot() {
    let mut bench = c1().registered();
    bench
        .client
        .deferred()
        .defer(DeferredOperation::Execute, path("/3/0/4"));
    step("the application doesn't agree: 4.05, and no reboot");
    let refused = bench.ask(&execute("/3/0/4"));
    bench.consent(Err(Code::METHOD_NOT_ALLOWED));
    bench.answered(&refused).expect(Code::METHOD_NOT_ALLOWED);
    bench.pass(10);
    bench.request(&read("/3/0")).expect(Code::CONTENT);
    let is_reboot = |event: &ClientEvent| matches!(event, ClientEvent::Reboot);
    assert!(!bench.events().iter().any(is_reboot));
    step("1. it agrees: 2.04, and then the reboot");
    let accepted = bench.ask(&execute("/3/0/4"));
    bench.consent(Ok(()));
    bench.answered(&accepted).expect(Code::CHANGED);
    bench.pass(10);
    assert!(
        bench.events().iter().any(is_reboot),
        "the device is to reboot"
    );
    step("2. the Client that starts then registers");
    let mut bench = c1().started();
    let register = bench.expect_register();
    expect_register_of_c1(&register);
    bench.accept_register(&register);
}
