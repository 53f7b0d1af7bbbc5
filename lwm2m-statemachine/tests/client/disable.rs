//! Disable (TS E.2, Resources 4 and 5): the server is left, nothing is sent to it and nothing answered until the time
//! is over, and then the Client registers.

mod ending;
pub(crate) mod kept;

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, Instant, Method};
use lwm2m_kit::{account, get};
use lwm2m_objects::{
    ObjectTree,
    typed::{Security, Server},
};
use lwm2m_statemachine::{
    AccountId, ClientEvent, RegistrationFailure, Session,
    client::{DeferredOperation, RegistrationState},
    coap::{MessageBuf, MessageType, Token},
};

use crate::{
    hosts::{Hosts, open, tree},
    servers::{access, access_control},
    support::{Sent, on, path},
};

const DAY: u32 = 86_400;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An account of a server that may be disabled, for this long if that is said.
pub(crate) fn may_be_disabled(host: &str, id: u16, timeout: Option<u32>) -> (Security, Server) {
    let (security, server) = open(host, id, 10 * DAY);
    let server = Server {
        disable: true,
        disable_timeout: timeout,
        ..server
    };
    (security, server)
}

/// Two servers; each may execute in both Server Object Instances, and write them.
fn two() -> ObjectTree {
    let mut tree = tree([
        may_be_disabled("one", 101, Some(60)),
        may_be_disabled("two", 102, Some(60)),
    ]);
    let rights = [AccessRights::EXECUTE | AccessRights::WRITE | AccessRights::READ; 2];
    let controlled = [(1, 10), (1, 11), (3, 0)];
    tree.add(access_control(
        controlled.map(|(object, at)| access(object, at, rights)),
    ));
    tree
}

/// Registered with the servers of this tree.
fn registered(tree: ObjectTree) -> Hosts {
    let mut hosts = Hosts::new(tree);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    hosts
}

/// Registered with one server that may be disabled.
fn one(timeout: Option<u32>) -> Hosts {
    registered(tree([may_be_disabled("one", 101, timeout)]))
}

pub(crate) fn disable() -> MessageBuf {
    on(Method::Post, "/1/10/4")
}

fn write(at: &str, value: &str) -> MessageBuf {
    let mut write = on(Method::Put, at);
    write.content_format(ContentFormat::TEXT).unwrap();
    write.payload(value.as_bytes());
    write
}

pub(crate) fn state(hosts: &Hosts, of: AccountId) -> RegistrationState {
    hosts.client.account(of).unwrap().state
}

fn disabled(of: AccountId, until: Instant) -> ClientEvent {
    ClientEvent::Disabled { account: of, until }
}

/// The server of an account sends a request; what is sent then.
pub(crate) fn asks(
    hosts: &mut Hosts,
    of: AccountId,
    request: MessageBuf,
) -> Vec<(AccountId, Sent)> {
    let link = hosts.link(of);
    hosts.request(link, request);
    hosts.sent()
}

/// The server of `by` executes Disable of the server of `of`, which accepts the De-register.
pub(crate) fn disables(hosts: &mut Hosts, by: AccountId, of: AccountId) {
    let instance = hosts.client.account(of).unwrap().server_instance;
    let target = format!("/1/{}/4", instance.unwrap());
    let sent = asks(hosts, by, on(Method::Post, &target));
    let [(first, answer), (second, deregister)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((*first, answer.code()), (by, Code::CHANGED));
    assert_eq!((*second, deregister.code()), (of, Code::DELETE));
    hosts.answer_code(deregister, Code::DELETED);
    assert!(!hosts.linked().contains(&of));
    assert_eq!(state(hosts, of), RegistrationState::Disabled);
}

/// Acknowledges a confirmable message.
pub(crate) fn acknowledge(hosts: &mut Hosts, sent: &Sent) {
    assert_eq!(sent.kind(), MessageType::Confirmable);
    let id = sent.message().message_id();
    let empty = MessageBuf::new(Code::EMPTY);
    let wire = empty.finish(MessageType::Acknowledgement, id, Token::EMPTY);
    hosts.datagram(sent.to, wire.as_ref());
}

/// The Client registers with the server of an account on a new connection.
pub(crate) fn registers(hosts: &mut Hosts, of: AccountId) {
    hosts.connect(of, Session::New);
    let register = hosts.register(of);
    assert!(
        register
            .queries()
            .iter()
            .any(|query| query.starts_with("ep="))
    );
    hosts.accept(of, &register);
    assert_eq!(state(hosts, of), RegistrationState::Registered);
}

#[test]
fn a_disabled_server_is_left_after_the_answer_and_registered_with_when_the_time_is_over() {
    let mut hosts = one(Some(60));
    let of = account(0);
    let link = hosts.link(of);
    let sent = asks(&mut hosts, of, disable());
    let [(_, answer), (_, deregister)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(answer.code(), Code::CHANGED);
    assert_eq!(deregister.code(), Code::DELETE);
    assert_eq!(deregister.path(), "/rd/0");
    assert_eq!(state(&hosts, of), RegistrationState::Deregistering);
    assert_eq!(hosts.linked(), [of], "until the answer");
    hosts.answer_code(deregister, Code::DELETED);
    assert_eq!(hosts.linked(), []);
    let until = hosts.now + seconds(60);
    let deregistered = ClientEvent::Deregistered { account: of };
    assert_eq!(hosts.events(), [deregistered, disabled(of, until)]);
    assert_eq!(state(&hosts, of), RegistrationState::Disabled);

    // It may go on sending.
    hosts.pass(seconds(30));
    hosts.request(link, get("/3/0/0"));
    hosts.request(link, on(Method::Post, "/1/10/8"));
    let ping = MessageBuf::new(Code::EMPTY).finish(MessageType::Confirmable, 9, Token::EMPTY);
    hosts.datagram(link, ping.as_ref());
    assert!(hosts.is_silent());
    hosts.pass(seconds(29));
    assert!(hosts.is_silent());
    assert_eq!(hosts.linked(), []);
    hosts.pass(seconds(1));
    assert_eq!(hosts.linked(), [of]);
    registers(&mut hosts, of);
    let read = asks(&mut hosts, of, get("/3/0/0"));
    assert_eq!(read[0].1.code(), Code::CONTENT);
}

/// TS E.2: one day, if nothing is said.
#[test]
fn the_time_is_the_disable_timeout_of_the_execute() {
    for (timeout, lasts) in [(None, 86_400), (Some(5), 5)] {
        let mut hosts = one(timeout);
        disables(&mut hosts, account(0), account(0));
        let until = hosts.now + seconds(lasts);
        assert!(hosts.events().contains(&disabled(account(0), until)));
        // What the application writes meanwhile is for the next time.
        if timeout.is_some() {
            let now = hosts.now;
            hosts.client.set(now, path("/1/10/5"), 1_000_000).unwrap();
        }
        hosts.pass(seconds(lasts - 1));
        assert_eq!(hosts.linked(), []);
        hosts.pass(seconds(1));
        registers(&mut hosts, account(0));
    }
}

#[test]
fn what_the_server_has_written_as_the_timeout_counts() {
    let mut hosts = one(Some(60));
    let sent = asks(&mut hosts, account(0), write("/1/10/5", "7"));
    assert_eq!(sent[0].1.code(), Code::CHANGED);
    hosts.events();
    disables(&mut hosts, account(0), account(0));
    assert_eq!(
        hosts.client.disabled_for(hosts.now, account(0)),
        Some(seconds(7))
    );
}

/// A Disable Timeout of zero is a period of nothing: the Client leaves, and registers anew.
#[test]
fn a_disable_timeout_of_zero_leaves_and_registers_at_once() {
    let mut hosts = one(Some(0));
    let of = account(0);
    let old = hosts.link(of);
    let sent = asks(&mut hosts, of, disable());
    hosts.answer_code(&sent[1].1, Code::DELETED);
    assert_ne!(hosts.link(of), old);
    registers(&mut hosts, of);
}

#[test]
fn a_deregister_without_an_answer_is_waited_for_and_then_the_time_begins() {
    let mut hosts = one(Some(60));
    asks(&mut hosts, account(0), disable());
    hosts.pass(seconds(93));
    let events = hosts.events();
    let reason = RegistrationFailure::Timeout;
    let failed = ClientEvent::DeregisterFailed {
        account: account(0),
        reason,
    };
    assert_eq!(events[0], failed);
    let [_, ClientEvent::Disabled { until, .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert!(until > hosts.now && until <= hosts.now + seconds(60));
    while hosts
        .sent()
        .iter()
        .any(|(_, sent)| sent.code() == Code::DELETE)
    {}
    assert_eq!(hosts.linked(), []);
    hosts.pass(seconds(60));
    registers(&mut hosts, account(0));
}

/// The copies of a lost answer aren't sent: the registration is over.
#[test]
fn a_server_that_is_being_left_gets_no_further_answer() {
    let mut hosts = one(Some(60));
    asks(&mut hosts, account(0), disable());
    assert_eq!(asks(&mut hosts, account(0), get("/3/0/0")), []);
    assert_eq!(asks(&mut hosts, account(0), disable()), []);
}

#[test]
fn a_server_may_disable_another_one_and_stays_registered_itself() {
    let mut hosts = registered(two());
    let (by, of) = (account(1), account(0));
    disables(&mut hosts, by, of);
    hosts.events();
    let read = asks(&mut hosts, by, get("/3/0/0"));
    assert_eq!(read[0].1.code(), Code::CONTENT);
    hosts.pass(seconds(60));
    registers(&mut hosts, of);
}

#[test]
fn a_server_without_the_right_disables_nobody() {
    let mut tree = two();
    let rights = [AccessRights::EXECUTE, AccessRights::READ];
    tree.add(access_control([access(1, 10, rights)]));
    let mut hosts = registered(tree);
    let sent = asks(&mut hosts, account(1), disable());
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1.code(), Code::UNAUTHORIZED);
    assert!(hosts.client.is_registered(account(0)));
}

/// Updates, triggers and what the application asks for have no effect meanwhile.
#[test]
fn nothing_is_sent_to_a_disabled_server_whatever_happens() {
    let mut hosts = registered(two());
    let (by, of) = (account(1), account(0));
    disables(&mut hosts, by, of);
    hosts.events();
    // Its Registration Update Trigger, its lifetime, and its Disable Timeout.
    for request in [
        on(Method::Post, "/1/10/8"),
        write("/1/10/1", "1000"),
        write("/1/10/5", "5"),
    ] {
        let sent = asks(&mut hosts, by, request);
        assert!(sent.iter().all(|(to, _)| *to == by), "{sent:?}");
        assert_eq!(sent[0].1.code(), Code::CHANGED);
    }
    let now = hosts.now;
    hosts.client.update(now, of);
    hosts.client.start(now);
    hosts.client.set(now, path("/3/0/9"), 3).unwrap();
    hosts.client.go_offline(now);
    hosts.client.go_online(now);
    for (to, _) in hosts.sent() {
        assert_eq!(to, by);
    }
    assert_eq!(hosts.linked(), [by]);
    assert_eq!(state(&hosts, of), RegistrationState::Disabled);
}

#[test]
fn disabling_a_disabled_server_begins_the_time_anew() {
    let mut hosts = registered(two());
    let (by, of) = (account(1), account(0));
    disables(&mut hosts, by, of);
    hosts.events();
    hosts.pass(seconds(50));
    let sent = asks(&mut hosts, by, disable());
    assert_eq!(sent.len(), 1, "there is nothing to leave");
    assert_eq!(hosts.events(), [disabled(of, hosts.now + seconds(60))]);
    hosts.pass(seconds(59));
    assert_eq!(hosts.linked(), [by]);
    hosts.pass(seconds(1));
    registers(&mut hosts, of);
}

/// The server may have accepted it: its answer is waited for.
#[test]
fn a_server_that_is_disabled_while_its_register_is_under_way_is_left_after_the_answer() {
    let mut hosts = Hosts::new(two());
    let (by, of) = (account(1), account(0));
    hosts.client.start(hosts.now);
    hosts.connect(by, Session::New);
    hosts.accept_all();
    hosts.connect(of, Session::New);
    let register = hosts.register(of);
    let sent = asks(&mut hosts, by, disable());
    assert_eq!(sent.len(), 1);
    assert_eq!(state(&hosts, of), RegistrationState::Deregistering);
    hosts.accept(of, &register);
    let deregister = hosts.deregister(of);
    hosts.answer_code(&deregister, Code::DELETED);
    assert_eq!(state(&hosts, of), RegistrationState::Disabled);
}

#[test]
fn a_server_without_a_connection_is_disabled_at_once() {
    let mut hosts = registered(two());
    let (by, of) = (account(1), account(0));
    hosts.lose(of);
    let sent = asks(&mut hosts, by, disable());
    assert_eq!(sent.len(), 1);
    let reason = RegistrationFailure::Disconnected;
    let failed = ClientEvent::DeregisterFailed {
        account: of,
        reason,
    };
    let until = hosts.now + seconds(60);
    assert_eq!(hosts.events(), [failed, disabled(of, until)]);
    assert_eq!(hosts.linked(), [by]);
}

/// The application may be asked, as for any Execute.
#[test]
fn the_application_may_refuse_disable_or_agree_later() {
    for code in [Code::UNAUTHORIZED, Code::CHANGED] {
        let mut hosts = one(Some(60));
        let execute = DeferredOperation::Execute;
        hosts.client.deferred().defer(execute, path("/1/10/4"));
        asks(&mut hosts, account(0), disable());
        let events = hosts.events();
        let [ClientEvent::ExecuteAsked { request, .. }] = events[..] else {
            panic!("{events:?}");
        };
        hosts.pass(seconds(10));
        // The empty acknowledgement.
        hosts.sent();
        let now = hosts.now;
        let answer = if code == Code::CHANGED {
            Ok(())
        } else {
            Err(code)
        };
        let mut deferred = hosts.client.deferred();
        deferred.answer_execute(now, request, answer).unwrap();
        let sent = hosts.sent();
        assert_eq!(sent[0].1.code(), code);
        let agreed = code == Code::CHANGED;
        let expected = if agreed {
            RegistrationState::Deregistering
        } else {
            RegistrationState::Registered
        };
        assert_eq!(state(&hosts, account(0)), expected);
        if !agreed {
            continue;
        }
        acknowledge(&mut hosts, &sent[0].1);
        let deregister = hosts.deregister(account(0));
        hosts.answer_code(&deregister, Code::DELETED);
        assert_eq!(state(&hosts, account(0)), RegistrationState::Disabled);
    }
}

#[test]
fn discover_shows_disable_where_it_is_supported() {
    for (disable, shown) in [(true, true), (false, false)] {
        let (security, server) = may_be_disabled("one", 101, None);
        let mut hosts = registered(tree([(security, Server { disable, ..server })]));
        let mut discover = get("/1/10");
        discover.accept(ContentFormat::LINK_FORMAT).unwrap();
        let sent = asks(&mut hosts, account(0), discover);
        let links = String::from_utf8(sent[0].1.payload().to_vec()).unwrap();
        assert_eq!(links.contains("</1/10/4>"), shown, "{links}");
        let code = asks(&mut hosts, account(0), on(Method::Post, "/1/10/4"))[0]
            .1
            .code();
        let expected = if disable {
            Code::CHANGED
        } else {
            Code::NOT_FOUND
        };
        assert_eq!(code, expected);
    }
}
