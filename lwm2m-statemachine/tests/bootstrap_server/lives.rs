//! How bootstraps end: by success, repair, time, loss, a fresh request, or the application.

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Method, Value};
use lwm2m_statemachine::{
    BootstrapId, Channel, Datagram, Identity,
    bootstrap_server::{BootstrapFailure, PauseReason, Plan, StartError, StepFailure},
    coap::{MessageBuf, MessageType},
};

use crate::support::{Event, Request, Sent, World, lifetime, path, plan, success, write};

/// A Bootstrap-Finish that is answered 4.06.
fn inconsistent(world: &mut World) -> BootstrapId {
    let (bootstrap, command) = world.start(&write().finish());
    let finish = world.next(&command);
    assert_eq!(finish.path(), "/bs");
    world.answer_code(&finish, Code::NOT_ACCEPTABLE);
    let Event::Paused {
        bootstrap: paused,
        reason,
    } = world.event()
    else {
        panic!("not paused");
    };
    assert_eq!((paused, reason), (bootstrap, PauseReason::Inconsistent));
    bootstrap
}

#[test]
fn what_is_inconsistent_is_repaired_and_finished_again() {
    let mut world = World::new();
    let bootstrap = inconsistent(&mut world);
    for _ in 0..3 {
        let repair = Plan::new().write(path("/1/0/1"), lifetime()).finish();
        world.machine.resume(world.now, bootstrap, &repair).unwrap();
        let command = world.sent_one();
        assert_eq!(command.path(), "/1/0/1");
        let finish = world.next(&command);
        assert_eq!(finish.path(), "/bs");
        world.answer_code(&finish, Code::NOT_ACCEPTABLE);
        assert!(matches!(world.event(), Event::Paused { .. }));
    }
    world
        .machine
        .resume(world.now, bootstrap, &Plan::new().finish())
        .unwrap();
    let finish = world.sent_one();
    world.obey(finish);
    assert_eq!(world.outcome(bootstrap), Ok(()));
    world.assert_works();
}

#[test]
fn a_client_that_is_told_nothing_gives_up_and_the_plan_begins_anew_at_its_next_request() {
    let mut world = World::new();
    let bootstrap = inconsistent(&mut world);
    world.pass(Duration::from_secs(246));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
    let resumed = world
        .machine
        .resume(world.now, bootstrap, &Plan::new().finish());
    assert_eq!(resumed, Err(StartError::UnknownBootstrap));
    assert!(world.sent().is_empty());
    let (bootstrap, command) = world.start(&plan());
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn steps_that_come_when_the_client_may_have_given_up_are_not_taken() {
    let mut world = World::new();
    let bootstrap = inconsistent(&mut world);
    // The machine has not looked at the clock.
    world.now += Duration::from_secs(248);
    let resumed = world
        .machine
        .resume(world.now, bootstrap, &Plan::new().finish());
    assert_eq!(resumed, Err(StartError::UnknownBootstrap));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
}

/// A Bootstrap-Finish that reaches a client that has given up is answered 2.04, as nothing is wrong
/// with what it had before.
#[test]
fn a_success_that_comes_when_the_client_may_have_given_up_is_none() {
    for late in [false, true] {
        let mut world = World::new();
        let bootstrap = inconsistent(&mut world);
        world.pass(Duration::from_secs(200));
        world
            .machine
            .resume(world.now, bootstrap, &Plan::new().finish())
            .unwrap();
        let finish = world.sent_one();
        world.now += Duration::from_secs(if late { 47 } else { 46 });
        world.answer_code(&finish, Code::CHANGED);
        let expected = if late {
            Err(BootstrapFailure::Silence)
        } else {
            Ok(())
        };
        assert_eq!(world.outcome(bootstrap), expected);
    }
}

/// The client's time runs from the command, which it may have received at once, and not from its
/// answer.
#[test]
fn the_time_of_a_client_does_not_begin_with_a_late_answer() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&write());
    world.acknowledge(&command);
    world.pass(Duration::from_secs(60));
    let answer = success(&command).finish(
        MessageType::NonConfirmable,
        0x7000,
        command.message().token(),
    );
    world.deliver(1, answer.as_ref());
    assert!(matches!(world.event(), Event::Paused { .. }));
    world.pass(Duration::from_secs(186));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
}

/// The blocks of a body may take longer than a client waits for the next command.
#[test]
fn a_body_in_blocks_that_takes_long_is_one_command() {
    let certificate = path("/0/1/4");
    let content = [(certificate, Value::Opaque(vec![7; 5000]))];
    let opaque = ContentFormat::OPAQUE;
    let plan = Plan::new().write_in(opaque, certificate, content.into_iter().collect());
    let mut world = World::new();
    let (bootstrap, mut command) = world.start(&plan);
    let began = world.now;
    while world.events().is_empty() {
        world.pass(Duration::from_secs(48));
        world.sent();
        let block = command.message().block1().unwrap();
        let code = if block.more() {
            Code::CONTINUE
        } else {
            Code::CHANGED
        };
        let mut response = MessageBuf::response(code);
        response.block1(block).unwrap();
        world.answer(&command, response);
        command = world.sent().pop().unwrap_or(command);
    }
    assert_eq!(world.now, began + Duration::from_secs(240));
    // When the last block arrived isn't known, but not earlier than the longest time that its answer
    // may take: 186 s ago, and 61 s less than EXCHANGE_LIFETIME.
    world.pass(Duration::from_secs(60));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
}

#[test]
fn a_step_of_a_bootstrap_that_has_ended_is_not_sent_again() {
    let mut world = World::new();
    let (bootstrap, _) = world.start(&plan());
    world.machine.abort(world.now, bootstrap);
    for _ in 0..100 {
        world.pass(Duration::from_secs(1));
        assert!(world.sent().is_empty());
    }
    // Nor does it hold up the next one (NSTART, RFC 7252 §4.7).
    world.events();
    world.start(&plan());
    let (_, command) = world.start(&plan());
    assert_eq!(command.path(), "/0");
}

#[test]
fn each_command_gives_the_client_more_time() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&write());
    world.answer_code(&command, Code::CHANGED);
    for _ in 0..10 {
        world.events();
        world.pass(Duration::from_secs(240));
        world
            .machine
            .resume(world.now, bootstrap, &write())
            .unwrap();
        let command = world.sent_one();
        world.answer_code(&command, Code::CHANGED);
    }
    world.events();
    world.pass(Duration::from_secs(248));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
}

#[test]
fn a_step_without_an_answer_ends_the_bootstrap() {
    for index in 0..5 {
        let mut world = World::new();
        let (bootstrap, mut command) = world.start(&plan());
        for _ in 0..index {
            command = world.next(&command);
        }
        let mut retransmissions = Vec::new();
        for _ in 0..100 {
            world.pass(Duration::from_secs(1));
            retransmissions.extend(world.sent());
        }
        assert_eq!(retransmissions.len(), 4);
        assert!(
            retransmissions
                .iter()
                .all(|sent| sent.bytes == command.bytes)
        );
        let (step, failure) = world.failure(bootstrap);
        assert_eq!((step.index, failure), (index, StepFailure::Timeout));
        // An answer after that is nobody's.
        world.answer_code(&command, Code::CHANGED);
        assert!(world.events().is_empty());
        world.assert_works();
    }
}

#[test]
fn a_step_that_is_acknowledged_and_never_answered_ends_the_bootstrap() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    world.acknowledge(&command);
    world.pass(Duration::from_secs(94));
    assert_eq!(world.failure(bootstrap).1, StepFailure::Timeout);
    world.assert_works();
}

#[test]
fn a_step_that_is_rejected_ends_the_bootstrap() {
    for index in 0..5 {
        let mut world = World::new();
        let (bootstrap, mut command) = world.start(&plan());
        for _ in 0..index {
            command = world.next(&command);
        }
        world.reset(&command);
        let (step, failure) = world.failure(bootstrap);
        assert_eq!((step.index, failure), (index, StepFailure::Reset));
        world.assert_works();
    }
}

#[test]
fn a_fresh_request_restarts_the_bootstrap_at_every_step() {
    for index in 0..5 {
        for other_peer in [false, true] {
            let mut world = World::new();
            let (old, mut command) = world.start(&plan());
            for _ in 0..index {
                command = world.next(&command);
            }
            let fresh = Request {
                from: if other_peer { 2 } else { 1 },
                ..Request::default()
            };
            world.ask(&fresh);
            let events = world.events();
            let [
                Event::Ended {
                    bootstrap: ended,
                    outcome,
                    ..
                },
                Event::Requested { bootstrap: new, .. },
            ] = &events[..]
            else {
                panic!("{events:?}");
            };
            assert_eq!((*ended, *outcome), (old, Err(BootstrapFailure::Superseded)));
            assert_ne!(*new, old);
            // The answer to the old step is late, and nothing follows from it.
            world.answer_code(&command, Code::CHANGED);
            world.sent();
            assert!(world.events().is_empty());
            world.machine.start(world.now, *new, &plan()).unwrap();
            let sent = world.sent();
            let command = sent.last().unwrap().clone();
            assert_eq!((command.to, command.path()), (fresh.from, "/0".into()));
            assert_eq!(world.obey(command).len(), 5);
            assert_eq!(world.outcome(*new), Ok(()));
            world.assert_works();
        }
    }
}

#[test]
fn another_name_of_the_same_peer_takes_its_place() {
    let mut world = World::new();
    let (old, _) = world.start(&plan());
    world.ask(&Request {
        queries: &["ep=other"],
        ..Request::default()
    });
    assert!(matches!(
        world.events()[..],
        [
            Event::Ended { bootstrap, outcome: Err(BootstrapFailure::Superseded), .. },
            Event::Requested { .. }
        ] if bootstrap == old
    ));
    assert_eq!(world.machine.find("device"), None);
    assert!(world.machine.find("other").is_some());
}

#[test]
fn one_request_takes_the_place_of_one_by_name_and_one_by_peer() {
    let mut world = World::new();
    world.requested(&Request::default());
    world.requested(&Request {
        from: 2,
        queries: &["ep=other"],
        ..Request::default()
    });
    world.ask(&Request {
        from: 2,
        ..Request::default()
    });
    let events = world.events();
    let ended = events
        .iter()
        .filter(|event| matches!(event, Event::Ended { .. }))
        .count();
    assert_eq!((events.len(), ended), (3, 2));
    assert_eq!(world.machine.usage().waiting, 1);
}

#[test]
fn a_waiting_request_that_a_fresh_one_replaces_is_answered_5_03() {
    let mut world = World::new();
    let old = world.requested(&Request::default());
    world.ask(&Request::default());
    assert_eq!(world.sent_one().code(), Code::SERVICE_UNAVAILABLE);
    assert!(matches!(
        world.events()[..],
        [Event::Ended { bootstrap, .. }, Event::Requested { .. }] if bootstrap == old
    ));
}

#[test]
fn clients_are_bootstrapped_side_by_side() {
    let mut world = World::new();
    let names: Vec<String> = (0..20).map(|n| format!("ep=device-{n}")).collect();
    let mut commands = Vec::new();
    for (from, name) in (0..).zip(&names) {
        let bootstrap = world.requested(&Request {
            from,
            queries: &[name],
            ..Request::default()
        });
        world.machine.start(world.now, bootstrap, &plan()).unwrap();
        commands.push(world.sent().pop().unwrap());
    }
    assert_eq!(world.machine.usage().under_way, 20);
    while !commands.is_empty() {
        let mut next = Vec::new();
        for command in commands.iter().rev() {
            world.answer(command, success(command));
            next.extend(world.sent());
        }
        commands = next;
    }
    let ended = world
        .events()
        .iter()
        .filter(|event| {
            matches!(
                event,
                Event::Ended {
                    outcome: Ok(()),
                    ..
                }
            )
        })
        .count();
    assert_eq!(ended, 20);
    world.assert_works();
}

#[test]
fn the_application_begins_a_bootstrap_without_a_request() {
    let mut world = World::new();
    let bootstrap = world
        .machine
        .begin(world.now, "device", 5, Channel::Udp, &plan())
        .unwrap();
    let command = world.sent_one();
    assert_eq!(
        (command.to, command.code().method()),
        (5, Some(Method::Delete))
    );
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
    assert_eq!(world.machine.stats().begun, 1);

    // Over SMS nothing is sent twice (TS 8.6.2).
    let bootstrap = world
        .machine
        .begin(world.now, "device", 6, Channel::Sms, &plan())
        .unwrap();
    assert_eq!(world.sent().len(), 1);
    // An answer may take six minutes (MAX_RTT), and no longer.
    world.pass(Duration::from_secs(361));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(10));
    assert!(world.sent().is_empty());
    let Err(BootstrapFailure::Step { failure, .. }) = world.outcome(bootstrap) else {
        panic!("the step has no answer");
    };
    assert_eq!(failure, StepFailure::Timeout);
    let invalid = world
        .machine
        .begin(world.now, "device", 5, Channel::Udp, &Plan::new());
    assert!(matches!(invalid, Err(StartError::Plan(_))));
    world.assert_works();
}

#[test]
fn a_request_of_the_client_ends_a_bootstrap_that_was_begun_without_one() {
    let mut world = World::new();
    let begun = world
        .machine
        .begin(world.now, "device", 1, Channel::Udp, &plan())
        .unwrap();
    world.sent();
    let secure = Request {
        identity: Identity::Psk(b"device"),
        ..Request::default()
    };
    world.ask(&secure);
    assert!(matches!(
        world.events()[..],
        [Event::Ended { bootstrap, .. }, Event::Requested { .. }] if bootstrap == begun
    ));
    // Without security, too, from the peer that was asked for and no other.
    world.sent();
    world
        .machine
        .begin(world.now, "lamp", 3, Channel::Udp, &plan())
        .unwrap();
    world.sent();
    world.events();
    for (from, ends) in [(4, false), (3, true)] {
        world.ask(&Request {
            from,
            queries: &["ep=lamp"],
            ..Request::default()
        });
        let events = world.events();
        let ended = matches!(events[..], [Event::Ended { .. }, Event::Requested { .. }]);
        assert_eq!(ended, ends, "{events:?}");
    }
    // And the other way round.
    let again = world
        .machine
        .begin(world.now, "device", 1, Channel::Udp, &plan());
    assert!(again.is_ok());
    assert!(matches!(
        world.event(),
        Event::Ended {
            outcome: Err(BootstrapFailure::Superseded),
            ..
        }
    ));
}

#[test]
fn a_lost_connection_ends_the_bootstrap_and_nothing_more_is_sent() {
    for started in [false, true] {
        let mut world = World::new();
        let bootstrap = world.requested(&Request::default());
        if started {
            world.machine.start(world.now, bootstrap, &plan()).unwrap();
            world.sent();
        }
        world.machine.peer_gone(world.now, &2);
        assert!(world.events().is_empty());
        world.machine.peer_gone(world.now, &1);
        assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::PeerGone));
        world.pass(Duration::from_secs(300));
        assert!(world.sent().is_empty() && world.events().is_empty());
        world.assert_works();
    }
}

#[test]
fn the_application_ends_a_bootstrap() {
    let mut world = World::new();
    let bootstrap = world.requested(&Request::default());
    assert!(world.machine.abort(world.now, bootstrap));
    assert_eq!(world.sent_one().code(), Code::SERVICE_UNAVAILABLE);
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Aborted));
    assert!(!world.machine.abort(world.now, bootstrap));

    let (bootstrap, command) = world.start(&plan());
    assert!(world.machine.abort(world.now, bootstrap));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Aborted));
    world.answer_code(&command, Code::DELETED);
    world.sent();
    assert!(world.events().is_empty());

    let bootstrap = inconsistent(&mut world);
    assert!(world.machine.abort(world.now, bootstrap));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Aborted));
    world.assert_works();
}

/// A Bootstrap-Finish that is under way.
fn finishing(world: &mut World) -> (BootstrapId, Sent) {
    let (bootstrap, command) = world.start(&write().finish());
    (bootstrap, world.next(&command))
}

#[track_caller]
fn may_have_finished(world: &mut World) -> bool {
    let ended = world.events().into_iter().find_map(|event| match event {
        Event::Ended {
            may_have_finished, ..
        } => Some(may_have_finished),
        _ => None,
    });
    ended.expect("it has ended")
}

#[test]
fn a_finish_whose_answer_is_missing_may_have_been_carried_out() {
    type Ending = fn(&mut World, BootstrapId, &Sent);
    let endings: [(&str, bool, Ending); 9] = [
        ("time", true, |world, _, _| {
            world.pass(Duration::from_secs(100));
        }),
        ("loss of the connection", true, |world, _, finish| {
            world.machine.peer_gone(world.now, &finish.to);
        }),
        ("the application", true, |world, bootstrap, _| {
            assert!(world.machine.abort(world.now, bootstrap));
        }),
        ("a fresh request", true, |world, _, _| {
            world.ask(&Request::default());
        }),
        ("a late answer", true, |world, _, finish| {
            world.now += Duration::from_secs(300);
            world.answer_code(finish, Code::CHANGED);
        }),
        ("a refusal", false, |world, _, finish| {
            world.answer_code(finish, Code::BAD_REQUEST);
        }),
        ("a code of no meaning", false, |world, _, finish| {
            world.answer_code(finish, Code::INTERNAL_SERVER_ERROR);
        }),
        ("a Reset", false, |world, _, finish| world.reset(finish)),
        ("success", false, |world, _, finish| {
            world.answer_code(finish, Code::CHANGED);
        }),
    ];
    for (what, expected, end) in endings {
        let mut world = World::new();
        let (bootstrap, finish) = finishing(&mut world);
        end(&mut world, bootstrap, &finish);
        assert_eq!(may_have_finished(&mut world), expected, "ended by {what}");
    }

    // Another step leaves nothing open; nor does a Finish that was answered 4.06.
    let mut world = World::new();
    world.start(&write().finish());
    world.pass(Duration::from_secs(100));
    assert!(!may_have_finished(&mut world));
    let mut world = World::new();
    inconsistent(&mut world);
    world.pass(Duration::from_secs(300));
    assert!(!may_have_finished(&mut world));
}

/// Short messages take up to three minutes each way, and a client that is bootstrapped over SMS knows.
#[test]
fn over_sms_a_client_gives_up_after_the_exchange_lifetime_of_short_messages() {
    let mut world = World::new();
    let begun = world
        .machine
        .begin(world.now, "device", 6, Channel::Sms, &write());
    let bootstrap = begun.unwrap();
    let command = world.sent_one();
    world.pass(Duration::from_secs(300));
    assert!(world.events().is_empty());
    let message = command.message();
    let answer = success(&command).finish(
        MessageType::Acknowledgement,
        message.message_id(),
        message.token(),
    );
    let datagram = Datagram {
        channel: Channel::Sms,
        ..Datagram::new(6, answer.as_ref())
    };
    world.machine.handle_datagram(world.now, datagram).unwrap();
    assert!(matches!(world.event(), Event::Paused { .. }));
    // EXCHANGE_LIFETIME with the latency of short messages is 407 seconds, from the command on.
    world.pass(Duration::from_secs(106));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.outcome(bootstrap), Err(BootstrapFailure::Silence));
}
