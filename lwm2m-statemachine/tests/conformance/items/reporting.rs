//! Observations: tests 301 to 303, and those of the Objects that are like them.

use lwm2m_core::{Code, Value};

use crate::{
    bench::{Bench, Observation, step},
    configurations::{Setup, c4},
    message::{execute, replace, write_attributes},
};

/// Test 301 up to the first answers: /3/0/7 between 5 and 15 seconds, /3/0/8 between 10 and 20.
fn observed(bench: &mut Bench) -> [Observation; 2] {
    step("1. GET /3/0/6");
    assert_eq!(bench.values("/3/0/6").integers(6), [(0, 1), (1, 5)]);
    step("2. Write-Attributes");
    bench.set_attributes("/3/0/7?pmin=5&pmax=15");
    bench.set_attributes("/3/0/8?pmin=10&pmax=20");
    step("3. Observe both");
    let voltage = bench.observe("/3/0/7");
    assert_eq!(voltage.first.values().integers(7), [(0, 3800), (1, 5000)]);
    let current = bench.observe("/3/0/8");
    assert_eq!(current.first.values().integers(8), [(0, 125), (1, 900)]);
    [voltage, current]
}

fn basic_observation() {
    let mut bench = c4().registered();
    let [voltage, current] = observed(&mut bench);
    let start = bench.now;
    step("4. what changes is notified at the end of the Minimum Period");
    bench.pass(1);
    bench.set("/3/0/7/0", 3700);
    bench.set("/3/0/8/1", 901);
    bench.pass(4);
    let answer = bench.expect_notified(&voltage, (start, 5));
    assert_eq!(answer.values().integers(7), [(0, 3700), (1, 5000)]);
    bench.pass(5);
    let answer = bench.expect_notified(&current, (start, 10));
    assert_eq!(answer.values().integers(8), [(0, 125), (1, 901)]);
    step("nothing changes: the Maximum Period brings a notification");
    bench.pass(10);
    bench.expect_notified(&voltage, (start, 20));
    bench.expect_quiet();
    bench.pass(10);
    bench.expect_notified(&current, (start, 30));
    step("a change after the Minimum Period is notified at once");
    bench.pass(1);
    bench.set("/3/0/7/0", 3600);
    bench.expect_notified(&voltage, (start, 31));
    bench.expect_quiet();
}

pub(crate) fn ets_301_observation_and_notification() {
    basic_observation();
}

pub(crate) fn ets_660_basic_observation() {
    basic_observation();
}

pub(crate) fn ets_302_cancel_by_reset() {
    for (kind, setup) in [("NON", c4()), ("CON", c4().confirmable())] {
        let mut bench = setup.registered();
        let [voltage, current] = observed(&mut bench);
        step(&format!("a Reset for a {kind} notification of /3/0/7"));
        bench.reject(&voltage);
        bench.pass(15);
        assert_eq!(bench.notifications(&voltage).len(), 1);
        step(&format!("{kind}: /3/0/7 is silent, /3/0/8 goes on"));
        bench.set("/3/0/7/0", 3700);
        bench.pass(40);
        assert!(bench.notifications(&voltage).is_empty());
        assert!(!bench.notifications(&current).is_empty());
        step(&format!("a Reset for a {kind} notification of /3/0/8"));
        bench.reject(&current);
        bench.pass(20);
        assert_eq!(bench.notifications(&current).len(), 1);
        assert_eq!(bench.client.usage().observations, 0, "none is kept");
        bench.set("/3/0/8/0", 100);
        bench.pass(60);
        bench.expect_quiet();
    }
}

pub(crate) fn ets_303_cancel_by_observe() {
    step("with the token of each");
    let mut bench = c4().registered();
    let [voltage, current] = observed(&mut bench);
    bench.pass(30);
    assert!(!bench.notifications(&voltage).is_empty());
    assert!(!bench.notifications(&current).is_empty());
    bench.cancel(&voltage);
    bench.set("/3/0/7/0", 3700);
    bench.set("/3/0/8/0", 100);
    bench.pass(30);
    assert!(bench.notifications(&voltage).is_empty());
    assert!(
        !bench.notifications(&current).is_empty(),
        "the other one goes on"
    );
    bench.cancel(&current);
    bench.pass(60);
    bench.expect_quiet();
    assert_eq!(bench.client.usage().observations, 0, "none is kept");

    step("with another token on /3/0: both end");
    let mut bench = c4().registered();
    let both = observed(&mut bench);
    bench.pass(30);
    for observation in &both {
        assert!(!bench.notifications(observation).is_empty());
    }
    bench.cancel_path("/3/0");
    assert_eq!(bench.client.usage().observations, 0, "none is kept");
    bench.set("/3/0/7/0", 3700);
    bench.set("/3/0/8/0", 100);
    bench.pass(60);
    bench.expect_quiet();
}

/// What an extended observation watches: a Resource that is a number, with a threshold above and one
/// below, and a step.
pub(crate) struct Extended {
    pub(crate) setup: Setup,
    pub(crate) path: &'static str,
    /// `gt=80&lt=20&st=5`.
    pub(crate) conditions: &'static str,
    /// Conditions that contradict each other: lt + 2 st is not less than gt.
    pub(crate) impossible: &'static str,
    /// Each value, and whether it is notified: a crossing of a threshold or a step.
    pub(crate) walk: Vec<(Value, bool)>,
    /// A step and another one that comes before the Minimum Period is over.
    pub(crate) hasty: [Value; 2],
    /// Changes that no condition would notify.
    pub(crate) small: [Value; 2],
    /// The default Minimum Period of the server, and the Maximum Period, if it has one.
    pub(crate) defaults: (u64, Option<u64>),
}

/// Test 661 and those like it. A notification is due at once if the Minimum Period of 1 second is
/// over, as it is.
pub(crate) fn extended_observation(extended: Extended) {
    let path = extended.path;
    let mut bench = extended.setup.registered();
    step("Write-Attributes that contradict each other are refused");
    for wrong in [extended.impossible, "pmin=60&pmax=1"] {
        let answer = bench.request(&write_attributes(&format!("{path}?{wrong}")));
        answer.expect(Code::BAD_REQUEST);
    }
    step("Write-Attributes with thresholds and a step");
    bench.set_attributes(&format!("{path}?pmin=1&pmax=60&{}", extended.conditions));
    let observation = bench.observe(path);
    for (value, notified) in extended.walk {
        step(&format!("the value becomes {value:?}"));
        bench.pass(2);
        bench.set(path, value);
        bench.pass(0);
        if notified {
            bench.expect_notified(&observation, (bench.now, 0));
        } else {
            bench.expect_quiet();
        }
    }
    step("a step within the Minimum Period is notified at its end");
    let [at_once, later] = extended.hasty;
    bench.pass(2);
    let last = bench.now;
    bench.set(path, at_once);
    bench.expect_notified(&observation, (last, 0));
    bench.set(path, later);
    bench.expect_quiet();
    bench.pass(1);
    bench.expect_notified(&observation, (last, 1));
    step("pmax brings a notification without a condition");
    bench.pass(61);
    bench.expect_notified(&observation, (last, 61));
    step("attributes without values are unset: any change is notified");
    bench.set_attributes(&format!("{path}?pmin&pmax&gt&lt&st"));
    bench.pass(2);
    let [first, second] = extended.small;
    bench.set(path, first);
    bench.expect_notified(&observation, (bench.now, 0));
    step("the periods are the default ones");
    let (minimum, maximum) = extended.defaults;
    let last = bench.now;
    bench.set(path, second);
    bench.pass(minimum);
    bench.expect_notified(&observation, (last, minimum));
    bench.pass(maximum.unwrap_or(3600));
    match maximum {
        Some(maximum) => drop(bench.expect_notified(&observation, (last, minimum + maximum))),
        None => bench.expect_quiet(),
    }
}

pub(crate) fn ets_661_extended_observation() {
    let level = |percent: i64, notified| (Value::Integer(percent), notified);
    extended_observation(Extended {
        setup: c4(),
        path: "/3/0/9",
        conditions: "gt=80&lt=20&st=5",
        impossible: "gt=80&lt=20&st=30",
        walk: vec![
            // Down from 100: steps, and across 80 without one.
            level(97, false),
            level(95, true),
            level(83, true),
            level(79, true),
            level(77, false),
            level(50, true),
            level(21, true),
            level(19, true),
            level(18, false),
            level(21, true),
            level(22, false),
            level(79, true),
            level(81, true),
        ],
        hasty: [Value::Integer(90), Value::Integer(96)],
        small: [Value::Integer(95), Value::Integer(94)],
        defaults: (1, Some(300)),
    });
}

/// Test 710 and those like it: an Object Instance is observed with a Minimum Period of 2 seconds and a
/// Maximum Period of 10.
pub(crate) fn instance_observation(
    setup: Setup,
    path: &str,
    (changed, value): (&str, Value),
) -> (Bench, Observation) {
    let mut bench = setup.registered();
    step(&format!("1. Write-Attributes {path}?pmin=2&pmax=10"));
    bench.set_attributes(&format!("{path}?pmin=2&pmax=10"));
    step(&format!("2. Observe {path}"));
    let observation = bench.observe(path);
    let start = observation.since;
    let initial = observation.first.values();
    step("3. a change is notified after 2 seconds, with the whole Object Instance");
    bench.pass(1);
    bench.set(changed, value);
    bench.pass(1);
    let answer = bench.expect_notified(&observation, (start, 2));
    let values = answer.values();
    assert_eq!(values.resources(), initial.resources());
    assert_ne!(values, initial);
    step("without a change, 10 seconds later");
    bench.pass(10);
    bench.expect_notified(&observation, (start, 12));
    (bench, observation)
}

/// What would have been notified while the Client can't be reached (TS E.2, Resource 6), and how it comes to that: it
/// is offline, or asleep in Queue Mode (TS 8.3).
pub(crate) fn ets_560_delayed_notification() {
    for (is_stored, sleeps) in [(true, false), (true, true), (false, false), (false, true)] {
        step(&format!("/1/0/6 is {is_stored}, Queue Mode: {sleeps}"));
        let mut setup = c4();
        setup.config.queue_mode.wakes_to_notify = false;
        let mut bench = setup.registered();
        let binding = if sleeps { "UQ" } else { "U" };
        let written = bench.request(&replace("/1/0/7").text(binding));
        written.expect(Code::CHANGED);
        if bench.is_asked() {
            bench.expect_update();
        }
        let stored = if is_stored { "1" } else { "0" };
        let written = bench.request(&replace("/1/0/6").text(stored));
        written.expect(Code::CHANGED);
        bench.set_attributes("/3/0/7?pmin=1&pmax=3600");
        let voltage = bench.observe("/3/0/7");
        step("the Client can't be reached, and the value changes");
        if sleeps {
            bench.pass(93);
        } else {
            bench.go_offline();
        }
        for value in [3700, 3600] {
            bench.set("/3/0/7/0", value);
            bench.pass(10);
            bench.expect_nothing_asked();
        }
        bench.expect_quiet();
        step("it is back with an Update");
        if sleeps {
            bench.client_updates();
        } else {
            bench.go_online();
        }
        bench.expect_quiet();
        bench.expect_update();
        let values = |bench: &mut Bench| {
            let all = bench.notifications(&voltage).into_iter();
            let all = all.map(|one| one.answer.values().integers(7)[0].1);
            all.collect::<Vec<_>>()
        };
        if is_stored {
            assert_eq!(values(&mut bench), [3700, 3600], "oldest first");
        } else {
            assert_eq!(values(&mut bench), [3600], "only what is so now");
        }
    }
    delayed_by_disable();
}

/// /3/0/7 observed with short periods.
fn observe_voltage(bench: &mut Bench) -> Observation {
    bench.set_attributes("/3/0/7?pmin=1&pmax=600");
    bench.observe("/3/0/7")
}

/// It changes twice.
fn change_voltage(bench: &mut Bench) {
    for value in [3700, 3600] {
        bench.set("/3/0/7/0", value);
        bench.pass(2);
    }
    bench.expect_quiet();
}

/// The first values of the notifications of /3/0/7 that have come.
fn voltages(bench: &mut Bench, observation: &Observation) -> Vec<i64> {
    let all = bench.notifications(observation);
    let first = all.iter().map(|one| one.answer.values().integers(7)[0].1);
    first.collect()
}

/// What would have been notified while the server is disabled (TS E.2, Resources 4 and 6).
fn delayed_by_disable() {
    for (storing, expected) in [("1", &[3700, 3600][..]), ("0", &[])] {
        let mut bench = c4().registered();
        step("the server is disabled, and the value changes twice");
        let storing = replace("/1/0/6").text(storing);
        bench.request(&storing).expect(Code::CHANGED);
        bench
            .request(&replace("/1/0/5").text("20"))
            .expect(Code::CHANGED);
        observe_voltage(&mut bench);
        bench.request(&execute("/1/0/4")).expect(Code::CHANGED);
        bench.expect_deregister();
        change_voltage(&mut bench);
        step("a Register: the observations are over");
        bench.pass_until_asked(20);
        let register = bench.expect_register();
        bench.accept_register(&register);
        bench.pass(1);
        bench.expect_quiet();
        step("what was missed comes with the observation of the same");
        let observation = bench.observe("/3/0/7");
        assert_eq!(observation.first.values().integers(7)[0], (0, 3600));
        assert_eq!(voltages(&mut bench, &observation), expected);
    }
}
