//! What goes on while a bootstrap is under way, and what waits for its end (TS 5.2, 5.4, 5.5).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_kit::{account, path};
use lwm2m_objects::{
    Answer,
    firmware::{Event, FirmwareUpdateObject},
    typed::{self, Server},
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
