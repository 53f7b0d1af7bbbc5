//! Reboot and Factory Reset while other things happen.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method, Value};
use lwm2m_kit::account;
use lwm2m_objects::{Change, DeviceObject, typed};
use lwm2m_statemachine::{ClientConfig, ClientEvent, Session};

use crate::support::{Bench, created, on, path, server_id, tree};

const LINGER: Duration = Duration::from_secs(3);

fn bench() -> Bench {
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    let device = typed::Device {
        factory_reset: true,
        ..typed::Device::example()
    };
    tree.add(DeviceObject::new(device, Instant::ZERO).unwrap());
    tree.leave_factory();
    let mut bench = Bench::with_tree(ClientConfig::new("example-client", [7; 32]), tree);
    bench.accept_register();
    bench
}

fn is_end(event: &ClientEvent) -> bool {
    matches!(
        event,
        ClientEvent::Reboot | ClientEvent::FactoryReset { .. }
    )
}

/// Passes time, loses what is sent, and returns the events.
fn pass(bench: &mut Bench, duration: Duration) -> Vec<ClientEvent> {
    let mut events = Vec::new();
    let end = bench.now + duration;
    loop {
        lwm2m_kit::sent(&mut bench.client);
        events.extend(bench.events());
        let Some(due) = bench.client.poll_timeout().filter(|due| *due <= end) else {
            break;
        };
        bench.now = bench.now.max(due);
        bench.client.handle_timeout(bench.now);
    }
    bench.now = end;
    events
}

fn ends(events: &[ClientEvent]) -> usize {
    events.iter().filter(|event| is_end(event)).count()
}

fn another_account() -> [Change; 13] {
    let set = |at: &str, value: Value| Change::Set {
        path: path(at),
        value,
    };
    let create = |at: &str| Change::Create { path: path(at) };
    [
        create("/0/1"),
        set("/0/1/0", "coap://192.0.2.7".into()),
        set("/0/1/1", false.into()),
        set("/0/1/2", Value::Integer(3)),
        set("/0/1/3", Value::Opaque(Vec::new())),
        set("/0/1/4", Value::Opaque(Vec::new())),
        set("/0/1/5", Value::Opaque(Vec::new())),
        set("/0/1/10", Value::Integer(102)),
        create("/1/1"),
        set("/1/1/0", Value::Integer(102)),
        set("/1/1/1", Value::Integer(86_400)),
        set("/1/1/6", false.into()),
        set("/1/1/7", "U".into()),
    ]
}

/// The Client starts and registers anew with the first server.
fn works_again(bench: &mut Bench, mut events: Vec<ClientEvent>) {
    if bench.client.is_offline() {
        bench.client.go_online(bench.now);
    }
    bench.client.start(bench.now);
    events.extend(bench.events());
    let connection = events.iter().rev().find_map(|event| match event {
        ClientEvent::Connect {
            connection,
            account: of,
            ..
        } if *of == account(0) => Some(*connection),
        _ => None,
    });
    let connection = connection.expect("a connection is asked for");
    bench.connection = connection;
    bench.client.connected(bench.now, connection, Session::New);
    let register = lwm2m_kit::sent(&mut bench.client).pop();
    let register = register.expect("a message");
    assert_eq!((register.code(), &*register.path()), (Code::POST, "/rd"));
    bench.answer(&register, created());
    bench.events();
    // Without Access Control Object Instances a second account ends all rights.
    if bench.client.accounts().count() == 1 {
        bench.works();
    }
}

/// The flow ends once, in whatever state the Client is when it is due.
#[test]
fn a_flow_ends_once_whatever_happens_meanwhile() {
    type Disturb = fn(&mut Bench);
    let disturbances: [(&str, Disturb); 8] = [
        ("offline", |bench| bench.client.go_offline(bench.now)),
        ("lost", |bench| {
            bench.client.disconnected(bench.now, bench.connection);
        }),
        ("deregister", |bench| bench.client.deregister(bench.now)),
        ("start", |bench| bench.client.start(bench.now)),
        ("update", |bench| bench.client.update(bench.now, account(0))),
        ("no account", |bench| {
            let gone = [Change::Delete { path: path("/0/0") }];
            bench.client.change(bench.now, gone).unwrap();
        }),
        ("another account", |bench| {
            bench.client.change(bench.now, another_account()).unwrap();
        }),
        ("offline and online", |bench| {
            bench.client.go_offline(bench.now);
            bench.client.go_online(bench.now);
        }),
    ];
    for at in ["/3/0/4", "/3/0/5"] {
        for is_leaving in [false, true] {
            for (name, disturb) in disturbances {
                let mut bench = bench();
                assert_eq!(bench.code(on(Method::Post, at)), Code::CHANGED);
                bench.events();
                let mut events = Vec::new();
                if is_leaving {
                    events = pass(&mut bench, LINGER);
                }
                disturb(&mut bench);
                events.extend(pass(&mut bench, Duration::from_secs(300)));
                assert_eq!(ends(&events), 1, "{at} {is_leaving} {name}");
                if name != "no account" || at == "/3/0/5" {
                    works_again(&mut bench, events);
                }
            }
        }
    }
}
