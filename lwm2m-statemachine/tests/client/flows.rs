//! Reboot and Factory Reset (TS E.4, Resources 4 and 5).

use core::time::Duration;

use lwm2m_core::{Code, InstanceId, Instant, Method, Value};
use lwm2m_kit::account;
use lwm2m_objects::{
    Answer, Change, DeviceObject, ErrorCode, ObjectTree, Store, firmware::FirmwareUpdateObject,
    typed,
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    client::{DeferredOperation, DownloadOutcome},
    coap::{MessageBuf, MessageType, Token},
};

use crate::support::{Bench, Sent, created, get, on, path, server_id, tree};

/// How long an answer may be repeated: ACK_TIMEOUT × ACK_RANDOM_FACTOR.
const LINGER: Duration = Duration::from_secs(3);

const REBOOT: &str = "/3/0/4";
const FACTORY_RESET: &str = "/3/0/5";

/// The Client of the other tests, with a Device that has both Resources.
fn device_tree() -> ObjectTree {
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    let device = typed::Device {
        factory_reset: true,
        ..typed::Device::example()
    };
    tree.add(DeviceObject::new(device, Instant::ZERO).unwrap());
    tree
}

fn bench() -> Bench {
    bench_of(device_tree())
}

/// The Client with a device that has left the factory.
fn bench_from_factory() -> Bench {
    let mut tree = device_tree();
    tree.leave_factory();
    bench_of(tree)
}

fn bench_of(tree: ObjectTree) -> Bench {
    let config = ClientConfig::new("example-client", [7; 32]);
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    bench
}

fn executed(at: &str) -> ClientEvent {
    ClientEvent::Execute {
        account: account(0),
        path: path(at),
        arguments: String::new(),
    }
}

/// The connection that is asked for next is up, and the Client registers on it.
fn register_anew(bench: &mut Bench, events: &[ClientEvent]) -> Sent {
    let connection = events.iter().rev().find_map(|event| match event {
        ClientEvent::Connect { connection, .. } => Some(*connection),
        _ => None,
    });
    let connection = connection.expect("a connection is asked for");
    assert_ne!(connection, bench.connection);
    bench.connection = connection;
    bench.client.connected(bench.now, connection, Session::New);
    let register = bench.sent();
    assert_eq!((register.code(), &*register.path()), (Code::POST, "/rd"));
    bench.answer(&register, created());
    bench.events();
    bench.works();
    register
}

#[test]
fn a_reboot_comes_when_the_answer_has_left_and_registers_anew() {
    let mut bench = bench();
    let old = bench.connection;
    let execute = on(Method::Post, REBOOT).finish(MessageType::Confirmable, 7, Token::EMPTY);
    bench.datagram(execute.as_ref());
    assert_eq!(bench.sent().code(), Code::CHANGED);
    assert_eq!(bench.events(), [executed(REBOOT)]);
    // The answer may have been lost: a copy of the request is still answered, and not run again.
    bench.pass(Duration::from_millis(2900));
    bench.datagram(execute.as_ref());
    assert_eq!(bench.sent().code(), Code::CHANGED);
    bench.works();
    assert_eq!(bench.events(), []);

    bench.pass(Duration::from_millis(100));
    assert!(bench.all_sent().is_empty(), "no De-register");
    let disconnect = ClientEvent::Disconnect { connection: old };
    assert_eq!(bench.events(), [disconnect, ClientEvent::Reboot]);
    assert!(!bench.client.is_registered(account(0)));
    // Nothing happens until the Client starts again.
    bench.datagram(execute.as_ref());
    bench.pass(Duration::from_secs(100_000));
    assert!(bench.all_sent().is_empty());
    assert_eq!(bench.events(), []);
    bench.client.start(bench.now);
    let events = bench.events();
    register_anew(&mut bench, &events);
}

#[test]
fn the_application_may_refuse_or_agree_later() {
    let mut bench = bench();
    let asks = DeferredOperation::Execute;
    bench.client.deferred().defer(asks, path(REBOOT));
    for consent in [Err(Code::METHOD_NOT_ALLOWED), Ok(())] {
        let message_id = bench.message_id();
        let token = Token::new(b"t").unwrap();
        let execute = on(Method::Post, REBOOT);
        let wire = execute.finish(MessageType::Confirmable, message_id, token);
        bench.datagram(wire.as_ref());
        let [ClientEvent::ExecuteAsked { request, .. }] = bench.events()[..] else {
            panic!("the application is asked");
        };
        // It takes its time, so the answer is separate.
        bench.pass(Duration::from_secs(20));
        assert_eq!(bench.sent().code(), Code::EMPTY);
        bench
            .client
            .deferred()
            .answer_execute(bench.now, request, consent)
            .unwrap();
        let answer = bench.sent();
        let expected = consent.map_or_else(|code| code, |()| Code::CHANGED);
        assert_eq!(
            (answer.kind(), answer.code()),
            (MessageType::Confirmable, expected)
        );
        if consent.is_ok() {
            // It hasn't arrived yet: it is repeated, and the Client waits.
            bench.pass(LINGER + LINGER);
            assert!(!bench.all_sent().is_empty());
            assert_eq!(bench.events(), []);
        }
        let message_id = answer.message().message_id();
        let empty = MessageBuf::new(Code::EMPTY);
        let wire = empty.finish(MessageType::Acknowledgement, message_id, Token::EMPTY);
        bench.datagram(wire.as_ref());
        bench.pass(LINGER);
        let events = bench.events();
        assert_eq!(events.contains(&ClientEvent::Reboot), consent.is_ok());
    }
}

/// An answer that never arrives doesn't keep the device from rebooting.
#[test]
fn a_server_that_does_not_acknowledge_is_waited_for_so_long() {
    let mut bench = bench();
    bench
        .client
        .deferred()
        .defer(DeferredOperation::Execute, path(REBOOT));
    let wire = on(Method::Post, REBOOT).finish(MessageType::Confirmable, 7, Token::EMPTY);
    bench.datagram(wire.as_ref());
    let [ClientEvent::ExecuteAsked { request, .. }] = bench.events()[..] else {
        panic!("the application is asked");
    };
    bench.pass(Duration::from_secs(1));
    let answered = bench
        .client
        .deferred()
        .answer_execute(bench.now, request, Ok(()));
    assert_eq!(answered, Ok(Code::CHANGED));
    bench.pass(Duration::from_secs(93 + 3));
    assert!(bench.events().contains(&ClientEvent::Reboot));
}

#[test]
fn a_factory_reset_deregisters_erases_and_starts_again() {
    let mut bench = bench_from_factory();
    let (now, client) = (bench.now, &mut bench.client);
    client.set(now, path("/1/0/1"), 777).unwrap();
    client.set(now, path("/3/0/14"), "+05:00").unwrap();
    client
        .object(
            now,
            path("/3").object().unwrap(),
            |device: &mut DeviceObject| {
                device.report(ErrorCode::LowBattery);
            },
        )
        .unwrap();
    let update = bench.sent();
    bench.answer(&update, MessageBuf::response(Code::CHANGED));
    let mut attributes = on(Method::Put, "/3/0");
    attributes.uri_query("pmin=10").unwrap();
    assert_eq!(bench.code(attributes), Code::CHANGED);
    bench.events();

    assert_eq!(bench.code(on(Method::Post, FACTORY_RESET)), Code::CHANGED);
    assert_eq!(bench.events(), [executed(FACTORY_RESET)]);
    bench.pass(LINGER);
    let deregister = bench.sent();
    assert_eq!(deregister.code(), Code::DELETE);
    assert_eq!(deregister.path(), "/rd/a");
    // Nothing is erased before the server knows.
    assert_eq!(
        bench.client.tree().get(path("/1/0/1")),
        Some(Value::Integer(777))
    );
    assert_eq!(bench.events(), []);
    bench.answer(&deregister, MessageBuf::response(Code::DELETED));
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [
                ClientEvent::Deregistered { .. },
                ClientEvent::Disconnect { .. },
                ClientEvent::FactoryReset { restored: Ok(()) },
                ClientEvent::Connect { .. },
            ]
        ),
        "{events:?}"
    );
    let value = |bench: &Bench, at: &str| bench.client.tree().get(path(at));
    assert_eq!(value(&bench, "/1/0/1"), Some(Value::Integer(86_400)));
    assert_eq!(value(&bench, "/3/0/14"), Some(Value::from("+02:00")));
    assert_eq!(value(&bench, "/3/0/11/0"), Some(Value::Integer(0)));
    assert_eq!(
        bench.client.reporting().attributes(server_id(101)).count(),
        0
    );
    let register = register_anew(&mut bench, &events);
    assert!(register.queries().contains(&"lt=86400".into()));
}

/// Without a state of the factory, values stay.
#[test]
fn a_factory_reset_without_a_state_erases_what_has_happened() {
    let mut bench = bench();
    let (now, client) = (bench.now, &mut bench.client);
    client.set(now, path("/3/0/14"), "+05:00").unwrap();
    client
        .object(
            now,
            path("/3").object().unwrap(),
            |device: &mut DeviceObject| {
                device.report(ErrorCode::LowBattery);
            },
        )
        .unwrap();
    assert_eq!(bench.code(on(Method::Post, FACTORY_RESET)), Code::CHANGED);
    bench.pass(LINGER);
    let deregister = bench.sent();
    bench.answer(&deregister, MessageBuf::response(Code::DELETED));
    let events = bench.events();
    let tree = bench.client.tree();
    assert_eq!(tree.get(path("/3/0/14")), Some(Value::from("+05:00")));
    assert_eq!(tree.get(path("/3/0/11/0")), Some(Value::Integer(0)));
    register_anew(&mut bench, &events);
}

#[test]
fn a_deregister_that_is_not_answered_does_not_stop_a_factory_reset() {
    let mut bench = bench();
    assert_eq!(bench.code(on(Method::Post, FACTORY_RESET)), Code::CHANGED);
    bench.pass(LINGER + Duration::from_secs(94));
    let all = bench.all_sent();
    assert!(all.iter().all(|sent| sent.code() == Code::DELETE));
    let events = bench.events();
    let reset = ClientEvent::FactoryReset { restored: Ok(()) };
    assert!(events.contains(&reset), "{events:?}");
    register_anew(&mut bench, &events);
}

/// The bootstrap information of the factory takes the place of what was there (TS 5.2.4).
#[test]
fn a_factory_reset_goes_back_to_the_accounts_of_the_factory() {
    let mut bench = bench_from_factory();
    let now = bench.now;
    let set = |at: &str, value: Value| Change::Set {
        path: path(at),
        value,
    };
    let moved = [set("/0/0/0", "coap://server2.example.com".into())];
    bench.client.change(now, moved).unwrap();
    let events = bench.events();
    register_anew(&mut bench, &events);
    assert_eq!(bench.code(on(Method::Post, FACTORY_RESET)), Code::CHANGED);
    bench.pass(LINGER);
    let deregister = bench.sent();
    bench.answer(&deregister, MessageBuf::response(Code::DELETED));
    let events = bench.events();
    let uri = events.iter().find_map(|event| match event {
        ClientEvent::Connect { uri, .. } => Some(&**uri),
        _ => None,
    });
    assert_eq!(uri, Some("coap://server1.example.com"));
    register_anew(&mut bench, &events);
}

/// Of two Reboots one is done; a Factory Reset takes the place of a Reboot.
#[test]
fn a_factory_reset_takes_the_place_of_a_reboot() {
    for (second, resets) in [(REBOOT, false), (FACTORY_RESET, true)] {
        let mut bench = bench();
        assert_eq!(bench.code(on(Method::Post, REBOOT)), Code::CHANGED);
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.code(on(Method::Post, second)), Code::CHANGED);
        bench.pass(LINGER);
        if resets {
            let deregister = bench.sent();
            bench.answer(&deregister, MessageBuf::response(Code::DELETED));
        }
        let events = bench.events();
        let count = |event: &ClientEvent| events.iter().filter(|told| *told == event).count();
        let reset = ClientEvent::FactoryReset { restored: Ok(()) };
        assert_eq!(count(&reset), usize::from(resets));
        assert_eq!(count(&ClientEvent::Reboot), usize::from(!resets));
    }
}

/// Two servers: one executes, both are left, and the end waits for the slower one.
#[test]
fn every_server_is_left() {
    let device = typed::Device {
        factory_reset: true,
        ..typed::Device::example()
    };
    let ids = [101, 102].map(server_id);
    let mut tree = ObjectTree::new();
    let one = |at: u16| InstanceId::new(at).unwrap();
    tree.add(Store::of([
        (one(0), typed::Security::no_sec("coap://192.0.2.1", ids[0])),
        (one(1), typed::Security::no_sec("coap://192.0.2.2", ids[1])),
    ]));
    tree.add(Store::of([
        (one(0), typed::Server::new(ids[0], 86_400)),
        (one(1), typed::Server::new(ids[1], 86_400)),
    ]));
    tree.add(DeviceObject::new(device, Instant::ZERO).unwrap());
    let acl = |target, owner| typed::AccessControl {
        target,
        acl: [].into(),
        owner,
    };
    let target = typed::AclTarget::Instance(path("/3").object().unwrap(), InstanceId::ZERO);
    tree.add(Store::of([(InstanceId::ZERO, acl(target, 101))]));
    let mut client = Client::new(ClientConfig::new("example-client", [7; 32]), tree).unwrap();
    let mut now = Instant::from_secs(1000);
    client.start(now);
    let connections: Vec<ConnectionId> = lwm2m_kit::events(&mut client)
        .into_iter()
        .filter_map(|event| match event {
            ClientEvent::Connect { connection, .. } => Some(connection),
            _ => None,
        })
        .collect();
    for connection in &connections {
        client.connected(now, *connection, Session::New);
        let register = lwm2m_kit::sent(&mut client).remove(0);
        answer(&mut client, now, &register, created());
    }
    let execute = on(Method::Post, FACTORY_RESET);
    let wire = execute.finish(MessageType::Confirmable, 7, Token::EMPTY);
    let datagram = Datagram::new(connections[0], wire.as_ref());
    client.handle_datagram(now, datagram).unwrap();
    assert_eq!(lwm2m_kit::sent(&mut client)[0].code(), Code::CHANGED);
    now += LINGER;
    client.handle_timeout(now);
    let left = lwm2m_kit::sent(&mut client);
    let to: Vec<ConnectionId> = left.iter().map(|sent| sent.to).collect();
    assert_eq!(to, connections);
    let is_reset = |event: &ClientEvent| matches!(event, ClientEvent::FactoryReset { .. });
    lwm2m_kit::events(&mut client);
    answer(
        &mut client,
        now,
        &left[1],
        MessageBuf::response(Code::DELETED),
    );
    assert!(!lwm2m_kit::events(&mut client).iter().any(is_reset));
    // A start meanwhile changes nothing.
    client.start(now);
    assert!(lwm2m_kit::sent(&mut client).is_empty());
    answer(
        &mut client,
        now,
        &left[0],
        MessageBuf::response(Code::DELETED),
    );
    let events = lwm2m_kit::events(&mut client);
    assert_eq!(events.iter().filter(|event| is_reset(event)).count(), 1);
    let connects = |event: &&ClientEvent| matches!(event, ClientEvent::Connect { .. });
    assert_eq!(events.iter().filter(connects).count(), 2);
}

fn answer(client: &mut Client, now: Instant, request: &Sent, answer: MessageBuf) {
    let message = request.message();
    let (id, token) = (message.message_id(), message.token());
    let wire = answer.finish(MessageType::Acknowledgement, id, token);
    let datagram = Datagram::new(request.to, wire.as_ref());
    client.handle_datagram(now, datagram).unwrap();
}

/// Until the Client leaves, it serves and notifies.
#[test]
fn observations_go_on_until_the_client_leaves() {
    let mut bench = bench();
    let mut observe = MessageBuf::request(Method::Get);
    observe.observe(0).unwrap();
    for segment in ["3", "0", "9"] {
        observe.uri_path(segment).unwrap();
    }
    assert_eq!(bench.request(b"obs", observe).code(), Code::CONTENT);
    assert_eq!(bench.code(on(Method::Post, REBOOT)), Code::CHANGED);
    bench.client.set(bench.now, path("/3/0/9"), 42).unwrap();
    bench.client.handle_timeout(bench.now);
    assert!(bench.sent().message().observe().is_some());
    bench.events();
    bench.pass(LINGER);
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [
                ClientEvent::ObservationEnded { .. },
                ClientEvent::Disconnect { .. },
                ClientEvent::Reboot,
            ]
        ),
        "{events:?}"
    );
    bench.client.set(bench.now, path("/3/0/9"), 43).unwrap();
    bench.pass(Duration::from_secs(60));
    assert!(bench.all_sent().is_empty());
}

/// A download ends with a Factory Reset, and goes on after a Reboot of the Client alone.
#[test]
fn downloads_rest_in_a_reboot_and_end_in_a_factory_reset() {
    for flow in [REBOOT, FACTORY_RESET] {
        let mut tree = device_tree();
        let update = typed::FirmwareUpdate::default();
        let firmware = FirmwareUpdateObject::new(update, |_| Answer::Done);
        tree.add(firmware.unwrap());
        let config = ClientConfig::new("example-client", [7; 32]);
        let mut bench = Bench::with_tree(config, tree);
        bench.accept_register();
        let now = bench.now;
        let uri = "coap://192.0.2.9/fw";
        bench.client.set(now, path("/5/0/1"), uri).unwrap();
        let [ClientEvent::ConnectForDownload { connection, .. }] = bench.events()[..] else {
            panic!("a connection is asked for");
        };
        assert_eq!(bench.code(on(Method::Post, flow)), Code::CHANGED);
        bench.pass(LINGER);
        if flow == FACTORY_RESET {
            let deregister = bench.sent();
            bench.answer(&deregister, MessageBuf::response(Code::DELETED));
        }
        let events = bench.events();
        assert!(events.contains(&ClientEvent::Disconnect { connection }));
        let ended = ClientEvent::DownloadEnded {
            path: path("/5/0/1"),
            outcome: DownloadOutcome::Stopped,
        };
        assert_eq!(events.contains(&ended), flow == FACTORY_RESET);
        bench.client.start(bench.now);
        let again = bench
            .events()
            .iter()
            .chain(&events)
            .filter(|event| matches!(event, ClientEvent::ConnectForDownload { .. }))
            .count();
        assert_eq!(again, usize::from(flow == REBOOT));
    }
}

/// Other executables of Device are no flow.
#[test]
fn other_executables_do_not_begin_a_flow() {
    let mut bench = Bench::new();
    bench.code(on(Method::Post, "/3/0/12"));
    bench.code(get(REBOOT));
    bench.pass(Duration::from_secs(10));
    let events = bench.events();
    assert!(!events.contains(&ClientEvent::Reboot));
    bench.works();
}
