//! Changes that the application decides about: it may refuse a Write, a Create or a Delete, and may take its
//! time (TS 5.4.3, 5.4.6, 5.4.7).

use core::time::Duration;

use lwm2m_core::{
    AccessRights, Code, ContentFormat, InstanceId, Method, ObjectId, Operation, Value,
};
use lwm2m_kit::account;
use lwm2m_objects::{
    Change, Store,
    typed::{AccessControl, Server},
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent,
    client::{DeferredEnd, DeferredError, DeferredId, DeferredOperation, InvalidAnswer},
    coap::{MessageBuf, MessageType, Token},
};

use crate::{
    creating::jobs,
    observe::observe,
    servers::{Two, access, access_control},
    support::{Bench, Sent, on, path, server_id, tree},
};

/// A Client with a job, whose application decides about all changes of jobs.
fn bench() -> Bench {
    let mut tree = tree(Server::new(server_id(101), 86_400));
    let job = jobs().with(InstanceId::ZERO, 0, 0);
    tree.add(job.with(InstanceId::ZERO, 1, 5));
    let mut bench = Bench::with_tree(ClientConfig::new("consent", [7; 32]), tree);
    bench.accept_register();
    bench
        .client
        .deferred()
        .defer(DeferredOperation::Change, path("/26242"));
    bench
}

fn tlv(method: Method, at: &str, payload: &[u8]) -> MessageBuf {
    let mut request = on(method, at);
    request.content_format(ContentFormat::TLV).unwrap();
    request.payload(payload);
    request
}

fn write() -> MessageBuf {
    tlv(Method::Put, "/26242/0/1", b"\xC1\x01\x09")
}

fn create() -> MessageBuf {
    tlv(Method::Post, "/26242", b"\xC1\x01\x07")
}

fn delete() -> MessageBuf {
    on(Method::Delete, "/26242/0")
}

/// Sends a request, which isn't answered at once; returns what the application is asked.
fn asked(bench: &mut Bench, request: MessageBuf) -> (DeferredId, Operation, Vec<Change>) {
    let id = bench.message_id();
    let wire = request.finish(MessageType::Confirmable, id, Token::new(b"c").unwrap());
    bench.datagram(wire.as_ref());
    assert!(bench.all_sent().is_empty(), "no answer has left");
    match &bench.events()[..] {
        [
            ClientEvent::ChangeAsked {
                request,
                account: asker,
                operation,
                changes,
                ..
            },
        ] => {
            assert_eq!(*asker, account(0));
            (*request, *operation, changes.clone())
        }
        events => panic!("{events:?}"),
    }
}

fn interval(bench: &Bench, id: u16) -> Option<Value> {
    bench.client.tree().get(path(&format!("/26242/{id}/1")))
}

/// Acknowledges what was sent, and answers the Updates that follow.
fn acknowledge(bench: &mut Bench, mut sent: Vec<Sent>) {
    while !sent.is_empty() {
        for message in sent {
            let id = message.message().message_id();
            match message.kind() {
                MessageType::Confirmable if message.path() == "/rd/a" => {
                    bench.answer(&message, MessageBuf::response(Code::CHANGED));
                }
                MessageType::Confirmable => {
                    let [high, low] = id.to_be_bytes();
                    bench.datagram(&[0x60, 0, high, low]);
                }
                _ => {}
            }
        }
        sent = bench.all_sent();
    }
}

#[test]
fn nothing_changes_before_the_application_agrees() {
    type Step = (fn() -> MessageBuf, Operation, Vec<Change>, Code);

    let mut bench = bench();
    let set = |at: &str, value: i64| Change::Set {
        path: path(at),
        value: value.into(),
    };
    let instance = |id: u16| path(&format!("/26242/{id}"));
    let steps: [Step; 3] = [
        (
            write,
            Operation::Write,
            vec![set("/26242/0/1", 9)],
            Code::CHANGED,
        ),
        (
            create,
            Operation::Create,
            vec![
                Change::Create { path: instance(1) },
                set("/26242/1/1", 7),
                set("/26242/1/0", 0),
            ],
            Code::CREATED,
        ),
        (
            delete,
            Operation::Delete,
            vec![Change::Delete { path: instance(0) }],
            Code::DELETED,
        ),
    ];
    for (request, operation, changes, code) in steps {
        let before = [interval(&bench, 0), interval(&bench, 1)];
        let (id, of, told) = asked(&mut bench, request());
        assert_eq!((of, told), (operation, changes));
        bench.pass(Duration::from_secs(20));
        assert_eq!([interval(&bench, 0), interval(&bench, 1)], before);
        bench.all_sent();
        assert_eq!(
            bench.client.deferred().answer_change(bench.now, id, Ok(())),
            Ok(code)
        );
        let messages = bench.all_sent();
        assert_eq!(messages[0].code(), code);
        assert_ne!([interval(&bench, 0), interval(&bench, 1)], before);
        if code == Code::CREATED {
            assert_eq!(messages[0].location().join("/"), "26242/1");
        }
        // What follows, follows; the application knows of it.
        acknowledge(&mut bench, messages);
        let mut events = bench.events().into_iter();
        assert!(events.all(|event| matches!(event, ClientEvent::Updated { .. })));
    }
}

#[test]
fn the_application_refuses_a_change_with_a_code_of_the_operation() {
    type Row = (fn() -> MessageBuf, Operation, Code);
    let requests: [Row; 3] = [
        (write, Operation::Write, Code::UNSUPPORTED_CONTENT_FORMAT),
        (create, Operation::Create, Code::UNSUPPORTED_CONTENT_FORMAT),
        (delete, Operation::Delete, Code::METHOD_NOT_ALLOWED),
    ];
    for (request, operation, code) in requests {
        let mut bench = bench();
        let (id, ..) = asked(&mut bench, request());
        let now = bench.now;
        let wrong = bench
            .client
            .deferred()
            .answer_change(now, id, Err(Code::NOT_ACCEPTABLE));
        let invalid = InvalidAnswer::Code(operation, Code::NOT_ACCEPTABLE);
        assert_eq!(wrong, Err(DeferredError::Invalid(invalid)));
        let other = bench.client.deferred().answer_execute(now, id, Ok(()));
        let invalid = InvalidAnswer::Operation(DeferredOperation::Execute);
        assert_eq!(other, Err(DeferredError::Invalid(invalid)));
        assert_eq!(
            bench.client.deferred().answer_change(now, id, Err(code)),
            Ok(code)
        );
        assert_eq!(bench.sent().code(), code);
        assert_eq!(interval(&bench, 0), Some(Value::Integer(5)));
        assert_eq!(interval(&bench, 1), None);
        let again = bench.client.deferred().answer_change(now, id, Ok(()));
        assert_eq!(again, Err(DeferredError::NotOpen(id)));
    }
}

#[test]
fn what_is_refused_anyway_does_not_trouble_the_application() {
    let mut bench = bench();
    for (request, code) in [
        (
            tlv(Method::Put, "/26242/0/1", b"\xC1\x01"),
            Code::BAD_REQUEST,
        ),
        (
            tlv(Method::Put, "/26242/0/0", b"\xC1\x00\x01"),
            Code::METHOD_NOT_ALLOWED,
        ),
        (tlv(Method::Post, "/26242", b"\xC1\x02x"), Code::BAD_REQUEST),
        (on(Method::Delete, "/26242/3"), Code::NOT_FOUND),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(bench.code(request), code, "{shown}");
    }
    assert!(bench.events().is_empty());
}

#[test]
fn a_change_that_nobody_decides_about_fails_in_time() {
    let mut bench = bench();
    let (id, ..) = asked(&mut bench, write());
    bench.pass(Duration::from_secs(60));
    let answer = bench.all_sent().pop().unwrap();
    assert_eq!(answer.code(), Code::INTERNAL_SERVER_ERROR);
    let reason = DeferredEnd::TimedOut;
    assert_eq!(
        bench.events(),
        [ClientEvent::DeferredEnded {
            request: id,
            reason
        }]
    );
    assert_eq!(interval(&bench, 0), Some(Value::Integer(5)));
}

/// What holds is what is there when the application answers.
#[test]
fn a_change_is_checked_again_when_the_application_agrees() {
    let mut bench = bench();
    let now = bench.now;
    // The job is gone.
    let (id, ..) = asked(&mut bench, write());
    let gone = [Change::Delete {
        path: path("/26242/0"),
    }];
    bench.client.change(now, gone).unwrap();
    let answered = bench.client.deferred().answer_change(now, id, Ok(()));
    assert_eq!(answered, Ok(Code::NOT_FOUND));
    // The identifier is taken.
    let named = tlv(Method::Post, "/26242", &[0x08, 2, 0x03, 0xC1, 0x01, 0x07]);
    let (id, ..) = asked_again(&mut bench, named);
    let taken = [
        Change::Create {
            path: path("/26242/2"),
        },
        Change::Set {
            path: path("/26242/2/0"),
            value: 3.into(),
        },
    ];
    bench.client.change(now, taken).unwrap();
    let answered = bench.client.deferred().answer_change(now, id, Ok(()));
    assert_eq!(answered, Ok(Code::BAD_REQUEST));
    // Another one is chosen than at first.
    let (id, _, changes) = asked_again(&mut bench, create());
    assert_eq!(changes[0].path(), path("/26242/0"));
    let taken = Change::Create {
        path: path("/26242/0"),
    };
    bench.client.change(now, [taken]).unwrap();
    bench.all_sent();
    let answered = bench.client.deferred().answer_change(now, id, Ok(()));
    assert_eq!(answered, Ok(Code::CREATED));
    let sent = bench.all_sent();
    let answer = sent.iter().find(|sent| sent.code() == Code::CREATED);
    assert_eq!(answer.unwrap().location().join("/"), "26242/1");
}

/// Like [`asked`], while Updates are under way.
fn asked_again(bench: &mut Bench, request: MessageBuf) -> (DeferredId, Operation, Vec<Change>) {
    bench.all_sent();
    bench.events();
    asked(bench, request)
}

#[test]
fn a_right_that_is_lost_meanwhile_refuses_the_change() {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let rights = |second| access_control([access(26242, 0, [AccessControl::OWNER_RIGHTS, second])]);
    let mut two = Two::with(servers, |tree| {
        tree.add(rights(AccessRights::WRITE));
        let job = jobs().with(InstanceId::ZERO, 0, 0);
        tree.add(job.with(InstanceId::ZERO, 1, 5));
    });
    two.client
        .deferred()
        .defer(DeferredOperation::Change, path("/26242/0/1"));
    let wire = write().finish(MessageType::Confirmable, 0x6666, Token::EMPTY);
    two.datagram(1, wire.as_ref());
    let Some(ClientEvent::ChangeAsked { request, .. }) = two.client.poll_event() else {
        panic!("nobody is asked");
    };
    let now = two.now;
    two.client
        .object(now, ObjectId::ACCESS_CONTROL, |store: &mut Store| {
            *store = rights(AccessRights::READ);
        });
    let answered = two.client.deferred().answer_change(now, request, Ok(()));
    assert_eq!(answered, Ok(Code::UNAUTHORIZED));
}

#[test]
fn only_changes_of_what_is_named_are_asked_about() {
    let mut bench = bench();
    let all = path("/26242");
    assert!(bench.client.deferred().stop(DeferredOperation::Change, all));
    bench
        .client
        .deferred()
        .defer(DeferredOperation::Change, path("/26242/0/2"));
    // Another Resource, and another Object Instance.
    assert_eq!(bench.code(write()), Code::CHANGED);
    let (created, _) = bench.answered(b"c", create());
    assert_eq!(created.code(), Code::CREATED);
    let note = tlv(Method::Put, "/26242/1/2", b"\xC1\x02x");
    let (written, _) = bench.answered(b"c", note);
    assert_eq!(written.code(), Code::CHANGED);
    bench.events();
    // The Object Instance has the Resource in it.
    for request in [
        tlv(Method::Put, "/26242/0/2", b"\xC1\x02x"),
        tlv(Method::Post, "/26242/0", b"\xC1\x01\x09"),
        delete(),
    ] {
        let (id, ..) = asked_again(&mut bench, request);
        let refused = Err(Code::METHOD_NOT_ALLOWED);
        bench
            .client
            .deferred()
            .answer_change(bench.now, id, refused)
            .unwrap();
    }
}

/// An agreed Write is notified as any other.
#[test]
fn a_change_that_was_agreed_to_is_notified() {
    let mut bench = bench();
    bench.request(b"o", observe(0, "/26242/0/1"));
    bench.events();
    let (id, ..) = asked(&mut bench, write());
    bench
        .client
        .deferred()
        .answer_change(bench.now, id, Ok(()))
        .unwrap();
    bench.pass(Duration::ZERO);
    let sent = bench.all_sent();
    let notified = sent.iter().any(|sent| sent.message().observe().is_some());
    assert!(notified, "{sent:?}");
}
