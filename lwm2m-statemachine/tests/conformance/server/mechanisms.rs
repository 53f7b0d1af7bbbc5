//! B.2.6 Security, as far as it is about none, and B.2.7 Mechanism.

use lwm2m_core::{Code, Method, Transport};
use lwm2m_kit::path;
use lwm2m_statemachine::{
    Channel, Outcome,
    server::{NoSec, Presence, RefusalReason, UpdateTrigger},
};

use super::clients::{Event, level, register, server, server_with, usual};
use crate::steps::step;

pub(crate) fn lwm2m_sec_005_s_m() {
    let mut bench = server();
    step("a client without security registers and is managed (TS 7.1.10)");
    let client = bench.registered(&usual());
    assert!(!bench.of_client(&client).is_secure());
    bench.expect_reached(&client);
    step("it is known by its address alone: from another one an Update is refused");
    bench.client(2);
    bench.expect_refused(&client.update("lt=60"), Code::NOT_FOUND);
    step("where the operator doesn't want that, it is refused");
    let mut bench = server_with(|config| config.no_sec = NoSec::Refuse);
    let reason = bench.expect_refused(&usual(), Code::FORBIDDEN);
    assert_eq!(reason, RefusalReason::NoSec);
}

pub(crate) fn lwm2m_mec_001_s_m() {
    let mut bench = server();
    step("a client in Queue Mode is awake after its Register (TS 8.3)");
    let queued = register("ep=x&lt=86400&lwm2m=1.0&b=UQ");
    let client = bench.registered(&queued);
    bench.expect_reached(&client);
    step("when it wasn't heard for long enough, requests wait");
    bench.pass(93);
    assert_eq!(bench.machine.presence(client.id), Some(Presence::Asleep));
    let asleep = bench.event();
    assert!(matches!(asleep, Event::Asleep { .. }), "{asleep:?}");
    let at = bench.now;
    let first = bench.machine.read(at, client.id, path("/3/0/9"), None);
    let second = bench.machine.read(at, client.id, path("/3/0/13"), None);
    bench.expect_nothing_asked();
    assert_eq!(bench.machine.queued(client.id).count(), 2);
    bench.pass(600);
    bench.expect_nothing_asked();
    step("its Update has them sent, in order, each after the answer to the one before");
    bench.updated(&client, &client.update(""));
    let asked = bench.expect_asked(Method::Get, "/3/0/9");
    bench.expect_nothing_asked();
    bench.answer(&asked, level());
    let outcome = bench.expect_answered(first.expect("is registered"));
    assert!(matches!(outcome, Outcome::Content(_)), "{outcome:?}");
    let asked = bench.expect_asked(Method::Get, "/3/0/13");
    step("one that isn't answered waits for the next time");
    bench.pass(100);
    let asleep = bench.event();
    assert!(matches!(asleep, Event::Asleep { .. }), "{asleep:?}");
    bench.updated(&client, &client.update(""));
    let again = bench.expect_asked(Method::Get, "/3/0/13");
    assert_ne!(again.message().token(), asked.message().token());
    bench.answer_code(&again, Code::NOT_FOUND);
    let code = Code::NOT_FOUND;
    let outcome = bench.expect_answered(second.expect("is registered"));
    assert_eq!(outcome, Outcome::Refused { code });
    step("without Queue Mode nothing waits");
    bench.updated(&client, &client.update("b=U"));
    bench.pass(600);
    bench.expect_reached(&client);
}

pub(crate) fn lwm2m_mec_002_s_m() {
    let mut bench = server();
    step("a client with the Binding U is reached over UDP at any time (TS 8.6.1)");
    let client = bench.registered(&register("ep=x&lt=86400&lwm2m=1.0&b=U"));
    assert_eq!(bench.of_client(&client).channel(), Channel::Udp);
    bench.pass(3600);
    bench.expect_reached(&client);
    step("a confirmable request is retransmitted (RFC 7252 4.2), and is one to the client");
    let read = bench
        .machine
        .read(bench.now, client.id, path("/3/0/9"), None);
    let asked = bench.expect_asked(Method::Get, "/3/0/9");
    bench.pass(20);
    bench.expect_nothing_asked();
    bench.answer(&asked, level());
    let outcome = bench.expect_answered(read.expect("is registered"));
    assert!(matches!(outcome, Outcome::Content(_)), "{outcome:?}");
}

pub(crate) fn lwm2m_mec_003_s_o() {
    let mut bench = server();
    step("a client that registers over SMS is reached there (TS 8.6.2)");
    let by_sms = register("ep=x&lt=86400&lwm2m=1.0&b=S&sms=4917012345");
    let client = bench.sms(5).registered(&by_sms);
    assert_eq!(bench.of_client(&client).channel(), Channel::Sms);
    bench.expect_reached(&client);
    step("a request over SMS waits for minutes, and ends without an answer");
    let read = bench
        .machine
        .read(bench.now, client.id, path("/3/0/9"), None);
    bench.expect_asked(Method::Get, "/3/0/9");
    bench.pass(362);
    let outcome = bench.expect_answered(read.expect("is registered"));
    assert_eq!(outcome, Outcome::Timeout);

    step("a client that sleeps over UDP is woken by SMS (TS Table 8, 8.4)");
    let both = register("ep=y&lt=86400&lwm2m=1.0&b=UQS&sms=4917012346");
    let client = bench.client(6).registered(&both);
    assert!(bench.of_client(&client).binding().has(Transport::Sms));
    bench.pass(93);
    bench.events();
    let (now, trigger) = (bench.now, UpdateTrigger::new(7));
    let set = bench
        .machine
        .waiting()
        .set_trigger(now, client.id, Some(trigger));
    set.expect("takes short messages");
    let read = bench.machine.read(now, client.id, path("/3/0/9"), None);
    let asked = bench.sms(7).expect_asked(Method::Post, "/1/0/8");
    step("it answers there, and its Update comes over UDP");
    bench.answer_code(&asked, Code::CHANGED);
    let events = bench.events();
    assert!(
        matches!(
            &*events,
            [
                Event::Triggered { .. },
                Event::Answered {
                    outcome: Outcome::Changed,
                    ..
                }
            ]
        ),
        "{events:?}"
    );
    bench.expect_nothing_asked();
    bench.client(6).updated(&client, &client.update(""));
    let asked = bench.expect_asked(Method::Get, "/3/0/9");
    bench.answer(&asked, level());
    let outcome = bench.expect_answered(read.expect("is registered"));
    assert!(matches!(outcome, Outcome::Content(_)), "{outcome:?}");
}
