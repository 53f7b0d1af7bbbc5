//! Write-Attributes (TS 5.4.4, 5.1), and the attributes that Discover tells (TS 5.4.2).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, InstanceId, Method, ObjectId, Path};
use lwm2m_kit::account;
use lwm2m_objects::{
    Answer, SOFTWARE_MANAGEMENT, Store,
    firmware::FirmwareUpdateObject,
    typed::{FirmwareUpdate, Security, Server, SoftwareManagement},
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Session,
    coap::{MessageBuf, MessageRef},
};

use crate::{
    observe::observe,
    servers::{Two, access, access_control},
    support::{Bench, get, on, path, server_id, tree},
};

/// A Write-Attributes with these queries.
pub(crate) fn write_attributes(at: &str, queries: &str) -> MessageBuf {
    let mut request = on(Method::Put, at);
    for query in queries.split('&') {
        request.uri_query(query).unwrap();
    }
    request
}

fn discover(at: &str) -> MessageBuf {
    let mut request = get(at);
    request.accept(ContentFormat::LINK_FORMAT).unwrap();
    request
}

/// The Discover of a path, of the links that have attributes of the NOTIFICATION class.
fn discovered(bench: &mut Bench, at: &str) -> String {
    let answer = bench.request(b"d", discover(at));
    assert_eq!(answer.code(), Code::CONTENT);
    with_attributes(core::str::from_utf8(answer.payload()).unwrap())
}

fn with_attributes(links: &str) -> String {
    let names = [";pmin", ";pmax", ";gt", ";lt", ";st"];
    let has_some = |link: &&str| names.iter().any(|name| link.contains(name));
    let links: Vec<&str> = links.split(',').filter(has_some).collect();
    links.join(",")
}

/// With the Firmware Update Object, and Software Management without Object Instances.
fn bench_with(config: ClientConfig) -> Bench {
    let mut tree = tree(Server::new(server_id(101), 86_400));
    let firmware = FirmwareUpdateObject::new(FirmwareUpdate::default(), |_| Answer::Done);
    tree.add(firmware.unwrap());
    tree.add(Store::new(&SOFTWARE_MANAGEMENT));
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    bench
}

fn bench() -> Bench {
    bench_with(ClientConfig::new("attributes", [7; 32]))
}

/// The examples of TS 5.4.2.
#[test]
fn discover_tells_what_is_set_at_each_level_and_inherits_for_a_resource_alone() {
    let mut bench = Bench::new();
    for (at, queries) in [
        ("/3", "pmin=10"),
        ("/3/0", "pmax=60"),
        ("/3/0/7", "gt=50&lt=42.2"),
    ] {
        assert_eq!(bench.code(write_attributes(at, queries)), Code::CHANGED);
    }
    for (at, expected) in [
        (
            "/3",
            "</3>;pmin=10,</3/0>;pmax=60,</3/0/7>;dim=2;gt=50;lt=42.2",
        ),
        ("/3/0", "</3/0>;pmax=60,</3/0/7>;dim=2;gt=50;lt=42.2"),
        ("/3/0/7", "</3/0/7>;dim=2;pmin=10;pmax=60;gt=50;lt=42.2"),
        ("/3/0/9", "</3/0/9>;pmin=10;pmax=60"),
        ("/1", ""),
    ] {
        assert_eq!(discovered(&mut bench, at), expected);
    }
}

/// TS 5.1.1, rules 3 to 5.
#[test]
fn the_lower_level_prevails_until_it_is_unset() {
    let mut bench = Bench::new();
    for (at, queries, expected) in [
        ("/3", "pmin=1&pmax=100", ";pmin=1;pmax=100"),
        ("/3/0", "pmin=2", ";pmin=2;pmax=100"),
        ("/3/0/9", "pmin=3&st=0.5", ";pmin=3;pmax=100;st=0.5"),
        ("/3/0", "pmin=4&pmax=50", ";pmin=3;pmax=50;st=0.5"),
        ("/3/0/9", "pmin", ";pmin=4;pmax=50;st=0.5"),
        ("/3/0", "pmin&pmax", ";pmin=1;pmax=100;st=0.5"),
        ("/3/0/9", "st", ";pmin=1;pmax=100"),
        ("/3", "pmax&pmin", ""),
    ] {
        assert_eq!(bench.code(write_attributes(at, queries)), Code::CHANGED);
        let link = discovered(&mut bench, "/3/0/9");
        assert_eq!(link.strip_prefix("</3/0/9>").unwrap_or_default(), expected);
    }
    assert_eq!(
        bench.client.reporting().attributes(server_id(101)).next(),
        None
    );
}

#[test]
fn default_periods_are_no_attributes() {
    let mut bench = Bench::registered(Server {
        default_minimum_period: Some(5),
        default_maximum_period: Some(60),
        ..Server::new(server_id(101), 86_400)
    });
    assert_eq!(discovered(&mut bench, "/3/0/9"), "");
}

#[test]
fn a_write_attributes_is_done_whole_or_not_at_all() {
    let mut bench = bench();
    let before = "pmin=10&pmax=20&gt=50&lt=30&st=5";
    let code = bench.code(write_attributes("/3/0/9", before));
    assert_eq!(code, Code::CHANGED);
    bench.events();
    for (at, queries) in [
        // Malformed, or out of range.
        ("/3/0/9", "pmin=11&pmax=x"),
        ("/3/0/9", "pmin=11&pmax="),
        ("/3/0/9", "pmin=11&pmax=-1"),
        ("/3/0/9", "pmin=11&pmax=4294967296"),
        ("/3/0/9", "pmin=1.5"),
        ("/3/0/9", "pmin=11&gt=inf"),
        ("/3/0/9", "pmin=11&gt=NaN"),
        ("/3/0/9", "pmin=11&st=-1"),
        // Unknown, read-only, named twice.
        ("/3/0/9", "pmin=11&x=1"),
        ("/3/0/9", "pmin=11&dim=1"),
        ("/3", "pmin=11&ver=1.0"),
        ("/3/0/9", "pmin=11&pmin=12"),
        // Together with what is set already (TS 5.1.2).
        ("/3/0/9", "pmin=21"),
        ("/3/0/9", "gt=51&pmax=9"),
        ("/3/0/9", "pmin=11&gt=40"),
        ("/3/0/9", "pmin=11&lt=40"),
        ("/3/0/9", "pmin=11&st=10"),
        // The Object and the Object Instance have periods alone (TS Table 4).
        ("/3", "pmin=11&gt=1"),
        ("/3/0", "pmin=11&lt=1"),
        ("/3/0", "pmin=11&st=1"),
        ("/3/0", "pmin=11&st"),
        // What is no number has periods alone.
        ("/3/0/0", "pmin=11&gt=1"),
        ("/3/0/13", "pmin=11&st=60"),
        ("/3/0/14", "pmin=11&lt=1"),
    ] {
        let shown = format!("{at}?{queries}");
        let code = bench.code(write_attributes(at, queries));
        assert_eq!(code, Code::BAD_REQUEST, "{shown}");
        let set: Vec<(Path, String)> = bench
            .client
            .reporting()
            .attributes(server_id(101))
            .map(|(path, attributes)| (path, attributes.to_string()))
            .collect();
        let before = (
            path("/3/0/9"),
            ";pmin=10;pmax=20;gt=50;lt=30;st=5".to_owned(),
        );
        assert_eq!(set, [before], "{shown}");
    }
    assert!(bench.events().is_empty());
    let code = bench.code(write_attributes("/3/0/9", "pmin=21&pmax=21&gt=41&lt=30.5"));
    assert_eq!(code, Code::CHANGED);
    let event = ClientEvent::AttributesWritten {
        account: account(0),
        path: path("/3/0/9"),
    };
    assert_eq!(bench.events(), [event]);
}

#[test]
fn any_resource_that_can_be_read_has_periods_and_no_other_has() {
    let mut bench = bench();
    for (at, code) in [
        ("/3/0/0", Code::CHANGED),
        ("/3/0/6", Code::CHANGED),
        ("/3/0/13", Code::CHANGED),
        // Executable, and write-only.
        ("/3/0/4", Code::METHOD_NOT_ALLOWED),
        ("/1/0/8", Code::METHOD_NOT_ALLOWED),
        ("/5/0/0", Code::METHOD_NOT_ALLOWED),
        ("/3/0/99", Code::NOT_FOUND),
        ("/3/0/17", Code::NOT_FOUND),
        ("/3/1", Code::NOT_FOUND),
        ("/0/0", Code::UNAUTHORIZED),
    ] {
        assert_eq!(bench.code(write_attributes(at, "pmin=1")), code, "{at}");
    }
}

#[test]
fn an_object_without_instances_takes_attributes() {
    let mut bench = bench();
    let code = bench.code(write_attributes("/9", "pmin=10"));
    assert_eq!(code, Code::CHANGED);
    assert_eq!(discovered(&mut bench, "/9"), "</9>;pmin=10");
    let code = bench.code(write_attributes("/9/0", "pmin=10"));
    assert_eq!(code, Code::NOT_FOUND);
}

#[test]
fn a_server_has_attributes_at_so_many_paths_and_no_more() {
    let mut config = ClientConfig::new("attributes", [7; 32]);
    config.most_attributes = 3;
    let mut bench = bench_with(config);
    for (at, queries, code) in [
        ("/3/0/9", "pmin=1", Code::CHANGED),
        ("/3/0", "pmin=1", Code::CHANGED),
        ("/3", "pmin=1", Code::CHANGED),
        // Table 27 has no code for it, so it is that of TS 8.5.
        ("/1", "pmin=1", Code::INTERNAL_SERVER_ERROR),
        ("/1", "pmin", Code::CHANGED),
        ("/3/0", "pmin=2&pmax=3", Code::CHANGED),
        ("/3/0", "pmin&pmax", Code::CHANGED),
        ("/1", "pmin=1", Code::CHANGED),
        ("/3/0", "pmin=1", Code::INTERNAL_SERVER_ERROR),
    ] {
        let shown = format!("{at}?{queries}");
        assert_eq!(bench.code(write_attributes(at, queries)), code, "{shown}");
    }
}

/// TS 5.1.1: the value of an attribute is server specific; 7.3.2: to set one needs no right.
#[test]
fn a_server_sets_attributes_without_a_right_and_is_told_its_own_alone() {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        let rights = [AccessRights::NONE, AccessRights::READ];
        tree.add(access_control([access(3, 0, rights)]));
    });
    for (server, queries) in [(0, "gt=50&lt=42.2"), (1, "pmax=300&gt=80&lt=75.5")] {
        let code = two.code(server, write_attributes("/3/0/7", queries));
        assert_eq!(code, Code::CHANGED);
    }
    assert_eq!(two.code(1, write_attributes("/3", "pmin=7")), Code::CHANGED);
    for (server, expected) in [
        (0, "</3/0/7>;dim=2;gt=50;lt=42.2"),
        (1, "</3/0/7>;dim=2;pmin=7;pmax=300;gt=80;lt=75.5"),
    ] {
        let answer = two.answer(server, discover("/3/0/7"));
        let answer = MessageRef::parse(&answer).unwrap();
        assert_eq!(core::str::from_utf8(answer.payload()), Ok(expected));
    }
    // What the first server unsets isn't unset for the second.
    assert_eq!(
        two.code(0, write_attributes("/3/0/7", "gt&lt")),
        Code::CHANGED
    );
    let attributes = two.client.reporting().attributes(server_id(102)).count();
    assert_eq!(attributes, 2);
    assert_eq!(
        two.client.reporting().attributes(server_id(101)).next(),
        None
    );
}

#[test]
fn attributes_outlive_the_registration() {
    let mut bench = Bench::new();
    let code = bench.code(write_attributes("/3/0/9", "pmin=10&st=2"));
    assert_eq!(code, Code::CHANGED);
    bench.client.deregister(bench.now);
    let deregister = bench.sent();
    bench.answer(&deregister, MessageBuf::response(Code::DELETED));
    bench.events();
    bench.client.start(bench.now);
    let Some(ClientEvent::Connect { connection, .. }) = bench.client.poll_event() else {
        panic!("no connection asked for");
    };
    bench.connection = connection;
    bench.client.connected(bench.now, connection, Session::New);
    bench.accept_register();
    assert_eq!(discovered(&mut bench, "/3/0/9"), "</3/0/9>;pmin=10;st=2");
}

#[test]
fn written_periods_hold_for_a_running_observation_at_once() {
    let mut bench = Bench::new();
    let notified = |bench: &mut Bench, seconds| {
        bench.pass(Duration::from_secs(seconds));
        bench.all_sent().len()
    };
    bench.request(b"obs", observe(0, "/3/0/9"));
    let code = bench.code(write_attributes("/3/0/9", "pmin=10"));
    assert_eq!(code, Code::CHANGED);
    bench.client.set(bench.now, path("/3/0/9"), 90).unwrap();
    assert_eq!(notified(&mut bench, 9), 0);
    assert_eq!(notified(&mut bench, 1), 1);
    // A change that waits, too.
    bench.client.set(bench.now, path("/3/0/9"), 80).unwrap();
    assert_eq!(notified(&mut bench, 5), 0);
    let (answer, _) = bench.answered(b"w", write_attributes("/3/0/9", "pmin"));
    assert_eq!(answer.code(), Code::CHANGED);
    assert_eq!(notified(&mut bench, 0), 1);
    // An upper level counts where the lower has nothing.
    let code = bench.code(write_attributes("/3", "pmax=60"));
    assert_eq!(code, Code::CHANGED);
    assert_eq!(notified(&mut bench, 59), 0);
    assert_eq!(notified(&mut bench, 1), 1);
}

/// They don't come back with another Object Instance of the same number. Attributes of the Object stay.
#[test]
fn attributes_go_with_the_object_instance_that_they_are_about() {
    let mut bench = bench();
    let now = bench.now;
    let software = |name| {
        let instance = SoftwareManagement::new(name, "1.0");
        Store::of([(InstanceId::ZERO, instance)])
    };
    let put = |bench: &mut Bench, store: Store| {
        let id = ObjectId::SOFTWARE_MANAGEMENT;
        bench.client.object(now, id, |old: &mut Store| *old = store);
        bench.client.changed(now, path("/9/0"));
        bench.all_sent();
    };
    put(&mut bench, software("first"));
    for at in ["/9", "/9/0", "/9/0/0", "/9/0/7"] {
        let code = bench.code(write_attributes(at, "pmin=10"));
        assert_eq!(code, Code::CHANGED);
    }
    put(&mut bench, Store::new(&SOFTWARE_MANAGEMENT));
    put(&mut bench, software("second"));
    assert_eq!(discovered(&mut bench, "/9"), "</9>;pmin=10");
}

#[test]
fn attributes_go_with_the_account_of_their_server() {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |_| ());
    for server in [0, 1] {
        assert_eq!(
            two.code(server, write_attributes("/3", "pmin=7")),
            Code::CHANGED
        );
    }
    let now = two.now;
    let first = Security::no_sec("coap://one", server_id(101));
    two.client
        .object(now, ObjectId::SECURITY, |securities: &mut Store| {
            *securities = Store::of([(InstanceId::ZERO, first)]);
        });
    two.client.changed(now, path("/0/1"));
    let counts = [101, 102].map(|id| two.client.reporting().attributes(server_id(id)).count());
    assert_eq!(counts, [1, 0]);
}
