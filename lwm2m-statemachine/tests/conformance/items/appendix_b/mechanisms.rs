//! B.1.6 Security and B.1.7 Mechanism: what doesn't need a secured transport.

use lwm2m_core::{AccessRights, BindingMode, Code, ContentFormat, ServerUri};
use lwm2m_objects::{
    Store,
    typed::{self, SecurityMode},
};
use lwm2m_statemachine::ClientEvent;

use crate::{
    bench::{Bench, step},
    configurations::{SERVER_1, c1, c12, c14_creating, c14_where, no_sec, numbered, with_binding},
    message::{create, delete, execute, read, replace},
    objects,
    tlv::{multiple, resource},
};

pub(crate) fn lwm2m_sec_005_c_o() {
    let mut bench = no_sec("coap://server1.example.com").started();
    step("the connection is asked for without security, by the URI of /0/0/0");
    let (uri, security) = bench.asked_connections()[0].clone();
    assert_eq!(uri, "coap://server1.example.com");
    assert_eq!(security.mode, SecurityMode::NoSec);
    step("registration and device management over it");
    bench.accept_registers();
    bench.request(&read("/3/0")).expect(Code::CONTENT);
    step("another address: the server knows the Client by it, so Register (TS 8.2.4)");
    bench.change_address();
    bench.accept_registers();
    bench.request(&read("/3/0")).expect(Code::CONTENT);
}

/// Each right alone lets its operation through, and no other (TS 7.3.2).
pub(crate) fn lwm2m_sec_008_c_o() {
    let rights = [
        AccessRights::NONE,
        AccessRights::READ,
        AccessRights::WRITE,
        AccessRights::EXECUTE,
        AccessRights::DELETE,
    ];
    for right in rights {
        let setup = c14_where(2, right).with(objects::portfolios());
        let mut bench = setup.registered();
        bench.server(2);
        let text = multiple(0, [(0, "x")]);
        let operations = [
            (AccessRights::READ, read("/16/0"), Code::CONTENT),
            (
                AccessRights::READ,
                read("/16/0/0").observe(0),
                Code::CONTENT,
            ),
            (
                AccessRights::WRITE,
                replace("/16/0/0").tlv(&text),
                Code::CHANGED,
            ),
            (AccessRights::EXECUTE, execute("/16/0/1"), Code::CHANGED),
            (AccessRights::DELETE, delete("/16/0"), Code::DELETED),
        ];
        for (needed, request, code) in operations {
            step(&format!("with {right:?}: {request:?}"));
            let expected = if needed == right {
                code
            } else {
                Code::UNAUTHORIZED
            };
            bench.request(&request).expect(expected);
        }
        while bench.is_asked() {
            bench.expect_update();
        }
        step("Create needs its right on the Object, which nobody has here");
        bench
            .request(&create("/16").tlv(&text))
            .expect(Code::UNAUTHORIZED);
    }
    step("with the right to create: the new Object Instance is the server's own (TS 7.3.2.4)");
    let mut bench = c14_creating().with(objects::portfolios()).registered();
    let text = multiple(0, [(0, "x")]);
    bench
        .server(1)
        .request(&create("/16").tlv(&text))
        .expect(Code::UNAUTHORIZED);
    let answer = bench.server(2).request(&create("/16").tlv(&text));
    assert_eq!(answer.expect(Code::CREATED).location, ["16", "1"]);
    for _ in 0..2 {
        bench.expect_update().objects().expect(&["/16/1", "/2/5"]);
    }
    let access = bench.values("/2/5");
    assert_eq!((access.integer(0), access.integer(1)), (16, 1));
    assert_eq!(access.integer(3), 2, "the owner");
    bench.request(&read("/16/1")).expect(Code::CONTENT);
    bench
        .server(1)
        .request(&read("/16/1"))
        .expect(Code::UNAUTHORIZED);
    step("a single server has all rights (TS 7.3)");
    let mut bench = c12().registered();
    let text = multiple(0, [(0, "x")]);
    bench
        .request(&create("/16").tlv(&text))
        .expect(Code::CREATED);
    bench.expect_update();
    bench.request(&delete("/16/0")).expect(Code::DELETED);
    bench.expect_update();
    step("an Object is read as far as the rights go");
    let mut bench = c14_where(2, AccessRights::NONE).registered();
    let readable = bench.server(2).request(&read("/1")).expect(Code::CONTENT);
    assert_eq!(
        crate::tlv::object(&readable.payload)
            .into_keys()
            .collect::<Vec<_>>(),
        [1]
    );
}

/// TS 8.3.
pub(crate) fn lwm2m_mec_001_c_o() {
    let mut bench = with_binding(BindingMode::UQ).started();
    step("the Register tells the binding");
    let register = bench.expect_register();
    assert_eq!(register.query("b").as_deref(), Some("UQ"));
    bench.accept_register(&register);
    let observation = bench.observe("/3/0/3");
    bench.events();
    step("the Client is awake for MAX_TRANSMIT_WAIT, and then the device may sleep");
    let slept = |bench: &mut Bench| {
        let events = bench.events();
        let mut all = events.iter();
        all.any(|event| matches!(event, ClientEvent::MaySleep { .. }))
    };
    bench.pass(92);
    assert!(!slept(&mut bench));
    bench.request(&read("/3/0/0")).expect(Code::CONTENT);
    bench.pass(92);
    assert!(
        !slept(&mut bench),
        "the awake time counts from the last message"
    );
    bench.pass(1);
    assert!(slept(&mut bench));
    step("it wakes with an Update, and a notification follows when that is accepted");
    bench.pass(1000);
    bench.expect_quiet();
    bench.set("/3/0/3", "1.1");
    assert!(bench.is_asked());
    bench.expect_quiet();
    bench.expect_update().expect_only(&[]);
    assert_eq!(bench.notifications(&observation).len(), 1);
    step("what the server has queued is answered");
    bench.request(&read("/3/0/0")).expect(Code::CONTENT);
    bench.pass(93);
    assert!(slept(&mut bench));
    step("before the lifetime is over there is an Update by itself");
    bench.pass_until_asked(86_400);
    bench.expect_update();
}

pub(crate) fn lwm2m_mec_002_c_m() {
    let mut bench = no_sec("coap://192.0.2.1").started();
    step("the URI of UDP, whose port is 5683 unless it says another one");
    let (uri, _) = bench.asked_connections()[0].clone();
    let address = ServerUri::parse(&uri).expect("a URI").address();
    assert_eq!(address.map(|address| address.port()), Some(5683));
    bench.accept_registers();
    step("a request that arrives twice is executed once, and answered twice");
    let request = replace("/1/0/1").content(ContentFormat::TLV, resource(1, [100]));
    let (first, second) = bench.request_twice(&request);
    assert_eq!(first.code, Code::CHANGED);
    assert_eq!(first, second);
    bench.expect_update().expect_only(&["lt=100"]);
    step("a request that isn't answered is sent again by CoAP, up to four times");
    let mut bench = c1().started();
    let register = bench.expect_register();
    bench.pass_until_asked(3600);
    assert_eq!(bench.retransmissions(&register), 4);
    bench.accept_registers();
}

pub(crate) fn lwm2m_mec_003_c_o() {
    let security = typed::Security::no_sec("coap://192.0.2.1", SERVER_1);
    let security = security.with_sms(typed::SmsSecurity {
        mode: Some(typed::SmsSecurityMode::NoSec),
        server_number: Some("491700000001".into()),
        ..typed::SmsSecurity::default()
    });
    let mut setup = with_binding(BindingMode::S).with(Store::of(numbered([security])));
    setup.config.announced.sms_number = Some("491700000000".into());
    let mut bench = setup.started();
    step("the connection is asked for over SMS, to the number of /0/0/9");
    assert_eq!(bench.asked_connections()[0].0, "sms:491700000001");
    step("the Register tells the binding and the number of the device");
    let register = bench.expect_register();
    assert_eq!(register.query("b").as_deref(), Some("S"));
    assert_eq!(register.query("sms").as_deref(), Some("491700000000"));
    step("nothing is retransmitted by CoAP, also in minutes");
    bench.pass(300);
    assert_eq!(bench.retransmissions(&register), 0);
    bench.accept_register(&register);
    step("a request over SMS is answered over SMS");
    bench.request(&read("/3/0/0")).expect(Code::CONTENT);
}
