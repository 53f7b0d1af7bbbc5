//! The Client Registration interface of the server (TS 5.3, 8.2.4, 8.5), request by request.

use core::time::Duration;

use lwm2m_core::{
    BindingMode, Code, ContentFormat, EnablerVersions, Instant, Lifetime, Method, Version,
};
use lwm2m_statemachine::{
    Channel, Datagram, Identity, Outcome, RegistrationId, ServerEvent,
    coap::{MessageBuf, MessageType, Token},
    server::{CallError, Changes, RefusalReason, UnknownParameters, identity_is_name},
};

use crate::support::{LINKS, Request, World, path};

/// The Register of the benchmarks.
const YARDSTICK: &[&str] = &[
    "ep=urn:dev:os:0023C7-000001",
    "lt=86400",
    "lwm2m=1.0",
    "b=U",
];
const YARDSTICK_LINKS: &[u8] = br#"</>;rt="oma.lwm2m";ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>"#;

/// An Update of the default client.
fn update(token: &str) -> Request<'_> {
    Request {
        path: Box::leak(Box::new([
            "rd",
            Box::leak(token.to_owned().into_boxed_str()),
        ])),
        format: None,
        queries: &[],
        payload: b"",
        ..Request::default()
    }
}

fn deregister(token: &str) -> Request<'_> {
    Request {
        method: Method::Delete,
        ..update(token)
    }
}

/// Checks that a request is refused with this code, and that the server still works. The refusal of
/// a Register, an Update or a De-register is reported, and nothing else.
#[track_caller]
fn refused(world: &mut World, request: &Request<'_>, code: Code) {
    let before = world.server.usage().registrations;
    assert_eq!(world.request(request).code(), code);
    let is_operation = matches!(
        (request.method, request.path),
        (Method::Post, ["rd"]) | (Method::Post | Method::Delete, ["rd", _])
    );
    if is_operation {
        assert_eq!(world.refusal().code(), code);
    } else {
        assert!(world.events().is_empty());
    }
    assert_eq!(world.server.usage().registrations, before);
    world.assert_works();
}

#[test]
fn register_is_answered_with_a_location_under_rd_and_told() {
    let mut world = World::new();
    let (id, token) = world.register_as(&Request {
        from: 7,
        queries: YARDSTICK,
        payload: YARDSTICK_LINKS,
        ..Request::default()
    });
    let registration = world.server.registration(id).unwrap();
    assert_eq!(registration.endpoint_name(), "urn:dev:os:0023C7-000001");
    assert_eq!(registration.peer(), &7);
    assert_eq!(registration.lifetime(), Lifetime::from_secs(86400).unwrap());
    assert_eq!(registration.version(), Version::INITIAL);
    assert_eq!(registration.binding(), BindingMode::U);
    assert_eq!(registration.sms_number(), None);
    assert_eq!(registration.location().to_string(), format!("/rd/{token}"));
    assert!(registration.announces(ContentFormat::JSON));
    assert!(registration.has(&path("/2/4")) && !registration.has(&path("/5/0")));
    assert_eq!(registration.objects().count(), 10);
    assert_eq!(
        registration.expires_at(),
        world.now + Duration::from_secs(86400)
    );
    assert_eq!(world.server.find("urn:dev:os:0023C7-000001"), Some(id));
    assert_eq!(world.server.registrations().count(), 1);
}

/// Older clients omit the quotes of `ct`; those of LwM2M 1.2 have versions in Instance links.
#[test]
fn formats_without_quotes_and_versions_in_instance_links_count() {
    let mut world = World::new();
    let (id, token) = world.register_as(&Request {
        payload: br#"</>;rt="oma.lwm2m";ct=60 110 112 11543,</1/0>;ver=1.1,</3/0>;ver=1.2,</3>;ver=1.1,</5>"#,
        ..Request::default()
    });
    let registration = world.server.registration(id).unwrap();
    assert!(registration.announces(ContentFormat::JSON));
    assert!(!registration.announces(ContentFormat::TLV));
    let version = |world: &World, object: u16| {
        let registration = world.server.registration(id).unwrap();
        registration.object_version(object.into())
    };
    assert_eq!(version(&world, 1), Some(Version::new(1, 1)));
    // The Object's own link prevails, wherever it stands.
    assert_eq!(version(&world, 3), Some(Version::new(1, 1)));
    assert_eq!(version(&world, 5), Some(Version::INITIAL));

    // The same in an Update.
    let reply = world.request(&Request {
        payload: b"</1/0>,</3/0>,</3/1>;ver=1.2",
        format: Some(ContentFormat::LINK_FORMAT),
        ..update(&token)
    });
    assert_eq!(reply.code(), Code::CHANGED);
    assert_eq!(version(&world, 1), Some(Version::INITIAL));
    assert_eq!(version(&world, 3), Some(Version::new(1, 2)));
}

#[test]
fn what_the_application_asks_at_once_follows_the_answer_to_the_register() {
    let mut world = World::new();
    let mut register = MessageBuf::request(Method::Post);
    register.uri_path("rd").unwrap();
    register.content_format(ContentFormat::LINK_FORMAT).unwrap();
    for query in ["ep=device", "lt=60", "lwm2m=1.0"] {
        register.uri_query(query).unwrap();
    }
    register.payload(LINKS.as_bytes());
    let wire = register.finish(MessageType::Confirmable, 7, Token::EMPTY);
    world.deliver(1, wire.as_ref());
    // Nothing has been sent yet.
    let ServerEvent::Registered { registration } = world.event() else {
        panic!("not registered");
    };
    world
        .server
        .read(world.now, registration, path("/3/0/9"), None)
        .unwrap();
    let sent = world.sent();
    let codes: Vec<_> = sent.iter().map(|sent| sent.message().code()).collect();
    assert_eq!(codes, [Code::CREATED, Code::GET]);
    assert_eq!(sent[0].message().message_id(), 7);
}

#[test]
fn parameters_come_in_any_order_with_a_token_of_any_length() {
    let mut world = World::new();
    for (length, name) in (0..=8).zip("abcdefghi".chars()) {
        let mut message = MessageBuf::request(Method::Post);
        message.uri_path("rd").unwrap();
        message.content_format(ContentFormat::LINK_FORMAT).unwrap();
        for query in ["b=UQ", "lwm2m=1.0", "sms=491511234567", "lt=60"] {
            message.uri_query(query).unwrap();
        }
        message.uri_query(&format!("ep={name}")).unwrap();
        message.payload(LINKS.as_bytes());
        let token = Token::new(&vec![9; length]).unwrap();
        let wire = message.finish(
            MessageType::Confirmable,
            500 + u16::try_from(length).unwrap(),
            token,
        );
        world.deliver(1, wire.as_ref());
        let reply = world.sent_one();
        assert_eq!(
            (reply.message().code(), reply.message().token()),
            (Code::CREATED, token)
        );
        let id = world.server.find(&name.to_string()).unwrap();
        let registration = world.server.registration(id).unwrap();
        assert_eq!(registration.binding(), BindingMode::UQ);
        assert_eq!(registration.sms_number().unwrap().as_str(), "491511234567");
    }
}

#[test]
fn register_without_endpoint_name_lifetime_or_version_is_4_00() {
    let mut world = World::new();
    for queries in [
        &["lt=60", "lwm2m=1.0"][..],
        &["ep=device", "lwm2m=1.0"],
        &["ep=device", "lt=60"],
        &["ep=", "lt=60", "lwm2m=1.0"],
        &["ep=device", "lt=soon", "lwm2m=1.0"],
        &["ep=device", "lt=60", "lwm2m=1.0", "b=USQ"],
        &["ep=device", "lt=60", "lwm2m=1.0", "sms=+4915"],
        &["ep=device", "ep=other", "lt=60", "lwm2m=1.0"],
        &[],
    ] {
        let request = Request {
            queries,
            ..Request::default()
        };
        refused(&mut world, &request, Code::BAD_REQUEST);
    }
}

#[test]
fn register_of_another_enabler_version_is_4_12() {
    let mut world = World::new();
    for version in ["lwm2m=1.1", "lwm2m=2.0", "lwm2m=0.9"] {
        let request = Request {
            queries: &["ep=device", "lt=60", version],
            ..Request::default()
        };
        refused(&mut world, &request, Code::PRECONDITION_FAILED);
    }
    let mut later =
        World::with(|config| config.versions = EnablerVersions::up_to(Version::new(1, 1)));
    later.register();
}

#[test]
fn register_with_a_list_that_is_none_is_4_00() {
    let mut world = World::new();
    for payload in [
        &b""[..],
        b">",
        b"<",
        b"</3/0>,",
        b"</3/0> </1/0>",
        b"</3/70000>",
        b"\xff",
        b"</sensors>",
    ] {
        let request = Request {
            payload,
            ..Request::default()
        };
        refused(&mut world, &request, Code::BAD_REQUEST);
    }
}

#[test]
fn the_security_object_and_unknown_links_are_passed_over() {
    let mut world = World::new();
    let (id, _) = world.register_as(&Request {
        payload: br#"</0/0>,</sensors>;title="a, b",</3/0>, </31024/12>,</3/0/9>"#,
        ..Request::default()
    });
    let objects: Vec<_> = world.server.registration(id).unwrap().objects().collect();
    assert_eq!(objects.len(), 2);
    assert!(
        world
            .server
            .registration(id)
            .unwrap()
            .has(&path("/31024/12"))
    );
}

#[test]
fn register_in_another_format_is_4_00_and_without_one_is_read() {
    let mut world = World::new();
    for format in [
        ContentFormat::TEXT,
        ContentFormat::OPAQUE,
        ContentFormat::TLV,
    ] {
        let request = Request {
            format: Some(format),
            ..Request::default()
        };
        refused(&mut world, &request, Code::BAD_REQUEST);
    }
    world.register_as(&Request {
        format: None,
        ..Request::default()
    });
}

#[test]
fn unknown_parameters_are_kept_or_refused_by_configuration() {
    let queries = &["ep=device", "site=north", "lt=60", "debug", "lwm2m=1.0"];
    let vendor = Request {
        queries,
        ..Request::default()
    };
    let mut world = World::new();
    let (id, token) = world.register_as(&vendor);
    let parameters = |world: &World| -> Vec<String> {
        let registration = world.server.registration(id).unwrap();
        registration.parameters().map(Into::into).collect()
    };
    assert_eq!(parameters(&world), ["site=north", "debug"]);
    let moved = Request {
        queries: &["site=south"],
        ..update(&token)
    };
    assert_eq!(world.request(&moved).code(), Code::CHANGED);
    assert!(matches!(
        world.event(),
        ServerEvent::Updated { changes, .. } if changes.parameters && !changes.lifetime
    ));
    assert_eq!(parameters(&world), ["debug", "site=south"]);
    // `ep` is a parameter of a Register, not of an Update.
    let long = format!("note={}", "x".repeat(200));
    for query in [&*long, "ep=device"] {
        let request = Request {
            queries: &[query],
            ..update(&token)
        };
        assert_eq!(world.request(&request).code(), Code::CHANGED);
    }
    world.events();
    let more = [
        format!("x={long}"),
        format!("y={long}"),
        format!("z={long}"),
    ];
    let request = Request {
        queries: &more.each_ref().map(|query| &**query),
        ..update(&token)
    };
    assert_eq!(
        world.request(&request).code(),
        Code::REQUEST_ENTITY_TOO_LARGE
    );
    assert_eq!(
        parameters(&world),
        ["debug", "site=south", &long, "ep=device"]
    );
    assert_eq!(world.refusal().code(), Code::REQUEST_ENTITY_TOO_LARGE);

    let mut strict = World::with(|config| config.unknown_parameters = UnknownParameters::Refuse);
    refused(&mut strict, &vendor, Code::BAD_REQUEST);
}

#[test]
fn what_is_over_the_bounds_is_refused() {
    let mut world = World::with(|config| {
        config.bounds.registrations = 2;
        config.bounds.objects = 3;
    });
    let long = Request {
        payload: b"</1/0>,</3/0>,</4/0>,</5/0>",
        ..Request::default()
    };
    refused(&mut world, &long, Code::REQUEST_ENTITY_TOO_LARGE);
    let (id, _) = world.register();
    let second = Request {
        queries: &["ep=second", "lt=60", "lwm2m=1.0"],
        ..Request::default()
    };
    world.register_as(&second);
    let third = Request {
        queries: &["ep=third", "lt=60", "lwm2m=1.0"],
        ..Request::default()
    };
    let reply = world.request(&third);
    assert_eq!(
        (reply.code(), reply.max_age()),
        (Code::SERVICE_UNAVAILABLE, 60)
    );
    // A registered client may register again.
    let (again, _) = world.register();
    assert_ne!(again, id);
    assert_eq!(world.server.usage().registrations, 2);
}

#[test]
fn wrong_methods_are_4_05_and_unknown_paths_4_04() {
    let mut world = World::new();
    let (_, token) = world.register();
    for (method, path, code) in [
        (Method::Get, &["rd"][..], Code::METHOD_NOT_ALLOWED),
        (Method::Put, &["rd"], Code::METHOD_NOT_ALLOWED),
        (Method::Delete, &["rd"], Code::METHOD_NOT_ALLOWED),
        (Method::Get, &["rd", &token], Code::METHOD_NOT_ALLOWED),
        (Method::Put, &["rd", &token], Code::METHOD_NOT_ALLOWED),
        (Method::Post, &["bs"], Code::NOT_FOUND),
        (Method::Post, &[], Code::NOT_FOUND),
        (Method::Get, &[".well-known", "core"], Code::NOT_FOUND),
        (Method::Post, &["RD"], Code::NOT_FOUND),
        (Method::Post, &["rd", &token, "x"], Code::NOT_FOUND),
        (Method::Post, &["rd", ""], Code::NOT_FOUND),
        (Method::Post, &["rd", "AAAAAAAAAAA"], Code::NOT_FOUND),
        (Method::Delete, &["rd", "AAAAAAAAAAA"], Code::NOT_FOUND),
        (Method::Get, &["rd", "AAAAAAAAAAA"], Code::NOT_FOUND),
    ] {
        let request = Request {
            method,
            path,
            ..Request::default()
        };
        refused(&mut world, &request, code);
    }
}

#[test]
fn update_without_parameters_extends_the_registration() {
    let mut world = World::new();
    let (id, token) = world.register();
    world.pass(Duration::from_secs(50));
    assert_eq!(world.request(&update(&token)).code(), Code::CHANGED);
    assert!(matches!(
        world.event(),
        ServerEvent::Updated { registration, changes } if registration == id && changes == Changes::default()
    ));
    let registration = world.server.registration(id).unwrap();
    assert_eq!(registration.updated_at(), world.now);
    assert_eq!(
        registration.expires_at(),
        world.now + Duration::from_secs(60)
    );
    world.pass(Duration::from_secs(59));
    assert!(world.events().is_empty());
    world.pass(Duration::from_secs(1));
    assert!(matches!(world.event(), ServerEvent::Expired { .. }));
}

#[test]
fn update_tells_what_changed_and_only_that() {
    let mut world = World::new();
    let (id, token) = world.register();
    let mut changes = |queries, payload| {
        let request = Request {
            queries,
            payload,
            ..update(&token)
        };
        assert_eq!(world.request(&request).code(), Code::CHANGED);
        match &world.events()[..] {
            [
                ServerEvent::Updated {
                    registration,
                    changes,
                },
                // In Queue Mode it was asleep until the first Update that says so.
                ..,
            ] if *registration == id => *changes,
            events => panic!("{events:?}"),
        }
    };
    assert!(changes(&["lt=6000"], b"").lifetime);
    assert!(changes(&["b=UQ"], b"").binding);
    assert!(changes(&["sms=4915"], b"").sms_number);
    assert!(changes(&[], b"</1/0>,</3/0>,</12/3>").objects);
    assert_eq!(
        changes(&["lt=6000", "b=UQ", "sms=4915"], b"</12/3>, </1/0>,</3/0>"),
        Changes::default()
    );
    let registration = world.server.registration(id).unwrap();
    assert_eq!(registration.lifetime().as_secs(), 6000);
    assert_eq!(registration.binding(), BindingMode::UQ);
    assert_eq!(registration.sms_number().unwrap().as_str(), "4915");
    assert!(registration.has(&path("/12/3")));
    assert_eq!(
        registration.expires_at(),
        world.now + Duration::from_secs(6000)
    );
}

#[test]
fn a_bad_update_is_refused_and_changes_nothing() {
    let mut world = World::new();
    let (id, token) = world.register();
    let expires = world.server.registration(id).unwrap().expires_at();
    world.now += Duration::from_secs(10);
    for (queries, format, payload, code) in [
        (&["lt=0"][..], None, &b""[..], Code::BAD_REQUEST),
        (&["lt=99", "b=X"], None, b"", Code::BAD_REQUEST),
        (&["lt=99"], None, b"<", Code::BAD_REQUEST),
        (&["lt=99"], None, b"</sensors>", Code::BAD_REQUEST),
        (
            &["lt=99"],
            Some(ContentFormat::JSON),
            b"</3/0>",
            Code::BAD_REQUEST,
        ),
    ] {
        let request = Request {
            queries,
            format,
            payload,
            ..update(&token)
        };
        assert_eq!(world.request(&request).code(), code);
        assert_eq!(world.refusal().code(), code);
    }
    let registration = world.server.registration(id).unwrap();
    assert_eq!(registration.expires_at(), expires);
    assert_eq!(registration.lifetime().as_secs(), 60);
    world.assert_works();
}

#[test]
fn without_security_update_and_deregister_from_another_address_are_4_04() {
    let mut world = World::new();
    let (id, token) = world.register();
    for request in [update(&token), deregister(&token)] {
        let request = Request { from: 2, ..request };
        refused(&mut world, &request, Code::NOT_FOUND);
    }
    assert!(world.server.registration(id).is_some());
}

#[test]
fn deregister_removes_the_registration_once() {
    let mut world = World::new();
    let (id, token) = world.register();
    assert_eq!(world.request(&deregister(&token)).code(), Code::DELETED);
    match world.event() {
        ServerEvent::Deregistered { registration, was } => {
            assert_eq!((registration, was.endpoint_name()), (id, "device"));
        }
        event => panic!("{event:?}"),
    }
    assert!(world.server.registration(id).is_none());
    assert_eq!(world.server.find("device"), None);
    for request in [update(&token), deregister(&token)] {
        refused(&mut world, &request, Code::NOT_FOUND);
    }
}

#[test]
fn a_repeated_datagram_changes_nothing_and_is_answered_alike() {
    let mut world = World::new();
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path("rd").unwrap();
    for query in ["ep=device", "lt=60", "lwm2m=1.0"] {
        message.uri_query(query).unwrap();
    }
    message.payload(LINKS.as_bytes());
    let wire = message.finish(MessageType::Confirmable, 1, Token::EMPTY);
    world.deliver(1, wire.as_ref());
    let first = world.sent_one();
    world.deliver(1, wire.as_ref());
    let second = world.sent_one();
    assert!(
        first
            .message()
            .location_path()
            .eq(second.message().location_path())
    );
    assert!(matches!(world.event(), ServerEvent::Registered { .. }));
}

#[test]
fn register_again_replaces_the_registration_under_a_new_location() {
    let mut world = World::new();
    let (old, old_token) = world.register();
    let reply = world.request(&Request {
        from: 2,
        ..Request::default()
    });
    let new_token = reply.location().remove(1);
    assert_ne!(new_token, old_token);
    let events = world.events();
    let [
        ServerEvent::Replaced {
            registration,
            was,
            by,
        },
        ServerEvent::Registered { registration: new },
    ] = &*events
    else {
        panic!("{events:?}");
    };
    assert_eq!((*registration, was.peer(), by), (old, &1, new));
    assert!(world.server.registration(old).is_none());
    assert_eq!(world.server.registration(*new).unwrap().peer(), &2);
    assert_eq!(world.server.usage().registrations, 1);
    refused(&mut world, &update(&old_token), Code::NOT_FOUND);
    // The old registration's deadline has no effect.
    world.pass(Duration::from_secs(59));
    assert!(world.server.registration(*new).is_some());
}

#[test]
fn a_registration_expires_after_lifetime_and_grace() {
    let mut world = World::with(|config| config.grace = Duration::from_secs(5));
    let (id, token) = world.register();
    world.pass(Duration::from_millis(64_999));
    assert!(world.server.registration(id).is_some());
    assert_eq!(world.request(&update(&token)).code(), Code::CHANGED);
    world.events();
    world.pass(Duration::from_secs(65));
    match world.event() {
        ServerEvent::Expired { registration, was } => {
            assert_eq!((registration, was.endpoint_name()), (id, "device"));
        }
        event => panic!("{event:?}"),
    }
    refused(&mut world, &update(&token), Code::NOT_FOUND);
    world.register();
}

/// Checks that the next event is the end of this registration.
#[track_caller]
fn expired(world: &mut World, id: RegistrationId) {
    match world.server.poll_event() {
        Some(ServerEvent::Expired { registration, .. }) => assert_eq!(registration, id),
        event => panic!("{event:?}"),
    }
    assert!(world.server.registration(id).is_none());
}

/// TS 5.3.1: it ends after its Lifetime, even if no timeout was handled since.
#[test]
fn an_expired_registration_is_not_revived() {
    let grace = Duration::from_secs(10);
    let mut world = World::with(|config| {
        config.grace = grace;
        config.bounds.registrations = 1;
    });
    let over = |world: &mut World| world.now += Duration::from_secs(60) + grace;

    // A moment earlier it is still alive.
    let (id, token) = world.register();
    over(&mut world);
    world.now = Instant::from_millis(world.now.as_millis() - 1);
    assert_eq!(world.request(&update(&token)).code(), Code::CHANGED);
    assert!(matches!(world.event(), ServerEvent::Updated { .. }));

    over(&mut world);
    assert_eq!(world.request(&update(&token)).code(), Code::NOT_FOUND);
    expired(&mut world, id);
    assert_eq!(world.refusal().reason, RefusalReason::UnknownLocation);

    let (id, token) = world.register();
    over(&mut world);
    assert_eq!(world.request(&deregister(&token)).code(), Code::NOT_FOUND);
    expired(&mut world, id);
    assert_eq!(world.refusal().reason, RefusalReason::UnknownLocation);

    // Calls to the client are refused as well, and open operations end.
    let (id, _) = world.register();
    let pending = world
        .server
        .read(world.now, id, path("/3/0/9"), None)
        .unwrap();
    world.sent();
    over(&mut world);
    assert_eq!(
        world.server.read(world.now, id, path("/3/0/9"), None),
        Err(CallError::UnknownRegistration)
    );
    assert!(world.sent().is_empty());
    match world.server.poll_event() {
        Some(ServerEvent::Answered {
            operation, outcome, ..
        }) => assert_eq!((operation, outcome), (pending, Outcome::ClientGone)),
        event => panic!("{event:?}"),
    }
    expired(&mut world, id);

    // A client that registers again replaces nothing, and an expired registration takes no room.
    let secure = Request {
        identity: Identity::Psk(b"device"),
        ..Request::default()
    };
    let (id, _) = world.register_as(&secure);
    over(&mut world);
    assert_eq!(world.request(&Request::default()).code(), Code::CREATED);
    expired(&mut world, id);
    let ServerEvent::Registered { registration: id } = world.event() else {
        panic!("not registered");
    };
    over(&mut world);
    let other = Request {
        queries: &["ep=other", "lt=60", "lwm2m=1.0"],
        ..Request::default()
    };
    assert_eq!(world.request(&other).code(), Code::CREATED);
    expired(&mut world, id);
    assert!(matches!(world.event(), ServerEvent::Registered { .. }));
}

#[test]
fn a_fleet_that_goes_at_once_expires_in_bounded_steps() {
    let mut world = World::new();
    for n in 0..2500_u16 {
        world.register_as(&Request {
            from: n,
            queries: &[&format!("ep=device-{n}"), "lt=60", "lwm2m=1.0"],
            ..Request::default()
        });
    }
    world.now += Duration::from_secs(60);
    for left in [1500, 500, 0] {
        let due = world.server.poll_timeout();
        assert!(due.is_some_and(|due| due <= world.now));
        world.server.handle_timeout(world.now);
        assert_eq!(world.server.usage().registrations, left);
    }
    assert_eq!(world.events().len(), 2500);
    assert!(
        world
            .server
            .poll_timeout()
            .is_none_or(|due| due > world.now)
    );
}

#[test]
fn an_endpoint_name_must_be_the_proven_identity() {
    let names = ["gateway", "device"];
    let mut world = World::new();
    for (identity, code) in [
        (Identity::Psk(b"device"), Code::CREATED),
        (Identity::Psk(b"another"), Code::BAD_REQUEST),
        (Identity::Certificate(&names), Code::CREATED),
        (Identity::Certificate(&["gateway"]), Code::BAD_REQUEST),
        (Identity::RawPublicKey(b"device"), Code::BAD_REQUEST),
    ] {
        let request = Request {
            identity,
            ..Request::default()
        };
        assert_eq!(world.request(&request).code(), code, "{identity:?}");
    }
    let mut world = World::with(|config| {
        config.identity_check = |identity, name| {
            identity_is_name(identity, name) || *identity == Identity::RawPublicKey(b"its key")
        };
    });
    world.register_as(&Request {
        identity: Identity::RawPublicKey(b"its key"),
        ..Request::default()
    });
}

#[test]
fn a_proven_identity_cannot_be_pushed_out_by_none() {
    let mut world = World::new();
    let (id, token) = world.register_as(&Request {
        identity: Identity::Psk(b"device"),
        ..Request::default()
    });
    refused(&mut world, &Request::default(), Code::FORBIDDEN);
    for request in [update(&token), deregister(&token)] {
        refused(&mut world, &request, Code::NOT_FOUND);
        let stranger = Request {
            identity: Identity::Psk(b"another"),
            ..request
        };
        refused(&mut world, &stranger, Code::NOT_FOUND);
    }
    assert!(world.server.registration(id).unwrap().is_secure());
}

#[test]
fn update_from_a_new_address_under_the_same_identity_follows_the_device() {
    let mut world = World::new();
    let identity = Identity::Psk(b"device");
    let (id, token) = world.register_as(&Request {
        identity,
        ..Request::default()
    });
    let moved = Request {
        from: 2,
        identity,
        ..update(&token)
    };
    assert_eq!(world.request(&moved).code(), Code::CHANGED);
    assert!(matches!(
        &*world.events(),
        [ServerEvent::Updated { changes, .. }, ServerEvent::PeerLeft { registration, peer: 1 }]
            if changes.peer && *registration == id
    ));
    assert_eq!(world.server.registration(id).unwrap().peer(), &2);
    world
        .server
        .read(world.now, id, path("/3/0"), None)
        .unwrap();
    assert_eq!(world.sent_one().to, 2);
}

/// TS 5.3.1, 8.6.2: where the client was heard last, and over that channel.
#[test]
fn a_client_is_reached_over_the_channel_of_its_last_update() {
    let mut world = World::new();
    let identity = Identity::Psk(b"device");
    let (id, token) = world.register_as(&Request {
        identity,
        ..Request::default()
    });
    let lifetime = Request {
        queries: &["lt=86400"],
        identity,
        ..update(&token)
    };
    assert_eq!(world.request(&lifetime).code(), Code::CHANGED);
    for (channel, from, repeated) in [
        (Channel::Sms, 2, false),
        (Channel::Udp, 3, true),
        // The same peer, if the application's name for it covers both channels.
        (Channel::Sms, 3, false),
    ] {
        world.channel = channel;
        let update = Request {
            from,
            identity,
            ..update(&token)
        };
        assert_eq!(world.request(&update).code(), Code::CHANGED);
        world.events();
        assert_eq!(world.server.registration(id).unwrap().channel(), channel);
        world
            .server
            .read(world.now, id, path("/3/0/9"), None)
            .unwrap();
        assert_eq!(world.sent_one().to, from);
        // Over SMS nothing is retransmitted.
        world.pass(Duration::from_secs(10));
        let again = world.sent();
        assert_eq!(!again.is_empty(), repeated, "{channel:?}");
        assert!(again.iter().all(|sent| sent.to == from));
        world.pass(Duration::from_secs(200));
        world.sent();
        world.events();
    }
}

#[test]
fn multicast_and_non_confirmable_requests() {
    let mut world = World::new();
    let register = |kind, message_id| {
        let mut message = MessageBuf::request(Method::Post);
        message.uri_path("rd").unwrap();
        for query in ["ep=device", "lt=60", "lwm2m=1.0"] {
            message.uri_query(query).unwrap();
        }
        message.payload(LINKS.as_bytes());
        message.finish(kind, message_id, Token::EMPTY)
    };
    let wire = register(MessageType::NonConfirmable, 1);
    let mut datagram = Datagram::new(1, wire.as_ref());
    datagram.multicast = true;
    world.server.handle_datagram(world.now, datagram).unwrap();
    assert!(world.sent().is_empty() && world.events().is_empty());

    let wire = register(MessageType::NonConfirmable, 2);
    world.deliver(1, wire.as_ref());
    let reply = world.sent_one();
    assert_eq!(reply.message().code(), Code::CREATED);
    assert_eq!(reply.message().kind(), MessageType::NonConfirmable);
}

#[test]
fn corrupt_datagrams_leave_no_trace() {
    let mut world = World::new();
    let (id, _) = world.register();
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path("rd").unwrap();
    for query in ["ep=victim", "lt=60", "lwm2m=1.0"] {
        message.uri_query(query).unwrap();
    }
    message.payload(LINKS.as_bytes());
    let wire = message.finish(MessageType::Confirmable, 77, Token::EMPTY);
    let wire = wire.as_ref();
    for end in 0..wire.len() {
        world.deliver(3, &wire[..end]);
    }
    for at in 0..wire.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut corrupt = wire.to_vec();
            corrupt[at] ^= flip;
            world.deliver(4, &corrupt);
        }
    }
    world.sent();
    world.events();
    assert!(world.server.registration(id).is_some());
    world.assert_works();
    world.pass(Duration::from_secs(400));
    world.sent();
    let usage = world.server.usage();
    assert_eq!((usage.operations, usage.observations), (0, 0));
    assert_eq!(usage.coap.records, 0, "{usage:?}");
}

#[test]
fn an_early_or_repeated_timeout_does_nothing() {
    let mut world = World::new();
    world.register();
    for _ in 0..3 {
        world.server.handle_timeout(world.now);
        world.server.handle_timeout(Instant::ZERO);
    }
    assert!(world.sent().is_empty() && world.events().is_empty());
}

/// RFC 7252 §11.4: without security anyone can use the address of a client. 1,000 requests from it
/// are more than are remembered of one peer.
#[test]
fn requests_under_the_address_of_a_client_do_not_shut_it_out() {
    let nowhere = Request {
        path: &["x"],
        queries: &[],
        payload: b"",
        format: None,
        ..Request::default()
    };
    let unusable = Request {
        queries: &["ep=ghost"],
        ..Request::default()
    };
    let accepted = Request {
        queries: &["ep=ghost", "lt=60", "lwm2m=1.0"],
        ..Request::default()
    };
    for (forged, code) in [
        (nowhere, Code::NOT_FOUND),
        (unusable, Code::BAD_REQUEST),
        (accepted, Code::CREATED),
    ] {
        let mut world = World::new();
        let (id, token) = world.register();
        for _ in 0..1000 {
            assert_eq!(world.request(&forged).code(), code);
            world.events();
        }
        // It continues in both directions.
        assert_eq!(world.request(&update(&token)).code(), Code::CHANGED);
        world.events();
        world
            .server
            .read(world.now, id, path("/3/0/9"), None)
            .unwrap();
        assert_eq!(world.sent_one().to, 1);
        assert_eq!(world.request(&deregister(&token)).code(), Code::DELETED);
    }
}

/// RFC 7252 §11.3: little is sent to a made-up address for each request from it.
#[test]
fn who_is_not_registered_is_answered_with_at_most_three_times_the_bytes() {
    let mut world = World::new();
    let options = [
        &[][..],
        &[0x90],             // unknown
        &[0xe0, 0xfc, 0xdc], // option 65001
        &[0xd1, 0x16, b'c'], // Proxy-Uri
        &[0xd1, 0x1a, b'c'], // Proxy-Scheme
        &[0xb2, b'r', b'd'], // Uri-Path
        &[0xd1, 0x0e, 0x08], // Block1
        &[0xd1, 0x0a, 0x10], // Block2
    ];
    for code in 1..=8 {
        for (id, option) in (0_u8..).zip(options) {
            for kind in [0x40, 0x50] {
                let mut datagram = vec![kind, code, code, id];
                datagram.extend(option);
                world.deliver(u16::from(kind) << 8 | u16::from(code), &datagram);
                // Later retransmissions count as well.
                let mut answer = world.sent_bytes();
                world.pass(Duration::from_secs(300));
                answer += world.sent_bytes();
                assert!(answer <= 3 * datagram.len(), "{datagram:02x?}: {answer}");
                world.events();
            }
        }
    }
}
