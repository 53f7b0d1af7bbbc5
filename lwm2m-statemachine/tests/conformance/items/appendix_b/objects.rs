//! B.1.8 Objects.

use lwm2m_core::{AccessRights, Code};
use lwm2m_objects::{ConnectivityStatisticsObject, DeviceObject, ErrorCode, LocationObject, typed};

use crate::{
    bench::step,
    configurations::{c3, c4, c5, c6, c7, c9, c14, c14_where, location},
    items::{firmware, operations::links},
    message::{create, delete, discover, execute, read, replace, update, write_attributes},
    tlv::{integer, integer_value, multiple, resource},
};

pub(crate) fn lwm2m_obj_001_c_m() {
    let mut bench = c3().registered();
    step("the connection is that of its Object Instance: URI, mode, identity and key");
    let (uri, security) = bench.asked_connections()[0].clone();
    assert_eq!(uri, "coaps://server1.example.com");
    assert_eq!(security.mode, typed::SecurityMode::PreSharedKey);
    assert_eq!(security.public_key_or_identity, b"identity");
    assert_eq!(security.secret_key, b"a key of 16 byte");
    step("no server gets at the Security Object, whatever it asks (TS E.1)");
    let requests = [
        read("/0"),
        read("/0/0"),
        read("/0/0/0"),
        read("/0/9/99"),
        read("/0/0/5").observe(0),
        discover("/0"),
        discover("/0/0"),
        replace("/0/0").tlv(resource(0, "coap://evil.example.com")),
        replace("/0/0/5").opaque(b"key"),
        update("/0/0").tlv(resource(1, [1])),
        write_attributes("/0/0?pmin=1"),
        execute("/0/0/0"),
        create("/0").tlv(resource(0, "coap://evil.example.com")),
        delete("/0/0"),
    ];
    for request in requests {
        step(&format!("{request:?}"));
        bench.request(&request).expect(Code::UNAUTHORIZED);
    }
    bench.expect_nothing_asked();
}

pub(crate) fn lwm2m_obj_002_c_m() {
    let mut bench = c3().registered();
    step("the Resources of TS E.2");
    let server = bench.values("/1/0");
    assert_eq!(server.integer(0), 1);
    assert_eq!(server.integer(1), 86_400);
    assert_eq!((server.integer(2), server.integer(3)), (1, 300));
    assert_eq!(server.integer(5), 86_400);
    assert!(server.boolean(6));
    assert_eq!(server.text(7), "U");
    links(&mut bench, "/1/0").expect(&["/1/0/4", "/1/0/8"]);
    step("a lifetime of 0 or less is none");
    for wrong in ["0", "-1"] {
        bench
            .request(&replace("/1/0/1").text(wrong))
            .expect(Code::BAD_REQUEST);
    }
    step("the default periods rule observations without attributes");
    bench
        .request(&replace("/1/0/2").text("7"))
        .expect(Code::CHANGED);
    bench
        .request(&replace("/1/0/3").text("20"))
        .expect(Code::CHANGED);
    let observation = bench.observe("/3/0/3");
    let start = bench.now;
    bench.set("/3/0/3", "1.1");
    bench.pass(7);
    bench.expect_notified(&observation, (start, 7));
    bench.pass(20);
    bench.expect_notified(&observation, (start, 27));
    for stores in [true, false] {
        expect_after_offline(stores);
    }
    step("the trigger of another server's account is not the server's to pull");
    let mut bench = c14().registered();
    bench
        .server(2)
        .request(&execute("/1/0/8"))
        .expect(Code::UNAUTHORIZED);
    bench
        .server(2)
        .request(&execute("/1/1/8"))
        .expect(Code::CHANGED);
    let update = bench.expect_update();
    assert_eq!(bench.uri_of(&update), "coaps://server2.example.com");
}

/// What is notified after the device was offline: each value that was stored, oldest first, or the
/// last one alone (Resource 6).
fn expect_after_offline(stores: bool) {
    let mut bench = c4().registered();
    let text = if stores { "1" } else { "0" };
    bench
        .request(&replace("/1/0/6").text(text))
        .expect(Code::CHANGED);
    let observation = bench.observe("/3/0/9");
    step("offline, the Client sends nothing and answers nothing");
    bench.go_offline();
    for level in [99, 98, 97] {
        bench.pass(10);
        bench.set("/3/0/9", level);
    }
    bench.pass(10);
    bench.expect_silence(&read("/3/0/9"));
    bench.expect_quiet();
    bench.expect_nothing_asked();
    step("online again: first an Update (TS 8.3), then what is due");
    bench.go_online();
    bench.expect_quiet();
    bench.expect_update().expect_only(&[]);
    bench.pass(10);
    let all = bench.notifications(&observation).into_iter();
    let levels: Vec<i64> = all.map(|one| one.answer.values().integer(9)).collect();
    let expected: &[i64] = if stores { &[99, 98, 97] } else { &[97] };
    assert_eq!(levels, expected, "with Resource 6 = {stores}");
    step("it goes on as before");
    bench.set("/3/0/9", 96);
    let answer = bench.expect_notified(&observation, (bench.now, 0));
    assert_eq!(answer.values().integer(9), 96);
}

pub(crate) fn lwm2m_obj_003_c_o() {
    let mut bench = c14_where(2, AccessRights::READ).registered();
    step("every server may read the Access Control Object");
    for server in [1, 2] {
        let device = bench.server(server).values("/2/2");
        assert_eq!((device.integer(0), device.integer(1)), (3, 0));
        assert_eq!(device.integers(2), [(1, 15), (2, 1)]);
        assert_eq!(device.integer(3), 1, "the owner");
    }
    step("only the owner may write it");
    let all = |rights: i64| multiple(2, [(2, integer_value(rights))]);
    let write = update("/2/2").tlv(all(3));
    bench.server(2).request(&write).expect(Code::UNAUTHORIZED);
    let name = replace("/3/0/14").text("+03:00");
    bench.server(2).request(&name).expect(Code::UNAUTHORIZED);
    step("the owner gives another server a right");
    bench.server(1).request(&write).expect(Code::CHANGED);
    assert_eq!(
        bench.server(1).values("/2/2").integers(2),
        [(1, 15), (2, 3)]
    );
    bench.server(2).request(&name).expect(Code::CHANGED);
    step("rights for those who have none of their own: entry 0");
    let default = multiple(2, [(1, integer_value(15)), (0, integer_value(1))]);
    let write = replace("/2/2/2").tlv(default);
    bench.server(1).request(&write).expect(Code::CHANGED);
    bench.server(2).request(&read("/3/0")).expect(Code::CONTENT);
    bench.server(2).request(&name).expect(Code::UNAUTHORIZED);
}

pub(crate) fn lwm2m_obj_004_c_m() {
    let mut bench = c6().registered();
    step("the Resources of TS E.4");
    let device = bench.values("/3/0");
    let readable = [
        0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    ];
    assert_eq!(device.resources(), readable);
    links(&mut bench, "/3/0").expect(&["/3/0/4", "/3/0/5", "/3/0/12"]);
    step("the time goes on");
    let before = bench.integer("/3/0/13");
    bench.pass(90);
    assert_eq!(bench.integer("/3/0/13"), before + 90);
    step("a power source keeps its identifier in Resources 6, 7 and 8");
    bench.object(3, |device: &mut DeviceObject| device.remove_power_source(0));
    let device = bench.values("/3/0");
    let ids = |resource| device.integers(resource)[0].0;
    assert_eq!([6, 7, 8].map(ids), [1, 1, 1]);
    step("errors are reported, and reset");
    bench.object(3, |device: &mut DeviceObject| {
        device.report(ErrorCode::OutOfMemory);
    });
    assert_eq!(bench.values("/3/0").integers(11), [(0, 5)]);
    bench.request(&execute("/3/0/12")).expect(Code::CHANGED);
    assert_eq!(bench.values("/3/0").integers(11), [(0, 0)]);
}

pub(crate) fn lwm2m_obj_005_c_o() {
    let mut bench = c5().registered();
    step("the values of TS E.5 follow the radio");
    bench.set("/4/0/2", -87);
    bench.set("/4/0/6", 80);
    let radio = bench.values("/4/0");
    assert_eq!((radio.integer(2), radio.integer(6)), (-87, 80));
    step("no server writes them");
    let answer = bench.request(&update("/4/0").tlv(integer(2, -1)));
    answer.expect(Code::METHOD_NOT_ALLOWED);
}

pub(crate) fn lwm2m_obj_006_c_o() {
    let flash = firmware::flash();
    let mut bench = firmware::c8(&flash).registered();
    step("the Resources of TS E.6");
    links(&mut bench, "/5/0").expect(&["/5/0/0", "/5/0/1", "/5/0/2", "/5/0/3", "/5/0/5"]);
    bench
        .request(&read("/5/0/0"))
        .expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.text("/5/0/1"), "");
    step("a package in blocks, which the Client must take (TS 8.1), and a second one over it");
    for length in [700, 900] {
        let package = firmware::package(length);
        let reset = replace("/5/0/0").opaque([0]);
        bench.request(&reset).expect(Code::CHANGED);
        let codes = bench.push(&replace("/5/0/0").opaque(&package), 64);
        assert_eq!(codes.last(), Some(&Code::CHANGED));
        assert_eq!(flash.lock().expect("the flash").stored, package);
        assert_eq!(bench.integer("/5/0/3"), 2);
    }
}

pub(crate) fn lwm2m_obj_007_c_o() {
    let mut bench = c7().registered();
    step("a measurement replaces the last one as a whole (TS E.7)");
    let next = typed::Location {
        altitude: None,
        radius: None,
        velocity: None,
        speed: None,
        ..typed::Location::new(1.5, 2.5, location().timestamp + 60)
    };
    bench.object(6, |object: &mut LocationObject| object.moved(next));
    let values = bench.values("/6/0");
    assert_eq!(values.resources(), [0, 1, 5]);
    assert_eq!(values.integer(5), location().timestamp + 60);
}

pub(crate) fn lwm2m_obj_008_c_o() {
    let mut bench = c9().registered();
    step("nothing is counted before Start (TS E.8)");
    for _ in 0..50 {
        bench.request(&read("/3/0")).expect(Code::CONTENT);
    }
    assert_eq!(bench.integer("/7/0/2"), 0);
    step("between Start and Stop, what is sent and received");
    bench.request(&execute("/7/0/6")).expect(Code::CHANGED);
    for _ in 0..50 {
        bench.request(&read("/3/0")).expect(Code::CONTENT);
    }
    bench.request(&execute("/7/0/7")).expect(Code::CHANGED);
    let sent = bench.integer("/7/0/2");
    assert!(sent >= 3, "{sent} KiB in 50 answers");
    let collecting = |object: &mut ConnectivityStatisticsObject| object.is_collecting();
    assert!(!bench.object(7, collecting));
    step("SMS count apart");
    assert_eq!((bench.integer("/7/0/0"), bench.integer("/7/0/1")), (0, 0));
}
