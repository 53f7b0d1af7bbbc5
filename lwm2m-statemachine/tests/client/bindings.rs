//! The binding says which transport a server is reached over (TS 5.3.1.1, 5.3.2, 8.2.4, E.2 Resource 7).

mod joining;

use core::time::Duration;

use lwm2m_core::{AccessRights, BindingMode, Code, ContentFormat, Instant, Method};
use lwm2m_kit::{account, get};
use lwm2m_objects::typed::Security;
use lwm2m_statemachine::{
    Session,
    client::Inbound,
    coap::{MessageBuf, MessageType, Token},
};

use crate::{
    mobile::{Mobile, NUMBER, config, dtls, no_sec},
    observe::observe,
    servers::{access, access_control},
    support::on,
};

/// Longer than any wait after the first failure.
const FIRST: Duration = Duration::from_secs(5);

#[test]
fn a_client_whose_binding_is_sms_registers_over_sms_at_once() {
    let mut mobile = Mobile::new(config(), no_sec(), BindingMode::S, 86_400);
    assert_eq!(mobile.steps(), ["connect sms"]);
    mobile.connect("sms", Session::New);
    assert_eq!(mobile.steps(), ["sms: 0.02 /rd sms=491700000000&b=S"]);
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered"]);
    mobile.request("sms", get("/3/0/0"));
    assert_eq!(mobile.steps(), ["sms: 2.05"]);
}

/// TS 5.3.2: the Update over the transport in use. TS 8.2.4: a Register in a new session.
#[test]
fn a_change_of_binding_is_told_over_the_old_transport_and_what_follows_goes_over_the_new_one() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.write_binding("udp", "S");
    let told = [
        "udp: 2.04",
        "udp: 0.02 /rd/a sms=491700000000&b=S",
        "written",
    ];
    assert_eq!(mobile.steps(), told);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated", "connect sms"]);
    mobile.connect("sms", Session::New);
    assert_eq!(mobile.steps(), ["sms: 0.02 /rd sms=491700000000&b=S"]);
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered", "disconnect udp"]);

    mobile.write_binding("sms", "UQ");
    let told = ["sms: 2.04", "sms: 0.02 /rd/a b=UQ", "written"];
    assert_eq!(mobile.steps(), told);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated", "connect udp"]);
    mobile.connect("udp", Session::New);
    assert_eq!(mobile.steps(), ["udp: 0.02 /rd b=UQ"]);
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered", "disconnect sms"]);
}

/// TS Table 8: with both, the Client stays where it is, and answers where it is asked.
#[test]
fn with_both_transports_the_client_stays_on_udp() {
    for binding in ["US", "UQS"] {
        let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
        mobile.change_binding("udp", binding);
        assert_eq!(mobile.steps(), ["updated"], "{binding}");
        let from = Inbound::Sms { number: NUMBER };
        let sms = mobile.client.inbound(mobile.now, from).unwrap();
        mobile.add_link(sms, "sms");
        mobile.request("sms", get("/3/0/0"));
        assert_eq!(mobile.steps(), ["sms: 2.05"], "{binding}");
        mobile.request("udp", get("/3/0/0"));
        assert_eq!(mobile.steps(), ["udp: 2.05"], "{binding}");
    }
}

/// TS 8.3: a session goes on with an Update, and then with notifications.
#[test]
fn a_session_that_is_resumed_over_the_other_transport_goes_on_with_an_update() {
    let mut mobile = Mobile::registered(dtls(), BindingMode::U);
    mobile.request("udp", observe(0, "/3/0/9"));
    assert_eq!(mobile.steps(), ["udp: 2.05", "observed /3/0/9"]);
    mobile.change_binding("udp", "S");
    assert_eq!(mobile.steps(), ["updated", "connect sms"]);
    mobile.set_level(20);
    assert_eq!(mobile.steps(), ["udp: 2.05"], "what is there goes on");
    mobile.connect("sms", Session::Resumed);
    assert_eq!(mobile.steps(), ["sms: 0.02 /rd/a", "disconnect udp"]);
    mobile.set_level(30);
    assert_eq!(mobile.steps(), [""; 0], "not before the Update is answered");
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["sms: 2.05", "updated"]);
}

#[test]
fn an_update_that_is_not_answered_moves_nothing_and_is_sent_again() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.write_binding("udp", "S");
    mobile.steps();
    let mut steps = mobile.steps();
    while steps.is_empty() || steps.last().unwrap().starts_with("udp") {
        steps.extend(mobile.wake(Instant::MAX).unwrap());
    }
    let update = "udp: 0.02 /rd/a sms=491700000000&b=S";
    assert_eq!(steps.pop().unwrap(), "failed: the server does not answer");
    assert_eq!(steps, [update; 4], "its retransmissions");
    assert_eq!(mobile.wake(Instant::MAX).unwrap(), [update]);
    mobile.sent.drain(..mobile.sent.len() - 1);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated", "connect sms"]);
}

/// The server that refuses the binding has forgotten the Client, or so it says: the Register has the binding
/// of the Server Object Instance, and goes where that says.
#[test]
fn an_update_that_is_refused_is_followed_by_a_register_over_the_new_transport() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.write_binding("udp", "S");
    mobile.steps();
    mobile.answer_code(Code::NOT_FOUND);
    let steps = mobile.steps();
    let ends = [
        "failed: the server answered 4.04",
        "disconnect udp",
        "connect sms",
    ];
    assert_eq!(steps, ends);
    mobile.connect("sms", Session::New);
    assert_eq!(mobile.steps(), ["sms: 0.02 /rd sms=491700000000&b=S"]);
}

/// The registration goes on over the old transport: requests are served, Updates come in time, and a
/// connection over SMS is asked for later and later.
#[test]
fn a_device_that_cannot_send_short_messages_stays_registered_over_udp() {
    let mut mobile = Mobile::registered_for(no_sec(), BindingMode::U, 600);
    mobile.request("udp", observe(0, "/3/0/9"));
    mobile.change_binding("udp", "S");
    let mut asked = 0;
    let mut updates = 0;
    mobile.steps();
    mobile.lose("sms");
    let end = mobile.now + Duration::from_secs(12_000);
    while let Some(steps) = mobile.wake(end) {
        for step in steps {
            match &*step {
                "connect sms" => {
                    asked += 1;
                    mobile.lose("sms");
                }
                "udp: 0.02 /rd/a" => {
                    updates += 1;
                    mobile.answer_code(Code::CHANGED);
                }
                "updated" => {}
                step => panic!("{step}"),
            }
        }
        assert!(mobile.client.is_registered(account(0)));
    }
    assert!((20..=30).contains(&updates), "{updates}");
    assert!((8..=20).contains(&asked), "{asked}");
    mobile.set_level(17);
    assert_eq!(mobile.steps(), ["udp: 2.05"], "it is still observed");
    // The server may take it back.
    mobile.write_binding("udp", "U");
    let told = ["udp: 2.04", "udp: 0.02 /rd/a b=U", "written"];
    assert_eq!(mobile.steps(), told);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
    let steps = mobile.pass(Duration::from_secs(400));
    assert!(steps.iter().all(|step| step != "connect sms"), "{steps:?}");
}

/// What connections are asked for in this time, none of which can be made.
fn lose_all(mobile: &mut Mobile, time: Duration) -> Vec<String> {
    let end = mobile.now + time;
    let mut asked = Vec::new();
    loop {
        let mut steps = mobile.steps();
        if steps.is_empty() {
            match mobile.wake(end) {
                Some(more) => steps = more,
                None => return asked,
            }
        }
        for step in steps {
            let over = step.strip_prefix("connect ").expect("nothing else");
            mobile.lose(over);
            asked.push(over.into());
        }
    }
}

/// A server that has chosen SMS wrongly keeps its registration over UDP, whatever is lost first.
#[test]
fn a_registration_goes_on_over_udp_though_that_is_lost_while_sms_cannot_be_had() {
    for (first, second) in [("sms", "udp"), ("udp", "sms")] {
        let mut mobile = Mobile::registered(dtls(), BindingMode::U);
        mobile.request("udp", observe(0, "/3/0/9"));
        mobile.change_binding("udp", "S");
        mobile.steps();
        mobile.lose(first);
        mobile.lose(second);
        // So are the next connections.
        let asked = lose_all(&mut mobile, Duration::from_secs(3600));
        let count = |over| asked.iter().filter(|asked| *asked == over).count();
        let (udp, sms) = (count("udp"), count("sms"));
        assert!((4..=20).contains(&udp), "{asked:?}");
        assert!((2..=udp).contains(&sms), "{asked:?}");
        // Now there is UDP.
        let mut steps = mobile.steps();
        while !steps.contains(&"connect udp".into()) {
            if steps.contains(&"connect sms".into()) {
                mobile.lose("sms");
                steps = mobile.steps();
            } else {
                steps = mobile.wake(Instant::MAX).unwrap();
            }
        }
        mobile.connect("udp", Session::Resumed);
        assert_eq!(mobile.steps()[0], "udp: 0.02 /rd/a");
        mobile.answer_code(Code::CHANGED);
        assert_eq!(mobile.steps()[0], "updated");
        mobile.set_level(20);
        assert_eq!(mobile.steps(), ["udp: 2.05"], "it is still observed");
        // And then SMS.
        mobile.pass(Duration::from_secs(3600));
        mobile.connect("sms", Session::Resumed);
        assert_eq!(mobile.steps(), ["sms: 0.02 /rd/a", "disconnect udp"]);
    }
}

#[test]
fn a_binding_that_is_taken_back_ends_the_connection_that_was_asked_for() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.change_binding("udp", "S");
    assert_eq!(mobile.steps(), ["updated", "connect sms"]);
    let late = mobile.link("sms");
    mobile.change_binding("udp", "US");
    assert_eq!(mobile.steps(), ["updated", "disconnect sms"]);
    mobile.client.connected(mobile.now, late, Session::New);
    assert_eq!(mobile.steps(), [""; 0]);
    mobile.request("udp", get("/3/0/0"));
    assert_eq!(mobile.steps(), ["udp: 2.05"]);
}

#[test]
fn the_old_connection_may_be_lost_before_the_new_one_is_up() {
    let mut mobile = Mobile::registered(dtls(), BindingMode::U);
    mobile.request("udp", observe(0, "/3/0/9"));
    mobile.change_binding("udp", "S");
    mobile.steps();
    mobile.lose("udp");
    mobile.set_level(20);
    assert_eq!(
        mobile.pass(FIRST),
        [""; 0],
        "only the new one is waited for"
    );
    assert!(mobile.client.is_registered(account(0)));
    mobile.connect("sms", Session::Resumed);
    assert_eq!(mobile.steps(), ["sms: 0.02 /rd/a"]);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["sms: 2.05", "updated"]);
}

#[test]
fn a_register_that_is_not_answered_over_sms_is_sent_once_and_again_later() {
    let mut mobile = Mobile::new(config(), no_sec(), BindingMode::S, 86_400);
    mobile.steps();
    mobile.connect("sms", Session::New);
    mobile.steps();
    let steps = mobile.pass(Duration::from_secs(3600));
    let (register, failed) = (
        "sms: 0.02 /rd sms=491700000000&b=S",
        "failed: the server does not answer",
    );
    assert!(steps.len() > 6, "{steps:?}");
    let alternate = steps
        .chunks(2)
        .all(|pair| pair[0] == failed && pair.get(1).is_none_or(|second| second == register));
    assert!(alternate, "nothing is retransmitted (TS 8.6.2): {steps:?}");
    while mobile.wake(Instant::MAX).unwrap() != [register] {}
    mobile.sent.drain(..mobile.sent.len() - 1);
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered"]);
}

#[test]
fn a_client_that_leaves_while_it_moves_leaves_over_the_old_transport() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.change_binding("udp", "S");
    mobile.steps();
    mobile.client.deregister(mobile.now);
    assert_eq!(mobile.steps(), ["udp: 0.04 /rd/a", "disconnect sms"]);
    mobile.answer_code(Code::DELETED);
    assert_eq!(mobile.steps(), ["deregistered", "disconnect udp"]);
    mobile.client.start(mobile.now);
    assert_eq!(mobile.steps(), ["connect sms"]);
}

/// What comes up offline is used online.
#[test]
fn a_client_that_is_offline_goes_on_with_the_move_when_it_is_online() {
    let mut mobile = Mobile::registered(dtls(), BindingMode::U);
    mobile.change_binding("udp", "S");
    mobile.steps();
    mobile.client.go_offline(mobile.now);
    mobile.connect("sms", Session::Resumed);
    assert_eq!(mobile.steps(), ["disconnect udp"]);
    mobile.pass(FIRST);
    mobile.client.go_online(mobile.now);
    assert_eq!(mobile.steps(), ["sms: 0.02 /rd/a"]);
    // And what could not be made offline is asked for online.
    let mut mobile = Mobile::registered(dtls(), BindingMode::U);
    mobile.change_binding("udp", "S");
    mobile.steps();
    mobile.client.go_offline(mobile.now);
    mobile.lose("sms");
    assert_eq!(mobile.pass(Duration::from_secs(600)), [""; 0]);
    mobile.client.go_online(mobile.now);
    assert_eq!(mobile.steps(), ["udp: 0.02 /rd/a", "connect sms"]);
}

/// TS 5.3: the lifetime ends while the new transport isn't there.
#[test]
fn a_registration_that_ends_while_it_moves_is_made_anew_over_the_new_transport() {
    let mut mobile = Mobile::registered_for(no_sec(), BindingMode::U, 600);
    mobile.change_binding("udp", "S");
    assert_eq!(mobile.steps(), ["updated", "connect sms"]);
    // The Updates over the old transport get no answer.
    let steps = mobile.pass(Duration::from_secs(700));
    assert_eq!(
        steps[steps.len() - 2..],
        [
            "failed: the lifetime of the registration is over",
            "disconnect udp"
        ]
    );
    mobile.connect("sms", Session::New);
    let register = "sms: 0.02 /rd lt=600&sms=491700000000&b=S";
    assert_eq!(mobile.steps(), [register]);
}

/// TS 8.6.2, E.1 (Resource 9): without both numbers none finds the other.
#[test]
fn a_server_chooses_sms_only_where_both_sides_have_a_number() {
    let without_server = Security {
        sms: dtls().sms,
        ..no_sec()
    };
    let mut unnumbered = without_server.clone();
    unnumbered.sms.server_number = None;
    let mut anonymous = config();
    anonymous.announced.sms_number = None;
    for (config, security) in [(config(), unnumbered), (anonymous, no_sec())] {
        // The application may set it, and then the Client goes on over UDP (TS 5.3.1.1).
        let mut mobile = Mobile::new(config, security, BindingMode::S, 86_400);
        assert_eq!(mobile.steps(), ["connect udp"]);
        mobile.connect("udp", Session::New);
        mobile.steps();
        mobile.accept_register();
        mobile.steps();
        for (binding, code) in [("S", "4.00"), ("US", "4.00"), ("U", "2.04")] {
            mobile.write_binding("udp", binding);
            assert_eq!(mobile.steps()[0], format!("udp: {code}"), "{binding}");
        }
    }
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.write_binding("udp", "SQ");
    assert_eq!(mobile.steps(), ["udp: 4.00"], "the device can't");
}

/// TS 8.6.2: an object list that needs several messages.
#[test]
fn a_large_register_goes_over_sms_in_messages_that_fit() {
    let mut mobile = Mobile::new(config(), no_sec(), BindingMode::S, 86_400);
    mobile.steps();
    let many = (0..40).map(|id| access(3, id, [AccessRights::READ; 2]));
    let objects = access_control(many);
    mobile
        .client
        .change_objects(mobile.now, None, |set| set.add(objects))
        .unwrap();
    mobile.connect("sms", Session::New);
    let mut blocks = 0;
    loop {
        mobile.steps();
        let request = mobile.sent.last().unwrap();
        assert!(request.bytes.len() <= 140, "{} bytes", request.bytes.len());
        let block = request.message().block1().unwrap();
        blocks += 1;
        let code = if block.more() {
            Code::CONTINUE
        } else {
            Code::CREATED
        };
        let mut answer = MessageBuf::response(code);
        if code == Code::CREATED {
            answer.location_path("rd").unwrap();
        }
        answer.block1(block).unwrap();
        mobile.answer(answer);
        if code == Code::CREATED {
            break;
        }
    }
    assert!(blocks > 5, "{blocks}");
    assert_eq!(mobile.steps()[0], "registered");
}

/// RFC 7252 §4.5: a short message may come twice, and late.
#[test]
fn a_copy_of_a_short_message_is_not_run_again_when_the_transport_has_changed_twice() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::S);
    let mut write = on(Method::Put, "/1/10/1");
    write.content_format(ContentFormat::TEXT).unwrap();
    write.payload(b"7200");
    let token = Token::new(b"w").unwrap();
    let wire = write.finish(MessageType::NonConfirmable, 77, token);
    let sms = mobile.link("sms");
    mobile.datagram(sms, wire.as_ref());
    assert!(mobile.steps().contains(&"written".into()));
    mobile.answer_code(Code::CHANGED);
    mobile.steps();
    for (from, to, binding) in [("sms", "udp", "U"), ("udp", "sms", "S")] {
        mobile.change_binding(from, binding);
        mobile.steps();
        mobile.connect(to, Session::New);
        mobile.steps();
        mobile.accept_register();
        mobile.steps();
    }
    let sms = mobile.link("sms");
    mobile.datagram(sms, wire.as_ref());
    assert_eq!(mobile.steps(), [""; 0], "neither run nor answered");
}

/// The server sends over SMS as soon as it has accepted the Update.
#[test]
fn a_short_message_that_comes_before_the_connection_is_up_is_served() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.change_binding("udp", "S");
    mobile.steps();
    let asked = mobile.link("sms");
    let from = Inbound::Sms { number: NUMBER };
    let begun = mobile.client.inbound(mobile.now, from).unwrap();
    assert_ne!(begun, asked);
    mobile.add_link(begun, "begun");
    mobile.request("begun", get("/3/0/0"));
    assert_eq!(mobile.steps(), ["begun: 2.05"]);
    mobile.connect("sms", Session::New);
    let register = "sms: 0.02 /rd sms=491700000000&b=S";
    let steps = [register, "disconnect begun"];
    assert_eq!(mobile.steps(), steps, "one connection is enough");
    let sms = mobile.client.inbound(mobile.now, from);
    assert_eq!(sms, Ok(asked), "the answer to the Register comes on it");
    mobile.accept_register();
    assert_eq!(mobile.steps(), ["registered", "disconnect udp"]);
    let sms = mobile.client.inbound(mobile.now, from);
    assert_eq!(sms, Ok(asked), "of the server's short messages");
}

/// The binding may become known by an Update, or by a Register.
#[test]
fn a_connection_that_the_server_has_begun_over_sms_ends_when_the_binding_has_no_sms() {
    for code in [Code::CHANGED, Code::NOT_FOUND] {
        let mut mobile = Mobile::registered(no_sec(), BindingMode::US);
        let from = Inbound::Sms { number: NUMBER };
        let begun = mobile.client.inbound(mobile.now, from).unwrap();
        mobile.add_link(begun, "begun");
        mobile.write_binding("udp", "U");
        mobile.steps();
        mobile.answer_code(code);
        if code == Code::CHANGED {
            assert_eq!(mobile.steps(), ["updated", "disconnect begun"]);
        } else {
            let register = ["udp: 0.02 /rd b=U", "failed: the server answered 4.04"];
            assert_eq!(mobile.steps(), register);
            mobile.accept_register();
            assert_eq!(mobile.steps(), ["registered", "disconnect begun"]);
        }
    }
}
