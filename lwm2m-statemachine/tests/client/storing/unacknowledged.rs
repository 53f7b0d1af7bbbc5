//! What is stored, and isn't acknowledged when it is sent: an Update shows whether the server is there (TS 8.3), and
//! nothing is lost unless it answers that, and never acknowledges (RFC 7641 §4.5).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code};
use lwm2m_kit::account;
use lwm2m_objects::typed;
use lwm2m_statemachine::{ClientConfig, ClientEvent, coap::MessageType};

use super::values;
use crate::{
    observe::observe,
    reporting::{Sensors, sensors},
    support::{Bench, Sent, path, server_id, tree},
};

/// Longer than a confirmable message is retransmitted: MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2).
const MAX_TRANSMIT_WAIT: Duration = Duration::from_secs(93);

impl Sensors {
    /// These values are stored, one after another, and the first of them is sent.
    fn with_stored(values: &[i64]) -> (Self, Sent) {
        Self::new().storing(values)
    }

    fn storing(mut self, levels: &[i64]) -> (Self, Sent) {
        self.observe(b"a", "/26241/0/1");
        self.go_offline();
        for level in levels {
            self.set("/26241/0/1", *level);
            self.silent(1);
        }
        self.return_online();
        let first = self.0.sent();
        assert_eq!(values(core::slice::from_ref(&first))[0], low(levels[0]));
        (self, first)
    }

    /// What was sent is never acknowledged. Returns the Update that follows.
    fn unacknowledged(&mut self, sent: &Sent) -> Sent {
        loop {
            let next = self.0.pass_until_sent();
            if next.bytes != sent.bytes {
                assert_eq!(next.path(), "/rd/a");
                return next;
            }
        }
    }

    /// The same; the Update is answered. Returns what is sent then.
    fn fails(&mut self, sent: &Sent) -> Sent {
        let update = self.unacknowledged(sent);
        assert!(self.0.all_sent().is_empty(), "the Update comes first");
        self.accept(&update);
        self.0.sent()
    }

    fn waiting(&self) -> (usize, u64) {
        let stored = self.0.client.reporting().stored(account(0));
        (stored.waiting, stored.dropped)
    }

    /// How many observations have ended, and how many notifications were dropped.
    fn losses(&mut self) -> (usize, u64) {
        let (mut ended, mut lost) = (0, 0);
        for event in self.0.events() {
            match event {
                ClientEvent::ObservationEnded { .. } => ended += 1,
                ClientEvent::NotificationsDropped { dropped, .. } => lost += dropped,
                _ => {}
            }
        }
        (ended, lost)
    }
}

fn low(value: i64) -> u8 {
    value.to_be_bytes()[7]
}

#[test]
fn what_is_stored_and_not_acknowledged_is_sent_again_when_the_server_has_answered_an_update() {
    let (mut sensors, first) = Sensors::with_stored(&[21, 22, 23]);
    let update = sensors.unacknowledged(&first);
    assert_eq!(sensors.waiting(), (3, 0));
    // Until the server has answered, what is due is stored behind it.
    sensors.set("/26241/0/1", 24);
    sensors.0.client.handle_timeout(sensors.0.now);
    assert_eq!(sensors.0.all_sent(), []);
    assert_eq!(sensors.waiting(), (4, 0));
    sensors.accept(&update);
    assert_eq!(values(&sensors.stored()), [21, 22, 23, 24]);
    assert_eq!(sensors.losses(), (0, 0));
    sensors.set("/26241/0/1", 25);
    let (after, live) = sensors.next(1000).unwrap();
    assert_eq!((after, live.kind()), (0, MessageType::NonConfirmable));
}

#[test]
fn what_is_stored_outlasts_an_outage_of_hours_that_begins_while_it_is_sent() {
    let (mut sensors, first) = Sensors::with_stored(&[21, 22]);
    sensors.unacknowledged(&first);
    let end = sensors.0.now + Duration::from_secs(5 * 3600);
    let mut update = None;
    while sensors.0.now < end {
        let sent = sensors.0.pass_until_sent();
        assert_eq!(sent.path(), "/rd/a", "the server hears an Update first");
        update = Some(sent);
    }
    sensors.accept(&update.unwrap());
    assert_eq!(values(&sensors.stored()), [21, 22]);
    assert_eq!(sensors.losses(), (0, 0));
}

/// RFC 7641 §4.5: it isn't interested, or has lost its observation.
#[test]
fn an_observation_ends_and_what_is_stored_is_counted_if_the_server_answers_updates_alone() {
    let (mut sensors, first) = Sensors::with_stored(&[21, 22, 23]);
    sensors.observe(b"b", "/26241/1/1");
    let second = sensors.fails(&first);
    let third = sensors.fails(&second);
    assert_eq!(values(&[first, second, third.clone()]), [21, 21, 21]);
    sensors.set("/26241/1/1", 31);
    assert_eq!(sensors.losses(), (0, 0));
    let other = loop {
        let next = sensors.0.pass_until_sent();
        if next.bytes != third.bytes {
            break next;
        }
    };
    // What is stored for others goes on, without an Update.
    assert_eq!(other.message().token().as_bytes(), b"b");
    sensors.acknowledge(&other);
    assert_eq!(sensors.losses(), (1, 3));
    assert_eq!(sensors.waiting(), (0, 0));
    let observations = sensors.0.client.reporting().observations();
    let paths: Vec<_> = observations.map(|observation| observation.path).collect();
    assert_eq!(paths, [path("/26241/1/1")]);
}

#[test]
fn each_acknowledgement_shows_that_the_server_wants_the_observation() {
    let (mut sensors, mut sent) = Sensors::with_stored(&[21, 22, 23, 24]);
    for level in [21, 22, 23, 24] {
        for _ in 0..2 {
            assert_eq!(values(core::slice::from_ref(&sent)), [level]);
            sent = sensors.fails(&sent);
        }
        sensors.acknowledge(&sent);
        if level < 24 {
            sent = sensors.0.sent();
        }
    }
    assert_eq!(sensors.losses(), (0, 0));
    assert_eq!(sensors.waiting(), (0, 0));
}

/// The oldest one, which is under way, goes for newer ones.
#[test]
fn an_observation_ends_after_as_many_attempts_if_another_value_is_sent_each_time() {
    let mut config = ClientConfig::new("bound", [5; 32]);
    config.storing.most = 1;
    let (mut sensors, mut sent) = Sensors::with(config).storing(&[21]);
    for level in [22, 23] {
        sensors.set("/26241/0/1", level);
        sensors.0.client.handle_timeout(sensors.0.now);
        sent = sensors.fails(&sent);
        assert_eq!(values(core::slice::from_ref(&sent)), [low(level)]);
    }
    sensors.0.pass(MAX_TRANSMIT_WAIT);
    // Two went for newer ones, and the last one with its observation.
    assert_eq!(sensors.losses(), (1, 3));
}

/// An Update that is under way, or waits because one message at a time is (RFC 7252 §4.7), tells as much as another one.
#[test]
fn an_update_that_is_under_way_is_not_followed_by_another_one() {
    let (mut sensors, first) = Sensors::with_stored(&[21]);
    sensors.0.client.update(sensors.0.now, account(0));
    let update = sensors.unacknowledged(&first);
    sensors.accept(&update);
    assert_eq!(values(&sensors.stored()), [21]);
    assert_eq!(sensors.losses(), (0, 0));
    sensors.pass(60_000);
}

/// TS 8.3: what is stored doesn't keep a device awake whose server is gone.
#[test]
fn a_device_in_queue_mode_sleeps_with_what_was_not_acknowledged_and_sends_it_after_the_next_update()
{
    let mut objects = tree(typed::Server {
        binding: BindingMode::UQ,
        default_minimum_period: Some(0),
        ..typed::Server::new(server_id(101), 86_400)
    });
    objects.add(sensors());
    let mut config = ClientConfig::new("asleep", [5; 32]);
    config.queue_mode.wakes_to_notify = false;
    let mut bench = Bench::with_tree(config, objects);
    bench.accept_register();
    let answer = bench.request(b"a", observe(0, "/26241/0/1"));
    assert_eq!(answer.code(), Code::CONTENT);
    let mut sensors = Sensors(bench);
    sensors.silent(100);
    assert!(sensors.0.client.may_sleep());
    for level in [21, 22] {
        sensors.set("/26241/0/1", level);
        sensors.silent(1);
    }
    sensors.0.client.update(sensors.0.now, account(0));
    let update = sensors.0.sent();
    sensors.accept(&update);
    let first = sensors.0.sent();
    let update = sensors.unacknowledged(&first);
    // It isn't answered either.
    while !sensors.0.client.may_sleep() {
        let due = sensors.0.client.poll_timeout().unwrap();
        sensors.0.now = due.max(sensors.0.now);
        sensors.0.client.handle_timeout(sensors.0.now);
        let sent = sensors.0.all_sent();
        assert!(sent.iter().all(|sent| sent.path() == update.path()));
    }
    assert_eq!(sensors.waiting(), (2, 0));
    let again = sensors.0.pass_until_sent();
    assert_eq!(again.path(), "/rd/a");
    sensors.accept(&again);
    assert_eq!(values(&sensors.stored()), [21, 22]);
    assert_eq!(sensors.losses(), (0, 0));
}
