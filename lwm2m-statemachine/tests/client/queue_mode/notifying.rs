//! Notifications of a Client that sleeps: the server hears an Update before (TS 8.3).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code};
use lwm2m_objects::typed;
use lwm2m_statemachine::{ClientConfig, client::QueueState, coap::MessageType};

use super::{AWAKE, config, registered, server};
use crate::{
    observe::observe,
    reporting::attributes,
    support::{Bench, path},
};

const SECOND: Duration = Duration::from_secs(1);

/// A Client that is asleep, and whose server observes a Resource.
fn asleep(config: ClientConfig, stores: bool, periods: &str) -> Bench {
    let server = typed::Server {
        notification_storing: stores,
        ..server(BindingMode::UQ)
    };
    let mut bench = registered(config, server);
    if !periods.is_empty() {
        assert_eq!(bench.code(attributes("/26241/0/1", periods)), Code::CHANGED);
    }
    bench.request(b"t", observe(0, "/26241/0/1"));
    bench.pass(AWAKE);
    assert_eq!(bench.queue_state(), Some(QueueState::Asleep));
    bench
}

fn set(bench: &mut Bench, value: i64) {
    bench
        .client
        .set(bench.now, path("/26241/0/1"), value)
        .unwrap();
    bench.client.handle_timeout(bench.now);
}

fn without_waking() -> ClientConfig {
    let mut config = config();
    config.queue_mode.wakes_to_notify = false;
    config
}

#[test]
fn a_change_wakes_the_client_and_the_update_is_accepted_before_it_is_notified() {
    for stores in [true, false] {
        let mut bench = asleep(config(), stores, "");
        set(&mut bench, 21);
        bench.accept_update();
        let notification = bench.sent();
        assert_eq!(notification.payload().last(), Some(&21));
        // What was stored is sent until it is acknowledged.
        let expected = if stores {
            bench.acknowledge(&notification);
            MessageType::Confirmable
        } else {
            MessageType::NonConfirmable
        };
        assert_eq!(notification.kind(), expected);
        assert_eq!(bench.queue_state(), Some(QueueState::Awake));
        bench.pass(AWAKE);
        assert_eq!(bench.queue_state(), Some(QueueState::Asleep));
    }
}

/// What is stored for it waits for an Update that is answered.
#[test]
fn a_server_that_cannot_be_reached_does_not_keep_the_device_awake_by_what_is_stored() {
    let mut bench = asleep(config(), true, "");
    bench.events();
    set(&mut bench, 21);
    assert_eq!(bench.sent().path(), "/rd/a");
    // Attempts are ever further apart.
    for _ in 0..3600 {
        bench.pass(SECOND);
        bench.all_sent();
    }
    assert!(!bench.told_to_sleep().is_empty());
}

/// While the Client is awake there is no Update before a notification.
#[test]
fn in_the_awake_time_a_change_is_notified_at_once() {
    let mut bench = asleep(config(), true, "");
    set(&mut bench, 21);
    bench.accept_update();
    let stored = bench.sent();
    bench.acknowledge(&stored);
    bench.pass(92 * SECOND);
    set(&mut bench, 22);
    assert_eq!(bench.sent().payload().last(), Some(&22));
    bench.pass(92 * SECOND);
    assert_eq!(bench.queue_state(), Some(QueueState::Awake));
}

#[test]
fn the_device_may_sleep_until_the_maximum_period_and_wakes_for_it() {
    let mut bench = asleep(config(), true, "pmax=600");
    let told = bench.told_to_sleep();
    let until = bench.now + 507 * SECOND;
    assert_eq!(told, [Some(until)]);
    bench.is_silent(506 * SECOND);
    bench.pass(SECOND);
    bench.accept_update();
    assert_eq!(bench.sent().payload().last(), Some(&20));
}

#[test]
fn what_becomes_due_earlier_by_the_application_is_told() {
    let mut bench = asleep(config(), true, "pmin=200");
    assert_eq!(bench.told_to_sleep().len(), 1);
    bench.client.set(bench.now, path("/26241/0/1"), 21).unwrap();
    let until = bench.now + 107 * SECOND;
    assert_eq!(bench.told_to_sleep(), [Some(until)]);
    assert_eq!(bench.client.poll_timeout(), Some(until));
    bench.is_silent(106 * SECOND);
    bench.pass(SECOND);
    bench.accept_update();
    assert_eq!(bench.sent().payload().last(), Some(&21));
}

/// TS E.2 (Resource 6).
#[test]
fn a_client_that_does_not_wake_to_notify_sends_all_after_the_next_update_oldest_first() {
    let mut bench = asleep(without_waking(), true, "");
    for value in [21, 22, 23] {
        set(&mut bench, value);
        bench.is_silent(SECOND);
        assert!(bench.client.may_sleep());
    }
    assert_eq!(bench.client.usage().stored_notifications, 3);
    bench.client.update(bench.now, lwm2m_kit::account(0));
    bench.accept_update();
    for value in [21, 22, 23] {
        let sent = bench.sent();
        assert_eq!(sent.payload().last(), Some(&value));
        assert_eq!(bench.told_to_sleep(), []);
        bench.acknowledge(&sent);
    }
    bench.pass(AWAKE);
    assert_eq!(bench.told_to_sleep().len(), 1);
}

#[test]
fn without_storing_a_client_that_does_not_wake_to_notify_sends_the_value_of_then() {
    let mut bench = asleep(without_waking(), false, "pmax=100");
    // Not even the Maximum Period wakes it.
    for value in [21, 22] {
        set(&mut bench, value);
        bench.is_silent(200 * SECOND);
    }
    bench.client.update(bench.now, lwm2m_kit::account(0));
    bench.accept_update();
    assert_eq!(bench.sent().payload().last(), Some(&22));
}

/// The Update that a notification waits for isn't sent more often for it.
#[test]
fn while_updates_fail_notifications_do_not_hurry_them() {
    let mut bench = asleep(config(), true, "");
    let mut transmissions = 0;
    for value in 21..3621 {
        set(&mut bench, value);
        bench.pass(SECOND);
        for sent in bench.all_sent() {
            assert_eq!(sent.path(), "/rd/a");
            transmissions += 1;
        }
    }
    // Each attempt has five transmissions, which take 93 seconds, and the waits grow from 5 seconds.
    assert!(transmissions <= 12 * 5, "{transmissions}");
    assert!(bench.client.is_registered(lwm2m_kit::account(0)));
}
