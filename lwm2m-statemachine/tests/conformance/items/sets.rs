//! Writes: tests 205 to 220, 551 and 651.

use lwm2m_core::Code;

use crate::{
    bench::{Bench, step},
    configurations::{c3, c6},
    items::firmware,
    message::{Answer, execute, read, replace, update},
    tlv::{self, Values, integer, resource},
};

pub(crate) fn ets_205_set_plain_text() {
    let mut bench = c3().registered();
    let initial = bench.values("/1/0");
    let set = |bench: &mut Bench, values: [&str; 3]| {
        for (resource, value) in [2, 3, 5].into_iter().zip(values) {
            let path = format!("/1/0/{resource}");
            bench
                .request(&replace(&path).text(value))
                .expect(Code::CHANGED);
        }
    };
    step("1. PUT /1/0/2 = 0101, /1/0/3 = 1010, /1/0/5 = 2000");
    set(&mut bench, ["0101", "1010", "2000"]);
    step("2. GET /1/0");
    let values = bench.values("/1/0");
    assert_eq!([2, 3, 5].map(|id| values.integer(id)), [101, 1010, 2000]);
    step("3. the initial values again");
    let values = [2, 3, 5].map(|id| initial.integer(id).to_string());
    set(&mut bench, [&*values[0], &*values[1], &*values[2]]);
    assert_eq!(bench.values("/1/0"), initial);
}

pub(crate) fn ets_210_set_opaque() {
    let flash = firmware::flash();
    let mut bench = firmware::c8(&flash).registered();
    step("PUT /5/0/0, opaque");
    let package = firmware::package(300);
    bench
        .request(&replace("/5/0/0").opaque(&package))
        .expect(Code::CHANGED);
    assert_eq!(flash.lock().expect("the flash").stored, package);
    step("PUT /1/0/1, opaque: it is no Opaque");
    let answer = bench.request(&replace("/1/0/1").opaque([0, 0, 0, 20]));
    answer.expect(Code::BAD_REQUEST);
    assert_eq!(bench.text("/1/0/1"), "86400");
}

/// The writable Resources of a Server Object Instance, in TLV.
fn writable(values: &Values) -> Vec<Vec<u8>> {
    [1, 2, 3, 5, 6, 7]
        .map(|id| resource(id, values.bytes(id)))
        .into()
}

const CHANGED: [(u16, i64); 3] = [(2, 101), (3, 1010), (5, 2000)];

/// Writes other values, reads them, writes the saved ones and reads those: test 215.
fn set_tlv(bench: &mut Bench, wrap: impl Fn(Vec<Vec<u8>>) -> Vec<u8>) {
    let saved = bench.values("/1/0");
    step("1. POST /1/0 in TLV");
    let mut changed: Vec<Vec<u8>> = CHANGED.map(|(id, value)| integer(id, value)).into();
    changed.extend([resource(6, [1]), resource(7, "UQ")]);
    bench
        .request(&update("/1/0").tlv(wrap(changed)))
        .expect(Code::CHANGED);
    step("the binding has changed: an Update says so, and nothing else");
    bench.expect_update().expect_only(&["b=UQ"]);
    step("2. GET /1/0");
    let values = bench.values("/1/0");
    expect_changed(&values, &saved);
    step("3. PUT /1/0 in TLV, with the saved values of the writable Resources");
    let restored = wrap(writable(&saved));
    bench
        .request(&replace("/1/0").tlv(restored))
        .expect(Code::CHANGED);
    bench.expect_update().expect_only(&["b=U"]);
    step("4. GET /1/0: as at first, the Resource that can only be read included");
    assert_eq!(bench.values("/1/0"), saved);
}

#[track_caller]
fn expect_changed(values: &Values, saved: &Values) {
    for (id, value) in CHANGED {
        assert_eq!(values.integer(id), value, "Resource {id}");
    }
    assert!(values.boolean(6));
    assert_eq!(values.text(7), "UQ");
    assert_eq!(values.integer(1), saved.integer(1), "what wasn't written");
}

pub(crate) fn ets_215_set_tlv() {
    step("bare Resources");
    let mut bench = c3().registered();
    set_tlv(&mut bench, |resources| resources.concat());
    step("Resources in their Object Instance");
    set_tlv(&mut bench, |resources| tlv::instance(0, &resources));
}

pub(crate) fn ets_220_set_json() {
    let mut bench = c3().registered();
    let saved = bench.values("/1/0");
    step("1. POST /1/0 in JSON");
    let changed = r#"{"bn":"/1/0/","e":[{"n":"2","v":101},{"n":"3","v":1010},
        {"n":"5","v":2000},{"n":"6","bv":true},{"n":"7","sv":"UQ"}]}"#;
    bench
        .request(&update("/1/0").json(changed))
        .expect(Code::CHANGED);
    bench.expect_update().expect_only(&["b=UQ"]);
    step("2. GET /1/0");
    expect_changed(&bench.values("/1/0"), &saved);
    step(
        "3. PUT /1/0 in JSON without a Base Name, with the saved values of the writable Resources",
    );
    let number = |id| format!(r#"{{"n":"/1/0/{id}","v":{}}}"#, saved.integer(id));
    let numbers = [1, 2, 3, 5].map(number).join(",");
    let restored = format!(
        r#"{{"e":[{numbers},{{"n":"/1/0/6","bv":{}}},{{"n":"/1/0/7","sv":"{}"}}]}}"#,
        saved.boolean(6),
        saved.text(7),
    );
    bench
        .request(&replace("/1/0").json(&restored))
        .expect(Code::CHANGED);
    bench.expect_update().expect_only(&["b=U"]);
    step("4. GET /1/0");
    assert_eq!(bench.values("/1/0"), saved);
}

pub(crate) fn ets_551_server_access() {
    let mut bench = c3().registered();
    set_tlv(&mut bench, |resources| resources.concat());
    step("GET /1/0: what can be read is there, and nothing else");
    assert_eq!(bench.values("/1/0").resources(), [0, 1, 2, 3, 5, 6, 7]);
    let not_supported = |answer: Answer| drop(answer.expect(Code::METHOD_NOT_ALLOWED));
    step("PUT /1/0/0: it can only be read");
    not_supported(bench.request(&replace("/1/0/0").text("7")));
    step("GET /1/0/4 and /1/0/8: they can only be executed");
    not_supported(bench.request(&read("/1/0/4")));
    not_supported(bench.request(&read("/1/0/8")));
    step("POST /1/0/1 without anything: it can't be executed");
    not_supported(bench.request(&execute("/1/0/1")));
    step("PUT /1/0/1 = x: it is no Integer");
    bench
        .request(&replace("/1/0/1").text("x"))
        .expect(Code::BAD_REQUEST);
    assert_eq!(bench.text("/1/0/1"), "86400");
}

pub(crate) fn ets_651_device_access() {
    let mut bench = c6().registered();
    let saved = bench.values("/3/0");
    let time = 1_367_491_215;
    step("1. POST /3/0: time, UTC offset, timezone");
    let changed = [
        integer(13, time),
        resource(14, "+02:00"),
        resource(15, "Europe/Paris"),
    ];
    bench
        .request(&update("/3/0").tlv(changed.concat()))
        .expect(Code::CHANGED);
    step("2. GET /3/0");
    bench.pass(2);
    let values = bench.values("/3/0");
    assert_eq!(values.integer(13), time + 2, "time passes");
    assert_eq!(
        (values.text(14), values.text(15)),
        ("+02:00", "Europe/Paris")
    );
    step("3. PUT /3/0 with the saved values");
    let restored = [13, 14, 15].map(|id| resource(id, saved.bytes(id)));
    bench
        .request(&replace("/3/0").tlv(restored.concat()))
        .expect(Code::CHANGED);
    step("4. GET /3/0: as at first, what can only be read included");
    assert_eq!(bench.values("/3/0"), saved);
}
