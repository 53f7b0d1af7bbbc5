//! Where a registration doesn't go on over the new transport, a Register goes over that. Until it is accepted, the old
//! registration stands (TS 5.3.1, 5.3.2, 8.2.4).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, Method};
use lwm2m_kit::{account, get};
use lwm2m_objects::typed::Security;
use lwm2m_statemachine::{
    Session,
    client::Inbound,
    coap::{MessageBuf, MessageType, Token},
};

use super::FIRST;
use crate::{
    mobile::{Mobile, NUMBER, dtls, no_sec},
    observe::observe,
    support::on,
};

/// MAX_RTT over SMS.
const ROUND_TRIP: Duration = Duration::from_secs(362);
const REGISTER: &str = "sms: 0.02 /rd sms=491700000000&b=S";
const UPDATE: &str = "udp: 0.02 /rd/a";

/// Registered over UDP and observed there; a Register goes over SMS.
fn joining(security: Security) -> Mobile {
    joining_for(security, 86_400)
}

fn joining_for(security: Security, lifetime: u32) -> Mobile {
    let mut mobile = Mobile::registered_for(security, BindingMode::U, lifetime);
    mobile.request("udp", observe(0, "/3/0/9"));
    mobile.steps();
    mobile.change_binding("udp", "S");
    assert_eq!(mobile.steps(), ["updated", "connect sms"]);
    mobile.connect("sms", Session::New);
    let register = mobile.steps();
    assert_eq!(register.len(), 1, "{register:?}");
    assert!(register[0].starts_with("sms: 0.02 /rd "), "{register:?}");
    mobile
}

/// The registration over UDP is observed and served.
fn goes_on_over_udp(mobile: &mut Mobile, level: i64) {
    assert!(mobile.client.is_registered(account(0)));
    mobile.set_level(level);
    assert_eq!(mobile.steps(), ["udp: 2.05"], "it is observed");
    mobile.request("udp", get("/3/0/0"));
    assert_eq!(mobile.steps(), ["udp: 2.05"], "it is served");
}

/// The Register over SMS is accepted, and nothing of the old registration is left.
fn is_accepted(mobile: &mut Mobile, also: &[&str]) {
    mobile.accept_register();
    let ends = ["not observed /3/0/9", "registered"];
    assert_eq!(mobile.steps(), [&ends[..], also].concat());
    mobile.set_level(77);
    assert_eq!(mobile.pass(FIRST), [""; 0], "no longer observed");
    mobile.request("sms", get("/3/0/0"));
    assert_eq!(mobile.steps(), ["sms: 2.05"]);
}

/// Forgets what the test doesn't answer.
fn forget_all_but_the_last(mobile: &mut Mobile) {
    mobile.sent.drain(..mobile.sent.len() - 1);
}

/// TS 8.2.4: without security a server knows a device by its address or its number.
#[test]
fn without_security_nothing_goes_on_over_another_transport() {
    let half = Security {
        sms: no_sec().sms,
        ..dtls()
    };
    for security in [no_sec(), half] {
        let mut mobile = Mobile::registered(security, BindingMode::U);
        mobile.request("udp", observe(0, "/3/0/9"));
        mobile.change_binding("udp", "S");
        mobile.steps();
        mobile.connect("sms", Session::Resumed);
        assert_eq!(mobile.steps(), [REGISTER]);
        is_accepted(&mut mobile, &["disconnect udp"]);
    }
}

#[test]
fn the_old_registration_goes_on_until_the_register_over_the_new_transport_is_accepted() {
    for security in [no_sec(), dtls()] {
        let mut mobile = joining(security);
        goes_on_over_udp(&mut mobile, 20);
        // TS 5.4: not before the Register is answered.
        mobile.request("sms", get("/3/0/0"));
        assert_eq!(mobile.steps(), [""; 0]);
        is_accepted(&mut mobile, &["disconnect udp"]);
    }
}

/// The answer may be lost, so an Update asks what the server knows.
#[test]
fn without_an_answer_to_the_register_the_old_registration_goes_on_with_an_update() {
    let mut mobile = joining(no_sec());
    let steps = mobile.pass(ROUND_TRIP);
    let fails = [
        UPDATE,
        "disconnect sms",
        "failed: the server does not answer",
    ];
    assert_eq!(steps, fails, "sent once (TS 8.6.2)");
    forget_all_but_the_last(&mut mobile);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
    goes_on_over_udp(&mut mobile, 20);
    // And later it is tried again.
    assert_eq!(mobile.pass(FIRST), ["connect sms"]);
    goes_on_over_udp(&mut mobile, 30);
    mobile.connect("sms", Session::New);
    assert_eq!(mobile.steps(), [REGISTER]);
    forget_all_but_the_last(&mut mobile);
    is_accepted(&mut mobile, &["disconnect udp"]);
}

/// Each Register over SMS comes later than the one before, as many as there are.
#[test]
fn a_register_over_the_new_transport_is_tried_again_later_and_later() {
    let mut mobile = joining(no_sec());
    let end = mobile.now + Duration::from_secs(40_000);
    let mut asked = vec![mobile.now];
    while let Some(steps) = mobile.wake(end) {
        for step in steps {
            match &*step {
                "connect sms" => {
                    asked.push(mobile.now);
                    mobile.connect("sms", Session::New);
                    assert_eq!(mobile.steps(), [REGISTER]);
                }
                UPDATE => {
                    forget_all_but_the_last(&mut mobile);
                    mobile.answer_code(Code::CHANGED);
                }
                "updated" | "disconnect sms" | "failed: the server does not answer" => {}
                step => panic!("{step}"),
            }
        }
        assert!(mobile.client.is_registered(account(0)));
    }
    assert!((10..30).contains(&asked.len()), "{asked:?}");
    let last = asked[asked.len() - 1].saturating_duration_since(asked[asked.len() - 2]);
    assert!(last > Duration::from_secs(1800), "{asked:?}");
}

/// The server has the new registration, and doesn't know the old one any more.
#[test]
fn an_update_of_a_registration_that_another_one_has_replaced_is_followed_by_a_register_at_once() {
    let mut mobile = joining(no_sec());
    mobile.pass(ROUND_TRIP);
    forget_all_but_the_last(&mut mobile);
    mobile.answer_code(Code::NOT_FOUND);
    let ends = [
        "not observed /3/0/9",
        "failed: the server answered 4.04",
        "disconnect udp",
        "connect sms",
    ];
    assert_eq!(mobile.steps(), ends);
    mobile.connect("sms", Session::New);
    assert_eq!(mobile.steps(), [REGISTER]);
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered"]);
}

#[test]
fn a_register_that_is_refused_over_the_new_transport_leaves_the_old_registration() {
    let mut mobile = joining(no_sec());
    mobile.answer_code(Code::FORBIDDEN);
    let fails = [UPDATE, "disconnect sms", "failed: the server answered 4.03"];
    assert_eq!(mobile.steps(), fails);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
    goes_on_over_udp(&mut mobile, 20);
    // Longer than after silence.
    assert_eq!(mobile.pass(Duration::from_secs(30)), [""; 0]);
    assert_eq!(mobile.pass(Duration::from_secs(60)), ["connect sms"]);
}

/// RFC 7252 §5.9.3.4: it wants to hear nothing, over no transport.
#[test]
fn a_server_that_is_overloaded_is_asked_over_no_transport_before_its_max_age() {
    let mut mobile = joining_for(no_sec(), 3600);
    let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    answer.max_age(1800).unwrap();
    mobile.answer(answer);
    let fails = ["disconnect sms", "failed: the server answered 5.03"];
    assert_eq!(mobile.steps(), fails);
    goes_on_over_udp(&mut mobile, 20);
    assert_eq!(mobile.pass(Duration::from_secs(1799)), [""; 0]);
    let steps = mobile.pass(Duration::from_secs(1));
    assert_eq!(steps, [UPDATE, "connect sms"]);
}

#[test]
fn a_connection_that_is_lost_with_its_register_leaves_the_old_registration() {
    let mut mobile = joining(no_sec());
    mobile.lose("sms");
    let fails = [UPDATE, "failed: there is no connection"];
    assert_eq!(mobile.steps(), fails);
    forget_all_but_the_last(&mut mobile);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
    goes_on_over_udp(&mut mobile, 20);
    assert_eq!(mobile.pass(FIRST), ["connect sms"]);
}

/// The registration outlasts its connection, as any does.
#[test]
fn the_old_connection_may_be_lost_while_the_register_is_under_way() {
    let lost = || {
        let mut mobile = joining(dtls());
        mobile.lose("udp");
        mobile.set_level(20);
        assert_eq!(mobile.steps(), [""; 0], "there is no way to the server");
        assert!(mobile.client.is_registered(account(0)));
        mobile
    };
    is_accepted(&mut lost(), &[]);

    let mut mobile = lost();
    let steps = mobile.pass(ROUND_TRIP);
    let fails = [
        "disconnect sms",
        "failed: the server does not answer",
        "connect udp",
    ];
    assert_eq!(steps, fails);
    mobile.connect("udp", Session::Resumed);
    assert_eq!(mobile.steps(), [UPDATE]);
    forget_all_but_the_last(&mut mobile);
    mobile.answer_code(Code::CHANGED);
    let steps = mobile.steps();
    assert_eq!(steps[..2], ["udp: 2.05", "updated"], "it is observed");
}

#[test]
fn the_old_connection_may_be_lost_before_a_new_session_is_up() {
    let mut mobile = Mobile::registered(dtls(), BindingMode::U);
    mobile.request("udp", observe(0, "/3/0/9"));
    mobile.change_binding("udp", "S");
    mobile.steps();
    mobile.lose("udp");
    mobile.connect("sms", Session::New);
    assert_eq!(mobile.steps(), [REGISTER]);
    assert!(mobile.client.is_registered(account(0)));
    is_accepted(&mut mobile, &[]);
}

/// TS 5.3: the Register that is under way is the one that has to follow.
#[test]
fn a_register_over_the_new_transport_goes_on_when_the_lifetime_of_the_old_registration_is_over() {
    let mut mobile = Mobile::registered_for(no_sec(), BindingMode::U, 600);
    mobile.request("udp", observe(0, "/3/0/9"));
    mobile.change_binding("udp", "S");
    mobile.pass(Duration::from_secs(500));
    mobile.connect("sms", Session::New);
    let register = "sms: 0.02 /rd lt=600&sms=491700000000&b=S";
    assert_eq!(mobile.steps(), [register]);
    let steps = mobile.pass(Duration::from_secs(100));
    let ends = [
        "not observed /3/0/9",
        "failed: the lifetime of the registration is over",
        "disconnect udp",
    ];
    assert_eq!(steps, ends);
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered"]);
}

/// The server doesn't know the device by its old address any more, but what goes over SMS is not about that.
#[test]
fn another_address_ends_the_old_registration_and_not_the_register_over_the_new_transport() {
    let mut mobile = joining(no_sec());
    let udp = mobile.link("udp");
    mobile.client.address_changed(mobile.now, udp);
    let ends = ["not observed /3/0/9", "disconnect udp"];
    assert_eq!(mobile.steps(), ends);
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered"]);
}

/// The server may have accepted the Register.
#[test]
fn a_client_that_leaves_while_its_register_is_under_way_waits_for_the_answer() {
    let mut mobile = joining(no_sec());
    mobile.client.deregister(mobile.now);
    assert_eq!(mobile.steps(), [""; 0]);
    mobile.accept_register();
    let leaves = [
        "sms: 0.04 /rd/a",
        "not observed /3/0/9",
        "registered",
        "disconnect udp",
    ];
    assert_eq!(mobile.steps(), leaves);
    mobile.answer_code(Code::DELETED);
    assert_eq!(mobile.steps(), ["deregistered", "disconnect sms"]);

    let mut mobile = joining(no_sec());
    mobile.client.deregister(mobile.now);
    let steps = mobile.pass(ROUND_TRIP);
    assert_eq!(steps[0], "udp: 0.04 /rd/a");
    assert!(steps.contains(&"disconnect sms".into()), "{steps:?}");
    forget_all_but_the_last(&mut mobile);
    mobile.answer_code(Code::DELETED);
    assert_eq!(mobile.steps(), ["deregistered", "disconnect udp"]);
}

/// What is under way ends offline.
#[test]
fn a_register_over_the_new_transport_goes_again_when_the_client_is_online() {
    let mut mobile = joining(no_sec());
    mobile.client.go_offline(mobile.now);
    assert_eq!(mobile.pass(ROUND_TRIP), [""; 0]);
    assert!(mobile.client.is_registered(account(0)));
    mobile.client.go_online(mobile.now);
    assert_eq!(mobile.steps(), [REGISTER]);
    forget_all_but_the_last(&mut mobile);
    is_accepted(&mut mobile, &["disconnect udp"]);
}

#[test]
fn a_registration_over_sms_goes_on_until_the_register_over_udp_is_accepted() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::S);
    mobile.request("sms", observe(0, "/3/0/9"));
    mobile.steps();
    mobile.change_binding("sms", "U");
    assert_eq!(mobile.steps(), ["updated", "connect udp"]);
    mobile.connect("udp", Session::New);
    assert_eq!(mobile.steps(), ["udp: 0.02 /rd b=U"]);
    mobile.set_level(20);
    assert_eq!(mobile.steps(), ["sms: 2.05"]);
    let steps = mobile.pass(Duration::from_secs(93));
    let fails = [
        "sms: 0.02 /rd/a",
        "disconnect udp",
        "failed: the server does not answer",
    ];
    assert!(steps.windows(3).any(|ends| ends == fails), "{steps:?}");
    mobile.set_level(30);
    assert_eq!(mobile.steps(), ["sms: 2.05"]);
}

/// Once it has moved, short messages of the server come on the connection that the Client has over SMS.
#[test]
fn a_copy_of_what_came_before_the_move_is_not_run_again_after_it() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::US);
    let from = Inbound::Sms { number: NUMBER };
    let begun = mobile.client.inbound(mobile.now, from).unwrap();
    mobile.add_link(begun, "begun");
    let execute = on(Method::Post, "/1/10/8");
    let wire = execute.finish(MessageType::NonConfirmable, 77, Token::new(b"t").unwrap());
    mobile.datagram(begun, wire.as_ref());
    assert_eq!(mobile.steps(), ["begun: 2.04", UPDATE]);
    mobile.answer_code(Code::CHANGED);
    mobile.steps();
    mobile.change_binding("udp", "S");
    mobile.steps();
    mobile.connect("sms", Session::New);
    assert_eq!(mobile.steps(), [REGISTER, "disconnect begun"]);
    for _ in 0..2 {
        let sms = mobile.client.inbound(mobile.now, from).unwrap();
        assert_eq!(sms, mobile.link("sms"));
        mobile.datagram(sms, wire.as_ref());
        assert_eq!(mobile.steps(), [""; 0]);
        if mobile.sent.iter().any(|sent| sent.path() == "/rd") {
            mobile.accept_register();
            assert_eq!(mobile.steps(), ["registered", "disconnect udp"]);
        }
    }
}
