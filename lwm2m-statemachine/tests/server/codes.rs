//! The response codes of the Client Registration interface against TS Table 27: each where it
//! belongs, and no others.

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Method, Operation};
use lwm2m_statemachine::{
    Identity,
    server::{NoSec, UnknownParameters},
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use crate::support::{Request, World};

/// A code and what the table says of it, and a request that gets it.
type Row<'a> = (Code, &'a str, Request<'a>);

const REGISTER: Request<'_> = Request {
    from: 1,
    method: Method::Post,
    path: &["rd"],
    queries: &["ep=device", "lt=60", "lwm2m=1.0"],
    format: Some(ContentFormat::LINK_FORMAT),
    payload: b"</1/0>,</3/0>",
    identity: Identity::None,
};

/// Each row gets its code, and each code of the table has a row, except those that never apply.
#[track_caller]
fn assert_table(world: &mut World, operation: Operation, rows: &[Row<'_>], never: &[Code]) {
    for (code, meaning, request) in rows {
        assert_eq!(
            world.request(request).code(),
            *code,
            "{operation}: {meaning}"
        );
        assert!(operation.allows(*code), "{operation}: {meaning}");
        world.events();
    }
    for code in operation.response_codes() {
        let due = rows.iter().any(|row| row.0 == *code);
        assert_ne!(due, never.contains(code), "{operation}: {code:?}");
    }
}

#[test]
fn register_is_answered_by_table_27() {
    let mut world = World::with(|config| {
        config.unknown_parameters = UnknownParameters::Refuse;
        config.no_sec = NoSec::Only(|name| name != "lock");
    });
    world.register_as(&Request {
        queries: &["ep=secured", "lt=60", "lwm2m=1.0"],
        identity: Identity::Psk(b"secured"),
        ..REGISTER
    });
    let queries = |queries| Request {
        queries,
        ..REGISTER
    };
    let payload = |payload| Request {
        payload,
        ..REGISTER
    };
    let format = |format| Request {
        format: Some(format),
        ..REGISTER
    };
    let identity = |identity| Request {
        identity,
        ..REGISTER
    };
    let rows = [
        (Code::CREATED, "completed", REGISTER),
        (Code::BAD_REQUEST, "no ep", queries(&["lt=60", "lwm2m=1.0"])),
        (
            Code::BAD_REQUEST,
            "no lt",
            queries(&["ep=device", "lwm2m=1.0"]),
        ),
        (
            Code::BAD_REQUEST,
            "no lwm2m",
            queries(&["ep=device", "lt=60"]),
        ),
        (Code::BAD_REQUEST, "no list", payload(b"")),
        (
            Code::BAD_REQUEST,
            "a list of nothing",
            payload(b"</sensors>"),
        ),
        (Code::BAD_REQUEST, "no link-format", payload(b"</1/0")),
        (
            Code::BAD_REQUEST,
            "an unknown parameter",
            queries(&["ep=device", "lt=60", "lwm2m=1.0", "site=north"]),
        ),
        (
            Code::BAD_REQUEST,
            "a value that is none",
            queries(&["ep=device", "lt=soon", "lwm2m=1.0"]),
        ),
        (
            Code::BAD_REQUEST,
            "a parameter twice",
            queries(&["ep=device", "lt=60", "lt=60", "lwm2m=1.0"]),
        ),
        (Code::BAD_REQUEST, "text", format(ContentFormat::TEXT)),
        (Code::BAD_REQUEST, "opaque", format(ContentFormat::OPAQUE)),
        (Code::BAD_REQUEST, "TLV", format(ContentFormat::TLV)),
        (Code::BAD_REQUEST, "JSON", format(ContentFormat::JSON)),
        (
            Code::BAD_REQUEST,
            "no format",
            format(ContentFormat::new(65000)),
        ),
        (
            Code::BAD_REQUEST,
            "not the name of the certificate",
            identity(Identity::Certificate(&["another"])),
        ),
        (
            Code::FORBIDDEN,
            "not allowed to this client",
            queries(&["ep=secured", "lt=60", "lwm2m=1.0"]),
        ),
        (
            Code::FORBIDDEN,
            "not allowed without a proven identity",
            queries(&["ep=lock", "lt=60", "lwm2m=1.0"]),
        ),
        (
            Code::PRECONDITION_FAILED,
            "a later version",
            queries(&["ep=device", "lt=60", "lwm2m=1.1"]),
        ),
        (
            Code::PRECONDITION_FAILED,
            "another major version",
            queries(&["ep=device", "lt=60", "lwm2m=2.0"]),
        ),
    ];
    assert_table(&mut world, Operation::Register, &rows, &[]);
}

#[test]
fn the_version_is_judged_before_all_else() {
    let mut world = World::with(|config| config.unknown_parameters = UnknownParameters::Refuse);
    for request in [
        Request {
            queries: &["b=UT", "Q", "site=north", "lt=0", "lwm2m=1.1"],
            ..REGISTER
        },
        Request {
            queries: &["ep=device", "lt=60", "lwm2m=1.1"],
            format: Some(ContentFormat::new(112)),
            ..REGISTER
        },
        Request {
            queries: &["ep=device", "lt=60", "lwm2m=1.1"],
            payload: b"no list",
            ..REGISTER
        },
        Request {
            queries: &["ep=device", "lt=60", "lwm2m=1.1"],
            identity: Identity::Psk(b"another"),
            ..REGISTER
        },
    ] {
        let code = world.request(&request).code();
        assert_eq!(code, Code::PRECONDITION_FAILED, "{request:?}");
    }
}

#[test]
fn update_is_answered_by_table_27() {
    let mut world = World::with(|config| config.unknown_parameters = UnknownParameters::Refuse);
    let (_, token) = world.register();
    let location = ["rd", &*token];
    let update = Request {
        path: &location,
        queries: &[],
        format: None,
        payload: b"",
        ..REGISTER
    };
    let queries = |queries| Request { queries, ..update };
    let payload = |payload| Request { payload, ..update };
    let format = |format| Request {
        format: Some(format),
        payload: b"</1/0>,</3/0>",
        ..update
    };
    let path = |path| Request { path, ..update };
    let rows = [
        (Code::CHANGED, "nothing changed", update),
        (
            Code::CHANGED,
            "all changed",
            queries(&["lt=80", "b=UQ", "sms=1"]),
        ),
        (
            Code::CHANGED,
            "another list",
            payload(b"</1/0>,</3/0>,</4/0>"),
        ),
        (
            Code::CHANGED,
            "link-format",
            format(ContentFormat::LINK_FORMAT),
        ),
        (
            Code::BAD_REQUEST,
            "ep is none of its",
            queries(&["ep=device"]),
        ),
        (
            Code::BAD_REQUEST,
            "lwm2m is none of its",
            queries(&["lwm2m=1.0"]),
        ),
        (
            Code::BAD_REQUEST,
            "a value that is none",
            queries(&["b=QU"]),
        ),
        (Code::BAD_REQUEST, "no link-format", payload(b"<")),
        (
            Code::BAD_REQUEST,
            "a list of nothing",
            payload(b"</sensors>"),
        ),
        (Code::BAD_REQUEST, "text", format(ContentFormat::TEXT)),
        (Code::BAD_REQUEST, "opaque", format(ContentFormat::OPAQUE)),
        (Code::BAD_REQUEST, "JSON", format(ContentFormat::JSON)),
        (
            Code::NOT_FOUND,
            "no such location",
            path(&["rd", "AAAAAAAAAAA"]),
        ),
        (Code::NOT_FOUND, "no location", path(&["rd", "1"])),
        (
            Code::NOT_FOUND,
            "another's location",
            Request { from: 2, ..update },
        ),
    ];
    assert_table(&mut world, Operation::Update, &rows, &[]);
    world.pass(Duration::from_secs(80));
    assert_eq!(world.request(&update).code(), Code::NOT_FOUND);
}

#[test]
fn deregister_is_answered_by_table_27() {
    let mut world = World::new();
    let (_, token) = world.register();
    let location = ["rd", &*token];
    let deregister = Request {
        method: Method::Delete,
        path: &location,
        queries: &[],
        format: None,
        payload: b"",
        ..REGISTER
    };
    let rows = [
        (
            Code::NOT_FOUND,
            "another's location",
            Request {
                from: 2,
                ..deregister
            },
        ),
        (
            Code::NOT_FOUND,
            "no such location",
            Request {
                path: &["rd", "AAAAAAAAAAA"],
                ..deregister
            },
        ),
        (Code::DELETED, "completed", deregister),
        (Code::NOT_FOUND, "not there any more", deregister),
    ];
    // All its errors have a more precise code.
    assert_table(
        &mut world,
        Operation::Deregister,
        &rows,
        &[Code::BAD_REQUEST],
    );
}

/// A query that is valid, or nearly.
fn query() -> impl Strategy<Value = String> {
    let key = select(vec!["ep", "lt", "lwm2m", "b", "sms", "Q", "site", ""]);
    let value = select(vec![
        "", "=", "=device", "=other", "=60", "=0", "=1.0", "=1.1", "=U", "=UQ", "=UT", "=49",
        "=north",
    ]);
    (key, value).prop_map(|(key, value)| format!("{key}{value}"))
}

fn identity() -> impl Strategy<Value = Identity<'static>> {
    select(vec![
        Identity::None,
        Identity::Psk(b"device"),
        Identity::Certificate(&["other"]),
        Identity::RawPublicKey(b"key"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_asked_the_code_is_one_of_the_operation(
        requests in vec(
            (
                0..3_u16,
                select(vec![Method::Post, Method::Delete]),
                option::of(any::<Index>()),
                vec(query(), 0..6),
                option::of(select(vec![0_u16, 40, 42, 11542, 11543, 60])),
                select(vec![&b""[..], b"</1/0>,</3/0>", b"</sensors>", b"<", b"\xff", b"</1/0>,</2/0>,</3/0>,</4/0>"]),
                identity(),
            ),
            1..20,
        ),
    ) {
        let mut world = World::with(|config| {
            config.bounds.registrations = 2;
            config.bounds.objects = 3;
            config.bounds.unknown_parameters = 10;
        });
        let mut locations = vec!["AAAAAAAAAAA".to_owned()];
        for (from, method, location, queries, format, payload, identity) in requests {
            let token = location.map(|at| at.get(&locations).clone());
            let path: Vec<&str> = ["rd"].into_iter().chain(token.as_deref()).collect();
            let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
            let request = Request {
                from,
                method,
                path: &path,
                queries: &queries,
                format: format.map(ContentFormat::new),
                payload,
                identity,
            };
            let reply = world.request(&request);
            let code = reply.code();
            locations.extend(reply.location().pop());
            let operation = match (method, path.len()) {
                (Method::Post, 1) => Operation::Register,
                (Method::Post, _) => Operation::Update,
                (_, 1) => {
                    prop_assert_eq!(code, Code::METHOD_NOT_ALLOWED);
                    continue;
                }
                _ => Operation::Deregister,
            };
            let room = [Code::REQUEST_ENTITY_TOO_LARGE, Code::SERVICE_UNAVAILABLE];
            prop_assert!(
                operation.allows(code) && code != Code::INTERNAL_SERVER_ERROR || room.contains(&code),
                "{} {:?}", operation, code
            );
        }
    }
}
