//! Requests that the application answers: it may refuse an Execute before it has an effect, and may
//! answer an Execute or a slow Read later (TS 5.4.1, 5.4.5, 5.5.1).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, Method, ObjectId, Operation, Path};
use lwm2m_kit::account;
use lwm2m_objects::{Change, Store, typed::Server};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Reliability,
    client::{DeferredEnd, DeferredError, DeferredId, DeferredOperation, InvalidAnswer},
    coap::{BlockOption, MessageBuf, MessageType, Token},
};

use crate::{
    observe::observe,
    servers::{Two, access, access_control},
    support::{Bench, Sent, created, get, on, path, server_id},
};

use DeferredOperation::{Execute, Read};

/// A client whose application decides about a Reboot, and supplies the Battery Level.
fn bench() -> Bench {
    bench_with(|_| {})
}

fn bench_with(configure: impl FnOnce(&mut ClientConfig)) -> Bench {
    let mut config = ClientConfig::new("example-client", [7; 32]);
    configure(&mut config);
    let mut bench = Bench::with_config(config, Server::new(server_id(101), 86_400));
    bench.accept_register();
    bench.client.deferred().defer(Execute, path("/3/0/4"));
    bench.client.deferred().defer(Read, path("/3/0/9"));
    bench
}

/// Sends a request that isn't answered at once; returns the application's handle of it.
fn asks(bench: &mut Bench, kind: MessageType, token: &[u8], request: MessageBuf) -> DeferredId {
    let id = bench.message_id();
    let wire = request.finish(kind, id, Token::new(token).unwrap());
    bench.datagram(wire.as_ref());
    assert!(bench.all_sent().is_empty(), "no answer has left");
    asked(bench)
}

fn asked(bench: &mut Bench) -> DeferredId {
    match &bench.events()[..] {
        [ClientEvent::ExecuteAsked { request, .. } | ClientEvent::ReadAsked { request, .. }] => {
            *request
        }
        events => panic!("{events:?}"),
    }
}

fn reboot() -> MessageBuf {
    on(Method::Post, "/3/0/4")
}

fn asks_to_reboot(bench: &mut Bench) -> DeferredId {
    asks(bench, MessageType::Confirmable, b"e", reboot())
}

fn asks_to_read(bench: &mut Bench) -> DeferredId {
    asks(bench, MessageType::Confirmable, b"r", get("/3/0/9"))
}

/// The only event is that a request is over.
fn assert_ended(bench: &mut Bench, request: DeferredId, reason: DeferredEnd) {
    let ended = ClientEvent::DeferredEnded { request, reason };
    assert_eq!(bench.events(), [ended]);
}

#[test]
fn the_application_is_asked_before_an_answer_leaves_and_answers_at_once() {
    let mut bench = bench();
    let mut request = reboot();
    request.payload(b"0='now',1");
    let id = bench.message_id();
    let wire = request.finish(MessageType::Confirmable, id, Token::new(b"e").unwrap());
    bench.datagram(wire.as_ref());
    assert!(bench.all_sent().is_empty());
    let events = bench.events();
    let [
        ClientEvent::ExecuteAsked {
            request,
            account: asker,
            path: target,
            arguments,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (*asker, *target, &**arguments),
        (account(0), path("/3/0/4"), "0='now',1")
    );
    let answered = bench
        .client
        .deferred()
        .answer_execute(bench.now, *request, Ok(()));
    assert_eq!(answered, Ok(Code::CHANGED));
    let answer = bench.sent();
    assert_eq!(answer.kind(), MessageType::Acknowledgement);
    assert_eq!(
        (answer.code(), answer.message().message_id()),
        (Code::CHANGED, id)
    );
    // The application knows what to do.
    assert!(bench.events().is_empty());
}

#[test]
fn the_application_may_refuse_with_each_code_of_the_operation() {
    let codes = Operation::Execute.response_codes().iter().copied();
    for code in codes.skip(1).chain([Code::INTERNAL_SERVER_ERROR]) {
        let mut bench = bench();
        let request = asks_to_reboot(&mut bench);
        let answered = bench
            .client
            .deferred()
            .answer_execute(bench.now, request, Err(code));
        assert_eq!(answered, Ok(code));
        assert_eq!(bench.sent().code(), code);
        assert!(bench.events().is_empty());
    }
    let codes = Operation::Read.response_codes().iter().copied();
    for code in codes.skip(1).chain([Code::INTERNAL_SERVER_ERROR]) {
        let mut bench = bench();
        let request = asks_to_read(&mut bench);
        let answered = bench
            .client
            .deferred()
            .answer_read(bench.now, request, Err(code));
        assert_eq!(answered, Ok(code));
        assert_eq!(bench.sent().code(), code);
    }
}

/// The application's answer is invalid; the request waits for another one.
#[test]
fn an_answer_that_cannot_be_is_not_taken() {
    let mut bench = bench();
    let request = asks_to_reboot(&mut bench);
    let now = bench.now;
    for code in [
        Code::CHANGED,
        Code::CONTENT,
        Code::NOT_ACCEPTABLE,
        Code::SERVICE_UNAVAILABLE,
    ] {
        let refused = bench
            .client
            .deferred()
            .answer_execute(now, request, Err(code));
        assert_eq!(
            refused,
            Err(InvalidAnswer::Code(Operation::Execute, code).into())
        );
    }
    let wrong = bench.client.deferred().answer_read(now, request, Ok(()));
    assert_eq!(wrong, Err(InvalidAnswer::Operation(Read).into()));
    assert!(bench.all_sent().is_empty());
    assert_eq!(
        bench.client.deferred().answer_execute(now, request, Ok(())),
        Ok(Code::CHANGED)
    );
    assert_eq!(bench.sent().code(), Code::CHANGED);
    let twice = bench.client.deferred().answer_execute(now, request, Ok(()));
    assert_eq!(twice, Err(DeferredError::NotOpen(request)));
    assert!(bench.all_sent().is_empty());
}

/// RFC 7252 §5.2.2: it is acknowledged first, and the response is separate.
#[test]
fn an_answer_that_takes_a_while_is_separate() {
    let mut bench = bench();
    let request = asks_to_reboot(&mut bench);
    bench.pass(Duration::from_secs(20));
    let acknowledgement = bench.sent();
    assert_eq!(
        (acknowledgement.kind(), acknowledgement.code()),
        (MessageType::Acknowledgement, Code::EMPTY)
    );
    let answered = bench
        .client
        .deferred()
        .answer_execute(bench.now, request, Ok(()));
    assert_eq!(answered, Ok(Code::CHANGED));
    let answer = bench.sent();
    assert_eq!(
        (
            answer.kind(),
            answer.code(),
            answer.message().token().as_bytes()
        ),
        (MessageType::Confirmable, Code::CHANGED, &b"e"[..])
    );
}

#[test]
fn a_retransmission_asks_nobody_twice() {
    let mut bench = bench();
    let wire = reboot().finish(MessageType::Confirmable, 77, Token::new(b"e").unwrap());
    bench.datagram(wire.as_ref());
    let request = asked(&mut bench);
    bench.datagram(wire.as_ref());
    assert!(bench.all_sent().is_empty() && bench.events().is_empty());
    // Once it is acknowledged, a copy is acknowledged as well.
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.sent().code(), Code::EMPTY);
    bench.datagram(wire.as_ref());
    assert_eq!(bench.sent().code(), Code::EMPTY);
    assert!(bench.events().is_empty());
    bench
        .client
        .deferred()
        .answer_execute(bench.now, request, Ok(()))
        .unwrap();
    assert_eq!(bench.sent().code(), Code::CHANGED);
    bench.datagram(wire.as_ref());
    assert_eq!(bench.sent().code(), Code::EMPTY);
    assert!(bench.events().is_empty());
}

#[test]
fn a_non_confirmable_request_has_a_non_confirmable_answer() {
    for wait in [0, 30] {
        let mut bench = bench();
        let request = asks(&mut bench, MessageType::NonConfirmable, b"n", reboot());
        bench.pass(Duration::from_secs(wait));
        assert!(bench.all_sent().is_empty());
        bench
            .client
            .deferred()
            .answer_execute(bench.now, request, Ok(()))
            .unwrap();
        let answer = bench.sent();
        assert_eq!(
            (
                answer.kind(),
                answer.code(),
                answer.message().token().as_bytes()
            ),
            (MessageType::NonConfirmable, Code::CHANGED, &b"n"[..])
        );
    }
}

#[test]
fn an_application_that_does_not_answer_is_waited_for_so_long_and_no_longer() {
    for (configured, waited) in [(60, 60), (5, 5), (3600, 144)] {
        let mut bench = bench_with(|config| {
            config.deferring.answer_within = Duration::from_secs(configured);
        });
        let request = asks_to_reboot(&mut bench);
        bench.pass(Duration::from_millis(waited * 1000 - 1));
        assert_eq!(bench.sent().code(), Code::EMPTY);
        assert!(bench.events().is_empty());
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.sent().code(), Code::INTERNAL_SERVER_ERROR);
        assert_ended(&mut bench, request, DeferredEnd::TimedOut);
        let late = bench
            .client
            .deferred()
            .answer_execute(bench.now, request, Ok(()));
        assert_eq!(late, Err(DeferredError::NotOpen(request)));
        assert!(bench.all_sent().is_empty() && bench.events().is_empty());
    }
}

#[test]
fn as_many_requests_wait_as_may_and_one_more_is_refused() {
    let mut bench = bench_with(|config| config.deferring.most = 2);
    let first = asks_to_reboot(&mut bench);
    let _second = asks_to_read(&mut bench);
    assert_eq!(bench.code(reboot()), Code::SERVICE_UNAVAILABLE);
    assert_eq!(bench.code(get("/3/0")), Code::SERVICE_UNAVAILABLE);
    assert!(bench.events().is_empty());
    // Other requests are served.
    bench.works();
    bench
        .client
        .deferred()
        .answer_execute(bench.now, first, Ok(()))
        .unwrap();
    bench.all_sent();
    asks_to_reboot(&mut bench);
}

/// One server can't take the room of another.
#[test]
fn each_server_has_room_for_as_many_requests_that_wait() {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        let both = [AccessRights::EXECUTE; 2];
        tree.add(access_control([access(3, 0, both)]));
    });
    two.client.deferred().defer(Execute, path("/3/0/4"));
    let most = ClientConfig::new("example-client", [7; 32]).deferring.most;
    for server in 0..2 {
        for _ in 0..most {
            assert_eq!(two.told(server, b"e", reboot()), []);
        }
        let refused = two.code(server, reboot());
        assert_eq!(refused, Code::SERVICE_UNAVAILABLE, "{server}");
    }
    let asked = lwm2m_kit::events(&mut two.client);
    assert_eq!(asked.len(), 2 * most);
    assert_eq!(two.client.usage().deferred, 2 * most);
}

#[test]
fn what_waits_ends_with_its_registration() {
    // The connection is lost.
    let mut lost = bench();
    let request = asks_to_reboot(&mut lost);
    let connection = lost.connection;
    lost.client.disconnected(lost.now, connection);
    let ended = ClientEvent::DeferredEnded {
        request,
        reason: DeferredEnd::RegistrationEnded,
    };
    assert!(lost.events().contains(&ended));
    let late = lost
        .client
        .deferred()
        .answer_execute(lost.now, request, Ok(()));
    assert_eq!(late, Err(DeferredError::NotOpen(request)));
    assert!(lost.all_sent().is_empty());

    // The application leaves.
    let mut left = bench();
    let request = asks_to_reboot(&mut left);
    left.client.deregister(left.now);
    assert_ended(&mut left, request, DeferredEnd::RegistrationEnded);
    assert_eq!(left.sent().message().code().method(), Some(Method::Delete));

    // The server has forgotten the registration: the Client registers again on the same connection.
    let mut forgotten = bench();
    let request = asks_to_reboot(&mut forgotten);
    forgotten.client.update(forgotten.now, account(0));
    let update = forgotten.sent();
    forgotten.answer(&update, MessageBuf::response(Code::NOT_FOUND));
    let register = forgotten.sent();
    assert_eq!(register.path(), "/rd");
    assert!(forgotten.events().contains(&ClientEvent::DeferredEnded {
        request,
        reason: DeferredEnd::RegistrationEnded,
    }));
    forgotten.answer(&register, created());
    forgotten.pass(Duration::from_secs(100));
    assert!(forgotten.all_sent().is_empty(), "nobody is answered");
    forgotten.events();
    asks_to_reboot(&mut forgotten);
}

#[test]
fn only_what_is_named_is_deferred_and_only_as_long() {
    let mut bench = bench();
    // Another executable, another Resource, another operation.
    let (answer, _) = bench.answered(b"u", on(Method::Post, "/1/0/8"));
    assert_eq!(answer.code(), Code::CHANGED);
    assert_eq!(bench.code(get("/3/0/10")), Code::CONTENT);
    let mut write = on(Method::Put, "/3/0/14");
    write.content_format(ContentFormat::TEXT).unwrap();
    write.payload(b"Z");
    assert_eq!(bench.code(write), Code::CHANGED);
    bench.events();
    assert!(bench.client.deferred().stop(Execute, path("/3/0/4")));
    assert!(!bench.client.deferred().stop(Execute, path("/3/0/4")));
    assert!(!bench.client.deferred().stop(Execute, path("/3/0/9")));
    assert_eq!(bench.code(reboot()), Code::CHANGED);
    assert!(matches!(bench.events()[..], [ClientEvent::Execute { .. }]));
}

#[test]
fn an_object_or_an_instance_stands_for_all_its_resources() {
    for named in ["/3", "/3/0"] {
        let mut bench = Bench::new();
        bench.client.deferred().defer(Execute, path(named));
        asks_to_reboot(&mut bench);
    }
    // A Read of a level above would contain the slow value as well.
    for target in ["/3", "/3/0"] {
        let mut bench = bench();
        let request = asks(&mut bench, MessageType::Confirmable, b"r", get(target));
        let answered = bench
            .client
            .deferred()
            .answer_read(bench.now, request, Ok(()));
        assert_eq!(answered, Ok(Code::CONTENT));
        assert!(bench.sent().payload().len() > 100);
    }
}

/// The application isn't asked about requests that the Client refuses.
#[test]
fn what_is_refused_anyway_asks_nobody() {
    let mut bench = bench();
    bench.client.deferred().defer(Execute, path("/3"));
    bench.client.deferred().defer(Read, path("/3"));
    let mut bad = reboot();
    bad.payload(b"0,0");
    let mut format = get("/3/0/9");
    format.accept(ContentFormat::new(9999)).unwrap();
    for (request, code) in [
        (bad, Code::BAD_REQUEST),
        (on(Method::Post, "/3/0/9"), Code::METHOD_NOT_ALLOWED),
        (on(Method::Post, "/3/0"), Code::METHOD_NOT_ALLOWED),
        (get("/3/0/4"), Code::METHOD_NOT_ALLOWED),
        (get("/3/0/99"), Code::NOT_FOUND),
        (format, Code::NOT_ACCEPTABLE),
    ] {
        assert_eq!(bench.code(request), code);
    }
    assert!(bench.events().is_empty());
}

#[test]
fn a_slow_read_is_answered_with_the_value_of_then() {
    for accept in [None, Some(ContentFormat::TEXT)] {
        let mut bench = bench();
        let mut request = get("/3/0/9");
        if let Some(format) = accept {
            request.accept(format).unwrap();
        }
        let request = asks(&mut bench, MessageType::Confirmable, b"r", request);
        bench.pass(Duration::from_secs(10));
        assert_eq!(bench.sent().code(), Code::EMPTY);
        bench.client.set(bench.now, path("/3/0/9"), 42).unwrap();
        let answered = bench
            .client
            .deferred()
            .answer_read(bench.now, request, Ok(()));
        assert_eq!(answered, Ok(Code::CONTENT));
        let answer = bench.sent();
        let expected: &[u8] = match accept {
            None => &[0xC1, 0x09, 42],
            Some(_) => b"42",
        };
        assert_eq!((answer.code(), answer.payload()), (Code::CONTENT, expected));
        assert_eq!(answer.message().observe(), None);
    }
}

#[test]
fn a_large_answer_that_comes_later_goes_in_blocks() {
    let mut bench = bench();
    let block = |number| BlockOption::new(number, false, 64).unwrap();
    let mut request = get("/3/0");
    request.block2(block(0)).unwrap();
    let request = asks(&mut bench, MessageType::Confirmable, b"b", request);
    bench
        .client
        .deferred()
        .answer_read(bench.now, request, Ok(()))
        .unwrap();
    let answer = bench.sent();
    assert_eq!(answer.payload().len(), 64);
    assert!(answer.message().block2().unwrap().more());
    let mut rest = get("/3/0");
    rest.block2(block(1)).unwrap();
    // The body is kept: the application isn't asked again.
    let rest = bench.request(b"c", rest);
    assert_eq!((rest.code(), rest.payload().len()), (Code::CONTENT, 57));
    assert!(bench.events().is_empty());
}

fn assert_notifies(bench: &mut Bench, token: Option<&[u8]>) {
    let level = bench.client.tree().get(path("/3/0/9"));
    let other = if level == Some(1.into()) { 2 } else { 1 };
    bench.client.set(bench.now, path("/3/0/9"), other).unwrap();
    bench.pass(Duration::ZERO);
    let sent = bench.all_sent();
    let tokens: Vec<_> = sent.iter().map(|sent| sent.message().token()).collect();
    let expected = token.map(|token| Token::new(token).unwrap());
    assert_eq!(tokens, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn an_observation_begins_with_its_answer() {
    let mut bench = bench();
    let request = asks(
        &mut bench,
        MessageType::Confirmable,
        b"o",
        observe(0, "/3/0/9"),
    );
    // No notification is sent before.
    assert_notifies(&mut bench, None);
    bench
        .client
        .deferred()
        .answer_read(bench.now, request, Ok(()))
        .unwrap();
    let answer = bench.sent();
    assert_eq!(answer.code(), Code::CONTENT);
    let first = answer.message().observe().unwrap();
    assert_eq!(
        bench.events(),
        [ClientEvent::Observed {
            account: account(0),
            path: path("/3/0/9"),
        }]
    );
    bench.client.set(bench.now, path("/3/0/9"), 33).unwrap();
    bench.pass(Duration::ZERO);
    let notification = bench.sent();
    assert!(notification.message().observe().unwrap() > first);
    assert_eq!(notification.payload(), [0xC1, 0x09, 33]);
}

/// RFC 7641 §4.4: the numbers of an observation grow. The answer waits for the acknowledgement of an
/// Update (NSTART), and no notification leaves before it.
#[test]
fn a_notification_never_overtakes_the_answer_that_begins_its_observation() {
    for reliability in [Reliability::NonConfirmable, Reliability::Confirmable] {
        let mut bench = bench_with(|config| config.notifications = reliability);
        let observe = observe(0, "/3/0/9");
        let request = asks(&mut bench, MessageType::Confirmable, b"o", observe);
        bench.pass(Duration::from_secs(20));
        assert_eq!(bench.sent().code(), Code::EMPTY);
        bench.client.update(bench.now, account(0));
        let update = bench.sent();
        let answered = bench
            .client
            .deferred()
            .answer_read(bench.now, request, Ok(()));
        assert_eq!(answered, Ok(Code::CONTENT));
        bench.client.set(bench.now, path("/3/0/9"), 42).unwrap();
        bench.pass(Duration::from_millis(1500));
        assert!(bench.all_sent().is_empty(), "all wait for the Update");
        bench.answer(&update, MessageBuf::response(Code::CHANGED));
        let answer = bench.sent();
        assert_eq!(answer.kind(), MessageType::Confirmable);
        let [high, low] = answer.message().message_id().to_be_bytes();
        bench.datagram(&[0x60, 0, high, low]);
        let notification = bench.pass_until_sent();
        let number = |sent: &Sent| sent.message().observe().unwrap();
        assert_eq!(notification.message().token(), answer.message().token());
        assert!(number(&notification) > number(&answer));
        assert_eq!(notification.payload(), [0xC1, 0x09, 42]);
    }
}

#[test]
fn an_observe_that_is_refused_or_cancelled_meanwhile_begins_nothing() {
    let mut refused = bench();
    let request = asks(
        &mut refused,
        MessageType::Confirmable,
        b"o",
        observe(0, "/3/0/9"),
    );
    let answer = Err(Code::INTERNAL_SERVER_ERROR);
    refused
        .client
        .deferred()
        .answer_read(refused.now, request, answer)
        .unwrap();
    assert_eq!(refused.sent().message().observe(), None);
    assert!(refused.events().is_empty());
    assert_notifies(&mut refused, None);

    let mut cancelled = bench();
    let request = asks(
        &mut cancelled,
        MessageType::Confirmable,
        b"o",
        observe(0, "/3/0/9"),
    );
    // It is answered at once, with the present value.
    assert_eq!(
        cancelled.request(b"o", observe(1, "/3/0/9")).code(),
        Code::CONTENT
    );
    cancelled
        .client
        .deferred()
        .answer_read(cancelled.now, request, Ok(()))
        .unwrap();
    let answer = cancelled.sent();
    assert_eq!(
        (answer.code(), answer.message().observe()),
        (Code::CONTENT, None)
    );
    assert!(cancelled.events().is_empty());
    assert_notifies(&mut cancelled, None);
}

/// What follows from an Execute also follows if the application answers it: here an Update, after
/// the answer.
#[test]
fn what_the_machine_does_itself_follows_from_consent() {
    for consent in [true, false] {
        let mut bench = bench();
        bench.client.deferred().defer(Execute, path("/1"));
        let trigger = on(Method::Post, "/1/0/8");
        let request = asks(&mut bench, MessageType::Confirmable, b"u", trigger);
        let refusal = Code::METHOD_NOT_ALLOWED;
        let result = if consent { Ok(()) } else { Err(refusal) };
        bench
            .client
            .deferred()
            .answer_execute(bench.now, request, result)
            .unwrap();
        let sent = bench.all_sent();
        assert_eq!(
            sent[0].code(),
            if consent { Code::CHANGED } else { refusal }
        );
        let updates: Vec<_> = sent[1..].iter().map(Sent::path).collect();
        assert_eq!(updates, ["/rd/a"][..usize::from(consent)]);
    }
}

/// The right is checked again when the application answers.
#[test]
fn a_right_that_is_lost_meanwhile_is_missing_at_the_answer() {
    let all = AccessRights::READ | AccessRights::EXECUTE;
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        tree.add(access_control([access(3, 0, [all, all])]));
    });
    two.client.deferred().defer(Execute, path("/3/0/4"));
    two.client.deferred().defer(Read, path("/3/0/9"));
    for (id, request) in [(1001, reboot()), (1002, get("/3/0/9"))] {
        let wire = request.finish(MessageType::Confirmable, id, Token::new(b"t").unwrap());
        two.datagram(1, wire.as_ref());
    }
    let none = access_control([access(3, 0, [all, AccessRights::NONE])]);
    let replaced = two
        .client
        .object(two.now, ObjectId::ACCESS_CONTROL, |store: &mut Store| {
            *store = none;
        });
    replaced.unwrap();
    let mut answered = Vec::new();
    while let Some(event) = two.client.poll_event() {
        answered.push(match event {
            ClientEvent::ExecuteAsked { request, .. } => {
                two.client
                    .deferred()
                    .answer_execute(two.now, request, Ok(()))
            }
            ClientEvent::ReadAsked { request, .. } => {
                two.client.deferred().answer_read(two.now, request, Ok(()))
            }
            event => panic!("{event:?}"),
        });
    }
    assert_eq!(answered, [Ok(Code::UNAUTHORIZED); 2]);
    assert_eq!(two.sent().len(), 2);
}

/// With its own token the server cancels the Observe that waits, and no other observation of the
/// path.
#[test]
fn a_cancelled_observe_that_waits_takes_no_other_observation_with_it() {
    let mut bench = bench();
    let first = asks(
        &mut bench,
        MessageType::Confirmable,
        b"1",
        observe(0, "/3/0/9"),
    );
    bench
        .client
        .deferred()
        .answer_read(bench.now, first, Ok(()))
        .unwrap();
    assert!(bench.sent().message().observe().is_some());
    bench.events();
    let second = asks(
        &mut bench,
        MessageType::Confirmable,
        b"2",
        observe(0, "/3/0/9"),
    );
    let cancelled = bench.request(b"2", observe(1, "/3/0/9"));
    assert_eq!(cancelled.code(), Code::CONTENT);
    assert!(bench.events().is_empty());
    bench
        .client
        .deferred()
        .answer_read(bench.now, second, Ok(()))
        .unwrap();
    assert_eq!(bench.sent().message().observe(), None);
    assert_notifies(&mut bench, Some(b"1"));
}

/// A Cancel Observation with a token that no observation has ends those of the path and below it
/// (TS 8.2.6), also one that hasn't begun.
#[test]
fn a_cancel_by_path_is_for_an_observe_that_waits_too() {
    let mut bench = bench();
    let request = asks(
        &mut bench,
        MessageType::Confirmable,
        b"o",
        observe(0, "/3/0/9"),
    );
    assert_eq!(
        bench.request(b"c", observe(1, "/3/0")).code(),
        Code::CONTENT
    );
    bench
        .client
        .deferred()
        .answer_read(bench.now, request, Ok(()))
        .unwrap();
    assert_eq!(bench.sent().message().observe(), None);
    assert!(bench.events().is_empty());
    assert_notifies(&mut bench, None);
}

/// RFC 7641 §4.1: a token has one observation, that of the newest Observe, whatever is answered first.
#[test]
fn of_two_observes_with_one_token_the_newer_one_counts() {
    let mut bench = bench();
    bench.client.deferred().defer(Read, path("/3/0/13"));
    let older = asks(
        &mut bench,
        MessageType::Confirmable,
        b"o",
        observe(0, "/3/0/13"),
    );
    let newer = asks(
        &mut bench,
        MessageType::Confirmable,
        b"o",
        observe(0, "/3/0/9"),
    );
    for request in [newer, older] {
        bench
            .client
            .deferred()
            .answer_read(bench.now, request, Ok(()))
            .unwrap();
        bench.sent();
    }
    bench.events();
    assert_notifies(&mut bench, Some(b"o"));
}

/// The longest wait is as long as a non-confirmable request is remembered; then there still is an
/// answer.
#[test]
fn the_longest_wait_ends_with_an_answer() {
    for kind in [MessageType::Confirmable, MessageType::NonConfirmable] {
        let mut bench = bench_with(|config| config.deferring.answer_within = Duration::MAX);
        let request = asks(&mut bench, kind, b"e", reboot());
        bench.pass(Duration::from_secs(145));
        assert_ended(&mut bench, request, DeferredEnd::TimedOut);
        let answer = bench.all_sent().pop().expect("an answer");
        assert_eq!(answer.code(), Code::INTERNAL_SERVER_ERROR, "{kind:?}");
    }
}

/// De-registering ends the server's requests (TS 5.4): an answer that isn't acknowledged isn't sent
/// again, those that wait behind it leave once, since what they answer is done, and none of them holds the
/// De-register up.
#[test]
fn answers_under_way_end_with_the_registration() {
    let mut bench = bench();
    let first = asks_to_reboot(&mut bench);
    let second = asks(&mut bench, MessageType::Confirmable, b"f", reboot());
    bench.pass(Duration::from_secs(20));
    bench.all_sent();
    for request in [first, second] {
        let answered = bench
            .client
            .deferred()
            .answer_execute(bench.now, request, Ok(()));
        assert_eq!(answered, Ok(Code::CHANGED));
    }
    assert_eq!(bench.sent().message().token().as_bytes(), b"e");
    bench.client.deregister(bench.now);
    let sent = bench.all_sent();
    let [answer, deregister] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (answer.kind(), answer.code()),
        (MessageType::NonConfirmable, Code::CHANGED)
    );
    assert_eq!(answer.message().token().as_bytes(), b"f");
    assert_eq!(deregister.code(), Code::DELETE);
    bench.pass(Duration::from_secs(100));
    assert!(
        bench
            .all_sent()
            .iter()
            .all(|sent| sent.code() == Code::DELETE)
    );
}

/// An account that goes is left with a De-register, and nothing is repeated after that (TS 5.4).
#[test]
fn answers_under_way_end_with_the_account() {
    let mut bench = bench();
    let request = asks_to_reboot(&mut bench);
    bench.pass(Duration::from_secs(20));
    bench.all_sent();
    let answered = bench
        .client
        .deferred()
        .answer_execute(bench.now, request, Ok(()));
    assert_eq!(answered, Ok(Code::CHANGED));
    assert_eq!(bench.sent().kind(), MessageType::Confirmable);
    let mut accounts = bench.client.tree().instances(ObjectId::SERVER);
    let path = Path::Instance(ObjectId::SERVER, accounts.next().unwrap());
    drop(accounts);
    let deleted = [Change::Delete { path }];
    bench.client.change(bench.now, deleted).unwrap();
    assert_eq!(bench.sent().code(), Code::DELETE);
    bench.pass(Duration::from_secs(40));
    let repeated = bench.all_sent();
    assert!(!repeated.is_empty());
    assert!(repeated.iter().all(|sent| sent.code() == Code::DELETE));
}

/// An Observe that the application answers late: the answer is a separate response.
fn observes_late(bench: &mut Bench, token: &[u8]) {
    let request = asks(bench, MessageType::Confirmable, token, observe(0, "/3/0/9"));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.sent().kind(), MessageType::Acknowledgement);
    assert_eq!(
        bench
            .client
            .deferred()
            .answer_read(bench.now, request, Ok(())),
        Ok(Code::CONTENT)
    );
}

fn reset(bench: &mut Bench, sent: &Sent) {
    let [high, low] = sent.message().message_id().to_be_bytes();
    bench.datagram(&[0x70, 0, high, low]);
}

/// RFC 7641 §3.6, §4.5: an observation ends at once if its first answer, a separate response, is rejected
/// or never acknowledged.
#[test]
fn an_observation_ends_with_a_first_answer_that_fails() {
    for is_rejected in [true, false] {
        let mut bench = bench();
        observes_late(&mut bench, b"o");
        let answer = bench.sent();
        assert_eq!(answer.kind(), MessageType::Confirmable);
        assert!(answer.message().observe().is_some());
        bench.events();
        if is_rejected {
            reset(&mut bench, &answer);
        } else {
            bench.pass(Duration::from_secs(93));
            bench.all_sent();
        }
        let ended = ClientEvent::ObservationEnded {
            account: account(0),
            path: path("/3/0/9"),
        };
        assert_eq!(bench.events(), [ended], "rejected: {is_rejected}");
        bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
        bench.pass(Duration::from_secs(1));
        assert!(bench.all_sent().is_empty());
    }
}

/// The first answer may go with the link: on the return the server hears of the value.
#[test]
fn a_first_answer_that_was_under_way_when_the_client_went_offline_is_made_up_for() {
    let mut bench = bench();
    observes_late(&mut bench, b"o");
    let answer = bench.sent();
    assert_eq!(answer.kind(), MessageType::Confirmable);
    bench.client.go_offline(bench.now);
    bench.pass(Duration::from_secs(5));
    assert!(bench.all_sent().is_empty());
    bench.client.go_online(bench.now);
    let update = bench.sent();
    bench.answer(&update, MessageBuf::response(Code::CHANGED));
    bench.pass(Duration::from_secs(1));
    let told = bench.sent();
    assert_eq!(told.message().token().as_bytes(), b"o");
    assert!(told.message().observe().is_some());
}

/// RFC 7641 §3.6, §4.1: a later observation may have the token of one whose answer fails.
#[test]
fn a_first_answer_that_fails_ends_no_later_observation() {
    for is_rejected in [true, false] {
        let mut bench = bench();
        observes_late(&mut bench, b"o");
        let old = bench.sent();
        bench.client.deferred().stop(Read, path("/3/0/9"));
        bench.request(b"o", observe(0, "/3/0/9"));
        bench.events();
        if is_rejected {
            reset(&mut bench, &old);
        } else {
            bench.pass(Duration::from_secs(93));
            bench.all_sent();
        }
        assert_eq!(bench.events(), [], "rejected: {is_rejected}");
        bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
        bench.pass(Duration::ZERO);
        assert_eq!(bench.sent().payload(), b"\xC1\x09\x09");
    }
}

/// RFC 7641 §4.1: without an answer there is no observation.
#[test]
fn an_observation_whose_answer_cannot_be_sent_does_not_begin() {
    let mut bench = bench_with(|config| config.coap.bounds.transmissions_per_peer = 1);
    observes_late(&mut bench, b"1");
    bench.sent();
    bench.events();
    let request = asks(
        &mut bench,
        MessageType::Confirmable,
        b"2",
        observe(0, "/3/0/9"),
    );
    bench.pass(Duration::from_secs(5));
    bench.all_sent();
    bench.events();
    let answered = bench
        .client
        .deferred()
        .answer_read(bench.now, request, Ok(()));
    assert!(
        matches!(answered, Err(DeferredError::Overload(_))),
        "{answered:?}"
    );
    assert_eq!(bench.events(), []);
    let observed: Vec<_> = bench.client.reporting().observations().collect();
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0].token.as_bytes(), b"1");
}
