//! A device in Queue Mode that powers off wholly while it may sleep (TS 8.3).

use core::time::Duration;

use lwm2m_core::BindingMode;
use lwm2m_kit::account;
use lwm2m_objects::{ObjectTree, typed::Server};
use lwm2m_statemachine::client::QueueState;

use crate::{
    disable::acknowledge,
    hosts::{Hosts, secured, tree},
    queue_mode::AWAKE,
    reporting::sensors,
};

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
    let known = hosts.client.account(account(0)).unwrap();
    assert_eq!(known.queue_mode, Some(QueueState::Asleep));
    assert!(hosts.client.may_sleep());
    assert!(hosts.is_silent());
}
