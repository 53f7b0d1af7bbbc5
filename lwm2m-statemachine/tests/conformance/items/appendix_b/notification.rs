//! B.1.3, the attributes of the <NOTIFICATION> class (TS 5.1.2).

use lwm2m_core::Value;

use crate::{
    bench::{Bench, Observation, step},
    configurations::{c4, c5},
};

/// /4/0/2 is observed, from -60 on.
fn observed(attributes: &str) -> (Bench, Observation) {
    let mut bench = c5().registered();
    bench.set("/4/0/2", -60);
    bench.set_attributes(&format!("/4/0/2?{attributes}"));
    let observation = bench.observe("/4/0/2");
    (bench, observation)
}

/// Which of these values are notified, one a second.
#[track_caller]
fn expect_walk(bench: &mut Bench, observation: &Observation, walk: &[(i64, bool)]) {
    for (value, notified) in walk {
        bench.pass(1);
        bench.set("/4/0/2", Value::Integer(*value));
        bench.pass(0);
        let all = bench.notifications(observation);
        assert_eq!(
            all.len(),
            usize::from(*notified),
            "notifications of {value}"
        );
        if let [notification] = &*all {
            assert_eq!(notification.answer.values().integer(2), *value);
        }
    }
}

pub(crate) fn lwm2m_dmse_005_c_o() {
    let (mut bench, observation) = observed("pmin=10");
    let start = bench.now;
    step("within the Minimum Period, changes wait for its end; the value is that of then");
    for value in [-61, -62, -63] {
        bench.pass(2);
        bench.set("/4/0/2", value);
    }
    bench.expect_quiet();
    bench.pass(4);
    let answer = bench.expect_notified(&observation, (start, 10));
    assert_eq!(answer.values().integer(2), -63);
    step("it begins anew with each notification");
    bench.pass(1);
    bench.set("/4/0/2", -64);
    bench.pass(9);
    bench.expect_notified(&observation, (start, 20));
    step("after it, a change is notified at once");
    bench.pass(30);
    bench.expect_quiet();
    bench.set("/4/0/2", -65);
    bench.expect_notified(&observation, (start, 50));
    step("without the attribute: the default of the server, 1 second");
    let mut bench = c4().registered();
    let observation = bench.observe("/3/0/9");
    let start = bench.now;
    bench.set("/3/0/9", 99);
    bench.expect_quiet();
    bench.pass(1);
    bench.expect_notified(&observation, (start, 1));
}

pub(crate) fn lwm2m_dmse_006_c_o() {
    let (mut bench, observation) = observed("pmin=5&pmax=30");
    let start = bench.now;
    step("without a change, a notification at the end of the Maximum Period");
    bench.pass(29);
    bench.expect_quiet();
    bench.pass(1);
    bench.expect_notified(&observation, (start, 30));
    step("it begins anew with each notification");
    bench.pass(10);
    bench.set("/4/0/2", -61);
    bench.expect_notified(&observation, (start, 40));
    bench.pass(29);
    bench.expect_quiet();
    bench.pass(1);
    bench.expect_notified(&observation, (start, 70));
    step("set while it is observed: it counts from the last notification");
    bench.pass(5);
    bench.set_attributes("/4/0/2?pmax=12");
    bench.pass(7);
    bench.expect_notified(&observation, (start, 82));
}

pub(crate) fn lwm2m_dmse_007_c_o() {
    let (mut bench, observation) = observed("gt=-50");
    step("above the threshold and below it again, and nothing else");
    let walk = [
        (-55, false),
        (-49, true),
        (-40, false),
        (-48, false),
        (-51, true),
        (-90, false),
    ];
    expect_walk(&mut bench, &observation, &walk);
}

pub(crate) fn lwm2m_dmse_008_c_o() {
    let (mut bench, observation) = observed("lt=-90");
    step("below the threshold and above it again, and nothing else");
    let walk = [
        (-85, false),
        (-91, true),
        (-99, false),
        (-92, false),
        (-89, true),
        (-20, false),
    ];
    expect_walk(&mut bench, &observation, &walk);
}

pub(crate) fn lwm2m_dmse_009_c_o() {
    let (mut bench, observation) = observed("st=10");
    step("a step against the value that was notified last, in either direction");
    let walk = [
        (-65, false),
        (-69, false),
        (-70, true),
        (-61, false),
        (-60, true),
        (-49, true),
    ];
    expect_walk(&mut bench, &observation, &walk);
}
