//! Information Reporting (TS 5.5, 8.2.6).

use core::{cell::Cell, time::Duration};

use lwm2m_core::{
    Arguments, Code, ContentFormat, InstanceId, Instant, Method, ObjectId, Path, ResourceId,
};
use lwm2m_kit::account;
use lwm2m_objects::{
    Change, ExecuteError, Execution, Object, ObjectDefinition, ReadError, ResourceSink, Store,
    typed,
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Reliability,
    coap::{BlockOption, MessageBuf, MessageType, Token},
};

use crate::{
    operations::DEVICE_TLV,
    support::{Bench, Sent, get, path, server_id, tree},
};

pub(crate) fn observe(value: u32, path: &str) -> MessageBuf {
    let mut request = MessageBuf::request(Method::Get);
    request.observe(value).unwrap();
    for segment in path.split('/').skip(1) {
        request.uri_path(segment).unwrap();
    }
    request
}

fn periods(minimum: Option<u32>, maximum: Option<u32>) -> typed::Server {
    typed::Server {
        default_minimum_period: minimum,
        default_maximum_period: maximum,
        ..typed::Server::new(server_id(101), 86_400)
    }
}

/// Asserts that this is a notification with this token and TLV payload.
fn assert_notification(sent: &Sent, token: &[u8], payload: &[u8]) {
    let message = sent.message();
    assert_eq!(message.code(), Code::CONTENT);
    assert!(matches!(
        message.kind(),
        MessageType::NonConfirmable | MessageType::Confirmable
    ));
    assert_eq!(message.token().as_bytes(), token);
    assert!(message.observe().is_some());
    assert_eq!(
        (message.content_format(), message.payload()),
        (Some(ContentFormat::TLV), payload)
    );
}

#[test]
fn a_change_is_notified_with_the_token_and_a_growing_number() {
    let mut bench = Bench::new();
    let answer = bench.request(b"tok", observe(0, "/3/0/9"));
    assert_eq!(
        (answer.code(), answer.payload()),
        (Code::CONTENT, &b"\xC1\x09\x64"[..])
    );
    let mut last = answer.message().observe().unwrap();
    assert_eq!(
        bench.events(),
        [ClientEvent::Observed {
            account: account(0),
            path: path("/3/0/9")
        }]
    );
    for level in [99, 98, 50] {
        bench.client.set(bench.now, path("/3/0/9"), level).unwrap();
        bench.pass(Duration::ZERO);
        let sent = bench.sent();
        assert_notification(&sent, b"tok", &[0xC1, 0x09, u8::try_from(level).unwrap()]);
        let number = sent.message().observe().unwrap();
        assert!(number > last);
        last = number;
    }
    // The same value again isn't a change, nor is a change of another Resource.
    bench.client.set(bench.now, path("/3/0/9"), 50).unwrap();
    bench.client.set(bench.now, path("/3/0/10"), 7).unwrap();
    bench.pass(Duration::from_secs(60));
    assert!(bench.all_sent().is_empty());
}

#[test]
fn an_observation_of_an_instance_or_object_sees_its_resources() {
    let mut bench = Bench::new();
    bench.request(b"i", observe(0, "/3/0"));
    bench.request(b"o", observe(0, "/3"));
    bench.request(b"s", observe(0, "/1"));
    bench.client.set(bench.now, path("/3/0/7/1"), 4900).unwrap();
    bench.pass(Duration::ZERO);
    let sent = bench.all_sent();
    let tokens: Vec<_> = sent.iter().map(|sent| sent.message().token()).collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(
        (tokens[0].as_bytes(), tokens[1].as_bytes()),
        (&b"i"[..], &b"o"[..])
    );
    assert_eq!(sent[0].payload().len(), 121);
    assert_eq!(sent[1].payload().len(), 124);
}

#[test]
fn a_notification_in_blocks_is_not_torn_by_a_change() {
    let block = |number| BlockOption::new(number, false, 32).unwrap();
    let mut bench = Bench::new();
    let mut request = observe(0, "/3/0");
    request.block2(block(0)).unwrap();
    bench.request(b"o", request);

    bench.client.set(bench.now, path("/3/0/9"), 99).unwrap();
    bench.pass(Duration::ZERO);
    let notification = bench.sent();
    assert_eq!(notification.payload().len(), 32);
    let mut expected = DEVICE_TLV.to_vec();
    let level = expected.iter().rposition(|octet| *octet == 100).unwrap();
    expected[level] = 99;

    // It has changed again; blocks of the notified value are still served.
    let mut body = notification.payload().to_vec();
    for number in 1.. {
        bench
            .client
            .set(bench.now, path("/3/0/9"), i64::from(number))
            .unwrap();
        let mut rest = get("/3/0");
        rest.block2(block(number)).unwrap();
        let answer = bench.request(b"r", rest);
        assert_eq!(answer.code(), Code::CONTENT);
        assert_eq!(answer.message().etag(), notification.message().etag());
        body.extend_from_slice(answer.payload());
        if !answer.message().block2().unwrap().more() {
            break;
        }
    }
    assert_eq!(body, expected);
}

/// RFC 7959 §2.4, §2.6: a newer notification replaces the one whose blocks are being fetched. Its ETag
/// tells the server, which fetches the newer one.
#[test]
fn a_newer_notification_replaces_the_one_that_is_being_fetched() {
    let block = |number| BlockOption::new(number, false, 32).unwrap();
    let mut bench = Bench::new();
    let mut request = observe(0, "/3/0");
    request.block2(block(0)).unwrap();
    bench.request(b"o", request);
    let level = |bench: &mut Bench, level: i64| {
        bench.client.set(bench.now, path("/3/0/9"), level).unwrap();
        bench.pass(Duration::ZERO);
        bench.sent()
    };
    let older = level(&mut bench, 99);
    // The newer one is lost: what is fetched of the older one tells of it.
    let _ = level(&mut bench, 98);
    let fetch = |bench: &mut Bench, number| {
        let mut rest = get("/3/0");
        rest.block2(block(number)).unwrap();
        bench.request(b"r", rest)
    };
    let other = fetch(&mut bench, 1);
    assert_ne!(other.message().etag(), older.message().etag());
    let mut body = Vec::new();
    for number in 0.. {
        let answer = fetch(&mut bench, number);
        assert_eq!(answer.message().etag(), other.message().etag());
        body.extend_from_slice(answer.payload());
        if !answer.message().block2().unwrap().more() {
            break;
        }
    }
    let mut expected = DEVICE_TLV.to_vec();
    let level = expected.iter().rposition(|octet| *octet == 100).unwrap();
    expected[level] = 98;
    assert_eq!(body, expected);
}

/// An Observe in blocks of 32 bytes.
fn observe_in_blocks(at: &str) -> MessageBuf {
    let mut request = observe(0, at);
    request
        .block2(BlockOption::new(0, false, 32).unwrap())
        .unwrap();
    request
}

/// The answer to a GET of a block of `/3/0`, with a token of its own.
fn block(bench: &mut Bench, number: u32) -> Sent {
    let mut request = get("/3/0");
    let block = BlockOption::new(number, false, 32).unwrap();
    request.block2(block).unwrap();
    let answer = bench.request(b"block", request);
    assert_eq!(answer.code(), Code::CONTENT);
    answer
}

/// What is read from this block on to the last one, all of it of the same body as `first`.
fn rest(bench: &mut Bench, first: &Sent, from: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for number in from.. {
        let answer = block(bench, number);
        assert_eq!(answer.message().etag(), first.message().etag(), "{number}");
        body.extend_from_slice(answer.payload());
        if !answer.message().block2().unwrap().more() {
            break;
        }
    }
    body
}

/// `/3/0` with this Battery Level.
fn device(level: u8) -> Vec<u8> {
    let mut device = DEVICE_TLV.to_vec();
    let at = device.iter().rposition(|octet| *octet == 100).unwrap();
    device[at] = level;
    device
}

/// RFC 7959 §2.6: the request for a later block has neither Observe nor the token of an observation. So
/// the notifications of two observations of one path share their body, and each gets all of it, also when
/// the other one has it already.
#[test]
fn two_observers_of_one_path_each_get_the_whole_of_a_notification_in_blocks() {
    let mut bench = Bench::new();
    for token in [b"a", b"b"] {
        bench.request(token, observe_in_blocks("/3/0"));
    }
    bench.client.set(bench.now, path("/3/0/9"), 99).unwrap();
    bench.pass(Duration::ZERO);
    let sent = bench.all_sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].message().etag(), sent[1].message().etag());
    assert_eq!(sent[0].payload(), sent[1].payload());
    // It changes again, and is not told yet.
    bench.client.set(bench.now, path("/3/0/9"), 98).unwrap();
    for notification in &sent {
        let mut body = notification.payload().to_vec();
        body.extend(rest(&mut bench, notification, 1));
        assert_eq!(body, device(99));
    }
    // Nobody reads it any more.
    assert_eq!(bench.client.usage().coap.serving.bodies, 0);
}

/// RFC 7959 §2.4: a newer notification takes the place of the body. The ETag tells the other observer, who
/// reads again and has the newest value; no block has the ETag of another body.
#[test]
fn an_observer_whose_body_is_replaced_by_a_newer_one_reads_that() {
    let mut bench = Bench::registered(periods(Some(10), None));
    bench.request(b"a", observe_in_blocks("/3/0"));
    bench.pass(Duration::from_secs(5));
    bench.request(b"b", observe_in_blocks("/3/0"));
    bench.client.set(bench.now, path("/3/0/9"), 99).unwrap();
    bench.pass(Duration::from_secs(5));
    let older = bench.sent();
    assert_eq!(older.message().token().as_bytes(), b"a");
    assert_eq!(
        block(&mut bench, 1).message().etag(),
        older.message().etag()
    );
    bench.client.set(bench.now, path("/3/0/9"), 98).unwrap();
    bench.pass(Duration::from_secs(5));
    let newer = bench.sent();
    assert_eq!(newer.message().token().as_bytes(), b"b");
    assert_ne!(newer.message().etag(), older.message().etag());
    // The first observer notices, and begins anew.
    assert_eq!(
        block(&mut bench, 2).message().etag(),
        newer.message().etag()
    );
    let again = block(&mut bench, 0);
    for first in [&newer, &again] {
        let mut body = first.payload().to_vec();
        body.extend(rest(&mut bench, first, 1));
        assert_eq!(body, device(98));
    }
    assert_eq!(bench.client.usage().coap.serving.bodies, 0);
}

#[test]
fn two_observations_of_one_path_do_not_disturb_each_other() {
    let mut bench = Bench::new();
    bench.request(b"1", observe(0, "/3/0/9"));
    bench.request(b"2", observe(0, "/3/0/9"));
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::ZERO);
    assert_eq!(bench.all_sent().len(), 2);
    bench.request(b"1", observe(1, "/3/0/9"));
    bench.client.set(bench.now, path("/3/0/9"), 8).unwrap();
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"2", b"\xC1\x09\x08");
}

#[test]
fn observe_again_with_the_same_token_replaces() {
    let mut bench = Bench::new();
    bench.request(b"1", observe(0, "/3/0/9"));
    bench.request(b"1", observe(0, "/3/0/9"));
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"1", b"\xC1\x09\x09");
}

/// RFC 7641 §4.1, §4.2: the newer request takes the place of the older one, and an error leaves none.
#[test]
fn an_observe_that_is_refused_ends_the_observation_with_its_token() {
    let mut bench = Bench::new();
    bench.request(b"1", observe(0, "/3/0/9"));
    bench.request(b"2", observe(0, "/3/0/9"));
    bench.events();
    let refused = bench.request(b"1", observe(0, "/3/0/99"));
    assert_eq!(refused.code(), Code::NOT_FOUND);
    let ended = ClientEvent::ObservationEnded {
        account: account(0),
        path: path("/3/0/9"),
    };
    assert_eq!(bench.events(), [ended]);
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"2", b"\xC1\x09\x09");
}

#[test]
fn observe_again_goes_on_counting() {
    let mut bench = Bench::new();
    bench.request(b"1", observe(0, "/3/0/9"));
    let mut last = 0;
    for level in [9, 8, 7] {
        bench.client.set(bench.now, path("/3/0/9"), level).unwrap();
        bench.pass(Duration::ZERO);
        last = bench.sent().message().observe().unwrap();
    }
    let again = bench.request(b"1", observe(0, "/3/0/9"));
    assert!(again.message().observe().unwrap() > last);
}

#[test]
fn written_default_periods_reach_running_observations() {
    let write = |at: &str, value: &[u8]| {
        let mut write = crate::support::on(Method::Put, at);
        write.content_format(ContentFormat::TEXT).unwrap();
        write.payload(value);
        write
    };
    // A shorter Maximum Period.
    let mut bench = Bench::registered(periods(None, Some(3600)));
    bench.request(b"t", observe(0, "/3/0/9"));
    assert_eq!(bench.code(write("/1/0/3", b"10")), Code::CHANGED);
    bench.pass(Duration::from_secs(10));
    assert_notification(&bench.sent(), b"t", b"\xC1\x09\x64");
    // A Minimum Period that no longer delays a change.
    let mut bench = Bench::registered(periods(Some(3600), None));
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.client.set(bench.now, path("/3/0/9"), 50).unwrap();
    bench.pass(Duration::from_secs(1));
    assert!(bench.all_sent().is_empty());
    assert_eq!(bench.code(write("/1/0/2", b"0")), Code::CHANGED);
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"t", b"\xC1\x09\x32");
}

#[test]
fn the_default_minimum_period_holds_a_change_back() {
    let mut bench = Bench::registered(periods(Some(10), None));
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.client.set(bench.now, path("/3/0/9"), 90).unwrap();
    bench.client.set(bench.now, path("/3/0/9"), 80).unwrap();
    bench.pass(Duration::from_millis(9_999));
    assert!(bench.all_sent().is_empty());
    bench.pass(Duration::from_millis(1));
    // The value is that of the time at which it is sent.
    assert_notification(&bench.sent(), b"t", b"\xC1\x09\x50");
    bench.pass(Duration::from_secs(100));
    assert!(bench.all_sent().is_empty());
}

#[test]
fn the_default_maximum_period_notifies_without_a_change() {
    let mut bench = Bench::registered(periods(Some(1), Some(60)));
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.pass(Duration::from_millis(59_999));
    assert!(bench.all_sent().is_empty());
    bench.pass(Duration::from_millis(1));
    assert_notification(&bench.sent(), b"t", b"\xC1\x09\x64");
    // Both timers restart with each notification.
    bench.pass(Duration::from_secs(30));
    bench.client.set(bench.now, path("/3/0/9"), 1).unwrap();
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"t", b"\xC1\x09\x01");
    bench.pass(Duration::from_millis(59_999));
    assert!(bench.all_sent().is_empty());
    bench.pass(Duration::from_millis(1));
    bench.sent();
}

/// TS 5.1.2: "not smaller than the minimum period", so it may be equal.
#[test]
fn a_maximum_period_of_the_minimum_counts() {
    let mut bench = Bench::registered(periods(Some(10), Some(10)));
    bench.request(b"t", observe(0, "/3/0/9"));
    for _ in 0..2 {
        bench.pass(Duration::from_millis(9_999));
        assert!(bench.all_sent().is_empty());
        bench.pass(Duration::from_millis(1));
        assert_notification(&bench.sent(), b"t", b"\xC1\x09\x64");
    }
}

#[test]
fn a_maximum_period_below_the_minimum_is_ignored() {
    for maximum in [0, 9] {
        let mut bench = Bench::registered(periods(Some(10), Some(maximum)));
        bench.request(b"t", observe(0, "/3/0/9"));
        bench.pass(Duration::from_secs(100));
        assert!(bench.all_sent().is_empty(), "{maximum}");
    }
}

#[test]
fn cancel_by_observe_1_answers_and_ends() {
    let mut bench = Bench::new();
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.events();
    let answer = bench.request(b"t", observe(1, "/3/0/9"));
    assert_eq!(
        (answer.code(), answer.message().observe()),
        (Code::CONTENT, None)
    );
    assert_eq!(
        bench.events(),
        [ClientEvent::ObservationEnded {
            account: account(0),
            path: path("/3/0/9")
        }]
    );
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::from_secs(1));
    assert!(bench.all_sent().is_empty());
}

/// The paths of the observations that have ended.
fn ended(bench: &mut Bench) -> Vec<Path> {
    let events = bench.events().into_iter();
    let paths = events.filter_map(|event| match event {
        ClientEvent::ObservationEnded { path, .. } => Some(path),
        _ => None,
    });
    paths.collect()
}

/// RFC 7641 §3.6, §4.1.
#[test]
fn cancel_with_the_token_of_an_observation_ends_that_one_alone() {
    for cancelled in ["/3/0", "/3", "/3/0/7", "/3/0/9"] {
        let mut bench = Bench::new();
        bench.request(b"i", observe(0, "/3/0"));
        bench.request(b"7", observe(0, "/3/0/7"));
        bench.request(b"9", observe(0, "/3/0/9"));
        // Another one of the same path.
        bench.request(b"j", observe(0, "/3/0"));
        bench.events();
        // The token decides, whatever the path.
        bench.request(b"i", observe(1, cancelled));
        assert_eq!(ended(&mut bench), [path("/3/0")], "{cancelled}");
        bench.client.set(bench.now, path("/3/0/7/0"), 8).unwrap();
        bench.client.set(bench.now, path("/3/0/9"), 8).unwrap();
        bench.pass(Duration::ZERO);
        let sent = bench.all_sent();
        let tokens = sent.iter().map(|sent| sent.message().token());
        let mut tokens: Vec<_> = tokens
            .map(|token| String::from_utf8_lossy(token.as_bytes()).into_owned())
            .collect();
        tokens.sort_unstable();
        assert_eq!(tokens, ["7", "9", "j"], "{cancelled}");
    }
}

/// As deployed servers cancel (TS 8.2.6): on a path, with a token of its own.
#[test]
fn cancel_with_a_token_of_no_observation_ends_those_on_the_path_and_below() {
    for (cancelled, ends) in [
        ("/3", &["/3", "/3/0", "/3/0/7", "/3/0/9", "/3/0/9"][..]),
        ("/3/0", &["/3/0", "/3/0/7", "/3/0/9", "/3/0/9"]),
        ("/3/0/9", &["/3/0/9", "/3/0/9"]),
        ("/3/0/10", &[]),
        ("/1", &[]),
    ] {
        let mut bench = Bench::new();
        let observed = ["/3", "/3/0", "/3/0/7", "/3/0/9", "/3/0/9"];
        for (token, at) in (b'a'..).zip(observed) {
            bench.request(&[token], observe(0, at));
        }
        bench.events();
        bench.request(b"none", observe(1, cancelled));
        let ends: Vec<Path> = ends.iter().copied().map(path).collect();
        assert_eq!(ended(&mut bench), ends, "{cancelled}");
    }
}

/// The root can't be observed (TS 5.5.1), so cancelling there is a bad request.
#[test]
fn cancel_on_the_root_is_refused_and_ends_what_has_its_token_alone() {
    for (token, ends) in [(&b"none"[..], &[][..]), (b"t", &[path("/3/0/9")])] {
        let mut bench = Bench::new();
        bench.request(b"t", observe(0, "/3/0/9"));
        bench.request(b"u", observe(0, "/3/0"));
        bench.events();
        let mut cancel = MessageBuf::request(Method::Get);
        cancel.observe(1).unwrap();
        assert_eq!(
            bench.request(token, cancel).code(),
            Code::METHOD_NOT_ALLOWED
        );
        assert_eq!(ended(&mut bench), ends);
    }
}

#[test]
fn cancel_by_reset_of_any_notification_con_or_non() {
    for reliability in [Reliability::NonConfirmable, Reliability::Confirmable] {
        let mut config = ClientConfig::new("reset", [9; 32]);
        config.notifications = reliability;
        let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 86_400));
        bench.accept_register();
        bench.request(b"t", observe(0, "/3/0/9"));
        bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
        bench.pass(Duration::ZERO);
        let notification = bench.sent();
        let confirmable = reliability == Reliability::Confirmable;
        assert_eq!(notification.kind() == MessageType::Confirmable, confirmable);
        let [high, low] = notification.message().message_id().to_be_bytes();
        bench.datagram(&[0x70, 0, high, low]);
        bench.client.set(bench.now, path("/3/0/9"), 8).unwrap();
        bench.pass(Duration::from_secs(1));
        assert!(bench.all_sent().is_empty());
    }
}

#[test]
fn cancel_by_reset_of_a_non_confirmable_first_answer() {
    let mut bench = Bench::new();
    let id = bench.message_id();
    let request =
        observe(0, "/3/0/9").finish(MessageType::NonConfirmable, id, Token::new(b"t").unwrap());
    bench.datagram(request.as_ref());
    let answer = bench.sent();
    assert_eq!(answer.kind(), MessageType::NonConfirmable);
    bench.events();
    let [high, low] = answer.message().message_id().to_be_bytes();
    bench.datagram(&[0x70, 0, high, low]);
    assert!(matches!(
        bench.events()[..],
        [ClientEvent::ObservationEnded { .. }]
    ));
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::from_secs(1));
    assert!(bench.all_sent().is_empty());
}

#[test]
fn a_reset_of_an_older_notification_than_the_last_cancels_too() {
    for answered in 0..3 {
        let mut bench = Bench::new();
        bench.request(b"t", observe(0, "/3/0/9"));
        bench.request(b"u", observe(0, "/3/0/10"));
        let mut message_ids = Vec::new();
        for level in [9, 8, 7] {
            bench.client.set(bench.now, path("/3/0/9"), level).unwrap();
            bench.pass(Duration::from_secs(1));
            message_ids.push(bench.sent().message().message_id());
        }
        let [high, low] = u16::to_be_bytes(message_ids[answered]);
        bench.datagram(&[0x70, 0, high, low]);
        bench.client.set(bench.now, path("/3/0/9"), 6).unwrap();
        bench.client.set(bench.now, path("/3/0/10"), 6).unwrap();
        bench.pass(Duration::from_secs(1));
        assert_notification(&bench.sent(), b"u", b"\xC1\x0A\x06");
    }
}

#[test]
fn a_cancelled_observation_is_silent_and_does_not_end_its_successor() {
    let mut config = ClientConfig::new("successor", [9; 32]);
    config.notifications = Reliability::Confirmable;
    let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 86_400));
    bench.accept_register();
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::ZERO);
    let old = bench.sent(); // is not acknowledged
    bench.request(b"t", observe(1, "/3/0/9"));
    bench.request(b"t", observe(0, "/3/0/10"));
    bench.events();
    bench.pass(Duration::from_secs(120));
    assert!(bench.all_sent().is_empty(), "nothing is sent again");
    // A late Reset to the old notification doesn't end the new observation.
    let [high, low] = old.message().message_id().to_be_bytes();
    bench.datagram(&[0x70, 0, high, low]);
    assert!(bench.events().is_empty());
    bench.client.set(bench.now, path("/3/0/10"), 7).unwrap();
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"t", b"\xC1\x0A\x07");
}

/// RFC 7641 §4.5.2: a waiting notification is replaced by a newer one. The observation doesn't
/// fail.
#[test]
fn a_notification_that_a_newer_one_replaces_ends_nothing() {
    let mut config = ClientConfig::new("newer", [9; 32]);
    config.notifications = Reliability::Confirmable;
    let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 86_400));
    bench.accept_register();
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.events();
    // The first one is not acknowledged; the second waits, until the third comes.
    for level in [9, 8, 7] {
        bench.client.set(bench.now, path("/3/0/9"), level).unwrap();
        bench.pass(Duration::ZERO);
    }
    assert_notification(&bench.sent(), b"t", b"\xC1\x09\x09");
    let newest = bench.pass_until_sent();
    assert_notification(&newest, b"t", b"\xC1\x09\x07");
    assert!(bench.events().is_empty());
    let [high, low] = newest.message().message_id().to_be_bytes();
    bench.datagram(&[0x60, 0, high, low]);
    bench.client.set(bench.now, path("/3/0/9"), 6).unwrap();
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"t", b"\xC1\x09\x06");
}

/// RFC 7641 §3.6, §4.1: a token may be used again. A Reset ends the observation of its
/// notification, not the one that has the token now.
#[test]
fn a_reset_of_a_notification_of_an_older_observation_does_not_end_the_newer_one() {
    for is_cancelled in [true, false] {
        let mut bench = Bench::new();
        bench.request(b"t", observe(0, "/3/0/9"));
        bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
        bench.pass(Duration::ZERO);
        let old = bench.sent();
        assert_eq!(old.kind(), MessageType::NonConfirmable);
        if is_cancelled {
            bench.request(b"t", observe(1, "/3/0/9"));
        }
        bench.request(b"t", observe(0, "/3/0/9"));
        bench.events();
        let [high, low] = old.message().message_id().to_be_bytes();
        bench.datagram(&[0x70, 0, high, low]);
        assert!(bench.events().is_empty(), "cancelled: {is_cancelled}");
        bench.client.set(bench.now, path("/3/0/9"), 8).unwrap();
        bench.pass(Duration::ZERO);
        let new = bench.sent();
        assert_notification(&new, b"t", b"\xC1\x09\x08");
        // A Reset to its own notification ends it.
        let [high, low] = new.message().message_id().to_be_bytes();
        bench.datagram(&[0x70, 0, high, low]);
        assert!(matches!(
            bench.events()[..],
            [ClientEvent::ObservationEnded { .. }]
        ));
    }
}

#[test]
fn a_cancel_that_cannot_be_answered_ends_the_observation_all_the_same() {
    let mut bench = Bench::new();
    bench.request(b"t", observe(0, "/3/0"));
    let mut cancel = observe(1, "/3/0");
    cancel.accept(ContentFormat::TEXT).unwrap();
    assert_eq!(bench.request(b"t", cancel).code(), Code::NOT_ACCEPTABLE);
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::from_secs(1));
    assert!(bench.all_sent().is_empty());
}

#[test]
fn what_cannot_be_read_leaves_no_observation_behind() {
    let mut tree = tree(periods(None, Some(60)));
    tree.add(Sensor::new());
    let mut bench = Bench::with_tree(ClientConfig::new("sensor", [9; 32]), tree);
    bench.accept_register();
    let reach = |bench: &mut Bench, fails| {
        let sensor = |sensor: &mut Sensor| sensor.fails = fails;
        bench.client.object(bench.now, ObjectId::LOCATION, sensor)
    };
    reach(&mut bench, true).unwrap();
    for (at, code) in [
        ("/3/0/4", Code::METHOD_NOT_ALLOWED),
        ("/3/0/17", Code::NOT_FOUND),
        ("/0/0", Code::UNAUTHORIZED),
        ("/6/0/0", Code::INTERNAL_SERVER_ERROR),
    ] {
        let answer = bench.request(b"t", observe(0, at));
        assert_eq!(
            (answer.code(), answer.message().observe()),
            (code, None),
            "{at}"
        );
    }
    assert!(bench.events().is_empty());
    // No errors follow, nor values when there are some again.
    for fails in [true, false] {
        reach(&mut bench, fails).unwrap();
        for at in ["/3/0/4", "/3/0/17", "/6/0/0"] {
            bench.client.changed(bench.now, path(at));
        }
        bench.pass(Duration::from_secs(600));
        assert!(bench.all_sent().is_empty());
    }
}

/// A Location that counts its reads, which fail while there is nothing to measure.
struct Sensor {
    store: Store,
    reads: Cell<usize>,
    /// How many more reads succeed.
    patience: Cell<usize>,
    fails: bool,
}

impl Sensor {
    fn new() -> Self {
        Self {
            store: Store::of([(InstanceId::ZERO, typed::Location::new(50.9, 6.9, 0))]),
            reads: Cell::new(0),
            patience: Cell::new(usize::MAX),
            fails: false,
        }
    }
}

impl Object for Sensor {
    fn definition(&self) -> &ObjectDefinition {
        self.store.definition()
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.store.next_instance(after)
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.store.has(instance, resource)
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        let left = self.patience.get().checked_sub(1);
        self.patience.set(left.expect("it is read too often"));
        if self.fails {
            return Err(ReadError::Unavailable);
        }
        self.store.read(instance, resource, out)
    }

    fn apply(&mut self, changes: &[Change]) {
        self.store.apply(changes);
    }

    fn execute(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        arguments: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        self.store.execute(instance, resource, arguments)
    }
}

#[test]
fn what_is_observed_is_read_when_it_is_notified_and_at_no_other_time() {
    let mut tree = tree(periods(Some(1), None));
    tree.add(Sensor::new());
    let mut bench = Bench::with_tree(ClientConfig::new("sensor", [9; 32]), tree);
    bench.accept_register();
    let reads = |bench: &Bench| {
        let sensor: &Sensor = bench.client.tree().object_as(ObjectId::LOCATION).unwrap();
        sensor.reads.replace(0)
    };
    for resource in ["/6/0/0", "/6/0/1"] {
        bench.request(b"t", observe(0, resource));
        assert_eq!(reads(&bench), 1);
        bench.request(b"t", observe(1, resource));
        assert_eq!(reads(&bench), 1);
    }
    bench.request(b"a", observe(0, "/6/0/0"));
    bench.request(b"b", observe(0, "/6/0/1"));
    assert_eq!(reads(&bench), 2);
    // Time passes, the Client is called needlessly, and other values change.
    for second in 0..600 {
        bench
            .client
            .set(bench.now, path("/3/0/9"), second % 100)
            .unwrap();
        bench.pass(Duration::from_secs(1));
        bench.client.handle_timeout(bench.now);
    }
    assert!(bench.all_sent().is_empty());
    assert_eq!(reads(&bench), 0);
    // Many changes within the Minimum Period cause one read.
    bench.client.changed(bench.now, path("/6/0/0"));
    bench.pass(Duration::ZERO);
    assert_eq!((bench.all_sent().len(), reads(&bench)), (1, 1));
    for _ in 0..10 {
        bench.client.changed(bench.now, path("/6/0/0"));
        bench.pass(Duration::from_millis(50));
    }
    assert_eq!((bench.all_sent().len(), reads(&bench)), (0, 0));
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.all_sent().len(), reads(&bench)), (1, 1));
}

/// Time saturates: any deadline that is set from now on is due at once.
#[test]
fn at_the_end_of_time_only_what_was_due_is_done() {
    let mut tree = tree(periods(None, Some(60)));
    tree.add(Sensor::new());
    let mut bench = Bench::with_tree(ClientConfig::new("end", [9; 32]), tree);
    bench.accept_register();
    for token in 0..10 {
        bench.request(&[token], observe(0, "/6/0/0"));
    }
    bench.now = Instant::MAX;
    for _ in 0..5 {
        let sensor: &Sensor = bench.client.tree().object_as(ObjectId::LOCATION).unwrap();
        sensor.patience.set(10);
        bench.client.handle_timeout(bench.now);
        // Ten notifications, and the messages of the registration and of retransmission.
        assert!(bench.all_sent().len() <= 12);
    }
}

#[test]
fn over_the_bound_an_observe_is_a_read() {
    let mut config = ClientConfig::new("bound", [9; 32]);
    config.most_observations = 1;
    let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 86_400));
    bench.accept_register();
    assert!(
        bench
            .request(b"1", observe(0, "/3/0/9"))
            .message()
            .observe()
            .is_some()
    );
    let answer = bench.request(b"2", observe(0, "/3/0/9"));
    assert_eq!(
        (answer.code(), answer.message().observe()),
        (Code::CONTENT, None)
    );
    // Observing the same again isn't one more.
    let again = bench.request(b"1", observe(0, "/3/0/9"));
    assert!(again.message().observe().is_some());
}

#[test]
fn a_write_of_a_server_is_notified() {
    let mut bench = Bench::new();
    bench.request(b"t", observe(0, "/3/0/14"));
    let mut write = crate::support::on(Method::Put, "/3/0/14");
    write
        .content_format(ContentFormat::TEXT)
        .unwrap()
        .payload(b"Z");
    assert_eq!(bench.code(write), Code::CHANGED);
    bench.pass(Duration::ZERO);
    assert_notification(&bench.sent(), b"t", b"\xC1\x0EZ");
}

#[test]
fn what_can_no_longer_be_read_ends_the_observation_with_a_confirmable_error() {
    // RFC 7641 §4.2. If it were lost, the server would wait forever.
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    let location = typed::Location::new(50.9, 6.9, 0);
    tree.add(Store::of([(InstanceId::ZERO, location)]));
    let mut bench = Bench::with_tree(ClientConfig::new("last", [9; 32]), tree);
    bench.accept_register();
    bench.request(b"t", observe(0, "/6/0"));
    let gone = bench
        .client
        .object(bench.now, ObjectId::LOCATION, |store: &mut Store| {
            *store = Store::of::<typed::Location>([]);
        });
    assert!(gone.is_some());
    bench.client.changed(bench.now, path("/6/0"));
    bench.pass(Duration::ZERO);
    // The Update with the remaining Objects goes first.
    let update = bench.sent();
    bench.answer(&update, MessageBuf::response(Code::CHANGED));
    let last = bench.sent();
    assert_eq!(last.message().token().as_bytes(), b"t");
    assert_eq!(
        (last.kind(), last.code(), last.message().observe()),
        (MessageType::Confirmable, Code::NOT_FOUND, None)
    );
}

#[test]
fn a_new_registration_forgets_observations() {
    let mut bench = Bench::new();
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.client.update(bench.now, account(0));
    let update = bench.sent();
    bench.answer(&update, MessageBuf::response(Code::NOT_FOUND));
    bench.events();
    bench.accept_register();
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.pass(Duration::from_secs(1));
    assert!(bench.all_sent().is_empty());
}

#[test]
fn every_24_hours_a_notification_is_confirmable_and_a_dead_server_loses_it() {
    let two_days = 2 * 86_400;
    let mut bench = Bench::registered(typed::Server::new(server_id(101), two_days));
    bench.request(b"t", observe(0, "/3/0/9"));
    bench.events();
    bench.now += Duration::from_secs(24 * 3600);
    bench.client.set(bench.now, path("/3/0/9"), 9).unwrap();
    bench.client.handle_timeout(bench.now);
    let (notifications, others): (Vec<_>, Vec<_>) = bench
        .all_sent()
        .into_iter()
        .partition(|sent| sent.message().token() == Token::new(b"t").unwrap());
    assert_eq!(notifications[0].kind(), MessageType::Confirmable);
    for update in others {
        bench.answer(&update, MessageBuf::response(Code::CHANGED));
    }
    // It is never acknowledged. The registration continues without the observation.
    bench.events();
    bench.pass(Duration::from_secs(93));
    assert!(bench.events().contains(&ClientEvent::ObservationEnded {
        account: account(0),
        path: path("/3/0/9")
    }));
    bench.all_sent();
    bench.client.set(bench.now, path("/3/0/9"), 10).unwrap();
    bench.pass(Duration::ZERO);
    assert!(
        bench
            .all_sent()
            .iter()
            .all(|sent| sent.message().token() != Token::new(b"t").unwrap())
    );
}

#[test]
fn observe_with_another_value_is_a_read() {
    let mut bench = Bench::new();
    let answer = bench.request(b"t", observe(7, "/3/0/9"));
    assert_eq!(
        (answer.code(), answer.message().observe()),
        (Code::CONTENT, None)
    );
    bench.request(b"u", get("/3/0/9"));
    assert!(bench.events().is_empty());
}

/// De-registering ends the observations (TS 5.5.1): what is not acknowledged is not sent again.
#[test]
fn a_notification_under_way_ends_with_the_registration() {
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.notifications = Reliability::Confirmable;
    let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 86_400));
    bench.accept_register();
    bench.request(b"tok", observe(0, "/3/0/9"));
    bench.client.set(bench.now, path("/3/0/9"), 42).unwrap();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.sent().kind(), MessageType::Confirmable);
    bench.client.deregister(bench.now);
    assert_eq!(bench.sent().code(), Code::DELETE);
    bench.pass(Duration::from_secs(100));
    assert!(
        bench
            .all_sent()
            .iter()
            .all(|sent| sent.code() == Code::DELETE)
    );
}
