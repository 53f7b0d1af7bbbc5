//! Connectivity Statistics (TS E.8), fed by what the Client sends and receives.

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, ContentFormat, Method, Value};
use lwm2m_objects::{ConnectivityStatisticsObject, typed};
use lwm2m_statemachine::{
    ClientConfig, Session,
    client::{Inbound, Reliability},
    coap::{MessageBuf, MessageType, Token},
};

use crate::{
    hosts::{self, Hosts},
    support::{Bench, get, on, path, server_id, tree},
};

fn bench_with(config: ClientConfig) -> Bench {
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics::ALL,
    ));
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    bench
}

fn bench() -> Bench {
    bench_with(ClientConfig::new("example-client", [7; 32]))
}

/// Resources 0 to 5.
fn counters(bench: &Bench) -> [i64; 6] {
    [0, 1, 2, 3, 4, 5].map(|resource| {
        let at = path(&format!("/7/0/{resource}"));
        match bench.client.tree().get(at) {
            Some(Value::Integer(number)) => number,
            other => panic!("{resource}: {other:?}"),
        }
    })
}

fn execute(bench: &mut Bench, at: &str) {
    assert_eq!(bench.code(on(Method::Post, at)), Code::CHANGED);
}

fn write(bench: &mut Bench, at: &str, text: &str) {
    let mut request = on(Method::Put, at);
    request.content_format(ContentFormat::TEXT).unwrap();
    request.payload(text.as_bytes());
    assert_eq!(bench.code(request), Code::CHANGED);
}

/// A Write of this many bytes, in bytes of the request and of the answer.
fn write_large(bench: &mut Bench, length: usize) -> (usize, usize) {
    let mut request = on(Method::Put, "/3/0/14");
    request.content_format(ContentFormat::TEXT).unwrap();
    request.payload(&vec![b'x'; length]);
    let id = bench.message_id();
    let token = Token::new(b"big").unwrap();
    let wire = request.finish(MessageType::Confirmable, id, token);
    bench.datagram(wire.as_ref());
    let answer = bench.sent();
    assert_eq!(answer.code(), Code::CHANGED);
    (wire.as_ref().len(), answer.bytes.len())
}

/// ETS 901.
#[test]
fn what_is_sent_and_received_is_counted_from_start_to_stop() {
    let mut bench = bench();
    write_large(&mut bench, 900);
    assert_eq!(counters(&bench), [0; 6], "nothing before Start");
    execute(&mut bench, "/7/0/6");
    // The answer to Start is the first that counts.
    let [.., longest, average] = counters(&bench);
    assert!(longest > 0 && longest == average, "{longest} {average}");

    let mut messages = vec![usize::try_from(longest).unwrap()];
    let (mut sent, mut received) = (messages[0], 0);
    for _ in 0..10 {
        let (request, answer) = write_large(&mut bench, 900);
        messages.extend([request, answer]);
        received += request;
        sent += answer;
    }
    let all = messages.iter().sum::<usize>() / messages.len();
    let longest = *messages.iter().max().unwrap();
    let expected = [0, 0, sent / 1024, received / 1024, longest, all];
    let expected = expected.map(|number| i64::try_from(number).unwrap());
    assert_eq!(counters(&bench), expected);
    assert!(expected[3] >= 8, "{expected:?}");

    // The request with Stop still counts, its answer doesn't. The counters stay.
    execute(&mut bench, "/7/0/7");
    let stopped = counters(&bench);
    write_large(&mut bench, 950);
    assert_eq!(counters(&bench), stopped);
    // Start sets them to 0.
    execute(&mut bench, "/7/0/6");
    let [.., longest, average] = counters(&bench);
    assert!(longest < 100 && longest == average, "{longest} {average}");
}

/// Resource 8: collecting ends by itself.
#[test]
fn the_collection_period_ends_by_itself() {
    let mut bench = bench();
    write(&mut bench, "/7/0/8", "60");
    execute(&mut bench, "/7/0/6");
    bench.pass(Duration::from_secs(59));
    write_large(&mut bench, 900);
    let before = counters(&bench);
    assert!(before[4] > 900);
    bench.pass(Duration::from_secs(1));
    write_large(&mut bench, 950);
    assert_eq!(counters(&bench), before);
    // Without a period it goes on until Stop.
    write(&mut bench, "/7/0/8", "0");
    execute(&mut bench, "/7/0/6");
    bench.pass(Duration::from_secs(80_000));
    bench.all_sent();
    write_large(&mut bench, 950);
    assert!(counters(&bench)[4] > 950);
}

/// The connection is over SMS, and a repetition is a message as well.
#[test]
fn short_messages_are_counted_as_such() {
    let (mut security, mut server) = hosts::open("one", 101, 86_400);
    security.sms.server_number = Some("49".into());
    server.binding = BindingMode::US;
    let mut tree = hosts::tree([(security, server)]);
    let mut statistics = ConnectivityStatisticsObject::new(typed::ConnectivityStatistics::ALL);
    statistics.start(lwm2m_core::Instant::ZERO);
    tree.add(statistics);
    let mut hosts = Hosts::new(tree);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    let from = Inbound::Sms { number: "49" };
    let sms = hosts.client.inbound(hosts.now, from).unwrap();
    let wire = get("/3/0/0").finish(MessageType::NonConfirmable, 7, Token::new(b"x").unwrap());
    for answers in [1, 0] {
        hosts.datagram(sms, wire.as_ref());
        assert_eq!(lwm2m_kit::sent(&mut hosts.client).len(), answers);
    }
    let [sent, received] = [0, 1].map(|resource| {
        let at = path(&format!("/7/0/{resource}"));
        hosts.client.tree().get(at)
    });
    assert_eq!((sent, received), (Some(1.into()), Some(2.into())));
}

/// A repetition costs as much as the first transmission.
#[test]
fn repetitions_are_counted() {
    let mut bench = bench();
    execute(&mut bench, "/7/0/6");
    let before = counters(&bench)[2];
    for _ in 0..200 {
        let request = get("/3/0").finish(MessageType::Confirmable, 7, Token::new(b"x").unwrap());
        bench.datagram(request.as_ref());
        bench.all_sent();
    }
    assert!(counters(&bench)[2] > before + 10);
}

fn observe(bench: &mut Bench, token: &[u8], at: &str) {
    let mut request = MessageBuf::request(Method::Get);
    request.observe(0).unwrap();
    for segment in at.split('/').skip(1) {
        request.uri_path(segment).unwrap();
    }
    let answer = bench.request(token, request);
    assert_eq!(answer.code(), Code::CONTENT);
    assert!(answer.message().observe().is_some());
}

/// A notification of the counters changes them, and isn't the reason for the next one.
#[test]
fn a_notification_of_the_counters_does_not_lead_to_another() {
    for reliability in [Reliability::NonConfirmable, Reliability::Confirmable] {
        let mut config = ClientConfig::new("example-client", [7; 32]);
        config.notifications = reliability;
        let mut bench = bench_with(config);
        observe(&mut bench, b"obs", "/7/0");
        let start = on(Method::Post, "/7/0/6");
        let (answer, _) = bench.answered(b"exec", start);
        assert_eq!(answer.code(), Code::CHANGED);
        let mut notifications = 0;
        for _ in 0..20 {
            bench.client.handle_timeout(bench.now);
            for sent in bench.all_sent() {
                assert!(sent.message().observe().is_some());
                notifications += 1;
                if sent.kind() == MessageType::Confirmable {
                    let id = sent.message().message_id();
                    let empty = MessageBuf::new(Code::EMPTY);
                    let wire = empty.finish(MessageType::Acknowledgement, id, Token::EMPTY);
                    bench.datagram(wire.as_ref());
                }
            }
        }
        assert!((1..=2).contains(&notifications), "{notifications}");
        // Other traffic is told.
        let (_, others) = bench.answered(b"read", get("/3/0/0"));
        bench.client.handle_timeout(bench.now);
        assert!(!others.is_empty() || !bench.all_sent().is_empty());
    }
}

/// A counter changes when a datagram leaves. Nothing else has to happen before its observers hear of it.
#[test]
fn what_is_sent_is_notified_by_itself() {
    let mut bench = bench();
    execute(&mut bench, "/7/0/6");
    observe(&mut bench, b"obs", "/7/0/4");
    bench.pass(Duration::from_secs(1));
    bench.all_sent();
    // The answer is longer than any message before.
    let (_, others) = bench.answered(b"read", get("/3/0"));
    assert!(others.is_empty());
    bench.pass(Duration::ZERO);
    let notified = bench.sent();
    assert_eq!(notified.message().token().as_bytes(), b"obs");
    let due = bench.client.poll_timeout();
    assert!(due.is_none_or(|due| due > bench.now), "once");
}
