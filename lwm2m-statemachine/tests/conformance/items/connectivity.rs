//! Connectivity Monitoring: tests 701 to 735.

use lwm2m_core::{Code, Value};
use lwm2m_objects::{CONNECTIVITY_MONITORING, Store, Typed as _};

use crate::{
    bench::{Bench, step},
    configurations::{c1, c5, connectivity_monitoring, numbered},
    items::{
        operations::links,
        reporting::{Extended, extended_observation, instance_observation},
    },
    message::{create, delete, read, replace},
    tlv::{Values, integer, multiple},
};

/// Values for the mandatory Resources, none of which a server can write.
fn mandatory() -> Vec<u8> {
    let bearers = multiple(1, [(0, [41])]);
    let addresses = multiple(4, [(0, "192.0.2.7")]);
    [integer(0, 41), bearers, integer(2, -60), addresses].concat()
}

pub(crate) fn ets_701_read() {
    let mut bench = c5().registered();
    step("GET /4/0");
    let values = bench.values("/4/0");
    assert_eq!(values.integer(0), 0, "GSM");
    assert_eq!(values.integers(1), [(0, 0)]);
    assert_eq!(values.integer(2), 92);
    assert_eq!(values.texts(4), [(0, "192.168.0.100")]);
    assert_eq!(values.integer(3), 2);
    assert_eq!(values.texts(5), [(0, "192.168.1.1")]);
    assert_eq!(values.integer(6), 5);
    assert_eq!(values.texts(7), [(0, "internet")]);
    assert_eq!(values.resources(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

pub(crate) fn ets_705_write_must_fail() {
    let mut bench = c5().registered();
    let before = bench.values("/4/0");
    for path in ["/4/0/0", "/4/0/2"] {
        step(&format!("PUT {path}"));
        let answer = bench.request(&replace(path).text("1"));
        answer.expect(Code::METHOD_NOT_ALLOWED);
    }
    assert_eq!(bench.values("/4/0"), before);
}

pub(crate) fn ets_710_basic_observation() {
    let rssi = ("/4/0/2", Value::Integer(-71));
    instance_observation(c5(), "/4/0", rssi);
}

pub(crate) fn ets_711_extended_observation() {
    let signal = |strength: i64, notified| (Value::Integer(strength), notified);
    extended_observation(Extended {
        setup: c5(),
        path: "/4/0/2",
        conditions: "gt=-50&lt=-90&st=10",
        impossible: "gt=-50&lt=-90&st=20",
        walk: vec![
            signal(-60, true),
            signal(-51, false),
            signal(-49, true),
            signal(-58, true),
            signal(-48, true),
            signal(-88, true),
            signal(-91, true),
            signal(-100, false),
            signal(-101, true),
        ],
        hasty: [Value::Integer(-111), Value::Integer(-121)],
        small: [Value::Integer(-120), Value::Integer(-119)],
        defaults: (0, None),
    });
}

pub(crate) fn ets_720_multiple_resource_instances() {
    let mut bench = c5().registered();
    step("PUT /4/0/4: it can only be read");
    let addresses = multiple(4, [(0, "192.0.2.1"), (1, "192.0.2.2")]);
    let answer = bench.request(&replace("/4/0/4").tlv(addresses));
    answer.expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(links(&mut bench, "/4/0/4").attributes("/4/0/4"), "dim=1");
    step("the Client gains an address");
    bench.set("/4/0/4/1", "2001:db8::7");
    let addresses = bench.values("/4/0/4");
    assert_eq!(
        addresses.texts(4),
        [(0, "192.168.0.100"), (1, "2001:db8::7")]
    );
    assert_eq!(links(&mut bench, "/4/0/4").attributes("/4/0/4"), "dim=2");
}

/// A Create of an Object whose one Object Instance is there.
#[track_caller]
pub(crate) fn create_where_one_is(bench: &mut Bench, object: &str, resources: &[u8]) {
    step(&format!("POST {object}, whose Object Instance is there"));
    let before = bench.values(&format!("{object}/0"));
    let answer = bench.request(&create(object).tlv(resources));
    answer.expect_one_of(&[Code::BAD_REQUEST, Code::METHOD_NOT_ALLOWED]);
    assert_eq!(bench.values(&format!("{object}/0")), before);
}

/// A Create of an Object whose one Object Instance isn't there: it gets the identifier 0, and the
/// Update lists it.
#[track_caller]
pub(crate) fn create_where_none_is(bench: &mut Bench, object: &str, resources: &[u8]) -> Values {
    step(&format!("POST {object}, whose Object Instance isn't there"));
    let bare = bench.request(&read(&format!("{object}/0")));
    bare.expect(Code::NOT_FOUND);
    let answer = bench
        .request(&create(object).tlv(resources))
        .expect(Code::CREATED);
    assert_eq!(answer.location, [&object[1..], "0"]);
    bench
        .expect_update()
        .objects()
        .expect(&[&format!("{object}/0")]);
    bench.values(&format!("{object}/0"))
}

/// A Delete of the Object Instance: gone, and the Update lists the Object alone.
#[track_caller]
pub(crate) fn delete_the_one(bench: &mut Bench, object: &str) {
    let path = format!("{object}/0");
    step(&format!("DELETE {path}"));
    bench.request(&delete(&path)).expect(Code::DELETED);
    bench.request(&read(&path)).expect(Code::NOT_FOUND);
    let objects = bench.expect_update().objects();
    assert!(objects.has(object) && !objects.has(&path), "{objects:?}");
}

/// A Delete of an Object Instance that belongs to the Client.
#[track_caller]
pub(crate) fn delete_of_the_clients(bench: &mut Bench, object: &str) {
    let path = format!("{object}/0");
    step(&format!("DELETE {path}, which belongs to the Client"));
    let before = bench.values(&path);
    bench
        .request(&delete(&path))
        .expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.values(&path), before);
}

pub(crate) fn ets_730_create() {
    create_where_one_is(&mut c5().registered(), "/4", &mandatory());
    let creatable = Store::new(&CONNECTIVITY_MONITORING)
        .managed(1)
        .initially(|store, id| connectivity_monitoring().store(store, id));
    let mut bench = c1().with(creatable).registered();
    let values = create_where_none_is(&mut bench, "/4", &mandatory());
    step("what can only be read is the Client's (TS 7.3.2.4)");
    assert_eq!((values.integer(0), values.integer(2)), (0, 92));
    assert_eq!(values.texts(4), [(0, "192.168.0.100")]);
}

pub(crate) fn ets_735_delete() {
    delete_of_the_clients(&mut c5().registered(), "/4");
    let managed = Store::of(numbered([connectivity_monitoring()])).managed(1);
    delete_the_one(&mut c1().with(managed).registered(), "/4");
}
