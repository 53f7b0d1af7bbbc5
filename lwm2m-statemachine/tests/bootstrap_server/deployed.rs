//! Clients that behave as deployed ones do, each played by a script.

use lwm2m_core::{Code, ContentFormat, InstanceId, Method, ObjectId};
use lwm2m_statemachine::{
    BootstrapId,
    bootstrap_server::{
        Discovered, PauseReason, Plan, StepFailure,
        plans::{self, BootstrapAccount},
    },
    coap::{MessageBuf, MessageType, Token},
};

use crate::support::{Event, Sent, World, account, path, plan, success};

/// What a client answers to a command, and how.
enum Reply {
    /// In the acknowledgement.
    At(MessageBuf),
    /// By an empty acknowledgement, and a confirmable message later.
    Separate(MessageBuf),
}

fn code(code: Code) -> Reply {
    Reply::At(MessageBuf::response(code))
}

/// Plays a client until the machine sends nothing more. Returns what it was told.
fn play(world: &mut World, first: Sent, mut script: impl FnMut(&Sent) -> Reply) -> Vec<String> {
    let mut told = Vec::new();
    let mut next = Some(first);
    while let Some(command) = next {
        let method = command.code().method().expect("a command");
        let format = command.message().content_format();
        let format = format.map_or(String::new(), |format| format!(" {format}"));
        told.push(format!("{method:?} {}{format}", command.path()));
        match script(&command) {
            Reply::At(response) => world.answer(&command, response),
            Reply::Separate(response) => {
                world.acknowledge(&command);
                assert!(world.sent().is_empty() && world.events().is_empty());
                let token = command.message().token();
                let id = 0x4000 + u16::try_from(told.len()).unwrap();
                let wire = response.finish(MessageType::Confirmable, id, token);
                world.deliver(command.to, wire.as_ref());
            }
        }
        let mut sent = world.sent();
        // What is separate and confirmable is acknowledged.
        sent.retain(|sent| sent.code().method().is_some());
        assert!(sent.len() <= 1, "{sent:?}");
        next = sent.pop();
    }
    told
}

/// A Bootstrap-Request as an option-by-option dump of a deployed client has it: a token of 8 bytes,
/// and `pct` of a later version.
fn ask(world: &mut World, queries: &[&str]) -> BootstrapId {
    let mut request = MessageBuf::request(Method::Post);
    request.uri_path("bs").unwrap();
    for query in queries {
        request.uri_query(query).unwrap();
    }
    let token = Token::new(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let wire = request.finish(MessageType::Confirmable, 7, token);
    world.deliver(1, wire.as_ref());
    match world.event() {
        Event::Requested { bootstrap, .. } => bootstrap,
        event => panic!("{event:?}"),
    }
}

#[test]
fn a_client_that_answers_all_separately() {
    let mut world = World::new();
    let bootstrap = ask(&mut world, &["pct=112", "ep=device"]);
    world.machine.start(world.now, bootstrap, &plan()).unwrap();
    let [answer, command] = <[Sent; 2]>::try_from(world.sent()).unwrap();
    assert_eq!(answer.code(), Code::CHANGED);
    assert_eq!(answer.message().token().as_bytes().len(), 8);
    let told = play(&mut world, command, |command| {
        Reply::Separate(success(command))
    });
    assert_eq!(told.len(), 5);
    assert_eq!(world.outcome(bootstrap), Ok(()));
    world.assert_works();
}

#[test]
fn a_client_that_answers_the_finish_separately() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    play(&mut world, command, |command| {
        if command.path() == "/bs" {
            Reply::Separate(success(command))
        } else {
            Reply::At(success(command))
        }
    });
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

#[test]
fn a_client_that_deletes_no_object_but_security_as_a_whole() {
    // 4.00 is the code of the TS; clients that have one Delete for all interfaces answer the others.
    for refusal in [Code::BAD_REQUEST, Code::NOT_FOUND, Code::METHOD_NOT_ALLOWED] {
        let mut world = World::new();
        let (bootstrap, command) = world.start(&plan());
        let told = play(&mut world, command, |command| match &*command.path() {
            "/1" => code(refusal),
            _ => Reply::At(success(command)),
        });
        assert_eq!(told.first().unwrap(), "Delete /0");
        assert_eq!(world.outcome(bootstrap), Ok(()));
    }
}

#[test]
fn a_client_that_takes_one_format() {
    for (wanted, told_with) in [
        (ContentFormat::TLV, ["TLV", "TLV"].as_slice()),
        (ContentFormat::JSON, &["TLV", "JSON", "JSON"]),
    ] {
        let mut world = World::new();
        let (bootstrap, command) = world.start(&plan());
        let mut formats = Vec::new();
        play(&mut world, command, |command| {
            let format = command.message().content_format();
            if let Some(format) = format {
                formats.push(if format == ContentFormat::TLV {
                    "TLV"
                } else {
                    "JSON"
                });
            }
            match format {
                Some(format) if format != wanted => code(Code::UNSUPPORTED_CONTENT_FORMAT),
                _ => Reply::At(success(command)),
            }
        });
        assert_eq!(formats, told_with);
        assert_eq!(world.outcome(bootstrap), Ok(()));
    }
}

/// A client that is asked what it has, and answers so. What the application learns.
fn asked(answer: Reply) -> (World, BootstrapId, Result<Discovered, StepFailure>) {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&Plan::new().try_discover(path("/")));
    let mut answer = Some(answer);
    play(&mut world, command, |_| answer.take().unwrap());
    let [learned, paused] = <[Event; 2]>::try_from(world.events()).unwrap();
    let reason = PauseReason::StepsDone;
    assert!(matches!(paused, Event::Paused { reason: told, .. } if told == reason));
    let learned = match learned {
        Event::Discovered { found, .. } => Ok(found),
        Event::NotDiscovered { failure, .. } => Err(failure),
        event => panic!("{event:?}"),
    };
    (world, bootstrap, learned)
}

#[test]
fn a_client_whose_links_are_odd() {
    for answer in [
        // As in TS 5.2.7.3, with a blank.
        r#"lwm2m="1.0",</0/0>, </0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</5>,</4>"#,
        // The way of later versions.
        r#"</>;lwm2m=1.1,</0/0>;uri="coaps://192.0.2.9",</0/1>;ssid=101;uri="coap://192.0.2.1",</1/0>;ssid=101,</3/0>,</5>,</4>"#,
        // The list of a Register, and Resources with attributes.
        r#"</>;rt="oma.lwm2m";ct=11543,</0/0>,</0/0/0>,</0/1>;ssid="101",</1/0>;ssid=101;pmin=5,</3/0>,</3/0/1>,</5>,</4>"#,
        // Without the version, in another order, and with links of others.
        "</4>,</5>,</3/0>,</1/0>;ssid=101,</0/1>;ssid=101,</0/0>,</.well-known/core>",
    ] {
        let response = lwm2m_kit::response(Code::CONTENT, answer.as_bytes());
        let (mut world, bootstrap, learned) = asked(Reply::At(response));
        let found = learned.unwrap_or_else(|failure| panic!("{answer}: {failure}"));
        assert_eq!(
            found.bootstrap_account(),
            Some(InstanceId::ZERO),
            "{answer}"
        );
        assert_eq!(found.servers().count(), 1, "{answer}");
        let objects: Vec<_> = found.objects().into_iter().map(ObjectId::get).collect();
        assert_eq!(objects, [0, 1, 3, 4, 5], "{answer}");

        let add = plans::add_server(&found, account(102), |_| {
            plans::Rights::owned_by(crate::support::server_id(101))
        });
        world
            .machine
            .resume(world.now, bootstrap, &add.unwrap())
            .unwrap();
        let command = world.sent_one();
        assert_eq!(
            world.obey(command),
            ["Put /0/2", "Put /1/1", "Put /2", "Post /bs"]
        );
        assert_eq!(world.outcome(bootstrap), Ok(()));
    }
}

#[test]
fn a_client_without_discover_is_told_all_the_same() {
    let unusable = lwm2m_kit::response(Code::CONTENT, b"\x08\x00\x03\xc1\x01\x00");
    for answer in [
        code(Code::BAD_REQUEST),
        code(Code::NOT_FOUND),
        code(Code::METHOD_NOT_ALLOWED),
        code(Code::NOT_ACCEPTABLE),
        code(Code::NOT_IMPLEMENTED),
        Reply::Separate(MessageBuf::response(Code::METHOD_NOT_ALLOWED)),
        Reply::At(unusable),
    ] {
        let (mut world, bootstrap, learned) = asked(answer);
        assert!(learned.is_err());
        let own = BootstrapAccount::Keep(InstanceId::ZERO);
        let blind = plans::wipe_and_set(own, [account(101)], []).unwrap();
        world.machine.resume(world.now, bootstrap, &blind).unwrap();
        let command = world.sent_one();
        assert_eq!(command.code().method(), Some(Method::Delete));
        assert_eq!(command.path(), "");
        world.obey(command);
        assert_eq!(world.outcome(bootstrap), Ok(()));
    }
}

#[test]
fn a_client_that_is_discovered_after_the_writes() {
    let mut world = World::new();
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    let plan = plans::wipe_and_set(own, [account(101)], []).unwrap();
    let writes = plan.into_iter().filter(|step| step.path().is_some());
    let plan = writes.collect::<Plan>().try_discover(path("/")).finish();
    let (bootstrap, command) = world.start(&plan);
    let told = play(&mut world, command, |command| Reply::At(success(command)));
    let paths: Vec<_> = told
        .iter()
        .filter_map(|told| told.split(' ').nth(1))
        .collect();
    assert_eq!(paths, ["", "/0/1", "/1/0", "", "/bs"]);
    let [found, ended] = <[Event; 2]>::try_from(world.events()).unwrap();
    assert!(matches!(found, Event::Discovered { .. }));
    assert!(
        matches!(ended, Event::Ended { bootstrap: id, outcome: Ok(()), .. } if id == bootstrap)
    );
}

#[test]
fn a_client_that_asks_again_after_the_finish_has_another_bootstrap() {
    let mut world = World::new();
    let (first, command) = world.start(&plan());
    world.obey(command);
    assert_eq!(world.outcome(first), Ok(()));
    // It could not register, so it comes back.
    let (second, command) = world.start(&plan());
    assert_ne!(first, second);
    world.obey(command);
    assert_eq!(world.outcome(second), Ok(()));
}

#[test]
fn a_client_that_answers_with_another_token_is_not_believed() {
    let mut world = World::new();
    let (bootstrap, command) = world.start(&plan());
    world.acknowledge(&command);
    let other = Token::new(&[9; 8]).unwrap();
    let stray = MessageBuf::response(Code::DELETED).finish(MessageType::Confirmable, 1, other);
    world.deliver(command.to, stray.as_ref());
    // It is acknowledged, so that it doesn't come again, and says nothing.
    assert_eq!(world.sent_one().kind(), MessageType::Acknowledgement);
    assert!(world.events().is_empty());
    let token = command.message().token();
    let right = MessageBuf::response(Code::DELETED);
    let right = right.finish(MessageType::NonConfirmable, 2, token);
    world.deliver(command.to, right.as_ref());
    let command = world.sent_one();
    world.obey(command);
    assert_eq!(world.outcome(bootstrap), Ok(()));
}
