//! Reboot and Factory Reset lead to the Bootstrap Sequence (TS 5.2.4, E.4), and several servers (TS 7.3, E.1.3).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, Instant, Method, ObjectId};
use lwm2m_kit::{account, path};
use lwm2m_objects::{
    ACCESS_CONTROL, DeviceObject, ObjectTree, Store, access, bootstrap,
    typed::{self, AccessControl, AclTarget, Security},
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Session,
    client::{BootstrapFailure, BootstrapState, Inbound, InboundRefusal},
};

use super::{Station, bootstrap_server, has, of_bootstrap, put, tree, with};
use crate::{
    hosts::open,
    observe::observe,
    support::{get, on, server_id},
};

const DAY: u32 = 86_400;

/// What the factory gives a device: the account of the Bootstrap-Server.
fn factory(bootstrap_server: Security) -> ObjectTree {
    let mut tree = with(bootstrap_server, []);
    let device = typed::Device {
        factory_reset: true,
        ..typed::Device::example()
    };
    tree.add(DeviceObject::new(device, Instant::ZERO).unwrap());
    tree.leave_factory();
    tree
}

/// The server of account 1 is given by a bootstrap, and the Client is registered there.
fn bootstrapped(mut station: Station) -> Station {
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    station.answer_code(&request, Code::CHANGED);
    station.write_account(open("one", 101, DAY));
    station.finish();
    station.events();
    station.connect(account(1), Session::New);
    station.accept_all();
    station.pass(Duration::from_secs(100));
    station.events();
    station
}

fn execute(station: &mut Station, at: &str) {
    let link = station.link(account(1));
    station.request(link, on(Method::Post, at));
    assert_eq!(station.only().1.code(), Code::CHANGED);
}

#[test]
fn a_factory_reset_leads_back_to_the_bootstrap_server_of_the_factory() {
    let timing_out = Security {
        bootstrap_account_timeout: Some(50_000),
        ..bootstrap_server()
    };
    let station = Station::started(factory(timing_out));
    let mut station = bootstrapped(station);
    execute(&mut station, "/3/0/5");
    station.pass(Duration::from_secs(3));
    let deregister = station.deregister(account(1));
    station.answer_code(&deregister, Code::DELETED);
    let events = station.events();
    assert!(events.contains(&ClientEvent::FactoryReset { restored: Ok(()) }));
    assert!(!has(&station, "/0/1") && !has(&station, "/1/10"));
    assert_eq!(station.linked(), [of_bootstrap()]);
    // The time of the account belongs to what was before.
    let now = station.now;
    assert_eq!(station.client.bootstrapping().account_timeout(now), None);
    bootstrapped(station);
}

#[test]
fn after_a_factory_reset_the_smartcard_is_tried_first() {
    let mut config = ClientConfig::new("example-client", [5; 32]);
    config.bootstrap.smartcard = true;
    let mut station = Station::with(config, factory(bootstrap_server()));
    station.start();
    let now = station.now;
    station.client.bootstrapping().smartcard_tried(now);
    assert_eq!(station.events(), [ClientEvent::SmartcardAsked]);
    let mut station = bootstrapped(station);
    execute(&mut station, "/3/0/5");
    station.pass(Duration::from_secs(3));
    let deregister = station.deregister(account(1));
    station.answer_code(&deregister, Code::DELETED);
    assert!(station.events().contains(&ClientEvent::SmartcardAsked));
    assert_eq!(station.linked(), []);
}

#[test]
fn a_reboot_ends_a_bootstrap_and_the_start_after_it_registers() {
    let station = Station::started(factory(bootstrap_server()));
    let mut station = bootstrapped(station);
    execute(&mut station, "/3/0/4");
    station.events();
    station.begin();
    station.delete("/1/10");
    station.pass(Duration::from_secs(3));
    let events = station.events();
    assert!(events.contains(&ClientEvent::Reboot), "{events:?}");
    let failed = events.iter().any(|event| {
        matches!(
            event,
            ClientEvent::BootstrapFailed {
                reason: BootstrapFailure::Aborted,
                retry: None,
                ..
            }
        )
    });
    assert!(failed, "{events:?}");
    assert!(has(&station, "/1/10"));
    assert_eq!(station.linked(), []);
    let (now, from) = (station.now, Inbound::Account(of_bootstrap()));
    let refused = Err(InboundRefusal::NotServed);
    assert_eq!(station.client.inbound(now, from), refused);
    station.start();
    assert_eq!(station.linked(), [account(1)]);
    let state = station.client.bootstrapping().state(now);
    assert_eq!(state, BootstrapState::Registering);
}

/// Two servers with rights: 101 owns the Device, and 102 may read it.
fn two_servers() -> Station {
    let mut objects = tree([open("one", 101, DAY), open("two", 102, DAY)]);
    let own = |at: &str, owner| {
        let path = path(at);
        let (object, instance) = path.object().zip(path.instance()).unwrap();
        let mut control = AccessControl {
            target: AclTarget::Instance(object, instance),
            owner,
            acl: [(owner, AccessControl::OWNER_RIGHTS)].into(),
        };
        if object == ObjectId::DEVICE {
            control.acl.push((102, AccessRights::READ));
        }
        control
    };
    let controls = [own("/1/10", 101), own("/1/11", 102), own("/3/0", 101)];
    objects.add(Store::of((0..).map(lwm2m_kit::instance).zip(controls)));
    assert_eq!(bootstrap::check(&objects, |_| true), Ok(()));
    let mut station = Station::started(objects);
    station.connect_all(Session::New);
    station.accept_all();
    for of in [1, 2] {
        let link = station.link(account(of));
        station.request(link, observe(0, "/3/0/9"));
        station.sent();
    }
    station.events();
    station.begin();
    station
}

fn may_read(station: &Station, server: u16) -> bool {
    let device = (ObjectId::DEVICE, lwm2m_kit::instance(0));
    let rights = access::rights(station.client.tree(), server_id(server), device.0, device.1);
    rights.contains(AccessRights::READ)
}

/// DELETE /0, DELETE /1 and the same accounts again.
#[test]
fn of_two_servers_that_come_back_neither_loses_its_rights_or_observations() {
    let mut station = two_servers();
    let links = [1, 2].map(|of| station.link(account(of)));
    station.delete("/0");
    station.delete("/1");
    for (of, (security, server)) in [(1, open("one", 101, DAY)), (2, open("two", 102, DAY))] {
        station.write(of, security);
        station.write(of + 9, server);
    }
    station.finish();
    station.finished();
    assert_eq!([1, 2].map(|of| station.link(account(of))), links);
    assert!(station.others.is_empty() && station.is_silent());
    assert!(may_read(&station, 101) && may_read(&station, 102));
    assert_eq!(station.client.reporting().observations().count(), 2);
    let link = station.link(account(2));
    station.request(link, get("/3/0/9"));
    assert_eq!(station.only().1.code(), Code::CONTENT);
}

/// The one that stays inherits what the other one owned (TS E.1.3, 2).
#[test]
fn of_two_servers_the_one_that_does_not_come_back_is_left_and_the_other_one_owns_all() {
    let mut station = two_servers();
    station.delete("/0/1");
    station.finish();
    station.events();
    let (of, deregister) = station.others.remove(0);
    assert_eq!((of, deregister.path()), (account(1), "/rd/1".into()));
    station.answer_code(&deregister, Code::DELETED);
    assert_eq!(station.linked(), [of_bootstrap(), account(2)]);
    let observed: Vec<_> = station.client.reporting().observations().collect();
    assert!(matches!(&observed[..], [one] if one.account == account(2)));
    assert!(!has(&station, "/1/10"));
    assert!(may_read(&station, 102));
    let owner = station.client.tree().get(path("/2/2/3"));
    assert_eq!(owner, Some(102.into()));
}

/// Of an account that is overwritten with another Short Server ID, the old server has gone.
#[test]
fn an_account_that_becomes_another_servers_is_left_and_registered_anew() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let old = station.link(account(1));
    station.begin();
    station.write_account(open("two", 102, DAY));
    station.finish();
    station.finished();
    let (of, deregister) = station.others.remove(0);
    assert_eq!((of, deregister.to), (account(1), old));
    assert_eq!(deregister.code(), Code::DELETE);
    station.answer_code(&deregister, Code::DELETED);
    assert_ne!(station.link(account(1)), old);
    station.connect(account(1), Session::New);
    station.register(account(1));
}

/// What a Bootstrap-Server can make a Client hold has a bound.
#[test]
fn a_bootstrap_server_makes_no_more_object_instances_than_there_is_room_for() {
    let mut config = ClientConfig::new("example-client", [5; 32]);
    config.bootstrap.most_instances = 5;
    let mut objects = tree([]);
    objects.add(Store::new(&ACCESS_CONTROL));
    let mut station = Station::with(config, objects);
    station.start();
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    station.answer_code(&request, Code::CHANGED);
    // The Bootstrap-Server's account and the Device are there.
    for at in 1..=3 {
        station.write(at, open("one", 101, DAY).0);
    }
    let full = station.code(super::write(4, open("one", 101, DAY).0));
    assert_eq!(full, Code::INTERNAL_SERVER_ERROR);
    // What is there can be written again.
    station.write(3, open("two", 102, DAY).0);
    let code = station.code(put("/0/3/11", ContentFormat::TEXT, b"7"));
    assert_eq!(code, Code::CHANGED);
    station.delete("/0/3");
    station.write(4, open("one", 101, DAY).0);
}
