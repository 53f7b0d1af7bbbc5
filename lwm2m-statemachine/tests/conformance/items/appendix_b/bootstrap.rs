//! B.1.1 Bootstrap Interface.

use lwm2m_core::{Code, ContentFormat, Instant, Method};
use lwm2m_kit::{account as account_id, path};
use lwm2m_objects::{Change, Snapshot};
use lwm2m_statemachine::{
    Client, ClientEvent,
    client::{BootstrapFailure, Inbound},
    coap::{MessageBuf, MessageType},
};

use crate::{
    bench::{Bench, step},
    configurations::{BOOTSTRAP, ENDPOINT, Setup, c1, c13, c13_where, c14, with_bootstrap_server},
    items::bootstrap::{SERVER, security, server, written},
    message::{delete, discover, execute, finish, read, replace, request},
    tlv::{instance, integer, integer_value, multiple, resource},
};

/// What EXCHANGE_LIFETIME is (RFC 7252 §4.8.2), in seconds.
const EXCHANGE_LIFETIME: u64 = 247;

/// The key of the server.
const KEY: &str = "a key of 16 byte";

/// A Client with a server and a Bootstrap-Server, registered.
fn registered() -> Bench {
    with_bootstrap_server(c1(), &[1]).registered()
}

/// The commands of a usual bootstrap: an account of the first server.
#[track_caller]
fn account(bench: &mut Bench) {
    written(bench, "/0/0", &security(SERVER, 1, KEY));
    written(bench, "/1/0", &server(1, 86_400));
}

/// Finish is accepted, and the Client registers with the first server, which accepts it.
#[track_caller]
fn registers(bench: &mut Bench) {
    bench.request(&finish()).expect(Code::CHANGED);
    let register = bench.expect_register();
    assert_eq!(bench.uri_of(&register), SERVER);
    bench.accept_register(&register);
}

/// Why bootstraps have failed since the last call.
fn failures(bench: &mut Bench) -> Vec<BootstrapFailure> {
    let events = bench.events().into_iter();
    events
        .filter_map(|event| match event {
            ClientEvent::BootstrapFailed { reason, .. } => Some(reason),
            _ => None,
        })
        .collect()
}

/// What has been saved is what there was, and no bootstrap is under way.
#[track_caller]
fn expect_as(bench: &Bench, before: &Snapshot) {
    assert!(
        bench.client.tree().snapshot() == *before && !bench.client.tree().is_holding(),
        "the tree is not as before"
    );
}

/// The text of a Discover of this path.
#[track_caller]
fn discovered(bench: &mut Bench, path: &str) -> String {
    let answer = bench.request(&discover(path)).expect(Code::CONTENT);
    String::from_utf8(answer.payload).expect("UTF-8")
}

pub(crate) fn lwm2m_boot_001_c_m() {
    step("Factory Bootstrap");
    c1().registered();
    step("Client Initiated Bootstrap");
    let mut bench = c13().started();
    bench.accept_bootstrap_request();
    account(&mut bench);
    registers(&mut bench);
}

pub(crate) fn lwm2m_boot_002_c_o() {
    step("what the factory has given it is enough: the Client registers, and asks nobody else");
    let mut bench = with_bootstrap_server(c14(), &[1, 2]).started();
    for _ in 0..2 {
        let register = bench.expect_register();
        assert_ne!(bench.uri_of(&register), BOOTSTRAP);
        bench.accept_register(&register);
    }
    bench.pass(1000);
    bench.expect_nothing_asked();
    let asked: Vec<_> = bench
        .asked_connections()
        .iter()
        .map(|(uri, _)| &**uri)
        .collect();
    assert!(!asked.contains(&BOOTSTRAP), "{asked:?}");
}

pub(crate) fn lwm2m_boot_004_c_o() {
    let mut bench = c13().started();
    let before = bench.client.tree().snapshot();
    step("step 0: Bootstrap-Request; it is refused: the Client asks again later");
    let request = bench.expect_bootstrap_request();
    bench.respond(&request, MessageBuf::response(Code::BAD_REQUEST));
    assert_eq!(
        failures(&mut bench),
        [BootstrapFailure::Refused(Code::BAD_REQUEST)]
    );
    bench.expect_nothing_asked();
    bench.pass_until_asked(3600);
    step("step 1: Write and Delete; no Finish within EXCHANGE_LIFETIME: as before");
    bench.accept_bootstrap_request();
    account(&mut bench);
    bench.pass(EXCHANGE_LIFETIME - 1);
    assert_eq!(failures(&mut bench), []);
    bench.pass(1);
    assert_eq!(failures(&mut bench), [BootstrapFailure::NotFinished]);
    expect_as(&bench, &before);
    step("the next attempt; step 2: Finish; step 3: the Client registers");
    bench.pass_until_asked(3600);
    bench.accept_bootstrap_request();
    account(&mut bench);
    bench.pass(EXCHANGE_LIFETIME - 1);
    registers(&mut bench);
    step("the answer to the request may come later than the commands, and in a message of its own");
    let mut bench = c13().started();
    let request = bench.expect_bootstrap_request();
    written(&mut bench, "/0/0", &security(SERVER, 1, KEY));
    bench.respond(&request, MessageBuf::response(Code::CHANGED));
    written(&mut bench, "/1/0", &server(1, 86_400));
    registers(&mut bench);
}

pub(crate) fn lwm2m_boot_005_c_o() {
    step("a client that is registered: the commands come without its request");
    let mut bench = registered();
    assert!(bench.bootstrap_server_connects(9, BOOTSTRAP));
    bench.expect_nothing_asked();
    written(&mut bench, "/1/0", &server(1, 600));
    step("other servers are met with silence meanwhile (TS 5.4)");
    bench.server(1).expect_silence(&read("/3/0"));
    bench
        .host_at(BOOTSTRAP)
        .request(&finish())
        .expect(Code::CHANGED);
    bench.expect_update().expect_only(&["lt=600"]);
    step("it is silent: after EXCHANGE_LIFETIME nothing of it is left");
    let before = bench.client.tree().snapshot();
    assert!(bench.bootstrap_server_connects(9, BOOTSTRAP));
    written(&mut bench, "/1/0", &server(1, 700));
    bench.pass(EXCHANGE_LIFETIME);
    assert_eq!(failures(&mut bench), [BootstrapFailure::NotFinished]);
    expect_as(&bench, &before);
    while bench.is_asked() {
        bench.accept_any();
    }
    step("only of the account that there is, and not of a server's (TS 5.2.4, step 5)");
    assert!(!bench.bootstrap_server_connects(0, BOOTSTRAP));
    assert!(!bench.bootstrap_server_connects(5, BOOTSTRAP));
}

pub(crate) fn lwm2m_boot_006_c_m() {
    step(
        "an account is a Security and a Server Object Instance with one Short Server ID (TS 5.2.2)",
    );
    let mut bench = c13().started();
    bench.accept_bootstrap_request();
    written(&mut bench, "/0/4", &security(SERVER, 1, KEY));
    written(&mut bench, "/1/7", &server(1, 300));
    bench.request(&finish()).expect(Code::CHANGED);
    step("it is used: the URI, the mode, the keys, the Lifetime");
    let register = bench.expect_register();
    assert_eq!(register.query("lt").as_deref(), Some("300"));
    let (uri, keys) = bench.asked_connections().last().expect("a connection");
    assert_eq!(
        (&**uri, keys.secret_key.as_slice()),
        (SERVER, KEY.as_bytes())
    );
    assert_eq!(keys.public_key_or_identity, b"identity");
    bench.accept_register(&register);
    assert_eq!(bench.host_at(SERVER).values("/1/7").integer(0), 1);
    step("several accounts, with Access Control (TS 7.3.1.3)");
    bench.client_bootstraps();
    bench.accept_bootstrap_request();
    let second = "coaps://server2.example.com";
    written(&mut bench, "/0/5", &security(second, 2, "another key of 1"));
    written(&mut bench, "/1/8", &server(2, 300));
    bench.request(&finish()).expect(Code::NOT_ACCEPTABLE);
    bench.pass(EXCHANGE_LIFETIME);
    assert_eq!(failures(&mut bench), [BootstrapFailure::NotFinished]);
    while bench.is_asked() {
        bench.accept_any();
    }
}

pub(crate) fn lwm2m_boot_007_c_o() {
    step("with the account of a Bootstrap-Server, which has no Short Server ID");
    let mut bench = c13().started();
    let request = bench.expect_bootstrap_request();
    assert_eq!(bench.uri_of(&request), BOOTSTRAP);
    bench.respond(&request, MessageBuf::response(Code::CHANGED));
    step("Delete of / keeps it; by its name it isn't deleted (TS 5.2.7.5)");
    bench.request(&delete("/")).expect(Code::DELETED);
    bench.request(&delete("/0/1")).expect(Code::BAD_REQUEST);
    account(&mut bench);
    step("another one takes its place at the Finish (TS 5.2.3.3)");
    let mut own = security("coaps://other.example.com", 1, "another key of 1").to_vec();
    own[1] = resource(1, [1]);
    own.pop();
    written(&mut bench, "/0/3", &own);
    let links = discovered(&mut bench, "/0");
    assert!(
        links.contains("</0/1>") && links.contains("</0/3>"),
        "{links}"
    );
    registers(&mut bench);
    bench.client_bootstraps();
    let request = bench.expect_bootstrap_request();
    assert_eq!(bench.uri_of(&request), "coaps://other.example.com");
    bench.respond(&request, MessageBuf::response(Code::CHANGED));
    let links = discovered(&mut bench, "/0");
    assert!(
        !links.contains("</0/1>") && links.contains("</0/3>"),
        "{links}"
    );
    bench.request(&finish()).expect(Code::CHANGED);
    step("it is purged some time after the bootstrap (TS E.1, Resource 12)");
    let mut bench = c13_where(|own| own.bootstrap_account_timeout = Some(60)).started();
    bench.accept_bootstrap_request();
    account(&mut bench);
    registers(&mut bench);
    bench.pass(59);
    bench.client_bootstraps();
    bench.expect_bootstrap_request();
    bench.client.bootstrapping().abort(bench.now);
    bench.pass(2);
    assert!(bench.client.bootstrapping().begin(bench.now).is_err());
}

pub(crate) fn lwm2m_boot_008_c_m() {
    step("whoever owns what: no right is asked for (TS 5.2.2)");
    let mut bench = with_bootstrap_server(c14(), &[1, 2]).registered();
    bench.client_bootstraps();
    bench.accept_bootstrap_request();
    written(&mut bench, "/1/1", &server(2, 900));
    step("Resources that servers may only read");
    bench
        .request(&replace("/3/0/0").text("Another Manufacturer"))
        .expect(Code::CHANGED);
    let rights = [
        integer(0, 3),
        integer(1, 0),
        multiple(2, [(1, integer_value(1)), (2, integer_value(31))]),
        integer(3, 2),
    ];
    written(&mut bench, "/2/2", &rights);
    step("what the Client doesn't know beside what it knows is ignored");
    let more = [&server(1, 800)[..], &[resource(77, "vendor")]].concat();
    written(&mut bench, "/1/0", &more);
    bench.request(&finish()).expect(Code::CHANGED);
    while bench.is_asked() {
        bench.accept_any();
    }
    step("it counts");
    let device = bench.server(1).values("/3/0");
    assert_eq!(device.text(0), "Another Manufacturer");
    assert_eq!(bench.values("/1/0").integer(1), 800);
    step("the rights, too: the second server owns the Device now");
    let timezone = replace("/3/0/14").text("+02:00");
    bench.request(&timezone).expect(Code::UNAUTHORIZED);
    bench.server(2).request(&timezone).expect(Code::CHANGED);
}

pub(crate) fn lwm2m_boot_009_c_m() {
    step("steps 2 and 3: the Client registers with what it has; it is refused");
    let mut setup = with_bootstrap_server(c1(), &[1]);
    let hold_off = Change::Set {
        path: path("/0/9/11"),
        value: 30.into(),
    };
    setup
        .tree
        .change([hold_off])
        .expect("a Resource of the account");
    let mut bench = setup.started();
    let register = bench.expect_register();
    bench.respond(&register, MessageBuf::response(Code::FORBIDDEN));
    step("step 4: a Bootstrap-Request after the Client Hold Off Time, not before");
    bench.pass(29);
    bench.expect_nothing_asked();
    bench.pass(1);
    bench.accept_bootstrap_request();
    account(&mut bench);
    registers(&mut bench);
    step("step 5: a Server Initiated Bootstrap is possible still");
    assert!(bench.bootstrap_server_connects(9, BOOTSTRAP));
    written(&mut bench, "/1/0", &server(1, 600));
    bench.request(&finish()).expect(Code::CHANGED);
    bench.expect_update().expect_only(&["lt=600"]);
    step("a Server Initiated Bootstrap within the Hold Off Time: no request");
    let mut bench = c13_where(|own| own.client_hold_off_time = Some(30)).started();
    bench.pass(10);
    assert!(bench.bootstrap_server_connects(1, BOOTSTRAP));
    account(&mut bench);
    bench.pass(60);
    registers(&mut bench);
    bench.pass(60);
    bench.expect_nothing_asked();
    step("none is taken before the Client has begun");
    let Setup { config, tree } = c13();
    let client = Client::new(config, tree);
    let mut client = client.expect("a configuration and a tree of a Client");
    let own = account_id(1);
    let now = Instant::from_secs(1);
    let inbound = client.inbound(now, Inbound::Account(own));
    assert!(inbound.is_err());
}

pub(crate) fn lwm2m_boot_010_c_m() {
    let mut bench = registered();
    let of_server = bench.server(1).connection();
    step("a bootstrap has a session and keys of its own (TS 5.2.5)");
    bench.client_bootstraps();
    bench.accept_bootstrap_request();
    let [(_, first), (uri, second)] = bench.asked_connections() else {
        panic!(
            "expected two connections, got {:?}",
            bench.asked_connections()
        );
    };
    assert_eq!(uri, BOOTSTRAP);
    assert_ne!(first.secret_key, second.secret_key);
    let of_bootstrap = bench.connection();
    assert_ne!(of_server, of_bootstrap);
    step("in the session of a server there is no Bootstrap Interface");
    bench
        .server(1)
        .expect_silence(&replace("/0/0/5").opaque(b"stolen"));
    bench.expect_silence(&finish());
    step("other keys: the session with the server ends, and a new one begins with them");
    let rotate = replace("/0/0/5").opaque(b"a new key, a new");
    bench
        .host_at(BOOTSTRAP)
        .request(&rotate)
        .expect(Code::CHANGED);
    bench.request(&finish()).expect(Code::CHANGED);
    let events = bench.events();
    let ended = |event: &ClientEvent| matches!(event, ClientEvent::Disconnect { connection } if *connection == of_server);
    assert!(events.iter().any(ended), "{events:?}");
    let shown = format!("{events:?}");
    assert!(
        !shown.contains("a new key") && !shown.contains("97, 32, 110"),
        "{shown}"
    );
    let register = bench.expect_register();
    assert_eq!(bench.uri_of(&register), SERVER);
    let (_, keys) = bench.asked_connections().last().expect("a connection");
    assert_eq!(keys.secret_key, b"a new key, a new");
    bench.accept_register(&register);
    step("no server sees the Security Object, and none has a Bootstrap Interface");
    let answer = bench.host_at(SERVER).request(&read("/0/0"));
    answer.expect(Code::UNAUTHORIZED);
    let answer = bench.request(&request(Method::Delete, "/"));
    assert_ne!(answer.code, Code::DELETED);
}

pub(crate) fn lwm2m_boot_014_c_o() {
    step("POST /bs?ep=…, confirmable, with the name and nothing else");
    let mut bench = c13().started();
    let request = bench.expect_bootstrap_request();
    assert_eq!(request.queries(), [format!("ep={ENDPOINT}")]);
    assert_eq!(request.message().kind(), MessageType::Confirmable);
    step("no answer: it is retransmitted, and tried again later");
    bench.pass_until_asked(3600);
    assert_eq!(
        bench.retransmissions(&request),
        4,
        "MAX_RETRANSMIT (RFC 7252 §4.8)"
    );
    assert_eq!(failures(&mut bench), [BootstrapFailure::Timeout]);
    step("the Bootstrap-Server has no time: not before it says");
    let request = bench.expect_bootstrap_request();
    let mut busy = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    busy.max_age(600).expect("one option");
    bench.respond(&request, busy);
    bench.pass(599);
    bench.expect_nothing_asked();
    bench.pass_until_asked(3600);
    step("it is accepted: no other request follows");
    bench.accept_bootstrap_request();
    bench.pass(100);
    bench.expect_nothing_asked();
    account(&mut bench);
    registers(&mut bench);
}

pub(crate) fn lwm2m_boot_015_c_o() {
    let mut bench = c13().started();
    bench.accept_bootstrap_request();
    step("Write of an Object, an Object Instance and a Resource; TLV and JSON");
    let whole = instance(0, &security(SERVER, 1, KEY));
    written(&mut bench, "/0", &[whole]);
    written(&mut bench, "/1/0", &server(1, 86_400));
    bench
        .request(&replace("/1/0/1").text("600"))
        .expect(Code::CHANGED);
    let json = r#"{"bn":"/1/0/","e":[{"n":"0","v":1},{"n":"1","v":500},{"n":"6","bv":false},{"n":"7","sv":"U"}]}"#;
    bench
        .request(&replace("/1/0").json(json))
        .expect(Code::CHANGED);
    step("4.00 for what there isn't; 4.15 for a format that there isn't");
    for path in ["/77", "/1/0/77"] {
        let write = replace(path).tlv(resource(77, "x"));
        bench.request(&write).expect(Code::BAD_REQUEST);
    }
    let unknown = replace("/1/0").content(ContentFormat::new(60), "x");
    bench
        .request(&unknown)
        .expect(Code::UNSUPPORTED_CONTENT_FORMAT);
    step("Discover of / and of an Object, with the Short Server IDs, without Resources");
    let links = discovered(&mut bench, "/");
    for link in ["</0/0>;ssid=1", "</0/1>", "</1/0>;ssid=1", "</3/0>"] {
        assert!(links.split(',').any(|at| at == link), "{link} in {links}");
    }
    assert!(
        links.starts_with(r#"lwm2m="1.0","#) && !links.contains("</3/0/"),
        "{links}"
    );
    bench.request(&discover("/77")).expect(Code::NOT_FOUND);
    bench.request(&discover("/3/0")).expect(Code::BAD_REQUEST);
    step("Delete of an Object Instance, of an Object, of all; what has to be stays");
    written(&mut bench, "/1/5", &server(5, 60));
    bench.request(&delete("/1/5")).expect(Code::DELETED);
    bench.request(&delete("/1/5")).expect(Code::BAD_REQUEST);
    bench.request(&delete("/3/0")).expect(Code::BAD_REQUEST);
    bench.request(&delete("/1")).expect(Code::DELETED);
    bench.request(&delete("/")).expect(Code::DELETED);
    let links = discovered(&mut bench, "/");
    assert!(
        links.contains("</0/1>") && links.contains("</3/0>"),
        "{links}"
    );
    assert!(
        !links.contains("</0/0>") && !links.contains("</1/0>"),
        "{links}"
    );
    step("what this interface hasn't is 4.00 or 4.05, and changes nothing");
    bench
        .request(&replace("/bs").text("x"))
        .expect(Code::BAD_REQUEST);
    bench.request(&read("/bs")).expect(Code::BAD_REQUEST);
    let execute = bench.request(&execute("/3/0/4"));
    assert_eq!(execute.code.class(), 4);
    step("Finish");
    account(&mut bench);
    registers(&mut bench);
}

pub(crate) fn lwm2m_boot_016_c_o() {
    let mut bench = registered();
    let before = bench.client.tree().snapshot();
    step("half an account: 4.06 to the Finish, and the application is told (TS 5.2.6)");
    bench.client_bootstraps();
    bench.accept_bootstrap_request();
    written(
        &mut bench,
        "/0/5",
        &security("coaps://server2.example.com", 2, "another key of 1"),
    );
    bench.request(&finish()).expect(Code::NOT_ACCEPTABLE);
    let events = bench.events();
    let told = |event: &ClientEvent| matches!(event, ClientEvent::BootstrapInconsistent { .. });
    assert!(events.iter().any(told), "{events:?}");
    step("it is repaired within EXCHANGE_LIFETIME, and finished");
    bench.pass(EXCHANGE_LIFETIME - 1);
    bench.request(&delete("/0/5")).expect(Code::DELETED);
    bench.request(&finish()).expect(Code::CHANGED);
    expect_as(&bench, &before);
    step("it isn't: the bootstrap has failed, and all is as before");
    bench.client_bootstraps();
    bench.accept_bootstrap_request();
    bench.request(&delete("/0")).expect(Code::DELETED);
    bench.request(&delete("/1")).expect(Code::DELETED);
    bench.request(&finish()).expect(Code::NOT_ACCEPTABLE);
    bench.pass(EXCHANGE_LIFETIME);
    assert_eq!(failures(&mut bench), [BootstrapFailure::NotFinished]);
    expect_as(&bench, &before);
    while bench.is_asked() {
        bench.accept_any();
    }
    bench.server(1).request(&read("/3/0")).expect(Code::CONTENT);
}
