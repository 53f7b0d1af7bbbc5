//! Clients that do what they must not, and keys that must not be told.

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, InstanceId};
use lwm2m_objects::typed::{self, SmsSecurity};
use lwm2m_statemachine::{
    bootstrap_server::{
        BootstrapFailure, Plan, StepFailure,
        plans::{self, Account, BootstrapAccount},
    },
    coap::{MessageBuf, MessageType, Token},
};

use crate::support::{Event, Request, World, path, plan, server_id};

#[test]
fn acknowledgements_and_separate_answers_without_end_change_nothing() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    for id in 0..1000_u16 {
        world.acknowledge(&command);
        // An empty token, and one that nobody has.
        for token in [Token::EMPTY, Token::new(&id.to_be_bytes()).unwrap()] {
            let response = MessageBuf::response(Code::DELETED);
            let wire = response.finish(MessageType::Confirmable, 0x8000 + id, token);
            world.deliver(1, wire.as_ref());
        }
        let sent = world.sent();
        assert!(
            sent.iter().all(|sent| sent.kind() == MessageType::Reset),
            "{sent:?}"
        );
        assert!(world.events().is_empty());
    }
    // Acknowledgements don't put off the end.
    for _ in 0..93 {
        world.acknowledge(&command);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.failure(bootstrap).1, StepFailure::Timeout);
    world.assert_works();
}

#[test]
fn one_answer_counts_and_its_repetitions_do_not() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    let next = world.next(&command);
    for _ in 0..10 {
        world.answer_code(&command, Code::BAD_REQUEST);
        world.answer_code(&command, Code::DELETED);
    }
    world.sent();
    assert!(world.events().is_empty());
    assert_eq!(world.obey(next).len(), 4);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn another_peer_does_not_answer_for_the_client() {
    let mut world = World::new();
    let (_, command) = world.start(&plan());
    let mut forged = command.clone();
    forged.to = 2;
    world.answer_code(&forged, Code::DELETED);
    world.reset(&forged);
    assert!(world.sent().is_empty() && world.events().is_empty());
    assert_eq!(world.next(&command).path(), "/1");
}

#[test]
fn options_in_an_answer_do_not_change_what_it_says() {
    let mut world = World::new();
    let (bootstrap, mut command) = world.start(&plan());
    for _ in 0..5 {
        let mut response = crate::support::success(&command);
        response.observe(7).unwrap();
        response.location_path("rd").unwrap();
        response.content_format(ContentFormat::TEXT).unwrap();
        response.max_age(9).unwrap();
        response.payload(b"as you wish");
        world.answer(&command, response);
        if let Some(next) = world.sent().pop() {
            command = next;
        }
    }
    assert_eq!(world.outcome(bootstrap), Ok(()));
    world.assert_works();
}

#[test]
fn a_flood_of_requests_under_one_name_leaves_one() {
    let mut world = World::new();
    let mut ended = 0;
    let mut requested = 0;
    for n in 0..2000 {
        world.ask(&Request {
            from: n,
            ..Request::default()
        });
        world.sent();
        for event in world.events() {
            match event {
                Event::Ended { outcome, .. } => {
                    assert_eq!(outcome, Err(BootstrapFailure::Superseded));
                    ended += 1;
                }
                Event::Requested { .. } => requested += 1,
                event => panic!("{event:?}"),
            }
        }
    }
    assert_eq!((ended, requested), (1999, 2000));
    assert_eq!(world.machine.usage().waiting, 1);
    world.pass(Duration::from_secs(400));
    world.events();
    world.sent();
    assert_eq!(world.machine.usage().coap.peers, 0);
    world.assert_works();
}

#[test]
fn bytes_that_are_no_message_change_nothing() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    let mut state = 7_u32;
    for _ in 0..5000 {
        let mut bytes = Vec::new();
        for _ in 0..state % 40 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push(state.to_be_bytes()[0]);
        }
        state = state.wrapping_add(0x9e37_79b9);
        // From others: a Reset of the client would be right.
        world.deliver(2, &bytes);
        world.sent();
    }
    world.events();
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

/// The forms in which `Debug` may show these bytes.
fn forms(key: &[u8]) -> Vec<String> {
    let list = format!("{key:?}");
    let inner = list.trim_matches(['[', ']']).to_string();
    let digits: Vec<String> = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = digits.concat();
    let text = String::from_utf8_lossy(key).into_owned();
    let pretty = format!("{key:#?}").replace(['[', ']', '\n', ' '], "");
    vec![inner, hex.to_uppercase(), hex, text, pretty]
}

#[test]
fn keys_are_in_no_event_error_or_debug_output() {
    let secret = b"Z3cr3t-Z3cr3t-Z3";
    let sms = b"SmsKeySmsKeySmsK";
    let text = String::from_utf8(b"T0pT0pT0p".to_vec()).unwrap();
    let security =
        typed::Security::pre_shared_key("coaps://192.0.2.1", server_id(101), "id", *secret)
            .with_sms(SmsSecurity {
                secret_keys: Some(sms.to_vec()),
                ..SmsSecurity::default()
            });
    let account = Account {
        security,
        server: typed::Server::new(server_id(101), 60),
    };
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    let plan = plans::one_server(own, account.clone()).unwrap();
    // A value that doesn't fit, and whose error must not show it.
    let wrong = path("/1/0/1");
    let invalid = Plan::new().write(wrong, [(wrong, &*text)].into_iter().collect());

    let mut shown = String::new();
    let mut world = World::new();
    let mut show = |what: String| shown.push_str(&what);
    show(format!("{account:?} {plan:?} {plan:#?} {:?}", plan.steps()));
    let bootstrap = world.requested(&Request::default());
    let error = world
        .machine
        .start(world.now, bootstrap, &invalid)
        .unwrap_err();
    show(format!("{error:?} {error}"));
    world.machine.start(world.now, bootstrap, &plan).unwrap();
    show(format!("{:?} {:#?}", world.machine, world.machine));
    let mut command = world.sent().pop().unwrap();
    for _ in 0..2 {
        command = world.next(&command);
    }
    // The Write with the keys is under way, and fails in both formats.
    assert!(command.payload().windows(16).any(|window| window == secret));
    show(format!("{:?} {:#?}", world.machine, world.machine));
    for _ in 0..2 {
        world.answer_code(&command, Code::UNSUPPORTED_CONTENT_FORMAT);
        show(format!("{:?}", world.machine));
        command = world.sent().pop().unwrap_or(command);
    }
    for event in world.events() {
        show(format!("{event:?} {event:#?}"));
        if let Event::Ended {
            outcome: Err(failure),
            ..
        } = event
        {
            show(failure.to_string());
        }
    }
    let squeezed = shown.replace(['\n', ' '], "");
    for key in [&secret[..], sms, text.as_bytes()] {
        for form in forms(key) {
            assert!(
                !shown.contains(&form) && !squeezed.contains(&form),
                "{form} is shown"
            );
        }
    }
    assert!(shown.contains("/0/1"), "the search looks at what is shown");
}
