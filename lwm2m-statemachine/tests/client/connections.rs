//! Connections: asked for, up as new or resumed ones, moved, lost, begun by the other side, and times
//! without a network (TS 5.2.5, 8.2.4, 8.3).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, ContentFormat, Method};
use lwm2m_kit::account;
use lwm2m_objects::{
    Store,
    typed::{Security, Server, SmsSecurity},
};
use lwm2m_statemachine::{
    Channel, ClientEvent, Datagram, RegistrationFailure, Session,
    client::{Inbound, InboundRefusal, RegistrationState},
    coap::{MessageType, Token},
};

use crate::{
    hosts::{Hosts, location, open, secured, tree},
    observe::observe,
    support::{get, on, path, server_id},
};

const DAY: u32 = 86_400;
const FIRST: Duration = Duration::from_secs(5);

/// One server with security, registered and observing the Battery Level.
fn observed() -> Hosts {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    let link = hosts.link(account(0));
    hosts.request(link, observe(0, "/3/0/9"));
    let (_, answer) = hosts.only();
    assert!(answer.message().observe().is_some());
    hosts.events();
    hosts
}

fn set_level(hosts: &mut Hosts, level: i64) {
    hosts.client.set(hosts.now, path("/3/0/9"), level).unwrap();
}

/// What is sent at once and by timers that are due.
fn due(hosts: &mut Hosts) -> Vec<lwm2m_kit::Sent<lwm2m_statemachine::ConnectionId>> {
    hosts.pass(Duration::from_millis(1));
    hosts.sent().into_iter().map(|(_, sent)| sent).collect()
}

#[test]
fn a_registration_and_its_observations_outlive_the_connection() {
    let mut hosts = observed();
    hosts.lose(account(0));
    assert!(hosts.client.is_registered(account(0)));
    assert_eq!(hosts.events(), []);
    let status = hosts.client.account(account(0)).unwrap();
    assert_eq!(status.state, RegistrationState::Registered);
    assert_eq!(status.connection, None);
    // Nothing is sent without a connection.
    set_level(&mut hosts, 9);
    assert!(due(&mut hosts).is_empty());
}

/// TS 8.3: the same session goes on, and so does the registration. Stored or not (TS E.2),
/// notifications wait for the answer.
#[test]
fn a_resumed_session_goes_on_with_an_update_and_then_with_notifications() {
    for is_storing in [true, false] {
        let mut hosts = observed();
        let storing = path("/1/10/6");
        hosts.client.set(hosts.now, storing, is_storing).unwrap();
        hosts.lose(account(0));
        set_level(&mut hosts, 9);
        hosts.pass(FIRST);
        hosts.connect(account(0), Session::Resumed);
        let update = hosts.update(account(0));
        assert!(update.queries().is_empty() && update.payload().is_empty());
        hosts.pass(Duration::from_millis(500));
        assert!(hosts.is_silent(), "a notification before the answer");
        hosts.answer_code(&update, Code::CHANGED);
        assert_eq!(
            hosts.events(),
            [ClientEvent::Updated {
                account: account(0)
            }]
        );
        let sent = due(&mut hosts);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].code(), Code::CONTENT);
        assert!(sent[0].message().observe().is_some());
    }
}

/// TS 8.2.4.
#[test]
fn a_new_session_is_a_register_that_ends_the_observations() {
    let mut hosts = observed();
    hosts.lose(account(0));
    hosts.pass(FIRST);
    hosts.connect(account(0), Session::New);
    let register = hosts.register(account(0));
    assert_eq!(
        hosts.events(),
        [ClientEvent::ObservationEnded {
            account: account(0),
            path: path("/3/0/9")
        }]
    );
    assert!(!hosts.client.is_registered(account(0)));
    hosts.accept(account(0), &register);
    set_level(&mut hosts, 9);
    assert!(due(&mut hosts).is_empty());
}

#[test]
fn requests_are_served_on_a_resumed_session_before_the_update_is_answered() {
    let mut hosts = observed();
    hosts.lose(account(0));
    hosts.pass(FIRST);
    hosts.connect(account(0), Session::Resumed);
    hosts.update(account(0));
    let link = hosts.link(account(0));
    hosts.request(link, get("/3/0/0"));
    assert_eq!(hosts.only().1.code(), Code::CONTENT);
}

#[test]
fn a_resumed_session_without_a_registration_is_a_register() {
    let mut hosts = Hosts::new(tree([secured("one", 101, DAY)]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::Resumed);
    let register = hosts.register(account(0));
    // Lost before its answer: there is no registration that could go on.
    hosts.lose(account(0));
    assert!(matches!(
        hosts.events()[..],
        [ClientEvent::RegistrationFailed {
            reason: RegistrationFailure::Disconnected,
            retry: Some(_),
            ..
        }]
    ));
    hosts.pass(FIRST);
    hosts.accept(account(0), &register);
    assert!(!hosts.client.is_registered(account(0)), "a late answer");
    hosts.connect(account(0), Session::Resumed);
    hosts.register(account(0));
}

#[test]
fn a_connection_that_is_lost_with_an_update_under_way_is_told_and_updated_when_it_is_back() {
    let mut hosts = observed();
    hosts.client.update(hosts.now, account(0));
    hosts.update(account(0));
    hosts.lose(account(0));
    assert!(matches!(
        hosts.events()[..],
        [ClientEvent::RegistrationFailed {
            reason: RegistrationFailure::Disconnected,
            retry: Some(_),
            ..
        }]
    ));
    assert!(hosts.client.is_registered(account(0)));
    hosts.pass(FIRST);
    hosts.connect(account(0), Session::Resumed);
    hosts.update(account(0));
}

#[test]
fn a_change_without_a_connection_is_told_when_it_is_back() {
    let mut hosts = observed();
    hosts.lose(account(0));
    hosts.client.set(hosts.now, path("/1/10/1"), 500).unwrap();
    hosts.pass(FIRST);
    hosts.connect(account(0), Session::Resumed);
    assert_eq!(hosts.update(account(0)).queries(), ["lt=500"]);
}

#[test]
fn a_connection_that_cannot_be_made_is_asked_for_later_and_later() {
    let mut hosts = observed();
    let mut before = Duration::ZERO;
    for failures in 0..5 {
        hosts.lose(account(0));
        let retry = hosts.client.poll_timeout().unwrap();
        let wait = retry.saturating_duration_since(hosts.now);
        let full = FIRST * 2u32.pow(failures);
        assert!((full / 2..=full).contains(&wait), "{failures}: {wait:?}");
        assert!(wait > before / 2, "it grows");
        before = wait;
        hosts.pass(wait);
        assert_eq!(hosts.linked(), [account(0)]);
    }
    // A connection that works begins a new row.
    hosts.connect(account(0), Session::Resumed);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.lose(account(0));
    hosts.pass(FIRST);
    assert_eq!(hosts.linked(), [account(0)]);
}

/// TS 8.2.4: the server knows a Client without security by its address.
#[test]
fn another_address_without_security_is_a_register() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let link = hosts.link(account(0));
    hosts.client.address_changed(hosts.now, link);
    let register = hosts.register(account(0));
    assert!(!hosts.client.is_registered(account(0)));
    hosts.accept(account(0), &register);
    // An Update under way is given up for it.
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    hosts.client.address_changed(hosts.now, link);
    let register = hosts.register(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.events();
    assert!(!hosts.client.is_registered(account(0)));
    // So is a Register.
    hosts.client.address_changed(hosts.now, link);
    let again = hosts.register(account(0));
    assert_ne!(
        register.message().message_id(),
        again.message().message_id()
    );
    hosts.accept(account(0), &register);
    assert!(!hosts.client.is_registered(account(0)), "the late answer");
    hosts.accept(account(0), &again);
    assert!(hosts.client.is_registered(account(0)));
}

#[test]
fn another_address_of_a_session_is_an_update() {
    let mut hosts = observed();
    let link = hosts.link(account(0));
    hosts.client.address_changed(hosts.now, link);
    let update = hosts.update(account(0));
    // Once more while it is under way: one more follows.
    hosts.client.address_changed(hosts.now, link);
    assert!(hosts.is_silent());
    hosts.answer_code(&update, Code::CHANGED);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    assert!(hosts.is_silent());
    assert_eq!(hosts.events().len(), 2);
}

#[test]
fn what_arrives_on_a_connection_that_is_not_up_is_met_with_silence() {
    let mut hosts = observed();
    hosts.lose(account(0));
    hosts.pass(FIRST);
    let link = hosts.link(account(0));
    hosts.request(link, get("/3/0/0"));
    // A ping.
    hosts.datagram(link, b"\x40\x00\x00\x01");
    assert!(hosts.is_silent());
    hosts.connect(account(0), Session::Resumed);
    hosts.update(account(0));
}

#[test]
fn what_is_told_of_an_unknown_connection_does_nothing() {
    let mut hosts = observed();
    let old = hosts.link(account(0));
    hosts.lose(account(0));
    hosts.pass(FIRST);
    hosts.connect(account(0), Session::Resumed);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.events();
    let now = hosts.now;
    hosts.client.connected(now, old, Session::New);
    hosts.client.address_changed(now, old);
    hosts.client.disconnected(now, old);
    // Nor is one that is up connected again.
    let link = hosts.link(account(0));
    hosts.client.connected(now, link, Session::New);
    hosts.request(old, get("/3/0/0"));
    hosts.datagram(old, b"\x60\x00\x00\x01");
    assert!(hosts.is_silent());
    assert_eq!(hosts.events(), []);
    assert!(hosts.client.is_registered(account(0)));
}

#[test]
fn a_lost_connection_in_each_state_leads_back_to_a_registration() {
    // Before it is up, with the Register under way, and refused.
    for stage in 0..3 {
        let mut hosts = Hosts::new(tree([secured("one", 101, DAY)]));
        hosts.client.start(hosts.now);
        hosts.linked();
        if stage > 0 {
            hosts.connect(account(0), Session::New);
            let register = hosts.register(account(0));
            if stage > 1 {
                hosts.answer_code(&register, Code::FORBIDDEN);
            }
        }
        hosts.events();
        hosts.lose(account(0));
        let events = hosts.events();
        assert!(
            matches!(
                events[..],
                [ClientEvent::RegistrationFailed {
                    reason: RegistrationFailure::Disconnected,
                    retry: Some(_),
                    ..
                }]
            ),
            "{stage}: {events:?}"
        );
        hosts.pass(FIRST * 2);
        hosts.connect(account(0), Session::New);
        let register = hosts.register(account(0));
        hosts.accept(account(0), &register);
        assert!(hosts.client.is_registered(account(0)));
    }
}

#[test]
fn offline_nothing_is_asked_for_sent_or_answered() {
    let mut hosts = observed();
    let link = hosts.link(account(0));
    hosts.client.go_offline(hosts.now);
    assert!(hosts.client.is_offline() && hosts.client.is_registered(account(0)));
    set_level(&mut hosts, 9);
    hosts.client.update(hosts.now, account(0));
    hosts.client.set(hosts.now, path("/1/10/1"), 500).unwrap();
    hosts.request(link, get("/3/0/0"));
    // A confirmable message that would get a Reset.
    hosts.datagram(link, b"\x40\x45\x00\x01");
    hosts.pass(Duration::from_secs(400));
    assert!(hosts.is_silent());
    hosts.lose(account(0));
    hosts.pass(Duration::from_secs(400));
    assert_eq!(hosts.linked(), []);
    assert_eq!(hosts.events(), [], "the registration lives");
}

#[test]
fn online_again_the_kept_connection_is_used_and_the_update_comes_first() {
    let mut hosts = observed();
    hosts.client.go_offline(hosts.now);
    hosts
        .client
        .set(hosts.now, path("/1/10/1"), 50_000)
        .unwrap();
    set_level(&mut hosts, 9);
    hosts.pass(Duration::from_secs(400));
    hosts.client.go_online(hosts.now);
    hosts.pass(Duration::from_millis(500));
    let update = hosts.update(account(0));
    assert_eq!(update.queries(), ["lt=50000"]);
    hosts.answer_code(&update, Code::CHANGED);
    let sent = due(&mut hosts);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].code(), Code::CONTENT);
    // It is not a second time online.
    hosts.client.go_online(hosts.now);
    assert!(hosts.is_silent());
}

#[test]
fn online_again_a_connection_that_was_lost_is_asked_for_at_once() {
    let mut hosts = observed();
    hosts.client.go_offline(hosts.now);
    hosts.lose(account(0));
    hosts.client.go_online(hosts.now);
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.connect(account(0), Session::Resumed);
    hosts.update(account(0));
}

#[test]
fn going_offline_gives_up_what_is_under_way() {
    // A Register.
    let mut hosts = Hosts::new(tree([secured("one", 101, DAY)]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    let register = hosts.register(account(0));
    hosts.client.go_offline(hosts.now);
    hosts.accept(account(0), &register);
    hosts.pass(Duration::from_secs(400));
    assert!(hosts.is_silent() && !hosts.client.is_registered(account(0)));
    hosts.client.go_online(hosts.now);
    let register = hosts.register(account(0));
    hosts.accept(account(0), &register);
    hosts.events();
    // A De-register.
    hosts.client.deregister(hosts.now);
    hosts.deregister(account(0));
    hosts.client.go_offline(hosts.now);
    assert_eq!(
        hosts.events(),
        [ClientEvent::DeregisterFailed {
            account: account(0),
            reason: RegistrationFailure::Disconnected
        }]
    );
    assert_eq!(hosts.linked(), []);
}

#[test]
fn offline_the_client_leaves_without_a_word() {
    let mut hosts = observed();
    hosts.client.go_offline(hosts.now);
    hosts.client.deregister(hosts.now);
    assert!(hosts.is_silent());
    let events = hosts.events();
    assert!(matches!(
        events[..],
        [
            ClientEvent::ObservationEnded { .. },
            ClientEvent::DeregisterFailed {
                reason: RegistrationFailure::Disconnected,
                ..
            }
        ]
    ));
    assert_eq!(hosts.linked(), []);
    // It starts again only online.
    hosts.client.start(hosts.now);
    assert_eq!(hosts.linked(), []);
    hosts.client.go_online(hosts.now);
    assert_eq!(hosts.linked(), [account(0)]);
}

#[test]
fn a_connection_that_comes_up_offline_is_used_when_online() {
    let mut hosts = Hosts::new(tree([secured("one", 101, DAY)]));
    hosts.client.start(hosts.now);
    hosts.linked();
    hosts.client.go_offline(hosts.now);
    hosts.connect(account(0), Session::New);
    assert!(hosts.is_silent());
    hosts.client.go_online(hosts.now);
    hosts.register(account(0));
}

fn with_bootstrap() -> Hosts {
    let (security, server) = open("one", 101, DAY);
    let (bootstrap, _) = secured("bootstrap", 7, DAY);
    let bootstrap = bootstrap.into_bootstrap_server();
    let mut objects = tree([]);
    objects.add(Store::of([
        (lwm2m_kit::instance(0), security),
        (lwm2m_kit::instance(1), bootstrap),
    ]));
    objects.add(Store::of([(lwm2m_kit::instance(10), server)]));
    Hosts::new(objects)
}

/// TS 5.2.3.4, 5.2.4.
#[test]
fn a_bootstrap_server_may_begin_a_connection_once_the_client_is_started() {
    let mut hosts = with_bootstrap();
    let from = Inbound::Account(account(1));
    let refused = Err(InboundRefusal::NotServed);
    assert_eq!(hosts.client.inbound(hosts.now, from), refused);
    hosts.client.start(hosts.now);
    let link = hosts.client.inbound(hosts.now, from).unwrap();
    let status = hosts.client.account(account(1)).unwrap();
    assert_eq!(status.connection, Some(link));
    // Its requests are those of another interface: a Read is none of them (TS 8.2.3).
    hosts.links.insert(account(1), link);
    hosts.request(link, get("/3/0/0"));
    let (of, answer) = hosts.only();
    assert_eq!((of, answer.code()), (account(1), Code::BAD_REQUEST));
    // Another one replaces it.
    let next = hosts.client.inbound(hosts.now, from).unwrap();
    assert_ne!(next, link);
    hosts.events();
    assert!(
        !hosts.links.contains_key(&account(1)),
        "the old one is closed"
    );
    hosts.client.disconnected(hosts.now, next);
    assert_eq!(hosts.client.account(account(1)).unwrap().connection, None);
    hosts.client.go_offline(hosts.now);
    assert_eq!(hosts.client.inbound(hosts.now, from), refused);
}

#[test]
fn a_connection_that_a_server_or_nobody_begins_is_refused() {
    let mut hosts = with_bootstrap();
    hosts.client.start(hosts.now);
    let now = hosts.now;
    let mut inbound = |from| hosts.client.inbound(now, from);
    assert_eq!(
        inbound(Inbound::Account(account(0))),
        Err(InboundRefusal::NotBootstrapServer)
    );
    assert_eq!(
        inbound(Inbound::Account(account(9))),
        Err(InboundRefusal::Unknown)
    );
    let number = "491700000000";
    assert_eq!(
        inbound(Inbound::Sms { number }),
        Err(InboundRefusal::Unknown)
    );
    // The Short Server ID of a Bootstrap-Server, and no number at all, belong to nobody.
    assert_eq!(
        inbound(Inbound::Sms { number: "" }),
        Err(InboundRefusal::Unknown)
    );
}

/// TS 8.4, E.1 (Resource 9): only from the server's number, and only if the registration says so.
#[test]
fn short_messages_are_taken_from_the_servers_number_alone() {
    let account_of = |binding| {
        let (mut security, mut server) = open("one", 101, DAY);
        security.sms = SmsSecurity {
            server_number: Some("491700000000".into()),
            ..SmsSecurity::default()
        };
        server.binding = binding;
        (security, server)
    };
    let number = "+491700000000";
    let from = Inbound::Sms { number };
    let other = Inbound::Sms {
        number: "491700000001",
    };
    let mut hosts = Hosts::registered([account_of(BindingMode::U)]);
    let refused = Err(InboundRefusal::NotServed);
    assert_eq!(hosts.client.inbound(hosts.now, from), refused);

    let mut hosts = Hosts::registered([account_of(BindingMode::UQS)]);
    let unknown = Err(InboundRefusal::Unknown);
    assert_eq!(hosts.client.inbound(hosts.now, other), unknown);
    let link = hosts.link(account(0));
    let sms = hosts.client.inbound(hosts.now, from).unwrap();
    assert_eq!(hosts.link(account(0)), link, "beside the other connection");
    // The trigger is answered where it came from; the Update goes to the server (TS 5.3.1.1).
    hosts.request(sms, on(Method::Post, "/1/10/8"));
    let sent = lwm2m_kit::sent(&mut hosts.client);
    assert_eq!((sent[0].to, sent[0].code()), (sms, Code::CHANGED));
    assert_eq!((sent[1].to, sent[1].path()), (link, location(account(0))));
    assert_eq!(sent.len(), 2);
    hosts.client.deregister(hosts.now);
    let deregister = hosts.only().1;
    hosts.request(sms, on(Method::Post, "/1/10/8"));
    assert!(hosts.is_silent(), "without a registration");
    hosts.answer_code(&deregister, Code::DELETED);
    hosts.links.insert(account(7), sms);
    hosts.events();
    assert!(hosts.links.is_empty(), "both connections are closed");
}

#[test]
fn the_server_of_a_stopped_client_begins_nothing() {
    let server = Server {
        binding: BindingMode::US,
        ..Server::new(server_id(101), DAY)
    };
    let (mut security, _) = open("one", 101, DAY);
    security.sms.server_number = Some("49".into());
    let mut hosts = Hosts::new(tree([(security, server)]));
    let from = Inbound::Sms { number: "49" };
    let refused = Err(InboundRefusal::NotServed);
    assert_eq!(hosts.client.inbound(hosts.now, from), refused);
}

/// RFC 7252 §4.5: the session is the same, so its message ids still count. In a new one they don't.
#[test]
fn a_copy_of_a_request_is_not_run_again_on_a_resumed_session() {
    for (session, runs) in [(Session::Resumed, 0), (Session::New, 1)] {
        let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
        let token = Token::new(b"e").unwrap();
        let mut write = on(Method::Put, "/3/0/14");
        write.content_format(ContentFormat::TEXT).unwrap();
        write.payload(b"+05:00");
        let wire = write.finish(MessageType::Confirmable, 77, token);
        let link = hosts.link(account(0));
        hosts.datagram(link, wire.as_ref());
        let first = hosts.only().1;
        assert_eq!(first.code(), Code::CHANGED);
        assert!(matches!(hosts.events()[..], [ClientEvent::Written { .. }]));
        hosts.lose(account(0));
        hosts.pass(FIRST);
        hosts.connect(account(0), session);
        let request = hosts.only().1;
        if session == Session::New {
            hosts.accept(account(0), &request);
        } else {
            hosts.answer_code(&request, Code::CHANGED);
        }
        hosts.events();
        let link = hosts.link(account(0));
        hosts.datagram(link, wire.as_ref());
        assert_eq!(hosts.only().1.bytes, first.bytes, "{session:?}");
        assert_eq!(hosts.events().len(), runs, "{session:?}");
    }
}

fn by_sms(host: &str, id: u16, binding: BindingMode) -> (Security, Server) {
    let (mut security, mut server) = open(host, id, DAY);
    security.sms.server_number = Some("49".into());
    server.binding = binding;
    (security, server)
}

/// RFC 7252 §4.5: also where the transport asks for each message.
#[test]
fn a_copy_of_a_short_message_is_not_run_again() {
    let mut hosts = Hosts::registered([by_sms("one", 101, BindingMode::US)]);
    let token = Token::new(b"e").unwrap();
    let reboot = on(Method::Post, "/3/0/4").finish(MessageType::NonConfirmable, 77, token);
    for _ in 0..2 {
        let from = Inbound::Sms { number: "49" };
        let sms = hosts.client.inbound(hosts.now, from).unwrap();
        let mut datagram = Datagram::new(sms, reboot.as_ref());
        datagram.channel = Channel::Sms;
        let _ = hosts.client.handle_datagram(hosts.now, datagram);
    }
    assert!(matches!(hosts.events()[..], [ClientEvent::Execute { .. }]));
}

/// Servers behind one gateway may have one number.
#[test]
fn of_several_servers_of_one_number_one_that_takes_short_messages_is_meant() {
    let accounts = [
        by_sms("one", 101, BindingMode::U),
        by_sms("two", 102, BindingMode::US),
    ];
    let mut hosts = Hosts::registered(accounts);
    let from = Inbound::Sms { number: "49" };
    let sms = hosts.client.inbound(hosts.now, from).unwrap();
    hosts.request(sms, get("/3/0/0"));
    let sent = lwm2m_kit::sent(&mut hosts.client);
    assert_eq!((sent.len(), sent[0].to), (1, sms));
}
