//! A server that is disabled, and what it would have been notified of meanwhile (TS E.2, Resources 4 and 6).

use core::time::Duration;

use lwm2m_core::Code;
use lwm2m_kit::account;
use lwm2m_objects::{ObjectTree, typed::Server};
use lwm2m_statemachine::{Client, ClientConfig, client::RegistrationState};
use serde_json::json;

use super::{BOOT, config, edited, saved, seconds};
use crate::{
    disable::{
        asks, disable, disables,
        kept::{SET_POINT, disabled_while, dropped, observed, observes, server, set, stored, told},
        may_be_disabled, registers, state,
    },
    hosts::{Hosts, tree},
    observe::observe,
    reporting::sensors,
};

const WITHIN: u32 = 300;

/// A server that may be disabled for a minute, and waits at most for this long.
fn with_period() -> Server {
    Server {
        default_maximum_period: Some(WITHIN),
        ..server()
    }
}

fn objects() -> ObjectTree {
    objects_at("one")
}

fn objects_at(host: &str) -> ObjectTree {
    let (security, server) = may_be_disabled(host, 101, Some(60));
    let mut tree = tree([(security, server)]);
    tree.add(sensors());
    tree
}

/// Observed by a server that is disabled for a minute now.
fn disabled() -> Hosts {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disables(&mut hosts, account(0), account(0));
    hosts
}

/// The server is still disabled for so long, and then the Client registers.
fn registers_after(hosts: &mut Hosts, left: Duration) {
    assert_eq!(state(hosts, account(0)), RegistrationState::Disabled);
    hosts.pass(left.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(hosts.is_silent());
    assert_eq!(state(hosts, account(0)), RegistrationState::Disabled);
    hosts.pass(Duration::from_millis(1));
    registers(hosts, account(0));
}

fn set_all(hosts: &mut Hosts, values: &[i64]) {
    for value in values {
        set(hosts, *value);
        hosts.pass(seconds(1));
    }
}

#[test]
fn the_period_goes_on_while_nothing_runs() {
    let mut hosts = disabled();
    hosts.pass(seconds(10));
    hosts.restart(objects(), Some(seconds(20)));
    registers_after(&mut hosts, seconds(30));
}

#[test]
fn if_nobody_knows_for_how_long_nothing_ran_all_of_the_period_is_left() {
    let mut hosts = disabled();
    hosts.pass(seconds(10));
    hosts.restart(objects(), None);
    registers_after(&mut hosts, seconds(50));
}

#[test]
fn a_period_that_ended_while_nothing_ran_is_followed_by_a_register() {
    for elapsed in [50, 51, 1_000_000] {
        let mut hosts = disabled();
        set(&mut hosts, 21);
        hosts.pass(seconds(10));
        hosts.restart(objects(), Some(seconds(elapsed)));
        registers(&mut hosts, account(0));
        let values = told(&mut hosts, b"b", observe(0, SET_POINT));
        assert_eq!(values, [21, 21]);
    }
}

#[test]
fn what_a_disabled_server_would_have_been_notified_of_outlasts_a_restart() {
    for elapsed in [Some(seconds(10)), None] {
        let mut hosts = disabled();
        set_all(&mut hosts, &[21, 22]);
        hosts.restart(objects(), elapsed);
        assert_eq!(stored(&hosts), (2, 0));
        assert_eq!(hosts.client.reporting().observations().count(), 0);
        set_all(&mut hosts, &[23]);
        hosts.pass(seconds(60));
        registers(&mut hosts, account(0));
        assert!(hosts.is_silent(), "the observations are over");
        let values = told(&mut hosts, b"b", observe(0, SET_POINT));
        assert_eq!(values, [23, 21, 22, 23]);
        assert_eq!(stored(&hosts), (0, 0));
    }
}

/// The values of the tree may be newer than the snapshot.
#[test]
fn what_has_changed_while_nothing_ran_is_stored_for_a_disabled_server() {
    let mut hosts = disabled();
    set_all(&mut hosts, &[21]);
    let (_, state) = saved(&hosts.client, hosts.now);
    set(&mut hosts, 22);
    let mut tree = objects();
    tree.restore(&hosts.client.tree().snapshot()).unwrap();
    hosts.boot(tree, &state, Some(seconds(1)));
    hosts.pass(seconds(60));
    registers(&mut hosts, account(0));
    let values = told(&mut hosts, b"b", observe(0, SET_POINT));
    assert_eq!(values, [22, 21, 22]);
}

/// The De-register has no answer yet.
#[test]
fn a_server_that_was_being_left_is_disabled_after_a_restart() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    let sent = asks(&mut hosts, account(0), disable());
    assert_eq!(sent[1].1.code(), Code::DELETE);
    hosts.restart(objects(), Some(seconds(0)));
    set_all(&mut hosts, &[21]);
    registers_after(&mut hosts, seconds(59));
    let values = told(&mut hosts, b"b", observe(0, SET_POINT));
    assert_eq!(values, [21, 21]);
}

#[test]
fn what_the_server_has_not_asked_for_yet_outlasts_a_restart() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21, 22]);
    registers(&mut hosts, account(0));
    hosts.restart(objects(), Some(seconds(10)));
    assert_eq!(stored(&hosts), (2, 0));
    hosts.resumes();
    assert!(hosts.is_silent());
    let values = told(&mut hosts, b"b", observe(0, SET_POINT));
    assert_eq!(values, [22, 21, 22]);
}

#[test]
fn what_is_not_asked_for_in_time_is_dropped_after_a_restart_too() {
    let boot = |elapsed| {
        let mut hosts = observed(config(), with_period(), &[b"a"]);
        disabled_while(&mut hosts, &[21, 22]);
        registers(&mut hosts, account(0));
        hosts.pass(seconds(100));
        hosts.events();
        hosts.restart(objects(), Some(seconds(elapsed)));
        hosts
    };
    let mut hosts = boot(199);
    hosts.resumes();
    assert_eq!(stored(&hosts), (2, 0));
    hosts.pass(seconds(1));
    assert_eq!((stored(&hosts), dropped(&mut hosts)), ((0, 0), 2));
    let mut hosts = boot(200);
    assert_eq!((stored(&hosts), dropped(&mut hosts)), ((0, 0), 2));
}

#[test]
fn what_is_kept_for_the_next_register_but_one_has_all_of_its_time() {
    let mut hosts = observed(config(), with_period(), &[b"a"]);
    disabled_while(&mut hosts, &[21]);
    registers(&mut hosts, account(0));
    disables(&mut hosts, account(0), account(0));
    hosts.restart(objects(), Some(seconds(1000)));
    registers(&mut hosts, account(0));
    hosts.pass(seconds(299));
    assert_eq!(stored(&hosts), (1, 0));
    let values = told(&mut hosts, b"b", observe(0, SET_POINT));
    assert_eq!(values, [21, 21]);
}

/// With a registration goes what is kept for it.
#[test]
fn what_is_kept_goes_with_the_registration_that_ended_while_nothing_ran() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21]);
    registers(&mut hosts, account(0));
    hosts.restart(objects(), None);
    assert_eq!(stored(&hosts), (0, 0));
}

#[test]
fn no_more_is_kept_than_there_may_be() {
    let bounded = |most, most_bytes| {
        let mut config = config();
        config.storing.most = most;
        config.storing.most_bytes = most_bytes;
        config
    };
    let count = |hosts: &Hosts, config: ClientConfig| {
        let (values, state) = saved(&hosts.client, hosts.now);
        let mut tree = objects();
        tree.restore(&values).unwrap();
        let elapsed = Some(seconds(1));
        let client = Client::restore(config, tree, &state, BOOT, elapsed).unwrap();
        let stored = client.reporting().stored(account(0));
        (stored.waiting, stored.dropped)
    };
    let mut hosts = disabled();
    set_all(&mut hosts, &[21, 22, 23]);
    assert_eq!(count(&hosts, bounded(64, 1000)), (3, 0));
    assert_eq!(count(&hosts, bounded(2, 1000)), (2, 1));
    hosts.pass(seconds(60));
    registers(&mut hosts, account(0));
    assert_eq!(count(&hosts, bounded(64, 1000)), (3, 0));
    assert_eq!(count(&hosts, bounded(2, 1000)), (2, 1));
}

/// What is kept waits for its observation, and what is stored for the network.
#[test]
fn what_is_kept_and_what_is_stored_are_restored_within_one_bound() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21, 22]);
    registers(&mut hosts, account(0));
    observes(&mut hosts, b"c", observe(0, "/26241/1/1"));
    hosts.client.go_offline(hosts.now);
    for level in [31, 32] {
        let at = lwm2m_kit::path("/26241/1/1");
        hosts.client.set(hosts.now, at, level).unwrap();
        hosts.pass(seconds(1));
    }
    let (values, state) = saved(&hosts.client, hosts.now);
    for (most, waiting) in [(64, 4), (4, 4), (3, 3), (1, 1)] {
        let mut config = config();
        config.storing.most = most;
        let mut tree = objects();
        tree.restore(&values).unwrap();
        let elapsed = Some(seconds(1));
        let client = Client::restore(config, tree, &state, BOOT, elapsed).unwrap();
        assert_eq!(client.reporting().stored(account(0)).waiting, waiting);
        assert_eq!(client.usage().stored_notifications, waiting);
    }
}

#[test]
fn for_another_account_nothing_is_kept() {
    let mut hosts = disabled();
    set_all(&mut hosts, &[21]);
    let (_, state) = saved(&hosts.client, hosts.now);
    hosts.boot(objects_at("another"), &state, Some(seconds(1)));
    assert_eq!(stored(&hosts), (0, 0));
    registers(&mut hosts, account(0));
    assert_eq!(observes(&mut hosts, b"b", observe(0, SET_POINT)).len(), 1);
}

/// What is kept is sent to a server as it is: it must not be what the server could not have observed.
#[test]
fn what_could_not_have_been_notified_is_not_kept() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21]);
    registers(&mut hosts, account(0));
    let (values, state) = saved(&hosts.client, hosts.now);
    let waiting = |edits: &[(&str, serde_json::Value)]| {
        let mut tree = objects();
        tree.restore(&values).unwrap();
        let state = edited(&state, edits);
        let elapsed = Some(seconds(1));
        let client = Client::restore(config(), tree, &state, BOOT, elapsed).unwrap();
        client.reporting().stored(account(0)).waiting
    };
    let of = |field: &str| format!("/reporting/kept/0/observations/0/{field}");
    assert_eq!(waiting(&[]), 1);
    assert_eq!(waiting(&[(&of("path"), json!("/0/0/5"))]), 0);
    assert_eq!(waiting(&[(&of("path"), json!("/26241/9/1"))]), 0);
    let payload = "/reporting/kept/0/notifications/0/payload";
    assert_eq!(waiting(&[(payload, json!([0xff]))]), 0);
}
