//! Client Registration (TS 5.3, 8.2.4).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, InstanceId, Instant, Method, ObjectId};
use lwm2m_kit::account;
use lwm2m_objects::{DEVICE, ObjectTree, SECURITY, SERVER, Store, typed};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientError, ClientEvent, RegistrationFailure, Session,
    client::AccountRole,
    coap::{MessageBuf, MessageType, OptionNumber},
};

use crate::support::{Bench, created, get, on, path, server_id, tree};

const OBJECTS: &[u8] = br#"</>;rt="oma.lwm2m";ct=11543,</1/0>,</3/0>"#;

#[test]
fn register_tells_name_lifetime_version_binding_and_objects() {
    let server = typed::Server {
        binding: BindingMode::UQ,
        ..typed::Server::new(server_id(101), 300)
    };
    let mut bench = Bench::connected(server);
    let register = bench.sent();
    assert_eq!(register.kind(), MessageType::Confirmable);
    assert_eq!(
        (register.code(), register.path().as_str()),
        (Code::POST, "/rd")
    );
    assert_eq!(
        register.queries(),
        ["ep=example-client", "lt=300", "lwm2m=1.0", "b=UQ"]
    );
    assert_eq!(
        register.message().content_format(),
        Some(lwm2m_core::ContentFormat::LINK_FORMAT)
    );
    // The Security Object isn't listed.
    assert_eq!(register.payload(), OBJECTS);

    bench.answer(&register, created());
    let location = "/rd/a".into();
    assert_eq!(
        bench.events(),
        [ClientEvent::Registered {
            account: account(0),
            location
        }]
    );
    assert!(bench.client.is_registered(account(0)));
}

#[test]
fn update_goes_to_the_location_in_time_and_says_only_what_changed() {
    let mut bench = Bench::registered(typed::Server::new(server_id(101), 300));
    // 300 s − min(150 s, MAX_TRANSMIT_WAIT of 93 s) after the Register.
    bench.pass(Duration::from_millis(206_999));
    assert!(bench.all_sent().is_empty());
    bench.pass(Duration::from_millis(1));
    let update = bench.sent();
    assert_eq!(
        (update.code(), update.path().as_str()),
        (Code::POST, "/rd/a")
    );
    assert!(update.queries().is_empty() && update.payload().is_empty());
    bench.answer(&update, MessageBuf::response(Code::CHANGED));
    assert_eq!(
        bench.events(),
        [ClientEvent::Updated {
            account: account(0)
        }]
    );
}

/// The server may count the lifetime from the first transmission of the request, so a late answer
/// shortens what is left.
#[test]
fn the_lifetime_runs_from_the_request_and_not_from_its_answer() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    let mut request = bench.sent();
    for answer in [created(), MessageBuf::response(Code::CHANGED)] {
        // 207 s after the request, one of which the server takes to answer.
        bench.now += Duration::from_secs(1);
        bench.answer(&request, answer);
        bench.pass(Duration::from_millis(205_999));
        assert!(bench.all_sent().is_empty());
        bench.pass(Duration::from_millis(1));
        request = bench.sent();
        assert_eq!(request.path(), "/rd/a");
    }
}

#[test]
fn a_short_lifetime_is_updated_at_its_half() {
    let mut bench = Bench::registered(typed::Server::new(server_id(101), 60));
    bench.pass(Duration::from_secs(29));
    assert!(bench.all_sent().is_empty());
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.sent().path(), "/rd/a");
}

#[test]
fn a_written_lifetime_or_binding_is_told_at_once() {
    let mut bench = Bench::new();
    let mut write = on(Method::Put, "/1/0/1");
    write
        .content_format(lwm2m_core::ContentFormat::TEXT)
        .unwrap()
        .payload(b"20");
    let wire = write.finish(
        MessageType::Confirmable,
        1,
        lwm2m_statemachine::coap::Token::new(b"t").unwrap(),
    );
    bench.datagram(wire.as_ref());
    let sent = bench.all_sent();
    // The answer is sent before the Update that it causes.
    assert_eq!(
        (sent[0].code(), sent[0].kind()),
        (Code::CHANGED, MessageType::Acknowledgement)
    );
    assert_eq!(
        (sent[1].path().as_str(), sent[1].queries()),
        ("/rd/a", vec!["lt=20".to_string()])
    );
    assert_eq!(sent.len(), 2);
    // A second change while the Update is under way follows it.
    bench.client.set(bench.now, path("/1/0/7"), "UQ").unwrap();
    assert!(bench.all_sent().is_empty());
    bench.answer(&sent[1], MessageBuf::response(Code::CHANGED));
    assert_eq!(bench.sent().queries(), ["b=UQ"]);
}

#[test]
fn what_an_update_under_way_says_is_not_said_again() {
    let mut bench = Bench::new();
    let set = |bench: &mut Bench, at, value| {
        bench.client.set(bench.now, path(at), value).unwrap();
    };
    set(&mut bench, "/1/0/1", 20);
    let update = bench.sent();
    assert_eq!(update.queries(), ["lt=20"]);
    // Meanwhile something changes that isn't part of a registration.
    bench.client.changed(bench.now, path("/1/0/6"));
    bench.client.changed(bench.now, path("/3/0"));
    bench.answer(&update, MessageBuf::response(Code::CHANGED));
    assert!(bench.all_sent().is_empty());

    // Its change is undone, which takes one more Update.
    set(&mut bench, "/1/0/1", 30);
    let update = bench.sent();
    set(&mut bench, "/1/0/1", 20);
    assert!(bench.all_sent().is_empty());
    bench.answer(&update, MessageBuf::response(Code::CHANGED));
    let update = bench.sent();
    assert_eq!(update.queries(), ["lt=20"]);

    // Changed and undone again: nothing is left to update.
    set(&mut bench, "/1/0/1", 40);
    set(&mut bench, "/1/0/1", 20);
    bench.answer(&update, MessageBuf::response(Code::CHANGED));
    assert!(bench.all_sent().is_empty());
}

#[test]
fn an_update_that_is_asked_for_while_one_is_under_way_follows_it_once() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.client.update(bench.now, account(0));
    }
    for _ in 0..2 {
        let update = bench.sent();
        assert!(update.queries().is_empty() && update.payload().is_empty());
        bench.answer(&update, MessageBuf::response(Code::CHANGED));
    }
    assert!(bench.all_sent().is_empty());
}

#[test]
fn registration_update_trigger_sends_an_update_without_parameters() {
    let mut bench = Bench::new();
    let wire = on(Method::Post, "/1/0/8").finish(
        MessageType::Confirmable,
        1,
        lwm2m_statemachine::coap::Token::EMPTY,
    );
    bench.datagram(wire.as_ref());
    let sent = bench.all_sent();
    assert_eq!(sent[0].code(), Code::CHANGED);
    assert_eq!(
        (sent[1].path().as_str(), sent[1].queries().len()),
        ("/rd/a", 0)
    );
    assert!(
        bench.events().is_empty(),
        "the application has nothing to do"
    );
}

#[test]
fn deregister_ends_the_registration_and_the_connection() {
    let mut bench = Bench::new();
    bench.client.deregister(bench.now);
    let delete = bench.sent();
    assert_eq!(
        (delete.code(), delete.path().as_str()),
        (Code::DELETE, "/rd/a")
    );
    bench.answer(&delete, MessageBuf::response(Code::DELETED));
    let connection = bench.connection;
    assert_eq!(
        bench.events(),
        [
            ClientEvent::Deregistered {
                account: account(0)
            },
            ClientEvent::Disconnect { connection }
        ]
    );
    assert!(bench.client.is_idle());
    assert_eq!(bench.client.poll_timeout(), None);
    // It can start again on a new connection.
    bench.client.start(bench.now);
    assert!(matches!(
        bench.events()[..],
        [ClientEvent::Connect { connection: new, .. }] if new != connection
    ));
}

/// 4.04: the registration doesn't exist, which is what a De-register wants.
#[test]
fn a_deregister_of_what_the_server_does_not_know_is_done() {
    let mut bench = Bench::new();
    bench.client.deregister(bench.now);
    let delete = bench.sent();
    bench.answer(&delete, MessageBuf::response(Code::NOT_FOUND));
    let (account, connection) = (account(0), bench.connection);
    assert_eq!(
        bench.events(),
        [
            ClientEvent::Deregistered { account },
            ClientEvent::Disconnect { connection }
        ]
    );
}

#[test]
fn a_deregister_that_gets_no_answer_or_is_refused_is_told_of() {
    for answer in [None, Some(Code::BAD_REQUEST)] {
        let mut bench = Bench::new();
        bench.client.deregister(bench.now);
        let delete = bench.sent();
        let reason = if let Some(code) = answer {
            bench.answer(&delete, MessageBuf::response(code));
            RegistrationFailure::Refused(code)
        } else {
            bench.pass(Duration::from_secs(100));
            RegistrationFailure::Timeout
        };
        let (account, connection) = (account(0), bench.connection);
        assert_eq!(
            bench.events(),
            [
                ClientEvent::DeregisterFailed { account, reason },
                ClientEvent::Disconnect { connection }
            ]
        );
    }
}

#[test]
fn a_connection_that_is_lost_while_deregistering_need_not_be_closed() {
    let mut bench = Bench::new();
    bench.client.deregister(bench.now);
    bench.sent();
    bench.client.disconnected(bench.now, bench.connection);
    let (account, reason) = (account(0), RegistrationFailure::Disconnected);
    assert_eq!(
        bench.events(),
        [ClientEvent::DeregisterFailed { account, reason }]
    );
}

#[test]
fn a_register_that_cannot_be_built_is_not_tried_for_ever_at_once() {
    let mut config = ClientConfig::new("impatient", [5; 32]);
    config.retry.first = Duration::ZERO;
    config.retry.most = Duration::ZERO;
    let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 300));
    let register = bench.sent();
    bench.answer(&register, MessageBuf::response(Code::FORBIDDEN));
    let retry = bench.client.poll_timeout().unwrap();
    assert!(retry > bench.now);
}

#[test]
fn deregister_while_the_register_is_under_way_follows_its_answer() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    let register = bench.sent();
    bench.client.deregister(bench.now);
    assert!(bench.all_sent().is_empty() && bench.events().is_empty());
    bench.answer(&register, created());
    let delete = bench.sent();
    assert_eq!(
        (delete.code(), delete.path().as_str()),
        (Code::DELETE, "/rd/a")
    );
    // Requesting it twice doesn't send it twice.
    bench.client.deregister(bench.now);
    assert!(bench.all_sent().is_empty());
    bench.answer(&delete, MessageBuf::response(Code::DELETED));
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [
                ClientEvent::Registered { .. },
                ClientEvent::Deregistered { .. },
                ClientEvent::Disconnect { .. }
            ]
        ),
        "{events:?}"
    );

    // A refused Register leaves nothing to end, and isn't retried.
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    let register = bench.sent();
    bench.client.deregister(bench.now);
    bench.answer(&register, MessageBuf::response(Code::FORBIDDEN));
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [
                ClientEvent::RegistrationFailed { retry: None, .. },
                ClientEvent::Disconnect { .. }
            ]
        ),
        "{events:?}"
    );
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn a_server_that_forgot_the_registration_is_registered_with_anew() {
    let mut bench = Bench::new();
    bench.client.update(bench.now, account(0));
    let update = bench.sent();
    bench.answer(&update, MessageBuf::response(Code::NOT_FOUND));
    let register = bench.sent();
    assert_eq!(
        (register.path().as_str(), register.payload()),
        ("/rd", OBJECTS)
    );
    assert!(!bench.client.is_registered(account(0)));
    bench.answer(&register, created());
    assert!(bench.client.is_registered(account(0)));
}

/// Refuses the pending Register and waits for the next one; returns how long.
fn refuse(bench: &mut Bench) -> Duration {
    let register = bench.sent();
    bench.answer(&register, MessageBuf::response(Code::INTERNAL_SERVER_ERROR));
    let events = bench.events();
    let [
        ClientEvent::RegistrationFailed {
            reason,
            retry: Some(retry),
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        reason,
        RegistrationFailure::Refused(Code::INTERNAL_SERVER_ERROR)
    );
    let wait = retry.saturating_duration_since(bench.now);
    bench.pass(wait);
    wait
}

#[test]
fn a_register_that_fails_is_tried_again_later_and_later() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    for failures in 0..4 {
        let wait = refuse(&mut bench);
        let full = Duration::from_secs(5) * 2u32.pow(failures);
        assert!((full / 2..=full).contains(&wait), "{failures}: {wait:?}");
    }
}

/// Someone may have mended what was wrong.
#[test]
fn the_application_may_have_the_next_attempt_made_at_once() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    for failures in 0..3 {
        let register = bench.sent();
        bench.answer(&register, MessageBuf::response(Code::FORBIDDEN));
        let [ClientEvent::RegistrationFailed { retry: Some(_), .. }] = bench.events()[..] else {
            panic!("no failure");
        };
        assert!(bench.all_sent().is_empty(), "{failures}");
        bench.client.start(bench.now);
    }
    bench.accept_register();
    // Of a registration that stands it asks for nothing.
    bench.client.start(bench.now);
    assert!(bench.all_sent().is_empty());
}

#[test]
fn a_registration_that_stands_lets_waits_begin_anew() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    for _ in 0..4 {
        refuse(&mut bench);
    }
    bench.accept_register();
    // The server forgets it and fails again.
    bench.client.update(bench.now, account(0));
    let update = bench.sent();
    bench.answer(&update, MessageBuf::response(Code::NOT_FOUND));
    bench.events();
    assert!(refuse(&mut bench) <= Duration::from_secs(5));
}

#[test]
fn a_server_that_does_not_answer_is_tried_again() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    let first = bench.sent();
    let bench_start = bench.now;
    // Until the Client gives up, after MAX_TRANSMIT_WAIT at most.
    let mut again = Vec::new();
    while bench.now < bench_start + Duration::from_secs(93) && !bench.has_event() {
        let due = bench
            .client
            .poll_timeout()
            .expect("a retransmission is due");
        bench.pass(due.saturating_duration_since(bench.now));
        again.extend(bench.all_sent());
    }
    assert_eq!(again.len(), 4, "MAX_RETRANSMIT");
    assert!(
        again
            .iter()
            .all(|sent| sent.message().message_id() == first.message().message_id())
    );
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [ClientEvent::RegistrationFailed {
                reason: RegistrationFailure::Timeout,
                retry: Some(_),
                ..
            }]
        ),
        "{events:?}"
    );
    let register = bench.pass_until_sent();
    assert_ne!(
        register.message().message_id(),
        first.message().message_id()
    );
    bench.answer(&register, created());
    assert!(bench.client.is_registered(account(0)));
}

#[test]
fn an_answer_without_a_location_is_no_registration() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    let register = bench.sent();
    bench.answer(&register, MessageBuf::response(Code::CREATED));
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [ClientEvent::RegistrationFailed {
                reason: RegistrationFailure::NoLocation,
                ..
            }]
        ),
        "{events:?}"
    );
}

/// Answers the Register with these Location-Path segments; returns the event.
fn registers_at(segments: &[&str]) -> (Bench, Vec<ClientEvent>) {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    let register = bench.sent();
    let mut answer = MessageBuf::response(Code::CREATED);
    for segment in segments {
        // As bytes, which aren't checked.
        answer
            .option(OptionNumber::LOCATION_PATH, segment.as_bytes())
            .unwrap();
    }
    bench.answer(&register, answer);
    let events = bench.events();
    (bench, events)
}

/// RFC 7252 §5.10.7: no request could name it.
#[test]
fn a_location_with_a_segment_of_dots_is_no_registration() {
    for segments in [&["."][..], &[".."], &["rd", "."], &["rd", "..", "a"]] {
        let (bench, events) = registers_at(segments);
        assert!(
            matches!(
                events[..],
                [ClientEvent::RegistrationFailed {
                    reason: RegistrationFailure::NoLocation,
                    retry: Some(_),
                    ..
                }]
            ),
            "{segments:?}: {events:?}"
        );
        assert!(!bench.client.is_registered(account(0)));
    }
}

#[test]
fn a_location_that_would_make_every_request_large_is_no_registration() {
    let long = "x".repeat(255);
    for segments in [vec![""; 20_000], vec!["a"; 257], vec![&*long, &*long, ""]] {
        let (bench, events) = registers_at(&segments);
        assert!(
            matches!(
                events[..],
                [ClientEvent::RegistrationFailed {
                    reason: RegistrationFailure::LocationTooLong,
                    retry: Some(_),
                    ..
                }]
            ),
            "{events:?}"
        );
        assert!(!bench.client.is_registered(account(0)));
    }
}

/// TS 8.2.4: exactly as given.
#[test]
fn a_location_of_any_segments_is_used_as_it_is() {
    let long = "x".repeat(255);
    for segments in [
        vec!["rd", "a", ""],
        vec!["...", "a/b", "?&=#", "\u{fc}"],
        vec!["a"; 256],
        vec![&*long, &*long],
    ] {
        let (mut bench, events) = registers_at(&segments);
        let path = segments
            .iter()
            .fold(String::new(), |path, segment| path + "/" + segment);
        assert_eq!(
            events,
            [ClientEvent::Registered {
                account: account(0),
                location: path.clone()
            }]
        );
        bench.client.update(bench.now, account(0));
        let update = bench.sent();
        assert_eq!(update.message().uri_path().collect::<Vec<_>>(), segments);
        bench.answer(&update, MessageBuf::response(Code::CHANGED));
        bench.client.deregister(bench.now);
        assert_eq!(bench.sent().path(), path);
    }
}

#[test]
fn a_lost_connection_is_asked_for_again_and_a_new_one_is_registered_on_anew() {
    let mut bench = Bench::new();
    bench.client.disconnected(bench.now, bench.connection);
    // The registration lives on without it.
    assert!(bench.client.is_registered(account(0)));
    assert_eq!(bench.events(), []);
    bench.pass(Duration::from_secs(5));
    let events = bench.events();
    let [ClientEvent::Connect { connection, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_ne!(*connection, bench.connection);
    bench.connection = *connection;
    bench
        .client
        .connected(bench.now, bench.connection, Session::New);
    assert!(!bench.client.is_registered(account(0)));
    bench.accept_register();
    bench.works();
}

#[test]
fn each_server_has_a_registration_of_its_own() {
    let mut tree = ObjectTree::new();
    let instance = |id| InstanceId::new(id).unwrap();
    tree.add(Store::of([
        (
            instance(0),
            typed::Security::no_sec("coap://one", server_id(101)),
        ),
        (
            instance(1),
            typed::Security::no_sec("coap://two", server_id(102)),
        ),
    ]));
    tree.add(Store::of([
        (instance(3), typed::Server::new(server_id(102), 60)),
        (instance(4), typed::Server::new(server_id(101), 300)),
    ]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::default())]));
    let mut client = Client::new(ClientConfig::new("two", [1; 32]), tree).unwrap();
    client.start(Instant::ZERO);
    let asked: Vec<_> = core::iter::from_fn(|| client.poll_event())
        .map(|event| match event {
            ClientEvent::Connect {
                connection,
                account,
                uri,
                ..
            } => (connection, account, uri),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        (asked[0].1, asked[0].2.as_str()),
        (account(0), "coap://one")
    );
    assert_eq!(
        (asked[1].1, asked[1].2.as_str()),
        (account(1), "coap://two")
    );
    client.connected(Instant::ZERO, asked[1].0, Session::New);
    let sent = client.poll_transmit().unwrap();
    assert_eq!(sent.to, asked[1].0);
    let register = lwm2m_statemachine::coap::MessageRef::parse(sent.payload).unwrap();
    assert!(register.uri_query().any(|query| query == "lt=60"));
    assert!(client.poll_transmit().is_none());
}

#[test]
fn what_no_client_can_be_made_with() {
    let server = || typed::Server::new(server_id(101), 300);
    let make = |name: &str, tree| Client::new(ClientConfig::new(name, [0; 32]), tree).err();
    assert_eq!(make("", tree(server())), Some(ClientError::EndpointName));
    assert_eq!(
        make(&"x".repeat(253), tree(server())),
        Some(ClientError::EndpointName)
    );
    assert_eq!(make(&"x".repeat(252), tree(server())), None);
    let instance = |id| InstanceId::new(id).unwrap();
    let duplicate = Some(ClientError::DuplicateServer(server_id(101)));
    let mut twice = tree(server());
    twice.add(Store::of([
        (instance(0), server()),
        (instance(1), server()),
    ]));
    assert_eq!(make("x", twice), duplicate);
    let security = || typed::Security::no_sec("coap://one", server_id(101));
    let mut twice = tree(server());
    twice.add(Store::of([
        (instance(0), security()),
        (instance(1), security()),
    ]));
    assert_eq!(make("x", twice), duplicate);
}

/// TS 5.2.2, E.1: it has no Short Server ID, and a value there is ignored.
#[test]
fn a_bootstrap_server_with_the_number_of_a_server_is_no_duplicate_of_it() {
    let instance = |id| InstanceId::new(id).unwrap();
    for first in [0, 2] {
        let security = typed::Security::no_sec("coap://server", server_id(101));
        let bootstrap = typed::Security {
            bootstrap_server: true,
            ..typed::Security::no_sec("coap://bootstrap", server_id(101))
        };
        let mut tree = tree(typed::Server::new(server_id(101), 300));
        tree.add(Store::of([
            (instance(1), security),
            (instance(first), bootstrap),
        ]));
        let mut client = Client::new(ClientConfig::new("x", [0; 32]), tree).unwrap();
        client.start(Instant::ZERO);
        let events = lwm2m_kit::events(&mut client);
        assert!(
            matches!(&events[..], [ClientEvent::Connect { uri, .. }] if uri == "coap://server"),
            "{events:?}"
        );
    }
}

#[test]
fn a_client_without_a_mandatory_object_is_not_made_and_told_which_it_lacks() {
    let make = |without: &[u16]| {
        let mut tree = ObjectTree::new();
        for (id, object) in [
            (0, Store::new(&SECURITY)),
            (1, Store::new(&SERVER)),
            (3, Store::new(&DEVICE)),
        ] {
            if !without.contains(&id) {
                tree.add(object);
            }
        }
        Client::new(ClientConfig::new("x", [0; 32]), tree).err()
    };
    for (without, id, name) in [
        (&[0][..], 0, "LwM2M Security"),
        (&[1], 1, "LwM2M Server"),
        (&[3], 3, "Device"),
        (&[0, 1, 3], 0, "LwM2M Security"),
    ] {
        let error = make(without).unwrap();
        let id = ObjectId::new(id);
        assert_eq!(error, ClientError::MissingObject { id, name });
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(make(&[]), None);
}

/// TS 5.2.4: a bootstrap brings it.
#[test]
fn a_client_starts_without_an_account_of_a_server() {
    let bootstrap = typed::Security {
        bootstrap_server: true,
        short_server_id: None,
        ..typed::Security::no_sec("coap://bootstrap", server_id(1))
    };
    let unpaired = typed::Security::no_sec("coap://server", server_id(101));
    for securities in [vec![], vec![bootstrap], vec![unpaired]] {
        let mut tree = tree(typed::Server::new(server_id(7), 300));
        let instances = (0..).filter_map(InstanceId::new);
        tree.add(Store::of(instances.zip(securities)));
        let mut client = Client::new(ClientConfig::new("x", [0; 32]), tree).unwrap();
        let has_bootstrap_server = client
            .accounts()
            .any(|account| account.role == AccountRole::BootstrapServer);
        client.start(Instant::ZERO);
        client.deregister(Instant::ZERO);
        let told = lwm2m_kit::events(&mut client).len();
        // Its connection is asked for, and isn't needed any more.
        assert_eq!(told, if has_bootstrap_server { 3 } else { 0 });
        client.handle_timeout(Instant::from_secs(1_000_000));
        assert!(client.poll_event().is_none() && client.poll_transmit().is_none());
        assert_eq!(client.poll_timeout(), None);
        assert!(client.is_idle());
    }
}

#[test]
fn operations_before_the_registrations_answer_are_ignored_in_silence() {
    let mut bench = Bench::connected(typed::Server::new(server_id(101), 300));
    let register = bench.sent();
    let token = lwm2m_statemachine::coap::Token::EMPTY;
    let read = get("/3/0/0").finish(MessageType::Confirmable, 9, token);
    bench.datagram(read.as_ref());
    assert!(bench.all_sent().is_empty(), "no acknowledgement, no Reset");
    // Nor are bad requests: an unknown method, an unknown critical option.
    bench.datagram(&[0x40, 0x05, 1, 1]);
    bench.datagram(&[0x40, 0x01, 1, 2, 0x91, 0x00]);
    assert!(bench.all_sent().is_empty());
    bench.answer(&register, created());
    // The server's retransmission of the same message is served now.
    bench.datagram(read.as_ref());
    assert_eq!(bench.sent().code(), Code::CONTENT);
}
