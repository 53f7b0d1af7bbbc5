//! Clients of LwM2M 1.0 and of later versions at one server (TS 5.3.1).

use lwm2m_core::{
    Binding, BindingMode, Code, ContentFormat, EnablerVersions, ParameterError, Transport, Version,
};
use lwm2m_statemachine::{ServerEvent, server::RefusalReason};

use crate::support::{Request, World, path};

const LATER: Version = Version::new(1, 1);

/// A Register as a client of LwM2M 1.1 sends it.
fn later<'a>(queries: &'a [&'a str]) -> Request<'a> {
    Request {
        queries,
        payload: br#"</>;rt="oma.lwm2m";ct="60 110 112",</1>;ver=1.1,</1/0>,</3/0>"#,
        ..Request::default()
    }
}

fn accepting(versions: EnablerVersions) -> World {
    World::with(|config| config.versions = versions)
}

fn transports(text: &str, queue_mode: bool) -> Binding {
    Binding::Transports {
        transports: text.parse().unwrap(),
        queue_mode,
    }
}

#[test]
fn what_a_client_of_1_1_registers_is_kept_and_it_is_served() {
    let mut world = accepting(EnablerVersions::up_to(LATER));
    let (id, token) = world.register_as(&later(&["ep=device", "lt=60", "lwm2m=1.1", "b=TU", "Q"]));
    let registration = world.server.registration(id).unwrap();
    assert_eq!(registration.version(), LATER);
    assert_eq!(registration.binding(), transports("UT", true));
    assert_eq!(registration.binding().mode(), None);
    assert!(registration.binding().queues(Transport::Tcp));
    assert_eq!(registration.parameters().count(), 0, "none is unknown");
    for format in [60, 110, 112] {
        assert!(registration.announces(ContentFormat::new(format)));
    }
    assert_eq!(registration.object_version(1.into()), Some(LATER));

    let operation = world.server.read(world.now, id, path("/3/0/9"), None);
    assert_eq!(operation.unwrap().registration(), id);
    assert_eq!(world.sent_one().path(), "/3/0/9");

    for (queries, binding) in [
        (&["b=UN"][..], transports("UN", false)),
        (&["lt=70"], transports("UN", false)),
        (&["Q"], transports("UN", true)),
        (&["lt=80"], transports("UN", true)),
        (&["b=U", "Q"], transports("U", true)),
    ] {
        let before = world.server.registration(id).unwrap().binding();
        let update = Request {
            path: &["rd", &token],
            queries,
            payload: b"",
            ..Request::default()
        };
        assert_eq!(world.request(&update).code(), Code::CHANGED);
        assert_eq!(world.server.registration(id).unwrap().binding(), binding);
        // Where it says that it is in Queue Mode, it wakes.
        assert!(matches!(
            world.events()[0],
            ServerEvent::Updated { changes, .. } if changes.binding == (before != binding)
        ));
    }
}

#[test]
fn a_client_of_1_0_is_read_by_1_0_wherever_later_ones_are_accepted() {
    let mut world = accepting(EnablerVersions::up_to(LATER));
    let (id, _) = world.register_as(&Request {
        queries: &["ep=device", "lt=60", "lwm2m=1.0", "b=UQ", "Q"],
        ..Request::default()
    });
    let registration = world.server.registration(id).unwrap();
    assert_eq!(registration.binding(), BindingMode::UQ);
    assert!(registration.parameters().eq(["Q"]), "unknown in 1.0");
    let code = world
        .request(&later(&["ep=device", "lt=60", "lwm2m=1.0", "b=UT"]))
        .code();
    assert_eq!(code, Code::BAD_REQUEST);
}

#[test]
fn the_set_of_versions_has_both_ends() {
    for (versions, accepted) in [
        (EnablerVersions::default(), [true, false, false]),
        (EnablerVersions::up_to(LATER), [true, true, false]),
        (
            EnablerVersions::between(LATER, Version::new(1, 2)).unwrap(),
            [false, true, true],
        ),
    ] {
        for (minor, accepted) in (0..).zip(accepted) {
            let mut world = accepting(versions);
            let version = Version::new(1, minor);
            let query = format!("lwm2m={version}");
            let reply = world.request(&later(&["ep=device", "lt=60", &query]));
            let code = if accepted {
                Code::CREATED
            } else {
                Code::PRECONDITION_FAILED
            };
            assert_eq!(reply.code(), code, "{version} of {versions}");
            if !accepted {
                let error = ParameterError::Version {
                    query: 2,
                    client: version,
                    accepted: versions,
                };
                assert_eq!(world.refusal().reason, RefusalReason::Parameter(error));
            }
        }
    }
}
