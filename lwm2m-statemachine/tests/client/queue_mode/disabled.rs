//! Queue Mode where a server is disabled: it expects nothing, so the device may sleep until its time is over (TS 8.3,
//! E.2, Resource 4).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code};
use lwm2m_kit::account;
use lwm2m_statemachine::{AccountId, client::RegistrationState};

use super::{AWAKE, servers::queued};
use crate::{
    disable::{may_be_disabled, registers, state},
    hosts::Hosts,
};

const PERIOD: Duration = Duration::from_secs(600);

/// Registered with servers of these bindings; the first one is disabled for ten minutes now.
fn disabled(bindings: &[BindingMode]) -> Hosts {
    let names = [("one", 101), ("two", 102)];
    let all = names.into_iter().zip(bindings);
    let all = all.map(|((host, id), binding)| queued(may_be_disabled(host, id, None), *binding));
    let mut hosts = Hosts::new(crate::hosts::tree(all));
    hosts.client.start(hosts.now);
    hosts.connect_all(lwm2m_statemachine::Session::New);
    hosts.accept_all();
    hosts.told_to_sleep();
    is_disabled(&mut hosts, account(0));
    hosts
}

fn is_disabled(hosts: &mut Hosts, of: AccountId) {
    hosts.client.resume_disabled(hosts.now, of, PERIOD);
    let sent = hosts.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, sent[0].1.code()), (of, Code::DELETE));
    hosts.answer_code(&sent[0].1, Code::DELETED);
    hosts.linked();
    assert_eq!(state(hosts, of), RegistrationState::Disabled);
}

#[test]
fn a_device_whose_only_server_is_disabled_sleeps_until_the_time_is_over() {
    let mut hosts = disabled(&[BindingMode::UQ]);
    let until = hosts.now + PERIOD;
    assert!(hosts.client.may_sleep());
    assert_eq!(hosts.client.poll_timeout(), Some(until));
    hosts.pass(PERIOD);
    assert!(!hosts.client.may_sleep());
    registers(&mut hosts, account(0));
}

#[test]
fn with_a_disabled_server_the_device_sleeps_when_the_others_let_it_until_the_time_is_over() {
    let mut hosts = disabled(&[BindingMode::UQ; 2]);
    let until = hosts.now + PERIOD;
    hosts.pass(Duration::from_millis(92_999));
    assert_eq!(hosts.told_to_sleep(), []);
    assert!(!hosts.client.may_sleep());
    hosts.pass(Duration::from_millis(1));
    assert_eq!(hosts.told_to_sleep(), [Some(until)]);
    assert_eq!(hosts.client.poll_timeout(), Some(until));
    hosts.pass(until.saturating_duration_since(hosts.now));
    assert!(!hosts.client.may_sleep());
    registers(&mut hosts, account(0));
}

#[test]
fn a_disabled_server_without_queue_mode_lets_the_device_sleep_for_the_others() {
    let mut hosts = disabled(&[BindingMode::U, BindingMode::UQ]);
    let until = hosts.now + PERIOD;
    hosts.pass(AWAKE);
    assert_eq!(hosts.told_to_sleep(), [Some(until)]);
    hosts.pass(until.saturating_duration_since(hosts.now));
    registers(&mut hosts, account(0));
    // It expects the device awake again.
    hosts.pass(AWAKE * 2);
    assert!(!hosts.client.may_sleep());
}

#[test]
fn a_server_without_queue_mode_keeps_the_device_awake_while_another_is_disabled() {
    let mut hosts = disabled(&[BindingMode::UQ, BindingMode::U]);
    hosts.pass(AWAKE * 2);
    assert_eq!(hosts.told_to_sleep(), []);
    assert!(!hosts.client.may_sleep());
}

/// Without Queue Mode nothing is told of sleep; what is due next is the end of the period all the same.
#[test]
fn a_device_without_queue_mode_is_not_told_to_sleep_while_its_server_is_disabled() {
    let mut hosts = disabled(&[BindingMode::U]);
    let until = hosts.now + PERIOD;
    hosts.pass(Duration::from_secs(599));
    assert_eq!(hosts.told_to_sleep(), []);
    assert!(!hosts.client.may_sleep());
    assert_eq!(hosts.client.poll_timeout(), Some(until));
}
