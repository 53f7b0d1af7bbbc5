//! Requests of several servers that are disturbed: by time, by accounts that go, and by changes of the
//! application in between (TS 5.4, 7.3).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, InstanceId, Method, ObjectId, Value};
use lwm2m_objects::{Change, Store, typed::Server};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent,
    client::{DeferredEnd, DeferredError, DeferredId, DeferredOperation},
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

use crate::{
    attributes::write_attributes,
    creating::jobs,
    observe::observe,
    servers::{Two, access, access_control},
    support::{Bench, get, on, path, server_id, tree},
};

const JOB: ObjectId = ObjectId::new(26242);

fn tlv(method: Method, at: &str, payload: &[u8]) -> MessageBuf {
    let mut request = on(method, at);
    request.content_format(ContentFormat::TLV).unwrap();
    request.payload(payload);
    request
}

fn write() -> MessageBuf {
    tlv(Method::Put, "/26242/0/1", b"\xC1\x01\x09")
}

fn one() -> Bench {
    let mut tree = tree(Server::new(server_id(101), 86_400));
    let job = jobs().with(InstanceId::ZERO, 0, 0);
    tree.add(job.with(InstanceId::ZERO, 1, 5));
    let mut bench = Bench::with_tree(ClientConfig::new("disturbed", [7; 32]), tree);
    bench.accept_register();
    bench
}

fn two() -> Two {
    use lwm2m_objects::typed::AccessControl;
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    Two::with(servers, |tree| {
        let all = [AccessControl::OWNER_RIGHTS; 2];
        tree.add(access_control([access(26242, 0, all), access(1, 1, all)]));
        let job = jobs().with(InstanceId::ZERO, 0, 0);
        tree.add(job.with(InstanceId::ZERO, 1, 5));
    })
}

fn asked(event: Option<ClientEvent>) -> DeferredId {
    match event {
        Some(ClientEvent::ChangeAsked { request, .. }) => request,
        event => panic!("{event:?}"),
    }
}

/// An answer after the deadline is too late, whether or not the deadline has been handled.
#[test]
fn an_answer_of_the_application_after_its_deadline_is_too_late() {
    for late in [Duration::from_secs(60), Duration::from_secs(3_600)] {
        let mut bench = one();
        bench
            .client
            .deferred()
            .defer(DeferredOperation::Change, path("/26242"));
        let wire = write().finish(MessageType::Confirmable, 0x6666, Token::EMPTY);
        bench.datagram(wire.as_ref());
        let request = asked(bench.client.poll_event());
        bench.now += late;
        let answered = bench
            .client
            .deferred()
            .answer_change(bench.now, request, Ok(()));
        assert_eq!(answered, Err(DeferredError::NotOpen(request)));
        let reason = DeferredEnd::TimedOut;
        let ended = ClientEvent::DeferredEnded { request, reason };
        assert_eq!(bench.events(), [ended]);
        assert_eq!(
            bench.client.tree().get(path("/26242/0/1")),
            Some(Value::Integer(5))
        );
        assert_eq!(bench.client.usage().deferred, 0);
    }
}

/// With an account go the requests of its server that wait for the application.
#[test]
fn a_change_that_waits_ends_with_the_account_of_its_server() {
    let mut two = two();
    two.client
        .deferred()
        .defer(DeferredOperation::Change, path("/26242"));
    let wire = write().finish(MessageType::Confirmable, 0x6666, Token::EMPTY);
    two.datagram(1, wire.as_ref());
    let request = asked(two.client.poll_event());
    let now = two.now;
    let gone = [(0, 1), (1, 1)].map(|(object, at)| Change::Delete {
        path: path(&format!("/{object}/{at}")),
    });
    two.client.change(now, gone).unwrap();
    let reason = DeferredEnd::RegistrationEnded;
    let ended = ClientEvent::DeferredEnded { request, reason };
    let events: Vec<_> = core::iter::from_fn(|| two.client.poll_event()).collect();
    assert!(events.contains(&ended), "{events:?}");
    let answered = two.client.deferred().answer_change(now, request, Ok(()));
    assert_eq!(answered, Err(DeferredError::NotOpen(request)));
    assert_eq!(
        two.client.tree().get(path("/26242/0/1")),
        Some(Value::Integer(5))
    );
}

#[test]
fn a_change_that_waits_ends_when_the_client_goes_offline() {
    let mut bench = one();
    bench
        .client
        .deferred()
        .defer(DeferredOperation::Change, path("/26242"));
    let wire = write().finish(MessageType::Confirmable, 0x6666, Token::EMPTY);
    bench.datagram(wire.as_ref());
    let request = asked(bench.client.poll_event());
    bench.client.go_offline(bench.now);
    let answered = bench
        .client
        .deferred()
        .answer_change(bench.now, request, Ok(()));
    assert_eq!(answered, Err(DeferredError::NotOpen(request)));
    let value = bench.client.tree().get(path("/26242/0/1"));
    assert_eq!(value, Some(Value::Integer(5)));
    assert_eq!(bench.client.usage().deferred, 0);
}

/// An Object Instance that the application takes out of its Object is gone for all.
#[test]
fn an_instance_that_leaves_its_object_takes_everything_with_it() {
    let mut two = two();
    for server in 0..2 {
        assert_eq!(two.code(server, observe(0, "/26242/0/1")), Code::CONTENT);
        let attributes = write_attributes("/26242/0", "pmin=100");
        assert_eq!(two.code(server, attributes), Code::CHANGED);
    }
    let now = two.now;
    two.client
        .object(now, JOB, |store: &mut Store| *store = jobs());
    for server in [101, 102] {
        let attributes = two.client.reporting().attributes(server_id(server));
        assert_eq!(attributes.count(), 0, "of {server}");
    }
    assert_eq!(two.client.reporting().observations().count(), 0);
    let controls = two.client.tree().instances(ObjectId::ACCESS_CONTROL);
    assert_eq!(controls.count(), 1);
    let sent = two.sent();
    let updates = sent
        .iter()
        .filter(|(_, bytes)| MessageRef::parse(bytes).unwrap().code() == Code::POST);
    assert_eq!(updates.count(), 2);
}

/// Another server takes the place of one: it begins without attributes.
#[test]
fn attributes_go_when_the_application_renames_their_server() {
    let mut two = two();
    let set = write_attributes("/26242/0", "pmin=100");
    assert_eq!(two.code(1, set), Code::CHANGED);
    let now = two.now;
    two.client
        .object(now, ObjectId::SECURITY, |store: &mut Store| {
            let at = InstanceId::new(1).unwrap();
            *store = store.clone().with(at, 10, 103);
        });
    assert_eq!(two.client.reporting().attributes(server_id(102)).count(), 0);
}

/// A server with another Short Server ID is another one: it neither gets what was asked for before, nor its
/// rights.
#[test]
fn what_a_server_has_begun_ends_when_its_account_is_given_to_another() {
    let mut two = two();
    assert_eq!(two.code(1, observe(0, "/26242/0/1")), Code::CONTENT);
    while two.client.poll_event().is_some() {}
    two.client
        .deferred()
        .defer(DeferredOperation::Change, path("/26242"));
    let wire = write().finish(MessageType::Confirmable, 0x6666, Token::EMPTY);
    two.datagram(1, wire.as_ref());
    let request = asked(two.client.poll_event());
    let now = two.now;
    let renamed = ["/0/1/10", "/1/1/0"].map(|at| Change::Set {
        path: path(at),
        value: 103.into(),
    });
    two.client.change(now, renamed).unwrap();
    assert_eq!(two.client.reporting().observations().count(), 0);
    let answered = two.client.deferred().answer_change(now, request, Ok(()));
    assert_eq!(answered, Err(DeferredError::NotOpen(request)));
    let value = two.client.tree().get(path("/26242/0/1"));
    assert_eq!(value, Some(Value::Integer(5)));
}

/// What a server has set for an Object without Object Instances holds for those that come.
#[test]
fn attributes_of_an_empty_object_hold_for_what_is_created() {
    let mut tree = tree(Server::new(server_id(101), 86_400));
    tree.add(jobs());
    let mut bench = Bench::with_tree(ClientConfig::new("disturbed", [7; 32]), tree);
    bench.accept_register();
    let set = write_attributes("/26242", "pmin=10&pmax=60");
    assert_eq!(bench.code(set), Code::CHANGED);
    let (created, _) = bench.answered(b"c", tlv(Method::Post, "/26242", b"\xC1\x01\x07"));
    assert_eq!(created.code(), Code::CREATED);
    for (at, expected) in [
        ("/26242", "</26242>;pmin=10;pmax=60,</26242/0>,"),
        ("/26242/0", "</26242/0>,</26242/0/0>,"),
        ("/26242/0/1", "</26242/0/1>;pmin=10;pmax=60"),
    ] {
        let mut discover = get(at);
        discover.accept(ContentFormat::LINK_FORMAT).unwrap();
        let answer = bench.request(b"d", discover);
        let links = String::from_utf8(answer.payload().to_vec()).unwrap();
        assert!(links.starts_with(expected), "{links}");
    }
}

/// One Create of many Object Instances is one commit, with the rights of each.
#[test]
fn many_instances_are_created_at_once_each_with_its_rights() {
    use lwm2m_objects::typed::{AccessControl, AclTarget};
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        let may_create = AccessControl {
            target: AclTarget::Object(JOB),
            acl: vec![(101, AccessRights::CREATE)],
            owner: AccessControl::NOBODY,
        };
        tree.add(access_control([may_create]).managed(65_534));
        tree.add(jobs().managed(1_000));
    });
    let mut payload = Vec::new();
    for id in 0..90u8 {
        payload.extend_from_slice(&[0x08, id, 0x03, 0xC1, 0x01, 0x07]);
    }
    assert_eq!(
        two.code(0, tlv(Method::Post, "/26242", &payload)),
        Code::CREATED
    );
    let tree = two.client.tree();
    assert_eq!(tree.instances(JOB).count(), 90);
    assert_eq!(tree.instances(ObjectId::ACCESS_CONTROL).count(), 91);
    // Rights of what the application deletes go with it; the next one gets its own.
    let now = two.now;
    for id in 0..90 {
        let gone = Change::Delete {
            path: path(&format!("/26242/{id}")),
        };
        two.client.change_as(now, server_id(102), [gone]).unwrap();
    }
    let tree = two.client.tree();
    assert_eq!(tree.instances(ObjectId::ACCESS_CONTROL).count(), 1);
}

/// The arguments of an Execute are strict, however long they are (TS 5.4.5).
#[test]
fn long_arguments_are_checked_to_their_end() {
    let mut bench = Bench::new();
    let long = "x".repeat(900);
    for (arguments, code) in [
        (format!("0='{long}'"), Code::CHANGED),
        (
            (0..10).map(|n| n.to_string()).collect::<Vec<_>>().join(","),
            Code::CHANGED,
        ),
        (format!("0='{long}',0"), Code::BAD_REQUEST),
        (format!("0='{long}"), Code::BAD_REQUEST),
        (format!("0='{long}',"), Code::BAD_REQUEST),
        (long, Code::BAD_REQUEST),
        (String::from(","), Code::BAD_REQUEST),
        (String::from("0=''"), Code::CHANGED),
    ] {
        let mut execute = on(Method::Post, "/3/0/4");
        execute.payload(arguments.as_bytes());
        let (answer, _) = bench.answered(b"e", execute);
        assert_eq!(answer.code(), code, "{arguments}");
    }
}

/// TS 7.3: the only server has all rights, however it has become the only one.
#[test]
fn a_server_that_becomes_the_only_one_hears_of_what_it_could_not_read() {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        let rights = [AccessRights::READ, AccessRights::NONE];
        tree.add(access_control([access(3, 0, rights)]));
    });
    let empty = two.answer(1, observe(0, "/3"));
    let empty = MessageRef::parse(&empty).unwrap();
    assert_eq!((empty.code(), empty.payload().len()), (Code::CONTENT, 0));
    let account = path("/1/0");
    two.client
        .change(two.now, [Change::Delete { path: account }])
        .unwrap();
    // A Security Object Instance that isn't a Bootstrap-Server's could still be a server's.
    two.client.handle_timeout(two.now);
    let notified = |two: &mut Two| {
        let mut sent = two.sent().into_iter();
        sent.any(|(server, bytes)| {
            let message = MessageRef::parse(&bytes).unwrap();
            server == 1 && message.observe().is_some() && !message.payload().is_empty()
        })
    };
    assert!(!notified(&mut two));
    two.client.set(two.now, path("/0/0/1"), true).unwrap();
    two.client.handle_timeout(two.now);
    assert!(notified(&mut two));
}
