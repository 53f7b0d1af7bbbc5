//! Bootstrap: tests 0, 565, 566 and 656.

use lwm2m_core::{Code, InstanceId};
use lwm2m_objects::{Store, typed};
use lwm2m_statemachine::{ClientEvent, client::AccountRole, coap::MessageBuf};

use crate::{
    bench::{Bench, step},
    configurations::{BOOTSTRAP, ENDPOINT, SERVER_2, c1, c6, c13, c14, with_bootstrap_server},
    message::{create, delete, discover, execute, finish, read, replace},
    tlv::{instance, integer, resource},
};

/// The Resources of an account with pre-shared keys: the Security Object Instance of a server.
pub(crate) fn security(uri: &str, id: i64, key: &str) -> [Vec<u8>; 7] {
    [
        resource(0, uri),
        resource(1, [0]),
        integer(2, 0),
        resource(3, "identity"),
        // Deployed servers send what the mode doesn't use, empty.
        resource(4, []),
        resource(5, key),
        integer(10, id),
    ]
}

/// The Resources of a Server Object Instance.
pub(crate) fn server(id: i64, lifetime: i64) -> [Vec<u8>; 4] {
    [
        integer(0, id),
        integer(1, lifetime),
        resource(6, [0]),
        resource(7, "U"),
    ]
}

/// The URI of the first server.
pub(crate) const SERVER: &str = "coaps://server1.example.com";

/// A Write of this command is accepted.
#[track_caller]
pub(crate) fn written(bench: &mut Bench, path: &str, resources: &[Vec<u8>]) {
    let write = replace(path).tlv(resources.concat());
    bench.request(&write).expect(Code::CHANGED);
}

pub(crate) fn ets_0_client_initiated_bootstrap() {
    let mut bench = c13().started();
    step("POST /bs?ep=…");
    let request = bench.expect_bootstrap_request();
    assert_eq!(request.queries(), [format!("ep={ENDPOINT}")]);
    assert_eq!(bench.uri_of(&request), BOOTSTRAP);
    let accepted = MessageBuf::response(Code::CHANGED);
    bench.respond(&request, accepted);
    step("PUT /0 and PUT /1, with the Object Instances in the payload");
    let account = security(SERVER, 1, "a key of 16 byte");
    written(&mut bench, "/0", &[instance(0, &account)]);
    written(&mut bench, "/1", &[instance(0, &server(1, 86_400))]);
    step("GET / with Accept 40");
    let answer = bench.request(&discover("/"));
    let text = answer.payload.clone();
    assert!(text.starts_with(br#"lwm2m="1.0","#), "{text:?}");
    let text = core::str::from_utf8(&text).expect("UTF-8");
    for link in ["</0/0>;ssid=1", "</0/1>", "</1/0>;ssid=1", "</3/0>"] {
        assert!(text.split(',').any(|at| at == link), "{link} in {text}");
    }
    step("POST /bs");
    bench.request(&finish()).expect(Code::CHANGED);
    step("the Client registers with its new server");
    let register = bench.expect_register();
    assert_eq!(bench.uri_of(&register), SERVER);
    assert_eq!(register.query("lt").as_deref(), Some("86400"));
    register.objects().expect(&["/1/0", "/3/0"]);
    bench.accept_register(&register);
    bench
        .host_at(SERVER)
        .request(&read("/3/0"))
        .expect(Code::CONTENT);
    step("the account of the Bootstrap-Server is there still");
    bench.client_bootstraps();
    bench.expect_bootstrap_request();
}

pub(crate) fn ets_565_create_server_instance() {
    step("a server creates an account: it may not (TS E.2)");
    let mut bench = c1().registered();
    let another = [integer(1, 60), resource(6, [0]), resource(7, "U")];
    bench
        .request(&create("/1").tlv(instance(1, &another)))
        .expect_one_of(&[
            Code::METHOD_NOT_ALLOWED,
            Code::UNAUTHORIZED,
            Code::BAD_REQUEST,
            Code::CREATED,
        ]);
    if bench.is_asked() {
        bench.expect_update();
    }
    assert_eq!(bench.asked_connections().len(), 1, "no usable account");
    step("the Bootstrap-Server creates one: PUT /0/2 and PUT /1/1, and who may do what with it");
    let mut bench = with_bootstrap_server(c14(), &[1, 2]).registered();
    bench.client_bootstraps();
    bench.accept_bootstrap_request();
    let uri = "coaps://server3.example.com";
    written(&mut bench, "/0/2", &security(uri, 3, "another key of 1"));
    written(&mut bench, "/1/2", &server(3, 3600));
    let links = bench.request(&discover("/1")).payload;
    let links = String::from_utf8(links).expect("UTF-8");
    assert!(links.contains("</1/2>;ssid=3"), "{links}");
    bench.request(&finish()).expect(Code::CHANGED);
    step("the Client registers there, and tells the others");
    let mut registered = false;
    for _ in 0..3 {
        if bench.is_asked() {
            registered |= bench.accept_any() == uri;
        }
    }
    assert!(registered, "a Register with the new server");
}

pub(crate) fn ets_566_delete_server_instance() {
    step("a server deletes its account: it rests from then on");
    let mut bench = c14().registered();
    bench.server(2).request(&delete("/1/1")).expect_one_of(&[
        Code::DELETED,
        Code::METHOD_NOT_ALLOWED,
        Code::UNAUTHORIZED,
    ]);
    while bench.is_asked() {
        bench.accept_any();
    }
    step("the Bootstrap-Server deletes one: DELETE /0/1");
    let mut bench = with_bootstrap_server(c14(), &[1, 2]).registered();
    let observation = bench.server(2).observe("/3/0/3");
    bench.client_bootstraps();
    bench.accept_bootstrap_request();
    bench.request(&delete("/0/1")).expect(Code::DELETED);
    step("the Server Object Instance has gone with it (TS E.1.3)");
    let links = bench.request(&discover("/1")).payload;
    assert_eq!(
        String::from_utf8(links).expect("UTF-8"),
        r#"lwm2m="1.0",</1/0>;ssid=1"#
    );
    bench.request(&finish()).expect(Code::CHANGED);
    step("the Client leaves the server, which hears nothing more");
    while bench.is_asked() {
        bench.accept_any();
    }
    bench.set("/3/0/3", "1.1");
    assert!(bench.notifications(&observation).is_empty());
    assert!(
        bench
            .client
            .accounts()
            .all(|account| { account.role != AccountRole::Server(SERVER_2) })
    );
    step("the other one is served as before");
    bench.server(1).request(&read("/3/0")).expect(Code::CONTENT);
    assert_eq!(bench.values("/1/0").integer(0), 1);
}

pub(crate) fn ets_656_factory_reset() {
    let mut setup = with_bootstrap_server(c6(), &[1]);
    setup.tree.leave_factory();
    let mut bench = setup.registered();
    step("PUT /1/0/2, an attribute, an observation");
    let before = bench.integer("/1/0/2");
    bench
        .request(&replace("/1/0/2").text("77"))
        .expect(Code::CHANGED);
    bench.set_attributes("/3/0/9?pmin=7");
    bench.observe("/3/0/9");
    step("POST /3/0/5: 2.04, and the Client de-registers");
    bench.request(&execute("/3/0/5")).expect(Code::CHANGED);
    bench.pass_until_asked(600);
    bench.expect_deregister();
    step("it begins as in the factory: it registers with what it was given there");
    bench.pass_until_asked(60);
    let events = bench.events();
    let reset = |event: &ClientEvent| matches!(event, ClientEvent::FactoryReset { .. });
    assert!(events.iter().any(reset), "{events:?}");
    let register = bench.expect_register();
    bench.accept_register(&register);
    step("what was changed, the attributes and the observations are gone");
    assert_eq!(bench.integer("/1/0/2"), before);
    let attributes = bench.request(&discover("/3/0/9")).links();
    assert!(!attributes.attributes("/3/0/9").contains("pmin=7"));
    assert_eq!(bench.client.reporting().observations().count(), 0);
    step("without a server in the factory: POST /bs");
    let device = typed::Device {
        factory_reset: true,
        ..typed::Device::example()
    };
    let mut setup = c13().with(Store::of([(InstanceId::ZERO, device)]));
    setup.tree.leave_factory();
    let mut bench = setup.started();
    bench.accept_bootstrap_request();
    let account = security(SERVER, 1, "a key of 16 byte");
    written(&mut bench, "/0/0", &account);
    written(&mut bench, "/1/0", &server(1, 86_400));
    bench.request(&finish()).expect(Code::CHANGED);
    let register = bench.expect_register();
    bench.accept_register(&register);
    let server = bench.host_at(SERVER);
    server.request(&execute("/3/0/5")).expect(Code::CHANGED);
    bench.pass_until_asked(600);
    bench.expect_deregister();
    bench.pass_until_asked(60);
    bench.expect_bootstrap_request();
}
