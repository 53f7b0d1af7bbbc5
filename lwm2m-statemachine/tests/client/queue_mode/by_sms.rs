//! Queue Mode and short messages: what wakes the Client, and what sleeps over SMS (TS 5.3.1.1, 8.3, 8.4, 8.6.2).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, Instant, Method};
use lwm2m_kit::{account, get};
use lwm2m_statemachine::client::{Inbound, InboundRefusal, QueueState, RegistrationState};

use super::AWAKE;
use crate::{
    mobile::{Mobile, NUMBER, no_sec},
    observe::observe,
    support::on,
};

impl Mobile {
    fn queue_state(&self) -> Option<QueueState> {
        self.client.account(account(0)).unwrap().queue_mode
    }

    /// The awake time begins now; it ends, and nothing but that is told.
    fn falls_asleep(&mut self, until: Instant) {
        let told = self.pass(AWAKE);
        assert_eq!(told, [format!("MaySleep {{ until: {:?} }}", Some(until))]);
        assert_eq!(self.queue_state(), Some(QueueState::Asleep));
    }

    /// A short message of the server comes, after others or as the first one.
    fn take_sms(&mut self) {
        let from = Inbound::Sms { number: NUMBER };
        let sms = self.client.inbound(self.now, from).unwrap();
        self.add_link(sms, "sms");
    }
}

/// When the Update follows over UDP.
fn update(registered: Instant) -> Instant {
    registered + Duration::from_secs(86_400 - 93)
}

/// TS 8.4: answered over SMS, the Update over UDP, and then what was stored.
#[test]
fn a_trigger_over_sms_wakes_the_client_and_the_update_comes_over_udp() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::UQS);
    mobile.request("udp", observe(0, "/3/0/9"));
    mobile.steps();
    let until = update(mobile.now);
    mobile.falls_asleep(until);
    mobile.take_sms();
    assert!(mobile.client.may_sleep(), "nothing has been said yet");
    mobile.request("sms", on(Method::Post, "/1/10/8"));
    assert_eq!(mobile.steps(), ["sms: 2.04", "udp: 0.02 /rd/a"]);
    assert_eq!(mobile.queue_state(), Some(QueueState::Awake));
    mobile.set_level(20);
    assert_eq!(mobile.steps(), [""; 0], "the Update isn't answered");
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["udp: 2.05", "updated"]);
}

#[test]
fn any_request_over_sms_wakes_the_client() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::UQS);
    let until = update(mobile.now);
    mobile.falls_asleep(until);
    mobile.take_sms();
    mobile.request("sms", get("/3/0/0"));
    assert_eq!(mobile.steps(), ["sms: 2.05", "udp: 0.02 /rd/a"]);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
    let until = update(mobile.now);
    mobile.falls_asleep(until);
}

/// TS 8.4: only the server's own number, and only where its binding says so.
#[test]
fn the_message_of_a_stranger_wakes_nobody() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::UQS);
    let until = update(mobile.now);
    mobile.falls_asleep(until);
    let number = "+491700000002";
    let refusal = mobile
        .client
        .inbound(mobile.now, Inbound::Sms { number })
        .unwrap_err();
    assert_eq!(refusal, InboundRefusal::Unknown);
    assert_eq!(mobile.pass(AWAKE), [""; 0]);
    assert!(mobile.client.may_sleep());

    let mut mobile = Mobile::registered(no_sec(), BindingMode::UQ);
    let until = update(mobile.now);
    mobile.falls_asleep(until);
    let from = Inbound::Sms { number: NUMBER };
    let refusal = mobile.client.inbound(mobile.now, from).unwrap_err();
    assert_eq!(refusal, InboundRefusal::NotServed);
    assert!(mobile.client.may_sleep());
}

/// TS E.2 (Resource 4): until the time is over a trigger has no effect, and isn't answered. The device sleeps on.
#[test]
fn a_trigger_of_a_disabled_server_wakes_nobody() {
    for is_reached_before in [false, true] {
        let mut mobile = Mobile::registered(no_sec(), BindingMode::UQS);
        let trigger = || on(Method::Post, "/1/10/8");
        if is_reached_before {
            mobile.take_sms();
            mobile.request("sms", trigger());
            mobile.steps();
            mobile.answer_code(Code::CHANGED);
            mobile.steps();
        }
        let period = Duration::from_secs(600);
        let (now, server) = (mobile.now, account(0));
        mobile.client.resume_disabled(now, server, period);
        assert_eq!(mobile.steps(), ["udp: 0.04 /rd/a"]);
        if is_reached_before {
            // It is being left already.
            mobile.request("sms", trigger());
            assert_eq!(mobile.steps(), [""; 0]);
        }
        mobile.answer_code(Code::DELETED);
        let steps = mobile.steps();
        let until = mobile.now + period;
        let sleeps = format!("MaySleep {{ until: {:?} }}", Some(until));
        assert_eq!(steps.last(), Some(&sleeps), "{steps:?}");
        let ended = steps.contains(&"disconnect sms".into());
        assert_eq!(ended, is_reached_before, "{steps:?}");

        mobile.pass(AWAKE);
        let from = Inbound::Sms { number: NUMBER };
        let refusal = mobile.client.inbound(mobile.now, from).unwrap_err();
        assert_eq!(refusal, InboundRefusal::NotServed);
        assert!(mobile.client.may_sleep());
        assert_eq!(mobile.client.poll_timeout(), Some(until));
        let state = mobile.client.account(server).unwrap().state;
        assert_eq!(state, RegistrationState::Disabled);

        mobile.pass(until.saturating_duration_since(mobile.now));
        mobile.connect("udp", lwm2m_statemachine::Session::New);
        let register = "udp: 0.02 /rd sms=491700000000&b=UQS";
        assert_eq!(mobile.steps(), [register]);
        mobile.sent.drain(..mobile.sent.len() - 1);
        mobile.accept_register();
        assert_eq!(mobile.steps(), ["registered"]);
        mobile.take_sms();
        mobile.request("sms", trigger());
        assert_eq!(mobile.steps(), ["sms: 2.04", "udp: 0.02 /rd/a"]);
    }
}

/// TS 8.6.2: nothing is retransmitted, so an answer is waited for as long as it may take.
#[test]
fn over_sms_an_update_may_stay_unanswered_and_the_device_sleeps_until_the_next_one() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::SQ);
    // Five Updates fit into the rest of the lifetime.
    let until = mobile.now + Duration::from_secs(86_400 - 5 * 362);
    mobile.falls_asleep(until);
    let wait = until.saturating_duration_since(mobile.now);
    assert_eq!(mobile.pass(wait), ["sms: 0.02 /rd/a"]);
    let steps = mobile.pass(Duration::from_secs(361));
    assert_eq!(steps, [""; 0], "awake, and waiting");
    assert_eq!(mobile.queue_state(), Some(QueueState::Awake));
    let steps = mobile.pass(Duration::from_secs(1));
    assert_eq!(steps[0], "failed: the server does not answer");
    assert!(steps[1].starts_with("MaySleep"), "{steps:?}");
    assert!(mobile.client.is_registered(account(0)));
    mobile.sent.clear();
    let steps = mobile.pass(Duration::from_secs(5));
    assert_eq!(steps, ["sms: 0.02 /rd/a"]);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
}

/// TS 5.3.2: a new binding counts when the server has accepted it.
#[test]
fn queue_mode_begins_and_ends_with_the_update_that_is_accepted() {
    let mut mobile = Mobile::registered(no_sec(), BindingMode::U);
    mobile.write_binding("udp", "UQ");
    let told = ["udp: 2.04", "udp: 0.02 /rd/a b=UQ", "written"];
    assert_eq!(mobile.steps(), told);
    assert_eq!(mobile.queue_state(), None);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
    assert_eq!(mobile.queue_state(), Some(QueueState::Awake));
    let until = update(mobile.now);
    mobile.falls_asleep(until);

    mobile.write_binding("udp", "U");
    let told = ["udp: 2.04", "udp: 0.02 /rd/a b=U", "written"];
    assert_eq!(mobile.steps(), told);
    mobile.answer_code(Code::CHANGED);
    assert_eq!(mobile.steps(), ["updated"]);
    assert_eq!(mobile.queue_state(), None);
    assert_eq!(mobile.pass(10 * AWAKE), [""; 0]);
    assert!(!mobile.client.may_sleep());
}
