//! A device in Queue Mode that powers off wholly while it may sleep (TS 8.3).

use core::time::Duration;

use lwm2m_core::BindingMode;
use lwm2m_kit::{account, path};
use lwm2m_objects::{ObjectTree, typed::Server};
use lwm2m_statemachine::{Client, ClientEvent, client::QueueState};
use serde_json::json;

use super::{BOOT, config, edited, saved};
use crate::{
    disable::acknowledge,
    hosts::{Hosts, secured, tree},
    queue_mode::AWAKE,
    reporting::sensors,
};

/// For how long the device is off.
const OFF: Duration = Duration::from_secs(3600);

fn queue_mode(hosts: &Hosts) -> Option<QueueState> {
    hosts.client.account(account(0)).unwrap().queue_mode
}

fn objects() -> ObjectTree {
    let (security, server) = secured("one", 101, 86_400);
    let server = Server {
        binding: BindingMode::UQ,
        default_minimum_period: Some(0),
        ..server
    };
    let mut tree = tree([(security, server)]);
    tree.add(sensors());
    tree
}

#[test]
fn a_device_that_is_off_while_it_sleeps_comes_back_with_an_update_and_sleeps_again() {
    let mut hosts = Hosts::of(objects());
    hosts.observe(b"a", "/26241/0/1");
    hosts.pass(AWAKE);
    let until = hosts.client.poll_timeout().unwrap();
    assert!(hosts.client.may_sleep());
    let off = until.saturating_duration_since(hosts.now);
    hosts.restart(objects(), Some(off));
    assert!(!hosts.client.may_sleep());
    // What is measured before the Update is accepted waits for that.
    hosts.set_level(7);
    hosts.resumes();
    let (_, sent) = hosts.only();
    assert_eq!(sent.payload().last(), Some(&7));
    acknowledge(&mut hosts, &sent);
    hosts.pass(AWAKE + Duration::from_secs(1));
    assert_eq!(queue_mode(&hosts), Some(QueueState::Asleep));
    assert!(hosts.client.may_sleep());
    assert!(hosts.is_silent());
}

/// Asleep, with an observation. Returns how long until something is due.
fn asleep() -> (Hosts, Duration) {
    let mut hosts = Hosts::of(objects());
    hosts.observe(b"a", "/26241/0/1");
    hosts.pass(AWAKE);
    assert!(hosts.client.may_sleep());
    hosts.events();
    let until = hosts.client.poll_timeout().unwrap();
    let left = until.saturating_duration_since(hosts.now);
    assert!(left > 2 * OFF);
    (hosts, left)
}

/// By a button, say.
#[test]
fn a_device_that_is_woken_early_sleeps_on_until_the_same_moment() {
    let (mut hosts, left) = asleep();
    hosts.restart(objects(), Some(OFF));
    let until = BOOT + left.checked_sub(OFF).unwrap();
    for _ in 0..2 {
        assert_eq!(queue_mode(&hosts), Some(QueueState::Asleep));
        assert!(hosts.client.may_sleep());
        assert_eq!(hosts.client.poll_timeout(), Some(until));
        let until = Some(until);
        assert_eq!(hosts.events(), [ClientEvent::MaySleep { until }]);
        assert!(hosts.linked().is_empty() && hosts.is_silent());
        // Once more, and nothing ran in between.
        hosts.restart(objects(), Some(Duration::ZERO));
    }
    hosts.now = until;
    hosts.client.handle_timeout(until);
    hosts.resumes();
    assert_eq!(queue_mode(&hosts), Some(QueueState::Awake));
    hosts.set_level(7);
    assert_eq!(hosts.notified(b"a").0, 7);
}

#[test]
fn what_is_measured_after_the_restart_wakes_a_device_that_sleeps_on() {
    let (mut hosts, _) = asleep();
    hosts.restart(objects(), Some(OFF));
    assert!(hosts.linked().is_empty());
    hosts.set_level(7);
    assert!(!hosts.client.may_sleep());
    hosts.resumes();
    let (_, sent) = hosts.only();
    assert_eq!(sent.payload().last(), Some(&7));
}

/// The values of the tree are newer than the snapshot.
#[test]
fn what_has_changed_while_nothing_ran_wakes_the_device() {
    let (mut hosts, _) = asleep();
    let (_, state) = saved(&hosts.client, hosts.now);
    let mut tree = objects();
    tree.set(path("/26241/0/1"), 7).unwrap();
    hosts.boot(tree, &state, Some(OFF));
    hosts.client.handle_timeout(hosts.now);
    hosts.resumes();
    let (_, sent) = hosts.only();
    assert_eq!(sent.payload().last(), Some(&7));
}

#[test]
fn a_device_that_has_something_to_tell_does_not_sleep_on() {
    let (mut hosts, _) = asleep();
    let (_, state) = saved(&hosts.client, hosts.now);
    // The server believes something else.
    let mut tree = objects();
    tree.set(path("/1/10/1"), 7200).unwrap();
    hosts.boot(tree, &state, Some(OFF));
    assert!(!hosts.client.may_sleep());
    hosts.resumes();

    // An Update was asked for.
    let (mut hosts, _) = asleep();
    hosts.client.update(hosts.now, account(0));
    hosts.restart(objects(), Some(OFF));
    assert!(!hosts.client.may_sleep());
    hosts.resumes();

    // It was awake.
    let mut hosts = Hosts::of(objects());
    hosts.pass(AWAKE / 2);
    hosts.restart(objects(), Some(OFF));
    assert!(!hosts.client.may_sleep());
    hosts.resumes();
}

#[test]
fn a_device_that_does_not_know_for_how_long_it_was_off_registers() {
    let (mut hosts, _) = asleep();
    hosts.restart(objects(), None);
    assert!(!hosts.client.may_sleep());
    hosts.registers();
}

#[test]
fn a_client_that_is_not_started_yet_does_not_let_the_device_sleep() {
    let (hosts, _) = asleep();
    let (values, state) = saved(&hosts.client, hosts.now);
    let mut tree = objects();
    tree.restore(&values).unwrap();
    let client = Client::restore(config(), tree, &state, BOOT, Some(OFF));
    let mut client = client.unwrap();
    assert!(!client.may_sleep());
    assert_eq!(client.poll_event(), None);
    client.start(BOOT);
    assert!(client.may_sleep());
}

/// A snapshot that says so of a server without Queue Mode is damaged.
#[test]
fn for_a_server_without_queue_mode_nothing_sleeps_on() {
    let (mut hosts, _) = asleep();
    let (values, state) = saved(&hosts.client, hosts.now);
    let binding = ("/registrations/0/lease/known/binding", json!("U"));
    let state = edited(&state, &[binding]);
    let mut tree = objects();
    tree.restore(&values).unwrap();
    tree.set(path("/1/10/7"), "U").unwrap();
    hosts.boot(tree, &state, Some(OFF));
    assert!(!hosts.client.may_sleep());
    hosts.resumes();
}
