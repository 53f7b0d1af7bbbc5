//! The reports of Registers, Updates and De-registers that a server refuses (TS 5.3, 8.5).

use lwm2m_core::{Code, ContentFormat, Method, Operation, Parameter, ParameterError};
use lwm2m_objects::typed;
use lwm2m_statemachine::{Channel, Identity, server::RefusalReason};

use crate::support::{Request, World};

#[test]
fn a_refused_register_is_told_with_its_code_reason_and_sender() {
    let mut world = World::new();
    world.channel = Channel::Sms;
    let queries = &["lt=60", "b=UT", "lwm2m=1.1", "ep=meter\n1"];
    let later = Request {
        from: 77,
        queries,
        ..Request::default()
    };
    assert_eq!(world.request(&later).code(), Code::PRECONDITION_FAILED);
    let refusal = world.refusal();
    assert_eq!(refusal.operation, Operation::Register);
    assert_eq!(refusal.code(), Code::PRECONDITION_FAILED);
    assert!(matches!(
        refusal.reason,
        RefusalReason::Parameter(ParameterError::Version { query: 2, .. })
    ));
    assert_eq!((refusal.peer, refusal.channel), (77, Channel::Sms));
    assert_eq!(refusal.security, typed::SecurityMode::NoSec);
    assert_eq!(refusal.endpoint_name.as_deref(), Some("meter\n1"));
    assert_eq!(refusal.registration, None);
    assert_eq!(
        refusal.to_string(),
        r#"Register of "meter\n1" from 77 (NoSec): 4.12, query 2: LwM2M 1.1 is not compatible with 1.0"#
    );
}

#[test]
fn the_endpoint_name_is_told_as_far_as_it_can_be_read() {
    let mut world = World::new();
    for (queries, name) in [
        (&["lt=60", "lwm2m=1.0"][..], None),
        (&["ep", "lt=60", "lwm2m=1.0"], None),
        (&["ep=", "lt=60", "lwm2m=1.0"], Some("")),
        (&["epsilon=1", "ep=a", "lt=0", "lwm2m=1.0"], Some("a")),
        (&["ep=a", "ep=b", "lt=60", "lwm2m=1.0"], Some("a")),
    ] {
        let request = Request {
            queries,
            ..Request::default()
        };
        assert_eq!(world.request(&request).code(), Code::BAD_REQUEST);
        assert_eq!(world.refusal().endpoint_name.as_deref(), name);
    }
}

#[test]
fn each_reason_of_a_refused_register_is_told() {
    let mut world = World::with(|config| {
        config.bounds.registrations = 1;
        config.bounds.objects = 2;
        config.bounds.unknown_parameters = 8;
        config.bounds.alternate_path = 6;
    });
    let psk = Identity::Psk(b"device");
    world.register_as(&Request {
        identity: psk,
        ..Request::default()
    });
    let right = Request::default();
    let other = &["ep=other", "lt=60", "lwm2m=1.0"];
    for (request, reason) in [
        (
            Request {
                queries: &["ep=device", "lwm2m=1.0"],
                ..right
            },
            RefusalReason::Parameter(ParameterError::Missing(Parameter::Lifetime)),
        ),
        (
            Request {
                queries: &["ep=device", "lt=60", "lwm2m=1.0", "site=north"],
                ..right
            },
            RefusalReason::UnknownParameters(8),
        ),
        (
            Request {
                format: Some(ContentFormat::TLV),
                ..right
            },
            RefusalReason::ContentFormat(ContentFormat::TLV),
        ),
        (
            Request {
                payload: b"</sensors>",
                ..right
            },
            RefusalReason::NoObjects,
        ),
        (
            Request {
                payload: b"</1/0>,</3/0>,</4/0>",
                ..right
            },
            RefusalReason::TooManyObjects(2),
        ),
        (
            Request {
                payload: br#"</devices>;rt="oma.lwm2m",</devices/3/0>"#,
                ..right
            },
            RefusalReason::AlternatePath(6),
        ),
        (
            Request {
                identity: Identity::Certificate(&["gateway"]),
                ..right
            },
            RefusalReason::Identity,
        ),
        (right, RefusalReason::Secured),
        (
            Request {
                queries: other,
                ..right
            },
            RefusalReason::NoRoom,
        ),
    ] {
        let code = world.request(&request).code();
        let refusal = world.refusal();
        assert_eq!((refusal.reason, refusal.code()), (reason, code));
        assert_eq!(refusal.security, request.identity.security_mode());
    }
    let malformed = Request {
        payload: b"</3/0",
        ..right
    };
    world.request(&malformed);
    assert!(matches!(world.refusal().reason, RefusalReason::Links(_)));
}

#[test]
fn a_refused_update_or_deregister_is_told_with_the_registration() {
    let mut world = World::new();
    let (id, token) = world.register();
    let location = ["rd", &*token];
    for (method, operation) in [
        (Method::Post, Operation::Update),
        (Method::Delete, Operation::Deregister),
    ] {
        let request = Request {
            method,
            path: &location,
            queries: &[],
            payload: b"",
            ..Request::default()
        };
        world.request(&Request { from: 2, ..request });
        let refusal = world.refusal();
        assert_eq!(
            (refusal.operation, refusal.reason, refusal.peer),
            (operation, RefusalReason::AnotherClient, 2)
        );
        assert_eq!(refusal.registration, Some(id));
        assert_eq!(refusal.endpoint_name.as_deref(), Some("device"));

        for unknown in ["AAAAAAAAAAA", "1"] {
            world.request(&Request {
                path: &["rd", unknown],
                queries: &["ep=device"],
                ..request
            });
            let refusal = world.refusal();
            assert_eq!(
                (refusal.operation, refusal.reason, refusal.registration),
                (operation, RefusalReason::UnknownLocation, None)
            );
            assert_eq!(refusal.endpoint_name.as_deref(), Some("device"));
        }
    }
    let update = Request {
        path: &location,
        queries: &["b=X"],
        payload: b"",
        ..Request::default()
    };
    world.request(&update);
    let refusal = world.refusal();
    assert_eq!(refusal.operation, Operation::Update);
    assert_eq!(refusal.registration, Some(id));
    assert!(world.server.registration(id).is_some());
}

#[test]
fn a_stream_of_spoofed_refusals_leaves_one_event_each_and_then_nothing() {
    let mut world = World::new();
    for from in 0..5000 {
        let request = Request {
            from,
            queries: &["ep=device", "lt=60", "lwm2m=9.9"],
            ..Request::default()
        };
        world.request(&request);
        assert_eq!(world.server.usage().events, 1);
        assert_eq!(world.refusal().peer, from);
    }
    let usage = world.server.usage();
    assert_eq!((usage.events, usage.registrations), (0, 0));
}
