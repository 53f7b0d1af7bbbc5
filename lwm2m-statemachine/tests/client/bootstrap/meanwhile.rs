//! What goes on while a bootstrap is under way, and what waits for its end (TS 5.2, 5.4, 5.5).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, Method};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{
    Answer, CONNECTIVITY_MONITORING, Change, LOCATION, Store, access,
    firmware::{Event, FirmwareUpdateObject},
    software::{Numbering, SoftwareManagementObject},
    typed::{self, AccessControl, AclTarget, Server},
};
use lwm2m_statemachine::{
    ClientEvent, Session,
    client::{DeferredEnd, DeferredOperation},
    coap::{BlockOption, MessageType, Token},
};

use super::{Station, of_bootstrap, put};
use crate::{
    hosts::open,
    observe::observe,
    support::{get, on, server_id},
};

const DAY: u32 = 86_400;

/// Registered with a server that observes the battery, and a bootstrap is under way.
fn observed() -> Station {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let link = station.link(account(1));
    station.request(link, observe(0, "/3/0"));
    station.sent();
    station.events();
    station.begin();
    station
}

/// No acknowledgement and no Reset, so that a retransmission still works.
#[test]
fn requests_of_servers_are_met_with_silence_until_the_end() {
    let mut station = observed();
    let link = station.link(account(1));
    let wire = get("/3/0/9").finish(MessageType::Confirmable, 0x99, Token::EMPTY);
    station.datagram(link, wire.as_ref());
    let other = put("/3/0/14", ContentFormat::TEXT, b"+09:00");
    let other = other.finish(MessageType::NonConfirmable, 0x9a, Token::EMPTY);
    station.datagram(link, other.as_ref());
    assert!(station.is_silent());
    station.finish();
    assert!(station.others.is_empty());
    station.datagram(link, wire.as_ref());
    let (of, answer) = station.only();
    assert_eq!((of, answer.code()), (account(1), Code::CONTENT));
}

#[test]
fn what_the_application_was_asked_is_not_answered_any_more() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let reboot = path("/3/0/4");
    let deferred = DeferredOperation::Execute;
    station.client.deferred().defer(deferred, reboot);
    let link = station.link(account(1));
    station.request(link, on(Method::Post, "/3/0/4"));
    let [ClientEvent::ExecuteAsked { request, .. }] = station.events()[..] else {
        panic!("not asked");
    };
    let now = station.now;
    station.client.bootstrapping().begin(now).unwrap();
    station.connect(of_bootstrap(), Session::New);
    let asked = station.bootstrap_request();
    station.answer_code(&asked, Code::CHANGED);
    let reason = DeferredEnd::Bootstrap;
    let ended = ClientEvent::DeferredEnded { request, reason };
    assert!(station.events().contains(&ended));
    let now = station.now;
    let late = station
        .client
        .deferred()
        .answer_execute(now, request, Ok(()));
    assert!(late.is_err());
}

#[test]
fn notifications_wait_for_the_end_and_carry_what_is_there_then() {
    for finishes in [true, false] {
        let mut station = observed();
        let code = station.code(put("/3/0/14", ContentFormat::TEXT, b"+09:00"));
        assert_eq!(code, Code::CHANGED);
        let now = station.now;
        station.client.set(now, path("/3/0/9"), 3).unwrap();
        station.pass(Duration::from_secs(100));
        assert!(station.is_silent());
        if finishes {
            station.finish();
        } else {
            station.lose(of_bootstrap());
        }
        station.pass(Duration::ZERO);
        let sent = station.sent();
        station.others.extend(sent);
        let (of, notification) = station.others.remove(0);
        assert_eq!(of, account(1));
        assert!(notification.message().observe().is_some());
        let payload = notification.payload();
        let has = |bytes: &[u8]| payload.windows(bytes.len()).any(|part| part == bytes);
        assert!(has(b"\xc1\x09\x03"), "what the application has set");
        assert_eq!(has(b"+09:00"), finishes);
        assert!(station.others.is_empty());
    }
}

#[test]
fn a_bootstrap_that_leaves_nothing_notifies_nobody() {
    let mut station = observed();
    station.delete("/");
    station.code(put("/3/0/14", ContentFormat::TEXT, b"+09:00"));
    station.lose(of_bootstrap());
    station.pass(Duration::from_secs(100));
    assert!(station.is_silent());
    assert_eq!(station.client.reporting().observations().count(), 1);
}

/// TS 5.3.2: the Update has the values of before.
#[test]
fn registrations_live_on_and_no_update_tells_of_what_is_not_finished() {
    let mut station = Station::registered([open("one", 101, 300)]);
    station.begin();
    station.delete("/0");
    station.delete("/1");
    station.write(30, Server::new(server_id(101), 5000));
    station.pass(Duration::from_secs(207));
    let update = station.update(account(1));
    assert_eq!(update.queries(), Vec::<String>::new());
    assert!(update.payload().is_empty());
    station.answer_code(&update, Code::CHANGED);
    assert_eq!(
        station.events(),
        [ClientEvent::Updated {
            account: account(1)
        }]
    );
    station.delete("/1");
    station.pass(Duration::from_secs(207));
    let update = station.update(account(1));
    station.answer_code(&update, Code::CHANGED);
    assert!(station.client.is_registered(account(1)));
}

#[test]
fn what_the_application_changes_is_told_after_the_end() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    station.begin();
    station.write(11, Server::new(server_id(102), 300));
    let now = station.now;
    station.client.set(now, path("/1/10/1"), 4000).unwrap();
    assert!(station.is_silent());
    station.lose(of_bootstrap());
    let update = station.update(account(1));
    assert_eq!(update.queries(), ["lt=4000"]);
}

/// The server that is lost meanwhile is connected with the keys of before.
#[test]
fn a_connection_that_is_lost_meanwhile_is_made_again_with_what_was_before() {
    let mut station = Station::registered([open("one", 101, 300)]);
    station.begin();
    station.delete("/0");
    let (moved, _) = open("moved", 101, 300);
    station.write(1, moved);
    station.lose(account(1));
    station.pass(Duration::from_secs(5));
    let connect = station.client.poll_event();
    let Some(ClientEvent::Connect {
        connection, uri, ..
    }) = connect
    else {
        panic!("{connect:?}");
    };
    assert_eq!(uri, "coap://one");
    station.links.insert(account(1), connection);
    station.connect(account(1), Session::Resumed);
    let update = station.update(account(1));
    station.answer_code(&update, Code::CHANGED);
    assert!(station.client.is_registered(account(1)));
}

/// A Write that goes to its Object block by block ends, and its further blocks are met with silence (TS E.6).
#[test]
fn a_write_that_is_streamed_ends_when_a_bootstrap_begins() {
    let mut objects = super::tree([open("one", 101, DAY)]);
    let firmware = |_: Event<'_>| Answer::Done;
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), firmware);
    objects.add(firmware.unwrap());
    let mut station = Station::started(objects);
    station.connect_all(Session::New);
    station.accept_all();
    let link = station.link(account(1));
    let block = |number, more| {
        let mut message = on(Method::Put, "/5/0/0");
        message.content_format(ContentFormat::OPAQUE).unwrap();
        let option = BlockOption::new(number, more, 16).unwrap();
        message.block1(option).unwrap().payload(&[7; 16]);
        message
    };
    station.request(link, block(0, true));
    assert_eq!(station.only().1.code(), Code::CONTINUE);
    station.begin();
    station.request(link, block(1, true));
    assert!(station.is_silent());
    assert_eq!(station.client.usage().streams, 0);
}

#[test]
fn a_register_waits_for_the_end() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    station.begin();
    let now = station.now;
    station.client.update(now, account(1));
    let update = station.update(account(1));
    station.answer_code(&update, Code::NOT_FOUND);
    station.pass(Duration::from_secs(100));
    assert!(station.is_silent());
    station.finish();
    let (of, register) = station.others.remove(0);
    assert_eq!((of, register.path()), (account(1), "/rd".into()));
}

/// Registered with two servers, of which the first one owns the Device Object Instance, and a bootstrap is under way.
fn two_servers() -> Station {
    let mut objects = super::tree([open("one", 101, DAY), open("two", 102, DAY)]);
    let own = |at: &str, owner| {
        let at = path(at);
        let (object, instance) = at.object().zip(at.instance()).unwrap();
        AccessControl {
            target: AclTarget::Instance(object, instance),
            owner,
            acl: [(owner, AccessControl::OWNER_RIGHTS)].into(),
        }
    };
    let controls = [own("/1/10", 101), own("/1/11", 102), own("/3/0", 101)];
    objects.add(Store::of((0..).map(instance).zip(controls)).managed(20));
    objects.add(Store::new(&LOCATION).managed(3));
    let mut station = Station::started(objects);
    station.connect_all(Session::New);
    station.accept_all();
    station.begin();
    station
}

fn rights(station: &Station, server: u16, at: &str) -> AccessRights {
    let at = path(at);
    let (object, instance) = at.object().zip(at.instance()).unwrap();
    access::rights(station.client.tree(), server_id(server), object, instance)
}

/// The application knows a position.
fn create_location(station: &mut Station, owner: Option<u16>) {
    let set = |at: &str, value: lwm2m_core::Value| Change::Set {
        path: path(at),
        value,
    };
    let created = [
        Change::Create { path: path("/6/0") },
        set("/6/0/0", 51.5.into()),
        set("/6/0/1", 0.1.into()),
        set("/6/0/5", lwm2m_core::Value::Time(1_700_000_000)),
    ];
    let now = station.now;
    match owner {
        Some(owner) => station.client.change_as(now, server_id(owner), created),
        None => station.client.change(now, created),
    }
    .unwrap();
}

/// TS 7.3.1.2.2: whether the accounts were there at that moment or not, there is an owner at the end.
#[test]
fn what_the_application_creates_meanwhile_has_an_owner_at_the_end() {
    let all = AccessControl::OWNER_RIGHTS;
    for (owner, expected) in [
        (None, [all, AccessRights::NONE]),
        (Some(102), [AccessRights::NONE, all]),
        (Some(103), [all, AccessRights::NONE]),
    ] {
        for is_before in [true, false] {
            let mut station = two_servers();
            if is_before {
                create_location(&mut station, owner);
            }
            station.delete("/0");
            if !is_before {
                create_location(&mut station, owner);
            }
            for (at, (security, server)) in [(1, open("one", 101, DAY)), (2, open("two", 102, DAY))]
            {
                station.write(at, security);
                station.write(at + 9, server);
            }
            station.finish();
            let got = [101, 102].map(|server| rights(&station, server, "/6/0"));
            assert_eq!(got, expected, "{owner:?}, before: {is_before}");
            assert_eq!(rights(&station, 101, "/3/0"), all);
        }
    }
}

#[test]
fn objects_that_come_meanwhile_have_owners_at_the_end() {
    for finishes in [true, false] {
        let mut station = two_servers();
        station.delete("/1/10");
        let now = station.now;
        let monitoring = Store::new(&CONNECTIVITY_MONITORING).with(instance(0), 2, 5);
        let come = |set: &mut lwm2m_statemachine::client::ObjectSet<'_>| set.add(monitoring);
        station.client.change_objects(now, None, come).unwrap();
        if finishes {
            station.write(10, open("one", 101, DAY).1);
            station.finish();
        } else {
            station.client.bootstrapping().abort(now);
        }
        let got = [101, 102].map(|server| rights(&station, server, "/4/0"));
        let expected = [AccessControl::OWNER_RIGHTS, AccessRights::NONE];
        assert_eq!(got, expected, "finishes: {finishes}");
    }
}

/// Registered with a server, and with a software component that wants no Update for what comes with it.
fn with_software() -> Station {
    let mut objects = super::tree([open("one", 101, DAY)]);
    let component = typed::SoftwareManagement {
        update_supported_objects: Some(false),
        ..typed::SoftwareManagement::new("name", "1")
    };
    let software = SoftwareManagementObject::new(Numbering::Registered, |_, _| Answer::Done);
    objects.add(software.with(instance(0), component).unwrap());
    objects.add(Store::new(&LOCATION).managed(3));
    let mut station = Station::started(objects);
    station.connect_all(Session::New);
    station.accept_all();
    station
}

/// Connectivity Monitoring comes with the component.
fn monitoring_comes(station: &mut Station) {
    let monitoring = Store::new(&CONNECTIVITY_MONITORING).with(instance(0), 2, 5);
    let come = |set: &mut lwm2m_statemachine::client::ObjectSet<'_>| set.add(monitoring);
    let (now, component) = (station.now, Some(instance(0)));
    station.client.change_objects(now, component, come).unwrap();
}

/// Object 9, Resource 8: a bootstrap isn't an Update.
#[test]
fn what_comes_with_software_is_told_with_the_next_update_whatever_a_bootstrap_does() {
    for (comes_before, finishes) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut station = with_software();
        if comes_before {
            monitoring_comes(&mut station);
        }
        station.begin();
        station.delete("/0");
        station.delete("/1");
        if !comes_before {
            monitoring_comes(&mut station);
        }
        station.write_account(open("one", 101, DAY));
        if finishes {
            station.finish();
        } else {
            station.lose(of_bootstrap());
        }
        assert!(
            station.others.is_empty(),
            "before: {comes_before}, finishes: {finishes}"
        );
        assert!(
            station.is_silent(),
            "before: {comes_before}, finishes: {finishes}"
        );
        let now = station.now;
        station.client.update(now, account(1));
        let update = station.update(account(1));
        let list = String::from_utf8(update.payload().to_vec()).unwrap();
        assert!(list.contains("</4/0>"), "{list}");
    }
}

#[test]
fn what_a_bootstrap_creates_is_told_at_once_with_what_comes_with_software() {
    let mut station = with_software();
    station.begin();
    monitoring_comes(&mut station);
    station.write(0, typed::Location::new(51.5, 0.1, 1_700_000_000));
    station.finish();
    let (of, update) = station.others.remove(0);
    assert_eq!(of, account(1));
    let list = String::from_utf8(update.payload().to_vec()).unwrap();
    assert!(list.contains("</4/0>") && list.contains("</6/0>"), "{list}");
}
