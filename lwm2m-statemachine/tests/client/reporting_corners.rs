//! Notifications when several things come together (TS 5.1.2, 5.5, 7.3.2.5, RFC 7641).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, Method};
use lwm2m_objects::{
    Change, Store,
    typed::{self, AccessControl},
};
use lwm2m_statemachine::{
    ClientConfig, Datagram, Reliability,
    coap::{BlockOption, MessageBuf, MessageType},
};

use crate::{
    observe::observe,
    reporting::{SENSOR, Sensors, sensors},
    servers::{Two, access, access_control},
    support::{Bench, Sent, get, on, path, server_id, tree},
};

fn confirmable() -> Sensors {
    let mut config = ClientConfig::new("confirmable", [5; 32]);
    config.notifications = Reliability::Confirmable;
    Sensors::with(config)
}

/// An empty message: an acknowledgement (0x60) or a Reset (0x70).
fn empty(kind: u8, sent: &Sent) -> [u8; 4] {
    let [high, low] = sent.message().message_id().to_be_bytes();
    [kind, 0, high, low]
}

fn token(sent: &Sent) -> Vec<u8> {
    sent.message().token().as_bytes().to_vec()
}

/// TS 7.3.2.5: what waits for the acknowledgement of an older notification isn't sent once the right to read
/// is lost. It is told when the right is back.
#[test]
fn what_waits_to_be_sent_is_not_sent_without_the_right() {
    let both = [AccessControl::OWNER_RIGHTS, AccessRights::READ];
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut config = ClientConfig::new("two", [1; 32]);
    config.notifications = Reliability::Confirmable;
    let mut two = Two::with_config(config, servers, |tree| {
        tree.add(sensors());
        tree.add(access_control([access(26241, 0, both)]));
    });
    let step = |two: &mut Two, at: &str, value: i64| {
        two.client.set(two.now, path(at), value).unwrap();
        two.client.handle_timeout(two.now);
        let sent = two.sent().into_iter();
        sent.map(|(server, sent)| {
            (
                server,
                Sent {
                    to: two.connections[server],
                    bytes: sent,
                },
            )
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(two.code(1, observe(0, "/26241/0/1")), Code::CONTENT);
    let first = step(&mut two, "/26241/0/1", 21);
    assert_eq!(
        (first.len(), first[0].1.kind()),
        (1, MessageType::Confirmable)
    );
    // It waits for the acknowledgement.
    assert_eq!(step(&mut two, "/26241/0/1", 22), []);
    assert_eq!(step(&mut two, "/2/0/2/102", 0), []);
    // The acknowledgement is of a notification that is no longer waited for.
    let acknowledgement = empty(0x60, &first[0].1);
    let acknowledgement = Datagram::new(two.connections[1], &acknowledgement);
    let _ = two.client.handle_datagram(two.now, acknowledgement);
    two.client.handle_timeout(two.now);
    assert_eq!(two.sent(), []);
    let told = step(&mut two, "/2/0/2/102", 1);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1.payload(), b"\xC1\x01\x16");
}

/// RFC 7959 §2.6: a value may become too large for one message, and small again.
#[test]
fn a_value_that_grows_is_notified_in_blocks() {
    let mut sensors = Sensors::new();
    sensors.observe(b"t", "/26241/0/3");
    for length in [10, 3000, 1025, 4] {
        let place = "x".repeat(length);
        sensors.set("/26241/0/3", place.clone());
        let (_, first) = sensors.next(0).unwrap();
        let mut body = first.payload().to_vec();
        let mut last = first.message().block2();
        while let Some(block) = last.filter(|block| block.more()) {
            let mut next = get("/26241/0/3");
            let number = block.number() + 1;
            next.block2(BlockOption::new(number, false, block.size()).unwrap())
                .unwrap();
            let answer = sensors.0.request(b"r", next);
            assert_eq!(answer.code(), Code::CONTENT);
            assert_eq!(answer.message().etag(), first.message().etag());
            body.extend_from_slice(answer.payload());
            last = answer.message().block2();
        }
        assert_eq!(last.is_some(), length > 1000, "{length}");
        assert!(body.ends_with(place.as_bytes()));
        assert_eq!(sensors.0.client.usage().coap.serving.bodies, 0);
    }
}

/// RFC 7641 §4.2: an optional Resource that a Write has removed isn't there any more; those who observe what
/// is above it get what is left.
#[test]
fn an_observed_resource_that_vanishes_ends_and_the_instance_goes_on() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0", "pmin=60");
    sensors.observe(b"r", "/26241/0/1");
    sensors.observe(b"i", "/26241/0");
    let mut replace = on(Method::Put, "/26241/0");
    replace
        .content_format(ContentFormat::TLV)
        .unwrap()
        .payload(b"\xC5\x03attic");
    assert_eq!(sensors.0.code(replace), Code::CHANGED);
    let (after, gone) = sensors.next(0).unwrap();
    assert_eq!((after, token(&gone)), (0, b"r".to_vec()));
    assert_eq!(
        (gone.code(), gone.kind()),
        (Code::NOT_FOUND, MessageType::Confirmable)
    );
    sensors.0.datagram(&empty(0x60, &gone));
    let (after, left) = sensors.next(100_000).unwrap();
    assert_eq!((after, token(&left)), (60_000, b"i".to_vec()));
    assert!(left.payload().windows(5).any(|part| part == b"attic"));
    assert_eq!(sensors.0.client.reporting().observations().count(), 1);
    // When it is there again, nobody observes it but with its Object Instance.
    sensors.set("/26241/0/1", 7);
    let (after, whole) = sensors.next(100_000).unwrap();
    assert_eq!((after, token(&whole)), (60_000, b"i".to_vec()));
    sensors.pass(100_000);
}

/// An Object without Object Instances can be observed; what comes is told, what goes as well.
#[test]
fn an_empty_object_is_observed() {
    let mut tree = tree(typed::Server {
        default_maximum_period: Some(60),
        ..typed::Server::new(server_id(101), 86_400)
    });
    tree.add(Store::new(&SENSOR));
    let mut bench = Bench::with_tree(ClientConfig::new("empty", [5; 32]), tree);
    bench.accept_register();
    let first = bench.request(b"o", observe(0, "/26241"));
    assert_eq!((first.code(), first.payload()), (Code::CONTENT, &b""[..]));
    assert!(first.message().observe().is_some());
    // The Maximum Period is one of Resources (TS 5.1.2).
    bench.pass(Duration::from_secs(600));
    assert!(bench.all_sent().is_empty());
    let change = |bench: &mut Bench, changes: Vec<Change>| {
        bench.client.change(bench.now, changes).unwrap();
        bench.client.handle_timeout(bench.now);
        let sent = bench.all_sent().into_iter();
        let (told, updates): (Vec<_>, Vec<_>) = sent.partition(|sent| sent.code() == Code::CONTENT);
        for update in &updates {
            bench.answer(update, MessageBuf::response(Code::CHANGED));
        }
        told
    };
    let set = Change::Set {
        path: path("/26241/3/0"),
        value: 1.0.into(),
    };
    let comes = vec![
        Change::Create {
            path: path("/26241/3"),
        },
        set,
    ];
    let told = change(&mut bench, comes);
    assert_eq!((told.len(), told[0].payload().first()), (1, Some(&0x06)));
    bench.pass(Duration::from_millis(59_999));
    assert!(bench.all_sent().is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.sent().payload(), told[0].payload());
    let told = change(
        &mut bench,
        vec![Change::Delete {
            path: path("/26241/3"),
        }],
    );
    assert_eq!((told.len(), told[0].payload()), (1, &b""[..]));
    bench.pass(Duration::from_secs(600));
    assert!(bench.all_sent().is_empty());
}

/// RFC 7641 §4.1: the newer request with a token counts, with its path and its format.
#[test]
fn a_token_that_is_used_again_observes_as_the_newer_request_says() {
    let mut sensors = Sensors::new();
    sensors.observe(b"t", "/26241/0/1");
    for (at, format) in [
        ("/26241/0/1", ContentFormat::JSON),
        ("/26241/1/1", ContentFormat::TEXT),
        ("/26241/1/1", ContentFormat::TLV),
    ] {
        let mut request = observe(0, at);
        request.accept(format).unwrap();
        assert_eq!(sensors.0.request(b"t", request).code(), Code::CONTENT);
        let observed: Vec<_> = sensors.0.client.reporting().observations().collect();
        assert_eq!((observed.len(), observed[0].path), (1, path(at)));
        for id in [0, 1] {
            let changed = format!("/26241/{id}/1");
            let value = sensors.0.client.tree().get(path(&changed)).unwrap();
            let lwm2m_core::Value::Integer(value) = value else {
                panic!("{value:?}")
            };
            sensors.set(&changed, value + 1);
        }
        let (_, sent) = sensors.next(0).unwrap();
        assert_eq!(sent.message().content_format(), Some(format), "{at}");
        sensors.pass(1000);
    }
}

/// What is due many times over is one notification.
#[test]
fn a_jump_of_days_is_one_notification() {
    let mut tree = tree(typed::Server {
        default_maximum_period: Some(60),
        ..typed::Server::new(server_id(101), 4_000_000)
    });
    tree.add(sensors());
    let mut bench = Bench::with_tree(ClientConfig::new("days", [5; 32]), tree);
    bench.accept_register();
    bench.request(b"t", observe(0, "/26241/0/1"));
    bench.now += Duration::from_secs(30 * 86_400);
    bench.client.handle_timeout(bench.now);
    bench.client.handle_timeout(bench.now);
    let sent = bench.sent();
    assert_eq!(sent.kind(), MessageType::Confirmable);
    bench.datagram(&empty(0x60, &sent));
    bench.pass(Duration::from_millis(59_999));
    assert!(bench.all_sent().is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.sent().kind(), MessageType::NonConfirmable);
}

/// However many are due at once, and whatever the endpoint has room for: each observer hears the newest
/// value, once.
#[test]
fn each_of_many_observers_is_told_although_there_is_room_for_few() {
    let mut config = ClientConfig::new("many", [5; 32]);
    config.notifications = Reliability::Confirmable;
    config.coap.bounds.transmissions_per_peer = 3;
    let mut sensors = Sensors::with(config);
    for token in 0..40 {
        sensors.observe(&[token], "/26241/0/1");
    }
    sensors.set("/26241/0/1", 21);
    let mut told = Vec::new();
    for _ in 0..1000 {
        sensors.0.client.handle_timeout(sensors.0.now);
        for sent in sensors.0.all_sent() {
            told.push((token(&sent)[0], *sent.payload().last().unwrap()));
            sensors.0.datagram(&empty(0x60, &sent));
            if told.len() == 20 {
                sensors.set("/26241/0/1", 22);
            }
        }
        sensors.0.now += Duration::from_millis(100);
    }
    let newest: Vec<u8> = (0..40)
        .map(|id| told.iter().rev().find(|(token, _)| *token == id).unwrap().1)
        .collect();
    assert_eq!(newest, [22; 40]);
    assert!(told.len() <= 60 + 3, "{}", told.len());
    sensors.pass(600_000);
}

/// TS 5.1.2: however many thresholds are crossed within the Minimum Period, one notification follows.
#[test]
fn several_crossings_within_the_minimum_period_are_one_notification() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "pmin=10&gt=50&lt=10&st=5");
    sensors.observe(b"t", "/26241/0/0");
    for value in [60.0, 5.0, 70.0, 20.0] {
        sensors.set("/26241/0/0", value);
        sensors.pass(1000);
    }
    let (after, sent) = sensors.next(60_000).unwrap();
    assert_eq!(after, 6000);
    assert_eq!(sent.payload()[2..], 20_f32.to_be_bytes());
    sensors.pass(600_000);
}

/// TS 5.1.2, Table 4: periods as long as they can be written.
#[test]
fn the_longest_periods_are_waited_for() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "pmin=4294967295&pmax=4294967295");
    sensors.observe(b"t", "/26241/0/0");
    sensors.set("/26241/0/0", 21.0);
    sensors.pass(80_000_000);
    sensors.write("/26241/0/0", "pmin&pmax");
    assert_eq!(sensors.after(0), Some(0));
}

/// RFC 7641 §3.6: the acknowledgement of a notification is none of a later one, and a Reset ends the
/// observation while a newer notification waits.
#[test]
fn a_reset_ends_what_waits_behind_the_rejected_notification() {
    let mut sensors = confirmable();
    sensors.observe(b"t", "/26241/0/1");
    sensors.set("/26241/0/1", 21);
    let (_, first) = sensors.next(0).unwrap();
    sensors.set("/26241/0/1", 22);
    sensors.pass(0);
    sensors.0.datagram(&empty(0x70, &first));
    sensors.pass(600_000);
    assert_eq!(sensors.0.client.reporting().observations().count(), 0);
}
