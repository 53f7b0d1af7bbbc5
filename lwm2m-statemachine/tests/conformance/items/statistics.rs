//! Connectivity Statistics: tests 901 to 935.

use lwm2m_core::Code;
use lwm2m_objects::{CONNECTIVITY_STATISTICS, Store};

use crate::{
    bench::{Bench, step},
    configurations::{c1, c9},
    items::{
        connectivity::{
            create_where_none_is, create_where_one_is, delete_of_the_clients, delete_the_one,
        },
        operations::links,
    },
    message::{execute, read, replace},
    tlv::integer,
};

/// Traffic of more than 2 KiB either way.
fn traffic(bench: &mut Bench) {
    for _ in 0..60 {
        bench.request(&read("/3/0")).expect(Code::CONTENT);
        let long = format!("{:0>40}", 60);
        bench
            .request(&replace("/7/0/8").text(&long))
            .expect(Code::CHANGED);
    }
}

pub(crate) fn ets_901_data_collection() {
    let mut bench = c9().registered();
    step("POST /7/0/6: Start");
    bench.request(&execute("/7/0/6")).expect(Code::CHANGED);
    step("some seconds, with traffic");
    traffic(&mut bench);
    bench.pass(10);
    step("POST /7/0/7: Stop");
    bench.request(&execute("/7/0/7")).expect(Code::CHANGED);
    step("GET /7/0");
    let values = bench.values("/7/0");
    assert_eq!((values.integer(0), values.integer(1)), (0, 0), "no SMS");
    assert!(values.integer(2) >= 2, "{} KiB sent", values.integer(2));
    assert!(values.integer(3) >= 2, "{} KiB received", values.integer(3));
    let (largest, average) = (values.integer(4), values.integer(5));
    assert!(largest >= average && average > 0, "{largest}, {average}");
    assert_eq!(values.integer(8), 60);
    step("what comes after Stop doesn't count");
    traffic(&mut bench);
    assert_eq!(bench.values("/7/0"), values);
    step("Start sets all to 0");
    bench.request(&execute("/7/0/6")).expect(Code::CHANGED);
    let again = bench.values("/7/0");
    let counted = [0, 1, 2, 3].map(|id| again.integer(id));
    assert_eq!(counted, [0; 4]);
    // The answer to Start and the Read are counted already.
    assert!(again.integer(4) < largest, "{again:?}");
    step("collecting ends with the Collection Period of 60 s");
    bench.pass(60);
    let over = bench.values("/7/0");
    traffic(&mut bench);
    assert_eq!(bench.values("/7/0"), over);
}

pub(crate) fn ets_905_collection_period() {
    let mut bench = c9().registered();
    step("GET /7/0");
    assert_eq!(bench.values("/7/0").integer(8), 0);
    step("PUT /7/0/8");
    bench
        .request(&replace("/7/0/8").text("120"))
        .expect(Code::CHANGED);
    step("GET /7/0");
    assert_eq!(bench.values("/7/0").integer(8), 120);
}

pub(crate) fn ets_910_basic_observation() {
    let mut bench = c9().registered();
    step("1. Write-Attributes /7/0?pmin=2&pmax=10");
    bench.set_attributes("/7/0?pmin=2&pmax=10");
    step("2. PUT /7/0/8 = 0");
    bench
        .request(&replace("/7/0/8").text("0"))
        .expect(Code::CHANGED);
    step("3. Observe /7/0");
    let observation = bench.observe("/7/0");
    let initial = observation.first.values();
    assert_eq!((initial.integer(2), initial.integer(4)), (0, 0));
    step("4. POST /7/0/6: Start");
    bench.request(&execute("/7/0/6")).expect(Code::CHANGED);
    step("5., 6. notifications with what has been counted, every 2 to 10 seconds");
    traffic(&mut bench);
    bench.pass(10);
    traffic(&mut bench);
    bench.pass(10);
    let all = bench.notifications(&observation);
    assert!(all.len() >= 2, "{} notifications in 20 seconds", all.len());
    let mut last = observation.since;
    for notification in &all {
        let passed = notification.at.saturating_duration_since(last).as_secs();
        assert!(
            (2..=10).contains(&passed),
            "{passed} seconds between two notifications"
        );
        last = notification.at;
    }
    let sent = |of: usize| all[of].answer.values().integer(2);
    assert!(
        sent(0) > 0 && sent(all.len() - 1) > sent(0),
        "the counters grow"
    );
    step("7. POST /7/0/7: Stop");
    bench.request(&execute("/7/0/7")).expect(Code::CHANGED);
    step("8. Cancel Observation /7/0, then silence");
    bench.cancel(&observation);
    bench.notifications(&observation);
    bench.pass(60);
    bench.expect_quiet();
}

pub(crate) fn ets_911_extended_observation() {
    let mut bench = c9().registered();
    step("Write-Attributes /7/0/2?pmin=1&st=2");
    bench.set_attributes("/7/0/2?pmin=1&st=2");
    let observation = bench.observe("/7/0/2");
    step("Start, and traffic");
    bench.request(&execute("/7/0/6")).expect(Code::CHANGED);
    let mut last = 0;
    for _ in 0..4 {
        traffic(&mut bench);
        bench.pass(2);
        for notification in bench.notifications(&observation) {
            let sent = notification.answer.values().integer(2);
            assert!(sent >= last + 2, "a step from {last} to {sent} KiB");
            last = sent;
        }
    }
    assert!(last >= 4, "the counter has come to {last} KiB");
    step("without traffic, silence");
    bench.pass(600);
    bench.expect_quiet();
    step("a Maximum Period brings a notification without a step");
    bench.set_attributes("/7/0/2?pmax=700");
    bench.pass(700);
    assert_eq!(bench.notifications(&observation).len(), 1);
    step("without attributes each change is notified: Start sets the counter to 0");
    bench.set_attributes("/7/0/2?pmin&pmax&st");
    bench.request(&execute("/7/0/6")).expect(Code::CHANGED);
    let answer = bench.expect_notified(&observation, (bench.now, 0));
    assert_eq!(answer.values().integer(2), 0);
    step("and the next KiB counts without a step of 2");
    while bench.integer("/7/0/2") == 0 {}
    let answer = bench.expect_notified(&observation, (bench.now, 0));
    assert_eq!(answer.values().integer(2), 1);
}

pub(crate) fn ets_920_multiple_resource_instances() {
    step("the Object has no multiple Resource: no link has a dimension");
    let mut bench = c9().registered();
    let found = links(&mut bench, "/7/0");
    for target in found.targets() {
        assert_eq!(found.attributes(target), "", "of {target}");
    }
    let mut resources = CONNECTIVITY_STATISTICS.resources.iter();
    assert!(resources.all(|resource| !resource.is_multiple()));
}

pub(crate) fn ets_930_create() {
    create_where_one_is(&mut c9().registered(), "/7", &integer(8, 60));
    let empty = Store::new(&CONNECTIVITY_STATISTICS).managed(1);
    let mut bench = c1().with(empty).registered();
    let values = create_where_none_is(&mut bench, "/7", &integer(8, 60));
    assert_eq!(values.integer(8), 60);
}

pub(crate) fn ets_935_delete() {
    delete_of_the_clients(&mut c9().registered(), "/7");
    let empty = Store::new(&CONNECTIVITY_STATISTICS).managed(1);
    let mut bench = c1().with(empty).registered();
    create_where_none_is(&mut bench, "/7", &integer(8, 60));
    delete_the_one(&mut bench, "/7");
}
