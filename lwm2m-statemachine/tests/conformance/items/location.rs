//! Location: tests 801 to 835.

use lwm2m_core::{Code, Value};
use lwm2m_objects::{LOCATION, LocationObject, Store, Typed as _, typed};

use crate::{
    bench::step,
    configurations::{c1, c7, location, numbered},
    items::{
        connectivity::{
            create_where_none_is, create_where_one_is, delete_of_the_clients, delete_the_one,
        },
        operations::links,
        reporting::{Extended, extended_observation},
    },
    message::replace,
    tlv::{integer, resource},
};

/// The Location Object.
const LOCATION_ID: u16 = 6;

pub(crate) fn ets_801_read() {
    let mut bench = c7().registered();
    step("GET /6/0");
    let values = bench.values("/6/0");
    let expected = [
        (0, -43.5723),
        (1, 153.2176),
        (2, 44.0),
        (3, 12.5),
        (6, 8.75),
    ];
    for (id, expected) in expected {
        let difference = (values.float(id) - expected).abs();
        assert!(difference < 1e-9, "Resource {id} is {}", values.float(id));
    }
    assert_eq!(values.integer(5), 1_367_491_215);
    assert_eq!(values.bytes(4), [0x00, 0x5A, 0x00, 0x20]);
}

pub(crate) fn ets_805_write_must_fail() {
    let mut bench = c7().registered();
    let before = bench.values("/6/0");
    step("PUT /6/0/0");
    bench
        .request(&replace("/6/0/0").text("1.5"))
        .expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.values("/6/0"), before);
}

pub(crate) fn ets_810_basic_observation() {
    let mut bench = c7().registered();
    step("1. Write-Attributes /6/0?pmin=2&pmax=10");
    bench.set_attributes("/6/0?pmin=2&pmax=10");
    step("2. Observe /6/0");
    let observation = bench.observe("/6/0");
    assert_eq!(observation.first.values().integer(5), location().timestamp);
    step("3. the device moves: all of it is notified after 2 seconds");
    let start = bench.now;
    bench.pass(1);
    let moved = typed::Location {
        latitude: -43.57,
        timestamp: location().timestamp + 1,
        ..location()
    };
    bench.object(LOCATION_ID, |object: &mut LocationObject| {
        object.moved(moved);
    });
    bench.pass(1);
    let values = bench.expect_notified(&observation, (start, 2)).values();
    assert_eq!(values.integer(5), location().timestamp + 1);
    assert!((values.float(0) - -43.57).abs() < 1e-9);
    step("without a move, 10 seconds later");
    bench.pass(10);
    let values = bench.expect_notified(&observation, (start, 12)).values();
    assert_eq!(values.integer(5), location().timestamp + 1);
}

pub(crate) fn ets_811_extended_observation() {
    let latitude = |degrees: f64, notified| (Value::Float(degrees), notified);
    extended_observation(Extended {
        setup: c7(),
        path: "/6/0/0",
        conditions: "gt=-40.5&lt=-45.25&st=0.75",
        impossible: "gt=-40.5&lt=-45.25&st=2.375",
        walk: vec![
            latitude(-43.0, false),
            latitude(-42.75, true),
            latitude(-41.0, true),
            latitude(-40.25, true),
            latitude(-40.625, true),
            latitude(-40.75, false),
            latitude(-45.0, true),
            latitude(-45.5, true),
            latitude(-45.5, false),
        ],
        hasty: [Value::Float(-46.5), Value::Float(-47.5)],
        small: [Value::Float(-47.501), Value::Float(-47.502)],
        defaults: (0, None),
    });
}

pub(crate) fn ets_820_multiple_resource_instances() {
    step("the Object has no multiple Resource: no link has a dimension");
    let mut bench = c7().registered();
    let found = links(&mut bench, "/6/0");
    for target in found.targets() {
        assert_eq!(found.attributes(target), "", "of {target}");
    }
    assert!(
        LOCATION
            .resources
            .iter()
            .all(|resource| !resource.is_multiple())
    );
}

/// Latitude, longitude and timestamp, none of which a server can write.
fn mandatory() -> Vec<u8> {
    let degrees = |id, degrees: f64| resource(id, degrees.to_be_bytes());
    [degrees(0, 1.5), degrees(1, 2.5), integer(5, 1_367_491_215)].concat()
}

pub(crate) fn ets_830_create() {
    create_where_one_is(&mut c7().registered(), "/6", &mandatory());
    let creatable = Store::new(&LOCATION)
        .managed(1)
        .initially(|store, id| location().store(store, id));
    let mut bench = c1().with(creatable).registered();
    let values = create_where_none_is(&mut bench, "/6", &mandatory());
    step("what can only be read is the Client's (TS 7.3.2.4)");
    assert_eq!(values.integer(5), location().timestamp);
    assert!((values.float(0) - location().latitude).abs() < 1e-9);
}

pub(crate) fn ets_835_delete() {
    delete_of_the_clients(&mut c7().registered(), "/6");
    let managed = Store::of(numbered([location()])).managed(1);
    delete_the_one(&mut c1().with(managed).registered(), "/6");
}
