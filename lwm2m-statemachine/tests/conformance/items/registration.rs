//! Registration: tests 101 to 104, and Disable.

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_kit::account;
use lwm2m_statemachine::{ClientEvent, coap::MessageType};

use crate::{
    bench::{Asked, Bench, step},
    configurations::{ENDPOINT, c1, c1_with_lifetime, c3, c3_without_disable_timeout},
    message::{execute, read, replace},
};

/// What a Register of the one server of C.1 says (TS 5.3.1, 8.2.4).
#[track_caller]
pub(crate) fn expect_register_of_c1(register: &Asked) {
    assert_eq!(register.query("ep").as_deref(), Some(ENDPOINT));
    assert_eq!(register.query("lt").as_deref(), Some("86400"), "as /1/0/1");
    assert_eq!(register.query("lwm2m").as_deref(), Some("1.0"));
    let binding = register.query("b").unwrap_or_else(|| "U".into());
    assert_eq!(binding, "U", "as /1/0/7");
    assert_eq!(register.query("sms"), None);
    let format = register.message().content_format();
    assert_eq!(format, Some(ContentFormat::LINK_FORMAT));
    let objects = register.objects();
    objects.expect(&["/1/0", "/3/0"]);
    let security = |target: &&str| target.starts_with("/0");
    assert!(
        !objects.targets().iter().any(security),
        "the Security Object is in {objects:?}"
    );
}

pub(crate) fn ets_101_initial_registration() {
    let mut bench = c1().started();
    step("the Client registers: POST /rd?ep=…&lt=86400&lwm2m=1.0 with its Objects");
    let register = bench.expect_asked(Method::Post, "/rd");
    assert_eq!(register.message().kind(), MessageType::Confirmable);
    expect_register_of_c1(&register);
    step("no request is answered before the registration is");
    bench.expect_silence(&execute("/1/0/8"));
    step("2.01 with the location /rd/5a3f1");
    bench.accept_register(&register);
    let events = bench.events();
    let registered = |event: &ClientEvent| matches!(event, ClientEvent::Registered { location, .. } if location == "/rd/5a3f1");
    assert!(
        events.iter().any(registered),
        "expected Registered in {events:?}"
    );
    bench.expect_nothing_asked();
}

pub(crate) fn ets_102_registration_update() {
    let mut bench = c1().registered();
    step("1. PUT /1/0/1 = 20");
    bench
        .request(&replace("/1/0/1").text("20"))
        .expect(Code::CHANGED);
    step("2. POST /rd/5a3f1?lt=20 without a payload");
    let update = bench.expect_update().expect_only(&["lt=20"]);
    assert_eq!(update.at, bench.now);
    step("3. POST /rd/5a3f1, with nothing in it, before 20 s have passed");
    bench.pass_until_asked(20);
    let next = bench.expect_update().expect_only(&[]);
    let passed = next.at.saturating_duration_since(update.at);
    assert!(passed.as_secs() < 20, "the Update comes after {passed:?}");
}

/// Executes Disable: the answer leaves, and then the De-register.
fn disable(bench: &mut Bench) {
    step("POST /1/0/4: 2.04");
    bench.request(&execute("/1/0/4")).expect(Code::CHANGED);
    step("DELETE /rd/5a3f1: 2.02");
    bench.expect_deregister();
}

pub(crate) fn ets_103_deregistration() {
    let mut bench = c3().registered();
    disable(&mut bench);
    step("the Client is registered nowhere");
    assert!(!bench.client.is_registered(account(0)));
    let events = bench.events();
    let deregistered = |event: &ClientEvent| matches!(event, ClientEvent::Deregistered { .. });
    assert!(events.iter().any(deregistered), "{events:?}");
}

/// The Client is disabled for so many seconds, and then registers with all that a Register says.
fn disabled_for(bench: &mut Bench, seconds: u64) {
    disable(bench);
    let since = bench.now;
    step("the connection is ended");
    let events = bench.events();
    let is_ended = |event: &ClientEvent| matches!(event, ClientEvent::Disconnect { .. });
    assert!(events.iter().any(is_ended), "{events:?}");
    step("the Client answers nothing and sends nothing");
    bench.expect_silence(&read("/3/0"));
    bench.pass(seconds - 1);
    bench.expect_silence(&execute("/1/0/8"));
    bench.expect_nothing_asked();
    step("when the time is over: POST /rd?ep=…&lt=86400&lwm2m=1.0 with its Objects");
    bench.pass_until_asked(1);
    let register = bench.expect_register();
    let passed = register.at.saturating_duration_since(since);
    assert_eq!(passed.as_secs(), seconds);
    expect_register_of_c1(&register);
    bench.accept_register(&register);
    assert_eq!(bench.text("/3/0/0"), "Open Mobile Alliance");
}

pub(crate) fn ets_555_disable() {
    let mut bench = c3().registered();
    step("PUT /1/0/5 = 20");
    bench
        .request(&replace("/1/0/5").text("20"))
        .expect(Code::CHANGED);
    disabled_for(&mut bench, 20);
    step("without /1/0/5 it is a day");
    let mut bench = c3_without_disable_timeout().registered();
    disabled_for(&mut bench, 86_400);
}

/// Executes the trigger; the answer leaves before the Update does.
fn trigger(bench: &mut Bench) {
    step("1. POST /1/0/8: 2.04");
    bench.request(&execute("/1/0/8")).expect(Code::CHANGED);
    step("2. POST /rd/5a3f1 without any parameter");
    bench.expect_update().expect_only(&[]);
}

fn update_trigger() {
    let mut bench = c1_with_lifetime(20).registered();
    bench.pass(5);
    trigger(&mut bench);
    step("the Client is still registered when the first 20 s have passed");
    bench.pass_until_asked(16);
    bench.expect_update().expect_only(&[]);
    bench.pass(6);
    assert_eq!(bench.text("/3/0/0"), "Open Mobile Alliance");
}

pub(crate) fn ets_104_registration_update_trigger() {
    update_trigger();
}

pub(crate) fn ets_556_update_registration() {
    update_trigger();
}
