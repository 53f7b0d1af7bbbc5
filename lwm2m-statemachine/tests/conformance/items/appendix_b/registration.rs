//! B.1.2 Client Registration.

use lwm2m_core::{BindingMode, Code, Method};
use lwm2m_objects::example;
use lwm2m_statemachine::{ClientConfig, ClientEvent, Session, coap::MessageBuf};

use crate::{
    bench::step,
    configurations::{ENDPOINT, Setup, c1, c3, c11, c12, with_binding},
    message::{create, delete, read, replace},
    tlv::multiple,
};

pub(crate) fn lwm2m_cr_001_c_m() {
    let mut bench = c1().started();
    step("a server that doesn't answer: Register is retransmitted, and tried again later");
    let register = bench.expect_register();
    bench.pass_until_asked(3600);
    let retransmissions = bench.retransmissions(&register);
    assert_eq!(retransmissions, 4, "MAX_RETRANSMIT (RFC 7252 §4.8)");
    step("it is refused: tried again later");
    let register = bench.expect_register();
    bench.respond(&register, MessageBuf::response(Code::FORBIDDEN));
    bench.pass_until_asked(2 * 3600);
    step("it is accepted");
    let register = bench.expect_register();
    assert!(
        register
            .message()
            .uri_query()
            .any(|query| query.starts_with("ep="))
    );
    bench.accept_register(&register);
    bench.request(&read("/3/0")).expect(Code::CONTENT);
    step("a new session: Register (TS 8.2.4)");
    bench.lose_connection(Session::New);
    let register = bench.expect_register();
    bench.accept_register(&register);
    bench.request(&read("/3/0")).expect(Code::CONTENT);
}

pub(crate) fn lwm2m_cr_002_c_m() {
    step("the name is that of the configuration, byte for byte");
    let name = "urn:imei:35 2099/00176148?é";
    let mut setup = c1();
    setup.config = ClientConfig::new(name, [7; 32]);
    let mut bench = setup.started();
    let register = bench.expect_register();
    assert_eq!(register.query("ep").as_deref(), Some(name));
    bench.accept_register(&register);
    step("an Update never has it");
    bench
        .request(&replace("/1/0/1").text("600"))
        .expect(Code::CHANGED);
    bench.expect_update().expect_only(&["lt=600"]);
}

pub(crate) fn lwm2m_cr_003_c_m() {
    let mut bench = c1().started();
    step("Register has the lifetime of /1/0/1");
    let register = bench.expect_register();
    assert_eq!(register.query("lt").as_deref(), Some("86400"));
    bench.accept_register(&register);
    step("the application sets another one: Update says so");
    bench.set("/1/0/1", 300);
    bench.expect_update().expect_only(&["lt=300"]);
    step("the registration is refreshed before the lifetime is over");
    bench.pass_until_asked(300);
    let update = bench.expect_asked(Method::Post, "/rd/5a3f1");
    step("the server doesn't know the registration: Register has the new lifetime");
    bench.respond(&update, MessageBuf::response(Code::NOT_FOUND));
    bench.pass_until_asked(600);
    let register = bench.expect_register();
    assert_eq!(register.query("lt").as_deref(), Some("300"));
    bench.accept_register(&register);
    step("no Update is answered until the lifetime is over: Register, and nothing before it");
    let registered = bench.now;
    let observation = bench.observe("/3/0/3");
    bench.pass_until_asked(300);
    while bench.now.saturating_duration_since(registered).as_secs() < 300 {
        bench.expect_asked(Method::Post, "/rd/5a3f1");
        bench.pass_until_asked(3600);
    }
    bench.set("/3/0/3", "1.1");
    assert!(bench.notifications(&observation).is_empty());
    let register = bench.expect_register();
    assert_eq!(register.query("lt").as_deref(), Some("300"));
    bench.accept_register(&register);
}

pub(crate) fn lwm2m_cr_004_c_m() {
    let mut bench = c1().started();
    let register = bench.expect_register();
    assert_eq!(register.query("lwm2m").as_deref(), Some("1.0"));
    step("a server that doesn't support the version refuses");
    bench.respond(&register, MessageBuf::response(Code::PRECONDITION_FAILED));
    let events = bench.events();
    let failed = |event: &ClientEvent| matches!(event, ClientEvent::RegistrationFailed { .. });
    assert!(
        events.iter().any(failed),
        "the application is told: {events:?}"
    );
    bench.expect_nothing_asked();
}

pub(crate) fn lwm2m_cr_005_c_m() {
    step("Register has the binding of /1/0/7");
    let mut bench = with_binding(BindingMode::UQ).started();
    let register = bench.expect_register();
    assert_eq!(register.query("b").as_deref(), Some("UQ"));
    bench.accept_register(&register);
    step("a server writes another one: Update says so");
    bench
        .request(&replace("/1/0/7").text("U"))
        .expect(Code::CHANGED);
    bench.expect_update().expect_only(&["b=U"]);
    for (binding, why) in [("S", "the Device doesn't support"), ("X", "there isn't")] {
        step(&format!("a binding that {why}: nothing changes"));
        bench
            .request(&replace("/1/0/7").text(binding))
            .expect(Code::BAD_REQUEST);
        assert_eq!(bench.text("/1/0/7"), "U");
        bench.expect_nothing_asked();
    }
}

pub(crate) fn lwm2m_cr_006_c_o() {
    let number = "358401234567";
    for (binding, told) in [(BindingMode::US, Some(number)), (BindingMode::U, None)] {
        step(&format!(
            "Register with the binding {binding}: the number, if SMS is used"
        ));
        let mut setup = with_binding(binding);
        setup.config.announced.sms_number = Some(number.into());
        let mut bench = setup.started();
        let register = bench.expect_register();
        assert_eq!(register.query("sms").as_deref(), told);
        bench.accept_register(&register);
    }
    step("without a number, none");
    let mut bench = with_binding(BindingMode::US).started();
    let register = bench.expect_register();
    assert_eq!(register.query("sms"), None);
    bench.accept_register(&register);
}

pub(crate) fn lwm2m_cr_007_c_m() {
    step("the example client of TS Appendix F, as TS 5.3.1 lists its Objects");
    let tree = example::client();
    let config = ClientConfig::new(example::ENDPOINT_NAME, [7; 32]);
    let mut bench = Setup { config, tree }.started();
    for _ in 0..2 {
        let register = bench.expect_register();
        let objects = register.objects();
        let targets: Vec<&str> = objects
            .targets()
            .into_iter()
            .filter(|at| *at != "/")
            .collect();
        let expected = [
            "/1/0", "/1/1", "/2/0", "/2/1", "/2/2", "/2/3", "/2/4", "/3/0", "/4/0", "/5",
        ];
        assert_eq!(targets, expected);
        step("all Objects do JSON, which the root says (TS 5.3.1)");
        assert!(objects.attributes("/").contains("ct=11543"));
        bench.accept_register(&register);
    }
    step("under an alternate path (TS 8.2.2)");
    let mut setup = c12();
    setup.config.announced.alternate_path = "/lwm2m".into();
    let mut bench = setup.started();
    let register = bench.expect_register();
    let objects = register.objects();
    assert!(objects.attributes("/lwm2m").contains("rt=oma.lwm2m"));
    objects.expect(&["/lwm2m/1/0", "/lwm2m/3/0", "/lwm2m/16/0"]);
    assert!(!objects.has("/3/0"));
    bench.accept_register(&register);
    step("the Objects are there, and not elsewhere");
    bench.request(&read("/lwm2m/3/0")).expect(Code::CONTENT);
    bench.request(&read("/3/0")).expect(Code::NOT_FOUND);
}

pub(crate) fn lwm2m_cr_008_c_m() {
    let mut bench = c12().registered();
    step("the lifetime and the Objects change: one Update with all that has changed");
    bench.set("/1/0/1", 7200);
    let update = bench.expect_update();
    update.expect_only(&["lt=7200"]);
    let texts = multiple(0, [(0, "one")]);
    bench
        .request(&create("/16").tlv(&texts))
        .expect(Code::CREATED);
    let update = bench.expect_update();
    assert!(update.queries().is_empty(), "only what has changed");
    update.objects().expect(&["/1/0", "/3/0", "/16/0", "/16/1"]);
    step("a change while an Update is under way: one more, with what is left");
    bench.request(&delete("/16/1")).expect(Code::DELETED);
    let first = bench.expect_asked(Method::Post, "/rd/5a3f1");
    assert!(!first.objects().has("/16/1"));
    bench.set("/1/0/1", 3600);
    bench.expect_nothing_asked();
    bench.respond(&first, MessageBuf::response(Code::CHANGED));
    bench.expect_update().expect_only(&["lt=3600"]);
    step("a value that isn't part of the registration: no Update");
    bench.set("/3/0/3", "1.1");
    bench.expect_nothing_asked();
    step("the registration is refreshed without parameters");
    bench.pass_until_asked(3600);
    bench.expect_update().expect_only(&[]);
    step("the same session: Update, and observations go on (TS 8.3)");
    let observation = bench.observe("/3/0/3");
    bench.lose_connection(Session::Resumed);
    bench.expect_update().expect_only(&[]);
    bench.set("/3/0/3", "1.2");
    bench.expect_notified(&observation, (bench.now, 0));
    step("Update is refused with 4.04: Register anew");
    bench.client_updates();
    let update = bench.expect_asked(Method::Post, "/rd/5a3f1");
    bench.respond(&update, MessageBuf::response(Code::NOT_FOUND));
    bench.pass_until_asked(600);
    let register = bench.expect_register();
    assert_eq!(register.query("ep").as_deref(), Some(ENDPOINT));
    register.objects().expect(&["/16/0"]);
    bench.accept_register(&register);
}

pub(crate) fn lwm2m_cr_009_c_o() {
    let mut bench = c1().registered();
    step("the Client shuts down: DELETE /rd/5a3f1");
    bench.client.deregister(bench.now);
    bench.expect_deregister();
    let events = bench.events();
    let deregistered = |event: &ClientEvent| matches!(event, ClientEvent::Deregistered { .. });
    assert!(events.iter().any(deregistered), "{events:?}");
    step("afterwards it answers nothing and sends nothing");
    bench.expect_silence(&read("/3/0"));
    bench.pass(86_400);
    bench.expect_nothing_asked();
}

pub(crate) fn lwm2m_cr_0011_c_m() {
    let mut bench = c3().started();
    step("Register");
    let register = bench.expect_register();
    let security = |target: &str| target == "/0" || target.starts_with("/0/");
    let expect_none = |targets: Vec<&str>| {
        assert!(
            !targets.iter().any(|target| security(target)),
            "{targets:?}"
        );
    };
    expect_none(register.objects().targets());
    bench.accept_register(&register);
    step("Update with the list");
    let mut bench = c12().registered();
    bench.request(&delete("/16/0")).expect(Code::DELETED);
    expect_none(bench.expect_update().objects().targets());
}

pub(crate) fn lwm2m_cr_0012_c_m() {
    let mut bench = c11().started();
    step("the version of an Object that isn't in its Initial Version is told");
    let register = bench.expect_register();
    let objects = register.objects();
    assert_eq!(objects.attributes("/10"), "ver=1.1");
    for target in ["/1/0", "/3/0", "/11/0"] {
        assert_eq!(objects.attributes(target), "", "of {target}");
    }
    bench.accept_register(&register);
    step("in an Update, too");
    let profile = [crate::tlv::resource(0, "second"), crate::tlv::integer(4, 0)];
    bench
        .request(&create("/11").tlv(profile.concat()))
        .expect(Code::CREATED);
    let objects = bench.expect_update().objects();
    assert_eq!(objects.attributes("/10"), "ver=1.1");
}
