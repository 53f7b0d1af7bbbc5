//! What the Client doesn't know for certain: whether a server took an Update, or can still be reached
//! (TS 5.3.2, 8.2.4, 8.6.2).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, Method, ObjectId};
use lwm2m_kit::account;
use lwm2m_objects::typed::{Security, Server, SmsSecurity};
use lwm2m_statemachine::{
    ClientEvent, ConnectionId, Session,
    client::{DeferredOperation, Inbound},
    coap::{MessageBuf, MessageType, Token},
};

use crate::{
    hosts::{Hosts, create, delete, open, secured, tree},
    support::{get, on, path, server_id},
};

const DAY: u32 = 86_400;

fn set_lifetime(hosts: &mut Hosts, seconds: i64) {
    hosts
        .client
        .set(hosts.now, path("/1/10/1"), seconds)
        .unwrap();
}

/// The answer to an Update is lost, and what it told is undone: the server may have it.
#[test]
fn what_a_server_may_have_taken_is_told_again_when_it_is_undone() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    let created = create(11, Server::new(server_id(102), 600));
    set_lifetime(&mut hosts, 600);
    let lost = hosts.update(account(0));
    assert_eq!(lost.queries(), ["lt=600"]);
    hosts.lose(account(0));
    hosts.client.change(hosts.now, created).unwrap();
    hosts.pass(Duration::from_secs(5));
    hosts.connect(account(0), Session::Resumed);
    let lost = hosts.update(account(0));
    assert_eq!(lost.queries(), ["lt=600"]);
    assert!(!lost.payload().is_empty());
    hosts.lose(account(0));
    set_lifetime(&mut hosts, DAY.into());
    hosts
        .client
        .change(hosts.now, [delete(ObjectId::SERVER, 11)])
        .unwrap();
    hosts.pass(Duration::from_secs(10));
    hosts.connect(account(0), Session::Resumed);
    let update = hosts.update(account(0));
    assert_eq!(update.queries(), ["lt=86400"]);
    assert!(!update.payload().is_empty(), "the object list of before");
    hosts.answer_code(&update, Code::CHANGED);
    // Only as long as it isn't known.
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    assert!(update.queries().is_empty() && update.payload().is_empty());
}

#[test]
fn what_a_server_may_have_taken_is_told_again_after_a_time_offline() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    hosts.client.set(hosts.now, path("/1/10/7"), "UQ").unwrap();
    assert_eq!(hosts.update(account(0)).queries(), ["b=UQ"]);
    hosts.client.go_offline(hosts.now);
    hosts.client.set(hosts.now, path("/1/10/7"), "U").unwrap();
    hosts.client.go_online(hosts.now);
    assert_eq!(hosts.update(account(0)).queries(), ["b=U"]);
}

fn reachable_by_sms() -> (Hosts, ConnectionId) {
    let (mut security, mut server) = open("one", 101, DAY);
    security.sms = SmsSecurity {
        server_number: Some("49".into()),
        ..SmsSecurity::default()
    };
    server.binding = BindingMode::US;
    let mut hosts = Hosts::registered([(security, server)]);
    let sms = Inbound::Sms { number: "49" };
    let sms = hosts.client.inbound(hosts.now, sms).unwrap();
    // So that its end is looked at.
    hosts.links.insert(account(7), sms);
    (hosts, sms)
}

/// TS 5.3.1.1.
#[test]
fn short_messages_are_served_no_longer_than_the_binding_has_them() {
    let (mut hosts, sms) = reachable_by_sms();
    hosts.client.set(hosts.now, path("/1/10/7"), "U").unwrap();
    let update = hosts.update(account(0));
    assert_eq!(update.queries(), ["b=U"]);
    hosts.answer_code(&update, Code::CHANGED);
    assert_eq!(
        hosts.linked(),
        [account(0)],
        "the other connection is closed"
    );
    hosts.request(sms, get("/3/0/0"));
    assert!(hosts.is_silent());
}

/// An account that becomes a Bootstrap-Server's keeps nothing of the server's.
#[test]
fn a_connection_of_a_server_does_not_become_one_of_a_bootstrap_server() {
    let (mut hosts, sms) = reachable_by_sms();
    hosts.client.set(hosts.now, path("/0/0/1"), true).unwrap();
    hosts.deregister(account(0));
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.request(sms, get("/3/0/0"));
    assert!(hosts.is_silent());
}

/// TS 8.2.4.
#[test]
fn another_address_of_a_session_ends_the_wait_for_the_next_update() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::INTERNAL_SERVER_ERROR);
    assert!(hosts.is_silent());
    let link = hosts.link(account(0));
    hosts.client.address_changed(hosts.now, link);
    hosts.update(account(0));
}

/// An acknowledgement has left before the application agrees, so that the answer is a message of its own.
#[test]
fn a_server_that_deletes_its_server_instance_with_consent_is_answered_before_it_is_left() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    hosts
        .client
        .deferred()
        .defer(DeferredOperation::Change, path("/1"));
    let link = hosts.link(account(0));
    hosts.request(link, on(Method::Delete, "/1/10"));
    hosts.pass(Duration::from_secs(10));
    let (_, acknowledgement) = hosts.only();
    assert_eq!(acknowledgement.code(), Code::EMPTY);
    let Some(ClientEvent::ChangeAsked { request, .. }) = hosts.events().pop() else {
        panic!("not asked");
    };
    let answered = hosts
        .client
        .deferred()
        .answer_change(hosts.now, request, Ok(()));
    assert_eq!(answered, Ok(Code::DELETED));
    let (_, answer) = hosts.only();
    assert_eq!(
        (answer.code(), answer.kind()),
        (Code::DELETED, MessageType::Confirmable)
    );
    let id = answer.message().message_id();
    let acknowledgement =
        MessageBuf::new(Code::EMPTY).finish(MessageType::Acknowledgement, id, Token::EMPTY);
    hosts.datagram(link, acknowledgement.as_ref());
    hosts.deregister(account(0));
}

#[test]
fn offline_nothing_is_said_of_a_next_attempt() {
    let mut hosts = Hosts::new(tree([open("one", 101, DAY)]));
    hosts.client.start(hosts.now);
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.client.go_offline(hosts.now);
    hosts.lose(account(0));
    let events = hosts.events();
    assert!(
        matches!(
            events[..],
            [ClientEvent::RegistrationFailed { retry: None, .. }]
        ),
        "{events:?}"
    );
}

/// A Register is given up, and the server accepts the next one. The first one may arrive later in the same session,
/// and replace what it has led to (RFC 7252 §4.2, TS 5.3.1). Until it can't any more, nothing is known for certain.
fn registered_after_a_time_offline(server: (Security, Server)) -> Hosts {
    let mut hosts = Hosts::new(tree([server]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
    hosts.client.go_offline(hosts.now);
    hosts.pass(Duration::from_secs(10));
    hosts.client.go_online(hosts.now);
    let register = hosts.register(account(0));
    hosts.accept(account(0), &register);
    hosts.events();
    hosts
}

#[test]
fn a_registration_that_a_late_register_may_have_replaced_is_looked_after() {
    let mut hosts = registered_after_a_time_offline(secured("one", 101, DAY));
    hosts.pass(Duration::from_secs(89));
    assert!(hosts.is_silent(), "the first Register may be under way");
    hosts.pass(Duration::from_secs(1));
    let update = hosts.update(account(0));
    assert!(update.queries().is_empty() && update.payload().is_empty());
    hosts.answer_code(&update, Code::NOT_FOUND);
    let register = hosts.register(account(0));
    hosts.accept(account(0), &register);
    assert!(hosts.client.is_registered(account(0)));
    hosts.pass(Duration::from_secs(3_600));
    assert!(hosts.is_silent(), "nothing can be late now");
}

/// An Update that the server accepts before says nothing of what arrives after it.
#[test]
fn an_update_meanwhile_does_not_end_the_doubt_about_a_late_register() {
    let mut hosts = registered_after_a_time_offline(secured("one", 101, DAY));
    hosts.pass(Duration::from_secs(50));
    set_lifetime(&mut hosts, 3_600);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.pass(Duration::from_secs(40));
    let update = hosts.update(account(0));
    assert!(update.queries().is_empty());
    hosts.answer_code(&update, Code::CHANGED);
    hosts.pass(Duration::from_secs(600));
    assert!(hosts.is_silent(), "once is enough");
}

#[test]
fn a_register_that_was_not_answered_in_time_may_be_late_too() {
    let mut hosts = Hosts::new(tree([secured("one", 101, DAY)]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
    let failed = |event: &ClientEvent| matches!(event, ClientEvent::RegistrationFailed { .. });
    while !hosts.events().iter().any(failed) {
        assert!(
            hosts
                .sent()
                .iter()
                .all(|(_, sent)| sent.code() == Code::POST)
        );
        hosts.pass(Duration::from_secs(1));
    }
    let given_up = hosts.now;
    hosts.client.start(hosts.now);
    let register = hosts.register(account(0));
    hosts.accept(account(0), &register);
    hosts.pass(Duration::from_secs(98));
    assert!(hosts.is_silent());
    hosts.pass(Duration::from_secs(2));
    hosts.update(account(0));
    assert!(hosts.now <= given_up + Duration::from_secs(100));
}

/// What was sent in an earlier session can't be read in a new one; without security it can.
#[test]
fn a_register_of_an_earlier_session_is_not_late_in_a_new_one() {
    for (server, is_doubted) in [
        (secured("one", 101, DAY), false),
        (open("one", 101, DAY), true),
    ] {
        let mut hosts = Hosts::new(tree([server]));
        hosts.client.start(hosts.now);
        hosts.connect(account(0), Session::New);
        hosts.register(account(0));
        hosts.lose(account(0));
        hosts.pass(Duration::from_secs(10));
        hosts.connect(account(0), Session::New);
        let register = hosts.register(account(0));
        hosts.accept(account(0), &register);
        hosts.pass(Duration::from_secs(100));
        assert_eq!(hosts.is_silent(), !is_doubted);
    }
}
