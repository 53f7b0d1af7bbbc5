//! Device management by the server: each operation on the wire, and all its outcomes (TS 5.4,
//! 8.2.5, 8.5).

use core::time::Duration;

use lwm2m_core::{
    Arguments, AttributeError, AttributeName, Attributes, AttributesUpdate, Change, Code,
    ContentFormat, DataType, InstanceId, Method, ObjectId, Operation, Path, Value, WriteMode,
    codec::Content,
};
use lwm2m_objects::{ObjectDefinition, Operations, Registry, ResourceDefinition};
use lwm2m_statemachine::{
    OperationId, Outcome, RegistrationId, ServerEvent,
    coap::{BlockOption, MessageBuf, MessageType, Token},
    payload::Malformed,
    server::{AnswerError, CallError, DiscoveredLink, InvalidCall, Overload},
};

use crate::support::{Request, Sent, World, path};

/// A server with one client.
fn world() -> (World, RegistrationId) {
    let mut world = World::new();
    let (id, _) = world.register();
    (world, id)
}

/// Like [`world`], and the client's Objects are under `/lwm2m`.
fn alternate() -> (World, RegistrationId) {
    let mut world = World::new();
    let (id, _) = world.register_as(&Request {
        payload: br#"</lwm2m>;rt="oma.lwm2m",</lwm2m/1/0>,</lwm2m/3/0>"#,
        ..Request::default()
    });
    (world, id)
}

fn response(code: Code, format: Option<ContentFormat>, payload: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::response(code);
    if let Some(format) = format {
        message.content_format(format).unwrap();
    }
    if !payload.is_empty() {
        message.payload(payload);
    }
    message
}

/// Issues an operation, and takes its confirmable request to the client.
fn ask(
    world: &mut World,
    call: impl FnOnce(&mut World) -> Result<OperationId, CallError>,
) -> (OperationId, Sent) {
    let operation = call(world).unwrap();
    let request = world.sent_one();
    assert_eq!(request.to, 1);
    assert_eq!(request.message().kind(), MessageType::Confirmable);
    (operation, request)
}

fn read(
    world: &mut World,
    id: RegistrationId,
    at: &str,
    format: Option<ContentFormat>,
) -> (OperationId, Sent) {
    ask(world, |world| {
        world.server.read(world.now, id, path(at), format)
    })
}

/// Reads, lets the client answer like this, and returns the outcome.
fn read_answered(at: &str, format: Option<ContentFormat>, payload: &[u8]) -> Outcome {
    let (mut world, id) = world();
    let (operation, request) = read(&mut world, id, at, None);
    world.answer(&request, response(Code::CONTENT, format, payload));
    let outcome = world.outcome(operation);
    assert_eq!(world.server.usage().operations, 0);
    world.assert_works();
    outcome
}

fn content<V: Into<Value>>(values: impl IntoIterator<Item = (&'static str, V)>) -> Content {
    values
        .into_iter()
        .map(|(at, value)| (path(at), value))
        .collect()
}

#[test]
fn read_asks_with_get_and_the_format_that_is_wanted() {
    let (mut world, id) = world();
    for (at, format) in [
        ("/3", None),
        ("/3/0", Some(ContentFormat::TLV)),
        ("/3/0/0", Some(ContentFormat::TEXT)),
    ] {
        let (operation, request) = read(&mut world, id, at, format);
        let message = request.message();
        assert_eq!((message.code(), request.path()), (Code::GET, at.into()));
        assert_eq!((message.accept(), message.observe()), (format, None));
        assert!(message.payload().is_empty());
        world.answer_code(&request, Code::NOT_FOUND);
        world.outcome(operation);
    }
}

/// RFC 7959 §2.4: the format is that of the body. Some clients send it with the first block only.
#[test]
fn a_body_in_blocks_is_of_the_format_that_its_first_block_says() {
    let tlv = b"\xc1\x09\x55\xc8\x00\x14Open Mobile Alliance";
    let (mut world, id) = world();
    let (operation, mut request) = read(&mut world, id, "/3/0", None);
    let blocks = tlv.chunks(16).enumerate();
    for (number, payload) in blocks {
        let more = (number + 1) * 16 < tlv.len();
        let block = BlockOption::new(u32::try_from(number).unwrap(), more, 16).unwrap();
        let mut answer = MessageBuf::response(Code::CONTENT);
        if number == 0 {
            answer.content_format(ContentFormat::TLV).unwrap();
        } else {
            let asked = request.message().block2().map(BlockOption::number);
            assert_eq!(asked, Some(block.number()));
        }
        answer.block2(block).unwrap().payload(payload);
        world.answer(&request, answer);
        if more {
            request = world.sent_one();
        }
    }
    let expected = content([
        ("/3/0/9", Value::Integer(85)),
        ("/3/0/0", Value::from("Open Mobile Alliance")),
    ]);
    assert_eq!(world.outcome(operation), Outcome::Content(expected));
}

#[test]
fn read_as_text_is_typed_by_the_definition_with_or_without_content_format() {
    for format in [None, Some(ContentFormat::TEXT)] {
        assert_eq!(
            read_answered("/3/0/9", format, b"85"),
            Outcome::Content(content([("/3/0/9", 85)]))
        );
        assert_eq!(
            read_answered("/3/0/0", format, b"Open Mobile Alliance"),
            Outcome::Content(content([("/3/0/0", "Open Mobile Alliance")]))
        );
    }
    assert_eq!(
        read_answered("/3/0/13", None, b"1367491215"),
        Outcome::Content(content([("/3/0/13", Value::Time(1_367_491_215))]))
    );
    assert_eq!(
        read_answered("/3/0/0", None, b""),
        Outcome::Content(content([("/3/0/0", "")]))
    );
}

#[test]
fn read_as_tlv_holds_bare_resources_or_the_instance_around_them() {
    let expected = Outcome::Content(content([
        ("/3/0/0", Value::from("OMA")),
        ("/3/0/7/0", Value::from(3800)),
        ("/3/0/7/1", Value::from(5000)),
        ("/3/0/9", Value::from(100)),
    ]));
    let bare = b"\xc3\x00OMA\x88\x07\x08\x42\x00\x0e\xd8\x42\x01\x13\x88\xc1\x09\x64";
    let mut wrapped = vec![0x08, 0, u8::try_from(bare.len()).unwrap()];
    wrapped.extend_from_slice(bare);
    for (at, payload) in [("/3/0", &bare[..]), ("/3/0", &wrapped), ("/3", &wrapped)] {
        assert_eq!(
            read_answered(at, Some(ContentFormat::TLV), payload),
            expected
        );
    }
    // A single Resource may also come as TLV (without Accept many do so), and a float in 4 bytes.
    assert_eq!(
        read_answered("/3/0/9", Some(ContentFormat::TLV), &[0xc1, 9, 85]),
        Outcome::Content(content([("/3/0/9", 85)]))
    );
}

#[test]
fn what_has_no_definition_is_read_as_raw_bytes() {
    let raw = |bytes: &[u8]| Value::Raw(bytes.to_vec());
    assert_eq!(
        read_answered(
            "/31024/1",
            Some(ContentFormat::TLV),
            &[0xc2, 5, 1, 2, 0xc1, 6, 3]
        ),
        Outcome::Content(content([
            ("/31024/1/5", raw(&[1, 2])),
            ("/31024/1/6", raw(&[3]))
        ]))
    );
    assert_eq!(
        read_answered("/31024/1/5", None, b"23.5"),
        Outcome::Content(content([("/31024/1/5", raw(b"23.5"))]))
    );
    // A Resource that the definition of its Object lacks.
    assert_eq!(
        read_answered("/3/0", Some(ContentFormat::TLV), &[0xe1, 0x77, 0x77, 3]),
        Outcome::Content(content([("/3/0/30583", raw(&[3]))]))
    );
}

#[test]
fn answers_that_mean_nothing_are_told_as_such() {
    for (at, format, payload) in [
        ("/3/0", Some(ContentFormat::TLV), &b"\xc8"[..]),
        ("/3/0", Some(ContentFormat::TLV), b"\xc1\x09"),
        ("/3/0/9", None, b"many"),
        ("/3/0", None, b"85"),
        ("/3/0/0", None, b"\xff\xfe"),
    ] {
        let outcome = read_answered(at, format, payload);
        assert!(
            matches!(
                outcome,
                Outcome::Undecodable(AnswerError::Malformed(
                    Malformed::Tlv(_) | Malformed::Text(_)
                ))
            ),
            "{outcome:?}"
        );
    }
    let strange = ContentFormat::new(60);
    assert_eq!(
        read_answered("/3/0", Some(strange), b"\xa0"),
        Outcome::Undecodable(AnswerError::Format(strange))
    );
    assert_eq!(
        read_answered("/3/0", Some(ContentFormat::LINK_FORMAT), b"</3/0>"),
        Outcome::Undecodable(AnswerError::Format(ContentFormat::LINK_FORMAT))
    );
}

/// Every operation, ready to be called.
type Call = fn(&mut World, RegistrationId) -> Result<OperationId, CallError>;
const CALLS: [(Operation, Call); 8] = [
    (Operation::Read, |w, id| {
        w.server.read(w.now, id, path("/3/0"), None)
    }),
    (Operation::Discover, |w, id| {
        w.server.discover(w.now, id, path("/3"))
    }),
    (Operation::Write, |w, id| {
        let value = content([("/3/0/14", "+02:00")]);
        w.server
            .write(w.now, id, path("/3/0/14"), WriteMode::Replace, None, &value)
    }),
    (Operation::WriteAttributes, |w, id| {
        let update = AttributesUpdate {
            pmin: Change::Set(1),
            ..AttributesUpdate::default()
        };
        w.server
            .write_attributes(w.now, id, path("/3/0/9"), &update)
    }),
    (Operation::Execute, |w, id| {
        w.server
            .execute(w.now, id, path("/3/0/4"), &Arguments::NONE)
    }),
    (Operation::Create, |w, id| {
        w.server
            .create(w.now, id, ObjectId::new(2), None, None, &Content::new())
    }),
    (Operation::Delete, |w, id| {
        w.server.delete(w.now, id, path("/2/1"))
    }),
    (Operation::Observe, |w, id| {
        w.server.observe(w.now, id, path("/3/0/9"), None)
    }),
];

#[test]
fn error_codes_are_told_exactly() {
    for (operation, call) in CALLS {
        for code in operation
            .response_codes()
            .iter()
            .copied()
            .filter(|code| !code.is_success())
            .chain([
                Code::INTERNAL_SERVER_ERROR,
                Code::BAD_OPTION,
                Code::new(4, 29),
            ])
        {
            let (mut world, id) = world();
            let (handle, request) = ask(&mut world, |world| call(world, id));
            world.answer_code(&request, code);
            assert_eq!(
                world.outcome(handle),
                Outcome::Refused { code },
                "{operation}"
            );
        }
    }
}

#[test]
fn a_success_that_the_operation_does_not_have_is_no_success() {
    for (operation, call) in CALLS {
        for code in [
            Code::CREATED,
            Code::DELETED,
            Code::VALID,
            Code::CHANGED,
            Code::CONTENT,
        ] {
            if code == operation.success() {
                continue;
            }
            let (mut world, id) = world();
            let (handle, request) = ask(&mut world, |world| call(world, id));
            world.answer_code(&request, code);
            assert_eq!(
                world.outcome(handle),
                Outcome::Unexpected { code },
                "{operation}"
            );
        }
    }
}

#[test]
fn no_answer_ends_in_a_timeout_after_the_retransmissions() {
    for (operation, call) in CALLS {
        // Long enough to see the timeout rather than the registration's expiry.
        let mut world = World::new();
        let (id, _) = world.register_as(&Request {
            queries: &["ep=device", "lt=86400", "lwm2m=1.0"],
            ..Request::default()
        });
        let (handle, request) = ask(&mut world, |world| call(world, id));
        let mut copies = 0;
        let begin = world.now;
        while world.server.usage().operations > 0 {
            world.pass(Duration::from_millis(500));
            for copy in world.sent() {
                assert_eq!(copy.message().message_id(), request.message().message_id());
                copies += 1;
            }
            assert!(world.now < begin + Duration::from_secs(100), "{operation}");
        }
        assert_eq!(copies, 4);
        assert_eq!(world.outcome(handle), Outcome::Timeout);
        // A late response isn't taken for an answer.
        world.answer_code(&request, operation.success());
        assert!(world.events().is_empty());
        world.assert_works();
    }
}

#[test]
fn a_reset_ends_the_operation() {
    for (operation, call) in CALLS {
        let (mut world, id) = world();
        let (handle, request) = ask(&mut world, |world| call(world, id));
        world.reset(&request);
        assert_eq!(world.outcome(handle), Outcome::Reset, "{operation}");
        world.assert_works();
    }
}

#[test]
fn operations_of_a_registration_that_goes_end_with_it_in_their_order() {
    type End = fn(&mut World, &str);
    let ends: [End; 3] = [
        |world, token| {
            let leave = Request {
                method: Method::Delete,
                path: &["rd", token],
                format: None,
                queries: &[],
                payload: b"",
                ..Request::default()
            };
            assert_eq!(world.request(&leave).code(), Code::DELETED);
        },
        |world, _| {
            assert_eq!(world.request(&Request::default()).code(), Code::CREATED);
        },
        |world, _| world.pass(Duration::from_secs(60)),
    ];
    for end in ends {
        let (mut world, _) = world();
        let (id, token) = world.register();
        let handles: Vec<_> = CALLS
            .iter()
            .map(|(_, call)| call(&mut world, id).unwrap())
            .collect();
        world.sent();
        end(&mut world, &token);
        let mut gone = Vec::new();
        let mut last = 0;
        for (at, event) in world.events().into_iter().enumerate() {
            if let ServerEvent::Answered {
                registration,
                operation,
                outcome,
            } = event
            {
                assert_eq!((registration, &outcome), (id, &Outcome::ClientGone));
                gone.push(operation);
                last = at;
            } else {
                assert!(at > last);
            }
        }
        assert_eq!(gone, handles);
        assert_eq!(world.server.usage().operations, 0);
        world.pass(Duration::from_secs(300));
        let unanswered = world
            .events()
            .into_iter()
            .filter(|event| matches!(event, ServerEvent::Answered { .. }));
        assert_eq!(unanswered.count(), 0);
        world.sent();
        assert_eq!(world.server.usage().coap.requests, 0);
        world.assert_works();
    }
}

#[test]
fn a_separate_answer_is_taken_and_acknowledged() {
    let (mut world, id) = world();
    let (operation, request) = read(&mut world, id, "/3/0/9", None);
    let [high, low] = request.message().message_id().to_be_bytes();
    world.deliver(1, &[0x60, 0, high, low]);
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(20));
    let answer = response(Code::CONTENT, None, b"85");
    let wire = answer.finish(MessageType::Confirmable, 4711, request.message().token());
    world.deliver(1, wire.as_ref());
    assert_eq!(
        world.outcome(operation),
        Outcome::Content(content([("/3/0/9", 85)]))
    );
    let ack = world.sent_one();
    assert_eq!(
        (ack.message().kind(), ack.message().message_id()),
        (MessageType::Acknowledgement, 4711)
    );
}

#[test]
fn answers_from_another_peer_or_with_another_token_change_nothing() {
    let (mut world, id) = world();
    let (operation, request) = read(&mut world, id, "/3/0/9", None);
    let (message_id, token) = (request.message().message_id(), request.message().token());
    let spoof = |token| {
        response(Code::CONTENT, None, b"1").finish(MessageType::Acknowledgement, message_id, token)
    };
    world.deliver(2, spoof(token).as_ref());
    world.deliver(1, spoof(Token::new(b"guess").unwrap()).as_ref());
    let separate = response(Code::CONTENT, None, b"1").finish(MessageType::Confirmable, 1, token);
    world.deliver(2, separate.as_ref());
    assert!(world.events().is_empty());
    world.sent();
    world.answer(&request, response(Code::CONTENT, None, b"85"));
    assert_eq!(
        world.outcome(operation),
        Outcome::Content(content([("/3/0/9", 85)]))
    );
}

#[test]
fn write_replaces_with_put_and_updates_with_post_in_tlv_or_as_told() {
    let (mut world, id) = world();
    let value = content([("/3/0/14", "+02:00")]);
    for (at, mode, format, code, payload) in [
        (
            "/3/0/14",
            WriteMode::Replace,
            None,
            Code::PUT,
            &b"\xc6\x0e+02:00"[..],
        ),
        (
            "/3/0/14",
            WriteMode::Replace,
            Some(ContentFormat::TEXT),
            Code::PUT,
            b"+02:00",
        ),
        (
            "/3/0",
            WriteMode::PartialUpdate,
            None,
            Code::POST,
            b"\xc6\x0e+02:00",
        ),
        (
            "/3/0",
            WriteMode::Replace,
            Some(ContentFormat::TLV),
            Code::PUT,
            b"\xc6\x0e+02:00",
        ),
    ] {
        let (operation, request) = ask(&mut world, |world| {
            world
                .server
                .write(world.now, id, path(at), mode, format, &value)
        });
        let message = request.message();
        assert_eq!((message.code(), request.path()), (code, at.into()));
        assert_eq!(
            message.content_format(),
            Some(format.unwrap_or(ContentFormat::TLV))
        );
        assert_eq!(message.payload(), payload);
        world.answer_code(&request, Code::CHANGED);
        assert_eq!(world.outcome(operation), Outcome::Changed);
    }
}

#[test]
fn execute_posts_its_arguments_as_text() {
    let (mut world, id) = world();
    for (arguments, format, payload) in [
        (Arguments::NONE, None, &b""[..]),
        (
            Arguments::parse(b"5,0='reset'").unwrap(),
            Some(ContentFormat::TEXT),
            b"5,0='reset'",
        ),
    ] {
        let (operation, request) = ask(&mut world, |world| {
            world
                .server
                .execute(world.now, id, path("/3/0/4"), &arguments)
        });
        let message = request.message();
        assert_eq!(
            (message.code(), request.path()),
            (Code::POST, "/3/0/4".into())
        );
        assert_eq!(
            (message.content_format(), message.payload()),
            (format, payload)
        );
        world.answer_code(&request, Code::CHANGED);
        assert_eq!(world.outcome(operation), Outcome::Changed);
    }
}

#[test]
fn write_attributes_puts_queries_and_no_payload() {
    let (mut world, id) = world();
    let update = AttributesUpdate {
        pmin: Change::Set(10),
        gt: Change::Set(42.5),
        lt: Change::Unset,
        ..AttributesUpdate::default()
    };
    let (operation, request) = ask(&mut world, |world| {
        world
            .server
            .write_attributes(world.now, id, path("/3/0/9"), &update)
    });
    let message = request.message();
    assert_eq!(
        (message.code(), request.path()),
        (Code::PUT, "/3/0/9".into())
    );
    assert!(message.uri_query().eq(["pmin=10", "gt=42.5", "lt"]));
    assert_eq!(
        (message.content_format(), message.payload()),
        (None, &b""[..])
    );
    world.answer_code(&request, Code::CHANGED);
    assert_eq!(world.outcome(operation), Outcome::Changed);
}

/// TS Table 4: numbers are finite, and a step is not negative.
#[test]
fn write_attributes_out_of_range_are_not_sent() {
    let (mut world, id) = world();
    for (name, number) in [
        (AttributeName::GreaterThan, f64::NAN),
        (AttributeName::LessThan, f64::INFINITY),
        (AttributeName::Step, -1.0),
    ] {
        let mut update = AttributesUpdate::default();
        *match name {
            AttributeName::GreaterThan => &mut update.gt,
            AttributeName::LessThan => &mut update.lt,
            _ => &mut update.st,
        } = Change::Set(number);
        let refused = world
            .server
            .write_attributes(world.now, id, path("/3/0/9"), &update);
        let error = AttributeError::Number(name);
        assert_eq!(
            refused,
            Err(CallError::Invalid(InvalidCall::Attribute(error)))
        );
        assert!(world.sent().is_empty() && world.events().is_empty());
    }
}

#[test]
fn discover_asks_for_link_format_and_tells_links_with_attributes() {
    let (mut world, id) = world();
    let ask_discover = |world: &mut World| {
        ask(world, |world| {
            world.server.discover(world.now, id, path("/3/0"))
        })
    };
    let (operation, request) = ask_discover(&mut world);
    let message = request.message();
    assert_eq!((message.code(), request.path()), (Code::GET, "/3/0".into()));
    assert_eq!(message.accept(), Some(ContentFormat::LINK_FORMAT));
    let links = b"</3/0>;pmax=60, </3/0/1>,</3/0/7>;dim=8;gt=50;lt=42.2,</44>;ver=2.2";
    world.answer(
        &request,
        response(Code::CONTENT, Some(ContentFormat::LINK_FORMAT), links),
    );
    let link = |at, dimension, attributes| DiscoveredLink {
        path: path(at),
        dimension,
        version: None,
        attributes,
    };
    let attributes = Attributes {
        gt: Some(50.0),
        lt: Some(42.2),
        ..Attributes::NONE
    };
    match world.outcome(operation) {
        Outcome::Links(links) => {
            let pmax = Attributes {
                pmax: Some(60),
                ..Attributes::NONE
            };
            assert_eq!(links.len(), 4);
            assert_eq!(links[0], link("/3/0", None, pmax));
            assert_eq!(links[1], link("/3/0/1", None, Attributes::NONE));
            assert_eq!(links[2], link("/3/0/7", Some(8), attributes));
            assert_eq!(links[3].version, Some(lwm2m_core::Version::new(2, 2)));
            let told = links.iter().map(ToString::to_string).collect::<Vec<_>>();
            let written = ["</3/0>;pmax=60", "</3/0/1>", "</3/0/7>;dim=8;gt=50;lt=42.2"];
            assert_eq!(told[..3], written);
            assert_eq!(told[3], "</44>;ver=2.2");
        }
        outcome => panic!("{outcome:?}"),
    }
    for (format, payload) in [
        (ContentFormat::LINK_FORMAT, &b"</3/0>,"[..]),
        (ContentFormat::LINK_FORMAT, b"</3/0/7>;dim=256"),
        // Links in another format aren't accepted.
        (ContentFormat::TLV, b"</3/0>"),
    ] {
        let (operation, request) = ask_discover(&mut world);
        world.answer(&request, response(Code::CONTENT, Some(format), payload));
        match world.outcome(operation) {
            Outcome::Undecodable(AnswerError::Links(_)) if format == ContentFormat::LINK_FORMAT => {
            }
            Outcome::Undecodable(error) => assert_eq!(error, AnswerError::Format(format)),
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn create_posts_to_the_object_and_tells_the_new_instance() {
    let (mut world, id) = world();
    let values = content([("/1/5/1", 60)]);
    for (instance, payload, location, outcome) in [
        (
            None,
            &b"\xc1\x01\x3c"[..],
            &["1", "7"][..],
            Ok(Some("/1/7")),
        ),
        (InstanceId::new(5), b"\x03\x05\xc1\x01\x3c", &[], Ok(None)),
        (
            None,
            b"\xc1\x01\x3c",
            &["2", "7"],
            Err(AnswerError::Location),
        ),
        (None, b"\xc1\x01\x3c", &["1"], Err(AnswerError::Location)),
        (
            None,
            b"\xc1\x01\x3c",
            &["1", "x"],
            Err(AnswerError::Location),
        ),
    ] {
        let (operation, request) = ask(&mut world, |world| {
            world
                .server
                .create(world.now, id, ObjectId::SERVER, instance, None, &values)
        });
        let message = request.message();
        assert_eq!((message.code(), request.path()), (Code::POST, "/1".into()));
        assert_eq!(message.content_format(), Some(ContentFormat::TLV));
        assert_eq!(message.payload(), payload);
        let mut answer = MessageBuf::response(Code::CREATED);
        for segment in location {
            answer.location_path(segment).unwrap();
        }
        world.answer(&request, answer);
        assert_eq!(
            world.outcome(operation),
            match outcome {
                Ok(location) => Outcome::Created {
                    location: location.map(path)
                },
                Err(error) => Outcome::Undecodable(error),
            }
        );
    }
}

#[test]
fn create_and_write_in_json() {
    let (mut world, id) = world();
    let values = content([("/1/5/1", 60)]);
    let json = Some(ContentFormat::JSON);
    let object = ObjectId::SERVER;
    for (instance, payload) in [
        (None, &br#"{"bn":"/1/","e":[{"n":"1","v":60}]}"#[..]),
        (
            InstanceId::new(5),
            br#"{"bn":"/1/","e":[{"n":"5/1","v":60}]}"#,
        ),
    ] {
        let (operation, request) = ask(&mut world, |world| {
            world
                .server
                .create(world.now, id, object, instance, json, &values)
        });
        assert_eq!(request.message().content_format(), json);
        assert_eq!(
            core::str::from_utf8(request.message().payload()),
            core::str::from_utf8(payload)
        );
        world.answer_code(&request, Code::CREATED);
        assert_eq!(
            world.outcome(operation),
            Outcome::Created { location: None }
        );
    }
    let (operation, request) = ask(&mut world, |world| {
        let path = path("/1/5");
        let mode = WriteMode::PartialUpdate;
        world.server.write(world.now, id, path, mode, json, &values)
    });
    assert_eq!(
        request.message().payload(),
        br#"{"bn":"/1/5/","e":[{"n":"1","v":60}]}"#
    );
    world.answer_code(&request, Code::CHANGED);
    assert_eq!(world.outcome(operation), Outcome::Changed);
}

#[test]
fn read_as_json_may_hold_linked_objects_and_history() {
    assert_eq!(
        read_answered(
            "/3/0/9",
            Some(ContentFormat::JSON),
            br#"{"bn":"/3/0/9","e":[{"v":85.0}]}"#
        ),
        Outcome::Content(content([("/3/0/9", 85)]))
    );
    let linked = br#"{"bn":"/","e":[{"n":"3/0/9","v":85},{"n":"31024/0/1","sv":"x"}]}"#;
    assert_eq!(
        read_answered("/3/0", Some(ContentFormat::JSON), linked),
        Outcome::Content(content([
            ("/3/0/9", Value::from(85)),
            ("/31024/0/1", Value::from("x"))
        ]))
    );
    let outcome = read_answered("/3/0", Some(ContentFormat::JSON), b"{\"e\":[{]}");
    assert!(
        matches!(
            outcome,
            Outcome::Undecodable(AnswerError::Malformed(Malformed::Json(_)))
        ),
        "{outcome:?}"
    );
}

#[test]
fn delete_deletes_an_instance() {
    let (mut world, id) = world();
    let (operation, request) = ask(&mut world, |world| {
        world.server.delete(world.now, id, path("/2/1"))
    });
    assert_eq!(
        (request.message().code(), request.path()),
        (Code::DELETE, "/2/1".into())
    );
    world.answer_code(&request, Code::DELETED);
    assert_eq!(world.outcome(operation), Outcome::Deleted);
}

#[test]
fn the_alternate_path_stands_before_every_path() {
    for (operation, call) in CALLS {
        let (mut world, id) = alternate();
        let (_, request) = ask(&mut world, |world| call(world, id));
        assert!(
            request.path().starts_with("/lwm2m/"),
            "{operation} {}",
            request.path()
        );
    }
    let (mut world, id) = alternate();
    let (operation, request) = ask(&mut world, |world| {
        world.server.discover(world.now, id, path("/3"))
    });
    let links = br"</lwm2m/3>,</lwm2m/3/0/9>";
    world.answer(
        &request,
        response(Code::CONTENT, Some(ContentFormat::LINK_FORMAT), links),
    );
    match world.outcome(operation) {
        Outcome::Links(links) => {
            assert!(
                links
                    .iter()
                    .map(|link| link.path)
                    .eq([path("/3"), path("/3/0/9")])
            );
        }
        outcome => panic!("{outcome:?}"),
    }
    // The location of the new instance may or may not have it.
    for location in [&["lwm2m", "2", "4"][..], &["2", "4"]] {
        let (operation, request) = ask(&mut world, |world| {
            world
                .server
                .create(world.now, id, ObjectId::new(2), None, None, &Content::new())
        });
        let mut answer = MessageBuf::response(Code::CREATED);
        for segment in location {
            answer.location_path(segment).unwrap();
        }
        world.answer(&request, answer);
        let location = Some(path("/2/4"));
        assert_eq!(world.outcome(operation), Outcome::Created { location });
    }
}

#[test]
fn calls_that_cannot_be_sent_change_nothing() {
    let (mut world, id) = world();
    let now = world.now;
    let server = &mut world.server;
    let value = content([("/3/0/14", "+02:00")]);
    let wrong = |at: &str| Err(CallError::Invalid(InvalidCall::Path(path(at))));
    assert_eq!(server.read(now, id, Path::Root, None), wrong("/"));
    assert_eq!(
        server.read(now, id, path("/3/0/7/0"), None),
        wrong("/3/0/7/0")
    );
    assert_eq!(
        server.execute(now, id, path("/3/0"), &Arguments::NONE),
        wrong("/3/0")
    );
    assert_eq!(server.delete(now, id, path("/3/0/1")), wrong("/3/0/1"));
    assert_eq!(server.delete(now, id, path("/3")), wrong("/3"));
    assert_eq!(server.observe(now, id, Path::Root, None), wrong("/"));
    assert_eq!(server.discover(now, id, Path::Root), wrong("/"));
    assert_eq!(
        server.write(now, id, path("/3"), WriteMode::Replace, None, &value),
        wrong("/3")
    );
    let link = ContentFormat::LINK_FORMAT;
    assert_eq!(
        server.read(now, id, path("/3"), Some(link)),
        Err(CallError::Invalid(InvalidCall::Format(link)))
    );
    let text = Some(ContentFormat::TEXT);
    for (at, format) in [("/3/0/13", None), ("/3/0", text), ("/3/0/14", Some(link))] {
        let result = server.write(now, id, path(at), WriteMode::Replace, format, &value);
        assert!(
            matches!(
                result,
                Err(CallError::Invalid(
                    InvalidCall::Content(_) | InvalidCall::Format(_)
                ))
            ),
            "{result:?}"
        );
    }
    let result = server.create(now, id, ObjectId::new(2), None, text, &Content::new());
    assert_eq!(
        result,
        Err(CallError::Invalid(InvalidCall::Format(ContentFormat::TEXT)))
    );
    assert!(world.sent().is_empty() && world.events().is_empty());
    assert_eq!(world.server.usage().operations, 0);

    // The client registers again: its old registration is gone.
    let new = world.register().0;
    world.events();
    assert_eq!(
        world.server.read(now, id, path("/3"), None),
        Err(CallError::UnknownRegistration)
    );
    assert!(world.server.read(now, new, path("/3"), None).is_ok());
}

#[test]
fn pending_operations_are_bounded_and_sent_one_at_a_time_in_order() {
    let mut world = World::with(|config| config.bounds.operations = 3);
    let (id, _) = world.register();
    let handles: Vec<_> = ["/3/0/0", "/3/0/1", "/3/0/2"]
        .iter()
        .map(|at| world.server.read(world.now, id, path(at), None).unwrap())
        .collect();
    assert_eq!(
        world.server.read(world.now, id, path("/3"), None),
        Err(CallError::Overload(Overload::Operations(3)))
    );
    // NSTART is 1.
    for (handle, at) in handles.iter().zip(["/3/0/0", "/3/0/1", "/3/0/2"]) {
        let request = world.sent_one();
        assert_eq!(request.path(), at);
        world.answer(&request, response(Code::CONTENT, None, b"x"));
        assert_eq!(
            world.outcome(*handle),
            Outcome::Content(content([(at, "x")])).clone()
        );
    }
    assert!(world.server.read(world.now, id, path("/3"), None).is_ok());
}

#[test]
fn a_client_that_does_not_answer_delays_no_other() {
    let (mut world, silent) = world();
    let (other, _) = world.register_as(&Request {
        from: 2,
        queries: &["ep=other", "lt=60", "lwm2m=1.0"],
        ..Request::default()
    });
    world
        .server
        .read(world.now, silent, path("/3/0"), None)
        .unwrap();
    let operation = world
        .server
        .read(world.now, other, path("/3/0/9"), None)
        .unwrap();
    let sent = world.sent();
    let request = sent.iter().find(|sent| sent.to == 2).unwrap();
    world.answer(request, response(Code::CONTENT, None, b"85"));
    assert_eq!(
        world.outcome(operation),
        Outcome::Content(content([("/3/0/9", 85)]))
    );
}

#[test]
fn definitions_can_come_later() {
    static RESOURCES: [ResourceDefinition; 1] = [ResourceDefinition::new(
        5,
        "Level",
        Operations::Read,
        DataType::Integer,
    )];
    static TANK: ObjectDefinition = ObjectDefinition::new(
        ObjectId::new(31024),
        "Tank",
        "urn:oma:lwm2m:x:31024",
        &RESOURCES,
    );
    let (mut world, id) = world();
    world.server.registry_mut().add(&TANK).unwrap();
    let (operation, request) = read(&mut world, id, "/31024/0/5", None);
    world.answer(&request, response(Code::CONTENT, None, b"7"));
    assert_eq!(
        world.outcome(operation),
        Outcome::Content(content([("/31024/0/5", 7)]))
    );
    let level = world.server.registry().resource(31024.into(), 5.into());
    assert_eq!(level.unwrap().name, "Level");
}

#[test]
fn definitions_can_be_left_out() {
    let mut world = World::with(|config| config.registry = Registry::empty());
    let (id, _) = world.register();
    let (operation, request) = read(&mut world, id, "/3/0/9", None);
    world.answer(&request, response(Code::CONTENT, None, b"85"));
    let raw = Value::Raw(b"85".to_vec());
    assert_eq!(
        world.outcome(operation),
        Outcome::Content(content([("/3/0/9", raw)]))
    );
}
