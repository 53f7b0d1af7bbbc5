//! Objects in several versions (TS 6.2): values are read and written in the version that the client
//! has of each Object.

use lwm2m_core::{
    Code, ContentFormat, DataType, EnablerVersions, InstanceId, ObjectId, Path, ResourceId, Value,
    Version, WriteMode, codec::Content,
};
use lwm2m_objects::{
    ObjectDefinition, Operations, Registry, ResourceDefinition, Urn, UrnClass, UrnError,
};
use lwm2m_statemachine::{
    OperationId, Outcome, RegistrationId, ServerEvent,
    coap::{MessageBuf, MessageType},
    server::{CallError, InvalidCall},
};

use crate::support::{Request, Sent, World};

const V1_0: Version = Version::INITIAL;
const V1_1: Version = Version::new(1, 1);
const V2_0: Version = Version::new(2, 0);
const V2_3: Version = Version::new(2, 3);

/// Objects 1 to 7 are those of the Enabler; the others are not.
const OF_ENABLER: [u16; 7] = [1, 2, 3, 4, 5, 6, 7];
const OTHERS: [u16; 4] = [9, 44, 3416, 31024];

/// The answer of a client for `/{Object}/0`: Resource 0, Resource Instance 4 of Resource 1, and
/// Resource 2.
const TLV: &[u8] = b"\xc2\x00\x0a\x5a\x84\x01\x42\x04\x0a\x5a\xc4\x02\x3f\x20\x00\x00";

/// An Object in one of its versions. What was text in 1.0 is a number in 2.0, which breaks with
/// 1.0; 1.1 and 2.3 have one Resource more than 1.0 and 2.0.
fn definition(object: u16, version: Version) -> ObjectDefinition {
    let (changed, added) = match version.major {
        1 => (DataType::String, DataType::Integer),
        _ => (DataType::Integer, DataType::Float),
    };
    let mut resources = vec![
        ResourceDefinition::new(0, "Changed", Operations::ReadWrite, changed),
        ResourceDefinition::new(1, "Changed too", Operations::ReadWrite, changed).multiple(),
    ];
    if version.minor > 0 {
        resources.push(ResourceDefinition::new(
            2,
            "Added",
            Operations::ReadWrite,
            added,
        ));
    }
    let urn = Urn {
        class: UrnClass::of(object.into()).unwrap(),
        object: object.into(),
        explicit_version: Some(version),
    };
    let mut definition =
        ObjectDefinition::new(object.into(), "Versioned", "", &[]).with_version(version);
    definition.urn = urn.to_string().into();
    definition.resources = resources.into();
    definition
}

/// A server that knows four versions of each Object.
fn world() -> World {
    World::with(|config| {
        config.registry = Registry::empty();
        for object in OF_ENABLER.into_iter().chain(OTHERS) {
            for version in [V2_3, V1_1, V1_0, V2_0] {
                config.registry.add(definition(object, version)).unwrap();
            }
        }
    })
}

/// Registers a client that announces this of an Object.
fn register(world: &mut World, object: u16, announced: Option<&str>) -> RegistrationId {
    let links = match announced {
        Some(version) => format!("</{object}>;ver={version},</{object}/0>"),
        None => format!("</{object}/0>"),
    };
    register_with(world, 1, "1.0", &links)
}

fn register_with(world: &mut World, from: u16, enabler: &str, links: &str) -> RegistrationId {
    let (name, enabler) = (format!("ep=client{from}"), format!("lwm2m={enabler}"));
    let (registration, _) = world.register_as(&Request {
        from,
        queries: &[&name, "lt=60", &enabler],
        payload: links.as_bytes(),
        ..Request::default()
    });
    registration
}

/// What a client announces of an Object, and the version that it is read with, if any is.
fn announcements(object: u16) -> Vec<(Option<&'static str>, Option<Version>)> {
    let mut all = vec![
        // Of the Enabler 1.0 (TS 6.2.1), or the lowest that is known.
        (None, Some(V1_0)),
        (Some("1.0"), Some(V1_0)),
        (Some("\"1.1\""), Some(V1_1)),
        (Some("2.0"), Some(V2_0)),
        (Some("2.3"), Some(V2_3)),
        // The nearest of the same major version: the lowest above it, or else the highest.
        (Some("1.7"), Some(V1_1)),
        (Some("2.1"), Some(V2_3)),
        (Some("2.255"), Some(V2_3)),
        // No known version is compatible.
        (Some("0.9"), None),
        (Some("3.0"), None),
    ];
    if object == 3416 {
        all.reverse();
    }
    all
}

/// The values of [`TLV`] in this version.
fn values(object: u16, version: Option<Version>) -> Content {
    let definition = version.map(|version| definition(object, version));
    let value = |resource: u16, bytes: &[u8], number: i64| {
        let definition = definition.as_ref();
        let resource = definition.and_then(|object| object.resource(resource.into()));
        match resource.and_then(|resource| resource.data_type) {
            None => Value::Raw(bytes.to_vec()),
            Some(DataType::String) => Value::from("\nZ"),
            Some(DataType::Integer) => Value::from(number),
            Some(DataType::Float) => Value::from(0.625),
            other => panic!("{other:?}"),
        }
    };
    let at = |ids: &[u16]| Path::of(&[&[object, 0], ids].concat()).unwrap();
    [
        (at(&[0]), value(0, b"\x0a\x5a", 0x0A5A)),
        (at(&[1, 4]), value(1, b"\x0a\x5a", 0x0A5A)),
        (at(&[2]), value(2, b"\x3f\x20\x00\x00", 0x3F20_0000)),
    ]
    .into_iter()
    .collect()
}

fn answer(format: ContentFormat, payload: &[u8], observe: Option<u32>) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    if let Some(observe) = observe {
        message.observe(observe).unwrap();
    }
    message.content_format(format).unwrap();
    message.payload(payload);
    message
}

fn instance(object: u16) -> Path {
    Path::of(&[object, 0]).unwrap()
}

fn read(world: &mut World, client: RegistrationId, object: u16) -> Outcome {
    let path = instance(object);
    let operation = world.server.read(world.now, client, path, None).unwrap();
    answered(world, operation, ContentFormat::TLV, TLV, None).0
}

fn answered(
    world: &mut World,
    operation: OperationId,
    format: ContentFormat,
    payload: &[u8],
    observe: Option<u32>,
) -> (Outcome, Sent) {
    let request = world.sent_one();
    world.answer(&request, answer(format, payload, observe));
    (world.outcome(operation), request)
}

/// LwM2M 1.2 has the version in the link to an Object Instance; that of the Object prevails.
#[test]
fn a_read_is_decoded_with_the_version_of_an_instance_link() {
    for (links, version) in [
        ("</3416/0>;ver=1.1", V1_1),
        ("</3416>,</3416/0>;ver=2.0", V2_0),
        ("</3416/0>;ver=1.1,</3416>;ver=2.0", V2_0),
    ] {
        let mut world = world();
        let client = register_with(&mut world, 1, "1.0", links);
        let content = values(3416, Some(version));
        let outcome = read(&mut world, client, 3416);
        assert_eq!(outcome, Outcome::Content(content), "{links}");
    }
}

#[test]
fn a_read_is_decoded_with_the_version_that_the_client_announced() {
    for object in OF_ENABLER.into_iter().chain(OTHERS) {
        for (announced, version) in announcements(object) {
            let mut world = world();
            let client = register(&mut world, object, announced);
            assert_eq!(
                read(&mut world, client, object),
                Outcome::Content(values(object, version)),
                "/{object} {announced:?}"
            );
        }
    }
}

#[test]
fn observe_notify_and_cancel_are_decoded_with_the_version_that_the_client_announced() {
    for object in OF_ENABLER.into_iter().chain(OTHERS) {
        for (announced, version) in announcements(object) {
            let expected = values(object, version);
            let mut world = world();
            let client = register(&mut world, object, announced);
            let path = instance(object);
            let operation = world.server.observe(world.now, client, path, None).unwrap();
            let (outcome, request) =
                answered(&mut world, operation, ContentFormat::TLV, TLV, Some(1));
            let Outcome::Observing {
                observation,
                content,
            } = outcome
            else {
                panic!("{outcome:?}");
            };
            assert_eq!(content.as_ref(), Ok(&expected), "/{object} {announced:?}");

            let message_id = 5000 + world.next_message_id();
            let notification = answer(ContentFormat::TLV, TLV, Some(2));
            let token = request.message().token();
            let wire = notification.finish(MessageType::NonConfirmable, message_id, token);
            world.deliver(1, wire.as_ref());
            let event = world.event();
            let ServerEvent::Notification { content, .. } = event else {
                panic!("{event:?}");
            };
            assert_eq!(content.as_ref(), Ok(&expected), "/{object} {announced:?}");

            let operation = world.server.cancel_observation(world.now, observation);
            world.events();
            let operation = operation.unwrap();
            let (outcome, _) = answered(&mut world, operation, ContentFormat::TLV, TLV, None);
            assert_eq!(outcome, Outcome::Content(expected));
        }
    }
}

/// Written values have the types of the client's version; raw bytes may be anything.
#[test]
fn write_and_create_take_values_of_the_version_that_the_client_announced() {
    for object in OF_ENABLER.into_iter().chain(OTHERS) {
        for (announced, version) in announcements(object) {
            let mut world = world();
            let client = register(&mut world, object, announced);
            for other in [None, Some(V1_0), Some(V1_1), Some(V2_0), Some(V2_3)] {
                let content = values(object, other);
                let expected = mismatch(object, version, &content);
                let mode = WriteMode::Replace;
                let path = instance(object);
                let write = world
                    .server
                    .write(world.now, client, path, mode, None, &content);
                let case = format!("/{object} {announced:?} {other:?}");
                sent_or_refused(&mut world, write, expected, TLV, &case);
                for (id, payload) in [
                    (None, TLV.to_vec()),
                    (InstanceId::new(0), [b"\x08\x00\x10", TLV].concat()),
                ] {
                    let create = world.server.create(
                        world.now,
                        client,
                        object.into(),
                        id,
                        Some(ContentFormat::TLV),
                        &content,
                    );
                    sent_or_refused(&mut world, create, expected, &payload, &case);
                }
            }
        }
    }
}

/// The first value with another type than in this version.
fn mismatch(object: u16, version: Option<Version>, content: &Content) -> Option<CallError> {
    let definition = definition(object, version?);
    content.values().find_map(|(path, value)| {
        let resource: ResourceId = path.resource()?;
        let expected = definition.resource(resource)?.data_type?;
        let found = value.data_type()?;
        (expected != found).then_some(CallError::Invalid(InvalidCall::DataType {
            path,
            expected,
            found,
        }))
    })
}

fn sent_or_refused(
    world: &mut World,
    call: Result<OperationId, CallError>,
    refused: Option<CallError>,
    payload: &[u8],
    case: &str,
) {
    if let Some(error) = refused {
        assert_eq!(call, Err(error), "{case}");
        assert!(world.sent().is_empty(), "{case}");
    } else {
        assert!(call.is_ok(), "{case}: {call:?}");
        let request = world.sent_one();
        assert_eq!(request.message().payload(), payload, "{case}");
        world.answer_code(&request, Code::NOT_FOUND);
    }
    world.events();
    assert_eq!(world.server.usage().operations, 0);
}

/// An Integer is written as a Time, and vice versa, in the same octets.
#[test]
fn a_number_is_written_to_a_time() {
    let mut world = World::new();
    let (client, _) = world.register();
    let path: Path = "/3/0/13".parse().unwrap();
    for value in [Value::Integer(1000), Value::Time(1000)] {
        let content = Content::from_iter([(path, value)]);
        let mode = WriteMode::Replace;
        let written = world
            .server
            .write(world.now, client, path, mode, None, &content);
        sent_or_refused(&mut world, written, None, b"\xc2\x0d\x03\xe8", "a time");
    }
    let text = Content::from_iter([(path, "1000")]);
    let refused = world
        .server
        .write(world.now, client, path, WriteMode::Replace, None, &text);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "/3/0/13 is of type Time in the version that the client has, not String"
    );
}

/// Device 1.0 is built in; 1.1, which has more, is added.
#[test]
fn clients_of_two_versions_of_one_object_live_side_by_side() {
    let mut newer = lwm2m_objects::DEVICE
        .clone()
        .with_version(V1_1)
        .with_enabler(V1_1);
    newer.urn = "urn:oma:lwm2m:oma:3:1.1".into();
    newer.resources.to_mut().push(ResourceDefinition::new(
        23,
        "Mood",
        Operations::Read,
        DataType::Integer,
    ));
    let mut world = World::with(|config| config.registry.add(newer).unwrap());
    let old = register_with(&mut world, 1, "1.0", "</3/0>");
    let new = register_with(&mut world, 2, "1.0", "</3>;ver=1.1,</3/0>");
    for _ in 0..2 {
        for (client, mood) in [(old, Value::Raw(vec![7])), (new, Value::from(7))] {
            let path = instance(3);
            let operation = world.server.read(world.now, client, path, None).unwrap();
            let payload = b"\xc1\x09\x55\xc1\x17\x07";
            let (outcome, _) = answered(&mut world, operation, ContentFormat::TLV, payload, None);
            let at = |resource| Path::of(&[3, 0, resource]).unwrap();
            let expected = [(at(9), Value::from(85)), (at(23), mood)];
            assert_eq!(outcome, Outcome::Content(expected.into_iter().collect()));
        }
    }
    let version = |client| {
        let definitions = world.server.definitions(client).unwrap();
        definitions.object(3.into()).unwrap().version
    };
    assert_eq!((version(old), version(new)), (V1_0, V1_1));
}

/// TS 6.4.4: an answer in JSON may hold Object Instances that are linked from the one that was
/// read.
#[test]
fn linked_objects_in_json_are_each_of_their_own_version() {
    let mut world = world();
    let links = "</3>;ver=2.0,</3/0>,</44>;ver=1.1,</44/0>,</3416/0>,</31024>;ver=3.0,</31024/0>";
    let client = register_with(&mut world, 1, "1.0", links);
    let path = instance(3);
    let operation = world.server.read(world.now, client, path, None).unwrap();
    let payload = br#"{"bn":"/","e":[{"n":"3/0/0","v":5},{"n":"44/0/0","sv":"five"},
        {"n":"44/0/2","v":6},{"n":"3416/0/0","sv":"six"},{"n":"31024/0/0","v":0.5},
        {"n":"5/0/0","sv":"not registered"},{"n":"30000/0/0","bv":true}]}"#;
    let (outcome, _) = answered(&mut world, operation, ContentFormat::JSON, payload, None);
    let expected = [
        ("/3/0/0", Value::from(5)),
        ("/44/0/0", Value::from("five")),
        ("/44/0/2", Value::from(6)),
        ("/3416/0/0", Value::from("six")),
        ("/31024/0/0", Value::from(0.5)),
        ("/5/0/0", Value::from("not registered")),
        ("/30000/0/0", Value::from(true)),
    ];
    let expected = expected.map(|(at, value)| (at.parse::<Path>().unwrap(), value));
    assert_eq!(outcome, Outcome::Content(expected.into_iter().collect()));

    // The type of another version isn't accepted.
    let operation = world.server.read(world.now, client, path, None).unwrap();
    let wrong = br#"{"bn":"/","e":[{"n":"3/0/0","v":5},{"n":"3416/0/0","v":6}]}"#;
    let (outcome, _) = answered(&mut world, operation, ContentFormat::JSON, wrong, None);
    assert!(matches!(outcome, Outcome::Undecodable(_)), "{outcome:?}");
}

/// The default applies to an Object without an announced version that isn't part of the Enabler.
#[test]
fn the_default_is_for_objects_whose_version_nobody_says() {
    for object in OF_ENABLER.into_iter().chain(OTHERS) {
        let mut world = world();
        let registry = world.server.registry_mut();
        assert!(registry.set_default(object.into(), V2_0));
        for (from, announced, expected) in [
            (1, Some("1.0"), V1_0),
            (2, Some("2.3"), V2_3),
            (3, None, if object < 8 { V1_0 } else { V2_0 }),
        ] {
            let links = match announced {
                Some(version) => format!("</{object}>;ver={version},</{object}/0>"),
                None => format!("</{object}/0>"),
            };
            let client = register_with(&mut world, from, "1.0", &links);
            let definitions = world.server.definitions(client).unwrap();
            let known = definitions.object(object.into()).unwrap();
            assert_eq!(known.version, expected, "/{object} {announced:?}");
        }
    }
}

/// A client of a later Enabler has its Objects in the versions that belong to it, which are
/// compatible with those of 1.0.
#[test]
fn the_enabler_implies_the_versions_of_its_objects() {
    let mut world = World::with(|config| {
        config.versions = EnablerVersions::up_to(Version::new(1, 2));
        config.registry = Registry::empty();
        for object in [3, 44] {
            for (version, enabler) in [(V1_0, V1_0), (V1_1, V1_1), (V2_0, V1_1)] {
                let definition = definition(object, version).with_enabler(enabler);
                config.registry.add(definition).unwrap();
            }
        }
    });
    // 2.0 breaks with 1.0 (TS 6.2.2): it is never implied.
    for (from, enabler, expected) in [(1, "1.0", V1_0), (2, "1.1", V1_1), (3, "1.2", V1_1)] {
        let client = register_with(&mut world, from, enabler, "</3/0>,</44/0>");
        let definitions = world.server.definitions(client).unwrap();
        let version = |object: u16| definitions.object(object.into()).unwrap().version;
        assert_eq!(version(3), expected, "{enabler}");
        // Which isn't an Object of the Enabler.
        assert_eq!(version(44), V1_0);
    }
}

/// An Update has the whole list of Objects: its versions apply from then on.
#[test]
fn an_update_changes_the_versions() {
    let mut world = world();
    let (client, token) = world.register_as(&Request {
        payload: b"</3416>;ver=2.0,</3416/0>",
        ..Request::default()
    });
    let values = |version| Outcome::Content(values(3416, Some(version)));
    assert_eq!(read(&mut world, client, 3416), values(V2_0));
    let reply = world.request(&Request {
        path: &["rd", &token],
        queries: &[],
        payload: b"</3416>;ver=1.1,</3416/0>",
        ..Request::default()
    });
    assert_eq!(reply.code(), Code::CHANGED);
    world.events();
    assert_eq!(read(&mut world, client, 3416), values(V1_1));
}

#[test]
fn versions_and_objects_that_nobody_knows_are_registered() {
    let mut world = world();
    let links = "</3>;ver=9.9,</3/0>,</5>;ver=0.1,</77/0>,</40000>;ver=255.255,</65535/65534>";
    let client = register_with(&mut world, 1, "1.0", links);
    let registration = world.server.registration(client).unwrap();
    let version = |object: u16| registration.object_version(object.into());
    assert_eq!(version(3), Some(Version::new(9, 9)));
    assert_eq!(version(40000), Some(Version::new(255, 255)));
    let definitions = world.server.definitions(client).unwrap();
    for object in [3, 5, 77, 40000, 65535] {
        assert!(definitions.object(ObjectId::new(object)).is_none());
        assert!(definitions.resource(object.into(), 0.into()).is_none());
    }
    let raw = Outcome::Content(values(3, None));
    assert_eq!(read(&mut world, client, 3), raw);
}

/// The example: 3416/0/40 is text in 1.0 and a number in 2.0.
#[test]
fn a_number_in_version_2_is_no_text_of_version_1() {
    static TEXT: &[ResourceDefinition] = &[ResourceDefinition::new(
        40,
        "Hours",
        Operations::Read,
        DataType::String,
    )];
    static NUMBER: &[ResourceDefinition] = &[ResourceDefinition::new(
        40,
        "Hours",
        Operations::Read,
        DataType::Integer,
    )];
    let id = ObjectId::new(3416);
    let (old, new) = ("urn:oma:lwm2m:ext:3416", "urn:oma:lwm2m:ext:3416:2.0");
    assert_eq!(
        new.parse::<Urn>().map(|urn| urn.version()),
        Ok::<_, UrnError>(V2_0)
    );
    let mut world = World::with(|config| {
        let registry = &mut config.registry;
        registry
            .add(ObjectDefinition::new(id, "Lamp", old, TEXT))
            .unwrap();
        registry
            .add(ObjectDefinition::new(id, "Lamp", new, NUMBER).with_version(V2_0))
            .unwrap();
    });
    let client = register(&mut world, 3416, Some("2.0"));
    let path: Path = "/3416/0/40".parse().unwrap();
    let operation = world.server.read(world.now, client, path, None).unwrap();
    let payload = b"\xc2\x28\x0a\x5a";
    let (outcome, _) = answered(&mut world, operation, ContentFormat::TLV, payload, None);
    assert_eq!(
        outcome,
        Outcome::Content(Content::from_iter([(path, 2650)]))
    );
}
