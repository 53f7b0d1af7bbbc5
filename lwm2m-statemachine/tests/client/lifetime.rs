//! The end of a lifetime: a Register, and nothing before it (TS 5.3, 8.3).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Instant, Method};
use lwm2m_kit::account;
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, RegistrationFailure, Reliability, Session,
    client::{DeferredOperation, FailureKind},
    coap::MessageBuf,
};

use crate::{
    hosts::{Hosts, open, secured, tree},
    observe::observe,
    support::{Sent, get, on, path},
};

const LIFETIME: u64 = 300;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Registered for 300 seconds, and observed.
fn observed() -> Hosts {
    let mut hosts = Hosts::registered([secured("one", 101, 300)]);
    let link = hosts.link(account(0));
    hosts.request(link, observe(0, "/3/0/9"));
    let _ = hosts.only();
    hosts.events();
    hosts
}

fn set_level(hosts: &mut Hosts, level: i64) {
    hosts.client.set(hosts.now, path("/3/0/9"), level).unwrap();
}

/// The registration has ended, and the next attempt is now.
fn expect_expired(hosts: &mut Hosts) {
    let events = hosts.events();
    let expired = ClientEvent::RegistrationFailed {
        account: account(0),
        reason: RegistrationFailure::Expired,
        retry: Some(hosts.now),
    };
    assert!(events.contains(&expired), "{events:?}");
    let ended = ClientEvent::ObservationEnded {
        account: account(0),
        path: path("/3/0/9"),
    };
    assert!(events.contains(&ended), "{events:?}");
    assert!(!hosts.client.is_registered(account(0)));
}

#[test]
fn a_device_that_wakes_after_the_lifetime_registers_before_anything_else() {
    let mut hosts = observed();
    set_level(&mut hosts, 9);
    // Asleep: a notification and an Update have been due in the meantime.
    hosts.sleep(seconds(LIFETIME));
    let register = hosts.register(account(0));
    expect_expired(&mut hosts);
    set_level(&mut hosts, 8);
    hosts.client.update(hosts.now, account(0));
    hosts.pass(Duration::from_millis(1));
    assert!(hosts.is_silent());
    hosts.accept(account(0), &register);
    // The observation belonged to the registration before (TS 5.5.1).
    hosts.pass(Duration::from_millis(1));
    assert!(hosts.is_silent());
}

#[test]
fn the_lifetime_ends_to_the_millisecond_after_the_register_was_sent() {
    let mut hosts = observed();
    hosts.sleep(Duration::from_millis(LIFETIME * 1000 - 1));
    let update = hosts.sent().remove(0).1;
    assert_eq!(update.path(), "/rd/0");
    assert!(hosts.client.is_registered(account(0)));
    hosts.sleep(Duration::from_millis(1));
    hosts.register(account(0));
    expect_expired(&mut hosts);
}

#[test]
fn requests_are_met_with_silence_until_the_new_registration_stands() {
    let mut hosts = observed();
    let link = hosts.link(account(0));
    // The datagram is the first that the Client hears of the time.
    hosts.now += seconds(LIFETIME);
    let read = get("/3/0/0");
    hosts.request(link, read.clone());
    let register = hosts.register(account(0));
    hosts.request(link, read.clone());
    assert!(hosts.is_silent());
    hosts.accept(account(0), &register);
    hosts.request(link, read);
    assert_eq!(hosts.only().1.code(), Code::CONTENT);
}

#[test]
fn an_update_that_is_still_repeated_is_given_up_for_the_register() {
    let mut hosts = observed();
    // The Update is due 93 seconds before the end, and is repeated until then.
    hosts.pass(seconds(LIFETIME - 93));
    let update = hosts.update(account(0));
    hosts.pass(seconds(60));
    assert!(!hosts.sent().is_empty(), "it is repeated");
    hosts.sleep(seconds(33));
    let register = hosts.register(account(0));
    expect_expired(&mut hosts);
    // Its late answer prolongs nothing.
    hosts.answer_code(&update, Code::CHANGED);
    assert_eq!(hosts.events(), []);
    hosts.accept(account(0), &register);
    assert!(hosts.client.is_registered(account(0)));
}

/// The server may have taken the shorter lifetime although its answer is lost.
#[test]
fn a_shorter_lifetime_counts_as_soon_as_it_is_told() {
    let mut hosts = observed();
    hosts.pass(seconds(10));
    hosts.client.set(hosts.now, path("/1/10/1"), 20).unwrap();
    assert_eq!(hosts.update(account(0)).queries(), ["lt=20"]);
    hosts.sleep(seconds(20));
    hosts.register(account(0));
    expect_expired(&mut hosts);
}

/// A longer one counts when the server has accepted it.
#[test]
fn a_longer_lifetime_counts_from_its_update() {
    let mut hosts = observed();
    hosts.pass(seconds(10));
    hosts.client.set(hosts.now, path("/1/10/1"), 1000).unwrap();
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.events();
    hosts.pass(seconds(1000 - 93));
    assert!(hosts.client.is_registered(account(0)));
    hosts.update(account(0));
}

#[test]
fn the_lifetime_ends_without_a_connection_too() {
    let mut hosts = observed();
    hosts.lose(account(0));
    hosts.pass(seconds(10));
    // A connection that takes its time.
    hosts.linked();
    hosts.pass(seconds(LIFETIME));
    let events = hosts.events();
    assert!(matches!(
        events[..],
        [
            ClientEvent::ObservationEnded { .. },
            ClientEvent::RegistrationFailed {
                reason: RegistrationFailure::Expired,
                ..
            }
        ]
    ));
    hosts.connect(account(0), Session::Resumed);
    hosts.register(account(0));
}

#[test]
fn the_lifetime_ends_offline_too_and_a_register_follows_online() {
    let mut hosts = observed();
    hosts.client.go_offline(hosts.now);
    hosts.pass(seconds(LIFETIME - 1));
    assert_eq!(hosts.events(), []);
    hosts.pass(seconds(1));
    let events = hosts.events();
    assert!(events.contains(&ClientEvent::RegistrationFailed {
        account: account(0),
        reason: RegistrationFailure::Expired,
        retry: None,
    }));
    assert!(hosts.is_silent());
    hosts.client.go_online(hosts.now);
    hosts.register(account(0));
}

/// The server has forgotten the registration by itself.
#[test]
fn a_deregister_is_not_repeated_after_the_lifetime() {
    let mut hosts = observed();
    hosts.pass(seconds(LIFETIME - 40));
    let update = hosts.sent().remove(0).1;
    hosts.client.deregister(hosts.now);
    hosts.answer_code(&update, Code::CHANGED);
    hosts.deregister(account(0));
    hosts.events();
    hosts.sleep(seconds(40));
    assert!(hosts.is_silent());
    assert_eq!(
        hosts.events(),
        [ClientEvent::DeregisterFailed {
            account: account(0),
            reason: RegistrationFailure::Expired
        }]
    );
    assert_eq!(hosts.linked(), []);
}

#[test]
fn a_deferred_request_ends_with_the_lifetime() {
    let mut hosts = observed();
    hosts
        .client
        .deferred()
        .defer(DeferredOperation::Read, path("/3/0/0"));
    let link = hosts.link(account(0));
    hosts.pass(seconds(180));
    hosts.request(link, get("/3/0/0"));
    let events = hosts.events();
    let [ClientEvent::ReadAsked { request, .. }] = events[..] else {
        panic!("{events:?}");
    };
    // The application answers at the moment when the lifetime is over.
    hosts.now += seconds(LIFETIME - 180);
    let answered = hosts
        .client
        .deferred()
        .answer_read(hosts.now, request, Ok(()));
    assert!(answered.is_err());
    hosts.register(account(0));
    assert!(
        hosts
            .events()
            .iter()
            .any(|event| matches!(event, ClientEvent::DeferredEnded { .. }))
    );
}

/// TS 8.3.
#[test]
fn an_update_goes_out_before_a_notification_that_was_due_earlier() {
    let mut hosts = observed();
    hosts.pass(seconds(1));
    // Due at once, and the Update 93 seconds before the end. The device wakes up later than both.
    set_level(&mut hosts, 9);
    hosts.sleep(seconds(LIFETIME - 80));
    let sent = hosts.sent();
    let [(_, update), (_, notification)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(update.path(), "/rd/0");
    assert!(notification.message().observe().is_some());
}

#[test]
fn an_update_without_an_answer_leaves_the_registration_and_is_sent_again() {
    let mut hosts = Hosts::registered([open("one", 101, 86_400)]);
    let start = hosts.now;
    hosts.client.update(hosts.now, account(0));
    hosts.update(account(0));
    hosts.pass(seconds(93));
    assert!(hosts.is_silent());
    let events = hosts.events();
    let [
        ClientEvent::RegistrationFailed {
            reason: RegistrationFailure::Timeout,
            retry: Some(retry),
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert!(retry > start && hosts.client.is_registered(account(0)));
    hosts.pass(seconds(5));
    let update = hosts.sent().remove(0).1;
    assert_eq!(update.path(), "/rd/0");
    hosts.answer_code(&update, Code::CHANGED);
    assert_eq!(
        hosts.events(),
        [ClientEvent::Updated {
            account: account(0)
        }]
    );
}

/// TS 8.5: the server doesn't know it, or not any more.
#[test]
fn an_update_that_is_answered_4_00_or_4_04_is_followed_by_a_register_at_once() {
    for code in [Code::BAD_REQUEST, Code::NOT_FOUND] {
        let mut hosts = observed();
        hosts.client.update(hosts.now, account(0));
        let update = hosts.update(account(0));
        hosts.answer_code(&update, code);
        hosts.register(account(0));
        let events = hosts.events();
        assert!(events.contains(&ClientEvent::RegistrationFailed {
            account: account(0),
            reason: RegistrationFailure::Refused(code),
            retry: Some(hosts.now),
        }));
        assert!(!hosts.client.is_registered(account(0)));
    }
}

#[test]
fn an_update_that_the_server_cannot_serve_leaves_the_registration() {
    let mut hosts = observed();
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::INTERNAL_SERVER_ERROR);
    assert!(hosts.client.is_registered(account(0)));
    hosts.pass(seconds(5));
    hosts.update(account(0));
}

#[test]
fn an_update_that_is_refused_otherwise_is_followed_by_a_register_later() {
    let mut hosts = observed();
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::FORBIDDEN);
    assert!(hosts.is_silent() && !hosts.client.is_registered(account(0)));
    let retry = hosts.client.poll_timeout().unwrap();
    hosts.pass(retry.saturating_duration_since(hosts.now));
    hosts.register(account(0));
}

/// RFC 7252 §5.9.3.4. A day is the longest that a server may ask for.
#[test]
fn a_server_that_is_overloaded_is_not_asked_before_its_max_age() {
    for (max_age, wait) in [
        (Some(40), 40),
        (None, 60),
        (Some(20_000), 20_000),
        (Some(u32::MAX), 86_400),
    ] {
        let mut hosts = Hosts::new(tree([open("one", 101, 300)]));
        hosts.client.start(hosts.now);
        hosts.connect(account(0), Session::New);
        let register = hosts.register(account(0));
        let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
        if let Some(seconds) = max_age {
            answer
                .uint(lwm2m_statemachine::coap::OptionNumber::MAX_AGE, seconds)
                .unwrap();
        }
        hosts.answer(&register, answer);
        let events = hosts.events();
        let [
            ClientEvent::RegistrationFailed {
                retry: Some(retry), ..
            },
        ] = events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(retry, hosts.now + seconds(wait), "{max_age:?}");
        hosts.pass(seconds(wait));
        hosts.register(account(0));
    }
}

/// Nothing that happens meanwhile shortens the wait that the server has asked for (RFC 7252 §5.9.3.4).
#[test]
fn a_server_that_is_overloaded_is_not_asked_earlier_whatever_happens() {
    type Act<'a> = (&'a str, &'a dyn Fn(&mut Hosts));
    let acts: [Act<'_>; 5] = [
        ("offline and online", &|hosts| {
            hosts.client.go_offline(hosts.now);
            hosts.client.go_online(hosts.now);
        }),
        ("lost", &|hosts| {
            hosts.lose(account(0));
            hosts.pass(seconds(60));
            if hosts.linked() == [account(0)] {
                hosts.connect(account(0), Session::Resumed);
            }
        }),
        ("another address", &|hosts| {
            let link = hosts.link(account(0));
            hosts.client.address_changed(hosts.now, link);
        }),
        ("asked for", &|hosts| {
            hosts.client.update(hosts.now, account(0));
        }),
        ("started again", &|hosts| hosts.client.start(hosts.now)),
    ];
    for (what, act) in acts {
        for is_registered in [false, true] {
            let mut hosts = Hosts::new(tree([secured("one", 101, 86_400)]));
            hosts.client.start(hosts.now);
            hosts.connect(account(0), Session::New);
            let mut request = hosts.register(account(0));
            if is_registered {
                hosts.accept(account(0), &request);
                hosts.client.update(hosts.now, account(0));
                request = hosts.update(account(0));
            }
            let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
            let max_age = lwm2m_statemachine::coap::OptionNumber::MAX_AGE;
            answer.uint(max_age, 600).unwrap();
            hosts.answer(&request, answer);
            let end = hosts.now + seconds(600);
            hosts.pass(seconds(1));
            act(&mut hosts);
            while hosts.now + seconds(2) < end {
                assert!(hosts.is_silent(), "{what}");
                hosts.pass(seconds(1));
            }
            hosts.pass(seconds(60));
            if hosts.linked() == [account(0)] {
                // If it was lost.
                hosts.connect(account(0), Session::Resumed);
            }
            assert!(!hosts.is_silent(), "{what}");
        }
    }
}

/// The Register after the end of the lifetime is no exception, with or without a connection (TS 5.3).
#[test]
fn a_server_that_is_overloaded_is_not_asked_earlier_because_the_lifetime_ends() {
    for is_lost in [false, true] {
        let mut hosts = Hosts::registered([secured("one", 101, 300)]);
        hosts.client.update(hosts.now, account(0));
        let update = hosts.update(account(0));
        let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
        let max_age = lwm2m_statemachine::coap::OptionNumber::MAX_AGE;
        answer.uint(max_age, 5000).unwrap();
        hosts.answer(&update, answer);
        let end = hosts.now + seconds(5000);
        hosts.events();
        if is_lost {
            hosts.lose(account(0));
        }
        hosts.pass(seconds(301));
        let expired = hosts.events().into_iter().find_map(|event| match event {
            ClientEvent::RegistrationFailed {
                reason: RegistrationFailure::Expired,
                retry,
                ..
            } => retry,
            _ => None,
        });
        assert_eq!(expired, Some(end), "lost: {is_lost}");
        while hosts.now + seconds(2) < end {
            assert!(hosts.is_silent());
            hosts.pass(seconds(1));
        }
        hosts.pass(seconds(2));
        if is_lost {
            hosts.connect(account(0), Session::New);
        }
        hosts.register(account(0));
    }
}

/// Nor is it asked earlier if the application has stopped in between.
#[test]
fn a_server_that_is_overloaded_is_not_asked_earlier_by_a_client_that_stops_and_starts() {
    let mut hosts = Hosts::new(tree([secured("one", 101, 300)]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    let register = hosts.register(account(0));
    hosts.answer_code(&register, Code::SERVICE_UNAVAILABLE);
    hosts.client.deregister(hosts.now);
    assert_eq!(hosts.linked(), []);
    hosts.client.start(hosts.now);
    hosts.pass(seconds(59));
    assert_eq!(hosts.linked(), []);
    hosts.pass(seconds(1));
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
}

/// A server that has said only that it has the request is not waited for for ever.
#[test]
fn a_request_that_is_acknowledged_and_never_answered_comes_to_an_end() {
    let acknowledge = |hosts: &mut Hosts, sent: &Sent| {
        let [high, low] = sent.message().message_id().to_be_bytes();
        hosts.datagram(sent.to, &[0x60, 0, high, low]);
    };
    // Until the Client tells that it has failed, and then until it tries again.
    let wait = |hosts: &mut Hosts| {
        for _ in 0..600 {
            hosts.pass(seconds(1));
            let told = hosts.events();
            let retry = told.iter().find_map(|event| match event {
                ClientEvent::RegistrationFailed { retry, .. } => *retry,
                _ => None,
            });
            if let Some(retry) = retry {
                return hosts.pass(retry.saturating_duration_since(hosts.now));
            }
        }
        panic!("it waits for ever");
    };
    let mut hosts = Hosts::new(tree([open("one", 101, 86_400)]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    let register = hosts.register(account(0));
    acknowledge(&mut hosts, &register);
    wait(&mut hosts);
    let again = hosts.register(account(0));
    assert_ne!(register.message().token(), again.message().token());
    hosts.accept(account(0), &again);
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    acknowledge(&mut hosts, &update);
    wait(&mut hosts);
    let again = hosts.update(account(0));
    hosts.answer_code(&again, Code::CHANGED);
    hosts.client.deregister(hosts.now);
    let deregister = hosts.deregister(account(0));
    acknowledge(&mut hosts, &deregister);
    hosts.pass(seconds(600));
    assert_eq!(hosts.linked(), []);
}

/// A lifetime that is over before the server can answer: a Register after each other, one at a time, and
/// nothing else.
#[test]
fn a_lifetime_shorter_than_the_way_to_the_server_leads_to_one_register_after_the_other() {
    let mut hosts = Hosts::new(tree([open("one", 101, 1)]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    let mut registers = 0;
    for _ in 0..50 {
        let sent = hosts.sent();
        let Some((_, register)) = sent.first() else {
            hosts.pass(seconds(1));
            continue;
        };
        assert_eq!(sent.len(), 1);
        assert_eq!(register.path(), "/rd");
        registers += 1;
        hosts.pass(Duration::from_millis(1500));
        hosts.accept(account(0), register);
        assert!(!hosts.client.is_registered(account(0)));
    }
    assert!(registers > 5, "{registers}");
    // As soon as the way is short enough, it lasts.
    let (_, register) = hosts.only();
    hosts.accept(account(0), &register);
    for _ in 0..20 {
        hosts.pass(Duration::from_millis(500));
        let update = hosts.update(account(0));
        hosts.answer_code(&update, Code::CHANGED);
        assert!(hosts.client.is_registered(account(0)));
    }
}

/// TS 5.3: what the server has written is the new lifetime, also if an Update with the old one is under way.
#[test]
fn a_lifetime_that_is_written_while_an_update_is_under_way_is_told_by_the_next() {
    let mut hosts = Hosts::registered([open("one", 101, 86_400)]);
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    assert_eq!(update.queries(), [""; 0]);
    let link = hosts.link(account(0));
    let mut write = on(Method::Put, "/1/10/1");
    write.content_format(ContentFormat::TEXT).unwrap();
    write.payload(b"60");
    hosts.request(link, write);
    assert_eq!(hosts.only().1.code(), Code::CHANGED);
    hosts.pass(seconds(1));
    hosts.answer_code(&update, Code::CHANGED);
    let next = hosts.update(account(0));
    assert_eq!(next.queries(), ["lt=60"]);
    hosts.answer_code(&next, Code::CHANGED);
    hosts.pass(seconds(29));
    assert!(hosts.is_silent());
    hosts.pass(seconds(1));
    let periodic = hosts.update(account(0));
    assert_eq!(periodic.queries(), [""; 0]);
}

#[test]
fn a_registration_update_trigger_that_is_executed_twice_is_one_update_more() {
    let mut hosts = Hosts::registered([open("one", 101, 86_400)]);
    let link = hosts.link(account(0));
    let mut updates = Vec::new();
    for _ in 0..3 {
        hosts.request(link, on(Method::Post, "/1/10/8"));
        for (_, sent) in hosts.sent() {
            match sent.code() {
                Code::POST => updates.push(sent),
                code => assert_eq!(code, Code::CHANGED),
            }
        }
    }
    assert_eq!(updates.len(), 1);
    hosts.answer_code(&updates[0], Code::CHANGED);
    let second = hosts.update(account(0));
    hosts.answer_code(&second, Code::CHANGED);
    assert!(hosts.is_silent());
}

#[test]
fn a_lifetime_beyond_the_clock_is_no_harm() {
    let mut hosts = Hosts::registered([open("one", 101, u32::MAX)]);
    hosts.sleep(seconds(u64::from(u32::MAX) / 2));
    assert!(hosts.client.is_registered(account(0)));
    let mut config = ClientConfig::new("late", [1; 32]);
    config.retry.first = Duration::MAX;
    let mut hosts = Hosts::with(config, tree([open("one", 101, 300)]));
    hosts.now = Instant::from_secs(u64::MAX / 1_000_000_000 - 10);
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    let register = hosts.register(account(0));
    hosts.accept(account(0), &register);
    hosts.client.update(hosts.now, account(0));
}

/// The observation has ended, so nothing of it is repeated, and nothing is before the Register.
#[test]
fn a_notification_that_is_still_repeated_is_given_up_for_the_register() {
    let mut config = ClientConfig::new("example-client", [3; 32]);
    config.notifications = Reliability::Confirmable;
    let mut hosts = Hosts::with(config, tree([secured("one", 101, 300)]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    hosts.accept_all();
    let link = hosts.link(account(0));
    hosts.request(link, observe(0, "/3/0/9"));
    let _ = hosts.only();
    hosts.events();
    // The Update is under way, and behind it a notification.
    hosts.pass(seconds(LIFETIME - 40));
    let update = hosts.sent().remove(0).1;
    let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    answer.max_age(30).unwrap();
    hosts.answer(&update, answer);
    set_level(&mut hosts, 9);
    hosts.pass(seconds(1));
    assert!(!hosts.sent().is_empty(), "the notification");
    hosts.sleep(seconds(39));
    hosts.register(account(0));
    expect_expired(&mut hosts);
    hosts.pass(seconds(1));
    assert!(hosts.is_silent());
}

fn wait_after(code: Code, hosts: &mut Hosts) -> Duration {
    let register = hosts.register(account(0));
    hosts.answer_code(&register, code);
    let events = hosts.events();
    let [
        ClientEvent::RegistrationFailed {
            reason,
            retry: Some(retry),
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(reason, RegistrationFailure::Refused(code));
    let wait = retry.saturating_duration_since(hosts.now);
    hosts.pass(wait);
    wait
}

/// A judgement stands longer than an accident: TS Table 27 for the codes of a Register.
#[test]
fn a_register_that_is_refused_is_tried_again_later_than_one_that_failed() {
    for (code, first) in [
        (Code::BAD_REQUEST, 80),
        (Code::FORBIDDEN, 80),
        (Code::PRECONDITION_FAILED, 80),
        (Code::INTERNAL_SERVER_ERROR, 5),
    ] {
        let mut hosts = Hosts::new(tree([open("one", 101, 300)]));
        hosts.client.start(hosts.now);
        hosts.connect(account(0), Session::New);
        for doubled in 0..4 {
            let full = seconds(first << doubled);
            let wait = wait_after(code, &mut hosts);
            assert!((full / 2..=full).contains(&wait), "{code}: {wait:?}");
        }
    }
}

/// Half of a wait is random, so that a fleet doesn't come back all at once.
#[test]
fn two_devices_wait_for_different_times() {
    let wait = |seed| {
        let config = ClientConfig::new("example-client", [seed; 32]);
        let mut hosts = Hosts::with(config, tree([open("one", 101, 300)]));
        hosts.client.start(hosts.now);
        hosts.connect(account(0), Session::New);
        wait_after(Code::INTERNAL_SERVER_ERROR, &mut hosts)
    };
    assert_ne!(wait(1), wait(2));
    assert_eq!(wait(1), wait(1));
}

#[test]
fn a_failure_tells_of_what_kind_it_is() {
    for (failure, kind) in [
        (
            RegistrationFailure::Refused(Code::BAD_REQUEST),
            FailureKind::Refused,
        ),
        (
            RegistrationFailure::Refused(Code::FORBIDDEN),
            FailureKind::Refused,
        ),
        (
            RegistrationFailure::Refused(Code::PRECONDITION_FAILED),
            FailureKind::Refused,
        ),
        (RegistrationFailure::NoLocation, FailureKind::Refused),
        (
            RegistrationFailure::Refused(Code::SERVICE_UNAVAILABLE),
            FailureKind::Passing,
        ),
        (RegistrationFailure::Reset, FailureKind::Passing),
        (RegistrationFailure::Timeout, FailureKind::Silent),
        (RegistrationFailure::Disconnected, FailureKind::Silent),
        (RegistrationFailure::Expired, FailureKind::Silent),
        (RegistrationFailure::Unusable, FailureKind::Own),
    ] {
        assert_eq!(failure.kind(), kind, "{failure}");
    }
}
