//! Queue Mode with several servers: each one counts for itself, and the device sleeps when all of them let it (TS 8.3).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, Instant, Method};
use lwm2m_kit::{account, get};
use lwm2m_objects::typed::{Security, Server};
use lwm2m_statemachine::{
    ClientEvent, Session,
    client::{AccountId, QueueState},
};

use super::AWAKE;
use crate::{
    hosts::{Hosts, open, secured},
    support::on,
};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn queued(account: (Security, Server), binding: BindingMode) -> (Security, Server) {
    let (security, server) = account;
    (security, Server { binding, ..server })
}

fn two(bindings: [BindingMode; 2]) -> Hosts {
    Hosts::registered([
        queued(open("one", 101, 3600), bindings[0]),
        queued(open("two", 102, 7200), bindings[1]),
    ])
}

impl Hosts {
    fn queue_state(&self, account: AccountId) -> Option<QueueState> {
        self.client.account(account).unwrap().queue_mode
    }

    pub(super) fn told_to_sleep(&mut self) -> Vec<Option<Instant>> {
        let events = self.events().into_iter();
        let told = events.filter_map(|event| match event {
            ClientEvent::MaySleep { until } => Some(until),
            _ => None,
        });
        told.collect()
    }
}

#[test]
fn a_server_without_queue_mode_keeps_the_device_awake() {
    let mut hosts = two([BindingMode::UQ, BindingMode::U]);
    hosts.pass(AWAKE);
    assert_eq!(hosts.queue_state(account(0)), Some(QueueState::Asleep));
    assert_eq!(hosts.queue_state(account(1)), None);
    assert_eq!(hosts.told_to_sleep(), []);
    assert!(!hosts.client.may_sleep());
}

#[test]
fn the_device_sleeps_when_the_last_server_lets_it_until_the_first_has_to_hear_of_it() {
    let mut hosts = two([BindingMode::UQ; 2]);
    let registered = hosts.now;
    hosts.pass(50 * SECOND);
    let link = hosts.link(account(1));
    hosts.request(link, get("/3/0/0"));
    hosts.sent();
    hosts.pass(92 * SECOND);
    assert_eq!(hosts.queue_state(account(0)), Some(QueueState::Asleep));
    assert_eq!(hosts.queue_state(account(1)), Some(QueueState::Awake));
    assert_eq!(hosts.told_to_sleep(), []);
    hosts.pass(SECOND);
    let until = registered + Duration::from_secs(3600 - 93);
    assert_eq!(hosts.told_to_sleep(), [Some(until)]);
    // The Update to one server doesn't wake the other one.
    hosts.pass(until.saturating_duration_since(hosts.now));
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    assert_eq!(hosts.queue_state(account(0)), Some(QueueState::Awake));
    assert_eq!(hosts.queue_state(account(1)), Some(QueueState::Asleep));
}

#[test]
fn a_server_that_cannot_be_reached_lets_the_device_sleep_until_the_next_attempt() {
    let mut hosts = Hosts::new(crate::hosts::tree([
        queued(open("one", 101, 3600), BindingMode::UQ),
        queued(open("two", 102, 7200), BindingMode::UQ),
    ]));
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    let all = hosts.sent();
    hosts.accept(all[0].0, &all[0].1);
    hosts.answer_code(&all[1].1, Code::FORBIDDEN);
    let retry = hosts.events().into_iter().find_map(|event| match event {
        ClientEvent::RegistrationFailed { retry, .. } => retry,
        _ => None,
    });
    let retry = retry.unwrap();
    // The server that has accepted expects the device awake for its time.
    if retry > hosts.now + AWAKE {
        hosts.pass(AWAKE);
        assert_eq!(hosts.told_to_sleep(), [Some(retry)]);
    }
    hosts.lose(account(0));
    hosts.pass(retry.saturating_duration_since(hosts.now));
    hosts.register(account(1));
}

/// Nobody is there: the device needn't be awake for that.
/// TS E.2, Resource 4: nothing is sent until the time is over.
#[test]
fn a_device_whose_only_server_is_disabled_sleeps_until_it_registers_again() {
    let (security, server) = queued(open("one", 101, 3600), BindingMode::UQ);
    let server = Server {
        disable: true,
        disable_timeout: Some(600),
        ..server
    };
    let mut hosts = Hosts::registered([(security, server)]);
    let of = account(0);
    let link = hosts.link(of);
    hosts.request(link, on(Method::Post, "/1/10/4"));
    let [(_, answer), (_, deregister)] = &hosts.sent()[..] else {
        panic!("expected an answer and a De-register");
    };
    assert_eq!(answer.code(), Code::CHANGED);
    assert!(!hosts.client.may_sleep());
    hosts.answer_code(deregister, Code::DELETED);
    let until = hosts.now + 600 * SECOND;
    assert_eq!(hosts.told_to_sleep(), [Some(until)]);
    assert_eq!(hosts.client.poll_timeout(), Some(until));
    hosts.pass(600 * SECOND);
    assert_eq!(hosts.linked(), [of]);
    assert!(!hosts.client.may_sleep());
}

#[test]
fn without_any_registration_the_device_sleeps_between_attempts() {
    let mut hosts = Hosts::new(crate::hosts::tree([queued(
        open("one", 101, 3600),
        BindingMode::UQ,
    )]));
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    let register = hosts.register(account(0));
    hosts.answer_code(&register, Code::FORBIDDEN);
    let events = hosts.events();
    let [
        ClientEvent::RegistrationFailed {
            retry: Some(retry), ..
        },
        ClientEvent::MaySleep { until },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(until, &Some(*retry));
    hosts.pass(retry.saturating_duration_since(hosts.now));
    hosts.register(account(0));
    assert!(!hosts.client.may_sleep());
}

/// The radio is off: sessions end, sockets close.
#[test]
fn a_connection_that_is_lost_in_the_sleep_is_made_again_when_the_client_wakes() {
    let mut hosts = Hosts::registered([queued(secured("one", 101, 3600), BindingMode::UQ)]);
    let registered = hosts.now;
    hosts.pass(AWAKE);
    let until = registered + Duration::from_secs(3600 - 93);
    assert_eq!(hosts.told_to_sleep(), [Some(until)]);
    hosts.lose(account(0));
    assert_eq!(hosts.client.poll_timeout(), Some(until));
    hosts.pass(3413 * SECOND);
    assert_eq!(hosts.linked(), []);
    hosts.pass(SECOND);
    assert_eq!(hosts.linked(), [account(0)]);
    assert!(!hosts.client.may_sleep());
    hosts.connect(account(0), Session::Resumed);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.pass(AWAKE);
    assert_eq!(hosts.queue_state(account(0)), Some(QueueState::Asleep));
}

#[test]
fn what_servers_know_of_has_a_lost_connection_made_again_at_once() {
    let mut hosts = Hosts::registered([queued(secured("one", 101, 3600), BindingMode::UQ)]);
    hosts.pass(AWAKE);
    hosts.lose(account(0));
    assert_eq!(hosts.linked(), []);
    let lifetime = crate::support::path("/1/10/1");
    hosts.client.set(hosts.now, lifetime, 7200).unwrap();
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.connect(account(0), Session::Resumed);
    assert_eq!(hosts.update(account(0)).queries(), ["lt=7200"]);
}

#[test]
fn there_may_be_no_network_in_the_sleep_and_with_the_network_comes_an_update() {
    let mut hosts = two([BindingMode::UQ; 2]);
    hosts.pass(AWAKE);
    assert_eq!(hosts.told_to_sleep().len(), 1);
    hosts.client.go_offline(hosts.now);
    hosts.pass(100 * SECOND);
    assert!(hosts.is_silent());
    assert!(hosts.client.may_sleep());
    hosts.told_to_sleep();
    hosts.client.go_online(hosts.now);
    let sent = hosts.sent();
    let paths: Vec<_> = sent.iter().map(|(_, sent)| sent.path()).collect();
    assert_eq!(paths, ["/rd/0", "/rd/1"]);
    for (_, update) in &sent {
        hosts.answer_code(update, Code::CHANGED);
    }
    hosts.pass(AWAKE);
    assert_eq!(hosts.told_to_sleep().len(), 1);
}
