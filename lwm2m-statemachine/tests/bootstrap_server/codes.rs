//! Each answer to each command (TS Table 27).

use lwm2m_core::{Code, ContentFormat, Operation};
use lwm2m_statemachine::{
    bootstrap_server::{AnswerError, PauseReason, Plan, StepFailure},
    coap::MessageBuf,
};

use crate::support::{Event, World, lifetime, path, write};

const CODES: [Code; 17] = [
    Code::CREATED,
    Code::DELETED,
    Code::CHANGED,
    Code::CONTENT,
    Code::CONTINUE,
    Code::BAD_REQUEST,
    Code::UNAUTHORIZED,
    Code::FORBIDDEN,
    Code::NOT_FOUND,
    Code::METHOD_NOT_ALLOWED,
    Code::NOT_ACCEPTABLE,
    Code::PRECONDITION_FAILED,
    Code::REQUEST_ENTITY_TOO_LARGE,
    Code::UNSUPPORTED_CONTENT_FORMAT,
    Code::INTERNAL_SERVER_ERROR,
    Code::NOT_IMPLEMENTED,
    Code::SERVICE_UNAVAILABLE,
];

/// A plan of one step for each operation, and another step behind it to tell success by.
fn plans() -> [(Operation, Plan); 4] {
    [
        (
            Operation::BootstrapDiscover,
            Plan::new().discover(path("/")).delete(path("/0")),
        ),
        (
            Operation::BootstrapDelete,
            Plan::new().delete(path("/1/0")).delete(path("/0")),
        ),
        (Operation::BootstrapWrite, write().delete(path("/0"))),
        (Operation::BootstrapFinish, Plan::new().finish()),
    ]
}

#[test]
fn only_the_code_of_success_is_success() {
    for (operation, plan) in plans() {
        for code in CODES {
            let mut world = World::new();
            let (bootstrap, command) = world.start(&plan.clone());
            world.answer(&command, MessageBuf::response(code));
            let what = format!("{operation}: {code}");
            let special = match (operation, code) {
                (Operation::BootstrapWrite, Code::UNSUPPORTED_CONTENT_FORMAT) => true,
                (Operation::BootstrapFinish, Code::NOT_ACCEPTABLE) => {
                    let paused = world.event();
                    let reason = PauseReason::Inconsistent;
                    assert!(matches!(paused, Event::Paused { reason: told, .. } if told == reason));
                    continue;
                }
                _ => code == operation.success(),
            };
            if special {
                // Finish has no other command behind it.
                let next = world.sent().len();
                assert_eq!(
                    next,
                    usize::from(operation != Operation::BootstrapFinish),
                    "{what}"
                );
                continue;
            }
            let (step, failure) = world.failure(bootstrap);
            assert_eq!((step.index, step.operation), (0, operation), "{what}");
            assert_eq!(step.expected(), operation.success());
            let expected = if operation.allows(code) {
                StepFailure::Refused(code)
            } else {
                StepFailure::Unexpected(code)
            };
            assert_eq!(failure, expected, "{what}");
            assert!(world.sent().is_empty(), "{what}");
            world.assert_works();
        }
    }
}

#[test]
fn a_failure_names_the_step_its_code_and_what_was_expected() {
    let mut world = World::new();
    let plan = Plan::new()
        .delete(path("/0"))
        .write(path("/1/0/1"), lifetime());
    let (_, command) = world.start(&plan);
    let command = world.next(&command);
    world.answer_code(&command, Code::BAD_REQUEST);
    let Event::Ended {
        endpoint_name,
        peer,
        outcome,
        ..
    } = world.event()
    else {
        panic!("it goes on");
    };
    assert_eq!((&*endpoint_name, peer), ("device", 1));
    let failure = outcome.unwrap_err().to_string();
    for part in ["step 1", "Write of /1/0/1", "4.00", "expected 2.04"] {
        assert!(failure.contains(part), "{failure}");
    }
}

#[test]
fn a_delete_that_may_be_refused_goes_on_with_4_00_4_04_and_4_05_alone() {
    let refusals = [Code::BAD_REQUEST, Code::NOT_FOUND, Code::METHOD_NOT_ALLOWED];
    for code in CODES {
        let mut world = World::new();
        let plan = Plan::new().try_delete(path("/1")).delete(path("/0"));
        let (bootstrap, command) = world.start(&plan);
        world.answer_code(&command, code);
        if code == Code::DELETED || refusals.contains(&code) {
            assert_eq!(world.sent_one().path(), "/0", "{code}");
            assert!(world.events().is_empty());
        } else {
            let (step, failure) = world.failure(bootstrap);
            let expected = if step.operation.allows(code) {
                StepFailure::Refused(code)
            } else {
                StepFailure::Unexpected(code)
            };
            assert_eq!(failure, expected);
        }
    }
}

#[test]
fn a_discover_that_may_be_refused_tells_why_there_is_no_answer_and_goes_on() {
    let plan = || Plan::new().try_discover(path("/")).delete(path("/0"));
    let not_discovered = |world: &mut World| match world.event() {
        Event::NotDiscovered {
            path: asked,
            failure,
            ..
        } => {
            assert_eq!(asked, path("/"));
            failure
        }
        event => panic!("{event:?}"),
    };
    for code in CODES.into_iter().filter(|code| *code != Code::CONTENT) {
        let mut world = World::new();
        let (_, command) = world.start(&plan());
        world.answer_code(&command, code);
        let expected = if Operation::BootstrapDiscover.allows(code) {
            StepFailure::Refused(code)
        } else {
            StepFailure::Unexpected(code)
        };
        assert_eq!(not_discovered(&mut world), expected);
        assert_eq!(world.sent_one().path(), "/0");
    }

    let mut world = World::new();
    let (_, command) = world.start(&plan());
    world.answer(&command, lwm2m_kit::response(Code::CONTENT, b"nonsense"));
    assert!(matches!(
        not_discovered(&mut world),
        StepFailure::Undecodable(AnswerError::Links(_))
    ));
    assert_eq!(world.sent_one().path(), "/0");

    // One that is answered is as any other; one without an answer is a failure.
    let mut world = World::new();
    let (_, command) = world.start(&plan());
    world.answer(&command, lwm2m_kit::response(Code::CONTENT, b"</0/0>"));
    assert!(matches!(world.event(), Event::Discovered { .. }));
    assert_eq!(world.sent_one().path(), "/0");
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    world.reset(&command);
    assert_eq!(world.failure(bootstrap).1, StepFailure::Reset);
}

#[test]
fn an_answer_to_a_discover_that_cannot_be_used_fails_it() {
    let links = |payload: &[u8], format| {
        let mut response = MessageBuf::response(Code::CONTENT);
        if let Some(format) = format {
            response.content_format(format).unwrap();
        }
        response.payload(payload);
        response
    };
    let many = "</3/0>,".repeat(3000) + "</3/0>";
    for (payload, format, check) in [
        (
            &b"</0"[..],
            None,
            (|error| matches!(error, AnswerError::Links(_))) as fn(&AnswerError) -> bool,
        ),
        (b"</0/70000>", None, |error| {
            matches!(error, AnswerError::Links(_))
        }),
        (b"</0>", Some(ContentFormat::TLV), |error| {
            *error == AnswerError::Format(ContentFormat::TLV)
        }),
        (many.as_bytes(), Some(ContentFormat::LINK_FORMAT), |error| {
            matches!(error, AnswerError::TooLarge { .. })
        }),
    ] {
        let mut world = World::new();
        let (bootstrap, command) = world.start(&Plan::new().discover(path("/")).finish());
        world.answer(&command, links(payload, format));
        let (step, failure) = world.failure(bootstrap);
        assert_eq!(step.operation, Operation::BootstrapDiscover);
        match failure {
            StepFailure::Undecodable(error) => assert!(check(&error), "{error:?}"),
            failure => panic!("{failure:?}"),
        }
    }
}
