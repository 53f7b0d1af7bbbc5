//! Datagrams of an earlier connection that arrive on a later one, as a transport may use one socket
//! for both (RFC 7252 §4.5).

use core::time::Duration;

use lwm2m_core::{Code, InstanceId, Method};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Session,
    coap::{MessageBuf, MessageType, Token},
};

use crate::support::{Bench, created, on, path, server_id, tree};

/// A datagram with an Execute of Reset Error Code (TS E.4), which the Store leaves to the application.
fn execute(kind: MessageType, id: u16, token: &[u8]) -> Vec<u8> {
    let request = on(Method::Post, "/3/0/12");
    let token = Token::new(token).unwrap();
    request.finish(kind, id, token).into()
}

fn executable_tree() -> ObjectTree {
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    let device = typed::Device {
        reset_error_code: true,
        ..typed::Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    tree
}

fn bench() -> Bench {
    let config = ClientConfig::new("example-client", [7; 32]);
    let mut bench = Bench::with_tree(config, executable_tree());
    bench.accept_register();
    bench
}

fn executions(bench: &mut Bench) -> usize {
    let events = bench.events();
    let is_execution = |event: &&ClientEvent| matches!(event, ClientEvent::Execute { .. });
    events.iter().filter(is_execution).count()
}

/// The connection is lost and opened again.
fn reconnect(bench: &mut Bench) {
    bench.client.disconnected(bench.now, bench.connection);
    bench.all_sent();
    take_connection(bench);
}

/// The next requested connection is up, and the Client registered on it.
fn take_connection(bench: &mut Bench) {
    bench.events();
    for _ in 0..100 {
        let at = bench.client.poll_timeout().expect("a next attempt");
        bench.now = bench.now.max(at);
        bench.client.handle_timeout(bench.now);
        let connect = bench.events().into_iter().find_map(|event| match event {
            ClientEvent::Connect { connection, .. } => Some(connection),
            _ => None,
        });
        if let Some(connection) = connect {
            assert_ne!(connection, bench.connection);
            bench.connection = connection;
            bench.client.connected(bench.now, connection, Session::New);
            bench.accept_register();
            return;
        }
    }
    panic!("no connection is asked for");
}

#[test]
fn a_late_copy_of_an_execute_is_not_run_on_the_next_connection() {
    for kind in [MessageType::Confirmable, MessageType::NonConfirmable] {
        let mut bench = bench();
        let datagram = execute(kind, 7, b"exec");
        bench.datagram(&datagram);
        let answer = bench.sent();
        assert_eq!(answer.code(), Code::CHANGED);
        assert_eq!(executions(&mut bench), 1);
        for _ in 0..3 {
            reconnect(&mut bench);
            bench.datagram(&datagram);
            assert_eq!(executions(&mut bench), 0, "{kind:?}");
            // It is answered like a repetition.
            let again = bench.all_sent();
            if kind == MessageType::Confirmable {
                assert_eq!(again[0].message().message_id(), 7);
                assert_eq!(again[0].code(), Code::CHANGED);
            } else {
                assert!(again.is_empty());
            }
        }
        bench.works();
    }
}

/// The application closes the connection after the Client has left, and opens another later.
#[test]
fn a_late_copy_of_an_execute_is_not_run_after_the_client_left_and_came_back() {
    let mut bench = bench();
    let datagram = execute(MessageType::Confirmable, 7, b"exec");
    bench.datagram(&datagram);
    bench.all_sent();
    assert_eq!(executions(&mut bench), 1);
    bench.client.deregister(bench.now);
    let deregister = bench.sent();
    bench.answer(&deregister, MessageBuf::response(Code::DELETED));
    bench.events();
    bench.client.start(bench.now);
    let Some(ClientEvent::Connect { connection, .. }) = bench.events().pop() else {
        panic!("no connection asked for");
    };
    bench.connection = connection;
    bench.client.connected(bench.now, connection, Session::New);
    // Before the registration is accepted, requests aren't answered (TS 5.4).
    let register = bench.sent();
    bench.datagram(&datagram);
    assert!(bench.all_sent().is_empty());
    bench.answer(&register, created());
    bench.events();
    bench.datagram(&datagram);
    assert_eq!(executions(&mut bench), 0);
}

/// A server that knows the Client only by its new address may use the same message id soon.
#[test]
fn another_request_with_the_message_id_of_an_earlier_connection_is_run() {
    let mut bench = bench();
    bench.datagram(&execute(MessageType::Confirmable, 7, b"one"));
    bench.all_sent();
    assert_eq!(executions(&mut bench), 1);
    reconnect(&mut bench);
    let other = execute(MessageType::Confirmable, 7, b"two");
    bench.datagram(&other);
    assert_eq!(bench.sent().code(), Code::CHANGED);
    assert_eq!(executions(&mut bench), 1);
    // Once.
    bench.datagram(&other);
    assert_eq!(bench.sent().code(), Code::CHANGED);
    assert_eq!(executions(&mut bench), 0);
}

/// Its message ids are unrelated to those of the former server.
#[test]
fn what_was_received_at_another_address_is_of_another_server() {
    let mut bench = bench();
    let datagram = execute(MessageType::Confirmable, 7, b"exec");
    bench.datagram(&datagram);
    bench.all_sent();
    assert_eq!(executions(&mut bench), 1);
    let moved = "coap://server2.example.com";
    bench
        .client
        .set(bench.now, path("/0/0/0"), moved)
        .expect("a URI may be set");
    let events = bench.events();
    let [
        ClientEvent::Disconnect { connection: old },
        ClientEvent::Connect { connection, .. },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(old, bench.connection);
    bench.connection = connection;
    bench.client.connected(bench.now, connection, Session::New);
    bench.accept_register();
    bench.datagram(&datagram);
    assert_eq!(executions(&mut bench), 1);
}

/// With DTLS a late datagram of another session doesn't get through, and the server's message ids
/// start anew (RFC 7252 §9.1.1).
#[test]
fn a_secure_connection_begins_with_nothing() {
    let keys = typed::Security::pre_shared_key("coaps://server", server_id(101), "id", [7; 16]);
    assert!(matches!(
        keys.material(),
        typed::KeyMaterial::PreSharedKey { .. }
    ));
    let mut tree = executable_tree();
    tree.add(Store::of([(InstanceId::ZERO, keys)]));
    let mut bench = Bench::with_tree(ClientConfig::new("secure", [9; 32]), tree);
    bench.accept_register();
    let datagram = execute(MessageType::Confirmable, 7, b"exec");
    bench.datagram(&datagram);
    bench.all_sent();
    assert_eq!(executions(&mut bench), 1);
    reconnect(&mut bench);
    bench.datagram(&datagram);
    assert_eq!(executions(&mut bench), 1);
}

#[test]
fn what_is_remembered_of_earlier_connections_ends_with_time() {
    let mut bench = bench();
    bench.datagram(&execute(MessageType::Confirmable, 7, b"exec"));
    bench.all_sent();
    reconnect(&mut bench);
    bench.pass(Duration::from_secs(250));
    bench.all_sent();
    bench.events();
    assert!(bench.client.is_idle());
}
