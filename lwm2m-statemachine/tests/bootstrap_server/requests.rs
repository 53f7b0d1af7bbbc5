//! What is answered to requests (TS 5.2.7.1, 7.1.5, Table 27).

use core::time::Duration;

use lwm2m_core::{Code, Method};
use lwm2m_objects::typed::SecurityMode;
use lwm2m_statemachine::{
    Channel, Datagram, Identity,
    bootstrap_server::{
        Acceptance, BootstrapFailure, NoSec, ProvenIdentity, RefusalReason, RefuseWith, StartError,
    },
    coap::MessageType,
};

use crate::support::{Event, Request, World, plan};

#[test]
fn a_request_is_handed_to_the_application_and_answered_with_its_plan() {
    let mut world = World::new();
    let identity = Identity::Psk(b"device");
    let request = Request {
        queries: &["ep=device", "pct=11542"],
        identity,
        ..Request::default()
    };
    world.ask(&request);
    let Event::Requested { bootstrap, client } = world.event() else {
        panic!("no request");
    };
    assert_eq!((&*client.endpoint_name, client.peer), ("device", 1));
    assert_eq!(client.channel, Channel::Udp);
    assert_eq!(client.identity, ProvenIdentity::Psk((*b"device").into()));
    assert_eq!(world.machine.find("device"), Some(bootstrap));
    assert!(world.sent().is_empty());

    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    let sent = world.sent();
    assert_eq!(
        (sent[0].code(), sent[0].kind()),
        (Code::CHANGED, MessageType::Acknowledgement)
    );
    assert_eq!(
        (sent[1].code().method(), sent[1].path()),
        (Some(Method::Delete), "/0".into())
    );
    assert_eq!(sent.len(), 2);
    assert_eq!(
        world.machine.start(world.now, bootstrap, &plan()),
        Err(StartError::NotWaiting)
    );
}

#[test]
fn a_plan_that_comes_late_has_its_answer_before_its_commands() {
    let mut world = World::new();
    let bootstrap = world.requested(&Request::default());
    world.pass(Duration::from_secs(2));
    let acknowledgement = world.sent_one();
    assert_eq!(acknowledgement.code(), Code::EMPTY);
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    // One message to a peer at a time (NSTART, RFC 7252 §4.7).
    let answer = world.sent_one();
    assert_eq!(
        (answer.code(), answer.kind()),
        (Code::CHANGED, MessageType::Confirmable)
    );
    world.acknowledge(&answer);
    let command = world.sent_one();
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn commands_do_not_need_the_answer_to_the_request() {
    let mut world = World::new();
    let bootstrap = world.requested(&Request::default());
    world.pass(Duration::from_secs(2));
    world.sent();
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    // The separate 2.04 is never acknowledged; the commands are valid all the same.
    world.pass(Duration::from_secs(95));
    let command = world.sent().pop().unwrap();
    assert_eq!(command.path(), "/0");
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn a_request_can_be_answered_at_once() {
    let mut world = World::with(|config| config.acceptance = Acceptance::AtOnce);
    assert_eq!(world.code(&Request::default()), Code::CHANGED);
    let Event::Requested { bootstrap, .. } = world.event() else {
        panic!("no request");
    };
    world.pass(Duration::from_secs(100));
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    let command = world.sent_one();
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));

    // A client has given up EXCHANGE_LIFETIME after the 2.04.
    let bootstrap = world.requested(&Request::default());
    world.sent();
    world.pass(Duration::from_secs(246));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
    assert!(world.sent().is_empty());
    world.assert_works();
}

#[test]
fn the_time_of_a_client_begins_with_the_answer_at_once_and_not_with_the_plan() {
    let mut world = World::with(|config| config.acceptance = Acceptance::AtOnce);
    let bootstrap = world.requested(&Request::default());
    world.pass(Duration::from_secs(240));
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    world.pass(Duration::from_secs(8));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
}

#[test]
fn a_request_without_a_plan_in_time_is_answered_5_03() {
    let mut world = World::with(|config| config.plan_time = Duration::from_secs(20));
    let bootstrap = world.requested(&Request::default());
    world.pass(Duration::from_secs(19));
    assert!(world.events().is_empty());
    world.sent();
    world.pass(Duration::from_secs(1));
    let answer = world.sent_one();
    assert_eq!(answer.code(), Code::SERVICE_UNAVAILABLE);
    assert_eq!(answer.message().max_age(), 60);
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::NoPlan));
    assert_eq!(
        world.machine.start(world.now, bootstrap, &plan()),
        Err(StartError::UnknownBootstrap)
    );
    world.acknowledge(&answer);
    world.assert_works();
}

#[test]
fn a_plan_after_its_time_is_not_taken_even_before_the_machine_looks_at_the_clock() {
    let mut world = World::new();
    let bootstrap = world.requested(&Request::default());
    world.now += Duration::from_secs(61);
    assert_eq!(
        world.machine.start(world.now, bootstrap, &plan()),
        Err(StartError::UnknownBootstrap)
    );
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::NoPlan));
}

#[test]
fn the_application_refuses_unknown_clients_and_those_that_it_has_no_time_for() {
    for (reason, code) in [
        (RefuseWith::UnknownEndpoint, Code::BAD_REQUEST),
        (RefuseWith::Unavailable, Code::SERVICE_UNAVAILABLE),
    ] {
        let mut world = World::new();
        let bootstrap = world.requested(&Request::default());
        world.machine.refuse(world.now, bootstrap, reason).unwrap();
        assert_eq!(world.sent_one().code(), code);
        assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Refused));
        assert_eq!(
            world.machine.refuse(world.now, bootstrap, reason),
            Err(StartError::UnknownBootstrap)
        );
        let (bootstrap, _) = world.start(&plan());
        assert_eq!(
            world.machine.refuse(world.now, bootstrap, reason),
            Err(StartError::NotWaiting)
        );
        let stats = world.machine.stats();
        assert_eq!((stats.refused, stats.failed, stats.overloaded), (1, 1, 0));
    }
}

#[test]
fn a_repeated_request_is_the_same_one() {
    let mut world = World::new();
    let wire = world.datagram(&Request::default());
    world.deliver(1, &wire);
    let Event::Requested { bootstrap, .. } = world.event() else {
        panic!("no request");
    };
    world.deliver(1, &wire);
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    let [answer, command] = world.sent().try_into().unwrap();
    world.deliver(1, &wire);
    assert_eq!(world.sent_one(), answer);
    assert!(world.events().is_empty());
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
    // After the bootstrap, too.
    world.deliver(1, &wire);
    assert_eq!(world.sent_one(), answer);
    assert!(world.events().is_empty());
}

#[test]
fn other_requests_have_the_codes_of_coap() {
    let mut world = World::new();
    for (method, path, queries, code) in [
        (
            Method::Get,
            "/bs",
            &["ep=device"][..],
            Code::METHOD_NOT_ALLOWED,
        ),
        (Method::Put, "/bs", &["ep=device"], Code::METHOD_NOT_ALLOWED),
        (Method::Delete, "/bs", &[], Code::METHOD_NOT_ALLOWED),
        (Method::Post, "/", &["ep=device"], Code::NOT_FOUND),
        (Method::Post, "/bs/1", &["ep=device"], Code::NOT_FOUND),
        (Method::Post, "/BS", &["ep=device"], Code::NOT_FOUND),
        (
            Method::Post,
            "/rd",
            &["ep=device", "lt=60"],
            Code::NOT_FOUND,
        ),
        (Method::Get, "/.well-known/core", &[], Code::NOT_FOUND),
        (Method::Get, "/0/0", &[], Code::NOT_FOUND),
    ] {
        let request = Request {
            method,
            path,
            queries,
            ..Request::default()
        };
        assert_eq!(world.code(&request), code, "{request:?}");
        assert!(world.events().is_empty());
    }
    world.assert_works();
}

#[test]
fn a_request_without_a_valid_name_is_answered_4_00() {
    let mut world = World::new();
    for queries in [
        &[][..],
        &["ep="],
        &["ep"],
        &["name=device"],
        &["ep=a", "ep=b"],
    ] {
        let request = Request {
            queries,
            ..Request::default()
        };
        assert_eq!(world.code(&request), Code::BAD_REQUEST, "{queries:?}");
        let refusal = world.refusal();
        assert!(matches!(refusal.reason, RefusalReason::Parameter(_)));
    }
}

#[test]
fn the_name_is_compared_with_the_proven_identity() {
    let certificate = ["cn", "device"];
    for (identity, accepted) in [
        (Identity::None, true),
        (Identity::Psk(b"device"), true),
        (Identity::Psk(b"other"), false),
        (Identity::Certificate(&certificate), true),
        (Identity::Certificate(&certificate[..1]), false),
        (Identity::RawPublicKey(b"its key"), false),
    ] {
        let mut world = World::new();
        let request = Request {
            identity,
            ..Request::default()
        };
        if accepted {
            world.requested(&request);
        } else {
            assert_eq!(world.code(&request), Code::BAD_REQUEST);
            let refusal = world.refusal();
            assert_eq!(refusal.reason, RefusalReason::Identity);
            assert_eq!(refusal.security, identity.security_mode());
        }
    }
    let mut world = World::with(|config| {
        config.identity_check =
            |identity, name| *identity == Identity::RawPublicKey(b"its key") && name == "device";
    });
    world.requested(&Request {
        identity: Identity::RawPublicKey(b"its key"),
        ..Request::default()
    });
}

#[test]
fn the_table_of_identities_says_who_else_may_use_a_name() {
    let key = Identity::RawPublicKey(b"its key");
    let request = Request {
        identity: key,
        ..Request::default()
    };
    let mut world = World::new();
    assert_eq!(world.code(&request), Code::BAD_REQUEST);
    assert_eq!(world.refusal().reason, RefusalReason::Identity);
    let mut world = World::with(|config| config.identities.allow(&key, "device"));
    world.requested(&request);
}

#[test]
fn without_security_the_configuration_decides_who_is_served() {
    let some = NoSec::Only(|name| name.starts_with("lamp-"));
    for (no_sec, name, accepted) in [
        (NoSec::Accept, "ep=device", true),
        (NoSec::Refuse, "ep=device", false),
        (some, "ep=device", false),
        (some, "ep=lamp-1", true),
    ] {
        let mut world = World::with(|config| config.no_sec = no_sec);
        let request = Request {
            queries: &[name],
            ..Request::default()
        };
        if accepted {
            world.requested(&request);
        } else {
            assert_eq!(world.code(&request), Code::BAD_REQUEST);
            assert_eq!(world.refusal().reason, RefusalReason::NoSec);
        }
    }
}

#[test]
fn a_client_that_proves_nothing_does_not_end_the_bootstrap_of_one_that_does() {
    let mut world = World::new();
    let secure = Request {
        identity: Identity::Psk(b"device"),
        ..Request::default()
    };
    let bootstrap = world.requested(&secure);
    for (from, name) in [(2, "ep=device"), (1, "ep=other")] {
        let forged = Request {
            from,
            queries: &[name],
            ..Request::default()
        };
        assert_eq!(world.code(&forged), Code::BAD_REQUEST);
        let refusal = world.refusal();
        assert_eq!(refusal.reason, RefusalReason::Secured);
        assert_eq!(refusal.security, SecurityMode::NoSec);
    }
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    let command = world.sent().pop().unwrap();
    world.obey(command);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn a_request_with_a_body_in_blocks_is_refused_with_the_first_one() {
    let mut world = World::new();
    // POST /bs?ep=device, Block1 0/1/16.
    let mut wire = vec![0x40, 2, 0, 7, 0xb2, b'b', b's', 0x49];
    wire.extend(*b"ep=device");
    wire.extend([0xc1, 0x08, 0xff]);
    wire.extend([b'x'; 16]);
    world.deliver(1, &wire);
    assert_eq!(world.sent_one().code(), Code::BAD_REQUEST);
    assert_eq!(world.refusal().reason, RefusalReason::Body);
    assert_eq!(world.machine.usage().coap.receiving.bodies, 0);
}

#[test]
fn requests_to_a_group_are_ignored() {
    let mut world = World::new();
    let mut wire = world.datagram(&Request::default());
    wire[0] |= 0x10; // non-confirmable
    let mut datagram = Datagram::new(1, &wire);
    datagram.multicast = true;
    world.machine.handle_datagram(world.now, datagram).unwrap();
    world.pass(Duration::from_secs(10));
    assert!(world.sent().is_empty() && world.events().is_empty());
}

#[test]
fn a_refusal_prints_as_one_line() {
    let mut world = World::with(|config| config.no_sec = NoSec::Refuse);
    let request = Request {
        queries: &["ep=meter\n1"],
        ..Request::default()
    };
    world.ask(&request);
    let text = world.refusal().to_string();
    assert!(
        text.starts_with(r#"Bootstrap-Request of "meter\n1" from 1 (NoSec): 4.00"#),
        "{text}"
    );
    assert_eq!(world.machine.stats().refused, 1);
}
