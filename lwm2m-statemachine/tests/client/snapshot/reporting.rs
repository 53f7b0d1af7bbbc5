//! Observations.

use core::time::Duration;

use lwm2m_core::Code;
use lwm2m_kit::{account, path};
use lwm2m_objects::{ObjectTree, typed::Server};
use lwm2m_statemachine::{
    ClientEvent, Session,
    coap::{MessageBuf, MessageType, Token},
};
use serde_json::{Value as Json, json};

use super::{edited, saved, seconds};
use crate::{
    attributes::write_attributes,
    hosts::{Hosts, secured, tree},
    observe::observe,
    reporting::{sensors, sensors_of},
    support::Sent,
};

/// An Integer.
const LEVEL: &str = "/26241/0/1";
const LIFETIME: u32 = 1_000_000;

pub(super) fn objects() -> ObjectTree {
    let (security, server) = secured("one", 101, LIFETIME);
    let server = Server {
        default_minimum_period: Some(0),
        ..server
    };
    let mut tree = tree([(security, server)]);
    tree.add(sensors());
    tree
}

impl Hosts {
    /// Registered, with sensors.
    pub(super) fn with_sensors() -> Self {
        Self::of(objects())
    }

    pub(super) fn of(tree: ObjectTree) -> Self {
        let mut hosts = Self::new(tree);
        hosts.client.start(hosts.now);
        hosts.connect_all(Session::New);
        hosts.accept_all();
        hosts
    }

    /// A request with this token, and its answer.
    pub(super) fn ask(&mut self, token: &[u8], request: MessageBuf) -> Sent {
        let link = self.link(account(0));
        let id = 0x4000 + u16::try_from(self.now.as_millis() % 0x1000).unwrap();
        let wire = request.finish(MessageType::Confirmable, id, Token::new(token).unwrap());
        // Each request has a message id of its own.
        self.now += Duration::from_millis(1);
        self.datagram(link, wire.as_ref());
        self.only().1
    }

    pub(super) fn observe(&mut self, token: &[u8], at: &str) -> u32 {
        let answer = self.ask(token, observe(0, at));
        assert_eq!(answer.code(), Code::CONTENT);
        answer.message().observe().unwrap()
    }

    fn write(&mut self, at: &str, queries: &str) {
        let answer = self.ask(b"w", write_attributes(at, queries));
        assert_eq!(answer.code(), Code::CHANGED);
    }

    pub(super) fn set_level(&mut self, value: i64) {
        self.client.set(self.now, path(LEVEL), value).unwrap();
        self.client.handle_timeout(self.now);
    }

    /// The level in the only message, which is a notification with this token; and its number.
    pub(super) fn notified(&mut self, token: &[u8]) -> (u8, u32) {
        let (_, sent) = self.only();
        assert_eq!(sent.message().token().as_bytes(), token);
        assert_eq!(sent.code(), Code::CONTENT);
        let number = sent.message().observe().unwrap();
        (*sent.payload().last().unwrap(), number)
    }
}

pub(super) fn is_newer(new: u32, old: u32) -> bool {
    let half = 1 << 23;
    new > old && new - old < half || old > new && old - new > half
}

fn observed() -> Hosts {
    let mut hosts = Hosts::with_sensors();
    hosts.observe(b"a", LEVEL);
    hosts.events();
    hosts
}

/// RFC 7641 §3.4, §4.4.
#[test]
fn an_observation_goes_on_with_newer_numbers() {
    let mut hosts = observed();
    hosts.set_level(1);
    let (_, last) = hosts.notified(b"a");
    hosts.restart(objects(), Some(seconds(10)));
    hosts.resumes();
    assert!(hosts.is_silent());
    hosts.set_level(2);
    let (level, number) = hosts.notified(b"a");
    assert_eq!(level, 2);
    assert!(is_newer(number, last), "{number} after {last}");
    let observations: Vec<_> = hosts.client.reporting().observations().collect();
    assert_eq!(observations.len(), 1);
    assert_eq!(observations[0].path, path(LEVEL));
}

/// The device ran on after it had saved its state, and fails twice.
#[test]
fn numbers_are_newer_than_those_sent_after_the_snapshot() {
    let mut hosts = observed();
    let (values, state) = saved(&hosts.client, hosts.now);
    let mut newest = 0;
    for level in 1..50 {
        hosts.set_level(level);
        newest = hosts.notified(b"a").1;
    }
    for elapsed in [2, 3, 100, 1000] {
        let mut tree = objects();
        tree.restore(&values).unwrap();
        hosts.boot(tree, &state, Some(seconds(elapsed)));
        hosts.resumes();
        for level in 1..50 {
            hosts.set_level(level);
            let (_, number) = hosts.notified(b"a");
            assert!(is_newer(number, newest), "{number} after {newest}");
            newest = number;
        }
    }
}

#[test]
fn what_has_changed_meanwhile_is_told_and_nothing_else() {
    let mut hosts = observed();
    hosts.observe(b"b", "/26241/0/3");
    hosts.observe(b"c", "/26241/1");
    hosts.events();
    let (_, state) = saved(&hosts.client, hosts.now);
    let mut tree = objects();
    tree.set(path(LEVEL), 7).unwrap();
    hosts.boot(tree, &state, Some(seconds(10)));
    hosts.resumes();
    assert_eq!(hosts.notified(b"a").0, 7);
    hosts.pass(seconds(1000));
    assert!(hosts.is_silent());
}

/// TS E.4, Resource 13.
#[test]
fn that_the_clock_of_the_device_goes_on_is_no_change() {
    let mut hosts = Hosts::with_sensors();
    hosts.observe(b"a", "/3/0");
    let (_, state) = saved(&hosts.client, hosts.now);
    let mut tree = objects();
    let time = lwm2m_core::Value::Time(1_800_000_000);
    tree.set(path("/3/0/13"), time).unwrap();
    hosts.boot(tree, &state, Some(seconds(10)));
    hosts.resumes();
    assert!(hosts.is_silent());
}

#[test]
fn an_object_instance_that_came_or_went_meanwhile_is_told() {
    for ids in [&[0, 1, 2][..], &[0], &[0, 2]] {
        let mut hosts = Hosts::with_sensors();
        hosts.observe(b"a", "/26241");
        let (_, state) = saved(&hosts.client, hosts.now);
        let mut tree = objects();
        tree.add(match ids {
            [0, 1, 2] => sensors_of([0, 1, 2]),
            [0] => sensors_of([0]),
            _ => sensors_of([0, 2]),
        });
        hosts.boot(tree, &state, Some(seconds(10)));
        let mut sent = hosts.resume();
        let update = sent.remove(0);
        assert!(sent.is_empty());
        hosts.answer_code(&update, Code::CHANGED);
        hosts.client.handle_timeout(hosts.now);
        let (_, notified) = hosts.only();
        assert_eq!(notified.message().token().as_bytes(), b"a", "{ids:?}");
    }
}

/// TS 5.1.2: pmin and pmax count from the last notification, also while nothing runs.
#[test]
fn periods_go_on_while_nothing_runs() {
    let mut hosts = observed();
    hosts.write(LEVEL, "pmin=30&pmax=100");
    hosts.pass(seconds(20));
    hosts.set_level(1);
    // After 20 seconds and 15 more.
    hosts.restart(objects(), Some(seconds(15)));
    hosts.resumes();
    assert_eq!(hosts.notified(b"a").0, 1);
    hosts.pass(seconds(20));
    hosts.set_level(2);
    hosts.restart(objects(), Some(seconds(5)));
    hosts.resumes();
    hosts.pass(Duration::from_millis(4_990));
    assert!(hosts.is_silent());
    hosts.pass(Duration::from_millis(10));
    assert_eq!(hosts.notified(b"a").0, 2);
    hosts.pass(seconds(40));
    hosts.restart(objects(), Some(seconds(50)));
    hosts.resumes();
    hosts.pass(Duration::from_millis(9_990));
    assert!(hosts.is_silent());
    hosts.pass(Duration::from_millis(10));
    assert_eq!(hosts.notified(b"a").0, 2);
    hosts.restart(objects(), Some(seconds(500)));
    hosts.resumes();
    // It was due long ago, and once.
    assert_eq!(hosts.notified(b"a").0, 2);
    hosts.pass(seconds(99));
    assert!(hosts.is_silent());
}

/// TS 5.1.2: a step is judged by the value of the last notification, a crossing by the last one that was seen.
#[test]
fn thresholds_compare_with_what_was_before_the_restart() {
    for (queries, values, expected) in [
        ("st=5", [23, 24], None),
        ("st=5", [23, 25], Some(25)),
        ("gt=30", [29, 31], Some(31)),
        ("gt=30", [29, 28], None),
        ("lt=10", [11, 9], Some(9)),
        ("gt=15", [18, 16], None),
    ] {
        let mut hosts = observed();
        hosts.write(LEVEL, queries);
        hosts.set_level(values[0]);
        assert!(hosts.is_silent());
        let (_, state) = saved(&hosts.client, hosts.now);
        let mut tree = objects();
        tree.set(path(LEVEL), values[1]).unwrap();
        hosts.boot(tree, &state, Some(seconds(10)));
        hosts.resumes();
        let level = hosts
            .sent()
            .pop()
            .map(|(_, sent)| *sent.payload().last().unwrap());
        assert_eq!(level, expected, "{queries} {values:?}");
    }
}

/// RFC 7641 §4.5: once in 24 hours one is confirmable.
#[test]
fn the_confirmable_notification_of_a_day_comes_in_time() {
    for (hours, kind) in [
        (3, MessageType::NonConfirmable),
        (4, MessageType::Confirmable),
    ] {
        let mut hosts = observed();
        hosts.pass(seconds(20 * 3600));
        hosts.restart(objects(), Some(seconds(hours * 3600)));
        hosts.resumes();
        hosts.set_level(2);
        assert_eq!(hosts.only().1.kind(), kind, "{hours}");
    }
}

/// Nobody knows whether it has arrived.
#[test]
fn a_confirmable_notification_that_was_under_way_is_told_again() {
    let mut hosts = observed();
    hosts.pass(seconds(24 * 3600));
    hosts.set_level(2);
    assert_eq!(hosts.only().1.kind(), MessageType::Confirmable);
    hosts.restart(objects(), Some(seconds(10)));
    hosts.resumes();
    let (_, again) = hosts.only();
    assert_eq!(again.kind(), MessageType::Confirmable);
    assert_eq!(*again.payload().last().unwrap(), 2);
}

/// TS 5.5.1: observations live as long as the registration.
#[test]
fn observations_end_with_the_registration() {
    for elapsed in [None, Some(seconds(LIFETIME.into()))] {
        let mut hosts = observed();
        hosts.restart(objects(), elapsed);
        assert_eq!(hosts.client.reporting().observations().count(), 0);
    }
    let mut hosts = observed();
    hosts.restart(objects(), Some(seconds(10)));
    assert_eq!(hosts.client.reporting().observations().count(), 1);
    hosts.connect_all(Session::New);
    let register = hosts.register(account(0));
    let ended = ClientEvent::ObservationEnded {
        account: account(0),
        path: path(LEVEL),
    };
    assert!(hosts.events().contains(&ended));
    hosts.accept(account(0), &register);
    hosts.set_level(9);
    assert!(hosts.is_silent());
}

/// RFC 7641 §4.2.
#[test]
fn the_server_hears_that_what_it_observed_is_gone() {
    let mut hosts = Hosts::with_sensors();
    hosts.observe(b"a", "/26241/1/1");
    let (_, state) = saved(&hosts.client, hosts.now);
    let mut tree = objects();
    tree.add(sensors_of([0]));
    hosts.boot(tree, &state, Some(seconds(10)));
    let update = hosts.resume().remove(0);
    hosts.answer_code(&update, Code::CHANGED);
    hosts.client.handle_timeout(hosts.now);
    let (_, sent) = hosts.only();
    assert_eq!(sent.code(), Code::NOT_FOUND);
    assert_eq!(sent.message().token().as_bytes(), b"a");
    assert_eq!(hosts.client.reporting().observations().count(), 0);
}

#[test]
fn what_could_not_be_observed_is_not_restored() {
    let count = |edits: &[(&str, Json)], most| {
        let mut hosts = observed();
        hosts.observe(b"b", "/26241/0/3");
        hosts.observe(b"c", "/26241/0");
        let (_, state) = saved(&hosts.client, hosts.now);
        let mut config = super::config();
        config.most_observations = most;
        let elapsed = Some(seconds(10));
        let state = edited(&state, edits);
        let client =
            lwm2m_statemachine::Client::restore(config, objects(), &state, super::BOOT, elapsed);
        client.unwrap().reporting().observations().count()
    };
    assert_eq!(count(&[], 64), 3);
    assert_eq!(count(&[], 2), 2);
    for (pointer, value) in [
        ("path", json!("/0/0/5")),
        ("path", json!("/0")),
        ("path", json!("/")),
        ("path", json!("/3/0/4")),
        ("path", json!("/26241/0/2/0")),
        ("token", json!([98])),
        ("account", json!(1)),
        ("format", json!(40)),
        ("format", json!(9999)),
    ] {
        let pointer = format!("/reporting/observations/0/{pointer}");
        assert_eq!(count(&[(&pointer, value)], 64), 2, "{pointer}");
    }
    // Text carries one value.
    assert_eq!(
        count(&[("/reporting/observations/2/format", json!(0))], 64),
        2
    );
}

#[test]
fn damage_that_can_be_mended_leads_to_a_notification() {
    for (pointer, value) in [
        ("schedule/digest", json!(null)),
        ("schedule/counted", json!(["/26241/0/1"])),
        ("schedule/counted", json!(vec!["/26241/0/1"; 1000])),
    ] {
        let mut hosts = observed();
        let (_, state) = saved(&hosts.client, hosts.now);
        let pointer = format!("/reporting/observations/0/{pointer}");
        hosts.boot(
            objects(),
            &edited(&state, &[(&pointer, value)]),
            Some(seconds(10)),
        );
        hosts.resumes();
        assert_eq!(hosts.notified(b"a").0, 20, "{pointer}");
    }
    let mut hosts = observed();
    let (_, state) = saved(&hosts.client, hosts.now);
    let elsewhere = [(
        "/reporting/observations/0/schedule/counted",
        json!(["/3/0/9", "/0/0/5"]),
    )];
    hosts.boot(objects(), &edited(&state, &elsewhere), Some(seconds(10)));
    hosts.resumes();
    assert!(hosts.is_silent());
}
