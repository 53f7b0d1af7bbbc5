//! The Client leaves its servers (TS 5.3.3).

use core::time::Duration;

use lwm2m_core::{Code, Method, ObjectId};
use lwm2m_kit::{account, path};
use lwm2m_objects::typed::Server;
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, RegistrationFailure, Session,
    client::{DeferredId, DeferredOperation, RegistrationState},
    coap::{MessageBuf, MessageType},
};

use crate::{
    hosts::{Hosts, create, delete, location, open, secured, tree},
    support::{get, on, server_id},
};

const DAY: u32 = 86_400;

#[test]
fn each_server_is_left_with_its_answer_or_without_one() {
    let mut hosts = Hosts::registered((1..4).map(|id| open("host", 100 + id, DAY)));
    hosts.client.deregister(hosts.now);
    let sent = hosts.sent();
    for (of, deregister) in &sent {
        assert_eq!(deregister.code(), Code::DELETE);
        assert_eq!(deregister.path(), location(*of));
    }
    let [(_, first), (_, second), _] = &sent[..] else {
        panic!("{sent:?}");
    };
    hosts.answer_code(first, Code::DELETED);
    hosts.answer_code(second, Code::BAD_REQUEST);
    let (one, two, three) = (account(0), account(1), account(2));
    assert_eq!(
        hosts.events(),
        [
            ClientEvent::Deregistered { account: one },
            ClientEvent::DeregisterFailed {
                account: two,
                reason: RegistrationFailure::Refused(Code::BAD_REQUEST)
            }
        ]
    );
    // The connection of the third is kept until it is clear that there is no answer.
    assert_eq!(hosts.linked(), [three]);
    hosts.pass(Duration::from_secs(93));
    assert_eq!(
        hosts.events(),
        [ClientEvent::DeregisterFailed {
            account: three,
            reason: RegistrationFailure::Timeout
        }]
    );
    assert_eq!(hosts.linked(), []);
    let mut all = hosts.client.accounts();
    assert!(all.all(|status| status.state == RegistrationState::Stopped));
}

#[test]
fn a_client_that_starts_again_while_it_leaves_registers_afterwards() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    let old = hosts.link(account(0));
    hosts.client.deregister(hosts.now);
    let deregister = hosts.deregister(account(0));
    hosts.client.start(hosts.now);
    assert!(hosts.is_silent());
    hosts.answer_code(&deregister, Code::DELETED);
    assert_ne!(hosts.link(account(0)), old);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
}

#[test]
fn a_client_that_leaves_gives_up_an_update_and_serves_no_request() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    hosts.client.deregister(hosts.now);
    let deregister = hosts.deregister(account(0));
    let link = hosts.link(account(0));
    hosts.request(link, get("/3/0/0"));
    hosts.request(link, on(Method::Post, "/1/10/8"));
    hosts.answer_code(&update, Code::CHANGED);
    assert!(hosts.is_silent());
    assert_eq!(hosts.events(), []);
    hosts.answer_code(&deregister, Code::NOT_FOUND);
    let gone = ClientEvent::Deregistered {
        account: account(0),
    };
    assert_eq!(hosts.events(), [gone]);
}

#[test]
fn a_client_that_leaves_without_a_connection_says_that_its_servers_do_not_know() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    hosts.lose(account(0));
    hosts.pass(Duration::from_secs(5));
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.client.deregister(hosts.now);
    assert_eq!(
        hosts.events(),
        [ClientEvent::DeregisterFailed {
            account: account(0),
            reason: RegistrationFailure::Disconnected
        }]
    );
    // The connection that was asked for is no longer needed.
    assert_eq!(hosts.linked(), []);
    assert_eq!(hosts.client.poll_timeout(), None);
}

#[test]
fn leaving_before_the_start_does_nothing() {
    let mut hosts = Hosts::new(tree([open("one", 101, DAY)]));
    hosts.client.deregister(hosts.now);
    assert!(hosts.is_silent());
    assert_eq!(hosts.events(), []);
    hosts.client.start(hosts.now);
    assert_eq!(hosts.linked(), [account(0)]);
}

/// Two exchanges fail at once, in either order; one of them was the last on its connection.
#[test]
fn a_connection_is_closed_before_the_next_one_is_asked_for() {
    for seed in 0..8 {
        let config = ClientConfig::new("example-client", [seed; 32]);
        let objects = tree([open("one", 101, DAY), open("two", 102, DAY)]);
        let mut hosts = Hosts::with(config, objects);
        hosts.client.start(hosts.now);
        hosts.connect_all(Session::New);
        hosts.accept_all();
        let old = hosts.link(account(1));
        let deleted = [delete(ObjectId::SERVER, 11)];
        hosts.client.change(hosts.now, deleted).unwrap();
        let created = create(11, Server::new(server_id(102), DAY));
        hosts.client.change(hosts.now, created).unwrap();
        assert_eq!(hosts.sent().len(), 2, "a De-register and an Update");
        hosts.sleep(Duration::from_secs(100));
        let events = lwm2m_kit::events(&mut hosts.client);
        let at = |of: fn(&ClientEvent) -> bool| events.iter().position(of);
        let closed = at(|event| matches!(event, ClientEvent::Disconnect { .. })).unwrap();
        let asked = at(|event| matches!(event, ClientEvent::Connect { .. })).unwrap();
        assert!(closed < asked, "{events:?}");
        assert_eq!(events[closed], ClientEvent::Disconnect { connection: old });
    }
}

/// Gives the Client a request that the application answers after its acknowledgement.
fn defers(hosts: &mut Hosts, request: MessageBuf) -> DeferredId {
    let link = hosts.link(account(0));
    hosts.request(link, request);
    hosts.pass(Duration::from_millis(1999));
    let (_, last) = hosts.sent().pop().unwrap();
    assert_eq!(last.kind(), MessageType::Acknowledgement);
    let mut events = hosts.events().into_iter();
    let asked = events.find_map(|event| match event {
        ClientEvent::ChangeAsked { request, .. } | ClientEvent::ReadAsked { request, .. } => {
            Some(request)
        }
        _ => None,
    });
    asked.unwrap()
}

/// A server deletes its own account, and the application takes its time to agree. The answer waits for the
/// acknowledgement of another one (RFC 7252 §4.7), which may never come. It leaves before the De-register, and
/// the other one isn't repeated.
#[test]
fn the_answer_to_the_delete_of_an_own_account_leaves_before_the_deregister() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let mut deferred = hosts.client.deferred();
    deferred.defer(DeferredOperation::Change, path("/1"));
    deferred.defer(DeferredOperation::Read, path("/3/0/9"));
    let read = defers(&mut hosts, get("/3/0/9"));
    let (now, mut deferred) = (hosts.now, hosts.client.deferred());
    let answered = deferred.answer_read(now, read, Ok(()));
    assert_eq!(answered, Ok(Code::CONTENT));
    assert_eq!(hosts.only().1.code(), Code::CONTENT);
    let delete = defers(&mut hosts, on(Method::Delete, "/1/10"));
    let (now, mut deferred) = (hosts.now, hosts.client.deferred());
    let answered = deferred.answer_change(now, delete, Ok(()));
    assert_eq!(answered, Ok(Code::DELETED));
    assert!(hosts.is_silent(), "one message is outstanding at a time");
    hosts.pass(Duration::from_secs(2));
    let sent = hosts.sent();
    let [(_, answer), (_, deregister)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(answer.code(), Code::DELETED);
    assert_eq!(answer.message().token().as_bytes(), b"r");
    assert_eq!(deregister.code(), Code::DELETE);
    hosts.pass(Duration::from_secs(20));
    let repeated = hosts.sent();
    assert!(!repeated.is_empty());
    for (_, sent) in repeated {
        assert_eq!(sent.code(), Code::DELETE);
    }
    hosts.answer_code(deregister, Code::DELETED);
    assert_eq!(hosts.linked(), []);
}

/// After the lifetime nothing is sent before the Register, not even what was waiting for its turn (TS 5.3).
#[test]
fn an_answer_that_waits_when_the_lifetime_ends_is_not_sent() {
    let mut hosts = Hosts::registered([open("one", 101, 60)]);
    let mut deferred = hosts.client.deferred();
    deferred.defer(DeferredOperation::Read, path("/3/0"));
    // The Client doesn't hear of its Updates.
    hosts.pass(Duration::from_secs(55));
    hosts.sent();
    let mut asked = [get("/3/0/9"), get("/3/0/13")].map(|request| {
        let link = hosts.link(account(0));
        hosts.request(link, request);
        let mut events = hosts.events().into_iter();
        let request = events.find_map(|event| match event {
            ClientEvent::ReadAsked { request, .. } => Some(request),
            _ => None,
        });
        request.unwrap()
    });
    asked.reverse();
    hosts.pass(Duration::from_secs(2));
    hosts.sent();
    for request in asked {
        let (now, mut deferred) = (hosts.now, hosts.client.deferred());
        let answered = deferred.answer_read(now, request, Ok(()));
        assert_eq!(answered, Ok(Code::CONTENT));
    }
    hosts.sent();
    hosts.sleep(Duration::from_secs(5));
    let sent = hosts.sent();
    let codes: Vec<Code> = sent.iter().map(|(_, sent)| sent.code()).collect();
    assert_eq!(codes, [Code::POST], "the Register alone");
    assert_eq!(sent[0].1.path(), "/rd");
}
