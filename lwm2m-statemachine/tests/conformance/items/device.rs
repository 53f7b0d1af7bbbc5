//! Device: tests 241, 655 and 657 to 685.

use lwm2m_core::Code;
use lwm2m_objects::{DeviceObject, ErrorCode};

use crate::{
    bench::step,
    configurations::{c1, c6},
    message::{create, delete, execute, replace, update},
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
