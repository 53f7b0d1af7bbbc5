//! The commands of a plan: what is sent, when, and in which format (TS 5.2.7, Table 23).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, InstanceId, Method, Value, codec::Content};
use lwm2m_statemachine::{
    bootstrap_server::{
        Discovered, InvalidCall, InvalidPlan, PauseReason, Plan, StartError, Step, StepFailure,
    },
    coap::{MessageBuf, MessageType},
};

use crate::support::{Event, Request, Sent, World, lifetime, path, plan, success, write};

fn format(sent: &Sent) -> Option<ContentFormat> {
    sent.message().content_format()
}

#[test]
fn steps_are_sent_one_by_one_and_each_after_the_answer_to_the_one_before() {
    let mut world = World::new();
    let plan = Plan::new()
        .discover(path("/"))
        .discover(path("/0"))
        .delete(path("/"))
        .delete(path("/0"))
        .delete(path("/2/7"))
        .write(path("/1"), lifetime())
        .write(path("/1/0"), lifetime())
        .write(path("/1/0/1"), lifetime())
        .finish();
    let (_, command) = world.start(&plan);
    assert_eq!(command.message().accept(), Some(ContentFormat::LINK_FORMAT));
    let told = world.obey(command);
    assert_eq!(
        told,
        [
            "Get ",
            "Get /0",
            "Delete ",
            "Delete /0",
            "Delete /2/7",
            "Put /1",
            "Put /1/0",
            "Put /1/0/1",
            "Post /bs"
        ]
    );
    let events = world.events();
    assert!(matches!(
        events[..],
        [
            Event::Discovered { .. },
            Event::Discovered { .. },
            Event::Ended {
                outcome: Ok(()),
                ..
            }
        ]
    ));
    assert_eq!(world.machine.find("device"), None);
    let stats = world.machine.stats();
    assert_eq!(
        (
            stats.requested,
            stats.commands,
            stats.finished,
            stats.failed
        ),
        (1, 9, 1, 0)
    );
    world.assert_works();
}

#[test]
fn answers_may_be_separate_at_every_step() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    let mut next = Some(command);
    let mut steps = 0;
    while let Some(command) = next {
        world.acknowledge(&command);
        world.pass(Duration::from_secs(30));
        assert!(world.sent().is_empty());
        let id = 0x7000 + steps;
        let wire =
            success(&command).finish(MessageType::Confirmable, id, command.message().token());
        world.deliver(1, wire.as_ref());
        let mut sent = world.sent();
        assert_eq!(sent.remove(0).kind(), MessageType::Acknowledgement);
        next = sent.pop();
        steps += 1;
    }
    assert_eq!(steps, 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn an_answer_that_arrives_before_the_acknowledgement_counts() {
    let mut world = World::new();
    let (_, command) = world.start(&plan());
    let wire = success(&command).finish(
        MessageType::NonConfirmable,
        0x7000,
        command.message().token(),
    );
    world.deliver(1, wire.as_ref());
    assert_eq!(world.sent_one().path(), "/1");
}

#[test]
fn what_is_answered_4_15_is_sent_in_the_other_format_and_so_is_what_follows() {
    for (first, other) in [
        (ContentFormat::TLV, ContentFormat::JSON),
        (ContentFormat::JSON, ContentFormat::TLV),
    ] {
        let mut world = World::new();
        let plan = Plan::new()
            .write_in(first, path("/1/0/1"), lifetime())
            .write(path("/1/0"), lifetime())
            .write_in(first, path("/1/0/1"), lifetime())
            .finish();
        let (bootstrap, command) = world.start(&plan);
        assert_eq!(format(&command), Some(first));
        world.answer_code(&command, Code::UNSUPPORTED_CONTENT_FORMAT);
        let command = world.sent_one();
        assert_eq!(
            (format(&command), command.path()),
            (Some(other), "/1/0/1".into())
        );
        assert!(!command.payload().is_empty());
        // One that asks for no format is in the one that the client takes.
        let command = world.next(&command);
        assert_eq!(
            (format(&command), command.path()),
            (Some(other), "/1/0".into())
        );
        // One that asks for the refused one is first sent in that.
        let command = world.next(&command);
        assert_eq!(format(&command), Some(first));
        world.answer_code(&command, Code::UNSUPPORTED_CONTENT_FORMAT);
        let command = world.sent_one();
        assert_eq!(format(&command), Some(other));
        world.obey(command);
        assert_eq!(world.outcome(bootstrap), Ok(()));
        assert_eq!(world.machine.stats().commands, 6);
    }
}

#[test]
fn what_no_format_carries_to_the_client_fails_with_4_15() {
    for (first, tries) in [
        (
            ContentFormat::TLV,
            &[ContentFormat::TLV, ContentFormat::JSON][..],
        ),
        (
            ContentFormat::JSON,
            &[ContentFormat::JSON, ContentFormat::TLV],
        ),
        (
            ContentFormat::TEXT,
            &[ContentFormat::TEXT, ContentFormat::TLV, ContentFormat::JSON],
        ),
    ] {
        let mut world = World::new();
        let plan = Plan::new()
            .write_in(first, path("/1/0/1"), lifetime())
            .finish();
        let (bootstrap, mut command) = world.start(&plan);
        for (index, tried) in tries.iter().enumerate() {
            assert_eq!(format(&command), Some(*tried));
            world.answer_code(&command, Code::UNSUPPORTED_CONTENT_FORMAT);
            if index + 1 < tries.len() {
                command = world.sent_one();
            }
        }
        let (step, failure) = world.failure(bootstrap);
        assert_eq!(
            failure,
            StepFailure::Refused(Code::UNSUPPORTED_CONTENT_FORMAT)
        );
        assert_eq!(step.format, tries.last().copied());
    }
}

#[test]
fn single_resources_may_be_text_or_opaque() {
    let key = path("/0/1/5");
    for (format, path, content, payload) in [
        (ContentFormat::TEXT, path("/1/0/1"), lifetime(), &b"60"[..]),
        (
            ContentFormat::OPAQUE,
            key,
            Content::from_iter([(key, Value::Opaque(vec![1, 2, 3]))]),
            &[1, 2, 3],
        ),
        (
            ContentFormat::OPAQUE,
            key,
            Content::from_iter([(key, Value::Opaque(vec![]))]),
            &[],
        ),
    ] {
        let mut world = World::new();
        let (_, command) = world.start(&Plan::new().write_in(format, path, content).finish());
        assert_eq!(command.message().content_format(), Some(format));
        assert_eq!(command.payload(), payload);
        assert_eq!(command.code().method(), Some(Method::Put));
    }
}

#[test]
fn a_large_value_is_sent_in_blocks() {
    let mut world = World::new();
    let certificate = path("/0/1/4");
    let content = Content::from_iter([(certificate, Value::Opaque(vec![7; 2500]))]);
    let plan = Plan::new()
        .write_in(ContentFormat::OPAQUE, certificate, content)
        .finish();
    let (bootstrap, mut command) = world.start(&plan);
    let mut body = Vec::new();
    for number in 0..3 {
        let block = command.message().block1().expect("a block");
        assert_eq!((block.number(), block.more()), (number, number < 2));
        body.extend_from_slice(command.payload());
        let code = if block.more() {
            Code::CONTINUE
        } else {
            Code::CHANGED
        };
        let mut response = MessageBuf::response(code);
        response.block1(block).unwrap();
        world.answer(&command, response);
        command = world.sent_one();
    }
    assert_eq!(body, [7; 2500]);
    assert_eq!(command.path(), "/bs");
    world.obey(command);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn steps_may_follow_from_what_a_discover_found() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&Plan::new().discover(path("/")));
    let answer = br#"lwm2m="1.0",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</5>"#;
    world.answer(&command, lwm2m_kit::response(Code::CONTENT, answer));
    assert!(world.sent().is_empty());
    let mut events = world.events();
    assert!(matches!(
        events.pop(),
        Some(Event::Paused {
            reason: PauseReason::StepsDone,
            ..
        })
    ));
    let Some(Event::Discovered {
        path: asked, found, ..
    }) = events.pop()
    else {
        panic!("nothing found");
    };
    assert_eq!(asked, path("/"));
    assert_eq!(found.bootstrap_account().map(InstanceId::get), Some(0));
    assert_eq!(found.servers().count(), 1);
    assert_eq!(found.objects().len(), 4);
    assert_eq!(
        found.enabler().map(|version| version.to_string()),
        Some("1.0".into())
    );
    assert_ne!(found, Discovered::default());
    assert!(world.machine.is_waiting(bootstrap));

    // A pause, and then the rest.
    world.pass(Duration::from_secs(200));
    world.machine.resume(world.now, bootstrap, &plan()).unwrap();
    assert_eq!(
        world.machine.resume(world.now, bootstrap, &plan()),
        Err(StartError::NotWaiting)
    );
    let command = world.sent_one();
    assert_eq!(world.obey(command).len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
    assert_eq!(
        world.machine.resume(world.now, bootstrap, &plan()),
        Err(StartError::UnknownBootstrap)
    );
}

#[test]
fn the_steps_of_a_bootstrap_count_on_after_a_pause() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&Plan::new().discover(path("/0")).delete(path("/0")));
    let command = world.next(&command);
    world.answer(&command, success(&command));
    world.events();
    world
        .machine
        .resume(world.now, bootstrap, &write().finish())
        .unwrap();
    let command = world.sent_one();
    world.answer_code(&command, Code::BAD_REQUEST);
    assert_eq!(world.failure(bootstrap).0.index, 2);
}

#[test]
fn a_plan_that_no_requests_can_be_made_of_is_not_taken() {
    let elsewhere = Content::from_iter([(path("/1/1/1"), 60)]);
    let text = Content::from_iter([(path("/1/0/1"), "sixty")]);
    let step = |error| InvalidPlan::Step { step: 1, error };
    let delete = || Plan::new().delete(path("/0"));
    for (plan, expected) in [
        (Plan::new(), InvalidPlan::Empty),
        (Plan::new().finish().finish(), InvalidPlan::BehindFinish(1)),
        (
            delete().discover(path("/3/0")),
            step(InvalidCall::Path(path("/3/0"))),
        ),
        (
            delete().delete(path("/3/0/1")),
            step(InvalidCall::Path(path("/3/0/1"))),
        ),
        (
            delete().write(path("/"), lifetime()),
            step(InvalidCall::Path(path("/"))),
        ),
        (
            delete().write_in(ContentFormat::LINK_FORMAT, path("/1/0"), lifetime()),
            step(InvalidCall::Format(ContentFormat::LINK_FORMAT)),
        ),
    ] {
        let mut world = World::new();
        let bootstrap = world.requested(&Request::default());
        let started = world.machine.start(world.now, bootstrap, &plan);
        assert_eq!(started, Err(StartError::Plan(expected)));
        // The request still waits.
        world
            .machine
            .start(world.now, bootstrap, &crate::support::plan())
            .unwrap();
    }
    for content in [elsewhere, text] {
        let mut world = World::new();
        let bootstrap = world.requested(&Request::default());
        let plan = delete().write(path("/1/0"), content);
        let started = world.machine.start(world.now, bootstrap, &plan);
        assert!(
            matches!(
                started,
                Err(StartError::Plan(InvalidPlan::Step { step: 1, .. }))
            ),
            "{started:?}"
        );
    }
}

#[test]
fn plans_are_data() {
    let mut plan: Plan = [Step::Discover(path("/")), Step::TryDelete(path("/1"))]
        .into_iter()
        .collect();
    plan.extend([Step::Finish]);
    assert_eq!(
        plan,
        Plan::new()
            .discover(path("/"))
            .try_delete(path("/1"))
            .finish()
    );
    assert_eq!(plan.steps().len(), 3);
    assert!(plan.bytes() > 0);
    assert_eq!(plan.clone().into_iter().count(), 3);
    assert_eq!(
        format!("{plan:?}"),
        "[Discover /, Delete /1 (may be refused), Bootstrap-Finish]"
    );
}
