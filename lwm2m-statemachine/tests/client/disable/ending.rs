//! What ends Disable before its time, and what doesn't (TS E.2, 5.2.4, 5.2.5).

use lwm2m_core::{BindingMode, Code, Method, ObjectId};
use lwm2m_kit::{account, get};
use lwm2m_objects::typed::{Device, Server};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Session,
    client::{Inbound, InboundRefusal, RegistrationState},
};

use super::{
    DAY, asks, disable, disabled, disables, may_be_disabled, one, registered, registers, seconds,
    state, two,
};
use crate::{
    bootstrap::{Station, of_bootstrap},
    hosts::{Hosts, create, delete, tree},
    mobile::{Mobile, NUMBER, no_sec},
    support::{on, path},
};

/// TS 5.2.4: it hasn't failed.
#[test]
fn a_disabled_server_leads_to_no_bootstrap() {
    let mut station = Station::registered([may_be_disabled("one", 101, Some(1000))]);
    disables(&mut station, account(1), account(1));
    station.pass(seconds(999));
    assert_eq!(station.linked(), []);
    station.pass(seconds(1));
    assert_eq!(station.linked(), [account(1)]);
}

/// A server that has failed isn't one that is disabled.
#[test]
fn a_server_that_refuses_after_it_was_disabled_leads_to_a_bootstrap() {
    let mut station = Station::registered([may_be_disabled("one", 101, Some(60))]);
    disables(&mut station, account(1), account(1));
    station.pass(seconds(60));
    station.connect(account(1), Session::New);
    let register = station.register(account(1));
    station.answer_code(&register, Code::FORBIDDEN);
    assert!(station.linked().contains(&of_bootstrap()));
}

#[test]
fn a_bootstrap_that_changes_the_account_ends_disable() {
    let account_of = || may_be_disabled("one", 101, Some(1000));
    let (security, server) = account_of();
    let other_server = Server {
        lifetime: 3 * DAY,
        ..server.clone()
    };
    let (other_security, _) = may_be_disabled("two", 101, Some(1000));
    for (security, server, ends) in [
        (other_security, server.clone(), true),
        (security.clone(), other_server, true),
        (security, server, false),
    ] {
        let mut station = Station::registered([account_of()]);
        disables(&mut station, account(1), account(1));
        station.events();
        station.begin();
        station.write(1, security);
        station.write(10, server);
        station.finish();
        assert_eq!(station.linked().contains(&account(1)), ends);
        let expected = if ends {
            RegistrationState::Registering
        } else {
            RegistrationState::Disabled
        };
        assert_eq!(state(&station, account(1)), expected);
    }
}

#[test]
fn a_bootstrap_that_fails_leaves_it_as_it_was() {
    let mut station = Station::registered([may_be_disabled("one", 101, Some(1000))]);
    disables(&mut station, account(1), account(1));
    station.events();
    station.begin();
    station.write_account(may_be_disabled("two", 101, Some(1000)));
    station.lose(of_bootstrap());
    assert_eq!(state(&station, account(1)), RegistrationState::Disabled);
    let linked = station.linked();
    assert!(!linked.contains(&account(1)), "{linked:?}");
}

/// No Register is sent before the Finish.
#[test]
fn a_time_that_is_over_in_a_bootstrap_leads_to_a_register_after_it() {
    let mut station = Station::registered([may_be_disabled("one", 101, Some(60))]);
    disables(&mut station, account(1), account(1));
    station.events();
    station.begin();
    station.pass(seconds(100));
    assert_eq!(station.linked(), [of_bootstrap()]);
    station.finish();
    assert!(station.linked().contains(&account(1)));
    station.connect(account(1), Session::New);
    assert!(station.sent().iter().any(|(_, sent)| sent.path() == "/rd"));
}

#[test]
fn an_account_that_the_application_changes_is_registered_anew() {
    let mut hosts = one(Some(1000));
    let of = account(0);
    disables(&mut hosts, of, of);
    let now = hosts.now;
    hosts.client.set(now, path("/0/0/0"), "coap://two").unwrap();
    registers(&mut hosts, of);
}

#[test]
fn an_account_that_comes_again_is_not_disabled() {
    let mut hosts = one(Some(1000));
    disables(&mut hosts, account(0), account(0));
    let now = hosts.now;
    let gone = [delete(ObjectId::SECURITY, 0), delete(ObjectId::SERVER, 10)];
    hosts.client.change(now, gone).unwrap();
    assert_eq!(hosts.client.disabled_for(now, account(0)), None);
    hosts.pass(seconds(10));
    let (security, server) = may_be_disabled("one", 101, Some(1000));
    let mut come = create(0, security);
    come.extend(create(10, server));
    let now = hosts.now;
    hosts.client.change(now, come).unwrap();
    registers(&mut hosts, account(0));
}

/// The server has said that it wants to hear nothing, and nobody else can take that back.
#[test]
fn the_application_ends_it_neither_by_a_start_nor_by_a_deregister() {
    let mut hosts = one(Some(60));
    let of = account(0);
    disables(&mut hosts, of, of);
    hosts.events();
    let now = hosts.now;
    hosts.client.start(now);
    assert_eq!(hosts.linked(), []);
    hosts.client.deregister(now);
    assert_eq!(state(&hosts, of), RegistrationState::Stopped);
    hosts.pass(seconds(30));
    let now = hosts.now;
    hosts.client.start(now);
    assert_eq!(hosts.linked(), []);
    assert_eq!(state(&hosts, of), RegistrationState::Disabled);
    hosts.pass(seconds(30));
    registers(&mut hosts, of);
}

#[test]
fn a_client_that_is_stopped_when_the_time_is_over_registers_when_it_starts() {
    let mut hosts = one(Some(60));
    let of = account(0);
    disables(&mut hosts, of, of);
    let now = hosts.now;
    hosts.client.deregister(now);
    hosts.pass(seconds(100));
    assert_eq!(hosts.linked(), []);
    let now = hosts.now;
    hosts.client.start(now);
    registers(&mut hosts, of);
}

#[test]
fn a_client_that_is_offline_when_the_time_is_over_registers_when_it_is_online() {
    let mut hosts = one(Some(60));
    let of = account(0);
    disables(&mut hosts, of, of);
    let now = hosts.now;
    hosts.client.go_offline(now);
    hosts.pass(seconds(100));
    assert_eq!(hosts.linked(), []);
    let now = hosts.now;
    hosts.client.go_online(now);
    registers(&mut hosts, of);
}

/// What was left of it is saved, less the time that has passed.
#[test]
fn it_goes_on_after_a_restart() {
    let mut hosts = one(Some(60));
    let of = account(0);
    disables(&mut hosts, of, of);
    hosts.pass(seconds(15));
    let left = hosts.client.disabled_for(hosts.now, of).unwrap();
    assert_eq!(left, seconds(45));

    let mut hosts = Hosts::new(tree([may_be_disabled("one", 101, Some(60))]));
    let now = hosts.now;
    assert!(
        hosts
            .client
            .resume_disabled(now, of, left.saturating_sub(seconds(5)))
    );
    assert!(!hosts.client.resume_disabled(now, account(7), left));
    hosts.client.start(now);
    assert_eq!(hosts.linked(), []);
    assert_eq!(hosts.events(), [disabled(of, now + seconds(40))]);
    hosts.pass(seconds(39));
    assert_eq!(hosts.linked(), []);
    hosts.pass(seconds(1));
    registers(&mut hosts, of);
}

#[test]
fn it_outlasts_a_reboot_of_the_client_and_ends_with_a_factory_reset() {
    for (resource, outlasts) in [("/3/0/4", true), ("/3/0/5", false)] {
        let mut tree = two();
        let device = Device {
            factory_reset: true,
            ..Device::example()
        };
        let device = lwm2m_objects::DeviceObject::new(device, lwm2m_core::Instant::ZERO).unwrap();
        tree.add(device);
        let mut hosts = registered(tree);
        let (by, of) = (account(1), account(0));
        disables(&mut hosts, by, of);
        let sent = asks(&mut hosts, by, on(Method::Post, resource));
        assert_eq!(sent[0].1.code(), Code::CHANGED);
        hosts.pass(seconds(3));
        for (_, deregister) in hosts.sent() {
            hosts.answer_code(&deregister, Code::DELETED);
        }
        let now = hosts.now;
        hosts.client.start(now);
        assert!(hosts.linked().contains(&by));
        assert_eq!(!hosts.linked().contains(&of), outlasts, "{resource}");
    }
}

/// TS 8.4: a trigger by SMS is a request as any other.
#[test]
fn short_messages_of_a_disabled_server_are_not_taken() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.change_binding("udp", "US");
    mobile.steps();
    let from = || Inbound::Sms { number: NUMBER };
    let sms = mobile.client.inbound(mobile.now, from()).unwrap();
    mobile.add_link(sms, "sms");
    let now = mobile.now;
    let remaining = seconds(60);
    assert!(mobile.client.resume_disabled(now, account(0), remaining));
    assert_eq!(mobile.steps(), ["udp: 0.04 /rd/a"]);
    mobile.request("sms", get("/3/0/0"));
    assert_eq!(mobile.steps(), [""; 0]);
    mobile.answer_code(Code::DELETED);
    let until = now + remaining;
    let steps = mobile.steps();
    let told = format!("{:?}", disabled(account(0), until));
    assert_eq!(steps[0], "deregistered");
    assert!(steps.contains(&told), "{steps:?}");
    assert!(steps.contains(&"disconnect sms".into()), "{steps:?}");
    assert!(steps.contains(&"disconnect udp".into()), "{steps:?}");
    let refused = mobile.client.inbound(mobile.now, from());
    assert_eq!(refused, Err(InboundRefusal::NotServed));
    assert_eq!(mobile.pass(seconds(59)), [""; 0]);
    assert_eq!(mobile.pass(seconds(1)), ["connect udp"]);
}

/// Two accounts of one host: the Register of the other one there waits for the end of the one that is disabled.
#[test]
fn the_other_account_at_its_host_goes_on() {
    let accounts = [
        may_be_disabled("one", 101, Some(60)),
        may_be_disabled("one", 102, Some(60)),
    ];
    let mut tree = tree(accounts);
    let rights = [lwm2m_core::AccessRights::EXECUTE; 2];
    let controlled = [crate::servers::access(1, 10, rights)];
    tree.add(crate::servers::access_control(controlled));
    let mut hosts = Hosts::with(ClientConfig::new("example-client", [3; 32]), tree);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    let sent = asks(&mut hosts, account(0), disable());
    hosts.answer_code(&sent[1].1, Code::DELETED);
    assert_eq!(hosts.linked(), [account(1)]);
    let now = hosts.now;
    hosts.client.update(now, account(1));
    let update = hosts.update(account(1));
    hosts.answer_code(&update, Code::CHANGED);
    let updated = ClientEvent::Updated {
        account: account(1),
    };
    assert!(hosts.events().contains(&updated));
}
