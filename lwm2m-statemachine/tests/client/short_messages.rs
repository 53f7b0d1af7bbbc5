//! SMS are sent once, take minutes, and may be lost or come twice (TS 8.6.2, RFC 7252 §4.5, §4.8.2).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, ContentFormat, Method};
use lwm2m_kit::account;
use lwm2m_statemachine::{
    Reliability, Session,
    coap::{MessageBuf, MessageType, Token},
};

use crate::{
    mobile::{Mobile, config, dtls, no_sec},
    observe::observe,
    support::on,
};

/// MAX_RTT with a latency of three minutes.
const ROUND_TRIP: Duration = Duration::from_secs(362);

fn acknowledge(mobile: &mut Mobile) {
    let sent = mobile.sent.pop().unwrap();
    assert_eq!(sent.kind(), MessageType::Confirmable);
    let id = sent.message().message_id();
    let empty = MessageBuf::new(Code::EMPTY);
    let wire = empty.finish(MessageType::Acknowledgement, id, Token::EMPTY);
    mobile.datagram(sent.to, wire.as_ref());
}

#[test]
fn an_update_over_sms_may_take_minutes() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::S);
    mobile.client.update(mobile.now, account(0));
    assert_eq!(mobile.steps(), ["sms: 0.02 /rd/a"]);
    let steps = mobile.pass(Duration::from_millis(361_999));
    assert_eq!(steps, [""; 0], "sent once, and waited for");
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
}

#[test]
fn an_update_that_stays_unanswered_over_sms_is_sent_again_and_the_registration_stands() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::S);
    mobile.request("sms", observe(0, "/3/0/9"));
    mobile.steps();
    mobile.client.update(mobile.now, account(0));
    mobile.steps();
    let steps = mobile.pass(ROUND_TRIP);
    assert_eq!(steps, ["failed: the server does not answer"]);
    assert!(mobile.client.is_registered(account(0)));
    mobile.set_level(20);
    assert_eq!(mobile.steps(), ["sms: 2.05"], "and so do its observations");
    assert_eq!(mobile.pass(Duration::from_secs(5)), ["sms: 0.02 /rd/a"]);
}

/// Five Updates fit into the rest of the lifetime, as many as there are transmissions of one over UDP.
#[test]
fn an_update_over_sms_is_in_time_though_some_are_lost() {
    let mut mobile = Mobile::registered_for(no_sec(), BindingMode::S, 7200);
    let steps = mobile.pass(Duration::from_secs(7200 - 5 * 362));
    assert_eq!(steps, ["sms: 0.02 /rd/a"]);
    let steps = mobile.pass(Duration::from_secs(5 * 362 - 1));
    let updates = steps.iter().filter(|step| *step == "sms: 0.02 /rd/a");
    assert_eq!(updates.count(), 4, "{steps:?}");
    assert!(mobile.client.is_registered(account(0)));
    let mut mobile = Mobile::registered_for(no_sec(), BindingMode::U, 7200);
    let steps = mobile.pass(Duration::from_secs(7200 - 94));
    assert_eq!(steps, [""; 0]);
    assert_eq!(mobile.pass(Duration::from_secs(1)), ["udp: 0.02 /rd/a"]);
}

#[test]
fn a_deregister_that_stays_unanswered_over_sms_ends() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::S);
    mobile.client.deregister(mobile.now);
    assert_eq!(mobile.steps(), ["sms: 0.04 /rd/a"]);
    let steps = mobile.pass(ROUND_TRIP);
    let ends = ["not left: the server does not answer", "disconnect sms"];
    assert_eq!(steps, ends);
}

#[test]
fn a_copy_of_a_short_message_is_recognised_after_minutes() {
    for kind in [MessageType::Confirmable, MessageType::NonConfirmable] {
        let mut mobile = Mobile::registered(no_sec(), BindingMode::S);
        let mut write = on(Method::Put, "/3/0/14");
        write.content_format(ContentFormat::TEXT).unwrap();
        write.payload(b"+05:00");
        let wire = write.finish(kind, 9, Token::new(b"w").unwrap());
        let sms = mobile.link("sms");
        mobile.datagram(sms, wire.as_ref());
        assert_eq!(mobile.steps(), ["sms: 2.04", "written"]);
        // MAX_TRANSMIT_SPAN and MAX_RTT.
        mobile.pass(Duration::from_secs(406));
        mobile.datagram(sms, wire.as_ref());
        assert!(!mobile.steps().contains(&"written".into()), "{kind:?}");
        mobile.pass(Duration::from_secs(2));
        mobile.datagram(sms, wire.as_ref());
        assert!(mobile.steps().contains(&"written".into()), "{kind:?}");
    }
}

/// RFC 7641 §4.5 means a message that was retransmitted.
#[test]
fn an_observation_outlives_a_confirmable_notification_that_is_lost_over_sms() {
    let mut config = config();
    config.notifications = Reliability::Confirmable;
    let mut mobile = Mobile::new(config, no_sec(), BindingMode::S, 86_400);
    mobile.steps();
    mobile.connect("sms", Session::New);
    mobile.steps();
    mobile.accept_register();
    mobile.request("sms", observe(0, "/3/0/9"));
    mobile.steps();
    mobile.set_level(20);
    assert_eq!(mobile.steps(), ["sms: 2.05"]);
    assert_eq!(mobile.pass(ROUND_TRIP + ROUND_TRIP), [""; 0]);
    mobile.set_level(30);
    assert_eq!(mobile.steps(), ["sms: 2.05"]);
    acknowledge(&mut mobile);
    mobile.set_level(40);
    assert_eq!(mobile.steps(), ["sms: 2.05"]);
}

/// TS E.2 (Resource 6): what is stored waits until it has arrived.
#[test]
fn a_stored_notification_that_is_lost_over_sms_is_sent_again() {
    let mut mobile = Mobile::registered(dtls(), BindingMode::S);
    mobile.request("sms", observe(0, "/3/0/9"));
    mobile.steps();
    mobile.lose("sms");
    mobile.set_level(20);
    assert_eq!(mobile.pass(Duration::from_secs(5)), ["connect sms"]);
    mobile.connect("sms", Session::Resumed);
    mobile.steps();
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["sms: 2.05", "updated"]);
    let steps = mobile.pass(ROUND_TRIP + Duration::from_secs(2));
    assert_eq!(steps, ["sms: 2.05"], "again");
    acknowledge(&mut mobile);
    assert_eq!(mobile.pass(ROUND_TRIP + ROUND_TRIP), [""; 0]);
}

/// TS Table 8: what a server observes over one transport, it is told over the one of the binding.
#[test]
fn an_observation_that_was_begun_over_sms_is_notified_over_the_transport_of_the_binding() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::UQS);
    let from = lwm2m_statemachine::client::Inbound::Sms {
        number: crate::mobile::NUMBER,
    };
    let sms = mobile.client.inbound(mobile.now, from).unwrap();
    mobile.add_link(sms, "sms");
    mobile.request("sms", observe(0, "/3/0/9"));
    assert_eq!(mobile.steps(), ["sms: 2.05", "observed /3/0/9"]);
    mobile.set_level(20);
    assert_eq!(mobile.steps(), ["udp: 2.05"]);
}
